use std::{cell::Cell, hint::black_box, time::Duration};

use cpu_time::ThreadTime;
use serde::{Deserialize, Serialize};

/// How much is done for a figure.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Effort {
    /// An odd number, so that one of them is the median.
    rounds: usize,
    /// How long a round is to take.
    round: Duration,
    /// One piece of work only, for a program that counts what this one does.
    exactly: Option<&'static Exactly>,
}

/// One contestant's part in one contest, to be done so many times.
#[derive(Debug)]
pub(crate) struct Exactly {
    pub(crate) work: String,
    pub(crate) by: String,
    pub(crate) times: u64,
    /// Whether there was such a contestant in such a contest.
    pub(crate) done: Cell<bool>,
}

impl Exactly {
    pub(crate) const fn new(work: String, by: String, times: u64) -> Self {
        Self {
            work,
            by,
            times,
            done: Cell::new(false),
        }
    }
}

impl Effort {
    /// 40 ms are 10,000 times what reading the clock takes, and a scheduler's tick on a busy machine;
    /// of seven rounds three may be disturbed before the median is.
    pub(crate) const FULL: Self = Self {
        rounds: 7,
        round: Duration::from_millis(40),
        exactly: None,
    };

    /// Everything once: shows that it works, not what it costs.
    pub(crate) const QUICK: Self = Self {
        rounds: 1,
        round: Duration::ZERO,
        exactly: None,
    };

    /// No measuring: this one piece of work, and nothing of the others.
    pub(crate) const fn exactly(exactly: &'static Exactly) -> Self {
        Self {
            exactly: Some(exactly),
            ..Self::QUICK
        }
    }

    /// Fewer rounds, for work that takes seconds each time.
    #[cfg(feature = "crdts")]
    pub(crate) fn in_rounds(self, rounds_max: usize) -> Self {
        Self {
            rounds: self.rounds.min(rounds_max),
            ..self
        }
    }

    #[cfg(feature = "crdts")]
    pub(crate) const fn is_quick(self) -> bool {
        self.round.is_zero()
    }
}

/// One piece of work, done by several contestants. The first is ours.
pub(crate) struct Contest<'a> {
    work: String,
    contestants: Vec<Contestant<'a>>,
}

struct Contestant<'a> {
    name: &'static str,
    run: Run<'a>,
    /// Whether only a part of what it does counts.
    in_part: bool,
}

/// Does the work so many times, and asserts that it was done. Returns how much of the time counts, or
/// `None` for all of it.
type Run<'a> = Box<dyn FnMut(u64) -> Option<Duration> + 'a>;

impl<'a> Contest<'a> {
    pub(crate) fn new(work: impl Into<String>) -> Self {
        Self {
            work: work.into(),
            contestants: Vec::new(),
        }
    }

    pub(crate) fn by(mut self, name: &'static str, mut run: impl FnMut(u64) + 'a) -> Self {
        let whole = move |count| {
            run(count);
            None
        };
        self.contestants.push(Contestant {
            name,
            run: Box::new(whole),
            in_part: false,
        });
        self
    }

    /// One who takes the time by itself, because a part of what it does belongs to another row. It is
    /// to read the clock seldom: that is a system call.
    pub(crate) fn by_part(
        mut self,
        name: &'static str,
        mut run: impl FnMut(u64) -> Duration + 'a,
    ) -> Self {
        self.contestants.push(Contestant {
            name,
            run: Box::new(move |count| Some(run(count))),
            in_part: true,
        });
        self
    }

