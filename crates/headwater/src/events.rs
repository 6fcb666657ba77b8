use std::{
    collections::VecDeque,
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

    /// Adds an event, and yields who waits for it; one that finds no room is only counted.
    #[must_use]
    pub(crate) fn push(&self, event: Event) -> Option<Waker> {
        let mut state = self.state.lock();
        if state.queue.len() >= self.max {
            state.missed += 1;
            return None;
        }
        state.queue.push_back(event);
        state.waker.take()
    }

    pub(crate) fn pop(&self) -> Option<Event> {
        self.state.lock().queue.pop_front()
    }

    pub(crate) fn poll(&self, context: &Context<'_>) -> Poll<Event> {
        let mut state = self.state.lock();
        if let Some(event) = state.queue.pop_front() {
            return Poll::Ready(event);
        }
        state.waker = Some(context.waker().clone());
        Poll::Pending
    }

    pub(crate) fn missed(&self) -> u64 {
        self.state.lock().missed
    }
}
