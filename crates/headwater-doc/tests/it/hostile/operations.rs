//! What an operation is refused for, and the paths that it touched if it is not.

use headwater_doc::{Limits, Pointer, Reason};

use super::{error, patch, pointer, refused, value};

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
