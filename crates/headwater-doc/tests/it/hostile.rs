//! P10: what is meant to break a server, or once broke another library. Typed errors, nothing changed.

mod copies;
mod equality;
mod moves;
mod operations;
mod patches;
mod texts;

use headwater_doc::{
    Extensions, Limits, ParseError, ParseReason, Patch, PatchError, Pointer, Reason, Value,
};

pub(crate) fn value(text: &str) -> Value {
    text.parse()
        .unwrap_or_else(|error| panic!("{error}: {text}"))
}

pub(crate) fn pointer(text: &str) -> Pointer {
    Pointer::parse(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

pub(crate) fn patch(text: &str) -> Patch {
    Patch::parse(text.as_bytes(), &Limits::default(), Extensions::ALL)
        .unwrap_or_else(|error| panic!("{error}: {text}"))
}

pub(crate) fn parse_error(text: &str) -> (usize, ParseReason) {
    let ParseError { offset, reason } =
        Value::parse(text.as_bytes(), &Limits::default()).unwrap_err();
    (offset, reason)
}

/// Applies a patch that must fail, and checks that the document is whole, whether its nodes are shared
/// or not.
pub(crate) fn refused(document: &str, text: &str) -> PatchError {
    let before = value(document);
    let patch = patch(text);
    let mut alone = value(document);
    let error = patch.apply(&mut alone, &Limits::default()).unwrap_err();
    assert!(alone.identical(&before), "{alone}");
    let mut shared = before.clone();
    assert_eq!(
        patch.apply(&mut shared, &Limits::default()).unwrap_err(),
        error
    );
    assert!(
        shared.identical(&before) && before.identical(&value(document)),
        "{shared}"
    );
    error
}

pub(crate) fn error(operation: usize, path: &str, reason: Reason) -> PatchError {
    PatchError {
        operation,
        path: pointer(path),
        reason,
    }
}
