use std::{collections::VecDeque, iter, sync::Arc};

use headwater::{Key, LaneStatus, Patch, Seq, Session, Submission};

/// A client's end of a lane: numbers its batches, remembers when each was sent last, and sends again
/// what the engine's status shows to be missing.
pub(crate) struct Sender {
    session: Session,
    key: Key,
    /// All batches handed to it so far, by seq from 1 on.
    batches: Vec<Arc<Patch>>,
    /// The slots in which the batches from `first` on were sent last.
    sent: VecDeque<u64>,
    /// The lowest seq that is not known to be decided.
    first: Seq,
    /// Batches that it sends ahead of the first that is not decided.
    flight_max: usize,
    pub(crate) resent: u64,
}

impl Sender {
    pub(crate) const fn new(session: Session, key: Key, flight_max: usize) -> Self {
        Self {
            session,
            key,
            batches: Vec::new(),
            sent: VecDeque::new(),
            first: Seq(1),
            flight_max,
            resent: 0,
        }
    }

    /// Gives it one more batch to send.
    pub(crate) fn push(&mut self, patch: Arc<Patch>) {
        self.batches.push(patch);
    }

    /// How many it was given so far.
    pub(crate) const fn batches(&self) -> usize {
        self.batches.len()
    }

    /// Where its lane stands.
    pub(crate) fn status(&self) -> LaneStatus {
        self.session.status(&self.key)
    }

    /// Whether all that it was given is decided, as of its last look at the status.
    pub(crate) fn is_done(&self) -> bool {
        self.first.0 > self.batches.len() as u64
    }

    /// Chooses what to send in this slot: the lowest batch that must have been lost, since the status
    /// lacks it although it was sent long enough ago; else the next one, if not too many are under way.
    pub(crate) fn next(
        &mut self,
        slot: u64,
        status: &LaneStatus,
        should_have_arrived: impl Fn(u64) -> bool,
    ) -> Option<Seq> {
        while self.first <= status.decided {
            self.first = self.first.next();
            self.sent.pop_front();
        }
        let behind = status.highest_held.unwrap_or(status.decided).next();
        let unsent = Seq(self.first.0 + self.sent.len() as u64);
        let missing = status
            .missing
            .iter()
            .map(|range| range.start().0..range.end().0 + 1);
        // What is missing before the last that is held, and all that should have come after it.
        let absent = missing.chain(iter::once(behind.0..unsent.0)).flatten();
        for seq in absent.map(Seq) {
            if let Some(sent) = self.sent_at(seq)
                && should_have_arrived(*sent)
            {
                *sent = slot;
                self.resent += 1;
                return Some(seq);
            }
        }
        let more = unsent.0 <= self.batches.len() as u64 && self.sent.len() < self.flight_max;
        more.then(|| {
            self.sent.push_back(slot);
            unsent
        })
    }

    fn sent_at(&mut self, seq: Seq) -> Option<&mut u64> {
        let index = usize::try_from(seq.0.checked_sub(self.first.0)?).ok()?;
        self.sent.get_mut(index)
    }

    /// The batch as it is handed in.
    pub(crate) fn submission(&self, seq: Seq) -> Option<Submission> {
        let index = usize::try_from(seq.0.checked_sub(1)?).ok()?;
        // A copy that is still under way must find its outcome: what was sent within the last two
        // flights is not acknowledged.
        let acked = self.first.0.saturating_sub(2 * self.flight_max as u64 + 1);
        let patch = Arc::clone(self.batches.get(index)?);
        Some(Submission {
            acked: Seq(acked),
            ..self.session.batch(&self.key, seq, patch)
        })
    }
}
