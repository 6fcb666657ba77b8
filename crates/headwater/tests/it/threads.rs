//! What holds however threads meet.

mod convergence;
mod memory;
mod sessions;
mod shutdown;

use std::sync::atomic::{AtomicBool, Ordering};

use crate::random::Random;

/// Most batches that a writer has on its way at a time: fewer than a lane may hold, so that none is
/// refused, and more than one turn decides.
const WINDOW_MAX: usize = 150;

/// What a writer sends that knows only which seq is expected: some again that were decided, some twice,
/// in any order, one in eight lost.
fn window(expected: u64, random: &mut Random) -> Vec<u64> {
    let from = expected.saturating_sub(4).max(1);
    let seqs = 1 + random.index(WINDOW_MAX);
    let mut seqs: Vec<_> = (from..)
        .take(seqs)
        .flat_map(|seq| {
            let times = match random.index(8) {
                0 => 0,
                1 => 2,
                _ => 1,
            };
            (0..times).map(move |_| seq)
        })
        .collect();
    random.shuffle(&mut seqs);
    seqs
}

/// Something that is so from some time on.
#[derive(Default)]
struct Signal(AtomicBool);

impl Signal {
    fn give(&self) {
        // Pairs with the load of `given`, so that who sees the signal sees what was done before it.
        self.0.store(true, Ordering::Release);
    }

    fn given(&self) -> bool {
        // Pairs with the store of `give`.
        self.0.load(Ordering::Acquire)
    }
}
