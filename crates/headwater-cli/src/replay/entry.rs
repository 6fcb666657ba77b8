use std::{
    io, mem,
    time::{Duration, Instant},
};

use headwater::{Engine, Outcome, Queued, ShutdownReport, StartError, Submission, Time};
use tokio::runtime::{Builder, Runtime};

use crate::args::Via;

/// The way by which batches enter the engine; `P` names a batch to whoever hands it in.
pub(crate) struct Entry<P> {
    engine: Engine,
    way: Way,
    /// In the order in which they were handed in.
    waiting: Vec<Waiting<P>>,
    /// How long each batch took, from handing it in to its outcome.
    pub(crate) submits: Vec<Duration>,
    /// How long the engine was at work on batches; less than the sum of `submits`, where several wait at
    /// a time.
    pub(crate) busy: Duration,
}

enum Way {
    Direct,
    /// The engine's tasks run here, while outcomes are waited for and at no other time.
    Queued(Runtime),
    Tick,
}

struct Waiting<P> {
    packet: P,
    start: Instant,
    queued: Queued,
}

/// Why batches could not enter, or did not come out again.
#[derive(Debug, thiserror::Error)]
pub(crate) enum EntryError {
    #[error("no runtime: {0}")]
    Runtime(#[from] io::Error),
    #[error(transparent)]
    Start(#[from] StartError),
    #[error("a tick left a batch undecided that waited in a queue")]
    Undecided,
    #[error("the engine did not shut down in time: {0:?}")]
    Shutdown(ShutdownReport),
}

/// How long the engine may take to shut down: its tasks have nothing to do but end.
const SHUTDOWN: Duration = Duration::from_secs(10);

impl<P: Copy> Entry<P> {
    /// Opens the way, and starts the engine's tasks if it takes any.
    pub(crate) fn new(via: Via, engine: Engine) -> Result<Self, EntryError> {
        let way = match via {
            Via::Direct => Way::Direct,
            Via::Tick => Way::Tick,
            Via::Queued => {
                // One thread: batches of one queue are decided in their order, whatever the machine.
                let runtime = Builder::new_current_thread().enable_time().build()?;
                let entered = runtime.enter();
                engine.start()?;
                drop(entered);
                Way::Queued(runtime)
            }
        };
        Ok(Self {
            engine,
            way,
            waiting: Vec::new(),
            submits: Vec::new(),
            busy: Duration::ZERO,
        })
    }

    /// Hands a batch in. Its outcome, unless it waits in a queue until [`work_off`](Self::work_off).
    pub(crate) fn hand_in(&mut self, packet: P, batch: Submission) -> Option<Outcome> {
        let start = Instant::now();
        let outcome = match self.way {
            Way::Direct => Some(self.engine.submit(&batch)),
            Way::Queued(_) | Way::Tick => match self.engine.enqueue(batch) {
                Ok(queued) => {
                    self.waiting.push(Waiting {
                        packet,
                        start,
                        queued,
                    });
                    None
                }
                Err(refused) => Some(refused),
            },
        };
        let took = start.elapsed();
        self.busy += took;
        if outcome.is_some() {
            self.submits.push(took);
        }
        outcome
    }

    /// Has the engine decide all that waits at this time, and yields the outcomes in the order of handing
    /// in.
    pub(crate) fn work_off(&mut self, now: Time) -> Result<Vec<(P, Outcome)>, EntryError> {
        if self.waiting.is_empty() {
            return Ok(Vec::new());
        }
        let start = Instant::now();
        if let Way::Tick = self.way {
            self.engine.tick(now);
        }
        let mut outcomes = Vec::with_capacity(self.waiting.len());
        for mut waiting in mem::take(&mut self.waiting) {
            let outcome = match &self.way {
                Way::Queued(runtime) => runtime.block_on(waiting.queued.outcome()),
                Way::Direct | Way::Tick => {
                    let outcome = waiting.queued.try_outcome();
                    outcome.ok_or(EntryError::Undecided)?
                }
            };
            self.submits.push(waiting.start.elapsed());
            outcomes.push((waiting.packet, outcome));
        }
        self.busy += start.elapsed();
        Ok(outcomes)
    }

    /// Tells the engine the time, unless its own tasks do.
    pub(crate) fn tell_time(&self, now: Time) {
        match self.way {
            Way::Direct | Way::Tick => self.engine.tick(now),
            Way::Queued(_) => {}
        }
    }

    /// Ends the engine's tasks, if it has any, and makes sure that none is left.
    pub(crate) fn close(&self) -> Result<(), EntryError> {
        let Way::Queued(runtime) = &self.way else {
            return Ok(());
        };
        let report = runtime.block_on(self.engine.shutdown(SHUTDOWN));
        if report.aborted > 0 || self.engine.tasks() > 0 {
            return Err(EntryError::Shutdown(report));
        }
        Ok(())
    }
}
