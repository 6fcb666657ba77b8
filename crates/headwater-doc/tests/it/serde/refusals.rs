//! What is no document, and documents that are not of a type: typed errors with their place.

use std::{collections::BTreeMap, fmt};

use headwater_doc::{
    DeserializeError, DeserializeReason, LimitExceeded, Limits, Operation, Patch, Pointer,
    SerializeError, SerializeReason, Value, from_value, to_value,
};
use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{
        DeserializeSeed, Error as _, IgnoredAny, IntoDeserializer as _, MapAccess, SeqAccess,
        Visitor, value::Error,
    },
    forward_to_deserialize_any,
    ser::{SerializeMap as _, SerializeSeq as _},
};

use super::{Doing, Position, Unit, misread, nested, refused, value};

#[test]
fn what_is_no_document_is_refused_with_its_place() {
    let float = |path: &str| format!("{path}float is not finite");
    assert_eq!(refused(&f64::NAN), float(""));
    assert_eq!(refused(&f32::NEG_INFINITY), float(""));
    assert_eq!(refused(&[0.0, f64::INFINITY]), float("/1: "));
    assert_eq!(
        to_value(&f64::NAN).unwrap_err(),
        SerializeError {
            path: Pointer::root(),
            reason: SerializeReason::NotFinite,
        }
    );
    let walk = Doing::Walk(Position(0.0, f32::NAN, 0));
    assert_eq!(refused(&walk), float("/Walk/1: "));
    #[derive(Serialize)]
    enum Inner {
        Fields { speed: f64 },
        Tuple(u8, f64),
    }
    assert_eq!(
        refused(&Inner::Fields { speed: f64::NAN }),
        float("/Fields/speed: ")
    );
    assert_eq!(
        refused(&(Some(Inner::Tuple(0, f64::NAN)),)),
        float("/0/Tuple/1: ")
    );
    let rates = BTreeMap::from([("a/b", [f64::NAN])]);
    assert_eq!(refused(&rates), float("/a~1b/0: "));
    let words = refused(&Failing);
    assert_eq!(words, "it would not");
    assert!(matches!(
        to_value(&Failing).unwrap_err().reason,
        SerializeReason::Custom { message } if message == "it would not"
    ));
}

struct Failing;

impl Serialize for Failing {
    fn serialize<S: Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
        Err(serde::ser::Error::custom("it would not"))
    }
}

/// Members as they come, whatever their keys.
struct Entries<K>(Vec<K>);

impl<K: Serialize> Serialize for Entries<K> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut members = serializer.serialize_map(Some(self.0.len()))?;
        for key in &self.0 {
            members.serialize_entry(key, &0)?;
        }
        members.end()
    }
}

#[test]
fn keys_that_are_no_strings_are_refused() {
    fn key(key: impl Serialize) -> String {
        let refused = to_value(&[Entries(vec![key])]).unwrap_err();
        assert_eq!(refused.path.as_str(), "/0");
        let SerializeReason::KeyNotString { found } = refused.reason else {
            panic!("{refused}");
        };
        found.to_owned()
    }
    assert_eq!(
        refused(&BTreeMap::from([(1_u8, ())])),
        "an integer cannot be a name, only a string can"
    );
    assert_eq!(key(true), "a boolean");
    assert_eq!(
        [key(1_i8), key(1_i16), key(1_i32), key(1_i64)],
        ["an integer"; 4]
    );
    assert_eq!(
        [key(1_u8), key(1_u16), key(1_u32), key(1_u64)],
        ["an integer"; 4]
    );
    assert_eq!([key(1_i128), key(1_u128)], ["an integer"; 2]);
    assert_eq!([key(1_f32), key(1_f64)], ["a float"; 2]);
    assert_eq!([key(Some("a")), key(None::<&str>)], ["an option"; 2]);
    assert_eq!([key(()), key(Unit)], ["null"; 2]);
    assert_eq!(
        [key([0]), key(vec![0]), key(Position(0.0, 0.0, 0))],
        ["an array"; 3]
    );
    assert_eq!(key(BTreeMap::<String, ()>::new()), "an object");
    let say = Doing::Say {
        text: String::new(),
        loud: false,
    };
    let walk = Doing::Walk(Position(0.0, 0.0, 0));
    assert_eq!(
        [key(say), key(walk), key(Doing::Trade(0, None))],
        ["an object"; 3]
    );
}

