use std::{any::Any, sync::Arc};

use headwater::{Draft, Encoding, Key, Outcome, Patch, Refusal, Seq, SubscribeOptions, Time};

use crate::{Mix, Random, allocator::held, alone, patch, table, words};

#[test]
fn what_the_engine_counts_is_what_it_requests_within_15_percent() {
    let _alone = alone();
    // What the process keeps for all engines is there before the first is measured.
    let warm = Mix::new(0);
    encoded(&warm);
    drop(warm);

    let mut off = Vec::new();
    for (name, fill) in MIXES {
        let share = measure(name, fill);
        // What a document contains twice, by `copy`, is there once and counts twice: the count is of what
        // would be there if each were changed, so it is too high, never too low.
        let copies = name == "history of copies" && share > 1.0;
        if (share - 1.0).abs() > 0.15 && !copies {
            off.push(name);
        }
    }
    assert!(off.is_empty(), "counted otherwise than requested: {off:?}");
}

type Fill = fn(&Mix) -> Vec<Box<dyn Any>>;

/// Fills an engine each. What is returned is held while the engine is measured.
const MIXES: [(&str, Fill); 20] = [
    ("record tables", |mix| mix.tables(300)),
    ("long texts", long_texts),
    ("many small documents", small_documents),
    ("plain history", plain_history),
    ("history of texts", text_history),
    ("history of copies", copies),
    ("history of tables", table_history),
    ("held batches", held_batches),
    ("lanes with outcomes", lanes),
    ("cold documents", cold_documents),
    ("held snapshots", held_snapshots),
    ("documents that are edited", edited),
    ("documents that are read between changes", read),
    ("records that were added and changed", added_and_changed),
    ("records that are replaced whole", |mix| {
        replaced(mix, |key, patch| {
            mix.engine.apply(key, patch).expect("it applies");
        })
    }),
    ("records that are replaced in transactions", |mix| {
        replaced(mix, |key, patch| {
            let done = mix.engine.transact(&[(key.clone(), patch)]);
            done.expect("it applies");
        })
    }),
    ("records that are replaced while a version is held", |mix| {
        let mut held: Vec<Box<dyn Any>> = Vec::new();
        replaced(mix, |key, patch| {
            mix.engine.apply(key, patch).expect("it applies");
            if held.len() < 3 {
                held.push(Box::new(mix.engine.get(key)));
            }
        });
        held
    }),
    ("encoded frames", encoded),
    ("queued batches", queued),
    ("all of it", everything),
];

/// What is counted over what is requested.
fn measure(name: &str, fill: Fill) -> f64 {
    let mix = Mix::new(0);
    let before = held();
    let keep = fill(&mix);
    let requested = held() - before;
    let memory = mix.engine.memory();
    let counted = f64::from(u32::try_from(memory.total()).expect("less than 4 GiB"));
    let share = counted / requested;
    eprintln!("{name}: {counted} counted, {requested} requested, {share:.3}; {memory:?}");
    drop(keep);
    share
}

