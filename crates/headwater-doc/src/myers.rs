use std::{iter, ops::Range};

/// A run that has to be replaced by another; what stands between hunks is equal in both sequences.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Hunk {
    pub(crate) old: Range<usize>,
    pub(crate) new: Range<usize>,
}

/// Insertions and removals of labels that both sequences have up to which the shortest script is looked for:
/// more are needed only where as much has moved past the rest. The search takes time O((n + m) · d) and
/// memory O(d²), 0.5 MB at this bound; what differs in more places gets one hunk, which is right but longer.
const EDITS_MAX: usize = 256;

/// The hunks that turn one sequence of labels into the other, ascending, by the greedy algorithm of Myers
/// ("An O(ND) Difference Algorithm and Its Variations", 1986).
///
/// A label that the other sequence lacks can be in no match, so it is left out before a match is searched
/// for. That decides the cost where much has changed: the search, quadratic in what has no match, is left
/// with next to nothing. And what is in both is found however much else is not.
pub(crate) fn hunks(old: &[u64], new: &[u64]) -> Vec<Hunk> {
    let (prefix, old, new) = middles(old, new);
    let mut gaps = Gaps::default();
    // One that changed, the usual case, differs from the other: that needs no search.
    if old.len().min(new.len()) > 0 && old.len().max(new.len()) > 1 {
        let (old_places, old_known) = known(old, &Sieve::of(new));
        let (new_places, new_known) = known(new, &Sieve::of(old));
        let found = hunks_of_known(&old_known, &new_known);
        for (old, new) in matches(&found, old_known.len(), new_known.len()) {
            if let (Some(&old), Some(&new)) = (old_places.get(old), new_places.get(new)) {
                gaps.pair(old, new);
            }
        }
    }
    gaps.pair(old.len(), new.len());
    shifted(gaps.hunks, prefix)
}

/// The places that hunks leave as they are, in the old sequence and in the new, up to the ends of both.
pub(crate) fn matches(
    hunks: &[Hunk],
    old_len: usize,
    new_len: usize,
) -> impl Iterator<Item = (usize, usize)> {
    let starts = hunks.iter().map(|hunk| (hunk.old.start, hunk.new.start));
    let ends = hunks.iter().map(|hunk| (hunk.old.end, hunk.new.end));
    iter::once((0, 0))
        .chain(ends)
        .zip(starts.chain([(old_len, new_len)]))
        .flat_map(|(from, to)| (from.0..to.0).zip(from.1..to.1))
}

/// What lies between matches.
#[derive(Default)]
pub(crate) struct Gaps {
    pub(crate) hunks: Vec<Hunk>,
    /// Behind the last match.
    old: usize,
    new: usize,
}

impl Gaps {
    /// Takes the next match. The ends of both sequences are the last.
    pub(crate) fn pair(&mut self, old: usize, new: usize) {
        if self.old < old || self.new < new {
            self.hunks.push(Hunk {
                old: self.old..old,
                new: self.new..new,
            });
        }
        (self.old, self.new) = (old + 1, new + 1);
    }

    /// Takes the next match, of two that may differ.
    pub(crate) fn change(&mut self, old: usize, new: usize) {
        self.pair(old, new);
        self.hunks.push(Hunk {
            old: old..old + 1,
            new: new..new + 1,
        });
    }
}

/// The places of the labels that may be in the other sequence too, and those labels.
fn known(labels: &[u64], other: &Sieve) -> (Vec<usize>, Vec<u64>) {
    let places = labels.iter().copied().enumerate();
    places
        .filter(|&(_, label)| other.may_contain(label))
        .unzip()
}

/// A set of labels that may take another for one of its own: four bits of one word are set for each.
struct Sieve {
    words: Vec<u64>,
}

impl Sieve {
    /// A word for each label: of those that are not in the set, one in thousands passes and costs the search
    /// an edit. With one bit for each it would be one in a hundred, and the search would give up among
    /// some ten thousand of them; a larger set takes more memory than the labels.
    fn of(labels: &[u64]) -> Self {
        let mut sieve = Self {
            words: vec![0; labels.len().next_power_of_two()],
        };
        for &label in labels {
            let (word, bits) = sieve.place(label);
            if let Some(word) = sieve.words.get_mut(word) {
                *word |= bits;
            }
        }
        sieve
    }

