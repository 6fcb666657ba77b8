use std::mem;

use serde::{Serialize, ser};

use super::{
    SerializeFailure,
    scratch::{Heights, Scratch},
    tree::{Part, Tree, Variant},
};
use crate::{
    array::{self, Array},
    value::{Repr, Value},
};

/// An array in the making. What is known of it lies in a box, as of an object.
pub(super) struct Elements<'s, 'o> {
    scratch: &'s mut Scratch<'o>,
    frame: Box<Frame<'o>>,
}

/// What is known of an array in the making.
#[derive(Default)]
pub(super) struct Frame<'o> {
    /// Containers around its elements.
    around: u32,
    /// Whether an element is being made, or was not, since its `Serialize` failed or panicked.
    making: bool,
    /// Its old value, if that is an array.
    old: Option<&'o Value>,
    /// The old elements from the count on.
    olds: Option<array::Elements<'o>>,
    /// The last old element: what the elements behind it are compared with, since they are of its kind.
    last: Option<&'o Value>,
    count: usize,
    /// How many of them are no longer what the old element was.
    changed: usize,
    from: Heights,
    variant: Option<Variant<'o>>,
}

impl<'s, 'o> Elements<'s, 'o> {
    /// Starts an array inside a container, or as the content of a variant.
    #[inline]
    pub(super) fn open(inside: Tree<'s, 'o>, variant: Option<Variant<'o>>) -> Self {
        let scratch = inside.scratch;
        let old = inside.old.and_then(Value::as_array);
        let mut frame = scratch.arrays.pop().unwrap_or_default();
        *frame = Frame {
            around: inside.around,
            making: false,
            old: inside.old.filter(|_| old.is_some()),
            olds: old.map(Array::iter),
            last: None,
            count: 0,
            changed: 0,
            from: scratch.heights(),
            variant,
        };
        Self { scratch, frame }
    }

    #[inline]
    pub(super) fn push<T: Serialize + ?Sized>(
        &mut self,
        element: &T,
    ) -> Result<(), SerializeFailure> {
        let Self { scratch, frame } = self;
        if mem::replace(&mut frame.making, true) {
            frame.clear(scratch);
        }
        let old = frame.olds.as_mut().and_then(Iterator::next);
        frame.last = old.or(frame.last);
        let inside = Tree {
            around: frame.around,
            old: frame.last,
            scratch,
        };
        let part = match element.serialize(inside) {
            Ok(part) => part,
            Err(failure) => return Err(frame.locate_inside(failure)),
        };
        match (old, part) {
            (Some(_), Part::Kept) => {}
            (Some(_), Part::Made(value)) => {
                frame.changed += 1;
                scratch.changes.push((frame.count, value));
            }
            (None, part) => scratch.values.push(part.or_old(frame.last)),
        }
        frame.making = false;
        frame.count += 1;
        Ok(())
    }

    #[inline]
    pub(super) fn finish(self) -> Result<Part, SerializeFailure> {
        if self.frame.making || !self.frame.is_kept() {
            return self.finish_changed();
        }
        self.scratch.arrays.push(self.frame);
        Ok(Part::Kept)
    }

    #[inline(never)]
    fn finish_changed(self) -> Result<Part, SerializeFailure> {
        let Self { scratch, mut frame } = self;
        if frame.making {
            frame.clear(scratch);
        }
        let part = frame.array(scratch);
        scratch.lower(frame.from);
        let variant = frame.variant;
        scratch.arrays.push(frame);
        match variant {
            Some(variant) => variant.around(part, scratch),
            None => Ok(part),
        }
    }
}

impl<'o> Frame<'o> {
    /// Whether every old element came again, unchanged, and no other.
    #[inline]
    fn is_kept(&self) -> bool {
        let old = self.old.and_then(Value::as_array);
        old.is_some_and(|old| self.count == old.len() && self.changed == 0)
    }

    fn array(&self, scratch: &mut Scratch<'o>) -> Part {
        let from = self.from;
        let Some((value, old)) = self.old.and_then(|old| Some((old, old.as_array()?))) else {
            return Part::Made(Value::array_from_tail(&mut scratch.values, from.values));
        };
        if self.is_kept() {
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
    fn clear(&mut self, scratch: &mut Scratch<'o>) {
        let old = self.old.and_then(Value::as_array);
        let added = self.count.saturating_sub(old.map_or(0, Array::len));
        scratch.lower(Heights {
            values: self.from.values + added,
            changes: self.from.changes + self.changed,
            ..self.from
        });
        self.olds = old.map(|old| old.iter_from(self.count));
    }

    /// A failure in the element ahead, as seen from around the array.
    #[cold]
    fn locate_inside(&self, failure: SerializeFailure) -> SerializeFailure {
        let failure = failure.inside(self.count);
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

            #[inline]
            fn $method<T: Serialize + ?Sized>(
                &mut self,
                element: &T,
            ) -> Result<(), SerializeFailure> {
                self.push(element)
            }

            #[inline]
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
