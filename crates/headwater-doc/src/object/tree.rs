//! A large object: a tree of short lists of members.

use std::{cmp::Ordering, mem};

use triomphe::Arc;

use super::exclusive_texts;
use crate::{
    chunked::{Chunk, Chunked, Reach, room},
    dismantle::{RECURSION_MAX, dismantle},
    name::{Name, NameList},
    node::extend_clones,
    totals::{Measure, Totals},
    value::Value,
};

/// What a large object takes beside its members: a reference count and itself.
const HEAD_BYTES: usize = size_of::<usize>() + size_of::<ObjectTree>();

/// A large object.
#[derive(Clone, Default)]
pub(crate) struct ObjectTree {
    pub(super) members: Chunked<Leaf>,
    /// Invariant: the sum of what the members measure.
    pub(super) totals: Totals,
}

impl ObjectTree {
    pub(crate) const fn measure(&self) -> Measure {
        self.totals.measure(HEAD_BYTES + self.members.heap())
    }

    /// What a copy takes that shares all but the root.
    pub(crate) fn own_bytes(&self) -> usize {
        HEAD_BYTES + self.members.root_bytes()
    }

    pub(crate) fn is_shared_at(&self, reach: Reach) -> bool {
        self.members.is_shared_at(reach)
    }

    /// See [`Chunked::exclusive_chunks`].
    pub(crate) fn exclusive_values<'v>(
        &'v self,
        bytes: &mut u64,
        mut each: impl FnMut(&'v [Value]),
    ) {
        let mut texts = 0;
        self.members.exclusive_chunks(bytes, &mut |leaf| {
            texts += exclusive_texts(&leaf.names);
            each(&leaf.values);
        });
        *bytes += texts;
    }

    pub(crate) fn child_mut(&mut self, position: usize, copied: &mut u64) -> Option<&mut Value> {
        let (leaf, at) = self.members.chunk_at_mut(position, copied)?;
        leaf.values.get_mut(at)
    }

    /// Lets the totals follow a child that was changed in place, and gives it again.
    pub(crate) fn shift_child(
        &mut self,
        position: usize,
        before: Measure,
        after: Measure,
    ) -> Option<&mut Value> {
        self.totals.shift(before, after);
        self.child_mut(position, &mut 0)
    }

    /// Puts values in the places of members, one way down the tree for those of a leaf that come together.
    pub(crate) fn replace_all(&mut self, changes: impl Iterator<Item = (usize, Value)>) {
        let mut changes = changes.peekable();
        while let Some(&(position, _)) = changes.peek() {
            let Some((leaf, at)) = self.members.chunk_at_mut(position, &mut 0) else {
                return;
            };
            let start = position - at;
            let inside = start..start + leaf.values.len();
            while let Some((position, value)) = changes.next_if(|(at, _)| inside.contains(at)) {
                if let Some(place) = leaf.values.get_mut(position - start) {
                    self.totals.shift(place.measure(), value.measure());
                    *place = value;
                }
            }
        }
    }

    /// Its own bytes, once the sums that they come from are checked.
    #[cfg(test)]
    pub(crate) fn checked_heap_bytes(&self) -> u64 {
        self.members.check_invariants();
        (HEAD_BYTES + self.members.heap()) as u64
    }

    /// Takes out all members.
    pub(super) fn take_members(&mut self) -> (Vec<Name>, Vec<Value>) {
        let (mut names, mut values) = (Vec::new(), Vec::new());
        for leaf in mem::take(&mut self.members).chunks() {
            names.extend_from_slice(&leaf.names);
            values.extend_from_slice(&leaf.values);
        }
        (names, values)
    }

    /// Takes out all members as an object that is flat if they are few.
    pub(crate) fn take_flat(&mut self) -> Value {
        let (names, mut values) = self.take_members();
        Value::object_from_tail(Arc::new(NameList::new(names)), true, &mut values)
    }

    pub(crate) const fn totals(&self) -> Totals {
        self.totals
    }

    pub(crate) const fn totals_mut(&mut self) -> &mut Totals {
        &mut self.totals
    }

    /// Takes out the values that no other object shares.
    pub(crate) fn take_children(&mut self) -> Vec<Value> {
        let mut children = Vec::new();
        mem::take(&mut self.members).into_unshared_chunks(&mut |leaf| children.extend(leaf.values));
        children
    }
}

impl Drop for ObjectTree {
    fn drop(&mut self) {
        if u32::from(self.totals.measure(0).height) > RECURSION_MAX {
            dismantle(self.take_children());
        }
    }
}

/// A leaf of the tree.
#[derive(Debug, Default)]
pub(super) struct Leaf {
    /// Invariant: sorted, as many as there are values.
    pub(super) names: Vec<Name>,
    pub(super) values: Vec<Value>,
}

impl Clone for Leaf {
    fn clone(&self) -> Self {
        let mut values = Vec::with_capacity(self.values.len());
        extend_clones(&mut values, &self.values);
        Self {
            names: self.names.clone(),
            values,
        }
    }
}

impl Chunk for Leaf {
    type Key = Name;

    /// Members of a large object are mostly containers: copying a leaf counts a reference for each.
    const SIZE_MAX: usize = 16;

    fn len(&self) -> usize {
        self.values.len()
    }

    fn size(&self) -> usize {
        self.values.len()
    }

    fn heap(&self) -> usize {
        let long: usize = self.names.iter().map(Name::heap_bytes).sum();
        self.copy_bytes() + long
    }

    /// Copies share the texts of long names.
    fn copy_bytes(&self) -> usize {
        size_of_val(&*self.names) + size_of_val(&*self.values)
    }

    fn first_key(&self) -> Name {
        self.names.first().cloned().unwrap_or_default()
    }

    /// No part of an object is ever cut off.
    type Sum = ();

    fn sum(&self) {}

    fn split_half(&mut self) -> Self {
        self.split_off(self.values.len() / 2)
    }

    fn split_off(&mut self, at: usize) -> Self {
        let right = Self {
            names: self.names.split_off(at),
            values: self.values.split_off(at),
        };
        self.names.shrink_to_fit();
        self.values.shrink_to_fit();
        right
    }

    fn append(&mut self, mut right: Self) {
        room(&mut self.names, right.names.len());
        room(&mut self.values, right.values.len());
        self.names.append(&mut right.names);
        self.values.append(&mut right.values);
    }
}

impl PartialEq<str> for Name {
    fn eq(&self, other: &str) -> bool {
        self.as_bytes() == other.as_bytes()
    }
}

impl PartialOrd<str> for Name {
    fn partial_cmp(&self, other: &str) -> Option<Ordering> {
        Some(self.as_bytes().cmp(other.as_bytes()))
    }
}
