use std::{sync::atomic::Ordering, time::Duration};

use headwater_core::Time;

use crate::engine::{Engine, Inner, Sweep};

/// Time, and what it brings.
impl Engine {
    /// Tells the engine the time, and does what is due: gives up what has waited for its turn too long,
    /// ends sessions without a sign of life, works off the queues, wakes subscribers that wait for their
    /// time, frees what nobody holds any more, and compresses at most one idle document. So everything
    /// that tasks do is done by this, too. A time before the latest one counts as the latest.
    ///
    /// Takes some microseconds if nothing is due; compressing takes 3 ms a megabyte, see
    /// [`Builder::cold`](crate::Builder::cold).
    pub fn tick(&self, now: Time) {
        self.0.tick(now);
        self.0.work_off_queues();
        self.0.freeze_idle();
    }

    /// When [`tick`](Self::tick) has a lane to settle; `None` if nothing is held.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Time> {
        let shards = self.0.shards.iter();
        shards
            .filter_map(|shard| shard.read().next_deadline())
            .min()
    }
}

impl Inner {
    /// What is quick of a tick.
    pub(crate) fn tick(&self, now: Time) {
        self.now.fetch_max(now.as_micros(), Ordering::Relaxed);
        let now = self.now();
        for shard in &self.shards {
            let due = || shard.read().due(now);
            // Each round is bounded, with room for others between two.
            while due() {
                let mut shard = shard.write();
                shard.tick(self.now());
                self.finish(shard);
            }
        }
        self.expire_sessions(now);
        self.wake(self.timers.due(now));
        self.sweep();
        if self.is_short() {
            let _target = self.relieve_quickly();
        }
        self.sample(now);
    }

    /// Hands out metrics, once a second.
    fn sample(&self, now: Time) {
        let last = Time::from_micros(self.sampled.load(Ordering::Relaxed));
        if now.since(last) >= SAMPLE {
            self.sampled.store(now.as_micros(), Ordering::Relaxed);
            self.sample_metrics();
        }
    }

    fn expire_sessions(&self, now: Time) {
        // Without room for the event nobody need look for one.
        while self.events.has_room() && self.expire_session(now) {}
    }

    /// Looks at the next few documents, whether something of theirs can be freed.
    fn sweep(&self) {
        let Some(mut sweep) = self.sweep.try_lock() else {
            return;
        };
        let Some(shard) = self.shards.get(sweep.shard) else {
            *sweep = Sweep::default();
            return;
        };
        let mut shard = shard.write();
        let next = shard.sweep(self.now(), sweep.place);
        self.finish(shard);
        *sweep = match next {
            Some(place) => Sweep { place, ..*sweep },
            None => Sweep {
                shard: sweep.shard + 1,
                place: 0,
            },
        };
    }
}

/// How often metrics are handed out: more often than they are scraped.
const SAMPLE: Duration = Duration::from_secs(1);
