//! Documents made out of older ones: the same as without, and sharing all that did not change.

use std::{
    collections::{BTreeMap, HashMap},
    panic::{self, AssertUnwindSafe},
};

use headwater_doc::{Extensions, Limits, SerializeError, Value, View, diff, to_value};
use proptest::{
    collection::{btree_map, vec},
    prelude::*,
    sample::{Index, select},
};
use serde::{
    Serialize, Serializer,
    ser::{Error as _, SerializeMap as _, SerializeSeq as _, SerializeStruct as _},
};

use super::{
    Doing, Player, Position,
    agreement::{SPOILS, player, spoilt},
    nested, value,
};
use crate::properties::documents::document;

/// The document of a value, made both ways.
fn updated<T: Serialize + ?Sized>(old: &Value, new: &T) -> Result<Value, SerializeError> {
    let before = old.canonical();
    let (updated, fresh) = (old.updated(new), to_value(new));
    assert_eq!(old.canonical(), before);
    let (updated, fresh) = match (updated, fresh) {
        (Ok(updated), Ok(fresh)) => (updated, fresh),
        (updated, fresh) => {
            assert_eq!(updated.as_ref().err(), fresh.as_ref().err(), "{old}");
            return updated;
        }
    };
    assert!(updated.identical(&fresh), "{old}\n{fresh}\n{updated}");
    assert_eq!(updated.canonical(), fresh.canonical());
    assert_eq!(updated.nodes(), fresh.nodes());
    assert_eq!(updated.written_bytes(), fresh.written_bytes());
    assert!(updated.height() >= fresh.height());
    let patch = diff(old, &updated, Extensions::NONE);
    let mut patched = old.clone();
    patch.apply(&mut patched, &Limits::NONE).unwrap();
    assert!(patched.identical(&fresh));
    assert_shared(old, &updated);
    Ok(updated)
}

/// What is identical at the same place is one in memory.
fn assert_shared(old: &Value, new: &Value) {
    if old.identical(new) {
        assert!(old.same(new), "not shared: {old}");
        return;
    }
    match (old.view(), new.view()) {
        (View::Array(old), View::Array(new)) => {
            old.iter()
                .zip(new.iter())
                .for_each(|(old, new)| assert_shared(old, new));
        }
        (View::Object(old), View::Object(new)) => {
            for (name, new) in new {
                if let Some(old) = old.get(name) {
                    assert_shared(old, new);
                }
            }
        }
        _ => {}
    }
}

/// A record with all that can move its fields, of few values, so that many are equal.
#[derive(Clone, Debug, Serialize)]
struct Thing {
    #[serde(skip_serializing_if = "Option::is_none")]
    tag: Option<&'static str>,
    z: bool,
    pair: Pair,
    #[serde(skip_serializing_if = "Option::is_none")]
    a: Option<f32>,
    doing: Doing,
    slots: BTreeMap<String, Vec<bool>>,
    loose: Loose,
}

/// The same names in either order.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(untagged)]
enum Pair {
    Ab { a: u8, b: u8 },
    Ba { b: u8, a: u8 },
}

#[derive(Clone, Debug, Serialize)]
struct Loose {
    a: u8,
    #[serde(flatten)]
    rest: BTreeMap<String, u8>,
}

fn thing() -> impl Strategy<Value = Thing> {
    let tag = select(&[None, Some("t"), Some("a tag of more than fourteen bytes")][..]);
    let doing = select(vec![
        Doing::Idle,
        Doing::Walk(Position(0.0, 0.5, 1)),
        Doing::Walk(Position(0.0, 0.1, 1)),
        Doing::Trade(1, None),
        Doing::Trade(1, Some(2)),
        Doing::Say {
            text: "a text of more than fourteen bytes".to_owned(),
            loud: true,
        },
    ]);
    let names = select(&["b", "q", "zz", "a name of more than fourteen bytes"][..]);
    let names = names.prop_map(str::to_owned);
    let slots = btree_map(names.clone(), vec(any::<bool>(), 0..2), 0..3);
    // Now and then one of the names is that of the field, which is refused.
    let names = prop_oneof![200 => names, 1 => Just("a".to_owned())];
    let loose = btree_map(names, 0..2_u8, 0..2).prop_map(|rest| Loose { a: 0, rest });
    let pair = (0..2_u8, 0..2_u8, any::<bool>()).prop_map(|(a, b, turned)| match turned {
        false => Pair::Ab { a, b },
        true => Pair::Ba { b, a },
    });
    let a = select(&[None, Some(0.1_f32), Some(1.0)][..]);
    (tag, any::<bool>(), pair, a, doing, slots, loose).prop_map(
        |(tag, z, pair, a, doing, slots, loose)| Thing {
            tag,
            z,
            pair,
            a,
            doing,
            slots,
            loose,
        },
    )
}

