use std::{sync::Arc, time::Duration};

use headwater::{Engine, Key, Outcome, Patch, Seq, Session, Version};

use crate::{
    chart::{Chart, Line, Scale},
    measure::{Effort, Point, as_f64, repeat},
    unit::Unit,
    workload::{hits, item, items, key, one_of},
};

/// One commit each: so many are made that a longer history would be most of what is in memory.
const COMMITS: usize = 1;

/// Documents that are in use where most are not: they fit in a processor's own caches.
const IN_USE: usize = 1_000;

/// What an operation and a document cost while there are more and more documents.
pub(crate) fn charts(effort: Effort) -> Vec<Chart> {
    let mut get = Line::new("get, any of them");
    let mut get_hot = Line::new("get, 1,000 in use");
    let mut apply = Line::new("host's replace, any of them");
    let mut apply_hot = Line::new("host's replace, 1,000 in use");
    let mut submit = Line::new("client's replace, any of them");
    let mut text = Line::new("its text");
    let mut at_rest = Line::new("at rest");
    let mut written = Line::new("with a commit and a lane");
    for count in effort.sizes(&[1_000, 10_000, 100_000, 1_000_000], &[]) {
        let fleet = items(COMMITS, count);
        let engine = &fleet.engine;
        let each = |bytes| Point::exact(count, as_f64(bytes)).shared_by(count);
        text.push(each(
            (0..count).map(|number| item(number).written_bytes()).sum(),
        ));
        at_rest.push(each(engine.memory().total()));

        // Everything once before it is measured: what only the first time costs would be in the figures
        // of large sizes alone.
        let keys = in_random_order(count);
        let hot = keys.get(..IN_USE).expect("the least size has so many");
        let client = engine.open_session().expect("room for one session");
        let mut applied = Visits::new(&keys);
        let mut submitted = Visits::new(&keys);
        applied.apply(engine, count);
        submitted.submit(&client, count);
        written.push(each(engine.memory().total()));

        for (line, keys) in [(&mut get, &*keys), (&mut get_hot, hot)] {
            let mut read = Visits::new(keys);
            read.get(engine, keys.len() as u64);
            line.push(effort.cost(count, |times| read.get(engine, times)));
        }
        apply.push(effort.cost(count, |times| applied.apply(engine, times)));
        submit.push(effort.cost(count, |times| submitted.submit(&client, times)));
        let mut applied_hot = Visits::new(hot);
        applied_hot.apply(engine, hot.len() as u64);
        apply_hot.push(effort.cost(count, |times| applied_hot.apply(engine, times)));

        let counts = engine.counts();
        assert_eq!((counts.applied, counts.held), (submitted.count, 0));
        assert_eq!(
            fleet.commits(),
            applied.count + applied_hot.count + submitted.count
        );
    }
    let size = Scale {
        label: "documents in the engine",
        unit: Unit::Count,
    };
    let time = Chart {
        name: "documents",
        title: "An operation on one of many documents",
        notes: vec![
            "Documents of 150 bytes of JSON, in random order: all of them, or 1,000 among them."
                .to_owned(),
            "CPU time, medians of the rounds; bars from the least to the most.".to_owned(),
        ],
        size,
        figure: Scale {
            label: "time for one operation",
            unit: Unit::Nanoseconds,
        },
        lines: vec![get, submit, apply, apply_hot, get_hot],
    };
    let memory = Chart {
        name: "documents-memory",
        title: "Memory for one of many documents",
        notes: vec![
            "Documents of 150 bytes of JSON, with keys of 12 bytes.".to_owned(),
            "What the engine accounts for, keys and tables too, divided by the documents."
                .to_owned(),
        ],
        size,
        figure: Scale {
            label: "memory for one document",
            unit: Unit::Bytes,
        },
        lines: vec![written, at_rest, text],
    };
    vec![time, memory]
}

/// The keys of so many documents, in an order that no cache foresees. Each is made when its turn is, so
/// that the next one is near in memory: a key that has just come in is in the cache, too.
fn in_random_order(count: u64) -> Vec<Key> {
    let mut numbers: Vec<_> = (0..count).collect();
    fastrand::Rng::with_seed(1).shuffle(&mut numbers);
    numbers.into_iter().map(key).collect()
}

/// Goes through all documents again and again, in the same order.
struct Visits<'a> {
    keys: &'a [Key],
    count: u64,
}

impl<'a> Visits<'a> {
    const fn new(keys: &'a [Key]) -> Self {
        Self { keys, count: 0 }
    }

    fn get(&mut self, engine: &Engine, times: u64) -> Duration {
        self.each(times, |key, _| {
            let snapshot = engine.get(key).expect("the document is there");
            assert_ne!(snapshot.position.version, Version::ZERO);
            snapshot
        })
    }

    fn apply(&mut self, engine: &Engine, times: u64) -> Duration {
        let hits = hits(1_000);
        self.each(times, |key, pass| {
            engine
                .apply(key, hit(&hits, pass))
                .expect("the path is there")
        })
    }

    fn submit(&mut self, client: &Session, times: u64) -> Duration {
        let hits = hits(2_000);
        self.each(times, |key, pass| {
            let outcome = client.submit(key, Seq(pass + 1), hit(&hits, pass));
            assert!(matches!(outcome, Outcome::Applied { .. }));
        })
    }

    /// Does something to so many more of them, and tells how often it was done to each before.
    fn each<T>(&mut self, times: u64, mut work: impl FnMut(&Key, u64) -> T) -> Duration {
        let documents = self.keys.len() as u64;
        let (mut pass, at) = (self.count / documents, self.count % documents);
        let at = usize::try_from(at).unwrap_or_default();
        let mut rest = self.keys.split_at(at).1.iter();
        self.count += times;
        repeat(times, || {
            let key = rest.next().unwrap_or_else(|| {
                pass += 1;
                rest = self.keys.iter();
                rest.next().expect("there are documents")
            });
            work(key, pass)
        })
    }
}

fn hit(hits: &[Arc<Patch>; 2], pass: u64) -> Arc<Patch> {
    Arc::clone(one_of(hits, pass))
}
