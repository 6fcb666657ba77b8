//! What headwater-doc costs beside its rivals: the same work, in the same process and run.

#![expect(
    clippy::expect_used,
    reason = "a contest whose work is not done has nothing to measure"
)]

mod allocator;
mod arrays;
mod documents;
mod input;
mod measure;
mod memory;
mod patches;
mod persistent;
mod recording;
mod records;
mod report;

use std::{
    fs,
    io::{self, Write as _},
    path::PathBuf,
};

use clap::Parser;

use crate::{
    measure::{Effort, Row},
    report::Report,
};

#[global_allocator]
static ALLOCATOR: allocator::Counting = allocator::Counting;

/// Measures headwater-doc beside its rivals, and prints one table.
#[derive(Debug, Parser)]
struct Args {
    /// Does everything once, to see that it works; the figures mean nothing.
    #[arg(long)]
    quick: bool,

    /// One suite only.
    #[arg(long, value_parser = SUITES.map(|(name, _)| name))]
    only: Option<String>,

    /// Writes the figures to a file, too.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

/// Makes some rows of the table.
type Suite = fn(Effort) -> io::Result<Vec<Row>>;

const SUITES: [(&str, Suite); 11] = [
    ("snapshots", |effort| Ok(documents::snapshots(effort))),
    ("replacements", |effort| Ok(patches::replacements(effort))),
    ("commits", |effort| Ok(records::commits(effort))),
    ("batches", |effort| Ok(patches::batches(effort))),
    ("arrays", |effort| Ok(arrays::pairs(effort))),
    ("patch-text", |effort| Ok(patches::from_text(effort))),
    ("text", |effort| Ok(documents::text(effort))),
    ("differences", |effort| Ok(documents::differences(effort))),
    ("memory", |_| Ok(memory::tables())),
    ("real-memory", |_| memory::real_documents()),
    ("recording", recording::edits),
];

fn main() -> io::Result<()> {
    let args = Args::parse();
    let effort = if args.quick {
        Effort::QUICK
    } else {
        Effort::FULL
    };
    let mut rows = Vec::new();
    for (name, suite) in SUITES {
        if args.only.as_deref().is_none_or(|only| only == name) {
            let more = suite(effort)?;
            if more.is_empty() {
                writeln!(io::stderr(), "{name} skipped: no test data")?;
            }
            rows.extend(more);
        }
    }
    let report = Report {
        rows,
        quick: args.quick,
    };
    write!(io::stdout().lock(), "{report}")?;
    if let Some(file) = args.json {
        fs::write(file, format!("{:#}\n", report.to_json()))?;
    }
    Ok(())
}
