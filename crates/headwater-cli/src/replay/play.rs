use std::{
    iter,
    time::{Duration, Instant},
};

use headwater::{
    Busy, ConfigError, Counts, CreateError, Decision, Engine, InvalidKey, Key, Outcome, Refusal,
    Seq, Time, TooManySessions, Version,
};

use super::{
    audience::{Audience, AudienceError, Tally},
    check::{CheckError, Checker},
    entry::{Entry, EntryError},
    link::Link,
    sender::Sender,
    sizing::Sizing,
    trace::{Step, Trace},
};
use crate::args::{LaneChoice, ReplayArgs};

/// What came of a replay that converged.
#[derive(Debug)]
pub(crate) struct Played {
    pub(crate) counts: Counts,
    /// Batches that waited for their turn, and were decided then or given up.
    pub(crate) held: u64,
    pub(crate) resent: u64,
    pub(crate) slots: u64,
    /// How long each submission took until its outcome was there, ascending.
    pub(crate) submits: Vec<Duration>,
    /// How long the engine was at work on submissions.
    pub(crate) busy: Duration,
    pub(crate) audience: Vec<Tally>,
    pub(crate) wall: Duration,
}

/// Why a replay did not hold, or could not be started.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PlayError {
    #[error(transparent)]
    Check(#[from] CheckError),
    #[error(transparent)]
    Audience(#[from] AudienceError),
    #[error(
        "version {version}: expected batch {seq} of client {client} to make it, got a rejection: {reason}"
    )]
    Rejected {
        version: Version,
        client: usize,
        seq: Seq,
        reason: String,
    },
    #[error("batch {seq} of client {client} was refused: {refusal}")]
    Refused {
        client: usize,
        seq: Seq,
        refusal: Refusal,
    },
    #[error("batches are unaccounted for: {delivered} delivered, {counts:?}")]
    Unaccounted { delivered: u64, counts: Counts },
    #[error("no batch was decided for {slots} slots after version {version}")]
    Stuck { slots: u64, version: Version },
    #[error(transparent)]
    Entry(#[from] EntryError),
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error(transparent)]
    Create(#[from] CreateError),
    #[error(transparent)]
    Key(#[from] InvalidKey),
    #[error(transparent)]
    Sessions(#[from] TooManySessions),
}

/// Slots without progress after which a replay is given up: the engine would have to lose a batch
/// some hundred times in a row.
const STUCK_SLOTS: u64 = 100_000;

/// A batch under way: whose, and its seq.
type Packet = (usize, Seq);

struct Stage<'a> {
    engine: Engine,
    entry: Entry<Packet>,
    key: Key,
    link: Link<Packet>,
    senders: Vec<Sender>,
    audience: Audience,
    checker: Checker,
    progress: &'a dyn Fn(u64),
    delivered: u64,
    /// Answers `Held`, repeats of what is held among them.
    held: u64,
    /// Answers `Duplicate`.
    repeats: u64,
}

/// Plays a trace through an engine, over a bad link, before an audience. Checks every version, and
/// every replica at the end. `progress` is told how many versions are checked.
pub(crate) fn play(
    trace: Trace,
    args: &ReplayArgs,
    sizing: &Sizing,
    progress: &dyn Fn(u64),
) -> Result<Played, PlayError> {
    let start = Instant::now();
    let engine = sizing.builder(&trace, args).build()?;
    let key = Key::new("replay")?;
    engine.create(&key, trace.base.clone())?;
    let lanes = match args.lane {
        LaneChoice::Shared => 1,
        LaneChoice::Client => trace.clients,
    };
    let audience = Audience::new(
        &engine,
        &key,
        usize::from(args.subscribers),
        args.slow,
        sizing.slow_period(),
        trace.extensions(),
    )?;
    let runs: Vec<_> = match args.lane {
        LaneChoice::Shared => iter::once((0, 0..trace.steps.len())).collect(),
        LaneChoice::Client => trace.runs().collect(),
    };
    let Trace {
        base,
        steps,
        expected,
        ..
    } = trace;
    let mut stage = Stage {
        senders: (0..lanes)
            .map(|_| {
                Ok(Sender::new(
                    engine.open_session()?,
                    key.clone(),
                    sizing.flight_max,
                ))
            })
            .collect::<Result<_, PlayError>>()?,
        audience,
        checker: Checker::new(expected, &base).map_err(CheckError::from)?,
        link: Link::new(
            args.seed,
            args.loss,
            args.duplicate,
            usize::from(args.reorder),
        ),
        progress,
        delivered: 0,
        held: 0,
        repeats: 0,
        entry: Entry::new(args.via, engine.clone())?,
        engine,
        key,
    };
    for (client, range) in runs {
        stage.run(client, steps.get(range).unwrap_or_default())?;
    }
    stage.finish(start)
}

impl Stage<'_> {
    /// Hands a run of steps to one client, and goes on until the engine has decided all of them.
    fn run(&mut self, client: usize, steps: &[Step]) -> Result<(), PlayError> {
        if let Some(sender) = self.senders.get_mut(client) {
            steps
                .iter()
                .for_each(|step| sender.push(step.patch.clone()));
        }
        let mut last_progress = (self.link.slot(), self.checker.checked());
        while let Some(sender) = self.senders.get_mut(client) {
            let status = sender.status();
            let slot = self.link.slot();
            if let Some(seq) =
                sender.next(slot, &status, |sent| self.link.should_have_arrived(sent))
            {
                self.link.send((client, seq));
            } else if sender.is_done() {
                break;
            }
            self.pass_slot()?;
            let checked = self.checker.checked();
            if checked > last_progress.1 {
                last_progress = (slot, checked);
            } else if slot - last_progress.0 > STUCK_SLOTS {
                return Err(PlayError::Stuck {
                    slots: STUCK_SLOTS,
                    version: checked,
                });
            }
        }
        Ok(())
    }

    /// Delivers what arrives in this slot, and goes on to the next.
    fn pass_slot(&mut self) -> Result<(), PlayError> {
        while let Some(packet) = self.link.receive() {
            self.deliver(packet)?;
        }
        for (packet, outcome) in self.entry.work_off(self.now())? {
            self.judge(packet, outcome)?;
        }
        self.audience.poll(self.link.slot())?;
        self.link.advance();
        self.entry.tell_time(self.now());
        Ok(())
    }

    /// A slot is a millisecond of the engine's time.
    const fn now(&self) -> Time {
        Time::from_millis(self.link.slot())
    }

    fn deliver(&mut self, (client, seq): Packet) -> Result<(), PlayError> {
        let sender = self.senders.get(client);
        let Some(batch) = sender.and_then(|sender| sender.submission(seq)) else {
            return Ok(());
        };
        self.delivered += 1;
        match self.entry.hand_in((client, seq), batch) {
            Some(outcome) => self.judge((client, seq), outcome),
            None => Ok(()),
        }
    }

    /// Checks what came of a batch, and the versions that were made with it.
    fn judge(&mut self, (client, seq): Packet, outcome: Outcome) -> Result<(), PlayError> {
        let rejected = |reason: String| PlayError::Rejected {
            version: self.checker.checked().next(),
            client,
            seq,
            reason,
        };
        match outcome {
            Outcome::Applied { .. } => {
                self.checker.advance(&self.engine, &self.key)?;
                (self.progress)(self.checker.checked().0);
            }
            Outcome::Rejected(rejection) => return Err(rejected(rejection.to_string())),
            Outcome::Duplicate(Decision::Rejected { code }) => {
                return Err(rejected(code.to_owned()));
            }
            Outcome::Held { .. } => self.held += 1,
            Outcome::Duplicate(Decision::Applied { .. }) => self.repeats += 1,
            // No lane here goes on without what it misses.
            Outcome::Duplicate(Decision::Skipped) => return Err(rejected("skipped".to_owned())),
            // As good as lost: its client sends it again.
            Outcome::Refused(
                Refusal::Gap { .. }
                | Refusal::AlreadyDecided { .. }
                | Refusal::Retry {
                    cause: Busy::Queue, ..
                },
            ) => {}
            Outcome::Refused(refusal) => {
                return Err(PlayError::Refused {
                    client,
                    seq,
                    refusal,
                });
            }
        }
        Ok(())
    }

    fn finish(mut self, start: Instant) -> Result<Played, PlayError> {
        // What is still under way are copies of batches that are decided.
        while !self.link.is_idle() {
            self.pass_slot()?;
        }
        self.entry.close()?;
        let counts = self.engine.counts();
        let steps: u64 = self
            .senders
            .iter()
            .map(|sender| sender.batches() as u64)
            .sum();
        let accounted = counts.balance()
            && counts.received == self.delivered
            && counts.applied == steps
            && counts.held == 0;
        if !accounted {
            return Err(PlayError::Unaccounted {
                delivered: self.delivered,
                counts,
            });
        }
        let document = self.engine.get(&self.key);
        let document = document.map(|snapshot| snapshot.root.clone());
        let document = document.unwrap_or_default();
        let mut submits = self.entry.submits;
        submits.sort_unstable();
        Ok(Played {
            counts,
            // What the engine counts as duplicate beyond these answers are repeats of what is held.
            held: self.held - (counts.duplicate - self.repeats),
            resent: self.senders.iter().map(|sender| sender.resent).sum(),
            slots: self.link.slot(),
            submits,
            busy: self.entry.busy,
            audience: self.audience.finish(&document)?,
            wall: start.elapsed(),
        })
    }
}
