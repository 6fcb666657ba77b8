#![expect(
    clippy::expect_used,
    clippy::missing_panics_doc,
    reason = "a workload that does not work has nothing to measure"
)]

use std::sync::Arc;

use headwater::{Encoding, Patch, SubscribeOptions, Subscription};

use crate::{Fleet, PLAYER_HP, Turns, replace};

/// Players, each with its followers, who hold the newest version.
#[derive(Debug)]
pub struct FanOut {
    fleet: Fleet,
    followers: Vec<Vec<Subscription>>,
    hits: Turns<Arc<Patch>>,
    commits: u64,
}

impl FanOut {
    /// So many followers of each document of a fleet of players, to which nothing was committed.
    #[must_use]
    pub fn new(fleet: Fleet, followers: usize) -> Self {
        let path = PLAYER_HP.parse().expect("a pointer");
        let mut made = Self {
            fleet,
            followers: Vec::new(),
            // Numbers that no player has, and of the same length.
            hits: Turns::new([1_000_001, 1_000_002].map(|number| replace(&path, number))),
            commits: 0,
        };
        made.followers = made.more(followers);
        made
    }

    /// So many more of each document, which hold its newest version and take no part in
    /// [`deliver`](Self::deliver).
    #[must_use]
    pub fn more(&self, count: usize) -> Vec<Vec<Subscription>> {
        let Fleet { engine, keys } = &self.fleet;
        let follow = |key| {
            let options = SubscribeOptions {
                from: engine.position(key),
                ..SubscribeOptions::default()
            };
            let follow = |_| engine.subscribe(key, options.clone());
            let follow = |number| follow(number).expect("the document is there");
            (0..count).map(follow).collect()
        };
        keys.iter().map(follow).collect()
    }

    /// Changes each document.
    pub fn commit(&mut self) {
        let hit = self.hits.next();
        self.commits += 1;
        for key in &self.fleet.keys {
            let version = self.fleet.engine.apply(key, Arc::clone(hit));
            assert_eq!(version.map(|version| version.0), Ok(self.commits));
        }
    }

    /// Each follower takes the frame of the last commit, encoded: by the number of its document.
    pub fn deliver(&mut self, mut taken: impl FnMut(usize, Arc<[u8]>)) {
        for (document, followers) in self.followers.iter_mut().enumerate() {
            for follower in followers {
                taken(document, next_bytes(follower));
            }
        }
    }

    /// All followers, one document's after the other's.
    pub fn followers_mut(&mut self) -> impl Iterator<Item = &mut Subscription> {
        self.followers.iter_mut().flatten()
    }

    /// How often each document was changed.
    #[must_use]
    pub const fn commits(&self) -> u64 {
        self.commits
    }
}

/// The frame of a commit that there was, encoded.
pub fn next_bytes(follower: &mut Subscription) -> Arc<[u8]> {
    let frame = follower.poll_bytes(Encoding::Json);
    let frame = frame.expect("the document is there");
    frame.expect("there was a commit")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::builder;

    #[test]
    fn each_follower_gets_each_commit_of_its_document_encoded_once() {
        let mut fan_out = FanOut::new(Fleet::of_players(builder(), 2), 3);
        let mut others = fan_out.more(1);
        for _ in 0..2 {
            fan_out.commit();
            let first: Vec<_> = others.iter_mut().flatten().map(next_bytes).collect();
            let mut taken = [0; 2];
            fan_out.deliver(|document, bytes| {
                assert!(Arc::ptr_eq(&first[document], &bytes));
                taken[document] += 1;
            });
            assert_eq!(taken, [3, 3]);
        }
        assert_eq!((fan_out.commits(), fan_out.fleet.commits()), (2, 4));
        assert_eq!(fan_out.followers_mut().count(), 6);
    }
}
