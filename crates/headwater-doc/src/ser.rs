mod elements;
mod entries;
mod fields;
mod key;
mod members;
mod scratch;
mod tree;
mod update;

use std::fmt;

use serde::{Serialize, ser};

use self::{scratch::Scratch, tree::Tree};
use crate::{
    failure::{Failure, write_failure},
    limits::LimitExceeded,
    number::NumberError,
    pointer::Pointer,
    value::Value,
};

/// Makes a document of any value that serde can serialise, without a text between them.
///
/// | Rust | JSON |
/// | --- | --- |
/// | struct, map | object |
/// | sequence, tuple, tuple struct, bytes | array |
/// | `()`, unit struct, `None` | `null` |
/// | `Some(value)`, newtype struct | the value inside |
/// | unit variant | its name, as a string |
/// | other variants | object of one member: the name, and what the variant holds |
/// | integer | integer, exact also beyond 64 bits |
/// | `f64` | double |
/// | `f32` | double of its shortest decimal form: `0.1_f32` becomes `0.1` |
/// | `char` | string |
///
/// A [`Value`] inside the value is made again, not shared. Serde has no word for most numbers that are kept
/// as text: a `Value` that holds one, but for integers of up to 128 bits, is refused.
///
/// O(values and bytes of strings), and O(names · log(names)) for each map whose names do not come sorted.
///
/// A map's keys must be strings, or become one: a `char`, a unit variant, a newtype of these. Numbers
/// as keys are refused, since what they would be written as is a string that sorts otherwise.
///
/// # Errors
///
/// [`SerializeError`] with the path inside the value and the reason: the fault is the value's, or that
/// of its `Serialize`. What is deeper than 128 containers is refused rather than followed to the end of
/// the stack; recursion that opens no container is the type's own affair.
///
/// # Example
///
/// ```
/// use headwater_doc::to_value;
/// use serde::Serialize;
///
/// #[derive(Serialize)]
/// struct Player {
///     name: &'static str,
///     speed: f32,
///     doing: Doing,
/// }
///
/// #[derive(Serialize)]
/// enum Doing {
///     Walk { to: (i32, i32) },
/// }
///
/// let ada = Player { name: "ada", speed: 0.1, doing: Doing::Walk { to: (3, -4) } };
/// assert_eq!(
///     to_value(&ada)?.to_string(),
///     r#"{"doing":{"Walk":{"to":[3,-4]}},"name":"ada","speed":0.1}"#
/// );
/// # Ok::<(), headwater_doc::SerializeError>(())
/// ```
///
/// For a value of which a document was made before, [`Value::updated`] is quicker and shares with that
/// document what did not change.
pub fn to_value<T: Serialize + ?Sized>(value: &T) -> Result<Value, SerializeError> {
    make(None, value)
}

/// Makes a document of a value, out of the parts of an old one where they are the same.
fn make<T: Serialize + ?Sized>(old: Option<&Value>, value: &T) -> Result<Value, SerializeError> {
    let mut scratch = Scratch::default();
    match value.serialize(Tree::root(old, &mut scratch)) {
        Ok(part) => Ok(part.or_old(old)),
        Err(failure) => {
            let (path, reason) = failure.into_parts();
            Err(SerializeError { path, reason })
        }
    }
}

/// Why a value of [serde's data model](https://serde.rs/data-model.html) is no document, and where.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct SerializeError {
    /// Where in the document it would have stood.
    pub path: Pointer,
    /// What is wrong with it.
    pub reason: SerializeReason,
}

impl fmt::Display for SerializeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_failure(&self.path, &self.reason, f)
    }
}

