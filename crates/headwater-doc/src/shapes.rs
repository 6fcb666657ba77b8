use std::{borrow::Cow, mem};

use triomphe::Arc;

use crate::{
    failure::excerpt,
    name::{Name, NameList},
    node::push_made,
    object::Names,
    value::Value,
};

/// The shapes of the objects that were read last, so that a table of records has one list of names.
///
/// A shape is found by comparing names in the order of the text, which costs less than making them;
/// there is no table of all names, which would have to be emptied some day.
#[derive(Default)]
pub(crate) struct Shapes {
    /// The one used last at the front.
    recent: Vec<Shape>,
    /// The values of an object in the order of their names.
    sorted: Vec<Value>,
    /// The places of names in the text, in their order.
    places: Vec<usize>,
}

struct Shape {
    names: Names,
    /// For each name as they stand in the text, its slot among the names in order.
    slots: Vec<usize>,
    /// Whether the text has them in order.
    in_order: bool,
}

/// Shapes that are remembered. A document has seldom more kinds of records within one another; each
/// more is one more comparison for an object of a new shape.
const RECENT_MAX: usize = 16;

/// Members up to which a shape is worth remembering; larger objects are maps rather than records.
const MEMBERS_MAX: usize = 64;

impl Shapes {
    /// Makes an object of names in the order of the text and the values from an index on, whose place it
    /// takes in their list. The error is as much of a name that is repeated as an error holds.
    pub(crate) fn object(
        &mut self,
        names: &[Cow<'_, str>],
        values: &mut Vec<Value>,
        from: usize,
    ) -> Result<(), String> {
        let known = self.recent.iter().position(|shape| shape.fits(names));
        let slot = match known {
            Some(slot) => slot,
            None => self.learn(names)?,
        };
        if slot > 0 {
            self.recent
                .get_mut(..=slot)
                .unwrap_or_default()
                .rotate_right(1);
        }
        let Some(shape) = self.recent.first() else {
            return Ok(());
        };
        let (list, new) = (shape.names.clone(), known.is_none());
        if shape.in_order {
            let object = Value::object_from_tail(list, new, values);
            values.push(object);
        } else {
            self.sorted.resize(names.len(), Value::NULL);
            let unsorted = values.get_mut(from..).unwrap_or_default();
            for (&slot, value) in shape.slots.iter().zip(unsorted) {
                if let Some(place) = self.sorted.get_mut(slot) {
                    mem::swap(place, value);
                }
            }
            values.truncate(from);
            push_made(values, || {
                Value::object_from_tail(list, new, &mut self.sorted)
            });
        }
        if names.len() > MEMBERS_MAX {
            self.recent.remove(0);
        }
        Ok(())
    }

    /// Remembers a new shape, and returns its slot.
    fn learn(&mut self, names: &[Cow<'_, str>]) -> Result<usize, String> {
        self.places.clear();
        self.places.extend(0..names.len());
        let in_order = names.is_sorted();
        if !in_order {
            self.places.sort_unstable_by_key(|&place| names.get(place));
        }
        let mut slots = vec![0; names.len()];
        let mut sorted: Vec<Name> = Vec::with_capacity(names.len());
        for (slot, &place) in self.places.iter().enumerate() {
            if let (Some(name), Some(at)) = (names.get(place), slots.get_mut(place)) {
                sorted.push(Name::from(&**name));
                *at = slot;
            }
        }
        for pair in sorted.windows(2) {
            if let [left, right] = pair
                && left == right
            {
                return Err(excerpt(left.as_str()));
            }
        }
        self.recent.truncate(RECENT_MAX - 1);
        self.recent.push(Shape {
            names: Arc::new(NameList::new(sorted)),
            slots,
            in_order,
        });
        Ok(self.recent.len() - 1)
    }
}

impl Shape {
    fn fits(&self, names: &[Cow<'_, str>]) -> bool {
        let known = |(&slot, name): (&usize, &Cow<'_, str>)| {
            let known = self.names.get(slot).map(Name::as_bytes);
            known == Some(name.as_bytes())
        };
        self.slots.len() == names.len() && self.slots.iter().zip(names).all(known)
    }
}
