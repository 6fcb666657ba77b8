use std::{borrow::Cow, cmp::Reverse, mem};

use serde::Serialize;

use super::{
    SerializeFailure,
    fields::FormId,
    scratch::{Heights, Scratch, repeated},
    tree::{Part, Tree, Variant},
};
use crate::{
    failure::excerpt,
    object::{FLAT_MAX, Object},
    value::{Repr, Value},
};

/// An object in the making, of a struct or a map.
///
/// What is known of it lies in a box. Serde hands what opens a container from function to function,
/// which would copy a struct of 150 bytes several times: that took a quarter of the time of a comparison in
/// which little changed.
pub(super) struct Members<'s, 'o> {
    pub(super) scratch: &'s mut Scratch<'o>,
    pub(super) frame: Box<Frame<'o>>,
}

/// What is known of an object in the making.
#[derive(Default)]
pub(super) struct Frame<'o> {
    /// Containers around its members.
    pub(super) around: u32,
    /// Whether a member is being made, or was not, since its `Serialize` failed or panicked.
    making: bool,
    /// Its old value, if that is an object.
    pub(super) old: Option<&'o Value>,
    /// Members of that.
    old_len: usize,
    pub(super) count: usize,
    /// How many of them have no old member.
    added: usize,
    /// How many of the others are no longer what they were.
    changed: usize,
    /// A bit for each of the first old members, if it was found. Those of the others lie in the scratch.
    seen: u64,
    from: Heights,
    variant: Option<Variant<'o>>,
    /// Of a struct with a small old object: where its fields stand in that, and its values.
    pub(super) form: FormId,
    values: &'o [Value],
}

/// An old value that a member is compared with, and its position if it is that of the member itself.
pub(super) type Old<'o> = (Option<usize>, &'o Value);

impl<'s, 'o> Members<'s, 'o> {
    pub(super) fn open(
        inside: Tree<'s, 'o>,
        old: Option<Object<'o>>,
        variant: Option<Variant<'o>>,
    ) -> Self {
        let old_value = inside.old.filter(|_| old.is_some());
        let mut members = Self::open_flat(inside, (FormId::NONE, &[]), variant);
        members.frame.old = old_value;
        members.frame.old_len = old.map_or(0, Object::len);
        let seen_len = members.scratch.seen.len() + words(old);
        members.scratch.seen.resize(seen_len, 0);
        members
    }

