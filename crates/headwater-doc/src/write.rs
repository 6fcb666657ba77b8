use std::{
    fmt::{self, Write},
    hash::Hasher as _,
    vec,
};

use crate::{
    array::Elements,
    object::{Members, Object},
    scan::plain_bytes,
    text::Text,
    value::{Value, View},
};

impl Value {
    /// Writes compact JSON text (RFC 8259) that reads back as the same value: names sorted by their bytes,
    /// numbers without loss. O(bytes written).
    ///
    /// # Errors
    ///
    /// Only what `out` reports.
    pub fn write(&self, out: &mut impl Write) -> fmt::Result {
        write(self, out, Style::Compact)
    }

    /// Adds compact JSON text to a list of bytes: what [`write`](Self::write) writes. Makes room for
    /// [`written_bytes`](Self::written_bytes). O(bytes written).
    pub fn write_to(&self, out: &mut Vec<u8>) {
        out.reserve(usize::try_from(self.written_bytes()).unwrap_or_default());
        let _infallible = self.write(&mut Bytes(out));
    }

    /// Writes the same, a line for each element and member, indented by two spaces a level. O(bytes
    /// written), of which indents can be depth times as many as all others.
    ///
    /// # Errors
    ///
    /// Only what `out` reports.
    pub fn write_pretty(&self, out: &mut impl Write) -> fmt::Result {
        write(self, out, Style::Pretty)
    }

    /// Writes the canonical form of RFC 8785: names sorted by UTF-16 code units (section 3.2.3), numbers as
    /// ECMAScript writes them (section 3.2.2.3).
    ///
    /// Beyond the RFC, which knows doubles only, an integer outside ±2^53 and a number that no double
    /// holds are written exactly: `9007199254740993` stays itself. The canonical form of what the
    /// canonical form reads back as is the same text. O(bytes written), and O(names · log(names)) for
    /// each object.
    ///
    /// # Errors
    ///
    /// Only what `out` reports.
    pub fn write_canonical(&self, out: &mut impl Write) -> fmt::Result {
        write(self, out, Style::Canonical)
    }

    /// The canonical form as a string, as [`write_canonical`](Self::write_canonical) writes it. O(bytes
    /// written), and O(names · log(names)) for each object.
    #[must_use]
    pub fn canonical(&self) -> String {
        let mut text = String::new();
        // Writing to a string cannot fail.
        let _infallible = self.write_canonical(&mut text);
        text
    }

    /// The XXH64 hash, with seed 0, of the canonical form. Two replicas whose documents are
    /// [`identical`](Self::identical) agree on it. O(bytes of that form), and O(names · log(names)) for each
    /// object, as for writing it; it is not kept as text.
    ///
    /// Two that agree on it hold documents of one canonical form: but for chance they are equal by `==`,
    /// except that the form of a double beyond ±2^53 is that of an integer which may not be its value:
    /// `9223372036854776000` and `9223372036854775808.0` differ and have one form, as RFC 8785 asks. Not
    /// for adversaries: a collision can be made on purpose.
    #[must_use]
    pub fn digest(&self) -> u64 {
        let mut digest = Digest::default();
        let _infallible = self.write_canonical(&mut digest);
        digest.finish()
    }
}

/// Bytes that text is added to.
pub(crate) struct Bytes<'a>(pub(crate) &'a mut Vec<u8>);

impl Write for Bytes<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0.extend_from_slice(text.as_bytes());
        Ok(())
    }
}

/// A hash of text as it is written, in pieces of any size.
#[derive(Default)]
pub(crate) struct Digest(twox_hash::XxHash64);

impl Digest {
    pub(crate) fn finish(&self) -> u64 {
        self.0.finish()
    }
}

impl Write for Digest {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0.write(text.as_bytes());
        Ok(())
    }
}

/// Gathers what is written in small pieces, for a sink to which each call is dear: a formatter is
/// called through a pointer.
pub(crate) struct Gathered<'a, W: Write> {
    out: &'a mut W,
    text: String,
}

impl<'a, W: Write> Gathered<'a, W> {
    /// Bytes that are gathered: a page, so that a call for each no longer counts.
    const BYTES_MAX: usize = 4_096;

    /// Lets `write` write to `out`, gathered. `bytes` is what it may come to.
    pub(crate) fn write(
        out: &'a mut W,
        bytes: u64,
        write: impl FnOnce(&mut Self) -> fmt::Result,
    ) -> fmt::Result {
        let bytes = usize::try_from(bytes).unwrap_or(usize::MAX);
        let mut gathered = Self {
            out,
            text: String::with_capacity(bytes.min(Self::BYTES_MAX)),
        };
        write(&mut gathered)?;
        gathered.out.write_str(&gathered.text)
    }
}

impl<W: Write> Write for Gathered<'_, W> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        if self.text.len() + text.len() > Self::BYTES_MAX {
            self.out.write_str(&self.text)?;
            self.text.clear();
            if text.len() > Self::BYTES_MAX {
                return self.out.write_str(text);
            }
        }
        self.text.push_str(text);
        Ok(())
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Style {
    Compact,
    Pretty,
    Canonical,
}

