//! What a value is made of, and the text that is made of it.

use std::{fmt, mem, str::FromStr};

use triomphe::Arc;

use super::{Repr, Value};
use crate::{
    limits::Limits,
    name::{Name, NameList},
    number::{Number, NumberError},
    packed::{Flat, Short},
    parse::{ParseError, parse},
    rope::{FLAT_BYTES_MAX, Rope},
    write::Gathered,
};

impl Default for Value {
    /// `null`.
    fn default() -> Self {
        Self::NULL
    }
}

impl From<bool> for Value {
    /// Makes `true` or `false`. O(1).
    fn from(value: bool) -> Self {
        Self(Repr::Bool(value))
    }
}

impl From<Number> for Value {
    /// Makes a number. O(1).
    #[inline]
    fn from(number: Number) -> Self {
        Self(Repr::Number(number))
    }
}

macro_rules! from_integers {
    ($($integer:ty),+) => {
        $(impl From<$integer> for Value {
            /// Makes a number that is exactly this integer. O(1).
            fn from(integer: $integer) -> Self {
                Self::from(Number::from(integer))
            }
        })+
    };
}

from_integers!(u8, u16, u32, u64, usize, i8, i16, i32, i64, isize);

impl TryFrom<f64> for Value {
    type Error = NumberError;

    /// Makes a number that is held as a double, also if it is an integer. O(1).
    ///
    /// # Errors
    ///
    /// [`NumberError::NotFinite`]: JSON has no infinity and no NaN (RFC 8259 section 6).
    fn try_from(double: f64) -> Result<Self, NumberError> {
        Number::try_from(double).map(Self::from)
    }
}

impl From<&str> for Value {
    /// Makes a string. O(bytes).
    fn from(text: &str) -> Self {
        Self(if let Some(short) = Short::new(text) {
            Repr::Short(short)
        } else if text.len() <= FLAT_BYTES_MAX {
            Repr::Flat(Flat::new(text))
        } else {
            Repr::Rope(Arc::new(Rope::new(text.to_owned())))
        })
    }
}

impl Value {
    /// Makes a string of a text that needs no escapes. O(bytes).
    pub(crate) fn from_plain(text: &str) -> Self {
        if text.len() <= FLAT_BYTES_MAX && text.len() > Short::BYTES_MAX {
            return Self(Repr::Flat(Flat::plain(text)));
        }
        Self::from(text)
    }
}

impl From<String> for Value {
    /// Makes a string. O(bytes).
    fn from(text: String) -> Self {
        if text.len() <= FLAT_BYTES_MAX {
            return Self::from(text.as_str());
        }
        Self(Repr::Rope(Arc::new(Rope::new(text))))
    }
}

impl From<Vec<Self>> for Value {
    /// Makes an array. O(n).
    fn from(mut items: Vec<Self>) -> Self {
        Self::array_from_tail(&mut items, 0)
    }
}

impl FromIterator<Self> for Value {
    /// Makes an array. O(n).
    fn from_iter<I: IntoIterator<Item = Self>>(items: I) -> Self {
        Self::from(items.into_iter().collect::<Vec<_>>())
    }
}

impl<N: AsRef<str>> FromIterator<(N, Self)> for Value {
    /// Makes an object; of a repeated name the last counts. O(n log n).
    fn from_iter<I: IntoIterator<Item = (N, Self)>>(members: I) -> Self {
        let members = members.into_iter();
        let mut members: Vec<_> = members
            .map(|(name, value)| (Name::from(name.as_ref()), value))
            .collect();
        // Stable, so that of equal names the last stays behind the others.
        members.sort_by(|(left, _), (right, _)| left.cmp(right));
        members.dedup_by(|(name, value), (kept_name, kept)| {
            let repeated = name == kept_name;
            if repeated {
                mem::swap(kept, value);
            }
            repeated
        });
        let (names, mut values): (Vec<_>, Vec<_>) = members.into_iter().unzip();
        Self::object_from_tail(Arc::new(NameList::new(names)), true, &mut values)
    }
}

impl FromStr for Value {
    type Err = ParseError;

    /// Reads JSON text within the default [`Limits`], as [`Value::parse`], at the same cost.
    ///
    /// # Errors
    ///
    /// Those of [`Value::parse`].
    fn from_str(text: &str) -> Result<Self, ParseError> {
        parse(text.as_bytes(), &Limits::default())
    }
}

impl fmt::Display for Value {
    /// Writes compact JSON text that reads back as the same value, as [`Value::write`] does. `{:#}` writes it
    /// indented, as [`Value::write_pretty`]. Either costs what that costs.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let pretty = f.alternate();
        Gathered::write(f, self.written_bytes(), |out| {
            if pretty {
                self.write_pretty(out)
            } else {
                self.write(out)
            }
        })
    }
}

impl fmt::Debug for Value {
    /// Writes compact JSON text, as [`Value::write`].
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write(f)
    }
}
