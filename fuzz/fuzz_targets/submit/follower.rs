use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Wake, Waker},
};

use headwater_core::{
    Body, Cursor, Encoded, Epoch, Frame, Key, Mode, Next, Replica, Shard, SnapshotReason, Time,
    Version, Watch,
};
use headwater_doc::{Extensions, Limits, Patch, Pointer};
use headwater_fuzz::{Bytes, read};

use super::Host;

/// A subscriber with what it has received.
pub(crate) struct Follower {
    key: Key,
    cursor: Cursor,
    /// Whether its frames come from those that all subscribers share.
    shares: bool,
    replica: Replica,
    asleep: Option<Sleep>,
}

/// Waits for the next change.
struct Sleep {
    watch: Arc<Watch>,
    number: u64,
    woken: Arc<Flag>,
    /// Up to which version it was looked whether a change concerns the follower, and whether one did.
    seen: Version,
    concerned: bool,
}

#[derive(Default)]
struct Flag(AtomicBool);

impl Wake for Flag {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Subscribers at a time.
const FOLLOWERS_MAX: usize = 8;

impl Host {
    pub(super) fn subscribe(&mut self, key: Key, bytes: &mut Bytes<'_>) {
        if self.followers.len() == FOLLOWERS_MAX {
            return;
        }
        let mode = match bytes.below(2) {
            0 => Mode::EveryCommit,
            _ => Mode::Latest,
        };
        let extensions = Extensions {
            increment: bytes.below(2) == 0,
            splice: bytes.below(2) == 0,
        };
        let head = self.shard.snapshot(self.now, &key);
        let path = match (bytes.below(2), head) {
            (1, Some(head)) => bytes.pointer(&head.root),
            _ => Pointer::root(),
        };
        self.followers.push(Follower {
            key,
            cursor: Cursor {
                mode,
                extensions,
                path,
                ..Cursor::default()
            },
            shares: bytes.below(2) == 1,
            replica: Replica::new(),
            asleep: None,
        });
    }

    pub(super) fn poll(&mut self, bytes: &mut Bytes<'_>) {
        let chosen = bytes.below(self.followers.len().max(1));
        let most = 1 + bytes.below(4);
        if let Some(follower) = self.followers.get_mut(chosen) {
            let at_head = follower.follow(&self.shard, self.now, most);
            if at_head && bytes.below(4) == 0 {
                follower.sleep(&self.shard);
            }
        }
    }
}

impl Follower {
    /// Takes up to `most` steps, and checks what it has where it has caught up; whether it has.
    pub(crate) fn follow(&mut self, shard: &Shard, now: Time, most: usize) -> bool {
        self.wake_up();
        for _ in 0..most {
            let Some(next) = shard.next(now, &self.key, &self.cursor) else {
                return false;
            };
            if let Next::Current(version) = next {
                self.cursor.advance(None, version);
                let head = shard.snapshot(now, &self.key);
                let head = head.expect("there is something to follow");
                assert_eq!(version, head.position.version);
                let there = self.cursor.path.resolve(&head.root);
                assert_eq!(self.replica.is_present(), there.is_some());
                assert!(there.is_none_or(|there| self.replica.root().identical(there)));
                return true;
            }
            let epoch = shard.epoch(&self.key).expect("the document is there");
            let encoded = match next.key(&self.cursor, 0).filter(|_| self.shares) {
                Some(key) => {
                    let watch = shard.watch(&self.key).expect("the document is there");
                    watch.frames.get(key, || encode(next))
                }
                None => encode(next),
            };
            let frame = decode(epoch, &encoded, self.cursor.extensions);
            if let Some(frame) = &frame {
                let applied = self.replica.apply(frame);
                applied.expect("a frame fits where the ones before it have led");
            }
            let position = frame.map(|frame| frame.position());
            self.cursor.advance(position, encoded.version);
        }
        false
    }

    fn sleep(&mut self, shard: &Shard) {
        if let Some(watch) = shard.watch(&self.key) {
            let (number, woken) = (watch.join(), Arc::default());
            let waker = Waker::from(Arc::clone(&woken));
            let _old = watch.sleep(number, &self.cursor.path, waker);
            self.asleep = Some(Sleep {
                watch,
                number,
                woken,
                seen: self.cursor.unchanged_to,
                concerned: false,
            });
        }
    }

    fn wake_up(&mut self) {
        if let Some(Sleep { watch, number, .. }) = self.asleep.take() {
            if let Some(version) = watch.unchanged_to(number) {
                assert!(version >= self.cursor.unchanged_to, "it was told of less");
                self.cursor.unchanged_to = version;
            }
            watch.leave(number, &self.cursor.path);
        }
    }

    /// Nobody sleeps through what concerns it, as far as the history still has it.
    pub(crate) fn check_sleep(&mut self, shard: &Shard) {
        let Some(sleep) = &mut self.asleep else {
            return;
        };
        let there = shard.epoch(&self.key) == Some(sleep.watch.epoch());
        assert_eq!(there, sleep.watch.closed().is_none());
        let head = sleep.watch.head();
        for version in (sleep.seen.next().0..=head.0).filter(|_| there) {
            let commit = shard.commit(&self.key, Version(version));
            let path = &self.cursor.path;
            // The newest is gone only if it was too large to stay, which wakes all.
            let is_gone = commit.is_none() && version == head.0;
            let concerns = commit.is_some_and(|commit| {
                let mut touched = commit.touched().iter();
                touched.any(|touched| touched.overlaps(path))
            });
            sleep.concerned |= path.is_root() || is_gone || concerns;
        }
        sleep.seen = head;
        if !there || sleep.concerned {
            assert!(
                sleep.woken.0.load(Ordering::Relaxed),
                "slept through what came after {:?} of {}",
                self.cursor,
                self.key
            );
        }
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        self.wake_up();
    }
}

/// A frame as text: the version that it starts from, or what else it is, and what it carries.
fn encode(next: Next) -> Encoded {
    let step = next.finish();
    let text = step.frame.map(|frame| match &frame.body {
        Body::Patch { from, patch } => format!("{from} {patch}"),
        Body::Snapshot { root, .. } => format!("snapshot {root}"),
        Body::Absent => "absent ".to_owned(),
    });
    Encoded {
        bytes: text.map(|text| text.into_bytes().into()),
        version: step.version,
    }
}

fn decode(epoch: Epoch, encoded: &Encoded, extensions: Extensions) -> Option<Frame> {
    let text = str::from_utf8(encoded.bytes.as_deref()?).expect("frames are text");
    let (kind, text) = text.split_once(' ').expect("a kind and what belongs to it");
    let body = match kind {
        "absent" => Body::Absent,
        "snapshot" => Body::Snapshot {
            root: read(text),
            reason: SnapshotReason::Initial,
        },
        from => {
            let patch = Patch::parse(text.as_bytes(), &Limits::NONE, extensions);
            Body::Patch {
                from: Version(from.parse().expect("a version")),
                patch: Arc::new(patch.expect("a patch that it can read")),
            }
        }
    };
    Some(Frame {
        epoch,
        to: encoded.version,
        body,
    })
}
