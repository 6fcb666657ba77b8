use std::{hint::black_box, iter};

use headwater::{
    Body, Encoding, Engine, Key, Limits, Mode, Operation, Patch, Position, SubscribeOptions,
    Subscription, Value, Version,
};
use headwater_benches::{ROOM_PLAYERS_1MB, player_hp, room};

use crate::{
    chart::{Chart, Line, Scale},
    measure::{Effort, Point, as_f64, timed},
    unit::Unit,
    workload::{follow, one, position},
};

/// Of the room's players so many move.
const PLAYERS_MOVING: usize = 50;

const BEHIND: [u64; 4] = [1, 10, 100, 1_000];

/// What it takes to bring a subscriber up to date that is further and further behind.
pub(crate) fn charts(effort: Effort) -> Vec<Chart> {
    let (engine, key) = one(1_024, room(ROOM_PLAYERS_1MB));
    let mut rng = fastrand::Rng::with_seed(1);
    for _ in 0..1_000 {
        engine
            .apply(&key, step(&mut rng))
            .expect("the path is there");
    }
    let mut latest = Line::new("one frame to the newest");
    let mut every = Line::new("a frame for every commit");
    let mut latest_bytes = Line::new("one frame to the newest");
    let mut every_bytes = Line::new("a frame for every commit");
    for commits in effort.sizes(&BEHIND, &[]) {
        let late = Late::new(&engine, &key, commits);
        late.check();
        let cost = |mode, frames| {
            effort.cost(commits, |times| {
                let followers = (0..times).map(|_| late.follow(mode));
                let mut followers: Vec<_> = followers.collect();
                timed(|| {
                    for follower in &mut followers {
                        assert_eq!(take_all(follower), frames);
                    }
                })
            })
        };
        latest.push(cost(Mode::Latest, 1));
        every.push(cost(Mode::EveryCommit, commits));
        let bytes = |mode| Point::exact(commits, as_f64(late.bytes(mode)));
        latest_bytes.push(bytes(Mode::Latest));
        every_bytes.push(bytes(Mode::EveryCommit));
    }
    let size = Scale {
        label: "commits that the subscriber is behind",
        unit: Unit::Count,
    };
    let moves = "A room of 1 MB, in which each commit moves one of 50 players, at random.";
    vec![
        Chart {
            name: "behind",
            title: "Bringing a late subscriber up to date",
            notes: vec![
                format!("{moves} Frames are made and encoded for it alone."),
                "CPU time, medians of the rounds; bars from the least to the most.".to_owned(),
            ],
            size,
            figure: Scale {
                label: "time until it has the newest version",
                unit: Unit::Nanoseconds,
            },
            lines: vec![latest, every],
        },
        Chart {
            name: "behind-bytes",
            title: "Bytes that bring a late subscriber up to date",
            notes: vec![moves.to_owned(), "Frames as JSON.".to_owned()],
            size,
            figure: Scale {
                label: "bytes until it has the newest version",
                unit: Unit::Bytes,
            },
            lines: vec![latest_bytes, every_bytes],
        },
    ]
}

/// A player goes to another place.
fn step(rng: &mut fastrand::Rng) -> Patch {
    let hp = player_hp(rng.usize(..PLAYERS_MOVING));
    let state = hp.parent().and_then(|vitals| vitals.parent());
    let place = state.expect("hit points are at depth 5").child("place");
    let replace = |axis| Operation::Replace {
        path: place.child(axis),
        value: Value::from(rng.u32(..2_048)),
    };
    Patch::from(["x", "y"].map(replace).to_vec())
}

/// Subscribers that are so many commits behind.
struct Late<'a> {
    engine: &'a Engine,
    key: &'a Key,
    from: Position,
    commits: u64,
}

impl<'a> Late<'a> {
    fn new(engine: &'a Engine, key: &'a Key, commits: u64) -> Self {
        let head = position(engine, key);
        let version = Version(head.version.0 - commits);
        Self {
            engine,
            key,
            from: Position { version, ..head },
            commits,
        }
    }

    fn follow(&self, mode: Mode) -> Subscription {
        let options = SubscribeOptions {
            from: Some(self.from),
            mode,
            ..SubscribeOptions::default()
        };
        follow(self.engine, self.key, options)
    }

    /// Bytes of all frames that it takes.
    fn bytes(&self, mode: Mode) -> u64 {
        let mut follower = self.follow(mode);
        let poll = || {
            follower
                .poll_bytes(Encoding::Json)
                .expect("the document is there")
        };
        iter::from_fn(poll).map(|bytes| bytes.len() as u64).sum()
    }

    /// Asserts that both ways lead to the newest version.
    fn check(&self) {
        let newest = self.engine.get(self.key).expect("the document is there");
        let held = self.engine.at(self.key, self.from.version);
        let held = held.expect("the history reaches so far");
        for (mode, frames) in [(Mode::Latest, 1), (Mode::EveryCommit, self.commits)] {
            let (mut root, mut follower) = (held.root.clone(), self.follow(mode));
            let mut applied = 0;
            while let Some(frame) = follower.poll().expect("the document is there") {
                let Body::Patch { patch, .. } = frame.body else {
                    unreachable!("a patch is less than the document");
                };
                patch
                    .apply(&mut root, &Limits::NONE)
                    .expect("it follows on what is held");
                applied += 1;
            }
            assert_eq!(applied, frames);
            assert!(root == newest.root);
        }
    }
}

/// Takes all frames and encodes each for this subscriber alone, as is done where nobody else needs the
/// same; counts them.
fn take_all(follower: &mut Subscription) -> u64 {
    let poll = || follower.poll().expect("the document is there");
    let encoded = iter::from_fn(poll).map(|frame| Encoding::Json.encode(&frame));
    encoded.map(black_box).count() as u64
}
