//! The host's rule on clients' batches: what it is asked, what a refusal does, and what a panic does.

use std::{
    cell::Cell,
    panic,
    sync::{Arc, Mutex, Once},
};

use headwater_core::{
    Admission, Bound, CloseReason, Decision, Outcome, Rejection, ReorderBounds, Seq, ShardConfig,
    Shared, Version,
};
use headwater_doc::{Pointer, Value};

use crate::{
    pair::{Client, FAILS, INCARNATION, Server, append, config, json, key, patch},
    watching::Alarm,
};

/// What the rule was asked.
#[derive(Clone, Debug, PartialEq)]
struct Asked {
    client: Client,
    seq: Seq,
    before: Value,
    after: Value,
    touched: Vec<Pointer>,
    operations: usize,
}

type Log = Arc<Mutex<Vec<Asked>>>;

/// A room whose rule notes what it is asked, refuses what leads to `/banned`, and panics at `/mine`.
fn room() -> (Server, Client, Log) {
    with(config())
}

fn with(config: ShardConfig) -> (Server, Client, Log) {
    let log = Log::default();
    let mut shared = Shared::new(INCARNATION, u64::MAX);
    let asked = Arc::clone(&log);
    shared.admit = Some(Arc::new(move |request: &Admission<'_>| {
        asked.lock().unwrap().push(Asked {
            client: Client {
                session: request.session,
                attachment: headwater_core::Attachment(1),
                key: request.key.clone(),
            },
            seq: request.seq,
            before: request.before.clone(),
            after: request.after.clone(),
            touched: request.touched.iter().cloned().collect(),
            operations: request.patch.operations().len(),
        });
        let is_there = |name: &str| request.after.at(&name.parse().unwrap()).is_some();
        assert!(!is_there("/mine"), "the rule panics");
        if is_there("/banned") {
            Err("banned")
        } else {
            Ok(())
        }
    }));
    let mut server = Server::sharing(config, shared);
    server.create("room", r#"{"log":[]}"#);
    let client = server.client("room");
    (server, client, log)
}

const BANNED: &str =
    r#"[{"op":"add","path":"/log/-","value":"no"},{"op":"add","path":"/banned","value":1}]"#;
const MINE: &str =
    r#"[{"op":"add","path":"/log/-","value":"no"},{"op":"add","path":"/mine","value":1}]"#;

/// Runs without the message of a panic that is caught and meant.
fn quietly<R>(run: impl FnOnce() -> R) -> R {
    thread_local! {
        static QUIET: Cell<bool> = const { Cell::new(false) };
    }
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let loud = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if !QUIET.get() {
                loud(info);
            }
        }));
    });
    QUIET.set(true);
    let result = run();
    QUIET.set(false);
    result
}

