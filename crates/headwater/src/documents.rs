use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use headwater_core::{
    ApplyError, Commit, CreateError, DocumentOptions, Epoch, Key, Position, Shard, Snapshot,
    Staged, Version,
};
use headwater_doc::{Patch, Value};
use parking_lot::RwLockWriteGuard;

use crate::engine::Engine;

/// What the host does to documents and reads of them.
impl Engine {
    /// Makes a document, at version 0.
    ///
    /// # Errors
    ///
    /// [`CreateError`] if there is one under the key, if it would break a limit, if there are as many as
    /// there may be, or if the memory budget has no room for it.
    pub fn create(&self, key: &Key, root: Value) -> Result<Position, CreateError> {
        self.create_with(key, root, DocumentOptions::default())
    }

    /// Makes a document that differs from the engine's defaults.
    ///
    /// # Errors
    ///
    /// As [`create`](Self::create).
    pub fn create_with(
        &self,
        key: &Key,
        root: Value,
        options: DocumentOptions,
    ) -> Result<Position, CreateError> {
        let create = || {
            let root = root.clone();
            self.0
                .write(key, |shard, now| shard.create(now, key, root, options))
        };
        let made = match create() {
            Err(CreateError::Memory) if self.0.relieve() => create(),
            made => made,
        };
        if made.is_ok() {
            self.0.wake(self.0.waiting.take(key));
        }
        made
    }

    /// Removes a document and returns its last version, `None` if it is not there. Subscriptions to
    /// it end; lanes to it go on.
    pub fn remove(&self, key: &Key) -> Option<Snapshot> {
        self.0.write(key, |shard, _| shard.remove(key))
    }

    /// Whether there is a document under the key.
    #[must_use]
    pub fn contains(&self, key: &Key) -> bool {
        self.0.shard(key).read().contains(key)
    }

    /// Where a document is: its epoch and newest version. Does not count as use.
    #[must_use]
    pub fn position(&self, key: &Key) -> Option<Position> {
        self.0.shard(key).read().position(key)
    }

    /// The newest version of a document. One that is cold is inflated first, in the caller.
    #[must_use]
    pub fn get(&self, key: &Key) -> Option<Snapshot> {
        self.0.read(key).snapshot(self.now(), key)
    }

    /// The newest version of a document, unless getting it takes inflating it.
    ///
    /// # Errors
    ///
    /// [`Cold`].
    pub fn try_get(&self, key: &Key) -> Result<Option<Snapshot>, Cold> {
        let shard = self.0.shard(key).read();
        match shard.cold(key) {
            Some(_) => Err(Cold),
            None => Ok(shard.snapshot(self.now(), key)),
        }
    }

    /// The newest versions of several documents, all at one moment: no transaction and no batch lies
    /// between any two of them. Holds the locks of all their shards at once, shared, so ask for what
    /// belongs together and no more.
    #[must_use]
    pub fn read_many(&self, keys: &[Key]) -> Vec<Option<Snapshot>> {
        // What is cold is inflated before. What is frozen again meanwhile is inflated under the lock.
        for key in keys {
            self.0.warm(key);
        }
        // In the order of their indexes, so that no two callers wait for one another.
        let indexes: BTreeSet<_> = keys.iter().map(|key| self.0.route.shard(key)).collect();
        let shards: BTreeMap<_, _> = indexes
            .into_iter()
            .filter_map(|index| Some((index, self.0.shards.get(index)?.read())))
            .collect();
        let now = self.now();
        keys.iter()
            .map(|key| shards.get(&self.0.route.shard(key))?.snapshot(now, key))
            .collect()
    }

    /// A recent version of a document, as it was; `None` if the history does not reach so far. Takes
    /// time in proportion to what has changed since.
    #[must_use]
    pub fn at(&self, key: &Key, version: Version) -> Option<Snapshot> {
        let rewind = self.0.read(key).rewind(self.now(), key, version)?;
        // Off the lock: what was committed since is taken back one by one.
        Some(rewind.finish())
    }

    /// The commit that made a version, with the inverse that undoes it; `None` if the history does not
    /// reach so far.
    #[must_use]
    pub fn commit(&self, key: &Key, version: Version) -> Option<Arc<Commit>> {
        self.0.shard(key).read().commit(key, version)
    }

    /// Keys of documents, a page at a time, in no particular order: at most `max`, or one if that is 0, from
    /// the place where the page before ended. A key that is there all the time comes on exactly one page.
    #[must_use]
    pub fn keys(&self, from: KeysFrom, max: usize) -> KeysPage {
        let mut keys = Vec::new();
        let (mut from, max) = (from, max.max(1));
        while let Some(shard) = self.0.shards.get(from.shard) {
            let (more, next) = shard.read().keys(from.place, max - keys.len());
            keys.extend(more);
            from = match next {
                Some(place) => KeysFrom { place, ..from },
                None => KeysFrom {
                    shard: from.shard + 1,
                    place: 0,
                },
            };
            if keys.len() == max {
                break;
            }
        }
        let next = (from.shard < self.0.shards.len()).then_some(from);
        KeysPage { keys, next }
    }

