//! Following a document: where a subscription starts, what it gets, and how it ends.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use headwater::{
    Body, CloseReason, Closed, Engine, Extensions, Frame, HistoryBounds, Incarnation, Key, Mode,
    Patch, Pointer, Position, Replica, Snapshot, SnapshotReason, SubscribeError, SubscribeOptions,
    Subscription, Version,
};

use crate::fixture::{builder, engine, follow, json, key, patch, text};

const MODES: [Mode; 2] = [Mode::EveryCommit, Mode::Latest];
const REMOVED: Closed = Closed(CloseReason::Removed);
const INCREMENT: &str = r#"[{"op":"increment","path":"/n","by":1}]"#;
const SPLICE: &str = r#"[{"op":"splice","path":"/text","index":3,"remove":1,"insert":"é"}]"#;
const PLAIN: &str = r#"[{"op":"replace","path":"/n","value":7}]"#;

/// A document so large that patches are worth sending.
fn hall(engine: &Engine) -> (Key, Position) {
    let key = key("hall");
    let pad = "x".repeat(1_000);
    let root = json(&format!(
        r#"{{"n":0,"text":"some words","pad":"{pad}","log":[]}}"#
    ));
    let position = engine.create(&key, root).unwrap();
    (key, position)
}

fn change(engine: &Engine, key: &Key, texts: &[&str]) {
    for text in texts {
        engine.apply(key, patch(text)).unwrap();
    }
}

fn options(from: Option<Position>, mode: Mode, extensions: Extensions) -> SubscribeOptions {
    SubscribeOptions {
        from,
        mode,
        extensions,
        ..SubscribeOptions::default()
    }
}

fn subscribe(engine: &Engine, key: &Key, from: Option<Position>, mode: Mode) -> Subscription {
    let options = options(from, mode, Extensions::ALL);
    engine.subscribe(key, options).unwrap()
}

/// A copy that shares nothing with the engine's, as one on the far side of a link.
fn replica(snapshot: &Snapshot) -> Replica {
    let mut replica = Replica::new();
    let frame = Frame {
        epoch: snapshot.position.epoch,
        to: snapshot.position.version,
        body: Body::Snapshot {
            root: json(&snapshot.root.to_string()),
            reason: SnapshotReason::Initial,
        },
    };
    replica.apply(&frame).unwrap();
    replica
}

fn patch_of(frame: &Frame) -> (Version, &Arc<Patch>) {
    match &frame.body {
        Body::Patch { from, patch } => (*from, patch),
        Body::Snapshot { reason, .. } => panic!("a snapshot: {}", reason.code()),
        Body::Absent => panic!("nothing"),
    }
}

/// Polls the whole document for a reason, and then nothing.
fn whole_document(subscription: &mut Subscription, engine: &Engine, reason: SnapshotReason) {
    let head = engine.get(subscription.key()).unwrap();
    let frame = subscription.poll().unwrap().expect("a frame");
    let Body::Snapshot { root, reason: why } = &frame.body else {
        panic!("a patch: {frame:?}");
    };
    assert_eq!(*why, reason);
    assert!(root.identical(&head.root));
    assert_eq!(frame.position(), head.position);
    assert_eq!(subscription.position(), Some(head.position));
    assert!(subscription.poll().unwrap().is_none());
}

/// P6.
#[test]
fn poll_after_poll_yields_nothing_until_something_happens() {
    let engine = engine();
    let (hall, start) = hall(&engine);
    for mode in MODES {
        let mut subscription = subscribe(&engine, &hall, None, mode);
        assert_eq!(subscription.key(), &hall);
        assert_eq!(subscription.position(), None);
        whole_document(&mut subscription, &engine, SnapshotReason::Initial);
        for _ in 0..3 {
            let before = subscription.position();
            change(&engine, &hall, &[INCREMENT]);
            assert_eq!(subscription.position(), before);
            let frame = subscription.poll().unwrap().expect("a frame");
            let head = engine.get(&hall).unwrap().position;
            assert_eq!(frame.position(), head);
            for _ in 0..3 {
                assert_eq!(subscription.position(), Some(head));
                assert!(subscription.poll().unwrap().is_none());
            }
        }
    }
    let mut current = subscribe(&engine, &hall, Some(start), Mode::Latest);
    assert_eq!(current.position(), Some(start));
    assert!(current.poll().unwrap().is_some());
}

