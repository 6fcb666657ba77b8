//! A document of small and large containers, and changes of it.

use headwater_doc::{Limits, Operation, Patch, Pointer, Value, View};
use proptest::{collection::vec, prelude::*, sample::Index};

/// A change of some kind at some place, which is made of a document once there is one.
#[derive(Clone, Copy, Debug)]
pub(super) struct Change {
    pub(super) kind: u8,
    pub(super) place: Index,
    pub(super) at: Index,
    pub(super) other: Index,
    pub(super) count: usize,
}

pub(super) fn change() -> impl Strategy<Value = Change> {
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

/// Changes most of which return to one container or two.
pub(super) fn changes_near_by() -> impl Strategy<Value = Vec<Change>> {
    let changes = vec((change(), 0_usize..5), 1..24);
    (changes, any::<Index>(), any::<Index>()).prop_map(|(changes, place, other)| {
        let near = |(change, choice): (Change, usize)| Change {
            place: *[place, place, place, other]
                .get(choice)
                .unwrap_or(&change.place),
            ..change
        };
        changes.into_iter().map(near).collect()
    })
}

/// Arrays, objects and strings on both sides of the border between small and large, and such in such.
pub(super) fn document() -> Value {
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
            .map(|id| {
                (
                    format!("row {id:0bytes$}", bytes = 5 + id % 3 * 40),
                    record(id),
                )
            })
            .collect()
    };
    let text = |bytes: usize| Value::from("It was a dark night. ".repeat(bytes / 21));
    [
        ("list", (0..700).map(record).collect()),
        ("numbers", (0..40).map(Value::from).collect()),
        ("table", table(300)),
        ("short", table(20)),
        (
            "lists",
            (30..50)
                .map(|len| (0..len).map(record).collect::<Value>())
                .collect(),
        ),
        ("text", text(9_000)),
        ("note", text(1_050)),
    ]
    .into_iter()
    .collect()
}

/// The containers and long strings of a document, by their paths.
pub(super) fn places(document: &Value) -> Vec<(Pointer, &Value)> {
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
pub(super) fn operation(document: &Value, change: &Change) -> Option<Operation> {
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
                            View::Array(array) => match change.at.index(array.len() + 1) {
                                index if index == array.len() => other.child("-"),
                                index => other.element(index),
                            },
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

pub(super) fn child(place: &Pointer, value: &Value, at: Index) -> Option<Pointer> {
    match value.view() {
        View::Array(array) if !array.is_empty() => Some(place.element(at.index(array.len()))),
        View::Object(object) if !object.is_empty() => {
            let (name, _) = object.iter().nth(at.index(object.len()))?;
            Some(place.child(name))
        }
        _ => None,
    }
}

/// Applies those of some changes that apply, one by one, and returns what they come to.
pub(super) fn apply(document: &mut Value, changes: &[Change]) -> Patch {
    let mut made = Vec::new();
    for change in changes {
        if let Some(operation) = operation(document, change)
            && Patch::from(vec![operation.clone()])
                .apply(document, &Limits::NONE)
                .is_ok()
        {
            made.push(operation);
        }
    }
    Patch::from(made)
}

/// What some changes come to, made on a document that shares nothing.
pub(super) fn patch_of(document: &Value, changes: &[Change]) -> Patch {
    apply(&mut parsed(document), changes)
}

/// The same document, sharing nothing.
pub(super) fn parsed(document: &Value) -> Value {
    Value::parse(document.to_string().as_bytes(), &Limits::NONE).expect("its own text")
}
