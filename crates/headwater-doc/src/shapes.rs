use std::{borrow::Cow, mem};

use triomphe::Arc;

use crate::{
    failure::excerpt,
    name::{Name, NameList},
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
}

struct Shape {
    /// The names as they stand in the text.
    text_order: Vec<Name>,
    names: Names,
    /// For each name in order, its place in the text; none if the text has them in order.
    places: Vec<usize>,
}

/// Shapes that are remembered. A document has seldom more kinds of records within one another; each
/// more is one more comparison for an object of a new shape.
const RECENT_MAX: usize = 16;

/// Members up to which a shape is worth remembering; larger objects are maps rather than records.
const MEMBERS_MAX: usize = 64;

impl Shapes {
    /// Makes an object of names in the order of the text and the values from an index on, which are
    /// taken off their list. The error is as much of a name that is repeated as an error holds.
    pub(crate) fn object(
        &mut self,
        names: &[Cow<'_, str>],
        values: &mut Vec<Value>,
        from: usize,
    ) -> Result<Value, String> {
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
            return Ok(Value::NULL);
        };
        let object = if shape.places.is_empty() {
            Value::object_from_tail(shape.names.clone(), known.is_none(), values)
        } else {
            let unsorted = values.get_mut(from..).unwrap_or_default();
            let in_order = shape.places.iter().map(|&place| {
                let value = unsorted.get_mut(place);
                value.map(mem::take).unwrap_or_default()
            });
            self.sorted.extend(in_order);
            values.truncate(from);
            Value::object_from_tail(shape.names.clone(), known.is_none(), &mut self.sorted)
        };
        if names.len() > MEMBERS_MAX {
            self.recent.remove(0);
        }
        Ok(object)
    }

    /// Remembers a new shape, and returns its slot.
    fn learn(&mut self, names: &[Cow<'_, str>]) -> Result<usize, String> {
        let text_order: Vec<Name> = names.iter().map(|name| Name::from(&**name)).collect();
        let mut places: Vec<usize> = (0..names.len()).collect();
        places.sort_by_key(|&place| text_order.get(place));
        let sorted: Vec<Name> = places
            .iter()
            .filter_map(|&place| text_order.get(place).cloned())
            .collect();
        for pair in sorted.windows(2) {
            if let [left, right] = pair
                && left == right
            {
                return Err(excerpt(left.as_str()));
            }
        }
        if places.is_sorted() {
            places.clear();
        }
        self.recent.truncate(RECENT_MAX - 1);
        self.recent.push(Shape {
            text_order,
            names: Arc::new(NameList::new(sorted)),
            places,
        });
        Ok(self.recent.len() - 1)
    }
}

impl Shape {
    fn fits(&self, names: &[Cow<'_, str>]) -> bool {
        self.text_order.len() == names.len()
            && self
                .text_order
                .iter()
                .zip(names)
                .all(|(known, name)| known.as_bytes() == name.as_bytes())
    }
}
