use std::{
    io::{self, IsTerminal as _, Write as _},
    time::Duration,
};

use comfy_table::{CellAlignment, Table, presets};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::{
    meter::Count,
    monitor::{QUANTILES, Sample},
    units::{bytes, nanos},
};

/// How a load that goes on is shown, on standard error.
pub(crate) enum View {
    Quiet,
    /// A line a second.
    Lines,
    /// A table that changes in place.
    Table(ProgressBar),
}

impl View {
    /// A table on a terminal, lines elsewhere.
    pub(crate) fn new(quiet: bool, title: &str) -> Self {
        if quiet {
            return Self::Quiet;
        }
        if !io::stderr().is_terminal() {
            write(&format!("{title}\n"));
            return Self::Lines;
        }
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
        let style = ProgressStyle::with_template("{msg}");
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_spinner()));
        bar.set_message(title.to_owned());
        Self::Table(bar)
    }

    pub(crate) fn show(&self, before: Option<&Sample>, sample: &Sample) {
        match self {
            Self::Quiet => {}
            Self::Lines => write(&line(before, sample)),
            Self::Table(bar) => {
                bar.set_message(table(before, sample));
                bar.tick();
            }
        }
    }

    pub(crate) fn close(&self) {
        if let Self::Table(bar) = self {
            bar.finish_and_clear();
        }
    }
}

fn write(text: &str) {
    let _nobody_reads_it = io::stderr().write_all(text.as_bytes());
}

fn line(before: Option<&Sample>, sample: &Sample) -> String {
    let rate = |what| sample.rate(before, what);
    let memory = &sample.stats.memory;
    let known = QUANTILES
        .iter()
        .zip(sample.known)
        .map(|((name, _), time)| format!("{name} {}", nanos(time)))
        .collect::<Vec<_>>()
        .join(" ");
    format!(
        "{:3} s: {:.0}/s sent, {:.0}/s applied, {} held, {} told, {:.0}/s frames, {:.0}/s \
         conflated; {known}; {} queued, buffer {}, memory {}, {:.0} % CPU, {} resident\n",
        whole_seconds(sample.at),
        rate(Count::Sent),
        rate(Count::Applied),
        sample.stats.counts.held,
        sample.stats.counts.told,
        rate(Count::Frames),
        rate(Count::Conflated),
        sample.stats.queued,
        bytes(memory.reorder),
        bytes(memory.total()),
        sample.processors(before) * 100.0,
        sample.resident_bytes.map_or_else(|| "?".to_owned(), bytes),
    )
}

fn table(before: Option<&Sample>, sample: &Sample) -> String {
    let rate = |what| format!("{:.0}/s", sample.rate(before, what));
    let (stats, counted) = (&sample.stats, &sample.counted);
    let memory = &stats.memory;
    let [p50, p95, p99, p999] = sample.known.map(nanos);
    let [d50, d95, d99, d999] = sample.delivered.map(nanos);
    let mut table = Table::new();
    table.load_style(presets::UTF8_FULL_CONDENSED);
    table.set_header([
        format!("{} s", whole_seconds(sample.at)),
        "this second".to_owned(),
        "in all".to_owned(),
        "latency".to_owned(),
        "known".to_owned(),
        "delivered".to_owned(),
        "memory".to_owned(),
        String::new(),
    ]);
    let total = |what| counted.of(what).to_string();
    let rows = [
        [
            "generated",
            &rate(Count::Sent),
            &total(Count::Sent),
            "p50",
            &p50,
            &d50,
            "documents",
            &bytes(memory.documents),
        ],
        [
            "applied",
            &rate(Count::Applied),
            &total(Count::Applied),
            "p95",
            &p95,
            &d95,
            "cold",
            &bytes(memory.cold),
        ],
        [
            "held now",
            "",
            &stats.counts.held.to_string(),
            "p99",
            &p99,
            &d99,
            "history",
            &bytes(memory.history),
        ],
        [
            "told",
            &rate(Count::Told),
            &stats.counts.told.to_string(),
            "p99.9",
            &p999,
            &d999,
            "pins",
            &bytes(memory.pins),
        ],
        [
            "frames",
            &rate(Count::Frames),
            &total(Count::Frames),
            "",
            "",
            "",
            "reorder buffer",
            &bytes(memory.reorder),
        ],
        [
            "conflated",
            &rate(Count::Conflated),
            &total(Count::Conflated),
            "",
            "",
            "",
            "lanes, tables",
            &bytes(memory.lanes + memory.tables),
        ],
        [
            "queued now",
            "",
            &stats.queued.to_string(),
            "CPU",
            &format!("{:.0} %", sample.processors(before) * 100.0),
            "",
            "encoded",
            &bytes(memory.encoded),
        ],
        [
            "resent",
            &rate(Count::Resent),
            &total(Count::Resent),
            "resident",
            &sample.resident_bytes.map_or_else(|| "?".to_owned(), bytes),
            "",
            "all",
            &bytes(memory.total()),
        ],
    ];
    for row in rows {
        table.add_row(row);
    }
    for numbers in [1, 2, 4, 5, 7] {
        if let Some(column) = table.column_mut(numbers) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table.to_string()
}

fn whole_seconds(span: Duration) -> u64 {
    span.as_secs()
}
