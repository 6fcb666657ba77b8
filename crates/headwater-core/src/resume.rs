use std::sync::Arc;

use headwater_doc::{Extensions, Patch, Pointer, Value, diff_within};

use crate::{
    document::Document,
    frame::{Body, Frame, SnapshotReason},
    frames::FrameKey,
    history::Commit,
    id::{Position, Seq, SessionId, Version},
    narrow::narrowed,
    rewind::Rewind,
    watch::Watch,
};

/// A subscriber as the engine knows it: a position and what it can read, nothing else.
///
/// It holds no version and no queue, so a subscriber that is never read costs just this, however much
/// happens to the document.
#[derive(Clone, Debug, Default)]
pub struct Cursor {
    /// What the subscriber holds; `None` at the beginning.
    pub position: Option<Position>,
    /// Up to this version nothing has changed of what it holds; of use where it follows a part. The
    /// subscriber itself need not know: its next frame starts where it is.
    pub unchanged_to: Version,
    /// How it wants to follow.
    pub mode: Mode,
    /// The operations beyond RFC 6902 that it can read.
    pub extensions: Extensions,
    /// The part of the document that it follows; the root for all of it.
    pub path: Pointer,
    /// Its own session, if it hands in batches, too.
    pub session: Option<SessionId>,
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
#[derive(Clone, Debug)]
#[must_use]
pub enum Next {
    /// Nothing: what it holds is the same at this version, the newest.
    Current(Version),
    /// A frame that is there already.
    Frame(Frame),
    /// A squash, or a snapshot if that turns out cheaper.
    Squash(Squash),
}

/// What a subscriber gets, carried out.
#[derive(Clone, Debug)]
pub struct Step {
    /// What it has to be sent, if anything.
    pub frame: Option<Frame>,
    /// The version up to which it then has all there is.
    pub version: Version,
}

impl Cursor {
    /// Whether it has all there is, as far as can be told without the lock of the shard. A subscriber with
    /// a session may still have to hear that a batch of its own was rejected.
    #[must_use]
    pub fn has(&self, watch: &Watch) -> bool {
        self.session.is_none()
            && self.position.is_some_and(|held| {
                held.epoch == watch.epoch() && held.version.max(self.unchanged_to) == watch.head()
            })
    }

    /// Moves on by what was carried out.
    pub fn advance(&mut self, frame: Option<Position>, version: Version) {
        if frame.is_some() {
            self.position = frame;
        }
        self.unchanged_to = version;
    }
}

/// A squash still to be made.
#[derive(Clone, Debug)]
pub struct Squash {
    rewind: Rewind,
    /// What the subscriber holds.
    held: Version,
    /// The same at a version that can still be seen.
    from: Version,
    to: Version,
    extensions: Extensions,
    path: Pointer,
}

impl Document {
    /// Decides what a subscriber gets: the table of `docs/SEMANTICS.md`, its rows in order.
    pub(crate) fn next(&self, cursor: &Cursor) -> Next {
        let Some(held) = cursor.position else {
            return self.snapshot_for(cursor, SnapshotReason::Initial);
        };
        if held.epoch != self.epoch {
            return self.snapshot_for(cursor, SnapshotReason::EpochChanged);
        }
        if held.version > self.version {
            return self.snapshot_for(cursor, SnapshotReason::Ahead);
        }
        let from = held.version.max(cursor.unchanged_to).min(self.version);
        if from == self.version {
            return Next::Current(from);
        }
        if from < self.history.oldest(self.version) {
            return self.snapshot_for(cursor, SnapshotReason::Compacted);
        }
        let commits = self.version.0 - from.0;
        let bytes = self.history.patch_bytes_after(from);
        let one_by_one = commits <= FRAMES_MAX && bytes <= self.written_bytes() / 2;
        let next = if cursor.path.is_root() {
            self.history.get(from.next())
        } else {
            // Those that do not concern the subscriber only move it.
            let mut after = self.history.after(from);
            match after.find(|commit| commit.touches(&cursor.path)) {
                None => return Next::Current(self.version),
                found => found,
            }
        };
        let squash = |to| self.squash(held.version, from, to, cursor);
        match next {
            Some(next)
                if one_by_one
                    && (cursor.mode == Mode::EveryCommit || next.version == self.version) =>
            {
                match own_patch(next, cursor) {
                    Some(patch) => Next::Frame(Frame {
                        epoch: self.epoch,
                        to: next.version,
                        body: Body::Patch {
                            from: held.version,
                            patch,
                        },
                    }),
                    None => squash(next.version),
                }
            }
            _ => squash(self.version),
        }
    }

    /// The seq up to which all batches of a session are in a version or will never be in any, if there is one
    /// and the history reaches so far; `decided` is its lane's.
    ///
    /// A lane is decided in order, so that it is the one before the first that made a later version: what
    /// made an earlier one need not be in the history any more.
    pub(crate) fn last_seq(&self, session: SessionId, decided: Seq, at: Version) -> Option<Seq> {
        if at < self.history.oldest(self.version) {
            return None;
        }
        let later = self.history.after(at).find_map(|commit| {
            let (origin, seq) = commit.origin?;
            (origin == session).then_some(seq)
        });
        let last = later.map_or(decided, |Seq(later)| Seq(later.saturating_sub(1)));
        (last > Seq::ZERO).then_some(last)
    }

