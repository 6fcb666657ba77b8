use std::{
    mem,
    ops::Deref,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU64, Ordering},
    },
};

use headwater_doc::{Limits, Patch, PatchError, Value};

use crate::{
    admit::{Admission, Admit},
    budget::{Allowance, Memory},
    cold::Cold,
    frames::FrameMemory,
    freed::Freed,
    history::{Commit, History, HistoryBounds},
    id::{Epoch, Key, Position, Seq, SessionId, Version},
    pins::Pins,
    reorder::AtDeadline,
    rewind::Rewind,
    staged::{Made, Staged},
    submission::Rejection,
    time::Time,
    watch::Watch,
};

/// A document: its newest version, and the way back to recent ones.
#[derive(Debug)]
pub(crate) struct Document {
    pub(crate) epoch: Epoch,
    pub(crate) version: Version,
    root: Root,
    pub(crate) history: History,
    /// The newest version, once somebody has read it; the next commit takes it away.
    shown: OnceLock<Snapshot>,
    /// Made when the first handle or subscriber comes.
    watch: OnceLock<Arc<Watch>>,
    /// Of the two above, what `memory` counts: readers make them and cannot account for them.
    counted: Lent,
    pins: Option<Box<Pins>>,
    /// [`Time::as_micros`] of the last use.
    used: AtomicU64,
    pub(crate) at_deadline: Option<AtDeadline>,
}

#[derive(Debug)]
enum Root {
    Hot(Value),
    Cold(Arc<Cold>),
}

/// One version of a document, seen unchanged for as long as it is held. Cloning costs a reference
/// count.
#[derive(Clone, Debug)]
pub struct Snapshot(pub(crate) Arc<Versioned>);

/// What a [`Snapshot`] leads to.
#[derive(Debug)]
#[non_exhaustive]
pub struct Versioned {
    /// Which version of which epoch this is.
    pub position: Position,
    /// The document at that version.
    pub root: Value,
}

impl Snapshot {
    pub(crate) fn new(position: Position, root: Value) -> Self {
        Self(Arc::new(Versioned { position, root }))
    }
}

impl Deref for Snapshot {
    type Target = Versioned;

    fn deref(&self) -> &Versioned {
        &self.0
    }
}

/// What a document is held to when it changes.
#[derive(Debug)]
pub(crate) struct Rules<'a> {
    pub(crate) limits: &'a Limits,
    pub(crate) history: &'a HistoryBounds,
    /// What it may grow by.
    pub(crate) allowance: &'a mut Allowance,
    /// What it lets go of.
    pub(crate) freed: &'a mut Freed,
}

/// Why a batch whose turn has come made no version. The document is as it was.
#[derive(Clone, Debug)]
pub(crate) enum Undone {
    /// The memory budget has no room for what the document would become: as if it had never come. With the
    /// batch, for whoever makes room: to count a reference for that before each takes longer than to find
    /// the document.
    NoRoom(Arc<Patch>),
    /// It was decided so.
    Rejected(Rejection),
}

impl From<Rejection> for Undone {
    fn from(rejection: Rejection) -> Self {
        Self::Rejected(rejection)
    }
}

/// The memory budget has no room for what the host has made of a document, which is as it was.
#[derive(Debug)]
pub(crate) struct NoRoom;

/// A batch whose turn has come.
#[derive(Clone, Debug)]
pub(crate) struct Turn<'a> {
    /// Whose it is, and its seq; `None` for the host's own.
    pub(crate) origin: Option<(SessionId, Seq)>,
    pub(crate) patch: Arc<Patch>,
    /// The host's rule, which is asked about clients' batches, and the document's key for it.
    pub(crate) admit: Option<(&'a dyn Admit, &'a Key)>,
}

impl Document {
    pub(crate) fn new(
        now: Time,
        epoch: Epoch,
        root: Value,
        at_deadline: Option<AtDeadline>,
    ) -> Self {
        Self {
            epoch,
            version: Version::ZERO,
            root: Root::Hot(root),
            history: History::default(),
            watch: OnceLock::new(),
            shown: OnceLock::new(),
            counted: Lent::Nothing,
            pins: None,
            used: AtomicU64::new(now.as_micros()),
            at_deadline,
        }
    }

