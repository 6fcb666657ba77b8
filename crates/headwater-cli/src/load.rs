//! `headwater load`: loads an engine as clients and subscribers would, and judges how it does.

mod agenda;
mod bell;
mod findings;
mod follower;
mod gates;
mod interrupt;
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

use std::{
    fs::File,
    io::{self, Write as _},
    path::Path,
};

use self::{
    gates::Gate, interrupt::Interrupt, options::LoadArgs, plan::Plan, process::machine_bytes,
    report::Report, stage::Stage, view::View,
};
use crate::{failure::Failure, input::is_standard_input, output::print};

/// Loads an engine, says what came of it, and fails where a gate does not hold.
pub(crate) fn run(args: &LoadArgs) -> Result<(), Failure> {
    let plan = Plan::new(args);
    plan.check_size(machine_bytes())
        .map_err(Failure::not_understood)?;
    // Whoever cannot have the figures in the end is told before the load, not after it.
    let json = match &args.json {
        Some(path) if !is_standard_input(path) => {
            let file = File::create(path).map_err(|error| not_written(path, &error))?;
            Some((path, file))
        }
        _ => None,
    };
    let view = View::new(args.quiet, &plan.to_string());
    let stage = Stage::new(&plan).map_err(Failure::not_understood)?;
    let interrupt = Interrupt::listen().map_err(|error| {
        Failure::not_understood(format_args!("interrupts cannot be heard: {error}"))
    })?;
    let findings = stage.run(&view, &interrupt);
    view.close();
    let findings = findings.map_err(Failure::not_understood)?;
    let gates = Gate::all(args, &findings);
    let failures = findings.failures(&gates);
    let report = Report {
        plan: &plan,
        findings: &findings,
        gates: &gates,
        failures: &failures,
    };
    let printed = if args.json.is_some() && json.is_none() {
        print(format_args!("{}\n", report.to_value()))
    } else {
        print(&report)
    };
    // Each is tried whatever becomes of the other.
    if let Some((path, mut file)) = json {
        let text = format!("{:#}\n", report.to_value());
        file.write_all(text.as_bytes())
            .map_err(|error| not_written(path, &error))?;
    }
    printed?;
    if failures.is_empty() {
        Ok(())
    } else {
        Err(Failure::did_not_hold(failures.join("; ")))
    }
}

fn not_written(path: &Path, error: &io::Error) -> Failure {
    Failure::not_understood(format_args!(
        "{}: cannot be written: {error}",
        path.display()
    ))
}
