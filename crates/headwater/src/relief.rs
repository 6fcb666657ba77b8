use std::time::Duration;

use headwater_core::{Freeze, Shard};
use parking_lot::RwLock;

use crate::engine::{Inner, Tallies};

/// Making room in memory.
impl Inner {
    /// Makes room: encoded frames go first, then history, then large documents that nobody uses right now
    /// are compressed, here and now. Shard by shard, never under two locks. Whether there is more room.
    pub(crate) fn relieve(&self) -> bool {
        let before = self.shared.budget.used();
        self.relieve_quickly();
        while !self.is_relieved() && self.freeze_one(RELIEF_IDLE) {}
        self.shared.budget.used() < before
    }

    /// The same without compressing, for those who must not stop for so long.
    pub(crate) fn relieve_quickly(&self) {
        let Some(_one_at_a_time) = self.relief.try_lock_for(RELIEF_WAIT) else {
            return;
        };
        Tallies::count(&self.tallies.reliefs);
        for shard in &self.shards {
            let mut place = Some(0);
            while let Some(from) = place.filter(|_| !self.is_relieved()) {
                place = shard.read().relieve_frames(from);
            }
        }
        for shard in &self.shards {
            let mut place = Some(0);
            while let Some(from) = place.filter(|_| !self.is_relieved()) {
                place = shard.write().relieve_history(from);
            }
        }
    }

    /// Whether it is time to make room, before anyone is refused.
    pub(crate) fn is_short(&self) -> bool {
        let budget = &self.shared.budget;
        budget.used() > budget.max() / RELIEF_OF * RELIEF_AT
    }

    fn is_relieved(&self) -> bool {
        let budget = &self.shared.budget;
        budget.used() <= budget.max() / RELIEF_OF * RELIEF_TO
    }

    /// Compresses one document that has been idle for long enough; whether there was one.
    pub(crate) fn freeze_idle(&self) -> bool {
        let idle = if self.is_short() {
            self.cold_idle.min(RELIEF_IDLE)
        } else {
            self.cold_idle
        };
        self.freeze_one(idle)
    }

    /// Compresses one document that nobody has used for `idle`; whether there was one.
    fn freeze_one(&self, idle: Duration) -> bool {
        self.shards.iter().any(|lock| {
            let freeze = {
                // Most shards have none that is large enough to look at.
                if !lock.read().has_large() {
                    return false;
                }
                lock.write().idle(self.now(), idle)
            };
            freeze.is_some_and(|freeze| self.freeze(lock, freeze))
        })
    }

    fn freeze(&self, lock: &RwLock<Shard>, freeze: Freeze) -> bool {
        // Off the lock; thrown away if the document is used meanwhile.
        let frozen = freeze.run();
        let mut shard = lock.write();
        let done = shard.freeze(self.now(), frozen);
        self.finish(shard);
        if done {
            Tallies::count(&self.tallies.documents_frozen);
        }
        done
    }
}

/// Memory is relieved at 15 of 16 parts of the budget, before anyone is refused, down to 14 of 16, so that
/// it is not at it all the time.
const RELIEF_OF: u64 = 16;
const RELIEF_AT: u64 = 15;
const RELIEF_TO: u64 = 14;

/// What was used more recently than this is not worth compressing, however short memory is: it would be
/// inflated again at once.
const RELIEF_IDLE: Duration = Duration::from_secs(1);

/// How long a caller that needs room waits for another one that makes some.
const RELIEF_WAIT: Duration = Duration::from_millis(100);
