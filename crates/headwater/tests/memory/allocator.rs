#![expect(
    unsafe_code,
    reason = "the requests can be seen only by an allocator, and implementing one is unsafe"
)]

use std::{
    alloc::{GlobalAlloc, Layout, System},
    cell::Cell,
};

/// The system's allocator, and how many bytes each thread has requested of it and not given back.
pub(crate) struct Counting;

thread_local! {
    // Of each thread by itself: what the harness frees of the test before is none of this one's.
    static HELD: Cell<isize> = const { Cell::new(0) };
}

fn count(taken: usize, given_back: usize) {
    let more = taken.cast_signed() - given_back.cast_signed();
    HELD.set(HELD.get() + more);
}

/// Bytes that this thread has requested.
pub(crate) fn held() -> f64 {
    let held = i32::try_from(HELD.get()).expect("less than 2 GiB");
    f64::from(held)
}

// SAFETY: every call is handed on to the system's allocator as it came. The counting touches a cell that
// is there as long as its thread, for it needs no drop, and neither allocates nor unwinds.
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
