use headwater::{
    Body, Closed, Engine, Extensions, Frame, InvalidPatch, Key, Limits, Mode, ParseError, Patch,
    Replica, ReplicaError, SubscribeError, SubscribeOptions, Subscription, Value,
};

use crate::canon::sha256;

/// The subscribers of a document, each with a replica on the far side of its link.
pub(crate) struct Audience {
    members: Vec<Member>,
}

struct Member {
    subscription: Subscription,
    replica: Replica,
    /// It polls once in so many slots.
    period: u64,
    pub(crate) tally: Tally,
}

/// What one subscriber got.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tally {
    pub(crate) mode: Mode,
    pub(crate) slow: bool,
    /// Patches of one commit.
    pub(crate) frames: u64,
    /// Patches that stand for several.
    pub(crate) squashes: u64,
    pub(crate) snapshots: u64,
    /// Of all of these, as JSON.
    pub(crate) bytes: u64,
}

/// A subscriber that did not get what it must.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AudienceError {
    #[error(transparent)]
    Subscribe(#[from] SubscribeError),
    #[error("subscriber {subscriber}: {error}")]
    Closed { subscriber: usize, error: Closed },
    #[error("subscriber {subscriber}: {error}")]
    Frame {
        subscriber: usize,
        error: FrameError,
    },
    #[error(
        "subscriber {subscriber} ended with other bytes than the document: expected {expected}, got {got}"
    )]
    Diverged {
        subscriber: usize,
        expected: String,
        got: String,
    },
}

/// A frame that could not be read from its bytes or applied.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FrameError {
    #[error(transparent)]
    Patch(#[from] InvalidPatch),
    #[error(transparent)]
    Snapshot(#[from] ParseError),
    #[error(transparent)]
    Replica(#[from] ReplicaError),
    #[error("nothing, for the whole document")]
    Absent,
}

impl Audience {
    /// `count` subscribers, `slow_percent` of them slow. The quick ones poll in every slot; the slow
    /// ones poll once in a number of slots between half of `slow_period` and twice it.
    pub(crate) fn new(
        engine: &Engine,
        key: &Key,
        count: usize,
        slow_percent: u8,
        slow_period: u64,
        extensions: Extensions,
    ) -> Result<Self, AudienceError> {
        let slow_count = count * usize::from(slow_percent) / 100;
        let member = |number: usize| {
            let slow = number >= count - slow_count;
            // Each second one, so that there are both modes among the quick and the slow.
            let mode = if number.is_multiple_of(2) {
                Mode::EveryCommit
            } else {
                Mode::Latest
            };
            // The slowest of all reads plain RFC 6902 only.
            let plain = slow && number + 1 == count;
            let options = SubscribeOptions {
                mode,
                extensions: if plain { Extensions::NONE } else { extensions },
                ..SubscribeOptions::default()
            };
            let nth_slow = number.saturating_sub(count - slow_count) as u64;
            let spread = slow_period * 3 / 2 * nth_slow / (slow_count as u64).max(1);
            Ok(Member {
                subscription: engine.subscribe(key, options)?,
                replica: Replica::new(),
                period: if slow { slow_period / 2 + spread } else { 1 }.max(1),
                tally: Tally {
                    mode,
                    slow,
                    frames: 0,
                    squashes: 0,
                    snapshots: 0,
                    bytes: 0,
                },
            })
        };
        let members = (0..count)
            .map(member)
            .collect::<Result<_, AudienceError>>()?;
        Ok(Self { members })
    }

    /// Lets those poll whose turn it is in this slot, until they hold the newest version.
    pub(crate) fn poll(&mut self, slot: u64) -> Result<(), AudienceError> {
        for (subscriber, member) in self.members.iter_mut().enumerate() {
            if slot.is_multiple_of(member.period) {
                member.catch_up(subscriber)?;
            }
        }
        Ok(())
    }

    /// Lets all catch up, and compares each replica with the document, byte for byte.
    pub(crate) fn finish(mut self, document: &Value) -> Result<Vec<Tally>, AudienceError> {
        let expected = document.canonical();
        for (subscriber, member) in self.members.iter_mut().enumerate() {
            member.catch_up(subscriber)?;
            let got = member.replica.root();
            if got.canonical() != expected {
                return Err(AudienceError::Diverged {
                    subscriber,
                    expected: sha256(document),
                    got: sha256(got),
                });
            }
        }
        Ok(self.members.iter().map(|member| member.tally).collect())
    }
}

impl Member {
    fn catch_up(&mut self, subscriber: usize) -> Result<(), AudienceError> {
        loop {
            let frame = self.subscription.poll();
            let frame = frame.map_err(|error| AudienceError::Closed { subscriber, error })?;
            let Some(frame) = frame else {
                return Ok(());
            };
            self.take(&frame)
                .map_err(|error| AudienceError::Frame { subscriber, error })?;
        }
    }

    /// Takes a frame as a client would: from the bytes that came over its link.
    fn take(&mut self, frame: &Frame) -> Result<(), FrameError> {
        let (text, body) = match &frame.body {
            Body::Patch { from, patch } => {
                if frame.to == from.next() {
                    self.tally.frames += 1;
                } else {
                    self.tally.squashes += 1;
                }
                let text = patch.to_string();
                let patch = Patch::parse(text.as_bytes(), &Limits::NONE, Extensions::ALL)?;
                let body = Body::Patch {
                    from: *from,
                    patch: patch.into(),
                };
                (text, body)
            }
            Body::Snapshot { root, reason } => {
                self.tally.snapshots += 1;
                let text = root.to_string();
                let root = Value::parse(text.as_bytes(), &Limits::NONE)?;
                let body = Body::Snapshot {
                    root,
                    reason: *reason,
                };
                (text, body)
            }
            // Of the root there is always something.
            Body::Absent => return Err(FrameError::Absent),
        };
        self.tally.bytes += text.len() as u64;
        self.replica.apply(&Frame {
            body,
            ..frame.clone()
        })?;
        Ok(())
    }
}
