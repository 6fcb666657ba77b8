use std::mem;

use smallvec::SmallVec;

use crate::{object::Names, totals::Totals, value::Value};

/// What the inverses of a batch's changes do not bring back, so that a batch that fails can put it back:
/// the nodes that it copies because somebody else holds them, with how many bytes they are, and what the
/// headers of containers lose.
///
/// While nothing is shared this costs a load for each container on the way to a change.
pub(crate) struct Trail {
    /// The document as it was, if somebody else held it: then no node of it is written, and putting it
    /// back undoes all.
    root: Option<Value>,
    /// In the order in which they were met; none where there is a `root`.
    kept: Vec<Kept>,
    /// Bytes of the copies.
    pub(crate) copied_bytes: u64,
    /// Whether the batch is being undone, which leaves no trail.
    undoing: bool,
}

/// Something as it was before a change.
struct Kept {
    /// Changes that the batch had made by then.
    changes: usize,
    /// Where it stood then.
    steps: Steps,
    before: Before,
}

pub(crate) enum Before {
    /// A value before its node was copied. Others hold it too, so that keeping it costs nothing.
    Value(Value),
    Headers(Box<Headers>),
}

/// What changing a container, and changing it back, can leave otherwise in headers: heights do not sink,
/// sums stay where they passed the maximum, and a list of names that was shared has been copied.
pub(crate) struct Headers {
    /// The totals of the containers around it, the outermost first; none where they lost nothing.
    pub(crate) around: Vec<Totals>,
    /// Its own; none where only a value in its place was changed.
    pub(crate) own: Option<Totals>,
    pub(crate) names: Option<Names>,
}

/// A path as positions in its containers.
pub(crate) type Steps = SmallVec<[usize; 16]>;

impl Trail {
    pub(crate) const fn new() -> Self {
        Self {
            root: None,
            kept: Vec::new(),
            copied_bytes: 0,
            undoing: false,
        }
    }

    /// Walks down a path that leads somewhere, to change what is there after so many other changes:
    /// the node itself if `into`, or else the place that it stands in. Shared nodes on the way are
    /// copied.
    pub(crate) fn descend<'v>(
        &mut self,
        root: &'v mut Value,
        steps: &[usize],
        changes: usize,
        into: bool,
    ) -> &'v mut Value {
        let mut value = root;
        let mut inside = false;
        for (depth, &step) in steps.iter().enumerate() {
            if value.is_shared() {
                let steps = steps.get(..depth).unwrap_or_default();
                self.unshare(value, steps, changes, inside);
                inside = true;
            }
            value = child(value, step, &mut self.copied_bytes);
        }
        if into && value.is_shared() {
            self.unshare(value, steps, changes, inside);
        }
        value
    }

    /// Copies a node and keeps the old one; not if it is `inside` one that is kept and brings it back.
    #[cold]
    fn unshare(&mut self, value: &mut Value, steps: &[usize], changes: usize, inside: bool) {
        self.copied_bytes += value.own_bytes();
        let copy = value.copied();
        let value = mem::replace(value, copy);
        if self.undoing || inside || self.root.is_some() {
            return;
        }
        if changes == 0 && steps.is_empty() {
            self.root = Some(value);
        } else {
            self.kept.push(Kept {
                changes,
                steps: steps.into(),
                before: Before::Value(value),
            });
        }
    }

    /// Whether it matters what headers lose: not if what is put back brings all of them.
    pub(crate) const fn keeps_headers(&self) -> bool {
        !self.undoing && self.root.is_none()
    }

    /// Keeps the headers of a container and of those around it before a change.
    pub(crate) fn keep_headers(&mut self, steps: &[usize], changes: usize, headers: Headers) {
        self.kept.push(Kept {
            changes,
            steps: steps.into(),
            before: Before::Headers(Box::new(headers)),
        });
    }

    /// Makes one of the last two changes, a removal from `from` and what followed it: places that were
    /// noted between the two become those that they had before the removal.
    pub(crate) fn join(&mut self, changes: usize, from: &[usize]) {
        let Some((removed, around)) = from.split_last() else {
            return;
        };
        for kept in self.kept.iter_mut().rev() {
            if kept.changes < changes {
                break;
            }
            kept.changes = changes - 1;
            if let Some((before, rest)) = kept.steps.split_at_mut_checked(around.len())
                && before == around
                && let Some(step) = rest.first_mut()
                && *step >= *removed
            {
                *step += 1;
            }
        }
    }

    /// From here on changes are undone. The document as it was, if it was held.
    pub(crate) fn turn(&mut self) -> Option<Value> {
        self.undoing = true;
        self.root.take()
    }

    /// What was noted last, and where, if that was after so many changes.
    pub(crate) fn pop(&mut self, changes: usize) -> Option<(Steps, Before)> {
        if self.kept.last()?.changes < changes {
            return None;
        }
        self.kept.pop().map(|kept| (kept.steps, kept.before))
    }
}

#[expect(clippy::expect_used, reason = "a path that was resolved leads down")]
pub(crate) fn child<'v>(value: &'v mut Value, step: usize, copied: &mut u64) -> &'v mut Value {
    value
        .child_mut(step, copied)
        .expect("a path that was resolved leads down")
}
