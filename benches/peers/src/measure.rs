use std::{hint::black_box, time::Duration};

use cpu_time::ThreadTime;

/// How much is done for a figure.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Effort {
    /// An odd number, so that one of them is the median.
    rounds: usize,
    /// How long a round is to take.
    round: Duration,
}

impl Effort {
    /// 40 ms are 10,000 times what reading the clock takes, and a scheduler's tick on a busy machine;
    /// of seven rounds three may be disturbed before the median is.
    pub(crate) const FULL: Self = Self {
        rounds: 7,
        round: Duration::from_millis(40),
    };

    /// Everything once: shows that it works, not what it costs.
    pub(crate) const QUICK: Self = Self {
        rounds: 1,
        round: Duration::ZERO,
    };
}

/// One piece of work, done by several contestants. The first is ours.
pub(crate) struct Contest<'a> {
    work: String,
    contestants: Vec<(&'static str, Run<'a>)>,
}

/// Does the work so many times, and asserts that it was done.
type Run<'a> = Box<dyn FnMut(u64) + 'a>;

impl<'a> Contest<'a> {
    pub(crate) fn new(work: impl Into<String>) -> Self {
        Self {
            work: work.into(),
            contestants: Vec::new(),
        }
    }

    pub(crate) fn by(mut self, name: &'static str, run: impl FnMut(u64) + 'a) -> Self {
        self.contestants.push((name, Box::new(run)));
        self
    }

    /// Measures in rounds, in each of which every contestant has its turn, so that what disturbs the
    /// machine for a while disturbs all of them. In CPU time of this thread: what else runs on the
    /// machine does not count.
    pub(crate) fn held(mut self, effort: Effort) -> Row {
        let counts: Vec<u64> = self
            .contestants
            .iter_mut()
            .map(|(_, run)| count_for(effort.round, run))
            .collect();
        let mut samples = vec![Vec::with_capacity(effort.rounds); counts.len()];
        for _ in 0..effort.rounds {
            let turns = self.contestants.iter_mut().zip(&counts).zip(&mut samples);
            for (((_, run), &count), samples) in turns {
                samples.push(time(run, count).as_secs_f64() * 1e9 / as_f64(count));
            }
        }
        let names = self.contestants.iter().map(|(name, _)| *name);
        Row {
            work: self.work,
            unit: Unit::Nanoseconds,
            figures: names
                .zip(samples)
                .map(|(name, samples)| Figure::of(name, samples))
                .collect(),
        }
    }
}

/// Does something so many times. What it returns is dropped, in the time that is measured.
pub(crate) fn repeat<T>(count: u64, mut once: impl FnMut() -> T) {
    for _ in 0..count {
        drop(black_box(once()));
    }
}

/// Two that take turns, so that each repetition of a change changes something.
#[derive(Clone, Debug)]
pub(crate) struct Turns<T> {
    pair: [T; 2],
    second: bool,
}

impl<T> Turns<T> {
    pub(crate) const fn new(pair: [T; 2]) -> Self {
        Self { pair, second: true }
    }

    pub(crate) const fn next(&mut self) -> &T {
        self.second = !self.second;
        self.latest()
    }

    /// The one that [`next`](Self::next) returned last.
    pub(crate) const fn latest(&self) -> &T {
        let [first, second] = &self.pair;
        if self.second { second } else { first }
    }
}

/// What a piece of work costs each contestant. The first is ours.
#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) work: String,
    pub(crate) unit: Unit,
    pub(crate) figures: Vec<Figure>,
}

impl Row {
    /// The same, where the work is `count` things one after another, as things done in a second.
    pub(crate) fn per_second(mut self, count: usize) -> Self {
        let rate = |nanoseconds: f64| as_f64(count as u64) * 1e9 / nanoseconds;
        for figure in &mut self.figures {
            (figure.min, figure.max) = (rate(figure.max), rate(figure.min));
            figure.median = rate(figure.median);
        }
        self.unit = Unit::PerSecond;
        self
    }

