use std::{borrow::Cow, cmp::Reverse, mem};

use serde::Serialize;

use super::{
    SerializeFailure,
    fields::{FormId, Forms},
    scratch::{Heights, Scratch, repeated},
    tree::{Part, Tree, Variant},
};
use crate::{
    failure::excerpt,
    node::Node,
    object::{Names, Object},
    value::{Repr, Value},
};

/// An object in the making, of a struct or a map.
///
/// What is known of it lies in the scratch. Serde hands what opens a container from function to function,
/// which would copy a struct of 150 bytes several times: that took a quarter of the time of a comparison in
/// which little changed.
pub(super) struct Members<'s, 'o> {
    pub(super) scratch: &'s mut Scratch<'o>,
    /// Invariant: that of its frame.
    at: usize,
}

/// What is known of an object in the making.
pub(super) struct Frame<'o> {
    /// Containers around its members.
    around: u32,
    /// Whether a member is being made, or was not, since its `Serialize` failed or panicked.
    making: bool,
    /// Its old value, if that is an object.
    pub(super) old: Option<&'o Value>,
    /// Members of that.
    old_len: usize,
    pub(super) count: usize,
    /// How many of them have an old member.
    found: usize,
    /// How many of those are no longer what they were.
    changed: usize,
    /// A bit for each of the first old members, if it was found. Those of the others lie in the scratch.
    seen: u64,
    from: Heights,
    variant: Option<Variant<'o>>,
    /// Of a struct with a small old object: where its fields are looked for.
    pub(super) fields: Option<(&'o Node<Names>, FormId)>,
}

/// An old value that a member is compared with, and its position if it is that of the member itself.
pub(super) type Old<'o> = (Option<usize>, &'o Value);

impl<'s, 'o> Members<'s, 'o> {
    #[inline]
    pub(super) fn open(
        inside: Tree<'s, 'o>,
        old: Option<Object<'o>>,
        fields: Option<(&'o Node<Names>, FormId)>,
        variant: Option<Variant<'o>>,
    ) -> Self {
        let scratch = inside.scratch;
        let from = scratch.heights();
        let marks = words(old);
        if marks > 0 {
            scratch.seen.resize(from.seen + marks, 0);
        }
        scratch.frames.push(Frame {
            around: inside.around,
            making: false,
            old: inside.old.filter(|_| old.is_some()),
            old_len: old.map_or(0, Object::len),
            count: 0,
            found: 0,
            changed: 0,
            seen: 0,
            from,
            variant,
            fields,
        });
        Self {
            at: from.frames,
            scratch,
        }
    }

    #[inline(always)]
    #[expect(clippy::expect_used, reason = "what lies above is taken off, not this")]
    pub(super) fn frame(&mut self) -> &mut Frame<'o> {
        let frame = self.scratch.frames.get_mut(self.at);
        frame.expect("a frame stays until its object is finished")
    }

    /// The frame, and where fields are looked for.
    #[inline(always)]
    #[expect(clippy::expect_used, reason = "as above")]
    pub(super) fn frame_and_forms(&mut self) -> (&mut Frame<'o>, &Forms) {
        let frame = self.scratch.frames.get_mut(self.at);
        let frame = frame.expect("a frame stays until its object is finished");
        (frame, &self.scratch.forms)
    }

    #[inline(never)]
    pub(super) fn push<T: Serialize + ?Sized>(
        &mut self,
        name: impl Into<Cow<'o, str>>,
        old: Option<Old<'o>>,
        value: &T,
    ) -> Result<(), SerializeFailure> {
        let (slot, old) = old.map_or((None, None), |(slot, old)| (slot, Some(old)));
        let frame = self.frame();
        let around = frame.around;
        if mem::replace(&mut frame.making, true) {
            self.clear();
        }
        let inside = Tree {
            around,
            old,
            scratch: self.scratch,
        };
        let part = match value.serialize(inside) {
            Ok(part) => part,
            Err(failure) => return Err(self.locate_inside(failure, &name.into())),
        };
        let frame = self.frame();
        frame.making = false;
        frame.count += 1;
        if let Some(slot) = slot
            && self.see(slot)
        {
            let frame = self.frame();
            frame.found += 1;
            if let Part::Made(value) = part {
                frame.changed += 1;
                self.scratch.changes.push((slot, value));
            }
        } else {
            // Also what came before, which is found out when the object is made.
            self.scratch.names.push(name.into());
            self.scratch.values.push(part.or_old(old));
        }
        Ok(())
    }

