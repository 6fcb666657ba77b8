use std::{
    mem,
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    task::{Wake, Waker},
    thread::{self, Thread},
    time::Duration,
};

/// Who of a thread's clients or subscribers was woken: so that thousands of them wait in one thread,
/// without a task each.
#[derive(Debug, Default)]
pub(crate) struct Inbox {
    /// Each is in it once at most.
    woken: Mutex<Vec<usize>>,
    thread: OnceLock<Thread>,
}

/// Wakes one client or subscriber of a thread.
#[derive(Debug)]
pub(crate) struct Bell {
    ring: Arc<Ring>,
    waker: Waker,
}

#[derive(Debug)]
struct Ring {
    inbox: Arc<Inbox>,
    index: usize,
    /// Whether it is in the inbox.
    rung: AtomicBool,
}

impl Inbox {
    /// Has the calling thread woken from now on.
    pub(crate) fn open(&self) {
        // A thread opens its own inbox, once.
        let _opened_before = self.thread.set(thread::current());
    }

    /// Takes out all who were woken; `woken` must be empty, and its room is used again.
    pub(crate) fn take(&self, woken: &mut Vec<usize>) {
        mem::swap(&mut *self.lock(), woken);
    }

    /// Waits until somebody is woken, but not longer than this.
    pub(crate) fn wait(&self, span: Duration) {
        if self.lock().is_empty() {
            // Whoever rings after that look has set the token that ends this at once.
            thread::park_timeout(span);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Vec<usize>> {
        // A list of numbers is whole whatever happens.
        self.woken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Bell {
    pub(crate) fn new(inbox: &Arc<Inbox>, index: usize) -> Self {
        let ring = Arc::new(Ring {
            inbox: Arc::clone(inbox),
            index,
            rung: AtomicBool::new(false),
        });
        Self {
            waker: Waker::from(Arc::clone(&ring)),
            ring,
        }
    }

    /// Silences the bell; whoever rings it from now on is heard. Look at what it rang for after this.
    pub(crate) fn silence(&self) {
        // Release pairs with the swap in `wake_by_ref`.
        self.ring.rung.store(false, Ordering::Release);
    }

    pub(crate) const fn waker(&self) -> &Waker {
        &self.waker
    }

    /// Puts its owner in the inbox, as one who has more to do than its turn allows.
    pub(crate) fn ring(&self) {
        self.waker.wake_by_ref();
    }
}

impl Wake for Ring {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if !self.rung.swap(true, Ordering::AcqRel) {
            self.inbox.lock().push(self.index);
            if let Some(thread) = self.inbox.thread.get() {
                thread.unpark();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bell_rings_once_until_it_is_silenced() {
        let inbox = Arc::new(Inbox::default());
        let bells: Vec<_> = (0..3).map(|index| Bell::new(&inbox, index)).collect();
        let mut woken = Vec::new();
        bells[2].ring();
        bells[0].ring();
        bells[2].waker().wake_by_ref();
        inbox.take(&mut woken);
        assert_eq!(woken, [2, 0]);
        woken.clear();
        bells[2].ring();
        bells[0].silence();
        bells[0].ring();
        inbox.take(&mut woken);
        assert_eq!(woken, [0]);
    }
}
