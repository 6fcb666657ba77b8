use std::{
    array,
    hash::{BuildHasher as _, RandomState},
    sync::{Arc, OnceLock},
    time::{Duration, Instant},
};

use headwater_core::{
    Admission, Admit, ColdBounds, HistoryBounds, Incarnation, ReorderBounds, Sessions, ShardConfig,
    Shared,
};
use headwater_doc::{Extensions, Limits};

use crate::{
    engine::{Engine, Settings},
    metrics,
    queue::QueueBounds,
};

/// The configuration of an [`Engine`]. Everything has a default; [`build`](Self::build) checks it as a
/// whole.
#[derive(Clone, Debug)]
#[must_use]
pub struct Builder {
    shards: usize,
    shard_seed: Option<u64>,
    incarnation: Option<Incarnation>,
    sessions_max: usize,
    session_lanes_max: usize,
    memory_max: u64,
    reorder: Option<ReorderBounds>,
    admit: Option<Arc<dyn Admit>>,
    settings: Settings,
    config: ShardConfig,
}

/// Default: sixteen times as many shards as a machine of four cores has threads, so that two writers
/// seldom meet.
const SHARDS: usize = 64;

/// Most shards: each has its own lock and tables, about 1 KiB when empty.
const SHARDS_MAX: usize = 65_536;

/// Default for open sessions.
const SESSIONS_MAX: usize = 1 << 20;

/// Default budget for all that the engine keeps.
const MEMORY_MAX: u64 = 1 << 30;

/// Default for a session without a sign of life: longer than a tunnel, a lift or a switch of networks,
/// shorter than what a room keeps a place free for.
const SESSION_TIMEOUT: Duration = Duration::from_secs(300);

/// Default for subscribers, of some hundred bytes each.
const SUBSCRIBERS_MAX: usize = 1 << 20;

/// Default for events that the host has not taken.
const EVENTS_MAX: usize = 4_096;

impl Builder {
    pub(crate) fn new() -> Self {
        Self {
            shards: SHARDS,
            shard_seed: None,
            incarnation: None,
            sessions_max: SESSIONS_MAX,
            session_lanes_max: Sessions::LANES_MAX,
            memory_max: MEMORY_MAX,
            reorder: None,
            admit: None,
            settings: Settings {
                session_timeout: SESSION_TIMEOUT,
                subscribers_max: SUBSCRIBERS_MAX,
                events_max: EVENTS_MAX,
                queue: QueueBounds::default(),
            },
            config: ShardConfig::default(),
        }
    }

    /// Into how many parts the keys are divided: a power of two, 1 to 65,536. Default 64.
    pub const fn shards(mut self, shards: usize) -> Self {
        self.shards = shards;
        self
    }

    /// Fixes the seed by which keys find their shard, and their place in its tables. Default random, so that
    /// nobody can choose keys that all meet in one shard or in one place.
    pub const fn shard_seed(mut self, seed: u64) -> Self {
        self.shard_seed = Some(seed);
        self
    }

    /// Fixes the incarnation, which session ids and epochs contain. Default random; an engine that
    /// reuses an earlier one's takes that one's sessions for its own.
    pub const fn incarnation(mut self, incarnation: Incarnation) -> Self {
        self.incarnation = Some(incarnation);
        self
    }

    /// Most sessions open at a time. Default 1 Mi.
    pub const fn sessions_max(mut self, sessions_max: usize) -> Self {
        self.sessions_max = sessions_max;
        self
    }

    /// Most lanes of a session, in all shards together: keys to which it has handed in a batch, also where no
    /// document is. Default 16,384.
    pub const fn session_lanes_max(mut self, lanes: usize) -> Self {
        self.session_lanes_max = lanes;
        self
    }

    /// How large and deep a document may be. Default [`Limits::default`].
    pub const fn limits(mut self, limits: Limits) -> Self {
        self.config.limits = limits;
        self
    }

    /// The operations beyond RFC 6902 that batches may use. Default none.
    pub const fn extensions(mut self, extensions: Extensions) -> Self {
        self.config.extensions = extensions;
        self
    }

