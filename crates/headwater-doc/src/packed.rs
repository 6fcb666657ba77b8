//! Strings that are held as bytes: inside a value, or in one piece behind a thin pointer.
//!
//! Reading them as `str` without looking at them again is unsafe code, and pays: to check each name and
//! short string as it is written made writing a document of records half as fast.
#![expect(
    unsafe_code,
    reason = "what was made of a str is one; see the module's doc"
)]

use std::fmt;

use triomphe::ThinArc;

use crate::{
    rope::escape_bytes,
    scan::{lowest, special, words},
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
        if text.len() > Self::BYTES_MAX {
            return None;
        }
        let (low, high) = words(text.as_bytes());
        let mut bytes = [0; Self::BYTES_MAX];
        if let Some(head) = bytes.first_chunk_mut() {
            *head = low.to_le_bytes();
        }
        // The last eight, of which the first two are the last of the head once more.
        if let Some(tail) = bytes.last_chunk_mut() {
            *tail = (low >> 48 | high << 16).to_le_bytes();
        }
        Some(Self {
            len: u8::try_from(text.len()).ok()?,
            bytes,
        })
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..usize::from(self.len)).unwrap_or_default()
    }

    pub(crate) fn as_str(&self) -> &str {
        // SAFETY: `new`, which alone makes a `Short`, copied all bytes of a `str`.
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
}
