use super::{
    base::{Kind, Place},
    recording::Batch,
};

/// A player, and what its client goes by.
pub(super) struct Player {
    pub(super) client: &'static str,
    pub(super) name: &'static str,
    pub(super) spawn: usize,
    pub(super) home: Place,
    pub(super) state: State,
    pub(super) at: Place,
    pub(super) facing: &'static str,
    pub(super) hp: i32,
    pub(super) ammo: i32,
    pub(super) bag: Vec<Item>,
    pub(super) kills: i32,
    pub(super) deaths: i32,
    /// The tick in which its client's next packet arrives.
    pub(super) due: i32,
    /// A bad link delivers several steps at once, and seldom.
    pub(super) laggy: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    Away,
    Alive,
    Dead { since: i32 },
}

pub(super) struct Item {
    pub(super) id: u32,
    pub(super) kind: Kind,
    pub(super) at: Place,
}

impl Player {
    pub(super) fn path(&self) -> String {
        format!("/players/{}", self.client)
    }

    /// The place in the bag of an item of a kind.
    pub(super) fn carries(&self, kind: &str) -> Option<usize> {
        self.bag.iter().position(|item| item.kind.name == kind)
    }

    /// Uses up an item of a kind, if there is one.
    pub(super) fn consume(&mut self, kind: &str, batch: Batch) -> Batch {
        let Some(slot) = self.carries(kind) else {
            return batch;
        };
        self.bag.remove(slot);
        let item = format!("{}/bag/{slot}", self.path());
        batch.test(&format!("{item}/kind"), kind).remove(&item)
    }
}