    /// Most bytes of a batch, as compact JSON. Default 1 MiB.
    pub const fn batch_bytes_max(mut self, bytes: u64) -> Self {
        self.config.batch_bytes_max = bytes;
        self
    }

    /// Most operations of a batch. Default 10,000.
    pub const fn batch_operations_max(mut self, operations: usize) -> Self {
        self.config.batch_operations_max = operations;
        self
    }

    /// Most outcomes that a lane remembers to answer repeats with, 1 to 65,536. Default 128.
    pub const fn outcomes_max(mut self, outcomes: usize) -> Self {
        self.config.outcomes_max = outcomes;
        self
    }

    /// Most documents in each shard. Default 1 Mi.
    pub const fn shard_documents_max(mut self, documents: usize) -> Self {
        self.config.documents_max = documents;
        self
    }

    /// Most lanes in each shard. Default 1 Mi.
    pub const fn shard_lanes_max(mut self, lanes: usize) -> Self {
        self.config.lanes_max = lanes;
        self
    }

    /// What may be held ahead of its turn, and for how long. Default [`ReorderBounds::default`], but for the
    /// engine's bytes, which are 2 % of [`memory_max`](Self::memory_max).
    pub const fn reorder(mut self, bounds: ReorderBounds) -> Self {
        self.reorder = Some(bounds);
        self
    }

    /// How long commits stay to bring subscribers up to date.
    pub const fn history(mut self, bounds: HistoryBounds) -> Self {
        self.config.history = bounds;
        self
    }

    /// Most bytes that everything together may take: documents, history, what is held, what subscribers
    /// share. Beyond it the engine lets go of encoded frames, history and, by compressing them, of large
    /// idle documents, in this order; what would still not fit is refused with a typed error. No document
    /// is ever dropped. Default 1 GiB.
    pub const fn memory_max(mut self, bytes: u64) -> Self {
        self.memory_max = bytes;
        self
    }

    /// The host's rule on clients' batches, asked under the lock of the document, its time measured as
    /// `headwater_admit_seconds`; see [`Admit`](crate::Admit). Default none: everything that applies is admitted.
    pub fn admit<F>(mut self, admit: F) -> Self
    where
        F: Fn(&Admission<'_>) -> Result<(), &'static str> + Send + Sync + 'static,
    {
        let meter = OnceLock::new();
        self.admit = Some(Arc::new(move |request: &Admission<'_>| {
            let start = Instant::now();
            let admitted = admit(request);
            let meter = meter.get_or_init(metrics::admit_seconds);
            meter.record(start.elapsed());
            admitted
        }));
        self
    }

    /// How long a session may show no sign of life before it ends, as a tick finds. A batch and an
    /// attachment are signs of life. Default 5 minutes.
    pub const fn session_timeout(mut self, timeout: Duration) -> Self {
        self.settings.session_timeout = timeout;
        self
    }

    /// Most subscriptions at a time. Default 1 Mi.
    pub const fn subscribers_max(mut self, subscribers: usize) -> Self {
        self.settings.subscribers_max = subscribers;
        self
    }

    /// Most events that wait for the host, at least 1. While there is no room, no session expires.
    /// Default 4,096.
    pub const fn events_max(mut self, events: usize) -> Self {
        self.settings.events_max = events;
        self
    }

    /// What may wait in the queues, and how much of it is worked off at once.
    pub const fn queue(mut self, bounds: QueueBounds) -> Self {
        self.settings.queue = bounds;
        self
    }

    /// Which documents are compressed in memory.
    pub const fn cold(mut self, bounds: ColdBounds) -> Self {
        self.config.cold = bounds;
        self
    }

