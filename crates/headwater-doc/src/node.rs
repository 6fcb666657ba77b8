//! The flat container: one allocation for count, totals, header and values.
//!
//! It pays: a record of some members is one allocation of 24 bytes and 16 a value, where an `Arc` of a
//! struct with a `Vec` is two and takes 64 and 16, and a document of records is mostly such headers.
//! `docs/ARCHITECTURE.md` has the figures, under what was tried for containers.
#![expect(
    unsafe_code,
    reason = "a thin shared slice cannot be had in safe Rust; see the module's doc"
)]

use std::{
    alloc::{self, Layout},
    fmt,
    marker::PhantomData,
    process, ptr,
    ptr::NonNull,
    slice,
    sync::atomic::{AtomicU32, Ordering, fence},
};

use crate::{
    dismantle::{RECURSION_MAX, dismantle},
    totals::{Packed, Totals},
    value::Value,
};

/// A shared list of values with a header `H`, behind one thin pointer.
///
/// Cloning it counts a reference; a writer makes sure that it holds the only one.
///
/// It takes 12 bytes, those that a `Value` has left beside its tag. What of the totals stands here rather
/// than in the allocation makes each container eight bytes smaller.
#[repr(C, packed(4))]
pub(crate) struct Node<H> {
    /// Invariant: the heap words of the totals; the same in all clones, since only who holds the only
    /// one changes them.
    heap_words: u32,
    /// Invariant: from `allocate` or `resize`, for exactly `len` values, all of them initialised, until
    /// the last `Node` of it is dropped. Mutated only through the only `Node` of it.
    inner: NonNull<Inner<H>>,
    owns: PhantomData<Inner<H>>,
}

#[repr(C)]
struct Inner<H> {
    /// How many values there are, and what is cached of them.
    packed: Packed,
    count: AtomicU32,
    header: H,
    /// Where the values start; `len` of them.
    values: [Value; 0],
}

// SAFETY: a `Node` is an `Arc` of a header and values: it hands out shared references to them from
// any thread that has one, and drops them in whichever thread is the last.
unsafe impl<H: Send + Sync> Send for Node<H> {}
// SAFETY: as above.
unsafe impl<H: Send + Sync> Sync for Node<H> {}

impl<H> Node<H> {
    /// Most values of a node: what its length is counted in.
    pub(crate) const LEN_MAX: usize = u8::MAX as usize;

    /// Makes a node of the values of a list from an index on, which are taken off the list.
    ///
    /// # Panics
    ///
    /// If they are more than [`LEN_MAX`](Self::LEN_MAX), or the index is past the end.
    #[inline]
    pub(crate) fn from_tail(
        header: H,
        totals: Totals,
        values: &mut Vec<Value>,
        from: usize,
    ) -> Self {
        let len = values.len() - from;
        let node = Self::allocate(header, totals, len);
        let tail = values.as_ptr().wrapping_add(from);
        // SAFETY: `from` is within the list, so the source is its last `len` values; the target has
        // room for them, was just allocated, and is not read before.
        unsafe { ptr::copy_nonoverlapping(tail, node.place(0), len) };
        // SAFETY: the values from there on have been moved out, and shortening needs no others.
        unsafe { values.set_len(from) };
        node
    }

    /// The same, and puts what is made of the node where its first value was.
    ///
    /// As for [`push_made`], there is room before the node is made: in between it is in registers, and is
    /// written once. Put in memory and moved from there, a text of 1,250 records is read in a tenth more time.
    #[inline]
    pub(crate) fn replace_tail(
        header: H,
        totals: Totals,
        values: &mut Vec<Value>,
        from: usize,
        make: impl FnOnce(Self) -> Value,
    ) {
        values.reserve(1);
        let made = make(Self::from_tail(header, totals, values, from));
        let place = values.as_mut_ptr().wrapping_add(from);
        // SAFETY: the list ends at `from` now, and there is room for one more behind that.
        unsafe { place.write(made) };
        // SAFETY: that one was just written.
        unsafe { values.set_len(from + 1) };
    }

