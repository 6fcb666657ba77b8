use std::{
    cell::RefCell,
    mem,
    ops::{Deref, DerefMut},
    sync::LazyLock,
};

use object_pool::Pool;

/// Buffers to encode and compress into, so that a frame costs no growing vector.
///
/// A thread's own few buffers come first, without a lock; then those that all threads share, behind the
/// lock of [`object_pool::Pool`]. A buffer is cleared at checkout. It must not be held across an `await`,
/// where it may end up on another thread, full or not.
pub(crate) struct BufferPool;

impl BufferPool {
    /// An empty buffer.
    pub(crate) fn take() -> PooledBuffer {
        let own = OWN.with_borrow_mut(Vec::pop);
        let mut bytes = own.unwrap_or_else(|| {
            let shared = SHARED.try_pull();
            shared.map_or_else(Vec::new, |shared| shared.detach().1)
        });
        bytes.clear();
        PooledBuffer { bytes }
    }

    fn give_back(bytes: Vec<u8>) {
        if bytes.capacity() > BUFFER_BYTES_MAX {
            return;
        }
        let left = OWN.with_borrow_mut(|own| {
            if own.len() < OWN_MAX {
                own.push(bytes);
                None
            } else {
                Some(bytes)
            }
        });
        // The pool grows without bound by itself. Two threads may pass this check at once, so it holds a
        // few more at most than it should.
        if let Some(bytes) = left.filter(|_| SHARED.len() < SHARED_MAX) {
            SHARED.attach(bytes);
        }
    }
}

/// A buffer that goes back to the pool when it is dropped, unless it has grown large or the pool is full.
pub(crate) struct PooledBuffer {
    bytes: Vec<u8>,
}

impl Deref for PooledBuffer {
    type Target = Vec<u8>;

    fn deref(&self) -> &Vec<u8> {
        &self.bytes
    }
}

impl DerefMut for PooledBuffer {
    fn deref_mut(&mut self) -> &mut Vec<u8> {
        &mut self.bytes
    }
}

impl Drop for PooledBuffer {
    fn drop(&mut self) {
        BufferPool::give_back(mem::take(&mut self.bytes));
    }
}

/// A thread encodes one frame at a time, or one within another; a burst of more goes to the shared pool.
const OWN_MAX: usize = 16;

/// Buffers that threads without any of their own find: as many as a large machine has threads.
const SHARED_MAX: usize = 64;

/// Larger buffers are freed: one snapshot of a large document must not stay for ever. With the counts
/// above, a thread keeps 1 MiB at most and the process 4 MiB.
const BUFFER_BYTES_MAX: usize = 64 << 10;

thread_local! {
    static OWN: RefCell<Vec<Vec<u8>>> = const { RefCell::new(Vec::new()) };
}

static SHARED: LazyLock<Pool<Vec<u8>>> = LazyLock::new(|| Pool::new(0, Vec::new));

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_buffer_comes_back_empty_and_with_its_capacity() {
        OWN.with_borrow_mut(Vec::clear);
        let mut buffer = BufferPool::take();
        buffer.extend_from_slice(&[1; 1_000]);
        drop(buffer);
        let buffer = BufferPool::take();
        assert!(buffer.is_empty());
        assert!(buffer.capacity() >= 1_000);
    }

    #[test]
    fn neither_a_large_buffer_nor_more_than_the_bound_is_kept() {
        OWN.with_borrow_mut(Vec::clear);
        let mut large = BufferPool::take();
        large.reserve(BUFFER_BYTES_MAX + 1);
        drop(large);
        assert_eq!(OWN.with_borrow(Vec::len), 0);

        let burst: Vec<_> = (0..10_000).map(|_| BufferPool::take()).collect();
        drop(burst);
        assert_eq!(OWN.with_borrow(Vec::len), OWN_MAX);
        assert!(SHARED.len() <= SHARED_MAX + 1, "{}", SHARED.len());
    }
}
