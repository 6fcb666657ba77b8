//! What is requested of the allocator for documents that lie still, and for subscribers that wait or never
//! read.

use std::future::Future;

use dashmap::DashMap;
use headwater::{Encoding, Subscription};
use headwater_benches::{FanOut, Fleet, builder};
use tokio::runtime::{self, Runtime};

use crate::{
    allocator::requested_by,
    channels::{Broadcast, CAPACITY, Channel as _, Flume, Kanal, Message, Mpsc},
    input,
    measure::{Figure, Row, Unit},
    stores::{self, DOCUMENTS, Stored, concurrent_map, documents},
};

/// Documents under keys, of which none was ever changed.
pub(crate) fn stored() -> Vec<Row> {
    let documents = documents();
    let text: usize = documents.iter().map(|stored| stored.text.len()).sum();
    let row = Row {
        work: format!(
            "memory of a document of {} B, of 10,000",
            text / documents.len()
        ),
        unit: Unit::Bytes,
        figures: vec![
            each("headwater", || stores::engine(builder(), &documents)),
            each("DashMap, serde_json", || concurrent_map(&documents)),
            each("DashMap, sonic-rs", || {
                let map = DashMap::with_hasher(stores::hasher());
                for Stored { key, text, .. } in &documents {
                    map.insert(key.as_str().to_owned(), input::sonic_rs(text.as_bytes()));
                }
                map
            }),
        ],
    };
    vec![row]
}

const SUBSCRIBERS: usize = 10_000;

/// Those that nobody waits on, those that a task waits on, and those that are never read.
pub(crate) fn subscribers() -> Vec<Row> {
    let room = room(0);
    let idle = Row {
        work: format!("memory of an idle subscriber, channels of {CAPACITY}"),
        unit: Unit::Bytes,
        figures: vec![
            each("headwater", || room.more(SUBSCRIBERS)),
            each("tokio broadcast", || Broadcast::with_receivers(SUBSCRIBERS)),
            each("tokio mpsc", || Mpsc::with_receivers(SUBSCRIBERS)),
            each("kanal", || Kanal::with_receivers(SUBSCRIBERS)),
            each("flume", || Flume::with_receivers(SUBSCRIBERS)),
        ],
    };
    let waiting = Row {
        work: format!("memory of a subscriber and a task that waits on it, channels of {CAPACITY}"),
        unit: Unit::Bytes,
        figures: vec![
            waited("headwater", || {
                let wait = |mut follower: Subscription| async move {
                    while follower.next_bytes(Encoding::Json).await.is_ok() {}
                };
                let followers = room.more(SUBSCRIBERS).into_iter().flatten();
                ((), followers.map(wait).collect())
            }),
            waited("tokio broadcast", || {
                let Broadcast { sender, receivers } = Broadcast::with_receivers(SUBSCRIBERS);
                let wait = |mut receiver: tokio::sync::broadcast::Receiver<_>| async move {
                    while receiver.recv().await.is_ok() {}
                };
                (sender, receivers.into_iter().map(wait).collect())
            }),
            waited("tokio mpsc", || {
                let Mpsc(channels) = Mpsc::with_receivers(SUBSCRIBERS);
                let (senders, receivers): (Vec<_>, Vec<_>) = channels.into_iter().unzip();
                let wait = |mut receiver: tokio::sync::mpsc::Receiver<_>| async move {
                    while receiver.recv().await.is_some() {}
                };
                (senders, receivers.into_iter().map(wait).collect())
            }),
            waited("kanal", || {
                let Kanal(channels) = Kanal::with_receivers(SUBSCRIBERS);
                let (senders, receivers): (Vec<_>, Vec<_>) = channels.into_iter().unzip();
                let wait = |receiver: kanal::AsyncReceiver<_>| async move {
                    while receiver.recv().await.is_ok() {}
                };
                (senders, receivers.into_iter().map(wait).collect())
            }),
            waited("flume", || {
                let Flume(channels) = Flume::with_receivers(SUBSCRIBERS);
                let (senders, receivers): (Vec<_>, Vec<_>) = channels.into_iter().unzip();
                let wait = |receiver: flume::Receiver<_>| async move {
                    while receiver.recv_async().await.is_ok() {}
                };
                (senders, receivers.into_iter().map(wait).collect())
            }),
        ],
    };
    let unread = unread();
    let takes = |row: &Row| row.by("headwater").map(|figure| figure.median.round());
    assert_eq!(takes(&unread), takes(&idle), "one that is not read grows");
    vec![idle, waiting, unread]
}

const COMMITS: usize = 10_000;

/// Those that never read while commit follows on commit. Of the channels only the one that forgets is
/// beside: the others are full after the first few.
fn unread() -> Row {
    let after_commits = |followers| {
        let (room, bytes) = requested_by(|| {
            let mut room = room(followers);
            (0..COMMITS).for_each(|_| room.commit());
            room
        });
        assert_eq!(room.commits(), COMMITS as u64);
        bytes
    };
    Row {
        work: "memory of a subscriber that is never read, after 10,000 commits".to_owned(),
        unit: Unit::Bytes,
        figures: vec![
            share("headwater", after_commits(SUBSCRIBERS) - after_commits(0)),
            each("tokio broadcast", || {
                let channel = Broadcast::with_receivers(SUBSCRIBERS);
                for _ in 0..COMMITS {
                    channel.send(&Message::from(vec![7; 120]));
                }
                channel
            }),
        ],
    }
}

/// A document with followers who hold its newest version.
fn room(followers: usize) -> FanOut {
    FanOut::new(Fleet::of_players(builder(), 1), followers)
}

/// What one of 10,000 takes that are made together.
fn each<T>(contestant: &str, make: impl FnOnce() -> T) -> Figure {
    const { assert!(SUBSCRIBERS == DOCUMENTS, "of either there are as many") };
    let (made, bytes) = requested_by(make);
    drop(made);
    share(contestant, bytes)
}

/// The same, of tasks that are made with what they wait on and have begun to wait. The senders are kept
/// for as long.
fn waited<S, F: Future<Output = ()> + Send + 'static>(
    contestant: &str,
    make: impl FnOnce() -> (S, Vec<F>),
) -> Figure {
    let runtime = runtime::Builder::new_current_thread().build();
    let runtime = runtime.expect("a runtime without I/O and time");
    // The runtime's own queue has grown before.
    begun(&runtime, (0..SUBSCRIBERS).map(|_| async {}));
    let (senders, bytes) = requested_by(|| {
        let (senders, tasks) = make();
        begun(&runtime, tasks);
        senders
    });
    drop((runtime, senders));
    share(contestant, bytes)
}

fn begun<F: Future<Output = ()> + Send + 'static>(
    runtime: &Runtime,
    tasks: impl IntoIterator<Item = F>,
) {
    for task in tasks {
        drop(runtime.spawn(task));
    }
    // The last in the queue: by now each of the others had its turn.
    let last = runtime.block_on(runtime.spawn(async {}));
    last.expect("it does nothing");
}

#[expect(clippy::cast_precision_loss, reason = "exact up to 2^53, and a figure")]
fn share(contestant: &str, bytes: isize) -> Figure {
    assert!(bytes > 0);
    Figure::of(contestant, vec![bytes as f64 / SUBSCRIBERS as f64])
}
