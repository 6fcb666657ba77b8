use std::{fmt, thread, time::Duration};

use headwater::{Builder, ColdBounds, Engine, Extensions, Incarnation, Limits, Value};

use super::{
    options::{Entrance, LoadArgs, Preset},
    units::bytes,
};

/// What is to be done: the options, with a preset's or the default for each that was not given.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) preset: Option<Preset>,
    pub(crate) pace: Pace,
    pub(crate) duration: Duration,
    pub(crate) clients: usize,
    pub(crate) documents: usize,
    pub(crate) subscribers: usize,
    pub(crate) slow_percent: u8,
    pub(crate) loss: f64,
    pub(crate) reorder: f64,
    pub(crate) document_bytes: u64,
    pub(crate) shift: Option<Duration>,
    pub(crate) cold_idle: Option<Duration>,
    /// A second.
    pub(crate) snapshots: u16,
    pub(crate) threads: usize,
    pub(crate) via: Entrance,
    pub(crate) seed: u64,
}

/// When operations are due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pace {
    /// So many a second, whatever becomes of those before.
    Rate(u32),
    /// As soon as there is room for another.
    Unthrottled,
}

/// Documents that the machine has no memory for.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{documents} documents of {} and the copies of {subscribers} subscribers take about {}, and the \
     memory of the machine is {}",
    bytes(*.document_bytes), bytes(*.need), bytes(*.machine)
)]
pub(crate) struct TooLarge {
    documents: usize,
    subscribers: usize,
    document_bytes: u64,
    need: u64,
    machine: u64,
}

/// Documents that each client writes to if there are as many clients as documents: two, so that every
/// document has several writers.
const DOCUMENTS_OF_CLIENT_MIN: usize = 2;

/// What a document's tree takes for each byte of its text, measured with those of `Traffic`, which are
/// of small objects (2.35), and rounded down: only what cannot fit is refused.
const ROOT_BYTES_PER_TEXT_BYTE: u64 = 2;

/// The memory that a machine is taken to have where the system does not tell.
const MACHINE_BYTES: u64 = 64 << 30;

impl Plan {
    /// A preset's plan, or the default. Sustained load is what the other presets differ from.
    pub(crate) fn of(preset: Option<Preset>) -> Self {
        Self {
            preset,
            ..match preset {
                None => Self::modest(),
                Some(Preset::Sustained) => Self::sustained(),
                Some(Preset::Burst) => Self {
                    pace: Pace::Rate(100_000),
                    duration: Duration::from_secs(10),
                    ..Self::sustained()
                },
                Some(Preset::LargeState) => Self {
                    pace: Pace::Rate(300),
                    clients: 100,
                    documents: 2,
                    subscribers: 4,
                    slow_percent: 50,
                    document_bytes: 64 << 20,
                    shift: Some(Duration::from_secs(10)),
                    cold_idle: Some(Duration::from_secs(2)),
                    snapshots: 2,
                    ..Self::sustained()
                },
                Some(Preset::Crowd) => Self {
                    pace: Pace::Rate(2_000),
                    clients: 10_000,
                    subscribers: 10_000,
                    ..Self::sustained()
                },
            }
        }
    }

    pub(crate) fn new(args: &LoadArgs) -> Self {
        let mut plan = Self::of(args.preset);
        let set = |value: &mut usize, given: Option<u32>| {
            *value = given.map_or(*value, |given| given as usize);
        };
        if args.unthrottled {
            plan.pace = Pace::Unthrottled;
        } else if let Some(rate) = args.rate {
            plan.pace = Pace::Rate(rate);
        }
        set(&mut plan.clients, args.clients);
        set(&mut plan.documents, args.documents);
        set(&mut plan.subscribers, args.subscribers);
        plan.duration = args.duration.unwrap_or(plan.duration);
        plan.slow_percent = args.slow.unwrap_or(plan.slow_percent);
        plan.loss = args.loss.unwrap_or(plan.loss);
        plan.reorder = args.reorder.unwrap_or(plan.reorder);
        plan.document_bytes = args.document_bytes.unwrap_or(plan.document_bytes);
        plan.shift = args.shift.or(plan.shift);
        plan.cold_idle = args.cold_idle.or(plan.cold_idle);
        plan.snapshots = args.snapshots.unwrap_or(plan.snapshots);
        plan.threads = args.threads.map_or(plan.threads, usize::from);
        plan.via = args.via;
        plan.seed = args.seed;
        plan
    }

