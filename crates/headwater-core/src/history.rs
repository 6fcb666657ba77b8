use std::{borrow::Cow, collections::VecDeque, sync::Arc, time::Duration};

use headwater_doc::{Applied, Extensions, Limits, Patch, Touched, Value};

use crate::{
    id::{Seq, SessionId, Version},
    time::Time,
};

/// A batch that was applied.
#[derive(Debug)]
pub struct Commit {
    /// The version that it made.
    pub version: Version,
    /// Whose batch it was, and its seq; `None` for a change by the host.
    pub origin: Option<(SessionId, Seq)>,
    /// When it was applied.
    pub at: Time,
    /// What it changed.
    pub patch: Arc<Patch>,
    /// What undoes it, and where it changed something; [`inverse`](Self::inverse) and
    /// [`touched`](Self::touched) read it.
    pub applied: Applied,
    /// The extensions that `patch` uses.
    pub(crate) extensions: Extensions,
    /// Bytes of the patches of all commits in this epoch up to and with this one.
    patch_bytes_sum: u64,
}

/// What a commit is charged in memory.
///
/// Values that a patch brought in are the document's; those that were taken out are the inverse's. What
/// the patch still holds of a value that was changed later, the later commit counts as copied.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Charge {
    /// Operations, paths and all values that are the commit's alone.
    pub(crate) own: u64,
    /// Of those, the values that it took out of the document.
    pub(crate) removed: u64,
    /// Beside those, the values that it brought in.
    pub(crate) brought: u64,
}

/// How long commits stay, so that those who missed them can be brought up to date by deltas.
///
/// A commit stays while it is younger than `age_min` *or* among the newest `commits_min`, and goes in
/// any case beyond `commits_max`, or `bytes_min` or twice the snapshot, whichever is more. No
/// subscriber delays that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HistoryBounds {
    /// Default 90 s: a reconnect after a lost link takes up to a minute and a half.
    pub age_min: Duration,
    /// Default 256.
    pub commits_min: usize,
    /// Default 4,096.
    pub commits_max: usize,
    /// Bytes of patches and inverses. Default 1 MiB.
    pub bytes_min: u64,
}

impl HistoryBounds {
    /// Whether a commit is so large that it goes as soon as it is made, which leads to a document of so many
    /// bytes.
    pub(crate) fn lets_go(&self, patch: &Patch, applied: &Applied, snapshot_bytes: u64) -> bool {
        written_bytes(patch, applied) > self.bytes_max(snapshot_bytes)
    }

    fn bytes_max(&self, snapshot_bytes: u64) -> u64 {
        self.bytes_min.max(snapshot_bytes.saturating_mul(2))
    }
}

impl Default for HistoryBounds {
    fn default() -> Self {
        Self {
            age_min: Duration::from_secs(90),
            commits_min: 256,
            commits_max: 4_096,
            bytes_min: 1 << 20,
        }
    }
}

/// The recent commits of a document, without a gap up to its head.
#[derive(Debug, Default)]
pub(crate) struct History {
    /// Invariant: the versions are consecutive.
    commits: VecDeque<Arc<Commit>>,
    /// Bytes of the patches and inverses in `commits`.
    bytes: u64,
    /// Bytes of the patches of all commits in this epoch.
    patch_bytes_sum: u64,
    /// What the commits are charged together.
    charge: u64,
    /// What they have brought together.
    brought: u64,
}

impl History {
    /// Makes the record of a batch that was applied, to be [added](Self::push) next.
    ///
    /// At once where it is to stay: it is some 200 bytes, and to copy what was just written waits for it.
    pub(crate) fn record(
        &self,
        version: Version,
        origin: Option<(SessionId, Seq)>,
        at: Time,
        patch: Arc<Patch>,
        applied: Applied,
    ) -> Arc<Commit> {
        Arc::new(Commit {
            version,
            origin,
            at,
            extensions: patch.extensions(),
            patch_bytes_sum: self.patch_bytes_sum + patch.written_bytes(),
            patch,
            applied,
        })
    }

    /// Adds a commit.
    pub(crate) fn push(&mut self, commit: Arc<Commit>) {
        self.patch_bytes_sum = commit.patch_bytes_sum;
        self.bytes += commit.bytes();
        let charge = commit.charge();
        self.charge += charge.own;
        self.brought += charge.brought;
        self.commits.push_back(commit);
    }

    /// Lets go of the commits that the bounds no longer keep, and hands `gone` each.
    /// `snapshot_bytes` is the size of the document.
    pub(crate) fn trim(
        &mut self,
        now: Time,
        snapshot_bytes: u64,
        bounds: &HistoryBounds,
        mut gone: impl FnMut(Arc<Commit>),
    ) {
        let bytes_max = bounds.bytes_max(snapshot_bytes);
        while let Some(oldest) = self.commits.front() {
            let count = self.commits.len();
            let over = count > bounds.commits_max || self.bytes > bytes_max;
            let due = count > bounds.commits_min && now.since(oldest.at) >= bounds.age_min;
            if !over && !due {
                break;
            }
            if let Some(oldest) = self.pop() {
                gone(oldest);
            }
        }
    }

