use std::time::Duration;

use headwater_doc::{Patch, Pointer};

use super::{HELD_BYTES, Shard};
use crate::{
    budget::Memory,
    cold::{Freeze, Frozen, Thaw, Thawed},
    document::{BATCH_BYTES, Document, Rules},
    freed::Freed,
    id::Key,
    lane::Lane,
    submission::{Busy, Refusal},
    table::{EntryId, LaneId},
    time::Time,
};

/// What the shard takes, and how it takes less.
impl Shard {
    /// Where the shard's memory goes. Sessions and encoded frames are the engine's.
    #[must_use]
    pub fn memory(&self) -> Memory {
        Memory {
            reorder: self.reorder.bytes() as u64,
            lanes: self.table.bytes().lanes + self.outcome_bytes,
            tables: self.table.bytes().entries,
            ..self.memory
        }
    }

    /// What must be inflated before the shard can work on a document without doing that itself.
    #[must_use]
    pub fn cold(&self, key: &Key) -> Option<Thaw> {
        // Most shards have none: spares the look into the table.
        if self.cold == 0 {
            return None;
        }
        let document = self.table.document(key)?;
        Some(Thaw {
            key: key.clone(),
            position: document.position(),
            cold: document.cold()?.clone(),
        })
    }

    /// Puts an inflated document back in its place, if it is still wanted and the budget has room for it;
    /// whether so.
    pub fn thaw(&mut self, now: Time, thawed: Thawed) -> bool {
        let Thawed {
            key,
            position,
            root,
        } = thawed;
        let has_room = self.allowance.admits(root.heap_bytes());
        let mut root = Some(root);
        if has_room {
            self.change(&key, |document, _| {
                document.touch(now);
                document.thaw(position, &mut root);
            });
            self.settle();
        }
        let thawed = root.is_none();
        if let Some(root) = root {
            self.effects.freed.root(root);
        }
        thawed
    }

    /// Whether there are documents large enough to be compressed.
    #[must_use]
    pub fn has_large(&self) -> bool {
        !self.large.is_empty()
    }

    /// The next large document that nobody has used for `idle`. Each call looks at a bounded number of
    /// documents, in a circle.
    pub fn idle(&mut self, now: Time, idle: Duration) -> Option<Freeze> {
        let mut next = 0;
        let mut found = None;
        let ids = self.large.range(self.looked_at..);
        let ids = ids.chain(self.large.range(..self.looked_at));
        for &id in ids.take(LOOKED_AT_MAX) {
            next = id + 1;
            let entry = self.table.entries.get(id);
            let document = entry.and_then(|entry| Some((entry, entry.document.as_ref()?)));
            if let Some((entry, document)) = document
                && is_idle(now, idle, document)
            {
                found = Some(Freeze {
                    key: entry.key.clone(),
                    snapshot: document.snapshot(),
                    idle,
                });
                break;
            }
        }
        self.looked_at = next;
        found
    }

    /// Puts the compressed form in the place of a document, if nobody has used it meanwhile; whether so.
    pub fn freeze(&mut self, now: Time, frozen: Frozen) -> bool {
        let Frozen {
            key,
            position,
            cold,
            idle,
        } = frozen;
        let unused = self.table.document(&key).is_some_and(|document| {
            cold.heap_bytes() < document.memory().documents && is_idle(now, idle, document)
        });
        let frozen = unused
            && self
                .change(&key, |document, rules| {
                    document.freeze(position, cold, rules.freed)
                })
                .unwrap_or(false);
        self.settle();
        frozen
    }

    /// Lets go of the encoded frames of a bounded number of documents, and yields them, to be dropped once
    /// the lock of the shard is let go. Places as in [`relieve_history`](Self::relieve_history).
    #[must_use]
    pub fn relieve_frames(&self, from: usize) -> (Freed, Option<usize>) {
        let mut freed = Freed::default();
        let end = from.saturating_add(LOOKED_AT_MAX);
        for id in from..end.min(self.table.entries.capacity()) {
            let entry = self.table.entries.get(id);
            let document = entry.and_then(|entry| entry.document.as_ref());
            if let Some(watch) = document.and_then(Document::watch_if_any) {
                watch.frames.clear(&mut freed);
            }
        }
        let next = (end < self.table.entries.capacity()).then_some(end);
        (freed, next)
    }

    /// Lets go of the older half of the history of a bounded number of documents, fewer if it is long, from
    /// a place on: 0, or where the last call left off. Yields how many commits that were, and the next place,
    /// `None` at the end of the table.
    pub fn relieve_history(&mut self, from: usize) -> (usize, Option<usize>) {
        let mut end = from.saturating_add(LOOKED_AT_MAX);
        let mut commits = 0;
        for id in from..end.min(self.table.entries.capacity()) {
            let entry = self.table.entries.get_mut(id);
            if let Some(document) = entry.and_then(|entry| entry.document.as_mut()) {
                self.memory -= document.memory();
                commits += document.relieve_history(&mut self.effects.freed);
                document.count_readers(&mut self.allowance);
                self.memory += document.memory();
            }
            if commits >= RELIEVED_MAX {
                end = id + 1;
                break;
            }
        }
        self.settle();
        let next = (end < self.table.entries.capacity()).then_some(end);
        (commits, next)
    }

