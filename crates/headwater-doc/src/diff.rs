mod kin;
mod matches;
#[cfg(test)]
mod tests;

use std::ops::Range;

use crate::{
    apply::Applied,
    array::Array,
    diff::{
        kin::{are_kin, is_large},
        matches::hunks,
    },
    myers::Hunk,
    object::Object,
    patch::{Extensions, Operation, Operations, Patch},
    pointer::{Pointer, push_escaped, push_index},
    text::Text,
    value::{Value, View},
};

/// Makes a patch that turns `old` into `new`: not the smallest there is, but a small one.
///
/// Parts that the two share in memory are skipped by their pointers, so that for a value and what
/// became of it the cost follows what was changed, not the size: O(changes · log n) in arrays, objects
/// and strings of n children or bytes, at any depth and wherever in them the changes are. What is not
/// shared costs its size, up to once for each array around it: values that were read from two texts are
/// compared whole, and so is an element of more than 256 values that was changed *and* moved past others.
///
/// Between what they share, arrays are compared by what is equal at both ends, then by a bounded Myers
/// diff ("An O(ND) Difference Algorithm and Its Variations", 1986; 256 insertions and removals between
/// unshared neighbours; beyond, the run is replaced); a changed element is compared in its turn. With `splice` allowed, changed strings and runs of elements become
/// splices.
///
/// The result is exact, not only equal by `==`: `1` that became `1.0` is a change.
///
/// # Example
///
/// ```
/// use headwater_doc::{Extensions, Value, diff};
///
/// let old: Value = r#"{"cards": ["one", "three"], "open": true}"#.parse()?;
/// let new: Value = r#"{"cards": ["one", "two", "three"]}"#.parse()?;
/// let patch = diff(&old, &new, Extensions::NONE);
/// assert_eq!(
///     patch.to_string(),
///     r#"[{"op":"remove","path":"/open"},{"op":"add","path":"/cards/1","value":"two"}]"#
/// );
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use]
pub fn diff(old: &Value, new: &Value, extensions: Extensions) -> Patch {
    let differ = Differ::compared(old, new, extensions, None);
    Patch::of(differ.operations)
}

impl Patch {
    /// Makes the patch that [`diff()`] makes, and with it what applying it to `old` would yield while
    /// somebody else holds that: for who has both values already, and puts `new` in the place of `old`
    /// without going the way from one to the other a second time.
    ///
    /// O(changes · log n) for what the two share, as [`diff()`], which says more. The inverse leads from `new` back to `old`. [`Applied::copied_bytes`]
    /// are those of the nodes of `old` that `new` does not share, but for what went to the inverse. No limit
    /// is checked: [`Limits::check`](crate::Limits::check) does so for `new`.
    ///
    /// # Example
    ///
    /// ```
    /// use headwater_doc::{Extensions, Patch, Value};
    ///
    /// let old: Value = r#"{"hp": 10, "items": ["rope"]}"#.parse()?;
    /// let new: Value = r#"{"hp": 7, "items": ["rope", "lamp"]}"#.parse()?;
    /// let (patch, applied) = Patch::between(&old, &new, Extensions::NONE);
    /// assert_eq!(
    ///     patch.to_string(),
    ///     r#"[{"op":"replace","path":"/hp","value":7},{"op":"add","path":"/items/1","value":"lamp"}]"#
    /// );
    /// assert_eq!(
    ///     applied.inverse.to_string(),
    ///     r#"[{"op":"remove","path":"/items/1"},{"op":"replace","path":"/hp","value":10}]"#
    /// );
    /// assert!(applied.touched().iter().eq(&["/hp".parse()?, "/items".parse()?]));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn between(old: &Value, new: &Value, extensions: Extensions) -> (Self, Applied) {
        let differ = Differ::compared(old, new, extensions, Some(Back::default()));
        let Back { mut undo, touched } = differ.back.unwrap_or_default();
        undo.reverse();
        let applied = Applied {
            inverse: Self::of(undo),
            listed: touched,
            copied_bytes: differ.copied_bytes,
        };
        (Self::of(differ.operations), applied)
    }
}

