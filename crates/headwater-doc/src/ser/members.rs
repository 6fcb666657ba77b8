use std::{borrow::Cow, cmp::Reverse};

use serde::Serialize;

use super::{
    SerializeFailure,
    scratch::{Heights, repeated},
    tree::{Part, Tree, Variant},
};
use crate::{
    failure::excerpt,
    object::Object,
    value::{Repr, Value},
};

/// An object in the making, of a struct or a map.
pub(super) struct Members<'s, 'o> {
    /// Its old value is that of the object, if that is one.
    pub(super) inside: Tree<'s, 'o>,
    pub(super) count: usize,
    /// How many of them have an old member.
    found: usize,
    /// How many of those are no longer what they were.
    changed: usize,
    /// A bit for each of the first old members, if it was found. Those of the others lie in the scratch.
    seen: u64,
    from: Heights,
    /// Whether a member is being made, or was not, since its `Serialize` failed or panicked.
    making: bool,
    variant: Option<Variant<'o>>,
}

/// An old value that a member is compared with, and its position if it is that of the member itself.
pub(super) type Old<'o> = (Option<usize>, &'o Value);

impl<'s, 'o> Members<'s, 'o> {
    #[inline]
    pub(super) fn open(
        inside: Tree<'s, 'o>,
        old: Option<Object<'o>>,
        variant: Option<Variant<'o>>,
    ) -> Self {
        let from = inside.scratch.heights();
        inside.scratch.seen.resize(from.seen + words(old), 0);
        Self {
            inside: Tree {
                old: inside.old.filter(|_| old.is_some()),
                ..inside
            },
            count: 0,
            found: 0,
            changed: 0,
            seen: 0,
            from,
            making: false,
            variant,
        }
    }

    #[inline]
    pub(super) fn push<T: Serialize + ?Sized>(
        &mut self,
        name: impl Into<Cow<'o, str>>,
        old: Option<Old<'o>>,
        value: &T,
    ) -> Result<(), SerializeFailure> {
        if self.making {
            self.clear();
        }
        self.making = true;
        let (slot, old) = old.map_or((None, None), |(slot, old)| (slot, Some(old)));
        let part = match value.serialize(self.inside.child(old)) {
            Ok(part) => part,
            Err(failure) => return Err(self.locate(failure.inside(name.into()))),
        };
        self.making = false;
        self.count += 1;
        if let Some(slot) = slot
            && self.see(slot)
        {
            self.found += 1;
            if let Part::Made(value) = part {
                self.changed += 1;
                self.inside.scratch.changes.push((slot, value));
            }
        } else {
            // Also what came before, which is found out when the object is made.
            self.inside.scratch.names.push(name.into());
            self.inside.scratch.values.push(part.or_old(old));
        }
        Ok(())
    }

    #[inline]
    pub(super) fn finish(mut self) -> Result<Part, SerializeFailure> {
        if self.making {
            self.clear();
        }
        let part = self.object().map_err(|failure| self.locate(failure))?;
        self.inside.scratch.lower(self.from);
        match self.variant {
            Some(variant) => variant.around(part, self.inside.scratch),
            None => Ok(part),
        }
    }

    fn object(&mut self) -> Result<Part, SerializeFailure> {
        let (scratch, from) = (&mut *self.inside.scratch, self.from);
        let Some((value, old)) = self
            .inside
            .old
            .and_then(|old| Some((old, old.as_object()?)))
        else {
            return scratch.object(from).map(Part::Made);
        };
        let (added, removed) = (self.count - self.found, old.len() - self.found);
        if added + removed + self.changed == 0 {
            return Ok(Part::Kept);
        }
        if let Repr::ObjectTree(_) = &value.0
            && (added + removed).saturating_mul(REMADE_MIN) <= old.len()
        {
            return self.tree(value, old).map(Part::Made);
        }
        if let Repr::Object(node) = &value.0
            && added + removed == 0
        {
            let node = scratch.changed_node(node, from.changes);
            return Ok(Part::Made(Value(Repr::Object(node))));
        }
        self.push_seen(old);
        self.inside.scratch.object(from).map(Part::Made)
    }

    /// Puts the old members that were found on top of the new ones, with the changes in their places.
    fn push_seen(&mut self, old: Object<'o>) {
        let mut changes = self.inside.scratch.changes.split_off(self.from.changes);
        changes.sort_unstable_by_key(|(slot, _)| Reverse(*slot));
        for (slot, (name, value)) in old.iter().enumerate() {
            if self.has_seen(slot) {
                let change = changes.pop_if(|(changed, _)| *changed == slot);
                let value = change.map_or_else(|| value.clone(), |(_, value)| value);
                self.inside.scratch.names.push(Cow::Borrowed(name));
                self.inside.scratch.values.push(value);
            }
        }
    }

    /// Makes a large object of the old one, which shares the nodes without a change.
    fn tree(&mut self, value: &Value, old: Object<'o>) -> Result<Value, SerializeFailure> {
        let mut tree = self.inside.scratch.changed_tree(value, self.from.changes);
        if self.found < old.len() {
            for slot in (0..old.len()).rev() {
                if !self.has_seen(slot) {
                    drop(tree.remove_member(slot, &mut 0));
                }
            }
        }
        let scratch = &mut *self.inside.scratch;
        let names = scratch.names.drain(self.from.names..);
        let mut first_repeated: Option<Cow<'o, str>> = None;
        for (name, value) in names.zip(scratch.values.drain(self.from.values..)) {
            let place = tree.as_object().map(|object| object.find(&name));
            if let Some(Err(position)) = place {
                tree.insert_member(position, &name, value, &mut 0);
            } else if first_repeated.as_ref().is_none_or(|first| name < *first) {
                first_repeated = Some(name);
            }
        }
        match first_repeated {
            Some(name) => Err(repeated(excerpt(&name))),
            None => Ok(tree),
        }
    }

    /// Marks an old member as found; false if it was already.
    #[inline]
    fn see(&mut self, slot: usize) -> bool {
        let bit = 1 << (slot % BITS);
        let word = match slot / BITS {
            0 => Some(&mut self.seen),
            word => self.inside.scratch.seen.get_mut(self.from.seen + word - 1),
        };
        word.is_some_and(|word| {
            let first = *word & bit == 0;
            *word |= bit;
            first
        })
    }

    fn has_seen(&self, slot: usize) -> bool {
        let word = match slot / BITS {
            0 => Some(&self.seen),
            word => self.inside.scratch.seen.get(self.from.seen + word - 1),
        };
        word.is_some_and(|word| word & (1 << (slot % BITS)) != 0)
    }

    /// Takes off what a member left behind that came to nothing.
    #[cold]
    fn clear(&mut self) {
        self.making = false;
        let added = self.count - self.found;
        let old = self.inside.old.and_then(Value::as_object);
        self.inside.scratch.lower(Heights {
            values: self.from.values + added,
            names: self.from.names + added,
            changes: self.from.changes + self.changed,
            seen: self.from.seen + words(old),
        });
    }

    fn locate(&self, failure: SerializeFailure) -> SerializeFailure {
        match self.variant {
            Some(variant) => variant.locate(failure),
            None => failure,
        }
    }
}

/// Words of marks that an object needs in the scratch.
fn words(old: Option<Object<'_>>) -> usize {
    old.map_or(0, |old| old.len() / BITS)
}

/// A large object is made anew if more than one in so many of its members came or went: each that is
/// inserted or removed by itself costs a way down the tree and most of a leaf.
const REMADE_MIN: usize = 4;

const BITS: usize = u64::BITS as usize;
