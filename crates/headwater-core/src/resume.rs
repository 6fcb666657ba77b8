use std::sync::Arc;

use headwater_doc::{Extensions, diff};

use crate::{
    document::{Document, Rewind, Snapshot},
    frame::{Body, Frame, SnapshotReason},
    id::{Position, Version},
};

/// A subscriber as the engine knows it: a position and what it can read, nothing else.
///
/// It holds no version and no queue, so a subscriber that is never read costs just this, however much
/// happens to the document.
#[derive(Clone, Debug)]
pub struct Cursor {
    /// What the subscriber holds; `None` at the beginning.
    pub position: Option<Position>,
    /// How it wants to follow.
    pub mode: Mode,
    /// The operations beyond RFC 6902 that it can read.
    pub extensions: Extensions,
}

/// How a subscriber follows a document.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Mode {
    /// Each commit's own patch while it keeps up; a squash when it does not.
    #[default]
    EveryCommit,
    /// At each poll one frame to the newest version.
    Latest,
}

/// Commits up to which a subscriber gets each of them. Applying more one by one takes a client longer
/// than it takes the engine to squash them.
const FRAMES_MAX: u64 = 1_024;

/// What a subscriber gets next: the decision, made under the shard's lock, with what it takes to carry
/// it out without the lock.
#[derive(Debug)]
#[must_use]
pub enum Next {
    /// Nothing: it holds the newest version.
    Current,
    /// A frame that is there already.
    Frame(Frame),
    /// A squash, or a snapshot if that turns out cheaper.
    Squash(Squash),
}

/// A squash still to be made.
#[derive(Debug)]
pub struct Squash {
    rewind: Rewind,
    from: Version,
    to: Version,
    extensions: Extensions,
}

impl Document {
    /// Decides what a subscriber gets: the table of `docs/ARCHITECTURE.md`, its rows in order.
    pub(crate) fn next(&self, cursor: &Cursor) -> Next {
        let Some(held) = cursor.position else {
            return Next::Frame(self.snapshot_frame(SnapshotReason::Initial));
        };
        if held.epoch != self.epoch {
            return Next::Frame(self.snapshot_frame(SnapshotReason::EpochChanged));
        }
        if held.version == self.version {
            return Next::Current;
        }
        if held.version > self.version {
            return Next::Frame(self.snapshot_frame(SnapshotReason::Ahead));
        }
        if held.version < self.history.oldest(self.version) {
            return Next::Frame(self.snapshot_frame(SnapshotReason::Compacted));
        }
        let commits = self.version.0 - held.version.0;
        let bytes = self.history.patch_bytes_after(held.version);
        let one_by_one = commits <= FRAMES_MAX && bytes <= self.root.written_bytes() / 2;
        if !one_by_one || (cursor.mode == Mode::Latest && commits > 1) {
            return self.squash(held.version, self.version, cursor.extensions);
        }
        let next = held.version.next();
        match self.history.get(next) {
            Some(commit) if cursor.extensions.include(commit.extensions) => Next::Frame(Frame {
                epoch: self.epoch,
                to: next,
                body: Body::Patch {
                    from: held.version,
                    patch: Arc::clone(&commit.patch),
                },
            }),
            // The same commit in plain RFC 6902.
            _ => self.squash(held.version, next, cursor.extensions),
        }
    }

    fn squash(&self, from: Version, to: Version, extensions: Extensions) -> Next {
        self.rewind(from).map_or_else(
            || Next::Frame(self.snapshot_frame(SnapshotReason::Compacted)),
            |rewind| {
                Next::Squash(Squash {
                    rewind,
                    from,
                    to,
                    extensions,
                })
            },
        )
    }

    fn snapshot_frame(&self, reason: SnapshotReason) -> Frame {
        snapshot_frame(self.snapshot(), reason)
    }
}

impl Next {
    /// Carries the decision out; takes no lock and may take a while.
    #[must_use]
    pub fn finish(self) -> Option<Frame> {
        match self {
            Self::Current => None,
            Self::Frame(frame) => Some(frame),
            Self::Squash(squash) => Some(squash.finish()),
        }
    }
}

impl Squash {
    /// The difference between the two versions, which share all that did not change between them;
    /// where that is more than ¾ of the newer one, the whole document as it was at the head, which
    /// leaves nothing to follow.
    fn finish(mut self) -> Frame {
        let head = self.rewind.snapshot();
        let new = self.rewind.back_to(self.to);
        let old = self.rewind.back_to(self.from);
        let patch = diff(&old.root, &new.root, self.extensions);
        let quarters = patch.written_bytes().saturating_mul(4);
        if quarters > new.root.written_bytes().saturating_mul(3) {
            return snapshot_frame(head, SnapshotReason::CheaperThanDelta);
        }
        Frame {
            epoch: new.position.epoch,
            to: self.to,
            body: Body::Patch {
                from: self.from,
                patch: Arc::new(patch),
            },
        }
    }
}

fn snapshot_frame(snapshot: Snapshot, reason: SnapshotReason) -> Frame {
    Frame {
        epoch: snapshot.position.epoch,
        to: snapshot.position.version,
        body: Body::Snapshot {
            root: snapshot.root,
            reason,
        },
    }
}
