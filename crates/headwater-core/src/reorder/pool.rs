use std::sync::atomic::{AtomicUsize, Ordering};

use super::{
    bounds::{Bound, Limit, Refusal, Scope},
    ledger::Load,
};

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

    pub(crate) fn load(&self) -> Load {
        Load {
            batches: self.batches(),
            bytes: self.bytes(),
        }
    }

    /// Gives back `freed` and reserves `taken` in one, all or nothing.
    ///
    /// Only the difference moves, so no other shard can take what is given back before it is used.
    pub(crate) fn exchange(&self, freed: Load, taken: Load, bound: Bound) -> Result<(), Refusal> {
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

    pub(crate) fn release(&self, load: Load) {
        self.batches.fetch_sub(load.batches, Ordering::Relaxed);
        self.bytes.fetch_sub(load.bytes, Ordering::Relaxed);
    }
}
