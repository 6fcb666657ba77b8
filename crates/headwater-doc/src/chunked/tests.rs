use std::ptr;

use proptest::{collection::vec, prelude::*};

use super::{branch::FANOUT_MAX, *};
use crate::work;

#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Total(u64);

impl Sum for Total {
    fn join(&mut self, other: Self) {
        self.0 += other.0;
    }

    fn shift(&mut self, before: Self, after: Self) {
        self.0 = self.0.saturating_sub(before.0) + after.0;
    }

    fn stands_for(&self, found: &Self) -> bool {
        self == found
    }
}

/// A chunk whose elements weigh 1 to 3, as the scalars of a string weigh 1 to 4.
#[derive(Clone, Debug, Default)]
struct Few<const MAX: usize>(Vec<u32>);

fn weight(element: u32) -> usize {
    1 + usize::from(element % 7 > 3) + usize::from(element % 7 > 5)
}

impl<const MAX: usize> Chunk for Few<MAX> {
    type Key = ();

    type Sum = Total;

    fn sum(&self) -> Total {
        Total(self.0.iter().map(|&element| u64::from(element)).sum())
    }

    const SIZE_MAX: usize = MAX;

    fn heap(&self) -> usize {
        size_of_val(&*self.0)
    }

    fn first_key(&self) {}

    fn len(&self) -> usize {
        self.0.len()
    }

    fn size(&self) -> usize {
        self.0.iter().map(|&element| weight(element)).sum()
    }

    fn split_half(&mut self) -> Self {
        let (half, mut left) = (self.size() / 2, 0);
        let reaches_half = |&element: &u32| {
            left += weight(element);
            left >= half
        };
        let at = self.0.iter().position(reaches_half).unwrap() + 1;
        self.split_off(at.min(self.len() - 1))
    }

    fn split_off(&mut self, at: usize) -> Self {
        Self(self.0.split_off(at))
    }

    fn append(&mut self, right: Self) {
        self.0.extend(right.0);
    }
}

type Sequence<const MAX: usize> = Chunked<Few<MAX>>;

fn built<const MAX: usize>(elements: impl IntoIterator<Item = u32>) -> Sequence<MAX> {
    let sequence = Chunked::from_chunks(elements.into_iter().map(|one| Few(vec![one])));
    sequence.check_invariants();
    sequence
}

fn elements<const MAX: usize>(sequence: &Sequence<MAX>) -> Vec<u32> {
    sequence
        .chunks()
        .flat_map(|chunk| chunk.0.iter().copied())
        .collect()
}

fn insert<const MAX: usize>(sequence: &mut Sequence<MAX>, at: usize, element: u32) {
    sequence.edit(at, &mut 0, |chunk, offset, sum| {
        chunk.0.insert(offset, element);
        *sum = chunk.sum();
    });
}

fn remove<const MAX: usize>(sequence: &mut Sequence<MAX>, at: usize) -> u32 {
    sequence.edit(at, &mut 0, |chunk, offset, sum| {
        let removed = chunk.0.remove(offset);
        *sum = chunk.sum();
        removed
    })
}

#[derive(Clone, Debug)]
enum Op {
    Insert(Vec<u32>),
    Remove(usize),
    Set(u32),
    Truncate,
    Rotate,
    Join(Vec<u32>),
    AppendSelf,
    Clone,
}

/// An operation, and where it acts in thousandths of the length.
fn op() -> impl Strategy<Value = (Op, usize)> {
    let op = prop_oneof![
        3 => any::<u32>().prop_map(|element| Op::Insert(vec![element])),
        2 => vec(any::<u32>(), 0..60).prop_map(Op::Insert),
        6 => (1_usize..8).prop_map(Op::Remove),
        2 => any::<u32>().prop_map(Op::Set),
        1 => Just(Op::Truncate),
        2 => Just(Op::Rotate),
        2 => vec(any::<u32>(), 0..300).prop_map(Op::Join),
        1 => Just(Op::AppendSelf),
        2 => Just(Op::Clone),
    ];
    (op, 0..=1000_usize)
}

