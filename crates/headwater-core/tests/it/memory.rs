//! Where the memory goes.

use std::{ptr, sync::Arc};

use headwater_core::{HistoryBounds, Memory, ShardConfig, Shared, Snapshot};

use crate::pair::{FAILS, INCARNATION, Server, append, config, key, patch};

pub(crate) fn add(path: &str, bytes: usize) -> String {
    let text = "x".repeat(bytes);
    format!(r#"[{{"op":"add","path":"{path}","value":"{text}"}}]"#)
}

/// Lets go of all history.
pub(crate) fn relieve(server: &mut Server) {
    for _ in 0..20 {
        let mut from = Some(0);
        while let Some(at) = from {
            (_, from) = server.shard.relieve_history(at);
        }
    }
}

pub(crate) fn sweep(server: &mut Server) {
    let mut from = Some(0);
    while let Some(at) = from {
        from = server.shard.sweep(server.now, at);
    }
}

/// P9: a load test found relief to free 16 histories of 1,200 commits under one hold of a shard's lock, for
/// 3 ms, and clients to meet it at one shard after the other.
#[test]
fn a_round_of_relief_ends_early_where_histories_are_long() {
    let mut server = Server::new();
    for document in ["a", "b", "c"] {
        server.create(document, "{}");
        for _ in 0..600 {
            server.apply(document, "[]");
        }
    }
    let mut from = Some(0);
    for _round in 0..3 {
        let before = server.shard.memory().history;
        (_, from) = server.shard.relieve_history(from.unwrap());
        let after = server.shard.memory().history;
        assert!(after < before && before - after < before / 2, "one of them");
    }
    while let Some(at) = from {
        (_, from) = server.shard.relieve_history(at);
    }
}

/// P7: whatever came and went leaves nothing behind but room in the tables, and that only once.
#[test]
fn each_part_rises_with_what_it_counts_and_falls_back() {
    let mut server = Server::new();
    let mut after_first = None;
    for round in 0..8 {
        let empty = server.shard.memory();
        for number in 0..50 {
            server.create(
                &format!("key{number}"),
                r#"{"log":[],"text":"some forty bytes of text"}"#,
            );
        }
        let created = server.shard.memory();
        assert!(created.documents > empty.documents + 50 * 40, "{created:?}");
        assert!(created.tables >= empty.tables, "{created:?}");
        let clients: Vec<_> = (0..10).map(|_| server.client("key0")).collect();
        let held: Vec<_> = (0..50)
            .map(|number| server.snapshot(&format!("key{number}")))
            .collect();
        for client in &clients {
            for number in 0..50 {
                let client = client.on(&format!("key{number}"));
                server.send_all(&client, 1..=3);
                server.send(&client, 4, FAILS);
                server.hold_all(&client, [6, 8]);
            }
        }
        let busy = server.shard.memory();
        assert!(busy.documents > created.documents);
        assert!(busy.history > 50 * 30 * 100, "{busy:?}");
        assert!(busy.lanes > created.lanes || round > 0, "{busy:?}");
        assert!(busy.reorder > 50 * 20 * 200, "{busy:?}");
        assert!(busy.pins > 0, "{busy:?}");
        assert_eq!(busy.total(), sum(busy));

        // What was copied for those who hold a version, the patches of the commits keep, too.
        drop(held);
        relieve(&mut server);
        let relieved = server.shard.memory();
        assert!(relieved.history < busy.history / 10, "{relieved:?}");
        assert!(relieved.pins == 0, "{relieved:?}");
        for client in &clients {
            server.sessions.close(client.session);
            while server.shard.forget(client.session) {}
        }
        assert_eq!(server.shard.memory().reorder, 0);
        for number in 0..50 {
            server.shard.remove(&key(&format!("key{number}")));
        }
        let end = server.shard.memory();
        let Memory {
            documents,
            cold,
            history,
            pins,
            reorder,
            ..
        } = end;
        assert_eq!((documents, cold, history, pins, reorder), (0, 0, 0, 0, 0));
        // Tables keep their room, and need no more the next time. How many places of a hash table can be
        // used again depends on where its keys came to stand.
        let first: Memory = *after_first.get_or_insert(end);
        assert!(
            end.tables <= 2 * first.tables,
            "{round}: {end:?}, {first:?}"
        );
        assert!(end.lanes <= 2 * first.lanes, "{round}: {end:?}, {first:?}");
        assert!(server.shared.budget.used() >= end.total());
    }
    let budget = Arc::clone(&server.shared.budget);
    drop(server);
    assert_eq!(budget.used(), 0);
}

const fn sum(memory: Memory) -> u64 {
    memory.documents
        + memory.cold
        + memory.history
        + memory.pins
        + memory.reorder
        + memory.lanes
        + memory.tables
        + memory.encoded
}

/// Readers cannot account for what they share, so the next change does.
///
/// Scenario: a document is read for the first time, and then changed. Failure: what its readers share was
/// taken off before it was ever added, which made the sum negative. Fix: it counts from the next change.
#[test]
fn what_readers_share_is_counted_with_the_next_change() {
    let mut server = Server::new();
    server.create("room", "1");
    let created = server.shard.memory().documents;
    let _watch = server.shard.watch(&key("room"));
    assert_eq!(server.shard.memory().documents, created);
    server.apply("room", "[]");
    let read = server.shard.memory().documents;
    assert!(read > created + 100, "{read}");
    server.apply("room", "[]");
    assert_eq!(server.shard.memory().documents, read);
    server.shard.remove(&key("room"));
    assert_eq!(server.shard.memory().documents, 0);

    // Or the next sweep does.
    server.create("room", "1");
    let _watch = server.shard.watch(&key("room"));
    sweep(&mut server);
    assert_eq!(server.shard.memory().documents, read);
}

#[test]
fn a_batch_that_fails_leaves_the_memory_as_it_was() {
    let mut server = Server::new();
    server.create("room", r#"{"log":[]}"#);
    server.apply("room", &append(1));
    let before = server.shard.memory();
    for _ in 0..10 {
        assert!(
            server
                .shard
                .apply(server.now, &key("room"), patch(FAILS))
                .is_err()
        );
    }
    assert_eq!(server.shard.memory().history, before.history);
    assert_eq!(server.shard.memory().pins, before.pins);
}

/// Scenario: a host writes batches that fail, and always holds the version that it has read last. Failure:
/// each batch left a pin, and the next commit looked at millions of them under the lock. Fix: a version that
/// has remained the newest is shown again.
#[test]
fn batches_that_fail_while_the_newest_version_is_held_leave_no_pins() {
    let mut server = Server::new();
    server.create("room", r#"{"log":[]}"#);
    server.apply("room", &append(1));
    let mut held = server.snapshot("room");
    let before = server.shard.memory();
    for _ in 0..1_000 {
        let failed = server.shard.apply(server.now, &key("room"), patch(FAILS));
        assert!(failed.is_err());
        let again = server.snapshot("room");
        assert!(ptr::eq(&raw const *held, &raw const *again));
        held = again;
    }
    assert_eq!(server.shard.memory().pins, before.pins);
    assert_eq!(server.shard.memory().history, before.history);
    server.apply("room", &append(2));
    assert!(server.shard.memory().pins > 0);
    assert_eq!(held.root.canonical(), r#"{"log":[1]}"#);
    assert_eq!(server.text("room"), r#"{"log":[1,2]}"#);
}

/// A history of one commit, so that what was removed is soon held by nobody but readers.
fn short() -> Server {
    let mut server = Server::with(ShardConfig {
        history: HistoryBounds {
            commits_max: 1,
            ..HistoryBounds::default()
        },
        ..config()
    });
    server.create("room", r#"{"n":0}"#);
    server
}

fn counted(server: &mut Server, times: u64) {
    for _ in 0..times {
        server.apply("room", r#"[{"op":"increment","path":"/n","by":1}]"#);
    }
}

/// P7: a version that is held costs what has been removed since, and gives it back when it goes.
#[test]
fn what_a_held_version_keeps_is_counted_until_it_goes() {
    let mut server = short();
    server.apply("room", &add("/big", 100_000));
    let none = server.shard.memory().pins;
    let held = server.snapshot("room");
    counted(&mut server, 3);
    assert!(server.shard.memory().pins < 5_000);
    server.apply("room", &add("/big", 10));
    // Its own commit keeps it as long as it is in the history.
    assert!(server.shard.memory().history > 100_000);
    counted(&mut server, 2);
    assert!(server.shard.memory().history < 5_000);
    assert!(server.shard.memory().pins > 100_000);
    let clone = held.clone();
    drop(held);
    sweep(&mut server);
    assert!(
        server.shard.memory().pins > 100_000,
        "somebody still holds it"
    );
    drop(clone);
    sweep(&mut server);
    assert_eq!(server.shard.memory().pins, none);
}

/// When the oldest goes, what it kept passes to the next older one or is freed.
#[test]
fn what_the_oldest_version_kept_passes_on_or_is_freed() {
    let big = |server: &mut Server, bytes| {
        server.apply("room", &add("/big", bytes));
    };
    let mut server = short();
    big(&mut server, 100_000);
    let first = server.snapshot("room");
    big(&mut server, 200_000);
    let second = server.snapshot("room");
    big(&mut server, 10);
    counted(&mut server, 2);
    assert!(server.shard.memory().pins > 300_000);
    drop(first);
    sweep(&mut server);
    // The first of the two big ones was held by the first alone.
    let pins = server.shard.memory().pins;
    assert!(pins > 200_000 && pins < 300_000, "{pins}");
    drop(second);
    sweep(&mut server);
    assert_eq!(server.shard.memory().pins, 0);

    let mut server = short();
    big(&mut server, 100_000);
    let first = server.snapshot("room");
    counted(&mut server, 1);
    let second = server.snapshot("room");
    big(&mut server, 10);
    counted(&mut server, 2);
    assert!(server.shard.memory().pins > 100_000);
    // Both have the big one, which is counted once and stays for the other.
    drop(first);
    sweep(&mut server);
    assert!(server.shard.memory().pins > 100_000);
    drop(second);
    sweep(&mut server);
    assert_eq!(server.shard.memory().pins, 0);
}

#[test]
fn a_path_that_is_copied_because_a_version_is_held_is_counted() {
    let mut server = short();
    let rows: Vec<_> = (0..2_000).map(|n| format!(r#"{{"id":{n}}}"#)).collect();
    server.apply(
        "room",
        &format!(
            r#"[{{"op":"add","path":"/rows","value":[{}]}}]"#,
            rows.join(",")
        ),
    );
    let replace = |server: &mut Server, row: usize| {
        server.apply(
            "room",
            &format!(r#"[{{"op":"replace","path":"/rows/{row}/id","value":1}}]"#),
        );
    };
    (0..10).for_each(|row| replace(&mut server, row));
    sweep(&mut server);
    let none = server.shard.memory().pins;
    let held: Vec<Snapshot> = (0..10)
        .map(|row| {
            let held = server.snapshot("room");
            replace(&mut server, row * 200);
            held
        })
        .collect();
    let copied = server.shard.memory().pins - none;
    // A path each time, and not the document.
    assert!(
        copied > 10 * 100 && copied < server.shard.memory().documents,
        "{copied}"
    );
    drop(held);
    counted(&mut server, 2);
    assert!(server.shard.memory().pins <= none);
}

/// A rule of the host's looks at both sides of each change, and holds none of them.
#[test]
fn a_rule_that_looks_at_each_change_leaves_nothing_held() {
    let mut shared = Shared::new(INCARNATION, u64::MAX);
    shared.admit = Some(Arc::new(|_: &headwater_core::Admission<'_>| Ok(())));
    let mut server = Server::sharing(config(), shared);
    server.create("room", r#"{"log":[]}"#);
    let client = server.client("room");
    server.send_all(&client, 1..=100);
    assert_eq!(server.shard.memory().pins, 0);
}

/// P7: what came after the version that somebody holds is not there for its sake.
#[test]
fn one_held_version_keeps_no_more_than_itself() {
    let mut server = short();
    let held = server.snapshot("room");
    for commit in 0..200 {
        server.apply("room", &add("/big", 10_000 + commit));
        // Each version is read, and let go by the time of the next but one.
        drop(server.snapshot("room"));
    }
    let pins = server.shard.memory().pins;
    assert!(pins < 5_000, "{pins}");
    drop(held);
}

/// When a version between two others goes, what it kept passes to the older one, as far as that has it.
#[test]
fn what_a_version_between_kept_passes_to_the_older_one() {
    let mut server = short();
    server.apply("room", &add("/big", 100_000));
    let first = server.snapshot("room");
    counted(&mut server, 1);
    let between = server.snapshot("room");
    server.apply("room", &add("/big", 10));
    let last: Vec<_> = (0..20)
        .map(|_| {
            counted(&mut server, 1);
            server.snapshot("room")
        })
        .collect();
    drop(between);
    let newer: Vec<_> = (0..40)
        .map(|_| {
            counted(&mut server, 1);
            server.snapshot("room")
        })
        .collect();
    assert!(server.shard.memory().pins > 100_000);
    drop(first);
    sweep(&mut server);
    let pins = server.shard.memory().pins;
    assert!(pins < 50_000, "{pins}");
    drop((last, newer));
}
