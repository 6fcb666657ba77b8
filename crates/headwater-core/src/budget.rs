use std::{
    ops::{AddAssign, SubAssign},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

/// The bytes that all shards of an engine may take together, and how many they do.
///
/// Whatever grows reserves first, so the count never passes the budget. Every access is `Relaxed`: it is
/// a counter only, no other data is published through it.
#[derive(Debug)]
pub struct Budget {
    max: u64,
    used: AtomicU64,
    /// The most that there was no room for since [`wanted`](Self::wanted) was asked.
    wanted: AtomicU64,
    /// The least that was taken since [`lowest`](Self::lowest) was asked.
    lowest: AtomicU64,
}

impl Budget {
    /// A budget of so many bytes.
    #[must_use]
    pub const fn new(max: u64) -> Self {
        Self {
            max,
            used: AtomicU64::new(0),
            wanted: AtomicU64::new(0),
            lowest: AtomicU64::new(0),
        }
    }

    /// The budget itself.
    #[must_use]
    pub const fn max(&self) -> u64 {
        self.max
    }

    /// How much of it is taken or being reserved.
    #[must_use]
    pub fn used(&self) -> u64 {
        self.used.load(Ordering::Relaxed)
    }

    /// Takes `bytes` if there is room for them.
    #[must_use]
    pub fn reserve(&self, bytes: u64) -> bool {
        let grown = |used: u64| used.checked_add(bytes).filter(|&sum| sum <= self.max);
        let (set, fetch) = (Ordering::Relaxed, Ordering::Relaxed);
        let reserved = self.used.fetch_update(set, fetch, grown).is_ok();
        if !reserved {
            self.wanted.fetch_max(bytes, Ordering::Relaxed);
        }
        reserved
    }

    /// The most bytes that there was no room for since this was asked the last time.
    #[must_use]
    pub fn wanted(&self) -> u64 {
        self.wanted.swap(0, Ordering::Relaxed)
    }

    /// The least that was taken since this was asked the last time.
    #[must_use]
    pub fn lowest(&self) -> u64 {
        self.lowest.swap(self.used(), Ordering::Relaxed)
    }

    /// Gives `bytes` back.
    pub fn release(&self, bytes: u64) {
        let before = self.used.fetch_sub(bytes, Ordering::Relaxed);
        let left = before.saturating_sub(bytes);
        self.lowest.fetch_min(left, Ordering::Relaxed);
    }

    /// Turns what was counted or reserved before into what is there now.
    pub(crate) fn exchange(&self, before: u64, now: u64) {
        if now > before {
            self.used.fetch_add(now - before, Ordering::Relaxed);
        } else {
            self.release(before - now);
        }
    }
}

/// A shard's part of the budget: more than it takes, so that not every batch goes to the counter that all
/// shards share.
#[derive(Debug)]
pub(crate) struct Allowance {
    budget: Arc<Budget>,
    reserved: u64,
    used: u64,
    /// What was let in and may be taken beyond `used`.
    promised: u64,
    /// What of that was let in before the call at hand, for what is staged.
    staged: u64,
    /// What it reserves at a time: small beside the budget, also for all shards together.
    grain: u64,
}

/// At most so much is reserved at a time: some hundred batches' worth.
const GRAIN_MAX: u64 = 64 << 10;

/// A shard's part of the budget in grains. [`Allowance::settle`] leaves it two in vain, so that all shards
/// together have at most a 32nd of the budget in vain.
const GRAINS: u64 = 64;

impl Allowance {
    /// Nothing of a budget that so many shards share.
    pub(crate) fn new(budget: Arc<Budget>, shards: usize) -> Self {
        let grains = GRAINS.saturating_mul(shards.max(1) as u64);
        Self {
            grain: (budget.max / grains).min(GRAIN_MAX),
            budget,
            reserved: 0,
            used: 0,
            promised: 0,
            staged: 0,
        }
    }

    /// Makes sure that `more` bytes can be taken, beside what was let in since the last
    /// [`settle`](Self::settle).
    pub(crate) fn admits(&mut self, more: u64) -> bool {
        let promised = self.promised.saturating_add(more);
        let missing = self
            .used
            .saturating_add(promised)
            .saturating_sub(self.reserved);
        if missing == 0 {
            self.promised = promised;
            return true;
        }
        let grown = [missing.max(self.grain), missing]
            .into_iter()
            .find(|&bytes| self.budget.reserve(bytes));
        if let Some(grown) = grown {
            self.reserved += grown;
            self.promised = promised;
        }
        grown.is_some()
    }

    /// Makes sure that `bytes` can be taken, those included that the call at hand has let in.
    pub(crate) fn admits_in_all(&mut self, bytes: u64) -> bool {
        self.admits(bytes.saturating_sub(self.let_in()))
    }

    /// What the call at hand has let in.
    pub(crate) const fn let_in(&self) -> u64 {
        self.promised.saturating_sub(self.staged)
    }

    /// Counts so much of what the call at hand has let in as taken, until [`settle`](Self::settle) says
    /// what is.
    pub(crate) const fn take(&mut self, bytes: u64) {
        self.promised = self.promised.saturating_sub(bytes);
        self.used = self.used.saturating_add(bytes);
    }

    /// Keeps what the call at hand has let in, beyond its end; how much that is.
    pub(crate) const fn stage(&mut self) -> u64 {
        let bytes = self.let_in();
        self.staged = self.promised;
        bytes
    }

    /// Keeps so much less.
    pub(crate) const fn unstage(&mut self, bytes: u64) {
        self.staged = self.staged.saturating_sub(bytes);
    }

    /// Notes what is taken now, and gives back what is reserved far beyond it and what is staged.
    pub(crate) fn settle(&mut self, used: u64) {
        self.used = used;
        self.promised = self.staged;
        let kept = used
            .saturating_add(self.promised)
            .saturating_add(self.grain);
        if used > self.reserved || self.reserved > kept + self.grain {
            self.budget
                .exchange(self.reserved, kept.min(self.reserved.max(used)));
            self.reserved = kept.min(self.reserved.max(used));
        }
    }
}

impl Drop for Allowance {
    fn drop(&mut self) {
        self.budget.release(self.reserved);
    }
}

/// Where the memory of an engine goes, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Memory {
    /// The newest versions of all documents.
    pub documents: u64,
    /// Documents that are compressed because nobody uses them.
    pub cold: u64,
    /// Recent commits with their inverses.
    pub history: u64,
    /// What old versions that somebody holds keep from being freed.
    pub pins: u64,
    /// Batches that wait for their turn.
    pub reorder: u64,
    /// Lanes with the outcomes that they remember.
    pub lanes: u64,
    /// Keys, and the tables of documents, lanes and sessions.
    pub tables: u64,
    /// Encoded frames that subscribers share.
    pub encoded: u64,
    /// Batches that wait in queues.
    pub queues: u64,
}

impl Memory {
    /// All of it.
    #[must_use]
    pub const fn total(&self) -> u64 {
        self.documents
            + self.cold
            + self.history
            + self.pins
            + self.reorder
            + self.lanes
            + self.tables
            + self.encoded
            + self.queues
    }
}

impl AddAssign for Memory {
    fn add_assign(&mut self, other: Self) {
        self.documents += other.documents;
        self.cold += other.cold;
        self.history += other.history;
        self.pins += other.pins;
        self.reorder += other.reorder;
        self.lanes += other.lanes;
        self.tables += other.tables;
        self.encoded += other.encoded;
        self.queues += other.queues;
    }
}

impl SubAssign for Memory {
    fn sub_assign(&mut self, other: Self) {
        self.documents -= other.documents;
        self.cold -= other.cold;
        self.history -= other.history;
        self.pins -= other.pins;
        self.reorder -= other.reorder;
        self.lanes -= other.lanes;
        self.tables -= other.tables;
        self.encoded -= other.encoded;
        self.queues -= other.queues;
    }
}
