use std::{collections::BTreeSet, mem};

use smallvec::SmallVec;

use crate::{chunked::Reach, name::Name, object::Names, totals::Totals, value::Value};

/// What the inverses of a batch's changes do not bring back, so that a batch that fails can put it back:
/// the nodes that it copies because somebody else holds them, with how many bytes they are, and what the
/// headers of containers lose.
///
/// While nothing is shared this costs a load for each node on the way to a change.
///
/// Where large containers were kept for their inside is known by their places, and forgotten as soon as these
/// may have shifted: bringing them up to date would cost every insertion as many steps as there are places. So
/// a batch that changes a large container and the array that it stands in by turns keeps it each time, and
/// copies the way to the next change again: one or two kilobytes for each turn, freed when the batch ends.
pub(crate) struct Trail {
    /// The document as it was, if somebody else held it: then no node of it is written, and putting it
    /// back undoes all.
    root: Option<Value>,
    /// Made when there is something to keep, as there mostly is not.
    notes: Option<Box<Notes>>,
    /// Bytes of the copies, those included that what is kept here has caused.
    copied_bytes: u64,
    /// Whether the batch is being undone, which leaves no trail.
    undoing: bool,
}

#[derive(Default)]
struct Notes {
    /// In the order in which they were met; none where there is a root.
    kept: Vec<Kept>,
    /// Where the large containers stand now that were kept for their inside.
    inside: BTreeSet<Steps>,
    /// After how many changes each move to where something was began, which two steps take back until the
    /// batch has succeeded.
    displacing: Vec<usize>,
}

/// Something as it was before a change.
struct Kept {
    when: When,
    /// Where it stood then.
    steps: Steps,
    before: Before,
}

/// A moment of a batch: so many changes that can be undone by themselves were made, and if it is
/// `halfway`, of the next, a move, the removal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct When {
    pub(crate) changes: usize,
    pub(crate) halfway: bool,
}

pub(crate) enum Before {
    /// A value before its node was copied. Others hold it too, so that keeping it costs nothing.
    Value(Value),
    /// A copy of a large container, whose inside somebody else holds in part, before it was changed.
    Inside(Value),
    Headers(Box<Headers>),
    /// The name of a member that is removed, whose text somebody else holds; where the object stands.
    Name(Name),
}

/// What changing a container, and changing it back, can leave otherwise in headers: heights do not sink,
/// sums stay where they passed the maximum, a list of names that was shared has been copied, and a container
/// that became large stays so.
pub(crate) struct Headers {
    /// The totals of the containers around it, the outermost first; none where they lost nothing.
    pub(crate) around: Vec<Totals>,
    /// Its own; none where only a value in its place was changed.
    pub(crate) own: Option<Totals>,
    pub(crate) names: Option<Names>,
    /// Whether it was flat and has become a tree.
    pub(crate) grew: bool,
}

/// A path as positions in its containers.
pub(crate) type Steps = SmallVec<[usize; 16]>;

impl When {
    pub(crate) const fn after(changes: usize) -> Self {
        Self {
            changes,
            halfway: false,
        }
    }
}

impl Trail {
    pub(crate) const fn new() -> Self {
        Self {
            root: None,
            notes: None,
            copied_bytes: 0,
            undoing: false,
        }
    }

