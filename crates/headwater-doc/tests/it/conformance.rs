//! Suites that others wrote. Where this crate deliberately answers otherwise, a ruling says why.

use std::collections::BTreeMap;

use headwater_doc::{Applied, Extensions, Limits, Patch, Pointer, Value};
use serde_json::value::RawValue;

use crate::data;

/// A test case by the names of its members, each as the text that stands there.
type Case = BTreeMap<String, Box<RawValue>>;

/// A file's case, what this crate does with it, and why.
type Ruling = (&'static str, Expected, &'static str);

#[derive(Clone, Copy, Debug, PartialEq)]
enum Expected {
    Accepted,
    Refused,
}
use Expected::{Accepted, Refused};

fn read(text: &[u8]) -> Value {
    Value::parse(text, &Limits::NONE)
        .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(text)))
}

/// A member as a value, if the case has it.
fn member(case: &Case, name: &str) -> Option<Value> {
    case.get(name).map(|text| read(text.get().as_bytes()))
}

fn outcome(text: &[u8]) -> Expected {
    match Value::parse(text, &Limits::default()) {
        Ok(value) => {
            assert_it_survives_its_texts(&value);
            Accepted
        }
        Err(_) => Refused,
    }
}

/// Whatever was accepted can be written, read again, and is the same.
fn assert_it_survives_its_texts(value: &Value) {
    let text = value.to_string();
    assert!(value.written_bytes() >= text.len() as u64);
    assert!(read(text.as_bytes()).identical(value));
    assert!(read(format!("{value:#}").as_bytes()).identical(value));
    let form = value.canonical();
    assert_eq!(read(form.as_bytes()).canonical(), form);
}

/// The rulings on the cases of a table, which has to name exactly the files in question.
fn assert_ruled(files: &[(String, Vec<u8>)], rulings: &[Ruling]) {
    assert_eq!(files.len(), rulings.len(), "a ruling for each file");
    for (name, text) in files {
        let ruling = rulings
            .iter()
            .find(|(ruled, ..)| format!("{ruled}.json") == *name);
        let (_, expected, reason) = ruling.unwrap_or_else(|| panic!("no ruling on {name}"));
        assert_eq!(outcome(text), *expected, "{name}: {reason}");
    }
}

fn patched(document: &mut Value, patch: &str) -> Result<(Patch, Applied), String> {
    let limits = Limits::default();
    let patch = Patch::parse(patch.as_bytes(), &limits, Extensions::NONE)
        .map_err(|error| error.to_string())?;
    let applied = patch.apply(document, &limits);
    let applied = applied.map_err(|error| error.to_string())?;
    Ok((patch, applied))
}

/// Runs one case: a passing one can be undone, a failing one changes nothing.
fn assert_patch_case(name: &str, case: &Case) {
    let before = member(case, "doc").unwrap_or_else(|| panic!("{name}: no document"));
    let patch = case.get("patch").map_or("", |patch| patch.get());
    let mut document = before.clone();
    match patched(&mut document, patch) {
        Ok((patch, applied)) => {
            assert!(!case.contains_key("error"), "{name} is applied");
            if let Some(expected) = member(case, "expected") {
                assert!(document.identical(&expected), "{name}: {document}");
            }
            applied
                .inverse(&patch)
                .apply(&mut document, &Limits::default())
                .unwrap();
        }
        Err(error) => assert!(case.contains_key("error"), "{name}: {error}"),
    }
    assert!(document.identical(&before), "{name}: {document}");
}

fn run_patch_suite(name: &str, expected: usize) {
    let Some(text) = data::file(name) else { return };
    let cases: Vec<Case> = serde_json::from_slice(&text).unwrap();
    for (index, case) in cases.iter().enumerate() {
        let comment = case.get("comment").map_or("", |comment| comment.get());
        assert_patch_case(&format!("case {index} {comment}"), case);
    }
    println!("{name}: {} cases", cases.len());
    assert!(cases.len() >= expected);
}

/// With the cases that the suite disables: a scalar document, a test without an outcome (it passes),
/// and a patch with two `op` members (refused by the parser, since a name is repeated). No rulings.
#[test]
fn json_patch_tests_hold() {
    run_patch_suite("json-patch/json-patch-tests/tests.json", 95);
}

#[test]
fn json_patch_spec_tests_hold() {
    run_patch_suite("json-patch/json-patch-tests/spec_tests.json", 17);
}

