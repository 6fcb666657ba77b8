use std::{collections::BTreeMap, fmt, fs, io, path::Path};

use serde::Deserialize;
use serde_json::{Value, json};

use crate::{
    allocator,
    machine::Machine,
    measure::{Figure, Row, Unit},
    recorded::{self, Recorded},
    table::Table,
};

/// What is to be known of the figures, beside what the names of the work say.
const NOTES: [&str; 7] = [
    "CPU time of the thread, medians of the rounds and what they lay between. The ratio says how many \
     times as good headwater is: below 1 it loses. A variant of its own has none.",
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

/// What was measured, in one run or in several that were put together.
#[derive(Debug, Deserialize)]
pub(crate) struct Report {
    pub(crate) machine: Machine,
    /// The rivals, and the versions of them that were built.
    pub(crate) rivals: BTreeMap<String, String>,
    /// Whether each was done once only.
    pub(crate) quick: bool,
    /// The first has all the rows that are displayed; the others say what those are elsewhere.
    pub(crate) columns: Vec<Column>,
}

/// What was measured with one allocator.
#[derive(Debug, Deserialize)]
pub(crate) struct Column {
    pub(crate) allocator: String,
    pub(crate) suites: Vec<Suite>,
}

/// Some rows of the table.
#[derive(Debug, Deserialize)]
pub(crate) struct Suite {
    pub(crate) name: String,
    pub(crate) rows: Vec<Row>,
}

impl Report {
    /// What was measured in this run.
    pub(crate) fn of_this_run(suites: Vec<Suite>, quick: bool) -> Self {
        Self {
            machine: Machine::of_this_run(),
            rivals: rivals().collect(),
            quick,
            columns: vec![Column {
                allocator: allocator::NAME.to_owned(),
                suites,
            }],
        }
    }

    /// Reads what [`to_json`](Self::to_json) made.
    ///
    /// # Errors
    ///
    /// What reading the file reports; `InvalidData` if it is no report.
    pub(crate) fn read(file: &Path) -> io::Result<Self> {
        let report = serde_json::from_slice(&fs::read(file)?);
        report.map_err(|error| {
            let no_report = format!("{}: {error}", file.display());
            io::Error::new(io::ErrorKind::InvalidData, no_report)
        })
    }

    /// Puts another run beside this one: the suites that this one has not with this one's, if both had
    /// the same allocator, or else in a column of their own.
    ///
    /// # Errors
    ///
    /// `InvalidData` if it was on another machine.
    pub(crate) fn join(&mut self, other: Self) -> io::Result<()> {
        if self.machine != other.machine {
            let apart = "the runs were on different machines";
            return Err(io::Error::new(io::ErrorKind::InvalidData, apart));
        }
        self.rivals.extend(other.rivals);
        self.quick |= other.quick;
        for column in other.columns {
            let mut columns = self.columns.iter_mut();
            match columns.find(|known| known.allocator == column.allocator) {
                Some(known) => known.join(column),
                None => self.columns.push(column),
            }
        }
        Ok(())
    }

    pub(crate) fn to_json(&self) -> Value {
        let columns: Value = self.columns.iter().map(column_to_json).collect();
        let recorded: Value = recorded::FIGURES.iter().map(recorded_to_json).collect();
        json!({
            "quick": self.quick,
            "machine": self.machine,
            "rivals": self.rivals,
            "columns": columns,
            "recorded": recorded,
        })
    }

    /// The suites that are displayed.
    pub(crate) fn suites(&self) -> &[Suite] {
        self.columns.first().map_or(&[], |column| &*column.suites)
    }

    /// The columns beside the first.
    pub(crate) fn others(&self) -> &[Column] {
        self.columns.get(1..).unwrap_or_default()
    }
}

impl Column {
    fn join(&mut self, other: Self) {
        for suite in other.suites {
            if self.suites.iter().all(|known| known.name != suite.name) {
                self.suites.push(suite);
            }
        }
    }

    /// The same work, as it was measured here.
    pub(crate) fn row(&self, work: &str) -> Option<&Row> {
        let mut rows = self.suites.iter().flat_map(|suite| &suite.rows);
        rows.find(|row| row.work == work)
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", Table(self))?;
        writeln!(f, "Figures of Node's libraries were {}.", recorded::SOURCE)?;
        for note in NOTES {
            writeln!(f, "{note}")?;
        }
        if self.quick {
            writeln!(f, "{ONCE}")?;
        }
        let allocators = self.columns.iter().map(|column| &*column.allocator);
        let allocators: Vec<_> = allocators.collect();
        writeln!(f, "Machine: {}.", self.machine)?;
        writeln!(f, "Allocator: {}.", allocators.join(", "))?;
        writeln!(f, "Rivals: {}.", self.rivals_line())
    }
}

impl Report {
    /// Names and versions.
    pub(crate) fn rivals_line(&self) -> String {
        let rivals = self.rivals.iter();
        let rivals: Vec<_> = rivals
            .map(|(name, version)| format!("{name} {version}"))
            .collect();
        rivals.join(", ")
    }
}

/// Said of figures that were not measured long enough to mean something.
pub(crate) const ONCE: &str = "Each was done once: these figures only show that it works.";

fn column_to_json(column: &Column) -> Value {
    let suite = |suite: &Suite| {
        let rows: Value = suite.rows.iter().map(row_to_json).collect();
        json!({"name": suite.name, "rows": rows})
    };
    let suites: Value = column.suites.iter().map(suite).collect();
    json!({"allocator": column.allocator, "suites": suites})
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
    json!({"work": row.work, "unit": row.unit, "figures": figures})
}

fn recorded_to_json(figure: &Recorded) -> Value {
    json!({
        "work": figure.work,
        "by": figure.by,
        "unit": figure.unit,
        "median": figure.median,
        "recorded": true,
        "source": recorded::SOURCE,
    })
}

/// The rivals and the versions of them that were built.
fn rivals() -> impl Iterator<Item = (String, String)> {
    let lock = include_str!("../../../Cargo.lock");
    RIVALS.iter().map(|&rival| {
        let line = format!("name = \"{rival}\"");
        let mut lines = lock.lines().skip_while(move |at| *at != line);
        let version = lines
            .nth(1)
            .and_then(|line| line.strip_prefix("version = "));
        let version = version.unwrap_or("?").trim_matches('"');
        (rival.to_owned(), version.to_owned())
    })
}

/// Three digits and a unit; whole bytes, and large multiples with all their digits.
pub(crate) fn format_number(unit: Unit, number: f64) -> String {
    let (scaled, name) = match unit {
        Unit::Nanoseconds if number < 1e3 => (number, " ns"),
        Unit::Nanoseconds if number < 1e6 => (number / 1e3, " µs"),
        Unit::Nanoseconds => (number / 1e6, " ms"),
        Unit::PerSecond if number < 1e6 => (number / 1e3, " k/s"),
        Unit::PerSecond => (number / 1e6, " M/s"),
        Unit::Bytes if number < 1e4 => return with_commas(&format!("{number:.0}")) + " B",
        Unit::Bytes => (number / 1e3, " kB"),
        Unit::Times => (number, " ×"),
    };
    let decimals = match scaled {
        ..10.0 => 2,
        10.0..100.0 => 1,
        _ => 0,
    };
    with_commas(&format!("{scaled:.decimals$}")) + name
}

fn with_commas(number: &str) -> String {
    let whole = number.find('.').unwrap_or(number.len());
    let mut out = String::with_capacity(number.len() + whole / 3);
    for (index, digit) in number.char_indices() {
        if index > 0 && index < whole && (whole - index).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// With a variant of ours, a rival, and one that was recorded.
    pub(crate) fn report(allocator: &str, suite: &str, work: &str, ours: f64) -> Report {
        let figures = vec![
            Figure::of("headwater", vec![ours]),
            Figure::of("headwater, with more", vec![ours * 2.0]),
            Figure::of("another", vec![30.0]),
            Figure::recorded("a third", 5.0),
        ];
        let rows = vec![Row {
            work: work.to_owned(),
            unit: Unit::Nanoseconds,
            figures,
        }];
        let name = suite.to_owned();
        let mut report = Report::of_this_run(vec![Suite { name, rows }], false);
        for column in &mut report.columns {
            allocator.clone_into(&mut column.allocator);
        }
        report
    }

    /// The report of `work` in the suite `a`, and others that are joined to it.
    pub(crate) fn joined(others: [(&str, &str, &str); 3]) -> Report {
        let mut all = report("system", "a", "work", 10.0);
        for (allocator, suite, work) in others {
            all.join(report(allocator, suite, work, 15.0)).unwrap();
        }
        all
    }

    #[test]
    fn numbers_have_three_digits() {
        let of = |unit, number| format_number(unit, number);
        assert_eq!(of(Unit::Nanoseconds, 9.876), "9.88 ns");
        assert_eq!(of(Unit::Nanoseconds, 12_345.6), "12.3 µs");
        assert_eq!(of(Unit::Nanoseconds, 206e6), "206 ms");
        assert_eq!(of(Unit::PerSecond, 1_234_567.0), "1.23 M/s");
        assert_eq!(of(Unit::Bytes, 461.0), "461 B");
        assert_eq!(of(Unit::Bytes, 16.1), "16 B");
        assert_eq!(of(Unit::Bytes, 1_601.4), "1,601 B");
        assert_eq!(of(Unit::Bytes, 13_967.0), "14.0 kB");
        assert_eq!(of(Unit::Times, 0.5), "0.50 ×");
        assert_eq!(of(Unit::Times, 3_014_432.4), "3,014,432 ×");
    }

    #[test]
    fn every_rival_has_a_version() {
        for (name, version) in rivals() {
            assert!(version.starts_with(|c: char| c.is_ascii_digit()), "{name}");
        }
    }

    #[test]
    fn runs_are_put_together_by_allocator_and_suite_and_can_be_read_again() {
        let mut report = joined([
            ("system", "b", "more work"),
            ("system", "a", "known already"),
            ("mimalloc", "a", "work"),
        ]);
        let json = report.to_json();
        let read: Report = serde_json::from_value(json.clone()).unwrap();
        assert_eq!(read.to_json(), json);
        let works = read.suites().iter().flat_map(|suite| &suite.rows);
        let works: Vec<_> = works.map(|row| &*row.work).collect();
        assert_eq!(works, ["work", "more work"]);
        let there = read.others().first().and_then(|column| column.row("work"));
        let there = there.and_then(|row| row.ratio(row.by("another")?));
        assert_eq!(there, Some(2.0));
        assert!(
            json.pointer("/columns/0/suites/0/rows/0/figures/1/ratio")
                .unwrap()
                .is_null()
        );

        let mut elsewhere = tests::report("system", "c", "work", 10.0);
        elsewhere.machine.cores = Some(1_000);
        report.join(elsewhere).unwrap_err();
    }
}
