//! How the cost of an operation grows with scale: measured, asserted, and drawn.

#![expect(
    clippy::expect_used,
    reason = "a measurement whose work is not done has nothing to measure"
)]

mod axis;
mod behind;
mod chart;
mod documents;
mod machine;
mod measure;
mod plot;
mod sizes;
mod subscribers;
mod threads;
mod unit;
mod workload;

use std::{
    fs,
    io::{self, Write as _},
    path::{Path, PathBuf},
};

use clap::Parser;
use serde_json::{Value, json};

use crate::{
    chart::Chart,
    measure::{Effort, Sizes},
    plot::Plot,
};

/// Measures how the cost of an operation grows with scale, and draws plots of it.
#[derive(Debug, Parser)]
struct Args {
    /// Does the two smallest sizes of each series once, to see that it works; the figures mean
    /// nothing.
    #[arg(long, requires = "out", conflicts_with = "huge")]
    quick: bool,

    /// One series only; leaves `scale.json` as it is.
    #[arg(long, value_parser = SERIES.map(|(name, _)| name))]
    only: Option<String>,

    /// Goes on to a document of 1 GiB, which takes 6 GB of memory.
    #[arg(long)]
    huge: bool,

    /// Where the plots go. Default docs/performance.
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

/// Measures one thing at several sizes.
type Series = fn(Effort) -> Vec<Chart>;

const SERIES: [(&str, Series); 5] = [
    ("documents", documents::charts),
    ("subscribers", subscribers::charts),
    ("sizes", sizes::charts),
    ("threads", threads::charts),
    ("behind", behind::charts),
];

/// Where the plots of record are, from wherever the program is run.
const OUT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/performance");

/// Two copies of the text of a document of 1 GiB, two of its value, which are less than 2 GB each, and
/// some to spare.
const HUGE_MEMORY: u64 = 8_000_000_000;

fn main() -> io::Result<()> {
    let args = Args::parse();
    if args.huge && machine::memory_available().is_some_and(|bytes| bytes < HUGE_MEMORY) {
        return Err(io::Error::other("--huge takes 8 GB of free memory"));
    }
    let effort = if args.quick {
        Effort::QUICK
    } else {
        Effort::FULL.up_to(if args.huge { Sizes::Huge } else { Sizes::Usual })
    };
    let out = args.out.as_deref().unwrap_or_else(|| Path::new(OUT));
    fs::create_dir_all(out)?;
    let machine = machine::name();
    let mut charts = Vec::new();
    for (name, series) in SERIES {
        if args.only.as_deref().is_none_or(|only| only == name) {
            for chart in series(effort) {
                write!(io::stdout().lock(), "{chart}")?;
                let plot = Plot {
                    chart: &chart,
                    machine: &machine,
                };
                fs::write(out.join(format!("{}.svg", chart.name)), format!("{plot}\n"))?;
                charts.push(chart);
            }
        }
    }
    if args.only.is_none() {
        let charts: Value = charts.iter().map(Chart::to_json).collect();
        let json = json!({"machine": machine, "quick": args.quick, "charts": charts});
        fs::write(out.join("scale.json"), format!("{json:#}\n"))?;
    }
    Ok(())
}
