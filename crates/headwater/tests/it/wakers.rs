//! Wakers are the host's code, also when they are dropped: what one keeps may be the last of a task, with all that
//! the task owns.

use std::{
    pin::{Pin, pin},
    sync::{Arc, mpsc},
    task::{Context, Wake, Waker},
    thread,
    time::Duration,
};

use futures_core::Stream as _;
use headwater::{Engine, Key, Mode, Session, SubscribeOptions, Subscription};

use crate::{
    fixture::{append, builder, key, room, seconds},
    futures::{now_or_never, poll},
};

#[derive(Clone)]
struct Host {
    engine: Engine,
    room: Key,
    session: Session,
    dropped: mpsc::SyncSender<()>,
}

/// Goes through all locks when the last of it is dropped.
struct Task(Host);

impl Wake for Task {
    fn wake(self: Arc<Self>) {}
}

impl Drop for Task {
    fn drop(&mut self) {
        let host = &self.0;
        let _removed = host.engine.remove(&host.room);
        room(&host.engine, "room");
        for subscription in [host.follows(), host.paces(), host.waits()] {
            sleep(&mut { subscription }, Waker::noop());
        }
        let _event = now_or_never(host.engine.event());
        let _news = now_or_never(host.session.late());
        host.engine.tick(seconds(1));
        host.dropped.send(()).expect("somebody waits for it");
    }
}

impl Host {
    fn follows(&self) -> Subscription {
        self.subscribe(&self.room, SubscribeOptions::default())
    }

    /// One that has to wait for its time.
    fn paces(&self) -> Subscription {
        let options = SubscribeOptions {
            mode: Mode::Latest,
            interval: Duration::from_secs(1_000),
            ..SubscribeOptions::default()
        };
        self.subscribe(&self.room, options)
    }

    /// One whose document is not there.
    fn waits(&self) -> Subscription {
        let options = SubscribeOptions {
            wait: true,
            ..SubscribeOptions::default()
        };
        self.subscribe(&key("attic"), options)
    }

    fn subscribe(&self, key: &Key, options: SubscribeOptions) -> Subscription {
        let mut subscription = self.engine.subscribe(key, options).unwrap();
        while subscription.poll().unwrap().is_some() {}
        subscription
    }
}

/// Has a subscriber wait; whether it does.
fn sleep(subscription: &mut Subscription, waker: &Waker) -> bool {
    let mut context = Context::from_waker(waker);
    Pin::new(subscription).poll_next(&mut context).is_pending()
}

/// Whether a case ends.
fn ends(work: fn(&Host, Waker)) -> bool {
    let (dropped, is_dropped) = mpsc::sync_channel(1);
    let engine = builder().shards(1).build().unwrap();
    let host = Host {
        room: room(&engine, "room"),
        session: engine.open_session().unwrap(),
        engine,
        dropped,
    };
    let waker = Waker::from(Arc::new(Task(host.clone())));
    // Off this thread, which would wait for ever.
    let works = thread::spawn(move || work(&host, waker));
    let ended = is_dropped.recv_timeout(Duration::from_secs(20)).is_ok();
    if ended {
        works.join().unwrap();
    }
    ended
}

/// Something that leaves the waker it is given to nobody but the engine, and then makes that drop it.
type Case = (&'static str, fn(&Host, Waker));

#[test]
fn a_waker_that_was_the_last_of_its_task_is_dropped_under_no_lock() {
    let cases: [Case; 11] = [
        ("who sleeps leaves", |host, waker| {
            let mut subscription = host.follows();
            assert!(sleep(&mut subscription, &{ waker }));
        }),
        ("who sleeps sleeps by another waker", |host, waker| {
            let mut subscription = host.follows();
            assert!(sleep(&mut subscription, &{ waker }));
            sleep(&mut subscription, Waker::noop());
        }),
        ("who waits for its time leaves", |host, waker| {
            let mut subscription = host.paces();
            assert!(sleep(&mut subscription, &{ waker }));
        }),
        (
            "who waits for its time sleeps by another waker",
            |host, waker| {
                let mut subscription = host.paces();
                assert!(sleep(&mut subscription, &{ waker }));
                sleep(&mut subscription, Waker::noop());
            },
        ),
        // Its timer has the last one then.
        (
            "who waits for its time sleeps after the end",
            |host, waker| {
                let mut subscription = host.paces();
                assert!(sleep(&mut subscription, &{ waker }));
                host.engine.remove(&host.room);
                sleep(&mut subscription, Waker::noop());
            },
        ),
        // What was to wake it by the end has the last one then.
        ("who waits for its time sleeps after it", |host, waker| {
            let mut subscription = host.paces();
            assert!(sleep(&mut subscription, &{ waker }));
            host.engine.tick(seconds(1_000));
            sleep(&mut subscription, Waker::noop());
        }),
        ("who waits for a document leaves", |host, waker| {
            let mut subscription = host.waits();
            assert!(sleep(&mut subscription, &{ waker }));
        }),
        (
            "who waits for a document sleeps by another waker",
            |host, waker| {
                let mut subscription = host.waits();
                assert!(sleep(&mut subscription, &{ waker }));
                sleep(&mut subscription, Waker::noop());
            },
        ),
        (
            "who waits for an event does so by another waker",
            |host, waker| {
                let mut event = pin!(host.engine.event());
                assert!(poll(event.as_mut(), &{ waker }).is_pending());
                assert!(poll(event.as_mut(), Waker::noop()).is_pending());
            },
        ),
        (
            "who waits for news does so by another waker",
            |host, waker| {
                let mut late = pin!(host.session.late());
                assert!(poll(late.as_mut(), &{ waker }).is_pending());
                assert!(poll(late.as_mut(), Waker::noop()).is_pending());
            },
        ),
        ("a commit wakes who sleeps", |host, waker| {
            let mut subscription = host.follows();
            assert!(sleep(&mut subscription, &{ waker }));
            host.engine.apply(&host.room, append(1)).unwrap();
        }),
    ];
    let hang: Vec<_> = cases
        .into_iter()
        .filter_map(|(name, case)| (!ends(case)).then_some(name))
        .collect();
    assert!(hang.is_empty(), "{hang:?}");
}
