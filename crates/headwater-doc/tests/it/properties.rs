//! What holds for any document and any patch, against the model.

use std::collections::BTreeMap;

use headwater_doc::{
    Applied, Extensions, Limits, Operation, Patch, Pointer, Value, diff, diff_within,
};
use proptest::{
    collection::{btree_map, vec},
    prelude::*,
    sample::{Index, select},
};

use crate::{
    differences::replacement_bytes,
    model::{Model, ModelNumber, escaped},
};

/// Names that pointers must escape, that look like indices, and that sort by UTF-16 otherwise than by
/// UTF-8.
const NAMES: [&str; 14] = [
    "",
    "/",
    "~",
    "~1",
    "0",
    "1",
    "-",
    "a",
    "b",
    "é",
    "\u{ffff}",
    "😀",
    "\"\n\u{1}",
    "a name of more than fourteen bytes",
];

fn number() -> impl Strategy<Value = ModelNumber> {
    let edges = [
        0,
        i128::from(i64::MIN),
        i128::from(i64::MAX),
        i128::from(u64::MAX),
        1 << 53,
        (1 << 53) + 1,
        -(1 << 53) - 1,
    ];
    let doubles = [
        0.0,
        -0.0,
        1.0,
        0.5,
        -2.0,
        1e21,
        1e-7,
        1.5e308,
        -1.5e308,
        9_007_199_254_740_992.0,
    ];
    let literals = [
        "1e400",
        "-1E+400",
        "12.5e-400",
        "123456789012345678901234567890",
    ];
    prop_oneof![
        8 => (-3_i128..4).prop_map(ModelNumber::Integer),
        2 => select(edges.to_vec()).prop_map(ModelNumber::Integer),
        1 => any::<i64>().prop_map(|integer| ModelNumber::Integer(integer.into())),
        3 => select(doubles.to_vec()).prop_map(ModelNumber::double),
        1 => any::<f64>().prop_filter("finite", |double| double.is_finite())
            .prop_map(ModelNumber::double),
        1 => select(literals.to_vec()).prop_map(|text| ModelNumber::Literal(text.to_owned())),
    ]
}

/// Short strings, those around the 14 bytes that fit into a value, and those of several runs.
fn string() -> impl Strategy<Value = String> {
    let piece = select(
        &[
            "a", "b", "é", "漢", "😀", "\"", "\\", "\n", "\u{1}", "\u{7f}",
        ][..],
    );
    let pieces = |count| vec(piece.clone(), count).prop_map(|pieces| pieces.concat());
    prop_oneof![
        6 => pieces(0..6),
        2 => pieces(8..20),
        1 => (pieces(20..60), 20..120_usize).prop_map(|(text, times)| text.repeat(times)),
    ]
}

fn scalar() -> impl Strategy<Value = Model> {
    prop_oneof![
        1 => Just(Model::Null),
        1 => any::<bool>().prop_map(Model::Bool),
        4 => number().prop_map(Model::Number),
        3 => string().prop_map(Model::String),
    ]
}

/// Arrays of several leaves, and of several levels of branches.
fn long_array() -> impl Strategy<Value = Model> {
    let element = |index: usize| match index % 7 {
        0 => Model::Array(vec![Model::Number(ModelNumber::Integer(index as i128))]),
        1 => Model::String(format!("element {index}")),
        _ => Model::Number(ModelNumber::Integer(index as i128 / 3)),
    };
    prop_oneof![3 => 33..200_usize, 1 => 500..1_500_usize]
        .prop_map(move |len| Model::Array((0..len).map(element).collect()))
}

fn value() -> impl Strategy<Value = Model> {
    let leaf = prop_oneof![12 => scalar(), 1 => long_array()];
    leaf.prop_recursive(5, 48, 8, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..8).prop_map(Model::Array),
            btree_map(select(&NAMES[..]).prop_map(str::to_owned), inner, 0..8)
                .prop_map(Model::Object),
        ]
    })
}

