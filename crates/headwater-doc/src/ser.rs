mod key;

use std::{borrow::Cow, fmt};

use serde::{Serialize, Serializer, ser};

use crate::{
    failure::{DEPTH_MAX, Failure, TOO_DEEP, write_failure},
    limits::LimitExceeded,
    number::{Number, NumberError},
    pointer::Pointer,
    shapes::Shapes,
    value::Value,
};

/// Makes a document of any value that serde can serialise, without a text between them.
///
/// | Rust | JSON |
/// | --- | --- |
/// | struct, map | object |
/// | sequence, tuple, tuple struct, bytes | array |
/// | `()`, unit struct, `None` | `null` |
/// | `Some(value)`, newtype struct | the value inside |
/// | unit variant | its name, as a string |
/// | other variants | object of one member: the name, and what the variant holds |
/// | integer | integer, exact also beyond 64 bits |
/// | `f64` | double |
/// | `f32` | double of its shortest decimal form: `0.1_f32` becomes `0.1` |
/// | `char` | string |
///
/// A map's keys must be strings, or become one: a `char`, a unit variant, a newtype of these. Numbers
/// as keys are refused, since what they would be written as is a string that sorts otherwise.
///
/// # Errors
///
/// [`SerializeError`] with the path inside the value and the reason: the fault is the value's, or that
/// of its `Serialize`. What is deeper than 128 containers is refused rather than followed to the end of
/// the stack; recursion that opens no container is the type's own affair.
///
/// # Example
///
/// ```
/// use headwater_doc::to_value;
/// use serde::Serialize;
///
/// #[derive(Serialize)]
/// struct Player {
///     name: &'static str,
///     speed: f32,
///     doing: Doing,
/// }
///
/// #[derive(Serialize)]
/// enum Doing {
///     Walk { to: (i32, i32) },
/// }
///
/// let ada = Player { name: "ada", speed: 0.1, doing: Doing::Walk { to: (3, -4) } };
/// assert_eq!(
///     to_value(&ada)?.to_string(),
///     r#"{"doing":{"Walk":{"to":[3,-4]}},"name":"ada","speed":0.1}"#
/// );
/// # Ok::<(), headwater_doc::SerializeError>(())
/// ```
pub fn to_value<T: Serialize + ?Sized>(value: &T) -> Result<Value, SerializeError> {
    let tree = Tree {
        around: 0,
        shapes: &mut Shapes::default(),
    };
    value.serialize(tree).map_err(|failure| {
        let (path, reason) = failure.into_parts();
        SerializeError { path, reason }
    })
}

/// Why a value is no document, and where.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct SerializeError {
    /// Where in the document it would have stood.
    pub path: Pointer,
    /// What is wrong with it.
    pub reason: SerializeReason,
}

impl fmt::Display for SerializeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_failure(&self.path, &self.reason, f)
    }
}

/// What is wrong with a value that is to be a document.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SerializeReason {
    /// A float is an infinity or NaN, which JSON cannot express.
    #[error("float is not finite")]
    NotFinite,
    /// A map's key is no string.
    #[error("{found} cannot be a name, only a string can")]
    KeyNotString {
        /// What the key is.
        found: &'static str,
    },
    /// A map has the same key twice, or a flattened struct a field of the same name.
    #[error("name {name:?} repeated")]
    RepeatedName {
        /// The key.
        name: String,
    },
    /// The document would be deeper than 128 containers.
    #[error(transparent)]
    Limit(#[from] LimitExceeded),
    /// What the type's own `Serialize` says.
    #[error("{message}")]
    Custom {
        /// Its words.
        message: String,
    },
}

type SerializeFailure = Failure<SerializeReason>;

impl ser::Error for SerializeFailure {
    fn custom<T: fmt::Display>(message: T) -> Self {
        let message = message.to_string();
        Self::new(SerializeReason::Custom { message })
    }
}

impl From<NumberError> for SerializeFailure {
    fn from(error: NumberError) -> Self {
        match error {
            NumberError::NotFinite => Self::new(SerializeReason::NotFinite),
            error => ser::Error::custom(error),
        }
    }
}