#[test]
fn a_key_that_is_repeated_is_refused() {
    assert_eq!(
        refused(&Entries(vec!["b", "a", "b"])),
        "name \"b\" repeated"
    );
    assert_eq!(
        refused(&[Entries(vec!["a", "a"])]),
        "/0: name \"a\" repeated"
    );
    #[derive(Serialize)]
    enum Say {
        Flat {
            a: u8,
            #[serde(flatten)]
            rest: BTreeMap<String, u8>,
        },
    }
    let rest = BTreeMap::from([("a".to_owned(), 1)]);
    assert_eq!(
        refused(&[Say::Flat { a: 0, rest }]),
        "/0/Flat: name \"a\" repeated"
    );
    #[derive(Serialize)]
    enum Twice {
        Renamed {
            a: u8,
            #[serde(rename = "a")]
            b: u8,
        },
    }
    assert_eq!(
        refused(&[Twice::Renamed { a: 0, b: 0 }]),
        "/0/Renamed: name \"a\" repeated"
    );
}

/// A length is a hint: memory goes by what comes.
#[test]
fn an_announced_length_is_not_believed() {
    struct Boasting;
    impl Serialize for Boasting {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            let mut elements = serializer.serialize_seq(Some(usize::MAX))?;
            elements.serialize_element(&1)?;
            elements.end()
        }
    }
    assert_eq!(to_value(&Boasting).unwrap().to_string(), "[1]");
}

