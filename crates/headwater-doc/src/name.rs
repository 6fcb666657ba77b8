use std::{cmp::Ordering, fmt, ops::Deref};

use crate::packed::{Flat, Short};

/// A member's name: 16 bytes, and up to 14 bytes of text inside them. Cloning it costs a reference
/// count at most.
#[derive(Clone)]
pub(crate) struct Name(Repr);

#[derive(Clone)]
enum Repr {
    Short(Short),
    Long(Flat),
}

impl Name {
    pub(crate) fn as_bytes(&self) -> &[u8] {
        match &self.0 {
            Repr::Short(short) => short.as_bytes(),
            Repr::Long(long) => long.as_bytes(),
        }
    }

    pub(crate) fn is_short(&self, other: &Short) -> bool {
        matches!(&self.0, Repr::Short(short) if short == other)
    }

    pub(crate) fn as_str(&self) -> &str {
        match &self.0 {
            Repr::Short(short) => short.as_str(),
            Repr::Long(long) => long.as_str(),
        }
    }

    /// Bytes that it takes in the text, with its quotes and colon.
    pub(crate) fn written_bytes(&self) -> u32 {
        let quoted = match &self.0 {
            Repr::Short(short) => short.written_bytes(),
            Repr::Long(long) => long.written_bytes(),
        };
        u32::try_from(quoted + 1).unwrap_or(u32::MAX)
    }

    /// Bytes of a long name outside its own 16.
    pub(crate) fn heap_bytes(&self) -> usize {
        match &self.0 {
            Repr::Short(_) => 0,
            Repr::Long(long) => long.heap_bytes(),
        }
    }
}

impl From<&str> for Name {
    fn from(name: &str) -> Self {
        Self(Short::new(name).map_or_else(|| Repr::Long(Flat::new(name)), Repr::Short))
    }
}

impl Default for Name {
    fn default() -> Self {
        Self::from("")
    }
}

impl PartialEq for Name {
    fn eq(&self, other: &Self) -> bool {
        self.as_bytes() == other.as_bytes()
    }
}

impl Eq for Name {}

impl PartialOrd for Name {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Name {
    fn cmp(&self, other: &Self) -> Ordering {
        self.as_bytes().cmp(other.as_bytes())
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

const _: () = assert!(size_of::<Name>() == 16);

/// The names of an object, which objects of the same shape share.
#[derive(Clone, Debug, Default)]
pub(crate) struct NameList {
    /// Invariant: sorted, without repetition.
    names: Vec<Name>,
    /// Invariant: what the names take in the text, with their quotes and colons.
    written_bytes: u32,
}

impl NameList {
    /// The caller has sorted the names and found none repeated.
    pub(crate) fn new(mut names: Vec<Name>) -> Self {
        names.shrink_to_fit();
        let sum = |sum: u32, name: &Name| sum.saturating_add(name.written_bytes());
        Self {
            written_bytes: names.iter().fold(0, sum),
            names,
        }
    }

    /// Bytes that a shared list takes: a reference count, itself, and the names.
    pub(crate) fn heap_bytes(&self) -> u64 {
        let long: usize = self.names.iter().map(Name::heap_bytes).sum();
        (size_of::<usize>() + size_of::<Self>() + size_of_val(&*self.names) + long) as u64
    }

    pub(crate) const fn written_bytes(&self) -> u32 {
        self.written_bytes
    }

    pub(crate) fn insert(&mut self, position: usize, name: Name) {
        self.written_bytes = self.written_bytes.saturating_add(name.written_bytes());
        // Names come seldom, and stay: no room for more.
        self.names.reserve_exact(1);
        self.names.insert(position, name);
    }

    pub(crate) fn remove(&mut self, position: usize) -> Name {
        let name = self.names.remove(position);
        self.names.shrink_to_fit();
        self.written_bytes = self.written_bytes.saturating_sub(name.written_bytes());
        name
    }

    pub(crate) fn into_names(self) -> Vec<Name> {
        self.names
    }
}

impl Deref for NameList {
    type Target = [Name];

    fn deref(&self) -> &[Name] {
        &self.names
    }
}
