//! Merge patches: the RFC's cases, a naive model, and what is meant to break a server.

use headwater_doc::{Extensions, LimitExceeded, Limits, Operation, Patch, Pointer, Value, diff};
use proptest::{
    collection::{btree_map, vec},
    prelude::*,
    sample::select,
};

use crate::{
    data,
    model::{Model, ModelNumber},
};

fn value(text: &str) -> Value {
    Value::parse(text.as_bytes(), &Limits::NONE)
        .unwrap_or_else(|error| panic!("{error}: {text:.200}"))
}

fn translated(document: &Value, merge: &Value) -> Patch {
    Patch::from_merge(document, merge, &Limits::NONE).expect("no limits")
}

/// The translation's operations and the document after them. Checks that they can be undone, and that
/// the same merge has nothing left to do.
fn merged(document: &Value, merge: &Value) -> (Patch, Value) {
    let patch = translated(document, merge);
    assert_eq!(patch.extensions(), Extensions::NONE);
    let mut after = document.clone();
    let applied = patch.apply(&mut after, &Limits::NONE);
    let applied = applied.unwrap_or_else(|error| panic!("{error}: {patch}"));
    let again = translated(&after, merge);
    assert!(again.is_empty(), "{again} after {patch}");
    let mut before = after.clone();
    applied
        .inverse(&patch)
        .apply(&mut before, &Limits::NONE)
        .unwrap();
    assert!(before.identical(document), "{before} before {patch}");
    (patch, after)
}

fn run_suite(cases: &Value, names: [&str; 3], expected: usize) {
    let cases = cases.as_array().unwrap();
    for case in cases {
        let [document, merge, result] = names.map(|name| {
            let member = case.as_object().and_then(|case| case.get(name));
            member.unwrap_or_else(|| panic!("no {name} in {case}"))
        });
        let (patch, after) = merged(document, merge);
        assert!(after.identical(result), "{case}: {patch} gives {after}");
    }
    println!("{} cases", cases.len());
    assert_eq!(cases.len(), expected);
}

#[test]
fn rfc_7396_appendix_a_holds() {
    let Some(text) = data::file("json-patch/rfc7396/appendix-a.json") else {
        return;
    };
    let suite = value(&String::from_utf8(text).unwrap());
    let cases = suite.as_object().and_then(|suite| suite.get("cases"));
    run_suite(cases.unwrap(), ["original", "patch", "result"], 15);
}

#[test]
fn json_patch_crate_merge_tests_hold() {
    let Some(text) = data::file("json-patch/rust-json-patch-crate/merge_tests.json") else {
        return;
    };
    let cases = value(&String::from_utf8(text).unwrap());
    run_suite(&cases, ["doc", "patch", "expected"], 3);
}

/// `MergePatch` of RFC 7396 section 2, word by word.
fn merged_model(target: Option<&Model>, patch: &Model) -> Model {
    let Model::Object(patch) = patch else {
        return patch.clone();
    };
    let mut members = match target {
        Some(Model::Object(members)) => members.clone(),
        _ => [].into(),
    };
    for (name, value) in patch {
        if *value == Model::Null {
            members.remove(name);
        } else {
            let merged = merged_model(members.get(name), value);
            members.insert(name.clone(), merged);
        }
    }
    Model::Object(members)
}

/// Few names and many nulls, so that objects meet far down and nulls stand everywhere.
fn any_value() -> impl Strategy<Value = Model> {
    let name = || select(&["", "a", "~/"][..]).prop_map(str::to_owned);
    let number = select(vec![
        ModelNumber::Integer(0),
        ModelNumber::Integer(1),
        ModelNumber::double(1.0),
    ]);
    let scalar = prop_oneof![
        2 => Just(Model::Null),
        2 => number.prop_map(Model::Number),
        1 => Just(Model::String("a string of two dozen bytes".to_owned())),
    ];
    scalar.prop_recursive(6, 40, 3, move |inner| {
        prop_oneof![
            4 => btree_map(name(), inner.clone(), 0..4).prop_map(Model::Object),
            1 => vec(inner, 0..3).prop_map(Model::Array),
        ]
    })
}

