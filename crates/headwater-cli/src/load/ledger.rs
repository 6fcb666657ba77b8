use std::sync::{Mutex, MutexGuard, PoisonError};

use headwater::Version;

/// When the batches that made a document's newest versions were due, so that whoever gets a frame can
/// tell how old what it contains is.
#[derive(Debug)]
pub(crate) struct Ledger {
    /// By the version modulo the length: a version, and when its batch was due. Empty where nobody
    /// asks.
    entries: Mutex<Box<[(Version, u64)]>>,
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
            entries: Mutex::new(vec![(Version::ZERO, 0); versions].into()),
        }
    }

    pub(crate) fn note(&self, version: Version, due: u64) {
        let mut entries = self.lock();
        if let Some(entry) = at(&mut entries, version)
            && entry.0 < version
        {
            *entry = (version, due);
        }
    }

    pub(crate) fn due(&self, version: Version) -> Due {
        let mut entries = self.lock();
        match at(&mut entries, version) {
            Some((noted, due)) if *noted == version => Due::At(*due),
            Some((noted, _)) if *noted < version => Due::NotYet,
            _ => Due::Forgotten,
        }
    }

    fn lock(&self) -> MutexGuard<'_, Box<[(Version, u64)]>> {
        // Every entry is whole whatever happens.
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn at(entries: &mut [(Version, u64)], version: Version) -> Option<&mut (Version, u64)> {
    let index = version.0.checked_rem(entries.len() as u64)?;
    entries.get_mut(usize::try_from(index).ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ledger_knows_the_newest_versions_and_that_others_were_or_will_be() {
        let ledger = Ledger::new(4);
        for version in [1, 2, 3, 5, 6] {
            ledger.note(Version(version), version * 10);
        }
        assert_eq!(ledger.due(Version(6)), Due::At(60));
        assert_eq!(ledger.due(Version(3)), Due::At(30));
        assert_eq!(ledger.due(Version(4)), Due::NotYet);
        assert_eq!(ledger.due(Version(2)), Due::Forgotten);
        ledger.note(Version(2), 20);
        assert_eq!(ledger.due(Version(6)), Due::At(60));
        assert_eq!(Ledger::new(0).due(Version(1)), Due::Forgotten);
    }
}