#[test]
fn what_is_of_another_type_is_refused_with_its_place() {
    assert_eq!(
        misread::<BTreeMap<String, BTreeMap<String, u32>>>(r#"{"players":{"ada":{}}}"#),
        "/players/ada: expected u32, found an object"
    );
    assert_eq!(misread::<u32>("\"a\""), "expected u32, found a string");
    assert_eq!(misread::<u32>("null"), "expected u32, found null");
    assert_eq!(misread::<u32>("true"), "expected u32, found true");
    assert_eq!(misread::<u32>("[]"), "expected u32, found an array");
    assert_eq!(misread::<u8>("256"), "expected u8, found 256");
    assert_eq!(misread::<u8>("-1"), "expected u8, found -1");
    assert_eq!(misread::<i64>("1.0"), "expected i64, found 1.0");
    assert_eq!(misread::<u128>("1.0"), "expected u128, found 1.0");
    assert_eq!(misread::<String>("1"), "expected a string, found 1");
    assert_eq!(misread::<bool>("0"), "expected a boolean, found 0");
    assert_eq!(
        misread::<char>("\"ab\""),
        "expected a character, found a string"
    );
    assert_eq!(misread::<()>("0"), "expected unit, found 0");
    assert_eq!(misread::<Unit>("0"), "expected unit struct Unit, found 0");
    assert_eq!(misread::<Option<bool>>("0"), "expected a boolean, found 0");
    assert_eq!(
        misread::<Vec<u8>>("{}"),
        "expected a sequence, found an object"
    );
    assert_eq!(
        misread::<(u8, u8)>("[1]"),
        "expected a tuple of size 2, found length 1"
    );
    assert_eq!(
        misread::<(u8, u8)>("[1,2,3]"),
        "expected fewer elements, found length 3"
    );
    assert_eq!(
        misread::<Vec<(u8, u8)>>("[[1,2],[1]]"),
        "/1: expected a tuple of size 2, found length 1"
    );
    assert_eq!(
        misread::<BTreeMap<u8, u8>>(r#"{"1":1}"#),
        "expected u8, found a string"
    );
    assert_eq!(
        from_value::<u32>(&Value::NULL).unwrap_err(),
        DeserializeError {
            path: Pointer::root(),
            reason: DeserializeReason::WrongType {
                expected: "u32".to_owned(),
                found: "null".to_owned(),
            },
        }
    );
}

#[test]
fn structs_and_variants_that_do_not_fit_are_refused_with_their_place() {
    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "it is never read successfully")]
    struct Strict {
        #[serde(alias = "b")]
        a: u8,
    }
    #[derive(Debug, Deserialize)]
    enum Single {
        Only,
    }
    assert_eq!(misread::<[Strict; 1]>("[{}]"), "/0: no field \"a\"");
    assert_eq!(
        misread::<Strict>(r#"{"a":1,"b":1}"#),
        "field \"a\" repeated"
    );
    assert_eq!(
        misread::<Strict>(r#"{"c":1}"#),
        "unknown field \"c\", expected \"a\" or \"b\""
    );
    assert_eq!(misread::<Strict>("7"), "expected struct Strict, found 7");
    assert_eq!(
        misread::<Doing>("\"Fly\""),
        "unknown variant \"Fly\", expected \"Idle\", \"Walk\", \"Trade\" or \"Say\""
    );
    assert_eq!(
        misread::<Single>("\"\""),
        "unknown variant \"\", expected \"Only\""
    );
    assert_eq!(
        format!("{:?}", from_value::<Single>(&value("\"Only\""))),
        "Ok(Only)"
    );
    let wanted = "expected a string or an object of one member, found";
    assert_eq!(misread::<Doing>("{}"), format!("{wanted} length 0"));
    assert_eq!(
        misread::<Doing>(r#"{"Idle":null,"Say":1}"#),
        format!("{wanted} length 2")
    );
    assert_eq!(misread::<Doing>("7"), format!("{wanted} 7"));
    assert_eq!(misread::<Doing>("1e400"), format!("{wanted} 1e400"));
    assert_eq!(misread::<Doing>("null"), format!("{wanted} null"));
    assert_eq!(misread::<Doing>("[]"), format!("{wanted} an array"));
    let bare = "expected an object of one member, found the name of a variant that holds something";
    assert_eq!(misread::<Doing>("\"Walk\""), bare);
    assert_eq!(misread::<Doing>("\"Trade\""), bare);
    assert_eq!(misread::<Doing>("\"Say\""), bare);
    assert_eq!(
        misread::<Doing>(r#"{"Idle":0}"#),
        "/Idle: expected unit, found 0"
    );
    assert_eq!(
        misread::<Doing>(r#"{"Walk":[1,2,true]}"#),
        "/Walk/2: expected i8, found true"
    );
    assert_eq!(
        misread::<Doing>(r#"{"Trade":[1]}"#),
        "/Trade: expected tuple variant Doing::Trade with 2 elements, found length 1"
    );
    assert_eq!(
        misread::<Doing>(r#"{"Say":{"text":1}}"#),
        "/Say/text: expected a string, found 1"
    );
    assert_eq!(
        misread::<Doing>(r#"{"Say":{"text":""}}"#),
        "/Say: no field \"loud\""
    );
    let custom = misread::<[std::net::Ipv4Addr; 1]>("[\"x\"]");
    assert_eq!(custom, "/0: invalid IPv4 address syntax");
    assert!(matches!(
        from_value::<std::net::Ipv4Addr>(&value("\"x\""))
            .unwrap_err()
            .reason,
        DeserializeReason::Custom { .. }
    ));
}

/// Takes the first member of an object or element of an array.
#[derive(Debug)]
struct First;

impl<'de> Deserialize<'de> for First {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Self)
    }
}

impl<'de> Visitor<'de> for First {
    type Value = Self;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("anything")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Self, A::Error> {
        assert_eq!(elements.size_hint(), Some(2));
        elements.next_element::<u8>()?;
        assert_eq!(elements.size_hint(), Some(1));
        Ok(self)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Self, A::Error> {
        assert_eq!(members.size_hint(), Some(2));
        members.next_entry::<String, u8>()?;
        assert_eq!(members.size_hint(), Some(1));
        Ok(self)
    }
}

#[test]
fn what_a_type_leaves_unread_is_refused() {
    let expected = "expected fewer elements, found length 2";
    assert_eq!(misread::<First>("[1,2]"), expected);
    assert_eq!(misread::<First>(r#"{"a":1,"b":2}"#), expected);
    assert_eq!(
        misread::<First>(r#"{"a":true,"b":2}"#),
        "/a: expected u8, found true"
    );
}

/// A format without a bound of its own: so many levels of a kind, with `null` inside.
struct Endless {
    kind: Kind,
    levels: u32,
}

#[derive(Clone, Copy, Debug)]
enum Kind {
    Seq,
    Map,
    Some,
    Newtype,
}

impl Endless {
    fn next<T>(&mut self, read: impl FnOnce(Self) -> Result<T, Error>) -> Result<Option<T>, Error> {
        let Some(levels) = self.levels.checked_sub(1) else {
            return Ok(None);
        };
        self.levels = 0;
        let kind = self.kind;
        read(Self { kind, levels }).map(Some)
    }
}

impl<'de> Deserializer<'de> for Endless {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(mut self, visitor: V) -> Result<V::Value, Error> {
        if self.levels == 0 {
            return visitor.visit_unit();
        }
        match self.kind {
            Kind::Seq => visitor.visit_seq(self),
            Kind::Map => visitor.visit_map(self),
            Kind::Some | Kind::Newtype => {
                self.levels -= 1;
                match self.kind {
                    Kind::Some => visitor.visit_some(self),
                    _ => visitor.visit_newtype_struct(self),
                }
            }
        }
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit
        unit_struct newtype_struct seq tuple tuple_struct map struct enum identifier ignored_any
    }
}

impl<'de> SeqAccess<'de> for Endless {
    type Error = Error;

    fn next_element_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, Error> {
        self.next(|inside| seed.deserialize(inside))
    }
}

impl<'de> MapAccess<'de> for Endless {
    type Error = Error;

    fn next_key_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, Error> {
        if self.levels == 0 {
            return Ok(None);
        }
        seed.deserialize("a".into_deserializer()).map(Some)
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, Error> {
        let value = self.next(|inside| seed.deserialize(inside))?;
        value.ok_or_else(|| Error::custom("no value"))
    }
}

/// Scenario: a format of serde's that nests as deep as its input says. Failure: reading a [`Value`] from
/// it followed to the end of the stack, which aborts the process. Fix: levels are counted.
#[test]
fn a_format_without_a_bound_is_refused_at_the_limit_of_depth() {
    let read = |kind, levels| Value::deserialize(Endless { kind, levels });
    for kind in [Kind::Seq, Kind::Map, Kind::Some, Kind::Newtype] {
        let height = match kind {
            Kind::Seq | Kind::Map => 128,
            Kind::Some | Kind::Newtype => 0,
        };
        assert_eq!(read(kind, 128).unwrap().height(), height);
        for levels in [129, 1_000_000] {
            let error = read(kind, levels).unwrap_err();
            assert_eq!(error.to_string(), "deeper than 128 containers", "{kind:?}");
        }
    }
}

#[derive(Debug, Default, Serialize, Deserialize)]
struct Chain {
    next: Option<Box<Self>>,
}

#[test]
fn the_limit_of_depth_holds_in_both_directions() {
    let limit = LimitExceeded::Depth { limit: 128 };
    let (fits, deeper) = (nested(128), nested(129));
    assert!(to_value(&fits).unwrap().identical(&fits));
    assert!(from_value::<Value>(&fits).unwrap().identical(&fits));
    assert!(from_value::<IgnoredAny>(&fits).is_ok());
    assert!(serde_json::to_string(&fits).is_ok());

    let error = to_value(&deeper).unwrap_err();
    assert_eq!(error.path.as_str(), "/0".repeat(128));
    assert_eq!(error.reason, SerializeReason::Limit(limit));
    let error = from_value::<Value>(&deeper).unwrap_err();
    assert_eq!(error.to_string(), "deeper than 128 containers");
    assert_eq!(error.reason, DeserializeReason::Limit(limit));
    assert!(from_value::<IgnoredAny>(&deeper).is_err());
    let error = serde_json::to_string(&deeper).unwrap_err();
    assert_eq!(error.to_string(), "deeper than 128 containers");

    let chain = |links| {
        let link = |next| Chain {
            next: Some(Box::new(next)),
        };
        (1..links).fold(Chain::default(), |chain, _| link(chain))
    };
    let value = to_value(&chain(128)).unwrap();
    assert_eq!(value.height(), 128);
    assert!(from_value::<Chain>(&value).is_ok());
    let error = to_value(&chain(129)).unwrap_err();
    assert_eq!(error.path.as_str(), "/next".repeat(128));
    assert_eq!(error.reason, SerializeReason::Limit(limit));
}

/// Each kind of container counts, a variant's own object included.
#[test]
fn every_container_counts_as_depth() {
    struct Bytes;
    impl Serialize for Bytes {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            serializer.serialize_bytes(&[1])
        }
    }
    fn inside<T: Serialize>(depth: u32, value: &T) -> Result<u32, String> {
        struct Inside<'a, T>(u32, &'a T);
        impl<T: Serialize> Serialize for Inside<'_, T> {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                match self.0 {
                    0 => self.1.serialize(serializer),
                    _ => [Inside(self.0 - 1, self.1)].serialize(serializer),
                }
            }
        }
        let value = to_value(&Inside(depth, value));
        value.map(|value| value.height()).map_err(|error| {
            assert!(matches!(error.reason, SerializeReason::Limit(_)), "{error}");
            error.path.as_str().trim_start_matches("/0").to_owned()
        })
    }
    assert_eq!(inside(127, &Bytes), Ok(128));
    assert_eq!(inside(128, &Bytes), Err(String::new()));
    assert_eq!(
        inside(128, &BTreeMap::<String, ()>::new()),
        Err(String::new())
    );
    assert_eq!(inside(128, &Chain::default()), Err(String::new()));
    assert_eq!(inside(126, &Doing::Trade(0, None)), Ok(128));
    assert_eq!(
        inside(127, &Doing::Trade(0, None)),
        Err("/Trade".to_owned())
    );
    assert_eq!(inside(128, &Doing::Trade(0, None)), Err(String::new()));
    let say = || Doing::Say {
        text: String::new(),
        loud: false,
    };
    assert_eq!(inside(126, &say()), Ok(128));
    assert_eq!(inside(127, &say()), Err("/Say".to_owned()));
    assert_eq!(
        inside(127, &Doing::Walk(Position(0.0, 0.0, 0))),
        Err("/Walk".to_owned())
    );
    assert_eq!(inside(128, &Doing::Idle), Ok(128));
}

#[test]
fn a_hundred_thousand_levels_are_refused_not_followed() {
    let deep = nested(100_000);
    assert!(to_value(&deep).is_err());
    assert!(serde_json::to_string(&deep).is_err());
    assert!(from_value::<Value>(&deep).is_err());
    assert!(from_value::<IgnoredAny>(&deep).is_err());
    let deep = value(&format!(
        "{}{}",
        "{\"next\":".repeat(100_000),
        "null".to_owned() + &"}".repeat(100_000)
    ));
    assert!(from_value::<Chain>(&deep).is_err());
}

/// What is deep in the frames of buffers, too, stays on a thread's stack.
#[test]
fn a_hundred_and_twenty_eight_levels_of_buffered_enums_take_little_stack() {
    #[derive(Debug, Serialize, Deserialize)]
    #[serde(untagged)]
    enum Untagged {
        Leaf(u8),
        Flat(Flat),
        List(Vec<Self>),
    }
    #[derive(Debug, Serialize, Deserialize)]
    struct Flat {
        #[serde(flatten)]
        inner: BTreeMap<String, Untagged>,
    }
    let text = format!("{}1{}", "[{\"a\":".repeat(64), "}]".repeat(64));
    let read = from_value::<Untagged>(&value(&text)).unwrap();
    assert_eq!(to_value(&read).unwrap().to_string(), text);
    assert!(from_value::<Untagged>(&nested(128)).is_ok());
}

/// The cached height overstates once what was deep is gone.
#[test]
fn a_document_that_is_no_longer_deep_is_read() {
    let mut document = Value::from_iter([nested(200), value("1")]);
    let patch = Patch::from(vec![Operation::Remove {
        path: "/0".parse().unwrap(),
    }]);
    patch.apply(&mut document, &Limits::NONE).unwrap();
    assert!(document.height() > 128);
    assert_eq!(from_value::<Vec<u8>>(&document).unwrap(), [1]);
    assert_eq!(to_value(&document).unwrap(), document);
}

#[test]
fn a_number_that_serde_has_no_word_for_is_refused_inside_a_value_too() {
    let long = "9".repeat(40);
    for text in ["1e400", "1e-400", &long] {
        let document: Value = format!("[{text}]").parse().unwrap();
        let error = to_value(&document).unwrap_err();
        assert!(error.to_string().contains("128 bits"), "{error}");
        let error = from_value::<Value>(&document).unwrap_err();
        assert!(error.to_string().contains(text), "{error}");
        assert!(from_value::<Vec<IgnoredAny>>(&document).is_ok());
    }
    let widest: Value = format!("[{},{}]", u128::MAX, i128::MIN).parse().unwrap();
    assert!(to_value(&widest).unwrap().identical(&widest));
    assert!(from_value::<Value>(&widest).unwrap().identical(&widest));
}
