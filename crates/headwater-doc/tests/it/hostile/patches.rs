//! What is a patch, however it is written, and what is none.

use headwater_doc::{
    Extensions, InvalidOperation, InvalidPatch, LimitExceeded, Limits, ParseError, ParseReason,
    Patch, Pointer, PointerError,
};

use super::{patch, value};

fn invalid(operation: usize, reason: InvalidOperation) -> Result<Patch, InvalidPatch> {
    Err(InvalidPatch::Operation { operation, reason })
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
        assert_eq!(found, invalid(1, reason), "{text}");
    }
    let found = Patch::from_value(&value("{}"), Extensions::ALL);
    assert_eq!(found, Err(InvalidPatch::NotAnArray));
    // An unknown name may be as long as the text; what is kept of it is not.
    let text = format!(r#"[{{"op":"{}"}}]"#, "é".repeat(100_000));
    let found = Patch::from_value(&value(&text), Extensions::ALL);
    let op = "é".repeat(64);
    let reason = InvalidOperation::UnknownOperation { op };
    assert_eq!(found, invalid(0, reason));
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
            let refused = invalid(0, reason);
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
    assert_eq!(found, invalid(0, reason));
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
