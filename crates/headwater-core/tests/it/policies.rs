//! The two choices of the reorder buffer: what happens when it is full, and at a lane's deadline.

use headwater_core::{
    AtDeadline, Bound, Cause, Decision, DocumentOptions, Limit, Outcome, Refusal, Rejection,
    ReorderBounds, Report, Scope, Seq, ShardConfig, Time, Version, WhenFull,
};

use crate::pair::{Client, FAILS, Server, append, config, json, key};

fn room(reorder: ReorderBounds) -> (Server, Client) {
    with(ShardConfig {
        reorder,
        ..config()
    })
}

fn with(config: ShardConfig) -> (Server, Client) {
    let mut server = Server::with(config);
    server.create("room", r#"{"log":[]}"#);
    let client = server.client("room");
    (server, client)
}

fn skipping() -> ReorderBounds {
    ReorderBounds {
        lane: Bound {
            batches: 300,
            bytes: 1 << 20,
        },
        at_deadline: AtDeadline::Skip,
        ..ReorderBounds::default()
    }
}

const fn at(millis: u64) -> Time {
    Time::from_millis(millis)
}

fn log(seqs: impl IntoIterator<Item = u64>) -> String {
    let seqs: Vec<_> = seqs.into_iter().map(|seq| seq.to_string()).collect();
    format!(r#"{{"log":[{}]}}"#, seqs.join(","))
}

/// P4: the arrival is told, and nobody else has to be.
#[test]
fn a_full_buffer_that_refuses_keeps_what_it_holds() {
    let two = Bound {
        batches: 2,
        bytes: 1 << 20,
    };
    for scope in [Scope::Lane, Scope::Document, Scope::Engine] {
        let mut reorder = ReorderBounds {
            when_full: WhenFull::RefuseNew,
            ..ReorderBounds::default()
        };
        *match scope {
            Scope::Lane => &mut reorder.lane,
            Scope::Document => &mut reorder.document,
            Scope::Engine => &mut reorder.engine,
        } = two;
        let (mut server, client) = room(reorder);
        server.hold_all(&client, [9, 4]);
        // One that is needed sooner, too.
        let gap = Refusal::Gap {
            expected: Seq(1),
            received: Seq(3),
            scope,
            limit: Limit::Batches,
            bound: 2,
        };
        assert_eq!(server.send(&client, 3, &append(3)), Outcome::Refused(gap));
        let status = server.status(&client);
        assert_eq!((status.held, status.highest_held), (2, Some(Seq(9))));
        assert_eq!(status.report, None);
        let counts = server.shard.counts();
        assert_eq!((counts.held, counts.told), (2, 1));
        // The next one needed is not held, and always finds room.
        server.send_all(&client, [1, 2, 3]);
        assert_eq!(server.text("room"), log(1..=4));
        assert_eq!(server.status(&client).held, 1);
    }
}

/// P4: the missing ones are given up and their sender is told; the held ones are applied in order.
#[test]
fn at_the_deadline_the_missing_are_passed_over_and_the_held_applied_in_order() {
    let (mut server, client) = room(skipping());
    server.hold_all(&client, [9, 3, 7, 4]);
    drop(server.effects());
    server.later(1_999);
    assert_eq!(server.status(&client).held, 4);
    server.later(1);
    assert_eq!(server.text("room"), log([3, 4, 7, 9]));
    let status = server.status(&client);
    assert_eq!((status.decided, status.held), (Seq(9), 0));
    let report = Report {
        at: at(2_000),
        cause: Cause::Skipped,
        first: Seq(1),
        batches: 5,
    };
    assert_eq!(status.report, Some(report));
    let effects = server.effects();
    assert!(effects.late.contains(&(client.session, client.key.clone())));
    let counts = server.shard.counts();
    assert_eq!((counts.applied, counts.held, counts.told), (4, 0, 0));
    let skipped = Some(Decision::Skipped);
    assert_eq!(
        [1, 2, 5, 6, 8].map(|seq| server.decision(&client, seq)),
        [skipped; 5]
    );
    let version = Version(3);
    assert_eq!(
        server.decision(&client, 7),
        Some(Decision::Applied { version })
    );
    // The lane goes on after the highest.
    server.send_all(&client, [10]);
    assert_eq!(server.shard.next_deadline(), None);
}

/// P1, P4: it is never applied, and says so, whatever it contains.
#[test]
fn a_batch_that_comes_after_it_was_passed_over_is_too_late() {
    let (mut server, client) = with(ShardConfig {
        outcomes_max: 4,
        reorder: skipping(),
        ..config()
    });
    server.hold_all(&client, [3, 5]);
    server.later(2_000);
    let decided = Seq(5);
    let too_late = Outcome::Refused(Refusal::TooLate { decided });
    for seq in [2, 4] {
        assert_eq!(server.send(&client, seq, &append(seq)), too_late);
        assert_eq!(server.send(&client, seq, "[]"), too_late);
    }
    // Four outcomes are remembered: those of 2 to 5.
    let forgotten = Outcome::Refused(Refusal::AlreadyDecided { decided });
    assert_eq!(server.send(&client, 1, &append(1)), forgotten);
    let version = Version(1);
    assert_eq!(
        server.send(&client, 3, &append(3)),
        Outcome::Duplicate(Decision::Applied { version })
    );
    assert_eq!(server.text("room"), log([3, 5]));
    assert_eq!(server.shard.counts().told, 5);
}

#[test]
fn what_is_chained_to_a_batch_that_was_passed_over_falls_with_it() {
    let (mut server, client) = room(skipping());
    for seq in [3, 4] {
        let outcome = server.submit(&client.chained(seq, &append(seq)));
        assert!(matches!(outcome, Outcome::Held { .. }));
    }
    server.hold_all(&client, [5]);
    server.submit(&client.chained(6, &append(6)));
    server.later(2_000);
    assert_eq!(server.text("room"), log([5, 6]));
    let code = "predecessor";
    let rejected = Some(Decision::Rejected { code });
    assert_eq!(
        [3, 4].map(|seq| server.decision(&client, seq)),
        [rejected; 2]
    );
    // Also where the one before it was applied long ago.
    server.submit(&client.chained(8, &append(8)));
    server.later(2_000);
    assert_eq!(server.decision(&client, 8), rejected);
    assert_eq!(
        server.submit(&client.chained(9, &append(9))),
        Outcome::Rejected(Rejection::Predecessor)
    );
}

/// P7, P10: a client may name any number.
#[test]
fn a_gap_of_any_width_costs_nothing() {
    const FAR: u64 = 1_000_000_000_000_000_000;
    let (mut server, client) = room(skipping());
    for far in [FAR, u64::MAX] {
        let (first, before) = (server.status(&client).expected, server.shard.memory());
        server.hold_all(&client, [far]);
        server.later(2_000);
        let status = server.status(&client);
        assert_eq!((status.decided, status.held), (Seq(far), 0));
        let report = status.report.unwrap();
        assert_eq!((report.first, report.batches), (first, far - first.0));
        assert_eq!(server.decision(&client, far - 1), Some(Decision::Skipped));
        assert_eq!(server.decision(&client, far - 128), None);
        assert!(server.shard.memory().lanes <= before.lanes + (32 << 10));
    }
    assert_eq!(server.text("room"), log([FAR, u64::MAX]));
    // No batch comes after the last of all.
    let decided = Seq(u64::MAX);
    assert_eq!(
        server.send(&client, 5, "[]"),
        Outcome::Refused(Refusal::AlreadyDecided { decided })
    );
    assert!(matches!(
        server.send(&client, u64::MAX, &append(u64::MAX)),
        Outcome::Duplicate(_)
    ));
}

/// P10: nor where the host has asked for a memory without end.
#[test]
fn a_gap_of_any_width_costs_what_may_be_remembered_at_most() {
    let (mut server, client) = with(ShardConfig {
        outcomes_max: usize::MAX,
        reorder: skipping(),
        ..config()
    });
    let far = (1 << 59) + 1;
    server.hold_all(&client, [far]);
    server.later(2_000);
    assert_eq!(server.status(&client).decided, Seq(far));
    assert_eq!(
        server.decision(&client, far - 65_535),
        Some(Decision::Skipped)
    );
    assert_eq!(server.decision(&client, far - 65_536), None);
    assert!(server.shard.memory().lanes <= 3 << 20);
}

/// P9: the deadline of one lane does not keep the shard for longer than a turn.
#[test]
fn a_run_longer_than_a_turn_is_decided_in_turns() {
    let (mut server, client) = room(skipping());
    let other = server.client("room");
    server.hold_all(&client, (2..=200).filter(|seq| seq % 50 != 0));
    server.hold_all(&other, [2]);
    server.now = at(2_000);
    let mut turns = 0;
    while server.status(&client).decided < Seq(199) {
        let before = server.shard.counts().applied;
        server.shard.tick(server.now);
        assert!(server.shard.counts().applied - before <= 64);
        turns += 1;
        assert!(turns < 10, "no progress");
    }
    assert!(turns >= 3);
    server.tick();
    assert_eq!(
        server.status(&client).report.map(|report| report.batches),
        Some(4)
    );
    assert_eq!(server.status(&other).decided, Seq(2));
    let decisions = (1..=199).map(|seq| server.decision(&client, seq));
    // Those that are remembered.
    let skipped: Vec<_> = decisions
        .zip(1..)
        .filter_map(|(decision, seq)| (decision? == Decision::Skipped).then_some(seq))
        .collect();
    assert_eq!(skipped, [100, 150]);
    let counts = server.shard.counts();
    assert_eq!((counts.held, counts.told), (0, 0));
}

#[test]
fn a_held_batch_that_fails_after_a_skip_does_not_stop_the_lane() {
    let (mut server, client) = room(skipping());
    assert!(matches!(
        server.send(&client, 2, FAILS),
        Outcome::Held { .. }
    ));
    server.hold_all(&client, [3]);
    server.later(2_000);
    assert_eq!(server.text("room"), log([3]));
    assert_eq!(
        server.decision(&client, 2),
        Some(Decision::Rejected { code: "not_found" })
    );
}

#[test]
fn a_document_may_choose_otherwise_than_its_engine() {
    for engine in [AtDeadline::Report, AtDeadline::Skip] {
        let mut server = Server::with(ShardConfig {
            reorder: ReorderBounds {
                at_deadline: engine,
                ..ReorderBounds::default()
            },
            ..config()
        });
        let choices = [None, Some(AtDeadline::Report), Some(AtDeadline::Skip)];
        for (name, at_deadline) in ["default", "report", "skip"].into_iter().zip(choices) {
            let options = DocumentOptions { at_deadline };
            let root = json(r#"{"log":[]}"#);
            server
                .shard
                .create(server.now, &key(name), root, options)
                .unwrap();
            let client = server.client(name);
            server.hold_all(&client, [2]);
            server.later(2_000);
            let skips = at_deadline.unwrap_or(engine) == AtDeadline::Skip;
            assert_eq!(
                server.status(&client).decided,
                Seq(if skips { 2 } else { 0 })
            );
            let cause = if skips {
                Cause::Skipped
            } else {
                Cause::Deadline
            };
            assert_eq!(
                server.status(&client).report.map(|report| report.cause),
                Some(cause)
            );
        }
    }
}

/// The document is gone, and with it what it chose.
#[test]
fn a_lane_without_a_document_goes_by_what_the_engine_says() {
    let (mut server, client) = room(skipping());
    server.hold_all(&client, [2]);
    server.shard.remove(&key("room"));
    server.later(2_000);
    let code = "no_such_document";
    assert_eq!(
        server.decision(&client, 2),
        Some(Decision::Rejected { code })
    );
}

/// Scenario: of a long run that is decided in turns after a skip, the end is evicted between two of them;
/// then its sender sends on. Failure: the lane still passed over all seqs up to where the run once ended,
/// at once and unreported, though their batches had been taken and evicted, and were sent again. Fix: a
/// skip is over when its run is.
#[test]
fn a_skip_ends_with_its_run() {
    let (mut server, client) = room(ReorderBounds {
        document: Bound {
            batches: 200,
            bytes: 1 << 20,
        },
        ..skipping()
    });
    let other = server.client("room");
    server.hold_all(&client, 2..=201);
    server.now = at(2_000);
    server.shard.tick(server.now);
    assert!(server.shard.has_turn());
    server.hold_all(
        &other,
        (0..)
            .map(|seq| 2 + seq)
            .take(server_room(&server, &client) + 2),
    );
    assert_eq!(server.status(&client).highest_held, Some(Seq(199)));
    while server.shard.has_turn() {
        server.shard.turn(server.now);
    }
    assert_eq!(server.status(&client).decided, Seq(199));
    server.hold_all(&client, [202]);
    server.send_all(&client, [200]);
    assert_eq!(server.status(&client).decided, Seq(200));
    server.send_all(&client, [201]);
    assert_eq!(server.status(&client).decided, Seq(202));
}

/// How many batches the document has room for.
fn server_room(server: &Server, client: &Client) -> usize {
    200 - server.status(client).held
}
