use std::{env, thread};

/// SplitMix64 (Steele, Lea, Flood 2014): every seed is a good one, and a replay needs nothing else.
#[derive(Debug)]
pub(crate) struct Random(u64);

impl Random {
    pub(crate) const fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) const fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number from 0 to `end`, which is not among them.
    pub(crate) const fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    pub(crate) const fn one_in(&mut self, count: u64) -> bool {
        self.below(count) == 0
    }

    pub(crate) fn index(&mut self, len: usize) -> usize {
        usize::try_from(self.below(len as u64)).unwrap()
    }

    pub(crate) fn pick<'a, T>(&mut self, items: &'a [T]) -> &'a T {
        &items[self.index(items.len())]
    }

    pub(crate) fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            items.swap(last, self.index(last + 1));
        }
    }
}

/// Runs `check` for the seeds 0 to `count`, or as many as `HEADWATER_SEEDS` says, or for the one that
/// `HEADWATER_SEED` names; a failure prints the command that repeats it. Whether all of the default
/// ran is returned.
pub(crate) fn for_seeds(test: &str, count: u64, mut check: impl FnMut(u64)) -> bool {
    let number = |name: &str| {
        let text = env::var(name).ok()?;
        Some(text.parse::<u64>().expect("a seed is a number"))
    };
    let seeds = number("HEADWATER_SEED").map_or_else(
        || 0..number("HEADWATER_SEEDS").unwrap_or(count),
        |seed| seed..seed + 1,
    );
    let all = seeds.start == 0 && seeds.end >= count;
    for seed in seeds {
        let guard = Repeat { test, seed };
        check(seed);
        drop(guard);
    }
    all
}

/// Says on the way out of a failed test how to repeat it.
struct Repeat<'a> {
    test: &'a str,
    seed: u64,
}

impl Drop for Repeat<'_> {
    fn drop(&mut self) {
        if thread::panicking() {
            let Self { test, seed } = self;
            eprintln!("seed {seed}; to repeat:");
            eprintln!("    HEADWATER_SEED={seed} cargo test -p headwater-core --test it {test}");
        }
    }
}