    /// Frees, in a bounded number of documents, what only versions kept that nobody holds any more, and
    /// commits past their age. Places as in [`relieve_history`](Self::relieve_history).
    pub fn sweep(&mut self, now: Time, from: usize) -> Option<usize> {
        let end = from.saturating_add(LOOKED_AT_MAX);
        for id in from..end.min(self.table.entries.capacity()) {
            let entry = self.table.entries.get_mut(id);
            if let Some(document) = entry.and_then(|entry| entry.document.as_mut()) {
                self.memory -= document.memory();
                document.trim(now, &self.config.history, &mut self.effects.freed);
                document.count_readers(&mut self.allowance);
                self.memory += document.memory();
            }
        }
        self.settle();
        (end < self.table.entries.capacity()).then_some(end)
    }

    /// Makes sure that the budget has room for what a batch brings, whatever comes of it, and for `tables`.
    /// What it multiplies, by copying, is found out when it is decided: a batch that fails takes nothing of
    /// it, and must not have others lose their history for it.
    pub(super) fn make_room(
        &mut self,
        key: &Key,
        patch: &Patch,
        tables: u64,
    ) -> Result<(), Refusal> {
        // In the history, as what undoes it, and as what is held.
        let bytes = patch.heap_bytes().saturating_mul(3);
        let bytes = bytes
            .saturating_add(HELD_BYTES)
            .saturating_add(BATCH_BYTES)
            .saturating_add(tables);
        let copied = PATH_BYTES.saturating_mul(patch.operations().len() as u64);
        // Nearly always there is room for the worst, and no need to look at the document.
        let ample = self.cold == 0 && self.allowance.admits(bytes.saturating_add(copied));
        if ample
            || self
                .allowance
                .admits(bytes.saturating_add(self.growth(key, copied)))
        {
            // The document has no claim to it, however it grows.
            self.allowance.take(tables);
            Ok(())
        } else {
            Err(Busy::Memory.retry())
        }
    }

    /// What a batch may copy of a document, at most `copied`, because somebody holds the newest version; or
    /// inflate because nobody did.
    fn growth(&self, key: &Key, copied: u64) -> u64 {
        self.table.document(key).map_or(0, |document| {
            if document.cold().is_some() {
                inflated(document.written_bytes())
            } else if document.is_shared() {
                document.memory().documents.min(copied)
            } else {
                0
            }
        })
    }

    /// Does something to the document under a key, see [`change_entry`](Self::change_entry).
    pub(super) fn change<R>(
        &mut self,
        key: &Key,
        change: impl FnOnce(&mut Document, Rules<'_>) -> R,
    ) -> Option<R> {
        let id = self.table.entry_id(key)?;
        self.change_entry(id, change)
    }

    /// Does something to a document, accounts for what it takes afterwards, and wakes those who wait for
    /// what was committed.
    pub(super) fn change_entry<R>(
        &mut self,
        id: EntryId,
        change: impl FnOnce(&mut Document, Rules<'_>) -> R,
    ) -> Option<R> {
        let document = self.table.entries.get_mut(id)?.document.as_mut()?;
        let bytes_min = self.config.cold.bytes_min;
        let is_large = |document: &Document| {
            document.cold().is_none() && document.written_bytes() >= bytes_min
        };
        let (version, was_large) = (document.version, is_large(document));
        // Taken off afterwards, so that the sums stay whole whatever happens to the change.
        let (memory, was_cold) = (document.memory(), document.cold().is_some());
        let rules = Rules {
            limits: &self.config.limits,
            history: &self.config.history,
            allowance: &mut self.allowance,
            freed: &mut self.effects.freed,
        };
        let changed = change(document, rules);
        document.count_readers(&mut self.allowance);
        self.memory -= memory;
        self.memory += document.memory();
        self.cold -= usize::from(was_cold);
        self.cold += usize::from(document.cold().is_some());
        match (was_large, is_large(document)) {
            (false, true) => drop(self.large.insert(id)),
            (true, false) => drop(self.large.remove(&id)),
            _ => {}
        }
        if let Some(watch) = document.watch_if_any()
            && document.version > version
        {
            if document.history.oldest(document.version) > version {
                // One of the commits was too large to stay, and what it touched is gone with it.
                watch.wake(version, [&Pointer::root()], &mut self.effects.woken);
            }
            for commit in document.history.after(version) {
                watch.wake(version, commit.touched().iter(), &mut self.effects.woken);
            }
        }
        Some(changed)
    }

    pub(super) fn change_lane(&mut self, id: LaneId, change: impl FnOnce(&mut Lane)) {
        if let Some((_, lane)) = self.table.lanes.get_mut(id) {
            self.outcome_bytes -= lane.heap_bytes() as u64;
            change(lane);
            self.outcome_bytes += lane.heap_bytes() as u64;
        }
    }

    /// The end of each call that changes something.
    pub(super) fn settle(&mut self) {
        debug_assert!(self.counts.balance(), "P4: {:?}", self.counts);
        let total = self.memory().total();
        self.allowance.settle(total);
    }
}

fn is_idle(now: Time, idle: Duration, document: &Document) -> bool {
    let watch = document.watch_if_any();
    document.cold().is_none()
        && document.pinned() == 0
        && !document.is_shared()
        && watch.is_none_or(|watch| watch.subscribers() == 0)
        && now.since(document.used()) >= idle
}

/// Documents that one search for idle ones, or one round of relief, looks at: some ten microseconds' worth.
const LOOKED_AT_MAX: usize = 64;

/// Commits after which one round of relief ends: freeing one takes 0.2 µs and more, under the lock of the
/// shard. One document's half is not divided: 2,048 commits at most by default, 0.4 ms.
const RELIEVED_MAX: usize = 256;

/// What a document may take in memory, given its text.
const fn inflated(written_bytes: u64) -> u64 {
    written_bytes.saturating_mul(2)
}

/// What an operation may copy of a document that somebody holds: a node at each of four levels.
const PATH_BYTES: u64 = 4 * 600;
