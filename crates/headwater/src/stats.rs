use std::{
    collections::BTreeMap,
    sync::atomic::{AtomicU64, Ordering},
};

use headwater_core::{Counts, Memory};

use crate::engine::{Engine, Inner};

/// What an engine holds and has done, at one look.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// What became of the batches handed in, since the start.
    pub counts: Counts,
    /// Where the memory goes now, in bytes.
    pub memory: Memory,
    /// The memory budget, in bytes.
    pub memory_max: u64,
    /// Documents there are now.
    pub documents: usize,
    /// Sessions open now.
    pub sessions: usize,
    /// Subscriptions there are now.
    pub subscribers: usize,
    /// Batches that wait in the queues now.
    pub queued: usize,
    /// Rounds in which queues were worked off, since the start.
    pub rounds: u64,
    /// Sessions that ended because they showed no sign of life.
    pub sessions_expired: u64,
    /// Documents that were compressed because nobody used them.
    pub documents_frozen: u64,
    /// Documents that were inflated because somebody wanted them.
    pub documents_thawed: u64,
    /// How often memory was relieved.
    pub reliefs: u64,
    /// Events that found no room, because the host does not take them.
    pub events_missed: u64,
    /// How often each bound was reached and each reason came up, by its stable word: why batches were
    /// refused or rejected, and why held ones were given up. What the host's own rule said counts as
    /// `refused`.
    pub reasons: BTreeMap<&'static str, u64>,
    /// Panics in tasks, each of which was started again, and in wakers, which cost nobody else anything.
    pub task_panics: u64,
}

impl Engine {
    /// Looks at everything that is counted. Shards are read one after the other; O(shards).
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.0.stats()
    }

    /// What became of the batches handed in. Each shard's counts balance; shards are read one after
    /// the other.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.0.counts()
    }

    /// Where the engine's memory goes.
    #[must_use]
    pub fn memory(&self) -> Memory {
        self.0.memory()
    }

    /// How many documents there are.
    #[must_use]
    pub fn documents(&self) -> usize {
        self.0.documents()
    }

    /// How many subscriptions there are.
    #[must_use]
    pub fn subscribers(&self) -> usize {
        self.0.subscribers.load(Ordering::Relaxed)
    }
}

impl Inner {
    pub(crate) fn stats(&self) -> Stats {
        let read = |tally: &AtomicU64| tally.load(Ordering::Relaxed);
        let tallies = &self.tallies;
        // Not in the list below, where its lock would be held while the shards' are taken.
        let sessions = self.sessions.read().len();
        Stats {
            counts: self.counts(),
            memory: self.memory(),
            memory_max: self.shared.budget.max(),
            documents: self.documents(),
            sessions,
            subscribers: self.subscribers.load(Ordering::Relaxed),
            queued: self.queues.iter().map(|queue| queue.len()).sum(),
            rounds: read(&tallies.rounds),
            sessions_expired: read(&tallies.sessions_expired),
            documents_frozen: read(&tallies.documents_frozen),
            documents_thawed: read(&tallies.documents_thawed),
            reliefs: read(&tallies.reliefs),
            events_missed: self.events.missed(),
            reasons: self.reasons(),
            task_panics: read(&tallies.task_panics),
        }
    }

    fn reasons(&self) -> BTreeMap<&'static str, u64> {
        let mut sum = BTreeMap::new();
        for shard in &self.shards {
            for (&reason, &count) in shard.read().reasons() {
                // A client may skip as many as there are, in one shard and in the next.
                let sum: &mut u64 = sum.entry(reason).or_default();
                *sum = sum.saturating_add(count);
            }
        }
        sum
    }

    fn counts(&self) -> Counts {
        let mut sum = Counts::default();
        for shard in &self.shards {
            sum += shard.read().counts();
        }
        sum
    }

    fn memory(&self) -> Memory {
        let mut sum = Memory {
            encoded: self.shared.frames.bytes(),
            queues: self.queued_bytes.load(Ordering::Relaxed),
            tables: self.sessions.read().heap_bytes(),
            ..Memory::default()
        };
        for shard in &self.shards {
            sum += shard.read().memory();
        }
        sum
    }

    pub(crate) fn documents(&self) -> usize {
        let shards = self.shards.iter();
        shards.map(|shard| shard.read().documents()).sum()
    }
}
