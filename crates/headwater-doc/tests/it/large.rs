//! Objects beyond the size up to which they are flat, and patch texts of any shape.

use std::collections::BTreeMap;

use headwater_doc::{Extensions, Limits, Operation, Patch, Pointer, Value, diff};
use proptest::{collection::vec, prelude::*, sample::Index};

/// A change of one member of a map: a number to set, or `None` to remove it.
type Change = (u16, Option<u32>);

fn name(number: u16) -> String {
    // Some fit into 14 bytes and some do not.
    if number.is_multiple_of(5) {
        format!("a name that is long {number:05}")
    } else {
        format!("n{number}")
    }
}

fn object(model: &BTreeMap<String, u32>) -> Value {
    let members = model.iter();
    members
        .map(|(name, number)| (name.as_str(), Value::from(*number)))
        .collect()
}

fn operation(model: &BTreeMap<String, u32>, (number, change): Change) -> Operation {
    let name = name(number);
    let path = Pointer::root().child(&name);
    match change {
        Some(number) => Operation::Add {
            path,
            value: Value::from(number),
        },
        None if model.contains_key(&name) => Operation::Remove { path },
        None => Operation::Test {
            path: Pointer::root(),
            value: object(model),
        },
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn an_object_of_any_size_agrees_with_a_map(
        changes in vec((0_u16..150, prop_oneof![3 => any::<u32>().prop_map(Some), 2 => Just(None)]), 0..500),
        pauses in vec(any::<Index>(), 4),
    ) {
        let mut model = BTreeMap::new();
        let mut document = object(&model);
        let mut undo = Vec::new();
        let mut seen = vec![(document.clone(), model.clone())];
        let pauses: Vec<_> = pauses.iter().map(|pause| pause.index(changes.len().max(1))).collect();
        for (at, change) in changes.into_iter().enumerate() {
            let patch = Patch::from(vec![operation(&model, change)]);
            let applied = patch.apply(&mut document, &Limits::NONE).unwrap();
            undo.push((applied.inverse(&patch).into_owned(), model.clone()));
            match change {
                (number, Some(value)) => { model.insert(name(number), value); }
                (number, None) => { model.remove(&name(number)); }
            }
            prop_assert_eq!(&document, &object(&model));
            prop_assert_eq!(document.nodes(), model.len() as u64 + 1);
            prop_assert_eq!(document.written_bytes(), document.to_string().len() as u64);
            let found = model.keys().all(|name| {
                document.as_object().and_then(|object| object.get(name)).and_then(Value::as_u64)
                    == model.get(name).map(|&number| number.into())
            });
            prop_assert!(found);
            if pauses.contains(&at) {
                seen.push((document.clone(), model.clone()));
            }
        }
        // No clone has seen a later write, and each two are connected by their diff.
        for (clone, then) in &seen {
            prop_assert_eq!(clone, &object(then));
            for (from, to) in [(clone, &document), (&document, clone)] {
                let mut patched = from.clone();
                diff(from, to, Extensions::NONE).apply(&mut patched, &Limits::NONE).unwrap();
                prop_assert!(patched.identical(to));
            }
        }
        while let Some((inverse, before)) = undo.pop() {
            inverse.apply(&mut document, &Limits::NONE).unwrap();
            prop_assert_eq!(&document, &object(&before));
        }
    }

    /// Regular operations are read without a value between; whatever is irregular goes the long way.
    /// Both must find the same.
    #[test]
    fn a_patch_text_reads_as_the_value_that_it_stands_for(
        members in vec(vec((select_member(), select_value()), 0..5), 0..4),
        garbage in proptest::option::of((any::<Index>(), select_garbage())),
    ) {
        let operations: Vec<_> = members
            .iter()
            .map(|members| {
                let members: Vec<_> = members
                    .iter()
                    .map(|(name, value)| format!("\"{name}\": {value}"))
                    .collect();
                format!("{{{}}}", members.join(" ,"))
            })
            .collect();
        let mut text = format!(" [{}] ", operations.join(", ")).into_bytes();
        if let Some((place, byte)) = garbage {
            let place = place.index(text.len());
            text[place] = byte;
        }
        for extensions in [Extensions::NONE, Extensions::ALL] {
            let direct = Patch::parse(&text, &Limits::default(), extensions);
            let by_value = Value::parse(&text, &Limits::default())
                .map_err(headwater_doc::InvalidPatch::from)
                .and_then(|value| Patch::from_value(&value, extensions));
            let text = String::from_utf8_lossy(&text);
            match (direct, by_value) {
                (Ok(direct), Ok(by_value)) => prop_assert_eq!(direct, by_value, "{}", text),
                // An operation is judged as soon as it is read, before what follows it.
                (Err(_), Err(_)) => {}
                (direct, by_value) => {
                    prop_assert!(false, "{}: {:?} but {:?}", text, direct, by_value);
                }
            }
        }
    }
}

fn select_member() -> impl Strategy<Value = &'static str> {
    prop::sample::select(
        &[
            "op", "op", "path", "path", "value", "from", "by", "index", "remove", "insert",
            "comment", "\\u006fp",
        ][..],
    )
}