fn long_texts(mix: &Mix) -> Vec<Box<dyn Any>> {
    for number in 0..40 {
        mix.make(number, &format!(r#"{{"text":"{}"}}"#, words(100_000, 1)));
    }
    Vec::new()
}

fn small_documents(mix: &Mix) -> Vec<Box<dyn Any>> {
    for number in 0..20_000 {
        mix.make(
            number,
            &format!(r#"{{"n":{number},"log":[],"name":"document {number}"}}"#),
        );
    }
    Vec::new()
}

fn plain_history(mix: &Mix) -> Vec<Box<dyn Any>> {
    for number in 0..20 {
        let key = mix.make(
            number,
            r#"{"log":[],"n":0,"player":{"hp":1,"name":"somebody or other"}}"#,
        );
        for commit in 0..1_000 {
            let text = match commit % 4 {
                0 => format!(r#"[{{"op":"add","path":"/log/-","value":{commit}}}]"#),
                1 => r#"[{"op":"increment","path":"/n","by":1}]"#.to_owned(),
                2 => format!(
                    r#"[{{"op":"replace","path":"/player/name","value":"somebody else, number {commit}"}}]"#
                ),
                _ => format!(
                    r#"[{{"op":"replace","path":"/player","value":{{"hp":{commit},"name":"somebody or other"}}}}]"#
                ),
            };
            mix.apply(&key, &text);
        }
    }
    Vec::new()
}

fn text_history(mix: &Mix) -> Vec<Box<dyn Any>> {
    let mut random = Random(3);
    for number in 0..10 {
        let key = mix.make(number, &format!(r#"{{"text":"{}"}}"#, words(50_000, 2)));
        for _ in 0..1_000 {
            let at = random.index(40_000);
            mix.apply(
                &key,
                &format!(
                    r#"[{{"op":"splice","path":"/text","index":{at},"remove":3,"insert":"four"}}]"#
                ),
            );
        }
    }
    Vec::new()
}

/// A copied subtree is there once, until it is changed.
fn copies(mix: &Mix) -> Vec<Box<dyn Any>> {
    for number in 0..20 {
        let key = mix.make(number, &table(number, 60));
        for copy in 0..20 {
            mix.apply(
                &key,
                &format!(r#"[{{"op":"copy","from":"/rows","path":"/copy{copy}"}}]"#),
            );
            mix.apply(
                &key,
                &format!(r#"[{{"op":"replace","path":"/copy{copy}/3/x","value":{copy}}}]"#),
            );
        }
    }
    Vec::new()
}

fn table_history(mix: &Mix) -> Vec<Box<dyn Any>> {
    let mut random = Random(4);
    for number in 0..30 {
        let key = mix.make(number, &table(number, 60));
        for commit in 0..400 {
            let row = random.index(60);
            let text = match commit % 3 {
                0 => format!(r#"[{{"op":"replace","path":"/rows/{row}/x","value":{commit}.5}}]"#),
                1 => format!(
                    r#"[{{"op":"remove","path":"/rows/{row}"}},{{"op":"add","path":"/rows/0","value":{{"id":{commit},"name":"a new row","x":1,"y":2,"tags":[],"open":false}}}}]"#
                ),
                _ => format!(r#"[{{"op":"move","from":"/rows/{row}","path":"/rows/0"}}]"#),
            };
            mix.apply(&key, &text);
        }
    }
    Vec::new()
}

fn held_batches(mix: &Mix) -> Vec<Box<dyn Any>> {
    let key = mix.make(0, r#"{"log":[]}"#);
    let mut sessions = Vec::new();
    for _ in 0..100 {
        let session = mix.engine.open_session().expect("room");
        for seq in 2..60 {
            let text = match seq % 3 {
                0 => r#"[{"op":"add","path":"/log/-","value":1}]"#.to_owned(),
                1 => format!(
                    r#"[{{"op":"add","path":"/log/-","value":"{}"}}]"#,
                    "x".repeat(600)
                ),
                _ => format!(
                    r#"[{{"op":"add","path":"/log/-","value":{{"id":{seq},"tags":["red","green",{{}}]}}}},{{"op":"test","path":"/log","value":[1,2]}}]"#
                ),
            };
            let outcome = session.submit(&key, Seq(seq), patch(&text));
            let is_taken = matches!(
                outcome,
                Outcome::Held { .. } | Outcome::Refused(Refusal::Gap { .. })
            );
            assert!(is_taken, "{outcome:?}");
        }
        sessions.push(session.id());
    }
    vec![Box::new(sessions)]
}

fn lanes(mix: &Mix) -> Vec<Box<dyn Any>> {
    let keys: Vec<_> = (0..10)
        .map(|number| mix.make(number, r#"{"n":0}"#))
        .collect();
    let test = patch(r#"[{"op":"test","path":"/n","value":1}]"#);
    for _ in 0..2_000 {
        let session = mix.engine.open_session().expect("room");
        for key in &keys[..3] {
            for seq in 1..=20 {
                let outcome = session.submit(key, Seq(seq), Arc::clone(&test));
                assert!(matches!(outcome, Outcome::Rejected(_)), "{outcome:?}");
            }
        }
    }
    Vec::new()
}

fn cold_documents(mix: &Mix) -> Vec<Box<dyn Any>> {
    for number in 0..100 {
        mix.make(number, &table(number, 100));
    }
    let start = mix.engine.now().as_micros();
    for tick in 0..200 {
        mix.engine
            .tick(Time::from_micros(start + 100_000_000 + tick * 10_000));
    }
    assert!(mix.engine.stats().documents_frozen >= 100);
    Vec::new()
}

/// What commits copy or remove stays for who holds what was before them.
fn held_snapshots(mix: &Mix) -> Vec<Box<dyn Any>> {
    let mut random = Random(5);
    let mut snapshots = Vec::new();
    for number in 0..20 {
        let key = mix.make(number, &table(number, 200));
        for commit in 0..100 {
            let row = random.index(200);
            snapshots.push(mix.engine.get(&key));
            mix.apply(&key, &format!(r#"[{{"op":"replace","path":"/rows/{row}/name","value":"another name, {commit}"}}]"#));
        }
    }
    vec![Box::new(snapshots)]
}

/// An edit holds the version that it starts from.
fn edited(mix: &Mix) -> Vec<Box<dyn Any>> {
    let key = mix.make(0, &table(0, 40));
    for commit in 0..2_000 {
        let path = format!("/rows/{}/id", commit % 40);
        let change = |draft: &mut Draft| draft.set(&path, &commit);
        mix.engine.edit(&key, change).expect("room");
    }
    Vec::new()
}

fn read(mix: &Mix) -> Vec<Box<dyn Any>> {
    let key = mix.make(0, &table(0, 40));
    for commit in 0..2_000 {
        let snapshot = mix.engine.get(&key);
        let row = commit % 40;
        mix.apply(
            &key,
            &format!(r#"[{{"op":"replace","path":"/rows/{row}/id","value":{commit}}}]"#),
        );
        drop(snapshot);
    }
    Vec::new()
}

/// Those in the document have the names of the one before, and the patches that brought them their own: of these
/// nothing was counted, five times as much as was, where names are long.
fn replaced(mix: &Mix, mut apply: impl FnMut(&Key, Arc<Patch>)) -> Vec<Box<dyn Any>> {
    for (number, (fields, name_bytes)) in [(2, 4), (10, 8), (32, 60)].into_iter().enumerate() {
        let record = |round: usize| {
            let members = (0..fields).map(|at| format!(r#""{at:0>name_bytes$}":{}"#, round + at));
            format!("{{{}}}", members.collect::<Vec<_>>().join(","))
        };
        let key = mix.make(number, &format!("[{},{}]", record(0), record(1)));
        for round in 0..1_000 {
            let (place, record) = (round % 2, record(round));
            let text = format!(r#"[{{"op":"replace","path":"/{place}","value":{record}}}]"#);
            apply(&key, patch(&text));
        }
    }
    Vec::new()
}

/// The patch that brought them holds what they were.
fn added_and_changed(mix: &Mix) -> Vec<Box<dyn Any>> {
    let key = mix.make(0, "{}");
    mix.apply(
        &key,
        &format!(
            r#"[{{"op":"add","path":"/table","value":{}}}]"#,
            table(0, 2_000)
        ),
    );
    for row in 0..2_000 {
        mix.apply(
            &key,
            &format!(r#"[{{"op":"replace","path":"/table/rows/{row}/id","value":{row}}}]"#),
        );
    }
    Vec::new()
}

fn encoded(mix: &Mix) -> Vec<Box<dyn Any>> {
    for number in 0..50 {
        let key = mix.make(number, &table(number, 20));
        let mut subscription = mix
            .engine
            .subscribe(&key, SubscribeOptions::default())
            .expect("it is there");
        let pulled = subscription
            .poll_bytes(Encoding::Json)
            .expect("it is there");
        assert!(pulled.is_some());
        for commit in 0..40 {
            let text = words(400, commit);
            mix.apply(
                &key,
                &format!(r#"[{{"op":"replace","path":"/title","value":"{text}"}}]"#),
            );
            let pulled = subscription
                .poll_bytes(Encoding::Json)
                .expect("it is there");
            assert!(pulled.is_some());
        }
    }
    Vec::new()
}

fn queued(mix: &Mix) -> Vec<Box<dyn Any>> {
    let keys: Vec<_> = (0..8)
        .map(|number| mix.make(number, r#"{"log":[]}"#))
        .collect();
    let session = mix.engine.open_session().expect("room");
    for seq in 1..=200 {
        for key in &keys {
            let text = words(700, seq);
            let batch = patch(&format!(
                r#"[{{"op":"add","path":"/log/-","value":"{text}"}}]"#
            ));
            drop(
                mix.engine
                    .enqueue(session.batch(key, Seq(seq), batch))
                    .expect("room"),
            );
        }
    }
    Vec::new()
}

fn everything(mix: &Mix) -> Vec<Box<dyn Any>> {
    let mut keep = Vec::new();
    for (part, (_, fill)) in (1..).zip(&MIXES[..MIXES.len() - 1]) {
        let mix = Mix {
            engine: mix.engine.clone(),
            part,
        };
        keep.extend(fill(&mix));
    }
    keep
}
