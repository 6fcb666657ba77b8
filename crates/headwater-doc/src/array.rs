use std::{fmt, iter::FusedIterator, mem, ops::Range, ptr, slice};

use triomphe::Arc;

use crate::{
    chunked::{Chunk, Chunked, Reach, Side, Sum as _, room, trim},
    dismantle::{RECURSION_MAX, dismantle},
    myers::Hunk,
    node::{Node, extend_clones},
    totals::{Measure, Totals},
    value::{Repr, Value},
    work,
};

/// A JSON array inside a document (RFC 8259 section 5): one flat list while it is small, a tree of short
/// lists when it is large, so that an insertion at any place of a million elements costs O(log n).
///
/// It is a reference: copying it costs nothing.
#[derive(Clone, Copy)]
pub struct Array<'a>(Form<'a>);

#[derive(Clone, Copy)]
enum Form<'a> {
    Flat(&'a Node<()>),
    Tree(&'a ArrayTree),
}

/// Elements up to which an array is flat. A change in a longer one would copy or move more than a
/// leaf of the tree holds.
const FLAT_MAX: usize = Items::SIZE_MAX;

/// Elements from which on a part shares nodes of the whole: those of several leaves. Of fewer a list is made
/// sooner than a tree is cut.
const PART_MIN: usize = 8 * FLAT_MAX;

impl<'a> Array<'a> {
    pub(crate) const fn flat(node: &'a Node<()>) -> Self {
        Self(Form::Flat(node))
    }

    pub(crate) const fn tree(tree: &'a ArrayTree) -> Self {
        Self(Form::Tree(tree))
    }

    /// How many elements there are. O(1).
    #[must_use]
    pub fn len(self) -> usize {
        match self.0 {
            Form::Flat(node) => node.len(),
            Form::Tree(tree) => tree.items.len(),
        }
    }

    /// Whether there are none. O(1).
    #[must_use]
    pub fn is_empty(self) -> bool {
        self.len() == 0
    }

    /// The element at an index, if there is one. O(log n).
    #[must_use]
    pub fn get(self, index: usize) -> Option<&'a Value> {
        match self.0 {
            Form::Flat(node) => node.values().get(index),
            Form::Tree(tree) => {
                let (items, at) = tree.items.chunk_at(index)?;
                items.0.get(at)
            }
        }
    }

    /// The element before an index, or that at it if there is none before.
    pub(crate) fn beside(self, index: usize) -> Option<&'a Value> {
        self.get(index.saturating_sub(1))
    }

    /// The elements in order. O(1) each.
    #[must_use]
    pub fn iter(self) -> Elements<'a> {
        Elements::new(self, 0..self.len())
    }

    /// The elements in order, from an index on; none from behind the end. O(log n) to start, then O(1) each.
    #[must_use]
    pub fn iter_from(self, index: usize) -> Elements<'a> {
        Elements::new(self, index..self.len())
    }

    /// The elements of a range, which must be inside.
    pub(crate) fn iter_between(self, range: Range<usize>) -> Elements<'a> {
        Elements::new(self, range)
    }

    /// An array of the elements of a range. One of many elements shares the nodes that they lie in, of which
    /// the bytes are added to `shared`: O(log n).
    pub(crate) fn part(self, range: Range<usize>, shared: &mut u64) -> Value {
        match self.0 {
            Form::Tree(tree) if range.len() > PART_MIN => {
                let mut items = tree.items.clone();
                items.split_off(range.end, &mut 0);
                let items = items.split_off(range.start, &mut 0);
                *shared += items.shared_bytes();
                let totals = items.sum();
                Value::array_from_items(items, totals, &mut 0)
            }
            _ => self.iter_between(range).cloned().collect(),
        }
    }

    /// Where the array lies in memory: no two have the same place.
    pub(crate) fn address(self) -> usize {
        match self.0 {
            Form::Flat(node) => node.values().as_ptr().addr(),
            Form::Tree(tree) => ptr::from_ref(tree).addr(),
        }
    }

    /// The places at which the two may have different elements, ascending, up to the end of the shorter.
    pub(crate) fn places(self, other: Self) -> impl Iterator<Item = Range<usize>> + use<'a> {
        let (all, places) = match (self.0, other.0) {
            (Form::Tree(left), Form::Tree(right)) => {
                (None, Some(left.items.places(&right.items, Side::Front)))
            }
            _ => (Some(0..self.len().min(other.len())), None),
        };
        all.into_iter().chain(places.into_iter().flatten())
    }

    /// Whether two large arrays have a part of their inside in common; see [`Chunked::shares`].
    pub(crate) fn shares(self, other: Self, steps: &mut usize) -> bool {
        match (self.0, other.0) {
            (Form::Tree(left), Form::Tree(right)) => left.items.shares(&right.items, steps),
            _ => false,
        }
    }

    /// What its elements come to.
    fn totals(self) -> Totals {
        match self.0 {
            Form::Flat(node) => node.totals(),
            Form::Tree(tree) => tree.totals,
        }
    }

    /// The runs of elements that the two do not share in memory, ascending. Bytes of the nodes below the
    /// root that `other` does not share are added to `unshared`.
    pub(crate) fn unshared(self, other: Self, unshared: &mut u64) -> Vec<Hunk> {
        match (self.0, other.0) {
            (Form::Tree(left), Form::Tree(right)) => left.items.unshared(&right.items, unshared),
            (left, _) => {
                if let Form::Tree(left) = left {
                    *unshared += (left.items.heap() - left.items.root_bytes()) as u64;
                }
                vec![Hunk {
                    old: 0..self.len(),
                    new: 0..other.len(),
                }]
            }
        }
    }
}

