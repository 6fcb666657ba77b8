//! New objects that take the list of names of a sibling of the same shape.
//!
//! The parser shares lists within one text. Records that come one by one, each in a patch of its own,
//! would each bring lists of their own, which are as large as the records: here they give them up for
//! those of the record beside them. There is no table of shapes; who stands beside is known anyway.

use std::collections::BTreeSet;

use triomphe::Arc;

use crate::{
    array::Array,
    name::NameList,
    node::Node,
    object::Names,
    value::{Repr, Value, View},
};

/// Where the lists come from that a new value may take.
pub(crate) enum Sibling<'v> {
    /// Something that stays.
    Stays(&'v Value),
    /// What the new value takes the place of. Lists that it brought are not taken: they count with it, and would
    /// go on to be counted by nobody.
    Goes(&'v Value),
}

/// The value with the lists of names of a sibling, as far as both have objects of one shape at the same
/// place; the value itself where there is nothing to take.
///
/// Objects that take a list are copied, for the patch that brought them keeps its own: their values are
/// still shared. How many bytes the patch has for itself then, is the second.
// Most values are scalars, for which nothing is called.
#[inline]
pub(crate) fn adopt(value: Value, sibling: Option<Sibling<'_>>) -> (Value, u64) {
    match sibling {
        Some(sibling) if value.is_flat() => adopt_flat(value, &sibling),
        _ => (value, 0),
    }
}

fn adopt_flat(value: Value, sibling: &Sibling<'_>) -> (Value, u64) {
    let mut adoption = Adoption::default();
    let sibling = match sibling {
        Sibling::Stays(sibling) => sibling,
        Sibling::Goes(sibling) => {
            let (mut values, depth) = (adoption.values, adoption.depth);
            brought(sibling, &mut adoption.going, &mut values, depth);
            sibling
        }
    };
    let adopted = adoption.value(&value, sibling);
    (adopted.unwrap_or(value), adoption.adopted_bytes)
}

/// Finds the lists of names that a value brought, in so many of its values.
fn brought(value: &Value, lists: &mut Lists, values: &mut usize, depth: usize) {
    let Some(less) = values.checked_sub(1) else {
        return;
    };
    *values = less;
    let Some(depth) = depth.checked_sub(1) else {
        return;
    };
    if let Repr::Object(node) = &value.0
        && node.totals().counts_names()
    {
        lists.insert(Arc::as_ptr(node.header()));
    }
    match value.view() {
        View::Array(array) => {
            for value in array.iter().take(*values) {
                brought(value, lists, values, depth);
            }
        }
        View::Object(object) => {
            for value in object.values().take(*values) {
                brought(value, lists, values, depth);
            }
        }
        _ => {}
    }
}

/// Lists of names, by where they are.
type Lists = BTreeSet<*const NameList>;

impl Value {
    /// The same value, with the lists of names of another one wherever both have objects of one shape at
    /// the same place: documents of one kind then keep their names once.
    ///
    /// Looks at 1,024 values and 16 levels at most, so O(1). Objects that take a list are copied; what is in them is
    /// shared.
    #[must_use]
    pub fn with_names_of(self, sibling: &Self) -> Self {
        adopt(self, Some(Sibling::Stays(sibling))).0
    }
}

/// The same for each element of an array that is to be inserted beside a sibling; `None` if there is
/// nothing to take.
pub(crate) fn adopt_each(insert: &Value, sibling: Option<&Value>) -> Option<Value> {
    let (Repr::Array(node), sibling) = (&insert.0, sibling?) else {
        return None;
    };
    Adoption::default().elements(node, |_| Some(sibling))
}

struct Adoption {
    /// The lists that what goes has brought.
    going: Lists,
    /// Values that may still be looked at.
    values: usize,
    /// Containers that may still be entered from here.
    depth: usize,
    /// Of the containers that were copied, with the lists that they brought.
    adopted_bytes: u64,
}

impl Default for Adoption {
    /// A record has some dozen values, seldom more than five containers inside one another. Up to these
    /// bounds it takes microseconds, less than it took to read the text; what lies beyond keeps its own
    /// lists, which costs memory alone.
    fn default() -> Self {
        Self {
            going: Lists::new(),
            values: 1_024,
            depth: 16,
            adopted_bytes: 0,
        }
    }
}

impl Adoption {
    fn value(&mut self, value: &Value, sibling: &Value) -> Option<Value> {
        self.values = self.values.checked_sub(1)?;
        self.depth = self.depth.checked_sub(1)?;
        let adopted = match (&value.0, &sibling.0) {
            (Repr::Object(node), Repr::Object(sibling)) if !node.ptr_eq(sibling) => {
                self.members(node, sibling)
            }
            (Repr::Array(node), Repr::Array(_) | Repr::ArrayTree(_)) => {
                let siblings = sibling.as_array();
                // An array of records may be longer than that beside it.
                let beside = |array: Array<'_>, at: usize| at.min(array.len().saturating_sub(1));
                self.elements(node, |at| siblings?.get(beside(siblings?, at)))
            }
            _ => None,
        };
        self.depth += 1;
        adopted
    }

    fn members(&mut self, node: &Node<Names>, sibling: &Node<Names>) -> Option<Value> {
        let (names, theirs) = (node.header(), sibling.header());
        if !Arc::ptr_eq(names, theirs) && names[..] != theirs[..] {
            return None;
        }
        let changed = self.changed(node.values(), |at| sibling.values().get(at));
        let takes = !Arc::ptr_eq(names, theirs) && !self.going.contains(&Arc::as_ptr(theirs));
        if !takes && changed.is_empty() {
            return None;
        }
        self.adopted_bytes += node.bytes() as u64;
        // A list that the object has already counts with it as before.
        let brought = node.totals().counts_names();
        if takes && brought {
            self.adopted_bytes += names.brought_bytes();
        }
        let mut values = replaced(node.values(), changed);
        Some(Value::object_from_tail(
            if takes { theirs } else { names }.clone(),
            brought && !takes,
            &mut values,
        ))
    }

    fn elements<'s>(
        &mut self,
        node: &Node<()>,
        sibling: impl Fn(usize) -> Option<&'s Value>,
    ) -> Option<Value> {
        let changed = self.changed(node.values(), sibling);
        if changed.is_empty() {
            return None;
        }
        self.adopted_bytes += node.bytes() as u64;
        Some(Value::from(replaced(node.values(), changed)))
    }

    /// The values that take something, with their places.
    fn changed<'s>(
        &mut self,
        values: &[Value],
        sibling: impl Fn(usize) -> Option<&'s Value>,
    ) -> Vec<(usize, Value)> {
        let mut changed = Vec::new();
        for (at, value) in values.iter().enumerate() {
            if matches!(value.0, Repr::Object(_) | Repr::Array(_))
                && let Some(adopted) = sibling(at).and_then(|sibling| self.value(value, sibling))
            {
                changed.push((at, adopted));
            }
        }
        changed
    }
}

