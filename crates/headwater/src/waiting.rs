use std::{collections::BTreeMap, task::Waker};

use headwater_core::Key;
use parking_lot::Mutex;

/// Subscribers that wait for a document to be made.
#[derive(Debug, Default)]
pub(crate) struct Waiting {
    wakers: Mutex<BTreeMap<Key, BTreeMap<u64, Waker>>>,
}

impl Waiting {
    /// Has a subscriber woken when the document is made. Look whether it is there after this.
    pub(crate) fn wait(&self, key: &Key, number: u64, waker: &Waker) {
        let mut wakers = self.wakers.lock();
        let of_key = wakers.entry(key.clone()).or_default();
        of_key.insert(number, waker.clone());
    }

    pub(crate) fn leave(&self, key: &Key, number: u64) {
        let mut wakers = self.wakers.lock();
        if let Some(of_key) = wakers.get_mut(key) {
            of_key.remove(&number);
            if of_key.is_empty() {
                wakers.remove(key);
            }
        }
    }

    /// Takes out all who wait for a document that was just made.
    pub(crate) fn take(&self, key: &Key) -> impl Iterator<Item = Waker> + use<> {
        let woken = self.wakers.lock().remove(key);
        woken.into_iter().flat_map(BTreeMap::into_values)
    }
}