    /// Measures in rounds, in each of which every contestant has its turn, so that what disturbs the
    /// machine for a while disturbs all of them. In CPU time of this thread: what else runs on the
    /// machine does not count.
    pub(crate) fn held(mut self, effort: Effort) -> Row {
        if let Some(exactly) = effort.exactly {
            return self.done(exactly);
        }
        let (counts, mut samples): (Vec<u64>, Vec<Vec<f64>>) = self
            .contestants
            .iter_mut()
            .map(|contestant| calibrated(effort.round, &mut contestant.run))
            .unzip();
        for round in 0..effort.rounds {
            let turns = self.contestants.iter_mut().zip(&counts).zip(&mut samples);
            for ((contestant, &count), samples) in turns {
                if samples.len() == round {
                    samples.push(time(&mut contestant.run, count).sample(count));
                }
            }
        }
        let names = self.contestants.iter().map(|contestant| contestant.name);
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

impl Contest<'_> {
    fn done(mut self, exactly: &Exactly) -> Row {
        for contestant in &mut self.contestants {
            let named = (self.work.as_str(), contestant.name) == (&exactly.work, &exactly.by);
            // Who counts the time of a part would be counted with all that it does.
            if named && !contestant.in_part {
                let _part = (contestant.run)(exactly.times);
                exactly.done.set(true);
            }
        }
        Row {
            work: self.work,
            unit: Unit::Nanoseconds,
            figures: Vec::new(),
        }
    }
}

/// Does something so many times. What it returns is dropped, in the time that is measured.
pub(crate) fn repeat<T>(count: u64, mut once: impl FnMut() -> T) {
    for _ in 0..count {
        drop(black_box(once()));
    }
}

/// What a piece of work costs each contestant. The first is ours.
#[derive(Debug, Deserialize)]
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

    /// The same, where the work is `count` things, as the cost of one.
    pub(crate) fn each_of(mut self, count: usize) -> Self {
        let count = as_f64(count as u64);
        for figure in &mut self.figures {
            figure.median /= count;
            figure.min /= count;
            figure.max /= count;
        }
        self
    }

    /// Adds a figure that was not measured with the others.
    pub(crate) fn beside(mut self, figure: Figure) -> Self {
        self.figures.push(figure);
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
                    Figure::of(&figure.contestant, vec![figure.median / other.median])
                })
                .collect(),
        }
    }

    /// How many times as good ours is as a rival's: below 1, we lose. `None` if it is no rival's.
    pub(crate) fn ratio(&self, rival: &Figure) -> Option<f64> {
        let ours = self.figures.first().filter(|_| !rival.is_ours())?;
        Some(self.unit.ratio(ours.median, rival.median))
    }

    /// What it costs one contestant; `None` if that is not among them.
    pub(crate) fn by(&self, contestant: &str) -> Option<&Figure> {
        let mut figures = self.figures.iter();
        figures.find(|figure| figure.contestant == contestant)
    }
}

/// What a row's figures count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Unit {
    /// CPU time for one piece of work.
    #[serde(rename = "ns")]
    Nanoseconds,
    /// Pieces of work in a second of CPU time.
    PerSecond,
    /// Memory, or the length of a message.
    Bytes,
    /// A multiple of what the work's name says.
    Times,
}

impl Unit {
    /// How many times as good one figure is as another.
    fn ratio(self, ours: f64, rival: f64) -> f64 {
        match self {
            Self::Nanoseconds | Self::Bytes | Self::Times => rival / ours,
            Self::PerSecond => ours / rival,
        }
    }
}

/// What a piece of work costs one contestant.
#[derive(Debug, Deserialize)]
pub(crate) struct Figure {
    #[serde(rename = "by")]
    pub(crate) contestant: String,
    pub(crate) median: f64,
    pub(crate) min: f64,
    pub(crate) max: f64,
    /// Whether it is from another run, and not of this program.
    pub(crate) recorded: bool,
}

impl Figure {
    pub(crate) fn of(contestant: &str, mut samples: Vec<f64>) -> Self {
        samples.sort_by(f64::total_cmp);
        let at = |index: usize| samples.get(index).copied().unwrap_or(f64::NAN);
        Self {
            contestant: contestant.to_owned(),
            median: at(samples.len() / 2),
            min: at(0),
            max: at(samples.len().saturating_sub(1)),
            recorded: false,
        }
    }

    /// Who it is, and whether it was in this run.
    pub(crate) fn name(&self) -> String {
        let recorded = if self.recorded { " (recorded)" } else { "" };
        format!("{}{recorded}", self.contestant)
    }

    /// A row may have more than one of ours, which are no rivals of each other.
    pub(crate) fn is_ours(&self) -> bool {
        self.contestant.starts_with("headwater")
    }

    pub(crate) fn recorded(contestant: &str, median: f64) -> Self {
        Self {
            recorded: true,
            ..Self::of(contestant, vec![median])
        }
    }
}

