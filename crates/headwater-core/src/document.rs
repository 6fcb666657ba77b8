use std::sync::Arc;

use headwater_doc::{Limits, Patch, PatchError, Value};

use crate::{
    history::{Commit, History, HistoryBounds},
    id::{Epoch, Position, Seq, SessionId, Version},
    time::Time,
};

/// A document: its newest version, and the way back to recent ones.
#[derive(Debug)]
pub(crate) struct Document {
    pub(crate) epoch: Epoch,
    pub(crate) version: Version,
    pub(crate) root: Value,
    pub(crate) history: History,
}

/// One version of a document, seen unchanged for as long as it is held. Cloning costs a reference
/// count.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// Which version of which epoch this is.
    pub position: Position,
    /// The document at that version.
    pub root: Value,
}

impl Document {
    pub(crate) fn new(epoch: Epoch, root: Value) -> Self {
        Self {
            epoch,
            version: Version::ZERO,
            root,
            history: History::default(),
        }
    }

    pub(crate) const fn position(&self) -> Position {
        Position {
            epoch: self.epoch,
            version: self.version,
        }
    }

    pub(crate) fn snapshot(&self) -> Snapshot {
        Snapshot {
            position: self.position(),
            root: self.root.clone(),
        }
    }

    /// Applies a batch to the newest version: the one place where a document changes.
    pub(crate) fn commit(
        &mut self,
        now: Time,
        origin: Option<(SessionId, Seq)>,
        patch: Arc<Patch>,
        limits: &Limits,
        bounds: &HistoryBounds,
    ) -> Result<Version, PatchError> {
        let applied = patch.apply(&mut self.root, limits)?;
        self.version = self.version.next();
        let commit = Commit::new(self.version, origin, now, patch, applied);
        let snapshot_bytes = self.root.written_bytes();
        self.history.push(commit, snapshot_bytes, bounds);
        Ok(self.version)
    }

    /// What takes the newest version back to an earlier one, if the history reaches so far.
    pub(crate) fn rewind(&self, to: Version) -> Option<Rewind> {
        if to > self.version || to < self.history.oldest(self.version) {
            return None;
        }
        Some(Rewind {
            epoch: self.epoch,
            version: self.version,
            root: self.root.clone(),
            commits: self.history.after(to).cloned().collect(),
        })
    }
}

/// The newest version of a document with some commits to be taken back: made under the shard's lock,
/// worked off without it.
#[derive(Debug)]
pub struct Rewind {
    epoch: Epoch,
    version: Version,
    root: Value,
    /// Oldest first.
    commits: Vec<Arc<Commit>>,
}

impl Rewind {
    /// Takes the commits back, and yields the version before them.
    #[must_use]
    pub fn finish(mut self) -> Snapshot {
        let to = Version(self.version.0 - self.commits.len() as u64);
        self.back_to(to)
    }

    /// Takes back the commits after a version; it must not be older than the oldest one left.
    pub(crate) fn back_to(&mut self, to: Version) -> Snapshot {
        while self.version > to
            && let Some(commit) = self.commits.pop()
        {
            let undone = commit.inverse.apply(&mut self.root, &Limits::NONE);
            debug_assert!(
                undone.is_ok(),
                "an inverse applies to what it was made from"
            );
            self.version = Version(commit.version.0 - 1);
        }
        self.snapshot()
    }

    /// The version that it has come back to so far.
    pub(crate) fn snapshot(&self) -> Snapshot {
        Snapshot {
            position: Position {
                epoch: self.epoch,
                version: self.version,
            },
            root: self.root.clone(),
        }
    }
}
