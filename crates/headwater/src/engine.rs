use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use headwater_core::{
    ApplyError, Commit, Counts, CreateError, Decision, Incarnation, Key, LaneStatus, Outcome,
    Position, Refusal, ReorderPool, Seq, SessionId, Sessions, Shard, ShardConfig, Snapshot,
    Submission, Time, TooManySessions, Version,
};
use headwater_doc::{Patch, Value};
use parking_lot::RwLock;

use crate::{
    builder::Builder,
    route::Route,
    session::Session,
    subscription::{NoSuchDocument, SubscribeOptions, Subscription},
};

/// A sharded store of live documents that clients change and subscribers follow.
///
/// An `Engine` is a handle: cloning it is cheap, and all clones are the same engine. Every method is
/// synchronous and safe to call from any thread, and waits for locks only: those of documents for one
/// shard at a time; a submission also holds the list of sessions, shared, while it is decided, so that
/// opening, attaching and closing a session wait for submissions under way.
///
/// # Consistency
///
/// - Each batch of a session is applied at most once and in the order of its numbers, whatever order
///   it arrives in.
/// - A batch is applied whole or not at all. All changes of one document happen in one order, which
///   its versions number without gaps.
/// - A [`Snapshot`] never changes. Two documents read one after the other may be from different
///   moments.
///
/// # Time
///
/// The engine has no clock. [`tick`](Self::tick) tells it the time, and gives up what has waited too
/// long; a host that never calls it gets everything but the reports of what is missing.
#[derive(Clone)]
pub struct Engine(Arc<Inner>);

struct Inner {
    shards: Box<[RwLock<Shard>]>,
    route: Route,
    /// Locked before a shard, never after one.
    sessions: RwLock<Sessions>,
    /// [`Time::as_micros`] of the latest tick.
    now: AtomicU64,
}

impl Engine {
    /// Starts a configuration.
    pub fn builder() -> Builder {
        Builder::new()
    }

    pub(crate) fn new(
        shards: usize,
        shard_seed: u64,
        incarnation: Incarnation,
        sessions_max: usize,
        config: ShardConfig,
    ) -> Self {
        let pool = Arc::new(ReorderPool::default());
        let shard = |_| RwLock::new(Shard::new(config, incarnation, Arc::clone(&pool)));
        Self(Arc::new(Inner {
            shards: (0..shards).map(shard).collect(),
            route: Route::new(shard_seed, shards),
            sessions: RwLock::new(Sessions::new(incarnation, sessions_max)),
            now: AtomicU64::new(Time::START.as_micros()),
        }))
    }

    /// Makes a document, at version 0.
    ///
    /// # Errors
    ///
    /// [`CreateError`] if there is one under the key, if it would break a limit, or if there are as
    /// many as there may be.
    pub fn create(&self, key: &Key, root: Value) -> Result<Position, CreateError> {
        self.shard(key).write().create(key, root)
    }

    /// Removes a document and returns its last version, `None` if it is not there. Subscriptions to
    /// it end.
    pub fn remove(&self, key: &Key) -> Option<Snapshot> {
        self.shard(key).write().remove(key)
    }

    /// Whether there is a document under the key.
    #[must_use]
    pub fn contains(&self, key: &Key) -> bool {
        self.get(key).is_some()
    }

    /// The newest version of a document.
    #[must_use]
    pub fn get(&self, key: &Key) -> Option<Snapshot> {
        self.shard(key).read().snapshot(key)
    }

    /// A recent version of a document, as it was; `None` if the history does not reach so far. Takes
    /// time in proportion to what has changed since.
    #[must_use]
    pub fn at(&self, key: &Key, version: Version) -> Option<Snapshot> {
        let rewind = self.shard(key).read().rewind(key, version)?;
        // Off the lock: what was committed since is taken back one by one.
        Some(rewind.finish())
    }

    /// The commit that made a version, with the inverse that undoes it; `None` if the history does not
    /// reach so far.
    #[must_use]
    pub fn commit(&self, key: &Key, version: Version) -> Option<Arc<Commit>> {
        self.shard(key).read().commit(key, version)
    }

    /// Applies a batch of the host's own: no session, no seq, never held. Of the limits, those of the
    /// document hold; those of a client's batch, and its extensions, do not concern the host.
    ///
    /// # Errors
    ///
    /// [`ApplyError`] if the document is not there or the patch does not apply.
    pub fn apply(&self, key: &Key, patch: impl Into<Arc<Patch>>) -> Result<Version, ApplyError> {
        let mut shard = self.shard(key).write();
        let now = self.now();
        shard.apply(now, key, patch.into())
    }

