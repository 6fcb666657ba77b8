use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, Scope, ScopedJoinHandle},
    time::Duration,
};

use headwater::{
    ConfigError, CreateError, Engine, Extensions, InvalidKey, Key, Limits, Mode, ParseError,
    StartError, SubscribeOptions, TooManySessions,
};
use tokio::runtime::{self, Runtime};

use super::{
    agenda::{Clock, End},
    findings::{Findings, Unanswered},
    follower::Follower,
    interrupt::Interrupt,
    lane::Lane,
    ledger::Ledger,
    link::Link,
    meter::{Meter, Times},
    monitor::Monitor,
    plan::{Pace, Plan},
    process::resident_bytes_peak,
    reader::{Failed, Reader},
    schedule::{Schedule, Shift, nanos},
    sender::Sender,
    traffic::Traffic,
    view::View,
};
use crate::canon::sha256;

/// Everything that takes part: an engine with its tasks, clients, subscribers, and who watches them.
pub(crate) struct Stage {
    engine: Engine,
    runtime: Runtime,
    keys: Vec<Key>,
    senders: Vec<Sender>,
    readers: Vec<Reader>,
    monitor: Monitor,
    end: End,
}

/// Why a load could not be started, or not be brought to its end.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StageError {
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error(transparent)]
    Key(#[from] InvalidKey),
    #[error("a document of this size: {0}")]
    Document(#[from] ParseError),
    #[error(transparent)]
    Create(#[from] CreateError),
    #[error(transparent)]
    Sessions(#[from] TooManySessions),
    #[error("no runtime: {0}")]
    Runtime(#[from] io::Error),
    #[error(transparent)]
    Start(#[from] StartError),
    #[error("no histogram: {0}")]
    Histogram(#[from] hdrhistogram::CreationError),
    #[error("a thread of the load tester panicked")]
    Panicked,
}

/// How long the engine's tasks may take to end.
const SHUTDOWN: Duration = Duration::from_secs(10);

/// How often memory is looked at.
const LOOK: Duration = Duration::from_millis(100);

impl Stage {
    pub(crate) fn new(plan: &Plan) -> Result<Self, StageError> {
        let engine = plan.builder().build()?;
        let traffic = Arc::new(Traffic::new(plan.seed, plan.document_bytes));
        let mut keys = Vec::with_capacity(plan.documents);
        let mut records = Vec::with_capacity(plan.documents);
        for document in 0..plan.documents {
            let key = Key::new(&format!("load/{document}"))?;
            let (root, count) = traffic.document(document, &Limits::NONE)?;
            engine.create(&key, root)?;
            keys.push(key);
            records.push(count);
        }
        let meters: Vec<_> = (0..2 * plan.threads)
            .map(|_| Ok(Arc::new(Meter::new(Times::new()?))))
            .collect::<Result<_, StageError>>()?;
        let (sending, reading) = meters.split_at(plan.threads);
        let ledgers = ledgers(plan);
        let mut senders: Vec<_> = sending
            .iter()
            .map(|meter| {
                let (ledgers, meter) = (Arc::clone(&ledgers), Arc::clone(meter));
                Sender::new(
                    engine.clone(),
                    plan.via,
                    Arc::clone(&traffic),
                    ledgers,
                    meter,
                )
            })
            .collect();
        let mut readers: Vec<_> = reading
            .iter()
            .map(|meter| Reader::new(engine.clone(), Arc::clone(&ledgers), Arc::clone(meter)))
            .collect();
        let cast = Cast {
            plan,
            traffic: &traffic,
            keys: &keys,
        };
        let mut lanes = 0;
        for client in 0..plan.clients {
            let session = engine.open_session()?;
            if client < plan.subscribers
                && let Some(mut follower) = cast.follower(client)
                && let Some(reader) = readers.get_mut(client % plan.threads)
            {
                // Every second one says who it is, as an optimistic client does, and the others are
                // mere readers.
                if client.is_multiple_of(2) {
                    follower.options.session = Some(session.id());
                    follower.session = Some(session.clone());
                }
                reader.add(follower);
            }
            if let Some(sender) = senders.get_mut(client % plan.threads) {
                let own = cast.lanes(client, sender.clients(), &mut lanes, &records);
                sender.add(session, own);
            }
        }
        for number in plan.clients..plan.subscribers {
            if let Some(follower) = cast.follower(number)
                && let Some(reader) = readers.get_mut(number % plan.threads)
            {
                reader.add(follower);
            }
        }
        if let Some(reader) = readers.first_mut().filter(|_| plan.snapshots > 0) {
            let documents = keys.iter().cloned().zip(0..);
            let documents = documents.map(|(key, document)| (key, Shift::of(plan, document)));
            reader.pin(
                documents.collect(),
                plan.snapshots,
                traffic.rng("snapshots", 0),
            );
        }
        readers.iter_mut().for_each(Reader::prepare);
        let runtime = runtime::Builder::new_multi_thread()
            .worker_threads(plan.threads)
            .enable_time()
            .build()?;
        Ok(Self {
            monitor: Monitor::new(engine.clone(), meters)?,
            engine,
            runtime,
            keys,
            senders,
            readers,
            end: End::new(nanos(plan.duration)),
        })
    }

    /// Plays it all or until it is interrupted, and shows how it goes on.
    pub(crate) fn run(self, view: &View, interrupt: &Interrupt) -> Result<Findings, StageError> {
        let Self {
            engine,
            runtime,
            keys,
            senders,
            readers,
            mut monitor,
            end,
        } = self;
        let entered = runtime.enter();
        engine.start()?;
        drop(entered);
        let clock = Clock::start();
        let stop = AtomicBool::new(false);
        let mut interrupted = None;
        let (senders, readers, drained) = thread::scope(|scope| {
            let spawn = |sender: Sender| scope.spawn(|| sender.run(clock, &end));
            let senders: Vec<_> = senders.into_iter().map(spawn).collect();
            let spawn = |reader: Reader| scope.spawn(|| reader.run(clock, &stop));
            let readers: Vec<_> = readers.into_iter().map(spawn).collect();
            while !senders.iter().all(ScopedJoinHandle::is_finished) {
                thread::park_timeout(LOOK);
                if interrupt.take() {
                    let now = clock.now();
                    if end.bring_forward(now) {
                        interrupted = Some(Duration::from_nanos(now));
                    }
                    view.note("interrupted: what is under way is settled; again to end at once");
                }
                monitor.look(clock, view);
            }
            let senders = join(senders);
            let drained = clock.now();
            // Release pairs with the readers' acquire: whoever sees it finds all that was sent.
            stop.store(true, Ordering::Release);
            (senders, join(readers), drained)
        });
        let (senders, readers) = (senders?, readers?);
        // Before any last reading, which might thaw what is cold.
        monitor.finish(clock, view);
        let documents = Documents::of(&engine, &keys);
        let failed = thread::scope(|scope| {
            let finish = |reader: Reader| reader_finish(scope, reader, clock, &documents.digests);
            join(readers.into_iter().map(finish).collect())
        })?;
        let unanswered = Unanswered {
            unknown: senders.iter().map(Sender::unknown).sum(),
            unsent: senders.iter().map(Sender::unsent).sum(),
        };
        // What still waits in a queue, if anything does, is decided now.
        let shutdown = runtime.block_on(engine.shutdown(SHUTDOWN));
        let counted = monitor.close();
        Ok(Findings {
            counted,
            stats: engine.stats(),
            times: monitor.times,
            samples: monitor.samples,
            unanswered,
            failed: failed.into_iter().flatten().collect(),
            versions: documents.versions,
            memory_peak: monitor.peak,
            resident_bytes_peak: resident_bytes_peak(),
            interrupted,
            drain: Duration::from_nanos(drained.saturating_sub(end.at())),
            shutdown,
            tasks_left: engine.tasks(),
        })
    }
}

/// What clients and subscribers are made from.
struct Cast<'a> {
    plan: &'a Plan,
    traffic: &'a Traffic,
    keys: &'a [Key],
}

impl Cast<'_> {
    /// The lanes of a client, whose place in its thread is given; `lanes` counts all that there are.
    fn lanes(&self, client: usize, place: usize, lanes: &mut usize, records: &[u64]) -> Vec<Lane> {
        let Self { plan, traffic, .. } = *self;
        let lane = |document: usize| {
            *lanes += 1;
            let schedule = Schedule::new(plan, document, traffic.rng("due", *lanes));
            let rng = traffic.rng("link", *lanes);
            let link = Link::new(rng, plan.loss, plan.reorder, schedule.interval());
            let key = self.keys.get(document)?.clone();
            let operations = traffic.operations(*lanes, *records.get(document)?);
            Some(Lane::new(key, document, place, operations, schedule, link))
        };
        plan.documents_of(client).filter_map(lane).collect()
    }

    /// A subscriber: of the slow ones, every second one wants the newest version only and reads plain
    /// RFC 6902.
    fn follower(&self, number: usize) -> Option<Follower> {
        let document = number % self.plan.documents;
        let slow = self.plan.is_slow(number);
        let frugal = slow && number.is_multiple_of(2);
        let options = SubscribeOptions {
            mode: if frugal {
                Mode::Latest
            } else {
                Mode::EveryCommit
            },
            extensions: if frugal {
                Extensions::NONE
            } else {
                Extensions::ALL
            },
            ..SubscribeOptions::default()
        };
        let key = self.keys.get(document)?.clone();
        let mut follower = Follower::new(number, document, key, options);
        follower.slow = slow.then(|| self.traffic.rng("pauses", number));
        follower.shift = Shift::of(self.plan, document);
        Some(follower)
    }
}

/// The documents in the end.
struct Documents {
    /// Of their canonical forms, by number.
    digests: Vec<String>,
    /// All commits of all documents.
    versions: u64,
}

impl Documents {
    fn of(engine: &Engine, keys: &[Key]) -> Self {
        let mut versions = 0;
        let mut digest = |key| {
            let snapshot = engine.get(key)?;
            versions += snapshot.position.version.0;
            Some(sha256(&snapshot.root))
        };
        let digests = keys.iter().map(|key| digest(key).unwrap_or_default());
        Self {
            digests: digests.collect(),
            versions,
        }
    }
}

/// A ledger for each document where somebody keeps up: of four seconds of its commits, or of two where
/// documents take turns.
fn ledgers(plan: &Plan) -> Arc<[Ledger]> {
    let versions = match plan.pace {
        Pace::Unthrottled => LEDGERS_MAX,
        Pace::Rate(rate) => LEDGERS_MAX.min(4 * rate as usize),
    };
    let versions = (versions / plan.documents).max(LEDGER_MIN);
    let mut followed = vec![false; plan.documents];
    for number in (0..plan.subscribers).filter(|&number| !plan.is_slow(number)) {
        if let Some(followed) = followed.get_mut(number % plan.documents) {
            *followed = true;
        }
    }
    let ledger = |followed| Ledger::new(if followed { versions } else { 0 });
    followed.into_iter().map(ledger).collect()
}

const LEDGER_MIN: usize = 64;

/// Versions in the ledgers of all documents together: what the fastest engine commits in a second or
/// two, in 64 MiB, which are taken as they are used. A subscriber that is further behind is timed by the
/// oldest that there is.
const LEDGERS_MAX: usize = 4 << 20;

fn reader_finish<'scope>(
    scope: &'scope Scope<'scope, '_>,
    reader: Reader,
    clock: Clock,
    digests: &'scope [String],
) -> ScopedJoinHandle<'scope, Option<Failed>> {
    scope.spawn(move || reader.finish(clock, digests))
}

fn join<T>(threads: Vec<ScopedJoinHandle<'_, T>>) -> Result<Vec<T>, StageError> {
    let ends = threads.into_iter().map(ScopedJoinHandle::join);
    ends.map(|end| end.map_err(|_panic| StageError::Panicked))
        .collect()
}
