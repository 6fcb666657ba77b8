//! P10: what is meant to break a server, or once broke another library. Typed errors, nothing changed.

use headwater_doc::{
    Extensions, InvalidOperation, InvalidPatch, LimitExceeded, Limits, Operation, ParseError,
    ParseReason, Patch, PatchError, Pointer, PointerError, Reason, Value, View, diff,
};

use crate::allocator::peak_of;

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

#[test]
fn twenty_self_copies_are_refused_by_a_limit() {
    let copies: Vec<_> = (0..20)
        .map(|_| r#"{"op":"copy","from":"","path":"/-"}"#)
        .collect();
    let text = format!("[{}]", copies.join(","));
    let document = format!("[\"{}\"]", "x".repeat(1_000));
    let limits = Limits::default();
    let limit = LimitExceeded::Bytes {
        limit: limits.bytes,
    };
    assert_eq!(refused(&document, &text), error(16, "/-", limit.into()));
    let limits = Limits {
        nodes: 1_000,
        ..limits
    };
    let mut small = value("[1]");
    let limit = LimitExceeded::Nodes { limit: 1_000 };
    let failed = patch(&text).apply(&mut small, &limits).unwrap_err();
    assert_eq!(failed, error(8, "/-", limit.into()));
    assert!(small.identical(&value("[1]")));
}

#[test]
fn a_hundred_self_copies_without_limits_are_counted_without_overflow() {
    let copy = Operation::Copy {
        from: Pointer::root(),
        path: pointer("/-"),
    };
    let mut document = value("[1]");
    let applied = Patch::from(vec![copy; 100])
        .apply(&mut document, &Limits::NONE)
        .unwrap();
    assert_eq!(
        (document.nodes(), document.written_bytes()),
        (u64::from(u32::MAX), u64::from(u32::MAX))
    );
    let copies = document.as_array().map(|array| array.len());
    assert_eq!(copies, Some(101));
    drop(document);
    drop(applied);
}

#[test]
fn nothing_moves_into_its_own_child() {
    let document = r#"{"a":{"b":[1]},"ab":2}"#;
    for path in ["/a/b", "/a/b/0", "/a/new"] {
        let text = format!(r#"[{{"op":"move","from":"/a","path":"{path}"}}]"#);
        assert_eq!(refused(document, &text), error(0, path, Reason::IntoItself));
    }
    let whole = r#"[{"op":"move","from":"","path":"/a"}]"#;
    assert_eq!(refused(document, whole), error(0, "/a", Reason::IntoItself));
    // A longer name is no child, and a value may move where it is.
    let mut moved = value(document);
    let text = r#"[{"op":"move","from":"/a","path":"/ab"},{"op":"move","from":"","path":""},
        {"op":"move","from":"/ab/b","path":"/ab/b"}]"#;
    let patch = patch(text);
    let applied = patch.apply(&mut moved, &Limits::default()).unwrap();
    assert!(moved.identical(&value(r#"{"ab":{"b":[1]}}"#)));
    applied
        .inverse(&patch)
        .apply(&mut moved, &Limits::default())
        .unwrap();
    assert!(moved.identical(&value(document)));
}

/// Found by the property of the inverse: the way back from `/0` to `/0/0` was one `move`, into its own
/// child by the paths alone. It did not apply, and a rollback left the document half changed.
#[test]
fn an_element_moved_in_front_of_its_parent_moves_back() {
    for document in ["[[null]]", r#"[{"0":null}]"#] {
        let mut moved = value(document);
        let text = r#"[{"op":"move","from":"/0/0","path":"/0"}]"#;
        let patch = patch(text);
        let applied = patch.apply(&mut moved, &Limits::default()).unwrap();
        assert!(
            moved
                .as_array()
                .and_then(|array| array.get(0))
                .is_some_and(Value::is_null)
        );
        applied
            .inverse(&patch)
            .apply(&mut moved, &Limits::default())
            .unwrap();
        assert!(moved.identical(&value(document)));
        let failing = r#"[{"op":"move","from":"/0/0","path":"/0"},{"op":"remove","path":"/9"}]"#;
        let len = 2;
        assert_eq!(
            refused(document, failing),
            error(1, "/9", Reason::OutOfRange { len })
        );
    }
}

/// json-patch 5.0.0 loses data here: its `move` takes `/a` out, then finds no place for it, and returns the
/// error without putting it back, since only operations that succeeded are undone. The document is `{}`.
///
/// Here the target is found missing, and what was taken out returns to its place: a typed error, and the
/// very value of before.
#[test]
fn a_move_that_fails_loses_nothing() {
    let text = r#"[{"op":"move","from":"/a","path":"/nope/x"}]"#;
    assert_eq!(
        refused(r#"{"a":1}"#, text),
        error(0, "/nope/x", Reason::NotFound)
    );
}

/// json-patch 5.0.0 panics here: the `move` fails and loses `/a`, as above. The rollback then removes `/a/c`,
/// which the first operation had added, from an object that is gone, and reaches the `unreachable!` that says
/// "unable to undo applied patches". So a patch that anybody may send ends the thread that applies it.
///
/// Here it is a typed error that names the `move`, and the document is identical to what it was.
#[test]
fn a_rollback_after_a_move_that_failed_does_not_panic() {
    let text =
        r#"[{"op":"add","path":"/a/c","value":2},{"op":"move","from":"/a","path":"/nope/x"}]"#;
    let failed = refused(r#"{"a":{"b":1}}"#, text);
    assert_eq!(failed, error(1, "/nope/x", Reason::NotFound));
    assert_eq!(
        failed.to_string(),
        r#"operation 1 at "/nope/x": nothing is there"#
    );
}

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

/// Members that are written as most write them are known at a glance, others by their names.
#[test]
fn an_operation_is_the_same_however_it_is_written() {
    let usual = patch(r#"[{"op":"replace","path":"/a/b","value":[1,"x"]}]"#);
    for text in [
        r#"[{"value":[1,"x"],"path":"/a/b","op":"replace"}]"#,
        r#"[{"op" :"replace","path" :"/a/b","value" :[1,"x"]}]"#,
        r#"[{"op": "replace", "path": "/a/b", "value": [1, "x"]}]"#,
        " [ { \"op\"\n:\t\"replace\" , \"path\":\r\"/a/b\",\n\"value\":[ 1 , \"x\" ] } ] ",
        r#"[{"\u006fp":"replace","p\u0061th":"/a\/b","valu\u0065":[1,"\u0078"]}]"#,
        r#"[{"op":"repl\u0061ce","path":"/a/b","value":[1,"x"],"from":"/c"}]"#,
        r#"[{"op":"replace","path":"/a/b","value":[1,"x"],"opp":"add","paths":0}]"#,
    ] {
        assert_eq!(patch(text), usual, "{text}");
        assert_eq!(patch(text).written_bytes(), usual.written_bytes(), "{text}");
    }
    for (text, member) in [
        (
            r#"[{"op":"replace","path":"/a","value":1,"value":1}]"#,
            "value",
        ),
        (
            r#"[{"op":"test","path":"/a","value":1,"op" :"test"}]"#,
            "op",
        ),
        (
            r#"[{"path":"/a","op":"test","value":1,"path":"/a"}]"#,
            "path",
        ),
    ] {
        let error = Patch::parse(text.as_bytes(), &Limits::default(), Extensions::ALL);
        let Err(InvalidPatch::Text(error)) = error else {
            panic!("{error:?}")
        };
        let name = member.to_owned();
        assert_eq!(error.reason, ParseReason::DuplicateName { name });
        assert_eq!(error.offset, text.len() - 2);
    }
    for (text, offset) in [
        (r#"[{,"op":"remove"}]"#, 2),
        (r#"[{"op":"remove",}]"#, 16),
        (r#"[{"op":"remove","path":"/a"},]"#, 29),
    ] {
        let error = Patch::parse(text.as_bytes(), &Limits::default(), Extensions::ALL);
        let Err(error) = error else {
            panic!("{text} is no patch")
        };
        assert!(
            matches!(&error, InvalidPatch::Text(error) if error.offset == offset),
            "{text}: {error}"
        );
    }
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

/// P3, P7: sums that passed what can be counted stay there, but not in a batch that failed.
#[test]
fn a_batch_that_fails_leaves_sums_as_they_were_though_they_passed_the_maximum() {
    let mut document = value(r#"{"a":[1],"b":["a string that is held"]}"#);
    let sizes = |value: &Value| (value.nodes(), value.written_bytes(), value.heap_bytes());
    let before = sizes(&document);
    let copy = r#"{"op":"copy","from":"/a","path":"/a/-"},"#.repeat(40);
    let text = format!(r#"[{copy}{{"op":"test","path":"/b","value":0}}]"#);
    let error = patch(&text)
        .apply(&mut document, &Limits::NONE)
        .unwrap_err();
    assert_eq!(error.operation, 40);
    assert_eq!(sizes(&document), before);
}

/// The same of the parts of a large array, which may be cut out later.
#[test]
fn a_batch_that_fails_leaves_the_sums_of_parts_as_they_were() {
    let mut document = value(&format!("[[1]{}]", ",0".repeat(200)));
    let deep = "[".repeat(100) + &"]".repeat(100);
    let copy = r#"{"op":"copy","from":"/0","path":"/0/-"},"#.repeat(40);
    let text = format!(
        r#"[{{"op":"add","path":"/7","value":{deep}}},{copy}{{"op":"test","path":"","value":0}}]"#
    );
    let error = patch(&text)
        .apply(&mut document, &Limits::NONE)
        .unwrap_err();
    assert_eq!(error.operation, 41);
    let cut = patch(r#"[{"op":"splice","path":"","index":0,"remove":150,"insert":[]}]"#);
    let applied = cut.apply(&mut document, &Limits::NONE).unwrap();
    let text = document.to_string();
    assert_eq!(document.written_bytes(), text.len() as u64);
    assert_eq!((document.nodes(), document.height()), (52, 2));
    let inverse = applied.inverse(&cut);
    let [
        Operation::Splice {
            insert: removed, ..
        },
    ] = inverse.operations()
    else {
        panic!("{inverse}")
    };
    assert_eq!(removed.written_bytes(), removed.to_string().len() as u64);
    assert_eq!((removed.nodes(), removed.height()), (152, 2));
}

/// P7: sums are counted up to 2^32, and what may be more than that keeps to no limit.
#[test]
fn a_size_that_cannot_be_counted_breaks_every_limit() {
    let bytes = Limits {
        bytes: 8 << 30,
        ..Limits::NONE
    };
    let nodes = Limits {
        nodes: 1 << 40,
        ..Limits::NONE
    };
    let copies = format!(
        "[{}]",
        [r#"{"op":"copy","from":"","path":"/-"}"#; 60].join(",")
    );
    for (limits, code) in [(bytes, "limit_bytes"), (nodes, "limit_nodes")] {
        let mut document = value(r#"["0123456789"]"#);
        let error = patch(&copies).apply(&mut document, &limits).unwrap_err();
        assert_eq!(error.reason.code(), code);
        assert!(document.identical(&value(r#"["0123456789"]"#)));
        patch(&copies).apply(&mut document, &Limits::NONE).unwrap();
        assert!(limits.check(&document).is_err() && Limits::NONE.check(&document).is_ok());
        // Whether it grows cannot be seen then; it may still be replaced.
        let add = patch(r#"[{"op":"add","path":"/-","value":1}]"#);
        let error = add.apply(&mut document, &limits).unwrap_err();
        assert_eq!(error.reason.code(), code);
        let replace = patch(r#"[{"op":"replace","path":"","value":1}]"#);
        replace.apply(&mut document, &limits).unwrap();
    }
}

#[test]
fn limits_hold_for_each_value_of_a_patch_by_itself() {
    let limits = Limits {
        nodes: 3,
        ..Limits::default()
    };
    let read = |text: &str| {
        let read = Patch::parse(text.as_bytes(), &limits, Extensions::NONE);
        read.map(drop).map_err(|error| match error {
            InvalidPatch::Text(ParseError { offset, reason }) => (offset, reason),
            other => panic!("{other}"),
        })
    };
    // With a member that no operation knows, one is read in another way.
    for more in ["", r#","note":[1,2]"#] {
        let head = r#"{"op":"add","path":"/a","value":"#;
        let operation = |value: &str| format!("{head}{value}{more}}}");
        let fits = operation("[1,2]");
        let text = format!("[{}]", [fits.as_str(); 4].join(","));
        assert_eq!(read(&text), Ok(()));
        let limit = LimitExceeded::Nodes { limit: 3 };
        let text = format!("[{fits},{}]", operation("[1,2,3]"));
        let offset = 1 + fits.len() + 1 + head.len() + 5;
        assert_eq!(read(&text), Err((offset, limit.into())));

        let nested = |depth| "[".repeat(depth) + &"]".repeat(depth);
        let limit = LimitExceeded::Depth { limit: 128 };
        let read = |depth| {
            let text = format!("[{}]", operation(&nested(depth)));
            Patch::parse(text.as_bytes(), &Limits::default(), Extensions::NONE)
        };
        assert!(read(128).is_ok());
        let error = ParseError {
            offset: 1 + head.len() + 128,
            reason: limit.into(),
        };
        assert_eq!(read(129), Err(error.into()));
    }
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

#[test]
fn operations_that_are_none_are_refused_with_their_index() {
    let not = |member, expected| InvalidOperation::WrongType { member, expected };
    let missing = |member| InvalidOperation::Missing { member };
    let bad = |error| InvalidOperation::BadPointer {
        member: "path",
        error,
    };
    for (operation, reason) in [
        ("1", InvalidOperation::NotAnObject),
        ("{}", missing("op")),
        (r#"{"op":1}"#, not("op", "a string")),
        (
            r#"{"op":"frob","path":""}"#,
            InvalidOperation::UnknownOperation { op: "frob".into() },
        ),
        (
            r#"{"op":"Add","path":"","value":1}"#,
            InvalidOperation::UnknownOperation { op: "Add".into() },
        ),
        (r#"{"op":"add","value":1}"#, missing("path")),
        (r#"{"op":"add","path":"/a"}"#, missing("value")),
        (r#"{"op":"move","path":"/a"}"#, missing("from")),
        (
            r#"{"op":"add","path":null,"value":1}"#,
            not("path", "a string"),
        ),
        (
            r#"{"op":"remove","path":"a"}"#,
            bad(PointerError::NoLeadingSlash),
        ),
        (
            r#"{"op":"remove","path":"/~2"}"#,
            bad(PointerError::BadEscape { offset: 1 }),
        ),
        (
            r#"{"op":"increment","path":"/a","by":"1"}"#,
            not("by", "a number"),
        ),
        (
            r#"{"op":"splice","path":"/a","index":-1,"remove":0,"insert":""}"#,
            not("index", "a count"),
        ),
        (
            r#"{"op":"splice","path":"/a","index":0,"remove":0.5,"insert":""}"#,
            not("remove", "a count"),
        ),
    ] {
        let text = format!(r#"[{{"op":"remove","path":"/a"}},{operation}]"#);
        let found = Patch::parse(text.as_bytes(), &Limits::default(), Extensions::ALL);
        let operation = 1;
        assert_eq!(
            found,
            Err(InvalidPatch::Operation { operation, reason }),
            "{text}"
        );
    }
    let found = Patch::from_value(&value("{}"), Extensions::ALL);
    assert_eq!(found, Err(InvalidPatch::NotAnArray));
    // An unknown name may be as long as the text; what is kept of it is not.
    let text = format!(r#"[{{"op":"{}"}}]"#, "é".repeat(100_000));
    let found = Patch::from_value(&value(&text), Extensions::ALL);
    let op = "é".repeat(64);
    let reason = InvalidOperation::UnknownOperation { op };
    assert_eq!(
        found,
        Err(InvalidPatch::Operation {
            operation: 0,
            reason
        })
    );
}

#[test]
fn extensions_are_refused_unless_they_are_allowed() {
    let increment = r#"[{"op":"increment","path":"","by":1}]"#;
    let splice = r#"[{"op":"splice","path":"","index":0,"remove":0,"insert":""}]"#;
    for (text, op) in [(increment, "increment"), (splice, "splice")] {
        for increment in [false, true] {
            let extensions = Extensions {
                increment,
                splice: !increment,
            };
            let found = Patch::parse(text.as_bytes(), &Limits::default(), extensions);
            let reason = InvalidOperation::ExtensionOff { op };
            let refused = Err(InvalidPatch::Operation {
                operation: 0,
                reason,
            });
            let allowed = increment == (op == "increment");
            assert!(
                if allowed {
                    found.is_ok()
                } else {
                    found == refused
                },
                "{text}"
            );
        }
    }
}

#[test]
fn pointers_that_lead_nowhere_are_told_apart() {
    let document = r#"{"s":"text","n":1,"a":[1,2],"o":{}}"#;
    let len = 2;
    for (path, reason) in [
        ("/s/0", Reason::ThroughScalar),
        ("/n/x/y", Reason::ThroughScalar),
        ("/x", Reason::NotFound),
        ("/o/x/y", Reason::NotFound),
        ("/a/2", Reason::OutOfRange { len }),
        ("/a/-", Reason::OutOfRange { len }),
        ("/a/-/x", Reason::OutOfRange { len }),
        ("/a/01", Reason::BadIndex),
        ("/a/1x", Reason::BadIndex),
        ("/a/", Reason::BadIndex),
        ("/a/+1", Reason::BadIndex),
        ("/a/1e0", Reason::BadIndex),
        ("/a/99999999999999999999999999", Reason::BadIndex),
        ("/a/x/0", Reason::BadIndex),
    ] {
        for op in ["remove", "replace", "test"] {
            let text = format!(r#"[{{"op":"{op}","path":"{path}","value":0}}]"#);
            assert_eq!(refused(document, &text), error(0, path, reason), "{text}");
        }
        for op in ["move", "copy"] {
            let text = format!(r#"[{{"op":"{op}","from":"{path}","path":"/new"}}]"#);
            assert_eq!(refused(document, &text), error(0, path, reason), "{text}");
        }
        assert!(value(document).at(&pointer(path)).is_none(), "{path}");
    }
    let add = r#"[{"op":"add","path":"/a/3","value":0}]"#;
    assert_eq!(
        refused(document, add),
        error(0, "/a/3", Reason::OutOfRange { len })
    );
    let remove = r#"[{"op":"remove","path":""}]"#;
    assert_eq!(
        refused(document, remove),
        error(0, "", Reason::RemovesDocument)
    );
}

#[test]
fn a_pointer_of_a_hundred_thousand_segments_is_refused() {
    let text = "/0".repeat(100_000);
    let reason = PointerError::TooManySegments { segments: 100_000 };
    assert_eq!(Pointer::parse(&text), Err(reason.clone()));
    let text = format!(r#"[{{"op":"remove","path":"{text}"}}]"#);
    let found = Patch::parse(text.as_bytes(), &Limits::default(), Extensions::NONE);
    let reason = InvalidOperation::BadPointer {
        member: "path",
        error: reason,
    };
    assert_eq!(
        found,
        Err(InvalidPatch::Operation {
            operation: 0,
            reason
        })
    );
}

#[test]
fn splices_beyond_the_end_or_of_another_type_are_refused() {
    let long = "é漢".repeat(2_000);
    let document = format!(r#"{{"a":[1,2,3],"s":"é漢😀","l":"{long}","n":1}}"#);
    let max = usize::MAX;
    for (path, index, remove, len) in [
        ("/a", 4, 0, 3),
        ("/a", 0, 4, 3),
        ("/a", 3, 1, 3),
        ("/a", max, max, 3),
        ("/a", 1, max, 3),
        ("/s", 2, 2, 3),
        ("/s", 4, 0, 3),
        ("/l", 4_000, 1, 4_000),
        ("/l", 4_001, 0, 4_000),
        ("/l", max, 1, 4_000),
    ] {
        let insert = if path == "/a" { "[0]" } else { "\"0\"" };
        let text = format!(
            r#"[{{"op":"splice","path":"{path}","index":{index},"remove":{remove},"insert":{insert}}}]"#
        );
        assert_eq!(
            refused(&document, &text),
            error(0, path, Reason::OutOfRange { len })
        );
    }
    for (path, insert) in [
        ("/a", "\"\""),
        ("/s", "[]"),
        ("/n", "1"),
        ("", "{}"),
        ("/s", "null"),
    ] {
        let text = format!(
            r#"[{{"op":"splice","path":"{path}","index":0,"remove":0,"insert":{insert}}}]"#
        );
        assert_eq!(
            refused(&document, &text),
            error(0, path, Reason::SpliceType)
        );
    }
}

#[test]
fn increments_without_a_sum_are_refused() {
    let document = r#"{"max":18446744073709551615,"min":-9223372036854775808,"d":1.7e308,"s":"1"}"#;
    for (path, by, reason) in [
        ("/max", "1", Reason::Overflow),
        ("/min", "-1", Reason::Overflow),
        ("/d", "1.7e308", Reason::Overflow),
        ("/d", "1e400", Reason::Overflow),
        ("/s", "1", Reason::NotANumber),
        ("", "1", Reason::NotANumber),
    ] {
        let text = format!(r#"[{{"op":"increment","path":"{path}","by":{by}}}]"#);
        assert_eq!(refused(document, &text), error(0, path, reason));
    }
}

#[test]
fn touched_paths_are_those_that_operations_changed() {
    let document = r#"{"a":{"x":1},"l":[1,[2]],"s":"text","n":1}"#;
    for (operation, touched) in [
        (r#"{"op":"add","path":"/a/y","value":1}"#, &["/a/y"][..]),
        (r#"{"op":"add","path":"/a/x","value":1}"#, &["/a/x"]),
        (r#"{"op":"add","path":"/l/0","value":1}"#, &["/l"]),
        (r#"{"op":"add","path":"/l/1/-","value":1}"#, &["/l/1"]),
        (r#"{"op":"remove","path":"/a/x"}"#, &["/a/x"]),
        (r#"{"op":"remove","path":"/l/1/0"}"#, &["/l/1"]),
        (r#"{"op":"replace","path":"/l/0","value":3}"#, &["/l/0"]),
        (r#"{"op":"replace","path":"","value":3}"#, &[""]),
        (
            r#"{"op":"move","from":"/a/x","path":"/l/0"}"#,
            &["/a/x", "/l"],
        ),
        (r#"{"op":"move","from":"/l/0","path":"/l/1"}"#, &["/l"]),
        (r#"{"op":"copy","from":"/a","path":"/b"}"#, &["/b"]),
        (r#"{"op":"test","path":"/n","value":1}"#, &[]),
        (r#"{"op":"increment","path":"/n","by":1}"#, &["/n"]),
        (
            r#"{"op":"splice","path":"/s","index":0,"remove":1,"insert":"T"}"#,
            &["/s"],
        ),
        (
            r#"{"op":"replace","path":"/n","value":1},{"op":"replace","path":"/n","value":2},{"op":"replace","path":"/a","value":3}"#,
            &["/n", "/a"],
        ),
        (
            r#"{"op":"replace","path":"/n","value":1},{"op":"remove","path":"/l/0"},{"op":"add","path":"/l/-","value":2},{"op":"replace","path":"/n","value":3}"#,
            &["/n", "/l", "/n"],
        ),
        (
            r#"{"op":"replace","path":"/n","value":1},{"op":"move","from":"/a","path":"/b"},{"op":"remove","path":"/b"}"#,
            &["/n", "/a", "/b"],
        ),
    ] {
        let patch = patch(&format!("[{operation}]"));
        let applied = patch
            .apply(&mut value(document), &Limits::default())
            .unwrap();
        let found: Vec<_> = applied
            .touched(&patch)
            .iter()
            .map(Pointer::as_str)
            .collect();
        assert_eq!(found, touched, "{operation}");
    }
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
fn a_diff_lists_its_changes_in_the_order_of_the_document() {
    // Enough beside the changes that none of the containers is better replaced.
    let document = |numbers: [u32; 5]| {
        let [x, z, b, first, last] = numbers;
        let same = "x".repeat(100);
        value(&format!(
            r#"{{"a": {{"x": {x}, "y": [1, {{"z": {z}}}, 3], "w": "{same}"}}, "b": {{"x": {b}}},
            "c": [{{"n": {first}}}, 2, {{"n": {last}}}, "{same}"]}}"#
        ))
    };
    let (old, new) = (document([1, 1, 1, 1, 3]), document([2, 2, 2, 2, 4]));
    let patch = diff(&old, &new, Extensions::NONE);
    let paths: Vec<_> = patch
        .operations()
        .iter()
        .map(|operation| operation.path().as_str())
        .collect();
    assert_eq!(paths, ["/a/x", "/a/y/1/z", "/b/x", "/c/0/n", "/c/2/n"]);
}
