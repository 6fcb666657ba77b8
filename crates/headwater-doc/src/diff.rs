#[cfg(test)]
mod tests;

use std::{hash::Hasher as _, mem, ops::Range};

use crate::{
    array::Array,
    myers::{Hunk, hunks},
    object::Object,
    patch::{Extensions, Operation, Patch},
    pointer::Pointer,
    text::Text,
    value::{Value, View},
};

/// Makes a patch that turns `old` into `new`: not the smallest there is, but a small one.
///
/// Parts that the two share in memory are skipped by their pointers, so that for a value and what
/// became of it the cost follows what was changed, not the size: O(changes · log n) in arrays and
/// objects of n children, wherever in them the changes are. Between what they share, arrays are compared
/// by what is equal at both ends, then by a bounded Myers diff; a changed element is compared in its
/// turn. With
/// `splice` allowed, changed strings and runs of elements become splices.
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
    let mut differ = Differ {
        extensions,
        operations: Vec::new(),
        open: vec![(Pointer::root(), old, new)],
    };
    while let Some((path, old, new)) = differ.open.pop() {
        differ.compare(&path, old, new);
    }
    Patch::from(differ.operations)
}

struct Differ<'a> {
    extensions: Extensions,
    operations: Vec<Operation>,
    /// Pairs still to be compared; a list, since the depth is the input's. They lie in separate parts
    /// of the tree, and each path holds once all operations before it are applied.
    open: Vec<(Pointer, &'a Value, &'a Value)>,
}

impl<'a> Differ<'a> {
    fn compare(&mut self, path: &Pointer, old: &'a Value, new: &'a Value) {
        if old.same(new) {
            return;
        }
        match (old.view(), new.view()) {
            (View::Array(old), View::Array(new)) => self.arrays(path, old, new),
            (View::Object(old), View::Object(new)) => self.objects(path, old, new),
            (View::String(old), View::String(new)) if old == new => {}
            (View::String(old), View::String(text)) => self.texts(path, old, text, new),
            _ => self.operations.push(Operation::Replace {
                path: path.clone(),
                value: new.clone(),
            }),
        }
    }

    fn objects(&mut self, path: &Pointer, old: Object<'a>, new: Object<'a>) {
        let first = self.open.len();
        // What is shared between two runs stands between them in both by its names too, so that each run
        // is compared for itself.
        for run in old.unshared(new) {
            self.members(path, old, new, &run);
        }
        self.in_document_order(first);
    }