    /// Allocates a node whose values are not initialised; each must be before anything reads them.
    #[inline]
    fn allocate(header: H, totals: Totals, len: usize) -> Self {
        let layout = Self::layout(len);
        // SAFETY: the layout is that of an `Inner`, which is not of size zero.
        let memory = unsafe { alloc::alloc(layout) };
        let Some(inner) = NonNull::new(memory.cast::<Inner<H>>()) else {
            alloc::handle_alloc_error(layout);
        };
        let value = Inner {
            packed: Packed::new(totals, u8::try_from(len).unwrap_or(u8::MAX)),
            count: AtomicU32::new(1),
            header,
            values: [],
        };
        // SAFETY: the memory is ours alone, large enough and aligned for an `Inner`.
        unsafe { inner.write(value) };
        Self {
            heap_words: totals.heap_words(),
            inner,
            owns: PhantomData,
        }
    }

    fn layout(len: usize) -> Layout {
        assert!(len <= Self::LEN_MAX, "a flat container of {len} values");
        let values = Layout::array::<Value>(len).unwrap_or(Layout::new::<()>());
        // Invariant: the size of `Inner` is a multiple of its alignment, which is at least that of a
        // value, so the values follow it without a gap.
        Layout::new::<Inner<H>>()
            .extend(values)
            .map_or(Layout::new::<Inner<H>>(), |(layout, _)| layout)
    }

    fn inner(&self) -> &Inner<H> {
        // Taken out, since a reference to a field of so small an alignment cannot be.
        let inner = self.inner;
        // SAFETY: by the invariant of `inner` it is initialised, and changed only by a `&mut self`.
        unsafe { inner.as_ref() }
    }

    /// The caller must hold the only `Node` of it.
    unsafe fn inner_mut(&mut self) -> &mut Inner<H> {
        let mut inner = self.inner;
        // SAFETY: the caller promises that no other `Node` reads it, and this one is borrowed.
        unsafe { inner.as_mut() }
    }

    /// Where a value stands, or would.
    const fn place(&self, index: usize) -> *mut Value {
        // The values follow the `Inner` in the same allocation.
        self.inner
            .as_ptr()
            .wrapping_add(1)
            .cast::<Value>()
            .wrapping_add(index)
    }

    pub(crate) fn len(&self) -> usize {
        usize::from(self.inner().packed.len)
    }

    pub(crate) fn header(&self) -> &H {
        &self.inner().header
    }

    pub(crate) fn totals(&self) -> Totals {
        self.inner().packed.totals(self.heap_words)
    }

    /// Bytes of the allocation.
    pub(crate) fn bytes(&self) -> usize {
        size_of::<Inner<H>>() + self.len() * size_of::<Value>()
    }

    pub(crate) fn values(&self) -> &[Value] {
        // SAFETY: the first `len` values are initialised, and changed only by a `&mut self`.
        unsafe { slice::from_raw_parts(self.place(0), self.len()) }
    }

    pub(crate) fn ptr_eq(&self, other: &Self) -> bool {
        let (left, right) = (self.inner, other.inner);
        left == right
    }

    /// Whether this is the only `Node` of it.
    pub(crate) fn is_unique(&self) -> bool {
        // Acquire, with the Release of the drop that left this one alone: what others read is read
        // before this one writes. No new one can be made meanwhile, since only this one could be
        // cloned and it is borrowed mutably by whoever wants to write.
        self.inner().count.load(Ordering::Acquire) == 1
    }

