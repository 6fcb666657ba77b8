mod numeral;

use std::borrow::Cow;

use self::numeral::Numeral;
use crate::{
    limits::{LimitExceeded, Limits},
    node::push_made,
    number::{Number, NumberError},
    packed::Words,
    scan::plain_bytes,
    shapes::{ReadName, Shapes},
    totals::Running,
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
    /// What was read so far.
    running: Running,
    /// Values up to which the one that is read keeps to the limit.
    nodes_max: u64,
    /// The containers around the place, the outermost first.
    open: Vec<Open>,
    /// The values of all open containers that are read, one container's behind the other's.
    values: Vec<Value>,
    /// Likewise the names of all open objects.
    names: Vec<ReadName<'a>>,
    shapes: Shapes,
}

/// A place in the text, between two values.
#[derive(Clone, Copy)]
pub(crate) struct Mark {
    at: usize,
}

/// An open container.
#[derive(Clone, Copy)]
struct Open {
    /// Where the names of an object start; none of an array.
    names: Option<usize>,
    /// Where its values start.
    values: usize,
    /// What had been read when it started.
    before: Running,
    /// Height of the highest of its values.
    height: u16,
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
            running: Running::default(),
            nodes_max: 0,
            open: Vec::new(),
            values: Vec::new(),
            names: Vec::new(),
            shapes: Shapes::default(),
        })
    }

    /// Reads a whole value.
    pub(crate) fn document(&mut self) -> Result<Value, Fault> {
        self.expect_value();
        self.skip_blanks();
        if !matches!(self.peek(), Some(b'[' | b'{')) {
            return self.scalar();
        }
        let before = self.running;
        loop {
            // Down to a value that is whole …
            if self.is_in_object() {
                self.push_name()?;
            }
            if !self.value()? {
                continue;
            }
            // … and up through the containers that it closes.
            loop {
                if self.open.is_empty() {
                    let value = self.values.pop().unwrap_or_default();
                    // Written again it can be longer: `1e9` becomes `1000000000.0`.
                    let bytes = self.running.bytes_since(before);
                    let sized = self.limits.check_written_bytes(bytes);
                    sized.map_err(|limit| self.error(limit))?;
                    return Ok(value);
                }
                if !self.closed()? {
                    break;
                }
            }
        }
    }

    #[inline(always)]
    fn is_in_object(&self) -> bool {
        self.open.last().is_some_and(|open| open.names.is_some())
    }

    /// Reads a scalar that is a value for itself, which needs no list.
    fn scalar(&mut self) -> Result<Value, Fault> {
        self.start_value()?;
        let value = match self.peek() {
            Some(b'"') => self.string_value()?,
            Some(b'-' | b'0'..=b'9') => {
                let numeral = self.numeral()?;
                let number = if numeral.is_quick() {
                    numeral.quick()
                } else {
                    self.token(numeral.bytes())?
                };
                self.at += numeral.bytes();
                number.into()
            }
            _ => self.word()?,
        };
        let sized = self.limits.check_bytes(&value);
        sized.map_err(|limit| self.error(limit))?;
        Ok(value)
    }

    /// Starts to count the values of a value to which the limits hold.
    const fn expect_value(&mut self) {
        self.nodes_max = self.running.nodes().saturating_add(self.limits.nodes);
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
    #[inline(always)]
    fn value(&mut self) -> Result<bool, Fault> {
        self.skip_blanks();
        self.start_value()?;
        match self.peek() {
            Some(b'"') => match Words::quoted(self.text, self.at + 1) {
                Some(short) => {
                    self.at += short.len() + 2;
                    self.running.add(short.len() as u64 + 2, 0);
                    push_made(&mut self.values, || Value(Repr::Short(short.into())));
                }
                None => self.long_string()?,
            },
            Some(b'-' | b'0'..=b'9') => self.number()?,
            Some(b'[') => {
                self.open_container(None)?;
                if !self.eat(b']') {
                    return Ok(false);
                }
                self.close()?;
            }
            Some(b'{') => {
                self.open_container(Some(self.names.len()))?;
                if !self.eat(b'}') {
                    return Ok(false);
                }
                self.close()?;
            }
            _ => {
                let value = self.word()?;
                self.push(value);
            }
        }
        Ok(true)
    }

    /// Counts a value that starts here.
    #[inline(always)]
    fn start_value(&mut self) -> Result<(), Fault> {
        self.running.start();
        if self.running.nodes() > self.nodes_max {
            let limit = self.limits.nodes;
            return Err(self.error(LimitExceeded::Nodes { limit }));
        }
        Ok(())
    }

    /// Reads what follows a value inside the innermost container; if the container ends here, puts it in
    /// the place of its values and returns true.
    #[inline(always)]
    fn closed(&mut self) -> Result<bool, Fault> {
        self.skip_blanks();
        let (is_object, next) = (self.is_in_object(), self.peek());
        if next == Some(b',') {
            self.at += 1;
            return Ok(false);
        }
        let (end, expected) = if is_object {
            (b'}', "',' or '}'")
        } else {
            (b']', "',' or ']'")
        };
        if next != Some(end) {
            return Err(self.expected(expected));
        }
        self.close()?;
        self.at += 1;
        Ok(true)
    }

    /// Makes the innermost container of its values, whose place it takes.
    fn close(&mut self) -> Result<(), Fault> {
        let Some(open) = self.open.pop() else {
            return Ok(());
        };
        let totals = self.running.since(open.before, open.height);
        match open.names {
            None => {
                Value::push_array(totals, &mut self.values, open.values);
            }
            Some(names) => {
                let read = self.names.get(names..).unwrap_or_default();
                let values = &mut self.values;
                let made = self
                    .shapes
                    .object_of_totals(read, totals, values, open.values);
                made.map_err(|name| self.error(ParseReason::DuplicateName { name }))?;
                self.names.truncate(names);
            }
        }
        let measure = self.values.last().map(Value::measure).unwrap_or_default();
        self.running.close(open.before, measure);
        if let Some(around) = self.open.last_mut() {
            around.height = around.height.max(measure.height);
        }
        Ok(())
    }

    /// Opens a container, of which `names` says where its names are to start, and steps over the bracket and
    /// the blanks behind it.
    fn open_container(&mut self, names: Option<usize>) -> Result<(), Fault> {
        let depth_max = usize::try_from(self.limits.depth).unwrap_or(usize::MAX);
        if self.open.len() >= depth_max.saturating_add(self.around) {
            let limit = self.limits.depth;
            return Err(self.error(LimitExceeded::Depth { limit }));
        }
        if self.open.is_empty() {
            self.make_room();
        }
        self.open.push(Open {
            names,
            values: self.values.len(),
            before: self.running,
            height: 0,
        });
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
    #[inline(always)]
    fn push_name(&mut self) -> Result<(), Fault> {
        if self.open.len() == self.around {
            // What follows is a value for itself.
            self.expect_value();
        }
        self.skip_blanks();
        if self.peek() != Some(b'"') {
            return Err(self.expected("a name"));
        }
        match Words::quoted(self.text, self.at + 1) {
            Some(short) => {
                self.at += short.len() + 2;
                push_made(&mut self.names, || ReadName::Short(short));
            }
            None => self.long_name()?,
        }
        self.colon()
    }

    /// Reads a name, which is no short one without escapes, onto the list of names.
    #[inline(never)]
    fn long_name(&mut self) -> Result<(), Fault> {
        let name = self.string()?;
        self.names.push(name.into());
        Ok(())
    }

    /// Reads a name and the colon behind it.
    #[inline(always)]
    pub(crate) fn name(&mut self) -> Result<Cow<'a, str>, Fault> {
        self.skip_blanks();
        if self.peek() != Some(b'"') {
            return Err(self.expected("a name"));
        }
        let name = self.string()?;
        self.colon()?;
        Ok(name)
    }

    #[inline(always)]
    fn colon(&mut self) -> Result<(), Fault> {
        self.skip_blanks();
        if self.eat(b':') {
            Ok(())
        } else {
            Err(self.expected("':'"))
        }
    }

    /// Reads a string, which is no short one without escapes, onto the list of values.
    #[inline(never)]
    fn long_string(&mut self) -> Result<(), Fault> {
        let value = self.string_value()?;
        self.push(value);
        Ok(())
    }

    fn string_value(&mut self) -> Result<Value, Fault> {
        Ok(match self.string()? {
            Cow::Borrowed(text) => Value::from_plain(text),
            Cow::Owned(text) => Value::from(text),
        })
    }

    /// Puts a scalar on the list of values.
    fn push(&mut self, value: Value) {
        let measure = value.measure();
        self.running
            .add(measure.bytes.into(), value.scalar_heap_bytes());
        self.values.push(value);
    }

    /// Reads `true`, `false` or `null`.
    fn word(&mut self) -> Result<Value, Fault> {
        let (word, value) = match self.peek() {
            Some(b't') => ("true", Value::from(true)),
            Some(b'f') => ("false", Value::from(false)),
            _ => ("null", Value::NULL),
        };
        if !self.rest().starts_with(word.as_bytes()) {
            return Err(self.expected("a value"));
        }
        self.at += word.len();
        Ok(value)
    }

    /// Reads a number onto the list of values.
    #[inline(always)]
    fn number(&mut self) -> Result<(), Fault> {
        let numeral = self.numeral()?;
        if numeral.is_quick() {
            self.running.add(numeral.written_bytes() as u64, 0);
            push_made(&mut self.values, || numeral.quick().into());
        } else {
            let number = self.token(numeral.bytes())?;
            self.push(number.into());
        }
        self.at += numeral.bytes();
        Ok(())
    }

    /// Looks at a number, and does not step over it.
    #[inline(always)]
    fn numeral(&self) -> Result<Numeral, Fault> {
        Numeral::of(self.rest()).ok_or_else(|| self.error(ParseReason::BadNumber))
    }

    /// Converts a number of so many bytes, which starts here.
    #[inline(never)]
    fn token(&self, bytes: usize) -> Result<Number, Fault> {
        let token = self.text.get(self.at..self.at + bytes).unwrap_or_default();
        Number::from_token(token).map_err(|error| {
            self.error(match error {
                NumberError::TooLong { bytes } => ParseReason::NumberTooLong { bytes },
                _ => ParseReason::BadNumber,
            })
        })
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

    #[inline(always)]
    pub(crate) fn skip_blanks(&mut self) {
        // One comparison where there are none.
        while let Some(..=b' ') = self.peek()
            && self.skip_blank()
        {}
    }

    fn skip_blank(&mut self) -> bool {
        let blank = matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r'));
        self.at += usize::from(blank);
        blank
    }

    pub(crate) fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    pub(crate) fn eat(&mut self, byte: u8) -> bool {
        let eaten = self.peek() == Some(byte);
        self.at += usize::from(eaten);
        eaten
    }

    /// Steps over a text, if it stands here.
    #[inline(always)]
    pub(crate) fn eat_all(&mut self, text: &[u8]) -> bool {
        let eaten = self.rest().starts_with(text);
        if eaten {
            self.at += text.len();
        }
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