    /// Refuses documents for which a machine of so much memory has no room, at first and with the copy
    /// that each subscriber has.
    pub(crate) fn check_size(&self, machine: Option<u64>) -> Result<(), TooLarge> {
        let machine = machine.unwrap_or(MACHINE_BYTES);
        let roots = self.documents as u64 + self.subscribers as u64;
        let need = self.document_bytes.saturating_mul(roots);
        let need = need.saturating_mul(ROOT_BYTES_PER_TEXT_BYTE);
        if need <= machine {
            return Ok(());
        }
        Err(TooLarge {
            documents: self.documents,
            subscribers: self.subscribers,
            document_bytes: self.document_bytes,
            need,
            machine,
        })
    }

    fn modest() -> Self {
        Self {
            preset: None,
            pace: Pace::Rate(1_000),
            duration: Duration::from_secs(10),
            clients: 100,
            documents: 100,
            subscribers: 100,
            slow_percent: 10,
            loss: 0.0,
            reorder: 0.0,
            document_bytes: 1_024,
            shift: None,
            cold_idle: None,
            snapshots: 0,
            threads: thread::available_parallelism().map_or(1, usize::from),
            via: Entrance::Direct,
            seed: 1,
        }
    }

    fn sustained() -> Self {
        Self {
            pace: Pace::Rate(10_000),
            duration: Duration::from_secs(60),
            clients: 1_000,
            documents: 1_000,
            subscribers: 200,
            loss: 0.01,
            ..Self::modest()
        }
    }

    /// The documents that a client writes to; all clients together write to every one.
    pub(crate) fn documents_of(&self, client: usize) -> impl Iterator<Item = usize> {
        let count = self.documents.div_ceil(self.clients);
        let count = count.max(DOCUMENTS_OF_CLIENT_MIN).min(self.documents);
        // The next one, where going on by the number of clients would lead back.
        let step = match self.clients % self.documents {
            0 => 1,
            _ => self.clients,
        };
        let documents = self.documents;
        (0..count).map(move |nth| (client + nth * step) % documents)
    }

    /// Pairs of a client and a document.
    pub(crate) fn lanes(&self) -> usize {
        self.clients * self.documents_of(0).count()
    }

    /// Slow subscribers are the last of each ten, or as many as the share says, so that they spread
    /// over the documents.
    pub(crate) const fn is_slow(&self, subscriber: usize) -> bool {
        subscriber * 37 % 100 < self.slow_percent as usize
    }

    /// The engine: its own defaults, but for the sizes that the load makes necessary.
    pub(crate) fn builder(&self) -> Builder {
        let defaults = Limits::default();
        let cold = ColdBounds::default();
        Engine::builder()
            .shard_seed(self.seed)
            .incarnation(Incarnation(self.seed))
            .extensions(Extensions {
                increment: true,
                ..Extensions::NONE
            })
            .limits(Limits {
                bytes: defaults.bytes.max(2 * self.document_bytes),
                nodes: defaults.nodes.max(self.document_bytes),
                ..defaults
            })
            .memory_max(self.memory_max())
            .cold(ColdBounds {
                idle: self.cold_idle.unwrap_or(cold.idle),
                ..cold
            })
    }

    /// The engine's default, and for large documents room for them in memory, as text for those who
    /// begin to follow, and for what commits copy while snapshots are held.
    fn memory_max(&self) -> u64 {
        let text = self.document_bytes.saturating_mul(self.documents as u64);
        (1 << 30) + text.saturating_mul(8)
    }

