use std::{collections::BTreeMap, mem, task::Waker};

use headwater_core::Time;
use parking_lot::Mutex;

/// Who wants to be woken when a time has come, as the host's ticks tell it. Wakers are cloned and dropped
/// under no lock.
#[derive(Debug, Default)]
pub(crate) struct Timers {
    wakers: Mutex<BTreeMap<(Time, u64), Waker>>,
}

impl Timers {
    /// Sets the timer that `number` names, for this time.
    pub(crate) fn set(&self, at: Time, number: u64, waker: &Waker) {
        let waker = waker.clone();
        let old = self.wakers.lock().insert((at, number), waker);
        drop(old);
    }

    pub(crate) fn remove(&self, at: Time, number: u64) {
        let old = self.wakers.lock().remove(&(at, number));
        drop(old);
    }

    /// Takes out all whose time has come.
    pub(crate) fn due(&self, now: Time) -> impl Iterator<Item = Waker> + use<> {
        let mut wakers = self.wakers.lock();
        let due = if wakers
            .first_key_value()
            .is_some_and(|(&(at, _), _)| at <= now)
        {
            let later = wakers.split_off(&(now, u64::MAX));
            mem::replace(&mut *wakers, later)
        } else {
            BTreeMap::new()
        };
        due.into_values()
    }
}
