use std::sync::{Mutex, MutexGuard, PoisonError};

use headwater::Version;

/// When the batches that made a document's newest versions were due, so that whoever gets a frame can
/// tell how old what it contains is.
#[derive(Debug)]
pub(crate) struct Ledger {
    entries: Mutex<Entries>,
}

/// What a ledger holds.
#[derive(Debug)]
pub(crate) struct Entries {
    /// By the version modulo the length: a version, and when its batch was due. Empty where nobody
    /// asks. Plain numbers, since the memory of such zeros is not taken before it is used.
    slots: Vec<(u64, u64)>,
    newest: u64,
}

/// What a ledger knows of a version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Due {
    At(u64),
    /// Its sender has not heard of it yet.
    NotYet,
    /// It is forgotten.
    Forgotten,
}

impl Ledger {
    /// A ledger of so many versions.
    pub(crate) fn new(versions: usize) -> Self {
        Self {
            entries: Mutex::new(Entries {
                slots: vec![(0, 0); versions],
                newest: 0,
            }),
        }
    }

    pub(crate) fn note(&self, version: Version, due: u64) {
        self.open().note(version.0, due);
    }

    /// Opens it for several questions; keep it open for few only, since senders wait meanwhile.
    pub(crate) fn open(&self) -> MutexGuard<'_, Entries> {
        // Every entry is whole whatever happens.
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Entries {
    fn note(&mut self, version: u64, due: u64) {
        if let Some(index) = self.index(version)
            && let Some(slot) = self.slots.get_mut(index)
            && slot.0 < version
        {
            *slot = (version, due);
            self.newest = self.newest.max(version);
        }
    }

    pub(crate) fn due(&self, version: Version) -> Due {
        match self.slot(version.0) {
            Some((noted, due)) if noted == version.0 => Due::At(due),
            Some((noted, _)) if noted < version.0 => Due::NotYet,
            _ => Due::Forgotten,
        }
    }

    /// When the oldest version that is not forgotten was due.
    pub(crate) fn oldest(&self) -> Option<u64> {
        let length = self.slots.len() as u64;
        let mut versions = (self.newest + 1).saturating_sub(length).max(1)..=self.newest;
        versions.find_map(|version| match self.due(Version(version)) {
            Due::At(due) => Some(due),
            Due::NotYet | Due::Forgotten => None,
        })
    }

    /// Before this none of the versions up to `last` is known.
    pub(crate) fn first_known(&self, last: Version) -> u64 {
        (self.newest.min(last.0) + 1).saturating_sub(self.len())
    }

    /// How many versions it holds at most.
    const fn len(&self) -> u64 {
        self.slots.len() as u64
    }

    fn slot(&self, version: u64) -> Option<(u64, u64)> {
        self.slots.get(self.index(version)?).copied()
    }

    fn index(&self, version: u64) -> Option<usize> {
        usize::try_from(version.checked_rem(self.len())?).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ledger_knows_the_newest_versions_and_that_others_were_or_will_be() {
        let ledger = Ledger::new(4);
        let due = |version| ledger.open().due(Version(version));
        assert_eq!(ledger.open().oldest(), None);
        for version in [1, 2, 3, 5, 6] {
            ledger.note(Version(version), version * 10);
        }
        assert_eq!(due(6), Due::At(60));
        assert_eq!(due(3), Due::At(30));
        assert_eq!(due(4), Due::NotYet);
        assert_eq!(due(2), Due::Forgotten);
        assert_eq!(ledger.open().oldest(), Some(30));
        let first_known = |last| ledger.open().first_known(Version(last));
        // Those behind the newest take no place away yet.
        assert_eq!((first_known(9), first_known(5)), (3, 2));
        ledger.note(Version(2), 20);
        assert_eq!(due(6), Due::At(60));
        let empty = Ledger::new(0);
        assert_eq!(empty.open().due(Version(1)), Due::Forgotten);
        assert_eq!(empty.open().oldest(), None);
    }
}
