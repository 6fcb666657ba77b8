use serde::{Serialize, Serializer, ser::Impossible};

use super::{SerializeFailure, SerializeReason};
use crate::failure::Failure;

/// Writes a member's name, which is a map's key, if that is a string or a newtype of one, or has a
/// name.
pub(super) struct Key<'k>(pub(super) &'k mut String);

/// That the name is written, or that the key has none.
type Name = Result<(), SerializeFailure>;

/// What would take the parts of a key that has parts.
type Parts = Result<Impossible<(), SerializeFailure>, SerializeFailure>;

fn refuse<T>(found: &'static str) -> Result<T, SerializeFailure> {
    Err(Failure::new(SerializeReason::KeyNotString { found }))
}

macro_rules! refuse_scalars {
    ($($method:ident($scalar:ty): $found:literal),+ $(,)?) => {
        $(fn $method(self, _scalar: $scalar) -> Name {
            refuse($found)
        })+
    };
}

impl Serializer for Key<'_> {
    type Ok = ();
    type Error = SerializeFailure;
    type SerializeSeq = Impossible<(), SerializeFailure>;
    type SerializeTuple = Self::SerializeSeq;
    type SerializeTupleStruct = Self::SerializeSeq;
    type SerializeTupleVariant = Self::SerializeSeq;
    type SerializeMap = Self::SerializeSeq;
    type SerializeStruct = Self::SerializeSeq;
    type SerializeStructVariant = Self::SerializeSeq;

    fn serialize_str(self, text: &str) -> Name {
        self.0.push_str(text);
        Ok(())
    }

    fn serialize_char(self, scalar: char) -> Name {
        self.0.push(scalar);
        Ok(())
    }

    fn serialize_unit_variant(self, _: &'static str, _: u32, variant: &'static str) -> Name {
        self.0.push_str(variant);
        Ok(())
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(self, _: &'static str, value: &T) -> Name {
        value.serialize(self)
    }

    refuse_scalars!(
        serialize_bool(bool): "a boolean",
        serialize_i8(i8): "an integer",
        serialize_i16(i16): "an integer",
        serialize_i32(i32): "an integer",
        serialize_i64(i64): "an integer",
        serialize_i128(i128): "an integer",
        serialize_u8(u8): "an integer",
        serialize_u16(u16): "an integer",
        serialize_u32(u32): "an integer",
        serialize_u64(u64): "an integer",
        serialize_u128(u128): "an integer",
        serialize_f32(f32): "a float",
        serialize_f64(f64): "a float",
        serialize_bytes(&[u8]): "a list of bytes",
        serialize_unit_struct(&'static str): "null",
    );

    fn serialize_none(self) -> Name {
        refuse("an option")
    }

    fn serialize_some<T: Serialize + ?Sized>(self, _: &T) -> Name {
        refuse("an option")
    }

    fn serialize_unit(self) -> Name {
        refuse("null")
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: &T,
    ) -> Name {
        refuse("an object")
    }

    fn serialize_seq(self, _: Option<usize>) -> Parts {
        refuse("an array")
    }

    fn serialize_tuple(self, _: usize) -> Parts {
        refuse("an array")
    }

    fn serialize_tuple_struct(self, _: &'static str, _: usize) -> Parts {
        refuse("an array")
    }

    fn serialize_tuple_variant(self, _: &'static str, _: u32, _: &'static str, _: usize) -> Parts {
        refuse("an object")
    }

    fn serialize_map(self, _: Option<usize>) -> Parts {
        refuse("an object")
    }

    fn serialize_struct(self, _: &'static str, _: usize) -> Parts {
        refuse("an object")
    }

    fn serialize_struct_variant(self, _: &'static str, _: u32, _: &'static str, _: usize) -> Parts {
        refuse("an object")
    }
}
