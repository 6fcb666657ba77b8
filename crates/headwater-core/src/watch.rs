use std::{
    collections::BTreeMap,
    mem,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU8, AtomicU64, AtomicUsize, Ordering},
    },
    task::Waker,
};

use arc_swap::ArcSwapOption;
use headwater_doc::Pointer;
use parking_lot::Mutex;

use crate::{
    document::{Snapshot, Versioned},
    frames::{FrameCache, FrameMemory},
    freed::Freed,
    id::{Epoch, Position, Version},
    time::Time,
    work,
};

/// What readers and subscribers of one incarnation of a document hold of it, beside the lock of its
/// shard: the newest version as far as somebody has read it, whether the document is closed, and who
/// wants to be woken by the next change.
#[derive(Debug)]
pub struct Watch {
    epoch: Epoch,
    /// The number of the newest version.
    head: AtomicU64,
    /// The newest version, once somebody has read it under the lock; the next commit takes it away.
    published: ArcSwapOption<Versioned>,
    /// Whether `published` may be there: spares each commit the look.
    publishing: AtomicBool,
    /// [`Time::as_micros`] of the last use that no shard has seen.
    used: AtomicU64,
    /// 0 while it is open, else the reason why not.
    closed: AtomicU8,
    subscribers: AtomicUsize,
    /// Whether some may sleep that a change wakes: spares each commit the lock.
    sleeping: AtomicBool,
    sleepers: Mutex<Sleepers>,
    /// The next subscriber's number.
    numbers: AtomicU64,
    /// What subscribers are sent.
    pub frames: FrameCache,
}

/// Who is woken by the end of the document, and by what else. A waker is the host's code also when it is
/// cloned or dropped: neither may happen under the lock.
#[derive(Debug, Default)]
struct Sleepers {
    /// By a change at a path or around it.
    changes: BTreeMap<Pointer, BTreeMap<u64, Waker>>,
    /// By nothing else.
    end: BTreeMap<u64, Waker>,
    /// Of those at a path who were woken, up to which version nothing had changed there; until they ask.
    unchanged: BTreeMap<u64, Version>,
}

impl Sleepers {
    /// Takes out those at a path, whom the change after a version wakes.
    fn wake(&mut self, at: &Pointer, before: Version, woken: &mut Vec<Waker>) {
        if let Some(at_path) = self.changes.remove(at) {
            self.note(at_path, before, woken);
        }
    }

    /// Takes out all.
    fn wake_all(&mut self, before: Version, woken: &mut Vec<Waker>) {
        for at_path in mem::take(&mut self.changes).into_values() {
            self.note(at_path, before, woken);
        }
    }

    fn note(&mut self, at_path: BTreeMap<u64, Waker>, before: Version, woken: &mut Vec<Waker>) {
        let mut noted: BTreeMap<_, _> = at_path.keys().map(|&number| (number, before)).collect();
        // Many at once are merged, a step for each that is there; few are looked for one by one.
        if noted.len() < self.unchanged.len() / 8 {
            self.unchanged.extend(noted);
        } else {
            self.unchanged.append(&mut noted);
        }
        woken.extend(at_path.into_values());
    }
}

/// Why a document is no longer there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum CloseReason {
    /// The host removed it.
    Removed,
    /// The host's rule panicked while a batch was decided.
    Panicked,
}

impl CloseReason {
    /// A stable word for wire, metric and log.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Removed => "removed",
            Self::Panicked => "panicked",
        }
    }
}

impl Watch {
    pub(crate) fn new(position: Position, frames: Arc<FrameMemory>) -> Self {
        Self {
            epoch: position.epoch,
            head: AtomicU64::new(position.version.0),
            frames: FrameCache::new(frames),
            published: ArcSwapOption::empty(),
            publishing: AtomicBool::new(false),
            used: AtomicU64::new(0),
            closed: AtomicU8::new(0),
            subscribers: AtomicUsize::new(0),
            sleeping: AtomicBool::new(false),
            sleepers: Mutex::default(),
            numbers: AtomicU64::new(0),
        }
    }

    /// Which incarnation of the document it belongs to.
    #[must_use]
    pub const fn epoch(&self) -> Epoch {
        self.epoch
    }

    /// The newest version, if somebody has read it since it was made. Takes no lock.
    #[must_use]
    pub fn published(&self) -> Option<Snapshot> {
        self.published.load_full().map(Snapshot)
    }

    /// Notes that somebody uses the document.
    pub fn touch(&self, now: Time) {
        // Relaxed: a hint on what to compress. Most uses come in the same tick as the one before.
        if self.used.load(Ordering::Relaxed) < now.as_micros() {
            self.used.fetch_max(now.as_micros(), Ordering::Relaxed);
        }
    }

    /// When it was last used beside the shard.
    pub(crate) fn used(&self) -> Time {
        Time::from_micros(self.used.load(Ordering::Relaxed))
    }

