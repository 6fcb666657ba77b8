//! Documents that were looked up once.

use std::{
    sync::{
        Arc, Barrier,
        atomic::{AtomicUsize, Ordering},
        mpsc,
    },
    thread,
    time::Duration,
};

use headwater::{
    ApplyError, CloseReason, Closed, Outcome, Rejection, Seq, SubscribeError, Version,
};

use crate::fixture::{append, builder, engine, json, key, patch, room};

#[test]
fn a_handle_reads_the_newest_version_and_knows_its_number() {
    let engine = engine();
    let room = room(&engine, "room");
    assert!(engine.handle(&key("nowhere")).is_none());
    let handle = engine.handle(&room).unwrap();
    assert_eq!(handle.key(), &room);
    for number in 0..5 {
        assert_eq!(handle.version(), Ok(Version(number)));
        for _ in 0..2 {
            let read = handle.read().unwrap();
            let head = engine.get(&room).unwrap();
            assert_eq!(read.position, head.position);
            assert!(read.root.identical(&head.root));
        }
        assert_eq!(handle.apply(append(number)), Ok(Version(number + 1)));
    }
    // A version that was read is unchanged however the document goes on.
    let old = handle.read().unwrap();
    let text = old.root.canonical();
    handle.apply(append(9)).unwrap();
    assert_eq!(old.root.canonical(), text);
    assert_eq!(format!("{handle:?}").split(' ').next(), Some("DocHandle"));
}

#[test]
fn readers_of_one_version_share_it() {
    let engine = engine();
    let handle = engine.handle(&room(&engine, "room")).unwrap();
    let other = engine.handle(handle.key()).unwrap();
    let (one, two) = (handle.read().unwrap(), other.read().unwrap());
    let three = engine.get(handle.key()).unwrap();
    assert!(std::ptr::eq(&raw const *one, &raw const *two));
    assert!(std::ptr::eq(&raw const *one, &raw const *three));
}

/// P9: the shard's lock is held, by the host's rule on a batch for another document, for as long as this
/// test wants; who has a handle reads all the same.
#[test]
fn a_version_that_was_read_before_is_read_without_a_lock() {
    let (asked, answer) = (Arc::new(Barrier::new(2)), Arc::new(Barrier::new(2)));
    let admit = {
        let (asked, answer) = (Arc::clone(&asked), Arc::clone(&answer));
        move |_: &headwater::Admission<'_>| {
            asked.wait();
            answer.wait();
            Ok(())
        }
    };
    let engine = builder().shards(1).admit(admit).build().unwrap();
    let (hall, room) = (room(&engine, "hall"), room(&engine, "room"));
    let handle = engine.handle(&hall).unwrap();
    let (here, there) = (handle.read().unwrap(), engine.handle(&room).unwrap());
    let session = engine.open_session().unwrap();
    thread::scope(|scope| {
        let submits = scope.spawn(|| session.submit(&room, Seq(1), append(1)));
        asked.wait();
        // From here on the shard is locked.
        let (done, reads) = mpsc::sync_channel(1);
        let (handle, there, here) = (&handle, &there, &here);
        scope.spawn(move || {
            for _ in 0..10 {
                let read = handle.read().unwrap();
                assert!(std::ptr::eq(&raw const *read, &raw const **here));
                assert_eq!(handle.version(), Ok(Version::ZERO));
                // Of the document that is being changed, the number of the newest version.
                assert_eq!(there.version(), Ok(Version::ZERO));
            }
            done.send(()).unwrap();
        });
        // One that waits for the lock does so until the rule has answered.
        let in_time = reads.recv_timeout(Duration::from_secs(10));
        answer.wait();
        assert_eq!(in_time, Ok(()));
        let outcome = submits.join().unwrap();
        assert_eq!(outcome, crate::fixture::applied(1));
    });
    assert_eq!(there.version(), Ok(Version(1)));
}

#[test]
fn a_handle_of_a_removed_document_is_closed_for_ever_also_when_it_was_made_again() {
    let engine = engine();
    let name = room(&engine, "room");
    let (read, unread) = (engine.handle(&name).unwrap(), engine.handle(&name).unwrap());
    let last = read.read().unwrap();
    engine.remove(&name);
    for made_again in [false, true] {
        if made_again {
            engine.create(&name, json(r#"{"log":["new"]}"#)).unwrap();
            let newer = engine.handle(&name).unwrap();
            assert!(newer.read().is_ok() && newer.version().is_ok());
        }
        for handle in [&read, &unread] {
            let closed = Closed(CloseReason::Removed);
            assert_eq!(handle.read().unwrap_err(), closed);
            assert_eq!(handle.version().unwrap_err(), closed);
            let applied = handle.apply(append(1));
            assert_eq!(applied, Err(ApplyError::NoSuchDocument));
            let subscribed = handle.subscribe(Default::default()).unwrap_err();
            assert_eq!(subscribed, SubscribeError::NoSuchDocument);
        }
    }
    assert_eq!(last.root.canonical(), r#"{"log":[]}"#);
    assert_eq!(crate::fixture::text(&engine, &name), r#"{"log":["new"]}"#);
}

/// Rule 27: a bad document closes itself, and says why; the shard goes on.
#[test]
fn a_handle_says_that_its_document_was_closed_by_a_panic() {
    let admit = |request: &headwater::Admission<'_>| {
        assert!(!request.patch.operations().is_empty(), "an empty batch");
        Ok(())
    };
    let engine = builder().shards(1).admit(admit).build().unwrap();
    let (hall, room) = (room(&engine, "hall"), room(&engine, "room"));
    let handle = engine.handle(&hall).unwrap();
    let mut subscription = handle.subscribe(Default::default()).unwrap();
    let session = engine.open_session().unwrap();
    let outcome = session.submit(&hall, Seq(1), patch("[]"));
    assert_eq!(outcome, Outcome::Rejected(Rejection::Panicked));
    let closed = Closed(CloseReason::Panicked);
    assert_eq!(handle.read().unwrap_err(), closed);
    assert_eq!(subscription.poll().unwrap_err(), closed);
    assert_eq!(subscription.closed(), Some(closed));
    assert_eq!(closed.to_string(), "the document was closed: panicked");
    assert!(!engine.contains(&hall));
    crate::fixture::send(&session, &room, [1]);
}

/// What is read through handles while others write is some version, each reader's never going back.
#[test]
fn readers_through_handles_never_see_time_go_back_while_others_write() {
    let engine = builder().shards(1).build().unwrap();
    let room = room(&engine, "room");
    let reads = AtomicUsize::new(0);
    thread::scope(|scope| {
        let readers: Vec<_> = (0..2)
            .map(|_| {
                let handle = engine.handle(&room).unwrap();
                let reads = &reads;
                scope.spawn(move || {
                    let mut last = Version::ZERO;
                    while last < Version(2_000) {
                        let read = handle.read().unwrap();
                        let length = read.root.as_object().unwrap().get("log").unwrap();
                        let length = length.as_array().unwrap().len() as u64;
                        let version = read.position.version;
                        assert!(version >= last && length == version.0);
                        last = version;
                        reads.fetch_add(1, Ordering::Relaxed);
                    }
                })
            })
            .collect();
        for number in 1..=2_000 {
            engine.apply(&room, append(number)).unwrap();
        }
        readers
            .into_iter()
            .for_each(|reader| reader.join().unwrap());
    });
    assert!(reads.into_inner() > 0);
}
