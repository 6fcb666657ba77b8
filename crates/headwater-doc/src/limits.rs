use crate::value::Value;

/// How large and how deep a document may be, as text to be parsed and as the result of a patch.
///
/// All three hold for the *result* of every operation, not only for the text it came in: twenty
/// small `copy` operations can double a document twenty times. RFC 8259 section 9 lets a reader set such
/// limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Containers inside one another, the outermost included. Default 128.
    ///
    /// Peers and tools that parse by recursion commonly stop at 128 (`serde_json` does); a deeper
    /// document could be held here but not be read by them.
    ///
    /// A container remembers the greatest height that it had. Where that would break the limit, its height
    /// is found by a walk of at most 100,000 values for a batch; a container of more, from which something
    /// deep was removed, may be refused a place that it would fit in.
    pub depth: u32,
    /// Bytes of a text that is read, and of the document's own compact text. Default 64 MiB.
    ///
    /// A document is counted as [`Value::written_bytes`] counts: a double takes 25 bytes, the most that
    /// one can, however it is written. So a text of doubles can be refused though it is shorter than the
    /// limit: `0.5,` counts as 26 bytes, not 4.
    ///
    /// Sizes are counted up to 4 GiB. A document that is larger breaks every limit but [`u64::MAX`].
    pub bytes: u64,
    /// Values in the tree: scalars and containers, the root included. Default 16 Mi.
    ///
    /// A value costs 16 bytes of memory, and a container 32 more or so, but as little as two bytes of
    /// text (`0,`) and three (`[],`): a limit on text alone would let memory be sixteen times as much.
    /// Values are counted up to 2^32, as bytes are.
    pub nodes: u64,
}

impl Limits {
    /// No limit but those of the machine: for values that the host made itself.
    pub const NONE: Self = Self {
        depth: u32::MAX,
        bytes: u64::MAX,
        nodes: u64::MAX,
    };
}

impl Limits {
    /// Whether a value keeps to the limits. O(1), or O(values) where only a walk tells its height, since what
    /// is remembered of it may overstate.
    ///
    /// # Errors
    ///
    /// The limit that it breaks.
    pub fn check(&self, value: &Value) -> Result<(), LimitExceeded> {
        self.check_size(value)?;
        self.check_depth(0, value, &mut usize::MAX.clone())
    }

    /// Checks the depth of a value that stands inside so many containers. Where the cached height does
    /// not settle it, walks up to `walk` values, which it takes off; a value that is not walked to its
    /// end counts as too deep.
    pub(crate) fn check_depth(
        &self,
        around: usize,
        value: &Value,
        walk: &mut usize,
    ) -> Result<(), LimitExceeded> {
        let limit = self.depth;
        let around = u32::try_from(around).unwrap_or(u32::MAX);
        let fits = |height: u32| around.saturating_add(height) <= limit;
        let height = value.height();
        // The cached height may overstate, and is capped: only a walk tells then.
        let known = height < u32::from(u16::MAX) || limit == u32::MAX;
        if known && fits(height) || value.exact_height(walk).is_some_and(fits) {
            Ok(())
        } else {
            Err(LimitExceeded::Depth { limit })
        }
    }

    /// Checks what needs no walk.
    pub(crate) fn check_size(&self, value: &Value) -> Result<(), LimitExceeded> {
        self.check_bytes(value)?;
        if breaks(value.nodes(), self.nodes) {
            return Err(LimitExceeded::Nodes { limit: self.nodes });
        }
        Ok(())
    }

    pub(crate) fn check_bytes(&self, value: &Value) -> Result<(), LimitExceeded> {
        self.check_written_bytes(value.written_bytes())
    }

    pub(crate) const fn check_written_bytes(&self, bytes: u64) -> Result<(), LimitExceeded> {
        if breaks(bytes, self.bytes) {
            return Err(LimitExceeded::Bytes { limit: self.bytes });
        }
        Ok(())
    }
}

/// Whether a sum is beyond a limit. One at its maximum has lost count: it breaks every limit that there is.
const fn breaks(sum: u64, limit: u64) -> bool {
    sum > limit || sum == u32::MAX as u64 && limit != u64::MAX
}

impl Default for Limits {
    /// The default that each field names.
    fn default() -> Self {
        Self {
            depth: 128,
            bytes: 64 << 20,
            nodes: 16 << 20,
        }
    }
}

/// A limit of a document that a text or the result of a patch would break (RFC 8259 section 9 allows them).
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LimitExceeded {
    /// More containers inside one another than [`Limits::depth`].
    #[error("deeper than {limit} containers")]
    Depth {
        /// The limit.
        limit: u32,
    },
    /// More bytes of compact text than [`Limits::bytes`], which says how doubles are counted.
    #[error("larger than {limit} bytes, with each double counted as 25")]
    Bytes {
        /// The limit.
        limit: u64,
    },
    /// More values than [`Limits::nodes`].
    #[error("more than {limit} values")]
    Nodes {
        /// The limit.
        limit: u64,
    },
}

impl LimitExceeded {
    /// A stable word for wire, metric and log. O(1).
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Depth { .. } => "limit_depth",
            Self::Bytes { .. } => "limit_bytes",
            Self::Nodes { .. } => "limit_nodes",
        }
    }
}
