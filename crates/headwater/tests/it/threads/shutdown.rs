//! Readers, writers of every kind, subscribers, and a shutdown in the middle of it.

use std::{collections::BTreeMap, thread, time::Duration};

use headwater::{
    Busy, EditError, Engine, Key, Mode, Outcome, QueueBounds, Refusal, Replica, Seq,
    SubscribeOptions, Subscription,
};
use tokio::runtime;

use super::{Signal, window};
use crate::{
    fixture::{append, builder, counts, json, key, rooms, text},
    random::Random,
};

/// How long everything goes on at once before the shutdown.
const AT_ONCE: Duration = Duration::from_millis(1_500);

/// P3, P4, P5 and P8: readers, writers of every kind, subscribers, and a shutdown in the middle of it.
#[test]
fn everything_at_once_ends_in_a_shutdown_that_leaves_nothing_open() {
    let runtime = runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_time()
        .build();
    let runtime = runtime.unwrap();
    let bounds = QueueBounds {
        kib: 16,
        round_batches: 8,
        ..QueueBounds::default()
    };
    let engine = builder().shards(4).queue(bounds).build().unwrap();
    let crowd = Crowd {
        rooms: rooms(&engine),
        engine,
        over: Signal::default(),
    };
    runtime.block_on(async { crowd.engine.start().unwrap() });
    thread::scope(|scope| {
        let crowd = &crowd;
        let submits = [1, 2].map(|seed| scope.spawn(move || crowd.submit(seed)));
        let queues: Vec<_> = (3..7).map(|seed| crowd.enqueue(seed)).collect();
        let queues: Vec<_> = queues
            .into_iter()
            .map(|client| runtime.spawn(client))
            .collect();
        let hosts = [7, 8].map(|seed| scope.spawn(move || crowd.host(seed)));
        let reads = [9, 10].map(|seed| scope.spawn(move || crowd.read(seed)));
        let follows = [Mode::EveryCommit, Mode::Latest].map(|mode| {
            let followers = crowd.rooms.iter().map(|room| {
                let options = SubscribeOptions {
                    mode,
                    ..SubscribeOptions::default()
                };
                (
                    crowd.engine.subscribe(room, options).unwrap(),
                    Replica::new(),
                )
            });
            let followers: Vec<_> = followers.collect();
            scope.spawn(move || crowd.follow(followers))
        });

        thread::sleep(AT_ONCE);
        let report = runtime.block_on(crowd.engine.shutdown(Duration::from_secs(20)));
        assert_eq!(
            (report.left, report.aborted, crowd.engine.tasks()),
            (0, 0, 0)
        );
        let mut received: u64 = submits.map(|client| client.join().unwrap()).iter().sum();
        for client in queues {
            received += runtime.block_on(client).unwrap();
        }
        // The host may go on after the shutdown, and does until now.
        crowd.over.give();
        for thread in hosts.into_iter().chain(reads) {
            thread.join().unwrap();
        }
        let replicas = follows.map(|follower| follower.join().unwrap());
        for replicas in replicas {
            for (room, mut replica, mut subscription) in replicas {
                crate::fixture::follow(&mut subscription, &mut replica);
                assert_eq!(replica.root().canonical(), text(&crowd.engine, &room));
            }
        }
        let counts = counts(&crowd.engine);
        assert_eq!((counts.received, counts.held), (received, 0));
        assert!(
            counts.applied > 0 && counts.duplicate > 0 && counts.told > 0,
            "{counts:?}"
        );
        assert_eq!(crowd.engine.stats().queued, 0);
        assert_eq!(crowd.engine.next_deadline(), None);
        assert_eq!(crowd.engine.stats().task_panics, 0);
    });
}

struct Crowd {
    engine: Engine,
    rooms: Vec<Key>,
    over: Signal,
}

/// Whether an outcome says that the engine is shutting down.
fn is_over(outcome: &Outcome) -> bool {
    match outcome {
        Outcome::Refused(Refusal::Retry { cause, .. }) => {
            assert_eq!(*cause, Busy::ShuttingDown);
            true
        }
        _ => false,
    }
}

