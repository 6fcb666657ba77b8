use std::{cmp::Ordering, fmt, iter::FusedIterator, mem, ops::Range, ptr, slice};

use triomphe::Arc;

use crate::{
    chunked::{Chunk, Chunked, Reach, Side, room, trim},
    dismantle::{RECURSION_MAX, dismantle},
    myers::Hunk,
    name::{Name, NameList},
    node::{Node, extend_clones},
    packed::Words,
    totals::{Measure, Totals},
    value::{Repr, Value},
};

/// A JSON object inside a document (RFC 8259 section 4): its members sorted by the bytes of their names.
///
/// A small one is a list of values beside a list of names, which objects of the same shape share: a
/// table of records keeps its names once. A large one is a tree of short lists. This is a reference to it:
/// copying that costs nothing.
#[derive(Clone, Copy)]
pub struct Object<'a>(Form<'a>);

#[derive(Clone, Copy)]
enum Form<'a> {
    Flat(&'a Node<Names>),
    Tree(&'a ObjectTree),
}

/// The names of a flat object.
pub(crate) type Names = Arc<NameList>;

/// Members up to which an object is flat. A record has seldom more fields; each more makes a change
/// below it dearer while a snapshot is held, for all are copied.
pub(crate) const FLAT_MAX: usize = 32;

impl<'a> Object<'a> {
    pub(crate) const fn flat(node: &'a Node<Names>) -> Self {
        Self(Form::Flat(node))
    }

    pub(crate) const fn tree(tree: &'a ObjectTree) -> Self {
        Self(Form::Tree(tree))
    }

    /// How many members there are. O(1).
    #[must_use]
    pub fn len(self) -> usize {
        match self.0 {
            Form::Flat(node) => node.len(),
            Form::Tree(tree) => tree.members.len(),
        }
    }

    /// Whether there are none. O(1).
    #[must_use]
    pub fn is_empty(self) -> bool {
        self.len() == 0
    }

    /// The value of a name, if there is one. O(log n).
    #[must_use]
    pub fn get(self, name: &str) -> Option<&'a Value> {
        self.find(name).ok().map(|(_, value)| value)
    }

    /// The members, sorted by the bytes of their names. O(1) each.
    #[must_use]
    pub fn iter(self) -> Members<'a> {
        Members::new(self, 0)
    }

    /// The members from a position on. O(log n) to start.
    pub(crate) fn iter_from(self, position: usize) -> Members<'a> {
        Members::new(self, position)
    }

    /// The members of two small objects that share their list of names, side by side, but for those that are
    /// [`same`](Value::same).
    pub(crate) fn changed(
        self,
        other: Self,
    ) -> Option<impl Iterator<Item = (&'a str, &'a Value, &'a Value)> + use<'a>> {
        let (Form::Flat(left), Form::Flat(right)) = (self.0, other.0) else {
            return None;
        };
        let values = left.values().iter().zip(right.values());
        let changed = left
            .header()
            .iter()
            .zip(values)
            .filter(|(_, (left, right))| !left.same(right))
            .map(|(name, (left, right))| (name.as_str(), left, right));
        Arc::ptr_eq(left.header(), right.header()).then_some(changed)
    }

    /// The runs of members that the two do not share in memory, ascending. Bytes of the nodes below the
    /// root that `other` does not share are added to `unshared`.
    pub(crate) fn unshared(self, other: Self, unshared: &mut u64) -> Vec<Hunk> {
        match (self.0, other.0) {
            (Form::Tree(left), Form::Tree(right)) => {
                left.members.unshared(&right.members, unshared)
            }
            _ => vec![Hunk {
                old: 0..self.len(),
                new: 0..other.len(),
            }],
        }
    }

    /// The member before a position, or that at it if there is none before.
    pub(crate) fn beside(self, position: usize) -> Option<&'a Value> {
        let mut members = self.iter_from(position.saturating_sub(1));
        members.next().map(|(_, value)| value)
    }

    /// The names, sorted by their bytes. O(1) each, but from the back O(log n).
    pub fn names(
        self,
    ) -> impl DoubleEndedIterator<Item = &'a str> + ExactSizeIterator + FusedIterator + use<'a>
    {
        self.iter().map(|(name, _)| name)
    }

    /// The values in the order of their names. O(1) each, but from the back O(log n).
    pub fn values(
        self,
    ) -> impl DoubleEndedIterator<Item = &'a Value> + ExactSizeIterator + FusedIterator + use<'a>
    {
        self.iter().map(|(_, value)| value)
    }

    /// Finds a name: its position and value, or the position where it would stand.
    #[inline(always)]
    pub(crate) fn find(self, name: &str) -> Result<(usize, &'a Value), usize> {
        // Most objects are small and most names lie in 16 bytes, and comparing those for equality takes two
        // instructions: to look at all of 32 is quicker than to order a few.
        if let Form::Flat(node) = self.0
            && let Some(at) = short_position(node.header(), name)
            && let Some(value) = node.values().get(at)
        {
            return Ok((at, value));
        }
        self.search(name)
    }

    /// Finds a name by order, but for a short one in a leaf.
    fn search(self, name: &str) -> Result<(usize, &'a Value), usize> {
        let (start, names, values): (_, &[Name], &[Value]) = match self.0 {
            Form::Flat(node) => (0, node.header(), node.values()),
            Form::Tree(tree) => {
                let (leaf, start) = tree.members.chunk_by_key(|first| *first <= *name);
                if let Some(at) = short_position(&leaf.names, name)
                    && let Some(value) = leaf.values.get(at)
                {
                    return Ok((start + at, value));
                }
                (start, &leaf.names, &leaf.values)
            }
        };
        match names.binary_search_by(|other| other.as_bytes().cmp(name.as_bytes())) {
            Ok(at) => values
                .get(at)
                .map(|value| (start + at, value))
                .ok_or(start + at),
            Err(at) => Err(start + at),
        }
    }

    /// The places at which the two may have different members, ascending, up to the end of the shorter.
    pub(crate) fn places(self, other: Self) -> impl Iterator<Item = Range<usize>> + use<'a> {
        let (all, places) = match (self.0, other.0) {
            (Form::Tree(left), Form::Tree(right)) => {
                (None, Some(left.members.places(&right.members, Side::Front)))
            }
            _ => (Some(0..self.len().min(other.len())), None),
        };
        all.into_iter().chain(places.into_iter().flatten())
    }

    /// Whether two large objects have a part of their inside in common; see [`Chunked::shares`].
    pub(crate) fn shares(self, other: Self, steps: &mut usize) -> bool {
        match (self.0, other.0) {
            (Form::Tree(left), Form::Tree(right)) => left.members.shares(&right.members, steps),
            _ => false,
        }
    }

    /// Where the object lies in memory: no two have the same place.
    pub(crate) fn address(self) -> usize {
        match self.0 {
            Form::Flat(node) => node.values().as_ptr().addr(),
            Form::Tree(tree) => ptr::from_ref(tree).addr(),
        }
    }
}

