use std::borrow::Cow;

use crate::{
    limits::{LimitExceeded, Limits},
    number::{Number, NumberError},
    scan::plain_bytes,
    shapes::Shapes,
    value::Value,
};

/// Why a text is no document that can be held, and where. The fault is the text's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{reason} at byte {offset}")]
pub struct ParseError {
    /// Where it went wrong, in bytes from the start of the text.
    pub offset: usize,
    /// What went wrong there.
    pub reason: ParseReason,
}

/// What is wrong with a text.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ParseReason {
    /// The text is not UTF-8 (RFC 8259 section 8.1).
    #[error("not UTF-8")]
    NotUtf8,
    /// The text ends inside a value, or has none.
    #[error("unexpected end")]
    UnexpectedEnd,
    /// Something else was due here (RFC 8259 section 2).
    #[error("expected {expected}")]
    Expected {
        /// What was due.
        expected: &'static str,
    },
    /// A number does not follow the grammar (RFC 8259 section 6).
    #[error("malformed number")]
    BadNumber,
    /// A number fits neither 64 bits nor a double and is too long to be kept as text.
    #[error("number of {bytes} bytes is too long")]
    NumberTooLong {
        /// Its length.
        bytes: usize,
    },
    /// A string contains a control character that is not escaped (RFC 8259 section 7).
    #[error("control character in a string")]
    ControlCharacter,
    /// A `\` is followed by nothing that it can escape (RFC 8259 section 7).
    #[error("unknown escape")]
    BadEscape,
    /// A `\u` escape names half of a surrogate pair, which no Unicode string can hold (RFC 8259 section 8.2).
    #[error("lone surrogate")]
    LoneSurrogate,
    /// An object has the same name twice, of which readers make different things (RFC 8259 section 4).
    #[error("name {name:?} repeated in an object that ends")]
    DuplicateName {
        /// The name, its first 64 characters.
        name: String,
    },
    /// The document would break a limit.
    #[error(transparent)]
    Limit(#[from] LimitExceeded),
    /// There is more behind the document.
    #[error("unexpected text behind the document")]
    TrailingText,
}

/// Reads a document.
pub(crate) fn parse(text: &[u8], limits: &Limits) -> Result<Value, ParseError> {
    let mut parser = Parser::new(text, limits)?;
    let document = parser.document()?;
    parser.end()?;
    Ok(document)
}

/// A parser with lists for what is open, not a stack of calls: the depth is the input's.
pub(crate) struct Parser<'a> {
    text: &'a str,
    /// Invariant: the bytes of `text`.
    bytes: &'a [u8],
    /// Invariant: on a character boundary.
    at: usize,
    limits: &'a Limits,
    /// Containers around each value for which the limits hold, to which they do not: 1 while an operation is
    /// read as a value.
    around: usize,
    /// Values in that value so far.
    nodes: u64,
    /// The containers around the place, the outermost first.
    open: Vec<Open>,
    /// The values of all open containers that are read, one container's behind the other's.
    values: Vec<Value>,
    /// Likewise the names of all open objects.
    names: Vec<Cow<'a, str>>,
    shapes: Shapes,
}

/// A place in the text, between two values.
#[derive(Clone, Copy)]
pub(crate) struct Mark {
    at: usize,
}

/// An open container: where its values start, and in an object its names.
#[derive(Clone, Copy)]
enum Open {
    Array { values: usize },
    Object { values: usize, names: usize },
}

impl<'a> Parser<'a> {
    pub(crate) fn new(text: &'a [u8], limits: &'a Limits) -> Result<Self, ParseError> {
        // First, so that a text that is too long is not even looked at.
        if text.len() as u64 > limits.bytes {
            let limit = limits.bytes;
            let reason = LimitExceeded::Bytes { limit }.into();
            return Err(ParseError { offset: 0, reason });
        }
        let text = std::str::from_utf8(text).map_err(|error| ParseError {
            offset: error.valid_up_to(),
            reason: ParseReason::NotUtf8,
        })?;
        Ok(Self {
            text,
            bytes: text.as_bytes(),
            at: 0,
            limits,
            around: 0,
            nodes: 0,
            open: Vec::new(),
            values: Vec::new(),
            names: Vec::new(),
            shapes: Shapes::default(),
        })
    }

