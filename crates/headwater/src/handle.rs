use std::{fmt, sync::Arc};

use headwater_core::{ApplyError, CloseReason, Key, Snapshot, Version, Watch};
use headwater_doc::Patch;

use crate::{
    engine::Engine,
    subscription::{Closed, SubscribeError, SubscribeOptions, Subscription},
};

/// A document that was looked up once: one incarnation of it, which ends when it is removed.
///
/// Each version is read through it without a lock, but for the first time.
#[derive(Clone)]
pub struct DocHandle {
    engine: Engine,
    key: Key,
    watch: Arc<Watch>,
}

impl Engine {
    /// Looks a document up; `None` if it is not there.
    #[must_use]
    pub fn handle(&self, key: &Key) -> Option<DocHandle> {
        let watch = self.0.shard(key).read().watch(key)?;
        Some(DocHandle {
            engine: self.clone(),
            key: key.clone(),
            watch,
        })
    }
}

impl DocHandle {
    /// The document's key.
    #[must_use]
    pub const fn key(&self) -> &Key {
        &self.key
    }

    /// The newest version, at the price of a reference count: without a lock, but for the first read of each
    /// version.
    ///
    /// # Errors
    ///
    /// [`Closed`] once the document was removed.
    pub fn read(&self) -> Result<Snapshot, Closed> {
        if let Some(snapshot) = self.watch.published() {
            self.watch.touch(self.engine.now());
            return Ok(snapshot);
        }
        self.open()?;
        let snapshot = self.engine.get(&self.key);
        // It may have been removed since, and another made in its place.
        snapshot
            .filter(|snapshot| snapshot.position.epoch == self.watch.epoch())
            .ok_or_else(|| self.closed())
    }

    /// The number of the newest version. Takes no lock.
    ///
    /// # Errors
    ///
    /// [`Closed`] once the document was removed.
    pub fn version(&self) -> Result<Version, Closed> {
        self.open()?;
        Ok(self.watch.head())
    }

    /// Applies a batch of the host's own, see [`Engine::apply`].
    ///
    /// # Errors
    ///
    /// [`ApplyError`]; [`ApplyError::NoSuchDocument`] once the document was removed.
    pub fn apply(&self, patch: impl Into<Arc<Patch>>) -> Result<Version, ApplyError> {
        let epoch = Some(self.watch.epoch());
        self.engine.apply_to(&self.key, epoch, patch.into())
    }

    /// Follows the document, see [`Engine::subscribe`].
    ///
    /// # Errors
    ///
    /// As [`Engine::subscribe`].
    pub fn subscribe(&self, options: SubscribeOptions) -> Result<Subscription, SubscribeError> {
        self.open().map_err(|_| SubscribeError::NoSuchDocument)?;
        let subscription = self.engine.subscribe(&self.key, options)?;
        // It may have been removed since, and another made in its place.
        if subscription.epoch() == Some(self.watch.epoch()) {
            Ok(subscription)
        } else {
            Err(SubscribeError::NoSuchDocument)
        }
    }

    fn open(&self) -> Result<(), Closed> {
        match self.watch.closed() {
            Some(reason) => Err(Closed(reason)),
            None => Ok(()),
        }
    }

    fn closed(&self) -> Closed {
        Closed(self.watch.closed().unwrap_or(CloseReason::Removed))
    }
}

impl fmt::Debug for DocHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DocHandle")
            .field("key", &self.key)
            .field("epoch", &self.watch.epoch())
            .finish_non_exhaustive()
    }
}
