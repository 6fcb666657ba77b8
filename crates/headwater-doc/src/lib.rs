//! JSON documents for state sync.
//!
//! A [`Value`] is a JSON tree whose nodes are shared between versions: cloning it costs a reference
//! count, and changing it writes in place what no other version holds. A [`Patch`] (RFC 6902) changes
//! it all-or-nothing and yields the patch that undoes it; [`diff()`] finds the patch between two
//! values and skips what they share. [`Patch::from_merge`] translates a merge patch (RFC 7396).
//! [`to_value`] and [`from_value`] lead from and to any type that serde knows.
//!
//! What it is not: a general JSON library. Objects are sorted by name, a repeated name is an error,
//! and reading and writing keep every number without loss.
//!
//! # Pointers
//!
//! A [`Pointer`] is the path of one value in a document (RFC 6901): a `/` before each step, which is a
//! member's name or an element's index from 0. In a name `~1` stands for `/` and `~0` for `~`. The
//! empty pointer is the whole document.
//!
//! ```
//! use headwater_doc::{Pointer, Value};
//!
//! let room: Value = r#"{"players": [{"name": "ada", "items/worn": ["hat"]}]}"#.parse()?;
//! let worn: Pointer = "/players/0/items~1worn/0".parse()?;
//! assert_eq!(room.at(&worn).and_then(Value::as_str).as_deref(), Some("hat"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Patches
//!
//! A [`Patch`] is a list of operations: `add`, `remove`, `replace`, `move` and `copy` change the
//! document, `test` makes the rest depend on what is there. It is applied whole or not at all. A
//! clone is a snapshot of the version before: it shares what did not change and never sees what did.
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
//! Applying a patch yields its inverse: the patch that leads back. With it goes an undo, and every
//! recent version of a document is its newest one with some inverses applied.
//!
//! ```
//! # use headwater_doc::{Extensions, Limits, Patch, Value};
//! # let limits = Limits::default();
//! let mut room: Value = r#"{"items": ["rope", "lamp"]}"#.parse()?;
//! let drop = Patch::parse(br#"[{"op": "remove", "path": "/items/0"}]"#, &limits, Extensions::NONE)?;
//! let applied = drop.apply(&mut room, &limits)?;
//! let undo = r#"[{"op":"add","path":"/items/0","value":"rope"}]"#;
//! assert_eq!(applied.inverse.to_string(), undo);
//! // What moved when the element went: the whole array.
//! assert_eq!(applied.touched, ["/items".parse()?]);
//! applied.inverse.apply(&mut room, &limits)?;
//! assert_eq!(room.to_string(), r#"{"items":["rope","lamp"]}"#);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Squashes
//!
//! A squash is one patch that stands for several: the difference between the version that somebody has
//! and the one that he is to get. Changes that cancelled out are not in it, and since the two versions
//! share all that did not change between them, finding it costs what did.
//!
//! ```
//! # use headwater_doc::{Extensions, Limits, Patch, Value, diff};
//! # let limits = Limits::default();
//! let mut room: Value = r#"{"hp": 10, "items": ["rope"], "tick": 1}"#.parse()?;
//! let seen = room.clone();
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
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Limits
//!
//! [`Limits`] hold for texts that are read and for the results of patches alike, so whatever was
//! accepted can be written, read again, and is the same. Nothing here recurses where input decides
//! the depth, dropping a value included; serde does, and is stopped at 128 containers.

mod adopt;
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
mod trail;
mod transcode;
mod value;
mod work;
mod write;

pub use crate::{
    apply::{Applied, PatchError, Reason},
    array::{Array, Elements},
    de::{DeserializeError, DeserializeReason, from_value},
    diff::diff,
    limits::{LimitExceeded, Limits},
    number::{Number, NumberError},
    object::{Members, Object},
    parse::{ParseError, ParseReason},
    patch::{Extensions, Operation, Patch},
    pointer::{Pointer, PointerError},
    read::{InvalidOperation, InvalidPatch},
    ser::{SerializeError, SerializeReason, to_value},
    text::Text,
    value::{Value, View},
};
