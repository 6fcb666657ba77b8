mod access;

use std::fmt;

use serde::{
    Deserializer,
    de::{self, Deserialize, Expected, Unexpected, Visitor},
    forward_to_deserialize_any,
};

use self::access::{ArrayAccess, ObjectAccess, Variant};
use crate::{
    failure::{DEPTH_MAX, Failure, NAME_CHARS_MAX, excerpt, write_failure},
    limits::{LimitExceeded, Limits},
    number::{Held, Number},
    pointer::Pointer,
    value::{Value, View},
};

/// Reads a document, or a part of one, into any type that serde can deserialise.
///
/// It reads what [`to_value`](crate::to_value) makes. Strings can be borrowed from the document as
/// `&str` if they are held in one piece, as those up to 1 KiB are; a longer one may be held in several
/// and takes a `String`, or a `Cow` with `#[serde(borrow)]`.
///
/// An integer type takes integers within its range and no others: `1.0` and `1e0` are floats. A float
/// type takes any number that is not too large for it, rounded to the nearest; what is too small
/// becomes zero. An `f32` comes back as the very one that [`to_value`](crate::to_value) was given.
///
/// Serde has no word for most numbers that are kept as text. An integer of up to 128 bits goes through, also
/// into a [`Value`] inside the type; `1e400`, `1e-400` and longer integers are refused there. Parts that may
/// hold such numbers are better found by [`Value::at`] and cloned, which costs a reference count.
///
/// O(values read), and the bytes of strings that are not borrowed.
///
/// # Errors
///
/// [`DeserializeError`] with the path inside the document and the reason: the fault is the document's.
/// The path ends where serde reads into a buffer, as for flattened structs and untagged enums. A
/// document deeper than 128 containers is refused, also where the type would ignore what is deep in
/// it, rather than followed to the end of the stack.
///
/// # Example
///
/// ```
/// use headwater_doc::{Value, from_value};
/// use serde::Deserialize;
///
/// #[derive(Debug, PartialEq, Deserialize)]
/// struct Player<'a> {
///     name: &'a str,
///     hp: u32,
/// }
///
/// let document: Value = r#"{"name": "ada", "hp": 10}"#.parse()?;
/// assert_eq!(from_value::<Player>(&document)?, Player { name: "ada", hp: 10 });
///
/// let document: Value = r#"[{"name": "ada", "hp": "full"}]"#.parse()?;
/// let error = from_value::<Vec<Player>>(&document).unwrap_err();
/// assert_eq!(error.to_string(), "/0/hp: expected u32, found a string");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn from_value<'de, T: Deserialize<'de>>(value: &'de Value) -> Result<T, DeserializeError> {
    let limits = Limits {
        depth: DEPTH_MAX,
        ..Limits::NONE
    };
    let shallow = limits.check(value).map_err(Failure::new);
    let result = shallow.and_then(|()| T::deserialize(Reader(value)));
    result.map_err(|failure| {
        let (path, reason) = failure.into_parts();
        DeserializeError { path, reason }
    })
}

/// Why a document is no value of a type in [serde's data model](https://serde.rs/data-model.html), and where.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct DeserializeError {
    /// Where in the document.
    pub path: Pointer,
    /// What is wrong there.
    pub reason: DeserializeReason,
}

impl fmt::Display for DeserializeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_failure(&self.path, &self.reason, f)
    }
}

/// What is wrong with a document that is to be a value of a type, as serde's
/// [`de::Error`](serde::de::Error) tells such things apart.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DeserializeReason {
    /// Something else is there: a value of another kind, or a number out of range.
    #[error("expected {expected}, found {found}")]
    WrongType {
        /// What the type wants.
        expected: String,
        /// What is there: the value, if it is a scalar other than a string, and else its kind.
        found: String,
    },
    /// An array or object has too many elements or too few.
    #[error("expected {expected}, found length {len}")]
    WrongLength {
        /// What the type wants.
        expected: String,
        /// How many there are.
        len: usize,
    },
    /// An enum has no such variant.
    #[error("unknown variant {variant:?}, expected {}", OneOf(expected))]
    UnknownVariant {
        /// The name that is there, its first 64 characters.
        variant: String,
        /// Those that there are.
        expected: &'static [&'static str],
    },
    /// A struct that denies unknown fields has no such field.
    #[error("unknown field {field:?}, expected {}", OneOf(expected))]
    UnknownField {
        /// The name that is there, its first 64 characters.
        field: String,
        /// Those that there are.
        expected: &'static [&'static str],
    },
    /// A field that the struct needs is not there.
    #[error("no field {field:?}")]
    MissingField {
        /// The field's name.
        field: &'static str,
    },
    /// A field is there under two of its names.
    #[error("field {field:?} repeated")]
    RepeatedField {
        /// The field's name.
        field: &'static str,
    },
    /// The document is deeper than 128 containers.
    #[error(transparent)]
    Limit(#[from] LimitExceeded),
    /// What the type's own `Deserialize` says.
    #[error("{message}")]
    Custom {
        /// Its words.
        message: String,
    },
}

type DeserializeFailure = Failure<DeserializeReason>;

impl de::Error for DeserializeFailure {
    fn custom<T: fmt::Display>(message: T) -> Self {
        let message = message.to_string();
        Self::new(DeserializeReason::Custom { message })
    }

    fn invalid_type(found: Unexpected<'_>, expected: &dyn Expected) -> Self {
        wrong_type(expected, Found(found))
    }

    fn invalid_value(found: Unexpected<'_>, expected: &dyn Expected) -> Self {
        wrong_type(expected, Found(found))
    }

    fn invalid_length(len: usize, expected: &dyn Expected) -> Self {
        let expected = expected.to_string();
        Self::new(DeserializeReason::WrongLength { expected, len })
    }

