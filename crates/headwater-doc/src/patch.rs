use std::fmt::{self, Write};

use smallvec::SmallVec;
use twox_hash::XxHash64;

use crate::{
    limits::Limits,
    number::Number,
    pointer::Pointer,
    read::{InvalidPatch, read_text, read_value},
    rope::escape_bytes,
    text::Text,
    value::{Value, View},
    write::{Bytes, Digest, Gathered, write_text},
};

/// One change of a document, or a condition for it: an operation of RFC 6902, or one of the two
/// extensions that an [`Extensions`] allows.
///
/// Paths lead to where the operation works. In an array a path ends in an index, and behind the last
/// element also in `-`, where something is added. Cloning one costs a reference count for each path and
/// value; `==` compares values by theirs.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Operation {
    /// Adds a member, replacing one of the same name, or inserts an element (section 4.1).
    Add {
        /// Where.
        path: Pointer,
        /// What.
        value: Value,
    },
    /// Removes a member or an element, which must be there (section 4.2).
    Remove {
        /// Where.
        path: Pointer,
    },
    /// Replaces a value, which must be there (section 4.3).
    Replace {
        /// Where.
        path: Pointer,
        /// By what.
        value: Value,
    },
    /// Removes a value and adds it elsewhere, not inside itself (section 4.4).
    Move {
        /// Where it is.
        from: Pointer,
        /// Where it goes, once it is gone from there.
        path: Pointer,
    },
    /// Adds a value that is elsewhere in the document (section 4.5).
    Copy {
        /// Where it is.
        from: Pointer,
        /// Where it goes.
        path: Pointer,
    },
    /// Holds if the value that is there equals this one (section 4.6).
    Test {
        /// Where.
        path: Pointer,
        /// What must be there.
        value: Value,
    },
    /// Extension: adds to a number. Integers stay integers; a sum that fits neither 64 bits nor a
    /// finite double is an error.
    Increment {
        /// Where the number is.
        path: Pointer,
        /// What is added.
        by: Number,
    },
    /// Extension: replaces a range of a string or an array, as editors do.
    Splice {
        /// Where the string or array is.
        path: Pointer,
        /// Where the range starts, in elements or Unicode scalar values.
        index: usize,
        /// How many of them are removed.
        remove: usize,
        /// What is inserted there: a string into a string, an array into an array.
        insert: Value,
    },
}

impl Operation {
    /// The operation as seen from the value that `prefix` points to; `None` if any of its paths leads
    /// elsewhere. O(bytes of its paths); its value is shared.
    #[must_use]
    pub fn strip_prefix(&self, prefix: &Pointer) -> Option<Self> {
        let mut operation = self.clone();
        match &mut operation {
            Self::Add { path, .. }
            | Self::Remove { path }
            | Self::Replace { path, .. }
            | Self::Test { path, .. }
            | Self::Increment { path, .. }
            | Self::Splice { path, .. } => *path = path.strip_prefix(prefix)?,
            Self::Move { from, path } | Self::Copy { from, path } => {
                *from = from.strip_prefix(prefix)?;
                *path = path.strip_prefix(prefix)?;
            }
        }
        Some(operation)
    }

    /// The operation's path, for `move` and `copy` the one that it writes. O(1).
    #[must_use]
    pub const fn path(&self) -> &Pointer {
        match self {
            Self::Add { path, .. }
            | Self::Remove { path }
            | Self::Replace { path, .. }
            | Self::Move { path, .. }
            | Self::Copy { path, .. }
            | Self::Test { path, .. }
            | Self::Increment { path, .. }
            | Self::Splice { path, .. } => path,
        }
    }

    /// The other path of `move` and `copy`. O(1).
    #[must_use]
    pub const fn from(&self) -> Option<&Pointer> {
        match self {
            Self::Move { from, .. } | Self::Copy { from, .. } => Some(from),
            _ => None,
        }
    }

    /// What undoes it, if that is one operation at the same path, and it has taken this out.
    pub(crate) fn inverse(&self, taken: Option<&Value>) -> Option<Self> {
        let path = self.path().clone();
        Some(match (self, taken.cloned()) {
            (Self::Test { .. }, _) => return None,
            (Self::Remove { .. }, Some(value)) => Self::Add { path, value },
            (
                Self::Splice {
                    index,
                    insert: inserted,
                    ..
                },
                Some(insert),
            ) => Self::Splice {
                path,
                index: *index,
                remove: splice_len(inserted),
                insert,
            },
            (_, Some(value)) => Self::Replace { path, value },
            (_, None) => Self::Remove { path },
        })
    }

