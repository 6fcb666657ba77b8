//! What a commit is to a subscriber that follows a part of the document.

use headwater_doc::{Operation, Patch, Pointer};

use crate::history::Commit;

impl Commit {
    /// Whether it changed anything at the path, in it, or above it.
    pub(crate) fn touches(&self, path: &Pointer) -> bool {
        let mut touched = self.touched().iter();
        touched.any(|touched| touched.overlaps(path))
    }
}

/// The commit's patch for a subscriber of `path`, relative to it: its operations inside. `None` if that
/// cannot be told from the patch alone, because something above the path changed, or something came or
/// went across its border.
pub(crate) fn narrowed(commit: &Commit, path: &Pointer) -> Option<Patch> {
    let above = |touched: &Pointer| touched.is_prefix_of(path) && touched != path;
    if commit.touched().iter().any(above) {
        return None;
    }
    let mut operations = Vec::new();
    for operation in commit.patch.operations() {
        let (at, from) = (operation.path(), operation.from());
        if at.overlaps(path) || from.is_some_and(|from| from.overlaps(path)) {
            let comes_or_goes = matches!(
                operation,
                Operation::Add { .. }
                    | Operation::Remove { .. }
                    | Operation::Move { .. }
                    | Operation::Copy { .. }
            );
            if comes_or_goes && (at == path || from == Some(path)) {
                return None;
            }
            operations.push(operation.strip_prefix(path)?);
        }
    }
    Some(Patch::from(operations))
}
