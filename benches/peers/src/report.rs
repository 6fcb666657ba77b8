use std::fmt;

use comfy_table::{CellAlignment, Table, presets};
use serde_json::{Value, json};

use crate::{
    allocator,
    beside::Beside,
    machine::Machine,
    measure::{Figure, Row, Unit},
    recorded::{self, Recorded},
};

/// What is to be known of the figures, beside what the names of the work say.
const NOTES: [&str; 7] = [
    "CPU time of the thread, medians of the rounds and what they lay between. The ratio says how many \
     times as good headwater is: below 1 it loses.",
    "To apply a patch, headwater also checks limits and yields the inverse patch and the touched \
     paths. json-patch yields nothing; imbl, rpds and String are changed directly, without a patch.",
    "Parsing and snapshots include the drop.",
    "A commit is that in the engine: under a key and a lock, with a version, the patch and its inverse \
     in the history. The rivals' maps and patches keep neither.",
    "Delivery is what receivers pay to take bytes that are there; the rivals' figures contain the \
     sending, ours with commit and encoding all that it takes. Channels hold 16 messages. Nobody \
     sleeps, so nobody is woken.",
    "Memory is what is requested of the allocator for what stays.",
    "What is marked as recorded was not measured in this run.",
];

/// The rivals, by their names as packages.
const RIVALS: &[&str] = &[
    #[cfg(feature = "crdts")]
    "automerge",
    "dashmap",
    "flume",
    "imbl",
    "json-patch",
    "kanal",
    #[cfg(feature = "crdts")]
    "loro",
    "parking_lot",
    "rpds",
    "serde_json",
    "sonic-rs",
    "tokio",
    #[cfg(feature = "crdts")]
    "yrs",
];

/// All rows, to be displayed as a table or written as JSON.
#[derive(Debug)]
pub(crate) struct Report {
    pub(crate) rows: Vec<Row>,
    pub(crate) machine: Machine,
    /// Another run, for a second column.
    pub(crate) beside: Option<Beside>,
    /// Whether each was done once only.
    pub(crate) quick: bool,
}

impl Report {
    pub(crate) fn to_json(&self) -> Value {
        let rivals: Value = rivals()
            .map(|(name, version)| (name.to_owned(), Value::from(version)))
            .collect();
        let rows: Value = self.rows.iter().map(row_to_json).collect();
        let recorded: Value = recorded::FIGURES.iter().map(recorded_to_json).collect();
        json!({
            "quick": self.quick,
            "machine": {"cpu": self.machine.processor, "cores": self.machine.cores},
            "allocator": allocator::NAME,
            "rivals": rivals,
            "rows": rows,
            "recorded": recorded,
        })
    }

    /// What was measured in this run.
    fn measured(&self) -> Table {
        let header = ["work", "by", "median", "min", "max", "ratio"].map(str::to_owned);
        let more = self.beside.iter().flat_map(|beside| {
            let ratio = format!("ratio, {}", beside.allocator);
            [beside.allocator.clone(), ratio]
        });
        let mut table = table(header.into_iter().chain(more));
        for row in &self.rows {
            for (index, figure) in row.figures.iter().enumerate() {
                let more = self
                    .beside
                    .iter()
                    .flat_map(|beside| again(row, figure, beside));
                let cells = cells(row, figure, index == 0);
                table.add_row(cells.into_iter().chain(more));
            }
        }
        table
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.measured())?;
        let header = ["recorded, not in this run", "by", "median"];
        let mut recorded = table(header.map(str::to_owned));
        for Recorded {
            work,
            by,
            unit,
            median,
        } in &recorded::FIGURES
        {
            recorded.add_row([*work, *by, &format_number(*unit, *median)]);
        }
        writeln!(f, "{recorded}\nRecorded by {}.", recorded::SOURCE)?;
        for note in NOTES {
            writeln!(f, "{note}")?;
        }
        if self.quick {
            writeln!(
                f,
                "Each was done once: these figures only show that it works."
            )?;
        }
        let Machine { processor, cores } = &self.machine;
        let processor = processor.as_deref().unwrap_or("unknown");
        let cores = cores.map_or_else(|| "?".to_owned(), |cores| cores.to_string());
        let allocator = allocator::NAME;
        writeln!(
            f,
            "Machine: {processor}, {cores} cores. Allocator: {allocator}."
        )?;
        write!(f, "Rivals:")?;
        for (index, (name, version)) in rivals().enumerate() {
            write!(f, "{} {name} {version}", if index == 0 { "" } else { "," })?;
        }
        writeln!(f, ".")
    }
}

/// An empty table, the first two columns of which are names.
fn table(header: impl IntoIterator<Item = String>) -> Table {
    let mut table = Table::new();
    table.load_style(presets::UTF8_FULL_CONDENSED);
    table.set_header(header);
    for column in table.column_iter_mut().skip(2) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table
}

/// The same figure of another run: its median and its ratio there.
fn again(row: &Row, figure: &Figure, beside: &Beside) -> [String; 2] {
    let median = |figure: &Figure| beside.median(&row.work, figure.contestant);
    let Some(there) = median(figure).filter(|_| !figure.recorded) else {
        return [String::new(), String::new()];
    };
    let number = format_number(row.unit, there);
    let ours = row.figures.first().filter(|_| !figure.is_ours());
    let ratio = ours.and_then(median).map_or_else(String::new, |ours| {
        format_number(Unit::Times, row.unit.ratio(ours, there))
    });
    [number, ratio]
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
    let ratio = if figure.is_ours() {
        String::new()
    } else {
        format_number(Unit::Times, row.ratio(figure))
    };
    [
        if first {
            row.work.clone()
        } else {
            String::new()
        },
        figure.contestant.to_owned(),
        number(figure.median),
        spread(figure.min),
        spread(figure.max),
        ratio,
    ]
}

fn row_to_json(row: &Row) -> Value {
    let figure = |figure: &Figure| {
        json!({
            "by": figure.contestant,
            "median": figure.median,
            "min": figure.min,
            "max": figure.max,
            "ratio": row.ratio(figure),
            "recorded": figure.recorded,
        })
    };
    let figures: Value = row.figures.iter().map(figure).collect();
    json!({"work": row.work, "unit": unit_name(row.unit), "figures": figures})
}

fn recorded_to_json(figure: &Recorded) -> Value {
    json!({
        "work": figure.work,
        "by": figure.by,
        "unit": unit_name(figure.unit),
        "median": figure.median,
        "recorded": true,
        "source": recorded::SOURCE,
    })
}

const fn unit_name(unit: Unit) -> &'static str {
    match unit {
        Unit::Nanoseconds => "ns",
        Unit::PerSecond => "per_second",
        Unit::Bytes => "bytes",
        Unit::Times => "times",
    }
}

/// The rivals and the versions of them that were built.
fn rivals() -> impl Iterator<Item = (&'static str, &'static str)> {
    let lock = include_str!("../../../Cargo.lock");
    RIVALS.iter().map(|&rival| {
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
        Unit::Bytes if number < 1e3 => (number, " B"),
        Unit::Bytes => (number / 1e3, " kB"),
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
        assert_eq!(of(Unit::Bytes, 461.0), "461 B");
        assert_eq!(of(Unit::Bytes, 13_967.0), "14.0 kB");
        assert_eq!(of(Unit::Times, 0.5), "0.50×");
    }

    #[test]
    fn every_rival_has_a_version() {
        for (name, version) in rivals() {
            assert!(version.starts_with(|c: char| c.is_ascii_digit()), "{name}");
        }
    }
}
