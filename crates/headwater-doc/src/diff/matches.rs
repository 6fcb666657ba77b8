//! Which elements of two runs are the same, found by hashes of their contents.

use std::mem;

use triomphe::Arc;

use super::kin::{self, is_large};
use crate::{
    myers::{self, FACTOR, Gaps, Hunk, fold},
    name::Name,
    number::Held,
    object::Names,
    value::{Repr, Value, View},
    work,
};

/// The hunks that turn one run of elements into the other, ascending: what stands between them is
/// identical in both.
///
/// Large elements are told by what they share in memory, where they do; see [`kin`]. What became of one is
/// a hunk of its own.
pub(super) fn hunks(old: &[&Value], new: &[&Value]) -> Vec<Hunk> {
    let mut hashes = Hashes::default();
    let (olds, news) = labels(old, new, &mut hashes);
    let mut found = Gaps::default();
    for (old_place, new_place) in myers::matches(&myers::hunks(&olds, &news), old.len(), new.len())
    {
        let Some((old, new)) = old.get(old_place).zip(new.get(new_place)) else {
            continue;
        };
        if old.same(new) {
            found.pair(old_place, new_place);
        } else if is_large(old) && is_large(new) {
            // Whether anything differs is found as the two are compared.
            found.change(old_place, new_place);
        } else if old.identical(new) {
            // Two contents with one hash, which can be made on purpose, are a change like another.
            found.pair(old_place, new_place);
        }
    }
    found.pair(old.len(), new.len());
    found.hunks
}

