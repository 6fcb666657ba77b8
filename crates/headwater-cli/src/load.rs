//! `headwater load`: loads an engine as clients and subscribers would, and judges how it does.

mod agenda;
mod bell;
mod findings;
mod follower;
mod lane;
mod ledger;
mod link;
mod meter;
mod monitor;
pub(crate) mod options;
mod plan;
mod process;
mod reader;
mod report;
mod schedule;
mod sender;
mod stage;
mod traffic;
mod units;
mod view;
mod wire;

use std::{fs, path::Path};

use self::{options::LoadArgs, plan::Plan, report::Report, stage::Stage, view::View};
use crate::{failure::Failure, input::is_standard_input, output::print};

/// Loads an engine, says what came of it, and fails where a gate does not hold.
pub(crate) fn run(args: &LoadArgs) -> Result<(), Failure> {
    let plan = Plan::new(args);
    let view = View::new(args.quiet, &plan.to_string());
    let stage = Stage::new(&plan).map_err(Failure::not_understood)?;
    let findings = stage.run(&view);
    view.close();
    let findings = findings.map_err(Failure::not_understood)?;
    let failures = findings.failures(args);
    let report = Report {
        plan: &plan,
        findings: &findings,
        failures: &failures,
    };
    match &args.json {
        Some(path) if is_standard_input(path) => print(format_args!("{}\n", report.to_value()))?,
        Some(path) => {
            write(path, &report)?;
            print(&report)?;
        }
        None => print(&report)?,
    }
    if failures.is_empty() {
        Ok(())
    } else {
        Err(Failure::did_not_hold(failures.join("; ")))
    }
}

fn write(path: &Path, report: &Report<'_>) -> Result<(), Failure> {
    fs::write(path, format!("{:#}\n", report.to_value())).map_err(|error| {
        Failure::not_understood(format_args!(
            "{}: cannot be written: {error}",
            path.display()
        ))
    })
}
