use std::{sync::Arc, time::Duration};

use headwater::{
    Encoding, Engine, Extensions, Key, Limits, Patch, Snapshot, SubscribeOptions, Value, diff,
};
use headwater_benches::{player_experience, replace, room};

use crate::{
    chart::{Chart, Line, Scale},
    measure::{Effort, repeat},
    unit::Unit,
    workload::{follow, one, one_of, position},
};

const COMMITS: usize = 256;

/// Bytes of a player in a room, as JSON.
const PLAYER_BYTES: u64 = 800;

/// Bytes of a room without players.
const ROOM_BYTES: u64 = 90;

/// Players that are changed, one after another: enough that their records are not in the processor's
/// own caches, where the document has so many.
const PLAYERS_CHANGED: usize = 10_000;

/// What work on one document costs while that is larger and larger.
pub(crate) fn charts(effort: Effort) -> Vec<Chart> {
    let mut snapshot = Line::new("snapshot");
    let mut change = Line::new("replace at depth 3");
    let mut delta = Line::new("replace and delta");
    let mut difference = Line::new("diff after one change");
    let mut parse = Line::new("parse all of it");
    let mut write = Line::new("write all of it");
    let usual = [1_000, 10_000, 100_000, 1_000_000, 10_000_000, 100_000_000];
    for bytes in effort.sizes(&usual, &[1 << 30]) {
        let players = (bytes - ROOM_BYTES + PLAYER_BYTES / 2) / PLAYER_BYTES;
        let players = usize::try_from(players).unwrap_or_default();
        let text = room(players).to_string();
        let nearly = bytes - bytes / 8..bytes + bytes / 8;
        assert!(
            nearly.contains(&(text.len() as u64)),
            "{} bytes",
            text.len()
        );

        let parsed = || Value::parse(text.as_bytes(), &Limits::NONE).expect("it was just written");
        parse.push(effort.cost(bytes, |times| repeat(times, parsed)));
        let mut written = Vec::with_capacity(text.len());
        let value = parsed();
        write.push(effort.cost(bytes, |times| {
            repeat(times, || {
                written.clear();
                value.write_to(&mut written);
            })
        }));
        assert!(written == text.as_bytes());
        drop((written, text));

        let mut document = Document::new(value, players);
        snapshot.push(effort.cost(bytes, |times| repeat(times, || document.snapshot())));
        change.push(effort.cost(bytes, |times| repeat(times, || document.change())));
        delta.push(effort.cost(bytes, |times| document.change_and_deliver(times)));
        difference.push(effort.cost(bytes, |times| document.difference(times)));
    }
    vec![Chart {
        name: "sizes",
        title: "Work on a document that grows",
        notes: vec![
            "Rooms of players of 0.8 KB; each change replaces one number of another player, at random.".to_owned(),
            "CPU time, medians of the rounds; bars from the least to the most.".to_owned(),
        ],
        size: Scale {
            label: "size of the document, as JSON",
            unit: Unit::Bytes,
        },
        figure: Scale {
            label: "time for one piece of work",
            unit: Unit::Nanoseconds,
        },
        lines: vec![parse, write, difference, delta, change, snapshot],
    }]
}

/// A large document in an engine, and changes to it.
struct Document {
    engine: Engine,
    key: Key,
    /// One for each player whose turn may come, and two values for it to take turns.
    changes: Vec<[Arc<Patch>; 2]>,
    commits: u64,
}

impl Document {
    fn new(root: Value, players: usize) -> Self {
        let (engine, key) = one(COMMITS, root);
        let mut players: Vec<_> = (0..players).collect();
        fastrand::Rng::with_seed(1).shuffle(&mut players);
        let change = |&player: &usize| {
            let path = player_experience(player);
            [1_000_001, 1_000_002].map(|experience| replace(&path, experience))
        };
        Self {
            changes: players.iter().take(PLAYERS_CHANGED).map(change).collect(),
            engine,
            key,
            commits: 0,
        }
    }

    fn snapshot(&self) -> Snapshot {
        let snapshot = self.engine.get(&self.key).expect("the document is there");
        assert_eq!(snapshot.position.version.0, self.commits);
        snapshot
    }

    fn change(&mut self) {
        let players = self.changes.len() as u64;
        let (pass, player) = (self.commits / players, self.commits % players);
        let player = usize::try_from(player).unwrap_or_default();
        let change = self.changes.get(player).expect("one of the players");
        self.commits += 1;
        let version = self
            .engine
            .apply(&self.key, Arc::clone(one_of(change, pass)));
        assert_eq!(version.map(|version| version.0), Ok(self.commits));
    }

    /// Changes, each delivered to a subscriber that keeps up.
    fn change_and_deliver(&mut self, times: u64) -> Duration {
        let options = SubscribeOptions {
            from: Some(position(&self.engine, &self.key)),
            ..SubscribeOptions::default()
        };
        let mut follower = follow(&self.engine, &self.key, options);
        repeat(times, || {
            self.change();
            let bytes = follower.poll_bytes(Encoding::Json);
            let bytes = bytes
                .expect("the document is there")
                .expect("a new version");
            assert!(bytes.len() < DELTA_BYTES_MAX);
        })
    }

    /// The differences between two versions, one change apart, that are both held.
    fn difference(&mut self, times: u64) -> Duration {
        let old = self.snapshot();
        self.change();
        let new = self.snapshot();
        repeat(times, || {
            let patch = diff(&old.root, &new.root, Extensions::NONE);
            assert_eq!(patch.operations().len(), 1);
            patch
        })
    }
}

/// A replace of a number in its frame, however large the document is.
const DELTA_BYTES_MAX: usize = 200;
