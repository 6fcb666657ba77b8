//! What takes a while to free is handed out with the effects, so that nobody waits for it at the lock.

use std::time::Duration;

use headwater_core::{ColdBounds, HistoryBounds, ShardConfig};

use crate::pair::{Server, config, key};

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
