//! Recent versions of a document, and the way back to them.

use headwater::{
    Body, Engine, HistoryBounds, Key, Mode, Pointer, Replica, Seq, Snapshot, SnapshotReason,
    SubscribeOptions, Version,
};

use crate::{
    fixture::{append, builder, engine, json, key, patch, room, seconds, send, text},
    futures::now_or_never,
};

/// Changes of every kind, each of which applies to what those before it have made.
const CHANGES: [&str; 10] = [
    r#"[{"op":"add","path":"/log/-","value":{"deep":[1,2]}}]"#,
    r#"[{"op":"replace","path":"/text","value":"other words"}]"#,
    r#"[{"op":"increment","path":"/n","by":5},{"op":"increment","path":"/n","by":-2}]"#,
    r#"[{"op":"splice","path":"/text","index":0,"remove":5,"insert":"Größe"}]"#,
    r#"[{"op":"move","from":"/log/0/deep","path":"/moved"}]"#,
    r#"[{"op":"copy","from":"/moved","path":"/log/0"}]"#,
    "[]",
    r#"[{"op":"remove","path":"/log"}]"#,
    r#"[{"op":"replace","path":"","value":[1,2,3]}]"#,
    r#"[{"op":"splice","path":"","index":1,"remove":1,"insert":[{},{}]}]"#,
];

