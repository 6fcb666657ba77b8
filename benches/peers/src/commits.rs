//! One scalar takes another's place through the engine: looked up, locked, checked, versioned, kept in
//! the history with its inverse. What rivals do is the change alone.

use std::sync::Arc;

use headwater::{
    Engine, Extensions, HistoryBounds, Key, Limits, Outcome, Patch, Seq, SubscribeOptions, Value,
    Version,
};
use headwater_benches::{Fleet, PLAYER_HP, Turns, builder, player_key, replace};

use crate::{
    input::{self, Document, RandomOrder},
    measure::{Contest, Effort, Row, repeat},
    patches::{NUMBERS, json_patch_from_text, json_patch_on},
    stores::{self, DOCUMENTS, Stored, concurrent_map, documents, locked_map},
};

/// On one document, over and over.
pub(crate) fn on_one(effort: Effort) -> Vec<Row> {
    let document = Document::of_1kb();
    let alone = alone(&document, effort);
    let followed = followed(&document, effort);
    let times = followed.over(&alone, "commit with a subscriber over commit alone");
    vec![
        alone,
        followed,
        times,
        submitted(&document, effort),
        from_text(&document, effort),
    ]
}

fn alone(document: &Document, effort: Effort) -> Row {
    let place = Place::of(document);
    let mut turns = place.turns();
    Contest::new(format!("commit a replace at depth 3, {}", document.name))
        .by("headwater", |count| {
            let before = place.version();
            repeat(count, || {
                let (_, patch) = turns.next();
                let applied = place.engine.apply(&place.key, Arc::clone(patch));
                applied.expect("the path is there")
            });
            assert_eq!(place.version().0, before.0 + count);
            assert_eq!(place.number(), Some(turns.latest().0));
        })
        .by("json-patch", json_patch_on(document))
        .held(effort)
}

/// With a subscriber that takes each commit before the next.
fn followed(document: &Document, effort: Effort) -> Row {
    let place = Place::of(document);
    let mut turns = place.turns();
    let options = SubscribeOptions {
        from: place.engine.position(&place.key),
        ..SubscribeOptions::default()
    };
    let subscription = place.engine.subscribe(&place.key, options);
    let mut subscription = subscription.expect("the document is there");
    Contest::new(format!(
        "commit a replace at depth 3 and poll a subscriber, {}",
        document.name
    ))
    .by("headwater", |count| {
        repeat(count, || {
            let (_, patch) = turns.next();
            let version = place.engine.apply(&place.key, Arc::clone(patch));
            let version = version.expect("the path is there");
            let frame = subscription.poll().expect("the document is there");
            assert_eq!(frame.as_ref().map(|frame| frame.to), Some(version));
            frame
        });
        assert_eq!(place.number(), Some(turns.latest().0));
    })
    .held(effort)
}

/// As a client's batches, in the order of their numbers.
fn submitted(document: &Document, effort: Effort) -> Row {
    let place = Place::of(document);
    let mut turns = place.turns();
    let session = place.engine.open_session().expect("room for one session");
    let mut seq = Seq(0);
    Contest::new(format!(
        "submit a replace at depth 3 in a session, {}",
        document.name
    ))
    .by("headwater", |count| {
        repeat(count, || {
            let (_, patch) = turns.next();
            seq = Seq(seq.0 + 1);
            let outcome = session.submit(&place.key, seq, Arc::clone(patch));
            let version = Version(seq.0);
            assert_eq!(outcome, Outcome::Applied { version });
        });
        assert_eq!(place.number(), Some(turns.latest().0));
    })
    .by("json-patch", json_patch_on(document))
    .held(effort)
}

/// From the text of a patch to the commit.
fn from_text(document: &Document, effort: Effort) -> Row {
    let place = Place::of(document);
    let texts = NUMBERS.map(|number| (number, replace(&document.path, number).to_string()));
    let mut turns = Turns::new(texts);
    Contest::new(format!(
        "patch text to commit, one operation, {}",
        document.name
    ))
    .by("headwater", |count| {
        let before = place.version();
        repeat(count, || {
            let (_, text) = turns.next();
            let patch = Patch::parse(text.as_bytes(), &Limits::default(), Extensions::NONE);
            let patch = patch.expect("a patch");
            let applied = place.engine.apply(&place.key, patch);
            applied.expect("the path is there")
        });
        assert_eq!(place.version().0, before.0 + count);
        assert_eq!(place.number(), Some(turns.latest().0));
    })
    .by("serde_json, json-patch", json_patch_from_text(document))
    .held(effort)
}

/// An engine with one document.
struct Place<'a> {
    engine: Engine,
    key: Key,
    document: &'a Document,
}

impl<'a> Place<'a> {
    fn of(document: &'a Document) -> Self {
        let key = player_key(7);
        let Fleet { engine, .. } = Fleet::of(builder(), [(key.clone(), document.ours())]);
        Self {
            engine,
            key,
            document,
        }
    }