proptest! {
    #[test]
    fn merging_agrees_with_the_rfc_word_by_word(document in any_value(), merge in any_value()) {
        let (patch, after) = merged(&document.value(), &merge.value());
        let expected = merged_model(Some(&document), &merge);
        prop_assert_eq!(patch.is_empty(), document == expected);
        prop_assert_eq!(Model::of(&after), expected, "{}", patch);
    }

    /// The same below the deepest path, where objects are merged before they are put.
    #[test]
    fn merging_below_the_deepest_path_agrees_with_the_rfc(
        document in any_value(), merge in any_value(),
    ) {
        // It would remove what is looked at.
        prop_assume!(merge != Model::Null);
        let nested = |inner: &Model| {
            let depth = Pointer::SEGMENTS_MAX;
            value(&format!("{}{}{}", "{\"a\":".repeat(depth), inner.value(), "}".repeat(depth)))
        };
        let (patch, after) = merged(&nested(&document), &nested(&merge));
        let expected = merged_model(Some(&document), &merge);
        prop_assert_eq!(patch.is_empty(), document == expected);
        let path: Pointer = "/a".repeat(Pointer::SEGMENTS_MAX).parse().unwrap();
        prop_assert_eq!(after.at(&path).map(Model::of), Some(expected), "{}", patch);
    }

    /// No operation is wasted: each is at the place of a difference, and no two at one place.
    #[test]
    fn a_translation_has_an_operation_for_each_member_that_changes(
        document in any_value(), merge in any_value(),
    ) {
        let (patch, after) = merged(&document.value(), &merge.value());
        for (index, operation) in patch.operations().iter().enumerate() {
            let path = operation.path();
            let (old, new) = (document.at(path.as_str()), after.at(path));
            prop_assert_ne!(old.cloned(), new.map(Model::of), "{}", patch);
            let others = patch.operations().iter().skip(index + 1);
            prop_assert!(others.into_iter().all(|other| !other.path().overlaps(path)), "{patch}");
        }
    }
}

