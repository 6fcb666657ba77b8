use std::{collections::VecDeque, sync::Arc};

use ahash::AHashMap;
use headwater_doc::{LimitExceeded, Operation, Patch, PatchError, Value};
use slab::Slab;

use crate::{
    config::ShardConfig,
    counts::Counts,
    document::{Document, Rewind, Snapshot},
    history::Commit,
    id::{Epoch, Incarnation, Key, Position, Seq, SessionId, Version},
    lane::{Cause, Known, Lane, LaneStatus, Report},
    reorder::{ReorderBuffer, ReorderPool},
    resume::{Cursor, Next},
    session::Sessions,
    submission::{BatchLimit, Decision, Outcome, Refusal, Rejection, Submission},
    time::Time,
};

/// One part of the key space: its documents, the lanes that lead to them, and what is held ahead of
/// its turn. A state machine without clock, randomness, tasks or I/O.
///
/// # Contract
///
/// - **Input** comes through [`submit`](Self::submit), [`apply`](Self::apply),
///   [`create`](Self::create), [`remove`](Self::remove) and [`forget`](Self::forget), in any order.
///   Nothing fails half: each either happens or leaves the shard as it was.
/// - **Time** is an argument, and must not go back. Call [`tick`](Self::tick) when
///   [`next_deadline`](Self::next_deadline) has come; later is allowed, and delays only reports.
/// - **Turns** are bounded: a submission decides a bounded number of batches that were held behind it.
///   While [`has_turn`](Self::has_turn) says that there are more, call [`turn`](Self::turn); between
///   two turns the host may let others in.
/// - **Output** is state: an [`Outcome`] for the batch handed in, the [`LaneStatus`] for those decided
///   later, and for subscribers what [`next`](Self::next) finds for a cursor.
#[derive(Debug)]
pub struct Shard {
    config: ShardConfig,
    incarnation: Incarnation,
    /// How many documents were created here: an epoch's number, unique for each key.
    created: u64,
    documents: usize,
    keys: AHashMap<Key, EntryId>,
    entries: Slab<Entry>,
    lanes: Slab<(EntryId, Lane)>,
    lanes_of: AHashMap<SessionId, Vec<LaneId>>,
    reorder: ReorderBuffer<EntryId, LaneId, HeldBatch>,
    /// Lanes whose next batch is held and waits only for a turn.
    ready: VecDeque<LaneId>,
    counts: Counts,
}

type EntryId = usize;
type LaneId = usize;

/// What there is under a key. The lanes are the key's: they outlive the document.
#[derive(Debug)]
struct Entry {
    key: Key,
    document: Option<Document>,
    lanes: AHashMap<SessionId, LaneId>,
}

#[derive(Debug)]
struct HeldBatch {
    digest: u64,
    chained: bool,
    patch: Arc<Patch>,
}

/// Batches that one turn decides. A batch takes some microseconds, so that others wait for some
/// hundred of them at most; fewer would only mean more turns.
const TURN_BATCHES_MAX: usize = 64;

/// Bytes that a held batch takes beyond its operations: its places in the buffer's indexes.
const HELD_BYTES: usize = 256;

/// Bytes that an operation takes beyond its text, without its value.
const HELD_OPERATION_BYTES: usize = 128;

/// Bytes that a value takes beyond its text, about: as much as an empty container does. Text alone would
/// let a batch of `[[],[],…]` take sixteen times what it is charged.
const HELD_NODE_BYTES: usize = 48;

/// What a batch is charged while it is held.
fn held_bytes(patch: &Patch) -> usize {
    let nodes = |operation: &Operation| match operation {
        Operation::Add { value, .. }
        | Operation::Replace { value, .. }
        | Operation::Test { value, .. }
        | Operation::Splice { insert: value, .. } => {
            usize::try_from(value.nodes()).unwrap_or(usize::MAX)
        }
        _ => 0,
    };
    let operations = patch.operations();
    let nodes = operations.iter().map(nodes).fold(0, usize::saturating_add);
    usize::try_from(patch.written_bytes())
        .unwrap_or(usize::MAX)
        .saturating_add(HELD_BYTES)
        .saturating_add(operations.len().saturating_mul(HELD_OPERATION_BYTES))
        .saturating_add(nodes.saturating_mul(HELD_NODE_BYTES))
}

