use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    panic::{AssertUnwindSafe, catch_unwind},
};

use headwater_core::{
    Admission, AtDeadline, Cursor, Epoch, Guard, HistoryBounds, Key, Mode, Position, Rejection,
    Seq, SessionId, ShardConfig, SnapshotReason, Time, Version,
};
use headwater_doc::{Applied, Limits, Patch, Pointer, Value, View};
use std::sync::Arc;

use super::workload::rule;

/// What the documents must be: each a list of all versions that it ever had.
pub(crate) struct Documents {
    limits: Limits,
    bounds: HistoryBounds,
    admit: bool,
    pub(crate) open: BTreeMap<Key, Document>,
    /// All versions of each document that ever was, with their digests.
    versions: BTreeMap<(Key, Epoch), Vec<(Value, u64)>>,
}

pub(crate) struct Document {
    pub(crate) position: Position,
    pub(crate) root: Value,
    pub(crate) at_deadline: Option<AtDeadline>,
    /// The commits that must still be known, oldest first.
    pub(crate) history: VecDeque<Past>,
    /// Whose batch made which version, of all versions.
    pub(crate) origins: Vec<Option<(SessionId, Seq)>>,
}

/// A commit.
pub(crate) struct Past {
    pub(crate) version: Version,
    at: Time,
    pub(crate) patch: Arc<Patch>,
    inverse_bytes: u64,
    pub(crate) touched: Vec<Pointer>,
}

/// What a poll must come to: the table of `docs/SEMANTICS.md`.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Resume {
    Whole(SnapshotReason),
    Current,
    /// One commit's own patch, if the subscriber can read it, else the same as a squash.
    One(Version),
    Squash,
}

impl Document {
    /// The oldest version that is still known.
    pub(crate) fn oldest(&self) -> Version {
        Version(self.position.version.0 - self.history.len() as u64)
    }

    fn after(&self, version: Version) -> impl Iterator<Item = &Past> {
        self.history
            .iter()
            .filter(move |past| past.version > version)
    }

    /// Lets go of the commits that the bounds no longer keep.
    fn trim(&mut self, now: Time, bounds: &HistoryBounds) {
        let bytes_max = bounds.bytes_min.max(2 * self.root.written_bytes());
        let bytes = |past: &Past| past.patch.written_bytes() + past.inverse_bytes;
        let mut sum: u64 = self.history.iter().map(bytes).sum();
        while let Some(oldest) = self.history.front() {
            let young = now.since(oldest.at) < bounds.age_min;
            let newest = self.history.len() <= bounds.commits_min;
            let fits = self.history.len() <= bounds.commits_max && sum <= bytes_max;
            if (young || newest) && fits {
                break;
            }
            sum -= bytes(oldest);
            self.history.pop_front();
        }
    }

    pub(crate) fn relieve(&mut self) {
        let kept = self.history.len() / 2;
        while self.history.len() > kept {
            self.history.pop_front();
        }
    }

    /// Whether a guarded batch may be applied now.
    pub(crate) fn check_guard(
        &self,
        guard: Guard,
        session: SessionId,
        patch: &Patch,
    ) -> Result<(), Stale> {
        let (base, exact) = match guard {
            Guard::Head => return Ok(()),
            Guard::Exact(base) => (base, true),
            Guard::Untouched(base) => (base, false),
        };
        let (oldest, head) = (self.oldest(), self.position.version);
        if base.epoch != self.position.epoch {
            let current = self.position.epoch;
            return Err(Stale::Rejected(Rejection::EpochMismatch { current }));
        }
        if base.version > head {
            return Err(Stale::Rejected(Rejection::BaseAhead { oldest, head }));
        }
        if base.version < oldest {
            return Err(Stale::Rejected(Rejection::BaseTooOld { oldest, head }));
        }
        if exact && base.version != head {
            return Err(Stale::Rejected(Rejection::NotAtBase { head }));
        }
        let concerns: Vec<_> = patch
            .operations()
            .iter()
            .flat_map(|operation| [Some(operation.path()), operation.from()])
            .flatten()
            .map(|path| up_to_array(path, &self.root))
            .collect();
        let of_others = self.after(base.version).filter(|past| {
            let origin = &self.origins[usize::try_from(past.version.0).unwrap()];
            !matches!(origin, Some((owner, _)) if *owner == session)
        });
        let touched: BTreeSet<_> = of_others.flat_map(|past| &past.touched).collect();
        let is_concerned = |path: &&Pointer| {
            concerns
                .iter()
                .any(|concern| overlap(concern, path.as_str()))
        };
        let paths: Vec<_> = touched.into_iter().filter(is_concerned).cloned().collect();
        if paths.is_empty() {
            return Ok(());
        }
        Err(Stale::Conflict { base, paths })
    }

