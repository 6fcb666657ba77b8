//! Documents alone: text to tree and back, patches, differences.

#![expect(
    clippy::expect_used,
    reason = "a suite whose workload does not work has nothing to measure"
)]

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use headwater_benches::{PLAYER_HP, ROOM_PLAYERS_1MB, player, player_hp, replace, room};
use headwater_doc::{Array, Extensions, Limits, Operation, Patch, Pointer, Value, diff};

criterion_group!(suite, text, patches, arrays, differences);
criterion_main!(suite);

/// Bytes of text a second.
fn text(criterion: &mut Criterion) {
    let document = room(ROOM_PLAYERS_1MB);
    let text = document.to_string();
    let mut group = criterion.benchmark_group("text");
    group.throughput(Throughput::Bytes(text.len() as u64));
    group.bench_function("parse, room of 1 MB", |bencher| {
        bencher.iter_with_large_drop(|| {
            let parsed = Value::parse(black_box(text.as_bytes()), &Limits::default());
            let parsed = parsed.expect("what was written can be read");
            assert_eq!(parsed.nodes(), document.nodes());
            parsed
        });
    });
    group.bench_function("write, room of 1 MB", |bencher| {
        let mut out = String::with_capacity(text.len());
        bencher.iter(|| {
            out.clear();
            let written = black_box(&document).write(&mut out);
            written.expect("writing to a string cannot fail");
            assert_eq!(out.len(), text.len());
        });
        assert_eq!(out, text);
    });
    group.finish();
}

/// Time for one patch of one operation, its inverse included.
fn patches(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("patch");
    group.throughput(Throughput::Elements(1));
    let hp = Pointer::parse(PLAYER_HP).expect("a pointer");
    let cases = [
        ("replace at depth 3, player of 0.8 KB", player(7), hp),
        (
            "replace at depth 5, room of 1 MB",
            room(ROOM_PLAYERS_1MB),
            player_hp(600),
        ),
    ];
    for (name, document, path) in cases {
        let patches = [replace(&path, 1_001), replace(&path, 1_002)];
        let apply = |document: &mut Value, turn: &mut usize| {
            *turn ^= 1;
            let patch = patches.get(*turn).expect("one of two");
            let applied = patch.apply(document, &Limits::default());
            let applied = applied.expect("the path is there");
            assert!(!applied.touched(patch).is_empty());
            applied
        };
        let hp = |turn: usize| Some(1_001 + turn as u64);
        group.bench_function(format!("{name}, held by nobody else"), |bencher| {
            // A clone of the tree would be held by two.
            let mut document: Value = document.to_string().parse().expect("its own text");
            let mut turn = 0;
            bencher.iter(|| apply(&mut document, &mut turn));
            assert_eq!(document.at(&path).and_then(Value::as_u64), hp(turn));
        });
        group.bench_function(format!("{name}, snapshot held at each"), |bencher| {
            let mut document = document.clone();
            let mut turn = 0;
            bencher.iter(|| {
                let snapshot = document.clone();
                apply(&mut document, &mut turn);
                assert!(!snapshot.same(&document));
                snapshot
            });
            assert_eq!(document.at(&path).and_then(Value::as_u64), hp(turn));
        });
    }
    group.finish();
}

/// Time for an insertion into 10,000 elements and its removal.
fn arrays(criterion: &mut Criterion) {
    const LEN: usize = 10_000;
    let mut group = criterion.benchmark_group("array");
    group.throughput(Throughput::Elements(1));
    for (name, index) in [("front", 0), ("middle", LEN / 2), ("end", LEN)] {
        let path = Pointer::root().element(index);
        let add = Patch::from(vec![Operation::Add {
            path: path.clone(),
            value: Value::from(true),
        }]);
        let remove = Patch::from(vec![Operation::Remove { path }]);
        group.bench_function(format!("insert and remove, {name} of 10,000"), |bencher| {
            let mut array: Value = (0..LEN).map(Value::from).collect();
            bencher.iter(|| {
                for patch in [&add, &remove] {
                    let applied = patch.apply(&mut array, &Limits::default());
                    applied.expect("the index is within the array");
                }
            });
            assert_eq!(array.as_array().map(Array::len), Some(LEN));
        });
    }
    group.finish();
}

/// Time for one difference.
fn differences(criterion: &mut Criterion) {
    let old = room(ROOM_PLAYERS_1MB);
    let mut new = old.clone();
    let change = replace(&player_hp(600), 1_001);
    change
        .apply(&mut new, &Limits::default())
        .expect("the path is there");
    let stranger: Value = new.to_string().parse().expect("its own text");
    let mut group = criterion.benchmark_group("diff");
    group.throughput(Throughput::Elements(1));
    for (name, new) in [
        ("after one change, both roots held, room of 1 MB", new),
        ("after one change, nothing shared, room of 1 MB", stranger),
    ] {
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                let patch = diff(black_box(&old), black_box(&new), Extensions::NONE);
                assert_eq!(patch, *change);
                patch
            });
        });
    }
    group.finish();
}
