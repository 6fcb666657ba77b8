use headwater_core::{Cursor, Epoch, Frame, Key, Mode, Position};
use headwater_doc::Extensions;

use crate::engine::Engine;

/// Where a subscription starts and how it follows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SubscribeOptions {
    /// What the subscriber holds already of this very document; `None`, the default, for nothing. Epochs
    /// are unique for each key only: a position of another key's document could pass for one of this.
    pub from: Option<Position>,
    /// How it follows. Default [`Mode::EveryCommit`].
    pub mode: Mode,
    /// The operations beyond RFC 6902 that it can read. Default none: it gets plain patches, whatever
    /// the batches used.
    pub extensions: Extensions,
}

/// A subscriber's place in a document's history. Frames are pulled from it; it holds none, so one that
/// is never polled costs nothing more.
#[derive(Debug)]
pub struct Subscription {
    engine: Engine,
    key: Key,
    /// The incarnation that was subscribed to.
    epoch: Epoch,
    cursor: Cursor,
}

impl Subscription {
    pub(crate) const fn new(
        engine: Engine,
        key: Key,
        epoch: Epoch,
        options: SubscribeOptions,
    ) -> Self {
        Self {
            engine,
            key,
            epoch,
            cursor: Cursor {
                position: options.from,
                mode: options.mode,
                extensions: options.extensions,
            },
        }
    }

    /// The next frame, with the least that takes the subscriber on; `Ok(None)` while it holds the
    /// newest version.
    ///
    /// Squashes are made here, in the caller, off the lock.
    ///
    /// # Errors
    ///
    /// [`Closed`], and from then on always, once the document was removed.
    pub fn poll(&mut self) -> Result<Option<Frame>, Closed> {
        let next = {
            let shard = self.engine.shard(&self.key).read();
            if shard.epoch(&self.key) != Some(self.epoch) {
                return Err(Closed::Removed);
            }
            shard.next(&self.key, &self.cursor).ok_or(Closed::Removed)?
        };
        let frame = next.finish();
        if let Some(frame) = &frame {
            self.cursor.position = Some(frame.position());
        }
        Ok(frame)
    }

    /// Where a subscriber is that has applied all frames polled so far.
    #[must_use]
    pub const fn position(&self) -> Option<Position> {
        self.cursor.position
    }

    /// The document's key.
    #[must_use]
    pub const fn key(&self) -> &Key {
        &self.key
    }
}

/// Why a subscription has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Closed {
    /// The document was removed; one that was made anew under its key is another.
    #[error("the document was removed")]
    Removed,
}

/// There is no document under the key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no such document")]
pub struct NoSuchDocument;
