//! A count of the steps that something takes, for tests that assert it. Outside of tests it is nothing.

#[cfg(not(test))]
#[inline]
pub(crate) const fn count(_steps: usize) {}

/// Counts steps of the thread.
#[cfg(test)]
pub(crate) fn count(steps: usize) {
    STEPS.set(STEPS.get() + steps);
}

/// What `work` returns, and how many steps it took.
#[cfg(test)]
pub(crate) fn counted<T>(work: impl FnOnce() -> T) -> (T, usize) {
    let before = STEPS.get();
    let done = work();
    (done, STEPS.get() - before)
}

#[cfg(test)]
thread_local! {
    static STEPS: std::cell::Cell<usize> = const { std::cell::Cell::new(0) };
}
