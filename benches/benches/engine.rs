//! The whole engine: the same work through routing and locks, over many documents.

#![expect(
    clippy::expect_used,
    reason = "a suite whose workload does not work has nothing to measure"
)]

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use headwater::{Key, Outcome, Pointer, Seq};
use headwater_benches::{
    FanOut, Fleet, PLAYER_HP, PatchTrace, Turns, builder, in_reversed_windows, replace,
};

criterion_group!(suite, documents, sessions, fan_out, recordings);
criterion_main!(suite);

const DOCUMENTS: usize = 10_000;

/// Time for one operation on one of 10,000 documents, each in its turn.
fn documents(criterion: &mut Criterion) {
    let fleet = Fleet::of_players(builder(), DOCUMENTS);
    let engine = &fleet.engine;
    let hp = hp();
    let mut patches = Turns::new([replace(&hp, 1_001), replace(&hp, 1_002)]);
    let mut turns = fleet.keys.iter().cycle();
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
            applied += 1;
            let version = engine.apply(key, patches.next().clone());
            version.expect("the path is there")
        });
    });
    assert_eq!(fleet.commits(), applied);
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
                || Fleet::of_players(builder(), 1),
                |Fleet { engine, keys }| {
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
    let mut group = criterion.benchmark_group("fan-out");
    for subscribers in [1, 100] {
        group.throughput(Throughput::Elements(subscribers as u64));
        group.bench_function(
            format!("{subscribers} subscribers of every commit"),
            |bencher| {
                let mut fan_out = FanOut::new(Fleet::of_players(builder(), 1), subscribers);
                bencher.iter(|| {
                    fan_out.commit();
                    let version = Some(fan_out.commits());
                    for follower in fan_out.followers_mut() {
                        let frame = follower.poll().expect("the document is there");
                        assert_eq!(frame.map(|frame| frame.to.0), version);
                    }
                });
            },
        );
    }
    group.finish();
}

/// Batches a second of a recorded game, each a commit; skipped where the recording is absent.
fn recordings(criterion: &mut Criterion) {
    const GAME: &str = "traces/patch/fumbbl-1559380.ndjson.gz";
    let Some(game) = PatchTrace::read(GAME).expect("a recording") else {
        return;
    };
    let Fleet { engine, .. } = Fleet::of(builder(), []);
    let key = Key::new("game").expect("a short name is a key");
    let mut group = criterion.benchmark_group("recording");
    group.throughput(Throughput::Elements(game.batches.len() as u64));
    group.bench_function("a game of FUMBBL", |bencher| {
        bencher.iter(|| game.replay(&engine, &key));
    });
    group.finish();
}

fn hp() -> Pointer {
    Pointer::parse(PLAYER_HP).expect("a pointer")
}
