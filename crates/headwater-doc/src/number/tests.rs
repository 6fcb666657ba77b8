use proptest::prelude::*;

use super::*;

fn number(text: &str) -> Number {
    Number::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn refused(text: &str) -> NumberError {
    Number::parse(text).expect_err(text)
}

fn double(bits: u64) -> Number {
    Number::try_from(f64::from_bits(bits)).unwrap_or_else(|_| bits.into())
}

fn written(number: &Number) -> String {
    let mut out = String::new();
    number.write(&mut out).unwrap();
    assert!(out.len() <= number.written_bytes_max(), "{out}");
    out
}

fn canonical(number: &Number) -> String {
    let mut out = String::new();
    number.write_canonical(&mut out).unwrap();
    assert!(out.len() <= number.written_bytes_max(), "{out}");
    out
}

#[test]
fn only_the_grammar_of_the_rfc_is_a_number() {
    let refused = "- 01 -01 00 +1 .5 1. -.5 1.e3 1e 1e+ 1e- 1e+-1 0x1 NaN inf -Infinity 1_000 \
                   --1 1e5.5 1.2.3 1f ٣ e5 1e5e5";
    for text in refused.split(' ').chain(["", " 1", "1 ", "1\n"]) {
        assert_eq!(
            Number::parse(text).unwrap_err(),
            NumberError::Invalid,
            "{text:?}"
        );
    }
    for text in ["0", "-0", "10", "0.0", "-1.5E+07", "1e007", "0e-0", "0E9"] {
        number(text);
    }
}

#[test]
fn the_digits_of_an_integer_are_counted_exactly() {
    let borders = (0..u64::BITS).map(|bit| 1_u64 << bit);
    let borders = borders.chain((0..=19).map(|exponent| 10_u64.pow(exponent)));
    for border in borders.chain([0, u64::MAX]) {
        for integer in [border.saturating_sub(1), border, border.saturating_add(1)] {
            let digits = integer.to_string().len();
            assert_eq!(
                Number::from(integer).written_bytes_max(),
                digits,
                "{integer}"
            );
        }
    }
}

#[test]
fn a_literal_is_held_in_a_form_that_loses_nothing() {
    let unsigned = "0 999999999999999999 1000000000000000000 18446744073709551615";
    let negative = "-1 -999999999999999999 -9223372036854775808";
    let doubles = "-0 1.0 1e0 5e-324 2.5e-324 0e9999 -0.0e9 1.7976931348623158e308";
    let literals = "18446744073709551616 -9223372036854775809 1e309 -1e400 2.4e-324 1e-400";
    for (texts, kind) in [
        (unsigned, 'u'),
        (negative, 'n'),
        (doubles, 'd'),
        (literals, 'l'),
    ] {
        for text in texts.split(' ') {
            let found = match number(text).0 {
                Repr::Unsigned(_) => 'u',
                Repr::Negative(_) => 'n',
                Repr::Double(_) => 'd',
                Repr::Literal(_) => 'l',
            };
            assert_eq!(found, kind, "{text}");
        }
    }
    assert!(number("-0").identical(&Number::try_from(-0.0).unwrap()));
}

#[test]
fn a_literal_too_long_to_keep_is_refused_and_a_long_double_is_not() {
    let digits = "7".repeat(NUMBER_BYTES_MAX);
    assert_eq!(written(&number(&digits)), digits);
    assert_eq!(
        refused(&format!("{digits}7")),
        NumberError::TooLong { bytes: 1_025 }
    );
    let third = number(&format!("0.{}", "3".repeat(5_000)));
    assert_eq!(third.as_f64(), Some(1.0 / 3.0));
}

#[test]
fn a_canonical_form_too_long_to_keep_is_refused_with_its_literal() {
    // 1,022 digits before the point: the canonical form adds `e+1021`.
    let text = format!("{}.5", "7".repeat(1_022));
    assert_eq!(refused(&text), NumberError::TooLong { bytes: 1_030 });
    let kept = number(&format!("{}.5", "7".repeat(1_016)));
    assert_eq!(canonical(&kept).len(), NUMBER_BYTES_MAX);
}

/// The standard parser takes the first of these for 1.0 and the second for 0.0.
#[test]
fn a_long_mantissa_cannot_make_up_for_a_misread_exponent() {
    let error = refused(&format!("0.{}1e999999", "0".repeat(99_998)));
    assert_eq!(error, NumberError::TooLong { bytes: 100_008 });
    let zeros = "0".repeat(700_000);
    assert_eq!(number(&format!("0.{zeros}1e700001")), number("1"));
    assert_eq!(number(&format!("0.{zeros}e700001")), number("0"));
}

/// What is converted is bounded, and the rest is looked through.
#[test]
fn a_text_of_megabytes_is_converted_by_some_of_its_digits() {
    let many = |digit: &str| digit.repeat(2_000_000);
    for (text, double) in [
        (format!("0.{}1", many("0")), None),
        (many("9"), None),
        (format!("{}.5", many("9")), None),
        (format!("1e{}", many("9")), None),
        (format!("-1e-{}", many("9")), None),
        (format!("0.{}", many("3")), Some(1.0 / 3.0)),
        (format!("{}e-2000000", many("9")), Some(1.0)),
        (format!("0.{}25e2000000", many("0")), Some(0.25)),
        (format!("-0.{}e{}", many("0"), many("9")), Some(-0.0)),
        (format!("1.5e-{}", many("0")), Some(1.5)),
    ] {
        let (number, steps) = work::counted(|| Number::parse(&text));
        assert!(steps <= 1_000, "{steps} bytes converted");
        let bytes = text.len();
        match double {
            Some(double) => assert!(number.unwrap().identical(&double.try_into().unwrap())),
            None => assert_eq!(number.unwrap_err(), NumberError::TooLong { bytes }),
        }
    }
}

#[test]
fn the_last_of_thousands_of_digits_decides_between_two_doubles() {
    // Midway between 1 and the next double, of which 1 is the even one.
    let midway = "1.00000000000000011102230246251565404236316680908203125";
    let zeros = "0".repeat(5_000);
    let next = 1.0 + f64::EPSILON;
    for (text, double) in [
        (format!("{midway}{zeros}"), 1.0),
        (format!("{midway}{zeros}1"), next),
        (format!("{midway}{zeros}1{zeros}"), next),
    ] {
        assert_eq!(number(&text).as_f64(), Some(double));
    }
}

/// Each row is one value; no two rows are equal. So equality is transitive over the list.
#[test]
fn numbers_are_equal_if_and_only_if_their_values_are() {
    let zeros = |count| "0".repeat(count);
    let rows = [
        "0 -0 0.0 -0.0 0e9999 -0e-9999",
        "1 1.0 1e0 10e-1 0.1E+1",
        "-1 -1.0",
        "9007199254740992 9007199254740992.0",
        "9007199254740993",
        "9223372036854775807",
        "9223372036854775808 9223372036854775808.0",
        "-9223372036854775808 -9223372036854775808.0",
        "-9223372036854775809",
        "-9223372036854777856 -9223372036854777856.0",
        "18446744073709551615",
        "18446744073709551616 18446744073709551616.0 1.8446744073709551616e19",
        "1000000000000000000000000000000",
        "1000000000000000019884624838656 1e30",
        "-1000000000000000019884624838656 -1e30",
        &format!(
            "1e400 10e399 0.1e401 1.000E+00400 0.0010e403 1{}",
            zeros(400)
        ),
        "-1e400",
        "1.01e400 101e398 0.0101e402",
        "1.1e400",
        "1e-400 0.1e-399 10e-401",
        "1e-401",
        "1e9223372036854775807 0.1e9223372036854775808 10e9223372036854775806",
        "1e-9223372036854775808 10e-9223372036854775809",
        &format!("1e1{} 10e{}", zeros(40), "9".repeat(40)),
        &format!("1e1{}", zeros(41)),
        &format!("1e-1{} 0.1e-{}", zeros(40), "9".repeat(40)),
    ];
    let texts = rows
        .iter()
        .flat_map(|row| row.split(' ').map(move |text| (row, text)));
    for (row, text) in texts.clone() {
        for (other_row, other) in texts.clone() {
            let equal = number(text) == number(other);
            assert_eq!(equal, row == other_row, "{text} {other}");
        }
    }
}

#[test]
fn identical_numbers_have_the_same_form() {
    let texts = "1 1.0 -1 -1.0 0 -0 0.0 1e400 10e399 1E400".split(' ');
    for text in texts.clone() {
        for other in texts.clone() {
            let (a, b) = (number(text), number(other));
            assert_eq!(a.identical(&b), text == other, "{text} {other}");
        }
    }
}

#[test]
fn conversions_go_by_value() {
    for (text, unsigned, signed, double) in [
        ("7.0", Some(7), Some(7), Some(7.0)),
        ("-0.0", Some(0), Some(0), Some(0.0)),
        ("1.5", None, None, Some(1.5)),
        ("-3e0", None, Some(-3), Some(-3.0)),
        (
            "-9223372036854775808e0",
            None,
            Some(i64::MIN),
            Some(-TWO_POW_63),
        ),
        (
            "9223372036854775808.0",
            Some(1 << 63),
            None,
            Some(TWO_POW_63),
        ),
        ("18446744073709551616.0", None, None, Some(TWO_POW_64)),
        ("18446744073709551617", None, None, Some(TWO_POW_64)),
        ("1e-400", None, None, Some(0.0)),
        ("-1e400", None, None, None),
    ] {
        let number = number(text);
        assert_eq!(number.as_u64(), unsigned, "{text}");
        assert_eq!(number.as_i64(), signed, "{text}");
        assert_eq!(number.as_f64(), double, "{text}");
    }
    assert!(Number::from(5_u8).identical(&number("5")));
    assert!(Number::from(-5_isize).identical(&number("-5")));
    assert!(Number::from(5_i32).identical(&number("5")));
    assert!(Number::try_from(f64::NAN).is_err());
}

#[test]
fn a_single_float_keeps_its_shortest_decimal_form() {
    for (float, text) in [(0.1, "0.1"), (-0.0, "-0.0"), (f32::MAX, "3.4028235e38")] {
        assert_eq!(written(&Number::from_f32_shortest(float).unwrap()), text);
    }
    for float in [f32::INFINITY, f32::NEG_INFINITY, f32::NAN] {
        let error = Number::from_f32_shortest(float).unwrap_err();
        assert_eq!(error, NumberError::NotFinite);
    }
}

#[test]
fn a_sum_is_exact_or_a_finite_double_or_nothing() {
    let table = "1 2 3, 1 -3 -2, 1 0.5 1.5, 1 1.0 2.0, -0.0 0 0.0, \
                 18446744073709551615 -9223372036854775808 9223372036854775807, \
                 18446744073709551615 1 none, -9223372036854775808 -1 none, \
                 1e308 1e308 none, 1e400 1 none, 18446744073709551616 1.0 none";
    for row in table.split(", ") {
        let [a, b, sum] = row.split(' ').collect::<Vec<_>>()[..] else {
            panic!("{row}")
        };
        let sum = Some(sum).filter(|sum| *sum != "none");
        let found = number(a).checked_add(&number(b));
        assert_eq!(found.as_ref().map(written).as_deref(), sum, "{a} + {b}");
        assert_eq!(number(b).checked_add(&number(a)), found, "{b} + {a}");
    }
}

#[test]
fn a_written_double_always_reads_back_as_one() {
    for text in "1.0 -0.0 1e16 1e-7 100000.0 -2.2250738585072014e-308".split(' ') {
        assert_eq!(written(&number(text)), text);
    }
}

/// The expectations are what `String(x)` gives in V8.
#[test]
fn the_canonical_form_of_a_double_is_that_of_ecmascript() {
    let table = "0.0 0, -0.0 0, -1e0 -1, 4.50 4.5, 2e-3 0.002, \
                 0.30000000000000004 0.30000000000000004, 1e20 100000000000000000000, \
                 123456789012345680000.0 123456789012345680000, \
                 999999999999999900000.0 999999999999999900000, 1e21 1e+21, -1e21 -1e+21, \
                 1.5e21 1.5e+21, 1e22 1e+22, 1e23 1e+23, 1e-5 0.00001, 0.000001 0.000001, \
                 1.5e-6 0.0000015, -1.2345678901234567e-6 -0.0000012345678901234567, \
                 9.999999999999999e-7 0.000001, 1e-7 1e-7, -1.25e-7 -1.25e-7, 5e-324 5e-324, \
                 2.2250738585072014e-308 2.2250738585072014e-308, \
                 -1.7976931348623157e308 -1.7976931348623157e+308, \
                 333333333.33333329 333333333.3333333, 333333333.33333325 333333333.33333325, \
                 -333333333333333.3 -333333333333333.3, \
                 1424953923781206.25 1424953923781206.2, \
                 1424953923781206.75 1424953923781206.8, \
                 112171935477118.125 112171935477118.12, \
                 -566922914748074.25 -566922914748074.2, 5e-44 5e-44, \
                 9007199254740991.0 9007199254740991, 9007199254740994.0 9007199254740994, \
                 9223372036854775808.0 9223372036854776000, \
                 18446744073709551616.0 18446744073709552000, \
                 295147905179352830000.0 295147905179352830000, 2.9e22 2.9e+22, \
                 1e15 1000000000000000, 12345678901234567.0 12345678901234568, \
                 5.684341886080802e-14 5.684341886080802e-14, 4294967295.5 4294967295.5, \
                 0.9999999999999999 0.9999999999999999, 9.5367431640625e-7 9.5367431640625e-7";
    for row in table.split(", ") {
        let (text, expected) = row.split_once(' ').unwrap();
        assert_eq!(canonical(&number(text)), expected, "{text}");
    }
}

#[test]
fn the_canonical_form_keeps_what_a_double_would_lose() {
    for (text, expected) in [
        ("9007199254740993", "9007199254740993"),
        ("18446744073709551615", "18446744073709551615"),
        ("-9223372036854775808", "-9223372036854775808"),
        ("100000000000000000000000", "100000000000000000000000"),
        ("12.300E+0500", "1.23e+501"),
        ("-0.00120e-400", "-1.2e-403"),
        ("10e99999999999999999999", "1e+100000000000000000000"),
        ("0.1e100000000000000000000", "1e+99999999999999999999"),
        ("0.1e-99999999999999999999", "1e-100000000000000000000"),
    ] {
        assert_eq!(canonical(&number(text)), expected, "{text}");
    }
}

/// Spells `mantissa` times ten to `exponent` with a point at another place.
fn respell(mantissa: u64, exponent: i128, places: i128) -> String {
    let digits = mantissa.to_string();
    let zeros = "0".repeat(places.unsigned_abs() as usize);
    if places < 0 {
        return format!("{digits}{zeros}e{}", exponent + places);
    }
    format!(
        "0.{zeros}{digits}E{}",
        exponent + places + digits.len() as i128
    )
}

fn any_text() -> impl Strategy<Value = String> {
    let mantissa = r"-?(0|[1-9][0-9]{0,24})(\.[0-9]{1,24})?";
    let exponent = "([eE][+-]?([0-9]{1,2}|[0-9]{3}|[0-9]{17,22}))?";
    (mantissa, exponent).prop_map(|(mantissa, exponent)| mantissa + &exponent)
}

proptest! {
    #[test]
    fn what_is_written_reads_back_identical(bits: u64, signed: i64, text in any_text()) {
        for before in [double(bits), bits.into(), signed.into(), number(&text)] {
            let after = number(&written(&before));
            prop_assert!(after.identical(&before), "{before} {after}");
        }
    }

    #[test]
    fn the_canonical_form_is_its_own(bits: u64, signed: i64, text in any_text()) {
        for before in [double(bits), bits.into(), signed.into(), number(&text)] {
            let form = canonical(&before);
            prop_assert_eq!(canonical(&number(&form)), form);
        }
    }

    #[test]
    fn a_long_text_gives_the_double_that_the_standard_parser_finds(
        whole in r"(0|[1-9][0-9]{0,900})", fraction in "0{0,400}[0-9]{700,1600}", exponent in -500..500,
    ) {
        let text = format!("{whole}.{fraction}e{exponent}");
        prop_assert_eq!(nearest_double(&text), text.parse().ok(), "{}", text);
    }

    #[test]
    fn equality_is_reflexive_and_symmetric(a in any_text(), b in any_text()) {
        let (a, b) = (number(&a), number(&b));
        prop_assert_eq!(&a, &a.clone());
        prop_assert_eq!(a == b, b == a);
    }

    #[test]
    fn an_integer_equals_a_double_if_and_only_if_it_does_exactly(
        integer in (0..64_u32, any::<u64>()).prop_map(|(shift, bits)| bits >> shift << shift),
    ) {
        let double = Number::try_from(integer as f64).unwrap();
        let exact = format!("{:.0}", integer as f64) == integer.to_string();
        prop_assert_eq!(Number::from(integer) == double, exact);
    }

    #[test]
    fn an_integer_literal_equals_the_double_of_the_same_value(
        double in 1e20..f64::MAX, power in 65..1024_i32,
    ) {
        for double in [double, 2_f64.powi(power)] {
            let digits = format!("{double:.0}");
            let held = Number::try_from(double).unwrap();
            prop_assert_eq!(&number(&digits), &held);
            prop_assert_ne!(&number(&format!("{}1", &digits[..digits.len() - 1])), &held);
        }
    }

    #[test]
    fn a_literal_equals_itself_with_the_point_elsewhere(
        mantissa in 1..u64::MAX,
        exponent in prop_oneof![
            400..500_i128, -500..-400_i128, any::<i64>().prop_map(i128::from),
            -(1_i128 << 100)..1 << 100, Just(10_i128.pow(19)), Just(-10_i128.pow(19)),
        ],
        places in -40..40_i128,
    ) {
        prop_assume!(exponent.abs() >= 400);
        let plain = number(&format!("{mantissa}e{exponent}"));
        prop_assert_eq!(&plain, &number(&respell(mantissa, exponent, places)));
        prop_assert_ne!(&plain, &number(&respell(mantissa, exponent + 1, places)));
        prop_assert_ne!(&plain, &number(&respell(mantissa ^ 1 | 2, exponent, places)));
    }
}
