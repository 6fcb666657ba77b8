use std::{hint::black_box, sync::Arc};

use headwater_benches::{player_experience, replace};
use headwater_doc::{Limits, Patch, Value};

use crate::{
    input::{Document, RandomOrder},
    measure::{Contest, Effort, Row, repeat},
    persistent::{Imbl, Library, Rpds, Tree},
};

const RECORDS: usize = 10_000;

/// A scalar of a random record, with a snapshot held from each commit to the next, so that all that
/// is changed is shared.
pub(crate) fn commits(effort: Effort) -> Vec<Row> {
    let document = Document::room("10,000 records", RECORDS);
    let serde_json = document.serde_json();
    let row = Contest::new(format!(
        "replace at depth 3, random of {}, snapshot held",
        document.name
    ))
    .by("headwater", ours(&document))
    .by("imbl", persistent::<Imbl>(&serde_json))
    .by("rpds", persistent::<Rpds>(&serde_json))
    .held(effort);
    vec![row]
}

fn ours(document: &Document) -> impl FnMut(u64) + use<> {
    let mut root = document.ours();
    let changes: Vec<Arc<Patch>> = (0..RECORDS)
        .map(|record| replace(&player_experience(record), number(record)))
        .collect();
    let mut records = RandomOrder::of(RECORDS);
    move |count| {
        let mut held = Value::NULL;
        repeat(count, || {
            held = black_box(root.clone());
            let change = changes.get(records.next()).expect("one for each record");
            let applied = change.apply(&mut root, &Limits::default());
            let applied = applied.expect("the path is there");
            assert!(!applied.touched(change).is_empty());
            applied
        });
        assert!(!held.same(&root));
        let changed = root.at(&player_experience(records.latest));
        assert_eq!(
            changed.and_then(Value::as_u64),
            Some(number(records.latest))
        );
    }
}

fn persistent<L: Library>(root: &serde_json::Value) -> impl FnMut(u64) + use<L> {
    let mut root = Tree::<L>::from(root);
    let paths: Vec<Vec<Box<str>>> = (0..RECORDS)
        .map(|record| {
            let path = player_experience(record);
            path.segments().map(Box::from).collect()
        })
        .collect();
    let mut records = RandomOrder::of(RECORDS);
    move |count| {
        let mut held = Tree::Null;
        repeat(count, || {
            held = black_box(root.clone());
            let record = records.next();
            let path = paths.get(record).expect("one for each record");
            let replaced = root.replace(path, Tree::from(number(record)));
            replaced.expect("the path is there");
        });
        assert!(matches!(held, Tree::Object(_)));
        let path = paths.get(records.latest).expect("one for each record");
        assert_eq!(root.as_u64_at(path), Some(number(records.latest)));
    }
}

/// What a record gets: nothing that it had before, so that whether it came can be seen.
const fn number(record: usize) -> u64 {
    1_000_000 + record as u64
}
