use std::{
    mem,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::Wake,
};

use headwater_core::{
    Body, Cursor, Encoded, Epoch, Frame, Incarnation, Key, Mode, Next, Position, Replica,
    ReplicaError, Seq, SnapshotReason, Version, Watch,
};
use headwater_doc::{Extensions, Limits, Patch, Value};

use super::{documents::Resume, workload::PATHS, world::World};
use crate::{pair::json, random::Random};

/// A subscriber with its replica on the far side of a link.
pub(crate) struct Subscriber {
    pub(crate) key: usize,
    /// Where the engine takes it to be.
    cursor: Cursor,
    replica: Replica,
    /// It is read about once in so many steps; never, if that is 0.
    pace: u64,
    loses: bool,
    /// Whether a frame was lost, or it said where it is wrongly, since the last one that fitted.
    lost: bool,
    /// Whether it has just said wrongly where it is.
    lies: bool,
    /// Whether it took a frame after that: it cannot tell what it knew there.
    strays: bool,
    /// Whether it waits to be woken.
    sleeps: bool,
    asleep: bool,
    alarm: Arc<Alarm>,
    /// Whether its frames are encoded, and shared with others.
    encodes: bool,
    joined: Option<(Arc<Watch>, u64)>,
    /// What it is to get, not carried out yet.
    pending: Option<Pending>,
    /// A copy that it made earlier, and may come back with.
    backup: Option<(Replica, Shown)>,
    /// What it knows of its own batches.
    shown: Shown,
    /// The highest seq that was sent since it last said what it holds.
    told: Option<Seq>,
}

/// What a subscriber was told of its own batches.
#[derive(Clone, Copy, Default)]
struct Shown {
    /// The highest that is in its replica, or came to nothing.
    seq: Option<Seq>,
    /// Where it was told so; its replica is the same there.
    at: Option<Position>,
}

struct Pending {
    next: Next,
    /// What it shows of the subscriber's own batches.
    last_seq: Option<Seq>,
}

#[derive(Default)]
struct Alarm(AtomicBool);

impl Wake for Alarm {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

impl Subscriber {
    /// It is told of its own batches.
    fn hear(&mut self, seq: Option<Seq>) {
        if !self.strays {
            self.shown.seq = seq.max(self.shown.seq);
        }
    }

    /// It says what it holds.
    fn resume(&mut self) {
        self.cursor.position = self.replica.position();
        self.cursor.unchanged_to = Version::ZERO;
        self.told = None;
        self.asleep = false;
        self.lost = false;
        self.lies = false;
    }
}

/// Some of each kind, for each document.
pub(crate) fn subscribers(world: &World<'_>) -> Vec<Subscriber> {
    let mut random = Random::new(world.config.salt);
    let mut each = |key: usize, number: u64| {
        let extensions = [
            Extensions::NONE,
            Extensions::ALL,
            Extensions {
                increment: false,
                splice: true,
            },
        ];
        let path = match random.one_in(2) {
            true => (*random.pick(PATHS)).to_owned(),
            false => String::new(),
        };
        let own = random
            .one_in(2)
            .then(|| world.clients[random.index(world.clients.len())].session);
        let pace = *random.pick(&[1, 2, 10, 60, 0]);
        let mode = *random.pick(&[Mode::EveryCommit, Mode::EveryCommit, Mode::Latest]);
        Subscriber {
            key,
            cursor: Cursor {
                position: None,
                unchanged_to: Version::ZERO,
                mode,
                extensions: *random.pick(&extensions),
                path: path.parse().unwrap(),
                session: own,
            },
            replica: Replica::new(),
            pace: if number == 0 { 1 } else { pace },
            loses: random.one_in(3),
            lost: false,
            lies: false,
            strays: false,
            sleeps: random.one_in(2),
            asleep: false,
            alarm: Arc::default(),
            encodes: random.one_in(2),
            joined: None,
            pending: None,
            backup: None,
            shown: Shown::default(),
            told: None,
        }
    };
    // The last document is one that nobody follows.
    let keys = 0..world.keys.len().max(2) - 1;
    keys.flat_map(|key| (0..world.config.subscribers).map(move |number| (key, number)))
        .map(|(key, number)| each(key, number))
        .collect()
}

impl World<'_> {
    /// Each is read in its own time.
    pub(crate) fn poll_some(&mut self) {
        for which in 0..self.subscribers.len() {
            let pace = self.subscribers[which].pace;
            if pace > 0 && self.random.one_in(pace) {
                self.poll(which);
            }
        }
    }