    pub(crate) const fn position(&self) -> Position {
        Position {
            epoch: self.epoch,
            version: self.version,
        }
    }

    /// The newest version; inflated for this call alone if it is cold.
    pub(crate) fn root(&self) -> Value {
        match &self.root {
            Root::Hot(root) => root.clone(),
            Root::Cold(cold) => cold.inflate(),
        }
    }

    /// The newest version, unless it is cold.
    pub(crate) const fn hot(&self) -> Option<&Value> {
        match &self.root {
            Root::Hot(root) => Some(root),
            Root::Cold(_) => None,
        }
    }

    /// [`Value::written_bytes`] of the newest version.
    pub(crate) fn written_bytes(&self) -> u64 {
        match &self.root {
            Root::Hot(root) => root.written_bytes(),
            Root::Cold(cold) => cold.written_bytes,
        }
    }

    /// The compressed form, if that is all there is.
    pub(crate) const fn cold(&self) -> Option<&Arc<Cold>> {
        match &self.root {
            Root::Hot(_) => None,
            Root::Cold(cold) => Some(cold),
        }
    }

    pub(crate) fn watch(&self, frames: &Arc<FrameMemory>) -> &Arc<Watch> {
        let watch = || Arc::new(Watch::new(self.position(), Arc::clone(frames)));
        self.watch.get_or_init(watch)
    }

    pub(crate) fn watch_if_any(&self) -> Option<&Arc<Watch>> {
        self.watch.get()
    }

    /// The newest version. Readers share it until the next commit; of a cold document each has its own,
    /// which goes when they go.
    pub(crate) fn snapshot(&self) -> Snapshot {
        let snapshot = || Snapshot::new(self.position(), self.root());
        if self.cold().is_some() {
            return snapshot();
        }
        let shown = self.shown.get_or_init(snapshot);
        if let Some(watch) = self.watch.get() {
            watch.publish(shown);
        }
        shown.clone()
    }

    /// Notes that somebody uses it.
    pub(crate) fn touch(&self, now: Time) {
        // Relaxed: a hint on what to compress, which is looked at again under the lock.
        // Most uses come in the same tick as the one before, and would only pass the cache line around.
        if self.used.load(Ordering::Relaxed) < now.as_micros() {
            self.used.fetch_max(now.as_micros(), Ordering::Relaxed);
        }
    }

    /// Since when nobody has used it.
    pub(crate) fn used(&self) -> Time {
        let seen = Time::from_micros(self.used.load(Ordering::Relaxed));
        let watch = self.watch.get();
        watch.map_or(seen, |watch| watch.used().max(seen))
    }

