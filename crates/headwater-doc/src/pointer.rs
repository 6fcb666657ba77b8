use std::{borrow::Cow, fmt, hash, iter, str::FromStr, sync::Arc};

use crate::{
    scan::contains,
    value::{Value, View},
};

/// A JSON Pointer: the path of one value inside a document (RFC 6901).
///
/// The empty pointer is the whole document; `/players/7/name` goes through three *segments*. In a
/// segment `~1` stands for `/` and `~0` for `~`; `/` alone has one segment, the empty name.
///
/// A pointer keeps its escaped text, in which it is unique, so comparing pointers and testing for a
/// prefix compare text: `==`, the order, which is that of the bytes, hashing and writing cost O(bytes).
/// Cloning it and taking its [`parent`](Self::parent) cost one reference count. What is said of costs below
/// is by the bytes of the text.
#[derive(Clone)]
pub struct Pointer {
    /// Invariant: `text[..len]` is empty or starts with `/`, and each `~` in it is followed by `0`
    /// or `1`. The text behind `len` belongs to a longer pointer that this one is a prefix of.
    text: Arc<str>,
    len: u32,
    /// Whether there is a `~` in the text.
    escaped: bool,
}

impl Pointer {
    /// Most segments of a pointer.
    ///
    /// Far above the depth of any document (default 128), so that only a hostile text meets it.
    pub const SEGMENTS_MAX: usize = 1_024;

    /// The pointer to the whole document. O(1).
    #[must_use]
    pub fn root() -> Self {
        Self::from_valid("")
    }

    /// Reads a pointer from its text (RFC 6901 section 3). O(bytes).
    ///
    /// # Errors
    ///
    /// [`PointerError`] if the text is neither empty nor starts with `/`, if a `~` is not followed
    /// by `0` or `1`, or beyond [`SEGMENTS_MAX`](Self::SEGMENTS_MAX) or 4 GiB.
    pub fn parse(text: &str) -> Result<Self, PointerError> {
        // Of most there is nothing else to be seen: without a `~`, and too short for too many segments.
        if text.starts_with('/')
            && text.len() <= Self::SEGMENTS_MAX
            && !contains(text.as_bytes(), b'~')
        {
            return Ok(Self::of_parts(text, false));
        }
        let mut bytes = text.bytes().enumerate();
        let mut segments = 0_usize;
        let bytes_max = u32::MAX as usize;
        if text.len() > bytes_max {
            return Err(PointerError::TooLong { bytes: text.len() });
        }
        while let Some((offset, byte)) = bytes.next() {
            match byte {
                b'/' => segments += 1,
                _ if offset == 0 => return Err(PointerError::NoLeadingSlash),
                b'~' if !matches!(bytes.next(), Some((_, b'0' | b'1'))) => {
                    return Err(PointerError::BadEscape { offset });
                }
                _ => {}
            }
        }
        if segments > Self::SEGMENTS_MAX {
            return Err(PointerError::TooManySegments { segments });
        }
        Ok(Self::from_valid(text))
    }

    /// The caller knows that it is the text of a pointer.
    pub(crate) fn from_valid(text: &str) -> Self {
        Self::of_parts(text, contains(text.as_bytes(), b'~'))
    }

    fn of_parts(text: &str, escaped: bool) -> Self {
        Self {
            len: u32::try_from(text.len()).unwrap_or(u32::MAX),
            escaped,
            text: Arc::from(text),
        }
    }

    /// The pointer of segments that are not escaped.
    pub(crate) fn of_segments<S: AsRef<str>>(segments: impl IntoIterator<Item = S>) -> Self {
        let mut text = String::new();
        for segment in segments {
            push_escaped(&mut text, segment.as_ref());
        }
        Self::from_valid(&text)
    }

