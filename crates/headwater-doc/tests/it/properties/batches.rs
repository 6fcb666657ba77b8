//! What applying a patch, undoing it and failing to apply it comes to.

use std::collections::BTreeMap;

use headwater_doc::{Limits, Operation, Patch};
use proptest::{collection::vec, prelude::*, sample::Index};

use super::{
    applied,
    documents::document,
    intents::{history, intent, patch},
    inverse, pointer,
};
use crate::model::{Model, escaped};

/// The paths at which the two differ, down to the deepest.
fn differing(before: Option<&Model>, after: Option<&Model>, path: &str, found: &mut Vec<String>) {
    if before == after {
        return;
    }
    found.push(path.to_owned());
    let children = |value: Option<&Model>| -> BTreeMap<String, Model> {
        value.map_or_else(BTreeMap::new, |value| {
            value
                .children()
                .map(|(name, child)| (name, child.clone()))
                .collect()
        })
    };
    let (before, after) = (children(before), children(after));
    for name in before
        .keys()
        .chain(after.keys().filter(|name| !before.contains_key(*name)))
    {
        let path = format!("{path}/{}", escaped(name));
        differing(before.get(name), after.get(name), &path, found);
    }
}

proptest! {
    #[test]
    fn applying_agrees_with_the_model(
        document in document(), batches in vec(vec(intent(4), 1..10), 1..6),
    ) {
        let mut value = document.value();
        let mut model = document;
        for intents in batches {
            let patch = patch(&model, &intents);
            match (patch.apply(&mut value, &Limits::NONE), model.applied(patch.operations())) {
                (Ok(_), Ok(after)) => model = after,
                (Err(error), Err(operation)) => prop_assert_eq!(error.operation, operation),
                (result, expected) => {
                    prop_assert!(false, "{patch}\n{:?}\n{:?}", result.err(), expected.err());
                }
            }
            prop_assert_eq!(Model::of(&value), model.clone(), "{}", patch);
        }
    }

    /// P3: a batch that fails changes nothing.
    #[test]
    fn a_failed_batch_leaves_the_identical_document(
        document in document(), intents in vec(intent(0), 1..12),
    ) {
        let mut value = document.value();
        let before = value.clone();
        let mut operations = patch(&document, &intents).operations().to_vec();
        operations.push(Operation::Remove { path: pointer("/nope/x") });
        let failing = operations.len() - 1;
        let patch = Patch::from(operations);
        // Once while another value shares the nodes, once where they are written in place.
        let error = patch.apply(&mut value, &Limits::NONE).unwrap_err();
        prop_assert_eq!(error.operation, failing);
        prop_assert!(value.identical(&before));
        prop_assert!(value.same(&before), "another root");
        drop(before);
        prop_assert!(patch.apply(&mut value, &Limits::NONE).is_err());
        prop_assert_eq!(&Model::of(&value), &document);
        prop_assert_eq!(value.nodes(), document.nodes());
        prop_assert_eq!(value.written_bytes(), document.value().written_bytes());
        prop_assert_eq!(value.height(), document.value().height());
    }

    /// P3: nor does it change what is shared, be it only with somebody who took a part of it out.
    #[test]
    fn a_failed_batch_leaves_what_is_shared_as_it_was(
        document in document(), intents in vec(intent(0), 1..12), holds in vec(any::<Index>(), 1..6),
    ) {
        let mut value = document.value();
        let places: Vec<_> = document.places().into_iter().map(|(path, _)| pointer(&path)).collect();
        let held: Vec<_> = holds
            .iter()
            .map(|hold| {
                let path = hold.get(&places);
                (path, value.at(path).expect("a place of the document").clone())
            })
            .collect();
        let mut operations = patch(&document, &intents).operations().to_vec();
        operations.push(Operation::Remove { path: pointer("/nope/x") });
        let patch = Patch::from(operations);
        prop_assert!(patch.apply(&mut value, &Limits::NONE).is_err());
        for (path, part) in held {
            prop_assert!(value.at(path).is_some_and(|now| now.same(&part)), "{path} of {patch}");
        }
        prop_assert_eq!(Model::of(&value), document);
    }

    #[test]
    fn the_inverse_undoes_and_its_own_inverse_does_it_again((document, batches) in history()) {
        let mut value = document.value();
        let mut model = document.clone();
        let mut undo = Vec::new();
        for intents in batches {
            let patch = patch(&model, &intents);
            undo.push(inverse(&mut value, &patch));
            model = Model::of(&value);
        }
        let redo: Vec<_> = undo.iter().rev().map(|undo| inverse(&mut value, undo)).collect();
        prop_assert_eq!(Model::of(&value), document);
        for inverse in redo.iter().rev() {
            applied(&mut value, inverse);
        }
        prop_assert_eq!(Model::of(&value), model);
    }

    #[test]
    fn whatever_differs_lies_at_a_touched_path((document, batches) in history()) {
        let mut value = document.value();
        let mut before = document;
        for intents in batches {
            let patch = patch(&before, &intents);
            let applied = applied(&mut value, &patch);
            let touched: Vec<_> = applied.touched(&patch).iter().collect();
            prop_assert!(touched.len() <= 2 * patch.operations().len());
            let after = Model::of(&value);
            let mut found = Vec::new();
            differing(Some(&before), Some(&after), "", &mut found);
            for path in found {
                let path = pointer(&path);
                let covered = touched.iter().any(|touched| touched.overlaps(&path));
                prop_assert!(covered, "{path} of {touched:?}: {patch}");
            }
            before = after;
        }
    }
}