    /// Applies a batch to the newest version: the one place where a document changes.
    ///
    /// The batch is undone if the host's rule refuses it. After [`Rejection::Panicked`] the document is in
    /// no state that anyone should see, and must be closed.
    pub(crate) fn commit(
        &mut self,
        now: Time,
        turn: Turn<'_>,
        rules: Rules<'_>,
    ) -> Result<Version, Undone> {
        let bytes = self.hot().map_or(0, Value::heap_bytes);
        let cold = self.thaw_in_place();
        let held = self.let_go();
        let head = self.version;
        let Root::Hot(root) = &mut self.root else {
            return Err(Rejection::Panicked.into());
        };
        let Turn {
            origin,
            patch,
            admit,
        } = turn;
        let decided = catch_unwind(AssertUnwindSafe(|| {
            let applied = match patch.apply(root, rules.limits) {
                Ok(applied) => applied,
                Err(PatchError {
                    operation, reason, ..
                }) => {
                    // It may be the last that holds what it would have brought.
                    rules.freed.patch(patch);
                    let rejection = Rejection::DoesNotApply {
                        operation,
                        reason,
                        head,
                    };
                    return Err(rejection.into());
                }
            };
            let commit = self
                .history
                .record(head.next(), origin, now, patch, applied);
            // Before room is looked for: nobody has to make any for what is refused.
            if let (Some((admit, key)), Some((session, seq))) = (admit, origin) {
                // Made afterwards, so that the change has copied only what others hold.
                let mut before = root.clone();
                commit.take_back(&mut before);
                let request = Admission {
                    session,
                    key,
                    seq,
                    before: &before,
                    patch: &commit.patch,
                    touched: commit.touched(),
                    after: root,
                };
                if let Err(code) = admit.admit(&request) {
                    drop(before);
                    commit.take_back(root);
                    return Err(Rejection::Refused { code }.into());
                }
            }
            // What a batch brings has been made room for; what it multiplies, by copying, has not.
            let snapshot_bytes = root.written_bytes();
            let lets_go = rules
                .history
                .lets_go(&commit.patch, &commit.applied, snapshot_bytes);
            let is_pinned = held.is_some() || self.pins.is_some();
            let commits = commit
                .charge()
                .kept(lets_go, is_pinned)
                .saturating_add(commit.applied.copied_bytes);
            let growth = growth(bytes, root, &self.history, 1, commits);
            if !rules.allowance.admits_in_all(growth) {
                commit.take_back(root);
                return Err(Undone::NoRoom(Arc::clone(&commit.patch)));
            }
            Ok(commit)
        }));
        let decided = decided.unwrap_or_else(|payload| {
            // The rule's own, and dropping it could panic again.
            Box::leak(payload);
            Err(Rejection::Panicked.into())
        });
        match decided {
            Ok(commit) => {
                self.pin(held);
                self.note(commit, rules.history, rules.freed);
                Ok(self.version)
            }
            Err(undone) => {
                self.show_again(held);
                if let Some(cold) = cold {
                    // There may be no room for what it was inflated to.
                    self.compress(cold, rules.freed);
                }
                Err(undone)
            }
        }
    }

    /// Applies batches to a copy of the newest version, which [`install`](Self::install) makes the newest.
    pub(crate) fn stage(
        &self,
        patches: &[Arc<Patch>],
        limits: &Limits,
    ) -> Result<Staged, (usize, PatchError)> {
        let mut root = self.root();
        let mut commits = Vec::with_capacity(patches.len());
        for (index, patch) in patches.iter().enumerate() {
            let applied = patch
                .apply(&mut root, limits)
                .map_err(|error| (index, error))?;
            commits.push((Arc::clone(patch), applied));
        }
        Ok(Staged {
            position: self.position(),
            root,
            commits,
            bytes: 0,
        })
    }

    /// Commits what was staged, for which there is room; whether it was staged on the newest version.
    pub(crate) fn install(&mut self, now: Time, staged: Staged, rules: Rules<'_>) -> bool {
        if staged.position != self.position() {
            return false;
        }
        let held = self.let_go();
        self.succeed(now, held, staged, rules);
        true
    }

    /// Commits what the host has made of the newest version; whether it was made of that.
    pub(crate) fn replace(
        &mut self,
        now: Time,
        made: Made,
        rules: Rules<'_>,
    ) -> Result<bool, NoRoom> {
        if made.position != self.position() {
            return Ok(false);
        }
        let staged = Staged::from(made);
        // First, since it is only known then whether anybody holds what the value was made of.
        let held = self.let_go();
        let is_pinned = held.is_some() || self.pins.is_some();
        let growth = staged.growth(self, rules.history, is_pinned);
        if !rules.allowance.admits_in_all(growth) {
            self.show_again(held);
            rules.freed.root(staged.root);
            return Err(NoRoom);
        }
        self.succeed(now, held, staged, rules);
        Ok(true)
    }

