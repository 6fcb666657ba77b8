/// What one value costs to write and to hold, for the limits of a document.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Measure {
    /// Bytes of its compact text; an upper bound where it contains other numbers than
    /// integers of 64 bits.
    pub(crate) bytes: u64,
    /// Values in it, itself included.
    pub(crate) nodes: u64,
    /// Containers inside one another, itself included: 0 for a scalar, 1 for `[]`.
    pub(crate) height: u32,
}

impl Measure {
    pub(crate) const fn scalar(bytes: u64) -> Self {
        Self {
            bytes,
            nodes: 1,
            height: 0,
        }
    }
}

/// What a container's header caches of everything below it, so that limits are decided in O(1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Totals {
    /// The text of all children, each with its comma and, in an object, its name and colon.
    bytes: u64,
    /// Values below the container.
    nodes: u64,
    /// Height of the highest child. It may overstate once a child was removed: the next highest is
    /// not known without a walk.
    height: u32,
}

impl Totals {
    /// Counts a child; `name_bytes` is what its name and colon take, 0 in an array.
    ///
    /// Saturates, as all sums here do: twenty self-copies of a large document pass 2^64 bytes long
    /// before they take memory, and such a sum must stay above every limit.
    pub(crate) const fn add(&mut self, child: Measure, name_bytes: u64) {
        self.bytes = self
            .bytes
            .saturating_add(child.bytes)
            .saturating_add(name_bytes + 1);
        self.nodes = self.nodes.saturating_add(child.nodes);
        self.rise(child.height);
    }

    /// Takes back what [`add`](Self::add) counted, but for the height.
    pub(crate) const fn remove(&mut self, child: Measure, name_bytes: u64) {
        self.bytes = self
            .bytes
            .saturating_sub(child.bytes)
            .saturating_sub(name_bytes + 1);
        self.nodes = self.nodes.saturating_sub(child.nodes);
    }

    /// Follows a child whose measure went from `before` to `after`.
    pub(crate) const fn shift(&mut self, before: Measure, after: Measure) {
        self.bytes = self
            .bytes
            .saturating_sub(before.bytes)
            .saturating_add(after.bytes);
        self.nodes = self
            .nodes
            .saturating_sub(before.nodes)
            .saturating_add(after.nodes);
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

    const fn rise(&mut self, height: u32) {
        if self.height < height {
            self.height = height;
        }
    }
}
