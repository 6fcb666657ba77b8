use std::{fmt, iter::FusedIterator, ops::Range, slice};

use super::{Form, Object, ObjectTree};
use crate::{name::Name, value::Value};

/// The members of an object (RFC 8259 section 4), sorted by the bytes of their names. Each takes O(1), but
/// from the back O(log n).
#[derive(Clone)]
pub struct Members<'a> {
    names: slice::Iter<'a, Name>,
    /// Invariant: as many as `names`.
    values: slice::Iter<'a, Value>,
    /// The tree, and the members behind the leaf.
    rest: Option<(&'a ObjectTree, Range<usize>)>,
}

impl<'a> Members<'a> {
    pub(crate) fn new(object: Object<'a>, from: usize) -> Self {
        match object.0 {
            Form::Flat(node) => Self {
                names: node.header().get(from..).unwrap_or_default().iter(),
                values: node.values().get(from..).unwrap_or_default().iter(),
                rest: None,
            },
            Form::Tree(tree) => Self {
                names: [].iter(),
                values: [].iter(),
                rest: Some((tree, from..tree.members.len())),
            },
        }
    }

    #[cold]
    fn next_leaf(&mut self) -> Option<()> {
        let (tree, behind) = self.rest.as_mut()?;
        let (leaf, at) = tree.members.chunk_at(behind.start)?;
        let end = leaf.values.len().min(at + behind.len());
        self.names = leaf.names.get(at..end)?.iter();
        self.values = leaf.values.get(at..end)?.iter();
        behind.start += end - at;
        Some(())
    }
}

impl<'a> Iterator for Members<'a> {
    type Item = (&'a str, &'a Value);

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        if self.names.as_slice().is_empty() && self.rest.is_some() {
            self.next_leaf()?;
        }
        Some((self.names.next()?.as_str(), self.values.next()?))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let behind = self.rest.as_ref().map_or(0, |(_, behind)| behind.len());
        let len = self.values.len() + behind;
        (len, Some(len))
    }
}

impl DoubleEndedIterator for Members<'_> {
    fn next_back(&mut self) -> Option<Self::Item> {
        if let Some((tree, behind)) = &mut self.rest
            && let Some(last) = behind.next_back()
        {
            let (leaf, at) = tree.members.chunk_at(last)?;
            return Some((leaf.names.get(at)?.as_str(), leaf.values.get(at)?));
        }
        Some((self.names.next_back()?.as_str(), self.values.next_back()?))
    }
}

impl ExactSizeIterator for Members<'_> {}

impl FusedIterator for Members<'_> {}

impl fmt::Debug for Members<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.clone()).finish()
    }
}
