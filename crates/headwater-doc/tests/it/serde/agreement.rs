//! The same types through this crate and through `serde_json`, against each other.

use headwater_doc::{Limits, Operation, Patch, Value, from_value, to_value};
use proptest::{
    collection::{btree_map, vec},
    prelude::*,
    sample::{Index, select},
};

use super::{Doing, Id, Player, Position, Slot, Unit, value};
use crate::model::Model;

fn finite() -> impl Strategy<Value = f64> {
    any::<f64>().prop_filter("finite", |double| double.is_finite())
}

fn position() -> impl Strategy<Value = Position> {
    // Where two shortest forms are equally near, serde_json takes the even one and the standard
    // library the upper one.
    let single = any::<f32>().prop_filter("finite, of one shortest form", |float| {
        let form = serde_json::to_string(float).unwrap_or_default();
        float.is_finite() && form.parse::<f64>() == format!("{float:?}").parse()
    });
    (finite(), single, any::<i8>()).prop_map(|(x, y, z)| Position(x, y, z))
}

fn doing() -> impl Strategy<Value = Doing> {
    prop_oneof![
        Just(Doing::Idle),
        position().prop_map(Doing::Walk),
        any::<(u16, Option<i32>)>().prop_map(|(item, price)| Doing::Trade(item, price)),
        any::<(String, bool)>().prop_map(|(text, loud)| Doing::Say { text, loud }),
    ]
}

pub(super) fn player() -> impl Strategy<Value = Player> {
    let scalars = any::<(String, char, u32, i64, u64, bool)>();
    let slot = prop_oneof![Just(Slot::Head), Just(Slot::Hand)];
    let slots = btree_map(slot, any::<(u8, String)>(), 0..3);
    let rates = btree_map(".{0,20}", prop::option::of(finite()), 0..4);
    let rest = (
        prop::option::of(position()),
        doing(),
        vec(doing(), 0..4),
        slots,
        rates,
    );
    let mounted = (scalars, rest).prop_map(
        |((name, symbol, hp, debt, born, alive), (position, doing, done, slots, rates))| Player {
            name: Id(name),
            symbol,
            hp,
            debt,
            born,
            alive,
            nothing: (),
            unit: Unit,
            position,
            doing,
            done,
            slots,
            rates,
            mount: None,
        },
    );
    vec(mounted, 1..3).prop_map(|players| {
        let mount = |mount: Option<Box<Player>>, player| Some(Box::new(Player { mount, ..player }));
        *players.into_iter().fold(None, mount).expect("one at least")
    })
}

/// Something else at some place of a document.
pub(super) fn spoilt(document: &Value, place: Index, by: Option<&str>) -> Value {
    let places = Model::of(document);
    let places: Vec<_> = places.places().into_iter().map(|(path, _)| path).collect();
    let path = place.get(&places).parse().unwrap();
    let operation = match by {
        Some(text) => Operation::Replace {
            path,
            value: value(text),
        },
        None => Operation::Remove { path },
    };
    let mut spoilt = document.clone();
    let _removes_the_whole = Patch::from(vec![operation]).apply(&mut spoilt, &Limits::NONE);
    spoilt
}

pub(super) const SPOILS: [&str; 20] = [
    "null",
    "true",
    "0",
    "-1",
    "255",
    "65536",
    "1.0",
    "1.5",
    "1e300",
    "\"\"",
    "\"é\"",
    "\"Idle\"",
    "\"Walk\"",
    "[]",
    "[0,null]",
    "[1.5,2,3]",
    "{}",
    "{\"Idle\":null}",
    "{\"Walk\":[1,2,3]}",
    "{\"Idle\":1,\"Walk\":2}",
];

proptest! {
    #[test]
    fn documents_are_those_that_serde_json_makes(player in player()) {
        let value = to_value(&player).unwrap();
        // As text, in which serde_json has all digits of an f32 that it is given.
        let text = serde_json::to_string(&player).unwrap();
        prop_assert!(super::value(&text).identical(&value), "{text}\n{value}");
        prop_assert_eq!(from_value::<Player>(&value).unwrap(), player);
        let foreign = serde_json::to_value(&value).unwrap();
        prop_assert!(serde_json::from_value::<Value>(foreign).unwrap().identical(&value));
    }

    #[test]
    fn whatever_serde_json_reads_is_read_alike_and_nothing_else(
        player in player(),
        place: Index,
        by in prop::option::weighted(0.8, select(&SPOILS[..])),
    ) {
        let document = spoilt(&to_value(&player).unwrap(), place, by);
        let foreign = serde_json::to_value(&document).unwrap();
        let expected = serde_json::from_value::<Player>(foreign);
        let read = from_value::<Player>(&document);
        match (read, expected) {
            (Ok(read), Ok(expected)) => prop_assert_eq!(read, expected),
            (Err(error), Err(_)) => {
                // What is wrong is there, or lacks something.
                prop_assert!(document.at(&error.path).is_some(), "{error} in {document}");
            }
            // A float that is no f32, of which serde_json makes an infinity.
            (Err(error), Ok(_)) => {
                prop_assert!(error.to_string().ends_with("expected f32, found 1e300"), "{error}");
            }
            (Ok(_), Err(expected)) => prop_assert!(false, "{expected}: {document}"),
        }
    }

    #[test]
    fn every_f32_comes_back(bits: u32) {
        let float = f32::from_bits(bits);
        if float.is_finite() {
            let value = to_value(&float).unwrap();
            prop_assert_eq!(value.to_string().parse::<f32>().unwrap().to_bits(), bits);
            prop_assert_eq!(from_value::<f32>(&value).unwrap().to_bits(), bits);
        }
    }

    /// Rounded once, to the even one of two, as the standard library reads all its digits.
    #[test]
    fn a_number_is_rounded_to_the_nearest_f32(double in finite(), near: f32, integer: i64) {
        let above = f64::from(near.next_up());
        let near = f64::from(near);
        let midway = near + (above - near) / 2.0;
        for double in [double, near, midway, midway.next_up(), midway.next_down()] {
            let Ok(number) = Value::try_from(double) else { continue };
            let expected: f32 = format!("{double:.1080}").parse().unwrap();
            let read = from_value::<f32>(&number).ok();
            prop_assert_eq!(read, Some(expected).filter(|single| single.is_finite()), "{}", number);
        }
        let read = from_value::<f32>(&Value::from(integer)).unwrap();
        prop_assert_eq!(read, integer.to_string().parse::<f32>().unwrap());
    }
}