    fn unknown_variant(variant: &str, expected: &'static [&'static str]) -> Self {
        let variant = excerpt(variant);
        Self::new(DeserializeReason::UnknownVariant { variant, expected })
    }

    fn unknown_field(field: &str, expected: &'static [&'static str]) -> Self {
        let field = excerpt(field);
        Self::new(DeserializeReason::UnknownField { field, expected })
    }

    fn missing_field(field: &'static str) -> Self {
        Self::new(DeserializeReason::MissingField { field })
    }

    fn duplicate_field(field: &'static str) -> Self {
        Self::new(DeserializeReason::RepeatedField { field })
    }
}

fn wrong_type(expected: &dyn Expected, found: impl fmt::Display) -> DeserializeFailure {
    Failure::new(DeserializeReason::WrongType {
        expected: expected.to_string(),
        found: found.to_string(),
    })
}

/// Names what stands in a document.
struct Found<'a>(Unexpected<'a>);

impl fmt::Display for Found<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Unexpected::Bool(value) => write!(f, "{value}"),
            Unexpected::Unsigned(integer) => write!(f, "{integer}"),
            Unexpected::Signed(integer) => write!(f, "{integer}"),
            // With its point, so that it is seen to be no integer.
            Unexpected::Float(double) => write!(f, "{double:?}"),
            Unexpected::Char(_) | Unexpected::Str(_) => f.write_str("a string"),
            Unexpected::Unit => f.write_str("null"),
            Unexpected::Seq => f.write_str("an array"),
            Unexpected::Map => f.write_str("an object"),
            other => write!(f, "{other}"),
        }
    }
}

/// Names a number by its text.
struct FoundLiteral<'a>(&'a str);

impl fmt::Display for FoundLiteral<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.len() <= NAME_CHARS_MAX {
            f.write_str(self.0)
        } else {
            write!(f, "a number of {} bytes", self.0.len())
        }
    }
}

/// Lists names.
struct OneOf<'a>(&'a [&'a str]);

impl fmt::Display for OneOf<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some((last, others)) = self.0.split_last() else {
            return f.write_str("none");
        };
        for (index, name) in others.iter().enumerate() {
            let comma = if index + 1 < others.len() { "," } else { " or" };
            write!(f, "{name:?}{comma} ")?;
        }
        write!(f, "{last:?}")
    }
}

/// Reads one value.
#[derive(Clone, Copy)]
struct Reader<'de>(&'de Value);

impl<'de> Reader<'de> {
    /// The text of a number that is kept as one.
    fn literal(self) -> Option<&'de str> {
        match self.0.as_number()?.held() {
            Held::Literal(text) => Some(text),
            _ => None,
        }
    }
}

macro_rules! deserialize_integers {
    ($($method:ident),+) => {
        $(fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DeserializeFailure> {
            match self.literal() {
                Some(text) => Err(wrong_type(&visitor, FoundLiteral(text))),
                None => self.deserialize_any(visitor),
            }
        })+
    };
}

impl<'de> Deserializer<'de> for Reader<'de> {
    type Error = DeserializeFailure;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DeserializeFailure> {
        match self.0.view() {
            View::Null => visitor.visit_unit(),
            View::Bool(value) => visitor.visit_bool(value),
            View::Number(number) => match number.held() {
                Held::Unsigned(integer) => visitor.visit_u64(integer),
                Held::Negative(integer) => visitor.visit_i64(integer),
                Held::Double(double) => visitor.visit_f64(double),
                Held::Literal(text) => match (text.parse(), text.parse()) {
                    (Ok(integer), _) => visitor.visit_i128(integer),
                    (_, Ok(integer)) => visitor.visit_u128(integer),
                    // Nothing that serde knows holds it.
                    _ => Err(wrong_type(&visitor, FoundLiteral(text))),
                },
            },
            View::String(text) => match text.as_str() {
                Some(text) => visitor.visit_borrowed_str(text),
                None => visitor.visit_string(text.to_string()),
            },
            View::Array(array) => ArrayAccess::visit(array, visitor),
            View::Object(object) => ObjectAccess::visit(object, visitor),
        }
    }

    deserialize_integers!(
        deserialize_i8,
        deserialize_i16,
        deserialize_i32,
        deserialize_i64,
        deserialize_u8,
        deserialize_u16,
        deserialize_u32,
        deserialize_u64
    );

    fn deserialize_f32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DeserializeFailure> {
        match self.0.as_number().map(Number::as_f32) {
            Some(Some(nearest)) => visitor.visit_f32(nearest),
            Some(None) => Err(wrong_type(&visitor, FoundLiteral(&self.0.to_string()))),
            None => self.deserialize_any(visitor),
        }
    }

    fn deserialize_f64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DeserializeFailure> {
        match (self.literal(), self.0.as_f64()) {
            (Some(_), Some(nearest)) => visitor.visit_f64(nearest),
            (Some(text), None) => Err(wrong_type(&visitor, FoundLiteral(text))),
            (None, _) => self.deserialize_any(visitor),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(
        self,
        visitor: V,
    ) -> Result<V::Value, DeserializeFailure> {
        if self.0.is_null() {
            visitor.visit_none()
        } else {
            visitor.visit_some(self)
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
        visitor.visit_enum(Variant::of(self.0)?)
    }

    /// Looks at nothing, however much there is.
    fn deserialize_ignored_any<V: Visitor<'de>>(
        self,
        visitor: V,
    ) -> Result<V::Value, DeserializeFailure> {
        visitor.visit_unit()
    }

    forward_to_deserialize_any! {
        bool i128 u128 char str string bytes byte_buf unit unit_struct seq tuple tuple_struct map
        struct identifier
    }
}
