//! What a difference has found so far, in no more written bytes than what it would replace.

use std::ops::Range;

use smallvec::SmallVec;

use crate::{
    applied::Applied,
    array::Array,
    myers::Hunk,
    patch::{Operation, Operations, Patch},
    pointer::{Pointer, push_escaped, push_index},
    rope::escape_bytes,
    scan::is_plain_segment,
    text::Text,
    touched::Listed,
    value::Value,
};

/// An edit script: the changes that turn one value into another, in the order in which they apply.
///
/// Each operation carries its whole path, so that the patch of many small changes below long names can be
/// longer than both values by any factor. So a container of which the changes have together more
/// [`written_bytes`](Patch::written_bytes) than its replacement is replaced, as soon as they have, and those
/// of the container around it are told then: the patch never has more than the replacement of the root. The
/// real text would have to be made to be known, for doubles and kept numbers count as the most they can take.
/// Until then changes keep no path but their place, a step inside the container around, which costs a few
/// words however long the path is.
pub(super) struct Script<'a> {
    changes: SmallVec<[Change<'a>; 1]>,
    /// Of the containers that are `around`, and of those in which something was changed.
    places: SmallVec<[Place<'a>; 4]>,
    /// The containers around what is compared, the outermost first.
    around: Vec<Container<'a>>,
    /// Bytes of the changes as operations of a patch, as text.
    bytes: u64,
    /// Bytes of the old nodes that the new value does not share.
    copied_bytes: u64,
}

struct Change<'a> {
    place: Place<'a>,
    edit: Edit<'a>,
}

/// Where a value is.
#[derive(Clone, Copy)]
struct Place<'a> {
    /// The index in `places` of the container around.
    around: usize,
    /// The step from there; none for the root.
    step: Option<Step<'a>>,
}

impl<'a> Place<'a> {
    /// The container around and the step from there, of all but the root.
    fn below(&self) -> Option<(usize, Step<'a>)> {
        Some((self.around, self.step?))
    }
}

/// The last segment of a path.
#[derive(Clone, Copy)]
pub(super) enum Step<'a> {
    Member(&'a str),
    Element(usize),
}

/// What is done at a place.
pub(super) enum Edit<'a> {
    Add(&'a Value),
    Remove(&'a Value),
    Replace {
        old: &'a Value,
        new: &'a Value,
    },
    /// Replaces elements of the array that is there.
    Elements(Box<Elements<'a>>),
    /// Replaces a part of the string that is there.
    Text(Box<Part<'a>>),
}

/// A run of elements in the place of another.
pub(super) struct Elements<'a> {
    old: Array<'a>,
    index: usize,
    /// Of the old array.
    removed: Range<usize>,
    inserted: usize,
    insert: Value,
}

/// A part of a string in the place of another.
pub(super) struct Part<'a> {
    pub(super) old: &'a Value,
    pub(super) new: &'a Value,
    /// In scalars of the old string.
    pub(super) removed: Range<usize>,
    pub(super) inserted: usize,
    pub(super) insert: Value,
}

/// A container that is compared, and how far everything was before.
struct Container<'a> {
    old: &'a Value,
    new: &'a Value,
    /// Its index in `places`.
    place: usize,
    /// Bytes of its path as text, without quotes.
    path_bytes: u64,
    /// Bytes of all changes with its own up to which it is not replaced.
    bytes_max: u64,
    /// The same for it and those around it.
    bytes_max_all: u64,
    changes: usize,
    copied_bytes: u64,
    /// Pairs still to be compared, none of them in it.
    open: usize,
}

/// Containers were replaced, with all that was found in them; so many pairs outside are still to be
/// compared.
pub(super) struct Replaced {
    pub(super) open: usize,
}

impl<'a> Script<'a> {
    pub(super) fn new() -> Self {
        Self {
            changes: SmallVec::new(),
            places: SmallVec::new(),
            around: Vec::with_capacity(DEPTH_USUAL),
            bytes: Patch::HEAD_BYTES,
            copied_bytes: 0,
        }
    }

