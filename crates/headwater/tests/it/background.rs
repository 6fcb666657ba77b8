//! The engine's own tasks, on tokio. P8: none outlives its shutdown.

use std::{
    hint,
    sync::{
        Arc, Barrier,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    task::Waker,
    thread,
    time::{Duration, Instant},
};

use headwater::{
    Admission, Busy, Cause, ColdBounds, Engine, Event, Outcome, QueueBounds, Refusal,
    ReorderBounds, Seq, StartError, Time,
};
use metrics::{
    Counter, Gauge, Histogram, KeyName, Metadata, Recorder, SharedString, Unit, with_local_recorder,
};
use tokio::{
    runtime::{self, Runtime},
    task::{JoinSet, yield_now},
    time::{sleep, timeout},
};

use crate::{
    fixture::{append, applied, builder, counts, engine, hold, json, key, room, rooms},
    futures::{Trap, now_or_never, poll, polled},
};

const SHUTTING_DOWN: Outcome = Outcome::Refused(Busy::ShuttingDown.retry());

/// More than anything here takes.
const LONG: Duration = Duration::from_secs(20);

fn two_threads() -> Runtime {
    let runtime = runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_time()
        .build();
    runtime.unwrap()
}

fn one_thread() -> Runtime {
    runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .unwrap()
}

/// Waits until something is so.
async fn until(what: &str, is_so: impl Fn() -> bool) {
    let start = Instant::now();
    while !is_so() {
        assert!(start.elapsed() < LONG, "{what}");
        sleep(Duration::from_millis(1)).await;
    }
}

#[test]
fn an_engine_is_started_once_on_a_runtime_and_not_again_after_its_shutdown() {
    let engine = builder().shards(4).build().unwrap();
    assert_eq!(engine.start(), Err(StartError::NoRuntime));
    assert_eq!(engine.tasks(), 0);
    for runtime in [one_thread(), two_threads()] {
        runtime.block_on(async {
            let engine = builder().shards(4).build().unwrap();
            assert_eq!(engine.start(), Ok(()));
            assert_eq!(engine.clone().start(), Err(StartError::Started));
            // One for each queue, one that ticks, one that compresses and what it waits for.
            assert!((6..=7).contains(&engine.tasks()), "{}", engine.tasks());
            for _ in 0..2 {
                let report = engine.shutdown(LONG).await;
                assert_eq!((report.left, report.aborted, engine.tasks()), (0, 0, 0));
                assert_eq!(engine.start(), Err(StartError::ShutDown));
            }
        });
    }
    assert_eq!(
        StartError::NoRuntime.to_string(),
        "not on a tokio runtime with time enabled"
    );
}

#[test]
fn an_engine_that_was_never_started_is_shut_down_all_the_same() {
    one_thread().block_on(async {
        let engine = engine();
        let room = room(&engine, "room");
        let session = engine.open_session().unwrap();
        hold(&session, &room, [2, 4]);
        let mut queued = engine
            .enqueue(session.batch(&room, Seq(1), append(1)))
            .unwrap();
        let report = engine.shutdown(LONG).await;
        assert_eq!((report.drained, report.given_up), (1, 1));
        assert_eq!((report.left, report.aborted), (0, 0));
        assert_eq!(queued.try_outcome(), Some(applied(1)));
        let status = session.status(&room);
        assert_eq!((status.decided, status.held), (Seq(2), 0));
        assert_eq!(status.report.unwrap().cause, Cause::ShutDown);
    });
}

/// P8: without tasks it takes no runtime.
#[test]
fn an_engine_that_was_never_started_is_shut_down_on_no_runtime() {
    let engine = engine();
    let room = room(&engine, "room");
    let session = engine.open_session().unwrap();
    let queued = engine
        .enqueue(session.batch(&room, Seq(1), append(1)))
        .unwrap();
    for drained in [1, 0] {
        let report = polled(engine.shutdown(LONG), 3, || {}).expect("an end");
        assert_eq!(
            (report.drained, report.aborted, report.left),
            (drained, 0, 0)
        );
    }
    assert_eq!(now_or_never(queued.outcome()), Some(applied(1)));
}

/// P8: off the runtime nobody tells how long tasks are waited for, so they are aborted.
#[test]
fn an_engine_is_shut_down_off_the_runtime_that_it_was_started_on() {
    let runtime = two_threads();
    let engine = engine();
    let room = room(&engine, "room");
    let session = engine.open_session().unwrap();
    runtime.block_on(async { engine.start().unwrap() });
    hold(&session, &room, [2]);
    let report = polled(engine.shutdown(LONG), 100, || {}).expect("an end");
    assert_eq!(report.given_up, 1);
    let mut waited = 0;
    while engine.tasks() > 0 && waited < 2_000 {
        waited += 1;
        thread::sleep(Duration::from_millis(1));
    }
    assert_eq!(engine.tasks(), 0);
}

/// P4 and P8: what is not decided by the deadline is told.
#[test]
fn a_shutdown_decides_what_waits_until_its_deadline_and_tells_the_rest() {
    const BATCHES: u64 = 200;
    // A batch takes at least as long as this.
    let slow = Duration::from_millis(5);
    for deadline in [Duration::ZERO, 10 * slow] {
        let admit = move |_: &Admission<'_>| {
            thread::sleep(slow);
            Ok(())
        };
        let engine = builder().shards(2).admit(admit).build().unwrap();
        let rooms = ["room", "hall", "attic", "cellar"].map(|name| room(&engine, name));
        let session = engine.open_session().unwrap();
        let mut queued = Vec::new();
        for seq in 1..=BATCHES / 4 {
            for room in &rooms {
                let batch = session.batch(room, Seq(seq), append(seq));
                queued.push((room, seq, engine.enqueue(batch).unwrap()));
            }
        }
        let other = engine.open_session().unwrap();
        hold(&other, &rooms[0], [2]);
        let report = one_thread().block_on(engine.shutdown(deadline));
        assert_eq!((report.drained, report.given_up), (200, 1));
        let mut applied = 0;
        for (room, seq, queued) in &mut queued {
            let decided = session.status(room).decided;
            match queued.try_outcome().expect("an outcome") {
                Outcome::Applied { .. } => {
                    assert!(decided >= Seq(*seq));
                    applied += 1;
                }
                outcome => {
                    assert_eq!(outcome, SHUTTING_DOWN);
                    assert!(decided < Seq(*seq));
                }
            }
        }
        // The one that was begun before the deadline is decided after it.
        let most = deadline.as_millis() / slow.as_millis() + u128::from(!deadline.is_zero());
        assert!(u128::from(applied) <= most, "{applied} by {deadline:?}");
        let counts = counts(&engine);
        assert_eq!(
            (counts.applied, counts.told, counts.held),
            (applied, BATCHES - applied + 1, 0)
        );
        assert_eq!((engine.stats().queued, engine.memory().queues), (0, 0));
    }
}

