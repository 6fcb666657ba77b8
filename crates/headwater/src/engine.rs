use std::{
    fmt, mem,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    },
    task::{Wake, Waker},
    time::Duration,
};

use headwater_core::{Effects, Key, Sessions, Shard, ShardConfig, Shared, Time};
use parking_lot::{Mutex, RwLock, RwLockReadGuard, RwLockWriteGuard};

use crate::{
    background::Background,
    builder::Builder,
    events::{Event, Events},
    mail::Mail,
    metrics::Meters,
    queue::{Queue, QueueBounds},
    relief::Vain,
    route::Route,
    timers::Timers,
    waiting::Waiting,
};

/// A sharded store of live documents that clients change and subscribers follow.
///
/// An `Engine` is a handle: cloning it is cheap, and all clones are the same engine. Every method that is
/// not `async` is synchronous and safe to call from any thread, and waits for locks only: those of
/// documents for one shard at a time (but for [`transact`](Self::transact) and
/// [`read_many`](Self::read_many)), and that of the list of sessions. Opening a session and attaching to
/// one wait for no document; closing one waits for each shard in turn.
///
/// # Consistency
///
/// - Each batch of a session is applied at most once and in the order of its numbers, whatever order
///   it arrives in.
/// - A batch is applied whole or not at all. All changes of one document happen in one order, which
///   its versions number without gaps.
/// - A [`Snapshot`](crate::Snapshot) never changes. Two documents read one after the other may be from
///   different moments; [`read_many`](Self::read_many) reads several at one.
/// - A transaction commits in all its documents or in none. A reader may see one document before
///   another.
///
/// # Time
///
/// The engine has no clock. [`tick`](Self::tick) tells it the time and does what is due; a host that never
/// calls it gets everything but what depends on time. With tokio, `start` has tasks do that.
#[derive(Clone)]
pub struct Engine(pub(crate) Arc<Inner>);

pub(crate) struct Inner {
    pub(crate) shards: Box<[RwLock<Shard>]>,
    pub(crate) route: Route,
    /// Locked after a shard, never before one.
    pub(crate) sessions: RwLock<Sessions>,
    pub(crate) shared: Arc<Shared>,
    pub(crate) settings: Settings,
    pub(crate) cold_idle: Duration,
    /// [`Time::as_micros`] of the latest tick.
    pub(crate) now: AtomicU64,
    pub(crate) events: Events,
    pub(crate) mail: Mail,
    pub(crate) timers: Timers,
    pub(crate) waiting: Waiting,
    pub(crate) queues: Box<[Arc<Queue>]>,
    /// Whether clients' batches are no longer taken.
    pub(crate) closing: AtomicBool,
    /// Whether what waits in a queue is told so and not decided; set before what is held is given up, so
    /// that nothing is held any more after that.
    pub(crate) closed: AtomicBool,
    pub(crate) subscribers: AtomicUsize,
    /// What the batches in all queues are charged.
    pub(crate) queued_bytes: AtomicU64,
    /// The next number that names a timer or a subscriber that waits.
    pub(crate) numbers: AtomicU64,
    /// Where the sweep of the shards goes on; also keeps two sweeps apart.
    pub(crate) sweep: Mutex<Sweep>,
    /// Held by whoever is making room in memory.
    pub(crate) relief: Mutex<Vain>,
    pub(crate) background: Background,
    pub(crate) tallies: Tallies,
    /// Registered with the first sample.
    pub(crate) meters: OnceLock<Meters>,
    /// [`Time::as_micros`] of the last sample.
    pub(crate) sampled: AtomicU64,
}

/// What the façade itself is held to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Settings {
    pub(crate) session_timeout: Duration,
    pub(crate) subscribers_max: usize,
    pub(crate) events_max: usize,
    pub(crate) queue: QueueBounds,
}

/// Where the next look at some documents begins: shard and place in it.
#[derive(Debug, Default)]
pub(crate) struct Sweep {
    pub(crate) shard: usize,
    pub(crate) place: usize,
}

/// A waker that is not the engine's, made so that it can be woken in a row with others.
struct Guarded {
    engine: Engine,
    waker: Waker,
}

impl Wake for Guarded {
    fn wake(self: Arc<Self>) {
        let engine = self.engine.clone();
        engine.0.outside(|| {
            self.waker.wake_by_ref();
            // The last of it goes in here, too.
            drop(self);
        });
    }
}

/// What is counted beside the batches.
#[derive(Debug, Default)]
pub(crate) struct Tallies {
    pub(crate) sessions_expired: AtomicU64,
    pub(crate) documents_frozen: AtomicU64,
    pub(crate) documents_thawed: AtomicU64,
    pub(crate) reliefs: AtomicU64,
    pub(crate) rounds: AtomicU64,
    pub(crate) task_panics: AtomicU64,
}

impl Engine {
    /// Starts a configuration.
    pub fn builder() -> Builder {
        Builder::new()
    }

    pub(crate) fn new(
        shards: usize,
        shard_seed: u64,
        sessions: Sessions,
        settings: Settings,
        config: ShardConfig,
        shared: Shared,
    ) -> Self {
        let shared = Arc::new(shared);
        let shard = |_| RwLock::new(Shard::new(config, Arc::clone(&shared)));
        Self(Arc::new(Inner {
            shards: (0..shards).map(shard).collect(),
            route: Route::new(shard_seed, shards),
            sessions: RwLock::new(sessions.within(Arc::clone(&shared.budget))),
            shared,
            settings,
            cold_idle: config.cold.idle,
            now: AtomicU64::new(Time::START.as_micros()),
            events: Events::new(settings.events_max),
            mail: Mail::default(),
            timers: Timers::default(),
            waiting: Waiting::default(),
            queues: (0..shards)
                .map(|_| Arc::new(Queue::new(settings.queue)))
                .collect(),
            closing: AtomicBool::new(false),
            closed: AtomicBool::new(false),
            subscribers: AtomicUsize::new(0),
            queued_bytes: AtomicU64::new(0),
            numbers: AtomicU64::new(0),
            sweep: Mutex::default(),
            relief: Mutex::default(),
            background: Background::default(),
            tallies: Tallies::default(),
            meters: OnceLock::new(),
            sampled: AtomicU64::new(0),
        }))
    }