/// A document: mostly a container.
pub(crate) fn document() -> impl Strategy<Value = Model> {
    let members = btree_map(select(&NAMES[..]).prop_map(str::to_owned), value(), 1..8);
    prop_oneof![
        4 => members.prop_map(Model::Object),
        2 => vec(value(), 1..8).prop_map(Model::Array),
        1 => long_array(),
        1 => value(),
    ]
}

/// What an operation shall be, once there is a document to choose its paths in.
#[derive(Clone, Debug)]
struct Intent {
    kind: Kind,
    place: Index,
    other: Index,
    at: Index,
    /// Some operations are made to fail; those that happen to fail otherwise are left out.
    fails: bool,
    value: Model,
    by: ModelNumber,
}

#[derive(Clone, Copy, Debug)]
enum Kind {
    Add,
    Remove,
    Replace,
    Move,
    Copy,
    Test,
    Increment,
    Splice,
}

fn intent(failing_percent: u32) -> impl Strategy<Value = Intent> {
    let kind = prop_oneof![
        4 => Just(Kind::Add),
        3 => Just(Kind::Remove),
        2 => Just(Kind::Replace),
        4 => Just(Kind::Move),
        2 => Just(Kind::Copy),
        1 => Just(Kind::Test),
        1 => Just(Kind::Increment),
        6 => Just(Kind::Splice),
    ];
    let fails = prop::bool::weighted(f64::from(failing_percent) / 100.0);
    let value = prop_oneof![3 => scalar(), 1 => value()];
    (kind, any::<[Index; 3]>(), fails, value, number()).prop_map(
        |(kind, [place, other, at], fails, value, by)| Intent {
            kind,
            place,
            other,
            at,
            fails,
            value,
            by,
        },
    )
}

fn pointer(text: &str) -> Pointer {
    Pointer::parse(text).expect("a pointer")
}

impl Intent {
    /// A path at which something can be added.
    fn target(&self, document: &Model) -> String {
        let mut containers = document.places();
        containers.retain(|(_, value)| matches!(value, Model::Array(_) | Model::Object(_)));
        if containers.is_empty() {
            return String::new();
        }
        let (path, container) = self.place.get(&containers);
        match container {
            Model::Array(items) => match self.at.index(items.len() + 2) {
                index if index > items.len() => format!("{path}/-"),
                index => format!("{path}/{index}"),
            },
            _ => format!("{path}/{}", escaped(NAMES[self.at.index(NAMES.len())])),
        }
    }

    /// A path that leads to a value which `fits`, to the document where none does.
    fn source(&self, document: &Model, fits: impl Fn(&Model) -> bool) -> String {
        let mut places = document.places();
        places.retain(|(path, value)| !path.is_empty() && fits(value));
        if places.is_empty() {
            return String::new();
        }
        self.other.get(&places).0.clone()
    }

    fn operation(&self, document: &Model) -> Operation {
        let any = self.source(document, |_| true);
        let spoilt = |path: String| {
            let spoils = ["/nope/x", "x", "/-", "/01", "/99999", "/0/0/0/0/0/0/0"];
            match self.fails {
                true if path.is_empty() => "/nope/x".to_owned(),
                true => path + spoils[self.at.index(spoils.len())],
                false => path,
            }
        };
        let path = match self.kind {
            // In front of what it comes out of.
            Kind::Move if self.at.index(8) == 0 => any
                .rsplit_once('/')
                .map_or_else(String::new, |(parent, _)| parent.to_owned()),
            Kind::Add | Kind::Move | Kind::Copy => self.target(document),
            Kind::Increment => self.source(document, |value| matches!(value, Model::Number(_))),
            Kind::Splice => self.source(document, |value| {
                matches!(value, Model::Array(_) | Model::String(_))
            }),
            Kind::Remove | Kind::Replace | Kind::Test => any.clone(),
        };
        let old = document.at(&path);
        let value = self.value.value();
        let from = pointer(&any);
        let splice = self.splice(old);
        let path = pointer(&spoilt(path));
        match self.kind {
            Kind::Add => Operation::Add { path, value },
            Kind::Remove => Operation::Remove { path },
            Kind::Replace => Operation::Replace { path, value },
            Kind::Move => Operation::Move { from, path },
            Kind::Copy => Operation::Copy { from, path },
            Kind::Test => Operation::Test {
                path,
                value: old.map_or(value, Model::value),
            },
            Kind::Increment => Operation::Increment {
                path,
                by: self.by.number(),
            },
            Kind::Splice => Operation::Splice {
                path,
                index: splice.0,
                remove: splice.1,
                insert: splice.2,
            },
        }
    }