    /// Issues a session to a client.
    ///
    /// # Errors
    ///
    /// [`TooManySessions`] if as many are open as there may be.
    pub fn open_session(&self) -> Result<Session, TooManySessions> {
        let (id, attachment) = self.0.sessions.write().open()?;
        Ok(Session::new(self.clone(), id, attachment))
    }

    /// Attaches a client that comes back to its session. Whatever still comes over the connection it
    /// had before is fenced from now on.
    ///
    /// # Errors
    ///
    /// [`Refusal::UnknownSession`] if the session has ended or is of another life of the engine.
    pub fn attach(&self, session: SessionId) -> Result<Session, Refusal> {
        let attachment = self.0.sessions.write().attach(session)?;
        Ok(Session::new(self.clone(), session, attachment))
    }

    /// Ends a session: forgets its lanes and gives up what they hold. Whether it was open.
    pub fn close_session(&self, session: SessionId) -> bool {
        // Released before any shard is locked. From here on no batch opens a lane for the session,
        // since a submission holds the sessions while it does.
        let closed = self.0.sessions.write().close(session);
        if closed {
            for shard in &self.0.shards {
                shard.write().forget(session);
            }
        }
        closed
    }

    /// Takes a batch from a client. [`Session::submit`] is the short way.
    #[must_use = "the outcome says whether the batch was taken"]
    pub fn submit(&self, batch: &Submission) -> Outcome {
        let lock = self.shard(&batch.key);
        let sessions = self.0.sessions.read();
        let mut shard = lock.write();
        // Read under the lock, so that the shard never sees time go back.
        let now = self.now();
        let outcome = shard.submit(now, &sessions, batch);
        let mut more = shard.has_turn();
        drop(shard);
        drop(sessions);
        // The rest of a long run that was held, with room for others between the turns.
        while more {
            let mut shard = lock.write();
            shard.turn(self.now());
            more = shard.has_turn();
        }
        outcome
    }

    /// Where a lane stands: what is decided, what is missing, what was given up.
    #[must_use]
    pub fn lane_status(&self, session: SessionId, key: &Key) -> LaneStatus {
        self.shard(key).read().lane_status(session, key)
    }

    /// How a batch was decided, if its lane still remembers.
    #[must_use]
    pub fn decision(&self, session: SessionId, key: &Key, seq: Seq) -> Option<Decision> {
        self.shard(key).read().decision(session, key, seq)
    }

    /// Follows a document.
    ///
    /// # Errors
    ///
    /// [`NoSuchDocument`].
    pub fn subscribe(
        &self,
        key: &Key,
        options: SubscribeOptions,
    ) -> Result<Subscription, NoSuchDocument> {
        let snapshot = self.get(key).ok_or(NoSuchDocument)?;
        let epoch = snapshot.position.epoch;
        Ok(Subscription::new(self.clone(), key.clone(), epoch, options))
    }

    /// Tells the engine the time, and gives up what has waited for its turn too long.
    ///
    /// A time before the latest one counts as the latest.
    pub fn tick(&self, now: Time) {
        self.0.now.fetch_max(now.as_micros(), Ordering::Relaxed);
        let now = self.now();
        for shard in &self.0.shards {
            let due = shard.read().next_deadline().is_some_and(|due| due <= now);
            if due {
                let mut shard = shard.write();
                let now = self.now();
                shard.tick(now);
            }
        }
    }

    /// When [`tick`](Self::tick) has something to do next; `None` if nothing waits.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Time> {
        let shards = self.0.shards.iter();
        shards
            .filter_map(|shard| shard.read().next_deadline())
            .min()
    }

    /// The time of the latest tick.
    #[must_use]
    pub fn now(&self) -> Time {
        // Relaxed: the time orders nothing but itself; what it decides is decided under a lock.
        Time::from_micros(self.0.now.load(Ordering::Relaxed))
    }

    /// What became of the batches handed in. Each shard's counts balance; shards are read one after
    /// the other.
    #[must_use]
    pub fn counts(&self) -> Counts {
        let mut sum = Counts::default();
        for shard in &self.0.shards {
            sum += shard.read().counts();
        }
        sum
    }

    /// How many documents there are.
    #[must_use]
    pub fn documents(&self) -> usize {
        self.0
            .shards
            .iter()
            .map(|shard| shard.read().documents())
            .sum()
    }

    pub(crate) fn shard(&self, key: &Key) -> &RwLock<Shard> {
        let index = self.0.route.shard(key);
        #[expect(
            clippy::indexing_slicing,
            reason = "a route leads to one of the shards"
        )]
        &self.0.shards[index]
    }
}

impl fmt::Debug for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Engine")
            .field("shards", &self.0.shards.len())
            .field("documents", &self.documents())
            .finish_non_exhaustive()
    }
}
