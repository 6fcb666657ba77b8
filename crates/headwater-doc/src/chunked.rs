mod branch;
mod places;
#[cfg(test)]
mod tests;
mod unshared;
mod walk;

use std::{fmt::Debug, iter, mem};

pub(crate) use self::walk::Side;
use self::{
    branch::{Child, Node, fitting, locate},
    walk::Chunks,
};

/// A run of elements: what a leaf of a [`Chunked`] holds.
///
/// The halves of a split should give spare room back: a vector that grew past [`SIZE_MAX`] by one
/// element has room for twice as many, and nobody else will shrink it.
///
/// [`SIZE_MAX`]: Chunk::SIZE_MAX
pub(crate) trait Chunk: Clone + Default {
    /// Largest size of a chunk. One that is over it is split, unless it is a single element.
    const SIZE_MAX: usize;

    /// Length in elements.
    fn len(&self) -> usize;

    /// What [`SIZE_MAX`](Self::SIZE_MAX) bounds: the sum over the elements of some fixed weight of at
    /// least one each.
    fn size(&self) -> usize;

    /// Bytes that its lists take, by their lengths, and what they lead to that counts with them.
    fn heap(&self) -> usize;

    /// Those of them that a copy takes.
    fn copy_bytes(&self) -> usize {
        self.heap()
    }

    /// What an ordered sequence is searched by: of each chunk, the key of its first element. `()` for a
    /// sequence that is found by index alone.
    type Key: Clone + Default + Debug;

    /// The key of the first element; any key for an empty chunk.
    fn first_key(&self) -> Self::Key;

    /// What is known of each node as a sum over its elements, so that a part that is cut off is not walked
    /// to learn it. `()` for nothing.
    type Sum: Sum;

    /// The sum of its elements; looks at each.
    fn sum(&self) -> Self::Sum;

    /// Keeps the left half by size and returns the right; neither is empty if there are two elements.
    fn split_half(&mut self) -> Self;

    /// Keeps the elements before `at` and returns the others.
    fn split_off(&mut self, at: usize) -> Self;

    /// Adds the elements of `right` behind its own.
    fn append(&mut self, right: Self);
}

/// A sum over elements.
pub(crate) trait Sum: Copy + Default + Debug {
    /// Adds the sum of others.
    fn join(&mut self, other: Self);

    /// Follows a part that went from `before` to `after`.
    fn shift(&mut self, before: Self, after: Self);

    /// Whether it may stand for that which was found by looking at each element.
    #[cfg(test)]
    fn stands_for(&self, found: &Self) -> bool;
}

impl Sum for () {
    fn join(&mut self, (): Self) {}

    fn shift(&mut self, (): Self, (): Self) {}

    #[cfg(test)]
    fn stands_for(&self, (): &Self) -> bool {
        true
    }
}

/// How far into a sequence a change reaches.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Reach {
    /// To one element, which is changed in its place.
    Through(usize),
    /// To one element and the chunks beside it, with which its own may merge.
    Around(usize),
    /// To any.
    Whole,
}

/// Makes room for so many more elements of a chunk, and a few: doubling would leave up to half of a
/// chunk's memory unused, for good if nothing is added again.
pub(crate) fn room<T>(list: &mut Vec<T>, more: usize) {
    if list.capacity() - list.len() < more {
        list.reserve_exact(more.max(spare(list.len())));
    }
}

/// Gives back what removals left over, but for a few.
pub(crate) fn trim<T>(list: &mut Vec<T>) {
    if list.capacity() - list.len() > spare(list.len()) {
        list.shrink_to_fit();
    }
}

/// Elements of spare room in a chunk of so many that grows or shrinks: an eighth, and one, so that an insertion
/// and a removal in turn do not move the list each time. Less would move it more often, more would leave memory
/// unused that nobody counts.
const fn spare(len: usize) -> usize {
    len / 8 + 1
}