    /// [`written_bytes`](Self::written_bytes) of that, which is not made for it.
    fn inverse_bytes(&self, taken: Option<&Value>) -> u64 {
        let path = self.path().as_str();
        let path = (path.len() + escape_bytes(path) + 2) as u64;
        let (op, members) = match (self, taken) {
            (Self::Remove { .. }, Some(value)) => ("add", Self::value_bytes(value)),
            (Self::Splice { index, insert, .. }, Some(removed)) => {
                let removed = removed.written_bytes();
                (
                    "splice",
                    Self::splice_bytes(*index, splice_len(insert), removed),
                )
            }
            (_, Some(value)) => ("replace", Self::value_bytes(value)),
            (_, None) => ("remove", 0),
        };
        Self::bytes(op, path, members)
    }

    /// Bytes of [`to_value`](Self::to_value) as compact text.
    pub(crate) fn written_bytes(&self) -> u64 {
        let text = |text: &str| (text.len() + escape_bytes(text) + 2) as u64;
        let path = text(self.path().as_str());
        let (op, members) = match self {
            Self::Add { value, .. } => ("add", Self::value_bytes(value)),
            Self::Remove { .. } => ("remove", 0),
            Self::Replace { value, .. } => ("replace", Self::value_bytes(value)),
            Self::Move { from, .. } => ("move", 8 + text(from.as_str())),
            Self::Copy { from, .. } => ("copy", 8 + text(from.as_str())),
            Self::Test { value, .. } => ("test", Self::value_bytes(value)),
            Self::Increment { by, .. } => ("increment", 6 + by.written_bytes_max() as u64),
            Self::Splice {
                index,
                remove,
                insert,
                ..
            } => {
                let insert = insert.written_bytes();
                ("splice", Self::splice_bytes(*index, *remove, insert))
            }
        };
        Self::bytes(op, path, members)
    }

    /// Bytes of an operation as text, with a path of so many and these members beside.
    pub(crate) const fn bytes(op: &str, path: u64, members: u64) -> u64 {
        // A name with its quotes, colon and comma takes four bytes more than its letters. Two braces and
        // one comma too many.
        members.saturating_add(8 + op.len() as u64 + 8 + path + 1)
    }

    /// Bytes of the member `value`.
    pub(crate) fn value_bytes(value: &Value) -> u64 {
        9 + value.written_bytes()
    }

    /// Bytes of the members of a splice.
    pub(crate) fn splice_bytes(index: usize, remove: usize, insert: u64) -> u64 {
        let counts =
            Number::from(index).written_bytes_max() + Number::from(remove).written_bytes_max();
        29 + counts as u64 + insert
    }

    /// Bytes outside the operation itself.
    fn heap_bytes(&self) -> u64 {
        let beside = match self {
            Self::Add { value, .. } | Self::Replace { value, .. } | Self::Test { value, .. } => {
                value.heap_bytes()
            }
            Self::Splice { insert, .. } => insert.heap_bytes(),
            Self::Increment { by, .. } => by.heap_bytes() as u64,
            Self::Move { from, .. } | Self::Copy { from, .. } => from.heap_bytes() as u64,
            Self::Remove { .. } => 0,
        };
        beside.saturating_add(self.path().heap_bytes() as u64)
    }

    /// Of those, the bytes of a value that it puts into the document.
    fn put_bytes(&self) -> u64 {
        match self {
            Self::Add { value, .. } | Self::Replace { value, .. } => value.heap_bytes(),
            _ => 0,
        }
    }

    /// Writes the text of [`to_value`](Self::to_value), in which names are sorted.
    fn write(&self, out: &mut impl Write) -> fmt::Result {
        let text = |name: &str, text: &str, out: &mut _| -> fmt::Result {
            Write::write_str(out, name)?;
            write_text(Text::flat(text), out)
        };
        let path = self.path().as_str();
        match self {
            Self::Add { value, .. } | Self::Replace { value, .. } | Self::Test { value, .. } => {
                let head = match self {
                    Self::Add { .. } => "{\"op\":\"add\",\"path\":",
                    Self::Replace { .. } => "{\"op\":\"replace\",\"path\":",
                    _ => "{\"op\":\"test\",\"path\":",
                };
                text(head, path, out)?;
                out.write_str(",\"value\":")?;
                value.write(out)?;
            }
            Self::Remove { .. } => text("{\"op\":\"remove\",\"path\":", path, out)?,
            Self::Move { from, .. } => {
                text("{\"from\":", from.as_str(), out)?;
                text(",\"op\":\"move\",\"path\":", path, out)?;
            }
            Self::Copy { from, .. } => {
                text("{\"from\":", from.as_str(), out)?;
                text(",\"op\":\"copy\",\"path\":", path, out)?;
            }
            Self::Increment { by, .. } => {
                out.write_str("{\"by\":")?;
                by.write(out)?;
                text(",\"op\":\"increment\",\"path\":", path, out)?;
            }
            Self::Splice {
                index,
                remove,
                insert,
                ..
            } => {
                write!(out, "{{\"index\":{index},\"insert\":")?;
                insert.write(out)?;
                text(",\"op\":\"splice\",\"path\":", path, out)?;
                write!(out, ",\"remove\":{remove}")?;
            }
        }
        out.write_char('}')
    }

