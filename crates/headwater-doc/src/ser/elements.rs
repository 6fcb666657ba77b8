use serde::{Serialize, ser};

use super::{
    SerializeFailure,
    scratch::Heights,
    tree::{Part, Tree, Variant},
};
use crate::{
    array::{self, Array},
    value::{Repr, Value},
};

/// An array in the making.
pub(super) struct Elements<'s, 'o> {
    /// Its old value is that of the array, if that is one.
    inside: Tree<'s, 'o>,
    /// The old elements from the count on.
    olds: Option<array::Elements<'o>>,
    /// The last old element: what the elements behind it are compared with, since they are of its kind.
    last: Option<&'o Value>,
    count: usize,
    from: Heights,
    /// How many of them are no longer what the old element was.
    changed: usize,
    /// Whether an element is being made, or was not, since its `Serialize` failed or panicked.
    making: bool,
    variant: Option<Variant<'o>>,
}

impl<'s, 'o> Elements<'s, 'o> {
    /// Starts an array inside a container, or as the content of a variant.
    pub(super) fn open(inside: Tree<'s, 'o>, variant: Option<Variant<'o>>) -> Self {
        let old = inside.old.and_then(Value::as_array);
        Self {
            olds: old.map(Array::iter),
            last: None,
            count: 0,
            from: inside.scratch.heights(),
            changed: 0,
            making: false,
            inside: Tree {
                old: inside.old.filter(|_| old.is_some()),
                ..inside
            },
            variant,
        }
    }

    pub(super) fn push<T: Serialize + ?Sized>(
        &mut self,
        element: &T,
    ) -> Result<(), SerializeFailure> {
        if self.making {
            self.clear();
        }
        let old = self.olds.as_mut().and_then(Iterator::next);
        self.last = old.or(self.last);
        self.making = true;
        let part = match element.serialize(self.inside.child(self.last)) {
            Ok(part) => part,
            Err(failure) => return Err(self.locate(failure.inside(self.count))),
        };
        self.making = false;
        let scratch = &mut *self.inside.scratch;
        match (old, part) {
            (Some(_), Part::Kept) => {}
            (Some(_), Part::Made(value)) => {
                self.changed += 1;
                scratch.changes.push((self.count, value));
            }
            (None, part) => scratch.values.push(part.or_old(self.last)),
        }
        self.count += 1;
        Ok(())
    }

    pub(super) fn finish(mut self) -> Result<Part, SerializeFailure> {
        if self.making {
            self.clear();
        }
        let part = self.array();
        self.inside.scratch.lower(self.from);
        match self.variant {
            Some(variant) => variant.around(part, self.inside.scratch),
            None => Ok(part),
        }
    }

    fn array(&mut self) -> Part {
        let (scratch, from) = (&mut *self.inside.scratch, self.from);
        let Some((value, old)) = self.inside.old.and_then(|old| Some((old, old.as_array()?)))
        else {
            return Part::Made(Value::array_from_tail(&mut scratch.values, from.values));
        };
        if self.count == old.len() && self.changed == 0 {
            return Part::Kept;
        }
        let paired = self.count.min(old.len());
        if let Repr::ArrayTree(_) = &value.0
            && self.changed.saturating_mul(REMADE_MIN) <= old.len()
        {
            let mut tree = scratch.changed_tree(value, from.changes);
            let added = Value::array_from_tail(&mut scratch.values, from.values);
            if let Some(added) = added.as_array()
                && self.count != old.len()
            {
                drop(tree.splice_elements(paired..old.len(), added, &mut 0));
            }
            return Part::Made(tree);
        }
        let bottom = scratch.values.len();
        scratch.values.extend(old.iter().take(paired).cloned());
        for (slot, value) in scratch.changes.drain(from.changes..) {
            if let Some(place) = scratch.values.get_mut(bottom + slot) {
                *place = value;
            }
        }
        // What is behind the old elements lay below them.
        let elements = scratch.values.get_mut(from.values..).unwrap_or_default();
        elements.rotate_left(bottom - from.values);
        Part::Made(Value::array_from_tail(&mut scratch.values, from.values))
    }

    /// Takes off what an element left behind that came to nothing.
    #[cold]
    fn clear(&mut self) {
        self.making = false;
        let old = self.inside.old.and_then(Value::as_array);
        let added = self.count.saturating_sub(old.map_or(0, Array::len));
        self.inside.scratch.lower(Heights {
            values: self.from.values + added,
            changes: self.from.changes + self.changed,
            ..self.from
        });
        self.olds = old.map(|old| old.iter_from(self.count));
    }

    fn locate(&self, failure: SerializeFailure) -> SerializeFailure {
        match self.variant {
            Some(variant) => variant.locate(failure),
            None => failure,
        }
    }
}

macro_rules! serialize_elements {
    ($($kind:ident::$method:ident),+) => {
        $(impl ser::$kind for Elements<'_, '_> {
            type Ok = Part;
            type Error = SerializeFailure;

            fn $method<T: Serialize + ?Sized>(
                &mut self,
                element: &T,
            ) -> Result<(), SerializeFailure> {
                self.push(element)
            }

            fn end(self) -> Result<Part, SerializeFailure> {
                self.finish()
            }
        })+
    };
}

serialize_elements!(
    SerializeSeq::serialize_element,
    SerializeTuple::serialize_element,
    SerializeTupleStruct::serialize_field,
    SerializeTupleVariant::serialize_field
);

/// A large array is made anew if more than one in so many of its elements changed: each that is put in
/// its place by itself costs a way down the tree.
const REMADE_MIN: usize = 4;