    /// Makes the engine.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] names the field and what it has to be.
    pub fn build(mut self) -> Result<Engine, ConfigError> {
        let memory_max = self.memory_max;
        self.config.reorder = self.reorder.unwrap_or_else(|| reorder_within(memory_max));
        let (reorder, history) = (&self.config.reorder, &self.config.history);
        let queue = &self.settings.queue;
        let checks = [
            (
                "shards",
                "a power of two from 1 to 65,536",
                self.shards.is_power_of_two() && self.shards <= SHARDS_MAX,
            ),
            (
                "outcomes_max",
                "from 1 to 65,536",
                (1..=ShardConfig::OUTCOMES_MAX).contains(&self.config.outcomes_max),
            ),
            (
                "reorder.lane",
                "at most reorder.document",
                reorder.lane.batches <= reorder.document.batches
                    && reorder.lane.bytes <= reorder.document.bytes,
            ),
            (
                "reorder.document",
                "at most reorder.engine",
                reorder.document.batches <= reorder.engine.batches
                    && reorder.document.bytes <= reorder.engine.bytes,
            ),
            (
                "history.commits_min",
                "at most history.commits_max",
                history.commits_min <= history.commits_max,
            ),
            (
                "reorder.engine.bytes",
                "at most memory_max",
                reorder.engine.bytes as u64 <= self.memory_max,
            ),
            (
                "events_max",
                "at least 1, or no session could expire",
                self.settings.events_max >= 1,
            ),
            ("queue.kib", "at least 1", queue.kib >= 1),
            (
                "queue.round_batches",
                "at least 1",
                queue.round_batches >= 1,
            ),
        ];
        for (field, must_be, holds) in checks {
            if !holds {
                return Err(ConfigError { field, must_be });
            }
        }
        let incarnation = self.incarnation.unwrap_or_else(|| Incarnation(random()));
        let shared = Shared {
            admit: self.admit,
            shards: self.shards,
            hash_seeds: hash_seeds(self.shard_seed),
            ..Shared::new(incarnation, self.memory_max)
        };
        Ok(Engine::new(
            self.shards,
            self.shard_seed.unwrap_or_else(random),
            Sessions::new(incarnation, self.sessions_max).with_lanes_max(self.session_lanes_max),
            self.settings,
            self.config,
            shared,
        ))
    }
}

/// The default bounds for a memory budget.
fn reorder_within(memory_max: u64) -> ReorderBounds {
    let mut bounds = ReorderBounds::default();
    bounds.engine.bytes = usize::try_from(memory_max / REORDER_OF).unwrap_or(usize::MAX);
    bounds.document.bytes = bounds.document.bytes.min(bounds.engine.bytes);
    bounds.lane.bytes = bounds.lane.bytes.min(bounds.document.bytes);
    bounds
}

/// One in so many bytes of the memory budget may be taken by batches that may never be applied.
const REORDER_OF: u64 = 50;

/// A configuration that cannot be. The fault is the host's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field} must be {must_be}")]
pub struct ConfigError {
    /// Which setting.
    pub field: &'static str,
    /// What it has to be.
    pub must_be: &'static str,
}

/// What places keys in tables: never anything that a client is told, as the incarnation is.
fn hash_seeds(fixed: Option<u64>) -> [u64; 4] {
    match fixed {
        Some(seed) => [seed, 1, 2, 3],
        None => array::from_fn(|_| random()),
    }
}

/// A random number from the operating system, by way of the keys that std draws for its hash maps.
fn random() -> u64 {
    RandomState::new().hash_one(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Keys were placed by the incarnation, which each session id tells: a client could choose keys that
    /// collide, and have each batch of anyone's search thousands of them.
    #[test]
    fn who_knows_the_incarnation_does_not_know_where_keys_lie() {
        let builder = || Engine::builder().shards(1).incarnation(Incarnation(7));
        let seeds = |builder: Builder| builder.build().unwrap().0.shared.hash_seeds;
        let (one, other) = (seeds(builder()), seeds(builder()));
        assert!(one.iter().zip(other).all(|(one, other)| *one != other));
        // But a host that fixes the seed gets the same tables again.
        let fixed = |seed| seeds(builder().shard_seed(seed));
        assert_eq!(fixed(1), fixed(1));
        assert_ne!(fixed(1), fixed(2));
    }
}
