use std::{
    mem,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use hdrhistogram::Histogram;

/// What one thread counts and times, for another to read while it goes on.
#[derive(Debug)]
pub(crate) struct Meter {
    counts: [AtomicU64; Count::ALL.len()],
    times: Mutex<Times>,
}

/// What is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Count {
    /// Batches that were numbered and sent.
    Sent,
    /// Of these, the ones whose senders know that they were applied.
    Applied,
    /// Of these, the ones whose senders know that they were rejected.
    Rejected,
    /// Of these, the ones that the engine refused for good.
    Refused,
    /// Answers that a batch was not taken.
    Told,
    /// Batches that were sent again.
    Resent,
    /// Batches that the link lost, each time.
    Lost,
    /// Batches that the link delayed, each time.
    Delayed,
    /// Batches that arrived at the engine, each time.
    HandedIn,
    /// Frames that subscribers pulled.
    Frames,
    /// Of these, the whole documents.
    Snapshots,
    /// Bytes of the frames.
    FrameBytes,
    /// Versions that subscribers skipped.
    Conflated,
    /// Deliveries that were timed with the age of the oldest version that was known, being older.
    TimedAtLeast,
    /// Deliveries that were not timed, since no sender heard of the version in time.
    Untimed,
    /// Snapshots that were taken beside.
    Pinned,
}

impl Count {
    pub(crate) const ALL: [(Self, &'static str); 16] = [
        (Self::Sent, "sent"),
        (Self::Applied, "applied"),
        (Self::Rejected, "rejected"),
        (Self::Refused, "refused"),
        (Self::Told, "told"),
        (Self::Resent, "resent"),
        (Self::Lost, "lost"),
        (Self::Delayed, "delayed"),
        (Self::HandedIn, "handed_in"),
        (Self::Frames, "frames"),
        (Self::Snapshots, "snapshots"),
        (Self::FrameBytes, "frame_bytes"),
        (Self::Conflated, "conflated"),
        (Self::TimedAtLeast, "timed_at_least"),
        (Self::Untimed, "untimed"),
        (Self::Pinned, "snapshots_taken"),
    ];
}

/// What is timed, from when a batch was due unless said otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Span {
    /// To its being sent: what the load tester itself adds, and what a full flight makes wait.
    Sent,
    /// To its sender's knowing the outcome.
    /// Batches that were lost and sent again are among them.
    Known,
    /// The same of those batches only that the link left alone.
    Undisturbed,
    /// To a subscriber's pulling the frame that contains it, of subscribers that keep up.
    Delivered,
    /// From handing a batch in to the engine's answer, whatever that is: what the engine takes by
    /// itself.
    Answered,
}

impl Span {
    pub(crate) const ALL: [(Self, &'static str); 5] = [
        (Self::Sent, "due_to_sent"),
        (Self::Known, "due_to_known"),
        (Self::Undisturbed, "due_to_known_undisturbed"),
        (Self::Delivered, "due_to_delivered"),
        (Self::Answered, "handed_in_to_answered"),
    ];
}

/// A histogram of nanoseconds for each [`Span`].
#[derive(Clone, Debug)]
pub(crate) struct Times([Histogram<u64>; Span::ALL.len()]);

/// Sums of what meters count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counted([u64; Count::ALL.len()]);

/// The shares of all that did not take longer.
pub(crate) const QUANTILES: [(&str, f64); 4] =
    [("p50", 0.5), ("p95", 0.95), ("p99", 0.99), ("p99.9", 0.999)];

/// Nanoseconds at the [`QUANTILES`].
pub(crate) type Quantiles = [u64; QUANTILES.len()];

/// The longest time that is told from longer ones.
const NANOS_MAX: u64 = 3_600_000_000_000;

/// Values are told apart where they differ by a hundredth: enough for a gate, in 40 KiB a histogram.
const DIGITS: u8 = 2;

impl Meter {
    pub(crate) fn new(times: Times) -> Self {
        Self {
            counts: Default::default(),
            times: Mutex::new(times),
        }
    }

    pub(crate) fn count(&self, what: Count) {
        self.add(what, 1);
    }

    pub(crate) fn add(&self, what: Count, number: u64) {
        if let Some(count) = self.counts.get(what as usize) {
            // Relaxed: figures, through which nothing else is published.
            count.fetch_add(number, Ordering::Relaxed);
        }
    }

    pub(crate) fn time(&self, what: Span, nanos: u64) {
        self.time_all(what, nanos, 1);
    }

    /// Times so many that took equally long.
    pub(crate) fn time_all(&self, what: Span, nanos: u64, number: u64) {
        if let Some(histogram) = self.lock().0.get_mut(what as usize) {
            histogram.saturating_record_n(nanos, number);
        }
    }

    /// Takes what was timed since the last call, and leaves what was there, which must be empty.
    pub(crate) fn take(&self, times: &mut Times) {
        mem::swap(&mut *self.lock(), times);
    }

    fn lock(&self) -> MutexGuard<'_, Times> {
        // A histogram that a panic left may lack one value.
        self.times.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Times {
    /// Nothing yet.
    ///
    /// # Errors
    ///
    /// The histogram's own, which these bounds do not meet.
    pub(crate) fn new() -> Result<Self, hdrhistogram::CreationError> {
        let empty = Histogram::new_with_bounds(1, NANOS_MAX, DIGITS)?;
        Ok(Self(std::array::from_fn(|_| empty.clone())))
    }

    pub(crate) fn of(&self, what: Span) -> Option<&Histogram<u64>> {
        self.0.get(what as usize)
    }

    /// A time that this share of all did not exceed; `None` if nothing was timed.
    pub(crate) fn quantile(&self, what: Span, share: f64) -> Option<u64> {
        let histogram = self.of(what).filter(|histogram| !histogram.is_empty());
        histogram.map(|histogram| histogram.value_at_quantile(share))
    }

    /// The times at the [`QUANTILES`]; `None` if nothing was timed.
    pub(crate) fn quantiles(&self, what: Span) -> Option<Quantiles> {
        let mut times = [0; QUANTILES.len()];
        for (time, (_, share)) in times.iter_mut().zip(QUANTILES) {
            *time = self.quantile(what, share)?;
        }
        Some(times)
    }

    pub(crate) fn add(&mut self, other: &Self) {
        for (sum, other) in self.0.iter_mut().zip(&other.0) {
            // Both have the same bounds.
            let _same_bounds = sum.add(other);
        }
    }

    pub(crate) fn clear(&mut self) {
        self.0.iter_mut().for_each(Histogram::reset);
    }
}

impl Counted {
    pub(crate) fn of(&self, what: Count) -> u64 {
        self.0.get(what as usize).copied().unwrap_or_default()
    }

    pub(crate) fn add(&mut self, meter: &Meter) {
        for (sum, count) in self.0.iter_mut().zip(&meter.counts) {
            *sum += count.load(Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_and_spans_are_listed_in_the_order_of_their_places() {
        for (place, (count, _)) in Count::ALL.into_iter().enumerate() {
            assert_eq!(count as usize, place);
        }
        for (place, (span, _)) in Span::ALL.into_iter().enumerate() {
            assert_eq!(span as usize, place);
        }
    }

    #[test]
    fn what_is_taken_is_not_taken_again() {
        let meter = Meter::new(Times::new().unwrap());
        meter.time(Span::Known, 1_000);
        let mut times = Times::new().unwrap();
        meter.take(&mut times);
        assert_eq!(times.of(Span::Known).map(Histogram::len), Some(1));
        times.clear();
        meter.take(&mut times);
        assert_eq!(times.of(Span::Known).map(Histogram::len), Some(0));
    }
}