fn apply<const MAX: usize>(sequence: &mut Sequence<MAX>, model: &mut Vec<u32>, op: Op, at: usize) {
    match op {
        Op::Insert(new) => {
            model.splice(at..at, new.clone());
            sequence.edit(at, &mut 0, |chunk, offset, sum| {
                chunk.0.splice(offset..offset, new);
                *sum = chunk.sum();
            });
        }
        // Over and over at one place, so that chunks and branches there run dry.
        Op::Remove(count) => {
            for _ in 0..count * 8 {
                if at < model.len() {
                    assert_eq!(remove(sequence, at), model.remove(at));
                    sequence.check_invariants();
                }
            }
        }
        Op::Set(element) => {
            if let Some(place) = model.get_mut(at) {
                let before = Total((*place).into());
                // The weight has to stay.
                *place = if weight(element) == weight(*place) {
                    element
                } else {
                    *place
                };
                let (chunk, offset) = sequence.chunk_at_mut(at, &mut 0).unwrap();
                chunk.0[offset] = *place;
                let after = Total((*place).into());
                sequence.shift_at(at, (before, after), &mut 0).unwrap();
            } else {
                assert!(sequence.chunk_at_mut(at, &mut 0).is_none());
            }
        }
        Op::Truncate => assert_eq!(
            elements(&sequence.split_off(at, &mut 0)),
            model.split_off(at)
        ),
        Op::Rotate => {
            let mut right = sequence.split_off(at, &mut 0);
            right.check_invariants();
            sequence.check_invariants();
            right.append(mem::take(sequence), &mut 0);
            *sequence = right;
            model.rotate_left(at);
        }
        Op::Join(new) => {
            let right = sequence.split_off(at, &mut 0);
            sequence.append(built(new.iter().copied()), &mut 0);
            sequence.check_invariants();
            sequence.append(right, &mut 0);
            model.splice(at..at, new);
        }
        Op::AppendSelf if model.len() < 1000 => {
            sequence.append(sequence.clone(), &mut 0);
            model.extend_from_within(..);
        }
        Op::AppendSelf | Op::Clone => {}
    }
}

/// What is outside the runs is the same in both.
fn assert_unshared_runs_make_the_difference<const MAX: usize>(
    old: &Sequence<MAX>,
    new: &Sequence<MAX>,
) {
    let (old_elements, new_elements) = (elements(old), elements(new));
    let (mut rebuilt, mut at) = (Vec::<u32>::new(), 0);
    for run in old.unshared(new, &mut 0) {
        rebuilt.extend(&old_elements[at..run.old.start]);
        assert_eq!(rebuilt.len(), run.new.start);
        rebuilt.extend(&new_elements[run.new]);
        at = run.old.end;
    }
    rebuilt.extend(&old_elements[at..]);
    assert_eq!(rebuilt, new_elements);
}

/// And so is what is outside the places, at the same offset from either side.
fn assert_what_is_outside_of_places_is_equal<const MAX: usize>(
    old: &Sequence<MAX>,
    new: &Sequence<MAX>,
) {
    let (mut old_elements, mut new_elements) = (elements(old), elements(new));
    let len = old.len().min(new.len());
    for side in [Side::Front, Side::Back] {
        let mut at = 0;
        for place in old.places(new, side) {
            assert!(at <= place.start && place.start < place.end);
            assert_eq!(old_elements[at..place.start], new_elements[at..place.start]);
            at = place.end;
        }
        assert!(at <= len);
        assert_eq!(old_elements[at..len], new_elements[at..len]);
        old_elements.reverse();
        new_elements.reverse();
    }
}

/// How many elements on a side are known to be the same.
fn shared<const MAX: usize>(left: &Sequence<MAX>, right: &Sequence<MAX>, side: Side) -> usize {
    let len = left.len().min(right.len());
    left.places(right, side)
        .next()
        .map_or(len, |place| place.start)
}

fn runs_like_a_vector<const MAX: usize>(mut model: Vec<u32>, ops: Vec<(Op, usize)>) {
    let mut sequence = built::<MAX>(model.iter().copied());
    let mut clones = vec![(sequence.clone(), model.clone())];
    for (op, place) in ops {
        let at = model.len() * place / 1000;
        if matches!(op, Op::Clone) {
            clones.push((sequence.clone(), model.clone()));
        }
        apply(&mut sequence, &mut model, op, at);
        sequence.check_invariants();
        assert_eq!(sequence.len(), model.len());
        assert_eq!(sequence.is_empty(), model.is_empty());
        assert_eq!(elements(&sequence), model);
        let found = sequence.chunk_at(at).map(|(chunk, offset)| chunk.0[offset]);
        assert_eq!(found.as_ref(), model.get(at));
        for (clone, before) in &clones {
            assert_eq!(&elements(clone), before);
            assert_unshared_runs_make_the_difference(clone, &sequence);
            assert_what_is_outside_of_places_is_equal(clone, &sequence);
        }
    }
}

