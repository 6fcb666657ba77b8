//! JSON numbers: 64-bit integers, doubles, and the text of what fits neither.

use std::fmt;
use std::fmt::Write as _;
use std::hash::{Hash as _, Hasher};
use std::mem;

use thiserror::Error;
use triomphe::Arc;

/// A JSON number, kept without loss (RFC 8259 §6).
///
/// An integer literal of up to 64 bits is exact. A literal with a fraction or an exponent is the
/// nearest double, unless that is infinite, or zero for a number that is not. Every other literal
/// keeps its text, up to 1,024 bytes. `-0` is the double -0.0.
///
/// Two numbers are equal if they have the same mathematical value, however they are held:
/// `1 == 1.0` and `0 == -0.0` (RFC 6902 §4.6). No comparison rounds: 1e30 is not the integer of 31
/// digits that it looks like, since the double has another value. [`Number::identical`] is the
/// finer relation.
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
    /// Parses the text of one JSON number, with nothing around it.
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
        if let Ok(integer) = token.parse::<i64>() {
            return Ok(integer.into());
        }
        Self::keep(token, token.len())
    }

    fn from_real(token: &str) -> Result<Self, NumberError> {
        let double = nearest_double(token).ok_or(NumberError::Invalid)?;
        let underflows = double == 0.0 && !Decimal::of(token).digits.is_empty();
        if double.is_finite() && !underflows {
            return Ok(Self(Repr::Double(double)));
        }
        if token.len() + CANONICAL_GROWTH_BYTES_MAX <= NUMBER_BYTES_MAX {
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

    /// Converts a single float by its shortest decimal form: `0.1_f32` becomes the double 0.1.
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

    /// Returns the value if it is an integer that fits a `u64`, also if it was written as `1.0`.
    pub fn as_u64(&self) -> Option<u64> {
        match self.0 {
            Repr::Unsigned(integer) => Some(integer),
            Repr::Double(double) => double_to_u64(double),
            Repr::Negative(_) | Repr::Literal(_) => None,
        }
    }

    /// Returns the value if it is an integer that fits an `i64`, also if it was written as `1.0`.
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
    /// A number too small for a double gives the nearest there is, a zero of the same sign.
    pub fn as_f64(&self) -> Option<f64> {
        match &self.0 {
            Repr::Unsigned(integer) => Some(*integer as f64),
            Repr::Negative(integer) => Some(*integer as f64),
            Repr::Double(double) => Some(*double),
            Repr::Literal(text) => nearest_double(text).filter(|double| double.is_finite()),
        }
    }

    /// Returns whether both are held alike, with the same bits or text: `1` and `1.0` are not.
    pub fn identical(&self, other: &Self) -> bool {
        match (&self.0, &other.0) {
            (Repr::Unsigned(a), Repr::Unsigned(b)) => a == b,
            (Repr::Negative(a), Repr::Negative(b)) => a == b,
            (Repr::Double(a), Repr::Double(b)) => a.to_bits() == b.to_bits(),
            (Repr::Literal(a), Repr::Literal(b)) => a == b,
            _ => false,
        }
    }

    /// Hashes so that identical numbers hash alike; equal ones need not.
    pub(crate) fn hash_identity<H: Hasher>(&self, state: &mut H) {
        mem::discriminant(&self.0).hash(state);
        match &self.0 {
            Repr::Unsigned(integer) => state.write_u64(*integer),
            Repr::Negative(integer) => state.write_i64(*integer),
            Repr::Double(double) => state.write_u64(double.to_bits()),
            Repr::Literal(text) => text.hash(state),
        }
    }

    /// Adds two numbers, or returns `None` if the sum cannot be held.
    ///
    /// Integers add exactly, within the 64-bit range. If one operand is a double, the sum is that
    /// of the nearest doubles. Numbers kept as text do not add.
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

    /// Writes JSON text from which [`Number::parse`] makes an identical number.
    ///
    /// A double has its shortest digits and always a point or an exponent; a literal is verbatim.
    ///
    /// # Errors
    ///
    /// Those of `out`.
    pub fn write(&self, out: &mut impl fmt::Write) -> fmt::Result {
        match &self.0 {
            Repr::Unsigned(integer) => write!(out, "{integer}"),
            Repr::Negative(integer) => write!(out, "{integer}"),
            // The Debug form, unlike Display, keeps `.0` and uses exponents: 24 bytes at most.
            Repr::Double(double) => write!(out, "{double:?}"),
            Repr::Literal(text) => out.write_str(text),
        }
    }

    /// Writes the canonical form: RFC 8785 §3.2.2.3, extended to what a double cannot hold.
    ///
    /// Doubles have the form of ECMAScript's `Number::toString`; integers and integer literals
    /// have all their digits; other literals are `d.ddde+N` or `d.ddde-N` without idle zeros.
    /// Parsing the form and writing it again gives the same text. Beyond ±2^53 equal numbers may
    /// differ in form: the integer 2^63 ends in 5808, the double 2^63 in 6000, as RFC 8785 asks.
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
    /// form can exceed it, but not more than 1,024.
    pub fn written_bytes_max(&self) -> usize {
        match &self.0 {
            Repr::Unsigned(integer) => digit_count(*integer),
            Repr::Negative(integer) => 1 + digit_count(integer.unsigned_abs()),
            Repr::Double(_) => DOUBLE_BYTES_MAX,
            Repr::Literal(text) => (text.len() + CANONICAL_GROWTH_BYTES_MAX).min(NUMBER_BYTES_MAX),
        }
    }

    fn as_wide(&self) -> Option<i128> {
        match self.0 {
            Repr::Unsigned(integer) => Some(integer.into()),
            Repr::Negative(integer) => Some(integer.into()),
            Repr::Double(_) | Repr::Literal(_) => None,
        }
    }

    fn is_literal(&self) -> bool {
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
    fn from(integer: u64) -> Self {
        Self(Repr::Unsigned(integer))
    }
}

impl From<i64> for Number {
    fn from(integer: i64) -> Self {
        // Invariant of `Negative`: what is not below zero converts to `u64`.
        Self(u64::try_from(integer).map_or(Repr::Negative(integer), Repr::Unsigned))
    }
}

macro_rules! from_integers {
    ($($integer:ty => $widen:expr),* $(,)?) => {$(
        impl From<$integer> for Number {
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

    /// Keeps the double as one, also if it is an integer.
    fn try_from(double: f64) -> Result<Self, NumberError> {
        // Invariant of `Double`.
        if !double.is_finite() {
            return Err(NumberError::NotFinite);
        }
        Ok(Self(Repr::Double(double)))
    }
}

/// A number as sign, digits and exponent, for texts that fit no double.
#[derive(Debug)]
struct Decimal<'a> {
    negative: bool,
    /// Invariant: begins and ends with a digit other than 0; may hold the point, which means
    /// nothing here. Empty for zero.
    digits: &'a str,
    exponent: Exponent,
}

impl<'a> Decimal<'a> {
    /// Takes apart a text that follows the grammar.
    #[expect(
        clippy::cast_possible_wrap,
        reason = "no text is longer than isize::MAX"
    )]
    fn of(text: &'a str) -> Self {
        let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
        let unsigned = mantissa.trim_start_matches('-');
        let point = unsigned.find('.').unwrap_or(unsigned.len());
        let first = unsigned.find(|c| matches!(c, '1'..='9')).unwrap_or(0);
        let places_left = point as i64 - first as i64;
        Self {
            negative: mantissa.starts_with('-'),
            digits: unsigned.trim_matches(['0', '.']),
            exponent: Exponent::new(exponent, places_left - i64::from(first < point)),
        }
    }

    fn bare_digits(&self) -> impl Iterator<Item = char> {
        self.digits.chars().filter(|c| *c != '.')
    }

    /// Spells `d.ddde+N`, or `de+N` for a single digit.
    fn scientific(&self) -> String {
        let mut text = String::with_capacity(self.digits.len() + self.exponent.magnitude.len() + 4);
        if self.negative {
            text.push('-');
        }
        let mut digits = self.bare_digits();
        text.push(digits.next().unwrap_or('0'));
        let mut rest = digits.peekable();
        if rest.peek().is_some() {
            text.push('.');
            text.extend(rest);
        }
        text.push('e');
        text.push(if self.exponent.negative { '-' } else { '+' });
        let magnitude = self.exponent.magnitude.iter();
        text.extend(magnitude.copied().map(char::from));
        text
    }
}

impl PartialEq for Decimal<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.negative == other.negative
            && self.exponent == other.exponent
            && self.bare_digits().eq(other.bare_digits())
    }
}