impl Crowd {
    /// Hands in over a bad link until the engine shuts down; how many that were.
    fn submit(&self, seed: u64) -> u64 {
        let mut random = Random::new(seed);
        let session = self.engine.open_session().unwrap();
        let mut received = 0;
        loop {
            let room = &self.rooms[random.index(6)];
            let expected = session.status(room).expected.0;
            for seq in window(expected, &mut random).into_iter().take(20) {
                received += 1;
                let outcome = session.submit(room, Seq(seq), append(seq));
                if is_over(&outcome) {
                    return received;
                }
            }
        }
    }

    /// The same through the queue, in order.
    fn enqueue(&self, seed: u64) -> impl Future<Output = u64> + Send + 'static {
        let (engine, rooms) = (self.engine.clone(), self.rooms.clone());
        async move {
            let mut random = Random::new(seed);
            let session = engine.open_session().unwrap();
            let mut received = 0;
            loop {
                let room = &rooms[random.index(6)];
                let expected = session.status(room).expected.0;
                for seq in expected.saturating_sub(1).max(1)..expected + 3 {
                    received += 1;
                    let batch = session.batch(room, Seq(seq), append(seq));
                    let outcome = engine.submit_queued(batch).await;
                    if is_over(&outcome) {
                        return received;
                    }
                }
            }
        }
    }

    /// Changes documents in every way that a host has, and makes and removes some.
    fn host(&self, seed: u64) {
        let mut random = Random::new(seed);
        let mut number = 0;
        while !self.over.given() {
            number += 1;
            let room = &self.rooms[random.index(self.rooms.len())];
            let other = &self.rooms[random.index(self.rooms.len())];
            match random.index(6) {
                0 => assert!(self.engine.apply(room, append(number)).is_ok()),
                1 => {
                    let cut = self.engine.edit(room, |draft| draft.set("/log", &[number]));
                    assert!(matches!(cut, Ok(_) | Err(EditError::Conflict)), "{cut:?}");
                }
                2 => {
                    let cut = self
                        .engine
                        .store(room, &BTreeMap::from([("log", [seed, number])]));
                    assert!(matches!(cut, Ok(_) | Err(EditError::Conflict)), "{cut:?}");
                }
                3 => {
                    let writes = [room, other, room].map(|key| (key.clone(), append(number)));
                    assert_eq!(self.engine.transact(&writes).unwrap().len(), 3);
                }
                4 => {
                    let attic = key(&format!("attic/{seed}"));
                    self.engine.create(&attic, json("[]")).unwrap();
                    self.engine.remove(&attic).unwrap();
                }
                _ => {
                    let _not_there = self.engine.remove(&key("nowhere"));
                }
            }
        }
    }

    fn read(&self, seed: u64) {
        let mut random = Random::new(seed);
        let handles: Vec<_> = self
            .rooms
            .iter()
            .map(|room| self.engine.handle(room).unwrap())
            .collect();
        while !self.over.given() {
            let handle = &handles[random.index(handles.len())];
            let (one, two) = (handle.read().unwrap(), handle.read().unwrap());
            assert!(one.position.version <= two.position.version);
            let many = self.engine.read_many(&self.rooms[..3]);
            assert!(many.iter().all(Option::is_some));
            if let Some(then) = self.engine.at(handle.key(), one.position.version) {
                assert!(then.root.identical(&one.root));
            }
            let _stats = self.engine.stats();
            thread::yield_now();
        }
    }

    fn follow(
        &self,
        mut followers: Vec<(Subscription, Replica)>,
    ) -> Vec<(Key, Replica, Subscription)> {
        while !self.over.given() {
            for (subscription, replica) in &mut followers {
                if let Some(frame) = subscription.poll().unwrap() {
                    replica.apply(&frame).unwrap();
                }
            }
            thread::yield_now();
        }
        let keys = self.rooms.iter().cloned();
        let all = keys.zip(followers);
        all.map(|(room, (subscription, replica))| (room, replica, subscription))
            .collect()
    }
}
