use std::ops::Range;

use crate::{
    chunked::{Chunk, Chunked},
    scan::plain_bytes,
};

/// A long string, as a tree of runs of text, so that an edit touches one run.
#[derive(Clone, Debug)]
pub(crate) struct Rope {
    runs: Chunked<Run>,
    /// Bytes of the text.
    bytes: usize,
    /// What escaping adds to them when the text is written as JSON.
    escapes: usize,
}

impl Rope {
    pub(crate) fn new(text: String) -> Self {
        Self {
            bytes: text.len(),
            escapes: escape_bytes(&text),
            runs: Chunked::from_chunk(Run::new(text)),
        }
    }

    pub(crate) const fn bytes(&self) -> usize {
        self.bytes
    }

    /// Length in Unicode scalar values.
    pub(crate) fn scalars(&self) -> usize {
        self.runs.len()
    }

    /// Bytes of the text as JSON, quotes included.
    pub(crate) const fn written_bytes(&self) -> usize {
        self.bytes + self.escapes + 2
    }

    /// Bytes that it takes: a reference count, itself and its runs, rounded up.
    pub(crate) const fn heap_bytes(&self) -> usize {
        (HEAD_BYTES + self.runs.heap()).next_multiple_of(align_of::<usize>())
    }

    /// What a copy takes that shares all but the root.
    pub(crate) fn own_bytes(&self) -> usize {
        HEAD_BYTES + self.runs.root_bytes()
    }

    pub(crate) fn runs(&self) -> impl DoubleEndedIterator<Item = &str> {
        self.runs.chunks().map(|run| run.text.as_str())
    }

    /// Replaces a range, given in scalars and inside the text, and returns what stood there.
    pub(crate) fn splice(
        &mut self,
        range: Range<usize>,
        insert: &str,
        copied: &mut u64,
    ) -> Removed {
        self.bytes += insert.len();
        self.escapes += escape_bytes(insert);
        let removed = if insert.len() <= Run::SIZE_MAX && self.lies_in_one_run(&range) {
            self.runs.edit(range.start, copied, |run, at| {
                Removed::Text(run.splice(at..at + range.len(), insert))
            })
        } else {
            let mut removed = self.runs.split_off(range.start, copied);
            let right = removed.split_off(range.len(), copied);
            let insert = Chunked::from_chunk(Run::new(insert.to_owned()));
            self.runs.append(insert, copied);
            self.runs.append(right, copied);
            let bytes = removed.chunks().map(|run| run.text.len()).sum();
            let escapes = removed.chunks().map(|run| escape_bytes(&run.text)).sum();
            Removed::Rope(Self {
                runs: removed,
                bytes,
                escapes,
            })
        };
        let (bytes, escapes) = match &removed {
            Removed::Text(text) => (text.len(), escape_bytes(text)),
            Removed::Rope(rope) => (rope.bytes, rope.escapes),
        };
        self.bytes -= bytes;
        self.escapes -= escapes;
        removed
    }

    /// Whether `edit` at the start of the range finds all of it in one run.
    fn lies_in_one_run(&self, range: &Range<usize>) -> bool {
        range.is_empty()
            || self
                .runs
                .chunk_at(range.start)
                .is_some_and(|(run, at)| at + range.len() <= run.scalars)
    }

    /// The first scalar offset at which the two differ, and how many scalars at the end are equal
    /// behind it; shared runs are skipped by their pointers.
    pub(crate) fn common_ends(&self, other: &Self) -> (usize, usize) {
        let limit = self.scalars().min(other.scalars());
        let shared = self.runs.shared_prefix(&other.runs).min(limit);
        let prefix = shared
            + common_scalars(
                self.scalars_from(shared),
                other.scalars_from(shared),
                limit - shared,
            );
        let limit = limit - prefix;
        let shared = self.runs.shared_suffix(&other.runs).min(limit);
        let suffix = shared
            + common_scalars(
                self.scalars_back_from(shared),
                other.scalars_back_from(shared),
                limit - shared,
            );
        (prefix, suffix)
    }

    /// A part of the text, given in scalars and inside the text.
    pub(crate) fn slice(&self, range: Range<usize>) -> String {
        self.scalars_from(range.start).take(range.len()).collect()
    }

    fn scalars_from(&self, at: usize) -> impl Iterator<Item = char> {
        let start = self
            .runs
            .chunks_from(at)
            .next()
            .map_or(at, |(_, start)| start);
        self.runs
            .chunks_from(at)
            .flat_map(|(run, _)| run.text.chars())
            .skip(at - start)
    }

