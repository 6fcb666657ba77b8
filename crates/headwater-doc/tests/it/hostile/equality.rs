//! What is equal, by RFC 6902 and by how it came to be.

use headwater_doc::{Extensions, Limits, Reason, Value, View, diff};

use super::{error, patch, refused, value};
use crate::allocator::peak_of;

/// json-patch 5.0.0 compares numbers as they are held (RFC 6902 section 4.6: by value).
#[test]
fn one_equals_one_point_zero_and_not_true() {
    let mut document = value(r#"{"a":1,"b":[1.0,{"c":0}]}"#);
    let text = r#"[{"op":"test","path":"/a","value":1.0},{"op":"test","path":"/a","value":1e0},
        {"op":"test","path":"/b","value":[1,{"c":-0.0}]}]"#;
    let tests = patch(text);
    let applied = tests.apply(&mut document, &Limits::default()).unwrap();
    assert!(applied.inverse(&tests).is_empty() && applied.touched(&tests).is_empty());
    for other in ["true", "\"1\"", "[1]", "1.0000000000000002", "null"] {
        let text = format!(r#"[{{"op":"test","path":"/a","value":{other}}}]"#);
        assert_eq!(
            refused(r#"{"a":1}"#, &text),
            error(0, "/a", Reason::TestFailed)
        );
    }
}

#[test]
fn objects_are_equal_by_their_names_too() {
    for (left, right) in [("a", "b"), ("", "\\u0000")] {
        let [left, right] = [left, right].map(|name| {
            value(&format!(
                r#"{{"{name}":1,"z":"what both have, and no short text"}}"#
            ))
        });
        assert_ne!(left, right);
        assert!(!left.identical(&right));
        let patch = diff(&left, &right, Extensions::ALL);
        assert_eq!(patch.operations().len(), 2, "{patch}");
    }
    assert_eq!(value(r#"{"b":1,"a":2.0}"#), value(r#"{"a":2,"b":1e0}"#));
}

#[test]
fn a_test_against_a_large_value_takes_no_memory() {
    let text = format!(
        r#"{{"list":[{}0],"text":"{}"}}"#,
        "1,".repeat(500_000),
        "é".repeat(500_000)
    );
    let mut document = value(&text);
    let other = text.replace(",0]", ",1]");
    for (whole, holds) in [(&text, true), (&other, false)] {
        let test = patch(&format!(r#"[{{"op":"test","path":"","value":{whole}}}]"#));
        let (tested, peak) = peak_of(|| test.apply(&mut document, &Limits::default()));
        assert_eq!(tested.is_ok(), holds);
        assert!(peak <= 16 << 10, "{peak} bytes");
    }
    let test = patch(r#"[{"op":"test","path":"/list","value":[1,1]}]"#);
    let error = test.apply(&mut document, &Limits::default()).unwrap_err();
    assert_eq!(error.reason, Reason::TestFailed);
}

/// A string that shrinks to what fits into a value, and grows again, is the same as one that was made
/// so: comparison looks at the representation first.
#[test]
fn a_string_that_was_edited_equals_one_that_was_made() {
    let mut document = value(&format!("[\"{}\"]", "ab😀".repeat(1_000)));
    for (index, remove, insert) in [
        (0, 2_990, ""),
        (3, 0, "0123456789"),
        (0, 20, ""),
        (0, 0, "x"),
    ] {
        let text = format!(
            r#"[{{"op":"splice","path":"/0","index":{index},"remove":{remove},"insert":"{insert}"}}]"#
        );
        patch(&text)
            .apply(&mut document, &Limits::default())
            .unwrap();
        let made = value(&document.to_string());
        assert_eq!(document, made);
        assert_eq!(made, document);
        assert!(diff(&document, &made, Extensions::ALL).is_empty());
        assert_eq!(document.written_bytes(), made.written_bytes());
    }
    assert!(matches!(document.view(), View::Array(array) if array.len() == 1));
}

#[test]
fn a_string_that_shrinks_into_a_value_is_held_there() {
    for bytes in [0, 1, 13, 14] {
        let mut shrunk = Value::from("x".repeat(5_000));
        let remove = 5_000 - bytes;
        let index = bytes.min(9);
        let splice = format!(
            r#"[{{"op":"splice","path":"","index":{index},"remove":{remove},"insert":""}}]"#
        );
        patch(&splice)
            .apply(&mut shrunk, &Limits::default())
            .unwrap();
        assert!(
            shrunk.same(&Value::from("x".repeat(bytes))),
            "{bytes} bytes"
        );
    }
}
