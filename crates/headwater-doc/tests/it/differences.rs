//! P10: a difference never has more written bytes than the replacement of all, nor does finding it take
//! memory out of proportion. Its changes come in the order of the document.

use headwater_doc::{Extensions, Limits, Operation, Patch, Pointer, Value, diff, diff_within};

use crate::allocator::peak_of;

const MODES: [Extensions; 2] = [Extensions::NONE, Extensions::ALL];

fn value(text: &str) -> Value {
    Value::parse(text.as_bytes(), &Limits::NONE).unwrap()
}

/// Bytes of the patch that replaces all.
pub(crate) fn replacement_bytes(new: &Value) -> u64 {
    let replace = Operation::Replace {
        path: Pointer::root(),
        value: new.clone(),
    };
    Patch::from(vec![replace]).written_bytes()
}

/// An object of one member, which has so many members.
fn below(name: &str, members: usize, number: usize) -> Value {
    let members: Value = (0..members)
        .map(|at| (at.to_string(), Value::from(number)))
        .collect();
    [(name, members)].into_iter().collect()
}

fn zeros(len: usize) -> Value {
    (0..len).map(|_| Value::from(0)).collect()
}

/// The differences both ways, which must be right and of so many operations, each found in so many times
/// the bytes of both texts.
fn assert_bounded(old: &Value, new: &Value, operations: usize, times: u64) {
    let texts = old.written_bytes() + new.written_bytes();
    let bytes_max = isize::try_from(times * texts).unwrap();
    for extensions in MODES {
        for (from, to) in [(old, new), (new, old)] {
            let (patch, peak) = peak_of(|| diff(from, to, extensions));
            assert!(patch.written_bytes() <= replacement_bytes(to));
            assert_eq!(patch.operations().len(), operations);
            assert!(peak <= bytes_max, "{peak} bytes for {texts} of text");
            let (between, peak) = peak_of(|| Patch::between(from, to, extensions));
            assert!(peak <= bytes_max, "{peak} bytes for {texts} of text");
            assert_eq!(between.0, patch);
            let inverse = between.1.inverse(&patch);
            assert!(inverse.written_bytes() <= patch.written_bytes() + from.written_bytes());
            let mut patched = from.clone();
            patch.apply(&mut patched, &Limits::NONE).unwrap();
            assert!(patched.identical(to));
            inverse.apply(&mut patched, &Limits::NONE).unwrap();
            assert!(patched.identical(from));
        }
    }
}

/// Scenario: all members of an object below a name of 100,000 bytes have changed. Failure: each operation
/// had the name in its path, so that a document of 150 KB had a difference of 400 MB. Fix: a container
/// whose changes are longer than its replacement is replaced.
#[test]
fn changes_below_a_long_name_are_no_longer_than_the_document() {
    for (bytes, members) in [(100_000, 4_000), (600_000, 40_000)] {
        let name = "n".repeat(bytes);
        let [old, new] = [1, 2].map(|number| below(&name, members, number));
        assert_bounded(&old, &new, 1, 4);
    }
}

/// Scenario: the same, each two members in an object of their own, one in another: whoever replaces the
/// innermost still has the name in a path for each. Fix: those around are told next.
#[test]
fn changes_at_all_depths_below_a_long_name_are_no_longer_than_the_document() {
    let name = "n".repeat(100_000);
    let nested = |number: usize| {
        let level = |inner: Value, _| -> Value {
            let members = ["a", "b"].map(|name| (name, Value::from(number)));
            members.into_iter().chain([("c", inner)]).collect()
        };
        let inner = (0..100).fold(Value::NULL, level);
        let beside: Vec<_> = (0..100).map(|_| inner.clone()).collect();
        Value::from_iter([(name.as_str(), Value::from(beside))])
    };
    assert_bounded(&nested(1), &nested(2), 1, 8);
}