    /// How many times as much this row costs as another of the same contestants, by the medians.
    pub(crate) fn over(&self, other: &Self, work: impl Into<String>) -> Self {
        let figures = self.figures.iter().zip(&other.figures);
        Self {
            work: work.into(),
            unit: Unit::Times,
            figures: figures
                .map(|(figure, other)| {
                    Figure::of(figure.contestant, vec![figure.median / other.median])
                })
                .collect(),
        }
    }

    /// How many times as good ours is as a rival's: below 1, we lose.
    pub(crate) fn ratio(&self, rival: &Figure) -> f64 {
        let ours = self.figures.first().map_or(f64::NAN, |ours| ours.median);
        match self.unit {
            Unit::Nanoseconds | Unit::Times => rival.median / ours,
            Unit::PerSecond => ours / rival.median,
        }
    }
}

/// What a row's figures count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unit {
    /// CPU time for one piece of work.
    Nanoseconds,
    /// Pieces of work in a second of CPU time.
    PerSecond,
    /// A multiple of what the work's name says.
    Times,
}

/// What a piece of work costs one contestant.
#[derive(Debug)]
pub(crate) struct Figure {
    pub(crate) contestant: &'static str,
    pub(crate) median: f64,
    pub(crate) min: f64,
    pub(crate) max: f64,
}

impl Figure {
    pub(crate) fn of(contestant: &'static str, mut samples: Vec<f64>) -> Self {
        samples.sort_by(f64::total_cmp);
        let at = |index: usize| samples.get(index).copied().unwrap_or(f64::NAN);
        Self {
            contestant,
            median: at(samples.len() / 2),
            min: at(0),
            max: at(samples.len().saturating_sub(1)),
        }
    }
}

/// How many repetitions fill a round, as the first of them that take an eighth of one show.
fn count_for(round: Duration, run: &mut Run<'_>) -> u64 {
    let mut count = 1;
    loop {
        let took = time(run, count).max(Duration::from_nanos(1));
        if took * 8 >= round {
            let rounds = round.as_secs_f64() / took.as_secs_f64();
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

fn time(run: &mut Run<'_>, count: u64) -> Duration {
    let start = ThreadTime::now();
    run(count);
    start.elapsed()
}

#[expect(clippy::cast_precision_loss, reason = "exact up to 2^53, and a figure")]
const fn as_f64(count: u64) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(unit: Unit, medians: [f64; 2]) -> Row {
        Row {
            work: String::new(),
            unit,
            figures: medians
                .map(|median| Figure::of("one", vec![median * 2.0, median, median / 2.0]))
                .into(),
        }
    }

    fn ratio(row: &Row) -> f64 {
        row.ratio(row.figures.last().unwrap())
    }

    #[test]
    fn a_ratio_is_above_one_where_ours_is_better() {
        assert!((ratio(&row(Unit::Nanoseconds, [10.0, 30.0])) - 3.0).abs() < 1e-9);
        let rates = row(Unit::Nanoseconds, [10.0, 30.0]).per_second(1_000);
        assert!((ratio(&rates) - 3.0).abs() < 1e-9);
        assert!(rates.figures.iter().all(|figure| figure.min < figure.max));
    }

    #[test]
    fn every_contestant_does_the_work_and_quick_does_it_once_to_calibrate_and_once_to_measure() {
        let (mut ours, mut theirs) = (0, 0);
        let row = Contest::new("counting")
            .by("ours", |count| ours += count)
            .by("theirs", |count| theirs += count)
            .held(Effort::QUICK);
        assert_eq!(row.figures.len(), 2);
        assert_eq!((ours, theirs), (2, 2));
    }

    #[test]
    fn turns_begin_with_the_first() {
        let mut turns = Turns::new([1, 2]);
        assert_eq!([*turns.next(), *turns.next(), *turns.next()], [1, 2, 1]);
        assert_eq!(*turns.latest(), 1);
    }
}
