use std::sync::Arc;

use headwater_core::{Attachment, Decision, Key, LaneStatus, Outcome, Seq, SessionId, Submission};
use headwater_doc::Patch;

use crate::engine::Engine;

/// One client's session over one connection: its way to hand in batches.
///
/// Dropping it leaves the session open, so that the client can come back and
/// [`attach`](Engine::attach); [`Engine::close_session`] ends it.
#[derive(Clone, Debug)]
pub struct Session {
    engine: Engine,
    id: SessionId,
    attachment: Attachment,
}

impl Session {
    pub(crate) const fn new(engine: Engine, id: SessionId, attachment: Attachment) -> Self {
        Self {
            engine,
            id,
            attachment,
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
    /// [`Engine::submit`] takes a [`Submission`] with everything that can be said of a batch.
    #[must_use = "the outcome says whether the batch was taken"]
    pub fn submit(&self, key: &Key, seq: Seq, patch: impl Into<Arc<Patch>>) -> Outcome {
        self.engine.submit(&Submission {
            session: self.id,
            attachment: self.attachment,
            key: key.clone(),
            seq,
            acked: Seq::ZERO,
            chained: false,
            patch: patch.into(),
        })
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
}
