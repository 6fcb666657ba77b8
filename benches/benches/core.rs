//! One shard, without locks: batches in, in and out of order, and frames out.

#![expect(
    clippy::expect_used,
    reason = "a suite whose workload does not work has nothing to measure"
)]

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use headwater_benches::{
    Client, PLAYER_HP, ROOM_PLAYERS_1MB, in_reversed_windows, player, player_hp, replace, room,
    shard_with,
};
use headwater_core::{Body, Cursor, Key, Mode, Outcome, Seq, Shard, Submission, Time, Version};
use headwater_doc::Pointer;

criterion_group!(suite, submissions, subscribers);
criterion_main!(suite);

/// Batches a sample hands in.
const BATCHES: usize = 1_024;

/// Batches a link turns round: half of what a lane may hold.
const WINDOW: usize = 32;

/// Batches a second, each of one operation.
fn submissions(criterion: &mut Criterion) {
    let key = key();
    let client = Client::new(key.clone()).expect("room for one session");
    let hp = Pointer::parse(PLAYER_HP).expect("a pointer");
    let in_order: Vec<_> = (1..=BATCHES as u64)
        .map(|seq| client.batch(Seq(seq), replace(&hp, seq)))
        .collect();
    let mut reversed = in_order.clone();
    in_reversed_windows(&mut reversed, WINDOW);
    let submit = |mut shard: Shard, batches: &[Submission]| {
        let mut applied = 0;
        for batch in batches {
            let outcome = shard.submit(Time::START, &client.sessions, batch);
            applied += usize::from(matches!(outcome, Outcome::Applied { .. }));
        }
        let counts = shard.counts();
        assert_eq!((counts.applied, counts.held), (BATCHES as u64, 0));
        (shard, applied)
    };
    let mut group = criterion.benchmark_group("submit");
    group.throughput(Throughput::Elements(BATCHES as u64));
    for (name, batches, at_once) in [
        ("in order", in_order, BATCHES),
        ("in reversed windows of 32", reversed, BATCHES / WINDOW),
    ] {
        group.bench_function(name, |bencher| {
            bencher.iter_batched(
                || shard_with(&key, player(7)).expect("a small document"),
                |shard| {
                    let (shard, applied) = submit(shard, &batches);
                    assert_eq!(applied, at_once);
                    shard
                },
                BatchSize::LargeInput,
            );
        });
    }
    group.finish();
}

/// Time for a commit alone, for one with a subscriber that takes its frame, and for a squash.
fn subscribers(criterion: &mut Criterion) {
    let key = key();
    let hp = Pointer::parse(PLAYER_HP).expect("a pointer");
    let patches = [replace(&hp, 1_001), replace(&hp, 1_002)];
    let mut group = criterion.benchmark_group("commit");
    group.throughput(Throughput::Elements(1));
    for (name, polled) in [
        ("nobody subscribed", false),
        ("one caught-up subscriber of every commit, polled", true),
    ] {
        group.bench_function(name, |bencher| {
            let mut shard = shard_with(&key, player(7)).expect("a small document");
            let mut cursor = cursor(&shard, &key, Mode::EveryCommit);
            let mut commits = 0;
            bencher.iter(|| {
                let patch = patches.get(commits % 2).expect("one of two");
                let version = shard.apply(Time::START, &key, patch.clone());
                let version = version.expect("the path is there");
                commits += 1;
                if polled {
                    let next = shard
                        .next(Time::START, &key, &cursor)
                        .expect("the document is there");
                    let frame = next.finish().frame.expect("there is news");
                    assert_eq!(frame.to, version);
                    cursor.position = Some(frame.position());
                }
            });
            let head = shard
                .snapshot(Time::START, &key)
                .expect("the document is there");
            assert_eq!(head.position.version, Version(commits as u64));
            assert_eq!(polled, cursor.position == Some(head.position));
        });
    }
    group.finish();

    let mut shard = shard_with(&key, room(ROOM_PLAYERS_1MB)).expect("within the limits");
    let cursor = cursor(&shard, &key, Mode::Latest);
    for commit in 0..256 {
        let patch = replace(&player_hp(commit % 64), 1_000 + commit as u64);
        shard
            .apply(Time::START, &key, patch)
            .expect("the path is there");
    }
    let mut group = criterion.benchmark_group("squash");
    group.throughput(Throughput::Elements(256));
    group.bench_function("256 commits at 64 places, room of 1 MB", |bencher| {
        bencher.iter(|| {
            let next = shard
                .next(Time::START, &key, &cursor)
                .expect("the document is there");
            let frame = next.finish().frame.expect("there is news");
            assert_eq!(frame.to, Version(256));
            let operations = match &frame.body {
                Body::Patch { from, patch } if *from == Version::ZERO => patch.operations().len(),
                _ => 0,
            };
            assert_eq!(operations, 64);
        });
    });
    group.finish();
}

fn key() -> Key {
    Key::new("room/1").expect("a short name is a key")
}

/// A subscriber that holds the newest version.
fn cursor(shard: &Shard, key: &Key, mode: Mode) -> Cursor {
    Cursor {
        position: shard
            .snapshot(Time::START, key)
            .map(|snapshot| snapshot.position),
        mode,
        ..Cursor::default()
    }
}
