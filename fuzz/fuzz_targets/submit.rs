//! A shard, and any sequence of what can happen to it: every batch is accounted for, no lane goes
//! back, and every subscriber gets to the head.

#![no_main]

use std::{sync::Arc, time::Duration};

use headwater_core::{
    Attachment, Bound, Cursor, HistoryBounds, Incarnation, Key, Mode, Outcome, Position, Refusal,
    ReorderBounds, ReorderPool, Replica, Seq, SessionId, Sessions, Shard, ShardConfig, Submission,
    Time, Version,
};
use headwater_doc::{Extensions, Patch, Value};
use headwater_fuzz::{Bytes, SMALL, check};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let mut bytes = Bytes::new(bytes);
    let mut host = Host::new(bytes.byte());
    // Each step takes at least a byte.
    while !bytes.is_empty() {
        host.step(&mut bytes);
        host.account();
    }
    host.finish();
});

const INCARNATION: Incarnation = Incarnation(7);

/// Sessions open at a time.
const SESSIONS_MAX: usize = 3;

/// What a server would hold, and what it would remember to check the shard by.
struct Host {
    shard: Shard,
    sessions: Sessions,
    pool: Arc<ReorderPool>,
    now: Time,
    keys: Vec<Key>,
    /// All that were issued, with their present attachment; ended ones stay, to be tried again.
    issued: Vec<(SessionId, Attachment)>,
    /// Batches that were handed in, to be handed in again.
    sent: Vec<Submission>,
    received: u64,
    /// The last decided seq of each lane that was looked at.
    decided: Vec<((SessionId, Key), Seq)>,
    subscribers: Vec<(Key, Cursor, Replica)>,
}

impl Host {
    /// `choice` says how tight the bounds are.
    fn new(choice: u8) -> Self {
        let loose = choice % 2 == 1;
        let bound = |batches| Bound {
            batches,
            bytes: batches * 400,
        };
        let config = ShardConfig {
            limits: SMALL,
            extensions: Extensions::ALL,
            batch_bytes_max: 2_048,
            batch_operations_max: 6,
            outcomes_max: 4,
            documents_max: 2,
            lanes_max: 4,
            reorder: ReorderBounds {
                lane: bound(if loose { 128 } else { 4 }),
                document: bound(if loose { 256 } else { 6 }),
                engine: bound(if loose { 512 } else { 8 }),
                gap_deadline: Duration::from_secs(2),
            },
            history: HistoryBounds {
                age_min: Duration::from_secs(5),
                commits_min: 4,
                commits_max: 16,
                bytes_min: 4_096,
            },
        };
        let pool = Arc::new(ReorderPool::default());
        let keys = ["room/1", "room/2", "room/3"];
        let key = |name| Key::new(name).expect("a short name is a key");
        Self {
            shard: Shard::new(config, INCARNATION, Arc::clone(&pool)),
            sessions: Sessions::new(INCARNATION, SESSIONS_MAX),
            pool,
            now: Time::START,
            keys: keys.into_iter().map(key).collect(),
            issued: Vec::new(),
            sent: Vec::new(),
            received: 0,
            decided: Vec::new(),
            subscribers: Vec::new(),
        }
    }

    fn step(&mut self, bytes: &mut Bytes<'_>) {
        let choice = bytes.byte() % 20;
        let key = self.keys[bytes.below(self.keys.len())].clone();
        match choice {
            0 => {
                self.open();
            }
            1..=7 => self.submit(&key, bytes),
            8 | 9 => self.submit_again(bytes),
            10 => {
                self.now = self.now + Duration::from_millis(u64::from(bytes.byte()) * 20);
                self.shard.tick(self.now);
                assert!(self.shard.next_deadline().is_none_or(|due| due > self.now));
            }
            11 => self.shard.turn(self.now),
            12 => {
                if let Some((session, attachment)) = self.issued_one(bytes)
                    && let Ok(current) = self.sessions.attach(session)
                {
                    assert!(current > attachment);
                    self.issued.retain(|&(other, _)| other != session);
                    self.issued.push((session, current));
                }
            }
            13 => {
                if let Some((session, _)) = self.issued_one(bytes)
                    && self.sessions.close(session)
                {
                    self.shard.forget(session);
                    self.decided.retain(|((other, _), _)| *other != session);
                }
            }
            14 => self.create(&key, bytes.value()),
            15 => {
                let there = self.shard.epoch(&key).is_some();
                assert_eq!(self.shard.remove(&key).is_some(), there);
                assert!(self.shard.epoch(&key).is_none());
            }
            16 => self.apply(&key, bytes),
            17 => self.look_back(&key, bytes),
            18 => self.subscribe(key, bytes),
            _ => self.poll(bytes),
        }
    }

