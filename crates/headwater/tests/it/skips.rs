use std::sync::Arc;

use headwater::{AtDeadline, Engine, Key, Outcome, Patch, ReorderBounds, Seq, Time, Value};

fn engine(shards: usize) -> Engine {
    let reorder = ReorderBounds {
        at_deadline: AtDeadline::Skip,
        ..ReorderBounds::default()
    };
    let builder = Engine::builder().shard_seed(1).shards(shards);
    builder.reorder(reorder).build().expect("it can be")
}

fn create(engine: &Engine, name: &str) -> Key {
    let key = Key::new(name).expect("a key");
    engine.create(&key, Value::default()).expect("room");
    key
}

fn empty() -> Arc<Patch> {
    Arc::new(Patch::default())
}

/// More batches than one turn decides, and more gaps: one tick decides them all, so that none waits for
/// another deadline.
#[test]
fn a_tick_decides_all_that_its_deadline_has_let_through() {
    let engine = engine(1);
    let key = create(&engine, "room");
    let session = engine.open_session().expect("room");
    for seq in (2..=128).step_by(2) {
        let outcome = session.submit(&key, Seq(seq), empty());
        assert!(matches!(outcome, Outcome::Held { .. }), "{outcome:?}");
    }
    engine.tick(Time::from_micros(engine.now().as_micros() + 60_000_000));
    let status = session.status(&key);
    assert_eq!((status.decided, status.held), (Seq(128), 0));
}

/// P10: a client may skip as many as there are, in one shard and in the next.
#[test]
fn skips_without_end_in_several_shards_are_counted() {
    let engine = engine(4);
    let session = engine.open_session().expect("room");
    for number in 0..16 {
        let key = create(&engine, &format!("room/{number}"));
        let outcome = session.submit(&key, Seq(u64::MAX - 1), empty());
        assert!(matches!(outcome, Outcome::Held { .. }), "{outcome:?}");
    }
    engine.tick(Time::from_micros(engine.now().as_micros() + 60_000_000));
    assert_eq!(engine.stats().reasons["skipped"], u64::MAX);
}

/// A handle is of one incarnation: what it is asked to change is not done to the next one.
#[test]
fn a_handle_never_reaches_the_document_made_in_the_place_of_its_own() {
    let engine = engine(1);
    let key = create(&engine, "room");
    let handle = engine.handle(&key).expect("it is there");
    engine.remove(&key);
    create(&engine, "room");
    assert!(handle.apply(empty()).is_err());
    assert!(handle.subscribe(Default::default()).is_err());
    assert_eq!(engine.get(&key).expect("it is there").position.version.0, 0);
}
