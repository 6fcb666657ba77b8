//! JSON numbers: 64-bit integers, doubles, and the text of what fits neither.

mod decimal;
#[cfg(test)]
mod tests;

use std::fmt;
use std::fmt::Write as _;

use thiserror::Error;
use triomphe::Arc;

use self::decimal::Decimal;
use crate::work;

/// A JSON number, kept without loss (RFC 8259 §6).
///
/// An integer literal of up to 64 bits is exact. A literal with a fraction or an exponent is the
/// nearest double, unless that is infinite, or zero for a number that is not. Every other literal
/// keeps its text, up to 1,024 bytes. `-0` is the double -0.0.
///
/// Two numbers are equal if they have the same mathematical value, however they are held:
/// `1 == 1.0` and `0 == -0.0` (RFC 6902 §4.6). No comparison rounds: 1e30 is not the integer of 31
/// digits that it looks like, since the double has another value. [`Number::identical`] is the
/// finer relation. Comparing costs O(1), or O(bytes) where a number is kept as text; cloning costs a
/// reference count at most.
#[derive(Clone)]
pub struct Number(Repr);

/// The tag takes one byte, not the eight that stand before the payload: a `Value` keeps its own tag and
/// a short string in the others.
#[derive(Clone)]
#[repr(u8)]
enum Repr {
    Unsigned(u64),
    /// Invariant: below zero.
    Negative(i64),
    /// Invariant: finite.
    Double(f64),
    /// Invariant: follows the JSON grammar; is an integer beyond 64 bits, or has a fraction or an
    /// exponent and overflows or underflows a double. So it never equals an integer held as one,
    /// and equals a double only if it is an integer literal.
    Literal(Arc<Box<str>>),
}

const _: () = assert!(size_of::<Number>() == 16);

/// A number by the way it is held.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Held<'a> {
    Unsigned(u64),
    /// Below zero.
    Negative(i64),
    /// Finite.
    Double(f64),
    /// The text of what fits neither 64 bits nor a double.
    Literal(&'a str),
}

/// Why a text or a float is no [`Number`].
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum NumberError {
    /// The text does not follow the grammar of RFC 8259 §6.
    #[error("not a JSON number")]
    Invalid,
    /// The literal fits no 64-bit integer and no double, and its text is too long to keep.
    #[error("number of {bytes} bytes exceeds the limit of {NUMBER_BYTES_MAX}")]
    TooLong {
        /// Length of the text, or of its canonical form where only that exceeds the limit.
        bytes: usize,
    },
    /// The float is an infinity or NaN, which JSON cannot express.
    #[error("float is not finite")]
    NotFinite,
}

impl Number {
    /// Parses the text of one JSON number, with nothing around it. O(bytes), some looks at each; of a text
    /// of more than 1,024 bytes at most 800 digits are converted.
    ///
    /// # Errors
    ///
    /// [`NumberError::Invalid`] if the text does not follow RFC 8259 §6;
    /// [`NumberError::TooLong`] if it must be kept as text and is too long for that.
    pub fn parse(text: &str) -> Result<Self, NumberError> {
        if !follows_grammar(text) {
            return Err(NumberError::Invalid);
        }
        Self::from_token(text)
    }

    /// Converts a token that the caller has found to follow the grammar.
    pub(crate) fn from_token(token: &str) -> Result<Self, NumberError> {
        debug_assert!(follows_grammar(token), "not a JSON number: {token}");
        match short_integer(token) {
            Some(integer) => Ok(integer.into()),
            None if is_integer_literal(token) => Self::from_long_integer(token),
            None => Self::from_real(token),
        }
    }

    fn from_long_integer(token: &str) -> Result<Self, NumberError> {
        if token == "-0" {
            return Ok(Self(Repr::Double(-0.0)));
        }
        if let Ok(integer) = token.parse::<u64>() {
            return Ok(integer.into());
        }
        // Both stop at the digit that is one too many.
        if let Ok(integer) = token.parse::<i64>() {
            return Ok(integer.into());
        }
        Self::keep(token, token.len())
    }

