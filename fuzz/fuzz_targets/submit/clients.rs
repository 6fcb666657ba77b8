use headwater_core::{
    Attachment, Body, Conflict, Decision, Epoch, Frame, Guard, Incarnation, Key, Outcome, Position,
    Refusal, Rejection, Replica, Seq, SessionId, Snapshot, SnapshotReason, Submission, Version,
};
use headwater_doc::{Extensions, Pointer};
use headwater_fuzz::Bytes;

use super::{Host, SESSIONS_MAX};

/// What clients do.
impl Host {
    pub(super) fn open(&mut self) {
        let room = self.sessions.len() < SESSIONS_MAX;
        let opened = self.sessions.open(self.now);
        assert_eq!(opened.is_ok(), room);
        self.issued.extend(opened);
    }

    pub(super) fn attach(&mut self, bytes: &mut Bytes<'_>) {
        if let Some((session, attachment)) = self.issued_one(bytes)
            && let Ok(current) = self.sessions.attach(self.now, session)
        {
            assert!(current > attachment);
            self.issued.retain(|&(other, _)| other != session);
            self.issued.push((session, current));
        }
    }

    pub(super) fn close_session(&mut self, bytes: &mut Bytes<'_>) {
        if let Some((session, _)) = self.issued_one(bytes)
            && self.sessions.close(session)
        {
            while self.shard.forget(session) {}
            self.decided.retain(|((other, _), _)| *other != session);
        }
    }

    fn issued_one(&self, bytes: &mut Bytes<'_>) -> Option<(SessionId, Attachment)> {
        let chosen = bytes.below(self.issued.len().max(1));
        self.issued.get(chosen).copied()
    }

    pub(super) fn submit(&mut self, key: &Key, bytes: &mut Bytes<'_>) {
        let (session, attachment) = match bytes.below(16) {
            0 => (stranger(), Attachment(1)),
            _ => self
                .issued_one(bytes)
                .unwrap_or((stranger(), Attachment(1))),
        };
        let expected = self.shard.lane_status(session, key).expected;
        let seq = match bytes.below(32) {
            0 => Seq(0),
            1 => Seq(u64::MAX),
            2 => Seq(u64::MAX - 1),
            3..=6 => Seq(expected.0.saturating_sub(bytes.byte().into())),
            7..=20 => Seq(expected.0.saturating_add((bytes.byte() % 8).into())),
            _ => expected,
        };
        let patch = self.patch(key, bytes);
        let batch = Submission {
            acked: match bytes.below(8) {
                0 => Seq(u64::MAX),
                1 => Seq(expected.0.saturating_sub(2)),
                _ => Seq::ZERO,
            },
            chained: bytes.below(4) == 0,
            guard: self.guard(key, bytes),
            attachment: match bytes.below(16) {
                0 => Attachment(attachment.0 - 1),
                _ => attachment,
            },
            ..Submission::new(session, attachment, key.clone(), seq, patch)
        };
        self.hand_in(batch);
    }

    /// Mostly of a version that was there, or is.
    fn guard(&self, key: &Key, bytes: &mut Bytes<'_>) -> Guard {
        let choice = bytes.below(8);
        let Some(head) = self.head(key).filter(|_| choice < 4) else {
            return Guard::Head;
        };
        let back = u64::from(bytes.byte() % 24);
        let base = Position {
            epoch: Epoch {
                // One that is of another life of the document.
                number: head.epoch.number.saturating_sub(u64::from(back == 23)),
                ..head.epoch
            },
            version: match back {
                22 => head.version.next(),
                _ => Version(head.version.0.saturating_sub(back / 2)),
            },
        };
        match choice {
            0 => Guard::Exact(base),
            _ => Guard::Untouched(base),
        }
    }

    pub(super) fn submit_again(&mut self, bytes: &mut Bytes<'_>) {
        let chosen = bytes.below(self.sent.len().max(1));
        // Counted from the end, so that what is recent is within reach.
        let Some(again) = self.sent.iter().rev().nth(chosen) else {
            return;
        };
        let (again, before) = (again.clone(), self.shard.counts().applied);
        let (session, key, seq) = (again.session, again.key.clone(), again.seq);
        let known = self.shard.decision(session, &key, seq);
        let outcome = self.hand_in(again);
        if let Some(known) = known {
            let once = match outcome {
                Outcome::Duplicate(decision) => decision == known,
                Outcome::Refused(Refusal::TooLate { .. }) => known == Decision::Skipped,
                Outcome::Refused(refusal) => matches!(
                    refusal,
                    Refusal::UnknownSession | Refusal::Fenced { .. } | Refusal::SeqReused
                ),
                _ => false,
            };
            assert!(once, "a batch that was decided is not decided again");
            assert_eq!(self.shard.counts().applied, before);
        }
    }

