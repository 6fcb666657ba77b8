use std::{
    collections::VecDeque,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use fastrand::Rng;
use headwater::{Engine, Key, Snapshot};

use super::{
    agenda::{Agenda, Clock},
    bell::{Bell, Inbox},
    follower::{FollowError, Follower},
    ledger::Ledger,
    meter::{Count, Meter},
    schedule::{Shift, nanos},
};

/// One thread of subscribers: those that keep up read when they are woken, the slow ones now and then.
pub(crate) struct Reader {
    engine: Engine,
    ledgers: Arc<[Ledger]>,
    meter: Arc<Meter>,
    inbox: Arc<Inbox>,
    agenda: Agenda<Event>,
    members: Vec<Member>,
    pins: Option<Pins>,
    /// The first that did not get what it must, and how many.
    failed: Option<Failed>,
}

struct Member {
    follower: Follower,
    bell: Bell,
    /// One that has failed reads no more.
    failed: bool,
}

/// Subscribers that did not get what they must.
#[derive(Debug)]
pub(crate) struct Failed {
    pub(crate) count: u64,
    /// The number of the first.
    pub(crate) subscriber: usize,
    pub(crate) error: FollowError,
}

/// Snapshots that are taken and held for a while.
struct Pins {
    documents: Vec<(Key, Option<Shift>)>,
    rng: Rng,
    interval: u64,
    /// Bounded by how many are taken while one is held.
    held: VecDeque<Snapshot>,
}

enum Event {
    /// A slow subscriber reads.
    Read(usize),
    /// A subscriber comes or leaves.
    Shift(usize),
    /// A snapshot is taken.
    Pin,
    /// The oldest snapshot is let go.
    Unpin,
}

/// Events that are handled before a thread looks who was woken.
const TURN: usize = 64;

/// Frames that a subscriber reads before others get their turn.
const FRAMES_TURN: usize = 16;

/// How long a thread sleeps at most, so that it sees the end.
const SLEEP_MAX: Duration = Duration::from_millis(50);

/// How long a slow subscriber pauses, between the least and twice that: many commits, few of which are
/// then worth a frame each.
const PAUSE_MIN: Duration = Duration::from_secs(1);

/// How long a snapshot is held.
const HELD: Duration = Duration::from_secs(1);

impl Reader {
    pub(crate) fn new(engine: Engine, ledgers: Arc<[Ledger]>, meter: Arc<Meter>) -> Self {
        Self {
            engine,
            ledgers,
            meter,
            inbox: Arc::default(),
            agenda: Agenda::new(),
            members: Vec::new(),
            pins: None,
            failed: None,
        }
    }

    pub(crate) fn add(&mut self, follower: Follower) {
        let bell = Bell::new(&self.inbox, self.members.len());
        self.members.push(Member {
            follower,
            bell,
            failed: false,
        });
    }

    /// Has it take so many snapshots a second of these documents, of those that are in use.
    pub(crate) fn pin(&mut self, documents: Vec<(Key, Option<Shift>)>, per_second: u16, rng: Rng) {
        self.pins = Some(Pins {
            documents,
            rng,
            interval: 1_000_000_000 / u64::from(per_second.max(1)),
            held: VecDeque::new(),
        });
    }

    /// Has all come who are not away at first, and read what is there.
    pub(crate) fn prepare(&mut self) {
        for index in 0..self.members.len() {
            let Some(member) = self.members.get_mut(index) else {
                continue;
            };
            let in_use = member.follower.shift.is_none_or(|shift| shift.at(0).0);
            if in_use && let Err(error) = member.follower.come(&self.engine) {
                self.fail(index, error);
            }
            while self.read(index, 0) {}
        }
    }

    /// Reads what comes until `stop`.
    pub(crate) fn run(mut self, clock: Clock, stop: &AtomicBool) -> Self {
        self.inbox.open();
        for (index, member) in self.members.iter_mut().enumerate() {
            if let Some(rng) = &mut member.follower.slow {
                self.agenda
                    .note(rng.u64(0..nanos(PAUSE_MIN)), Event::Read(index));
            }
            if let Some(shift) = member.follower.shift {
                self.agenda.note(shift.at(0).1, Event::Shift(index));
            }
            member.bell.ring();
        }
        if self.pins.is_some() {
            self.agenda.note(0, Event::Pin);
        }
        let mut woken = Vec::new();
        // Acquire pairs with the release of whoever has waited for all senders.
        while !stop.load(Ordering::Acquire) {
            let mut events = 0;
            while events < TURN
                && let Some((at, event)) = self.agenda.due(clock.now())
            {
                self.handle(at, event, clock);
                events += 1;
            }
            self.inbox.take(&mut woken);
            for index in woken.drain(..) {
                self.wake(index, clock);
            }
            let (now, next) = (clock.now(), self.agenda.next().unwrap_or(u64::MAX));
            if next > now {
                let span = Duration::from_nanos(next - now);
                self.inbox.wait(span.min(SLEEP_MAX));
            }
        }
        self
    }

    /// Has all read what is left, and compares their copies with the documents, whose digests are given
    /// by number.
    pub(crate) fn finish(mut self, clock: Clock, digests: &[String]) -> Option<Failed> {
        self.pins = None;
        for index in 0..self.members.len() {
            let Some(member) = self.members.get_mut(index) else {
                continue;
            };
            if let Err(error) = member.follower.come(&self.engine) {
                self.fail(index, error);
            }
            while self.read(index, clock.now()) {}
            let Some(member) = self.members.get_mut(index).filter(|member| !member.failed) else {
                continue;
            };
            let ledger = self.ledgers.get(member.follower.document);
            member.follower.catch_up_times(ledger, &self.meter);
            member.follower.close_times(&self.meter);
            let digest = digests.get(member.follower.document);
            if let Err(error) = member.follower.check(digest.map_or("", String::as_str)) {
                self.fail(index, error);
            }
        }
        self.failed
    }

    fn handle(&mut self, at: u64, event: Event, clock: Clock) {
        match event {
            Event::Read(index) => {
                let mut more = true;
                for _ in 0..FRAMES_TURN {
                    more = more && self.read(index, clock.now());
                }
                let slow = self.members.get_mut(index);
                if let Some(rng) = slow.and_then(|member| member.follower.slow.as_mut()) {
                    let pause = nanos(PAUSE_MIN);
                    let pause = if more { 0 } else { rng.u64(pause..2 * pause) };
                    self.agenda.note(clock.now() + pause, Event::Read(index));
                }
            }
            Event::Shift(index) => self.shift(index, at, clock),
            Event::Pin => {
                let Some(pins) = &mut self.pins else {
                    return;
                };
                let in_use = |shift: &Shift| shift.at(clock.now()).0;
                let count = pins.documents.len();
                let first = pins.rng.usize(0..count.max(1));
                let mut documents = pins.documents.iter().cycle().skip(first).take(count);
                let chosen = documents.find(|(_, shift)| shift.as_ref().is_none_or(in_use));
                if let Some(snapshot) = chosen.and_then(|(key, _)| self.engine.get(key)) {
                    self.meter.count(Count::Pinned);
                    pins.held.push_back(snapshot);
                    self.agenda.note(clock.now() + nanos(HELD), Event::Unpin);
                }
                self.agenda.note(at + pins.interval, Event::Pin);
            }
            Event::Unpin => {
                if let Some(pins) = &mut self.pins {
                    pins.held.pop_front();
                }
            }
        }
    }

    fn shift(&mut self, index: usize, at: u64, clock: Clock) {
        let Some(member) = self.members.get_mut(index) else {
            return;
        };
        let Some((in_use, change)) = member.follower.shift.map(|shift| shift.at(at)) else {
            return;
        };
        self.agenda.note(change, Event::Shift(index));
        if !in_use {
            member.follower.leave();
        } else if let Err(error) = member.follower.come(&self.engine) {
            self.fail(index, error);
        } else {
            self.wake(index, clock);
        }
    }

    /// Has a subscriber that was woken read until there is nothing more, or others wait.
    fn wake(&mut self, index: usize, clock: Clock) {
        let Some(member) = self.members.get_mut(index) else {
            return;
        };
        member.bell.silence();
        if member.failed || member.follower.slow.is_some() {
            return;
        }
        let ledger = self.ledgers.get(member.follower.document);
        member.follower.catch_up_times(ledger, &self.meter);
        for _ in 0..FRAMES_TURN {
            let taken = match member.follower.next(member.bell.waker()) {
                Ok(None) => return,
                Ok(Some(bytes)) => member
                    .follower
                    .take(&bytes, clock.now(), ledger, &self.meter),
                Err(error) => Err(error),
            };
            if let Err(error) = taken {
                self.fail(index, error);
                return;
            }
        }
        member.bell.ring();
    }

    /// Has a subscriber read a frame; whether there was one.
    fn read(&mut self, index: usize, now: u64) -> bool {
        let Some(member) = self.members.get_mut(index).filter(|member| !member.failed) else {
            return false;
        };
        let ledger = self.ledgers.get(member.follower.document);
        let taken = match member.follower.poll() {
            Ok(None) => return false,
            Ok(Some(bytes)) => member.follower.take(&bytes, now, ledger, &self.meter),
            Err(error) => Err(error),
        };
        if let Err(error) = taken {
            self.fail(index, error);
            return false;
        }
        true
    }

    fn fail(&mut self, index: usize, error: FollowError) {
        let Some(member) = self.members.get_mut(index) else {
            return;
        };
        member.failed = true;
        match &mut self.failed {
            Some(failed) => failed.count += 1,
            None => {
                self.failed = Some(Failed {
                    count: 1,
                    subscriber: member.follower.number,
                    error,
                });
            }
        }
    }
}
