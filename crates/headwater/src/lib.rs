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

#[cfg(doctest)]
#[doc = include_str!("../../../README.md")]
struct Readme;

mod builder;
mod engine;
mod route;
mod session;
mod subscription;

pub use headwater_core::{
    ApplyError, Attachment, BatchLimit, Body, Bound, Cause, Commit, Counts, CreateError, Decision,
    Epoch, Frame, HistoryBounds, Incarnation, InvalidKey, Key, LaneStatus, Limit, Mode, Outcome,
    Position, Refusal, Rejection, ReorderBounds, Replica, ReplicaError, Report, Scope, Seq,
    SessionId, Snapshot, SnapshotReason, Submission, Time, TooManySessions, Version,
};
pub use headwater_doc::{
    Applied, Array, DeserializeError, DeserializeReason, Extensions, InvalidOperation,
    InvalidPatch, LimitExceeded, Limits, Number, NumberError, Object, Operation, ParseError,
    ParseReason, Patch, PatchError, Pointer, PointerError, Reason, SerializeError, SerializeReason,
    Text, Value, View, diff, from_value, to_value,
};

pub use crate::{
    builder::{Builder, ConfigError},
    engine::Engine,
    session::Session,
    subscription::{Closed, NoSuchDocument, SubscribeOptions, Subscription},
};