/// Members as they come.
struct Entries<'a, V>(&'a [(String, V)]);

impl<V: Serialize> Serialize for Entries<'_, V> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(name, value)| (name, value)))
    }
}

/// A struct whose fields come and go, change places, and may be repeated, which is refused.
#[derive(Clone, Debug)]
struct Loosely(Vec<(&'static str, u8)>);

impl Serialize for Loosely {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut fields = serializer.serialize_struct("Loosely", self.0.len())?;
        for (name, value) in &self.0 {
            fields.serialize_field(name, value)?;
        }
        fields.end()
    }
}

/// Some fields of more than a small object has, in an order of three, changed here and there.
fn loosely() -> impl Strategy<Value = Loosely> {
    const NAMES: [&str; 40] = [
        "n00",
        "n01",
        "n02",
        "n03",
        "n04",
        "n05",
        "n06",
        "n07",
        "n08",
        "n09",
        "n10",
        "n11",
        "n12",
        "n13",
        "n14",
        "n15",
        "n16",
        "n17",
        "n18",
        "n19",
        "n20",
        "n21",
        "n22",
        "n23",
        "n24",
        "n25",
        "n26",
        "n27",
        "n28",
        "n29",
        "n30",
        "n31",
        "n32",
        "n33",
        "n34",
        "n35",
        "n36",
        "n37",
        "n38",
        "a name of more than fourteen bytes",
    ];
    let len = select(&[0, 1, 3, 31, 32, 33, 40][..]);
    let moved = vec((any::<Index>(), any::<Index>()), 0..3);
    let repeated = prop::option::weighted(0.01, any::<(Index, Index)>());
    let first = select(&[0, 5][..]);
    (len, first, moved, repeated, vec(0..2_u8, 40)).prop_map(
        |(len, first, moved, repeated, values)| {
            let mut names = NAMES.to_vec();
            names.rotate_left(first);
            names.truncate(len);
            for (from, to) in moved.into_iter().filter(|_| len > 0) {
                names.swap(from.index(len), to.index(len));
            }
            if let Some((from, to)) = repeated
                && len > 0
            {
                names[to.index(len)] = names[from.index(len)];
            }
            Loosely(names.into_iter().zip(values).collect())
        },
    )
}

proptest! {
    #[test]
    fn fields_are_updated_whatever_order_they_come_in(
        versions in vec(vec(loosely(), 0..8), 2..5),
    ) {
        let mut old = Value::NULL;
        for records in versions {
            old = updated(&old, &records).unwrap_or(old);
        }
    }

    #[test]
    fn any_document_is_updated_to_any_other(old in document(), new in document()) {
        // Numbers of a document that no type of serde holds are refused.
        let _refused = updated(&old.value(), &new.value());
    }

    #[test]
    fn a_document_is_updated_to_what_became_of_it(
        document in document(),
        spoils in vec((any::<Index>(), prop::option::weighted(0.8, select(&SPOILS[..]))), 0..6),
    ) {
        let (old, mut new) = (document.value(), document.value());
        for (place, by) in spoils {
            new = spoilt(&new, place, by);
        }
        let _refused = updated(&old, &new);
    }

    #[test]
    fn records_are_updated_in_a_list_and_in_maps(
        versions in vec(vec(thing(), 0..80), 2..4),
        kept in vec(any::<bool>(), 80),
        order in vec(any::<Index>(), 80),
    ) {
        let mut things: Vec<Thing> = Vec::new();
        let (mut list, mut map, mut unsorted) = (Value::NULL, value("[]"), value("{}"));
        for version in versions {
            let kept = things.iter().zip(&kept);
            let kept: Vec<_> = kept.map(|(thing, &kept)| kept.then(|| thing.clone())).collect();
            things = version;
            for (thing, kept) in things.iter_mut().zip(kept) {
                *thing = kept.unwrap_or_else(|| thing.clone());
            }
            list = updated(&list, &things).unwrap_or(list);
            let named = |(at, thing): (usize, &Thing)| (format!("{}", at * 7 % 80), thing.clone());
            let mut entries: Vec<_> = things.iter().enumerate().map(named).collect();
            let sorted: BTreeMap<_, _> = entries.iter().cloned().collect();
            map = updated(&map, &sorted).unwrap_or(map);
            for (at, other) in order.iter().enumerate().take(entries.len()) {
                let other = other.index(entries.len());
                entries.swap(at, other);
            }
            unsorted = updated(&unsorted, &Entries(&entries)).unwrap_or(unsorted);
        }
    }

    #[test]
    fn players_are_updated(first in player(), second in player()) {
        let old = to_value(&first).unwrap();
        assert!(updated(&old, &first).unwrap().same(&old));
        updated(&old, &second).unwrap();
        let changed = Player { hp: first.hp ^ 1, done: second.done, ..first };
        updated(&old, &changed).unwrap();
    }
}

#[test]
fn a_number_keeps_its_new_form() {
    let old = value("[1,1.0,0.0,18446744073709551616]");
    let new = updated(&old, &(1.0, 1, -0.0, u128::from(u64::MAX) + 1)).unwrap();
    assert_eq!(new.to_string(), "[1.0,1,-0.0,18446744073709551616]");
}

/// Large objects and arrays grow, shrink and change by few and by many.
#[test]
fn large_containers_are_updated_by_parts_and_as_a_whole() {
    let mut map: HashMap<String, (usize, String)> = HashMap::new();
    let mut list: Vec<(usize, String)> = Vec::new();
    let (mut old_map, mut old_list) = (value("{}"), value("[]"));
    let entry = |at: usize| (at, format!("the text of entry number {at}"));
    for (round, len) in [40, 1_000, 1_001, 999, 990, 500, 33, 32, 18, 17, 100, 1, 0]
        .into_iter()
        .enumerate()
    {
        for step in [1, 3, 100] {
            map.retain(|_, (at, _)| *at < len);
            list.truncate(len);
            for at in 0..len {
                map.entry(format!("n{at}")).or_insert_with(|| entry(at));
            }
            list.extend((list.len()..len).map(entry));
            for at in (0..len).step_by(step) {
                map.insert(format!("n{at}"), (at, format!("{round} {step}")));
                list[at].1 = format!("in round {round}, step {step}");
            }
            old_map = updated(&old_map, &map).unwrap();
            old_list = updated(&old_list, &list).unwrap();
            assert!(updated(&old_map, &map).unwrap().same(&old_map));
            assert!(updated(&old_list, &list).unwrap().same(&old_list));
        }
    }
}

#[test]
fn a_repeated_name_is_refused_whether_it_was_there_or_not() {
    let names = |names: &[&str]| -> Vec<(String, u8)> {
        names.iter().map(|name| ((*name).to_owned(), 1)).collect()
    };
    let large: Vec<_> = (0..200).map(|at| (format!("n{at}"), 1)).collect();
    let olds = [
        value("null"),
        value("{}"),
        value(r#"{"a":1,"b":1}"#),
        value(r#"{"a":1,"b":1,"c":1}"#),
        to_value(&Entries(&large)).unwrap(),
    ];
    for old in olds {
        for repeated in [&["b", "a", "b"][..], &["d", "c", "b", "c", "d"], &["", ""]] {
            assert!(updated(&old, &Entries(&names(repeated))).is_err());
            let mut large = large.clone();
            large.extend(names(repeated));
            assert!(updated(&old, &Entries(&large)).is_err());
        }
        let mut twice = large.clone();
        twice.extend(large[7..9].iter().cloned());
        assert!(updated(&old, &Entries(&twice)).is_err());
    }
}

#[test]
fn the_limit_of_depth_is_that_of_a_new_document() {
    let (fits, deeper) = (nested(128), nested(129));
    assert!(updated(&fits, &fits).unwrap().same(&fits));
    assert!(updated(&deeper, &fits).is_ok());
    assert!(updated(&fits, &deeper).is_err());
    assert!(updated(&deeper, &deeper).is_err());
}

/// Some parts that fail or panic, and containers that take no notice.
#[derive(Clone, Copy, Debug)]
enum Faulty {
    Fine(u8),
    Fails,
    Panics,
}

impl Serialize for Faulty {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut elements = serializer.serialize_seq(None)?;
        elements.serialize_element(&[7, 8])?;
        elements.serialize_element(&BTreeMap::from([("left", "over"), ("behind", "")]))?;
        match self {
            Self::Fine(number) => elements.serialize_element(number)?,
            Self::Fails => return Err(S::Error::custom("a fault")),
            Self::Panics => panic!("a fault"),
        }
        elements.end()
    }
}

struct Unmoved<'a> {
    parts: &'a [Faulty],
    kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Elements,
    Entries,
    Fields,
}

impl Serialize for Unmoved<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.kind == Kind::Entries {
            let mut members = serializer.serialize_map(None)?;
            for (name, part) in ('a'..).zip(self.parts) {
                let _fault = panic::catch_unwind(AssertUnwindSafe(|| {
                    members.serialize_entry(&name, part).is_ok()
                }));
            }
            return members.end();
        }
        if self.kind == Kind::Fields {
            let mut fields = serializer.serialize_struct("Unmoved", self.parts.len())?;
            for (name, part) in ["a", "b", "c", "d", "e"].into_iter().zip(self.parts) {
                let _fault = panic::catch_unwind(AssertUnwindSafe(|| {
                    fields.serialize_field(name, part).is_ok()
                }));
            }
            return fields.end();
        }
        let mut elements = serializer.serialize_seq(None)?;
        for part in self.parts {
            let _fault = panic::catch_unwind(AssertUnwindSafe(|| {
                elements.serialize_element(part).is_ok()
            }));
        }
        elements.end()
    }
}

