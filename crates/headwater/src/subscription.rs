use std::{
    future::poll_fn,
    pin::Pin,
    sync::{Arc, atomic::Ordering},
    task::{Context, Poll, Waker},
    time::Duration,
};

use futures_core::Stream;
use headwater_core::{
    CloseReason, Cursor, Encoded, Epoch, Frame, Key, Mode, Next, Position, Seq, SessionId, Time,
    Version, Watch,
};
use headwater_doc::{Extensions, Pointer};

use crate::{encode::Encoding, engine::Engine};

/// Where a subscription starts and how it follows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SubscribeOptions {
    /// What the subscriber holds already of this very document; `None`, the default, for nothing. Epochs
    /// are unique for each key only: a position of another key's document could pass for one of this.
    pub from: Option<Position>,
    /// How it follows. Default [`Mode::EveryCommit`].
    pub mode: Mode,
    /// The operations beyond RFC 6902 that it can read. Default none: it gets plain patches, whatever
    /// the batches used.
    pub extensions: Extensions,
    /// The part of the document that it follows: frames are about the value at this path alone, and
    /// relative to it. Default the root, which is all of it.
    pub path: Pointer,
    /// The least time between two frames, for [`Mode::Latest`]. Default zero, which is none.
    pub interval: Duration,
    /// The subscriber's own session, so that [`Subscription::last_seq`] tells which of its own batches
    /// its frames contain. Default none.
    pub session: Option<SessionId>,
    /// Whether to wait for a document that is not there yet. Default no: that is an error.
    pub wait: bool,
}

/// A subscriber's place in a document's history. Frames are pulled from it; it holds none, so one that
/// is never polled costs nothing more.
///
/// There are two ways to pull, which may be mixed: [`poll`](Self::poll) for a host with its own loop, and
/// [`next`](Self::next) or the [`Stream`] for one with a runtime, any runtime. Each has a twin that yields
/// bytes, which are made once for all subscribers that need the same.
///
/// # Consistency
///
/// A frame applies to what the frames before it have led to, and to nothing else. Whichever it gets,
/// every subscriber that has caught up with a version holds the same document. It never misses the newest
/// version, however slow it is; it may miss versions in between.
#[derive(Debug)]
pub struct Subscription {
    engine: Engine,
    key: Key,
    /// The incarnation that it follows; `None` while it waits for one.
    following: Option<Following>,
    cursor: Cursor,
    interval: Duration,
    /// When the next frame may come.
    due: Time,
    last_seq: Option<Seq>,
    number: u64,
    /// Whether a timer may be set, for `due`.
    timer: bool,
    /// Whether it may have slept at its path, beside which the document may have changed since.
    slept: bool,
}

#[derive(Debug)]
struct Following {
    watch: Arc<Watch>,
    /// Its number there.
    number: u64,
}

impl Engine {
    /// Follows a document.
    ///
    /// # Errors
    ///
    /// [`SubscribeError`] if it is not there and the options do not say to wait, if there are as many
    /// subscribers as there may be, or if the options contradict themselves.
    pub fn subscribe(
        &self,
        key: &Key,
        options: SubscribeOptions,
    ) -> Result<Subscription, SubscribeError> {
        if !options.interval.is_zero() && options.mode != Mode::Latest {
            return Err(SubscribeError::IntervalOfEveryCommit);
        }
        let subscribers_max = self.0.settings.subscribers_max;
        let subscribers = &self.0.subscribers;
        let (set, fetch) = (Ordering::Relaxed, Ordering::Relaxed);
        let joined = |count: usize| (count < subscribers_max).then_some(count + 1);
        if subscribers.fetch_update(set, fetch, joined).is_err() {
            return Err(SubscribeError::TooManySubscribers { subscribers_max });
        }
        // From here on dropping it counts it out.
        let mut subscription = Subscription {
            engine: self.clone(),
            key: key.clone(),
            following: None,
            cursor: Cursor {
                position: options.from,
                unchanged_to: Version::ZERO,
                mode: options.mode,
                extensions: options.extensions,
                path: options.path,
                session: options.session,
            },
            interval: options.interval,
            due: Time::START,
            last_seq: None,
            number: self.0.number(),
            timer: false,
            slept: false,
        };
        if subscription.follow() || options.wait {
            Ok(subscription)
        } else {
            Err(SubscribeError::NoSuchDocument)
        }
    }
}

impl Subscription {
    /// The next frame, with the least that takes the subscriber on; `Ok(None)` while it holds the
    /// newest version, or its time has not come.
    ///
    /// Squashes are made here, in the caller, off the lock.
    ///
    /// # Errors
    ///
    /// [`Closed`], and from then on always, once the document was removed.
    pub fn poll(&mut self) -> Result<Option<Frame>, Closed> {
        self.pull(None, frame)
    }

