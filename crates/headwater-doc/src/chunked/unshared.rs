use std::ops::Range;

use triomphe::Arc;

use super::{
    Chunk, Chunked,
    branch::{Child, Node},
    walk::{Side, Walk},
};
use crate::{
    myers::{Hunk, hunks},
    work,
};

impl<C: Chunk> Chunked<C> {
    /// The runs of elements that the two do not share, ascending; what stands between them are the same
    /// chunks in both, in the same order.
    ///
    /// Goes down from the roots and compares nodes of one height by their pointers, as runs of which a
    /// diff keeps what is in both; only what is left over is opened. So two versions that differ in a
    /// few places, also by insertions, which shift what is behind them, answer in O(changes · log n). A
    /// small sequence, held inline, shares nothing. Where much was removed or added in several places, the
    /// nodes of that are gone through, a step for each; at one place, they are not.
    ///
    /// Bytes of the nodes below the root that `other` does not share are added to `unshared`.
    pub(crate) fn unshared(&self, other: &Self, unshared: &mut u64) -> Vec<Hunk> {
        let search = self.search(other);
        *unshared += search.bytes as u64;
        search.found
    }

    /// Whether a node is found in both. Goes down both at once and looks beside each node on both sides, so
    /// that it finds one where either was made of the other by changes in some places; each comparison is
    /// taken off `steps`, and without any left nothing more is found.
    pub(crate) fn shares(&self, other: &Self, steps: &mut usize) -> bool {
        shares(&self.root, &other.root, steps)
    }

    /// The runs, and how many nodes were compared to find them.
    #[cfg(test)]
    pub(super) fn unshared_counted(&self, other: &Self) -> (Vec<Hunk>, usize) {
        let search = self.search(other);
        (search.found, search.compared)
    }

    fn search(&self, other: &Self) -> Search {
        let mut search = Search {
            found: Vec::new(),
            compared: 0,
            bytes: 0,
        };
        if self.len().abs_diff(other.len()) > SEAM_LEN_MAX * C::SIZE_MAX
            && self.search_between_ends(other, &mut search)
        {
            return search;
        }
        let (mut old, mut new) = (Level::of_root(&self.root), Level::of_root(&other.root));
        // Equal nodes have equal heights.
        while old.height > new.height && new.height > 0 {
            search.bytes += own_bytes(&old.nodes);
            old = old.below();
        }
        while new.height > old.height && old.height > 0 {
            new = new.below();
        }
        if old.height == 0 || new.height == 0 {
            search.leave(0..self.len(), 0..other.len());
            search.bytes += bytes(&old.nodes);
        } else {
            search.align(&old, &new, 0, 0);
        }
        search
    }
}

impl<C: Chunk> Chunked<C> {
    /// Finds the one run between the ends that the two share, if one side of it is no longer than what a cut
    /// leaves: where much was removed or added at one place, so that it is not gone through. O(log n).
    fn search_between_ends(&self, other: &Self, search: &mut Search) -> bool {
        let all = self.len().min(other.len());
        let (prefix, prefix_bytes) = self.shared_end(other, Side::Front, all);
        let (suffix, suffix_bytes) = self.shared_end(other, Side::Back, all - prefix);
        let few = all - prefix - suffix <= SEAM_LEN_MAX * C::SIZE_MAX;
        if few {
            search.leave(prefix..self.len() - suffix, prefix..other.len() - suffix);
            search.bytes = self.heap - self.root_bytes() - prefix_bytes - suffix_bytes;
        }
        few
    }

    /// How many elements at an end lie in nodes that the two share, at most `len_max`, and the bytes of these.
    fn shared_end(&self, other: &Self, side: Side, len_max: usize) -> (usize, usize) {
        let (mut old, mut new) = (Walk::new(&self.root, side), Walk::new(&other.root, side));
        let (mut len, mut bytes) = (0, 0);
        while let (Some((a, a_height)), Some((b, b_height))) = (old.head(), new.head()) {
            work::count(1);
            if Arc::ptr_eq(&a.node, &b.node) && len + a.len <= len_max {
                len += a.len;
                bytes += a.heap;
                old.pass();
                new.pass();
                continue;
            }
            if a_height == 0 && b_height == 0 {
                break;
            }
            // Equal nodes have equal heights, so the higher of the two is opened first.
            if a_height >= b_height {
                old.pass();
                old.enter(&a.node);
            }
            if b_height >= a_height {
                new.pass();
                new.enter(&b.node);
            }
        }
        (len, bytes)
    }
}

/// Full chunks that what a cut leaves of those at its ends may come to, and of their neighbours, with which it
/// may have merged.
const SEAM_LEN_MAX: usize = 4;