/// P4 and P8: whatever a shutdown has begun is begun, and the next one goes on from there.
#[test]
fn a_shutdown_that_is_dropped_at_any_point_harms_nothing_and_the_next_one_is_whole() {
    for polls in 0..12 {
        for started in [false, true] {
            for runtime in [one_thread(), two_threads()] {
                runtime.block_on(drop_shutdown_after(polls, started));
            }
        }
    }
}

async fn drop_shutdown_after(polls: usize, started: bool) {
    let case = format!("{polls} polls, {started}");
    let bounds = QueueBounds {
        round_batches: 1,
        ..QueueBounds::default()
    };
    let engine = builder().shards(2).queue(bounds).build().unwrap();
    let room = room(&engine, "room");
    let session = engine.open_session().unwrap();
    let queued: Vec<_> = (1..=8)
        .map(|seq| {
            let batch = session.batch(&room, Seq(seq), append(seq));
            engine.enqueue(batch).unwrap()
        })
        .collect();
    let other = engine.open_session().unwrap();
    hold(&other, &room, [2, 3]);
    if started {
        engine.start().unwrap();
    }
    let mut first = Box::pin(engine.shutdown(LONG));
    for _ in 0..polls {
        if poll(first.as_mut(), Waker::noop()).is_ready() {
            break;
        }
        yield_now().await;
    }
    drop(first);
    if polls > 0 {
        let refused = session.submit(&room, Seq(9), append(9));
        assert_eq!(refused, SHUTTING_DOWN, "{case}");
    }
    counts(&engine);
    engine.apply(&room, append(0)).unwrap();

    let report = timeout(LONG, engine.shutdown(LONG)).await.expect(&case);
    assert_eq!(
        (report.aborted, report.left, engine.tasks()),
        (0, 0, 0),
        "{case}"
    );
    for queued in queued {
        let outcome = now_or_never(queued.outcome()).expect(&case);
        assert!(
            matches!(outcome, Outcome::Applied { .. }),
            "{case}: {outcome:?}"
        );
    }
    let report = other.status(&room).report.unwrap();
    assert_eq!(
        (report.cause, report.batches),
        (Cause::ShutDown, 2),
        "{case}"
    );
    let counts = counts(&engine);
    assert_eq!((counts.applied, counts.held), (8, 0), "{case}");
}

