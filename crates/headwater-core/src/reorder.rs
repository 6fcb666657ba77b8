//! The bounded buffer of batches that are ahead of their turn.

mod bounds;
mod ledger;
mod pool;
#[cfg(test)]
mod tests;

use std::{
    collections::{BTreeMap, BTreeSet, btree_map},
    error, fmt,
    ops::RangeInclusive,
    sync::Arc,
};

use self::{
    bounds::Refusal,
    ledger::{Ledger, Load, Ranking},
};
pub use self::{
    bounds::{AtDeadline, Bound, Limit, ReorderBounds, Scope, WhenFull},
    pool::ReorderPool,
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
///   after each decision, until it says `None`; each success is progress of that lane. Progress by
///   an item that was never held is told by [`restart`](Self::restart).
/// - [`remove_lane`](Self::remove_lane) gives up what a lane holds. Ask [`due`](Self::due) at
///   [`next_deadline`](Self::next_deadline) or later, and settle that lane, until it says `None`.
/// - The rest look and change nothing.
///
/// Every item handed to `hold` comes back exactly once, from `hold` itself (refused, or later evicted
/// by another), `take` or `remove_lane`, unless the buffer is dropped first. None is
/// dropped silently, so the caller can tell its sender.
///
/// # Time
///
/// A lane has one deadline while it holds something, counted from when its first missing seq became
/// the first missing one: when the lane begins to hold, and again at each `take` or `restart` that
/// leaves something held. More arrivals ahead of their turn do not move it, so a sender cannot put it
/// off without progress. Nothing happens at a deadline by itself; until the caller acts the items can
/// still be taken.
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
/// than a scope, if it would evict more than 64 others, if another shard took the room meanwhile, or
/// if the bounds say [`WhenFull::RefuseNew`].
///
/// The seq that a lane needs next is not held, but in a lane whose caller has stopped taking between two
/// turns: such a batch can be evicted like any other, and its sender is told. A lane whose sender resends
/// from what it needs next always makes progress.
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

        if held.items.is_empty() {
            self.deadlines.remove(&(held.deadline, lane));
            self.lanes.remove(&lane);
        } else {
            self.restart(now, lane);
        }
        Some(item)
    }

    /// Starts the lane's deadline again, if it holds something: its first missing seq is another one
    /// from now on.
    pub(crate) fn restart(&mut self, now: Time, lane: L) {
        if let Some(held) = self.lanes.get_mut(&lane) {
            self.deadlines.remove(&(held.deadline, lane));
            held.deadline = now + self.bounds.gap_deadline;
            self.deadlines.insert((held.deadline, lane));
        }
    }

    /// The lane whose deadline is the earliest, if that is not after `now`: the caller gives up what it
    /// holds with [`remove_lane`](Self::remove_lane), or what it misses, by taking what it holds.
    ///
    /// Of equal deadlines the least lane comes first.
    #[must_use]
    pub(crate) fn due(&self, now: Time) -> Option<L> {
        let &(deadline, lane) = self.deadlines.first()?;
        (deadline <= now).then_some(lane)
    }

    /// The lowest seq that a lane holds.
    #[must_use]
    pub(crate) fn lowest(&self, lane: L) -> Option<Seq> {
        let (&seq, _) = self.lanes.get(&lane)?.items.first_key_value()?;
        Some(seq)
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

    /// When a lane is [`due`](Self::due) next; `None` if nothing is held.
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
    #[cfg(test)]
    pub(crate) const fn batches(&self) -> usize {
        self.ledger.shard.total.batches
    }

    /// How many bytes the batches held by this shard are charged.
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
        let refused = self.bounds.when_full == WhenFull::RefuseNew
            || (lane == arrival.lane && seq < arrival.seq);
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

/// What [`ReorderBuffer::hold`] did.
#[derive(Debug, PartialEq, Eq)]
#[must_use = "what was evicted must be told to its sender"]
pub(crate) struct Held<L, T> {
    /// When the arrival's lane expires.
    pub(crate) deadline: Time,
    /// What made room for the arrival, by lane, the highest seq first.
    pub(crate) evicted: Vec<Evicted<L, T>>,
}

/// An item that made room for another. Its seq was not decided and can be sent again.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Evicted<L, T> {
    /// The lane that held it.
    pub(crate) lane: L,
    /// Its number in that lane.
    pub(crate) seq: Seq,
    /// The item itself.
    pub(crate) item: T,
}

/// Why [`ReorderBuffer::hold`] refused an item: the bound that had no room for it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Full<T> {
    /// The scope that was full.
    pub(crate) scope: Scope,
    /// What it had run out of.
    pub(crate) limit: Limit,
    /// The bound itself.
    pub(crate) bound: usize,
    /// The item, given back.
    pub(crate) item: T,
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

/// How many items one arrival may evict: a full lane of the default bound. With fewer, a large batch
/// could not displace many small ones; with more, an arrival that is refused after all (and so may
/// come again and again) costs its shard more than some 0.1 ms of planning.
const EVICTIONS_MAX: usize = 64;
