use std::sync::Arc;

use headwater::{
    Builder, Engine, HistoryBounds, Key, Limits, Patch, Pointer, Position, SubscribeOptions,
    Subscription, Value,
};
use headwater_benches::{Fleet, PLAYER_HP, replace};

/// Far more than any series takes, so that nothing is let go while it is measured.
const MEMORY_MAX: u64 = 1 << 40;

/// Decisions that a lane remembers: few, so that a lane is as large after one batch as after many, and
/// what is measured longer is not more.
const OUTCOMES_MAX: usize = 3;

/// Of an engine without limits on what a document takes, whose documents remember so many commits.
pub(crate) fn builder(commits: usize) -> Builder {
    headwater_benches::builder()
        .memory_max(MEMORY_MAX)
        .limits(Limits::NONE)
        .outcomes_max(OUTCOMES_MAX)
        // One client has a lane to each document.
        .session_lanes_max(usize::MAX)
        .history(HistoryBounds {
            commits_min: commits,
            commits_max: commits,
            ..HistoryBounds::default()
        })
}

/// Such an engine with one document.
pub(crate) fn one(commits: usize, root: Value) -> (Engine, Key) {
    let key = key(0);
    let Fleet { engine, .. } = Fleet::of(builder(commits), [(key.clone(), root)]);
    (engine, key)
}

/// Such an engine with so many [`item`]s.
pub(crate) fn items(commits: usize, count: u64) -> Fleet {
    let documents = (0..count).map(|number| (key(number), item(number)));
    Fleet::of(builder(commits), documents)
}

pub(crate) fn key(number: u64) -> Key {
    Key::new(&format!("item/{number:07}")).expect("a short name is a key")
}

/// A document of 150 bytes, with hit points where a player has them.
pub(crate) fn item(number: u64) -> Value {
    let mut rng = fastrand::Rng::with_seed(number);
    let text = format!(
        r#"{{"id":"item-{number:07}","kind":"lantern","owner":"player-{:06}","state":{{"vitals":{{"hp":{},"hp_max":100}},"place":{{"x":{},"y":{}}},"grounded":{}}}}}"#,
        rng.u32(..1_000_000),
        rng.u32(1..100),
        rng.u32(1_000..2_000),
        rng.u32(1_000..2_000),
        rng.bool(),
    );
    text.parse().expect("it was just written")
}

/// Two patches to take turns, so that each repetition changes the hit points.
pub(crate) fn hits(from: u64) -> [Arc<Patch>; 2] {
    let path = Pointer::parse(PLAYER_HP).expect("a pointer");
    [from, from + 1].map(|hp| replace(&path, hp))
}

/// A subscription to a document that is there.
pub(crate) fn follow(engine: &Engine, key: &Key, options: SubscribeOptions) -> Subscription {
    engine
        .subscribe(key, options)
        .expect("the document is there")
}

/// Where a document that is there is.
pub(crate) fn position(engine: &Engine, key: &Key) -> Position {
    engine.position(key).expect("the document is there")
}

/// One of two that take turns.
pub(crate) fn one_of<T>(pair: &[T; 2], number: u64) -> &T {
    let [first, second] = pair;
    if number.is_multiple_of(2) {
        first
    } else {
        second
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn items_are_of_150_bytes_and_a_hit_changes_them() {
        for number in [0, 9, 999_999] {
            let mut item = item(number);
            let bytes = item.to_string().len();
            assert!((135..165).contains(&bytes), "{bytes}");
            let before = item.clone();
            let hit = &hits(1_000)[0];
            hit.apply(&mut item, &Limits::NONE).unwrap();
            assert_ne!(item, before);
        }
    }
}
