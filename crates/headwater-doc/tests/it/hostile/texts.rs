//! What no parser may take, and the limits of what it takes.

use headwater_doc::{
    Extensions, InvalidPatch, LimitExceeded, Limits, ParseError, ParseReason, Patch, Value,
};

use super::{parse_error, value};
use crate::allocator::peak_of;

#[test]
fn a_number_of_1_025_bytes_is_refused_with_its_length() {
    let digits = |count| "7".repeat(count);
    assert_eq!(value(&digits(1_024)).to_string(), digits(1_024));
    let reason = ParseReason::NumberTooLong { bytes: 1_025 };
    assert_eq!(parse_error(&format!("[1,{}]", digits(1_025))), (3, reason));
}

#[test]
fn a_number_of_megabytes_is_refused_with_its_length_and_takes_no_memory() {
    let digits = |digit: &str| digit.repeat(4 << 20);
    for text in [
        digits("9"),
        format!("0.{}1", digits("0")),
        format!("-{}.5e7", digits("9")),
        format!("1e-{}", digits("9")),
    ] {
        let (error, peak) = peak_of(|| parse_error(&text));
        let bytes = text.len();
        assert_eq!(error, (0, ParseReason::NumberTooLong { bytes }));
        assert!(peak <= 4_096, "{peak} bytes");
    }
}

/// P7: the longest number that the default limits let anybody send, and any that is longer.
#[test]
fn a_number_as_long_as_a_text_may_be_is_refused_with_its_place_and_takes_no_memory() {
    let limits = Limits::default();
    let bytes_max = usize::try_from(limits.bytes).unwrap();
    let mut text = vec![b'['];
    text.resize(bytes_max - 1, b'9');
    text.push(b']');
    let (error, peak) = peak_of(|| Value::parse(&text, &limits).unwrap_err());
    let reason = ParseReason::NumberTooLong {
        bytes: bytes_max - 2,
    };
    assert_eq!(error, ParseError { offset: 1, reason });
    assert!(peak <= 4_096, "{peak} bytes");
    // A digit more, and it is not even looked at.
    text.insert(1, b'9');
    let (error, peak) = peak_of(|| Value::parse(&text, &limits).unwrap_err());
    let limit = LimitExceeded::Bytes {
        limit: limits.bytes,
    };
    assert_eq!(error.reason, limit.into());
    assert!(peak <= 4_096, "{peak} bytes");
}

#[test]
fn a_repeated_name_is_refused_where_its_object_ends() {
    let repeated = |name: &str| ParseReason::DuplicateName { name: name.into() };
    assert_eq!(parse_error(r#"[{"a":1,"b":2,"a":1}]"#), (19, repeated("a")));
    assert_eq!(parse_error(r#"{"\u0061":1,"a":2}"#), (17, repeated("a")));
    assert_eq!(parse_error(r#"{"":0,"":0}"#), (10, repeated("")));
    // An error is small, whatever it is about.
    let name = "é".repeat(1_000);
    let (_, reason) = parse_error(&format!(r#"{{"{name}":0,"{name}":0}}"#));
    assert_eq!(reason, repeated(&"é".repeat(64)));
    let text = br#"[{"op":"remove","op":"test","path":"/a","value":1}]"#;
    let error = Patch::parse(text, &Limits::default(), Extensions::ALL).unwrap_err();
    let InvalidPatch::Text(error) = error else {
        panic!("{error}")
    };
    assert_eq!((error.offset, error.reason), (49, repeated("op")));
}

#[test]
fn malformed_texts_are_refused_with_the_place() {
    let expected = |expected| ParseReason::Expected { expected };
    for (text, offset, reason) in [
        (r#"["\ud800"]"#, 2, ParseReason::LoneSurrogate),
        (r#"["\ud800\u0041"]"#, 2, ParseReason::LoneSurrogate),
        (r#"["a\udc00\ud800"]"#, 3, ParseReason::LoneSurrogate),
        (r#"{"\udfaa":0}"#, 2, ParseReason::LoneSurrogate),
        (r#"["\x"]"#, 2, ParseReason::BadEscape),
        (r#"["\u12"]"#, 2, ParseReason::BadEscape),
        (r#"["\u+123"]"#, 2, ParseReason::BadEscape),
        ("[\"a\u{1}\"]", 3, ParseReason::ControlCharacter),
        ("[\"a", 3, ParseReason::UnexpectedEnd),
        ("", 0, ParseReason::UnexpectedEnd),
        ("[1", 2, ParseReason::UnexpectedEnd),
        ("[01]", 1, ParseReason::BadNumber),
        ("[1,]", 3, expected("a value")),
        ("{\"a\" 1}", 5, expected("':'")),
        ("{1:1}", 1, expected("a name")),
        ("{} {}", 3, ParseReason::TrailingText),
        ("\u{feff}{}", 0, expected("a value")),
    ] {
        assert_eq!(parse_error(text), (offset, reason), "{text}");
    }
    let error = Value::parse(b"[\"\xff\"]", &Limits::default()).unwrap_err();
    assert_eq!((error.offset, error.reason), (2, ParseReason::NotUtf8));
}

#[test]
fn limits_on_bytes_and_values_hold_for_texts() {
    let limits = |bytes, nodes| Limits {
        bytes,
        nodes,
        ..Limits::default()
    };
    let parse = |text: &str, limits| {
        Value::parse(text.as_bytes(), &limits)
            .map(drop)
            .map_err(|error| error.reason)
    };
    assert_eq!(parse("[1,2]", limits(5, 3)), Ok(()));
    assert_eq!(
        parse("[1,2]", limits(4, 3)),
        Err(LimitExceeded::Bytes { limit: 4 }.into())
    );
    assert_eq!(
        parse("[1,2]", limits(5, 2)),
        Err(LimitExceeded::Nodes { limit: 2 }.into())
    );
    // Four bytes to read, but as many as a double can take to write.
    assert_eq!(
        parse("1e15", limits(10, 1)),
        Err(LimitExceeded::Bytes { limit: 10 }.into())
    );
}

#[test]
fn a_text_that_is_refused_for_its_doubles_is_told_so() {
    let limits = Limits {
        bytes: 24,
        ..Limits::default()
    };
    let error = Value::parse(b"0.5", &limits).unwrap_err();
    assert_eq!(
        error.to_string(),
        "larger than 24 bytes, with each double counted as 25 at byte 3"
    );
}
