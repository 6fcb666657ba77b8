//! Futures without a runtime, polled step by step.

use std::{
    future::Future,
    panic::panic_any,
    pin::{Pin, pin},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll, Wake, Waker},
};

/// Counts how often it was woken.
#[derive(Debug, Default)]
pub(crate) struct Bell(AtomicUsize);

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

impl Bell {
    pub(crate) fn new() -> (Arc<Self>, Waker) {
        let bell = Arc::new(Self::default());
        (Arc::clone(&bell), Waker::from(bell))
    }

    /// How often it rang since it was last asked.
    pub(crate) fn rung(&self) -> usize {
        self.0.swap(0, Ordering::SeqCst)
    }
}

/// Panics when it is woken.
pub(crate) struct Trap;

impl Wake for Trap {
    fn wake(self: Arc<Self>) {
        panic!("a trap was woken");
    }
}

/// Panics when the last of it is dropped, and so does what it panics with, once it is let go.
pub(crate) struct Bomb;

impl Wake for Bomb {
    fn wake(self: Arc<Self>) {}
}

impl Drop for Bomb {
    fn drop(&mut self) {
        panic_any(Fallout);
    }
}

struct Fallout;

impl Drop for Fallout {
    fn drop(&mut self) {
        panic!("what a panic has left panics");
    }
}

/// Polls a future once.
pub(crate) fn poll<F: Future>(future: Pin<&mut F>, waker: &Waker) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(waker))
}

/// Polls a future once and drops it.
pub(crate) fn now_or_never<F: Future>(future: F) -> Option<F::Output> {
    match poll(pin!(future), Waker::noop()) {
        Poll::Ready(output) => Some(output),
        Poll::Pending => None,
    }
}

/// Polls a future at most so many times, `between` after each that finds it pending, and then drops it.
pub(crate) fn polled<F: Future>(
    future: F,
    times: usize,
    mut between: impl FnMut(),
) -> Option<F::Output> {
    let mut future = pin!(future);
    for _ in 0..times {
        if let Poll::Ready(output) = poll(future.as_mut(), Waker::noop()) {
            return Some(output);
        }
        between();
    }
    None
}
