//! The whole engine: the same work through routing and locks, over many documents.

#![expect(
    clippy::expect_used,
    reason = "a suite whose workload does not work has nothing to measure"
)]

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use headwater::{Engine, Incarnation, Key, Outcome, Pointer, Seq, SubscribeOptions};
use headwater_benches::{PLAYER_HP, in_reversed_windows, player, replace};

criterion_group!(suite, documents, sessions, fan_out);
criterion_main!(suite);

const DOCUMENTS: usize = 10_000;

/// Time for one operation on one of 10,000 documents, each in its turn.
fn documents(criterion: &mut Criterion) {
    let (engine, keys) = engine(DOCUMENTS);
    let hp = hp();
    let patches = [replace(&hp, 1_001), replace(&hp, 1_002)];
    let mut turns = keys.iter().cycle();
    let mut group = criterion.benchmark_group("10,000 documents of 0.8 KB");
    group.throughput(Throughput::Elements(1));
    group.bench_function("get", |bencher| {
        bencher.iter(|| {
            let key = turns.next().expect("an endless list");
            let snapshot = engine.get(key);
            assert!(snapshot.is_some());
            snapshot
        });
    });
    let mut applied = 0;
    group.bench_function("replace at depth 3", |bencher| {
        bencher.iter(|| {
            let key = turns.next().expect("an endless list");
            let patch = patches.get(applied % 2).expect("one of two");
            applied += 1;
            let version = engine.apply(key, patch.clone());
            version.expect("the path is there")
        });
    });
    let versions = keys.iter().filter_map(|key| engine.get(key));
    let versions: u64 = versions.map(|snapshot| snapshot.position.version.0).sum();
    assert_eq!(versions, applied as u64);
    group.finish();
}

/// Batches a second of one session, each of one operation.
fn sessions(criterion: &mut Criterion) {
    const BATCHES: u64 = 1_024;
    let hp = hp();
    let mut group = criterion.benchmark_group("session");
    group.throughput(Throughput::Elements(BATCHES));
    for (name, window) in [("in order", 1), ("in reversed windows of 32", 32)] {
        let mut batches: Vec<_> = (1..=BATCHES)
            .map(|seq| (Seq(seq), replace(&hp, seq)))
            .collect();
        in_reversed_windows(&mut batches, window);
        group.bench_function(name, |bencher| {
            bencher.iter_batched(
                || engine(1),
                |(engine, keys)| {
                    let key = keys.first().expect("one document");
                    let client = engine.open_session().expect("room for one session");
                    for (seq, patch) in &batches {
                        let outcome = client.submit(key, *seq, patch.clone());
                        assert!(!matches!(outcome, Outcome::Refused(_)));
                    }
                    let counts = engine.counts();
                    assert_eq!((counts.applied, counts.held), (BATCHES, 0));
                    engine
                },
                BatchSize::LargeInput,
            );
        });
    }
    group.finish();
}

/// Time for one commit and its delivery to all subscribers, each polled.
fn fan_out(criterion: &mut Criterion) {
    let hp = hp();
    let patches = [replace(&hp, 1_001), replace(&hp, 1_002)];
    let mut group = criterion.benchmark_group("fan-out");
    for subscribers in [1, 100] {
        group.throughput(Throughput::Elements(subscribers));
        group.bench_function(
            format!("{subscribers} subscribers of every commit"),
            |bencher| {
                let (engine, keys) = engine(1);
                let key = keys.first().expect("one document");
                let mut followers: Vec<_> = (0..subscribers)
                    .map(|_| {
                        let from = engine.get(key).map(|snapshot| snapshot.position);
                        let options = SubscribeOptions {
                            from,
                            ..SubscribeOptions::default()
                        };
                        let follower = engine.subscribe(key, options);
                        follower.expect("the document is there")
                    })
                    .collect();
                let mut turn = 0;
                bencher.iter(|| {
                    let patch = patches.get(turn % 2).expect("one of two");
                    turn += 1;
                    let version = engine.apply(key, patch.clone());
                    let version = version.expect("the path is there");
                    for follower in &mut followers {
                        let frame = follower.poll().expect("the document is there");
                        assert_eq!(frame.map(|frame| frame.to), Some(version));
                    }
                });
            },
        );
    }
    group.finish();
}

fn engine(documents: usize) -> (Engine, Vec<Key>) {
    let engine = Engine::builder()
        .shard_seed(1)
        .incarnation(Incarnation(1))
        .build()
        .expect("the defaults are valid");
    let keys: Vec<_> = (0..documents)
        .map(|number| {
            let key = Key::new(&format!("player/{number}")).expect("a short name is a key");
            engine.create(&key, player(number)).expect("a new key");
            key
        })
        .collect();
    (engine, keys)
}

fn hp() -> Pointer {
    Pointer::parse(PLAYER_HP).expect("a pointer")
}
