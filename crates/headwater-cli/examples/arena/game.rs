use std::{collections::VecDeque, error::Error, mem};

use headwater::Value;

use super::{
    base::{
        AMMO_MAX, HP_MAX, KINDS, PLAYERS, Place, REACH_CM, TICKS, TICKS_PER_SECOND, base, object,
    },
    player::{Item, Player, State},
    random::Random,
    recording::{Batch, Recording},
};

/// Plays the match and returns its recording as JSON lines.
pub(crate) fn play() -> Result<String, Box<dyn Error>> {
    let mut game = Match::new()?;
    for tick in 1..=TICKS {
        game.tick = tick;
        game.run_server()?;
        game.run_clients()?;
    }
    game.finish()?;
    Ok(game.recording.into_lines())
}

/// The match as its clients know it; what stands in the document stands here too.
pub(super) struct Match {
    recording: Recording,
    pub(super) random: Random,
    pub(super) tick: i32,
    /// All but the one whose turn it is.
    pub(super) players: VecDeque<Player>,
    pub(super) ground: Vec<Item>,
    /// Players and their scores, the highest first.
    board: Vec<(&'static str, i32)>,
    /// The ticks in which the shots were fired that are still to be seen.
    pub(super) shots: VecDeque<i32>,
    chat_count: usize,
    feed_count: usize,
    item_count: u32,
}

impl Match {
    fn new() -> Result<Self, Box<dyn Error>> {
        let mut random = Random::new(SEED);
        let players = PLAYERS
            .iter()
            .enumerate()
            .map(|(spawn, &(client, name, home))| Player {
                client,
                name,
                spawn,
                home,
                state: State::Away,
                at: home,
                facing: "north",
                hp: HP_MAX,
                ammo: AMMO_MAX,
                bag: Vec::new(),
                kills: 0,
                deaths: 0,
                due: random.between(3, 2 * TICKS_PER_SECOND),
                laggy: spawn % 3 == 1,
            })
            .collect();
        Ok(Self {
            recording: Recording::new(base()?),
            random,
            tick: 0,
            players,
            ground: Vec::new(),
            board: Vec::new(),
            shots: VecDeque::new(),
            chat_count: 0,
            feed_count: 1,
            item_count: 0,
        })
    }

    pub(super) fn step(
        &mut self,
        client: &'static str,
        batch: Batch,
    ) -> Result<(), Box<dyn Error>> {
        Ok(self.recording.step(client, self.tick, batch)?)
    }

    pub(super) fn is_live(&self) -> bool {
        self.tick > LIVE_FROM
    }

    /// What the server does in a tick on its own account.
    fn run_server(&mut self) -> Result<(), Box<dyn Error>> {
        if self.tick % CLOCK_TICKS == 0 {
            let mut batch = Batch::new().replace("/clock/tick", self.tick);
            if self.tick % TICKS_PER_SECOND == 0 {
                let left_s = (TICKS - self.tick) / TICKS_PER_SECOND;
                batch = batch.replace("/clock/left_s", left_s);
            }
            self.step(SERVER, batch)?;
        }
        if self.tick == LIVE_FROM {
            let batch = Batch::new()
                .test("/clock/phase", "warm-up")
                .replace("/clock/phase", "live");
            self.step(SERVER, batch)?;
            self.announce("The hall is live: may the best one win.")?;
        }
        if self.tick % SPAWN_TICKS == 0 && self.ground.len() < GROUND_MAX {
            self.spawn_item()?;
        }
        let mut batch = Batch::new();
        let tick = self.tick;
        while self
            .shots
            .pop_front_if(|fired| *fired + SHOT_TICKS < tick)
            .is_some()
        {
            batch = batch.remove("/shots/0");
        }
        if !batch.is_empty() {
            self.step(SERVER, batch)?;
        }
        Ok(())
    }

    /// Lays an item of a random kind where the list has those of its worth, the rarest first.
    fn spawn_item(&mut self) -> Result<(), Box<dyn Error>> {
        let Some(&kind) = self.random.pick(&KINDS) else {
            return Ok(());
        };
        let reach = REACH_CM - 300;
        let at = Place {
            x: self.random.between(-reach, reach),
            z: self.random.between(-reach, reach),
        };
        self.item_count += 1;
        let id = self.item_count;
        let index = self
            .ground
            .iter()
            .position(|item| item.kind.worth < kind.worth)
            .unwrap_or(self.ground.len());
        let batch = Batch::new()
            .copy(&format!("/kinds/{}", kind.name), &format!("/items/{index}"))
            .add(&format!("/items/{index}/id"), id)
            .add(&format!("/items/{index}/at"), at.to_value()?);
        self.ground.insert(index, Item { id, kind, at });
        self.step(SERVER, batch)
    }

