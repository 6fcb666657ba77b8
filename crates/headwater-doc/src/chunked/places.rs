use std::ops::Range;

use triomphe::Arc;

use super::{
    Chunk, Chunked,
    branch::Child,
    walk::{Side, Walk},
};
use crate::work;

impl<C: Chunk> Chunked<C> {
    /// The places at which the two hold different nodes, up to the end of the shorter one: ranges of
    /// offsets from a side, ascending. Outside of them the two have the same elements at the same offsets.
    ///
    /// Shared subtrees are skipped whole, so that two versions that differ by a few edits which shift
    /// nothing, seen from that side, answer in O(edits · log n). A long range comes in pieces, so that who
    /// stops at the first difference does not wait for its end. A small sequence, held inline, shares
    /// nothing.
    pub(crate) fn places<'a>(&'a self, other: &'a Self, side: Side) -> Places<'a, C> {
        Places {
            left: Head::new(self, side),
            right: Head::new(other, side),
            told: 0,
            piece: 1,
            end: self.len().min(other.len()),
        }
    }
}

/// A walk over two sequences at once, which opens only nodes that are not the same in both.
pub(crate) struct Places<'a, C: Chunk> {
    left: Head<'a, C>,
    right: Head<'a, C>,
    /// Up to where it was told whether nodes differ.
    told: usize,
    /// How long a range may become before it is given out. It doubles, so that pieces cost little.
    piece: usize,
    end: usize,
}

impl<C: Chunk> Iterator for Places<'_, C> {
    type Item = Range<usize>;

    fn next(&mut self) -> Option<Range<usize>> {
        let (left, right) = (&mut self.left, &mut self.right);
        while let (Some((a, a_height)), Some((b, b_height))) = (left.walk.head(), right.walk.head())
        {
            work::count(1);
            // Nodes that start at different places have nothing to do with each other as a whole: that
            // which starts first is passed or opened.
            if left.at < right.at {
                left.pass_or_open(a, a_height, right.at);
            } else if right.at < left.at {
                right.pass_or_open(b, b_height, left.at);
            } else if Arc::ptr_eq(&a.node, &b.node) {
                let differs = self.told..left.at;
                left.pass(a);
                right.pass(b);
                self.told = left.at;
                if !differs.is_empty() {
                    return Some(differs);
                }
            } else if a_height == 0 && b_height == 0 {
                left.pass(a);
                right.pass(b);
            } else {
                // Equal nodes have equal heights, so the higher of the two is opened first.
                if a_height >= b_height {
                    left.open(a);
                }
                if b_height >= a_height {
                    right.open(b);
                }
            }
            let passed = left.at.min(right.at);
            if passed - self.told >= self.piece {
                let differs = self.told..passed;
                self.told = passed;
                self.piece *= 2;
                return Some(differs);
            }
        }
        let differs = self.told..self.end;
        self.told = self.end;
        (!differs.is_empty()).then_some(differs)
    }
}

/// A walk that knows at which offset the next node starts.
struct Head<'a, C: Chunk> {
    walk: Walk<'a, C>,
    at: usize,
}

impl<'a, C: Chunk> Head<'a, C> {
    fn new(sequence: &'a Chunked<C>, side: Side) -> Self {
        Self {
            walk: Walk::new(&sequence.root, side),
            at: 0,
        }
    }

    /// Passes the next node if it ends before an offset, or opens it.
    fn pass_or_open(&mut self, child: &'a Child<C>, height: usize, offset: usize) {
        if height == 0 || self.at + child.len <= offset {
            self.pass(child);
        } else {
            self.open(child);
        }
    }

    fn pass(&mut self, child: &Child<C>) {
        self.walk.pass();
        self.at += child.len;
    }

    fn open(&mut self, child: &'a Child<C>) {
        self.walk.pass();
        self.walk.enter(&child.node);
    }
}
