//! Two values: the difference turns one into the very other, with and without splices.

#![no_main]

use headwater_doc::{Extensions, Limits, Value, diff};
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
    let mut document = old.clone();
    let applied = patch.apply(&mut document, &Limits::NONE);
    let applied = applied.unwrap_or_else(|error| panic!("{error}: {old} {new} {patch}"));
    assert!(document.identical(new), "{old} {new} {patch}");
    check(&document);
    let undone = applied.inverse.apply(&mut document, &Limits::NONE);
    undone.expect("an inverse applies to what it was made from");
    assert!(document.identical(old), "{old} {new} {patch}");
}
