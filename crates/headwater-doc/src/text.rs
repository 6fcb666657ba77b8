use std::{borrow::Cow, fmt, ops::Range, ptr};

use crate::rope::{Rope, runs_eq};

/// A string inside a document (RFC 8259 section 7), to be read whole or run by run.
///
/// A long string is held in several runs, so there is not always one `&str` to hand out;
/// [`to_cow`](Self::to_cow) joins them where it must, [`runs`](Self::runs) never copies. `==` compares scalar
/// by scalar, without normalisation (section 8.3), and costs the bytes that the two do not share in memory at
/// the same place, up to the first difference; `Display` writes the string itself, O(bytes).
#[derive(Clone, Copy)]
pub struct Text<'a>(Repr<'a>);

#[derive(Clone, Copy)]
enum Repr<'a> {
    Flat(&'a str),
    Rope(&'a Rope),
}

impl<'a> Text<'a> {
    pub(crate) const fn flat(text: &'a str) -> Self {
        Self(Repr::Flat(text))
    }

    pub(crate) const fn rope(rope: &'a Rope) -> Self {
        Self(Repr::Rope(rope))
    }

    /// Length in bytes of UTF-8. O(1).
    #[must_use]
    pub const fn bytes(self) -> usize {
        match self.0 {
            Repr::Flat(text) => text.len(),
            Repr::Rope(rope) => rope.bytes(),
        }
    }

    /// Length in Unicode scalar values. O(1) for strings of more than 1,024 bytes; shorter ones are
    /// counted, O(bytes).
    #[must_use]
    pub fn scalars(self) -> usize {
        match self.0 {
            Repr::Flat(text) => text.chars().count(),
            Repr::Rope(rope) => rope.scalars(),
        }
    }

    /// The string, if it is held in one piece, as those of up to 1,024 bytes are. O(1).
    #[must_use]
    pub const fn as_str(self) -> Option<&'a str> {
        match self.0 {
            Repr::Flat(text) => Some(text),
            Repr::Rope(_) => None,
        }
    }

    /// The string, joined if it is held in several pieces: O(1), or O(bytes).
    #[must_use]
    pub fn to_cow(self) -> Cow<'a, str> {
        self.as_str()
            .map_or_else(|| Cow::Owned(self.runs().collect()), Cow::Borrowed)
    }

    /// How many scalars at the start, and behind them at the end, are equal.
    pub(crate) fn common_ends(self, other: Self) -> (usize, usize) {
        if let (Repr::Rope(left), Repr::Rope(right)) = (self.0, other.0) {
            return left.common_ends(right);
        }
        let (left, right) = (self.to_cow(), other.to_cow());
        let limit = self.scalars().min(other.scalars());
        let equal = |(left, right): &(char, char)| left == right;
        let prefix = left.chars().zip(right.chars()).take_while(equal).count();
        let suffix = left.chars().rev().zip(right.chars().rev());
        let suffix = suffix.take(limit - prefix).take_while(equal).count();
        (prefix, suffix)
    }

    /// Where a string of several pieces lies in memory: no two have the same place.
    pub(crate) fn address(self) -> Option<usize> {
        match self.0 {
            Repr::Flat(_) => None,
            Repr::Rope(rope) => Some(ptr::from_ref(rope).addr()),
        }
    }

    /// Whether parts of two long strings are one and the same in memory.
    pub(crate) fn shares(self, other: Self, steps: &mut usize) -> bool {
        match (self.0, other.0) {
            (Repr::Rope(left), Repr::Rope(right)) => left.shares(right, steps),
            _ => false,
        }
    }

    /// A part of the string, given in scalars and inside it.
    pub(crate) fn slice(self, range: Range<usize>) -> String {
        match self.0 {
            Repr::Flat(text) => text.chars().skip(range.start).take(range.len()).collect(),
            Repr::Rope(rope) => rope.slice(range),
        }
    }

    /// The pieces in order, of up to 1,024 bytes each; O(log(bytes)) for each.
    pub fn runs(self) -> impl Iterator<Item = &'a str> {
        let (flat, rope) = match self.0 {
            Repr::Flat(text) => (Some(text), None),
            Repr::Rope(rope) => (None, Some(rope)),
        };
        flat.into_iter()
            .chain(rope.into_iter().flat_map(Rope::runs))
    }
}

impl PartialEq for Text<'_> {
    fn eq(&self, other: &Self) -> bool {
        if self.bytes() != other.bytes() {
            return false;
        }
        if let (Some(left), Some(right)) = (self.as_str(), other.as_str()) {
            return left == right;
        }
        match (self.0, other.0) {
            (Repr::Rope(left), Repr::Rope(right)) => left.equals(right),
            _ => runs_eq(self.runs(), other.runs()),
        }
    }
}

impl Eq for Text<'_> {}

impl PartialEq<str> for Text<'_> {
    fn eq(&self, other: &str) -> bool {
        *self == Text::flat(other)
    }
}

impl fmt::Display for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.runs().try_for_each(|run| f.write_str(run))
    }
}

impl fmt::Debug for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&*self.to_cow(), f)
    }
}