impl Shard {
    /// An empty shard. All shards of an engine share one `pool`.
    #[must_use]
    pub fn new(config: ShardConfig, incarnation: Incarnation, pool: Arc<ReorderPool>) -> Self {
        Self {
            reorder: ReorderBuffer::new(config.reorder, pool),
            config,
            incarnation,
            created: 0,
            documents: 0,
            keys: AHashMap::new(),
            entries: Slab::new(),
            lanes: Slab::new(),
            lanes_of: AHashMap::new(),
            ready: VecDeque::new(),
            counts: Counts::default(),
        }
    }

    /// Takes a batch from a client: decides it if its turn has come, and those held behind it; holds
    /// it if it is ahead; refuses it otherwise.
    ///
    /// `sessions` must not change until this returns, so that no lane is made for a session that has
    /// ended.
    pub fn submit(&mut self, now: Time, sessions: &Sessions, batch: &Submission) -> Outcome {
        self.counts.received += 1;
        let outcome = self.take(now, sessions, batch).unwrap_or_else(|refusal| {
            self.counts.told += 1;
            Outcome::Refused(refusal)
        });
        debug_assert!(self.counts.balance(), "P4: {:?}", self.counts);
        outcome
    }

    /// The rows of the outcome table in order.
    fn take(
        &mut self,
        now: Time,
        sessions: &Sessions,
        batch: &Submission,
    ) -> Result<Outcome, Refusal> {
        sessions.check(batch.session, batch.attachment)?;
        let digest = batch.patch.digest();
        let lane_id = self.lane_id(batch.session, &batch.key);
        let lane = lane_id.and_then(|id| self.lanes.get(id));
        let decided = lane.map_or(Seq::ZERO, |(_, lane)| lane.decided());
        if batch.seq <= decided {
            let known = lane.map_or(Known::Forgotten, |(_, lane)| lane.known(batch.seq, digest));
            return match known {
                Known::Decided(decision) => {
                    self.counts.duplicate += 1;
                    Ok(Outcome::Duplicate(decision))
                }
                Known::Other => Err(Refusal::SeqReused),
                Known::Forgotten | Known::Undecided => Err(Refusal::AlreadyDecided { decided }),
            };
        }
        let expected = decided.next();
        if let Some(id) = lane_id
            && let Some(held) = self.reorder.get(id, batch.seq)
        {
            if held.digest != digest {
                return Err(Refusal::SeqReused);
            }
            self.counts.duplicate += 1;
            let deadline = self.reorder.deadline(id).unwrap_or(now);
            return Ok(Outcome::Held { expected, deadline });
        }
        self.check_batch(&batch.patch)?;
        let lane_id = match lane_id {
            Some(id) => id,
            None => self.open_lane(batch.session, &batch.key)?,
        };
        if let Some((_, lane)) = self.lanes.get_mut(lane_id) {
            lane.forget(batch.acked);
        }
        let held = HeldBatch {
            digest,
            chained: batch.chained,
            patch: Arc::clone(&batch.patch),
        };
        if batch.seq > expected {
            return self.hold(now, lane_id, batch.seq, held, expected);
        }
        let outcome = self.decide(now, lane_id, held);
        // The batch that came may be the first missing one, with the next still missing.
        self.reorder.restart(now, lane_id);
        self.drain(now, lane_id);
        Ok(match outcome {
            Ok(version) => Outcome::Applied { version },
            Err(rejection) => Outcome::Rejected(rejection),
        })
    }

    fn check_batch(&self, patch: &Patch) -> Result<(), Refusal> {
        if patch.written_bytes() > self.config.batch_bytes_max {
            return Err(Refusal::TooLarge(BatchLimit::Bytes {
                limit: self.config.batch_bytes_max,
            }));
        }
        if patch.operations().len() > self.config.batch_operations_max {
            return Err(Refusal::TooLarge(BatchLimit::Operations {
                limit: self.config.batch_operations_max,
            }));
        }
        if !self.config.extensions.include(patch.extensions()) {
            return Err(Refusal::ExtensionOff);
        }
        Ok(())
    }

