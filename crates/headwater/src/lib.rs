//! Sharded in-memory state sync, to embed in game and collaboration servers.
//!
//! Live state is JSON documents. Clients send numbered batches of JSON Patch over links that lose,
//! repeat and reorder; the engine puts them in order and applies each exactly once, whole or not at
//! all. Every change has a version, and every subscriber, however slow, gets to the newest one with
//! the least that must be sent.
//!
//! ```text
//!  session ── batch 3, 1, 2, 2 ──▶ lane ── 1, 2, 3 ──▶ document, version 41 → 44
//!                                 (reorder buffer)        │ history
//!  subscriber ◀── patch | squash | snapshot ◀── cursor ───┘
//! ```
//!
//! # Example
//!
//! ```
//! use headwater::{Engine, Extensions, Key, Limits, Outcome, Patch, Replica, Seq, Version};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let engine = Engine::builder().build()?;
//! let room = Key::new("room/1")?;
//! engine.create(&room, r#"{"players": {}}"#.parse()?)?;
//!
//! // A subscriber follows the room; on the far side of its link a replica takes the frames.
//! let mut subscription = engine.subscribe(&room, Default::default())?;
//! let mut replica = Replica::new();
//!
//! // A client hands in batch 1 of its session.
//! let client = engine.open_session()?;
//! let join = br#"[{"op": "add", "path": "/players/ada", "value": {"hp": 10}}]"#;
//! let join = Patch::parse(join, &Limits::default(), Extensions::NONE)?;
//! let outcome = client.submit(&room, Seq(1), join);
//! assert_eq!(outcome, Outcome::Applied { version: Version(1) });
//!
//! while let Some(frame) = subscription.poll()? {
//!     replica.apply(&frame)?;
//! }
//! assert_eq!(replica.root().to_string(), r#"{"players":{"ada":{"hp":10}}}"#);
//! # Ok(())
//! # }
//! ```
//!
//! # Consistency
//!
//! - **One client, one document:** its batches are decided in the order of their numbers, each once.
//! - **One document:** all its changes have one order, the same for everybody, numbered by version. What a
//!   read or a subscriber got is never taken back.
//! - **Several documents:** no order, but that of the host's own calls; [`Engine::transact`] changes several
//!   at once, and [`Engine::read_many`] reads several as they are at one moment.
//! - **A subscriber** that has come to a version holds the document of that version, whichever frames it got;
//!   it may miss versions in between, never the newest.
//! - **The state lives in memory.** It ends with the process.

#[cfg(doctest)]
#[doc = include_str!("../../../README.md")]
struct Readme;

mod background;
mod builder;
mod documents;
mod edit;
mod encode;
mod engine;
mod events;
mod handle;
mod mail;
mod metrics;
mod pool;
mod queue;
mod relief;
mod route;
mod session;
mod stats;
mod submit;
mod subscription;
mod tick;
mod timers;
mod waiting;

pub use headwater_core::{
    Admission, Admit, ApplyError, AtDeadline, Attachment, BatchLimit, Body, Bound, Busy, Cause,
    CloseReason, ColdBounds, Commit, Conflict, Counts, CreateError, Decision, DocumentOptions,
    Epoch, Frame, Guard, HistoryBounds, Incarnation, InvalidId, InvalidKey, Key, LaneStatus, Limit,
    Memory, Mode, Outcome, Position, Refusal, Rejection, ReorderBounds, Replica, ReplicaError,
    Report, Scope, Seq, SessionId, Snapshot, SnapshotReason, Submission, Time, TooManySessions,
    Version, Versioned, WhenFull,
};
pub use headwater_doc::{
    Applied, Array, DeserializeError, DeserializeReason, Extensions, InvalidOperation,
    InvalidPatch, LimitExceeded, Limits, Number, NumberError, Object, Operation, ParseError,
    ParseReason, Patch, PatchError, Pointer, PointerError, Reason, SerializeError, SerializeReason,
    Text, Touched, Value, View, diff, from_value, to_value,
};

pub use crate::{
    background::{ShutdownReport, StartError},
    builder::{Builder, ConfigError},
    documents::{Cold, KeysFrom, KeysPage, TransactError},
    edit::{Draft, DraftError, EditError},
    encode::Encoding,
    engine::Engine,
    events::Event,
    handle::DocHandle,
    queue::{QueueBounds, Queued},
    session::Session,
    stats::Stats,
    subscription::{Closed, SubscribeError, SubscribeOptions, Subscription},
};