    /// The time of the latest tick.
    #[must_use]
    pub fn now(&self) -> Time {
        self.0.now()
    }

    /// The next thing that the engine did of itself, if there is one that the host has not taken yet.
    #[must_use]
    pub fn next_event(&self) -> Option<Event> {
        self.0.events.pop()
    }

    /// Waits for the next event. Cancel-safe; for one task at a time.
    pub async fn event(&self) -> Event {
        std::future::poll_fn(|context| self.0.events.poll(context)).await
    }

    /// The same waker for code that wakes several in a row, none of which a panic in this one may cost.
    pub(crate) fn guarded(&self, waker: &Waker) -> Waker {
        Waker::from(Arc::new(Guarded {
            engine: self.clone(),
            waker: waker.clone(),
        }))
    }
}

impl Inner {
    pub(crate) fn now(&self) -> Time {
        // Relaxed: the time orders nothing but itself; what it decides is decided under a lock.
        Time::from_micros(self.now.load(Ordering::Relaxed))
    }

    pub(crate) fn shard(&self, key: &Key) -> &RwLock<Shard> {
        let index = self.route.shard(key);
        #[expect(
            clippy::indexing_slicing,
            reason = "a route leads to one of the shards"
        )]
        &self.shards[index]
    }

    /// The shard of a key to read from, its document not cold.
    pub(crate) fn read(&self, key: &Key) -> RwLockReadGuard<'_, Shard> {
        self.warm(key);
        self.shard(key).read()
    }

    /// The shard of a key to write to, its document not cold.
    pub(crate) fn lock(&self, key: &Key) -> RwLockWriteGuard<'_, Shard> {
        self.warm(key);
        self.shard(key).write()
    }

    /// Inflates a document that is cold, off the lock; before any other lock is taken. One that is frozen
    /// again before it is used, or that the budget has no room for, is inflated on the spot, for that use.
    pub(crate) fn warm(&self, key: &Key) {
        // Relaxed: who reads a document that was just frozen finds it cold, and that is all.
        if self.tallies.documents_frozen.load(Ordering::Relaxed) == 0 {
            return;
        }
        let lock = self.shard(key);
        for last in [false, true] {
            let Some(thaw) = lock.read().cold(key) else {
                return;
            };
            // One inflates it for all who want it meanwhile: each copy takes as much time and memory.
            let turn = thaw.turn();
            let Some(still) = lock.read().cold(key) else {
                return;
            };
            let thawed = still.run();
            let mut shard = lock.write();
            let done = shard.thaw(self.now(), thawed);
            self.finish(shard);
            if done {
                Tallies::count(&self.tallies.documents_thawed);
                return;
            }
            drop(turn);
            if last || !self.relieve() {
                return;
            }
        }
    }

    /// Does something to the shard of a key, its document not cold, and tells whom it concerns.
    pub(crate) fn write<R>(&self, key: &Key, work: impl FnOnce(&mut Shard, Time) -> R) -> R {
        let mut shard = self.lock(key);
        // Read under the lock, so that the shard never sees time go back.
        let done = work(&mut shard, self.now());
        self.finish(shard);
        done
    }

    /// Lets go of a shard that was written to, then frees what it needs no longer, and tells whom that
    /// concerns.
    pub(crate) fn finish(&self, mut shard: RwLockWriteGuard<'_, Shard>) {
        // Mostly it concerns nobody.
        if !shard.has_effects() {
            return;
        }
        let effects = shard.effects();
        drop(shard);
        self.tell(effects);
    }

    /// Tells whom it concerns. No lock is held: a waker may do anything.
    pub(crate) fn tell(&self, effects: Effects) {
        self.wake(self.mail.deliver(effects.late));
        for (key, reason) in effects.closed {
            self.wake(self.events.push(Event::DocumentClosed { key, reason }));
        }
        self.wake(effects.woken);
    }

    /// Wakes all of them, also if one panics.
    pub(crate) fn wake(&self, wakers: impl IntoIterator<Item = Waker>) {
        for waker in wakers {
            self.outside(|| waker.wake());
        }
    }

    /// Runs code that is not the engine's; it panics at its own cost, and nobody else misses anything.
    pub(crate) fn outside(&self, work: impl FnOnce()) {
        if let Err(panic) = catch_unwind(AssertUnwindSafe(work)) {
            Tallies::count(&self.tallies.task_panics);
            // What it panicked with is not the engine's either.
            let dropped = catch_unwind(AssertUnwindSafe(|| drop(panic)));
            dropped.unwrap_or_else(mem::forget);
        }
    }

    /// A number that no timer or waiting subscriber has had before.
    pub(crate) fn number(&self) -> u64 {
        self.numbers.fetch_add(1, Ordering::Relaxed)
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        // Tasks hold the engine weakly; those that sleep learn of its end by this.
        self.background.cancel();
        self.abandon_queues();
    }
}

impl Tallies {
    pub(crate) fn count(tally: &AtomicU64) {
        tally.fetch_add(1, Ordering::Relaxed);
    }
}

impl fmt::Debug for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Engine")
            .field("shards", &self.0.shards.len())
            .field("documents", &self.0.documents())
            .finish_non_exhaustive()
    }
}
