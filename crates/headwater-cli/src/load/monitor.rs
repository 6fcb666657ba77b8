use std::{sync::Arc, time::Duration};

use cpu_time::ProcessTime;
use headwater::{Engine, Memory, Stats};

use super::{
    agenda::Clock,
    meter::{Count, Counted, Meter, Quantiles, Span, Times},
    process::resident_bytes,
    stage::StageError,
    view::View,
};

/// Looks at everything while it goes on: at the memory often, at all else once a second.
pub(crate) struct Monitor {
    engine: Engine,
    meters: Vec<Arc<Meter>>,
    /// Of the whole load.
    pub(crate) times: Times,
    /// One for each meter, empty, so that no thread waits while its times are added up.
    spare: Vec<Times>,
    /// Of the last second.
    window: Times,
    pub(crate) samples: Vec<Sample>,
    cpu: ProcessTime,
    next: u64,
    pub(crate) peak: Memory,
}

/// What was seen at the end of a second.
#[derive(Clone, Debug)]
pub(crate) struct Sample {
    /// Since the start.
    pub(crate) at: Duration,
    /// What was counted since the start.
    pub(crate) counted: Counted,
    pub(crate) stats: Stats,
    /// Since the start, of all threads.
    pub(crate) cpu: Duration,
    pub(crate) resident_bytes: Option<u64>,
    /// From due to known, of the last second: see [`meter::QUANTILES`](super::meter::QUANTILES).
    pub(crate) known: Option<Quantiles>,
    /// From due to delivered, of the last second.
    pub(crate) delivered: Option<Quantiles>,
}

const SECOND: u64 = 1_000_000_000;

impl Monitor {
    pub(crate) fn new(engine: Engine, meters: Vec<Arc<Meter>>) -> Result<Self, StageError> {
        let empty = Times::new()?;
        Ok(Self {
            peak: engine.memory(),
            engine,
            times: empty.clone(),
            spare: vec![empty.clone(); meters.len()],
            window: empty,
            meters,
            samples: Vec::new(),
            cpu: ProcessTime::now(),
            next: SECOND,
        })
    }

    /// Looks at the memory, and if a second is over at all else.
    pub(crate) fn look(&mut self, clock: Clock, view: &View) {
        self.look_at_memory();
        let now = clock.now();
        if now >= self.next {
            // After a stall no second is told twice.
            self.next = (now / SECOND + 1) * SECOND;
            let sample = self.sample(now);
            view.show(self.samples.last(), &sample);
            self.samples.push(sample);
        }
    }

    /// Takes what was timed since the last second, and shows it if that is anything.
    pub(crate) fn finish(&mut self, clock: Clock, view: &View) {
        self.look_at_memory();
        let sample = self.sample(clock.now());
        if sample.known.is_some() || sample.delivered.is_some() {
            view.show(self.samples.last(), &sample);
        }
        self.samples.push(sample);
    }

    /// Takes what readers have timed after the last sample, and yields all that was counted.
    pub(crate) fn close(&mut self) -> Counted {
        self.take();
        self.times.add(&self.window);
        self.counted()
    }

    fn look_at_memory(&mut self) {
        let memory = self.engine.memory();
        if memory.total() > self.peak.total() {
            self.peak = memory;
        }
    }

    fn sample(&mut self, now: u64) -> Sample {
        self.take();
        self.times.add(&self.window);
        Sample {
            at: Duration::from_nanos(now),
            counted: self.counted(),
            stats: self.engine.stats(),
            cpu: self.cpu.elapsed(),
            resident_bytes: resident_bytes(),
            known: self.window.quantiles(Span::Known),
            delivered: self.window.quantiles(Span::Delivered),
        }
    }

    /// Empties the meters into the window.
    fn take(&mut self) {
        self.window.clear();
        for (meter, spare) in self.meters.iter().zip(&mut self.spare) {
            meter.take(spare);
        }
        for spare in &mut self.spare {
            self.window.add(spare);
            spare.clear();
        }
    }

    fn counted(&self) -> Counted {
        let mut counted = Counted::default();
        self.meters.iter().for_each(|meter| counted.add(meter));
        counted
    }
}

impl Sample {
    /// What this was counted to a second since an earlier sample.
    pub(crate) fn rate(&self, before: Option<&Self>, what: Count) -> f64 {
        let earlier = before.map_or(0, |before| before.counted.of(what));
        #[expect(clippy::cast_precision_loss, reason = "a rate is approximate")]
        let counted = self.counted.of(what).saturating_sub(earlier) as f64;
        counted / self.span(before).as_secs_f64().max(f64::MIN_POSITIVE)
    }

    /// How many processors were busy since an earlier sample.
    pub(crate) fn processors(&self, before: Option<&Self>) -> f64 {
        let earlier = before.map_or(Duration::ZERO, |before| before.cpu);
        let busy = self.cpu.saturating_sub(earlier).as_secs_f64();
        busy / self.span(before).as_secs_f64().max(f64::MIN_POSITIVE)
    }

    fn span(&self, before: Option<&Self>) -> Duration {
        let earlier = before.map_or(Duration::ZERO, |before| before.at);
        self.at.saturating_sub(earlier)
    }
}
