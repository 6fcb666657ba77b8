use std::{mem, sync::Arc};

use headwater_doc::Value;

use crate::{
    document::Snapshot,
    history::Commit,
    id::{Epoch, Position, Version},
};

/// The newest version of a document with some commits to be taken back: made under the shard's lock,
/// worked off without it.
#[derive(Clone, Debug)]
pub struct Rewind {
    pub(crate) epoch: Epoch,
    pub(crate) version: Version,
    pub(crate) root: Value,
    /// Oldest first.
    pub(crate) commits: Vec<Arc<Commit>>,
}

impl Rewind {
    /// Takes the commits back, and yields the version before them.
    #[must_use]
    pub fn finish(mut self) -> Snapshot {
        let to = Version(self.version.0 - self.commits.len() as u64);
        self.back_to(to);
        Snapshot::new(self.position(), mem::take(&mut self.root))
    }

    /// Takes back the commits after a version, which must not be older than the oldest one left, and
    /// yields what is then the document.
    pub(crate) fn back_to(&mut self, to: Version) -> Value {
        while self.version > to
            && let Some(commit) = self.commits.pop()
        {
            commit.take_back(&mut self.root);
            self.version = Version(commit.version.0 - 1);
        }
        self.root.clone()
    }

    /// The version that it has come back to so far.
    pub(crate) const fn position(&self) -> Position {
        Position {
            epoch: self.epoch,
            version: self.version,
        }
    }
}