impl fmt::Debug for Array<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

impl<'a> IntoIterator for Array<'a> {
    type Item = &'a Value;
    type IntoIter = Elements<'a>;

    fn into_iter(self) -> Elements<'a> {
        self.iter()
    }
}

impl<'a> IntoIterator for &Array<'a> {
    type Item = &'a Value;
    type IntoIter = Elements<'a>;

    fn into_iter(self) -> Elements<'a> {
        self.iter()
    }
}

/// The elements of an array in order (RFC 8259 section 5). Each takes O(1), but from the back O(log n).
#[derive(Clone)]
pub struct Elements<'a> {
    leaf: slice::Iter<'a, Value>,
    /// The tree, and the elements behind the leaf.
    rest: Option<(&'a ArrayTree, Range<usize>)>,
}

impl<'a> Elements<'a> {
    fn new(array: Array<'a>, range: Range<usize>) -> Self {
        match array.0 {
            Form::Flat(node) => Self {
                leaf: node.values().get(range).unwrap_or_default().iter(),
                rest: None,
            },
            Form::Tree(tree) => Self {
                leaf: [].iter(),
                rest: Some((tree, range)),
            },
        }
    }

    #[cold]
    fn next_leaf(&mut self) -> Option<()> {
        let (tree, behind) = self.rest.as_mut()?;
        let (items, at) = tree.items.chunk_at(behind.start)?;
        let end = items.0.len().min(at + behind.len());
        self.leaf = items.0.get(at..end)?.iter();
        behind.start += end - at;
        Some(())
    }
}

impl<'a> Iterator for Elements<'a> {
    type Item = &'a Value;

    #[inline]
    fn next(&mut self) -> Option<&'a Value> {
        match self.leaf.next() {
            None if self.rest.is_some() => {
                self.next_leaf()?;
                self.leaf.next()
            }
            next => next,
        }
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let behind = self.rest.as_ref().map_or(0, |(_, behind)| behind.len());
        let len = self.leaf.len() + behind;
        (len, Some(len))
    }
}

impl<'a> DoubleEndedIterator for Elements<'a> {
    fn next_back(&mut self) -> Option<&'a Value> {
        if let Some((tree, behind)) = &mut self.rest
            && let Some(last) = behind.next_back()
        {
            let (items, at) = tree.items.chunk_at(last)?;
            return items.0.get(at);
        }
        self.leaf.next_back()
    }
}

impl ExactSizeIterator for Elements<'_> {}

impl FusedIterator for Elements<'_> {}

impl fmt::Debug for Elements<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.clone()).finish()
    }
}

/// What a large array takes beside its items: a reference count and itself.
const HEAD_BYTES: usize = size_of::<usize>() + size_of::<ArrayTree>();

/// A large array.
#[derive(Clone, Default)]
pub(crate) struct ArrayTree {
    items: Chunked<Items>,
    /// Invariant: the sum of what `items` measure.
    totals: Totals,
}

impl ArrayTree {
    pub(crate) const fn measure(&self) -> Measure {
        self.totals.measure(HEAD_BYTES + self.items.heap())
    }

    /// What a copy takes that shares all but the root.
    pub(crate) fn own_bytes(&self) -> usize {
        HEAD_BYTES + self.items.root_bytes()
    }

    pub(crate) fn is_shared_at(&self, reach: Reach) -> bool {
        self.items.is_shared_at(reach)
    }

    /// See [`Chunked::exclusive_chunks`].
    pub(crate) fn exclusive_values<'v>(
        &'v self,
        bytes: &mut u64,
        mut each: impl FnMut(&'v [Value]),
    ) {
        self.items
            .exclusive_chunks(bytes, &mut |items| each(&items.0));
    }

