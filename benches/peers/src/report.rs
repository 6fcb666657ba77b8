use std::fmt;

use comfy_table::{CellAlignment, Table, presets};
use serde_json::{Value, json};

use crate::measure::{Figure, Row, Unit};

/// What is to be known of the figures, beside what the names of the work say.
const NOTES: [&str; 4] = [
    "CPU time of the thread, medians of the rounds and what they lay between. The ratio says how many \
     times as good headwater is: below 1 it loses.",
    "To apply a patch, headwater also checks limits and yields the inverse patch and the touched \
     paths. json-patch yields nothing; imbl, rpds and String are changed directly, without a patch.",
    "Parsing and snapshots include the drop.",
    "Memory is what is requested of the allocator for what stays, over the compact text.",
];

/// The rivals, by their names as packages.
const RIVALS: [&str; 5] = ["imbl", "json-patch", "rpds", "serde_json", "sonic-rs"];

/// All rows, to be displayed as a table or written as JSON.
#[derive(Debug)]
pub(crate) struct Report {
    pub(crate) rows: Vec<Row>,
    /// Whether each was done once only.
    pub(crate) quick: bool,
}

impl Report {
    pub(crate) fn to_json(&self) -> Value {
        let rivals: Value = rivals()
            .map(|(name, version)| (name.to_owned(), Value::from(version)))
            .collect();
        let rows: Value = self.rows.iter().map(row_to_json).collect();
        json!({"quick": self.quick, "rivals": rivals, "rows": rows})
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut table = Table::new();
        table.load_style(presets::UTF8_FULL_CONDENSED);
        table.set_header(["work", "by", "median", "min", "max", "ratio"]);
        for column in table.column_iter_mut().skip(2) {
            column.set_cell_alignment(CellAlignment::Right);
        }
        for row in &self.rows {
            for (index, figure) in row.figures.iter().enumerate() {
                table.add_row(cells(row, figure, index == 0));
            }
        }
        writeln!(f, "{table}")?;
        for note in NOTES {
            writeln!(f, "{note}")?;
        }
        if self.quick {
            writeln!(
                f,
                "Each was done once: these figures only show that it works."
            )?;
        }
        write!(f, "Rivals:")?;
        for (index, (name, version)) in rivals().enumerate() {
            write!(f, "{} {name} {version}", if index == 0 { "" } else { "," })?;
        }
        writeln!(f, ".")
    }
}

/// The first of a row's figures, which is ours, also says what the work is.
fn cells(row: &Row, figure: &Figure, first: bool) -> [String; 6] {
    let number = |number| format_number(row.unit, number);
    let spread = |bound| {
        if figure.min < figure.max {
            number(bound)
        } else {
            String::new()
        }
    };
    let (work, ratio) = if first {
        (row.work.clone(), String::new())
    } else {
        let ratio = format_number(Unit::Times, row.ratio(figure));
        (String::new(), ratio)
    };
    [
        work,
        figure.contestant.to_owned(),
        number(figure.median),
        spread(figure.min),
        spread(figure.max),
        ratio,
    ]
}

fn row_to_json(row: &Row) -> Value {
    let unit = match row.unit {
        Unit::Nanoseconds => "ns",
        Unit::PerSecond => "per_second",
        Unit::Times => "times",
    };
    let figure = |figure: &Figure| {
        json!({
            "by": figure.contestant,
            "median": figure.median,
            "min": figure.min,
            "max": figure.max,
            "ratio": row.ratio(figure),
        })
    };
    let figures: Value = row.figures.iter().map(figure).collect();
    json!({"work": row.work, "unit": unit, "figures": figures})
}

/// The rivals and the versions of them that were built.
fn rivals() -> impl Iterator<Item = (&'static str, &'static str)> {
    let lock = include_str!("../../../Cargo.lock");
    RIVALS.into_iter().map(|rival| {
        let line = format!("name = \"{rival}\"");
        let mut lines = lock.lines().skip_while(move |at| *at != line);
        let version = lines
            .nth(1)
            .and_then(|line| line.strip_prefix("version = "));
        (rival, version.unwrap_or("?").trim_matches('"'))
    })
}

/// Three digits and a unit.
fn format_number(unit: Unit, number: f64) -> String {
    let (scaled, name) = match unit {
        Unit::Nanoseconds if number < 1e3 => (number, " ns"),
        Unit::Nanoseconds if number < 1e6 => (number / 1e3, " µs"),
        Unit::Nanoseconds => (number / 1e6, " ms"),
        Unit::PerSecond if number < 1e6 => (number / 1e3, " k/s"),
        Unit::PerSecond => (number / 1e6, " M/s"),
        Unit::Times => (number, "×"),
    };
    let decimals = match scaled {
        ..10.0 => 2,
        10.0..100.0 => 1,
        _ => 0,
    };
    format!("{scaled:.decimals$}{name}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_three_digits() {
        let of = |unit, number| format_number(unit, number);
        assert_eq!(of(Unit::Nanoseconds, 9.876), "9.88 ns");
        assert_eq!(of(Unit::Nanoseconds, 12_345.6), "12.3 µs");
        assert_eq!(of(Unit::Nanoseconds, 206e6), "206 ms");
        assert_eq!(of(Unit::PerSecond, 1_234_567.0), "1.23 M/s");
        assert_eq!(of(Unit::Times, 0.5), "0.50×");
    }

    #[test]
    fn every_rival_has_a_version() {
        for (name, version) in rivals() {
            assert!(version.starts_with(|c: char| c.is_ascii_digit()), "{name}");
        }
    }
}
