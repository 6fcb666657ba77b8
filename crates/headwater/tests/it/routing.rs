//! How keys are divided into shards, and that it does not show.

use headwater::{
    CreateError, Engine, Key, Replica, Seq, Session, SubscribeOptions, Subscription, Time,
};
use proptest::prelude::*;

use crate::fixture::{FAILS, append, builder, counts, json, key, lane_batches, patch};

/// Which of the others share the shard of the first, of two shards with room for one document each.
fn beside_the_first(builder: headwater::Builder, keys: &[Key]) -> Vec<bool> {
    let engine = builder.shards(2).shard_documents_max(1).build().unwrap();
    let (first, others) = keys.split_first().unwrap();
    engine.create(first, json("1")).unwrap();
    let shares = |key: &Key| match engine.create(key, json("2")) {
        Ok(_) => {
            engine.remove(key);
            false
        }
        Err(error) => {
            let full = CreateError::TooManyDocuments { documents_max: 1 };
            assert_eq!(error, full);
            true
        }
    };
    others.iter().map(shares).collect()
}

fn names(count: u64) -> Vec<Key> {
    (0..count)
        .map(|number| key(&format!("room/{number}")))
        .collect()
}

#[test]
fn the_same_seed_routes_alike_and_another_differently() {
    let keys = names(65);
    let routes: Vec<_> = (0..8)
        .map(|seed| beside_the_first(builder().shard_seed(seed), &keys))
        .collect();
    for (seed, route) in (0..).zip(&routes) {
        let again = beside_the_first(builder().shard_seed(seed), &keys);
        assert_eq!(&again, route, "{seed}");
        let alike = routes.iter().filter(|&other| other == route).count();
        assert_eq!(alike, 1, "{seed}");
    }
}

/// Two of them agree about 64 keys once in 2⁶⁴ times.
#[test]
fn without_a_seed_two_engines_route_differently() {
    let keys = names(65);
    let route = || beside_the_first(Engine::builder(), &keys);
    assert_ne!(route(), route());
}

/// The lowest bit of FNV-1a is the parity of the lowest bits of all bytes: keys that agree in it would
/// all meet in one of two shards.
#[test]
fn nobody_aims_keys_at_one_shard_by_the_lowest_bits_of_their_names() {
    let odd = ['1', '3', '5', '7', '9', 'a', 'c', 'e'];
    let mut keys = Vec::new();
    for first in odd {
        for second in odd {
            for third in odd {
                keys.push(key(&String::from_iter([first, second, third])));
            }
        }
    }
    for seed in 0..8 {
        let route = beside_the_first(builder().shard_seed(seed), &keys);
        let beside = route.iter().filter(|&&beside| beside).count();
        // 255.5 expected of 511, standard deviation 11.3: five of those either way.
        assert!((199..=312).contains(&beside), "{seed}: {beside}");
    }
}

/// One thing that happens. Sessions and keys are indexes.
#[derive(Clone, Debug)]
enum Step {
    /// A batch, so many seqs from the one that its lane expects.
    Submit {
        session: usize,
        key: usize,
        ahead: i64,
        applies: bool,
    },
    Host {
        key: usize,
    },
    Create {
        key: usize,
    },
    Remove {
        key: usize,
    },
    Attach {
        session: usize,
    },
    Close {
        session: usize,
    },
    Tick {
        millis: u64,
    },
    Poll {
        key: usize,
    },
}

const KEYS: usize = 6;
const SESSIONS: usize = 3;

fn any_step() -> impl Strategy<Value = Step> {
    let (key, session) = (0..KEYS, 0..SESSIONS);
    let ahead = prop_oneof![4 => Just(0), 4 => 1..6_i64, 1 => -4..0_i64];
    prop_oneof![
        24 => (session.clone(), key.clone(), ahead, prop::bool::weighted(0.8)).prop_map(
            |(session, key, ahead, applies)| Step::Submit { session, key, ahead, applies },
        ),
        2 => key.clone().prop_map(|key| Step::Host { key }),
        1 => key.clone().prop_map(|key| Step::Create { key }),
        1 => key.clone().prop_map(|key| Step::Remove { key }),
        1 => session.clone().prop_map(|session| Step::Attach { session }),
        1 => session.prop_map(|session| Step::Close { session }),
        3 => (0..1_200_u64).prop_map(|millis| Step::Tick { millis }),
        6 => key.prop_map(|key| Step::Poll { key }),
    ]
}

/// An engine with all that stands around it.
struct World {
    engine: Engine,
    keys: Vec<Key>,
    sessions: Vec<Session>,
    followers: Vec<(Option<Subscription>, Replica)>,
    millis: u64,
}

