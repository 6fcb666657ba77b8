use std::{
    collections::VecDeque,
    future::poll_fn,
    mem,
    pin::pin,
    sync::atomic::Ordering,
    task::Context,
    time::{Duration, Instant},
};

use headwater_core::{Busy, Outcome, Refusal, Submission};
use parking_lot::Mutex;
use tokio::sync::{AcquireError, Notify, Semaphore, SemaphorePermit, TryAcquireError, oneshot};

use crate::engine::{Engine, Inner, Tallies};

/// What may wait in a shard's queue, and how much of it is worked off at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QueueBounds {
    /// What may wait in each shard's queue, in KiB of the batches' text; each counts as one at least, so
    /// it bounds their number, too. At least 1. Default 4,096.
    pub kib: u32,
    /// Most batches that are decided under one hold of the shard's lock. At least 1. Default 256: more
    /// spares nothing, since taking the lock costs less than one batch.
    pub round_batches: usize,
    /// How long such a round may last before others get their turn. Default 500 µs: what a reader waits
    /// at most.
    pub round: Duration,
}

impl Default for QueueBounds {
    fn default() -> Self {
        Self {
            kib: 4_096,
            round_batches: 256,
            round: Duration::from_micros(500),
        }
    }
}

/// The batches that wait for one shard.
pub(crate) struct Queue {
    bounds: QueueBounds,
    jobs: Mutex<Jobs>,
    /// Held while a round is decided, so that rounds keep the order of the batches, and who finds nothing
    /// waiting under it knows that none will be put back.
    deciding: Mutex<()>,
    /// A permit for each KiB that there is room for. Who waits for some is woken along with others, and so
    /// has a guarded waker.
    room: Semaphore,
    news: Notify,
}

#[derive(Default)]
struct Jobs {
    waiting: VecDeque<Job>,
    /// Whether nothing more is taken.
    closed: bool,
}

struct Job {
    batch: Submission,
    permits: u32,
    /// What the memory budget is charged while it waits.
    bytes: u64,
    reply: oneshot::Sender<Outcome>,
}

/// A batch that waits in a queue; becomes its outcome.
///
/// Dropping it forgets the outcome, not the batch, which is decided all the same and answered in its lane.
#[derive(Debug)]
#[must_use = "the outcome says whether the batch was taken"]
pub struct Queued(oneshot::Receiver<Outcome>);

impl Queue {
    pub(crate) fn new(bounds: QueueBounds) -> Self {
        Self {
            bounds,
            jobs: Mutex::default(),
            deciding: Mutex::default(),
            room: Semaphore::new(bounds.kib as usize),
            news: Notify::new(),
        }
    }

    /// How many batches wait.
    pub(crate) fn len(&self) -> usize {
        self.jobs.lock().waiting.len()
    }

    /// Waits until there is something to work off.
    pub(crate) async fn news(&self) {
        self.news.notified().await;
    }

    /// Takes nothing more. Yields how many batches wait, which are still to be worked off.
    pub(crate) fn close(&self) -> usize {
        self.room.close();
        // Between two rounds, so that none is on its way back.
        let _deciding = self.deciding.lock();
        let mut jobs = self.jobs.lock();
        jobs.closed = true;
        jobs.waiting.len()
    }

    /// What a batch takes of the room: never more than there is.
    fn permits(&self, batch: &Submission) -> u32 {
        let kib = u32::try_from(batch.patch.written_bytes() >> 10).unwrap_or(u32::MAX);
        kib.clamp(1, self.bounds.kib)
    }

    /// Adds a batch that there is room for; gives it back if the queue was closed meanwhile.
    fn push(&self, job: Job) -> Option<Job> {
        let mut jobs = self.jobs.lock();
        if jobs.closed {
            return Some(job);
        }
        jobs.waiting.push_back(job);
        drop(jobs);
        self.news.notify_one();
        None
    }
}

/// A batch in a queue takes this beside its patch: its place, and the way for its outcome.
const JOB_BYTES: u64 = 320;

impl Engine {
    /// Takes a batch through its shard's queue, which spares each batch a lock of its own where many
    /// threads hand in to few shards. Waits for room in the queue, and for the outcome.
    ///
    /// The queues are worked off by the tasks of `start`, or by [`tick`](Self::tick). Dropped before there
    /// was room, nothing was handed in; dropped later, the batch is decided all the same.
    pub async fn submit_queued(&self, batch: Submission) -> Outcome {
        let queue = self.0.queue(&batch);
        let permits = queue.permits(&batch);
        match self.room(queue, permits).await {
            Ok(room) => room.forget(),
            Err(_closed) => return self.0.turn_away(&batch, Busy::ShuttingDown),
        }
        match self.0.put(queue, batch, permits) {
            Ok(queued) => queued.outcome().await,
            Err(outcome) => outcome,
        }
    }

