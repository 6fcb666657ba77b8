use std::{
    io::{self, Write},
    time::Duration,
};

use comfy_table::{CellAlignment, Table, presets};
use headwater::{Mode, Value};

use super::{audience::Tally, play::Played, sizing::Sizing};
use crate::args::Via;

/// What is told of one trace that was replayed.
pub(crate) struct Report {
    pub(crate) trace: String,
    pub(crate) via: Via,
    pub(crate) sizing: Sizing,
    pub(crate) played: Played,
    /// The most memory that the program had resident during the replay, where the system tells.
    pub(crate) peak_bytes: Option<u64>,
}

impl Report {
    /// Commits a second, counting the time spent in submissions only.
    fn commits_per_second(&self) -> f64 {
        ratio(self.played.counts.applied, self.played.busy.as_secs_f64())
    }

    /// The submission time that this share of all submissions did not exceed.
    fn quantile(&self, share: f64) -> Duration {
        let submits = &self.played.submits;
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            clippy::cast_precision_loss,
            reason = "a share of a length is a length"
        )]
        let rank = (share * submits.len() as f64).ceil() as usize;
        let slowest = submits.last().copied().unwrap_or_default();
        submits.get(rank.max(1) - 1).copied().unwrap_or(slowest)
    }

    /// Prints two tables, of the batches and of the subscribers.
    pub(crate) fn print(&self, out: &mut impl Write) -> io::Result<()> {
        let counts = &self.played.counts;
        let mut batches = table(&["batches", "", "submit", ""]);
        let quantile = |share| format!("{:?}", self.quantile(share));
        let rows = [
            ("received", counts.received, "p50", quantile(0.5)),
            ("applied", counts.applied, "p99", quantile(0.99)),
            ("rejected", counts.rejected, "p99.9", quantile(0.999)),
            (
                "duplicate",
                counts.duplicate,
                "commits/s",
                format!("{:.0}", self.commits_per_second()),
            ),
            (
                "held",
                self.played.held,
                "wall",
                format!("{:.2} s", self.played.wall.as_secs_f64()),
            ),
            (
                "told",
                counts.told,
                "peak memory",
                self.peak_bytes
                    .map_or_else(|| "unknown".to_owned(), mebibytes),
            ),
            (
                "resent",
                self.played.resent,
                "slots",
                self.played.slots.to_string(),
            ),
        ];
        for (name, count, measure, value) in rows {
            batches.add_row([
                name.to_owned(),
                count.to_string(),
                measure.to_owned(),
                value,
            ]);
        }
        let mut subscribers = table(&["subscriber", "frames", "squashes", "snapshots", "bytes"]);
        for (number, tally) in self.played.audience.iter().enumerate() {
            subscribers.add_row([
                format!("{number} {}", kind(tally)),
                tally.frames.to_string(),
                tally.squashes.to_string(),
                tally.snapshots.to_string(),
                tally.bytes.to_string(),
            ]);
        }
        let (trace, via) = (&self.trace, self.via);
        writeln!(out, "{trace}, {via}\n{}\n{batches}", self.sizing)?;
        if !self.played.audience.is_empty() {
            writeln!(out, "{subscribers}")?;
        }
        writeln!(out)
    }

    pub(crate) fn to_value(&self) -> Value {
        let counts = &self.played.counts;
        let nanos = |share| {
            let nanos = self.quantile(share).as_nanos();
            Value::from(u64::try_from(nanos).unwrap_or(u64::MAX))
        };
        let number = |value: f64| Value::try_from(value).unwrap_or_default();
        let subscribers = self.played.audience.iter().map(|tally| -> Value {
            [
                ("kind", Value::from(kind(tally))),
                ("frames", Value::from(tally.frames)),
                ("squashes", Value::from(tally.squashes)),
                ("snapshots", Value::from(tally.snapshots)),
                ("bytes", Value::from(tally.bytes)),
            ]
            .into_iter()
            .collect()
        });
        [
            ("trace", Value::from(self.trace.as_str())),
            ("via", Value::from(self.via.to_string())),
            ("limits", self.sizing.to_value()),
            ("received", Value::from(counts.received)),
            ("applied", Value::from(counts.applied)),
            ("rejected", Value::from(counts.rejected)),
            ("duplicate", Value::from(counts.duplicate)),
            ("held", Value::from(self.played.held)),
            ("told", Value::from(counts.told)),
            ("resent", Value::from(self.played.resent)),
            ("slots", Value::from(self.played.slots)),
            ("commits_per_second", number(self.commits_per_second())),
            ("submit_p50_ns", nanos(0.5)),
            ("submit_p99_ns", nanos(0.99)),
            ("submit_p999_ns", nanos(0.999)),
            ("wall_seconds", number(self.played.wall.as_secs_f64())),
            (
                "peak_bytes",
                self.peak_bytes.map_or(Value::NULL, Value::from),
            ),
            ("subscribers", subscribers.collect()),
        ]
        .into_iter()
        .collect()
    }
}

fn table(header: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::UTF8_FULL_CONDENSED);
    table.set_header(header.iter().copied());
    for column in table
        .column_iter_mut()
        .skip(1)
        .step_by(if header.len() == 4 { 2 } else { 1 })
    {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table
}

fn kind(tally: &Tally) -> &'static str {
    match (tally.slow, tally.mode) {
        (false, Mode::EveryCommit) => "every commit",
        (false, Mode::Latest) => "latest",
        (true, Mode::EveryCommit) => "every commit, slow",
        (true, Mode::Latest) => "latest, slow",
    }
}

fn mebibytes(bytes: u64) -> String {
    format!("{:.1} MiB", ratio(bytes, f64::from(1 << 20)))
}

#[expect(clippy::cast_precision_loss, reason = "for a person to read")]
fn ratio(count: u64, of: f64) -> f64 {
    if of > 0.0 { count as f64 / of } else { 0.0 }
}
