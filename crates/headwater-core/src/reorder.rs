//! The bounded buffer of batches that are ahead of their turn.

use std::{
    collections::{BTreeMap, BTreeSet, btree_map},
    error, fmt,
    ops::{AddAssign, RangeInclusive, SubAssign},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use crate::{id::Seq, time::Time};

/// Holds the batches of one shard that are ahead of their lane's turn, within bounds.
///
/// `D` names a document, `L` a lane, `T` is what is held. A lane belongs to one document, which never
/// changes.
///
/// # Contract
///
/// There are four kinds of method.
///
/// - [`hold`](Self::hold) takes an item in. Ask [`get`](Self::get) first: the pair of lane and seq
///   must not be held already, and the seq must be above the one that its lane needs next.
/// - [`take`](Self::take) gives an item back when its turn has come. Call it with the lane's next seq
///   after each decision, until it says `None`; each success is progress of that lane.
/// - [`expire`](Self::expire) and [`remove_lane`](Self::remove_lane) give up what a lane holds. Call
///   `expire` at [`next_deadline`](Self::next_deadline) or later, until it says `None`.
/// - The rest look and change nothing.
///
/// Every item handed to `hold` comes back exactly once, from `hold` itself (refused, or later evicted
/// by another), `take`, `expire` or `remove_lane`, unless the buffer is dropped first. None is
/// dropped silently, so the caller can tell its sender.
///
/// # Time
///
/// A lane has one deadline while it holds something, counted from when its first missing seq became
/// the first missing one: when the lane begins to hold, and again at each `take` that leaves
/// something held. More arrivals do not move it, so a sender cannot put it off. Nothing happens at a
/// deadline until `expire` is called; until then the items can still be taken.
///
/// # Bounds
///
/// Three scopes are bounded in batches and in bytes: the lane, its document, and the engine, whose
/// [`ReorderPool`] all shards share. An arrival that would pass a bound evicts the farthest: of the
/// lane that holds most in the scope that is full, the highest seq, until the arrival fits. *Most* is
/// counted in what has run out, with the arrival as part of its lane; of equal lanes it is the
/// greatest. In the engine's scope only lanes of this shard are candidates. Lane, document and engine
/// are looked at in this order.
///
/// The arrival is refused, and then nothing is evicted, if it is itself the farthest, if it is larger
/// than a scope, if it would evict more than 64 others, or if another shard took the room meanwhile.
///
/// Invariant: the seq that a lane needs next is never held, so it can never be evicted, and a lane
/// whose sender resends from there always makes progress.
#[derive(Debug)]
pub(crate) struct ReorderBuffer<D, L, T> {
    bounds: ReorderBounds,
    pool: Arc<ReorderPool>,
    /// Invariant: a lane is here if and only if it holds something.
    lanes: BTreeMap<L, Lane<D, T>>,
    /// Invariant: between calls, exactly the loads of `lanes`; this shard's part of the pool is
    /// `ledger.shard.total`.
    ledger: Ledger<D, L>,
    /// Invariant: exactly the deadlines of `lanes`.
    deadlines: BTreeSet<(Time, L)>,
}

impl<D: Copy + Ord, L: Copy + Ord, T> ReorderBuffer<D, L, T> {
    /// Makes an empty buffer. All that share `pool` must be given the same engine bound.
    #[must_use]
    pub(crate) fn new(mut bounds: ReorderBounds, pool: Arc<ReorderPool>) -> Self {
        // No sum of bytes overflows: an item and what is held are each at most half of the range.
        bounds.engine.bytes = bounds.engine.bytes.min(usize::MAX / 2);
        Self {
            bounds,
            pool,
            lanes: BTreeMap::new(),
            ledger: Ledger {
                lanes: BTreeMap::new(),
                documents: BTreeMap::new(),
                shard: Ranking::default(),
            },
            deadlines: BTreeSet::new(),
        }
    }

    /// Holds an item that is ahead of its lane's turn.
    ///
    /// `bytes` is what it is charged. `seq` must not be held already in `lane`, and `document` must
    /// be the one that the lane was last held under; debug builds assert both. Costs O(log n), and as
    /// much again for each eviction.
    ///
    /// # Errors
    ///
    /// [`Full`] gives the item back with the bound that it met; nothing was evicted.
    pub(crate) fn hold(
        &mut self,
        now: Time,
        document: D,
        lane: L,
        seq: Seq,
        bytes: usize,
        item: T,
    ) -> Result<Held<L, T>, Full<T>> {
        debug_assert!(self.get(lane, seq).is_none(), "{seq} is held already");
        let load = Load { batches: 1, bytes };
        let arrival = Arrival {
            document,
            lane,
            seq,
            load,
        };
        let mut others = self.pool.load();
        others -= self.ledger.shard.total;
        let evictions = match self.admit(&arrival, others) {
            Ok(evictions) => evictions,
            Err(Refusal { scope, limit }) => {
                return Err(Full {
                    scope,
                    limit,
                    bound: self.bounds.of(scope).of(limit),
                    item,
                });
            }
        };

        let deadline = now + self.bounds.gap_deadline;
        // The arrival goes in first, so that a lane which evicts all else for it keeps its deadline.
        let held = match self.lanes.entry(lane) {
            btree_map::Entry::Occupied(held) => held.into_mut(),
            btree_map::Entry::Vacant(vacant) => {
                self.deadlines.insert((deadline, lane));
                vacant.insert(Lane {
                    document,
                    deadline,
                    items: BTreeMap::new(),
                })
            }
        };
        debug_assert!(held.document == document, "a lane's document never changes");
        held.items.insert(seq, Item { bytes, item });
        Ok(Held {
            deadline: held.deadline,
            evicted: self.carry_out(evictions),
        })
    }

    /// Takes the item if the lane holds exactly that seq, which restarts the lane's deadline.
    #[must_use = "an item that is not decided is lost"]
    pub(crate) fn take(&mut self, now: Time, lane: L, seq: Seq) -> Option<T> {
        let held = self.lanes.get_mut(&lane)?;
        let Item { bytes, item } = held.items.remove(&seq)?;
        let load = Load { batches: 1, bytes };
        self.ledger.discharge(held.document, lane, load);
        self.pool.release(load);

        self.deadlines.remove(&(held.deadline, lane));
        if held.items.is_empty() {
            self.lanes.remove(&lane);
        } else {
            held.deadline = now + self.bounds.gap_deadline;
            self.deadlines.insert((held.deadline, lane));
        }
        Some(item)
    }

    /// Gives up the lane whose deadline is the earliest, if that is not after `now`.
    ///
    /// Of equal deadlines the least lane comes first.
    #[must_use = "what a lane gave up must be told to its sender"]
    pub(crate) fn expire(&mut self, now: Time) -> Option<Expired<L, T>> {
        let &(deadline, lane) = self.deadlines.first()?;
        (deadline <= now).then(|| Expired {
            lane,
            items: self.remove_lane(lane),
        })
    }

    /// Removes all that a lane holds, in order of seq.
    pub(crate) fn remove_lane(&mut self, lane: L) -> Vec<(Seq, T)> {
        let Some(held) = self.lanes.remove(&lane) else {
            return Vec::new();
        };
        self.deadlines.remove(&(held.deadline, lane));
        let load = self.ledger.lane(lane);
        self.ledger.discharge(held.document, lane, load);
        self.pool.release(load);
        let items = held.items.into_iter();
        items.map(|(seq, held)| (seq, held.item)).collect()
    }

    /// Looks at a held item.
    #[must_use]
    pub(crate) fn get(&self, lane: L, seq: Seq) -> Option<&T> {
        Some(&self.lanes.get(&lane)?.items.get(&seq)?.item)
    }

    /// When [`expire`](Self::expire) has something to do next; `None` if nothing is held.
    #[must_use]
    pub(crate) fn next_deadline(&self) -> Option<Time> {
        self.deadlines.first().map(|&(deadline, _)| deadline)
    }

    /// When a lane expires; `None` if it holds nothing.
    #[must_use]
    pub(crate) fn deadline(&self, lane: L) -> Option<Time> {
        self.lanes.get(&lane).map(|held| held.deadline)
    }

    /// How many batches a lane holds.
    #[must_use]
    pub(crate) fn held(&self, lane: L) -> usize {
        self.ledger.lane(lane).batches
    }

    /// The highest seq that a lane holds.
    #[must_use]
    pub(crate) fn highest(&self, lane: L) -> Option<Seq> {
        let (&seq, _) = self.lanes.get(&lane)?.items.last_key_value()?;
        Some(seq)
    }

    /// The ranges of seqs missing between `expected` and the highest held, ascending.
    #[must_use]
    pub(crate) fn missing(&self, lane: L, expected: Seq) -> Vec<RangeInclusive<Seq>> {
        let mut ranges = Vec::new();
        let Some(held) = self.lanes.get(&lane) else {
            return ranges;
        };
        let mut next = expected;
        for (&seq, _) in held.items.range(expected..) {
            if seq > next {
                ranges.push(next..=Seq(seq.0 - 1));
            }
            next = seq.next();
        }
        ranges
    }

    /// How many batches this shard holds.
    #[must_use]
    pub(crate) const fn batches(&self) -> usize {
        self.ledger.shard.total.batches
    }

    /// How many bytes the batches held by this shard are charged.
    #[must_use]
    pub(crate) const fn bytes(&self) -> usize {
        self.ledger.shard.total.bytes
    }

    /// Charges the arrival and plans what it evicts; `others` is what other shards have in the pool.
    ///
    /// Only the ledger changes before the pool has agreed, so a refusal is undone by charging it back.
    fn admit(&mut self, arrival: &Arrival<D, L>, others: Load) -> Result<Evictions<D, L>, Refusal> {
        for scope in Scope::ALL {
            if arrival.load.bytes > self.bounds.of(scope).bytes {
                let limit = Limit::Bytes;
                return Err(Refusal { scope, limit });
            }
        }
        self.ledger
            .charge(arrival.document, arrival.lane, arrival.load);
        let mut evictions = Evictions {
            cuts: BTreeMap::new(),
            freed: Load::default(),
        };
        let admitted = self
            .make_room(arrival, others, &mut evictions)
            .and_then(|()| {
                self.pool
                    .exchange(evictions.freed, arrival.load, self.bounds.engine)
            });
        if let Err(refusal) = admitted {
            for (lane, cut) in evictions.cuts {
                self.ledger.charge(cut.document, lane, cut.load);
            }
            self.ledger
                .discharge(arrival.document, arrival.lane, arrival.load);
            return Err(refusal);
        }
        Ok(evictions)
    }

    /// Plans evictions until no scope is beyond its bound.
    fn make_room(
        &mut self,
        arrival: &Arrival<D, L>,
        others: Load,
        evictions: &mut Evictions<D, L>,
    ) -> Result<(), Refusal> {
        for scope in Scope::ALL {
            let bound = self.bounds.of(scope);
            while let Some(limit) = self.ledger.load(scope, arrival, others).beyond(bound) {
                self.evict_farthest(scope, limit, arrival, evictions)
                    .ok_or(Refusal { scope, limit })?;
            }
        }
        Ok(())
    }

    /// Plans one eviction; `None` if the arrival is itself the farthest, or the plan is full.
    fn evict_farthest(
        &mut self,
        scope: Scope,
        limit: Limit,
        arrival: &Arrival<D, L>,
        evictions: &mut Evictions<D, L>,
    ) -> Option<()> {
        let lane = self.ledger.fullest(scope, limit, arrival)?;
        let held = self.lanes.get(&lane)?;
        let (&seq, farthest) = match evictions.cuts.get(&lane) {
            Some(cut) => held.items.range(..cut.from).next_back(),
            None => held.items.last_key_value(),
        }?;
        let refused = lane == arrival.lane && seq < arrival.seq;
        if refused || evictions.freed.batches == EVICTIONS_MAX {
            return None;
        }
        let load = Load {
            batches: 1,
            bytes: farthest.bytes,
        };
        self.ledger.discharge(held.document, lane, load);
        evictions.freed += load;
        let cut = evictions.cuts.entry(lane).or_insert_with(|| Cut {
            document: held.document,
            from: seq,
            load: Load::default(),
        });
        cut.from = seq;
        cut.load += load;
        Some(())
    }

    /// Removes what was planned, and is discharged and released already.
    fn carry_out(&mut self, evictions: Evictions<D, L>) -> Vec<Evicted<L, T>> {
        let mut evicted = Vec::with_capacity(evictions.freed.batches);
        for (lane, cut) in evictions.cuts {
            let Some(held) = self.lanes.get_mut(&lane) else {
                continue;
            };
            for _ in 0..cut.load.batches {
                let farthest = held.items.pop_last();
                evicted.extend(farthest.map(|(seq, Item { item, .. })| Evicted {
                    lane,
                    seq,
                    item,
                }));
            }
            if held.items.is_empty() {
                self.deadlines.remove(&(held.deadline, lane));
                self.lanes.remove(&lane);
            }
        }
        evicted
    }
}

impl<D, L, T> Drop for ReorderBuffer<D, L, T> {
    fn drop(&mut self) {
        self.pool.release(self.ledger.shard.total);
    }
}

/// What a [`ReorderBuffer`] may hold, and for how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReorderBounds {
    /// What one lane may hold. Default: 64 batches, 256 KiB.
    pub lane: Bound,
    /// What the lanes of one document may hold together. Default: 1,024 batches, 4 MiB.
    pub document: Bound,
    /// What all shards may hold together. Default: 10,000 batches, 20 MiB. The bytes are meant to be
    /// 2 % of the memory budget; more than half of `usize::MAX` counts as that.
    pub engine: Bound,
    /// How long a lane waits for its first missing seq. Default: 2 s.
    pub gap_deadline: Duration,
}

