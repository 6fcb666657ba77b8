//! What is held ahead of its turn: in order, to a deadline, within bounds.

use std::time::Duration;

use headwater_core::{
    Bound, Cause, Decision, Outcome, ReorderBounds, Report, Seq, ShardConfig, Time, Version,
};

use crate::pair::{Client, FAILS, Server, append, config, key};

fn room(reorder: ReorderBounds) -> (Server, Client) {
    let mut server = Server::with(ShardConfig {
        reorder,
        ..config()
    });
    server.create("room", r#"{"log":[]}"#);
    let client = server.client("room");
    (server, client)
}

const fn at(millis: u64) -> Time {
    Time::from_millis(millis)
}

/// P2: any order of arrival ends as the one order that was meant.
#[test]
fn batches_that_come_backwards_are_applied_forwards() {
    let (mut server, client) = room(ReorderBounds::default());
    server.hold_all(&client, (2..=9).rev());
    server.send_all(&client, [1]);
    assert_eq!(server.text("room"), r#"{"log":[1,2,3,4,5,6,7,8,9]}"#);
    for seq in 1..=9 {
        let commit = server.shard.commit(&key("room"), Version(seq)).unwrap();
        assert_eq!(commit.origin, Some((client.session, Seq(seq))));
    }
    let status = server.status(&client);
    assert_eq!(
        (status.held, status.highest_held, status.deadline),
        (0, None, None)
    );
}

#[test]
fn a_held_batch_that_does_not_apply_consumes_its_seq_and_the_rest_goes_on() {
    let (mut server, client) = room(ReorderBounds::default());
    server.hold_all(&client, [3]);
    assert!(matches!(
        server.send(&client, 2, FAILS),
        Outcome::Held { .. }
    ));
    server.send_all(&client, [1]);
    assert_eq!(server.text("room"), r#"{"log":[1,3]}"#);
    let decision = server.shard.decision(client.session, &client.key, Seq(2));
    assert_eq!(decision, Some(Decision::Rejected { code: "not_found" }));
    let counts = server.shard.counts();
    assert_eq!((counts.applied, counts.rejected, counts.held), (2, 1, 0));
}

/// P4: the lane says what was given up, and resending from `expected` brings all of it.
#[test]
fn at_the_deadline_the_held_batches_are_reported_and_can_be_sent_again() {
    let (mut server, client) = room(ReorderBounds::default());
    server.later(100);
    server.hold_all(&client, [3]);
    server.later(50);
    server.hold_all(&client, [6, 4]);
    assert_eq!(server.shard.next_deadline(), Some(at(2_100)));
    server.later(1_949);
    assert_eq!((server.now, server.status(&client).held), (at(2_099), 3));
    server.later(1);
    let report = Report {
        at: at(2_100),
        cause: Cause::Deadline,
        first: Seq(3),
        batches: 3,
    };
    let status = server.status(&client);
    assert_eq!(status.report, Some(report));
    assert_eq!((status.held, status.deadline), (0, None));
    assert_eq!((status.decided, status.expected), (Seq(0), Seq(1)));
    let counts = server.shard.counts();
    assert_eq!((counts.held, counts.told), (0, 3));
    server.send_all(&client, status.expected.0..=6);
    assert_eq!(server.text("room"), r#"{"log":[1,2,3,4,5,6]}"#);
    // A report is state: it stays until the next one.
    assert_eq!(server.status(&client).report, Some(report));
}

#[test]
fn until_the_deadline_is_acted_on_what_is_held_can_still_be_decided() {
    let (mut server, client) = room(ReorderBounds::default());
    server.hold_all(&client, [2]);
    server.now = at(9_999);
    server.send_all(&client, [1]);
    server.later(0);
    assert_eq!(server.status(&client).report, None);
    assert_eq!(server.text("room"), r#"{"log":[1,2]}"#);
}

#[test]
fn more_arrivals_do_not_put_the_deadline_off() {
    let (mut server, client) = room(ReorderBounds::default());
    server.hold_all(&client, [5]);
    for seq in [4, 6, 3] {
        server.now = server.now + Duration::from_millis(500);
        server.hold_all(&client, [seq]);
        assert_eq!(server.status(&client).deadline, Some(at(2_000)));
    }
}

#[test]
fn the_deadline_starts_again_when_a_held_batch_has_its_turn() {
    let (mut server, client) = room(ReorderBounds::default());
    server.hold_all(&client, [2, 5]);
    server.now = at(1_500);
    server.send_all(&client, [1]);
    assert_eq!(server.status(&client).missing, [Seq(3)..=Seq(4)]);
    assert_eq!(server.status(&client).deadline, Some(at(3_500)));
}

/// Scenario: 3 is held while 1 and 2 are missing, and 1 comes late, so that 2 is the first missing one
/// from then on. Failure: the deadline still counted from when 3 arrived, so a lane that made progress
/// with each arrival lost what it held. Fix: progress without a held batch restarts it, too.
#[test]
fn the_deadline_starts_again_when_the_first_missing_batch_comes() {
    let (mut server, client) = room(ReorderBounds::default());
    server.hold_all(&client, [3]);
    server.now = at(1_500);
    server.send_all(&client, [1]);
    assert_eq!(server.status(&client).deadline, Some(at(3_500)));
    server.later(1_000);
    assert_eq!(server.status(&client).report, None);
    server.send_all(&client, [2]);
    assert_eq!(server.text("room"), r#"{"log":[1,2,3]}"#);
}

/// P4: the farthest makes room, its sender is told, and sends it again.
#[test]
fn an_evicted_batch_is_reported_and_can_be_sent_again() {
    let (mut server, client) = room(ReorderBounds {
        lane: Bound {
            batches: 2,
            bytes: 10_000,
        },
        ..ReorderBounds::default()
    });
    server.hold_all(&client, [9, 4]);
    server.now = at(5);
    server.hold_all(&client, [3]);
    let status = server.status(&client);
    let report = Report {
        at: at(5),
        cause: Cause::Evicted,
        first: Seq(9),
        batches: 1,
    };
    assert_eq!(status.report, Some(report));
    assert_eq!((status.held, status.highest_held), (2, Some(Seq(4))));
    let counts = server.shard.counts();
    assert_eq!((counts.held, counts.told), (2, 1));
    server.send_all(&client, [1, 2, 5, 6, 7, 8, 9]);
    assert_eq!(server.text("room"), r#"{"log":[1,2,3,4,5,6,7,8,9]}"#);
}

#[test]
fn several_that_one_arrival_evicts_are_one_report() {
    let patch = |seq: u64, length: usize| {
        format!(
            r#"[{{"op":"add","path":"/{seq}","value":"{}"}}]"#,
            "x".repeat(length)
        )
    };
    let (mut server, client) = room(ReorderBounds {
        lane: Bound {
            batches: 10,
            bytes: 1_000,
        },
        ..ReorderBounds::default()
    });
    server.now = at(1);
    for seq in [5, 7, 6] {
        assert!(matches!(
            server.send(&client, seq, &patch(seq, 1)),
            Outcome::Held { .. }
        ));
    }
    server.now = at(2);
    assert!(matches!(
        server.send(&client, 4, &patch(4, 400)),
        Outcome::Held { .. }
    ));
    let report = Report {
        at: at(2),
        cause: Cause::Evicted,
        first: Seq(6),
        batches: 2,
    };
    let status = server.status(&client);
    assert_eq!(
        (status.report, status.highest_held),
        (Some(report), Some(Seq(5)))
    );
}

#[test]
fn a_lane_is_told_what_another_lane_evicted() {
    let (mut server, many) = room(ReorderBounds {
        document: Bound {
            batches: 3,
            bytes: 10_000,
        },
        ..ReorderBounds::default()
    });
    let few = server.client("room");
    server.hold_all(&many, [2, 3, 4]);
    server.hold_all(&few, [2]);
    let report = server.status(&many).report.unwrap();
    assert_eq!((report.cause, report.first), (Cause::Evicted, Seq(4)));
    assert_eq!(
        (server.status(&many).held, server.status(&few).held),
        (2, 1)
    );
    assert_eq!(server.status(&few).report, None);
}

/// A turn is bounded, so that others are let in between two of them.
#[test]
fn a_long_run_is_drained_over_several_turns() {
    let (mut server, client) = room(ReorderBounds {
        lane: Bound {
            batches: 200,
            bytes: 1 << 20,
        },
        ..ReorderBounds::default()
    });
    let other = server.client("room");
    server.hold_all(&client, 2..=150);
    assert!(!server.shard.has_turn());
    server.send_all(&client, [1]);
    assert_eq!(server.status(&client).decided, Seq(65));
    assert!(server.shard.has_turn());
    // What waits only for a turn is not missing, and a repeat of it is no news.
    assert_eq!(server.status(&client).missing, []);
    assert_eq!(
        server.send(&client, 66, &append(66)),
        Outcome::Held {
            expected: Seq(66),
            deadline: at(2_000)
        }
    );
    assert_eq!(
        server.send(&other, 1, "[]"),
        Outcome::Applied {
            version: Version(66)
        }
    );
    for decided in [129, 150] {
        assert!(server.shard.has_turn());
        server.shard.turn(server.now);
        assert_eq!(server.status(&client).decided, Seq(decided));
    }
    assert!(!server.shard.has_turn());
    let log: Vec<_> = (1..=150).map(|seq: u64| seq.to_string()).collect();
    assert_eq!(
        server.text("room"),
        format!(r#"{{"log":[{}]}}"#, log.join(","))
    );
    let counts = server.shard.counts();
    assert_eq!((counts.applied, counts.held, counts.duplicate), (151, 0, 1));
}

#[test]
fn a_batch_at_the_end_of_all_numbers_is_held_like_any_other() {
    let (mut server, client) = room(ReorderBounds::default());
    server.hold_all(&client, [u64::MAX]);
    assert_eq!(server.status(&client).missing, [Seq(1)..=Seq(u64::MAX - 1)]);
    server.send_all(&client, [1]);
    assert_eq!(server.status(&client).highest_held, Some(Seq(u64::MAX)));
}
