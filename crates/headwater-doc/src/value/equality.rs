//! When two values are equal.

use super::{Value, View};
use crate::{number::Number, work};

impl PartialEq for Value {
    fn eq(&self, other: &Self) -> bool {
        equal(self, other, Number::eq)
    }
}

impl Eq for Value {}

impl Value {
    /// Whether both are written the same: as `==`, but `1` and `1.0` differ.
    ///
    /// A replica must get the very number that the document has, so this is what
    /// [`diff`](crate::diff()) goes by. O(values and bytes) of what the two do not share in memory at the same
    /// place, up to the first difference, as `==`.
    #[must_use]
    pub fn identical(&self, other: &Self) -> bool {
        equal(self, other, Number::identical)
    }
}

/// Compares with a list of pairs still to be compared, not by recursion: the depth is the input's. What
/// the two share in memory at the same place is skipped.
fn equal(left: &Value, right: &Value, numbers: fn(&Number, &Number) -> bool) -> bool {
    let mut comparison = Comparison {
        numbers,
        open: Vec::new(),
    };
    let mut equal = comparison.pair(left, right);
    while equal && let Some((left, right)) = comparison.open.pop() {
        equal = comparison.children(left, right);
    }
    equal
}

struct Comparison<'a> {
    numbers: fn(&Number, &Number) -> bool,
    /// Containers of one kind and length that are still to be compared.
    open: Vec<(&'a Value, &'a Value)>,
}

impl<'a> Comparison<'a> {
    /// Whether two values are equal, as far as can be told without what they contain; that is left open.
    fn pair(&mut self, left: &'a Value, right: &'a Value) -> bool {
        work::count(1);
        if left.same(right) {
            return true;
        }
        let opens = match (left.view(), right.view()) {
            (View::Number(left), View::Number(right)) => return (self.numbers)(left, right),
            (View::String(left), View::String(right)) => return left == right,
            (View::Array(left), View::Array(right)) => left.len() == right.len(),
            (View::Object(left), View::Object(right)) => left.len() == right.len(),
            _ => false,
        };
        if opens {
            self.open.push((left, right));
        }
        opens
    }

    /// The same for all that two containers contain.
    fn children(&mut self, left: &'a Value, right: &'a Value) -> bool {
        match (left.view(), right.view()) {
            (View::Array(left), View::Array(right)) => left.places(right).all(|place| {
                let lefts = left.iter_from(place.start);
                let mut pairs = lefts.zip(right.iter_from(place.start)).take(place.len());
                pairs.all(|(left, right)| self.pair(left, right))
            }),
            (View::Object(left), View::Object(right)) => {
                if let Some(mut members) = left.changed(right) {
                    return members.all(|(_, left, right)| self.pair(left, right));
                }
                left.places(right).all(|place| {
                    let lefts = left.iter_from(place.start);
                    let mut pairs = lefts.zip(right.iter_from(place.start)).take(place.len());
                    pairs.all(|((left_name, left), (right_name, right))| {
                        left_name == right_name && self.pair(left, right)
                    })
                })
            }
            _ => false,
        }
    }
}
