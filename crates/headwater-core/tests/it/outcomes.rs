//! The rows of the outcome table, in its order.

use headwater_core::{
    Attachment, BatchLimit, Bound, Busy, Decision, Incarnation, Limit, Outcome, Refusal, Rejection,
    ReorderBounds, Scope, Seq, SessionId, Sessions, ShardConfig, Submission, Time, Version,
};
use headwater_doc::{Extensions, LimitExceeded, Limits, Reason};

use crate::pair::{Client, FAILS, INCARNATION, Server, append, config, key};

fn room() -> (Server, Client) {
    with(config())
}

fn with(config: ShardConfig) -> (Server, Client) {
    let mut server = Server::with(config);
    server.create("room", r#"{"log":[]}"#);
    let client = server.client("room");
    (server, client)
}

const fn applied(version: u64) -> Outcome {
    let version = Version(version);
    Outcome::Applied { version }
}

#[test]
fn a_batch_in_its_turn_is_applied_and_makes_the_next_version() {
    let (mut server, client) = room();
    assert_eq!(server.send(&client, 1, &append(1)), applied(1));
    // A batch that changes nothing is a commit, too.
    assert_eq!(server.send(&client, 2, "[]"), applied(2));
    assert_eq!(server.text("room"), r#"{"log":[1]}"#);
    let counts = server.shard.counts();
    assert_eq!((counts.received, counts.applied), (2, 2));
}

/// P1: a session that is not open is unknown, whatever the reason, and no lane is made for it.
#[test]
fn a_session_that_is_not_open_is_unknown() {
    let (mut server, client) = room();
    let never = SessionId {
        number: 99,
        ..client.session
    };
    let earlier_life = SessionId {
        incarnation: Incarnation(6),
        ..client.session
    };
    for session in [never, earlier_life] {
        let batch = Submission {
            session,
            ..client.batch(1, &append(1))
        };
        let outcome = server.submit(&batch);
        assert_eq!(outcome, Outcome::Refused(Refusal::UnknownSession));
        assert!(!server.sessions.close(session));
        assert_eq!(
            server.sessions.attach(server.now, session),
            Err(Refusal::UnknownSession)
        );
    }
    server.send_all(&client, [1]);
    assert!(server.sessions.close(client.session));
    let outcome = server.send(&client, 1, &append(1));
    assert_eq!(outcome, Outcome::Refused(Refusal::UnknownSession));
    assert_eq!(server.text("room"), r#"{"log":[1]}"#);
    assert_eq!(server.shard.counts().told, 3);
}

#[test]
fn an_older_attachment_is_fenced_also_for_a_repeat() {
    let (mut server, old) = room();
    server.send_all(&old, [1]);
    let current = server.sessions.attach(server.now, old.session).unwrap();
    assert_eq!(current, Attachment(2));
    for seq in [1, 2, 9] {
        let outcome = server.send(&old, seq, &append(seq));
        assert_eq!(outcome, Outcome::Refused(Refusal::Fenced { current }));
    }
    let new = Client {
        attachment: current,
        ..old
    };
    server.send_all(&new, [2]);
}

/// P1: a repeat gets the first outcome, and nothing happens again.
#[test]
fn a_repeat_of_an_applied_batch_gets_its_version() {
    let (mut server, client) = room();
    server.send_all(&client, 1..=3);
    let version = Version(2);
    assert_eq!(
        server.send(&client, 2, &append(2)),
        Outcome::Duplicate(Decision::Applied { version })
    );
    assert_eq!(server.text("room"), r#"{"log":[1,2,3]}"#);
    assert_eq!(server.shard.counts().duplicate, 1);
}

/// P1: a batch that was rejected is not tried again, though it would apply by now.
#[test]
fn a_repeat_of_a_rejected_batch_gets_its_reason() {
    let (mut server, client) = room();
    let removes = r#"[{"op":"remove","path":"/log/0"}]"#;
    let outcome = server.send(&client, 1, removes);
    assert!(matches!(outcome, Outcome::Rejected(_)), "{outcome:?}");
    server.send_all(&client, [2]);
    let code = "out_of_range";
    assert_eq!(
        server.send(&client, 1, removes),
        Outcome::Duplicate(Decision::Rejected { code })
    );
    assert_eq!(server.text("room"), r#"{"log":[2]}"#);
}

#[test]
fn another_batch_under_a_decided_seq_is_a_fault() {
    let (mut server, client) = room();
    server.send_all(&client, [1, 2]);
    let outcome = server.send(&client, 1, &append(9));
    assert_eq!(outcome, Outcome::Refused(Refusal::SeqReused));
    assert_eq!(server.text("room"), r#"{"log":[1,2]}"#);
}

#[test]
fn another_batch_under_a_held_seq_is_a_fault_and_the_first_stays() {
    let (mut server, client) = room();
    server.hold_all(&client, [2]);
    let outcome = server.send(&client, 2, &append(9));
    assert_eq!(outcome, Outcome::Refused(Refusal::SeqReused));
    server.send_all(&client, [1]);
    assert_eq!(server.text("room"), r#"{"log":[1,2]}"#);
}

/// P1: what is no longer remembered is still never applied again.
#[test]
fn beyond_the_memory_of_a_lane_a_repeat_is_already_decided() {
    let outcomes_max = 3;
    let (mut server, client) = with(ShardConfig {
        outcomes_max,
        ..config()
    });
    server.send_all(&client, 1..=5);
    let decided = Seq(5);
    let forgotten = Outcome::Refused(Refusal::AlreadyDecided { decided });
    for seq in 1..=2 {
        assert_eq!(server.send(&client, seq, &append(seq)), forgotten);
    }
    for seq in 3..=5 {
        let version = Version(seq);
        let decision = Decision::Applied { version };
        assert_eq!(
            server.send(&client, seq, &append(seq)),
            Outcome::Duplicate(decision)
        );
    }
    // It cannot be told from another batch by now, and is refused all the same.
    assert_eq!(server.send(&client, 1, "[]"), forgotten);
    assert_eq!(server.text("room"), r#"{"log":[1,2,3,4,5]}"#);
}

#[test]
fn what_the_client_acknowledged_is_forgotten_and_nothing_else() {
    let (mut server, client) = room();
    server.send_all(&client, 1..=4);
    let acked = Submission {
        acked: Seq(2),
        ..client.batch(5, &append(5))
    };
    assert_eq!(server.submit(&acked), applied(5));
    let decided = Seq(5);
    assert_eq!(
        server.send(&client, 2, &append(2)),
        Outcome::Refused(Refusal::AlreadyDecided { decided })
    );
    let version = Version(3);
    assert_eq!(
        server.send(&client, 3, &append(3)),
        Outcome::Duplicate(Decision::Applied { version })
    );
    let decision = |seq| server.shard.decision(client.session, &client.key, Seq(seq));
    assert_eq!([1, 2].map(decision), [None; 2]);
    assert_eq!(
        [3, 4, 5].map(|seq| decision(seq).is_some()),
        [true; 3],
        "{decided}"
    );
}

#[test]
fn no_batch_has_seq_0() {
    let (mut server, client) = room();
    for decided in [Seq(0), Seq(1)] {
        assert_eq!(
            server.send(&client, 0, &append(0)),
            Outcome::Refused(Refusal::AlreadyDecided { decided })
        );
        server.send_all(&client, [decided.0 + 1]);
    }
}

#[test]
fn a_batch_over_a_limit_is_refused_and_does_not_consume_its_seq() {
    let small = r#"[{"op":"add","path":"/a","value":1}]"#;
    let limit = small.len() as u64;
    let (mut server, client) = with(ShardConfig {
        batch_bytes_max: limit,
        batch_operations_max: 1,
        ..config()
    });
    let large = r#"[{"op":"add","path":"/a","value":12}]"#;
    let too_large = |limit| Outcome::Refused(Refusal::TooLarge(limit));
    for seq in [1, 2] {
        assert_eq!(
            server.send(&client, seq, large),
            too_large(BatchLimit::Bytes { limit })
        );
    }
    assert_eq!(server.send(&client, 1, small), applied(1));
    let (mut server, client) = with(ShardConfig {
        batch_operations_max: 1,
        ..config()
    });
    assert_eq!(
        server.send(&client, 1, FAILS),
        too_large(BatchLimit::Operations { limit: 1 })
    );
    assert_eq!(server.status(&client).decided, Seq(0));
}

#[test]
fn an_extension_that_is_off_is_refused() {
    let increment = r#"[{"op":"increment","path":"/n","by":1}]"#;
    let splice = r#"[{"op":"splice","path":"/log","index":0,"remove":0,"insert":[5]}]"#;
    let off = Outcome::Refused(Refusal::ExtensionOff);
    let extensions = Extensions {
        increment: false,
        splice: true,
    };
    let (mut server, client) = with(ShardConfig {
        extensions,
        ..config()
    });
    assert_eq!(server.send(&client, 1, increment), off);
    assert_eq!(server.send(&client, 3, increment), off);
    assert_eq!(server.send(&client, 1, splice), applied(1));
    assert_eq!(server.status(&client).held, 0);
}

#[test]
fn a_batch_for_which_no_lane_can_be_opened_is_refused() {
    let (mut server, client) = with(ShardConfig {
        lanes_max: 1,
        ..config()
    });
    server.send_all(&client, [1]);
    let other = client.on("elsewhere");
    assert_eq!(
        server.send(&other, 1, "[]"),
        Outcome::Refused(Busy::Lanes.retry())
    );
    // The lanes of a session that has ended make room.
    while server.shard.forget(client.session) {}
    assert_eq!(
        server.send(&other, 1, "[]"),
        Outcome::Rejected(Rejection::NoSuchDocument)
    );
}

/// P7: a lane is opened whether there is a document under its key or not, and lasts as long as its session.
#[test]
fn a_session_has_no_more_lanes_than_it_may() {
    let (mut server, _) = room();
    server.sessions = Sessions::new(INCARNATION, 2).with_lanes_max(2);
    let (one, other) = (server.client("room"), server.client("room"));
    let nowhere = Outcome::Rejected(Rejection::NoSuchDocument);
    server.send_all(&one, [1]);
    assert_eq!(server.send(&one.on("nowhere"), 1, "[]"), nowhere);
    let lanes = server.shard.memory().lanes;
    let full = Outcome::Refused(Refusal::TooManyLanes { lanes_max: 2 });
    for seq in [1, 2] {
        assert_eq!(server.send(&one.on("elsewhere"), seq, "[]"), full);
    }
    assert_eq!(server.shard.memory().lanes, lanes);
    assert_eq!(server.shard.reasons()["too_many_lanes"], 2);
    // P1: its lanes go on, and so do those of others.
    server.send_all(&one, [2]);
    let code = "no_such_document";
    assert_eq!(
        server.send(&one.on("nowhere"), 1, "[]"),
        Outcome::Duplicate(Decision::Rejected { code })
    );
    assert_eq!(server.send(&other.on("elsewhere"), 1, "[]"), nowhere);
}

#[test]
fn a_batch_ahead_of_its_turn_is_held_unseen() {
    let (mut server, client) = room();
    server.now = Time::from_millis(10);
    let held = Outcome::Held {
        expected: Seq(1),
        deadline: Time::from_millis(2_010),
    };
    assert_eq!(server.send(&client, 3, &append(3)), held);
    assert_eq!(server.text("room"), r#"{"log":[]}"#);
    let status = server.status(&client);
    assert_eq!((status.decided, status.expected), (Seq(0), Seq(1)));
    assert_eq!(status.missing, [Seq(1)..=Seq(2)]);
    assert_eq!((status.highest_held, status.held), (Some(Seq(3)), 1));
    assert_eq!(
        (status.deadline, status.report),
        (Some(Time::from_millis(2_010)), None)
    );
    let decision = server.shard.decision(client.session, &client.key, Seq(3));
    assert_eq!(decision, None);
}

/// P4: the repeat is a duplicate; what is held is counted once.
#[test]
fn a_repeat_of_a_held_batch_is_told_that_it_is_held() {
    let (mut server, client) = room();
    server.hold_all(&client, [3]);
    server.now = Time::from_millis(10);
    let held = Outcome::Held {
        expected: Seq(1),
        deadline: Time::from_millis(2_000),
    };
    assert_eq!(server.send(&client, 3, &append(3)), held);
    let counts = server.shard.counts();
    assert_eq!((counts.held, counts.duplicate), (1, 1));
}

#[test]
fn a_gap_names_the_scope_the_limit_and_the_bound() {
    const AMPLE: Bound = Bound {
        batches: 100,
        bytes: 100_000,
    };
    let few = Bound {
        batches: 2,
        ..AMPLE
    };
    let small = Bound {
        bytes: 550,
        ..AMPLE
    };
    for (bound, limit, most) in [(few, Limit::Batches, 2), (small, Limit::Bytes, 550)] {
        for scope in [Scope::Lane, Scope::Document, Scope::Engine] {
            let mut reorder = ReorderBounds {
                lane: AMPLE,
                document: AMPLE,
                engine: AMPLE,
                ..ReorderBounds::default()
            };
            *match scope {
                Scope::Lane => &mut reorder.lane,
                Scope::Document => &mut reorder.document,
                Scope::Engine => &mut reorder.engine,
            } = bound;
            let (mut server, client) = with(ShardConfig {
                reorder,
                ..config()
            });
            server.hold_all(&client, [3, 4]);
            let gap = Refusal::Gap {
                expected: Seq(1),
                received: Seq(5),
                scope,
                limit,
                bound: most,
            };
            assert_eq!(
                server.send(&client, 5, &append(5)),
                Outcome::Refused(gap),
                "{gap}"
            );
            assert_eq!(server.shard.counts().told, 1);
            // The next one needed always finds room, and so does the rest after it.
            server.send_all(&client, [1, 2, 5]);
            assert_eq!(server.text("room"), r#"{"log":[1,2,3,4,5]}"#);
        }
    }
}

#[test]
fn without_a_document_a_batch_is_rejected_and_consumes_its_seq() {
    let mut server = Server::new();
    let client = server.client("room");
    let rejected = Outcome::Rejected(Rejection::NoSuchDocument);
    assert_eq!(server.send(&client, 1, &append(1)), rejected);
    assert_eq!(server.status(&client).decided, Seq(1));
    server.create("room", r#"{"log":[]}"#);
    server.send_all(&client, [2]);
    let code = "no_such_document";
    assert_eq!(
        server.send(&client, 1, &append(1)),
        Outcome::Duplicate(Decision::Rejected { code })
    );
    assert_eq!(server.text("room"), r#"{"log":[2]}"#);
}

#[test]
fn a_chained_batch_falls_with_its_predecessor_and_so_do_those_after_it() {
    let (mut server, client) = room();
    let chained = |seq| Submission {
        chained: true,
        ..client.batch(seq, &append(seq))
    };
    // The first of a lane has no predecessor.
    assert_eq!(server.submit(&chained(1)), applied(1));
    assert_eq!(server.submit(&chained(2)), applied(2));
    let outcome = server.send(&client, 3, FAILS);
    assert!(matches!(outcome, Outcome::Rejected(_)), "{outcome:?}");
    let predecessor = Outcome::Rejected(Rejection::Predecessor);
    assert_eq!(server.submit(&chained(4)), predecessor);
    assert_eq!(server.submit(&chained(5)), predecessor);
    assert_eq!(server.send(&client, 6, &append(6)), applied(3));
    assert_eq!(server.submit(&chained(7)), applied(4));
    assert_eq!(server.text("room"), r#"{"log":[1,2,6,7]}"#);
}

/// P2: what is held knows by its turn what became of the batch before it.
#[test]
fn a_chained_batch_that_was_held_falls_with_its_predecessor() {
    let (mut server, client) = room();
    let chained = Submission {
        chained: true,
        ..client.batch(2, &append(2))
    };
    assert!(matches!(server.submit(&chained), Outcome::Held { .. }));
    server.send(&client, 1, FAILS);
    let decision = server.shard.decision(client.session, &client.key, Seq(2));
    let code = "predecessor";
    assert_eq!(decision, Some(Decision::Rejected { code }));
    assert_eq!(server.text("room"), r#"{"log":[]}"#);
}

/// P3: what came before the operation that fails is undone.
#[test]
fn a_batch_that_does_not_apply_changes_nothing_and_consumes_its_seq() {
    let (mut server, client) = room();
    server.send_all(&client, [1]);
    let before = server.snapshot("room");
    let rejection = Rejection::DoesNotApply {
        operation: 1,
        reason: Reason::NotFound,
        head: Version(1),
    };
    assert_eq!(server.send(&client, 2, FAILS), Outcome::Rejected(rejection));
    assert_eq!(server.snapshot("room").position, before.position);
    assert_eq!(server.text("room"), r#"{"log":[1]}"#);
    assert!(server.shard.commit(&key("room"), Version(2)).is_none());
    assert_eq!(server.status(&client).decided, Seq(2));
    assert_eq!(server.send(&client, 3, &append(3)), applied(2));
}

/// P10: limits hold for the result of a batch.
#[test]
fn a_batch_whose_result_breaks_a_limit_is_rejected() {
    let limits = Limits {
        nodes: 4,
        ..Limits::default()
    };
    let (mut server, client) = with(ShardConfig { limits, ..config() });
    server.send_all(&client, [1, 2]);
    let rejection = Rejection::DoesNotApply {
        operation: 0,
        reason: Reason::Limit(LimitExceeded::Nodes { limit: 4 }),
        head: Version(2),
    };
    assert_eq!(rejection.code(), "limit_nodes");
    assert_eq!(
        server.send(&client, 3, &append(3)),
        Outcome::Rejected(rejection)
    );
    assert_eq!(server.text("room"), r#"{"log":[1,2]}"#);
}
