//! Patches: one operation, ten, ten of which the last fails, and from text.

use headwater_benches::{Turns, player_experience, replace};
use headwater_doc::{Extensions, Limits, Operation, Patch, Pointer, Value};

use crate::{
    input::{Document, json_patch},
    measure::{Contest, Effort, Row, repeat},
};

/// Numbers that no document has where they are put, and of the same length.
pub(crate) const NUMBERS: [u64; 2] = [1_000_001, 1_000_002];

/// One scalar takes another's place, in a document that nobody else holds.
pub(crate) fn replacements(effort: Effort) -> Vec<Row> {
    let row = |document: &Document| {
        let ours = NUMBERS.map(|number| (number, replace(&document.path, number)));
        let (mut value, mut turns) = (document.ours(), Turns::new(ours));
        let path = &document.path;
        Contest::new(format!("replace at depth 3, parsed, {}", document.name))
            .by("headwater", move |count| {
                repeat(count, || {
                    let (_, patch) = turns.next();
                    let applied = patch.apply(&mut value, &Limits::default());
                    let applied = applied.expect("the path is there");
                    assert!(!applied.touched(patch).is_empty());
                    applied
                });
                assert_eq!(number_at(&value, path), Some(turns.latest().0));
            })
            .by("json-patch", json_patch_on(document))
            .held(effort)
    };
    [Document::of_1kb(), Document::of_10mb()]
        .iter()
        .map(row)
        .collect()
}

/// The same by json-patch, on a document of its own.
pub(crate) fn json_patch_on(document: &Document) -> impl FnMut(u64) + use<> {
    let patches = NUMBERS.map(|number| (number, json_patch(&replace(&document.path, number))));
    let (mut value, mut turns) = (document.serde_json(), Turns::new(patches));
    let path = document.path.clone();
    move |count| {
        repeat(count, || {
            let (_, patch) = turns.next();
            json_patch::patch(&mut value, patch).expect("the path is there");
        });
        assert_eq!(their_number_at(&value, &path), Some(turns.latest().0));
    }
}

/// Ten replacements; nine and a test that fails; and how much more the latter cost.
pub(crate) fn batches(effort: Effort) -> Vec<Row> {
    let document = Document::of_100kb();
    let applied = ten_applied(&document, effort);
    let failed = nine_undone(&document, effort);
    let times = failed.over(&applied, "failing batch over successful batch");
    vec![applied, failed, times]
}

fn ten_applied(document: &Document, effort: Effort) -> Row {
    let ours = NUMBERS.map(|number| (number, Patch::from(replacements_of_ten(number))));
    let theirs = ours
        .each_ref()
        .map(|(number, patch)| (*number, json_patch(patch)));
    let (mut value, mut turns) = (document.ours(), Turns::new(ours));
    let (mut their_value, mut their_turns) = (document.serde_json(), Turns::new(theirs));
    let path = place(0);
    let their_path = path.clone();
    Contest::new(format!("batch of ten replaces, {}", document.name))
        .by("headwater", move |count| {
            repeat(count, || {
                let (_, patch) = turns.next();
                let applied = patch.apply(&mut value, &Limits::default());
                let applied = applied.expect("the paths are there");
                assert_eq!(applied.touched(patch).iter().count(), 10);
                applied
            });
            assert_eq!(number_at(&value, &path), Some(turns.latest().0));
        })
        .by("json-patch", move |count| {
            repeat(count, || {
                let (_, patch) = their_turns.next();
                json_patch::patch(&mut their_value, patch).expect("the paths are there");
            });
            let number = their_number_at(&their_value, &their_path);
            assert_eq!(number, Some(their_turns.latest().0));
        })
        .held(effort)
}

fn nine_undone(document: &Document, effort: Effort) -> Row {
    let [number, _] = NUMBERS;
    let mut operations = replacements_of_ten(number);
    operations.pop();
    operations.push(Operation::Test {
        path: "/clock/tick".parse().expect("a pointer"),
        value: Value::from("another"),
    });
    let ours = Patch::from(operations);
    let theirs = json_patch(&ours);
    let (mut value, mut their_value) = (document.ours(), document.serde_json());
    let path = place(0);
    let their_path = path.clone();
    let before = number_at(&value, &path);
    Contest::new(format!(
        "batch of nine replaces and a failing test, {}",
        document.name
    ))
    .by("headwater", move |count| {
        repeat(count, || {
            let failed = ours.apply(&mut value, &Limits::default());
            failed.expect_err("the test does not hold")
        });
        assert_eq!(number_at(&value, &path), before);
    })
    .by("json-patch", move |count| {
        repeat(count, || {
            let failed = json_patch::patch(&mut their_value, &theirs);
            failed.expect_err("the test does not hold")
        });
        assert_eq!(their_number_at(&their_value, &their_path), before);
    })
    .held(effort)
}

/// From the text of a patch of one operation to the changed document.
pub(crate) fn from_text(effort: Effort) -> Vec<Row> {
    let document = Document::of_1kb();
    let texts = NUMBERS.map(|number| (number, replace(&document.path, number).to_string()));
    let (mut value, mut turns) = (document.ours(), Turns::new(texts));
    let path = &document.path;
    let row = Contest::new(format!(
        "patch text to applied, one operation, {}",
        document.name
    ))
    .by("headwater", move |count| {
        repeat(count, || {
            let (_, text) = turns.next();
            let patch = Patch::parse(text.as_bytes(), &Limits::default(), Extensions::NONE);
            let patch = patch.expect("a patch");
            let applied = patch.apply(&mut value, &Limits::default());
            (applied.expect("the path is there"), patch)
        });
        assert_eq!(number_at(&value, path), Some(turns.latest().0));
    })
    .by("serde_json, json-patch", json_patch_from_text(&document))
    .held(effort);
    vec![row]
}

/// The same by serde_json and json-patch, on a document of its own.
pub(crate) fn json_patch_from_text(document: &Document) -> impl FnMut(u64) + use<> {
    let texts = NUMBERS.map(|number| (number, replace(&document.path, number).to_string()));
    let (mut value, mut turns) = (document.serde_json(), Turns::new(texts));
    let path = document.path.clone();
    move |count| {
        repeat(count, || {
            let (_, text) = turns.next();
            let patch: json_patch::Patch = serde_json::from_str(text).expect("a patch");
            json_patch::patch(&mut value, &patch).expect("the path is there");
            patch
        });
        assert_eq!(their_number_at(&value, &path), Some(turns.latest().0));
    }
}

fn replacements_of_ten(number: u64) -> Vec<Operation> {
    (0..10)
        .map(|index| Operation::Replace {
            path: place(index),
            value: Value::from(number),
        })
        .collect()
}

/// Where one operation of ten works, in a room of 125: at depth 3, each in a record of its own.
fn place(index: usize) -> Pointer {
    player_experience(3 + index * 12)
}

fn number_at(value: &Value, path: &Pointer) -> Option<u64> {
    value.at(path).and_then(Value::as_u64)
}

fn their_number_at(value: &serde_json::Value, path: &Pointer) -> Option<u64> {
    value
        .pointer(path.as_str())
        .and_then(serde_json::Value::as_u64)
}
