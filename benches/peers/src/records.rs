use std::{collections::VecDeque, sync::Arc};

use headwater::Key;
use headwater_benches::{Fleet, Turns, builder, player_experience, replace};
use headwater_doc::{Limits, Patch, Pointer};

use crate::{
    input::{Document, RandomOrder},
    measure::{Contest, Effort, Row, repeat},
    patches::NUMBERS,
    persistent::{Imbl, Library, Rpds, Tree},
};

const RECORDS: usize = 10_000;

/// A scalar of a random record, in a document of which old versions are held, so that all that is
/// changed is shared: in the engine with many versions, and without it with the latest alone.
pub(crate) fn commits(effort: Effort) -> Vec<Row> {
    let document = Document::room("10,000 records", RECORDS);
    let serde_json = document.serde_json();
    let all = Contest::new(format!(
        "commit a replace at depth 3, random of {}, last 10,000 versions held",
        document.name
    ))
    .by("headwater", committed(&document))
    .by("imbl", persistent::<Imbl>(&serde_json, VERSIONS))
    .by("rpds", persistent::<Rpds>(&serde_json, VERSIONS))
    .held(effort);
    let latest = Contest::new(format!(
        "replace at depth 3 in a value, random of {}, latest version held",
        document.name
    ))
    .by("headwater", applied(&document))
    .by("imbl", persistent::<Imbl>(&serde_json, 1))
    .by("rpds", persistent::<Rpds>(&serde_json, 1))
    .held(effort);
    vec![all, latest]
}

/// So many that most of what a version has of its own is in no cache when it is let go.
const VERSIONS: usize = 10_000;

/// Through the engine: after each commit a snapshot is got.
fn committed(document: &Document) -> impl FnMut(u64) + use<> {
    let key = Key::new("records").expect("a short name is a key");
    let Fleet { engine, .. } = Fleet::of(builder(), [(key.clone(), document.ours())]);
    let mut version = 0;
    let commit = move |change: &Change| {
        let applied = engine.apply(&key, Arc::clone(&change.patch));
        version += 1;
        assert_eq!(applied.map(|version| version.0), Ok(version));
        engine.get(&key).expect("the document is there")
    };
    holding(VERSIONS, commit, |snapshot, path| {
        snapshot.root.at(path)?.as_u64()
    })
}

fn applied(document: &Document) -> impl FnMut(u64) + use<> {
    let mut root = document.ours();
    let apply = move |Change { patch, .. }: &Change| {
        let applied = patch.apply(&mut root, &Limits::default());
        let applied = applied.expect("the path is there");
        assert!(!applied.touched(patch).is_empty());
        root.clone()
    };
    holding(1, apply, |root, path| root.at(path)?.as_u64())
}

fn persistent<L: Library>(root: &serde_json::Value, versions: usize) -> impl FnMut(u64) + use<L> {
    let mut root = Tree::<L>::from(root);
    let replace = move |change: &Change| {
        let replaced = root.replace(&change.names, Tree::from(change.number));
        replaced.expect("the path is there");
        root.clone()
    };
    holding(versions, replace, |root, path| root.as_u64_at(&names(path)))
}

/// What a record gets: nothing that it has.
struct Change {
    number: u64,
    patch: Arc<Patch>,
    /// Where it is, for who has no patches.
    names: Vec<Box<str>>,
}

impl Change {
    fn new(path: &Pointer, number: u64) -> Self {
        Self {
            number,
            patch: replace(path, number),
            names: names(path),
        }
    }
}

fn names(path: &Pointer) -> Vec<Box<str>> {
    path.segments().map(Box::from).collect()
}

/// Changes one record after another, and holds the last versions.
fn holding<S>(
    versions: usize,
    mut commit: impl FnMut(&Change) -> S,
    number_at: impl Fn(&S, &Pointer) -> Option<u64>,
) -> impl FnMut(u64) {
    let mut changes: Vec<_> = (0..RECORDS)
        .map(|record| {
            let path = player_experience(record);
            Turns::new(NUMBERS.map(|number| Change::new(&path, number)))
        })
        .collect();
    let mut records = RandomOrder::of(RECORDS);
    let mut held = VecDeque::with_capacity(versions + 1);
    let mut run = move |count| {
        repeat(count, || {
            let change = changes.get_mut(records.next());
            let version = commit(change.expect("one for each record").next());
            held.push_back(version);
            (held.len() > versions).then(|| held.pop_front())
        });
        let change = changes.get(records.latest).expect("one for each record");
        let changed = held.back().and_then(|version| {
            let path = player_experience(records.latest);
            number_at(version, &path)
        });
        assert_eq!(changed, Some(change.latest().number));
    };
    // From here on, each change lets go of a version.
    run(versions as u64);
    run
}
