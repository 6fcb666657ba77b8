use std::{fmt, time::Duration};

use headwater::{
    Bound, Builder, Engine, HistoryBounds, Incarnation, Limits, QueueBounds, ReorderBounds, Value,
};

use super::trace::Trace;
use crate::args::{ReplayArgs, Via};

/// The engine's limits for one trace: wide enough for its batches, and so tight that the replay meets
/// them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sizing {
    batch_bytes_max: u64,
    batch_operations_max: usize,
    /// Batches that a client sends ahead of the first that is not decided.
    pub(crate) flight_max: usize,
    /// Batches that a lane holds: half a flight, so that a loss makes the buffer overflow.
    held_max: usize,
    /// Slots until the engine gives up what it holds: three losses in a row of one batch.
    gap_slots: u64,
    /// Commits in the history: an eighth of the trace, so that the slowest fall out of it, but a whole
    /// flight, so that each version that one batch lets through can be checked.
    history_commits: usize,
    /// KiB that wait in a queue: two of the largest batches, so that a third one finds it full.
    queue_kib: u32,
}

impl Sizing {
    pub(crate) fn of(trace: &Trace, args: &ReplayArgs) -> Self {
        let patches = || trace.steps.iter().map(|step| &step.patch);
        let window = usize::from(args.reorder) + 1;
        let flight_max = (2 * window).max(16);
        let batch_bytes_max = patches().map(|patch| patch.written_bytes()).max();
        let batch_bytes_max = batch_bytes_max.unwrap_or(0);
        let batch_kib = u32::try_from(batch_bytes_max >> 10).unwrap_or(u32::MAX);
        Self {
            batch_bytes_max,
            queue_kib: batch_kib.max(1).saturating_mul(2),
            batch_operations_max: patches()
                .map(|patch| patch.operations().len())
                .max()
                .unwrap_or(0),
            flight_max,
            held_max: window.max(8),
            gap_slots: 6 * window as u64,
            history_commits: (trace.steps.len() / 8).clamp(flight_max, flight_max.max(1_024)),
        }
    }

    /// Slots between two polls of a slow subscriber, about: from well within the history to beyond it.
    pub(crate) const fn slow_period(&self) -> u64 {
        self.history_commits as u64
    }

    pub(crate) fn to_value(self) -> Value {
        [
            ("batch_bytes_max", Value::from(self.batch_bytes_max)),
            (
                "batch_operations_max",
                Value::from(self.batch_operations_max),
            ),
            ("sent_ahead_max", Value::from(self.flight_max)),
            ("held_max", Value::from(self.held_max)),
            ("gap_slots", Value::from(self.gap_slots)),
            ("history_commits", Value::from(self.history_commits)),
            ("queue_kib", Value::from(self.queue_kib)),
        ]
        .into_iter()
        .collect()
    }

    pub(crate) fn builder(&self, trace: &Trace, args: &ReplayArgs) -> Builder {
        // A batch is charged its text and its nodes, which take two bytes of text each at least.
        let bytes = usize::try_from(self.batch_bytes_max).unwrap_or(usize::MAX);
        let bytes = bytes
            .saturating_mul(32)
            .saturating_add(self.batch_operations_max.saturating_mul(128))
            .saturating_add(1_024);
        let bound = Bound {
            batches: self.held_max,
            bytes: self.held_max.saturating_mul(bytes),
        };
        let commits_min = match args.via {
            Via::Direct | Via::Tick => self.history_commits / 2,
            // Under the clock's time any commit may be old by the time it is checked.
            Via::Queued => self.history_commits,
        };
        Engine::builder()
            .memory_max(u64::MAX)
            .shard_seed(args.seed)
            .incarnation(Incarnation(args.seed))
            .extensions(trace.extensions())
            .limits(Limits {
                bytes: 1 << 30,
                nodes: 1 << 30,
                ..Limits::default()
            })
            .batch_bytes_max(self.batch_bytes_max)
            .batch_operations_max(self.batch_operations_max)
            .outcomes_max(4 * self.flight_max)
            .reorder(ReorderBounds {
                lane: bound,
                document: bound,
                engine: bound,
                gap_deadline: Duration::from_millis(self.gap_slots),
                ..ReorderBounds::default()
            })
            .history(HistoryBounds {
                age_min: Duration::from_millis(self.history_commits as u64 / 2),
                commits_min,
                commits_max: self.history_commits,
                // Inverses can be far larger than batches: a small `remove` keeps all that it removed.
                // The count bounds the history here.
                bytes_min: u64::MAX,
            })
            .queue(QueueBounds {
                kib: self.queue_kib,
                ..QueueBounds::default()
            })
    }
}

impl fmt::Display for Sizing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "batches of at most {} bytes and {} operations; {} sent ahead, {} held, given up after \
             {} slots; {} commits in the history, {} KiB in a queue",
            self.batch_bytes_max,
            self.batch_operations_max,
            self.flight_max,
            self.held_max,
            self.gap_slots,
            self.history_commits,
            self.queue_kib
        )
    }
}
