//! One short scenario under many settings: what is promised holds in each of them.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use headwater::{
    AtDeadline, Bound, Busy, Cause, Decision, Engine, Key, Mode, Outcome, Patch, QueueBounds,
    Queued, Refusal, ReorderBounds, Replica, Seq, Session, SubscribeOptions, Subscription, Time,
    WhenFull,
};
use tokio::{runtime, time::sleep};

use crate::{
    fixture::{append, builder, counts, follow, json, key, text},
    random::Random,
};

/// How far ahead a client sends: the most of its batches that can be on their way.
const WINDOW: u64 = 6;

/// Batches of each client.
const SEQS: u64 = 60;

/// A budget of memory that nothing here comes near: all of it takes some 80 KiB, most of that history.
const AMPLE: u64 = 1 << 30;

/// One that has to be made room in again and again, since the documents, the lanes and what is held leave
/// little of it; with a quarter less there would be no way through.
const SHORT: u64 = 28 << 10;

#[derive(Clone, Copy, Debug)]
struct Setting {
    seed: u64,
    shards: usize,
    /// How many batches a lane may hold: none, one, as many as are on their way, one more.
    held: usize,
    when_full: WhenFull,
    at_deadline: AtDeadline,
    queued: bool,
    tasks: bool,
    memory_max: u64,
}

fn settings() -> Vec<Setting> {
    let window = usize::try_from(WINDOW).unwrap();
    let mut all = Vec::new();
    for (seed, shards) in [(1, 1), (2, 64)] {
        for held in [0, 1, window, window + 1] {
            for when_full in [WhenFull::EvictFarthest, WhenFull::RefuseNew] {
                for at_deadline in [AtDeadline::Report, AtDeadline::Skip] {
                    for (queued, tasks) in
                        [(false, false), (true, false), (true, true), (false, true)]
                    {
                        for memory_max in [AMPLE, SHORT] {
                            all.push(Setting {
                                seed,
                                shards,
                                held,
                                when_full,
                                at_deadline,
                                queued,
                                tasks,
                                memory_max,
                            });
                        }
                    }
                }
            }
        }
    }
    all
}

impl Setting {
    /// Whether memory is short.
    fn is_short(&self) -> bool {
        self.memory_max == SHORT
    }

    fn engine(&self) -> Engine {
        let bytes = usize::try_from(self.memory_max / 4).unwrap();
        let within = |batches| Bound { batches, bytes };
        let bounds = ReorderBounds {
            lane: within(self.held),
            document: within(1_000),
            engine: within(10_000),
            gap_deadline: Duration::from_millis(if self.tasks { 2 } else { 50 }),
            when_full: self.when_full,
            at_deadline: self.at_deadline,
        };
        let queue = QueueBounds {
            kib: 4,
            round_batches: 3,
            ..QueueBounds::default()
        };
        let builder = builder().shards(self.shards).reorder(bounds).queue(queue);
        let builder = builder.outcomes_max(1_000).memory_max(self.memory_max);
        builder.build().unwrap()
    }
}

/// A client that knows only what it is told, at the near end of a bad link.
struct Client {
    name: u64,
    session: Session,
    room: Key,
    random: Random,
    received: u64,
    /// Batches in a queue.
    queued: Vec<(u64, Queued)>,
    /// Seqs that were given up.
    skipped: u64,
}

impl Client {
    fn patch(&self, seq: u64) -> Arc<Patch> {
        append(self.name * 1_000 + seq)
    }

    fn is_through(&self) -> bool {
        self.queued.is_empty() && self.session.status(&self.room).decided >= Seq(SEQS)
    }

    /// Sends what is expected and what comes after it: some of it is lost, some comes twice, and all in any
    /// order.
    fn send(&mut self, setting: &Setting, engine: &Engine) {
        self.hear(setting);
        let expected = self.session.status(&self.room).expected.0;
        let mut seqs: Vec<_> = (expected..=SEQS.min(expected + WINDOW - 1))
            .flat_map(|seq| {
                let times = [0, 1, 1, 2][self.random.index(4)];
                (0..times).map(move |_| seq)
            })
            .collect();
        self.random.shuffle(&mut seqs);
        for seq in seqs {
            let batch = self.session.batch(&self.room, Seq(seq), self.patch(seq));
            self.received += 1;
            if !setting.queued {
                self.taken(setting, seq, &engine.submit(&batch));
                continue;
            }
            match engine.enqueue(batch) {
                Ok(queued) => self.queued.push((seq, queued)),
                Err(outcome) => self.taken(setting, seq, &outcome),
            }
        }
    }