    fn splice(&self, old: Option<&Model>) -> (usize, usize, Value) {
        let range = |len: usize| {
            let index = self.at.index(len + 1);
            // Small ranges, as editors send them, but also large ones.
            let most = if self.fails { len + 2 } else { len - index };
            let most = if self.place.index(4) == 0 {
                most
            } else {
                most.min(40)
            };
            (index, self.other.index(most + 1))
        };
        match (old, &self.value) {
            (Some(Model::String(old)), value) => {
                let (index, remove) = range(old.chars().count());
                let insert = match value {
                    Model::String(text) => text.as_str(),
                    _ => "é",
                };
                (index, remove, Value::from(insert))
            }
            (Some(Model::Array(old)), value) => {
                let (index, remove) = range(old.len());
                let insert = match value {
                    Model::Array(_) => value.value(),
                    scalar => Model::Array(vec![scalar.clone(); self.place.index(4)]).value(),
                };
                (index, remove, insert)
            }
            (_, value) => (0, 0, value.value()),
        }
    }
}

/// The operations in a row, each with paths of the document as it then is.
fn patch(document: &Model, intents: &[Intent]) -> Patch {
    let mut now = document.clone();
    let mut operations = Vec::new();
    for intent in intents {
        let operation = intent.operation(&now);
        let mut next = now.clone();
        if next.apply(&operation).is_some() {
            now = next;
            operations.push(operation);
        } else if intent.fails {
            operations.push(operation);
        }
        // Copies of copies double the document each time.
        if now.nodes() > 10_000 {
            break;
        }
    }
    Patch::from(operations)
}

/// A document, and patches that all apply in a row.
fn history() -> impl Strategy<Value = (Model, Vec<Vec<Intent>>)> {
    (document(), vec(vec(intent(0), 1..8), 1..5))
}

fn applied(value: &mut Value, patch: &Patch) -> Applied {
    patch
        .apply(value, &Limits::NONE)
        .unwrap_or_else(|error| panic!("{error}: {patch}"))
}

/// Applies a patch, and yields its inverse.
fn inverse(value: &mut Value, patch: &Patch) -> Patch {
    let applied = applied(value, patch);
    let inverse = applied.inverse(patch);
    assert_eq!(applied.inverse_bytes(), inverse.written_bytes(), "{patch}");
    inverse.into_owned()
}

/// P10: a difference is no longer than the replacement of all, and is found if there is room for it.
fn assert_bounded(from: &Value, to: &Value, extensions: Extensions, part: Index) {
    let patch = diff(from, to, extensions);
    let bytes = patch.written_bytes();
    let bytes_max = replacement_bytes(to);
    assert!(bytes <= bytes_max, "{bytes} of {bytes_max}: {patch}");
    assert!(patch.to_string().len() as u64 <= bytes, "{patch}");
    let room = part.index(2 * usize::try_from(bytes).expect("it is short")) as u64;
    for bytes_max in [bytes, bytes - 1, room] {
        let within = diff_within(from, to, extensions, bytes_max);
        assert_eq!(
            within.as_ref(),
            (bytes <= bytes_max).then_some(&patch),
            "{from}\n{to}"
        );
    }
}

/// What is found between two values is what applying their difference to the first yields.
fn assert_between(from: &Value, to: &Value, extensions: Extensions) {
    let (patch, between) = Patch::between(from, to, extensions);
    assert_eq!(patch, diff(from, to, extensions));
    let applied = applied(&mut from.clone(), &patch);
    let [found, expected] = [&between, &applied].map(|applied| applied.touched(&patch));
    assert_eq!(found, expected, "{from}\n{to}");
    let [found, expected] = [&between, &applied].map(|applied| applied.inverse(&patch).to_value());
    assert!(found.identical(&expected), "{found}\n{expected}");
}

