//! P7: what values say that they hold is near what they really requested from the allocator.

use std::ops::RangeInclusive;

use headwater_doc::{Extensions, Limits, Operation, Patch, Pointer, Value};
use proptest::{
    strategy::{Strategy as _, ValueTree as _},
    test_runner::{Config, RngAlgorithm, TestRng, TestRunner},
};

use crate::{allocator::requested_by, data};

fn parsed(text: &[u8]) -> Value {
    Value::parse(text, &Limits::NONE).expect("JSON")
}

/// Says how many per cent of the requested bytes are counted, and checks that they are in a range.
fn assert_counted(name: &str, counted: u64, requested: isize, percent: RangeInclusive<u64>) {
    let requested = u64::try_from(requested).expect("something is held");
    let found = counted * 100 / requested.max(1);
    println!("{name}: {counted} of {requested}, {found} %");
    assert!(
        percent.contains(&found),
        "{name}: {counted} of {requested} bytes are {found} %"
    );
}

/// A table of records as games and boards have them.
fn table(records: usize) -> String {
    let record = |number: usize| {
        format!(
            r#"{{"id":"player-{number:06}","name":"Wanderer {number}","experience":{},
            "state":{{"hp":{},"place":{{"x":{number}.5,"y":1.25,"z":-3.0}},"grounded":true}},
            "inventory":[{{"slot":0,"item":"lantern","count":3}},{{"slot":1,"item":"short_bow","count":1}}],
            "motto":"The long way round is still a way, if you bring rope.","party":null}}"#,
            number * 977,
            number % 100,
        )
    };
    let records: Vec<_> = (0..records).map(record).collect();
    format!("[{}]", records.join(","))
}

#[test]
fn real_documents_count_what_they_requested() {
    for (name, text) in data::files("documents").unwrap_or_default() {
        let (value, bytes) = requested_by(|| parsed(&text));
        assert_counted(&name, value.heap_bytes(), bytes, 90..=110);
    }
}

#[test]
fn tables_count_what_they_requested() {
    for records in [1, 10, 100, 1_000, 10_000] {
        let compact = parsed(table(records).as_bytes()).to_string();
        let (value, bytes) = requested_by(|| parsed(compact.as_bytes()));
        assert_counted(
            &format!("{records} records"),
            value.heap_bytes(),
            bytes,
            90..=110,
        );
    }
}

/// Values of every form, alone.
#[test]
fn scalars_and_long_containers_count_what_they_requested() {
    let long = |count: usize, what: &dyn Fn(usize) -> String, brackets: [&str; 2]| {
        let items: Vec<_> = (0..count).map(what).collect();
        format!("{}{}{}", brackets[0], items.join(","), brackets[1])
    };
    let texts = [
        format!("{:?}", "é".repeat(9)),
        format!("{:?}", "x".repeat(1_000)),
        format!("{:?}", "é漢x".repeat(50_000)),
        "9".repeat(500),
        "[]".to_owned(),
        "{}".to_owned(),
        long(20_000, &|at| at.to_string(), ["[", "]"]),
        long(20_000, &|at| format!("\"n{at}\":{at}"), ["{", "}"]),
        long(
            20_000,
            &|at| format!("\"a name that is long {at}\":{at}"),
            ["{", "}"],
        ),
        long(
            30,
            &|at| format!("\"a name that is long {at}\":{at}"),
            ["{", "}"],
        ),
    ];
    for text in texts {
        let (value, bytes) = requested_by(|| parsed(text.as_bytes()));
        let name: String = text.chars().take(20).collect();
        assert_counted(&name, value.heap_bytes(), bytes, 90..=110);
    }
}

/// Patches at random places, each parsed on its own and let go, as a server gets them.
#[test]
fn tables_count_what_they_hold_after_thousands_of_patches() {
    let mut runner = TestRunner::new_with_rng(
        Config::default(),
        TestRng::from_seed(RngAlgorithm::ChaCha, &[7; 32]),
    );
    for records in [10, 100, 1_000, 10_000] {
        let text = table(records);
        let (document, bytes) = requested_by(|| {
            let mut document = parsed(text.as_bytes());
            for _ in 0..4_000 {
                let pick = || proptest::num::u32::ANY;
                let tree = (pick(), pick(), pick())
                    .new_tree(&mut runner)
                    .expect("a number");
                let (kind, place, other) = tree.current();
                let patch = random_patch(&document, kind, place as usize, other as usize);
                if let Some(patch) = patch {
                    let patch = Patch::parse(patch.as_bytes(), &Limits::NONE, Extensions::ALL);
                    let patch = patch.expect("a patch");
                    patch.apply(&mut document, &Limits::NONE).expect("it fits");
                }
            }
            document
        });
        assert_counted(
            &format!("{records} patched"),
            document.heap_bytes(),
            bytes,
            85..=115,
        );
    }
}