    /// Bytes of the patch as text. They never become less: who replaces containers comes back to a sum
    /// that was not passed before the last change.
    pub(super) fn bytes(&self) -> u64 {
        if self.changes.is_empty() {
            Patch::EMPTY_BYTES
        } else {
            self.bytes
        }
    }

    /// Containers around what is compared.
    pub(super) fn depth(&self) -> usize {
        self.around.len()
    }

    /// Goes into a container, with so many pairs open elsewhere.
    pub(super) fn enter(
        &mut self,
        step: Option<Step<'a>>,
        old: &'a Value,
        new: &'a Value,
        open: usize,
    ) {
        let path_bytes = self.path_bytes(step);
        let bytes_max = self.bytes + replacement_bytes(new, path_bytes);
        let outside = self.around.last().map(|around| around.bytes_max_all);
        let place = self.place(step);
        self.around.push(Container {
            old,
            new,
            place: self.places.len(),
            path_bytes,
            bytes_max,
            bytes_max_all: outside.map_or(bytes_max, |outside| outside.min(bytes_max)),
            changes: self.changes.len(),
            copied_bytes: self.copied_bytes,
            open,
        });
        self.places.push(place);
        self.copied_bytes += old.own_bytes();
    }

    /// Leaves the containers in which no pair is open, with so many open in all.
    pub(super) fn leave(&mut self, open: usize) {
        while let Some(left) = self.around.last()
            && left.open == open
        {
            if left.changes == self.changes.len() {
                self.places.truncate(left.place);
            }
            self.around.pop();
        }
    }

    /// Takes a change of what is a step further.
    pub(super) fn push(&mut self, step: Option<Step<'a>>, edit: Edit<'a>) -> Result<(), Replaced> {
        let bytes = edit.written_bytes(self.path_bytes(step));
        let place = self.place(step);
        self.take(Change { place, edit }, bytes)
    }

    /// Takes a change of elements of the innermost container.
    pub(super) fn push_elements(
        &mut self,
        old: Array<'a>,
        new: Array<'a>,
        run: Hunk,
    ) -> Result<(), Replaced> {
        let edit = Edit::Elements(Box::new(Elements {
            old,
            index: run.new.start,
            removed: run.old,
            inserted: run.new.len(),
            insert: new.part(run.new, &mut 0),
        }));
        let Some(around) = self.around.last() else {
            return Ok(());
        };
        let Some(&place) = self.places.get(around.place) else {
            return Ok(());
        };
        let bytes = edit.written_bytes(around.path_bytes);
        self.take(Change { place, edit }, bytes)
    }

    /// Where nodes of the old container are counted that the new one does not share.
    pub(super) const fn copied_mut(&mut self) -> &mut u64 {
        &mut self.copied_bytes
    }

    fn take(&mut self, change: Change<'a>, bytes: u64) -> Result<(), Replaced> {
        self.changes.push(change);
        self.bytes += bytes;
        match self.around.last() {
            Some(around) if self.bytes > around.bytes_max_all => Err(self.replace()),
            _ => Ok(()),
        }
    }

    /// Replaces containers, the innermost first, until no changes are too long.
    #[cold]
    fn replace(&mut self) -> Replaced {
        let mut open = 0;
        while let Some(around) = self
            .around
            .pop_if(|around| self.bytes > around.bytes_max_all)
        {
            open = around.open;
            // If it is not too long itself, another around it is.
            if self.bytes <= around.bytes_max {
                continue;
            }
            self.changes.truncate(around.changes);
            self.places.truncate(around.place + 1);
            self.copied_bytes = around.copied_bytes;
            self.bytes = around.bytes_max;
            let (old, new) = (around.old, around.new);
            if let Some(place) = self.places.pop() {
                let edit = Edit::Replace { old, new };
                self.changes.push(Change { place, edit });
            }
        }
        Replaced { open }
    }

