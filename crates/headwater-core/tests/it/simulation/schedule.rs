use std::{fmt, time::Duration};

use headwater_core::{
    AtDeadline, Bound, ColdBounds, HistoryBounds, ReorderBounds, ShardConfig, WhenFull,
};
use headwater_doc::{Extensions, Limits};

use crate::{pair::config, random::Random};

/// All that holds for a whole run.
#[derive(Clone, Debug)]
pub(crate) struct Config {
    pub(crate) shards: usize,
    pub(crate) keys: usize,
    pub(crate) clients: usize,
    /// Subscribers of each document.
    pub(crate) subscribers: u64,
    pub(crate) shard: ShardConfig,
    /// Most lanes of a session.
    pub(crate) session_lanes_max: usize,
    pub(crate) memory_max: u64,
    /// Whether the host has a rule of its own.
    pub(crate) admit: bool,
    /// One packet in so many is lost.
    pub(crate) loss: u64,
    /// How long a packet is on its way at most, but for stragglers.
    pub(crate) latency_ms: u64,
    /// How many batches a burst has.
    pub(crate) burst: u64,
    /// Sessions end after so long a silence.
    pub(crate) silence: Duration,
    /// The newest versions are read about once in so many calls. Reading is use, and makes writers copy.
    pub(crate) look: u64,
    /// Of what the subscribers are made.
    pub(crate) salt: u64,
}

/// Something that happens. What exactly follows from the number and from what is there, so that a step
/// means something whatever steps were before it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Step {
    pub(crate) what: What,
    pub(crate) salt: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum What {
    // Clients.
    Write,
    Burst,
    Resend,
    Lie,
    Hostile,
    Attach,
    Reopen,
    Amnesia,
    Goodbye,
    // The network.
    Deliver,
    Partition,
    Pass,
    // The host.
    Apply,
    Transact,
    Create,
    Remove,
    Turn,
    Expire,
    Rewind,
    Relieve,
    Sweep,
    Freeze,
    PutFrozen,
    Thaw,
    Hold,
    LetGo,
    // Subscribers.
    Poll,
}

/// How often each happens, beside the others.
const WEIGHTS: &[(What, u64)] = &[
    (What::Write, 200),
    (What::Burst, 16),
    (What::Resend, 160),
    (What::Lie, 20),
    (What::Hostile, 16),
    (What::Attach, 6),
    (What::Reopen, 90),
    (What::Amnesia, 6),
    (What::Goodbye, 2),
    (What::Deliver, 420),
    (What::Partition, 5),
    (What::Pass, 60),
    (What::Apply, 30),
    (What::Transact, 25),
    (What::Create, 30),
    (What::Remove, 5),
    (What::Turn, 40),
    (What::Expire, 12),
    (What::Rewind, 20),
    (What::Relieve, 4),
    (What::Sweep, 6),
    (What::Freeze, 14),
    (What::PutFrozen, 14),
    (What::Thaw, 10),
    (What::Hold, 12),
    (What::LetGo, 10),
    (What::Poll, 120),
];

/// Steps of a schedule: enough for lanes of some hundred batches, and for a document to come and go.
const STEPS: usize = 900;

/// The schedule of a seed.
pub(crate) fn generate(seed: u64) -> (Config, Vec<Step>) {
    let mut random = Random::new(seed);
    let config = any_config(seed, &mut random);
    let sum = WEIGHTS.iter().map(|(_, weight)| weight).sum();
    let any = |random: &mut Random| {
        let mut at = random.below(sum);
        for &(what, weight) in WEIGHTS {
            if at < weight {
                return what;
            }
            at -= weight;
        }
        What::Write
    };
    let steps = (0..STEPS).map(|_| Step {
        what: any(&mut random),
        salt: random.next(),
    });
    let steps = steps.collect();
    (config, steps)
}

/// Tiny bounds in a third of the runs, wide ones in another, which take several turns to drain.
fn any_config(seed: u64, random: &mut Random) -> Config {
    let mut shard = ShardConfig {
        outcomes_max: *random.pick(&[0, 1, 4, 128]),
        documents_max: *random.pick(&[2, 1 << 20]),
        lanes_max: if random.one_in(6) { 5 } else { 1 << 20 },
        batch_bytes_max: 4_000,
        batch_operations_max: 40,
        reorder: any_reorder(seed, random),
        history: any_history(random),
        cold: ColdBounds {
            bytes_min: *random.pick(&[100, 100, 64 << 10]),
            idle: Duration::from_millis(*random.pick(&[0, 5, 100])),
        },
        ..config()
    };
    if random.one_in(4) {
        shard.extensions = Extensions::NONE;
    }
    if random.one_in(4) {
        shard.limits = Limits {
            bytes: 1_300,
            ..Limits::default()
        };
    }
    let memory_max = if random.one_in(4) {
        // Which batches are rejected for want of memory is for the shard to say: it must remember, and
        // where it skips without room it does not. It may have opened a lane by then.
        shard.outcomes_max = 1_024;
        shard.lanes_max = 1 << 20;
        shard.reorder.at_deadline = AtDeadline::Report;
        (30 << 10) + random.below(100 << 10)
    } else {
        u64::MAX
    };
    Config {
        shards: *random.pick(&[1, 1, 2, 3]),
        keys: 1 + random.index(4),
        clients: 1 + random.index(5),
        subscribers: random.below(5),
        memory_max,
        admit: random.one_in(3),
        loss: *random.pick(&[3, 6, 60]),
        latency_ms: *random.pick(&[1, 40, 400]),
        burst: if seed % 3 == 2 { 90 } else { 8 },
        silence: Duration::from_millis(*random.pick(&[500, 5_000, 60_000])),
        look: *random.pick(&[1, 8, 100]),
        salt: random.next(),
        session_lanes_max: if seed % 7 == 6 && memory_max == u64::MAX {
            2
        } else {
            usize::MAX
        },
        shard,
    }
}

fn any_reorder(seed: u64, random: &mut Random) -> ReorderBounds {
    let mut bound = |batches: u64, bytes: u64| Bound {
        batches: usize::try_from(random.below(batches + 1)).unwrap(),
        bytes: 700 + usize::try_from(random.below(bytes)).unwrap(),
    };
    let default = ReorderBounds::default();
    let (lane, document, engine) = match seed % 3 {
        0 => (bound(6, 4_000), bound(10, 8_000), bound(14, 12_000)),
        1 => (default.lane, default.document, default.engine),
        _ => {
            let wide = Bound {
                batches: 300,
                bytes: 1 << 20,
            };
            (wide, wide, wide)
        }
    };
    ReorderBounds {
        lane,
        document,
        engine,
        gap_deadline: Duration::from_millis(*random.pick(&[60, 150, 1_000])),
        when_full: *random.pick(&[
            WhenFull::EvictFarthest,
            WhenFull::EvictFarthest,
            WhenFull::RefuseNew,
        ]),
        at_deadline: *random.pick(&[AtDeadline::Report, AtDeadline::Skip]),
    }
}

fn any_history(random: &mut Random) -> HistoryBounds {
    let default = HistoryBounds::default();
    let commits_max = |commits_max| HistoryBounds {
        commits_max,
        ..default
    };
    *random.pick(&[
        default,
        commits_max(0),
        commits_max(1),
        commits_max(12),
        HistoryBounds {
            age_min: Duration::from_millis(100),
            commits_min: 3,
            ..default
        },
        HistoryBounds {
            bytes_min: 1_500,
            ..default
        },
    ])
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} {:#018x}", self.what, self.salt)
    }
}