#[test]
fn the_rule_sees_both_sides_of_the_change_and_whose_it_is() {
    let (mut server, client, log) = room();
    server.send_all(&client, [1]);
    let two = r#"[{"op":"add","path":"/a","value":1},{"op":"test","path":"/log","value":[1]},{"op":"add","path":"/log/0","value":0}]"#;
    let outcome = server.send(&client, 2, two);
    assert!(matches!(outcome, Outcome::Applied { .. }), "{outcome:?}");
    let asked = log.lock().unwrap().pop().unwrap();
    assert_eq!(
        asked,
        Asked {
            client,
            seq: Seq(2),
            before: json(r#"{"log":[1]}"#),
            after: json(r#"{"log":[0,1],"a":1}"#),
            touched: ["/a", "/log"].map(|path| path.parse().unwrap()).to_vec(),
            operations: 3,
        }
    );
}

/// P1, P3: nothing of it stays but the reason.
#[test]
fn a_refusal_undoes_the_batch_consumes_its_seq_and_is_remembered() {
    let (mut server, client, log) = room();
    server.send_all(&client, [1]);
    for held in [false, true] {
        // A reader that holds the newest version makes the batch copy.
        let reader = held.then(|| server.snapshot("room"));
        let before = server.text("room");
        let position = server.shard.position(&key("room")).unwrap();
        let seq = server.status(&client).expected.0;
        let code = "banned";
        let outcome = server.send(&client, seq, BANNED);
        assert_eq!(outcome, Outcome::Rejected(Rejection::Refused { code }));
        assert_eq!(server.shard.position(&key("room")), Some(position));
        assert_eq!(server.text("room"), before);
        assert!(reader.is_none_or(|reader| reader.root.canonical() == before));
        assert!(
            server
                .shard
                .commit(&key("room"), position.version.next())
                .is_none()
        );

        let asked = log.lock().unwrap().len();
        let again = server.send(&client, seq, BANNED);
        assert_eq!(again, Outcome::Duplicate(Decision::Rejected { code }));
        assert_eq!(
            log.lock().unwrap().len(),
            asked,
            "a repeat is not asked about"
        );
        server.send_all(&client, [seq + 1]);
    }
    assert_eq!(server.text("room"), r#"{"log":[1,3,5]}"#);
    let counts = server.shard.counts();
    assert_eq!(
        (counts.applied, counts.rejected, counts.duplicate),
        (3, 2, 2)
    );
}

/// P3: the version after a refusal goes back to the version before it, as if nothing had been.
#[test]
fn the_way_back_does_not_lead_through_what_was_refused() {
    let (mut server, client, _) = room();
    server.send_all(&client, [1]);
    server.send(&client, 2, BANNED);
    server.send_all(&client, [3]);
    assert_eq!(
        server.rewind("room", 1).unwrap().root,
        json(r#"{"log":[1]}"#)
    );
    assert_eq!(
        server.rewind("room", 0).unwrap().root,
        json(r#"{"log":[]}"#)
    );
}

#[test]
fn what_is_rejected_before_its_turn_or_by_itself_is_not_asked_about() {
    let (mut server, client, log) = room();
    server.send(&client, 1, FAILS);
    server.submit(&client.chained(2, "[]"));
    server.send(&client.on("elsewhere"), 1, "[]");
    server.send(&client, 9, "[]");
    assert_eq!(*log.lock().unwrap(), []);
}

#[test]
fn the_host_is_not_asked_about_its_own_writes() {
    let (mut server, _, log) = room();
    server.apply("room", BANNED);
    let staged = server.shard.stage(&key("room"), &[patch(BANNED)]).unwrap();
    assert!(
        server
            .shard
            .install(server.now, &key("room"), staged)
            .is_some()
    );
    assert_eq!(*log.lock().unwrap(), []);
}

/// P2: a permission that is there when the batch comes may be gone when its turn comes.
#[test]
fn a_held_batch_is_asked_about_when_it_is_decided() {
    let (mut server, client, log) = room();
    server.hold_all(&client, [3]);
    assert!(matches!(
        server.send(&client, 2, BANNED),
        Outcome::Held { .. }
    ));
    assert_eq!(*log.lock().unwrap(), []);
    server.send_all(&client, [1]);
    let seqs: Vec<_> = log
        .lock()
        .unwrap()
        .iter()
        .map(|asked| asked.seq.0)
        .collect();
    assert_eq!(seqs, [1, 2, 3]);
    let code = "banned";
    assert_eq!(
        server.decision(&client, 2),
        Some(Decision::Rejected { code })
    );
    assert_eq!(server.text("room"), r#"{"log":[1,3]}"#);
    // What came between is not what the third was asked about.
    assert_eq!(log.lock().unwrap()[2].before, json(r#"{"log":[1]}"#));
}

/// P4, P10: a rule that panics costs its document, and nothing else.
#[test]
fn a_rule_that_panics_closes_its_document_and_the_shard_goes_on() {
    let (mut server, client, _) = room();
    server.create("hall", r#"{"log":[]}"#);
    let hall = client.on("hall");
    server.send_all(&client, [1]);
    let reader = server.snapshot("room");
    let watch = server.shard.watch(&key("room")).unwrap();
    let (root, elsewhere) = (Alarm::default(), Alarm::default());
    let _old = watch.sleep(watch.join(), &Pointer::root(), root.waker());
    let _old = watch.sleep(
        watch.join(),
        &"/elsewhere".parse().unwrap(),
        elsewhere.waker(),
    );
    let before = server.shard.memory();
    drop(server.effects());

    let outcome = quietly(|| server.send(&client, 2, MINE));
    assert_eq!(outcome, Outcome::Rejected(Rejection::Panicked));
    let effects = server.effects();
    assert_eq!(effects.closed, [(key("room"), CloseReason::Panicked)]);
    effects.woken.into_iter().for_each(std::task::Waker::wake);
    assert_eq!((root.rings(), elsewhere.rings()), (1, 1));
    assert_eq!(watch.closed(), Some(CloseReason::Panicked));
    assert!(watch.published().is_none());

    assert!(!server.shard.contains(&key("room")));
    assert_eq!(server.shard.documents(), 1);
    assert_eq!(reader.root, json(r#"{"log":[1]}"#));
    let after = server.shard.memory();
    assert!(after.documents < before.documents, "{after:?}");

    // The lane is the key's, and goes on.
    let code = "panicked";
    let again = server.send(&client, 2, MINE);
    assert_eq!(again, Outcome::Duplicate(Decision::Rejected { code }));
    let gone = Outcome::Rejected(Rejection::NoSuchDocument);
    assert_eq!(server.send(&client, 3, &append(3)), gone);
    server.send_all(&hall, [1, 2]);
    let position = server.create("room", r#"{"log":[]}"#);
    assert_ne!(position.epoch, watch.epoch());
    server.send_all(&client, [4]);
    let counts = server.shard.counts();
    assert_eq!(
        (counts.applied, counts.rejected, counts.duplicate),
        (4, 2, 1)
    );
}

/// P4: what waited behind the batch is told that the document is gone.
#[test]
fn a_rule_that_panics_at_a_held_batch_leaves_no_batch_unaccounted_for() {
    let lane = Bound {
        batches: 100,
        bytes: 1 << 20,
    };
    let (mut server, client, _) = with(ShardConfig {
        reorder: ReorderBounds {
            lane,
            ..ReorderBounds::default()
        },
        ..config()
    });
    server.hold_all(&client, (2..=80).filter(|&seq| seq != 40));
    assert!(matches!(
        server.send(&client, 40, MINE),
        Outcome::Held { .. }
    ));
    quietly(|| {
        server.send_all(&client, [1]);
        server.tick();
    });
    let counts = server.shard.counts();
    assert_eq!((counts.applied, counts.rejected, counts.held), (39, 41, 0));
    assert_eq!(server.status(&client).decided, Seq(80));
    assert_eq!(
        server.decision(&client, 40),
        Some(Decision::Rejected { code: "panicked" })
    );
    let code = "no_such_document";
    assert_eq!(
        server.decision(&client, 41),
        Some(Decision::Rejected { code })
    );
    let version = Version(39);
    assert_eq!(
        server.decision(&client, 39),
        Some(Decision::Applied { version })
    );
}
