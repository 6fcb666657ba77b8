//! P10: values so deep that recursion would end the stack, and the limit of depth.

use headwater_doc::{
    Extensions, LimitExceeded, Limits, Operation, Patch, Pointer, Reason, Value, diff,
};

use crate::{
    allocator::peak_of,
    hostile::{error, parse_error, patch, pointer, refused, value},
};

const DEEP: usize = 100_000;

#[test]
fn a_hundred_thousand_open_brackets_are_refused_at_the_limit_of_depth() {
    let limit = LimitExceeded::Depth { limit: 128 };
    for opening in ["[", "{\"\":"] {
        let (offset, reason) = parse_error(&opening.repeat(DEEP));
        assert_eq!((offset, reason), (128 * opening.len(), limit.into()));
    }
    let nested = |depth| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    assert_eq!(value(&nested(128)).height(), 128);
    assert_eq!(parse_error(&nested(129)), (128, limit.into()));
}

#[test]
fn without_limits_a_hundred_thousand_levels_take_no_stack() {
    for (opening, closing) in [("[", "]"), ("{\"a\":", "}"), ("[0,{\"a\":", "}]")] {
        let text = format!("{}null{}", opening.repeat(DEEP), closing.repeat(DEEP));
        let deep = Value::parse(text.as_bytes(), &Limits::NONE).unwrap();
        let same = Value::parse(text.as_bytes(), &Limits::NONE).unwrap();
        assert!(deep == same && deep.identical(&same));
        assert_eq!(deep.to_string(), text);
        assert_eq!(deep.canonical(), text);
        assert_eq!(deep.digest(), same.digest());
        assert_eq!(format!("{deep:?}"), text);
        let clone = deep.clone();
        drop(deep);
        assert!(clone.identical(&same));
        // Dropped where its last bracket is missing: the levels that were closed, and those open.
        assert!(Value::parse(&text.as_bytes()[..text.len() - 1], &Limits::NONE).is_err());
    }
}

#[test]
fn a_diff_finds_a_change_below_a_thousand_levels() {
    let nested = |inner: &str| {
        let text = format!("{}{inner}{}", "[{\"a\":".repeat(500), "}]".repeat(500));
        Value::parse(text.as_bytes(), &Limits::NONE).unwrap()
    };
    let (old, new) = (nested("[1]"), nested("[2]"));
    let patch = diff(&old, &new, Extensions::NONE);
    let path = pointer(&("/0/a".repeat(500) + "/0"));
    let replace = Operation::Replace {
        path,
        value: value("2"),
    };
    assert_eq!(patch.operations(), [replace]);
}

#[test]
fn a_deep_value_that_patches_built_is_dropped_without_recursion() {
    let mut document = value("[]");
    let mut undo = Patch::default();
    for _ in 0..DEEP {
        let value = [document.clone(), Value::NULL].into_iter().collect();
        let replace = Operation::Replace {
            path: Pointer::root(),
            value,
        };
        let patch = Patch::from(vec![replace]);
        let applied = patch.apply(&mut document, &Limits::NONE).unwrap();
        undo = applied.inverse(&patch).into_owned();
    }
    // The cached height ends at what 16 bits hold; limits are checked by a walk from there on.
    assert_eq!(document.height(), u32::from(u16::MAX));
    let limits = |depth: usize| Limits {
        depth: u32::try_from(depth).unwrap(),
        ..Limits::NONE
    };
    assert!(limits(DEEP + 1).check(&document).is_ok());
    assert!(limits(DEEP).check(&document).is_err());
    undo.apply(&mut document, &Limits::NONE).unwrap();
    assert!(limits(DEEP).check(&document).is_ok());
}

#[test]
fn a_deep_value_grown_from_within_is_dropped_without_recursion() {
    // Each level is put into the innermost array, whose path may have 1,024 segments.
    let mut document = value("[]");
    for depth in 0..Pointer::SEGMENTS_MAX {
        let add = Operation::Add {
            path: pointer(&"/0".repeat(depth + 1)),
            value: value("[1]"),
        };
        Patch::from(vec![add])
            .apply(&mut document, &Limits::NONE)
            .unwrap();
    }
    assert_eq!(document.height() as usize, Pointer::SEGMENTS_MAX + 1);
    // A header that did not follow would let the drop recurse.
    let outer: Value = (0..DEEP).fold(document, |inner, _| [inner].into_iter().collect());
    drop(outer);
}

