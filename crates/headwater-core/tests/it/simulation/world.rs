use std::{collections::BTreeMap, sync::Arc, time::Duration};

use headwater_core::{
    AtDeadline, Cause, Key, Memory, Position, SessionId, Sessions, Shard, Shared, Time, WhenFull,
};

use super::{
    clients::{Client, State},
    host::Host,
    model::Model,
    network::Network,
    schedule::{Config, Step, What},
    seen::Seen,
    settle::Event,
    subscribers::{Subscriber, subscribers},
    workload::rule,
};
use crate::{
    pair::{INCARNATION, key},
    random::Random,
};

/// An engine's shards, all who use them, and what must come of it.
pub(crate) struct World<'a> {
    pub(crate) config: &'a Config,
    /// From the present step's number.
    pub(crate) random: Random,
    pub(crate) now: Time,
    pub(crate) shared: Arc<Shared>,
    pub(crate) shards: Vec<Shard>,
    pub(crate) sessions: Sessions,
    pub(crate) keys: Vec<Key>,
    pub(crate) model: Model,
    pub(crate) network: Network,
    pub(crate) clients: Vec<Client>,
    pub(crate) subscribers: Vec<Subscriber>,
    pub(crate) host: Host,
    /// What was pending when a session ended, by key.
    pub(crate) lost: BTreeMap<SessionId, Vec<(usize, usize)>>,
    /// Where each document was when it was last looked at.
    pub(crate) known: BTreeMap<Key, Option<Position>>,
    pub(crate) written: u64,
    /// Whether something is staged, for which memory is reserved.
    pub(crate) stages: bool,
    /// What the budget came to when it was last looked at.
    pub(crate) used: u64,
    pub(crate) seen: Seen,
    /// Whether what happens is told as it does.
    pub(crate) tells: bool,
}

impl<'a> World<'a> {
    /// Carries a schedule out, and what it takes to come to rest after it. Panics if anything is not as it
    /// must be.
    pub(crate) fn run(config: &'a Config, steps: &[Step], tells: bool) -> Seen {
        let mut world = World::new(config, tells);
        for step in steps {
            world.step(*step);
        }
        world.random = Random::new(config.salt);
        world.come_to_rest();
        world.tear_down();
        world.seen
    }

    fn new(config: &'a Config, tells: bool) -> Self {
        let mut shared = Shared::new(INCARNATION, config.memory_max);
        if config.admit {
            shared.admit = Some(Arc::new(rule));
        }
        let shared = Arc::new(shared);
        let keys: Vec<_> = (0..config.keys)
            .map(|number| key(&format!("key{number}")))
            .collect();
        let mut world = Self {
            config,
            random: Random::new(config.salt),
            now: Time::START,
            shards: (0..config.shards)
                .map(|_| Shard::new(config.shard, Arc::clone(&shared)))
                .collect(),
            sessions: Sessions::new(INCARNATION, 10_000)
                .with_lanes_max(config.session_lanes_max)
                .within(Arc::clone(&shared.budget)),
            shared,
            model: Model::new(config, &keys),
            keys,
            network: Network::default(),
            clients: Vec::new(),
            subscribers: Vec::new(),
            host: Host::default(),
            lost: BTreeMap::new(),
            known: BTreeMap::new(),
            written: 0,
            stages: false,
            used: 0,
            seen: Seen::default(),
            tells,
        };
        for key in world.keys.clone() {
            world.create_at(&key);
        }
        for _ in 0..config.clients {
            let client = world.open().expect("there is room for it");
            world.clients.push(client);
        }
        world.subscribers = subscribers(&world);
        world.note_policies();
        world
    }

    fn note_policies(&mut self) {
        let reorder = &self.config.shard.reorder;
        self.seen.note(match reorder.when_full {
            WhenFull::EvictFarthest => "policy: evict farthest",
            WhenFull::RefuseNew => "policy: refuse new",
        });
        self.seen.note(match reorder.at_deadline {
            AtDeadline::Report => "policy: report",
            AtDeadline::Skip => "policy: skip",
        });
        if self.config.shards > 1 {
            self.seen.note("policy: several shards");
        }
        if self.config.memory_max < u64::MAX {
            self.seen.note("policy: memory budget");
        }
    }

