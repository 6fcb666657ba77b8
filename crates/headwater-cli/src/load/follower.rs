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

/// Versions that wait for their senders to hear of them: all that 512 lanes have under way. Of more,
/// the newest are not timed.
const UNTOLD_MAX: usize = 16_384;

/// Versions that are looked up before senders may write again: some ten microseconds' worth.
const LOOKS_MAX: usize = 1_024;

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

    /// Times the delivery of each version that a frame contains. One that the ledger has forgotten
    /// counts, too, with the age of the oldest that it knows: the oldest of all must not be missing.
    fn time(&mut self, frame: &Frame, before: Position, now: u64, ledger: &Ledger, meter: &Meter) {
        let first = before.version.max(self.timed_from).next().0;
        // Before those that the ledger has room for none needs a look.
        let known = first.max(ledger.open().first_known(frame.to));
        let mut forgotten = known - first;
        let mut versions = known..=frame.to.0;
        loop {
            let entries = ledger.open();
            for version in versions.by_ref().take(LOOKS_MAX).map(Version) {
                match entries.due(version) {
                    Due::At(due) => meter.time(Span::Delivered, now.saturating_sub(due)),
                    Due::Forgotten => forgotten += 1,
                    Due::NotYet if self.untold.len() < UNTOLD_MAX => {
                        self.untold.push_back((version, now));
                    }
                    Due::NotYet => meter.count(Count::Untimed),
                }
            }
            if versions.is_empty() {
                time_forgotten(forgotten, now, entries.oldest(), meter);
                return;
            }
        }
    }

    /// Times what it got before its sender had heard of it.
    pub(crate) fn catch_up_times(&mut self, ledger: Option<&Ledger>, meter: &Meter) {
        let Some(ledger) = ledger.filter(|_| !self.untold.is_empty()) else {
            return;
        };
        let entries = ledger.open();
        self.untold
            .retain(|&(version, got)| match entries.due(version) {
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

    /// Gives up what no sender has heard of.
    pub(crate) fn close_times(&mut self, meter: &Meter) {
        meter.add(Count::Untimed, self.untold.len() as u64);
        self.untold.clear();
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

/// Times the delivery of versions that are forgotten, if it is known when the oldest other was due.
fn time_forgotten(count: u64, now: u64, oldest: Option<u64>, meter: &Meter) {
    let Some(due) = oldest else {
        meter.add(Count::Untimed, count);
        return;
    };
    if count > 0 {
        meter.time_all(Span::Delivered, now.saturating_sub(due), count);
        meter.add(Count::TimedAtLeast, count);
    }
}

#[cfg(test)]
mod tests {
    use headwater::{Limits, Patch};

    use super::*;
    use crate::load::meter::{Counted, Times};

    const COMMITS: u64 = 3_000;

    /// What is timed of the delivery at 1,000,000 of a frame of all commits, of which each was due at
    /// its version, by a ledger of so many.
    fn delivered(versions: usize) -> (Times, Counted) {
        let engine = Engine::builder().build().unwrap();
        let key = Key::new("d").unwrap();
        engine.create(&key, r#"{"a":0}"#.parse().unwrap()).unwrap();
        let (ledger, meter) = (Ledger::new(versions), Meter::new(Times::new().unwrap()));
        let mut follower = Follower::new(0, 0, key.clone(), SubscribeOptions::default());
        follower.come(&engine).unwrap();
        let take = |follower: &mut Follower| {
            while let Some(bytes) = follower.poll().unwrap() {
                follower
                    .take(&bytes, 1_000_000, Some(&ledger), &meter)
                    .unwrap();
            }
        };
        take(&mut follower);
        for value in 1..=COMMITS {
            let patch = format!(r#"[{{"op":"replace","path":"/a","value":{value}}}]"#);
            let patch =
                Patch::parse(patch.as_bytes(), &Limits::NONE, headwater::Extensions::NONE).unwrap();
            engine.apply(&key, patch).unwrap();
            let version = engine.position(&key).unwrap().version;
            ledger.note(version, version.0);
        }
        take(&mut follower);
        let (mut times, mut counted) = (Times::new().unwrap(), Counted::default());
        meter.take(&mut times);
        counted.add(&meter);
        (times, counted)
    }

    #[test]
    fn every_delivery_counts_however_many_a_frame_contains() {
        let (times, counted) = delivered(4_096);
        assert_eq!(times.of(Span::Delivered).unwrap().len(), COMMITS);
        assert_eq!(counted.of(Count::TimedAtLeast), 0);
        assert_eq!(counted.of(Count::Untimed), 0);
    }

    #[test]
    fn a_delivery_counts_though_the_ledger_has_forgotten_when_it_was_due() {
        let (times, counted) = delivered(100);
        assert_eq!(times.of(Span::Delivered).unwrap().len(), COMMITS);
        assert_eq!(counted.of(Count::TimedAtLeast), COMMITS - 100);
        assert_eq!(counted.of(Count::Untimed), 0);
    }

    #[test]
    fn a_delivery_of_what_no_sender_heard_of_is_told_to_be_untimed() {
        let meter = Meter::new(Times::new().unwrap());
        let key = Key::new("d").unwrap();
        let mut follower = Follower::new(0, 0, key, SubscribeOptions::default());
        follower.untold.push_back((Version(1), 5));
        follower.catch_up_times(Some(&Ledger::new(4)), &meter);
        follower.close_times(&meter);
        let mut counted = Counted::default();
        counted.add(&meter);
        assert_eq!(counted.of(Count::Untimed), 1);
    }
}
