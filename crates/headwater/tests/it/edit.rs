//! Changes by value: drafts, and values that are compared as they are serialised.

use std::{
    cell::Cell,
    collections::BTreeMap,
    convert::Infallible,
    panic::{AssertUnwindSafe, catch_unwind},
};

use headwater::{
    ApplyError, Draft, DraftError, EditError, Engine, Key, LimitExceeded, Limits, Patch, Reason,
    Replica, SubscribeOptions, Version, to_value,
};
use serde::{Serialize, Serializer, ser::Error as _};

use crate::fixture::{append, builder, engine, follow, json, key, patch, room, text};

/// Runs an edit that cannot fail.
fn edited(engine: &Engine, key: &Key, edit: impl Fn(&mut Draft)) -> Version {
    let edited = engine.edit(key, |draft| {
        edit(draft);
        Ok::<_, Infallible>(())
    });
    edited.unwrap().1
}

fn newest(engine: &Engine, key: &Key) -> Patch {
    let version = engine.position(key).unwrap().version;
    let commit = engine.commit(key, version).unwrap();
    commit.patch.operations().to_vec().into()
}

#[test]
fn an_edit_commits_only_what_it_changed() {
    let engine = engine();
    let key = key("room");
    let pad = "x".repeat(10_000);
    let root =
        format!(r#"{{"n":1,"pad":"{pad}","players":{{"ada":{{"hp":10}},"bob":{{"hp":9}}}}}}"#);
    engine.create(&key, json(&root)).unwrap();
    let (hp, version) = engine
        .edit(&key, |draft| {
            draft.set("/players/ada/hp", &7)?;
            draft.set("/n", &2)?;
            draft.set("/n", &1)?;
            draft.set("/players/bob", &BTreeMap::from([("hp", 9)]))?;
            Ok::<_, DraftError>(draft.get("/players/ada/hp").cloned())
        })
        .unwrap();
    assert_eq!((hp, version), (Some(json("7")), Version(1)));
    let only = r#"[{"op":"replace","path":"/players/ada/hp","value":7}]"#;
    assert_eq!(newest(&engine, &key), *patch(only));
}

#[test]
fn an_edit_or_a_value_that_changes_nothing_commits_nothing() {
    let engine = engine();
    let room = room(&engine, "room");
    engine.apply(&room, append(1)).unwrap();
    let before = engine.get(&room).unwrap();
    assert_eq!(edited(&engine, &room, |_| {}), Version(1));
    let and_back = |draft: &mut Draft| {
        let log = draft.remove("/log").unwrap();
        draft.set("/log", &0).unwrap();
        draft.replace(json(&format!(r#"{{"log":{log}}}"#)));
    };
    assert_eq!(edited(&engine, &room, and_back), Version(1));
    let same = BTreeMap::from([("log", [1])]);
    assert_eq!(engine.store(&room, &same), Ok(Version(1)));
    let after = engine.get(&room).unwrap();
    assert_eq!(after.position, before.position);
    assert!(engine.commit(&room, Version(2)).is_none());
}

/// What a game computes with.
#[derive(Clone, Serialize)]
struct World {
    tick: u64,
    players: BTreeMap<String, Player>,
}

#[derive(Clone, Serialize)]
struct Player {
    x: f32,
    y: f32,
    name: String,
}

#[test]
fn a_stored_value_commits_only_what_changed_and_is_then_the_document() {
    let engine = engine();
    let key = room(&engine, "room");
    let player = |number: u8| {
        let name = format!("player {number}");
        let (x, y) = (f32::from(number) + 0.1, 0.0);
        (name.clone(), Player { x, y, name })
    };
    let mut world = World {
        tick: 0,
        players: (0..100).map(player).collect(),
    };
    assert_eq!(engine.store(&key, &world), Ok(Version(1)));
    for tick in 1..=5 {
        world.tick = tick;
        let name = format!("player {tick}");
        world.players.get_mut(&name).unwrap().x += 0.5;
        assert_eq!(engine.store(&key, &world), Ok(Version(tick + 1)));
        let newest = newest(&engine, &key);
        assert_eq!(newest.operations().len(), 2, "{newest}");
        let head = engine.get(&key).unwrap();
        let expected = to_value(&world).unwrap();
        assert!(head.root.identical(&expected));
    }
}

/// What an insertion has shifted is not made anew, though each element is compared with another.
#[test]
fn a_stored_value_shares_with_held_versions_what_it_shifted() {
    let engine = engine();
    let key = key("room");
    let record = |at: u32| BTreeMap::from([("at", vec![at]), ("next", vec![at + 1])]);
    let mut records: Vec<_> = (1..50).map(record).collect();
    engine.create(&key, to_value(&records).unwrap()).unwrap();
    let before = engine.get(&key).unwrap();
    records.insert(0, record(0));
    assert_eq!(engine.store(&key, &records), Ok(Version(1)));
    let after = engine.get(&key).unwrap();
    assert!(after.root.identical(&to_value(&records).unwrap()));
    let (old, new) = (before.root.as_array(), after.root.as_array());
    let pairs = old.unwrap().iter().zip(new.unwrap().iter_from(1));
    assert!(pairs.into_iter().all(|(old, new)| old.same(new)));
}

/// What moves the head each time the user's code runs, up to so many times.
fn interfere(engine: &Engine, key: &Key, times: u64, runs: &Cell<u64>) {
    runs.set(runs.get() + 1);
    if runs.get() <= times {
        engine.apply(key, append(runs.get())).unwrap();
    }
}

#[test]
fn an_edit_is_run_again_on_the_newest_version_until_nobody_was_quicker() {
    for times in 0..8 {
        let engine = engine();
        let room = room(&engine, "room");
        let runs = Cell::new(0);
        let edit = engine.edit(&room, |draft| {
            interfere(&engine, &room, times, &runs);
            draft.insert("/log/0", &0)?;
            Ok::<_, DraftError>(runs.get())
        });
        assert_eq!(edit, Ok((times + 1, Version(times + 1))));
        let numbers: Vec<_> = (0..=times).map(|number| number.to_string()).collect();
        let log = format!(r#"{{"log":[{}]}}"#, numbers.join(","));
        assert_eq!(text(&engine, &room), log);
    }
}

#[test]
fn an_edit_that_loses_eight_times_is_a_conflict_and_has_changed_nothing() {
    let engine = engine();
    let room = room(&engine, "room");
    let runs = Cell::new(0);
    let edit = engine.edit(&room, |draft| {
        interfere(&engine, &room, u64::MAX, &runs);
        draft.set("/mine", &true)
    });
    assert_eq!(edit, Err(EditError::Conflict));
    assert_eq!(runs.get(), 8);
    assert_eq!(text(&engine, &room), r#"{"log":[1,2,3,4,5,6,7,8]}"#);
    assert_eq!(
        EditError::<DraftError>::Conflict.to_string(),
        "others kept changing the document"
    );
}

#[test]
fn a_document_that_was_made_again_meanwhile_is_another_and_the_edit_runs_on_that() {
    let engine = engine();
    let name = room(&engine, "room");
    let runs = Cell::new(0);
    let edit = engine.edit(&name, |draft| {
        runs.set(runs.get() + 1);
        if runs.get() == 1 {
            engine.remove(&name).unwrap();
            engine.create(&name, json(r#"{"log":["new"]}"#)).unwrap();
        }
        draft.set("/n", &runs.get())
    });
    assert_eq!(edit, Ok(((), Version(1))));
    assert_eq!(text(&engine, &name), r#"{"log":["new"],"n":2}"#);
    // And if it is not made again, there is nothing to edit.
    let gone = engine.edit(&name, |draft| {
        engine.remove(&name);
        draft.set("/n", &0)
    });
    assert_eq!(gone, Err(EditError::NoSuchDocument));
    assert_eq!(engine.store(&name, &1), Err(EditError::NoSuchDocument));
}

/// Serialises as a number, and does something else first.
struct Does<F>(F);

impl<F: Fn()> Serialize for Does<F> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        (self.0)();
        serializer.serialize_u8(7)
    }
}

#[test]
fn a_stored_value_is_compared_again_if_somebody_was_quicker() {
    let engine = engine();
    let room = room(&engine, "room");
    let runs = Cell::new(0);
    let stored = engine.store(&room, &Does(|| interfere(&engine, &room, 3, &runs)));
    assert_eq!(stored, Ok(Version(4)));
    assert_eq!((text(&engine, &room), runs.get()), ("7".to_owned(), 4));
    let reset = patch(r#"[{"op":"replace","path":"","value":1}]"#);
    engine.apply(&room, reset.clone()).unwrap();
    let resets = Does(|| assert!(engine.apply(&room, reset.clone()).is_ok()));
    assert_eq!(engine.store(&room, &resets), Err(EditError::Conflict));
    assert_eq!(text(&engine, &room), "1");
}

/// P3 and P10: the user's code runs off all locks, so its panic is its own.
#[test]
fn a_panic_in_an_edit_or_in_a_value_changes_nothing_and_the_engine_goes_on() {
    let engine = builder().shards(1).build().unwrap();
    let room = room(&engine, "room");
    let panics = [
        catch_unwind(AssertUnwindSafe(|| {
            let _never = engine.edit(&room, |draft| -> Result<(), DraftError> {
                draft.set("/log", &"gone")?;
                panic!("in an edit");
            });
        })),
        catch_unwind(AssertUnwindSafe(|| {
            let _never = engine.store(&room, &Does(|| panic!("in a value")));
        })),
    ];
    assert!(panics.iter().all(Result::is_err));
    assert_eq!(text(&engine, &room), r#"{"log":[]}"#);
    assert_eq!(
        edited(&engine, &room, |draft| draft.set("/n", &1).unwrap()),
        Version(1)
    );
    assert_eq!(engine.store(&room, &1), Ok(Version(2)));
}

#[test]
fn an_edit_that_fails_says_so_and_has_changed_nothing() {
    let engine = engine();
    let room = room(&engine, "room");
    let failed = engine.edit(&room, |draft| {
        draft.set("/n", &1).unwrap();
        Err::<(), _>("no")
    });
    assert_eq!(failed, Err(EditError::Edit("no")));
    assert_eq!(failed.unwrap_err().to_string(), "the edit failed: no");
    let missing = engine.edit(&key("nowhere"), |_| Ok::<_, Infallible>(()));
    assert_eq!(missing, Err(EditError::NoSuchDocument));

    struct Unwritable;
    impl Serialize for Unwritable {
        fn serialize<S: Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
            Err(S::Error::custom("unwritable"))
        }
    }
    let stored = engine.store(&room, &Unwritable);
    assert!(matches!(stored, Err(EditError::Edit(_))), "{stored:?}");
    let twice = BTreeMap::from([((1, 2), 3)]);
    let stored = engine.store(&room, &twice);
    assert!(matches!(stored, Err(EditError::Edit(_))), "{stored:?}");
    assert_eq!(text(&engine, &room), r#"{"log":[]}"#);
    assert_eq!(engine.position(&room).unwrap().version, Version::ZERO);
}

/// P10: limits hold for the result, however it was made.
#[test]
fn an_edit_past_a_limit_of_documents_is_refused() {
    let limits = Limits {
        bytes: 40,
        depth: 3,
        ..Limits::default()
    };
    let engine = builder().limits(limits).build().unwrap();
    let room = room(&engine, "room");
    let long = engine.edit(&room, |draft| draft.set("/long", &"x".repeat(40)));
    let Err(EditError::Apply(ApplyError::Patch { reason, .. })) = long else {
        panic!("{long:?}");
    };
    assert_eq!(reason, Reason::Limit(LimitExceeded::Bytes { limit: 40 }));
    let deep = engine.store(&room, &[[[[0]]]]);
    let Err(EditError::Apply(ApplyError::Patch { reason, .. })) = deep else {
        panic!("{deep:?}");
    };
    assert_eq!(reason, Reason::Limit(LimitExceeded::Depth { limit: 3 }));
    assert_eq!(text(&engine, &room), r#"{"log":[]}"#);
}

/// A document of which a part lies in one of two places, in 1,000 bytes only if not in both.
#[derive(Clone, Serialize)]
struct Halves {
    a: Vec<String>,
    b: Vec<String>,
    pad: String,
    x: String,
    y: String,
}

impl Halves {
    const LIMITS: Limits = Limits {
        bytes: 1_000,
        depth: 128,
        nodes: 1_000,
    };

    /// The part is elements of an array, which shift those after them, or a string.
    fn new(is_array: bool, is_first: bool) -> Self {
        let (elements, text) = if is_array { (3, 0) } else { (0, 300) };
        let list = |present: bool| {
            let part = (0..if present { elements } else { 0 }).map(|_| "x".repeat(100));
            part.chain((0..10).map(|number| format!("the element {number}")))
                .collect()
        };
        let string = |present: bool| "x".repeat(if present { text } else { 0 });
        Self {
            a: list(is_first),
            b: list(!is_first),
            pad: "p".repeat(200),
            x: string(is_first),
            y: string(!is_first),
        }
    }
}

/// The operations of a difference come in an order that its maker did not choose, and a document may be larger
/// on the way than at either end. `restore` of a version that had kept to the limits failed at operation 0 with
/// `limit_bytes`, `edit` as well, and `store` where elements of an array move. The limits hold for the result.
#[test]
fn a_result_that_keeps_to_the_limits_is_committed_though_its_difference_passes_them_on_the_way() {
    for is_array in [false, true] {
        let (first, second) = (Halves::new(is_array, true), Halves::new(is_array, false));
        let engine = builder().limits(Halves::LIMITS).build().unwrap();
        let key = key("halves");
        engine.create(&key, to_value(&first).unwrap()).unwrap();
        let before = engine.get(&key).unwrap();
        let mut subscription = engine.subscribe(&key, SubscribeOptions::default()).unwrap();
        let mut replica = Replica::new();
        let mut is = |version: u64, expected: &Halves| {
            let head = engine.get(&key).unwrap();
            assert_eq!(head.position.version, Version(version));
            assert!(head.root.identical(&to_value(expected).unwrap()));
            follow(&mut subscription, &mut replica);
            assert_eq!(replica.root(), &head.root);
        };
        is(0, &first);
        assert_eq!(engine.store(&key, &second), Ok(Version(1)));
        is(1, &second);
        assert_eq!(engine.restore(&key, &before), Ok(Version(2)));
        is(2, &first);
        for (version, next) in [(3, &second), (4, &first)] {
            let edit = |draft: &mut Draft| draft.replace(to_value(next).unwrap());
            assert_eq!(edited(&engine, &key, edit), Version(version));
            is(version, next);
        }
        for (version, next) in [(5, &second), (6, &first)] {
            assert_eq!(engine.store(&key, next), Ok(Version(version)));
            is(version, next);
        }
        // The way back is in the history like any other.
        for (version, expected) in [(1, &second), (2, &first), (3, &second)] {
            let then = engine.at(&key, Version(version)).unwrap();
            assert!(then.root.identical(&to_value(expected).unwrap()));
        }
        // And a result that is itself too large is refused as before.
        let both = Halves {
            a: first.a.clone(),
            x: first.x.clone(),
            b: second.b.clone(),
            y: second.y.clone(),
            ..first.clone()
        };
        let refused = engine.store(&key, &both);
        let limit = Reason::Limit(LimitExceeded::Bytes { limit: 1_000 });
        assert!(
            matches!(&refused, Err(EditError::Apply(ApplyError::Patch { reason, .. })) if *reason == limit),
            "{refused:?}"
        );
        is(6, &first);
    }
}

/// The same where room has to be made first: after relief `store`, too, committed its difference by operations.
#[test]
fn a_result_that_keeps_to_the_limits_is_committed_also_after_relief() {
    for is_stored in [false, true] {
        let builder = builder().shards(1).memory_max(64 << 10);
        let engine = builder.limits(Halves::LIMITS).build().unwrap();
        let key = key("halves");
        let halves = [true, false].map(|is_first| Halves::new(false, is_first));
        engine.create(&key, to_value(&halves[0]).unwrap()).unwrap();
        for (version, value) in (1..=200).zip(halves.iter().cycle().skip(1)) {
            let committed = if is_stored {
                engine.store(&key, value).unwrap()
            } else {
                let root = to_value(value).unwrap();
                edited(&engine, &key, |draft| draft.replace(root.clone()))
            };
            assert_eq!(committed, Version(version));
        }
        assert!(engine.stats().reliefs > 0, "no load");
    }
}

#[test]
fn a_draft_is_changed_like_a_value_and_each_method_sees_what_those_before_it_left() {
    let engine = engine();
    let room = key("room");
    engine.create(&room, json(r#"{"a":[1,2],"o":{}}"#)).unwrap();
    let version = edited(&engine, &room, |draft| {
        draft.insert("/a/0", &0).unwrap();
        draft.set("/a/-", &3).unwrap();
        draft.set("/a/1", &"one").unwrap();
        assert_eq!(draft.get("/a").unwrap().to_string(), r#"[0,"one",2,3]"#);
        assert_eq!(draft.remove("/a/0").unwrap().to_string(), "0");
        draft.set("/o/k~1y", &Some(1.5)).unwrap();
        draft.insert("/o/null", &None::<u8>).unwrap();
        draft
            .patch(&patch(r#"[{"op":"move","from":"/o","path":"/p"}]"#))
            .unwrap();
        assert!(draft.get("/o").is_none() && draft.get("no pointer").is_none());
        assert_eq!(
            draft.root().canonical(),
            r#"{"a":["one",2,3],"p":{"k/y":1.5,"null":null}}"#
        );
    });
    assert_eq!(version, Version(1));
    let after = r#"{"a":["one",2,3],"p":{"k/y":1.5,"null":null}}"#;
    assert_eq!(text(&engine, &room), after);
    edited(&engine, &room, |draft| draft.set("", &[1]).unwrap());
    assert_eq!(text(&engine, &room), "[1]");
    edited(&engine, &room, |draft| draft.replace(json("{}")));
    assert_eq!(text(&engine, &room), "{}");
}

#[test]
fn a_draft_says_what_is_wrong_and_stays_as_it_was() {
    let engine = engine();
    let room = key("room");
    engine.create(&room, json(r#"{"a":[1,2],"n":1}"#)).unwrap();
    edited(&engine, &room, |draft| {
        let before = draft.root().canonical();
        for path in ["a", "/~2"] {
            let error = draft.set(path, &1).unwrap_err();
            assert!(matches!(error, DraftError::Pointer(_)), "{error:?}");
            assert!(matches!(
                draft.insert(path, &1),
                Err(DraftError::Pointer(_))
            ));
            assert!(matches!(draft.remove(path), Err(DraftError::Pointer(_))));
        }
        let map = BTreeMap::from([((1, 2), 3)]);
        assert!(matches!(
            draft.set("/n", &map),
            Err(DraftError::Serialize(_))
        ));
        assert!(matches!(
            draft.insert("/a/0", &map),
            Err(DraftError::Serialize(_))
        ));
        // No parent is made up, an index does not leave a gap, and what is not there is not removed.
        for path in ["/x/y", "/a/4", "/n/deep", "/a/01"] {
            assert!(
                matches!(draft.set(path, &1), Err(DraftError::Patch(_))),
                "{path}"
            );
            assert!(
                matches!(draft.insert(path, &1), Err(DraftError::Patch(_))),
                "{path}"
            );
        }
        for path in ["/x", "/a/2", "/a/-"] {
            assert!(
                matches!(draft.remove(path), Err(DraftError::Patch(_))),
                "{path}"
            );
        }
        let half = r#"[{"op":"replace","path":"/n","value":2},{"op":"remove","path":"/x"}]"#;
        assert!(matches!(
            draft.patch(&patch(half)),
            Err(DraftError::Patch(_))
        ));
        assert_eq!(draft.root().canonical(), before);
    });
    assert_eq!(engine.position(&room).unwrap().version, Version::ZERO);
}
