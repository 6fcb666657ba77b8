use std::{
    pin::pin,
    sync::Arc,
    task::{Context, Poll, Waker},
};

use headwater::{Encoding, Engine, Key, SubscribeOptions, Subscription};
use headwater_benches::player;

use crate::{
    chart::{Chart, Line, Scale},
    measure::{Effort, repeat},
    unit::Unit,
    workload::{engine, follow, hits, key, one_of, position},
};

/// More than a round's commits would do, so that nobody falls out of the history.
const COMMITS: usize = 256;

/// What a commit and its delivery cost while more and more subscribers follow one document.
pub(crate) fn charts(effort: Effort) -> Vec<Chart> {
    let mut commit = Line::new("the commit alone");
    let mut polled = Line::new("commit and frame, for each");
    let mut woken = Line::new("with a wake-up, for each");
    for count in effort.sizes(&[1, 10, 100, 1_000, 10_000], &[]) {
        let mut room = Room::new(count);
        let cost = effort.cost(count, |times| repeat(times, || room.commit()));
        commit.push(cost);
        let mut room = Room::new(count);
        let cost = effort.cost(count, |times| {
            repeat(times, || {
                room.commit();
                room.deliver();
            })
        });
        polled.push(cost.shared_by(count));
        let mut room = Room::new(count);
        let cost = effort.cost(count, |times| {
            repeat(times, || {
                room.sleep();
                room.commit();
                room.deliver();
            })
        });
        woken.push(cost.shared_by(count));
    }
    vec![Chart {
        name: "subscribers",
        title: "A commit and its delivery to many subscribers",
        notes: vec![
            "One document of 0.8 KB; each subscriber takes each commit's frame, encoded."
                .to_owned(),
            "CPU time, medians of the rounds; bars from the least to the most.".to_owned(),
        ],
        size: Scale {
            label: "subscribers of the document",
            unit: Unit::Count,
        },
        figure: Scale {
            label: "time of the commit alone, or of everything per subscriber",
            unit: Unit::Nanoseconds,
        },
        lines: vec![commit, woken, polled],
    }]
}

/// A document and those who follow it.
struct Room {
    engine: Engine,
    key: Key,
    hits: [Arc<headwater::Patch>; 2],
    commits: u64,
    followers: Vec<Subscription>,
}

impl Room {
    fn new(followers: u64) -> Self {
        let (engine, key) = (engine(COMMITS), key(0));
        engine.create(&key, player(0)).expect("a new key");
        let options = SubscribeOptions {
            from: Some(position(&engine, &key)),
            ..SubscribeOptions::default()
        };
        let follow = |_| follow(&engine, &key, options.clone());
        Self {
            followers: (0..followers).map(follow).collect(),
            hits: hits(1_000),
            commits: 0,
            engine,
            key,
        }
    }

    fn commit(&mut self) {
        let hit = Arc::clone(one_of(&self.hits, self.commits));
        self.commits += 1;
        let version = self.engine.apply(&self.key, hit);
        assert_eq!(version.map(|version| version.0), Ok(self.commits));
    }

    /// Takes the frame of the last commit to each of them.
    fn deliver(&mut self) {
        let mut first: Option<Arc<[u8]>> = None;
        for follower in &mut self.followers {
            let bytes = follower.poll_bytes(Encoding::Json);
            let bytes = bytes
                .expect("the document is there")
                .expect("a new version");
            let first = first.get_or_insert_with(|| Arc::clone(&bytes));
            assert!(Arc::ptr_eq(first, &bytes), "encoded more than once");
        }
        let last = self.followers.last().and_then(Subscription::position);
        assert_eq!(last.map(|position| position.version.0), Some(self.commits));
    }

    /// Has each of them wait for the next commit.
    fn sleep(&mut self) {
        let mut context = Context::from_waker(Waker::noop());
        for follower in &mut self.followers {
            let next = pin!(follower.next_bytes(Encoding::Json));
            assert!(matches!(next.poll(&mut context), Poll::Pending));
        }
    }
}
