//! A shard, and any sequence of what can happen to it: every batch is accounted for, no lane goes back,
//! memory stays within its budget, and every subscriber gets to the head.

#![no_main]

mod clients;
mod documents;
mod follower;
mod memory;
mod rule;

use std::{sync::Arc, time::Duration};

use headwater_core::{
    AtDeadline, Attachment, Bound, CloseReason, ColdBounds, Frozen, HistoryBounds, Incarnation,
    Key, Position, ReorderBounds, Seq, SessionId, Sessions, Shard, ShardConfig, Shared, Snapshot,
    Submission, Thawed, Time, WhenFull,
};
use headwater_doc::{Extensions, Operation, Patch};
use headwater_fuzz::{Bytes, SMALL};
use libfuzzer_sys::fuzz_target;

use self::{documents::Pending, follower::Follower};

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

/// How long a document must be unused to be compressed, but where memory is short.
const IDLE: Duration = Duration::from_secs(1);

/// How long a lane waits for what it misses.
const GAP_DEADLINE: Duration = Duration::from_secs(2);

/// What a server would hold, and what it would remember to check the shard by.
struct Host {
    shard: Shard,
    sessions: Sessions,
    shared: Arc<Shared>,
    now: Time,
    keys: Vec<Key>,
    /// All that were issued, with their present attachment; ended ones stay, to be tried again.
    issued: Vec<(SessionId, Attachment)>,
    /// Batches that were handed in, to be handed in again.
    sent: Vec<Submission>,
    received: u64,
    /// The last decided seq of each lane that was looked at.
    decided: Vec<((SessionId, Key), Seq)>,
    followers: Vec<Follower>,
    /// Versions that readers hold, each with its text.
    held: Vec<(Snapshot, String)>,
    /// What was begun in one step and is finished in a later one.
    pending: Option<Pending>,
    frozen: Option<Frozen>,
    thawed: Option<Thawed>,
    /// Whether a batch had a copy in it, which takes more than the budget foresees.
    copied: bool,
}

