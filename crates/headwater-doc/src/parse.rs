use std::borrow::Cow;

use triomphe::Arc;

use crate::{
    array::Array,
    limits::{LimitExceeded, Limits},
    number::{Number, NumberError},
    object::Object,
    value::{Repr, Value},
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
    /// The text ends inside a value.
    #[error("unexpected end")]
    UnexpectedEnd,
    /// Something else was due here.
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
    /// A `\` is followed by nothing that it can escape.
    #[error("unknown escape")]
    BadEscape,
    /// A `\u` escape names half of a surrogate pair, which no Unicode string can hold.
    #[error("lone surrogate")]
    LoneSurrogate,
    /// An object has the same name twice.
    #[error("name {name:?} repeated in an object that ends")]
    DuplicateName {
        /// The name.
        name: String,
    },
    /// The document would break a limit.
    #[error(transparent)]
    Limit(#[from] LimitExceeded),
    /// There is more behind the document.
    #[error("unexpected text behind the document")]
    TrailingText,
}

/// Reads a document. The stack of open containers is a list, since its depth is the input's.
pub(crate) fn parse(text: &[u8], limits: &Limits) -> Result<Value, ParseError> {
    let text = std::str::from_utf8(text).map_err(|error| ParseError {
        offset: error.valid_up_to(),
        reason: ParseReason::NotUtf8,
    })?;
    let mut parser = Parser {
        text,
        at: 0,
        limits,
        nodes: 0,
        open: Vec::new(),
    };
    let too_large = LimitExceeded::Bytes {
        limit: limits.bytes,
    };
    if text.len() as u64 > limits.bytes {
        return Err(parser.error(too_large));
    }
    let document = parser.document()?;
    parser.skip_blanks();
    if parser.at < text.len() {
        return Err(parser.error(ParseReason::TrailingText));
    }
    // Written again it can be longer: `1e9` becomes `1000000000.0`.
    if document.written_bytes() > limits.bytes {
        return Err(parser.error(too_large));
    }
    Ok(document)
}

struct Parser<'a> {
    text: &'a str,
    /// Invariant: on a character boundary of `text`.
    at: usize,
    limits: &'a Limits,
    nodes: u64,
    /// The containers around the place, the outermost first.
    open: Vec<Open>,
}

enum Open {
    Array(Vec<Value>),
    Object {
        members: Vec<(Arc<str>, Value)>,
        /// The name whose value comes next.
        name: Arc<str>,
    },
}

impl<'a> Parser<'a> {
    fn document(&mut self) -> Result<Value, ParseError> {
        loop {
            // Down to a value that is whole …
            let Some(mut value) = self.value()? else {
                continue;
            };
            // … and up through the containers that it closes.
            loop {
                let Some(open) = self.open.last_mut() else {
                    return Ok(value);
                };
                match open {
                    Open::Array(items) => items.push(value),
                    Open::Object { members, name } => members.push((name.clone(), value)),
                }
                match self.closed()? {
                    Some(container) => value = container,
                    None => break,
                }
            }
        }
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
            Some(b'[') => {
                self.open_container()?;
                if self.eat(b']') {
                    return Ok(Some(Value::from(Array::default())));
                }
                self.open.push(Open::Array(Vec::new()));
                Ok(None)
            }
            Some(b'{') => {
                self.open_container()?;
                if self.eat(b'}') {
                    return Ok(Some(Value::from(Object::default())));
                }
                let name = self.name()?;
                self.open.push(Open::Object {
                    members: Vec::new(),
                    name,
                });
                Ok(None)
            }
            Some(b'-' | b'0'..=b'9') => self.number().map(Some),
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
        match (self.open.last(), next) {
            (Some(Open::Array(_)), Some(b',')) => {
                self.at += 1;
                Ok(None)
            }
            (Some(Open::Object { .. }), Some(b',')) => {
                self.at += 1;
                let next = self.name()?;
                if let Some(Open::Object { name, .. }) = self.open.last_mut() {
                    *name = next;
                }
                Ok(None)
            }
            (Some(Open::Array(_)), Some(b']')) | (Some(Open::Object { .. }), Some(b'}')) => {
                let container = match self.open.pop() {
                    Some(Open::Array(items)) => Value::from(Array::from(items)),
                    Some(Open::Object { members, .. }) => {
                        let object = Object::from_members(members).map_err(|name| {
                            let name = (*name).to_owned();
                            self.error(ParseReason::DuplicateName { name })
                        })?;
                        Value::from(object)
                    }
                    None => Value::NULL,
                };
                self.at += 1;
                Ok(Some(container))
            }
            (Some(Open::Object { .. }), _) => Err(self.expected("',' or '}'")),
            _ => Err(self.expected("',' or ']'")),
        }
    }

    /// Steps over an opening bracket and the blanks behind it.
    fn open_container(&mut self) -> Result<(), ParseError> {
        let depth = u32::try_from(self.open.len()).unwrap_or(u32::MAX);
        if depth >= self.limits.depth {
            let limit = self.limits.depth;
            return Err(self.error(LimitExceeded::Depth { limit }));
        }
        self.at += 1;
        self.skip_blanks();
        Ok(())
    }

