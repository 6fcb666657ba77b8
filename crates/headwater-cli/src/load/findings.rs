use std::time::Duration;

use headwater::{Memory, ShutdownReport, Stats};

use super::{
    lane::Unknown,
    meter::{Count, Counted, Span, Times},
    monitor::Sample,
    options::LoadArgs,
    reader::Failed,
    units::{bytes, nanos},
};

/// What came of a load.
pub(crate) struct Findings {
    pub(crate) counted: Counted,
    pub(crate) stats: Stats,
    pub(crate) times: Times,
    pub(crate) samples: Vec<Sample>,
    pub(crate) unanswered: Unanswered,
    /// Of each thread whose subscribers did not all get what they must.
    pub(crate) failed: Vec<Failed>,
    /// Commits of all documents together.
    pub(crate) versions: u64,
    /// The engine's memory when it counted most.
    pub(crate) memory_peak: Memory,
    pub(crate) resident_bytes_peak: Option<u64>,
    /// How long after the end the last outcome was known.
    pub(crate) drain: Duration,
    pub(crate) shutdown: ShutdownReport,
    pub(crate) tasks_left: usize,
}

/// What was still open when all clients had given up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Unanswered {
    pub(crate) unknown: Unknown,
    /// Operations that were due, and never sent.
    pub(crate) unsent: u64,
}

impl Findings {
    /// Batches that were sent and whose senders do not know what became of them, nor that they were not
    /// taken.
    pub(crate) const fn unaccounted(&self) -> u64 {
        self.unanswered.unknown.unaccounted
    }

    /// Which gates and promises do not hold: a sentence each, which names it.
    pub(crate) fn failures(&self, args: &LoadArgs) -> Vec<String> {
        let gates = [
            self.unaccounted_gate(args.max_unaccounted),
            args.max_p99.and_then(|max| self.p99_gate(max)),
            args.max_memory.and_then(|max| self.memory_gate(max)),
        ];
        let promises = [
            self.rate_held(),
            self.counts_balance(),
            self.applied_once(),
            self.all_converged(),
            self.none_left(),
        ];
        gates.into_iter().chain(promises).flatten().collect()
    }

    fn unaccounted_gate(&self, max: u64) -> Option<String> {
        let unaccounted = self.unaccounted();
        (unaccounted > max).then(|| {
            format!("--max-unaccounted {max}: {unaccounted} batches are not accounted for")
        })
    }

    fn p99_gate(&self, max: Duration) -> Option<String> {
        let p99 = self.times.quantile(Span::Undisturbed, 0.99);
        (u128::from(p99) > max.as_nanos())
            .then(|| format!("--max-p99 {max:?}: 1 % took {} or longer", nanos(p99)))
    }

    fn memory_gate(&self, max: u64) -> Option<String> {
        let peak = self.memory_peak.total();
        (peak > max).then(|| {
            format!(
                "--max-memory {max}: the engine counted {peak} bytes ({})",
                bytes(peak)
            )
        })
    }

    fn rate_held(&self) -> Option<String> {
        let unsent = self.unanswered.unsent;
        (unsent > 0).then(|| format!("rate: {unsent} operations were due and could not be sent"))
    }

    fn counts_balance(&self) -> Option<String> {
        let (counts, handed_in) = (&self.stats.counts, self.counted.of(Count::HandedIn));
        (!counts.balance() || counts.received != handed_in).then(|| {
            format!("counts: {handed_in} batches were handed in, and the engine has {counts:?}")
        })
    }

    /// Each batch that a client knows to be applied has made one version, and no other has made any.
    fn applied_once(&self) -> Option<String> {
        let (applied, known) = (self.stats.counts.applied, self.counted.of(Count::Applied));
        // What was never answered may have been applied.
        let open = self.unaccounted() + self.unanswered.unknown.told;
        let holds = applied == self.versions && (known..=known + open).contains(&applied);
        (!holds).then(|| {
            let versions = self.versions;
            format!("versions: {versions} were made, {applied} counted and {known} told to clients")
        })
    }

    fn all_converged(&self) -> Option<String> {
        let first = self.failed.iter().min_by_key(|failed| failed.subscriber)?;
        let count: u64 = self.failed.iter().map(|failed| failed.count).sum();
        Some(format!(
            "subscribers: {count} failed; number {} {}",
            first.subscriber, first.error
        ))
    }

    fn none_left(&self) -> Option<String> {
        let (panics, left) = (self.stats.task_panics, self.tasks_left);
        (panics > 0 || left > 0)
            .then(|| format!("tasks: {panics} panicked and {left} were left after the shutdown"))
    }
}
