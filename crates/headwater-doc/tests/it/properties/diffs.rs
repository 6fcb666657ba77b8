//! What a difference leads to, how long it is, and what is found of it without applying it.

use headwater_doc::{Extensions, Operation, Patch, Value, diff, diff_within};
use proptest::{
    collection::vec,
    prelude::*,
    sample::{Index, select},
};

use super::{
    applied,
    documents::document,
    intents::{Kind, history, patch},
    pointer,
};
use crate::{differences::replacement_bytes, model::Model};

/// P10: a difference is no longer than the replacement of all, and is found if there is room for it.
fn assert_bounded(from: &Value, to: &Value, extensions: Extensions, part: Index) {
    let patch = diff(from, to, extensions);
    let bytes = patch.written_bytes();
    let bytes_max = replacement_bytes(to);
    assert!(bytes <= bytes_max, "{bytes} of {bytes_max}: {patch}");
    assert!(patch.to_string().len() as u64 <= bytes, "{patch}");
    let room = part.index(2 * usize::try_from(bytes).expect("it is short")) as u64;
    for bytes_max in [bytes, bytes - 1, room] {
        let within = diff_within(from, to, extensions, bytes_max);
        assert_eq!(
            within.as_ref(),
            (bytes <= bytes_max).then_some(&patch),
            "{from}\n{to}"
        );
    }
}

/// What is found between two values is what applying their difference to the first yields.
fn assert_between(from: &Value, to: &Value, extensions: Extensions) {
    let (patch, between) = Patch::between(from, to, extensions);
    assert_eq!(patch, diff(from, to, extensions));
    let applied = applied(&mut from.clone(), &patch);
    let [found, expected] = [&between, &applied].map(|applied| applied.touched(&patch));
    assert_eq!(found, expected, "{from}\n{to}");
    let [found, expected] = [&between, &applied].map(|applied| applied.inverse(&patch).to_value());
    assert!(found.identical(&expected), "{found}\n{expected}");
}

proptest! {
    #[test]
    fn a_diff_turns_any_value_into_any_other(
        old in document(), new in document(), splice: bool, room: Index,
    ) {
        let extensions = Extensions { splice, increment: false };
        let (old, new) = (old.value(), new.value());
        let patch = diff(&old, &new, extensions);
        prop_assert!(extensions.include(patch.extensions()));
        let mut patched = old.clone();
        applied(&mut patched, &patch);
        prop_assert!(patched.identical(&new), "{old}\n{new}\n{patch}\n{patched}");
        assert_between(&old, &new, extensions);
        assert_bounded(&old, &new, extensions, room);
    }

    #[test]
    fn a_diff_turns_a_value_into_what_became_of_it_and_back(
        (document, batches) in history(), splice: bool, room: Index,
    ) {
        let extensions = Extensions { splice, increment: false };
        let old = document.value();
        let mut new = old.clone();
        for intents in batches {
            let patch = patch(&Model::of(&new), &intents);
            applied(&mut new, &patch);
        }
        // Once with shared nodes, once without any.
        for new in [new.clone(), Model::of(&new).value()] {
            for (from, to) in [(&old, &new), (&new, &old)] {
                let patch = diff(from, to, extensions);
                prop_assert!(extensions.include(patch.extensions()));
                let mut patched = from.clone();
                applied(&mut patched, &patch);
                prop_assert!(patched.identical(to), "{from}\n{to}\n{patch}\n{patched}");
                prop_assert_eq!(patch.is_empty(), from.identical(to));
                assert_between(from, to, extensions);
                assert_bounded(from, to, extensions, room);
            }
        }
    }
}

/// An array or object of so many children, in which those at some places are changed, added and removed.
fn scattered(object: bool, len: usize, changes: &[(Index, Kind)]) -> (Value, Value) {
    let name = |at: usize| format!("n{at:06}");
    let old: Value = if object {
        (0..len).map(|at| (name(at), Value::from(at))).collect()
    } else {
        (0..len).map(Value::from).collect()
    };
    let mut changes: Vec<_> = changes
        .iter()
        .map(|(at, kind)| (at.index(len), kind))
        .collect();
    changes.sort_by_key(|&(at, _)| at);
    changes.dedup_by_key(|&mut (at, _)| at);
    // From the end on, so that the places ahead stay.
    let operation = |&(at, kind): &(usize, &Kind)| {
        let segment = if object { name(at) } else { at.to_string() };
        let path = pointer(&format!("/{segment}"));
        let value = Value::from("changed");
        match kind {
            Kind::Add if object => Operation::Add {
                path: pointer(&format!("/{segment}b")),
                value,
            },
            Kind::Add => Operation::Add { path, value },
            Kind::Remove => Operation::Remove { path },
            _ => Operation::Replace { path, value },
        }
    };
    let patch = Patch::from(changes.iter().rev().map(operation).collect::<Vec<_>>());
    let mut new = old.clone();
    applied(&mut new, &patch);
    (old, new)
}

proptest! {
    // Each compares thousands of children: many places in few cases.
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn a_diff_finds_many_scattered_changes_of_a_large_container(
        object: bool,
        len in 8_000..12_000_usize,
        changes in vec(
            (any::<Index>(), select(&[Kind::Replace, Kind::Add, Kind::Remove][..])),
            200..400,
        ),
        splice: bool,
    ) {
        let extensions = Extensions { splice, increment: false };
        let (old, new) = scattered(object, len, &changes);
        for (from, to) in [(&old, &new), (&new, &old)] {
            let patch = diff(from, to, extensions);
            let mut patched = from.clone();
            applied(&mut patched, &patch);
            prop_assert!(patched.identical(to));
            // None of what was left alone is in it.
            prop_assert!(patch.operations().len() <= changes.len(), "{patch}");
            prop_assert!(patch.written_bytes() < 80 * changes.len() as u64, "{patch}");
            assert_between(from, to, extensions);
        }
    }
}