    /// The operation as the JSON object that stands for it (RFC 6902 section 4; the extensions likewise,
    /// `increment` with the member `by`, `splice` with `index`, `remove` and `insert`). O(bytes of its
    /// paths); its value is shared.
    #[must_use]
    pub fn to_value(&self) -> Value {
        let text = |pointer: &Pointer| Value::from(pointer.as_str());
        let (op, members) = match self {
            Self::Add { value, .. } => ("add", vec![("value", value.clone())]),
            Self::Remove { .. } => ("remove", vec![]),
            Self::Replace { value, .. } => ("replace", vec![("value", value.clone())]),
            Self::Move { from, .. } => ("move", vec![("from", text(from))]),
            Self::Copy { from, .. } => ("copy", vec![("from", text(from))]),
            Self::Test { value, .. } => ("test", vec![("value", value.clone())]),
            Self::Increment { by, .. } => ("increment", vec![("by", Value::from(by.clone()))]),
            Self::Splice {
                index,
                remove,
                insert,
                ..
            } => (
                "splice",
                vec![
                    ("index", Value::from(*index)),
                    ("remove", Value::from(*remove)),
                    ("insert", insert.clone()),
                ],
            ),
        };
        [("op", Value::from(op)), ("path", text(self.path()))]
            .into_iter()
            .chain(members)
            .collect()
    }
}

/// How many elements or Unicode scalar values a splice inserts.
fn splice_len(insert: &Value) -> usize {
    match insert.view() {
        View::String(text) => text.scalars(),
        View::Array(array) => array.len(),
        _ => 0,
    }
}

/// A list of operations that are applied in order, all or none (RFC 6902).
///
/// Its text, and what serde makes of it, is an array of objects as RFC 6902 section 3 has it; those of the
/// extensions are shown at [`Operation::to_value`]. Cloning it clones each operation; `==` compares them in
/// order.
///
/// # Example
///
/// ```
/// use headwater_doc::{Extensions, Limits, Patch, Value};
///
/// let mut document: Value = r#"{"hp": 10, "items": ["rope"]}"#.parse()?;
/// let patch = Patch::parse(
///     br#"[{"op": "replace", "path": "/hp", "value": 7},
///          {"op": "add", "path": "/items/-", "value": "lamp"}]"#,
///     &Limits::default(),
///     Extensions::NONE,
/// )?;
/// let applied = patch.apply(&mut document, &Limits::default())?;
/// assert_eq!(document.to_string(), r#"{"hp":7,"items":["rope","lamp"]}"#);
///
/// applied.inverse(&patch).apply(&mut document, &Limits::default())?;
/// assert_eq!(document.to_string(), r#"{"hp":10,"items":["rope"]}"#);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Patch {
    operations: Operations,
    /// Invariant: what [`written_bytes`](Self::written_bytes) says of `operations`.
    bytes: u64,
    /// Invariant: what [`heap_bytes`](Self::heap_bytes) says of `operations`.
    heap_bytes: u64,
    /// Invariant: what [`put_bytes`](Self::put_bytes) says of `operations`.
    put_bytes: u64,
}

impl PartialEq for Patch {
    fn eq(&self, other: &Self) -> bool {
        self.bytes == other.bytes && self.operations == other.operations
    }
}

impl Eq for Patch {}

/// A list of operations. That of a single one, as most patches and their inverses are, takes no memory of
/// its own: an allocation less for each of the two, and 3 of the 130 ns that applying it takes.
pub(crate) type Operations = SmallVec<[Operation; 1]>;

