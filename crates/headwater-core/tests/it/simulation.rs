//! P1, P2 and P4 under a network that loses, repeats, reorders and delays, with documents that come and
//! go, sessions that attach again and end, and bounds that are met all the time. A sequential model
//! says what must come of it, and every batch is counted where its sender stands.

mod follower;
mod model;
mod network;
mod workload;

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use headwater_core::{Attachment, Key, Outcome, Refusal, Seq, SessionId, Submission, Version};

use self::{
    follower::Follower,
    model::{Expected, Model},
    network::Network,
    workload::{any_config, any_patch, followers},
};
use crate::{
    pair::{Server, json, key, patch},
    random::{Random, for_seeds},
};

/// P1, P2, P4, P5.
#[test]
fn whatever_the_network_does_each_batch_is_decided_once_in_order_and_accounted_for() {
    let mut seen = Seen::default();
    let all = for_seeds("whatever_the_network_does", 45, |seed| {
        let mut world = World::new(seed);
        (0..STEPS).for_each(|_| world.step());
        world.finish();
        for (word, count) in world.seen.0 {
            *seen.0.entry(word).or_default() += count;
        }
    });
    // Without each of these the simulation would prove less than it says.
    for word in WORDS {
        assert!(!all || seen.0.contains_key(word), "no {word}: {seen:?}");
    }
}

const STEPS: u64 = 1_200;

/// What a client sends again at a time.
const RESENDS_MAX: usize = 100;

const WORDS: [&str; 25] = [
    "ahead",
    "already_decided",
    "applied",
    "compacted",
    "deadline",
    "duplicate",
    "epoch_changed",
    "evicted",
    "fenced",
    "forgotten",
    "frame_lost",
    "frame_refused",
    "gap",
    "held",
    "held_again",
    "host",
    "initial",
    "no_such_document",
    "not_found",
    "out_of_range",
    "patch",
    "predecessor",
    "seq_reused",
    "turn",
    "unknown_session",
];

