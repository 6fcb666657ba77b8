use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use headwater_core::{
    Attachment, Cause, Counts, Decision, Epoch, Key, LaneStatus, Outcome, Position, Refusal, Seq,
    SessionId, Submission, Time, Version,
};
use headwater_doc::{Limits, Patch, Value};

use super::Seen;
use crate::pair::{Server, json};

/// What must come of the batches: each lane's applied in its order, to plain values.
pub(crate) struct Model {
    outcomes_max: u64,
    pub(crate) lanes: BTreeMap<(SessionId, Key), Lane>,
    pub(crate) documents: BTreeMap<Key, Document>,
    /// The digest of each version of each document that ever was.
    digests: BTreeMap<(Key, Epoch), Vec<u64>>,
    keys: BTreeMap<Epoch, Key>,
    /// Counted at the senders.
    pub(crate) counts: Counts,
    /// The batch that was decided as it was handed in, and how, until the model has decided it, too.
    pub(crate) direct: Option<(Submission, Outcome)>,
}

/// A lane as its client sees it.
#[derive(Default)]
pub(crate) struct Lane {
    /// All that was written, the first with seq 1.
    pub(crate) batches: Vec<Submission>,
    decisions: Vec<Decision>,
    /// The highest seq acknowledged in a batch that was looked at.
    acked: u64,
    pub(crate) held: BTreeSet<u64>,
}

pub(crate) struct Document {
    pub(crate) position: Position,
    pub(crate) root: Value,
}

/// What a delivery must come to.
pub(crate) enum Expected {
    This(Outcome),
    /// Applied or rejected, as the model says when it has decided it.
    Decided,
    HeldOrGap,
}

impl Lane {
    pub(crate) fn decided(&self) -> u64 {
        self.decisions.len() as u64
    }

    fn batch(&self, seq: u64) -> &Submission {
        &self.batches[usize::try_from(seq - 1).unwrap()]
    }

    fn decision(&self, seq: u64) -> Decision {
        self.decisions[usize::try_from(seq - 1).unwrap()]
    }

    /// Whether the outcome of a decided batch must still be known.
    fn remembers(&self, seq: u64, outcomes_max: u64) -> bool {
        seq > self.acked && seq + outcomes_max > self.decided()
    }
}

impl Model {
    pub(crate) fn new(outcomes_max: usize) -> Self {
        Self {
            outcomes_max: outcomes_max as u64,
            lanes: BTreeMap::new(),
            documents: BTreeMap::new(),
            digests: BTreeMap::new(),
            keys: BTreeMap::new(),
            counts: Counts::default(),
            direct: None,
        }
    }

    pub(crate) fn lane(&mut self, session: SessionId, key: &Key) -> &mut Lane {
        self.lanes.entry((session, key.clone())).or_default()
    }

    pub(crate) fn create(&mut self, key: &Key, position: Position, root: &Value) {
        let digests = vec![root.digest()];
        let first = self.digests.insert((key.clone(), position.epoch), digests);
        assert_eq!(first, None, "an epoch is used once");
        self.keys.insert(position.epoch, key.clone());
        let root = json(&root.to_string());
        self.documents
            .insert(key.clone(), Document { position, root });
    }

    /// The digest of a version of a document that is or was there.
    pub(crate) fn digest(&self, position: Position) -> u64 {
        let key = self.keys[&position.epoch].clone();
        self.digests[&(key, position.epoch)][usize::try_from(position.version.0).unwrap()]
    }

    /// The outcome that a delivery must have: the rows of the table in their order.
    pub(crate) fn expect(
        &mut self,
        batch: &Submission,
        current: Option<Attachment>,
        deadline: Option<Time>,
    ) -> Expected {
        let refused = |refusal| Expected::This(Outcome::Refused(refusal));
        let Some(current) = current else {
            return refused(Refusal::UnknownSession);
        };
        if current != batch.attachment {
            return refused(Refusal::Fenced { current });
        }
        let (seq, outcomes_max) = (batch.seq.0, self.outcomes_max);
        let lane = self.lane(batch.session, &batch.key);
        let decided = Seq(lane.decided());
        let same = || lane.batch(seq).patch == batch.patch;
        if seq <= decided.0 {
            return match lane.remembers(seq, outcomes_max) {
                true if same() => Expected::This(Outcome::Duplicate(lane.decision(seq))),
                true => refused(Refusal::SeqReused),
                false => refused(Refusal::AlreadyDecided { decided }),
            };
        }
        if lane.held.contains(&seq) {
            return if same() {
                Expected::This(Outcome::Held {
                    expected: decided.next(),
                    deadline: deadline.expect("what is held has a deadline"),
                })
            } else {
                refused(Refusal::SeqReused)
            };
        }
        if batch.seq == decided.next() {
            Expected::Decided
        } else {
            Expected::HeldOrGap
        }
    }

    /// Takes note of what a batch that was looked at acknowledges.
    pub(crate) fn acknowledge(&mut self, batch: &Submission) {
        let lane = self.lane(batch.session, &batch.key);
        lane.acked = lane.acked.max(batch.acked.0);
    }

    /// Applies a patch to a document, all or nothing.
    pub(crate) fn apply(&mut self, key: &Key, patch: &Arc<Patch>) -> Option<Version> {
        self.try_apply(key, patch)?.ok()
    }

