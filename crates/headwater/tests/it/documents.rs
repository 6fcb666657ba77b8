//! What the host does to documents: pages of keys, several documents at once, and the way back.

use std::{
    collections::BTreeSet,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

use headwater::{
    ApplyError, Cold, ColdBounds, EditError, Engine, HistoryBounds, Key, KeysFrom, LimitExceeded,
    Limits, Patch, Position, Reason, Replica, Time, TransactError, Value, Version, View,
};

use crate::{
    fixture::{
        FAILS, append, builder, engine, follow, json, key, patch, room, rooms, seconds, text,
    },
    random::Random,
};

/// All keys, page by page, something happening after each of them.
fn paged(engine: &Engine, max: usize, mut between: impl FnMut()) -> Vec<Key> {
    let mut all = Vec::new();
    let mut from = KeysFrom::default();
    loop {
        let page = engine.keys(from, max);
        assert!(page.keys.len() <= max, "{} of {max}", page.keys.len());
        // Only the last page may have room left.
        assert!(page.keys.len() == max || page.next.is_none());
        all.extend(page.keys);
        between();
        match page.next {
            Some(next) => from = next,
            None => return all,
        }
    }
}

#[test]
fn every_key_comes_on_exactly_one_page_whatever_its_size_while_others_come_and_go() {
    for seed in 0..8 {
        eprintln!("seed {seed}");
        let mut random = Random::new(seed);
        for (shards, max) in [(1, 1), (1, 7), (4, 3), (64, 1), (64, 1_000)] {
            let engine = builder().shards(shards).build().unwrap();
            let name = |kind, number| key(&format!("{kind}/{number}"));
            let mut expected = BTreeSet::new();
            for number in 0..50 {
                engine.create(&name("guest", number), json("1")).unwrap();
                engine.create(&name("resident", number), json("1")).unwrap();
                expected.insert(name("resident", number));
            }
            let keys = paged(&engine, max, || {
                for _ in 0..4 {
                    let guest = name("guest", random.index(100));
                    if engine.remove(&guest).is_none() {
                        engine.create(&guest, json("1")).unwrap();
                    }
                }
            });
            let residents = keys
                .iter()
                .filter(|key| key.as_str().starts_with("resident"));
            let residents: Vec<_> = residents.cloned().collect();
            assert_eq!(residents.len(), expected.len(), "once each");
            assert_eq!(residents.into_iter().collect::<BTreeSet<_>>(), expected);
        }
    }
}

#[test]
fn an_engine_without_documents_has_one_empty_page() {
    let page = engine().keys(KeysFrom::default(), 10);
    assert!(page.keys.is_empty() && page.next.is_none());
}

/// A lane to a document that is not there has a key of its own, but that is no document's.
#[test]
fn a_key_that_only_lanes_lead_to_is_on_no_page() {
    let engine = engine();
    let key = room(&engine, "room");
    let session = engine.open_session().unwrap();
    crate::fixture::hold(&session, &key, [2]);
    engine.remove(&key);
    assert!(paged(&engine, 1, || {}).is_empty());
}

/// A document of so many bytes of text, of words that compress.
fn long(bytes: usize) -> Value {
    json(&format!(
        r#"{{"n":0,"text":"{}"}}"#,
        "word ".repeat(bytes / 5)
    ))
}

fn cold_engine() -> Engine {
    let cold = ColdBounds {
        bytes_min: 4 << 10,
        idle: Duration::from_secs(1),
    };
    builder().cold(cold).build().unwrap()
}

#[test]
fn a_cold_document_says_so_to_who_only_tries_and_is_inflated_for_who_wants_it() {
    let engine = cold_engine();
    let (hall, small) = (key("hall"), room(&engine, "small"));
    let root = long(100_000);
    engine.create(&hall, root.clone()).unwrap();
    let hot = engine.memory();
    assert!(engine.try_get(&hall).unwrap().is_some());
    engine.tick(seconds(1));
    // That was use of it, at the start; and a second has passed.
    assert_eq!(engine.try_get(&hall).unwrap_err(), Cold);
    assert_eq!(Cold.to_string(), "the document is compressed");
    assert!(engine.try_get(&small).unwrap().is_some(), "too small");
    assert!(engine.try_get(&key("nowhere")).unwrap().is_none());
    let frozen = engine.stats();
    assert_eq!((frozen.documents_frozen, frozen.documents_thawed), (1, 0));
    assert!(frozen.memory.documents + frozen.memory.cold < hot.documents / 10);

    // Neither of these needs it.
    assert!(engine.contains(&hall));
    assert_eq!(engine.position(&hall).unwrap().version, Version::ZERO);
    assert_eq!(engine.try_get(&hall).unwrap_err(), Cold);

    assert!(engine.get(&hall).unwrap().root.identical(&root));
    assert!(engine.try_get(&hall).unwrap().is_some());
    assert_eq!(engine.stats().documents_thawed, 1);

    // One that is written to is inflated as well, and goes on where it was.
    engine.tick(seconds(3));
    assert_eq!(engine.try_get(&hall).unwrap_err(), Cold);
    let increment = patch(r#"[{"op":"increment","path":"/n","by":1}]"#);
    assert_eq!(engine.apply(&hall, Arc::clone(&increment)), Ok(Version(1)));
    let writes = [(hall.clone(), Arc::clone(&increment)), (small, append(1))];
    engine.tick(seconds(5));
    assert_eq!(engine.try_get(&hall).unwrap_err(), Cold);
    assert_eq!(engine.transact(&writes).unwrap(), [Version(2), Version(1)]);
    engine.tick(seconds(7));
    let session = engine.open_session().unwrap();
    let outcome = session.submit(&hall, headwater::Seq(1), increment);
    assert_eq!(outcome, crate::fixture::applied(3));
    engine.tick(seconds(9));
    assert_eq!(engine.stats().documents_frozen, 5);
    assert!(
        engine
            .at(&hall, Version::ZERO)
            .unwrap()
            .root
            .identical(&root)
    );
}

/// Each of the others inflated a copy of its own and then, since that was not taken, relieved memory.
#[test]
fn a_cold_document_that_many_want_at_once_is_inflated_once() {
    let engine = cold_engine();
    let hall = key("hall");
    let root = long(1_000_000);
    engine.create(&hall, root.clone()).unwrap();
    engine.tick(seconds(1));
    assert_eq!(engine.stats().documents_frozen, 1);
    let start = std::sync::Barrier::new(8);
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                start.wait();
                assert_eq!(engine.get(&hall).unwrap().root, root);
            });
        }
    });
    let stats = engine.stats();
    assert_eq!((stats.documents_thawed, stats.reliefs), (1, 0));
}

