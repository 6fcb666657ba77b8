//! What is written, and read back.

use headwater_doc::{Extensions, Limits, Patch, Value};
use proptest::prelude::*;

use super::{
    applied,
    documents::document,
    intents::{history, patch},
    parsed,
};
use crate::model::{Model, ModelNumber};

proptest! {
    #[test]
    fn a_patch_is_bounded_and_read_back_from_its_text((document, batches) in history()) {
        let patch = patch(&document, &batches.concat());
        let text = patch.to_string();
        let bytes = text.len() as u64;
        prop_assert!(patch.written_bytes() >= bytes);
        prop_assert_eq!(patch.written_bytes(), patch.to_value().written_bytes());
        let read = Patch::parse(text.as_bytes(), &Limits::default(), Extensions::ALL);
        prop_assert_eq!(&read.unwrap(), &patch);
        let plain = Patch::parse(text.as_bytes(), &Limits::default(), Extensions::NONE);
        prop_assert_eq!(plain.is_ok(), patch.extensions() == Extensions::NONE);
    }

    /// Under limits that leave little room, so that some batches are refused by them.
    #[test]
    fn what_a_patch_was_allowed_to_make_is_read_back_under_the_same_limits(
        (document, batches) in history(),
        room in 0_u64..400,
    ) {
        let mut value = document.value();
        for intents in batches {
            let patch = patch(&Model::of(&value), &intents);
            let limits = Limits {
                depth: value.height() + u32::from(room > 100),
                bytes: value.written_bytes() + room,
                nodes: value.nodes() + room / 8,
            };
            let _refused = patch.apply(&mut value, &limits);
            let text = value.to_string();
            let read = Value::parse(text.as_bytes(), &limits);
            prop_assert!(read.is_ok_and(|read| read.identical(&value)), "{}", text);
        }
    }

    #[test]
    fn what_is_written_is_read_back_identical(document in document()) {
        let value = document.value();
        prop_assert_eq!(value.to_string(), document.text(false));
        for text in [value.to_string(), format!("{value:#}")] {
            let read = parsed(&text);
            prop_assert!(read.identical(&value), "{text}");
            prop_assert_eq!(Model::of(&read), document.clone());
        }
    }

    #[test]
    fn the_canonical_form_is_sorted_unique_and_its_own((document, batches) in history()) {
        let mut value = document.value();
        for intents in batches {
            let patch = patch(&Model::of(&value), &intents);
            applied(&mut value, &patch);
        }
        let model = Model::of(&value);
        let form = value.canonical();
        prop_assert_eq!(&form, &model.text(true));
        prop_assert_eq!(&parsed(&form).canonical(), &form);
        // However the value came to be, by patches or at once.
        let other = model.value();
        prop_assert!(other.identical(&value));
        prop_assert_eq!(other.canonical(), form);
        prop_assert_eq!(other.digest(), value.digest());
    }
}

/// Found by a random document: there are two shortest texts, and the standard library takes the other.
#[test]
fn of_two_texts_that_are_equally_near_the_even_one_is_written() {
    let number = Model::Number(ModelNumber::double(-255_075_791_735_357.0 - 0.625));
    let value = number.value();
    assert_eq!(value.to_string(), "-255075791735357.62");
    assert_eq!(value.canonical(), "-255075791735357.62");
    assert_eq!(number.text(false), "-255075791735357.62");
}