    fn try_apply(&mut self, key: &Key, patch: &Patch) -> Option<Result<Version, &'static str>> {
        let document = self.documents.get_mut(key)?;
        // A copy of the text: nothing is shared, nothing is undone.
        let mut root = json(&document.root.to_string());
        if let Err(error) = patch.apply(&mut root, &Limits::default()) {
            return Some(Err(error.reason.code()));
        }
        document.root = root;
        document.position.version = document.position.version.next();
        let digests = self
            .digests
            .get_mut(&(key.clone(), document.position.epoch));
        digests.unwrap().push(document.root.digest());
        Some(Ok(document.position.version))
    }

    fn decide(&mut self, session: SessionId, key: &Key) -> Decision {
        let lane = self.lane(session, key);
        let batch = lane.batch(lane.decided() + 1).clone();
        let after_rejected = matches!(lane.decisions.last(), Some(Decision::Rejected { .. }));
        let decision = if !self.documents.contains_key(key) {
            Decision::Rejected {
                code: "no_such_document",
            }
        } else if batch.chained && after_rejected {
            Decision::Rejected {
                code: "predecessor",
            }
        } else {
            match self.try_apply(key, &batch.patch).unwrap() {
                Ok(version) => Decision::Applied { version },
                Err(code) => Decision::Rejected { code },
            }
        };
        self.lane(session, key).decisions.push(decision);
        decision
    }

    /// Ends a session; how many batches it held.
    pub(crate) fn forget(&mut self, session: SessionId) -> u64 {
        let mut held = 0;
        self.lanes.retain(|(owner, _), lane| {
            let ended = *owner == session;
            held += if ended { lane.held.len() as u64 } else { 0 };
            !ended
        });
        self.counts.held -= held;
        self.counts.told += held;
        held
    }

    /// Decides what the shard says that it decided, and finds out what it gave up, from the status of
    /// each lane alone.
    pub(crate) fn settle(&mut self, server: &Server, seen: &mut Seen) {
        let lanes: Vec<_> = self.lanes.keys().cloned().collect();
        let mut advanced = 0;
        for (session, key) in lanes {
            let status = server.shard.lane_status(session, &key);
            let before = self.lane(session, &key).decided();
            assert!(status.decided.0 >= before, "a lane never goes back");
            advanced += u64::from(status.decided.0 > before);
            for seq in before + 1..=status.decided.0 {
                self.catch_up(server, session, &key, seq, seen);
            }
            self.check_memory(server, session, &key, status.decided.0);
            self.give_up(server, session, &key, &status, seen);
        }
        assert!(advanced <= 1, "what is decided in one step is of one lane");
        assert!(self.direct.is_none(), "{:?}", self.direct);
    }

    fn catch_up(
        &mut self,
        server: &Server,
        session: SessionId,
        key: &Key,
        seq: u64,
        seen: &mut Seen,
    ) {
        let decision = self.decide(session, key);
        if let Decision::Applied { version } = decision {
            // P1: this version was made by this batch, and by no other.
            let commit = server.shard.commit(key, version);
            let origin = commit.and_then(|commit| commit.origin);
            let trimmed = server.shard.rewind(key, Version(version.0 - 1)).is_none();
            assert!(origin == Some((session, Seq(seq))) || trimmed, "{origin:?}");
        }
        if self.lane(session, key).held.remove(&seq) {
            self.counts.held -= 1;
            match decision {
                Decision::Applied { .. } => self.counts.applied += 1,
                Decision::Rejected { code } => {
                    self.counts.rejected += 1;
                    seen.note(code);
                }
            }
            return;
        }
        let (batch, outcome) = self.direct.take().expect("it was held or just handed in");
        assert_eq!(
            (batch.session, &batch.key, batch.seq.0),
            (session, key, seq)
        );
        let told = match outcome {
            Outcome::Applied { version } => Decision::Applied { version },
            Outcome::Rejected(rejection) => Decision::Rejected {
                code: rejection.code(),
            },
            other => panic!("{other:?}"),
        };
        assert_eq!(told, decision);
    }

    /// What must be remembered is, rightly; what need not be is not.
    fn check_memory(&mut self, server: &Server, session: SessionId, key: &Key, decided: u64) {
        let outcomes_max = self.outcomes_max;
        let lane = self.lane(session, key);
        let ends = [lane.acked, decided.saturating_sub(outcomes_max)];
        let edges = ends.into_iter().flat_map(|end| [end, end + 1, end + 2]);
        for seq in edges.chain([decided, decided + 1]) {
            let known = (1..=decided).contains(&seq) && lane.remembers(seq, outcomes_max);
            let decision = known.then(|| lane.decision(seq));
            assert_eq!(server.shard.decision(session, key, Seq(seq)), decision);
        }
    }

    fn give_up(
        &mut self,
        server: &Server,
        session: SessionId,
        key: &Key,
        status: &LaneStatus,
        seen: &mut Seen,
    ) {
        assert_eq!(status.expected, status.decided.next());
        let lane = self.lane(session, key);
        let is_held = |seq: u64| {
            let missing = status.missing.iter().any(|range| range.contains(&Seq(seq)));
            status.highest_held >= Some(Seq(seq)) && !missing
        };
        let given_up: Vec<_> = lane.held.extract_if(.., |seq| !is_held(*seq)).collect();
        assert_eq!(status.held, lane.held.len());
        assert_eq!(
            status.highest_held.map(|seq| seq.0),
            lane.held.last().copied()
        );
        assert_eq!(status.deadline.is_some(), status.held > 0);
        let Some(first) = given_up.first() else {
            return;
        };
        self.counts.held -= given_up.len() as u64;
        self.counts.told += given_up.len() as u64;
        // P4: its sender is told.
        let report = status.report.expect("what was given up is reported");
        assert_eq!(report.at, server.now);
        assert!(report.first.0 <= *first && report.batches >= given_up.len());
        match report.cause {
            Cause::Deadline => {
                assert_eq!(status.held, 0);
                seen.note("deadline");
            }
            Cause::Evicted => seen.note("evicted"),
            other => panic!("{other:?}"),
        }
    }
}