/// How often what happened.
#[derive(Debug, Default)]
struct Seen(BTreeMap<&'static str, u64>);

impl Seen {
    fn note(&mut self, word: &'static str) {
        *self.0.entry(word).or_default() += 1;
    }
}

struct World {
    random: Random,
    server: Server,
    model: Model,
    network: Network,
    keys: Vec<Key>,
    /// The open sessions, and their present attachments.
    clients: BTreeMap<SessionId, Attachment>,
    followers: Vec<Follower>,
    /// How many batches a burst has.
    burst: u64,
    written: u64,
    seen: Seen,
}

impl World {
    fn new(seed: u64) -> Self {
        let mut random = Random::new(seed);
        let config = any_config(seed, &mut random);
        let keys: Vec<_> = (0..1 + random.below(4))
            .map(|number| key(&format!("key{number}")))
            .collect();
        let mut world = Self {
            model: Model::new(config.outcomes_max),
            server: Server::with(config),
            network: Network::new(*random.pick(&[3, 6, 60])),
            clients: BTreeMap::new(),
            followers: followers(&keys, &mut random),
            keys,
            burst: if seed % 3 == 2 { 90 } else { 8 },
            written: 0,
            seen: Seen::default(),
            random,
        };
        for key in world.keys.clone() {
            world.create(&key);
        }
        for _ in 0..1 + world.random.below(5) {
            world.open();
        }
        world
    }

    /// One thing happens, and all that can be seen of it is checked.
    fn step(&mut self) {
        match self.random.below(100) {
            0..25 => {
                let (session, key) = self.any_lane();
                self.write(session, &key);
            }
            25..27 => {
                let (session, key) = self.any_lane();
                (0..self.burst).for_each(|_| self.write(session, &key));
            }
            27..72 => {
                // The more is on its way, the more arrives.
                for _ in 0..1 + self.network.len() / 16 {
                    self.deliver_next();
                    self.settle();
                }
            }
            72..78 => {
                let (session, key) = self.any_lane();
                for batch in self.resends(session, &key) {
                    self.network.send(self.server.now, batch, &mut self.random);
                }
            }
            78..85 => self.turn(),
            85..89 => {
                let millis = self.random.below(40);
                self.pass(Duration::from_millis(millis));
            }
            89..92 => self.lie(),
            92..95 => self.change_by_the_host(),
            95 => self.create_what_is_missing(),
            96 if self.random.one_in(3) => self.remove(),
            97 if self.random.one_in(3) => self.attach(),
            98 if self.random.one_in(6) => self.replace_client(),
            _ => {}
        }
        self.settle();
        for follower in &mut self.followers {
            follower.maybe_poll(&self.server, &self.model, &mut self.random, &mut self.seen);
        }
    }

    /// P2: without further losses all that was written is decided, and everybody agrees.
    fn finish(&mut self) {
        while self.network.len() > 0 {
            self.deliver_next();
            self.settle();
        }
        for round in 0.. {
            assert!(round < 20_000, "no progress");
            while self.server.shard.has_turn() {
                self.server.shard.turn(self.server.now);
                self.settle();
            }
            let lanes: Vec<_> = self.model.lanes.keys().cloned().collect();
            let mut resends: Vec<_> = lanes
                .iter()
                .flat_map(|(session, key)| self.resends(*session, key))
                .collect();
            if resends.is_empty() {
                break;
            }
            self.random.shuffle(&mut resends);
            for batch in resends {
                self.deliver(&batch);
                self.settle();
            }
            self.pass(Duration::from_millis(150));
            self.settle();
        }
        for ((session, key), lane) in &self.model.lanes {
            assert_eq!(lane.decided(), lane.batches.len() as u64);
            assert_eq!(self.server.shard.lane_status(*session, key).held, 0);
        }
        assert_eq!(self.server.shard.counts().held, 0);
        for key in &self.keys {
            let head = self.server.shard.snapshot(key);
            let model = self.model.documents.get(key);
            assert_eq!(
                head.map(|head| (head.position, head.root.canonical())),
                model.map(|model| (model.position, model.root.canonical()))
            );
        }
        for follower in &mut self.followers {
            follower.catch_up(&self.server, &self.model, &mut self.seen);
        }
    }

    fn any_lane(&mut self) -> (SessionId, Key) {
        let sessions: Vec<_> = self.clients.keys().copied().collect();
        let session = *self.random.pick(&sessions);
        (session, self.random.pick(&self.keys).clone())
    }

    fn write(&mut self, session: SessionId, key: &Key) {
        let decided = self.server.shard.lane_status(session, key).decided;
        let lane = self.model.lane(session, key);
        if lane.batches.len() as u64 - lane.decided() > 250 {
            return;
        }
        self.written += 1;
        let batch = Submission {
            session,
            attachment: self.clients[&session],
            key: key.clone(),
            seq: Seq(lane.batches.len() as u64 + 1),
            acked: Seq(self.random.below(decided.0 + 1)),
            chained: self.random.one_in(3),
            patch: patch(&any_patch(self.written, &mut self.random)),
        };
        lane.batches.push(batch.clone());
        self.network.send(self.server.now, batch, &mut self.random);
    }

    /// What a client sends again, going only by what its lane's status says.
    fn resends(&mut self, session: SessionId, key: &Key) -> Vec<Submission> {
        let status = self.server.shard.lane_status(session, key);
        let beyond = status.highest_held.unwrap_or(status.decided).next();
        let end = Seq(u64::MAX);
        let ranges = status.missing.iter().cloned().chain([beyond..=end]);
        let wanted: Vec<_> = ranges.collect();
        let acked = Seq(self.random.below(status.decided.0 + 1));
        let batches = self.model.lane(session, key).batches.iter();
        batches
            .skip(usize::try_from(status.decided.0).unwrap())
            .filter(|batch| wanted.iter().any(|range| range.contains(&batch.seq)))
            .take(RESENDS_MAX)
            .map(|batch| Submission {
                attachment: self.clients[&session],
                acked,
                ..batch.clone()
            })
            .collect()
    }

    fn deliver_next(&mut self) {
        if let Some((at, batch)) = self.network.pop() {
            self.pass(at.since(self.server.now));
            self.settle();
            self.deliver(&batch);
        }
    }

    /// Hands a batch in, checks the outcome, and counts it as its sender does.
    fn deliver(&mut self, batch: &Submission) {
        let current = self.clients.get(&batch.session).copied();
        let deadline = self
            .server
            .shard
            .lane_status(batch.session, &batch.key)
            .deadline;
        let expected = self.model.expect(batch, current, deadline);
        let outcome = self.server.submit(batch);
        self.model.counts.received += 1;
        match &expected {
            Expected::This(expected) => assert_eq!(&outcome, expected, "{batch:?}"),
            Expected::Decided | Expected::HeldOrGap => self.model.acknowledge(batch),
        }
        let word = match outcome {
            Outcome::Applied { .. } => {
                assert!(matches!(expected, Expected::Decided), "{outcome:?}");
                self.model.counts.applied += 1;
                self.model.direct = Some((batch.clone(), outcome));
                "applied"
            }
            Outcome::Rejected(rejection) => {
                assert!(matches!(expected, Expected::Decided), "{outcome:?}");
                self.model.counts.rejected += 1;
                self.model.direct = Some((batch.clone(), outcome));
                rejection.code()
            }
            Outcome::Duplicate(_) => {
                self.model.counts.duplicate += 1;
                "duplicate"
            }
            Outcome::Held { .. } if matches!(expected, Expected::This(_)) => {
                self.model.counts.duplicate += 1;
                "held_again"
            }
            Outcome::Held { expected, .. } => {
                self.model.counts.held += 1;
                let lane = self.model.lane(batch.session, &batch.key);
                assert_eq!(expected.0, lane.decided() + 1);
                assert!(lane.held.insert(batch.seq.0));
                "held"
            }
            Outcome::Refused(refusal) => {
                self.model.counts.told += 1;
                self.refused(batch, &expected, refusal)
            }
        };
        self.seen.note(word);
    }

    fn refused(
        &mut self,
        batch: &Submission,
        predicted: &Expected,
        refusal: Refusal,
    ) -> &'static str {
        match refusal {
            Refusal::UnknownSession => "unknown_session",
            Refusal::Fenced { .. } => "fenced",
            Refusal::SeqReused => "seq_reused",
            Refusal::AlreadyDecided { .. } => "already_decided",
            Refusal::Gap {
                expected, received, ..
            } => {
                assert!(matches!(predicted, Expected::HeldOrGap), "{refusal}");
                let lane = self.model.lane(batch.session, &batch.key);
                assert_eq!((expected.0, received), (lane.decided() + 1, batch.seq));
                "gap"
            }
            other => panic!("{other}"),
        }
    }

    /// Another batch under a seq that is decided or held; it must never be taken.
    fn lie(&mut self) {
        let (session, key) = self.any_lane();
        let lane = self.model.lane(session, &key);
        let mut seqs: Vec<_> = lane.held.iter().copied().collect();
        seqs.extend(1..=lane.decided());
        if seqs.is_empty() {
            return;
        }
        let seq = *self.random.pick(&seqs);
        let truth = &lane.batches[usize::try_from(seq - 1).unwrap()];
        let lie = Submission {
            attachment: self.clients[&session],
            patch: patch(r#"[{"op":"add","path":"/lie","value":true}]"#),
            ..truth.clone()
        };
        self.deliver(&lie);
    }

    fn turn(&mut self) {
        if self.server.shard.has_turn() {
            self.server.shard.turn(self.server.now);
            self.seen.note("turn");
        }
    }

    /// Time passes; now and then the host is late.
    fn pass(&mut self, span: Duration) {
        self.server.now = self.server.now + span;
        let due = self.server.shard.next_deadline();
        if due.is_some_and(|due| due <= self.server.now) && !self.random.one_in(4) {
            let before = self.server.shard.counts();
            self.server.shard.tick(self.server.now);
            if self.server.shard.has_turn() {
                // What waits only for a turn is not given up.
                assert_eq!(self.server.shard.counts(), before);
                return;
            }
            let next = self.server.shard.next_deadline();
            assert!(next.is_none_or(|next| next > self.server.now));
        }
    }

    fn change_by_the_host(&mut self) {
        let key = self.random.pick(&self.keys).clone();
        self.written += 1;
        let patch = patch(&any_patch(self.written, &mut self.random));
        let version = self
            .server
            .shard
            .apply(self.server.now, &key, Arc::clone(&patch));
        assert_eq!(version.ok(), self.model.apply(&key, &patch));
        self.seen.note("host");
    }

    fn remove(&mut self) {
        let key = self.random.pick(&self.keys).clone();
        let removed = self.server.shard.remove(&key);
        let model = self.model.documents.remove(&key);
        assert_eq!(
            removed.map(|removed| (removed.position, removed.root.canonical())),
            model
                .as_ref()
                .map(|model| (model.position, model.root.canonical()))
        );
    }

    fn create_what_is_missing(&mut self) {
        for key in self.keys.clone() {
            if !self.model.documents.contains_key(&key) {
                self.create(&key);
            }
        }
    }

    fn create(&mut self, key: &Key) {
        let pad = "x".repeat(self.random.index(2) * 600);
        let root = json(&format!(
            r#"{{"log":[],"n":0,"text":"{pad}","fields":{{}}}}"#
        ));
        let position = self.server.shard.create(key, root.clone()).unwrap();
        assert_eq!(position.version, Version::ZERO);
        self.model.create(key, position, &root);
    }

    fn open(&mut self) {
        let (session, attachment) = self.server.sessions.open().unwrap();
        assert_eq!(self.clients.insert(session, attachment), None);
    }

    fn attach(&mut self) {
        let (session, _) = self.any_lane();
        let attachment = self.server.sessions.attach(session).unwrap();
        self.clients.insert(session, attachment);
    }

    /// A session ends, with what it holds; its client comes back as a new one.
    fn replace_client(&mut self) {
        let (session, _) = self.any_lane();
        self.clients.remove(&session);
        assert!(self.server.sessions.close(session));
        self.server.shard.forget(session);
        if self.model.forget(session) > 0 {
            self.seen.note("forgotten");
        }
        self.open();
    }

    /// The model catches up with what the shard says that it decided and gave up; then both must agree.
    fn settle(&mut self) {
        self.model.settle(&self.server, &mut self.seen);
        let counts = self.server.shard.counts();
        assert!(counts.balance(), "P4: {counts:?}");
        assert_eq!(counts, self.model.counts, "P4");
        for (key, document) in &self.model.documents {
            let head = self.server.shard.snapshot(key).unwrap();
            assert_eq!(head.position, document.position);
            assert_eq!(head.root.digest(), self.model.digest(head.position));
        }
        let key = self.random.pick(&self.keys);
        if let Some(document) = self.model.documents.get(key) {
            let to = Version(self.random.below(document.position.version.0 + 1));
            if let Some(rewind) = self.server.shard.rewind(key, to) {
                let then = rewind.finish();
                assert_eq!(then.position.version, to);
                assert_eq!(then.root.digest(), self.model.digest(then.position));
            }
        }
    }
}