    fn open(&mut self) {
        let room = self.sessions.len() < SESSIONS_MAX;
        let opened = self.sessions.open();
        assert_eq!(opened.is_ok(), room);
        self.issued.extend(opened);
    }

    fn issued_one(&self, bytes: &mut Bytes<'_>) -> Option<(SessionId, Attachment)> {
        let chosen = bytes.below(self.issued.len().max(1));
        self.issued.get(chosen).copied()
    }

    fn submit(&mut self, key: &Key, bytes: &mut Bytes<'_>) {
        let (session, attachment) = match bytes.below(16) {
            0 => (stranger(), Attachment(1)),
            _ => self
                .issued_one(bytes)
                .unwrap_or((stranger(), Attachment(1))),
        };
        let expected = self.shard.lane_status(session, key).expected;
        let seq = match bytes.below(32) {
            0 => Seq(0),
            1 => Seq(u64::MAX),
            2 => Seq(u64::MAX - 1),
            3..=6 => Seq(expected.0.saturating_sub(bytes.byte().into())),
            7..=20 => Seq(expected.0.saturating_add((bytes.byte() % 8).into())),
            _ => expected,
        };
        let acked = match bytes.below(8) {
            0 => Seq(u64::MAX),
            1 => Seq(expected.0.saturating_sub(2)),
            _ => Seq::ZERO,
        };
        let batch = Submission {
            session,
            attachment: match bytes.below(16) {
                0 => Attachment(attachment.0 - 1),
                _ => attachment,
            },
            key: key.clone(),
            seq,
            acked,
            chained: bytes.below(4) == 0,
            patch: self.patch(key, bytes),
        };
        self.hand_in(batch);
    }

    fn submit_again(&mut self, bytes: &mut Bytes<'_>) {
        let chosen = bytes.below(self.sent.len().max(1));
        // Counted from the end, so that what is recent is within reach.
        let Some(again) = self.sent.iter().rev().nth(chosen) else {
            return;
        };
        let (again, before) = (again.clone(), self.shard.counts().applied);
        let (session, key, seq) = (again.session, again.key.clone(), again.seq);
        let known = self.shard.decision(session, &key, seq);
        let outcome = self.hand_in(again);
        if let Some(known) = known {
            let once = match outcome {
                Outcome::Duplicate(decision) => decision == known,
                Outcome::Refused(refusal) => matches!(
                    refusal,
                    Refusal::UnknownSession | Refusal::Fenced { .. } | Refusal::SeqReused
                ),
                _ => false,
            };
            assert!(once, "a batch that was decided is not decided again");
            assert_eq!(self.shard.counts().applied, before);
        }
    }

    fn hand_in(&mut self, batch: Submission) -> Outcome {
        let before = self.shard.lane_status(batch.session, &batch.key);
        let head = self.head(&batch.key);
        self.received += 1;
        let outcome = self.shard.submit(self.now, &self.sessions, &batch);
        let after = self.shard.lane_status(batch.session, &batch.key);
        match &outcome {
            Outcome::Applied { version } => {
                assert_eq!(batch.seq, before.expected, "only the next in order");
                assert_eq!(Some(*version), head.map(|head| head.version.next()));
            }
            Outcome::Rejected(_) => assert_eq!(batch.seq, before.expected),
            Outcome::Held { expected, .. } => {
                assert!(batch.seq > *expected);
                assert!(after.held > 0);
            }
            Outcome::Duplicate(_) | Outcome::Refused(_) => {
                assert_eq!(before.decided, after.decided);
                assert_eq!(self.head(&batch.key), head);
            }
        }
        let lane = (batch.session, batch.key.clone());
        self.decided.retain(|(other, _)| *other != lane);
        self.decided.push((lane, after.decided));
        self.sent.push(batch);
        outcome
    }

    fn head(&self, key: &Key) -> Option<Position> {
        self.shard.snapshot(key).map(|snapshot| snapshot.position)
    }

    fn patch(&self, key: &Key, bytes: &mut Bytes<'_>) -> Arc<Patch> {
        let root = self.shard.snapshot(key).map(|snapshot| snapshot.root);
        Arc::new(bytes.patch(&root.unwrap_or_default(), 8))
    }