    fn from_real(token: &str) -> Result<Self, NumberError> {
        let double = nearest_double(token).ok_or(NumberError::Invalid)?;
        let underflows = double == 0.0 && !is_zero(token);
        if double.is_finite() && !underflows {
            return Ok(Self(Repr::Double(double)));
        }
        let may_grow = token.len() + CANONICAL_GROWTH_BYTES_MAX > NUMBER_BYTES_MAX;
        if !may_grow || token.len() > NUMBER_BYTES_MAX {
            return Self::keep(token, token.len());
        }
        // The canonical form must fit as well, so that whoever reads it back can keep it.
        let canonical_bytes = Decimal::of(token).scientific().len();
        Self::keep(token, token.len().max(canonical_bytes))
    }

    fn keep(token: &str, bytes: usize) -> Result<Self, NumberError> {
        if bytes > NUMBER_BYTES_MAX {
            return Err(NumberError::TooLong { bytes });
        }
        Ok(Self(Repr::Literal(Arc::new(token.into()))))
    }

    /// Keeps a double that the caller knows to be finite.
    pub(crate) const fn from_finite(double: f64) -> Self {
        debug_assert!(double.is_finite(), "neither an infinity nor NaN");
        Self(Repr::Double(double))
    }

    /// Converts a single float by its shortest decimal form: `0.1_f32` becomes the double 0.1. O(1).
    ///
    /// # Errors
    ///
    /// [`NumberError::NotFinite`] for an infinity or NaN.
    pub fn from_f32_shortest(float: f32) -> Result<Self, NumberError> {
        let mut text = Scratch::default();
        let double = write!(text, "{float:e}")
            .ok()
            .and_then(|()| text.as_str().parse::<f64>().ok());
        double.ok_or(NumberError::NotFinite)?.try_into()
    }

    /// Returns the value if it is an integer that fits a `u64`, also if it was written as `1.0`. O(1).
    #[must_use]
    pub fn as_u64(&self) -> Option<u64> {
        match self.0 {
            Repr::Unsigned(integer) => Some(integer),
            Repr::Double(double) => double_to_u64(double),
            Repr::Negative(_) | Repr::Literal(_) => None,
        }
    }

    /// Returns the value if it is an integer that fits an `i64`, also if it was written as `1.0`. O(1).
    #[must_use]
    pub fn as_i64(&self) -> Option<i64> {
        match self.0 {
            Repr::Unsigned(integer) => i64::try_from(integer).ok(),
            Repr::Negative(integer) => Some(integer),
            Repr::Double(double) => double_to_i64(double),
            Repr::Literal(_) => None,
        }
    }

    /// Returns the nearest double, or `None` if the number is too large for any.
    ///
    /// A number too small for a double gives the nearest there is, a zero of the same sign. O(1), or O(bytes)
    /// for a number that is kept as text: 1,024 at most.
    #[must_use]
    pub fn as_f64(&self) -> Option<f64> {
        match &self.0 {
            Repr::Unsigned(integer) => Some(*integer as f64),
            Repr::Negative(integer) => Some(*integer as f64),
            Repr::Double(double) => Some(*double),
            Repr::Literal(text) => nearest_double(text).filter(|double| double.is_finite()),
        }
    }