/// Scenario: an array of a million elements is emptied, without splices. Failure: it took as many
/// operations, and 90 MB.
#[test]
fn an_array_that_was_emptied_is_replaced() {
    let (full, empty) = (zeros(1_000_000), zeros(0));
    let (patch, peak) = peak_of(|| diff(&full, &empty, Extensions::NONE));
    assert_eq!(
        patch.to_string(),
        r#"[{"op":"replace","path":"","value":[]}]"#
    );
    assert!(peak <= 10_000_000, "{peak} bytes");
    let (between, peak) = peak_of(|| Patch::between(&full, &empty, Extensions::NONE));
    assert_eq!(between.0, patch);
    assert!(peak <= 10_000_000, "{peak} bytes");
    assert_eq!(between.1.inverse(&patch).operations().len(), 1);
}

#[test]
fn an_array_whose_elements_all_changed_is_replaced() {
    let ones: Value = (0..100_000).map(|_| Value::from(1)).collect();
    assert_bounded(&zeros(100_000), &ones, 1, 40);
}

/// What changed little beside what is replaced keeps its operations.
#[test]
fn only_what_changed_for_the_most_part_is_replaced() {
    let record = |hp: u32, at: u32| {
        value(&format!(
            r#"{{"name": "a name, and what else there is of a record", "hp": {hp},
            "place": {{"x": {at}, "y": {at}, "z": {at}}}, "tags": ["one", "two", "three"]}}"#
        ))
    };
    let patch = diff(&record(1, 1), &record(2, 2), Extensions::NONE);
    assert_eq!(
        patch.to_string(),
        r#"[{"op":"replace","path":"/hp","value":2},{"op":"replace","path":"/place","value":{"x":2,"y":2,"z":2}}]"#
    );
}