fn random_patch(document: &Value, kind: u32, place: usize, other: usize) -> Option<String> {
    let len = document.as_array()?.len();
    let (at, other) = (place % len.max(1), other % len.max(1));
    let operation = match kind % 10 {
        0 => format!(r#"{{"op":"replace","path":"/{at}/experience","value":{other}}}"#),
        1 => format!(
            r#"{{"op":"replace","path":"/{at}/motto","value":"{}"}}"#,
            "a motto ".repeat(other % 40)
        ),
        2 => format!(
            r#"{{"op":"add","path":"/{at}/inventory/0","value":{{"slot":{other},"item":"a new item of some length","count":1}}}}"#
        ),
        3 => format!(
            r#"{{"op":"add","path":"/{at}","value":{}}}"#,
            document.as_array()?.get(other)?
        ),
        4 if len > 1 => format!(r#"{{"op":"remove","path":"/{at}"}}"#),
        5 => format!(r#"{{"op":"add","path":"/{at}/extra","value":[{other},true,"text"]}}"#),
        6 => format!(r#"{{"op":"copy","from":"/{at}/motto","path":"/{other}/name"}}"#),
        7 => format!(
            r#"{{"op":"splice","path":"/{at}/motto","index":0,"remove":0,"insert":"more and more "}}"#
        ),
        8 => format!(r#"{{"op":"move","from":"/{at}","path":"/{other}"}}"#),
        9 => {
            let inventory = document.at(&format!("/{at}/inventory").parse().ok()?)?;
            if inventory.as_array()?.is_empty() {
                return None;
            }
            format!(r#"{{"op":"remove","path":"/{at}/inventory/0"}}"#)
        }
        _ => return None,
    };
    Some(format!("[{operation}]"))
}

/// What comes record by record takes what the whole takes: the names are shared with the record before.
#[test]
fn records_added_one_by_one_take_what_the_table_takes() {
    let text = table(1_000);
    let (whole, bytes) = requested_by(|| parsed(text.as_bytes()));
    let records = whole.as_array().expect("a table");
    let records: Vec<_> = records.iter().map(Value::to_string).collect();
    let (document, added) = requested_by(|| {
        let mut document = parsed(b"[]");
        for record in &records {
            let patch = format!(r#"[{{"op":"add","path":"/-","value":{record}}}]"#);
            let patch = Patch::parse(patch.as_bytes(), &Limits::NONE, Extensions::NONE);
            let applied = patch.expect("a patch").apply(&mut document, &Limits::NONE);
            applied.expect("it fits");
        }
        document
    });
    assert!(document.identical(&whole));
    assert_counted(
        "added, of the whole",
        added.unsigned_abs() as u64,
        bytes,
        95..=105,
    );
    assert_counted("added", document.heap_bytes(), added, 95..=105);
}

/// What removals leave of a leaf has no more spare room than insertions do: it was up to eight elements, half of
/// what was left of it.
#[test]
fn large_containers_that_were_thinned_out_take_what_they_count() {
    let numbers = (0..64_000).map(|number| number.to_string());
    let list = format!("[{}]", numbers.collect::<Vec<_>>().join(","));
    let members = (0..64_000).map(|number| format!(r#""{number:05}":{number}"#));
    let map = format!("{{{}}}", members.collect::<Vec<_>>().join(","));
    // In a list what is behind a removed element takes its place.
    let element: fn(usize, usize) -> String = |start, _| format!("/{start}");
    let member: fn(usize, usize) -> String = |start, at| format!("/{:05}", start + at);
    // Of each leaf, from behind, as many as leave no leaf so small that it is joined with another.
    for (text, leaf, removed, path) in [(list, 32, 20..24, element), (map, 16, 8..12, member)] {
        for removed in removed {
            let (document, requested) = requested_by(|| {
                let mut document = parsed(text.as_bytes());
                for start in (0..64_000).step_by(leaf).rev() {
                    let path = |at| path(start + 4, at);
                    let removals = (0..removed).map(path).map(|path| Operation::Remove {
                        path: Pointer::parse(&path).expect("a pointer"),
                    });
                    let patch = Patch::from(removals.collect::<Vec<_>>());
                    let applied = patch.apply(&mut document, &Limits::NONE);
                    applied.expect("they are there");
                }
                document
            });
            assert_counted("thinned out", document.heap_bytes(), requested, 85..=115);
        }
    }
}

#[test]
fn a_patch_counts_what_it_requested() {
    let text = format!(
        r#"[{{"op":"add","path":"/table","value":{}}},{{"op":"replace","path":"/a/b","value":1}},
        {{"op":"move","from":"/a/b/c","path":"/d"}},{{"op":"remove","path":"/e"}}]"#,
        table(20)
    );
    let (patch, bytes) =
        requested_by(|| Patch::parse(text.as_bytes(), &Limits::NONE, Extensions::NONE));
    assert_counted(
        "patch",
        patch.expect("a patch").heap_bytes(),
        bytes,
        85..=115,
    );
}

/// What is not told apart by looking at the values: the same in memory.
#[test]
fn copied_bytes_are_those_of_the_path_that_a_clone_keeps() {
    let mut document = parsed(table(10_000).as_bytes());
    let replace = |value: u32| {
        Patch::from(vec![Operation::Replace {
            path: Pointer::parse("/5000/state/hp").expect("a pointer"),
            value: Value::from(value),
        }])
    };
    let apply = |document: &mut Value, value| {
        let applied = replace(value).apply(document, &Limits::NONE);
        applied.expect("it is there")
    };
    assert_eq!(apply(&mut document, 1).copied_bytes, 0);
    let held = document.clone();
    let (applied, requested) = requested_by(|| {
        let applied = apply(&mut document, 2);
        applied.copied_bytes
    });
    assert_counted("copied", applied, requested, 90..=110);
    assert_eq!(apply(&mut document, 3).copied_bytes, 0);
    drop(held);
    assert_eq!(apply(&mut document, 4).copied_bytes, 0);
}

/// Records of so many members, whose names have so many bytes.
fn records(records: usize, members: usize, name_bytes: usize) -> String {
    let name = |member: usize| format!("{member:0>name_bytes$}");
    let record = |number: usize| {
        let members = (0..members).map(|member| format!(r#""{}":{number}"#, name(member)));
        format!("{{{}}}", members.collect::<Vec<_>>().join(","))
    };
    let records: Vec<_> = (0..records).map(record).collect();
    format!("[{}]", records.join(","))
}

fn patch(text: &str) -> Patch {
    Patch::parse(text.as_bytes(), &Limits::NONE, Extensions::ALL).expect("a patch")
}

/// P3, P7: also of objects that have as many members as fit into one list, and of those that have one of
/// their own, in which other names are lent.
#[test]
fn a_batch_that_fails_leaves_names_shared() {
    for (members, name_bytes, own) in [
        (8, 2, false),
        (8, 30, false),
        (8, 30, true),
        (32, 30, false),
        (4, 200, false),
        (4, 200, true),
    ] {
        let mut document = parsed(records(300, members, name_bytes).as_bytes());
        let mut whole = parsed(records(300, members, name_bytes).as_bytes());
        for at in (0..300).filter(|_| own) {
            let grow = patch(&format!(r#"[{{"op":"add","path":"/{at}/own","value":1}}]"#));
            for document in [&mut document, &mut whole] {
                grow.apply(document, &Limits::NONE).expect("it fits");
            }
        }
        let counted = document.heap_bytes();
        let known = format!("{:0>name_bytes$}", 1);
        let ((), more) = requested_by(|| {
            for at in 0..300 {
                for change in [
                    format!(r#"{{"op":"add","path":"/{at}/zz","value":1}}"#),
                    format!(r#"{{"op":"remove","path":"/{at}/{known}"}}"#),
                    format!(r#"{{"op":"move","from":"/{at}/{known}","path":"/{at}/zz"}}"#),
                    format!(
                        r#"{{"op":"add","path":"/{at}/yy","value":[]}},{{"op":"remove","path":"/{at}/{known}"}}"#
                    ),
                ] {
                    let failing = format!(r#"[{change},{{"op":"test","path":"/0","value":0}}]"#);
                    let failed = patch(&failing).apply(&mut document, &Limits::NONE);
                    failed.expect_err("the test fails");
                    assert_eq!(document.heap_bytes(), counted, "{failing}");
                }
            }
        });
        assert_eq!(more, 0, "{members} members");
        assert!(document.identical(&whole));
    }
}

/// P7: a name that nobody counts, since the object that did has gone, is not counted after a failure either.
#[test]
fn a_batch_that_fails_leaves_names_lent() {
    let mut document = parsed(records(2, 4, 30).as_bytes());
    let leave = r#"[{"op":"add","path":"/1/own","value":1},{"op":"remove","path":"/0"}]"#;
    patch(leave)
        .apply(&mut document, &Limits::NONE)
        .expect("it fits");
    let counted = document.heap_bytes();
    let failing = format!(
        r#"[{{"op":"remove","path":"/0/{:0>30}"}},{{"op":"remove","path":"/none"}}]"#,
        1
    );
    let failed = patch(&failing).apply(&mut document, &Limits::NONE);
    assert_eq!(failed.expect_err("nothing is there").operation, 1);
    assert_eq!(document.heap_bytes(), counted);
}

/// P7: long names that a record shares with the others are not its own when it gets one more.
#[test]
fn lists_of_names_that_grow_count_what_they_requested() {
    for name_bytes in [2, 30, 60] {
        let text = records(2_000, 8, name_bytes);
        let (document, bytes) = requested_by(|| {
            let mut document = parsed(text.as_bytes());
            for at in 0..2_000 {
                let add = format!(r#"[{{"op":"add","path":"/{at}/zz","value":1}}]"#);
                let added = patch(&add).apply(&mut document, &Limits::NONE);
                added.expect("it fits");
            }
            document
        });
        let name = format!("grown, {name_bytes} bytes a name");
        assert_counted(&name, document.heap_bytes(), bytes, 90..=110);
    }
}

/// P7: who brought the names may go; then what the others keep is counted still.
#[test]
fn names_of_many_bytes_are_counted_whoever_brought_them() {
    let (document, bytes) = requested_by(|| {
        let mut document = parsed(b"{}");
        for number in 10..30 {
            let name = number.to_string().repeat(50_000);
            let [first, second] = ["a", "b"].map(|key| {
                format!(r#"[{{"op":"add","path":"/{number}{key}","value":{{"{name}":1}}}}]"#)
            });
            // The second one shares the list, or copies it to get one more name.
            let more = format!(r#"[{{"op":"add","path":"/{number}b/more","value":1}}]"#);
            let more = if number % 2 == 0 { "[]" } else { &more };
            let remove = format!(r#"[{{"op":"remove","path":"/{number}a"}}]"#);
            for text in [&first, &second, more, &remove] {
                let applied = patch(text).apply(&mut document, &Limits::default());
                applied.expect("it fits");
            }
        }
        document
    });
    assert_counted("heavy names", document.heap_bytes(), bytes, 90..=110);
}

/// P7: of shorter ones may be held what nobody counts, but not more than some times what is counted.
#[test]
fn names_that_nobody_counts_are_bounded_by_what_is_counted() {
    for members in [1, 8, 32] {
        let (document, bytes) = requested_by(|| {
            let mut document = parsed(b"[]");
            for shape in 100..200 {
                // Names of 64 bytes, which no other shape has.
                let record = records(1, members, 62).replace("\"0", &format!("\"{shape}"));
                let add = format!(
                    r#"[{{"op":"splice","path":"","index":0,"remove":0,"insert":{record}}}]"#
                );
                for text in [&add, &add, r#"[{"op":"remove","path":"/1"}]"#] {
                    let applied = patch(text).apply(&mut document, &Limits::NONE);
                    applied.expect("it fits");
                }
            }
            document
        });
        let name = format!("uncounted, {members} members");
        assert_counted(&name, document.heap_bytes(), bytes, 12..=60);
    }
}
