//! What the engine tells the recorder of the `metrics` crate.

use std::{
    collections::BTreeMap,
    sync::atomic::{AtomicUsize, Ordering},
};

use headwater::{Encoding, Engine, SubscribeOptions};
use metrics::{
    Counter, Gauge, Histogram, Key, KeyName, Metadata, Recorder, SharedString, Unit,
    with_local_recorder,
};
use metrics_util::debugging::{DebugValue, DebuggingRecorder, Snapshotter};

use crate::fixture::{FAILS, append, builder, hold, patch, room, seconds, send};

/// Names with their labels, and values.
fn sampled(snapshotter: &Snapshotter) -> BTreeMap<String, f64> {
    let all = snapshotter.snapshot().into_vec();
    let one = |(key, _, _, value): (metrics_util::CompositeKey, _, _, _)| {
        let labels = key.key().labels();
        let labels: Vec<_> = labels
            .map(|label| format!("{}={}", label.key(), label.value()))
            .collect();
        let name = [vec![key.key().name().to_owned()], labels]
            .concat()
            .join(" ");
        let value = match value {
            DebugValue::Counter(count) => f64::from(u32::try_from(count).unwrap()),
            DebugValue::Gauge(value) => value.0,
            DebugValue::Histogram(values) => f64::from(u32::try_from(values.len()).unwrap()),
        };
        (name, value)
    };
    all.into_iter().map(one).collect()
}

fn busy_engine() -> Engine {
    let engine = builder().admit(|_| Ok(())).build().unwrap();
    let room = room(&engine, "room");
    let session = engine.open_session().unwrap();
    engine.tick(seconds(0));
    send(&session, &room, [1, 2, 3]);
    hold(&session, &room, [6, 7]);
    let _rejected = session.submit(&room, headwater::Seq(4), patch(FAILS));
    let _repeat = session.submit(&room, headwater::Seq(1), append(1));
    let _reused = session.submit(&room, headwater::Seq(1), append(9));
    drop(
        engine
            .enqueue(session.batch(&room, headwater::Seq(8), append(8)))
            .unwrap(),
    );
    let mut subscription = engine
        .subscribe(&room, SubscribeOptions::default())
        .unwrap();
    let _bytes = subscription.poll_bytes(Encoding::Json).unwrap();
    engine
}

#[test]
fn a_sample_tells_everything_that_is_counted_by_its_name() {
    let recorder = DebuggingRecorder::new();
    let snapshotter = recorder.snapshotter();
    with_local_recorder(&recorder, || {
        let engine = busy_engine();
        engine.sample_metrics();
        let memory = engine.memory();
        let expected = [
            ("headwater_batches_total outcome=received", 8.0),
            ("headwater_batches_total outcome=applied", 3.0),
            ("headwater_batches_total outcome=rejected", 1.0),
            ("headwater_batches_total outcome=duplicate", 1.0),
            ("headwater_batches_total outcome=told", 1.0),
            ("headwater_batches_held", 2.0),
            ("headwater_batches_queued", 1.0),
            ("headwater_documents", 1.0),
            ("headwater_sessions", 1.0),
            ("headwater_subscribers", 0.0),
            ("headwater_queue_rounds_total", 0.0),
            ("headwater_sessions_expired_total", 0.0),
            ("headwater_documents_frozen_total", 0.0),
            ("headwater_documents_thawed_total", 0.0),
            ("headwater_memory_reliefs_total", 0.0),
            ("headwater_events_missed_total", 0.0),
            ("headwater_task_panics_total", 0.0),
            ("headwater_memory_max_bytes", f64::from(1 << 30)),
            // How often it was measured: the rule was asked about the batches that apply.
            ("headwater_admit_seconds", 3.0),
            ("headwater_reasons_total reason=not_found", 1.0),
            ("headwater_reasons_total reason=seq_reused", 1.0),
        ];
        let parts = [
            ("documents", memory.documents),
            ("cold", memory.cold),
            ("history", memory.history),
            ("pins", memory.pins),
            ("reorder", memory.reorder),
            ("lanes", memory.lanes),
            ("tables", memory.tables),
            ("encoded", memory.encoded),
            ("queues", memory.queues),
        ];
        assert!(
            memory.documents * memory.history * memory.reorder * memory.lanes * memory.queues > 0
        );
        let parts = parts.map(|(part, bytes)| {
            let name = format!("headwater_memory_bytes part={part}");
            (name, f64::from(u32::try_from(bytes).unwrap()))
        });
        let expected = expected.map(|(name, value)| (name.to_owned(), value));
        let expected: BTreeMap<_, _> = expected.into_iter().chain(parts).collect();
        assert_eq!(sampled(&snapshotter), expected);
    });
}

