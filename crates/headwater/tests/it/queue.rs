//! Batches that wait in the queues of their shards.

use std::{
    pin::pin,
    sync::Arc,
    task::{Poll, Waker},
    time::Duration,
};

use headwater::{
    Busy, ColdBounds, Decision, Engine, Outcome, QueueBounds, Queued, Refusal, Seq, Session,
    Submission, Time, Version,
};
use tokio::{runtime, time::timeout};

use crate::{
    fixture::{
        FAILS, append, applied, builder, counts, engine, hold, key, lane_batches, patch, room,
        rooms, seconds, text,
    },
    futures::{Bell, Bomb, Trap, now_or_never, poll, polled},
};

const FULL: Outcome = Outcome::Refused(Busy::Queue.retry());
const SHUTTING_DOWN: Outcome = Outcome::Refused(Busy::ShuttingDown.retry());

/// One shard, whose queue has room for so many small batches.
fn narrow(kib: u32) -> Engine {
    let bounds = QueueBounds {
        kib,
        ..QueueBounds::default()
    };
    builder().shards(1).queue(bounds).build().unwrap()
}

fn outcome(queued: &mut Queued) -> Outcome {
    queued.try_outcome().expect("an outcome")
}

fn numbered(session: &Session, room: &headwater::Key, seq: u64) -> Submission {
    session.batch(room, Seq(seq), append(seq))
}

#[test]
fn a_tick_works_off_the_queues_in_the_order_of_the_batches() {
    let engine = engine();
    let rooms = rooms(&engine);
    let session = engine.open_session().unwrap();
    let mut waiting = Vec::new();
    for seq in 1..=600 {
        for room in &rooms {
            let batch = numbered(&session, room, seq);
            waiting.push((seq, engine.enqueue(batch).unwrap()));
        }
    }
    assert_eq!(engine.stats().queued, 12_000);
    // What waits in a queue has not been handed to any shard.
    assert_eq!(counts(&engine).received, 0);
    for (_, queued) in &mut waiting {
        assert!(queued.try_outcome().is_none());
    }
    engine.tick(seconds(1));
    for (seq, queued) in &mut waiting {
        assert_eq!(outcome(queued), applied(*seq));
    }
    let stats = engine.stats();
    assert_eq!((stats.queued, stats.counts.applied), (0, 12_000));
    // Three rounds at least, of 256 at most, for each room.
    assert!(stats.rounds >= 47, "{}", stats.rounds);
}

/// P1 and P2: the queue is a way in like any other.
#[test]
fn what_comes_through_a_queue_has_the_outcomes_of_what_comes_directly() {
    let engine = builder().reorder(lane_batches(2)).build().unwrap();
    let room = room(&engine, "room");
    let session = engine.open_session().unwrap();
    let batches = [
        numbered(&session, &room, 1),
        numbered(&session, &room, 1),
        numbered(&session, &room, 3),
        session.batch(&room, Seq(2), patch(FAILS)),
        numbered(&session, &room, 9),
        numbered(&session, &room, 10),
        numbered(&session, &room, 11),
        session.batch(&key("nowhere"), Seq(1), append(1)),
    ];
    let mut queued = batches.map(|batch| engine.enqueue(batch).unwrap());
    engine.tick(seconds(0));
    let through_the_queue = queued.each_mut().map(outcome);

    let other = builder().reorder(lane_batches(2)).build().unwrap();
    crate::fixture::room(&other, "room");
    let session = other.open_session().unwrap();
    let directly = [
        (1, append(1)),
        (1, append(1)),
        (3, append(3)),
        (2, patch(FAILS)),
        (9, append(9)),
        (10, append(10)),
        (11, append(11)),
    ]
    .map(|(seq, patch)| session.submit(&room, Seq(seq), patch));
    assert_eq!(through_the_queue[..7], directly);
    let nowhere = session.submit(&key("nowhere"), Seq(1), append(1));
    assert_eq!(through_the_queue[7], nowhere);
    assert_eq!(text(&engine, &room), text(&other, &room));
    assert_eq!(counts(&engine), counts(&other));
}