    fn place(&self, step: Option<Step<'a>>) -> Place<'a> {
        Place {
            around: self.around.last().map_or(0, |around| around.place),
            step,
        }
    }

    /// Bytes of the path a step further, as text without quotes.
    fn path_bytes(&self, step: Option<Step<'_>>) -> u64 {
        let around = self.around.last().map_or(0, |around| around.path_bytes);
        around + step.map_or(0, Step::written_bytes)
    }

    /// The patch.
    pub(super) fn patch(self) -> Patch {
        let mut paths = Paths::new(&self.places);
        let operations = self.changes.into_iter().map(|change| {
            let path = paths.path(change.place);
            change.edit.operation(path)
        });
        Patch::of_bytes(operations.collect(), self.bytes)
    }

    /// The patch, and what applying it would yield.
    pub(super) fn patch_and_back(self) -> (Patch, Applied) {
        let mut paths = Paths::new(&self.places);
        let mut operations = Operations::with_capacity(self.changes.len());
        let mut undo = Operations::with_capacity(self.changes.len());
        let mut listed = Listed::new();
        let mut copied_bytes = self.copied_bytes;
        for Change { place, edit } in self.changes {
            let path = paths.path(place);
            let touched = match (&edit, place.step) {
                (Edit::Add(_) | Edit::Remove(_), Some(Step::Element(_))) => path.parent(),
                _ => None,
            };
            let touched = touched.unwrap_or_else(|| path.clone());
            if listed.last() != Some(&touched) {
                listed.push(touched);
            }
            undo.push(edit.inverse(path.clone(), &mut copied_bytes));
            operations.push(edit.operation(path));
        }
        undo.reverse();
        let applied = Applied::of(undo, listed, copied_bytes);
        (Patch::of_bytes(operations, self.bytes), applied)
    }
}

impl Step<'_> {
    fn push_to(self, path: &mut String) {
        match self {
            Self::Member(name) => push_escaped(path, name),
            Self::Element(index) => push_index(path, index),
        }
    }

    /// Bytes that it adds to a path, as text.
    fn written_bytes(self) -> u64 {
        let bytes = match self {
            Self::Member(name) if is_plain_segment(name.as_bytes()) => name.len(),
            Self::Member(name) => {
                let escapes = name.bytes().filter(|byte| matches!(byte, b'~' | b'/'));
                name.len() + escapes.count() + escape_bytes(name)
            }
            Self::Element(index) => 1 + index.checked_ilog10().unwrap_or_default() as usize,
        };
        1 + bytes as u64
    }
}

impl<'a> Edit<'a> {
    /// Bytes that its operation adds to a patch, at a path of so many.
    #[inline]
    pub(super) fn written_bytes(&self, path_bytes: u64) -> u64 {
        let (op, members) = match self {
            Self::Replace { new, .. } => return replacement_bytes(new, path_bytes),
            Self::Add(value) => ("add", Operation::value_bytes(value)),
            Self::Remove(_) => ("remove", 0),
            Self::Elements(run) => {
                let (remove, insert) = (run.removed.len(), run.insert.written_bytes());
                ("splice", Operation::splice_bytes(run.index, remove, insert))
            }
            Self::Text(part) => {
                let (remove, insert) = (part.removed.len(), part.insert.written_bytes());
                let members = Operation::splice_bytes(part.removed.start, remove, insert);
                ("splice", members)
            }
        };
        operation_bytes(op, path_bytes, members)
    }

    fn operation(self, path: Pointer) -> Operation {
        match self {
            Self::Add(value) => Operation::Add {
                path,
                value: value.clone(),
            },
            Self::Remove(_) => Operation::Remove { path },
            Self::Replace { new, .. } => Operation::Replace {
                path,
                value: new.clone(),
            },
            Self::Elements(run) => Operation::Splice {
                path,
                index: run.index,
                remove: run.removed.len(),
                insert: run.insert,
            },
            Self::Text(part) => Operation::Splice {
                path,
                index: part.removed.start,
                remove: part.removed.len(),
                insert: part.insert,
            },
        }
    }

