//! What holds however threads meet: writers, a clock, guests that come and go, a document that does
//! too, and followers, all at once.

use std::{
    collections::BTreeMap,
    hint, ptr,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
        mpsc,
    },
    thread::{self, ScopedJoinHandle},
    time::{Duration, Instant},
};

use headwater::{
    Busy, Decision, EditError, Engine, Extensions, HistoryBounds, Key, Mode, Outcome, Patch,
    QueueBounds, Refusal, ReorderBounds, Replica, Seq, Session, SessionId, SubscribeOptions,
    Subscription, Time,
};
use tokio::runtime;

use crate::{
    fixture::{
        UNKNOWN, UNUSED, append, builder, counts, engine, hold, json, key, lane_batches, patch,
        room, rooms, text,
    },
    random::Random,
};

const WRITERS: [u64; 3] = [0, 1, 2];
const ROOMS: u64 = 3;

/// Batches in each lane.
const SEQS: u64 = 1_000;

/// Most batches that a writer has on its way at a time: fewer than a lane may hold, so that none is
/// refused, and more than one turn decides.
const WINDOW_MAX: usize = 150;

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

/// P4: no lane is made for a session that has ended, also not by a batch on its way in.
#[test]
fn a_session_that_is_closed_while_it_submits_leaves_nothing_behind() {
    let engine = engine();
    let rooms = rooms(&engine);
    let mut received = 0;
    for _ in 0..300 {
        let session = engine.open_session().unwrap();
        thread::scope(|scope| {
            let submits = scope.spawn(|| {
                let everywhere = (2..).flat_map(|seq| rooms.iter().map(move |room| (seq, room)));
                let submit = |(seq, room)| session.submit(room, Seq(seq), append(seq));
                everywhere
                    .map(submit)
                    .take_while(|outcome| *outcome != UNKNOWN)
                    .count()
            });
            while session.status(&rooms[0]).held == 0 && !submits.is_finished() {
                thread::yield_now();
            }
            assert!(engine.close_session(session.id()));
            received += 1 + submits.join().unwrap() as u64;
        });
        for room in &rooms {
            assert_eq!(session.status(room), UNUSED);
        }
        assert_eq!(counts(&engine).held, 0);
    }
    let counts = counts(&engine);
    assert_eq!((counts.received, counts.told), (received, received));
}

/// A client that came back in time keeps its session, however close that was.
#[test]
fn a_session_that_was_attached_to_is_not_ended_by_a_tick_that_had_found_it_silent() {
    let timeout = Duration::from_secs(10);
    for _ in 0..300 {
        let engine = builder()
            .shards(1)
            .session_timeout(timeout)
            .build()
            .unwrap();
        let ids: Vec<_> = (0..64)
            .map(|_| engine.open_session().unwrap().id())
            .collect();
        let end = Time::START + timeout;
        let attached: Vec<_> = thread::scope(|scope| {
            scope.spawn(|| engine.tick(end));
            while engine.now() < end {
                hint::spin_loop();
            }
            // Whoever attaches from here on does so at that time.
            ids.iter()
                .filter(|&&id| engine.attach(id).is_ok())
                .collect()
        });
        for &id in &attached {
            assert!(engine.attach(*id).is_ok());
        }
        let stats = engine.stats();
        let expired = usize::try_from(stats.sessions_expired).unwrap();
        assert_eq!(
            (stats.sessions, expired),
            (attached.len(), 64 - attached.len())
        );
    }
}

/// P7: there is room for one event, and two who tell the time.
#[test]
fn each_session_that_expires_is_told_however_many_tick() {
    let timeout = Duration::from_secs(1);
    for _ in 0..20 {
        let engine = builder()
            .events_max(1)
            .session_timeout(timeout)
            .build()
            .unwrap();
        for _ in 0..20 {
            let _session = engine.open_session().unwrap();
        }
        let deadline = Instant::now() + Duration::from_secs(20);
        let mut told = 0;
        thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    while engine.stats().sessions > 0 && Instant::now() < deadline {
                        engine.tick(Time::from_millis(2_000));
                    }
                });
            }
            while told < 20 && Instant::now() < deadline {
                match engine.next_event() {
                    Some(_) => told += 1,
                    None => thread::yield_now(),
                }
            }
        });
        let stats = engine.stats();
        assert_eq!(
            (told, stats.sessions_expired, stats.events_missed),
            (20, 20, 0)
        );
    }
}