impl Host {
    /// The bits of `choice` say how tight the bounds are and what happens at them.
    fn new(choice: u8) -> Self {
        let loose = choice & 1 == 1;
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
                gap_deadline: GAP_DEADLINE,
                when_full: if choice & 2 == 0 {
                    WhenFull::EvictFarthest
                } else {
                    WhenFull::RefuseNew
                },
                at_deadline: if choice & 4 == 0 {
                    AtDeadline::Report
                } else {
                    AtDeadline::Skip
                },
            },
            history: HistoryBounds {
                age_min: Duration::from_secs(5),
                commits_min: 4,
                commits_max: 16,
                bytes_min: 4_096,
            },
            cold: ColdBounds {
                bytes_min: 64,
                idle: IDLE,
            },
        };
        let memory_max = match (choice >> 3) & 3 {
            0 | 1 => 16 << 20,
            2 => 96 << 10,
            _ => 24 << 10,
        };
        let mut shared = Shared::new(INCARNATION, memory_max);
        if choice & 32 == 32 {
            shared.admit = Some(Arc::new(rule::rule));
        }
        let shared = Arc::new(shared);
        let keys = ["room/1", "room/2", "room/3"];
        let key = |name| Key::new(name).expect("a short name is a key");
        Self {
            shard: Shard::new(config, Arc::clone(&shared)),
            sessions: Sessions::new(INCARNATION, SESSIONS_MAX),
            shared,
            now: Time::START,
            keys: keys.into_iter().map(key).collect(),
            issued: Vec::new(),
            sent: Vec::new(),
            received: 0,
            decided: Vec::new(),
            followers: Vec::new(),
            held: Vec::new(),
            pending: None,
            frozen: None,
            thawed: None,
            copied: false,
        }
    }

    fn step(&mut self, bytes: &mut Bytes<'_>) {
        let choice = bytes.byte() % 30;
        let key = self.keys[bytes.below(self.keys.len())].clone();
        match choice {
            0 => self.open(),
            1..=8 => self.submit(&key, bytes),
            9 | 10 => self.submit_again(bytes),
            11 => self.tick(u64::from(bytes.byte()) * 20),
            12 => self.shard.turn(self.now),
            13 => self.attach(bytes),
            14 => self.close_session(bytes),
            15 | 16 => self.create(&key, bytes),
            17 => self.remove(&key),
            18 => self.apply(&key, bytes),
            19 => self.look_back(&key, bytes),
            20 => self.subscribe(key, bytes),
            21 | 22 => self.poll(bytes),
            23 => self.stage(&key, bytes),
            24 => self.install(),
            25 => self.freeze(bytes),
            26 => self.thaw(&key),
            27 => self.hold(&key),
            28 => self.let_go(bytes),
            _ => self.relieve(bytes),
        }
    }

    fn tick(&mut self, millis: u64) {
        self.now = self.now + Duration::from_millis(millis);
        let due = |shard: &Shard, now| shard.next_deadline().is_some_and(|due| due <= now);
        for _ in 0..ROUNDS_MAX {
            if !due(&self.shard, self.now) {
                return;
            }
            self.shard.tick(self.now);
        }
        panic!("ticks that settle nothing");
    }

    fn head(&self, key: &Key) -> Option<Position> {
        self.shard.position(key)
    }

    /// A patch that often applies to the document under a key.
    fn patch(&mut self, key: &Key, bytes: &mut Bytes<'_>) -> Arc<Patch> {
        let head = self.shard.snapshot(self.now, key);
        let root = head.map(|head| head.root.clone()).unwrap_or_default();
        let patch = bytes.patch(&root, 8);
        let is_copy = |operation: &Operation| matches!(operation, Operation::Copy { .. });
        self.copied |= patch.operations().iter().any(is_copy);
        Arc::new(patch)
    }

    /// What must hold after every step.
    fn account(&mut self) {
        let counts = self.shard.counts();
        assert!(counts.balance(), "{counts:?}");
        assert_eq!(counts.received, self.received);
        assert_eq!(counts.held, self.shared.pool.batches() as u64);
        for ((session, key), decided) in &self.decided {
            let status = self.shard.lane_status(*session, key);
            assert!(status.decided >= *decided, "a lane never goes back");
            assert_eq!(status.expected, status.decided.next());
            assert_eq!(status.held > 0, status.deadline.is_some());
            assert_eq!(status.held > 0, status.highest_held.is_some());
        }
        let effects = self.shard.effects();
        for waker in effects.woken {
            waker.wake();
        }
        for (key, reason) in effects.closed {
            assert_eq!(reason, CloseReason::Panicked);
            assert!(!self.shard.contains(&key), "closed, and still there");
        }
        for (session, _) in effects.late {
            assert!(self.issued.iter().any(|&(issued, _)| issued == session));
        }
        for follower in &mut self.followers {
            follower.check_sleep(&self.shard);
        }
        self.check_memory();
    }

    /// Whatever happened, everybody gets to the head, and what is held is given up in the end.
    fn finish(mut self) {
        for follower in &mut self.followers {
            follower.follow(&self.shard, self.now, usize::MAX);
        }
        self.tick(0);
        for _ in 0..ROUNDS_MAX {
            if self.shard.counts().held == 0 {
                break;
            }
            // What was decided meanwhile has put the deadline of the rest off.
            self.tick(3_000);
        }
        assert_eq!(self.shard.counts().held, 0);
        let pool = &self.shared.pool;
        assert_eq!((pool.batches(), pool.bytes()), (0, 0));
        self.account();
        let shared = Arc::clone(&self.shared);
        drop(self);
        assert_eq!((shared.budget.used(), shared.frames.bytes()), (0, 0));
    }
}

/// Rounds that any amount of work here takes at most.
const ROUNDS_MAX: usize = 10_000;