    /// The number of the newest version. Takes no lock.
    #[must_use]
    pub fn head(&self) -> Version {
        // Acquire pairs with the release in `advance`: who sees a version finds what it woke.
        Version(self.head.load(Ordering::Acquire))
    }

    pub(crate) fn advance(&self, head: Version) {
        self.head.store(head.0, Ordering::Release);
    }

    /// Shows the newest version to those who have a handle, if they do not see it yet. Call it under the
    /// lock of the shard, shared.
    pub(crate) fn publish(&self, snapshot: &Snapshot) {
        if !self.is_publishing() && !self.publishing.swap(true, Ordering::Relaxed) {
            self.published.store(Some(Arc::clone(&snapshot.0)));
        }
    }

    pub(crate) fn is_publishing(&self) -> bool {
        // Relaxed: the lock of the shard orders it before the next commit's look.
        self.publishing.load(Ordering::Relaxed)
    }

    /// Takes the published version away, for a writer that is about to make the next one and has the lock
    /// of the shard for itself.
    pub(crate) fn withdraw(&self) {
        if self.is_publishing() {
            self.publishing.store(false, Ordering::Relaxed);
            self.published.store(None);
        }
    }

    /// Why the document is closed, if it is.
    #[must_use]
    pub fn closed(&self) -> Option<CloseReason> {
        // Acquire pairs with the release in `close`, after which nothing is published any more.
        match self.closed.load(Ordering::Acquire) {
            0 => None,
            1 => Some(CloseReason::Removed),
            _ => Some(CloseReason::Panicked),
        }
    }

    /// Closes it, and yields all who sleep.
    pub(crate) fn close(&self, reason: CloseReason, freed: &mut Freed) -> Vec<Waker> {
        let code = match reason {
            CloseReason::Removed => 1,
            CloseReason::Panicked => 2,
        };
        self.withdraw();
        self.frames.close(freed);
        self.closed.store(code, Ordering::Release);
        let Sleepers { changes, end, .. } = mem::take(&mut *self.sleepers.lock());
        let changes = changes.into_values().flat_map(BTreeMap::into_values);
        changes.chain(end.into_values()).collect()
    }

    /// Counts a subscriber in, and gives it its number.
    #[must_use]
    pub fn join(&self) -> u64 {
        self.subscribers.fetch_add(1, Ordering::Relaxed);
        self.numbers.fetch_add(1, Ordering::Relaxed)
    }

    /// Counts a subscriber out and drops its wakers: call it under no lock.
    pub fn leave(&self, number: u64, path: &Pointer) {
        self.subscribers.fetch_sub(1, Ordering::Relaxed);
        let mut sleepers = self.sleepers.lock();
        let mut old = [sleepers.end.remove(&number), None];
        sleepers.unchanged.remove(&number);
        if let Some(at_path) = sleepers.changes.get_mut(path) {
            old[1] = at_path.remove(&number);
            if at_path.is_empty() {
                sleepers.changes.remove(path);
            }
        }
        drop(sleepers);
        drop(old);
    }

    /// How many subscribers there are.
    #[must_use]
    pub fn subscribers(&self) -> usize {
        self.subscribers.load(Ordering::Relaxed)
    }

    /// Notes whom the next change at `path` or around it wakes, or the end; one waker a subscriber. Yields
    /// those that it replaces, to be dropped under no lock.
    ///
    /// Call it under the lock of the shard, shared, and look for news under the same lock, so that no
    /// commit comes between.
    #[must_use]
    pub fn sleep(&self, number: u64, path: &Pointer, waker: Waker) -> [Option<Waker>; 2] {
        let mut sleepers = self.sleepers.lock();
        // Relaxed: the lock of the shard orders it before the next commit's look.
        self.sleeping.store(true, Ordering::Relaxed);
        sleepers.unchanged.remove(&number);
        let at_path = sleepers.changes.entry(path.clone()).or_default();
        [at_path.insert(number, waker), sleepers.end.remove(&number)]
    }

    /// Notes whom only the end wakes; yields the waker that it replaces, to be dropped under no lock. Look
    /// whether it is [`closed`](Self::closed) after this.
    #[must_use]
    pub fn sleep_to_the_end(&self, number: u64, waker: Waker) -> Option<Waker> {
        self.sleepers.lock().end.insert(number, waker)
    }

    /// Up to which version nothing had changed at the path where a subscriber slept, if a change has woken it
    /// since. Its [`Cursor::unchanged_to`](crate::Cursor::unchanged_to) becomes this if it is less, so that
    /// it gets the least also where the history no longer has what passed meanwhile beside the path. Tells it
    /// once.
    ///
    /// Call it under the lock of the shard, shared, and look for news under the same lock.
    #[must_use]
    pub fn unchanged_to(&self, number: u64) -> Option<Version> {
        self.sleepers.lock().unchanged.remove(&number)
    }

