use std::{borrow::Cow, fmt};

use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{self, DeserializeSeed, MapAccess, SeqAccess, Visitor},
    ser::{self, SerializeMap as _, SerializeSeq as _},
};

use crate::{
    failure::{DEPTH_MAX, TOO_DEEP},
    number::{Held, Number},
    shapes::Shapes,
    value::{Value, View},
};

impl Serialize for Value {
    /// Writes the value in any format of serde's: integers as `u64` where they fit, as `i64` where
    /// they are negative, other numbers as `f64`.
    ///
    /// An integer beyond 64 bits is offered as `i128` or `u128`, which not every format takes. O(values, and
    /// bytes of strings and names), and what the format does with them.
    ///
    /// # Errors
    ///
    /// The format's, one for a number that fits neither 128 bits nor a double, and one for a value
    /// deeper than 128 containers, since formats recurse.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Nested {
            value: self,
            around: 0,
        }
        .serialize(serializer)
    }
}

/// A value inside `around` containers of the one that is serialised.
struct Nested<'a> {
    value: &'a Value,
    around: u32,
}

impl<'a> Nested<'a> {
    fn child(&self, value: &'a Value) -> Self {
        Self {
            value,
            around: self.around + 1,
        }
    }

    /// Whether a container may stand here. Asked once the serializer has taken it, so that one of our
    /// own, which counts as well, can say where it is too deep.
    fn check_depth<E: ser::Error>(&self) -> Result<(), E> {
        if self.around < DEPTH_MAX {
            Ok(())
        } else {
            Err(E::custom(TOO_DEEP))
        }
    }
}

impl Serialize for Nested<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.value.view() {
            View::Null => serializer.serialize_unit(),
            View::Bool(value) => serializer.serialize_bool(value),
            View::Number(number) => serialize_number(number, serializer),
            View::String(text) => serializer.serialize_str(&text.to_cow()),
            View::Array(array) => {
                let mut elements = serializer.serialize_seq(Some(array.len()))?;
                self.check_depth()?;
                for value in array {
                    elements.serialize_element(&self.child(value))?;
                }
                elements.end()
            }
            View::Object(object) => {
                let mut members = serializer.serialize_map(Some(object.len()))?;
                self.check_depth()?;
                for (name, value) in object {
                    members.serialize_entry(name, &self.child(value))?;
                }
                members.end()
            }
        }
    }
}

fn serialize_number<S: Serializer>(number: &Number, serializer: S) -> Result<S::Ok, S::Error> {
    match number.held() {
        Held::Unsigned(integer) => serializer.serialize_u64(integer),
        Held::Negative(integer) => serializer.serialize_i64(integer),
        Held::Double(double) => serializer.serialize_f64(double),
        Held::Literal(text) => match (text.parse(), text.parse()) {
            (Ok(integer), _) => serializer.serialize_i128(integer),
            (_, Ok(integer)) => serializer.serialize_u128(integer),
            _ => Err(ser::Error::custom(
                "number fits neither 128 bits nor a double",
            )),
        },
    }
}

impl<'de> Deserialize<'de> for Value {
    /// Reads a value from any format of serde's that describes itself. Bytes become an array of
    /// numbers.
    ///
    /// O(values, and bytes of strings and names), and O(names · log(names)) for each object.
    /// [`Value::parse`] reads JSON text faster, without loss of numbers, and within
    /// [`Limits`](crate::Limits).
    ///
    /// # Errors
    ///
    /// The format's, and those for what a document cannot hold: a name that is repeated or is no
    /// string, a float that is not finite. One for a value deeper than 128 containers, since formats
    /// recurse; an option that is some and a newtype count as well, as each is a level of the stack.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Seed {
            shapes: &mut Shapes::default(),
            around: 0,
        }
        .deserialize(deserializer)
    }
}

/// Reads a value whose objects share their names with those before.
struct Seed<'s> {
    shapes: &'s mut Shapes,
    /// Levels of the format around the value. Not every format has a bound of its own.
    around: u32,
}

impl Seed<'_> {
    /// Goes a level further in, unless that is too deep.
    fn enter<E: de::Error>(&mut self) -> Result<(), E> {
        if self.around >= DEPTH_MAX {
            return Err(E::custom(TOO_DEEP));
        }
        self.around += 1;
        Ok(())
    }

    /// Reads another value at the same level.
    const fn sibling(&mut self) -> Seed<'_> {
        Seed {
            shapes: self.shapes,
            around: self.around,
        }
    }
}

impl<'de> DeserializeSeed<'de> for Seed<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Seed<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E: de::Error>(self) -> Result<Value, E> {
        Ok(Value::NULL)
    }

    fn visit_none<E: de::Error>(self) -> Result<Value, E> {
        Ok(Value::NULL)
    }

    fn visit_some<D: Deserializer<'de>>(mut self, deserializer: D) -> Result<Value, D::Error> {
        self.enter()?;
        self.deserialize(deserializer)
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(
        mut self,
        deserializer: D,
    ) -> Result<Value, D::Error> {
        self.enter()?;
        self.deserialize(deserializer)
    }

    fn visit_bool<E: de::Error>(self, value: bool) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_u64<E: de::Error>(self, integer: u64) -> Result<Value, E> {
        Ok(Value::from(integer))
    }

    fn visit_i64<E: de::Error>(self, integer: i64) -> Result<Value, E> {
        Ok(Value::from(integer))
    }

    fn visit_u128<E: de::Error>(self, integer: u128) -> Result<Value, E> {
        let number = Number::parse(&integer.to_string());
        number.map(Value::from).map_err(E::custom)
    }

    fn visit_i128<E: de::Error>(self, integer: i128) -> Result<Value, E> {
        let number = Number::parse(&integer.to_string());
        number.map(Value::from).map_err(E::custom)
    }

    fn visit_f32<E: de::Error>(self, float: f32) -> Result<Value, E> {
        let number = Number::from_f32_shortest(float);
        number.map(Value::from).map_err(E::custom)
    }

    fn visit_f64<E: de::Error>(self, double: f64) -> Result<Value, E> {
        Value::try_from(double).map_err(E::custom)
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Value, E> {
        Ok(Value::from(text))
    }

    fn visit_string<E: de::Error>(self, text: String) -> Result<Value, E> {
        Ok(Value::from(text))
    }

    fn visit_bytes<E: de::Error>(self, bytes: &[u8]) -> Result<Value, E> {
        Ok(bytes.iter().copied().map(Value::from).collect())
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut elements: A) -> Result<Value, A::Error> {
        self.enter()?;
        let mut array = Vec::new();
        while let Some(element) = elements.next_element_seed(self.sibling())? {
            array.push(element);
        }
        Ok(Value::from(array))
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut members: A) -> Result<Value, A::Error> {
        self.enter()?;
        let (mut names, mut values) = (Vec::new(), Vec::new());
        while let Some(name) = members.next_key()? {
            names.push(Cow::Owned(name));
            values.push(members.next_value_seed(self.sibling())?);
        }
        self.shapes
            .object(&names, &mut values, 0)
            .map_err(|name| de::Error::custom(format_args!("name {name:?} repeated")))?;
        Ok(values.pop().unwrap_or_default())
    }
}
