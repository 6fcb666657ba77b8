//! `headwater load`, from the outside. Nothing here depends on how fast the machine is: gates are on
//! accounting, or such that nothing could pass them.

use std::{
    fs,
    path::PathBuf,
    process::{Command, Output},
};
#[cfg(unix)]
use std::{
    io::{BufRead as _, BufReader},
    process::Stdio,
};

use serde_json::Value;

const SMALL: [&str; 12] = [
    "--duration",
    "1",
    "--rate",
    "500",
    "--clients",
    "20",
    "--documents",
    "10",
    "--subscribers",
    "20",
    "--threads",
    "2",
];

fn load(arguments: &[&str]) -> Output {
    program(&[&SMALL[..], arguments].concat())
}

fn program(arguments: &[&str]) -> Output {
    command(arguments).output().unwrap()
}

fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_headwater"));
    command.arg("load").args(arguments);
    command
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// The figures of a load that must have passed, with the promises that hold for each checked.
fn passed(arguments: &[&str]) -> Value {
    let output = load(&[arguments, &["--quiet", "--json", "-"]].concat());
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert_eq!(stderr(&output), "");
    let figures: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(figures["passed"], true);
    let (counts, engine) = (&figures["counts"], &figures["engine"]);
    let count = |from: &Value, name: &str| from[name].as_u64().unwrap_or_else(|| panic!("{name}"));
    assert_eq!(count(counts, "unaccounted"), 0, "P4");
    assert_eq!(count(counts, "unsent"), 0);
    assert_eq!(count(counts, "subscribers_failed"), 0, "P5");
    let decided = ["applied", "rejected", "refused"].map(|name| count(counts, name));
    assert_eq!(count(counts, "sent"), decided.iter().sum::<u64>(), "P4");
    assert_eq!(count(counts, "applied"), count(counts, "versions"), "P1");
    let parts = ["applied", "rejected", "duplicate", "held", "told"];
    let parts = parts.map(|name| count(engine, name));
    assert_eq!(count(engine, "received"), parts.iter().sum::<u64>(), "P4");
    assert_eq!(count(engine, "received"), count(counts, "handed_in"));
    assert!(count(counts, "applied") > 0 && count(counts, "frames") > 0);
    figures
}

#[test]
fn a_small_load_passes_over_bad_links_and_loses_nothing() {
    let bad = ["--loss", "0.1", "--reorder", "0.1", "--slow", "25"];
    for via in ["direct", "queued"] {
        let figures = passed(&[&bad[..], &["--via", via]].concat());
        let count = |name: &str| figures["counts"][name].as_u64().unwrap();
        assert!(count("lost") > 0 && count("delayed") > 0 && count("resent") > 0);
        assert!(count("conflated") > 0, "slow subscribers skip versions");
        assert_eq!(figures["configuration"]["via"], via);
    }
}

#[test]
fn a_load_without_a_rate_passes() {
    let arguments = ["--unthrottled", "--duration", "0.3", "--documents", "4"];
    let more = ["--clients", "4", "--loss", "0.01", "--json", "-", "--quiet"];
    let output = program(&[&arguments[..], &more].concat());
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let figures: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(figures["counts"]["unaccounted"], 0);
    assert_eq!(figures["configuration"]["rate"], Value::Null);
}

#[test]
fn documents_rest_and_are_followed_again_while_snapshots_are_held() {
    let rest = ["--shift", "0.3", "--snapshots", "20", "--cold-idle", "0.1"];
    let figures = passed(&[&rest[..], &["--document-bytes", "80KiB"]].concat());
    assert!(figures["counts"]["snapshots_taken"].as_u64().unwrap() > 0);
    assert_eq!(figures["configuration"]["document_bytes"], 80 << 10);
}

#[test]
fn a_gate_that_cannot_hold_fails_and_is_named() {
    for gate in [["--max-p99", "1ns"], ["--max-memory", "1"]] {
        let output = load(&[&gate[..], &["--quiet"]].concat());
        assert_eq!(output.status.code(), Some(1));
        let text = String::from_utf8(output.stdout.clone()).unwrap();
        let last = text.lines().last().unwrap();
        assert!(last.starts_with("FAILED: "), "{last}");
        assert!(last.contains(gate[0]), "{last}");
        assert!(stderr(&output).contains(gate[0]), "{}", stderr(&output));
    }
}

