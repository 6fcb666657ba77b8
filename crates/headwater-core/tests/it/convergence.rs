//! P5: for every version in the window, frames one by one ≡ squash ≡ snapshot.

use std::{collections::BTreeMap, sync::Arc};

use headwater_core::{
    Body, DocumentOptions, Frame, Mode, Replica, Snapshot, SnapshotReason, Version,
};
use headwater_doc::{Extensions, Limits, Number, Operation, Patch, Pointer, Value, View};

use crate::{
    pair::{Server, cursor, json, key, kind},
    random::{Random, for_seeds},
};

/// P5.
#[test]
fn whatever_way_a_subscriber_comes_to_the_head_it_holds_the_same_bytes() {
    let mut seen = BTreeMap::new();
    let all = for_seeds("whatever_way_a_subscriber_comes", 12, |seed| {
        for shape in 0..SHAPES {
            check(seed, shape, &mut seen);
        }
    });
    // Without each of these the test would prove less than it says.
    for word in ["commit", "squash", "single_squash", "cheaper_than_delta"] {
        assert!(!all || seen.contains_key(word), "no {word}: {seen:?}");
    }
}

const COMMITS: u64 = 24;
const SHAPES: u64 = 7;

/// Documents of different kinds: flat and deep, small and chunked, text, a lone scalar.
fn document(shape: u64, random: &mut Random) -> Value {
    let number = |random: &mut Random| Value::from(random.below(1_000));
    match shape {
        0 => json(r#"{"a":1,"b":"two","c":[1,2.5,"x"],"d":{"e":{}}}"#),
        1 => (0..300).map(|_| number(random)).collect(),
        2 => (0..300)
            .map(|index| (format!("key{index}"), number(random)))
            .collect(),
        3 => {
            let text: String = (0..3_000)
                .map(|_| *random.pick(&['a', 'é', '漢', '\u{1f600}', '\n']))
                .collect();
            [("text", Value::from(text))].into_iter().collect()
        }
        4 => (0..80)
            .map(|index: u64| -> Value {
                [
                    ("id", Value::from(index)),
                    ("name", Value::from(format!("record {index}"))),
                    ("tags", json(r#"["a","b"]"#)),
                ]
                .into_iter()
                .collect()
            })
            .collect(),
        5 => Value::from(0_u64),
        _ => {
            json(r#"{"matrix":[[1,2,3],[4,5,6],[7,8,9]],"long":"short no more, some forty bytes"}"#)
        }
    }
}

/// Any pointer into the value, with what is there.
fn any_path<'a>(root: &'a Value, random: &mut Random) -> (Pointer, &'a Value) {
    let (mut path, mut value) = (Pointer::root(), root);
    while !random.one_in(4) {
        match value.view() {
            View::Array(array) if !array.is_empty() => {
                let index = random.index(array.len());
                path = path.element(index);
                value = array.get(index).unwrap();
            }
            View::Object(object) if !object.is_empty() => {
                let index = random.index(object.len());
                let (name, child) = object.iter().nth(index).unwrap();
                path = path.child(name);
                value = child;
            }
            _ => break,
        }
    }
    (path, value)
}

fn any_value(random: &mut Random) -> Value {
    match random.below(7) {
        0 => Value::from(random.below(100)),
        1 => json("-1.5"),
        2 => Value::from("word"),
        3 => json(r#"{"n":1,"s":"deep","l":[1]}"#),
        4 => json("[3,2,1]"),
        5 => Value::from(random.one_in(2)),
        _ => Value::default(),
    }
}

fn any_operation(root: &Value, random: &mut Random) -> Operation {
    let (path, value) = any_path(root, random);
    match (value.view(), random.below(10)) {
        (View::Array(array), 0..=3) => {
            let index = random.index(array.len() + 1);
            let remove = random.index((array.len() - index).min(3) + 1);
            let insert = (0..random.below(3)).map(|_| any_value(random)).collect();
            Operation::Splice {
                path,
                index,
                remove,
                insert,
            }
        }
        (View::Array(array), 4 | 5) => Operation::Add {
            path: path.element(random.index(array.len() + 1)),
            value: any_value(random),
        },
        (View::Object(_), 0..=3) => Operation::Add {
            path: path.child(random.pick::<&str>(&["a", "new", "key7", "~/"])),
            value: any_value(random),
        },
        (View::String(text), 0..=6) => {
            let len = text.to_cow().chars().count();
            let index = random.index(len + 1);
            Operation::Splice {
                path,
                index,
                remove: random.index((len - index).min(9) + 1),
                insert: Value::from(*random.pick(&["", "é", "some text", "漢字"])),
            }
        }
        (View::Number(_), 0..=5) => Operation::Increment {
            path,
            by: Number::from(random.below(9)),
        },
        (_, 7) => Operation::Move {
            path: any_path(root, random).0,
            from: path,
        },
        (_, 8) => Operation::Copy {
            path: any_path(root, random).0,
            from: path,
        },
        // The whole document is replaced seldom, or little is left to see.
        (_, 9) if !path.is_root() => Operation::Remove { path },
        _ if path.is_root() && !random.one_in(20) => Operation::Test {
            value: value.clone(),
            path,
        },
        _ => Operation::Replace {
            path,
            value: any_value(random),
        },
    }
}

fn check(seed: u64, shape: u64, seen: &mut BTreeMap<&'static str, u64>) {
    let mut random = Random::new(seed << 8 | shape);
    let mut server = Server::new();
    let key = key("room");
    let root = document(shape, &mut random);
    let options = DocumentOptions::default();
    server
        .shard
        .create(server.now, &key, root, options)
        .unwrap();
    let mut recorded = vec![server.text("room")];
    while recorded.len() as u64 <= COMMITS {
        let root = server.snapshot("room").root.clone();
        let count = 1 + random.below(3);
        let patch: Patch = (0..count)
            .map(|_| any_operation(&root, &mut random))
            .collect();
        let before = server.text("room");
        match server.shard.apply(server.now, &key, Arc::new(patch)) {
            Ok(_) => recorded.push(server.text("room")),
            // P3: as it was.
            Err(_) => assert_eq!(server.text("room"), before),
        }
    }

    let recorded_at = |version: Version| &recorded[usize::try_from(version.0).unwrap()];
    for from in (0..=COMMITS).map(Version) {
        let old = server.rewind("room", from.0).unwrap();
        assert_eq!(&old.root.canonical(), recorded_at(from));
        let mut by_hand = unshared(&old);
        for version in (from.0 + 1..=COMMITS).map(Version) {
            let commit = server.shard.commit(&key, version).unwrap();
            commit.patch.apply(&mut by_hand, &Limits::NONE).unwrap();
            assert_eq!(&by_hand.canonical(), recorded_at(version));
        }
        for mode in [Mode::EveryCommit, Mode::Latest] {
            for (increment, splice) in [(false, false), (false, true), (true, false), (true, true)]
            {
                let extensions = Extensions { increment, splice };
                let mut cursor = cursor(Some(old.position), mode, extensions);
                let mut replica = replica(&old);
                while let Some(frame) = server.poll("room", &cursor) {
                    let word = describe(&frame, &server, extensions);
                    *seen.entry(word).or_default() += 1;
                    replica.apply(&frame).unwrap();
                    assert_eq!(&replica.root().canonical(), recorded_at(frame.to));
                    assert!(mode == Mode::EveryCommit || frame.to == Version(COMMITS));
                    cursor.position = Some(frame.position());
                }
                assert_eq!(replica.root().canonical(), server.text("room"));
            }
        }
    }
}

/// What kind of frame it is; checks that the subscriber can read it.
fn describe(frame: &Frame, server: &Server, extensions: Extensions) -> &'static str {
    let Body::Patch { from, patch } = &frame.body else {
        return kind(frame).unwrap_err().code();
    };
    assert!(extensions.include(patch.extensions()));
    let commit = server.shard.commit(&key("room"), frame.to).unwrap();
    if from.next() < frame.to {
        "squash"
    } else if Arc::ptr_eq(&commit.patch, patch) {
        "commit"
    } else {
        "single_squash"
    }
}

/// A copy that shares nothing with the server's, as one on the far side of a link.
fn unshared(snapshot: &Snapshot) -> Value {
    json(&snapshot.root.to_string())
}

fn replica(snapshot: &Snapshot) -> Replica {
    let mut replica = Replica::new();
    let frame = Frame {
        epoch: snapshot.position.epoch,
        to: snapshot.position.version,
        body: Body::Snapshot {
            root: unshared(snapshot),
            reason: SnapshotReason::Initial,
        },
    };
    replica.apply(&frame).unwrap();
    replica
}