#[test]
fn every_commit_is_its_own_patch_and_the_latest_is_one_squash() {
    let engine = engine();
    let (hall, start) = hall(&engine);
    change(&engine, &hall, &[INCREMENT, SPLICE, INCREMENT, PLAIN]);

    let mut every = subscribe(&engine, &hall, Some(start), Mode::EveryCommit);
    for version in (1..=4).map(Version) {
        let frame = every.poll().unwrap().expect("a frame");
        let (from, patch) = patch_of(&frame);
        assert_eq!((from.next(), frame.to), (version, version));
        // By reference: nothing is made for a subscriber that keeps up.
        let commit = engine.commit(&hall, version).unwrap();
        assert!(Arc::ptr_eq(patch, &commit.patch));
    }
    assert!(every.poll().unwrap().is_none());

    let mut latest = subscribe(&engine, &hall, Some(start), Mode::Latest);
    let frame = latest.poll().unwrap().expect("a frame");
    let (from, patch) = patch_of(&frame);
    assert_eq!((from, frame.to), (Version(0), Version(4)));
    assert_eq!(patch.operations().len(), 2, "{patch}");
    assert!(latest.poll().unwrap().is_none());
}

/// P5: from any version of the window, in either mode, whatever it can read.
#[test]
fn every_subscriber_that_catches_up_holds_the_same_bytes() {
    let engine = engine();
    let (hall, _) = hall(&engine);
    let all = [INCREMENT, SPLICE, PLAIN, INCREMENT, SPLICE, SPLICE];
    change(&engine, &hall, &all);
    let extensions = [Extensions::NONE, Extensions::ALL];
    for version in (0..=6).map(Version) {
        let old = engine.at(&hall, version).unwrap();
        for mode in MODES {
            for extensions in extensions {
                let options = options(Some(old.position), mode, extensions);
                let mut subscription = engine.subscribe(&hall, options).unwrap();
                let mut replica = replica(&old);
                let frames = follow(&mut subscription, &mut replica);
                assert_eq!(replica.root().canonical(), text(&engine, &hall));
                assert!(mode == Mode::EveryCommit || frames.len() <= 1);
            }
        }
    }
}

/// P5.
#[test]
fn who_reads_plain_patches_never_gets_another_whatever_the_batches_used() {
    let engine = engine();
    let (hall, start) = hall(&engine);
    let every_kind = [SPLICE, INCREMENT, PLAIN, SPLICE, SPLICE];
    let by_extension = [
        Extensions::NONE,
        Extensions {
            increment: true,
            splice: false,
        },
        Extensions {
            increment: false,
            splice: true,
        },
    ];
    let mut followers: Vec<_> = MODES
        .into_iter()
        .flat_map(|mode| by_extension.map(|readable| (mode, readable)))
        .map(|(mode, readable)| {
            let options = options(Some(start), mode, readable);
            let subscription = engine.subscribe(&hall, options).unwrap();
            (readable, subscription, replica(&engine.get(&hall).unwrap()))
        })
        .collect();
    let mut patches = BTreeMap::<_, usize>::new();
    // One commit behind, then several.
    let (one, several) = every_kind.split_at(1);
    for batches in [one, several] {
        change(&engine, &hall, batches);
        for (readable, subscription, replica) in &mut followers {
            for frame in follow(subscription, replica) {
                let (_, patch) = patch_of(&frame);
                assert!(readable.include(patch.extensions()), "{patch}");
                let used = patch.extensions();
                *patches.entry((used.increment, used.splice)).or_default() += 1;
            }
            assert_eq!(replica.root().canonical(), text(&engine, &hall));
        }
    }
    // Who can read one extension gets it.
    for used in [(false, false), (true, false), (false, true)] {
        assert!(patches.contains_key(&used), "{patches:?}");
    }
}

