use std::sync::Arc;

use headwater_core::{ApplyError, AtDeadline, DocumentOptions, Key, Position, Staged, Version};
use headwater_doc::{Patch, Value};
use headwater_fuzz::{Bytes, SMALL, check};

use super::Host;

/// A transaction between its two steps, with what must come of it.
pub(crate) struct Pending {
    key: Key,
    staged: Staged,
    on: Position,
    batches: u64,
    root: Value,
}

/// What the host does to documents.
impl Host {
    pub(super) fn create(&mut self, key: &Key, bytes: &mut Bytes<'_>) {
        let there = self.shard.epoch(key);
        let options = DocumentOptions {
            at_deadline: match bytes.below(4) {
                0 => Some(AtDeadline::Skip),
                1 => Some(AtDeadline::Report),
                _ => None,
            },
        };
        let root = bytes.value();
        match self.shard.create(self.now, key, root.clone(), options) {
            Ok(position) => {
                assert!(there.is_none());
                assert_eq!(self.head(key), Some(position));
                assert_eq!(position.version, Version::ZERO);
            }
            Err(_) => assert_eq!(self.shard.epoch(key), there),
        }
    }

    pub(super) fn remove(&mut self, key: &Key) {
        let there = self.shard.contains(key);
        assert_eq!(self.shard.remove(key).is_some(), there);
        assert!(!self.shard.contains(key));
    }

    pub(super) fn apply(&mut self, key: &Key, bytes: &mut Bytes<'_>) {
        let patch = self.patch(key, bytes);
        let before = self.shard.snapshot(self.now, key);
        let applied = self.shard.apply(self.now, key, patch);
        let after = self.shard.snapshot(self.now, key);
        match (applied, before, after) {
            (Ok(version), Some(before), Some(after)) => {
                assert_eq!(version, before.position.version.next());
                assert_eq!(version, after.position.version);
                check(&after.root);
                let back = self.shard.rewind(self.now, key, before.position.version);
                // The bounds may keep not even the newest commit.
                if let Some(back) = back.map(headwater_core::Rewind::finish) {
                    assert!(back.root.identical(&before.root));
                }
            }
            (Err(error), Some(before), Some(after)) => {
                assert_ne!(error, ApplyError::Panicked);
                assert_eq!(before.position, after.position);
                assert!(before.root.identical(&after.root));
            }
            (applied, before, _) => assert!(applied.is_err() && before.is_none()),
        }
    }

    pub(super) fn look_back(&self, key: &Key, bytes: &mut Bytes<'_>) {
        let Some(head) = self.head(key) else {
            return;
        };
        let back = bytes.byte() % 20;
        let version = Version(head.version.0.saturating_sub(back.into()));
        if let Some(rewind) = self.shard.rewind(self.now, key, version) {
            let there = rewind.finish();
            assert_eq!(there.position.version, version);
            check(&there.root);
            let made = self.shard.commit(key, version.next());
            assert_eq!(made.is_some(), version < head.version);
        }
    }

    /// The first step of a transaction.
    pub(super) fn stage(&mut self, key: &Key, bytes: &mut Bytes<'_>) {
        let patches: Vec<Arc<Patch>> = (0..bytes.below(4))
            .map(|_| self.patch(key, bytes))
            .collect();
        if let Some(pending) = self.pending.take() {
            self.shard.unstage(pending.staged);
        }
        let before = self.shard.snapshot(self.now, key);
        let staged = self.shard.stage(key, &patches);
        assert_eq!(
            self.head(key),
            before.as_ref().map(|before| before.position)
        );
        let Some(before) = before else {
            assert!(staged.is_err());
            return;
        };
        let mut root = before.root.clone();
        let applies = patches
            .iter()
            .position(|patch| patch.apply(&mut root, &SMALL).is_err());
        match staged {
            Ok(staged) => {
                assert_eq!(applies, None);
                self.pending = Some(Pending {
                    key: key.clone(),
                    staged,
                    on: before.position,
                    batches: patches.len() as u64,
                    root,
                });
            }
            Err(error) if error.error == ApplyError::Memory => {}
            Err(error) => assert_eq!(applies, Some(error.patch)),
        }
    }

    /// The second step: it counts if nothing has happened to the document meanwhile.
    pub(super) fn install(&mut self) {
        let Some(Pending {
            key,
            staged,
            on,
            batches,
            root,
        }) = self.pending.take()
        else {
            return;
        };
        let head = self.head(&key);
        let installed = self.shard.install(self.now, &key, staged);
        if head != Some(on) {
            assert_eq!(installed, None);
            assert_eq!(self.head(&key), head);
            return;
        }
        let version = Version(on.version.0 + batches);
        assert_eq!(installed, Some(version));
        let after = self.shard.snapshot(self.now, &key);
        let after = after.expect("it was there, and nobody has removed it");
        assert_eq!(after.position.version, version);
        assert!(after.root.identical(&root));
    }
}
