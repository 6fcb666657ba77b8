mod host;
mod memory;
mod read;

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    mem,
    ops::Deref,
    sync::Arc,
    task::Waker,
};

use headwater_doc::Patch;

pub use self::host::{ApplyError, CreateError, StageError};
use crate::{
    admit::Admit,
    budget::{Allowance, Memory},
    config::{ShardConfig, Shared},
    counts::Counts,
    document::{Document, Rules, Turn, Undone},
    freed::Freed,
    guard::Guard,
    id::{Key, Seq, SessionId, Version},
    lane::{Cause, Known},
    reorder::{AtDeadline, ReorderBuffer},
    session::Sessions,
    submission::{BatchLimit, Busy, Decision, Outcome, Refusal, Rejection, Submission},
    table::{EntryId, LaneId, Table},
    time::Time,
    watch::CloseReason,
};

/// One part of the key space: its documents, the lanes that lead to them, and what is held ahead of
/// its turn. A state machine without clock, randomness, tasks or I/O.
///
/// # Contract
///
/// - **Input** comes through [`submit`](Self::submit), [`apply`](Self::apply),
///   [`create`](Self::create), [`remove`](Self::remove), [`install`](Self::install) and
///   [`forget`](Self::forget), in any order. Nothing fails half: each either happens or leaves the shard
///   as it was.
/// - **Time** is an argument, and must not go back. Call [`tick`](Self::tick) when
///   [`next_deadline`](Self::next_deadline) has come; later is allowed, and delays only reports.
/// - **Turns** are bounded: a submission decides a bounded number of batches that were held behind it.
///   While [`has_turn`](Self::has_turn) says that there are more, call [`turn`](Self::turn); between
///   two turns the host may let others in.
/// - **Output** is state: an [`Outcome`] for the batch handed in, the [`LaneStatus`] for those decided
///   later, and for subscribers what [`next`](Self::next) finds for a cursor. Who should look is in the
///   [`Effects`], to be taken after each call that changes something.
/// - **Cold documents** are inflated by whoever needs them. Ask [`cold`](Self::cold) first and run the
///   [`Thaw`](crate::Thaw) off the lock; a call that meets a cold document all the same is right, and
///   slow.
///
/// [`LaneStatus`]: crate::LaneStatus
#[derive(Debug)]
pub struct Shard {
    config: ShardConfig,
    shared: Arc<Shared>,
    /// How many documents were created here: an epoch's number, unique for each key.
    created: u64,
    /// The document that was created last, if it is still there.
    newest: EntryId,
    documents: usize,
    table: Table,
    reorder: ReorderBuffer<EntryId, LaneId, HeldBatch>,
    /// Lanes whose next batch is held and waits only for a turn.
    ready: VecDeque<LaneId>,
    counts: Counts,
    /// How often each reason came up, by its stable word.
    reasons: BTreeMap<&'static str, u64>,
    effects: Effects,
    /// Documents that may be worth compressing, and where the search for idle ones goes on.
    large: BTreeSet<EntryId>,
    looked_at: EntryId,
    /// How many documents are compressed.
    cold: usize,
    /// Invariant: between calls, the sum of all documents' memory.
    memory: Memory,
    /// Bytes of the outcomes that lanes remember.
    outcome_bytes: u64,
    allowance: Allowance,
}

/// What is left to do outside of what a shard has done: who has to be told, and what to free.
#[derive(Debug, Default)]
#[must_use]
pub struct Effects {
    /// Subscribers that wait for what has happened.
    pub woken: Vec<Waker>,
    /// Lanes with news: batches that were decided later than they were handed in, or given up.
    pub late: Vec<(SessionId, Key)>,
    /// Documents that the shard had to close.
    pub closed: Vec<(Key, CloseReason)>,
    /// What is no longer needed; nobody has to be told, but it is not to be freed under a lock.
    pub freed: Freed,
}

impl Effects {
    /// Whether nothing is left to do.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.woken.is_empty()
            && self.late.is_empty()
            && self.closed.is_empty()
            && self.freed.is_empty()
    }
}

/// What is known of a batch that was handed in.
enum Found {
    /// All: this is what becomes of it.
    Known(Outcome),
    /// Nothing is wrong with it by itself, and it has come for the first time.
    New {
        lane_id: Option<LaneId>,
        digest: u64,
        expected: Seq,
    },
}

#[derive(Debug)]
struct HeldBatch {
    digest: u64,
    chained: bool,
    guard: Guard,
    patch: Arc<Patch>,
}