    /// Reads a whole value.
    pub(crate) fn document(&mut self) -> Result<Value, ParseError> {
        self.nodes = 0;
        loop {
            // Down to a value that is whole …
            let Some(mut value) = self.value()? else {
                continue;
            };
            // … and up through the containers that it closes.
            loop {
                if self.open.is_empty() {
                    // Written again it can be longer: `1e9` becomes `1000000000.0`.
                    let sized = self.limits.check_bytes(&value);
                    sized.map_err(|limit| self.error(limit))?;
                    return Ok(value);
                }
                self.values.push(value);
                match self.closed()? {
                    Some(container) => value = container,
                    None => break,
                }
            }
        }
    }

    /// Reads a whole value that is an operation: the limits of depth and of values hold for each of its
    /// members.
    pub(crate) fn operation(&mut self) -> Result<Value, ParseError> {
        self.around = 1;
        let operation = self.document();
        self.around = 0;
        operation
    }

    /// Reads a string.
    pub(crate) fn text(&mut self) -> Result<Cow<'a, str>, ParseError> {
        if self.peek() != Some(b'"') {
            return Err(self.expected("a string"));
        }
        self.string()
    }

    /// A place to come back to.
    pub(crate) const fn mark(&self) -> Mark {
        Mark { at: self.at }
    }

    /// Goes back to a place between two values.
    pub(crate) fn back_to(&mut self, mark: Mark) {
        self.at = mark.at;
        self.open.clear();
        self.values.clear();
        self.names.clear();
    }

    /// Makes sure that nothing but blanks is left.
    pub(crate) fn end(&mut self) -> Result<(), ParseError> {
        self.skip_blanks();
        if self.at < self.text.len() {
            return Err(self.error(ParseReason::TrailingText));
        }
        Ok(())
    }

    /// Steps over a byte that was looked at.
    pub(crate) const fn step(&mut self) {
        self.at += 1;
    }

    /// Reads a scalar or an empty container; opens a container and returns `None` otherwise.
    fn value(&mut self) -> Result<Option<Value>, ParseError> {
        self.skip_blanks();
        self.nodes += 1;
        if self.nodes > self.limits.nodes {
            let limit = self.limits.nodes;
            return Err(self.error(LimitExceeded::Nodes { limit }));
        }
        match self.peek() {
            Some(b'"') => Ok(Some(match self.string()? {
                Cow::Borrowed(text) => Value::from(text),
                Cow::Owned(text) => Value::from(text),
            })),
            Some(b'-' | b'0'..=b'9') => self.number().map(Some),
            Some(b'[') => {
                self.open_container()?;
                let values = self.values.len();
                if self.eat(b']') {
                    return Ok(Some(Value::array_from_tail(&mut self.values, values)));
                }
                self.open.push(Open::Array { values });
                Ok(None)
            }
            Some(b'{') => {
                self.open_container()?;
                let (values, names) = (self.values.len(), self.names.len());
                if self.eat(b'}') {
                    return self.object(values, names).map(Some);
                }
                self.open.push(Open::Object { values, names });
                let name = self.name()?;
                self.names.push(name);
                Ok(None)
            }
            Some(b't') => self.literal("true", Value::from(true)),
            Some(b'f') => self.literal("false", Value::from(false)),
            Some(b'n') => self.literal("null", Value::NULL),
            _ => Err(self.expected("a value")),
        }
    }

    /// Reads what follows a value inside the innermost container: the container, if it ends here.
    fn closed(&mut self) -> Result<Option<Value>, ParseError> {
        self.skip_blanks();
        let next = self.peek();
        let container = match (self.open.last().copied(), next) {
            (Some(Open::Array { .. }), Some(b',')) => {
                self.at += 1;
                return Ok(None);
            }
            (Some(Open::Object { .. }), Some(b',')) => {
                self.at += 1;
                let name = self.name()?;
                self.names.push(name);
                return Ok(None);
            }
            (Some(Open::Array { values }), Some(b']')) => {
                Value::array_from_tail(&mut self.values, values)
            }
            (Some(Open::Object { values, names }), Some(b'}')) => self.object(values, names)?,
            (Some(Open::Object { .. }), _) => return Err(self.expected("',' or '}'")),
            _ => return Err(self.expected("',' or ']'")),
        };
        self.at += 1;
        self.open.pop();
        Ok(Some(container))
    }

    /// Makes an object of the last names and values.
    fn object(&mut self, values: usize, names: usize) -> Result<Value, ParseError> {
        let object = self.shapes.object(
            self.names.get(names..).unwrap_or_default(),
            &mut self.values,
            values,
        );
        let object = object.map_err(|name| self.error(ParseReason::DuplicateName { name }))?;
        self.names.truncate(names);
        Ok(object)
    }

    /// Steps over an opening bracket and the blanks behind it.
    fn open_container(&mut self) -> Result<(), ParseError> {
        let depth_max = usize::try_from(self.limits.depth).unwrap_or(usize::MAX);
        if self.open.len() >= depth_max.saturating_add(self.around) {
            let limit = self.limits.depth;
            return Err(self.error(LimitExceeded::Depth { limit }));
        }
        self.at += 1;
        self.skip_blanks();
        Ok(())
    }

    /// Reads a name and the colon behind it.
    pub(crate) fn name(&mut self) -> Result<Cow<'a, str>, ParseError> {
        if self.open.len() == self.around {
            // What follows is a value for itself.
            self.nodes = 0;
        }
        self.skip_blanks();
        if self.peek() != Some(b'"') {
            return Err(self.expected("a name"));
        }
        let name = self.string()?;
        self.skip_blanks();
        if self.eat(b':') {
            Ok(name)
        } else {
            Err(self.expected("':'"))
        }
    }

    fn literal(&mut self, word: &'static str, value: Value) -> Result<Option<Value>, ParseError> {
        if !self.rest().starts_with(word.as_bytes()) {
            return Err(self.expected("a value"));
        }
        self.at += word.len();
        Ok(Some(value))
    }

    fn number(&mut self) -> Result<Value, ParseError> {
        let token = self.rest();
        let mut scan = Digits {
            rest: token.strip_prefix(b"-").unwrap_or(token),
            mantissa: Some(0),
        };
        let negative = scan.rest.len() < token.len();
        let starts_with_zero = scan.rest.first() == Some(&b'0');
        let integer = scan.read();
        if integer == 0 || (integer > 1 && starts_with_zero) {
            return Err(self.error(ParseReason::BadNumber));
        }
        let mut fraction = 0;
        if let Some(behind) = scan.rest.strip_prefix(b".") {
            scan.rest = behind;
            fraction = scan.read();
            if fraction == 0 {
                return Err(self.error(ParseReason::BadNumber));
            }
        }
        let exponent = matches!(scan.rest.first(), Some(b'e' | b'E'));
        if exponent {
            scan.rest = scan.rest.get(1..).unwrap_or_default();
            if let Some(b'+' | b'-') = scan.rest.first() {
                scan.rest = scan.rest.get(1..).unwrap_or_default();
            }
            if scan.read() == 0 {
                return Err(self.error(ParseReason::BadNumber));
            }
        }
        let bytes = token.len() - scan.rest.len();
        let quick = match scan.mantissa {
            Some(mantissa) if !exponent => quick_number(negative, mantissa, fraction),
            _ => None,
        };
        let number = match quick {
            Some(number) => number,
            None => self.number_from_token(bytes)?,
        };
        self.at += bytes;
        Ok(Value::from(number))
    }

    fn number_from_token(&self, bytes: usize) -> Result<Number, ParseError> {
        let token = self.text.get(self.at..self.at + bytes).unwrap_or_default();
        Number::from_token(token).map_err(|error| {
            self.error(match error {
                NumberError::TooLong { bytes } => ParseReason::NumberTooLong { bytes },
                _ => ParseReason::BadNumber,
            })
        })
    }

    /// Reads a string, which starts here with its quote.
    fn string(&mut self) -> Result<Cow<'a, str>, ParseError> {
        self.at += 1;
        let start = self.at;
        self.pass_plain()?;
        let run = self.text.get(start..self.at).unwrap_or_default();
        if self.eat(b'"') {
            return Ok(Cow::Borrowed(run));
        }
        let mut text = run.to_owned();
        loop {
            // What ends a run is a quote or a backslash.
            if self.eat(b'"') {
                return Ok(Cow::Owned(text));
            }
            text.push(self.escape()?);
            let start = self.at;
            self.pass_plain()?;
            text.push_str(self.text.get(start..self.at).unwrap_or_default());
        }
    }

    /// Steps to the next quote or backslash.
    fn pass_plain(&mut self) -> Result<(), ParseError> {
        self.at += plain_bytes(self.rest());
        match self.peek() {
            Some(b'"' | b'\\') => Ok(()),
            Some(_) => Err(self.error(ParseReason::ControlCharacter)),
            None => Err(self.error(ParseReason::UnexpectedEnd)),
        }
    }

    /// Reads an escape, which starts here with its backslash.
    fn escape(&mut self) -> Result<char, ParseError> {
        let plain = match self.bytes.get(self.at + 1) {
            Some(b'"') => '"',
            Some(b'\\') => '\\',
            Some(b'/') => '/',
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(b'u') => return self.unicode_escape(),
            Some(_) => return Err(self.error(ParseReason::BadEscape)),
            None => return Err(self.error(ParseReason::UnexpectedEnd)),
        };
        self.at += 2;
        Ok(plain)
    }

    fn unicode_escape(&mut self) -> Result<char, ParseError> {
        let start = self.at;
        let first = self.code_unit()?;
        let second = match first {
            0xd800..0xdc00 if self.rest().starts_with(b"\\u") => Some(self.code_unit()?),
            _ => None,
        };
        let units = [first, second.unwrap_or_default()];
        let used = if second.is_some() { 2 } else { 1 };
        match char::decode_utf16(units.into_iter().take(used)).next() {
            Some(Ok(character)) => Ok(character),
            _ => Err(ParseError {
                offset: start,
                reason: ParseReason::LoneSurrogate,
            }),
        }
    }

    /// Reads `\uXXXX`.
    fn code_unit(&mut self) -> Result<u16, ParseError> {
        let digits = self.rest().get(2..6);
        let digits = digits.filter(|digits| digits.iter().all(u8::is_ascii_hexdigit));
        let unit = digits
            .and_then(|digits| std::str::from_utf8(digits).ok())
            .and_then(|digits| u16::from_str_radix(digits, 16).ok());
        let unit = unit.ok_or_else(|| self.error(ParseReason::BadEscape))?;
        self.at += 6;
        Ok(unit)
    }

    pub(crate) fn skip_blanks(&mut self) {
        while let Some(b' ' | b'\t' | b'\n' | b'\r') = self.peek() {
            self.at += 1;
        }
    }

    pub(crate) fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    pub(crate) fn eat(&mut self, byte: u8) -> bool {
        let eaten = self.peek() == Some(byte);
        self.at += usize::from(eaten);
        eaten
    }

    fn rest(&self) -> &'a [u8] {
        self.bytes.get(self.at..).unwrap_or_default()
    }

    pub(crate) fn expected(&self, expected: &'static str) -> ParseError {
        if self.at >= self.text.len() {
            return self.error(ParseReason::UnexpectedEnd);
        }
        self.error(ParseReason::Expected { expected })
    }

    fn error(&self, reason: impl Into<ParseReason>) -> ParseError {
        ParseError {
            offset: self.at,
            reason: reason.into(),
        }
    }
}

