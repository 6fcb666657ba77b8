mod kin;
mod matches;
mod script;
#[cfg(test)]
mod tests;

use std::ops::Range;

use crate::{
    applied::Applied,
    array::Array,
    diff::{
        kin::{are_kin, is_large},
        matches::hunks,
        script::{Edit, Part, Replaced, Script, Step},
    },
    myers::Hunk,
    object::Object,
    patch::{Extensions, Patch},
    pointer::Pointer,
    text::Text,
    value::{Repr, Value, View},
};

/// Makes a patch that turns `old` into `new`: not the smallest there is, but a small one.
///
/// Parts that the two share in memory are skipped by their pointers, so that for a value and what
/// became of it the cost follows what was changed, not the size: O(changes · log n) in arrays, objects
/// and strings of n children or bytes, at any depth and wherever in them the changes are. What is not
/// shared costs its size, up to once for each array around it: values that were read from two texts are
/// compared whole, and so is an element of more than 256 values that was changed *and* moved past others.
///
/// Elements that only came or only went at one place cost O(log n) with `splice` allowed, however many they
/// are. Where others stand in their place instead, each of them is looked at; and so is every 32nd element of an
/// array that was cut to a small part of itself in several places.
///
/// Between what they share, arrays are compared by what is equal at both ends, then by what is found in both, with
/// a bounded Myers diff ("An O(ND) Difference Algorithm and Its Variations", 1986; 256 insertions and removals
/// for what moved past others; beyond, the run is replaced); a changed element is compared in its turn. With
/// `splice` allowed, changed strings and runs of elements become splices.
///
/// A container is replaced whole where that has fewer [`written_bytes`](Patch::written_bytes) than what else
/// would be done in it. So the patch never has more than the replacement of the root, however long the names
/// in its paths are; and one that replaces a container has [touched](Applied::touched) that, also what is
/// equal in it. Each double counts as 25 bytes, however short it is: as text, the patch of a value full of
/// short doubles can be longer than the replacement, but less than 6.5 times as long.
///
/// The result is exact, not only equal by `==`: `1` that became `1.0` is a change.
///
/// # Example
///
/// ```
/// use headwater_doc::{Extensions, Value, diff};
///
/// let old: Value = r#"{"cards": ["one", "three"], "open": true, "title": "numbers"}"#.parse()?;
/// let new: Value = r#"{"cards": ["one", "two", "three"], "title": "numbers"}"#.parse()?;
/// let patch = diff(&old, &new, Extensions::NONE);
/// assert_eq!(
///     patch.to_string(),
///     r#"[{"op":"remove","path":"/open"},{"op":"add","path":"/cards/1","value":"two"}]"#
/// );
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use]
pub fn diff(old: &Value, new: &Value, extensions: Extensions) -> Patch {
    let mut differ = Differ::new(extensions);
    differ.compare_all(old, new, u64::MAX);
    differ.script.patch()
}

/// Makes the patch that [`diff()`] makes, unless its [`written_bytes`](Patch::written_bytes) are more than
/// `bytes_max`: for who would send something else then.
///
/// It stops as soon as that is certain, so that a difference that is too large costs no memory for what is
/// beyond, nor the time to find it. Else costs are those of [`diff()`].
///
/// # Example
///
/// ```
/// use headwater_doc::{Extensions, Value, diff, diff_within};
///
/// let old: Value = r#"{"hp": 10, "name": "ada"}"#.parse()?;
/// let new: Value = r#"{"hp": 7, "name": "ada"}"#.parse()?;
/// let patch = diff(&old, &new, Extensions::NONE);
/// assert_eq!(patch.to_string(), r#"[{"op":"replace","path":"/hp","value":7}]"#);
/// assert_eq!(diff_within(&old, &new, Extensions::NONE, 41), Some(patch));
/// assert_eq!(diff_within(&old, &new, Extensions::NONE, 40), None);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use]
pub fn diff_within(
    old: &Value,
    new: &Value,
    extensions: Extensions,
    bytes_max: u64,
) -> Option<Patch> {
    let mut differ = Differ::new(extensions);
    differ
        .compare_all(old, new, bytes_max)
        .then(|| differ.script.patch())
}

