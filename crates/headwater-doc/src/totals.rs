/// What one value costs to write and to hold, for the limits of a document.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Measure {
    /// Bytes of its compact text; an upper bound where it contains doubles or numbers kept as text.
    pub(crate) bytes: u32,
    /// Values in it, itself included.
    pub(crate) nodes: u32,
    /// Containers inside one another, itself included: 0 for a scalar, 1 for `[]`.
    pub(crate) height: u16,
}

impl Measure {
    pub(crate) fn scalar(bytes: usize) -> Self {
        Self {
            bytes: u32::try_from(bytes).unwrap_or(u32::MAX),
            nodes: 1,
            height: 0,
        }
    }
}

/// What a container's header caches of everything below it, so that limits are decided in O(1).
///
/// Sums that pass 2^32 stay there, whatever is removed: twenty self-copies of a large document pass
/// any number long before they take memory, and such a sum must stay above every limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Totals {
    /// The text of all children, each with its comma and, in an object, its name and colon.
    bytes: u32,
    /// Values below the container.
    nodes: u32,
    /// Height of the highest child. It may overstate once a child was removed: the next highest is
    /// not known without a walk.
    height: u16,
}

impl Totals {
    pub(crate) const fn from_parts(bytes: u32, nodes: u32, height: u16) -> Self {
        Self {
            bytes,
            nodes,
            height,
        }
    }

    pub(crate) const fn to_parts(self) -> (u32, u32, u16) {
        (self.bytes, self.nodes, self.height)
    }

    /// Counts a child; `name_bytes` is what its name and colon take, 0 in an array.
    pub(crate) const fn add(&mut self, child: Measure, name_bytes: u32) {
        self.bytes = self
            .bytes
            .saturating_add(child.bytes)
            .saturating_add(name_bytes.saturating_add(1));
        self.nodes = self.nodes.saturating_add(child.nodes);
        self.rise(child.height);
    }

    /// Counts the names of an object and their colons.
    pub(crate) const fn add_names(&mut self, bytes: u32) {
        self.bytes = self.bytes.saturating_add(bytes);
    }

    /// Takes back what [`add`](Self::add) counted, but for the height.
    pub(crate) const fn remove(&mut self, child: Measure, name_bytes: u32) {
        self.bytes = lessen(self.bytes, child.bytes);
        self.bytes = lessen(self.bytes, name_bytes.saturating_add(1));
        self.nodes = lessen(self.nodes, child.nodes);
    }

    /// Follows a child whose measure went from `before` to `after`.
    pub(crate) const fn shift(&mut self, before: Measure, after: Measure) {
        self.bytes = lessen(self.bytes, before.bytes).saturating_add(after.bytes);
        self.nodes = lessen(self.nodes, before.nodes).saturating_add(after.nodes);
        self.rise(after.height);
    }

    /// The measure of the container itself.
    pub(crate) const fn measure(self) -> Measure {
        // Two brackets and a comma for each child but the last.
        let bytes = if self.bytes == 0 {
            2
        } else {
            self.bytes.saturating_add(1)
        };
        Measure {
            bytes,
            nodes: self.nodes.saturating_add(1),
            height: self.height.saturating_add(1),
        }
    }

    const fn rise(&mut self, height: u16) {
        if self.height < height {
            self.height = height;
        }
    }
}

/// A sum less a part of it; one that has lost count stays where it is.
const fn lessen(sum: u32, part: u32) -> u32 {
    if sum == u32::MAX {
        sum
    } else {
        sum.saturating_sub(part)
    }
}
