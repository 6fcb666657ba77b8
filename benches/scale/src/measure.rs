use std::{hint::black_box, time::Duration};

use cpu_time::ThreadTime;

/// How much is done for a figure.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Effort {
    /// An odd number, so that one of them is the median.
    rounds: usize,
    /// How long a round is to take.
    pub(crate) round: Duration,
    sizes: Sizes,
}

/// Which sizes of a series are measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sizes {
    /// The two smallest.
    Smallest,
    /// Those that fit into the memory of a small machine.
    Usual,
    /// All of them.
    Huge,
}

impl Effort {
    /// 40 ms are 10,000 times what reading the clock takes, and a scheduler's tick on a busy machine;
    /// of seven rounds three may be disturbed before the median is.
    pub(crate) const FULL: Self = Self {
        rounds: 7,
        round: Duration::from_millis(40),
        sizes: Sizes::Usual,
    };

    /// Everything small once: shows that it works, not what it costs.
    pub(crate) const QUICK: Self = Self {
        rounds: 1,
        round: Duration::ZERO,
        sizes: Sizes::Smallest,
    };

    pub(crate) const fn up_to(self, sizes: Sizes) -> Self {
        Self { sizes, ..self }
    }

    /// Those of a series' sizes, smallest first, that are to be measured.
    pub(crate) fn sizes<'a>(self, usual: &'a [u64], huge: &'a [u64]) -> impl Iterator<Item = u64> {
        let count = match self.sizes {
            Sizes::Smallest => 2,
            Sizes::Usual => usual.len(),
            Sizes::Huge => usize::MAX,
        };
        usual.iter().chain(huge).take(count).copied()
    }

    /// Nanoseconds for one of the pieces of work that `run` does so many of, in rounds, at a size.
    pub(crate) fn cost(self, size: u64, mut run: impl FnMut(u64) -> Duration) -> Point {
        let count = self.count_for(&mut run);
        self.point(size, || run(count).as_secs_f64() * 1e9 / as_f64(count))
    }

    /// A figure at a size, sampled in rounds.
    pub(crate) fn point(self, size: u64, mut sample: impl FnMut() -> f64) -> Point {
        Point::of(size, (0..self.rounds).map(|_| sample()).collect())
    }

    /// How many repetitions fill a round, as the first of them that take an eighth of one show.
    fn count_for(self, run: &mut impl FnMut(u64) -> Duration) -> u64 {
        let mut count = 1;
        loop {
            let took = run(count).max(Duration::from_nanos(1));
            if took * 8 >= self.round {
                let rounds = self.round.as_secs_f64() / took.as_secs_f64();
                #[expect(
                    clippy::cast_possible_truncation,
                    clippy::cast_sign_loss,
                    reason = "positive and not near 2^64, or else a round would not end"
                )]
                return ((as_f64(count) * rounds) as u64).max(1);
            }
            count *= 4;
        }
    }
}

/// CPU time of this thread: what else runs on the machine does not count.
pub(crate) fn timed(work: impl FnOnce()) -> Duration {
    let start = ThreadTime::now();
    work();
    start.elapsed()
}

/// Does something so many times. What it returns is dropped, in the time that is measured.
pub(crate) fn repeat<T>(count: u64, mut once: impl FnMut() -> T) -> Duration {
    timed(|| {
        for _ in 0..count {
            drop(black_box(once()));
        }
    })
}

/// A figure at one size.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Point {
    pub(crate) size: f64,
    pub(crate) median: f64,
    pub(crate) min: f64,
    pub(crate) max: f64,
}

impl Point {
    pub(crate) fn of(size: u64, mut samples: Vec<f64>) -> Self {
        samples.sort_by(f64::total_cmp);
        let at = |index: usize| samples.get(index).copied().unwrap_or(f64::NAN);
        Self {
            size: as_f64(size),
            median: at(samples.len() / 2),
            min: at(0),
            max: at(samples.len().saturating_sub(1)),
        }
    }

    /// A figure that is the same each time.
    pub(crate) fn exact(size: u64, figure: f64) -> Self {
        Self::of(size, vec![figure])
    }

    /// The share of one in so many.
    pub(crate) fn shared_by(self, count: u64) -> Self {
        let count = as_f64(count);
        Self {
            median: self.median / count,
            min: self.min / count,
            max: self.max / count,
            ..self
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "exact up to 2^53, and a figure")]
pub(crate) const fn as_f64(count: u64) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_point_is_the_median_of_its_rounds_with_what_they_lay_between() {
        let mut samples = [3.0, 1.0, 2.0].into_iter();
        let effort = Effort {
            rounds: 3,
            ..Effort::QUICK
        };
        let point = effort.point(10, || samples.next().unwrap());
        let found = [point.min, point.median, point.max];
        assert_eq!(found.map(f64::to_bits), [1.0, 2.0, 3.0].map(f64::to_bits));
        assert_eq!(point.shared_by(2).max.to_bits(), 1.5_f64.to_bits());
    }

    #[test]
    fn cost_is_that_of_one_piece_of_work() {
        let effort = Effort {
            round: Duration::from_millis(1),
            ..Effort::QUICK
        };
        let point = effort.cost(1, |count| Duration::from_nanos(50 * count));
        assert!((point.median - 50.0).abs() < 0.1, "{}", point.median);
    }

    #[test]
    fn quick_takes_the_two_smallest_sizes_and_only_huge_the_huge_ones() {
        let sizes =
            |effort: Effort| -> Vec<u64> { effort.sizes(&[1, 10, 100], &[1_000]).collect() };
        assert_eq!(sizes(Effort::QUICK), [1, 10]);
        assert_eq!(sizes(Effort::FULL), [1, 10, 100]);
        assert_eq!(sizes(Effort::FULL.up_to(Sizes::Huge)), [1, 10, 100, 1_000]);
    }
}
