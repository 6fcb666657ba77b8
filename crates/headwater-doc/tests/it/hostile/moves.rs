//! Moves into what is moved, in front of it, and to where nothing is.

use headwater_doc::{Limits, Reason, Value};

use super::{error, patch, pointer, refused, value};

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

/// The way back once added what was moved instead of moving it: the inverse held it beside the document, so that
/// it counted twice, and undoing brought back what it had been, whatever was changed in it since.
#[test]
fn what_was_moved_onto_something_is_moved_back() {
    for (document, from, path, back) in [
        (
            r#"{"a":[1],"b":{"c":2}}"#,
            "/a",
            "/b",
            r#"{"from":"/b","op":"move","path":"/a"},{"op":"add","path":"/b","value":{"c":2}}"#,
        ),
        (
            r#"{"3":[1],"5":2}"#,
            "/3",
            "/5",
            r#"{"from":"/5","op":"move","path":"/3"},{"op":"add","path":"/5","value":2}"#,
        ),
        (
            r#"{"a":[[1],2],"b":3}"#,
            "/a/0",
            "/b",
            r#"{"from":"/b","op":"move","path":"/a/0"},{"op":"add","path":"/b","value":3}"#,
        ),
        (
            r#"[{"a":2},0,[1]]"#,
            "/2",
            "/0/a",
            r#"{"from":"/0/a","op":"move","path":"/2"},{"op":"add","path":"/0/a","value":2}"#,
        ),
        // Where moving back would shift the path, and where it would lead into what is moved, it is added.
        (
            r#"[[1],0,{"a":2}]"#,
            "/0",
            "/1/a",
            r#"{"op":"replace","path":"/1/a","value":2},{"op":"add","path":"/0","value":[1]}"#,
        ),
        (
            r#"{"a":{"b":[1],"c":2}}"#,
            "/a/b",
            "/a",
            r#"{"op":"replace","path":"/a","value":{"c":2}},{"op":"add","path":"/a/b","value":[1]}"#,
        ),
        (
            r#"{"a":{"b":[1],"c":2}}"#,
            "/a",
            "",
            r#"{"op":"replace","path":"","value":{}},{"op":"add","path":"/a","value":{"b":[1],"c":2}}"#,
        ),
    ] {
        let mut moved = value(document);
        let patch = patch(&format!(
            r#"[{{"op":"move","from":"{from}","path":"{path}"}}]"#
        ));
        let applied = patch.apply(&mut moved, &Limits::default()).unwrap();
        let inverse = applied.inverse(&patch);
        assert_eq!(inverse.to_string(), format!("[{back}]"), "{document}");
        let touched: Vec<_> = applied.touched(&patch).iter().cloned().collect();
        let (document, mut from) = (value(document), pointer(from));
        let parent = from.parent().unwrap();
        if document.at(&parent).unwrap().as_array().is_some() {
            from = parent;
        }
        assert_eq!(touched, [from, pointer(path)]);
        inverse.apply(&mut moved, &Limits::default()).unwrap();
        assert!(moved.identical(&document), "{document}");
    }
}

/// The way back once was a removal and an addition, so that the last element counted with the inverse as well.
#[test]
fn the_last_element_moved_to_the_end_stays() {
    let mut document = value(r#"{"a":[0,[1]],"b":[]}"#);
    let patch = patch(
        r#"[{"op":"move","from":"/a/1","path":"/a/-"},{"op":"move","from":"/a/1","path":"/b/-"},
            {"op":"move","from":"/b/0","path":"/b/-"}]"#,
    );
    let applied = patch.apply(&mut document, &Limits::default()).unwrap();
    assert!(document.identical(&value(r#"{"a":[0],"b":[[1]]}"#)));
    let inverse = r#"[{"from":"/b/0","op":"move","path":"/a/1"}]"#;
    assert_eq!(applied.inverse(&patch).to_string(), inverse);
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
