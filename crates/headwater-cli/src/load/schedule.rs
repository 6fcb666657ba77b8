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
    /// How many there are in all; 0 if each is due at once.
    total: u64,
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
        Self::until(nanos(plan.duration), interval, shift, rng)
    }

    fn until(end: u64, interval: Option<u64>, shift: Option<Shift>, rng: Rng) -> Self {
        let mut schedule = Self {
            rng,
            interval: interval.map(|interval| interval.max(1)),
            count: 0,
            total: 0,
            shift,
            end,
        };
        schedule.total = schedule.draw_total();
        schedule
    }

    /// When the next operation is due; `None` if there is no other one.
    pub(crate) fn next(&mut self, now: u64) -> Option<u64> {
        let Some(interval) = self.interval else {
            let due = self.shift.map_or(now, |shift| shift.next_use(now));
            return (due < self.end).then_some(due);
        };
        if self.count >= self.total {
            return None;
        }
        let start = self.count.saturating_mul(interval);
        // The last interval may be cut by the end.
        let span = self.used().saturating_sub(start).clamp(1, interval);
        let used = start.saturating_add(self.rng.u64(0..span));
        self.count += 1;
        Some(self.shift.map_or(used, |shift| shift.after_use(used)))
    }

    /// Ends it at this time, if that is before its end.
    pub(crate) fn cut(&mut self, end: u64) {
        if end < self.end {
            self.end = end;
            self.total = self.draw_total();
        }
    }

    /// How many operations are still to come, unless each is due at once.
    pub(crate) const fn left(&self) -> u64 {
        self.total.saturating_sub(self.count)
    }

    /// How many operations are due before the end: one in each interval, and in one that the end cuts
    /// with the chance that it falls before the cut.
    fn draw_total(&mut self) -> u64 {
        let Some(interval) = self.interval else {
            return 0;
        };
        let used = self.used();
        used / interval + u64::from(self.rng.u64(0..interval) < used % interval)
    }

    /// How long the document is in use before the end.
    fn used(&self) -> u64 {
        self.shift
            .map_or(self.end, |shift| shift.used_before(self.end))
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

    /// How long the document has been in use at this time.
    const fn used_before(self, now: u64) -> u64 {
        let (whole, rest) = (now / (2 * self.span), now % (2 * self.span));
        let used = if self.rests_first {
            rest.saturating_sub(self.span)
        } else if rest < self.span {
            rest
        } else {
            self.span
        };
        whole * self.span + used
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

    fn schedule(end: u64, interval: Option<u64>, shift: Option<Shift>) -> Schedule {
        Schedule::until(end, interval, shift, Rng::with_seed(1))
    }

    fn dues(mut schedule: Schedule) -> Vec<u64> {
        std::iter::from_fn(|| schedule.next(0)).collect()
    }

    #[test]
    fn operations_are_due_at_the_rate_and_in_order() {
        let due = dues(schedule(10_000, Some(10), None));
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
            let due = dues(schedule(10_000, Some(5), Some(shift)));
            assert_eq!(due.len(), 1_000, "half of the time at twice the rate");
            assert!(due.iter().all(|&due| shift.at(due).0));
            let mut unthrottled = schedule(10_000, None, Some(shift));
            assert!(shift.at(unthrottled.next(2_500).unwrap()).0);
        }
    }

    #[test]
    fn operations_are_counted_before_they_are_due() {
        let shifts = [false, true].map(|rests_first| {
            Some(Shift {
                span: 100,
                rests_first,
            })
        });
        for shift in [None, shifts[0], shifts[1]] {
            for end in [0, 1, 99, 100, 101, 250, 999, 1_000] {
                let schedule = schedule(end, Some(30), shift);
                let left = schedule.left();
                let due = dues(schedule);
                assert_eq!(due.len() as u64, left, "{end}");
                assert!(due.iter().all(|&due| due < end), "{end}: {due:?}");
            }
        }
        let many = schedule(1_000_000_000_000_000_000, Some(10), None);
        assert_eq!(many.left(), 100_000_000_000_000_000);
    }

    #[test]
    fn nothing_is_due_after_a_cut() {
        let mut throttled = schedule(10_000, Some(7), None);
        throttled.next(0);
        throttled.cut(500);
        throttled.cut(600);
        let left = throttled.left();
        let due = dues(throttled);
        assert_eq!(due.len() as u64, left);
        assert!(left > 60 && due.iter().all(|&due| due < 500), "{due:?}");
        let mut unthrottled = schedule(10_000, None, None);
        unthrottled.cut(500);
        assert_eq!(unthrottled.next(499), Some(499));
        assert_eq!(unthrottled.next(500), None);
    }
}