    fn create(&mut self, key: &Key, root: Value) {
        let there = self.shard.epoch(key);
        match self.shard.create(key, root) {
            Ok(position) => {
                assert!(there.is_none());
                assert_eq!(self.head(key), Some(position));
                assert_eq!(position.version, Version::ZERO);
            }
            Err(_) => assert_eq!(self.shard.epoch(key), there),
        }
    }

    fn apply(&mut self, key: &Key, bytes: &mut Bytes<'_>) {
        let before = self.shard.snapshot(key);
        let patch = self.patch(key, bytes);
        let applied = self.shard.apply(self.now, key, patch);
        let after = self.shard.snapshot(key);
        match (applied, before, after) {
            (Ok(version), Some(before), Some(after)) => {
                assert_eq!(version, before.position.version.next());
                assert_eq!(version, after.position.version);
                check(&after.root);
                let back = self.shard.rewind(key, before.position.version);
                // The bounds may keep not even the newest commit.
                if let Some(back) = back.map(headwater_core::Rewind::finish) {
                    assert!(back.root.identical(&before.root));
                }
            }
            (Err(_), Some(before), Some(after)) => {
                assert_eq!(before.position, after.position);
                assert!(before.root.same(&after.root) || before.root.identical(&after.root));
            }
            (applied, before, _) => assert!(applied.is_err() && before.is_none()),
        }
    }

    fn look_back(&self, key: &Key, bytes: &mut Bytes<'_>) {
        let Some(head) = self.head(key) else {
            return;
        };
        let back = bytes.byte() % 20;
        let version = Version(head.version.0.saturating_sub(back.into()));
        if let Some(rewind) = self.shard.rewind(key, version) {
            let there = rewind.finish();
            assert_eq!(there.position.version, version);
            check(&there.root);
            let made = self.shard.commit(key, version.next());
            assert_eq!(made.is_some(), version < head.version);
        }
    }

    fn subscribe(&mut self, key: Key, bytes: &mut Bytes<'_>) {
        if self.subscribers.len() == 8 {
            return;
        }
        let cursor = Cursor {
            position: None,
            mode: match bytes.below(2) {
                0 => Mode::EveryCommit,
                _ => Mode::Latest,
            },
            extensions: Extensions {
                increment: bytes.below(2) == 0,
                splice: bytes.below(2) == 0,
            },
        };
        self.subscribers.push((key, cursor, Replica::new()));
    }

    fn poll(&mut self, bytes: &mut Bytes<'_>) {
        let chosen = bytes.below(self.subscribers.len().max(1));
        if let Some(subscriber) = self.subscribers.get_mut(chosen) {
            follow(&self.shard, subscriber, 1 + bytes.below(4));
        }
    }

    /// What must hold after every step.
    fn account(&self) {
        let counts = self.shard.counts();
        assert!(counts.balance(), "{counts:?}");
        assert_eq!(counts.received, self.received);
        assert_eq!(counts.held, self.pool.batches() as u64);
        for ((session, key), decided) in &self.decided {
            let status = self.shard.lane_status(*session, key);
            assert!(status.decided >= *decided, "a lane never goes back");
            assert_eq!(status.expected, status.decided.next());
            assert_eq!(status.held > 0, status.deadline.is_some());
            assert_eq!(status.held > 0, status.highest_held.is_some());
        }
    }

    /// Whatever happened, everybody gets to the head, and what is held is given up in the end.
    fn finish(mut self) {
        for subscriber in &mut self.subscribers {
            follow(&self.shard, subscriber, usize::MAX);
        }
        while self.shard.has_turn() {
            self.shard.turn(self.now);
        }
        self.now = self.now + Duration::from_secs(3);
        self.shard.tick(self.now);
        assert_eq!(self.shard.counts().held, 0);
        assert_eq!((self.pool.batches(), self.pool.bytes()), (0, 0));
        self.account();
    }
}

/// Takes up to `most` frames, and checks the replica where it has caught up.
fn follow(shard: &Shard, (key, cursor, replica): &mut (Key, Cursor, Replica), most: usize) {
    for _ in 0..most {
        let Some(next) = shard.next(key, cursor) else {
            return;
        };
        let Some(frame) = next.finish() else {
            let head = shard.snapshot(key).expect("there is something to follow");
            assert_eq!(replica.position(), Some(head.position));
            assert!(replica.root().identical(&head.root));
            return;
        };
        replica.apply(&frame).expect("a frame fits its cursor");
        cursor.position = replica.position();
    }
}

/// A session of another life of the engine.
fn stranger() -> SessionId {
    SessionId {
        incarnation: Incarnation(1),
        number: 1,
    }
}
