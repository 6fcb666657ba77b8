#[cfg(test)]
mod tests;

use crate::{chunked::Sum, name::NameList, value::Value};

/// What one value costs to write and to hold, for the limits of a document.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Measure {
    /// Bytes of its compact text; an upper bound where it contains doubles or numbers kept as text.
    pub(crate) bytes: u32,
    /// Values in it, itself included.
    pub(crate) nodes: u32,
    /// Containers inside one another, itself included: 0 for a scalar, 1 for `[]`.
    pub(crate) height: u16,
    /// What it requests from the allocator, beside the 16 bytes of the value itself, in words of
    /// [`WORD_BYTES`]: every request is rounded up to a word, and so as many bits tell of 32 GiB.
    pub(crate) heap: u32,
}

/// Bytes of a word in which heap bytes are counted.
pub(crate) const WORD_BYTES: u64 = 8;

/// Words of so many bytes, at most as many as can be counted.
#[expect(clippy::cast_possible_truncation, reason = "at most the maximum")]
pub(crate) const fn words(bytes: u64) -> u32 {
    let words = bytes.div_ceil(WORD_BYTES);
    if words < u32::MAX as u64 {
        words as u32
    } else {
        u32::MAX
    }
}

impl Measure {
    /// The measure of a scalar: bytes of its text, and what lies outside the value.
    pub(crate) const fn scalar(bytes: u32, heap: usize) -> Self {
        Self {
            bytes,
            nodes: 1,
            height: 0,
            heap: words(heap as u64),
        }
    }

    /// Whether it has lost count of bytes or values, which are more than it says.
    pub(crate) const fn is_saturated(self) -> bool {
        self.bytes == u32::MAX || self.nodes == u32::MAX
    }

    /// Whether adding a part may pass the maximum of any sum.
    pub(crate) const fn may_saturate(self, part: Self) -> bool {
        self.bytes.saturating_add(part.bytes) == u32::MAX
            || self.nodes.saturating_add(part.nodes) == u32::MAX
            || self.heap.saturating_add(part.heap) == u32::MAX
    }

    /// Bytes that it requests from the allocator, beside the 16 of the value itself.
    pub(crate) fn heap_bytes(self) -> u64 {
        u64::from(self.heap) * WORD_BYTES
    }
}

/// What a container's header caches of everything below it, so that limits are decided in O(1).
///
/// Heap bytes are those of the nodes as they hang in the tree: one that hangs in it twice counts twice.
/// A list of names, which objects of one shape share, counts with the object that brought it, and with
/// no other. When that object goes, the list is no longer counted though the others keep it; when it is
/// copied within the document, the list counts twice. Counting lists by who holds them would ask for a
/// table of them all. What can come to be counted by nobody is small beside the objects that keep it, 104
/// bytes a member, for names of more than 64 bytes count with each.
///
/// Sums that pass 2^32, in heap bytes 2^35, stay there, whatever is removed: twenty self-copies of a large
/// document pass any number long before they take memory, and such a sum must stay above every limit.
/// Only undoing a batch brings them back ([`restore`](Self::restore)).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Totals {
    /// The text of all children, each with its comma and, in an object, its name and colon.
    bytes: u32,
    /// Values below the container.
    nodes: u32,
    /// Height of the highest child. It may overstate once a child was removed: the next highest is
    /// not known without a walk.
    height: u16,
    /// Whether `heap` contains the container's list of names.
    names: bool,
    /// What the children take outside their own 16 bytes, and the list of names that the container
    /// brought, in words.
    heap: u32,
}

/// [`Totals`] as a node keeps them, in as few bytes as they take, but for the heap words: whoever holds
/// the node has room for those.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub(crate) struct Packed {
    bytes: u32,
    nodes: u32,
    height: u16,
    names: bool,
    /// Elements of the node, which would else take eight bytes more.
    pub(crate) len: u8,
}

impl Packed {
    pub(crate) const fn new(totals: Totals, len: u8) -> Self {
        Self {
            bytes: totals.bytes,
            nodes: totals.nodes,
            height: totals.height,
            names: totals.names,
            len,
        }
    }

    pub(crate) const fn totals(&self, heap_words: u32) -> Totals {
        Totals {
            bytes: self.bytes,
            nodes: self.nodes,
            height: self.height,
            names: self.names,
            heap: heap_words,
        }
    }
}

impl Totals {
    /// The totals of a container of these children, but for names.
    #[inline]
    pub(crate) fn sum(children: &[Value]) -> Self {
        let mut totals = Self::default();
        for child in children {
            totals.add(child.measure(), 0);
        }
        totals
    }

    /// Whether the container's list of names is counted with it.
    pub(crate) const fn counts_names(self) -> bool {
        self.names
    }

    /// What [`Packed`] leaves out.
    pub(crate) const fn heap_words(self) -> u32 {
        self.heap
    }

    /// Height of the highest child.
    pub(crate) fn height(self) -> u32 {
        u32::from(self.height)
    }

    /// Counts a child; `name_bytes` is what its name and colon take, 0 in an array.
    pub(crate) const fn add(&mut self, child: Measure, name_bytes: u32) {
        self.bytes = self
            .bytes
            .saturating_add(child.bytes)
            .saturating_add(name_bytes.saturating_add(1));
        self.nodes = self.nodes.saturating_add(child.nodes);
        self.heap = self.heap.saturating_add(child.heap);
        self.rise(child.height);
    }

    /// Counts the names of an object and their colons.
    pub(crate) const fn add_names(&mut self, bytes: u32) {
        self.bytes = self.bytes.saturating_add(bytes);
    }