#[test]
fn what_somebody_follows_or_holds_or_has_just_used_does_not_become_cold() {
    let engine = cold_engine();
    let keys = ["followed", "held", "read"].map(key);
    for key in &keys {
        engine.create(key, long(100_000)).unwrap();
    }
    let mut subscription = engine.subscribe(&keys[0], Default::default()).unwrap();
    let held = engine.get(&keys[1]);
    for half in 1..20 {
        engine.tick(Time::from_millis(half * 500));
        assert!(engine.get(&keys[2]).is_some());
    }
    assert_eq!(engine.stats().documents_frozen, 0);
    assert!(subscription.poll().unwrap().is_some());
    drop((held, subscription));
    for second in 11..14 {
        engine.tick(seconds(second));
    }
    assert_eq!(engine.stats().documents_frozen, 3);
    // Each of them is as it was.
    for key in &keys {
        assert!(engine.get(key).unwrap().root.identical(&long(100_000)));
    }
}

/// What the accounts hold together, which no transfer changes.
const SUM: i64 = 600;

fn accounts(engine: &Engine) -> Vec<Key> {
    let keys: Vec<_> = (0..6)
        .map(|number| key(&format!("account/{number}")))
        .collect();
    for key in &keys {
        engine.create(key, json(r#"{"n":100}"#)).unwrap();
    }
    keys
}

fn add(amount: i64) -> Arc<Patch> {
    patch(&format!(
        r#"[{{"op":"increment","path":"/n","by":{amount}}}]"#
    ))
}

fn balance(root: &Value) -> i64 {
    let View::Object(root) = root.view() else {
        panic!("{root}");
    };
    root.get("n").unwrap().to_string().parse().unwrap()
}

/// P3: a transaction is there in all its documents or in none, for whoever reads them together.
#[test]
fn documents_that_are_read_together_are_of_one_moment_while_transactions_run() {
    for shards in [1, 4] {
        let engine = builder().shards(shards).build().unwrap();
        let keys = accounts(&engine);
        let done = AtomicBool::new(false);
        thread::scope(|scope| {
            let writers = [1, 2].map(|seed| {
                let (engine, keys) = (&engine, &keys);
                scope.spawn(move || {
                    let mut random = Random::new(seed);
                    for _ in 0..2_000 {
                        let (from, to) = (random.index(6), random.index(6));
                        // From one to another, in two steps in the same document if they are the same.
                        let writes = [
                            (keys[from].clone(), add(-7)),
                            (keys[to].clone(), add(3)),
                            (keys[to].clone(), add(4)),
                        ];
                        engine.transact(&writes).unwrap();
                    }
                })
            });
            let reader = scope.spawn(|| {
                let mut reads = 0;
                while !done.load(Ordering::Relaxed) || reads == 0 {
                    let all = engine.read_many(&keys);
                    let sum: i64 = all
                        .iter()
                        .map(|one| balance(&one.as_ref().unwrap().root))
                        .sum();
                    assert_eq!(sum, SUM);
                    reads += 1;
                }
            });
            let written = writers.map(thread::ScopedJoinHandle::join);
            done.store(true, Ordering::Relaxed);
            reader.join().unwrap();
            written.into_iter().for_each(|written| written.unwrap());
        });
        let versions: u64 = keys
            .iter()
            .map(|key| engine.position(key).unwrap().version.0)
            .sum();
        assert_eq!(versions, 2 * 2_000 * 3);
    }
}

#[test]
fn documents_that_are_read_together_come_in_the_order_asked_for() {
    let engine = engine();
    let rooms = rooms(&engine);
    engine.apply(&rooms[3], append(3)).unwrap();
    let asked = [
        rooms[3].clone(),
        key("nowhere"),
        rooms[1].clone(),
        rooms[3].clone(),
    ];
    let read = engine.read_many(&asked);
    let texts: Vec<_> = read
        .iter()
        .map(|one| one.as_ref().map(|one| one.root.canonical()))
        .collect();
    let (three, one) = (r#"{"log":[3]}"#.to_owned(), r#"{"log":[]}"#.to_owned());
    assert_eq!(texts, [Some(three.clone()), None, Some(one), Some(three)]);
    assert!(engine.read_many(&[]).is_empty());
}

/// P3.
#[test]
fn a_transaction_commits_every_batch_in_its_order_also_several_in_a_document() {
    let engine = engine();
    let rooms = rooms(&engine);
    engine.apply(&rooms[0], append(0)).unwrap();
    let mut subscription = engine.subscribe(&rooms[0], Default::default()).unwrap();
    let mut replica = Replica::new();
    follow(&mut subscription, &mut replica);
    let writes = [
        (rooms[0].clone(), append(1)),
        (rooms[1].clone(), append(2)),
        (rooms[0].clone(), append(3)),
        (rooms[2].clone(), patch("[]")),
        (rooms[0].clone(), append(4)),
    ];
    let versions = engine.transact(&writes).unwrap();
    assert_eq!(versions, [2, 1, 3, 1, 4].map(Version));
    assert_eq!(text(&engine, &rooms[0]), r#"{"log":[0,1,3,4]}"#);
    assert_eq!(text(&engine, &rooms[1]), r#"{"log":[2]}"#);
    // Each is a commit like any other: a frame, in the history, and undone by its inverse.
    assert!(!follow(&mut subscription, &mut replica).is_empty());
    assert_eq!(replica.root().canonical(), text(&engine, &rooms[0]));
    let then = engine.at(&rooms[0], Version(2)).unwrap();
    assert_eq!(then.root.canonical(), r#"{"log":[0,1]}"#);
    let commit = engine.commit(&rooms[0], Version(4)).unwrap();
    assert_eq!((commit.origin, &commit.patch), (None, &writes[4].1));
    assert_eq!(engine.transact(&[]), Ok(Vec::new()));
}

/// P3: all or none, and the error names the write.
#[test]
fn a_transaction_that_fails_changes_nothing_and_names_the_write() {
    let limits = Limits {
        bytes: 60,
        ..Limits::default()
    };
    let engine = builder().limits(limits).build().unwrap();
    let rooms = rooms(&engine);
    engine.apply(&rooms[4], append(1)).unwrap();
    let before: Vec<_> = rooms.iter().map(|room| engine.get(room).unwrap()).collect();
    let patch_error = |operation, reason| ApplyError::Patch { operation, reason };
    let long = format!(
        r#"[{{"op":"add","path":"/x","value":"{}"}}]"#,
        "x".repeat(60)
    );
    let exceeded = Reason::Limit(LimitExceeded::Bytes { limit: 60 });
    let failures = [
        (
            rooms[1].clone(),
            patch(FAILS),
            patch_error(1, Reason::NotFound),
        ),
        (rooms[0].clone(), patch(&long), patch_error(0, exceeded)),
        (key("nowhere"), append(1), ApplyError::NoSuchDocument),
    ];
    for (room, batch, error) in failures {
        for place in 0..5 {
            let mut writes: Vec<_> = (0..4)
                .map(|room| (rooms[room].clone(), append(9)))
                .collect();
            writes.insert(place, (room.clone(), Arc::clone(&batch)));
            let failed = engine.transact(&writes).unwrap_err();
            let expected = TransactError {
                write: place,
                error,
            };
            assert_eq!(failed, expected);
            assert!(failed.to_string().starts_with(&format!("write {place}: ")));
            for (room, before) in rooms.iter().zip(&before) {
                let now = engine.get(room).unwrap();
                assert_eq!(now.position, before.position);
                assert!(now.root.identical(&before.root));
            }
        }
    }
    // The second batch of a document fails on what the first has made of it.
    let test = patch(r#"[{"op":"test","path":"/log","value":[]}]"#);
    let writes = [(rooms[0].clone(), append(1)), (rooms[0].clone(), test)];
    assert_eq!(engine.transact(&writes).unwrap_err().write, 1);
    assert_eq!(text(&engine, &rooms[0]), r#"{"log":[]}"#);
}

#[test]
fn who_waits_for_any_document_of_a_transaction_is_woken_after_all_of_it() {
    use std::task::{Wake, Waker};

    /// Looks, when it is woken, whether the other document has changed, too.
    struct Looks {
        engine: Engine,
        other: Key,
        seen: AtomicBool,
    }
    impl Wake for Looks {
        fn wake(self: Arc<Self>) {
            let changed = self.engine.position(&self.other).unwrap().version == Version(1);
            self.seen.store(changed, Ordering::SeqCst);
        }
    }

    let engine = engine();
    let rooms = rooms(&engine);
    for (room, other) in [(0, 1), (1, 0)] {
        let (room, other) = (rooms[room].clone(), rooms[other].clone());
        let engine = engine.clone();
        let looks = Arc::new(Looks {
            engine: engine.clone(),
            other: other.clone(),
            seen: AtomicBool::new(false),
        });
        let mut subscription = engine.subscribe(&room, Default::default()).unwrap();
        while subscription.poll().unwrap().is_some() {}
        let mut next = Box::pin(subscription.next());
        let waker = Waker::from(Arc::clone(&looks));
        assert!(crate::futures::poll(next.as_mut(), &waker).is_pending());
        let version = engine.position(&other).unwrap().version;
        if version == Version::ZERO {
            engine
                .transact(&[(room, append(1)), (other, append(1))])
                .unwrap();
            assert!(looks.seen.load(Ordering::SeqCst));
        }
    }
}

#[test]
fn a_document_is_taken_back_to_what_it_was_by_a_commit_like_any_other() {
    let engine = engine();
    let room = room(&engine, "room");
    for number in 1..=5 {
        engine.apply(&room, append(number)).unwrap();
    }
    let then = engine.at(&room, Version(2)).unwrap();
    let (epoch, version) = (engine.position(&room).unwrap().epoch, Version(2));
    assert_eq!(then.position, Position { epoch, version });
    assert_eq!(engine.restore(&room, &then), Ok(Version(6)));
    assert_eq!(text(&engine, &room), r#"{"log":[1,2]}"#);
    // To where it is already: nothing is committed.
    assert_eq!(engine.restore(&room, &then), Ok(Version(6)));
    // And forward again.
    let later = engine.at(&room, Version(5)).unwrap();
    assert_eq!(engine.restore(&room, &later), Ok(Version(7)));
    assert_eq!(text(&engine, &room), r#"{"log":[1,2,3,4,5]}"#);
    // Also into another document, made from a version of the one that was removed.
    let last = engine.remove(&room).unwrap();
    assert_eq!(engine.restore(&room, &last), Err(EditError::NoSuchDocument));
    engine.create(&room, json("null")).unwrap();
    assert_eq!(engine.restore(&room, &last), Ok(Version(1)));
    assert_eq!(text(&engine, &room), r#"{"log":[1,2,3,4,5]}"#);
}

/// P7: the limits hold for what is restored, too.
#[test]
fn a_restored_document_keeps_within_the_limits_of_its_engine() {
    let large = engine();
    let key = room(&large, "room");
    large.apply(&key, append(1_000_000)).unwrap();
    let snapshot = large.get(&key).unwrap();
    let limits = Limits {
        bytes: 15,
        ..Limits::default()
    };
    let history = HistoryBounds::default();
    let small = builder().limits(limits).history(history).build().unwrap();
    room(&small, "room");
    let reason = Reason::Limit(LimitExceeded::Bytes { limit: 15 });
    let refused = small.restore(&key, &snapshot).unwrap_err();
    let operation = 0;
    assert_eq!(
        refused,
        EditError::Apply(ApplyError::Patch { operation, reason })
    );
    assert_eq!(text(&small, &key), r#"{"log":[]}"#);
}