    /// Starts an object of a struct, of which the old one is small and has these values; or none of either.
    #[inline]
    pub(super) fn open_flat(
        inside: Tree<'s, 'o>,
        (form, values): (FormId, &'o [Value]),
        variant: Option<Variant<'o>>,
    ) -> Self {
        let scratch = inside.scratch;
        let mut frame = scratch.objects.pop().unwrap_or_default();
        *frame = Frame {
            around: inside.around,
            making: false,
            old: inside.old,
            old_len: values.len(),
            count: 0,
            added: 0,
            changed: 0,
            seen: 0,
            from: scratch.heights(),
            variant,
            form,
            values,
        };
        Self { scratch, frame }
    }

    #[inline(never)]
    pub(super) fn push<T: Serialize + ?Sized>(
        &mut self,
        name: impl Into<Cow<'o, str>>,
        old: Option<Old<'o>>,
        value: &T,
    ) -> Result<(), SerializeFailure> {
        let (slot, old) = old.map_or((None, None), |(slot, old)| (slot, Some(old)));
        if mem::replace(&mut self.frame.making, true) {
            self.clear();
        }
        let inside = Tree {
            around: self.frame.around,
            old,
            scratch: self.scratch,
        };
        let part = match value.serialize(inside) {
            Ok(part) => part,
            Err(failure) => return Err(self.locate_inside(failure, &name.into())),
        };
        self.frame.making = false;
        self.frame.count += 1;
        if let Some(slot) = slot
            && self.see(slot)
        {
            if let Part::Made(value) = part {
                self.change(slot, value);
            }
        } else {
            // Also what came before, which is found out when the object is made.
            self.frame.added += 1;
            self.scratch.names.push(name.into());
            self.scratch.values.push(part.or_old(old));
        }
        Ok(())
    }

    /// Takes what is to stand in the place of an old member.
    #[inline(never)]
    pub(super) fn change(&mut self, slot: usize, value: Value) {
        self.frame.changed += 1;
        self.scratch.changes.push((slot, value));
    }

    #[inline]
    pub(super) fn finish(self) -> Result<Part, SerializeFailure> {
        if self.frame.making || !self.frame.is_kept() {
            return self.finish_changed();
        }
        // Nothing of it lies in the scratch but marks.
        self.scratch.seen.truncate(self.frame.from.seen);
        self.scratch.objects.push(self.frame);
        Ok(Part::Kept)
    }

    #[inline(never)]
    fn finish_changed(mut self) -> Result<Part, SerializeFailure> {
        let part = self.object();
        self.scratch.lower(self.frame.from);
        let part = match self.frame.variant {
            Some(variant) => match part {
                Ok(part) => variant.around(part, self.scratch),
                Err(failure) => Err(variant.locate(failure)),
            },
            None => part,
        };
        self.scratch.objects.push(self.frame);
        part
    }

    fn object(&mut self) -> Result<Part, SerializeFailure> {
        if self.frame.making {
            self.clear();
        }
        let frame = &*self.frame;
        let (added, removed) = (frame.added, frame.old_len - frame.found());
        let (from, kept) = (frame.from, frame.is_kept());
        let old = frame.old;
        let scratch = &mut *self.scratch;
        let Some((value, old)) = old.and_then(|old| Some((old, old.as_object()?))) else {
            return scratch.object(from).map(Part::Made);
        };
        if kept {
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
        self.scratch.object(from).map(Part::Made)
    }

    /// Puts the old members that were found on top of the new ones, with the changes in their places.
    fn push_seen(&mut self, old: Object<'o>) {
        let changes_from = self.frame.from.changes;
        let mut changes = self.scratch.changes.split_off(changes_from);
        changes.sort_unstable_by_key(|(slot, _)| Reverse(*slot));
        for (slot, (name, value)) in old.iter().enumerate() {
            if self.has_seen(slot) {
                let change = changes.pop_if(|(changed, _)| *changed == slot);
                let value = change.map_or_else(|| value.clone(), |(_, value)| value);
                self.scratch.names.push(Cow::Borrowed(name));
                self.scratch.values.push(value);
            }
        }
    }

    /// Makes a large object of the old one, which shares the nodes without a change.
    fn tree(&mut self, value: &Value, old: Object<'o>) -> Result<Value, SerializeFailure> {
        let (from, found) = (self.frame.from, self.frame.found());
        let mut tree = self.scratch.changed_tree(value, from.changes);
        if found < old.len() {
            for slot in (0..old.len()).rev() {
                if !self.has_seen(slot) {
                    drop(tree.remove_member(slot, &mut 0));
                }
            }
        }
        let scratch = &mut *self.scratch;
        let names = scratch.names.drain(from.names..);
        let mut first_repeated: Option<Cow<'o, str>> = None;
        for (name, value) in names.zip(scratch.values.drain(from.values..)) {
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
        let bit = bit(slot);
        let seen_from = self.frame.from.seen;
        let word = match slot / BITS {
            0 => Some(&mut self.frame.seen),
            word => self.scratch.seen.get_mut(seen_from + word - 1),
        };
        word.is_some_and(|word| {
            let first = *word & bit == 0;
            *word |= bit;
            first
        })
    }

    fn has_seen(&self, slot: usize) -> bool {
        let seen_from = self.frame.from.seen;
        let word = match slot / BITS {
            0 => Some(&self.frame.seen),
            word => self.scratch.seen.get(seen_from + word - 1),
        };
        word.is_some_and(|word| word & bit(slot) != 0)
    }

    /// Takes off what a member left behind that came to nothing.
    #[cold]
    fn clear(&mut self) {
        let frame = &*self.frame;
        let (from, changed, added) = (frame.from, frame.changed, frame.added);
        let old = frame.old.and_then(Value::as_object);
        self.scratch.lower(Heights {
            values: from.values + added,
            names: from.names + added,
            changes: from.changes + changed,
            seen: from.seen + words(old),
        });
    }

    /// A failure in a member, as seen from around the object.
    #[cold]
    pub(super) fn locate_inside(&self, failure: SerializeFailure, name: &str) -> SerializeFailure {
        let failure = failure.inside(name);
        match self.frame.variant {
            Some(variant) => variant.locate(failure),
            None => failure,
        }
    }
}

impl<'o> Frame<'o> {
    /// Starts to make a field of which the old one is at a slot, the first of those that came so; none if it is
    /// not there, was found already, or something lies above that came to nothing.
    #[inline(always)]
    pub(super) fn start_awaited(&mut self, slot: usize) -> Option<&'o Value> {
        let old = self.values.get(slot)?;
        if self.making || self.seen & bit(slot) != 0 {
            return None;
        }
        self.making = true;
        Some(old)
    }

    /// Counts it once it was made.
    #[inline(always)]
    pub(super) const fn end_awaited(&mut self, slot: usize) {
        self.making = false;
        self.count += 1;
        self.seen |= bit(slot);
    }

    /// How many members have an old one.
    const fn found(&self) -> usize {
        self.count - self.added
    }

    /// Whether every old member came again, unchanged, and no other.
    #[inline]
    const fn is_kept(&self) -> bool {
        self.old.is_some() && self.changed == 0 && self.added == 0 && self.count == self.old_len
    }
}

/// The mark of a member in its word.
const fn bit(slot: usize) -> u64 {
    1 << (slot % BITS)
}

/// Words of marks that an object needs in the scratch.
fn words(old: Option<Object<'_>>) -> usize {
    old.map_or(0, |old| old.len() / BITS)
}

/// A large object is made anew if more than one in so many of its members came or went: each that is
/// inserted or removed by itself costs a way down the tree and most of a leaf.
const REMADE_MIN: usize = 4;

const BITS: usize = u64::BITS as usize;

const _: () = assert!(
    FLAT_MAX < BITS,
    "one word marks all members of a small object"
);