struct Differ<'a> {
    extensions: Extensions,
    operations: Operations,
    /// The way back, if it is asked for.
    back: Option<Back>,
    /// Bytes of the old nodes that the new value does not share.
    copied_bytes: u64,
    /// The path of the pair that is compared. One text for all, since few pairs lead to an operation.
    path: String,
    /// Pairs still to be compared; a list, since the depth is the input's. They lie in separate parts
    /// of the tree, and the path of each holds once all operations before it are applied.
    open: Vec<Pair<'a>>,
}

/// What applying the operations would yield.
#[derive(Default)]
struct Back {
    /// What undoes the operations so far, the last first to be undone.
    undo: Operations,
    touched: Vec<Pointer>,
}

struct Pair<'a> {
    /// Bytes of the path of the container around.
    ///
    /// Invariant: the path has that container's text in them when the pair's turn comes. Pairs are taken
    /// last in, first out, so that only what is inside the container came between.
    around: usize,
    step: Step<'a>,
    old: &'a Value,
    new: &'a Value,
}

/// The last segment of a path.
#[derive(Clone, Copy)]
enum Step<'a> {
    Root,
    Member(&'a str),
    Element(usize),
}

impl<'a> Differ<'a> {
    fn compared(
        old: &'a Value,
        new: &'a Value,
        extensions: Extensions,
        back: Option<Back>,
    ) -> Self {
        let mut differ = Self {
            extensions,
            operations: Operations::new(),
            back,
            copied_bytes: 0,
            path: String::new(),
            open: Vec::new(),
        };
        differ.open(Step::Root, old, new);
        while let Some(pair) = differ.open.pop() {
            differ.path.truncate(pair.around);
            differ.step(pair.step);
            differ.compare(pair.old, pair.new);
        }
        differ
    }

    fn compare(&mut self, old: &'a Value, new: &'a Value) {
        if old.same(new) {
            return;
        }
        match (old.view(), new.view()) {
            (View::Array(_), View::Array(_)) | (View::Object(_), View::Object(_))
                if self.at_deepest_path() =>
            {
                if !old.identical(new) {
                    self.replace(old, new);
                }
            }
            (View::Array(olds), View::Array(news)) => {
                self.copied_bytes += old.own_bytes();
                self.arrays(olds, news);
            }
            (View::Object(olds), View::Object(news)) => {
                self.copied_bytes += old.own_bytes();
                self.objects(olds, news);
            }
            (View::String(left), View::String(right)) if left == right => {}
            (View::String(left), View::String(right)) => self.texts((old, left), (new, right)),
            _ => self.replace(old, new),
        }
    }

    fn objects(&mut self, old: Object<'a>, new: Object<'a>) {
        let first = self.open.len();
        if let Some(members) = old.paired(new) {
            for (name, old, new) in members {
                if !old.same(new) {
                    self.open(Step::Member(name), old, new);
                }
            }
        } else {
            // What is shared between two runs stands between them in both by its names too, so that each
            // run is compared for itself.
            for run in old.unshared(new, &mut self.copied_bytes) {
                self.members(old, new, &run);
            }
        }
        self.in_document_order(first);
    }

