//! A game server without a runtime: 20 ticks a second, 200 players whose inputs come over links that
//! lose and reorder them, and spectators that get one frame a tick.
//!
//! Ten seconds of it in virtual time: `cargo run --release --example game`.

#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "an example says what it does"
)]

use std::{
    collections::{BTreeMap, HashMap},
    error::Error,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use headwater::{
    AtDeadline, DocumentOptions, Engine, Extensions, Key, Mode, Operation, Outcome, Pointer,
    ReorderBounds, Replica, Seq, Session, SessionId, Submission, SubscribeOptions, Subscription,
    Time, Value, from_value, to_value,
};
use serde::{Deserialize, Serialize};

const PLAYERS: usize = 200;
const TICKS: u64 = 200;
const TICK: Duration = Duration::from_millis(50);

/// What the game computes with, and what spectators see.
#[derive(Serialize)]
struct World {
    tick: u64,
    players: BTreeMap<String, Player>,
}

#[derive(Serialize)]
struct Player {
    x: f32,
    y: f32,
    steps: u32,
}

/// What a player last asked for.
#[derive(Serialize, Deserialize, Clone, Copy, Default)]
struct Input {
    dx: i8,
    dy: i8,
}

/// A player at the far end of a bad link.
struct Client {
    name: String,
    session: Session,
    seq: Seq,
    /// Inputs on their way, with the tick in which they arrive.
    link: Vec<(u64, Submission)>,
}

struct Spectator {
    subscription: Subscription,
    replica: Replica,
    /// Looks only every so many ticks.
    every: u64,
    bytes: u64,
    frames: u64,
}

fn main() -> Result<(), Box<dyn Error>> {
    // A player may write its own input and nothing else.
    let owners: Arc<Mutex<HashMap<SessionId, Pointer>>> = Arc::default();
    let engine = Engine::builder()
        .reorder(ReorderBounds {
            gap_deadline: TICK * 2,
            ..ReorderBounds::default()
        })
        .admit({
            let owners = Arc::clone(&owners);
            move |request| {
                let owners = owners.lock().map_err(|_| "server_fault")?;
                let own = owners.get(&request.session).ok_or("no_player")?;
                let all_own = request.touched.iter().all(|path| own.is_prefix_of(path));
                if all_own { Ok(()) } else { Err("not_yours") }
            }
        })
        .build()?;

    let mut world = World {
        tick: 0,
        players: BTreeMap::new(),
    };
    let (room, inputs) = (Key::new("room/1")?, Key::new("room/1/inputs")?);
    let mut clients = Vec::new();
    let mut first_inputs = BTreeMap::new();
    for number in 0..PLAYERS {
        let name = format!("p{number:03}");
        let session = engine.open_session()?;
        let own = Pointer::root().child(&name);
        owners.lock().unwrap().insert(session.id(), own);
        first_inputs.insert(name.clone(), Input::default());
        let player = Player {
            x: 0.0,
            y: 0.0,
            steps: 0,
        };
        world.players.insert(name.clone(), player);
        clients.push(Client {
            name,
            session,
            seq: Seq::ZERO,
            link: Vec::new(),
        });
    }
    engine.create(&room, to_value(&world)?)?;
    // Of inputs an old one is worth nothing: what is lost is skipped, not asked for again.
    let skip = DocumentOptions {
        at_deadline: Some(AtDeadline::Skip),
    };
    engine.create_with(&inputs, to_value(&first_inputs)?, skip)?;
    let latest_inputs = engine.handle(&inputs).ok_or("no inputs")?;
    let mut spectators = Vec::new();
    for every in [1, 1, 7] {
        let options = SubscribeOptions {
            mode: Mode::Latest,
            extensions: Extensions::ALL,
            ..SubscribeOptions::default()
        };
        spectators.push(Spectator {
            subscription: engine.subscribe(&room, options)?,
            replica: Replica::new(),
            every,
            bytes: 0,
            frames: 0,
        });
    }

    let mut random = 1;
    let start = Instant::now();
    for tick in 1..=TICKS {
        for client in &mut clients {
            client.play(tick, &inputs, &engine, &mut random);
        }
        engine.tick(Time::from_millis(tick * 50));

        let asked: BTreeMap<String, Input> = from_value(&latest_inputs.read()?.root)?;
        world.step(tick, &asked);
        // Only what changed becomes a commit.
        engine.store(&room, &world)?;

        for spectator in &mut spectators {
            if tick % spectator.every == 0 || tick == TICKS {
                spectator.look()?;
            }
        }
    }
    let took = start.elapsed();

    let head = engine.get(&room).ok_or("no room")?;
    for spectator in &spectators {
        assert_eq!(spectator.replica.root(), &head.root, "P5: all see the same");
        println!(
            "spectator of every {} ticks: {} frames, {} bytes",
            spectator.every, spectator.frames, spectator.bytes
        );
    }
    let counts = engine.counts();
    assert!(counts.balance(), "P4: nothing silently lost");
    println!(
        "version {} after {TICKS} ticks; {counts:?}",
        head.position.version
    );
    println!("{:?} a tick, of {TICK:?}", took / u32::try_from(TICKS)?);
    Ok(())
}

impl Client {
    /// Sends an input in every tick, over a link that loses one in twenty and delays some.
    fn play(&mut self, tick: u64, inputs: &Key, engine: &Engine, random: &mut u64) {
        self.seq = self.seq.next();
        let input = Input {
            dx: i8::try_from(chance(random, 3)).unwrap_or(0) - 1,
            dy: i8::try_from(chance(random, 3)).unwrap_or(0) - 1,
        };
        let path = Pointer::root().child(&self.name);
        let value = to_value(&input).unwrap_or(Value::NULL);
        let patch = vec![Operation::Replace { path, value }];
        let batch = self
            .session
            .batch(inputs, self.seq, headwater::Patch::from(patch));
        if chance(random, 20) > 0 {
            self.link.push((tick + chance(random, 3) / 2, batch));
        }
        self.link.retain(|(arrives, batch)| {
            if *arrives > tick {
                return true;
            }
            let outcome = engine.submit(batch);
            assert!(!matches!(outcome, Outcome::Rejected(_)), "{outcome:?}");
            false
        });
    }
}

impl World {
    fn step(&mut self, tick: u64, asked: &BTreeMap<String, Input>) {
        self.tick = tick;
        for (name, player) in &mut self.players {
            let input = asked.get(name).copied().unwrap_or_default();
            player.x += f32::from(input.dx) * 0.25;
            player.y += f32::from(input.dy) * 0.25;
            player.steps += u32::from(input.dx != 0 || input.dy != 0);
        }
    }
}

impl Spectator {
    fn look(&mut self) -> Result<(), Box<dyn Error>> {
        while let Some(frame) = self.subscription.poll()? {
            self.frames += 1;
            self.bytes += frame.written_bytes();
            self.replica.apply(&frame)?;
        }
        Ok(())
    }
}

/// A number below `below`, the same in every run (xorshift64).
fn chance(state: &mut u64, below: u64) -> u64 {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    *state % below
}