/// Makes the value that stands inside `around` containers.
struct Tree<'s> {
    around: u32,
    shapes: &'s mut Shapes,
}

impl<'s> Tree<'s> {
    /// Steps into a container.
    fn inside(self) -> Result<Self, SerializeFailure> {
        if self.around >= DEPTH_MAX {
            return Err(Failure::new(TOO_DEEP));
        }
        Ok(Self {
            around: self.around + 1,
            ..self
        })
    }

    /// The same place again.
    const fn again(&mut self) -> Tree<'_> {
        Tree {
            around: self.around,
            shapes: self.shapes,
        }
    }

    fn elements(self, len: usize) -> Result<Elements<'s>, SerializeFailure> {
        Ok(Elements {
            elements: Vec::with_capacity(len.min(CAPACITY_MAX)),
            inside: self.inside()?,
            variant: None,
        })
    }

    fn members(self, len: usize) -> Result<Members<'s>, SerializeFailure> {
        Ok(Members {
            names: Vec::with_capacity(len.min(CAPACITY_MAX)),
            values: Vec::with_capacity(len.min(CAPACITY_MAX)),
            name: None,
            inside: self.inside()?,
            variant: None,
        })
    }

    /// A variant that holds something.
    fn varied(self, variant: &'static str, value: Value) -> Result<Value, SerializeFailure> {
        self.object(&[Cow::Borrowed(variant)], vec![value])
    }

    fn object(
        self,
        names: &[Cow<'static, str>],
        mut values: Vec<Value>,
    ) -> Result<Value, SerializeFailure> {
        self.shapes
            .object(names, &mut values, 0)
            .map_err(|name| Failure::new(SerializeReason::RepeatedName { name }))
    }
}

/// Most elements to make room for before they come.
///
/// A length that is announced is a hint, and a format that is only passed through can lie in it: this
/// many take 40 KiB at most. Longer lists grow as they come, which costs a few copies.
const CAPACITY_MAX: usize = 1_024;

macro_rules! serialize_integers {
    ($($method:ident: $integer:ty),+) => {
        $(fn $method(self, integer: $integer) -> Result<Value, SerializeFailure> {
            Ok(Value::from(integer))
        })+
    };
}

impl<'s> Serializer for Tree<'s> {
    type Ok = Value;
    type Error = SerializeFailure;
    type SerializeSeq = Elements<'s>;
    type SerializeTuple = Elements<'s>;
    type SerializeTupleStruct = Elements<'s>;
    type SerializeTupleVariant = Elements<'s>;
    type SerializeMap = Members<'s>;
    type SerializeStruct = Members<'s>;
    type SerializeStructVariant = Members<'s>;

    serialize_integers!(
        serialize_i8: i8, serialize_i16: i16, serialize_i32: i32, serialize_i64: i64,
        serialize_u8: u8, serialize_u16: u16, serialize_u32: u32, serialize_u64: u64
    );

    fn serialize_i128(self, integer: i128) -> Result<Value, SerializeFailure> {
        Ok(Number::parse(&integer.to_string())?.into())
    }

    fn serialize_u128(self, integer: u128) -> Result<Value, SerializeFailure> {
        Ok(Number::parse(&integer.to_string())?.into())
    }

    fn serialize_bool(self, value: bool) -> Result<Value, SerializeFailure> {
        Ok(Value::from(value))
    }

    fn serialize_f32(self, float: f32) -> Result<Value, SerializeFailure> {
        Ok(Number::from_f32_shortest(float)?.into())
    }

    fn serialize_f64(self, double: f64) -> Result<Value, SerializeFailure> {
        Ok(Value::try_from(double)?)
    }

    fn serialize_char(self, scalar: char) -> Result<Value, SerializeFailure> {
        Ok(Value::from(&*scalar.encode_utf8(&mut [0; 4])))
    }

    fn serialize_str(self, text: &str) -> Result<Value, SerializeFailure> {
        Ok(Value::from(text))
    }

