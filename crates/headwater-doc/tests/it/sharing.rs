//! What versions share inside of large containers, what a batch that fails leaves of it, and what of it a batch
//! that succeeds copies.

mod changes;
mod copies;
mod failures;

use headwater_doc::{Applied, Limits, Value};

use crate::{allocator::requested_by, hostile::patch};

/// Bytes that are freed with each of some values, which go one after another.
fn freed_one_by_one(values: Vec<Value>) -> Vec<isize> {
    let freed = |value| -requested_by(|| drop(value)).1;
    values.into_iter().map(freed).collect()
}

/// Applies the patch of a text.
fn change_by(document: &mut Value, text: &str) -> Applied {
    patch(text)
        .apply(document, &Limits::NONE)
        .expect("it applies")
}

fn numbers(count: usize) -> Value {
    (0..count).map(Value::from).collect()
}