fn parsed(text: &str) -> Value {
    Value::parse(text.as_bytes(), &Limits::NONE).unwrap_or_else(|error| panic!("{error}: {text}"))
}

/// The paths at which the two differ, down to the deepest.
fn differing(before: Option<&Model>, after: Option<&Model>, path: &str, found: &mut Vec<String>) {
    if before == after {
        return;
    }
    found.push(path.to_owned());
    let children = |value: Option<&Model>| -> BTreeMap<String, Model> {
        value.map_or_else(BTreeMap::new, |value| {
            value
                .children()
                .map(|(name, child)| (name, child.clone()))
                .collect()
        })
    };
    let (before, after) = (children(before), children(after));
    for name in before
        .keys()
        .chain(after.keys().filter(|name| !before.contains_key(*name)))
    {
        let path = format!("{path}/{}", escaped(name));
        differing(before.get(name), after.get(name), &path, found);
    }
}

proptest! {
    #[test]
    fn applying_agrees_with_the_model(
        document in document(), batches in vec(vec(intent(4), 1..10), 1..6),
    ) {
        let mut value = document.value();
        let mut model = document;
        for intents in batches {
            let patch = patch(&model, &intents);
            match (patch.apply(&mut value, &Limits::NONE), model.applied(patch.operations())) {
                (Ok(_), Ok(after)) => model = after,
                (Err(error), Err(operation)) => prop_assert_eq!(error.operation, operation),
                (result, expected) => {
                    prop_assert!(false, "{patch}\n{:?}\n{:?}", result.err(), expected.err());
                }
            }
            prop_assert_eq!(Model::of(&value), model.clone(), "{}", patch);
        }
    }

    /// P3: a batch that fails changes nothing.
    #[test]
    fn a_failed_batch_leaves_the_identical_document(
        document in document(), intents in vec(intent(0), 1..12),
    ) {
        let mut value = document.value();
        let before = value.clone();
        let mut operations = patch(&document, &intents).operations().to_vec();
        operations.push(Operation::Remove { path: pointer("/nope/x") });
        let failing = operations.len() - 1;
        let patch = Patch::from(operations);
        // Once while another value shares the nodes, once where they are written in place.
        let error = patch.apply(&mut value, &Limits::NONE).unwrap_err();
        prop_assert_eq!(error.operation, failing);
        prop_assert!(value.identical(&before));
        prop_assert!(value.same(&before), "another root");
        drop(before);
        prop_assert!(patch.apply(&mut value, &Limits::NONE).is_err());
        prop_assert_eq!(&Model::of(&value), &document);
        prop_assert_eq!(value.nodes(), document.nodes());
        prop_assert_eq!(value.written_bytes(), document.value().written_bytes());
        prop_assert_eq!(value.height(), document.value().height());
    }

    /// P3: nor does it change what is shared, be it only with somebody who took a part of it out.
    #[test]
    fn a_failed_batch_leaves_what_is_shared_as_it_was(
        document in document(), intents in vec(intent(0), 1..12), holds in vec(any::<Index>(), 1..6),
    ) {
        let mut value = document.value();
        let places: Vec<_> = document.places().into_iter().map(|(path, _)| pointer(&path)).collect();
        let held: Vec<_> = holds
            .iter()
            .map(|hold| {
                let path = hold.get(&places);
                (path, value.at(path).expect("a place of the document").clone())
            })
            .collect();
        let mut operations = patch(&document, &intents).operations().to_vec();
        operations.push(Operation::Remove { path: pointer("/nope/x") });
        let patch = Patch::from(operations);
        prop_assert!(patch.apply(&mut value, &Limits::NONE).is_err());
        for (path, part) in held {
            prop_assert!(value.at(path).is_some_and(|now| now.same(&part)), "{path} of {patch}");
        }
        prop_assert_eq!(Model::of(&value), document);
    }

    #[test]
    fn the_inverse_undoes_and_its_own_inverse_does_it_again((document, batches) in history()) {
        let mut value = document.value();
        let mut model = document.clone();
        let mut undo = Vec::new();
        for intents in batches {
            let patch = patch(&model, &intents);
            undo.push(inverse(&mut value, &patch));
            model = Model::of(&value);
        }
        let redo: Vec<_> = undo.iter().rev().map(|undo| inverse(&mut value, undo)).collect();
        prop_assert_eq!(Model::of(&value), document);
        for inverse in redo.iter().rev() {
            applied(&mut value, inverse);
        }
        prop_assert_eq!(Model::of(&value), model);
    }

    #[test]
    fn a_clone_is_untouched_by_later_writes((document, batches) in history()) {
        let mut value = document.value();
        let mut model = document;
        let mut versions = Vec::new();
        for intents in batches {
            versions.push((value.clone(), model.clone()));
            let patch = patch(&model, &intents);
            versions.push((patch.to_value(), Model::of(&patch.to_value())));
            let done = inverse(&mut value, &patch).to_value();
            versions.push((done.clone(), Model::of(&done)));
            model = Model::of(&value);
        }
        for (version, model) in versions {
            prop_assert_eq!(Model::of(&version), model);
        }
    }

    #[test]
    fn a_diff_turns_any_value_into_any_other(
        old in document(), new in document(), splice: bool, room: Index,
    ) {
        let extensions = Extensions { splice, increment: false };
        let (old, new) = (old.value(), new.value());
        let patch = diff(&old, &new, extensions);
        prop_assert!(extensions.include(patch.extensions()));
        let mut patched = old.clone();
        applied(&mut patched, &patch);
        prop_assert!(patched.identical(&new), "{old}\n{new}\n{patch}\n{patched}");
        assert_between(&old, &new, extensions);
        assert_bounded(&old, &new, extensions, room);
    }

    #[test]
    fn a_diff_turns_a_value_into_what_became_of_it_and_back(
        (document, batches) in history(), splice: bool, room: Index,
    ) {
        let extensions = Extensions { splice, increment: false };
        let old = document.value();
        let mut new = old.clone();
        for intents in batches {
            let patch = patch(&Model::of(&new), &intents);
            applied(&mut new, &patch);
        }
        // Once with shared nodes, once without any.
        for new in [new.clone(), Model::of(&new).value()] {
            for (from, to) in [(&old, &new), (&new, &old)] {
                let patch = diff(from, to, extensions);
                prop_assert!(extensions.include(patch.extensions()));
                let mut patched = from.clone();
                applied(&mut patched, &patch);
                prop_assert!(patched.identical(to), "{from}\n{to}\n{patch}\n{patched}");
                prop_assert_eq!(patch.is_empty(), from.identical(to));
                assert_between(from, to, extensions);
                assert_bounded(from, to, extensions, room);
            }
        }
    }

    #[test]
    fn headers_count_what_a_walk_finds((document, batches) in history()) {
        let mut value = document.value();
        let mut versions = vec![value.clone(), parsed(&document.text(false))];
        for intents in batches {
            let patch = patch(&Model::of(&value), &intents);
            let done = inverse(&mut value, &patch);
            versions.push(value.clone());
            versions.push(done.to_value());
        }
        for version in versions {
            let model = Model::of(&version);
            prop_assert_eq!(version.nodes(), model.nodes());
            prop_assert!(version.height() >= model.height());
            let bytes = version.to_string().len() as u64;
            prop_assert!(version.written_bytes() >= bytes);
            prop_assert!(version.written_bytes() == bytes || model.has_inexact_numbers());
        }
    }

    #[test]
    fn a_patch_is_bounded_and_read_back_from_its_text((document, batches) in history()) {
        let patch = patch(&document, &batches.concat());
        let text = patch.to_string();
        let bytes = text.len() as u64;
        prop_assert!(patch.written_bytes() >= bytes);
        prop_assert_eq!(patch.written_bytes(), patch.to_value().written_bytes());
        let read = Patch::parse(text.as_bytes(), &Limits::default(), Extensions::ALL);
        prop_assert_eq!(&read.unwrap(), &patch);
        let plain = Patch::parse(text.as_bytes(), &Limits::default(), Extensions::NONE);
        prop_assert_eq!(plain.is_ok(), patch.extensions() == Extensions::NONE);
    }

    /// Under limits that leave little room, so that some batches are refused by them.
    #[test]
    fn what_a_patch_was_allowed_to_make_is_read_back_under_the_same_limits(
        (document, batches) in history(),
        room in 0_u64..400,
    ) {
        let mut value = document.value();
        for intents in batches {
            let patch = patch(&Model::of(&value), &intents);
            let limits = Limits {
                depth: value.height() + u32::from(room > 100),
                bytes: value.written_bytes() + room,
                nodes: value.nodes() + room / 8,
            };
            let _refused = patch.apply(&mut value, &limits);
            let text = value.to_string();
            let read = Value::parse(text.as_bytes(), &limits);
            prop_assert!(read.is_ok_and(|read| read.identical(&value)), "{}", text);
        }
    }

    #[test]
    fn what_is_written_is_read_back_identical(document in document()) {
        let value = document.value();
        prop_assert_eq!(value.to_string(), document.text(false));
        for text in [value.to_string(), format!("{value:#}")] {
            let read = parsed(&text);
            prop_assert!(read.identical(&value), "{text}");
            prop_assert_eq!(Model::of(&read), document.clone());
        }
    }

    #[test]
    fn the_canonical_form_is_sorted_unique_and_its_own((document, batches) in history()) {
        let mut value = document.value();
        for intents in batches {
            let patch = patch(&Model::of(&value), &intents);
            applied(&mut value, &patch);
        }
        let model = Model::of(&value);
        let form = value.canonical();
        prop_assert_eq!(&form, &model.text(true));
        prop_assert_eq!(&parsed(&form).canonical(), &form);
        // However the value came to be, by patches or at once.
        let other = model.value();
        prop_assert!(other.identical(&value));
        prop_assert_eq!(other.canonical(), form);
        prop_assert_eq!(other.digest(), value.digest());
    }

    #[test]
    fn whatever_differs_lies_at_a_touched_path((document, batches) in history()) {
        let mut value = document.value();
        let mut before = document;
        for intents in batches {
            let patch = patch(&before, &intents);
            let applied = applied(&mut value, &patch);
            let touched: Vec<_> = applied.touched(&patch).iter().collect();
            prop_assert!(touched.len() <= 2 * patch.operations().len());
            let after = Model::of(&value);
            let mut found = Vec::new();
            differing(Some(&before), Some(&after), "", &mut found);
            for path in found {
                let path = pointer(&path);
                let covered = touched.iter().any(|touched| touched.overlaps(&path));
                prop_assert!(covered, "{path} of {touched:?}: {patch}");
            }
            before = after;
        }
    }

    #[test]
    fn equality_is_that_of_the_rfc((document, batches) in history(), other in document()) {
        let mut value = document.value();
        let mut versions = vec![document.clone(), document.respelled(), other];
        for intents in &batches {
            // One operation, so that little is different.
            let patch = patch(&Model::of(&value), &intents[..1]);
            applied(&mut value, &patch);
            versions.push(Model::of(&value));
        }
        let values: Vec<_> = versions.iter().map(Model::value).collect();
        for (left, value) in versions.iter().zip(&values) {
            for (right, other) in versions.iter().zip(&values) {
                prop_assert_eq!(value == other, left.equals(right), "{} {}", value, other);
                prop_assert_eq!(value.identical(other), left == right, "{} {}", value, other);
            }
        }
    }
}
/// An array or object of so many children, in which those at some places are changed, added and removed.
fn scattered(object: bool, len: usize, changes: &[(Index, Kind)]) -> (Value, Value) {
    let name = |at: usize| format!("n{at:06}");
    let old: Value = if object {
        (0..len).map(|at| (name(at), Value::from(at))).collect()
    } else {
        (0..len).map(Value::from).collect()
    };
    let mut changes: Vec<_> = changes
        .iter()
        .map(|(at, kind)| (at.index(len), kind))
        .collect();
    changes.sort_by_key(|&(at, _)| at);
    changes.dedup_by_key(|&mut (at, _)| at);
    // From the end on, so that the places ahead stay.
    let operation = |&(at, kind): &(usize, &Kind)| {
        let segment = if object { name(at) } else { at.to_string() };
        let path = pointer(&format!("/{segment}"));
        let value = Value::from("changed");
        match kind {
            Kind::Add if object => Operation::Add {
                path: pointer(&format!("/{segment}b")),
                value,
            },
            Kind::Add => Operation::Add { path, value },
            Kind::Remove => Operation::Remove { path },
            _ => Operation::Replace { path, value },
        }
    };
    let patch = Patch::from(changes.iter().rev().map(operation).collect::<Vec<_>>());
    let mut new = old.clone();
    applied(&mut new, &patch);
    (old, new)
}