    /// Applies a batch of the host's own: no session, no seq, never held. Of the limits, those of the
    /// document hold; those of a client's batch, its extensions and the rule on clients' batches do not
    /// concern the host.
    ///
    /// # Errors
    ///
    /// [`ApplyError`]; the document is as it was.
    pub fn apply(&self, key: &Key, patch: impl Into<Arc<Patch>>) -> Result<Version, ApplyError> {
        self.apply_to(key, None, patch.into())
    }

    /// Applies a batch to a document, or to one incarnation of it.
    pub(crate) fn apply_to(
        &self,
        key: &Key,
        epoch: Option<Epoch>,
        patch: Arc<Patch>,
    ) -> Result<Version, ApplyError> {
        let apply = |patch| {
            self.0.write(key, |shard, now| {
                if epoch.is_some() && shard.epoch(key) != epoch {
                    return Err((ApplyError::NoSuchDocument, Some(patch)));
                }
                shard.try_apply(now, key, patch)
            })
        };
        let applied = match apply(patch) {
            Err((ApplyError::Memory, Some(patch))) if self.0.relieve() => apply(patch),
            applied => applied,
        };
        applied.map_err(|(error, _)| error)
    }

    /// Applies batches of the host's own to several documents, all or none. A document may come more than
    /// once: each of its batches is a commit, in the order given. Yields the version that each batch made.
    ///
    /// Holds the locks of all shards concerned at once, for as long as that takes.
    ///
    /// # Errors
    ///
    /// [`TransactError`] names the first batch that does not apply; no document has changed.
    pub fn transact(&self, writes: &[(Key, Arc<Patch>)]) -> Result<Vec<Version>, TransactError> {
        match self.try_transact(writes) {
            Err(TransactError {
                error: ApplyError::Memory,
                ..
            }) if self.0.relieve() => self.try_transact(writes),
            done => done,
        }
    }

    fn try_transact(&self, writes: &[(Key, Arc<Patch>)]) -> Result<Vec<Version>, TransactError> {
        // The batches of each document, with their places in `writes`, by shard: locks are taken in the
        // order of the shards, so that no two transactions wait for one another.
        let mut plan: BTreeMap<usize, BTreeMap<&Key, Vec<usize>>> = BTreeMap::new();
        for (index, (key, _)) in writes.iter().enumerate() {
            self.0.warm(key);
            let shard = plan.entry(self.0.route.shard(key)).or_default();
            shard.entry(key).or_default().push(index);
        }
        let mut shards: Vec<(RwLockWriteGuard<'_, Shard>, Vec<Planned<'_>>)> = Vec::new();
        for (index, documents) in plan {
            let Some(shard) = self.0.shards.get(index) else {
                continue;
            };
            let mut shard = shard.write();
            let mut staged = Vec::new();
            let mut failed = None;
            for (key, places) in documents {
                let patch = |&place: &usize| writes.get(place).map(|(_, patch)| Arc::clone(patch));
                let patches: Vec<_> = places.iter().filter_map(patch).collect();
                match shard.stage(key, &patches) {
                    Ok(stage) => staged.push((key, places, stage)),
                    Err(error) => {
                        let write = places.get(error.patch).copied().unwrap_or_default();
                        failed = Some((write, error.error));
                        break;
                    }
                }
            }
            shards.push((shard, staged));
            if let Some((write, error)) = failed {
                for (mut shard, staged) in shards {
                    let staged = staged.into_iter().map(|(_, _, staged)| staged);
                    staged.for_each(|staged| shard.unstage(staged));
                }
                return Err(TransactError { write, error });
            }
        }
        let now = self.now();
        let mut versions = vec![Version::ZERO; writes.len()];
        for (shard, staged) in &mut shards {
            for (key, places, staged) in staged.drain(..) {
                let head = shard.install(now, key, staged).unwrap_or_default();
                let count = places.len() as u64;
                for (before, place) in (0..count).rev().zip(places) {
                    if let Some(version) = versions.get_mut(place) {
                        *version = Version(head.0 - before);
                    }
                }
            }
        }
        // All locks are let go before anyone is woken.
        let effects: Vec<_> = shards
            .into_iter()
            .map(|(mut shard, _)| shard.effects())
            .collect();
        effects.into_iter().for_each(|effects| self.0.tell(effects));
        Ok(versions)
    }
}

/// A document of a transaction, with the places of its writes, and what they have made of it.
type Planned<'a> = (&'a Key, Vec<usize>, Staged);

/// Where a page of keys begins; the default is the first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct KeysFrom {
    shard: usize,
    place: usize,
}

/// Some of the keys of an engine.
#[derive(Clone, Debug)]
pub struct KeysPage {
    /// The keys.
    pub keys: Vec<Key>,
    /// Where the next page begins; `None` if this is the last.
    pub next: Option<KeysFrom>,
}

/// The document is compressed. Nobody's fault; [`Engine::get`] inflates it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the document is compressed")]
pub struct Cold;

/// Why a transaction was not committed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("write {write}: {error}")]
pub struct TransactError {
    /// The index of the write that failed, from 0.
    pub write: usize,
    /// Why it failed.
    pub error: ApplyError,
}
