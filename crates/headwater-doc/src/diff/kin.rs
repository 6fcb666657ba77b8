//! Which large elements became which, found by what they share in memory: to hash them would cost their
//! size, and not what was changed in them.

use crate::{
    value::{Value, View},
    work,
};

/// Whether a value is one whose hash costs more than a look at what it shares with others.
pub(super) fn is_large(value: &Value) -> bool {
    value.nodes() > NODES_MAX || value.written_bytes() > BYTES_MAX
}

/// Labels for the large elements of two runs, the same for those that are one and the same and for each two
/// of which one became the other: where the old one lies in memory.
///
/// Each new element is looked for among some old ones from behind the last that was found: what was
/// changed where it stands is the next. One that was changed and has moved further is not found.
pub(super) fn labels(old: &[&Value], new: &[&Value]) -> (Labels, Labels) {
    let (olds, news) = (addresses(old), addresses(new));
    let (mut old_labels, left) = shared(old.len(), &olds, &news);
    let (mut new_labels, others) = shared(new.len(), &news, &olds);
    let mut left = &*left;
    let mut steps = STEPS_MAX;
    for (new_place, _) in others {
        let found = left.iter().take(WINDOW).position(|&(old_place, _)| {
            let both = old.get(old_place).zip(new.get(new_place));
            both.is_some_and(|(old, new)| are_kin(old, new, &mut steps))
        });
        let Some((found, &(old_place, address))) = found.and_then(|at| Some((at, left.get(at)?)))
        else {
            continue;
        };
        left = left.get(found + 1..).unwrap_or_default();
        let labels = (old_labels.get_mut(old_place), new_labels.get_mut(new_place));
        if let (Some(old), Some(new)) = labels {
            (*old, *new) = (Some(address), Some(address));
        }
    }
    (old_labels, new_labels)
}

/// By places; none for what is small, and for what is found in one run only.
pub(super) type Labels = Vec<Option<usize>>;

/// The labels of those of a run that the other has too, and the others with their addresses.
fn shared(
    len: usize,
    run: &[(usize, usize)],
    other: &[(usize, usize)],
) -> (Labels, Vec<(usize, usize)>) {
    let mut other: Vec<_> = other.iter().map(|&(_, address)| address).collect();
    other.sort_unstable();
    let mut labels = vec![None; len];
    let mut others = Vec::new();
    for &(place, address) in run {
        if other.binary_search(&address).is_err() {
            others.push((place, address));
        } else if let Some(label) = labels.get_mut(place) {
            *label = Some(address);
        }
    }
    (labels, others)
}

/// The places of the large elements, and where these lie in memory.
fn addresses(values: &[&Value]) -> Vec<(usize, usize)> {
    let places = values.iter().enumerate();
    let address = |value: &Value| match value.view() {
        View::Array(array) => Some(array.address()),
        View::Object(object) => Some(object.address()),
        View::String(text) => text.address(),
        _ => None,
    };
    places
        .filter(|(_, value)| is_large(value))
        .filter_map(|(place, value)| address(value).map(|address| (place, address)))
        .collect()
}

/// Whether two values have a part in common in memory, at about the same place of both, so that one may
/// have become the other.
pub(super) fn are_kin(old: &Value, new: &Value, steps: &mut usize) -> bool {
    if *steps == 0 {
        return false;
    }
    // Each pair gets no more than its share, so that those behind it get theirs.
    let mut own = PAIR_STEPS_MAX.min(*steps);
    let given = own;
    let mut open = vec![(old, new)];
    let mut kin = false;
    while !kin
        && own > 0
        && let Some((old, new)) = open.pop()
    {
        kin = match (old.view(), new.view()) {
            (View::Array(old), View::Array(new)) => {
                let pairs = old.iter().zip(new.iter());
                // From the other end on, if one is longer.
                let shifted = old
                    .iter_from(old.len().saturating_sub(new.len()))
                    .zip(new.iter_from(new.len().saturating_sub(old.len())));
                old.shares(new, &mut own) || any_shared(pairs.chain(shifted), &mut open, &mut own)
            }
            (View::Object(old), View::Object(new)) => {
                old.shares(new, &mut own)
                    || any_shared(old.values().zip(new.values()), &mut open, &mut own)
            }
            (View::String(old), View::String(new)) => old.shares(new, &mut own),
            _ => false,
        };
    }
    *steps -= given - own;
    kin
}

/// Whether one of some pairs is the same; leaves those open of which a part may be.
fn any_shared<'a>(
    mut pairs: impl Iterator<Item = (&'a Value, &'a Value)>,
    open: &mut Vec<(&'a Value, &'a Value)>,
    steps: &mut usize,
) -> bool {
    while *steps > 0
        && let Some((old, new)) = pairs.next()
    {
        work::count(1);
        *steps -= 1;
        if old.is_counted() && old.same(new) {
            return true;
        }
        if old.is_counted() && new.is_counted() {
            open.push((old, new));
        }
    }
    false
}

/// Values up to which an element is hashed: as many as are hashed in a microsecond. Fewer would have
/// ordinary records looked at twice; of more, each that was changed would cost more than its change.
const NODES_MAX: u64 = 256;

/// The same in bytes of text, for long strings: more than one that is held in one piece can be written
/// in, six bytes for each of its 1,024.
const BYTES_MAX: u64 = 8_192;

/// Old elements among which a new one is looked for.
const WINDOW: usize = 32;

/// Comparisons for a pair, and for all pairs of two runs: tens of microseconds, and a millisecond. With
/// fewer, a value that shares little with what it was is taken for another and hashed.
const PAIR_STEPS_MAX: usize = 1 << 12;
const STEPS_MAX: usize = 1 << 16;
