use std::{borrow::Cow, mem};

use triomphe::Arc;

use crate::{
    failure::excerpt,
    name::{Name, NameList},
    object::Names,
    packed::Words,
    totals::Totals,
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
    /// For each name as they stand in the text, its slot among the names in order; empty if the text has
    /// them in order.
    slots: Vec<usize>,
}

/// A name in the order of the text, before it is that of an object.
pub(crate) trait Spelling {
    /// Whether it is the very same.
    fn is(&self, name: &Name) -> bool;

    fn to_name(&self) -> Name;
}

/// A name that was read: packed if it is short, as in a [`Name`], so that it is compared as two words.
pub(crate) enum ReadName<'a> {
    Short(Words),
    /// Of more bytes than are packed.
    Long(Cow<'a, str>),
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
        names: &[impl Spelling],
        values: &mut Vec<Value>,
        from: usize,
    ) -> Result<(), String> {
        let totals = Totals::sum(values.get(from..).unwrap_or_default());
        self.object_of_totals(names, totals, values, from)
    }

    /// The same of values whose sums are known.
    pub(crate) fn object_of_totals(
        &mut self,
        names: &[impl Spelling],
        totals: Totals,
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
        if !shape.slots.is_empty() {
            self.sorted.resize(names.len(), Value::NULL);
            let unsorted = values.get_mut(from..).unwrap_or_default();
            for (&slot, value) in shape.slots.iter().zip(unsorted) {
                if let Some(place) = self.sorted.get_mut(slot) {
                    mem::swap(place, value);
                }
            }
            values.truncate(from);
            values.append(&mut self.sorted);
        }
        Value::push_object(list, new, totals, values);
        if names.len() > MEMBERS_MAX {
            self.recent.remove(0);
        }
        Ok(())
    }

    /// Remembers a new shape, and returns its slot.
    fn learn(&mut self, names: &[impl Spelling]) -> Result<usize, String> {
        let mut sorted: Vec<Name> = names.iter().map(Spelling::to_name).collect();
        let mut slots = Vec::new();
        if !sorted.is_sorted() {
            (sorted, slots) = self.sort(sorted);
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
        });
        Ok(self.recent.len() - 1)
    }

    /// Sorts names, and returns the slot of each beside them.
    #[inline(never)]
    fn sort(&mut self, mut names: Vec<Name>) -> (Vec<Name>, Vec<usize>) {
        self.places.clear();
        self.places.extend(0..names.len());
        self.places.sort_unstable_by_key(|&place| names.get(place));
        let mut slots = vec![0; names.len()];
        let mut sorted = Vec::with_capacity(names.len());
        for (slot, &place) in self.places.iter().enumerate() {
            if let (Some(name), Some(at)) = (names.get_mut(place), slots.get_mut(place)) {
                sorted.push(mem::take(name));
                *at = slot;
            }
        }
        (sorted, slots)
    }
}

impl Shape {
    #[inline]
    fn fits(&self, names: &[impl Spelling]) -> bool {
        if self.names.len() != names.len() {
            return false;
        }
        if self.slots.is_empty() {
            return names
                .iter()
                .zip(self.names.iter())
                .all(|(name, known)| name.is(known));
        }
        let known = |(&slot, name)| {
            self.names
                .get(slot)
                .is_some_and(|known| Spelling::is(name, known))
        };
        self.slots.iter().zip(names).all(known)
    }
}

impl Spelling for Cow<'_, str> {
    fn is(&self, name: &Name) -> bool {
        name.as_bytes() == str::as_bytes(self)
    }

    fn to_name(&self) -> Name {
        Name::from(&**self)
    }
}

impl Spelling for ReadName<'_> {
    #[inline]
    fn is(&self, name: &Name) -> bool {
        match self {
            Self::Short(short) => name.is_short(*short),
            Self::Long(long) => long.is(name),
        }
    }

    #[inline]
    fn to_name(&self) -> Name {
        match self {
            Self::Short(short) => Name::from(*short),
            Self::Long(long) => long.to_name(),
        }
    }
}

impl<'a> From<Cow<'a, str>> for ReadName<'a> {
    fn from(name: Cow<'a, str>) -> Self {
        Words::new(&name).map_or(Self::Long(name), Self::Short)
    }
}
