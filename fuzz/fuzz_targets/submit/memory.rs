use std::time::Duration;

use headwater_core::Key;
use headwater_fuzz::Bytes;

use super::{Host, IDLE};

/// What the shard takes, and how it takes less.
impl Host {
    /// Compresses a document that nobody uses, in two halves: between them others may use it.
    pub(super) fn freeze(&mut self, bytes: &mut Bytes<'_>) {
        if let Some(frozen) = self.frozen.take() {
            self.shard.freeze(self.now, frozen);
            return;
        }
        let idle = match bytes.below(2) {
            0 => Duration::ZERO,
            _ => IDLE,
        };
        let freeze = self.shard.idle(self.now, idle);
        self.frozen = freeze.map(headwater_core::Freeze::run);
        if bytes.below(2) == 0
            && let Some(frozen) = self.frozen.take()
        {
            // Nobody has used it; but a small one may be larger when it is compressed.
            self.shard.freeze(self.now, frozen);
        }
    }

    /// Inflates a document, in two halves.
    pub(super) fn thaw(&mut self, key: &Key) {
        if let Some(thawed) = self.thawed.take() {
            self.shard.thaw(self.now, thawed);
        } else {
            self.thawed = self.shard.cold(key).map(headwater_core::Thaw::run);
        }
    }

    /// Holds the newest version, as a reader does.
    pub(super) fn hold(&mut self, key: &Key) {
        if self.held.len() < HELD_MAX
            && let Some(head) = self.shard.snapshot(self.now, key)
        {
            let text = head.root.to_string();
            self.held.push((head, text));
        }
    }

    pub(super) fn let_go(&mut self, bytes: &mut Bytes<'_>) {
        if !self.held.is_empty() {
            let chosen = bytes.below(self.held.len());
            let (snapshot, text) = self.held.swap_remove(chosen);
            assert_eq!(snapshot.root.to_string(), text, "a version never changes");
        }
    }

    pub(super) fn relieve(&mut self, bytes: &mut Bytes<'_>) {
        let mut place = Some(0);
        match bytes.below(3) {
            0 => {
                while let Some(from) = place {
                    place = self.shard.sweep(self.now, from);
                }
            }
            1 => {
                while let Some(from) = place {
                    (_, place) = self.shard.relieve_frames(from);
                }
            }
            _ => {
                while let Some(from) = place {
                    (_, place) = self.shard.relieve_history(from);
                }
            }
        }
    }

    /// What is counted is what was reserved, and never passes the budget.
    pub(super) fn check_memory(&self) {
        let (budget, memory) = (&self.shared.budget, self.shard.memory());
        let (used, max) = (budget.used(), budget.max());
        let taken = memory.total() + self.shared.frames.bytes();
        assert!(taken <= used, "{taken} taken, {used} reserved: {memory:?}");
        assert!(self.copied || used <= max, "{used} of {max}: {memory:?}");
    }
}

/// Versions that readers hold at a time.
const HELD_MAX: usize = 4;