    /// Takes out those whom a change at these paths wakes, the first one after the version `before`.
    ///
    /// It looks at paths only while somebody sleeps, and takes at most [`STEPS_MAX`] for that. If these do
    /// not do, it takes out all: whom nothing concerns finds nothing new, and sleeps again.
    pub(crate) fn wake<'a>(
        &self,
        before: Version,
        touched: impl IntoIterator<Item = &'a Pointer>,
        woken: &mut Vec<Waker>,
    ) {
        if !self.sleeping.load(Ordering::Relaxed) {
            return;
        }
        let mut sleepers = self.sleepers.lock();
        // Those who follow all of it have a new version also if it touches nothing.
        let of_all = sleepers.changes.remove(&Pointer::root());
        woken.extend(of_all.unwrap_or_default().into_values());
        let mut steps = 0;
        'touched: for path in touched {
            if sleepers.changes.is_empty() {
                break;
            }
            // Those above it and at it, then those below, of which this is the least pointer.
            let mut above = Some(path.clone());
            while let Some(at) = above {
                let more = 1 + at.as_str().len() / STEP_BYTES;
                steps += more;
                if steps > STEPS_MAX {
                    sleepers.wake_all(before, woken);
                    break 'touched;
                }
                work::count(more);
                sleepers.wake(&at, before, woken);
                above = at.parent();
            }
            let below: Vec<_> = sleepers
                .changes
                .range(path.child("")..)
                .take_while(|(at, _)| path.is_prefix_of(at))
                .map(|(at, _)| at.clone())
                .collect();
            for at in below {
                sleepers.wake(&at, before, woken);
            }
        }
        if sleepers.changes.is_empty() {
            self.sleeping.store(false, Ordering::Relaxed);
        }
    }
}

/// Steps that looking for whom a change wakes takes at most: one for each path that is looked for, and one
/// more for every [`STEP_BYTES`] of it. As many as the largest batch has operations by default: less than a
/// millisecond under the lock of the shard where hundreds sleep. With fewer, a game's tick that touches two thousand places would
/// wake those who look at none of them; without a bound, a batch of deep paths keeps others waiting longer than
/// applying it does.
const STEPS_MAX: usize = 10_000;

/// Bytes of a path that are compared in one step.
const STEP_BYTES: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{budget::Budget, id::Incarnation};

    /// Who of sleepers at these paths is woken by a change at others, and how many steps that takes.
    fn woken(sleeping: &[&str], touched: &[Pointer]) -> (usize, usize) {
        let epoch = Epoch {
            incarnation: Incarnation(7),
            number: 1,
        };
        let version = Version::ZERO;
        let budget = Arc::new(Budget::new(u64::MAX));
        let frames = Arc::new(FrameMemory::new(budget));
        let watch = Watch::new(Position { epoch, version }, frames);
        for path in sleeping {
            let path = path.parse().unwrap();
            let _old = watch.sleep(watch.join(), &path, Waker::noop().clone());
        }
        let mut woken = Vec::new();
        let ((), steps) = work::counted(|| watch.wake(version, touched, &mut woken));
        (woken.len(), steps)
    }

    fn below(path: &str, names: &[&str], count: usize) -> Vec<Pointer> {
        let names = names.iter().cycle().take(count);
        names
            .map(|name| format!("{path}/{name}").parse().unwrap())
            .collect()
    }

    /// P9. Scenario: a batch of 1 MB that touches 3,400 paths, each 126 levels deep, while somebody sleeps
    /// elsewhere. Failure: for each path all that lie above it were looked for under the lock of the shard;
    /// with 100 asleep that took 26 ms, and applying the batch 11 ms. Fix: after so many steps all are woken.
    #[test]
    fn whom_a_change_wakes_is_looked_for_in_bounded_steps() {
        let sleeping = ["/b", "/a/a/b", "/c/d"];
        let deep = below(&"/a".repeat(126), &["x", "y"], 3_400);
        // One name has more bytes than many have together.
        let long = below(&format!("/{}", "n".repeat(5_000)).repeat(100), &["x"], 2);
        for touched in [deep, long] {
            let (woken, steps) = woken(&sleeping, &touched);
            assert!((STEPS_MAX / 2..=STEPS_MAX).contains(&steps), "{steps}");
            assert_eq!(woken, 3);
        }
    }

    /// What a game touches in a tick is far below the bound, and a change of one place is a few steps.
    #[test]
    fn an_ordinary_change_wakes_those_whom_it_concerns() {
        let sleeping = ["/players/ada", "/log"];
        let tick = below("/players/bob", &["x", "y"], 2_000);
        assert_eq!(woken(&sleeping, &tick), (0, 8_000));
        assert_eq!(woken(&sleeping, &tick[..1]), (0, 4));
        assert_eq!(woken(&sleeping, &below("/log", &["7"], 1)), (1, 3));
    }

    /// Those who follow all of a document are found without a look at what was touched.
    #[test]
    fn nothing_is_looked_for_when_nobody_is_left_asleep() {
        let touched = below("/players/bob", &["x", "y"], 100);
        assert_eq!(woken(&[], &touched), (0, 0));
        assert_eq!(woken(&["", ""], &touched), (2, 0));
    }
}
