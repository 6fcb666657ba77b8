use super::NUMBER_BYTES_MAX;

/// A number as sign, digits and exponent, for texts that fit no double.
#[derive(Debug)]
pub(crate) struct Decimal<'a> {
    negative: bool,
    /// Invariant: begins and ends with a digit other than 0; may hold the point, which means
    /// nothing here. Empty for zero.
    pub(crate) digits: &'a str,
    exponent: Exponent,
}

impl<'a> Decimal<'a> {
    /// Takes apart a text that follows the grammar.
    #[expect(
        clippy::cast_possible_wrap,
        reason = "no text is longer than isize::MAX"
    )]
    pub(crate) fn of(text: &'a str) -> Self {
        // By bytes, since a text may be as long as a document.
        let marked = text.bytes().position(|byte| matches!(byte, b'e' | b'E'));
        let (mantissa, exponent) = marked
            .and_then(|at| text.get(..at).zip(text.get(at + 1..)))
            .unwrap_or((text, "0"));
        let unsigned = mantissa.strip_prefix('-').unwrap_or(mantissa);
        let point = unsigned.bytes().position(|byte| byte == b'.');
        let point = point.unwrap_or(unsigned.len());
        let significant = |byte| matches!(byte, b'1'..=b'9');
        let first = unsigned.bytes().position(significant).unwrap_or(0);
        let last = unsigned.bytes().rposition(significant);
        let end = last.map_or(0, |last| last + 1);
        let places_left = point as i64 - first as i64;
        Self {
            negative: mantissa.starts_with('-'),
            digits: unsigned.get(first..end).unwrap_or_default(),
            exponent: Exponent::new(exponent, places_left - i64::from(first < point)),
        }
    }

    fn bare_digits(&self) -> impl Iterator<Item = char> {
        self.digits.chars().filter(|c| *c != '.')
    }

    /// Spells `d.ddde+N`, or `de+N` for a single digit.
    pub(crate) fn scientific(&self) -> String {
        self.spelled(self.bare_digits(), &self.exponent.magnitude)
    }

    /// Spells a number of so many digits and one more that has the same nearest double, if those digits
    /// and whether there are more decide it.
    pub(crate) fn scientific_within(&self, digits_max: usize) -> String {
        let digits = self.digits.len() - usize::from(self.digits.contains('.'));
        // Invariant of `digits`: the last of those that are left out is not 0.
        let more = (digits > digits_max).then_some('1');
        // Beyond any double is as good as far beyond.
        let magnitude = match self.exponent.magnitude.as_slice() {
            magnitude if magnitude.len() > 5 => b"99999",
            magnitude => magnitude,
        };
        self.spelled(self.bare_digits().take(digits_max).chain(more), magnitude)
    }

    fn spelled(&self, mut digits: impl Iterator<Item = char>, magnitude: &[u8]) -> String {
        let room = digits.size_hint().1.unwrap_or_default();
        let mut text = String::with_capacity(room + magnitude.len() + 4);
        if self.negative {
            text.push('-');
        }
        text.push(digits.next().unwrap_or('0'));
        let mut rest = digits.peekable();
        if rest.peek().is_some() {
            text.push('.');
            text.extend(rest);
        }
        text.push('e');
        text.push(if self.exponent.negative { '-' } else { '+' });
        text.extend(magnitude.iter().copied().map(char::from));
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
        let digits = text.trim_start_matches(['+', '-', '0']).as_bytes();
        // A number with more digits here is too long to be kept, and beyond any double with so many.
        let digits = digits.get(..NUMBER_BYTES_MAX).unwrap_or(digits);
        let mut magnitude = digits.to_vec();
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

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the caller has a digit"
)]
fn ascii_digit(digit: i64) -> u8 {
    b'0' + digit as u8
}
