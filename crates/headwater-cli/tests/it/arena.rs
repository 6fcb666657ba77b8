use std::{
    collections::{BTreeMap, BTreeSet},
    io::Read as _,
};

use flate2::read::GzDecoder;
use headwater::{Extensions, Limits, Patch, Value};
use sha2::{Digest as _, Sha256};

#[path = "../../examples/arena/base.rs"]
mod base;
#[path = "../../examples/arena/game.rs"]
mod game;
#[path = "../../examples/arena/player.rs"]
mod player;
#[path = "../../examples/arena/random.rs"]
mod random;
#[path = "../../examples/arena/recording.rs"]
mod recording;
#[path = "../../examples/arena/turn.rs"]
mod turn;

const FILE: &[u8] = include_bytes!("../../data/arena.ndjson.gz");

/// The recording that is kept, as JSON lines.
pub(crate) fn lines() -> String {
    let mut lines = String::new();
    GzDecoder::new(FILE).read_to_string(&mut lines).unwrap();
    lines
}

/// The value of a line's member.
fn member<'a>(line: &'a Value, name: &str) -> &'a Value {
    line.as_object().unwrap().get(name).unwrap()
}

fn text(line: &Value, name: &str) -> String {
    member(line, name).as_str().unwrap().into_owned()
}

fn sha256(value: &Value) -> String {
    Sha256::digest(value.canonical())
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

#[test]
fn the_recording_is_what_the_example_writes() {
    let (kept, played) = (lines(), game::play().unwrap());
    for (line, (kept, played)) in kept.lines().zip(played.lines()).enumerate() {
        assert_eq!(kept, played, "line {}", line + 1);
    }
    assert_eq!(kept.len(), played.len());
}

#[test]
fn the_recording_is_small() {
    assert!(FILE.len() < 200_000, "{} bytes", FILE.len());
    let steps = lines().lines().count() - 1;
    assert!((1_500..=2_500).contains(&steps), "{steps} steps");
}

#[test]
fn the_recording_holds_at_every_step() {
    let lines = lines();
    let mut lines = lines.lines().map(|line| line.parse::<Value>().unwrap());

    let header = lines.next().unwrap();
    assert_eq!(text(&header, "kind"), "header");
    assert_eq!(text(&header, "format"), "rfc6902-trace/1");
    assert_eq!(text(&header, "origin"), "headwater arena example");
    assert_eq!(text(&header, "licence"), "MIT OR Apache-2.0");
    let mut document = member(&header, "base").clone();
    assert_eq!(sha256(&document), text(&header, "sha256"));

    let mut cseqs = BTreeMap::new();
    let mut tick = 0;
    for (seq, step) in (1..).zip(lines) {
        assert_eq!(member(&step, "seq").as_u64(), Some(seq));
        let cseq = cseqs.entry(text(&step, "client")).or_insert(0);
        *cseq += 1;
        assert_eq!(member(&step, "cseq").as_u64(), Some(*cseq), "step {seq}");
        let before = tick;
        tick = member(&step, "tick").as_u64().unwrap();
        assert!(tick >= before, "step {seq}");
        Patch::from_value(member(&step, "ops"), Extensions::NONE)
            .unwrap()
            .apply(&mut document, &Limits::default())
            .unwrap_or_else(|error| panic!("step {seq}: {error}"));
        assert_eq!(sha256(&document), text(&step, "sha256"), "step {seq}");
    }
    assert_eq!(cseqs.len(), 9, "eight players and the server");
}

#[test]
fn the_recording_has_every_operation_and_runs_of_one_client() {
    let lines = lines();
    let steps: Vec<Value> = lines
        .lines()
        .skip(1)
        .map(|line| line.parse().unwrap())
        .collect();
    let operations: BTreeSet<String> = steps
        .iter()
        .flat_map(|step| member(step, "ops").as_array().unwrap().iter())
        .map(|operation| text(operation, "op"))
        .collect();
    let all = ["add", "copy", "move", "remove", "replace", "test"];
    assert!(operations.iter().eq(all), "{operations:?}");

    let clients: Vec<String> = steps.iter().map(|step| text(step, "client")).collect();
    let runs = clients.chunk_by(|left, right| left == right);
    let longest = runs.clone().map(<[_]>::len).max();
    assert!(longest >= Some(5), "{longest:?}");
    assert!(runs.count() > 1_000);
}
