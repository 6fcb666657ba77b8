//! Which of a value's nodes somebody else holds, and what copying them takes.

use std::ops::Range;

use triomphe::Arc;

use crate::{
    array::ArrayTree,
    chunked::Reach,
    object::{ObjectTree, exclusive_texts},
    rope::Rope,
    value::{Repr, Value},
};

impl Value {
    /// Whether somebody else holds the value's own node too.
    pub(crate) fn is_shared(&self) -> bool {
        match &self.0 {
            Repr::Flat(flat) => !flat.is_unique(),
            Repr::Rope(rope) => !rope.is_unique(),
            Repr::Array(node) => !node.is_unique(),
            Repr::Object(node) => !node.is_unique(),
            Repr::ArrayTree(tree) => !tree.is_unique(),
            Repr::ObjectTree(tree) => !tree.is_unique(),
            Repr::Null | Repr::Bool(_) | Repr::Number(_) | Repr::Short(_) => false,
        }
    }

    /// Whether it is a small container that nobody else holds.
    #[inline]
    pub(crate) fn is_own_and_flat(&self) -> bool {
        match &self.0 {
            Repr::Array(node) => node.is_unique(),
            Repr::Object(node) => node.is_unique(),
            _ => false,
        }
    }

    /// The value with a node of its own, which shares what it contains.
    pub(crate) fn copied(&self) -> Self {
        Self(match &self.0 {
            Repr::Rope(rope) => Repr::Rope(Arc::new(Rope::clone(rope))),
            Repr::Array(node) => Repr::Array(node.copied()),
            Repr::Object(node) => Repr::Object(node.copied()),
            Repr::ArrayTree(tree) => Repr::ArrayTree(Arc::new(ArrayTree::clone(tree))),
            Repr::ObjectTree(tree) => Repr::ObjectTree(Arc::new(ObjectTree::clone(tree))),
            // What changes a short string makes another.
            scalar => scalar.clone(),
        })
    }

    /// What a copy of the value's own node takes.
    pub(crate) fn own_bytes(&self) -> u64 {
        let own = match &self.0 {
            Repr::Flat(flat) => flat.heap_bytes(),
            Repr::Rope(rope) => rope.own_bytes(),
            Repr::Array(node) => node.bytes(),
            Repr::Object(node) => node.bytes(),
            Repr::ArrayTree(tree) => tree.own_bytes(),
            Repr::ObjectTree(tree) => tree.own_bytes(),
            Repr::Null | Repr::Bool(_) | Repr::Number(_) | Repr::Short(_) => 0,
        };
        own as u64
    }

    /// Bytes of the nodes of a string that another does not share.
    pub(crate) fn unshared_text_bytes(&self, other: &Self) -> u64 {
        match (&self.0, &other.0) {
            (Repr::Rope(rope), Repr::Rope(other)) => rope.unshared_bytes(other),
            _ => self.heap_bytes(),
        }
    }

    /// Whether somebody else holds a part of a large container's inside that a change would copy or give
    /// up.
    pub(crate) fn is_shared_inside(&self, reach: Reach) -> bool {
        match &self.0 {
            Repr::Rope(rope) => rope.is_shared_at(reach),
            Repr::ArrayTree(tree) => tree.is_shared_at(reach),
            Repr::ObjectTree(tree) => tree.is_shared_at(reach),
            _ => false,
        }
    }

    /// How far a splice reaches into the value.
    pub(crate) fn reach_of_splice(&self, range: &Range<usize>, insert: &Self) -> Reach {
        match (&self.0, insert.as_text()) {
            (Repr::Rope(rope), Some(text)) if rope.splices_one_run(range, text.bytes()) => {
                Reach::Around(range.start)
            }
            _ => Reach::Whole,
        }
    }

    /// Whether it is a small container, which is held in one piece.
    pub(crate) const fn is_flat(&self) -> bool {
        matches!(self.0, Repr::Array(_) | Repr::Object(_))
    }

    /// Makes a container flat that is small enough.
    pub(crate) fn flatten(&mut self) {
        match &mut self.0 {
            Repr::ArrayTree(tree) => *self = Arc::make_mut(tree).take_flat(),
            Repr::ObjectTree(tree) => *self = Arc::make_mut(tree).take_flat(),
            _ => {}
        }
    }

    /// Whether it has a node that nobody else holds.
    pub(crate) fn is_exclusive(&self) -> bool {
        self.is_counted() && !self.is_shared()
    }

    /// Bytes of all that nothing leads to but this value, without its own node: as copying counts them,
    /// since all of it was copied, or what it stood in would lead to it too.
    pub(crate) fn exclusive_bytes(&self) -> u64 {
        let (mut bytes, mut open) = (0, Vec::new());
        self.open_exclusive(&mut bytes, &mut open);
        while let Some(value) = open.pop() {
            bytes += value.own_bytes();
            value.open_exclusive(&mut bytes, &mut open);
        }
        bytes
    }

    /// Lists the children that nobody else holds, and counts the parts of a large container between.
    fn open_exclusive<'v>(&'v self, bytes: &mut u64, open: &mut Vec<&'v Self>) {
        let mut list = |values: &'v [Self]| {
            open.extend(values.iter().filter(|value| value.is_exclusive()));
        };
        match &self.0 {
            Repr::Rope(rope) => rope.exclusive_runs(bytes),
            Repr::Array(node) => list(node.values()),
            Repr::ArrayTree(tree) => tree.exclusive_values(bytes, list),
            Repr::Object(node) => {
                let names = node.header();
                if node.totals().counts_names() && names.is_unique() {
                    *bytes += names.own_bytes() as u64 + exclusive_texts(names);
                }
                list(node.values());
            }
            Repr::ObjectTree(tree) => tree.exclusive_values(bytes, list),
            _ => {}
        }
    }
}