    /// Its own bytes, once the sums that they come from are checked.
    #[cfg(test)]
    pub(crate) fn checked_heap_bytes(&self) -> u64 {
        self.items.check_invariants();
        let mut found = Totals::default();
        self.items
            .chunks()
            .for_each(|items| found.join(items.sum()));
        assert!(self.totals.stands_for(&found), "totals");
        (HEAD_BYTES + self.items.heap()) as u64
    }

    /// Takes out the elements that no other array shares.
    pub(crate) fn take_children(&mut self) -> Vec<Value> {
        let mut children = Vec::new();
        mem::take(&mut self.items).into_unshared_chunks(&mut |items| children.extend(items.0));
        children
    }
}

impl Drop for ArrayTree {
    fn drop(&mut self) {
        if u32::from(self.totals.measure(0).height) > RECURSION_MAX {
            dismantle(self.take_children());
        }
    }
}

/// How arrays are made and changed. Indices are checked by the caller; what is shared is copied.
impl Value {
    /// Makes an array of the values of a list from an index on, which are taken off the list.
    #[inline]
    pub(crate) fn array_from_tail(values: &mut Vec<Self>, from: usize) -> Self {
        if values.len() - from <= FLAT_MAX {
            let totals = sum(values.get(from..).unwrap_or_default());
            return Self(Repr::Array(Node::from_tail((), totals, values, from)));
        }
        Self::array_tree(values.split_off(from))
    }

    /// Puts an array in the place of its values in a list, those from an index on, of which the sums are
    /// known.
    #[inline]
    pub(crate) fn push_array(totals: Totals, values: &mut Vec<Self>, from: usize) {
        debug_assert_eq!(
            totals,
            Totals::sum(values.get(from..).unwrap_or_default()),
            "what a look at each comes to"
        );
        if values.len() - from <= FLAT_MAX {
            Node::replace_tail((), totals, values, from, |node| Self(Repr::Array(node)));
        } else {
            let tree = Self::array_tree(values.split_off(from));
            values.push(tree);
        }
    }

    fn array_tree(values: Vec<Self>) -> Self {
        let items = Chunked::from_chunk(Items(values));
        let totals = items.sum();
        Self(Repr::ArrayTree(Arc::new(ArrayTree { items, totals })))
    }

    fn array_from_items(items: Chunked<Items>, totals: Totals, copied: &mut u64) -> Self {
        if items.len() <= FLAT_MAX {
            items.count_shared(copied);
            let mut values = Vec::with_capacity(items.len());
            for chunk in items.chunks() {
                values.extend_from_slice(&chunk.0);
            }
            return Self(Repr::Array(Node::from_tail((), totals, &mut values, 0)));
        }
        Self(Repr::ArrayTree(Arc::new(ArrayTree { items, totals })))
    }

    pub(crate) fn insert_element(&mut self, index: usize, value: Self, copied: &mut u64) {
        match &mut self.0 {
            Repr::Array(node) if node.len() < FLAT_MAX => {
                let mut totals = node.totals();
                totals.add(value.measure(), 0);
                node.insert(index, value);
                node.set_totals(totals);
            }
            Repr::Array(node) => {
                let mut values = node.values().to_vec();
                values.insert(index, value);
                *self = Self::array_from_tail(&mut values, 0);
            }
            Repr::ArrayTree(tree) => {
                let tree = Arc::make_mut(tree);
                let measure = value.measure();
                tree.totals.add(measure, 0);
                tree.items.edit(index, copied, |items, at, sum| {
                    sum.add(measure, 0);
                    room(&mut items.0, 1);
                    items.0.insert(at, value);
                });
            }
            _ => {}
        }
    }

    pub(crate) fn remove_element(&mut self, index: usize, copied: &mut u64) -> Self {
        match &mut self.0 {
            Repr::Array(node) => {
                let mut totals = node.totals();
                let removed = node.remove(index);
                totals.remove(removed.measure(), 0);
                node.set_totals(totals);
                removed
            }
            Repr::ArrayTree(tree) => {
                let tree = Arc::make_mut(tree);
                let (removed, measure) = tree.items.edit(index, copied, |items, at, sum| {
                    let removed = items.0.remove(at);
                    let measure = removed.measure();
                    sum.remove(measure, 0);
                    trim(&mut items.0);
                    (removed, measure)
                });
                tree.totals.remove(measure, 0);
                // Half of what makes a tree, so that an array at the border does not change its form
                // at each change.
                if tree.items.len() <= FLAT_MAX / 2 {
                    let items = mem::take(&mut tree.items);
                    *self = Self::array_from_items(items, tree.totals, copied);
                }
                removed
            }
            _ => Self::NULL,
        }
    }

