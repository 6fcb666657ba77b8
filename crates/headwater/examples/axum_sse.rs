//! Headwater inside axum: `GET /docs/{key}` follows a document as server-sent events, `POST` changes it.
//! A client that reconnects names the last event that it saw, and gets what it missed.
//!
//! `cargo run --example axum_sse -- 3000`; `axum_sse.curl.sh` beside this file talks to it.

#![expect(clippy::print_stdout, reason = "an example says what it does")]

use std::{convert::Infallible, env, error::Error};

use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::sse::{Event, Sse};
use axum::{Router, body::Bytes, routing::get};
use futures_core::Stream;
use headwater::{Encoding, Engine, Extensions, Key, Limits, Patch, SubscribeOptions, Subscription};

/// Long enough for a change of it to be less than the whole.
const HELLO: &str = r#"{
    "about": "Change the greeting, and who follows gets the change, not the whole document.",
    "advice": "Come back with the id of the last event, and get only what came since then.",
    "greeting": "hello"
}"#;

type Fault = (StatusCode, String);

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let engine = Engine::builder().build()?;
    engine.start()?;
    engine.create(&Key::new("hello")?, HELLO.parse()?)?;
    let port = env::args().nth(1).unwrap_or_else(|| "0".to_owned());
    let listener = tokio::net::TcpListener::bind(format!("127.0.0.1:{port}")).await?;
    println!("http://{}/docs/hello", listener.local_addr()?);
    let app = Router::new().route("/docs/{key}", get(follow).post(change));
    Ok(axum::serve(listener, app.with_state(engine)).await?)
}

async fn follow(
    State(engine): State<Engine>,
    Path(key): Path<String>,
    headers: HeaderMap,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>, Fault> {
    let key = Key::new(&key).map_err(|error| fault(StatusCode::BAD_REQUEST, error))?;
    let seen = headers.get("last-event-id").and_then(|id| id.to_str().ok());
    let options = SubscribeOptions {
        from: seen.and_then(|id| id.parse().ok()),
        ..SubscribeOptions::default()
    };
    let subscription = engine.subscribe(&key, options);
    let subscription = subscription.map_err(|error| fault(StatusCode::NOT_FOUND, error))?;
    Ok(Sse::new(futures_util::stream::unfold(
        subscription,
        next_event,
    )))
}

async fn next_event(mut of: Subscription) -> Option<(Result<Event, Infallible>, Subscription)> {
    let bytes = of.next_bytes(Encoding::Json).await.ok()?;
    let event = Event::default().id(of.position()?.to_string());
    Some((Ok(event.data(String::from_utf8_lossy(&bytes))), of))
}

async fn change(
    State(engine): State<Engine>,
    Path(key): Path<String>,
    body: Bytes,
) -> Result<String, Fault> {
    let key = Key::new(&key).map_err(|error| fault(StatusCode::BAD_REQUEST, error))?;
    let patch = Patch::parse(&body, &Limits::default(), Extensions::NONE);
    let patch = patch.map_err(|error| fault(StatusCode::BAD_REQUEST, error))?;
    let version = engine.apply(&key, patch);
    let version = version.map_err(|error| fault(StatusCode::CONFLICT, error))?;
    Ok(format!("version {version}\n"))
}

fn fault(status: StatusCode, error: impl Error) -> Fault {
    (status, error.to_string())
}
