//! Counts the bytes that are requested of the system's allocator.
//!
//! What the allocator adds to each request is not counted: it is the same for all, and depends on the
//! allocator more than on who asks.

#![expect(
    unsafe_code,
    reason = "the requests can be seen only by an allocator, and implementing one is unsafe"
)]

use std::{
    alloc::{GlobalAlloc, Layout, System},
    cell::Cell,
};

/// The system's allocator; what it is asked for is counted by thread.
struct Counting;

#[global_allocator]
static COUNTING: Counting = Counting;

/// What `make` returns, and how many more bytes are held after it than before.
pub(crate) fn requested_by<T>(make: impl FnOnce() -> T) -> (T, isize) {
    let before = HELD.get();
    let made = make();
    (made, HELD.get() - before)
}

/// What `make` returns, and how many more bytes were held at most while it ran than before.
pub(crate) fn peak_of<T>(make: impl FnOnce() -> T) -> (T, isize) {
    let before = HELD.get();
    PEAK.set(before);
    let made = make();
    (made, PEAK.get() - before)
}

thread_local! {
    /// Bytes that this thread requested, without those that it gave back. A constant without a
    /// destructor, so that using it neither allocates nor fails while a thread ends, and costs an
    /// addition, not an atomic one, in what is measured.
    static HELD: Cell<isize> = const { Cell::new(0) };

    /// Most of them since it was set.
    static PEAK: Cell<isize> = const { Cell::new(0) };
}

// SAFETY: every call is handed on to the system's allocator as it came. The counting touches a cell of
// the thread and neither allocates nor unwinds.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size(), 0);
        // SAFETY: the caller keeps the promises of `alloc`, which are the same there.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count(layout.size(), 0);
        // SAFETY: the caller keeps the promises of `alloc_zeroed`, which are the same there.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        count(0, layout.size());
        // SAFETY: the caller has the pointer, with this layout, from here, so from the system.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, bytes: usize) -> *mut u8 {
        count(bytes, layout.size());
        // SAFETY: the caller has the pointer, with this layout, from here, so from the system; and
        // keeps the promise about the new size, which is the same there.
        unsafe { System.realloc(pointer, layout, bytes) }
    }
}

fn count(requested: usize, given_back: usize) {
    let more = requested.wrapping_sub(given_back).cast_signed();
    let held = HELD.get().wrapping_add(more);
    HELD.set(held);
    PEAK.set(PEAK.get().max(held));
}
