mod undo;
mod write;

use self::{undo::Back, write::element};
use crate::{
    adopt::{Sibling, adopt, adopt_each},
    applied::Applied,
    chunked::Reach,
    limits::{LimitExceeded, Limits},
    number::Number,
    patch::{Operation, Operations, Patch},
    pointer::{Pointer, array_index},
    totals::Measure,
    touched::Listed,
    trail::{Before, Steps, Trail},
    value::{Value, View},
};

/// Why a patch does not apply (RFC 6902 section 5). The document is as it was before.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("operation {operation} at {path:?}: {reason}")]
pub struct PatchError {
    /// The index of the operation in its patch, from 0.
    pub operation: usize,
    /// The path that did not hold: the operation's own, or its `from`.
    pub path: Pointer,
    /// Why.
    pub reason: Reason,
}

/// Why an operation does not apply (RFC 6902 section 4, RFC 6901 section 7).
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Reason {
    /// The path leads nowhere.
    #[error("nothing is there")]
    NotFound,
    /// The path passes through a scalar.
    #[error("it passes through a scalar")]
    ThroughScalar,
    /// A segment at an array is neither an index nor, where something is added, `-` (RFC 6901 section 4).
    #[error("not an array index")]
    BadIndex,
    /// An index or range goes beyond the end.
    #[error("beyond the end, which is {len}")]
    OutOfRange {
        /// Elements of the array, or scalar values of the string.
        len: usize,
    },
    /// `test`: another value is there (RFC 6902 section 4.6).
    #[error("another value is there")]
    TestFailed,
    /// `move`: the target lies inside what is moved (RFC 6902 section 4.4).
    #[error("a value cannot move into itself")]
    IntoItself,
    /// `remove` of the whole document, which would leave none.
    #[error("the whole document cannot be removed")]
    RemovesDocument,
    /// `increment`: no number is there.
    #[error("not a number")]
    NotANumber,
    /// `increment`: the sum fits neither 64 bits nor a finite double.
    #[error("the sum is out of range")]
    Overflow,
    /// `splice`: there is no string where a string is inserted, no array where an array is.
    #[error("not of the type of what is inserted")]
    SpliceType,
    /// The document would break a limit.
    #[error(transparent)]
    Limit(#[from] LimitExceeded),
}

impl Reason {
    /// A stable word for wire, metric and log. O(1).
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::NotFound => "not_found",
            Self::ThroughScalar => "through_scalar",
            Self::BadIndex => "bad_index",
            Self::OutOfRange { .. } => "out_of_range",
            Self::TestFailed => "test_failed",
            Self::IntoItself => "into_itself",
            Self::RemovesDocument => "removes_document",
            Self::NotANumber => "not_a_number",
            Self::Overflow => "overflow",
            Self::SpliceType => "splice_type",
            Self::Limit(limit) => limit.code(),
        }
    }
}

impl Patch {
    /// Applies all operations in order, or none: if one fails, those before it are undone (RFC 6902 section 5).
    ///
    /// After a failure the document is not only equal to what it was but shares what it shared: it and
    /// every value in it that somebody else holds are the [`same`](Value::same) as before, and so are the
    /// parts of large arrays, objects and strings that an older version shares. Where somebody else held
    /// the document itself, that costs O(1). Of a large container, what nobody shares may be divided otherwise
    /// than before, so that [`heap_bytes`](Value::heap_bytes) differs a little.
    ///
    /// Writes in place what no other value shares, and copies the path to the change elsewhere. The
    /// limits hold after every operation. O(depth · log(size)) an operation, but for `test`, which
    /// compares as much as it brings at most, and `splice` into a string, which costs what it inserts: so a
    /// batch costs what its text takes, whatever it copies, cuts out and removes.
    ///
    /// # Errors
    ///
    /// [`PatchError`] names the first operation that fails, its path and the reason.
    pub fn apply(&self, document: &mut Value, limits: &Limits) -> Result<Applied, PatchError> {
        let mut applier = Applier {
            start: document.measure(),
            walk: WALK_MAX,
            undoing: false,
            trail: Trail::new(),
            adopted_bytes: 0,
            document,
            limits,
            // Room is made below: a list that is moved in here is read before it is written.
            undo: Operations::new(),
            taken: None,
            alone: alone(self.operations()),
            listed: Listed::new(),
            steps: Steps::new(),
            places: Vec::with_capacity(places_room(self.operations().len())),
            notes_places: self.operations().len() > 1,
        };
        if applier.alone.is_none() {
            applier.undo.reserve_exact(self.operations().len());
        }
        for (index, operation) in self.operations().iter().enumerate() {
            if let Err((path, reason)) = applier.apply(operation) {
                applier.undo();
                return Err(PatchError {
                    operation: index,
                    path: path.clone(),
                    reason,
                });
            }
        }
        let left = applier.turn_moves();
        let copied_bytes = applier.trail.copied_bytes(left);
        let mut applied = if let Some(taken) = applier.taken {
            Applied::of_alone(taken, self, applier.listed, copied_bytes)
        } else {
            applier.undo.reverse();
            Applied::of(applier.undo, applier.listed, copied_bytes)
        };
        applied.adopted_bytes = applier.adopted_bytes;
        Ok(applied)
    }
}