    fn turns(&self) -> Turns<(u64, Arc<Patch>)> {
        Turns::new(NUMBERS.map(|number| (number, replace(&self.document.path, number))))
    }

    fn version(&self) -> Version {
        let position = self.engine.position(&self.key);
        position.expect("the document is there").version
    }

    fn number(&self) -> Option<u64> {
        let snapshot = self.engine.get(&self.key)?;
        snapshot.root.at(&self.document.path)?.as_u64()
    }
}

/// How many commits each of many documents keeps. With the default of 4,096 the histories would grow
/// during the whole measurement; these are full before it begins, so that each commit pays for the end
/// of another.
const HISTORY: usize = 16;

/// So many patches that a document seldom gets the number that it has.
const PATCHES: u64 = 64;

/// On one of many documents, by chance.
pub(crate) fn among_many(effort: Effort) -> Vec<Row> {
    let documents = documents();
    let engine = with_full_histories(&documents);
    let concurrent = concurrent_map(&documents);
    let locked = locked_map(&documents);
    let path = PLAYER_HP.parse().expect("a pointer");
    let patches: Vec<_> = (0..PATCHES).map(|number| replace(&path, number)).collect();
    let theirs: Vec<_> = patches
        .iter()
        .map(|patch| input::json_patch(patch))
        .collect();
    let mut versions = vec![HISTORY as u64; DOCUMENTS];
    let row = Contest::new(format!(
        "commit a replace at depth 3, random of 10,000 of 0.8 KB, history of {HISTORY}"
    ))
    .by("headwater", {
        let mut commit = at_random(&patches, |index, patch| {
            let stored = documents.get(index).expect("within the list");
            let before = versions.get_mut(index).expect("one for each");
            *before += 1;
            let version = engine.apply(&stored.key, Arc::clone(patch));
            assert_eq!(version.map(|version| version.0), Ok(*before));
        });
        let (documents, engine, path) = (&documents, &engine, &path);
        move |count| {
            let (index, number) = commit(count);
            let stored = documents.get(index).expect("within the list");
            let snapshot = engine.get(&stored.key).expect("the document is there");
            let changed = snapshot.root.at(path).and_then(Value::as_u64);
            assert_eq!(changed, Some(number));
        }
    })
    .by("DashMap, json-patch", {
        let mut commit = at_random(&theirs, |index, patch| {
            let stored = documents.get(index).expect("within the list");
            let document = concurrent.get_mut(stored.key.as_str());
            let mut document = document.expect("the document is there");
            json_patch::patch(&mut document, patch).expect("the path is there");
        });
        let (documents, concurrent) = (&documents, &concurrent);
        move |count| {
            let (index, number) = commit(count);
            let stored = documents.get(index).expect("within the list");
            let document = concurrent.get(stored.key.as_str());
            let changed = document.and_then(|document| document.pointer(PLAYER_HP)?.as_u64());
            assert_eq!(changed, Some(number));
        }
    })
    .by("RwLock<HashMap>, json-patch", {
        let mut commit = at_random(&theirs, |index, patch| {
            let stored = documents.get(index).expect("within the list");
            let mut documents = locked.write();
            let document = documents.get_mut(stored.key.as_str());
            let document = document.expect("the document is there");
            json_patch::patch(document, patch).expect("the path is there");
        });
        let (documents, locked) = (&documents, &locked);
        move |count| {
            let (index, number) = commit(count);
            let stored = documents.get(index).expect("within the list");
            let locked = locked.read();
            let document = locked.get(stored.key.as_str());
            let changed = document.and_then(|document| document.pointer(PLAYER_HP)?.as_u64());
            assert_eq!(changed, Some(number));
        }
    })
    .held(effort);
    vec![row]
}

fn with_full_histories(documents: &[Stored]) -> Engine {
    let builder = builder().history(HistoryBounds {
        commits_min: HISTORY,
        commits_max: HISTORY,
        ..HistoryBounds::default()
    });
    let engine = stores::engine(builder, documents);
    let path = PLAYER_HP.parse().expect("a pointer");
    for number in 0..HISTORY as u64 {
        let patch = replace(&path, PATCHES + number);
        for stored in documents {
            let applied = engine.apply(&stored.key, Arc::clone(&patch));
            applied.expect("the path is there");
        }
    }
    engine
}

/// One document after another gets one patch after another. Yields the index of the last document, and
/// the number that it was given.
fn at_random<'a, P>(
    patches: &'a [P],
    mut commit: impl FnMut(usize, &'a P),
) -> impl FnMut(u64) -> (usize, u64) {
    let mut order = RandomOrder::of(DOCUMENTS);
    let mut turns = (0..).zip(patches).cycle();
    move |count| {
        let mut latest = 0;
        repeat(count, || {
            let (number, patch) = turns.next().expect("an endless list");
            commit(order.next(), patch);
            latest = number;
        });
        (order.latest, latest)
    }
}