/// A sequence as a persistent B+-tree: elements lie in chunks, chunks are the leaves of a tree, and
/// clones share every node until one of them writes to it.
///
/// ```text
///  root, inline      Branch [ 40 | 25 | 31 ]                 or, while it is small:   Leaf(chunk)
///                           /     |      \
///  shared nodes    Branch[..]  Branch[..]  Branch[ 4 | 3 | .. ]
///                                                 /    \
///                                         Leaf(chunk)  Leaf(chunk)
/// ```
///
/// # Costs
///
/// A clone copies the root: one chunk, or up to `FANOUT_MAX` pointers. Finding, editing, splitting
/// and appending walk one path, so they cost O(log n) plus the chunk they touch. An edit writes in
/// place what nobody shares and copies the rest of its path: a chunk and the pointers of each branch.
///
/// # Invariants
///
/// - All leaves are at one depth.
/// - A branch has `FANOUT_MIN` to `FANOUT_MAX` children; at the root 2 suffice.
/// - A chunk is empty only if the whole sequence is, and over [`Chunk::SIZE_MAX`] only if it is a
///   single element. One that an edit leaves under a quarter of that merges with a neighbour if the
///   two fit in one; otherwise it stays as it is.
///
/// So the height stays under log₈ n + 1, which is 22 at 2⁶⁴ elements: that is what bounds the recursion
/// in this file, that of dropping a tree included.
#[derive(Clone, Debug, Default)]
pub(crate) struct Chunked<C: Chunk> {
    root: Node<C>,
    /// Invariant: what the root's list and all below it take.
    heap: usize,
}

impl<C: Chunk> Chunked<C> {
    /// Builds the sequence of one chunk, splitting it as often as its size demands.
    pub(crate) fn from_chunk(chunk: C) -> Self {
        Self::from_chunks(iter::once(chunk))
    }

    /// Builds a sequence bottom-up in O(n).
    ///
    /// Chunks may have any size: those over the limit are split, neighbours that fit in one are joined.
    pub(crate) fn from_chunks(chunks: impl IntoIterator<Item = C>) -> Self {
        let mut full: Vec<C> = Vec::new();
        for chunk in chunks {
            match full.last_mut() {
                _ if chunk.len() == 0 => {}
                Some(last) if last.size() + chunk.size() <= C::SIZE_MAX => last.append(chunk),
                _ => full.extend(fitting(chunk)),
            }
        }
        let leaves = full.into_iter().map(Node::Leaf).map(Child::new);
        let mut sequence = Self::of_root(Node::above(leaves.collect()));
        sequence.lower(&mut 0);
        sequence
    }

    fn of_root(root: Node<C>) -> Self {
        let heap = root.heap();
        Self { root, heap }
    }

    /// Bytes that its nodes and chunks take, without what its elements lead to. O(1).
    pub(crate) const fn heap(&self) -> usize {
        self.heap
    }

    /// Bytes that a clone takes beside itself: the root's list.
    pub(crate) fn root_bytes(&self) -> usize {
        self.root.list_bytes()
    }

    /// Length in elements; sums up to `FANOUT_MAX` lengths.
    pub(crate) fn len(&self) -> usize {
        self.root.len()
    }

    /// The sum of all elements; joins up to `FANOUT_MAX` sums, or looks at the elements of one chunk.
    pub(crate) fn sum(&self) -> C::Sum {
        self.root.sum()
    }

    /// Finds the sums of nodes anew that are wrong, for which those of all nodes around them are.
    pub(crate) fn sum_again(&mut self, wrong: &impl Fn(&C::Sum) -> bool) {
        self.root.sum_again(wrong);
    }

    pub(crate) fn is_empty(&self) -> bool {
        // Invariant: only the empty sequence has an empty chunk, and its root is a leaf.
        matches!(&self.root, Node::Leaf(chunk) if chunk.len() == 0)
    }

    /// Finds the chunk that holds element `index`, and the element's offset in it.
    pub(crate) fn chunk_at(&self, index: usize) -> Option<(&C, usize)> {
        let (mut node, mut offset) = (&self.root, index);
        loop {
            match node {
                Node::Leaf(chunk) => return (offset < chunk.len()).then_some((chunk, offset)),
                Node::Branch(children) => {
                    let slot;
                    (slot, offset) = locate(children, offset);
                    node = &children.get(slot)?.node;
                }
            }
        }
    }

    /// Finds the last chunk whose first key is not beyond what is looked for, as `not_beyond` tells of
    /// each key in order, and the index of its first element. The first chunk, if all are beyond.
    pub(crate) fn chunk_by_key(&self, not_beyond: impl Fn(&C::Key) -> bool) -> (&C, usize) {
        let (mut node, mut start) = (&self.root, 0);
        loop {
            match node {
                Node::Leaf(chunk) => return (chunk, start),
                Node::Branch(children) => {
                    let behind = children.partition_point(|child| not_beyond(&child.first));
                    let (before, rest) = children.split_at(behind.max(1) - 1);
                    start += before.iter().map(|child| child.len).sum::<usize>();
                    #[expect(clippy::indexing_slicing, reason = "a branch has children")]
                    let child = &rest[0];
                    node = &child.node;
                }
            }
        }
    }

