use std::borrow::Cow;

use crate::{
    limits::{LimitExceeded, Limits},
    node::push_made,
    number::{Number, NumberError},
    packed::Short,
    scan::plain_bytes,
    shapes::Shapes,
    value::{Repr, Value},
};

/// Why a text is no document that can be held (RFC 8259), and where. The fault is the text's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{reason} at byte {offset}")]
pub struct ParseError {
    /// Where it went wrong, in bytes from the start of the text.
    pub offset: usize,
    /// What went wrong there.
    pub reason: ParseReason,
}

/// What is wrong with a text (RFC 8259).
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
    let document = || {
        let mut parser = Parser::new(text, limits)?;
        let document = parser.document()?;
        parser.end()?;
        Ok(document)
    };
    document().map_err(|fault: Fault| *fault)
}

/// What is wrong, boxed: what a token is read as stays as small as the token, and only a text that is
/// refused pays for it.
pub(crate) type Fault = Box<ParseError>;

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
    pub(crate) fn new(text: &'a [u8], limits: &'a Limits) -> Result<Self, Fault> {
        // First, so that a text that is too long is not even looked at.
        if text.len() as u64 > limits.bytes {
            let limit = limits.bytes;
            let reason = LimitExceeded::Bytes { limit }.into();
            return Err(Box::new(ParseError { offset: 0, reason }));
        }
        let text = std::str::from_utf8(text).map_err(|error| {
            Box::new(ParseError {
                offset: error.valid_up_to(),
                reason: ParseReason::NotUtf8,
            })
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
    pub(crate) fn document(&mut self) -> Result<Value, Fault> {
        self.nodes = 0;
        loop {
            // Down to a value that is whole …
            if !self.value()? {
                continue;
            }
            // … and up through the containers that it closes.
            loop {
                if self.open.is_empty() {
                    let value = self.values.pop().unwrap_or_default();
                    // Written again it can be longer: `1e9` becomes `1000000000.0`.
                    let sized = self.limits.check_bytes(&value);
                    sized.map_err(|limit| self.error(limit))?;
                    return Ok(value);
                }
                if !self.closed()? {
                    break;
                }
            }
        }
    }

    /// Reads a whole value that is an operation: the limits of depth and of values hold for each of its
    /// members.
    pub(crate) fn operation(&mut self) -> Result<Value, Fault> {
        self.around = 1;
        let operation = self.document();
        self.around = 0;
        operation
    }

    /// Reads a string.
    pub(crate) fn text(&mut self) -> Result<Cow<'a, str>, Fault> {
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
    pub(crate) fn end(&mut self) -> Result<(), Fault> {
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

    /// Reads a scalar or an empty container onto the list of values; opens a container and returns false
    /// otherwise.
    ///
    /// Each arm puts its value on the list itself, see [`push_made`].
    fn value(&mut self) -> Result<bool, Fault> {
        self.skip_blanks();
        self.nodes += 1;
        if self.nodes > self.limits.nodes {
            let limit = self.limits.nodes;
            return Err(self.error(LimitExceeded::Nodes { limit }));
        }
        match self.peek() {
            Some(b'"') => match self.string()? {
                Cow::Borrowed(text) => match Short::new(text) {
                    Some(short) => push_made(&mut self.values, || Value(Repr::Short(short))),
                    None => push_made(&mut self.values, || Value::from(text)),
                },
                Cow::Owned(text) => self.values.push(Value::from(text)),
            },
            Some(b'-' | b'0'..=b'9') => self.number()?,
            Some(b'[') => {
                self.open_container()?;
                let values = self.values.len();
                if !self.eat(b']') {
                    self.open.push(Open::Array { values });
                    return Ok(false);
                }
                self.array(values);
            }
            Some(b'{') => {
                self.open_container()?;
                let (values, names) = (self.values.len(), self.names.len());
                if !self.eat(b'}') {
                    self.open.push(Open::Object { values, names });
                    self.push_name()?;
                    return Ok(false);
                }
                self.object(values, names)?;
            }
            Some(b't') => self.literal("true", Value::from(true))?,
            Some(b'f') => self.literal("false", Value::from(false))?,
            Some(b'n') => self.literal("null", Value::NULL)?,
            _ => return Err(self.expected("a value")),
        }
        Ok(true)
    }

    /// Reads what follows a value inside the innermost container; if the container ends here, puts it in
    /// the place of its values and returns true.
    fn closed(&mut self) -> Result<bool, Fault> {
        self.skip_blanks();
        let next = self.peek();
        match (self.open.last().copied(), next) {
            (Some(Open::Array { .. }), Some(b',')) => {
                self.at += 1;
                return Ok(false);
            }
            (Some(Open::Object { .. }), Some(b',')) => {
                self.at += 1;
                self.push_name()?;
                return Ok(false);
            }
            (Some(Open::Array { values }), Some(b']')) => self.array(values),
            (Some(Open::Object { values, names }), Some(b'}')) => self.object(values, names)?,
            (Some(Open::Object { .. }), _) => return Err(self.expected("',' or '}'")),
            _ => return Err(self.expected("',' or ']'")),
        }
        self.at += 1;
        self.open.pop();
        Ok(true)
    }

    /// Makes an array of the last values.
    fn array(&mut self, values: usize) {
        let array = Value::array_from_tail(&mut self.values, values);
        self.values.push(array);
    }

    /// Makes an object of the last names and values.
    fn object(&mut self, values: usize, names: usize) -> Result<(), Fault> {
        let made = self.shapes.object(
            self.names.get(names..).unwrap_or_default(),
            &mut self.values,
            values,
        );
        made.map_err(|name| self.error(ParseReason::DuplicateName { name }))?;
        self.names.truncate(names);
        Ok(())
    }

    /// Steps over an opening bracket and the blanks behind it.
    fn open_container(&mut self) -> Result<(), Fault> {
        let depth_max = usize::try_from(self.limits.depth).unwrap_or(usize::MAX);
        if self.open.len() >= depth_max.saturating_add(self.around) {
            let limit = self.limits.depth;
            return Err(self.error(LimitExceeded::Depth { limit }));
        }
        if self.open.is_empty() {
            self.make_room();
        }
        self.at += 1;
        self.skip_blanks();
        Ok(())
    }

    /// Makes room for what is open at once in most documents: lists that grow from nothing take several
    /// allocations each.
    fn make_room(&mut self) {
        let left = self.text.len() - self.at;
        self.open.reserve((left / 16).min(8));
        self.values.reserve((left / 8).min(64));
        self.names.reserve((left / 16).min(32));
    }

    /// Reads a name and the colon behind it onto the list of names.
    fn push_name(&mut self) -> Result<(), Fault> {
        match self.name()? {
            Cow::Borrowed(name) => push_made(&mut self.names, || Cow::Borrowed(name)),
            Cow::Owned(name) => self.names.push(Cow::Owned(name)),
        }
        Ok(())
    }

    /// Reads a name and the colon behind it.
    #[inline(always)]
    pub(crate) fn name(&mut self) -> Result<Cow<'a, str>, Fault> {
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

    fn literal(&mut self, word: &'static str, value: Value) -> Result<(), Fault> {
        if !self.rest().starts_with(word.as_bytes()) {
            return Err(self.expected("a value"));
        }
        self.at += word.len();
        self.values.push(value);
        Ok(())
    }

    fn number(&mut self) -> Result<(), Fault> {
        let token = self.rest();
        let mut scan = Digits {
            rest: token.strip_prefix(b"-").unwrap_or(token),
            mantissa: 0,
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
        let digits = integer + fraction;
        let mantissa = scan.mantissa;
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
        if digits > DIGITS_MAX || exponent || !self.push_quick(negative, mantissa, fraction) {
            self.push_token(bytes)?;
        }
        self.at += bytes;
        Ok(())
    }

    /// Adds a number of which mantissa and decimal places are known to the values, where one step gives the
    /// very number that its literal stands for; false if not.
    #[expect(
        clippy::cast_precision_loss,
        reason = "guarded: below 2^53 nothing is lost"
    )]
    #[inline]
    fn push_quick(&mut self, negative: bool, mantissa: u64, places: usize) -> bool {
        if places == 0 {
            match (negative, mantissa) {
                (false, _) => push_made(&mut self.values, || Number::from(mantissa).into()),
                // `-0` is the double.
                (true, 0) => return false,
                (true, _) => match 0_i64.checked_sub_unsigned(mantissa) {
                    Some(integer) => push_made(&mut self.values, || Number::from(integer).into()),
                    None => return false,
                },
            }
            return true;
        }
        // Both are exact doubles, so that their quotient is rounded once, correctly (Clinger, "How to
        // Read Floating Point Numbers Accurately", 1990).
        let Some(power) = POWERS_OF_TEN.get(places) else {
            return false;
        };
        if mantissa >= 1 << 53 {
            return false;
        }
        let quotient = mantissa as f64 / power;
        match Number::try_from(if negative { -quotient } else { quotient }) {
            Ok(number) => push_made(&mut self.values, || number.into()),
            Err(_) => return false,
        }
        true
    }

    #[inline(never)]
    fn push_token(&mut self, bytes: usize) -> Result<(), Fault> {
        let token = self.text.get(self.at..self.at + bytes).unwrap_or_default();
        let number = Number::from_token(token).map_err(|error| {
            self.error(match error {
                NumberError::TooLong { bytes } => ParseReason::NumberTooLong { bytes },
                _ => ParseReason::BadNumber,
            })
        })?;
        self.values.push(Value::from(number));
        Ok(())
    }

    /// Reads a string, which starts here with its quote.
    #[inline(always)]
    fn string(&mut self) -> Result<Cow<'a, str>, Fault> {
        self.at += 1;
        let run = self.run();
        if self.eat(b'"') {
            return Ok(Cow::Borrowed(run));
        }
        self.escaped_string(run)
    }

    /// Reads the rest of a string behind its first run.
    #[inline(never)]
    fn escaped_string(&mut self, first: &str) -> Result<Cow<'a, str>, Fault> {
        let mut text = first.to_owned();
        loop {
            match self.peek() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(Cow::Owned(text));
                }
                Some(b'\\') => text.push(self.escape()?),
                Some(_) => return Err(self.error(ParseReason::ControlCharacter)),
                None => return Err(self.error(ParseReason::UnexpectedEnd)),
            }
            text.push_str(self.run());
        }
    }

    /// Steps over what stands in a string as it is.
    #[inline(always)]
    fn run(&mut self) -> &'a str {
        let start = self.at;
        self.at += plain_bytes(self.rest());
        self.text.get(start..self.at).unwrap_or_default()
    }

    /// Reads an escape, which starts here with its backslash.
    fn escape(&mut self) -> Result<char, Fault> {
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

    fn unicode_escape(&mut self) -> Result<char, Fault> {
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
            _ => Err(Box::new(ParseError {
                offset: start,
                reason: ParseReason::LoneSurrogate,
            })),
        }
    }

    /// Reads `\uXXXX`.
    fn code_unit(&mut self) -> Result<u16, Fault> {
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

    #[cold]
    pub(crate) fn expected(&self, expected: &'static str) -> Fault {
        if self.at >= self.text.len() {
            return self.error(ParseReason::UnexpectedEnd);
        }
        self.error(ParseReason::Expected { expected })
    }

    #[cold]
    fn error(&self, reason: impl Into<ParseReason>) -> Fault {
        Box::new(ParseError {
            offset: self.at,
            reason: reason.into(),
        })
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
