//! JSON trees of nested persistent maps, as one would build them on imbl or on rpds.
//!
//! They do what such a tree needs and no more: no pointers to parse, no limits, no inverse.

use std::sync::Arc;

use serde_json::Number;

/// A library of persistent collections. Its maps have the hashers and reference counts that it
/// chooses by itself.
pub(crate) trait Library: Sized {
    type Object: Clone + FromIterator<(Arc<str>, Tree<Self>)>;
    type Array: Clone + FromIterator<Tree<Self>>;

    fn len(object: &Self::Object) -> usize;
    fn member<'a>(object: &'a Self::Object, name: &str) -> Option<&'a Tree<Self>>;
    fn member_mut<'a>(object: &'a mut Self::Object, name: &str) -> Option<&'a mut Tree<Self>>;
}

/// [`imbl::OrdMap`] and [`imbl::Vector`].
pub(crate) enum Imbl {}

impl Library for Imbl {
    type Object = imbl::OrdMap<Arc<str>, Tree<Self>>;
    type Array = imbl::Vector<Tree<Self>>;

    fn len(object: &Self::Object) -> usize {
        object.len()
    }

    fn member<'a>(object: &'a Self::Object, name: &str) -> Option<&'a Tree<Self>> {
        object.get(name)
    }

    fn member_mut<'a>(object: &'a mut Self::Object, name: &str) -> Option<&'a mut Tree<Self>> {
        object.get_mut(name)
    }
}

/// [`rpds::HashTrieMapSync`] and [`rpds::VectorSync`].
pub(crate) enum Rpds {}

impl Library for Rpds {
    type Object = rpds::HashTrieMapSync<Arc<str>, Tree<Self>>;
    type Array = rpds::VectorSync<Tree<Self>>;

    fn len(object: &Self::Object) -> usize {
        object.size()
    }

    fn member<'a>(object: &'a Self::Object, name: &str) -> Option<&'a Tree<Self>> {
        object.get(name)
    }

    fn member_mut<'a>(object: &'a mut Self::Object, name: &str) -> Option<&'a mut Tree<Self>> {
        object.get_mut(name)
    }
}

/// A JSON value.
pub(crate) enum Tree<L: Library> {
    Null,
    Bool(bool),
    Number(Number),
    String(Arc<str>),
    Array(L::Array),
    Object(L::Object),
}

impl<L: Library> Tree<L> {
    /// Puts a value in place of the one at the end of a path of names.
    pub(crate) fn replace(&mut self, path: &[Box<str>], value: Self) -> Option<()> {
        let place = path.iter().try_fold(self, |tree, name| match tree {
            Self::Object(object) => L::member_mut(object, name),
            _ => None,
        })?;
        *place = value;
        Some(())
    }

    /// How many members it has; `None` if it is no object.
    pub(crate) fn members(&self) -> Option<usize> {
        match self {
            Self::Object(object) => Some(L::len(object)),
            _ => None,
        }
    }

    pub(crate) fn as_u64_at(&self, path: &[Box<str>]) -> Option<u64> {
        let place = path.iter().try_fold(self, |tree, name| match tree {
            Self::Object(object) => L::member(object, name),
            _ => None,
        })?;
        match place {
            Self::Number(number) => number.as_u64(),
            _ => None,
        }
    }
}

impl<L: Library> Clone for Tree<L> {
    fn clone(&self) -> Self {
        match self {
            Self::Null => Self::Null,
            Self::Bool(bool) => Self::Bool(*bool),
            Self::Number(number) => Self::Number(number.clone()),
            Self::String(string) => Self::String(Arc::clone(string)),
            Self::Array(array) => Self::Array(array.clone()),
            Self::Object(object) => Self::Object(object.clone()),
        }
    }
}

impl<L: Library> From<u64> for Tree<L> {
    fn from(number: u64) -> Self {
        Self::Number(number.into())
    }
}

impl<L: Library> From<&serde_json::Value> for Tree<L> {
    fn from(value: &serde_json::Value) -> Self {
        match value {
            serde_json::Value::Null => Self::Null,
            serde_json::Value::Bool(bool) => Self::Bool(*bool),
            serde_json::Value::Number(number) => Self::Number(number.clone()),
            serde_json::Value::String(string) => Self::String(string.as_str().into()),
            serde_json::Value::Array(array) => Self::Array(array.iter().map(Self::from).collect()),
            serde_json::Value::Object(object) => Self::Object(
                object
                    .iter()
                    .map(|(name, value)| (name.as_str().into(), Self::from(value)))
                    .collect(),
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn a_clone_keeps_what_it_had<L: Library>() {
        let mut tree = Tree::<L>::from(&json!({"a": {"b": 1, "c": [null, true, "d"]}}));
        let path: [Box<str>; 2] = ["a".into(), "b".into()];
        let before = tree.clone();
        assert_eq!((tree.members(), Tree::<L>::Null.members()), (Some(1), None));
        assert_eq!(tree.replace(&path, Tree::from(2)), Some(()));
        assert_eq!(before.as_u64_at(&path), Some(1));
        assert_eq!(tree.as_u64_at(&path), Some(2));
        assert_eq!(tree.replace(&["x".into()], Tree::from(2)), None);
    }

    #[test]
    fn a_clone_keeps_what_it_had_in_either_library() {
        a_clone_keeps_what_it_had::<Imbl>();
        a_clone_keeps_what_it_had::<Rpds>();
    }
}