/// P7: a full queue is a typed outcome, which changes nothing.
#[test]
fn a_full_queue_says_so_and_takes_more_once_it_was_worked_off() {
    let engine = narrow(3);
    let room = room(&engine, "room");
    let session = engine.open_session().unwrap();
    for round in 0..5 {
        let seq = |more| round * 3 + more;
        let mut queued: Vec<_> = (1..=3)
            .map(|more| {
                engine
                    .enqueue(numbered(&session, &room, seq(more)))
                    .unwrap()
            })
            .collect();
        for _ in 0..2 {
            let full = engine.enqueue(numbered(&session, &room, seq(4)));
            assert_eq!(full.unwrap_err(), FULL);
        }
        assert_eq!(engine.stats().queued, 3);
        engine.tick(seconds(round));
        for (more, queued) in (1..).zip(&mut queued) {
            assert_eq!(outcome(queued), applied(seq(more)));
        }
    }
    let counts = counts(&engine);
    assert_eq!((counts.applied, counts.told), (15, 10));
}

#[test]
fn who_waits_for_room_gets_it_in_turn_and_waits_for_nothing_else() {
    let engine = narrow(1);
    let room = room(&engine, "room");
    let session = engine.open_session().unwrap();
    let mut first = engine.enqueue(numbered(&session, &room, 1)).unwrap();
    let mut second = pin!(engine.submit_queued(numbered(&session, &room, 2)));
    let mut third = pin!(engine.submit_queued(numbered(&session, &room, 3)));
    let (bells, wakers): (Vec<_>, Vec<_>) = [Bell::new(), Bell::new()].into_iter().unzip();
    assert!(poll(second.as_mut(), &wakers[0]).is_pending());
    assert!(poll(third.as_mut(), &wakers[1]).is_pending());
    assert_eq!(engine.stats().queued, 1);

    engine.tick(seconds(0));
    assert_eq!(outcome(&mut first), applied(1));
    assert_eq!((bells[0].rung(), bells[1].rung()), (1, 0));
    // It has the room now; nobody else can take that.
    let full = engine.enqueue(numbered(&session, &room, 4)).unwrap_err();
    assert_eq!(full, FULL);
    assert!(poll(second.as_mut(), &wakers[0]).is_pending());
    engine.tick(seconds(0));
    assert_eq!((bells[0].rung(), bells[1].rung()), (1, 1));
    assert_eq!(poll(second.as_mut(), &wakers[0]), Poll::Ready(applied(2)));
    assert!(poll(third.as_mut(), &wakers[1]).is_pending());
    engine.tick(seconds(0));
    assert_eq!(poll(third.as_mut(), &wakers[1]), Poll::Ready(applied(3)));
}

/// P7: one that is larger than the whole queue has it for itself.
#[test]
fn a_batch_that_is_larger_than_the_bound_is_taken_when_the_queue_is_empty() {
    let engine = narrow(2);
    let room = room(&engine, "room");
    let session = engine.open_session().unwrap();
    let long = format!(
        r#"[{{"op":"add","path":"/x","value":"{}"}}]"#,
        "x".repeat(100_000)
    );
    let long = |seq| session.batch(&room, Seq(seq), patch(&long));
    let mut small = engine.enqueue(numbered(&session, &room, 1)).unwrap();
    assert_eq!(engine.enqueue(long(2)).unwrap_err(), FULL);
    engine.tick(seconds(0));
    let mut queued = engine.enqueue(long(2)).unwrap();
    assert_eq!(
        engine.enqueue(numbered(&session, &room, 3)).unwrap_err(),
        FULL
    );
    engine.tick(seconds(0));
    assert_eq!(
        [outcome(&mut small), outcome(&mut queued)],
        [applied(1), applied(2)]
    );
    // All of the room is free again, not more and not less.
    let both = [3, 4].map(|seq| engine.enqueue(numbered(&session, &room, seq)).unwrap());
    assert_eq!(
        engine.enqueue(numbered(&session, &room, 5)).unwrap_err(),
        FULL
    );
    engine.tick(seconds(0));
    assert_eq!(
        both.map(|mut queued| outcome(&mut queued)),
        [applied(3), applied(4)]
    );
}

