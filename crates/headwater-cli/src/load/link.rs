use std::time::Duration;

use fastrand::Rng;

/// A lane's link to the engine: loses some batches and delays others, by seed.
///
/// What becomes of each batch when it is sent first does not depend on when, nor on what is sent again.
#[derive(Debug)]
pub(crate) struct Link {
    first: Rng,
    again: Rng,
    loss: f64,
    reorder: f64,
    delay_max: u64,
}

/// What a link does to a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    Delivered,
    Lost,
    /// It arrives after so many nanoseconds.
    Delayed(u64),
}

/// What arrives late does so by at least this: longer than it takes to send the next.
const DELAY_MIN: Duration = Duration::from_millis(1);

/// No link keeps a batch longer and delivers it all the same.
const DELAY_MAX: Duration = Duration::from_millis(250);

impl Link {
    /// A link on which what is late arrives up to three batches late, which follow each other in
    /// `interval` nanoseconds.
    pub(crate) fn new(mut rng: Rng, loss: f64, reorder: f64, interval: u64) -> Self {
        let delay = u128::from(interval.saturating_mul(3));
        let delay = delay.clamp(DELAY_MIN.as_nanos() * 3, DELAY_MAX.as_nanos());
        Self {
            first: rng.fork(),
            again: rng,
            loss,
            reorder,
            delay_max: u64::try_from(delay).unwrap_or(u64::MAX),
        }
    }

    pub(crate) fn send(&mut self, again: bool) -> Fate {
        let rng = if again {
            &mut self.again
        } else {
            &mut self.first
        };
        // All three are drawn each time, so that a share of 0 changes nothing of the other's chance.
        let (loss, reorder) = (rng.f64(), rng.f64());
        let delay = rng.u64(self.delay_max / 3..=self.delay_max);
        if loss < self.loss {
            Fate::Lost
        } else if reorder < self.reorder {
            Fate::Delayed(delay)
        } else {
            Fate::Delivered
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_becomes_of_a_batch_does_not_depend_on_what_is_sent_again() {
        let fates = |resent: usize| {
            let mut link = Link::new(Rng::with_seed(5), 0.2, 0.2, 1_000_000);
            (0..1_000)
                .map(|_| {
                    for _ in 0..resent {
                        link.send(true);
                    }
                    link.send(false)
                })
                .collect::<Vec<_>>()
        };
        assert_eq!(fates(0), fates(3));
        let lost = fates(0).iter().filter(|fate| **fate == Fate::Lost).count();
        assert!((150..250).contains(&lost), "{lost}");
    }
}