/// Batches that one turn decides. A batch takes some microseconds, so that others wait for some
/// hundred of them at most; fewer would only mean more turns.
const TURN_BATCHES_MAX: usize = 64;

/// Bytes that a held batch takes beyond its operations: the patch and its counts, and its places in the
/// buffer's indexes, which are B-trees.
const HELD_BYTES: u64 = 192;

/// What a batch is charged while it is held.
fn held_bytes(patch: &Patch) -> usize {
    let bytes = patch.heap_bytes().saturating_add(HELD_BYTES);
    usize::try_from(bytes).unwrap_or(usize::MAX)
}

impl Shard {
    /// An empty shard.
    #[must_use]
    pub fn new(mut config: ShardConfig, shared: Arc<Shared>) -> Self {
        config.outcomes_max = config.outcomes_max.min(ShardConfig::OUTCOMES_MAX);
        Self {
            table: Table::new(shared.hash_seeds),
            reorder: ReorderBuffer::new(config.reorder, Arc::clone(&shared.pool)),
            allowance: Allowance::new(Arc::clone(&shared.budget), shared.shards),
            config,
            shared,
            created: 0,
            newest: 0,
            documents: 0,
            ready: VecDeque::new(),
            counts: Counts::default(),
            reasons: BTreeMap::new(),
            effects: Effects::default(),
            large: BTreeSet::new(),
            looked_at: 0,
            cold: 0,
            memory: Memory::default(),
            outcome_bytes: 0,
        }
    }

    /// Takes a batch from a client: decides it if its turn has come, and those held behind it; holds
    /// it if it is ahead; refuses it otherwise.
    ///
    /// `sessions`, or the lock of them, is let go once the batch has its lane, before it is decided: who ends
    /// a session takes it out of them first, and has each shard [`forget`](Self::forget) it then.
    pub fn submit(
        &mut self,
        now: Time,
        sessions: impl Deref<Target = Sessions>,
        batch: &Submission,
    ) -> Outcome {
        self.counts.received += 1;
        let taken = self.take(now, sessions, batch);
        self.answer(taken)
    }

    /// Answers a batch that is not taken for a `cause` that the shard does not know of: what is known of it
    /// already, or what is wrong with it, comes first.
    pub fn turn_away(
        &mut self,
        now: Time,
        sessions: &Sessions,
        batch: &Submission,
        cause: Busy,
    ) -> Outcome {
        self.counts.received += 1;
        let answer = match self.look_up(now, sessions, batch) {
            Ok(Found::Known(outcome)) => Ok(outcome),
            Ok(Found::New { .. }) => Err(cause.retry()),
            Err(refusal) => Err(refusal),
        };
        self.answer(answer)
    }

    /// Accounts for a batch that may have been refused, and ends the call.
    fn answer(&mut self, taken: Result<Outcome, Refusal>) -> Outcome {
        let outcome = taken.unwrap_or_else(|refusal| {
            self.counts.told += 1;
            self.note_reason(refusal.code(), 1);
            Outcome::Refused(refusal)
        });
        self.settle();
        outcome
    }