    /// Puts a batch into its shard's queue if there is room.
    ///
    /// # Errors
    ///
    /// The outcome, if there is none or the engine is shutting down: a
    /// [`Refusal::Retry`](crate::Refusal::Retry), if the batch is new and nothing is wrong with it.
    pub fn enqueue(&self, batch: Submission) -> Result<Queued, Outcome> {
        let queue = self.0.queue(&batch);
        let permits = queue.permits(&batch);
        match queue.room.try_acquire_many(permits) {
            Ok(room) => room.forget(),
            Err(TryAcquireError::Closed) => {
                return Err(self.0.turn_away(&batch, Busy::ShuttingDown));
            }
            Err(TryAcquireError::NoPermits) => {
                return Err(self.0.turn_away(&batch, Busy::Queue));
            }
        }
        self.0.put(queue, batch, permits)
    }

    /// Waits for room in a queue.
    async fn room<'a>(
        &self,
        queue: &'a Queue,
        permits: u32,
    ) -> Result<SemaphorePermit<'a>, AcquireError> {
        if let Ok(room) = queue.room.try_acquire_many(permits) {
            return Ok(room);
        }
        let mut room = pin!(queue.room.acquire_many(permits));
        poll_fn(|context| {
            let waker = self.guarded(context.waker());
            room.as_mut().poll(&mut Context::from_waker(&waker))
        })
        .await
    }
}

impl Queued {
    /// Waits for the outcome. Cancel-safe.
    pub async fn outcome(self) -> Outcome {
        // The engine is gone, with all that it held.
        self.0
            .await
            .unwrap_or(Outcome::Refused(Busy::ShuttingDown.retry()))
    }

    /// The outcome, if the batch was looked at already.
    #[must_use]
    pub fn try_outcome(&mut self) -> Option<Outcome> {
        self.0.try_recv().ok()
    }
}

impl Inner {
    fn queue(&self, batch: &Submission) -> &Queue {
        #[expect(
            clippy::indexing_slicing,
            reason = "a route leads to one of the shards, and each has a queue"
        )]
        &self.queues[self.route.shard(&batch.key)]
    }

    /// Puts a batch that holds its permits into a queue.
    fn put(&self, queue: &Queue, batch: Submission, permits: u32) -> Result<Queued, Outcome> {
        let bytes = batch.patch.heap_bytes() + JOB_BYTES;
        let budget = &self.shared.budget;
        let has_room = budget.reserve(bytes) || self.relieve() && budget.reserve(bytes);
        if !has_room {
            queue.room.add_permits(permits as usize);
            return Err(self.turn_away(&batch, Busy::Memory));
        }
        self.queued_bytes.fetch_add(bytes, Ordering::Relaxed);
        let (reply, outcome) = oneshot::channel();
        let job = Job {
            batch,
            permits,
            bytes,
            reply,
        };
        match queue.push(job) {
            None => Ok(Queued(outcome)),
            Some(job) => {
                self.take_out(queue, &job);
                Err(self.turn_away(&job.batch, Busy::ShuttingDown))
            }
        }
    }

    /// Gives back what a batch has taken in its queue.
    fn take_out(&self, queue: &Queue, job: &Job) {
        self.queued_bytes.fetch_sub(job.bytes, Ordering::Relaxed);
        self.shared.budget.release(job.bytes);
        queue.room.add_permits(job.permits as usize);
    }

    /// Tells who still waits for an outcome that the engine is gone.
    pub(crate) fn abandon_queues(&self) {
        for queue in &self.queues {
            let waiting = mem::take(&mut queue.jobs.lock().waiting);
            for job in waiting {
                self.outside(|| drop(job));
            }
        }
    }

    /// Works off all that waits in all queues now.
    pub(crate) fn work_off_queues(&self) {
        for queue in &self.queues {
            let mut left = queue.len();
            while left > 0 {
                let done = self.work_off_round(queue);
                left = left.saturating_sub(done.max(1));
            }
        }
    }

    /// Decides what waits in a queue, as far as one round goes; how many batches that were.
    pub(crate) fn work_off_round(&self, queue: &Queue) -> usize {
        // Outlives the locks, so that whoever is answered may do anything.
        let mut taken = Taken {
            jobs: VecDeque::new(),
            queue,
            inner: self,
        };
        let deciding = queue.deciding.lock();
        let mut round = Round {
            jobs: VecDeque::new(),
            queue,
        };
        {
            let waiting = &mut queue.jobs.lock().waiting;
            let count = waiting.len().min(queue.bounds.round_batches);
            round.jobs.extend(waiting.drain(..count));
        }
        let Some(first) = round.jobs.front() else {
            return 0;
        };
        Tallies::count(&self.tallies.rounds);
        let key = first.batch.key.clone();
        let start = Instant::now();
        taken.jobs.reserve(round.jobs.len());
        let mut again = None;
        let mut shard = self.shard(&key).write();
        while let Some(job) = round.jobs.front() {
            let now = self.now();
            let outcome = if self.closed.load(Ordering::Relaxed) {
                shard.turn_away(now, &self.sessions.read(), &job.batch, Busy::ShuttingDown)
            } else if shard.cold(&job.batch.key).is_some() {
                // One that has to be inflated first is left to the way that does so off the lock.
                again = round.jobs.pop_front();
                break;
            } else {
                shard.submit(now, self.sessions.read(), &job.batch)
            };
            if let Outcome::Refused(
                refusal @ Refusal::Retry {
                    cause: Busy::Memory,
                    ..
                },
            ) = outcome
            {
                // So is one that others have to make room for first.
                shard.take_back(refusal);
                again = round.jobs.pop_front();
                break;
            }
            if let Some(job) = round.jobs.pop_front() {
                taken.jobs.push_back((job, Some(outcome)));
            }
            if start.elapsed() >= queue.bounds.round {
                break;
            }
        }
        let mut more = shard.has_turn();
        let effects = shard.effects();
        drop(shard);
        // What was not decided goes back before anyone is told, who may do anything.
        drop(round);
        drop(deciding);
        let mut done = taken.jobs.len();
        taken.answer();
        self.tell(effects);
        if let Some(job) = again {
            done += 1;
            taken.jobs.push_back((job, None));
            if let Some((job, outcome)) = taken.jobs.back_mut() {
                *outcome = Some(self.submit(&job.batch, &self.closed));
            }
            taken.answer();
        }
        while more {
            let mut shard = self.shard(&key).write();
            shard.turn(self.now());
            more = shard.has_turn();
            self.finish(shard);
        }
        done
    }
}