impl ReorderBounds {
    const fn of(&self, scope: Scope) -> Bound {
        match scope {
            Scope::Lane => self.lane,
            Scope::Document => self.document,
            Scope::Engine => self.engine,
        }
    }
}

impl Default for ReorderBounds {
    fn default() -> Self {
        Self {
            lane: LANE_BOUND,
            document: DOCUMENT_BOUND,
            engine: ENGINE_BOUND,
            gap_deadline: GAP_DEADLINE,
        }
    }
}

/// The most that a scope may hold; zero means nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bound {
    /// How many batches.
    pub batches: usize,
    /// How many bytes they are charged together.
    pub bytes: usize,
}

impl Bound {
    const fn of(self, limit: Limit) -> usize {
        match limit {
            Limit::Batches => self.batches,
            Limit::Bytes => self.bytes,
        }
    }
}

/// What the reorder buffers of all shards hold together, so that the engine's bound covers them all.
///
/// Every access is `Relaxed` and has no partner: these are counters only, no other data is published
/// through them, and each read-modify-write sees the newest value of its counter in any ordering. The
/// two are changed one after the other. While a reservation is refused its bytes, other shards see
/// its batch counted: they may be refused too early, but no counter ever passes its bound.
#[derive(Debug, Default)]
pub struct ReorderPool {
    batches: AtomicUsize,
    bytes: AtomicUsize,
}