/// A number for each element: the same for those that may be matched.
fn labels<'a>(
    old: &[&'a Value],
    new: &[&'a Value],
    hashes: &mut Hashes<'a>,
) -> (Vec<u64>, Vec<u64>) {
    let has_large = |run: &[&Value]| run.iter().any(|value| is_large(value));
    if !has_large(old) || !has_large(new) {
        let mut hashed =
            |run: &[&'a Value]| -> Vec<u64> { run.iter().map(|value| hashes.of(value)).collect() };
        return (hashed(old), hashed(new));
    }
    let (olds, news) = kin::labels(old, new);
    let (old_sizes, new_sizes) = (sizes(old, &olds), sizes(new, &news));
    let mut label = |kind, run: &[&'a Value], labels: kin::Labels, others: &[(u64, u64)]| {
        let elements = run.iter().zip(labels).enumerate();
        let labels = elements.map(|(place, (value, label))| match label {
            Some(address) => Hashes::of_label(address as u64, 10),
            // None in the other run can be the same.
            None if is_large(value) && others.binary_search(&size(value)).is_err() => {
                Hashes::of_label(place as u64, kind)
            }
            None => hashes.of(value),
        });
        labels.collect()
    };
    let olds = label(11, old, olds, &new_sizes);
    (olds, label(12, new, news, &old_sizes))
}

/// What equal elements have in common, without a look into them.
fn size(value: &Value) -> (u64, u64) {
    (value.nodes(), value.written_bytes())
}

/// The sizes of the large elements that have no label yet, sorted.
fn sizes(run: &[&Value], labels: &[Option<usize>]) -> Vec<(u64, u64)> {
    let elements = run.iter().zip(labels);
    let mut sizes: Vec<_> = elements
        .filter(|(value, label)| label.is_none() && is_large(value))
        .map(|(value, _)| size(value))
        .collect();
    sizes.sort_unstable();
    sizes
}

/// Hashes what [`Value::identical`] compares.
///
/// A hash decides only what is compared, so it needs to be quick, not strong: a word is one
/// multiplication, where the steps of XXH64, which is made for long texts, took most of a diff.
#[derive(Default)]
struct Hashes<'a> {
    state: u64,
    /// Values still to be hashed; a list, since the depth is the input's.
    open: Vec<&'a Value>,
    /// The list of names that was hashed last, which the next record has too, and its hash.
    names: Option<(&'a Names, u64)>,
}

impl<'a> Hashes<'a> {
    fn of(&mut self, value: &'a Value) -> u64 {
        self.state = FACTOR;
        self.open.push(value);
        while let Some(value) = self.open.pop() {
            self.value(value);
        }
        self.state
    }

    /// A hash that stands for no content.
    fn of_label(label: u64, kind: u64) -> u64 {
        let mut hashes = Self {
            state: FACTOR,
            ..Self::default()
        };
        hashes.word(label, kind);
        hashes.state
    }

    fn value(&mut self, value: &'a Value) {
        work::count(1);
        match &value.0 {
            Repr::Null => self.word(0, 1),
            Repr::Bool(value) => self.word(u64::from(*value), 2),
            Repr::Number(number) => match number.held() {
                Held::Unsigned(integer) => self.word(integer, 3),
                Held::Negative(integer) => self.word(integer.unsigned_abs(), 4),
                Held::Double(double) => self.word(double.to_bits(), 5),
                Held::Literal(text) => self.text(text.as_bytes()),
            },
            Repr::Short(short) => self.text(short.as_bytes()),
            Repr::Flat(flat) => self.text(flat.as_bytes()),
            // Runs are cut as edits left them: their ends must not count.
            Repr::Rope(rope) => {
                work::count(rope.bytes());
                self.word(rope.bytes() as u64, 6);
                for byte in rope.runs().flat_map(str::bytes) {
                    self.word(u64::from(byte), 7);
                }
            }
            Repr::Object(node) => {
                let names = self.names(node.header());
                self.word(names, 8);
                self.open.extend(node.values());
            }
            Repr::Array(_) | Repr::ArrayTree(_) | Repr::ObjectTree(_) => match value.view() {
                View::Array(array) => {
                    self.word(array.len() as u64, 9);
                    self.open.extend(array.iter());
                }
                View::Object(object) => {
                    let names = self.hash_of(object.names());
                    self.word(names, 8);
                    self.open.extend(object.values());
                }
                _ => {}
            },
        }
    }

    fn names(&mut self, names: &'a Names) -> u64 {
        if let Some((known, hash)) = self.names
            && Arc::ptr_eq(known, names)
        {
            return hash;
        }
        let hash = self.hash_of(names.iter().map(Name::as_str));
        self.names = Some((names, hash));
        hash
    }

    /// The hash of names alone.
    fn hash_of<'n>(&mut self, names: impl Iterator<Item = &'n str>) -> u64 {
        let around = mem::replace(&mut self.state, FACTOR);
        names.for_each(|name| self.text(name.as_bytes()));
        mem::replace(&mut self.state, around)
    }

    fn text(&mut self, text: &[u8]) {
        self.word(text.len() as u64, 6);
        let (words, rest) = text.as_chunks::<8>();
        for word in words {
            self.word(u64::from_le_bytes(*word), 7);
        }
        let rest = rest
            .iter()
            .fold(0, |word, &byte| word << 8 | u64::from(byte));
        self.word(rest, 7);
    }

    /// Takes a word of some kind, by a product of 128 bits folded to 64.
    const fn word(&mut self, word: u64, kind: u64) {
        self.state = fold(self.state ^ word, FACTOR + 2 * kind).wrapping_add(FACTOR);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hash(value: &Value) -> u64 {
        Hashes::default().of(value)
    }

    #[test]
    fn what_is_identical_has_one_hash_and_what_is_not_has_others() {
        let texts = [
            "null",
            "false",
            "true",
            "0",
            "0.0",
            "-0.0",
            "1",
            "-1",
            "1.0",
            "1e400",
            "10e399",
            "\"\"",
            "\"1\"",
            "\"one\"",
            "\"more than fourteen bytes\"",
            "\"more than fourteen bytez\"",
            "[]",
            "{}",
            "[null]",
            "[[]]",
            "[[],[]]",
            "[[[]]]",
            "[1,2]",
            "[2,1]",
            "{\"a\":1}",
            "{\"b\":1}",
            "{\"a\":{},\"b\":[]}",
            "{\"a\":[],\"b\":{}}",
            "{\"ab\":1}",
            "{\"a\":\"b\"}",
        ];
        let values = texts.map(|text| text.parse::<Value>().unwrap());
        for left in &values {
            for right in &values {
                let equal = hash(left) == hash(right);
                assert_eq!(equal, left.identical(right), "{left} {right}");
            }
            assert_eq!(hash(left), hash(&left.to_string().parse().unwrap()));
        }
    }

    /// The form of a container and the runs of a string depend on how they came to be.
    #[test]
    fn the_hash_does_not_tell_how_a_value_is_held() {
        let mut array: Value = (0..33).map(Value::from).collect();
        let mut object: Value = (0..33).map(|at| (at.to_string(), Value::NULL)).collect();
        for _ in 0..10 {
            array.remove_element(0, &mut 0);
            object.remove_member(0, &mut 0);
        }
        let mut text = Value::from("漢".repeat(1_000));
        text.splice_text(500..500, "x", &mut 0);
        for value in [array, object, text] {
            assert_eq!(hash(&value), hash(&value.to_string().parse().unwrap()));
        }
    }

    #[test]
    fn one_that_moved_is_found_however_many_others_changed() {
        let old: Vec<Value> = (0..1_000).map(Value::from).collect();
        let mut new: Vec<Value> = (5_000..6_000).map(Value::from).collect();
        new[700] = Value::from(3);
        let (old, new): (Vec<_>, Vec<_>) = (old.iter().collect(), new.iter().collect());
        let found = hunks(&old, &new);
        let hunk = |old, new| Hunk { old, new };
        assert_eq!(found, [hunk(0..3, 0..700), hunk(4..1_000, 701..1_000)]);
    }
}
