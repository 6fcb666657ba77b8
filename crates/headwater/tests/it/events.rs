//! What the engine does of itself, and how its host hears of it.

use std::{
    pin::pin,
    sync::Arc,
    task::{Poll, Wake, Waker},
    time::Duration,
};

use headwater::{
    Cause, CloseReason, Engine, Event, Outcome, Rejection, Seq, SubscribeOptions, Time,
};

use crate::{
    fixture::{
        UNKNOWN, UNUSED, append, applied, builder, counts, hold, json, lane_batches, patch, room,
        rooms, seconds, send,
    },
    futures::{Bell, now_or_never, poll},
};

fn ten_seconds(events_max: usize) -> Engine {
    let timeout = Duration::from_secs(10);
    builder()
        .session_timeout(timeout)
        .events_max(events_max)
        .build()
        .unwrap()
}

/// P4: what it held is told, by the event.
#[test]
fn a_session_without_a_sign_of_life_ends_and_its_lanes_are_forgotten() {
    let engine = ten_seconds(10);
    let rooms = rooms(&engine);
    let silent = engine.open_session().unwrap();
    let sends = engine.open_session().unwrap();
    let attaches = engine.open_session().unwrap();
    for room in &rooms {
        send(&silent, room, [1]);
    }
    for second in 1..10 {
        engine.tick(seconds(second));
        send(&sends, &rooms[0], [second]);
        assert!(engine.next_event().is_none());
    }
    let attaches = engine.attach(attaches.id()).unwrap();
    engine.tick(Time::from_millis(9_999));
    assert!(engine.next_event().is_none());
    hold(&attaches, &rooms[0], [2]);
    engine.tick(seconds(10));
    assert_eq!(
        engine.next_event(),
        Some(Event::SessionExpired(silent.id()))
    );
    assert!(engine.next_event().is_none());
    for room in &rooms {
        assert_eq!(silent.status(room), UNUSED);
        assert_eq!(silent.submit(room, Seq(2), append(2)), UNKNOWN);
    }
    assert!(engine.attach(silent.id()).is_err());
    let stats = engine.stats();
    assert_eq!((stats.sessions, stats.sessions_expired), (2, 1));

    // A repeat is a sign of life; reading is none, and neither is what comes over an older connection.
    engine.tick(seconds(12));
    let again = sends.submit(&rooms[0], Seq(9), append(9));
    assert!(matches!(again, Outcome::Duplicate(_)), "{again:?}");
    engine.tick(seconds(19));
    let _status = attaches.status(&rooms[0]);
    engine.tick(seconds(20));
    assert_eq!(
        engine.next_event(),
        Some(Event::SessionExpired(attaches.id()))
    );
    engine.tick(seconds(22));
    assert_eq!(engine.next_event(), Some(Event::SessionExpired(sends.id())));
    assert_eq!((engine.next_deadline(), counts(&engine).held), (None, 0));
}

/// P7: events are bounded, and none of those that can wait is lost.
#[test]
fn while_there_is_no_room_for_the_event_no_session_expires() {
    let engine = ten_seconds(1);
    let sessions: Vec<_> = (0..3).map(|_| engine.open_session().unwrap()).collect();
    for tick in 0..3 {
        engine.tick(seconds(100 + tick));
        engine.tick(seconds(100 + tick));
        assert_eq!(engine.stats().sessions, 2 - usize::try_from(tick).unwrap());
        let event = engine.next_event().unwrap();
        assert!(
            sessions
                .iter()
                .any(|session| event == Event::SessionExpired(session.id()))
        );
        assert!(engine.next_event().is_none());
    }
    let stats = engine.stats();
    assert_eq!(
        (stats.sessions, stats.sessions_expired, stats.events_missed),
        (0, 3, 0)
    );
    engine.tick(seconds(200));
    assert!(engine.next_event().is_none());
}

/// Does something when it is woken.
struct Does<F>(F);

impl<F: Fn() + Send + Sync> Wake for Does<F> {
    fn wake(self: Arc<Self>) {
        self.0();
    }
}

/// P7: its room is taken before anyone hears of the end, who may take it for another event.
#[test]
fn the_end_of_a_session_is_not_missed_whatever_those_do_who_hear_of_it() {
    let admit = |_: &headwater::Admission<'_>| panic!("a rule that panics");
    let timeout = Duration::from_secs(10);
    let engine = builder()
        .session_timeout(timeout)
        .events_max(1)
        .admit(admit)
        .build()
        .unwrap();
    let room = room(&engine, "room");
    let silent = engine.open_session().unwrap();
    engine.tick(seconds(9));
    let other = engine.open_session().unwrap();
    let waker = {
        let room = room.clone();
        Waker::from(Arc::new(Does(move || {
            let _panicked = other.submit(&room, Seq(1), append(1));
        })))
    };
    let mut late = pin!(silent.late());
    assert!(poll(late.as_mut(), &waker).is_pending());
    engine.tick(seconds(10));
    assert!(engine.get(&room).is_none(), "it was woken");
    let expired = Event::SessionExpired(silent.id());
    assert_eq!(engine.next_event(), Some(expired));
    let stats = engine.stats();
    // That of the document cannot wait.
    assert_eq!((stats.sessions_expired, stats.events_missed), (1, 1));
}

