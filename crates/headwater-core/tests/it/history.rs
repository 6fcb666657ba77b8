//! The window of recent commits: how long they stay, and the way back through them.

use std::time::Duration;

use headwater_core::{HistoryBounds, Seq, ShardConfig, SnapshotReason, Version};
use headwater_doc::{Extensions, Limits, Value};

use crate::pair::{Server, append, config, cursor, json, key, kind};

const AMPLE: HistoryBounds = HistoryBounds {
    age_min: Duration::from_secs(1_000),
    commits_min: 1_000,
    commits_max: 1_000,
    bytes_min: 1 << 30,
};

/// A counter, and the versions of it that the history reaches, oldest and newest.
fn counter(history: HistoryBounds) -> Server {
    let mut server = Server::with(ShardConfig {
        history,
        ..config()
    });
    server.create("n", r#"{"n":0}"#);
    server
}

fn count(server: &mut Server) {
    server.apply("n", r#"[{"op":"increment","path":"/n","by":1}]"#);
}

/// Checks that each version in the window, and none before it, can be seen again and says its own
/// number; returns the oldest.
fn oldest(server: &Server) -> u64 {
    let key = key("n");
    let head = server.snapshot("n").position.version.0;
    let seen = |version| server.rewind("n", version);
    assert!(seen(head + 1).is_none(), "a version that is not made yet");
    let oldest = (0..=head).find(|&version| seen(version).is_some()).unwrap();
    for version in 0..=head {
        let rewound = seen(version);
        assert_eq!(rewound.is_some(), version >= oldest);
        if let Some(snapshot) = rewound {
            assert_eq!(snapshot.position.version, Version(version));
            assert_eq!(snapshot.root, json(&format!(r#"{{"n":{version}}}"#)));
        }
        let commit = server.shard.commit(&key, Version(version));
        assert_eq!(commit.is_some(), version > oldest);
        assert!(commit.is_none_or(|commit| commit.version == Version(version)));
    }
    oldest
}

#[test]
fn at_most_so_many_commits_stay_however_young() {
    let mut server = counter(HistoryBounds {
        commits_max: 4,
        ..AMPLE
    });
    for head in 0..10_u64 {
        assert_eq!(oldest(&server), head.saturating_sub(4));
        count(&mut server);
    }
}

#[test]
fn young_commits_stay_beyond_the_least_count_and_old_ones_within_it() {
    let mut server = counter(HistoryBounds {
        age_min: Duration::from_secs(90),
        commits_min: 3,
        ..AMPLE
    });
    for _ in 0..5 {
        count(&mut server);
    }
    server.later(89_999);
    count(&mut server);
    assert_eq!(oldest(&server), 0);
    // Those of the first moment are 90 s old now; three stay in any case.
    server.later(1);
    count(&mut server);
    assert_eq!(oldest(&server), 4);
    server.later(500_000);
    assert_eq!(oldest(&server), 4);
    count(&mut server);
    assert_eq!(oldest(&server), 5);
}

#[test]
fn commits_beyond_the_bytes_go_however_young() {
    let size = |server: &Server, version| {
        let commit = server.shard.commit(&key("n"), Version(version)).unwrap();
        commit.patch.written_bytes() + commit.inverse().written_bytes()
    };
    let mut server = counter(AMPLE);
    count(&mut server);
    let bytes_min = 3 * size(&server, 1);
    let mut server = counter(HistoryBounds { bytes_min, ..AMPLE });
    for head in 0..8_u64 {
        assert_eq!(oldest(&server), head.saturating_sub(3));
        count(&mut server);
    }
}

#[test]
fn a_large_document_keeps_twice_its_size_in_commits() {
    let mut server = Server::with(ShardConfig {
        history: HistoryBounds {
            bytes_min: 0,
            ..AMPLE
        },
        ..config()
    });
    let pad = "x".repeat(1_000);
    server.create("n", &format!(r#"{{"n":0,"pad":"{pad}"}}"#));
    for _ in 0..100 {
        count(&mut server);
        let first = (1..=100).find(|&v| server.shard.commit(&key("n"), Version(v)).is_some());
        let head = server.snapshot("n").position.version.0;
        let commits = (first.unwrap()..=head).map(|version| {
            let commit = server.shard.commit(&key("n"), Version(version)).unwrap();
            commit.patch.written_bytes() + commit.inverse().written_bytes()
        });
        assert!(commits.sum::<u64>() <= 2 * server.snapshot("n").root.written_bytes());
        assert!(head < 30 || first > Some(1));
    }
}

/// P6: a commit larger than the window leaves an empty one, not a broken one.
#[test]
fn a_commit_that_is_too_large_for_the_history_empties_it() {
    let mut server = Server::with(ShardConfig {
        history: HistoryBounds {
            bytes_min: 100,
            ..AMPLE
        },
        ..config()
    });
    let start = server.create("n", r#"{"n":0}"#);
    let large = "x".repeat(500);
    server.apply(
        "n",
        &format!(
            r#"[{{"op":"test","path":"/n","value":0}},{{"op":"add","path":"/a","value":"{large}"}},{{"op":"remove","path":"/a"}}]"#
        ),
    );
    assert!(server.shard.commit(&key("n"), Version(1)).is_none());
    assert!(server.rewind("n", 0).is_none());
    assert!(server.rewind("n", 1).is_some());
    let behind = cursor(
        Some(start),
        headwater_core::Mode::EveryCommit,
        Extensions::ALL,
    );
    let frame = server.poll("n", &behind).unwrap();
    assert_eq!(kind(&frame), Err(SnapshotReason::Compacted));
    count(&mut server);
    assert!(server.rewind("n", 1).is_some());
}

/// P3: the inverse of a commit undoes exactly that commit.
#[test]
fn a_commit_knows_its_way_back_and_what_it_touched() {
    let mut server = Server::new();
    server.create("room", r#"{"log":[]}"#);
    let client = server.client("room");
    server.now = headwater_core::Time::from_millis(3);
    server.send_all(&client, 1..=3);
    let commit = server.shard.commit(&key("room"), Version(2)).unwrap();
    assert_eq!(commit.origin, Some((client.session, Seq(2))));
    assert_eq!(commit.at, server.now);
    assert_eq!(commit.patch.to_string(), {
        let value: Value = json(&append(2));
        headwater_doc::Patch::from_value(&value, Extensions::NONE)
            .unwrap()
            .to_string()
    });
    assert_eq!(commit.touched().iter().count(), 1);
    let rewind = |version| server.rewind("room", version).unwrap().root.clone();
    let mut root = rewind(2);
    commit.inverse().apply(&mut root, &Limits::NONE).unwrap();
    assert!(root.identical(&rewind(1)));
    assert_eq!(root.canonical(), r#"{"log":[1]}"#);
}

#[test]
fn a_rewind_is_carried_out_later_and_shows_the_version_asked_for() {
    let mut server = counter(AMPLE);
    for _ in 0..3 {
        count(&mut server);
    }
    let rewind = server
        .shard
        .rewind(server.now, &key("n"), Version(1))
        .unwrap();
    let held = server.snapshot("n");
    for _ in 0..3 {
        count(&mut server);
    }
    server.shard.remove(&key("n"));
    assert_eq!(rewind.finish().root, json(r#"{"n":1}"#));
    assert_eq!(held.root, json(r#"{"n":3}"#));
}
