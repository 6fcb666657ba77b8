//! Limits that a patch would pass.

use headwater_doc::{Extensions, Limits, Patch, Reason, Value};

/// P3: a change that makes the document too large is found out once it is made. What one operation has
/// replaced goes back to its place, whoever holds what.
#[test]
fn a_single_change_that_passes_a_limit_is_taken_back() {
    let value = |text: &str| Value::parse(text.as_bytes(), &Limits::NONE).unwrap();
    let pad = "x".repeat(40);
    let text =
        r#"{"a":{"n":999,"s":"short","list":[1,2,3]},"pad":"0123456789012345678901234567890"}"#;
    let limits = Limits {
        bytes: text.len() as u64,
        ..Limits::NONE
    };
    for operation in [
        format!(r#"{{"op":"replace","path":"/a/s","value":"{pad}"}}"#),
        format!(r#"{{"op":"add","path":"/a/s","value":"{pad}"}}"#),
        r#"{"op":"copy","from":"/pad","path":"/a/list/1"}"#.to_owned(),
        r#"{"op":"copy","from":"/pad","path":"/a/n"}"#.to_owned(),
        r#"{"op":"increment","path":"/a/n","by":1}"#.to_owned(),
        format!(r#"{{"op":"splice","path":"/a/s","index":0,"remove":0,"insert":"{pad}"}}"#),
        format!(r#"{{"op":"replace","path":"","value":["{pad}","{pad}","{pad}"]}}"#),
    ] {
        let patch = format!("[{operation}]");
        let patch = Patch::parse(patch.as_bytes(), &Limits::NONE, Extensions::ALL).unwrap();
        for is_held in [false, true] {
            let mut document = value(text);
            let held = is_held.then(|| document.clone());
            let error = patch.apply(&mut document, &limits).unwrap_err();
            assert!(
                matches!(error.reason, Reason::Limit(_)),
                "{operation}: {error}"
            );
            assert!(document.identical(&value(text)), "{operation}: {document}");
            assert_eq!(
                document.heap_bytes(),
                value(text).heap_bytes(),
                "{operation}"
            );
            assert!(held.is_none_or(|held| held.same(&document)), "{operation}");
        }
    }
}
