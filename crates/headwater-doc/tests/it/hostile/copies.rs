//! Copies of copies, which double a document each time.

use headwater_doc::{LimitExceeded, Limits, Operation, Patch, Pointer, Value};

use super::{error, patch, pointer, refused, value};

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