#[test]
fn depth_is_limited_for_what_patches_make() {
    let deep = format!("{}{}", "[".repeat(127), "]".repeat(127));
    let limit = Reason::Limit(LimitExceeded::Depth { limit: 128 });
    let add = |path: &str| format!(r#"[{{"op":"add","path":"{path}","value":{deep}}}]"#);
    let mut fits = value("[]");
    patch(&add("/0"))
        .apply(&mut fits, &Limits::default())
        .unwrap();
    assert_eq!(refused("[[]]", &add("/0/0")), error(0, "/0/0", limit));
    assert_eq!(
        refused(r#"{"a":[0]}"#, &add("/a/0")),
        error(0, "/a/0", limit)
    );
    let splice =
        format!(r#"[{{"op":"splice","path":"/0","index":0,"remove":0,"insert":[{deep}]}}]"#);
    assert_eq!(refused("[[]]", &splice), error(0, "/0", limit));
    let document = format!(r#"{{"a":{deep},"b":[]}}"#);
    let relocate = r#"[{"op":"move","from":"/a","path":"/b/0"}]"#;
    assert_eq!(refused(&document, relocate), error(0, "/b/0", limit));
}

/// The header's height does not sink when the highest part goes; that must not refuse what fits.
#[test]
fn a_height_that_overstates_refuses_nothing() {
    let deep = format!("{}{}", "[".repeat(120), "]".repeat(120));
    let mut document = value(&format!(
        r#"{{"a":{{"deep":{deep}}},"b":[[[[[[[[]]]]]]]]}}"#
    ));
    let shrink = r#"[{"op":"remove","path":"/a/deep"}]"#;
    patch(shrink)
        .apply(&mut document, &Limits::default())
        .unwrap();
    let relocate = r#"[{"op":"move","from":"/a","path":"/b/0/0/0/0/0/0/0/0"}]"#;
    patch(relocate)
        .apply(&mut document, &Limits::default())
        .unwrap();
    assert!(document.identical(&value(r#"{"b":[[[[[[[[{}]]]]]]]]}"#)));
}

#[test]
fn copies_of_a_value_whose_height_overstates_are_walked_within_a_bound() {
    // The deepest part comes and goes; the header of the large array still counts it. Each copy once
    // walked all of it to see that it is not as deep as it seems.
    let deep = "[".repeat(120) + &"]".repeat(120);
    let mut document = value(&format!(
        r#"{{"large": [{}1], "copies": {{}}}}"#,
        "0,".repeat(300_000)
    ));
    let copy = |at: usize| Operation::Copy {
        from: pointer("/large"),
        path: pointer(&format!("/copies/a/b/c/d/e/f/g/h/{at}")),
    };
    let nest =
        r#"[{"op":"add","path":"/copies/a","value":{"b":{"c":{"d":{"e":{"f":{"g":{"h":{}}}}}}}}}]"#;
    let come_and_go = format!(
        r#"[{{"op":"add","path":"/large/5","value":{deep}}},{{"op":"remove","path":"/large/5"}}]"#
    );
    for text in [nest.to_owned(), come_and_go] {
        let patch = Patch::parse(text.as_bytes(), &Limits::default(), Extensions::NONE).unwrap();
        patch.apply(&mut document, &Limits::default()).unwrap();
    }
    let before = document.clone();
    let copies = Patch::from((0..10_000).map(copy).collect::<Vec<_>>());
    let (applied, peak) = peak_of(|| copies.apply(&mut document, &Limits::default()));
    let error = applied.unwrap_err();
    // Beyond the bound what seems too deep is refused, at once and not after 10,000 walks; nor is what
    // cannot be walked to its end listed for that.
    assert!(peak < 2 << 20, "{peak} bytes");
    assert_eq!(error.operation, 0);
    assert_eq!(error.reason.code(), "limit_depth");
    assert!(document.identical(&before));
}

/// P3: what came and went again in a batch that failed leaves nothing behind that a later batch is refused
/// for.
#[test]
fn a_batch_that_fails_leaves_heights_as_they_were() {
    let copy = patch(r#"[{"op":"copy","from":"/a","path":"/b/x"}]"#);
    let deep = "[".repeat(126) + &"]".repeat(126);
    let failing = format!(
        r#"[{{"op":"add","path":"/a/0","value":{deep}}},{{"op":"test","path":"/b","value":1}}]"#
    );
    // So large that no batch may walk it to see that it is not as deep as it seems.
    let mut document = value(&format!(r#"{{"a":[{}1],"b":{{}}}}"#, "0,".repeat(200_000)));
    patch(&failing)
        .apply(&mut document, &Limits::default())
        .unwrap_err();
    assert_eq!(document.height(), 2);
    copy.apply(&mut document, &Limits::default()).unwrap();
}

/// Nor does it tell a height that nobody knew.
#[test]
fn a_batch_that_fails_leaves_heights_that_overstate_as_they_were() {
    let mut document = value(&format!(r#"{{"a":[{}1]}}"#, "0,".repeat(30)));
    let come_and_go =
        r#"[{"op":"add","path":"/a/0","value":[[[]]]},{"op":"remove","path":"/a/0"}]"#;
    patch(come_and_go)
        .apply(&mut document, &Limits::default())
        .unwrap();
    let inside = |document: &Value| document.at(&pointer("/a")).map(Value::height);
    let heights = (document.height(), inside(&document));
    // A flat array that gets too long becomes a tree, and what it contains is measured anew.
    let grow = r#"{"op":"add","path":"/a/0","value":0},"#.repeat(2);
    let failing = format!(r#"[{grow}{{"op":"test","path":"","value":1}}]"#);
    patch(&failing)
        .apply(&mut document, &Limits::default())
        .unwrap_err();
    assert_eq!((document.height(), inside(&document)), heights);
}

/// What lies deeper than any path can be written is replaced with the container that a path leads to.
#[test]
fn a_diff_deeper_than_any_path_replaces_at_the_deepest_path() {
    let nested = |inner: &str| {
        let text = format!("{}{inner}{}", "[".repeat(1_100), "]".repeat(1_100));
        Value::parse(text.as_bytes(), &Limits::NONE).unwrap()
    };
    let (old, new) = (nested("1"), nested("2"));
    for extensions in [Extensions::NONE, Extensions::ALL] {
        let (squash, applied) = Patch::between(&old, &new, extensions);
        assert_eq!(squash, diff(&old, &new, extensions));
        let text = squash.to_string();
        let read = Patch::parse(text.as_bytes(), &Limits::NONE, extensions).unwrap();
        let mut document = old.clone();
        read.apply(&mut document, &Limits::NONE).unwrap();
        assert!(document.identical(&new));
        applied
            .inverse(&squash)
            .apply(&mut document, &Limits::NONE)
            .unwrap();
        assert!(document.identical(&old));
    }
    // An equal one is not replaced.
    assert!(diff(&old, &nested("1"), Extensions::NONE).is_empty());
}