    /// Walks down a path that leads somewhere, to change what is there after so many other changes:
    /// the node itself as far as `reach` tells, or else the place that it stands in. Shared nodes on the
    /// way are copied.
    pub(crate) fn descend<'v>(
        &mut self,
        root: &'v mut Value,
        steps: &[usize],
        changes: usize,
        reach: Option<Reach>,
    ) -> &'v mut Value {
        let mut value = root;
        let mut kept = false;
        for (depth, &step) in steps.iter().enumerate() {
            // Mostly there is nothing to do, and nothing to be called for it.
            if !value.is_own_and_flat() {
                let around = steps.get(..depth).unwrap_or_default();
                kept |= self.make_own(value, Reach::Through(step), around, changes, kept);
            }
            value = child(value, step, &mut self.copied_bytes);
        }
        if let Some(reach) = reach {
            self.make_own(value, reach, steps, changes, kept);
        }
        value
    }

    /// Makes a node that of the document alone. Keeps what that or the change itself takes away, if
    /// nothing around it is `kept` that brings it back, and says whether it did.
    fn make_own(
        &mut self,
        value: &mut Value,
        reach: Reach,
        steps: &[usize],
        changes: usize,
        kept: bool,
    ) -> bool {
        if value.is_shared() {
            self.unshare(value, steps, changes, kept);
            return true;
        }
        !kept
            && self.keeps()
            && value.is_shared_inside(reach)
            && self.keep_inside(value, steps, changes)
    }

    /// Copies a node and keeps the old one, if nothing is `kept` that brings it back.
    #[cold]
    fn unshare(&mut self, value: &mut Value, steps: &[usize], changes: usize, kept: bool) {
        self.copied_bytes += value.own_bytes();
        let copy = value.copied();
        let value = mem::replace(value, copy);
        if kept || !self.keeps() {
            return;
        }
        if changes == 0 && steps.is_empty() {
            self.root = Some(value);
        } else {
            self.keep(Before::Value(value), steps, changes);
        }
    }

    /// Keeps a large container for its inside, once: from then on all of that is shared.
    #[cold]
    fn keep_inside(&mut self, value: &Value, steps: &[usize], changes: usize) -> bool {
        let new = self.notes().inside.insert(steps.into());
        if new {
            self.keep(Before::Inside(value.copied()), steps, changes);
        }
        new
    }

    /// Whether anything must be kept: not if what is put back brings everything.
    pub(crate) const fn keeps(&self) -> bool {
        !self.undoing && self.root.is_none()
    }

    /// Notes that the last two of so many changes are a move to where something was.
    pub(crate) fn displaces(&mut self, changes: usize) {
        self.notes().displacing.push(changes - 2);
    }

    /// The moves to where something was; once.
    #[inline]
    pub(crate) fn displacing(&mut self) -> Vec<usize> {
        let notes = self.notes.as_mut();
        notes.map_or_else(Vec::new, |notes| mem::take(&mut notes.displacing))
    }

    fn notes(&mut self) -> &mut Notes {
        self.notes.get_or_insert_default()
    }

    /// Keeps what is at a place before a change.
    pub(crate) fn keep(&mut self, before: Before, steps: &[usize], changes: usize) {
        self.notes().kept.push(Kept {
            when: When::after(changes),
            steps: steps.into(),
            before,
        });
    }

    /// Learns that the value at a place has become another, or if `into` that what is below it may have
    /// moved.
    pub(crate) fn moved(&mut self, steps: &Steps, into: bool) {
        let Some(Notes { inside, .. }) = self.notes.as_deref_mut() else {
            return;
        };
        let below = inside.range(steps.clone()..);
        let below = below.take_while(|place| place.starts_with(steps));
        let below: Vec<_> = below
            .skip_while(|place| into && *place == steps)
            .cloned()
            .collect();
        below.iter().for_each(|place| {
            inside.remove(place);
        });
    }

    /// Makes one of the last two changes, a removal and what followed it.
    pub(crate) fn join(&mut self, changes: usize) {
        let halfway = When {
            changes: changes - 1,
            halfway: true,
        };
        let kept = self.notes.as_mut().map(|notes| notes.kept.iter_mut());
        let after = kept.into_iter().flatten().rev();
        for kept in after.take_while(|kept| kept.when.changes >= changes) {
            kept.when = halfway;
        }
    }

    /// From here on changes are undone. The document as it was, if it was held.
    pub(crate) fn turn(&mut self) -> Option<Value> {
        self.undoing = true;
        self.root.take()
    }

    /// What was kept last, and where, if that was then or later.
    pub(crate) fn pop(&mut self, when: When) -> Option<(Steps, Before)> {
        let last = self.notes.as_mut()?.kept.pop_if(|kept| kept.when >= when)?;
        Some((last.steps, last.before))
    }

    /// Bytes of the copies, once the batch has succeeded: of those alone whose originals somebody else holds,
    /// neither the trail nor what `left` the inverse.
    pub(crate) fn copied_bytes(self, left: Vec<Value>) -> u64 {
        let Some(notes) = self.notes else {
            return self.copied_bytes;
        };
        let insides = notes.kept.into_iter();
        let insides = insides.filter_map(|kept| match kept.before {
            Before::Inside(value) => Some(value),
            _ => None,
        });
        // What was kept otherwise goes first, so that it holds nothing.
        let insides: Vec<_> = insides.collect();
        drop(self.root);
        let mut copied = self.copied_bytes;
        // Invariant: a node that only this leads to was counted when it was copied, for all that changes
        // count what they copy.
        let mut free = |freed: u64| {
            debug_assert!(freed <= copied, "{freed} bytes of {copied} copied");
            copied = copied.saturating_sub(freed);
        };
        for value in insides {
            free(value.exclusive_bytes());
        }
        for value in left.into_iter().filter(Value::is_exclusive) {
            free(value.own_bytes() + value.exclusive_bytes());
        }
        copied
    }

    /// Where a change adds what it copies.
    pub(crate) const fn copied_mut(&mut self) -> &mut u64 {
        &mut self.copied_bytes
    }
}

#[expect(clippy::expect_used, reason = "a path that was resolved leads down")]
pub(crate) fn child<'v>(value: &'v mut Value, step: usize, copied: &mut u64) -> &'v mut Value {
    value
        .child_mut(step, copied)
        .expect("a path that was resolved leads down")
}
