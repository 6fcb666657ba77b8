//! Writers, a clock, guests that come and go, a document that does too, and followers, all at once.

use std::{
    collections::BTreeMap,
    sync::Arc,
    thread::{self, ScopedJoinHandle},
    time::Duration,
};

use headwater::{
    Decision, Engine, Extensions, HistoryBounds, Key, Mode, Outcome, Patch, Refusal, ReorderBounds,
    Replica, Seq, Session, SessionId, SubscribeOptions, Subscription, Time,
};

use super::{Signal, window};
use crate::{
    fixture::{UNKNOWN, append, builder, counts, hold, json, key, lane_batches, patch, room, text},
    random::Random,
};

const WRITERS: [u64; 3] = [0, 1, 2];
const ROOMS: u64 = 3;

/// Batches in each lane.
const SEQS: u64 = 1_000;

/// About as long as a window takes while time goes on by a millisecond a tick: some batches are given
/// up, most are not.
const GAP_DEADLINE: Duration = Duration::from_millis(120);

/// Most times that a writer may send a window in each of its lanes. Each time the batch that is expected
/// arrives seven times of eight, so that one in eight of this many should do.
const ROUNDS_MAX: u64 = SEQS * 10;

/// P1, P2, P4 and P5.
#[test]
fn however_threads_meet_each_batch_is_decided_once_and_every_replica_comes_to_the_same() {
    for seed in 0..4 {
        eprintln!("seed {seed}");
        let world = World::new();
        let run = world.run(seed);
        world.check(&run);
    }
}

struct World {
    engine: Engine,
    rooms: Vec<Key>,
    /// The document that comes and goes.
    attic: Key,
    /// The writers are through.
    written: Signal,
    /// Nothing changes any more.
    settled: Signal,
}

/// What the threads brought home.
struct Run {
    /// Batches handed in by all of them.
    received: u64,
    /// One for each writer.
    sessions: Vec<SessionId>,
    replicas: Vec<(Key, Replica)>,
}

impl World {
    fn new() -> Self {
        let bounds = ReorderBounds {
            gap_deadline: GAP_DEADLINE,
            ..lane_batches(200)
        };
        // Who falls far behind gets the document.
        let history = HistoryBounds {
            commits_min: 0,
            commits_max: 64,
            ..HistoryBounds::default()
        };
        // Every decision is remembered, so that each can be looked up at the end.
        let engine = builder()
            .shards(2)
            .outcomes_max(2_000)
            .reorder(bounds)
            .history(history)
            .build()
            .unwrap();
        let root = r#"{"log":[],"n":0}"#;
        let rooms: Vec<_> = (0..ROOMS)
            .map(|room| key(&format!("room/{room}")))
            .collect();
        for room in &rooms {
            engine.create(room, json(root)).unwrap();
        }
        Self {
            engine,
            rooms,
            attic: key("attic"),
            written: Signal::default(),
            settled: Signal::default(),
        }
    }

    fn run(&self, seed: u64) -> Run {
        thread::scope(|scope| {
            let followers = [
                (Mode::EveryCommit, Extensions::NONE),
                (Mode::EveryCommit, Extensions::ALL),
                (Mode::Latest, Extensions::NONE),
            ]
            .map(|(mode, extensions)| {
                let random = Random::new(seed << 8 | 64);
                scope.spawn(move || self.follow(mode, extensions, random))
            });
            let ticker = scope.spawn(|| self.tell_time());
            let keeper = scope.spawn(|| self.come_and_go());
            let guests = scope.spawn(|| self.visit());
            let writers = WRITERS.map(|writer| {
                let random = Random::new(seed << 8 | writer);
                scope.spawn(move || self.write(writer, random))
            });

            // The signals are given also if a thread has failed, or the others would wait for ever.
            let written = writers.map(ScopedJoinHandle::join);
            self.written.give();
            let (told, kept, visited) = (ticker.join(), keeper.join(), guests.join());
            self.settled.give();
            let followed = followers.map(ScopedJoinHandle::join);

            told.unwrap();
            kept.unwrap();
            let mut received = visited.unwrap();
            let mut sessions = Vec::new();
            for writer in written {
                let (session, handed_in) = writer.unwrap();
                sessions.push(session);
                received += handed_in;
            }
            let replicas = followed.into_iter().flat_map(Result::unwrap).collect();
            Run {
                received,
                sessions,
                replicas,
            }
        })
    }