    /// Returns the nearest single float, or `None` if the number is too large for any; what
    /// [`from_f32_shortest`](Self::from_f32_shortest) made of a float gives that float.
    #[expect(
        clippy::cast_possible_truncation,
        reason = "rounds to the nearest, which is what is asked for"
    )]
    pub(crate) fn as_f32(&self) -> Option<f32> {
        let single = match &self.0 {
            Repr::Unsigned(integer) => *integer as f32,
            Repr::Negative(integer) => *integer as f32,
            Repr::Double(double) => {
                let single = *double as f32;
                // Midway between two floats, rounding cannot know which of them the double was made
                // of: of all shortest forms that of 15AE43FD, 7.038531e-26, ends at the other.
                let mirrored = double + (double - f64::from(single));
                let other = mirrored as f32;
                let midway = f64::from(other) == mirrored && other != single;
                if midway && Self::from_f32_shortest(other).is_ok_and(|form| form.identical(self)) {
                    other
                } else {
                    single
                }
            }
            Repr::Literal(text) => text.parse().ok()?,
        };
        Some(single).filter(|single| single.is_finite())
    }

    /// Returns whether both are held alike, with the same bits or text: `1` and `1.0` are not. O(1), or O(bytes)
    /// for numbers that are kept as text.
    #[inline]
    #[must_use]
    pub fn identical(&self, other: &Self) -> bool {
        match (&self.0, &other.0) {
            (Repr::Unsigned(a), Repr::Unsigned(b)) => a == b,
            (Repr::Negative(a), Repr::Negative(b)) => a == b,
            (Repr::Double(a), Repr::Double(b)) => a.to_bits() == b.to_bits(),
            (Repr::Literal(a), Repr::Literal(b)) => a == b,
            _ => false,
        }
    }

    /// Adds two numbers, or returns `None` if the sum cannot be held.
    ///
    /// Integers add exactly, within the 64-bit range. If one operand is a double, the sum is that
    /// of the nearest doubles. Numbers kept as text do not add. O(1).
    #[must_use]
    pub fn checked_add(&self, other: &Self) -> Option<Self> {
        match (self.as_wide(), other.as_wide()) {
            (Some(a), Some(b)) => {
                let sum = a + b;
                let negative = || i64::try_from(sum).ok().map(Self::from);
                u64::try_from(sum).ok().map(Self::from).or_else(negative)
            }
            _ if self.is_literal() || other.is_literal() => None,
            _ => Self::try_from(self.as_f64()? + other.as_f64()?).ok(),
        }
    }

    /// Writes JSON text (RFC 8259 §6) from which [`Number::parse`] makes an identical number.
    ///
    /// A double has its shortest digits and always a point or an exponent; a literal is verbatim. O(bytes
    /// written).
    ///
    /// # Errors
    ///
    /// Those of `out`.
    pub fn write(&self, out: &mut impl fmt::Write) -> fmt::Result {
        match &self.0 {
            Repr::Unsigned(integer) => out.write_str(itoa::Buffer::new().format(*integer)),
            Repr::Negative(integer) => out.write_str(itoa::Buffer::new().format(*integer)),
            // Keeps `.0` and uses exponents: 24 bytes at most.
            Repr::Double(double) => {
                let mut buffer = zmij::Buffer::new();
                let text = buffer.format_finite(*double);
                // `1e16`, where the library has `1e+16`: one byte less, and the same for readers.
                let large = double.abs() >= PLUS_MIN;
                match large.then(|| text.split_once('+')).flatten() {
                    Some((mantissa, exponent)) => {
                        out.write_str(mantissa)?;
                        out.write_str(exponent)
                    }
                    None => out.write_str(text),
                }
            }
            Repr::Literal(text) => out.write_str(text),
        }
    }

    /// Writes the canonical form: RFC 8785 §3.2.2.3, extended to what a double cannot hold.
    ///
    /// Doubles have the form of ECMAScript's `Number::toString`; integers and integer literals
    /// have all their digits; other literals are `d.ddde+N` or `d.ddde-N` without idle zeros.
    /// Parsing the form and writing it again gives the same text. Beyond ±2^53 equal numbers may
    /// differ in form: the integer 2^63 ends in 5808, the double 2^63 in 6000, as RFC 8785 asks. O(bytes
    /// written), and for a number that is kept as text O(its bytes).
    ///
    /// # Errors
    ///
    /// Those of `out`.
    pub fn write_canonical(&self, out: &mut impl fmt::Write) -> fmt::Result {
        match &self.0 {
            Repr::Double(double) => write_ecmascript(*double, out),
            Repr::Literal(text) if !is_integer_literal(text) => {
                out.write_str(&Decimal::of(text).scientific())
            }
            Repr::Unsigned(_) | Repr::Negative(_) | Repr::Literal(_) => self.write(out),
        }
    }

    /// Returns an upper bound for the bytes that either written form takes.
    ///
    /// Exact for integers, 25 for a double. For a literal its length plus 6, by which a canonical
    /// form can exceed it, but not more than 1,024. O(1).
    #[must_use]
    pub fn written_bytes_max(&self) -> usize {
        match &self.0 {
            Repr::Unsigned(integer) => digit_count(*integer),
            Repr::Negative(integer) => 1 + digit_count(integer.unsigned_abs()),
            Repr::Double(_) => DOUBLE_BYTES_MAX,
            Repr::Literal(text) => (text.len() + CANONICAL_GROWTH_BYTES_MAX).min(NUMBER_BYTES_MAX),
        }
    }

    /// Bytes outside the number's own 16: for a literal a reference count, the place of the text, and
    /// the text, rounded up.
    pub(crate) fn heap_bytes(&self) -> usize {
        match &self.0 {
            Repr::Literal(text) => {
                (3 * size_of::<usize>() + text.len()).next_multiple_of(align_of::<usize>())
            }
            _ => 0,
        }
    }

    pub(crate) fn held(&self) -> Held<'_> {
        match &self.0 {
            Repr::Unsigned(integer) => Held::Unsigned(*integer),
            Repr::Negative(integer) => Held::Negative(*integer),
            Repr::Double(double) => Held::Double(*double),
            Repr::Literal(text) => Held::Literal(text),
        }
    }

    fn as_wide(&self) -> Option<i128> {
        match self.0 {
            Repr::Unsigned(integer) => Some(integer.into()),
            Repr::Negative(integer) => Some(integer.into()),
            Repr::Double(_) | Repr::Literal(_) => None,
        }
    }

    pub(crate) fn is_literal(&self) -> bool {
        matches!(self.0, Repr::Literal(_))
    }
}