proptest! {
    #[test]
    fn any_operations_give_what_they_give_on_a_vector(
        start in vec(any::<u32>(), 0..600),
        ops in vec(op(), 1..40),
    ) {
        runs_like_a_vector::<4>(start.clone(), ops.clone());
        runs_like_a_vector::<24>(start, ops);
    }

    #[test]
    fn building_from_chunks_equals_appending_them(
        chunks in vec(vec(any::<u32>(), 0..40), 0..60),
    ) {
        let mut appended = Sequence::<8>::default();
        for chunk in &chunks {
            appended.append(Chunked::from_chunk(Few(chunk.clone())), &mut 0);
            appended.check_invariants();
        }
        let built = Chunked::from_chunks(chunks.iter().cloned().map(Few::<8>));
        built.check_invariants();
        prop_assert_eq!(elements(&built), chunks.concat());
        prop_assert_eq!(elements(&appended), chunks.concat());
    }
}

#[test]
fn a_clone_is_untouched_by_later_edits() {
    let mut sequence = built::<8>(0..1000);
    let clone = sequence.clone();
    sequence.chunk_at_mut(500, &mut 0).unwrap().0.0.fill(0);
    insert(&mut sequence, 0, 7);
    sequence.split_off(900, &mut 0);
    assert_eq!(elements(&clone), Vec::from_iter(0..1000));
    clone.check_invariants();
}

#[test]
fn what_nobody_shares_is_changed_in_place() {
    let mut sequence = built::<8>(0..1000);
    let place = |sequence: &Sequence<8>| ptr::from_ref(sequence.chunk_at(0).unwrap().0);
    let before = place(&sequence);
    sequence.chunk_at_mut(0, &mut 0).unwrap();
    remove(&mut sequence, 0);
    assert_eq!(place(&sequence), before);

    let clone = sequence.clone();
    sequence.chunk_at_mut(0, &mut 0).unwrap();
    assert_eq!(place(&clone), before);
    assert_ne!(place(&sequence), before);
}

#[test]
fn after_one_change_all_but_its_chunk_is_known_to_be_shared() {
    let old = built::<32>(0..100_000);
    for at in [0, 1, 31_415, 50_000, 99_999] {
        let mut new = old.clone();
        assert_eq!(shared(&new, &old, Side::Front), old.len());
        insert(&mut new, at, 7);
        let (runs, compared) = old.unshared_counted(&new);
        assert!(runs.iter().all(|run| run.new.len() <= 64));
        assert!(compared <= 4 * FANOUT_MAX * old.root.height(), "{compared}");
        for (side, covered) in [(Side::Front, at), (Side::Back, old.len() - at)] {
            let (shared, steps) = work::counted(|| shared(&new, &old, side));
            // The chunk may have been split: neither half is shared then.
            assert!(
                (covered.saturating_sub(32)..=covered).contains(&shared),
                "{at} {side:?}"
            );
            // What lies behind is shifted, and gone through.
            assert!(covered < old.len() || steps <= FANOUT_MAX * old.root.height());
        }
    }
}

#[test]
fn places_that_changed_without_a_shift_are_found_in_some_steps() {
    let old = built::<32>(0..100_000);
    let mut new = old.clone();
    for at in [0, 31_415, 99_999] {
        new.chunk_at_mut(at, &mut 0).unwrap().0.0[0] ^= 1;
    }
    let (places, steps) = work::counted(|| Vec::from_iter(old.places(&new, Side::Front)));
    assert_eq!(places.len(), 3);
    assert!(places.iter().all(|place| place.len() <= 32), "{places:?}");
    assert!(steps <= 3 * FANOUT_MAX * old.root.height(), "{steps}");
}

#[test]
fn trees_of_different_height_share_what_they_have_in_common() {
    let low = built::<4>(0..200);
    let mut high = low.clone();
    high.append(built(0..10_000), &mut 0);
    assert!(high.root.height() > low.root.height());
    assert!(shared(&high, &low, Side::Front) >= 190);
    assert!(shared(&low, &high, Side::Front) >= 190);
    assert_eq!(shared(&low, &high, Side::Back), 0);
    let right = high.split_off(5_000, &mut 0);
    let mut whole = high.clone();
    whole.append(right.clone(), &mut 0);
    assert!(shared(&whole, &high, Side::Front) > 4_980);
    assert!(shared(&whole, &right, Side::Back) > 5_180);
}