/// What is wrong with a value that is to be a document (RFC 8259).
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SerializeReason {
    /// A float is an infinity or NaN, which JSON cannot express.
    #[error("float is not finite")]
    NotFinite,
    /// A map's key is no string.
    #[error("{found} cannot be a name, only a string can")]
    KeyNotString {
        /// What the key is.
        found: &'static str,
    },
    /// A map has the same key twice, or a flattened struct a field of the same name.
    #[error("name {name:?} repeated")]
    RepeatedName {
        /// The key, its first 64 characters.
        name: String,
    },
    /// The document would be deeper than 128 containers.
    #[error(transparent)]
    Limit(#[from] LimitExceeded),
    /// What the type's own `Serialize` says.
    #[error("{message}")]
    Custom {
        /// Its words.
        message: String,
    },
}

type SerializeFailure = Failure<SerializeReason>;

impl ser::Error for SerializeFailure {
    fn custom<T: fmt::Display>(message: T) -> Self {
        let message = message.to_string();
        Self::new(SerializeReason::Custom { message })
    }
}

impl From<NumberError> for SerializeFailure {
    fn from(error: NumberError) -> Self {
        match error {
            NumberError::NotFinite => Self::new(SerializeReason::NotFinite),
            error => ser::Error::custom(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use triomphe::Arc;

    use super::*;
    use crate::value::{Repr, View};

    fn assert_names_are_shared(records: &Value) {
        let records: Vec<_> = match records.view() {
            View::Array(array) => array.iter().collect(),
            View::Object(object) => object.values().collect(),
            _ => Vec::new(),
        };
        let [Value(Repr::Object(first)), Value(Repr::Object(second))] = records.as_slice() else {
            panic!("two records, not {records:?}");
        };
        assert!(Arc::ptr_eq(first.header(), second.header()));
    }

    #[test]
    fn records_of_one_shape_share_their_names() {
        #[derive(Clone, Copy, Serialize)]
        struct Record {
            x: u8,
            at: Option<(u8, u8)>,
        }
        let first = Record {
            x: 1,
            at: Some((2, 3)),
        };
        let second = Record { x: 4, at: None };
        let table = to_value(&[first, second]).unwrap();
        let map = to_value(&BTreeMap::from([("a", first), ("b", second)])).unwrap();
        for records in [table, map] {
            assert_names_are_shared(&records);
            let text = records.to_string();
            assert_names_are_shared(&serde_json::from_str(&text).unwrap());
        }
    }

    /// The names of a record that is new, or has a field more, are those of one that is there.
    #[test]
    fn a_new_record_takes_the_names_of_an_old_one() {
        let old: Value = r#"{"a":{"x":1,"y":[2]}}"#.parse().unwrap();
        let point = |x, y| BTreeMap::from([("x", vec![x]), ("y", vec![y])]);
        let map = BTreeMap::from([("a", point(1, 2)), ("b", point(3, 4))]);
        assert_names_are_shared(&old.updated(&map).unwrap());
        let old: Value = r#"[{"x":1,"y":[2]}]"#.parse().unwrap();
        let list = old.updated(&[point(1, 2), point(3, 4)]).unwrap();
        assert_names_are_shared(&list);
        // Also with the old document itself.
        let pair = [
            list.as_array().unwrap().get(1),
            old.as_array().unwrap().get(0),
        ];
        assert_names_are_shared(&pair.into_iter().flatten().cloned().collect());
    }

    #[test]
    fn a_change_in_a_large_container_leaves_its_other_nodes_shared() {
        let mut map: BTreeMap<_, _> = (0..1_000).map(|at| (format!("{at:04}"), at)).collect();
        let mut list: Vec<_> = (0..1_000).collect();
        let (old_map, old_list) = (to_value(&map).unwrap(), to_value(&list).unwrap());
        map.insert("0500".to_owned(), 0);
        map.remove("0501");
        map.insert("0501 and a half".to_owned(), 0);
        list[500] = 0;
        let (map, list) = (
            old_map.updated(&map).unwrap(),
            old_list.updated(&list).unwrap(),
        );
        let objects = old_map.as_object().zip(map.as_object());
        let arrays = old_list.as_array().zip(list.as_array());
        for hunks in [
            objects.map(|(old, new)| old.unshared(new, &mut 0)).unwrap(),
            arrays.map(|(old, new)| old.unshared(new, &mut 0)).unwrap(),
        ] {
            let unshared: usize = hunks.iter().map(|hunk| hunk.new.len()).sum();
            assert!(unshared < 100, "{unshared} of 1,000 are not shared");
        }
    }
}
