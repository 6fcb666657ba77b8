//! The way to a place in the document, and changing what is there.

use std::mem;

use super::{Applier, Reason};
use crate::{
    array::Array,
    chunked::Reach,
    object::Names,
    pointer::{Pointer, array_index},
    totals::{Measure, Totals},
    trail::{Before, Headers, child},
    value::{Value, View},
};

impl Applier<'_> {
    /// Finds the value that a path leads to and leaves the way to it in `steps`.
    pub(super) fn resolve(&mut self, path: &Pointer) -> Result<&Value, Reason> {
        self.steps.clear();
        let mut value = &*self.document;
        for segment in path.segments() {
            let (step, child) = match value.view() {
                View::Array(array) => {
                    let index = element(array, &segment)?;
                    (index, array.get(index))
                }
                View::Object(object) => {
                    let (position, child) = object.find(&segment).map_err(|_| Reason::NotFound)?;
                    (position, Some(child))
                }
                _ => return Err(Reason::ThroughScalar),
            };
            self.steps.push(step);
            value = child.ok_or(Reason::NotFound)?;
        }
        Ok(value)
    }

    /// Changes the value at `steps` in place, as far as `reach` tells. The change adds to its argument
    /// what it copies.
    pub(super) fn edit<R>(
        &mut self,
        reach: Reach,
        change: impl FnOnce(&mut Value, &mut u64) -> R,
    ) -> R {
        self.write(Some(reach), change)
    }

    /// Puts another value where that at `steps` is, and returns that.
    pub(super) fn put(&mut self, value: Value) -> Value {
        self.write(None, |slot, _| mem::replace(slot, value))
    }

    /// Changes the value at `steps`, its own node if there is a `reach`, and the headers of the containers
    /// around it.
    fn write<R>(
        &mut self,
        reach: Option<Reach>,
        change: impl FnOnce(&mut Value, &mut u64) -> R,
    ) -> R {
        let changes = self.undo.len();
        let target = self
            .trail
            .descend(self.document, &self.steps, changes, reach);
        let keeps = self.trail.keeps();
        let (own, names) = if reach.is_some() && keeps {
            (target.totals(), target.names_to_keep())
        } else {
            (None, None)
        };
        let before = target.measure();
        let was_flat = own.is_some() && target.is_flat();
        let result = change(target, self.trail.copied_mut());
        let after = target.measure();
        let grew = was_flat && !target.is_flat();
        self.trail.moved(&self.steps, reach.is_some());
        if before != after {
            // None of the sums around the change is larger than the document's.
            let loses =
                before.height != after.height || self.document.measure().may_saturate(after);
            if keeps && (loses || names.is_some() || grew) {
                self.keep_headers(changes, loses, own, names, grew);
            }
            let around = self.steps.len();
            let mut container = &mut *self.document;
            for (depth, &step) in self.steps.iter().enumerate() {
                // Between the container and the target stand this many more.
                let between = u16::try_from(around - depth - 1).unwrap_or(u16::MAX);
                let height = after.height.saturating_add(between);
                // All are the document's own by now.
                match container.shift_child(step, before, Measure { height, ..after }) {
                    Some(below) => container = below,
                    None => break,
                }
            }
        }
        result
    }

    /// Keeps the headers of the container at `steps`, as they were before it was changed, and if those
    /// around it may lose something, theirs as they still are.
    #[cold]
    fn keep_headers(
        &mut self,
        changes: usize,
        loses: bool,
        own: Option<Totals>,
        names: Option<Names>,
        grew: bool,
    ) {
        let mut around = Vec::new();
        if loses {
            around.reserve_exact(self.steps.len());
            let mut container = &mut *self.document;
            for &step in &self.steps {
                around.extend(container.totals());
                container = child(container, step, &mut 0);
            }
        }
        let headers = Before::Headers(Box::new(Headers {
            around,
            own,
            names,
            grew,
        }));
        self.trail.keep(headers, &self.steps, changes);
    }

    /// Puts headers back; the containers hold again what they held with them.
    pub(super) fn restore(&mut self, headers: Headers) {
        let Headers {
            around,
            own,
            names,
            grew,
        } = headers;
        if let Some(totals) = own {
            self.edit(Reach::Whole, |container, _| {
                if let Some(names) = names {
                    container.restore_names(names, totals.counts_names());
                }
                if grew {
                    container.flatten();
                }
                container.restore_totals(totals);
            });
        }
        let mut container = &mut *self.document;
        for (totals, &step) in around.into_iter().zip(&self.steps) {
            container.restore_totals(totals);
            container = child(container, step, &mut 0);
        }
    }
}

/// The index that a segment names in an array, of an element that exists.
pub(super) fn element(array: Array<'_>, segment: &str) -> Result<usize, Reason> {
    let len = array.len();
    match array_index(segment) {
        Some(index) if index < len => Ok(index),
        Some(_) => Err(Reason::OutOfRange { len }),
        None if segment == "-" => Err(Reason::OutOfRange { len }),
        None => Err(Reason::BadIndex),
    }
}