/// The power of ten of a number's first digit, itself in decimal digits: it has no bound.
#[derive(Debug, PartialEq)]
struct Exponent {
    /// Invariant: false for zero.
    negative: bool,
    /// Invariant: ASCII digits, without leading zeros.
    magnitude: Vec<u8>,
}

impl Exponent {
    /// Adds the exponent as written and the shift that the position of the first digit makes.
    fn new(text: &str, shift: i64) -> Self {
        let written = text.parse::<i64>().ok();
        if let Some(sum) = written.and_then(|written| written.checked_add(shift)) {
            return Self {
                negative: sum < 0,
                magnitude: sum.unsigned_abs().to_string().into_bytes(),
            };
        }
        // What is written has 19 digits at least, and the shift is less than the length of a text
        // in memory: so the sum keeps its sign, and carries one digit at most.
        let negative = text.starts_with('-');
        let mut magnitude = text.trim_start_matches(['+', '-', '0']).as_bytes().to_vec();
        let mut carry = if negative { -shift } else { shift };
        for digit in magnitude.iter_mut().rev() {
            let sum = i64::from(*digit - b'0') + carry;
            *digit = ascii_digit(sum.rem_euclid(10));
            carry = sum.div_euclid(10);
        }
        if carry > 0 {
            magnitude.insert(0, ascii_digit(carry));
        }
        let zeros = magnitude.iter().take_while(|digit| **digit == b'0').count();
        magnitude.drain(..zeros);
        Self {
            negative,
            magnitude,
        }
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

/// Returns the nearest double, infinite or zero where the number leaves the range.
fn nearest_double(text: &str) -> Option<f64> {
    if text.len() <= NUMBER_BYTES_MAX {
        return text.parse().ok();
    }
    // The standard parser drops digits of an exponent from 65,536 on, which is right only as long
    // as the mantissa cannot make up for it. With one digit before the point it never can.
    Decimal::of(text).scientific().parse().ok()
}

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

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the caller has a digit"
)]
fn ascii_digit(digit: i64) -> u8 {
    b'0' + digit as u8
}

