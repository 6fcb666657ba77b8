use std::{
    collections::VecDeque,
    mem,
    task::{Context, Poll, Waker},
};

use headwater_core::{CloseReason, Key, SessionId};
use parking_lot::Mutex;

/// Something that the engine did of itself, so that the host can clean up after it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// A session has shown no sign of life for too long, and has ended: its cursor or player can go.
    SessionExpired(SessionId),
    /// A document is no longer there, and the host did not remove it.
    DocumentClosed {
        /// Its key.
        key: Key,
        /// Why.
        reason: CloseReason,
    },
    /// A task of the engine has panicked, and was started again. One that the host has not taken yet stands
    /// for all that follow it.
    TaskPanicked {
        /// Which: `tick`, `queue`, or `freeze`, which compresses.
        task: &'static str,
    },
}

/// Events that the host has not taken yet.
#[derive(Debug)]
pub(crate) struct Events {
    max: usize,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    queue: VecDeque<Event>,
    missed: u64,
    waker: Option<Waker>,
}

impl Events {
    pub(crate) fn new(max: usize) -> Self {
        Self {
            max,
            state: Mutex::default(),
        }
    }

    /// Whether there is room for another. What can wait waits until there is.
    pub(crate) fn has_room(&self) -> bool {
        self.state.lock().queue.len() < self.max
    }

    /// Adds an event, and yields who waits for it; gives one back that finds no room.
    pub(crate) fn try_push(&self, event: Event) -> Result<Option<Waker>, Event> {
        self.state.lock().try_push(event, self.max)
    }

    /// Adds an event, and yields who waits for it; one that finds no room is only counted.
    #[must_use]
    pub(crate) fn push(&self, event: Event) -> Option<Waker> {
        self.state.lock().push(event, self.max)
    }

    /// The same, unless it waits already: for what may come up over and over, and must not crowd out others.
    #[must_use]
    pub(crate) fn push_once(&self, event: Event) -> Option<Waker> {
        let mut state = self.state.lock();
        if state.queue.contains(&event) {
            return None;
        }
        state.push(event, self.max)
    }

    pub(crate) fn pop(&self) -> Option<Event> {
        self.state.lock().queue.pop_front()
    }

    pub(crate) fn poll(&self, context: &Context<'_>) -> Poll<Event> {
        // Cloned before the lock is taken, and the one that it replaces is dropped after.
        let mut waker = Some(context.waker().clone());
        let mut state = self.state.lock();
        if let Some(event) = state.queue.pop_front() {
            return Poll::Ready(event);
        }
        mem::swap(&mut state.waker, &mut waker);
        Poll::Pending
    }

    pub(crate) fn missed(&self) -> u64 {
        self.state.lock().missed
    }
}

impl State {
    fn push(&mut self, event: Event, max: usize) -> Option<Waker> {
        self.try_push(event, max).unwrap_or_else(|_missed| {
            self.missed += 1;
            None
        })
    }

    fn try_push(&mut self, event: Event, max: usize) -> Result<Option<Waker>, Event> {
        if self.queue.len() >= max {
            return Err(event);
        }
        self.queue.push_back(event);
        Ok(self.waker.take())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// P7.
    #[test]
    fn what_comes_up_over_and_over_waits_once_and_leaves_room_for_others() {
        let events = Events::new(3);
        let panicked = |task| Event::TaskPanicked { task };
        for task in ["tick", "queue", "tick", "queue", "tick"] {
            assert!(events.push_once(panicked(task)).is_none());
        }
        assert!(events.has_room());
        assert_eq!(events.pop(), Some(panicked("tick")));
        assert!(events.push_once(panicked("tick")).is_none());
        assert_eq!(events.pop(), Some(panicked("queue")));
        assert_eq!((events.pop(), events.pop()), (Some(panicked("tick")), None));
        assert_eq!(events.missed(), 0);
    }
}
