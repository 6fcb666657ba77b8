use std::{collections::VecDeque, iter, ops::RangeInclusive};

use crate::{
    id::{Seq, SessionId},
    submission::{Busy, Decision},
    time::Time,
};

/// The stream of one session's batches to one key: what was decided, and how, as far as it is
/// remembered.
///
/// It belongs to the key, not to the document under it: it outlives removal and re-creation and never
/// starts again.
#[derive(Debug)]
pub(crate) struct Lane {
    pub(crate) session: SessionId,
    /// The last seq that was decided; all before it were, too.
    decided: Seq,
    /// How the last of them were decided, the last one at the back.
    remembered: VecDeque<Remembered>,
    /// Whether the last one was not applied.
    rejected: bool,
    /// Up to this seq what is missing is given up.
    pub(crate) skip_to: Seq,
    pub(crate) report: Option<Report>,
}

#[derive(Clone, Debug)]
struct Remembered {
    /// [`headwater_doc::Patch::digest`] of the batch, to tell a repeat from another batch under its
    /// seq.
    digest: u64,
    decision: Decision,
}

impl Remembered {
    const SKIPPED: Self = Self {
        digest: 0,
        decision: Decision::Skipped,
    };
}

/// What a lane knows of a seq that it may have decided.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Known {
    /// Its turn has not come.
    Undecided,
    /// This batch was decided so.
    Decided(Decision),
    /// Another batch had this seq.
    Other,
    /// It was given up before it came.
    Skipped,
    /// It was decided, and how is forgotten.
    Forgotten,
}

/// Batches that were given up: held ones that were dropped, with their seqs not consumed, so that the
/// sender resends from the lane's `expected`; or, with [`Cause::Skipped`], missing ones that the lane
/// has passed over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Report {
    /// When.
    pub at: Time,
    /// Why.
    pub cause: Cause,
    /// The lowest of their seqs.
    pub first: Seq,
    /// How many they were.
    pub batches: u64,
}

/// Why batches that were held were given up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Cause {
    /// What was missing did not come before the deadline, and what waited for it was dropped.
    Deadline,
    /// What was missing did not come before the deadline; it was given up, and what waited for it was
    /// decided ([`AtDeadline::Skip`](crate::AtDeadline::Skip)). The report counts what was given up.
    Skipped,
    /// Their room was needed for batches nearer to their turn.
    Evicted,
    /// Its turn came when the memory budget had no room for it.
    Memory,
    /// The engine was shut down.
    ShutDown,
}

impl Cause {
    /// A stable word for wire, metric and log.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Deadline => "deadline",
            Self::Skipped => "skipped",
            Self::Evicted => "evicted",
            Self::Memory => Busy::Memory.code(),
            Self::ShutDown => "shut_down",
        }
    }
}

/// Where a lane stands. It is state, not a message: a client that was away finds it too.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LaneStatus {
    /// The last seq that was decided; all before it were, too.
    pub decided: Seq,
    /// The seq that the lane waits for: the next after `decided`.
    pub expected: Seq,
    /// What is missing between `expected` and the highest seq held, ascending.
    pub missing: Vec<RangeInclusive<Seq>>,
    /// The highest seq that is held, if any is.
    pub highest_held: Option<Seq>,
    /// How many batches are held.
    pub held: usize,
    /// When what is held will be given up.
    pub deadline: Option<Time>,
    /// What was given up last.
    pub report: Option<Report>,
}

/// Outcomes that a lane makes room for at a time: so many, since most lanes remember few, or such a part of
/// those that it has, since each time may copy all of them.
const OUTCOMES_GROWTH: usize = 4;
const OUTCOMES_GROWTH_OF: usize = 8;

impl Lane {
    pub(crate) const fn new(session: SessionId) -> Self {
        Self {
            session,
            decided: Seq::ZERO,
            remembered: VecDeque::new(),
            rejected: false,
            skip_to: Seq::ZERO,
            report: None,
        }
    }

    pub(crate) const fn decided(&self) -> Seq {
        self.decided
    }

    pub(crate) const fn expected(&self) -> Seq {
        self.decided.next()
    }

    /// Whether the batch before the next one was rejected or given up.
    pub(crate) const fn predecessor_rejected(&self) -> bool {
        self.rejected
    }

