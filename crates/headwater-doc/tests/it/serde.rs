//! Documents made of Rust values and read into them, as `serde_json` does it where it does it right.

mod agreement;
mod refusals;
mod updates;

use std::{
    borrow::Cow,
    collections::{BTreeMap, HashMap},
    fmt,
};

use headwater_doc::{Limits, Text, Value, from_value, to_value};
use serde::{Deserialize, Serialize, Serializer, de::DeserializeOwned};

fn value(text: &str) -> Value {
    Value::parse(text.as_bytes(), &Limits::NONE)
        .unwrap_or_else(|error| panic!("{error}: {text:.200}"))
}

fn nested(depth: usize) -> Value {
    value(&format!("{}{}", "[".repeat(depth), "]".repeat(depth)))
}

/// What a value becomes, which reads back as the same value.
fn round_trip<T: Serialize + DeserializeOwned + PartialEq + fmt::Debug>(original: T) -> String {
    let value = to_value(&original).unwrap_or_else(|error| panic!("{error}: {original:?}"));
    let read: T = from_value(&value).unwrap_or_else(|error| panic!("{error}: {value}"));
    assert_eq!(read, original);
    value.to_string()
}

fn refused<T: Serialize + ?Sized>(original: &T) -> String {
    to_value(original).unwrap_err().to_string()
}