#[test]
fn json_patch_crate_revert_tests_hold() {
    run_patch_suite("json-patch/rust-json-patch-crate/revert_tests.json", 13);
}

#[test]
fn a_repeated_op_member_is_refused_for_being_repeated() {
    let Some(text) = data::file("json-patch/json-patch-tests/tests.json") else {
        return;
    };
    let cases: Vec<Case> = serde_json::from_slice(&text).unwrap();
    let two_ops = |case: &&Case| {
        case.get("patch")
            .is_some_and(|patch| patch.get().matches("\"op\"").count() == 2)
            && case
                .get("comment")
                .is_some_and(|comment| comment.get().contains("duplicate ops"))
    };
    let case = cases.iter().find(two_ops).unwrap();
    let mut document = Value::NULL;
    let error = patched(&mut document, case["patch"].get()).unwrap_err();
    assert!(error.contains("\"op\" repeated"), "{error}");
}

/// The state deltas among recorded events apply to the snapshots before them and can be undone.
#[test]
fn state_deltas_follow_their_snapshots() {
    let Some(text) = data::file("json-patch/ag-ui-state-delta-events.json") else {
        return;
    };
    let events = read(&text);
    let mut deltas = 0;
    for sequence in events.as_object().unwrap().values() {
        let mut state: Option<Value> = None;
        for event in sequence
            .as_array()
            .into_iter()
            .flat_map(|events| events.iter())
        {
            let event = event.as_object().unwrap();
            if let Some(snapshot) = event.get("snapshot") {
                state = Some(snapshot.clone());
            }
            let (Some(delta), Some(state)) = (event.get("delta"), state.as_mut()) else {
                continue;
            };
            if delta.as_array().is_none() {
                continue;
            }
            let before = state.clone();
            let (patch, applied) = patched(state, &delta.to_string()).unwrap();
            assert!(!state.identical(&before), "{delta}");
            let mut undone = state.clone();
            applied
                .inverse(&patch)
                .apply(&mut undone, &Limits::default())
                .unwrap();
            assert!(undone.identical(&before), "{delta}");
            deltas += 1;
        }
    }
    println!("{deltas} deltas");
    assert!(deltas >= 1);
}

#[test]
fn pointers_of_rfc_6901_section_5_resolve() {
    let Some(text) = data::file("json-pointer/rfc6901/section5.json") else {
        return;
    };
    let suite = read(&text);
    let suite = suite.as_object().unwrap();
    let document = suite.get("document").unwrap();
    let cases = suite.get("cases").and_then(Value::as_array).unwrap();
    for case in cases {
        let case = case.as_object().unwrap();
        let text = case.get("pointer").and_then(Value::as_str).unwrap();
        let pointer = Pointer::parse(&text).unwrap();
        assert_eq!(document.at(&pointer), case.get("value"), "{text}");
        // Its segments make the same pointer.
        let rebuilt = pointer
            .segments()
            .fold(Pointer::root(), |path, name| path.child(&name));
        assert_eq!(rebuilt, pointer);
    }
    println!("{} cases", cases.len());
    assert!(cases.len() >= 12);
}

/// The data of the cases of a file of the JSON Schema test suite, with whether they are valid.
fn format_cases(name: &str) -> Option<Vec<(Value, bool)>> {
    let suite = read(&data::file(name)?);
    let mut cases = Vec::new();
    for group in suite.as_array().unwrap() {
        let tests = group.as_object().and_then(|group| group.get("tests"));
        for test in tests.and_then(Value::as_array).unwrap() {
            let test = test.as_object().unwrap();
            let valid = test.get("valid").and_then(Value::as_bool).unwrap();
            cases.push((test.get("data").unwrap().clone(), valid));
        }
    }
    Some(cases)
}

#[test]
fn json_schema_pointers_are_valid_or_not() {
    let Some(cases) = format_cases("json-pointer/json-schema-test-suite/json-pointer.json") else {
        return;
    };
    for (data, valid) in &cases {
        // The format says nothing about what is no string.
        let is_pointer = data
            .as_str()
            .is_none_or(|text| Pointer::parse(&text).is_ok());
        assert_eq!(is_pointer, *valid, "{data}");
    }
    println!("{} cases of JSON Pointer", cases.len());
    assert_eq!(cases.len(), 40);
}

