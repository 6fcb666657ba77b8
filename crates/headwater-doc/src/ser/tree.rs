use std::borrow::Cow;

use serde::{Serialize, Serializer};

use super::{
    SerializeFailure, elements::Elements, entries::Entries, fields::Fields, scratch::Scratch,
};
use crate::{
    failure::{DEPTH_MAX, Failure, TOO_DEEP},
    node::Node,
    number::Number,
    object::Names,
    text::Text,
    value::{Repr, Value},
};

/// Makes the value that stands inside `around` containers.
///
/// With an old value it says where the new one is the same, container by container from the inside
/// out, so that nothing is made of what did not change. The old value is only ever a guess: whatever
/// it is, the result is the same but for what the two share.
pub(super) struct Tree<'s, 'o> {
    pub(super) around: u32,
    pub(super) old: Option<&'o Value>,
    pub(super) scratch: &'s mut Scratch<'o>,
}

/// What was made of a value.
pub(super) enum Part {
    /// The old value is identical to it. Only what was given an old value says so.
    Kept,
    Made(Value),
}

impl Part {
    /// The value, given the old one.
    #[inline]
    pub(super) fn or_old(self, old: Option<&Value>) -> Value {
        match self {
            Self::Kept => old.cloned().unwrap_or_default(),
            Self::Made(value) => value,
        }
    }
}

impl<'s, 'o> Tree<'s, 'o> {
    pub(super) const fn root(old: Option<&'o Value>, scratch: &'s mut Scratch<'o>) -> Self {
        Self {
            around: 0,
            old,
            scratch,
        }
    }

    /// Steps into a container.
    #[inline]
    fn inside(self) -> Result<Self, SerializeFailure> {
        if self.around >= DEPTH_MAX {
            return Err(Failure::new(TOO_DEEP));
        }
        Ok(Self {
            around: self.around + 1,
            ..self
        })
    }

    /// The same place again, or one inside it, with an old value of its own.
    #[inline]
    pub(super) const fn child(&mut self, old: Option<&'o Value>) -> Tree<'_, 'o> {
        Tree {
            around: self.around,
            old,
            scratch: self.scratch,
        }
    }

    #[inline]
    fn number(&self, number: Number) -> Part {
        match self.old {
            Some(Value(Repr::Number(old))) if old.identical(&number) => Part::Kept,
            _ => Part::Made(Value::from(number)),
        }
    }

    // A struct has many, and its own code is short without it.
    #[inline(never)]
    fn text(&self, text: &str) -> Part {
        let same = match self.old.map(|old| &old.0) {
            Some(Repr::Short(old)) => old.as_bytes() == text.as_bytes(),
            Some(Repr::Flat(old)) => old.as_bytes() == text.as_bytes(),
            Some(Repr::Rope(old)) => Text::rope(old) == Text::flat(text),
            _ => false,
        };
        if same {
            Part::Kept
        } else {
            Part::Made(Value::from(text))
        }
    }

    #[inline]
    fn null(&self) -> Part {
        match self.old {
            Some(Value(Repr::Null)) => Part::Kept,
            _ => Part::Made(Value::NULL),
        }
    }

    /// Steps into a variant that holds something.
    fn variant(self, name: &'static str) -> Result<(Self, Variant<'o>), SerializeFailure> {
        let variant = Variant::new(name, self.old);
        let inside = self.inside()?;
        let content = Self {
            old: variant.content(),
            ..inside
        };
        Ok((content, variant))
    }
}

/// The object of one member that a variant is, around its content.
#[derive(Clone, Copy)]
pub(super) struct Variant<'o> {
    name: &'static str,
    /// The old object, if it is that of the same variant.
    old: Option<&'o Node<Names>>,
}

impl<'o> Variant<'o> {
    fn new(name: &'static str, old: Option<&'o Value>) -> Self {
        let old = match old {
            Some(Value(Repr::Object(node))) => Some(node),
            _ => None,
        };
        let old = old.filter(
            |node| matches!(&***node.header(), [only] if only.as_bytes() == name.as_bytes()),
        );
        Self { name, old }
    }

    /// A failure in the content, as seen from around the object.
    pub(super) fn locate(self, failure: SerializeFailure) -> SerializeFailure {
        failure.inside(self.name)
    }

    fn content(self) -> Option<&'o Value> {
        self.old.and_then(|node| node.values().first())
    }

    /// Puts the object around what was made of the content.
    pub(super) fn around(
        self,
        content: Part,
        scratch: &mut Scratch<'o>,
    ) -> Result<Part, SerializeFailure> {
        let content = match content {
            Part::Kept => return Ok(Part::Kept),
            Part::Made(content) => content,
        };
        let from = scratch.heights();
        scratch.values.push(content);
        if let Some(node) = self.old {
            let names = node.header().clone();
            // The list counts with the object that takes the place of the one it counted with.
            let counted = node.totals().counts_names();
            let object = Value::object_from_tail(names, counted, &mut scratch.values);
            return Ok(Part::Made(object));
        }
        scratch.names.push(Cow::Borrowed(self.name));
        let object = scratch.object(from);
        scratch.lower(from);
        object.map(Part::Made)
    }
}

macro_rules! serialize_numbers {
    ($($method:ident: $number:ty),+) => {
        $(#[inline]
        fn $method(self, number: $number) -> Result<Part, SerializeFailure> {
            Ok(self.number(Number::from(number)))
        })+
    };
}