    /// Like [`chunk_at`](Self::chunk_at), for changing elements in place: copies what clones share.
    ///
    /// The caller must leave the chunk's length, size and first key as they are; [`edit`](Self::edit) is for the
    /// rest. If the sum changes, the caller goes there again by [`shift_at`](Self::shift_at). Bytes of the
    /// nodes that were copied are added to `copied`, here and in all that changes.
    pub(crate) fn chunk_at_mut(
        &mut self,
        index: usize,
        copied: &mut u64,
    ) -> Option<(&mut C, usize)> {
        self.chunk_along(index, copied, |_| {})
    }

    /// Like [`chunk_at_mut`](Self::chunk_at_mut), once an element there went from one sum to another.
    pub(crate) fn shift_at(
        &mut self,
        index: usize,
        (before, after): (C::Sum, C::Sum),
        copied: &mut u64,
    ) -> Option<(&mut C, usize)> {
        self.chunk_along(index, copied, |sum| sum.shift(before, after))
    }

    /// Goes to a chunk to change it, and changes the sums on the way.
    fn chunk_along(
        &mut self,
        index: usize,
        copied: &mut u64,
        along: impl Fn(&mut C::Sum),
    ) -> Option<(&mut C, usize)> {
        if index >= self.len() {
            return None;
        }
        let (mut node, mut offset) = (&mut self.root, index);
        loop {
            match node {
                Node::Leaf(chunk) => return Some((chunk, offset)),
                Node::Branch(children) => {
                    let slot;
                    (slot, offset) = locate(children, offset);
                    let child = children.get_mut(slot)?;
                    along(&mut child.sum);
                    node = child.make_mut(copied);
                }
            }
        }
    }

    /// Hands `change` the chunk that holds element `index` and the element's offset in it; the chunk
    /// may grow and shrink by any amount. `index` may be the length, which is the end of the last
    /// chunk.
    ///
    /// At a boundary between two chunks it is the right one, whose first element `index` is; so
    /// inserting and removing at `index` are both possible, removing up to the end of that chunk. `change`
    /// brings the chunk's sum up to date, which it gets too. If it panics, lengths are not brought up to
    /// date and the sequence must be given up.
    pub(crate) fn edit<R>(
        &mut self,
        index: usize,
        copied: &mut u64,
        change: impl FnOnce(&mut C, usize, &mut C::Sum) -> R,
    ) -> R {
        debug_assert!(index <= self.len(), "edit at {index} of {}", self.len());
        // That of the root is kept by none.
        let sum = &mut C::Sum::default();
        let (result, spilled) = self.root.edit(sum, index, copied, change);
        self.raise(spilled);
        self.lower(copied);
        result
    }

    /// Keeps the elements before `at` and returns the others, none if `at` is past the end.
    pub(crate) fn split_off(&mut self, at: usize, copied: &mut u64) -> Self {
        if at == 0 {
            return mem::take(self);
        }
        if at >= self.len() {
            return Self::default();
        }
        let mut right = Self::of_root(self.root.split_off(at, copied));
        self.mend(Side::Back, copied);
        right.mend(Side::Front, copied);
        right
    }

    /// Adds the elements of `right` behind its own, sharing all nodes but those at the seam, which are
    /// copied in the higher of the two.
    pub(crate) fn append(&mut self, mut right: Self, copied: &mut u64) {
        if right.is_empty() {
            return;
        }
        if self.is_empty() {
            *self = right;
            return;
        }
        let (height, height_right) = (self.root.height(), right.root.height());
        let levels = height.abs_diff(height_right);
        let side = if height < height_right {
            mem::swap(self, &mut right);
            Side::Front
        } else {
            Side::Back
        };
        let spilled = self.root.attach(levels, right.root, side, copied);
        self.raise(spilled);
        self.heap = self.root.heap();
    }

