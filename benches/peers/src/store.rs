//! What a game server does every tick: it hands in its state, and gets a frame to send.

use std::collections::BTreeMap;

use cpu_time::ThreadTime;
use headwater::{Encoding, Key, SubscribeOptions, from_value, to_value};
use headwater_benches::{Fleet, builder, room};
use serde::{Deserialize, Serialize};

use crate::{
    measure::{Contest, Effort, Figure, Row, Unit, as_f64, repeat},
    recorded,
};

const ENTITIES: usize = 1_000;

/// Two floats of each entity change: what that costs, and how long the frame is.
pub(crate) fn ticks(effort: Effort) -> Vec<Row> {
    let mut game: Game = from_value(&room(ENTITIES)).expect("a room");
    let key = Key::new("room").expect("a short name is a key");
    let root = to_value(&game).expect("a document");
    assert!(root.identical(&room(ENTITIES)));
    let Fleet { engine, .. } = Fleet::of(builder(), [(key.clone(), root)]);
    let options = SubscribeOptions {
        from: engine.position(&key),
        ..SubscribeOptions::default()
    };
    let mut subscription = engine.subscribe(&key, options).expect("it is there");

    let (mut tick, mut bytes) = (0, 0);
    let time = Contest::new("store 1,000 entities of 0.8 KB, two floats each changed, to a frame")
        .by_part("headwater", |count| {
            let start = ThreadTime::now();
            repeat(count, || {
                tick += 1;
                game.advance(tick);
                let version = engine.store(&key, &game).expect("a document");
                assert_eq!(version.0, tick);
                let frame = subscription.poll_bytes(Encoding::Json);
                let frame = frame.expect("it is there").expect("it was changed");
                bytes = frame.len();
                frame
            });
            // To see that it worked takes as long as some of them.
            let time = start.elapsed();
            let root = to_value(&game).expect("a document");
            let snapshot = engine.get(&key).expect("it is there");
            assert!(snapshot.root.identical(&root));
            time
        })
        .held(effort)
        .beside(Figure::recorded(recorded::COLYSEUS, recorded::TICK_NS));
    let bytes = Row {
        work: "bytes of the frame after store, two floats each of 1,000 entities".to_owned(),
        unit: Unit::Bytes,
        figures: vec![
            Figure::of("headwater", vec![as_f64(bytes as u64)]),
            Figure::recorded(recorded::COLYSEUS, recorded::TICK_BYTES),
        ],
    };
    vec![time, bytes]
}

/// A room as a game computes with it.
#[derive(Serialize, Deserialize)]
struct Game {
    map: String,
    phase: String,
    clock: Clock,
    players: BTreeMap<String, Player>,
}

#[derive(Serialize, Deserialize)]
struct Clock {
    tick: u32,
    rate_hz: u32,
}

#[derive(Serialize, Deserialize)]
struct Player {
    id: String,
    name: String,
    class: String,
    state: State,
    inventory: Vec<Slot>,
    perks: Vec<String>,
    experience: u32,
    joined_ms: u64,
    guild: Guild,
    party: Option<String>,
    motto: String,
}

#[derive(Serialize, Deserialize)]
struct State {
    vitals: Vitals,
    place: Triple,
    velocity: Triple,
    heading: f64,
    grounded: bool,
}

#[derive(Serialize, Deserialize)]
struct Vitals {
    hp: u32,
    hp_max: u32,
    stamina: u32,
    shield: u32,
}

#[derive(Serialize, Deserialize)]
struct Triple {
    x: f64,
    y: f64,
    z: f64,
}

#[derive(Serialize, Deserialize)]
struct Slot {
    slot: u32,
    item: String,
    count: u32,
    wear: f64,
}

#[derive(Serialize, Deserialize)]
struct Guild {
    name: String,
    rank: u32,
}

impl Game {
    /// Moves everyone. Coordinates have three decimals, as a server rounds them.
    fn advance(&mut self, tick: u64) {
        for (number, player) in (0..).zip(self.players.values_mut()) {
            let thousandths = |speed: u64| (tick * speed + number * 1_931) % 2_048_000;
            let place = &mut player.state.place;
            place.x = as_f64(thousandths(37)) / 1_000.0;
            place.z = as_f64(thousandths(111)) / 1_000.0;
        }
    }
}
