use std::sync::Arc;

use headwater_doc::{LimitExceeded, Patch, PatchError, Reason, Value};

use super::Shard;
use crate::{
    config::DocumentOptions,
    document::{Document, NoRoom, Snapshot, Turn, Undone},
    id::{Epoch, Key, Position, Version},
    staged::{Made, Staged},
    submission::{Busy, Rejection},
    time::Time,
    watch::CloseReason,
};

/// What the host itself does to documents.
impl Shard {
    /// Makes a document, at version 0 of a new epoch.
    ///
    /// # Errors
    ///
    /// [`CreateError`]; nothing was made.
    pub fn create(
        &mut self,
        now: Time,
        key: &Key,
        root: Value,
        options: DocumentOptions,
    ) -> Result<Position, CreateError> {
        if self.table.document(key).is_some() {
            return Err(CreateError::Exists);
        }
        if self.documents >= self.config.documents_max {
            return Err(CreateError::TooManyDocuments {
                documents_max: self.config.documents_max,
            });
        }
        self.config.limits.check(&root)?;
        if !self
            .allowance
            .admits(root.heap_bytes() + NEW_DOCUMENT_BYTES + self.table.growth())
        {
            return Err(CreateError::Memory);
        }
        self.created += 1;
        self.documents += 1;
        let epoch = Epoch {
            incarnation: self.shared.incarnation,
            number: self.created,
        };
        let root = self.with_known_names(root);
        let document = Document::new(now, epoch, root, options.at_deadline);
        let position = document.position();
        self.memory += document.memory();
        let id = self.table.open_entry(key);
        if document.written_bytes() >= self.config.cold.bytes_min {
            self.large.insert(id);
        }
        if let Some(entry) = self.table.entries.get_mut(id) {
            entry.document = Some(document);
        }
        self.newest = id;
        self.settle();
        Ok(position)
    }

    /// The value with the lists of names of the document that was created last, if they are of one kind:
    /// mostly they are, and the names are a third of a small document.
    fn with_known_names(&self, root: Value) -> Value {
        let newest = self.table.entries.get(self.newest);
        let newest = newest.and_then(|entry| entry.document.as_ref());
        match newest.and_then(Document::hot) {
            Some(sibling) => root.with_names_of(sibling),
            None => root,
        }
    }

    /// Removes a document, and returns its last version. Its lanes go on; its subscribers are told.
    pub fn remove(&mut self, key: &Key) -> Option<Snapshot> {
        let document = self.close(key, CloseReason::Removed)?;
        self.settle();
        let last = Snapshot::new(document.position(), document.root());
        self.effects.freed.document(document);
        Some(last)
    }

    /// Closes a document that a batch was panicking in.
    #[cold]
    pub(super) fn close_panicked(&mut self, key: Key) {
        if let Some(document) = self.close(&key, CloseReason::Panicked) {
            self.effects.freed.document(document);
        }
        self.effects.closed.push((key, CloseReason::Panicked));
    }

    /// Takes a document out of the tables.
    pub(super) fn close(&mut self, key: &Key, reason: CloseReason) -> Option<Document> {
        let id = self.table.entry_id(key)?;
        let document = self.table.entries.get_mut(id)?.document.take()?;
        self.documents -= 1;
        self.memory -= document.memory();
        self.cold -= usize::from(document.cold().is_some());
        self.large.remove(&id);
        if let Some(watch) = document.watch_if_any() {
            let woken = watch.close(reason, &mut self.effects.freed);
            self.effects.woken.extend(woken);
        }
        self.table.close_entry_if_unused(id);
        Some(document)
    }

    /// Applies a batch of the host's own: no session, no seq, never held.
    ///
    /// # Errors
    ///
    /// [`ApplyError`]; the document is as it was.
    pub fn apply(
        &mut self,
        now: Time,
        key: &Key,
        patch: Arc<Patch>,
    ) -> Result<Version, ApplyError> {
        let applied = self.try_apply(now, key, patch);
        applied.map_err(|(error, patch)| {
            if let Some(patch) = patch {
                self.effects.freed.patch(patch);
            }
            error
        })
    }

    /// The same, for a host that makes room and tries again: gives the patch back with
    /// [`ApplyError::Memory`] and [`ApplyError::NoSuchDocument`].
    ///
    /// # Errors
    ///
    /// As [`apply`](Self::apply).
    pub fn try_apply(
        &mut self,
        now: Time,
        key: &Key,
        patch: Arc<Patch>,
    ) -> Result<Version, (ApplyError, Option<Arc<Patch>>)> {
        if self.make_room(key, &patch, 0).is_err() {
            return Err((ApplyError::Memory, Some(patch)));
        }
        let mut untried = Some(patch);
        let applied = self.change(key, |document, rules| {
            let turn = Turn {
                origin: None,
                patch: untried.take()?,
                admit: None,
            };
            Some(document.commit(now, turn, rules))
        });
        self.settle();
        let error = match applied.flatten() {
            Some(Ok(version)) => return Ok(version),
            Some(Err(Undone::NoRoom(patch))) => return Err((ApplyError::Memory, Some(patch))),
            Some(Err(Undone::Rejected(Rejection::DoesNotApply {
                operation, reason, ..
            }))) => ApplyError::Patch { operation, reason },
            None => ApplyError::NoSuchDocument,
            Some(Err(Undone::Rejected(_))) => {
                self.close_panicked(key.clone());
                ApplyError::Panicked
            }
        };
        Err((error, untried))
    }