impl ReorderPool {
    /// How many batches are held or being reserved.
    #[must_use]
    pub fn batches(&self) -> usize {
        self.batches.load(Ordering::Relaxed)
    }

    /// How many bytes are held or being reserved.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.bytes.load(Ordering::Relaxed)
    }

    fn load(&self) -> Load {
        Load {
            batches: self.batches(),
            bytes: self.bytes(),
        }
    }

    /// Gives back `freed` and reserves `taken` in one, all or nothing.
    ///
    /// Only the difference moves, so no other shard can take what is given back before it is used.
    fn exchange(&self, freed: Load, taken: Load, bound: Bound) -> Result<(), Refusal> {
        let grow = |counter: &AtomicUsize, freed: usize, taken: usize, bound: usize| {
            let more = taken.saturating_sub(freed);
            let grown = |now: usize| now.checked_add(more).filter(|&sum| sum <= bound);
            let (set, fetch) = (Ordering::Relaxed, Ordering::Relaxed);
            more == 0 || counter.fetch_update(set, fetch, grown).is_ok()
        };
        let refusal = |limit| Refusal {
            scope: Scope::Engine,
            limit,
        };
        if !grow(&self.batches, freed.batches, taken.batches, bound.batches) {
            return Err(refusal(Limit::Batches));
        }
        if !grow(&self.bytes, freed.bytes, taken.bytes, bound.bytes) {
            self.release(Load {
                batches: taken.batches.saturating_sub(freed.batches),
                bytes: 0,
            });
            return Err(refusal(Limit::Bytes));
        }
        self.release(Load {
            batches: freed.batches.saturating_sub(taken.batches),
            bytes: freed.bytes.saturating_sub(taken.bytes),
        });
        Ok(())
    }

    fn release(&self, load: Load) {
        self.batches.fetch_sub(load.batches, Ordering::Relaxed);
        self.bytes.fetch_sub(load.bytes, Ordering::Relaxed);
    }
}

/// What a bound is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// One lane.
    Lane,
    /// All lanes of one document.
    Document,
    /// All lanes of all shards.
    Engine,
}

impl Scope {
    const ALL: [Self; 3] = [Self::Lane, Self::Document, Self::Engine];
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Lane => "lane",
            Self::Document => "document",
            Self::Engine => "engine",
        })
    }
}

/// What a bound counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limit {
    /// How many batches are held.
    Batches,
    /// How many bytes they are charged.
    Bytes,
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Batches => "batches",
            Self::Bytes => "bytes",
        })
    }
}

/// What [`ReorderBuffer::hold`] did.
#[derive(Debug, PartialEq, Eq)]
#[must_use = "what was evicted must be told to its sender"]
pub(crate) struct Held<L, T> {
    /// When the arrival's lane expires.
    pub deadline: Time,
    /// What made room for the arrival, by lane, the highest seq first.
    pub evicted: Vec<Evicted<L, T>>,
}

/// An item that made room for another. Its seq was not decided and can be sent again.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Evicted<L, T> {
    /// The lane that held it.
    pub lane: L,
    /// Its number in that lane.
    pub seq: Seq,
    /// The item itself.
    pub item: T,
}

/// Why [`ReorderBuffer::hold`] refused an item: the bound that had no room for it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Full<T> {
    /// The scope that was full.
    pub scope: Scope,
    /// What it had run out of.
    pub limit: Limit,
    /// The bound itself.
    pub bound: usize,
    /// The item, given back.
    pub item: T,
}

impl<T> fmt::Display for Full<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            scope,
            limit,
            bound,
            ..
        } = self;
        write!(
            f,
            "no room to hold the batch: {scope} bound is {bound} {limit}"
        )
    }
}

impl<T: fmt::Debug> error::Error for Full<T> {}

/// What a lane gave up at its deadline.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Expired<L, T> {
    /// The lane whose first missing seq did not come in time.
    pub lane: L,
    /// All that it held, in order of seq.
    pub items: Vec<(Seq, T)>,
}

#[derive(Debug)]
struct Lane<D, T> {
    document: D,
    deadline: Time,
    items: BTreeMap<Seq, Item<T>>,
}

#[derive(Debug)]
struct Item<T> {
    bytes: usize,
    item: T,
}

struct Arrival<D, L> {
    document: D,
    lane: L,
    seq: Seq,
    load: Load,
}

struct Refusal {
    scope: Scope,
    limit: Limit,
}

/// What an arrival evicts: the upper end of some lanes.
struct Evictions<D, L> {
    cuts: BTreeMap<L, Cut<D>>,
    /// Invariant: the sum of the loads of `cuts`.
    freed: Load,
}

