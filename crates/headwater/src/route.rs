use std::hash::Hasher as _;

use headwater_core::Key;

/// Which shard a key belongs to: FNV-1a of the key, from the engine's seed, and a finishing mix.
///
/// Without a seed anyone who chooses names could aim them at one shard, since FNV is the same
/// everywhere; without the mix its high bits are poor, and its low bits depend on few of the key's.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Route {
    seed: u64,
    /// Invariant: the number of shards less one, that number a power of two.
    mask: u64,
}

impl Route {
    pub(crate) const fn new(seed: u64, shards: usize) -> Self {
        Self {
            seed,
            mask: shards as u64 - 1,
        }
    }

    pub(crate) fn shard(self, key: &Key) -> usize {
        let mut hasher = fnv::FnvHasher::with_key(self.seed);
        hasher.write(key.as_str().as_bytes());
        usize::try_from(mix(hasher.finish()) & self.mask).unwrap_or_default()
    }
}

/// The finalizer of MurmurHash3: every bit of the input changes each bit of the output with a
/// probability near one half.
const fn mix(mut hash: u64) -> u64 {
    hash ^= hash >> 33;
    hash = hash.wrapping_mul(0xff51_afd7_ed55_8ccd);
    hash ^= hash >> 33;
    hash = hash.wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    hash ^ (hash >> 33)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_spread_evenly_whatever_the_seed() {
        for seed in [0, 1, 0xcbf2_9ce4_8422_2325, u64::MAX] {
            let route = Route::new(seed, 64);
            let mut counts = [0_usize; 64];
            for room in 0..64_000 {
                let key = Key::new(&format!("room/{room}")).unwrap();
                counts[route.shard(&key)] += 1;
            }
            // 1,000 expected, standard deviation 31: five of those either way.
            let (least, most) = (counts.iter().min(), counts.iter().max());
            assert!(
                least >= Some(&840) && most <= Some(&1_160),
                "{seed}: {least:?} {most:?}"
            );
        }
    }

    #[test]
    fn one_shard_takes_every_key() {
        assert_eq!(Route::new(7, 1).shard(&Key::new("x").unwrap()), 0);
    }
}
