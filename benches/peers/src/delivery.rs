//! A change, encoded once, on its way to all who follow a document. Nobody sleeps, so nobody is woken.

use std::{sync::Arc, time::Duration};

use cpu_time::ThreadTime;
use headwater::{Encoding, Engine, Key, Patch, SubscribeOptions, Subscription};
use headwater_benches::{PLAYER_HP, player, replace};

use crate::{
    channels::{Broadcast, Channel, Flume, Kanal, Message, Mpsc},
    measure::{Contest, Effort, Row, Turns, repeat},
    patches::NUMBERS,
    stores,
};

/// What it costs for each receiver.
pub(crate) fn to_all(effort: Effort) -> Vec<Row> {
    [
        ("1", 1),
        ("10", 10),
        ("100", 100),
        ("500", 500),
        ("5,000", 5_000),
    ]
    .map(|(name, receivers)| row(name, receivers, effort))
    .into()
}

/// So many receivers together, of as many documents or channels as that takes, so that reading the clock
/// is nothing beside what is measured.
const RECEIVERS: usize = 1_000;

fn row(name: &str, receivers: usize, effort: Effort) -> Row {
    let groups = (RECEIVERS / receivers).max(1);
    let mut alone = Rooms::with(groups, receivers);
    let mut encoders = alone.followers(1);
    let mut whole = Rooms::with(groups, receivers);
    Contest::new(format!("deliver a frame to {name}, each"))
        .by_part("headwater", |count| {
            let mut delivered = Duration::ZERO;
            repeat(count, || {
                alone.commit();
                let frames: Vec<_> = encoders.iter_mut().map(next).collect();
                let start = ThreadTime::now();
                alone.deliver(|room, frame| {
                    let first = frames.get(room).expect("one for each room");
                    assert!(Arc::ptr_eq(first, &frame));
                });
                delivered += start.elapsed();
            });
            delivered
        })
        .by("headwater, with commit and encoding", |count| {
            repeat(count, || {
                let mut received = 0;
                whole.commit();
                whole.deliver(|_, _| received += 1);
                assert_eq!(received, groups * receivers);
            });
        })
        .by(Broadcast::NAME, through::<Broadcast>(groups, receivers))
        .by(Mpsc::NAME, through::<Mpsc>(groups, receivers))
        .by(Kanal::NAME, through::<Kanal>(groups, receivers))
        .by(Flume::NAME, through::<Flume>(groups, receivers))
        .held(effort)
        .each_of(groups * receivers)
}

/// Documents, each with its followers, who hold the newest version.
struct Rooms {
    engine: Engine,
    keys: Vec<Key>,
    followers: Vec<Vec<Subscription>>,
    turns: Turns<Arc<Patch>>,
}

impl Rooms {
    fn with(rooms: usize, followers: usize) -> Self {
        let path = PLAYER_HP.parse().expect("a pointer");
        let engine = stores::builder().build().expect("the settings are valid");
        let create = |number| {
            let key = Key::new(&format!("room/{number}")).expect("a short name is a key");
            engine.create(&key, player(number)).expect("a new key");
            key
        };
        let mut made = Self {
            keys: (0..rooms).map(create).collect(),
            engine,
            followers: Vec::new(),
            turns: Turns::new(NUMBERS.map(|number| replace(&path, number))),
        };
        let all = made.followers(followers);
        let mut all = all.into_iter();
        made.followers = (0..rooms)
            .map(|_| all.by_ref().take(followers).collect())
            .collect();
        made
    }

    /// So many more of each document, one document's after the other's.
    fn followers(&self, count: usize) -> Vec<Subscription> {
        let mut followers = Vec::with_capacity(self.keys.len() * count);
        for key in &self.keys {
            let options = SubscribeOptions {
                from: self.engine.position(key),
                ..SubscribeOptions::default()
            };
            let follow = || self.engine.subscribe(key, options.clone());
            followers.extend((0..count).map(|_| follow().expect("the document is there")));
        }
        followers
    }

    fn commit(&mut self) {
        let patch = self.turns.next();
        for key in &self.keys {
            let applied = self.engine.apply(key, Arc::clone(patch));
            applied.expect("the path is there");
        }
    }

    /// Each follower takes its frame.
    fn deliver(&mut self, mut taken: impl FnMut(usize, Message)) {
        for (room, followers) in self.followers.iter_mut().enumerate() {
            for follower in followers {
                taken(room, next(follower));
            }
        }
    }
}

fn next(follower: &mut Subscription) -> Message {
    let frame = follower.poll_bytes(Encoding::Json);
    let frame = frame.expect("the document is there");
    frame.expect("there was a commit")
}

fn through<C: Channel>(groups: usize, receivers: usize) -> impl FnMut(u64) {
    let mut channels: Vec<C> = (0..groups).map(|_| C::with_receivers(receivers)).collect();
    // About what a frame with one replacement takes.
    let message = Message::from(vec![7; 120]);
    move |count| {
        repeat(count, || {
            for channel in &channels {
                channel.send(&message);
            }
            let mut received = 0;
            for channel in &mut channels {
                channel.receive(|taken| {
                    assert!(Arc::ptr_eq(&taken, &message));
                    received += 1;
                });
            }
            assert_eq!(received, groups * receivers);
        });
    }
}