/// From `from` upwards, all that the lane holds: `load`.
struct Cut<D> {
    document: D,
    from: Seq,
    load: Load,
}

/// Who holds how much in this shard.
///
/// Invariant: lanes and documents that hold nothing are not here.
#[derive(Debug)]
struct Ledger<D, L> {
    lanes: BTreeMap<L, Load>,
    documents: BTreeMap<D, Ranking<L>>,
    shard: Ranking<L>,
}

impl<D: Ord, L: Copy + Ord> Ledger<D, L> {
    fn charge(&mut self, document: D, lane: L, load: Load) {
        let account = self.lanes.entry(lane).or_default();
        let before = *account;
        *account += load;
        let ranking = self.documents.entry(document).or_default();
        ranking.shift(lane, before, *account);
        self.shard.shift(lane, before, *account);
    }

    fn discharge(&mut self, document: D, lane: L, load: Load) {
        let before = self.lane(lane);
        let mut after = before;
        after -= load;
        self.shard.shift(lane, before, after);
        if let btree_map::Entry::Occupied(mut ranking) = self.documents.entry(document) {
            ranking.get_mut().shift(lane, before, after);
            if ranking.get().total.batches == 0 {
                ranking.remove();
            }
        }
        if after.batches == 0 {
            self.lanes.remove(&lane);
        } else {
            self.lanes.insert(lane, after);
        }
    }

    fn lane(&self, lane: L) -> Load {
        self.lanes.get(&lane).copied().unwrap_or_default()
    }

    /// What the arrival's scope holds, `others` being what other shards do.
    fn load(&self, scope: Scope, arrival: &Arrival<D, L>, others: Load) -> Load {
        match scope {
            Scope::Lane => self.lane(arrival.lane),
            Scope::Document => {
                let ranking = self.documents.get(&arrival.document);
                ranking.map(|ranking| ranking.total).unwrap_or_default()
            }
            Scope::Engine => {
                let mut sum = others;
                sum += self.shard.total;
                sum
            }
        }
    }

    /// The lane of this shard that holds most in the arrival's scope.
    fn fullest(&self, scope: Scope, limit: Limit, arrival: &Arrival<D, L>) -> Option<L> {
        match scope {
            Scope::Lane => Some(arrival.lane),
            Scope::Document => self.documents.get(&arrival.document)?.fullest(limit),
            Scope::Engine => self.shard.fullest(limit),
        }
    }
}

/// Lanes in order of how much they hold.
#[derive(Debug)]
struct Ranking<L> {
    total: Load,
    by_batches: BTreeSet<(usize, L)>,
    by_bytes: BTreeSet<(usize, L)>,
}

impl<L: Copy + Ord> Ranking<L> {
    fn shift(&mut self, lane: L, before: Load, after: Load) {
        self.total -= before;
        self.total += after;
        self.by_batches.remove(&(before.batches, lane));
        self.by_bytes.remove(&(before.bytes, lane));
        if after.batches > 0 {
            self.by_batches.insert((after.batches, lane));
            self.by_bytes.insert((after.bytes, lane));
        }
    }

    fn fullest(&self, limit: Limit) -> Option<L> {
        let ranking = match limit {
            Limit::Batches => &self.by_batches,
            Limit::Bytes => &self.by_bytes,
        };
        ranking.last().map(|&(_, lane)| lane)
    }
}