/// The operations beyond RFC 6902 that are allowed. They are this crate's own: whoever else reads such
/// a patch has to know them, so none is on unless a caller asks for it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Extensions {
    /// [`Operation::Increment`].
    pub increment: bool,
    /// [`Operation::Splice`].
    pub splice: bool,
}

impl Extensions {
    /// RFC 6902 and nothing else; the default.
    pub const NONE: Self = Self {
        increment: false,
        splice: false,
    };
    /// Both extensions.
    pub const ALL: Self = Self {
        increment: true,
        splice: true,
    };

    /// Whether everything that `other` allows is allowed here. O(1).
    #[must_use]
    pub const fn include(self, other: Self) -> bool {
        (self.increment || !other.increment) && (self.splice || !other.splice)
    }
}

impl Patch {
    /// Reads a patch from JSON text (RFC 6902 section 3). The limits hold for each value in it, and that of
    /// bytes for the text as a whole. O(bytes of the text), and O(names · log(names)) for each object in it.
    ///
    /// # Errors
    ///
    /// [`InvalidPatch`], which names the operation and what is wrong with it.
    pub fn parse(
        text: &[u8],
        limits: &Limits,
        extensions: Extensions,
    ) -> Result<Self, InvalidPatch> {
        read_text(text, limits, extensions)
    }

    /// Reads a patch from a JSON array. Members that an operation does not know are ignored (RFC
    /// 6902 section 4). O(operations and bytes of their paths); values are shared.
    ///
    /// # Errors
    ///
    /// [`InvalidPatch`], which names the operation and what is wrong with it.
    pub fn from_value(value: &Value, extensions: Extensions) -> Result<Self, InvalidPatch> {
        value
            .as_array()
            .ok_or(InvalidPatch::NotAnArray)?
            .iter()
            .enumerate()
            .map(|(operation, value)| {
                read_value(value, extensions)
                    .map_err(|reason| InvalidPatch::Operation { operation, reason })
            })
            .collect()
    }

    /// The patch as a JSON array. O(operations and bytes of their paths); values are shared.
    #[must_use]
    pub fn to_value(&self) -> Value {
        self.operations.iter().map(Operation::to_value).collect()
    }

    /// Bytes of a patch of no operations, `[]`. Any operation takes more.
    pub(crate) const EMPTY_BYTES: u64 = 2;

    /// Bytes of the text of a patch before its first operation. Behind each there is a comma or a bracket.
    pub(crate) const HEAD_BYTES: u64 = 1;

    // Inlined, so that the list is moved once only.
    #[inline]
    pub(crate) fn of(operations: Operations) -> Self {
        let bytes = written_bytes(&operations);
        Self::of_bytes(operations, bytes)
    }

    /// The patch of operations that are known to be so many bytes of text, if there are any.
    #[inline]
    pub(crate) fn of_bytes(operations: Operations, bytes: u64) -> Self {
        let bytes = bytes.max(Self::EMPTY_BYTES);
        debug_assert_eq!(bytes, written_bytes(&operations), "the text has as many");
        let mut heap_bytes = if operations.spilled() {
            size_of_val(&*operations) as u64
        } else {
            0
        };
        let mut put_bytes = 0_u64;
        for operation in &operations {
            heap_bytes = heap_bytes.saturating_add(operation.heap_bytes());
            put_bytes = put_bytes.saturating_add(operation.put_bytes());
        }
        Self {
            operations,
            bytes,
            heap_bytes,
            put_bytes,
        }
    }

    /// The inverse of a patch of one operation, which has taken this out.
    pub(crate) fn inverse(&self, taken: Option<&Value>) -> Self {
        let operation = self.operations.first();
        let inverse = operation.and_then(|operation| operation.inverse(taken));
        Self::of(inverse.into_iter().collect())
    }

    /// [`written_bytes`](Self::written_bytes) of that.
    pub(crate) fn inverse_bytes(&self, taken: Option<&Value>) -> u64 {
        match (self.operations(), taken) {
            // Most are such: spares the look at the path.
            ([Operation::Replace { value, .. }], Some(taken)) => {
                self.bytes - value.written_bytes() + taken.written_bytes()
            }
            // Never a `test`, which changes nothing.
            (operations, _) => operations
                .iter()
                .fold(Self::HEAD_BYTES, |bytes, operation| {
                    bytes + operation.inverse_bytes(taken) + 1
                }),
        }
    }

    /// The operations in order. O(1).
    #[must_use]
    pub fn operations(&self) -> &[Operation] {
        &self.operations
    }

