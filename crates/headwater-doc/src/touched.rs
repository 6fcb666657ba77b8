use std::{fmt, iter};

use smallvec::SmallVec;

use crate::{
    patch::{Operation, Patch},
    pointer::Pointer,
};

/// Touched paths that are listed: mostly one, which takes no memory of its own.
pub(crate) type Listed = SmallVec<[Pointer; 1]>;

/// The paths at which a patch changed something, in the order of its operations; one that several in a
/// row have touched is there once. An element that was inserted into an array or removed from it touches
/// the whole array, since it moves others.
///
/// Mostly nobody asks for them, and they are the paths of what undoes the operations; so they are read off
/// that, and only those of a batch that touches others are listed.
#[derive(Clone, Copy)]
pub struct Touched<'a> {
    /// Empty if they are those of `inverse`.
    listed: &'a [Pointer],
    /// Last first.
    inverse: &'a [Operation],
}

impl<'a> Touched<'a> {
    pub(crate) fn new(listed: &'a [Pointer], inverse: &'a Patch) -> Self {
        let derived = listed.is_empty();
        Self {
            listed,
            inverse: if derived { inverse.operations() } else { &[] },
        }
    }

    /// The paths in order. O(bytes of the paths) for all.
    pub fn iter(self) -> impl Iterator<Item = &'a Pointer> + use<'a> {
        let inverse = self.inverse.iter().rev().map(Operation::path);
        let mut paths = self.listed.iter().chain(inverse).peekable();
        iter::from_fn(move || {
            let path = paths.next()?;
            while paths.next_if_eq(&path).is_some() {}
            Some(path)
        })
    }

    /// Whether nothing was touched. O(1).
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.listed.is_empty() && self.inverse.is_empty()
    }
}

impl PartialEq for Touched<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl fmt::Debug for Touched<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}
