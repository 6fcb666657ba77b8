use proptest::{collection::vec, prelude::*};

use super::*;
use crate::{
    Extensions, Limits, Patch,
    value::{Repr, Value},
    work,
};

/// Heap bytes by a walk.
fn walked(value: &Value) -> u64 {
    let (mut sum, mut open) = (0, vec![value]);
    while let Some(value) = open.pop() {
        sum += match &value.0 {
            Repr::Number(number) => number.heap_bytes() as u64,
            Repr::Flat(flat) => flat.heap_bytes() as u64,
            Repr::Rope(rope) => rope.heap_bytes() as u64,
            Repr::Object(node) => {
                // Of a list made anew, so that the sums of the old one are checked too.
                let names = NameList::new(node.header().to_vec());
                let words = names.heap_words(node.totals().counts_names());
                node.bytes() as u64 + u64::from(words) * WORD_BYTES
            }
            Repr::Array(_) => value.own_bytes(),
            Repr::ArrayTree(tree) => tree.checked_heap_bytes(),
            Repr::ObjectTree(tree) => tree.checked_heap_bytes(),
            Repr::Null | Repr::Bool(_) | Repr::Short(_) => 0,
        };
        open.extend(value.as_array().into_iter().flat_map(|array| array.iter()));
        open.extend(
            value
                .as_object()
                .into_iter()
                .flat_map(|object| object.values()),
        );
    }
    sum
}

