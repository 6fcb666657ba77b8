use std::{collections::VecDeque, iter::Sum, sync::Arc, time::Duration};

use headwater::{Key, LaneStatus, Patch, Seq};

use super::{link::Link, schedule::Schedule, schedule::nanos, traffic::Operations};

/// A client's end of a lane: numbers its batches and remembers those whose outcome it does not know.
#[derive(Debug)]
pub(crate) struct Lane {
    pub(crate) key: Key,
    /// The document's number.
    pub(crate) document: usize,
    /// The client's place in its thread.
    pub(crate) client: usize,
    pub(crate) operations: Operations,
    pub(crate) schedule: Schedule,
    pub(crate) link: Link,
    /// When the next operation is due. It may be past, while there is no room for it.
    pub(crate) due: Option<u64>,
    /// Whether an operation is due and finds no room.
    pub(crate) stalled: bool,
    /// The seq of the first in `flight`.
    first: Seq,
    flight: VecDeque<Flying>,
    /// When to look for what was lost, if a look is planned.
    pub(crate) look_at: Option<u64>,
    /// Looks in a row that found something to send again without any sign of progress.
    vain: u32,
}

/// A batch whose outcome its client does not know, or one behind such a batch.
#[derive(Debug)]
struct Flying {
    due: u64,
    /// When it was sent last.
    sent: u64,
    patch: Arc<Patch>,
    /// Whether the link lost or delayed it, or one that it waits for.
    disturbed: bool,
    /// Whether it waits in one of the engine's queues.
    queued: bool,
    /// Whether the engine said last that it was not taken.
    told: bool,
    known: bool,
}

/// A batch whose outcome has just become known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Known {
    pub(crate) due: u64,
    pub(crate) disturbed: bool,
}

/// What a lane still does not know when its client gives up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Unknown {
    pub(crate) told: u64,
    pub(crate) unaccounted: u64,
}

impl Sum for Unknown {
    fn sum<I: Iterator<Item = Self>>(unknown: I) -> Self {
        unknown.fold(Self::default(), |sum, one| Self {
            told: sum.told + one.told,
            unaccounted: sum.unaccounted + one.unaccounted,
        })
    }
}

/// Batches of a lane that are under way: half of what the engine's lane holds by default, so that a
/// loss alone never fills it. More operations are due later, without a batch each.
const FLIGHT_MAX: usize = 32;

/// How long a client waits for an answer before it takes a batch for lost: longer than a server that
/// is well takes, short beside the 2 s after which the engine gives up what it holds.
const PATIENCE: Duration = Duration::from_millis(100);

/// How long it waits if later batches have arrived: long enough for one that was only overtaken.
const PATIENCE_OVERTAKEN: Duration = Duration::from_millis(20);

/// Its patience doubles with each look in vain, up to 16 times.
const VAIN_MAX: u32 = 4;

impl Lane {
    pub(crate) const fn new(
        key: Key,
        document: usize,
        client: usize,
        operations: Operations,
        schedule: Schedule,
        link: Link,
    ) -> Self {
        Self {
            key,
            document,
            client,
            operations,
            schedule,
            link,
            due: None,
            stalled: false,
            first: Seq(1),
            flight: VecDeque::new(),
            look_at: None,
            vain: 0,
        }
    }

    /// Whether another batch may be under way.
    pub(crate) fn has_room(&self) -> bool {
        self.flight.len() < FLIGHT_MAX
    }

    /// Whether all outcomes are known and nothing more is due.
    pub(crate) fn is_done(&self) -> bool {
        self.flight.is_empty() && self.due.is_none()
    }

    pub(crate) fn is_idle(&self) -> bool {
        self.flight.is_empty()
    }

    /// Numbers a batch.
    pub(crate) fn push(&mut self, now: u64, due: u64, patch: Patch) -> Seq {
        let seq = Seq(self.first.0 + self.flight.len() as u64);
        self.flight.push_back(Flying {
            due,
            sent: now,
            patch: Arc::new(patch),
            disturbed: self.flight.iter().any(|earlier| earlier.disturbed),
            queued: false,
            told: false,
            known: false,
        });
        seq
    }

