//! Changes by the host to several documents at once: staged on copies, then installed.

use std::sync::Arc;

use headwater_core::{ApplyError, Mode, Position, Replica, StageError, Staged, Version};
use headwater_doc::{Extensions, Patch, Reason};

use crate::{
    pair::{FAILS, Server, append, cursor, key, patch},
    watching::Alarm,
};

fn halls() -> (Server, Position) {
    let mut server = Server::new();
    let position = server.create("left", r#"{"log":[]}"#);
    server.create("right", r#"{"log":[]}"#);
    (server, position)
}

fn batches(seqs: &[u64]) -> Vec<Arc<Patch>> {
    seqs.iter().map(|&seq| patch(&append(seq))).collect()
}

fn stage(server: &mut Server, name: &str, seqs: &[u64]) -> Staged {
    server.shard.stage(&key(name), &batches(seqs)).unwrap()
}

/// P3: what is staged is seen by nobody; what is installed is seen as a whole.
#[test]
fn what_is_staged_shows_when_it_is_installed_and_not_before() {
    let (mut server, _) = halls();
    let left = stage(&mut server, "left", &[1, 2]);
    let right = stage(&mut server, "right", &[3]);
    assert_eq!(server.text("left"), r#"{"log":[]}"#);
    let now = server.now;
    assert_eq!(
        server.shard.install(now, &key("left"), left),
        Some(Version(2))
    );
    assert_eq!(
        server.shard.install(now, &key("right"), right),
        Some(Version(1))
    );
    assert_eq!(server.text("left"), r#"{"log":[1,2]}"#);
    assert_eq!(server.text("right"), r#"{"log":[3]}"#);
}

/// P3: of several batches all are applied or none.
#[test]
fn a_batch_that_fails_names_its_index_and_nothing_is_staged() {
    let (mut server, start) = halls();
    let left = stage(&mut server, "left", &[1]);
    let fails = [patch(&append(1)), patch(FAILS), patch(&append(2))];
    let error = server.shard.stage(&key("right"), &fails).unwrap_err();
    let expected = StageError {
        patch: 1,
        error: ApplyError::Patch {
            operation: 1,
            reason: Reason::NotFound,
        },
    };
    assert_eq!(error, expected);
    assert_eq!(error.to_string(), format!("batch 1: {}", expected.error));
    let nowhere = server
        .shard
        .stage(&key("nowhere"), &batches(&[1]))
        .unwrap_err();
    assert_eq!(
        (nowhere.patch, nowhere.error),
        (0, ApplyError::NoSuchDocument)
    );
    // So the other document is not installed either, and nothing has happened.
    drop(left);
    assert_eq!(server.snapshot("left").position, start);
    assert_eq!(server.text("right"), r#"{"log":[]}"#);
    server.apply("left", &append(1));
}

#[test]
fn a_second_batch_is_staged_upon_the_first() {
    let (mut server, _) = halls();
    let both = [
        patch(r#"[{"op":"add","path":"/new","value":{}}]"#),
        patch(r#"[{"op":"add","path":"/new/in","value":1}]"#),
    ];
    let staged = server.shard.stage(&key("left"), &both).unwrap();
    let installed = server.shard.install(server.now, &key("left"), staged);
    assert_eq!(installed, Some(Version(2)));
    assert_eq!(server.text("left"), r#"{"log":[],"new":{"in":1}}"#);
}

/// P3: what was staged on a version goes with it.
#[test]
fn after_a_change_in_between_nothing_is_installed() {
    let changes: [fn(&mut Server); 4] = [
        |server| {
            server.apply("left", "[]");
        },
        |server| {
            let staged = stage(server, "left", &[7]);
            assert!(
                server
                    .shard
                    .install(server.now, &key("left"), staged)
                    .is_some()
            );
        },
        |server| {
            server.shard.remove(&key("left"));
            server.create("left", r#"{"log":[]}"#);
        },
        |server| drop(server.shard.remove(&key("left"))),
    ];
    for change in changes {
        let (mut server, _) = halls();
        let staged = stage(&mut server, "left", &[1]);
        change(&mut server);
        let before = server.shard.snapshot(server.now, &key("left"));
        assert_eq!(server.shard.install(server.now, &key("left"), staged), None);
        let after = server.shard.snapshot(server.now, &key("left"));
        let seen = |snapshot: Option<headwater_core::Snapshot>| {
            snapshot.map(|snapshot| (snapshot.position, snapshot.root.canonical()))
        };
        assert_eq!(seen(after), seen(before));
    }
}

/// P5: several batches are several versions, each with its way there and back.
#[test]
fn each_batch_of_a_transaction_is_a_commit_of_its_own() {
    let (mut server, start) = halls();
    server.apply("left", r#"[{"op":"add","path":"/pad","value":"some hundred bytes are more than what the commits take together, so that they go one by one, and some more"}]"#);
    let watch = server.shard.watch(&key("left")).unwrap();
    let alarm = Alarm::default();
    let _old = watch.sleep(watch.join(), &"/log".parse().unwrap(), alarm.waker());
    let before = server.snapshot("left");
    let staged = stage(&mut server, "left", &[1, 2]);
    server.shard.install(server.now, &key("left"), staged);
    assert_eq!(server.effects().woken.len(), 1);
    assert_eq!(watch.head(), Version(3));

    for (version, seq) in [(2, 1), (3, 2)] {
        let commit = server.shard.commit(&key("left"), Version(version)).unwrap();
        assert_eq!((commit.origin, commit.at), (None, server.now));
        assert_eq!(*commit.patch, *patch(&append(seq)));
        let log = server.rewind("left", version).unwrap();
        let length = log.root.at(&"/log".parse().unwrap()).unwrap();
        assert_eq!(length.as_array().unwrap().len() as u64, seq);
    }
    assert_eq!(server.rewind("left", 1).unwrap().root, before.root);

    let mut cursor = cursor(None, Mode::EveryCommit, Extensions::NONE);
    let mut replica = Replica::new();
    cursor.position = Some(start);
    replica
        .apply(&headwater_core::Frame {
            epoch: start.epoch,
            to: start.version,
            body: headwater_core::Body::Snapshot {
                root: server.rewind("left", 0).unwrap().root.clone(),
                reason: headwater_core::SnapshotReason::Initial,
            },
        })
        .unwrap();
    while let Some(frame) = server.poll("left", &cursor) {
        replica.apply(&frame).unwrap();
        cursor.position = Some(frame.position());
    }
    assert_eq!(replica.root().canonical(), server.text("left"));
}

#[test]
fn a_version_that_is_held_is_not_changed_by_what_is_installed() {
    let (mut server, _) = halls();
    let held = server.snapshot("left");
    let staged = stage(&mut server, "left", &[1]);
    server.shard.install(server.now, &key("left"), staged);
    assert_eq!(held.root.canonical(), r#"{"log":[]}"#);
    assert_eq!(server.text("left"), r#"{"log":[1]}"#);
    assert_eq!(server.shard.counts().received, 0);
}

#[test]
fn a_transaction_of_no_batch_is_no_version() {
    let (mut server, start) = halls();
    let staged = stage(&mut server, "left", &[]);
    let installed = server.shard.install(server.now, &key("left"), staged);
    assert_eq!(installed, Some(Version(0)));
    assert_eq!(server.snapshot("left").position, start);
}