impl PartialEq for Number {
    fn eq(&self, other: &Self) -> bool {
        use Repr::{Double, Literal, Negative, Unsigned};
        match (&self.0, &other.0) {
            (Unsigned(a), Unsigned(b)) => a == b,
            (Negative(a), Negative(b)) => a == b,
            (Double(a), Double(b)) => a == b,
            (Unsigned(a), Double(b)) | (Double(b), Unsigned(a)) => double_to_u64(*b) == Some(*a),
            (Negative(a), Double(b)) | (Double(b), Negative(a)) => double_to_i64(*b) == Some(*a),
            (Literal(a), Literal(b)) => a == b || Decimal::of(a) == Decimal::of(b),
            (Literal(a), Double(b)) | (Double(b), Literal(a)) => {
                // Invariant of `Literal`: only an integer literal can match all the double's
                // digits. Most pairs differ in the nearest double, and never come to digits.
                nearest_double(a) == Some(*b) && ***a == *format!("{b:.0}")
            }
            (Unsigned(_), Negative(_) | Literal(_))
            | (Negative(_), Unsigned(_) | Literal(_))
            | (Literal(_), Unsigned(_) | Negative(_)) => false,
        }
    }
}

impl Eq for Number {}

impl fmt::Display for Number {
    /// Writes what [`Number::write`] writes.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write(f)
    }
}

impl fmt::Debug for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write(f)
    }
}

impl From<u64> for Number {
    /// Keeps the integer exactly. O(1).
    #[inline]
    fn from(integer: u64) -> Self {
        Self(Repr::Unsigned(integer))
    }
}

impl From<i64> for Number {
    /// Keeps the integer exactly. O(1).
    #[inline]
    fn from(integer: i64) -> Self {
        // Invariant of `Negative`: what is not below zero converts to `u64`.
        Self(u64::try_from(integer).map_or(Repr::Negative(integer), Repr::Unsigned))
    }
}

macro_rules! from_integers {
    ($($integer:ty => $widen:expr),* $(,)?) => {$(
        impl From<$integer> for Number {
            /// Keeps the integer exactly. O(1).
            fn from(integer: $integer) -> Self {
                Self::from($widen(integer))
            }
        }
    )*};
}

from_integers!(u8 => u64::from, u16 => u64::from, u32 => u64::from, usize => |n| n as u64);
from_integers!(i8 => i64::from, i16 => i64::from, i32 => i64::from, isize => |n| n as i64);

impl TryFrom<f64> for Number {
    type Error = NumberError;

    /// Keeps the double as one, also if it is an integer. O(1).
    ///
    /// # Errors
    ///
    /// [`NumberError::NotFinite`]: JSON has no infinity and no NaN (RFC 8259 §6).
    #[inline]
    fn try_from(double: f64) -> Result<Self, NumberError> {
        // Invariant of `Double`.
        if !double.is_finite() {
            return Err(NumberError::NotFinite);
        }
        Ok(Self(Repr::Double(double)))
    }
}

