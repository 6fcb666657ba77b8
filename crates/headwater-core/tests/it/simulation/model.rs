use std::collections::BTreeMap;

use headwater_core::{
    AtDeadline, Attachment, Bound, Busy, Counts, Decision, Key, Limit, Outcome, Refusal, Rejection,
    ReorderBounds, Scope, Seq, SessionId, ShardConfig, Submission, Time, WhenFull,
};

use super::{
    documents::{Documents, Stale},
    lanes::{Lane, charge},
    schedule::Config,
};

/// What must come of it all: each lane's batches in their order, applied to plain values.
pub(crate) struct Model {
    pub(crate) config: ShardConfig,
    session_lanes_max: usize,
    pub(crate) documents: Documents,
    pub(crate) lanes: BTreeMap<(SessionId, Key), Lane>,
    /// The open sessions.
    pub(crate) sessions: BTreeMap<SessionId, Session>,
    /// Counted at the senders, for each shard.
    pub(crate) counts: Vec<Counts>,
    /// Which shard each key is in.
    pub(crate) shards: BTreeMap<Key, usize>,
}

pub(crate) struct Session {
    pub(crate) attachment: Attachment,
    /// Its last sign of life.
    pub(crate) seen: Time,
}

/// What a delivery must come to.
#[derive(Debug)]
pub(crate) enum Expected {
    This(Outcome),
    /// Applied or rejected, as the model says when it has decided it.
    Decided,
    HeldOrGap,
}

impl Model {
    pub(crate) fn new(config: &Config, keys: &[Key]) -> Self {
        Self {
            config: config.shard,
            session_lanes_max: config.session_lanes_max,
            documents: Documents::new(&config.shard, config.admit),
            lanes: BTreeMap::new(),
            sessions: BTreeMap::new(),
            counts: vec![Counts::default(); config.shards],
            shards: keys
                .iter()
                .enumerate()
                .map(|(number, key)| (key.clone(), number * 7 % config.shards))
                .collect(),
        }
    }

    pub(crate) fn lane(&mut self, session: SessionId, key: &Key) -> &mut Lane {
        self.lanes.entry((session, key.clone())).or_default()
    }

    /// The outcome that a delivery must have: the rows of the table in their order, but that for want of
    /// memory anything that would grow may be put off.
    pub(crate) fn expect(&mut self, now: Time, batch: &Submission) -> Expected {
        let refused = |refusal| Expected::This(Outcome::Refused(refusal));
        let Some(session) = self.sessions.get_mut(&batch.session) else {
            return refused(Refusal::UnknownSession);
        };
        let current = session.attachment;
        if current != batch.attachment {
            return refused(Refusal::Fenced { current });
        }
        session.seen = session.seen.max(now);
        let (seq, outcomes_max) = (batch.seq.0, self.config.outcomes_max);
        let lane = self.lane(batch.session, &batch.key);
        let decided = Seq(lane.decided);
        if seq <= lane.decided {
            let skipped = lane.decision(seq) == Decision::Skipped;
            return match lane.remembers(seq, outcomes_max) {
                false => refused(Refusal::AlreadyDecided { decided }),
                true if skipped => refused(Refusal::TooLate { decided }),
                true if same(lane.batch(seq), batch) => {
                    Expected::This(Outcome::Duplicate(lane.decision(seq)))
                }
                true => refused(Refusal::SeqReused),
            };
        }
        if lane.held.contains_key(&seq) {
            return if same(lane.batch(seq), batch) {
                Expected::This(Outcome::Held {
                    expected: lane.expected(),
                    deadline: lane.deadline.expect("what is held has a deadline"),
                })
            } else {
                refused(Refusal::SeqReused)
            };
        }
        let (open, next) = (lane.open, lane.expected());
        if let Some(refusal) = self.too_large(batch) {
            return refused(refusal);
        }
        let lanes_max = self.session_lanes_max;
        if !open && self.lanes_of(batch.session) >= lanes_max {
            return refused(Refusal::TooManyLanes { lanes_max });
        }
        if !open && self.open_lanes(&batch.key) >= self.config.lanes_max {
            return refused(Busy::Lanes.retry());
        }
        if batch.seq == next {
            Expected::Decided
        } else {
            Expected::HeldOrGap
        }
    }

