use std::{collections::BTreeMap, sync::Arc};

use headwater_core::{Decision, Outcome, Report, Seq, Sessions, Shard, Shared, Submission, Time};

use crate::pair::{INCARNATION, config};

/// A lane as it must be.
#[derive(Default)]
pub(crate) struct Lane {
    /// All that its client wrote, by seq; a hostile one writes some far ahead.
    pub(crate) batches: BTreeMap<u64, Submission>,
    /// Up to here the client has given out the numbers.
    pub(crate) written: u64,
    /// Whether the shard has taken anything from it.
    pub(crate) open: bool,
    pub(crate) decided: u64,
    /// How each was decided; the others up to `decided` were skipped.
    pub(crate) decisions: BTreeMap<u64, Decision>,
    /// Up to here the client said that it knows the outcomes.
    pub(crate) acked: u64,
    /// What waits, and what it is charged.
    pub(crate) held: BTreeMap<u64, usize>,
    pub(crate) deadline: Option<Time>,
    /// Up to here what is missing may be skipped.
    pub(crate) skip_to: u64,
    pub(crate) report: Option<Report>,
    /// Whether the last one was rejected or skipped.
    pub(crate) rejected: bool,
}

impl Lane {
    pub(crate) const fn expected(&self) -> Seq {
        Seq(self.decided).next()
    }

    pub(crate) fn batch(&self, seq: u64) -> &Submission {
        let batch = self.batches.get(&seq);
        batch.unwrap_or_else(|| panic!("nobody wrote batch {seq}"))
    }

    pub(crate) fn decision(&self, seq: u64) -> Decision {
        self.decisions
            .get(&seq)
            .copied()
            .unwrap_or(Decision::Skipped)
    }

    /// Whether the outcome of a decided batch must still be known.
    pub(crate) const fn remembers(&self, seq: u64, outcomes_max: usize) -> bool {
        seq > self.acked && seq <= self.decided && self.decided - seq < outcomes_max as u64
    }

    pub(crate) fn acknowledge(&mut self, acked: Seq) {
        self.acked = self.acked.max(acked.0.min(self.decided));
    }

    pub(crate) fn bytes(&self) -> usize {
        self.held.values().sum()
    }

    pub(crate) fn highest(&self) -> Option<u64> {
        self.held.keys().next_back().copied()
    }

    pub(crate) fn decide(&mut self, seq: u64, decision: Decision) {
        assert_eq!(seq, self.expected().0, "P2: in order");
        let before = self.decisions.insert(seq, decision);
        assert_eq!(before, None, "P1: once");
        self.decided = seq;
        self.rejected = !matches!(decision, Decision::Applied { .. });
    }

    /// The number for the client's next batch; none if the lane is at the end of all numbers.
    pub(crate) fn next_seq(&mut self) -> Option<u64> {
        let mut next = self.written.max(self.decided).checked_add(1)?;
        while self.batches.contains_key(&next) {
            next = next.checked_add(1)?;
        }
        self.written = next;
        Some(next)
    }

    /// What the client wrote and the lane has not decided, without what is far ahead.
    pub(crate) fn pending(&self) -> impl Iterator<Item = &Submission> {
        let (decided, written) = (self.decided, self.written);
        let above = self.batches.range(decided.saturating_add(1)..);
        let above = above.take_while(move |(seq, _)| **seq <= written && **seq > decided);
        above.map(|(_, batch)| batch)
    }
}

/// What a batch is charged while it is held: asked of a shard that holds nothing else.
pub(crate) fn charge(batch: &Submission) -> usize {
    let mut sessions = Sessions::new(INCARNATION, 1);
    let (session, attachment) = sessions.open(Time::START).unwrap();
    let mut shard = Shard::new(config(), Arc::new(Shared::new(INCARNATION, u64::MAX)));
    let alone = Submission {
        session,
        attachment,
        seq: Seq(2),
        ..batch.clone()
    };
    let outcome = shard.submit(Time::START, &sessions, &alone);
    assert!(matches!(outcome, Outcome::Held { .. }), "{outcome:?}");
    let bytes = shard.memory().reorder;
    assert!(
        bytes >= batch.patch.heap_bytes(),
        "P7: at least what it takes"
    );
    usize::try_from(bytes).unwrap()
}