    /// Hears what became of what was queued.
    fn hear(&mut self, setting: &Setting) {
        let mut queued = std::mem::take(&mut self.queued);
        queued.retain_mut(|(seq, queued)| match queued.try_outcome() {
            Some(outcome) => {
                self.taken(setting, *seq, &outcome);
                false
            }
            None => true,
        });
        self.queued = queued;
        let report = self.session.status(&self.room).report;
        if let Some(report) = report.filter(|report| report.cause == Cause::Skipped) {
            assert_eq!(setting.at_deadline, AtDeadline::Skip);
            self.skipped = self.skipped.max(report.batches);
        }
    }

    fn taken(&self, setting: &Setting, seq: u64, outcome: &Outcome) {
        let case = || format!("{setting:?}, {seq} of {}: {outcome:?}", self.name);
        match outcome {
            Outcome::Applied { .. } | Outcome::Duplicate(_) => {}
            Outcome::Held { .. } => assert!(setting.held > 0, "{}", case()),
            Outcome::Refused(refusal) => match refusal {
                Refusal::Gap { bound, .. } => assert_eq!(*bound, setting.held, "{}", case()),
                Refusal::TooLate { .. } => {
                    assert_eq!(setting.at_deadline, AtDeadline::Skip, "{}", case());
                }
                // What was skipped without room to remember that.
                Refusal::AlreadyDecided { .. } => {
                    let forgets = setting.is_short() && setting.at_deadline == AtDeadline::Skip;
                    assert!(forgets, "{}", case());
                }
                Refusal::Retry { cause, .. } => match cause {
                    Busy::Queue => assert!(setting.queued, "{}", case()),
                    Busy::Memory => assert!(setting.is_short(), "{}", case()),
                    _ => panic!("{}", case()),
                },
                _ => panic!("{}", case()),
            },
            Outcome::Rejected(_) => panic!("{}", case()),
        }
    }
}

/// A subscriber that looks seldom.
struct Slow {
    subscription: Subscription,
    replica: Replica,
}

struct World {
    setting: Setting,
    engine: Engine,
    rooms: [Key; 2],
    clients: Vec<Client>,
    slow: Vec<Slow>,
    rounds: u64,
}

