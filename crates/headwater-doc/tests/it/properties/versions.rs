//! What holds of every version of a document, beside the others.

use proptest::prelude::*;

use super::{
    applied,
    documents::document,
    intents::{history, patch},
    inverse, parsed,
};
use crate::model::Model;

proptest! {
    #[test]
    fn a_clone_is_untouched_by_later_writes((document, batches) in history()) {
        let mut value = document.value();
        let mut model = document;
        let mut versions = Vec::new();
        for intents in batches {
            versions.push((value.clone(), model.clone()));
            let patch = patch(&model, &intents);
            versions.push((patch.to_value(), Model::of(&patch.to_value())));
            let done = inverse(&mut value, &patch).to_value();
            versions.push((done.clone(), Model::of(&done)));
            model = Model::of(&value);
        }
        for (version, model) in versions {
            prop_assert_eq!(Model::of(&version), model);
        }
    }

    #[test]
    fn headers_count_what_a_walk_finds((document, batches) in history()) {
        let mut value = document.value();
        let mut versions = vec![value.clone(), parsed(&document.text(false))];
        for intents in batches {
            let patch = patch(&Model::of(&value), &intents);
            let done = inverse(&mut value, &patch);
            versions.push(value.clone());
            versions.push(done.to_value());
        }
        for version in versions {
            let model = Model::of(&version);
            prop_assert_eq!(version.nodes(), model.nodes());
            prop_assert!(version.height() >= model.height());
            let bytes = version.to_string().len() as u64;
            prop_assert!(version.written_bytes() >= bytes);
            prop_assert!(version.written_bytes() == bytes || model.has_inexact_numbers());
        }
    }

    #[test]
    fn equality_is_that_of_the_rfc((document, batches) in history(), other in document()) {
        let mut value = document.value();
        let mut versions = vec![document.clone(), document.respelled(), other];
        for intents in &batches {
            // One operation, so that little is different.
            let patch = patch(&Model::of(&value), &intents[..1]);
            applied(&mut value, &patch);
            versions.push(Model::of(&value));
        }
        let values: Vec<_> = versions.iter().map(Model::value).collect();
        for (left, value) in versions.iter().zip(&values) {
            for (right, other) in versions.iter().zip(&values) {
                prop_assert_eq!(value == other, left.equals(right), "{} {}", value, other);
                prop_assert_eq!(value.identical(other), left == right, "{} {}", value, other);
            }
        }
    }
}
