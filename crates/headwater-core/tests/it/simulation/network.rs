use std::{collections::BTreeMap, time::Duration};

use headwater_core::{Submission, Time};

use crate::random::Random;

/// What is on its way, in the order in which it arrives.
pub(crate) struct Network {
    flying: BTreeMap<(Time, u64), Submission>,
    sent: u64,
    /// One in so many is lost.
    loss: u64,
}

impl Network {
    pub(crate) const fn new(loss: u64) -> Self {
        Self {
            flying: BTreeMap::new(),
            sent: 0,
            loss,
        }
    }

    /// Loses some, repeats one in six, and holds a few back for so long that what they belong to
    /// may be gone when they arrive.
    pub(crate) fn send(&mut self, now: Time, batch: Submission, random: &mut Random) {
        if !random.one_in(self.loss) {
            let copies = 1 + u64::from(random.one_in(6));
            for _ in 0..copies {
                let millis = if random.one_in(30) {
                    random.below(3_000)
                } else {
                    random.below(40)
                };
                self.sent += 1;
                let at = now + Duration::from_millis(millis);
                self.flying.insert((at, self.sent), batch.clone());
            }
        }
    }

    pub(crate) fn pop(&mut self) -> Option<(Time, Submission)> {
        let ((at, _), batch) = self.flying.pop_first()?;
        Some((at, batch))
    }

    pub(crate) fn len(&self) -> usize {
        self.flying.len()
    }
}
