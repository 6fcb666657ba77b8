use std::{fmt, time::Duration};

/// What may be held ahead of its turn, and for how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReorderBounds {
    /// What one lane may hold. Default: 64 batches, 256 KiB.
    pub lane: Bound,
    /// What the lanes of one document may hold together. Default: 1,024 batches, 4 MiB.
    pub document: Bound,
    /// What all shards may hold together. Default: 10,000 batches, 20 MiB. The bytes are meant to be
    /// 2 % of the memory budget; more than half of `usize::MAX` counts as that.
    pub engine: Bound,
    /// How long a lane waits for its first missing seq. Default: 2 s.
    pub gap_deadline: Duration,
    /// What happens to an arrival that finds no room. Default: [`WhenFull::EvictFarthest`].
    pub when_full: WhenFull,
    /// What happens to a lane whose first missing seq has not come in time; a document may say
    /// otherwise for its own. Default: [`AtDeadline::Report`].
    pub at_deadline: AtDeadline,
}

/// What happens when a batch is to be held and a bound is full.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum WhenFull {
    /// Of the lane that holds most in the scope that is full, the highest seq makes room: what is
    /// needed last. If that is the arrival itself, it is refused.
    #[default]
    EvictFarthest,
    /// The arrival is refused, and what is held stays.
    RefuseNew,
}

/// What happens to a lane whose first missing seq has not come before its deadline.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum AtDeadline {
    /// What it holds is dropped and reported: the sender resends from the first missing seq. Nothing is
    /// ever passed over.
    #[default]
    Report,
    /// The missing seqs are given up and what is held is decided, as inputs and cursors want it, of
    /// which an old one is worth nothing. A batch that comes after that is
    /// [`TooLate`](crate::Refusal::TooLate).
    Skip,
}

impl ReorderBounds {
    pub(crate) const fn of(&self, scope: Scope) -> Bound {
        match scope {
            Scope::Lane => self.lane,
            Scope::Document => self.document,
            Scope::Engine => self.engine,
        }
    }
}

impl Default for ReorderBounds {
    fn default() -> Self {
        Self {
            lane: LANE_BOUND,
            document: DOCUMENT_BOUND,
            engine: ENGINE_BOUND,
            gap_deadline: GAP_DEADLINE,
            when_full: WhenFull::default(),
            at_deadline: AtDeadline::default(),
        }
    }
}

/// The most that a scope may hold; zero means nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bound {
    /// How many batches.
    pub batches: usize,
    /// How many bytes they are charged together.
    pub bytes: usize,
}

impl Bound {
    pub(crate) const fn of(self, limit: Limit) -> usize {
        match limit {
            Limit::Batches => self.batches,
            Limit::Bytes => self.bytes,
        }
    }
}

/// What a bound is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// One lane.
    Lane,
    /// All lanes of one document.
    Document,
    /// All lanes of all shards.
    Engine,
}

impl Scope {
    pub(crate) const ALL: [Self; 3] = [Self::Lane, Self::Document, Self::Engine];
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Lane => "lane",
            Self::Document => "document",
            Self::Engine => "engine",
        })
    }
}

/// What a bound counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limit {
    /// How many batches are held.
    Batches,
    /// How many bytes they are charged.
    Bytes,
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Batches => "batches",
            Self::Bytes => "bytes",
        })
    }
}

/// The bound that has no room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) scope: Scope,
    pub(crate) limit: Limit,
}

/// One lane's default: about 1 s of a client that sends 60 batches of 4 KiB a second. With less, an
/// ordinary loss overflows; with more, one client crowds out the others of its document.
const LANE_BOUND: Bound = Bound {
    batches: 64,
    bytes: 256 << 10,
};

/// One document's default: 16 full lanes, as many clients behind one bad link. With less, they evict
/// each other's batches; with more, one busy document takes most of the engine's bound.
const DOCUMENT_BOUND: Bound = Bound {
    batches: 1_024,
    bytes: 4 << 20,
};

/// The engine's default: ten full documents in batches, five in bytes (2 % of a budget of 1,000 MiB).
/// With less, a few bad links starve the rest; with more, batches that may never be applied take
/// memory from documents.
const ENGINE_BOUND: Bound = Bound {
    batches: 10_000,
    bytes: 20 << 20,
};

/// Default wait for a missing seq: time for several resends over a link of 300 ms. With less, a
/// resend comes after what it was to release is dropped; with more, a dead lane keeps its room.
const GAP_DEADLINE: Duration = Duration::from_secs(2);
