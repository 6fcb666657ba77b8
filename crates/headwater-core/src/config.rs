use std::{sync::Arc, time::Duration};

use headwater_doc::{Extensions, Limits};

use crate::{
    admit::Admit,
    budget::Budget,
    frames::FrameMemory,
    history::HistoryBounds,
    id::Incarnation,
    reorder::{AtDeadline, ReorderBounds, ReorderPool},
};

/// What all shards of an engine have in common.
#[derive(Debug)]
pub struct Shared {
    /// This life of the engine.
    pub incarnation: Incarnation,
    /// Where keys lie in the shards' tables goes by these. Whoever knows them can choose keys that collide, so a
    /// host draws them and tells nobody; the same make the same tables again. Default 0 to 3, which everyone
    /// knows.
    pub hash_seeds: [u64; 4],
    /// What the reorder buffers hold together.
    pub pool: Arc<ReorderPool>,
    /// What everything takes together.
    pub budget: Arc<Budget>,
    /// How many shards share that: the more, the less each reserves ahead. Default 64.
    pub shards: usize,
    /// What encoded frames take of it.
    pub frames: Arc<FrameMemory>,
    /// The host's rule on clients' batches.
    pub admit: Option<Arc<dyn Admit>>,
}

impl Shared {
    /// No rule, no secret seeds, and a memory budget of so many bytes.
    #[must_use]
    pub fn new(incarnation: Incarnation, memory_max: u64) -> Self {
        let budget = Arc::new(Budget::new(memory_max));
        Self {
            incarnation,
            hash_seeds: [0, 1, 2, 3],
            pool: Arc::default(),
            frames: Arc::new(FrameMemory::new(Arc::clone(&budget))),
            budget,
            shards: 64,
            admit: None,
        }
    }
}

/// What may be said of a document when it is made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DocumentOptions {
    /// What happens to its lanes at their deadlines; `None`, the default, for what the engine's
    /// [`ReorderBounds`] say.
    pub at_deadline: Option<AtDeadline>,
}

/// What a shard holds itself to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ShardConfig {
    /// How large a document may be, after every operation.
    pub limits: Limits,
    /// The operations beyond RFC 6902 that a batch may use. Default none.
    pub extensions: Extensions,
    /// Most bytes of a batch, as compact JSON. Default 1 MiB.
    pub batch_bytes_max: u64,
    /// Most operations of a batch. Default 10,000.
    pub batch_operations_max: usize,
    /// Most outcomes that a lane remembers. Default 128: two windows of 64 batches, so that a client
    /// that fills one learns what became of the one before. At most
    /// [`OUTCOMES_MAX`](Self::OUTCOMES_MAX); more counts as that.
    pub outcomes_max: usize,
    /// Most documents in this shard. Default 1 Mi.
    pub documents_max: usize,
    /// Most lanes in this shard. Default 1 Mi.
    pub lanes_max: usize,
    /// What is held ahead of its turn.
    pub reorder: ReorderBounds,
    /// How long commits stay.
    pub history: HistoryBounds,
    /// When large documents are compressed.
    pub cold: ColdBounds,
}

impl ShardConfig {
    /// Most outcomes that a lane may be told to remember, 2 MiB of them. A client that skips far ahead has so
    /// many noted at once, in some 100 µs under the lock of the shard.
    pub const OUTCOMES_MAX: usize = 65_536;
}

/// Which documents are compressed in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ColdBounds {
    /// Those of so many bytes or more, as compact JSON. Default 64 KiB: a smaller one gives back little for what
    /// inflating it costs the next reader.
    pub bytes_min: u64,
    /// After nobody has read, written or followed it for so long. Default 60 s.
    pub idle: Duration,
}

impl Default for ColdBounds {
    fn default() -> Self {
        Self {
            bytes_min: 64 << 10,
            idle: Duration::from_secs(60),
        }
    }
}

impl Default for ShardConfig {
    fn default() -> Self {
        Self {
            limits: Limits::default(),
            extensions: Extensions::NONE,
            batch_bytes_max: 1 << 20,
            batch_operations_max: 10_000,
            outcomes_max: 128,
            documents_max: 1 << 20,
            lanes_max: 1 << 20,
            reorder: ReorderBounds::default(),
            history: HistoryBounds::default(),
            cold: ColdBounds::default(),
        }
    }
}
