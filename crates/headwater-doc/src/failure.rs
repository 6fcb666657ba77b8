use crate::{limits::LimitExceeded, pointer::Pointer};

/// Most containers inside one another that cross between Rust values and documents.
///
/// The same as the default of [`Limits::depth`](crate::Limits::depth). Serde recurses a level of stack
/// for each, with frames of up to some KiB where enums are flattened or untagged: ten times as many
/// could end a thread's stack, and fewer would refuse documents that are held by default.
pub(crate) const DEPTH_MAX: u32 = 128;

pub(crate) const TOO_DEEP: LimitExceeded = LimitExceeded::Depth { limit: DEPTH_MAX };

/// Characters of a foreign name that an error repeats: enough to know it by, and no more of a document
/// than a log should hold.
pub(crate) const NAME_CHARS_MAX: usize = 64;

/// As much of a foreign name as an error repeats.
pub(crate) fn excerpt(name: &str) -> String {
    name.chars().take(NAME_CHARS_MAX).collect()
}

/// Why a value does not cross, with the way to it, which is gathered from the inside out.
///
/// Boxed, so that results stay small; only what fails pays for it.
#[derive(Debug)]
pub(crate) struct Failure<R>(Box<(Vec<String>, R)>);

impl<R> Failure<R> {
    pub(crate) fn new(reason: impl Into<R>) -> Self {
        Self(Box::new((Vec::new(), reason.into())))
    }

    /// The same failure as seen from the container around it.
    pub(crate) fn inside(mut self, segment: impl ToString) -> Self {
        self.0.0.push(segment.to_string());
        self
    }

    pub(crate) fn into_parts(self) -> (Pointer, R) {
        let (segments, reason) = *self.0;
        (Pointer::of_segments(segments.into_iter().rev()), reason)
    }
}

impl<R: std::fmt::Display> std::fmt::Display for Failure<R> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.1.fmt(f)
    }
}

impl<R: std::fmt::Display + std::fmt::Debug> std::error::Error for Failure<R> {}

/// Writes the path, unless it is that of the whole, and the reason.
pub(crate) fn write_failure(
    path: &Pointer,
    reason: &impl std::fmt::Display,
    f: &mut std::fmt::Formatter<'_>,
) -> std::fmt::Result {
    if path.is_root() {
        write!(f, "{reason}")
    } else {
        write!(f, "{path}: {reason}")
    }
}