    /// Takes the values of a node that nobody else holds; none of a shared one.
    pub(crate) fn take_unique(&mut self) -> Vec<Value> {
        if !self.is_unique() {
            return Vec::new();
        }
        let len = self.len();
        // SAFETY: it is unique. Before the values are read out it says that it has none.
        unsafe { self.inner_mut() }.packed.len = 0;
        let mut values = Vec::with_capacity(len);
        // SAFETY: `len` initialised values, which the node no longer counts as its own, move to fresh
        // memory with room for them.
        unsafe { ptr::copy_nonoverlapping(self.place(0), values.as_mut_ptr(), len) };
        // SAFETY: that many were just moved in.
        unsafe { values.set_len(len) };
        self.resize(len, 0);
        values
    }

    /// Gives the allocation, which is for `from` values, room for `to`. It must be unique.
    fn resize(&mut self, from: usize, to: usize) {
        let (old, new) = (Self::layout(from), Self::layout(to));
        // SAFETY: allocated with the old layout; the new size is not zero, and was rounded by
        // `Layout` without overflow.
        let memory = unsafe { alloc::realloc(self.inner.as_ptr().cast(), old, new.size()) };
        let Some(inner) = NonNull::new(memory.cast()) else {
            alloc::handle_alloc_error(new);
        };
        self.inner = inner;
    }
}

impl<H: Clone> Node<H> {
    /// Makes sure that nobody else holds the node, by copying it if somebody does.
    #[inline]
    fn make_unique(&mut self) {
        if !self.is_unique() {
            self.copy_own();
        }
    }

    #[cold]
    fn copy_own(&mut self) {
        *self = self.copied();
    }

    /// Makes a node of the same values.
    pub(crate) fn copied(&self) -> Self {
        let node = Self::allocate(self.header().clone(), self.totals(), self.len());
        // SAFETY: the node was just allocated for as many values, and is not read before.
        unsafe { copy_counted(self.values(), node.place(0)) };
        node
    }

    /// The values, to be changed in place.
    pub(crate) fn values_mut(&mut self) -> &mut [Value] {
        self.make_unique();
        // SAFETY: it is unique, the first `len` values are initialised, and the node is borrowed.
        unsafe { slice::from_raw_parts_mut(self.place(0), self.len()) }
    }

    /// The header, to be changed in place.
    pub(crate) fn header_mut(&mut self) -> &mut H {
        self.make_unique();
        // SAFETY: it is unique.
        unsafe { &mut self.inner_mut().header }
    }

    pub(crate) fn set_totals(&mut self, totals: Totals) {
        self.make_unique();
        self.heap_words = totals.heap_words();
        // SAFETY: it is unique.
        let inner = unsafe { self.inner_mut() };
        inner.packed = Packed::new(totals, inner.packed.len);
    }

    /// Inserts a value.
    ///
    /// # Panics
    ///
    /// If the index is past the end, or the node is as long as it can be.
    pub(crate) fn insert(&mut self, index: usize, value: Value) {
        let len = self.len();
        assert!(index <= len, "insertion at {index} of {len}");
        self.make_unique();
        self.resize(len, len + 1);
        // SAFETY: there is room for one more value, so both runs lie inside the allocation.
        unsafe { ptr::copy(self.place(index), self.place(index + 1), len - index) };
        // SAFETY: the place was just moved out of; it is written without dropping what was there.
        unsafe { self.place(index).write(value) };
        // SAFETY: it is unique; all of `len + 1` values are initialised.
        unsafe { self.inner_mut() }.packed.len += 1;
    }

    /// Removes a value.
    ///
    /// # Panics
    ///
    /// If there is none at the index.
    pub(crate) fn remove(&mut self, index: usize) -> Value {
        let len = self.len();
        assert!(index < len, "removal at {index} of {len}");
        self.make_unique();
        // SAFETY: it is unique. From here on the last place no longer counts as a value.
        unsafe { self.inner_mut() }.packed.len -= 1;
        // SAFETY: the value at the index is initialised, and its place is overwritten or given up.
        let removed = unsafe { self.place(index).read() };
        // SAFETY: both runs are inside what was initialised.
        unsafe { ptr::copy(self.place(index + 1), self.place(index), len - index - 1) };
        self.resize(len, len - 1);
        removed
    }
}

