//! P7: what the engine says that it takes is what it really requests of the allocator, within 15 %, and it
//! never passes its budget.
//!
//! A binary of its own, whose tests run one after the other: every byte that its thread requests is
//! the engine's.

#![cfg(test)]

mod allocator;
mod budget;
mod formulas;
mod mixes;

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use headwater::{Builder, ColdBounds, Engine, Extensions, Incarnation, Key, Limits, Patch};

#[global_allocator]
static COUNTING: allocator::Counting = allocator::Counting;

/// Held by the test that runs.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

fn alone() -> MutexGuard<'static, ()> {
    ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner)
}

/// An engine to be filled.
struct Mix {
    engine: Engine,
    /// So that keys of different parts differ.
    part: u32,
}

fn builder() -> Builder {
    let builder = Engine::builder()
        .incarnation(Incarnation(7))
        .shard_seed(1)
        .shards(4);
    builder.extensions(Extensions::ALL)
}

impl Mix {
    fn new(part: u32) -> Self {
        let cold = ColdBounds {
            bytes_min: 4 << 10,
            idle: Duration::from_secs(60),
        };
        Self {
            engine: builder()
                .cold(cold)
                .build()
                .expect("a configuration that can be"),
            part,
        }
    }

    fn key(&self, number: usize) -> Key {
        Key::new(&format!("document/{}/{number}", self.part)).expect("a key")
    }

    fn make(&self, number: usize, text: &str) -> Key {
        let key = self.key(number);
        let root = text.parse().expect("JSON");
        self.engine.create(&key, root).expect("room for it");
        key
    }

    fn apply(&self, key: &Key, text: &str) {
        self.engine.apply(key, patch(text)).expect("it applies");
    }

    fn tables(&self, count: usize) -> Vec<Box<dyn std::any::Any>> {
        for number in 0..count {
            self.make(number, &table(number, 60));
        }
        Vec::new()
    }
}

fn patch(text: &str) -> Arc<Patch> {
    let patch = Patch::parse(text.as_bytes(), &Limits::NONE, Extensions::ALL);
    Arc::new(patch.expect("a patch"))
}

fn table(number: usize, rows: usize) -> String {
    let rows: Vec<_> = (0..rows)
        .map(|row| {
            format!(
                r#"{{"id":{row},"name":"the name of row {row} in {number}","x":{row}.25,"y":-1.5,"tags":["red","a longer tag than fits"],"open":true}}"#
            )
        })
        .collect();
    format!(
        r#"{{"rows":[{}],"title":"table {number}"}}"#,
        rows.join(",")
    )
}

fn words(bytes: usize, seed: u64) -> String {
    let mut random = Random(seed);
    let mut text = String::with_capacity(bytes + 16);
    while text.len() < bytes {
        text.push_str(["alpha ", "beta ", "gamma ", "delta ", "of ", "and "][random.index(6)]);
    }
    text
}

/// SplitMix64.
struct Random(u64);

impl Random {
    fn index(&mut self, len: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((mixed ^ (mixed >> 31)) % len as u64).expect("it fits")
    }
}