    /// The rows of the outcome table in order: those that concern the batch alone and what is known of it.
    fn look_up(
        &mut self,
        now: Time,
        sessions: &Sessions,
        batch: &Submission,
    ) -> Result<Found, Refusal> {
        sessions.check(now, batch.session, batch.attachment)?;
        let digest = batch.digest();
        let lane_id = self.table.lane_id(batch.session, &batch.key);
        let lane = lane_id.and_then(|id| self.table.lanes.get(id));
        let decided = lane.map_or(Seq::ZERO, |(_, lane)| lane.decided());
        if batch.seq <= decided {
            let known = lane.map_or(Known::Forgotten, |(_, lane)| lane.known(batch.seq, digest));
            return match known {
                Known::Decided(decision) => {
                    self.counts.duplicate += 1;
                    Ok(Found::Known(Outcome::Duplicate(decision)))
                }
                Known::Other => Err(Refusal::SeqReused),
                Known::Skipped => Err(Refusal::TooLate { decided }),
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
            return Ok(Found::Known(Outcome::Held { expected, deadline }));
        }
        self.check_batch(&batch.patch)?;
        if lane_id.is_none() {
            // Before any room is made for the batch.
            sessions.check_lane(batch.session)?;
        }
        Ok(Found::New {
            lane_id,
            digest,
            expected,
        })
    }

    /// All rows of the outcome table.
    fn take(
        &mut self,
        now: Time,
        sessions: impl Deref<Target = Sessions>,
        batch: &Submission,
    ) -> Result<Outcome, Refusal> {
        let (lane_id, digest, expected) = match self.look_up(now, &sessions, batch)? {
            Found::Known(outcome) => return Ok(outcome),
            Found::New {
                lane_id,
                digest,
                expected,
            } => (lane_id, digest, expected),
        };
        let tables = match lane_id {
            Some(id) => self.outcome_growth(id),
            None => self.table.growth(),
        };
        self.make_room(&batch.key, &batch.patch, tables)?;
        let lane_id = match lane_id {
            Some(id) => id,
            None if self.table.lanes.len() >= self.config.lanes_max => {
                return Err(Busy::Lanes.retry());
            }
            None => {
                sessions.count_lane(batch.session)?;
                self.table.open_lane(batch.session, &batch.key)
            }
        };
        drop(sessions);
        self.change_lane(lane_id, |lane| lane.forget(batch.acked));
        let held = HeldBatch {
            digest,
            chained: batch.chained,
            guard: batch.guard,
            patch: Arc::clone(&batch.patch),
        };
        if batch.seq > expected {
            return self.hold(now, lane_id, batch.seq, held, expected);
        }
        let outcome = match self.decide(now, lane_id, held) {
            Ok(version) => Outcome::Applied { version },
            Err(Undone::Rejected(rejection)) => Outcome::Rejected(rejection),
            Err(Undone::NoRoom(_)) => return Err(Busy::Memory.retry()),
        };
        // The batch that came may be the first missing one, with the next still missing.
        self.reorder.restart(now, lane_id);
        self.drain(now, lane_id);
        Ok(outcome)
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
        let entry = self.table.entry_of(lane_id);
        let entry = entry.map_or(EntryId::MAX, |(id, _)| id);
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
        for evicted in held.evicted {
            self.effects.freed.patch(evicted.item.patch);
            self.give_up(now, evicted.lane, Cause::Evicted, &[evicted.seq]);
        }
        Ok(Outcome::Held {
            expected,
            deadline: held.deadline,
        })
    }

    /// Has batches that were held, and are given up, freed off the lock: a turn gives up those of many lanes.
    /// Yields their seqs.
    fn hand_out(&mut self, held: Vec<(Seq, HeldBatch)>) -> Vec<Seq> {
        let freed = &mut self.effects.freed;
        let seqs = held.into_iter().map(|(seq, batch)| {
            freed.patch(batch.patch);
            seq
        });
        seqs.collect()
    }

    /// Accounts for batches that were held and are no longer, `seqs` ascending, and reports them to
    /// their lane.
    fn give_up(&mut self, now: Time, lane_id: LaneId, cause: Cause, seqs: &[Seq]) {
        let batches = seqs.len() as u64;
        self.note_reason(cause.code(), batches);
        self.counts.held -= batches;
        self.counts.told += batches;
        let first = seqs.first().copied().unwrap_or_default();
        self.change_lane(lane_id, |lane| lane.report(now, cause, first, batches));
        self.tell(lane_id);
    }

    /// Notes that a lane has news for its client.
    fn tell(&mut self, lane_id: LaneId) {
        if let Some((lane, entry)) = self.table.lane_and_entry(lane_id) {
            self.effects.late.push((lane.session, entry.key.clone()));
        }
    }

    /// Whether the budget has room for a batch that was held, and was charged for being held alone.
    fn has_room(&mut self, lane_id: LaneId, patch: &Patch) -> bool {
        let key = self
            .table
            .entry_of(lane_id)
            .map(|(_, entry)| entry.key.clone());
        let outcomes = self.outcome_growth(lane_id);
        key.is_some_and(|key| self.make_room(&key, patch, outcomes).is_ok())
    }

    /// Bytes that a lane's memory of outcomes grows by with the next one.
    fn outcome_growth(&self, lane_id: LaneId) -> u64 {
        let lane = self.table.lanes.get(lane_id);
        lane.map_or(0, |(_, lane)| lane.outcome_growth(self.config.outcomes_max))
    }

    /// Decides the batch that its lane expects, unless there is no room for what would come of it.
    fn decide(&mut self, now: Time, lane_id: LaneId, batch: HeldBatch) -> Result<Version, Undone> {
        let Some(&(entry_id, ref lane)) = self.table.lanes.get(lane_id) else {
            return Err(Rejection::NoSuchDocument.into());
        };
        let Some(entry) = self.table.entries.get(entry_id) else {
            return Err(Rejection::NoSuchDocument.into());
        };
        let (session, seq) = (lane.session, lane.expected());
        let orphaned = batch.chained && lane.predecessor_rejected();
        let digest = batch.digest;
        // With a rule only: counting a reference, and letting it go, takes 12 ns each.
        let admit = self.shared.admit.clone();
        let admit = admit.map(|admit| (admit, entry.key.clone()));
        let admit = admit.as_ref().map(|(admit, key)| (&**admit, key));
        let result = self
            .change_entry(entry_id, |document, rules| {
                decide(document, now, (session, seq), batch, orphaned, admit, rules)
            })
            .unwrap_or(Err(Rejection::NoSuchDocument.into()));
        let decision = match &result {
            Ok(version) => {
                self.counts.applied += 1;
                Decision::Applied { version: *version }
            }
            Err(Undone::NoRoom(_)) => return result,
            Err(Undone::Rejected(rejection)) => {
                self.counts.rejected += 1;
                // The host's own words are not bounded.
                self.note_reason(
                    match rejection {
                        Rejection::Refused { .. } => "refused",
                        _ => rejection.code(),
                    },
                    1,
                );
                Decision::Rejected {
                    code: rejection.code(),
                }
            }
        };
        if matches!(result, Err(Undone::Rejected(Rejection::Panicked)))
            && let Some(entry) = self.table.entries.get(entry_id)
        {
            self.close_panicked(entry.key.clone());
        }
        let outcomes_max = self.config.outcomes_max;
        self.change_lane(lane_id, |lane| lane.decide(digest, decision, outcomes_max));
        result
    }

    /// Decides what a lane holds next, as far as one turn goes.
    fn drain(&mut self, now: Time, lane_id: LaneId) {
        let mut news = false;
        for _ in 0..TURN_BATCHES_MAX {
            let Some((_, lane)) = self.table.lanes.get(lane_id) else {
                return;
            };
            let expected = lane.expected();
            if let Some(batch) = self.reorder.take(now, lane_id, expected) {
                // It finds the room that is left by what was decided before it.
                self.settle();
                let has_room = self.has_room(lane_id, &batch.patch);
                if !has_room || matches!(self.decide(now, lane_id, batch), Err(Undone::NoRoom(_))) {
                    // As if it came now: it is not decided, and its sender is told to hand it in again.
                    self.give_up(now, lane_id, Cause::Memory, &[expected]);
                    self.change_lane(lane_id, |lane| lane.skip_to = Seq::ZERO);
                    return;
                }
                // Its sender finds the outcome in the lane's memory.
                self.counts.held -= 1;
                news = true;
            } else if expected <= lane.skip_to
                && let Some(next) = self.reorder.lowest(lane_id)
            {
                self.skip_before(now, lane_id, next);
                news = true;
            } else {
                // The run is at its end; what is missing from now on gets its own time.
                self.change_lane(lane_id, |lane| lane.skip_to = Seq::ZERO);
                if news {
                    self.tell(lane_id);
                }
                return;
            }
        }
        self.tell(lane_id);
        self.ready.push_back(lane_id);
    }

    /// Gives up what a lane misses before a seq, and reports it. What the memory has no room for, it does not
    /// remember.
    fn skip_before(&mut self, now: Time, lane_id: LaneId, next: Seq) {
        let Some((_, lane)) = self.table.lanes.get(lane_id) else {
            return;
        };
        let first = lane.expected();
        let missing = next.0 - first.0;
        let outcomes_max = self.config.outcomes_max;
        let outcomes_max = if self.allowance.admits(lane.growth(next, outcomes_max)) {
            outcomes_max
        } else {
            lane.capacity().min(outcomes_max)
        };
        self.change_lane(lane_id, |lane| {
            lane.skip_before(next, outcomes_max);
            lane.report(now, Cause::Skipped, first, missing);
        });
        self.note_reason(Cause::Skipped.code(), missing);
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
        self.settle();
    }

    /// Settles a bounded number of lanes that have waited past their deadline: gives up what they hold, or
    /// what they miss, as [`AtDeadline`] says. Batches that wait only for a turn go first, so that none of
    /// those is given up. Call it again while it is [`due`](Self::due).
    pub fn tick(&mut self, now: Time) {
        if self.has_turn() {
            self.turn(now);
            return;
        }
        for _ in 0..TURN_BATCHES_MAX {
            let Some(lane_id) = self.reorder.due(now) else {
                break;
            };
            let document = self.table.entry_of(lane_id);
            let document = document.and_then(|(_, entry)| entry.document.as_ref());
            let at_deadline = document.and_then(|document| document.at_deadline);
            match at_deadline.unwrap_or(self.config.reorder.at_deadline) {
                AtDeadline::Report => {
                    let held = self.reorder.remove_lane(lane_id);
                    let seqs = self.hand_out(held);
                    self.give_up(now, lane_id, Cause::Deadline, &seqs);
                }
                AtDeadline::Skip => self.skip(now, lane_id),
            }
            if self.has_turn() {
                break;
            }
        }
        self.settle();
    }

    /// Gives up what a lane misses, and decides what it holds, as far as there is room for it.
    fn skip(&mut self, now: Time, lane_id: LaneId) {
        let Some(highest) = self.reorder.highest(lane_id) else {
            return;
        };
        self.change_lane(lane_id, |lane| lane.skip_to = highest);
        self.drain(now, lane_id);
    }

    /// Gives up what a bounded number of lanes hold, and reports it: nothing that is missing will come any
    /// more. Batches that wait only for a turn are decided first. Whether more may be left, for another
    /// call.
    #[must_use]
    pub fn give_up_held(&mut self, now: Time) -> bool {
        if self.has_turn() {
            self.turn(now);
            return true;
        }
        for _ in 0..TURN_BATCHES_MAX {
            let Some(lane_id) = self.reorder.due(Time::END) else {
                self.settle();
                return false;
            };
            let held = self.reorder.remove_lane(lane_id);
            let seqs = self.hand_out(held);
            self.give_up(now, lane_id, Cause::ShutDown, &seqs);
        }
        self.settle();
        true
    }

    /// When the first lane has waited too long; `None` if nothing is held.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Time> {
        self.reorder.next_deadline()
    }