/// Relative JSON Pointers are another format (draft-bhutton-relative-json-pointer), which starts with a
/// number of levels to go up; this crate has none of it. So whether these cases are valid there does not
/// apply here: what does is what RFC 6901 section 3 says of each text, that it is empty or starts with a
/// slash.
#[test]
fn relative_json_pointers_are_no_pointers() {
    let Some(cases) =
        format_cases("json-pointer/json-schema-test-suite/relative-json-pointer.json")
    else {
        return;
    };
    let mut texts: Vec<_> = cases.iter().filter_map(|(data, _)| data.as_str()).collect();
    println!(
        "{} cases of relative pointers, {} of them texts",
        cases.len(),
        texts.len()
    );
    texts.sort_unstable();
    let mut ruled = RELATIVE;
    ruled.sort_unstable_by_key(|(text, _)| *text);
    assert_eq!(texts, ruled.map(|(text, _)| text), "a ruling for each text");
    for (text, expected) in ruled {
        let found = if Pointer::parse(text).is_ok() {
            Accepted
        } else {
            Refused
        };
        assert_eq!(found, expected, "{text:?}");
    }
    // The other six are no strings.
    assert_eq!((cases.len(), texts.len()), (25, 19));
}

/// What RFC 6901 says of the texts of the suite of relative pointers.
const RELATIVE: [(&str, Expected); 19] = [
    ("", Accepted),
    ("/foo/bar", Accepted),
    ("0#", Refused),
    ("0##", Refused),
    ("0//", Refused),
    ("0/foo/bar", Refused),
    ("0/foo/bar~", Refused),
    ("0/~2", Refused),
    ("01#", Refused),
    ("01/a", Refused),
    ("1", Refused),
    ("1\n", Refused),
    ("1#/foo/bar", Refused),
    ("100", Refused),
    ("120/foo/bar", Refused),
    ("2/0/baz/1/zip", Refused),
    ("+1/foo/bar", Refused),
    ("-1/foo/bar", Refused),
    ("\u{661}/foo", Refused),
];

#[test]
fn rfc_8785_vectors_are_written_byte_for_byte() {
    let Some(inputs) = data::files("canonical/jcs/testdata/input") else {
        return;
    };
    let Some(outputs) = data::files("canonical/jcs/testdata/output") else {
        return;
    };
    for ((name, input), (output_name, output)) in inputs.iter().zip(&outputs) {
        assert_eq!(name, output_name);
        let form = read(input).canonical();
        assert_eq!(form.as_bytes(), output, "{name}: {form}");
        assert_eq!(read(output).canonical().as_bytes(), output, "{name}");
    }
    println!("{} vectors", inputs.len());
    assert!(inputs.len() >= 6 && outputs.len() == inputs.len());
}

fn test_suite(prefix: &str) -> Option<Vec<(String, Vec<u8>)>> {
    let mut files = data::files("json-parsing/JSONTestSuite/test_parsing")?;
    files.retain(|(name, _)| name.starts_with(prefix));
    println!("{} files {prefix}", files.len());
    Some(files)
}

/// What JSONTestSuite wants accepted and this crate refuses: it cannot hold a repeated name, so that
/// it could not write back what it read.
const REPEATED: [Ruling; 2] = [
    ("y_object_duplicated_key", Refused, "a name is repeated"),
    (
        "y_object_duplicated_key_and_value",
        Refused,
        "a name is repeated, though to no effect",
    ),
];

#[test]
fn json_test_suite_files_to_be_accepted_are() {
    let Some(files) = test_suite("y_") else {
        return;
    };
    assert!(files.len() >= 95);
    let is_ruled = |name: &str| {
        REPEATED
            .iter()
            .any(|(ruled, ..)| name == format!("{ruled}.json"))
    };
    let (ruled, accepted): (Vec<_>, Vec<_>) =
        files.into_iter().partition(|(name, _)| is_ruled(name));
    assert_ruled(&ruled, &REPEATED);
    for (name, text) in accepted {
        assert_eq!(outcome(&text), Accepted, "{name}");
        assert_eq!(read(&text).to_string(), read_by_serde(&text), "{name}");
    }
}

/// The text as another implementation reads it, written by this one.
fn read_by_serde(text: &[u8]) -> String {
    let value: serde_json::Value = serde_json::from_slice(text).unwrap();
    read(value.to_string().as_bytes()).to_string()
}

