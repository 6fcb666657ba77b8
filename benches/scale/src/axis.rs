/// A logarithmic axis: where numbers are on the picture.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LogAxis {
    /// The least and the greatest number, each with its place.
    ends: [(f64, f64); 2],
}

impl LogAxis {
    /// From a number at one place to another at another.
    pub(crate) const fn new(from: (f64, f64), to: (f64, f64)) -> Self {
        Self { ends: [from, to] }
    }

    /// Between two places, with room for all the numbers, which are positive, from one step of a scale
    /// to another.
    pub(crate) fn around(numbers: impl Iterator<Item = f64>, places: [f64; 2]) -> Self {
        let (mut least, mut greatest) = (f64::INFINITY, 0.0_f64);
        for number in numbers {
            least = least.min(number);
            greatest = greatest.max(number);
        }
        let ([low, high], [least, greatest]) = (places, [least / ROOM, greatest * ROOM]);
        let from = steps(least / 10.0, least).last();
        let to = steps(greatest, greatest * 10.0).next();
        Self::new((from.unwrap_or(least), low), (to.unwrap_or(greatest), high))
    }

    /// Where a number is.
    pub(crate) fn place(&self, number: f64) -> f64 {
        let [(least, low), (greatest, high)] = self.ends;
        let part = if greatest > least {
            (number / least).log10() / (greatest / least).log10()
        } else {
            0.5
        };
        low + part * (high - low)
    }

    /// The numbers to mark: the powers of ten, and 2 and 5 of each where there are few of them.
    pub(crate) fn marks(&self) -> Vec<f64> {
        let [(least, _), (greatest, _)] = self.ends;
        let all: Vec<f64> = steps(least, greatest).collect();
        if all.len() <= MARKS_MAX {
            return all;
        }
        let is_power = |number: &f64| (number.log10() - number.log10().round()).abs() < 1e-6;
        all.into_iter().filter(is_power).collect()
    }
}

/// How far the least and the greatest number stay from the ends.
const ROOM: f64 = 1.1;

/// More marks than these would be a fence.
const MARKS_MAX: usize = 9;

/// 1, 2, 5, 10, and so on, as far as they are between two numbers.
fn steps(least: f64, greatest: f64) -> impl Iterator<Item = f64> {
    (-3..15)
        .flat_map(|power| [1.0, 2.0, 5.0].map(|step| step * 10.0_f64.powi(power)))
        .filter(move |&step| step >= least * 0.999_999 && step <= greatest * 1.000_001)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_axis_begins_and_ends_with_a_step_and_has_room() {
        let axis = LogAxis::around([30.0, 700.0].into_iter(), [0.0, 100.0]);
        assert_eq!(axis.marks(), [20.0, 50.0, 100.0, 200.0, 500.0, 1_000.0]);
        assert!(axis.place(20.0).abs() < 1e-9);
        assert!((axis.place(1_000.0) - 100.0).abs() < 1e-9);
        assert!(axis.place(30.0) > 0.0 && axis.place(700.0) < 100.0);
    }

    #[test]
    fn a_long_axis_is_marked_with_powers_of_ten_alone() {
        let axis = LogAxis::around([3.0, 70_000.0].into_iter(), [0.0, 1.0]);
        assert_eq!(axis.marks(), [10.0, 100.0, 1_000.0, 10_000.0, 100_000.0]);
    }

    #[test]
    fn a_single_number_is_in_the_middle() {
        let axis = LogAxis::new((5.0, 0.0), (5.0, 100.0));
        assert!((axis.place(5.0) - 50.0).abs() < 1e-9);
    }
}