    /// The escaped text. O(1).
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.text.get(..self.len as usize).unwrap_or_default()
    }

    /// Bytes of its text in memory, with two reference counts, rounded up.
    pub(crate) fn heap_bytes(&self) -> usize {
        (2 * size_of::<usize>() + self.text.len()).next_multiple_of(align_of::<usize>())
    }

    /// Whether this is the pointer to the whole document. O(1).
    #[must_use]
    pub const fn is_root(&self) -> bool {
        self.len == 0
    }

    /// The segments, unescaped (RFC 6901 section 4). O(bytes) for all; only one with a `~` is copied.
    pub fn segments(&self) -> impl Iterator<Item = Cow<'_, str>> {
        let mut rest = self.as_str();
        iter::from_fn(move || {
            // A search for one byte at a time: segments are short.
            let behind = rest.get(1..)?;
            let end = behind.bytes().position(|byte| byte == b'/');
            let (segment, next) = behind.split_at(end.unwrap_or(behind.len()));
            rest = next;
            // Asked here, so that nothing is called for the many that are not.
            Some(if self.escaped {
                self.unescape(segment)
            } else {
                Cow::Borrowed(segment)
            })
        })
    }

    fn unescape<'a>(&self, segment: &'a str) -> Cow<'a, str> {
        if !self.escaped || !segment.contains('~') {
            return Cow::Borrowed(segment);
        }
        // In this order: `~01` is the text `~1`, not a slash (RFC 6901 section 4).
        Cow::Owned(segment.replace("~1", "/").replace("~0", "~"))
    }

    /// The pointer without its last segment, and that segment unescaped; `None` for the root. O(bytes of
    /// the segment).
    #[must_use]
    pub fn split_last(&self) -> Option<(Self, Cow<'_, str>)> {
        let (parent, last) = self.as_str().rsplit_once('/')?;
        let parent = Self {
            text: Arc::clone(&self.text),
            len: u32::try_from(parent.len()).unwrap_or(u32::MAX),
            escaped: self.escaped,
        };
        Some((parent, self.unescape(last)))
    }

    /// The pointer without its last segment; `None` for the root. O(bytes of the segment).
    #[must_use]
    pub fn parent(&self) -> Option<Self> {
        self.split_last().map(|(parent, _)| parent)
    }

    /// This pointer with one more segment, which is escaped as needed (RFC 6901 section 3). O(bytes).
    ///
    /// Does not look at [`SEGMENTS_MAX`](Self::SEGMENTS_MAX): a pointer of more segments can be made and
    /// used, but [`parse`](Self::parse) refuses its text.
    #[must_use]
    pub fn child(&self, segment: &str) -> Self {
        let mut text = String::with_capacity(self.as_str().len() + 1 + segment.len());
        text.push_str(self.as_str());
        push_escaped(&mut text, segment);
        Self::from_valid(&text)
    }

    /// This pointer with one more segment, an index into an array. O(bytes). As [`child`](Self::child), it does
    /// not look at [`SEGMENTS_MAX`](Self::SEGMENTS_MAX).
    #[must_use]
    pub fn element(&self, index: usize) -> Self {
        Self::from_valid(&format!("{self}/{index}"))
    }

    /// Whether `self` is `other` or leads to a container that `other` passes through. O(bytes).
    #[must_use]
    pub fn is_prefix_of(&self, other: &Self) -> bool {
        other
            .as_str()
            .strip_prefix(self.as_str())
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }

    /// This pointer as seen from the value that `prefix` points to, if it leads there. O(bytes).
    #[must_use]
    pub fn strip_prefix(&self, prefix: &Self) -> Option<Self> {
        let rest = self.as_str().get(prefix.as_str().len()..)?;
        prefix.is_prefix_of(self).then(|| Self::from_valid(rest))
    }

    /// Whether one of the two is a prefix of the other: a change at one can be seen at the other.
    /// O(bytes).
    #[must_use]
    pub fn overlaps(&self, other: &Self) -> bool {
        self.is_prefix_of(other) || other.is_prefix_of(self)
    }

    /// The value it points to in `document`, if there is one.
    ///
    /// An array takes a decimal index without leading zeros; `-` points behind the last element,
    /// where nothing is (RFC 6901 section 4). O(log n) for each segment, in a container of n children.
    #[must_use]
    pub fn resolve<'a>(&self, document: &'a Value) -> Option<&'a Value> {
        self.segments()
            .try_fold(document, |value, segment| match value.view() {
                View::Array(array) => array.get(array_index(&segment)?),
                View::Object(object) => object.get(&segment),
                _ => None,
            })
    }
}

impl Default for Pointer {
    /// The pointer to the whole document.
    fn default() -> Self {
        Self::root()
    }
}

impl FromStr for Pointer {
    type Err = PointerError;

    /// As [`Pointer::parse`].
    ///
    /// # Errors
    ///
    /// Those of [`Pointer::parse`].
    fn from_str(text: &str) -> Result<Self, PointerError> {
        Self::parse(text)
    }
}

impl fmt::Display for Pointer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for Pointer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

impl PartialEq for Pointer {
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str()
    }
}

impl Eq for Pointer {}

impl PartialOrd for Pointer {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Pointer {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.as_str().cmp(other.as_str())
    }
}

impl hash::Hash for Pointer {
    fn hash<H: hash::Hasher>(&self, state: &mut H) {
        self.as_str().hash(state);
    }
}

/// Why a text is no JSON Pointer (RFC 6901 section 3). The fault is the sender's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PointerError {
    /// The text is neither empty nor starts with `/`.
    #[error("does not start with '/'")]
    NoLeadingSlash,
    /// A `~` is not followed by `0` or `1`.
    #[error("'~' at byte {offset} is not followed by '0' or '1'")]
    BadEscape {
        /// Where the `~` stands, in bytes.
        offset: usize,
    },
    /// The text is longer than 4 GiB.
    #[error("{bytes} bytes are too many")]
    TooLong {
        /// How many they are.
        bytes: usize,
    },
    /// There are more segments than [`Pointer::SEGMENTS_MAX`].
    #[error("{segments} segments are more than {}", Pointer::SEGMENTS_MAX)]
    TooManySegments {
        /// How many there are.
        segments: usize,
    },
}

