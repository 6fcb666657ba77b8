use std::sync::Arc;

use headwater_doc::{Applied, Patch, Value};

use crate::{
    document::{Document, growth},
    history::{Charge, HistoryBounds},
    id::Position,
};

/// Batches that were applied to a copy of a document. Room is kept for them until
/// [`Shard::install`](crate::Shard::install) or [`Shard::unstage`](crate::Shard::unstage).
#[derive(Debug)]
#[must_use]
pub struct Staged {
    pub(crate) position: Position,
    pub(crate) root: Value,
    pub(crate) commits: Vec<(Arc<Patch>, Applied)>,
    /// What the allowance keeps for them.
    pub(crate) bytes: u64,
}

/// A value that the host has made of a version, and the way to it.
#[derive(Debug)]
pub struct Made {
    /// The version that it was made of.
    pub position: Position,
    /// The value.
    pub root: Value,
    /// What leads from that version to the value.
    pub patch: Arc<Patch>,
    /// What applying that would yield; [`Patch::between`] makes both.
    pub applied: Applied,
}

impl From<Made> for Staged {
    fn from(made: Made) -> Self {
        Self {
            position: made.position,
            root: made.root,
            commits: vec![(made.patch, made.applied)],
            bytes: 0,
        }
    }
}

impl Staged {
    /// Bytes that the document takes more with it, its history included. What was copied of a version that
    /// goes is not there twice, but `is_pinned` says whether one stays.
    pub(crate) fn growth(
        &self,
        document: &Document,
        bounds: &HistoryBounds,
        is_pinned: bool,
    ) -> u64 {
        let before = document.hot().map_or(0, Value::heap_bytes);
        let snapshot_bytes = self.root.written_bytes();
        let bytes = self.commits.iter().fold(0_u64, |sum, (patch, applied)| {
            let lets_go = bounds.lets_go(patch, applied, snapshot_bytes);
            let copied = if is_pinned { applied.copied_bytes } else { 0 };
            sum.saturating_add(Charge::of(patch, applied).kept(lets_go, is_pinned))
                .saturating_add(copied)
        });
        let commits = self.commits.len();
        growth(before, &self.root, &document.history, commits, bytes)
    }
}
