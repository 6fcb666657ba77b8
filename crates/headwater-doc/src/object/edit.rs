//! How objects are made and changed.

use triomphe::Arc;

use super::{
    FLAT_MAX, Names,
    tree::{Leaf, ObjectTree},
};
use crate::{
    chunked::{Chunked, room, trim},
    name::{Name, NameList},
    node::Node,
    totals::Totals,
    value::{Repr, Value},
};

/// Positions are checked by the caller; what is shared is copied.
impl Value {
    /// Makes an object of a list of names and as many values at the end of a list, which are taken off
    /// it. A list of names that is new is counted with the object.
    #[inline]
    pub(crate) fn object_from_tail(names: Names, new: bool, values: &mut Vec<Self>) -> Self {
        let from = values.len() - names.len();
        let mut totals = Totals::sum(values.get(from..).unwrap_or_default());
        totals.add_names(names.written_bytes());
        if names.len() <= FLAT_MAX {
            totals.add_list(&names, new);
            return Self(Repr::Object(Node::from_tail(names, totals, values, from)));
        }
        Self::tree_from_tail(names, new, totals, values)
    }

    /// Puts an object in the place of its values at the end of a list, of which the sums are known.
    #[inline]
    pub(crate) fn push_object(names: Names, new: bool, mut totals: Totals, values: &mut Vec<Self>) {
        let from = values.len() - names.len();
        debug_assert_eq!(
            totals,
            Totals::sum(values.get(from..).unwrap_or_default()),
            "what a look at each comes to"
        );
        totals.add_names(names.written_bytes());
        if names.len() <= FLAT_MAX {
            totals.add_list(&names, new);
            Node::replace_tail(names, totals, values, from, |node| Self(Repr::Object(node)));
        } else {
            let tree = Self::tree_from_tail(names, new, totals, values);
            values.push(tree);
        }
    }

    fn tree_from_tail(names: Names, new: bool, totals: Totals, values: &mut Vec<Self>) -> Self {
        let from = values.len() - names.len();
        let mut names = Arc::unwrap_or_clone(names).into_names();
        if !new {
            names.iter_mut().for_each(Name::lend);
        }
        let values = values.split_off(from);
        Self(Repr::ObjectTree(Arc::new(ObjectTree {
            members: Chunked::from_chunk(Leaf { names, values }),
            totals,
        })))
    }

    pub(crate) fn insert_member(
        &mut self,
        position: usize,
        name: &str,
        value: Self,
        copied: &mut u64,
    ) {
        let name = Name::from(name);
        match &mut self.0 {
            Repr::Object(node) if node.len() < FLAT_MAX => {
                let (mut totals, counted) = (node.totals(), node.totals().counts_names());
                totals.add(value.measure(), name.written_bytes());
                totals.remove_list(node.header());
                node.insert(position, value);
                let names = names_mut(node, counted, copied);
                names.insert(position, name);
                totals.add_list(names, true);
                node.set_totals(totals);
            }
            Repr::Object(node) => {
                let counted = node.totals().counts_names();
                count_names(node, copied);
                let mut names = node.header().copied(counted).into_names();
                let mut values = node.values().to_vec();
                names.insert(position, name);
                values.insert(position, value);
                *self = Self::object_from_tail(Arc::new(NameList::new(names)), true, &mut values);
            }
            Repr::ObjectTree(tree) => {
                let tree = Arc::make_mut(tree);
                tree.totals.add(value.measure(), name.written_bytes());
                tree.members.edit(position, copied, |leaf, at, ()| {
                    room(&mut leaf.names, 1);
                    room(&mut leaf.values, 1);
                    leaf.names.insert(at, name);
                    leaf.values.insert(at, value);
                });
            }
            _ => {}
        }
    }

