use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use headwater_core::{
    Attachment, Busy, Decision, Key, LaneStatus, Outcome, Refusal, Seq, SessionId, Submission,
    Time, TooManySessions,
};

use crate::{
    engine::{Engine, Inner, Tallies},
    events::Event,
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
    /// had before is fenced from now on, and news of its lanes goes to the new one.
    ///
    /// # Errors
    ///
    /// [`Refusal::UnknownSession`] if the session has ended or is of another life of the engine.
    pub fn attach(&self, session: SessionId) -> Result<Session, Refusal> {
        let mut sessions = self.0.sessions.write();
        let attachment = sessions.attach(self.now(), session)?;
        // Under the same hold, so that it is no later attachment's box.
        let fenced = self.0.mail.close(session);
        drop(sessions);
        self.0.wake(fenced);
        Ok(Session::new(self.clone(), session, attachment))
    }

    /// Ends a session: forgets its lanes and gives up what they hold. Whether it was open.
    pub fn close_session(&self, session: SessionId) -> bool {
        self.0.close_session(session)
    }

    /// Takes a batch from a client. [`Session::submit`] is the short way.
    #[must_use = "the outcome says whether the batch was taken"]
    pub fn submit(&self, batch: &Submission) -> Outcome {
        self.0.submit(batch, &self.0.closing)
    }

    pub(crate) fn mailbox(&self, session: SessionId, attachment: Attachment) -> Arc<Mailbox> {
        let sessions = self.0.sessions.read();
        // As of the beginning of time, since asking is no sign of life.
        match sessions.check(Time::START, session, attachment) {
            // Whoever closes the session or attaches to it takes the box away after this.
            Ok(()) => self.0.mail.open(session),
            Err(_) => Arc::new(Mailbox::ended()),
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
    /// Takes a batch, and if there is no room for it makes some and takes it then. Not if the engine is
    /// `over`: for new batches once it closes, for those from a queue once that was worked off.
    pub(crate) fn submit(&self, batch: &Submission, over: &AtomicBool) -> Outcome {
        let decide = |refused: Option<Refusal>| {
            // Before the shard is locked, which nobody should wait for while it inflates.
            self.warm(&batch.key);
            let mut shard = self.shard(&batch.key).write();
            if let Some(refusal) = refused {
                shard.take_back(refusal);
            }
            // Looked at under the lock, so that nothing is held once what is held was given up.
            let (now, sessions) = (self.now(), self.sessions.read());
            let outcome = if over.load(Ordering::Relaxed) {
                shard.turn_away(now, &sessions, batch, Busy::ShuttingDown)
            } else {
                shard.submit(now, sessions, batch)
            };
            let more = shard.has_turn();
            self.finish(shard);
            (outcome, more)
        };
        let (mut outcome, mut more) = decide(None);
        if let Outcome::Refused(
            refusal @ Refusal::Retry {
                cause: Busy::Memory,
                ..
            },
        ) = outcome
            && self.relieve()
        {
            (outcome, more) = decide(Some(refusal));
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

    /// Answers a batch that does not get as far as its turn.
    pub(crate) fn turn_away(&self, batch: &Submission, cause: Busy) -> Outcome {
        let mut shard = self.shard(&batch.key).write();
        shard.turn_away(self.now(), &self.sessions.read(), batch, cause)
    }

    pub(crate) fn close_session(&self, session: SessionId) -> bool {
        let closed = self.sessions.write().close(session);
        if closed {
            self.forget_session(session);
        }
        closed
    }

    /// Ends a session that has shown no sign of life for too long, if there is one, and room for the event;
    /// whether so.
    pub(crate) fn expire_session(&self, now: Time) -> bool {
        let mut sessions = self.sessions.write();
        let Some(session) = sessions.expired(now, self.settings.session_timeout) else {
            return false;
        };
        // The event first, which must not be missed; until there is room for it the session stays.
        let Ok(waker) = self.events.try_push(Event::SessionExpired(session)) else {
            return false;
        };
        // Under the same hold, so that nobody attaches to it in between.
        sessions.close(session);
        drop(sessions);
        Tallies::count(&self.tallies.sessions_expired);
        self.forget_session(session);
        self.wake(waker);
        true
    }

    /// Forgets what a session has had that was closed. The sessions are no longer locked, and need not be:
    /// no batch opens a lane for it any more, since a submission holds them and the shard while it does.
    fn forget_session(&self, session: SessionId) {
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
}
