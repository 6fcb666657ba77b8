use std::{
    collections::{BTreeMap, BTreeSet},
    mem,
    sync::Arc,
    task::{Context, Poll, Waker},
};

use headwater_core::{Key, SessionId};
use parking_lot::Mutex;

/// Which lanes of which sessions have news: a slot for each lane, not a queue, and only for sessions whose
/// client has asked.
#[derive(Debug, Default)]
pub(crate) struct Mail {
    boxes: Mutex<BTreeMap<SessionId, Arc<Mailbox>>>,
}

/// The lanes of one session that have news, for one attachment of it.
#[derive(Debug, Default)]
pub(crate) struct Mailbox {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    lanes: BTreeSet<Key>,
    waker: Option<Waker>,
    closed: bool,
}

impl Mail {
    /// The session's box, made if it is not there.
    pub(crate) fn open(&self, session: SessionId) -> Arc<Mailbox> {
        Arc::clone(self.boxes.lock().entry(session).or_default())
    }

    /// Ends a session's box, if it has one: nothing more will come to it. Yields who waits for that.
    #[must_use]
    pub(crate) fn close(&self, session: SessionId) -> Option<Waker> {
        let closed = self.boxes.lock().remove(&session);
        let mailbox = closed?;
        let mut state = mailbox.state.lock();
        state.closed = true;
        state.waker.take()
    }

    /// Notes news, and yields who waits for it.
    #[must_use]
    pub(crate) fn deliver(&self, news: Vec<(SessionId, Key)>) -> Vec<Waker> {
        let mut woken = Vec::new();
        for (session, key) in news {
            let mailbox = self.boxes.lock().get(&session).cloned();
            if let Some(mailbox) = mailbox {
                let mut state = mailbox.state.lock();
                if state.closed {
                    continue;
                }
                state.lanes.insert(key);
                woken.extend(state.waker.take());
            }
        }
        woken
    }
}

impl Mailbox {
    /// The box of a session that has ended, or of an attachment that is not the present one.
    pub(crate) fn ended() -> Self {
        let state = State {
            closed: true,
            ..State::default()
        };
        Self {
            state: Mutex::new(state),
        }
    }

    /// Takes out a lane with news.
    pub(crate) fn take(&self) -> Option<Key> {
        self.state.lock().lanes.pop_first()
    }

    /// Takes out a lane with news, or has the caller woken by the next; `None` once the box has ended.
    pub(crate) fn poll(&self, context: &Context<'_>) -> Poll<Option<Key>> {
        // Cloned before the lock is taken, and the one that it replaces is dropped after.
        let mut waker = Some(context.waker().clone());
        let mut state = self.state.lock();
        if let Some(key) = state.lanes.pop_first() {
            return Poll::Ready(Some(key));
        }
        if state.closed {
            return Poll::Ready(None);
        }
        mem::swap(&mut state.waker, &mut waker);
        Poll::Pending
    }
}