#[test]
fn json_test_suite_files_to_be_refused_are() {
    let Some(files) = test_suite("n_") else {
        return;
    };
    assert!(files.len() >= 188);
    for (name, text) in files {
        assert_eq!(outcome(&text), Refused, "{name}");
        // Not only for its depth.
        assert!(Value::parse(&text, &Limits::NONE).is_err(), "{name}");
    }
}

const KEPT: &str = "no number is lost: what fits neither 64 bits nor a double keeps its text";
const LONE: &str = "a lone surrogate is no Unicode scalar, and could not be written as UTF-8";
const NOT_UTF8: &str = "a text that is not UTF-8 is no JSON text between systems (RFC 8259, 8.1)";

/// What RFC 8259 leaves to the implementation.
const LEFT_OPEN: [Ruling; 35] = [
    ("i_number_double_huge_neg_exp", Accepted, KEPT),
    ("i_number_huge_exp", Accepted, KEPT),
    ("i_number_neg_int_huge_exp", Accepted, KEPT),
    ("i_number_pos_double_huge_exp", Accepted, KEPT),
    ("i_number_real_neg_overflow", Accepted, KEPT),
    ("i_number_real_pos_overflow", Accepted, KEPT),
    ("i_number_real_underflow", Accepted, KEPT),
    ("i_number_too_big_neg_int", Accepted, KEPT),
    ("i_number_too_big_pos_int", Accepted, KEPT),
    ("i_number_very_big_negative_int", Accepted, KEPT),
    ("i_object_key_lone_2nd_surrogate", Refused, LONE),
    ("i_string_1st_surrogate_but_2nd_missing", Refused, LONE),
    ("i_string_1st_valid_surrogate_2nd_invalid", Refused, LONE),
    ("i_string_UTF-16LE_with_BOM", Refused, NOT_UTF8),
    ("i_string_UTF-8_invalid_sequence", Refused, NOT_UTF8),
    ("i_string_UTF8_surrogate_U+D800", Refused, NOT_UTF8),
    (
        "i_string_incomplete_surrogate_and_escape_valid",
        Refused,
        LONE,
    ),
    ("i_string_incomplete_surrogate_pair", Refused, LONE),
    ("i_string_incomplete_surrogates_escape_valid", Refused, LONE),
    ("i_string_invalid_lonely_surrogate", Refused, LONE),
    ("i_string_invalid_surrogate", Refused, LONE),
    ("i_string_invalid_utf-8", Refused, NOT_UTF8),
    ("i_string_inverted_surrogates_U+1D11E", Refused, LONE),
    ("i_string_iso_latin_1", Refused, NOT_UTF8),
    ("i_string_lone_second_surrogate", Refused, LONE),
    ("i_string_lone_utf8_continuation_byte", Refused, NOT_UTF8),
    ("i_string_not_in_unicode_range", Refused, NOT_UTF8),
    ("i_string_overlong_sequence_2_bytes", Refused, NOT_UTF8),
    ("i_string_overlong_sequence_6_bytes", Refused, NOT_UTF8),
    ("i_string_overlong_sequence_6_bytes_null", Refused, NOT_UTF8),
    ("i_string_truncated-utf-8", Refused, NOT_UTF8),
    ("i_string_utf16BE_no_BOM", Refused, NOT_UTF8),
    ("i_string_utf16LE_no_BOM", Refused, NOT_UTF8),
    (
        "i_structure_500_nested_arrays",
        Refused,
        "deeper than the default limit of 128",
    ),
    (
        "i_structure_UTF-8_BOM_empty_object",
        Refused,
        "no BOM is added (RFC 8259, 8.1), none ignored",
    ),
];

#[test]
fn json_test_suite_files_left_open_are_ruled() {
    let Some(files) = test_suite("i_") else {
        return;
    };
    assert_ruled(&files, &LEFT_OPEN);
    let nested = files.iter().find(|(name, _)| name.contains("500_nested"));
    assert_it_survives_its_texts(&read(&nested.unwrap().1));
}