impl Patch {
    /// Makes the patch that [`diff()`] makes, and with it what applying it to `old` would yield while
    /// somebody else holds that: for who has both values already, and puts `new` in the place of `old`
    /// without going the way from one to the other a second time.
    ///
    /// O(changes · log n) for what the two share, as [`diff()`], which says more. The inverse leads from
    /// `new` back to `old`. No limit is checked: [`Limits::check`](crate::Limits::check) does so for `new`.
    ///
    /// [`Applied::copied_bytes`] are those of the nodes of `old` that `new` does not share, but for what was
    /// replaced or removed, which went to the inverse. What was taken out of the middle of a long string is
    /// in the inverse as a copy, so that its nodes count, where applying a splice would have moved them there.
    /// Where `new` was made by a splice inside one run of a string, which has up to 1,024 bytes, they are
    /// those that this has copied.
    ///
    /// # Example
    ///
    /// ```
    /// use headwater_doc::{Extensions, Patch, Value};
    ///
    /// let old: Value = r#"{"hp": 10, "items": ["rope"], "name": "ada", "place": "a cave"}"#.parse()?;
    /// let new: Value = r#"{"hp": 7, "items": ["rope", "lamp"], "name": "ada", "place": "a cave"}"#.parse()?;
    /// let (patch, applied) = Patch::between(&old, &new, Extensions::NONE);
    /// assert_eq!(
    ///     patch.to_string(),
    ///     r#"[{"op":"replace","path":"/hp","value":7},{"op":"add","path":"/items/1","value":"lamp"}]"#
    /// );
    /// assert_eq!(
    ///     applied.inverse(&patch).to_string(),
    ///     r#"[{"op":"remove","path":"/items/1"},{"op":"replace","path":"/hp","value":10}]"#
    /// );
    /// assert!(applied.touched(&patch).iter().eq(&["/hp".parse()?, "/items".parse()?]));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn between(old: &Value, new: &Value, extensions: Extensions) -> (Self, Applied) {
        let mut differ = Differ::new(extensions);
        differ.compare_all(old, new, u64::MAX);
        differ.script.patch_and_back()
    }
}

struct Differ<'a> {
    extensions: Extensions,
    script: Script<'a>,
    /// Pairs still to be compared; a list, since the depth is the input's. They lie in separate parts
    /// of the tree, and the path of each holds once all changes before it are made.
    ///
    /// Invariant: the last is in the innermost container that the script is in. Pairs are taken last in,
    /// first out, so that a container's are gone when the script leaves it.
    open: Vec<Pair<'a>>,
}

struct Pair<'a> {
    /// None for the roots.
    step: Option<Step<'a>>,
    old: &'a Value,
    new: &'a Value,
}

impl<'a> Differ<'a> {
    fn new(extensions: Extensions) -> Self {
        Self {
            extensions,
            script: Script::new(),
            open: Vec::new(),
        }
    }

    /// Compares two values and all in them; false if the patch takes more than so many bytes, for which it
    /// stops.
    fn compare_all(&mut self, old: &'a Value, new: &'a Value, bytes_max: u64) -> bool {
        self.open(None, old, new);
        while let Some(pair) = self.open.pop() {
            if let Err(Replaced { open }) = self.compare(&pair) {
                self.open.truncate(open);
            }
            if self.script.bytes() > bytes_max {
                return false;
            }
            self.script.leave(self.open.len());
        }
        self.script.bytes() <= bytes_max
    }

    fn compare(&mut self, &Pair { step, old, new }: &Pair<'a>) -> Result<(), Replaced> {
        match (old.view(), new.view()) {
            (View::Array(_), View::Array(_)) | (View::Object(_), View::Object(_))
                if self.script.depth() >= Pointer::SEGMENTS_MAX =>
            {
                // No path can lead into what is compared.
                if old.identical(new) {
                    return Ok(());
                }
                self.script.push(step, Edit::Replace { old, new })
            }
            (View::Array(olds), View::Array(news)) => {
                self.script.enter(step, old, new, self.open.len());
                self.arrays(olds, news)
            }
            (View::Object(olds), View::Object(news)) => {
                self.script.enter(step, old, new, self.open.len());
                self.objects(olds, news)
            }
            (View::String(left), View::String(right)) if left == right => Ok(()),
            (View::String(left), View::String(right)) if self.extensions.splice => {
                let edit = texts((old, left), (new, right));
                self.script.push(step, edit)
            }
            _ => self.script.push(step, Edit::Replace { old, new }),
        }
    }

