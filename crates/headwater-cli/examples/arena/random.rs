/// A source of numbers that are the same on every machine and with every version of any library: a
/// recording that is made again must not change by a byte (SplitMix64, Steele et al. 2014).
pub(crate) struct Random(u64);

impl Random {
    pub(crate) const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// A number from 0 to less than `end`.
    pub(crate) fn below(&mut self, end: u32) -> u32 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^= bits >> 31;
        // The high half of the product with 32 of the bits is less than `end`.
        let product = (bits >> 32) * u64::from(end);
        u32::try_from(product >> 32).unwrap_or_default()
    }

    /// A number from `start` to `end`, both included.
    pub(crate) fn between(&mut self, start: i32, end: i32) -> i32 {
        start.saturating_add_unsigned(self.below(start.abs_diff(end) + 1))
    }

    /// Whether something happens that does so `percent` times in a hundred.
    pub(crate) fn chance(&mut self, percent: i32) -> bool {
        self.between(0, 99) < percent
    }

    /// One of some, if there are any.
    pub(crate) fn pick<'a, T>(&mut self, from: &'a [T]) -> Option<&'a T> {
        let count = u32::try_from(from.len()).unwrap_or(u32::MAX);
        from.get(usize::try_from(self.below(count)).ok()?)
    }
}