/// A container that is being written: what is left of it.
enum Open<'a> {
    Array(Elements<'a>),
    Object(Members<'a>),
    /// The members of an object whose canonical order is not the one that it is held in.
    Sorted(vec::IntoIter<(&'a str, &'a Value)>),
}

/// Writes with a list of open containers, not by recursion: the depth is the input's.
// Inlined, so that each style has its own, which asks for no other.
#[inline(always)]
fn write(root: &Value, out: &mut impl Write, style: Style) -> fmt::Result {
    let mut open: Vec<Open<'_>> = Vec::new();
    let mut value = root;
    loop {
        // Whether the container on top was only just opened.
        let mut first = false;
        match value.view() {
            View::Null => out.write_str("null")?,
            View::Bool(true) => out.write_str("true")?,
            View::Bool(false) => out.write_str("false")?,
            View::Number(number) if style == Style::Canonical => number.write_canonical(out)?,
            View::Number(number) => number.write(out)?,
            View::String(text) => write_text(text, out)?,
            View::Array(array) if array.is_empty() => out.write_str("[]")?,
            View::Object(object) if object.is_empty() => out.write_str("{}")?,
            View::Array(array) => {
                out.write_str("[")?;
                open.push(Open::Array(array.iter()));
                first = true;
            }
            View::Object(object) => {
                out.write_str("{")?;
                open.push(members(object, style));
                first = true;
            }
        }
        value = loop {
            let depth = open.len();
            let Some(container) = open.last_mut() else {
                return Ok(());
            };
            let next = match container {
                Open::Array(items) => items.next().map(|value| (None, value)),
                Open::Object(members) => members.next().map(|(name, value)| (Some(name), value)),
                Open::Sorted(members) => members.next().map(|(name, value)| (Some(name), value)),
            };
            let Some((name, next)) = next else {
                line(out, style, depth - 1)?;
                if matches!(container, Open::Array(_)) {
                    out.write_str("]")?;
                } else {
                    out.write_str("}")?;
                }
                open.pop();
                first = false;
                continue;
            };
            if !first {
                out.write_str(",")?;
            }
            line(out, style, depth)?;
            if let Some(name) = name {
                out.write_str("\"")?;
                write_escaped(name, out)?;
                // Each a text of known length, which is written without a call.
                if style == Style::Pretty {
                    out.write_str("\": ")?;
                } else {
                    out.write_str("\":")?;
                }
            }
            break next;
        };
    }
}

#[inline]
fn members(object: Object<'_>, style: Style) -> Open<'_> {
    // UTF-8 sorts U+E000 to U+FFFF before U+10000 and above, UTF-16 with its surrogates after.
    let orders_differ = |name: &str| name.bytes().any(|byte| byte >= 0xee);
    if style == Style::Canonical && object.names().any(orders_differ) {
        let mut members: Vec<_> = object.iter().collect();
        members.sort_by(|(left, _), (right, _)| left.encode_utf16().cmp(right.encode_utf16()));
        return Open::Sorted(members.into_iter());
    }
    Open::Object(Members::new(object, 0))
}

#[inline]
fn line(out: &mut impl Write, style: Style, depth: usize) -> fmt::Result {
    if style == Style::Pretty {
        out.write_char('\n')?;
        for _ in 0..depth {
            out.write_str("  ")?;
        }
    }
    Ok(())
}

/// Writes a string with its quotes; escapes what must be, as RFC 8785 section 3.2.2.2 has it.
pub(crate) fn write_text(text: Text<'_>, out: &mut impl Write) -> fmt::Result {
    out.write_str("\"")?;
    match text.as_str() {
        Some(text) => write_escaped(text, out)?,
        None => text.runs().try_for_each(|run| write_escaped(run, out))?,
    }
    out.write_str("\"")
}

#[inline]
fn write_escaped(text: &str, out: &mut impl Write) -> fmt::Result {
    if plain_bytes(text.as_bytes()) == text.len() {
        return out.write_str(text);
    }
    write_special(text, out)
}

#[inline(never)]
fn write_special(text: &str, out: &mut impl Write) -> fmt::Result {
    let mut rest = text;
    loop {
        let (plain, special) = rest.split_at(plain_bytes(rest.as_bytes()));
        out.write_str(plain)?;
        let Some(&byte) = special.as_bytes().first() else {
            return Ok(());
        };
        match byte {
            b'"' => out.write_str("\\\"")?,
            b'\\' => out.write_str("\\\\")?,
            0x08 => out.write_str("\\b")?,
            b'\t' => out.write_str("\\t")?,
            b'\n' => out.write_str("\\n")?,
            0x0c => out.write_str("\\f")?,
            b'\r' => out.write_str("\\r")?,
            byte => write!(out, "\\u{byte:04x}")?,
        }
        rest = special.get(1..).unwrap_or_default();
    }
}
