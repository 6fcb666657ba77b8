use headwater_doc::{Array, Limits, Operation, Patch, Pointer, Value};

use crate::{
    input::json_patch,
    measure::{Contest, Effort, Row, repeat},
    persistent::{Imbl, Tree},
};

const LEN: usize = 10_000;

/// An insertion into 10,000 numbers and its removal.
pub(crate) fn pairs(effort: Effort) -> Vec<Row> {
    [("front", 0), ("middle", LEN / 2), ("end", LEN)]
        .map(|(place, index)| pair(place, index, effort))
        .into()
}

fn pair(place: &str, index: usize, effort: Effort) -> Row {
    let path = Pointer::root().element(index);
    let ours = [
        Patch::from(vec![Operation::Add {
            path: path.clone(),
            value: Value::from(7),
        }]),
        Patch::from(vec![Operation::Remove { path }]),
    ];
    let theirs = ours.each_ref().map(json_patch);
    let mut array: Value = (0..LEN).map(Value::from).collect();
    let mut their_array: serde_json::Value = (0..LEN).collect::<Vec<_>>().into();
    let mut vector: imbl::Vector<Tree<Imbl>> = (0..LEN as u64).map(Tree::<Imbl>::from).collect();
    Contest::new(format!("insert and remove, {place} of 10,000"))
        .by("headwater", move |count| {
            repeat(count, || {
                ours.each_ref().map(|patch| {
                    let applied = patch.apply(&mut array, &Limits::default());
                    applied.expect("the index is within the array")
                })
            });
            assert_eq!(array.as_array().map(Array::len), Some(LEN));
        })
        .by("json-patch", move |count| {
            repeat(count, || {
                for patch in &theirs {
                    let applied = json_patch::patch(&mut their_array, patch);
                    applied.expect("the index is within the array");
                }
            });
            assert_eq!(their_array.as_array().map(Vec::len), Some(LEN));
        })
        .by("imbl::Vector", move |count| {
            repeat(count, || {
                vector.insert(index, Tree::from(7));
                vector.remove(index)
            });
            assert_eq!(vector.len(), LEN);
        })
        .held(effort)
}