/// Finds a name that lies in 16 bytes.
#[inline]
fn short_position(names: &[Name], name: &str) -> Option<usize> {
    let probe = Words::new(name)?;
    names.iter().position(|other| other.is_short(probe))
}

impl fmt::Debug for Object<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

impl<'a> IntoIterator for Object<'a> {
    type Item = (&'a str, &'a Value);
    type IntoIter = Members<'a>;

    fn into_iter(self) -> Members<'a> {
        self.iter()
    }
}

impl<'a> IntoIterator for &Object<'a> {
    type Item = (&'a str, &'a Value);
    type IntoIter = Members<'a>;

    fn into_iter(self) -> Members<'a> {
        self.iter()
    }
}

/// The members of an object (RFC 8259 section 4), sorted by the bytes of their names. Each takes O(1), but
/// from the back O(log n).
#[derive(Clone)]
pub struct Members<'a> {
    names: slice::Iter<'a, Name>,
    /// Invariant: as many as `names`.
    values: slice::Iter<'a, Value>,
    /// The tree, and the members behind the leaf.
    rest: Option<(&'a ObjectTree, Range<usize>)>,
}

impl<'a> Members<'a> {
    pub(crate) fn new(object: Object<'a>, from: usize) -> Self {
        match object.0 {
            Form::Flat(node) => Self {
                names: node.header().get(from..).unwrap_or_default().iter(),
                values: node.values().get(from..).unwrap_or_default().iter(),
                rest: None,
            },
            Form::Tree(tree) => Self {
                names: [].iter(),
                values: [].iter(),
                rest: Some((tree, from..tree.members.len())),
            },
        }
    }

    #[cold]
    fn next_leaf(&mut self) -> Option<()> {
        let (tree, behind) = self.rest.as_mut()?;
        let (leaf, at) = tree.members.chunk_at(behind.start)?;
        let end = leaf.values.len().min(at + behind.len());
        self.names = leaf.names.get(at..end)?.iter();
        self.values = leaf.values.get(at..end)?.iter();
        behind.start += end - at;
        Some(())
    }
}

impl<'a> Iterator for Members<'a> {
    type Item = (&'a str, &'a Value);

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        if self.names.as_slice().is_empty() && self.rest.is_some() {
            self.next_leaf()?;
        }
        Some((self.names.next()?.as_str(), self.values.next()?))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let behind = self.rest.as_ref().map_or(0, |(_, behind)| behind.len());
        let len = self.values.len() + behind;
        (len, Some(len))
    }
}

impl DoubleEndedIterator for Members<'_> {
    fn next_back(&mut self) -> Option<Self::Item> {
        if let Some((tree, behind)) = &mut self.rest
            && let Some(last) = behind.next_back()
        {
            let (leaf, at) = tree.members.chunk_at(last)?;
            return Some((leaf.names.get(at)?.as_str(), leaf.values.get(at)?));
        }
        Some((self.names.next_back()?.as_str(), self.values.next_back()?))
    }
}

impl ExactSizeIterator for Members<'_> {}

impl FusedIterator for Members<'_> {}

impl fmt::Debug for Members<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.clone()).finish()
    }
}

/// What a large object takes beside its members: a reference count and itself.
const HEAD_BYTES: usize = size_of::<usize>() + size_of::<ObjectTree>();

/// A large object.
#[derive(Clone, Default)]
pub(crate) struct ObjectTree {
    members: Chunked<Leaf>,
    /// Invariant: the sum of what the members measure.
    totals: Totals,
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
    fn take_members(&mut self) -> (Vec<Name>, Vec<Value>) {
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

/// How objects are made and changed. Positions are checked by the caller; what is shared is copied.
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

/// What the texts of names take that nobody else holds.
pub(crate) fn exclusive_texts(names: &[Name]) -> u64 {
    let own = names.iter().filter(|name| name.is_own());
    own.map(|name| name.heap_bytes() as u64).sum()
}

/// A leaf of the tree.
#[derive(Debug, Default)]
struct Leaf {
    /// Invariant: sorted, as many as there are values.
    names: Vec<Name>,
    values: Vec<Value>,
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