/// Neighbouring nodes of one height.
struct Level<'a, C: Chunk> {
    nodes: Vec<&'a Child<C>>,
    /// Levels below, that of the nodes included: 1 for leaves, 0 for an inline root, which is no node.
    height: usize,
}

impl<'a, C: Chunk> Level<'a, C> {
    fn of_root(root: &'a Node<C>) -> Self {
        let nodes = match root {
            Node::Leaf(_) => Vec::new(),
            Node::Branch(children) => children.iter().collect(),
        };
        Self {
            nodes,
            height: root.height(),
        }
    }

    fn below(&self) -> Self {
        Self::below_all(&self.nodes, self.height)
    }

    fn below_all(nodes: &[&'a Child<C>], height: usize) -> Self {
        let children = |child: &&'a Child<C>| match &*child.node {
            Node::Leaf(_) => [].iter(),
            Node::Branch(children) => children.iter(),
        };
        Self {
            nodes: nodes.iter().flat_map(children).collect(),
            height: height - 1,
        }
    }
}

struct Search {
    found: Vec<Hunk>,
    compared: usize,
    /// What the nodes of the old sequence take that were not found in the new one.
    bytes: usize,
}

impl Search {
    /// Finds the unshared runs of two levels of one height, which start at these elements. Recurses a
    /// level of the tree each.
    fn align<C: Chunk>(
        &mut self,
        old: &Level<'_, C>,
        new: &Level<'_, C>,
        mut old_at: usize,
        mut new_at: usize,
    ) {
        self.compared += old.nodes.len() + new.nodes.len();
        work::count(old.nodes.len() + new.nodes.len());
        let (mut old_slot, mut new_slot) = (0, 0);
        for hunk in hunks(&ids(&old.nodes), &ids(&new.nodes)) {
            let (olds, news) = (slots(old, &hunk.old), slots(new, &hunk.new));
            old_at += elements(slots(old, &(old_slot..hunk.old.start)));
            new_at += elements(slots(new, &(new_slot..hunk.new.start)));
            let (old_end, new_end) = (old_at + elements(olds), new_at + elements(news));
            if old.height == 1 || olds.is_empty() || news.is_empty() {
                self.leave(old_at..old_end, new_at..new_end);
                self.bytes += bytes(olds);
            } else {
                self.bytes += own_bytes(olds);
                let below = |nodes| Level::below_all(nodes, old.height);
                self.align(&below(olds), &below(news), old_at, new_at);
            }
            (old_at, new_at) = (old_end, new_end);
            (old_slot, new_slot) = (hunk.old.end, hunk.new.end);
        }
    }

    /// Notes a run, together with the one before if nothing is between.
    fn leave(&mut self, old: Range<usize>, new: Range<usize>) {
        match self.found.last_mut() {
            Some(last) if last.old.end == old.start && last.new.end == new.start => {
                last.old.end = old.end;
                last.new.end = new.end;
            }
            _ => self.found.push(Hunk { old, new }),
        }
    }
}

fn shares<C: Chunk>(left: &Node<C>, right: &Node<C>, steps: &mut usize) -> bool {
    let (Node::Branch(left), Node::Branch(right)) = (left, right) else {
        return false;
    };
    // A node keeps its slot, seen from one side, unless one on that side is split or merged.
    let mut from_both_sides = left
        .iter()
        .zip(right)
        .chain(left.iter().rev().zip(right.iter().rev()));
    if from_both_sides.any(|(left, right)| Arc::ptr_eq(&left.node, &right.node)) {
        return true;
    }
    work::count(left.len().min(right.len()));
    *steps = steps.saturating_sub(left.len().min(right.len()));
    *steps > 0
        && left
            .iter()
            .zip(right)
            .any(|(left, right)| shares(&left.node, &right.node, steps))
}

/// Nodes as numbers that are equal where the nodes are one and the same in memory.
fn ids<C: Chunk>(nodes: &[&Child<C>]) -> Vec<u64> {
    nodes
        .iter()
        .map(|child| child.node.as_ptr().addr() as u64)
        .collect()
}

fn slots<'l, 'a, C: Chunk>(level: &'l Level<'a, C>, slots: &Range<usize>) -> &'l [&'a Child<C>] {
    level.nodes.get(slots.clone()).unwrap_or_default()
}

/// What nodes and all below them take.
fn bytes<C: Chunk>(nodes: &[&Child<C>]) -> usize {
    nodes.iter().map(|child| child.heap).sum()
}

/// What nodes take without those below them.
fn own_bytes<C: Chunk>(nodes: &[&Child<C>]) -> usize {
    nodes.iter().map(|child| child.node.own_bytes()).sum()
}

fn elements<C: Chunk>(nodes: &[&Child<C>]) -> usize {
    nodes.iter().map(|child| child.len).sum()
}