    /// Reads a subscriber, as far as it is awake.
    pub(crate) fn poll(&mut self, which: usize) {
        let prompt = self.subscribers[which].pace == 1;
        self.confuse(which);
        for _ in 0..if prompt { 2_000 } else { 1 } {
            if !self.step_subscriber(which, true) {
                return;
            }
        }
    }

    /// Comes to the head, if the document is there; all frames arrive.
    pub(crate) fn bring_up(&mut self, which: usize) {
        let subscriber = &mut self.subscribers[which];
        subscriber.pending = None;
        subscriber.loses = false;
        if subscriber.lost {
            // The last frames may have been lost: it says what it holds when it comes back.
            subscriber.resume();
        }
        for round in 0.. {
            assert!(round < 5_000, "no end of frames");
            if !self.step_subscriber(which, false) {
                break;
            }
        }
        let subscriber = &self.subscribers[which];
        let key = &self.keys[subscriber.key];
        let Some(document) = self.model.documents.open.get(key) else {
            return;
        };
        let expected = subscriber.cursor.path.resolve(&document.root);
        let replica = &subscriber.replica;
        assert_eq!(replica.is_present(), expected.is_some(), "P5");
        let expected = expected.map_or_else(|| "null".to_owned(), Value::canonical);
        assert_eq!(replica.root().canonical(), expected, "P5");
    }

    /// One that comes back from elsewhere, or with an older copy.
    fn confuse(&mut self, which: usize) {
        let random = &mut self.random;
        let subscriber = &mut self.subscribers[which];
        if !subscriber.loses || subscriber.asleep || subscriber.pending.is_some() {
            return;
        }
        if random.one_in(20) && !subscriber.strays {
            subscriber.backup = Some((subscriber.replica.clone(), subscriber.shown));
        }
        if random.one_in(20)
            && let Some((replica, shown)) = subscriber.backup.take()
        {
            (subscriber.replica, subscriber.shown) = (replica, shown);
            subscriber.strays = false;
            subscriber.resume();
            self.seen.note("subscriber: resumed far back");
        } else if random.one_in(40)
            && let Some(position) = &mut subscriber.cursor.position
        {
            let Position { epoch, version } = *position;
            *position = match random.below(4) {
                0 => Position {
                    version: Version(version.0 + 1_000),
                    epoch,
                },
                1 => Position {
                    version: Version(version.0.saturating_sub(random.below(400))),
                    epoch,
                },
                2 => Position {
                    epoch: Epoch {
                        number: epoch.number.wrapping_sub(1),
                        ..epoch
                    },
                    version,
                },
                _ => Position {
                    epoch: Epoch {
                        incarnation: Incarnation(0),
                        ..epoch
                    },
                    version,
                },
            };
            subscriber.cursor.unchanged_to = Version::ZERO;
            subscriber.told = None;
            subscriber.lost = true;
            subscriber.lies = true;
        }
    }

    /// Whether there may be more at once.
    fn step_subscriber(&mut self, which: usize, links_lose: bool) -> bool {
        let key = self.keys[self.subscribers[which].key].clone();
        let shard = self.model.shards[&key];
        if let Some(pending) = self.subscribers[which].pending.take() {
            self.seen.note("frame: made earlier");
            return self.carry_out(which, &key, pending, links_lose);
        }
        if self.subscribers[which].asleep {
            let rung = self.subscribers[which]
                .alarm
                .0
                .swap(false, Ordering::Relaxed);
            if !rung {
                return false;
            }
            let subscriber = &mut self.subscribers[which];
            subscriber.asleep = false;
            self.seen.note("subscriber: woken");
            let (watch, number) = subscriber.joined.as_ref().unwrap();
            if let Some(version) = watch.unchanged_to(*number) {
                let cursor = &mut subscriber.cursor;
                let held = cursor.position.expect("it slept on something");
                let at = |version| {
                    let position = Position { version, ..held };
                    let (root, _) = self.model.documents.version(&key, position).unwrap();
                    cursor.path.resolve(root).map(Value::digest)
                };
                assert!(version >= cursor.unchanged_to, "told of less than it knew");
                assert_eq!(at(held.version), at(version), "told that nothing changed");
                cursor.unchanged_to = version;
                self.seen.note("subscriber: unchanged up to");
            }
        }
        if !self.join(which, &key) {
            return false;
        }
        let cursor = self.subscribers[which].cursor.clone();
        let next = self.shards[shard]
            .next(self.now, &key, &cursor)
            .expect("it is there");
        let document = &self.model.documents.open[&key];
        check_next(&next, &document.resume(&cursor), document.position, &cursor);
        let last_seq = self.shards[shard].last_seq(&key, &cursor, next.version());
        let pending = Pending { next, last_seq };
        let subscriber = &mut self.subscribers[which];
        let has_all = cursor.has(&subscriber.joined.as_ref().unwrap().0);
        assert!(!has_all || matches!(pending.next, Next::Current(_)));
        if matches!(pending.next, Next::Current(_)) {
            if subscriber.sleeps {
                let (watch, number) = subscriber.joined.as_ref().unwrap();
                drop(watch.sleep(*number, &cursor.path, Arc::clone(&subscriber.alarm).into()));
                subscriber.asleep = true;
                self.seen.note("subscriber: slept");
            }
        } else if links_lose && self.random.one_in(12) {
            subscriber.pending = Some(pending);
            return false;
        }
        self.carry_out(which, &key, pending, links_lose)
    }

