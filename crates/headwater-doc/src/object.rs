use std::{fmt, mem};

use triomphe::Arc;

use crate::{
    dismantle::{RECURSION_MAX, dismantle},
    rope::escape_bytes,
    totals::{Measure, Totals},
    value::Value,
};

/// A JSON object: its members sorted by name, so that looking one up is a binary search.
///
/// The names stand in a list of their own, which objects made from one another share: a thousand
/// versions of a record keep its names once.
#[derive(Clone, Default)]
pub struct Object {
    /// Invariant: sorted by bytes, without repetition, as many as there are `values`.
    names: Arc<Vec<Name>>,
    values: Vec<Value>,
    /// Invariant: the sum of what the members measure.
    totals: Totals,
}

/// A member's name; `Arc<str>` so that a list of names is copied without copying text.
type Name = Arc<str>;

impl Object {
    /// How many members there are.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.values.len()
    }

    /// Whether there are none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// The value of a name. O(log n).
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.values.get(self.position(name).ok()?)
    }

    /// The members, sorted by the bytes of their names.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = (&str, &Value)> {
        self.names().zip(&self.values)
    }

    /// The names in order.
    pub fn names(&self) -> impl ExactSizeIterator<Item = &str> + DoubleEndedIterator {
        self.names.iter().map(|name| &**name)
    }

    /// The values in the order of their names.
    pub fn values(&self) -> impl ExactSizeIterator<Item = &Value> + DoubleEndedIterator {
        self.values.iter()
    }

    pub(crate) fn names_eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.names, &other.names) || self.names == other.names
    }

    /// Where a name stands, or would stand.
    pub(crate) fn position(&self, name: &str) -> Result<usize, usize> {
        self.names.binary_search_by(|other| (**other).cmp(name))
    }

    pub(crate) fn value_at(&self, position: usize) -> Option<&Value> {
        self.values.get(position)
    }

    pub(crate) const fn measure(&self) -> Measure {
        self.totals.measure()
    }

    pub(crate) fn child_mut(&mut self, position: usize) -> Option<&mut Value> {
        self.values.get_mut(position)
    }

    /// Lets the header follow a value that was changed in place.
    pub(crate) const fn shift(&mut self, before: Measure, after: Measure) {
        self.totals.shift(before, after);
    }

    /// Inserts a member where [`position`](Self::position) says that it would stand.
    pub(crate) fn insert(&mut self, position: usize, name: &str, value: Value) {
        self.totals.add(value.measure(), name_bytes(name));
        Arc::make_mut(&mut self.names).insert(position, Name::from(name));
        self.values.insert(position, value);
    }

    /// Removes the member at a position that exists.
    pub(crate) fn remove(&mut self, position: usize) -> Value {
        let name = Arc::make_mut(&mut self.names).remove(position);
        let removed = self.values.remove(position);
        self.totals.remove(removed.measure(), name_bytes(&name));
        removed
    }

    /// Makes an object of members in any order, or gives back the first name that is repeated.
    pub(crate) fn from_members(mut members: Vec<(Name, Value)>) -> Result<Self, Name> {
        if !members.is_sorted_by(|(left, _), (right, _)| left < right) {
            members.sort_by(|(left, _), (right, _)| left.cmp(right));
            for pair in members.windows(2) {
                if let [(left, _), (right, _)] = pair
                    && left == right
                {
                    return Err(left.clone());
                }
            }
        }
        let mut totals = Totals::default();
        let (names, values) = members
            .into_iter()
            .inspect(|(name, value)| totals.add(value.measure(), name_bytes(name)))
            .unzip();
        Ok(Self {
            names: Arc::new(names),
            values,
            totals,
        })
    }

    /// Takes out the values.
    pub(crate) fn take_children(&mut self) -> Vec<Value> {
        mem::take(&mut self.values)
    }
}

/// Bytes of a name as it stands in the text, with its quotes and colon.
pub(crate) fn name_bytes(name: &str) -> u64 {
    (name.len() + escape_bytes(name) + 3) as u64
}

impl<N: Into<Box<str>>> FromIterator<(N, Value)> for Object {
    /// Of a repeated name the last counts.
    fn from_iter<I: IntoIterator<Item = (N, Value)>>(members: I) -> Self {
        let mut object = Self::default();
        for (name, value) in members {
            let name: Box<str> = name.into();
            match object.position(&name) {
                Ok(position) => {
                    if let Some(slot) = object.values.get_mut(position) {
                        object.totals.shift(slot.measure(), value.measure());
                        *slot = value;
                    }
                }
                Err(position) => object.insert(position, &name, value),
            }
        }
        object
    }
}

impl Drop for Object {
    fn drop(&mut self) {
        if self.totals.measure().height > RECURSION_MAX {
            dismantle(self.take_children());
        }
    }
}

impl fmt::Debug for Object {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}