/// What becomes of texts that parsers commonly change: the text that is written, or none.
#[test]
fn json_test_suite_transforms_change_nothing() {
    let Some(files) = data::files("json-parsing/JSONTestSuite/test_transform") else {
        return;
    };
    println!("{} files", files.len());
    assert!(files.len() >= 22);
    for (name, text) in files {
        let written = Value::parse(&text, &Limits::default())
            .ok()
            .map(|value| value.to_string());
        let same = String::from_utf8_lossy(&text).into_owned();
        let expected = match name.as_str() {
            "object_same_key_different_values.json"
            | "object_same_key_same_value.json"
            | "object_same_key_unclear_values.json" => None,
            // Lone surrogates, as escapes and as bytes that are no UTF-8.
            _ if name.contains("invalid_codepoint") => None,
            "number_1.000000000000000005.json" => Some("[1.0]".to_owned()),
            "number_1e6.json" => Some("[1000000.0]".to_owned()),
            "object_key_nfc_nfd.json" | "object_key_nfd_nfc.json" => {
                let value = read(&text);
                assert_eq!(
                    value.as_object().unwrap().len(),
                    2,
                    "names are not normalised"
                );
                Some(value.to_string())
            }
            _ => Some(same),
        };
        assert_eq!(
            written.as_deref(),
            expected.as_deref().map(str::trim_end),
            "{name}"
        );
    }
}

#[test]
fn json_checker_files_pass_or_fail() {
    let Some(files) = data::files("json-parsing/json-checker") else {
        return;
    };
    println!("{} files", files.len());
    assert!(files.len() >= 36);
    for (name, text) in files {
        let expected = match name.as_str() {
            // Any value can be a text since RFC 7159; the checker knows RFC 4627.
            "fail01_EXCLUDE.json" => Accepted,
            // Twenty levels are too deep for the checker, not for the limit here.
            "fail18_EXCLUDE.json" => Accepted,
            _ if name.starts_with("pass") => Accepted,
            _ => Refused,
        };
        assert_eq!(outcome(&text), expected, "{name}");
    }
}

#[test]
fn round_trips_give_the_very_text() {
    let Some(files) = data::files("json-parsing/roundtrip") else {
        return;
    };
    println!("{} files", files.len());
    assert!(files.len() >= 27);
    for (name, text) in files {
        let text = String::from_utf8(text).unwrap();
        assert_eq!(read(text.as_bytes()).to_string(), text.trim_end(), "{name}");
    }
}

#[test]
fn adversarial_texts_are_refused_or_survive() {
    let Some(files) = data::files("json-parsing/simdjson-adversarial") else {
        return;
    };
    assert!(files.len() >= 1_457);
    let accepted = files
        .iter()
        .filter(|(_, text)| outcome(text) == Accepted)
        .count();
    let agreed = files.iter().filter(|(_, text)| {
        let other = serde_json::from_slice::<serde_json::Value>(text).is_ok();
        other == (outcome(text) == Accepted)
    });
    println!("{} files, {accepted} accepted", files.len());
    assert_eq!(agreed.count(), files.len());
}

#[test]
fn naughty_strings_survive_as_names_and_as_values() {
    let Some(text) = data::file("strings/big-list-of-naughty-strings/blns.json") else {
        return;
    };
    let strings: Vec<String> = serde_json::from_slice(&text).unwrap();
    println!("{} strings", strings.len());
    assert!(strings.len() >= 494);
    let value: Value = strings
        .iter()
        .map(|text| Value::from(text.as_str()))
        .collect();
    assert!(read(&text).identical(&value));
    assert_it_survives_its_texts(&value);
    for text in &strings {
        let object: Value = [(text.as_str(), Value::from(text.as_str()))]
            .into_iter()
            .collect();
        assert_it_survives_its_texts(&object);
        let written: BTreeMap<String, String> = serde_json::from_str(&object.to_string()).unwrap();
        assert_eq!(written, BTreeMap::from([(text.clone(), text.clone())]));
        let path = Pointer::root().child(text);
        assert_eq!(
            object.at(&path).and_then(Value::as_str).as_deref(),
            Some(text.as_str())
        );
    }
    let all: Value = strings
        .iter()
        .map(|text| (text.as_str(), Value::NULL))
        .collect();
    assert_it_survives_its_texts(&all);
}

#[test]
fn real_documents_survive() {
    let Some(files) = data::files("documents") else {
        return;
    };
    println!("{} documents", files.len());
    assert!(files.len() >= 30);
    for (name, text) in files {
        let value = Value::parse(&text, &Limits::default())
            .unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_it_survives_its_texts(&value);
        let copy = read(value.to_string().as_bytes());
        assert_eq!(copy.digest(), value.digest(), "{name}");
        assert!(
            headwater_doc::diff(&value, &copy, Extensions::ALL).is_empty(),
            "{name}"
        );
    }
}