    /// Whether the outcome of a batch under way is known.
    pub(crate) fn knows(&mut self, seq: Seq) -> bool {
        self.flying(seq).is_some_and(|flying| flying.known)
    }

    /// Operations that are not sent yet.
    pub(crate) fn unsent(&self) -> u64 {
        u64::from(self.due.is_some()) + self.schedule.left()
    }

    /// Ends its schedule at this time, if that is before its end.
    pub(crate) fn cut(&mut self, end: u64) {
        self.schedule.cut(end);
        self.due = self.due.filter(|&due| due < end);
    }

    /// The patch of a batch under way.
    pub(crate) fn patch(&mut self, seq: Seq) -> Option<Arc<Patch>> {
        self.flying(seq).map(|flying| Arc::clone(&flying.patch))
    }

    /// Up to here the client knows all outcomes.
    pub(crate) fn acked(&self) -> Seq {
        Seq(self.first.0.saturating_sub(1))
    }

    /// Notes that the link did not leave a batch alone.
    pub(crate) fn disturb(&mut self, seq: Seq) {
        if let Some(flying) = self.flying(seq) {
            flying.disturbed = true;
        }
    }

    /// Notes that a batch waits in a queue, or does no more.
    pub(crate) fn set_queued(&mut self, seq: Seq, queued: bool) {
        if let Some(flying) = self.flying(seq) {
            flying.queued = queued;
        }
    }

    /// Notes that a batch was not taken, and is to be sent again at `again` if it is still needed.
    pub(crate) fn refuse(&mut self, seq: Seq, again: u64) {
        if let Some(flying) = self.flying(seq) {
            flying.told = true;
            flying.sent = again.saturating_sub(nanos(PATIENCE_OVERTAKEN));
        }
    }

    /// Notes that the outcome of a batch is known; `None` if it was known before.
    pub(crate) fn settle(&mut self, seq: Seq) -> Option<Known> {
        let flying = self.flying(seq).filter(|flying| !flying.known)?;
        flying.known = true;
        let known = Known {
            due: flying.due,
            disturbed: flying.disturbed,
        };
        while self.flight.front().is_some_and(|front| front.known) {
            self.flight.pop_front();
            self.first = self.first.next();
        }
        self.vain = 0;
        Some(known)
    }

    /// The batches under way that the lane has decided, as far as their outcomes are not known.
    pub(crate) fn unknown_to(&self, decided: Seq) -> Vec<Seq> {
        self.seqs()
            .take_while(|(seq, _)| *seq <= decided)
            .filter(|(_, flying)| !flying.known)
            .map(|(seq, _)| seq)
            .collect()
    }

    /// Chooses what to send again: what the engine neither decided nor holds, although it was sent long
    /// enough ago. Notes it as sent now.
    pub(crate) fn lost(&mut self, now: u64, status: &LaneStatus) -> Vec<Seq> {
        let held = |seq: Seq| {
            status.highest_held.is_some_and(|highest| seq <= highest)
                && !status.missing.iter().any(|range| range.contains(&seq))
        };
        let overtaken = |seq: Seq| status.highest_held.is_some_and(|highest| seq < highest);
        let lost: Vec<_> = self
            .seqs()
            .filter(|&(seq, flying)| {
                let patience = if overtaken(seq) || flying.told {
                    nanos(PATIENCE_OVERTAKEN)
                } else {
                    nanos(PATIENCE) << self.vain
                };
                let old = now >= flying.sent.saturating_add(patience);
                seq >= status.expected && !held(seq) && !flying.queued && old
            })
            .map(|(seq, _)| seq)
            .collect();
        for &seq in &lost {
            if let Some(flying) = self.flying(seq) {
                flying.sent = now;
                flying.told = false;
            }
        }
        if !lost.is_empty() {
            self.vain = (self.vain + 1).min(VAIN_MAX);
        }
        lost
    }