proptest! {
    // Each compares thousands of children: many places in few cases.
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn a_diff_finds_many_scattered_changes_of_a_large_container(
        object: bool,
        len in 8_000..12_000_usize,
        changes in vec(
            (any::<Index>(), select(&[Kind::Replace, Kind::Add, Kind::Remove][..])),
            200..400,
        ),
        splice: bool,
    ) {
        let extensions = Extensions { splice, increment: false };
        let (old, new) = scattered(object, len, &changes);
        for (from, to) in [(&old, &new), (&new, &old)] {
            let patch = diff(from, to, extensions);
            let mut patched = from.clone();
            applied(&mut patched, &patch);
            prop_assert!(patched.identical(to));
            // None of what was left alone is in it.
            prop_assert!(patch.operations().len() <= changes.len(), "{patch}");
            prop_assert!(patch.written_bytes() < 80 * changes.len() as u64, "{patch}");
            assert_between(from, to, extensions);
        }
    }
}

/// Found by a random document: there are two shortest texts, and the standard library takes the other.
#[test]
fn of_two_texts_that_are_equally_near_the_even_one_is_written() {
    let number = Model::Number(ModelNumber::double(-255_075_791_735_357.0 - 0.625));
    let value = number.value();
    assert_eq!(value.to_string(), "-255075791735357.62");
    assert_eq!(value.canonical(), "-255075791735357.62");
    assert_eq!(number.text(false), "-255075791735357.62");
}

