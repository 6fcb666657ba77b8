//! P1 to P7 and P10 under everything at once: a network that loses, repeats, reorders and delays, clients
//! that come and go and lie, hosts that write, remove, compress and run out of memory, and subscribers of
//! every kind. A sequential model says what must come of it, and every batch is counted where its sender
//! stands.
//!
//! A seed makes a schedule, a schedule is carried out in virtual time. Where a check fails, the schedule is
//! shortened as long as the same check fails, and told.

mod clients;
mod documents;
mod host;
mod lanes;
mod model;
mod network;
mod schedule;
mod seen;
mod settle;
mod shrink;
mod subscribers;
mod workload;
mod world;

use self::{
    schedule::generate,
    seen::Seen,
    shrink::{run, shrink},
    world::World,
};
use crate::random::for_seeds;

/// Schedules that `cargo test` runs: some seconds' worth.
const SEEDS: u64 = 150;

/// P1, P2, P3, P4, P5, P6, P7, P10.
#[test]
fn whatever_happens_each_batch_is_decided_once_in_order_and_everybody_agrees() {
    let mut seen = Seen::default();
    let all = for_seeds("simulation -- --nocapture", SEEDS, |seed| {
        let (config, steps) = generate(seed);
        match run(&config, &steps) {
            Ok(more) => seen.merge(more),
            Err(failure) => {
                println!(
                    "seed {seed} fails at {}:\n{}",
                    failure.place, failure.message
                );
                let steps = shrink(&config, &steps, &failure.place);
                println!("{config:#?}\n{} steps fail at the same place:", steps.len());
                World::run(&config, &steps, true);
                unreachable!("a schedule fails each time that it is carried out");
            }
        }
    });
    println!("{seen}");
    let missing = seen.missing();
    assert!(!all || missing.is_empty(), "never came up: {missing:?}");
}
