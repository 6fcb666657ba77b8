//! A batch that fails leaves the identical sharing, inside of large containers too.

use headwater_doc::{Limits, Operation, Patch, Value};
use proptest::{collection::vec, prelude::*, sample::Index};

use super::{
    change_by,
    changes::{apply, change, changes_near_by, document, patch_of, places},
    freed_one_by_one, numbers,
};
use crate::{
    allocator::requested_by,
    hostile::{patch, pointer},
};

/// Applies a patch with one more operation, which fails.
fn fail(patch: &Patch, document: &mut Value) {
    let mut operations = patch.operations().to_vec();
    operations.push(Operation::Remove {
        path: pointer("/not there"),
    });
    let failed = Patch::from(operations).apply(document, &Limits::NONE);
    let operation = failed.expect_err("the last operation fails").operation;
    assert_eq!(operation, patch.operations().len());
}

/// Asserts that after a patch that fails what somebody holds is shared as if it had not been tried. `scene`
/// makes a document, and what is held of it.
fn assert_leaves_sharing(patch: &Patch, scene: impl Fn() -> (Value, Vec<Value>)) {
    let (document, held) = scene();
    let (mut tried, held_of_tried) = scene();
    fail(patch, &mut tried);
    assert!(tried.identical(&document), "{patch}");
    let expected = freed_one_by_one(held);
    assert_eq!(freed_one_by_one(held_of_tried), expected, "{patch}");
}

/// P3: a string is not a container, but has an inside too.
#[test]
fn a_failed_splice_leaves_the_runs_of_a_long_string_shared() {
    let scene = || {
        let mut document: Value = [("text", Value::from("0123456789".repeat(2_000)))]
            .into_iter()
            .collect();
        let held = document.clone();
        change_by(
            &mut document,
            r#"[{"op":"splice","path":"/text","index":0,"remove":1,"insert":"x"}]"#,
        );
        (document, vec![held])
    };
    for (index, remove) in [(15_000, 1), (5_000, 10_000)] {
        let splice = format!(
            r#"[{{"op":"splice","path":"/text","index":{index},"remove":{remove},"insert":"y"}}]"#
        );
        assert_leaves_sharing(&patch(&splice), scene);
    }
}

