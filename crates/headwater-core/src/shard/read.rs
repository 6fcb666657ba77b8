use std::sync::Arc;

use super::Shard;
use crate::{
    document::{Document, Snapshot},
    history::Commit,
    id::{Epoch, Key, Position, Seq, SessionId, Version},
    lane::LaneStatus,
    resume::{Cursor, Next},
    rewind::Rewind,
    submission::Decision,
    time::Time,
    watch::Watch,
};

/// What readers and subscribers see. Nothing here changes anything but when a document was used last.
impl Shard {
    /// The newest version of a document.
    #[must_use]
    pub fn snapshot(&self, now: Time, key: &Key) -> Option<Snapshot> {
        self.used(now, key).map(Document::snapshot)
    }

    /// Whether there is a document. That is no use of it.
    #[must_use]
    pub fn contains(&self, key: &Key) -> bool {
        self.table.document(key).is_some()
    }

    /// Where a document is. That is no use of it.
    #[must_use]
    pub fn position(&self, key: &Key) -> Option<Position> {
        self.table.document(key).map(Document::position)
    }

    /// The incarnation of a document that is there.
    #[must_use]
    pub fn epoch(&self, key: &Key) -> Option<Epoch> {
        self.table.document(key).map(|document| document.epoch)
    }

    /// What readers and subscribers share of a document.
    #[must_use]
    pub fn watch(&self, key: &Key) -> Option<Arc<Watch>> {
        let document = self.table.document(key)?;
        Some(Arc::clone(document.watch(&self.shared.frames)))
    }

    /// What it takes to see a version of the present epoch again, if the history reaches so far.
    #[must_use]
    pub fn rewind(&self, now: Time, key: &Key, to: Version) -> Option<Rewind> {
        self.used(now, key)?.rewind(to)
    }

    /// The commit that made a version of the present epoch, if the history reaches so far.
    #[must_use]
    pub fn commit(&self, key: &Key, version: Version) -> Option<Arc<Commit>> {
        self.table.document(key)?.history.get(version).cloned()
    }

    /// What a subscriber gets next; `None` if the document is not there.
    #[must_use]
    pub fn next(&self, now: Time, key: &Key, cursor: &Cursor) -> Option<Next> {
        self.used(now, key).map(|document| document.next(cursor))
    }

    /// The seq up to which all batches of the subscriber's own session are in what it holds once it is at
    /// `to`, or will never be in any version: what was rejected after the last of them was applied. `None`
    /// if there is none, or if the history does not reach back to `to`; send along the highest so far.
    #[must_use]
    pub fn last_seq(&self, key: &Key, cursor: &Cursor, to: Version) -> Option<Seq> {
        let session = cursor.session?;
        let decided = self.table.lane(session, key)?.decided();
        self.table.document(key)?.last_seq(session, decided, to)
    }

    /// Where a lane stands. A lane that no batch was ever taken from stands at its beginning.
    #[must_use]
    pub fn lane_status(&self, session: SessionId, key: &Key) -> LaneStatus {
        let id = self.table.lane_id(session, key);
        let lane = self.table.lane(session, key);
        let decided = lane.map_or(Seq::ZERO, |lane| lane.decided());
        let expected = decided.next();
        LaneStatus {
            decided,
            expected,
            missing: id.map_or_else(Vec::new, |id| self.reorder.missing(id, expected)),
            highest_held: id.and_then(|id| self.reorder.highest(id)),
            held: id.map_or(0, |id| self.reorder.held(id)),
            deadline: id.and_then(|id| self.reorder.deadline(id)),
            report: lane.and_then(|lane| lane.report),
        }
    }

    /// How a batch was decided, if that is remembered.
    #[must_use]
    pub fn decision(&self, session: SessionId, key: &Key, seq: Seq) -> Option<Decision> {
        self.table.lane(session, key)?.decision(seq)
    }

    fn used(&self, now: Time, key: &Key) -> Option<&Document> {
        let document = self.table.document(key)?;
        document.touch(now);
        Some(document)
    }
}