    /// What undoes it. Counts as copied the nodes of a string that is spliced that the new one does not
    /// share, and no longer those of an array that went here with what was removed.
    fn inverse(&self, path: Pointer, copied_bytes: &mut u64) -> Operation {
        match self {
            Self::Add(_) => Operation::Remove { path },
            Self::Remove(value) => Operation::Add {
                path,
                value: (*value).clone(),
            },
            Self::Replace { old, .. } => Operation::Replace {
                path,
                value: (*old).clone(),
            },
            Self::Elements(run) => {
                let mut moved = 0;
                let insert = run.old.part(run.removed.clone(), &mut moved);
                *copied_bytes = copied_bytes.saturating_sub(moved);
                Operation::Splice {
                    path,
                    index: run.index,
                    remove: run.inserted,
                    insert,
                }
            }
            Self::Text(part) => {
                let old = part.old.as_text().unwrap_or(Text::flat(""));
                *copied_bytes += part.old.unshared_text_bytes(part.new);
                Operation::Splice {
                    path,
                    index: part.removed.start,
                    remove: part.inserted,
                    insert: Value::from(old.slice(part.removed.clone())),
                }
            }
        }
    }
}

/// Bytes that the replacement of what is at a path of so many adds to a patch.
#[inline]
fn replacement_bytes(new: &Value, path_bytes: u64) -> u64 {
    operation_bytes("replace", path_bytes, Operation::value_bytes(new))
}

fn operation_bytes(op: &str, path_bytes: u64, members: u64) -> u64 {
    // The quotes of the path, and the comma or bracket behind.
    Operation::bytes(op, path_bytes + 2, members) + 1
}

/// The paths of places. Each starts with that of a container that the one before was in, mostly.
struct Paths<'s, 'a> {
    places: &'s [Place<'a>],
    text: String,
    /// The containers that the text goes through, each with the bytes up to where it does.
    around: SmallVec<[(usize, usize); 8]>,
    /// Containers still to go into, the innermost first, by a step each.
    steps: SmallVec<[(usize, Step<'a>); 8]>,
}

impl<'s, 'a> Paths<'s, 'a> {
    fn new(places: &'s [Place<'a>]) -> Self {
        Self {
            places,
            text: String::with_capacity(PATH_BYTES_USUAL),
            around: SmallVec::new(),
            steps: SmallVec::new(),
        }
    }

    fn path(&mut self, place: Place<'a>) -> Pointer {
        let Some(step) = place.step else {
            return Pointer::root();
        };
        self.go_into(place.around);
        step.push_to(&mut self.text);
        Pointer::from_valid(&self.text)
    }

    /// Makes the text the path of a container.
    fn go_into(&mut self, container: usize) {
        let mut at = container;
        loop {
            // A container comes behind those around it.
            while self.around.last().is_some_and(|&(inner, _)| inner > at) {
                self.around.pop();
            }
            if self.around.last().is_some_and(|&(same, _)| same == at) {
                break;
            }
            let Some((around, step)) = self.places.get(at).and_then(Place::below) else {
                break;
            };
            self.steps.push((at, step));
            at = around;
        }
        let bytes = self.around.last().map_or(0, |&(_, bytes)| bytes);
        self.text.truncate(bytes);
        while let Some((container, step)) = self.steps.pop() {
            step.push_to(&mut self.text);
            self.around.push((container, self.text.len()));
        }
    }
}

/// Containers around one another, and bytes of a path, for which room is made at first: those of most
/// documents. More would be cleared in vain, fewer would have the lists grow in each difference.
const DEPTH_USUAL: usize = 8;
const PATH_BYTES_USUAL: usize = 64;
