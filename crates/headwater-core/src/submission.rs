use std::{fmt, sync::Arc, time::Duration};

use headwater_doc::{Patch, Reason};

use crate::{
    guard::{Conflict, Guard},
    id::{Attachment, Epoch, Key, Seq, SessionId, Version},
    reorder::{Limit, Scope},
    time::Time,
};

/// A batch as a client hands it in.
#[derive(Clone, Debug)]
pub struct Submission {
    /// Whose it is.
    pub session: SessionId,
    /// Over which connection of the session it came.
    pub attachment: Attachment,
    /// Which document it changes.
    pub key: Key,
    /// Its number in the lane of this session and this document.
    pub seq: Seq,
    /// Up to here the client knows the outcomes of the lane; they need no longer be remembered.
    /// [`Seq::ZERO`] if it knows none.
    pub acked: Seq,
    /// Whether it builds on the batch before it: if that one was rejected, so is this one.
    pub chained: bool,
    /// Which versions of the document it may be applied to.
    pub guard: Guard,
    /// What it changes.
    pub patch: Arc<Patch>,
}

impl Submission {
    /// A batch that stands alone and applies to whatever version is the newest: nothing acknowledged,
    /// not chained, [`Guard::Head`]. Change the fields for more.
    #[must_use]
    pub fn new(
        session: SessionId,
        attachment: Attachment,
        key: Key,
        seq: Seq,
        patch: impl Into<Arc<Patch>>,
    ) -> Self {
        Self {
            session,
            attachment,
            key,
            seq,
            acked: Seq::ZERO,
            chained: false,
            guard: Guard::Head,
            patch: patch.into(),
        }
    }

    /// What tells a repeat from another batch under the same seq: all that decides its outcome.
    pub(crate) fn digest(&self) -> u64 {
        self.patch.digest() ^ self.guard.digest() ^ u64::from(self.chained)
    }
}

/// What became of a batch that was handed in: each ends in one of these (promise P4).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It was applied and made this version. Its seq is consumed.
    Applied {
        /// The version that it made.
        version: Version,
    },
    /// It was not applied and will not be: one bad batch must not stop its lane for ever, so its seq
    /// is consumed.
    Rejected(Rejection),
    /// It was decided before; this is how.
    Duplicate(Decision),
    /// It is ahead of its turn and waits. How it is decided shows in the lane's status.
    Held {
        /// The seq that the lane waits for.
        expected: Seq,
        /// When the lane gives up waiting and reports what is missing.
        deadline: Time,
    },
    /// It was not taken, and its seq is not consumed.
    Refused(Refusal),
}

/// Why a batch that had its turn was not applied. The fault is the sender's or the moment's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Rejection {
    /// There is no document under the key.
    #[error("no such document")]
    NoSuchDocument,
    /// Its base is of another incarnation of the document.
    #[error("its base is of another epoch; the document's is {current}")]
    EpochMismatch {
        /// The document's incarnation.
        current: Epoch,
    },
    /// What happened since its base is no longer known.
    #[error("its base is older than {oldest}, the oldest version that is remembered")]
    BaseTooOld {
        /// The oldest version that a base may name.
        oldest: Version,
        /// The newest version.
        head: Version,
    },
    /// Its base is a version that the engine has not made. The fault is the client's.
    #[error("its base is ahead of the newest version, {head}")]
    BaseAhead {
        /// The oldest version that a base may name.
        oldest: Version,
        /// The newest version.
        head: Version,
    },
    /// [`Guard::Exact`]: the document has moved on from its base.
    #[error("the document is at version {head} by now")]
    NotAtBase {
        /// The newest version.
        head: Version,
    },
    /// [`Guard::Untouched`]: others changed since its base what it reads or writes.
    #[error(transparent)]
    Conflict(Box<Conflict>),
    /// It is chained to a batch that was rejected: it would land on a state its sender never saw.
    #[error("the batch before it was rejected")]
    Predecessor,
    /// An operation does not apply, or the result would break a limit.
    #[error("operation {operation}: {reason}")]
    DoesNotApply {
        /// The index of the operation in the batch, from 0.
        operation: usize,
        /// Why it does not apply.
        reason: Reason,
        /// The version it was tried on.
        head: Version,
    },
    /// The host's own rule does not admit it.
    #[error("not admitted: {code}")]
    Refused {
        /// The host's word for the reason.
        code: &'static str,
    },
    /// The host's own rule panicked. The document is closed, since what the rule did to it is not known.
    #[error("the document was closed: deciding the batch panicked")]
    Panicked,
}

impl Rejection {
    /// A stable word for wire, metric and log; of [`Refused`](Self::Refused) the host's own.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::NoSuchDocument => "no_such_document",
            Self::EpochMismatch { .. } => "epoch_mismatch",
            Self::BaseTooOld { .. } => "base_too_old",
            Self::BaseAhead { .. } => "base_ahead",
            Self::NotAtBase { .. } => "not_at_base",
            Self::Conflict(_) => "conflict",
            Self::Refused { code } => code,
            Self::Panicked => "panicked",
            Self::Predecessor => "predecessor",
            Self::DoesNotApply { reason, .. } => reason.code(),
        }
    }
}