    /// Compares runs of members, both sorted by name.
    fn members(&mut self, old: Object<'a>, new: Object<'a>, run: &Hunk) {
        let members = |object: Object<'a>, run: &Range<usize>| {
            object.iter_from(run.start).take(run.len()).peekable()
        };
        let (mut olds, mut news) = (members(old, &run.old), members(new, &run.new));
        loop {
            match (olds.peek(), news.peek()) {
                (Some((name, old)), Some((new_name, new))) if name == new_name => {
                    if !old.same(new) {
                        self.open(Step::Member(name), old, new);
                    }
                    olds.next();
                    news.next();
                }
                (Some((name, old)), new) if new.is_none_or(|(new_name, _)| name < new_name) => {
                    let path = self.pointer_below(Step::Member(name));
                    self.remove(path.clone(), path, old);
                    olds.next();
                }
                (_, Some((name, value))) => {
                    let path = self.pointer_below(Step::Member(name));
                    self.add(path.clone(), path, value);
                    news.next();
                }
                (_, None) => break,
            }
        }
    }

    fn arrays(&mut self, old: Array<'a>, new: Array<'a>) {
        let first = self.open.len();
        for run in old.unshared(new, &mut self.copied_bytes) {
            let elements = |array: Array<'a>, run: &Range<usize>| -> Vec<&'a Value> {
                array.iter_from(run.start).take(run.len()).collect()
            };
            let (olds, news) = (elements(old, &run.old), elements(new, &run.new));
            let mut middle = (&*olds, &*news);
            let mut start = run.new.start;
            start += trim_ends(&mut middle, |old, new| {
                old.same(new) || !is_large(old) && old.identical(new)
            });
            // Whether one element differs from another is found as they are compared. Of several, large
            // ones that share a part, but not all, are taken to differ.
            if middle.0.len().min(middle.1.len()) > 0 && middle.0.len().max(middle.1.len()) > 1 {
                start += trim_ends(&mut middle, |old, new| {
                    old.same(new)
                        || !(is_large(old) && are_kin(old, new, &mut usize::MAX.clone()))
                            && old.identical(new)
                });
            }
            self.elements(start, middle.0, middle.1);
        }
        self.in_document_order(first);
    }

    /// Compares runs of elements of which neither the first nor the last are identical.
    fn elements(&mut self, start: usize, old: &[&'a Value], new: &[&'a Value]) {
        // One changed element, the usual case, is not hashed: that would cost its size, and all that
        // it shares with the other would be looked at. Where one run is empty there is nothing to find.
        let hunks = match (old.len(), new.len()) {
            (0, 0) => Vec::new(),
            (1, 1) | (0, _) | (_, 0) => vec![Hunk {
                old: 0..old.len(),
                new: 0..new.len(),
            }],
            _ => hunks(old, new),
        };
        for hunk in hunks {
            let old = old.get(hunk.old).unwrap_or_default();
            self.hunk(
                start + hunk.new.start,
                old,
                new.get(hunk.new).unwrap_or_default(),
            );
        }
    }

    /// Turns a run of elements into another. What stands left of it is new already, so that indices
    /// are those of the new array.
    fn hunk(&mut self, start: usize, old: &[&'a Value], new: &[&'a Value]) {
        let paired = old.len().min(new.len());
        let alike = old.iter().zip(new).all(|(old, new)| are_alike(old, new));
        if self.extensions.splice && !(alike && paired > 0) {
            self.splice(start, old, new);
            return;
        }
        for (at, (old, new)) in old.iter().zip(new).enumerate() {
            self.open(Step::Element(start + at), old, new);
        }
        let surplus = old.get(paired..).unwrap_or_default();
        let missing = new.get(paired..).unwrap_or_default();
        if surplus.len() + missing.len() == 0 {
            return;
        }
        if self.extensions.splice {
            self.splice(start + paired, surplus, missing);
            return;
        }
        let around = self.pointer();
        for old in surplus {
            let path = self.pointer_below(Step::Element(start + paired));
            self.remove(path, around.clone(), old);
        }
        for (at, new) in missing.iter().enumerate() {
            let path = self.pointer_below(Step::Element(start + paired + at));
            self.add(path, around.clone(), new);
        }
    }

    fn texts(
        &mut self,
        (old_value, old): (&Value, Text<'_>),
        (new_value, new): (&Value, Text<'_>),
    ) {
        if self.extensions.splice {
            let (prefix, suffix) = old.common_ends(new);
            let (removed, inserted) = (
                prefix..old.scalars() - suffix,
                prefix..new.scalars() - suffix,
            );
            let splice = Operation::Splice {
                path: self.pointer(),
                index: prefix,
                remove: removed.len(),
                insert: Value::from(new.slice(inserted.clone())),
            };
            let replace = Operation::Replace {
                path: self.pointer(),
                value: new_value.clone(),
            };
            if splice.written_bytes() < replace.written_bytes() {
                self.copied_bytes += old_value.own_bytes();
                self.record(splice, |path| {
                    let undo = Operation::Splice {
                        path: path.clone(),
                        index: prefix,
                        remove: inserted.len(),
                        insert: Value::from(old.slice(removed)),
                    };
                    (undo, path.clone())
                });
                return;
            }
        }
        self.replace(old_value, new_value);
    }

    fn replace(&mut self, old: &Value, new: &Value) {
        let operation = Operation::Replace {
            path: self.pointer(),
            value: new.clone(),
        };
        self.record(operation, |path| {
            let undo = Operation::Replace {
                path: path.clone(),
                value: old.clone(),
            };
            (undo, path.clone())
        });
    }

    fn add(&mut self, path: Pointer, touched: Pointer, value: &Value) {
        let operation = Operation::Add {
            path,
            value: value.clone(),
        };
        self.record(operation, |path| {
            let path = path.clone();
            (Operation::Remove { path }, touched)
        });
    }

    fn remove(&mut self, path: Pointer, touched: Pointer, old: &Value) {
        self.record(Operation::Remove { path }, |path| {
            let undo = Operation::Add {
                path: path.clone(),
                value: old.clone(),
            };
            (undo, touched)
        });
    }

    fn splice(&mut self, index: usize, old: &[&Value], new: &[&Value]) {
        let list = |values: &[&Value]| values.iter().map(|&value| value.clone()).collect();
        let operation = Operation::Splice {
            path: self.pointer(),
            index,
            remove: old.len(),
            insert: list(new),
        };
        self.record(operation, |path| {
            let undo = Operation::Splice {
                path: path.clone(),
                index,
                remove: new.len(),
                insert: list(old),
            };
            (undo, path.clone())
        });
    }

    /// Takes an operation; what undoes it and the path that it touches are asked for if they are needed.
    fn record(
        &mut self,
        operation: Operation,
        back: impl FnOnce(&Pointer) -> (Operation, Pointer),
    ) {
        if let Some(Back { undo, touched }) = &mut self.back {
            let (operation, path) = back(operation.path());
            undo.push(operation);
            if touched.last() != Some(&path) {
                touched.push(path);
            }
        }
        self.operations.push(operation);
    }

    /// Adds a pair to be compared, a step inside that which is compared now.
    fn open(&mut self, step: Step<'a>, old: &'a Value, new: &'a Value) {
        self.open.push(Pair {
            around: self.path.len(),
            step,
            old,
            new,
        });
    }

    /// The pair that was pushed last comes off the list first: turns those from `first` on round.
    fn in_document_order(&mut self, first: usize) {
        if let Some(pairs) = self.open.get_mut(first..) {
            pairs.reverse();
        }
    }

    fn step(&mut self, step: Step<'_>) {
        match step {
            Step::Root => {}
            Step::Member(name) => push_escaped(&mut self.path, name),
            Step::Element(index) => push_index(&mut self.path, index),
        }
    }

    /// Whether no path can lead into what is compared, so that it has to be replaced as a whole.
    fn at_deepest_path(&self) -> bool {
        let segments_max = Pointer::SEGMENTS_MAX;
        // Each segment takes a byte or more.
        self.path.len() >= segments_max
            && self.path.bytes().filter(|&byte| byte == b'/').count() >= segments_max
    }

    /// The path of what is compared.
    fn pointer(&self) -> Pointer {
        Pointer::from_valid(&self.path)
    }

    /// The path a step further.
    fn pointer_below(&mut self, step: Step<'_>) -> Pointer {
        let around = self.path.len();
        self.step(step);
        let pointer = self.pointer();
        self.path.truncate(around);
        pointer
    }
}

/// Whether a change from one to the other is made inside: of containers of one kind, and of strings that
/// are held in several runs, since a short one is better put in whole.
fn are_alike(old: &Value, new: &Value) -> bool {
    match (old.view(), new.view()) {
        (View::Array(_), View::Array(_)) | (View::Object(_), View::Object(_)) => true,
        (View::String(old), View::String(new)) => old.as_str().is_none() && new.as_str().is_none(),
        _ => false,
    }
}

/// Takes off what is identical at the start, and behind it at the end, and returns how much at the start.
fn trim_ends<'r, 'a>(
    (old, new): &mut (&'r [&'a Value], &'r [&'a Value]),
    identical: impl Fn(&'a Value, &'a Value) -> bool,
) -> usize {
    let identical = |(old, new): &(&'r &'a Value, &'r &'a Value)| identical(old, new);
    let prefix = old.iter().zip(*new).take_while(identical).count();
    let behind = old.len().min(new.len()) - prefix;
    let backwards = old.iter().rev().zip(new.iter().rev());
    let suffix = backwards.take(behind).take_while(identical).count();
    for run in [old, new] {
        *run = run.get(prefix..run.len() - suffix).unwrap_or_default();
    }
    prefix
}