impl World {
    fn new(setting: Setting) -> Self {
        let engine = setting.engine();
        let rooms = ["room/1", "room/2"].map(key);
        for room in &rooms {
            engine.create(room, json(r#"{"log":[]}"#)).unwrap();
        }
        let client = |name: u64| Client {
            name,
            session: engine.open_session().unwrap(),
            // Two share the first room, one has the second for itself.
            room: rooms[usize::from(name == 3)].clone(),
            random: Random::new(setting.seed << 8 | name),
            received: 0,
            queued: Vec::new(),
            skipped: 0,
        };
        let slow = |room: &Key| {
            let options = SubscribeOptions {
                mode: if setting.queued {
                    Mode::Latest
                } else {
                    Mode::EveryCommit
                },
                ..SubscribeOptions::default()
            };
            Slow {
                subscription: engine.subscribe(room, options).unwrap(),
                replica: Replica::new(),
            }
        };
        Self {
            clients: [1, 2, 3].map(client).into(),
            slow: rooms.each_ref().map(slow).into(),
            setting,
            engine,
            rooms,
            rounds: 0,
        }
    }

    /// Whether all clients are through.
    fn step(&mut self) -> bool {
        self.rounds += 1;
        assert!(self.rounds < 20_000, "no way through: {:?}", self.setting);
        let mut through = true;
        for client in &mut self.clients {
            client.hear(&self.setting);
            if !client.is_through() {
                through = false;
                client.send(&self.setting, &self.engine);
            }
        }
        if self.rounds.is_multiple_of(16) {
            for slow in &mut self.slow {
                follow(&mut slow.subscription, &mut slow.replica);
            }
        }
        counts(&self.engine);
        if !self.setting.tasks {
            // P7. With tasks at work, its parts are from different moments.
            let memory = self.engine.memory();
            assert!(memory.total() <= self.setting.memory_max, "{memory:?}");
        }
        through
    }

    fn check(mut self) {
        let setting = self.setting;
        // P5.
        for (slow, room) in self.slow.iter_mut().zip(&self.rooms) {
            follow(&mut slow.subscription, &mut slow.replica);
            assert_eq!(
                slow.replica.root().canonical(),
                text(&self.engine, room),
                "{setting:?}"
            );
        }
        // P2: each client's batches are there in their order, each once, all but those that were skipped.
        let mut last = BTreeMap::new();
        let mut applied = BTreeMap::<u64, u64>::new();
        for room in &self.rooms {
            let log = text(&self.engine, room);
            let log = log.trim_start_matches(r#"{"log":["#).trim_end_matches("]}");
            for number in log.split(',').filter(|number| !number.is_empty()) {
                let number: u64 = number.parse().unwrap();
                let (client, seq) = (number / 1_000, number % 1_000);
                assert!(last.insert(client, seq) < Some(seq), "{setting:?}: {log}");
                *applied.entry(client).or_default() += 1;
            }
        }
        let counts = counts(&self.engine);
        let received = self.clients.iter().map(|client| client.received).sum();
        let [held, rejected] = [counts.held, counts.rejected];
        assert_eq!(
            (counts.received, held, rejected),
            (received, 0, 0),
            "{setting:?}"
        );
        let stats = self.engine.stats();
        assert_eq!(stats.reliefs > 0, setting.is_short(), "{setting:?}");
        assert_eq!(counts.applied, applied.values().sum(), "{setting:?}");
        for client in &self.clients {
            assert_eq!(
                client.session.status(&client.room).decided,
                Seq(SEQS),
                "{setting:?}"
            );
            // A lane keeps its last report: that it skipped may be followed by that memory was short.
            let skipped = stats.reasons.contains_key(Cause::Skipped.code());
            let skips = client.skipped > 0 || setting.is_short() && skipped;
            // P1: the outcome of each is remembered, and says whether it is there.
            let mut there = 0;
            let decision = |seq: &u64| client.session.decision(&client.room, Seq(*seq));
            // But where a lane skips without room to remember what.
            let known = (1..=SEQS).rev().take_while(|seq| decision(seq).is_some());
            let known: Vec<_> = known.collect();
            let all = known.len() as u64 == SEQS;
            assert!(all || setting.is_short() && skips);
            for seq in &known {
                match decision(seq).unwrap() {
                    Decision::Applied { .. } => there += 1,
                    Decision::Rejected { code } => panic!("{setting:?}: {code}"),
                    Decision::Skipped => assert!(skips, "{setting:?}"),
                }
            }
            assert!(
                there == applied[&client.name] || !all && there < applied[&client.name],
                "{setting:?}"
            );
            if !skips {
                assert_eq!(there, SEQS, "{setting:?}");
            }
        }
    }
}

/// P1, P2, P4 and P5 in virtual time.
#[test]
fn the_promises_hold_under_every_setting_that_ticks() {
    for setting in settings().into_iter().filter(|setting| !setting.tasks) {
        eprintln!("{setting:?}");
        let mut world = World::new(setting);
        while !world.step() {
            world.engine.tick(Time::from_millis(world.rounds * 20));
        }
        world.check();
    }
}

/// P1, P2, P4, P5 and P8.
#[test]
fn the_promises_hold_under_every_setting_with_tasks() {
    let runtime = runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_time()
        .build();
    runtime.unwrap().block_on(async {
        let mut worlds = tokio::task::JoinSet::new();
        for setting in settings().into_iter().filter(|setting| setting.tasks) {
            worlds.spawn(async move {
                let mut world = World::new(setting);
                world.engine.start().unwrap();
                while !world.step() {
                    sleep(Duration::from_millis(1)).await;
                }
                let report = world.engine.shutdown(Duration::from_secs(20)).await;
                assert_eq!(
                    (report.left, report.aborted, report.given_up),
                    (0, 0, 0),
                    "{setting:?}"
                );
                world.check();
            });
        }
        worlds.join_all().await;
    });
}