/// P8: either the start sees the shutdown, or the shutdown its tasks.
#[test]
fn a_start_that_meets_a_shutdown_leaves_no_task_behind() {
    let runtime = two_threads();
    for round in 0..600 {
        let engine = builder().shards(64).build().unwrap();
        let begin = Barrier::new(2);
        thread::scope(|scope| {
            let starts = scope.spawn(|| {
                let _entered = runtime.enter();
                begin.wait();
                for _ in 0..round * 4 {
                    hint::spin_loop();
                }
                engine.start()
            });
            begin.wait();
            let report = runtime.block_on(engine.shutdown(LONG));
            assert_eq!((report.aborted, report.left), (0, 0));
            while !starts.is_finished() {
                assert_eq!(engine.tasks(), 0, "{round}");
            }
            let started = starts.join().unwrap();
            assert!(matches!(started, Ok(()) | Err(StartError::ShutDown)));
        });
        assert_eq!(engine.tasks(), 0, "{round}");
    }
}

/// P4 and P8.
#[test]
fn a_hundred_shutdowns_under_load_leave_no_task_and_no_batch_without_an_answer() {
    let runtime = two_threads();
    for round in 0..100_u64 {
        runtime.block_on(shutdown_under_load(round));
    }
}

async fn shutdown_under_load(round: u64) {
    let bounds = QueueBounds {
        kib: 8,
        round_batches: 4,
        round: Duration::ZERO,
    };
    let engine = builder().shards(4).queue(bounds).build().unwrap();
    engine.start().unwrap();
    let rooms = Arc::new(rooms(&engine));
    let answered = Arc::new(AtomicUsize::new(0));
    let mut clients = JoinSet::new();
    for number in 0..6_usize {
        let (engine, rooms, answered) = (engine.clone(), Arc::clone(&rooms), Arc::clone(&answered));
        clients.spawn(async move {
            let session = engine.open_session().unwrap();
            let room = &rooms[number];
            let mut handed_in = 0_u64;
            let mut applied = 0;
            for seq in 1.. {
                // Some are lost on the way, so that others are held.
                if seq % 16 == 7 {
                    continue;
                }
                let batch = session.batch(room, Seq(seq), append(seq));
                handed_in += 1;
                let outcome = if number % 2 == 0 {
                    engine.submit_queued(batch).await
                } else {
                    yield_now().await;
                    engine.submit(&batch)
                };
                answered.fetch_add(1, Ordering::Relaxed);
                match outcome {
                    Outcome::Applied { .. } => applied += 1,
                    Outcome::Held { .. } | Outcome::Refused(Refusal::Gap { .. }) => {}
                    Outcome::Refused(Refusal::Retry { cause, .. }) => {
                        assert_eq!(cause, Busy::ShuttingDown);
                        let again = engine.submit(&session.batch(room, Seq(seq), append(seq)));
                        assert_eq!(again, Outcome::Refused(cause.retry()));
                        return (handed_in + 1, applied);
                    }
                    outcome => panic!("{outcome:?}"),
                }
            }
            unreachable!("seqs do not end")
        });
    }
    let some = usize::try_from(round).unwrap();
    until("some answers", || answered.load(Ordering::Relaxed) >= some).await;
    let report = engine.shutdown(LONG).await;
    assert_eq!(
        (report.left, report.aborted, engine.tasks()),
        (0, 0, 0),
        "{round}"
    );
    assert!(report.took < LONG);
    let (mut handed_in, mut applied) = (0, 0);
    let ends = timeout(LONG, clients.join_all()).await;
    for (more, of_them) in ends.expect("everybody gets an answer") {
        handed_in += more;
        applied += of_them;
    }
    let counts = counts(&engine);
    assert_eq!(
        (counts.received, counts.applied, counts.held),
        (handed_in, applied, 0),
        "{round}"
    );
    assert_eq!(engine.next_deadline(), None);
    assert_eq!(engine.stats().queued, 0);
}

