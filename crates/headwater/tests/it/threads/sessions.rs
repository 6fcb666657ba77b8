//! Sessions that end while somebody uses them, or that several find to have expired.

use std::{
    hint, thread,
    time::{Duration, Instant},
};

use headwater::{Seq, Time};

use crate::fixture::{UNKNOWN, UNUSED, append, builder, counts, engine, rooms};

/// P4: no lane is made for a session that has ended, also not by a batch on its way in.
#[test]
fn a_session_that_is_closed_while_it_submits_leaves_nothing_behind() {
    let engine = engine();
    let rooms = rooms(&engine);
    let mut received = 0;
    for _ in 0..300 {
        let session = engine.open_session().unwrap();
        thread::scope(|scope| {
            let submits = scope.spawn(|| {
                let everywhere = (2..).flat_map(|seq| rooms.iter().map(move |room| (seq, room)));
                let submit = |(seq, room)| session.submit(room, Seq(seq), append(seq));
                everywhere
                    .map(submit)
                    .take_while(|outcome| *outcome != UNKNOWN)
                    .count()
            });
            while session.status(&rooms[0]).held == 0 && !submits.is_finished() {
                thread::yield_now();
            }
            assert!(engine.close_session(session.id()));
            received += 1 + submits.join().unwrap() as u64;
        });
        for room in &rooms {
            assert_eq!(session.status(room), UNUSED);
        }
        assert_eq!(counts(&engine).held, 0);
    }
    let counts = counts(&engine);
    assert_eq!((counts.received, counts.told), (received, received));
}

/// A client that came back in time keeps its session, however close that was.
#[test]
fn a_session_that_was_attached_to_is_not_ended_by_a_tick_that_had_found_it_silent() {
    let timeout = Duration::from_secs(10);
    for _ in 0..300 {
        let engine = builder()
            .shards(1)
            .session_timeout(timeout)
            .build()
            .unwrap();
        let ids: Vec<_> = (0..64)
            .map(|_| engine.open_session().unwrap().id())
            .collect();
        let end = Time::START + timeout;
        let attached: Vec<_> = thread::scope(|scope| {
            scope.spawn(|| engine.tick(end));
            while engine.now() < end {
                hint::spin_loop();
            }
            // Whoever attaches from here on does so at that time.
            ids.iter()
                .filter(|&&id| engine.attach(id).is_ok())
                .collect()
        });
        for &id in &attached {
            assert!(engine.attach(*id).is_ok());
        }
        let stats = engine.stats();
        let expired = usize::try_from(stats.sessions_expired).unwrap();
        assert_eq!(
            (stats.sessions, expired),
            (attached.len(), 64 - attached.len())
        );
    }
}

/// P7: there is room for one event, and two who tell the time.
#[test]
fn each_session_that_expires_is_told_however_many_tick() {
    let timeout = Duration::from_secs(1);
    for _ in 0..20 {
        let engine = builder()
            .events_max(1)
            .session_timeout(timeout)
            .build()
            .unwrap();
        for _ in 0..20 {
            let _session = engine.open_session().unwrap();
        }
        let deadline = Instant::now() + Duration::from_secs(20);
        let mut told = 0;
        thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    while engine.stats().sessions > 0 && Instant::now() < deadline {
                        engine.tick(Time::from_millis(2_000));
                    }
                });
            }
            while told < 20 && Instant::now() < deadline {
                match engine.next_event() {
                    Some(_) => told += 1,
                    None => thread::yield_now(),
                }
            }
        });
        let stats = engine.stats();
        assert_eq!(
            (told, stats.sessions_expired, stats.events_missed),
            (20, 20, 0)
        );
    }
}
