//! Who is woken by a change, and the version that readers share.

use std::{
    ptr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Wake, Waker},
};

use headwater_core::{CloseReason, Cursor, HistoryBounds, Outcome, ShardConfig, Version, Watch};
use headwater_doc::Pointer;

use crate::pair::{FAILS, Server, append, config, key, patch};

/// Counts how often it is woken.
#[derive(Clone, Debug, Default)]
pub(crate) struct Alarm(Arc<Rings>);

#[derive(Debug, Default)]
struct Rings(AtomicUsize);

impl Wake for Rings {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

impl Alarm {
    pub(crate) fn waker(&self) -> Waker {
        Arc::clone(&self.0).into()
    }

    pub(crate) fn rings(&self) -> usize {
        self.0.0.load(Ordering::Relaxed)
    }
}

fn room() -> (Server, Arc<Watch>) {
    let mut server = Server::new();
    server.create(
        "room",
        r#"{"log":[],"a":{"b":{"c":1}},"ab":1,"list":[1,2,3]}"#,
    );
    let watch = server.shard.watch(&key("room")).unwrap();
    (server, watch)
}

fn at(path: &str) -> Pointer {
    path.parse().unwrap()
}

/// Wakes whom the shard says.
fn ring(server: &mut Server) -> usize {
    let woken = server.effects().woken;
    let count = woken.len();
    woken.into_iter().for_each(Waker::wake);
    count
}

/// Who of subscribers of these paths is woken by a patch.
fn woken(text: &str, paths: &[&str]) -> Vec<usize> {
    let (mut server, watch) = room();
    let alarms: Vec<_> = paths.iter().map(|_| Alarm::default()).collect();
    for (path, alarm) in paths.iter().zip(&alarms) {
        let _old = watch.sleep(watch.join(), &at(path), alarm.waker());
    }
    server.apply("room", text);
    ring(&mut server);
    alarms.iter().map(Alarm::rings).collect()
}

#[test]
fn a_change_wakes_those_at_its_path_above_it_and_below_it_and_no_others() {
    let paths = [
        "", "/a", "/a/b", "/a/b/c", "/a/x", "/ab", "/list", "/list/0", "/a-b", "/a~1b",
    ];
    let replace = |path| format!(r#"[{{"op":"add","path":"{path}","value":5}}]"#);
    let rows = [
        ("/a/b/c", [1, 1, 1, 1, 0, 0, 0, 0, 0, 0]),
        ("/a/b", [1, 1, 1, 1, 0, 0, 0, 0, 0, 0]),
        ("/a", [1, 1, 1, 1, 1, 0, 0, 0, 0, 0]),
        ("/a/x", [1, 1, 0, 0, 1, 0, 0, 0, 0, 0]),
        ("/ab", [1, 0, 0, 0, 0, 1, 0, 0, 0, 0]),
        ("/a-b", [1, 0, 0, 0, 0, 0, 0, 0, 1, 0]),
        ("", [1; 10]),
        // An element that comes in moves the others.
        ("/list/2", [1, 0, 0, 0, 0, 0, 1, 1, 0, 0]),
    ];
    for (path, expected) in rows {
        assert_eq!(woken(&replace(path), &paths), expected, "{path}");
    }
    let moved = r#"[{"op":"move","from":"/a/b","path":"/ab"}]"#;
    assert_eq!(woken(moved, &paths), [1, 1, 1, 1, 0, 1, 0, 0, 0, 0]);
    let element = r#"[{"op":"replace","path":"/list/2","value":5}]"#;
    assert_eq!(woken(element, &paths), [1, 0, 0, 0, 0, 0, 1, 0, 0, 0]);
    // A commit that touches nothing is a version all the same, to those who follow all of it.
    assert_eq!(woken("[]", &paths), [1, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
}

#[test]
fn who_was_woken_is_not_woken_again_before_it_sleeps_again() {
    let (mut server, watch) = room();
    let alarm = Alarm::default();
    let number = watch.join();
    for round in 1..=3 {
        let _old = watch.sleep(number, &at("/log"), alarm.waker());
        server.apply("room", &append(1));
        server.apply("room", &append(2));
        assert_eq!(ring(&mut server), 1);
        assert_eq!(alarm.rings(), round);
    }
}

/// P7: a subscriber that is polled again and again leaves one waker, the last.
#[test]
fn a_subscriber_has_one_waker() {
    let (mut server, watch) = room();
    let (old, new, other) = (Alarm::default(), Alarm::default(), Alarm::default());
    let number = watch.join();
    let _old = watch.sleep(number, &at("/log"), old.waker());
    let _old = watch.sleep(number, &at("/log"), new.waker());
    let _old = watch.sleep(watch.join(), &at("/log"), other.waker());
    server.apply("room", &append(1));
    assert_eq!(ring(&mut server), 2);
    assert_eq!((old.rings(), new.rings(), other.rings()), (0, 1, 1));
}

/// Also if it slept to the end before, and for news now.
#[test]
fn who_sleeps_to_the_end_is_woken_by_nothing_else_and_once() {
    let (mut server, watch) = room();
    let (ends, changes) = (Alarm::default(), Alarm::default());
    let (first, second, gone) = (watch.join(), watch.join(), watch.join());
    for number in [first, second, gone] {
        assert!(watch.sleep_to_the_end(number, ends.waker()).is_none());
    }
    let [none, old] = watch.sleep(second, &at("/log"), changes.waker());
    assert!(none.is_none() && old.is_some());
    watch.leave(gone, &at("/log"));
    server.apply("room", &append(1));
    assert_eq!(ring(&mut server), 1);
    assert_eq!((ends.rings(), changes.rings()), (0, 1));
    let _old = watch.sleep(second, &at("/log"), changes.waker());
    server.shard.remove(&key("room"));
    assert_eq!(ring(&mut server), 2);
    assert_eq!((ends.rings(), changes.rings()), (1, 2));
}

#[test]
fn who_leaves_is_counted_out_and_not_woken() {
    let (mut server, watch) = room();
    let (gone, stays) = (Alarm::default(), Alarm::default());
    let (first, second) = (watch.join(), watch.join());
    assert_ne!(first, second);
    assert_eq!(watch.subscribers(), 2);
    let _old = watch.sleep(first, &at("/log"), gone.waker());
    let _old = watch.sleep(second, &at("/log"), stays.waker());
    watch.leave(first, &at("/log"));
    assert_eq!(watch.subscribers(), 1);
    server.apply("room", &append(1));
    assert_eq!(ring(&mut server), 1);
    assert_eq!((gone.rings(), stays.rings()), (0, 1));
    watch.leave(second, &at("/log"));
    assert_eq!(watch.subscribers(), 0);
}

/// P3: nobody sees that it was tried.
#[test]
fn a_batch_that_fails_wakes_nobody() {
    let (mut server, watch) = room();
    let client = server.client("room");
    let alarm = Alarm::default();
    let _old = watch.sleep(watch.join(), &Pointer::root(), alarm.waker());
    assert!(matches!(
        server.send(&client, 1, FAILS),
        Outcome::Rejected(_)
    ));
    assert!(
        server
            .shard
            .apply(server.now, &key("room"), patch(FAILS))
            .is_err()
    );
    server.hold_all(&client, [3]);
    assert!(
        server
            .shard
            .stage(&key("room"), &[patch(&append(1))])
            .is_ok()
    );
    assert_eq!((ring(&mut server), watch.head()), (0, Version(0)));
    server.send_all(&client, [2]);
    assert_eq!((ring(&mut server), watch.head()), (1, Version(2)));
}

#[test]
fn another_document_wakes_nobody() {
    let (mut server, watch) = room();
    server.create("hall", r#"{"log":[]}"#);
    let alarm = Alarm::default();
    let _old = watch.sleep(watch.join(), &Pointer::root(), alarm.waker());
    server.apply("hall", &append(1));
    server.shard.remove(&key("hall"));
    assert_eq!(ring(&mut server), 0);
}

/// Scenario: a commit of more bytes than the history may keep, which is let go of at once. Failure: whom
/// it touches was looked for in the history, so nobody was woken. Fix: all are.
#[test]
fn a_commit_that_is_too_large_for_the_history_wakes_its_subscribers() {
    let mut server = Server::with(ShardConfig {
        history: HistoryBounds {
            bytes_min: 100,
            ..HistoryBounds::default()
        },
        ..config()
    });
    server.create("room", r#"{"a":1}"#);
    let watch = server.shard.watch(&key("room")).unwrap();
    let alarm = Alarm::default();
    let _old = watch.sleep(watch.join(), &at("/a"), alarm.waker());
    let large = "x".repeat(1_000);
    let there_and_back = format!(
        r#"[{{"op":"add","path":"/b","value":"{large}"}},{{"op":"remove","path":"/b"}},{{"op":"replace","path":"/a","value":2}}]"#
    );
    server.apply("room", &there_and_back);
    assert!(server.shard.commit(&key("room"), Version(1)).is_none());
    ring(&mut server);
    assert_eq!(alarm.rings(), 1);
}

/// P9: whom a batch of very many paths concerns is not looked for to the end. Whoever it does not concern is
/// woken in vain, finds nothing new, and sleeps on.
#[test]
fn who_is_woken_in_vain_finds_nothing_and_sleeps_again() {
    let mut server = Server::new();
    let (open, close) = (r#"{"a":"#.repeat(100), "}".repeat(100));
    server.create("room", &format!(r#"{{"b":1,"a":{open}[]{close}}}"#));
    let watch = server.shard.watch(&key("room")).unwrap();
    let (alarm, number) = (Alarm::default(), watch.join());
    let mut cursor = Cursor {
        path: at("/b"),
        ..Cursor::default()
    };
    let first = server.poll("room", &cursor).unwrap();
    let position = server.shard.position(&key("room"));
    cursor.advance(position, first.to);

    let _old = watch.sleep(number, &cursor.path, alarm.waker());
    let deep = "/a".repeat(101);
    let add = |number| format!(r#"{{"op":"add","path":"{deep}/-","value":{number}}}"#);
    let change = |number| format!(r#"{{"op":"replace","path":"{deep}/{number}","value":true}}"#);
    let operations: Vec<_> = (0..500).map(add).chain((0..500).map(change)).collect();
    server.apply("room", &format!("[{}]", operations.join(",")));
    assert_eq!((ring(&mut server), alarm.rings()), (1, 1), "in vain");
    assert!(server.poll("room", &cursor).is_none());

    let _old = watch.sleep(number, &cursor.path, alarm.waker());
    server.apply("room", &format!("[{}]", change(0)));
    assert_eq!(ring(&mut server), 0, "it does not concern it");
    server.apply("room", r#"[{"op":"replace","path":"/b","value":2}]"#);
    assert_eq!((ring(&mut server), alarm.rings()), (1, 2));
    assert!(server.poll("room", &cursor).is_some());
}

/// P5: who slept at a path need not look for what passed beside it.
#[test]
fn who_is_woken_at_a_path_is_told_up_to_where_nothing_changed_there() {
    let (mut server, watch) = room();
    let (sleeper, of_all, away) = (watch.join(), watch.join(), watch.join());
    let alarm = Alarm::default();
    let _old = watch.sleep(sleeper, &at("/a/b"), alarm.waker());
    let _old = watch.sleep(of_all, &Pointer::root(), alarm.waker());
    let _old = watch.sleep(away, &at("/a"), alarm.waker());
    for number in 0..5 {
        server.apply("room", &append(number));
    }
    assert_eq!(watch.unchanged_to(sleeper), None, "it sleeps");
    server.apply("room", r#"[{"op":"replace","path":"/a/b/c","value":2}]"#);
    server.apply("room", r#"[{"op":"replace","path":"/a/b/c","value":3}]"#);
    watch.leave(away, &at("/a"));
    assert_eq!(watch.unchanged_to(sleeper), Some(Version(5)));
    for number in [sleeper, of_all, away] {
        assert_eq!(watch.unchanged_to(number), None, "told, or nothing to tell");
    }
    // Who looks by itself before it sleeps again knows better.
    let _old = watch.sleep(sleeper, &at("/a/b"), alarm.waker());
    server.apply("room", r#"[{"op":"remove","path":"/a"}]"#);
    let _old = watch.sleep(sleeper, &at("/a/b"), alarm.waker());
    assert_eq!(watch.unchanged_to(sleeper), None);
}

#[test]
fn removing_a_document_wakes_all_its_subscribers_and_says_why() {
    let (mut server, watch) = room();
    let alarms = ["", "/a", "/nothing/here"].map(|path| {
        let alarm = Alarm::default();
        let _old = watch.sleep(watch.join(), &at(path), alarm.waker());
        alarm
    });
    let held = server.snapshot("room");
    assert_eq!(watch.closed(), None);
    server.shard.remove(&key("room"));
    assert_eq!(ring(&mut server), 3);
    assert!(alarms.iter().all(|alarm| alarm.rings() == 1));
    assert_eq!(watch.closed(), Some(CloseReason::Removed));
    assert!(watch.published().is_none());
    // A new document under the key is another one.
    let position = server.create("room", "1");
    let again = server.shard.watch(&key("room")).unwrap();
    assert_ne!(again.epoch(), watch.epoch());
    assert_eq!((again.epoch(), again.closed()), (position.epoch, None));
    assert_eq!(held.position.epoch, watch.epoch());
}

#[test]
fn several_batches_that_one_submission_decides_wake_each_sleeper_once() {
    let (mut server, watch) = room();
    let client = server.client("room");
    let alarm = Alarm::default();
    let _old = watch.sleep(watch.join(), &at("/log"), alarm.waker());
    server.hold_all(&client, 2..=5);
    server.send_all(&client, [1]);
    let effects = server.effects();
    assert_eq!(effects.woken.len(), 1);
    // Who sent the batches that were held is told, too.
    assert_eq!(effects.late, [(client.session, client.key)]);
    assert!(server.effects().is_empty());
}

/// P9: a version that was read is read again without the shard.
#[test]
fn readers_of_one_version_share_it_and_the_next_commit_takes_it_away() {
    let (mut server, watch) = room();
    assert!(watch.published().is_none());
    let first = server.snapshot("room");
    let second = server.snapshot("room");
    let third = watch.published().unwrap();
    assert!(ptr::eq(&*first, &*second) && ptr::eq(&*first, &*third));
    assert_eq!(watch.head(), Version(0));

    server.apply("room", &append(1));
    assert!(watch.published().is_none());
    assert_eq!(watch.head(), Version(1));
    let next = server.snapshot("room");
    assert!(!ptr::eq(&*first, &*next));
    assert_eq!(next.position.version, Version(1));
    // A batch that fails leaves the version what it was.
    let fails = server.shard.apply(server.now, &key("room"), patch(FAILS));
    assert!(fails.is_err());
    assert_eq!(server.snapshot("room").position, next.position);
}

/// P3: whoever holds a version sees it unchanged, whatever comes after.
#[test]
fn a_version_that_is_held_never_changes() {
    let (mut server, _) = room();
    let client = server.client("room");
    let mut held = Vec::new();
    for seq in 1..=20 {
        held.push((server.snapshot("room"), server.text("room")));
        match seq % 4 {
            0 => drop(server.send(&client, seq, r#"[{"op":"remove","path":"/log/0"}]"#)),
            1 => drop(server.send(&client, seq, FAILS)),
            _ => server.send_all(&client, [seq]),
        }
        if seq == 15 {
            held.drain(3..9);
        }
    }
    server.shard.remove(&key("room"));
    for (snapshot, text) in held {
        assert_eq!(snapshot.root.canonical(), text);
    }
}
