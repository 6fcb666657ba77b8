use std::{
    future::poll_fn,
    iter,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    pin::pin,
    sync::{Arc, Weak, atomic::Ordering},
    task::Poll,
    time::{Duration, Instant},
};

use headwater_core::{Shard, Time};
use parking_lot::{Mutex, RwLock};
use tokio::{
    runtime::Handle,
    task::{AbortHandle, yield_now},
    time::{sleep, timeout},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    engine::{Engine, Inner, Tallies},
    events::Event,
};

/// The tasks of an engine: one that ticks, one for each queue, and one that compresses.
///
/// All hold the engine weakly, under one token and one tracker, so that none outlives its shutdown and
/// none keeps an engine alive that nobody uses.
#[derive(Debug, Default)]
pub(crate) struct Background {
    token: CancellationToken,
    tracker: TaskTracker,
    started: Mutex<Vec<AbortHandle>>,
}

/// How often the engine ticks by itself: a tenth of what a person notices, and hundreds of times as long
/// as a tick takes.
const TICK: Duration = Duration::from_millis(10);

/// How long the task that compresses rests when it has found nothing to do.
const FREEZE_REST: Duration = Duration::from_secs(1);

/// How long tasks that were aborted may take to end.
const ABORT: Duration = Duration::from_millis(100);

/// What a shutdown came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub struct ShutdownReport {
    /// Batches that waited in a queue and were decided, or told.
    pub drained: usize,
    /// Batches that were held and given up: their lanes report it.
    pub given_up: u64,
    /// Tasks that did not end before the deadline and were aborted.
    pub aborted: usize,
    /// Tasks that are still at work, on a compression that cannot be interrupted; they end after it.
    pub left: usize,
    /// How long it took.
    pub took: Duration,
}

impl Engine {
    /// Starts the engine's tasks on the tokio runtime of the caller: they tell the time, work off the
    /// queues and compress what is idle, until [`shutdown`](Self::shutdown) or until all handles of the
    /// engine are gone. A host that calls this does not call [`tick`](Self::tick).
    ///
    /// # Errors
    ///
    /// [`StartError`]; nothing was started.
    pub fn start(&self) -> Result<(), StartError> {
        let runtime = Handle::try_current().map_err(|_| StartError::NoRuntime)?;
        if !has_timer() {
            return Err(StartError::NoRuntime);
        }
        let background = &self.0.background;
        let mut started = background.started.lock();
        if background.token.is_cancelled() {
            return Err(StartError::ShutDown);
        }
        if !started.is_empty() {
            return Err(StartError::Started);
        }
        let spawn = |task| background.tracker.spawn_on(task, &runtime).abort_handle();
        let weak = || Arc::downgrade(&self.0);
        let token = || background.token.clone();
        started.push(spawn(supervise(weak(), token(), Task::Tick)));
        started.push(spawn(supervise(weak(), token(), Task::Freeze)));
        for index in 0..self.0.queues.len() {
            started.push(spawn(supervise(weak(), token(), Task::Queue(index))));
        }
        Ok(())
    }

    /// Ends intake, decides what waits in the queues, gives up and reports what is held, and ends all
    /// tasks. What still waits at the deadline is refused, and tasks that have not ended by then are
    /// aborted. Documents stay readable, and the host can write to them, but nothing happens by itself any
    /// more.
    ///
    /// Clients' batches are refused from the first poll on. Calling it again ends the same way, also if the
    /// first was dropped half-way. Polled off any tokio runtime with time enabled, it does not wait for the
    /// tasks but aborts them.
    pub async fn shutdown(&self, deadline: Duration) -> ShutdownReport {
        let start = Instant::now();
        let inner = &self.0;
        let drained = inner.end_intake();
        for queue in &inner.queues {
            loop {
                if start.elapsed() >= deadline {
                    // Rounds answer what still waits from here on, and decide nothing.
                    inner.closed.store(true, Ordering::Relaxed);
                }
                if inner.work_off_round(queue) == 0 {
                    break;
                }
                // Who was answered gets a turn, and so does whoever else is on the runtime.
                yield_now().await;
            }
        }
        inner.end();
        let mut given_up = 0;
        for shard in &inner.shards {
            while let Some(batches) = inner.give_up_round(shard) {
                given_up += batches;
                yield_now().await;
            }
        }
        let background = &inner.background;
        background.tracker.close();
        let left = deadline.saturating_sub(start.elapsed());
        let mut aborted = 0;
        if !background.ends_within(left).await {
            for task in background.started.lock().iter() {
                aborted += usize::from(!task.is_finished());
                task.abort();
            }
            // What is asleep ends at once; what is at work, at the end of that, which is not waited for.
            background.ends_within(ABORT).await;
        }
        ShutdownReport {
            drained,
            given_up,
            aborted,
            left: background.tracker.len(),
            took: start.elapsed(),
        }
    }

    /// What [`shutdown`](Self::shutdown) does, but without a deadline and without waiting for the tasks: for
    /// a host without tokio. Yields how many batches waited in the queues, and how many were held and given
    /// up.
    pub fn close(&self) -> (usize, u64) {
        let inner = &self.0;
        let drained = inner.end_intake();
        for queue in &inner.queues {
            while inner.work_off_round(queue) > 0 {}
        }
        inner.end();
        let rounds = |shard| iter::from_fn(move || inner.give_up_round(shard));
        (drained, inner.shards.iter().flat_map(rounds).sum())
    }

