//! Counts the bytes that are requested of the allocator.
//!
//! What the allocator adds to each request is not counted: it is the same for all, and depends on the
//! allocator more than on who asks.

#![expect(
    unsafe_code,
    reason = "the requests can be seen only by an allocator, and implementing one is unsafe"
)]

#[cfg(not(feature = "mimalloc"))]
use std::alloc::System as Inner;
use std::{
    alloc::{GlobalAlloc, Layout},
    cell::Cell,
};

#[cfg(feature = "mimalloc")]
use mimalloc::MiMalloc as Inner;

/// The system's allocator, or mimalloc with the feature of that name; what it is asked for is counted
/// by thread.
pub(crate) struct Counting;

/// The allocator that is asked, by its name as a package.
pub(crate) const NAME: &str = if cfg!(feature = "mimalloc") {
    "mimalloc"
} else {
    "system"
};

/// What `make` returns, and how many more bytes are held after it than before.
pub(crate) fn requested_by<T>(make: impl FnOnce() -> T) -> (T, isize) {
    let before = HELD.get();
    let made = make();
    (made, HELD.get() - before)
}

thread_local! {
    /// Bytes that this thread requested, without those that it gave back. A constant without a
    /// destructor, so that using it neither allocates nor fails while a thread ends, and costs an
    /// addition, not an atomic one, in what is measured.
    static HELD: Cell<isize> = const { Cell::new(0) };
}

// SAFETY: every call is handed on to the allocator below as it came. The counting touches a cell of
// the thread and neither allocates nor unwinds.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size(), 0);
        // SAFETY: the caller keeps the promises of `alloc`, which are the same there.
        unsafe { Inner.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count(layout.size(), 0);
        // SAFETY: the caller keeps the promises of `alloc_zeroed`, which are the same there.
        unsafe { Inner.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        count(0, layout.size());
        // SAFETY: the caller has the pointer, with this layout, from here, so from the one below.
        unsafe { Inner.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, bytes: usize) -> *mut u8 {
        count(bytes, layout.size());
        // SAFETY: the caller has the pointer, with this layout, from here, so from the one
        // below; and keeps the promise about the new size, which is the same there.
        unsafe { Inner.realloc(pointer, layout, bytes) }
    }
}

fn count(requested: usize, given_back: usize) {
    let more = requested.wrapping_sub(given_back).cast_signed();
    HELD.set(HELD.get().wrapping_add(more));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_held_is_counted_and_what_was_given_back_is_not() {
        let (kept, bytes) = requested_by(|| {
            drop(vec![0_u8; 1_000]);
            let mut kept = Vec::<u8>::with_capacity(10);
            kept.reserve_exact(100);
            kept
        });
        assert_eq!(bytes, 100);
        let ((), bytes) = requested_by(|| drop(kept));
        assert_eq!(bytes, -100);
    }
}