    /// Counts it in with the present incarnation of the document; whether there is one.
    fn join(&mut self, which: usize, key: &Key) -> bool {
        let shard = self.model.shards[key];
        let epoch = self.shards[shard].epoch(key);
        let subscriber = &mut self.subscribers[which];
        if let Some((watch, number)) = &subscriber.joined
            && Some(watch.epoch()) != epoch
        {
            assert!(
                watch.closed().is_some(),
                "nobody was told that it is closed"
            );
            watch.leave(*number, &subscriber.cursor.path);
            subscriber.joined = None;
        }
        if subscriber.joined.is_none()
            && let Some(watch) = self.shards[shard].watch(key)
        {
            let number = watch.join();
            subscriber.joined = Some((watch, number));
            subscriber.told = None;
        }
        subscriber.joined.is_some()
    }

    fn carry_out(&mut self, which: usize, key: &Key, pending: Pending, links_lose: bool) -> bool {
        let Pending { next, last_seq } = pending;
        let (to, is_current) = (next.version(), matches!(next, Next::Current(_)));
        let subscriber = &mut self.subscribers[which];
        let (watch, _) = subscriber.joined.as_ref().unwrap();
        let epoch = watch.epoch();
        let encoded = match next
            .key(&subscriber.cursor, 0)
            .filter(|_| subscriber.encodes)
        {
            Some(key) => {
                let mut made = false;
                let encoded = watch.frames.get(key, || {
                    made = true;
                    encode(next)
                });
                if !made {
                    self.seen.note("frame: shared");
                }
                encoded
            }
            None => encode(next),
        };
        let version = encoded.version;
        let shard = &self.shards[self.model.shards[key]];
        let seq = if version == to || shard.epoch(key) != Some(epoch) {
            last_seq
        } else {
            // A squash that turned out dearer than the document has led to a head instead.
            last_seq.max(shard.last_seq(key, &subscriber.cursor, version))
        };
        let frame = encoded.bytes.map(|bytes| decode(&bytes, epoch));
        // The highest so far goes with each frame: one that needs no other before it is taken even if those
        // that told of it are lost.
        subscriber.told = seq.max(subscriber.told);
        let seq = subscriber.told;
        let was = subscriber.cursor.position;
        subscriber
            .cursor
            .advance(frame.as_ref().map(Frame::position), version);
        let cursor = &subscriber.cursor;
        let line = || {
            let body = frame.as_ref().map_or("nothing", |frame| word(&frame.body));
            let (path, mode) = (&cursor.path, cursor.mode);
            format!(
                "subscriber {which} of {key} at {path:?}, {mode:?}, gets {body} to {version}, own {seq:?}"
            )
        };
        if self.tells {
            println!("{:>9}  {}", self.now.to_string(), line());
        }
        let lost = links_lose && subscriber.loses && self.random.one_in(8);
        match frame {
            Some(_) if lost => {
                subscriber.lost = true;
                self.seen.note("frame: lost");
            }
            Some(frame) => self.take_frame(which, key, &frame, seq),
            None if !subscriber.lost && subscriber.replica.position() == was => {
                let moved = was.is_some_and(|was| was.version < version);
                self.seen.note(if moved { "moved" } else { "current" });
                subscriber.hear(seq);
                self.check_replica(which, key);
            }
            None => {}
        }
        !is_current
    }

