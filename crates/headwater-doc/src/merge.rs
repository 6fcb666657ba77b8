use std::mem;

use crate::{
    limits::{LimitExceeded, Limits},
    object::{Members, Object},
    patch::{Operation, Patch},
    pointer::Pointer,
    value::{Value, View},
};

impl Patch {
    /// Translates a JSON Merge Patch (RFC 7396) into the patch that does the same to `document`.
    ///
    /// A member of `merge` replaces the one of the same name, objects are merged with objects, and
    /// `null` removes; anything but an object replaces the whole. What `merge` leaves as it is takes
    /// no operation, so that a merge without effect gives an empty patch. An array is replaced as a
    /// whole, and nulls inside it stay (section 2).
    ///
    /// The translation holds for this document only: one that has changed since may refuse it, or end
    /// otherwise than the merge patch would have it. O(bytes of `merge` and of the patch, and log n for each
    /// member that is looked up); values that are replaced are compared with what stands there.
    ///
    /// No path leads deeper than [`Pointer::SEGMENTS_MAX`] levels, eight times the default limit of depth.
    /// Where objects meet below that, the one at the end of the path is replaced by what the merge makes of
    /// it, which costs the members of the objects that meet too; so the patch can always be written and read.
    ///
    /// # Errors
    ///
    /// [`LimitExceeded::Bytes`] if the patch as text would be longer than a document may be. Each
    /// operation repeats the path to its place, so that a merge patch with long names around many
    /// small members can grow to the square of its size. The other limits hold for the result, when
    /// the patch is applied.
    ///
    /// # Example
    ///
    /// ```
    /// use headwater_doc::{Limits, Patch, Value};
    ///
    /// let mut document: Value = r#"{"title": "draft", "author": {"name": "Ada", "born": 1815}}"#.parse()?;
    /// let merge: Value = r#"{"title": "final", "author": {"born": null}}"#.parse()?;
    /// let limits = Limits::default();
    ///
    /// let patch = Patch::from_merge(&document, &merge, &limits)?;
    /// patch.apply(&mut document, &limits)?;
    /// assert_eq!(document.to_string(), r#"{"author":{"name":"Ada"},"title":"final"}"#);
    /// assert!(Patch::from_merge(&document, &merge, &limits)?.is_empty());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn from_merge(
        document: &Value,
        merge: &Value,
        limits: &Limits,
    ) -> Result<Self, LimitExceeded> {
        let mut merger = Merger {
            limits,
            operations: Vec::new(),
            bytes: 2,
            names: Vec::new(),
        };
        let (Some(target), Some(members)) = (document.as_object(), merge.as_object()) else {
            merger.place(Some(document), merge)?;
            return Ok(Self::from(merger.operations));
        };
        // A list, since the depth is the input's.
        let mut open = vec![(target, members.iter())];
        while let Some((target, members)) = open.last_mut() {
            let Some((name, merge)) = members.next() else {
                open.pop();
                merger.names.pop();
                continue;
            };
            merger.names.push(name);
            let old = target.get(name);
            // The names of a member inside would be more than a path may have.
            let at_deepest_path = merger.names.len() >= Pointer::SEGMENTS_MAX;
            if !at_deepest_path
                && let (Some(target), Some(members)) =
                    (old.and_then(Value::as_object), merge.as_object())
            {
                // The name stays until this object is done.
                open.push((target, members.iter()));
                continue;
            }
            match (old, merge.is_null()) {
                (Some(_), true) => merger.remove()?,
                (None, true) => {}
                (old, false) => merger.place(old, merge)?,
            }
            merger.names.pop();
        }
        Ok(Self::from(merger.operations))
    }
}

struct Merger<'a> {
    limits: &'a Limits,
    operations: Vec<Operation>,
    /// Bytes of the patch so far as text, with a comma too many.
    bytes: u64,
    /// The way to the place at work.
    names: Vec<&'a str>,
}

impl Merger<'_> {
    /// Puts what is merged where no two objects meet, or none that paths lead into.
    fn place(&mut self, old: Option<&Value>, merge: &Value) -> Result<(), LimitExceeded> {
        let value = merged(old, merge);
        match old {
            // As in a diff, `1` that becomes `1.0` is a change.
            Some(old) if old.identical(&value) => Ok(()),
            Some(_) => self.push(Operation::Replace {
                path: self.path(),
                value,
            }),
            None => self.push(Operation::Add {
                path: self.path(),
                value,
            }),
        }
    }

    fn remove(&mut self) -> Result<(), LimitExceeded> {
        self.push(Operation::Remove { path: self.path() })
    }

    fn path(&self) -> Pointer {
        Pointer::of_segments(&self.names)
    }

    fn push(&mut self, operation: Operation) -> Result<(), LimitExceeded> {
        self.bytes = self
            .bytes
            .saturating_add(operation.written_bytes())
            .saturating_add(1);
        if self.bytes - 1 > self.limits.bytes {
            let limit = self.limits.bytes;
            return Err(LimitExceeded::Bytes { limit });
        }
        self.operations.push(operation);
        Ok(())
    }
}

/// What a merge patch makes of a value, or of nothing (RFC 7396 section 2): of two objects one that has the
/// members of both, but for those that are null in the patch; else the patch, without members that are null
/// in it and in the objects inside it.
fn merged(old: Option<&Value>, merge: &Value) -> Value {
    let target = old.and_then(Value::as_object);
    let object = merge.as_object();
    let Some(object) = object.filter(|_| target.is_some() || has_null_member(merge)) else {
        return merge.clone();
    };
    let mut level = Level::new("", target, object);
    // The objects around, a list, since the depth is the input's.
    let mut open = Vec::new();
    loop {
        match level
            .rest
            .next()
            .map(|(name, value)| (name, value, value.view()))
        {
            Some((_, _, View::Null)) => {}
            Some((name, _, View::Object(object))) => {
                let target = level.target.and_then(|target| target.get(name));
                let inner = Level::new(name, target.and_then(Value::as_object), object);
                open.push(mem::replace(&mut level, inner));
            }
            Some((name, value, _)) => level.members.push((name, value.clone())),
            None => {
                let Level { name, members, .. } = level;
                let value = members.into_iter().collect();
                let Some(around) = open.pop() else {
                    return value;
                };
                level = around;
                level.members.push((name, value));
            }
        }
    }
}

/// An object at work.
struct Level<'a> {
    /// Its name in the one around.
    name: &'a str,
    /// What stands there before.
    target: Option<Object<'a>>,
    /// What is still to be merged.
    rest: Members<'a>,
    /// What stands there after.
    members: Vec<(&'a str, Value)>,
}

impl<'a> Level<'a> {
    fn new(name: &'a str, target: Option<Object<'a>>, merge: Object<'a>) -> Self {
        let old = target.into_iter().flatten();
        let kept = old.filter(|(name, _)| merge.get(name).is_none());
        Self {
            name,
            target,
            rest: merge.iter(),
            members: kept.map(|(name, value)| (name, value.clone())).collect(),
        }
    }
}

fn has_null_member(merge: &Value) -> bool {
    let mut open: Vec<_> = merge.as_object().into_iter().collect();
    while let Some(object) = open.pop() {
        for value in object.values() {
            match value.view() {
                View::Null => return true,
                View::Object(object) => open.push(object),
                _ => {}
            }
        }
    }
    false
}