    fn may_contain(&self, label: u64) -> bool {
        let (word, bits) = self.place(label);
        self.words.get(word).is_some_and(|word| word & bits == bits)
    }

    /// The index of a word, and the bits in it.
    fn place(&self, label: u64) -> (usize, u64) {
        // Labels may be addresses, of which neighbours differ in a few bits.
        let mixed = fold(label, FACTOR);
        let mask = self.words.len() as u64 - 1;
        let word = usize::try_from(mixed & mask).unwrap_or_default();
        let bit = |shift: u32| 1_u64 << (mixed >> shift & 63);
        (word, bit(40) | bit(46) | bit(52) | bit(58))
    }
}

/// A product of 128 bits, folded to 64.
#[expect(clippy::cast_possible_truncation, reason = "one half after the other")]
pub(crate) const fn fold(left: u64, right: u64) -> u64 {
    let product = left as u128 * right as u128;
    product as u64 ^ (product >> 64) as u64
}

/// Odd, with bits set all over: of the golden ratio.
pub(crate) const FACTOR: u64 = 0x9e37_79b9_7f4a_7c15;

/// What two sequences are equal in at their start, by its length, and what is left of both without that
/// and what they are equal in at their end. It takes the search no edits, but a step on each of its diagonals.
fn middles<'a>(old: &'a [u64], new: &'a [u64]) -> (usize, &'a [u64], &'a [u64]) {
    let equal = |(old, new): &(&u64, &u64)| old == new;
    let prefix = old.iter().zip(new).take_while(equal).count();
    let behind = old.len().min(new.len()) - prefix;
    let backwards = old.iter().rev().zip(new.iter().rev());
    let suffix = backwards.take(behind).take_while(equal).count();
    let middle = |list: &'a [u64]| list.get(prefix..list.len() - suffix).unwrap_or_default();
    (prefix, middle(old), middle(new))
}

fn shifted(mut hunks: Vec<Hunk>, by: usize) -> Vec<Hunk> {
    for hunk in &mut hunks {
        hunk.old = hunk.old.start + by..hunk.old.end + by;
        hunk.new = hunk.new.start + by..hunk.new.end + by;
    }
    hunks
}

/// The hunks of sequences without what the other lacks.
fn hunks_of_known(old: &[u64], new: &[u64]) -> Vec<Hunk> {
    let (prefix, old, new) = middles(old, new);
    shifted(middle_hunks(old, new), prefix)
}

/// The hunks of sequences that differ at both ends.
fn middle_hunks(old: &[u64], new: &[u64]) -> Vec<Hunk> {
    let all = Hunk {
        old: 0..old.len(),
        new: 0..new.len(),
    };
    if old.is_empty() || new.is_empty() {
        return if old.is_empty() && new.is_empty() {
            Vec::new()
        } else {
            vec![all]
        };
    }
    search(old, new).map_or_else(|| vec![all], |trace| backtrack(old, new, &trace))
}

/// For each number of edits the furthest place reached in `old` on each diagonal. Diagonal `k`, where
/// the place in `old` is `k` further than in `new`, stands at index `k + d` of round `d`.
type Trace = Vec<Vec<usize>>;

fn search(old: &[u64], new: &[u64]) -> Option<Trace> {
    let mut trace: Trace = Vec::new();
    for edits in 0..=EDITS_MAX {
        let mut round = Vec::with_capacity(2 * edits + 1);
        for slot in 0..=2 * edits {
            // Every other diagonal can be reached with this number of edits.
            if slot % 2 == 1 {
                round.push(0);
                continue;
            }
            let mut x = trace.last().map_or(0, |last| start(last, slot, edits).0);
            // k = slot - edits, and y = x - k.
            let mut y = (x + edits).checked_sub(slot)?;
            while x < old.len() && y < new.len() && old.get(x) == new.get(y) {
                x += 1;
                y += 1;
            }
            round.push(x);
            if x >= old.len() && y >= new.len() {
                trace.push(round);
                return Some(trace);
            }
        }
        trace.push(round);
    }
    None
}

