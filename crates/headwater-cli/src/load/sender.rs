use std::{
    future::Future,
    mem,
    ops::Range,
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use headwater::{Decision, Engine, LaneStatus, Outcome, Patch, Refusal, Seq, Session, Submission};

use super::{
    agenda::{Agenda, Clock, End},
    bell::{Bell, Inbox},
    lane::{Lane, Unknown},
    ledger::Ledger,
    link::Fate,
    meter::{Count, Meter, Span},
    options::Entrance,
    traffic::Traffic,
};

/// One thread of clients: sends what is due, hears what became of it, and sends again what was lost.
pub(crate) struct Sender {
    engine: Engine,
    via: Entrance,
    traffic: Arc<Traffic>,
    ledgers: Arc<[Ledger]>,
    meter: Arc<Meter>,
    inbox: Arc<Inbox>,
    agenda: Agenda<Event>,
    clients: Vec<Client>,
    lanes: Vec<Lane>,
}

struct Client {
    session: Session,
    bell: Bell,
    /// Its lanes' places in the thread.
    lanes: Range<usize>,
    /// What it has put into queues. Bounded by what its lanes have under way, and late copies of it.
    waiting: Vec<Waiting>,
}

struct Waiting {
    lane: usize,
    seq: Seq,
    /// When it was handed in.
    since: u64,
    outcome: Pin<Box<dyn Future<Output = Outcome> + Send>>,
}

/// What happens to a lane, by its place.
enum Event {
    /// Its next operation is due.
    Due(usize),
    /// Its client looks for what was lost.
    Look(usize),
    /// A batch arrives that the link has delayed.
    Arrive(usize, Seq, Arc<Patch>),
}

/// Events that are handled before a thread looks who was woken: some hundred microseconds' worth.
const TURN: usize = 64;

/// How long a thread sleeps at most, so that it sees the end.
const SLEEP_MAX: Duration = Duration::from_millis(50);

impl Sender {
    pub(crate) fn new(
        engine: Engine,
        via: Entrance,
        traffic: Arc<Traffic>,
        ledgers: Arc<[Ledger]>,
        meter: Arc<Meter>,
    ) -> Self {
        Self {
            engine,
            via,
            traffic,
            ledgers,
            meter,
            inbox: Arc::default(),
            agenda: Agenda::new(),
            clients: Vec::new(),
            lanes: Vec::new(),
        }
    }

    /// Where the next client will be.
    pub(crate) fn clients(&self) -> usize {
        self.clients.len()
    }

    /// Adds a client with its lanes.
    pub(crate) fn add(&mut self, session: Session, lanes: impl IntoIterator<Item = Lane>) {
        let index = self.clients.len();
        let first = self.lanes.len();
        self.lanes.extend(lanes);
        self.clients.push(Client {
            session,
            bell: Bell::new(&self.inbox, index),
            lanes: first..self.lanes.len(),
            waiting: Vec::new(),
        });
    }

    /// Sends what is due until nothing more is, and all outcomes are known or it is time to give up.
    pub(crate) fn run(mut self, clock: Clock, end: &End) -> Self {
        self.inbox.open();
        for client in 0..self.clients.len() {
            self.hear(client, clock);
        }
        for index in 0..self.lanes.len() {
            self.plan_due(index, 0);
        }
        let mut woken = Vec::new();
        let mut until = end.at();
        loop {
            if end.at() < until {
                until = end.at();
                self.lanes.iter_mut().for_each(|lane| lane.cut(until));
            }
            let mut events = 0;
            while events < TURN
                && let Some((at, event)) = self.agenda.due(clock.now())
            {
                self.handle(at, event, clock);
                events += 1;
            }
            self.inbox.take(&mut woken);
            for client in woken.drain(..) {
                self.hear(client, clock);
            }
            let now = clock.now();
            if now >= End::give_up(until) {
                return self;
            }
            let next = self.agenda.next().unwrap_or(u64::MAX);
            if next > now {
                if now >= until && self.lanes.iter().all(Lane::is_done) {
                    return self;
                }
                let span = Duration::from_nanos(next - now);
                self.inbox.wait(span.min(SLEEP_MAX));
            }
        }
    }

    /// What its clients still do not know.
    pub(crate) fn unknown(&self) -> Unknown {
        self.lanes.iter().map(Lane::unknown).sum()
    }

    /// Operations that were due and not sent.
    pub(crate) fn unsent(&self) -> u64 {
        self.lanes.iter().map(Lane::unsent).sum()
    }

    fn handle(&mut self, at: u64, event: Event, clock: Clock) {
        match event {
            Event::Due(index) => self.send_due(index, clock),
            Event::Look(index) => self.look(index, at, clock),
            Event::Arrive(index, seq, patch) => self.arrive(index, seq, patch, clock),
        }
    }

    /// Notes when the lane's next operation is due.
    fn plan_due(&mut self, index: usize, now: u64) {
        if let Some(lane) = self.lanes.get_mut(index) {
            lane.due = lane.schedule.next(now);
        }
        self.wait_for_due(index, now);
    }

    /// Has the lane's next operation sent when it is due. One that is overdue comes behind what is due
    /// now: otherwise, after a stall, all that is overdue came before any look for what was lost.
    fn wait_for_due(&mut self, index: usize, now: u64) {
        if let Some(due) = self.lanes.get(index).and_then(|lane| lane.due) {
            self.agenda.note(due.max(now), Event::Due(index));
        }
    }

    /// Sends the operation that is due, unless too many are under way: then once there is room.
    fn send_due(&mut self, index: usize, clock: Clock) {
        let Some(lane) = self.lanes.get_mut(index) else {
            return;
        };
        let Some(due) = lane.due else {
            return;
        };
        if !lane.has_room() {
            lane.stalled = true;
            return;
        }
        let patch = lane.operations.next(&self.traffic);
        let now = clock.now();
        let seq = lane.push(now, due, patch);
        self.meter.count(Count::Sent);
        self.meter.time(Span::Sent, now.saturating_sub(due));
        self.transmit(index, seq, false, clock);
        let now = clock.now();
        self.plan_look(index, now, false);
        self.plan_due(index, now);
    }

    /// Hands a batch to the lane's link.
    fn transmit(&mut self, index: usize, seq: Seq, again: bool, clock: Clock) {
        let Some(lane) = self.lanes.get_mut(index) else {
            return;
        };
        let Some(patch) = lane.patch(seq) else {
            return;
        };
        match lane.link.send(again) {
            Fate::Delivered => self.arrive(index, seq, patch, clock),
            Fate::Lost => {
                lane.disturb(seq);
                self.meter.count(Count::Lost);
            }
            Fate::Delayed(nanos) => {
                lane.disturb(seq);
                self.meter.count(Count::Delayed);
                let at = clock.now().saturating_add(nanos);
                self.agenda.note(at, Event::Arrive(index, seq, patch));
            }
        }
    }

    /// Hands a batch in to the engine.
    fn arrive(&mut self, index: usize, seq: Seq, patch: Arc<Patch>, clock: Clock) {
        let Some(lane) = self.lanes.get_mut(index) else {
            return;
        };
        let Some(client) = self.clients.get_mut(lane.client) else {
            return;
        };
        self.meter.count(Count::HandedIn);
        let since = clock.now();
        let batch = Submission {
            acked: lane.acked(),
            ..client.session.batch(&lane.key, seq, patch)
        };
        let outcome = match self.via {
            Entrance::Direct => Poll::Ready(self.engine.submit(&batch)),
            Entrance::Queued => {
                let engine = self.engine.clone();
                let mut outcome: Pin<Box<dyn Future<Output = _> + Send>> =
                    Box::pin(async move { engine.submit_queued(batch).await });
                let mut context = Context::from_waker(client.bell.waker());
                let polled = outcome.as_mut().poll(&mut context);
                if polled.is_pending() {
                    lane.set_queued(seq, true);
                    client.waiting.push(Waiting {
                        lane: index,
                        seq,
                        since,
                        outcome,
                    });
                }
                polled
            }
        };
        if let Poll::Ready(outcome) = outcome {
            self.judge(index, seq, since, outcome, clock);
        }
    }

    /// Hears what became of a batch that was handed in at `since`.
    fn judge(&mut self, index: usize, seq: Seq, since: u64, outcome: Outcome, clock: Clock) {
        let now = clock.now();
        self.meter.time(Span::Answered, now.saturating_sub(since));
        match outcome {
            Outcome::Applied { version } => {
                self.learn(index, seq, Decision::Applied { version }, now);
            }
            Outcome::Rejected(rejection) => {
                let code = rejection.code();
                self.learn(index, seq, Decision::Rejected { code }, now);
            }
            Outcome::Duplicate(decision) => self.learn(index, seq, decision, now),
            Outcome::Held { .. } => self.plan_look(index, now, true),
            Outcome::Refused(refusal) => {
                self.meter.count(Count::Told);
                self.hear_refusal(index, seq, refusal, now);
            }
        }
        // Whatever decided this batch has decided all before it.
        if let Some(lane) = self.lanes.get_mut(index)
            && lane.acked() < seq
            && lane.knows(seq)
        {
            self.ask(index, now);
        }
    }

    fn hear_refusal(&mut self, index: usize, seq: Seq, refusal: Refusal, now: u64) {
        let Some(lane) = self.lanes.get_mut(index) else {
            return;
        };
        match refusal {
            Refusal::Gap { .. } => {
                lane.refuse(seq, lane.next_look(now, true));
                self.plan_look(index, now, true);
            }
            Refusal::Retry { after, .. } => {
                let again = now.saturating_add(super::schedule::nanos(after));
                lane.refuse(seq, again);
                self.plan_look_at(index, again);
            }
            // A late copy, or its outcome is in the lane.
            Refusal::AlreadyDecided { .. } => {
                self.ask(index, now);
            }
            // Nothing that is sent again would change that.
            _ => {
                if lane.settle(seq).is_some() {
                    self.meter.count(Count::Refused);
                }
            }
        }
    }

    /// Asks where a lane stands, and for the outcomes that the client has missed.
    fn ask(&mut self, index: usize, now: u64) -> Option<LaneStatus> {
        let lane = self.lanes.get(index)?;
        let session = &self.clients.get(lane.client)?.session;
        let status = session.status(&lane.key);
        let decided: Vec<_> = lane
            .unknown_to(status.decided)
            .into_iter()
            .map(|seq| (seq, session.decision(&lane.key, seq)))
            .collect();
        for (seq, decision) in decided {
            match decision {
                Some(decision) => self.learn(index, seq, decision, now),
                // Decided and forgotten, which the counts will show not to add up.
                None => self.learn(index, seq, Decision::Skipped, now),
            }
        }
        Some(status)
    }

    /// Learns how a batch was decided.
    fn learn(&mut self, index: usize, seq: Seq, decision: Decision, now: u64) {
        let Some(lane) = self.lanes.get_mut(index) else {
            return;
        };
        lane.set_queued(seq, false);
        let Some(known) = lane.settle(seq) else {
            return;
        };
        let stalled = mem::take(&mut lane.stalled);
        self.meter.count(match decision {
            Decision::Applied { version } => {
                if let Some(ledger) = self.ledgers.get(lane.document) {
                    ledger.note(version, known.due);
                }
                Count::Applied
            }
            Decision::Rejected { .. } => Count::Rejected,
            Decision::Skipped => Count::Refused,
        });
        let took = now.saturating_sub(known.due);
        self.meter.time(Span::Known, took);
        if !known.disturbed {
            self.meter.time(Span::Undisturbed, took);
        }
        if stalled {
            self.wait_for_due(index, now);
        }
    }

    /// Hears what has been decided while a client was not looking.
    fn hear(&mut self, index: usize, clock: Clock) {
        let Some(client) = self.clients.get_mut(index) else {
            return;
        };
        client.bell.silence();
        let waker = client.bell.waker().clone();
        let mut context = Context::from_waker(&waker);
        let mut answered = Vec::new();
        client.waiting.retain_mut(
            |waiting| match waiting.outcome.as_mut().poll(&mut context) {
                Poll::Pending => true,
                Poll::Ready(outcome) => {
                    answered.push((waiting.lane, waiting.seq, waiting.since, outcome));
                    false
                }
            },
        );
        let mut late = Vec::new();
        while let Poll::Ready(Some((key, _))) = pin!(client.session.late()).poll(&mut context) {
            let lanes = client.lanes.clone();
            late.extend(
                lanes.filter(|&lane| self.lanes.get(lane).is_some_and(|lane| lane.key == key)),
            );
        }
        for (lane, seq, since, outcome) in answered {
            if let Some(lane) = self.lanes.get_mut(lane) {
                lane.set_queued(seq, false);
            }
            self.judge(lane, seq, since, outcome, clock);
        }
        for lane in late {
            self.ask(lane, clock.now());
        }
    }

    /// Looks for what was lost, and sends it again.
    fn look(&mut self, index: usize, at: u64, clock: Clock) {
        let planned = self
            .lanes
            .get_mut(index)
            .filter(|lane| lane.look_at == Some(at));
        let Some(lane) = planned else {
            return;
        };
        lane.look_at = None;
        if lane.is_idle() {
            return;
        }
        let now = clock.now();
        let Some(status) = self.ask(index, now) else {
            return;
        };
        let lane = self.lanes.get_mut(index);
        let lost = lane.map_or_else(Vec::new, |lane| lane.lost(now, &status));
        for seq in lost {
            self.meter.count(Count::Resent);
            self.transmit(index, seq, true, clock);
        }
        self.plan_look(index, clock.now(), status.highest_held.is_some());
    }

    /// Plans the next look, unless there is nothing to look for.
    fn plan_look(&mut self, index: usize, now: u64, some_held: bool) {
        let lane = self.lanes.get(index).filter(|lane| !lane.is_idle());
        if let Some(at) = lane.map(|lane| lane.next_look(now, some_held)) {
            self.plan_look_at(index, at);
        }
    }

    fn plan_look_at(&mut self, index: usize, at: u64) {
        if let Some(lane) = self.lanes.get_mut(index)
            && lane.look_at.is_none_or(|planned| at < planned)
        {
            lane.look_at = Some(at);
            self.agenda.note(at, Event::Look(index));
        }
    }
}
