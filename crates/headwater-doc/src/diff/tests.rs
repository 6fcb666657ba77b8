use super::*;
use crate::Limits;

/// An array or object of so many children that are a container each.
fn large(len: usize, object: bool) -> Value {
    let child = |at: usize| Value::from(vec![Value::from(at)]);
    if object {
        (0..len)
            .map(|at| (format!("n{at:06}"), child(at)))
            .collect()
    } else {
        (0..len).map(child).collect()
    }
}

fn changed(value: &Value, patch: &str) -> Value {
    let mut changed = value.clone();
    let patch = Patch::parse(patch.as_bytes(), &Limits::NONE, Extensions::NONE).unwrap();
    patch.apply(&mut changed, &Limits::NONE).unwrap();
    changed
}

/// How many children the difference looks at, on both sides: those of the runs that are not shared.
fn looked_at(old: &Value, new: &Value) -> usize {
    let runs = match (old.view(), new.view()) {
        (View::Array(old), View::Array(new)) => old.unshared(new, &mut 0),
        (View::Object(old), View::Object(new)) => old.unshared(new, &mut 0),
        _ => panic!("two arrays or two objects"),
    };
    runs.iter().map(|run| run.old.len() + run.new.len()).sum()
}

fn assert_cheap(old: &Value, new: &Value, operations: usize) {
    for (from, to) in [(old, new), (new, old)] {
        let count = looked_at(from, to);
        assert!(count <= 64 * operations * 2, "{count} children looked at");
        let patch = diff(from, to, Extensions::NONE);
        assert_eq!(patch.operations().len(), operations);
        let mut patched = from.clone();
        patch.apply(&mut patched, &Limits::NONE).unwrap();
        assert!(patched.identical(to));
    }
}

#[test]
fn changes_at_both_ends_of_a_large_array_leave_the_middle_alone() {
    let old = large(100_000, false);
    let replaced = changed(
        &old,
        r#"[{"op":"replace","path":"/0/0","value":true},{"op":"replace","path":"/99999/0","value":1}]"#,
    );
    assert_cheap(&old, &replaced, 2);
    // What is inserted shifts all that is behind it.
    let shifted = changed(
        &old,
        r#"[{"op":"add","path":"/0","value":[]},{"op":"add","path":"/50000","value":{}},
        {"op":"remove","path":"/70000"},{"op":"add","path":"/-","value":7}]"#,
    );
    assert_cheap(&old, &shifted, 4);
}

#[test]
fn changes_at_both_ends_of_a_large_object_leave_the_middle_alone() {
    let old = large(100_000, true);
    let new = changed(
        &old,
        r#"[{"op":"replace","path":"/n000000/0","value":true},{"op":"add","path":"/n05","value":1},
        {"op":"remove","path":"/n070000"},{"op":"replace","path":"/n099999/0","value":1}]"#,
    );
    assert_cheap(&old, &new, 4);
}

#[test]
fn a_block_that_moved_is_found_by_its_chunks() {
    let old = large(10_000, false);
    let operations = [r#"{"op":"move","from":"/0","path":"/9000"}"#; 3];
    let new = changed(&old, &format!("[{}]", operations.join(",")));
    assert_cheap(&old, &new, 6);
}