    /// Removes a member and returns its value, and its name if another would not be as good.
    pub(crate) fn remove_member(
        &mut self,
        position: usize,
        copied: &mut u64,
    ) -> (Self, Option<Name>) {
        match &mut self.0 {
            Repr::Object(node) => {
                let (mut totals, counted) = (node.totals(), node.totals().counts_names());
                let removed = node.remove(position);
                totals.remove_list(node.header());
                let names = names_mut(node, counted, copied);
                let name = names.remove(position);
                totals.add_list(names, true);
                totals.remove(removed.measure(), name.written_bytes());
                node.set_totals(totals);
                (removed, give_up(name, copied))
            }
            Repr::ObjectTree(tree) => {
                let tree = Arc::make_mut(tree);
                let (name, removed) = tree.members.edit(position, copied, |leaf, at, ()| {
                    let removed = (leaf.names.remove(at), leaf.values.remove(at));
                    trim(&mut leaf.names);
                    trim(&mut leaf.values);
                    removed
                });
                tree.totals.remove(removed.measure(), name.written_bytes());
                // Half of what makes a tree, so that an object at the border does not change its form
                // at each change.
                if tree.members.len() <= FLAT_MAX / 2 {
                    tree.members.count_shared(copied);
                    *self = tree.take_flat();
                }
                (removed, give_up(name, copied))
            }
            _ => (Self::NULL, None),
        }
    }

    /// The list of names of a flat object, unless the object counts it and alone has it: then changing
    /// the object and changing it back leaves the list as it was.
    pub(crate) fn names_to_keep(&self) -> Option<Names> {
        match &self.0 {
            Repr::Object(node) => {
                let names = node.header();
                let own = node.totals().counts_names() && names.is_unique();
                (!own).then(|| names.clone())
            }
            _ => None,
        }
    }

    /// Gives an object its own name again in place of an equal one.
    pub(crate) fn restore_name(&mut self, name: Name, copied: &mut u64) {
        let found = self
            .as_object()
            .and_then(|object| object.find(name.as_str()).ok());
        let Some((position, _)) = found else {
            return;
        };
        match &mut self.0 {
            Repr::Object(node) => {
                let (mut totals, counted) = (node.totals(), node.totals().counts_names());
                totals.remove_list(node.header());
                let names = names_mut(node, counted, copied);
                names.remove(position);
                names.insert(position, name);
                totals.add_list(names, true);
                node.set_totals(totals);
            }
            Repr::ObjectTree(tree) => {
                let members = &mut Arc::make_mut(tree).members;
                members.edit(position, copied, |leaf, at, ()| {
                    if let Some(place) = leaf.names.get_mut(at) {
                        *place = name;
                    }
                });
            }
            _ => {}
        }
    }

    /// Gives an object, which has these very names, the list that it had and counted or not.
    pub(crate) fn restore_names(&mut self, names: Names, counted: bool) {
        match &mut self.0 {
            Repr::Object(node) => {
                let mut totals = node.totals();
                totals.remove_list(node.header());
                totals.add_list(&names, counted);
                *node.header_mut() = names;
                node.set_totals(totals);
            }
            Repr::ObjectTree(tree) => {
                let (_, mut values) = Arc::make_mut(tree).take_members();
                *self = Self::object_from_tail(names, counted, &mut values);
            }
            _ => {}
        }
    }
}

/// The list of names of an object that is the only one of its node, to be changed; `counted` says whether
/// the list counts with it.
fn names_mut<'n>(node: &'n mut Node<Names>, counted: bool, copied: &mut u64) -> &'n mut NameList {
    count_names(node, copied);
    let names = node.header_mut();
    if !names.is_unique() {
        *names = Arc::new(names.copied(counted));
    }
    Arc::make_mut(names)
}

/// Counts the list of names as copied that an object gives up, if somebody else holds it. One that does
/// not count with the object does with another, which keeps it.
fn count_names(node: &Node<Names>, copied: &mut u64) {
    if node.totals().counts_names() && !node.header().is_unique() {
        *copied += node.header().own_bytes() as u64;
    }
}

/// Counts the text of a name as copied that an object gives up and somebody else holds; the name, if it is
/// not the object's own.
fn give_up(name: Name, copied: &mut u64) -> Option<Name> {
    if name.is_own() {
        return None;
    }
    *copied += name.heap_bytes() as u64;
    Some(name)
}
