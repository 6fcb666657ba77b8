use std::{borrow::Cow, fmt, marker::PhantomData};

use serde::{
    Deserializer,
    de::{DeserializeSeed, EnumAccess, Error as _, MapAccess, SeqAccess, VariantAccess, Visitor},
    forward_to_deserialize_any,
};

use super::{DeserializeFailure, DeserializeReason, Reader};
use crate::{
    array::Array,
    object::Object,
    value::{Value, View},
};

/// The elements of an array that are still to be read.
pub(super) struct ArrayAccess<I> {
    elements: I,
    /// How many are left.
    left: usize,
    /// The next one's index.
    index: usize,
}

impl ArrayAccess<()> {
    /// Lets `visitor` read an array, all of it.
    pub(super) fn visit<'de, V: Visitor<'de>>(
        array: Array<'de>,
        visitor: V,
    ) -> Result<V::Value, DeserializeFailure> {
        let mut access = ArrayAccess {
            elements: array.iter(),
            left: array.len(),
            index: 0,
        };
        let value = visitor.visit_seq(&mut access)?;
        check_none_left(access.left, array.len())?;
        Ok(value)
    }
}

fn check_none_left(left: usize, len: usize) -> Result<(), DeserializeFailure> {
    match left {
        0 => Ok(()),
        _ => Err(DeserializeFailure::invalid_length(len, &"fewer elements")),
    }
}

impl<'de, I: Iterator<Item = &'de Value>> SeqAccess<'de> for &mut ArrayAccess<I> {
    type Error = DeserializeFailure;

    fn next_element_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, DeserializeFailure> {
        let Some(element) = self.elements.next() else {
            return Ok(None);
        };
        let index = self.index;
        self.index += 1;
        self.left -= 1;
        let element = seed.deserialize(Reader(element));
        element.map(Some).map_err(|failure| failure.inside(index))
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.left)
    }
}

/// The members of an object that are still to be read.
pub(super) struct ObjectAccess<'de, I> {
    members: I,
    /// How many are left.
    left: usize,
    /// The member whose value comes next.
    member: Option<(&'de str, &'de Value)>,
}

impl ObjectAccess<'_, ()> {
    /// Lets `visitor` read an object, all of it.
    pub(super) fn visit<'de, V: Visitor<'de>>(
        object: Object<'de>,
        visitor: V,
    ) -> Result<V::Value, DeserializeFailure> {
        let mut access = ObjectAccess {
            members: object.iter(),
            left: object.len(),
            member: None,
        };
        let value = visitor.visit_map(&mut access)?;
        check_none_left(access.left, object.len())?;
        Ok(value)
    }
}

impl<'de, I: Iterator<Item = (&'de str, &'de Value)>> MapAccess<'de> for &mut ObjectAccess<'de, I> {
    type Error = DeserializeFailure;

    fn next_key_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, DeserializeFailure> {
        self.member = self.members.next();
        let Some((name, _)) = self.member else {
            return Ok(None);
        };
        self.left -= 1;
        seed.deserialize(NameReader(Cow::Borrowed(name))).map(Some)
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<S::Value, DeserializeFailure> {
        let Some((name, value)) = self.member.take() else {
            return Err(DeserializeFailure::custom("a value is read before its key"));
        };
        seed.deserialize(Reader(value))
            .map_err(|failure| failure.inside(name))
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.left)
    }
}

/// Reads the name of a member or a variant.
struct NameReader<'de>(Cow<'de, str>);

impl<'de> Deserializer<'de> for NameReader<'de> {
    type Error = DeserializeFailure;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DeserializeFailure> {
        match self.0 {
            Cow::Borrowed(name) => visitor.visit_borrowed_str(name),
            Cow::Owned(name) => visitor.visit_string(name),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, DeserializeFailure> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, DeserializeFailure> {
        visitor.visit_enum(Variant {
            name: self.0,
            content: None,
        })
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option
        unit unit_struct seq tuple tuple_struct map struct identifier ignored_any
    }
}

/// A variant by its name, and what it holds.
pub(super) struct Variant<'de> {
    name: Cow<'de, str>,
    content: Option<&'de Value>,
}

impl<'de> Variant<'de> {
    pub(super) fn of(value: &'de Value) -> Result<Self, DeserializeFailure> {
        match value.view() {
            View::String(text) => Ok(Self {
                name: text.to_cow(),
                content: None,
            }),
            View::Object(object) => {
                let mut members = object.iter();
                match (members.next(), members.next()) {
                    (Some((name, content)), None) => Ok(Self {
                        name: Cow::Borrowed(name),
                        content: Some(content),
                    }),
                    _ => Err(DeserializeFailure::invalid_length(object.len(), &NoVariant)),
                }
            }
            _ => Reader(value).deserialize_any(NoVariant),
        }
    }

    fn read<S: DeserializeSeed<'de>>(self, seed: S) -> Result<S::Value, DeserializeFailure> {
        let Some(content) = self.content else {
            return Err(DeserializeFailure::new(DeserializeReason::WrongType {
                expected: "an object of one member".to_owned(),
                found: "the name of a variant that holds something".to_owned(),
            }));
        };
        seed.deserialize(Reader(content))
            .map_err(|failure| failure.inside(self.name))
    }
}

/// Refuses what is no variant, whatever it is.
struct NoVariant;

impl<'de> Visitor<'de> for NoVariant {
    type Value = Variant<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string or an object of one member")
    }
}

impl<'de> EnumAccess<'de> for Variant<'de> {
    type Error = DeserializeFailure;
    type Variant = Self;

    fn variant_seed<S: DeserializeSeed<'de>>(
        self,
        seed: S,
    ) -> Result<(S::Value, Self), DeserializeFailure> {
        let variant = seed.deserialize(NameReader(self.name.clone()))?;
        Ok((variant, self))
    }
}

impl<'de> VariantAccess<'de> for Variant<'de> {
    type Error = DeserializeFailure;

    fn unit_variant(self) -> Result<(), DeserializeFailure> {
        match self.content {
            None => Ok(()),
            Some(_) => self.read(PhantomData),
        }
    }

    fn newtype_variant_seed<S: DeserializeSeed<'de>>(
        self,
        seed: S,
    ) -> Result<S::Value, DeserializeFailure> {
        self.read(seed)
    }

    fn tuple_variant<V: Visitor<'de>>(
        self,
        _len: usize,
        visitor: V,
    ) -> Result<V::Value, DeserializeFailure> {
        self.read(Content(visitor))
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        _fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, DeserializeFailure> {
        self.read(Content(visitor))
    }
}

/// Lets a visitor read the content of a variant that has fields.
struct Content<V>(V);

impl<'de, V: Visitor<'de>> DeserializeSeed<'de> for Content<V> {
    type Value = V::Value;

    fn deserialize<D: Deserializer<'de>>(self, content: D) -> Result<V::Value, D::Error> {
        content.deserialize_any(self.0)
    }
}