    /// What a subscriber must get.
    pub(crate) fn resume(&self, cursor: &Cursor) -> Resume {
        let Some(held) = cursor.position else {
            return Resume::Whole(SnapshotReason::Initial);
        };
        if held.epoch != self.position.epoch {
            return Resume::Whole(SnapshotReason::EpochChanged);
        }
        let head = self.position.version;
        if held.version > head {
            return Resume::Whole(SnapshotReason::Ahead);
        }
        let version = held.version.max(cursor.unchanged_to);
        if version >= head {
            return Resume::Current;
        }
        if version < self.oldest() {
            return Resume::Whole(SnapshotReason::Compacted);
        }
        let concerns = |past: &&Past| {
            past.touched
                .iter()
                .any(|path| overlap(path.as_str(), cursor.path.as_str()))
        };
        let next = match cursor.path.is_root() {
            true => self.after(version).next(),
            false => self.after(version).find(concerns),
        };
        let Some(next) = next else {
            return Resume::Current;
        };
        let bytes: u64 = self
            .after(version)
            .map(|past| past.patch.written_bytes())
            .sum();
        let keeps_up =
            self.after(version).count() <= 1_024 && bytes <= self.root.written_bytes() / 2;
        if keeps_up && (cursor.mode == Mode::EveryCommit || next.version == head) {
            return Resume::One(next.version);
        }
        Resume::Squash
    }
}

/// Why a guarded batch is not applied.
pub(crate) enum Stale {
    Rejected(Rejection),
    Conflict { base: Position, paths: Vec<Pointer> },
}

impl Documents {
    pub(crate) const fn new(config: &ShardConfig, admit: bool) -> Self {
        Self {
            limits: config.limits,
            bounds: config.history,
            admit,
            open: BTreeMap::new(),
            versions: BTreeMap::new(),
        }
    }

    pub(crate) fn create(
        &mut self,
        key: &Key,
        position: Position,
        root: &Value,
        at_deadline: Option<AtDeadline>,
    ) {
        let first = vec![(root.clone(), root.digest())];
        let before = self.versions.insert((key.clone(), position.epoch), first);
        assert!(before.is_none(), "an epoch is used once");
        let document = Document {
            position,
            root: root.clone(),
            at_deadline,
            history: VecDeque::new(),
            origins: vec![None],
        };
        assert!(self.open.insert(key.clone(), document).is_none());
    }

    /// A version of a document that is or was there, with its digest; none if there was no such version.
    pub(crate) fn version(&self, key: &Key, position: Position) -> Option<&(Value, u64)> {
        let versions = self.versions.get(&(key.clone(), position.epoch))?;
        versions.get(usize::try_from(position.version.0).unwrap())
    }

    pub(crate) fn digest(&self, key: &Key, position: Position) -> u64 {
        let (_, digest) = self
            .version(key, position)
            .expect("a version that was made");
        *digest
    }

