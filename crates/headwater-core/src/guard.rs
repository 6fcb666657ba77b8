use std::{collections::BTreeSet, iter};

use headwater_doc::{Extensions, Patch, Pointer, Value, View};

use crate::{
    document::Document,
    frame::Frame,
    id::{Position, SessionId, Version},
    resume::Squash,
    submission::Rejection,
};

/// To which versions of a document a batch may be applied.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Guard {
    /// To the newest, whatever it is; `test` operations guard what matters.
    #[default]
    Head,
    /// To this very version only.
    Exact(Position),
    /// To any version after this one, as long as no other lane has changed a path since then that the
    /// batch reads or writes. An operation through an array index reads the whole array.
    Untouched(Position),
}

impl Guard {
    /// The version that the sender saw.
    #[must_use]
    pub const fn base(self) -> Option<Position> {
        match self {
            Self::Head => None,
            Self::Exact(base) | Self::Untouched(base) => Some(base),
        }
    }

    pub(crate) const fn digest(self) -> u64 {
        let (kind, base) = match self {
            Self::Head => return 0,
            Self::Exact(base) => (1_u64, base),
            Self::Untouched(base) => (2, base),
        };
        // An odd factor loses nothing, and sets the fields apart from one another.
        let epoch =
            base.epoch.incarnation.0 ^ base.epoch.number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        epoch.wrapping_add(base.version.0.wrapping_mul(0xc2b2_ae3d_27d4_eb4f)) ^ (kind << 62)
    }
}

/// What others have done since a batch's base: how its sender gets to the newest version, and what it
/// has to look at before it tries again.
#[derive(Clone, Debug, thiserror::Error)]
#[error("others changed {} paths since version {} that it reads or writes", paths.len(), base)]
pub struct Conflict {
    /// The version that the sender saw.
    pub base: Version,
    /// The version that the batch was tried on.
    pub head: Version,
    /// Paths that others changed, in order and each once; at most 64 of them.
    pub paths: Vec<Pointer>,
    since: Squash,
}

/// Paths that a conflict names: more than a person reads, and than a program handles one by one.
const PATHS_MAX: usize = 64;

impl Conflict {
    /// What takes the sender from its base to `head`, or near the size of the document the whole of it.
    ///
    /// O(what changed since), and takes no lock. `extensions` are the operations beyond RFC 6902 that
    /// the sender can read.
    #[must_use]
    pub fn squash(&self, extensions: Extensions) -> Option<Frame> {
        self.since.clone().with(extensions).finish().frame
    }
}

impl PartialEq for Conflict {
    /// The squash follows from the rest.
    fn eq(&self, other: &Self) -> bool {
        (self.base, self.head, &self.paths) == (other.base, other.head, &other.paths)
    }
}

impl Eq for Conflict {}

impl Document {
    /// Whether a guarded batch of this session may be applied to the newest version.
    pub(crate) fn check_guard(
        &self,
        guard: Guard,
        session: SessionId,
        patch: &Patch,
    ) -> Result<(), Rejection> {
        let Some(base) = guard.base() else {
            return Ok(());
        };
        let (oldest, head) = (self.history.oldest(self.version), self.version);
        if base.epoch != self.epoch {
            return Err(Rejection::EpochMismatch {
                current: self.epoch,
            });
        }
        if base.version > head {
            return Err(Rejection::BaseAhead { oldest, head });
        }
        if base.version == head {
            return Ok(());
        }
        if base.version < oldest {
            return Err(Rejection::BaseTooOld { oldest, head });
        }
        if matches!(guard, Guard::Exact(_)) {
            return Err(Rejection::NotAtBase { head });
        }
        let paths = self.conflicts(base.version, session, patch);
        if paths.is_empty() {
            return Ok(());
        }
        Err(match self.squash_since(base.version) {
            Some(since) => Rejection::Conflict(Box::new(Conflict {
                base: base.version,
                head,
                paths,
                since,
            })),
            None => Rejection::BaseTooOld { oldest, head },
        })
    }

    /// The paths that others changed after `base` and that the batch reads or writes.
    fn conflicts(&self, base: Version, session: SessionId, patch: &Patch) -> Vec<Pointer> {
        let root = self.root();
        let concerns = footprint(patch, &root);
        let of_others = self
            .history
            .after(base)
            .filter(|commit| commit.origin.is_none_or(|(origin, _)| origin != session));
        let touched = of_others.flat_map(|commit| commit.applied.touched().iter());
        let mut paths = BTreeSet::new();
        for path in touched {
            if any_overlaps(&concerns, path) {
                paths.insert(path);
            }
            if paths.len() == PATHS_MAX {
                break;
            }
        }
        paths.into_iter().cloned().collect()
    }
}

/// The paths that a batch reads or writes.
fn footprint(patch: &Patch, root: &Value) -> BTreeSet<Pointer> {
    let operations = patch.operations().iter();
    let paths = operations.flat_map(|operation| [Some(operation.path()), operation.from()]);
    paths.flatten().map(|path| stable(path, root)).collect()
}

/// Whether any of the paths overlaps another one. O(log n) for each of its segments: hostile batches have
/// as many paths as they may, and so has the history.
fn any_overlaps(paths: &BTreeSet<Pointer>, path: &Pointer) -> bool {
    let mut above = iter::successors(Some(path.clone()), Pointer::parent);
    // The least of all pointers below it.
    let below = path.child("");
    let mut below = paths.range(below..);
    above.any(|at| paths.contains(&at)) || below.next().is_some_and(|at| path.is_prefix_of(at))
}

/// The part of a path that means the same as long as nothing on it changes: up to the first array,
/// since an index means another element once others have come or gone before it.
fn stable(path: &Pointer, root: &Value) -> Pointer {
    let mut value = root;
    let mut prefix = Pointer::root();
    for segment in path.segments() {
        match value.view() {
            View::Array(_) => return prefix,
            View::Object(object) => match object.get(&segment) {
                Some(member) => value = member,
                None => break,
            },
            _ => break,
        }
        prefix = prefix.child(&segment);
    }
    path.clone()
}