/// A record whose size and names follow from a number: flat or a tree, with long names or without.
fn record(number: u32) -> String {
    let members = [1, 3, 3, 3, 40][number as usize % 5];
    let members: Vec<_> = (0..members)
        .map(|at| match (number + at) % 4 {
            0 => format!(r#""n{at}":{{"x":{number},"y":[{number},"short"]}}"#),
            1 => format!(r#""a name of more than fourteen bytes {at}":{number}"#),
            2 => format!(r#""t{at}":"{}""#, "text é ".repeat(number as usize % 400)),
            _ => format!(r#""l{at}":{}"#, "9".repeat(30)),
        })
        .collect();
    format!("{{{}}}", members.join(","))
}

fn patch(len: usize, (kind, place, other): (u32, usize, usize), number: u32) -> String {
    let (at, other) = (place % len, other % len);
    let record = record(number);
    match kind {
        0 | 1 => format!(r#"{{"op":"add","path":"/{at}","value":{record}}}"#),
        2 => format!(r#"{{"op":"replace","path":"/{at}","value":{record}}}"#),
        3 if len > 2 => format!(r#"{{"op":"remove","path":"/{at}"}}"#),
        4 => format!(r#"{{"op":"copy","from":"/{at}","path":"/{other}"}}"#),
        5 => format!(r#"{{"op":"add","path":"/{at}/extra {other}","value":{number}}}"#),
        6 => format!(
            r#"{{"op":"splice","path":"","index":{at},"remove":{},"insert":[{record},1]}}"#,
            (len - at) / 3
        ),
        7 => format!(r#"{{"op":"remove","path":"/{at}/extra {other}"}}"#),
        8 => format!(
            r#"{{"op":"splice","path":"/{at}/t0","index":3,"remove":1,"insert":"{}"}}"#,
            "é ".repeat(number as usize)
        ),
        _ => format!(r#"{{"op":"move","from":"/{at}","path":"/{other}"}}"#),
    }
}

proptest! {
    #[test]
    fn cached_heap_bytes_are_those_of_a_walk(
        start in vec(any::<u16>(), 1..120),
        changes in vec(((0_u32..10, any::<u16>(), any::<u16>()), any::<u16>(), any::<bool>()), 0..60),
    ) {
        let records: Vec<_> = start.iter().map(|&number| record(number.into())).collect();
        let text = format!("[{}]", records.join(","));
        let mut document = Value::parse(text.as_bytes(), &Limits::NONE).unwrap();
        prop_assert_eq!(document.heap_bytes(), walked(&document));
        let mut held = Vec::new();
        for ((kind, at, other), number, hold) in changes {
            let len = document.as_array().map_or(0, crate::Array::len);
            let text = patch(len, (kind, at.into(), other.into()), number.into());
            let text = format!("[{text}]");
            let patch = Patch::parse(text.as_bytes(), &Limits::NONE, Extensions::ALL).unwrap();
            if hold {
                held.push((document.clone(), document.heap_bytes()));
            }
            if let Ok(applied) = patch.apply(&mut document, &Limits::NONE) && number % 3 == 0 {
                applied.inverse(&patch).apply(&mut document, &Limits::NONE).unwrap();
            }
            prop_assert_eq!(document.heap_bytes(), walked(&document), "{}", text);
        }
        for (version, bytes) in held {
            prop_assert_eq!(version.heap_bytes(), bytes);
        }
    }
}

#[test]
fn sums_that_pass_the_maximum_stay_there() {
    let mut totals = Totals::default();
    let half = Measure {
        heap: u32::MAX / 2 + 1,
        ..Measure::scalar(1, 0)
    };
    totals.add(half, 0);
    totals.add(half, 0);
    totals.remove(half, 0);
    totals.remove(half, 0);
    assert_eq!(totals.measure(32).heap, u32::MAX);
}

/// A copy costs nothing, so that what is done to it must not cost its size: a patch of some kilobytes
/// could keep a core busy for minutes.
#[test]
fn what_is_cut_out_of_a_copy_is_counted_without_looking_at_it() {
    let number = |at: usize| Value::from(vec![Value::from(at)]);
    let long = Value::from("ab\"d".repeat(250_000));
    let list: Value = (0..500_000).map(number).collect();
    for (value, len, insert) in [(list, 500_000, "[7]"), (long, 1_000_000, "\"x\"")] {
        let whole = (value.written_bytes(), value.nodes(), value.heap_bytes());
        let mut document: Value = [("s", value)].into_iter().collect();
        let pair = |index: usize, remove: usize| {
            format!(
                r#"{{"op":"copy","from":"/s","path":"/t"}},
                {{"op":"splice","path":"/t","index":{index},"remove":{remove},"insert":{insert}}}"#
            )
        };
        for (index, remove) in [(0, len), (1, len - 2), (len / 3, len / 2), (len, 0)] {
            let text = format!("[{}]", vec![pair(index, remove); 20].join(","));
            let patch = Patch::parse(text.as_bytes(), &Limits::NONE, Extensions::ALL).unwrap();
            let (applied, steps) = work::counted(|| patch.apply(&mut document, &Limits::NONE));
            assert!(steps <= 20 * 8_000, "{steps} steps");
            let t = document.as_object().and_then(|object| object.get("t"));
            assert_eq!(t.map(Value::heap_bytes), t.map(walked));
            let text = t.map(ToString::to_string).unwrap();
            assert_eq!(t.map(Value::written_bytes), Some(text.len() as u64));
            applied
                .unwrap()
                .inverse(&patch)
                .apply(&mut document, &Limits::NONE)
                .unwrap();
            let s = document
                .as_object()
                .and_then(|object| object.get("s"))
                .unwrap();
            assert_eq!((s.written_bytes(), s.nodes(), s.heap_bytes()), whole);
        }
    }
}

/// A large container gets its changes leaf by leaf, however they come.
#[test]
fn sums_are_right_after_changes_of_many_children_at_once() {
    let texts: Vec<_> = (0..300).map(record).collect();
    let list = parsed(&format!("[{}]", texts.join(",")));
    let members: Vec<_> = (0..)
        .zip(&texts)
        .map(|(at, text)| format!(r#""m{at:03}":{text}"#))
        .collect();
    let map = parsed(&format!("{{{}}}", members.join(",")));
    for step in [7, 50] {
        let changed = |at: usize| {
            (at % step < 2).then(|| format!("changed, of more than fourteen bytes, {at}"))
        };
        let elements = list.as_array().unwrap().iter().enumerate();
        let elements =
            elements.map(|(at, old)| changed(at).map_or_else(|| old.clone(), Value::from));
        let new_list = list.updated(&elements.collect::<Vec<_>>()).unwrap();
        let members = map.as_object().unwrap().iter().enumerate();
        let mut members: Vec<_> = members
            .map(|(at, (name, old))| (name, changed(at).map_or_else(|| old.clone(), Value::from)))
            .collect();
        members.reverse();
        for (old, new) in [
            (&list, new_list),
            (&map, map.updated(&Members(members)).unwrap()),
        ] {
            assert!(!new.identical(old));
            assert_eq!(new.heap_bytes(), walked(&new));
            assert_eq!(
                new.written_bytes(),
                parsed(&new.to_string()).written_bytes()
            );
            assert_eq!(old.heap_bytes(), walked(old));
        }
    }
}

struct Members<'a>(Vec<(&'a str, Value)>);

impl serde::Serialize for Members<'_> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(name, value)| (name, value)))
    }
}

fn parsed(text: &str) -> Value {
    text.parse().unwrap()
}