    /// What [`push`](Self::push) does for an old member that is awaited: the usual case of a struct's field.
    #[inline]
    pub(super) fn push_awaited<T: Serialize + ?Sized>(
        &mut self,
        name: &'static str,
        slot: usize,
        old: &'o Value,
        value: &T,
    ) -> Result<(), SerializeFailure> {
        let frame = self.frame();
        frame.making = true;
        let inside = Tree {
            around: frame.around,
            old: Some(old),
            scratch: self.scratch,
        };
        let part = match value.serialize(inside) {
            Ok(part) => part,
            Err(failure) => return Err(self.locate_inside(failure, name)),
        };
        let frame = self.frame();
        frame.making = false;
        frame.count += 1;
        frame.found += 1;
        frame.seen |= 1 << slot;
        if let Part::Made(value) = part {
            frame.changed += 1;
            self.scratch.changes.push((slot, value));
        }
        Ok(())
    }

    #[inline]
    pub(super) fn finish(mut self) -> Result<Part, SerializeFailure> {
        let frame = self.frame();
        let (from, variant) = (frame.from, frame.variant);
        if !frame.making && frame.is_kept() {
            // Nothing of it lies in the scratch but marks.
            self.scratch.frames.truncate(from.frames);
            self.scratch.seen.truncate(from.seen);
            return Ok(Part::Kept);
        }
        let part = self.object();
        self.scratch.lower(from);
        match variant {
            Some(variant) => match part {
                Ok(part) => variant.around(part, self.scratch),
                Err(failure) => Err(variant.locate(failure)),
            },
            None => part,
        }
    }

    fn object(&mut self) -> Result<Part, SerializeFailure> {
        if self.frame().making {
            self.clear();
        }
        let frame = self.frame();
        let (added, removed) = (frame.count - frame.found, frame.old_len - frame.found);
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
        let changes_from = self.frame().from.changes;
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
        let frame = self.frame();
        let (from, found) = (frame.from, frame.found);
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
        let bit = 1 << (slot % BITS);
        let seen_from = self.frame().from.seen;
        let word = match slot / BITS {
            0 => Some(&mut self.frame().seen),
            word => self.scratch.seen.get_mut(seen_from + word - 1),
        };
        word.is_some_and(|word| {
            let first = *word & bit == 0;
            *word |= bit;
            first
        })
    }

    fn has_seen(&mut self, slot: usize) -> bool {
        let frame = self.frame();
        let (first, from) = (frame.seen, frame.from.seen);
        let word = match slot / BITS {
            0 => Some(&first),
            word => self.scratch.seen.get(from + word - 1),
        };
        word.is_some_and(|word| word & (1 << (slot % BITS)) != 0)
    }

    /// Takes off what a member left behind that came to nothing.
    #[cold]
    fn clear(&mut self) {
        let frame = self.frame();
        let (from, changed) = (frame.from, frame.changed);
        let added = frame.count - frame.found;
        let old = frame.old.and_then(Value::as_object);
        self.scratch.lower(Heights {
            values: from.values + added,
            names: from.names + added,
            changes: from.changes + changed,
            seen: from.seen + words(old),
            frames: from.frames + 1,
        });
    }

    /// A failure in a member, as seen from around the object.
    #[cold]
    fn locate_inside(&mut self, failure: SerializeFailure, name: &str) -> SerializeFailure {
        let failure = failure.inside(name);
        match self.frame().variant {
            Some(variant) => variant.locate(failure),
            None => failure,
        }
    }
}

impl Frame<'_> {
    /// Whether the old member at a slot is one of the first, and was not found yet; and nothing lies above
    /// that came to nothing.
    #[inline]
    pub(super) const fn awaits(&self, slot: usize) -> bool {
        slot < BITS && self.seen & (1 << slot) == 0 && !self.making
    }

    /// Whether every old member came again, unchanged, and no other.
    #[inline]
    const fn is_kept(&self) -> bool {
        self.old.is_some()
            && self.changed == 0
            && self.count == self.found
            && self.found == self.old_len
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