    /// Like [`poll`](Self::poll), encoded. The bytes are made once and shared by all subscribers that get
    /// the same frame.
    ///
    /// # Errors
    ///
    /// As [`poll`](Self::poll).
    pub fn poll_bytes(&mut self, encoding: Encoding) -> Result<Option<Arc<[u8]>>, Closed> {
        if let Some(bytes) = self.latest_bytes(encoding) {
            return Ok(Some(bytes));
        }
        self.pull(None, |cursor, watch, next| {
            bytes(cursor, watch, next, encoding)
        })
    }

    /// Waits for the next frame. Cancel-safe: a frame is taken only when this is ready.
    ///
    /// # Errors
    ///
    /// As [`poll`](Self::poll).
    pub async fn next(&mut self) -> Result<Frame, Closed> {
        poll_fn(|context| ready(self.pull(Some(context.waker()), frame))).await
    }

    /// Waits for the next frame, encoded. Cancel-safe.
    ///
    /// # Errors
    ///
    /// As [`poll`](Self::poll).
    pub async fn next_bytes(&mut self, encoding: Encoding) -> Result<Arc<[u8]>, Closed> {
        poll_fn(|context| {
            if let Some(bytes) = self.latest_bytes(encoding) {
                return Poll::Ready(Ok(bytes));
            }
            ready(self.pull(Some(context.waker()), |cursor, watch, next| {
                bytes(cursor, watch, next, encoding)
            }))
        })
        .await
    }

    /// Where a subscriber is that has applied all frames pulled so far: what it resumes from.
    #[must_use]
    pub const fn position(&self) -> Option<Position> {
        self.cursor.position
    }

    /// The incarnation of the document that it follows.
    pub(crate) fn epoch(&self) -> Option<Epoch> {
        self.following
            .as_ref()
            .map(|following| following.watch.epoch())
    }

    /// The seq up to which all batches of the subscriber's own session are in the frames pulled so far, or
    /// will never be in any, since they were rejected or skipped; `None` if that is known of none, or the
    /// options named no session.
    #[must_use]
    pub const fn last_seq(&self) -> Option<Seq> {
        self.last_seq
    }

    /// The document's key.
    #[must_use]
    pub const fn key(&self) -> &Key {
        &self.key
    }

    /// Why the subscription has ended, if it has.
    #[must_use]
    pub fn closed(&self) -> Option<Closed> {
        let following = self.following.as_ref()?;
        following.watch.closed().map(Closed)
    }

    /// Finds the document, if it is there; whether so.
    fn follow(&mut self) -> bool {
        if self.following.is_none() {
            let watch = self.engine.0.shard(&self.key).read().watch(&self.key);
            self.following = watch.map(|watch| Following {
                number: watch.join(),
                watch,
            });
        }
        self.following.is_some()
    }

    /// The one way on: decides under the lock, carries out off the lock, and moves the cursor. With a
    /// waker and nothing to pull, it is noted under the same hold of the lock, so that no commit comes
    /// between.
    fn pull<T>(
        &mut self,
        waker: Option<&Waker>,
        mut carry_out: impl FnMut(&Cursor, &Watch, Next) -> (Option<T>, Version),
    ) -> Result<Option<T>, Closed> {
        if !self.follow() {
            if let Some(waker) = waker {
                self.engine.0.waiting.wait(&self.key, self.number, waker);
            }
            // It may have been made meanwhile, before anyone could be woken.
            if !self.follow() {
                return Ok(None);
            }
            self.engine.0.waiting.leave(&self.key, self.number);
        }
        let Some(Following { watch, number }) = &self.following else {
            return Ok(None);
        };
        let (epoch, mut now) = (watch.epoch(), self.engine.now());
        let closed = || Closed(watch.closed().unwrap_or(CloseReason::Removed));
        if now < self.due
            && let Some(waker) = waker
        {
            // One that is set already is for the same time.
            self.engine.0.timers.set(self.due, self.number, waker);
            self.timer = true;
            drop(watch.sleep_to_the_end(*number, waker.clone()));
            // The time, and the end, may have come before it could be woken.
            now = self.engine.now();
        }
        if now < self.due {
            return match watch.closed() {
                Some(_) => Err(closed()),
                None => Ok(None),
            };
        }
        if waker.is_none() && watch.closed().is_none() && self.cursor.has(watch) {
            return Ok(None);
        }
        loop {
            // Cloned before the shard is locked, and what it replaces is dropped after.
            let mine = waker.cloned();
            let shard = self.engine.0.read(&self.key);
            if shard.epoch(&self.key) != Some(epoch) {
                return Err(closed());
            }
            if self.slept
                && let Some(version) = watch.unchanged_to(*number)
            {
                self.slept = false;
                self.cursor.unchanged_to = self.cursor.unchanged_to.max(version);
            }
            let next = shard
                .next(now, &self.key, &self.cursor)
                .ok_or_else(closed)?;
            let dropped = match (&next, mine) {
                (Next::Current(_), Some(waker)) => {
                    self.slept = !self.cursor.path.is_root();
                    watch.sleep(*number, &self.cursor.path, waker)
                }
                (_, unused) => [unused, None],
            };
            let to = next.version();
            let mut last_seq = shard.last_seq(&self.key, &self.cursor, to);
            drop(shard);
            drop(dropped);
            let is_current = matches!(next, Next::Current(_));
            let (pulled, version) = carry_out(&self.cursor, watch, next);
            if version != to && self.cursor.session.is_some() {
                // A squash turned out dearer than the document and has led to a head instead.
                let shard = self.engine.0.read(&self.key);
                if shard.epoch(&self.key) == Some(epoch) {
                    last_seq = last_seq.max(shard.last_seq(&self.key, &self.cursor, version));
                }
            }
            self.last_seq = last_seq.max(self.last_seq);
            let position = Position { epoch, version };
            self.cursor
                .advance(pulled.is_some().then_some(position), version);
            if pulled.is_some() {
                self.due = now + self.interval;
                return Ok(pulled);
            }
            // Otherwise what changed was undone before it could be seen, and there may be more.
            if is_current {
                return Ok(None);
            }
        }
    }

