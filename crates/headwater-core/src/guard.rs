use std::{cmp::Ordering, collections::BTreeSet};

use headwater_doc::{Extensions, Patch, Pointer, Value, View};

use crate::{
    document::Document,
    frame::Frame,
    id::{Position, SessionId, Version},
    resume::Squash,
    submission::Rejection,
    work,
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
    /// batch reads or writes. An operation through an array index reads the whole array. The base is too old
    /// once others have done more since than 10,000 operations, or 1 MiB of paths.
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

/// What others may have done since a base, in operations and in bytes of the paths that they touched: what
/// the largest batch has by default. So a guard takes about as long under the lock as a batch may. With less,
/// a base of a moment ago would be too old in a busy document.
const OPERATIONS_SINCE_MAX: usize = 10_000;
const PATH_BYTES_SINCE_MAX: usize = 1 << 20;

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
        let paths = match self.conflicts(base.version, session, patch) {
            Ok(paths) if paths.is_empty() => return Ok(()),
            Ok(paths) => paths,
            Err(oldest) => return Err(Rejection::BaseTooOld { oldest, head }),
        };
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

    /// The paths that others changed after `base` and that the batch reads or writes; or if that were too
    /// much to look at, the oldest base for which it is not.
    fn conflicts(
        &self,
        base: Version,
        session: SessionId,
        patch: &Patch,
    ) -> Result<Vec<Pointer>, Version> {
        let root = self.root();
        let footprint = Footprint::of(patch, &root);
        let of_others = self
            .history
            .after(base)
            .rev()
            .filter(|commit| commit.origin.is_none_or(|(origin, _)| origin != session));
        let (mut operations, mut bytes) = (0, 0);
        let mut paths = BTreeSet::new();
        for commit in of_others {
            operations += commit.patch.operations().len();
            if operations > OPERATIONS_SINCE_MAX {
                return Err(commit.version);
            }
            for path in commit.touched().iter() {
                bytes += path.as_str().len();
                if bytes > PATH_BYTES_SINCE_MAX {
                    return Err(commit.version);
                }
                if paths.len() < PATHS_MAX && footprint.overlaps(path.as_str()) {
                    paths.insert(path);
                }
            }
        }
        Ok(paths.into_iter().cloned().collect())
    }
}

/// The paths that a batch reads or writes, without those below others of them, sorted by
/// [`by_segments`]. So what lies below a path follows it at once, and one search finds whatever overlaps
/// it: hostile batches have as many paths as they may, and so has the history.
struct Footprint<'a>(Vec<&'a str>);

impl<'a> Footprint<'a> {
    fn of(patch: &'a Patch, root: &Value) -> Self {
        let operations = patch.operations().iter();
        let paths = operations.flat_map(|operation| [Some(operation.path()), operation.from()]);
        Self::new(paths.flatten().map(|path| stable(path, root)).collect())
    }

    fn new(mut paths: Vec<&'a str>) -> Self {
        paths.sort_unstable_by(|one, other| by_segments(one, other));
        paths.dedup_by(|path, above| leads_to(above, path));
        Self(paths)
    }

    /// Whether one of its paths leads to this one, or this one to one of them.
    fn overlaps(&self, path: &str) -> bool {
        let Self(paths) = self;
        let at = paths.partition_point(|before| by_segments(before, path).is_lt());
        let above = at.checked_sub(1).and_then(|above| paths.get(above));
        let below = paths.get(at);
        above.is_some_and(|above| leads_to(above, path))
            || below.is_some_and(|below| leads_to(path, below))
    }
}

/// The part of a path that means the same as long as nothing on it changes: up to the first array,
/// since an index means another element once others have come or gone before it.
fn stable<'a>(path: &'a Pointer, root: &Value) -> &'a str {
    let text = path.as_str();
    let mut value = root;
    let mut len = 0;
    for (segment, escaped) in path.segments().zip(text.split('/').skip(1)) {
        match value.view() {
            View::Array(_) => return text.get(..len).unwrap_or_default(),
            View::Object(object) => match object.get(&segment) {
                Some(member) => value = member,
                None => break,
            },
            _ => break,
        }
        len += 1 + escaped.len();
    }
    text
}

/// The order of the texts of two pointers by their segments.
fn by_segments(one: &str, other: &str) -> Ordering {
    let equal = equal_bytes(one.as_bytes(), other.as_bytes());
    work::count(1 + equal);
    // The end of a segment comes before whatever it might have gone on with.
    let rest = |text: &str| {
        let next = text.as_bytes().get(equal);
        next.map(|&byte| (byte != b'/', byte))
    };
    rest(one).cmp(&rest(other))
}

/// How many bytes at the beginning of both are the same: paths share most of theirs.
fn equal_bytes(one: &[u8], other: &[u8]) -> usize {
    let chunks = one
        .as_chunks::<16>()
        .0
        .iter()
        .zip(other.as_chunks::<16>().0);
    let whole = 16 * chunks.take_while(|(one, other)| one == other).count();
    let rest = one.iter().zip(other).skip(whole);
    whole + rest.take_while(|(one, other)| one == other).count()
}