    /// Adds the elements of `insert` and behind them those of `right`. Copies of nodes that came with
    /// `insert` are not counted.
    pub(crate) fn append_two(&mut self, insert: Self, right: Self, copied: &mut u64) {
        if insert.is_empty() {
            self.append(right, copied);
            return;
        }
        let mut of_insert = 0;
        let higher = insert.root.height() > self.root.height();
        self.append(insert, if higher { &mut of_insert } else { &mut *copied });
        // What is still shared on this side of the second seam came with `insert`.
        let higher = right.root.height() > self.root.height();
        self.append(right, if higher { copied } else { &mut of_insert });
    }

    /// Counts the nodes that somebody else holds as copied: for who copies the elements of a small
    /// sequence and gives it up.
    pub(crate) fn count_shared(&self, copied: &mut u64) {
        *copied += self.root.shared_bytes(false) as u64;
    }

    pub(crate) fn chunks(&self) -> impl DoubleEndedIterator<Item = &C> {
        self.chunks_between(0, self.len()).map(|(chunk, _)| chunk)
    }

    /// The chunks from that which holds element `index`, each with the index of its first element.
    pub(crate) fn chunks_from(&self, index: usize) -> impl DoubleEndedIterator<Item = (&C, usize)> {
        let end = self.len();
        let start = self
            .chunk_at(index)
            .map_or(end, |(_, offset)| index - offset);
        self.chunks_between(start, end)
    }

    /// The chunks up to that which holds the element before `index`, each with the index of its first
    /// element.
    pub(crate) fn chunks_before(
        &self,
        index: usize,
    ) -> impl DoubleEndedIterator<Item = (&C, usize)> {
        let last = index.checked_sub(1).and_then(|last| self.chunk_at(last));
        let end = last.map_or(0, |(chunk, offset)| index - 1 - offset + chunk.len());
        self.chunks_between(0, end)
    }

    /// `start` and `end` lie between chunks.
    const fn chunks_between(&self, start: usize, end: usize) -> Chunks<'_, C> {
        Chunks {
            sequence: self,
            start,
            end,
        }
    }

    /// Whether a clone shares nodes that a change would copy or give up.
    pub(crate) fn is_shared_at(&self, reach: Reach) -> bool {
        match reach {
            Reach::Through(index) => self.root.is_shared_at(index, 0),
            Reach::Around(index) => self.root.is_shared_at(index, 1),
            Reach::Whole => matches!(self.root, Node::Branch(_)),
        }
    }

    /// Hands out the chunks that nobody else holds, and adds to `bytes` what they and the branches above
    /// them take below the root.
    pub(crate) fn exclusive_chunks<'c>(&'c self, bytes: &mut u64, each: &mut impl FnMut(&'c C)) {
        self.root.exclusive_chunks(bytes, each);
    }

    /// Bytes of the nodes below the root that somebody else holds. Of a part that was just cut out of another
    /// sequence, O(log n).
    pub(crate) fn shared_bytes(&self) -> u64 {
        let mut exclusive = 0;
        self.exclusive_chunks(&mut exclusive, &mut |_| {});
        (self.heap - self.root_bytes()) as u64 - exclusive
    }

    /// Takes the sequence apart into the chunks that no clone shares; lets go of the others.
    pub(crate) fn into_unshared_chunks(self, each: &mut impl FnMut(C)) {
        self.root.into_unshared_chunks(each);
    }

    /// Puts a root above the old one and what did not fit in it.
    fn raise(&mut self, spilled: Vec<Child<C>>) {
        if !spilled.is_empty() {
            let first = Child::new(mem::take(&mut self.root));
            self.root = Node::above(iter::once(first).chain(spilled).collect());
        }
    }

    /// Establishes the invariants that a branch at the root has two children and that the root's bytes
    /// are known.
    fn lower(&mut self, copied: &mut u64) {
        while let Node::Branch(children) = &mut self.root
            && children.len() < 2
        {
            self.root = children
                .pop()
                .map_or_else(Node::default, |only| only.into_node(copied));
        }
        self.heap = self.root.heap();
    }

    /// Restores the invariants after a cut along one side.
    fn mend(&mut self, side: Side, copied: &mut u64) {
        self.lower(copied);
        self.root.mend(side, copied);
        self.lower(copied);
    }

    #[cfg(test)]
    pub(crate) fn check_invariants(&self) {
        assert_eq!(self.heap, self.root.heap(), "cached heap bytes");
        if !self.is_empty() {
            self.root.check_invariants(2);
        }
    }
}
