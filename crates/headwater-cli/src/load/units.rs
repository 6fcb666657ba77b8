//! Figures with units, for a person.

/// A time in the unit that fits, to three digits or so.
pub(crate) fn nanos(nanos: u64) -> String {
    #[expect(clippy::cast_precision_loss, reason = "three digits are shown")]
    let value = nanos as f64;
    match nanos {
        0..1_000 => format!("{nanos} ns"),
        1_000..1_000_000 => format!("{} µs", digits(value / 1e3)),
        1_000_000..1_000_000_000 => format!("{} ms", digits(value / 1e6)),
        _ => format!("{} s", digits(value / 1e9)),
    }
}

/// The same, and a dash where nothing was timed.
pub(crate) fn nanos_or_dash(time: Option<u64>) -> String {
    time.map_or_else(|| "-".to_owned(), nanos)
}

/// A size in the unit that fits.
pub(crate) fn bytes(bytes: u64) -> String {
    #[expect(clippy::cast_precision_loss, reason = "three digits are shown")]
    let value = bytes as f64;
    match bytes {
        0..1_024 => format!("{bytes} B"),
        1_024..0x10_0000 => format!("{} KiB", digits(value / 1_024.0)),
        0x10_0000..0x4000_0000 => format!("{} MiB", digits(value / 1_048_576.0)),
        _ => format!("{} GiB", digits(value / 1_073_741_824.0)),
    }
}

fn digits(value: f64) -> String {
    if value < 10.0 {
        format!("{value:.2}")
    } else if value < 100.0 {
        format!("{value:.1}")
    } else {
        format!("{value:.0}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_have_three_digits_and_the_unit_that_fits() {
        assert_eq!(nanos(999), "999 ns");
        assert_eq!(nanos(1_500), "1.50 µs");
        assert_eq!(nanos(123_456_789), "123 ms");
        assert_eq!(nanos(2_000_000_000), "2.00 s");
        assert_eq!(bytes(1_023), "1023 B");
        assert_eq!(bytes(64 << 20), "64.0 MiB");
    }
}
