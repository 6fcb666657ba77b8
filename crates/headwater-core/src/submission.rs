use std::{fmt, sync::Arc};

use headwater_doc::{Patch, Reason};

use crate::{
    id::{Attachment, Key, Seq, SessionId, Version},
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
    /// What it changes.
    pub patch: Arc<Patch>,
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
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Rejection {
    /// There is no document under the key.
    #[error("no such document")]
    NoSuchDocument,
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
}

impl Rejection {
    /// A stable word for wire, metric and log.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::NoSuchDocument => "no_such_document",
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
    /// It is over a limit by itself: a fault of the client.
    #[error("too large: {0}")]
    TooLarge(BatchLimit),
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
    /// For now it cannot be taken: as many lanes are open as there may be.
    #[error("{lanes_max} lanes are open in this shard, which is the limit")]
    TooManyLanes {
        /// The limit.
        lanes_max: usize,
    },
}

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
