//! Sessions that somebody recorded: a text as it was typed, and documents with the batches of games and
//! programs.

use std::io;

use headwater::Key;
use headwater_benches::{Edit, Fleet, PatchTrace, TextTrace, builder};
use headwater_doc::{Limits, Patch, Value};

use crate::{
    input::json_patch,
    measure::{Contest, Effort, Row, repeat},
};

/// A paper written in an editor, with every keystroke recorded: 260,000 edits.
pub(crate) const PAPER: &str = "traces/text/sequential/automerge-paper.json.gz";

/// No row where the data is absent.
///
/// # Errors
///
/// What reading the file reports.
pub(crate) fn edits(effort: Effort) -> io::Result<Vec<Row>> {
    let Some(TextTrace { edits, end }) = TextTrace::read(PAPER)? else {
        return Ok(Vec::new());
    };
    let patches: Vec<Patch> = edits.iter().map(Edit::to_patch).collect();
    let limits = Limits::default();
    let row = Contest::new("recorded text, splices")
        .by("headwater", |count| {
            repeat(count, || {
                let mut document = Value::from("");
                for patch in &patches {
                    let applied = patch.apply(&mut document, &limits);
                    let applied = applied.expect("within the text");
                    assert!(!applied.touched(patch).is_empty());
                }
                assert_eq!(document.as_str().as_deref(), Some(end.as_str()));
                document
            });
        })
        .by("std String", |count| {
            repeat(count, || {
                let mut text = String::new();
                for edit in &edits {
                    text.replace_range(edit.range.clone(), &edit.insert);
                }
                assert_eq!(text, end);
                text
            });
        })
        .held(effort)
        .per_second(edits.len());
    Ok(vec![row])
}

/// Two games, whose server sends what each event changes, and two files of which a program or many people
/// make new versions, in batches of up to thousands of operations.
const SESSIONS: [(&str, &str); 4] = [
    (
        "Bomberland",
        "bomberland-B-000-003-0732-f437beb8-2a8f-11ec-9bc3-f02f741fb790.ndjson.gz",
    ),
    ("FUMBBL", "fumbbl-1559380.ndjson.gz"),
    (
        "Excalidraw's statistics",
        "excalidraw-stats-first1500.ndjson.gz",
    ),
    (
        "rust-analyzer's package.json",
        "rust-analyzer-package-json.ndjson.gz",
    ),
];

/// Batches a second; no row where the data is absent.
///
/// # Errors
///
/// What reading the files reports.
pub(crate) fn batches(effort: Effort) -> io::Result<Vec<Row>> {
    let mut rows = Vec::new();
    for (name, file) in SESSIONS {
        if let Some(trace) = PatchTrace::read(&format!("traces/patch/{file}"))? {
            rows.push(session(name, &trace, effort));
        }
    }
    Ok(rows)
}

fn session(name: &str, trace: &PatchTrace, effort: Effort) -> Row {
    let PatchTrace { base, batches, end } = trace;
    let theirs: Vec<_> = batches.iter().map(|patch| json_patch(patch)).collect();
    let [their_base, their_end] = [base, end]
        .map(|document| serde_json::from_str(&document.to_string()).expect("it was just written"));
    let (key, engine) = (
        Key::new("session").expect("a short name is a key"),
        Fleet::of(builder(), []).engine,
    );
    let limits = Limits::default();
    Contest::new(format!("recorded batches of {name}, each a commit"))
        .by("headwater", |count| {
            repeat(count, || trace.replay(&engine, &key));
        })
        .by("headwater, applied only", |count| {
            repeat(count, || {
                let mut document = base.clone();
                for patch in batches {
                    let applied = patch.apply(&mut document, &limits);
                    drop(applied.expect("it was applied before"));
                }
                assert!(document == *end);
                document
            });
        })
        .by("json-patch", |count| {
            repeat(count, || {
                let mut document: serde_json::Value = Clone::clone(&their_base);
                for patch in &theirs {
                    let applied = json_patch::patch(&mut document, patch);
                    applied.expect("it was applied before");
                }
                assert!(document == their_end);
                document
            });
        })
        .held(effort)
        .per_second(batches.len())
}
