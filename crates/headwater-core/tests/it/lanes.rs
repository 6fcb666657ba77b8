//! Lanes, sessions and documents as they come and go.

use headwater_core::{
    ApplyError, CreateError, Decision, DocumentOptions, Outcome, Refusal, Rejection, Seq, Sessions,
    ShardConfig, Time, Version,
};
use headwater_doc::{LimitExceeded, Limits};

use crate::pair::{INCARNATION, Server, append, config, json, key, patch};

/// P1: a repeat gets its first outcome also after the document was removed and made again.
#[test]
fn a_lane_outlives_removal_and_re_creation_of_its_document() {
    let mut server = Server::new();
    server.create("room", r#"{"log":[]}"#);
    let client = server.client("room");
    server.send_all(&client, [1, 2]);
    server.hold_all(&client, [5]);

    let last = server.shard.remove(&key("room")).unwrap();
    assert_eq!(last.root.canonical(), r#"{"log":[1,2]}"#);
    let version = Version(2);
    let first = Outcome::Duplicate(Decision::Applied { version });
    assert_eq!(server.send(&client, 2, &append(2)), first);
    assert_eq!(
        server.send(&client, 3, &append(3)),
        Outcome::Rejected(Rejection::NoSuchDocument)
    );

    server.create("room", r#"{"log":["new"]}"#);
    assert_eq!(server.send(&client, 2, &append(2)), first);
    assert_eq!(server.status(&client).decided, Seq(3));
    // What was held when the document went is applied to the one that is there when its turn comes.
    server.send_all(&client, [4]);
    assert_eq!(server.text("room"), r#"{"log":["new",4,5]}"#);
    assert_eq!(server.snapshot("room").position.version, Version(2));
}

#[test]
fn a_document_that_is_made_again_has_a_new_epoch_and_starts_at_version_0() {
    let mut server = Server::new();
    let first = server.create("room", "1");
    server.apply("room", r#"[{"op":"replace","path":"","value":2}]"#);
    server.shard.remove(&key("room"));
    assert_eq!(server.shard.epoch(&key("room")), None);
    assert_eq!(server.shard.remove(&key("room")).map(|_| ()), None);
    let second = server.create("room", "3");
    assert_ne!(first.epoch, second.epoch);
    assert_eq!(second.epoch.incarnation, INCARNATION);
    assert_eq!(second.version, Version::ZERO);
    assert!(server.shard.commit(&key("room"), Version(1)).is_none());
    assert_eq!(server.shard.documents(), 1);
}

#[test]
fn lanes_of_one_session_are_numbered_apart() {
    let mut server = Server::new();
    server.create("room", r#"{"log":[]}"#);
    server.create("hall", r#"{"log":[]}"#);
    let room = server.client("room");
    let hall = room.on("hall");
    server.send_all(&room, 1..=3);
    server.send_all(&hall, 1..=2);
    assert_eq!(server.status(&room).expected, Seq(4));
    assert_eq!(server.status(&hall).expected, Seq(3));
}

/// P4: what a session held when it was forgotten counts as told: it ended, and knows.
#[test]
fn forgetting_a_session_gives_up_what_it_holds_and_only_that() {
    let mut server = Server::new();
    server.create("room", r#"{"log":[]}"#);
    server.create("hall", r#"{"log":[]}"#);
    let room = server.client("room");
    let hall = room.on("hall");
    let other = server.client("room");
    server.hold_all(&room, [3, 4]);
    server.hold_all(&hall, [2]);
    server.hold_all(&other, [2]);
    assert!(server.sessions.close(room.session));
    while server.shard.forget(room.session) {}
    let counts = server.shard.counts();
    assert!(counts.balance(), "{counts:?}");
    assert_eq!((counts.held, counts.told), (1, 3));
    assert_eq!(server.status(&room).held, 0);
    assert_eq!(server.status(&other).held, 1);
    server.send_all(&other, [1]);
    assert_eq!(server.text("room"), r#"{"log":[1,2]}"#);
    // Nothing of it is left for a deadline to find.
    assert_eq!(server.shard.next_deadline(), None);
}

#[test]
fn forgetting_a_session_whose_batches_wait_for_a_turn_leaves_nothing_to_decide() {
    let mut server = Server::new();
    server.create("room", r#"{"log":[]}"#);
    let client = server.client("room");
    server.hold_all(&client, 2..=65);
    server.send_all(&client, [1]);
    server.hold_all(&client, [67]);
    assert!(server.shard.has_turn());
    while server.shard.forget(client.session) {}
    // Another lane may stand where the forgotten one stood.
    let other = server.client("room");
    server.hold_all(&other, [2]);
    server.shard.turn(server.now);
    assert_eq!(server.status(&other).decided, Seq(0));
    assert!(!server.shard.has_turn());
    assert_eq!(server.shard.counts().held, 1);
}

/// P9: whoever waits for the shard waits for a bounded number of lanes.
#[test]
fn a_session_of_many_lanes_is_forgotten_in_rounds() {
    let mut server = Server::new();
    let client = server.client("0");
    for number in 0..150 {
        server.hold_all(&client.on(&number.to_string()), [2]);
    }
    assert!(server.sessions.close(client.session));
    let mut held = Vec::new();
    while server.shard.forget(client.session) {
        held.push(server.shard.counts().held);
    }
    assert_eq!(held, [86, 22]);
    assert_eq!(server.shard.counts().told, 150);
}

#[test]
fn what_is_held_is_given_up_in_rounds() {
    let mut server = Server::new();
    let client = server.client("0");
    for number in 0..150 {
        server.hold_all(&client.on(&number.to_string()), [2]);
    }
    let mut held = Vec::new();
    while server.shard.give_up_held(server.now) {
        held.push(server.shard.counts().held);
    }
    assert_eq!(held, [86, 22]);
    assert_eq!(server.shard.counts().told, 150);
}

#[test]
fn a_key_that_nobody_uses_is_forgotten() {
    let mut server = Server::new();
    let client = server.client("room");
    server.send(&client, 1, "[]");
    while server.shard.forget(client.session) {}
    assert_eq!(server.status(&client).decided, Seq(0));
    server.create("room", "1");
    server.shard.remove(&key("room"));
    assert_eq!(
        server.shard.snapshot(server.now, &key("room")).map(|_| ()),
        None
    );
}

#[test]
fn each_attachment_is_one_more_and_a_closed_session_makes_room() {
    let mut sessions = Sessions::new(INCARNATION, 2);
    let (first, attachment) = sessions.open(Time::START).unwrap();
    let (second, _) = sessions.open(Time::START).unwrap();
    assert_eq!(sessions.open(Time::START).unwrap_err().sessions_max, 2);
    assert_eq!(
        sessions.attach(Time::START, first).unwrap().0,
        attachment.0 + 1
    );
    assert!(sessions.close(first));
    assert!(!sessions.close(first));
    assert_eq!(
        sessions.attach(Time::START, first),
        Err(Refusal::UnknownSession)
    );
    let (third, _) = sessions.open(Time::START).unwrap();
    // An id is never issued twice.
    assert!(third != first && third != second);
    assert_eq!((sessions.len(), sessions.is_empty()), (2, false));
}

#[test]
fn a_document_is_made_once_within_the_limits() {
    let limits = Limits {
        bytes: 10,
        ..Limits::default()
    };
    let mut server = Server::with(ShardConfig {
        limits,
        documents_max: 1,
        ..config()
    });
    let create = |server: &mut Server, name, root| {
        let options = DocumentOptions::default();
        server.shard.create(server.now, &key(name), root, options)
    };
    let exceeded = CreateError::Limit(LimitExceeded::Bytes { limit: 10 });
    let large = json(r#""twelve bytes""#);
    assert_eq!(create(&mut server, "room", large), Err(exceeded));
    server.create("room", "1");
    assert_eq!(
        create(&mut server, "room", json("2")),
        Err(CreateError::Exists)
    );
    let full = CreateError::TooManyDocuments { documents_max: 1 };
    assert_eq!(create(&mut server, "hall", json("2")), Err(full));
    server.shard.remove(&key("room"));
    assert!(create(&mut server, "hall", json("2")).is_ok());
}

#[test]
fn a_change_by_the_host_needs_a_document_and_has_no_origin() {
    let mut server = Server::new();
    let missing = server.shard.apply(server.now, &key("room"), patch("[]"));
    assert_eq!(missing, Err(ApplyError::NoSuchDocument));
    server.create("room", r#"{"a":1}"#);
    let fails = patch(r#"[{"op":"remove","path":"/a"},{"op":"remove","path":"/a"}]"#);
    let failed = server.shard.apply(server.now, &key("room"), fails);
    assert!(
        matches!(failed, Err(ApplyError::Patch { operation: 1, .. })),
        "{failed:?}"
    );
    assert_eq!(server.text("room"), r#"{"a":1}"#);
    let version = server.apply("room", r#"[{"op":"remove","path":"/a"}]"#);
    let commit = server.shard.commit(&key("room"), version).unwrap();
    assert_eq!(commit.origin, None);
    // The host's changes are no batches handed in.
    assert_eq!(server.shard.counts().received, 0);
}