    pub(crate) fn known(&self, seq: Seq, digest: u64) -> Known {
        if seq > self.decided {
            return Known::Undecided;
        }
        match self.find(seq) {
            Some(remembered) if remembered.decision == Decision::Skipped => Known::Skipped,
            Some(remembered) if remembered.digest == digest => Known::Decided(remembered.decision),
            Some(_) => Known::Other,
            None => Known::Forgotten,
        }
    }

    /// How a batch was decided, if that is remembered.
    pub(crate) fn decision(&self, seq: Seq) -> Option<Decision> {
        self.find(seq).map(|remembered| remembered.decision)
    }

    fn find(&self, seq: Seq) -> Option<&Remembered> {
        let back = usize::try_from(self.decided.0.checked_sub(seq.0)?).ok()?;
        self.remembered.iter().rev().nth(back)
    }

    /// Notes how the expected batch was decided; keeps the last `outcomes_max`.
    pub(crate) fn decide(&mut self, digest: u64, decision: Decision, outcomes_max: usize) {
        self.decided = self.expected();
        self.rejected = !matches!(decision, Decision::Applied { .. });
        self.remember(Remembered { digest, decision }, outcomes_max);
    }

    /// The room that it makes before it remembers another outcome.
    fn more(&self, outcomes_max: usize) -> usize {
        let len = self.remembered.len();
        if len < self.remembered.capacity() {
            return 0;
        }
        let more = OUTCOMES_GROWTH.max(len / OUTCOMES_GROWTH_OF);
        more.min(outcomes_max.saturating_sub(len))
    }

    /// Bytes that the memory of its outcomes grows by where the next batch is decided.
    pub(crate) fn outcome_growth(&self, outcomes_max: usize) -> u64 {
        (self.more(outcomes_max) * size_of::<Remembered>()) as u64
    }

    fn remember(&mut self, outcome: Remembered, outcomes_max: usize) {
        if outcomes_max == 0 {
            return;
        }
        if self.remembered.len() >= outcomes_max {
            self.remembered.pop_front();
        }
        self.remembered.reserve_exact(self.more(outcomes_max));
        self.remembered.push_back(outcome);
    }

    /// Gives up all undecided seqs before `next`, however many: a client may name any seq. Costs what is
    /// remembered of them, at most `outcomes_max`.
    pub(crate) fn skip_before(&mut self, next: Seq, outcomes_max: usize) {
        let skipped = self.missing_before(next);
        self.decided = Seq(self.decided.0.max(next.0.saturating_sub(1)));
        self.rejected |= skipped > 0;
        // Those before stay only if none is missing between them and the last.
        let noted = skipped.min(outcomes_max);
        let kept = self.remembered.len().min(outcomes_max - noted);
        self.remembered.drain(..self.remembered.len() - kept);
        self.remembered.reserve_exact(noted);
        self.remembered
            .extend(iter::repeat_n(Remembered::SKIPPED, noted));
    }

    /// Bytes that the memory of its outcomes may grow by where all before `next` are skipped.
    pub(crate) fn growth(&self, next: Seq, outcomes_max: usize) -> u64 {
        let len = self.remembered.len();
        let len = len
            .saturating_add(self.missing_before(next))
            .min(outcomes_max);
        let more = len.saturating_sub(self.remembered.capacity());
        more.saturating_mul(size_of::<Remembered>()) as u64
    }

    /// Notes what was given up. What goes at one moment for one cause is one report: one arrival may evict
    /// several, and one deadline skip several ranges.
    pub(crate) fn report(&mut self, now: Time, cause: Cause, first: Seq, batches: u64) {
        self.report = Some(match self.report {
            Some(last) if (last.at, last.cause) == (now, cause) => Report {
                first: last.first.min(first),
                batches: last.batches.saturating_add(batches),
                ..last
            },
            _ => Report {
                at: now,
                cause,
                first,
                batches,
            },
        });
    }

    /// How many undecided seqs there are before one.
    fn missing_before(&self, next: Seq) -> usize {
        let missing = next.0.saturating_sub(self.expected().0);
        usize::try_from(missing).unwrap_or(usize::MAX)
    }

    /// How many outcomes it remembers without growing.
    pub(crate) fn capacity(&self) -> usize {
        self.remembered.capacity()
    }

    /// Bytes that the memory of its outcomes takes.
    pub(crate) fn heap_bytes(&self) -> usize {
        self.remembered.capacity() * size_of::<Remembered>()
    }

