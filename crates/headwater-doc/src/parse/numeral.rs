use crate::number::{DOUBLE_BYTES_MAX, Number};

/// A number that was looked at.
#[derive(Clone, Copy)]
pub(super) struct Numeral {
    bytes: usize,
    negative: bool,
    /// All its digits, if there is no exponent and any so many fit.
    mantissa: Option<u64>,
    /// How many of them stand behind the point.
    places: usize,
}

impl Numeral {
    /// Looks at the number that starts here; `None` if it breaks the grammar (RFC 8259 section 6).
    #[inline(always)]
    pub(super) fn of(token: &[u8]) -> Option<Self> {
        let mut scan = Digits {
            rest: token.strip_prefix(b"-").unwrap_or(token),
            mantissa: 0,
        };
        let negative = scan.rest.len() < token.len();
        let starts_with_zero = scan.rest.first() == Some(&b'0');
        let integer = scan.read();
        if integer == 0 || (integer > 1 && starts_with_zero) {
            return None;
        }
        let mut places = 0;
        if let Some(behind) = scan.rest.strip_prefix(b".") {
            scan.rest = behind;
            places = scan.read();
            if places == 0 {
                return None;
            }
        }
        let mantissa = scan.mantissa;
        let exponent = matches!(scan.rest.first(), Some(b'e' | b'E'));
        if exponent {
            scan.rest = scan.rest.get(1..).unwrap_or_default();
            if let Some(b'+' | b'-') = scan.rest.first() {
                scan.rest = scan.rest.get(1..).unwrap_or_default();
            }
            if scan.read() == 0 {
                return None;
            }
        }
        Some(Self {
            bytes: token.len() - scan.rest.len(),
            negative,
            mantissa: (integer + places <= DIGITS_MAX && !exponent).then_some(mantissa),
            places,
        })
    }

    /// Bytes of its text.
    #[inline(always)]
    pub(super) const fn bytes(&self) -> usize {
        self.bytes
    }

    /// Whether one step gives the very number that the literal stands for.
    #[inline(always)]
    pub(super) fn is_quick(&self) -> bool {
        let Some(mantissa) = self.mantissa else {
            return false;
        };
        if self.places == 0 {
            // `-0` is the double.
            return !self.negative || (mantissa != 0 && mantissa <= i64::MIN.unsigned_abs());
        }
        mantissa < 1 << 53 && self.places < POWERS_OF_TEN.len()
    }

    /// The number, if it is found quick.
    #[expect(
        clippy::cast_precision_loss,
        reason = "guarded: below 2^53 nothing is lost"
    )]
    #[inline(always)]
    pub(super) fn quick(&self) -> Number {
        let mantissa = self.mantissa.unwrap_or_default();
        if self.places == 0 {
            return if self.negative {
                Number::from(0_i64.wrapping_sub_unsigned(mantissa))
            } else {
                Number::from(mantissa)
            };
        }
        // Both are exact doubles, so that their quotient is rounded once, correctly (Clinger, "How to
        // Read Floating Point Numbers Accurately", 1990).
        let power = POWERS_OF_TEN.get(self.places).copied().unwrap_or(1.0);
        let quotient = mantissa as f64 / power;
        Number::from_finite(if self.negative { -quotient } else { quotient })
    }

    /// What [`Number::written_bytes_max`] says of a quick one.
    #[inline(always)]
    pub(super) const fn written_bytes(&self) -> usize {
        // An integer is written as it is read.
        if self.places == 0 {
            self.bytes
        } else {
            DOUBLE_BYTES_MAX
        }
    }
}

/// Reads runs of digits as one mantissa.
struct Digits<'a> {
    rest: &'a [u8],
    /// Right for up to [`DIGITS_MAX`] digits; without meaning beyond.
    mantissa: u64,
}

/// Digits of which any fit 64 bits.
const DIGITS_MAX: usize = 19;

impl Digits<'_> {
    /// Reads a run of digits and returns how many they are.
    #[inline]
    fn read(&mut self) -> usize {
        let before = self.rest.len();
        while let Some((digit @ b'0'..=b'9', rest)) = self.rest.split_first() {
            let digit = u64::from(digit - b'0');
            self.mantissa = self.mantissa.wrapping_mul(10).wrapping_add(digit);
            self.rest = rest;
        }
        before - self.rest.len()
    }
}

/// The powers of ten that are exact doubles.
const POWERS_OF_TEN: [f64; 23] = [
    1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16,
    1e17, 1e18, 1e19, 1e20, 1e21, 1e22,
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Value;

    /// Literals on either side of every border of what one step converts.
    fn literals() -> Vec<String> {
        let mut literals = vec!["0".to_owned()];
        let borders = [
            1_u64 << 53,
            1 << 63,
            u64::MAX,
            10_u64.pow(18),
            10_u64.pow(19),
        ];
        for border in borders {
            for near in -2..=2 {
                literals.push((i128::from(border) + near).to_string());
            }
        }
        for len in 1..=24 {
            literals.push("9".repeat(len));
            literals.push(format!("1{}", "0".repeat(len)));
            literals.push(format!("0.{}1", "0".repeat(len)));
            literals.push(format!("0.{}", "7".repeat(len)));
            literals.push(format!("3.{}", "0".repeat(len)));
        }
        for whole in literals.clone() {
            if !whole.contains('.') {
                literals.extend(
                    [".0", ".5", ".1234567", "e0", "E+2", "e-400", ".5e3"]
                        .map(|behind| format!("{whole}{behind}")),
                );
            }
        }
        let negative: Vec<_> = literals.iter().map(|text| format!("-{text}")).collect();
        literals.extend(negative);
        literals
    }

    #[test]
    fn a_number_read_in_one_step_is_the_one_that_its_literal_stands_for() {
        let mut quick = 0;
        for text in literals() {
            let expected = Number::parse(&text).expect("a number");
            let numeral = Numeral::of(text.as_bytes()).expect("a number");
            assert_eq!(numeral.bytes(), text.len(), "{text}");
            if numeral.is_quick() {
                quick += 1;
                assert!(numeral.quick().identical(&expected), "{text}");
                let bytes = expected.written_bytes_max();
                assert_eq!(numeral.written_bytes(), bytes, "{text}");
            }
            // Alone and among others, which are read in two ways.
            let alone: Value = text.parse().expect("a number");
            let list: Value = format!("[{text},0]").parse().expect("numbers");
            let first = list.as_array().and_then(|array| array.get(0));
            for value in [Some(&alone), first] {
                let number = value.and_then(Value::as_number).expect("a number");
                assert!(number.identical(&expected), "{text}");
            }
        }
        assert!(quick > 100, "{quick}");
    }

    #[test]
    fn a_numeral_that_breaks_the_grammar_is_none() {
        for text in [
            "", "-", "+1", ".5", "01", "-00", "1.", "1.e3", "1e", "1e+", "-a",
        ] {
            assert!(Numeral::of(text.as_bytes()).is_none(), "{text}");
        }
        let numeral = Numeral::of(b"1.5,2").expect("a number");
        assert_eq!(numeral.bytes(), 3);
    }
}