    pub(crate) fn to_value(&self) -> Value {
        let number = |number: f64| Value::try_from(number).unwrap_or_default();
        let span = |span: Duration| number(span.as_secs_f64());
        [
            (
                "preset",
                self.preset
                    .map_or_else(Value::default, |preset| Value::from(preset_name(preset))),
            ),
            (
                "rate",
                match self.pace {
                    Pace::Rate(rate) => Value::from(rate),
                    Pace::Unthrottled => Value::default(),
                },
            ),
            ("unthrottled", (self.pace == Pace::Unthrottled).into()),
            ("duration_seconds", span(self.duration)),
            ("clients", Value::from(self.clients as u64)),
            ("documents", Value::from(self.documents as u64)),
            ("lanes", Value::from(self.lanes() as u64)),
            ("subscribers", Value::from(self.subscribers as u64)),
            ("slow_percent", Value::from(u32::from(self.slow_percent))),
            ("loss", number(self.loss)),
            ("reorder", number(self.reorder)),
            ("document_bytes", Value::from(self.document_bytes)),
            (
                "shift_seconds",
                self.shift.map_or_else(Value::default, span),
            ),
            (
                "cold_idle_seconds",
                self.cold_idle.map_or_else(Value::default, span),
            ),
            (
                "snapshots_per_second",
                Value::from(u32::from(self.snapshots)),
            ),
            ("threads", Value::from(self.threads as u64)),
            ("via", Value::from(self.via_name())),
            ("seed", Value::from(self.seed)),
            ("engine_memory_max_bytes", Value::from(self.memory_max())),
        ]
        .into_iter()
        .collect()
    }

    const fn via_name(&self) -> &'static str {
        match self.via {
            Entrance::Direct => "direct",
            Entrance::Queued => "queued",
        }
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.pace {
            Pace::Rate(rate) => write!(f, "{rate} operations/s")?,
            Pace::Unthrottled => write!(f, "as fast as answered")?,
        }
        write!(
            f,
            " for {:?}: {} clients in {} lanes, {} documents of {} bytes, {} subscribers ({} % \
             slow), {} % lost, {} % late, {}, {} threads, seed {}",
            self.duration,
            self.clients,
            self.lanes(),
            self.documents,
            self.document_bytes,
            self.subscribers,
            self.slow_percent,
            self.loss * 100.0,
            self.reorder * 100.0,
            self.via_name(),
            self.threads,
            self.seed
        )
    }
}

const fn preset_name(preset: Preset) -> &'static str {
    match preset {
        Preset::Sustained => "sustained",
        Preset::Burst => "burst",
        Preset::LargeState => "large-state",
        Preset::Crowd => "crowd",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_document_has_a_writer_and_no_client_two_lanes_to_one() {
        for (clients, documents) in [(1, 1), (10, 1), (1, 10), (3, 10), (10, 3), (5, 5), (10, 5)] {
            let plan = Plan {
                clients,
                documents,
                ..Plan::modest()
            };
            let mut written = vec![0; documents];
            for client in 0..clients {
                let mut own: Vec<_> = plan.documents_of(client).collect();
                own.iter().for_each(|&document| written[document] += 1);
                own.sort_unstable();
                let lanes = own.len();
                own.dedup();
                assert_eq!(own.len(), lanes, "{clients} {documents}");
            }
            assert!(!written.contains(&0), "{clients} {documents}");
        }
    }

    #[test]
    fn documents_that_no_machine_can_hold_are_refused() {
        let plan = |documents, subscribers, document_bytes| Plan {
            documents,
            subscribers,
            document_bytes,
            ..Plan::modest()
        };
        let gibibytes = |count: u64| Some(count << 30);
        let large = plan(1_000_000, 100, 1 << 30);
        assert!(large.check_size(gibibytes(1_024)).is_err());
        assert!(large.check_size(None).is_err());
        let copies = plan(1, 1_000_000, 1 << 30);
        assert!(copies.check_size(gibibytes(1_024)).is_err());
        assert_eq!(plan(4, 4, 64 << 20).check_size(gibibytes(1)), Ok(()));
        assert!(plan(4, 5, 64 << 20).check_size(gibibytes(1)).is_err());
        let presets = [
            Preset::Sustained,
            Preset::Burst,
            Preset::LargeState,
            Preset::Crowd,
        ];
        for preset in presets {
            assert_eq!(Plan::of(Some(preset)).check_size(gibibytes(4)), Ok(()));
        }
    }

    #[test]
    fn slow_subscribers_are_the_share_that_was_asked_for() {
        for slow_percent in [0, 10, 50, 100] {
            let plan = Plan {
                slow_percent,
                ..Plan::modest()
            };
            let slow = (0..200).filter(|&number| plan.is_slow(number)).count();
            assert_eq!(slow, 2 * usize::from(slow_percent));
        }
    }
}