#[test]
fn the_tasks_end_when_all_handles_of_the_engine_are_gone() {
    two_threads().block_on(async {
        let metrics = runtime::Handle::current().metrics();
        let before = metrics.num_alive_tasks();
        let engine = builder().shards(8).build().unwrap();
        engine.start().unwrap();
        let handle = engine.handle(&room(&engine, "room")).unwrap();
        assert!(metrics.num_alive_tasks() >= before + 10);
        drop(engine);
        sleep(Duration::from_millis(20)).await;
        assert!(
            metrics.num_alive_tasks() >= before + 10,
            "a handle is an engine, too"
        );
        drop(handle);
        until("no task", || metrics.num_alive_tasks() == before).await;
    });
}

/// P4: deadlines pass without anybody's call.
#[test]
fn the_ticking_task_reports_what_has_waited_too_long() {
    two_threads().block_on(async {
        let bounds = ReorderBounds {
            gap_deadline: Duration::from_millis(20),
            ..ReorderBounds::default()
        };
        let engine = builder().reorder(bounds).build().unwrap();
        let room = room(&engine, "room");
        let session = engine.open_session().unwrap();
        engine.start().unwrap();
        let waits = session.late();
        hold(&session, &room, [2]);
        // Whoever asks too late for the news finds it in the status.
        let news = timeout(Duration::from_secs(1), waits).await;
        if let Ok(news) = news {
            assert_eq!(news.unwrap().0, room);
        }
        until("a report", || session.status(&room).report.is_some()).await;
        let status = session.status(&room);
        assert_eq!(status.report.unwrap().cause, Cause::Deadline);
        assert_eq!((status.held, counts(&engine).told), (0, 1));
        let _report = engine.shutdown(LONG).await;
    });
}

#[test]
fn the_ticking_task_ends_sessions_and_goes_on_from_the_time_that_was_told_before() {
    two_threads().block_on(async {
        let timeout = Duration::from_millis(30);
        let engine = builder().session_timeout(timeout).build().unwrap();
        engine.tick(crate::fixture::seconds(1_000));
        let session = engine.open_session().unwrap();
        engine.start().unwrap();
        let event = tokio::time::timeout(LONG, engine.event()).await.unwrap();
        assert_eq!(event, Event::SessionExpired(session.id()));
        assert!(engine.now() >= crate::fixture::seconds(1_000) + timeout);
        assert!(session.late().await.is_none());
        let _report = engine.shutdown(LONG).await;
    });
}

