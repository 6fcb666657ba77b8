use std::{collections::VecDeque, sync::Arc};

use headwater::Key;
use headwater_benches::{Fleet, Turns, builder, player_experience, replace};
use headwater_doc::{Patch, Pointer};

use crate::{
    input::{Document, RandomOrder},
    measure::{Contest, Effort, Row, repeat},
    patches::NUMBERS,
    persistent::{Imbl, Library, Rpds, Tree},
};

const RECORDS: usize = 10_000;

/// So many that most of what a version has of its own is in no cache when it is let go.
const VERSIONS: usize = 10_000;

/// A scalar of a record, in a document of which old versions are held, so that all that is changed is
/// shared.
pub(crate) fn commits(effort: Effort) -> Vec<Row> {
    let document = Document::room("10,000 records", RECORDS);
    let serde_json = document.serde_json();
    let contests = [
        ("one of", "each version held until the next", 1, 1),
        ("random of", "each version held until the next", RECORDS, 1),
        ("random of", "last 10,000 versions held", RECORDS, VERSIONS),
    ];
    let rows = contests.map(|(which, what, records, versions)| {
        let held = Held { records, versions };
        Contest::new(format!(
            "commit a replace at depth 3, {which} {}, {what}",
            document.name
        ))
        .by("headwater", committed(&document, held))
        .by("imbl", persistent::<Imbl>(&serde_json, held))
        .by("rpds", persistent::<Rpds>(&serde_json, held))
        .held(effort)
    });
    rows.into()
}

/// How many of the records are changed, and how many versions are held.
#[derive(Clone, Copy)]
struct Held {
    records: usize,
    versions: usize,
}

/// Through the engine: after each commit a snapshot is got.
fn committed(document: &Document, held: Held) -> impl FnMut(u64) + use<> {
    let key = Key::new("records").expect("a short name is a key");
    let Fleet { engine, .. } = Fleet::of(builder(), [(key.clone(), document.ours())]);
    let mut version = 0;
    let commit = move |change: &Change| {
        let applied = engine.apply(&key, Arc::clone(&change.patch));
        version += 1;
        assert_eq!(applied.map(|version| version.0), Ok(version));
        engine.get(&key).expect("the document is there")
    };
    holding(held, commit, |snapshot, path| {
        snapshot.root.at(path)?.as_u64()
    })
}

fn persistent<L: Library>(root: &serde_json::Value, held: Held) -> impl FnMut(u64) + use<L> {
    let mut root = Tree::<L>::from(root);
    let replace = move |change: &Change| {
        let replaced = root.replace(&change.names, Tree::from(change.number));
        replaced.expect("the path is there");
        root.clone()
    };
    holding(held, replace, |root, path| root.as_u64_at(&names(path)))
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
    Held { records, versions }: Held,
    mut commit: impl FnMut(&Change) -> S,
    number_at: impl Fn(&S, &Pointer) -> Option<u64>,
) -> impl FnMut(u64) {
    let mut changes: Vec<_> = (0..records)
        .map(|record| {
            let path = player_experience(record);
            Turns::new(NUMBERS.map(|number| Change::new(&path, number)))
        })
        .collect();
    let mut records = RandomOrder::of(records);
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
