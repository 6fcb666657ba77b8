use std::collections::BTreeMap;

use crate::{
    id::{Attachment, Incarnation, SessionId},
    submission::Refusal,
};

/// The sessions that an engine has issued and not ended.
///
/// A session that is not here is *unknown*, whether it ended or never was: it is not made on the way,
/// since its lanes would start again and apply what was applied.
#[derive(Debug)]
pub struct Sessions {
    incarnation: Incarnation,
    issued: u64,
    sessions_max: usize,
    /// The present attachment of each, by the session's number.
    open: BTreeMap<u64, Attachment>,
}

impl Sessions {
    /// An engine's sessions, none yet and never more than `sessions_max` at a time.
    #[must_use]
    pub const fn new(incarnation: Incarnation, sessions_max: usize) -> Self {
        Self {
            incarnation,
            issued: 0,
            sessions_max,
            open: BTreeMap::new(),
        }
    }

    /// Issues a session, with its first attachment.
    ///
    /// # Errors
    ///
    /// [`TooManySessions`] if as many are open as there may be.
    pub fn open(&mut self) -> Result<(SessionId, Attachment), TooManySessions> {
        if self.open.len() >= self.sessions_max {
            return Err(TooManySessions {
                sessions_max: self.sessions_max,
            });
        }
        self.issued += 1;
        let attachment = Attachment(1);
        self.open.insert(self.issued, attachment);
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
    pub fn attach(&mut self, session: SessionId) -> Result<Attachment, Refusal> {
        let current = self
            .open
            .get_mut(&session.number)
            .filter(|_| session.incarnation == self.incarnation)
            .ok_or(Refusal::UnknownSession)?;
        current.0 += 1;
        Ok(*current)
    }

    /// Whether a batch may be taken from this attachment of this session.
    ///
    /// # Errors
    ///
    /// [`Refusal::UnknownSession`] or [`Refusal::Fenced`].
    pub fn check(&self, session: SessionId, attachment: Attachment) -> Result<(), Refusal> {
        match self.open.get(&session.number) {
            Some(&current) if session.incarnation == self.incarnation => {
                if attachment == current {
                    Ok(())
                } else {
                    Err(Refusal::Fenced { current })
                }
            }
            _ => Err(Refusal::UnknownSession),
        }
    }

    /// Ends a session; whether it was open. The shards must be told to forget it.
    pub fn close(&mut self, session: SessionId) -> bool {
        session.incarnation == self.incarnation && self.open.remove(&session.number).is_some()
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

/// As many sessions are open as there may be. Nobody's fault; one that ends makes room.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{sessions_max} sessions are open, which is the limit")]
pub struct TooManySessions {
    /// The limit.
    pub sessions_max: usize,
}
