use std::fmt;

use headwater_doc::{Patch, Touched, Value};

use crate::id::{Key, Seq, SessionId};

/// The host's own rule on what clients may do: permissions, a schema, the rules of a game.
///
/// It is asked under the document's lock when a batch is decided, held ones too, after the batch was
/// applied and before anyone can see it; a refusal undoes it. Where memory has no room for what it admits, it
/// is asked again when the batch comes again. So it must be quick, and it cannot call the engine. The host's
/// own writes are not asked about. If it panics, the document is closed, as
/// [`Rejection::Panicked`](crate::Rejection::Panicked) says.
pub trait Admit: Send + Sync {
    /// Whether a batch may be applied.
    ///
    /// # Errors
    ///
    /// A stable word for the reason, which the sender gets as
    /// [`Rejection::Refused`](crate::Rejection::Refused).
    fn admit(&self, request: &Admission<'_>) -> Result<(), &'static str>;
}

impl<F> Admit for F
where
    F: Fn(&Admission<'_>) -> Result<(), &'static str> + Send + Sync,
{
    fn admit(&self, request: &Admission<'_>) -> Result<(), &'static str> {
        self(request)
    }
}

impl fmt::Debug for dyn Admit + '_ {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Admit")
    }
}

/// A batch that the host is asked about.
#[derive(Clone, Copy, Debug)]
pub struct Admission<'a> {
    /// Whose batch it is.
    pub session: SessionId,
    /// Which document it changes.
    pub key: &'a Key,
    /// Its number in its lane.
    pub seq: Seq,
    /// The document before it.
    pub before: &'a Value,
    /// What it changes.
    pub patch: &'a Patch,
    /// The paths at which it changes something.
    pub touched: Touched<'a>,
    /// The document after it.
    pub after: &'a Value,
}