/// How many repetitions fill a round, as the first of them that take an eighth of one show. Where one
/// takes a whole round, it is the first sample.
fn calibrated(round: Duration, run: &mut Run<'_>) -> (u64, Vec<f64>) {
    let mut count = 1;
    loop {
        let time = time(run, count);
        if count == 1 && time.whole >= round {
            return (1, vec![time.sample(1)]);
        }
        let took = time.whole.max(Duration::from_nanos(1));
        if took * 8 >= round {
            let rounds = round.as_secs_f64() / took.as_secs_f64();
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "positive and not near 2^64, or else a round would not end"
            )]
            return (((as_f64(count) * rounds) as u64).max(1), Vec::new());
        }
        count *= 4;
    }
}

fn time(run: &mut Run<'_>, count: u64) -> Time {
    let start = ThreadTime::now();
    let part = run(count);
    Time {
        whole: start.elapsed(),
        part,
    }
}

/// What so many repetitions took.
struct Time {
    whole: Duration,
    /// What of it counts, if that is less.
    part: Option<Duration>,
}

impl Time {
    /// Nanoseconds for one repetition.
    fn sample(&self, count: u64) -> f64 {
        self.part.unwrap_or(self.whole).as_secs_f64() * 1e9 / as_f64(count)
    }
}

#[expect(clippy::cast_precision_loss, reason = "exact up to 2^53, and a figure")]
pub(crate) const fn as_f64(count: u64) -> f64 {
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
        row.ratio(row.figures.last().unwrap()).unwrap()
    }

    #[test]
    fn a_ratio_is_above_one_where_ours_is_better() {
        assert!((ratio(&row(Unit::Nanoseconds, [10.0, 30.0])) - 3.0).abs() < 1e-9);
        let rates = row(Unit::Nanoseconds, [10.0, 30.0]).per_second(1_000);
        assert!((ratio(&rates) - 3.0).abs() < 1e-9);
        assert!(rates.figures.iter().all(|figure| figure.min < figure.max));
    }

    #[test]
    fn every_contestant_does_the_work_and_quick_does_it_once() {
        let (mut ours, mut theirs) = (0, 0);
        let row = Contest::new("counting")
            .by("ours", |count| ours += count)
            .by("theirs", |count| theirs += count)
            .held(Effort::QUICK);
        assert_eq!(row.figures.len(), 2);
        assert_eq!((ours, theirs), (1, 1));
    }

    #[test]
    fn exactly_one_contestant_does_it_exactly_so_often() {
        let (mut ours, mut theirs) = (0, 0);
        let mut counted = |by: &str| {
            let exactly = Exactly::new("counting".to_owned(), by.to_owned(), 7);
            let exactly: &Exactly = Box::leak(Box::new(exactly));
            let row = Contest::new("counting")
                .by("ours", |count| ours += count)
                .by("theirs", |count| theirs += count)
                .by_part("a part", |_| unreachable!("it cannot be counted"))
                .held(Effort::exactly(exactly));
            assert!(row.figures.is_empty());
            exactly.done.get()
        };
        assert!(counted("theirs"));
        assert!(!counted("a part"));
        assert!(!counted("nobody"));
        assert_eq!((ours, theirs), (0, 7));
    }

    #[test]
    fn a_variant_of_ours_is_no_rival() {
        let mut row = row(Unit::Nanoseconds, [10.0, 30.0]);
        row.figures
            .push(Figure::of("headwater, with more", vec![20.0]));
        assert!(row.ratio(row.by("headwater, with more").unwrap()).is_none());
        assert!(row.ratio(row.by("one").unwrap()).is_some());
    }

    #[test]
    fn what_is_no_part_of_the_work_does_not_count() {
        let row = Contest::new("waiting")
            .by_part("ours", |count| Duration::from_nanos(50 * count))
            .held(Effort::QUICK)
            .each_of(10);
        let median = row.figures.first().map(|figure| figure.median);
        assert!((median.unwrap() - 5.0).abs() < 1e-9);
    }

    #[test]
    fn long_work_is_done_once_a_round_and_short_work_until_a_round_is_full() {
        let effort = Effort {
            rounds: 3,
            round: Duration::from_millis(2),
            exactly: None,
        };
        let (mut long, mut short) = (0, 0);
        let row = Contest::new("waiting")
            .by("long", |count| {
                long += count;
                let start = ThreadTime::now();
                while start.elapsed() < effort.round {}
            })
            .by("short", |count| repeat(count, || short += 1))
            .held(effort);
        assert_eq!(row.figures.len(), 2);
        assert_eq!(long, 3);
        assert!(short > 1_000, "{short}");
    }
}