    /// Applies batches of the host's own to a copy of a document, which [`install`](Self::install) makes
    /// the newest version: the first of two steps that commit in several documents or in none.
    ///
    /// # Errors
    ///
    /// [`StageError`] with the index of the batch.
    pub fn stage(&mut self, key: &Key, patches: &[Arc<Patch>]) -> Result<Staged, StageError> {
        let staged = self.try_stage(key, patches);
        if staged.is_err() {
            self.settle();
        }
        staged
    }

    fn try_stage(&mut self, key: &Key, patches: &[Arc<Patch>]) -> Result<Staged, StageError> {
        let fails = |patch, error| StageError { patch, error };
        for (index, patch) in patches.iter().enumerate() {
            if self.make_room(key, patch, 0).is_err() {
                return Err(fails(index, ApplyError::Memory));
            }
        }
        let document = self.table.document(key);
        let document = document.ok_or_else(|| fails(0, ApplyError::NoSuchDocument))?;
        let mut staged = document
            .stage(patches, &self.config.limits)
            .map_err(|(patch, error)| fails(patch, error.into()))?;
        // As a commit does: what the batches multiply, by copying, nobody has made room for.
        // Until it is installed, somebody may come to hold the version before it.
        let growth = staged.growth(document, &self.config.history, true);
        if !self.allowance.admits_in_all(growth) {
            return Err(fails(patches.len().saturating_sub(1), ApplyError::Memory));
        }
        staged.bytes = self.allowance.stage();
        Ok(staged)
    }

    /// Gives back what was kept for what was staged and is not to be installed.
    pub fn unstage(&mut self, staged: Staged) {
        self.allowance.unstage(staged.bytes);
        self.settle();
    }

    /// Commits what was staged, and says which version that made; `None`, and nothing is done, if the
    /// document has changed meanwhile.
    pub fn install(&mut self, now: Time, key: &Key, staged: Staged) -> Option<Version> {
        self.allowance.unstage(staged.bytes);
        let installed = self.change(key, |document, rules| {
            let installed = document.install(now, staged, rules);
            installed.then_some(document.version)
        });
        self.settle();
        installed.flatten()
    }

    /// Puts a value that the host has made in the place of the version that it was made of: what
    /// [`apply`](Self::apply) comes to, without going the way a second time under the lock. `None`, and
    /// nothing is done, if the document has changed meanwhile. The limits hold for the value, not after
    /// each operation.
    ///
    /// # Errors
    ///
    /// [`ApplyError`]; the document is as it was.
    pub fn replace(
        &mut self,
        now: Time,
        key: &Key,
        made: Made,
    ) -> Result<Option<Version>, ApplyError> {
        match self.position(key) {
            Some(position) if position == made.position => {}
            Some(_) => return Ok(None),
            None => return Err(ApplyError::NoSuchDocument),
        }
        let limits = &self.config.limits;
        // The cached height first, which may overstate: no walk under the lock.
        if made.root.height() > limits.depth || limits.check(&made.root).is_err() {
            // Says which operation breaks the limit, if one does.
            return self.apply(now, key, made.patch).map(Some);
        }
        if self.make_room(key, &made.patch, 0).is_err() {
            return Err(ApplyError::Memory);
        }
        let replaced = self.change(key, |document, rules| {
            let replaced = document.replace(now, made, rules)?;
            Ok(replaced.then_some(document.version))
        });
        self.settle();
        match replaced {
            Some(replaced) => replaced.map_err(|NoRoom| ApplyError::Memory),
            None => Err(ApplyError::NoSuchDocument),
        }
    }

    /// Keys of documents in no particular order, at most `max`, from a place on: 0, or where the last call
    /// left off. A key that is there all the time comes exactly once.
    #[must_use]
    pub fn keys(&self, from: usize, max: usize) -> (Vec<Key>, Option<usize>) {
        self.table.keys(from, max)
    }

    /// How many documents there are.
    #[must_use]
    pub const fn documents(&self) -> usize {
        self.documents
    }
}

/// What a new document may take beside its root, with its key and its places in the tables.
const NEW_DOCUMENT_BYTES: u64 = 1 << 10;

/// Why a document was not made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CreateError {
    /// There is one under the key.
    #[error("the document is there already")]
    Exists,
    /// As many documents are there as there may be.
    #[error("{documents_max} documents are in this shard, which is the limit")]
    TooManyDocuments {
        /// The limit.
        documents_max: usize,
    },
    /// The document would break a limit.
    #[error(transparent)]
    Limit(#[from] LimitExceeded),
    /// The memory budget has no room for it.
    #[error("{}", Busy::Memory)]
    Memory,
}

/// Why a batch of the host's was not applied.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ApplyError {
    /// There is no document under the key.
    #[error("no such document")]
    NoSuchDocument,
    /// It does not apply.
    #[error("operation {operation}: {reason}")]
    Patch {
        /// The index of the operation in the batch, from 0.
        operation: usize,
        /// Why it does not apply.
        reason: Reason,
    },
    /// The memory budget has no room for it.
    #[error("{}", Busy::Memory)]
    Memory,
    /// Applying it panicked, which is a fault of this library; the document is closed.
    #[error("the document was closed: applying the batch panicked")]
    Panicked,
}

impl From<PatchError> for ApplyError {
    fn from(error: PatchError) -> Self {
        Self::Patch {
            operation: error.operation,
            reason: error.reason,
        }
    }
}

/// Why batches of the host's were not staged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("batch {patch}: {error}")]
pub struct StageError {
    /// The index of the batch, from 0.
    pub patch: usize,
    /// Why it was not applied.
    pub error: ApplyError,
}