/// Room for a float in scientific form, on the stack.
#[derive(Default)]
struct Scratch {
    bytes: [u8; 32],
    len: usize,
}

impl Scratch {
    fn as_str(&self) -> &str {
        let written = self.bytes.get(..self.len).unwrap_or_default();
        str::from_utf8(written).unwrap_or_default()
    }
}

impl fmt::Write for Scratch {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let end = self.len + text.len();
        let room = self.bytes.get_mut(self.len..end).ok_or(fmt::Error)?;
        room.copy_from_slice(text.as_bytes());
        self.len = end;
        Ok(())
    }
}

/// Writes a finite double as ECMA-262 §6.1.6.1.20 does.
fn write_ecmascript(double: f64, out: &mut impl fmt::Write) -> fmt::Result {
    let text = shortest_form(double.abs())?;
    let (mantissa, exponent) = text.as_str().split_once('e').ok_or(fmt::Error)?;
    let (first, rest) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let exponent = exponent.parse::<i32>().map_err(|_| fmt::Error)?;
    let places = exponent.unsigned_abs() as usize;
    // A comparison, so that -0.0 has no sign.
    if double < 0.0 {
        out.write_char('-')?;
    }
    match exponent {
        0..=20 => match rest.split_at_checked(places) {
            Some((whole, fraction)) if !fraction.is_empty() => {
                write!(out, "{first}{whole}.{fraction}")
            }
            _ => write!(out, "{first}{rest:0<places$}"),
        },
        -6..=-1 => write!(out, "0.{first:0>places$}{rest}"),
        21.. => write!(out, "{mantissa}e+{places}"),
        _ => write!(out, "{mantissa}e-{places}"),
    }
}

/// Spells the fewest digits that give the double back, of these the nearest, of two the even ones.
fn shortest_form(double: f64) -> Result<Scratch, fmt::Error> {
    let mut shortest = Scratch::default();
    write!(shortest, "{double:e}")?;
    let fraction = shortest
        .as_str()
        .split_once('.')
        .and_then(|(_, rest)| rest.split_once('e'));
    let places = fraction.map_or(0, |(digits, _)| digits.len());
    // The standard formatter rounds a tie up (rust-lang/rust#130936), but with a precision to even.
    // Both neighbours of a tie give the double back, so their distance is within that of doubles,
    // which is 2^-52 of the value or less: there are 16 digits at least. (Subnormals, where it is
    // more, have hundreds of digits and are never ties.)
    if places < 15 {
        return Ok(shortest);
    }
    let mut nearest = Scratch::default();
    write!(nearest, "{double:.places$e}")?;
    // Below a power of two, where doubles are closer, the nearest digits may belong to another.
    let gives_back = nearest.as_str().parse() == Ok(double);
    Ok(if gives_back { nearest } else { shortest })
}

/// Returns the nearest double of a text that follows the grammar, infinite or zero where the number
/// leaves the range.
///
/// A long text is looked through for its digits, byte by byte and once, and of these as many as can
/// decide are converted: the standard parser takes 20 ns a byte of leading zeros.
fn nearest_double(text: &str) -> Option<f64> {
    if text.len() <= NUMBER_BYTES_MAX {
        return text.parse().ok();
    }
    let short = Decimal::of(text).scientific_within(DIGITS_MAX);
    work::count(short.len());
    short.parse().ok()
}

/// Whether a text that follows the grammar has no digit but 0 before its exponent.
fn is_zero(text: &str) -> bool {
    let mut mantissa = text.bytes().take_while(|byte| !matches!(byte, b'e' | b'E'));
    !mantissa.any(|byte| matches!(byte, b'1'..=b'9'))
}

/// Digits that decide which double is nearest, together with whether any behind them is not 0. A number
/// midway between two doubles has 767 at most, so fewer would round some to the wrong side; more cost time.
const DIGITS_MAX: usize = 800;

/// Parses an integer of up to 18 digits, the usual case; all of these fit an `i64`.
fn short_integer(token: &str) -> Option<i64> {
    let digits = token.strip_prefix('-').unwrap_or(token);
    if digits.len() > 18 || token == "-0" {
        return None;
    }
    let mut magnitude = 0;
    for byte in digits.bytes() {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        magnitude = magnitude * 10 + i64::from(digit);
    }
    let negative = digits.len() < token.len();
    Some(if negative { -magnitude } else { magnitude })
}

