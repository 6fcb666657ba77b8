use std::{
    cmp::{Ordering, Reverse},
    collections::BinaryHeap,
    sync::atomic::{self, AtomicU64},
    time::{Duration, Instant},
};

use super::schedule::nanos;

/// The time since the load began, in nanoseconds: the same for all threads.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock(Instant);

impl Clock {
    pub(crate) fn start() -> Self {
        Self(Instant::now())
    }

    pub(crate) fn now(self) -> u64 {
        nanos(self.0.elapsed())
    }
}

/// The time after which nothing more is due: the same for all threads, and brought forward if the load
/// is interrupted.
#[derive(Debug)]
pub(crate) struct End(AtomicU64);

/// How long after the last operation was due what is unknown may still become known: several times what
/// the engine keeps a gap open for.
const DRAIN: Duration = Duration::from_secs(10);

impl End {
    pub(crate) const fn new(at: u64) -> Self {
        Self(AtomicU64::new(at))
    }

    pub(crate) fn at(&self) -> u64 {
        // Relaxed: a time, through which nothing else is published.
        self.0.load(atomic::Ordering::Relaxed)
    }

    /// Makes it this time; whether that is earlier than it was.
    pub(crate) fn bring_forward(&self, at: u64) -> bool {
        self.0.fetch_min(at, atomic::Ordering::Relaxed) > at
    }

    /// When clients give up what is unknown, if this is the end.
    pub(crate) fn give_up(at: u64) -> u64 {
        at.saturating_add(nanos(DRAIN))
    }
}

/// What a thread has to do, and when.
#[derive(Debug)]
pub(crate) struct Agenda<E> {
    entries: BinaryHeap<Reverse<Entry<E>>>,
    count: u64,
}

#[derive(Debug)]
struct Entry<E> {
    at: u64,
    /// Of those at the same time, the first that was noted comes first.
    number: u64,
    event: E,
}

impl<E> Agenda<E> {
    pub(crate) const fn new() -> Self {
        Self {
            entries: BinaryHeap::new(),
            count: 0,
        }
    }

    pub(crate) fn note(&mut self, at: u64, event: E) {
        self.count += 1;
        self.entries.push(Reverse(Entry {
            at,
            number: self.count,
            event,
        }));
    }

    /// Takes out the next event whose time has come, with that time.
    pub(crate) fn due(&mut self, now: u64) -> Option<(u64, E)> {
        if self.next()? > now {
            return None;
        }
        self.entries
            .pop()
            .map(|Reverse(entry)| (entry.at, entry.event))
    }

    /// When the next event is.
    pub(crate) fn next(&self) -> Option<u64> {
        self.entries.peek().map(|Reverse(entry)| entry.at)
    }
}

impl<E> Entry<E> {
    const fn place(&self) -> (u64, u64) {
        (self.at, self.number)
    }
}

impl<E> PartialEq for Entry<E> {
    fn eq(&self, other: &Self) -> bool {
        self.place() == other.place()
    }
}

impl<E> Eq for Entry<E> {}

impl<E> PartialOrd for Entry<E> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<E> Ord for Entry<E> {
    fn cmp(&self, other: &Self) -> Ordering {
        self.place().cmp(&other.place())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_come_in_the_order_of_their_times_and_not_before() {
        let mut agenda = Agenda::new();
        for (at, event) in [(30, 'c'), (10, 'a'), (10, 'b')] {
            agenda.note(at, event);
        }
        assert_eq!(agenda.due(9), None);
        assert_eq!(agenda.due(20), Some((10, 'a')));
        assert_eq!(agenda.due(20), Some((10, 'b')));
        assert_eq!(agenda.due(20), None);
        assert_eq!(agenda.next(), Some(30));
    }
}