/// P4: dropped after any number of polls, a future has handed in its batch once or not at all, and takes
/// no room with it.
#[test]
fn a_submission_that_is_dropped_at_any_point_loses_nothing() {
    for kib in [1, 2] {
        for others in 0..4 {
            for polls in 0..6 {
                for ticks in [false, true] {
                    drop_after(kib, others, polls, ticks);
                }
            }
        }
    }
}

fn drop_after(kib: u32, others: u64, polls: usize, ticks: bool) {
    let engine = narrow(kib);
    let room = room(&engine, "room");
    let session = engine.open_session().unwrap();
    let first = engine.open_session().unwrap();
    // As many as there is room for wait in the queue, others for room.
    let mut ahead: Vec<_> = (1..=others)
        .map(|seq| Box::pin(engine.submit_queued(numbered(&first, &room, seq))))
        .collect();
    for future in &mut ahead {
        assert!(poll(future.as_mut(), Waker::noop()).is_pending());
    }
    let step = || {
        if ticks {
            engine.tick(seconds(0));
        }
    };
    let dropped = polled(
        engine.submit_queued(numbered(&session, &room, 1)),
        polls,
        step,
    );
    // A repeat tells whether it was handed in; either way it is decided once.
    while !ahead.is_empty() {
        engine.tick(seconds(0));
        ahead.retain_mut(|future| poll(future.as_mut(), Waker::noop()).is_pending());
    }
    engine.tick(seconds(0));
    let before = session.decision(&room, Seq(1));
    let version = |decision| match decision {
        Some(Decision::Applied { version }) => Some(version),
        Some(other) => panic!("{other:?}"),
        None => None,
    };
    let case = format!("{kib} KiB, {others} others, {polls} polls, {ticks}: {dropped:?}");
    match (&dropped, version(before)) {
        (Some(Outcome::Applied { version }), Some(decided)) => {
            assert_eq!(*version, decided, "{case}");
        }
        (None, _) => assert!(polls > 0 || before.is_none(), "{case}"),
        _ => panic!("{case}"),
    }
    let again = session.submit(&room, Seq(1), append(1));
    match version(before) {
        Some(_) => assert_eq!(again, Outcome::Duplicate(before.unwrap()), "{case}"),
        None => assert_eq!(again, applied(others + 1), "{case}"),
    }
    let counts = counts(&engine);
    assert_eq!(counts.applied, others + 1, "{case}: {counts:?}");
    // All of the room is free.
    let next: Vec<_> = (2..2 + u64::from(kib))
        .map(|seq| engine.enqueue(numbered(&session, &room, seq)).expect(&case))
        .collect();
    engine.tick(seconds(0));
    for (seq, mut queued) in (others + 2..).zip(next) {
        assert_eq!(outcome(&mut queued), applied(seq), "{case}");
    }
}

/// P4.
#[test]
fn a_batch_whose_outcome_nobody_waits_for_is_decided_and_its_lane_remembers() {
    let engine = narrow(4);
    let room = room(&engine, "room");
    let session = engine.open_session().unwrap();
    drop(engine.enqueue(numbered(&session, &room, 1)).unwrap());
    assert!(now_or_never(engine.submit_queued(numbered(&session, &room, 2))).is_none());
    let queued = engine.enqueue(numbered(&session, &room, 3)).unwrap();
    assert!(polled(queued.outcome(), 3, || {}).is_none());
    engine.tick(seconds(0));
    for seq in 1..=3 {
        let version = Version(seq);
        let decision = session.decision(&room, Seq(seq));
        assert_eq!(decision, Some(Decision::Applied { version }));
    }
}