impl World {
    fn new(shards: usize) -> Self {
        // No lane is evicted for another: of equal ones that would be the one made later in its shard.
        let engine = builder()
            .shards(shards)
            .reorder(lane_batches(4))
            .build()
            .unwrap();
        let keys = names(KEYS as u64);
        for key in &keys {
            engine.create(key, json(r#"{"log":[]}"#)).unwrap();
        }
        Self {
            sessions: (0..SESSIONS)
                .map(|_| engine.open_session().unwrap())
                .collect(),
            followers: keys.iter().map(|_| (None, Replica::new())).collect(),
            keys,
            engine,
            millis: 0,
        }
    }

    /// Takes a step, and tells all that can be seen of it but the epoch, whose number is its shard's.
    fn step(&mut self, step: &Step) -> String {
        let Self { engine, keys, .. } = self;
        match *step {
            Step::Submit {
                session,
                key,
                ahead,
                applies,
            } => {
                let (session, key) = (&self.sessions[session], &keys[key]);
                let seq = session.status(key).expected.0.saturating_add_signed(ahead);
                let batch = if applies { append(seq) } else { patch(FAILS) };
                format!("{:?}", session.submit(key, Seq(seq), batch))
            }
            Step::Host { key } => format!("{:?}", engine.apply(&keys[key], append(0))),
            Step::Create { key } => {
                let created = engine.create(&keys[key], json(r#"{"log":["new"]}"#));
                format!("{:?}", created.map(|position| position.version))
            }
            Step::Remove { key } => {
                let removed = engine.remove(&keys[key]);
                format!("{:?}", removed.map(|last| last.root.canonical()))
            }
            Step::Attach { session } => {
                let session = &mut self.sessions[session];
                let former = session.clone();
                *session = engine.attach(former.id()).unwrap();
                format!("{:?}", former.submit(&keys[0], Seq(1), append(1)))
            }
            Step::Close { session } => {
                let open = engine.open_session().unwrap();
                let former = std::mem::replace(&mut self.sessions[session], open);
                let closed = engine.close_session(former.id());
                let refused = former.submit(&keys[0], Seq(1), append(1));
                format!("{closed} {refused:?}")
            }
            Step::Tick { millis } => {
                self.millis += millis;
                engine.tick(Time::from_millis(self.millis));
                format!("{:?}", engine.next_deadline())
            }
            Step::Poll { key } => self.poll(key),
        }
    }

    fn poll(&mut self, key: usize) -> String {
        let (subscription, replica) = &mut self.followers[key];
        let Some(open) = subscription else {
            let options = SubscribeOptions {
                from: replica.position(),
                ..SubscribeOptions::default()
            };
            *subscription = self.engine.subscribe(&self.keys[key], options).ok();
            return format!("{}", subscription.is_some());
        };
        let frame = match open.poll() {
            Ok(Some(frame)) => frame,
            Ok(None) => return "current".to_owned(),
            Err(closed) => {
                *subscription = None;
                return closed.to_string();
            }
        };
        replica.apply(&frame).unwrap();
        let (to, bytes) = (frame.to, frame.written_bytes());
        format!("{to} by {bytes}: {}", replica.root())
    }

    fn state(&self) -> String {
        let document = |key| {
            let root = self.engine.get(key).map(|head| head.root.canonical());
            let lanes = self.sessions.iter().map(|session| session.status(key));
            format!("{root:?} {:?}", lanes.collect::<Vec<_>>())
        };
        let documents: Vec<_> = self.keys.iter().map(document).collect();
        let (count, deadline) = (self.engine.documents(), self.engine.next_deadline());
        let counts = counts(&self.engine);
        format!("{count} {deadline:?} {counts:?} {documents:#?}")
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// P2 and P5, however the keys are divided.
    #[test]
    fn the_number_of_shards_does_not_show(steps in prop::collection::vec(any_step(), 1..300)) {
        let (mut one, mut many) = (World::new(1), World::new(64));
        for step in steps {
            prop_assert_eq!(one.step(&step), many.step(&step), "{:?}", step);
            prop_assert_eq!(one.state(), many.state(), "{:?}", step);
        }
    }
}

/// What the property above says would be little if all keys met in one shard of the 64.
#[test]
fn the_keys_of_the_property_lie_in_several_shards() {
    let engine = builder().shard_documents_max(1).build().unwrap();
    let keys = names(KEYS as u64);
    let made = keys
        .iter()
        .filter(|key| engine.create(key, json("1")).is_ok());
    assert!(made.count() > 3);
}