    fn take_frame(&mut self, which: usize, key: &Key, frame: &Frame, seq: Option<Seq>) {
        let subscriber = &mut self.subscribers[which];
        let before = subscriber.replica.clone();
        match subscriber.replica.apply(frame) {
            Ok(()) => {
                subscriber.lost = false;
                subscriber.strays |= mem::take(&mut subscriber.lies);
                subscriber.hear(seq);
                use SnapshotReason::{Ahead, Compacted, EpochChanged, Initial};
                if let Body::Snapshot {
                    reason: Ahead | Compacted | EpochChanged | Initial,
                    ..
                } = frame.body
                {
                    // All that was decided shows in these.
                    subscriber.strays = false;
                    subscriber.shown.seq = seq;
                }
                if let Body::Patch { patch, .. } = &frame.body {
                    assert!(subscriber.cursor.extensions.include(patch.extensions()));
                }
                self.seen.note(match &frame.body {
                    Body::Patch { from, .. } if from.next() == frame.to => "own patch",
                    Body::Patch { .. } => "squash",
                    body => word(body),
                });
                self.check_replica(which, key);
            }
            Err(ReplicaError::OutOfPlace { .. }) => {
                assert!(
                    subscriber.lost,
                    "a frame that does not fit though none was lost"
                );
                let after = (
                    subscriber.replica.position(),
                    subscriber.replica.root().digest(),
                );
                assert_eq!((before.position(), before.root().digest()), after);
                subscriber.resume();
                self.seen.note("frame: out of place");
            }
            Err(error) => panic!("P5: {error}"),
        }
    }

    /// P5: what it holds is that version, and of its own batches it holds those that it was told of.
    fn check_replica(&mut self, which: usize, key: &Key) {
        let subscriber = &mut self.subscribers[which];
        let replica = &subscriber.replica;
        let held = replica.position().unwrap();
        let version = held.version.max(subscriber.cursor.unchanged_to);
        let position = Position { version, ..held };
        let (value, digest) = self
            .model
            .documents
            .version(key, position)
            .expect("P5: it was made");
        let path = &subscriber.cursor.path;
        if path.is_root() {
            assert_eq!(replica.root().digest(), *digest, "P5");
        } else {
            let expected = path.resolve(value);
            assert_eq!(replica.is_present(), expected.is_some(), "P5: at {path}");
            let expected = expected.map_or_else(|| Value::NULL.digest(), Value::digest);
            assert_eq!(replica.root().digest(), expected, "P5: at {path}");
        }
        let Some(session) = subscriber.cursor.session.filter(|_| !subscriber.strays) else {
            return;
        };
        let Some(document) = self.model.documents.open.get(key) else {
            return;
        };
        if document.position.epoch != position.epoch || !self.model.sessions.contains_key(&session)
        {
            return;
        }
        let told = subscriber
            .shown
            .at
            .filter(|told| told.epoch == position.epoch);
        let version = told.map_or(version, |told| told.version.max(version));
        let position = Position {
            version,
            ..position
        };
        subscriber.shown.at = Some(position);
        let shown = subscriber.shown.seq.unwrap_or_default();
        let mut any = false;
        for (version, origin) in document.origins.iter().enumerate() {
            if let Some((owner, seq)) = origin
                && *owner == session
            {
                let contained = version as u64 <= position.version.0;
                assert_eq!(
                    contained,
                    *seq <= shown,
                    "own batch {seq} at version {version}; told {shown}"
                );
                any |= contained;
            }
        }
        if any {
            self.seen.note("subscriber: own batches shown");
        }
    }

    /// Nobody sleeps through a change of what it follows.
    pub(crate) fn check_sleepers(&mut self, key: usize) {
        let name = &self.keys[key];
        let document = self.model.documents.open.get(name);
        for subscriber in &self.subscribers {
            let rung = subscriber.alarm.0.load(Ordering::Relaxed);
            if subscriber.key != key || !subscriber.asleep || rung || subscriber.lost {
                continue;
            }
            let Some(position) = subscriber.replica.position() else {
                continue;
            };
            let document = document.expect("a sleeper is woken when the document goes");
            assert_eq!(
                document.position.epoch, position.epoch,
                "a sleeper is woken when the document goes"
            );
            let (then, _) = self.model.documents.version(name, position).unwrap();
            let path = &subscriber.cursor.path;
            let held = position.version.max(subscriber.cursor.unchanged_to);
            assert!(
                !path.is_root() || held == document.position.version,
                "a wake-up is lost"
            );
            let digest = |root| path.resolve(root).map(Value::digest);
            assert_eq!(digest(then), digest(&document.root), "a wake-up is lost");
        }
    }