    /// One thing happens, and all that can be seen of it is checked.
    fn step(&mut self, step: Step) {
        self.random = Random::new(step.salt);
        self.tell(|| step.to_string());
        match step.what {
            What::Write => self.write(),
            What::Burst => self.burst(),
            What::Resend => self.resend(),
            What::Lie => self.lie(),
            What::Hostile => self.hostile(),
            What::Attach => self.attach(),
            What::Reopen => self.reopen(),
            What::Amnesia => self.amnesia(),
            What::Goodbye => self.goodbye(),
            What::Deliver => self.receive(),
            What::Partition => self.partition(),
            What::Pass => {
                let millis = self.random.below(self.config.latency_ms.max(40));
                self.pass(Duration::from_millis(millis));
            }
            What::Apply => self.apply(),
            What::Transact => self.transact(),
            What::Create => self.create(),
            What::Remove => self.remove(),
            What::Turn => self.turn(),
            What::Expire => self.expire(),
            What::Rewind => self.rewind(),
            What::Relieve => self.relieve(),
            What::Sweep => self.sweep(),
            What::Freeze => self.freeze(),
            What::PutFrozen => self.put_frozen(),
            What::Thaw => self.thaw(),
            What::Hold => self.hold(),
            What::LetGo => self.let_go(),
            What::Poll if self.subscribers.is_empty() => {}
            What::Poll => {
                let which = self.random.index(self.subscribers.len());
                match self.random.below(12) {
                    0 => self.leave(which),
                    1..4 => self.poll(which),
                    _ => {}
                }
            }
        }
        self.poll_some();
    }

    /// Time passes; now and then the host is late.
    pub(crate) fn pass(&mut self, span: Duration) {
        self.now = self.now + span;
        if self.random.one_in(4) {
            return;
        }
        for shard in 0..self.shards.len() {
            for turn in 0.. {
                assert!(turn < 10_000, "no end of what is due");
                let due = self.shards[shard].next_deadline();
                if due.is_none_or(|due| due > self.now) {
                    break;
                }
                self.tick(shard);
            }
        }
    }

    fn tick(&mut self, shard: usize) {
        let told = self.told_but_for_memory(shard);
        let turn = self.shards[shard].has_turn();
        if !turn {
            self.model_due(shard);
        }
        self.shards[shard].tick(self.now);
        self.tell(|| format!("tick of shard {shard}"));
        // What waits only for a turn is not given up where there is room for it.
        assert!(!turn || self.told_but_for_memory(shard) == told);
        self.settle(shard, Event::Tick);
    }

    fn told_but_for_memory(&self, shard: usize) -> u64 {
        let shard = &self.shards[shard];
        let memory = shard.reasons().get(Cause::Memory.code());
        shard.counts().told - memory.copied().unwrap_or_default()
    }

    /// The lanes whose deadline has come may skip what they miss.
    fn model_due(&mut self, shard: usize) {
        let mut due = Vec::new();
        for (id, lane) in &self.model.lanes {
            let here = self.model.shards[&id.1] == shard;
            if here && lane.deadline.is_some_and(|deadline| deadline <= self.now) {
                due.push(id.clone());
            }
        }
        for id in due {
            if self.model.at_deadline(&id.1) == AtDeadline::Skip {
                let lane = self.model.lanes.get_mut(&id).unwrap();
                lane.skip_to = lane.highest().unwrap_or(0);
            }
        }
    }

