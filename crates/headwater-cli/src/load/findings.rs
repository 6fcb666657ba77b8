use std::time::Duration;

use headwater::{Memory, ShutdownReport, Stats};

use super::{
    gates::Gate,
    lane::Unknown,
    meter::{Count, Counted, Times},
    monitor::Sample,
    reader::Failed,
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
    /// When it was interrupted, if that was before its end.
    pub(crate) interrupted: Option<Duration>,
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
    pub(crate) fn failures(&self, gates: &[Gate]) -> Vec<String> {
        let gates = gates.iter().map(|gate| gate.failure.clone());
        let promises = [
            self.engine_reached(),
            self.rate_held(),
            self.counts_balance(),
            self.applied_once(),
            self.all_converged(),
            self.none_left(),
        ];
        gates.chain(promises).flatten().collect()
    }

    /// What nothing was handed in to cannot have passed.
    fn engine_reached(&self) -> Option<String> {
        (self.counted.of(Count::HandedIn) == 0)
            .then(|| "load: no batch reached the engine".to_owned())
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::meter::{Meter, Span};

    impl Findings {
        /// A load of one batch, which was applied and took a microsecond.
        pub(crate) fn of_one_batch() -> Self {
            let meter = Meter::new(Times::new().unwrap());
            for count in [Count::Sent, Count::HandedIn, Count::Applied] {
                meter.count(count);
            }
            let mut counted = Counted::default();
            counted.add(&meter);
            let mut stats = Stats::default();
            (stats.counts.received, stats.counts.applied) = (1, 1);
            let mut findings = Self {
                counted,
                stats,
                times: Times::new().unwrap(),
                samples: Vec::new(),
                unanswered: Unanswered::default(),
                failed: Vec::new(),
                versions: 1,
                memory_peak: Memory::default(),
                resident_bytes_peak: None,
                interrupted: None,
                drain: Duration::ZERO,
                shutdown: ShutdownReport {
                    drained: 0,
                    given_up: 0,
                    aborted: 0,
                    left: 0,
                    took: Duration::ZERO,
                },
                tasks_left: 0,
            };
            findings.time(Span::Known, 1_000);
            findings
        }

        pub(crate) fn time(&mut self, what: Span, nanos: u64) {
            let meter = Meter::new(Times::new().unwrap());
            meter.time(what, nanos);
            let mut times = Times::new().unwrap();
            meter.take(&mut times);
            self.times.add(&times);
        }
    }

    #[test]
    fn a_rate_that_was_not_kept_fails() {
        let mut findings = Findings::of_one_batch();
        assert_eq!(findings.failures(&[]), Vec::<String>::new());
        findings.unanswered.unsent = 2;
        let failure = "rate: 2 operations were due and could not be sent";
        assert_eq!(findings.failures(&[]), [failure]);
    }

    #[test]
    fn an_engine_that_nothing_reached_has_not_passed() {
        let findings = Findings {
            counted: Counted::default(),
            stats: Stats::default(),
            versions: 0,
            ..Findings::of_one_batch()
        };
        let failure = "load: no batch reached the engine";
        assert_eq!(findings.failures(&[]), [failure]);
    }
}
