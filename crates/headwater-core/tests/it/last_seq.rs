//! Which of its own batches a frame brings a subscriber that hands in batches, too.

use std::task::Waker;

use headwater_core::{Cursor, HistoryBounds, Mode, Next, Outcome, Position, Seq, ShardConfig};
use headwater_doc::Extensions;

use crate::pair::{Client, FAILS, Server, append, config, cursor, key};

/// A document so large that its commits go one by one, and the subscriber's own and another client.
fn room() -> (Server, Client, Client, Cursor) {
    let mut server = Server::new();
    let pad = "x".repeat(4_000);
    let position = server.create("room", &format!(r#"{{"log":[],"pad":"{pad}","b":1}}"#));
    let (own, other) = (server.client("room"), server.client("room"));
    let cursor = Cursor {
        session: Some(own.session),
        ..cursor(Some(position), Mode::EveryCommit, Extensions::ALL)
    };
    (server, own, other, cursor)
}

/// Takes the next step, and says where it leads and which own batch shows there first.
fn step(server: &Server, cursor: &mut Cursor) -> (u64, Option<u64>) {
    let next = server.shard.next(server.now, &key("room"), cursor).unwrap();
    let step = next.finish();
    let seq = server.shard.last_seq(&key("room"), cursor, step.version);
    cursor.advance(step.frame.map(|frame| frame.position()), step.version);
    (step.version.0, seq.map(|seq| seq.0))
}

/// P5: an optimistic client knows at each frame which of its batches to take back first.
#[test]
fn frame_by_frame_the_subscriber_is_told_which_own_batch_each_contains() {
    let (mut server, own, other, mut cursor) = room();
    server.send_all(&own, [1]);
    server.send_all(&other, [1, 2]);
    server.send_all(&own, [2]);
    server.apply("room", &append(0));
    server.send_all(&own, [3]);
    server.send_all(&other, [3]);
    let steps: Vec<_> = (0..7).map(|_| step(&server, &mut cursor)).collect();
    let own_versions = [
        (1, Some(1)),
        (2, Some(1)),
        (3, Some(1)),
        (4, Some(2)),
        (5, Some(2)),
        (6, Some(3)),
    ];
    assert_eq!(steps[..6], own_versions);
    // At the head all that was decided shows.
    assert_eq!(steps[6], (7, Some(3)));
}

#[test]
fn a_squash_brings_the_highest_of_the_own_batches_in_it() {
    let (mut server, own, other, cursor) = room();
    server.send_all(&own, [1, 2]);
    server.send_all(&other, [1]);
    let mut latest = Cursor {
        mode: Mode::Latest,
        ..cursor
    };
    assert_eq!(step(&server, &mut latest), (3, Some(2)));
    server.send_all(&own, [3]);
    let squash = server
        .shard
        .next(server.now, &key("room"), &latest)
        .unwrap();
    // What is decided while the frame is made is not in it.
    server.send_all(&own, [4]);
    let to = squash.finish().version;
    let seq = server.shard.last_seq(&key("room"), &latest, to);
    assert_eq!(seq, Some(Seq(3)));
}

#[test]
fn a_snapshot_brings_all_that_was_decided() {
    let (mut server, own, _, cursor) = room();
    server.send_all(&own, [1, 2]);
    for position in [None, Some(ahead(&cursor))] {
        let mut cursor = Cursor {
            position,
            ..cursor.clone()
        };
        assert_eq!(step(&server, &mut cursor), (2, Some(2)));
    }
}

fn ahead(cursor: &Cursor) -> Position {
    let mut position = cursor.position.unwrap();
    position.version.0 += 1_000;
    position
}

/// A batch that was rejected made no version; its sender has to take it back all the same.
#[test]
fn a_rejected_batch_shows_where_the_one_before_it_does() {
    let (mut server, own, other, mut cursor) = room();
    server.send_all(&own, [1]);
    assert!(matches!(server.send(&own, 2, FAILS), Outcome::Rejected(_)));
    server.send_all(&other, [1]);
    assert_eq!(step(&server, &mut cursor), (1, Some(2)));
    assert_eq!(step(&server, &mut cursor), (2, Some(2)));
    // Also where no frame is due.
    assert!(matches!(server.send(&own, 3, FAILS), Outcome::Rejected(_)));
    let next = server
        .shard
        .next(server.now, &key("room"), &cursor)
        .unwrap();
    assert!(matches!(next, Next::Current(_)));
    assert_eq!(step(&server, &mut cursor), (2, Some(3)));
    // One that is only held does not.
    server.hold_all(&own, [5]);
    assert_eq!(step(&server, &mut cursor), (2, Some(3)));
}

#[test]
fn who_hands_nothing_in_is_told_of_nothing() {
    let (mut server, own, other, cursor) = room();
    server.send_all(&own, [1]);
    let mut reader = Cursor {
        session: None,
        ..cursor.clone()
    };
    assert_eq!(step(&server, &mut reader), (1, None));
    let mut silent = Cursor {
        session: Some(other.session),
        ..cursor.clone()
    };
    assert_eq!(step(&server, &mut silent), (1, None));
    // A lane of the same session to another document is another lane.
    server.create("hall", r#"{"log":[]}"#);
    server.send_all(&other.on("hall"), [1, 2]);
    let mut silent = Cursor {
        session: Some(other.session),
        ..cursor
    };
    assert_eq!(step(&server, &mut silent), (1, None));
}

/// The own batches are numbered by lane, which the document does not take with it when it goes.
#[test]
fn the_own_batches_of_an_earlier_document_show_in_the_snapshot_of_the_new_one() {
    let (mut server, own, _, mut cursor) = room();
    server.send_all(&own, [1, 2]);
    server.shard.remove(&key("room"));
    server.send(&own, 3, &append(3));
    server.create("room", r#"{"log":[]}"#);
    assert_eq!(step(&server, &mut cursor), (0, Some(3)));
}

#[test]
fn own_batches_show_also_where_they_changed_nothing_that_is_followed() {
    let (mut server, own, other, cursor) = room();
    let mut narrow = Cursor {
        path: "/b".parse().unwrap(),
        ..cursor
    };
    server.send_all(&own, [1]);
    server.send(&other, 1, r#"[{"op":"replace","path":"/b","value":2}]"#);
    server.send_all(&own, [2, 3]);
    assert_eq!(step(&server, &mut narrow), (2, Some(1)));
    assert_eq!(step(&server, &mut narrow), (4, Some(3)));
}

/// What was applied may be gone from the history, as where a subscriber slept beside it.
#[test]
fn own_batches_show_also_where_the_history_no_longer_has_them() {
    let config = ShardConfig {
        history: HistoryBounds {
            commits_min: 0,
            commits_max: 2,
            ..HistoryBounds::default()
        },
        ..config()
    };
    let mut server = Server::with(config);
    let pad = "x".repeat(4_000);
    let position = server.create("room", &format!(r#"{{"log":[],"pad":"{pad}","b":1}}"#));
    let own = server.client("room");
    let mut narrow = Cursor {
        path: "/b".parse().unwrap(),
        session: Some(own.session),
        ..cursor(Some(position), Mode::EveryCommit, Extensions::ALL)
    };
    let watch = server.shard.watch(&key("room")).unwrap();
    let number = watch.join();
    let _old = watch.sleep(number, &narrow.path, Waker::noop().clone());
    server.send_all(&own, [1, 2]);
    let change = |number| format!(r#"[{{"op":"replace","path":"/b","value":{number}}}]"#);
    server.apply("room", &change(2));
    server.send_all(&own, [3]);
    narrow.unchanged_to = watch.unchanged_to(number).unwrap();
    assert_eq!(step(&server, &mut narrow), (3, Some(2)));
    assert_eq!(step(&server, &mut narrow), (4, Some(3)));
}