    /// Forgets what the client says that it knows.
    pub(crate) fn forget(&mut self, acked: Seq) {
        let unknown = self.decided.0.saturating_sub(acked.0);
        let unknown = usize::try_from(unknown).unwrap_or(usize::MAX);
        let forgotten = self.remembered.len().saturating_sub(unknown);
        self.remembered.drain(..forgotten);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::{Incarnation, Version};

    fn lane(decided: u64, outcomes_max: usize) -> Lane {
        let mut lane = Lane::new(SessionId {
            incarnation: Incarnation(0),
            number: 1,
        });
        for seq in 1..=decided {
            let version = Version(seq);
            lane.decide(seq * 10, Decision::Applied { version }, outcomes_max);
        }
        lane
    }

    #[test]
    fn a_repeat_is_told_from_another_batch_and_from_one_forgotten() {
        let lane = lane(5, 3);
        let version = Version(3);
        assert_eq!(
            lane.known(Seq(3), 30),
            Known::Decided(Decision::Applied { version })
        );
        assert_eq!(lane.known(Seq(3), 31), Known::Other);
        assert_eq!(lane.known(Seq(2), 20), Known::Forgotten);
        assert_eq!(lane.known(Seq(0), 0), Known::Forgotten);
        assert_eq!(lane.known(Seq(6), 60), Known::Undecided);
    }

    #[test]
    fn what_the_client_knows_is_forgotten_and_no_more() {
        let mut lane = lane(5, 128);
        lane.forget(Seq(3));
        assert_eq!(lane.decision(Seq(3)), None);
        assert!(lane.decision(Seq(4)).is_some());
        lane.forget(Seq(u64::MAX));
        assert_eq!(lane.decision(Seq(5)), None);
        assert_eq!(lane.expected(), Seq(6));
        lane.forget(Seq::ZERO);
        assert_eq!(lane.expected(), Seq(6));
    }

    #[test]
    fn those_that_were_skipped_are_remembered_behind_those_that_were_decided() {
        let mut lane = lane(3, 4);
        lane.skip_before(Seq(6), 4);
        let decisions = [1, 2, 3, 4, 5].map(|seq| {
            lane.decision(Seq(seq))
                .map(|decision| decision == Decision::Skipped)
        });
        assert_eq!(
            decisions,
            [None, Some(false), Some(false), Some(true), Some(true)]
        );
        assert_eq!((lane.expected(), lane.capacity()), (Seq(6), 4));
        // What lies behind a gap in the memory would stand for another.
        lane.skip_before(Seq(u64::MAX), 4);
        assert_eq!(lane.decision(Seq(5)), None);
        assert_eq!(lane.decision(Seq(u64::MAX - 4)), Some(Decision::Skipped));
    }

    /// P9: each time may copy all that is remembered.
    #[test]
    fn a_lane_that_remembers_much_makes_room_for_it_in_few_steps() {
        const OUTCOMES_MAX: usize = 65_536;
        let mut lane = lane(0, OUTCOMES_MAX);
        let mut steps = 0;
        for seq in 1..=2 * OUTCOMES_MAX as u64 {
            let (before, growth) = (lane.heap_bytes(), lane.outcome_growth(OUTCOMES_MAX));
            let version = Version(seq);
            lane.decide(seq, Decision::Applied { version }, OUTCOMES_MAX);
            assert_eq!(lane.heap_bytes() as u64, before as u64 + growth);
            steps += u32::from(growth > 0);
        }
        assert!(steps < 100, "{steps}");
        assert_eq!(lane.capacity(), OUTCOMES_MAX);
    }

    /// P10: a client names any seq, and a host may have asked for a memory of any size.
    #[test]
    fn the_room_for_what_is_skipped_is_no_less_than_it_takes() {
        let far = Seq((1 << 59) + 1);
        assert_eq!(lane(0, 4).growth(far, usize::MAX), u64::MAX);
        for outcomes_max in [0, 1, 4, 1_000] {
            let mut lane = lane(3, 4);
            let (before, growth) = (lane.heap_bytes(), lane.growth(far, outcomes_max));
            lane.skip_before(far, outcomes_max);
            assert!(lane.heap_bytes() as u64 <= before as u64 + growth);
            assert!(lane.capacity() <= outcomes_max.max(4));
        }
    }
}
