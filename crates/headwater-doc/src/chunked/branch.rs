use std::{iter, mem, ptr};

use triomphe::Arc;

use super::{Chunk, Sum as _, walk::Side};

/// A node of a [`Chunked`](super::Chunked): a chunk, or the nodes below.
#[derive(Clone, Debug)]
pub(super) enum Node<C: Chunk> {
    Leaf(C),
    Branch(Vec<Child<C>>),
}

#[derive(Clone, Debug)]
pub(super) struct Child<C: Chunk> {
    /// Invariant: the length of `node`.
    pub(super) len: usize,
    /// Invariant: what `node` and all below it take.
    pub(super) heap: usize,
    /// Invariant: the sum of the elements of `node`, as far as their sum is kept exactly.
    pub(super) sum: C::Sum,
    /// Invariant: the first key of `node`.
    pub(super) first: C::Key,
    pub(super) node: Arc<Node<C>>,
}

impl<C: Chunk> Child<C> {
    pub(super) fn new(node: Node<C>) -> Self {
        Self {
            len: node.len(),
            heap: node.heap() + Node::<C>::HEAD_BYTES,
            sum: node.sum(),
            first: node.first_key(),
            node: Arc::new(node),
        }
    }

    /// The node, to be changed: a copy of it if it is shared, whose bytes are added to `copied`.
    pub(super) fn make_mut(&mut self, copied: &mut u64) -> &mut Node<C> {
        if !self.node.is_unique() {
            *copied += self.node.own_bytes() as u64;
        }
        Arc::make_mut(&mut self.node)
    }

    /// The node itself, a copy of it if it is shared.
    pub(super) fn into_node(self, copied: &mut u64) -> Node<C> {
        if !self.node.is_unique() {
            *copied += self.node.own_bytes() as u64;
        }
        Arc::unwrap_or_clone(self.node)
    }

