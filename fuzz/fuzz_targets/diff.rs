//! Two values: the difference turns one into the very other, with and without splices, and is bounded.

#![no_main]

use headwater_doc::{Extensions, Limits, Operation, Patch, Pointer, Value, diff, diff_within};
use headwater_fuzz::{Bytes, check};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let mut bytes = Bytes::new(bytes);
    let old = bytes.value();
    let new = if bytes.byte().is_multiple_of(4) {
        bytes.value()
    } else {
        descendant(&old, &mut bytes)
    };
    for splice in [false, true] {
        let extensions = Extensions {
            splice,
            ..Extensions::NONE
        };
        turn(&old, &new, extensions);
        turn(&new, &old, extensions);
        assert!(diff(&old, &old.clone(), extensions).is_empty());
    }
});

/// What becomes of a value: it shares with the value whatever was not changed.
fn descendant(old: &Value, bytes: &mut Bytes<'_>) -> Value {
    let mut new = old.clone();
    for _ in 0..4 {
        let patch = bytes.patch(&new, 3);
        // A patch that fails is one that changes nothing.
        let _applied = patch.apply(&mut new, &Limits::NONE);
    }
    new
}

fn turn(old: &Value, new: &Value, extensions: Extensions) {
    let patch = diff(old, new, extensions);
    assert!(extensions.include(patch.extensions()), "{patch}");
    bounded(old, new, &patch, extensions);
    let mut document = old.clone();
    let applied = patch.apply(&mut document, &Limits::NONE);
    let applied = applied.unwrap_or_else(|error| panic!("{error}: {old} {new} {patch}"));
    assert!(document.identical(new), "{old} {new} {patch}");
    check(&document);
    let undone = applied.inverse(&patch).apply(&mut document, &Limits::NONE);
    undone.expect("an inverse applies to what it was made from");
    assert!(document.identical(old), "{old} {new} {patch}");

    let (found, between) = Patch::between(old, new, extensions);
    assert_eq!(found, patch, "{old} {new}");
    let mut document = new.clone();
    let inverse = between.inverse(&patch);
    let undone = inverse.apply(&mut document, &Limits::NONE);
    undone.unwrap_or_else(|error| panic!("{error}: {old} {new} {inverse}"));
    assert!(document.identical(old), "{old} {new} {inverse}");
}

/// The difference has no more bytes than the replacement of all, and is found if there is room for it.
fn bounded(old: &Value, new: &Value, patch: &Patch, extensions: Extensions) {
    let replace = Operation::Replace {
        path: Pointer::root(),
        value: new.clone(),
    };
    let bytes = patch.written_bytes();
    let bytes_max = Patch::from(vec![replace]).written_bytes();
    assert!(bytes <= bytes_max, "{bytes} of {bytes_max}: {patch}");
    assert!(patch.to_string().len() as u64 <= bytes, "{patch}");
    let within = |bytes_max| diff_within(old, new, extensions, bytes_max);
    assert_eq!(within(bytes).as_ref(), Some(patch), "{old} {new}");
    assert_eq!(within(bytes - 1), None, "{old} {new}");
}
