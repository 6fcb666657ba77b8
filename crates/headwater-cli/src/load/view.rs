use std::io::{self, IsTerminal as _, Write as _};

use comfy_table::{CellAlignment, Table, presets};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::{
    meter::{Count, QUANTILES, Quantiles},
    monitor::Sample,
    units::{bytes, nanos, nanos_or_dash},
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

    /// Says something beside.
    pub(crate) fn note(&self, text: &str) {
        match self {
            Self::Quiet => {}
            Self::Lines => write(&format!("{text}\n")),
            Self::Table(bar) => bar.println(text),
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
    let times = |what: &str, times: Option<Quantiles>| match times {
        Some(times) => QUANTILES
            .iter()
            .zip(times)
            .fold(what.to_owned(), |text, ((name, _), time)| {
                format!("{text} {name} {}", nanos(time))
            }),
        None => format!("nothing {what}"),
    };
    let parts = sizes(sample).into_iter().filter(|(_, size)| *size > 0);
    let memory: Vec<_> = parts
        .map(|(part, size)| format!("{part} {}", bytes(size)))
        .collect();
    format!(
        "{:5.1} s: {:.0}/s sent, {:.0}/s applied, {} held, {} told, {:.0}/s frames, {:.0}/s \
         conflated; {}; {}; {} queued, buffer {}; memory {}; {:.0} % CPU, {} resident\n",
        sample.at.as_secs_f64(),
        rate(Count::Sent),
        rate(Count::Applied),
        sample.stats.counts.held,
        sample.stats.counts.told,
        rate(Count::Frames),
        rate(Count::Conflated),
        times("known", sample.known),
        times("delivered", sample.delivered),
        sample.stats.queued,
        bytes(sample.stats.memory.reorder),
        memory.join(", "),
        sample.processors(before) * 100.0,
        sample.resident_bytes.map_or_else(|| "?".to_owned(), bytes),
    )
}

/// What was counted, how long it took, and where the memory is: side by side.
fn table(before: Option<&Sample>, sample: &Sample) -> String {
    let mut table = Table::new();
    table.load_style(presets::UTF8_FULL_CONDENSED);
    let seconds = format!("{} s", sample.at.as_secs());
    table.set_header([
        &seconds,
        "this second",
        "in all",
        "latency",
        "known",
        "delivered",
        "memory",
        "",
    ]);
    let columns = counted(before, sample)
        .into_iter()
        .zip(timed(before, sample));
    for ((counted, timed), (part, size)) in columns.zip(sizes(sample)) {
        let row = counted.into_iter().chain(timed);
        table.add_row(row.chain([part.to_owned(), bytes(size)]));
    }
    for numbers in [1, 2, 4, 5, 7] {
        if let Some(column) = table.column_mut(numbers) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table.to_string()
}

/// Names, what was counted in the last second, and what in all or is now.
fn counted(before: Option<&Sample>, sample: &Sample) -> [[String; 3]; ROWS] {
    let flow = |name: &str, what| {
        let rate = format!("{:.0}/s", sample.rate(before, what));
        [name.to_owned(), rate, sample.counted.of(what).to_string()]
    };
    let level = |name: &str, now: String| [name.to_owned(), String::new(), now];
    [
        flow("generated", Count::Sent),
        flow("applied", Count::Applied),
        flow("told", Count::Told),
        flow("resent", Count::Resent),
        flow("frames", Count::Frames),
        flow("conflated", Count::Conflated),
        level("held now", sample.stats.counts.held.to_string()),
        level("queued now", sample.stats.queued.to_string()),
    ]
}

/// Names, and the times of the last second; below them, what the process takes.
fn timed(before: Option<&Sample>, sample: &Sample) -> [[String; 3]; ROWS] {
    let mut rows: [[String; 3]; ROWS] = Default::default();
    for (index, (row, (name, _))) in rows.iter_mut().zip(QUANTILES).enumerate() {
        let at = |times: Option<Quantiles>| times.and_then(|times| times.get(index).copied());
        let [known, delivered] =
            [sample.known, sample.delivered].map(|times| nanos_or_dash(at(times)));
        *row = [name.to_owned(), known, delivered];
    }
    let cpu = format!("{:.0} %", sample.processors(before) * 100.0);
    let resident = sample.resident_bytes.map_or_else(|| "?".to_owned(), bytes);
    let [.., cpu_row, resident_row] = &mut rows;
    *cpu_row = ["CPU".to_owned(), cpu, String::new()];
    *resident_row = ["resident".to_owned(), resident, String::new()];
    rows
}

/// The parts of the engine's memory.
const fn sizes(sample: &Sample) -> [(&'static str, u64); ROWS] {
    let memory = &sample.stats.memory;
    [
        ("documents", memory.documents),
        ("cold", memory.cold),
        ("history", memory.history),
        ("pins", memory.pins),
        ("held + queued", memory.reorder + memory.queues),
        ("lanes + tables", memory.lanes + memory.tables),
        ("encoded", memory.encoded),
        ("all", memory.total()),
    ]
}

/// Rows of the table.
const ROWS: usize = 8;
