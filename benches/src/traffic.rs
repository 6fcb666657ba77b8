use std::sync::Arc;

use headwater_core::{
    Attachment, CreateError, DocumentOptions, Incarnation, Key, Seq, SessionId, Sessions, Shard,
    ShardConfig, Shared, Submission, Time, TooManySessions,
};
use headwater_doc::{Operation, Patch, Pointer, Value};

const INCARNATION: Incarnation = Incarnation(1);

/// The engine's default budget: far more than any suite takes.
const MEMORY_MAX: u64 = 1 << 30;

/// A shard of its own, with one document in it.
///
/// # Errors
///
/// [`CreateError`] if the document breaks a default limit.
pub fn shard_with(key: &Key, root: Value) -> Result<Shard, CreateError> {
    let shared = Arc::new(Shared::new(INCARNATION, MEMORY_MAX));
    let mut shard = Shard::new(ShardConfig::default(), shared);
    shard.create(Time::START, key, root, DocumentOptions::default())?;
    Ok(shard)
}

/// A patch of one operation: a number takes another's place.
#[must_use]
pub fn replace(path: &Pointer, number: u64) -> Arc<Patch> {
    Arc::new(Patch::from(vec![Operation::Replace {
        path: path.clone(),
        value: Value::from(number),
    }]))
}

/// One client of a [`shard_with`] a document, alone in its table of sessions.
#[derive(Debug)]
pub struct Client {
    /// The table that [`Shard::submit`] asks.
    pub sessions: Sessions,
    session: SessionId,
    attachment: Attachment,
    key: Key,
}

impl Client {
    /// Opens a session that will write to `key`.
    ///
    /// # Errors
    ///
    /// None in fact: the table has room for one.
    pub fn new(key: Key) -> Result<Self, TooManySessions> {
        let mut sessions = Sessions::new(INCARNATION, 1);
        let (session, attachment) = sessions.open(Time::START)?;
        Ok(Self {
            sessions,
            session,
            attachment,
            key,
        })
    }

    /// Its batch of a number.
    #[must_use]
    pub fn batch(&self, seq: Seq, patch: Arc<Patch>) -> Submission {
        Submission::new(self.session, self.attachment, self.key.clone(), seq, patch)
    }
}

/// Turns each window of so many items round, as a link does that delivers the newest first.
pub fn in_reversed_windows<T>(items: &mut [T], window: usize) {
    for window in items.chunks_mut(window) {
        window.reverse();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_are_reversed_and_the_last_may_be_shorter() {
        let mut items = [1, 2, 3, 4, 5];
        in_reversed_windows(&mut items, 2);
        assert_eq!(items, [2, 1, 4, 3, 5]);
    }
}
