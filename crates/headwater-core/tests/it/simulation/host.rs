use std::sync::Arc;

use headwater_core::{
    ApplyError, AtDeadline, CreateError, DocumentOptions, Freeze, Frozen, Key, Rejection, Snapshot,
    Staged, Thawed, Version,
};
use headwater_doc::Patch;

use super::{settle::Event, workload::any_root, world::World};
use crate::pair::{json, patch};

/// What the host holds between two steps.
#[derive(Default)]
pub(crate) struct Host {
    /// Versions with their keys.
    held: Vec<(Key, Snapshot)>,
    /// On their way to be cold.
    freezing: Vec<(usize, Freezing)>,
    /// On their way back.
    thawing: Vec<(usize, Thawed)>,
}

enum Freezing {
    Begun(Freeze),
    Done(Frozen),
}

impl World<'_> {
    /// A change by the host.
    pub(crate) fn apply(&mut self) {
        let key = self.random.pick(&self.keys).clone();
        self.written += 1;
        let patch = patch(&super::workload::any_patch(self.written, &mut self.random));
        self.apply_to(&key, &patch);
    }

    pub(crate) fn apply_to(&mut self, key: &Key, patch: &Arc<Patch>) {
        let shard = self.model.shards[key];
        let applied = self.shards[shard].apply(self.now, key, Arc::clone(patch));
        self.tell(|| {
            format!(
                "the host changes {key} by {} → {applied:?}",
                patch.to_value()
            )
        });
        if applied == Err(ApplyError::Memory) {
            self.check_refused_for_memory();
            self.seen.note("host: out of memory");
        } else {
            let expected = self.model.documents.apply(self.now, key, None, patch);
            let expected = expected.map_err(|rejection| match rejection {
                Rejection::NoSuchDocument => ApplyError::NoSuchDocument,
                Rejection::DoesNotApply {
                    operation, reason, ..
                } => ApplyError::Patch { operation, reason },
                other => panic!("{other}"),
            });
            assert_eq!(applied, expected);
            self.seen.note("host: applied");
        }
        self.settle(shard, Event::Other);
    }

    /// Some batches in several documents, all or none (P3).
    pub(crate) fn transact(&mut self) {
        let mut keys = self.keys.clone();
        self.random.shuffle(&mut keys);
        keys.truncate(1 + self.random.index(3));
        let patches = |world: &mut Self| {
            let count = 1 + world.random.index(3);
            (0..count).map(|_| world.any_allowed_patch()).collect()
        };
        let mut writes: Vec<(Key, Vec<Arc<Patch>>)> =
            keys.into_iter().map(|key| (key, patches(self))).collect();
        let meanwhile = self
            .random
            .one_in(4)
            .then(|| self.random.index(writes.len()));
        self.tell(|| format!("the host stages {} documents", writes.len()));
        self.stages = true;
        let mut staged = Vec::new();
        for (key, patches) in &writes {
            let shard = self.model.shards[key];
            match self.shards[shard].stage(key, patches) {
                Ok(stage) => staged.push(stage),
                Err(error) => {
                    self.staged_in_vain(error.error, &writes);
                    self.unstage(&writes, staged);
                    return;
                }
            }
        }
        if let Some(meanwhile) = meanwhile {
            let key = &writes[meanwhile].0.clone();
            let before = self.model.documents.open[key].position;
            self.apply_to(
                key,
                &patch(r#"[{"op":"add","path":"/fields","value":{"0":"meanwhile"}}]"#),
            );
            if self.model.documents.open[key].position != before {
                let stage = staged.remove(meanwhile);
                let shard = self.model.shards[key];
                assert_eq!(self.shards[shard].install(self.now, key, stage), None);
                self.seen.note("host: installed in vain");
                writes.remove(meanwhile);
                self.unstage(&writes, staged);
                return;
            }
        }
        self.model
            .documents
            .apply_all(self.now, &writes)
            .expect("it was staged, so it applies");
        for ((key, _), stage) in writes.iter().zip(staged) {
            let shard = self.model.shards[key];
            let version = self.shards[shard].install(self.now, key, stage);
            assert_eq!(
                version,
                Some(self.model.documents.open[key].position.version)
            );
        }
        self.seen.note("host: installed");
        self.unstage(&[], Vec::new());
    }

    fn staged_in_vain(&mut self, error: ApplyError, writes: &[(Key, Vec<Arc<Patch>>)]) {
        if error == ApplyError::Memory {
            self.check_refused_for_memory();
            self.seen.note("host: out of memory");
        } else {
            assert_eq!(
                self.model.documents.apply_all(self.now, writes),
                None,
                "{error}"
            );
            self.seen.note("host: staged in vain");
        }
    }

    /// The end of a transaction, of which so much is staged and is not to be installed.
    fn unstage(&mut self, writes: &[(Key, Vec<Arc<Patch>>)], staged: Vec<Staged>) {
        for ((key, _), staged) in writes.iter().zip(staged) {
            self.shards[self.model.shards[key]].unstage(staged);
        }
        self.stages = false;
        for shard in 0..self.shards.len() {
            self.settle(shard, Event::Other);
        }
    }

    pub(crate) fn create(&mut self) {
        let key = self.random.pick(&self.keys).clone();
        self.create_at(&key);
    }

    pub(crate) fn create_at(&mut self, key: &Key) {
        let shard = self.model.shards[key];
        let root = json(&any_root(&mut self.random));
        let own = [None, Some(AtDeadline::Report), Some(AtDeadline::Skip)];
        let at_deadline = *self.random.pick(&own);
        let skips = self.config.memory_max == u64::MAX;
        let at_deadline = at_deadline.filter(|_| skips);
        let options = DocumentOptions { at_deadline };
        let documents = self.model.documents.open.keys();
        let documents = documents
            .filter(|key| self.model.shards[*key] == shard)
            .count();
        let created = self.shards[shard].create(self.now, key, root.clone(), options);
        self.tell(|| format!("the host creates {key} → {created:?}"));
        if self.model.documents.open.contains_key(key) {
            assert_eq!(created, Err(CreateError::Exists));
        } else if documents >= self.config.shard.documents_max {
            let documents_max = self.config.shard.documents_max;
            assert_eq!(
                created,
                Err(CreateError::TooManyDocuments { documents_max })
            );
            self.seen.note("host: too many documents");
        } else if created == Err(CreateError::Memory) {
            self.check_refused_for_memory();
            self.seen.note("host: out of memory");
        } else {
            let position = created.expect("there is room for it");
            assert_eq!(position.version, Version::ZERO);
            self.model
                .documents
                .create(key, position, &root, at_deadline);
            self.seen.note("host: created");
            if at_deadline.is_some() {
                self.seen.note("policy: document says");
            }
        }
        self.settle(shard, Event::Other);
    }

    pub(crate) fn remove(&mut self) {
        let key = self.random.pick(&self.keys).clone();
        self.remove_at(&key);
    }

    pub(crate) fn remove_at(&mut self, key: &Key) {
        let shard = self.model.shards[key];
        let removed = self.shards[shard].remove(key);
        self.tell(|| format!("the host removes {key}"));
        let model = self.model.documents.open.remove(key);
        let removed = removed.map(|last| (last.position, last.root.canonical()));
        assert_eq!(
            removed,
            model.map(|model| (model.position, model.root.canonical()))
        );
        self.seen.note("host: removed");
        self.settle(shard, Event::Other);
    }

    pub(crate) fn relieve(&mut self) {
        let shard = self.random.index(self.shards.len());
        self.relieve_at(shard);
    }

    pub(crate) fn relieve_at(&mut self, shard: usize) {
        let mut next = Some(0);
        while let Some(from) = next {
            let (_freed, more) = self.shards[shard].relieve_frames(from);
            assert!(more.is_none());
            (_, next) = self.shards[shard].relieve_history(from);
        }
        let open = self.model.documents.open.iter_mut();
        for (_, document) in open.filter(|(key, _)| self.model.shards[*key] == shard) {
            document.relieve();
        }
        self.tell(|| format!("the host relieves shard {shard}"));
        self.seen.note("host: relieved");
        self.settle(shard, Event::Other);
    }

    pub(crate) fn sweep(&mut self) {
        let shard = self.random.index(self.shards.len());
        let mut next = Some(0);
        while let Some(from) = next {
            next = self.shards[shard].sweep(self.now, from);
        }
        for key in &self.keys {
            if self.model.shards[key] == shard {
                self.model.documents.trim(self.now, key);
            }
        }
        self.seen.note("host: swept");
        self.settle(shard, Event::Other);
    }

    pub(crate) fn freeze(&mut self) {
        let shard = self.random.index(self.shards.len());
        let idle = self.shards[shard].idle(self.now, self.config.shard.cold.idle);
        if let Some(freeze) = idle {
            let freezing = match self.random.one_in(2) {
                true => Freezing::Begun(freeze),
                false => Freezing::Done(freeze.run()),
            };
            self.host.freezing.push((shard, freezing));
        }
        if self.random.one_in(2) {
            self.put_frozen();
        }
    }

    pub(crate) fn put_frozen(&mut self) {
        if self.host.freezing.is_empty() {
            return;
        }
        let which = self.random.index(self.host.freezing.len());
        let (shard, freezing) = self.host.freezing.swap_remove(which);
        if self.random.one_in(8) {
            // Thrown away.
            return;
        }
        let frozen = match freezing {
            Freezing::Begun(freeze) => freeze.run(),
            Freezing::Done(frozen) => frozen,
        };
        let froze = self.shards[shard].freeze(self.now, frozen);
        self.tell(|| format!("the host freezes a document of shard {shard}: {froze}"));
        self.seen.note(if froze {
            "host: froze"
        } else {
            "host: frozen in vain"
        });
        self.settle(shard, Event::Other);
        for key in &self.keys {
            if froze && self.model.shards[key] == shard && self.shards[shard].cold(key).is_some() {
                let now = self.shards[shard].snapshot(self.now, key).unwrap();
                assert_eq!(
                    now.root.digest(),
                    self.model.documents.digest(key, now.position)
                );
            }
        }
    }

    pub(crate) fn thaw(&mut self) {
        let key = self.random.pick(&self.keys).clone();
        let shard = self.model.shards[&key];
        if let Some(thaw) = self.shards[shard].cold(&key) {
            self.host.thawing.push((shard, thaw.run()));
        }
        if self.host.thawing.is_empty() || self.random.one_in(3) {
            return;
        }
        let which = self.random.index(self.host.thawing.len());
        let (shard, thawed) = self.host.thawing.swap_remove(which);
        if self.shards[shard].thaw(self.now, thawed) {
            self.seen.note("host: thawed");
        }
        self.settle(shard, Event::Other);
    }

    /// Takes a version to look at it again much later.
    pub(crate) fn hold(&mut self) {
        let key = self.random.pick(&self.keys).clone();
        let shard = self.model.shards[&key];
        if self.host.held.len() < 8
            && let Some(snapshot) = self.shards[shard].snapshot(self.now, &key)
        {
            self.host.held.push((key, snapshot));
        }
    }

    pub(crate) fn let_go(&mut self) {
        self.check_held();
        if !self.host.held.is_empty() {
            let which = self.random.index(self.host.held.len());
            self.host.held.swap_remove(which);
        }
    }

    /// P3, P5: a version that is held never changes.
    pub(crate) fn check_held(&mut self) {
        for (key, held) in &self.host.held {
            assert_eq!(
                held.root.digest(),
                self.model.documents.digest(key, held.position)
            );
            let open = self.model.documents.open.get(key);
            if open.is_none_or(|document| document.position != held.position) {
                self.seen.note("snapshot: held while it changed");
            }
        }
    }

    pub(crate) fn let_all_go(&mut self) {
        self.check_held();
        self.host = Host::default();
    }

    pub(crate) fn turn(&mut self) {
        for shard in 0..self.shards.len() {
            if self.shards[shard].has_turn() {
                self.shards[shard].turn(self.now);
                self.seen.note("host: turn");
                self.settle(shard, Event::Other);
            }
        }
    }

    /// Sessions that have been silent for too long end; all of those, and no others.
    pub(crate) fn expire(&mut self) {
        let silence = self.config.silence;
        let is_silent = |world: &Self, seen| world.now.since(seen) >= silence;
        for _ in 0..2 {
            while let Some(session) = self.sessions.expired(self.now, silence) {
                let seen = self.model.sessions[&session].seen;
                assert!(is_silent(self, seen), "it is alive");
                assert!(self.sessions.close(session));
                self.end(session);
                self.seen.note("host: expired a session");
            }
        }
        let silent = |session: &super::model::Session| is_silent(self, session.seen);
        assert!(!self.model.sessions.values().any(silent));
        assert_eq!(self.sessions.len(), self.model.sessions.len());
    }
}
