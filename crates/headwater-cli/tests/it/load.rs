//! `headwater load`, from the outside. Nothing here depends on how fast the machine is: gates are on
//! accounting, or such that nothing could pass them.

use std::{
    fs,
    path::PathBuf,
    process::{Command, Output},
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
    Command::new(env!("CARGO_BIN_EXE_headwater"))
        .arg("load")
        .args(SMALL)
        .args(arguments)
        .output()
        .unwrap()
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
    let arguments = [
        "load",
        "--unthrottled",
        "--duration",
        "0.3",
        "--documents",
        "4",
    ];
    let more = ["--clients", "4", "--loss", "0.01", "--json", "-", "--quiet"];
    let output = Command::new(env!("CARGO_BIN_EXE_headwater"))
        .args(arguments)
        .args(more)
        .output()
        .unwrap();
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

#[test]
fn json_in_a_file_has_the_figures_with_the_configuration_beside_the_table() {
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("load.json");
    let output = load(&["--seed", "9", "--json", path.to_str().unwrap()]);
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
    let text = String::from_utf8(output.stdout.clone()).unwrap();
    assert_eq!(text.lines().last(), Some("passed"));
    for word in ["unaccounted", "p99.9", "delivered", "history", "conflated"] {
        assert!(text.contains(word), "{word}: {text}");
    }
    assert!(
        stderr(&output).contains("/s applied"),
        "a line a second: {}",
        stderr(&output)
    );
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
        let output = Command::new(env!("CARGO_BIN_EXE_headwater"))
            .arg("load")
            .args(wrong)
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(2), "{wrong:?}");
        assert!(stderr(&output).contains(wrong[1]), "{}", stderr(&output));
    }
    let output = load(&["--unthrottled"]);
    assert_eq!(output.status.code(), Some(2), "a rate and none");
}