    /// The frame that others who keep up have just got, if it is this subscriber's next. Takes no lock.
    fn latest_bytes(&mut self, encoding: Encoding) -> Option<Arc<[u8]>> {
        let following = self.following.as_ref()?;
        let (watch, held) = (&following.watch, self.cursor.position?);
        let now = self.engine.now();
        if self.cursor.session.is_some()
            || held.epoch != watch.epoch()
            || now < self.due
            || watch.closed().is_some()
        {
            return None;
        }
        let (head, every_commit) = (watch.head(), self.cursor.mode == Mode::EveryCommit);
        let latest = watch.frames.latest(|key| {
            key.from == Some(held.version)
                && key.to == head
                && (!every_commit || head == held.version.next())
                && key.encoding == encoding.code()
                && key.extensions == self.cursor.extensions
                && key.path == self.cursor.path
        })?;
        // Where all was undone there is no frame, which takes the subscriber nowhere: `pull` knows that.
        let bytes = latest.bytes?;
        let version = latest.version;
        let position = Position { version, ..held };
        self.cursor.advance(Some(position), version);
        self.due = now + self.interval;
        Some(bytes)
    }
}

/// Carries out what was decided.
fn frame(_: &Cursor, _: &Watch, next: Next) -> (Option<Frame>, Version) {
    let step = next.finish();
    (step.frame, step.version)
}

/// Carries out what was decided and encodes it, unless another subscriber already has.
fn bytes(
    cursor: &Cursor,
    watch: &Watch,
    next: Next,
    encoding: Encoding,
) -> (Option<Arc<[u8]>>, Version) {
    let encode = |next: Next| {
        let step = next.finish();
        Encoded {
            bytes: step.frame.map(|frame| encoding.encode(&frame)),
            version: step.version,
        }
    };
    let encoded = match next.key(cursor, encoding.code()) {
        Some(key) => watch.frames.get(key, || encode(next)),
        None => encode(next),
    };
    (encoded.bytes, encoded.version)
}

fn ready<T>(pulled: Result<Option<T>, Closed>) -> Poll<Result<T, Closed>> {
    match pulled {
        Ok(Some(frame)) => Poll::Ready(Ok(frame)),
        Ok(None) => Poll::Pending,
        Err(closed) => Poll::Ready(Err(closed)),
    }
}

impl Stream for Subscription {
    type Item = Frame;

    /// Ends once the document was removed; [`Subscription::closed`] says why.
    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Frame>> {
        ready(self.pull(Some(context.waker()), frame)).map(Result::ok)
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        let inner = &self.engine.0;
        inner.subscribers.fetch_sub(1, Ordering::Relaxed);
        match &self.following {
            Some(following) => following.watch.leave(following.number, &self.cursor.path),
            None => inner.waiting.leave(&self.key, self.number),
        }
        if self.timer {
            inner.timers.remove(self.due, self.number);
        }
    }
}

/// Why a subscription has ended: the document is no longer there, and one that was made anew under its key
/// is another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the document was closed: {}", .0.code())]
pub struct Closed(pub CloseReason);

/// Why a document cannot be followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SubscribeError {
    /// There is no document under the key, and the options do not say to wait for one.
    #[error("no such document")]
    NoSuchDocument,
    /// As many subscriptions are there as there may be.
    #[error("{subscribers_max} subscriptions are open, which is the limit")]
    TooManySubscribers {
        /// The limit.
        subscribers_max: usize,
    },
    /// The options ask for every commit and for an interval between frames: the fault is the caller's.
    #[error("an interval between frames goes with Mode::Latest only")]
    IntervalOfEveryCommit,
}
