//! What is noted of each change, and how changes are taken back.

use std::mem;

use super::{Applier, Origin, Reason};
use crate::{
    chunked::Reach,
    limits::Limits,
    patch::Operation,
    pointer::Pointer,
    trail::{Before, When},
    value::Value,
};

/// What leads back from a change at its path.
pub(super) enum Back {
    Remove,
    Add(Value),
    Replace(Value),
    Splice {
        index: usize,
        remove: usize,
        insert: Value,
    },
}

impl Back {
    /// The operation that does it.
    #[inline(always)]
    fn operation(self, path: Pointer) -> Operation {
        match self {
            Self::Remove => Operation::Remove { path },
            Self::Add(value) => Operation::Add { path, value },
            Self::Replace(value) => Operation::Replace { path, value },
            Self::Splice {
                index,
                remove,
                insert,
            } => Operation::Splice {
                path,
                index,
                remove,
                insert,
            },
        }
    }

    /// What the change took out.
    #[inline(always)]
    fn taken(self) -> Option<Value> {
        match self {
            Self::Remove => None,
            Self::Add(value) | Self::Replace(value) | Self::Splice { insert: value, .. } => {
                Some(value)
            }
        }
    }
}

impl Applier<'_> {
    /// Notes a change that was made, and refuses it if the document has become too large. It touched the
    /// path of what undoes it, or that of the array `around`.
    // Inlined, so that the operation is made where it stays: what was just written field by field is not
    // read as a whole without waiting for it.
    #[inline(always)]
    pub(super) fn record(
        &mut self,
        path: &Pointer,
        back: Back,
        around: Option<Pointer>,
    ) -> Result<(), Reason> {
        if self.undoing {
            return Ok(());
        }
        if around.is_some() || !self.listed.is_empty() {
            self.touch(around.unwrap_or_else(|| path.clone()));
        }
        if self.alone.is_some() {
            self.taken = Some(back.taken());
        } else {
            self.undo.push(back.operation(path.clone()));
        }
        self.check_size()
    }

    /// Lists a path that the next change touches, with those before it.
    fn touch(&mut self, path: Pointer) {
        self.list(self.undo.len());
        if self.listed.last() != Some(&path) {
            self.listed.push(path);
        }
    }

    /// Lists the paths that so many changes have touched, if they are not.
    pub(super) fn list(&mut self, changes: usize) {
        if self.listed.is_empty() {
            self.listed.reserve_exact(self.undo.capacity());
            let paths = self.undo.iter().take(changes).map(Operation::path);
            self.listed.extend(paths.cloned());
        }
    }

    /// Makes moves of the steps back that add what was moved to where something was, which would be held, and
    /// counted, by the document and by them. Returns what they held.
    ///
    /// Not before the batch has succeeded: what the trail keeps belongs between the two steps.
    #[inline]
    pub(super) fn turn_moves(&mut self) -> Vec<Value> {
        let displacing = self.trail.displacing();
        let mut held = Vec::with_capacity(displacing.len());
        for at in displacing {
            let two = self.undo.get_mut(at..at + 2);
            if let Some([back, restored]) = two
                && let Operation::Add { path: from, value } = &mut *back
                && let Operation::Replace {
                    path: target,
                    value: displaced,
                } = &mut *restored
            {
                held.push(mem::replace(value, mem::take(displaced)));
                let (from, target) = (mem::replace(from, target.clone()), target.clone());
                *restored = Operation::Move {
                    from: target,
                    path: from,
                };
            } else {
                debug_assert!(false, "no later change has touched the two steps");
            }
        }
        held
    }

    /// Makes the document what it was, nodes that others hold included.
    pub(super) fn undo(mut self) {
        if let Some(document) = self.trail.turn() {
            *self.document = document;
            return;
        }
        self.limits = &Limits::NONE;
        self.undoing = true;
        self.notes_places = false;
        let mut undo = mem::take(&mut self.undo);
        if let (Some(alone), Some(taken)) = (self.alone, self.taken.take()) {
            undo.extend(alone.inverse(taken.as_ref()));
        }
        self.put_back(When::after(undo.len()));
        for (changes, operation) in undo.into_iter().enumerate().rev() {
            let undone = self.take_back(operation, changes);
            debug_assert!(undone, "an inverse applies to what it was made from");
            self.put_back(When::after(changes));
        }
    }

    /// Applies what undoes the operation that so many others preceded.
    fn take_back(&mut self, operation: Operation, changes: usize) -> bool {
        match operation {
            Operation::Move { from, path } => {
                let removed = self.remove(&from);
                self.put_back(When {
                    changes,
                    halfway: true,
                });
                removed.is_ok_and(|value| self.add(&path, value, Origin::Document).is_ok())
            }
            Operation::Replace { value, .. } if let Some(count) = self.places.pop() => {
                let rest = self.places.len() - count;
                self.steps = self.places.drain(rest..).collect();
                self.put(value);
                true
            }
            operation => self.apply(&operation).is_ok(),
        }
    }

    /// Puts back what was kept then. What stands there is equal to it, since all later changes are undone.
    fn put_back(&mut self, when: When) {
        while let Some((steps, before)) = self.trail.pop(when) {
            self.steps = steps;
            match before {
                Before::Value(value) | Before::Inside(value) => drop(self.put(value)),
                Before::Headers(headers) => self.restore(*headers),
                Before::Name(name) => self.edit(Reach::Whole, |object, copied| {
                    object.restore_name(name, copied);
                }),
            }
        }
    }
}