/// Adds something to a list, and makes it where it is to lie.
///
/// `Vec::push` has it in memory before it makes room, since it would have to drop it if there were none:
/// so a value is written in parts and at once read whole, for which the processor waits. Made once there is
/// room, a text of 2,000 records of seven members is read with 1 % fewer instructions and in some 4 % less
/// time than with `push`; one of 4,000 coordinates takes the same.
#[inline(always)]
pub(crate) fn push_made<T>(list: &mut Vec<T>, make: impl FnOnce() -> T) {
    list.reserve(1);
    let len = list.len();
    let place = list.as_mut_ptr().wrapping_add(len);
    let made = make();
    // SAFETY: there is room for one more behind the last.
    unsafe { place.write(made) };
    // SAFETY: that one was just written.
    unsafe { list.set_len(len + 1) };
}

/// A clone of a value: its bytes, if it counts no reference, which spares a jump and putting it together
/// again from its parts.
#[inline]
pub(crate) fn cloned(value: &Value) -> Value {
    if value.is_counted() {
        return Value(value.0.clone());
    }
    // SAFETY: a value that counts nothing is no more than its bytes, wherever they lie.
    unsafe { ptr::read(value) }
}

/// Adds clones of values to a list.
pub(crate) fn extend_clones(list: &mut Vec<Value>, values: &[Value]) {
    list.reserve(values.len());
    let len = list.len();
    // SAFETY: there is room for so many behind the last.
    unsafe { copy_counted(values, list.as_mut_ptr().wrapping_add(len)) };
    // SAFETY: that many were just added.
    unsafe { list.set_len(len + values.len()) };
}

/// Puts clones of values in a place: as bytes, once those that count references have counted one more.
///
/// Most values of most containers are scalars, which count nothing. Cloning them one by one goes
/// through a jump for each. So copied, a replacement in a record of 16 scalars of which a version is held
/// takes 3 % fewer instructions and some 6 % less time, the rest of the batch included.
///
/// # Safety
///
/// There must be room for as many values; what is there is not dropped.
unsafe fn copy_counted(values: &[Value], place: *mut Value) {
    for value in values {
        // The clone that is made of the bytes below. Counting aborts rather than panics, so that none is
        // left without.
        value.count_clone();
    }
    // SAFETY: the caller promises the room. Each value is counted for two by now, or counts nothing, so
    // that its bytes are a value of their own wherever they lie.
    unsafe { ptr::copy_nonoverlapping(values.as_ptr(), place, values.len()) };
}

impl<H> Clone for Node<H> {
    fn clone(&self) -> Self {
        // Relaxed: whoever clones has one already, so nothing is read through the new one that could
        // not be read through the old.
        let count = self.inner().count.fetch_add(1, Ordering::Relaxed);
        if count > u32::MAX / 2 {
            // Two billion clones in memory at once cannot be; some must have been forgotten.
            process::abort();
        }
        Self {
            heap_words: self.heap_words,
            inner: self.inner,
            owns: PhantomData,
        }
    }
}

impl<H> Drop for Node<H> {
    fn drop(&mut self) {
        // Release, with the fence below and the load in `is_unique`: what was read through this one is
        // read before another writes or frees.
        if self.inner().count.fetch_sub(1, Ordering::Release) != 1 {
            return;
        }
        fence(Ordering::Acquire);
        if self.totals().height() >= RECURSION_MAX {
            // The count is 0, and nobody else can raise it: for `take_unique` it must be 1.
            self.inner().count.store(1, Ordering::Relaxed);
            dismantle(self.take_unique());
        }
        let layout = Self::layout(self.len());
        for index in 0..self.len() {
            let place = self.place(index);
            // SAFETY: this was the last one; what it still counts as its values is initialised.
            let value = unsafe { &mut *place };
            // Most are scalars, of which nothing is to be given back.
            if value.is_counted() {
                // SAFETY: as above; it is dropped once.
                unsafe { ptr::drop_in_place(value) };
            }
        }
        // SAFETY: the pointer is to an initialised `Inner`.
        let header = unsafe { &raw mut (*self.inner.as_ptr()).header };
        // SAFETY: this was the last one, and the header is dropped once.
        unsafe { ptr::drop_in_place(header) };
        // SAFETY: allocated with this layout, and not used again.
        unsafe { alloc::dealloc(self.inner.as_ptr().cast(), layout) };
    }
}

