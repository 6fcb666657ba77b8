//! What holds for any document and any patch, against the model.

mod batches;
mod diffs;
pub(crate) mod documents;
mod intents;
mod splices;
mod texts;
mod versions;

use headwater_doc::{Applied, Limits, Patch, Pointer, Value};

fn pointer(text: &str) -> Pointer {
    Pointer::parse(text).expect("a pointer")
}

fn parsed(text: &str) -> Value {
    Value::parse(text.as_bytes(), &Limits::NONE).unwrap_or_else(|error| panic!("{error}: {text}"))
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