    /// Brings all lanes of one session to their end over a bad link, and counts what it hands in.
    fn write(&self, writer: u64, mut random: Random) -> (SessionId, u64) {
        let mut session = self.engine.open_session().unwrap();
        let (mut received, mut rounds) = (0, 0);
        loop {
            let mut through = true;
            for key in self.rooms.iter().chain([&self.attic]) {
                let expected = session.status(key).expected.0;
                if expected > SEQS {
                    continue;
                }
                through = false;
                let seqs = window(expected, &mut random);
                for seq in seqs.into_iter().filter(|&seq| seq <= SEQS) {
                    let outcome = session.submit(key, Seq(seq), batch(writer, seq));
                    received += 1;
                    expect_taken(&outcome, &session, key, seq);
                }
            }
            if through {
                return (session.id(), received);
            }
            if random.one_in(4) {
                let former = session;
                session = self.engine.attach(former.id()).unwrap();
                let current = session.attachment();
                let late = former.submit(&self.attic, Seq(SEQS + 1), batch(writer, 0));
                assert_eq!(late, Outcome::Refused(Refusal::Fenced { current }));
                received += 1;
            }
            rounds += 1;
            assert!(rounds < ROUNDS_MAX, "no way through");
        }
    }

    /// Ticks, at times back.
    fn tell_time(&self) {
        let mut now = Time::START;
        while !self.written.given() {
            now = now + Duration::from_millis(1);
            self.engine.tick(now);
            assert_eq!(self.engine.now(), now);
            self.engine.tick(Time::START);
            assert_eq!(self.engine.now(), now);
            if let Some(deadline) = self.engine.next_deadline() {
                assert!(deadline <= now + GAP_DEADLINE);
            }
            counts(&self.engine);
            thread::yield_now();
        }
    }

    /// Makes and removes a document, and leaves it there.
    fn come_and_go(&self) {
        loop {
            room(&self.engine, self.attic.as_str());
            for number in 0..8 {
                self.engine.apply(&self.attic, append(number)).unwrap();
                thread::yield_now();
            }
            if self.written.given() {
                return;
            }
            self.engine.remove(&self.attic).expect("a document");
            thread::yield_now();
        }
    }

    /// Opens sessions that hand in what is never its turn, and closes them; counts what they handed in.
    fn visit(&self) -> u64 {
        let mut received = 0;
        while !self.written.given() {
            let guest = self.engine.open_session().unwrap();
            for room in &self.rooms {
                hold(&guest, room, 2..=4);
                received += 3;
            }
            assert!(self.engine.close_session(guest.id()));
            let late = guest.submit(&self.attic, Seq(1), append(1));
            assert_eq!(late, UNKNOWN);
            received += 1;
            thread::yield_now();
        }
        received
    }

    /// Keeps a replica of every document, over links that break; at the end it has caught up.
    fn follow(
        &self,
        mode: Mode,
        extensions: Extensions,
        mut random: Random,
    ) -> Vec<(Key, Replica)> {
        let keys = self.rooms.iter().chain([&self.attic]);
        let mut followers: Vec<_> = keys
            .map(|key| Follower {
                key,
                subscription: None,
                replica: Replica::new(),
            })
            .collect();
        loop {
            let last = self.settled.given();
            for follower in &mut followers {
                // Few at a time, so that some fall behind; at the end all.
                let mut polls = 1 + random.index(4);
                while (last || polls > 0) && follower.poll(&self.engine, mode, extensions) {
                    polls = polls.saturating_sub(1);
                }
                if random.one_in(8) {
                    follower.look_back(&self.engine);
                    follower.subscription = None;
                }
            }
            if last {
                let each = |follower: Follower<'_>| (follower.key.clone(), follower.replica);
                return followers.into_iter().map(each).collect();
            }
            thread::yield_now();
        }
    }