#[test]
fn what_a_fault_left_behind_is_in_no_document() {
    let fine = [
        Faulty::Fine(1),
        Faulty::Fine(2),
        Faulty::Fine(3),
        Faulty::Fine(4),
    ];
    for fault in [Faulty::Fails, Faulty::Panics] {
        for at in 0..=4 {
            let mut parts = fine.to_vec();
            parts.insert(at, fault);
            for kind in [Kind::Elements, Kind::Entries, Kind::Fields] {
                let parts = Unmoved {
                    parts: &parts,
                    kind,
                };
                let whole = ('a'..).zip(parts.parts);
                let whole: BTreeMap<_, _> = whole
                    .filter(|(_, part)| matches!(part, Faulty::Fine(_)))
                    .collect();
                let expected = if kind == Kind::Elements {
                    to_value(&fine).unwrap()
                } else {
                    to_value(&whole).unwrap()
                };
                assert!(to_value(&parts).unwrap().identical(&expected));
                let olds = [
                    Value::NULL,
                    expected.clone(),
                    to_value(&fine).unwrap(),
                    value("[[],2,3]"),
                    value(r#"{"b":[],"x":1}"#),
                ];
                for old in &olds {
                    let updated = updated(old, &parts).unwrap();
                    assert!(updated.identical(&expected), "{updated}");
                }
                // A second time, when it is known where the fields stand.
                let old = to_value(&["first", "second"].map(|name| (name, &whole))).unwrap();
                let twice = ["first", "second"].map(|name| (name, &parts));
                let expected = ["first", "second"].map(|name| (name, &expected));
                let expected = to_value(&expected).unwrap();
                assert!(updated(&old, &twice).unwrap().identical(&expected));
            }
        }
    }
}

#[test]
fn a_fault_leaves_the_old_document_as_it_was() {
    let old = to_value(&[Faulty::Fine(1), Faulty::Fine(2)]).unwrap();
    let text = old.to_string();
    assert!(updated(&old, &[Faulty::Fine(3), Faulty::Fails]).is_err());
    let panics = panic::catch_unwind(|| old.updated(&[Faulty::Fine(3), Faulty::Panics]));
    assert!(panics.is_err());
    assert_eq!(old.to_string(), text);
}