    /// P2: without further losses all that was written is decided, and everybody agrees.
    fn come_to_rest(&mut self) {
        self.let_all_go();
        while self.network.len() > 0 {
            self.receive_next();
        }
        for client in 0..self.clients.len() {
            self.clients[client].down_until = Time::START;
            if self.clients[client].state == State::Fenced {
                self.attach_client(client, true);
            }
            let current = self.model.sessions.get(&self.clients[client].session);
            if current.is_some_and(|current| current.attachment != self.clients[client].attachment)
            {
                self.attach_client(client, true);
            }
        }
        for round in 0.. {
            assert!(round < 500, "P2: no progress");
            self.turn();
            let mut resends = Vec::new();
            for client in 0..self.clients.len() {
                if !self
                    .model
                    .sessions
                    .contains_key(&self.clients[client].session)
                {
                    continue;
                }
                for key in 0..self.keys.len() {
                    resends.extend(self.resends(client, key));
                }
            }
            let held: u64 = self.model.counts.iter().map(|counts| counts.held).sum();
            if resends.is_empty() && held == 0 {
                break;
            }
            self.random.shuffle(&mut resends);
            for batch in resends {
                self.deliver(&batch);
            }
            self.pass(Duration::from_millis(400));
            self.make_way(round);
        }
        let open = |session: &SessionId| self.model.sessions.contains_key(session);
        for ((session, _), lane) in &self.model.lanes {
            let lanes_max = self.config.shard.lanes_max;
            let own = self.model.lanes.keys().filter(|(of, _)| of == session);
            let refused = !lane.open
                && (self.model.lanes.len() > lanes_max
                    || own.count() > self.config.session_lanes_max);
            assert!(
                !open(session) || refused || lane.pending().next().is_none(),
                "P2: all is decided"
            );
        }
        for which in 0..self.subscribers.len() {
            self.bring_up(which);
        }
        for key in &self.keys {
            let shard = self.model.shards[key];
            let head = self.shards[shard].snapshot(self.now, key);
            let model = self.model.documents.open.get(key);
            assert_eq!(
                head.map(|head| (head.position, head.root.canonical())),
                model.map(|model| (model.position, model.root.canonical())),
                "P5"
            );
        }
    }

    /// Makes room for those who wait for it: memory first, then lanes.
    fn make_way(&mut self, round: u64) {
        if round % 5 == 4 {
            (0..self.shards.len()).for_each(|shard| self.relieve_at(shard));
        }
        if round % 30 == 29 {
            self.keys.clone().iter().for_each(|key| self.remove_at(key));
        }
        if round % 40 == 39
            && let Some(client) = (0..self.clients.len()).find(|&client| {
                self.model
                    .sessions
                    .contains_key(&self.clients[client].session)
            })
        {
            let session = self.clients[client].session;
            assert!(self.sessions.close(session));
            self.end(session);
            self.clients[client].state = State::Unknown;
        }
    }

    /// P7: when all is gone, all is given back.
    fn tear_down(&mut self) {
        self.dismiss();
        for shard in 0..self.shards.len() {
            // Halves a history of any length.
            (0..16).for_each(|_| self.relieve_at(shard));
            let memory = self.shards[shard].memory();
            assert_eq!(memory.pins, 0, "P7: nobody holds anything");
        }
        for key in self.keys.clone() {
            self.remove_at(&key);
        }
        let sessions: Vec<_> = self.model.sessions.keys().copied().collect();
        for session in sessions {
            assert!(self.sessions.close(session));
            self.end(session);
        }
        for shard in &mut self.shards {
            let left = shard.memory();
            let tables = left.tables + left.lanes;
            assert!(tables <= TABLES_MAX, "P7: {left:?}");
            let nothing = Memory {
                tables: left.tables,
                lanes: left.lanes,
                ..Memory::default()
            };
            assert_eq!(left, nothing, "P7");
        }
        assert_eq!(self.shared.frames.bytes(), 0, "P7");
        assert_eq!(
            (self.shared.pool.batches(), self.shared.pool.bytes()),
            (0, 0),
            "P7"
        );
        self.shards.clear();
        assert_eq!(self.shared.budget.used(), 0, "P7");
    }

    /// Says what happens, if somebody listens.
    pub(crate) fn tell(&self, line: impl FnOnce() -> String) {
        if self.tells {
            println!("{:>9}  {}", self.now.to_string(), line());
        }
    }
}

/// What the empty tables of a few keys and lanes take.
const TABLES_MAX: u64 = 32 << 10;