    /// Puts a line on top of the feed, which keeps the newest few.
    fn announce(&mut self, line: &str) -> Result<(), Box<dyn Error>> {
        let mut batch = Batch::new().add("/feed/0", line);
        if self.feed_count < FEED_MAX {
            self.feed_count += 1;
        } else {
            batch = batch.remove(&format!("/feed/{FEED_MAX}"));
        }
        self.step(SERVER, batch)
    }

    /// Adds to a player's score and moves it up the board past those it has overtaken.
    pub(super) fn award(&mut self, client: &str, points: i32) -> Result<(), Box<dyn Error>> {
        let Some(index) = self.board.iter().position(|(other, _)| *other == client) else {
            return Ok(());
        };
        let (client, score) = self.board.remove(index);
        let score = score + points;
        let rank = self.board.partition_point(|(_, other)| *other >= score);
        self.board.insert(rank, (client, score));
        let mut batch = Batch::new()
            .test(&format!("/board/{index}/player"), client)
            .replace(&format!("/board/{index}/score"), score);
        if rank != index {
            batch = batch.relocate(&format!("/board/{index}"), &format!("/board/{rank}"));
        }
        self.step(SERVER, batch)
    }

    fn run_clients(&mut self) -> Result<(), Box<dyn Error>> {
        for _ in 0..self.random.below(8) {
            let first = self.players.pop_front();
            self.players.extend(first);
        }
        for _ in 0..self.players.len() {
            let Some(mut player) = self.players.pop_front() else {
                break;
            };
            if self.tick >= player.due {
                self.receive(&mut player)?;
            }
            self.players.push_back(player);
        }
        Ok(())
    }

    /// Takes the packet of a client: one step, or some that were held up on the way.
    fn receive(&mut self, player: &mut Player) -> Result<(), Box<dyn Error>> {
        if player.state == State::Away {
            self.join(player)?;
        } else if player.client == LEAVER && (LEAVES_AT..RETURNS_AT).contains(&self.tick) {
            self.leave(player)?;
            player.due = RETURNS_AT;
            return Ok(());
        }
        let (steps, ticks) = if player.laggy {
            (self.random.between(2, 6), self.random.between(8, 14))
        } else {
            (1, self.random.between(2, 4))
        };
        player.due = self.tick + ticks;
        for _ in 0..steps {
            self.act(player, ticks / steps)?;
        }
        if self.random.chance(CHAT_PERCENT) {
            self.chat(player)?;
        }
        Ok(())
    }

    fn join(&mut self, player: &mut Player) -> Result<(), Box<dyn Error>> {
        player.state = State::Alive;
        player.at = player.home;
        (player.hp, player.ammo) = (HP_MAX, AMMO_MAX);
        (player.kills, player.deaths) = (0, 0);
        let me = player.path();
        let sheet = object([
            ("name", Value::from(player.name)),
            ("alive", Value::from(true)),
            ("ammo", Value::from(player.ammo)),
            ("bag", "[]".parse()?),
            ("deaths", Value::from(0)),
            ("facing", Value::from(player.facing)),
            ("hp", Value::from(player.hp)),
            ("kills", Value::from(0)),
        ]);
        let entry = object([("player", Value::from(player.client)), ("score", 0.into())]);
        let batch = Batch::new()
            .add(&me, sheet)
            .copy(
                &format!("/arena/spawns/{}", player.spawn),
                &format!("{me}/at"),
            )
            .add("/board/-", entry);
        self.board.push((player.client, 0));
        self.step(player.client, batch)?;
        self.announce(&format!("{} has entered the hall.", player.name))
    }

    fn leave(&mut self, player: &mut Player) -> Result<(), Box<dyn Error>> {
        player.state = State::Away;
        let batch = self.drop_bag(player, Batch::new()).remove(&player.path());
        self.step(player.client, batch)?;
        if let Some(index) = self
            .board
            .iter()
            .position(|(client, _)| *client == player.client)
        {
            self.board.remove(index);
            let batch = Batch::new()
                .test(&format!("/board/{index}/player"), player.client)
                .remove(&format!("/board/{index}"));
            self.step(SERVER, batch)?;
        }
        self.announce(&format!("{} has left the hall.", player.name))
    }

    /// Moves all that a player carries to the ground, where it stands.
    pub(super) fn drop_bag(&mut self, player: &mut Player, mut batch: Batch) -> Batch {
        let me = player.path();
        for item in mem::take(&mut player.bag) {
            let index = self.ground.len();
            batch = batch
                .relocate(&format!("{me}/bag/0"), "/items/-")
                .copy(&format!("{me}/at"), &format!("/items/{index}/at"));
            self.ground.push(Item {
                at: player.at,
                ..item
            });
        }
        batch
    }