fn misread<T: DeserializeOwned + fmt::Debug>(text: &str) -> String {
    from_value::<T>(&value(text)).unwrap_err().to_string()
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Unit;

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
struct Id(String);

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Position(f64, f32, i8);

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
enum Slot {
    Head,
    Hand,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
enum Doing {
    Idle,
    Walk(Position),
    Trade(u16, Option<i32>),
    Say { text: String, loud: bool },
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Player {
    name: Id,
    symbol: char,
    hp: u32,
    debt: i64,
    born: u64,
    alive: bool,
    nothing: (),
    unit: Unit,
    position: Option<Position>,
    doing: Doing,
    done: Vec<Doing>,
    slots: BTreeMap<Slot, (u8, String)>,
    rates: BTreeMap<String, Option<f64>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    mount: Option<Box<Self>>,
}

#[test]
fn every_kind_of_type_round_trips() {
    assert_eq!(round_trip(()), "null");
    assert_eq!(round_trip(Unit), "null");
    assert_eq!(round_trip(None::<u8>), "null");
    assert_eq!(round_trip(Some(7_u8)), "7");
    assert_eq!(round_trip(true), "true");
    assert_eq!(round_trip('é'), "\"é\"");
    assert_eq!(round_trip("x".repeat(5_000)).len(), 5_002);
    assert_eq!(round_trip(Id("ada".to_owned())), "\"ada\"");
    assert_eq!(
        round_trip((1, "two".to_owned(), [3.0])),
        r#"[1,"two",[3.0]]"#
    );
    assert_eq!(round_trip(Position(0.5, 0.1, -1)), "[0.5,0.1,-1]");
    assert_eq!(round_trip(Vec::<u8>::new()), "[]");
    assert_eq!(round_trip((0..100).collect::<Vec<_>>()).len(), 291);
    assert_eq!(round_trip(Doing::Idle), "\"Idle\"");
    assert_eq!(
        round_trip(Doing::Walk(Position(1.0, 2.5, 3))),
        r#"{"Walk":[1.0,2.5,3]}"#
    );
    assert_eq!(round_trip(Doing::Trade(3, None)), r#"{"Trade":[3,null]}"#);
    let say = Doing::Say {
        text: "hi".to_owned(),
        loud: true,
    };
    assert_eq!(round_trip(say), r#"{"Say":{"loud":true,"text":"hi"}}"#);
}

#[test]
fn a_map_takes_keys_that_are_strings_or_become_one() {
    let unsorted = [("b", 1), ("a", 2), ("~/", 3)];
    let unsorted: HashMap<_, _> = unsorted.map(|(name, rank)| (name.to_owned(), rank)).into();
    assert_eq!(round_trip(unsorted), r#"{"a":2,"b":1,"~/":3}"#);
    let slots = BTreeMap::from([(Slot::Head, 1), (Slot::Hand, 2)]);
    assert_eq!(round_trip(slots), r#"{"Hand":2,"Head":1}"#);
    let ids = BTreeMap::from([(Id("ada".to_owned()), ())]);
    assert_eq!(round_trip(ids), r#"{"ada":null}"#);
    assert_eq!(round_trip(BTreeMap::from([('é', 1)])), r#"{"é":1}"#);
}

#[test]
fn integers_are_exact_however_large() {
    assert_eq!(round_trip(u64::MAX), u64::MAX.to_string());
    assert_eq!(round_trip(i64::MIN), i64::MIN.to_string());
    assert_eq!(round_trip(u128::MAX), u128::MAX.to_string());
    assert_eq!(round_trip(i128::MIN), i128::MIN.to_string());
    assert_eq!(round_trip(i128::MAX), i128::MAX.to_string());
    assert_eq!(round_trip(-1_i128), "-1");
    assert_eq!(round_trip(u128::from(u64::MAX) + 1), "18446744073709551616");
    // The very values that a text has.
    assert!(to_value(&7_u128).unwrap().identical(&value("7")));
    let beyond = to_value(&u128::MAX).unwrap();
    assert!(beyond.identical(&value(&u128::MAX.to_string())));
}

#[test]
fn floats_keep_their_shortest_form() {
    assert_eq!(round_trip(0.1_f32), "0.1");
    assert_eq!(round_trip(16_777_216_f32), "16777216.0");
    assert_eq!(round_trip(f32::MAX), "3.4028235e38");
    assert_eq!(round_trip(f32::from_bits(1)), "1e-45");
    assert_eq!(round_trip(0.1_f64), "0.1");
    assert_eq!(round_trip(1_f64), "1.0");
    assert_eq!(round_trip(f64::MAX), "1.7976931348623157e308");
    assert_eq!(to_value(&-0.0_f64).unwrap().to_string(), "-0.0");
    assert_eq!(to_value(&-0.0_f32).unwrap().to_string(), "-0.0");
}

/// The one positive `f32` whose shortest digits, read as a double and then rounded, give another: the
/// double lies midway between the two.
#[test]
fn a_single_float_whose_digits_lie_midway_comes_back() {
    for bits in [0x15ae_43fd, 0x95ae_43fd_u32] {
        let float = f32::from_bits(bits);
        let value = to_value(&float).unwrap();
        let digits = value.as_f64().unwrap();
        let (below, above) = (float.next_down(), float.next_up());
        let midway = |other: f32| (f64::from(float) + f64::from(other)) / 2.0;
        assert!(digits == midway(below) || digits == midway(above));
        assert_eq!(from_value::<f32>(&value).unwrap().to_bits(), bits);
    }
}

#[test]
fn bytes_are_an_array_of_numbers() {
    struct Bytes(&'static [u8]);
    impl Serialize for Bytes {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            serializer.serialize_bytes(self.0)
        }
    }
    assert_eq!(to_value(&Bytes(&[0, 255])).unwrap().to_string(), "[0,255]");
    assert_eq!(from_value::<Vec<u8>>(&value("[0,255]")).unwrap(), [0, 255]);
}

#[test]
fn strings_are_borrowed_where_they_are_in_one_piece() {
    #[derive(Debug, PartialEq, Deserialize)]
    struct Borrowed<'a> {
        short: &'a str,
        long: &'a str,
        #[serde(borrow)]
        either: Cow<'a, str>,
        #[serde(borrow)]
        map: BTreeMap<&'a str, &'a str>,
    }
    let document = value(
        r#"{"short":"ada","long":"of more than fourteen bytes","either":"e","map":{"key":"v"}}"#,
    );
    let read: Borrowed<'_> = from_value(&document).unwrap();
    assert_eq!(
        (read.short, read.long),
        ("ada", "of more than fourteen bytes")
    );
    assert!(matches!(read.either, Cow::Borrowed("e")));
    assert_eq!(read.map, BTreeMap::from([("key", "v")]));
    let held = document.at(&"/long".parse().unwrap()).unwrap();
    let held = held.as_text().and_then(Text::as_str);
    assert_eq!(held.unwrap().as_ptr(), read.long.as_ptr());
}

#[test]
fn a_string_in_several_pieces_is_joined() {
    // Even of a string of this length nothing is lost where it names a variant.
    let long = "é".repeat(10_000);
    let document = Value::from(long.as_str());
    assert!(document.as_text().unwrap().runs().count() > 1);
    assert_eq!(from_value::<String>(&document).unwrap(), long);
    assert_eq!(from_value::<Cow<'_, str>>(&document).unwrap(), long);
    let error = from_value::<&str>(&document).unwrap_err();
    assert_eq!(
        error.to_string(),
        "expected a borrowed string, found a string"
    );
    let error = from_value::<Slot>(&document).unwrap_err();
    let expected = format!(
        "unknown variant {:?}, expected \"Head\" or \"Hand\"",
        "é".repeat(64)
    );
    assert_eq!(error.to_string(), expected);
    assert_eq!(to_value(&document).unwrap(), document);
}

#[test]
fn variants_may_be_held_as_other_tools_write_them() {
    // Fields by place, and a unit variant that holds null.
    assert_eq!(
        from_value::<Doing>(&value(r#"{"Idle":null}"#)).unwrap(),
        Doing::Idle
    );
    let say = from_value::<Doing>(&value(r#"{"Say":["hi",false]}"#)).unwrap();
    assert!(matches!(say, Doing::Say { loud: false, .. }));
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    #[serde(tag = "kind")]
    enum Tagged {
        Walk { to: i32 },
    }
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    #[serde(untagged)]
    enum Untagged {
        Number(f64),
        Texts(Vec<String>),
    }
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Flat {
        id: u8,
        #[serde(flatten)]
        rest: BTreeMap<String, Value>,
    }
    assert_eq!(
        round_trip(Tagged::Walk { to: 1 }),
        r#"{"kind":"Walk","to":1}"#
    );
    assert_eq!(round_trip(Untagged::Number(0.5)), "0.5");
    assert_eq!(round_trip(Untagged::Texts(vec![String::new()])), "[\"\"]");
    let rest = BTreeMap::from([("a".to_owned(), value(r#"{"b":[1.0,null]}"#))]);
    assert_eq!(
        round_trip(Flat { id: 1, rest }),
        r#"{"a":{"b":[1.0,null]},"id":1}"#
    );
}

#[test]
fn a_value_passes_through_every_format() {
    let text = concat!(
        r#"{"a":[null,true,1,-1,1.0,-0.0,18446744073709551615,""],"b":{},"#,
        r#""c":"longer than fourteen bytes"}"#
    );
    let document = value(text);
    assert!(to_value(&document).unwrap().identical(&document));
    assert!(from_value::<Value>(&document).unwrap().identical(&document));
    assert_eq!(serde_json::to_string(&document).unwrap(), text);
    assert!(
        serde_json::from_str::<Value>(text)
            .unwrap()
            .identical(&document)
    );
    let foreign = serde_json::to_value(&document).unwrap();
    assert!(
        serde_json::from_value::<Value>(foreign.clone())
            .unwrap()
            .identical(&document)
    );
    assert!(to_value(&foreign).unwrap().identical(&document));
    assert_eq!(from_value::<serde_json::Value>(&document).unwrap(), foreign);
    // Through a format whose strings must be unescaped first.
    assert_eq!(
        serde_json::from_str::<Value>(r#"{"\n":"\n"}"#).unwrap(),
        value(r#"{"\n":"\n"}"#)
    );
    // An f32 that a format hands over.
    let float = serde::de::value::F32Deserializer::<serde::de::value::Error>::new(0.1);
    assert_eq!(Value::deserialize(float).unwrap().to_string(), "0.1");
    let bytes = serde::de::value::BytesDeserializer::<serde::de::value::Error>::new(&[0, 255]);
    assert_eq!(Value::deserialize(bytes).unwrap().to_string(), "[0,255]");
}

#[test]
fn a_value_that_cannot_be_held_is_refused_whatever_its_format() {
    let error = serde_json::from_str::<Value>(r#"{"b":1,"a":1,"b":2}"#).unwrap_err();
    assert!(
        error.to_string().starts_with("name \"b\" repeated"),
        "{error}"
    );
    let nan = serde::de::value::F64Deserializer::<serde::de::value::Error>::new(f64::NAN);
    assert_eq!(
        Value::deserialize(nan).unwrap_err().to_string(),
        "float is not finite"
    );
    let infinite = serde::de::value::F32Deserializer::<serde::de::value::Error>::new(f32::INFINITY);
    assert_eq!(
        Value::deserialize(infinite).unwrap_err().to_string(),
        "float is not finite"
    );
    let keys = [(1_u8, 2_u8)];
    let keys =
        serde::de::value::MapDeserializer::<_, serde::de::value::Error>::new(keys.into_iter());
    let error = Value::deserialize(keys).unwrap_err();
    assert_eq!(
        error.to_string(),
        "invalid type: integer `1`, expected a string"
    );
}

#[test]
fn numbers_kept_as_text_pass_where_serde_has_a_type_for_them() {
    let digits = "123456789012345678901234567890";
    let document = value(digits);
    assert_eq!(from_value::<u128>(&document).unwrap().to_string(), digits);
    assert_eq!(from_value::<i128>(&document).unwrap().to_string(), digits);
    assert!(to_value(&document).unwrap().identical(&document));
    assert!(from_value::<Value>(&document).unwrap().identical(&document));
    assert_eq!(serde_json::to_string(&document).unwrap(), digits);
    assert_eq!(
        from_value::<f64>(&document).unwrap(),
        1.234_567_890_123_456_8e29
    );
    assert_eq!(from_value::<f32>(&document).unwrap(), 1.234_567_9e29);
    assert_eq!(from_value::<f64>(&value("1e-400")).unwrap(), 0.0);
    let unsigned = u128::MAX.to_string();
    assert_eq!(from_value::<u128>(&value(&unsigned)).unwrap(), u128::MAX);
    assert!(
        from_value::<Value>(&value(&unsigned))
            .unwrap()
            .identical(&value(&unsigned))
    );

    assert_eq!(
        misread::<u64>(digits),
        format!("expected u64, found {digits}")
    );
    assert_eq!(misread::<i8>("1e400"), "expected i8, found 1e400");
    assert_eq!(misread::<f64>("[1e400]"), "expected f64, found an array");
    assert_eq!(
        misread::<[f64; 1]>("[1e400]"),
        "/0: expected f64, found 1e400"
    );
    assert_eq!(misread::<f32>("1e300"), "expected f32, found 1e300");
    assert_eq!(misread::<f32>("-1e400"), "expected f32, found -1e400");
    assert_eq!(misread::<i128>("1e400"), "expected i128, found 1e400");
    assert_eq!(
        misread::<Value>("[1e-400]"),
        "/0: expected a JSON value, found 1e-400"
    );
    let long = "9".repeat(65);
    assert_eq!(
        misread::<u128>(&long),
        "expected u128, found a number of 65 bytes"
    );
    let message = "number fits neither 128 bits nor a double";
    assert_eq!(refused(&value("[[1e400]]")), format!("/0/0: {message}"));
    assert_eq!(
        serde_json::to_string(&value("1e400"))
            .unwrap_err()
            .to_string(),
        message
    );
}
