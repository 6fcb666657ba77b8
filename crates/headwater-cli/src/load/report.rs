use std::fmt;

use comfy_table::{CellAlignment, Table, presets};
use hdrhistogram::Histogram;
use headwater::{Counts, Memory, Stats, Value};

use super::{
    findings::Findings,
    gates::Gate,
    meter::{Count, QUANTILES, Quantiles, Span},
    monitor::Sample,
    plan::Plan,
    units::{bytes, nanos_or_dash},
};

/// What is told of a load, as a table or as JSON.
pub(crate) struct Report<'a> {
    pub(crate) plan: &'a Plan,
    pub(crate) findings: &'a Findings,
    pub(crate) gates: &'a [Gate],
    pub(crate) failures: &'a [String],
}

impl Report<'_> {
    /// The one line that says whether everything held.
    pub(crate) fn verdict(&self) -> String {
        if self.failures.is_empty() {
            "passed".to_owned()
        } else {
            format!("FAILED: {}", self.failures.join("; "))
        }
    }

    pub(crate) fn to_value(&self) -> Value {
        let findings = self.findings;
        let seconds = |span: std::time::Duration| number(span.as_secs_f64());
        let failed = findings.failed.iter().map(|failed| failed.count).sum();
        let open = [
            ("unaccounted", findings.unaccounted()),
            ("told_last", findings.unanswered.unknown.told),
            ("unsent", findings.unanswered.unsent),
            ("versions", findings.versions),
            ("subscribers_failed", failed),
        ];
        let counts = Count::ALL.iter();
        let counts = counts.map(|&(count, name)| (name, findings.counted.of(count)));
        let counts = counts
            .chain(open)
            .map(|(name, count)| (name, Value::from(count)));
        let last = findings.samples.last();
        [
            ("passed", Value::from(self.failures.is_empty())),
            ("verdict", Value::from(self.verdict())),
            (
                "failures",
                self.failures
                    .iter()
                    .map(|failure| Value::from(failure.as_str()))
                    .collect(),
            ),
            (
                "gates",
                self.gates
                    .iter()
                    .map(|gate| (gate.name, gate.to_value()))
                    .collect(),
            ),
            ("configuration", self.plan.to_value()),
            (
                "interrupted_after_seconds",
                findings.interrupted.map_or_else(Value::default, seconds),
            ),
            ("counts", counts.collect()),
            ("engine", engine(&findings.stats)),
            ("latency_ns", self.latencies()),
            ("memory_peak_bytes", memory(&findings.memory_peak)),
            ("memory_end_bytes", memory(&findings.stats.memory)),
            (
                "resident_peak_bytes",
                optional(findings.resident_bytes_peak),
            ),
            (
                "cpu_seconds",
                last.map_or_else(Value::default, |last| seconds(last.cpu)),
            ),
            ("drain_seconds", seconds(findings.drain)),
            (
                "shutdown",
                [
                    ("drained", Value::from(findings.shutdown.drained as u64)),
                    ("given_up", Value::from(findings.shutdown.given_up)),
                    ("seconds", seconds(findings.shutdown.took)),
                    ("tasks_left", Value::from(findings.tasks_left as u64)),
                ]
                .into_iter()
                .collect(),
            ),
            ("samples", findings.samples.iter().map(sample).collect()),
        ]
        .into_iter()
        .collect()
    }

    fn latencies(&self) -> Value {
        let times = &self.findings.times;
        let span = |&(span, name): &(Span, &'static str)| {
            let histogram = times.of(span)?;
            let timed = Some(histogram).filter(|histogram| !histogram.is_empty());
            let mean = timed.map(|histogram| number(histogram.mean()));
            let mut figures = vec![
                ("count", Value::from(histogram.len())),
                ("mean", mean.unwrap_or_default()),
                ("max", optional(timed.map(Histogram::max))),
            ];
            for (name, share) in QUANTILES {
                figures.push((name, optional(times.quantile(span, share))));
            }
            Some((name, figures.into_iter().collect::<Value>()))
        };
        Span::ALL.iter().filter_map(span).collect()
    }

    /// What was counted, in two columns.
    fn counts(&self) -> Table {
        let findings = self.findings;
        let (counts, stats) = (&findings.counted, &findings.stats);
        let count = |what| counts.of(what).to_string();
        let unanswered = findings.unanswered;
        let rows = [
            ["sent", &count(Count::Sent), "lost", &count(Count::Lost)],
            [
                "applied",
                &count(Count::Applied),
                "delayed",
                &count(Count::Delayed),
            ],
            [
                "rejected",
                &count(Count::Rejected),
                "resent",
                &count(Count::Resent),
            ],
            [
                "refused",
                &count(Count::Refused),
                "handed in",
                &count(Count::HandedIn),
            ],
            [
                "unaccounted",
                &findings.unaccounted().to_string(),
                "duplicate",
                &stats.counts.duplicate.to_string(),
            ],
            [
                "unsent",
                &unanswered.unsent.to_string(),
                "told",
                &stats.counts.told.to_string(),
            ],
            [
                "frames",
                &count(Count::Frames),
                "frozen",
                &stats.documents_frozen.to_string(),
            ],
            [
                "of bytes",
                &bytes(counts.of(Count::FrameBytes)),
                "thawed",
                &stats.documents_thawed.to_string(),
            ],
            [
                "snapshots",
                &count(Count::Snapshots),
                "reliefs",
                &stats.reliefs.to_string(),
            ],
            [
                "conflated",
                &count(Count::Conflated),
                "drain",
                &format!("{:.2?}", findings.drain),
            ],
        ];
        let mut table = table(&["batches and frames", "", "on the way", ""]);
        for row in rows {
            table.add_row(row);
        }
        table
    }

    fn times(&self) -> Table {
        let times = &self.findings.times;
        let mut table = table(&["latency", "p50", "p95", "p99", "p99.9", "max", "count"]);
        for (span, name) in [
            (Span::Answered, "handed in to answered"),
            (Span::Sent, "due to sent"),
            (Span::Known, "due to known"),
            (Span::Undisturbed, "  link undisturbed"),
            (Span::Delivered, "due to delivered"),
        ] {
            let histogram = times.of(span).filter(|histogram| !histogram.is_empty());
            let mut row = vec![name.to_owned()];
            row.extend(QUANTILES.map(|(_, share)| nanos_or_dash(times.quantile(span, share))));
            row.push(nanos_or_dash(histogram.map(Histogram::max)));
            row.push(histogram.map_or(0, Histogram::len).to_string());
            table.add_row(row);
        }
        table
    }

    /// What the times to delivery leave open, if they do.
    fn open_times(&self) -> impl Iterator<Item = String> {
        let counted = |what| Some(self.findings.counted.of(what)).filter(|&count| count > 0);
        let at_least = counted(Count::TimedAtLeast).map(|count| {
            format!(
                "of the deliveries, {count} took longer than is known, and count with the least\n"
            )
        });
        let untimed = counted(Count::Untimed)
            .map(|count| format!("beside the deliveries, {count} could not be timed\n"));
        at_least.into_iter().chain(untimed)
    }

    fn memory(&self) -> Table {
        let findings = self.findings;
        let mut table = table(&["memory", "peak", "end"]);
        let parts = parts(&findings.memory_peak);
        let end = self::parts(&findings.stats.memory);
        for ((name, peak), (_, end)) in parts.into_iter().zip(end) {
            if peak > 0 || end > 0 {
                table.add_row([name.to_owned(), bytes(peak), bytes(end)]);
            }
        }
        if let Some(peak) = findings.resident_bytes_peak {
            let end = findings.samples.last().and_then(|last| last.resident_bytes);
            let end = end.map_or_else(String::new, bytes);
            table.add_row(["process, resident".to_owned(), bytes(peak), end]);
        }
        table
    }
}

