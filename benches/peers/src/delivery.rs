//! A change, encoded once, on its way to all who follow a document. Nobody sleeps, so nobody is woken.

use std::{sync::Arc, time::Duration};

use cpu_time::ThreadTime;
use headwater_benches::{FanOut, Fleet, builder, next_bytes};

use crate::{
    channels::{Broadcast, Channel, Flume, Kanal, Message, Mpsc},
    measure::{Contest, Effort, Row, repeat},
};

/// What it costs for each receiver.
pub(crate) fn to_all(effort: Effort) -> Vec<Row> {
    [
        ("1", 1),
        ("10", 10),
        ("100", 100),
        ("500", 500),
        ("5,000", 5_000),
    ]
    .map(|(name, receivers)| row(name, receivers, effort))
    .into()
}

/// So many receivers together, of as many documents or channels as that takes, so that reading the clock
/// is nothing beside what is measured.
const RECEIVERS: usize = 1_000;

fn row(name: &str, receivers: usize, effort: Effort) -> Row {
    let groups = (RECEIVERS / receivers).max(1);
    let fan_out = || FanOut::new(Fleet::of_players(builder(), groups), receivers);
    let mut alone = fan_out();
    let mut encoders = alone.more(1);
    let mut whole = fan_out();
    Contest::new(format!("deliver a frame to {name}, each"))
        .by_part("headwater", |count| {
            let mut delivered = Duration::ZERO;
            repeat(count, || {
                alone.commit();
                let frames: Vec<_> = encoders.iter_mut().flatten().map(next_bytes).collect();
                let start = ThreadTime::now();
                alone.deliver(|document, frame| {
                    let first = frames.get(document).expect("one for each document");
                    assert!(Arc::ptr_eq(first, &frame));
                });
                delivered += start.elapsed();
            });
            delivered
        })
        .by("headwater, with commit and encoding", |count| {
            repeat(count, || {
                let mut received = 0;
                whole.commit();
                whole.deliver(|_, _| received += 1);
                assert_eq!(received, groups * receivers);
            });
        })
        .by(Broadcast::NAME, through::<Broadcast>(groups, receivers))
        .by(Mpsc::NAME, through::<Mpsc>(groups, receivers))
        .by(Kanal::NAME, through::<Kanal>(groups, receivers))
        .by(Flume::NAME, through::<Flume>(groups, receivers))
        .held(effort)
        .each_of(groups * receivers)
}

fn through<C: Channel>(groups: usize, receivers: usize) -> impl FnMut(u64) {
    let mut channels: Vec<C> = (0..groups).map(|_| C::with_receivers(receivers)).collect();
    // About what a frame with one replacement takes.
    let message = Message::from(vec![7; 120]);
    move |count| {
        repeat(count, || {
            for channel in &channels {
                channel.send(&message);
            }
            let mut received = 0;
            for channel in &mut channels {
                channel.receive(|taken| {
                    assert!(Arc::ptr_eq(&taken, &message));
                    received += 1;
                });
            }
            assert_eq!(received, groups * receivers);
        });
    }
}