    /// Keeps a batch until those before it have come.
    fn hold(
        &mut self,
        now: Time,
        lane_id: LaneId,
        seq: Seq,
        batch: HeldBatch,
        expected: Seq,
    ) -> Result<Outcome, Refusal> {
        let entry = self.lanes.get(lane_id).map_or(EntryId::MAX, |lane| lane.0);
        let bytes = held_bytes(&batch.patch);
        let held = self
            .reorder
            .hold(now, entry, lane_id, seq, bytes, batch)
            .map_err(|full| Refusal::Gap {
                expected,
                received: seq,
                scope: full.scope,
                limit: full.limit,
                bound: full.bound,
            })?;
        self.counts.held += 1;
        for evicted in &held.evicted {
            self.give_up(now, evicted.lane, Cause::Evicted, &[evicted.seq]);
        }
        Ok(Outcome::Held {
            expected,
            deadline: held.deadline,
        })
    }

    /// Accounts for batches that were held and are no longer, `seqs` ascending, and reports them to
    /// their lane.
    fn give_up(&mut self, now: Time, lane_id: LaneId, cause: Cause, seqs: &[Seq]) {
        let batches = seqs.len();
        self.counts.held -= batches as u64;
        self.counts.told += batches as u64;
        let Some((_, lane)) = self.lanes.get_mut(lane_id) else {
            return;
        };
        let first = seqs.first().copied().unwrap_or_default();
        // Several that one arrival evicts from a lane are one report.
        lane.report = Some(match lane.report {
            Some(last) if (last.at, last.cause) == (now, cause) => Report {
                first: last.first.min(first),
                batches: last.batches + batches,
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

    /// Decides the batch that its lane expects.
    fn decide(
        &mut self,
        now: Time,
        lane_id: LaneId,
        batch: HeldBatch,
    ) -> Result<Version, Rejection> {
        let Some((entry, lane)) = self.lanes.get_mut(lane_id) else {
            return Err(Rejection::NoSuchDocument);
        };
        let document = self
            .entries
            .get_mut(*entry)
            .and_then(|entry| entry.document.as_mut());
        let result = match document {
            None => Err(Rejection::NoSuchDocument),
            Some(_) if batch.chained && lane.predecessor_rejected() => Err(Rejection::Predecessor),
            Some(document) => document
                .commit(
                    now,
                    Some((lane.session, lane.expected())),
                    batch.patch,
                    &self.config.limits,
                    &self.config.history,
                )
                .map_err(|error| Rejection::DoesNotApply {
                    operation: error.operation,
                    reason: error.reason,
                    head: document.version,
                }),
        };
        let decision = match result {
            Ok(version) => {
                self.counts.applied += 1;
                Decision::Applied { version }
            }
            Err(rejection) => {
                self.counts.rejected += 1;
                Decision::Rejected {
                    code: rejection.code(),
                }
            }
        };
        lane.decide(batch.digest, decision, self.config.outcomes_max);
        result
    }

    /// Decides what a lane holds next, as far as one turn goes.
    fn drain(&mut self, now: Time, lane_id: LaneId) {
        for _ in 0..TURN_BATCHES_MAX {
            let Some((_, lane)) = self.lanes.get(lane_id) else {
                return;
            };
            let Some(batch) = self.reorder.take(now, lane_id, lane.expected()) else {
                return;
            };
            self.counts.held -= 1;
            // Its sender finds the outcome in the lane's memory.
            let _late = self.decide(now, lane_id, batch);
        }
        self.ready.push_back(lane_id);
    }

    /// Whether batches wait only for a turn.
    #[must_use]
    pub fn has_turn(&self) -> bool {
        !self.ready.is_empty()
    }

    /// Decides a bounded number of the batches that wait only for a turn.
    pub fn turn(&mut self, now: Time) {
        if let Some(lane_id) = self.ready.pop_front() {
            self.drain(now, lane_id);
        }
        debug_assert!(self.counts.balance(), "P4: {:?}", self.counts);
    }

    /// Gives up what was held past its deadline and reports it to its lanes. Does nothing while batches
    /// wait only for a turn, so that none of those is given up.
    pub fn tick(&mut self, now: Time) {
        if self.has_turn() {
            return;
        }
        while let Some(expired) = self.reorder.expire(now) {
            let seqs: Vec<_> = expired.items.iter().map(|&(seq, _)| seq).collect();
            self.give_up(now, expired.lane, Cause::Deadline, &seqs);
        }
        debug_assert!(self.counts.balance(), "P4: {:?}", self.counts);
    }

    /// When [`tick`](Self::tick) has something to do.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Time> {
        self.reorder.next_deadline()
    }

    /// Makes a document, at version 0 of a new epoch.
    ///
    /// # Errors
    ///
    /// [`CreateError`]; nothing was made.
    pub fn create(&mut self, key: &Key, root: Value) -> Result<Position, CreateError> {
        if self.document(key).is_some() {
            return Err(CreateError::Exists);
        }
        if self.documents >= self.config.documents_max {
            return Err(CreateError::TooManyDocuments {
                documents_max: self.config.documents_max,
            });
        }
        self.config.limits.check(&root)?;
        self.created += 1;
        self.documents += 1;
        let epoch = Epoch {
            incarnation: self.incarnation,
            number: self.created,
        };
        let document = Document::new(epoch, root);
        let position = document.position();
        let entry = self.open_entry(key);
        if let Some(entry) = self.entries.get_mut(entry) {
            entry.document = Some(document);
        }
        Ok(position)
    }

    /// Removes a document, and returns its last version. Its lanes go on.
    pub fn remove(&mut self, key: &Key) -> Option<Snapshot> {
        let id = *self.keys.get(key)?;
        let document = self.entries.get_mut(id)?.document.take()?;
        self.documents -= 1;
        self.close_entry_if_unused(id);
        Some(document.snapshot())
    }

    /// Applies a batch of the host's own: no session, no seq, never held.
    ///
    /// # Errors
    ///
    /// [`ApplyError`]; the document is as it was.
    pub fn apply(
        &mut self,
        now: Time,
        key: &Key,
        patch: Arc<Patch>,
    ) -> Result<Version, ApplyError> {
        let id = self.keys.get(key).copied().unwrap_or(EntryId::MAX);
        let document = self
            .entries
            .get_mut(id)
            .and_then(|entry| entry.document.as_mut())
            .ok_or(ApplyError::NoSuchDocument)?;
        let (limits, history) = (&self.config.limits, &self.config.history);
        Ok(document.commit(now, None, patch, limits, history)?)
    }

    /// The newest version of a document.
    #[must_use]
    pub fn snapshot(&self, key: &Key) -> Option<Snapshot> {
        self.document(key).map(Document::snapshot)
    }

    /// The incarnation of a document that is there.
    #[must_use]
    pub fn epoch(&self, key: &Key) -> Option<Epoch> {
        self.document(key).map(|document| document.epoch)
    }

    /// What it takes to see a version of the present epoch again, if the history reaches so far.
    #[must_use]
    pub fn rewind(&self, key: &Key, to: Version) -> Option<Rewind> {
        self.document(key)?.rewind(to)
    }

    /// The commit that made a version of the present epoch, if the history reaches so far.
    #[must_use]
    pub fn commit(&self, key: &Key, version: Version) -> Option<Arc<Commit>> {
        self.document(key)?.history.get(version).cloned()
    }

    /// What a subscriber gets next; `None` if the document is not there.
    #[must_use]
    pub fn next(&self, key: &Key, cursor: &Cursor) -> Option<Next> {
        self.document(key).map(|document| document.next(cursor))
    }

    /// Where a lane stands. A lane that no batch was ever taken from stands at its beginning.
    #[must_use]
    pub fn lane_status(&self, session: SessionId, key: &Key) -> LaneStatus {
        let id = self.lane_id(session, key);
        let lane = id.and_then(|id| self.lanes.get(id));
        let decided = lane.map_or(Seq::ZERO, |(_, lane)| lane.decided());
        let expected = decided.next();
        LaneStatus {
            decided,
            expected,
            missing: id.map_or_else(Vec::new, |id| self.reorder.missing(id, expected)),
            highest_held: id.and_then(|id| self.reorder.highest(id)),
            held: id.map_or(0, |id| self.reorder.held(id)),
            deadline: id.and_then(|id| self.reorder.deadline(id)),
            report: lane.and_then(|(_, lane)| lane.report),
        }
    }

    /// How a batch was decided, if that is remembered.
    #[must_use]
    pub fn decision(&self, session: SessionId, key: &Key, seq: Seq) -> Option<Decision> {
        let id = self.lane_id(session, key)?;
        self.lanes.get(id)?.1.decision(seq)
    }

    /// Forgets a session that has ended: its lanes, and what they hold.
    pub fn forget(&mut self, session: SessionId) {
        for id in self.lanes_of.remove(&session).unwrap_or_default() {
            let given_up = self.reorder.remove_lane(id).len() as u64;
            self.counts.held -= given_up;
            self.counts.told += given_up;
            let Some((entry_id, _)) = self.lanes.try_remove(id) else {
                continue;
            };
            if let Some(entry) = self.entries.get_mut(entry_id) {
                entry.lanes.remove(&session);
            }
            self.close_entry_if_unused(entry_id);
        }
    }

    /// What became of the batches handed in.
    #[must_use]
    pub const fn counts(&self) -> Counts {
        self.counts
    }

    /// How many documents there are.
    #[must_use]
    pub const fn documents(&self) -> usize {
        self.documents
    }

    fn document(&self, key: &Key) -> Option<&Document> {
        let id = *self.keys.get(key)?;
        self.entries.get(id)?.document.as_ref()
    }

    fn lane_id(&self, session: SessionId, key: &Key) -> Option<LaneId> {
        let id = *self.keys.get(key)?;
        self.entries.get(id)?.lanes.get(&session).copied()
    }

    fn open_lane(&mut self, session: SessionId, key: &Key) -> Result<LaneId, Refusal> {
        let lanes_max = self.config.lanes_max;
        if self.lanes.len() >= lanes_max {
            return Err(Refusal::TooManyLanes { lanes_max });
        }
        let entry_id = self.open_entry(key);
        let id = self.lanes.insert((entry_id, Lane::new(session)));
        if let Some(entry) = self.entries.get_mut(entry_id) {
            entry.lanes.insert(session, id);
        }
        self.lanes_of.entry(session).or_default().push(id);
        Ok(id)
    }

    fn open_entry(&mut self, key: &Key) -> EntryId {
        if let Some(&id) = self.keys.get(key) {
            return id;
        }
        let id = self.entries.insert(Entry {
            key: key.clone(),
            document: None,
            lanes: AHashMap::new(),
        });
        self.keys.insert(key.clone(), id);
        id
    }

    fn close_entry_if_unused(&mut self, id: EntryId) {
        let unused = |entry: &Entry| entry.document.is_none() && entry.lanes.is_empty();
        if self.entries.get(id).is_some_and(unused) {
            let entry = self.entries.remove(id);
            self.keys.remove(&entry.key);
        }
    }
}

/// Why a document was not made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CreateError {
    /// There is one under the key.
    #[error("the document is there already")]
    Exists,
    /// As many documents are there as there may be.
    #[error("{documents_max} documents are in this shard, which is the limit")]
    TooManyDocuments {
        /// The limit.
        documents_max: usize,
    },
    /// The document would break a limit.
    #[error(transparent)]
    Limit(#[from] LimitExceeded),
}

/// Why a batch of the host's was not applied.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ApplyError {
    /// There is no document under the key.
    #[error("no such document")]
    NoSuchDocument,
    /// It does not apply.
    #[error(transparent)]
    Patch(#[from] PatchError),
}
