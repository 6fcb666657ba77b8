use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
};

use crate::{document::Snapshot, id::Version};

/// The old versions of a document that readers still hold, and what they keep from being freed.
///
/// A version that is held costs nothing by itself, since it shares all with the next one. It costs what
/// commits after it have copied or removed. When the oldest is let go, that passes to the next older one
/// or, if there is none, is freed.
#[derive(Debug, Default)]
pub(crate) struct Pins {
    /// Oldest first. The first one was held when it was last looked at; others may be held no more.
    held: VecDeque<Snapshot>,
    /// At so many they are all looked at.
    full_at: usize,
    /// By the version whose commit has copied or removed them.
    retained: BTreeMap<Version, u64>,
    /// Invariant: the sum of `retained`.
    bytes: u64,
}

impl Pins {
    /// Keeps an eye on a version that somebody holds.
    pub(crate) fn hold(&mut self, snapshot: Snapshot) {
        self.held.push_back(snapshot);
    }

    /// Notes what the commit that made `version` leaves to those who hold versions before it.
    pub(crate) fn retain(&mut self, version: Version, bytes: u64) {
        if bytes > 0 {
            *self.retained.entry(version).or_default() += bytes;
            self.bytes += bytes;
        }
    }

    /// Lets go of the versions that nobody holds any more, and of what only they kept. `oldest` is where
    /// the history begins, whose patches keep copies, too.
    ///
    /// O(1) on average: looks at all versions only when they have become twice as many.
    pub(crate) fn settle(&mut self, oldest: Version) {
        while self.held.front().is_some_and(|front| !front.is_held()) {
            self.held.pop_front();
        }
        if self.held.len() >= self.full_at {
            self.held.retain(Snapshot::is_held);
            self.full_at = HELD_MIN.max(self.held.len() * 2);
        }
        let kept = match self.oldest() {
            Some(held) => held.min(oldest),
            None => oldest,
        };
        while let Some(first) = self.retained.first_entry()
            && *first.key() <= kept
        {
            self.bytes -= first.remove();
        }
    }

    /// The oldest version that was held when it was last looked at.
    pub(crate) fn oldest(&self) -> Option<Version> {
        self.held.front().map(|snapshot| snapshot.position.version)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.held.is_empty() && self.retained.is_empty()
    }

    /// What is kept from being freed.
    pub(crate) const fn bytes(&self) -> u64 {
        self.bytes
    }

    /// How many versions are held.
    pub(crate) fn len(&self) -> usize {
        self.held.len()
    }
}

/// As many versions are looked at without a second thought.
const HELD_MIN: usize = 8;

impl Snapshot {
    /// Whether anybody holds it but its document.
    pub(crate) fn is_held(&self) -> bool {
        Arc::strong_count(&self.0) > 1
    }
}
