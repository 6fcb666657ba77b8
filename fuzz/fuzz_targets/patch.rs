//! A patch on a document: it applies and can be undone, or it fails and nothing has changed.
//!
//! Input that starts with `t` is two texts, of the document and of the patch, parted by a zero byte.
//! Any other input makes them by choice, so that most of it gets as far as applying.

#![no_main]

use headwater_doc::{Extensions, Limits, Patch, Value};
use headwater_fuzz::{Bytes, SMALL, check};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let case = match bytes.split_first() {
        Some((b't', texts)) => from_texts(texts),
        _ => Some(from_choices(&mut Bytes::new(bytes))),
    };
    if let Some((document, patch)) = case {
        for limits in [&Limits::default(), &SMALL] {
            apply(&document, &patch, limits);
        }
        round_trip(&patch);
    }
});

fn from_texts(bytes: &[u8]) -> Option<(Value, Patch)> {
    let mut texts = bytes.splitn(2, |&byte| byte == 0);
    let document = Value::parse(texts.next()?, &SMALL).ok()?;
    let patch = Patch::parse(texts.next()?, &SMALL, Extensions::ALL).ok()?;
    Some((document, patch))
}

fn from_choices(bytes: &mut Bytes<'_>) -> (Value, Patch) {
    let document = bytes.value();
    let patch = bytes.patch(&document, 12);
    (document, patch)
}

fn apply(before: &Value, patch: &Patch, limits: &Limits) {
    let text = before.to_string();
    // Once where nobody else holds a node, so that all is changed in place, and once where every node
    // is shared.
    let alone: Value = headwater_fuzz::read(&text);
    for mut document in [alone, before.clone()] {
        match patch.apply(&mut document, limits) {
            Ok(applied) => {
                check(&document);
                let kept = limits.check(before).is_err() || limits.check(&document).is_ok();
                assert!(kept, "a limit holds for the result");
                let after = document.clone();
                let inverse = applied.inverse(patch);
                assert_eq!(applied.inverse_bytes(), inverse.written_bytes());
                let undone = inverse.apply(&mut document, &Limits::NONE);
                let undone = undone.expect("an inverse applies to what it was made from");
                assert!(document.identical(before), "{text} {patch}");
                let redone = undone.inverse(&inverse).apply(&mut document, &Limits::NONE);
                redone.expect("an inverse has an inverse");
                assert!(document.identical(&after), "{text} {patch}");
            }
            Err(error) => {
                assert!(error.operation < patch.operations().len());
                assert!(document.identical(before), "{error}: {text} {patch}");
                check(&document);
            }
        }
        assert_eq!(before.to_string(), text, "a snapshot never changes");
    }
}

fn round_trip(patch: &Patch) {
    let text = patch.to_string();
    assert!(text.len() as u64 <= patch.written_bytes(), "{text}");
    let again = Patch::parse(text.as_bytes(), &Limits::NONE, Extensions::ALL);
    let again = again.unwrap_or_else(|error| panic!("{error}: {text}"));
    assert_eq!(&again, patch);
    assert_eq!(again.digest(), patch.digest());
}
