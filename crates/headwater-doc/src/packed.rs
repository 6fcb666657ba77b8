//! Strings that are held as bytes: inside a value, or in one piece behind a thin pointer.
//!
//! Reading them as `str` without looking at them again is unsafe code, and pays: to check each name and
//! short string as it is written made writing a document of records half as fast.
#![expect(
    unsafe_code,
    reason = "what was made of a str is one; see the module's doc"
)]

use std::{cmp::Ordering, fmt};

use triomphe::ThinArc;

use crate::{
    rope::escape_bytes,
    scan::{before, halves, lowest, special, words},
};

/// A string that fits into a value itself.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Short {
    len: u8,
    /// Invariant: the first `len` bytes are those of a `str`, the others are zero.
    bytes: [u8; Self::BYTES_MAX],
}

impl Short {
    /// What is left of a value's 16 bytes beside its tag and the length.
    pub(crate) const BYTES_MAX: usize = 14;

    #[inline]
    pub(crate) fn new(text: &str) -> Option<Self> {
        Words::new(text).map(Self::from)
    }

    /// Read where it lies: a copy would be written in parts and read at once, see `From<Words>`.
    #[inline]
    pub(crate) fn words(&self) -> Words {
        // The last eight, of which the first two are the last of the head once more.
        let (head, tail) = (self.bytes.first_chunk(), self.bytes.last_chunk());
        let word = |bytes: Option<&[u8; 8]>| bytes.map_or(0, |bytes| u64::from_le_bytes(*bytes));
        Words::of(word(head), word(tail) >> 16, self.len.into())
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..usize::from(self.len)).unwrap_or_default()
    }

    pub(crate) fn as_str(&self) -> &str {
        // SAFETY: a `Short` is made of `Words` alone, whose bytes are those of a `str`.
        unsafe { std::str::from_utf8_unchecked(self.as_bytes()) }
    }

    /// Whether the text can stand in a JSON string as it is.
    #[inline]
    pub(crate) fn is_plain(&self) -> bool {
        // The zeros behind the text are special too. The second word has two bytes of the first once more.
        let (low, high) = (self.bytes.first_chunk(), self.bytes.last_chunk());
        let (Some(low), Some(high)) = (low, high) else {
            return false;
        };
        let place = match lowest(special(u64::from_le_bytes(*low))) {
            8 => Self::BYTES_MAX - 8 + lowest(special(u64::from_le_bytes(*high))),
            place => place,
        };
        place >= usize::from(self.len)
    }

    /// Bytes of the text as JSON, quotes included.
    #[inline]
    pub(crate) fn written_bytes(&self) -> usize {
        let escapes = if self.is_plain() {
            0
        } else {
            escape_bytes(self.as_str())
        };
        usize::from(self.len) + escapes + 2
    }
}

impl From<Words> for Short {
    #[inline]
    fn from(Words { low, high }: Words) -> Self {
        // None is written twice: of bytes that were, a processor cannot read the last eight at once until it
        // has put all away, and each string would wait for that.
        let mut bytes = [0; Self::BYTES_MAX];
        if let Some(head) = bytes.first_chunk_mut() {
            *head = low.to_le_bytes();
        }
        let high = high.to_le_bytes();
        if let (Some(tail), Some(held)) = (bytes.last_chunk_mut::<6>(), high.first_chunk()) {
            *tail = *held;
        }
        Self {
            len: high.last().copied().unwrap_or_default(),
            bytes,
        }
    }
}

/// A string that would fit into a [`Short`], in two words: to be compared, and made one.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Words {
    /// Invariant: the first bytes of a `str`, the first lowest, and zeros behind them.
    low: u64,
    /// Invariant: likewise the six bytes behind those; the highest byte is the length.
    high: u64,
}

impl Words {
    #[inline]
    pub(crate) fn new(text: &str) -> Option<Self> {
        if text.len() > Short::BYTES_MAX {
            return None;
        }
        let (low, high) = words(text.as_bytes());
        Some(Self::of(low, high, text.len()))
    }

    /// The string of a JSON text from a place to the next quote; `None` if it is too long, if there is
    /// anything in it that cannot stand there as it is, or if it is too near the end of the text to tell.
    ///
    /// That is found in the very words: to look for the quote first would be to read the same bytes twice.
    #[inline(always)]
    pub(crate) fn quoted(text: &str, at: usize) -> Option<Self> {
        // On a character boundary, as the quote is where it ends: what lies between is a `str`.
        let chunk = text.get(at..)?.as_bytes().first_chunk::<16>()?;
        let (low, high) = halves(chunk);
        let in_low = special(low);
        let (words, len) = if in_low == 0 {
            let in_high = special(high);
            ((low, high & before(in_high)), 8 + lowest(in_high))
        } else {
            ((low & before(in_low), 0), lowest(in_low))
        };
        let ends = len <= Short::BYTES_MAX && chunk.get(len) == Some(&b'"');
        ends.then(|| Self::of(words.0, words.1, len))
    }

    /// The two words have zeros behind the text, which is of at most as many bytes as fit.
    #[inline]
    const fn of(low: u64, high: u64, len: usize) -> Self {
        Self {
            low,
            high: high | (len as u64) << 56,
        }
    }

    pub(crate) const fn len(self) -> usize {
        (self.high >> 56) as usize
    }
}

