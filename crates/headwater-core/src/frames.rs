use std::{
    collections::VecDeque,
    mem,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU64, Ordering},
    },
};

use arc_swap::ArcSwapOption;
use headwater_doc::{Extensions, Pointer};
use parking_lot::Mutex;

use crate::{budget::Budget, frame::SnapshotReason, freed::Freed, id::Version};

/// The encoded frames that subscribers of one document share: each is made once, by the first who
/// needs it.
#[derive(Debug)]
pub struct FrameCache {
    memory: Arc<FrameMemory>,
    /// The frame that was delivered last: to whoever keeps up, what all the others get, too.
    latest: ArcSwapOption<(FrameKey, Encoded)>,
    slots: Mutex<Slots>,
}

#[derive(Debug, Default)]
struct Slots {
    /// Oldest first.
    kept: VecDeque<Kept>,
    /// Whether the document is gone, so that nothing is kept any more.
    closed: bool,
}

/// A slot, and what it is counted with: nothing while its frame is being made.
type Kept = (Arc<Slot>, u64);

/// The frames of a document that are kept no longer.
#[derive(Debug)]
pub(crate) struct Gone {
    slots: VecDeque<Kept>,
    /// It may be in no slot any more.
    #[expect(dead_code, reason = "it is kept to be dropped")]
    latest: Option<Arc<(FrameKey, Encoded)>>,
}

impl Gone {
    /// What they were counted with.
    pub(crate) fn bytes(&self) -> u64 {
        self.slots.iter().map(|&(_, counted)| counted).sum()
    }
}

/// What the encoded frames of all documents take.
#[derive(Debug)]
pub struct FrameMemory {
    budget: Arc<Budget>,
    bytes: AtomicU64,
}

/// What an encoded frame depends on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FrameKey {
    /// The part of the document that it is about.
    pub path: Pointer,
    /// The version that it applies to; `None` for a snapshot.
    pub from: Option<Version>,
    /// Why it is a snapshot, if it is.
    pub reason: Option<SnapshotReason>,
    /// The version that it was asked to lead to.
    pub to: Version,
    /// Which operations it may use.
    pub extensions: Extensions,
    /// Which of the caller's encodings it is in.
    pub encoding: u8,
}

/// An encoded frame.
#[derive(Clone, Debug)]
pub struct Encoded {
    /// What has to be sent; `None` if nothing has.
    pub bytes: Option<Arc<[u8]>>,
    /// The version that it leads to.
    pub version: Version,
}

#[derive(Debug)]
struct Slot {
    key: FrameKey,
    encoded: OnceLock<Encoded>,
}

/// Frames kept for each document: those of the subscribers that are a few frames behind. A search of
/// them costs less than encoding one.
const SLOTS_MAX: usize = 32;

impl FrameMemory {
    /// None yet.
    #[must_use]
    pub const fn new(budget: Arc<Budget>) -> Self {
        Self {
            budget,
            bytes: AtomicU64::new(0),
        }
    }

    /// Bytes of all encoded frames that are kept.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    fn take(&self, bytes: u64) -> bool {
        let room = self.budget.reserve(bytes);
        if room {
            self.bytes.fetch_add(bytes, Ordering::Relaxed);
        }
        room
    }

    fn give_back(&self, bytes: u64) {
        self.bytes.fetch_sub(bytes, Ordering::Relaxed);
        self.budget.release(bytes);
    }
}

impl FrameCache {
    pub(crate) fn new(memory: Arc<FrameMemory>) -> Self {
        Self {
            memory,
            latest: ArcSwapOption::empty(),
            slots: Mutex::default(),
        }
    }

    /// The frame that was asked for last, if it is this one. Takes no lock.
    #[must_use]
    pub fn latest(&self, is_it: impl FnOnce(&FrameKey) -> bool) -> Option<Encoded> {
        let latest = self.latest.load();
        let (key, encoded) = &**latest.as_ref()?;
        is_it(key).then(|| encoded.clone())
    }

    /// The frame of this key; `encode` makes it if nobody has yet. Others who want the same one meanwhile
    /// wait for it, and nobody else does.
    pub fn get(&self, key: FrameKey, encode: impl FnOnce() -> Encoded) -> Encoded {
        let slot = {
            let mut slots = self.slots.lock();
            let found = slots.kept.iter().rev().find(|(slot, _)| slot.key == key);
            if let Some((slot, _)) = found {
                Arc::clone(slot)
            } else {
                let slot = Arc::new(Slot {
                    key: key.clone(),
                    encoded: OnceLock::new(),
                });
                slots.kept.push_back((Arc::clone(&slot), 0));
                slot
            }
        };
        let mut made = false;
        let encoded = slot.encoded.get_or_init(|| {
            made = true;
            encode()
        });
        let encoded = encoded.clone();
        if made {
            self.keep(&slot, &encoded);
        }
        encoded
    }

    /// Accounts for a frame that was just made, and lets older ones go for it.
    fn keep(&self, slot: &Arc<Slot>, encoded: &Encoded) {
        let bytes = bytes(encoded);
        let mut slots = self.slots.lock();
        if slots.closed || !self.memory.take(bytes) {
            slots.kept.retain(|(kept, _)| !Arc::ptr_eq(kept, slot));
            return;
        }
        let latest = Arc::new((slot.key.clone(), encoded.clone()));
        let before = self.latest.swap(Some(latest));
        for (kept, counted) in &mut slots.kept {
            if Arc::ptr_eq(kept, slot) {
                *counted = bytes;
            }
        }
        let mut old = Vec::new();
        while slots.kept.len() > SLOTS_MAX {
            // One that is still being made accounts for itself when it is.
            let Some(done) = slots.kept.iter().position(|&(_, counted)| counted > 0) else {
                break;
            };
            if let Some((slot, counted)) = slots.kept.remove(done) {
                self.memory.give_back(counted);
                old.push(slot);
            }
        }
        // Not under the lock of the slots: who closes the cache waits for that under the shard's.
        drop(slots);
        drop((before, old));
    }

    /// Lets go of all frames that are done.
    pub(crate) fn clear(&self, freed: &mut Freed) {
        freed.frames(self.let_go(&mut self.slots.lock()));
    }

    /// Lets go of all frames, for good.
    pub(crate) fn close(&self, freed: &mut Freed) {
        let mut slots = self.slots.lock();
        slots.closed = true;
        freed.frames(self.let_go(&mut slots));
    }

    fn let_go(&self, slots: &mut Slots) -> Gone {
        let kept = mem::take(&mut slots.kept).into_iter();
        let (done, making) = kept.partition(|&(_, counted)| counted > 0);
        slots.kept = making;
        let gone = Gone {
            slots: done,
            latest: self.latest.swap(None),
        };
        self.memory.give_back(gone.bytes());
        gone
    }
}

impl Drop for FrameCache {
    fn drop(&mut self) {
        drop(self.let_go(&mut self.slots.lock()));
    }
}

/// What a frame that is kept takes, with its slot.
fn bytes(encoded: &Encoded) -> u64 {
    let bytes = encoded.bytes.as_ref().map_or(0, |bytes| bytes.len());
    (bytes + SLOT_BYTES) as u64
}

/// A slot, its place in the queue, and the copy of its key that is delivered last.
const SLOT_BYTES: usize = 2 * size_of::<Slot>() + 64;
