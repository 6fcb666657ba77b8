use std::{convert::Infallible, sync::Arc};

use headwater_core::{ApplyError, Key, Made, Position, Snapshot, Version};
use headwater_doc::{
    Extensions, Limits, Operation, Patch, PatchError, Pointer, PointerError, Reason,
    SerializeError, Value, diff, to_value,
};
use serde::Serialize;

use crate::engine::Engine;

/// How often an edit is run before it gives up: each time costs one run of the caller's code, and loses
/// only if somebody else was quicker.
const EDITS_MAX: usize = 8;

/// Changes by value rather than by patch.
impl Engine {
    /// Changes a document like a plain value, and commits the difference; yields what the closure does,
    /// and the version that the document is then at. An empty difference commits nothing.
    ///
    /// The closure works on a snapshot, off all locks. If somebody else has changed the document
    /// meanwhile, it is run again, up to eight times. If it panics, nothing has happened.
    ///
    /// # Errors
    ///
    /// [`EditError`]; the document is as it was.
    pub fn edit<R, E>(
        &self,
        key: &Key,
        mut edit: impl FnMut(&mut Draft) -> Result<R, E>,
    ) -> Result<(R, Version), EditError<E>> {
        for _ in 0..EDITS_MAX {
            let before = self.get(key).ok_or(EditError::NoSuchDocument)?;
            let mut draft = Draft {
                root: before.root.clone(),
            };
            let result = edit(&mut draft).map_err(EditError::Edit)?;
            if let Some(version) = self.replace(key, &before, &draft.root)? {
                return Ok((result, version));
            }
        }
        Err(EditError::Conflict)
    }

    /// Makes a document equal to a value, and commits only what changed: what a game server does every
    /// tick. Yields the version that the document is then at.
    ///
    /// The value is compared with the document as it is serialized, off all locks.
    ///
    /// # Errors
    ///
    /// [`EditError::Edit`] if it cannot be a document, and the other [`EditError`]s; the document is as it
    /// was.
    pub fn store<T: Serialize + ?Sized>(
        &self,
        key: &Key,
        value: &T,
    ) -> Result<Version, EditError<SerializeError>> {
        for _ in 0..EDITS_MAX {
            let before = self.get(key).ok_or(EditError::NoSuchDocument)?;
            let root = before.root.updated(value).map_err(EditError::Edit)?;
            if let Some(version) = self.install(key, before, root)? {
                return Ok(version);
            }
        }
        Err(EditError::Conflict)
    }

    /// Takes a document back to what it was, by a commit like any other. Yields the version that it is
    /// then at.
    ///
    /// # Errors
    ///
    /// [`EditError`]; the document is as it was.
    pub fn restore(
        &self,
        key: &Key,
        snapshot: &Snapshot,
    ) -> Result<Version, EditError<Infallible>> {
        for _ in 0..EDITS_MAX {
            let before = self.get(key).ok_or(EditError::NoSuchDocument)?;
            if let Some(version) = self.replace(key, &before, &snapshot.root)? {
                return Ok(version);
            }
        }
        Err(EditError::Conflict)
    }

    /// Commits a value that was made of a version and shares with it what did not change, unless the
    /// document has moved on; `None` if it has.
    fn install<E>(
        &self,
        key: &Key,
        before: Snapshot,
        root: Value,
    ) -> Result<Option<Version>, EditError<E>> {
        let (patch, applied) = Patch::between(&before.root, &root, Extensions::ALL);
        let position = before.position;
        if patch.is_empty() {
            return Ok(Some(position.version));
        }
        let patch = Arc::new(patch);
        if patch.operations().iter().any(moves_elements) {
            return self.commit_patch(key, &before, &patch);
        }
        // Kept until the lock is gone, so that what only this version had is not freed under it; but as a
        // value, so that nobody is seen to hold the version.
        let old = before.root.clone();
        drop(before);
        let mut applied = Some(applied);
        self.put(key, || Made {
            position,
            root: root.clone(),
            patch: Arc::clone(&patch),
            applied: applied
                .take()
                .unwrap_or_else(|| Patch::between(&old, &root, Extensions::ALL).1),
        })
    }

    /// Commits what leads from one value to another, unless the document has moved on; `None` if it has.
    fn replace<E>(
        &self,
        key: &Key,
        before: &Snapshot,
        after: &Value,
    ) -> Result<Option<Version>, EditError<E>> {
        // Off the lock, and in proportion to what changed.
        let patch = diff(&before.root, after, Extensions::ALL);
        if patch.is_empty() {
            return Ok(Some(before.position.version));
        }
        self.commit_patch(key, before, &Arc::new(patch))
    }

    /// Commits a patch of the library's making, unless the document has moved on from a version; `None` if
    /// it has. The limits hold for the result: in which order the operations come is not the host's choice.
    fn commit_patch<E>(
        &self,
        key: &Key,
        before: &Snapshot,
        patch: &Arc<Patch>,
    ) -> Result<Option<Version>, EditError<E>> {
        let committed = match self.commit_at(key, before.position, patch) {
            Err(ApplyError::Memory) if self.0.relieve() => {
                self.commit_at(key, before.position, patch)
            }
            committed => committed,
        };
        let Err(ApplyError::Patch {
            reason: Reason::Limit(_),
            ..
        }) = committed
        else {
            return Ok(committed?);
        };
        // The result may keep to the limits all the same: made off the lock, and then looked at as a whole.
        let mut root = before.root.clone();
        let applied = patch
            .apply(&mut root, &Limits::NONE)
            .map_err(ApplyError::from)?;
        self.put(key, || Made {
            position: before.position,
            root: root.clone(),
            patch: Arc::clone(patch),
            applied: applied.clone(),
        })
    }