/// P7: what is held of a version is held by one snapshot, which the next commit finds and counts.
///
/// Scenario: two threads are the first to read a version, at the same time. Failure: each made a snapshot,
/// and of one that is held nobody knew. Fix: they share one.
#[test]
fn two_first_readers_of_a_version_hold_the_same_snapshot() {
    let engine = builder().shards(1).build().unwrap();
    let room = room(&engine, "room");
    let round = AtomicU64::new(0);
    let (read, reads) = mpsc::sync_channel(1);
    let (mut different, mut uncounted) = (0, 0);
    thread::scope(|scope| {
        let (engine, room, round) = (&engine, &room, &round);
        scope.spawn(move || {
            for turn in 1..=READS {
                while round.load(Ordering::Acquire) < turn {
                    hint::spin_loop();
                }
                read.send(engine.get(room)).unwrap();
            }
        });
        for turn in 1..=READS {
            let add = format!(r#"[{{"op":"add","path":"/turn","value":{turn}}}]"#);
            engine.apply(room, patch(&add)).unwrap();
            round.store(turn, Ordering::Release);
            // Now the one is first, now the other.
            (0..turn % 64).for_each(|_| hint::spin_loop());
            let one = engine.get(room).unwrap();
            let two = reads.recv().unwrap().unwrap();
            different += u64::from(!ptr::eq(&raw const *one, &raw const *two));
            drop(one);
            engine.apply(room, patch("[]")).unwrap();
            uncounted += u64::from(engine.memory().pins == 0);
        }
    });
    assert_eq!((different, uncounted), (0, 0));
}

/// Rounds in which two threads read at once.
const READS: u64 = 20_000;

/// P4: it is handed in twice, and counted once.
#[test]
fn a_batch_that_memory_was_made_for_when_the_engine_began_to_close_is_told_once() {
    let mut told = 0;
    for _ in 0..5 {
        let engine = builder().shards(1).memory_max(8 << 20).build().unwrap();
        // What is left is too little for the batch; what relief compresses takes it a while.
        let room = room(&engine, "room");
        let words = format!(r#"["{}"]"#, "word ".repeat(7_000_000 / 5));
        engine.create(&key("library"), json(&words)).unwrap();
        engine.tick(Time::from_millis(2_000));
        let session = engine.open_session().unwrap();
        let page = format!(
            r#"[{{"op":"add","path":"/page","value":"{}"}}]"#,
            "x".repeat(1_000_000)
        );
        let page = patch(&page);
        let before = engine.stats();
        assert_eq!(before.documents_frozen, 0);
        let outcome = thread::scope(|scope| {
            let submits = scope.spawn(|| session.submit(&room, Seq(1), page));
            while engine.stats().reliefs == before.reliefs && !submits.is_finished() {
                thread::yield_now();
            }
            let _closed = engine.close();
            submits.join().unwrap()
        });
        let shutting_down = outcome == Outcome::Refused(Busy::ShuttingDown.retry());
        told += u64::from(shutting_down);
        let counts = counts(&engine);
        assert_eq!(
            (counts.received, counts.told),
            (1, u64::from(shutting_down)),
            "{outcome:?}"
        );
        assert!(engine.stats().documents_frozen > 0, "no load");
    }
    assert!(told > 0, "never while memory was made");
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

/// Something that is so from some time on.
#[derive(Default)]
struct Signal(AtomicBool);

impl Signal {
    fn give(&self) {
        // Pairs with the load of `given`, so that who sees the signal sees what was done before it.
        self.0.store(true, Ordering::Release);
    }

    fn given(&self) -> bool {
        // Pairs with the store of `give`.
        self.0.load(Ordering::Acquire)
    }
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

/// What a writer sends that knows only which seq is expected: some again that were decided, some twice,
/// in any order, one in eight lost.
fn window(expected: u64, random: &mut Random) -> Vec<u64> {
    let from = expected.saturating_sub(4).max(1);
    let seqs = 1 + random.index(WINDOW_MAX);
    let mut seqs: Vec<_> = (from..)
        .take(seqs)
        .flat_map(|seq| {
            let times = match random.index(8) {
                0 => 0,
                1 => 2,
                _ => 1,
            };
            (0..times).map(move |_| seq)
        })
        .collect();
    random.shuffle(&mut seqs);
    seqs
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

/// How long everything goes on at once before the shutdown.
const AT_ONCE: Duration = Duration::from_millis(1_500);

/// P3, P4, P5 and P8: readers, writers of every kind, subscribers, and a shutdown in the middle of it.
#[test]
fn everything_at_once_ends_in_a_shutdown_that_leaves_nothing_open() {
    let runtime = runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_time()
        .build();
    let runtime = runtime.unwrap();
    let bounds = QueueBounds {
        kib: 16,
        round_batches: 8,
        ..QueueBounds::default()
    };
    let engine = builder().shards(4).queue(bounds).build().unwrap();
    let crowd = Crowd {
        rooms: rooms(&engine),
        engine,
        over: Signal::default(),
    };
    runtime.block_on(async { crowd.engine.start().unwrap() });
    thread::scope(|scope| {
        let crowd = &crowd;
        let submits = [1, 2].map(|seed| scope.spawn(move || crowd.submit(seed)));
        let queues: Vec<_> = (3..7).map(|seed| crowd.enqueue(seed)).collect();
        let queues: Vec<_> = queues
            .into_iter()
            .map(|client| runtime.spawn(client))
            .collect();
        let hosts = [7, 8].map(|seed| scope.spawn(move || crowd.host(seed)));
        let reads = [9, 10].map(|seed| scope.spawn(move || crowd.read(seed)));
        let follows = [Mode::EveryCommit, Mode::Latest].map(|mode| {
            let followers = crowd.rooms.iter().map(|room| {
                let options = SubscribeOptions {
                    mode,
                    ..SubscribeOptions::default()
                };
                (
                    crowd.engine.subscribe(room, options).unwrap(),
                    Replica::new(),
                )
            });
            let followers: Vec<_> = followers.collect();
            scope.spawn(move || crowd.follow(followers))
        });

        thread::sleep(AT_ONCE);
        let report = runtime.block_on(crowd.engine.shutdown(Duration::from_secs(20)));
        assert_eq!(
            (report.left, report.aborted, crowd.engine.tasks()),
            (0, 0, 0)
        );
        let mut received: u64 = submits.map(|client| client.join().unwrap()).iter().sum();
        for client in queues {
            received += runtime.block_on(client).unwrap();
        }
        // The host may go on after the shutdown, and does until now.
        crowd.over.give();
        for thread in hosts.into_iter().chain(reads) {
            thread.join().unwrap();
        }
        let replicas = follows.map(|follower| follower.join().unwrap());
        for replicas in replicas {
            for (room, mut replica, mut subscription) in replicas {
                crate::fixture::follow(&mut subscription, &mut replica);
                assert_eq!(replica.root().canonical(), text(&crowd.engine, &room));
            }
        }
        let counts = counts(&crowd.engine);
        assert_eq!((counts.received, counts.held), (received, 0));
        assert!(
            counts.applied > 0 && counts.duplicate > 0 && counts.told > 0,
            "{counts:?}"
        );
        assert_eq!(crowd.engine.stats().queued, 0);
        assert_eq!(crowd.engine.next_deadline(), None);
        assert_eq!(crowd.engine.stats().task_panics, 0);
    });
}

struct Crowd {
    engine: Engine,
    rooms: Vec<Key>,
    over: Signal,
}

/// Whether an outcome says that the engine is shutting down.
fn is_over(outcome: &Outcome) -> bool {
    match outcome {
        Outcome::Refused(Refusal::Retry { cause, .. }) => {
            assert_eq!(*cause, Busy::ShuttingDown);
            true
        }
        _ => false,
    }
}

impl Crowd {
    /// Hands in over a bad link until the engine shuts down; how many that were.
    fn submit(&self, seed: u64) -> u64 {
        let mut random = Random::new(seed);
        let session = self.engine.open_session().unwrap();
        let mut received = 0;
        loop {
            let room = &self.rooms[random.index(6)];
            let expected = session.status(room).expected.0;
            for seq in window(expected, &mut random).into_iter().take(20) {
                received += 1;
                let outcome = session.submit(room, Seq(seq), append(seq));
                if is_over(&outcome) {
                    return received;
                }
            }
        }
    }

    /// The same through the queue, in order.
    fn enqueue(&self, seed: u64) -> impl Future<Output = u64> + Send + 'static {
        let (engine, rooms) = (self.engine.clone(), self.rooms.clone());
        async move {
            let mut random = Random::new(seed);
            let session = engine.open_session().unwrap();
            let mut received = 0;
            loop {
                let room = &rooms[random.index(6)];
                let expected = session.status(room).expected.0;
                for seq in expected.saturating_sub(1).max(1)..expected + 3 {
                    received += 1;
                    let batch = session.batch(room, Seq(seq), append(seq));
                    let outcome = engine.submit_queued(batch).await;
                    if is_over(&outcome) {
                        return received;
                    }
                }
            }
        }
    }

    /// Changes documents in every way that a host has, and makes and removes some.
    fn host(&self, seed: u64) {
        let mut random = Random::new(seed);
        let mut number = 0;
        while !self.over.given() {
            number += 1;
            let room = &self.rooms[random.index(self.rooms.len())];
            let other = &self.rooms[random.index(self.rooms.len())];
            match random.index(6) {
                0 => assert!(self.engine.apply(room, append(number)).is_ok()),
                1 => {
                    let cut = self.engine.edit(room, |draft| draft.set("/log", &[number]));
                    assert!(matches!(cut, Ok(_) | Err(EditError::Conflict)), "{cut:?}");
                }
                2 => {
                    let cut = self
                        .engine
                        .store(room, &BTreeMap::from([("log", [seed, number])]));
                    assert!(matches!(cut, Ok(_) | Err(EditError::Conflict)), "{cut:?}");
                }
                3 => {
                    let writes = [room, other, room].map(|key| (key.clone(), append(number)));
                    assert_eq!(self.engine.transact(&writes).unwrap().len(), 3);
                }
                4 => {
                    let attic = key(&format!("attic/{seed}"));
                    self.engine.create(&attic, json("[]")).unwrap();
                    self.engine.remove(&attic).unwrap();
                }
                _ => {
                    let _not_there = self.engine.remove(&key("nowhere"));
                }
            }
        }
    }

    fn read(&self, seed: u64) {
        let mut random = Random::new(seed);
        let handles: Vec<_> = self
            .rooms
            .iter()
            .map(|room| self.engine.handle(room).unwrap())
            .collect();
        while !self.over.given() {
            let handle = &handles[random.index(handles.len())];
            let (one, two) = (handle.read().unwrap(), handle.read().unwrap());
            assert!(one.position.version <= two.position.version);
            let many = self.engine.read_many(&self.rooms[..3]);
            assert!(many.iter().all(Option::is_some));
            if let Some(then) = self.engine.at(handle.key(), one.position.version) {
                assert!(then.root.identical(&one.root));
            }
            let _stats = self.engine.stats();
            thread::yield_now();
        }
    }

    fn follow(
        &self,
        mut followers: Vec<(Subscription, Replica)>,
    ) -> Vec<(Key, Replica, Subscription)> {
        while !self.over.given() {
            for (subscription, replica) in &mut followers {
                if let Some(frame) = subscription.poll().unwrap() {
                    replica.apply(&frame).unwrap();
                }
            }
            thread::yield_now();
        }
        let keys = self.rooms.iter().cloned();
        let all = keys.zip(followers);
        all.map(|(room, (subscription, replica))| (room, replica, subscription))
            .collect()
    }
}