    /// The squash of all commits after a version, if the history reaches so far.
    pub(crate) fn squash_since(&self, from: Version) -> Option<Squash> {
        Some(Squash {
            rewind: self.rewind(from)?,
            held: from,
            from,
            to: self.version,
            extensions: Extensions::NONE,
            path: Pointer::root(),
        })
    }

    fn squash(&self, held: Version, from: Version, to: Version, cursor: &Cursor) -> Next {
        self.squash_since(from).map_or_else(
            || self.snapshot_for(cursor, SnapshotReason::Compacted),
            |squash| {
                Next::Squash(Squash {
                    held,
                    to,
                    extensions: cursor.extensions,
                    path: cursor.path.clone(),
                    ..squash
                })
            },
        )
    }

    fn snapshot_for(&self, cursor: &Cursor, reason: SnapshotReason) -> Next {
        let root = self.root();
        Next::Frame(whole(self.position(), cursor.path.resolve(&root), reason))
    }
}

/// The commit's own patch, as far as it concerns the subscriber, if that one can read it.
fn own_patch(commit: &Commit, cursor: &Cursor) -> Option<Arc<Patch>> {
    if !cursor.extensions.include(commit.extensions) {
        return None;
    }
    if cursor.path.is_root() {
        return Some(Arc::clone(&commit.patch));
    }
    narrowed(commit, &cursor.path).map(Arc::new)
}

impl Next {
    /// The version that it leads to, unless a squash turns out dearer than the whole document, which leads
    /// to the head.
    #[must_use]
    pub const fn version(&self) -> Version {
        match self {
            Self::Current(version) => *version,
            Self::Frame(frame) => frame.to,
            Self::Squash(squash) => squash.to,
        }
    }

    /// Which encoded frame it is, if it is one.
    #[must_use]
    pub fn key(&self, cursor: &Cursor, encoding: u8) -> Option<FrameKey> {
        let key = |from, reason, to| {
            Some(FrameKey {
                path: cursor.path.clone(),
                from,
                reason,
                to,
                extensions: cursor.extensions,
                encoding,
            })
        };
        match self {
            Self::Current(_) => None,
            Self::Frame(frame) => match &frame.body {
                Body::Patch { from, .. } => key(Some(*from), None, frame.to),
                Body::Snapshot { reason, .. } => key(None, Some(*reason), frame.to),
                Body::Absent => key(None, None, frame.to),
            },
            Self::Squash(squash) => key(Some(squash.held), None, squash.to),
        }
    }

    /// Carries the decision out; takes no lock and may take a while.
    #[must_use]
    pub fn finish(self) -> Step {
        match self {
            Self::Current(version) => Step {
                frame: None,
                version,
            },
            Self::Frame(frame) => Step::of(frame),
            Self::Squash(squash) => squash.finish(),
        }
    }
}

impl Step {
    fn of(frame: Frame) -> Self {
        Self {
            version: frame.to,
            frame: Some(frame),
        }
    }
}

impl Squash {
    /// For a reader of these extensions.
    pub(crate) fn with(self, extensions: Extensions) -> Self {
        Self { extensions, ..self }
    }

    /// The difference between the two versions, which share all that did not change between them;
    /// where that is more than ¾ of the newer one, the whole as it was at the head, which leaves nothing
    /// to follow.
    pub(crate) fn finish(mut self) -> Step {
        let head = self.rewind.position();
        let newest = self.rewind.back_to(head.version);
        let new = self.rewind.back_to(self.to);
        let position = self.rewind.position();
        let old = self.rewind.back_to(self.from);
        let (old, new) = (self.path.resolve(&old), self.path.resolve(&new));
        let (old, new) = match (old, new) {
            (None, None) => {
                return Step {
                    frame: None,
                    version: self.to,
                };
            }
            (Some(old), Some(new)) => (old, new),
            (None, Some(_)) => return Step::of(whole(position, new, SnapshotReason::Appeared)),
            (Some(_), None) => return Step::of(whole(position, None, SnapshotReason::Initial)),
        };
        let bytes_max = new.written_bytes().saturating_mul(3) / 4;
        let Some(patch) = diff_within(old, new, self.extensions, bytes_max) else {
            let newest = self.path.resolve(&newest);
            return Step::of(whole(head, newest, SnapshotReason::CheaperThanDelta));
        };
        Step::of(Frame {
            epoch: position.epoch,
            to: self.to,
            body: Body::Patch {
                from: self.held,
                patch: Arc::new(patch),
            },
        })
    }
}

/// A frame with all that there is at a subscriber's path.
fn whole(position: Position, value: Option<&Value>, reason: SnapshotReason) -> Frame {
    Frame {
        epoch: position.epoch,
        to: position.version,
        body: match value {
            Some(root) => Body::Snapshot {
                root: root.clone(),
                reason,
            },
            None => Body::Absent,
        },
    }
}