    /// How many tasks of the engine there are.
    #[must_use]
    pub fn tasks(&self) -> usize {
        self.0.background.tracker.len()
    }
}

impl Inner {
    /// Takes nothing more from clients. Yields how many batches wait in the queues: once a round of each
    /// finds nothing, none is left, nor in a round of the queue's task, which puts back what it does not
    /// decide.
    fn end_intake(&self) -> usize {
        self.closing.store(true, Ordering::Relaxed);
        let queues = self.queues.iter();
        queues.map(|queue| queue.close()).sum()
    }

    /// Ends the tasks. What is held is to be given up then.
    fn end(&self) {
        self.background.cancel();
        // A round that is under way has its shard locked before what is held is given up there, or sees
        // this and decides nothing more.
        self.closed.store(true, Ordering::Relaxed);
    }

    /// Gives up what some lanes of a shard hold: how many batches; `None` once nothing is held.
    fn give_up_round(&self, shard: &RwLock<Shard>) -> Option<u64> {
        let mut shard = shard.write();
        let before = shard.counts().told;
        let more = shard.give_up_held(self.now());
        let given_up = shard.counts().told - before;
        self.finish(shard);
        (more || given_up > 0).then_some(given_up)
    }
}

#[derive(Clone, Copy, Debug)]
enum Task {
    Tick,
    Freeze,
    Queue(usize),
}

impl Task {
    /// A stable word for the host.
    const fn code(self) -> &'static str {
        match self {
            Self::Tick => "tick",
            Self::Freeze => "freeze",
            Self::Queue(_) => "queue",
        }
    }
}

/// Runs a task until it is cancelled or the engine is gone; one that panics is counted, told, and started
/// again.
async fn supervise(engine: Weak<Inner>, token: CancellationToken, task: Task) {
    let running = async {
        while unwinding(run(&engine, task)).await.is_err() {
            let Some(engine) = engine.upgrade() else {
                return;
            };
            Tallies::count(&engine.tallies.task_panics);
            let task = task.code();
            engine.wake(engine.events.push_once(Event::TaskPanicked { task }));
            drop(engine);
            // One that panics each time must not keep the runtime, and its own cancellation, from their turn.
            yield_now().await;
        }
    };
    let _cancelled = token.run_until_cancelled(running).await;
}

/// Ends when the engine is gone.
async fn run(engine: &Weak<Inner>, task: Task) {
    match task {
        Task::Tick => tick(engine).await,
        Task::Freeze => freeze(engine).await,
        Task::Queue(index) => work_off(engine, index).await,
    }
}

async fn tick(engine: &Weak<Inner>) {
    let start = Instant::now();
    let begun = engine.upgrade().map_or(Time::START, |engine| engine.now());
    while let Some(inner) = engine.upgrade() {
        inner.tick(begun + start.elapsed());
        drop(inner);
        sleep(TICK).await;
    }
}

async fn freeze(engine: &Weak<Inner>) {
    while let Some(inner) = engine.upgrade() {
        let tracker = inner.background.tracker.clone();
        let frozen = tracker.spawn_blocking(move || inner.freeze_idle()).await;
        match frozen {
            Ok(true) => {}
            Ok(false) => sleep(FREEZE_REST).await,
            Err(error) if error.is_panic() => resume_unwind(error.into_panic()),
            Err(_cancelled) => return,
        }
    }
}

async fn work_off(engine: &Weak<Inner>, index: usize) {
    let queue = engine
        .upgrade()
        .and_then(|inner| inner.queues.get(index).cloned());
    let Some(queue) = queue else {
        return;
    };
    while let Some(inner) = engine.upgrade() {
        let done = inner.work_off_round(&queue);
        drop(inner);
        if done == 0 {
            queue.news().await;
        } else {
            // Others on the runtime get their turn, and the shard's readers theirs.
            yield_now().await;
        }
    }
}

/// Whether the caller is on a tokio runtime whose time is enabled. The runtime does not say; sleeping panics
/// if it is not.
fn has_timer() -> bool {
    Handle::try_current().is_ok() && catch_unwind(|| drop(sleep(Duration::ZERO))).is_ok()
}

/// A future that ends with an error if the other panics.
async fn unwinding(future: impl Future<Output = ()>) -> Result<(), ()> {
    let mut future = pin!(future);
    poll_fn(|context| {
        let poll = || future.as_mut().poll(context);
        match catch_unwind(AssertUnwindSafe(poll)) {
            Ok(poll) => poll.map(Ok),
            Err(_panic) => Poll::Ready(Err(())),
        }
    })
    .await
}

impl Background {
    /// Waits for all tasks to end, but no longer than so; not at all where nothing tells the time. Whether
    /// they have.
    async fn ends_within(&self, deadline: Duration) -> bool {
        if self.tracker.is_empty() || !has_timer() {
            return self.tracker.is_empty();
        }
        timeout(deadline, self.tracker.wait()).await.is_ok()
    }

    /// Ends the tasks, and lets none start any more.
    pub(crate) fn cancel(&self) {
        // Either a start under way has put all its tasks under the tracker by now, or it puts none.
        let _started = self.started.lock();
        self.token.cancel();
    }
}

/// Why the tasks were not started.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// The caller is on no tokio runtime, or on one whose time is not enabled.
    #[error("not on a tokio runtime with time enabled")]
    NoRuntime,
    /// They run already.
    #[error("started already")]
    Started,
    /// The engine was shut down.
    #[error("shut down already")]
    ShutDown,
}
