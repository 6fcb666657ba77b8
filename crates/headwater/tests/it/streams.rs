//! Subscriptions that are waited for: by commits, by creation, by removal, by time; and the bytes that
//! they share.

use std::{
    io::Read as _,
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Poll, Waker},
    time::Duration,
};

use flate2::read::ZlibDecoder;
use futures_core::Stream as _;
use headwater::{
    Body, CloseReason, Closed, Encoding, Engine, Extensions, Frame, Key, Limits, Mode, Patch,
    Pointer, Position, Replica, Seq, SnapshotReason, SubscribeError, SubscribeOptions,
    Subscription, Time, Value, Version,
};

use crate::{
    fixture::{append, builder, engine, follow, hold, json, key, patch, room, send, text},
    futures::{Bell, now_or_never, poll, polled},
    random::Random,
};

const REMOVED: Closed = Closed(CloseReason::Removed);

fn stream(subscription: &mut Subscription, waker: &Waker) -> Poll<Option<Frame>> {
    Pin::new(subscription).poll_next(&mut Context::from_waker(waker))
}

fn at(path: &str) -> SubscribeOptions {
    SubscribeOptions {
        path: Pointer::parse(path).unwrap(),
        ..SubscribeOptions::default()
    }
}

/// Follows from here on: the whole document was taken.
fn current(engine: &Engine, key: &Key, options: SubscribeOptions) -> (Subscription, Replica) {
    let mut subscription = engine.subscribe(key, options).unwrap();
    let mut replica = Replica::new();
    follow(&mut subscription, &mut replica);
    (subscription, replica)
}

