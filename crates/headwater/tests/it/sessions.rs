//! Sessions as they are opened, attached again and closed.

use headwater::{
    Attachment, Busy, Decision, Engine, Incarnation, Outcome, Refusal, Rejection, Seq, SessionId,
    Submission, TooManySessions, Version,
};

use crate::fixture::{
    UNKNOWN, UNUSED, append, applied, builder, counts, engine, hold, key, patch, room, rooms, send,
    text,
};

/// P4: what a session held when it was closed is told: it ended, and knows.
#[test]
fn a_closed_session_is_forgotten_in_every_shard_and_the_others_go_on() {
    let engine = engine();
    let rooms = rooms(&engine);
    let leaver = engine.open_session().unwrap();
    let stayer = engine.open_session().unwrap();
    for room in &rooms {
        send(&leaver, room, [1]);
        hold(&leaver, room, 3..=5);
        send(&stayer, room, [1]);
        hold(&stayer, room, [3]);
    }

    assert!(engine.close_session(leaver.id()));
    let closed = counts(&engine);
    assert_eq!((closed.applied, closed.held, closed.told), (40, 20, 60));
    for room in &rooms {
        assert_eq!(leaver.status(room), UNUSED);
        assert_eq!(leaver.decision(room, Seq(1)), None);
        for seq in [1, 2, 6] {
            assert_eq!(leaver.submit(room, Seq(seq), append(seq)), UNKNOWN);
        }

        let version = Version(2);
        let decision = Decision::Applied { version };
        let repeat = stayer.submit(room, Seq(1), append(1));
        assert_eq!(repeat, Outcome::Duplicate(decision));
        assert_eq!(stayer.status(room).held, 1);
        send(&stayer, room, [2]);
        assert_eq!(text(&engine, room), r#"{"log":[1,1,2,3]}"#);
    }
    // No deadline finds anything of it.
    assert_eq!(engine.next_deadline(), None);
    assert_eq!(counts(&engine).told, 120);
}

#[test]
fn a_session_is_closed_once_and_nobody_attaches_to_it_again() {
    let engine = engine();
    let session = engine.open_session().unwrap();
    assert!(engine.close_session(session.id()));
    assert!(!engine.close_session(session.id()));
    let refusal = engine.attach(session.id()).unwrap_err();
    assert_eq!(refusal, Refusal::UnknownSession);
    assert_ne!(engine.open_session().unwrap().id(), session.id());
}

/// P7.
#[test]
fn the_lanes_of_a_closed_session_make_room_for_others() {
    let engine = builder().shards(1).shard_lanes_max(2).build().unwrap();
    let (room, hall) = (room(&engine, "room"), room(&engine, "hall"));
    let leaver = engine.open_session().unwrap();
    let comer = engine.open_session().unwrap();
    send(&leaver, &room, [1]);
    hold(&leaver, &hall, [2]);
    let full = Outcome::Refused(Busy::Lanes.retry());
    assert_eq!(comer.submit(&room, Seq(1), append(9)), full);
    engine.close_session(leaver.id());
    assert_eq!(comer.submit(&room, Seq(1), append(9)), applied(2));
    send(&comer, &hall, [1]);
}

/// P7: a repeat must be known also of a batch to a key where no document is, so each such key takes a lane.
#[test]
fn a_session_that_names_keys_without_end_leaves_room_for_others() {
    let engine = builder().memory_max(64 << 20).build().unwrap();
    let room = room(&engine, "room");
    let greedy = engine.open_session().unwrap();
    let mut lanes = 0;
    let outcome = loop {
        let key = key(&format!("{lanes:0>500}"));
        match greedy.submit(&key, Seq(1), patch("[]")) {
            Outcome::Rejected(Rejection::NoSuchDocument) => lanes += 1,
            other => break other,
        }
    };
    let lanes_max = 16_384;
    let full = Outcome::Refused(Refusal::TooManyLanes { lanes_max });
    assert_eq!((lanes, &outcome), (lanes_max, &full));
    assert!(engine.memory().total() < 24 << 20, "{:?}", engine.memory());
    send(&engine.open_session().unwrap(), &room, [1]);
    // The next session may have as many.
    assert_eq!(greedy.submit(&room, Seq(1), append(2)), full);
    engine.close_session(greedy.id());
    send(&engine.open_session().unwrap(), &room, [1]);
}

#[test]
fn the_lanes_of_a_session_are_counted_over_all_shards() {
    let engine = builder().session_lanes_max(3).build().unwrap();
    let rooms = rooms(&engine);
    let session = engine.open_session().unwrap();
    for room in &rooms[..3] {
        send(&session, room, [1]);
        hold(&session, room, [3]);
    }
    let full = Outcome::Refused(Refusal::TooManyLanes { lanes_max: 3 });
    for room in &rooms[3..] {
        assert_eq!(session.submit(room, Seq(1), append(1)), full);
    }
    send(&session, &rooms[0], [2]);
}

/// A connection may break without its session: only the host ends that.
#[test]
fn a_session_that_is_dropped_stays_open() {
    let engine = builder().sessions_max(1).build().unwrap();
    let room = room(&engine, "room");
    let session = engine.open_session().unwrap();
    send(&session, &room, [1]);
    let id = session.id();
    drop(session);
    assert!(engine.open_session().is_err());
    let session = engine.attach(id).unwrap();
    assert_eq!(session.status(&room).decided, Seq(1));
}

/// P1 and P2 across connections: what the first decided is a repeat over the second, and what it held
/// has its turn.
#[test]
fn attaching_again_fences_the_connection_before_and_the_lane_goes_on_where_it_was() {
    let engine = engine();
    let room = room(&engine, "room");
    let first = engine.open_session().unwrap();
    assert_eq!(first.attachment(), Attachment(1));
    send(&first, &room, [1, 2]);
    hold(&first, &room, [4]);
    let before = first.status(&room);

    let second = engine.attach(first.id()).unwrap();
    assert_eq!(second.id(), first.id());
    let current = second.attachment();
    assert_eq!(current, Attachment(2));
    let fenced = Outcome::Refused(Refusal::Fenced { current });
    // Over the connection before comes nothing more, not even a repeat.
    for seq in [2, 3, 4, 5] {
        assert_eq!(first.submit(&room, Seq(seq), append(seq)), fenced);
        assert_eq!(first.clone().submit(&room, Seq(seq), append(seq)), fenced);
    }
    assert_eq!(second.status(&room), before);

    let decision = second.decision(&room, Seq(2)).unwrap();
    let repeat = second.submit(&room, Seq(2), append(2));
    assert_eq!(repeat, Outcome::Duplicate(decision));
    send(&second, &room, [3]);
    assert_eq!(text(&engine, &room), r#"{"log":[1,2,3,4]}"#);

    let third = engine.attach(second.id()).unwrap();
    let current = third.attachment();
    let fenced = Outcome::Refused(Refusal::Fenced { current });
    for former in [&first, &second] {
        assert_eq!(former.submit(&room, Seq(5), append(5)), fenced);
    }
    send(&third, &room, [5]);
    let counts = counts(&engine);
    assert_eq!((counts.applied, counts.told), (5, 10));
}

#[test]
fn an_attachment_that_was_never_made_is_fenced_too() {
    let engine = engine();
    let session = engine.open_session().unwrap();
    let room = room(&engine, "room");
    let batch = Submission {
        attachment: Attachment(2),
        ..session.batch(&room, Seq(1), append(1))
    };
    let current = session.attachment();
    let fenced = Outcome::Refused(Refusal::Fenced { current });
    assert_eq!(engine.submit(&batch), fenced);
}

#[test]
fn a_session_of_another_incarnation_is_unknown_although_it_has_the_same_number() {
    let engine = engine();
    let earlier = builder().incarnation(Incarnation(6)).build().unwrap();
    let room = room(&engine, "room");
    let (stranger, own) = (
        earlier.open_session().unwrap(),
        engine.open_session().unwrap(),
    );
    assert_eq!(stranger.id().number, own.id().number);
    let never_issued = SessionId {
        number: 2,
        ..own.id()
    };
    for session in [stranger.id(), never_issued] {
        let batch = Submission {
            session,
            ..own.batch(&room, Seq(1), append(1))
        };
        assert_eq!(engine.submit(&batch), UNKNOWN);
        let refusal = engine.attach(session).unwrap_err();
        assert_eq!(refusal, Refusal::UnknownSession);
        assert!(!engine.close_session(session));
    }
    // None of that has touched the session of the same number.
    send(&own, &room, [1]);
    assert_eq!(text(&engine, &room), r#"{"log":[1]}"#);
}

#[test]
fn two_engines_are_two_incarnations_unless_the_host_says_otherwise() {
    let incarnation = || {
        let engine = Engine::builder().shards(1).build().unwrap();
        engine.open_session().unwrap().id().incarnation
    };
    assert_ne!(incarnation(), incarnation());
}

/// P7.
#[test]
fn as_many_sessions_are_open_as_there_may_be_and_one_that_closes_makes_room() {
    for sessions_max in [0, 1, 3] {
        let engine = builder().sessions_max(sessions_max).build().unwrap();
        let open: Vec<_> = (0..sessions_max)
            .map(|_| engine.open_session().unwrap())
            .collect();
        let full = TooManySessions { sessions_max };
        assert_eq!(engine.open_session().unwrap_err(), full);
        // Who is in may come back.
        for session in &open {
            assert!(engine.attach(session.id()).is_ok());
        }
        if let Some(first) = open.first() {
            engine.close_session(first.id());
            assert!(engine.open_session().is_ok());
            assert_eq!(engine.open_session().unwrap_err(), full);
        }
    }
}