/// A link that lets nothing through, and more operations than a lane may have under way: the engine is
/// not reached however fast it is, its client cannot send all that is due, and nothing is measured.
const VAIN: [&str; 16] = [
    "--loss",
    "0.999999999",
    "--rate",
    "1000",
    "--duration",
    "0.2",
    "--clients",
    "1",
    "--documents",
    "1",
    "--subscribers",
    "0",
    "--threads",
    "1",
    "--max-p99",
    "100s",
];

#[test]
fn a_load_whose_batches_never_arrive_fails_by_every_gate() {
    let output = program(&[&VAIN[..], &["--json", "-"]].concat());
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    let figures: Value = serde_json::from_slice(&output.stdout).unwrap();
    let failures: Vec<_> = figures["failures"].as_array().unwrap().iter().collect();
    for failure in [
        "--max-unaccounted 0: 32 batches are not accounted for",
        "--max-p99 100s: no outcome became known",
        "load: no batch reached the engine",
        "rate: 168 operations were due and could not be sent",
    ] {
        assert!(failures.iter().any(|one| *one == failure), "{failures:?}");
    }
    let gates = &figures["gates"];
    assert_eq!(gates["max_unaccounted"]["limit"], 0);
    assert_eq!(gates["max_unaccounted"]["found"], 32);
    assert_eq!(gates["max_unaccounted"]["held"], false);
    assert_eq!(gates["max_p99_ns"]["limit"], 100_000_000_000_u64);
    assert_eq!(gates["max_p99_ns"]["found"], Value::Null);
    assert_eq!(figures["latency_ns"]["due_to_known"]["p99"], Value::Null);
    let shown = stderr(&output);
    let lines: Vec<_> = shown
        .lines()
        .filter(|line| line.contains("/s applied"))
        .collect();
    assert!(
        lines.iter().all(|line| line.contains("nothing known")),
        "{shown}"
    );
    let samples = figures["samples"].as_array().unwrap().len();
    assert_eq!(
        lines.len() + 1,
        samples,
        "nothing of what came after the last second"
    );
}

