use std::time::Duration;

use headwater_core::{Freeze, Shard, Time};
use parking_lot::RwLock;

use crate::engine::{Inner, Tallies};

/// When there was too little room to be made.
#[derive(Debug, Default)]
pub(crate) struct Vain {
    /// Until when it is no use to try again.
    until: Time,
    /// What was used nonetheless.
    used: u64,
}

/// Making room in memory.
impl Inner {
    /// Makes room: encoded frames go first, then history, then large documents that nobody uses right now
    /// are compressed, here and now. Shard by shard, never under two locks. Whether there is more room, or
    /// enough: another caller may have made it.
    pub(crate) fn relieve(&self) -> bool {
        let before = self.shared.budget.used();
        // Compressing may help where letting go of frames and history was in vain.
        let target = self
            .relieve_quickly()
            .unwrap_or_else(|| self.relief_target());
        while self.shared.budget.used() > target && self.freeze_one(RELIEF_IDLE) {}
        let used = self.shared.budget.used();
        used < before || used <= target
    }

    /// The same without compressing, for those who must not stop for so long. Yields what was to be used
    /// at most after it; `None` if nothing was done, because that was in vain a moment ago or somebody else
    /// is at it.
    pub(crate) fn relieve_quickly(&self) -> Option<u64> {
        let mut vain = self.relief.try_lock_for(RELIEF_WAIT)?;
        let budget = &self.shared.budget;
        // What has been free since is taken by something else now: by history, perhaps. Time alone does not
        // tell that to a host that seldom ticks.
        let freed = vain.used.saturating_sub(budget.lowest());
        if self.now() < vain.until && freed < budget.max() / RELIEF_OF {
            return None;
        }
        Tallies::count(&self.tallies.reliefs);
        let target = self.relief_target();
        let goes_on = || self.shared.budget.used() > target;
        for shard in &self.shards {
            let mut place = Some(0);
            while let Some(from) = place.filter(|_| goes_on()) {
                let (freed, next) = shard.read().relieve_frames(from);
                // The lock is gone.
                drop(freed);
                place = next;
            }
        }
        // Half of each history at a time, as long as there is any. What is used does not tell: others take of
        // it meanwhile, and a shard gives back no little.
        for _ in 0..HALVINGS_MAX {
            let mut commits = 0;
            for shard in &self.shards {
                let mut place = Some(0);
                while let Some(from) = place.filter(|_| goes_on()) {
                    let mut shard = shard.write();
                    let (gone, next) = shard.relieve_history(from);
                    (commits, place) = (commits + gone, next);
                    self.finish(shard);
                }
            }
            if commits == 0 {
                break;
            }
        }
        if goes_on() {
            *vain = Vain {
                until: self.now() + RELIEF_PAUSE,
                used: self.shared.budget.used(),
            };
        }
        Some(target)
    }

    /// Whether it is time to make room, before anyone is refused.
    pub(crate) fn is_short(&self) -> bool {
        let budget = &self.shared.budget;
        budget.used() > budget.max() / RELIEF_OF * RELIEF_AT
    }

    /// What is to be used at most, so that what was refused has room. What is more than all there is has
    /// none in any case.
    fn relief_target(&self) -> u64 {
        let budget = &self.shared.budget;
        let usual = budget.max() / RELIEF_OF * RELIEF_TO;
        let needed = budget.max().checked_sub(budget.wanted());
        needed.map_or(usual, |needed| needed.min(usual))
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
/// it is not at it all the time; further where more than that is asked for at once.
const RELIEF_OF: u64 = 16;
const RELIEF_AT: u64 = 15;
const RELIEF_TO: u64 = 14;

/// How often histories are halved at most: four billion commits are gone by then. Those that are made
/// meanwhile are not run after.
const HALVINGS_MAX: usize = 32;

/// What was used more recently than this is not worth compressing, however short memory is: it would be
/// inflated again at once.
const RELIEF_IDLE: Duration = Duration::from_secs(1);

/// How long nobody looks for room again after there was too little: a search goes through all documents, and
/// every batch that is refused asks for one.
const RELIEF_PAUSE: Duration = Duration::from_millis(100);

/// How long a caller that needs room waits for another one that makes some.
const RELIEF_WAIT: Duration = Duration::from_millis(100);

#[cfg(test)]
mod tests {
    use headwater_core::Key;
    use headwater_doc::Value;

    use crate::Engine;

    /// Scenario: two callers find no room, and one makes it before the other begins. Failure: the other had
    /// made none, and was refused. Fix: what counts is that there is room.
    #[test]
    fn room_that_somebody_else_has_made_is_room() {
        let engine = Engine::builder().shards(1).memory_max(1 << 20).build();
        let engine = engine.expect("it can be");
        let large = || Value::from("x".repeat(800 << 10).as_str());
        let key = |name| Key::new(name).expect("a key");
        engine.create(&key("one"), large()).expect("room");
        assert!(engine.create(&key("other"), large()).is_err());
        engine.remove(&key("one"));
        assert!(
            engine.0.relieve(),
            "there is nothing to let go of, and room"
        );
    }
}