#[test]
fn a_tick_samples_once_a_second_and_counters_only_grow() {
    let recorder = DebuggingRecorder::new();
    let snapshotter = recorder.snapshotter();
    with_local_recorder(&recorder, || {
        let engine = busy_engine();
        let applied = || {
            let name = "headwater_batches_total outcome=applied";
            sampled(&snapshotter).get(name).copied()
        };
        engine.tick(headwater::Time::from_millis(999));
        assert_eq!(applied(), None, "not yet");
        engine.tick(seconds(1));
        assert_eq!(applied(), Some(3.0));
        let session = engine.open_session().unwrap();
        send(&session, &crate::fixture::key("room"), 1..=10);
        engine.tick(headwater::Time::from_millis(1_999));
        engine.tick(seconds(2));
        // A debugging snapshot takes a counter's count away, so this is what it grew by or the sum.
        assert!(matches!(applied(), Some(10.0 | 13.0)));
    });
}

/// Counts how often something is registered.
#[derive(Default)]
struct Registry(AtomicUsize);

impl Registry {
    fn count(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

impl Recorder for Registry {
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn register_counter(&self, _: &Key, _: &Metadata<'_>) -> Counter {
        self.count();
        Counter::noop()
    }

    fn register_gauge(&self, _: &Key, _: &Metadata<'_>) -> Gauge {
        self.count();
        Gauge::noop()
    }

    fn register_histogram(&self, _: &Key, _: &Metadata<'_>) -> Histogram {
        self.count();
        Histogram::noop()
    }
}

#[test]
fn each_handle_is_registered_once_and_one_for_a_reason_when_it_first_comes_up() {
    let registry = Registry::default();
    with_local_recorder(&registry, || {
        let engine = busy_engine();
        engine.sample_metrics();
        let registered = || registry.0.swap(0, Ordering::Relaxed);
        assert!(registered() > 20);
        engine.sample_metrics();
        assert_eq!(registered(), 0);
        let session = engine.open_session().unwrap();
        for _ in 0..2 {
            let nowhere = crate::fixture::key("nowhere");
            let _rejected = session.submit(&nowhere, headwater::Seq(1), append(1));
            let _unknown = session.submit(&nowhere, headwater::Seq(0), append(1));
            engine.sample_metrics();
        }
        assert_eq!(registered(), 2);
    });
}

#[test]
fn bytes_and_seconds_are_described_as_such() {
    let recorder = DebuggingRecorder::new();
    let snapshotter = recorder.snapshotter();
    with_local_recorder(&recorder, || {
        let engine = busy_engine();
        engine.sample_metrics();
        let mut described = 0;
        for (key, unit, text, _) in snapshotter.snapshot().into_vec() {
            let name = key.key().name();
            let expected = match name {
                "headwater_memory_bytes" | "headwater_memory_max_bytes" => Unit::Bytes,
                "headwater_admit_seconds" => Unit::Seconds,
                _ => Unit::Count,
            };
            if let Some(unit) = unit {
                assert_eq!(unit, expected, "{name}");
                assert!(text.is_some());
                described += 1;
            }
        }
        assert!(described > 0);
    });
}