/// Whether the text of one pointer is that of another, or of a container that the other passes through.
fn leads_to(prefix: &str, path: &str) -> bool {
    path.strip_prefix(prefix)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use headwater_doc::Limits;

    use super::*;
    use crate::{
        budget::{Allowance, Budget},
        document::{Rules, Turn},
        freed::Freed,
        history::HistoryBounds,
        id::{Epoch, Incarnation},
        time::Time,
    };

    const STRANGER: SessionId = SessionId {
        incarnation: Incarnation(1),
        number: 1,
    };

    fn patch(text: &str) -> Arc<Patch> {
        Arc::new(Patch::parse(text.as_bytes(), &Limits::NONE, Extensions::NONE).unwrap())
    }

    const EPOCH: Epoch = Epoch {
        incarnation: Incarnation(1),
        number: 1,
    };

    /// A document that the host has changed so many times in the same way.
    fn changed(root: &str, times: u64, change: &Arc<Patch>) -> Document {
        let history = HistoryBounds {
            bytes_min: u64::MAX,
            ..HistoryBounds::default()
        };
        let mut document = Document::new(Time::START, EPOCH, root.parse().unwrap(), None);
        let mut allowance = Allowance::new(Arc::new(Budget::new(u64::MAX)), 1);
        for _ in 0..times {
            let turn = Turn {
                origin: None,
                patch: Arc::clone(change),
                admit: None,
            };
            let rules = Rules {
                limits: &Limits::NONE,
                history: &history,
                allowance: &mut allowance,
                freed: &mut Freed::default(),
            };
            document.commit(Time::START, turn, rules).unwrap();
        }
        document
    }

    fn check(document: &Document, base: u64, text: &str) -> Result<(), Rejection> {
        let guard = Guard::Untouched(Position {
            epoch: EPOCH,
            version: Version(base),
        });
        document.check_guard(guard, STRANGER, &patch(text))
    }

    /// P9: however much others did, and however deep in the document.
    #[test]
    fn a_guard_takes_a_bounded_number_of_steps() {
        let path = "/k".repeat(40);
        let members: Vec<_> = (0..500).map(|number| format!(r#""m{number}":0"#)).collect();
        let root = format!(
            "{}{{{}}}{}",
            r#"{"k":"#.repeat(40),
            members.join(","),
            "}".repeat(40)
        );
        let operations: Vec<_> = (0..500)
            .map(|number| format!(r#"{{"op":"replace","path":"{path}/m{number}","value":1}}"#))
            .collect();
        let change = patch(&format!("[{}]", operations.join(",")));
        let document = changed(&root, 40, &change);
        // One that shares nothing with their paths, and one that shares all but the end.
        let far = r#"[{"op":"add","path":"/x","value":1}]"#;
        let near = format!(r#"[{{"op":"add","path":"{path}/other","value":1}}]"#);
        let too_old = Err(Rejection::BaseTooOld {
            oldest: Version(20),
            head: Version(40),
        });
        for (text, shared) in [(far, 1), (&near, 81)] {
            for (base, expected) in [(0, &too_old), (19, &too_old), (20, &Ok(()))] {
                let (checked, steps) = work::counted(|| check(&document, base, text));
                assert_eq!(&checked, expected);
                assert!(steps <= OPERATIONS_SINCE_MAX * (1 + shared), "{steps}");
            }
        }
    }

    #[test]
    fn a_guard_looks_at_a_bounded_number_of_bytes() {
        let name = "n".repeat((64 << 10) - 1);
        let change = patch(&format!(
            r#"[{{"op":"replace","path":"/{name}","value":1}}]"#
        ));
        let document = changed(&format!(r#"{{"{name}":0}}"#), 17, &change);
        let too_old = Err(Rejection::BaseTooOld {
            oldest: Version(1),
            head: Version(17),
        });
        let elsewhere = r#"[{"op":"remove","path":"/x"}]"#;
        assert_eq!(check(&document, 0, elsewhere), too_old);
        assert_eq!(check(&document, 1, elsewhere), Ok(()));
    }

    #[test]
    fn a_footprint_overlaps_what_one_of_its_paths_overlaps() {
        // Segments that continue one another, by bytes before and behind the one that ends a segment.
        let segments = ["", "a", "a!", "a0", "a~1"];
        let mut pointers = vec![Pointer::root()];
        for above in 0..=segments.len() {
            for segment in segments {
                let text = format!("{}/{segment}", pointers[above]);
                pointers.push(text.parse().unwrap());
            }
        }
        for one in &pointers {
            for other in &pointers {
                let footprint = Footprint::new(vec![one.as_str(), other.as_str(), "/a/a/a"]);
                let third: Pointer = "/a/a/a".parse().unwrap();
                for path in &pointers {
                    let naive = [one, other, &third].iter().any(|at| at.overlaps(path));
                    let found = footprint.overlaps(path.as_str());
                    assert_eq!(found, naive, "{path} of {one}, {other}");
                }
            }
        }
    }
}
