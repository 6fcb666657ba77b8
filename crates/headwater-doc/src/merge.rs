use crate::{
    limits::{LimitExceeded, Limits},
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
            if let (Some(target), Some(members)) =
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
    /// Puts what is merged where no two objects meet.
    fn place(&mut self, old: Option<&Value>, merge: &Value) -> Result<(), LimitExceeded> {
        let value = without_null_members(merge);
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

/// What a merge patch makes of nothing: itself, but for the members that are null in it and in the
/// objects inside it.
fn without_null_members(merge: &Value) -> Value {
    let (true, Some(object)) = (has_null_member(merge), merge.as_object()) else {
        return merge.clone();
    };
    let mut name = "";
    let mut rest = object.iter();
    let mut members = Vec::new();
    // The objects around, each with its name in the one before.
    let mut open = Vec::new();
    loop {
        match rest.next().map(|(name, value)| (name, value, value.view())) {
            Some((_, _, View::Null)) => {}
            Some((inner, _, View::Object(object))) => {
                open.push((name, rest, members));
                (name, rest, members) = (inner, object.iter(), Vec::new());
            }
            Some((name, value, _)) => members.push((name, value.clone())),
            None => {
                let value = members.into_iter().collect();
                let Some(around) = open.pop() else {
                    return value;
                };
                let inner = name;
                (name, rest, members) = around;
                members.push((inner, value));
            }
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
