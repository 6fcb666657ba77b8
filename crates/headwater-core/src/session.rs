use std::{
    collections::BTreeMap,
    ops::Bound,
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use crate::{
    budget::Budget,
    id::{Attachment, Incarnation, SessionId},
    submission::Refusal,
    time::Time,
};

/// The sessions that an engine has issued and not ended.
///
/// A session that is not here is *unknown*, whether it ended or never was: it is not made on the way,
/// since its lanes would start again and apply what was applied.
#[derive(Debug)]
pub struct Sessions {
    budget: Arc<Budget>,
    incarnation: Incarnation,
    issued: u64,
    sessions_max: usize,
    lanes_max: usize,
    /// By the session's number.
    open: BTreeMap<u64, Open>,
    /// Where the search for expired ones goes on.
    looked_at: u64,
}

#[derive(Debug)]
struct Open {
    attachment: Attachment,
    /// [`Time::as_micros`] of its last sign of life.
    seen: AtomicU64,
    /// How many it has, over all shards: they last as long as the session.
    lanes: AtomicUsize,
}

/// Sessions that one search for expired ones looks at: some microseconds' worth.
const LOOKED_AT_MAX: usize = 1_024;

impl Sessions {
    /// Default for the lanes of a session. A batch opens one whether there is a document under its key or not,
    /// so that a repeat of it is known; with the longest keys so many take 18 MiB. Few clients have more than
    /// some; a gateway that sends for all of its own may have thousands.
    pub const LANES_MAX: usize = 16_384;

    /// An engine's sessions, none yet and never more than `sessions_max` at a time.
    #[must_use]
    pub fn new(incarnation: Incarnation, sessions_max: usize) -> Self {
        Self {
            budget: Arc::new(Budget::new(u64::MAX)),
            incarnation,
            issued: 0,
            sessions_max,
            lanes_max: Self::LANES_MAX,
            open: BTreeMap::new(),
            looked_at: 0,
        }
    }

    /// Charges them to a memory budget.
    #[must_use]
    pub fn within(self, budget: Arc<Budget>) -> Self {
        debug_assert!(self.open.is_empty(), "none is charged elsewhere");
        Self { budget, ..self }
    }

    /// No session has more lanes than so many. Default [`LANES_MAX`](Self::LANES_MAX).
    #[must_use]
    pub fn with_lanes_max(self, lanes_max: usize) -> Self {
        Self { lanes_max, ..self }
    }

    /// Issues a session, with its first attachment.
    ///
    /// # Errors
    ///
    /// [`TooManySessions`] if as many are open as there may be, or as the memory budget has room for.
    pub fn open(&mut self, now: Time) -> Result<(SessionId, Attachment), TooManySessions> {
        if self.open.len() >= self.sessions_max || !self.budget.reserve(SESSION_BYTES) {
            return Err(TooManySessions {
                sessions_max: self.sessions_max,
            });
        }
        self.issued += 1;
        let attachment = Attachment(1);
        self.open.insert(
            self.issued,
            Open {
                attachment,
                seen: AtomicU64::new(now.as_micros()),
                lanes: AtomicUsize::new(0),
            },
        );
        let session = SessionId {
            incarnation: self.incarnation,
            number: self.issued,
        };
        Ok((session, attachment))
    }

    /// Attaches a session anew: its earlier attachments are fenced from now on.
    ///
    /// # Errors
    ///
    /// [`Refusal::UnknownSession`] if it is not open.
    pub fn attach(&mut self, now: Time, session: SessionId) -> Result<Attachment, Refusal> {
        let open = self
            .open
            .get_mut(&session.number)
            .filter(|_| session.incarnation == self.incarnation)
            .ok_or(Refusal::UnknownSession)?;
        open.attachment.0 += 1;
        open.seen.fetch_max(now.as_micros(), Ordering::Relaxed);
        Ok(open.attachment)
    }

    /// Whether a batch may be taken from this attachment of this session. If so, it is a sign of life.
    ///
    /// # Errors
    ///
    /// [`Refusal::UnknownSession`] or [`Refusal::Fenced`].
    pub fn check(
        &self,
        now: Time,
        session: SessionId,
        attachment: Attachment,
    ) -> Result<(), Refusal> {
        match self.open.get(&session.number) {
            Some(open) if session.incarnation == self.incarnation => {
                let current = open.attachment;
                if attachment != current {
                    return Err(Refusal::Fenced { current });
                }
                // Relaxed: it is read under the lock that writes the map. Most signs of life come in
                // the same tick as the one before.
                if open.seen.load(Ordering::Relaxed) < now.as_micros() {
                    open.seen.fetch_max(now.as_micros(), Ordering::Relaxed);
                }
                Ok(())
            }
            _ => Err(Refusal::UnknownSession),
        }
    }

    /// Whether the session may have one lane more, as far as is known before it is
    /// [counted](Self::count_lane).
    pub(crate) fn check_lane(&self, session: SessionId) -> Result<(), Refusal> {
        let open = self.open.get(&session.number);
        let lanes = open.map_or(0, |open| open.lanes.load(Ordering::Relaxed));
        if lanes >= self.lanes_max {
            return Err(Refusal::TooManyLanes {
                lanes_max: self.lanes_max,
            });
        }
        Ok(())
    }

    /// Counts one lane more, if the session may have it.
    pub(crate) fn count_lane(&self, session: SessionId) -> Result<(), Refusal> {
        let open = self.open.get(&session.number);
        let open = open.ok_or(Refusal::UnknownSession)?;
        let lanes_max = self.lanes_max;
        let one_more = |lanes| (lanes < lanes_max).then(|| lanes + 1);
        // Relaxed: the count is all that it says.
        let counted = open
            .lanes
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_more);
        counted.map_err(|_| Refusal::TooManyLanes { lanes_max })?;
        Ok(())
    }

    /// Some session, if there is one, that has shown no sign of life for `timeout`. Each call looks at a
    /// bounded number of sessions, in a circle.
    pub fn expired(&mut self, now: Time, timeout: Duration) -> Option<SessionId> {
        let from = Bound::Excluded(self.looked_at);
        let mut last = None;
        let open = self.open.range((from, Bound::Unbounded));
        let open = open.chain(self.open.range(..=self.looked_at));
        for (&number, open) in open.take(LOOKED_AT_MAX) {
            last = Some(number);
            let seen = Time::from_micros(open.seen.load(Ordering::Relaxed));
            if now.since(seen) >= timeout {
                self.looked_at = number;
                return Some(SessionId {
                    incarnation: self.incarnation,
                    number,
                });
            }
        }
        self.looked_at = last.unwrap_or(0);
        None
    }

    /// Bytes that they take.
    #[must_use]
    pub fn heap_bytes(&self) -> u64 {
        self.open.len() as u64 * SESSION_BYTES
    }

    /// Ends a session; whether it was open. The shards must be told to forget it.
    pub fn close(&mut self, session: SessionId) -> bool {
        let closed =
            session.incarnation == self.incarnation && self.open.remove(&session.number).is_some();
        if closed {
            self.budget.release(SESSION_BYTES);
        }
        closed
    }

    /// Whether a session is open. That is no sign of life.
    #[must_use]
    pub fn contains(&self, session: SessionId) -> bool {
        session.incarnation == self.incarnation && self.open.contains_key(&session.number)
    }

    /// How many are open.
    #[must_use]
    pub fn len(&self) -> usize {
        self.open.len()
    }

    /// Whether none is open.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.open.is_empty()
    }
}

/// An entry of a B-tree of std, whose nodes are filled to two thirds in order of insertion.
const SESSION_BYTES: u64 = 64;

/// As many sessions are open as there may be, or as the memory budget has room for. Nobody's fault; one
/// that ends makes room.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no room for another session; {sessions_max} is the limit")]
pub struct TooManySessions {
    /// The limit.
    pub sessions_max: usize,
}
