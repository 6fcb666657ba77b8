use std::ops::Range;

use crate::{
    chunked::{Chunk, Chunked, Reach, Side, Sum},
    scan::plain_bytes,
    work,
};

/// A long string, as a tree of runs of text, so that an edit touches one run.
#[derive(Clone, Debug)]
pub(crate) struct Rope {
    runs: Chunked<Run>,
    /// Invariant: the sum of what the runs come to.
    written: Written,
}

impl Rope {
    pub(crate) fn new(text: String) -> Self {
        Self::of_runs(Chunked::from_chunk(Run::new(text)))
    }

    fn of_runs(runs: Chunked<Run>) -> Self {
        let written = runs.sum();
        Self { runs, written }
    }

    pub(crate) const fn bytes(&self) -> usize {
        self.written.bytes
    }

    /// Length in Unicode scalar values.
    pub(crate) fn scalars(&self) -> usize {
        self.runs.len()
    }

    /// Bytes of the text as JSON, quotes included.
    pub(crate) const fn written_bytes(&self) -> usize {
        self.written.bytes + self.written.escapes + 2
    }

    /// Bytes that it takes: a reference count, itself and its runs, rounded up.
    pub(crate) const fn heap_bytes(&self) -> usize {
        (HEAD_BYTES + self.runs.heap()).next_multiple_of(align_of::<usize>())
    }

    /// What a copy takes that shares all but the root.
    pub(crate) fn own_bytes(&self) -> usize {
        HEAD_BYTES + self.runs.root_bytes()
    }

    /// Bytes of the root and the nodes that another does not share.
    pub(crate) fn unshared_bytes(&self, other: &Self) -> u64 {
        let mut bytes = self.own_bytes() as u64;
        self.runs.unshared(&other.runs, &mut bytes);
        bytes
    }

    pub(crate) fn is_shared_at(&self, reach: Reach) -> bool {
        self.runs.is_shared_at(reach)
    }

    /// See [`Chunked::exclusive_chunks`].
    pub(crate) fn exclusive_runs(&self, bytes: &mut u64) {
        self.runs.exclusive_chunks(bytes, &mut |_| {});
    }

    pub(crate) fn runs(&self) -> impl DoubleEndedIterator<Item = &str> {
        self.runs.chunks().map(|run| run.text.as_str())
    }

    /// Replaces a range, given in scalars and inside the text, and returns what stood there. Costs what is
    /// inserted and O(log n), however much is removed.
    pub(crate) fn splice(
        &mut self,
        range: Range<usize>,
        insert: &str,
        copied: &mut u64,
    ) -> Removed {
        if self.splices_one_run(&range, insert.len()) {
            let inserted = Written::of(insert);
            let (text, removed) = self.runs.edit(range.start, copied, |run, at, sum| {
                let text = run.splice(at..at + range.len(), insert);
                let removed = Written::of(&text);
                sum.shift(removed, inserted);
                (text, removed)
            });
            self.written.shift(removed, inserted);
            return Removed::Text(text);
        }
        let mut removed = self.runs.split_off(range.start, copied);
        let right = removed.split_off(range.len(), copied);
        let insert = Chunked::from_chunk(Run::new(insert.to_owned()));
        let removed = Self::of_runs(removed);
        self.written.shift(removed.written, insert.sum());
        self.runs.append(insert, copied);
        self.runs.append(right, copied);
        Removed::Rope(removed)
    }

    /// The text, if it is no longer long; it is copied from runs that others may hold.
    pub(crate) fn to_flat(&self, copied: &mut u64) -> Option<String> {
        let short = self.bytes() <= FLAT_BYTES_MAX;
        short.then(|| {
            self.runs.count_shared(copied);
            self.slice(0..self.scalars())
        })
    }

    /// Whether a splice, of so many bytes to be inserted, is an edit of the run at the start of its range.
    pub(crate) fn splices_one_run(&self, range: &Range<usize>, inserted: usize) -> bool {
        let lies_in_one = || {
            let run = self.runs.chunk_at(range.start);
            run.is_some_and(|(run, at)| at + range.len() <= run.scalars)
        };
        inserted <= Run::SIZE_MAX && (range.is_empty() || lies_in_one())
    }

    /// Whether both are the same text; shared runs at the same place are skipped by their pointers.
    pub(crate) fn equals(&self, other: &Self) -> bool {
        self.written == other.written
            && self.scalars() == other.scalars()
            && self
                .runs
                .places(&other.runs, Side::Front)
                .all(|place| runs_eq(self.runs_in(&place), other.runs_in(&place)))
    }

