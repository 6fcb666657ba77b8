#![expect(
    clippy::expect_used,
    clippy::missing_panics_doc,
    reason = "a workload that cannot be made leaves nothing to measure"
)]

use headwater::{Builder, Engine, Incarnation, Key, Value};

use crate::player;

/// An engine and the documents in it.
#[derive(Debug)]
pub struct Fleet {
    /// The engine.
    pub engine: Engine,
    /// The documents' keys, in the order in which they were made.
    pub keys: Vec<Key>,
}

impl Fleet {
    /// An engine of these documents.
    pub fn of(builder: Builder, documents: impl IntoIterator<Item = (Key, Value)>) -> Self {
        let engine = builder.build().expect("the settings are valid");
        let create = |(key, root)| {
            engine.create(&key, root).expect("a new key");
            key
        };
        let keys = documents.into_iter().map(create).collect();
        Self { engine, keys }
    }

    /// An engine of so many players.
    #[must_use]
    pub fn of_players(builder: Builder, count: usize) -> Self {
        Self::of(
            builder,
            (0..count).map(|number| (player_key(number), player(number))),
        )
    }

    /// Commits that were made to all of its documents together.
    #[must_use]
    pub fn commits(&self) -> u64 {
        let version = |key| {
            let position = self.engine.position(key);
            position.expect("the document is there").version.0
        };
        self.keys.iter().map(version).sum()
    }
}

/// A builder of an engine whose seeds are fixed, so that every run has the same documents in the same
/// shards.
pub fn builder() -> Builder {
    Engine::builder().shard_seed(1).incarnation(Incarnation(1))
}

/// The key of a [`player`].
#[must_use]
pub fn player_key(number: usize) -> Key {
    Key::new(&format!("player/{number}")).expect("a short name is a key")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::replace;

    #[test]
    fn a_fleet_has_its_documents_and_counts_their_commits() {
        let fleet = Fleet::of_players(builder(), 3);
        for (number, key) in fleet.keys.iter().enumerate() {
            let snapshot = fleet.engine.get(key).unwrap();
            assert!(snapshot.root.identical(&player(number)));
        }
        assert_eq!((fleet.keys.len(), fleet.commits()), (3, 0));
        let path = crate::PLAYER_HP.parse().unwrap();
        for key in &fleet.keys[1..] {
            fleet.engine.apply(key, replace(&path, 1_001)).unwrap();
        }
        assert_eq!(fleet.commits(), 2);
    }
}