    /// Counts it out, until it is read again.
    pub(crate) fn leave(&mut self, which: usize) {
        let subscriber = &mut self.subscribers[which];
        subscriber.pending = None;
        subscriber.asleep = false;
        if let Some((watch, number)) = subscriber.joined.take() {
            watch.leave(number, &subscriber.cursor.path);
            self.seen.note("subscriber: left");
        }
    }

    pub(crate) fn dismiss(&mut self) {
        for subscriber in self.subscribers.drain(..) {
            if let Some((watch, number)) = &subscriber.joined {
                watch.leave(*number, &subscriber.cursor.path);
            }
        }
    }
}

/// P6: what is decided for a subscriber is what the table says.
fn check_next(next: &Next, expected: &Resume, head: Position, cursor: &Cursor) {
    let version = next.version();
    match (expected, next) {
        (Resume::Whole(reason), Next::Frame(frame)) => {
            assert_eq!(frame.position(), head);
            match &frame.body {
                Body::Snapshot { reason: given, .. } => assert_eq!(given, reason),
                Body::Absent => assert!(!cursor.path.is_root()),
                Body::Patch { .. } => panic!("a patch, not the whole: {reason:?}"),
            }
        }
        (Resume::Current, Next::Current(_)) => assert_eq!(version, head.version),
        (Resume::One(one), Next::Frame(frame)) => {
            assert_eq!(version, *one);
            assert!(matches!(frame.body, Body::Patch { .. }));
        }
        (Resume::One(one), Next::Squash(_)) => assert_eq!(version, *one),
        (Resume::Squash, Next::Squash(_)) => assert_eq!(version, head.version),
        _ => panic!("P6: {next:?} is not {expected:?}"),
    }
}

/// What a frame makes of a document.
pub(crate) fn advance(old: &Value, frame: &Frame) -> Value {
    match &frame.body {
        Body::Patch { patch, .. } => {
            let mut new = json(&old.to_string());
            patch
                .apply(&mut new, &Limits::NONE)
                .expect("P5: it applies");
            new
        }
        Body::Snapshot { root, .. } => root.clone(),
        Body::Absent => panic!("the whole document is always there"),
    }
}

const fn word(body: &Body) -> &'static str {
    match body {
        Body::Patch { .. } => "patch",
        Body::Snapshot { reason, .. } => reason.code(),
        Body::Absent => "absent",
    }
}

/// A frame as it is sent: a word, a number, and a text.
fn encode(next: Next) -> Encoded {
    let step = next.finish();
    let text = |frame: &Frame| match &frame.body {
        Body::Patch { from, patch } => format!("patch {} {} {}", frame.to, from, patch.to_value()),
        Body::Snapshot { root, reason } => format!("{} {} 0 {root}", reason.code(), frame.to),
        Body::Absent => format!("absent {} 0 null", frame.to),
    };
    Encoded {
        bytes: step.frame.as_ref().map(|frame| {
            assert_eq!(step.version, frame.to);
            text(frame).into_bytes().into()
        }),
        version: step.version,
    }
}

fn decode(bytes: &[u8], epoch: Epoch) -> Frame {
    let text = std::str::from_utf8(bytes).unwrap();
    let parts: Vec<_> = text.splitn(4, ' ').collect();
    let [word, to, from, text] = parts.try_into().unwrap();
    let version = |text: &str| Version(text.parse().unwrap());
    let reasons = [
        SnapshotReason::Initial,
        SnapshotReason::EpochChanged,
        SnapshotReason::Compacted,
        SnapshotReason::CheaperThanDelta,
        SnapshotReason::Ahead,
        SnapshotReason::Appeared,
    ];
    let body = match word {
        "patch" => Body::Patch {
            from: version(from),
            patch: Arc::new(Patch::from_value(&json(text), Extensions::ALL).unwrap()),
        },
        "absent" => Body::Absent,
        reason => Body::Snapshot {
            root: json(text),
            reason: reasons
                .into_iter()
                .find(|other| other.code() == reason)
                .unwrap(),
        },
    };
    Frame {
        epoch,
        to: version(to),
        body,
    }
}