/// Where a round's diagonal starts, given the round before: the place in `old`, and whether it got
/// there by an insertion (from the diagonal above) rather than by a removal (from the one below).
fn start(last: &[usize], slot: usize, edits: usize) -> (usize, bool) {
    // In the round before, index `slot` is diagonal k + 1 and index `slot - 2` is diagonal k - 1.
    let above = last.get(slot).copied();
    let below = slot.checked_sub(2).and_then(|slot| last.get(slot)).copied();
    debug_assert!(slot <= 2 * edits, "a diagonal of this round");
    match (above, below) {
        (Some(above), Some(below)) if below < above => (above, true),
        (_, Some(below)) => (below + 1, false),
        (above, None) => (above.unwrap_or_default(), true),
    }
}

fn backtrack(old: &[u64], new: &[u64], trace: &Trace) -> Vec<Hunk> {
    let (mut x, mut y) = (old.len(), new.len());
    let mut hunks: Vec<Hunk> = Vec::new();
    for edits in (1..trace.len()).rev() {
        let Some(last) = trace.get(edits - 1) else {
            break;
        };
        let slot = x + edits - y;
        let (_, inserted) = start(last, slot, edits);
        // Back to where this round started from: index `slot` or `slot - 2` of the round before.
        let from = if inserted { slot } else { slot - 2 };
        let from_x = last.get(from).copied().unwrap_or_default();
        let from_y = from_x + (edits - 1) - from;
        let (to_x, to_y) = if inserted {
            (from_x, from_y + 1)
        } else {
            (from_x + 1, from_y)
        };
        match hunks.last_mut() {
            Some(hunk) if hunk.old.start == to_x && hunk.new.start == to_y => {
                hunk.old.start = from_x;
                hunk.new.start = from_y;
            }
            _ => hunks.push(Hunk {
                old: from_x..to_x,
                new: from_y..to_y,
            }),
        }
        (x, y) = (from_x, from_y);
    }
    hunks.reverse();
    hunks
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn rebuilt(old: &[u64], new: &[u64], hunks: &[Hunk]) -> Vec<u64> {
        let mut result = Vec::new();
        let mut at = 0;
        for hunk in hunks {
            result.extend(&old[at..hunk.old.start]);
            assert_eq!(result.len(), hunk.new.start);
            result.extend(&new[hunk.new.clone()]);
            at = hunk.old.end;
        }
        result.extend(&old[at..]);
        result
    }

    #[test]
    fn one_change_is_one_hunk() {
        let found = hunks(&[1, 2, 3, 4, 5], &[1, 2, 9, 4, 5]);
        assert_eq!(
            found,
            [Hunk {
                old: 2..3,
                new: 2..3
            }]
        );
    }

    /// Every eleventh of so many labels is another.
    fn scattered(len: u64) -> [Vec<u64>; 2] {
        [0, len].map(|other| {
            let label = |at| if at % 11 == 5 { at + other } else { at };
            (0..len).map(label).collect()
        })
    }

    #[test]
    fn however_many_have_changed_those_between_are_matched() {
        for len in [1_000, 100_000, 1_000_000] {
            let [old, new] = scattered(len);
            // As they lie in memory, the labels of nodes are multiples of a small power of two.
            let aligned =
                |labels: &[u64]| labels.iter().map(|label| label * 48).collect::<Vec<_>>();
            for (old, new) in [(aligned(&old), aligned(&new)), (old, new)] {
                let found = hunks(&old, &new);
                assert!(found.iter().all(|hunk| hunk.old.len() == 1));
                assert_eq!(
                    found.len(),
                    old.iter().zip(&new).filter(|(a, b)| a != b).count()
                );
            }
        }
    }

    #[test]
    fn beyond_the_bound_everything_is_one_hunk() {
        let old: Vec<u64> = (0..1_000).collect();
        // What is in both has moved past all the rest.
        let moved: Vec<u64> = old.iter().rev().copied().collect();
        let anew: Vec<u64> = (5_000..6_000).collect();
        for new in [moved, anew] {
            assert_eq!(
                hunks(&old, &new),
                [Hunk {
                    old: 0..1_000,
                    new: 0..1_000
                }]
            );
        }
    }

    proptest! {
        #[test]
        fn hunks_turn_one_sequence_into_the_other(
            old in prop::collection::vec(0_u64..6, 0..40),
            new in prop::collection::vec(0_u64..6, 0..40),
        ) {
            let found = hunks(&old, &new);
            prop_assert_eq!(rebuilt(&old, &new, &found), new);
        }
    }
}