    /// Counts what of its list of names counts with the container, which brought it or not.
    pub(crate) fn add_list(&mut self, list: &NameList, brought: bool) {
        self.names = brought;
        self.heap = self.heap.saturating_add(list.heap_words(brought));
    }

    /// No longer counts the container's list of names.
    pub(crate) fn remove_list(&mut self, list: &NameList) {
        self.heap = lessen(self.heap, list.heap_words(self.names));
        self.names = false;
    }

    /// Takes back what [`remove`](Self::remove) and [`shift`](Self::shift) do not, once the container has
    /// again the children that it had with these totals: the height, and sums that passed the maximum.
    ///
    /// Other sums are right as they are: heap bytes, since a large child may have other leaves than before;
    /// bytes and values, since in a move these totals can be those between removing and adding.
    pub(crate) const fn restore(&mut self, before: Self) {
        self.height = before.height;
        if self.bytes == u32::MAX {
            self.bytes = before.bytes;
        }
        if self.nodes == u32::MAX {
            self.nodes = before.nodes;
        }
        if self.heap == u32::MAX {
            self.heap = before.heap;
        }
    }

    /// Takes back what [`add`](Self::add) counted, but for the height.
    pub(crate) const fn remove(&mut self, child: Measure, name_bytes: u32) {
        self.bytes = lessen(self.bytes, child.bytes);
        self.bytes = lessen(self.bytes, name_bytes.saturating_add(1));
        self.nodes = lessen(self.nodes, child.nodes);
        self.heap = lessen(self.heap, child.heap);
    }

    /// Follows a child whose measure went from `before` to `after`.
    pub(crate) const fn shift(&mut self, before: Measure, after: Measure) {
        self.bytes = lessen(self.bytes, before.bytes).saturating_add(after.bytes);
        self.nodes = lessen(self.nodes, before.nodes).saturating_add(after.nodes);
        self.heap = lessen(self.heap, before.heap).saturating_add(after.heap);
        self.rise(after.height);
    }

    /// The measure of the container itself, whose own nodes take so many bytes.
    pub(crate) const fn measure(self, own: usize) -> Measure {
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
            heap: self.heap.saturating_add(words(own as u64)),
        }
    }

    /// The totals of a container of one child without a name.
    pub(crate) const fn of(child: Measure) -> Self {
        Self {
            bytes: child.bytes.saturating_add(1),
            nodes: child.nodes,
            height: child.height,
            names: false,
            heap: child.heap,
        }
    }

    /// Whether these cannot be those of a part of it.
    pub(crate) const fn exceeds(&self, whole: &Self) -> bool {
        self.bytes > whole.bytes
            || self.nodes > whole.nodes
            || self.heap > whole.heap
            || self.height > whole.height
    }

    /// Counts children no more that are no longer there.
    pub(crate) const fn part(&mut self, children: Self) {
        self.bytes = lessen(self.bytes, children.bytes);
        self.nodes = lessen(self.nodes, children.nodes);
        self.heap = lessen(self.heap, children.heap);
    }

    const fn rise(&mut self, height: u16) {
        if self.height < height {
            self.height = height;
        }
    }
}

/// What the elements of a part of a large array come to.
impl Sum for Totals {
    fn join(&mut self, other: Self) {
        self.bytes = self.bytes.saturating_add(other.bytes);
        self.nodes = self.nodes.saturating_add(other.nodes);
        self.heap = self.heap.saturating_add(other.heap);
        self.rise(other.height);
    }

    fn shift(&mut self, before: Self, after: Self) {
        self.part(before);
        self.join(after);
    }

    /// The height may overstate.
    #[cfg(test)]
    fn stands_for(&self, found: &Self) -> bool {
        let sums = |totals: &Self| (totals.bytes, totals.nodes, totals.heap);
        sums(self) == sums(found) && self.height >= found.height
    }
}

/// What a reader has come by so far, of which a container's totals are the difference between its end and
/// its start.
///
/// To look at the children again when a container ends would take a tenth of the time that reading takes.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Running {
    /// Bytes of compact text, with a comma behind each value, but without the names of containers that are open.
    bytes: u64,
    /// Values, also those inside containers that have ended.
    nodes: u64,
    /// Words outside the values' own 16 bytes.
    heap: u64,
}

impl Running {
    /// Values so far.
    pub(crate) const fn nodes(self) -> u64 {
        self.nodes
    }

    /// Counts a value that has started.
    pub(crate) const fn start(&mut self) {
        self.nodes += 1;
    }

    /// Counts what a value that was started takes.
    #[inline]
    pub(crate) const fn add(&mut self, bytes: u64, heap_bytes: usize) {
        self.bytes += bytes + 1;
        self.heap += words(heap_bytes as u64) as u64;
    }

    /// Counts a container as whole that was started with `self` as it was `before`, but for its nodes.
    #[inline]
    pub(crate) const fn close(&mut self, before: Self, container: Measure) {
        self.bytes = before.bytes + container.bytes as u64 + 1;
        self.heap = before.heap + container.heap as u64;
    }

    /// Bytes of the one value that came since.
    pub(crate) const fn bytes_since(self, before: Self) -> u64 {
        self.bytes - before.bytes - 1
    }

    /// The totals of what came since, without names of its own, of which the highest has this height.
    #[inline]
    pub(crate) fn since(self, before: Self, height: u16) -> Totals {
        let sum = |now: u64, then: u64| u32::try_from(now - then).unwrap_or(u32::MAX);
        Totals {
            bytes: sum(self.bytes, before.bytes),
            nodes: sum(self.nodes, before.nodes),
            height,
            names: false,
            heap: sum(self.heap, before.heap),
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
