//! What Headwater costs beside its rivals: the same work, in the same process and run.

#![expect(
    clippy::expect_used,
    reason = "a contest whose work is not done has nothing to measure"
)]

mod allocator;
mod arrays;
mod at_rest;
mod channels;
mod commits;
#[cfg(feature = "crdts")]
mod crdt;
mod delivery;
mod documents;
mod input;
mod lookups;
mod machine;
mod markdown;
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
mod table;

use std::{
    fs,
    io::{self, Write as _},
    path::PathBuf,
};

use clap::{CommandFactory as _, Parser, error::ErrorKind};

use crate::{
    markdown::Markdown,
    measure::{Effort, Exactly, Row},
    report::{Report, Suite},
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
    #[arg(long, requires_all = ["by", "times"], conflicts_with_all = ["quick", "json", "show", "markdown"])]
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

    /// No measuring: puts together what the --json of other runs has written. Those with the allocator of
    /// the first are one column; a suite that several of them have is the first one's.
    #[arg(long, value_name = "FILE", num_args = 1.., conflicts_with_all = ["quick", "only"])]
    show: Vec<PathBuf>,

    /// Prints Markdown, as in docs/PERFORMANCE.md.
    #[arg(long)]
    markdown: bool,
}

/// Makes some rows of the table.
type Rows = fn(Effort) -> io::Result<Vec<Row>>;

const SUITES: &[(&str, Rows)] = &[
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
    ("sessions", recording::batches),
    #[cfg(feature = "crdts")]
    ("recording-committed", crdt::edits),
];

fn main() -> io::Result<()> {
    let args = Args::parse();
    if let (Some(work), Some(by), Some(times)) = (args.work, args.by, args.times) {
        return do_exactly(Exactly::new(work, by, times), args.only.as_deref());
    }
    let report = if args.show.is_empty() {
        measured(args.only.as_deref(), args.quick)?
    } else {
        put_together(&args.show)?
    };
    let mut out = io::stdout().lock();
    if args.markdown {
        write!(out, "{}", Markdown(&report))?;
    } else {
        write!(out, "{report}")?;
    }
    if let Some(file) = args.json {
        fs::write(file, format!("{:#}\n", report.to_json()))?;
    }
    Ok(())
}

fn measured(only: Option<&str>, quick: bool) -> io::Result<Report> {
    let effort = if quick { Effort::QUICK } else { Effort::FULL };
    let mut suites = Vec::new();
    for (name, rows) in SUITES {
        if only.is_none_or(|only| only == *name) {
            let rows = rows(effort)?;
            if rows.is_empty() {
                writeln!(io::stderr(), "{name} skipped: no test data")?;
            }
            let name = (*name).to_owned();
            suites.push(Suite { name, rows });
        }
    }
    if cfg!(not(feature = "crdts")) && only.is_none() {
        let left_out = "recording-committed left out: built without the feature crdts";
        writeln!(io::stderr(), "{left_out}")?;
    }
    Ok(Report::of_this_run(suites, quick))
}

fn put_together(files: &[PathBuf]) -> io::Result<Report> {
    let mut reports = files.iter().map(|file| Report::read(file));
    let mut report = reports.next().expect("clap asks for one")?;
    for other in reports {
        report.join(other?)?;
    }
    Ok(report)
}

/// For a program that counts instructions: what it takes is what twice as much takes more.
fn do_exactly(exactly: Exactly, only: Option<&str>) -> io::Result<()> {
    // As long as the program, which does nothing else.
    let exactly: &Exactly = Box::leak(Box::new(exactly));
    for (name, rows) in SUITES {
        if only.is_none_or(|only| only == *name) {
            drop(rows(Effort::exactly(exactly))?);
        }
    }
    if exactly.done.get() {
        return Ok(());
    }
    let Exactly { work, by, .. } = exactly;
    let nobody = format!("no contest {work:?} in which {by:?} can be counted");
    Args::command()
        .error(ErrorKind::InvalidValue, nobody)
        .exit()
}