/// What opens a container gives this back, or is refused.
type Opened<T> = Result<T, SerializeFailure>;

impl<'s, 'o> Serializer for Tree<'s, 'o> {
    type Ok = Part;
    type Error = SerializeFailure;
    type SerializeSeq = Elements<'s, 'o>;
    type SerializeTuple = Elements<'s, 'o>;
    type SerializeTupleStruct = Elements<'s, 'o>;
    type SerializeTupleVariant = Elements<'s, 'o>;
    type SerializeMap = Entries<'s, 'o>;
    type SerializeStruct = Fields<'s, 'o>;
    type SerializeStructVariant = Fields<'s, 'o>;

    serialize_numbers!(
        serialize_i8: i8, serialize_i16: i16, serialize_i32: i32, serialize_i64: i64,
        serialize_u8: u8, serialize_u16: u16, serialize_u32: u32, serialize_u64: u64
    );

    fn serialize_i128(self, integer: i128) -> Result<Part, SerializeFailure> {
        Ok(self.number(Number::parse(&integer.to_string())?))
    }

    fn serialize_u128(self, integer: u128) -> Result<Part, SerializeFailure> {
        Ok(self.number(Number::parse(&integer.to_string())?))
    }

    #[inline]
    fn serialize_bool(self, value: bool) -> Result<Part, SerializeFailure> {
        Ok(match self.old {
            Some(Value(Repr::Bool(old))) if *old == value => Part::Kept,
            _ => Part::Made(Value::from(value)),
        })
    }

    #[inline]
    fn serialize_f32(self, float: f32) -> Result<Part, SerializeFailure> {
        Ok(self.number(Number::from_f32_shortest(float)?))
    }

    #[inline]
    fn serialize_f64(self, double: f64) -> Result<Part, SerializeFailure> {
        Ok(self.number(Number::try_from(double)?))
    }

    fn serialize_char(self, scalar: char) -> Result<Part, SerializeFailure> {
        Ok(self.text(scalar.encode_utf8(&mut [0; 4])))
    }

    #[inline]
    fn serialize_str(self, text: &str) -> Result<Part, SerializeFailure> {
        Ok(self.text(text))
    }

    fn serialize_bytes(self, bytes: &[u8]) -> Result<Part, SerializeFailure> {
        let mut elements = Elements::open(self.inside()?, None);
        for byte in bytes {
            elements.push(byte)?;
        }
        elements.finish()
    }

    #[inline]
    fn serialize_none(self) -> Result<Part, SerializeFailure> {
        Ok(self.null())
    }

    #[inline]
    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<Part, SerializeFailure> {
        value.serialize(self)
    }

    #[inline]
    fn serialize_unit(self) -> Result<Part, SerializeFailure> {
        Ok(self.null())
    }

    fn serialize_unit_struct(self, _name: &'static str) -> Result<Part, SerializeFailure> {
        Ok(self.null())
    }

    #[inline]
    fn serialize_unit_variant(
        self,
        _name: &'static str,
        _index: u32,
        variant: &'static str,
    ) -> Result<Part, SerializeFailure> {
        Ok(self.text(variant))
    }

    #[inline]
    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        _name: &'static str,
        value: &T,
    ) -> Result<Part, SerializeFailure> {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _name: &'static str,
        _index: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<Part, SerializeFailure> {
        let (mut content, around) = self.variant(variant)?;
        let part = value.serialize(content.child(content.old));
        let part = part.map_err(|failure| failure.inside(variant))?;
        around.around(part, content.scratch)
    }

    #[inline]
    fn serialize_seq(self, _len: Option<usize>) -> Opened<Elements<'s, 'o>> {
        Ok(Elements::open(self.inside()?, None))
    }

    #[inline]
    fn serialize_tuple(self, _len: usize) -> Opened<Elements<'s, 'o>> {
        Ok(Elements::open(self.inside()?, None))
    }

    #[inline]
    fn serialize_tuple_struct(self, _name: &'static str, _len: usize) -> Opened<Elements<'s, 'o>> {
        Ok(Elements::open(self.inside()?, None))
    }

    fn serialize_tuple_variant(
        self,
        _name: &'static str,
        _index: u32,
        variant: &'static str,
        _len: usize,
    ) -> Opened<Elements<'s, 'o>> {
        let (content, around) = self.variant(variant)?;
        let inside = content
            .inside()
            .map_err(|failure| failure.inside(variant))?;
        Ok(Elements::open(inside, Some(around)))
    }

    #[inline]
    fn serialize_map(self, _len: Option<usize>) -> Opened<Entries<'s, 'o>> {
        Ok(Entries::open(self.inside()?))
    }

    #[inline]
    fn serialize_struct(self, _name: &'static str, _len: usize) -> Opened<Fields<'s, 'o>> {
        Ok(Fields::open(self.inside()?, None))
    }

    fn serialize_struct_variant(
        self,
        _name: &'static str,
        _index: u32,
        variant: &'static str,
        _len: usize,
    ) -> Opened<Fields<'s, 'o>> {
        let (content, around) = self.variant(variant)?;
        let inside = content
            .inside()
            .map_err(|failure| failure.inside(variant))?;
        Ok(Fields::open(inside, Some(around)))
    }
}
