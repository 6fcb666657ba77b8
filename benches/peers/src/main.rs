//! What Headwater costs beside its rivals: the same work, in the same process and run.

#![expect(
    clippy::expect_used,
    reason = "a contest whose work is not done has nothing to measure"
)]

mod allocator;
mod arrays;
mod at_rest;
mod beside;
mod channels;
mod commits;
#[cfg(feature = "crdts")]
mod crdt;
mod delivery;
mod documents;
mod input;
mod lookups;
mod machine;
mod measure;
mod memory;
mod patches;
mod persistent;
mod recorded;
mod recording;
mod records;
mod report;
mod store;
mod stores;

use std::{
    fs,
    io::{self, Write as _},
    path::PathBuf,
};

use clap::Parser;

use crate::{
    beside::Beside,
    machine::Machine,
    measure::{Effort, Exactly, Row},
    report::Report,
};

#[global_allocator]
static ALLOCATOR: allocator::Counting = allocator::Counting;

/// Measures Headwater beside its rivals, and prints one table.
#[derive(Debug, Parser)]
struct Args {
    /// Does everything once, to see that it works; the figures mean nothing.
    #[arg(long)]
    quick: bool,

    /// One suite only.
    #[arg(long, value_parser = SUITES.iter().map(|(name, _)| *name).collect::<Vec<_>>())]
    only: Option<String>,

    /// No figures: one contestant's part of one contest, by the names in the table, as often as --times
    /// says.
    #[arg(long, requires_all = ["by", "times"], conflicts_with_all = ["quick", "json", "beside"])]
    work: Option<String>,

    /// The contestant that does --work.
    #[arg(long, value_name = "NAME", requires = "work")]
    by: Option<String>,

    /// How often it does.
    #[arg(long, value_name = "N", requires = "work")]
    times: Option<u64>,

    /// Writes the figures to a file, too.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,

    /// Shows the medians of another run, too, from the file that its --json has written.
    #[arg(long, value_name = "FILE")]
    beside: Option<PathBuf>,
}

/// Makes some rows of the table.
type Suite = fn(Effort) -> io::Result<Vec<Row>>;

const SUITES: &[(&str, Suite)] = &[
    ("snapshots", |effort| Ok(documents::snapshots(effort))),
    ("handles", |effort| Ok(lookups::handles(effort))),
    ("lookups", |effort| Ok(lookups::gets(effort))),
    ("creations", |effort| Ok(lookups::creations(effort))),
    ("replacements", |effort| Ok(patches::replacements(effort))),
    ("commits", |effort| Ok(commits::on_one(effort))),
    ("commits-among", |effort| Ok(commits::among_many(effort))),
    ("records", |effort| Ok(records::commits(effort))),
    ("batches", |effort| Ok(patches::batches(effort))),
    ("arrays", |effort| Ok(arrays::pairs(effort))),
    ("patch-text", |effort| Ok(patches::from_text(effort))),
    ("text", |effort| Ok(documents::text(effort))),
    ("differences", |effort| Ok(documents::differences(effort))),
    ("store", |effort| Ok(store::ticks(effort))),
    ("delivery", |effort| Ok(delivery::to_all(effort))),
    ("memory", |_| Ok(memory::tables())),
    ("stored-memory", |_| Ok(at_rest::stored())),
    ("subscriber-memory", |_| Ok(at_rest::subscribers())),
    ("real-memory", |_| memory::real_documents()),
    ("recording", recording::edits),
    #[cfg(feature = "crdts")]
    ("recording-committed", crdt::edits),
];

fn main() -> io::Result<()> {
    let args = Args::parse();
    if let (Some(work), Some(by), Some(times)) = (args.work, args.by, args.times) {
        return do_exactly(Exactly { work, by, times }, args.only.as_deref());
    }
    let effort = if args.quick {
        Effort::QUICK
    } else {
        Effort::FULL
    };
    // Read first: a wrong name should not cost a run.
    let beside = args.beside.as_deref().map(Beside::read).transpose()?;
    let mut rows = Vec::new();
    for (name, suite) in SUITES {
        if args.only.as_deref().is_none_or(|only| only == *name) {
            let more = suite(effort)?;
            if more.is_empty() {
                writeln!(io::stderr(), "{name} skipped: no test data")?;
            }
            rows.extend(more);
        }
    }
    if cfg!(not(feature = "crdts")) && args.only.is_none() {
        let left_out = "recording-committed left out: built without the feature crdts";
        writeln!(io::stderr(), "{left_out}")?;
    }
    let report = Report {
        rows,
        machine: Machine::of_this_run(),
        beside,
        quick: args.quick,
    };
    write!(io::stdout().lock(), "{report}")?;
    if let Some(file) = args.json {
        fs::write(file, format!("{:#}\n", report.to_json()))?;
    }
    Ok(())
}

/// For a program that counts instructions: what it takes is what twice as much takes more.
fn do_exactly(exactly: Exactly, only: Option<&str>) -> io::Result<()> {
    let effort = Effort::exactly(exactly);
    for (name, suite) in SUITES {
        if only.is_none_or(|only| only == *name) {
            drop(suite(effort)?);
        }
    }
    Ok(())
}