impl fmt::Display for Report<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let findings = self.findings;
        let plan = self.plan;
        writeln!(f, "{plan}\n{}\n\n{}", self.counts(), self.times())?;
        self.open_times().try_for_each(|line| f.write_str(&line))?;
        writeln!(f, "\n{}", self.memory())?;
        if let Some(last) = findings.samples.last() {
            writeln!(
                f,
                "\nengine and load tester together: {:.1} processors busy",
                last.processors(None)
            )?;
        }
        if let Some(at) = findings.interrupted {
            writeln!(f, "interrupted after {at:.1?} of {:?}", plan.duration)?;
        }
        writeln!(f, "{}", self.verdict())
    }
}

fn table(header: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::UTF8_FULL_CONDENSED);
    table.set_header(header.iter().copied());
    for (index, name) in header.iter().enumerate().skip(1) {
        if let Some(column) = table.column_mut(index)
            && *name != "on the way"
        {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table
}

fn parts(memory: &Memory) -> [(&'static str, u64); 10] {
    [
        ("documents", memory.documents),
        ("cold", memory.cold),
        ("history", memory.history),
        ("pins", memory.pins),
        ("reorder", memory.reorder),
        ("lanes", memory.lanes),
        ("tables", memory.tables),
        ("encoded", memory.encoded),
        ("queues", memory.queues),
        ("total", memory.total()),
    ]
}

fn memory(memory: &Memory) -> Value {
    parts(memory)
        .map(|(name, bytes)| (name, Value::from(bytes)))
        .into_iter()
        .collect()
}

fn counts(counts: &Counts) -> [(&'static str, u64); 6] {
    [
        ("received", counts.received),
        ("applied", counts.applied),
        ("rejected", counts.rejected),
        ("duplicate", counts.duplicate),
        ("held", counts.held),
        ("told", counts.told),
    ]
}

fn engine(stats: &Stats) -> Value {
    let tallies = [
        ("documents", stats.documents as u64),
        ("sessions", stats.sessions as u64),
        ("queued", stats.queued as u64),
        ("rounds", stats.rounds),
        ("documents_frozen", stats.documents_frozen),
        ("documents_thawed", stats.documents_thawed),
        ("reliefs", stats.reliefs),
        ("task_panics", stats.task_panics),
        ("memory_max_bytes", stats.memory_max),
    ];
    let reasons = stats
        .reasons
        .iter()
        .map(|(reason, count)| (*reason, Value::from(*count)));
    counts(&stats.counts)
        .into_iter()
        .chain(tallies)
        .map(|(name, count)| (name, Value::from(count)))
        .chain([("reasons", reasons.collect())])
        .collect()
}

fn sample(sample: &Sample) -> Value {
    let quantiles = |times: Option<Quantiles>| {
        times.map_or_else(Value::default, |times| {
            let named = QUANTILES.iter().zip(times);
            named
                .map(|((name, _), time)| (*name, Value::from(time)))
                .collect()
        })
    };
    let count = |what| Value::from(sample.counted.of(what));
    [
        ("seconds", number(sample.at.as_secs_f64())),
        ("sent", count(Count::Sent)),
        ("applied", count(Count::Applied)),
        ("frames", count(Count::Frames)),
        ("conflated", count(Count::Conflated)),
        ("engine", engine(&sample.stats)),
        ("due_to_known_ns", quantiles(sample.known)),
        ("due_to_delivered_ns", quantiles(sample.delivered)),
        ("memory_bytes", memory(&sample.stats.memory)),
        ("resident_bytes", optional(sample.resident_bytes)),
        ("cpu_seconds", number(sample.cpu.as_secs_f64())),
    ]
    .into_iter()
    .collect()
}

fn number(number: f64) -> Value {
    Value::try_from(number).unwrap_or_default()
}

fn optional(number: Option<u64>) -> Value {
    number.map_or_else(Value::default, Value::from)
}