/// Every place, so also each side of each boundary between the runs of a string.
#[test]
fn splices_at_every_place_of_a_long_string_agree_with_the_model() {
    let text = format!("{}é", "a".repeat(300)).repeat(8) + &"漢字".repeat(400);
    splice_everywhere(&Model::String(text), &["", "é", "xyz"].map(Value::from));
}

/// The same for the leaves of an array.
#[test]
fn splices_at_every_place_of_a_long_array_agree_with_the_model() {
    let item = |item: i128| Model::Number(ModelNumber::Integer(item));
    let items = |count| Model::Array((0..count).map(item).collect());
    splice_everywhere(&items(700), &[0, 1, 40].map(|count| items(count).value()));
}

fn splice_everywhere(model: &Model, inserts: &[Value]) {
    let value = model.value();
    let len = match model {
        Model::String(text) => text.chars().count(),
        _ => model.children().count(),
    };
    for index in 0..=len {
        for (remove, insert) in [0, 1, 2, 35].into_iter().zip(inserts.iter().cycle()) {
            let patch = Patch::from(vec![Operation::Splice {
                path: Pointer::root(),
                index,
                remove: remove.min(len - index),
                insert: insert.clone(),
            }]);
            let mut spliced = value.clone();
            let undo = inverse(&mut spliced, &patch);
            assert_eq!(Ok(Model::of(&spliced)), model.applied(patch.operations()));
            applied(&mut spliced, &undo);
            assert!(spliced.identical(&value), "{patch}");
        }
    }
}