/// P4 and P7: a waker is not the engine's code; if it panics, it does so alone.
#[test]
fn a_waker_that_panics_costs_nobody_else_an_outcome() {
    let engine = narrow(100);
    let room = room(&engine, "room");
    let session = engine.open_session().unwrap();
    let trap = Waker::from(Arc::new(Trap));
    let mut queued: Vec<_> = (1..=20)
        .map(|seq| Box::pin(engine.submit_queued(numbered(&session, &room, seq))))
        .collect();
    for (index, future) in queued.iter_mut().enumerate() {
        let waker = if index % 3 == 0 { &trap } else { Waker::noop() };
        assert!(poll(future.as_mut(), waker).is_pending());
    }
    let mut sleeper = engine.subscribe(&room, Default::default()).unwrap();
    while sleeper.poll().unwrap().is_some() {}
    let mut trapped = engine.subscribe(&room, Default::default()).unwrap();
    while trapped.poll().unwrap().is_some() {}
    let (bell, waker) = Bell::new();
    let (mut next, mut trapped) = (pin!(sleeper.next()), pin!(trapped.next()));
    assert!(poll(trapped.as_mut(), &trap).is_pending());
    assert!(poll(next.as_mut(), &waker).is_pending());

    engine.tick(seconds(0));
    for (version, future) in (1..).zip(&mut queued) {
        assert_eq!(
            poll(future.as_mut(), Waker::noop()),
            Poll::Ready(applied(version))
        );
    }
    assert_eq!(bell.rung(), 1);
    assert_eq!(engine.stats().task_panics, 8);
    // All of the room is free.
    for seq in 21..=120 {
        drop(engine.enqueue(numbered(&session, &room, seq)).unwrap());
    }
    assert_eq!(
        engine.enqueue(numbered(&session, &room, 121)).unwrap_err(),
        FULL
    );
    engine.tick(seconds(0));
    assert_eq!(counts(&engine).applied, 120);
}

/// P4 and P7: so does a waker of somebody who waits for room, which is woken along with others.
#[test]
fn a_waker_that_panics_when_there_is_room_costs_nobody_else_an_outcome() {
    let engine = narrow(3);
    let room = room(&engine, "room");
    let session = engine.open_session().unwrap();
    let held = engine.open_session().unwrap();
    hold(&held, &room, [2]);
    // It fills the queue, so that its end makes room for three at once.
    let long = format!(
        r#"[{{"op":"add","path":"/x","value":"{}"}}]"#,
        "x".repeat(3 << 10)
    );
    let mut first = engine
        .enqueue(session.batch(&room, Seq(1), patch(&long)))
        .unwrap();
    let trap = Waker::from(Arc::new(Trap));
    let (bell, waker) = Bell::new();
    let mut waiting = [2, 3, 4, 5, 6, 7]
        .map(|seq| Box::pin(engine.submit_queued(numbered(&session, &room, seq))));
    for (future, waker) in waiting.iter_mut().zip([&trap, &waker].into_iter().cycle()) {
        assert!(poll(future.as_mut(), waker).is_pending());
    }
    let mut sleeper = engine.subscribe(&room, Default::default()).unwrap();
    while sleeper.poll().unwrap().is_some() {}
    let (sleeps, woken) = Bell::new();
    let mut next = pin!(sleeper.next());
    assert!(poll(next.as_mut(), &woken).is_pending());

    engine.tick(seconds(0));
    assert_eq!(outcome(&mut first), applied(1));
    assert_eq!((sleeps.rung(), bell.rung()), (1, 1));
    assert_eq!(engine.stats().task_panics, 2);
    assert_eq!(engine.memory().queues, 0);
    // The room is theirs.
    let [second, third, fourth, rest @ ..] = &mut waiting;
    let own = [second, third, fourth];
    for future in own {
        assert!(poll(future.as_mut(), Waker::noop()).is_pending());
    }
    assert_eq!(engine.stats().queued, 3);

    // Nor does one of them keep a shutdown from its end.
    assert_eq!(engine.close(), (3, 1));
    assert_eq!((bell.rung(), engine.stats().task_panics), (2, 3));
    for future in rest {
        assert_eq!(
            poll(future.as_mut(), Waker::noop()),
            Poll::Ready(SHUTTING_DOWN)
        );
    }
    assert_eq!(text(&engine, &room).matches(',').count(), 3);
    assert_eq!(held.status(&room).report.unwrap().batches, 1);
    let counts = counts(&engine);
    assert_eq!((counts.applied, counts.held, counts.told), (4, 0, 4));
}

