use std::sync::{Arc, atomic::Ordering};

use headwater_core::{
    Busy, Decision, Key, LaneStatus, Outcome, Refusal, Seq, SessionId, Submission, TooManySessions,
};

use crate::{
    engine::{Engine, Inner},
    mail::Mailbox,
    session::Session,
};

/// What clients do.
impl Engine {
    /// Issues a session to a client.
    ///
    /// # Errors
    ///
    /// [`TooManySessions`] if as many are open as there may be.
    pub fn open_session(&self) -> Result<Session, TooManySessions> {
        let open = || self.0.sessions.write().open(self.now());
        let opened = open();
        // It may be memory that is short, which can be helped.
        let (id, attachment) = match opened {
            Err(_) if self.0.is_short() && self.0.relieve() => open()?,
            opened => opened?,
        };
        Ok(Session::new(self.clone(), id, attachment))
    }

    /// Attaches a client that comes back to its session. Whatever still comes over the connection it
    /// had before is fenced from now on.
    ///
    /// # Errors
    ///
    /// [`Refusal::UnknownSession`] if the session has ended or is of another life of the engine.
    pub fn attach(&self, session: SessionId) -> Result<Session, Refusal> {
        let attachment = self.0.sessions.write().attach(self.now(), session)?;
        Ok(Session::new(self.clone(), session, attachment))
    }

    /// Ends a session: forgets its lanes and gives up what they hold. Whether it was open.
    pub fn close_session(&self, session: SessionId) -> bool {
        self.0.close_session(session)
    }

    /// Takes a batch from a client. [`Session::submit`] is the short way.
    #[must_use = "the outcome says whether the batch was taken"]
    pub fn submit(&self, batch: &Submission) -> Outcome {
        self.0.submit(batch)
    }

    pub(crate) fn mailbox(&self, session: SessionId) -> Arc<Mailbox> {
        let sessions = self.0.sessions.read();
        if sessions.contains(session) {
            // Whoever closes it takes the box away after this.
            self.0.mail.open(session)
        } else {
            Arc::new(Mailbox::ended())
        }
    }

    /// Where a lane stands: what is decided, what is missing, what was given up.
    #[must_use]
    pub fn lane_status(&self, session: SessionId, key: &Key) -> LaneStatus {
        self.0.shard(key).read().lane_status(session, key)
    }

    /// How a batch was decided, if its lane still remembers.
    #[must_use]
    pub fn decision(&self, session: SessionId, key: &Key, seq: Seq) -> Option<Decision> {
        self.0.shard(key).read().decision(session, key, seq)
    }
}

impl Inner {
    /// Takes a batch, and if there is no room for it makes some and takes it then.
    pub(crate) fn submit(&self, batch: &Submission) -> Outcome {
        let decide = |again: bool| {
            // Before the sessions are locked, which nobody should wait for while it inflates.
            self.warm(&batch.key);
            let sessions = self.sessions.read();
            let mut shard = self.shard(&batch.key).write();
            // Looked at under the lock, so that nothing is held once what is held was given up.
            if self.closing.load(Ordering::Relaxed) {
                return (self.turn_away(Busy::ShuttingDown), false);
            }
            if again {
                shard.take_back_refusal();
            }
            let outcome = shard.submit(self.now(), &sessions, batch);
            let more = shard.has_turn();
            let effects = shard.effects();
            // Both locks are let go before anyone is woken, who may do anything.
            drop(shard);
            drop(sessions);
            self.tell(effects);
            (outcome, more)
        };
        let (mut outcome, mut more) = decide(false);
        if let Outcome::Refused(Refusal::Retry {
            cause: Busy::Memory,
            ..
        }) = outcome
            && self.relieve()
        {
            (outcome, more) = decide(true);
        }
        // The rest of a long run that was held, with room for others between the turns.
        while more {
            let mut shard = self.shard(&batch.key).write();
            shard.turn(self.now());
            more = shard.has_turn();
            self.finish(shard);
        }
        outcome
    }

    /// Refuses a batch that no shard has seen.
    pub(crate) fn turn_away(&self, cause: Busy) -> Outcome {
        self.turned_away.fetch_add(1, Ordering::Relaxed);
        *self.turned_away_for.lock().entry(cause.code()).or_default() += 1;
        Outcome::Refused(cause.retry())
    }

    pub(crate) fn close_session(&self, session: SessionId) -> bool {
        // Released before any shard is locked. From here on no batch opens a lane for the session,
        // since a submission holds the sessions while it does.
        let closed = self.sessions.write().close(session);
        if closed {
            for shard in &self.shards {
                let mut more = true;
                while more {
                    let mut shard = shard.write();
                    more = shard.forget(session);
                    self.finish(shard);
                }
            }
            self.wake(self.mail.close(session));
        }
        closed
    }
}
