use std::sync::Arc;

use headwater_doc::{Patch, Value};

use crate::{document::Document, frames::Gone, history::Commit, pins::Pin};

/// What a shard no longer needs and what takes a while to free. Drop it once the lock of the shard is let
/// go: a hundred megabytes of document take some tenths of a second.
#[derive(Debug, Default)]
pub struct Freed(Vec<Part>);

#[expect(dead_code, reason = "they are kept to be dropped")]
#[derive(Debug)]
enum Part {
    Patch(Arc<Patch>),
    Commit(Arc<Commit>),
    Pin(Pin),
    Root(Value),
    Document(Box<Document>),
    Frames(Gone),
}

/// Smaller parts are freed at once: that takes less than some microseconds.
const BYTES_MIN: u64 = 1 << 10;

impl Freed {
    /// Whether there is nothing that takes a while.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn patch(&mut self, patch: Arc<Patch>) {
        if patch.heap_bytes() >= BYTES_MIN {
            self.0.push(Part::Patch(patch));
        }
    }

    pub(crate) fn commit(&mut self, commit: Arc<Commit>) {
        // What was changed since, only the patch that brought it holds.
        let charge = commit.charge();
        if charge.own + charge.brought >= BYTES_MIN {
            self.0.push(Part::Commit(commit));
        }
    }

    pub(crate) fn pin(&mut self, pin: Pin) {
        if pin.heap_bytes() >= BYTES_MIN {
            self.0.push(Part::Pin(pin));
        }
    }

    pub(crate) fn root(&mut self, root: Value) {
        if root.heap_bytes() >= BYTES_MIN {
            self.0.push(Part::Root(root));
        }
    }

    pub(crate) fn document(&mut self, document: Document) {
        self.0.push(Part::Document(Box::new(document)));
    }

    pub(crate) fn frames(&mut self, frames: Gone) {
        if frames.bytes() >= BYTES_MIN {
            self.0.push(Part::Frames(frames));
        }
    }
}
