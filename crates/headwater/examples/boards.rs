//! A collaboration server in tokio: a board that several people edit at once, with undo, with one who
//! joins late, and with one who reads slowly.
//!
//! `cargo run --example boards`

#![expect(clippy::print_stdout, reason = "an example says what it does")]

use std::{error::Error, time::Duration};

use headwater::{
    Body, Engine, Extensions, Guard, Key, Limits, Outcome, Patch, Rejection, Replica, Seq, Session,
    SubscribeOptions,
};
use tokio::{task::JoinSet, time::sleep};

type Fault = Box<dyn Error + Send + Sync>;

const PEOPLE: u64 = 8;
const CARDS: u64 = 40;

#[tokio::main]
async fn main() -> Result<(), Fault> {
    let engine = Engine::builder().extensions(Extensions::ALL).build()?;
    engine.start()?;
    let board = Key::new("board/plans")?;
    engine.create(&board, r#"{"title": "Plans", "cards": {}}"#.parse()?)?;

    // One reader keeps up and one is slow; both are there from the start.
    let keeps_up = tokio::spawn(follow(engine.clone(), board.clone(), Duration::ZERO));
    let is_slow = tokio::spawn(follow(
        engine.clone(),
        board.clone(),
        Duration::from_millis(20),
    ));

    let mut people = JoinSet::new();
    for number in 1..=PEOPLE {
        people.spawn(write(engine.clone(), board.clone(), number));
    }
    while let Some(wrote) = people.join_next().await {
        wrote??;
    }
    undo(&engine, &board)?;
    conflict(&engine, &board)?;

    // Who joins now gets the board as it is, in one frame.
    let mut late = engine.subscribe(&board, SubscribeOptions::default())?;
    let first = late.next().await?;
    assert!(matches!(first.body, Body::Snapshot { .. }));

    engine.edit(&board, |draft| draft.set("/done", &true))?;
    let head = engine.get(&board).ok_or("no board")?;
    for (who, reader) in [("keeps up", keeps_up), ("is slow", is_slow)] {
        let (replica, frames) = reader.await??;
        assert_eq!(replica.root(), &head.root, "P5: all see the same");
        println!(
            "who {who} got {frames} frames for {} versions",
            head.position.version
        );
    }
    let report = engine.shutdown(Duration::from_secs(1)).await;
    assert_eq!((engine.tasks(), report.left), (0, 0), "P8: no task is left");
    Ok(())
}

/// Adds cards, one batch after the other.
async fn write(engine: Engine, board: Key, number: u64) -> Result<(), Fault> {
    let session = engine.open_session()?;
    for card in 1..=CARDS {
        let patch = patch(&format!(
            r#"[{{"op": "add", "path": "/cards/{number}-{card}", "value": {{"text": "card {card}", "votes": 0}}}}]"#
        ))?;
        let batch = session.batch(&board, Seq(card), patch);
        let outcome = engine.submit_queued(batch).await;
        assert!(matches!(outcome, Outcome::Applied { .. }), "{outcome:?}");
        sleep(Duration::from_millis(1)).await;
    }
    Ok(())
}

/// Follows the board until it is done, `pause` between two looks; what it holds then, and how many frames
/// that took.
async fn follow(engine: Engine, board: Key, pause: Duration) -> Result<(Replica, u64), Fault> {
    let mut subscription = engine.subscribe(&board, SubscribeOptions::default())?;
    let mut replica = Replica::new();
    let mut frames = 0;
    while replica
        .root()
        .as_object()
        .is_none_or(|root| root.get("done").is_none())
    {
        replica.apply(&subscription.next().await?)?;
        frames += 1;
        sleep(pause).await;
    }
    Ok((replica, frames))
}

/// Votes for a card, and takes the vote back: the commit's inverse is a patch like any other.
fn undo(engine: &Engine, board: &Key) -> Result<(), Fault> {
    let session = engine.open_session()?;
    let before = engine.get(board).ok_or("no board")?;
    let vote = patch(r#"[{"op": "increment", "path": "/cards/1-1/votes", "by": 1}]"#)?;
    let version = applied(session.submit(board, Seq(1), vote))?;
    let commit = engine
        .commit(board, version)
        .ok_or("no longer remembered")?;
    applied(session.submit(board, Seq(2), commit.inverse().into_owned()))?;
    assert_eq!(engine.get(board).ok_or("no board")?.root, before.root);
    Ok(())
}

/// Two people rename the board at once. The second is told what it did not know.
fn conflict(engine: &Engine, board: &Key) -> Result<(), Fault> {
    let (ada, bob) = (engine.open_session()?, engine.open_session()?);
    let seen = engine.position(board).ok_or("no board")?;
    let rename = |session: &Session, title: &str| -> Result<Outcome, Fault> {
        let text = format!(r#"[{{"op": "replace", "path": "/title", "value": "{title}"}}]"#);
        let mut batch = session.batch(board, Seq(1), patch(&text)?);
        batch.guard = Guard::Untouched(seen);
        Ok(engine.submit(&batch))
    };
    applied(rename(&ada, "Ada's plans")?)?;
    let Outcome::Rejected(Rejection::Conflict(conflict)) = rename(&bob, "Bob's plans")? else {
        return Err("the second one should hear of the first".into());
    };
    println!(
        "Bob is told: {conflict}, among them {:?}",
        conflict.paths.first()
    );
    Ok(())
}

fn applied(outcome: Outcome) -> Result<headwater::Version, Fault> {
    match outcome {
        Outcome::Applied { version } => Ok(version),
        other => Err(format!("{other:?}").into()),
    }
}

fn patch(text: &str) -> Result<Patch, Fault> {
    Ok(Patch::parse(
        text.as_bytes(),
        &Limits::default(),
        Extensions::ALL,
    )?)
}