    /// Compares runs of members, both sorted by name.
    fn members(&mut self, path: &Pointer, old: Object<'a>, new: Object<'a>, run: &Hunk) {
        let members = |object: Object<'a>, run: &Range<usize>| {
            object.iter_from(run.start).take(run.len()).peekable()
        };
        let (mut olds, mut news) = (members(old, &run.old), members(new, &run.new));
        loop {
            match (olds.peek(), news.peek()) {
                (Some((name, old)), Some((new_name, new))) if name == new_name => {
                    if !old.same(new) {
                        self.open.push((path.child(name), old, new));
                    }
                    olds.next();
                    news.next();
                }
                (Some((name, _)), new) if new.is_none_or(|(new_name, _)| name < new_name) => {
                    let path = path.child(name);
                    self.operations.push(Operation::Remove { path });
                    olds.next();
                }
                (_, Some((name, value))) => {
                    self.operations.push(Operation::Add {
                        path: path.child(name),
                        value: (*value).clone(),
                    });
                    news.next();
                }
                (_, None) => break,
            }
        }
    }

    fn arrays(&mut self, path: &Pointer, old: Array<'a>, new: Array<'a>) {
        let first = self.open.len();
        for run in old.unshared(new) {
            let elements = |array: Array<'a>, run: &Range<usize>| -> Vec<&'a Value> {
                array.iter_from(run.start).take(run.len()).collect()
            };
            let (olds, news) = (elements(old, &run.old), elements(new, &run.new));
            let (prefix, suffix) = common_ends(&olds, &news);
            let start = run.new.start + prefix;
            let middle = |len: usize| prefix..len - suffix;
            self.elements(
                path,
                start,
                olds.get(middle(olds.len())).unwrap_or_default(),
                news.get(middle(news.len())).unwrap_or_default(),
            );
        }
        self.in_document_order(first);
    }

    /// Compares runs of elements of which neither the first nor the last are identical.
    fn elements(&mut self, path: &Pointer, start: usize, old: &[&'a Value], new: &[&'a Value]) {
        // One changed element, the usual case, is not hashed: that would cost its size, and all that
        // it shares with the other would be looked at. Where one run is empty there is nothing to find.
        let hunks = match (old.len(), new.len()) {
            (0, 0) => Vec::new(),
            (1, 1) | (0, _) | (_, 0) => vec![Hunk {
                old: 0..old.len(),
                new: 0..new.len(),
            }],
            _ => hunks(&fingerprints(old, new)),
        };
        for hunk in hunks {
            self.hunk(path, start, old, new, &hunk);
        }
    }

    /// Turns a run of elements into another. What stands left of it is new already, so that indices
    /// are those of the new array.
    fn hunk(
        &mut self,
        path: &Pointer,
        prefix: usize,
        old: &[&'a Value],
        new: &[&'a Value],
        hunk: &Hunk,
    ) {
        let old = old.get(hunk.old.clone()).unwrap_or_default();
        let new = new.get(hunk.new.clone()).unwrap_or_default();
        let start = prefix + hunk.new.start;
        let paired = old.len().min(new.len());
        let alike = |(old, new): (&&Value, &&Value)| {
            matches!(
                (old.view(), new.view()),
                (View::Array(_), View::Array(_)) | (View::Object(_), View::Object(_))
            )
        };
        if self.extensions.splice && !(old.iter().zip(new).all(alike) && paired > 0) {
            let insert = new.iter().map(|&value| value.clone()).collect();
            self.operations.push(Operation::Splice {
                path: path.clone(),
                index: start,
                remove: old.len(),
                insert,
            });
            return;
        }
        for (at, (old, new)) in old.iter().zip(new).enumerate() {
            self.open.push((path.element(start + at), old, new));
        }
        let (surplus, missing) = (old.len() - paired, new.get(paired..).unwrap_or_default());
        if self.extensions.splice && surplus + missing.len() > 0 {
            let insert = missing.iter().map(|&value| value.clone()).collect();
            self.operations.push(Operation::Splice {
                path: path.clone(),
                index: start + paired,
                remove: surplus,
                insert,
            });
            return;
        }
        for _ in 0..surplus {
            let path = path.element(start + paired);
            self.operations.push(Operation::Remove { path });
        }
        for (at, &value) in missing.iter().enumerate() {
            self.operations.push(Operation::Add {
                path: path.element(start + paired + at),
                value: value.clone(),
            });
        }
    }

    fn texts(&mut self, path: &Pointer, old: Text<'_>, new: Text<'_>, new_value: &Value) {
        let replace = Patch::from(vec![Operation::Replace {
            path: path.clone(),
            value: new_value.clone(),
        }]);
        let mut least = replace;
        if self.extensions.splice {
            let (prefix, suffix) = old.common_ends(new);
            let splice = Patch::from(vec![Operation::Splice {
                path: path.clone(),
                index: prefix,
                remove: old.scalars() - prefix - suffix,
                insert: Value::from(new.slice(prefix..new.scalars() - suffix)),
            }]);
            if splice.written_bytes() < least.written_bytes() {
                least = splice;
            }
        }
        self.operations.extend(least.into_operations());
    }

    /// The pair that was pushed last comes off the list first: turns those from `first` on round.
    fn in_document_order(&mut self, first: usize) {
        if let Some(pairs) = self.open.get_mut(first..) {
            pairs.reverse();
        }
    }
}

/// How many elements at the start, and behind them at the end, are identical.
fn common_ends(old: &[&Value], new: &[&Value]) -> (usize, usize) {
    let identical = |(old, new): &(&&Value, &&Value)| old.same(new) || old.identical(new);
    let prefix = old.iter().zip(new).take_while(identical).count();
    let behind = old.len().min(new.len()) - prefix;
    let backwards = old.iter().rev().zip(new.iter().rev());
    let suffix = backwards.take(behind).take_while(identical).count();
    (prefix, suffix)
}

/// Numbers for the elements of both runs, equal exactly where the elements are identical, so that
/// each is compared in depth about once and not at every step of the diff.
fn fingerprints(old: &[&Value], new: &[&Value]) -> (Vec<u32>, Vec<u32>) {
    let mut sorted: Vec<_> = old
        .iter()
        .chain(new)
        .enumerate()
        .map(|(at, &value)| (content_hash(value), at, value))
        .collect();
    sorted.sort_by_key(|&(hash, at, _)| (hash, at));
    let mut numbers = vec![0; sorted.len()];
    let mut number = 0;
    let mut last: Option<(u64, &Value)> = None;
    for (hash, at, value) in sorted {
        // Two contents with one hash may get more numbers than two; then an equal pair is missed and
        // the patch is longer, not wrong.
        let known = last.is_some_and(|(other, first)| {
            hash == other && (value.same(first) || value.identical(first))
        });
        if !known {
            number += 1;
            last = Some((hash, value));
        }
        if let Some(slot) = numbers.get_mut(at) {
            *slot = number;
        }
    }
    let new = numbers.split_off(old.len());
    (mem::take(&mut numbers), new)
}

/// Hashes what [`Value::identical`] compares.
fn content_hash(value: &Value) -> u64 {
    let mut state = twox_hash::XxHash64::with_seed(0);
    let mut open = vec![value];
    while let Some(value) = open.pop() {
        match value.view() {
            View::Null => state.write_u8(0),
            View::Bool(value) => state.write_u8(1 + u8::from(value)),
            View::Number(number) => number.hash_identity(&mut state),
            View::String(text) => {
                state.write_u8(3);
                state.write_usize(text.bytes());
                text.runs().for_each(|run| state.write(run.as_bytes()));
            }
            View::Array(array) => {
                state.write_u8(4);
                state.write_usize(array.len());
                open.extend(array.iter());
            }
            View::Object(object) => {
                state.write_u8(5);
                state.write_usize(object.len());
                for (name, value) in object.iter() {
                    state.write_usize(name.len());
                    state.write(name.as_bytes());
                    open.push(value);
                }
            }
        }
    }
    state.finish()
}