/// A document with all of the changes made, and its snapshots of the time.
fn changed(engine: &Engine) -> (Key, Vec<Snapshot>) {
    let key = key("room");
    let root = json(r#"{"log":[],"n":1,"text":"some words"}"#);
    engine.create(&key, root).unwrap();
    let mut snapshots = vec![engine.get(&key).unwrap()];
    for (change, version) in CHANGES.into_iter().zip(1..) {
        assert_eq!(engine.apply(&key, patch(change)), Ok(Version(version)));
        snapshots.push(engine.get(&key).unwrap());
    }
    (key, snapshots)
}

#[test]
fn every_version_in_the_window_is_seen_as_it_was_and_none_outside_of_it() {
    for commits_max in [0, 1, 4, 10, 4_096] {
        let history = HistoryBounds {
            commits_min: 0,
            commits_max,
            ..HistoryBounds::default()
        };
        let engine = builder().history(history).build().unwrap();
        let (key, snapshots) = changed(&engine);
        let head = CHANGES.len();
        for (back, then) in snapshots.iter().rev().enumerate() {
            let version = then.position.version;
            let seen = engine.at(&key, version);
            assert_eq!(seen.is_some(), back <= commits_max, "{version}");
            if let Some(seen) = seen {
                assert_eq!(seen.position, then.position);
                assert_eq!(seen.root.canonical(), then.root.canonical());
                assert!(seen.root.identical(&then.root));
            }
            let commit = engine.commit(&key, version);
            assert_eq!(commit.is_some(), back < commits_max.min(head));
            if let Some(commit) = commit {
                assert_eq!(commit.version, version);
                let index = usize::try_from(version.0).unwrap();
                assert_eq!(commit.patch, patch(CHANGES[index - 1]));
            }
        }
        for version in [head as u64 + 1, u64::MAX].map(Version) {
            assert!(engine.at(&key, version).is_none());
            assert!(engine.commit(&key, version).is_none());
        }
    }
}

#[test]
fn a_snapshot_never_changes() {
    let engine = engine();
    let (key, snapshots) = changed(&engine);
    let texts: Vec<_> = snapshots.iter().map(|then| then.root.canonical()).collect();
    let replaced = r#"[{"op":"replace","path":"","value":null}]"#;
    engine.apply(&key, patch(replaced)).unwrap();
    engine.remove(&key);
    for (then, text) in snapshots.iter().zip(texts) {
        assert_eq!(then.root.canonical(), text);
    }
}

#[test]
fn applying_the_inverses_of_commits_newest_first_undoes_them() {
    let engine = engine();
    let (key, snapshots) = changed(&engine);
    let mut head = CHANGES.len() as u64;
    for then in snapshots.windows(2).rev() {
        let commit = engine.commit(&key, then[1].position.version).unwrap();
        head += 1;
        let undone = engine.apply(&key, commit.inverse().into_owned());
        assert_eq!(undone, Ok(Version(head)));
        assert_eq!(text(&engine, &key), then[0].root.canonical());
    }
    // An undoing is a commit like another: undone itself, it is done again.
    for version in (CHANGES.len() as u64 + 1..=head).rev() {
        let commit = engine.commit(&key, Version(version)).unwrap();
        engine.apply(&key, commit.inverse().into_owned()).unwrap();
    }
    let last = snapshots.last().unwrap();
    assert_eq!(text(&engine, &key), last.root.canonical());
}

#[test]
fn an_earlier_change_is_undone_on_its_own_if_none_since_is_in_its_way() {
    let engine = engine();
    let key = room(&engine, "room");
    let add = r#"[{"op":"add","path":"/ada","value":1}]"#;
    engine.apply(&key, patch(add)).unwrap();
    engine.apply(&key, append(1)).unwrap();
    let commit = engine.commit(&key, Version(1)).unwrap();
    engine.apply(&key, commit.inverse().into_owned()).unwrap();
    assert_eq!(text(&engine, &key), r#"{"log":[1]}"#);
    // What is not there is not undone twice.
    assert!(engine.apply(&key, commit.inverse().into_owned()).is_err());
}

#[test]
fn a_commit_says_whose_it_is_and_when_it_was_made() {
    let engine = engine();
    let key = room(&engine, "room");
    let session = engine.open_session().unwrap();
    engine.tick(seconds(1));
    engine.apply(&key, append(0)).unwrap();
    engine.tick(seconds(2));
    send(&session, &key, [1]);
    let commit = |version| engine.commit(&key, Version(version)).unwrap();
    assert_eq!((commit(1).origin, commit(1).at), (None, seconds(1)));
    let origin = Some((session.id(), Seq(1)));
    assert_eq!((commit(2).origin, commit(2).at), (origin, seconds(2)));
    let commit = commit(2);
    let first = commit.touched().iter().next();
    assert_eq!(first.map(Pointer::as_str), Some("/log"));
}

/// P5, the least that must be sent. Scenario: somebody waits for news of a part while the rest of the document
/// is busy, for longer than the history reaches. Failure: it got the whole part at its next change, because
/// nobody had noted that nothing before had concerned it; only who polled now and then got the change.
#[test]
fn who_sleeps_beside_a_busy_part_gets_no_more_than_the_change() {
    let history = HistoryBounds {
        commits_min: 0,
        commits_max: 8,
        ..HistoryBounds::default()
    };
    for mode in [Mode::EveryCommit, Mode::Latest] {
        let engine = builder().history(history).build().unwrap();
        let key = key("room");
        // So long that a change of it is cheaper.
        let chat = vec![r#""words, and more words""#; 40].join(",");
        let root = json(&format!(r#"{{"chat":[{chat}],"log":[]}}"#));
        engine.create(&key, root).unwrap();
        let options = SubscribeOptions {
            mode,
            path: "/chat".parse().unwrap(),
            ..SubscribeOptions::default()
        };
        let mut subscription = engine.subscribe(&key, options).unwrap();
        let mut replica = Replica::new();
        let frame = now_or_never(subscription.next()).unwrap().unwrap();
        replica.apply(&frame).unwrap();
        for round in 1..=3 {
            assert!(now_or_never(subscription.next()).is_none(), "it sleeps");
            if round == 2 {
                // Who looks in between, without waiting, sleeps on.
                engine.apply(&key, append(0)).unwrap();
                assert!(subscription.poll().unwrap().is_none());
            }
            for number in 0..20 {
                engine.apply(&key, append(number)).unwrap();
            }
            let says = r#"[{"op":"add","path":"/chat/-","value":"news"}]"#;
            engine.apply(&key, patch(says)).unwrap();
            for number in 0..round {
                engine.apply(&key, append(number)).unwrap();
            }
            let frame = now_or_never(subscription.next()).unwrap().unwrap();
            assert!(matches!(frame.body, Body::Patch { .. }), "{frame:?}");
            replica.apply(&frame).unwrap();
            let head = engine.get(&key).unwrap();
            let chat = head.root.at(&"/chat".parse().unwrap()).unwrap();
            assert!(replica.root().identical(chat));
        }
        // What did concern it is gone, so that it gets the whole part.
        assert!(now_or_never(subscription.next()).is_none());
        let says = r#"[{"op":"add","path":"/chat/-","value":"more"}]"#;
        engine.apply(&key, patch(says)).unwrap();
        for number in 0..20 {
            engine.apply(&key, append(number)).unwrap();
        }
        let frame = now_or_never(subscription.next()).unwrap().unwrap();
        let reason = SnapshotReason::Compacted;
        assert!(matches!(frame.body, Body::Snapshot { reason: why, .. } if why == reason));
    }
}