/// A replacement that is as long as the changes is none.
#[test]
fn a_container_is_replaced_only_if_that_is_shorter() {
    for bytes in 0..60 {
        let record = |number: u32| {
            let pad = "x".repeat(bytes);
            value(&format!(r#"{{"a":{number},"b":{number},"pad":"{pad}"}}"#))
        };
        let patch = diff(&record(1), &record(2), Extensions::NONE);
        let changes =
            r#"[{"op":"replace","path":"/a","value":2},{"op":"replace","path":"/b","value":2}]"#;
        let whole = replacement_bytes(&record(2));
        let whole_is_shorter = whole < changes.len() as u64;
        assert_eq!(patch.operations().len() == 1, whole_is_shorter);
        assert_eq!(patch.written_bytes(), whole.min(changes.len() as u64));
    }
}

/// A double counts as 25 bytes, so that the bound is one of written bytes: as text, a difference of short
/// doubles can be longer than the replacement, by less than 26 bytes to the 4 that `0.5,` takes.
#[test]
fn a_difference_of_short_doubles_is_bounded_in_written_bytes() {
    let doubles = |changed: usize| -> Value {
        let double = |at| if at < changed { "1.5" } else { "0.5" };
        (0..1_000).map(|at| value(double(at))).collect()
    };
    let (old, mut times_max) = (doubles(0), 0.0_f64);
    for changed in (50..=1_000).step_by(50) {
        let new = doubles(changed);
        let patch = diff(&old, &new, Extensions::NONE);
        let (bytes, text) = (patch.written_bytes(), patch.to_string());
        assert!(bytes <= replacement_bytes(&new));
        let is_whole = patch.operations().len() == 1;
        let written = if is_whole { 1_000 } else { changed };
        assert_eq!(bytes, (text.len() + (25 - 3) * written) as u64);
        let whole = format!(r#"[{{"op":"replace","path":"","value":{new}}}]"#);
        times_max = times_max.max(text.len() as f64 / whole.len() as f64);
    }
    assert!(2.0 < times_max && times_max < 6.5, "{times_max}");
}

/// What is replaced whole goes to the inverse, and is none of what a copy took.
#[test]
fn what_is_replaced_is_not_copied() {
    let list = |number: u32| -> Value {
        (0..1_000)
            .map(|at| Value::from(at + 10_000 * number))
            .collect()
    };
    let document = |number| -> Value {
        let pad = Value::from("x".repeat(100));
        [("list", list(number)), ("pad", pad)].into_iter().collect()
    };
    let (old, new) = (document(1), document(2));
    let (patch, between) = Patch::between(&old, &new, Extensions::NONE);
    assert_eq!(patch.operations().len(), 1);
    let mut patched = old.clone();
    let applied = patch.apply(&mut patched, &Limits::NONE).unwrap();
    assert!(patched.identical(&new) && !patched.same(&old));
    assert_eq!(between.copied_bytes, applied.copied_bytes);
}

/// Scenario: a splice in a string of 2 KB, and in one of 2 MB. Failure: of what the older version keeps,
/// only the root of the string was counted. Fix: all its nodes that the newer one does not share.
#[test]
fn a_splice_of_a_long_string_counts_all_nodes_that_it_copied() {
    for bytes in [2_000, 100_000, 2_000_000] {
        let old = value(&format!(r#"{{"text":"{}"}}"#, "word ".repeat(bytes / 5)));
        for (at, remove, insert) in [
            (0, 0, "x"),
            (bytes / 2, 3, "abc"),
            (bytes / 2, 0, "a few words more"),
            (bytes - 5, 5, ""),
        ] {
            let splice = Operation::Splice {
                path: "/text".parse().unwrap(),
                index: at,
                remove,
                insert: insert.into(),
            };
            let mut new = old.clone();
            let applied = Patch::from(vec![splice])
                .apply(&mut new, &Limits::NONE)
                .unwrap();
            let (_, between) = Patch::between(&old, &new, Extensions::ALL);
            assert_eq!(
                between.copied_bytes, applied.copied_bytes,
                "{bytes} bytes, at {at}"
            );
        }
        // One that was made anew shares nothing, and the older version keeps all of its own.
        let anew = value(&old.to_string().replacen("word", "sword", 1));
        let (patch, between) = Patch::between(&old, &anew, Extensions::ALL);
        assert!(patch.written_bytes() < 100);
        assert!(between.copied_bytes > bytes as u64);
    }
}

/// Scenario: one splice of 60 bytes removes most of a large array. Failure: the difference listed all that was
/// removed, its inverse was a new array of it, and nodes counted as copied or not by the form of what was left.
/// Fix: the inverse shares the nodes, as that of the splice does.
#[test]
fn a_splice_that_removes_much_copies_what_applying_it_copies() {
    let old: Value = (0..100_000).map(Value::from).collect();
    for (index, kept) in [
        (5, 10),
        (500, 1_000),
        (10, 10),
        (20_000, 40_000),
        (0, 70_000),
    ] {
        let splice = Operation::Splice {
            path: Pointer::root(),
            index,
            remove: 100_000 - kept,
            insert: zeros(0),
        };
        let mut new = old.clone();
        Patch::from(vec![splice])
            .apply(&mut new, &Limits::NONE)
            .unwrap();
        let ((patch, between), peak) = peak_of(|| Patch::between(&old, &new, Extensions::ALL));
        let applied = patch.apply(&mut old.clone(), &Limits::NONE).unwrap();
        assert_eq!(between.copied_bytes, applied.copied_bytes, "{kept} kept");
        assert!(patch.written_bytes() < 100);
        assert!(peak < 50_000, "{peak} bytes");
        let mut back = new.clone();
        between
            .inverse(&patch)
            .apply(&mut back, &Limits::NONE)
            .unwrap();
        assert!(back.identical(&old));
        // The other way they are added.
        let (patch, peak) = peak_of(|| diff(&new, &old, Extensions::ALL));
        assert_eq!(patch.operations().len(), 1);
        assert!(peak < 50_000, "{peak} bytes");
        patch.apply(&mut new, &Limits::NONE).unwrap();
        assert!(new.identical(&old));
    }
}

/// Who has no use for a long patch does not pay for it.
#[test]
fn a_difference_that_is_too_long_is_given_up_at_once() {
    let document = |number: usize| -> Value {
        let pad = Value::from("x".repeat(200));
        let record = || Value::from_iter([("n", Value::from(number)), ("pad", pad.clone())]);
        (0..10_000).map(|at| (at.to_string(), record())).collect()
    };
    let (old, new) = (document(1), document(2));
    let whole = diff(&old, &new, Extensions::NONE);
    assert_eq!(whole.operations().len(), 10_000);
    let within = |bytes_max| peak_of(|| diff_within(&old, &new, Extensions::NONE, bytes_max));
    let (patch, all) = within(whole.written_bytes());
    assert_eq!(patch.as_ref(), Some(&whole));
    let (patch, least) = within(1_000);
    assert_eq!(patch, None);
    assert!(least < all / 3, "{least} of {all} bytes");
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