struct Applier<'a> {
    document: &'a mut Value,
    /// What the document measured before the first operation.
    start: Measure,
    /// Values that may still be walked to find heights that the caches overstate.
    walk: usize,
    /// Whether operations are being undone, which is not recorded.
    undoing: bool,
    limits: &'a Limits,
    /// What undoes the operations so far, the last first to be undone.
    undo: Operations,
    /// The operation of a patch that has no other, and is undone by one.
    alone: Option<&'a Operation>,
    /// What that has taken out, once it is done, in place of `undo`.
    taken: Option<Option<Value>>,
    /// The paths that were touched, from the first on that is not the path of what undoes its operation;
    /// with those before it.
    listed: Listed,
    /// The path that was resolved last, as positions in its containers.
    steps: Steps,
    /// Where values were replaced: for each the steps, and how many they are. Undoing goes there without
    /// looking for names again, which would be half of its time.
    ///
    /// Invariant: those of each `Replace` in `undo`, if they are noted.
    places: Vec<usize>,
    /// Whether they are. For a single operation, after which next to nothing can fail, they are not.
    notes_places: bool,
    /// What is copied on the way.
    trail: Trail,
    /// What the patch keeps for itself.
    adopted_bytes: u64,
}

/// Where a value comes from that is added.
#[derive(Clone, Copy)]
enum Origin {
    Patch,
    Document,
}

/// Values that one batch may walk to find heights: about a millisecond. Without a bound a batch of
/// copies, each of a large value whose cached height overstates, would walk it for each; a lower one
/// would refuse more of what only seems too deep.
const WALK_MAX: usize = 100_000;

/// The only operation, if it is undone by one, at its path. A `move` to where something is takes two; what `-`
/// stands for only the document tells.
fn alone(operations: &[Operation]) -> Option<&Operation> {
    match operations {
        [Operation::Move { .. }] => None,
        [operation] => Some(operation).filter(|alone| !alone.path().as_str().ends_with("/-")),
        _ => None,
    }
}

/// Steps for which room is made at first, in a batch of so many operations: those of replacements at
/// depth 3, each with its count. One list that grew from nothing would take several allocations.
fn places_room(operations: usize) -> usize {
    if operations > 1 {
        4 * operations.min(64)
    } else {
        0
    }
}

/// An operation's failure: the path that did not hold, and why.
type Failure<'p> = (&'p Pointer, Reason);