/// P4 and P7: nor does the last of a waker that panics when it is dropped, together with what it panics with.
#[test]
fn a_waker_that_panics_when_it_is_dropped_costs_nobody_else_an_outcome() {
    let engine = narrow(3);
    let room = room(&engine, "room");
    let session = engine.open_session().unwrap();
    let mut queued = [1, 2, 3].map(|seq| {
        Box::pin(
            engine
                .enqueue(numbered(&session, &room, seq))
                .unwrap()
                .outcome(),
        )
    });
    let waits = || Box::pin(engine.submit_queued(numbered(&session, &room, 4)));
    let mut room_only = waits();
    assert!(poll(room_only.as_mut(), &Waker::from(Arc::new(Bomb))).is_pending());
    let mut sleeper = engine.subscribe(&room, Default::default()).unwrap();
    while sleeper.poll().unwrap().is_some() {}
    let (bell, waker) = Bell::new();
    let mut next = pin!(sleeper.next());
    assert!(poll(next.as_mut(), &waker).is_pending());

    engine.tick(seconds(0));
    for (version, future) in (1..).zip(&mut queued) {
        assert_eq!(
            poll(future.as_mut(), Waker::noop()),
            Poll::Ready(applied(version))
        );
    }
    assert_eq!((bell.rung(), engine.stats().task_panics), (1, 1));
    assert_eq!(engine.memory().queues, 0);
    // The room that it waited for is its own until it leaves.
    drop(room_only);
    assert_eq!(fill(&engine, &session, &room), 3);
}

/// How many batches the queue has room for.
fn fill(engine: &Engine, session: &Session, room: &headwater::Key) -> usize {
    let batches = (4..).map(|seq| engine.enqueue(numbered(session, room, seq)));
    batches.take_while(Result::is_ok).count()
}

/// P1: the rows of the outcome table in their order. What is known of a batch, and what is wrong with it,
/// comes before what stands in the way of all.
#[test]
fn a_full_queue_and_a_closed_engine_answer_what_they_know() {
    let engine = narrow(1);
    let room = room(&engine, "room");
    let former = engine.open_session().unwrap();
    assert_eq!(former.submit(&room, Seq(1), append(1)), applied(1));
    let ended = engine.open_session().unwrap();
    let ended_batch = numbered(&ended, &room, 1);
    engine.close_session(ended.id());
    let fenced = numbered(&former, &room, 2);
    let session = engine.attach(former.id()).unwrap();
    hold(&session, &room, [3]);
    let reused = session.batch(&room, Seq(1), append(7));
    let large = session.batch(&room, Seq(2), patch(&large_batch()));
    let unknown = Outcome::Refused(Refusal::UnknownSession);
    let current = session.attachment();
    let known = [
        (ended_batch, unknown),
        (fenced, Outcome::Refused(Refusal::Fenced { current })),
        (numbered(&session, &room, 1), duplicate(1)),
        (reused, Outcome::Refused(Refusal::SeqReused)),
    ];
    let check = |over: Outcome| {
        for (batch, outcome) in &known {
            assert_eq!(engine.enqueue(batch.clone()).unwrap_err(), *outcome);
        }
        let outcome = engine.enqueue(large.clone()).unwrap_err();
        assert!(
            matches!(outcome, Outcome::Refused(Refusal::TooLarge(_))),
            "{outcome:?}"
        );
        let new = engine.enqueue(numbered(&session, &room, 2));
        assert_eq!(new.unwrap_err(), over);
    };

    let other = engine.open_session().unwrap();
    let mut waits = engine.enqueue(numbered(&other, &room, 1)).unwrap();
    check(FULL);
    let held = engine.enqueue(numbered(&session, &room, 3)).unwrap_err();
    assert!(matches!(held, Outcome::Held { .. }), "{held:?}");

    assert_eq!(engine.close(), (1, 1));
    assert_eq!(outcome(&mut waits), applied(2));
    check(SHUTTING_DOWN);
    for (batch, outcome) in &known {
        assert_eq!(engine.submit(batch), *outcome);
        let queued = now_or_never(engine.submit_queued(batch.clone()));
        assert_eq!(queued, Some(outcome.clone()));
    }
    let counts = counts(&engine);
    // Duplicates, one of them of a batch that was held.
    assert_eq!((counts.duplicate, counts.held), (5, 0));
}