    fn hand_in(&mut self, batch: Submission) -> Outcome {
        let before = self.shard.lane_status(batch.session, &batch.key);
        let head = self.head(&batch.key);
        let seen = self.seen_by(&batch);
        // Not of every batch: what nobody looks at is changed in place.
        let looks = batch.patch.digest() & 32 == 0;
        let text = if looks { self.text(&batch.key) } else { None };
        self.received += 1;
        let outcome = self.shard.submit(self.now, &self.sessions, &batch);
        let after = self.shard.lane_status(batch.session, &batch.key);
        match &outcome {
            Outcome::Applied { version } => {
                let head = head.expect("there is something that it was applied to");
                assert_eq!(batch.seq, before.expected, "only the next in order");
                assert_eq!(*version, head.version.next());
                check_applied(&batch, head, &seen);
            }
            Outcome::Rejected(Rejection::Conflict(conflict)) => {
                assert_eq!(batch.seq, before.expected);
                check_conflict(conflict, head, &seen);
            }
            Outcome::Rejected(_) => assert_eq!(batch.seq, before.expected),
            Outcome::Held { expected, .. } => {
                assert!(batch.seq > *expected);
                assert!(after.held > 0);
            }
            Outcome::Duplicate(_) | Outcome::Refused(_) => {
                assert_eq!(before.decided, after.decided);
                assert_eq!(self.head(&batch.key), head);
            }
        }
        if text.is_some() && self.head(&batch.key) == head {
            assert_eq!(self.text(&batch.key), text, "changed, and the same version");
        }
        let lane = (batch.session, batch.key.clone());
        self.decided.retain(|(other, _)| *other != lane);
        self.decided.push((lane, after.decided));
        self.sent.push(batch);
        outcome
    }

    fn text(&self, key: &Key) -> Option<String> {
        let head = self.shard.snapshot(self.now, key)?;
        Some(head.root.to_string())
    }

    /// What there is to say about a guarded batch before it is handed in.
    fn seen_by(&self, batch: &Submission) -> Seen {
        let Some(base) = batch.guard.base() else {
            return Seen::default();
        };
        let head = self.head(&batch.key);
        let Some(head) = head.filter(|head| head.epoch == base.epoch) else {
            return Seen::default();
        };
        let mut by_others = Vec::new();
        for version in base.version.0 + 1..=head.version.0 {
            let commit = self.shard.commit(&batch.key, Version(version));
            let foreign = commit.filter(|commit| {
                commit
                    .origin
                    .is_none_or(|(session, _)| session != batch.session)
            });
            by_others.extend(
                foreign
                    .into_iter()
                    .flat_map(|commit| commit.touched().iter().cloned().collect::<Vec<_>>()),
            );
        }
        let (now, key) = (self.now, &batch.key);
        Seen {
            base: self
                .shard
                .rewind(now, key, base.version)
                .map(headwater_core::Rewind::finish),
            head: self.shard.snapshot(now, key),
            by_others,
        }
    }
}

#[derive(Default)]
struct Seen {
    /// What the sender saw, if it is still known.
    base: Option<Snapshot>,
    head: Option<Snapshot>,
    /// Paths that others have changed since.
    by_others: Vec<Pointer>,
}

/// A guard kept its promise to a batch that was applied.
fn check_applied(batch: &Submission, head: Position, seen: &Seen) {
    match batch.guard {
        Guard::Head => {}
        Guard::Exact(base) => assert_eq!(base, head),
        Guard::Untouched(base) => {
            assert_eq!(base.epoch, head.epoch);
            assert!(base.version <= head.version);
            let operations = batch.patch.operations().iter();
            let mut paths =
                operations.flat_map(|operation| [Some(operation.path()), operation.from()]);
            let touched = |path: &Pointer| seen.by_others.iter().any(|other| other.overlaps(path));
            assert!(!paths.any(|path| path.is_some_and(touched)));
        }
    }
}

/// A conflict names what others have changed, and leads to the head.
fn check_conflict(conflict: &Conflict, head: Option<Position>, seen: &Seen) {
    assert_eq!(Some(conflict.head), head.map(|head| head.version));
    assert!(!conflict.paths.is_empty());
    for path in &conflict.paths {
        assert!(seen.by_others.contains(path), "{path}");
    }
    let (Some(base), Some(head)) = (&seen.base, &seen.head) else {
        panic!("what conflicts is remembered");
    };
    let mut replica = replica_of(base);
    if let Some(frame) = conflict.squash(Extensions::ALL) {
        replica.apply(&frame).expect("it starts at the base");
    }
    assert!(replica.root().identical(&head.root));
}

fn replica_of(snapshot: &Snapshot) -> Replica {
    let mut replica = Replica::new();
    let frame = Frame {
        epoch: snapshot.position.epoch,
        to: snapshot.position.version,
        body: Body::Snapshot {
            root: snapshot.root.clone(),
            reason: SnapshotReason::Initial,
        },
    };
    replica.apply(&frame).expect("a snapshot fits everywhere");
    replica
}

/// A session of another life of the engine.
fn stranger() -> SessionId {
    SessionId {
        incarnation: Incarnation(1),
        number: 1,
    }
}
