use std::time::Duration;

use headwater::Value;

use super::{
    findings::Findings,
    meter::Span,
    options::LoadArgs,
    schedule,
    units::{bytes, nanos},
};

/// A limit that was asked for, and what was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Gate {
    /// Its name in JSON, with its unit.
    pub(crate) name: &'static str,
    limit: u64,
    /// `None` if nothing was measured.
    found: Option<u64>,
    /// Why it does not hold, if it does not.
    pub(crate) failure: Option<String>,
}

impl Gate {
    /// What was found against each limit that was asked for.
    pub(crate) fn all(args: &LoadArgs, findings: &Findings) -> Vec<Self> {
        let gates = [
            Some(Self::unaccounted(args.max_unaccounted, findings)),
            args.max_p99.map(|max| Self::p99(max, findings)),
            args.max_memory.map(|max| Self::memory(max, findings)),
        ];
        gates.into_iter().flatten().collect()
    }

    pub(crate) fn to_value(&self) -> Value {
        [
            ("limit", Value::from(self.limit)),
            ("found", self.found.map_or_else(Value::default, Value::from)),
            ("held", Value::from(self.failure.is_none())),
        ]
        .into_iter()
        .collect()
    }

    fn unaccounted(limit: u64, findings: &Findings) -> Self {
        let found = findings.unaccounted();
        Self {
            name: "max_unaccounted",
            limit,
            found: Some(found),
            failure: (found > limit).then(|| {
                format!("--max-unaccounted {limit}: {found} batches are not accounted for")
            }),
        }
    }

    fn p99(max: Duration, findings: &Findings) -> Self {
        let limit = schedule::nanos(max);
        let found = findings.times.quantile(Span::Known, 0.99);
        let failure = match found {
            None => Some(format!("--max-p99 {max:?}: no outcome became known")),
            Some(p99) => (p99 > limit)
                .then(|| format!("--max-p99 {max:?}: 1 % took {} or longer", nanos(p99))),
        };
        Self {
            name: "max_p99_ns",
            limit,
            found,
            failure,
        }
    }

    fn memory(limit: u64, findings: &Findings) -> Self {
        let peak = findings.memory_peak.total();
        Self {
            name: "max_memory_bytes",
            limit,
            found: Some(peak),
            failure: (peak > limit).then(|| {
                let size = bytes(peak);
                format!("--max-memory {limit}: the engine counted {peak} bytes ({size})")
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::{lane::Unknown, meter::Times};

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_latency_gate_fails_where_nothing_was_measured() {
        let mut findings = Findings::of_one_batch();
        findings.times = Times::new().unwrap();
        let gate = Gate::p99(SECOND, &findings);
        assert_eq!(gate.found, None);
        let failure = "--max-p99 1s: no outcome became known";
        assert_eq!(gate.failure.as_deref(), Some(failure));
    }

    #[test]
    fn a_latency_gate_looks_at_what_was_lost_on_the_way_too() {
        let mut findings = Findings::of_one_batch();
        findings.time(Span::Undisturbed, 1_000);
        assert_eq!(Gate::p99(SECOND, &findings).failure, None);
        findings.time(Span::Known, 2_000_000_000);
        let gate = Gate::p99(SECOND, &findings);
        assert_eq!(gate.limit, 1_000_000_000);
        assert!(gate.found > Some(gate.limit));
        assert!(gate.failure.is_some());
    }

    #[test]
    fn a_limit_holds_at_itself_and_not_beyond() {
        let mut findings = Findings::of_one_batch();
        findings.unanswered.unknown = Unknown {
            told: 9,
            unaccounted: 3,
        };
        findings.memory_peak.documents = 5;
        assert_eq!(Gate::unaccounted(3, &findings).failure, None);
        let failure = "--max-unaccounted 2: 3 batches are not accounted for";
        let gate = Gate::unaccounted(2, &findings);
        assert_eq!(gate.failure.as_deref(), Some(failure));
        assert_eq!(Gate::memory(5, &findings).failure, None);
        assert!(Gate::memory(4, &findings).failure.is_some());
    }
}