    fn too_large(&self, batch: &Submission) -> Option<Refusal> {
        use headwater_core::BatchLimit::{Bytes, Operations};
        if batch.patch.written_bytes() > self.config.batch_bytes_max {
            let limit = self.config.batch_bytes_max;
            return Some(Refusal::TooLarge(Bytes { limit }));
        }
        if batch.patch.operations().len() > self.config.batch_operations_max {
            let limit = self.config.batch_operations_max;
            return Some(Refusal::TooLarge(Operations { limit }));
        }
        let allowed = self.config.extensions.include(batch.patch.extensions());
        (!allowed).then_some(Refusal::ExtensionOff)
    }

    fn open_lanes(&self, key: &Key) -> usize {
        let shard = self.shards[key];
        let open =
            |((_, key), lane): &(&(SessionId, Key), &Lane)| lane.open && self.shards[key] == shard;
        self.lanes.iter().filter(open).count()
    }

    fn lanes_of(&self, session: SessionId) -> usize {
        let open = |((owner, _), lane): &(&(SessionId, Key), &Lane)| *owner == session && lane.open;
        self.lanes.iter().filter(open).count()
    }

    /// Takes note that a batch was looked at so far that its lane was opened.
    pub(crate) fn looked_at(&mut self, batch: &Submission) {
        let lane = self.lane(batch.session, &batch.key);
        lane.open = true;
        lane.acknowledge(batch.acked);
    }

    /// Decides the batch that a lane expects.
    pub(crate) fn decide(&mut self, now: Time, batch: &Submission) -> Result<Decision, Stale> {
        let lane = self.lane(batch.session, &batch.key);
        let orphaned = batch.chained && lane.rejected;
        let decided = self.try_decide(now, batch, orphaned);
        let decision = match &decided {
            Ok(decision) => *decision,
            Err(Stale::Rejected(rejection)) => Decision::Rejected {
                code: rejection.code(),
            },
            Err(Stale::Conflict { .. }) => Decision::Rejected { code: "conflict" },
        };
        let lane = self.lane(batch.session, &batch.key);
        lane.decide(batch.seq.0, decision);
        if matches!(decided, Err(Stale::Rejected(Rejection::Panicked))) {
            self.documents.open.remove(&batch.key);
        }
        decided
    }

    fn try_decide(
        &mut self,
        now: Time,
        batch: &Submission,
        orphaned: bool,
    ) -> Result<Decision, Stale> {
        let Some(document) = self.documents.open.get(&batch.key) else {
            return Err(Stale::Rejected(Rejection::NoSuchDocument));
        };
        document.check_guard(batch.guard, batch.session, &batch.patch)?;
        if orphaned {
            return Err(Stale::Rejected(Rejection::Predecessor));
        }
        let origin = Some((batch.session, batch.seq));
        let applied = self.documents.apply(now, &batch.key, origin, &batch.patch);
        let version = applied.map_err(Stale::Rejected)?;
        Ok(Decision::Applied { version })
    }

    /// Ends a session; how many batches it held.
    pub(crate) fn forget(&mut self, session: SessionId) -> u64 {
        self.sessions.remove(&session);
        let mut sum = 0;
        for ((owner, key), lane) in &self.lanes {
            if *owner == session {
                let held = lane.held.len() as u64;
                let counts = &mut self.counts[self.shards[key]];
                counts.held -= held;
                counts.told += held;
                sum += held;
            }
        }
        self.lanes.retain(|(owner, _), _| *owner != session);
        sum
    }

