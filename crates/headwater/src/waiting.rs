use std::{collections::BTreeMap, task::Waker};

use headwater_core::Key;
use parking_lot::Mutex;

/// Subscribers that wait for a document to be made. Wakers are cloned and dropped under no lock.
#[derive(Debug, Default)]
pub(crate) struct Waiting {
    wakers: Mutex<BTreeMap<Key, BTreeMap<u64, Waker>>>,
}

impl Waiting {
    /// Has a subscriber woken when the document is made. Look whether it is there after this.
    pub(crate) fn wait(&self, key: &Key, number: u64, waker: &Waker) {
        let (key, waker) = (key.clone(), waker.clone());
        let old = {
            let mut wakers = self.wakers.lock();
            wakers.entry(key).or_default().insert(number, waker)
        };
        drop(old);
    }

    pub(crate) fn leave(&self, key: &Key, number: u64) {
        let mut wakers = self.wakers.lock();
        let Some(of_key) = wakers.get_mut(key) else {
            return;
        };
        let old = of_key.remove(&number);
        if of_key.is_empty() {
            wakers.remove(key);
        }
        drop(wakers);
        drop(old);
    }

    /// Takes out all who wait for a document that was just made.
    pub(crate) fn take(&self, key: &Key) -> impl Iterator<Item = Waker> + use<> {
        let woken = self.wakers.lock().remove(key);
        woken.into_iter().flat_map(BTreeMap::into_values)
    }
}
