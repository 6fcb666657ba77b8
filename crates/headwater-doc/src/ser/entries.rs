use std::{borrow::Cow, mem};

use serde::{Serialize, ser};

use super::{
    SerializeFailure,
    key::Key,
    members::{Members, Old},
    tree::{Part, Tree},
};
use crate::{
    object::{self, Object},
    value::Value,
};

/// The object of a map in the making.
pub(super) struct Entries<'s, 'o> {
    members: Members<'s, 'o>,
    cursor: Option<Cursor<'o>>,
    /// Whether a key came whose value comes next.
    keyed: bool,
}

impl<'s, 'o> Entries<'s, 'o> {
    /// Starts an object inside a container.
    pub(super) fn open(inside: Tree<'s, 'o>) -> Self {
        let old = inside.old.and_then(Value::as_object);
        Self {
            members: Members::open(inside, old, None),
            cursor: old.map(Cursor::new),
            keyed: false,
        }
    }

    /// The name that came last as a key, and the old member of that name, or another of its kind.
    fn find(&mut self) -> (Cow<'o, str>, Option<Old<'o>>) {
        let key = &self.members.scratch.key;
        let found = self.cursor.as_mut().and_then(|cursor| cursor.seek(key));
        if let Some((slot, name, value)) = found {
            return (Cow::Borrowed(name), Some((Some(slot), value)));
        }
        let last = self.cursor.as_ref().and_then(|cursor| cursor.last);
        (Cow::Owned(key.clone()), last.map(|value| (None, value)))
    }
}

impl ser::SerializeMap for Entries<'_, '_> {
    type Ok = Part;
    type Error = SerializeFailure;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), SerializeFailure> {
        let name = &mut self.members.scratch.key;
        name.clear();
        self.keyed = false;
        key.serialize(Key(name))?;
        self.keyed = true;
        Ok(())
    }

    fn serialize_value<T: Serialize + ?Sized>(
        &mut self,
        value: &T,
    ) -> Result<(), SerializeFailure> {
        if !mem::take(&mut self.keyed) {
            return Err(value_without_key());
        }
        let (name, old) = self.find();
        self.members.push(name, old, value)
    }

    fn end(self) -> Result<Part, SerializeFailure> {
        self.members.finish()
    }
}

#[cold]
fn value_without_key() -> SerializeFailure {
    ser::Error::custom("a value came without its key")
}

/// A walk over the members of an object, which leaps to those that come out of order.
struct Cursor<'o> {
    object: Object<'o>,
    /// The position of the member ahead.
    position: usize,
    ahead: Option<(&'o str, &'o Value)>,
    /// Those behind it.
    members: object::Members<'o>,
    /// The value found last, or that of the first member before one was: what those are compared with
    /// that are new, since members of a map are of one kind.
    last: Option<&'o Value>,
}

impl<'o> Cursor<'o> {
    fn new(object: Object<'o>) -> Self {
        let mut members = object.iter_from(0);
        let ahead = members.next();
        Self {
            object,
            position: 0,
            ahead,
            members,
            last: ahead.map(|(_, value)| value),
        }
    }

    /// Finds a name: the position, the name as it is in the object, and the value.
    fn seek(&mut self, name: &str) -> Option<(usize, &'o str, &'o Value)> {
        if self.ahead.is_none_or(|(ahead, _)| ahead != name) {
            (self.position, _) = self.object.find(name).ok()?;
            self.members = self.object.iter_from(self.position);
            self.ahead = self.members.next();
        }
        let (name, value) = self.ahead?;
        let position = self.position;
        self.position += 1;
        self.ahead = self.members.next();
        self.last = Some(value);
        Some((position, name, value))
    }
}