    fn scalars_back_from(&self, from_end: usize) -> impl Iterator<Item = char> {
        let mut rest = from_end;
        let mut whole_runs = 0;
        for run in self.runs.chunks().rev() {
            if run.scalars > rest {
                break;
            }
            rest -= run.scalars;
            whole_runs += 1;
        }
        self.runs
            .chunks()
            .rev()
            .skip(whole_runs)
            .flat_map(|run| run.text.chars().rev())
            .skip(rest)
    }
}

/// What a long string takes beside its runs: a reference count and itself.
const HEAD_BYTES: usize = size_of::<usize>() + size_of::<Rope>();

/// What a splice took out: a little text, or a part of the tree that is kept as it was.
pub(crate) enum Removed {
    Text(String),
    Rope(Rope),
}

/// Bytes of spare room in a run that grows. Doubling a run would leave up to half of it unused, and
/// nobody counts that.
const ROOM_BYTES: usize = 64;

/// Bytes up to which a string is held in one piece, as long as a run of a longer one.
pub(crate) const FLAT_BYTES_MAX: usize = Run::SIZE_MAX;

/// A leaf of the tree.
#[derive(Clone, Debug, Default)]
struct Run {
    text: String,
    /// Invariant: the count of `char`s in `text`.
    scalars: usize,
}

impl Run {
    fn new(text: String) -> Self {
        Self {
            scalars: text.chars().count(),
            text,
        }
    }

    fn splice(&mut self, range: Range<usize>, insert: &str) -> String {
        let start = self.byte_of(range.start);
        let end = self.byte_of(range.end);
        let removed = self.text.get(start..end).unwrap_or_default().to_owned();
        let len = self.text.len() - removed.len() + insert.len();
        if len > self.text.capacity() {
            self.text.reserve_exact(len - self.text.len() + ROOM_BYTES);
        }
        self.text.replace_range(start..end, insert);
        if self.text.capacity() - len > 2 * ROOM_BYTES {
            self.text.shrink_to(len + ROOM_BYTES);
        }
        self.scalars = self.scalars - range.len() + insert.chars().count();
        removed
    }

    /// Where a scalar starts, in bytes.
    fn byte_of(&self, scalar: usize) -> usize {
        if self.scalars == self.text.len() {
            return scalar;
        }
        self.text
            .char_indices()
            .nth(scalar)
            .map_or(self.text.len(), |(byte, _)| byte)
    }
}

impl Chunk for Run {
    type Key = ();

    /// A copied run costs a memcpy of this; shorter ones would cost more headers than text.
    const SIZE_MAX: usize = 1_024;

    fn len(&self) -> usize {
        self.scalars
    }

    fn size(&self) -> usize {
        self.text.len()
    }

    fn heap(&self) -> usize {
        self.text.len()
    }

    fn first_key(&self) {}

    fn split_half(&mut self) -> Self {
        let mut middle = self.text.len() / 2;
        while !self.text.is_char_boundary(middle) {
            middle += 1;
        }
        let right = Self::new(self.text.split_off(middle));
        self.text.shrink_to_fit();
        self.scalars -= right.scalars;
        right
    }

    fn split_off(&mut self, at: usize) -> Self {
        let right = Self::new(self.text.split_off(self.byte_of(at)));
        self.text.shrink_to_fit();
        self.scalars -= right.scalars;
        right
    }

    fn append(&mut self, right: Self) {
        self.text.reserve_exact(right.text.len());
        self.text.push_str(&right.text);
        self.scalars += right.scalars;
    }
}

/// How many bytes escaping adds to a text that is written as JSON (RFC 8259 section 7).
pub(crate) fn escape_bytes(text: &str) -> usize {
    let mut rest = text.as_bytes();
    let mut escapes = 0;
    while let Some((byte, behind)) = rest.get(plain_bytes(rest)..).and_then(<[u8]>::split_first) {
        escapes += match byte {
            b'"' | b'\\' | 0x08 | b'\t' | b'\n' | 0x0c | b'\r' => 1,
            _ => 5,
        };
        rest = behind;
    }
    escapes
}

fn common_scalars(
    left: impl Iterator<Item = char>,
    right: impl Iterator<Item = char>,
    limit: usize,
) -> usize {
    left.zip(right)
        .take(limit)
        .take_while(|(left, right)| left == right)
        .count()
}