    /// What is to happen to a lane of this document at its deadline.
    pub(crate) fn at_deadline(&self, key: &Key) -> AtDeadline {
        let document = self.documents.open.get(key);
        let own = document.and_then(|document| document.at_deadline);
        own.unwrap_or(self.config.reorder.at_deadline)
    }

    /// P7: what is held is within the bounds, and as much as the engine says.
    pub(crate) fn check_bounds(&self) -> Load {
        let bounds = &self.config.reorder;
        let mut engine = Load::default();
        let mut documents: BTreeMap<&Key, Load> = BTreeMap::new();
        for ((_, key), lane) in &self.lanes {
            let load = Load::of(lane);
            load.check(bounds.lane);
            engine.add(load);
            documents.entry(key).or_default().add(load);
        }
        documents
            .values()
            .for_each(|load| load.check(bounds.document));
        engine.check(bounds.engine);
        engine
    }

    /// The bytes that a shard's lanes hold.
    pub(crate) fn held_bytes(&self, shard: usize) -> usize {
        let here = self
            .lanes
            .iter()
            .filter(|((_, key), _)| self.shards[key] == shard);
        here.map(|(_, lane)| lane.bytes()).sum()
    }

    /// What a scope around a batch holds.
    fn load(&self, scope: Scope, (session, key): (SessionId, &Key)) -> Load {
        let mut sum = Load::default();
        for ((owner, other), lane) in &self.lanes {
            let inside = match scope {
                Scope::Lane => (*owner, other) == (session, key),
                Scope::Document => other == key,
                Scope::Engine => true,
            };
            if inside {
                sum.add(Load::of(lane));
            }
        }
        sum
    }

    /// A batch was held, and is among what its lane holds; these made room for it. Each must have been the
    /// farthest of a lane that held most in the scope that was full, until all fitted.
    pub(crate) fn check_evictions(&self, arrival: &Submission, evicted: &Given) {
        if !evicted.is_empty() {
            assert_eq!(self.config.reorder.when_full, WhenFull::EvictFarthest);
        }
        let at = (arrival.session, arrival.key.clone());
        let shard = self.shards[&arrival.key];
        let mut here: BTreeMap<_, BTreeMap<u64, usize>> = BTreeMap::new();
        for (id, lane) in &self.lanes {
            if self.shards[&id.1] == shard && !lane.held.is_empty() {
                here.insert(id.clone(), lane.held.clone());
            }
        }
        let mut elsewhere = self.load(Scope::Engine, (at.0, &at.1));
        here.values()
            .for_each(|held| elsewhere.sub(Load::sum(held)));
        assert!(
            self.explains(&at, elsewhere, &here, evicted),
            "each must be the farthest of a fullest lane, and none evicted in vain: {evicted:?}"
        );
    }

    /// Whether these evictions, and no others, make room for what is held `here`. Where lanes hold equally
    /// much, whose farthest goes first is the shard's choice.
    fn explains(
        &self,
        at: &(SessionId, Key),
        elsewhere: Load,
        here: &BTreeMap<(SessionId, Key), BTreeMap<u64, usize>>,
        evicted: &Given,
    ) -> bool {
        let full = [Scope::Lane, Scope::Document, Scope::Engine]
            .into_iter()
            .find_map(|scope| {
                let inside = |id: &(SessionId, Key)| match scope {
                    Scope::Lane => id == at,
                    Scope::Document => id.1 == at.1,
                    Scope::Engine => true,
                };
                let inside: Vec<_> = here.iter().filter(|(id, _)| inside(id)).collect();
                let mut load = Load::default();
                inside
                    .iter()
                    .for_each(|(_, held)| load.add(Load::sum(held)));
                if scope == Scope::Engine {
                    load.add(elsewhere);
                }
                let limit = load.beyond(bound_of(&self.config.reorder, scope))?;
                Some((inside, limit))
            });
        let Some((inside, limit)) = full else {
            return evicted.values().all(Vec::is_empty);
        };
        let weight = |held: &BTreeMap<u64, usize>| match limit {
            Limit::Batches => held.len(),
            Limit::Bytes => held.values().sum(),
        };
        let most = inside.iter().map(|(_, held)| weight(held)).max();
        let fullest = inside
            .iter()
            .filter(|(_, held)| Some(weight(held)) == most)
            .filter_map(|(id, held)| Some((*id, *held.keys().next_back()?)));
        fullest
            .filter(|(id, last)| evicted.get(id).is_some_and(|gone| gone.contains(last)))
            .any(|(id, last)| {
                let (mut here, mut left) = (here.clone(), evicted.clone());
                left.get_mut(id).unwrap().retain(|&seq| seq != last);
                here.get_mut(id).unwrap().remove(&last);
                self.explains(at, elsewhere, &here, &left)
            })
    }

