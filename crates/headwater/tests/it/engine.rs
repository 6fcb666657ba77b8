//! Documents as they come and go, and batches as they are decided, seen through the whole engine.

use headwater::{
    ApplyError, BatchLimit, Busy, Counts, CreateError, Decision, Engine, Epoch, Extensions, Key,
    LaneStatus, Limit, LimitExceeded, Limits, Outcome, Position, Reason, Refusal, Rejection, Scope,
    Seq, Session, Submission, Version,
};

use crate::fixture::{
    FAILS, INCARNATION, UNUSED, append, applied, builder, counts, engine, hold, json, key,
    lane_batches, patch, room, rooms, seconds, send, text,
};

#[test]
fn a_document_is_made_once_and_removed_once() {
    let engine = engine();
    let room = key("room");
    assert!(!engine.contains(&room));
    let position = engine.create(&room, json(r#"{"log":[]}"#)).unwrap();
    let epoch = Epoch {
        incarnation: INCARNATION,
        ..position.epoch
    };
    let version = Version::ZERO;
    assert_eq!(position, Position { epoch, version });
    assert!(engine.contains(&room));
    let again = engine.create(&room, json("1"));
    assert_eq!(again, Err(CreateError::Exists));
    assert_eq!(engine.apply(&room, append(1)), Ok(Version(1)));

    let last = engine.remove(&room).unwrap();
    assert_eq!(last.position.version, Version(1));
    assert_eq!(last.root.canonical(), r#"{"log":[1]}"#);
    assert!(!engine.contains(&room));
    assert!(engine.get(&room).is_none() && engine.at(&room, version).is_none());
    assert!(engine.commit(&room, Version(1)).is_none());
    assert!(engine.remove(&room).is_none());

    let second = engine.create(&room, json("2")).unwrap();
    assert!(second.epoch != position.epoch && second.version == version);
    assert!(engine.commit(&room, Version(1)).is_none());
}

#[test]
fn documents_are_counted_over_all_shards() {
    let engine = engine();
    let rooms = rooms(&engine);
    assert_eq!(engine.documents(), 20);
    for (removed, room) in rooms.iter().enumerate() {
        assert_eq!(engine.documents(), 20 - removed);
        engine.remove(room);
    }
    assert_eq!(engine.documents(), 0);
}

#[test]
fn a_clone_is_the_same_engine() {
    let engine = engine();
    let clone = engine.clone();
    let room = room(&clone, "room");
    send(&clone.open_session().unwrap(), &room, [1]);
    clone.tick(seconds(1));
    assert_eq!(text(&engine, &room), r#"{"log":[1]}"#);
    assert_eq!(engine.now(), seconds(1));
    assert_eq!(engine.counts(), clone.counts());
}

/// P3, for a change by the host.
#[test]
fn what_the_host_applies_is_applied_whole_or_says_why_not() {
    let limits = Limits {
        bytes: 20,
        ..Limits::default()
    };
    let engine = builder().limits(limits).build().unwrap();
    let room = room(&engine, "room");
    let missing = engine.apply(&key("nowhere"), append(1));
    assert_eq!(missing, Err(ApplyError::NoSuchDocument));
    let before = engine.get(&room).unwrap();
    let too_long = r#"[{"op":"add","path":"/log/-","value":"twenty bytes more"}]"#;
    let exceeded = Reason::Limit(LimitExceeded::Bytes { limit: 20 });
    for (text, operation, reason) in [(FAILS, 1, Reason::NotFound), (too_long, 0, exceeded)] {
        let failed = engine.apply(&room, patch(text));
        assert_eq!(failed, Err(ApplyError::Patch { operation, reason }));
        let after = engine.get(&room).unwrap();
        assert_eq!(after.position, before.position);
        assert!(after.root.identical(&before.root));
    }
    assert_eq!(engine.apply(&room, append(1)), Ok(Version(1)));
    // What the host does itself is no batch handed in.
    assert_eq!(engine.counts(), Counts::default());
}

#[test]
fn a_lane_that_was_never_used_stands_at_its_beginning() {
    let engine = engine();
    let room = room(&engine, "room");
    let (session, other) = (
        engine.open_session().unwrap(),
        engine.open_session().unwrap(),
    );
    send(&other, &room, [1]);
    hold(&other, &room, [3]);
    let stranger = builder().build().unwrap().open_session().unwrap();
    for key in [room, key("nowhere")] {
        for session in [session.id(), stranger.id()] {
            assert_eq!(engine.lane_status(session, &key), UNUSED);
            for seq in [0, 1, u64::MAX] {
                assert_eq!(engine.decision(session, &key, Seq(seq)), None);
            }
        }
        assert_eq!(session.status(&key), UNUSED);
    }
}

#[test]
fn a_lane_says_where_it_stands() {
    let engine = engine();
    engine.tick(seconds(5));
    let room = room(&engine, "room");
    let session = engine.open_session().unwrap();
    send(&session, &room, [1, 2]);
    hold(&session, &room, [4, 7, 8]);
    let expected = LaneStatus {
        decided: Seq(2),
        expected: Seq(3),
        missing: vec![Seq(3)..=Seq(3), Seq(5)..=Seq(6)],
        highest_held: Some(Seq(8)),
        held: 3,
        deadline: Some(seconds(7)),
        report: None,
    };
    assert_eq!(session.status(&room), expected);
    assert_eq!(engine.lane_status(session.id(), &room), expected);
}

fn chained(session: &Session, key: &Key, seq: u64) -> Submission {
    Submission {
        chained: true,
        ..session.batch(key, Seq(seq), append(seq))
    }
}

/// P1.
#[test]
fn a_decision_is_remembered_and_so_is_that_of_a_batch_that_was_held() {
    let engine = builder().outcomes_max(3).build().unwrap();
    let room = room(&engine, "room");
    let session = engine.open_session().unwrap();
    hold(&session, &room, [2]);
    let held = engine.submit(&chained(&session, &room, 4));
    assert!(matches!(held, Outcome::Held { .. }), "{held:?}");
    assert_eq!(session.decision(&room, Seq(2)), None);
    assert_eq!(session.submit(&room, Seq(1), append(1)), applied(1));

    let decision = |seq| {
        let decision = session.decision(&room, Seq(seq));
        assert_eq!(decision, engine.decision(session.id(), &room, Seq(seq)));
        decision
    };
    let version = Version(2);
    assert_eq!(decision(2), Some(Decision::Applied { version }));
    let rejection = Rejection::DoesNotApply {
        operation: 1,
        reason: Reason::NotFound,
        head: version,
    };
    let rejected = session.submit(&room, Seq(3), patch(FAILS));
    assert_eq!(rejected, Outcome::Rejected(rejection));
    let code = "not_found";
    assert_eq!(decision(3), Some(Decision::Rejected { code }));
    let code = "predecessor";
    assert_eq!(decision(4), Some(Decision::Rejected { code }));
    // Three are remembered; the first is not, but it is not applied again either.
    assert_eq!(decision(1), None);
    let decided = Seq(4);
    let repeat = session.submit(&room, Seq(1), append(1));
    assert_eq!(
        repeat,
        Outcome::Refused(Refusal::AlreadyDecided { decided })
    );
    assert_eq!(text(&engine, &room), r#"{"log":[1,2]}"#);
}

/// P1: the lane is the key's, not the document's.
#[test]
fn a_repeat_gets_its_first_outcome_also_after_the_document_was_made_again() {
    let engine = engine();
    let key = room(&engine, "room");
    let session = engine.open_session().unwrap();
    send(&session, &key, [1]);
    engine.remove(&key);
    let version = Version(1);
    let first = Outcome::Duplicate(Decision::Applied { version });
    assert_eq!(session.submit(&key, Seq(1), append(1)), first);
    let rejected = session.submit(&key, Seq(2), append(2));
    assert_eq!(rejected, Outcome::Rejected(Rejection::NoSuchDocument));
    room(&engine, "room");
    assert_eq!(session.submit(&key, Seq(1), append(1)), first);
    send(&session, &key, [3]);
    assert_eq!(text(&engine, &key), r#"{"log":[3]}"#);
}

/// P2 and P4: one turn decides 64 of those that were held, and nobody comes later for the rest.
#[test]
fn a_run_of_many_turns_is_decided_by_the_one_batch_that_lets_it_through() {
    for run in [1, 63, 64, 65, 128, 129, 199, 200] {
        let bounds = lane_batches(200);
        let engine = builder()
            .reorder(bounds)
            .outcomes_max(1_000)
            .build()
            .unwrap();
        let room = room(&engine, "room");
        let session = engine.open_session().unwrap();
        hold(&session, &room, (2..=run + 1).rev());
        assert_eq!(session.submit(&room, Seq(1), append(1)), applied(1));

        let decided = Seq(run + 1);
        let expected = LaneStatus {
            decided,
            expected: decided.next(),
            ..UNUSED
        };
        assert_eq!(session.status(&room), expected);
        for seq in 1..=run + 1 {
            let version = Version(seq);
            let decision = session.decision(&room, Seq(seq));
            assert_eq!(decision, Some(Decision::Applied { version }));
        }
        let log: Vec<_> = (1..=run + 1).map(|seq| seq.to_string()).collect();
        let log = format!(r#"{{"log":[{}]}}"#, log.join(","));
        assert_eq!(text(&engine, &room), log);
        let counts = counts(&engine);
        assert_eq!((counts.applied, counts.held), (run + 1, 0));
    }
}

/// P4 after every call, in several shards.
#[test]
fn the_counts_have_every_batch_in_its_place() {
    let engine = builder().reorder(lane_batches(2)).build().unwrap();
    let rooms = rooms(&engine);
    let mut expected = Counts::default();
    let mut session = engine.open_session().unwrap();
    let other = patch("[]");
    for room in &rooms {
        let mut place = |seq, patch, change: fn(&mut Counts)| {
            let outcome = session.submit(room, Seq(seq), patch);
            expected.received += 1;
            change(&mut expected);
            assert_eq!(counts(&engine), expected, "{outcome:?}");
        };
        place(3, append(3), |counts| counts.held += 1);
        place(4, append(4), |counts| counts.held += 1);
        place(3, append(3), |counts| counts.duplicate += 1);
        // Another batch under a seq that is held; one that is the farthest.
        place(3, other.clone(), |counts| counts.told += 1);
        place(5, append(5), |counts| counts.told += 1);
        place(1, append(1), |counts| counts.applied += 1);
        place(1, append(1), |counts| counts.duplicate += 1);
        // This one lets two through.
        place(2, patch(FAILS), |counts| {
            counts.rejected += 1;
            counts.applied += 2;
            counts.held -= 2;
        });
        place(6, append(6), |counts| counts.held += 1);
        place(8, append(8), |counts| counts.held += 1);
        // This one evicts 8, and is held in its place.
        place(7, append(7), |counts| counts.told += 1);
        assert_eq!(text(&engine, room), r#"{"log":[1,3,4]}"#);
    }
    expected.told += expected.held;
    expected.held = 0;
    engine.tick(seconds(2));
    assert_eq!(counts(&engine), expected);

    session = engine.attach(session.id()).unwrap();
    hold(&session, &rooms[0], [6, 7]);
    expected.received += 2;
    expected.told += 2;
    engine.close_session(session.id());
    assert_eq!(counts(&engine), expected);
}

/// What the setter says is what a batch meets.
fn refused(engine: &Engine, seq: u64, text: &str) -> Refusal {
    let room = room(engine, "room");
    let session = engine.open_session().unwrap();
    match session.submit(&room, Seq(seq), patch(text)) {
        Outcome::Refused(refusal) => refusal,
        outcome => panic!("{outcome:?}"),
    }
}

/// P7: each bound that a batch can meet by itself is a typed outcome.
#[test]
fn a_batch_over_a_limit_is_refused_with_the_limit() {
    let fits = r#"[{"op":"add","path":"/log/-","value":1}]"#;
    let two = r#"[{"op":"test","path":"/log","value":[]},{"op":"test","path":"","value":0}]"#;
    let splice = r#"[{"op":"splice","path":"/log","index":0,"remove":0,"insert":[]}]"#;
    let limit = fits.len() as u64;
    let engine = builder().batch_bytes_max(limit).build().unwrap();
    let expected = Refusal::TooLarge(BatchLimit::Bytes { limit });
    assert_eq!(refused(&engine, 1, two), expected);
    let session = engine.open_session().unwrap();
    assert_eq!(
        session.submit(&key("room"), Seq(1), patch(fits)),
        applied(1)
    );

    let engine = builder().batch_operations_max(1).build().unwrap();
    let expected = Refusal::TooLarge(BatchLimit::Operations { limit: 1 });
    assert_eq!(refused(&engine, 1, two), expected);
    let engine = builder().extensions(Extensions::NONE).build().unwrap();
    assert_eq!(refused(&engine, 1, splice), Refusal::ExtensionOff);
    let engine = builder().shard_lanes_max(0).build().unwrap();
    assert_eq!(refused(&engine, 1, fits), Busy::Lanes.retry());
    let engine = builder().reorder(lane_batches(0)).build().unwrap();
    let expected = Refusal::Gap {
        expected: Seq(1),
        received: Seq(2),
        scope: Scope::Lane,
        limit: Limit::Batches,
        bound: 0,
    };
    assert_eq!(refused(&engine, 2, fits), expected);
}

/// P7.
#[test]
fn a_document_over_a_limit_is_not_made() {
    let limits = Limits {
        depth: 1,
        ..Limits::default()
    };
    let engine = builder().limits(limits).build().unwrap();
    let exceeded = CreateError::Limit(LimitExceeded::Depth { limit: 1 });
    assert_eq!(engine.create(&key("room"), json("[[]]")), Err(exceeded));
    assert!(engine.create(&key("room"), json("[]")).is_ok());

    let engine = builder().shard_documents_max(0).build().unwrap();
    let full = CreateError::TooManyDocuments { documents_max: 0 };
    assert_eq!(engine.create(&key("room"), json("1")), Err(full));
    assert_eq!(engine.documents(), 0);
}