/// P3: an element that goes can take its chunk along, into a neighbour that a version shares.
#[test]
fn a_failed_removal_leaves_the_neighbour_shared_that_a_chunk_merged_with() {
    // With one level of branches, and with two.
    for (count, neighbour, own) in [(40, 0, 12), (1_000, 10, 23)] {
        let scene = || {
            let mut document: Value = [("list", numbers(count))].into_iter().collect();
            let remove = |document: &mut Value, at: usize, times: usize| {
                let text = format!(r#"[{{"op":"remove","path":"/list/{at}"}}]"#);
                (0..times).for_each(|_| drop(change_by(document, &text)));
            };
            remove(&mut document, 40, neighbour);
            let held = document.clone();
            remove(&mut document, 0, own);
            (document, vec![held])
        };
        assert_leaves_sharing(&patch(r#"[{"op":"remove","path":"/list/0"}]"#), scene);
    }
}

/// P3: where a container stood whose inside was noted, another can stand later in the batch.
#[test]
fn a_failed_batch_leaves_the_inside_shared_of_what_took_the_place_of_another() {
    let scene = || {
        let lists: Value = (0..3).map(|_| numbers(1_000)).collect();
        let mut document: Value = [("lists", lists)].into_iter().collect();
        let held = document.clone();
        for at in 0..3 {
            let own = format!(r#"[{{"op":"replace","path":"/lists/{at}/0","value":7}}]"#);
            change_by(&mut document, &own);
        }
        (document, vec![held])
    };
    let first = r#"{"op":"replace","path":"/lists/1/500","value":7}"#;
    for between in [
        r#"{"op":"remove","path":"/lists/0"}"#,
        r#"{"op":"remove","path":"/lists/1"}"#,
        r#"{"op":"move","from":"/lists/2","path":"/lists/0"}"#,
        r#"{"op":"splice","path":"/lists","index":0,"remove":1,"insert":[]}"#,
        r#"{"op":"copy","from":"/lists/2","path":"/lists/1"}"#,
        r#"{"op":"add","path":"/lists/0","value":0}"#,
    ] {
        let again = r#"{"op":"replace","path":"/lists/1/500","value":8}"#;
        let text = format!("[{first},{between},{again}]");
        assert_leaves_sharing(&patch(&text), scene);
    }
}

/// P3: also where the list of names was the object's own already.
#[test]
fn a_failed_batch_leaves_the_texts_of_names_shared() {
    for (members, bytes) in [(2, 1_000_000), (30, 40), (30, 90), (100, 40), (100, 1_000)] {
        let name = |member: usize| format!("{member:03}{}", "n".repeat(bytes - 3));
        let scene = || {
            let object: Value = (0..members).map(|at| (name(at), Value::from(at))).collect();
            let mut document: Value = [("object", object)].into_iter().collect();
            let held = document.clone();
            // Each leaf of a large one gets a member.
            for member in (0..members).step_by(16) {
                let more = format!("/object/{}+", name(member));
                let add = Operation::Add {
                    path: pointer(&more),
                    value: Value::NULL,
                };
                Patch::from(vec![add])
                    .apply(&mut document, &Limits::NONE)
                    .expect("it fits");
            }
            (document, vec![held])
        };
        for member in [0, 1, members / 2, members - 1] {
            let path = pointer("/object").child(&name(member));
            let to = pointer("/object/!");
            for operation in [
                Operation::Remove { path: path.clone() },
                Operation::Move {
                    from: path,
                    path: to,
                },
            ] {
                let patch = Patch::from(vec![operation]);
                assert_leaves_sharing(&patch, scene);
                let (mut document, held) = scene();
                let counted = document.heap_bytes();
                let ((), more) = requested_by(|| fail(&patch, &mut document));
                assert!(
                    more < 1_000,
                    "{more} bytes more with {members} names of {bytes}"
                );
                assert_eq!(document.heap_bytes(), counted, "{members} names of {bytes}");
                drop(held);
            }
        }
    }
}

/// P3, P7: a container that a batch made large is small again.
#[test]
fn a_failed_batch_leaves_small_containers_small() {
    let list = numbers(32);
    let object: Value = (10..42)
        .map(|id| (format!("key {id}"), Value::from(id)))
        .collect();
    let long: Value = (10..42)
        .map(|id| (format!("{id:040}"), Value::from(id)))
        .collect();
    let text = Value::from("x".repeat(1_024));
    let mut document: Value = [
        ("list", list),
        ("object", object),
        ("long", long),
        ("text", text),
    ]
    .into_iter()
    .collect();
    let counted = document.heap_bytes();
    for change in [
        r#"[{"op":"add","path":"/list/-","value":1}]"#,
        r#"[{"op":"add","path":"/list/0","value":[]}]"#,
        r#"[{"op":"splice","path":"/list","index":3,"remove":0,"insert":[1,2]}]"#,
        r#"[{"op":"add","path":"/object/more","value":1}]"#,
        r#"[{"op":"move","from":"/text","path":"/object/more"}]"#,
        r#"[{"op":"add","path":"/long/more","value":{}},{"op":"remove","path":"/long/more"}]"#,
        r#"[{"op":"splice","path":"/text","index":9,"remove":0,"insert":"y"}]"#,
    ] {
        let patch = patch(change);
        let ((), more) = requested_by(|| fail(&patch, &mut document));
        assert_eq!((document.heap_bytes(), more), (counted, 0), "{change}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    /// P3: a batch that fails leaves the identical sharing, inside of large containers too.
    #[test]
    fn a_failed_batch_shares_with_each_version_what_it_shared(
        before in vec(vec(change(), 0..12), 1..5),
        part in any::<Index>(),
        changes in prop_oneof![changes_near_by(), vec(change(), 1..12)],
    ) {
        let scene = || {
            let mut document = document();
            let mut held = Vec::new();
            for changes in &before {
                held.push(document.clone());
                held.push(part.get(&places(&document)).1.clone());
                apply(&mut document, changes);
            }
            (document, held)
        };
        let patch = patch_of(&scene().0, &changes);
        assert_leaves_sharing(&patch, scene);
    }
}