/// A batch of more than the 1 MiB that is allowed.
fn large_batch() -> String {
    let text = "x".repeat(1 << 20);
    format!(r#"[{{"op":"add","path":"/x","value":"{text}"}}]"#)
}

fn duplicate(version: u64) -> Outcome {
    Outcome::Duplicate(Decision::Applied {
        version: Version(version),
    })
}

/// P4 and P8: nothing is taken any more, and what was taken is decided.
#[test]
fn closing_decides_what_waits_and_refuses_what_comes() {
    let engine = narrow(2);
    let room = room(&engine, "room");
    let session = engine.open_session().unwrap();
    let other = engine.open_session().unwrap();
    hold(&other, &room, [2, 3]);
    let mut queued = [1, 2].map(|seq| engine.enqueue(numbered(&session, &room, seq)).unwrap());
    let mut waits = pin!(engine.submit_queued(numbered(&session, &room, 3)));
    assert!(poll(waits.as_mut(), Waker::noop()).is_pending());

    assert_eq!(engine.close(), (2, 2));
    assert_eq!(queued.each_mut().map(outcome), [applied(1), applied(2)]);
    assert_eq!(
        poll(waits.as_mut(), Waker::noop()),
        Poll::Ready(SHUTTING_DOWN)
    );
    let late = numbered(&session, &room, 3);
    assert_eq!(engine.enqueue(late.clone()).unwrap_err(), SHUTTING_DOWN);
    assert_eq!(
        now_or_never(engine.submit_queued(late.clone())),
        Some(SHUTTING_DOWN)
    );
    assert_eq!(engine.submit(&late), SHUTTING_DOWN);
    let report = other.status(&room).report.unwrap();
    assert_eq!(
        (report.cause, report.batches),
        (headwater::Cause::ShutDown, 2)
    );
    let counts = counts(&engine);
    assert_eq!((counts.applied, counts.held, counts.told), (2, 0, 6));
    // The host still reads and writes.
    engine.apply(&room, append(9)).unwrap();
    assert_eq!(text(&engine, &room), r#"{"log":[1,2,9]}"#);
    assert_eq!(engine.close(), (0, 0));
}

/// P7: a batch that there is no memory for just now gets what relief can make, by this way in, too.
#[test]
fn memory_is_relieved_for_a_batch_in_a_queue_as_for_one_handed_in_directly() {
    for direct in [true, false] {
        let reorder = headwater::ReorderBounds {
            engine: headwater::Bound {
                batches: 10_000,
                bytes: 1 << 18,
            },
            document: headwater::Bound {
                batches: 1_000,
                bytes: 1 << 18,
            },
            lane: headwater::Bound {
                batches: 1_000,
                bytes: 1 << 18,
            },
            ..Default::default()
        };
        let engine = builder()
            .shards(1)
            .reorder(reorder)
            .memory_max(1 << 20)
            .build()
            .unwrap();
        let rooms = ["a", "b", "c", "d"].map(|name| room(&engine, name));
        let session = engine.open_session().unwrap();
        for seq in 1..=100 {
            let text = format!(
                r#"[{{"op":"add","path":"/x","value":"{}"}}]"#,
                seq.to_string().repeat(40_000 / seq.to_string().len())
            );
            let room = &rooms[usize::try_from(seq).unwrap() % 4];
            let seq = session.status(room).expected;
            let batch = session.batch(room, seq, patch(&text));
            let outcome = if direct {
                engine.submit(&batch)
            } else {
                let mut queued = engine.enqueue(batch).unwrap();
                // No tick's own relief comes first.
                engine.tick(seconds(0));
                outcome(&mut queued)
            };
            assert_eq!(outcome, applied(seq.0), "{direct}");
            let stats = engine.stats();
            assert!(stats.memory.total() <= stats.memory_max);
        }
        let stats = engine.stats();
        assert_eq!((stats.counts.received, stats.counts.applied), (100, 100));
        // Those for which room had to be made were refused at first, and nobody heard of it.
        assert_eq!(
            (stats.counts.told, stats.reasons.values().sum::<u64>()),
            (0, 0)
        );
        assert!(stats.reliefs > 0, "no load");
    }
}

/// The same with tasks, and with more who hand in than there is room for.
#[test]
fn the_tasks_work_off_the_queues_and_everybody_gets_room_in_the_end() {
    const CLIENTS: u64 = 40;
    let runtime = runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_time()
        .build();
    runtime.unwrap().block_on(async {
        let bounds = QueueBounds {
            kib: 3,
            round_batches: 2,
            round: Duration::ZERO,
        };
        let engine = builder().shards(2).queue(bounds).build().unwrap();
        engine.start().unwrap();
        let rooms = rooms(&engine);
        let clients = (0..CLIENTS).map(|number| {
            let (engine, rooms) = (engine.clone(), rooms.clone());
            tokio::spawn(async move {
                let session = engine.open_session().unwrap();
                let room = &rooms[usize::try_from(number).unwrap() % rooms.len()];
                for seq in 1..=50 {
                    let batch = session.batch(room, Seq(seq), append(seq));
                    let outcome = engine.submit_queued(batch).await;
                    assert!(matches!(outcome, Outcome::Applied { .. }), "{outcome:?}");
                }
            })
        });
        let clients: Vec<_> = clients.collect();
        let all = async {
            for client in clients {
                client.await.unwrap();
            }
        };
        timeout(Duration::from_secs(30), all)
            .await
            .expect("everybody gets room");
        let counts = counts(&engine);
        assert_eq!(
            (counts.received, counts.applied),
            (CLIENTS * 50, CLIENTS * 50)
        );
        let report = engine.shutdown(Duration::from_secs(5)).await;
        assert_eq!((report.left, report.aborted, engine.tasks()), (0, 0, 0));
    });
}

/// A batch that goes the direct way, because its document has to be inflated first, was accepted like the
/// others.
#[test]
fn a_closing_engine_decides_what_waits_for_a_compressed_document() {
    let cold = ColdBounds {
        bytes_min: 1_000,
        idle: Duration::from_secs(1),
    };
    let engine = Engine::builder().cold(cold).build().unwrap();
    let library = key("library");
    let root = format!(r#"{{"text":"{}","log":[]}}"#, "word ".repeat(1_000));
    engine.create(&library, root.parse().unwrap()).unwrap();
    for second in 1..10 {
        engine.tick(Time::from_millis(second * 1_000));
    }
    assert_eq!(engine.stats().documents_frozen, 1);
    let session = engine.open_session().unwrap();
    let replies: Vec<_> = (1..=3)
        .map(|seq| {
            let batch = patch(r#"[{"op":"add","path":"/log/-","value":1}]"#);
            engine
                .enqueue(session.batch(&library, Seq(seq), batch))
                .unwrap()
        })
        .collect();
    assert_eq!(engine.close(), (3, 0));
    drop(replies);
    assert_eq!(session.status(&library).decided, Seq(3));
    assert_eq!(engine.stats().counts.applied, 3);
}