    fn check(&self, run: &Run) {
        for (key, replica) in &run.replicas {
            let head = self.engine.get(key).unwrap();
            assert_eq!(replica.position(), Some(head.position));
            assert_eq!(replica.root().canonical(), head.root.canonical());
        }
        let mut decided = [0, 0];
        for key in self.rooms.iter().chain([&self.attic]) {
            let mut made = BTreeMap::new();
            for (&session, writer) in run.sessions.iter().zip(WRITERS) {
                let status = self.engine.lane_status(session, key);
                assert_eq!((status.decided, status.held), (Seq(SEQS), 0));
                for seq in 1..=SEQS {
                    let decision = self.engine.decision(session, key, Seq(seq));
                    if let Decision::Applied { version } = decision.expect("all are remembered") {
                        decided[0] += 1;
                        let before = made.insert(version.0, (writer, seq));
                        // The attic begins again and again at its first version.
                        assert!(before.is_none() || key == &self.attic);
                    } else {
                        decided[1] += 1;
                        assert!(fails(seq) || key == &self.attic);
                    }
                }
            }
            if key != &self.attic {
                self.check_room(key, &made);
            }
        }
        let counts = counts(&self.engine);
        assert_eq!([counts.applied, counts.rejected], decided);
        assert_eq!((counts.received, counts.held), (run.received, 0));
        assert_eq!(self.engine.next_deadline(), None);
    }

    /// A room is what its versions' batches have made of it, each of them once.
    fn check_room(&self, room: &Key, made: &BTreeMap<u64, (u64, u64)>) {
        let head = self.engine.get(room).unwrap().position.version.0;
        assert!(made.keys().copied().eq(1..=head), "versions have gaps");
        let mut lasts = BTreeMap::new();
        let mut log = Vec::new();
        let mut count = 0;
        for &(writer, seq) in made.values() {
            let last = lasts.insert(writer, seq);
            assert!(last < Some(seq), "{seq} of {writer} after {last:?}");
            log.push(format!(r#""{writer}-{seq}""#));
            count += u64::from(counts_up(seq));
        }
        let expected = format!(r#"{{"log":[{}],"n":{count}}}"#, log.join(","));
        assert_eq!(text(&self.engine, room), expected);
    }
}

struct Follower<'a> {
    key: &'a Key,
    subscription: Option<Subscription>,
    replica: Replica,
}

impl Follower<'_> {
    /// Takes one step, and says whether there may be more.
    fn poll(&mut self, engine: &Engine, mode: Mode, extensions: Extensions) -> bool {
        let Some(subscription) = &mut self.subscription else {
            let options = SubscribeOptions {
                from: self.replica.position(),
                mode,
                extensions,
                ..SubscribeOptions::default()
            };
            // It may be away just now.
            self.subscription = engine.subscribe(self.key, options).ok();
            return self.subscription.is_some();
        };
        match subscription.poll() {
            Ok(Some(frame)) => {
                self.replica.apply(&frame).unwrap();
                assert_eq!(subscription.position(), self.replica.position());
                true
            }
            Ok(None) => false,
            Err(_removed) => {
                self.subscription = None;
                true
            }
        }
    }

    /// The engine's own view of the version that the replica holds is the same, if there is one.
    fn look_back(&self, engine: &Engine) {
        let Some(position) = self.replica.position() else {
            return;
        };
        let then = engine.at(self.key, position.version);
        if let Some(then) = then.filter(|then| then.position == position) {
            assert_eq!(then.root.canonical(), self.replica.root().canonical());
        }
    }
}

fn expect_taken(outcome: &Outcome, session: &Session, key: &Key, seq: u64) {
    match outcome {
        &Outcome::Applied { version } => {
            let decision = session.decision(key, Seq(seq));
            assert_eq!(decision, Some(Decision::Applied { version }));
        }
        Outcome::Duplicate(decision) => {
            assert_eq!(session.decision(key, Seq(seq)).as_ref(), Some(decision));
        }
        Outcome::Rejected(_) | Outcome::Held { .. } => {}
        Outcome::Refused(refusal) => panic!("{seq}: {refusal}"),
    }
}

const fn fails(seq: u64) -> bool {
    seq.is_multiple_of(7)
}

const fn counts_up(seq: u64) -> bool {
    seq.is_multiple_of(5)
}

fn batch(writer: u64, seq: u64) -> Arc<Patch> {
    let last = if fails(seq) {
        r#",{"op":"remove","path":"/nothing"}"#
    } else if counts_up(seq) {
        r#",{"op":"increment","path":"/n","by":1}"#
    } else {
        ""
    };
    patch(&format!(
        r#"[{{"op":"add","path":"/log/-","value":"{writer}-{seq}"}}{last}]"#
    ))
}
