//! Many documents under keys: in the engine, and in the maps that one would use instead.

use std::collections::HashMap;

use ahash::RandomState;
use dashmap::DashMap;
use headwater::{Builder, Engine, Key};
use headwater_benches::{Fleet, player, player_key};
use parking_lot::RwLock;

use crate::input;

/// The hasher that measured best for either map.
pub(crate) type ConcurrentMap = DashMap<String, serde_json::Value, RandomState>;
pub(crate) type LockedMap = RwLock<HashMap<String, serde_json::Value, RandomState>>;

/// How many documents are among which one is looked for: more than the caches near a core hold.
pub(crate) const DOCUMENTS: usize = 10_000;

/// A document of 0.8 KB, to be put under a key.
#[derive(Debug)]
pub(crate) struct Stored {
    pub(crate) key: Key,
    pub(crate) text: String,
    /// What stands under [`MEMBER`].
    pub(crate) number: u64,
}

/// The name of a number in each of them.
pub(crate) const MEMBER: &str = "experience";

pub(crate) fn documents() -> Vec<Stored> {
    let stored = |number: usize| {
        let player = player(number);
        let member = player.as_object().and_then(|player| player.get(MEMBER));
        Stored {
            key: player_key(number),
            number: member.and_then(headwater::Value::as_u64).expect("a number"),
            text: player.to_string(),
        }
    };
    (0..DOCUMENTS).map(stored).collect()
}

pub(crate) fn engine(builder: Builder, documents: &[Stored]) -> Engine {
    let parsed = documents
        .iter()
        .map(|Stored { key, text, .. }| (key.clone(), input::ours(text.as_bytes())));
    Fleet::of(builder, parsed).engine
}

pub(crate) fn concurrent_map(documents: &[Stored]) -> ConcurrentMap {
    let map = ConcurrentMap::with_hasher(hasher());
    for Stored { key, text, .. } in documents {
        map.insert(key.as_str().to_owned(), input::serde_json(text.as_bytes()));
    }
    map
}

pub(crate) fn locked_map(documents: &[Stored]) -> LockedMap {
    let mut map = HashMap::with_hasher(hasher());
    for Stored { key, text, .. } in documents {
        map.insert(key.as_str().to_owned(), input::serde_json(text.as_bytes()));
    }
    RwLock::new(map)
}

pub(crate) const fn hasher() -> RandomState {
    RandomState::with_seeds(1, 2, 3, 4)
}