    /// Puts what was staged in the place of the newest version, which somebody may have `held`.
    fn succeed(&mut self, now: Time, held: Option<Snapshot>, staged: Staged, rules: Rules<'_>) {
        self.pin(held);
        self.root = Root::Hot(staged.root);
        for (patch, mut applied) in staged.commits {
            if self.pinned() == 0 {
                // What was copied, the copy that is no longer the newest held alone.
                applied.copied_bytes = 0;
            }
            let version = self.version.next();
            let commit = self.history.record(version, None, now, patch, applied);
            self.note(commit, rules.history, rules.freed);
        }
    }

    /// Makes the version that a batch has led to.
    fn note(&mut self, commit: Arc<Commit>, bounds: &HistoryBounds, freed: &mut Freed) {
        let (now, copied) = (commit.at, commit.applied.copied_bytes);
        self.version = commit.version;
        if let Some(watch) = self.watch.get() {
            watch.advance(self.version);
        }
        self.touch(now);
        // What older versions keep for themselves of what it changed.
        if copied > 0 {
            let pins = self.pins.get_or_insert_default();
            pins.copied(self.version, copied);
        }
        self.history.push(commit);
        self.trim(now, bounds, freed);
    }

    /// Lets go of what the history no longer keeps, and of versions that nobody holds.
    pub(crate) fn trim(&mut self, now: Time, bounds: &HistoryBounds, freed: &mut Freed) {
        let snapshot_bytes = self.written_bytes();
        let pins = &mut self.pins;
        self.history.trim(now, snapshot_bytes, bounds, |gone| {
            if let Some(pins) = pins {
                pins.retain(gone.version, gone.charge().removed);
            }
            freed.commit(gone);
        });
        self.settle(freed);
    }

    /// Lets go of the older half of the history; how many commits that were.
    pub(crate) fn relieve_history(&mut self, freed: &mut Freed) -> usize {
        let half = self.history.len().div_ceil(2);
        for _ in 0..half {
            let Some(gone) = self.history.pop() else {
                break;
            };
            if let Some(pins) = &mut self.pins {
                pins.retain(gone.version, gone.charge().removed);
            }
            freed.commit(gone);
        }
        self.settle(freed);
        half
    }

    /// Frees what only versions kept that nobody holds any more.
    fn settle(&mut self, freed: &mut Freed) {
        let oldest = self.history.oldest(self.version);
        if let Some(pins) = &mut self.pins {
            pins.settle(oldest, freed);
            if pins.is_empty() {
                self.pins = None;
            }
        }
    }

    /// Lets go of the version that readers share, so that a writer changes in place what nobody holds.
    /// Yields it if somebody does.
    fn let_go(&mut self) -> Option<Snapshot> {
        let shown = self.shown.take();
        if shown.is_some()
            && let Some(watch) = self.watch.get()
        {
            watch.withdraw();
        }
        shown.filter(Snapshot::is_held)
    }

    /// Keeps an eye on a version that somebody holds, and that is about to be the newest no more.
    fn pin(&mut self, held: Option<Snapshot>) {
        if let Some(snapshot) = held {
            self.pins.get_or_insert_default().hold(snapshot);
        }
    }

    /// Shows the version that somebody holds again, since it has remained the newest: a pin for each batch
    /// that fails would be no end of pins. What the batch has copied of it goes.
    fn show_again(&mut self, held: Option<Snapshot>) {
        if let Some(snapshot) = held {
            self.root = Root::Hot(snapshot.root.clone());
            self.shown = OnceLock::from(snapshot);
        }
    }

    /// Puts the compressed form in the place of the newest version, if that is what it is of.
    pub(crate) fn freeze(
        &mut self,
        position: Position,
        cold: Arc<Cold>,
        freed: &mut Freed,
    ) -> bool {
        if position != self.position() || self.cold().is_some() {
            return false;
        }
        let held = self.let_go();
        self.pin(held);
        self.compress(cold, freed);
        true
    }

    fn compress(&mut self, cold: Arc<Cold>, freed: &mut Freed) {
        if let Root::Hot(root) = mem::replace(&mut self.root, Root::Cold(cold)) {
            freed.root(root);
        }
    }

