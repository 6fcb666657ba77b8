use std::{
    fmt,
    future::poll_fn,
    sync::{Arc, OnceLock},
};

use headwater_core::{Attachment, Decision, Key, LaneStatus, Outcome, Seq, SessionId, Submission};
use headwater_doc::Patch;

use crate::{engine::Engine, mail::Mailbox};

/// One client's session over one connection: its way to hand in batches, and to hear of those that were
/// decided later.
///
/// Dropping it leaves the session open, so that the client can come back and
/// [`attach`](Engine::attach); [`Engine::close_session`] ends it, and so does a long silence.
#[derive(Clone)]
pub struct Session {
    engine: Engine,
    id: SessionId,
    attachment: Attachment,
    mailbox: OnceLock<Arc<Mailbox>>,
}

impl Session {
    pub(crate) const fn new(engine: Engine, id: SessionId, attachment: Attachment) -> Self {
        Self {
            engine,
            id,
            attachment,
            mailbox: OnceLock::new(),
        }
    }

    /// The session's id, with which the client comes back.
    #[must_use]
    pub const fn id(&self) -> SessionId {
        self.id
    }

    /// Which connection of the session this is.
    #[must_use]
    pub const fn attachment(&self) -> Attachment {
        self.attachment
    }

    /// Hands in a batch that stands alone: number `seq` in this session's lane to `key`.
    ///
    /// [`batch`](Self::batch) and [`Engine::submit`] take everything that can be said of a batch.
    #[must_use = "the outcome says whether the batch was taken"]
    pub fn submit(&self, key: &Key, seq: Seq, patch: impl Into<Arc<Patch>>) -> Outcome {
        self.engine.submit(&self.batch(key, seq, patch))
    }

    /// A batch of this session that stands alone, to say more of and hand in.
    #[must_use]
    pub fn batch(&self, key: &Key, seq: Seq, patch: impl Into<Arc<Patch>>) -> Submission {
        Submission::new(self.id, self.attachment, key.clone(), seq, patch)
    }

    /// Where this session's lane to `key` stands.
    #[must_use]
    pub fn status(&self, key: &Key) -> LaneStatus {
        self.engine.lane_status(self.id, key)
    }

    /// How a batch of this session was decided, if its lane still remembers.
    #[must_use]
    pub fn decision(&self, key: &Key, seq: Seq) -> Option<Decision> {
        self.engine.decision(self.id, key, seq)
    }

    /// A lane of this session where something was decided, or given up, later than it was handed in;
    /// `None` if there is no news.
    ///
    /// News is noted from the first call of this or of [`late`](Self::late) on, by this handle or a clone of
    /// it; what happened before shows in the [`status`](Self::status). There is one slot a lane, so news
    /// that was not taken never piles up.
    #[must_use]
    pub fn try_late(&self) -> Option<(Key, LaneStatus)> {
        let key = self.mailbox().take()?;
        let status = self.status(&key);
        Some((key, status))
    }

    /// Waits for a lane with news, as [`try_late`](Self::try_late) says; `None` once the session has ended,
    /// or a client has attached to it anew, who gets the news from then on. Cancel-safe; for one task at a
    /// time.
    pub async fn late(&self) -> Option<(Key, LaneStatus)> {
        let key = poll_fn(|context| self.mailbox().poll(context)).await?;
        let status = self.status(&key);
        Some((key, status))
    }

    fn mailbox(&self) -> &Mailbox {
        self.mailbox
            .get_or_init(|| self.engine.mailbox(self.id, self.attachment))
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session")
            .field("id", &self.id)
            .field("attachment", &self.attachment)
            .finish_non_exhaustive()
    }
}