    /// Whether [`tick`](Self::tick) has something to do.
    #[must_use]
    pub fn due(&self, now: Time) -> bool {
        self.has_turn() || self.next_deadline().is_some_and(|deadline| deadline <= now)
    }

    /// Forgets a session that has ended: a bounded number of its lanes, and what they hold. Whether more
    /// may be left, for another call.
    #[must_use]
    pub fn forget(&mut self, session: SessionId) -> bool {
        let closed = self.table.close_lanes(session, TURN_BATCHES_MAX);
        let more = closed.len() == TURN_BATCHES_MAX;
        for (id, lane) in closed {
            let held = self.reorder.remove_lane(id);
            let given_up = self.hand_out(held).len() as u64;
            self.counts.held -= given_up;
            self.counts.told += given_up;
            self.outcome_bytes -= lane.heap_bytes() as u64;
        }
        self.settle();
        more
    }

    /// Takes back that a batch was handed in and refused so, for a caller that has made room and hands it in
    /// again, so that its sender is told only once.
    pub fn take_back(&mut self, refusal: Refusal) {
        self.counts.received -= 1;
        self.counts.told -= 1;
        if let Some(count) = self.reasons.get_mut(refusal.code()) {
            *count -= 1;
        }
    }

    fn note_reason(&mut self, reason: &'static str, batches: u64) {
        // A client chooses its seqs, so that it may skip as many as there are, and more than once.
        let count = self.reasons.entry(reason).or_default();
        *count = count.saturating_add(batches);
    }

    /// How often each bound was reached and each reason came up, by its stable word.
    #[must_use]
    pub const fn reasons(&self) -> &BTreeMap<&'static str, u64> {
        &self.reasons
    }

    /// What became of the batches handed in.
    #[must_use]
    pub const fn counts(&self) -> Counts {
        self.counts
    }

    /// Whether something is left to do outside.
    #[must_use]
    pub const fn has_effects(&self) -> bool {
        !self.effects.is_empty()
    }

    /// Takes out what is left to do outside, without the lock.
    pub fn effects(&mut self) -> Effects {
        mem::take(&mut self.effects)
    }
}

/// Decides a batch whose turn has come: the rows of the outcome table from there on, in order.
fn decide(
    document: &mut Document,
    now: Time,
    (session, seq): (SessionId, Seq),
    batch: HeldBatch,
    orphaned: bool,
    admit: Option<(&dyn Admit, &Key)>,
    rules: Rules<'_>,
) -> Result<Version, Undone> {
    document.check_guard(batch.guard, session, &batch.patch)?;
    if orphaned {
        return Err(Rejection::Predecessor.into());
    }
    let turn = Turn {
        origin: Some((session, seq)),
        patch: batch.patch,
        admit,
    };
    document.commit(now, turn, rules)
}