#[test]
fn by_default_a_subscriber_starts_at_the_beginning_and_gets_every_commit_in_plain_patches() {
    let expected = SubscribeOptions {
        from: None,
        mode: Mode::EveryCommit,
        extensions: Extensions::NONE,
        path: Pointer::root(),
        interval: Duration::ZERO,
        session: None,
        wait: false,
    };
    assert_eq!(SubscribeOptions::default(), expected);
}

#[test]
fn a_subscription_to_a_removed_document_is_closed_for_ever_also_when_it_was_made_again() {
    let engine = engine();
    let (hall, start) = hall(&engine);
    change(&engine, &hall, &[INCREMENT]);
    let held = engine.get(&hall).unwrap().position;
    let mut current = subscribe(&engine, &hall, None, Mode::EveryCommit);
    assert!(current.poll().unwrap().is_some());
    let behind = subscribe(&engine, &hall, Some(start), Mode::Latest);
    let unread = subscribe(&engine, &hall, None, Mode::Latest);
    let closed = |subscription: &mut Subscription| {
        for _ in 0..3 {
            let before = subscription.position();
            assert_eq!(subscription.poll().unwrap_err(), REMOVED);
            assert_eq!(subscription.position(), before);
        }
    };

    engine.remove(&hall);
    closed(&mut current);
    assert_eq!(current.position(), Some(held));
    let refused = engine.subscribe(&hall, SubscribeOptions::default());
    assert_eq!(refused.unwrap_err(), SubscribeError::NoSuchDocument);

    // The others have not looked while it was away.
    engine.create(&hall, json(r#"{"n":0}"#)).unwrap();
    for mut subscription in [current, behind, unread] {
        closed(&mut subscription);
        change(&engine, &hall, &[INCREMENT]);
        closed(&mut subscription);
    }
    assert_eq!(REMOVED.to_string(), "the document was closed: removed");
    let missing = SubscribeError::NoSuchDocument;
    assert_eq!(missing.to_string(), "no such document");
}

/// The same number of a version in another epoch is another version.
#[test]
fn a_position_in_a_document_that_was_made_again_gets_the_new_one_and_follows_it() {
    let engine = engine();
    let (key, start) = hall(&engine);
    change(&engine, &key, &[INCREMENT]);
    let held = engine.get(&key).unwrap().position;
    engine.remove(&key);
    hall(&engine);
    change(&engine, &key, &[SPLICE]);
    assert_eq!(engine.get(&key).unwrap().position.version, held.version);
    let mut earlier_life = engine.get(&key).unwrap().position;
    earlier_life.epoch.incarnation = Incarnation(6);
    for position in [start, held, earlier_life] {
        for mode in MODES {
            let mut subscription = subscribe(&engine, &key, Some(position), mode);
            assert_eq!(subscription.position(), Some(position));
            whole_document(&mut subscription, &engine, SnapshotReason::EpochChanged);
            change(&engine, &key, &[INCREMENT]);
            let frame = subscription.poll().unwrap().expect("a frame");
            patch_of(&frame);
        }
    }
}

#[test]
fn a_position_that_the_engine_has_not_made_gets_the_document() {
    let engine = engine();
    let (hall, start) = hall(&engine);
    change(&engine, &hall, &[INCREMENT]);
    for version in [2, 1_000, u64::MAX] {
        for mode in MODES {
            let ahead = Position {
                version: Version(version),
                ..start
            };
            let mut subscription = subscribe(&engine, &hall, Some(ahead), mode);
            whole_document(&mut subscription, &engine, SnapshotReason::Ahead);
        }
    }
}

/// P7: the history is bounded, and who comes back too late gets the document.
#[test]
fn a_position_older_than_the_history_gets_the_document() {
    let history = HistoryBounds {
        commits_min: 0,
        commits_max: 3,
        ..HistoryBounds::default()
    };
    let engine = builder().history(history).build().unwrap();
    let (hall, start) = hall(&engine);
    // Never polled until now, and it cost nothing.
    let mut subscriptions = MODES.map(|mode| subscribe(&engine, &hall, Some(start), mode));
    change(&engine, &hall, &[INCREMENT; 4]);
    for subscription in &mut subscriptions {
        whole_document(subscription, &engine, SnapshotReason::Compacted);
    }
}