    /// Reads a name and the colon behind it.
    fn name(&mut self) -> Result<Arc<str>, ParseError> {
        self.skip_blanks();
        if self.peek() != Some(b'"') {
            return Err(self.expected("a name"));
        }
        let name = Arc::from(&*self.string()?);
        self.skip_blanks();
        if self.eat(b':') {
            Ok(name)
        } else {
            Err(self.expected("':'"))
        }
    }

    fn literal(&mut self, word: &'static str, value: Value) -> Result<Option<Value>, ParseError> {
        if !self.rest().starts_with(word) {
            return Err(self.expected("a value"));
        }
        self.at += word.len();
        Ok(Some(value))
    }

    fn number(&mut self) -> Result<Value, ParseError> {
        let token = self.rest();
        let mut rest = token.strip_prefix('-').unwrap_or(token);
        let integer = digits(rest);
        if integer == 0 || (integer > 1 && rest.starts_with('0')) {
            return Err(self.error(ParseReason::BadNumber));
        }
        rest = rest.get(integer..).unwrap_or_default();
        if let Some(fraction) = rest.strip_prefix('.') {
            let count = digits(fraction);
            if count == 0 {
                return Err(self.error(ParseReason::BadNumber));
            }
            rest = fraction.get(count..).unwrap_or_default();
        }
        if let Some(exponent) = rest.strip_prefix(['e', 'E']) {
            let exponent = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
            let count = digits(exponent);
            if count == 0 {
                return Err(self.error(ParseReason::BadNumber));
            }
            rest = exponent.get(count..).unwrap_or_default();
        }
        let bytes = token.len() - rest.len();
        let number =
            Number::from_token(token.get(..bytes).unwrap_or_default()).map_err(|error| {
                self.error(match error {
                    NumberError::TooLong { bytes } => ParseReason::NumberTooLong { bytes },
                    _ => ParseReason::BadNumber,
                })
            })?;
        self.at += bytes;
        Ok(Value(Repr::Number(number)))
    }

    /// Reads a string, which starts here with its quote.
    fn string(&mut self) -> Result<Cow<'a, str>, ParseError> {
        self.at += 1;
        let run = self.plain_run()?;
        let start = self.at;
        self.at += run;
        if self.eat(b'"') {
            return Ok(Cow::Borrowed(
                self.text.get(start..start + run).unwrap_or_default(),
            ));
        }
        let mut text = self
            .text
            .get(start..start + run)
            .unwrap_or_default()
            .to_owned();
        loop {
            // What ends a run is a quote or a backslash.
            if self.eat(b'"') {
                return Ok(Cow::Owned(text));
            }
            text.push(self.escape()?);
            let run = self.plain_run()?;
            text.push_str(self.rest().get(..run).unwrap_or_default());
            self.at += run;
        }
    }

    /// Bytes up to the next quote or backslash.
    fn plain_run(&mut self) -> Result<usize, ParseError> {
        let run = self
            .rest()
            .bytes()
            .position(|byte| matches!(byte, b'"' | b'\\' | 0x00..0x20));
        let Some(run) = run else {
            self.at = self.text.len();
            return Err(self.error(ParseReason::UnexpectedEnd));
        };
        if !matches!(self.text.as_bytes().get(self.at + run), Some(b'"' | b'\\')) {
            self.at += run;
            return Err(self.error(ParseReason::ControlCharacter));
        }
        Ok(run)
    }

    /// Reads an escape, which starts here with its backslash.
    fn escape(&mut self) -> Result<char, ParseError> {
        let mut after = self.rest().chars().skip(1);
        let plain = match after.next() {
            Some(plain @ ('"' | '\\' | '/')) => plain,
            Some('b') => '\u{8}',
            Some('f') => '\u{c}',
            Some('n') => '\n',
            Some('r') => '\r',
            Some('t') => '\t',
            Some('u') => return self.unicode_escape(),
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
            0xd800..0xdc00 if self.rest().starts_with("\\u") => Some(self.code_unit()?),
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
        let digits = self.rest().as_bytes().get(2..6);
        let unit = digits.filter(|digits| digits.iter().all(u8::is_ascii_hexdigit));
        let unit = unit
            .and_then(|digits| std::str::from_utf8(digits).ok())
            .and_then(|digits| u16::from_str_radix(digits, 16).ok());
        let unit = unit.ok_or_else(|| self.error(ParseReason::BadEscape))?;
        self.at += 6;
        Ok(unit)
    }

    fn skip_blanks(&mut self) {
        let blanks = self
            .rest()
            .bytes()
            .take_while(|byte| matches!(byte, b' ' | b'\t' | b'\n' | b'\r'));
        self.at += blanks.count();
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn eat(&mut self, byte: u8) -> bool {
        let eaten = self.peek() == Some(byte);
        self.at += usize::from(eaten);
        eaten
    }

    fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn expected(&self, expected: &'static str) -> ParseError {
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

fn digits(text: &str) -> usize {
    text.bytes().take_while(u8::is_ascii_digit).count()
}
