use std::{fmt, sync::Arc};

use headwater_doc::{Limits, Patch, PatchError, Value};

use crate::id::{Epoch, Position, Version};

/// What takes a subscriber to a newer position.
#[derive(Clone, Debug)]
pub struct Frame {
    /// The document's incarnation.
    pub epoch: Epoch,
    /// The version that it leads to.
    pub to: Version,
    /// How.
    pub body: Body,
}

/// How a frame leads to its version.
#[derive(Clone, Debug)]
pub enum Body {
    /// By a patch of the version `from`: one commit's own, or a squash of several.
    Patch {
        /// The version that it applies to.
        from: Version,
        /// The patch.
        patch: Arc<Patch>,
    },
    /// By the whole document.
    Snapshot {
        /// The document.
        root: Value,
        /// Why no patch would do.
        reason: SnapshotReason,
    },
    /// Nothing is at the path that is followed; a snapshot comes once there is.
    Absent,
}

/// Why a subscriber gets the whole document.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SnapshotReason {
    /// It holds nothing yet.
    Initial,
    /// It holds a version of another incarnation of the document.
    EpochChanged,
    /// It holds a version that the history no longer reaches.
    Compacted,
    /// A patch would be more than the document is worth.
    CheaperThanDelta,
    /// It holds a version that this engine has not made.
    Ahead,
    /// Nothing was at the path that it follows until now.
    Appeared,
}

impl SnapshotReason {
    /// A stable word for wire, metric and log.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Initial => "initial",
            Self::EpochChanged => "epoch_changed",
            Self::Compacted => "compacted",
            Self::CheaperThanDelta => "cheaper_than_delta",
            Self::Ahead => "ahead",
            Self::Appeared => "appeared",
        }
    }
}

impl Frame {
    /// Where a subscriber is that has applied it.
    #[must_use]
    pub const fn position(&self) -> Position {
        Position {
            epoch: self.epoch,
            version: self.to,
        }
    }

    /// Bytes of what it carries, patch or document, as compact JSON; an upper bound where that
    /// contains doubles.
    #[must_use]
    pub fn written_bytes(&self) -> u64 {
        match &self.body {
            Body::Patch { patch, .. } => patch.written_bytes(),
            Body::Snapshot { root, .. } => root.written_bytes(),
            Body::Absent => 0,
        }
    }
}

/// A subscriber's copy of a document: what frames are applied to.
///
/// It belongs to whoever receives frames, on the far side of a link, and is here for clients written
/// in Rust. It refuses a frame that does not start where it stands, so that a frame that was lost on
/// the way shows at the next one.
#[derive(Clone, Debug, Default)]
pub struct Replica {
    position: Option<Position>,
    /// `None` if nothing is at the path that is followed, or no frame has come yet.
    root: Option<Value>,
}

impl Replica {
    /// A copy of nothing yet: its first frame must be a snapshot.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Where it stands: what to resume from. `None` before the first frame.
    #[must_use]
    pub const fn position(&self) -> Option<Position> {
        self.position
    }

    /// The document at that position; `null` before the first frame, and where nothing is at the path
    /// that is followed.
    #[must_use]
    pub fn root(&self) -> &Value {
        const NOTHING: &Value = &Value::NULL;
        self.root.as_ref().unwrap_or(NOTHING)
    }

    /// Whether there is anything at the path that is followed; `false` before the first frame.
    #[must_use]
    pub const fn is_present(&self) -> bool {
        self.root.is_some()
    }

    /// Moves to the frame's version.
    ///
    /// # Errors
    ///
    /// [`ReplicaError`]; the copy is as it was.
    pub fn apply(&mut self, frame: &Frame) -> Result<(), ReplicaError> {
        match &frame.body {
            Body::Snapshot { root, .. } => self.root = Some(root.clone()),
            Body::Absent => self.root = None,
            Body::Patch { from, patch } => {
                let from = Position {
                    epoch: frame.epoch,
                    version: *from,
                };
                let Some(root) = self.root.as_mut().filter(|_| self.position == Some(from)) else {
                    return Err(ReplicaError::OutOfPlace {
                        frame: from,
                        replica: self.position,
                    });
                };
                patch.apply(root, &Limits::NONE)?;
            }
        }
        self.position = Some(frame.position());
        Ok(())
    }
}

/// Why a frame cannot be applied to a replica. Resume from the replica's position, or from the
/// beginning.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ReplicaError {
    /// The frame starts elsewhere: one before it was lost.
    OutOfPlace {
        /// Where the frame starts.
        frame: Position,
        /// Where the replica stands.
        replica: Option<Position>,
    },
    /// The frame starts here and does not apply: the replica has diverged.
    Diverged(PatchError),
}

impl fmt::Display for ReplicaError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OutOfPlace { frame, replica } => {
                write!(
                    f,
                    "a frame from version {} of epoch {}",
                    frame.version, frame.epoch
                )?;
                match replica {
                    Some(at) => write!(f, " at version {} of epoch {}", at.version, at.epoch),
                    None => write!(f, " before any snapshot"),
                }
            }
            Self::Diverged(error) => write!(f, "the replica has diverged: {error}"),
        }
    }
}

impl std::error::Error for ReplicaError {}

impl From<PatchError> for ReplicaError {
    fn from(error: PatchError) -> Self {
        Self::Diverged(error)
    }
}