fn is_integer_literal(token: &str) -> bool {
    !token.bytes().any(|byte| matches!(byte, b'.' | b'e' | b'E'))
}

fn follows_grammar(text: &str) -> bool {
    let unsigned = text.strip_prefix('-').unwrap_or(text).as_bytes();
    let whole = match unsigned {
        [b'0', tail @ ..] => Some(tail),
        _ => after_digits(unsigned),
    };
    let fraction = whole.and_then(|rest| match rest {
        [b'.', tail @ ..] => after_digits(tail),
        _ => Some(rest),
    });
    let exponent = fraction.and_then(|rest| match rest {
        [b'e' | b'E', b'+' | b'-', tail @ ..] | [b'e' | b'E', tail @ ..] => after_digits(tail),
        _ => Some(rest),
    });
    exponent.is_some_and(<[u8]>::is_empty)
}

/// Skips one digit or more.
fn after_digits(text: &[u8]) -> Option<&[u8]> {
    let count = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    if count == 0 { None } else { text.get(count..) }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the range is checked, and that there is no fraction"
)]
fn double_to_u64(double: f64) -> Option<u64> {
    let fits = (0.0..TWO_POW_64).contains(&double) && double.trunc() == double;
    fits.then_some(double as u64)
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "the range is checked, and that there is no fraction"
)]
fn double_to_i64(double: f64) -> Option<i64> {
    let fits = (-TWO_POW_63..TWO_POW_63).contains(&double) && double.trunc() == double;
    fits.then_some(double as i64)
}

/// How many digits it has. Asked three times for each number that a commit replaces, and some 20 instructions
/// shorter than by `ilog10`.
fn digit_count(integer: u64) -> usize {
    // The bits tell the digits, or one too few; 1233 / 4096 is the logarithm of 2, nearly (Anderson, "Bit
    // Twiddling Hacks"). The library's logarithm takes more steps.
    let integer = integer | 1;
    let bits = (u64::BITS - integer.leading_zeros()) as usize;
    let digits = (bits * 1_233) >> 12;
    let one_more = POWERS_OF_TEN
        .get(digits)
        .is_some_and(|power| integer >= *power);
    digits + usize::from(one_more)
}

/// Those that fit 64 bits.
const POWERS_OF_TEN: [u64; 20] = [
    1,
    10,
    100,
    1_000,
    10_000,
    100_000,
    1_000_000,
    10_000_000,
    100_000_000,
    1_000_000_000,
    10_000_000_000,
    100_000_000_000,
    1_000_000_000_000,
    10_000_000_000_000,
    100_000_000_000_000,
    1_000_000_000_000_000,
    10_000_000_000_000_000,
    100_000_000_000_000_000,
    1_000_000_000_000_000_000,
    10_000_000_000_000_000_000,
];

/// Longest text, in bytes, of a number that is kept as text.
///
/// A choice, not a need: integers of 3,000 bits pass, and what one number costs to keep or compare
/// stays small. A lower limit refuses key material that people do exchange as numbers; a higher one
/// lets a single number cost as much as a page of other values.
pub(crate) const NUMBER_BYTES_MAX: usize = 1_024;

/// Bytes by which the canonical form of a kept literal can exceed its text: `e+1021` comes with
/// 1,022 digits before a point that is already there. A literal that has an exponent gains 5 at
/// most (`.`, `+`, and three digits for `e0` after more than a thousand). Lower would let in
/// literals whose canonical form is refused; higher only makes the bound looser.
const CANONICAL_GROWTH_BYTES_MAX: usize = 6;

/// From here on a double is written with an exponent that is not negative.
const PLUS_MIN: f64 = 1e16;

/// Bytes of the longest double, `-0.0000012345678901234567`: sign, `0.`, 5 zeros, 17 digits. The
/// longest with an exponent, and the longest that [`Number::write`] makes, have 24.
pub(crate) const DOUBLE_BYTES_MAX: usize = 25;

const TWO_POW_63: f64 = 9_223_372_036_854_775_808.0;
const TWO_POW_64: f64 = 18_446_744_073_709_551_616.0;
