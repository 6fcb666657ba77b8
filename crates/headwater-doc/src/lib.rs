//! JSON documents for state sync.
//!
//! A [`Value`] is a JSON tree whose nodes are shared between versions: cloning it costs a reference
//! count, and changing it writes in place what no other version holds. A [`Patch`] (RFC 6902) changes
//! it all-or-nothing and yields the patch that undoes it; [`diff()`] finds the patch between two
//! values and skips what they share. [`Patch::from_merge`] translates a merge patch (RFC 7396).
//! [`to_value`] and [`from_value`] lead from and to any type that serde knows.
//!
//! ```text
//!             patch               patch               patch
//!          ──────────►         ──────────►         ──────────►
//! version 1           version 2           version 3           version 4
//!          ◄──────────         ◄──────────         ◄──────────
//!            inverse             inverse             inverse
//!     │             squash: diff(version 1, version 4)
//!     └──────────────────────────────────────────────────────────►
//! ```
//!
//! What it is not: a general JSON library. Objects are sorted by name, a repeated name is an error,
//! and reading and writing keep every number without loss.
//!
//! # Pointers
//!
//! A [`Pointer`] is the path of one value in a document (RFC 6901): a `/` before each step, which is a
//! member's name or an element's index from 0. In a name `~1` stands for `/` and `~0` for `~`. The
//! empty pointer is the whole document. Where something is added to an array, `-` as the last step
//! means behind the last element; nothing is there to be read.
//!
//! ```
//! use headwater_doc::{Pointer, Value};
//!
//! let room: Value = r#"{"players": [{"name": "ada", "items/worn": ["hat"]}]}"#.parse()?;
//! let worn: Pointer = "/players/0/items~1worn/0".parse()?;
//! assert_eq!(room.at(&worn).and_then(Value::as_str).as_deref(), Some("hat"));
//! assert_eq!(room.at(&"/players/1".parse()?), None);
//! assert_eq!(room.at(&Pointer::root()), Some(&room));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Patches
//!
//! A [`Patch`] is a list of operations that are applied in order, whole or not at all. As text it is a
//! JSON array of objects: `op` says what is done, `path` is the pointer to where, and what else there is
//! depends on the operation.
//!
//! | operation | with | what it does |
//! | --- | --- | --- |
//! | `add` | `value` | sets a member, whether it was there or not; inserts an element before the index |
//! | `remove` | | takes a member or an element out; those behind the element move up |
//! | `replace` | `value` | puts another value in the place of one that is there |
//! | `move` | `from` | removes what is at `from`, and adds it at `path` |
//! | `copy` | `from` | adds what is at `from` at `path` as well |
//! | `test` | `value` | changes nothing, but fails if another value is there, or none |
//!
//! An operation that fails, as a `test` that does not hold or a path that leads nowhere, makes the whole
//! patch fail, and the document is what it was. Each operation sees what those before it did. Two more,
//! `increment` and `splice`, are no part of the RFC and are read only where [`Extensions`] allow them.
//!
//! A clone is a snapshot of the version before: it shares what did not change and never sees what did.
//!
//! ```
//! use headwater_doc::{Extensions, Limits, Patch, Value};
//!
//! let limits = Limits::default();
//! let mut room: Value = r#"{"hp": 10, "items": ["rope"]}"#.parse()?;
//! let before = room.clone();
//!
//! let hit = br#"[{"op": "test", "path": "/hp", "value": 10},
//!                {"op": "replace", "path": "/hp", "value": 7},
//!                {"op": "add", "path": "/items/-", "value": "arrow"}]"#;
//! let hit = Patch::parse(hit, &limits, Extensions::NONE)?;
//! hit.apply(&mut room, &limits)?;
//! assert_eq!(room.to_string(), r#"{"hp":7,"items":["rope","arrow"]}"#);
//! assert_eq!(before.to_string(), r#"{"hp":10,"items":["rope"]}"#);
//!
//! // A second time the test does not hold, and nothing happens.
//! let error = hit.apply(&mut room, &limits).unwrap_err();
//! assert_eq!(error.to_string(), r#"operation 0 at "/hp": another value is there"#);
//! assert_eq!(room.to_string(), r#"{"hp":7,"items":["rope","arrow"]}"#);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Inverses
//!
//! Applying a patch yields its inverse: the patch that leads back from the version after to the version
//! before. A patch alone does not tell it, for `remove` says where and not what was there; so it is made
//! as the patch is applied, and values that went are moved into it. With it goes an undo, and an earlier
//! version of a document is its newest one with the inverses since applied, the newest first.
//!
//! ```
//! # use headwater_doc::{Extensions, Limits, Patch, Value};
//! # let limits = Limits::default();
//! let mut room: Value = r#"{"items": ["rope", "lamp"]}"#.parse()?;
//! let drop = Patch::parse(br#"[{"op": "remove", "path": "/items/0"}]"#, &limits, Extensions::NONE)?;
//! let applied = drop.apply(&mut room, &limits)?;
//! let undo = r#"[{"op":"add","path":"/items/0","value":"rope"}]"#;
//! let inverse = applied.inverse(&drop);
//! assert_eq!(inverse.to_string(), undo);
//! // What moved when the element went: the whole array.
//! assert!(applied.touched(&drop).iter().eq(&["/items".parse()?]));
//!
//! let undone = inverse.apply(&mut room, &limits)?;
//! assert_eq!(room.to_string(), r#"{"items":["rope","lamp"]}"#);
//! // The inverse is a patch like any other, and has one too: a redo.
//! undone.inverse(&inverse).apply(&mut room, &limits)?;
//! assert_eq!(room.to_string(), r#"{"items":["lamp"]}"#);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Squashes
//!
//! A squash is one patch that stands for several: the difference between the version that a replica has
//! and the one that it is to get. Changes that cancelled out are not in it, nor are the tests and the order
//! of those that it stands for; and since the two versions share all that did not change between them,
//! finding it costs what did.
//!
//! ```
//! # use headwater_doc::{Extensions, Limits, Patch, Value, diff};
//! # let limits = Limits::default();
//! let mut room: Value = r#"{"hp": 10, "items": ["rope"], "name": "cave", "tick": 1}"#.parse()?;
//! let mut seen = room.clone();
//! for patch in [
//!     r#"[{"op": "replace", "path": "/hp", "value": 7}]"#,
//!     r#"[{"op": "replace", "path": "/tick", "value": 2}]"#,
//!     r#"[{"op": "replace", "path": "/hp", "value": 10}, {"op": "add", "path": "/items/-", "value": "lamp"}]"#,
//! ] {
//!     Patch::parse(patch.as_bytes(), &limits, Extensions::NONE)?.apply(&mut room, &limits)?;
//! }
//! let squash = diff(&seen, &room, Extensions::NONE);
//! assert_eq!(
//!     squash.to_string(),
//!     r#"[{"op":"add","path":"/items/1","value":"lamp"},{"op":"replace","path":"/tick","value":2}]"#
//! );
//! squash.apply(&mut seen, &limits)?;
//! assert!(seen.identical(&room));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Consistency
//!
//! - **A value that is held stays what it is**, whatever is written later and by whom: a patch changes the
//!   one `Value` that it is applied to, and no clone of it.
//! - **A patch is applied whole or not at all.** After an error the document is identical to what it was,
//!   and every part of it that somebody else holds is the very one of before.
//! - **An inverse leads back** to a value that is identical to the one before, and a [`diff()`] to one that is
//!   identical to the new one, each from the version that it was made for.
//! - **What was accepted can be written** and read again within the same limits, and is identical then.
//! - **Three relations, each finer than the one before.** `==` is that of `test`: `1` equals `1.0`, and the
//!   order of members does not count. [`identical`](Value::identical) is what a replica needs: numbers are
//!   also written alike, so that `1` and `1.0` differ. [`same`](Value::same) asks in O(1) whether two are one
//!   in memory; it is never true of values that differ, and not of all that are identical.
//! - **Never promised:** that a patch that was found for one version, as an inverse, a squash or a translated
//!   merge patch, holds for another, or means there what it meant; that blanks, escapes and the order of
//!   members in a text are kept; that a difference is the smallest; that identical values share memory; that
//!   equal values have one [`digest`](Value::digest), which identical ones have. Between versions there is no
//!   order but the one in which their owner makes them.
//!
//! # Limits
//!
//! [`Limits`] hold for texts that are read and for the results of patches alike. Nothing here recurses
//! where input decides the depth, dropping a value included; serde does, and is stopped at 128
//! containers in both directions, whatever the format.

mod adopt;
mod applied;
mod apply;
mod array;
mod chunked;
mod de;
mod diff;
mod dismantle;
mod failure;
mod limits;
mod merge;
mod myers;
mod name;
mod node;
mod number;
mod object;
mod packed;
mod parse;
mod patch;
mod pointer;
mod read;
mod rope;
mod scan;
mod ser;
mod shapes;
mod sharing;
mod text;
mod totals;
mod touched;
mod trail;
mod transcode;
mod value;
mod work;
mod write;

pub use crate::{
    applied::Applied,
    apply::{PatchError, Reason},
    array::{Array, Elements},
    de::{DeserializeError, DeserializeReason, from_value},
    diff::{diff, diff_within},
    limits::{LimitExceeded, Limits},
    number::{Number, NumberError},
    object::{Members, Object},
    parse::{ParseError, ParseReason},
    patch::{Extensions, Operation, Patch},
    pointer::{Pointer, PointerError},
    read::{InvalidOperation, InvalidPatch},
    ser::{SerializeError, SerializeReason, to_value},
    text::Text,
    touched::Touched,
    value::{Value, View},
};