/// Reads a segment as an index into an array: decimal, no sign, no leading zero (RFC 6901 section 4).
pub(crate) fn array_index(segment: &str) -> Option<usize> {
    let well_formed = match segment.as_bytes() {
        [] => false,
        [b'0'] => true,
        [first, rest @ ..] => (b'1'..=b'9').contains(first) && rest.iter().all(u8::is_ascii_digit),
    };
    if well_formed {
        segment.parse().ok()
    } else {
        None
    }
}

/// Adds a segment that is an index.
pub(crate) fn push_index(text: &mut String, index: usize) {
    text.push('/');
    text.push_str(itoa::Buffer::new().format(index));
}

/// Adds a segment, escaped.
pub(crate) fn push_escaped(text: &mut String, segment: &str) {
    text.push('/');
    if !segment.bytes().any(|byte| matches!(byte, b'~' | b'/')) {
        text.push_str(segment);
        return;
    }
    for part in segment.split_inclusive(['~', '/']) {
        match (part.strip_suffix('~'), part.strip_suffix('/')) {
            (Some(plain), _) => {
                text.push_str(plain);
                text.push_str("~0");
            }
            (_, Some(plain)) => {
                text.push_str(plain);
                text.push_str("~1");
            }
            _ => text.push_str(part),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pointer(text: &str) -> Pointer {
        Pointer::parse(text).unwrap()
    }

    #[test]
    fn escapes_are_undone_in_the_order_of_the_rfc() {
        let all: Vec<_> = pointer("/~01/a~1b//m~0n")
            .segments()
            .map(Cow::into_owned)
            .collect();
        assert_eq!(all, ["~1", "a/b", "", "m~n"]);
    }

    #[test]
    fn a_child_is_escaped_and_read_back() {
        for name in ["", "a", "~", "/", "~1", "a/b~c/", "ü~", "~~//"] {
            let child = pointer("/x").child(name);
            assert_eq!(child, pointer(child.as_str()));
            let (parent, last) = child.split_last().unwrap();
            assert_eq!((parent.as_str(), &*last), ("/x", name));
        }
        assert_eq!(pointer("").element(0).as_str(), "/0");
        assert_eq!(
            Pointer::root().element(usize::MAX).as_str(),
            format!("/{}", usize::MAX)
        );
    }

    #[test]
    fn malformed_pointers_are_refused_with_the_place() {
        assert_eq!(Pointer::parse("a"), Err(PointerError::NoLeadingSlash));
        assert_eq!(Pointer::parse("~0"), Err(PointerError::NoLeadingSlash));
        assert_eq!(
            Pointer::parse("/a~2"),
            Err(PointerError::BadEscape { offset: 2 })
        );
        assert_eq!(
            Pointer::parse("/a~"),
            Err(PointerError::BadEscape { offset: 2 })
        );
        assert_eq!(
            Pointer::parse(&"/".repeat(100_000)),
            Err(PointerError::TooManySegments { segments: 100_000 })
        );
    }

    #[test]
    fn a_prefix_ends_at_a_segment() {
        assert!(pointer("/a").is_prefix_of(&pointer("/a/b")));
        assert!(pointer("/a").is_prefix_of(&pointer("/a")));
        assert!(pointer("").is_prefix_of(&pointer("/a")));
        assert!(!pointer("/a").is_prefix_of(&pointer("/ab")));
        assert!(pointer("/a/b").overlaps(&pointer("/a")));
        assert!(!pointer("/a/b").overlaps(&pointer("/a/c")));
    }

    #[test]
    fn only_plain_decimals_are_array_indices() {
        assert_eq!(array_index("0"), Some(0));
        assert_eq!(array_index("10"), Some(10));
        for bad in [
            "",
            "-",
            "00",
            "01",
            "1x",
            "+1",
            "-1",
            "1.0",
            "１",
            "99999999999999999999999",
        ] {
            assert_eq!(array_index(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn a_pointer_is_read_the_same_near_the_most_segments() {
        for len in 1_020..=1_028 {
            for path in [
                "/".repeat(len),
                format!("/{}", "a".repeat(len)),
                format!("/~0{}", "/".repeat(len)),
            ] {
                let segments = path.matches('/').count();
                let expected = if segments > Pointer::SEGMENTS_MAX {
                    Err(PointerError::TooManySegments { segments })
                } else {
                    Ok(path.clone())
                };
                let read = Pointer::parse(&path).map(|pointer| pointer.as_str().to_owned());
                assert_eq!(read, expected, "{len}");
            }
        }
        let long = format!("a{}", "/".repeat(2_000));
        assert_eq!(Pointer::parse(&long), Err(PointerError::NoLeadingSlash));
    }
}