#[test]
fn the_compressing_task_compresses_what_nobody_uses() {
    two_threads().block_on(async {
        let cold = ColdBounds {
            bytes_min: 1 << 10,
            idle: Duration::ZERO,
        };
        let engine = builder().cold(cold).build().unwrap();
        let halls: Vec<_> = (0..10)
            .map(|number| key(&format!("hall/{number}")))
            .collect();
        for hall in &halls {
            engine
                .create(hall, json(&format!(r#"["{}"]"#, "word ".repeat(2_000))))
                .unwrap();
        }
        engine.start().unwrap();
        until("all are cold", || engine.stats().documents_frozen == 10).await;
        for hall in &halls {
            assert!(engine.try_get(hall).is_err());
        }
        assert!(engine.get(&halls[0]).is_some());
        let report = engine.shutdown(LONG).await;
        assert_eq!((report.left, engine.tasks()), (0, 0));
    });
}

/// The panic of a waker in the task of a queue is counted, and the queue goes on.
#[test]
fn a_waker_that_panics_in_a_task_does_not_stop_it() {
    two_threads().block_on(async {
        let engine = builder().shards(1).build().unwrap();
        let room = room(&engine, "room");
        let session = engine.open_session().unwrap();
        let mut trapped = Box::pin(engine.submit_queued(session.batch(&room, Seq(1), append(1))));
        let trap = Waker::from(Arc::new(Trap));
        assert!(poll(trapped.as_mut(), &trap).is_pending());
        let second = engine
            .enqueue(session.batch(&room, Seq(2), append(2)))
            .unwrap();
        engine.start().unwrap();
        let outcome = timeout(LONG, second.outcome()).await.unwrap();
        assert_eq!(outcome, applied(2));
        assert_eq!(engine.stats().task_panics, 1);
        let batch = session.batch(&room, Seq(3), append(3));
        let third = timeout(LONG, engine.submit_queued(batch)).await.unwrap();
        assert_eq!(third, applied(3));
        let report = engine.shutdown(LONG).await;
        assert_eq!((report.left, report.aborted), (0, 0));
    });
}

/// A recorder of metrics that panics at the first registration, and takes any after that.
#[derive(Default)]
struct Faulty {
    asked: AtomicBool,
}

impl Recorder for Faulty {
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn register_counter(&self, _: &metrics::Key, _: &Metadata<'_>) -> Counter {
        assert!(
            self.asked.swap(true, Ordering::Relaxed),
            "a faulty recorder"
        );
        Counter::noop()
    }

    fn register_gauge(&self, _: &metrics::Key, _: &Metadata<'_>) -> Gauge {
        Gauge::noop()
    }

    fn register_histogram(&self, _: &metrics::Key, _: &Metadata<'_>) -> Histogram {
        Histogram::noop()
    }
}

/// P4 and P8: the host hears of it, and time goes on.
#[test]
fn a_task_that_panics_is_counted_and_told_and_goes_on() {
    let bounds = ReorderBounds {
        gap_deadline: Duration::from_millis(50),
        ..ReorderBounds::default()
    };
    let engine = builder().reorder(bounds).build().unwrap();
    let room = room(&engine, "room");
    let session = engine.open_session().unwrap();
    // The first sample is taken when a second is over, before the batch's time is.
    engine.tick(Time::from_millis(999));
    hold(&session, &room, [2]);
    let recorder = Faulty::default();
    with_local_recorder(&recorder, || {
        one_thread().block_on(async {
            engine.start().unwrap();
            let event = timeout(LONG, engine.event()).await.unwrap();
            assert_eq!(event, Event::TaskPanicked { task: "tick" });
            assert_eq!(engine.stats().task_panics, 1);
            let panicked_at = engine.now();
            until("a report", || session.status(&room).report.is_some()).await;
            let report = session.status(&room).report.unwrap();
            assert_eq!(report.cause, Cause::Deadline);
            assert!(engine.now() > panicked_at);
            let report = engine.shutdown(LONG).await;
            assert_eq!((report.left, report.aborted, engine.tasks()), (0, 0, 0));
        });
    });
    assert_eq!((engine.stats().task_panics, engine.next_event()), (1, None));
}

/// A queue of batches that are held open by nobody: the engine, not the future, owns what it accepted.
#[test]
fn an_engine_that_is_dropped_answers_who_still_waits() {
    let engine: Engine = engine();
    let room = room(&engine, "room");
    let session = engine.open_session().unwrap();
    let queued = engine
        .enqueue(session.batch(&room, Seq(1), append(1)))
        .unwrap();
    // Nor do wakers that panic keep it from that.
    let trap = Waker::from(Arc::new(Trap));
    let mut trapped = [2, 3].map(|seq| {
        let batch = session.batch(&room, Seq(seq), append(seq));
        Box::pin(engine.enqueue(batch).unwrap().outcome())
    });
    for outcome in &mut trapped {
        assert!(poll(outcome.as_mut(), &trap).is_pending());
    }
    let last = engine
        .enqueue(session.batch(&room, Seq(4), append(4)))
        .unwrap();
    drop((engine, session));
    for queued in [queued, last] {
        assert_eq!(now_or_never(queued.outcome()), Some(SHUTTING_DOWN));
    }
    for outcome in trapped {
        assert_eq!(now_or_never(outcome), Some(SHUTTING_DOWN));
    }
}
