use std::{sync::Arc, time::Duration};

use headwater_core::{
    Attachment, Body, Cursor, Decision, DocumentOptions, Effects, Frame, Guard, Incarnation, Key,
    LaneStatus, Mode, Outcome, Position, Seq, SessionId, Sessions, Shard, ShardConfig, Shared,
    Snapshot, SnapshotReason, Submission, Time, Version,
};
use headwater_doc::{Extensions, Limits, Patch, Value};

pub(crate) const INCARNATION: Incarnation = Incarnation(7);

/// A shard with its sessions, in virtual time: one side of the pair.
#[derive(Debug)]
pub(crate) struct Server {
    pub(crate) shard: Shard,
    pub(crate) sessions: Sessions,
    pub(crate) shared: Arc<Shared>,
    pub(crate) now: Time,
}

/// One lane of one session: the other side.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Client {
    pub(crate) session: SessionId,
    pub(crate) attachment: Attachment,
    pub(crate) key: Key,
}

impl Server {
    /// With the default bounds, and both extensions allowed.
    pub(crate) fn new() -> Self {
        Self::with(config())
    }

    pub(crate) fn with(config: ShardConfig) -> Self {
        Self::sharing(config, Shared::new(INCARNATION, u64::MAX))
    }

    /// With a rule of the host's, or a memory budget.
    pub(crate) fn sharing(config: ShardConfig, shared: Shared) -> Self {
        let shared = Arc::new(shared);
        Self {
            shard: Shard::new(config, Arc::clone(&shared)),
            shared,
            sessions: Sessions::new(INCARNATION, 100),
            now: Time::START,
        }
    }

    pub(crate) fn create(&mut self, name: &str, text: &str) -> Position {
        self.shard
            .create(self.now, &key(name), json(text), DocumentOptions::default())
            .unwrap()
    }

    /// Opens a session and looks at its lane to one document.
    pub(crate) fn client(&mut self, name: &str) -> Client {
        let (session, attachment) = self.sessions.open(self.now).unwrap();
        Client {
            session,
            attachment,
            key: key(name),
        }
    }

    pub(crate) fn submit(&mut self, batch: &Submission) -> Outcome {
        let outcome = self.shard.submit(self.now, &self.sessions, batch);
        assert!(
            self.shard.counts().balance(),
            "P4: {:?}",
            self.shard.counts()
        );
        outcome
    }

    /// Hands in a batch with nothing special about it.
    pub(crate) fn send(&mut self, client: &Client, seq: u64, patch: &str) -> Outcome {
        self.submit(&client.batch(seq, patch))
    }

    /// Hands in batches that append their seqs to `/log`, and expects all to be applied.
    pub(crate) fn send_all(&mut self, client: &Client, seqs: impl IntoIterator<Item = u64>) {
        for seq in seqs {
            let outcome = self.send(client, seq, &append(seq));
            assert!(matches!(outcome, Outcome::Applied { .. }), "{outcome:?}");
        }
    }

    /// Hands in batches that append their seqs to `/log`, and expects all to be held.
    pub(crate) fn hold_all(&mut self, client: &Client, seqs: impl IntoIterator<Item = u64>) {
        for seq in seqs {
            let outcome = self.send(client, seq, &append(seq));
            assert!(matches!(outcome, Outcome::Held { .. }), "{outcome:?}");
        }
    }

    /// A change by the host.
    pub(crate) fn apply(&mut self, name: &str, text: &str) -> Version {
        self.shard
            .apply(self.now, &key(name), patch(text))
            .expect("a patch that applies")
    }

    pub(crate) fn status(&self, client: &Client) -> LaneStatus {
        self.shard.lane_status(client.session, &client.key)
    }

    pub(crate) fn snapshot(&self, name: &str) -> Snapshot {
        self.shard
            .snapshot(self.now, &key(name))
            .expect("a document")
    }

    pub(crate) fn text(&self, name: &str) -> String {
        self.snapshot(name).root.canonical()
    }

    /// Takes out who has to be told.
    pub(crate) fn effects(&mut self) -> Effects {
        self.shard.effects()
    }

    /// Moves time, and does what is due then, in as many turns as it takes.
    pub(crate) fn later(&mut self, millis: u64) {
        self.now = self.now + Duration::from_millis(millis);
        self.tick();
    }

    /// Does what is due.
    pub(crate) fn tick(&mut self) {
        let is_due = |server: &Self| {
            let deadline = server.shard.next_deadline();
            deadline.is_some_and(|deadline| deadline <= server.now) || server.shard.has_turn()
        };
        while is_due(self) {
            self.shard.tick(self.now);
        }
    }

    /// A version in the window, if the history reaches so far.
    pub(crate) fn rewind(&self, name: &str, version: u64) -> Option<Snapshot> {
        let rewind = self.shard.rewind(self.now, &key(name), Version(version))?;
        Some(rewind.finish())
    }

    /// How a batch was decided, if that is remembered.
    pub(crate) fn decision(&self, client: &Client, seq: u64) -> Option<Decision> {
        self.shard.decision(client.session, &client.key, Seq(seq))
    }

    /// What a subscriber gets next, carried out.
    pub(crate) fn poll(&self, name: &str, cursor: &Cursor) -> Option<Frame> {
        self.shard
            .next(self.now, &key(name), cursor)
            .expect("a document")
            .finish()
            .frame
    }
}

impl Client {
    pub(crate) fn batch(&self, seq: u64, text: &str) -> Submission {
        let (key, seq) = (self.key.clone(), Seq(seq));
        Submission::new(self.session, self.attachment, key, seq, patch(text))
    }

    /// A batch that may be applied to some versions only.
    pub(crate) fn guarded(&self, seq: u64, guard: Guard, text: &str) -> Submission {
        Submission {
            guard,
            ..self.batch(seq, text)
        }
    }

    /// A batch that builds on the one before it.
    pub(crate) fn chained(&self, seq: u64, text: &str) -> Submission {
        Submission {
            chained: true,
            ..self.batch(seq, text)
        }
    }

    pub(crate) fn on(&self, name: &str) -> Self {
        Self {
            key: key(name),
            ..self.clone()
        }
    }
}

/// The default bounds with both extensions.
pub(crate) fn config() -> ShardConfig {
    ShardConfig {
        extensions: Extensions::ALL,
        ..ShardConfig::default()
    }
}

pub(crate) fn key(name: &str) -> Key {
    Key::new(name).unwrap()
}

pub(crate) fn json(text: &str) -> Value {
    text.parse().unwrap()
}

pub(crate) fn patch(text: &str) -> Arc<Patch> {
    Arc::new(Patch::parse(text.as_bytes(), &Limits::NONE, Extensions::ALL).unwrap())
}

/// A batch whose place in the order shows: it appends a number to `/log`.
pub(crate) fn append(number: u64) -> String {
    format!(r#"[{{"op":"add","path":"/log/-","value":{number}}}]"#)
}

/// A batch that changes something and then fails.
pub(crate) const FAILS: &str =
    r#"[{"op":"add","path":"/log/-","value":"no"},{"op":"remove","path":"/nothing"}]"#;

pub(crate) fn cursor(position: Option<Position>, mode: Mode, extensions: Extensions) -> Cursor {
    Cursor {
        position,
        mode,
        extensions,
        ..Cursor::default()
    }
}

/// The reason of a snapshot, or where a patch starts.
pub(crate) fn kind(frame: &Frame) -> Result<Version, SnapshotReason> {
    match &frame.body {
        Body::Patch { from, .. } => Ok(*from),
        Body::Snapshot { reason, .. } => Err(*reason),
        Body::Absent => panic!("nothing is there"),
    }
}
