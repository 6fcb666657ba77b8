//! One shard of a state-sync engine as a state machine.
//!
//! There is no clock, no randomness, no task and no I/O in here: time comes in as an argument, and
//! what changed comes out. So every ordering, deadline, eviction and refusal can be tested in virtual
//! time, by seed, without sleeping. The crate `headwater` adds locks, routing and wake-ups.
//!
//! A [`Shard`] holds documents. Clients' batches come in through [`Shard::submit`], numbered in lanes;
//! a [`reorder`](ReorderBounds) buffer puts them in order. Each commit makes a version and goes into
//! the document's history, from which [`Shard::next`] finds for a [`Cursor`] what takes it to the
//! newest version: the commits' own patches, one squash of them, or the whole document.
//!
//! # Consistency
//!
//! - Each batch of a lane is decided at most once, in the order of the seqs; an outcome is remembered for
//!   as long as [`ShardConfig::outcomes_max`] and the client's own word allow.
//! - A batch changes its document whole or not at all. The changes of one document have one order, which
//!   its versions number without gaps within an epoch.
//! - Everything happens under the caller's exclusive borrow: what one call does, another sees whole.
//!   Across shards nothing is ordered but what the caller orders, see [`Shard::stage`].
//! - Frames lead every cursor to the same value at the same version, whichever way they lead.

mod admit;
mod budget;
mod cold;
mod config;
mod counts;
mod document;
mod frame;
mod frames;
mod freed;
mod guard;
mod history;
mod id;
mod lane;
mod narrow;
mod pins;
mod reorder;
mod resume;
mod rewind;
mod session;
mod shard;
mod staged;
mod submission;
mod table;
mod time;
mod watch;
mod work;

pub use crate::{
    admit::{Admission, Admit},
    budget::{Budget, Memory},
    cold::{Freeze, Frozen, Thaw, Thawed, Turn},
    config::{ColdBounds, DocumentOptions, ShardConfig, Shared},
    counts::Counts,
    document::{Snapshot, Versioned},
    frame::{Body, Frame, Replica, ReplicaError, SnapshotReason},
    frames::{Encoded, FrameCache, FrameKey, FrameMemory},
    freed::Freed,
    guard::{Conflict, Guard},
    history::{Commit, HistoryBounds},
    id::{
        Attachment, Epoch, Incarnation, InvalidId, InvalidKey, Key, Position, Seq, SessionId,
        Version,
    },
    lane::{Cause, LaneStatus, Report},
    reorder::{AtDeadline, Bound, Limit, ReorderBounds, ReorderPool, Scope, WhenFull},
    resume::{Cursor, Mode, Next, Squash, Step},
    rewind::Rewind,
    session::{Sessions, TooManySessions},
    shard::{ApplyError, CreateError, Effects, Shard, StageError},
    staged::{Made, Staged},
    submission::{BatchLimit, Busy, Decision, Outcome, Refusal, Rejection, Submission},
    time::Time,
    watch::{CloseReason, Watch},
};