#[test]
fn a_merge_is_translated_member_by_member() {
    let document = r#"{"a":{"b":1,"c":2,"d":[1]},"e":1,"x/y":{"~":0}}"#;
    let translation = |merge: &str| {
        let (patch, _) = merged(&value(document), &value(merge));
        patch.to_string()
    };
    assert_eq!(
        translation(r#"{"a":{"b":null,"c":3,"f":{"g":null,"h":1}},"x/y":{"~":1}}"#),
        concat!(
            r#"[{"op":"remove","path":"/a/b"},"#,
            r#"{"op":"replace","path":"/a/c","value":3},"#,
            r#"{"op":"add","path":"/a/f","value":{"h":1}},"#,
            r#"{"op":"replace","path":"/x~1y/~0","value":1}]"#,
        )
    );
    // What is there already, and what is not there to be removed, takes no operation.
    let without_effect = r#"{"a":{"b":1,"d":[1],"nope":null},"e":1,"nope":null,"x/y":{}}"#;
    assert_eq!(translation(without_effect), "[]");
    assert_eq!(translation("{}"), "[]");
    assert_eq!(translation(document), "[]");
    // Equal, but not the same number.
    assert_eq!(
        translation(r#"{"e":1.0}"#),
        r#"[{"op":"replace","path":"/e","value":1.0}]"#
    );
    // Arrays are taken as they are, with the nulls in them.
    assert_eq!(
        translation(r#"{"e":[null,{"a":null}]}"#),
        r#"[{"op":"replace","path":"/e","value":[null,{"a":null}]}]"#
    );
}

#[test]
fn what_a_merge_adds_is_shared_with_it() {
    let merge = value(r#"{"big":{"list":[1,2,3],"text":"longer than fourteen bytes"}}"#);
    let (_, after) = merged(&value("{}"), &merge);
    let big = "/big".parse().unwrap();
    assert!(after.at(&big).unwrap().same(merge.at(&big).unwrap()));
}

#[test]
fn a_merge_of_a_hundred_thousand_levels_takes_no_stack() {
    const DEEP: usize = 100_000;
    let nested = |inner: &str| {
        value(&format!(
            "{}{inner}{}",
            "{\"a\":".repeat(DEEP),
            "}".repeat(DEEP)
        ))
    };
    // Objects that meet all the way down.
    let (old, new) = (nested("1"), nested("2"));
    let (patch, after) = merged(&old, &new);
    let path = "/a".repeat(Pointer::SEGMENTS_MAX);
    assert!(
        matches!(patch.operations(), [Operation::Replace { path: at, value }]
            if at.as_str() == path && Some(value) == new.at(at))
    );
    assert!(after.identical(&new));
    // A null to be stripped from the lowest of them, which stays, empty.
    let (patch, after) = merged(&value("[]"), &nested("{\"b\":null}"));
    assert_eq!(patch.operations().len(), 1);
    assert!(after.identical(&nested("{}")));
    // And none.
    assert!(merged(&value("0"), &new).1.identical(&new));
}

/// So many levels, each with a member beside the next one.
fn levels(count: usize, inner: &str) -> Value {
    let (head, tail) = ("{\"a\":".repeat(count), ",\"b\":0}".repeat(count));
    value(&format!("{head}{inner}{tail}"))
}

/// A translation once had paths of more segments than a pointer may have: it could be applied, and written,
/// but nobody could read it.
#[test]
fn a_merge_deeper_than_any_path_replaces_at_the_deepest_path() {
    let limits = Limits {
        depth: 2_000,
        ..Limits::default()
    };
    let merge_at = |count: usize, inner: &str| {
        let (head, tail) = ("{\"a\":".repeat(count), "}".repeat(count));
        value(&format!("{head}{inner}{tail}"))
    };
    for count in [1_022, 1_023, 1_024, 1_025, 1_100] {
        let document = levels(count, r#"{"x":1,"y":2,"z":[3]}"#);
        let merge = merge_at(count, r#"{"x":null,"y":20,"w":{"v":null}}"#);
        let (patch, after) = merged(&document, &merge);
        assert!(after.identical(&levels(count, r#"{"w":{},"y":20,"z":[3]}"#)));
        let paths = patch.operations().iter().map(Operation::path);
        let segments = paths.map(|path| path.segments().count());
        let expected = match count {
            1_022 | 1_023 => vec![count + 1; 3],
            _ => vec![Pointer::SEGMENTS_MAX],
        };
        assert_eq!(segments.collect::<Vec<_>>(), expected, "{count} levels");
        // It is read as it was written, by whoever can hold the document.
        let text = patch.to_string();
        let read = Patch::parse(text.as_bytes(), &limits, Extensions::NONE);
        assert_eq!(read, Ok(patch));
        // What is as it is to be is not replaced.
        let merge = merge_at(count, r#"{"x":null,"y":20,"w":{}}"#);
        assert!(translated(&after, &merge).is_empty());
    }
}

#[test]
fn a_merge_whose_paths_repeat_a_long_name_is_refused_at_the_limit_of_bytes() {
    let name = "n".repeat(1_000);
    let members: Vec<_> = (0..1_000).map(|member| format!("\"{member}\":1")).collect();
    let document = value(&format!("{{\"{name}\":{{}}}}"));
    let merge = value(&format!("{{\"{name}\":{{{}}}}}", members.join(",")));
    let all = translated(&document, &merge);
    assert!(all.written_bytes() > 50 * merge.written_bytes());
    let limits = |bytes| Limits {
        bytes,
        ..Limits::default()
    };
    let fits = limits(all.written_bytes());
    assert_eq!(Patch::from_merge(&document, &merge, &fits), Ok(all.clone()));
    let limit = all.written_bytes() - 1;
    let too_long = Patch::from_merge(&document, &merge, &limits(limit));
    assert_eq!(too_long, Err(LimitExceeded::Bytes { limit }));
    // Where nothing is to be done, nothing is too long.
    assert_eq!(
        Patch::from_merge(&document, &document, &limits(2)),
        Ok(diff(&document, &document, Extensions::NONE))
    );
}

#[test]
fn the_limits_of_a_document_hold_for_the_result_of_a_merge() {
    let limits = Limits {
        depth: 2,
        ..Limits::default()
    };
    let mut document = value(r#"{"a":{}}"#);
    let patch = Patch::from_merge(&document, &value(r#"{"b":1,"a":{"b":[]}}"#), &limits).unwrap();
    let error = patch.apply(&mut document, &limits).unwrap_err();
    assert_eq!(
        error.to_string(),
        "operation 0 at \"/a/b\": deeper than 2 containers"
    );
    assert!(document.identical(&value(r#"{"a":{}}"#)));
}
