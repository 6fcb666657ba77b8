use std::{collections::BTreeMap, task::Waker};

use headwater_core::{
    AtDeadline, Busy, Cause, CloseReason, Decision, Key, LaneStatus, Limit, Outcome, Refusal,
    Rejection, Report, Scope, Seq, SessionId, Submission, Version,
};
use headwater_doc::Extensions;

use super::{
    clients::describe,
    documents::Stale,
    lanes::charge,
    model::{Expected, Given},
    world::World,
};

/// What was just asked of a shard.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Event<'a> {
    Submitted(&'a Submission, &'a Outcome),
    Tick,
    Other,
}

type LaneId = (SessionId, Key);

/// Whether a batch gets this only after it was looked whether it can be taken for now.
const fn is_late(outcome: &Outcome) -> bool {
    matches!(outcome, Outcome::Refused(Refusal::Retry { .. }))
}

impl World<'_> {
    /// Hands a batch in, checks the outcome, and counts it as its sender does.
    pub(crate) fn deliver(&mut self, batch: &Submission) -> Outcome {
        let shard = self.model.shards[&batch.key];
        let mut expected = self.model.expect(self.now, batch);
        let outcome = if self.random.one_in(32) {
            // As if a queue before the shard were full.
            let retry = Outcome::Refused(Busy::Queue.retry());
            if !matches!(&expected, Expected::This(known) if !is_late(known)) {
                expected = Expected::This(retry);
            }
            self.shards[shard].turn_away(self.now, &self.sessions, batch, Busy::Queue)
        } else {
            self.shards[shard].submit(self.now, &self.sessions, batch)
        };
        self.tell(|| format!("deliver {} → {}", describe(batch), brief(&outcome)));
        self.model.counts[shard].received += 1;
        if outcome == Outcome::Refused(Busy::Memory.retry()) {
            let grows = match &expected {
                Expected::Decided | Expected::HeldOrGap => true,
                Expected::This(known) => is_late(known),
            };
            assert!(grows, "{expected:?}");
            self.check_refused_for_memory();
            if matches!(expected, Expected::Decided) {
                // What it acknowledges is forgotten before it is found out what would come of it.
                let lane = self.model.lane(batch.session, &batch.key);
                let acked = Seq(batch.acked.0.min(lane.decided));
                let told = self.shards[shard].decision(batch.session, &batch.key, acked);
                if told.is_none() {
                    lane.acknowledge(acked);
                }
            }
            self.model.counts[shard].told += 1;
            self.seen.note("memory");
            self.settle(shard, Event::Other);
            return outcome;
        }
        match &expected {
            Expected::This(expected) => assert_eq!(outcome, *expected, "{batch:?}"),
            Expected::Decided | Expected::HeldOrGap => self.model.looked_at(batch),
        }
        let counts = &mut self.model.counts[shard];
        let (decided, ahead) = (
            matches!(expected, Expected::Decided),
            matches!(expected, Expected::HeldOrGap),
        );
        match &outcome {
            Outcome::Applied { .. } => {
                assert!(decided, "{outcome:?}");
                counts.applied += 1;
                self.seen.note("applied");
            }
            Outcome::Rejected(rejection) => {
                assert!(decided, "{outcome:?}");
                counts.rejected += 1;
                self.seen.note(rejection.code());
            }
            Outcome::Duplicate(_) => {
                counts.duplicate += 1;
                self.seen.note("duplicate");
            }
            Outcome::Held { .. } if !ahead => {
                counts.duplicate += 1;
                self.seen.note("held again");
            }
            Outcome::Held { expected, deadline } => {
                counts.held += 1;
                let gap_deadline = self.config.shard.reorder.gap_deadline;
                let lane = self.model.lane(batch.session, &batch.key);
                lane.deadline.get_or_insert(self.now + gap_deadline);
                assert_eq!(
                    (*expected, Some(*deadline)),
                    (lane.expected(), lane.deadline)
                );
                assert!(lane.held.insert(batch.seq.0, charge(batch)).is_none());
                self.seen.note("held");
            }
            Outcome::Refused(refusal) => {
                counts.told += 1;
                self.seen.note(refusal.code());
                if let Refusal::Gap {
                    expected,
                    received,
                    scope,
                    limit,
                    bound,
                } = *refusal
                {
                    assert!(ahead, "{outcome:?}");
                    self.check_gap(batch, (expected, received), scope, limit, bound);
                }
            }
        }
        self.settle(shard, Event::Submitted(batch, &outcome));
        outcome
    }

    fn check_gap(
        &mut self,
        batch: &Submission,
        seqs: (Seq, Seq),
        scope: Scope,
        limit: Limit,
        bound: usize,
    ) {
        let expected = self.model.lane(batch.session, &batch.key).expected();
        assert_eq!(seqs, (expected, batch.seq));
        self.model.check_gap(batch, scope, limit, bound);
    }

    /// Something was refused for want of memory; there must have been little.
    pub(crate) fn check_refused_for_memory(&self) {
        let budget = &self.shared.budget;
        // What was held may have been let go since.
        let (used, max) = (budget.used().max(self.used), budget.max());
        assert!(used + MARGIN > max, "P7: {used} of {max}");
    }

    /// The model catches up with what the shard says that it decided and gave up; then both must agree.
    pub(crate) fn settle(&mut self, shard: usize, event: Event<'_>) {
        let effects = self.shards[shard].effects();
        effects.woken.into_iter().for_each(Waker::wake);
        let late = effects.late;
        let mut lanes: Vec<LaneId> = Vec::new();
        if let Event::Submitted(batch, _) = event {
            lanes.push((batch.session, batch.key.clone()));
        }
        // In the order in which the shard came to them.
        lanes.extend(late.iter().cloned());
        lanes.extend(
            self.model
                .lanes
                .keys()
                .filter(|(_, key)| self.model.shards[key] == shard)
                .cloned(),
        );
        let mut done: Vec<LaneId> = Vec::new();
        let (mut given, mut closed) = (Given::new(), Vec::new());
        let mut statuses = BTreeMap::new();
        for id in lanes {
            if done.contains(&id) || !self.model.lanes.contains_key(&id) {
                continue;
            }
            let status = self.shards[shard].lane_status(id.0, &id.1);
            let was = self.model.lanes[&id].decided;
            let news = self.catch_up(shard, &id, &status, event, &mut closed);
            let gone = self.given_up(&id, &status, event, was);
            assert!(
                late.contains(&id) || (!news && gone.is_empty()),
                "P4: nobody was told"
            );
            if !gone.is_empty() {
                given.insert(id.clone(), gone);
            }
            statuses.insert(id.clone(), status);
            done.push(id);
        }
        if let Event::Submitted(batch, Outcome::Held { .. }) = event {
            self.model.check_evictions(batch, &given);
        }
        for (id, gone) in given {
            let lane = self.model.lanes.get_mut(&id).unwrap();
            lane.held.retain(|seq, _| !gone.contains(seq));
            let counts = &mut self.model.counts[shard];
            counts.held -= gone.len() as u64;
            counts.told += gone.len() as u64;
        }
        statuses
            .iter()
            .for_each(|(id, status)| self.check_lane(shard, id, status));
        assert_eq!(effects.closed, closed);
        self.check(shard);
    }

    /// Whether any was decided later than it was handed in.
    fn catch_up(
        &mut self,
        shard: usize,
        id: &LaneId,
        status: &LaneStatus,
        event: Event<'_>,
        closed: &mut Vec<(Key, CloseReason)>,
    ) -> bool {
        let mut news = false;
        let mut direct = match event {
            Event::Submitted(batch, outcome @ (Outcome::Applied { .. } | Outcome::Rejected(_)))
                if (batch.session, &batch.key) == (id.0, &id.1) =>
            {
                Some((batch, outcome))
            }
            _ => None,
        };
        let lane = &self.model.lanes[id];
        assert!(
            status.decided >= Seq(lane.decided),
            "a lane never goes back"
        );
        let before = lane.report;
        let mut report = before;
        while self.model.lanes[id].decided < status.decided.0 {
            let lane = self.model.lanes.get_mut(id).unwrap();
            let expected = lane.expected().0;
            let first = direct.take();
            if first.is_none() && lane.held.remove(&expected).is_none() {
                assert!(
                    expected <= lane.skip_to,
                    "batch {expected} was decided and never came"
                );
                let next = *lane.held.keys().next().expect("one to skip to");
                self.seen.add("skipped", 1);
                let (first, batches) = (Seq(expected), next - expected);
                // What is skipped at one moment is one report.
                report = Some(match report {
                    Some(last) if (last.at, last.cause) == (self.now, Cause::Skipped) => Report {
                        batches: last.batches + batches,
                        ..last
                    },
                    _ => Report {
                        at: self.now,
                        cause: Cause::Skipped,
                        first,
                        batches,
                    },
                });
                lane.decided = next - 1;
                lane.rejected = true;
                continue;
            }
            let batch = match first {
                Some((batch, _)) => batch.clone(),
                None => lane.batch(expected).clone(),
            };
            assert_eq!(batch.seq.0, expected);
            let decided = self.model.decide(self.now, &batch);
            if matches!(decided, Err(Stale::Rejected(Rejection::Panicked))) {
                closed.push((batch.key.clone(), CloseReason::Panicked));
            }
            if let Some((_, outcome)) = first {
                self.check_direct(&batch, outcome, &decided);
            } else {
                news = true;
                let counts = &mut self.model.counts[shard];
                counts.held -= 1;
                if decided.is_ok() {
                    counts.applied += 1;
                    self.seen.note("late applied");
                } else {
                    counts.rejected += 1;
                    self.seen.note("late rejected");
                }
            }
            let lane = self.model.lanes.get_mut(id).unwrap();
            let gap_deadline = self.config.shard.reorder.gap_deadline;
            lane.deadline = (!lane.held.is_empty()).then_some(self.now + gap_deadline);
        }
        assert!(direct.is_none(), "decided, and the lane does not know");
        if report != before {
            assert_eq!(status.report, report, "P4: what was skipped is reported");
        }
        news
    }

    fn check_direct(
        &self,
        batch: &Submission,
        outcome: &Outcome,
        decided: &Result<Decision, Stale>,
    ) {
        match (outcome, decided) {
            (Outcome::Applied { version }, Ok(Decision::Applied { version: expected })) => {
                assert_eq!(version, expected);
            }
            (
                Outcome::Rejected(Rejection::Conflict(conflict)),
                Err(Stale::Conflict { base, paths }),
            ) => {
                let position = self.model.documents.open[&batch.key].position;
                assert_eq!(
                    (conflict.base, conflict.head),
                    (base.version, position.version)
                );
                assert_eq!(conflict.paths.len(), paths.len().min(64));
                assert!(conflict.paths.iter().all(|path| paths.contains(path)));
                let frame = conflict
                    .squash(Extensions::ALL)
                    .expect("the way to the newest version");
                let (old, _) = self.model.documents.version(&batch.key, *base).unwrap();
                let new = super::subscribers::advance(old, &frame);
                assert_eq!(
                    new.digest(),
                    self.model.documents.digest(&batch.key, position)
                );
            }
            (Outcome::Rejected(rejection), Err(Stale::Rejected(expected))) => {
                assert_eq!(rejection, expected);
            }
            _ => panic!("{outcome:?} is not how the model decides"),
        }
    }

    /// What a lane held and holds no more, undecided; its sender must have been told, for a good reason.
    fn given_up(
        &mut self,
        id: &LaneId,
        status: &LaneStatus,
        event: Event<'_>,
        was: u64,
    ) -> Vec<u64> {
        let lane = &self.model.lanes[id];
        let is_held = |seq: u64| {
            let missing = status.missing.iter().any(|range| range.contains(&Seq(seq)));
            status.highest_held >= Some(Seq(seq)) && !missing
        };
        let gone: Vec<u64> = lane
            .held
            .keys()
            .copied()
            .filter(|&seq| !is_held(seq))
            .collect();
        assert_eq!(status.held, lane.held.len() - gone.len());
        let Some(&first) = gone.first() else {
            return gone;
        };
        let report = status.report.expect("P4: what was given up is reported");
        match report.cause {
            Cause::Deadline => {
                assert!(matches!(event, Event::Tick), "{event:?}");
                assert!(lane.deadline <= Some(self.now), "before its deadline");
                assert_eq!((status.held, lane.decided), (0, was));
                assert_eq!(self.model.at_deadline(&id.1), AtDeadline::Report);
                let batches = gone.len() as u64;
                let expected = Report {
                    at: self.now,
                    cause: Cause::Deadline,
                    first: Seq(first),
                    batches,
                };
                // Two deadlines of a lane at one moment would be one report.
                assert!(report == expected || report.batches > batches);
                self.seen.note("given up: deadline");
            }
            Cause::Evicted => {
                assert!(
                    matches!(event, Event::Submitted(_, Outcome::Held { .. })),
                    "{event:?}"
                );
                assert_eq!(report.at, self.now);
                assert!(report.first.0 <= first && report.batches >= gone.len() as u64);
                self.seen.note("given up: evicted");
            }
            Cause::Memory => {
                self.check_refused_for_memory();
                let expected = Report {
                    at: self.now,
                    cause: Cause::Memory,
                    first: status.expected,
                    batches: 1,
                };
                assert_eq!((report, &gone[..]), (expected, &[status.expected.0][..]));
                let gap_deadline = self.config.shard.reorder.gap_deadline;
                let lane = self.model.lanes.get_mut(id).unwrap();
                lane.deadline = (status.held > 0).then_some(self.now + gap_deadline);
                self.seen.note("given up: memory");
            }
            other => panic!("{other:?}"),
        }
        gone
    }

    /// All that a lane's status says, and what must be remembered is, rightly; what need not be is not.
    fn check_lane(&mut self, shard: usize, id: &LaneId, status: &LaneStatus) {
        let outcomes_max = self.config.shard.outcomes_max;
        let lane = self.model.lanes.get_mut(id).unwrap();
        if lane.held.is_empty() {
            lane.deadline = None;
        }
        assert_eq!(status.decided.0, lane.decided);
        assert_eq!(status.expected, lane.expected());
        assert_eq!(status.deadline, lane.deadline);
        assert_eq!(status.highest_held.map(|seq| seq.0), lane.highest());
        lane.report = status.report;
        let trimmed = lane.decided.saturating_sub(outcomes_max as u64);
        let edges = [lane.acked, trimmed]
            .into_iter()
            .flat_map(|end| [end, end.saturating_add(1)]);
        for seq in edges.chain([lane.decided, lane.decided.saturating_add(1)]) {
            let known = seq > 0 && lane.remembers(seq, outcomes_max);
            let decision = known.then(|| lane.decision(seq));
            let told = self.shards[shard].decision(id.0, &id.1, Seq(seq));
            assert_eq!(told, decision, "P1: batch {seq}");
        }
    }

    /// P3, P4, P5, P7: what can be seen of a shard is what the model says.
    fn check(&mut self, shard: usize) {
        let counts = self.shards[shard].counts();
        assert!(counts.balance(), "P4: {counts:?}");
        assert_eq!(counts, self.model.counts[shard], "P4");
        let deadlines = self
            .model
            .lanes
            .iter()
            .filter(|((_, key), _)| self.model.shards[key] == shard);
        let deadline = deadlines.filter_map(|(_, lane)| lane.deadline).min();
        assert_eq!(self.shards[shard].next_deadline(), deadline);
        for number in 0..self.keys.len() {
            if self.model.shards[&self.keys[number]] == shard {
                self.check_document(shard, number);
            }
        }
        self.check_memory(shard);
    }

    fn check_document(&mut self, shard: usize, number: usize) {
        let key = self.keys[number].clone();
        let position = self
            .model
            .documents
            .open
            .get(&key)
            .map(|document| document.position);
        assert_eq!(self.shards[shard].position(&key), position);
        let before = self.known.insert(key.clone(), position).flatten();
        if before == position {
            return;
        }
        self.check_sleepers(number);
        let Some(position) = position else {
            return;
        };
        let document = &self.model.documents.open[&key];
        let (oldest, head) = (document.oldest(), position.version);
        let commit = |version| self.shards[shard].commit(&key, version);
        assert!(commit(oldest).is_none() && commit(head.next()).is_none());
        let same_epoch = before.filter(|before| before.epoch == position.epoch);
        let from = same_epoch
            .map_or(0, |before| before.version.0)
            .max(oldest.0);
        for past in document.history.iter().filter(|past| past.version.0 > from) {
            // P1: this version was made by this batch, and by no other.
            let commit = commit(past.version).expect("it is in the window");
            let origin = document.origins[usize::try_from(past.version.0).unwrap()];
            assert_eq!(commit.origin, origin);
            assert!(commit.touched().iter().eq(&past.touched));
        }
        assert_eq!(
            commit(oldest.next()).is_some(),
            !document.history.is_empty()
        );
        let digest = self.model.documents.digest(&key, position);
        // Not as readers see it, which would make the next commit copy.
        let head = self.shards[shard].rewind(self.now, &key, head).unwrap();
        assert_eq!(head.finish().root.digest(), digest, "P3, P5");
        if self.random.one_in(self.config.look) {
            let head = self.shards[shard].snapshot(self.now, &key).unwrap();
            assert_eq!((head.position, head.root.digest()), (position, digest));
        }
    }

    fn check_memory(&mut self, shard: usize) {
        let held = self.model.check_bounds();
        let pool = &self.shared.pool;
        assert_eq!(
            (pool.batches(), pool.bytes()),
            (held.batches, held.bytes),
            "P7"
        );
        let memory = self.shards[shard].memory();
        assert_eq!(memory.reorder, self.model.held_bytes(shard) as u64, "P7");
        let budget = &self.shared.budget;
        let (used, max) = (budget.used(), budget.max());
        self.used = used;
        assert!(used <= max, "P7: {used} of {max}");
        let total: u64 = self.shards.iter().map(|shard| shard.memory().total()).sum();
        let total = total + self.shared.frames.bytes() + self.sessions.heap_bytes();
        let grain = (max / 4_096).min(64 << 10);
        let idle = 3 * grain * self.shards.len() as u64;
        let counted = used <= total + idle || self.stages;
        assert!(
            total <= used && counted,
            "P7: {total} is taken, {used} is counted"
        );
    }

    /// A version of a document seen again, or rightly not.
    pub(crate) fn rewind(&mut self) {
        let key = self.random.pick(&self.keys).clone();
        let shard = self.model.shards[&key];
        let Some(document) = self.model.documents.open.get(&key) else {
            return;
        };
        let (oldest, position) = (document.oldest(), document.position);
        let to = match self.random.below(3) {
            0 => oldest.0.saturating_sub(1) + self.random.below(3),
            _ => self.random.below(position.version.0 + 2),
        };
        let rewind = self.shards[shard].rewind(self.now, &key, Version(to));
        let known = (oldest.0..=position.version.0).contains(&to);
        assert_eq!(
            rewind.is_some(),
            known,
            "{to} of {oldest} to {}",
            position.version
        );
        let Some(rewind) = rewind else {
            self.seen.note("host: rewound in vain");
            return;
        };
        let then = rewind.finish();
        assert_eq!(then.position.version, Version(to));
        assert_eq!(
            then.root.digest(),
            self.model.documents.digest(&key, then.position)
        );
        self.seen.note("host: rewound");
    }
}

/// A batch or a document takes at most so much more than is free when it is refused.
const MARGIN: u64 = 64 << 10;

fn brief(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Refused(refusal) => refusal.to_string(),
        Outcome::Rejected(rejection) => rejection.to_string(),
        other => format!("{other:?}"),
    }
}