    fn objects(&mut self, old: Object<'a>, new: Object<'a>) -> Result<(), Replaced> {
        let first = self.open.len();
        if let Some(members) = old.changed(new) {
            for (name, old, new) in members {
                let step = Some(Step::Member(name));
                // At once if no pair comes before, which spares a record's fields the way over the list.
                if self.open.len() == first && is_plain(new) {
                    self.script.push(step, Edit::Replace { old, new })?;
                } else {
                    self.open.push(Pair { step, old, new });
                }
            }
        } else {
            // What is shared between two runs stands between them in both by its names too, so that each
            // run is compared for itself.
            for run in old.unshared(new, self.script.copied_mut()) {
                self.members(old, new, &run)?;
            }
        }
        self.in_document_order(first);
        Ok(())
    }

    /// Compares runs of members, both sorted by name.
    fn members(&mut self, old: Object<'a>, new: Object<'a>, run: &Hunk) -> Result<(), Replaced> {
        let members = |object: Object<'a>, run: &Range<usize>| {
            object.iter_from(run.start).take(run.len()).peekable()
        };
        let (mut olds, mut news) = (members(old, &run.old), members(new, &run.new));
        loop {
            match (olds.peek(), news.peek()) {
                (Some((name, old)), Some((new_name, new))) if name == new_name => {
                    self.open(Some(Step::Member(name)), old, new);
                    olds.next();
                    news.next();
                }
                (Some((name, old)), new) if new.is_none_or(|(new_name, _)| name < new_name) => {
                    let step = Some(Step::Member(name));
                    self.script.push(step, Edit::Remove(old))?;
                    olds.next();
                }
                (_, Some((name, new))) => {
                    let step = Some(Step::Member(name));
                    self.script.push(step, Edit::Add(new))?;
                    news.next();
                }
                (_, None) => return Ok(()),
            }
        }
    }

    fn arrays(&mut self, old: Array<'a>, new: Array<'a>) -> Result<(), Replaced> {
        let first = self.open.len();
        for run in old.unshared(new, self.script.copied_mut()) {
            let run = if run.old.len().max(run.new.len()) > RUN_LONG {
                trimmed(old, new, run)
            } else {
                run
            };
            if run.old.is_empty() || run.new.is_empty() {
                self.hunk(old, new, run)?;
                continue;
            }
            let elements = |array: Array<'a>, run: &Range<usize>| -> Vec<&'a Value> {
                array.iter_between(run.clone()).collect()
            };
            let (olds, news) = (elements(old, &run.old), elements(new, &run.new));
            let mut middle = (&*olds, &*news);
            let mut trimmed = trim_ends(&mut middle, same_or_small);
            // Whether one element differs from another is found as they are compared. Of several, large
            // ones that share a part, but not all, are taken to differ.
            if middle.0.len().min(middle.1.len()) > 0 && middle.0.len().max(middle.1.len()) > 1 {
                trimmed += trim_ends(&mut middle, |old, new| {
                    old.same(new)
                        || !(is_large(old) && are_kin(old, new, &mut usize::MAX.clone()))
                            && old.identical(new)
                });
            }
            let starts = (run.old.start + trimmed, run.new.start + trimmed);
            for hunk in changed(middle.0, middle.1) {
                let hunk = Hunk {
                    old: hunk.old.start + starts.0..hunk.old.end + starts.0,
                    new: hunk.new.start + starts.1..hunk.new.end + starts.1,
                };
                self.hunk(old, new, hunk)?;
            }
        }
        self.in_document_order(first);
        Ok(())
    }

    /// Turns a run of elements into another. What stands left of it is new already, so that indices
    /// are those of the new array.
    fn hunk(&mut self, old: Array<'a>, new: Array<'a>, run: Hunk) -> Result<(), Replaced> {
        let paired = run.old.len().min(run.new.len());
        let olds = old.iter_between(run.old.start..run.old.start + paired);
        let news = new.iter_between(run.new.start..run.new.start + paired);
        let mut pairs = olds.zip(news);
        let alike = pairs.clone().all(|(old, new)| are_alike(old, new));
        if self.extensions.splice && !(alike && paired > 0) {
            return self.push_run(old, new, run);
        }
        for (at, (old, new)) in pairs.by_ref().enumerate() {
            self.open(Some(Step::Element(run.new.start + at)), old, new);
        }
        let rest = Hunk {
            old: run.old.start + paired..run.old.end,
            new: run.new.start + paired..run.new.end,
        };
        if self.extensions.splice {
            return self.push_run(old, new, rest);
        }
        for old in old.iter_between(rest.old) {
            let step = Some(Step::Element(rest.new.start));
            self.script.push(step, Edit::Remove(old))?;
        }
        for (at, new) in rest.new.clone().zip(new.iter_between(rest.new)) {
            self.script.push(Some(Step::Element(at)), Edit::Add(new))?;
        }
        Ok(())
    }

    fn push_run(&mut self, old: Array<'a>, new: Array<'a>, run: Hunk) -> Result<(), Replaced> {
        if run.old.is_empty() && run.new.is_empty() {
            return Ok(());
        }
        self.script.push_elements(old, new, run)
    }

    /// Adds a pair to be compared, a step inside that which is compared now, unless it is seen at once that
    /// nothing changed.
    #[inline]
    fn open(&mut self, step: Option<Step<'a>>, old: &'a Value, new: &'a Value) {
        if !old.same(new) {
            self.open.push(Pair { step, old, new });
        }
    }

    /// The pair that was pushed last comes off the list first: turns those from `first` on round.
    fn in_document_order(&mut self, first: usize) {
        if let Some(pairs) = self.open.get_mut(first..) {
            pairs.reverse();
        }
    }
}