#[test]
fn json_in_a_file_has_the_figures_with_the_configuration_beside_the_table() {
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("load.json");
    let output = load(&[
        "--seed",
        "9",
        "--max-memory",
        "64GiB",
        "--json",
        path.to_str().unwrap(),
    ]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let figures: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    assert_eq!(figures["configuration"]["seed"], 9);
    assert_eq!(figures["configuration"]["rate"], 500);
    for span in [
        "due_to_sent",
        "due_to_known",
        "due_to_known_undisturbed",
        "due_to_delivered",
    ] {
        let span = &figures["latency_ns"][span];
        for figure in ["count", "mean", "p50", "p95", "p99", "p99.9", "max"] {
            assert!(span[figure].as_f64().unwrap() > 0.0, "{figure}: {span}");
        }
    }
    for part in ["documents", "history", "lanes", "tables", "total"] {
        assert!(
            figures["memory_peak_bytes"][part].as_u64().unwrap() > 0,
            "{part}"
        );
    }
    assert!(!figures["samples"].as_array().unwrap().is_empty());
    assert_eq!(figures["interrupted_after_seconds"], Value::Null);
    let gates = &figures["gates"];
    assert_eq!(gates["max_memory_bytes"]["limit"], 64_u64 << 30);
    assert_eq!(gates["max_memory_bytes"]["held"], true);
    assert!(gates["max_memory_bytes"]["found"].as_u64().unwrap() > 0);
    assert_eq!(gates["max_p99_ns"], Value::Null, "it was not asked for");
    let text = String::from_utf8(output.stdout.clone()).unwrap();
    assert_eq!(text.lines().last(), Some("passed"));
    let words = [
        "unaccounted",
        "p99.9",
        "handed in to answered",
        "due to known",
        "due to delivered",
        "history",
        "conflated",
    ];
    for word in words {
        assert!(text.contains(word), "{word}: {text}");
    }
    #[cfg(target_os = "linux")]
    assert!(text.contains("process, resident"), "{text}");
    let shown = stderr(&output);
    assert!(shown.contains("/s applied"), "a line a second: {shown}");
    assert!(!shown.contains("p50 0 ns"), "{shown}");
}

#[test]
fn a_file_that_cannot_be_written_is_told_before_the_load() {
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("nowhere/load.json");
    let output = load(&["--json", path.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(2));
    let told = stderr(&output);
    assert!(
        told.contains("nowhere/load.json: cannot be written"),
        "{told}"
    );
    assert_eq!(told.lines().count(), 1, "nothing of a load: {told}");
}

/// A device on which nothing can be written, though it can be opened.
#[cfg(target_os = "linux")]
#[test]
fn what_cannot_be_written_in_the_end_is_printed_all_the_same() {
    let output = load(&["--quiet", "--json", "/dev/full"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("/dev/full: cannot be written"));
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(text.lines().last(), Some("passed"));
}

#[test]
fn documents_that_the_machine_cannot_hold_are_refused_before_the_load() {
    let output = program(&["--documents", "1000000", "--document-bytes", "1GiB"]);
    assert_eq!(output.status.code(), Some(2));
    let told = stderr(&output);
    assert!(told.contains("1000000 documents of 1.00 GiB"), "{told}");
    assert_eq!(told.lines().count(), 1, "nothing of a load: {told}");
}

/// Runs a load, and interrupts it each time that it has said the next of these.
#[cfg(unix)]
fn interrupted(arguments: &[&str], said: &[&str]) -> Output {
    let mut command = command(arguments);
    let mut child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    for said in said {
        let heard = lines.any(|line| line.unwrap().contains(said));
        assert!(heard, "{said}");
        let id = child.id().to_string();
        let killed = Command::new("kill").args(["-INT", &id]).status();
        assert!(killed.unwrap().success());
    }
    lines.for_each(drop);
    child.wait_with_output().unwrap()
}

#[cfg(unix)]
#[test]
fn an_interrupt_ends_a_load_early_with_its_figures_and_its_verdict() {
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("interrupted.json");
    let long = ["--duration", "60", "--rate", "500", "--shift", "0.5"];
    let json = ["--json", path.to_str().unwrap()];
    let output = interrupted(&[&long[..], &json].concat(), &["/s applied"]);
    assert_eq!(output.status.code(), Some(0));
    let figures: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    assert!(figures["interrupted_after_seconds"].as_f64().unwrap() < 60.0);
    assert_eq!(figures["counts"]["unsent"], 0);
    assert!(figures["counts"]["applied"].as_u64().unwrap() > 0);
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains("interrupted after "), "{text}");
    assert_eq!(text.lines().last(), Some("passed"));
}

/// What never arrives takes ten seconds to be given up.
#[cfg(unix)]
#[test]
fn a_second_interrupt_ends_the_program_at_once() {
    let long = ["--duration", "60"];
    let vain = VAIN.iter().copied();
    let vain = vain.filter(|word| !matches!(*word, "--duration" | "0.2"));
    let arguments: Vec<_> = vain.chain(long).collect();
    let output = interrupted(&arguments, &["nothing known", "again to end at once"]);
    assert_eq!(output.status.code(), Some(130));
    assert_eq!(String::from_utf8(output.stdout).unwrap(), "");
}

#[test]
fn an_option_beside_a_preset_overrides_it() {
    let output = load(&["--preset", "sustained", "--quiet", "--json", "-"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let figures: Value = serde_json::from_slice(&output.stdout).unwrap();
    let configuration = &figures["configuration"];
    assert_eq!(configuration["preset"], "sustained");
    assert_eq!(configuration["rate"], 500);
    assert_eq!(configuration["clients"], 20);
    assert_eq!(configuration["loss"], 0.01);
}

#[test]
fn what_is_not_understood_is_an_error_of_the_arguments() {
    for wrong in [
        ["--preset", "storm"],
        ["--max-p99", "5"],
        ["--max-memory", "5KB"],
        ["--document-bytes", "2GiB"],
        ["--loss", "1"],
        ["--duration", "0"],
    ] {
        let output = program(&wrong);
        assert_eq!(output.status.code(), Some(2), "{wrong:?}");
        assert!(stderr(&output).contains(wrong[1]), "{}", stderr(&output));
    }
    let output = load(&["--unthrottled"]);
    assert_eq!(output.status.code(), Some(2), "a rate and none");
}
