//! Subscribers of a part of a document.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use headwater_core::{
    Body, Cursor, Frame, HistoryBounds, Mode, Next, Replica, ShardConfig, SnapshotReason, Version,
};
use headwater_doc::{Extensions, Limits, Patch, Pointer, Value};

use crate::{
    pair::{Server, config, cursor, json, key, kind, patch},
    random::{Random, for_seeds},
};

/// A subscriber of a part, and what it holds on the far side of a link.
struct Part {
    cursor: Cursor,
    replica: Replica,
    /// It is read about once in so many steps.
    pace: u64,
}

impl Part {
    fn new(path: &str, mode: Mode, extensions: Extensions, pace: u64) -> Self {
        Self {
            cursor: Cursor {
                path: path.parse().unwrap(),
                ..cursor(None, mode, extensions)
            },
            replica: Replica::new(),
            pace,
        }
    }

    /// The version up to which it has all there is.
    fn version(&self) -> Option<Version> {
        let held = self.cursor.position?.version;
        Some(held.max(self.cursor.unchanged_to))
    }

    /// What it holds; `None` if nothing is there.
    fn value(&self) -> Option<&Value> {
        self.replica.is_present().then(|| self.replica.root())
    }

    /// Takes one step; what it was, `None` at the head.
    fn step(&mut self, server: &Server) -> Option<&'static str> {
        let next = server.shard.next(server.now, &key("room"), &self.cursor);
        let next = next.expect("a document");
        if let Next::Current(version) = next {
            // A change elsewhere leads to the newest at once, whatever the mode.
            let head = server.shard.position(&key("room")).unwrap();
            assert_eq!(version, head.version);
            let moved = self.version() != Some(version);
            self.cursor.advance(None, version);
            return moved.then_some("moved");
        }
        let asked = next.version();
        let step = next.finish();
        let Some(frame) = step.frame else {
            assert_eq!(asked, step.version);
            self.cursor.advance(None, step.version);
            return Some("nothing");
        };
        assert_eq!(frame.to, step.version);
        let word = self.receive(&frame, server);
        self.cursor.advance(Some(frame.position()), step.version);
        Some(word)
    }

    /// P5: each frame starts where the subscriber is, who has not heard of changes elsewhere.
    fn receive(&mut self, frame: &Frame, server: &Server) -> &'static str {
        let (far, word) = match &frame.body {
            Body::Patch { from, patch } => {
                assert!(self.cursor.extensions.include(patch.extensions()));
                // As text, as it arrives.
                let text = patch.to_string();
                let far = Patch::parse(text.as_bytes(), &Limits::NONE, Extensions::ALL).unwrap();
                let commit = server.shard.commit(&key("room"), frame.to);
                let word = match commit {
                    _ if from.next() < frame.to => "patch over several",
                    Some(commit) if commit.patch.operations().len() == patch.operations().len() => {
                        "patch of one"
                    }
                    _ => "part of one",
                };
                let (from, patch) = (*from, Arc::new(far));
                (Body::Patch { from, patch }, word)
            }
            Body::Snapshot { root, reason } => {
                let (root, reason) = (json(&root.to_string()), *reason);
                (Body::Snapshot { root, reason }, reason.code())
            }
            Body::Absent => (Body::Absent, "absent"),
        };
        let frame = Frame {
            body: far,
            ..frame.clone()
        };
        self.replica.apply(&frame).unwrap();
        word
    }

    /// P5: what it holds is what is there in the model's document at the version up to which it has all.
    fn check(&self, versions: &[Value]) {
        assert_eq!(self.replica.position(), self.cursor.position);
        let Some(version) = self.version() else {
            return;
        };
        let document = &versions[usize::try_from(version.0).unwrap()];
        let expected = self.cursor.path.resolve(document).map(Value::canonical);
        let held = self.value().map(Value::canonical);
        assert_eq!(held, expected, "{:?} at {version}", self.cursor.path);
    }
}

const PATHS: [&str; 12] = [
    "/a",
    "/a/b",
    "/a/b/c",
    "/a/list",
    "/a/list/0",
    "/a/list/1/x",
    "/d",
    "/d/b",
    "/d/list",
    "/t",
    "/~1",
    "",
];

/// What patches are about: the paths that are followed, their neighbours, and what makes them come and
/// go.
const TARGETS: [&str; 20] = [
    "",
    "/a",
    "/a/b",
    "/a/b/c",
    "/a/b/e",
    "/a/list",
    "/a/list/0",
    "/a/list/1",
    "/a/list/-",
    "/a/list/1/x",
    "/d",
    "/d/b",
    "/d/b/c",
    "/d/list",
    "/d/list/0",
    "/d/list/-",
    "/t",
    "/~1",
    "/bc",
    "/a/b/c/n",
];