fn select_value() -> impl Strategy<Value = &'static str> {
    prop::sample::select(
        &[
            r#""add""#,
            r#""remove""#,
            r#""replace""#,
            r#""move""#,
            r#""test""#,
            r#""increment""#,
            r#""splice""#,
            r#""/a/b~1""#,
            r#""""#,
            r#""a""#,
            "3",
            "-1",
            "1.5",
            "null",
            r#"[1, {"a": []}]"#,
            r#"{"a": 1, "a": 2}"#,
        ][..],
    )
}

fn select_garbage() -> impl Strategy<Value = u8> {
    prop::sample::select(&b"\"{}[],:\\ 0x\xff"[..])
}

#[test]
fn values_inside_operations_are_held_to_the_limit_of_depth() {
    let nested = |depth: usize| {
        let value = "[".repeat(depth) + &"]".repeat(depth);
        format!(r#"[{{"op":"add","path":"","value":{value}}}]"#)
    };
    let parse = |depth| {
        Patch::parse(
            nested(depth).as_bytes(),
            &Limits::default(),
            Extensions::NONE,
        )
    };
    assert!(parse(128).is_ok());
    assert!(parse(129).is_err());
    assert!(parse(100_000).is_err());
}

/// From either end, at every place where the two can meet.
#[test]
fn elements_and_members_are_counted_and_come_from_both_ends() {
    for len in [0_u32, 1, 16, 17, 32, 33, 100] {
        let array: Value = (0..len).map(Value::from).collect();
        let members = (0..len).map(|at| (format!("{at:05}"), Value::from(at)));
        let object: Value = members.collect();
        let (array, object) = (array.as_array().unwrap(), object.as_object().unwrap());
        let number = |value: &Value| u32::try_from(value.as_u64().unwrap()).unwrap();
        for meet in 0..=len {
            let (mut elements, mut members) = (array.iter(), object.iter());
            for (at, expected) in (0..meet).chain((meet..len).rev()).enumerate() {
                let left = len as usize - at;
                assert_eq!((elements.len(), members.len()), (left, left));
                let (element, member) = if expected < meet {
                    (elements.next(), members.next())
                } else {
                    (elements.next_back(), members.next_back())
                };
                assert_eq!(element.map(number), Some(expected));
                assert_eq!(
                    member.map(|(name, value)| (name.to_owned(), number(value))),
                    Some((format!("{expected:05}"), expected))
                );
            }
            assert!(elements.next().is_none() && elements.next_back().is_none());
            assert!(members.next().is_none() && members.next_back().is_none());
            assert_eq!(array.iter_from(meet as usize).len(), (len - meet) as usize);
        }
        assert_eq!(array.iter_from(len as usize + 1).len(), 0);
        let (mut elements, mut members) = (0, 0);
        for element in array {
            elements += number(element);
        }
        for (_, member) in &object {
            members += number(member);
        }
        let sum: u32 = (0..len).sum();
        assert_eq!((elements, members), (sum, sum));
        assert!(
            object
                .names()
                .rev()
                .eq(object.iter().rev().map(|(name, _)| name))
        );
        assert_eq!(object.values().len(), len as usize);
    }
}