/// By their bytes, as names are sorted.
impl Ord for Short {
    #[inline]
    fn cmp(&self, other: &Self) -> Ordering {
        // Zeros stand behind the shorter, so only with those in the longer does the length decide, which
        // stands behind them.
        let key = |short: &Self| {
            let words = short.words();
            (words.low.swap_bytes(), words.high.swap_bytes())
        };
        key(self).cmp(&key(other))
    }
}

impl PartialOrd for Short {
    #[inline]
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// A string in one piece behind a thin pointer. Cloning it counts a reference.
#[derive(Clone)]
pub(crate) struct Flat(
    /// Invariant: the bytes are those of a `str`; the header is what escaping adds to them when they
    /// are written as JSON.
    ThinArc<u32, u8>,
);

impl Flat {
    pub(crate) fn new(text: &str) -> Self {
        let escapes = u32::try_from(escape_bytes(text)).unwrap_or(u32::MAX);
        Self(ThinArc::from_header_and_slice(escapes, text.as_bytes()))
    }

    /// The same of a text of which the caller knows that it needs no escapes.
    pub(crate) fn plain(text: &str) -> Self {
        debug_assert_eq!(escape_bytes(text), 0, "a plain text: {text:?}");
        Self(ThinArc::from_header_and_slice(0, text.as_bytes()))
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.0.slice
    }

    pub(crate) fn as_str(&self) -> &str {
        // SAFETY: `new`, which alone makes a `Flat`, copied all bytes of a `str`.
        unsafe { std::str::from_utf8_unchecked(self.as_bytes()) }
    }

    /// Bytes of the text as JSON, quotes included.
    pub(crate) fn written_bytes(&self) -> usize {
        self.as_bytes().len() + self.0.header.header as usize + 2
    }

    /// Bytes of the allocation: a reference count, the header, the length, and the text, rounded up.
    pub(crate) fn heap_bytes(&self) -> usize {
        (3 * size_of::<usize>() + self.as_bytes().len()).next_multiple_of(align_of::<usize>())
    }

    /// Whether nobody else holds it.
    pub(crate) fn is_unique(&self) -> bool {
        ThinArc::strong_count(&self.0) == 1
    }

    pub(crate) fn ptr_eq(&self, other: &Self) -> bool {
        self.0.as_ptr() == other.0.as_ptr()
    }
}

impl fmt::Debug for Flat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_packed_is_read_again() {
        for text in [
            "",
            "a",
            "fourteen bytes",
            "é漢😀",
            "\"\n\u{1}",
            "fifteen bytes ü",
        ] {
            assert_eq!(Flat::new(text).as_str(), text);
            assert_eq!(
                Flat::new(text).written_bytes(),
                crate::Value::from(text).to_string().len()
            );
            let short = Short::new(text);
            assert_eq!(short.is_some(), text.len() <= Short::BYTES_MAX);
            if let Some(short) = short {
                assert_eq!(short.as_str(), text);
                assert_eq!(short.written_bytes(), Flat::new(text).written_bytes());
            }
        }
    }

    /// All that can stand where a string is looked for, beside a naive reader.
    #[test]
    fn a_quoted_string_is_found_if_it_is_short_and_plain() {
        let naive = |text: &str, at: usize| {
            let rest = text.get(at..).filter(|rest| rest.len() >= 16)?;
            let (string, _) = rest.split_once('"')?;
            let plain = string.bytes().all(|byte| byte >= 0x20 && byte != b'\\');
            if plain { Words::new(string) } else { None }
        };
        // An interpreter takes hours for all of them.
        let step = if cfg!(miri) { 7 } else { 1 };
        let mut found = 0;
        for filler in ["a", "~", "!", "#", "[", "]", "\u{7f}", "é", "漢", "😀"] {
            for count in (0..=17).step_by(step) {
                for inside in ["", "\n", "\u{1f}", "\\", "\"", " ", "\0"] {
                    for at in 0..=count {
                        let (before, behind) = (filler.repeat(at), filler.repeat(count - at));
                        for after in (0..=17).step_by(step) {
                            let text =
                                format!("\"{before}{inside}{behind}\"{}", "\"".repeat(after));
                            let words = Words::quoted(&text, 1);
                            assert!(words == naive(&text, 1), "{text:?}");
                            if let Some(words) = words {
                                found += 1;
                                let string = text.get(1..1 + words.len());
                                assert_eq!(Some(Short::from(words).as_str()), string);
                                assert!(Short::from(words).words() == words);
                            }
                        }
                    }
                }
            }
        }
        assert!(found > 1_000 / (step * step), "{found}");
        let text = "é is no place to start in";
        assert!(Words::quoted(text, 1).is_none() && Words::quoted(text, 100).is_none());
    }

    #[test]
    fn short_strings_are_sorted_by_their_bytes() {
        let texts = [
            "",
            "\0",
            "\0\0",
            "a",
            "a\0",
            "a\0\0b",
            "ab",
            "b",
            "eight888",
            "eight888\0",
            "eight8889",
            "fourteen bytes",
            "fourteen byte",
            "fourteen bytet",
            "é",
            "\u{ffff}",
            "😀",
        ];
        for left in texts {
            for right in texts {
                let (packed, other) = (Short::new(left).unwrap(), Short::new(right).unwrap());
                assert_eq!(
                    packed.cmp(&other),
                    left.cmp(right),
                    "{left:?} and {right:?}"
                );
                assert_eq!(packed == other, left == right);
            }
        }
    }
}