impl<L> Default for Ranking<L> {
    fn default() -> Self {
        Self {
            total: Load::default(),
            by_batches: BTreeSet::new(),
            by_bytes: BTreeSet::new(),
        }
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Load {
    batches: usize,
    bytes: usize,
}

impl Load {
    fn beyond(self, bound: Bound) -> Option<Limit> {
        if self.batches > bound.batches {
            Some(Limit::Batches)
        } else {
            (self.bytes > bound.bytes).then_some(Limit::Bytes)
        }
    }
}

impl AddAssign for Load {
    fn add_assign(&mut self, other: Self) {
        self.batches += other.batches;
        self.bytes += other.bytes;
    }
}

impl SubAssign for Load {
    fn sub_assign(&mut self, other: Self) {
        self.batches -= other.batches;
        self.bytes -= other.bytes;
    }
}

/// One lane's default: about 1 s of a client that sends 60 batches of 4 KiB a second. With less, an
/// ordinary loss overflows; with more, one client crowds out the others of its document.
const LANE_BOUND: Bound = Bound {
    batches: 64,
    bytes: 256 << 10,
};

/// One document's default: 16 full lanes, as many clients behind one bad link. With less, they evict
/// each other's batches; with more, one busy document takes most of the engine's bound.
const DOCUMENT_BOUND: Bound = Bound {
    batches: 1_024,
    bytes: 4 << 20,
};

/// The engine's default: ten full documents in batches, five in bytes (2 % of a budget of 1,000 MiB).
/// With less, a few bad links starve the rest; with more, batches that may never be applied take
/// memory from documents.
const ENGINE_BOUND: Bound = Bound {
    batches: 10_000,
    bytes: 20 << 20,
};

/// Default wait for a missing seq: time for several resends over a link of 300 ms. With less, a
/// resend comes after what it was to release is dropped; with more, a dead lane keeps its room.
const GAP_DEADLINE: Duration = Duration::from_secs(2);

/// How many items one arrival may evict: a full lane of the default bound. With fewer, a large batch
/// could not displace many small ones; with more, an arrival that is refused after all (and so may
/// come again and again) costs its shard more than some 0.1 ms of planning.
const EVICTIONS_MAX: usize = 64;

#[cfg(test)]
mod tests {
    use std::thread;

    use proptest::prelude::*;

    use super::*;

    type Buffer = ReorderBuffer<u8, u8, u32>;

    const AMPLE: Bound = Bound {
        batches: 1_000,
        bytes: 1_000_000,
    };
    const BOUNDS: ReorderBounds = ReorderBounds {
        lane: AMPLE,
        document: AMPLE,
        engine: AMPLE,
        gap_deadline: Duration::from_millis(10),
    };

    const fn bound(batches: usize, bytes: usize) -> Bound {
        Bound { batches, bytes }
    }

    const fn at(millis: u64) -> Time {
        Time::from_millis(millis)
    }

    fn buffer(bounds: ReorderBounds) -> Buffer {
        Buffer::new(bounds, Arc::default())
    }

    /// A lane's document, two lanes to each.
    const fn document(lane: u8) -> u8 {
        lane / 2
    }

    /// Holds at the start of time an item equal to its seq; says what was evicted, or which bound refused.
    fn hold(
        buffer: &mut Buffer,
        lane: u8,
        seq: u64,
        bytes: usize,
    ) -> Result<Vec<(u8, u64)>, (Scope, Limit)> {
        let item = u32::try_from(seq).unwrap_or(u32::MAX);
        let held = buffer.hold(at(0), document(lane), lane, Seq(seq), bytes, item);
        let held = held.map_err(|full| (full.scope, full.limit))?;
        Ok(held.evicted.iter().map(|e| (e.lane, e.seq.0)).collect())
    }

    /// Bounds of which only this one matters.
    fn within(scope: Scope, bound: Bound) -> ReorderBounds {
        let mut bounds = BOUNDS;
        *match scope {
            Scope::Lane => &mut bounds.lane,
            Scope::Document => &mut bounds.document,
            Scope::Engine => &mut bounds.engine,
        } = bound;
        bounds
    }

    fn each_scope(bound: Bound) -> [(Scope, Buffer); 3] {
        Scope::ALL.map(|scope| (scope, buffer(within(scope, bound))))
    }

    /// Holds where there is room: lane, seq, bytes.
    fn fill(buffer: &mut Buffer, items: &[(u8, u64, usize)]) {
        for &(lane, seq, bytes) in items {
            assert_eq!(hold(buffer, lane, seq, bytes), Ok(vec![]));
        }
    }

    const fn load(batches: usize, bytes: usize) -> Load {
        Load { batches, bytes }
    }

    /// Two buffers with one pool.
    fn pair(bounds: ReorderBounds) -> [Buffer; 2] {
        let pool = Arc::new(ReorderPool::default());
        [(); 2].map(|()| Buffer::new(bounds, Arc::clone(&pool)))
    }

    #[test]
    fn held_items_drain_in_order() {
        let mut buffer = buffer(BOUNDS);
        fill(&mut buffer, &[(1, 4, 8), (1, 2, 8), (1, 3, 8), (1, 6, 8)]);
        assert_eq!(buffer.take(at(0), 1, Seq(1)), None);
        let mut seqs = (2..).map(Seq);
        let drained = std::iter::from_fn(|| buffer.take(at(0), 1, seqs.next()?));
        assert_eq!(drained.collect::<Vec<_>>(), [2, 3, 4]);
        assert_eq!(buffer.get(1, Seq(6)), Some(&6));
        assert_eq!((buffer.batches(), buffer.bytes()), (1, 8));
    }

    #[test]
    fn each_scope_is_bounded_in_batches_and_in_bytes() {
        let (few, small) = (bound(3, 999), bound(9, 30));
        for (limit, most) in [(Limit::Batches, few), (Limit::Bytes, small)] {
            for (scope, mut buffer) in each_scope(most) {
                fill(&mut buffer, &[(1, 2, 10), (1, 3, 10), (1, 4, 10)]);
                let full = buffer.hold(at(0), 0, 1, Seq(5), 10, 77).unwrap_err();
                assert_eq!((full.scope, full.limit, full.item), (scope, limit, 77));
                assert_eq!(full.bound, most.of(limit));
                assert_eq!((buffer.batches(), buffer.bytes()), (3, 30));
            }
        }
    }

    #[test]
    fn nothing_is_held_where_a_bound_is_zero() {
        for (limit, none) in [(Limit::Batches, bound(0, 9)), (Limit::Bytes, bound(9, 0))] {
            for (scope, mut buffer) in each_scope(none) {
                assert_eq!(hold(&mut buffer, 1, 2, 1), Err((scope, limit)));
                assert_eq!((buffer.batches(), buffer.next_deadline()), (0, None));
            }
        }
    }

    #[test]
    fn the_farthest_of_the_fullest_lane_is_evicted() {
        for (scope, mut buffer) in each_scope(bound(4, 999)).into_iter().skip(1) {
            fill(&mut buffer, &[(0, 9, 1), (1, 3, 1), (1, 5, 1), (1, 4, 1)]);
            assert_eq!(hold(&mut buffer, 0, 7, 1), Ok(vec![(1, 5)]), "{scope}");
            // Two each and the arrival: now lane 0 is the fullest, and 9 its farthest.
            assert_eq!(hold(&mut buffer, 0, 8, 1), Ok(vec![(0, 9)]), "{scope}");
        }
    }

    #[test]
    fn an_arrival_that_is_itself_the_farthest_is_refused() {
        for (scope, mut buffer) in each_scope(bound(3, 999)) {
            fill(&mut buffer, &[(1, 4, 1), (1, 5, 1), (1, 6, 1)]);
            assert_eq!(hold(&mut buffer, 1, 7, 1), Err((scope, Limit::Batches)));
            assert_eq!(hold(&mut buffer, 1, 3, 1), Ok(vec![(1, 6)]), "{scope}");
        }
    }

    #[test]
    fn the_fullest_lane_is_counted_in_what_has_run_out() {
        let (many_small, few_large) = (
            [(1, 2, 10), (1, 3, 10), (1, 4, 10)],
            [(0, 5, 40), (0, 6, 30)],
        );
        for (most, evicted) in [(bound(9, 100), (0, 6)), (bound(5, 999), (1, 4))] {
            for (scope, mut buffer) in each_scope(most).into_iter().skip(1) {
                fill(&mut buffer, &many_small);
                fill(&mut buffer, &few_large);
                assert_eq!(hold(&mut buffer, 0, 4, 15), Ok(vec![evicted]), "{scope}");
            }
        }
    }

    #[test]
    fn of_equally_full_lanes_the_greatest_gives_way() {
        for (_, mut buffer) in each_scope(bound(2, 999)).into_iter().skip(1) {
            fill(&mut buffer, &[(0, 3, 1), (0, 4, 1)]);
            assert_eq!(hold(&mut buffer, 1, 9, 1), Ok(vec![(0, 4)]));
            assert_eq!(hold(&mut buffer, 1, 8, 1), Ok(vec![(1, 9)]));
        }
        let mut buffer = buffer(within(Scope::Engine, bound(3, 999)));
        fill(&mut buffer, &[(0, 5, 1), (1, 5, 1), (2, 5, 1)]);
        assert_eq!(hold(&mut buffer, 1, 4, 1), Ok(vec![(1, 5)]));
        assert_eq!(
            hold(&mut buffer, 3, 9, 1),
            Err((Scope::Engine, Limit::Batches))
        );
    }

    #[test]
    fn a_full_document_spares_the_lanes_of_others() {
        let mut buffer = buffer(within(Scope::Document, bound(2, 999)));
        fill(&mut buffer, &[(2, 7, 1), (2, 8, 1), (1, 3, 1), (1, 4, 1)]);
        assert_eq!(hold(&mut buffer, 0, 2, 1), Ok(vec![(1, 4)]));
        assert_eq!(buffer.held(2), 2);
    }

    #[test]
    fn a_refused_arrival_evicts_nothing() {
        let mut buffer = buffer(within(Scope::Engine, bound(9, 100)));
        fill(
            &mut buffer,
            &[(1, 8, 40), (1, 9, 5), (0, 5, 20), (2, 7, 30)],
        );
        let before = format!("{buffer:?}");
        // 9 of lane 1 would have to go, and then the arrival, now the farthest of the fullest.
        let full = (Scope::Engine, Limit::Bytes);
        assert_eq!(hold(&mut buffer, 0, 6, 25), Err(full));
        assert_eq!(format!("{buffer:?}"), before);
        assert_eq!(hold(&mut buffer, 0, 4, 25), Ok(vec![(0, 5), (1, 9)]));
    }

    #[test]
    fn an_oversize_item_is_refused_at_once() {
        for (scope, mut buffer) in each_scope(bound(9, 100)) {
            fill(&mut buffer, &[(1, 9, 100)]);
            assert_eq!(hold(&mut buffer, 1, 2, 101), Err((scope, Limit::Bytes)));
            assert_eq!(buffer.held(1), 1);
        }
    }

    #[test]
    fn sums_of_bytes_do_not_overflow() {
        let all = bound(9, usize::MAX);
        let bounds = ReorderBounds {
            lane: all,
            document: all,
            engine: all,
            ..BOUNDS
        };
        let mut buffer = buffer(bounds);
        assert_eq!(hold(&mut buffer, 1, 3, usize::MAX / 2), Ok(vec![]));
        assert_eq!(hold(&mut buffer, 1, 2, usize::MAX / 2), Ok(vec![(1, 3)]));
    }

    #[test]
    fn an_arrival_that_would_evict_too_many_is_refused() {
        for (most, evicted) in [(EVICTIONS_MAX, EVICTIONS_MAX), (EVICTIONS_MAX + 1, 0)] {
            let mut buffer = buffer(within(Scope::Document, bound(999, most)));
            for seq in 0..most as u64 {
                fill(&mut buffer, &[(0, seq + 9, 1)]);
            }
            let before = format!("{buffer:?}");
            let held = hold(&mut buffer, 0, 2, most);
            assert_eq!(held.map_or(0, |evicted| evicted.len()), evicted);
            assert_eq!(format!("{buffer:?}") == before, evicted == 0);
        }
    }

    #[test]
    fn the_deadline_counts_from_the_first_missing_seq() {
        let mut buffer = buffer(BOUNDS);
        let first = buffer.hold(at(5), 0, 1, Seq(2), 1, 0).unwrap();
        let second = buffer.hold(at(9), 0, 1, Seq(5), 1, 0).unwrap();
        assert_eq!([first.deadline, second.deadline], [at(15); 2]);
        assert_eq!(buffer.take(at(12), 1, Seq(3)), None);
        assert_eq!(buffer.deadline(1), Some(at(15)));
        // Progress: the first missing seq is another one now.
        assert!(buffer.take(at(12), 1, Seq(2)).is_some());
        assert_eq!(buffer.deadline(1), Some(at(22)));
        assert!(buffer.take(at(13), 1, Seq(5)).is_some());
        assert_eq!((buffer.deadline(1), buffer.next_deadline()), (None, None));
    }

    #[test]
    fn a_lane_that_evicts_all_else_for_an_arrival_keeps_its_deadline() {
        let mut buffer = buffer(within(Scope::Lane, bound(1, 9)));
        fill(&mut buffer, &[(1, 9, 1)]);
        let held = buffer.hold(at(7), 0, 1, Seq(5), 1, 0).unwrap();
        assert_eq!((held.deadline, held.evicted.len()), (at(10), 1));
        assert_eq!(buffer.next_deadline(), Some(at(10)));
    }

    #[test]
    fn a_lane_emptied_by_eviction_has_no_deadline() {
        let mut buffer = buffer(within(Scope::Engine, bound(1, 9)));
        assert_eq!(hold(&mut buffer, 3, 9, 1), Ok(vec![]));
        assert_eq!(hold(&mut buffer, 1, 9, 1), Ok(vec![(3, 9)]));
        assert_eq!((buffer.deadline(3), buffer.held(3)), (None, 0));
        assert_eq!(buffer.expire(at(10)).map(|e| e.lane), Some(1));
        assert_eq!(buffer.expire(at(99)), None);
    }

    #[test]
    fn the_earliest_lane_expires_first_with_all_that_it_holds() {
        let mut buffer = buffer(BOUNDS);
        for (now, lane, seq) in [(3, 1, 4), (1, 5, 9), (1, 5, 7), (1, 2, 3)] {
            assert!(buffer.hold(at(now), 0, lane, Seq(seq), 1, 0).is_ok());
        }
        assert_eq!(buffer.expire(at(10)), None);
        assert_eq!(buffer.next_deadline(), Some(at(11)));
        let expired = std::iter::from_fn(|| buffer.expire(at(13)));
        let seqs = |items: Vec<(Seq, u32)>| items.iter().map(|(seq, _)| seq.0).collect();
        let expired: Vec<(u8, Vec<u64>)> = expired.map(|e| (e.lane, seqs(e.items))).collect();
        assert_eq!(expired, [(2, vec![3]), (5, vec![7, 9]), (1, vec![4])]);
    }

    #[test]
    fn missing_ranges_end_at_the_highest_held() {
        let mut buffer = buffer(BOUNDS);
        assert_eq!(buffer.missing(1, Seq(1)), []);
        fill(
            &mut buffer,
            &[(1, 3, 1), (1, 4, 1), (1, 7, 1), (1, u64::MAX, 1)],
        );
        let range = |first, last| Seq(first)..=Seq(last);
        let upper = range(8, u64::MAX - 1);
        let missing = [range(1, 2), range(5, 6), upper.clone()];
        assert_eq!(buffer.missing(1, Seq(1)), missing);
        assert_eq!(buffer.missing(1, Seq(6)), [range(6, 6), upper]);
        assert_eq!(buffer.missing(1, Seq(u64::MAX)), []);
        assert_eq!(buffer.highest(1), Some(Seq(u64::MAX)));
    }

    #[test]
    fn the_pool_gets_back_whatever_leaves() {
        let mut buffer = buffer(within(Scope::Engine, bound(5, 500)));
        let pool = Arc::clone(&buffer.pool);
        fill(
            &mut buffer,
            &[
                (0, 2, 100),
                (1, 3, 100),
                (0, 4, 100),
                (1, 5, 100),
                (0, 6, 100),
            ],
        );
        assert_eq!(pool.load(), load(5, 500));
        assert_eq!(hold(&mut buffer, 3, 2, 10), Ok(vec![(0, 6)]));
        assert_eq!(pool.load(), load(5, 410));
        assert!(buffer.take(at(1), 0, Seq(2)).is_some());
        assert_eq!(pool.load(), load(4, 310));
        assert_eq!(buffer.remove_lane(1), [(Seq(3), 3), (Seq(5), 5)]);
        assert_eq!(pool.load(), load(2, 110));
        assert_eq!(buffer.expire(at(10)).map(|e| e.lane), Some(3));
        assert_eq!(pool.load(), load(1, 100));
        drop(buffer);
        assert_eq!(pool.load(), load(0, 0));
    }

    #[test]
    fn shards_share_the_pool_but_evict_only_their_own() {
        let [mut one, mut two] = pair(within(Scope::Engine, bound(3, 99)));
        fill(&mut one, &[(1, 2, 1), (1, 3, 1), (1, 4, 1)]);
        let full = (Scope::Engine, Limit::Batches);
        assert_eq!(hold(&mut two, 1, 2, 1), Err(full));
        assert!(one.take(at(0), 1, Seq(2)).is_some());
        fill(&mut two, &[(1, 5, 1)]);
        assert_eq!(hold(&mut two, 1, 2, 1), Ok(vec![(1, 5)]));
        drop(one);
        assert_eq!(two.pool.load(), load(1, 1));
    }

    #[test]
    fn an_arrival_that_loses_the_race_for_the_pool_evicts_nothing() {
        let [mut one, mut two] = pair(within(Scope::Engine, bound(9, 10)));
        fill(&mut one, &[(1, 9, 4)]);
        fill(&mut two, &[(1, 9, 5)]);
        let before = format!("{one:?}");
        let arrival = Arrival {
            document: 0,
            lane: 1,
            seq: Seq(2),
            load: load(1, 8),
        };
        // What `one` saw before `two` held: room enough once its own item is evicted.
        let refused = one.admit(&arrival, load(0, 0)).err().unwrap();
        assert_eq!(
            (refused.scope, refused.limit),
            (Scope::Engine, Limit::Bytes)
        );
        assert_eq!(format!("{one:?}"), before);
    }

    #[test]
    fn a_refused_exchange_leaves_the_pool_as_it_was() {
        let pool = ReorderPool::default();
        let nothing = load(0, 0);
        assert!(pool.exchange(nothing, load(2, 8), bound(3, 10)).is_ok());
        assert!(pool.exchange(nothing, load(2, 1), bound(3, 10)).is_err());
        assert!(pool.exchange(nothing, load(1, 3), bound(3, 10)).is_err());
        assert!(pool.exchange(load(2, 1), load(1, 4), bound(3, 10)).is_err());
        assert_eq!(pool.load(), load(2, 8));
        assert!(pool.exchange(load(2, 1), load(1, 3), bound(3, 10)).is_ok());
        assert_eq!(pool.load(), load(1, 10));
    }

    #[test]
    fn shards_on_threads_never_pass_the_engine_bound() {
        let most = bound(6, 60);
        let shards = pair(within(Scope::Engine, most));
        let pool = Arc::clone(&shards[0].pool);
        thread::scope(|scope| {
            for mut buffer in shards {
                scope.spawn(move || {
                    for turn in 0..if cfg!(miri) { 50 } else { 5_000 } {
                        let lane = u8::from(turn % 4 == 0);
                        let _evicted_or_refused = hold(&mut buffer, lane, 9_999 - turn, 13);
                        if turn % 5 == 0 {
                            buffer.remove_lane(lane);
                        }
                        assert_eq!(buffer.pool.load().beyond(most), None);
                    }
                });
            }
        });
        assert_eq!(pool.load(), load(0, 0));
    }

    #[derive(Clone, Copy, Debug, PartialEq)]
    struct Entry {
        shard: usize,
        lane: u8,
        seq: u64,
        bytes: usize,
        deadline: Time,
        item: u32,
    }

    /// Everything that the shards hold, in one list; each question is a scan of it.
    #[derive(Default)]
    struct Naive(Vec<Entry>);

    impl Naive {
        fn lane(&self, shard: usize, lane: u8) -> Vec<Entry> {
            let mut of_lane = self.0.clone();
            of_lane.retain(|e| e.shard == shard && e.lane == lane);
            of_lane.sort_by_key(|e| e.seq);
            of_lane
        }

        fn remove_lane(&mut self, shard: usize, lane: u8) -> Vec<(Seq, u32)> {
            let removed = self.lane(shard, lane);
            self.0.retain(|e| !removed.contains(e));
            removed.iter().map(|e| (Seq(e.seq), e.item)).collect()
        }

        fn take(&mut self, shard: usize, lane: u8, seq: u64, deadline: Time) -> Option<u32> {
            let own = self.lane(shard, lane);
            let taken = own.iter().find(|e| e.seq == seq)?;
            self.0.retain(|e| e != taken);
            let rest = self.0.iter_mut();
            let rest = rest.filter(|e| e.shard == shard && e.lane == lane);
            rest.for_each(|e| e.deadline = deadline);
            Some(taken.item)
        }

        fn expire(&mut self, shard: usize, now: Time) -> Option<Expired<u8, u32>> {
            let due = self
                .0
                .iter()
                .filter(|e| e.shard == shard && e.deadline <= now);
            let lane = due.min_by_key(|e| (e.deadline, e.lane))?.lane;
            let items = self.remove_lane(shard, lane);
            Some(Expired { lane, items })
        }

        fn hold(
            &mut self,
            bounds: &ReorderBounds,
            mut arrival: Entry,
        ) -> Result<Vec<Entry>, (Scope, Limit)> {
            let own = self.lane(arrival.shard, arrival.lane);
            arrival.deadline = own.first().map_or(arrival.deadline, |e| e.deadline);
            for scope in Scope::ALL {
                if arrival.bytes > bounds.of(scope).bytes {
                    return Err((scope, Limit::Bytes));
                }
            }
            let (mut after, mut evicted) = (self.0.clone(), Vec::new());
            after.push(arrival);
            for scope in Scope::ALL {
                loop {
                    let mut inside = after.clone();
                    inside.retain(|e| counts(scope, e, &arrival));
                    let Some(limit) = sum(&inside).beyond(bounds.of(scope)) else {
                        break;
                    };
                    inside.retain(|e| e.shard == arrival.shard);
                    let weight = |lane: u8| {
                        let of_lane: Vec<_> =
                            inside.iter().copied().filter(|e| e.lane == lane).collect();
                        let Load { batches, bytes } = sum(&of_lane);
                        if limit == Limit::Batches {
                            batches
                        } else {
                            bytes
                        }
                    };
                    let farthest = inside
                        .iter()
                        .max_by_key(|e| (weight(e.lane), e.lane, e.seq));
                    let farthest = *farthest.unwrap();
                    if farthest == arrival {
                        return Err((scope, limit));
                    }
                    after.retain(|e| *e != farthest);
                    evicted.push(farthest);
                }
            }
            self.0 = after;
            evicted.sort_by_key(|e| (e.lane, u64::MAX - e.seq));
            Ok(evicted)
        }
    }

    fn sum(entries: &[Entry]) -> Load {
        load(entries.len(), entries.iter().map(|e| e.bytes).sum())
    }

    fn counts(scope: Scope, e: &Entry, arrival: &Entry) -> bool {
        let same_shard = e.shard == arrival.shard;
        match scope {
            Scope::Lane => same_shard && e.lane == arrival.lane,
            Scope::Document => same_shard && document(e.lane) == document(arrival.lane),
            Scope::Engine => true,
        }
    }

    #[derive(Clone, Debug)]
    enum Op {
        Hold { seq: u64, bytes: usize },
        Take { seq: u64 },
        Remove,
        Expire,
    }

    fn op() -> impl Strategy<Value = Op> {
        prop_oneof![
            10 => (1..SEQS, 0..24_usize).prop_map(|(seq, bytes)| Op::Hold { seq, bytes }),
            4 => (1..SEQS).prop_map(|seq| Op::Take { seq }),
            1 => Just(Op::Remove),
            2 => Just(Op::Expire),
        ]
    }

    fn any_bound(most: usize) -> impl Strategy<Value = Bound> {
        (1..most, 10..most * 10).prop_map(|(batches, bytes)| bound(batches, bytes))
    }

    /// Compares all that can be seen of a shard with the model.
    fn compare(buffer: &Buffer, model: &Naive, shard: usize, bounds: &ReorderBounds) {
        let mut own = model.0.clone();
        own.retain(|e| e.shard == shard);
        assert_eq!(load(buffer.batches(), buffer.bytes()), sum(&own));
        assert_eq!(buffer.next_deadline(), own.iter().map(|e| e.deadline).min());
        assert_eq!(buffer.pool.load(), sum(&model.0));
        // What holds nothing leaves no trace.
        let lanes: BTreeSet<_> = own.iter().map(|e| e.lane).collect();
        let documents: BTreeSet<_> = own.iter().map(|e| document(e.lane)).collect();
        assert!(buffer.lanes.keys().eq(&lanes) && buffer.ledger.lanes.keys().eq(&lanes));
        assert!(buffer.ledger.documents.keys().eq(&documents));
        for one in &own {
            for scope in Scope::ALL {
                let mut inside = model.0.clone();
                inside.retain(|e| counts(scope, e, one));
                assert_eq!(sum(&inside).beyond(bounds.of(scope)), None);
            }
        }
        for lane in 0..LANES {
            let of_lane = model.lane(shard, lane);
            assert_eq!(buffer.held(lane), of_lane.len());
            assert_eq!(buffer.deadline(lane), of_lane.first().map(|e| e.deadline));
            let highest = of_lane.last().map(|e| e.seq);
            assert_eq!(buffer.highest(lane), highest.map(Seq));
            let find = |seq| of_lane.iter().find(|e| e.seq == seq).map(|e| &e.item);
            for seq in 1..SEQS {
                assert_eq!(buffer.get(lane, Seq(seq)), find(seq));
            }
            let missing = buffer.missing(lane, Seq(1)).into_iter();
            let missing = missing.flat_map(|range| range.start().0..=range.end().0);
            let absent = (1..highest.unwrap_or(1)).filter(|&seq| find(seq).is_none());
            assert!(missing.eq(absent));
        }
    }

    const LANES: u8 = 5;
    const SEQS: u64 = 12;

    proptest! {
        #[test]
        fn two_shards_do_as_the_naive_model_and_lose_nothing(
            bounds in (any_bound(8), any_bound(12), any_bound(20)),
            ops in prop::collection::vec((0..2_usize, 0..LANES, 0..4_u64, op()), 1..120),
        ) {
            let (lane, document, engine) = bounds;
            check(ReorderBounds { lane, document, engine, ..BOUNDS }, ops);
        }
    }

    fn check(bounds: ReorderBounds, ops: Vec<(usize, u8, u64, Op)>) {
        let mut shards = pair(bounds);
        let mut model = Naive::default();
        let (mut millis, mut item, mut held, mut left) = (0, 0, 0, 0);
        for (shard, lane, later, op) in ops {
            millis += later;
            item += 1;
            let now = at(millis);
            let deadline = now + bounds.gap_deadline;
            let buffer = &mut shards[shard];
            match op {
                Op::Hold { seq, .. } if buffer.get(lane, Seq(seq)).is_some() => {}
                Op::Hold { seq, bytes } => {
                    #[rustfmt::skip]
                    let arrival = Entry { shard, lane, seq, bytes, deadline, item };
                    let expected = model.hold(&bounds, arrival);
                    let result = buffer.hold(now, document(lane), lane, Seq(seq), bytes, item);
                    held += usize::from(result.is_ok());
                    match result {
                        Ok(done) => {
                            left += done.evicted.len();
                            let seen = done.evicted.iter().map(|e| (e.lane, e.seq.0, e.item));
                            let expected = expected.unwrap().into_iter();
                            assert!(seen.eq(expected.map(|e| (e.lane, e.seq, e.item))));
                            assert_eq!(Some(done.deadline), buffer.deadline(lane));
                        }
                        Err(full) => {
                            assert_eq!(Err((full.scope, full.limit)), expected);
                            assert_eq!(full.item, item);
                        }
                    }
                }
                Op::Take { seq } => {
                    let taken = model.take(shard, lane, seq, deadline);
                    left += usize::from(taken.is_some());
                    assert_eq!(buffer.take(now, lane, Seq(seq)), taken);
                }
                Op::Remove => {
                    let removed = model.remove_lane(shard, lane);
                    left += removed.len();
                    assert_eq!(buffer.remove_lane(lane), removed);
                }
                Op::Expire => {
                    let expired = model.expire(shard, now);
                    left += expired.as_ref().map_or(0, |e| e.items.len());
                    assert_eq!(buffer.expire(now), expired);
                }
            }
            assert_eq!(held, left + shards[0].batches() + shards[1].batches());
            compare(&shards[0], &model, 0, &bounds);
            compare(&shards[1], &model, 1, &bounds);
        }
    }
}
