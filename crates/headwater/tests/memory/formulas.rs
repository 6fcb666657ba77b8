//! The formulas of `docs/PERFORMANCE.md`, so that whoever plans a machine can rely on them.

use std::sync::Arc;

use headwater::{Seq, SubscribeOptions, Subscription, Value};

use crate::{Mix, allocator::held, alone, patch, words};

#[test]
fn a_document_takes_its_value_and_its_key_and_185_bytes() {
    let _alone = alone();
    for text in [
        r#"{"n":1}"#.to_owned(),
        format!(r#"{{"name":"somebody","text":"{}"}}"#, words(600, 1)),
    ] {
        let root: Value = text.parse().expect("JSON");
        for count in [10_000, 20_000, 30_000] {
            let mix = Mix::new(0);
            let took = each(count, |number| drop(mix.make(number, &text)));
            // The keys are of 16 bytes.
            let formula = 185 + 16 + root.heap_bytes();
            agree("document", took, formula);
        }
    }
}

#[test]
fn a_commit_of_one_operation_takes_293_bytes_with_its_path_and_what_it_took_out() {
    let _alone = alone();
    for (path, old) in [(2, 0), (20, 0), (60, 0), (2, 200), (2, 900)] {
        let took = each_commit(path, 1, old);
        agree("commit", took, 293 + path as u64 + taken_out(old));
    }
    let mix = Mix::new(0);
    let key = mix.make(0, "{}");
    let took = each(250, |number| {
        mix.apply(
            &key,
            match number % 2 {
                0 => r#"[{"op":"add","path":"/n","value":1}]"#,
                _ => r#"[{"op":"remove","path":"/n"}]"#,
            },
        );
    });
    agree("commit", took, 293 + 2);
}

#[test]
fn a_commit_of_several_takes_296_bytes_and_for_each_175_with_its_path_and_what_it_took_out() {
    let _alone = alone();
    for (path, operations, old) in [(2, 2, 0), (2, 3, 0), (60, 3, 0), (2, 10, 0), (2, 2, 200)] {
        let took = each_commit(path, operations, old);
        let each_operation = 175 + path as u64 + taken_out(old);
        agree("commit", took, 296 + operations as u64 * each_operation);
    }
}

/// What each commit takes of so many replacements, at a path of so many bytes, of a text of so many.
fn each_commit(path: usize, operations: usize, old: usize) -> f64 {
    let name = "n".repeat(path - 1);
    let value = words(old, 1);
    let mix = Mix::new(0);
    let key = mix.make(0, &format!(r#"{{"{name}":"{value}"}}"#));
    let operation = format!(r#"{{"op":"replace","path":"/{name}","value":"{value}"}}"#);
    let batch = format!("[{}]", vec![operation; operations].join(","));
    // As many as stay by default, whatever their size.
    each(250, |_| mix.apply(&key, &batch))
}

fn taken_out(old: usize) -> u64 {
    Value::from(words(old, 1).as_str()).heap_bytes()
}

#[test]
fn a_subscriber_takes_208_bytes_and_nothing_more_if_it_is_never_read() {
    let _alone = alone();
    for count in [1_000, 10_000] {
        let mix = Mix::new(0);
        let key = mix.make(0, r#"{"n":0}"#);
        let replace = patch(r#"[{"op":"replace","path":"/n","value":1}]"#);
        let commit = || {
            for _ in 0..10_000 {
                let applied = mix.engine.apply(&key, Arc::clone(&replace));
                applied.expect("the path is there");
            }
        };
        // From here on, the history lets go of a commit for each that it gets.
        commit();
        let mut subscriptions = Vec::with_capacity(count);
        let took = each(count, |_| {
            let options = SubscribeOptions {
                from: mix.engine.position(&key),
                ..SubscribeOptions::default()
            };
            let subscription = mix.engine.subscribe(&key, options);
            subscriptions.push(subscription.expect("it is there"));
        });
        agree(
            "subscriber",
            took + f64::from(u32::try_from(size_of::<Subscription>()).expect("few")),
            208,
        );
        let before = held();
        commit();
        let more = held() - before;
        assert!(more <= 0.0, "{more} bytes more for {count} subscribers");
    }
}

#[test]
fn a_lane_takes_176_bytes_and_32_for_each_outcome_that_it_may_remember() {
    let _alone = alone();
    let test = patch(r#"[{"op":"test","path":"","value":2}]"#);
    for outcomes in [1_u64, 10, 20, 128] {
        let mix = Mix::new(0);
        let keys: Vec<_> = (0..3_000).map(|number| mix.make(number, "1")).collect();
        let session = mix.engine.open_session().expect("room");
        let took = each(keys.len(), |number| {
            for seq in 1..=outcomes {
                drop(session.submit(&keys[number], Seq(seq), Arc::clone(&test)));
            }
        });
        let room = outcomes.next_multiple_of(4);
        agree("lane", took, 176 + 32 * room);
    }
}

#[test]
fn a_session_takes_64_bytes() {
    let _alone = alone();
    let mix = Mix::new(0);
    let took = each(10_000, |_| drop(mix.engine.open_session().expect("room")));
    agree("session", took, 64);
}

/// What each one more of something requests, on average over many.
fn each(count: usize, mut make: impl FnMut(usize)) -> f64 {
    let before = held();
    (0..count).for_each(&mut make);
    (held() - before) / f64::from(u32::try_from(count).expect("less than 4 G"))
}

fn agree(of: &str, took: f64, formula: u64) {
    let formula = f64::from(u32::try_from(formula).expect("less than 4 GiB"));
    let off = took / formula - 1.0;
    eprintln!(
        "{of}: {took:.0} bytes, {formula} by formula, {:+.0} %",
        off * 100.0
    );
    assert!(
        off.abs() <= 0.15,
        "{of}: {took:.0} bytes, {formula} by formula"
    );
}