    /// The same, without making room for it, and under limits that hold after every operation.
    fn commit_at(
        &self,
        key: &Key,
        at: Position,
        patch: &Arc<Patch>,
    ) -> Result<Option<Version>, ApplyError> {
        let patch = Arc::clone(patch);
        self.0.write(key, |shard, now| match shard.position(key) {
            Some(position) if position == at => shard.apply(now, key, patch).map(Some),
            Some(_) => Ok(None),
            None => Err(ApplyError::NoSuchDocument),
        })
    }

    /// Commits a value that was made of a version, unless the document has moved on; `None` if it has. It is
    /// made once more if room has to be made for it first.
    fn put<E>(
        &self,
        key: &Key,
        mut make: impl FnMut() -> Made,
    ) -> Result<Option<Version>, EditError<E>> {
        let mut put = || {
            let made = make();
            self.0
                .write(key, |shard, now| shard.replace(now, key, made))
        };
        match put() {
            Err(ApplyError::Memory) if self.0.relieve() => Ok(put()?),
            put => Ok(put?),
        }
    }
}

/// Whether an operation moves elements of an array. A value compares those by index and makes them anew; the
/// patch leaves them where they are, so that versions that are held go on sharing them.
fn moves_elements(operation: &Operation) -> bool {
    matches!(operation, Operation::Splice { insert, .. } if insert.as_array().is_some())
}

/// A document to be changed like a plain value: each method applies to what those before it have left.
///
/// Paths are JSON Pointers (RFC 6901), as text.
#[derive(Clone, Debug)]
pub struct Draft {
    root: Value,
}

impl Draft {
    /// The document as it is by now.
    #[must_use]
    pub const fn root(&self) -> &Value {
        &self.root
    }

    /// The value at a path, if there is one.
    #[must_use]
    pub fn get(&self, path: &str) -> Option<&Value> {
        Pointer::parse(path).ok()?.resolve(&self.root)
    }

    /// Sets the value at a path: replaces what is there, or adds a member to an object, or appends to an
    /// array where the path ends in `-`.
    ///
    /// # Errors
    ///
    /// [`DraftError`]; the draft is as it was.
    pub fn set<T: Serialize + ?Sized>(&mut self, path: &str, value: &T) -> Result<(), DraftError> {
        let (path, value) = (Pointer::parse(path)?, to_value(value)?);
        let operation = if path.resolve(&self.root).is_some() {
            Operation::Replace { path, value }
        } else {
            Operation::Add { path, value }
        };
        self.apply(vec![operation].into())
    }

    /// Inserts an element into an array before the one at a path, or a member into an object.
    ///
    /// # Errors
    ///
    /// [`DraftError`]; the draft is as it was.
    pub fn insert<T: Serialize + ?Sized>(
        &mut self,
        path: &str,
        value: &T,
    ) -> Result<(), DraftError> {
        let (path, value) = (Pointer::parse(path)?, to_value(value)?);
        self.apply(vec![Operation::Add { path, value }].into())
    }

    /// Removes what is at a path, and yields it.
    ///
    /// # Errors
    ///
    /// [`DraftError`]; the draft is as it was.
    pub fn remove(&mut self, path: &str) -> Result<Value, DraftError> {
        let path = Pointer::parse(path)?;
        let removed = path.resolve(&self.root).cloned();
        self.apply(vec![Operation::Remove { path }].into())?;
        Ok(removed.unwrap_or_default())
    }

    /// Applies a patch.
    ///
    /// # Errors
    ///
    /// [`DraftError`]; the draft is as it was.
    pub fn patch(&mut self, patch: &Patch) -> Result<(), DraftError> {
        patch.apply(&mut self.root, &Limits::NONE)?;
        Ok(())
    }

    /// Replaces the whole document.
    pub fn replace(&mut self, root: Value) {
        self.root = root;
    }

    fn apply(&mut self, patch: Patch) -> Result<(), DraftError> {
        self.patch(&patch)
    }
}

/// Why a draft was not changed. The fault is the caller's.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum DraftError {
    /// The path is no JSON Pointer.
    #[error(transparent)]
    Pointer(#[from] PointerError),
    /// The value cannot be part of a document.
    #[error(transparent)]
    Serialize(#[from] SerializeError),
    /// The change does not apply.
    #[error(transparent)]
    Patch(#[from] PatchError),
}

/// Why a change by value was not committed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EditError<E> {
    /// There is no document under the key.
    #[error("no such document")]
    NoSuchDocument,
    /// The caller's code failed; nothing was committed.
    #[error("the edit failed: {0}")]
    Edit(E),
    /// Somebody else was quicker each time.
    #[error("others kept changing the document")]
    Conflict,
    /// The result would break a limit, or the memory budget has no room for it.
    #[error(transparent)]
    Apply(ApplyError),
}

impl<E> From<ApplyError> for EditError<E> {
    fn from(error: ApplyError) -> Self {
        match error {
            ApplyError::NoSuchDocument => Self::NoSuchDocument,
            error => Self::Apply(error),
        }
    }
}
