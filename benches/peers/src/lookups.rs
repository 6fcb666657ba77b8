//! Reading one document: through a handle, and by its key among many; and one that comes and goes.

use std::sync::Arc;

use headwater::{Key, Snapshot, Value};
use headwater_benches::builder;

use crate::{
    input::{self, RandomOrder},
    measure::{Contest, Effort, Row, repeat},
    stores::{self, DOCUMENTS, MEMBER, Stored, concurrent_map, documents, locked_map},
};

/// A read of a version that somebody has read before; beside it, the least that lets a reader hold a
/// document and its version.
pub(crate) fn handles(effort: Effort) -> Vec<Row> {
    let documents = documents();
    let engine = stores::engine(builder(), &documents);
    let Stored { key, .. } = documents.first().expect("there are some");
    let handle = engine.handle(key).expect("the document is there");
    let before = handle.read().expect("the document is there");
    let (document, version) = (Arc::new(0_u64), Arc::new(1_u64));
    let row = Contest::new("read through a handle, unchanged version")
        .by("headwater", |count| {
            repeat(count, || {
                let snapshot = handle.read().expect("the document is there");
                assert_eq!(snapshot.position, before.position);
                snapshot
            });
        })
        .by("two std Arcs, cloned", |count| {
            repeat(count, || {
                let clones = (Arc::clone(&document), Arc::clone(&version));
                assert_eq!(*clones.0 + 1, *clones.1);
                clones
            });
        })
        .held(effort);
    vec![row]
}

/// A document that is got by its key, of which a number is read.
pub(crate) fn gets(effort: Effort) -> Vec<Row> {
    let documents = documents();
    let engine = stores::engine(builder(), &documents);
    let concurrent = concurrent_map(&documents);
    let locked = locked_map(&documents);
    let row = Contest::new("get by key and read a number, random of 10,000 of 0.8 KB")
        .by(
            "headwater",
            at_random(&documents, |stored| {
                let snapshot = engine.get(&stored.key).expect("the document is there");
                (number(&snapshot), snapshot)
            }),
        )
        .by(
            "DashMap, clone",
            at_random(&documents, |stored| {
                let document = concurrent.get(stored.key.as_str());
                let document = document.expect("the document is there").clone();
                (their_number(&document), document)
            }),
        )
        .by(
            "DashMap, guard",
            at_random(&documents, |stored| {
                let document = concurrent.get(stored.key.as_str());
                let document = document.expect("the document is there");
                (their_number(&document), document)
            }),
        )
        .by(
            "RwLock<HashMap>, clone",
            at_random(&documents, |stored| {
                let document = locked.read().get(stored.key.as_str()).cloned();
                let document = document.expect("the document is there");
                (their_number(&document), document)
            }),
        )
        .by(
            "RwLock<HashMap>, guard",
            at_random(&documents, |stored| {
                let documents = locked.read();
                let document = documents.get(stored.key.as_str());
                (document.and_then(their_number), documents)
            }),
        )
        .held(effort);
    vec![row]
}

/// A document that is made of its text beside many others, and removed.
pub(crate) fn creations(effort: Effort) -> Vec<Row> {
    let documents = documents();
    let text = documents.first().expect("there are some").text.as_bytes();
    let key = Key::new("visitor").expect("a short name is a key");
    let engine = stores::engine(builder(), &documents);
    let concurrent = concurrent_map(&documents);
    let row = Contest::new("create from text and remove, beside 10,000 of 0.8 KB")
        .by("headwater", |count| {
            repeat(count, || {
                engine.create(&key, input::ours(text)).expect("a new key");
                engine.remove(&key).expect("it is there")
            });
        })
        .by("DashMap, serde_json", |count| {
            repeat(count, || {
                let new = concurrent.insert(key.as_str().to_owned(), input::serde_json(text));
                assert_eq!(new, None);
                concurrent.remove(key.as_str()).expect("it is there")
            });
        })
        .held(effort);
    vec![row]
}

/// Looks for one document after another, and asserts that the number is the one that it has.
fn at_random<'a, T>(
    documents: &'a [Stored],
    mut look: impl FnMut(&'a Stored) -> (Option<u64>, T),
) -> impl FnMut(u64) {
    let mut order = RandomOrder::of(DOCUMENTS);
    move |count| {
        repeat(count, || {
            let stored = documents.get(order.next()).expect("within the list");
            let (number, document) = look(stored);
            assert_eq!(number, Some(stored.number));
            document
        });
    }
}

fn number(snapshot: &Snapshot) -> Option<u64> {
    let object = snapshot.root.as_object()?;
    object.get(MEMBER).and_then(Value::as_u64)
}

fn their_number(document: &serde_json::Value) -> Option<u64> {
    document.get(MEMBER)?.as_u64()
}