/// The hunks of runs of elements of which neither the first nor the last are identical.
fn changed(old: &[&Value], new: &[&Value]) -> Vec<Hunk> {
    // One changed element, the usual case, is not hashed: that would cost its size, and all that
    // it shares with the other would be looked at. Where one run is empty there is nothing to find.
    match (old.len(), new.len()) {
        (0, 0) => Vec::new(),
        (1, 1) | (0, _) | (_, 0) => vec![Hunk {
            old: 0..old.len(),
            new: 0..new.len(),
        }],
        _ => hunks(old, new),
    }
}

/// Takes off a long run what is identical at its ends, without a list of all its elements: nothing else is
/// looked at where elements only came or only went.
fn trimmed(old: Array<'_>, new: Array<'_>, mut run: Hunk) -> Hunk {
    let pairs = old
        .iter_between(run.old.clone())
        .zip(new.iter_between(run.new.clone()));
    let prefix = pairs
        .take_while(|(old, new)| same_or_small(old, new))
        .count();
    run.old.start += prefix;
    run.new.start += prefix;
    let olds = old.iter_between(run.old.clone()).rev();
    let pairs = olds.zip(new.iter_between(run.new.clone()).rev());
    let suffix = pairs
        .take_while(|(old, new)| same_or_small(old, new))
        .count();
    run.old.end -= suffix;
    run.new.end -= suffix;
    run
}

/// Whether two elements are identical, as far as that can be told without a look into a large one.
fn same_or_small(old: &Value, new: &Value) -> bool {
    old.same(new) || !is_large(old) && old.identical(new)
}

/// How one string becomes another: by a splice, or whole if that is shorter.
fn texts<'a>(
    (old_value, old): (&'a Value, Text<'a>),
    (new_value, new): (&'a Value, Text<'a>),
) -> Edit<'a> {
    let (prefix, suffix) = old.common_ends(new);
    let removed = prefix..old.scalars() - suffix;
    let inserted = prefix..new.scalars() - suffix;
    let splice = Edit::Text(Box::new(Part {
        old: old_value,
        new: new_value,
        removed,
        inserted: inserted.len(),
        insert: Value::from(new.slice(inserted)),
    }));
    let replace = Edit::Replace {
        old: old_value,
        new: new_value,
    };
    if splice.written_bytes(0) < replace.written_bytes(0) {
        splice
    } else {
        replace
    }
}

/// Whether nothing can be changed inside a value, so that what becomes it is replaced.
const fn is_plain(value: &Value) -> bool {
    matches!(value.0, Repr::Null | Repr::Bool(_) | Repr::Number(_))
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

/// Elements from which on a run is trimmed where it lies, which costs O(log n) for each at its end: more than
/// the few chunks that a change leaves.
const RUN_LONG: usize = 1_024;
