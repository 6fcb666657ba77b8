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

mod admit;
mod budget;
mod cold;
mod config;
mod counts;
mod document;
mod frame;
mod frames;
mod guard;
mod history;
mod id;
mod lane;
mod narrow;
mod pins;
mod reorder;
mod resume;
mod session;
mod shard;
mod submission;
mod table;
mod time;
mod watch;

pub use crate::{
    admit::{Admission, Admit},
    budget::{Budget, Memory},
    cold::{Freeze, Frozen, Thaw, Thawed, Turn},
    config::{ColdBounds, DocumentOptions, ShardConfig, Shared},
    counts::Counts,
    document::{Rewind, Snapshot, Staged, Versioned},
    frame::{Body, Frame, Replica, ReplicaError, SnapshotReason},
    frames::{Encoded, FrameCache, FrameKey, FrameMemory},
    guard::{Conflict, Guard},
    history::{Commit, HistoryBounds},
    id::{
        Attachment, Epoch, Incarnation, InvalidId, InvalidKey, Key, Position, Seq, SessionId,
        Version,
    },
    lane::{Cause, LaneStatus, Report},
    reorder::{AtDeadline, Bound, Limit, ReorderBounds, ReorderPool, Scope, WhenFull},
    resume::{Cursor, Mode, Next, Squash, Step},
    session::{Sessions, TooManySessions},
    shard::{ApplyError, CreateError, Effects, Shard, StageError},
    submission::{BatchLimit, Busy, Decision, Outcome, Refusal, Rejection, Submission},
    time::Time,
    watch::{CloseReason, Watch},
};