    /// Whether it has no operations. O(1).
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.bytes == Self::EMPTY_BYTES
    }

    /// Bytes of the patch as compact text, counted as [`Value::written_bytes`] counts. O(1).
    #[must_use]
    pub const fn written_bytes(&self) -> u64 {
        self.bytes
    }

    /// Bytes that it has requested from the allocator: operations, pointers and values, each counted as
    /// [`Value::heap_bytes`] counts, also what others hold too. O(1).
    ///
    /// The text of a pointer that two operations share, a path and its parent, counts with each.
    #[must_use]
    pub const fn heap_bytes(&self) -> u64 {
        self.heap_bytes
    }

    /// Of [`heap_bytes`](Self::heap_bytes), those of the values that `add` and `replace` put into a document,
    /// which holds them from then on too. O(1).
    #[must_use]
    pub const fn put_bytes(&self) -> u64 {
        self.put_bytes
    }

    /// Which extensions it uses. O(operations).
    #[must_use]
    pub fn extensions(&self) -> Extensions {
        let mut extensions = Extensions::NONE;
        for operation in &self.operations {
            extensions.increment |= matches!(operation, Operation::Increment { .. });
            extensions.splice |= matches!(operation, Operation::Splice { .. });
        }
        extensions
    }

    /// Writes the patch as compact JSON text. O(bytes written).
    ///
    /// # Errors
    ///
    /// Only what `out` reports.
    pub fn write(&self, out: &mut impl Write) -> fmt::Result {
        for (index, operation) in self.operations.iter().enumerate() {
            out.write_char(if index == 0 { '[' } else { ',' })?;
            operation.write(out)?;
        }
        out.write_str(if self.is_empty() { "[]" } else { "]" })
    }

    /// Adds the patch as compact JSON text to a list of bytes: what [`write`](Self::write) writes. O(bytes
    /// written).
    pub fn write_to(&self, out: &mut Vec<u8>) {
        out.reserve(usize::try_from(self.bytes).unwrap_or_default());
        let _infallible = self.write(&mut Bytes(out));
    }

    /// The XXH64 hash, with seed 0, of the patch's compact text: tells a batch that is sent again from
    /// another one under the same number. O(bytes of that text).
    #[must_use]
    pub fn digest(&self) -> u64 {
        if self.bytes <= Short::BYTES_MAX as u64 {
            // One operation is written in ten pieces: gathering them takes a third of hashing each.
            let mut text = Short::default();
            let _infallible = self.write(&mut text);
            return text.digest();
        }
        let mut digest = Digest::default();
        let _infallible = self.write(&mut digest);
        digest.finish()
    }
}

/// A short text as it is written.
struct Short {
    bytes: [u8; Self::BYTES_MAX],
    len: usize,
}

impl Short {
    /// What most batches take. More room would be cleared in vain for them.
    const BYTES_MAX: usize = 256;

    fn digest(&self) -> u64 {
        XxHash64::oneshot(0, self.bytes.get(..self.len).unwrap_or_default())
    }
}

impl Default for Short {
    fn default() -> Self {
        Self {
            bytes: [0; Self::BYTES_MAX],
            len: 0,
        }
    }
}

impl Write for Short {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let room = self.bytes.get_mut(self.len..).unwrap_or_default();
        let place = room.get_mut(..text.len()).ok_or(fmt::Error)?;
        place.copy_from_slice(text.as_bytes());
        self.len += text.len();
        Ok(())
    }
}

/// Bytes of the operations as compact text.
fn written_bytes(operations: &[Operation]) -> u64 {
    let bytes = operations.iter().map(Operation::written_bytes);
    let bytes = bytes.fold(Patch::HEAD_BYTES, |sum, bytes| {
        sum.saturating_add(bytes).saturating_add(1)
    });
    bytes.max(Patch::EMPTY_BYTES)
}

impl From<Vec<Operation>> for Patch {
    /// Makes a patch of operations in their order. O(operations, and bytes of their paths).
    fn from(operations: Vec<Operation>) -> Self {
        Self::of(operations.into_iter().collect())
    }
}

impl Default for Patch {
    /// A patch of no operations.
    fn default() -> Self {
        Self::of(Operations::new())
    }
}

impl FromIterator<Operation> for Patch {
    /// As from a list.
    fn from_iter<I: IntoIterator<Item = Operation>>(operations: I) -> Self {
        Self::of(operations.into_iter().collect())
    }
}

impl fmt::Display for Patch {
    /// Writes compact JSON text, as [`Patch::write`]. O(bytes written).
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Gathered::write(f, self.bytes, |out| self.write(out))
    }
}