    fn serialize_bytes(self, bytes: &[u8]) -> Result<Value, SerializeFailure> {
        self.inside()?;
        Ok(bytes.iter().copied().map(Value::from).collect())
    }

    fn serialize_none(self) -> Result<Value, SerializeFailure> {
        Ok(Value::NULL)
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<Value, SerializeFailure> {
        value.serialize(self)
    }

    fn serialize_unit(self) -> Result<Value, SerializeFailure> {
        Ok(Value::NULL)
    }

    fn serialize_unit_struct(self, _name: &'static str) -> Result<Value, SerializeFailure> {
        Ok(Value::NULL)
    }

    fn serialize_unit_variant(
        self,
        _name: &'static str,
        _index: u32,
        variant: &'static str,
    ) -> Result<Value, SerializeFailure> {
        Ok(Value::from(variant))
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        _name: &'static str,
        value: &T,
    ) -> Result<Value, SerializeFailure> {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _name: &'static str,
        _index: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<Value, SerializeFailure> {
        let mut inside = self.inside()?;
        let value = value.serialize(inside.again());
        inside.varied(variant, value.map_err(|failure| failure.inside(variant))?)
    }

    fn serialize_seq(self, len: Option<usize>) -> Result<Elements<'s>, SerializeFailure> {
        self.elements(len.unwrap_or_default())
    }

    fn serialize_tuple(self, len: usize) -> Result<Elements<'s>, SerializeFailure> {
        self.elements(len)
    }

    fn serialize_tuple_struct(
        self,
        _name: &'static str,
        len: usize,
    ) -> Result<Elements<'s>, SerializeFailure> {
        self.elements(len)
    }

    fn serialize_tuple_variant(
        self,
        _name: &'static str,
        _index: u32,
        variant: &'static str,
        len: usize,
    ) -> Result<Elements<'s>, SerializeFailure> {
        let elements = self.inside()?.elements(len);
        Ok(Elements {
            variant: Some(variant),
            ..elements.map_err(|failure| failure.inside(variant))?
        })
    }

    fn serialize_map(self, len: Option<usize>) -> Result<Members<'s>, SerializeFailure> {
        self.members(len.unwrap_or_default())
    }

    fn serialize_struct(
        self,
        _name: &'static str,
        len: usize,
    ) -> Result<Members<'s>, SerializeFailure> {
        self.members(len)
    }

    fn serialize_struct_variant(
        self,
        _name: &'static str,
        _index: u32,
        variant: &'static str,
        len: usize,
    ) -> Result<Members<'s>, SerializeFailure> {
        let members = self.inside()?.members(len);
        Ok(Members {
            variant: Some(variant),
            ..members.map_err(|failure| failure.inside(variant))?
        })
    }
}

/// A failure in the content of a variant, or of none, as seen from around it.
fn inside_variant(failure: SerializeFailure, variant: Option<&'static str>) -> SerializeFailure {
    match variant {
        Some(variant) => failure.inside(variant),
        None => failure,
    }
}

/// An array in the making.
struct Elements<'s> {
    elements: Vec<Value>,
    inside: Tree<'s>,
    /// The variant whose content this is.
    variant: Option<&'static str>,
}

impl Elements<'_> {
    fn push<T: Serialize + ?Sized>(&mut self, element: &T) -> Result<(), SerializeFailure> {
        let element = element
            .serialize(self.inside.again())
            .map_err(|failure| inside_variant(failure.inside(self.elements.len()), self.variant))?;
        self.elements.push(element);
        Ok(())
    }

    fn finish(self) -> Result<Value, SerializeFailure> {
        let value = Value::from(self.elements);
        match self.variant {
            Some(variant) => self.inside.varied(variant, value),
            None => Ok(value),
        }
    }
}

