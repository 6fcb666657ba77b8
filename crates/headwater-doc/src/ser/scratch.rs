use std::borrow::Cow;

use triomphe::Arc;

use super::{SerializeFailure, SerializeReason, elements, fields::Forms, members};
use crate::{
    failure::Failure,
    node::Node,
    shapes::Shapes,
    value::{Repr, Value},
};

/// What the containers of one document share while they are made, so that none needs lists of its own.
///
/// Each list is a stack: a container lays its own on top and takes that off when it is finished, when
/// the containers inside it have long done so.
#[derive(Default)]
pub(super) struct Scratch<'o> {
    pub(super) shapes: Shapes,
    pub(super) forms: Forms,
    /// The last key of a map.
    pub(super) key: String,
    /// Elements and members that the old container does not have.
    pub(super) values: Vec<Value>,
    /// The names of those members.
    pub(super) names: Vec<Cow<'o, str>>,
    /// What is to stand in the places of old children.
    pub(super) changes: Vec<(usize, Value)>,
    /// A bit for each old member that was found, of large objects.
    pub(super) seen: Vec<u64>,
    /// Frames of containers that are finished, for those to come.
    #[expect(
        clippy::vec_box,
        reason = "a box goes from here to a container and back"
    )]
    pub(super) objects: Vec<Box<members::Frame<'o>>>,
    #[expect(clippy::vec_box, reason = "as above")]
    pub(super) arrays: Vec<Box<elements::Frame<'o>>>,
}

/// How high the stacks are.
#[derive(Clone, Copy, Default)]
pub(super) struct Heights {
    pub(super) values: usize,
    pub(super) names: usize,
    pub(super) changes: usize,
    pub(super) seen: usize,
}

impl<'o> Scratch<'o> {
    #[inline]
    pub(super) const fn heights(&self) -> Heights {
        Heights {
            values: self.values.len(),
            names: self.names.len(),
            changes: self.changes.len(),
            seen: self.seen.len(),
        }
    }

    /// Takes off what lies above.
    #[inline]
    pub(super) fn lower(&mut self, to: Heights) {
        self.values.truncate(to.values);
        self.names.truncate(to.names);
        self.changes.truncate(to.changes);
        self.seen.truncate(to.seen);
    }

    /// Makes an object of the names and values from these heights on.
    pub(super) fn object(&mut self, from: Heights) -> Result<Value, SerializeFailure> {
        let names = self.names.get(from.names..).unwrap_or_default();
        let made = self.shapes.object(names, &mut self.values, from.values);
        made.map_err(repeated)?;
        Ok(self.values.pop().unwrap_or_default())
    }

    /// Makes a flat container of an old one and the changes from a height on, which are taken off.
    pub(super) fn changed_node<H: Clone>(&mut self, old: &Node<H>, changes_from: usize) -> Node<H> {
        let mut node = old.copied();
        let mut totals = old.totals();
        let values = node.values_mut();
        for (slot, value) in self.changes.drain(changes_from..) {
            if let Some(place) = values.get_mut(slot) {
                totals.shift(place.measure(), value.measure());
                *place = value;
            }
        }
        node.set_totals(totals);
        node
    }

    /// Makes a tree of an old one and the changes from a height on, which are taken off.
    pub(super) fn changed_tree(&mut self, old: &Value, changes_from: usize) -> Value {
        let mut tree = old.clone();
        let changes = self.changes.drain(changes_from..);
        match &mut tree.0 {
            Repr::ArrayTree(tree) => Arc::make_mut(tree).replace_all(changes),
            Repr::ObjectTree(tree) => Arc::make_mut(tree).replace_all(changes),
            _ => {}
        }
        tree
    }
}

pub(super) fn repeated(name: String) -> SerializeFailure {
    Failure::new(SerializeReason::RepeatedName { name })
}
