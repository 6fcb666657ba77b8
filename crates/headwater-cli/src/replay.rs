//! `headwater replay`: plays recorded sessions through the engine the way clients would.

mod audience;
mod check;
mod entry;
mod link;
mod memory;
mod play;
mod report;
mod sender;
mod sizing;
mod trace;

use std::io::{self, IsTerminal as _, Write as _};

use headwater::Value;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use self::{
    play::{PlayError, play},
    report::Report,
    sizing::Sizing,
    trace::Trace,
};
use crate::{args::ReplayArgs, failure::Failure};

/// Plays each trace; goes on to the next also where one does not converge.
pub(crate) fn run(args: &ReplayArgs) -> Result<(), Failure> {
    let mut reports = Vec::new();
    let mut failures = Vec::new();
    if args.traces.is_empty() {
        let trace = Trace::embedded().map_err(Failure::not_understood)?;
        replay(trace, args, &mut reports, &mut failures)?;
    }
    for path in &args.traces {
        let trace = Trace::open(path, args.as_).map_err(|error| {
            Failure::not_understood(format_args!("{}: {error}", path.display()))
        })?;
        replay(trace, args, &mut reports, &mut failures)?;
    }
    let verdict = verdict(reports.len(), &failures, args);
    if args.json {
        let value: Value = [
            ("converged", Value::from(failures.is_empty())),
            ("verdict", Value::from(verdict.as_str())),
            ("replays", reports.iter().map(Report::to_value).collect()),
            (
                "failures",
                failures
                    .iter()
                    .map(|failure| Value::from(failure.as_str()))
                    .collect(),
            ),
        ]
        .into_iter()
        .collect();
        print(format_args!("{value}\n"))?;
    } else {
        print(format_args!("{verdict}\n"))?;
    }
    if failures.is_empty() {
        Ok(())
    } else {
        Err(Failure::did_not_hold(failures.join("; ")))
    }
}

fn replay(
    trace: Trace,
    args: &ReplayArgs,
    reports: &mut Vec<Report>,
    failures: &mut Vec<String>,
) -> Result<(), Failure> {
    let name = trace.name.clone();
    let sizing = Sizing::of(&trace, args);
    let progress = Progress::start(&trace);
    memory::reset_peak();
    let played = play(trace, args, &sizing, &|checked| progress.set(checked));
    progress.finish();
    match played {
        Ok(played) => {
            let report = Report {
                trace: name,
                via: args.via,
                sizing,
                played,
                peak_bytes: memory::peak_bytes(),
            };
            if !args.json {
                let mut text = Vec::new();
                report.print(&mut text).map_err(Failure::not_understood)?;
                print(format_args!("{}", String::from_utf8_lossy(&text)))?;
            }
            reports.push(report);
        }
        Err(
            error @ (PlayError::Config(_)
            | PlayError::Create(_)
            | PlayError::Key(_)
            | PlayError::Sessions(_)),
        ) => return Err(Failure::not_understood(format_args!("{name}: {error}"))),
        Err(error) => failures.push(format!("{name}: {error}")),
    }
    Ok(())
}

/// The one line that says whether everything converged.
fn verdict(converged: usize, failures: &[String], args: &ReplayArgs) -> String {
    let all = converged + failures.len();
    let subscribers = args.subscribers;
    if failures.is_empty() {
        format!(
            "converged: {all} of {all} replayed, every version as recorded, {subscribers} replicas \
             each byte for byte as the document (seed {})",
            args.seed
        )
    } else {
        format!(
            "FAILED: {} of {all} replayed (seed {})",
            failures.len(),
            args.seed
        )
    }
}

/// A bar on a terminal, a plain line otherwise; on standard error, so that results can be piped.
struct Progress(ProgressBar);

impl Progress {
    fn start(trace: &Trace) -> Self {
        let steps = trace.steps.len();
        let (name, clients) = (&trace.name, trace.clients);
        if !io::stderr().is_terminal() {
            let line = format!("{name}: {steps} batches of {clients} clients\n");
            let _nobody_reads_it = io::stderr().write_all(line.as_bytes());
        }
        let bar = ProgressBar::with_draw_target(
            Some(steps as u64),
            ProgressDrawTarget::stderr_with_hz(10),
        );
        let style = ProgressStyle::with_template("{msg} {wide_bar} {pos}/{len} {eta}");
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        bar.set_message(name.clone());
        Self(bar)
    }

    fn set(&self, checked: u64) {
        self.0.set_position(checked);
    }

    fn finish(&self) {
        self.0.finish_and_clear();
    }
}

fn print(text: std::fmt::Arguments<'_>) -> Result<(), Failure> {
    crate::output::print(text)
}
