use std::{fmt::Debug, iter, mem, slice};

use triomphe::Arc;

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

    /// What an ordered sequence is searched by: of each chunk, the key of its first element. `()` for a
    /// sequence that is found by index alone.
    type Key: Clone + Default + Debug;

    /// The key of the first element; any key for an empty chunk.
    fn first_key(&self) -> Self::Key;

    /// Keeps the left half by size and returns the right; neither is empty if there are two elements.
    fn split_half(&mut self) -> Self;

    /// Keeps the elements before `at` and returns the others.
    fn split_off(&mut self, at: usize) -> Self;

    /// Adds the elements of `right` behind its own.
    fn append(&mut self, right: Self);
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
/// A clone copies the root: one chunk, or up to [`FANOUT_MAX`] pointers. Finding, editing, splitting
/// and appending walk one path, so they cost O(log n) plus the chunk they touch. An edit writes in
/// place what nobody shares and copies the rest of its path: a chunk and the pointers of each branch.
///
/// # Invariants
///
/// - All leaves are at one depth.
/// - A branch has [`FANOUT_MIN`] to [`FANOUT_MAX`] children; at the root 2 suffice.
/// - A chunk is empty only if the whole sequence is, and over [`Chunk::SIZE_MAX`] only if it is a
///   single element. One that an edit leaves under a quarter of that merges with a neighbour if the
///   two fit in one; otherwise it stays as it is.
///
/// So the height stays under log₈ n + 1, which is 22 at 2⁶⁴ elements: that is what bounds the recursion
/// in this file, that of dropping a tree included.
#[derive(Clone, Debug, Default)]
pub(crate) struct Chunked<C: Chunk> {
    root: Node<C>,
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
        let mut sequence = Self {
            root: Node::above(leaves.collect()),
        };
        sequence.lower();
        sequence
    }

    /// Length in elements; sums up to [`FANOUT_MAX`] lengths.
    pub(crate) fn len(&self) -> usize {
        self.root.len()
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
    /// rest.
    pub(crate) fn chunk_at_mut(&mut self, index: usize) -> Option<(&mut C, usize)> {
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
                    node = Arc::make_mut(&mut children.get_mut(slot)?.node);
                }
            }
        }
    }

    /// Hands `change` the chunk that holds element `index` and the element's offset in it; the chunk
    /// may grow and shrink by any amount. `index` may be the length, which is the end of the last
    /// chunk.
    ///
    /// At a boundary between two chunks it is the right one, whose first element `index` is; so
    /// inserting and removing at `index` are both possible, removing up to the end of that chunk. If
    /// `change` panics, lengths are not brought up to date and the sequence must be given up.
    pub(crate) fn edit<R>(&mut self, index: usize, change: impl FnOnce(&mut C, usize) -> R) -> R {
        debug_assert!(index <= self.len(), "edit at {index} of {}", self.len());
        let (result, spilled) = self.root.edit(index, change);
        self.raise(spilled);
        self.lower();
        result
    }

    /// Keeps the elements before `at` and returns the others, none if `at` is past the end.
    pub(crate) fn split_off(&mut self, at: usize) -> Self {
        if at == 0 {
            return mem::take(self);
        }
        if at >= self.len() {
            return Self::default();
        }
        let mut right = Self {
            root: self.root.split_off(at),
        };
        self.mend(Side::Back);
        right.mend(Side::Front);
        right
    }

    /// Adds the elements of `right` behind its own, sharing all nodes but those at the seam.
    pub(crate) fn append(&mut self, mut right: Self) {
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
        let spilled = self.root.attach(levels, right.root, side);
        self.raise(spilled);
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
    /// element: read backwards, the counterpart of [`chunks_from`](Self::chunks_from).
    pub(crate) fn chunks_to(&self, index: usize) -> impl DoubleEndedIterator<Item = (&C, usize)> {
        let end = match self.chunk_at(index.saturating_sub(1)) {
            Some((chunk, offset)) if index > 0 => index - 1 - offset + chunk.len(),
            _ => index.min(self.len()),
        };
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

    /// A number of leading elements that are the same in both, known from shared nodes alone.
    ///
    /// It covers the nodes that both hold at the same offset, up to the first chunk that is not
    /// shared: more elements may be equal, and a small sequence, held inline, shares none. Shared
    /// subtrees are skipped whole, so two versions that differ by a few edits answer in O(log n). With
    /// [`shared_suffix`](Self::shared_suffix) it may sum to more than a length, if chunks repeat.
    pub(crate) fn shared_prefix(&self, other: &Self) -> usize {
        self.shared(other, Side::Front).0
    }

    /// Like [`shared_prefix`](Self::shared_prefix), for trailing elements: offsets count from the end.
    pub(crate) fn shared_suffix(&self, other: &Self) -> usize {
        self.shared(other, Side::Back).0
    }

    /// The elements, and how many pairs of nodes were compared to know.
    fn shared(&self, other: &Self, side: Side) -> (usize, usize) {
        let (mut left, mut right) = (Walk::new(&self.root, side), Walk::new(&other.root, side));
        let (mut elements, mut compared) = (0, 0);
        // Both heads start at the same offset: they only move on together, over the same node.
        while let (Some((a, height_a)), Some((b, height_b))) = (left.head(), right.head()) {
            compared += 1;
            if Arc::ptr_eq(&a.node, &b.node) {
                elements += a.len;
                left.pass();
                right.pass();
                continue;
            }
            if height_a == 0 && height_b == 0 {
                break;
            }
            // Equal nodes have equal heights, so the higher of the two is opened first.
            if height_a >= height_b {
                left.pass();
                left.enter(&a.node);
            }
            if height_b >= height_a {
                right.pass();
                right.enter(&b.node);
            }
        }
        (elements, compared)
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

    /// Establishes the invariant that a branch at the root has two children.
    fn lower(&mut self) {
        while let Node::Branch(children) = &mut self.root
            && children.len() < 2
        {
            self.root = children
                .pop()
                .map_or_else(Node::default, |only| Arc::unwrap_or_clone(only.node));
        }
    }

    /// Restores the invariants after a cut along one side.
    fn mend(&mut self, side: Side) {
        self.lower();
        self.root.mend(side);
        self.lower();
    }

    #[cfg(test)]
    pub(crate) fn check_invariants(&self) {
        if !self.is_empty() {
            self.root.check_invariants(2);
        }
    }
}

#[derive(Clone, Debug)]
enum Node<C: Chunk> {
    Leaf(C),
    Branch(Vec<Child<C>>),
}

#[derive(Clone, Debug)]
struct Child<C: Chunk> {
    /// Invariant: the length of `node`.
    len: usize,
    /// Invariant: the first key of `node`.
    first: C::Key,
    node: Arc<Node<C>>,
}

impl<C: Chunk> Child<C> {
    fn new(node: Node<C>) -> Self {
        Self {
            len: node.len(),
            first: node.first_key(),
            node: Arc::new(node),
        }
    }

    /// Changes the node, a copy of it if it is shared, and brings length and key up to date.
    fn change<R>(&mut self, change: impl FnOnce(&mut Node<C>) -> R) -> R {
        let node = Arc::make_mut(&mut self.node);
        let result = change(node);
        self.len = node.len();
        self.first = node.first_key();
        result
    }
}

impl<C: Chunk> Default for Node<C> {
    fn default() -> Self {
        Self::Leaf(C::default())
    }
}

/// What a change leaves over, as `spilled`, are nodes of the height of the changed one, to follow it.
impl<C: Chunk> Node<C> {
    fn into_unshared_chunks(self, each: &mut impl FnMut(C)) {
        match self {
            Self::Leaf(chunk) => each(chunk),
            Self::Branch(children) => {
                for child in children {
                    if let Ok(node) = Arc::try_unwrap(child.node) {
                        node.into_unshared_chunks(each);
                    }
                }
            }
        }
    }

    /// Builds the root of nodes of one height.
    fn above(mut nodes: Vec<Child<C>>) -> Self {
        while nodes.len() > FANOUT_MAX {
            nodes = grouped(nodes)
                .map(|group| Child::new(Self::Branch(group)))
                .collect();
        }
        Self::Branch(nodes)
    }

    fn len(&self) -> usize {
        match self {
            Self::Leaf(chunk) => chunk.len(),
            Self::Branch(children) => children.iter().map(|child| child.len).sum(),
        }
    }

    fn first_key(&self) -> C::Key {
        match self {
            Self::Leaf(chunk) => chunk.first_key(),
            Self::Branch(children) => children
                .first()
                .map(|child| child.first.clone())
                .unwrap_or_default(),
        }
    }

    /// Levels of branches above the leaves. Invariant: they are as many on every path.
    fn height(&self) -> usize {
        match self {
            Self::Leaf(_) => 0,
            Self::Branch(children) => children.first().map_or(0, |child| child.node.height()) + 1,
        }
    }

    fn edit<R>(
        &mut self,
        index: usize,
        change: impl FnOnce(&mut C, usize) -> R,
    ) -> (R, Vec<Child<C>>) {
        match self {
            Self::Leaf(chunk) => {
                // Only the end of the sequence is addressed as the end of a chunk.
                let at_end = index == chunk.len() && chunk.size() >= C::SIZE_MAX / 2;
                let result = change(chunk, index);
                if !at_end || chunk.size() <= C::SIZE_MAX || chunk.len() <= index {
                    return (result, self.spill());
                }
                // What was pushed starts a new chunk: halving would leave all chunks half full.
                let pushed = fitting(chunk.split_off(index)).map(Self::Leaf);
                let mut spilled = self.spill();
                spilled.extend(pushed.map(Child::new));
                (result, spilled)
            }
            Self::Branch(children) => {
                let (slot, offset) = locate(children, index);
                #[expect(clippy::indexing_slicing, reason = "`locate` gives a slot of a child")]
                let (result, spilled) = children[slot].change(|node| node.edit(offset, change));
                if spilled.is_empty() {
                    settle(children, slot);
                    return (result, Vec::new());
                }
                children.splice(slot + 1..slot + 1, spilled);
                (result, self.spill())
            }
        }
    }

    /// Takes what `other` holds in front of or behind its own. Both have the same height.
    fn absorb(&mut self, mut other: Self, side: Side) {
        if side == Side::Front {
            mem::swap(self, &mut other);
        }
        match (self, other) {
            (Self::Leaf(chunk), Self::Leaf(right)) => chunk.append(right),
            (Self::Branch(children), Self::Branch(right)) => children.extend(right),
            _ => unreachable!("leaves are at one depth"),
        }
    }

    /// Absorbs a tree that is `levels` lower than this one into the node of its height on that side.
    fn attach(&mut self, levels: usize, tree: Self, side: Side) -> Vec<Child<C>> {
        match self {
            Self::Branch(children) if levels > 0 => {
                let slot = side.last_slot(children);
                if let Some(child) = children.get_mut(slot) {
                    let spilled = child.change(|node| node.attach(levels - 1, tree, side));
                    children.splice(slot + 1..slot + 1, spilled);
                }
            }
            _ => self.absorb(tree, side),
        }
        self.spill()
    }

    /// Establishes the upper bounds on chunks and fan-out, by leaving over what is too much.
    fn spill(&mut self) -> Vec<Child<C>> {
        match self {
            Self::Leaf(chunk) if chunk.size() > C::SIZE_MAX => {
                let mut nodes = fitting(mem::take(chunk)).map(Self::Leaf);
                *self = nodes.next().unwrap_or_default();
                nodes.map(Child::new).collect()
            }
            Self::Branch(children) if children.len() > FANOUT_MAX => {
                let mut nodes = grouped(mem::take(children)).map(Self::Branch);
                *self = nodes.next().unwrap_or_default();
                nodes.map(Child::new).collect()
            }
            _ => Vec::new(),
        }
    }

    /// Cuts along one path, `at` being inside the node. Neither side is empty, but nodes along the cut
    /// may be too small until they are mended.
    fn split_off(&mut self, at: usize) -> Self {
        match self {
            Self::Leaf(chunk) => Self::Leaf(chunk.split_off(at)),
            Self::Branch(children) => {
                let (slot, offset) = locate(children, at);
                if offset == 0 {
                    return Self::Branch(children.split_off(slot));
                }
                let right = children.split_off(slot + 1);
                let cut = children
                    .last_mut()
                    .map(|child| child.change(|node| node.split_off(offset)));
                Self::Branch(cut.map(Child::new).into_iter().chain(right).collect())
            }
        }
    }

    /// Restores the lower bound on fan-out along one side of the tree.
    ///
    /// On the way down each node on that side gets enough children that its own have a neighbour to
    /// merge with; such a merge can leave it one short, which the way up puts right.
    fn mend(&mut self, side: Side) {
        if let Self::Branch(children) = self {
            settle(children, side.last_slot(children));
            let slot = side.last_slot(children);
            if let Some(child) = children.get_mut(slot) {
                Arc::make_mut(&mut child.node).mend(side);
            }
            settle(children, slot);
        }
    }

    #[cfg(test)]
    fn check_invariants(&self, fanout_min: usize) {
        match self {
            Self::Leaf(chunk) => {
                assert!(chunk.len() > 0, "empty chunk");
                assert!(
                    chunk.size() <= C::SIZE_MAX || chunk.len() == 1,
                    "oversize chunk"
                );
            }
            Self::Branch(children) => {
                assert!(
                    (fanout_min..=FANOUT_MAX).contains(&children.len()),
                    "fan-out"
                );
                for child in children {
                    assert_eq!(child.len, child.node.len(), "cached length");
                    let keys = (format!("{:?}", child.first), child.node.first_key());
                    assert_eq!(keys.0, format!("{:?}", keys.1), "cached key");
                    assert_eq!(child.node.height() + 1, self.height(), "depth");
                    child.node.check_invariants(FANOUT_MIN);
                }
            }
        }
    }
}

/// Removes the child at `slot` if it is empty and merges it with a neighbour if it is too small: the
/// lower bounds on chunks and fan-out, as far as one changed child is concerned.
fn settle<C: Chunk>(children: &mut Vec<Child<C>>, slot: usize) {
    let Some(child) = children.get(slot) else {
        return;
    };
    match &*child.node {
        Node::Leaf(chunk) if chunk.len() == 0 => {
            children.remove(slot);
        }
        Node::Leaf(chunk) if chunk.size() < C::SIZE_MAX / 4 => {
            let room = C::SIZE_MAX - chunk.size();
            let fits = |neighbour: usize| match children.get(neighbour).map(|child| &*child.node) {
                Some(Node::Leaf(chunk)) => chunk.size() <= room,
                _ => false,
            };
            if let Some(before) = slot.checked_sub(1).filter(|&before| fits(before)) {
                merge(children, before);
            } else if fits(slot + 1) {
                merge(children, slot);
            }
        }
        Node::Branch(below) if below.len() < FANOUT_MIN && children.len() > 1 => {
            merge(children, slot.saturating_sub(1));
        }
        _ => {}
    }
}

/// Makes one child of that at `slot` and the next, or two even ones if they are too much for one.
fn merge<C: Chunk>(children: &mut Vec<Child<C>>, slot: usize) {
    let right = Arc::unwrap_or_clone(children.remove(slot + 1).node);
    if let Some(left) = children.get_mut(slot) {
        let spilled = left.change(|node| {
            node.absorb(right, Side::Back);
            node.spill()
        });
        children.splice(slot + 1..slot + 1, spilled);
    }
}

/// Divides children evenly among as few branches as hold them.
///
/// Invariant: more than [`FANOUT_MAX`] children, which is when this is called, make groups of at least
/// half of it, [`FANOUT_MIN`].
fn grouped<C: Chunk>(children: Vec<Child<C>>) -> impl Iterator<Item = Vec<Child<C>>> {
    let (count, groups) = (children.len(), children.len().div_ceil(FANOUT_MAX));
    let mut rest = children.into_iter();
    (0..groups).map(move |group| {
        let take = count * (group + 1) / groups - count * group / groups;
        rest.by_ref().take(take).collect()
    })
}

/// Halves a chunk until its parts fit.
fn fitting<C: Chunk>(chunk: C) -> impl Iterator<Item = C> {
    let mut pending = vec![chunk];
    iter::from_fn(move || {
        let mut chunk = pending.pop()?;
        while chunk.size() > C::SIZE_MAX && chunk.len() > 1 {
            pending.push(chunk.split_half());
        }
        Some(chunk)
    })
}

/// Finds the slot of the child that holds element `index`, and the element's offset in that child. An
/// index past the end is in the last child.
fn locate<C: Chunk>(children: &[Child<C>], mut index: usize) -> (usize, usize) {
    let but_last = children
        .split_last()
        .map_or(&[][..], |(_, but_last)| but_last);
    for (slot, child) in but_last.iter().enumerate() {
        if index < child.len {
            return (slot, index);
        }
        index -= child.len;
    }
    (but_last.len(), index)
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Side {
    Front,
    Back,
}

impl Side {
    /// The outermost slot on this side.
    const fn last_slot<T>(self, children: &[T]) -> usize {
        match self {
            Self::Front => 0,
            Self::Back => children.len().saturating_sub(1),
        }
    }
}

/// A walk over the nodes of a tree from one side to the other, on the levels that it enters.
struct Walk<'a, C: Chunk> {
    side: Side,
    height: usize,
    /// The children still ahead at each level that was entered, the root's first. An inline root has
    /// none.
    ahead: Vec<slice::Iter<'a, Child<C>>>,
}

impl<'a, C: Chunk> Walk<'a, C> {
    fn new(root: &'a Node<C>, side: Side) -> Self {
        let mut walk = Self {
            side,
            height: root.height(),
            ahead: Vec::new(),
        };
        walk.enter(root);
        walk
    }

    /// The next node and its height; leaves the levels that were walked to their end.
    fn head(&mut self) -> Option<(&'a Child<C>, usize)> {
        while let Some(level) = self.ahead.last() {
            let head = match self.side {
                Side::Front => level.as_slice().first(),
                Side::Back => level.as_slice().last(),
            };
            if let Some(head) = head {
                return Some((head, self.height - self.ahead.len()));
            }
            self.ahead.pop();
        }
        None
    }

    /// Steps over the next node.
    fn pass(&mut self) {
        if let Some(level) = self.ahead.last_mut() {
            match self.side {
                Side::Front => level.next(),
                Side::Back => level.next_back(),
            };
        }
    }

    /// Puts what a node holds ahead.
    fn enter(&mut self, node: &'a Node<C>) {
        if let Node::Branch(children) = node {
            self.ahead.push(children.iter());
        }
    }
}

/// Chunks with the index of their first element, from both ends.
///
/// Each is found from the root, which takes 10 ns among 10,000 elements and needs no stack.
struct Chunks<'a, C: Chunk> {
    sequence: &'a Chunked<C>,
    /// Invariant: `start` and `end` enclose the elements not yet given out, and lie between chunks.
    start: usize,
    end: usize,
}

impl<'a, C: Chunk> Iterator for Chunks<'a, C> {
    type Item = (&'a C, usize);

    fn next(&mut self) -> Option<Self::Item> {
        if self.start >= self.end {
            return None;
        }
        let start = self.start;
        let (chunk, _) = self.sequence.chunk_at(start)?;
        self.start += chunk.len();
        Some((chunk, start))
    }
}

impl<C: Chunk> DoubleEndedIterator for Chunks<'_, C> {
    fn next_back(&mut self) -> Option<Self::Item> {
        if self.start >= self.end {
            return None;
        }
        let (chunk, _) = self.sequence.chunk_at(self.end - 1)?;
        self.end -= chunk.len();
        Some((chunk, self.end))
    }
}

/// Most children of a branch.
///
/// An edit of a shared sequence copies every child pointer along its path, so wider costs more there:
/// 0.65 µs at 16 and 0.86 µs at 32, among 10,000 records. Narrower makes paths longer, and each level
/// is a cache miss.
const FANOUT_MAX: usize = 16;

/// Fewest children of a branch, but for the root. Any more, and a full branch and one child, split
/// evenly, would not make two; fewer would only make the tree higher.
const FANOUT_MIN: usize = FANOUT_MAX / 2;

#[cfg(test)]
mod tests {
    use std::ptr;

    use proptest::{collection::vec, prelude::*};

    use super::*;

    /// A chunk whose elements weigh 1 to 3, as the scalars of a string weigh 1 to 4.
    #[derive(Clone, Debug, Default)]
    struct Few<const MAX: usize>(Vec<u32>);

    fn weight(element: u32) -> usize {
        1 + usize::from(element % 7 > 3) + usize::from(element % 7 > 5)
    }

    impl<const MAX: usize> Chunk for Few<MAX> {
        type Key = ();

        const SIZE_MAX: usize = MAX;

        fn first_key(&self) {}

        fn len(&self) -> usize {
            self.0.len()
        }

        fn size(&self) -> usize {
            self.0.iter().map(|&element| weight(element)).sum()
        }

        fn split_half(&mut self) -> Self {
            let (half, mut left) = (self.size() / 2, 0);
            let reaches_half = |&element: &u32| {
                left += weight(element);
                left >= half
            };
            let at = self.0.iter().position(reaches_half).unwrap() + 1;
            self.split_off(at.min(self.len() - 1))
        }

        fn split_off(&mut self, at: usize) -> Self {
            Self(self.0.split_off(at))
        }

        fn append(&mut self, right: Self) {
            self.0.extend(right.0);
        }
    }

    type Sequence<const MAX: usize> = Chunked<Few<MAX>>;

    fn built<const MAX: usize>(elements: impl IntoIterator<Item = u32>) -> Sequence<MAX> {
        let sequence = Chunked::from_chunks(elements.into_iter().map(|one| Few(vec![one])));
        sequence.check_invariants();
        sequence
    }

    fn elements<const MAX: usize>(sequence: &Sequence<MAX>) -> Vec<u32> {
        sequence
            .chunks()
            .flat_map(|chunk| chunk.0.iter().copied())
            .collect()
    }

    fn insert<const MAX: usize>(sequence: &mut Sequence<MAX>, at: usize, element: u32) {
        sequence.edit(at, |chunk, offset| chunk.0.insert(offset, element));
    }

    fn remove<const MAX: usize>(sequence: &mut Sequence<MAX>, at: usize) -> u32 {
        sequence.edit(at, |chunk, offset| chunk.0.remove(offset))
    }

    #[derive(Clone, Debug)]
    enum Op {
        Insert(Vec<u32>),
        Remove(usize),
        Set(u32),
        Truncate,
        Rotate,
        Join(Vec<u32>),
        AppendSelf,
        Clone,
    }

    /// An operation, and where it acts in thousandths of the length.
    fn op() -> impl Strategy<Value = (Op, usize)> {
        let op = prop_oneof![
            3 => any::<u32>().prop_map(|element| Op::Insert(vec![element])),
            2 => vec(any::<u32>(), 0..60).prop_map(Op::Insert),
            6 => (1_usize..8).prop_map(Op::Remove),
            2 => any::<u32>().prop_map(Op::Set),
            1 => Just(Op::Truncate),
            2 => Just(Op::Rotate),
            2 => vec(any::<u32>(), 0..300).prop_map(Op::Join),
            1 => Just(Op::AppendSelf),
            2 => Just(Op::Clone),
        ];
        (op, 0..=1000_usize)
    }

    fn apply<const MAX: usize>(
        sequence: &mut Sequence<MAX>,
        model: &mut Vec<u32>,
        op: Op,
        at: usize,
    ) {
        match op {
            Op::Insert(new) => {
                model.splice(at..at, new.clone());
                sequence.edit(at, |chunk, offset| {
                    chunk.0.splice(offset..offset, new).count()
                });
            }
            // Over and over at one place, so that chunks and branches there run dry.
            Op::Remove(count) => {
                for _ in 0..count * 8 {
                    if at < model.len() {
                        assert_eq!(remove(sequence, at), model.remove(at));
                        sequence.check_invariants();
                    }
                }
            }
            Op::Set(element) => {
                if let Some(place) = model.get_mut(at) {
                    let (chunk, offset) = sequence.chunk_at_mut(at).unwrap();
                    // The weight has to stay.
                    *place = if weight(element) == weight(*place) {
                        element
                    } else {
                        *place
                    };
                    chunk.0[offset] = *place;
                } else {
                    assert!(sequence.chunk_at_mut(at).is_none());
                }
            }
            Op::Truncate => assert_eq!(elements(&sequence.split_off(at)), model.split_off(at)),
            Op::Rotate => {
                let mut right = sequence.split_off(at);
                right.check_invariants();
                sequence.check_invariants();
                right.append(mem::take(sequence));
                *sequence = right;
                model.rotate_left(at);
            }
            Op::Join(new) => {
                let right = sequence.split_off(at);
                sequence.append(built(new.iter().copied()));
                sequence.check_invariants();
                sequence.append(right);
                model.splice(at..at, new);
            }
            Op::AppendSelf if model.len() < 1000 => {
                sequence.append(sequence.clone());
                model.extend_from_within(..);
            }
            Op::AppendSelf | Op::Clone => {}
        }
    }

    fn runs_like_a_vector<const MAX: usize>(mut model: Vec<u32>, ops: Vec<(Op, usize)>) {
        let mut sequence = built::<MAX>(model.iter().copied());
        let mut clones = vec![(sequence.clone(), model.clone())];
        for (op, place) in ops {
            let at = model.len() * place / 1000;
            if matches!(op, Op::Clone) {
                clones.push((sequence.clone(), model.clone()));
            }
            apply(&mut sequence, &mut model, op, at);
            sequence.check_invariants();
            assert_eq!(sequence.len(), model.len());
            assert_eq!(sequence.is_empty(), model.is_empty());
            assert_eq!(elements(&sequence), model);
            let found = sequence.chunk_at(at).map(|(chunk, offset)| chunk.0[offset]);
            assert_eq!(found.as_ref(), model.get(at));
            for (clone, before) in &clones {
                assert_eq!(&elements(clone), before);
                let (prefix, suffix) =
                    (sequence.shared_prefix(clone), sequence.shared_suffix(clone));
                assert_eq!(model[..prefix], before[..prefix]);
                assert_eq!(
                    model[model.len() - suffix..],
                    before[before.len() - suffix..]
                );
            }
        }
    }

    proptest! {
        #[test]
        fn any_operations_give_what_they_give_on_a_vector(
            start in vec(any::<u32>(), 0..600),
            ops in vec(op(), 1..40),
        ) {
            runs_like_a_vector::<4>(start.clone(), ops.clone());
            runs_like_a_vector::<24>(start, ops);
        }

        #[test]
        fn building_from_chunks_equals_appending_them(
            chunks in vec(vec(any::<u32>(), 0..40), 0..60),
        ) {
            let mut appended = Sequence::<8>::default();
            for chunk in &chunks {
                appended.append(Chunked::from_chunk(Few(chunk.clone())));
                appended.check_invariants();
            }
            let built = Chunked::from_chunks(chunks.iter().cloned().map(Few::<8>));
            built.check_invariants();
            prop_assert_eq!(elements(&built), chunks.concat());
            prop_assert_eq!(elements(&appended), chunks.concat());
        }
    }

    #[test]
    fn a_clone_is_untouched_by_later_edits() {
        let mut sequence = built::<8>(0..1000);
        let clone = sequence.clone();
        sequence.chunk_at_mut(500).unwrap().0.0.fill(0);
        insert(&mut sequence, 0, 7);
        sequence.split_off(900);
        assert_eq!(elements(&clone), Vec::from_iter(0..1000));
        clone.check_invariants();
    }

    #[test]
    fn what_nobody_shares_is_changed_in_place() {
        let mut sequence = built::<8>(0..1000);
        let place = |sequence: &Sequence<8>| ptr::from_ref(sequence.chunk_at(0).unwrap().0);
        let before = place(&sequence);
        sequence.chunk_at_mut(0).unwrap();
        remove(&mut sequence, 0);
        assert_eq!(place(&sequence), before);

        let clone = sequence.clone();
        sequence.chunk_at_mut(0).unwrap();
        assert_eq!(place(&clone), before);
        assert_ne!(place(&sequence), before);
    }

    #[test]
    fn after_one_change_all_but_its_chunk_is_known_to_be_shared() {
        let old = built::<32>(0..100_000);
        for at in [0, 1, 31_415, 50_000, 99_999] {
            let mut new = old.clone();
            assert_eq!(new.shared_prefix(&old), old.len());
            insert(&mut new, at, 7);
            for (side, covered) in [(Side::Front, at), (Side::Back, old.len() - at)] {
                let (shared, compared) = new.shared(&old, side);
                // The chunk may have been split: neither half is shared then.
                assert!(
                    (covered.saturating_sub(32)..=covered).contains(&shared),
                    "{at} {side:?}"
                );
                assert!(compared <= FANOUT_MAX * old.root.height(), "{at} {side:?}");
            }
        }
    }

    #[test]
    fn trees_of_different_height_share_what_they_have_in_common() {
        let low = built::<4>(0..200);
        let mut high = low.clone();
        high.append(built(0..10_000));
        assert!(high.root.height() > low.root.height());
        assert!(high.shared_prefix(&low) >= 190);
        assert!(low.shared_prefix(&high) >= 190);
        assert_eq!(low.shared_suffix(&high), 0);
        let right = high.split_off(5_000);
        let mut whole = high.clone();
        whole.append(right.clone());
        assert!(whole.shared_prefix(&high) > 4_980);
        assert!(whole.shared_suffix(&right) > 5_180);
    }

    #[test]
    fn an_oversize_chunk_is_split_to_fit() {
        let all = Vec::from_iter(0..10_000);
        let mut sequence = Sequence::<4>::from_chunk(Few(all.clone()));
        sequence.check_invariants();
        assert_eq!(elements(&sequence), all);

        sequence.edit(5_000, |chunk, offset| {
            chunk.0.splice(offset..offset, 0..10_000).count()
        });
        sequence.check_invariants();
        assert_eq!(sequence.len(), 20_000);
        let heavy = Sequence::<1>::from_chunk(Few(vec![6; 100]));
        heavy.check_invariants();
        assert_eq!(heavy.chunks().count(), 100);
    }

    #[test]
    fn pushed_elements_fill_their_chunks() {
        let mut sequence = Sequence::<32>::default();
        for at in 0..3200 {
            insert(&mut sequence, at, 7);
        }
        sequence.check_invariants();
        assert_eq!(sequence.chunks().count(), 100);
    }

    #[test]
    fn chunks_that_shrink_are_merged_and_the_last_one_lies_inline() {
        for at_front in [false, true] {
            let mut sequence = built::<24>(0..5_000);
            while sequence.len() > 3 {
                let at = if at_front { 0 } else { sequence.len() / 2 };
                remove(&mut sequence, at);
                sequence.check_invariants();
            }
            assert!(matches!(sequence.root, Node::Leaf(_)));
        }
    }

    #[test]
    fn chunks_are_read_from_any_index_and_from_both_ends() {
        for length in [0, 3, 700] {
            let sequence = built::<8>(0..length);
            let mut all = Vec::new();
            let mut start = 0;
            for chunk in sequence.chunks() {
                all.push((chunk.0.clone(), start));
                start += chunk.len();
            }
            let owned = |(chunk, start): (&Few<8>, usize)| (chunk.0.clone(), start);
            for index in 0..=sequence.len() + 1 {
                let before = all
                    .iter()
                    .take_while(|(chunk, start)| start + chunk.len() <= index);
                let (_, from) = all.split_at(before.count());
                assert_eq!(Vec::from_iter(sequence.chunks_from(index).map(owned)), from);
                let to = all.iter().take_while(|(_, start)| *start < index).cloned();
                let mut back = Vec::from_iter(sequence.chunks_to(index).rev().map(owned));
                back.reverse();
                assert_eq!(back, Vec::from_iter(to));
            }
            let mut both = sequence.chunks_from(0).map(owned);
            let (mut front, mut back) = (Vec::new(), Vec::new());
            while let Some(chunk) = both.next() {
                front.push(chunk);
                back.extend(both.next_back());
            }
            front.extend(back.into_iter().rev());
            assert_eq!(front, all);
        }
    }

    /// A chunk of ascending numbers, to be found by them.
    #[derive(Clone, Debug, Default)]
    struct Ascending(Vec<u32>);

    impl Chunk for Ascending {
        type Key = u32;

        const SIZE_MAX: usize = 4;

        fn len(&self) -> usize {
            self.0.len()
        }

        fn size(&self) -> usize {
            self.0.len()
        }

        fn first_key(&self) -> u32 {
            self.0.first().copied().unwrap_or_default()
        }

        fn split_half(&mut self) -> Self {
            self.split_off(self.0.len() / 2)
        }

        fn split_off(&mut self, at: usize) -> Self {
            Self(self.0.split_off(at))
        }

        fn append(&mut self, right: Self) {
            self.0.extend(right.0);
        }
    }

    proptest! {
        #[test]
        fn an_ordered_sequence_finds_what_a_set_holds(
            changes in vec((0_u32..300, any::<bool>()), 0..600),
        ) {
            let mut sequence = Chunked::<Ascending>::default();
            let mut model = std::collections::BTreeSet::new();
            for (number, insert) in changes {
                let (chunk, start) = sequence.chunk_by_key(|first| *first <= number);
                let found = chunk.0.binary_search(&number);
                assert_eq!(found.is_ok(), model.contains(&number));
                match found {
                    Ok(at) if !insert => {
                        sequence.edit(start + at, |chunk, at| chunk.0.remove(at));
                        model.remove(&number);
                    }
                    // Behind the last of a chunk the sequence would look into the next one.
                    Err(at) if insert => {
                        let after_last = at == chunk.0.len() && at > 0;
                        if after_last {
                            sequence.edit(start + at - 1, |chunk, at| chunk.0.insert(at + 1, number));
                        } else {
                            sequence.edit(start + at, |chunk, at| chunk.0.insert(at, number));
                        }
                        model.insert(number);
                    }
                    _ => {}
                }
                sequence.check_invariants();
                assert!(sequence.chunks().flat_map(|chunk| &chunk.0).eq(&model));
            }
        }
    }
}