fn replaced(values: &[Value], changed: Vec<(usize, Value)>) -> Vec<Value> {
    let mut values = values.to_vec();
    for (at, value) in changed {
        if let Some(slot) = values.get_mut(at) {
            *slot = value;
        }
    }
    values
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Extensions, Limits, Patch};

    fn parsed(text: &str) -> Value {
        Value::parse(text.as_bytes(), &Limits::NONE).unwrap()
    }

    fn apply(document: &mut Value, patch: &str) {
        let patch = Patch::parse(patch.as_bytes(), &Limits::NONE, Extensions::ALL).unwrap();
        patch.apply(document, &Limits::NONE).unwrap();
    }

    fn names<'a>(document: &'a Value, path: &str) -> &'a Names {
        match &document.at(&path.parse().unwrap()).unwrap().0 {
            Repr::Object(node) => node.header(),
            _ => panic!("no flat object at {path}"),
        }
    }

    fn assert_shared(document: &Value, left: &str, right: &str) {
        let (left, right) = (names(document, left), names(document, right));
        assert!(Arc::ptr_eq(left, right));
    }

    const RECORD: &str = r#"{"b":1,"a":{"y":1,"x":2},"list":[{"n":1},{"n":2}]}"#;

    #[test]
    fn what_is_added_takes_the_names_of_who_stands_beside() {
        for path in ["/0", "/1", "/-"] {
            let mut document = parsed(&format!("[{RECORD}]"));
            apply(
                &mut document,
                &format!(r#"[{{"op":"add","path":"{path}","value":{RECORD}}}]"#),
            );
            for (left, right) in [("/0", "/1"), ("/0/a", "/1/a"), ("/0/list/1", "/1/list/0")] {
                assert_shared(&document, left, right);
            }
        }
        for name in ["a", "z"] {
            let mut document = parsed(&format!(r#"{{"k":{RECORD}}}"#));
            apply(
                &mut document,
                &format!(r#"[{{"op":"add","path":"/{name}","value":{RECORD}}}]"#),
            );
            assert_shared(&document, "/k/a", &format!("/{name}/a"));
        }
    }

    #[test]
    fn what_replaces_takes_the_names_of_what_it_replaces() {
        let mut document = parsed(&format!("[{RECORD},{RECORD}]"));
        apply(
            &mut document,
            &format!(r#"[{{"op":"replace","path":"/1","value":{RECORD}}}]"#),
        );
        assert_shared(&document, "/0/a", "/1/a");
        apply(
            &mut document,
            r#"[{"op":"add","path":"/1/a","value":{"x":7,"y":8}}]"#,
        );
        assert_shared(&document, "/0/a", "/1/a");
        apply(
            &mut document,
            &format!(
                r#"[{{"op":"splice","path":"","index":1,"remove":1,"insert":[{RECORD},2,{RECORD}]}}]"#
            ),
        );
        assert_shared(&document, "/0/a", "/1/a");
        assert_shared(&document, "/0", "/3");
    }

    /// What took the list of the record that had brought it was counted without one, once nobody held that
    /// record any more: a document replaced whole, again and again, seemed to be without names.
    #[test]
    fn what_replaces_the_one_that_brought_a_list_brings_its_own() {
        let table = format!("[{RECORD},{RECORD}]");
        for (path, value) in [
            ("", &*table),
            ("/0", RECORD),
            ("/0/list", r#"[{"n":3},{"n":4}]"#),
        ] {
            let mut document = parsed(&table);
            let before = document.heap_bytes();
            let replace = format!(r#"[{{"op":"replace","path":"{path}","value":{value}}}]"#);
            apply(&mut document, &replace);
            assert_eq!(document.heap_bytes(), before, "{path}");
        }
    }

    /// A list may be that of an element further back, before which others came that took it.
    #[test]
    fn a_list_is_not_taken_of_who_goes_with_its_bringer() {
        let mut document = parsed(&format!("[{RECORD}]"));
        let before = |text: &str| parsed(text).heap_bytes();
        let table = format!("[{RECORD},{RECORD}]");
        for patch in [
            format!(r#"[{{"op":"add","path":"/0","value":{RECORD}}}]"#),
            format!(r#"[{{"op":"replace","path":"","value":{table}}}]"#),
            format!(r#"[{{"op":"splice","path":"","index":0,"remove":2,"insert":{table}}}]"#),
        ] {
            apply(&mut document, &patch);
            assert_eq!(document.heap_bytes(), before(&table), "{patch}");
        }
    }

    #[test]
    fn what_a_patch_keeps_for_itself_is_told() {
        for (op, path, shares) in [
            ("replace", "/0", false),
            ("replace", "/1", true),
            ("add", "/-", true),
        ] {
            let mut document = parsed(&format!("[{RECORD},{RECORD}]"));
            let text = format!(r#"[{{"op":"{op}","path":"{path}","value":{RECORD}}}]"#);
            let patch = Patch::parse(text.as_bytes(), &Limits::NONE, Extensions::NONE).unwrap();
            let applied = patch.apply(&mut document, &Limits::NONE).unwrap();
            let kept = if shares { patch.put_bytes() } else { 0 };
            assert_eq!(applied.adopted_bytes, kept, "{op} {path}");
            assert_eq!(applied.copied_bytes, 0);
        }
    }

    #[test]
    fn other_names_and_the_patch_stay_as_they_are() {
        let mut document = parsed(&format!("[{RECORD}]"));
        let text = r#"[{"op":"add","path":"/-","value":{"b":1,"c":2}},{"op":"add","path":"/0","value":{"b":1,"a":{"y":1,"x":2},"list":[]}}]"#;
        let patch = Patch::parse(text.as_bytes(), &Limits::NONE, Extensions::NONE).unwrap();
        let before = patch.to_value();
        patch.apply(&mut document, &Limits::NONE).unwrap();
        assert!(patch.to_value().identical(&before));
        assert_shared(&document, "/0", "/1");
        assert_eq!(names(&document, "/2").len(), 2);
    }
}