    /// Takes the inflated form back, if the document is still the one that was compressed.
    pub(crate) fn thaw(&mut self, position: Position, root: &mut Option<Value>) {
        if position == self.position()
            && self.cold().is_some()
            && let Some(root) = root.take()
        {
            self.root = Root::Hot(root);
        }
    }

    /// Inflates it if it is cold, and yields the compressed form.
    fn thaw_in_place(&mut self) -> Option<Arc<Cold>> {
        let cold = Arc::clone(self.cold()?);
        self.root = Root::Hot(cold.inflate());
        Some(cold)
    }

    /// How many versions are held that are no longer the newest.
    pub(crate) fn pinned(&self) -> usize {
        self.pins.as_ref().map_or(0, |pins| pins.len())
    }

    /// Whether anybody holds the newest version, so that a commit copies.
    pub(crate) fn is_shared(&self) -> bool {
        let published = || self.watch.get().is_some_and(|watch| watch.is_publishing());
        let shown = self.shown.get();
        shown.is_some_and(|shown| Arc::strong_count(&shown.0) > 1 + usize::from(published()))
    }

    /// Counts what readers have added since the last time, once there is room for it. What the next commit
    /// takes away stays counted, for it is soon there again.
    pub(crate) fn count_readers(&mut self, allowance: &mut Allowance) {
        let lent = match (self.watch.get(), self.shown.get()) {
            (Some(_), _) => Lent::Watch,
            (None, Some(_)) => Lent::Shown,
            (None, None) => Lent::Nothing,
        };
        let more = lent.bytes().saturating_sub(self.counted.bytes());
        if more > 0 && allowance.admits(more) {
            self.counted = lent;
        }
    }

    /// Bytes that it takes, without its slot in the tables. It stays the same until the document is
    /// changed or [`count_readers`](Self::count_readers) is called.
    pub(crate) fn memory(&self) -> Memory {
        let (documents, cold) = match &self.root {
            Root::Hot(root) => (root.heap_bytes(), 0),
            Root::Cold(cold) => (0, cold.heap_bytes()),
        };
        let pins = self.pins.as_ref();
        let pins = pins.map_or(0, |pins| pins.bytes(self.history.brought()));
        Memory {
            documents: documents + self.counted.bytes(),
            cold,
            history: self.history.heap_bytes(),
            pins,
            ..Memory::default()
        }
    }

    /// What takes the newest version back to an earlier one, if the history reaches so far.
    pub(crate) fn rewind(&self, to: Version) -> Option<Rewind> {
        if to > self.version || to < self.history.oldest(self.version) {
            return None;
        }
        Some(Rewind {
            epoch: self.epoch,
            version: self.version,
            root: self.root(),
            commits: self.history.after(to).cloned().collect(),
        })
    }
}

/// What readers have made that they share.
#[derive(Clone, Copy, Debug)]
enum Lent {
    Nothing,
    /// The newest version.
    Shown,
    /// A watch, and that.
    Watch,
}

impl Lent {
    /// Bytes that it takes, with the reference counts.
    const fn bytes(self) -> u64 {
        let counts = 2 * size_of::<usize>();
        let shown = size_of::<Versioned>() + counts;
        let bytes = match self {
            Self::Nothing => 0,
            Self::Shown => shown,
            Self::Watch => shown + size_of::<Watch>() + counts,
        };
        bytes as u64
    }
}

/// What a batch may take beside its document: a lane and its outcomes.
pub(crate) const BATCH_BYTES: u64 = 2 << 10;

/// Bytes that a document takes more than `before` with a new root, that many commits, and the bytes that
/// these leave in its history and among its pins.
pub(crate) fn growth(
    before: u64,
    root: &Value,
    history: &History,
    commits: usize,
    commits_bytes: u64,
) -> u64 {
    let after = root.heap_bytes().saturating_add(commits_bytes);
    after
        .saturating_sub(before)
        .saturating_add(history.growth(commits))
        .saturating_add(BATCH_BYTES)
}
