//! Whole documents: snapshots, text to tree and back, differences.

use std::hint::black_box;

use headwater_benches::replace;
use headwater_doc::{Extensions, Limits, Value, diff};
use sonic_rs::{JsonContainerTrait as _, JsonValueTrait as _};

use crate::{
    input::{self, Document, json_patch},
    measure::{Contest, Effort, Row, repeat},
    persistent::{Imbl, Library, Rpds, Tree},
};

/// A clone and its drop.
pub(crate) fn snapshots(effort: Effort) -> Vec<Row> {
    let documents = [
        Document::of_1kb(),
        Document::of_100kb(),
        Document::of_1mb(),
        Document::of_10mb(),
    ];
    let row = |document: &Document| {
        let (ours, serde_json) = (document.ours(), document.serde_json());
        Contest::new(format!("snapshot, {}", document.name))
            .by("headwater", |count| {
                repeat(count, || {
                    let snapshot = black_box(&ours).clone();
                    assert!(snapshot.same(&ours));
                    snapshot
                });
            })
            .by("serde_json", |count| {
                let members = serde_json.as_object().map(serde_json::Map::len);
                repeat(count, || {
                    let snapshot = black_box(&serde_json).clone();
                    assert_eq!(snapshot.as_object().map(serde_json::Map::len), members);
                    snapshot
                });
            })
            .by("imbl", cloned::<Imbl>(&serde_json))
            .by("rpds", cloned::<Rpds>(&serde_json))
            .held(effort)
    };
    documents.iter().map(row).collect()
}

/// The same of a tree of persistent maps, whose root is shared, too.
fn cloned<L: Library>(root: &serde_json::Value) -> impl FnMut(u64) + use<L> {
    let tree = Tree::<L>::from(root);
    let members = tree.members();
    move |count| {
        repeat(count, || {
            let snapshot = black_box(&tree).clone();
            assert_eq!(snapshot.members(), members);
            snapshot
        });
    }
}

/// Text to tree, its drop included, and tree to text in memory that is there already.
pub(crate) fn text(effort: Effort) -> Vec<Row> {
    let documents = [Document::of_1kb(), Document::of_100kb(), Document::of_1mb()];
    let parse = documents.iter().map(|document| parse(document, effort));
    let write = documents.iter().map(|document| write(document, effort));
    parse.chain(write).collect()
}

fn parse(document: &Document, effort: Effort) -> Row {
    let text = document.text.as_bytes();
    let ours = document.ours();
    let members = ours.as_object().map(|object| object.len());
    assert_eq!(ours.to_string(), document.text);
    assert_eq!(document.serde_json().to_string(), document.text);
    Contest::new(format!("parse, {}", document.name))
        .by("headwater", move |count| {
            repeat(count, || {
                let value = input::ours(black_box(text));
                assert_eq!(value.as_object().map(|object| object.len()), members);
                value
            });
        })
        .by("serde_json", move |count| {
            repeat(count, || {
                let value = input::serde_json(black_box(text));
                assert_eq!(value.as_object().map(serde_json::Map::len), members);
                value
            });
        })
        .by("sonic-rs", move |count| {
            repeat(count, || {
                let value = input::sonic_rs(black_box(text));
                assert_eq!(value.as_object().map(sonic_rs::Object::len), members);
                value
            });
        })
        .held(effort)
}

fn write(document: &Document, effort: Effort) -> Row {
    let text = document.text.as_str();
    let (ours, serde_json) = (document.ours(), document.serde_json());
    let sonic_rs = input::sonic_rs(text.as_bytes());
    assert!(sonic_rs.is_object());
    let bytes = || Vec::<u8>::with_capacity(text.len());
    let (mut out, mut serde_out, mut sonic_out) =
        (String::with_capacity(text.len()), bytes(), bytes());
    Contest::new(format!("write, {}", document.name))
        .by("headwater", move |count| {
            repeat(count, || {
                out.clear();
                black_box(&ours).write(&mut out)
            });
            assert_eq!(out, text);
        })
        .by("serde_json", move |count| {
            repeat(count, || {
                serde_out.clear();
                serde_json::to_writer(&mut serde_out, black_box(&serde_json)).expect("written");
            });
            assert_eq!(serde_out, text.as_bytes());
        })
        .by("sonic-rs", move |count| {
            repeat(count, || {
                sonic_out.clear();
                sonic_rs::to_writer(&mut sonic_out, black_box(&sonic_rs)).expect("written");
            });
            assert_eq!(sonic_out, text.as_bytes());
        })
        .held(effort)
}

/// The patch from a document to what one change made of it; both are held.
pub(crate) fn differences(effort: Effort) -> Vec<Row> {
    let document = Document::of_1mb();
    let change = replace(&document.path, 1_000_001);
    let old = document.ours();
    let mut new = old.clone();
    let applied = change.apply(&mut new, &Limits::default());
    applied.expect("the path is there");

    let their_change = json_patch(&change);
    let their_old = document.serde_json();
    let mut their_new = their_old.clone();
    json_patch::patch(&mut their_new, &their_change).expect("the path is there");

    let row = Contest::new(format!("diff after one change, {}", document.name))
        .by("headwater", |count| {
            repeat(count, || {
                let patch = diff(black_box::<&Value>(&old), black_box(&new), Extensions::NONE);
                assert_eq!(patch, *change);
                patch
            });
        })
        .by("json-patch", |count| {
            repeat(count, || {
                let patch = json_patch::diff(black_box(&their_old), black_box(&their_new));
                assert_eq!(patch, their_change);
                patch
            });
        })
        .held(effort);
    vec![row]
}