/// The batches of one round. Those that were not decided, because time ran out or something panicked, go
/// back to where they were.
struct Round<'a> {
    jobs: VecDeque<Job>,
    queue: &'a Queue,
}

impl Drop for Round<'_> {
    fn drop(&mut self) {
        if self.jobs.is_empty() {
            return;
        }
        {
            let waiting = &mut self.queue.jobs.lock().waiting;
            self.jobs.append(waiting);
            mem::swap(waiting, &mut self.jobs);
        }
        self.queue.news.notify_one();
    }
}

/// The batches that a round takes out of the queue for good. Whatever panics, each gives back what it has taken
/// there and is answered; one without an outcome, as if the engine was gone.
struct Taken<'a> {
    jobs: VecDeque<(Job, Option<Outcome>)>,
    queue: &'a Queue,
    inner: &'a Inner,
}

impl Taken<'_> {
    fn answer(&mut self) {
        while let Some((job, outcome)) = self.jobs.pop_front() {
            self.inner.take_out(self.queue, &job);
            let reply = job.reply;
            // Nobody may be waiting any more; the lane remembers.
            self.inner.outside(|| match outcome {
                Some(outcome) => drop(reply.send(outcome)),
                None => drop(reply),
            });
        }
    }
}

impl Drop for Taken<'_> {
    fn drop(&mut self) {
        self.answer();
    }
}

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};

    use headwater_core::{Key, Seq};
    use headwater_doc::{Patch, Value};
    use tokio::sync::oneshot::error::TryRecvError;

    use super::*;

    /// P4: what is left of a round in which something panics.
    #[test]
    fn a_round_that_panics_keeps_no_room_and_costs_nobody_an_outcome() {
        let engine = Engine::builder().shards(1).build().expect("it can be");
        let key = Key::new("room").expect("a key");
        engine.create(&key, Value::default()).expect("room");
        let session = engine.open_session().expect("room");
        let mut waiting = [1, 2, 3, 4].map(|seq| {
            let batch = session.batch(&key, Seq(seq), Patch::default());
            engine.enqueue(batch).expect("room")
        });
        let inner = &engine.0;
        let [queue] = &*inner.queues else {
            panic!("one shard")
        };
        let panicked = catch_unwind(AssertUnwindSafe(|| {
            let mut taken = Taken {
                jobs: VecDeque::new(),
                queue,
                inner,
            };
            let mut round = Round {
                jobs: mem::take(&mut queue.jobs.lock().waiting),
                queue,
            };
            for outcome in [Some(Outcome::Refused(Refusal::SeqReused)), None] {
                let job = round.jobs.pop_front().expect("four");
                taken.jobs.push_back((job, outcome));
            }
            panic!("something of the engine's");
        }));
        assert!(panicked.is_err());
        let [decided, undecided, ..] = &mut waiting;
        let refused = Some(Outcome::Refused(Refusal::SeqReused));
        assert_eq!(decided.try_outcome(), refused);
        assert!(
            undecided
                .0
                .try_recv()
                .is_err_and(|error| error == TryRecvError::Closed)
        );
        assert_eq!(queue.len(), 2);
        let _done = inner.work_off_round(queue);
        assert!(
            waiting[2..]
                .iter_mut()
                .all(|queued| queued.try_outcome().is_some())
        );
        assert_eq!(inner.queued_bytes.load(Ordering::Relaxed), 0);
        assert_eq!(queue.room.available_permits(), queue.bounds.kib as usize);
    }
}
