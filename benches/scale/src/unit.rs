/// What a number counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unit {
    /// Things.
    Count,
    /// Bytes, a thousand to the KB.
    Bytes,
    /// Time.
    Nanoseconds,
    /// Things done in a second.
    PerSecond,
}

impl Unit {
    /// Its name where figures are for programs.
    pub(crate) const fn code(self) -> &'static str {
        match self {
            Self::Count => "count",
            Self::Bytes => "bytes",
            Self::Nanoseconds => "ns",
            Self::PerSecond => "per_second",
        }
    }

    /// Three digits at most, and the unit.
    pub(crate) fn format(self, number: f64) -> String {
        let scales = self.scales();
        let fits = |&&(scale, _): &&(f64, &str)| number >= scale * ROUNDS_UP;
        let scale = scales.iter().find(fits).or_else(|| scales.last());
        let (scale, name) = scale.copied().unwrap_or((1.0, ""));
        let scaled = number / scale;
        let decimals = match scaled {
            ..10.0 => 2,
            10.0..100.0 => 1,
            _ => 0,
        };
        let digits = format!("{scaled:.decimals$}");
        let digits = if decimals == 0 {
            &digits
        } else {
            digits.trim_end_matches('0').trim_end_matches('.')
        };
        // No space may break between them.
        let gap = if name.is_empty() { "" } else { "\u{a0}" };
        format!("{digits}{gap}{name}")
    }

    /// Largest first.
    const fn scales(self) -> &'static [(f64, &'static str)] {
        match self {
            Self::Count => &[(1e6, "M"), (1e3, "k"), (1.0, "")],
            Self::Bytes => &[(1e9, "GB"), (1e6, "MB"), (1e3, "KB"), (1.0, "B")],
            Self::Nanoseconds => &[(1e9, "s"), (1e6, "ms"), (1e3, "µs"), (1.0, "ns")],
            Self::PerSecond => &[(1e6, "M/s"), (1e3, "k/s"), (1.0, "/s")],
        }
    }
}

/// From here on a number is written as one of the next scale: 999.6 ns are 1 µs.
const ROUNDS_UP: f64 = 0.9995;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_three_digits_and_none_that_say_nothing() {
        let of = |unit: Unit, number| unit.format(number).replace('\u{a0}', " ");
        assert_eq!(of(Unit::Nanoseconds, 9.876), "9.88 ns");
        assert_eq!(of(Unit::Nanoseconds, 999.6), "1 µs");
        assert_eq!(of(Unit::Nanoseconds, 206e6), "206 ms");
        assert_eq!(of(Unit::Bytes, 100e3), "100 KB");
        assert_eq!(of(Unit::Count, 1e6), "1 M");
        assert_eq!(of(Unit::Count, 1.0), "1");
        assert_eq!(of(Unit::PerSecond, 1_234_567.0), "1.23 M/s");
    }
}