impl<H: fmt::Debug> fmt::Debug for Node<H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.values()).finish()
    }
}

const _: () = assert!(size_of::<Inner<()>>() == 16 && align_of::<Inner<()>>() == 8);

#[cfg(test)]
mod tests {
    use std::{
        panic::{AssertUnwindSafe, catch_unwind},
        sync::Arc,
    };

    use super::*;
    use crate::value::Repr;

    fn node(values: &[u32]) -> Node<Arc<str>> {
        let mut list = vec![Value::NULL];
        list.extend(values.iter().map(|&value| Value::from(value)));
        let node = Node::from_tail(Arc::from("header"), Totals::default(), &mut list, 1);
        assert_eq!(list, [Value::NULL]);
        node
    }

    fn numbers(node: &Node<Arc<str>>) -> Vec<u64> {
        node.values().iter().filter_map(Value::as_u64).collect()
    }

    #[test]
    fn values_are_inserted_and_removed_at_every_place() {
        for at in 0..=3 {
            let mut changed = node(&[10, 20, 30]);
            changed.insert(at, Value::from("a string of more than fourteen bytes"));
            assert_eq!((changed.len(), numbers(&changed)), (4, vec![10, 20, 30]));
            let removed = changed.remove(at);
            assert!(removed.as_str().is_some());
            assert_eq!(numbers(&changed), [10, 20, 30]);
        }
        let mut emptied = node(&[1]);
        emptied.remove(0);
        assert_eq!(emptied.len(), 0);
        emptied.insert(0, Value::from(2));
        assert_eq!(numbers(&emptied), [2]);
    }

    #[test]
    fn a_clone_is_untouched_by_every_kind_of_write() {
        let original = node(&[1, 2]);
        let mut inserted = original.clone();
        inserted.insert(1, Value::from(9));
        let mut removed = original.clone();
        removed.remove(0);
        let mut changed = original.clone();
        changed.values_mut()[0] = Value::from(7);
        let mut headed = original.clone();
        *headed.header_mut() = Arc::from("other");
        let mut counted = original.clone();
        let mut totals = Totals::default();
        totals.add(Value::from(1).measure(), 0);
        counted.set_totals(totals);
        assert_eq!(numbers(&original), [1, 2]);
        assert_eq!(&**original.header(), "header");
        assert_eq!(original.totals(), Totals::default());
        assert_eq!(numbers(&inserted), [1, 9, 2]);
        assert_eq!(numbers(&removed), [2]);
        assert_eq!(numbers(&changed), [7, 2]);
        assert_eq!(counted.totals(), totals);
    }

    #[test]
    fn a_unique_node_is_written_in_place() {
        let mut unique = node(&[1, 2]);
        let place = unique.values().as_ptr();
        unique.values_mut()[0] = Value::from(5);
        assert_eq!(unique.values().as_ptr(), place);
        let clone = unique.clone();
        assert!(unique.ptr_eq(&clone));
        unique.values_mut()[0] = Value::from(6);
        assert!(!unique.ptr_eq(&clone));
    }

    #[test]
    fn values_are_taken_only_of_a_node_that_nobody_else_holds() {
        let mut unique = node(&[1, 2]);
        let clone = unique.clone();
        assert_eq!(unique.take_unique(), []);
        drop(clone);
        assert_eq!(unique.take_unique().len(), 2);
        assert_eq!(unique.len(), 0);
    }