#[test]
fn who_waits_for_an_event_is_woken_by_it_and_loses_none_if_dropped() {
    let engine = ten_seconds(10);
    let session = engine.open_session().unwrap();
    let (bell, waker) = Bell::new();
    {
        let mut event = pin!(engine.event());
        assert!(poll(event.as_mut(), &waker).is_pending());
    }
    engine.tick(seconds(10));
    assert_eq!(bell.rung(), 1);
    let event = now_or_never(engine.event());
    assert_eq!(event, Some(Event::SessionExpired(session.id())));
    assert_eq!(now_or_never(engine.event()), None);
}

/// An engine whose rule panics at an empty batch.
fn fragile(events_max: usize) -> Engine {
    let admit = |request: &headwater::Admission<'_>| {
        assert!(!request.patch.operations().is_empty(), "an empty batch");
        Ok(())
    };
    builder()
        .shards(1)
        .reorder(lane_batches(8))
        .events_max(events_max)
        .admit(admit)
        .build()
        .unwrap()
}

/// P3 and rule 27.
#[test]
fn a_panic_in_the_rule_closes_the_document_and_the_host_hears_of_it() {
    let engine = fragile(10);
    let (name, other) = (room(&engine, "room"), room(&engine, "other"));
    let session = engine.open_session().unwrap();
    let mut subscription = engine
        .subscribe(&name, SubscribeOptions::default())
        .unwrap();
    while subscription.poll().unwrap().is_some() {}
    let (bell, waker) = Bell::new();
    {
        let mut next = pin!(subscription.next());
        assert!(poll(next.as_mut(), &waker).is_pending());
    }
    send(&session, &name, [1]);
    assert_eq!(bell.rung(), 1);
    let panicked = session.submit(&name, Seq(2), patch("[]"));
    assert_eq!(panicked, Outcome::Rejected(Rejection::Panicked));
    let reason = CloseReason::Panicked;
    let closed = Event::DocumentClosed {
        key: name.clone(),
        reason,
    };
    assert_eq!(engine.next_event(), Some(closed.clone()));
    assert!(engine.get(&name).is_none());
    // The lane goes on, and so does the shard.
    let nowhere = session.submit(&name, Seq(3), append(3));
    assert_eq!(nowhere, Outcome::Rejected(Rejection::NoSuchDocument));
    send(&session, &other, [1]);
    engine.create(&name, json(r#"{"log":[]}"#)).unwrap();
    assert_eq!(session.submit(&name, Seq(4), append(4)), applied(1));

    // One that was held is decided when its turn comes, and panics then.
    let held = session.submit(&name, Seq(6), patch("[]"));
    assert!(matches!(held, Outcome::Held { .. }), "{held:?}");
    hold(&session, &name, [7]);
    assert_eq!(session.submit(&name, Seq(5), append(5)), applied(2));
    assert_eq!(engine.next_event(), Some(closed));
    assert_eq!(session.status(&name).decided, Seq(7));
    let counts = counts(&engine);
    assert_eq!((counts.applied, counts.rejected, counts.held), (4, 4, 0));
    // The host's own writes are not asked about.
    engine.create(&name, json(r#"{"log":[]}"#)).unwrap();
    assert!(engine.apply(&name, patch("[]")).is_ok());
    // A host that removes a document knows.
    engine.remove(&name);
    assert!(engine.next_event().is_none());
}

#[test]
fn an_event_that_cannot_wait_and_finds_no_room_is_counted() {
    let engine = fragile(1);
    let session = engine.open_session().unwrap();
    for (room, count) in rooms(&engine).iter().zip(0..) {
        assert_eq!(engine.stats().events_missed, u64::saturating_sub(count, 1));
        let panicked = session.submit(room, Seq(1), patch("[]"));
        assert_eq!(panicked, Outcome::Rejected(Rejection::Panicked));
    }
    assert!(engine.next_event().is_some());
    assert!(engine.next_event().is_none());
}

#[test]
fn a_client_hears_of_lanes_where_something_was_decided_later_than_it_was_handed_in() {
    let engine = builder().build().unwrap();
    let rooms = rooms(&engine);
    let (session, other) = (
        engine.open_session().unwrap(),
        engine.open_session().unwrap(),
    );
    assert!(session.try_late().is_none());
    send(&session, &rooms[0], [1]);
    hold(&session, &rooms[0], [3]);
    hold(&session, &rooms[1], [2, 3]);
    hold(&other, &rooms[2], [2]);
    // What is answered at once is no news.
    assert!(session.try_late().is_none());
    send(&session, &rooms[0], [2]);
    let (key, status) = session.try_late().unwrap();
    assert_eq!((key, status.decided), (rooms[0].clone(), Seq(3)));
    assert!(session.try_late().is_none());

    // One slot a lane: what happens twice is news once, and its status is the newest.
    send(&session, &rooms[1], [1]);
    hold(&session, &rooms[1], [6]);
    engine.tick(seconds(2));
    let (key, status) = session.try_late().unwrap();
    assert_eq!((key, status.decided), (rooms[1].clone(), Seq(3)));
    let report = status.report.unwrap();
    assert_eq!(
        (report.cause, report.first, report.batches),
        (Cause::Deadline, Seq(6), 1)
    );
    assert!(session.try_late().is_none());
}

#[test]
fn who_waits_for_late_outcomes_is_woken_by_them_and_by_the_end_of_the_session() {
    let engine = builder().build().unwrap();
    let room = room(&engine, "room");
    let session = engine.open_session().unwrap();
    let (bell, waker) = Bell::new();
    {
        let mut late = pin!(session.late());
        assert!(poll(late.as_mut(), &waker).is_pending());
    }
    hold(&session, &room, [2]);
    assert_eq!(bell.rung(), 0);
    // Any handle of the connection hears of it.
    let clone = session.clone();
    assert_eq!(clone.submit(&room, Seq(1), append(1)), applied(1));
    assert_eq!(bell.rung(), 1);
    let (key, status) = now_or_never(session.late()).unwrap().unwrap();
    assert_eq!((key, status.decided), (room, Seq(2)));
    let mut late = pin!(session.late());
    assert!(poll(late.as_mut(), &waker).is_pending());
    engine.close_session(session.id());
    assert_eq!(bell.rung(), 1);
    assert_eq!(poll(late.as_mut(), Waker::noop()), Poll::Ready(None));
    assert_eq!(now_or_never(session.late()), Some(None));
}

/// P4: who has lost the session takes no news from who has it now, and does not wait for any.
#[test]
fn news_goes_to_the_connection_that_attached_last_and_the_ones_before_hear_that_it_is_over() {
    let engine = builder().build().unwrap();
    let room = room(&engine, "room");
    let first = engine.open_session().unwrap();
    // This one has never asked.
    let idle = engine.attach(first.id()).unwrap();
    let former = engine.attach(first.id()).unwrap();
    let (bell, waker) = Bell::new();
    let mut late = pin!(former.late());
    assert!(poll(late.as_mut(), &waker).is_pending());

    let present = engine.attach(first.id()).unwrap();
    assert_eq!(bell.rung(), 1);
    assert_eq!(poll(late.as_mut(), Waker::noop()), Poll::Ready(None));
    let (rings, present_waker) = Bell::new();
    let mut news = pin!(present.late());
    assert!(poll(news.as_mut(), &present_waker).is_pending());
    hold(&present, &room, [2]);
    send(&present, &room, [1]);
    for fenced in [&first, &idle, &former, &former.clone()] {
        assert!(fenced.try_late().is_none());
        assert_eq!(now_or_never(fenced.late()), Some(None));
    }
    assert_eq!((rings.rung(), bell.rung()), (1, 0));
    let Poll::Ready(Some((key, status))) = poll(news.as_mut(), &present_waker) else {
        panic!("no news");
    };
    assert_eq!((key, status.decided), (room, Seq(2)));
    // Asking is no sign of life.
    engine.tick(seconds(299));
    assert!(present.try_late().is_none() && former.try_late().is_none());
    engine.tick(seconds(300));
    assert_eq!(engine.next_event(), Some(Event::SessionExpired(first.id())));
    assert_eq!(now_or_never(present.late()), Some(None));
}

#[test]
fn who_first_asks_for_news_shows_no_sign_of_life() {
    let engine = ten_seconds(10);
    let session = engine.open_session().unwrap();
    engine.tick(seconds(9));
    assert!(session.try_late().is_none());
    engine.tick(seconds(10));
    assert!(engine.next_event().is_some());
}

/// Whoever asks for the first time after the end hears of it, too.
#[test]
fn who_first_asks_after_the_end_of_the_session_does_not_wait_for_ever() {
    let engine = builder().build().unwrap();
    let session = engine.open_session().unwrap();
    engine.close_session(session.id());
    assert_eq!(now_or_never(session.late()), Some(None));
    assert!(session.try_late().is_none());
}
