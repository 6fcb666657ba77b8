use std::hash::{BuildHasher as _, RandomState};

use headwater_core::{HistoryBounds, Incarnation, ReorderBounds, ShardConfig};
use headwater_doc::{Extensions, Limits};

use crate::engine::Engine;

/// The configuration of an [`Engine`]. Everything has a default; [`build`](Self::build) checks it as a
/// whole.
#[derive(Clone, Debug)]
#[must_use]
pub struct Builder {
    shards: usize,
    shard_seed: Option<u64>,
    incarnation: Option<Incarnation>,
    sessions_max: usize,
    config: ShardConfig,
}

/// Default: sixteen times as many shards as a machine of four cores has threads, so that two writers
/// seldom meet.
const SHARDS: usize = 64;

/// Most shards: each has its own lock and tables, about 1 KiB when empty.
const SHARDS_MAX: usize = 65_536;

/// Default for open sessions.
const SESSIONS_MAX: usize = 1 << 20;

impl Builder {
    pub(crate) fn new() -> Self {
        Self {
            shards: SHARDS,
            shard_seed: None,
            incarnation: None,
            sessions_max: SESSIONS_MAX,
            config: ShardConfig::default(),
        }
    }

    /// Into how many parts the keys are divided: a power of two, 1 to 65,536. Default 64.
    pub const fn shards(mut self, shards: usize) -> Self {
        self.shards = shards;
        self
    }

    /// Fixes the seed by which keys find their shard. Default random, so that nobody can choose keys
    /// that all meet in one shard.
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

    /// Most outcomes that a lane remembers to answer repeats with, at least 1. Default 128.
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

    /// What may be held ahead of its turn, and for how long.
    pub const fn reorder(mut self, bounds: ReorderBounds) -> Self {
        self.config.reorder = bounds;
        self
    }

    /// How long commits stay to bring subscribers up to date.
    pub const fn history(mut self, bounds: HistoryBounds) -> Self {
        self.config.history = bounds;
        self
    }

    /// Makes the engine.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] names the field and what it has to be.
    pub fn build(self) -> Result<Engine, ConfigError> {
        let (reorder, history) = (&self.config.reorder, &self.config.history);
        let checks = [
            (
                "shards",
                "a power of two from 1 to 65,536",
                self.shards.is_power_of_two() && self.shards <= SHARDS_MAX,
            ),
            (
                "outcomes_max",
                "at least 1, or no repeat could be told from a new batch",
                self.config.outcomes_max >= 1,
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
        ];
        for (field, must_be, holds) in checks {
            if !holds {
                return Err(ConfigError { field, must_be });
            }
        }
        Ok(Engine::new(
            self.shards,
            self.shard_seed.unwrap_or_else(random),
            self.incarnation.unwrap_or_else(|| Incarnation(random())),
            self.sessions_max,
            self.config,
        ))
    }
}

/// A configuration that cannot be. The fault is the host's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field} must be {must_be}")]
pub struct ConfigError {
    /// Which setting.
    pub field: &'static str,
    /// What it has to be.
    pub must_be: &'static str,
}

/// A random number from the operating system, by way of the keys that std draws for its hash maps.
fn random() -> u64 {
    RandomState::new().hash_one(0)
}