/// Reads runs of digits as one mantissa.
struct Digits<'a> {
    rest: &'a [u8],
    /// `None` once it no longer fits.
    mantissa: Option<u64>,
}

impl Digits<'_> {
    /// Reads a run of digits and returns how many they are.
    fn read(&mut self) -> usize {
        let mut count = 0;
        while let Some((digit @ b'0'..=b'9', rest)) = self.rest.split_first() {
            let digit = u64::from(digit - b'0');
            self.mantissa = self
                .mantissa
                .and_then(|mantissa| mantissa.checked_mul(10)?.checked_add(digit));
            self.rest = rest;
            count += 1;
        }
        count
    }
}

/// A number of which mantissa and decimal places are known, where one step gives the very number that
/// its literal stands for.
#[expect(
    clippy::cast_precision_loss,
    reason = "guarded: below 2^53 nothing is lost"
)]
fn quick_number(negative: bool, mantissa: u64, places: usize) -> Option<Number> {
    if places == 0 {
        return match (negative, mantissa) {
            (false, _) => Some(Number::from(mantissa)),
            // `-0` is the double.
            (true, 0) => None,
            (true, _) => Some(Number::from(0_i64.checked_sub_unsigned(mantissa)?)),
        };
    }
    // Both are exact doubles, so that their quotient is rounded once, correctly (Clinger, "How to
    // Read Floating Point Numbers Accurately", 1990).
    let power = *POWERS_OF_TEN.get(places)?;
    if mantissa >= 1 << 53 {
        return None;
    }
    let quotient = mantissa as f64 / power;
    Number::try_from(if negative { -quotient } else { quotient }).ok()
}

/// The powers of ten that are exact doubles.
const POWERS_OF_TEN: [f64; 23] = [
    1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16,
    1e17, 1e18, 1e19, 1e20, 1e21, 1e22,
];
