//! Splices at every place of what is long.

use headwater_doc::{Operation, Patch, Pointer, Value};

use super::{applied, inverse};
use crate::model::{Model, ModelNumber};

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
