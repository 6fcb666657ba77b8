/// Two that take turns, so that each repetition of a change changes something.
#[derive(Clone, Debug)]
pub struct Turns<T> {
    pair: [T; 2],
    second: bool,
}

impl<T> Turns<T> {
    /// The first of them is next.
    pub const fn new(pair: [T; 2]) -> Self {
        Self { pair, second: true }
    }

    /// The one whose turn it is.
    pub const fn next(&mut self) -> &T {
        self.second = !self.second;
        self.latest()
    }

    /// The one that [`next`](Self::next) returned last.
    #[must_use]
    pub const fn latest(&self) -> &T {
        let [first, second] = &self.pair;
        if self.second { second } else { first }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn turns_begin_with_the_first() {
        let mut turns = Turns::new([1, 2]);
        assert_eq!([*turns.next(), *turns.next(), *turns.next()], [1, 2, 1]);
        assert_eq!(*turns.latest(), 1);
    }
}
