//! Sessions that fall silent.

use std::{collections::BTreeSet, time::Duration};

use headwater_core::{Attachment, Incarnation, Refusal, SessionId, Sessions, Time};

use crate::pair::{INCARNATION, Server, append};

const TIMEOUT: Duration = Duration::from_secs(30);

const fn at(millis: u64) -> Time {
    Time::from_millis(millis)
}

/// All that have expired: the search is asked until it has gone around.
fn expired(sessions: &mut Sessions, now: Time) -> BTreeSet<SessionId> {
    let rounds = 2 + sessions.len().div_ceil(1_024);
    let mut found = BTreeSet::new();
    let mut silent = 0;
    while silent <= rounds {
        match sessions.expired(now, TIMEOUT) {
            Some(session) => {
                assert!(sessions.close(session));
                assert!(found.insert(session), "{session} was closed");
            }
            None => silent += 1,
        }
    }
    found
}

#[test]
fn a_session_expires_when_it_has_been_silent_for_the_timeout_and_not_before() {
    let mut sessions = Sessions::new(INCARNATION, 10);
    let (session, _) = sessions.open(at(500)).unwrap();
    assert_eq!(expired(&mut sessions, at(30_499)), BTreeSet::new());
    assert_eq!(
        expired(&mut sessions, at(30_500)),
        BTreeSet::from([session])
    );
    assert!(sessions.is_empty());
}

#[test]
fn each_sign_of_life_postpones_it() {
    let mut sessions = Sessions::new(INCARNATION, 10);
    let (session, first) = sessions.open(at(0)).unwrap();
    sessions.check(at(20_000), session, first).unwrap();
    assert_eq!(expired(&mut sessions, at(49_999)), BTreeSet::new());
    sessions.attach(at(40_000), session).unwrap();
    assert_eq!(expired(&mut sessions, at(69_999)), BTreeSet::new());
    // One that comes late with an earlier time takes nothing away.
    sessions.check(at(1_000), session, Attachment(2)).unwrap();
    assert_eq!(expired(&mut sessions, at(69_999)), BTreeSet::new());
    assert_eq!(
        expired(&mut sessions, at(70_000)),
        BTreeSet::from([session])
    );
}

/// A connection that was replaced says nothing about the one that replaced it.
#[test]
fn a_fenced_attachment_is_no_sign_of_life() {
    let mut sessions = Sessions::new(INCARNATION, 10);
    let (session, first) = sessions.open(at(0)).unwrap();
    let current = sessions.attach(at(1_000), session).unwrap();
    let fenced = sessions.check(at(25_000), session, first);
    assert_eq!(fenced, Err(Refusal::Fenced { current }));
    let foreign = SessionId {
        incarnation: Incarnation(INCARNATION.0 + 1),
        ..session
    };
    let unknown = sessions.check(at(25_000), foreign, current);
    assert_eq!(unknown, Err(Refusal::UnknownSession));
    assert_eq!(
        sessions.attach(at(25_000), foreign),
        Err(Refusal::UnknownSession)
    );
    assert_eq!(
        expired(&mut sessions, at(31_000)),
        BTreeSet::from([session])
    );
}

/// Any batch that is looked at counts: applied, held, repeated or refused for what it is.
#[test]
fn handing_in_a_batch_is_a_sign_of_life() {
    let batches: [(u64, &str); 5] = [
        (1, &append(1)),
        (1, &append(1)),
        (1, &append(2)),
        (5, &append(5)),
        (0, "[]"),
    ];
    let mut server = Server::new();
    server.create("room", r#"{"log":[]}"#);
    let client = server.client("room");
    for (seq, patch) in batches {
        server.now = server.now + Duration::from_secs(29);
        server.send(&client, seq, patch);
        let now = server.now + Duration::from_millis(29_999);
        assert_eq!(server.sessions.expired(now, TIMEOUT), None, "{seq}");
        assert_eq!(server.sessions.expired(now, TIMEOUT), None, "{seq}");
    }
    let now = server.now + TIMEOUT;
    assert_eq!(server.sessions.expired(now, TIMEOUT), Some(client.session));
    assert!(server.sessions.close(client.session));
    while server.shard.forget(client.session) {}
    assert_eq!(server.shard.counts().held, 0);
    assert!(server.shard.counts().balance());
}

/// P7: each search is bounded, and together they miss none.
#[test]
fn searches_that_go_round_find_all_among_many() {
    let mut sessions = Sessions::new(INCARNATION, 10_000);
    let all: Vec<_> = (0..5_000).map(|_| sessions.open(at(0)).unwrap()).collect();
    for &(session, attachment) in all.iter().filter(|(session, _)| session.number % 7 != 0) {
        sessions.check(at(20_000), session, attachment).unwrap();
    }
    let silent: BTreeSet<_> = all
        .iter()
        .map(|&(session, _)| session)
        .filter(|session| session.number % 7 == 0)
        .collect();
    assert_eq!(expired(&mut sessions, at(30_000)), silent);
    assert_eq!(sessions.len(), 5_000 - silent.len());
    // One far behind thousands that are alive.
    let (last, _) = all[4_998];
    for &(session, attachment) in &all {
        if session != last && !silent.contains(&session) {
            sessions.check(at(40_000), session, attachment).unwrap();
        }
    }
    assert_eq!(expired(&mut sessions, at(50_000)), BTreeSet::from([last]));
    expired(&mut sessions, at(70_000));
    assert!(sessions.is_empty());
    assert_eq!(sessions.heap_bytes(), 0);
}