impl Applier<'_> {
    fn apply<'p>(&mut self, operation: &'p Operation) -> Result<(), Failure<'p>> {
        let at = |path: &'p Pointer| move |reason| (path, reason);
        match operation {
            Operation::Add { path, value } => self
                .add(path, value.clone(), Origin::Patch)
                .map_err(at(path)),
            Operation::Remove { path } => self.remove(path).map(drop).map_err(at(path)),
            Operation::Replace { path, value } => self
                .replace(path, value.clone(), Origin::Patch)
                .map_err(at(path)),
            Operation::Move { from, path } => self.relocate(from, path),
            Operation::Copy { from, path } => {
                let value = self.resolve(from).map_err(at(from))?.clone();
                self.add(path, value, Origin::Document).map_err(at(path))
            }
            Operation::Test { path, value } => {
                if self.resolve(path).map_err(at(path))? == value {
                    Ok(())
                } else {
                    Err((path, Reason::TestFailed))
                }
            }
            Operation::Increment { path, by } => self.increment(path, by).map_err(at(path)),
            Operation::Splice {
                path,
                index,
                remove,
                insert,
            } => self.splice(path, *index, *remove, insert).map_err(at(path)),
        }
    }

    fn add(&mut self, path: &Pointer, value: Value, origin: Origin) -> Result<(), Reason> {
        let Some((parent, last)) = path.split_last() else {
            return self.replace(path, value, origin);
        };
        let adopts = self.adopts(origin);
        let (behind, around) = match self.resolve(&parent)?.view() {
            View::Array(array) => {
                let len = array.len();
                let index = match &*last {
                    "-" => len,
                    segment => array_index(segment).ok_or(Reason::BadIndex)?,
                };
                if index > len {
                    return Err(Reason::OutOfRange { len });
                }
                let sibling = array.beside(index).filter(|_| adopts);
                let (value, adopted) = adopt(value, sibling.map(Sibling::Stays));
                self.adopted_bytes += adopted;
                self.check_depth(self.steps.len() + 1, &value)?;
                self.edit(Reach::Around(index), |parent, copied| {
                    parent.insert_element(index, value, copied);
                });
                let behind = (&*last == "-").then(|| parent.element(index));
                (behind, Some(parent))
            }
            View::Object(object) => match object.find(&last) {
                Ok((position, old)) => {
                    let (value, adopted) = adopt(value, adopts.then_some(Sibling::Goes(old)));
                    self.adopted_bytes += adopted;
                    self.steps.push(position);
                    return self.replace_resolved(path, value);
                }
                Err(position) => {
                    let sibling = object.beside(position).filter(|_| adopts);
                    let (value, adopted) = adopt(value, sibling.map(Sibling::Stays));
                    self.adopted_bytes += adopted;
                    self.check_depth(self.steps.len() + 1, &value)?;
                    self.edit(Reach::Around(position), |parent, copied| {
                        parent.insert_member(position, &last, value, copied);
                    });
                    (None, None)
                }
            },
            _ => return Err(Reason::ThroughScalar),
        };
        self.record(behind.as_ref().unwrap_or(path), Back::Remove, around)
    }

    fn remove(&mut self, path: &Pointer) -> Result<Value, Reason> {
        let (parent, last) = path.split_last().ok_or(Reason::RemovesDocument)?;
        let (removed, around) = match self.resolve(&parent)?.view() {
            View::Array(array) => {
                let index = element(array, &last)?;
                let removed = self.edit(Reach::Around(index), |parent, copied| {
                    parent.remove_element(index, copied)
                });
                (removed, Some(parent))
            }
            View::Object(object) => {
                let (position, _) = object.find(&last).map_err(|_| Reason::NotFound)?;
                let (removed, name) = self.edit(Reach::Around(position), |parent, copied| {
                    parent.remove_member(position, copied)
                });
                if let Some(name) = name.filter(|_| self.trail.keeps()) {
                    let changes = self.undo.len();
                    self.trail.keep(Before::Name(name), &self.steps, changes);
                }
                (removed, None)
            }
            _ => return Err(Reason::ThroughScalar),
        };
        self.record(path, Back::Add(removed.clone()), around)
            .map(|()| removed)
    }

    fn replace(&mut self, path: &Pointer, value: Value, origin: Origin) -> Result<(), Reason> {
        let adopts = self.adopts(origin);
        let old = self.resolve(path)?;
        let (value, adopted) = adopt(value, adopts.then_some(Sibling::Goes(old)));
        self.adopted_bytes += adopted;
        self.replace_resolved(path, value)
    }

    /// Replaces the value at `steps`, to which `path` leads.
    fn replace_resolved(&mut self, path: &Pointer, value: Value) -> Result<(), Reason> {
        self.check_depth(self.steps.len(), &value)?;
        if self.notes_places {
            self.note_place();
        }
        let old = self.put(value);
        self.record(path, Back::Replace(old), None)
    }

    /// Notes where a value is replaced.
    fn note_place(&mut self) {
        // For several at once, which otherwise come one by one.
        self.places.extend_from_slice(&self.steps);
        self.places.push(self.steps.len());
    }

    fn relocate<'p>(&mut self, from: &'p Pointer, path: &'p Pointer) -> Result<(), Failure<'p>> {
        self.resolve(from).map_err(|reason| (from, reason))?;
        if from == path || self.is_last(from, path) {
            return Ok(());
        }
        if from.is_prefix_of(path) {
            return Err((path, Reason::IntoItself));
        }
        let value = self.remove(from).map_err(|reason| (from, reason))?;
        self.add(path, value, Origin::Document)
            .map_err(|reason| (path, reason))?;
        match self.undo.as_slice() {
            // Two steps back become one where nothing was replaced, but where an element came out of the one
            // that it was put before: moving from `/0` back to `/0/0` is moving into itself, by the paths
            // alone.
            [
                ..,
                Operation::Add { .. },
                Operation::Remove { path: target },
            ] if !target.is_prefix_of(from) => {
                let undo = Operation::Move {
                    from: target.clone(),
                    path: from.clone(),
                };
                // One path would stand for both.
                self.list(self.undo.len());
                self.undo.truncate(self.undo.len() - 2);
                self.undo.push(undo);
                self.trail.join(self.undo.len());
            }
            [.., Operation::Add { .. }, Operation::Replace { .. }]
                if self.leads_back(path, from) =>
            {
                self.list(self.undo.len());
                self.trail.displaces(self.undo.len());
            }
            _ => {}
        }
        Ok(())
    }

    /// Whether something is the last element of an array already, to whose end it is to be moved.
    fn is_last(&self, from: &Pointer, path: &Pointer) -> bool {
        let Some((parent, _)) = path.split_last().filter(|(_, last)| last == "-") else {
            return false;
        };
        let array = self.document.at(&parent).and_then(Value::as_array);
        let last = array.and_then(|array| array.len().checked_sub(1));
        last.is_some_and(|last| parent.element(last) == *from)
    }

    /// Whether what was moved onto something can be moved back before that is restored: not out of what it
    /// stands in now, and not to where it would shift the path of what it displaced.
    fn leads_back(&self, path: &Pointer, from: &Pointer) -> bool {
        let Some((parent, last)) = from.split_last() else {
            return false;
        };
        let array = self.document.at(&parent).and_then(Value::as_array);
        let inside = path.strip_prefix(&parent).filter(|_| array.is_some());
        let next = inside.as_ref().and_then(|inside| inside.segments().next());
        let shifts = next.is_some_and(|next| array_index(&next) >= array_index(&last));
        !shifts && !path.is_prefix_of(from)
    }

    fn increment(&mut self, path: &Pointer, by: &Number) -> Result<(), Reason> {
        let number = self.resolve(path)?.as_number().ok_or(Reason::NotANumber)?;
        let sum = number.checked_add(by).ok_or(Reason::Overflow)?;
        self.replace_resolved(path, Value::from(sum))
    }

    fn splice(
        &mut self,
        path: &Pointer,
        index: usize,
        remove: usize,
        insert: &Value,
    ) -> Result<(), Reason> {
        let adopts = self.adopts(Origin::Patch);
        let target = self.resolve(path)?;
        // One that stays: the element before those that are removed, or behind them.
        let beside = index.checked_sub(1).unwrap_or(remove);
        let sibling = target.as_array().and_then(|array| array.get(beside));
        let adopted = adopt_each(insert, sibling.filter(|_| adopts));
        let insert = adopted.as_ref().unwrap_or(insert);
        let (len, inserted) = match (target.view(), insert.view()) {
            (View::String(target), View::String(insert)) => (target.scalars(), insert.scalars()),
            (View::Array(target), View::Array(insert)) => (target.len(), insert.len()),
            _ => return Err(Reason::SpliceType),
        };
        let end = index.checked_add(remove).filter(|end| *end <= len);
        let range = index..end.ok_or(Reason::OutOfRange { len })?;
        let reach = target.reach_of_splice(&range, insert);
        self.check_depth(self.steps.len(), insert)?;
        let removed = self.edit(reach, |target, copied| match insert.view() {
            View::Array(insert) => target.splice_elements(range, insert, copied),
            _ => target.splice_text(range, &insert.as_str().unwrap_or_default(), copied),
        });
        let back = Back::Splice {
            index,
            remove: inserted,
            insert: removed,
        };
        self.record(path, back, None)
    }

    /// Whether a value takes the names of its siblings. One of the document must stay the one that
    /// others may hold, and so must what is put back.
    fn adopts(&self, origin: Origin) -> bool {
        matches!(origin, Origin::Patch) && !self.undoing
    }

    /// Refuses what has made the document too large.
    fn check_size(&self) -> Result<(), Reason> {
        // One that is over a limit already may be made smaller. Of one whose sums have passed the maximum
        // it cannot be told whether it was.
        let measure = self.document.measure();
        let smaller = measure.bytes <= self.start.bytes && measure.nodes <= self.start.nodes;
        if smaller && !measure.is_saturated() {
            return Ok(());
        }
        Ok(self.limits.check_size(self.document)?)
    }

    fn check_depth(&mut self, around: usize, value: &Value) -> Result<(), Reason> {
        Ok(self.limits.check_depth(around, value, &mut self.walk)?)
    }
}