    /// Applies a batch to a document, all or nothing, as the host's rule allows.
    pub(crate) fn apply(
        &mut self,
        now: Time,
        key: &Key,
        origin: Option<(SessionId, Seq)>,
        patch: &Arc<Patch>,
    ) -> Result<Version, Rejection> {
        let document = self.open.get(key).ok_or(Rejection::NoSuchDocument)?;
        let before = document.root.clone();
        let mut after = before.clone();
        let applied =
            patch
                .apply(&mut after, &self.limits)
                .map_err(|error| Rejection::DoesNotApply {
                    operation: error.operation,
                    reason: error.reason,
                    head: document.position.version,
                })?;
        if let Some((session, seq)) = origin
            && self.admit
        {
            let request = Admission {
                session,
                key,
                seq,
                before: &before,
                patch,
                touched: applied.touched(patch),
                after: &after,
            };
            let decided = catch_unwind(AssertUnwindSafe(|| rule(&request)));
            let decided = decided.map_err(|_| Rejection::Panicked)?;
            decided.map_err(|code| Rejection::Refused { code })?;
        }
        Ok(self.commit(now, key, origin, patch, after, &applied))
    }

    fn commit(
        &mut self,
        at: Time,
        key: &Key,
        origin: Option<(SessionId, Seq)>,
        patch: &Arc<Patch>,
        root: Value,
        applied: &Applied,
    ) -> Version {
        let document = self.open.get_mut(key).expect("it was looked at");
        let version = document.position.version.next();
        document.position.version = version;
        document.origins.push(origin);
        document.history.push_back(Past {
            version,
            at,
            patch: Arc::clone(patch),
            inverse_bytes: applied.inverse(patch).written_bytes(),
            touched: applied.touched(patch).iter().cloned().collect(),
        });
        let versions = self
            .versions
            .get_mut(&(key.clone(), document.position.epoch));
        versions.unwrap().push((root.clone(), root.digest()));
        document.root = root;
        document.trim(at, &self.bounds);
        version
    }

    /// Applies some of the host's batches, all or none; `None` if they do not apply.
    pub(crate) fn apply_all(&mut self, now: Time, writes: &[(Key, Vec<Arc<Patch>>)]) -> Option<()> {
        let mut staged = Vec::new();
        for (key, patches) in writes {
            let mut root = self.open.get(key)?.root.clone();
            let apply = |patch: &Arc<Patch>| {
                let applied = patch.apply(&mut root, &self.limits).ok()?;
                Some((root.clone(), applied))
            };
            staged.push((
                key,
                patches,
                patches.iter().map(apply).collect::<Option<Vec<_>>>()?,
            ));
        }
        for (key, patches, applied) in staged {
            // The history is trimmed by the size of what all of them have led to.
            let end = applied.last().map(|(root, _)| root.clone());
            for (patch, (root, applied)) in patches.iter().zip(applied) {
                self.commit_staged(now, key, patch, &root, end.as_ref().unwrap(), applied);
            }
        }
        Some(())
    }

    fn commit_staged(
        &mut self,
        now: Time,
        key: &Key,
        patch: &Arc<Patch>,
        root: &Value,
        end: &Value,
        applied: Applied,
    ) {
        self.commit(now, key, None, patch, end.clone(), &applied);
        let epoch = self.open[key].position.epoch;
        let versions = self.versions.get_mut(&(key.clone(), epoch)).unwrap();
        *versions.last_mut().unwrap() = (root.clone(), root.digest());
    }

    pub(crate) fn trim(&mut self, now: Time, key: &Key) {
        if let Some(document) = self.open.get_mut(key) {
            document.trim(now, &self.bounds);
        }
    }
}

/// Whether one path is the other or above it.
pub(crate) fn overlap(one: &str, other: &str) -> bool {
    let above = |above: &str, below: &str| {
        below
            .strip_prefix(above)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    above(one, other) || above(other, one)
}

/// A path as far as it means the same whatever comes and goes in arrays.
fn up_to_array(path: &Pointer, root: &Value) -> String {
    let mut at = Pointer::root();
    for segment in path.segments() {
        if let Some(View::Array(_)) = at.resolve(root).map(Value::view) {
            return at.as_str().to_owned();
        }
        at = at.child(&segment);
    }
    path.as_str().to_owned()
}
