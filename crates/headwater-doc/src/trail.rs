use std::mem;

use smallvec::SmallVec;

use crate::value::Value;

/// The nodes that a batch copies because somebody else holds them: how many bytes, and what stood
/// there, so that a batch that fails can put it back.
///
/// While nothing is shared this costs a load for each container on the way to a change.
pub(crate) struct Trail {
    /// The document as it was, if somebody else held it: then no node of it is written, and putting it
    /// back undoes all.
    root: Option<Value>,
    /// In the order in which they were copied; none where there is a `root`.
    kept: Vec<Kept>,
    /// Bytes of the copies.
    pub(crate) copied_bytes: u64,
    /// Whether the batch is being undone, which leaves no trail.
    undoing: bool,
}

/// A value as it was before its node was copied. Others hold it too, so that keeping it costs nothing.
struct Kept {
    /// Changes that the batch had made by then.
    changes: usize,
    /// Where it stood then.
    steps: Steps,
    value: Value,
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
                value,
            });
        }
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

    /// The value that was noted last, and where, if that was after so many changes.
    pub(crate) fn pop(&mut self, changes: usize) -> Option<(Steps, Value)> {
        if self.kept.last()?.changes < changes {
            return None;
        }
        self.kept.pop().map(|kept| (kept.steps, kept.value))
    }
}

#[expect(clippy::expect_used, reason = "a path that was resolved leads down")]
pub(crate) fn child<'v>(value: &'v mut Value, step: usize, copied: &mut u64) -> &'v mut Value {
    value
        .child_mut(step, copied)
        .expect("a path that was resolved leads down")
}