    /// The server's word on a shot that hit.
    pub(super) fn hit(
        &mut self,
        player: &mut Player,
        foe: &mut Player,
    ) -> Result<(), Box<dyn Error>> {
        let hp = format!("{}/hp", foe.path());
        let before = foe.hp;
        foe.hp = (before - self.random.between(16, 44)).max(0);
        let batch = Batch::new().test(&hp, before).replace(&hp, foe.hp);
        if foe.hp > 0 {
            return self.step(SERVER, batch);
        }
        foe.state = State::Dead { since: self.tick };
        foe.deaths += 1;
        player.kills += 1;
        let batch = batch
            .replace(&format!("{}/alive", foe.path()), false)
            .replace(&format!("{}/deaths", foe.path()), foe.deaths)
            .replace(&format!("{}/kills", player.path()), player.kills);
        self.step(SERVER, batch)?;
        if !foe.bag.is_empty() {
            let batch = self.drop_bag(foe, Batch::new());
            self.step(SERVER, batch)?;
        }
        let distance_m = player.at.distance_cm(foe.at) / 100;
        self.announce(&format!(
            "{} felled {} from {distance_m} m.",
            player.name, foe.name
        ))?;
        self.award(player.client, 10)
    }

    /// Says something; at times with a slip that is put right at once.
    fn chat(&mut self, player: &Player) -> Result<(), Box<dyn Error>> {
        let other = self.players.front().map_or("nobody", |other| other.name);
        let Some(line) = self.random.pick(&LINES) else {
            return Ok(());
        };
        let text = line.replace("{}", other);
        let slip = self.random.chance(20);
        let kept = |(index, _): &(usize, char)| !slip || *index != 4;
        let said: String = text
            .chars()
            .enumerate()
            .filter(kept)
            .map(|(_, letter)| letter)
            .collect();
        let mut batch = Batch::new();
        if self.chat_count == CHAT_MAX {
            batch = batch.remove("/chat/0");
            self.chat_count -= 1;
        }
        let last = self.chat_count;
        self.chat_count += 1;
        let entry = [("from", Value::from(player.client)), ("text", said.into())];
        self.step(player.client, batch.add("/chat/-", object(entry)))?;
        if slip {
            let batch = Batch::new()
                .test(&format!("/chat/{last}/from"), player.client)
                .replace(&format!("/chat/{last}/text"), text);
            self.step(player.client, batch)?;
        }
        Ok(())
    }

    fn finish(&mut self) -> Result<(), Box<dyn Error>> {
        let batch = Batch::new()
            .test("/clock/phase", "live")
            .replace("/clock/phase", "over")
            .copy("/board/0/player", "/winner");
        self.step(SERVER, batch)?;
        let winner = self.board.first().map(|(client, _)| *client);
        let named = |player: &&Player| Some(player.client) == winner;
        let name = self
            .players
            .iter()
            .find(named)
            .map_or("nobody", |player| player.name);
        self.announce(&format!("The match is over, and the hall is {name}'s."))
    }
}

/// Any seed plays a match; this one's is the recording that is kept.
const SEED: u64 = 0x00c0_ffee;

const SERVER: &str = "server";

/// The client that leaves in the midst of the match, and between which ticks it is away.
const LEAVER: &str = "p3";
const LEAVES_AT: i32 = 330;
const RETURNS_AT: i32 = 420;

/// The tick from which shots are allowed.
const LIVE_FROM: i32 = 60;

/// Ticks between two writes of the clock: four a second, as often as a person sees.
const CLOCK_TICKS: i32 = 5;

const SPAWN_TICKS: i32 = 12;

/// How long a shot is to be seen.
const SHOT_TICKS: i32 = 6;

/// How many items lie about before no more are laid out, and how many lines stay in chat and feed.
const GROUND_MAX: usize = 16;
const CHAT_MAX: usize = 24;
const FEED_MAX: usize = 8;

/// How often a packet has something said in it, in percent.
const CHAT_PERCENT: i32 = 4;

const LINES: [&str; 10] = [
    "behind the low wall, {} is alone",
    "I have a medkit to spare for {}",
    "{}, truce until the idol is gone?",
    "who else heard that from the furnace",
    "out of shells again, cover me please",
    "nice shot, {} — I never saw you",
    "the idol lies between the two walls",
    "gg, {} 👏 that was close",
    "my link is bad today, sorry everyone",
    "« rendez-vous » at the middle, {}?",
];
