//! A subscriber's copy: it takes the frames that fit and no others.

use headwater_core::{Body, Frame, Mode, Replica, ReplicaError, SnapshotReason, Version};
use headwater_doc::{Extensions, Value};

use crate::pair::{Server, cursor, json, kind, patch};

/// A document with a long tail, so that its commits go out one by one.
fn room() -> Server {
    let mut server = Server::new();
    let pad = "x".repeat(1_000);
    server.create("room", &format!(r#"{{"n":0,"pad":"{pad}"}}"#));
    server
}

fn increment(server: &mut Server) {
    server.apply("room", r#"[{"op":"increment","path":"/n","by":1}]"#);
}

/// The frames from the beginning to the head, one a commit after the first.
fn frames(server: &Server) -> Vec<Frame> {
    let mut cursor = cursor(None, Mode::EveryCommit, Extensions::ALL);
    std::iter::from_fn(|| {
        let frame = server.poll("room", &cursor)?;
        cursor.position = Some(frame.position());
        Some(frame)
    })
    .collect()
}

#[test]
fn a_replica_takes_a_snapshot_and_then_what_follows_it() {
    let mut server = room();
    let mut replica = Replica::new();
    assert_eq!(
        (replica.position(), replica.root()),
        (None, &Value::default())
    );
    let first = frames(&server).remove(0);
    replica.apply(&first).unwrap();
    increment(&mut server);
    increment(&mut server);
    let from_first = cursor(replica.position(), Mode::EveryCommit, Extensions::ALL);
    let second = server.poll("room", &from_first).unwrap();
    assert_eq!((kind(&second), second.to), (Ok(Version(0)), Version(1)));
    replica.apply(&second).unwrap();
    assert_eq!(replica.root().at(&"/n".parse().unwrap()), Some(&json("1")));
    assert_eq!(replica.position(), Some(second.position()));
}

/// P5: a lost, repeated or swapped frame shows at once, and resuming mends it.
#[test]
fn a_frame_out_of_place_is_refused_and_the_replica_stays_as_it_was() {
    let mut server = room();
    let old = frames(&server).remove(0);
    (0..3).for_each(|_| increment(&mut server));
    let from_old = cursor(Some(old.position()), Mode::EveryCommit, Extensions::ALL);
    let mut cursor = from_old.clone();
    let patches: Vec<_> = std::iter::from_fn(|| {
        let frame = server.poll("room", &cursor)?;
        cursor.position = Some(frame.position());
        Some(frame)
    })
    .collect();
    let [first, second, third] = patches.try_into().unwrap();

    let mut replica = Replica::new();
    let out_of_place = |frame: &Frame, replica: &mut Replica| {
        let before = replica.clone();
        let error = replica.apply(frame).unwrap_err();
        assert!(matches!(error, ReplicaError::OutOfPlace { .. }), "{error}");
        assert_eq!(replica.position(), before.position());
        assert!(replica.root().identical(before.root()));
    };
    out_of_place(&first, &mut replica);
    replica.apply(&old).unwrap();
    out_of_place(&second, &mut replica);
    replica.apply(&first).unwrap();
    out_of_place(&first, &mut replica);
    out_of_place(&third, &mut replica);
    // The same versions of another incarnation are elsewhere, too.
    let mut foreign = second.clone();
    foreign.epoch.number += 1;
    out_of_place(&foreign, &mut replica);

    let resume = headwater_core::Cursor {
        position: replica.position(),
        ..from_old
    };
    assert_eq!(server.poll("room", &resume).unwrap().to, second.to);
    replica.apply(&second).unwrap();
    replica.apply(&third).unwrap();
    assert_eq!(replica.root().canonical(), server.text("room"));
}

#[test]
fn a_patch_that_does_not_apply_in_its_place_says_that_the_replica_diverged() {
    let server = room();
    let snapshot = frames(&server).remove(0);
    let mut replica = Replica::new();
    replica.apply(&snapshot).unwrap();
    let wrong = Frame {
        epoch: snapshot.epoch,
        to: Version(1),
        body: Body::Patch {
            from: Version(0),
            patch: patch(r#"[{"op":"remove","path":"/n"},{"op":"remove","path":"/nothing"}]"#),
        },
    };
    let error = replica.apply(&wrong).unwrap_err();
    assert!(matches!(error, ReplicaError::Diverged(_)), "{error}");
    assert_eq!(replica.position(), Some(snapshot.position()));
    assert_eq!(replica.root().canonical(), server.text("room"));
    // A snapshot mends anything.
    assert_eq!(kind(&snapshot), Err(SnapshotReason::Initial));
    replica.apply(&snapshot).unwrap();
}
