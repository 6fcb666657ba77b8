//! What is held, and what room is made for, while others read and close.

use std::{
    hint, ptr,
    sync::{
        atomic::{AtomicU64, Ordering},
        mpsc,
    },
    thread,
};

use headwater::{Busy, Outcome, Seq, Time};

use crate::fixture::{builder, counts, json, key, patch, room};

/// P7: what is held of a version is held by one snapshot, which the next commit finds and counts.
///
/// Scenario: two threads are the first to read a version, at the same time. Failure: each made a snapshot,
/// and of one that is held nobody knew. Fix: they share one.
#[test]
fn two_first_readers_of_a_version_hold_the_same_snapshot() {
    let engine = builder().shards(1).build().unwrap();
    let room = room(&engine, "room");
    let round = AtomicU64::new(0);
    let (read, reads) = mpsc::sync_channel(1);
    let (mut different, mut uncounted) = (0, 0);
    thread::scope(|scope| {
        let (engine, room, round) = (&engine, &room, &round);
        scope.spawn(move || {
            for turn in 1..=READS {
                while round.load(Ordering::Acquire) < turn {
                    hint::spin_loop();
                }
                read.send(engine.get(room)).unwrap();
            }
        });
        for turn in 1..=READS {
            let add = format!(r#"[{{"op":"add","path":"/turn","value":{turn}}}]"#);
            engine.apply(room, patch(&add)).unwrap();
            round.store(turn, Ordering::Release);
            // Now the one is first, now the other.
            (0..turn % 64).for_each(|_| hint::spin_loop());
            let one = engine.get(room).unwrap();
            let two = reads.recv().unwrap().unwrap();
            different += u64::from(!ptr::eq(&raw const *one, &raw const *two));
            drop(one);
            engine.apply(room, patch("[]")).unwrap();
            uncounted += u64::from(engine.memory().pins == 0);
        }
    });
    assert_eq!((different, uncounted), (0, 0));
}

/// Rounds in which two threads read at once.
const READS: u64 = 20_000;

/// P4: it is handed in twice, and counted once.
#[test]
fn a_batch_that_memory_was_made_for_when_the_engine_began_to_close_is_told_once() {
    let mut told = 0;
    for _ in 0..5 {
        let engine = builder().shards(1).memory_max(8 << 20).build().unwrap();
        // What is left is too little for the batch; what relief compresses takes it a while.
        let room = room(&engine, "room");
        let words = format!(r#"["{}"]"#, "word ".repeat(7_000_000 / 5));
        engine.create(&key("library"), json(&words)).unwrap();
        engine.tick(Time::from_millis(2_000));
        let session = engine.open_session().unwrap();
        let page = format!(
            r#"[{{"op":"add","path":"/page","value":"{}"}}]"#,
            "x".repeat(1_000_000)
        );
        let page = patch(&page);
        let before = engine.stats();
        assert_eq!(before.documents_frozen, 0);
        let outcome = thread::scope(|scope| {
            let submits = scope.spawn(|| session.submit(&room, Seq(1), page));
            while engine.stats().reliefs == before.reliefs && !submits.is_finished() {
                thread::yield_now();
            }
            let _closed = engine.close();
            submits.join().unwrap()
        });
        let shutting_down = outcome == Outcome::Refused(Busy::ShuttingDown.retry());
        told += u64::from(shutting_down);
        let counts = counts(&engine);
        assert_eq!(
            (counts.received, counts.told),
            (1, u64::from(shutting_down)),
            "{outcome:?}"
        );
        assert!(engine.stats().documents_frozen > 0, "no load");
    }
    assert!(told > 0, "never while memory was made");
}
