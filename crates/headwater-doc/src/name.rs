use std::{cmp::Ordering, fmt, ops::Deref};

use crate::{
    packed::{Flat, Short, Words},
    totals::{WORD_BYTES, words},
};

/// A member's name: 16 bytes, and up to 14 bytes of text inside them. Cloning it costs a reference
/// count at most.
#[derive(Clone)]
pub(crate) struct Name(Repr);

#[derive(Clone)]
enum Repr {
    Short(Short),
    Long {
        text: Flat,
        /// Whether the text is counted with another list, from which this name was copied.
        ///
        /// Invariant: not that of a heavy name.
        lent: bool,
    },
}

/// Bytes up to which the text of a long name counts only with the list that brought it.
///
/// A longer one is heavy and counts with every object that has it: the object that brought it may go,
/// and what the others then keep would be counted by nobody. What still is not, 104 bytes a member at
/// most, is a few times the member itself. Were the bound lower, tables of records with long names would
/// count these for each record; names of fields are shorter, and so are UUIDs and most other keys.
const LIGHT_BYTES_MAX: usize = 64;

impl Name {
    pub(crate) fn as_bytes(&self) -> &[u8] {
        match &self.0 {
            Repr::Short(short) => short.as_bytes(),
            Repr::Long { text, .. } => text.as_bytes(),
        }
    }

    #[inline]
    pub(crate) fn is_short(&self, other: Words) -> bool {
        matches!(&self.0, Repr::Short(short) if short.words() == other)
    }

    pub(crate) fn as_str(&self) -> &str {
        match &self.0 {
            Repr::Short(short) => short.as_str(),
            Repr::Long { text, .. } => text.as_str(),
        }
    }

    /// Bytes that it takes in the text, with its quotes and colon.
    pub(crate) fn written_bytes(&self) -> u32 {
        let quoted = match &self.0 {
            Repr::Short(short) => short.written_bytes(),
            Repr::Long { text, .. } => text.written_bytes(),
        };
        u32::try_from(quoted + 1).unwrap_or(u32::MAX)
    }

    /// Bytes of a long name outside its own 16; none of one that is lent.
    pub(crate) fn heap_bytes(&self) -> usize {
        match &self.0 {
            Repr::Short(_) | Repr::Long { lent: true, .. } => 0,
            Repr::Long { text, lent: false } => text.heap_bytes(),
        }
    }

    /// Leaves counting the text to whoever has the name already.
    pub(crate) fn lend(&mut self) {
        if let Repr::Long { text, lent } = &mut self.0 {
            *lent = text.as_bytes().len() <= LIGHT_BYTES_MAX;
        }
    }

    /// Whether nobody else holds or counts its text, so that an equal name is as good.
    pub(crate) fn is_own(&self) -> bool {
        match &self.0 {
            Repr::Short(_) => true,
            Repr::Long { text, lent } => !lent && text.is_unique(),
        }
    }

    fn is_heavy(&self) -> bool {
        self.as_bytes().len() > LIGHT_BYTES_MAX
    }
}

impl From<&str> for Name {
    fn from(name: &str) -> Self {
        let long = || Repr::Long {
            text: Flat::new(name),
            lent: false,
        };
        Self(Short::new(name).map_or_else(long, Repr::Short))
    }
}

impl From<Words> for Name {
    #[inline]
    fn from(name: Words) -> Self {
        Self(Repr::Short(name.into()))
    }
}

impl Default for Name {
    fn default() -> Self {
        Self::from("")
    }
}

impl PartialEq for Name {
    fn eq(&self, other: &Self) -> bool {
        match (&self.0, &other.0) {
            (Repr::Short(left), Repr::Short(right)) => left == right,
            _ => self.as_bytes() == other.as_bytes(),
        }
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
        match (&self.0, &other.0) {
            (Repr::Short(left), Repr::Short(right)) => left.cmp(right),
            _ => self.as_bytes().cmp(other.as_bytes()),
        }
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
    /// Invariant: the words of the names that are neither heavy nor lent.
    light_words: u32,
    /// Invariant: the words of the heavy names.
    heavy_words: u32,
}

impl NameList {
    /// The caller has sorted the names and found none repeated.
    pub(crate) fn new(mut names: Vec<Name>) -> Self {
        names.shrink_to_fit();
        let mut list = Self::default();
        names.iter().for_each(|name| list.count(name));
        Self { names, ..list }
    }

    /// A list of its own for an object, to be changed. If the shared one is counted with another object,
    /// so are the names in it.
    pub(crate) fn copied(&self, counted: bool) -> Self {
        let mut names = self.names.clone();
        if counted {
            return Self { names, ..*self };
        }
        names.iter_mut().for_each(Name::lend);
        Self {
            names,
            light_words: 0,
            ..*self
        }
    }

    /// Words of 8 bytes that count with an object that has the list: all if it brought the list (a
    /// reference count, the list itself and the names), or else only heavy names.
    pub(crate) fn heap_words(&self, brought: bool) -> u32 {
        if !brought {
            return self.heavy_words;
        }
        words(self.own_bytes() as u64)
            .saturating_add(self.light_words)
            .saturating_add(self.heavy_words)
    }

    /// Those words, in bytes, of a list that an object brought.
    pub(crate) fn brought_bytes(&self) -> u64 {
        u64::from(self.heap_words(true)) * WORD_BYTES
    }

    /// Bytes of a copy: a reference count and the list itself. It shares the texts of long names.
    pub(crate) fn own_bytes(&self) -> usize {
        size_of::<usize>() + size_of::<Self>() + size_of_val(&*self.names)
    }

    pub(crate) const fn written_bytes(&self) -> u32 {
        self.written_bytes
    }

    pub(crate) fn insert(&mut self, position: usize, name: Name) {
        self.count(&name);
        // Names come seldom, and stay: no room for more.
        self.names.reserve_exact(1);
        self.names.insert(position, name);
    }

    pub(crate) fn remove(&mut self, position: usize) -> Name {
        let name = self.names.remove(position);
        self.names.shrink_to_fit();
        self.written_bytes = self.written_bytes.saturating_sub(name.written_bytes());
        let (words, sum) = self.words_of(&name);
        *sum = sum.saturating_sub(words);
        name
    }

    fn count(&mut self, name: &Name) {
        self.written_bytes = self.written_bytes.saturating_add(name.written_bytes());
        if matches!(name.0, Repr::Short(_)) {
            return;
        }
        let (words, sum) = self.words_of(name);
        *sum = sum.saturating_add(words);
    }

    /// The words of a name, and the sum that they belong to.
    fn words_of(&mut self, name: &Name) -> (u32, &mut u32) {
        let sum = if name.is_heavy() {
            &mut self.heavy_words
        } else {
            &mut self.light_words
        };
        (words(name.heap_bytes() as u64), sum)
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
