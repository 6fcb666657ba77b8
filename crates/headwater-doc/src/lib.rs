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
//! # Limits
//!
//! [`Limits`] hold for texts that are read and for the results of patches alike, so whatever was
//! accepted can be written, read again, and is the same. Nothing here recurses where input decides
//! the depth, dropping a value included; serde does, and is stopped at 128 containers.

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
mod text;
mod totals;
mod transcode;
mod value;
mod write;

pub use crate::{
    apply::{Applied, PatchError, Reason},
    array::Array,
    de::{DeserializeError, DeserializeReason, from_value},
    diff::diff,
    limits::{LimitExceeded, Limits},
    number::{Number, NumberError},
    object::Object,
    parse::{ParseError, ParseReason},
    patch::{Extensions, Operation, Patch},
    pointer::{Pointer, PointerError},
    read::{InvalidOperation, InvalidPatch},
    ser::{SerializeError, SerializeReason, to_value},
    text::Text,
    value::{Value, View},
};