    /// Changes the node, a copy of it if it is shared, and brings what is cached of it up to date, but for
    /// the sum: `change` does that.
    fn change<R>(
        &mut self,
        copied: &mut u64,
        change: impl FnOnce(&mut Node<C>, &mut C::Sum, &mut u64) -> R,
    ) -> R {
        let mut sum = self.sum;
        let node = self.make_mut(copied);
        let result = change(node, &mut sum, copied);
        self.sum = sum;
        let node = &*self.node;
        let (len, heap, first) = (node.len(), node.heap(), node.first_key());
        self.len = len;
        self.heap = heap + Node::<C>::HEAD_BYTES;
        self.first = first;
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
    /// What a node takes but for its list: a reference count and itself.
    const HEAD_BYTES: usize = size_of::<usize>() + size_of::<Self>();

    pub(super) fn into_unshared_chunks(self, each: &mut impl FnMut(C)) {
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

    /// Whether a node on the way to an element is shared, or one of so many beside it on either side. All
    /// beside it where all are leaves, which a sequence that becomes small gives up at once.
    pub(super) fn is_shared_at(&self, index: usize, beside: usize) -> bool {
        let (mut node, mut offset) = (self, index);
        while let Self::Branch(children) = node {
            let slot;
            (slot, offset) = locate(children, offset);
            let Some(child) = children.get(slot) else {
                break;
            };
            let small = beside > 0 && ptr::eq(node, self) && matches!(*child.node, Self::Leaf(_));
            let beside = if small { FANOUT_MAX } else { beside };
            let first = slot.saturating_sub(beside);
            let mut near = children.iter().skip(first).take(slot - first + 1 + beside);
            if near.any(|child| !child.node.is_unique()) {
                return true;
            }
            node = &child.node;
        }
        false
    }

    pub(super) fn exclusive_chunks<'c>(&'c self, bytes: &mut u64, each: &mut impl FnMut(&'c C)) {
        match self {
            Self::Leaf(chunk) => each(chunk),
            Self::Branch(children) => {
                for child in children.iter().filter(|child| child.node.is_unique()) {
                    *bytes += child.node.own_bytes() as u64;
                    child.node.exclusive_chunks(bytes, each);
                }
            }
        }
    }

    /// What the nodes below take that somebody else holds, or all if the node itself is `shared`.
    pub(super) fn shared_bytes(&self, shared: bool) -> usize {
        let Self::Branch(children) = self else {
            return 0;
        };
        let bytes = children.iter().map(|child| {
            let shared = shared || !child.node.is_unique();
            let own = if shared { child.node.own_bytes() } else { 0 };
            own + child.node.shared_bytes(shared)
        });
        bytes.sum()
    }

    /// Builds the root of nodes of one height.
    pub(super) fn above(mut nodes: Vec<Child<C>>) -> Self {
        while nodes.len() > FANOUT_MAX {
            nodes = grouped(nodes)
                .map(|group| Child::new(Self::Branch(group)))
                .collect();
        }
        Self::Branch(nodes)
    }

    /// What the lists of the node and all below it take.
    ///
    /// Lists count by their lengths: a copy of one has no spare room, so that a sum by capacities would
    /// change where nobody knows of it. Spare room is kept small instead.
    pub(super) fn heap(&self) -> usize {
        match self {
            Self::Leaf(chunk) => chunk.heap(),
            Self::Branch(children) => {
                size_of_val(&**children) + children.iter().map(|child| child.heap).sum::<usize>()
            }
        }
    }

    /// What a copy of the node alone takes.
    pub(super) fn own_bytes(&self) -> usize {
        Self::HEAD_BYTES + self.list_bytes()
    }

    /// What a copy of the node's own list takes.
    pub(super) fn list_bytes(&self) -> usize {
        match self {
            Self::Leaf(chunk) => chunk.copy_bytes(),
            Self::Branch(children) => size_of_val(&**children),
        }
    }

    pub(super) fn len(&self) -> usize {
        match self {
            Self::Leaf(chunk) => chunk.len(),
            Self::Branch(children) => children.iter().map(|child| child.len).sum(),
        }
    }

    /// Looks at each element of a leaf.
    pub(super) fn sum(&self) -> C::Sum {
        match self {
            Self::Leaf(chunk) => chunk.sum(),
            Self::Branch(children) => {
                let mut sum = C::Sum::default();
                children.iter().for_each(|child| sum.join(child.sum));
                sum
            }
        }
    }

    pub(super) fn sum_again(&mut self, wrong: &impl Fn(&C::Sum) -> bool) {
        if let Self::Branch(children) = self {
            for child in children.iter_mut().filter(|child| wrong(&child.sum)) {
                child.make_mut(&mut 0).sum_again(wrong);
                child.sum = child.node.sum();
            }
        }
    }

    pub(super) fn first_key(&self) -> C::Key {
        match self {
            Self::Leaf(chunk) => chunk.first_key(),
            Self::Branch(children) => children
                .first()
                .map(|child| child.first.clone())
                .unwrap_or_default(),
        }
    }

    /// Levels of branches above the leaves. Invariant: they are as many on every path.
    pub(super) fn height(&self) -> usize {
        match self {
            Self::Leaf(_) => 0,
            Self::Branch(children) => children.first().map_or(0, |child| child.node.height()) + 1,
        }
    }

    /// `sum` is that of the node.
    pub(super) fn edit<R>(
        &mut self,
        sum: &mut C::Sum,
        index: usize,
        copied: &mut u64,
        change: impl FnOnce(&mut C, usize, &mut C::Sum) -> R,
    ) -> (R, Vec<Child<C>>) {
        match self {
            Self::Leaf(chunk) => {
                // Only the end of the sequence is addressed as the end of a chunk.
                let at_end = index == chunk.len() && chunk.size() >= C::SIZE_MAX / 2;
                let result = change(chunk, index, sum);
                if chunk.size() <= C::SIZE_MAX {
                    return (result, Vec::new());
                }
                let spilled = if at_end && chunk.len() > index {
                    // What was pushed starts a new chunk: halving would leave all chunks half full.
                    let pushed = fitting(chunk.split_off(index)).map(Self::Leaf);
                    let mut spilled = self.spill();
                    spilled.extend(pushed.map(Child::new));
                    spilled
                } else {
                    self.spill()
                };
                *sum = self.sum();
                (result, spilled)
            }
            Self::Branch(children) => {
                let (slot, offset) = locate(children, index);
                #[expect(clippy::indexing_slicing, reason = "`locate` gives a slot of a child")]
                let child = &mut children[slot];
                let before = child.sum;
                let (result, spilled) = child.change(copied, |node, sum, copied| {
                    node.edit(sum, offset, copied, change)
                });
                if spilled.is_empty() {
                    sum.shift(before, child.sum);
                    settle(children, slot, copied);
                    return (result, Vec::new());
                }
                children.splice(slot + 1..slot + 1, spilled);
                let spilled = self.spill();
                *sum = self.sum();
                (result, spilled)
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
    pub(super) fn attach(
        &mut self,
        levels: usize,
        tree: Self,
        side: Side,
        copied: &mut u64,
    ) -> Vec<Child<C>> {
        match self {
            Self::Branch(children) if levels > 0 => {
                let slot = side.last_slot(children);
                if let Some(child) = children.get_mut(slot) {
                    let spilled = child.change(copied, |node, sum, copied| {
                        let spilled = node.attach(levels - 1, tree, side, copied);
                        *sum = node.sum();
                        spilled
                    });
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
    pub(super) fn split_off(&mut self, at: usize, copied: &mut u64) -> Self {
        match self {
            Self::Leaf(chunk) => Self::Leaf(chunk.split_off(at)),
            Self::Branch(children) => {
                let (slot, offset) = locate(children, at);
                if offset == 0 {
                    return Self::Branch(children.split_off(slot));
                }
                let right = children.split_off(slot + 1);
                let cut = children.last_mut().map(|child| {
                    child.change(copied, |node, sum, copied| {
                        let right = node.split_off(offset, copied);
                        *sum = node.sum();
                        right
                    })
                });
                Self::Branch(cut.map(Child::new).into_iter().chain(right).collect())
            }
        }
    }

    /// Restores the lower bound on fan-out along one side of the tree.
    ///
    /// On the way down each node on that side gets enough children that its own have a neighbour to
    /// merge with; such a merge can leave it one short, which the way up puts right.
    pub(super) fn mend(&mut self, side: Side, copied: &mut u64) {
        if let Self::Branch(children) = self {
            settle(children, side.last_slot(children), copied);
            let slot = side.last_slot(children);
            if let Some(child) = children.get_mut(slot)
                && matches!(*child.node, Self::Branch(_))
            {
                // What merges below stays below, so the sum stays.
                child.change(copied, |node, _, copied| node.mend(side, copied));
            }
            settle(children, slot, copied);
        }
    }

    #[cfg(test)]
    pub(super) fn check_invariants(&self, fanout_min: usize) {
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
                    let heap = child.node.heap() + Self::HEAD_BYTES;
                    assert_eq!(child.heap, heap, "cached heap bytes");
                    let (sum, found) = (child.sum, child.node.sum());
                    assert!(sum.stands_for(&found), "cached {sum:?}, found {found:?}");
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
fn settle<C: Chunk>(children: &mut Vec<Child<C>>, slot: usize, copied: &mut u64) {
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
                merge(children, before, copied);
            } else if fits(slot + 1) {
                merge(children, slot, copied);
            }
        }
        Node::Branch(below) if below.len() < FANOUT_MIN && children.len() > 1 => {
            merge(children, slot.saturating_sub(1), copied);
        }
        _ => {}
    }
}

/// Makes one child of that at `slot` and the next, or two even ones if they are too much for one.
fn merge<C: Chunk>(children: &mut Vec<Child<C>>, slot: usize, copied: &mut u64) {
    let right = children.remove(slot + 1);
    let right_sum = right.sum;
    let right = right.into_node(copied);
    if let Some(left) = children.get_mut(slot) {
        let spilled = left.change(copied, |node, sum, _| {
            node.absorb(right, Side::Back);
            let spilled = node.spill();
            if spilled.is_empty() {
                sum.join(right_sum);
            } else {
                *sum = node.sum();
            }
            spilled
        });
        children.splice(slot + 1..slot + 1, spilled);
    }
}

/// Divides children evenly among as few branches as hold them.
///
/// Invariant: more than [`FANOUT_MAX`] children, which is when this is called, make groups of at least
/// half of it, [`FANOUT_MIN`].
pub(super) fn grouped<C: Chunk>(children: Vec<Child<C>>) -> impl Iterator<Item = Vec<Child<C>>> {
    let (count, groups) = (children.len(), children.len().div_ceil(FANOUT_MAX));
    let mut rest = children.into_iter();
    (0..groups).map(move |group| {
        let take = count * (group + 1) / groups - count * group / groups;
        rest.by_ref().take(take).collect()
    })
}

/// Halves a chunk until its parts fit.
pub(super) fn fitting<C: Chunk>(chunk: C) -> impl Iterator<Item = C> {
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
pub(super) fn locate<C: Chunk>(children: &[Child<C>], mut index: usize) -> (usize, usize) {
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

/// Most children of a branch.
///
/// An edit of a shared sequence copies every child pointer along its path, so wider costs more there:
/// 0.65 µs at 16 and 0.86 µs at 32, among 10,000 records. Narrower makes paths longer, and each level
/// is a cache miss.
pub(super) const FANOUT_MAX: usize = 16;

/// Fewest children of a branch, but for the root. Any more, and a full branch and one child, split
/// evenly, would not make two; fewer would only make the tree higher.
const FANOUT_MIN: usize = FANOUT_MAX / 2;