    /// A batch was not held; there must have been no room.
    pub(crate) fn check_gap(&self, arrival: &Submission, scope: Scope, limit: Limit, bound: usize) {
        let bounds = &self.config.reorder;
        let of = bound_of(bounds, scope);
        let named = match limit {
            Limit::Batches => of.batches,
            Limit::Bytes => of.bytes,
        };
        assert_eq!(named, bound);
        let bytes = charge(arrival);
        if bytes > of.bytes {
            return;
        }
        let full = |scope| {
            let mut load = self.load(scope, (arrival.session, &arrival.key));
            load.add(Load { batches: 1, bytes });
            load.beyond(bound_of(bounds, scope)).is_some()
        };
        assert!(full(scope), "there was room in the {scope}");
        if bounds.when_full == WhenFull::RefuseNew {
            return;
        }
        let lane = &self.lanes[&(arrival.session, arrival.key.clone())];
        let beyond = lane.held.range(arrival.seq.0..).count();
        if scope == Scope::Lane {
            // What lies beyond it would have made room, if that is enough.
            let mut kept = Load::of(lane);
            lane.held
                .range(arrival.seq.0..)
                .for_each(|(_, &bytes)| kept.sub(Load { batches: 1, bytes }));
            kept.add(Load { batches: 1, bytes });
            assert!(
                beyond > 64 || kept.beyond(bounds.lane).is_some(),
                "the farther ones go first"
            );
        }
    }
}

/// What was given up, by lane.
pub(crate) type Given = BTreeMap<(SessionId, Key), Vec<u64>>;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Load {
    pub(crate) batches: usize,
    pub(crate) bytes: usize,
}

impl Load {
    fn of(lane: &Lane) -> Self {
        Self::sum(&lane.held)
    }

    fn sum(held: &BTreeMap<u64, usize>) -> Self {
        Self {
            batches: held.len(),
            bytes: held.values().sum(),
        }
    }

    const fn add(&mut self, other: Self) {
        self.batches += other.batches;
        self.bytes += other.bytes;
    }

    const fn sub(&mut self, other: Self) {
        self.batches -= other.batches;
        self.bytes -= other.bytes;
    }

    fn beyond(self, bound: Bound) -> Option<Limit> {
        match self.batches > bound.batches {
            true => Some(Limit::Batches),
            false => (self.bytes > bound.bytes).then_some(Limit::Bytes),
        }
    }

    fn check(self, bound: Bound) {
        assert_eq!(self.beyond(bound), None, "P7: {self:?} of {bound:?}");
    }
}

const fn bound_of(bounds: &ReorderBounds, scope: Scope) -> Bound {
    match scope {
        Scope::Lane => bounds.lane,
        Scope::Document => bounds.document,
        Scope::Engine => bounds.engine,
    }
}

/// Whether two batches under one seq are one and the same.
pub(crate) fn same(one: &Submission, other: &Submission) -> bool {
    (&one.patch, one.guard, one.chained) == (&other.patch, other.guard, other.chained)
}