macro_rules! serialize_elements {
    ($($kind:ident::$method:ident),+) => {
        $(impl ser::$kind for Elements<'_> {
            type Ok = Value;
            type Error = SerializeFailure;

            fn $method<T: Serialize + ?Sized>(
                &mut self,
                element: &T,
            ) -> Result<(), SerializeFailure> {
                self.push(element)
            }

            fn end(self) -> Result<Value, SerializeFailure> {
                self.finish()
            }
        })+
    };
}

serialize_elements!(
    SerializeSeq::serialize_element,
    SerializeTuple::serialize_element,
    SerializeTupleStruct::serialize_field,
    SerializeTupleVariant::serialize_field
);

/// An object in the making.
struct Members<'s> {
    names: Vec<Cow<'static, str>>,
    values: Vec<Value>,
    /// The name whose value comes next.
    name: Option<String>,
    inside: Tree<'s>,
    /// The variant whose content this is.
    variant: Option<&'static str>,
}

impl Members<'_> {
    fn push<T: Serialize + ?Sized>(
        &mut self,
        name: Cow<'static, str>,
        value: &T,
    ) -> Result<(), SerializeFailure> {
        match value.serialize(self.inside.again()) {
            Ok(value) => {
                self.names.push(name);
                self.values.push(value);
                Ok(())
            }
            Err(failure) => Err(inside_variant(failure.inside(name), self.variant)),
        }
    }

    fn finish(mut self) -> Result<Value, SerializeFailure> {
        let object = self.inside.again().object(&self.names, self.values);
        let object = object.map_err(|failure| inside_variant(failure, self.variant))?;
        match self.variant {
            Some(variant) => self.inside.varied(variant, object),
            None => Ok(object),
        }
    }
}

impl ser::SerializeMap for Members<'_> {
    type Ok = Value;
    type Error = SerializeFailure;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), SerializeFailure> {
        self.name = Some(key.serialize(key::Key)?);
        Ok(())
    }

    fn serialize_value<T: Serialize + ?Sized>(
        &mut self,
        value: &T,
    ) -> Result<(), SerializeFailure> {
        let name = self.name.take();
        self.push(Cow::Owned(name.ok_or_else(value_without_key)?), value)
    }

    fn end(self) -> Result<Value, SerializeFailure> {
        self.finish()
    }
}

#[cold]
fn value_without_key() -> SerializeFailure {
    ser::Error::custom("a value came without its key")
}

macro_rules! serialize_members {
    ($($kind:ident),+) => {
        $(impl ser::$kind for Members<'_> {
            type Ok = Value;
            type Error = SerializeFailure;

            fn serialize_field<T: Serialize + ?Sized>(
                &mut self,
                name: &'static str,
                value: &T,
            ) -> Result<(), SerializeFailure> {
                self.push(Cow::Borrowed(name), value)
            }

            fn end(self) -> Result<Value, SerializeFailure> {
                self.finish()
            }
        })+
    };
}

serialize_members!(SerializeStruct, SerializeStructVariant);

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use triomphe::Arc;

    use super::*;
    use crate::value::{Repr, View};

    fn assert_names_are_shared(records: &Value) {
        let records: Vec<_> = match records.view() {
            View::Array(array) => array.iter().collect(),
            View::Object(object) => object.values().collect(),
            _ => Vec::new(),
        };
        let [Value(Repr::Object(first)), Value(Repr::Object(second))] = records.as_slice() else {
            panic!("two records, not {records:?}");
        };
        assert!(Arc::ptr_eq(first.header(), second.header()));
    }

    #[test]
    fn records_of_one_shape_share_their_names() {
        #[derive(Clone, Copy, Serialize)]
        struct Record {
            x: u8,
            at: Option<(u8, u8)>,
        }
        let first = Record {
            x: 1,
            at: Some((2, 3)),
        };
        let second = Record { x: 4, at: None };
        let table = to_value(&[first, second]).unwrap();
        let map = to_value(&BTreeMap::from([("a", first), ("b", second)])).unwrap();
        for records in [table, map] {
            assert_names_are_shared(&records);
            let text = records.to_string();
            assert_names_are_shared(&serde_json::from_str(&text).unwrap());
        }
    }
}
