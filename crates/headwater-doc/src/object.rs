mod edit;
mod members;
mod tree;

use std::{fmt, iter::FusedIterator, ops::Range, ptr};

use triomphe::Arc;

pub use self::members::Members;
pub(crate) use self::tree::ObjectTree;
use crate::{
    chunked::Side,
    myers::Hunk,
    name::{Name, NameList},
    node::Node,
    packed::Words,
    value::Value,
};

/// A JSON object inside a document (RFC 8259 section 4): its members sorted by the bytes of their names.
///
/// A small one is a list of values beside a list of names, which objects of the same shape share: a
/// table of records keeps its names once. A large one is a tree of short lists. This is a reference to it:
/// copying that costs nothing.
#[derive(Clone, Copy)]
pub struct Object<'a>(Form<'a>);

#[derive(Clone, Copy)]
enum Form<'a> {
    Flat(&'a Node<Names>),
    Tree(&'a ObjectTree),
}

/// The names of a flat object.
pub(crate) type Names = Arc<NameList>;

/// Members up to which an object is flat. A record has seldom more fields; each more makes a change
/// below it dearer while a snapshot is held, for all are copied.
pub(crate) const FLAT_MAX: usize = 32;

impl<'a> Object<'a> {
    pub(crate) const fn flat(node: &'a Node<Names>) -> Self {
        Self(Form::Flat(node))
    }

    pub(crate) const fn tree(tree: &'a ObjectTree) -> Self {
        Self(Form::Tree(tree))
    }

    /// How many members there are. O(1).
    #[must_use]
    pub fn len(self) -> usize {
        match self.0 {
            Form::Flat(node) => node.len(),
            Form::Tree(tree) => tree.members.len(),
        }
    }

    /// Whether there are none. O(1).
    #[must_use]
    pub fn is_empty(self) -> bool {
        self.len() == 0
    }

    /// The value of a name, if there is one. O(log n).
    #[must_use]
    pub fn get(self, name: &str) -> Option<&'a Value> {
        self.find(name).ok().map(|(_, value)| value)
    }

    /// The members, sorted by the bytes of their names. O(1) each.
    #[must_use]
    pub fn iter(self) -> Members<'a> {
        Members::new(self, 0)
    }

    /// The members from a position on. O(log n) to start.
    pub(crate) fn iter_from(self, position: usize) -> Members<'a> {
        Members::new(self, position)
    }

    /// The members of two small objects that share their list of names, side by side, but for those that are
    /// [`same`](Value::same).
    pub(crate) fn changed(
        self,
        other: Self,
    ) -> Option<impl Iterator<Item = (&'a str, &'a Value, &'a Value)> + use<'a>> {
        let (Form::Flat(left), Form::Flat(right)) = (self.0, other.0) else {
            return None;
        };
        let values = left.values().iter().zip(right.values());
        let changed = left
            .header()
            .iter()
            .zip(values)
            .filter(|(_, (left, right))| !left.same(right))
            .map(|(name, (left, right))| (name.as_str(), left, right));
        Arc::ptr_eq(left.header(), right.header()).then_some(changed)
    }

    /// The runs of members that the two do not share in memory, ascending. Bytes of the nodes below the
    /// root that `other` does not share are added to `unshared`.
    pub(crate) fn unshared(self, other: Self, unshared: &mut u64) -> Vec<Hunk> {
        match (self.0, other.0) {
            (Form::Tree(left), Form::Tree(right)) => {
                left.members.unshared(&right.members, unshared)
            }
            _ => vec![Hunk {
                old: 0..self.len(),
                new: 0..other.len(),
            }],
        }
    }

    /// The member before a position, or that at it if there is none before.
    pub(crate) fn beside(self, position: usize) -> Option<&'a Value> {
        let mut members = self.iter_from(position.saturating_sub(1));
        members.next().map(|(_, value)| value)
    }

    /// The names, sorted by their bytes. O(1) each, but from the back O(log n).
    pub fn names(
        self,
    ) -> impl DoubleEndedIterator<Item = &'a str> + ExactSizeIterator + FusedIterator + use<'a>
    {
        self.iter().map(|(name, _)| name)
    }

    /// The values in the order of their names. O(1) each, but from the back O(log n).
    pub fn values(
        self,
    ) -> impl DoubleEndedIterator<Item = &'a Value> + ExactSizeIterator + FusedIterator + use<'a>
    {
        self.iter().map(|(_, value)| value)
    }

    /// Finds a name: its position and value, or the position where it would stand.
    #[inline(always)]
    pub(crate) fn find(self, name: &str) -> Result<(usize, &'a Value), usize> {
        // Most objects are small and most names lie in 16 bytes, and comparing those for equality takes two
        // instructions: to look at all of 32 is quicker than to order a few.
        if let Form::Flat(node) = self.0
            && let Some(at) = short_position(node.header(), name)
            && let Some(value) = node.values().get(at)
        {
            return Ok((at, value));
        }
        self.search(name)
    }

    /// Finds a name by order, but for a short one in a leaf.
    fn search(self, name: &str) -> Result<(usize, &'a Value), usize> {
        let (start, names, values): (_, &[Name], &[Value]) = match self.0 {
            Form::Flat(node) => (0, node.header(), node.values()),
            Form::Tree(tree) => {
                let (leaf, start) = tree.members.chunk_by_key(|first| *first <= *name);
                if let Some(at) = short_position(&leaf.names, name)
                    && let Some(value) = leaf.values.get(at)
                {
                    return Ok((start + at, value));
                }
                (start, &leaf.names, &leaf.values)
            }
        };
        match names.binary_search_by(|other| other.as_bytes().cmp(name.as_bytes())) {
            Ok(at) => values
                .get(at)
                .map(|value| (start + at, value))
                .ok_or(start + at),
            Err(at) => Err(start + at),
        }
    }

    /// The places at which the two may have different members, ascending, up to the end of the shorter.
    pub(crate) fn places(self, other: Self) -> impl Iterator<Item = Range<usize>> + use<'a> {
        let (all, places) = match (self.0, other.0) {
            (Form::Tree(left), Form::Tree(right)) => {
                (None, Some(left.members.places(&right.members, Side::Front)))
            }
            _ => (Some(0..self.len().min(other.len())), None),
        };
        all.into_iter().chain(places.into_iter().flatten())
    }

    /// Whether two large objects have a part of their inside in common; see
    /// [`Chunked::shares`](crate::chunked::Chunked::shares).
    pub(crate) fn shares(self, other: Self, steps: &mut usize) -> bool {
        match (self.0, other.0) {
            (Form::Tree(left), Form::Tree(right)) => left.members.shares(&right.members, steps),
            _ => false,
        }
    }

    /// Where the object lies in memory: no two have the same place.
    pub(crate) fn address(self) -> usize {
        match self.0 {
            Form::Flat(node) => node.values().as_ptr().addr(),
            Form::Tree(tree) => ptr::from_ref(tree).addr(),
        }
    }
}

/// Finds a name that lies in 16 bytes.
#[inline]
fn short_position(names: &[Name], name: &str) -> Option<usize> {
    let probe = Words::new(name)?;
    names.iter().position(|other| other.is_short(probe))
}

impl fmt::Debug for Object<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

impl<'a> IntoIterator for Object<'a> {
    type Item = (&'a str, &'a Value);
    type IntoIter = Members<'a>;

    fn into_iter(self) -> Members<'a> {
        self.iter()
    }
}

impl<'a> IntoIterator for &Object<'a> {
    type Item = (&'a str, &'a Value);
    type IntoIter = Members<'a>;

    fn into_iter(self) -> Members<'a> {
        self.iter()
    }
}

/// What the texts of names take that nobody else holds.
pub(crate) fn exclusive_texts(names: &[Name]) -> u64 {
    let own = names.iter().filter(|name| name.is_own());
    own.map(|name| name.heap_bytes() as u64).sum()
}
