//! To which versions a batch may be applied: the rows of the outcome table from the batch's turn on.

use std::sync::Arc;

use headwater_core::{
    Body, Conflict, Decision, Frame, Guard, HistoryBounds, Outcome, Position, Refusal, Rejection,
    Replica, ShardConfig, Shared, SnapshotReason, Submission, Version,
};
use headwater_doc::{Extensions, Value};

use crate::pair::{Client, FAILS, INCARNATION, Server, config, json, key};

const DOCUMENT: &str = r#"{
    "a":{"x":1,"y":1},"ab":1,"b":1,"list":[1,2,3],"rows":[{"n":1},{"n":2}],"log":[],"text":"word"
}"#;

/// A document, its position, a client and another one.
fn room() -> (Server, Position, Client, Client) {
    with(config())
}

fn with(config: ShardConfig) -> (Server, Position, Client, Client) {
    let mut server = Server::with(config);
    let position = server.create("room", DOCUMENT);
    let (one, other) = (server.client("room"), server.client("room"));
    (server, position, one, other)
}

const fn at(position: Position, version: u64) -> Position {
    Position {
        version: Version(version),
        ..position
    }
}

fn replace(path: &str, value: &str) -> String {
    format!(r#"[{{"op":"replace","path":"{path}","value":{value}}}]"#)
}

/// How the next batch of a client is decided that is guarded so.
fn try_guarded(server: &mut Server, client: &Client, guard: Guard, text: &str) -> Outcome {
    let seq = server.status(client).expected.0;
    server.submit(&client.guarded(seq, guard, text))
}

fn conflict(outcome: Outcome) -> Conflict {
    match outcome {
        Outcome::Rejected(Rejection::Conflict(conflict)) => *conflict,
        other => panic!("{other:?}"),
    }
}

fn paths(conflict: &Conflict) -> Vec<&str> {
    conflict.paths.iter().map(|path| path.as_str()).collect()
}

const fn applied(version: u64) -> Outcome {
    let version = Version(version);
    Outcome::Applied { version }
}

#[test]
fn an_exact_base_must_be_the_newest_version_whoever_moved_it() {
    let (mut server, start, one, other) = room();
    let exact = |version| Guard::Exact(at(start, version));
    let change = replace("/b", "2");
    assert_eq!(
        try_guarded(&mut server, &one, exact(0), &change),
        applied(1)
    );
    // Its own lane has moved the document on, and that counts.
    let not_at_base = Outcome::Rejected(Rejection::NotAtBase { head: Version(1) });
    for client in [&one, &other] {
        let outcome = try_guarded(&mut server, client, exact(0), &replace("/a/x", "2"));
        assert_eq!(outcome, not_at_base);
    }
    assert_eq!(
        try_guarded(&mut server, &other, exact(1), &change),
        applied(2)
    );
}

#[test]
fn a_base_of_another_epoch_is_told_the_present_one() {
    let (mut server, before, one, _) = room();
    server.shard.remove(&key("room"));
    let now = server.create("room", DOCUMENT);
    let mut earlier_life = now;
    earlier_life.epoch.incarnation.0 += 1;
    let mismatch = Outcome::Rejected(Rejection::EpochMismatch { current: now.epoch });
    for base in [before, earlier_life] {
        for guard in [Guard::Exact(base), Guard::Untouched(base)] {
            let outcome = try_guarded(&mut server, &one, guard, "[]");
            assert_eq!(outcome, mismatch);
        }
    }
    assert_eq!(server.snapshot("room").position, now);
}

#[test]
fn a_base_that_was_never_made_is_told_what_there_is() {
    let (mut server, start, one, _) = room();
    server.apply("room", "[]");
    let ahead = Outcome::Rejected(Rejection::BaseAhead {
        oldest: Version(0),
        head: Version(1),
    });
    for base in [at(start, 2), at(start, u64::MAX)] {
        for guard in [Guard::Exact(base), Guard::Untouched(base)] {
            assert_eq!(try_guarded(&mut server, &one, guard, "[]"), ahead);
        }
    }
}

/// A server whose history keeps three commits.
fn forgetful() -> (Server, Position, Client, Client) {
    with(ShardConfig {
        history: HistoryBounds {
            commits_max: 3,
            ..HistoryBounds::default()
        },
        ..config()
    })
}

#[test]
fn a_base_that_history_no_longer_reaches_is_too_old_and_the_oldest_left_is_not() {
    let (mut server, start, one, _) = forgetful();
    for _ in 0..5 {
        server.apply("room", &replace("/b", "2"));
    }
    let too_old = Outcome::Rejected(Rejection::BaseTooOld {
        oldest: Version(2),
        head: Version(5),
    });
    for guard in [Guard::Exact(at(start, 1)), Guard::Untouched(at(start, 1))] {
        let outcome = try_guarded(&mut server, &one, guard, &replace("/a/x", "2"));
        assert_eq!(outcome, too_old);
    }
    let oldest = Guard::Untouched(at(start, 2));
    let outcome = try_guarded(&mut server, &one, oldest, &replace("/a/x", "2"));
    assert_eq!(outcome, applied(6));
}

/// The newest version is a base also where the history is empty.
/// P9: the rest of the history is as if it were not there.
#[test]
fn a_base_is_too_old_once_others_have_done_more_since_than_a_batch_may() {
    let (mut server, start, one, other) = with(ShardConfig {
        history: HistoryBounds {
            bytes_min: u64::MAX,
            ..HistoryBounds::default()
        },
        ..config()
    });
    let operation = r#"{"op":"replace","path":"/b","value":2}"#;
    let large = format!("[{}]", vec![operation; 5_000].join(","));
    for seq in 1..=3 {
        assert_eq!(server.send(&one, seq, &large), applied(seq));
    }
    let elsewhere = replace("/a/x", "2");
    let guard = |version| Guard::Untouched(at(start, version));
    let too_old = Outcome::Rejected(Rejection::BaseTooOld {
        oldest: Version(1),
        head: Version(3),
    });
    // Whether it would conflict or not.
    for text in [&elsewhere, &large] {
        assert_eq!(try_guarded(&mut server, &other, guard(0), text), too_old);
    }
    // What it has done itself does not count.
    let outcome = try_guarded(&mut server, &one, guard(0), &elsewhere);
    assert_eq!(outcome, applied(4));
    let outcome = try_guarded(&mut server, &other, guard(1), &replace("/list", "[]"));
    assert_eq!(
        outcome,
        Outcome::Rejected(Rejection::BaseTooOld {
            oldest: Version(2),
            head: Version(4),
        })
    );
    let outcome = try_guarded(&mut server, &other, guard(2), &replace("/list", "[]"));
    assert_eq!(outcome, applied(5));
}

#[test]
fn the_newest_version_is_never_too_old() {
    for guard in [Guard::Exact, Guard::Untouched] {
        let (mut server, start, one, _) = room();
        server.apply("room", "[]");
        assert_eq!(server.shard.relieve_history(0).1, None);
        assert!(server.rewind("room", 0).is_none());
        let outcome = try_guarded(&mut server, &one, guard(at(start, 1)), "[]");
        assert_eq!(outcome, applied(2));
    }
}

/// What another has done, what the batch wants, and the paths over which they fall out.
const TABLE: [(&str, &str, &[&str]); 21] = [
    (
        r#"[{"op":"replace","path":"/a/x","value":2}]"#,
        r#"[{"op":"replace","path":"/a/x","value":3}]"#,
        &["/a/x"],
    ),
    // A read is enough.
    (
        r#"[{"op":"replace","path":"/a/x","value":2}]"#,
        r#"[{"op":"test","path":"/a/x","value":2}]"#,
        &["/a/x"],
    ),
    (
        r#"[{"op":"replace","path":"/a/x","value":2}]"#,
        r#"[{"op":"copy","from":"/a/x","path":"/c"}]"#,
        &["/a/x"],
    ),
    (
        r#"[{"op":"replace","path":"/a/x","value":2}]"#,
        r#"[{"op":"move","from":"/a","path":"/c"}]"#,
        &["/a/x"],
    ),
    (
        r#"[{"op":"increment","path":"/a/x","by":2}]"#,
        r#"[{"op":"increment","path":"/a/x","by":2}]"#,
        &["/a/x"],
    ),
    (
        r#"[{"op":"splice","path":"/text","index":0,"remove":0,"insert":"s"}]"#,
        r#"[{"op":"splice","path":"/text","index":4,"remove":0,"insert":"s"}]"#,
        &["/text"],
    ),
    // Beside one another.
    (
        r#"[{"op":"replace","path":"/a/x","value":2}]"#,
        r#"[{"op":"replace","path":"/a/y","value":3}]"#,
        &[],
    ),
    (
        r#"[{"op":"replace","path":"/ab","value":2}]"#,
        r#"[{"op":"replace","path":"/a","value":3}]"#,
        &[],
    ),
    (
        r#"[{"op":"add","path":"/new","value":2}]"#,
        r#"[{"op":"add","path":"/newer","value":3}]"#,
        &[],
    ),
    // Above and below.
    (
        r#"[{"op":"replace","path":"/a","value":{"x":1}}]"#,
        r#"[{"op":"replace","path":"/a/x","value":3}]"#,
        &["/a"],
    ),
    (
        r#"[{"op":"remove","path":"/a/x"}]"#,
        r#"[{"op":"replace","path":"/a","value":3}]"#,
        &["/a/x"],
    ),
    (
        r#"[{"op":"replace","path":"/a/x","value":2}]"#,
        r#"[{"op":"test","path":"/b","value":1},{"op":"replace","path":"","value":3}]"#,
        &["/a/x"],
    ),
    // A move touches both ends.
    (
        r#"[{"op":"move","from":"/a/x","path":"/b"}]"#,
        r#"[{"op":"replace","path":"/b","value":3}]"#,
        &["/b"],
    ),
    (
        r#"[{"op":"move","from":"/b","path":"/a/x"}]"#,
        r#"[{"op":"replace","path":"/b","value":3}]"#,
        &["/b"],
    ),
    // An index means the whole array, on either side.
    (
        r#"[{"op":"replace","path":"/list/2","value":2}]"#,
        r#"[{"op":"replace","path":"/list/0","value":3}]"#,
        &["/list/2"],
    ),
    (
        r#"[{"op":"add","path":"/list/-","value":2}]"#,
        r#"[{"op":"replace","path":"/list/0","value":3}]"#,
        &["/list"],
    ),
    (
        r#"[{"op":"replace","path":"/list/2","value":2}]"#,
        r#"[{"op":"add","path":"/list/-","value":3}]"#,
        &["/list/2"],
    ),
    (
        r#"[{"op":"replace","path":"/rows/1/n","value":2}]"#,
        r#"[{"op":"replace","path":"/rows/0/n","value":3}]"#,
        &["/rows/1/n"],
    ),
    // What changes nothing touches nothing.
    (r#"[]"#, r#"[{"op":"replace","path":"","value":3}]"#, &[]),
    (
        r#"[{"op":"test","path":"/a/x","value":1}]"#,
        r#"[{"op":"replace","path":"/a/x","value":3}]"#,
        &[],
    ),
    // What was done and undone was done.
    (
        r#"[{"op":"add","path":"/c","value":1},{"op":"remove","path":"/c"}]"#,
        r#"[{"op":"add","path":"/c","value":3}]"#,
        &["/c"],
    ),
];

#[test]
fn a_batch_conflicts_with_what_others_changed_that_it_reads_or_writes_and_nothing_else() {
    for (theirs, mine, expected) in TABLE {
        for by_the_host in [false, true] {
            let (mut server, start, one, other) = room();
            server.send_all(&other, [1]);
            let base = at(start, 1);
            if by_the_host {
                server.apply("room", theirs);
            } else {
                assert_eq!(server.send(&other, 2, theirs), applied(2));
            }
            let before = server.text("room");
            let outcome = try_guarded(&mut server, &one, Guard::Untouched(base), mine);
            if expected.is_empty() {
                assert_eq!(outcome, applied(3), "{theirs} {mine}");
                continue;
            }
            let conflict = conflict(outcome);
            assert_eq!(paths(&conflict), expected, "{theirs} {mine}");
            assert_eq!((conflict.base, conflict.head), (Version(1), Version(2)));
            assert_eq!(server.text("room"), before);
            // Without a guard it is applied, or would be.
            let seq = server.status(&one).expected.0;
            assert_eq!(server.send(&one, seq, "[]"), applied(3));
        }
    }
}

/// A client that sends ahead does not run into itself.
#[test]
fn changes_by_the_same_lane_are_no_conflict() {
    let (mut server, start, one, other) = room();
    let base = Guard::Untouched(start);
    for version in 1..=3 {
        let change = replace("/a/x", &version.to_string());
        assert_eq!(
            try_guarded(&mut server, &one, base, &change),
            applied(version)
        );
    }
    let outcome = try_guarded(&mut server, &other, base, &replace("/a/x", "9"));
    assert_eq!(paths(&conflict(outcome)), ["/a/x"]);
    // Between its own, another's counts.
    server.apply("room", &replace("/a/y", "9"));
    assert_eq!(
        try_guarded(&mut server, &one, base, &replace("/a/x", "4")),
        applied(5)
    );
    let outcome = try_guarded(&mut server, &one, base, &replace("/a", "4"));
    assert_eq!(paths(&conflict(outcome)), ["/a/y"]);
}

#[test]
fn a_conflict_names_at_most_64_paths_in_order_and_each_once() {
    let (mut server, start, one, _) = room();
    for _ in 0..2 {
        for number in (0..50).rev() {
            server.apply("room", &replace("/a/x", "5"));
            let add = format!(r#"[{{"op":"add","path":"/a/k{number}","value":1}}]"#);
            server.apply("room", &add);
        }
    }
    let base = Guard::Untouched(start);
    let outcome = try_guarded(&mut server, &one, base, &replace("/a", "1"));
    let fifty = conflict(outcome);
    assert_eq!(fifty.paths.len(), 51);
    assert!(fifty.paths.is_sorted());
    for number in 50..100 {
        let add = format!(r#"[{{"op":"add","path":"/a/k{number}","value":1}}]"#);
        server.apply("room", &add);
    }
    let outcome = try_guarded(&mut server, &one, base, &replace("/a", "1"));
    assert_eq!(conflict(outcome).paths.len(), 64);
}

/// P5, P6: whatever the sender can read, and whatever has happened since, the squash brings it to the head.
#[test]
fn the_squash_of_a_conflict_brings_its_sender_to_the_head() {
    let changes = [
        r#"[{"op":"increment","path":"/b","by":4}]"#,
        r#"[{"op":"splice","path":"/list","index":1,"remove":1,"insert":[7,8,9]}]"#,
        r#"[{"op":"move","from":"/a/x","path":"/moved"}]"#,
        r#"[{"op":"remove","path":"/moved"}]"#,
    ];
    let mut kinds = [0, 0];
    for pad in [0, 2_000] {
        for count in 1..=changes.len() {
            let (mut server, _, one, other) = room();
            let filled = format!(
                r#"[{{"op":"add","path":"/pad","value":"{}"}}]"#,
                "x".repeat(pad)
            );
            server.apply("room", &filled);
            let base = server.snapshot("room");
            for (seq, change) in (1..).zip(&changes[..count]) {
                server.send(&other, seq, change);
            }
            let guard = Guard::Untouched(base.position);
            let conflict = conflict(try_guarded(&mut server, &one, guard, &replace("", "1")));
            let head = server.snapshot("room");
            assert_eq!(conflict.head, head.position.version);
            // It is there for as long as the sender wants to look at it.
            server.apply("room", &replace("", "null"));
            server.shard.remove(&key("room"));
            for extensions in [Extensions::NONE, Extensions::ALL] {
                let frame = conflict.squash(extensions).unwrap();
                let mut replica = replica(base.position, &base.root);
                replica.apply(&frame).unwrap();
                assert_eq!(replica.position(), Some(head.position));
                assert_eq!(replica.root().canonical(), head.root.canonical());
                match &frame.body {
                    Body::Patch { patch, .. } => {
                        assert!(extensions.include(patch.extensions()));
                        kinds[0] += 1;
                    }
                    Body::Snapshot { .. } => kinds[1] += 1,
                    Body::Absent => panic!("there is a document"),
                }
            }
        }
    }
    assert!(kinds.iter().all(|&times| times > 0), "{kinds:?}");
}

fn replica(position: Position, root: &Value) -> Replica {
    let mut replica = Replica::new();
    let frame = Frame {
        epoch: position.epoch,
        to: position.version,
        body: Body::Snapshot {
            root: json(&root.to_string()),
            reason: SnapshotReason::Initial,
        },
    };
    replica.apply(&frame).unwrap();
    replica
}

/// The rows in their order: of a batch with every fault, one is mended after the other.
#[test]
fn the_first_row_that_matches_wins() {
    let mut shared = Shared::new(INCARNATION, u64::MAX);
    shared.admit = Some(Arc::new(|_: &headwater_core::Admission<'_>| Err("no")));
    let history = HistoryBounds {
        commits_max: 3,
        ..HistoryBounds::default()
    };
    let mut server = Server::sharing(
        ShardConfig {
            history,
            ..config()
        },
        shared,
    );
    let one = server.client("room");
    let mut codes = Vec::new();
    let mut attempt = |server: &mut Server, guard, chained| {
        let seq = server.status(&one).expected.0;
        let batch = Submission {
            chained,
            ..one.guarded(seq, guard, &replace("/b", "2"))
        };
        match server.submit(&batch) {
            Outcome::Rejected(rejection) => codes.push(rejection.code()),
            other => panic!("{other:?}"),
        }
    };
    let nowhere = server.create("other", "1");
    attempt(&mut server, Guard::Untouched(nowhere), true);
    let start = server.create("room", DOCUMENT);
    attempt(&mut server, Guard::Untouched(nowhere), true);
    for _ in 0..5 {
        server.apply("room", &replace("/b", "2"));
    }
    attempt(&mut server, Guard::Untouched(at(start, 1)), true);
    attempt(&mut server, Guard::Untouched(at(start, 6)), true);
    attempt(&mut server, Guard::Exact(at(start, 3)), true);
    attempt(&mut server, Guard::Untouched(at(start, 3)), true);
    attempt(&mut server, Guard::Untouched(at(start, 5)), true);
    attempt(&mut server, Guard::Untouched(at(start, 5)), false);
    assert_eq!(
        codes,
        [
            "no_such_document",
            "epoch_mismatch",
            "base_too_old",
            "base_ahead",
            "not_at_base",
            "conflict",
            "predecessor",
            "no",
        ]
    );
    assert_eq!(server.shard.counts().rejected, 8);
}

/// P1: what decides a batch's outcome is part of the batch.
#[test]
fn a_repeat_with_another_guard_is_another_batch() {
    let (mut server, start, one, other) = room();
    server.send_all(&other, [1]);
    let change = replace("/b", "2");
    let guards = [
        Guard::Head,
        Guard::Exact(start),
        Guard::Untouched(start),
        Guard::Untouched(at(start, 1)),
    ];
    for (seq, held) in [(1, false), (3, true)] {
        for (index, first) in guards.into_iter().enumerate() {
            let one = if index == 0 {
                one.clone()
            } else {
                server.client("room")
            };
            let first = one.guarded(seq, first, &change);
            let outcome = server.submit(&first);
            assert_eq!(matches!(outcome, Outcome::Held { .. }), held);
            for again in guards {
                let outcome = server.submit(&one.guarded(seq, again, &change));
                if again == first.guard {
                    let repeat = matches!(outcome, Outcome::Held { .. } | Outcome::Duplicate(_));
                    assert!(repeat, "{outcome:?}");
                } else {
                    assert_eq!(outcome, Outcome::Refused(Refusal::SeqReused));
                }
            }
        }
    }
}

/// P1: the reason is remembered, the squash is not.
#[test]
fn a_repeat_of_a_conflict_gets_its_code_though_it_would_be_none_by_now() {
    let (mut server, start, one, other) = room();
    server.send(&other, 1, &replace("/b", "2"));
    let batch = one.guarded(1, Guard::Untouched(start), &replace("/b", "3"));
    assert_eq!(paths(&conflict(server.submit(&batch))), ["/b"]);
    let code = "conflict";
    let again = Outcome::Duplicate(Decision::Rejected { code });
    assert_eq!(server.submit(&batch), again);
    // Nothing is left that it could conflict with, and it stays rejected.
    while server.rewind("room", 0).is_some() {
        let _more = server.shard.relieve_history(0);
    }
    assert_eq!(server.submit(&batch), again);
}

/// P2: a batch that came too early is judged by what there is when its turn comes.
#[test]
fn a_held_batch_is_judged_when_it_is_decided() {
    for (meanwhile, expected) in [
        (None, [None, None, None]),
        (
            Some(replace("/b", "7")),
            [Some("not_at_base"), None, Some("conflict")],
        ),
    ] {
        let guards = |start: Position| {
            [
                // Ahead of the head when it comes, and right when it is decided.
                Guard::Exact(at(start, 1)),
                Guard::Head,
                Guard::Untouched(start),
            ]
        };
        for (index, code) in expected.into_iter().enumerate() {
            let (mut server, start, one, other) = room();
            let batch = one.guarded(2, guards(start)[index], &replace("/b", "3"));
            assert!(matches!(server.submit(&batch), Outcome::Held { .. }));
            if let Some(meanwhile) = &meanwhile {
                server.send(&other, 1, meanwhile);
            }
            server.send_all(&one, [1]);
            let decision = server.decision(&one, 2);
            match code {
                Some(code) => assert_eq!(decision, Some(Decision::Rejected { code })),
                None => assert!(matches!(decision, Some(Decision::Applied { .. }))),
            }
        }
    }
}

/// A rejection by a guard consumes its seq and pulls down what is chained to it, like any other.
#[test]
fn what_is_chained_to_a_conflict_falls_with_it() {
    let (mut server, start, one, other) = room();
    server.send(&other, 1, &replace("/b", "2"));
    let first = one.guarded(1, Guard::Untouched(start), &replace("/b", "3"));
    conflict(server.submit(&first));
    let predecessor = Outcome::Rejected(Rejection::Predecessor);
    assert_eq!(server.submit(&one.chained(2, "[]")), predecessor);
    assert_eq!(server.send(&one, 3, "[]"), applied(2));
    // P3
    assert!(matches!(server.send(&one, 4, FAILS), Outcome::Rejected(_)));
    assert_eq!(server.submit(&one.chained(5, "[]")), predecessor);
}
