use std::ops::Range;

/// A run that has to be replaced by another; what stands between hunks is equal in both sequences.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Hunk {
    pub(crate) old: Range<usize>,
    pub(crate) new: Range<usize>,
}

/// Insertions and removals up to which the shortest script is looked for. The search takes time
/// O((n + m) · d) and memory O(d²), 0.5 MB at this bound; sequences that differ in more places get one
/// hunk, which is right but longer.
const EDITS_MAX: usize = 256;

/// The hunks that turn one sequence into the other, ascending, by the greedy algorithm of Myers ("An
/// O(ND) Difference Algorithm and Its Variations", 1986).
pub(crate) fn hunks<T: PartialEq>((old, new): &(Vec<T>, Vec<T>)) -> Vec<Hunk> {
    // What is equal at both ends takes the search no edits, but a step on each of its diagonals.
    let equal = |(old, new): &(&T, &T)| old == new;
    let prefix = old.iter().zip(new).take_while(equal).count();
    let behind = old.len().min(new.len()) - prefix;
    let backwards = old.iter().rev().zip(new.iter().rev());
    let suffix = backwards.take(behind).take_while(equal).count();
    let middle = |list: &'_ [T]| prefix..list.len() - suffix;
    let (old_middle, new_middle) = (middle(old), middle(new));
    let mut hunks = middle_hunks(
        old.get(old_middle).unwrap_or_default(),
        new.get(new_middle).unwrap_or_default(),
    );
    for hunk in &mut hunks {
        hunk.old = hunk.old.start + prefix..hunk.old.end + prefix;
        hunk.new = hunk.new.start + prefix..hunk.new.end + prefix;
    }
    hunks
}

/// The hunks of sequences that differ at both ends.
fn middle_hunks<T: PartialEq>(old: &[T], new: &[T]) -> Vec<Hunk> {
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

fn search<T: PartialEq>(old: &[T], new: &[T]) -> Option<Trace> {
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

fn backtrack<T>(old: &[T], new: &[T], trace: &Trace) -> Vec<Hunk> {
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

    fn rebuilt(old: &[u32], new: &[u32], hunks: &[Hunk]) -> Vec<u32> {
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
        let (old, new) = (vec![1, 2, 3, 4, 5], vec![1, 2, 9, 4, 5]);
        let found = hunks(&(old, new));
        assert_eq!(
            found,
            [Hunk {
                old: 2..3,
                new: 2..3
            }]
        );
    }

    #[test]
    fn beyond_the_bound_everything_is_one_hunk() {
        let old: Vec<u32> = (0..1_000).collect();
        let new: Vec<u32> = (5_000..6_000).collect();
        let found = hunks(&(old, new));
        assert_eq!(
            found,
            [Hunk {
                old: 0..1_000,
                new: 0..1_000
            }]
        );
    }

    proptest! {
        #[test]
        fn hunks_turn_one_sequence_into_the_other(
            old in prop::collection::vec(0_u32..6, 0..40),
            new in prop::collection::vec(0_u32..6, 0..40),
        ) {
            let found = hunks(&(old.clone(), new.clone()));
            prop_assert_eq!(rebuilt(&old, &new, &found), new);
        }
    }
}
