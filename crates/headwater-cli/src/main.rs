//! The program `headwater`: replays recorded sessions, and patches, compares and canonicalizes JSON
//! documents.
//!
//! The exit status is 0 if what was asked for is done, 1 if it was understood but did not hold (a
//! patch does not apply, a replay diverges, a gate of a load fails), and 2 if it was not understood.

mod args;
mod canon;
mod diff;
mod failure;
mod input;
mod load;
mod merge;
mod output;
mod patch;
mod replay;

use std::process::ExitCode;

use crate::args::Command;

fn main() -> ExitCode {
    let result = match args::parse().command {
        Command::Patch(args) => patch::run(&args),
        Command::Merge(args) => merge::run(&args),
        Command::Diff(args) => diff::run(&args),
        Command::Canon(args) => canon::run(&args),
        Command::Replay(args) => replay::run(&args),
        Command::Load(args) => load::run(&args),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}
