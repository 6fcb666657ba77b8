use std::{collections::VecDeque, mem, sync::Arc};

use crate::{
    document::{Snapshot, Versioned},
    freed::Freed,
    id::Version,
    work,
};

/// The old versions of a document that readers still hold, and what they keep from being freed.
///
/// A version that is held costs nothing by itself, since it shares all with the next one. It costs what
/// commits after it have copied or removed, up to the next version that is held; and never more than it
/// takes itself, since what came later is not its. When it is let go, its cost passes to the next older
/// one or, if there is none, is freed.
///
/// Also what commits have copied of values that patches in the history still hold: what no version that is
/// held accounts for, up to all that these patches have brought.
#[derive(Debug, Default)]
pub(crate) struct Pins {
    /// Oldest first. The first one was held when it was last looked at; others may be held no more.
    held: VecDeque<Pin>,
    /// At so many they are all looked at.
    full_at: usize,
    /// What commits in the history have copied, oldest first.
    copied: VecDeque<(Version, u64)>,
    /// Invariant: the sums of `held` and `copied`.
    kept_bytes: u64,
    copied_bytes: u64,
}

#[derive(Debug)]
pub(crate) struct Pin {
    snapshot: Snapshot,
    /// Bytes that are there for it, and for none that is newer.
    kept: u64,
}

impl Pin {
    pub(crate) fn heap_bytes(&self) -> u64 {
        self.snapshot.root.heap_bytes()
    }

    /// Takes over as much of `bytes` as can be its; how much that is.
    fn keep(&mut self, bytes: u64) -> u64 {
        let before = self.kept;
        self.kept = (before + bytes).min(self.snapshot.root.heap_bytes());
        self.kept.saturating_sub(before)
    }
}

impl Pins {
    /// Keeps an eye on a version that somebody holds.
    pub(crate) fn hold(&mut self, snapshot: Snapshot) {
        self.held.push_back(Pin { snapshot, kept: 0 });
    }

    /// Notes what the commit that made `version`, the newest, has copied.
    pub(crate) fn copied(&mut self, version: Version, bytes: u64) {
        if bytes > 0 {
            self.copied.push_back((version, bytes));
            self.copied_bytes += bytes;
            self.retain(version, bytes);
        }
    }

    /// Notes what the commit that made `version` leaves to those who hold versions before it. O(log n): it may
    /// have been made thousands of versions ago.
    pub(crate) fn retain(&mut self, version: Version, bytes: u64) {
        let older = |pin: &Pin| {
            work::count(1);
            pin.snapshot.position.version < version
        };
        let before = self.held.partition_point(older).checked_sub(1);
        if let Some(pin) = before.and_then(|newest| self.held.get_mut(newest)) {
            self.kept_bytes += pin.keep(bytes);
        }
    }

    /// Lets go of the versions that nobody holds any more, and of what only they kept. `oldest` is where
    /// the history begins, whose patches keep copies, too.
    ///
    /// O(1) on average: looks at all versions only when they have become twice as many.
    pub(crate) fn settle(&mut self, oldest: Version, freed: &mut Freed) {
        while let Some(&(version, bytes)) = self.copied.front()
            && version <= oldest
        {
            self.copied.pop_front();
            self.copied_bytes -= bytes;
        }
        while let Some(front) = self.held.front()
            && !front.snapshot.is_held()
        {
            self.kept_bytes -= front.kept;
            if let Some(pin) = self.held.pop_front() {
                freed.pin(pin);
            }
        }
        if self.held.len() >= self.full_at {
            for pin in mem::take(&mut self.held) {
                match self.held.back_mut() {
                    Some(older) if !pin.snapshot.is_held() => {
                        self.kept_bytes -= pin.kept;
                        self.kept_bytes += older.keep(pin.kept);
                        freed.pin(pin);
                    }
                    _ => self.held.push_back(pin),
                }
            }
            self.full_at = HELD_MIN.max(self.held.len() * 2);
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.held.is_empty() && self.copied.is_empty()
    }

    /// What is kept from being freed, and what it takes to know that, where patches in the history have
    /// `brought` so much.
    pub(crate) fn bytes(&self, brought: u64) -> u64 {
        let held = self.held.len() * (size_of::<Pin>() + size_of::<Versioned>());
        let copied = self.copied.len() * size_of::<(Version, u64)>();
        let by_patches = self
            .copied_bytes
            .saturating_sub(self.kept_bytes)
            .min(brought);
        self.kept_bytes + by_patches + (size_of::<Self>() + held + copied) as u64
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::{Epoch, Incarnation, Position};

    /// Each commit looked at all versions that were held since the commit which the history then let go of.
    #[test]
    fn what_an_old_commit_leaves_is_found_in_few_steps_among_many_held_versions() {
        let epoch = Epoch {
            incarnation: Incarnation(1),
            number: 1,
        };
        let snapshot = |version| {
            let version = Version(version);
            Snapshot::new(Position { epoch, version }, "[1, 2]".parse().unwrap())
        };
        // Of every other version.
        let held: Vec<_> = (0..5_000).map(|half| snapshot(2 * half)).collect();
        let mut pins = Pins::default();
        held.iter().for_each(|held| pins.hold(held.clone()));
        for (version, keeper) in [
            (0, None),
            (1, Some(0)),
            (2, Some(0)),
            (7, Some(3)),
            (9_999, Some(4_999)),
        ] {
            let ((), steps) = work::counted(|| pins.retain(Version(version), 1));
            assert!((1..=14).contains(&steps), "{steps} for {version}");
            let kept = pins.held.iter_mut().map(|pin| mem::take(&mut pin.kept));
            let kept: Vec<_> = kept.enumerate().filter(|(_, kept)| *kept > 0).collect();
            assert_eq!(kept, Vec::from_iter(keeper.map(|keeper| (keeper, 1))));
        }
    }
}
