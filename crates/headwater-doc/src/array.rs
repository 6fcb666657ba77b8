use std::{fmt, mem, ops::Range};

use crate::{
    chunked::{Chunk, Chunked},
    dismantle::{RECURSION_MAX, dismantle},
    totals::{Measure, Totals},
    value::Value,
};

/// A JSON array: a flat list while it is small, a tree of short lists when it is large, so that an
/// insertion at any place of a million elements costs O(log n).
#[derive(Clone, Default)]
pub struct Array {
    items: Chunked<Items>,
    /// Invariant: the sum of what `items` measure.
    totals: Totals,
}

impl Array {
    /// How many elements there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.items.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// The element at an index. O(log n).
    #[must_use]
    pub fn get(&self, index: usize) -> Option<&Value> {
        let (items, at) = self.items.chunk_at(index)?;
        items.0.get(at)
    }

    /// The elements in order.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &Value> {
        self.items.chunks().flat_map(|items| &items.0)
    }

    /// The elements in order, from an index on. O(log n) to start.
    pub fn iter_from(&self, index: usize) -> impl Iterator<Item = &Value> {
        let start = self
            .items
            .chunks_from(index)
            .next()
            .map_or(index, |(_, start)| start);
        self.items
            .chunks_from(index)
            .flat_map(|(items, _)| &items.0)
            .skip(index - start)
    }

    /// The elements from the end on, but for the last `from_end`.
    pub(crate) fn iter_back_from(&self, from_end: usize) -> impl Iterator<Item = &Value> {
        let end = self.len() - from_end;
        let last = self.items.chunks_to(end).next_back();
        let beyond = last.map_or(0, |(items, start)| start + items.0.len() - end);
        self.items
            .chunks_to(end)
            .rev()
            .flat_map(|(items, _)| items.0.iter().rev())
            .skip(beyond)
    }

    pub(crate) fn measure(&self) -> Measure {
        self.totals.measure()
    }

    /// How many elements at the start, and behind them at the end, are the same nodes in both.
    pub(crate) fn shared_ends(&self, other: &Self) -> (usize, usize) {
        let limit = self.len().min(other.len());
        let prefix = self.items.shared_prefix(&other.items).min(limit);
        let suffix = self.items.shared_suffix(&other.items).min(limit - prefix);
        (prefix, suffix)
    }

    pub(crate) fn child_mut(&mut self, index: usize) -> Option<&mut Value> {
        let (items, at) = self.items.chunk_at_mut(index)?;
        items.0.get_mut(at)
    }

    /// Lets the header follow an element that was changed in place.
    pub(crate) const fn shift(&mut self, before: Measure, after: Measure) {
        self.totals.shift(before, after);
    }

    /// Inserts at an index up to the length.
    pub(crate) fn insert(&mut self, index: usize, value: Value) {
        self.totals.add(value.measure(), 0);
        self.items
            .edit(index, |items, at| items.0.insert(at, value));
    }

    /// Removes the element at an index that exists.
    pub(crate) fn remove(&mut self, index: usize) -> Value {
        let removed = self.items.edit(index, |items, at| items.0.remove(at));
        self.totals.remove(removed.measure(), 0);
        removed
    }

    /// Replaces a range that lies inside the array and returns what stood there.
    pub(crate) fn splice(&mut self, range: Range<usize>, insert: Self) -> Self {
        let mut removed = self.items.split_off(range.start);
        let right = removed.split_off(range.len());
        for value in insert.iter() {
            self.totals.add(value.measure(), 0);
        }
        self.items.append(insert.items.clone());
        self.items.append(right);
        let mut totals = Totals::default();
        for value in removed.chunks().flat_map(|items| &items.0) {
            totals.add(value.measure(), 0);
            self.totals.remove(value.measure(), 0);
        }
        Self {
            items: removed,
            totals,
        }
    }
}

impl FromIterator<Value> for Array {
    fn from_iter<I: IntoIterator<Item = Value>>(values: I) -> Self {
        Self::from(values.into_iter().collect::<Vec<_>>())
    }
}

impl From<Vec<Value>> for Array {
    fn from(values: Vec<Value>) -> Self {
        let mut totals = Totals::default();
        for value in &values {
            totals.add(value.measure(), 0);
        }
        Self {
            items: Chunked::from_chunk(Items(values)),
            totals,
        }
    }
}

impl Drop for Array {
    fn drop(&mut self) {
        if self.totals.measure().height > RECURSION_MAX {
            dismantle(self.take_children());
        }
    }
}

impl Array {
    /// Takes out the elements that no other array shares.
    pub(crate) fn take_children(&mut self) -> Vec<Value> {
        let mut children = Vec::new();
        mem::take(&mut self.items).into_unshared_chunks(&mut |items| children.extend(items.0));
        children
    }
}

impl fmt::Debug for Array {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

/// A leaf of the tree.
#[derive(Clone, Debug, Default)]
struct Items(Vec<Value>);

impl Chunk for Items {
    /// Copying a leaf clones its values, a reference count for each that is not a scalar; larger
    /// leaves make that dearer, smaller ones make more headers.
    const SIZE_MAX: usize = 32;

    fn len(&self) -> usize {
        self.0.len()
    }

    fn size(&self) -> usize {
        self.0.len()
    }

    fn split_half(&mut self) -> Self {
        self.split_off(self.0.len() / 2)
    }

    fn split_off(&mut self, at: usize) -> Self {
        Self(self.0.split_off(at))
    }

    fn append(&mut self, mut right: Self) {
        self.0.append(&mut right.0);
    }
}
