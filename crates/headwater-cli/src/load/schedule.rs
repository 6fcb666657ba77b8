use std::time::Duration;

use fastrand::Rng;

use super::plan::{Pace, Plan};

/// When the operations of one lane are due, in nanoseconds since the start: at the rate, whatever
/// becomes of them.
#[derive(Debug)]
pub(crate) struct Schedule {
    rng: Rng,
    /// Between two, while the document is in use; `None` if each is due at once.
    interval: Option<u64>,
    /// How many there were.
    count: u64,
    shift: Option<Shift>,
    end: u64,
}

/// When a document is in use, if half of them are at a time.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shift {
    span: u64,
    /// Whether it starts with a rest.
    rests_first: bool,
}

impl Schedule {
    /// The lanes share the rate evenly. Each has its operations once in an interval, but no two at the
    /// same place in it, so that all lanes together are as irregular as many clients are.
    pub(crate) fn new(plan: &Plan, document: usize, rng: Rng) -> Self {
        let shift = Shift::of(plan, document);
        let lanes = plan.lanes() as u64;
        let interval = match plan.pace {
            Pace::Unthrottled => None,
            Pace::Rate(rate) => {
                let interval = lanes * NANOS / u64::from(rate);
                Some(if shift.is_some() {
                    interval / 2
                } else {
                    interval
                })
            }
        };
        Self {
            rng,
            interval,
            count: 0,
            shift,
            end: nanos(plan.duration),
        }
    }

    /// When the next operation is due; `None` if there is no other one.
    pub(crate) fn next(&mut self, now: u64) -> Option<u64> {
        let due = if let Some(interval) = self.interval {
            let place = self.rng.u64(0..interval.max(1));
            let used = self.count.saturating_mul(interval).saturating_add(place);
            self.count += 1;
            self.shift.map_or(used, |shift| shift.after_use(used))
        } else {
            self.shift.map_or(now, |shift| shift.next_use(now))
        };
        (due < self.end).then_some(due)
    }

    /// Between two operations, about.
    pub(crate) fn interval(&self) -> u64 {
        self.interval.unwrap_or(0)
    }
}

impl Shift {
    pub(crate) fn of(plan: &Plan, document: usize) -> Option<Self> {
        plan.shift.map(|span| Self {
            span: nanos(span),
            rests_first: !document.is_multiple_of(2),
        })
    }

    /// The time when the document has been in use for so long.
    const fn after_use(self, used: u64) -> u64 {
        let rests = used / self.span + self.rests_first as u64;
        used.saturating_add(rests.saturating_mul(self.span))
    }

    /// Whether the document is in use at this time, and when that changes.
    pub(crate) const fn at(self, now: u64) -> (bool, u64) {
        let shift = now / self.span;
        let in_use = shift.is_multiple_of(2) != self.rests_first;
        (in_use, (shift + 1).saturating_mul(self.span))
    }

    /// This time if the document is in use, or else when it is next.
    const fn next_use(self, now: u64) -> u64 {
        match self.at(now) {
            (true, _) => now,
            (false, change) => change,
        }
    }
}

/// Whole nanoseconds, which 64 bits hold for 584 years.
pub(crate) fn nanos(span: Duration) -> u64 {
    u64::try_from(span.as_nanos()).unwrap_or(u64::MAX)
}

const NANOS: u64 = 1_000_000_000;

#[cfg(test)]
mod tests {
    use super::*;

    fn schedule(interval: Option<u64>, shift: Option<Shift>) -> Schedule {
        Schedule {
            rng: Rng::with_seed(1),
            interval,
            count: 0,
            shift,
            end: 10_000,
        }
    }

    #[test]
    fn operations_are_due_at_the_rate_and_in_order() {
        let mut schedule = schedule(Some(10), None);
        let due: Vec<_> = std::iter::from_fn(|| schedule.next(0)).collect();
        assert_eq!(due.len(), 1_000);
        assert!(due.is_sorted());
    }

    #[test]
    fn nothing_is_due_while_a_document_rests() {
        for rests_first in [false, true] {
            let shift = Shift {
                span: 1_000,
                rests_first,
            };
            let mut throttled = schedule(Some(5), Some(shift));
            let due: Vec<_> = std::iter::from_fn(|| throttled.next(0)).collect();
            assert_eq!(due.len(), 1_000, "half of the time at twice the rate");
            assert!(due.iter().all(|&due| shift.at(due).0));
            let mut unthrottled = schedule(None, Some(shift));
            assert!(shift.at(unthrottled.next(2_500).unwrap()).0);
        }
    }
}
