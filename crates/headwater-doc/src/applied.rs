use std::borrow::Cow;

use crate::{
    patch::{Operation, Operations, Patch},
    pointer::Pointer,
    touched::{Listed, Touched},
    value::Value,
};

/// What applying a patch (RFC 6902) yields: its inverse, the paths at which something changed, and what that
/// copied.
///
/// What the patch itself says is not here again, so it is asked for: always the one that was applied. Of most
/// patches, which have one operation, only the value that it took out is here, and takes a third of the memory of
/// an inverse.
#[derive(Clone, Debug)]
pub struct Applied {
    undo: Undo,
    /// Invariant: [`Patch::written_bytes`] of the inverse.
    inverse_bytes: u64,
    /// What was [touched](Self::touched) where that is not at the paths of the inverse.
    listed: Listed,
    /// Bytes of the nodes that were copied because somebody else held them, as
    /// [`heap_bytes`](Value::heap_bytes) counts: what a held snapshot or an older patch keeps in memory
    /// from now on beside the document. 0 where nothing was shared.
    ///
    /// Who holds a node is not known, only that somebody does. So what the document itself still has
    /// elsewhere counts too: a part that is there twice by `copy`, and the names of records of one shape.
    /// Values that were removed do not count: the inverse has them.
    pub copied_bytes: u64,
    /// Of what the patch has brought, the bytes of containers that it has for itself, as
    /// [`heap_bytes`](Value::heap_bytes) counts: those in the document have taken the names of records beside them.
    pub adopted_bytes: u64,
}

/// What undoes a patch, beside what the patch says. Values that were replaced or removed are moved here, not
/// copied.
#[derive(Clone, Debug)]
enum Undo {
    /// The value that a patch of one operation has taken out, if it has only changed something where that is.
    Alone(Option<Value>),
    /// The inverse.
    Patch(Box<Patch>),
}

impl Applied {
    /// Of a patch whose inverse are these operations.
    pub(crate) fn of(undo: Operations, listed: Listed, copied_bytes: u64) -> Self {
        let inverse = Patch::of(undo);
        Self {
            inverse_bytes: inverse.written_bytes(),
            undo: Undo::Patch(Box::new(inverse)),
            listed,
            copied_bytes,
            adopted_bytes: 0,
        }
    }

    /// Of a patch of one operation, by what that has taken out.
    pub(crate) fn of_alone(
        taken: Option<Value>,
        patch: &Patch,
        listed: Listed,
        copied_bytes: u64,
    ) -> Self {
        let applied = Self {
            inverse_bytes: patch.inverse_bytes(taken.as_ref()),
            undo: Undo::Alone(taken),
            listed,
            copied_bytes,
            adopted_bytes: 0,
        };
        debug_assert_eq!(
            applied.inverse_bytes,
            applied.inverse(patch).written_bytes()
        );
        applied
    }

    /// The patch that undoes the one that was applied. O(bytes of its path) if it has one operation, or else O(1);
    /// no allocation.
    #[must_use]
    pub fn inverse(&self, patch: &Patch) -> Cow<'_, Patch> {
        match &self.undo {
            Undo::Alone(taken) => Cow::Owned(patch.inverse(taken.as_ref())),
            Undo::Patch(inverse) => Cow::Borrowed(inverse),
        }
    }

    /// [`Patch::written_bytes`] of the inverse. O(1).
    #[must_use]
    pub const fn inverse_bytes(&self) -> u64 {
        self.inverse_bytes
    }

    /// The paths at which the patch that was applied has changed something. O(1).
    #[must_use]
    pub fn touched<'a>(&'a self, patch: &'a Patch) -> Touched<'a> {
        let inverse = match &self.undo {
            // Its path is the patch's own.
            Undo::Alone(_) => patch,
            Undo::Patch(inverse) => inverse,
        };
        Touched::new(&self.listed, inverse)
    }

    /// Bytes that this has requested from the allocator, as [`Patch::heap_bytes`] counts. O(1).
    #[must_use]
    pub fn heap_bytes(&self) -> u64 {
        let listed = if self.listed.spilled() {
            self.listed.capacity() * size_of::<Pointer>()
        } else {
            0
        };
        (listed as u64).saturating_add(match &self.undo {
            Undo::Alone(taken) => taken.as_ref().map_or(0, Value::heap_bytes),
            Undo::Patch(inverse) => inverse
                .heap_bytes()
                .saturating_add(size_of::<Patch>() as u64),
        })
    }

    /// Of [`heap_bytes`](Self::heap_bytes), those of the values that were replaced or removed, but for what
    /// splices took out. O(1).
    #[must_use]
    pub fn removed_bytes(&self, patch: &Patch) -> u64 {
        match &self.undo {
            Undo::Alone(_) if matches!(patch.operations(), [Operation::Splice { .. }]) => 0,
            Undo::Alone(taken) => taken.as_ref().map_or(0, Value::heap_bytes),
            Undo::Patch(inverse) => inverse.put_bytes(),
        }
    }
}