    /// Lets go of the oldest commit.
    pub(crate) fn pop(&mut self) -> Option<Arc<Commit>> {
        let oldest = self.commits.pop_front()?;
        self.bytes -= oldest.bytes();
        let charge = oldest.charge();
        self.charge -= charge.own;
        self.brought -= charge.brought;
        Some(oldest)
    }

    /// How many commits there are.
    pub(crate) fn len(&self) -> usize {
        self.commits.len()
    }

    /// Bytes of the values that its patches have brought in, as they were then.
    pub(crate) const fn brought(&self) -> u64 {
        self.brought
    }

    /// Bytes that the window takes in memory.
    pub(crate) fn heap_bytes(&self) -> u64 {
        let slots = self.commits.capacity() * size_of::<Arc<Commit>>();
        self.charge + slots as u64
    }

    /// Bytes that the window takes more for so many commits, beside those themselves.
    pub(crate) fn growth(&self, commits: usize) -> u64 {
        let slots = (self.commits.len() + commits).next_power_of_two().max(4);
        let grown = slots.saturating_sub(self.commits.capacity());
        (grown * size_of::<Arc<Commit>>()) as u64
    }

    /// The oldest version that the head can be taken back to, given the head.
    pub(crate) fn oldest(&self, head: Version) -> Version {
        Version(head.0 - self.commits.len() as u64)
    }

    /// The commit that made a version, if it is here.
    pub(crate) fn get(&self, version: Version) -> Option<&Arc<Commit>> {
        let first = self.commits.front()?.version;
        let index = usize::try_from(version.0.checked_sub(first.0)?).ok()?;
        self.commits.get(index)
    }

    /// The commits after a version, oldest first.
    pub(crate) fn after(&self, version: Version) -> impl DoubleEndedIterator<Item = &Arc<Commit>> {
        let first = self.commits.front().map_or(version, |first| first.version);
        let skipped = version.next().0.saturating_sub(first.0);
        let skipped = usize::try_from(skipped).unwrap_or(usize::MAX);
        self.commits.range(skipped.min(self.commits.len())..)
    }

    /// Bytes of the patches after a version that the head can be taken back to.
    pub(crate) fn patch_bytes_after(&self, version: Version) -> u64 {
        let before = match self.get(version) {
            Some(commit) => commit.patch_bytes_sum,
            None => self.commits.front().map_or(self.patch_bytes_sum, |first| {
                first.patch_bytes_sum - first.patch.written_bytes()
            }),
        };
        self.patch_bytes_sum - before
    }
}

impl Commit {
    /// The patch that undoes it, as [`Applied::inverse`].
    #[must_use]
    pub fn inverse(&self) -> Cow<'_, Patch> {
        self.applied.inverse(&self.patch)
    }

    /// The paths at which it changed something. O(1).
    #[must_use]
    pub fn touched(&self) -> Touched<'_> {
        self.applied.touched(&self.patch)
    }

    /// Takes it back from what it has led to.
    pub(crate) fn take_back(&self, root: &mut Value) {
        let undone = self.inverse().apply(root, &Limits::NONE);
        debug_assert!(
            undone.is_ok(),
            "an inverse applies to what it was made from"
        );
    }

    /// What it is charged in memory.
    pub(crate) fn charge(&self) -> Charge {
        Charge::of(&self.patch, &self.applied)
    }

    fn bytes(&self) -> u64 {
        written_bytes(&self.patch, &self.applied)
    }
}

/// What a commit counts towards [`HistoryBounds::bytes_min`].
fn written_bytes(patch: &Patch, applied: &Applied) -> u64 {
    patch.written_bytes() + applied.inverse_bytes()
}

impl Charge {
    pub(crate) fn of(patch: &Patch, applied: &Applied) -> Self {
        let brought = patch.put_bytes();
        let own = patch.heap_bytes() - brought + applied.adopted_bytes + applied.heap_bytes();
        Self {
            own: own + (size_of::<Commit>() + size_of::<Patch>() + ARCS) as u64,
            removed: applied.removed_bytes(patch),
            brought,
        }
    }

    /// What of it stays, in the history or for those who hold versions before the commit.
    pub(crate) const fn kept(self, lets_go: bool, is_pinned: bool) -> u64 {
        match (lets_go, is_pinned) {
            (false, _) => self.own,
            (true, true) => self.removed,
            (true, false) => 0,
        }
    }
}

/// The counts of the two [`Arc`]s, of the commit and of its patch.
const ARCS: usize = 4 * size_of::<usize>();