    /// When to look for what was lost if nothing is heard until then, and whether the engine holds
    /// some already.
    pub(crate) fn next_look(&self, now: u64, some_held: bool) -> u64 {
        let patience = if some_held {
            nanos(PATIENCE_OVERTAKEN)
        } else {
            nanos(PATIENCE) << self.vain
        };
        now.saturating_add(patience)
    }

    /// What of the batches under way the client was told, and what it was not.
    pub(crate) fn unknown(&self) -> Unknown {
        let unknown = self.flight.iter().filter(|flying| !flying.known);
        let told = unknown.clone().filter(|flying| flying.told).count() as u64;
        Unknown {
            told,
            unaccounted: unknown.count() as u64 - told,
        }
    }

    fn seqs(&self) -> impl Iterator<Item = (Seq, &Flying)> {
        (self.first.0..).map(Seq).zip(&self.flight)
    }

    fn flying(&mut self, seq: Seq) -> Option<&mut Flying> {
        let index = usize::try_from(seq.0.checked_sub(self.first.0)?).ok()?;
        self.flight.get_mut(index)
    }
}

#[cfg(test)]
mod tests {
    use fastrand::Rng;

    use super::*;
    use crate::load::{options::Preset, plan::Plan, traffic::Traffic};

    const MILLI: u64 = 1_000_000;

    fn lane() -> Lane {
        let traffic = Traffic::new(1, 0);
        let plan = Plan::of(Some(Preset::Sustained));
        Lane::new(
            Key::new("d").unwrap(),
            0,
            0,
            traffic.operations(0, 1),
            Schedule::new(&plan, 0, Rng::with_seed(1)),
            Link::new(Rng::with_seed(1), 0.0, 0.0, 0),
        )
    }

    fn status(decided: u64, missing: &[u64], highest_held: Option<u64>) -> LaneStatus {
        LaneStatus {
            decided: Seq(decided),
            expected: Seq(decided + 1),
            missing: missing.iter().map(|&seq| Seq(seq)..=Seq(seq)).collect(),
            highest_held: highest_held.map(Seq),
            held: 0,
            deadline: None,
            report: None,
        }
    }

    #[test]
    fn what_is_missing_is_sent_again_and_what_is_held_is_not() {
        let mut lane = lane();
        for due in 0..4 {
            lane.push(0, due, Patch::from_iter([]));
        }
        let held = status(0, &[1], Some(3));
        assert_eq!(lane.lost(19 * MILLI, &held), []);
        assert_eq!(lane.lost(20 * MILLI, &held), [Seq(1)]);
        assert_eq!(lane.lost(21 * MILLI, &held), [], "it is under way again");
        // Behind what is held nothing has overtaken it; patience has doubled since the last look.
        assert_eq!(lane.lost(250 * MILLI, &held), [Seq(1), Seq(4)]);
    }

    #[test]
    fn an_outcome_counts_once_and_in_any_order() {
        let mut lane = lane();
        for due in [10, 20] {
            lane.push(0, due, Patch::from_iter([]));
        }
        assert_eq!(lane.settle(Seq(2)).map(|known| known.due), Some(20));
        assert_eq!(lane.settle(Seq(2)), None);
        assert_eq!(lane.acked(), Seq(0));
        assert_eq!(lane.unknown().unaccounted, 1);
        assert_eq!(lane.settle(Seq(1)).map(|known| known.due), Some(10));
        assert_eq!(lane.acked(), Seq(2));
        assert!(lane.is_idle());
        assert_eq!(lane.settle(Seq(1)), None, "a late copy of it");
    }

    #[test]
    fn whoever_waits_for_a_disturbed_batch_is_disturbed() {
        let mut lane = lane();
        lane.push(0, 0, Patch::from_iter([]));
        let lost = lane.push(0, 1, Patch::from_iter([]));
        lane.disturb(lost);
        let behind = lane.push(0, 2, Patch::from_iter([]));
        assert_eq!(
            lane.settle(Seq(1)).map(|known| known.disturbed),
            Some(false)
        );
        assert_eq!(lane.settle(behind).map(|known| known.disturbed), Some(true));
    }
}