    /// Replaces a range of elements and returns what stood there, as an array. Cuts and joins trees whose
    /// sums are known: O(log n), however many elements come or go.
    pub(crate) fn splice_elements(
        &mut self,
        range: Range<usize>,
        insert: Array<'_>,
        copied: &mut u64,
    ) -> Self {
        let (mut items, mut totals) = match &mut self.0 {
            Repr::Array(node) => (
                Chunked::from_chunk(Items(node.values().to_vec())),
                node.totals(),
            ),
            Repr::ArrayTree(tree) => {
                let tree = Arc::make_mut(tree);
                (mem::take(&mut tree.items), tree.totals)
            }
            _ => return Self::NULL,
        };
        let mut removed = items.split_off(range.start, copied);
        let right = removed.split_off(range.len(), copied);
        totals.join(insert.totals());
        // It stays with the patch, which keeps what is copied of it: no version of the document does.
        let insert = match insert.0 {
            Form::Flat(node) => Chunked::from_chunk(Items(node.values().to_vec())),
            Form::Tree(tree) => tree.items.clone(),
        };
        items.append_two(insert, right, copied);
        let removed_totals = removed.sum();
        totals.part(removed_totals);
        *self = Self::array_from_items(items, totals, copied);
        Self::array_from_items(removed, removed_totals, copied)
    }
}

impl ArrayTree {
    /// Takes out all elements as an array that is flat if they are few.
    pub(crate) fn take_flat(&mut self) -> Value {
        Value::array_from_items(mem::take(&mut self.items), self.totals, &mut 0)
    }

    /// The place of a child, to be changed in place; the caller brings the totals up to date.
    pub(crate) fn child_mut(&mut self, index: usize, copied: &mut u64) -> Option<&mut Value> {
        let (items, at) = self.items.chunk_at_mut(index, copied)?;
        items.0.get_mut(at)
    }

    /// Lets the totals follow a child that was changed in place, and gives it again.
    pub(crate) fn shift_child(
        &mut self,
        index: usize,
        before: Measure,
        after: Measure,
    ) -> Option<&mut Value> {
        self.totals.shift(before, after);
        let change = (Totals::of(before), Totals::of(after));
        let (items, at) = self.items.shift_at(index, change, &mut 0)?;
        items.0.get_mut(at)
    }

    /// Puts values in the places of elements, two ways down the tree for those of a leaf that come together.
    pub(crate) fn replace_all(&mut self, changes: impl Iterator<Item = (usize, Value)>) {
        let mut changes = changes.peekable();
        while let Some(&(index, _)) = changes.peek() {
            let Some((items, at)) = self.items.chunk_at_mut(index, &mut 0) else {
                return;
            };
            let start = index - at;
            let inside = start..start + items.0.len();
            let (mut before, mut after) = (Totals::default(), Totals::default());
            while let Some((index, value)) = changes.next_if(|(at, _)| inside.contains(at)) {
                if let Some(place) = items.0.get_mut(index - start) {
                    let (old, new) = (place.measure(), value.measure());
                    before.join(Totals::of(old));
                    after.join(Totals::of(new));
                    self.totals.shift(old, new);
                    *place = value;
                }
            }
            self.items.shift_at(start, (before, after), &mut 0);
        }
    }

    pub(crate) const fn totals(&self) -> Totals {
        self.totals
    }

    /// Restores the totals, and sums that have become larger than these.
    pub(crate) fn restore(&mut self, before: Totals) {
        self.totals.restore(before);
        let totals = self.totals;
        self.items.sum_again(&|sum| sum.exceeds(&totals));
    }
}

fn sum(values: &[Value]) -> Totals {
    work::count(values.len());
    Totals::sum(values)
}

/// A leaf of the tree.
#[derive(Debug, Default)]
struct Items(Vec<Value>);

impl Clone for Items {
    fn clone(&self) -> Self {
        let mut values = Vec::with_capacity(self.0.len());
        extend_clones(&mut values, &self.0);
        Self(values)
    }
}

impl Chunk for Items {
    type Key = ();

    /// Copying a leaf clones its values, a reference count for each that is not a scalar; larger
    /// leaves make that dearer, smaller ones make more headers.
    const SIZE_MAX: usize = 32;

    fn len(&self) -> usize {
        self.0.len()
    }

    fn size(&self) -> usize {
        self.0.len()
    }

    fn heap(&self) -> usize {
        size_of_val(&*self.0)
    }

    fn first_key(&self) {}

    type Sum = Totals;

    fn sum(&self) -> Totals {
        sum(&self.0)
    }

    fn split_half(&mut self) -> Self {
        self.split_off(self.0.len() / 2)
    }

    fn split_off(&mut self, at: usize) -> Self {
        let right = self.0.split_off(at);
        self.0.shrink_to_fit();
        Self(right)
    }

    fn append(&mut self, mut right: Self) {
        room(&mut self.0, right.0.len());
        self.0.append(&mut right.0);
    }
}