#[test]
fn an_oversize_chunk_is_split_to_fit() {
    let all = Vec::from_iter(0..10_000);
    let mut sequence = Sequence::<4>::from_chunk(Few(all.clone()));
    sequence.check_invariants();
    assert_eq!(elements(&sequence), all);

    sequence.edit(5_000, &mut 0, |chunk, offset, sum| {
        chunk.0.splice(offset..offset, 0..10_000);
        *sum = chunk.sum();
    });
    sequence.check_invariants();
    assert_eq!(sequence.len(), 20_000);
    let heavy = Sequence::<1>::from_chunk(Few(vec![6; 100]));
    heavy.check_invariants();
    assert_eq!(heavy.chunks().count(), 100);
}

#[test]
fn pushed_elements_fill_their_chunks() {
    let mut sequence = Sequence::<32>::default();
    for at in 0..3200 {
        insert(&mut sequence, at, 7);
    }
    sequence.check_invariants();
    assert_eq!(sequence.chunks().count(), 100);
}

#[test]
fn chunks_that_shrink_are_merged_and_the_last_one_lies_inline() {
    for at_front in [false, true] {
        let mut sequence = built::<24>(0..5_000);
        while sequence.len() > 3 {
            let at = if at_front { 0 } else { sequence.len() / 2 };
            remove(&mut sequence, at);
            sequence.check_invariants();
        }
        assert!(matches!(sequence.root, Node::Leaf(_)));
    }
}

#[test]
fn chunks_are_read_from_any_index_and_from_both_ends() {
    for length in [0, 3, 700] {
        let sequence = built::<8>(0..length);
        let mut all = Vec::new();
        let mut start = 0;
        for chunk in sequence.chunks() {
            all.push((chunk.0.clone(), start));
            start += chunk.len();
        }
        let owned = |(chunk, start): (&Few<8>, usize)| (chunk.0.clone(), start);
        for index in 0..=sequence.len() + 1 {
            let before = all
                .iter()
                .take_while(|(chunk, start)| start + chunk.len() <= index);
            let (_, from) = all.split_at(before.count());
            assert_eq!(Vec::from_iter(sequence.chunks_from(index).map(owned)), from);
        }
        let mut both = sequence.chunks_from(0).map(owned);
        let (mut front, mut back) = (Vec::new(), Vec::new());
        while let Some(chunk) = both.next() {
            front.push(chunk);
            back.extend(both.next_back());
        }
        front.extend(back.into_iter().rev());
        assert_eq!(front, all);
    }
}

/// A chunk of ascending numbers, to be found by them.
#[derive(Clone, Debug, Default)]
struct Ascending(Vec<u32>);

impl Chunk for Ascending {
    type Key = u32;

    type Sum = ();

    fn sum(&self) {}

    const SIZE_MAX: usize = 4;

    fn len(&self) -> usize {
        self.0.len()
    }

    fn size(&self) -> usize {
        self.0.len()
    }

    fn heap(&self) -> usize {
        size_of_val(&*self.0)
    }

    fn first_key(&self) -> u32 {
        self.0.first().copied().unwrap_or_default()
    }

    fn split_half(&mut self) -> Self {
        self.split_off(self.0.len() / 2)
    }

    fn split_off(&mut self, at: usize) -> Self {
        Self(self.0.split_off(at))
    }

    fn append(&mut self, right: Self) {
        self.0.extend(right.0);
    }
}

proptest! {
    #[test]
    fn an_ordered_sequence_finds_what_a_set_holds(
        changes in vec((0_u32..300, any::<bool>()), 0..600),
    ) {
        let mut sequence = Chunked::<Ascending>::default();
        let mut model = std::collections::BTreeSet::new();
        for (number, insert) in changes {
            let (chunk, start) = sequence.chunk_by_key(|first| *first <= number);
            let found = chunk.0.binary_search(&number);
            assert_eq!(found.is_ok(), model.contains(&number));
            match found {
                Ok(at) if !insert => {
                    sequence.edit(start + at, &mut 0, |chunk, at, ()| chunk.0.remove(at));
                    model.remove(&number);
                }
                // Behind the last of a chunk the sequence would look into the next one.
                Err(at) if insert => {
                    let after_last = at == chunk.0.len() && at > 0;
                    if after_last {
                        sequence.edit(start + at - 1, &mut 0, |chunk, at, ()| chunk.0.insert(at + 1, number));
                    } else {
                        sequence.edit(start + at, &mut 0, |chunk, at, ()| chunk.0.insert(at, number));
                    }
                    model.insert(number);
                }
                _ => {}
            }
            sequence.check_invariants();
            assert!(sequence.chunks().flat_map(|chunk| &chunk.0).eq(&model));
        }
    }
}
