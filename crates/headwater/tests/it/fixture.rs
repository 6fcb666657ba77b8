use std::sync::Arc;

use headwater::{
    Bound, Builder, Counts, Engine, Extensions, Frame, Incarnation, Key, LaneStatus, Limits,
    Outcome, Patch, Refusal, ReorderBounds, Replica, Seq, Session, Subscription, Time, Value,
    Version,
};

pub(crate) const INCARNATION: Incarnation = Incarnation(7);

/// A lane that no batch was ever taken from.
pub(crate) const UNUSED: LaneStatus = LaneStatus {
    decided: Seq::ZERO,
    expected: Seq(1),
    missing: Vec::new(),
    highest_held: None,
    held: 0,
    deadline: None,
    report: None,
};

pub(crate) const UNKNOWN: Outcome = Outcome::Refused(Refusal::UnknownSession);

/// A batch that changes something and then fails, with `not_found`.
pub(crate) const FAILS: &str =
    r#"[{"op":"add","path":"/log/-","value":"no"},{"op":"remove","path":"/nothing"}]"#;

/// The default bounds, both extensions, and nothing left to chance.
pub(crate) fn builder() -> Builder {
    Engine::builder()
        .incarnation(INCARNATION)
        .shard_seed(1)
        .extensions(Extensions::ALL)
}

pub(crate) fn engine() -> Engine {
    builder().build().unwrap()
}

/// The default bounds, but for how many batches a lane may hold.
pub(crate) fn lane_batches(batches: usize) -> ReorderBounds {
    let bounds = ReorderBounds::default();
    ReorderBounds {
        lane: Bound {
            batches,
            ..bounds.lane
        },
        ..bounds
    }
}

pub(crate) fn key(name: &str) -> Key {
    Key::new(name).unwrap()
}

pub(crate) fn json(text: &str) -> Value {
    text.parse().unwrap()
}

pub(crate) fn patch(text: &str) -> Arc<Patch> {
    Arc::new(Patch::parse(text.as_bytes(), &Limits::NONE, Extensions::ALL).unwrap())
}

/// A batch whose place in the order shows: it appends a number to `/log`.
pub(crate) fn append(number: u64) -> Arc<Patch> {
    patch(&format!(
        r#"[{{"op":"add","path":"/log/-","value":{number}}}]"#
    ))
}

/// Makes a document with an empty `/log`.
pub(crate) fn room(engine: &Engine, name: &str) -> Key {
    let key = key(name);
    engine.create(&key, json(r#"{"log":[]}"#)).unwrap();
    key
}

/// So many of them, which is enough to meet in some shards and not in others.
pub(crate) fn rooms(engine: &Engine) -> Vec<Key> {
    (0..20)
        .map(|number| room(engine, &format!("room/{number}")))
        .collect()
}

pub(crate) fn text(engine: &Engine, key: &Key) -> String {
    engine.get(key).expect("a document").root.canonical()
}

/// Hands in batches that append their seqs, and expects all to be applied.
pub(crate) fn send(session: &Session, key: &Key, seqs: impl IntoIterator<Item = u64>) {
    for seq in seqs {
        let outcome = session.submit(key, Seq(seq), append(seq));
        assert!(matches!(outcome, Outcome::Applied { .. }), "{outcome:?}");
    }
}

/// Hands in batches that append their seqs, and expects all to be held.
pub(crate) fn hold(session: &Session, key: &Key, seqs: impl IntoIterator<Item = u64>) {
    for seq in seqs {
        let outcome = session.submit(key, Seq(seq), append(seq));
        assert!(matches!(outcome, Outcome::Held { .. }), "{outcome:?}");
    }
}

pub(crate) fn applied(version: u64) -> Outcome {
    Outcome::Applied {
        version: Version(version),
    }
}

/// P4: the counts, which balance whenever they are read.
pub(crate) fn counts(engine: &Engine) -> Counts {
    let counts = engine.counts();
    assert!(counts.balance(), "P4: {counts:?}");
    counts
}

/// Polls until there is nothing new, and applies the frames.
pub(crate) fn follow(subscription: &mut Subscription, replica: &mut Replica) -> Vec<Frame> {
    let mut frames = Vec::new();
    while let Some(frame) = subscription.poll().unwrap() {
        replica.apply(&frame).unwrap();
        assert_eq!(subscription.position(), replica.position());
        frames.push(frame);
    }
    frames
}

pub(crate) fn seconds(seconds: u64) -> Time {
    Time::from_millis(seconds * 1_000)
}