const VALUES: [&str; 8] = [
    "1",
    r#""a text of some thirty characters""#,
    r#"{"b":{"c":{"n":1},"e":"a text of some thirty characters, and some more"},"list":[{"x":1},{"x":2},3]}"#,
    r#"{"c":{"n":2},"e":"a text of some thirty characters, and some more of it"}"#,
    r#"{"n":1}"#,
    r#"[1,{"x":{"c":5}},"a text of some thirty characters",4,5,6]"#,
    r#"{"x":1}"#,
    "null",
];

fn any_operation(random: &mut Random) -> String {
    let path = *random.pick(&TARGETS);
    let other = *random.pick(&TARGETS);
    let value = *random.pick(&VALUES);
    // The whole document is replaced seldom, or little is left to see.
    let path = if path.is_empty() && !random.one_in(6) {
        "/a/b"
    } else {
        path
    };
    match random.below(20) {
        0..6 => format!(r#"{{"op":"add","path":"{path}","value":{value}}}"#),
        6..9 => format!(r#"{{"op":"remove","path":"{path}"}}"#),
        9..12 => format!(r#"{{"op":"replace","path":"{path}","value":{value}}}"#),
        12..14 => format!(r#"{{"op":"move","from":"{other}","path":"{path}"}}"#),
        14 => format!(r#"{{"op":"copy","from":"{other}","path":"{path}"}}"#),
        15 => format!(r#"{{"op":"increment","path":"{path}","by":3}}"#),
        16 => format!(r#"{{"op":"splice","path":"{path}","index":0,"remove":1,"insert":[7,8]}}"#),
        17 => format!(r#"{{"op":"splice","path":"{path}","index":3,"remove":2,"insert":"é"}}"#),
        18 => r#"{"op":"test","path":"/keep","value":1}"#.to_owned(),
        _ => r#"{"op":"increment","path":"/keep","by":0}"#.to_owned(),
    }
}

fn document() -> String {
    let pad = "x".repeat(3_000);
    format!(
        r#"{{"a":{{"b":{{"c":{{"n":1}},"e":1}},"list":[1,2,3]}},"d":{{"b":1,"list":[]}},"t":"some text","pad":"{pad}","keep":1}}"#
    )
}

/// P5, P6: for any path and any patches, moves across the border, shifting elements and ancestors that
/// come and go included.
#[test]
fn a_subscriber_of_a_part_holds_what_is_there_at_each_version_it_comes_to() {
    let mut seen = BTreeMap::new();
    let all = for_seeds("a_subscriber_of_a_part_holds", 60, |seed| {
        check(seed, &mut seen);
    });
    // Without each of these the test would prove less than it says.
    for word in [
        "absent",
        "appeared",
        "cheaper_than_delta",
        "compacted",
        "initial",
        "moved",
        "nothing",
        "part of one",
        "patch of one",
        "patch over several",
    ] {
        assert!(!all || seen.contains_key(word), "no {word}: {seen:?}");
    }
}

fn check(seed: u64, seen: &mut BTreeMap<&'static str, u64>) {
    let mut random = Random::new(seed);
    let history = *random.pick(&[
        HistoryBounds::default(),
        HistoryBounds {
            age_min: Duration::ZERO,
            commits_min: 5,
            ..HistoryBounds::default()
        },
    ]);
    let mut server = Server::with(ShardConfig {
        history,
        ..config()
    });
    server.create("room", &document());
    let mut versions = vec![json(&document())];
    let mut parts = Vec::new();
    for path in PATHS {
        for mode in [Mode::EveryCommit, Mode::Latest] {
            for extensions in [Extensions::NONE, Extensions::ALL] {
                let pace = *random.pick(&[1, 1, 3, 12]);
                parts.push(Part::new(path, mode, extensions, pace));
            }
        }
    }
    for _ in 0..100 {
        let operations: Vec<_> = (0..1 + random.below(3))
            .map(|_| any_operation(&mut random))
            .collect();
        let patch = patch(&format!("[{}]", operations.join(",")));
        let mut model = json(&versions.last().unwrap().to_string());
        let applied = server
            .shard
            .apply(server.now, &key("room"), Arc::clone(&patch));
        assert_eq!(
            applied.is_ok(),
            patch.apply(&mut model, &Limits::default()).is_ok()
        );
        if applied.is_ok() {
            versions.push(model);
        }
        for part in &mut parts {
            if random.one_in(part.pace) {
                while let Some(word) = part.step(&server) {
                    *seen.entry(word).or_default() += 1;
                    part.check(&versions);
                    if part.pace > 1 && random.one_in(3) {
                        break;
                    }
                }
            }
        }
    }
    let head = server.shard.position(&key("room"));
    for part in &mut parts {
        while part.step(&server).is_some() {}
        assert_eq!(part.version(), head.map(|head| head.version));
        part.check(&versions);
    }
}

/// A subscriber of a part that has all that there was at the beginning.
fn following(path: &str, mode: Mode) -> (Server, Part) {
    let mut server = Server::new();
    server.create("room", &document());
    let mut part = Part::new(path, mode, Extensions::ALL, 1);
    let first = part.step(&server);
    assert!(matches!(first, Some("initial" | "absent")), "{first:?}");
    (server, part)
}

const MODES: [Mode; 2] = [Mode::EveryCommit, Mode::Latest];

#[test]
fn a_change_elsewhere_only_moves_the_position() {
    for mode in MODES {
        let (mut server, mut part) = following("/a/b", mode);
        for path in ["/t", "/a/list/-", "/bc", "/a/be"] {
            server.apply(
                "room",
                &format!(r#"[{{"op":"add","path":"{path}","value":1}}]"#),
            );
        }
        let head = server.shard.position(&key("room")).unwrap();
        let next = server.shard.next(server.now, &key("room"), &part.cursor);
        assert!(
            matches!(next, Some(Next::Current(at)) if at == head.version),
            "{next:?}"
        );
        assert_eq!(
            (part.step(&server), part.step(&server)),
            (Some("moved"), None)
        );
    }
}

/// Those before and after it that are elsewhere are passed over with it.
#[test]
fn a_commit_at_the_path_is_sent_alone_and_relative_to_it() {
    for mode in MODES {
        let (mut server, part) = following("/a/b", mode);
        server.apply("room", r#"[{"op":"replace","path":"/t","value":2}]"#);
        server.apply(
            "room",
            r#"[{"op":"replace","path":"/t","value":3},{"op":"increment","path":"/a/b/e","by":4},{"op":"test","path":"/a/b/c/n","value":1}]"#,
        );
        let frame = server.poll("room", &part.cursor).unwrap();
        assert_eq!((kind(&frame), frame.to), (Ok(Version(0)), Version(2)));
        let Body::Patch { patch: own, .. } = &frame.body else {
            unreachable!()
        };
        let expected =
            r#"[{"op":"increment","path":"/e","by":4},{"op":"test","path":"/c/n","value":1}]"#;
        assert_eq!(**own, *patch(expected));
    }
}

/// The history is of the whole document, and the subscriber's place in it is, too.
#[test]
fn a_subscriber_of_a_part_is_not_left_behind_by_changes_elsewhere() {
    let history = HistoryBounds {
        commits_max: 3,
        ..HistoryBounds::default()
    };
    let mut server = Server::with(ShardConfig {
        history,
        ..config()
    });
    server.create("room", &document());
    let mut part = Part::new("/a/b", Mode::EveryCommit, Extensions::NONE, 1);
    assert_eq!(part.step(&server), Some("initial"));
    for _ in 0..10 {
        server.apply("room", r#"[{"op":"increment","path":"/keep","by":1}]"#);
        assert_eq!(part.step(&server), Some("moved"));
    }
    // Its frame starts where it is, though nobody could go back to there any more.
    server.apply("room", r#"[{"op":"replace","path":"/a/b/e","value":2}]"#);
    let frame = server.poll("room", &part.cursor).unwrap();
    assert_eq!((kind(&frame), frame.to), (Ok(Version(0)), Version(11)));
    assert!(server.rewind("room", 7).is_none());
    assert_eq!(part.step(&server), Some("patch over several"));
    // One that did not look for too long cannot know that nothing happened.
    for _ in 0..4 {
        server.apply("room", r#"[{"op":"increment","path":"/keep","by":1}]"#);
    }
    assert_eq!(part.step(&server), Some("compacted"));
}

#[test]
fn a_part_that_is_not_there_is_absent_until_it_appears() {
    for mode in MODES {
        let (mut server, mut part) = following("/x/y", mode);
        assert!(part.value().is_none());
        let steps: [(&str, Option<&str>, Option<&str>); 7] = [
            (
                r#"[{"op":"add","path":"/t","value":1}]"#,
                Some("moved"),
                None,
            ),
            (
                r#"[{"op":"add","path":"/x","value":{}}]"#,
                Some("nothing"),
                None,
            ),
            (
                r#"[{"op":"add","path":"/x/y","value":[1]}]"#,
                Some("appeared"),
                Some("[1]"),
            ),
            (
                r#"[{"op":"replace","path":"/x","value":{"y":[2]}}]"#,
                Some("cheaper_than_delta"),
                Some("[2]"),
            ),
            (
                r#"[{"op":"move","from":"/x","path":"/z"}]"#,
                Some("absent"),
                None,
            ),
            (
                r#"[{"op":"copy","from":"/z","path":"/x"}]"#,
                Some("appeared"),
                Some("[2]"),
            ),
            (
                r#"[{"op":"replace","path":"","value":1}]"#,
                Some("absent"),
                None,
            ),
        ];
        for (text, step, value) in steps {
            server.apply("room", text);
            assert_eq!(part.step(&server), step, "{text}");
            assert_eq!(part.value(), value.map(json).as_ref(), "{text}");
            assert_eq!(part.step(&server), None);
        }
    }
}

/// An index is another element after an insertion before it.
#[test]
fn an_element_that_is_followed_by_its_index_changes_when_others_shift() {
    let (mut server, mut part) = following("/a/list/1", Mode::EveryCommit);
    assert_eq!(part.value(), Some(&json("2")));
    server.apply("room", r#"[{"op":"add","path":"/a/list/0","value":9}]"#);
    part.step(&server).unwrap();
    assert_eq!(part.value(), Some(&json("1")));
    server.apply("room", r#"[{"op":"replace","path":"/a/list","value":[5]}]"#);
    assert_eq!(part.step(&server), Some("absent"));
}

#[test]
fn a_move_across_the_border_comes_as_what_came_or_went() {
    let (mut server, mut part) = following("/a", Mode::EveryCommit);
    server.apply("room", r#"[{"op":"move","from":"/a/b","path":"/out"}]"#);
    part.step(&server).unwrap();
    assert_eq!(part.value(), Some(&json(r#"{"list":[1,2,3]}"#)));
    server.apply("room", r#"[{"op":"move","from":"/out","path":"/a/in"}]"#);
    part.step(&server).unwrap();
    assert_eq!(
        part.value(),
        Some(&json(r#"{"list":[1,2,3],"in":{"c":{"n":1},"e":1}}"#))
    );
    server.apply(
        "room",
        r#"[{"op":"move","from":"/a/in","path":"/a/within"}]"#,
    );
    part.step(&server).unwrap();
    assert_eq!(
        part.value(),
        Some(&json(r#"{"list":[1,2,3],"within":{"c":{"n":1},"e":1}}"#))
    );
}

#[test]
fn a_part_starts_again_as_the_whole_does() {
    let (mut server, part) = following("/a/b/e", Mode::Latest);
    let mut ahead = part.cursor.clone();
    ahead.position.as_mut().unwrap().version = Version(99);
    let frame = server.poll("room", &ahead).unwrap();
    assert_eq!(
        (kind(&frame), frame.written_bytes()),
        (Err(SnapshotReason::Ahead), 1)
    );
    server.shard.remove(&key("room"));
    server.create("room", &document());
    let frame = server.poll("room", &part.cursor).unwrap();
    assert_eq!(kind(&frame), Err(SnapshotReason::EpochChanged));
    server.shard.remove(&key("room"));
    server.create("room", "{}");
    let frame = server.poll("room", &part.cursor).unwrap();
    assert!(matches!(frame.body, Body::Absent));
    assert_eq!(Some(frame.position()), server.shard.position(&key("room")));
}

/// What was unchanged in a document that is gone says nothing about the next one under its key.
#[test]
fn a_part_of_a_document_that_was_made_again_is_followed_from_its_beginning() {
    for mode in MODES {
        let (mut server, mut part) = following("/a/b", mode);
        for _ in 0..9 {
            server.apply("room", r#"[{"op":"increment","path":"/keep","by":1}]"#);
        }
        assert_eq!(part.step(&server), Some("moved"));
        server.shard.remove(&key("room"));
        server.create("room", &document());
        assert_eq!(part.step(&server), Some("epoch_changed"));
        server.apply("room", r#"[{"op":"replace","path":"/a/b/e","value":2}]"#);
        assert_eq!(part.step(&server), Some("patch of one"));
        assert_eq!(part.value(), Some(&json(r#"{"c":{"n":1},"e":2}"#)));
    }
}

/// P7: those who follow the same part the same way share an encoded frame, and no others do.
#[test]
fn the_key_of_an_encoded_frame_names_the_part() {
    let (mut server, part) = following("/a/b", Mode::Latest);
    server.apply("room", r#"[{"op":"replace","path":"/a/b/e","value":2}]"#);
    let keys: Vec<_> = ["/a/b", "/a/b", "/a/b/e", "/a", ""]
        .map(|path| Cursor {
            path: path.parse::<Pointer>().unwrap(),
            ..part.cursor.clone()
        })
        .iter()
        .map(|cursor| {
            let next = server.shard.next(server.now, &key("room"), cursor).unwrap();
            next.key(cursor, 0).unwrap()
        })
        .collect();
    assert_eq!(keys[0], keys[1]);
    assert!(keys[2..].iter().all(|key| *key != keys[0]));
}