#[test]
fn who_waits_is_woken_by_a_commit_of_any_kind_and_by_nothing_else() {
    let engine = engine();
    let (room, other) = (room(&engine, "room"), room(&engine, "other"));
    let session = engine.open_session().unwrap();
    let (mut subscription, mut replica) = current(&engine, &room, SubscribeOptions::default());
    let (bell, waker) = Bell::new();
    let commits: [&dyn Fn(); 6] = [
        &|| assert!(engine.apply(&room, append(1)).is_ok()),
        &|| send(&session, &room, [1]),
        &|| drop(engine.store(&room, &[1])),
        &|| drop(engine.edit(&room, |draft| draft.set("/0", &2))),
        &|| drop(engine.transact(&[(other.clone(), append(1)), (room.clone(), patch("[]"))])),
        &|| {
            assert!(
                engine
                    .apply(
                        &room,
                        patch(r#"[{"op":"replace","path":"","value":{"log":[]}}]"#)
                    )
                    .is_ok()
            );
        },
    ];
    for commit in commits {
        assert!(stream(&mut subscription, &waker).is_pending());
        let _nothing = engine.get(&room);
        engine.tick(Time::START + Duration::from_secs(1));
        engine.apply(&other, append(9)).unwrap();
        hold(&session, &room, [100]);
        assert_eq!(bell.rung(), 0);
        commit();
        assert_eq!(bell.rung(), 1);
        let Poll::Ready(Some(frame)) = stream(&mut subscription, &waker) else {
            panic!("no frame");
        };
        replica.apply(&frame).unwrap();
        assert_eq!(replica.root().canonical(), text(&engine, &room));
    }
    // One that was woken and has not come back is not woken again.
    assert!(stream(&mut subscription, &waker).is_pending());
    for number in 0..3 {
        engine.apply(&room, append(number)).unwrap();
    }
    assert_eq!(bell.rung(), 1);
}

/// P7: a commit that is too large to stay in the history wakes like any other.
#[test]
fn who_waits_is_woken_by_a_commit_that_leaves_no_history() {
    let engine = engine();
    let hall = key("hall");
    let large = "x".repeat(3 << 20);
    engine
        .create(&hall, json(&format!(r#"{{"a":"{large}","b":0}}"#)))
        .unwrap();
    for path in ["", "/a", "/b"] {
        let (mut subscription, _) = current(&engine, &hall, at(path));
        let (bell, waker) = Bell::new();
        assert!(stream(&mut subscription, &waker).is_pending());
        let value = format!(r#"[{{"op":"replace","path":"/a","value":"{path}"}}]"#);
        engine.apply(&hall, patch(&value)).unwrap();
        assert!(path == "/b" || bell.rung() == 1, "{path}");
        let back = format!(r#"[{{"op":"replace","path":"/a","value":"{large}"}}]"#);
        engine.apply(&hall, patch(&back)).unwrap();
    }
}

#[test]
fn who_waits_for_a_document_is_woken_when_it_is_made_and_no_other() {
    let engine = engine();
    let room_key = key("room");
    let refused = engine.subscribe(&room_key, SubscribeOptions::default());
    assert_eq!(refused.unwrap_err(), SubscribeError::NoSuchDocument);
    let wait = SubscribeOptions {
        wait: true,
        ..SubscribeOptions::default()
    };
    let mut waits = engine.subscribe(&room_key, wait.clone()).unwrap();
    let leaves = engine.subscribe(&room_key, wait).unwrap();
    assert_eq!(engine.subscribers(), 2);
    assert!(waits.poll().unwrap().is_none() && waits.closed().is_none());
    let (bell, waker) = Bell::new();
    let (unheard, leavers) = Bell::new();
    {
        let mut leaves = leaves;
        assert!(stream(&mut leaves, &leavers).is_pending());
    }
    assert_eq!(engine.subscribers(), 1);
    assert!(stream(&mut waits, &waker).is_pending());
    room(&engine, "other");
    assert_eq!(bell.rung(), 0);
    room(&engine, "room");
    assert_eq!((bell.rung(), unheard.rung()), (1, 0));
    let Poll::Ready(Some(frame)) = stream(&mut waits, &waker) else {
        panic!("no frame");
    };
    assert!(matches!(
        frame.body,
        Body::Snapshot {
            reason: SnapshotReason::Initial,
            ..
        }
    ));
    assert!(stream(&mut waits, &waker).is_pending());
    engine.apply(&room_key, append(1)).unwrap();
    assert_eq!(bell.rung(), 1);
}

#[test]
fn who_waits_is_woken_by_the_end_and_told_why() {
    let engine = engine();
    let name = room(&engine, "room");
    let (mut one, _) = current(&engine, &name, SubscribeOptions::default());
    let (mut two, _) = current(&engine, &name, at("/log/0"));
    let (bell, waker) = Bell::new();
    assert!(stream(&mut one, &waker).is_pending() && stream(&mut two, &waker).is_pending());
    assert_eq!((one.closed(), two.closed()), (None, None));
    engine.remove(&name);
    assert_eq!(bell.rung(), 2);
    room(&engine, "room");
    for subscription in [&mut one, &mut two] {
        for _ in 0..2 {
            assert!(matches!(stream(subscription, &waker), Poll::Ready(None)));
            let next = now_or_never(subscription.next()).unwrap();
            assert_eq!(next.unwrap_err(), REMOVED);
            let bytes = now_or_never(subscription.next_bytes(Encoding::Json)).unwrap();
            assert_eq!(bytes.unwrap_err(), REMOVED);
            assert_eq!(
                subscription.poll_bytes(Encoding::Json).unwrap_err(),
                REMOVED
            );
        }
        assert_eq!(subscription.closed(), Some(REMOVED));
    }
}

#[test]
fn who_wants_at_most_one_frame_in_a_while_is_woken_by_time() {
    let engine = engine();
    let room = room(&engine, "room");
    let options = SubscribeOptions {
        mode: Mode::Latest,
        interval: Duration::from_millis(100),
        ..SubscribeOptions::default()
    };
    let every = SubscribeOptions {
        mode: Mode::EveryCommit,
        ..options.clone()
    };
    let refused = engine.subscribe(&room, every).unwrap_err();
    assert_eq!(refused, SubscribeError::IntervalOfEveryCommit);
    assert_eq!(engine.subscribers(), 0);

    let tick = |millis| engine.tick(Time::from_millis(millis));
    tick(1_000);
    let (mut subscription, mut replica) = current(&engine, &room, options);
    let (bell, waker) = Bell::new();
    assert!(stream(&mut subscription, &waker).is_pending());
    for number in 0..3 {
        engine.apply(&room, append(number)).unwrap();
        assert!(stream(&mut subscription, &waker).is_pending());
        assert!(subscription.poll().unwrap().is_none());
        assert!(subscription.poll_bytes(Encoding::Json).unwrap().is_none());
    }
    tick(1_099);
    assert_eq!(bell.rung(), 0);
    tick(1_100);
    assert_eq!(bell.rung(), 1);
    let Poll::Ready(Some(frame)) = stream(&mut subscription, &waker) else {
        panic!("no frame");
    };
    replica.apply(&frame).unwrap();
    assert_eq!(replica.root().canonical(), text(&engine, &room));
    assert_eq!(frame.to, Version(3));

    // Nothing is due when nothing has happened, and a late commit wakes at once.
    assert!(stream(&mut subscription, &waker).is_pending());
    tick(1_200);
    assert_eq!(bell.rung(), 1);
    assert!(stream(&mut subscription, &waker).is_pending());
    tick(5_000);
    assert_eq!(bell.rung(), 0);
    engine.apply(&room, append(3)).unwrap();
    assert_eq!(bell.rung(), 1);
    assert!(stream(&mut subscription, &waker).is_ready());

    // One that is dropped leaves no timer behind.
    assert!(stream(&mut subscription, &waker).is_pending());
    drop(subscription);
    tick(10_000);
    assert_eq!(bell.rung(), 0);
}

/// The end of the document does not wait for the interval's, nor for a tick.
#[test]
fn who_sleeps_between_two_frames_is_woken_by_the_end_at_once() {
    let engine = engine();
    let room = room(&engine, "room");
    let options = SubscribeOptions {
        mode: Mode::Latest,
        interval: Duration::from_secs(100),
        ..SubscribeOptions::default()
    };
    let (mut subscription, _) = current(&engine, &room, options);
    let (bell, waker) = Bell::new();
    assert!(stream(&mut subscription, &waker).is_pending());
    // A change can wait.
    engine.apply(&room, append(1)).unwrap();
    assert_eq!(bell.rung(), 0);
    engine.remove(&room);
    assert_eq!(bell.rung(), 1);
    assert_eq!(subscription.poll().unwrap_err(), REMOVED);
    assert!(matches!(
        stream(&mut subscription, &waker),
        Poll::Ready(None)
    ));
}

/// A future that was dropped has taken no frame, and one that is ready was the next.
#[test]
fn a_wait_that_is_dropped_at_any_point_loses_no_frame() {
    for seed in 0..20 {
        eprintln!("seed {seed}");
        let mut random = Random::new(seed);
        let engine = engine();
        let room = room(&engine, "room");
        let (mut subscription, mut replica) = current(&engine, &room, SubscribeOptions::default());
        let mut number = 0;
        for _ in 0..100 {
            let commits = random.index(3);
            let mut commit = || {
                for _ in 0..commits {
                    number += 1;
                    engine.apply(&room, append(number)).unwrap();
                }
            };
            if random.one_in(2) {
                commit();
            }
            if let Some(frame) = polled(subscription.next(), random.index(3), &mut commit) {
                replica.apply(&frame.unwrap()).unwrap();
            }
            assert_eq!(subscription.position(), replica.position());
        }
        follow(&mut subscription, &mut replica);
        assert_eq!(replica.root().canonical(), text(&engine, &room));
    }
}

#[test]
fn only_who_follows_what_was_touched_is_woken() {
    let engine = engine();
    let hall = key("hall");
    engine
        .create(
            &hall,
            json(r#"{"a":{"b":{"c":1,"d":2}},"ab":{},"l":[[0],[1]]}"#),
        )
        .unwrap();
    let paths = [
        "",
        "/a",
        "/a/b",
        "/a/b/c",
        "/ab",
        "/l",
        "/l/0",
        "/l/0/0",
        "/new",
        "/new/deep",
    ];
    let mut followers: Vec<_> = paths
        .iter()
        .map(|path| (path, current(&engine, &hall, at(path)), Bell::new()))
        .collect();
    let cases: [(&str, &[&str]); 8] = [
        (
            r#"{"op":"replace","path":"/a/b/c","value":3}"#,
            &["", "/a", "/a/b", "/a/b/c"],
        ),
        (
            r#"{"op":"replace","path":"/a/b/d","value":3}"#,
            &["", "/a", "/a/b"],
        ),
        (r#"{"op":"add","path":"/ab/x","value":3}"#, &["", "/ab"]),
        (
            r#"{"op":"replace","path":"/a","value":{"b":{"c":3}}}"#,
            &["", "/a", "/a/b", "/a/b/c"],
        ),
        (
            r#"{"op":"add","path":"/new","value":{}}"#,
            &["", "/new", "/new/deep"],
        ),
        (
            r#"{"op":"add","path":"/new/deep","value":1}"#,
            &["", "/new", "/new/deep"],
        ),
        // Whatever comes or goes in an array moves the others.
        (
            r#"{"op":"add","path":"/l/0","value":[]}"#,
            &["", "/l", "/l/0", "/l/0/0"],
        ),
        // It touches nothing, and makes a version all the same.
        (r#"{"op":"test","path":"/l/0","value":[]}"#, &[""]),
    ];
    for (operation, concerned) in cases {
        for (_, (subscription, _), (_, waker)) in &mut followers {
            assert!(stream(subscription, waker).is_pending());
        }
        engine
            .apply(&hall, patch(&format!("[{operation}]")))
            .unwrap();
        for (path, (subscription, replica), (bell, _)) in &mut followers {
            let woken = bell.rung() > 0;
            assert_eq!(woken, concerned.contains(path), "{operation} at {path:?}");
            // Woken or not, it comes to what is there.
            follow(subscription, replica);
            let head = engine.get(&hall).unwrap();
            let there = Pointer::parse(path).unwrap();
            let there = there.resolve(&head.root);
            assert_eq!(
                replica.is_present(),
                there.is_some(),
                "{operation} at {path:?}"
            );
            if let Some(there) = there {
                assert!(replica.root().identical(there), "{operation} at {path:?}");
            }
            assert_eq!(subscription.position(), replica.position());
        }
    }
}

/// What a client makes of the text of a frame, by its documentation alone.
fn decoded(bytes: &[u8], encoding: Encoding, replica: &Replica) -> Frame {
    let text = match encoding {
        Encoding::Deflate => {
            let mut text = Vec::new();
            ZlibDecoder::new(bytes).read_to_end(&mut text).unwrap();
            text
        }
        _ => bytes.to_vec(),
    };
    let root = Value::parse(&text, &Limits::NONE).unwrap();
    let frame = root.as_object().unwrap();
    let word = |name: &str| frame.get(name).map(ToString::to_string);
    let number = |name: &str| word(name).map(|number| Version(number.parse().unwrap()));
    let epoch = word("epoch").unwrap();
    let to = number("to").unwrap();
    let body = match (frame.get("patch"), frame.get("snapshot")) {
        (Some(patch), None) => {
            assert_eq!(frame.len(), 4, "{root}");
            let patch = patch.to_string();
            let patch = Patch::parse(patch.as_bytes(), &Limits::NONE, Extensions::ALL).unwrap();
            Body::Patch {
                from: number("from").unwrap(),
                patch: Arc::new(patch),
            }
        }
        (None, Some(root)) => {
            assert!(word("reason").is_some());
            Body::Snapshot {
                root: root.clone(),
                reason: SnapshotReason::Initial,
            }
        }
        _ => {
            assert_eq!(word("absent").as_deref(), Some("true"));
            Body::Absent
        }
    };
    // The text of an epoch is the same for all frames of it.
    let known = replica.position().map(|position| position.epoch);
    let known = known.unwrap_or(headwater::Epoch {
        incarnation: headwater::Incarnation(7),
        number: 1,
    });
    assert_eq!(epoch, format!("\"{known}\""));
    Frame {
        epoch: known,
        to,
        body,
    }
}

/// P5: replicas that are fed with bytes alone come to the same, also those of a part.
#[test]
fn a_replica_made_of_bytes_is_the_document_in_every_encoding() {
    for encoding in [Encoding::Json, Encoding::Deflate] {
        let engine = builder().shards(1).build().unwrap();
        let hall = key("hall");
        let root = format!(
            r#"{{"pad":"{}","part":{{"größe":1.5}},"log":[]}}"#,
            "x".repeat(500)
        );
        engine.create(&hall, json(&root)).unwrap();
        let mut followers: Vec<_> = ["", "/part", "/part/none", "/log"]
            .into_iter()
            .flat_map(|path| [Mode::EveryCommit, Mode::Latest].map(|mode| (path, mode)))
            .map(|(path, mode)| {
                let options = SubscribeOptions { mode, ..at(path) };
                let subscription = engine.subscribe(&hall, options).unwrap();
                (path, subscription, Replica::new())
            })
            .collect();
        let changes = [
            r#"[{"op":"add","path":"/log/-","value":"\"\\\u0001é\ud83d\ude00"}]"#,
            r#"[{"op":"add","path":"/part/none","value":{"x":[1e300,-0.0]}}]"#,
            r#"[{"op":"remove","path":"/part/none"}]"#,
            r#"[{"op":"splice","path":"/pad","index":3,"remove":4,"insert":"zz"}]"#,
            r#"[{"op":"replace","path":"/part","value":null}]"#,
            "[]",
            r#"[{"op":"replace","path":"","value":[1,{"part":2}]}]"#,
        ];
        for behind in [1, 2, 3] {
            for changes in changes.chunks(behind) {
                for (path, subscription, replica) in &mut followers {
                    while let Some(bytes) = subscription.poll_bytes(encoding).unwrap() {
                        replica.apply(&decoded(&bytes, encoding, replica)).unwrap();
                        assert_eq!(subscription.position(), replica.position());
                    }
                    let head = engine.get(&hall).unwrap();
                    let there = Pointer::parse(path).unwrap();
                    let there = there.resolve(&head.root);
                    let held = replica.is_present().then(|| replica.root().canonical());
                    assert_eq!(held, there.map(Value::canonical), "{path}");
                }
                for change in changes {
                    engine.apply(&hall, patch(change)).unwrap();
                }
            }
            engine
                .apply(
                    &hall,
                    patch(&format!(r#"[{{"op":"replace","path":"","value":{root}}}]"#)),
                )
                .unwrap();
        }
    }
}

/// What `encode` makes of a frame is what the subscription yields for it.
#[test]
fn the_bytes_of_a_frame_are_those_of_its_encoding() {
    let engine = engine();
    let room = room(&engine, "room");
    let pad = "x".repeat(1_000);
    engine
        .apply(
            &room,
            patch(&format!(
                r#"[{{"op":"add","path":"/pad","value":"{pad}"}}]"#
            )),
        )
        .unwrap();
    let mut frames = engine
        .subscribe(&room, SubscribeOptions::default())
        .unwrap();
    let mut bytes = engine
        .subscribe(&room, SubscribeOptions::default())
        .unwrap();
    for number in 0..5 {
        let frame = frames.poll().unwrap().unwrap();
        let json = bytes.poll_bytes(Encoding::Json).unwrap().unwrap();
        assert_eq!(json, Encoding::Json.encode(&frame));
        let expected = match &frame.body {
            Body::Patch { from, patch } => format!(
                r#"{{"epoch":"{}","from":{from},"to":{},"patch":{patch}}}"#,
                frame.epoch, frame.to
            ),
            _ => format!(
                r#"{{"epoch":"0000000000000007-1","to":1,"reason":"initial","snapshot":{{"log":[],"pad":"{pad}"}}}}"#
            ),
        };
        assert_eq!(std::str::from_utf8(&json), Ok(&*expected));
        engine.apply(&room, append(number)).unwrap();
    }
    assert_eq!(Encoding::default(), Encoding::Json);
}

/// Encoded once, whoever and however many want it.
#[test]
fn subscribers_that_need_the_same_frame_share_its_bytes() {
    let engine = engine();
    let hall = key("hall");
    let pad = "x".repeat(1_000);
    engine
        .create(&hall, json(&format!(r#"{{"pad":"{pad}","log":[]}}"#)))
        .unwrap();
    let options = |path, mode, extensions| SubscribeOptions {
        mode,
        extensions,
        ..at(path)
    };
    let kinds = [
        options("", Mode::EveryCommit, Extensions::NONE),
        options("", Mode::Latest, Extensions::NONE),
        options("", Mode::Latest, Extensions::ALL),
        options("/log", Mode::EveryCommit, Extensions::NONE),
    ];
    for kind in kinds {
        let mut subscribers: Vec<_> = (0..10)
            .map(|_| engine.subscribe(&hall, kind.clone()).unwrap())
            .collect();
        let mut others = engine.subscribe(&hall, kind.clone()).unwrap();
        for commits in [0, 1, 1, 3] {
            for number in 0..commits {
                engine.apply(&hall, append(number)).unwrap();
            }
            loop {
                let pulled: Vec<_> = subscribers
                    .iter_mut()
                    .map(|subscriber| subscriber.poll_bytes(Encoding::Json).unwrap())
                    .collect();
                let Some(first) = &pulled[0] else {
                    assert!(pulled.iter().all(Option::is_none));
                    break;
                };
                for bytes in &pulled {
                    assert!(Arc::ptr_eq(bytes.as_ref().unwrap(), first), "{kind:?}");
                }
                // Another encoding is other bytes.
                let other = others.poll_bytes(Encoding::Deflate).unwrap().unwrap();
                assert_ne!(other, *first);
                let position = |subscriber: &Subscription| subscriber.position();
                let positions: Vec<_> = subscribers.iter().map(position).collect();
                assert!(positions.iter().all(|&one| one == others.position()));
            }
        }
    }
    assert!(engine.memory().encoded > 0);
}

/// A squash that came to nothing is kept for the others like any frame. Who found it there said that it was at the
/// squash's version, though no frame had led there, and let an interval begin for nothing; who had made it did not.
#[test]
fn who_finds_that_all_was_undone_stays_where_its_frames_have_led_it() {
    let engine = engine();
    let key = key("hall");
    let pad = "x".repeat(1_000);
    let root = json(&format!(r#"{{"a":{{}},"pad":"{pad}"}}"#));
    engine.create(&key, root).unwrap();
    let options = SubscribeOptions {
        mode: Mode::Latest,
        interval: Duration::from_millis(100),
        ..at("/a/b")
    };
    let subscribe = || engine.subscribe(&key, options.clone()).unwrap();
    let mut followers = [subscribe(), subscribe()];
    let pull = |follower: &mut Subscription| follower.poll_bytes(Encoding::Json).unwrap();
    assert!(followers.iter_mut().all(|one| pull(one).is_some()));
    engine.tick(Time::from_millis(1_000));
    let add = patch(r#"[{"op":"add","path":"/a/b","value":1}]"#);
    let remove = patch(r#"[{"op":"remove","path":"/a/b"}]"#);
    for batch in [&add, &remove] {
        engine.apply(&key, Arc::clone(batch)).unwrap();
    }
    let start = followers[0].position();
    for follower in &mut followers {
        assert!(pull(follower).is_none());
        assert_eq!(follower.position(), start);
    }
    engine.apply(&key, add).unwrap();
    let head = engine.position(&key);
    for follower in &mut followers {
        assert!(pull(follower).is_some());
        assert_eq!(follower.position(), head);
    }
}

#[test]
fn who_follows_by_bytes_and_by_frames_in_turn_misses_nothing() {
    let engine = engine();
    let room = room(&engine, "room");
    let mut subscription = engine
        .subscribe(&room, SubscribeOptions::default())
        .unwrap();
    let mut replica = Replica::new();
    for number in 0..20 {
        let frame = match number % 4 {
            0 => subscription.poll().unwrap().unwrap(),
            1 => now_or_never(subscription.next()).unwrap().unwrap(),
            2 => {
                let bytes = subscription.poll_bytes(Encoding::Json).unwrap().unwrap();
                decoded(&bytes, Encoding::Json, &replica)
            }
            _ => {
                let bytes = now_or_never(subscription.next_bytes(Encoding::Deflate));
                decoded(&bytes.unwrap().unwrap(), Encoding::Deflate, &replica)
            }
        };
        replica.apply(&frame).unwrap();
        assert_eq!(replica.root().canonical(), text(&engine, &room));
        engine.apply(&room, append(number)).unwrap();
    }
    let mut waits = pin!(subscription.next_bytes(Encoding::Json));
    assert!(poll(waits.as_mut(), Waker::noop()).is_ready());
}

/// An optimistic client: which of its own batches does what it holds contain?
#[test]
fn a_subscriber_knows_which_of_its_own_batches_its_frames_contain() {
    let engine = engine();
    let room = room(&engine, "room");
    let (own, other) = (
        engine.open_session().unwrap(),
        engine.open_session().unwrap(),
    );
    let options = SubscribeOptions {
        session: Some(own.id()),
        ..SubscribeOptions::default()
    };
    let mut subscription = engine.subscribe(&room, options.clone()).unwrap();
    let mut bytes = engine.subscribe(&room, options).unwrap();
    let mut stranger = engine
        .subscribe(&room, SubscribeOptions::default())
        .unwrap();
    assert_eq!(subscription.last_seq(), None);
    let pad = "x".repeat(2_000);
    engine
        .apply(
            &room,
            patch(&format!(
                r#"[{{"op":"add","path":"/pad","value":"{pad}"}}]"#
            )),
        )
        .unwrap();
    while subscription.poll().unwrap().is_some() {}
    while bytes.poll_bytes(Encoding::Json).unwrap().is_some() {}
    // Two of its own, one of another in between, and one that is held.
    send(&own, &room, [1]);
    send(&other, &room, [1]);
    send(&own, &room, [2]);
    hold(&own, &room, [4]);
    for expected in [Some(1), Some(1), Some(2)] {
        assert!(subscription.poll().unwrap().is_some());
        assert_eq!(subscription.last_seq(), expected.map(Seq));
        assert!(bytes.poll_bytes(Encoding::Json).unwrap().is_some());
        assert_eq!(bytes.last_seq(), expected.map(Seq));
    }
    assert!(subscription.poll().unwrap().is_none());
    assert_eq!(subscription.last_seq(), Some(Seq(2)));
    // The rejected one shows, too: the client need not wait for it any more.
    let rejected = own.submit(&room, Seq(3), patch(crate::fixture::FAILS));
    assert!(matches!(rejected, headwater::Outcome::Rejected(_)));
    assert!(subscription.poll().unwrap().is_some());
    assert_eq!(subscription.last_seq(), Some(Seq(4)));
    while stranger.poll().unwrap().is_some() {}
    assert_eq!(stranger.last_seq(), None);
}

/// P7.
#[test]
fn as_many_subscribers_are_there_as_there_may_be_and_one_that_leaves_makes_room() {
    let engine = builder().subscribers_max(2).build().unwrap();
    let room = room(&engine, "room");
    let one = engine
        .subscribe(&room, SubscribeOptions::default())
        .unwrap();
    let _two = engine
        .subscribe(&room, SubscribeOptions::default())
        .unwrap();
    for _ in 0..2 {
        let refused = engine
            .subscribe(&room, SubscribeOptions::default())
            .unwrap_err();
        assert_eq!(
            refused,
            SubscribeError::TooManySubscribers { subscribers_max: 2 }
        );
    }
    drop(one);
    assert!(
        engine
            .subscribe(&key("nowhere"), SubscribeOptions::default())
            .is_err()
    );
    assert!(engine.subscribe(&room, SubscribeOptions::default()).is_ok());
}

/// What a position of another key means is up to the caller, but it breaks nothing.
#[test]
fn a_position_of_nowhere_leads_to_the_document() {
    let engine = engine();
    let room = room(&engine, "room");
    let nowhere = Position {
        version: Version(u64::MAX),
        ..engine.position(&room).unwrap()
    };
    let options = SubscribeOptions {
        from: Some(nowhere),
        ..at("/log")
    };
    let (_, replica) = current(&engine, &room, options);
    assert_eq!(replica.root().canonical(), "[]");
}