/// How a batch was decided, as its lane remembers it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// It made this version.
    Applied {
        /// The version.
        version: Version,
    },
    /// It was rejected for this reason.
    Rejected {
        /// [`Rejection::code`].
        code: &'static str,
    },
    /// It did not come in time, and those after it were applied without it ([`AtDeadline::Skip`]).
    ///
    /// [`AtDeadline::Skip`]: crate::AtDeadline::Skip
    Skipped,
}

/// Why a batch was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// The session is not open: open a new one, and decide again what is pending.
    #[error("unknown session")]
    UnknownSession,
    /// The session is attached elsewhere by now.
    #[error("fenced by attachment {}", current.0)]
    Fenced {
        /// The present attachment.
        current: Attachment,
    },
    /// Another batch was handed in under this seq: a fault of the client.
    #[error("another batch has this seq")]
    SeqReused,
    /// It was decided before, and how is no longer remembered. It is never applied again.
    #[error("decided before, up to {decided}")]
    AlreadyDecided {
        /// The last seq that the lane has decided.
        decided: Seq,
    },
    /// It came after its lane had given it up and gone on without it. It is never applied.
    #[error("too late: given up, the lane has decided up to {decided}")]
    TooLate {
        /// The last seq that the lane has decided.
        decided: Seq,
    },
    /// It is over a limit by itself: a fault of the client.
    #[error("too large: {0}")]
    TooLarge(BatchLimit),
    /// It is the first to its key, and its session has lanes to as many as it may: a fault of the client. They
    /// last as long as the session.
    #[error("the session has {lanes_max} lanes, which is the limit")]
    TooManyLanes {
        /// The limit.
        lanes_max: usize,
    },
    /// It uses an extension that the engine does not allow: a fault of the client.
    #[error("uses an extension that is not allowed")]
    ExtensionOff,
    /// It is so far ahead of its turn that there is no room to hold it. Resend from `expected`.
    #[error(
        "seq {expected} is expected; the {scope} has no room for {received} ({limit}, {bound})"
    )]
    Gap {
        /// The seq that the lane waits for.
        expected: Seq,
        /// The seq of this batch.
        received: Seq,
        /// Which part of the engine has no room.
        scope: Scope,
        /// Which of its bounds is met.
        limit: Limit,
        /// The bound.
        bound: usize,
    },
    /// For now it cannot be taken; nobody's fault. Send it again later.
    #[error("not now: {cause}; try again in {after:?}")]
    Retry {
        /// How long to wait first.
        after: Duration,
        /// What stands in the way.
        cause: Busy,
    },
}

impl Refusal {
    /// A stable word for wire, metric and log.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::UnknownSession => "unknown_session",
            Self::Fenced { .. } => "fenced",
            Self::SeqReused => "seq_reused",
            Self::AlreadyDecided { .. } => "already_decided",
            Self::TooLate { .. } => "too_late",
            Self::TooLarge(_) => "too_large",
            Self::TooManyLanes { .. } => "too_many_lanes",
            Self::ExtensionOff => "extension_off",
            Self::Gap { .. } => "gap",
            Self::Retry { cause, .. } => cause.code(),
        }
    }
}

/// What stands in the way of a batch for now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Busy {
    /// As many lanes are open in the shard as there may be.
    #[error("too many lanes are open")]
    Lanes,
    /// The memory budget has no room.
    #[error("out of memory budget")]
    Memory,
    /// The queue is full.
    #[error("the queue is full")]
    Queue,
    /// The engine is shutting down.
    #[error("shutting down")]
    ShuttingDown,
}

impl Busy {
    /// A stable word for wire, metric and log.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Lanes => "lanes",
            Self::Memory => "memory",
            Self::Queue => "queue",
            Self::ShuttingDown => "shutting_down",
        }
    }

    /// The refusal that says so.
    #[must_use]
    pub const fn retry(self) -> Refusal {
        Refusal::Retry {
            after: match self {
                Self::Queue => RETRY_QUEUE,
                Self::Lanes | Self::Memory | Self::ShuttingDown => RETRY,
            },
            cause: self,
        }
    }
}

/// A full queue is worked off in milliseconds: one game tick.
const RETRY_QUEUE: Duration = Duration::from_millis(50);

/// What has to end elsewhere first, a session or a document, takes about a second; shorter, and those
/// who wait come back in vain.
const RETRY: Duration = Duration::from_secs(1);

/// A limit that a batch breaks by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum BatchLimit {
    /// Bytes of its compact text.
    Bytes {
        /// The limit.
        limit: u64,
    },
    /// Operations in it.
    Operations {
        /// The limit.
        limit: usize,
    },
}

impl fmt::Display for BatchLimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bytes { limit } => write!(f, "more than {limit} bytes"),
            Self::Operations { limit } => write!(f, "more than {limit} operations"),
        }
    }
}