    /// One of each kind that counts references, and of those that count none.
    fn kinds() -> [Value; 6] {
        let literal = "1e400".parse().expect("a number");
        [
            Value::from("short"),
            Value::from("text that is held on the heap"),
            Value::from("text in several pieces ".repeat(100)),
            literal,
            [Value::from("an element")].into_iter().collect(),
            "0.5".parse().expect("a number"),
        ]
    }

    #[test]
    fn values_made_in_their_place_and_their_clones_are_like_any() {
        let mut made = Vec::new();
        for round in 0..3 {
            for at in 0..kinds().len() {
                push_made(&mut made, || kinds()[at].clone());
            }
            assert_eq!(made[6 * round..], kinds());
        }
        let mut clones = vec![Value::NULL];
        extend_clones(&mut clones, &made);
        clones.extend(made.iter().map(cloned));
        assert_eq!(clones[1..19], made);
        assert_eq!(clones[19..], made);

        let is_unique = |value: &Value| match &value.0 {
            Repr::Array(node) => node.is_unique(),
            _ => true,
        };
        assert!(!is_unique(&made[4]));
        let mut node = Node::from_tail((), Totals::default(), &mut clones, 13);
        node.values_mut()[0] = Value::NULL;
        drop((clones, node));
        assert!(is_unique(&made[4]));
        assert_eq!(made[..6], kinds());
        // The other way round: the clones outlive what they were made of.
        let mut clones = Vec::new();
        extend_clones(&mut clones, &made);
        drop(made);
        assert_eq!(clones[12..], kinds());
    }

    #[test]
    fn a_value_whose_making_panics_is_not_in_the_list() {
        let part = Arc::new(());
        let mut list = vec![(Value::from("text that is held on the heap"), part.clone())];
        let panicked = catch_unwind(AssertUnwindSafe(|| {
            push_made(&mut list, || {
                let half = (Value::from("text that is half of a pair"), part.clone());
                assert_eq!(Arc::strong_count(&half.1), 4, "no pair is made");
                half
            });
        }));
        assert!(panicked.is_err());
        assert_eq!((list.len(), Arc::strong_count(&part)), (1, 2));
        push_made(&mut list, || (Value::from(1), part.clone()));
        let (mut values, parts): (Vec<_>, Vec<_>) = list.into_iter().unzip();
        let node = Node::from_tail(parts, Totals::default(), &mut values, 0);
        assert_eq!(node.values()[1], Value::from(1));
        drop(node);
        assert_eq!(Arc::strong_count(&part), 1);
    }

    #[test]
    fn high_values_are_dropped_by_a_list_whoever_holds_the_last_of_them() {
        let high = |height: u32| {
            let nest = |value, _| {
                [value, Value::from("more than fourteen bytes of text")]
                    .into_iter()
                    .collect()
            };
            (0..height).fold(Value::NULL, nest)
        };
        let value = high(3 * RECURSION_MAX);
        let inner = value.as_array().and_then(|array| array.get(0)).cloned();
        drop(value);
        assert_eq!(
            inner.as_ref().map(Value::height),
            Some(3 * RECURSION_MAX - 1)
        );
        drop(inner);
    }

    #[test]
    fn threads_share_and_drop_nodes() {
        let shared = node(&[1, 2, 3]);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                let mut mine = shared.clone();
                scope.spawn(move || {
                    for round in 0..50 {
                        let other = mine.clone();
                        mine.values_mut()[0] = Value::from(round);
                        drop(other);
                        mine.insert(1, Value::from("text that is held on the heap, counted"));
                        mine.remove(1);
                    }
                    assert_eq!(mine.len(), 3);
                });
            }
        });
        assert_eq!(numbers(&shared), [1, 2, 3]);
    }
}
