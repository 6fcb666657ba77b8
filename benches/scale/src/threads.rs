use std::{
    hint::black_box,
    sync::{Arc, Barrier},
    thread,
    time::Instant,
};

use headwater::{Key, Version};
use headwater_benches::Fleet;

use crate::{
    chart::{Chart, Line, Scale},
    machine,
    measure::{Effort, Point, as_f64},
    unit::Unit,
    workload::{hits, items, key, one_of},
};

const COMMITS: usize = 16;

/// Documents of each thread: more than one, so that two threads meet in a shard now and then, as they do
/// in a server.
const OWN_DOCUMENTS: u64 = 64;

/// How many operations a thread does between looks at the clock.
const OPERATIONS: u64 = 64;

/// Rounds of wall time are so many times as long as those of CPU time: what else runs on the machine
/// counts.
const LONGER: u32 = 5;

/// What several threads get done together.
pub(crate) fn charts(effort: Effort) -> Vec<Chart> {
    let mut own_reads = Line::new("read, a document each");
    let mut shared_reads = Line::new("read, all the same one");
    let mut own = Line::new("replace, own documents");
    let mut shared = Line::new("replace, all the same one");
    for threads in effort.sizes(&[1, 2, 4], &[]) {
        own_reads.push(reads(effort, threads, |thread| thread));
        shared_reads.push(reads(effort, threads, |_| 0));
        own.push(writes(effort, threads, |thread, turn| {
            thread * OWN_DOCUMENTS + turn % OWN_DOCUMENTS
        }));
        shared.push(writes(effort, threads, |_, _| 0));
    }
    vec![Chart {
        name: "threads",
        title: "What several threads get done together",
        notes: vec![
            format!(
                "The machine has {}: more threads than that only take turns.",
                machine::cores()
            ),
            "Documents of 150 bytes, reads through handles. Wall time, medians of the rounds; bars from the least to the most.".to_owned(),
        ],
        size: Scale {
            label: "threads",
            unit: Unit::Count,
        },
        figure: Scale {
            label: "operations a second, of all threads together",
            unit: Unit::PerSecond,
        },
        lines: vec![own_reads, shared_reads, own, shared],
    }]
}

/// Threads that read, each through a handle of its own to the document that `choose` gives it.
fn reads(effort: Effort, threads: u64, choose: impl Fn(u64) -> u64) -> Point {
    let Fleet { engine, .. } = items(COMMITS, threads);
    effort.point(threads, || {
        let (rate, _) = throughput(effort, threads, |thread| {
            let handle = engine.handle(&key(choose(thread)));
            let handle = handle.expect("the document is there");
            move |_| {
                let snapshot = handle.read().expect("the document is there");
                assert_eq!(snapshot.position.version, Version::ZERO);
                drop(black_box(snapshot));
            }
        });
        rate
    })
}

/// Threads that replace a number, each in the document that `choose` gives it for its turn.
fn writes(effort: Effort, threads: u64, choose: impl Fn(u64, u64) -> u64 + Copy + Send) -> Point {
    let fleet = items(COMMITS, threads * OWN_DOCUMENTS);
    let mut total = 0;
    let point = effort.point(threads, || {
        let (rate, done) = throughput(effort, threads, |thread| {
            let (engine, hits) = (&fleet.engine, hits(1_000 * (thread + 1)));
            let keys: Vec<Key> = (0..threads * OWN_DOCUMENTS).map(key).collect();
            move |turn| {
                let number = usize::try_from(choose(thread, turn)).unwrap_or_default();
                let key = keys.get(number).expect("one of the documents");
                // Also where each document's turn comes after so many.
                let hit = one_of(&hits, turn + turn / OWN_DOCUMENTS);
                engine
                    .apply(key, Arc::clone(hit))
                    .expect("the path is there");
            }
        });
        total += done;
        rate
    });
    assert_eq!(fleet.commits(), total);
    point
}

/// Operations a second that so many threads do together, and how many they did, in the wall time from
/// the start of the first to the end of the last. `worker` makes what a thread does, by its number; that
/// is told which turn it is.
fn throughput<W: FnMut(u64) + Send>(
    effort: Effort,
    threads: u64,
    worker: impl Fn(u64) -> W,
) -> (f64, u64) {
    let barrier = Barrier::new(usize::try_from(threads).unwrap_or(usize::MAX));
    let round = effort.round * LONGER;
    let done: Vec<(u64, Instant, Instant)> = thread::scope(|scope| {
        let started: Vec<_> = (0..threads)
            .map(|thread| {
                let (barrier, mut work) = (&barrier, worker(thread));
                scope.spawn(move || {
                    barrier.wait();
                    let start = Instant::now();
                    let mut turn = 0;
                    loop {
                        for _ in 0..OPERATIONS {
                            work(turn);
                            turn += 1;
                        }
                        let end = Instant::now();
                        if end - start >= round {
                            return (turn, start, end);
                        }
                    }
                })
            })
            .collect();
        let joined = started.into_iter().map(|thread| thread.join());
        joined.map(|done| done.expect("it did its work")).collect()
    });
    let total = done.iter().map(|(turns, ..)| turns).sum();
    let start = done.iter().map(|(_, start, _)| start).min();
    let end = done.iter().map(|(.., end)| end).max();
    let took = start.zip(end).map(|(start, end)| *end - *start);
    let took = took.expect("there are threads").as_secs_f64();
    (as_f64(total) / took, total)
}