    /// The runs of a place, the first and the last as far as they lie in it.
    fn runs_in(&self, place: &Range<usize>) -> impl Iterator<Item = &str> {
        self.runs
            .chunks_from(place.start)
            .take_while(|(_, start)| *start < place.end)
            .map(|(run, start)| {
                let from = place.start.saturating_sub(start);
                let to = run.scalars.min(place.end - start);
                if from == 0 && to == run.scalars {
                    return run.text.as_str();
                }
                let bytes = run.byte_of(from)..run.byte_of(to);
                run.text.get(bytes).unwrap_or_default()
            })
    }

    /// How many scalars at the start are equal, and how many behind them at the end; shared runs are
    /// skipped by their pointers.
    pub(crate) fn common_ends(&self, other: &Self) -> (usize, usize) {
        let limit = self.scalars().min(other.scalars());
        let prefix = self.common_scalars(other, Side::Front, limit);
        (
            prefix,
            self.common_scalars(other, Side::Back, limit - prefix),
        )
    }

    /// How many scalars from a side on are equal, up to a limit.
    fn common_scalars(&self, other: &Self, side: Side, limit: usize) -> usize {
        for place in self.runs.places(&other.runs, side) {
            let (start, places) = (place.start, place.len());
            if start >= limit {
                break;
            }
            let equal = match side {
                Side::Front => {
                    common_scalars(self.scalars_from(start), other.scalars_from(start), places)
                }
                Side::Back => common_scalars(
                    self.scalars_back_from(start),
                    other.scalars_back_from(start),
                    places,
                ),
            };
            if equal < places {
                return limit.min(start + equal);
            }
        }
        limit
    }

    /// Whether parts of the texts are one and the same; see [`Chunked::shares`].
    pub(crate) fn shares(&self, other: &Self, steps: &mut usize) -> bool {
        self.runs.shares(&other.runs, steps)
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
        let end = self.scalars() - from_end;
        let last = self.runs.chunks_before(end).next_back();
        let behind = last.map_or(0, |(run, start)| start + run.scalars - end);
        self.runs
            .chunks_before(end)
            .rev()
            .flat_map(|(run, _)| run.text.chars().rev())
            .skip(behind)
    }
}

/// What a long string takes beside its runs: a reference count and itself.
const HEAD_BYTES: usize = size_of::<usize>() + size_of::<Rope>();

/// What a splice took out: a little text, or a part of the tree that is kept as it was.
pub(crate) enum Removed {
    Text(String),
    Rope(Rope),
}

/// What a part of a text takes when it is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Written {
    bytes: usize,
    /// What escaping adds to them when the text is written as JSON.
    escapes: usize,
}

impl Written {
    fn of(text: &str) -> Self {
        Self {
            bytes: text.len(),
            escapes: escape_bytes(text),
        }
    }
}

impl Sum for Written {
    fn join(&mut self, other: Self) {
        self.bytes += other.bytes;
        self.escapes += other.escapes;
    }

    fn shift(&mut self, before: Self, after: Self) {
        self.bytes = self.bytes.saturating_sub(before.bytes) + after.bytes;
        self.escapes = self.escapes.saturating_sub(before.escapes) + after.escapes;
    }

    #[cfg(test)]
    fn stands_for(&self, found: &Self) -> bool {
        self == found
    }
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

    type Sum = Written;

    fn sum(&self) -> Written {
        Written::of(&self.text)
    }

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
    work::count(text.len());
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
    let equal = left
        .zip(right)
        .take(limit)
        .take_while(|(left, right)| left == right)
        .count();
    work::count(equal);
    equal
}

/// Whether two texts are the same, however they are cut into runs.
pub(crate) fn runs_eq<'a>(
    mut lefts: impl Iterator<Item = &'a str>,
    mut rights: impl Iterator<Item = &'a str>,
) -> bool {
    let (mut left, mut right): (&[u8], &[u8]) = (&[], &[]);
    loop {
        if left.is_empty() {
            left = lefts.next().unwrap_or_default().as_bytes();
        }
        if right.is_empty() {
            right = rights.next().unwrap_or_default().as_bytes();
        }
        let common = left.len().min(right.len());
        if common == 0 {
            return left.is_empty() && right.is_empty();
        }
        work::count(common);
        let (left_head, left_rest) = left.split_at(common);
        let (right_head, right_rest) = right.split_at(common);
        if left_head != right_head {
            return false;
        }
        (left, right) = (left_rest, right_rest);
    }
}