fn digit_count(integer: u64) -> usize {
    integer.checked_ilog10().map_or(1, |log| log as usize + 1)
}

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

/// Bytes of the longest double, `-0.0000012345678901234567`: sign, `0.`, 5 zeros, 17 digits. The
/// longest with an exponent, and the longest that [`Number::write`] makes, have 24.
const DOUBLE_BYTES_MAX: usize = 25;

const TWO_POW_63: f64 = 9_223_372_036_854_775_808.0;
const TWO_POW_64: f64 = 18_446_744_073_709_551_616.0;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn number(text: &str) -> Number {
        Number::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"))
    }

    fn refused(text: &str) -> NumberError {
        Number::parse(text).expect_err(text)
    }

    fn double(bits: u64) -> Number {
        Number::try_from(f64::from_bits(bits)).unwrap_or_else(|_| bits.into())
    }

    fn written(number: &Number) -> String {
        let mut out = String::new();
        number.write(&mut out).unwrap();
        assert!(out.len() <= number.written_bytes_max(), "{out}");
        out
    }

    fn canonical(number: &Number) -> String {
        let mut out = String::new();
        number.write_canonical(&mut out).unwrap();
        assert!(out.len() <= number.written_bytes_max(), "{out}");
        out
    }

    #[test]
    fn only_the_grammar_of_the_rfc_is_a_number() {
        let refused = "- 01 -01 00 +1 .5 1. -.5 1.e3 1e 1e+ 1e- 1e+-1 0x1 NaN inf -Infinity 1_000 \
                       --1 1e5.5 1.2.3 1f ٣ e5 1e5e5";
        for text in refused.split(' ').chain(["", " 1", "1 ", "1\n"]) {
            assert_eq!(
                Number::parse(text).unwrap_err(),
                NumberError::Invalid,
                "{text:?}"
            );
        }
        for text in ["0", "-0", "10", "0.0", "-1.5E+07", "1e007", "0e-0", "0E9"] {
            number(text);
        }
    }

    #[test]
    fn a_literal_is_held_in_a_form_that_loses_nothing() {
        let unsigned = "0 999999999999999999 1000000000000000000 18446744073709551615";
        let negative = "-1 -999999999999999999 -9223372036854775808";
        let doubles = "-0 1.0 1e0 5e-324 2.5e-324 0e9999 -0.0e9 1.7976931348623158e308";
        let literals = "18446744073709551616 -9223372036854775809 1e309 -1e400 2.4e-324 1e-400";
        for (texts, kind) in [
            (unsigned, 'u'),
            (negative, 'n'),
            (doubles, 'd'),
            (literals, 'l'),
        ] {
            for text in texts.split(' ') {
                let found = match number(text).0 {
                    Repr::Unsigned(_) => 'u',
                    Repr::Negative(_) => 'n',
                    Repr::Double(_) => 'd',
                    Repr::Literal(_) => 'l',
                };
                assert_eq!(found, kind, "{text}");
            }
        }
        assert!(number("-0").identical(&Number::try_from(-0.0).unwrap()));
    }

    #[test]
    fn a_literal_too_long_to_keep_is_refused_and_a_long_double_is_not() {
        let digits = "7".repeat(NUMBER_BYTES_MAX);
        assert_eq!(written(&number(&digits)), digits);
        assert_eq!(
            refused(&format!("{digits}7")),
            NumberError::TooLong { bytes: 1_025 }
        );
        let third = number(&format!("0.{}", "3".repeat(5_000)));
        assert_eq!(third.as_f64(), Some(1.0 / 3.0));
    }

    #[test]
    fn a_canonical_form_too_long_to_keep_is_refused_with_its_literal() {
        // 1,022 digits before the point: the canonical form adds `e+1021`.
        let text = format!("{}.5", "7".repeat(1_022));
        assert_eq!(refused(&text), NumberError::TooLong { bytes: 1_030 });
        let kept = number(&format!("{}.5", "7".repeat(1_016)));
        assert_eq!(canonical(&kept).len(), NUMBER_BYTES_MAX);
    }

    /// The standard parser takes the first of these for 1.0 and the second for 0.0.
    #[test]
    fn a_long_mantissa_cannot_make_up_for_a_misread_exponent() {
        let error = refused(&format!("0.{}1e999999", "0".repeat(99_998)));
        assert_eq!(error, NumberError::TooLong { bytes: 100_008 });
        let zeros = "0".repeat(700_000);
        assert_eq!(number(&format!("0.{zeros}1e700001")), number("1"));
        assert_eq!(number(&format!("0.{zeros}e700001")), number("0"));
    }

    /// Each row is one value; no two rows are equal. So equality is transitive over the list.
    #[test]
    fn numbers_are_equal_if_and_only_if_their_values_are() {
        let zeros = |count| "0".repeat(count);
        let rows = [
            "0 -0 0.0 -0.0 0e9999 -0e-9999",
            "1 1.0 1e0 10e-1 0.1E+1",
            "-1 -1.0",
            "9007199254740992 9007199254740992.0",
            "9007199254740993",
            "9223372036854775807",
            "9223372036854775808 9223372036854775808.0",
            "-9223372036854775808 -9223372036854775808.0",
            "-9223372036854775809",
            "-9223372036854777856 -9223372036854777856.0",
            "18446744073709551615",
            "18446744073709551616 18446744073709551616.0 1.8446744073709551616e19",
            "1000000000000000000000000000000",
            "1000000000000000019884624838656 1e30",
            "-1000000000000000019884624838656 -1e30",
            &format!(
                "1e400 10e399 0.1e401 1.000E+00400 0.0010e403 1{}",
                zeros(400)
            ),
            "-1e400",
            "1.01e400 101e398 0.0101e402",
            "1.1e400",
            "1e-400 0.1e-399 10e-401",
            "1e-401",
            "1e9223372036854775807 0.1e9223372036854775808 10e9223372036854775806",
            "1e-9223372036854775808 10e-9223372036854775809",
            &format!("1e1{} 10e{}", zeros(40), "9".repeat(40)),
            &format!("1e1{}", zeros(41)),
            &format!("1e-1{} 0.1e-{}", zeros(40), "9".repeat(40)),
        ];
        let texts = rows
            .iter()
            .flat_map(|row| row.split(' ').map(move |text| (row, text)));
        for (row, text) in texts.clone() {
            for (other_row, other) in texts.clone() {
                let equal = number(text) == number(other);
                assert_eq!(equal, row == other_row, "{text} {other}");
            }
        }
    }

    #[test]
    fn identical_numbers_have_the_same_form_and_hash() {
        let hash = |number: &Number| {
            let mut state = std::hash::DefaultHasher::new();
            number.hash_identity(&mut state);
            state.finish()
        };
        let texts = "1 1.0 -1 -1.0 0 -0 0.0 1e400 10e399 1E400".split(' ');
        for text in texts.clone() {
            for other in texts.clone() {
                let (a, b) = (number(text), number(other));
                assert_eq!(a.identical(&b), text == other, "{text} {other}");
                assert_eq!(hash(&a) == hash(&b), text == other, "{text} {other}");
            }
        }
    }

    #[test]
    fn conversions_go_by_value() {
        for (text, unsigned, signed, double) in [
            ("7.0", Some(7), Some(7), Some(7.0)),
            ("-0.0", Some(0), Some(0), Some(0.0)),
            ("1.5", None, None, Some(1.5)),
            ("-3e0", None, Some(-3), Some(-3.0)),
            (
                "-9223372036854775808e0",
                None,
                Some(i64::MIN),
                Some(-TWO_POW_63),
            ),
            (
                "9223372036854775808.0",
                Some(1 << 63),
                None,
                Some(TWO_POW_63),
            ),
            ("18446744073709551616.0", None, None, Some(TWO_POW_64)),
            ("18446744073709551617", None, None, Some(TWO_POW_64)),
            ("1e-400", None, None, Some(0.0)),
            ("-1e400", None, None, None),
        ] {
            let number = number(text);
            assert_eq!(number.as_u64(), unsigned, "{text}");
            assert_eq!(number.as_i64(), signed, "{text}");
            assert_eq!(number.as_f64(), double, "{text}");
        }
        assert!(Number::from(5_u8).identical(&number("5")));
        assert!(Number::from(-5_isize).identical(&number("-5")));
        assert!(Number::from(5_i32).identical(&number("5")));
        assert!(Number::try_from(f64::NAN).is_err());
    }

    #[test]
    fn a_single_float_keeps_its_shortest_decimal_form() {
        for (float, text) in [(0.1, "0.1"), (-0.0, "-0.0"), (f32::MAX, "3.4028235e38")] {
            assert_eq!(written(&Number::from_f32_shortest(float).unwrap()), text);
        }
        for float in [f32::INFINITY, f32::NEG_INFINITY, f32::NAN] {
            let error = Number::from_f32_shortest(float).unwrap_err();
            assert_eq!(error, NumberError::NotFinite);
        }
    }

    #[test]
    fn a_sum_is_exact_or_a_finite_double_or_nothing() {
        let table = "1 2 3, 1 -3 -2, 1 0.5 1.5, 1 1.0 2.0, -0.0 0 0.0, \
                     18446744073709551615 -9223372036854775808 9223372036854775807, \
                     18446744073709551615 1 none, -9223372036854775808 -1 none, \
                     1e308 1e308 none, 1e400 1 none, 18446744073709551616 1.0 none";
        for row in table.split(", ") {
            let [a, b, sum] = row.split(' ').collect::<Vec<_>>()[..] else {
                panic!("{row}")
            };
            let sum = Some(sum).filter(|sum| *sum != "none");
            let found = number(a).checked_add(&number(b));
            assert_eq!(found.as_ref().map(written).as_deref(), sum, "{a} + {b}");
            assert_eq!(number(b).checked_add(&number(a)), found, "{b} + {a}");
        }
    }

    #[test]
    fn a_written_double_always_reads_back_as_one() {
        for text in "1.0 -0.0 1e16 1e-7 100000.0 -2.2250738585072014e-308".split(' ') {
            assert_eq!(written(&number(text)), text);
        }
    }

    /// The expectations are what `String(x)` gives in V8.
    #[test]
    fn the_canonical_form_of_a_double_is_that_of_ecmascript() {
        let table = "0.0 0, -0.0 0, -1e0 -1, 4.50 4.5, 2e-3 0.002, \
                     0.30000000000000004 0.30000000000000004, 1e20 100000000000000000000, \
                     123456789012345680000.0 123456789012345680000, \
                     999999999999999900000.0 999999999999999900000, 1e21 1e+21, -1e21 -1e+21, \
                     1.5e21 1.5e+21, 1e22 1e+22, 1e23 1e+23, 1e-5 0.00001, 0.000001 0.000001, \
                     1.5e-6 0.0000015, -1.2345678901234567e-6 -0.0000012345678901234567, \
                     9.999999999999999e-7 0.000001, 1e-7 1e-7, -1.25e-7 -1.25e-7, 5e-324 5e-324, \
                     2.2250738585072014e-308 2.2250738585072014e-308, \
                     -1.7976931348623157e308 -1.7976931348623157e+308, \
                     333333333.33333329 333333333.3333333, 333333333.33333325 333333333.33333325, \
                     -333333333333333.3 -333333333333333.3, \
                     1424953923781206.25 1424953923781206.2, \
                     1424953923781206.75 1424953923781206.8, \
                     112171935477118.125 112171935477118.12, \
                     -566922914748074.25 -566922914748074.2, 5e-44 5e-44, \
                     9007199254740991.0 9007199254740991, 9007199254740994.0 9007199254740994, \
                     9223372036854775808.0 9223372036854776000, \
                     18446744073709551616.0 18446744073709552000, \
                     295147905179352830000.0 295147905179352830000, 2.9e22 2.9e+22, \
                     1e15 1000000000000000, 12345678901234567.0 12345678901234568, \
                     5.684341886080802e-14 5.684341886080802e-14, 4294967295.5 4294967295.5, \
                     0.9999999999999999 0.9999999999999999, 9.5367431640625e-7 9.5367431640625e-7";
        for row in table.split(", ") {
            let (text, expected) = row.split_once(' ').unwrap();
            assert_eq!(canonical(&number(text)), expected, "{text}");
        }
    }

    #[test]
    fn the_canonical_form_keeps_what_a_double_would_lose() {
        for (text, expected) in [
            ("9007199254740993", "9007199254740993"),
            ("18446744073709551615", "18446744073709551615"),
            ("-9223372036854775808", "-9223372036854775808"),
            ("100000000000000000000000", "100000000000000000000000"),
            ("12.300E+0500", "1.23e+501"),
            ("-0.00120e-400", "-1.2e-403"),
            ("10e99999999999999999999", "1e+100000000000000000000"),
            ("0.1e100000000000000000000", "1e+99999999999999999999"),
            ("0.1e-99999999999999999999", "1e-100000000000000000000"),
        ] {
            assert_eq!(canonical(&number(text)), expected, "{text}");
        }
    }

    /// Spells `mantissa` times ten to `exponent` with a point at another place.
    fn respell(mantissa: u64, exponent: i128, places: i128) -> String {
        let digits = mantissa.to_string();
        let zeros = "0".repeat(places.unsigned_abs() as usize);
        if places < 0 {
            return format!("{digits}{zeros}e{}", exponent + places);
        }
        format!(
            "0.{zeros}{digits}E{}",
            exponent + places + digits.len() as i128
        )
    }

    fn any_text() -> impl Strategy<Value = String> {
        let mantissa = r"-?(0|[1-9][0-9]{0,24})(\.[0-9]{1,24})?";
        let exponent = "([eE][+-]?([0-9]{1,2}|[0-9]{3}|[0-9]{17,22}))?";
        (mantissa, exponent).prop_map(|(mantissa, exponent)| mantissa + &exponent)
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back_identical(bits: u64, signed: i64, text in any_text()) {
            for before in [double(bits), bits.into(), signed.into(), number(&text)] {
                let after = number(&written(&before));
                prop_assert!(after.identical(&before), "{before} {after}");
            }
        }

        #[test]
        fn the_canonical_form_is_its_own(bits: u64, signed: i64, text in any_text()) {
            for before in [double(bits), bits.into(), signed.into(), number(&text)] {
                let form = canonical(&before);
                prop_assert_eq!(canonical(&number(&form)), form);
            }
        }

        #[test]
        fn equality_is_reflexive_and_symmetric(a in any_text(), b in any_text()) {
            let (a, b) = (number(&a), number(&b));
            prop_assert_eq!(&a, &a.clone());
            prop_assert_eq!(a == b, b == a);
        }

        #[test]
        fn an_integer_equals_a_double_if_and_only_if_it_does_exactly(
            integer in (0..64_u32, any::<u64>()).prop_map(|(shift, bits)| bits >> shift << shift),
        ) {
            let double = Number::try_from(integer as f64).unwrap();
            let exact = format!("{:.0}", integer as f64) == integer.to_string();
            prop_assert_eq!(Number::from(integer) == double, exact);
        }

        #[test]
        fn an_integer_literal_equals_the_double_of_the_same_value(
            double in 1e20..f64::MAX, power in 65..1024_i32,
        ) {
            for double in [double, 2_f64.powi(power)] {
                let digits = format!("{double:.0}");
                let held = Number::try_from(double).unwrap();
                prop_assert_eq!(&number(&digits), &held);
                prop_assert_ne!(&number(&format!("{}1", &digits[..digits.len() - 1])), &held);
            }
        }

        #[test]
        fn a_literal_equals_itself_with_the_point_elsewhere(
            mantissa in 1..u64::MAX,
            exponent in prop_oneof![
                400..500_i128, -500..-400_i128, any::<i64>().prop_map(i128::from),
                -(1_i128 << 100)..1 << 100, Just(10_i128.pow(19)), Just(-10_i128.pow(19)),
            ],
            places in -40..40_i128,
        ) {
            prop_assume!(exponent.abs() >= 400);
            let plain = number(&format!("{mantissa}e{exponent}"));
            prop_assert_eq!(&plain, &number(&respell(mantissa, exponent, places)));
            prop_assert_ne!(&plain, &number(&respell(mantissa, exponent + 1, places)));
            prop_assert_ne!(&plain, &number(&respell(mantissa ^ 1 | 2, exponent, places)));
        }
    }
}
