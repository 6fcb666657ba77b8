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

mod config;
mod counts;
mod document;
mod frame;
mod history;
mod id;
mod lane;
mod reorder;
mod resume;
mod session;
mod shard;
mod submission;
mod time;

pub use crate::{
    config::ShardConfig,
    counts::Counts,
    document::{Rewind, Snapshot},
    frame::{Body, Frame, Replica, ReplicaError, SnapshotReason},
    history::{Commit, HistoryBounds},
    id::{Attachment, Epoch, Incarnation, InvalidKey, Key, Position, Seq, SessionId, Version},
    lane::{Cause, LaneStatus, Report},
    reorder::{Bound, Limit, ReorderBounds, ReorderPool, Scope},
    resume::{Cursor, Mode, Next, Squash},
    session::{Sessions, TooManySessions},
    shard::{ApplyError, CreateError, Shard},
    submission::{BatchLimit, Decision, Outcome, Refusal, Rejection, Submission},
    time::Time,
};
