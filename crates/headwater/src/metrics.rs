//! What the engine tells the `metrics` façade: all names and units, in one place.
//!
//! Handles are registered once, by the first sample that needs them; no label depends on a key or a session.

use std::collections::BTreeMap;

use metrics::{
    Counter, Gauge, Histogram, Unit, counter, describe_counter, describe_gauge, describe_histogram,
    gauge, histogram,
};
use parking_lot::Mutex;

use crate::{
    engine::{Engine, Inner},
    stats::Stats,
};

/// A handle, and what it is set to.
type Reading<M> = (M, fn(&Stats) -> u64);

/// The handles of one engine.
pub(crate) struct Meters {
    batches: [Reading<Counter>; 5],
    memory: [Reading<Gauge>; 9],
    counters: [Reading<Counter>; 7],
    gauges: [Reading<Gauge>; 6],
    /// Registered as they come up: there are some thirty of them, and most never do.
    reasons: Mutex<BTreeMap<&'static str, Counter>>,
}

impl Meters {
    /// Registers everything with the recorder that is installed now.
    pub(crate) fn register() -> Self {
        let batch = |outcome| counter!("headwater_batches_total", "outcome" => outcome);
        let part = |part| gauge!("headwater_memory_bytes", "part" => part);
        describe_counter!(
            "headwater_batches_total",
            Unit::Count,
            "Batches handed in, by what became of them"
        );
        describe_gauge!(
            "headwater_memory_bytes",
            Unit::Bytes,
            "Memory that the engine takes, by part"
        );
        Self {
            batches: [
                (batch("received"), |stats| stats.counts.received),
                (batch("applied"), |stats| stats.counts.applied),
                (batch("rejected"), |stats| stats.counts.rejected),
                (batch("duplicate"), |stats| stats.counts.duplicate),
                (batch("told"), |stats| stats.counts.told),
            ],
            memory: [
                (part("documents"), |stats| stats.memory.documents),
                (part("cold"), |stats| stats.memory.cold),
                (part("history"), |stats| stats.memory.history),
                (part("pins"), |stats| stats.memory.pins),
                (part("reorder"), |stats| stats.memory.reorder),
                (part("lanes"), |stats| stats.memory.lanes),
                (part("tables"), |stats| stats.memory.tables),
                (part("encoded"), |stats| stats.memory.encoded),
                (part("queues"), |stats| stats.memory.queues),
            ],
            counters: [
                (counter!("headwater_queue_rounds_total"), |stats| {
                    stats.rounds
                }),
                (counter!("headwater_sessions_expired_total"), |stats| {
                    stats.sessions_expired
                }),
                (counter!("headwater_documents_frozen_total"), |stats| {
                    stats.documents_frozen
                }),
                (counter!("headwater_documents_thawed_total"), |stats| {
                    stats.documents_thawed
                }),
                (counter!("headwater_memory_reliefs_total"), |stats| {
                    stats.reliefs
                }),
                (counter!("headwater_events_missed_total"), |stats| {
                    stats.events_missed
                }),
                (counter!("headwater_task_panics_total"), |stats| {
                    stats.task_panics
                }),
            ],
            gauges: [
                (gauge!("headwater_memory_max_bytes"), |stats| {
                    stats.memory_max
                }),
                (gauge!("headwater_documents"), |stats| {
                    stats.documents as u64
                }),
                (gauge!("headwater_sessions"), |stats| stats.sessions as u64),
                (gauge!("headwater_subscribers"), |stats| {
                    stats.subscribers as u64
                }),
                (gauge!("headwater_batches_queued"), |stats| {
                    stats.queued as u64
                }),
                (gauge!("headwater_batches_held"), |stats| stats.counts.held),
            ],
            reasons: Mutex::default(),
        }
    }

    pub(crate) fn sample(&self, stats: &Stats) {
        let counters = self.batches.iter().chain(&self.counters);
        for (counter, read) in counters {
            counter.absolute(read(stats));
        }
        for (gauge, read) in self.memory.iter().chain(&self.gauges) {
            // A gauge is a double: exact up to 8 PiB.
            #[expect(clippy::cast_precision_loss, reason = "no engine takes petabytes")]
            gauge.set(read(stats) as f64);
        }
        let mut reasons = self.reasons.lock();
        for (&reason, &count) in &stats.reasons {
            let register = || counter!("headwater_reasons_total", "reason" => reason);
            let counter = reasons.entry(reason).or_insert_with(register);
            counter.absolute(count);
        }
    }
}

/// How long the host's rule on clients' batches takes.
pub(crate) fn admit_seconds() -> Histogram {
    describe_histogram!(
        "headwater_admit_seconds",
        Unit::Seconds,
        "Time that the host's rule takes for a batch, under the lock of its document"
    );
    histogram!("headwater_admit_seconds")
}

impl Engine {
    /// Hands what [`stats`](Self::stats) says to the recorder of the `metrics` crate that is installed; a
    /// tick does so once a second by itself. O(shards).
    pub fn sample_metrics(&self) {
        self.0.sample_metrics();
    }
}

impl Inner {
    pub(crate) fn sample_metrics(&self) {
        let stats = self.stats();
        self.meters.get_or_init(Meters::register).sample(&stats);
    }
}
