use headwater_doc::{Extensions, Limits};

use crate::{history::HistoryBounds, reorder::ReorderBounds};

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
    /// that fills one learns what became of the one before.
    pub outcomes_max: usize,
    /// Most documents in this shard. Default 1 Mi.
    pub documents_max: usize,
    /// Most lanes in this shard. Default 1 Mi.
    pub lanes_max: usize,
    /// What is held ahead of its turn.
    pub reorder: ReorderBounds,
    /// How long commits stay.
    pub history: HistoryBounds,
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
        }
    }
}
