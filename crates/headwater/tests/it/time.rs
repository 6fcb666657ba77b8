//! The time that the host tells, and what it decides.

use std::time::Duration;

use headwater::{Cause, Outcome, ReorderBounds, Report, Seq, Time, Version};

use crate::fixture::{append, builder, counts, engine, hold, room, rooms, seconds, send, text};

#[test]
fn the_time_is_that_of_the_latest_tick() {
    let engine = engine();
    assert_eq!(engine.now(), Time::START);
    for (tick, now) in [(3, 3), (1, 3), (3, 3), (0, 3), (4, 4)] {
        engine.tick(seconds(tick));
        assert_eq!(engine.now(), seconds(now));
    }
}

/// P4: what is given up is reported to its lane.
#[test]
fn a_tick_gives_up_what_has_waited_too_long_and_not_a_moment_earlier() {
    let engine = engine();
    let rooms = rooms(&engine);
    let session = engine.open_session().unwrap();
    assert_eq!(engine.next_deadline(), None);
    // One after the other in all shards, the last one first due.
    for (room, moment) in rooms.iter().rev().zip(1..) {
        engine.tick(Time::from_millis(moment));
        hold(&session, room, [3, 5]);
        assert_eq!(engine.next_deadline(), Some(Time::from_millis(2_001)));
    }
    for (room, moment) in rooms.iter().rev().zip(1..) {
        let due = Time::from_millis(2_000 + moment);
        assert_eq!(engine.next_deadline(), Some(due));
        let before = session.status(room);
        assert_eq!((before.held, before.deadline), (2, Some(due)));
        engine.tick(Time::from_micros(due.as_micros() - 1));
        assert_eq!(session.status(room), before);

        engine.tick(due);
        let after = session.status(room);
        let report = Report {
            at: due,
            cause: Cause::Deadline,
            first: Seq(3),
            batches: 2,
        };
        assert_eq!(after.report, Some(report));
        assert_eq!((after.held, after.deadline), (0, None));
        assert_eq!(after.expected, Seq(1));
    }
    assert_eq!(engine.next_deadline(), None);
    let given_up = counts(&engine);
    assert_eq!((given_up.held, given_up.told), (0, 40));

    // Their seqs were not consumed.
    for room in &rooms {
        send(&session, room, 1..=5);
        assert_eq!(text(&engine, room), r#"{"log":[1,2,3,4,5]}"#);
    }
}

#[test]
fn one_late_tick_does_what_many_would_have_done() {
    let engine = engine();
    let rooms = rooms(&engine);
    let session = engine.open_session().unwrap();
    rooms.iter().for_each(|room| hold(&session, room, [2]));
    engine.tick(seconds(100));
    for room in &rooms {
        let report = session.status(room).report.unwrap();
        assert_eq!((report.at, report.batches), (seconds(100), 1));
    }
    assert_eq!(engine.next_deadline(), None);
}

#[test]
fn a_host_that_never_ticks_loses_only_the_reports() {
    let engine = engine();
    let room = room(&engine, "room");
    let session = engine.open_session().unwrap();
    hold(&session, &room, [3]);
    send(&session, &room, [1, 2]);
    assert_eq!(text(&engine, &room), r#"{"log":[1,2,3]}"#);
}

#[test]
fn progress_puts_the_deadline_off() {
    let gap_deadline = Duration::from_millis(100);
    let bounds = ReorderBounds {
        gap_deadline,
        ..ReorderBounds::default()
    };
    let engine = builder().reorder(bounds).build().unwrap();
    let room = room(&engine, "room");
    let session = engine.open_session().unwrap();
    hold(&session, &room, [3]);
    assert_eq!(engine.next_deadline(), Some(Time::from_millis(100)));
    engine.tick(Time::from_millis(60));
    hold(&session, &room, [4]);
    assert_eq!(engine.next_deadline(), Some(Time::from_millis(100)));
    send(&session, &room, [1]);
    assert_eq!(engine.next_deadline(), Some(Time::from_millis(160)));
    engine.tick(Time::from_millis(159));
    assert_eq!(session.status(&room).held, 2);
}

#[test]
fn a_tick_back_in_time_changes_nothing() {
    let engine = engine();
    let rooms = rooms(&engine);
    let session = engine.open_session().unwrap();
    engine.tick(seconds(5));
    rooms.iter().for_each(|room| hold(&session, room, [2]));
    let state = || {
        let lanes = rooms.iter().map(|room| session.status(room));
        let lanes: Vec<_> = lanes.collect();
        (lanes, engine.next_deadline(), engine.now(), counts(&engine))
    };
    let before = state();
    for earlier in [Time::START, seconds(1), Time::from_micros(4_999_999)] {
        engine.tick(earlier);
        assert_eq!(state(), before);
    }

    // Nor does what happens after it happen earlier.
    let other = engine.open_session().unwrap();
    let held = other.submit(&rooms[0], Seq(2), append(2));
    let expected = Outcome::Held {
        expected: Seq(1),
        deadline: seconds(7),
    };
    assert_eq!(held, expected);
    engine.apply(&rooms[0], append(0)).unwrap();
    let commit = engine.commit(&rooms[0], Version(1)).unwrap();
    assert_eq!(commit.at, seconds(5));
}
