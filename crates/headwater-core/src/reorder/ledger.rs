use std::{
    collections::{BTreeMap, BTreeSet, btree_map},
    ops::{AddAssign, SubAssign},
};

use super::{
    Arrival,
    bounds::{Bound, Limit, Scope},
};

/// Who holds how much in this shard.
///
/// Invariant: lanes and documents that hold nothing are not here.
#[derive(Debug)]
pub(crate) struct Ledger<D, L> {
    pub(crate) lanes: BTreeMap<L, Load>,
    pub(crate) documents: BTreeMap<D, Ranking<L>>,
    pub(crate) shard: Ranking<L>,
}

impl<D: Ord, L: Copy + Ord> Ledger<D, L> {
    pub(crate) fn charge(&mut self, document: D, lane: L, load: Load) {
        let account = self.lanes.entry(lane).or_default();
        let before = *account;
        *account += load;
        let ranking = self.documents.entry(document).or_default();
        ranking.shift(lane, before, *account);
        self.shard.shift(lane, before, *account);
    }

    pub(crate) fn discharge(&mut self, document: D, lane: L, load: Load) {
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

    pub(crate) fn lane(&self, lane: L) -> Load {
        self.lanes.get(&lane).copied().unwrap_or_default()
    }

    /// What the arrival's scope holds, `others` being what other shards do.
    pub(crate) fn load(&self, scope: Scope, arrival: &Arrival<D, L>, others: Load) -> Load {
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
    pub(crate) fn fullest(&self, scope: Scope, limit: Limit, arrival: &Arrival<D, L>) -> Option<L> {
        match scope {
            Scope::Lane => Some(arrival.lane),
            Scope::Document => self.documents.get(&arrival.document)?.fullest(limit),
            Scope::Engine => self.shard.fullest(limit),
        }
    }
}

/// Lanes in order of how much they hold.
#[derive(Debug)]
pub(crate) struct Ranking<L> {
    pub(crate) total: Load,
    pub(crate) by_batches: BTreeSet<(usize, L)>,
    pub(crate) by_bytes: BTreeSet<(usize, L)>,
}

impl<L: Copy + Ord> Ranking<L> {
    pub(crate) fn shift(&mut self, lane: L, before: Load, after: Load) {
        self.total -= before;
        self.total += after;
        self.by_batches.remove(&(before.batches, lane));
        self.by_bytes.remove(&(before.bytes, lane));
        if after.batches > 0 {
            self.by_batches.insert((after.batches, lane));
            self.by_bytes.insert((after.bytes, lane));
        }
    }

    pub(crate) fn fullest(&self, limit: Limit) -> Option<L> {
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
pub(crate) struct Load {
    pub(crate) batches: usize,
    pub(crate) bytes: usize,
}

impl Load {
    pub(crate) fn beyond(self, bound: Bound) -> Option<Limit> {
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
