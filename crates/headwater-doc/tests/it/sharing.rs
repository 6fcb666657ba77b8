//! What versions share inside of large containers, and what a batch that fails leaves of it.

use headwater_doc::{Extensions, Limits, Operation, Patch, Pointer, Value, View};
use proptest::{collection::vec, prelude::*, sample::Index};

use crate::allocator::requested_by;

/// A change of some kind at some place, which is made of a document once there is one.
#[derive(Clone, Debug)]
struct Change {
    kind: u8,
    place: Index,
    at: Index,
    other: Index,
    count: usize,
}

fn change() -> impl Strategy<Value = Change> {
    let places = (any::<Index>(), any::<Index>(), any::<Index>());
    (
        0_u8..8,
        places,
        prop_oneof![8 => 0_usize..4, 1 => 30_usize..300],
    )
        .prop_map(|(kind, (place, at, other), count)| Change {
            kind,
            place,
            at,
            other,
            count,
        })
}

/// Arrays, objects and strings on both sides of the border between small and large, and such in such.
fn document() -> Value {
    let record = |id: usize| -> Value {
        [
            ("hp", Value::from(id)),
            ("tags", (0..id % 60).map(Value::from).collect()),
        ]
        .into_iter()
        .collect()
    };
    let table = |count: usize| -> Value {
        (0..count)
            .map(|id| (format!("row {id:05}"), record(id)))
            .collect()
    };
    let text = |bytes: usize| Value::from("It was a dark night. ".repeat(bytes / 21));
    [
        ("list", (0..700).map(record).collect()),
        ("numbers", (0..40).map(Value::from).collect()),
        ("table", table(300)),
        ("short", table(20)),
        ("text", text(9_000)),
        ("note", text(1_050)),
    ]
    .into_iter()
    .collect()
}

/// The containers and long strings of a document, by their paths.
fn places(document: &Value) -> Vec<(Pointer, &Value)> {
    let mut places = Vec::new();
    let mut open = vec![(Pointer::root(), document)];
    while let Some((path, value)) = open.pop() {
        match value.view() {
            // Not all of a thousand records.
            View::Array(array) => open.extend(
                (0..)
                    .zip(array)
                    .step_by(9)
                    .map(|(at, value)| (path.element(at), value)),
            ),
            View::Object(object) => open.extend(
                object
                    .iter()
                    .step_by(if path.segments().next().is_some() {
                        7
                    } else {
                        1
                    })
                    .map(|(name, value)| (path.child(name), value)),
            ),
            View::String(text) if text.bytes() > 100 => {}
            _ => continue,
        }
        places.push((path, value));
    }
    places.retain(|(path, _)| path.segments().next().is_some());
    places
}

/// What a change comes to in a document; `None` where there is nothing to change so.
fn operation(document: &Value, change: &Change) -> Option<Operation> {
    let places = places(document);
    let (place, value) = change.place.get(&places);
    let new = || Value::from(change.count);
    Some(match (value.view(), change.kind) {
        (View::String(text), _) => {
            let index = change.at.index(text.scalars() + 1);
            Operation::Splice {
                path: place.clone(),
                index,
                remove: (change.count * 7).min(text.scalars() - index),
                insert: Value::from("x".repeat(usize::from(change.kind) * change.count)),
            }
        }
        (View::Array(array), 0 | 1) => Operation::Add {
            path: place.element(change.at.index(array.len() + 1)),
            value: new(),
        },
        (View::Array(array), 2) => {
            let index = change.at.index(array.len() + 1);
            Operation::Splice {
                path: place.clone(),
                index,
                remove: change.count.min(array.len() - index),
                insert: (0..change.count / 2).map(Value::from).collect(),
            }
        }
        (View::Object(_), 0 | 1) => Operation::Add {
            path: place.child(&format!("new {}", change.at.index(1_000))),
            value: new(),
        },
        (_, kind) => {
            let child = child(place, value, change.at)?;
            match kind {
                3 | 4 => Operation::Remove { path: child },
                5 => {
                    let (other, target) = change.other.get(&places);
                    Operation::Move {
                        from: child,
                        path: match target.view() {
                            View::Array(array) => other.element(change.at.index(array.len() + 1)),
                            _ => other.child("moved"),
                        },
                    }
                }
                _ => Operation::Replace {
                    path: child,
                    value: new(),
                },
            }
        }
    })
}

fn child(place: &Pointer, value: &Value, at: Index) -> Option<Pointer> {
    match value.view() {
        View::Array(array) if !array.is_empty() => Some(place.element(at.index(array.len()))),
        View::Object(object) if !object.is_empty() => {
            let (name, _) = object.iter().nth(at.index(object.len()))?;
            Some(place.child(name))
        }
        _ => None,
    }
}

/// Applies those of some changes that apply, and returns them with how many bytes they copied.
fn apply(document: &mut Value, changes: &[Change]) -> (Vec<Operation>, u64) {
    let mut made = Vec::new();
    let mut copied = 0;
    for change in changes {
        if let Some(operation) = operation(document, change)
            && let Ok(applied) = Patch::from(vec![operation.clone()]).apply(document, &Limits::NONE)
        {
            made.push(operation);
            copied += applied.copied_bytes;
        }
    }
    (made, copied)
}

/// Bytes of a version that another does not share.
fn unshared(version: &Value, other: &Value) -> u64 {
    Patch::between(version, other, Extensions::NONE)
        .1
        .copied_bytes
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    /// P3: a batch that fails leaves the identical sharing, inside of large containers too.
    #[test]
    fn a_failed_batch_shares_with_each_version_what_it_shared(
        before in vec(vec(change(), 0..12), 1..5), failing in vec(change(), 1..12),
    ) {
        let mut document = document();
        let mut versions = Vec::new();
        for changes in &before {
            versions.push(document.clone());
            apply(&mut document, changes);
        }
        let shared = |document: &Value| -> Vec<_> {
            versions.iter().map(|version| unshared(version, document)).collect()
        };
        let text = document.to_string();
        let expected = shared(&document);
        let mut operations = apply(&mut Value::parse(text.as_bytes(), &Limits::NONE).unwrap(), &failing).0;
        operations.push(Operation::Remove { path: Pointer::root().child("not there") });
        let patch = Patch::from(operations);
        prop_assert!(patch.apply(&mut document, &Limits::NONE).is_err());
        prop_assert_eq!(document.to_string(), text);
        prop_assert_eq!(shared(&document), expected, "{}", patch);
    }

    /// P7: what a held version is charged with is what goes with it.
    #[test]
    fn a_batch_counts_the_copies_whose_originals_a_held_version_keeps(
        before in vec(change(), 0..6), batches in vec(vec(change(), 1..8), 1..6),
    ) {
        let mut document = document();
        let held = document.clone();
        let mut copied = apply(&mut document, &before).1;
        for changes in &batches {
            let mut same = Value::parse(document.to_string().as_bytes(), &Limits::NONE).unwrap();
            let patch = Patch::from(apply(&mut same, changes).0);
            copied += patch.apply(&mut document, &Limits::NONE).unwrap().copied_bytes;
        }
        let ((), more) = requested_by(|| drop(held));
        let freed = u64::try_from(-more).unwrap();
        prop_assert!(copied <= freed, "{copied} of {freed} bytes");
    }
}
