use std::{
    collections::VecDeque,
    future::Future as _,
    pin::pin,
    sync::Arc,
    task::{Context, Poll, Waker},
};

use fastrand::Rng;
use headwater::{
    Body, Closed, Encoding, Engine, Frame, Key, LaneStatus, Position, Replica, ReplicaError, Seq,
    Session, SubscribeError, SubscribeOptions, Subscription, Version,
};

use super::{
    ledger::{Due, Ledger},
    meter::{Count, Meter, Span},
    schedule::Shift,
    wire::{WireError, decode},
};
use crate::canon::sha256;

/// A subscriber and its copy of the document, on the far side of a link that loses nothing.
pub(crate) struct Follower {
    pub(crate) number: usize,
    pub(crate) document: usize,
    pub(crate) key: Key,
    /// How it follows, from wherever it is.
    pub(crate) options: SubscribeOptions,
    /// Its session, if it hands in batches to the document, too.
    pub(crate) session: Option<Session>,
    /// When it reads, if it does so seldom.
    pub(crate) slow: Option<Rng>,
    pub(crate) shift: Option<Shift>,
    /// None while it is away.
    subscription: Option<Subscription>,
    replica: Replica,
    /// Versions that it got, and when, whose senders have not heard of them yet.
    untold: VecDeque<(Version, u64)>,
    /// What was there when it came is not timed.
    timed_from: Version,
}

/// A subscriber that did not get what it must.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FollowError {
    #[error(transparent)]
    Subscribe(#[from] SubscribeError),
    #[error(transparent)]
    Closed(#[from] Closed),
    #[error("a frame that cannot be read: {0}")]
    Wire(#[from] WireError),
    #[error(transparent)]
    Replica(#[from] ReplicaError),
    #[error("a frame of nothing, for the whole document")]
    Absent,
    #[error("ended with other bytes than the document: expected {expected}, got {got}")]
    Diverged { expected: String, got: String },
    #[error("ended with seq {got:?} of its own lane, which has decided {decided}")]
    LastSeq { got: Option<Seq>, decided: Seq },
}

/// Versions that wait for their senders to hear of them: a thread that was held up for long loses the
/// oldest.
const UNTOLD_MAX: usize = 1_024;

/// Versions of one frame that are timed, the newest.
const TIMED_MAX: u64 = 1_024;

/// A frame as it comes over the link.
pub(crate) type Bytes = Arc<[u8]>;

impl Follower {
    pub(crate) fn new(number: usize, document: usize, key: Key, options: SubscribeOptions) -> Self {
        Self {
            number,
            document,
            key,
            options,
            session: None,
            slow: None,
            shift: None,
            subscription: None,
            replica: Replica::new(),
            untold: VecDeque::new(),
            timed_from: Version::ZERO,
        }
    }

    /// Comes, or comes back: follows from where its copy is.
    pub(crate) fn come(&mut self, engine: &Engine) -> Result<(), FollowError> {
        if self.subscription.is_none() {
            let head = engine.position(&self.key).map(|head| head.version);
            self.timed_from = head.unwrap_or_default();
            let options = SubscribeOptions {
                from: self.replica.position(),
                ..self.options.clone()
            };
            self.subscription = Some(engine.subscribe(&self.key, options)?);
        }
        Ok(())
    }

    pub(crate) fn leave(&mut self) {
        self.subscription = None;
    }

    /// The next frame, or has `waker` woken when there is one.
    pub(crate) fn next(&mut self, waker: &Waker) -> Result<Option<Bytes>, FollowError> {
        let Some(subscription) = &mut self.subscription else {
            return Ok(None);
        };
        let next = pin!(subscription.next_bytes(Encoding::Json));
        match next.poll(&mut Context::from_waker(waker)) {
            Poll::Ready(bytes) => Ok(Some(bytes?)),
            Poll::Pending => Ok(None),
        }
    }

    /// The next frame, if there is one.
    pub(crate) fn poll(&mut self) -> Result<Option<Bytes>, FollowError> {
        match &mut self.subscription {
            Some(subscription) => Ok(subscription.poll_bytes(Encoding::Json)?),
            None => Ok(None),
        }
    }

    /// Takes a frame that was pulled at this time.
    pub(crate) fn take(
        &mut self,
        bytes: &[u8],
        now: u64,
        ledger: Option<&Ledger>,
        meter: &Meter,
    ) -> Result<(), FollowError> {
        let frame = decode(bytes)?;
        let before = self.replica.position();
        self.replica.apply(&frame)?;
        meter.count(Count::Frames);
        meter.add(Count::FrameBytes, bytes.len() as u64);
        match frame.body {
            Body::Patch { .. } => {}
            Body::Snapshot { .. } => meter.count(Count::Snapshots),
            // Of the root there is always something.
            Body::Absent => return Err(FollowError::Absent),
        }
        let Some(before) = before.filter(|before| before.epoch == frame.epoch) else {
            return Ok(());
        };
        let passed = frame.to.0.saturating_sub(before.version.0);
        meter.add(Count::Conflated, passed.saturating_sub(1));
        if let Some(ledger) = ledger.filter(|_| self.slow.is_none()) {
            self.time(&frame, before, now, ledger, meter);
        }
        Ok(())
    }

    /// Times the delivery of each version that a frame contains.
    fn time(&mut self, frame: &Frame, before: Position, now: u64, ledger: &Ledger, meter: &Meter) {
        let first = before.version.max(self.timed_from).next();
        let timed = first.0.max(frame.to.0.saturating_sub(TIMED_MAX) + 1);
        meter.add(Count::Untimed, timed - first.0);
        for version in (timed..=frame.to.0).map(Version) {
            match ledger.due(version) {
                Due::At(due) => meter.time(Span::Delivered, now.saturating_sub(due)),
                Due::Forgotten => meter.count(Count::Untimed),
                Due::NotYet => {
                    self.untold.push_back((version, now));
                    if self.untold.len() > UNTOLD_MAX {
                        self.untold.pop_front();
                        meter.count(Count::Untimed);
                    }
                }
            }
        }
    }

    /// Times what it got before its sender had heard of it.
    pub(crate) fn catch_up_times(&mut self, ledger: Option<&Ledger>, meter: &Meter) {
        let Some(ledger) = ledger else {
            return;
        };
        self.untold
            .retain(|&(version, got)| match ledger.due(version) {
                Due::NotYet => true,
                Due::At(due) => {
                    meter.time(Span::Delivered, got.saturating_sub(due));
                    false
                }
                Due::Forgotten => {
                    meter.count(Count::Untimed);
                    false
                }
            });
    }

    /// Compares its copy with the document, once it has got all that there is.
    pub(crate) fn check(&self, expected: &str) -> Result<(), FollowError> {
        let got = sha256(self.replica.root());
        if got != expected {
            return Err(FollowError::Diverged {
                expected: expected.to_owned(),
                got,
            });
        }
        if let Some(session) = &self.session {
            let LaneStatus { decided, .. } = session.status(&self.key);
            let last = self.subscription.as_ref().map(Subscription::last_seq);
            let got = last.unwrap_or_default();
            if got.unwrap_or_default() != decided {
                return Err(FollowError::LastSeq { got, decided });
            }
        }
        Ok(())
    }
}
