//! What takes a while to free is handed out with the effects, so that nobody waits for it at the lock.

use std::{
    sync::{Arc, Weak},
    time::Duration,
};

use headwater_core::{
    ApplyError, ColdBounds, Encoded, FrameKey, HistoryBounds, Outcome, ShardConfig, Version,
};
use headwater_doc::{Extensions, Pointer};

use crate::pair::{Client, Server, config, key, patch};

const EMPTY: &str = r#"[{"op":"replace","path":"","value":{}}]"#;

/// A shard that keeps two commits, with a room that takes some 100 KB.
fn with_large() -> Server {
    let mut server = Server::with(ShardConfig {
        history: HistoryBounds {
            commits_min: 0,
            commits_max: 2,
            bytes_min: u64::MAX,
            ..HistoryBounds::default()
        },
        cold: ColdBounds {
            bytes_min: 1_000,
            idle: Duration::ZERO,
        },
        ..config()
    });
    let rows: Vec<_> = (0..2_000).map(|id| format!(r#"{{"id":{id}}}"#)).collect();
    server.create("room", &format!("[{}]", rows.join(",")));
    drop(server.effects());
    server
}

/// Whether something is to be freed, and who else has to be told.
fn hands_out(server: &mut Server) -> bool {
    assert!(server.shard.has_effects() || server.effects().freed.is_empty());
    !server.effects().freed.is_empty()
}

/// P9: a commit that emptied a document of 23 MB, whose inverse was too large for the history, kept others
/// from the shard for 138 ms.
#[test]
fn an_inverse_that_the_history_does_not_keep() {
    let mut server = with_large();
    server.apply("room", EMPTY);
    assert!(!hands_out(&mut server), "it is still in the history");
    server.apply("room", EMPTY);
    server.apply("room", EMPTY);
    assert!(hands_out(&mut server));
    server.apply("room", EMPTY);
    assert!(!hands_out(&mut server), "it is little");
}

/// P9: in memory relief.
#[test]
fn a_history_that_makes_room() {
    let mut server = with_large();
    server.apply("room", EMPTY);
    assert!(!hands_out(&mut server));
    server.shard.relieve_history(0);
    assert!(hands_out(&mut server));
}

/// P9: a version of 52 MB, which a reader had let go, kept the sweep of a tick, and with it the shard, for
/// 281 ms.
#[test]
fn a_version_that_nobody_holds_any_more() {
    let mut server = with_large();
    let held = server.snapshot("room");
    for _ in 0..3 {
        server.apply("room", EMPTY);
    }
    drop(server.effects());
    drop(held);
    server.shard.sweep(server.now, 0);
    assert!(hands_out(&mut server));
}

/// P9: the document that was compressed, and one that was inflated in vain.
#[test]
fn the_other_form_of_a_document() {
    let mut server = with_large();
    let freeze = server.shard.idle(server.now, Duration::ZERO).unwrap();
    assert!(server.shard.freeze(server.now, freeze.run()));
    assert!(hands_out(&mut server));

    let thaw = |server: &Server| server.shard.cold(&key("room")).unwrap().run();
    let (first, second) = (thaw(&server), thaw(&server));
    assert!(server.shard.thaw(server.now, first));
    assert!(!hands_out(&mut server), "it is in its place");
    assert!(!server.shard.thaw(server.now, second));
    assert!(hands_out(&mut server));
}

/// P9: the history of a document that is removed.
#[test]
fn a_document_that_is_removed() {
    let mut server = with_large();
    drop(server.shard.remove(&key("room")));
    assert!(hands_out(&mut server));
}

/// P9. Scenario: a batch of the host's, with a million arrays to test for, does not apply. Failure: the shard
/// had the last reference to it, and kept all others waiting while it freed it. Fix: it is handed out. One
/// that finds no document is, too.
#[test]
fn a_batch_of_the_host_that_is_not_applied() {
    let mut server = with_large();
    let large = "x".repeat(10_000);
    let text = format!(r#"[{{"op":"test","path":"/nothing","value":"{large}"}}]"#);
    for name in ["room", "nowhere"] {
        let batch = patch(&text);
        let left = Arc::downgrade(&batch);
        assert!(server.shard.apply(server.now, &key(name), batch).is_err());
        assert!(left.upgrade().is_some(), "{name}");
        drop(server.effects());
        assert!(left.upgrade().is_none(), "{name}");
    }
    // Who can hold it longer than the lock, gets it back.
    let tried = server
        .shard
        .try_apply(server.now, &key("nowhere"), patch(&text));
    assert!(matches!(tried, Err((ApplyError::NoSuchDocument, Some(_)))));
    assert!(!hands_out(&mut server));
}

/// A way in which a held batch is given up.
type Way<'a> = &'a dyn Fn(&mut Server, &Client);

/// P9. Scenario: many lanes hold what has come ahead of its turn, and one turn gives it all up. Failure: it was
/// freed under the lock. Fix: it is handed out.
#[test]
fn held_batches_that_are_given_up() {
    let batch = |client: &Client, seq| {
        let large = "x".repeat(10_000);
        let text = format!(r#"[{{"op":"test","path":"","value":"{large}"}}]"#);
        client.batch(seq, &text)
    };
    // The last of them leave no room for the one that is furthest ahead.
    let evict = |server: &mut Server, client: &Client| {
        for seq in 2..30 {
            server.submit(&batch(client, seq));
        }
    };
    let ways: [Way<'_>; 4] = [
        &|server, _| server.later(10_000),
        &|server, _| assert!(!server.shard.give_up_held(server.now)),
        &|server, client| assert!(!server.shard.forget(client.session)),
        &evict,
    ];
    for (way, give_up) in ways.into_iter().enumerate() {
        let mut server = with_large();
        let client = server.client("room");
        let batch = batch(&client, 60);
        let left = Arc::downgrade(&batch.patch);
        assert!(matches!(server.submit(&batch), Outcome::Held { .. }));
        drop(batch);
        give_up(&mut server, &client);
        assert!(left.upgrade().is_some(), "{way}");
        drop(server.effects());
        assert!(left.upgrade().is_none(), "{way}");
    }
}

/// What is left of the bytes of two frames that subscribers of a room were sent, of 10 KB each.
fn encoded(server: &Server) -> [Weak<[u8]>; 2] {
    let watch = server.shard.watch(&key("room")).unwrap();
    [1, 2].map(|version| {
        let frame = FrameKey {
            path: Pointer::root(),
            from: None,
            reason: None,
            to: Version(version),
            extensions: Extensions::NONE,
            encoding: 0,
        };
        let encode = || Encoded {
            bytes: Some(Arc::from(vec![0; 10_000])),
            version: Version(version),
        };
        Arc::downgrade(&watch.frames.get(frame, encode).bytes.unwrap())
    })
}

/// P9. Scenario: a document is removed of which encoded frames are kept, of 16 MB each. Failure: they were
/// freed under the lock of its shard. Fix: they are handed out; no budget counts them any more.
#[test]
fn encoded_frames_of_a_document_that_is_removed() {
    let mut server = with_large();
    let frames = encoded(&server);
    drop(server.shard.remove(&key("room")));
    assert_eq!(server.shared.frames.bytes(), 0);
    assert!(frames.iter().all(|frame| frame.upgrade().is_some()));
    drop(server.effects());
    assert!(frames.iter().all(|frame| frame.upgrade().is_none()));
}

/// P9: in memory relief, which has the shard shared with readers, and keeps writers from it.
#[test]
fn encoded_frames_that_make_room() {
    let server = with_large();
    let frames = encoded(&server);
    let (freed, next) = server.shard.relieve_frames(0);
    assert_eq!((server.shared.frames.bytes(), next), (0, None));
    assert!(frames.iter().all(|frame| frame.upgrade().is_some()));
    drop(freed);
    assert!(frames.iter().all(|frame| frame.upgrade().is_none()));
}
