//! `headwater replay`, from the outside.

use std::{
    env, fs,
    io::{self, Read as _, Write as _},
    path::PathBuf,
    process::{Command, Output},
};

use flate2::read::MultiGzDecoder;
use serde_json::Value;

const BAD_LINK: [&str; 10] = [
    "--loss",
    "0.2",
    "--duplicate",
    "0.2",
    "--reorder",
    "32",
    "--subscribers",
    "16",
    "--slow",
    "50",
];

fn replay(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_headwater"))
        .arg("replay")
        .args(arguments)
        .output()
        .unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// The one JSON object that a replay printed, which must have converged.
fn converged(arguments: &[&str]) -> Value {
    let output = replay(&[arguments, &BAD_LINK, &["--json"]].concat());
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let result: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(result["converged"], true);
    for replay in result["replays"].as_array().unwrap() {
        let count = |name: &str| replay[name].as_u64().unwrap();
        let accounted = ["applied", "rejected", "duplicate", "told"].map(count);
        assert_eq!(
            count("received"),
            accounted.iter().sum::<u64>(),
            "P4: {replay}"
        );
        assert!(count("duplicate") > 0 && count("resent") > 0, "{replay}");
        assert!(count("held") > 0, "{replay}");
    }
    result
}

fn shared_data() -> Option<PathBuf> {
    let beside = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/data");
    let data = env::var_os("HEADWATER_TEST_DATA").map_or_else(|| beside.into(), PathBuf::from);
    if data.is_dir() {
        return Some(data);
    }
    assert_ne!(env::var("CI").as_deref(), Ok("true"), "no test data");
    // Past what the test runner keeps back, which of a test that passes would never be seen.
    let _best_effort = writeln!(io::stderr(), "skipped: no test data");
    None
}

/// The embedded recording with one line changed, as a file.
fn tampered(name: &str, line: usize, change: impl Fn(&str) -> String) -> PathBuf {
    let recording = concat!(env!("CARGO_MANIFEST_DIR"), "/data/arena.ndjson.gz");
    let mut text = String::new();
    MultiGzDecoder::new(&*fs::read(recording).unwrap())
        .read_to_string(&mut text)
        .unwrap();
    let mut lines: Vec<_> = text.lines().map(str::to_owned).collect();
    let changed = change(&lines[line]);
    assert_ne!(changed, lines[line], "the change takes effect");
    lines[line] = changed;
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
    fs::write(&path, lines.join("\n")).unwrap();
    path
}

#[test]
fn the_embedded_recording_converges_over_a_bad_link_in_both_kinds_of_lane() {
    for lane in ["shared", "client"] {
        let result = converged(&["--lane", lane, "--seed", "7"]);
        let replay = &result["replays"][0];
        let subscribers = replay["subscribers"].as_array().unwrap();
        assert_eq!(subscribers.len(), 16);
        let sum = |name: &str| -> u64 {
            subscribers
                .iter()
                .map(|subscriber| subscriber[name].as_u64().unwrap())
                .sum()
        };
        // Each way to be brought up to date was taken; by a snapshot, where the slow ones are far behind.
        assert!(sum("frames") > 0 && sum("squashes") > 0, "{replay}");
        let at_first = 16;
        assert!(sum("snapshots") > at_first || lane == "client", "{replay}");
    }
}

#[test]
fn the_embedded_recording_converges_by_each_way_into_the_engine() {
    for lane in ["shared", "client"] {
        let by = |via: &str| {
            let result = converged(&["--via", via, "--lane", lane, "--seed", "7"]);
            let replay = &result["replays"][0];
            assert_eq!(replay["via"], via);
            ["applied", "told"].map(|name| replay[name].as_u64().unwrap())
        };
        let [applied, told] = by("direct");
        for via in ["queued", "tick"] {
            let [queued_applied, queued_told] = by(via);
            assert_eq!(queued_applied, applied);
            // A queue was full at times, and what was refused there arrived in the end.
            assert!(queued_told > told, "{via}, {lane}: {queued_told}, {told}");
        }
    }
}

#[test]
fn the_same_seed_plays_the_same_faults() {
    let without_times = |via| {
        let mut result = converged(&["--seed", "3", "--via", via]);
        let replay = result["replays"][0].as_object_mut().unwrap();
        replay.retain(|name, _| !name.contains("second") && !name.ends_with("_ns"));
        replay.remove("peak_bytes");
        result
    };
    for via in ["direct", "tick"] {
        assert_eq!(without_times(via), without_times(via));
    }
}

#[test]
fn a_way_into_the_engine_that_is_none_is_not_understood() {
    let output = replay(&["--via", "carrier-pigeon"]);
    assert_eq!(output.status.code(), Some(2));
    let message = stderr(&output);
    assert!(message.contains("direct, queued, tick"), "{message}");
}

#[test]
fn the_table_says_what_happened_in_one_last_line() {
    let output = replay(&[]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let text = String::from_utf8(output.stdout).unwrap();
    for word in [
        "received",
        "resent",
        "p99.9",
        "commits/s",
        "peak memory",
        "snapshots",
    ] {
        assert!(text.contains(word), "{word}: {text}");
    }
    let last = text.lines().last().unwrap();
    assert!(last.starts_with("converged: 1 of 1 replayed"), "{last}");
}

#[test]
fn a_wrong_digest_is_named_by_its_version_with_what_was_expected_and_got() {
    let path = tampered("wrong-digest.ndjson", 41, |line| {
        let (before, digest) = line.split_at(line.rfind("\"sha256\":\"").unwrap() + 10);
        let (digest, after) = digest.split_at(64);
        format!(
            "{before}{}{after}",
            digest.chars().rev().collect::<String>()
        )
    });
    for (lane, via) in [
        ("shared", "direct"),
        ("client", "direct"),
        ("shared", "queued"),
        ("shared", "tick"),
    ] {
        let path = path.to_str().unwrap();
        let output = replay(&[path, "--lane", lane, "--via", via, "--reorder", "8"]);
        assert_eq!(output.status.code(), Some(1));
        let message = stderr(&output);
        assert!(
            message.contains("version 41 diverged: expected "),
            "{message}"
        );
        assert!(message.contains(", got "), "{message}");
    }
}

#[test]
fn a_step_that_does_not_apply_is_named_by_its_version() {
    let path = tampered("bad-step.ndjson", 17, |line| {
        line.replace(
            "\"ops\":[",
            r#""ops":[{"op":"remove","path":"/no/such/place"},"#,
        )
    });
    let output = replay(&[path.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(1));
    let message = stderr(&output);
    assert!(
        message.contains("version 17: expected batch 17"),
        "{message}"
    );
    assert!(message.contains("nothing is there"), "{message}");
}

/// The inverse of a small removal is as large as what it removed. The history was once sized by the
/// batches alone: versions that one late batch let through were gone before they could be checked, and
/// a trace that was right was called divergent.
#[test]
fn small_batches_with_large_inverses_stay_in_the_history_until_they_are_checked() {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR"));
    let digest = |document: &str| {
        let path = folder.join("large-inverse-document.json");
        fs::write(&path, document).unwrap();
        let output = Command::new(env!("CARGO_BIN_EXE_headwater"))
            .args(["canon", "--sha256"])
            .arg(path)
            .output()
            .unwrap();
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    };
    let large = "x".repeat(1 << 20);
    let base = format!(r#"{{"a":"{large}"}}"#);
    let copied = format!(r#"{{"a":"{large}","b":"{large}"}}"#);
    let (without, with) = (digest(&base), digest(&copied));
    let header = format!(r#"{{"format":"rfc6902-trace/1","base":{base},"sha256":"{without}"}}"#);
    let steps = (1..=60).map(|seq| {
        let (op, digest) = if seq % 2 == 1 {
            (r#"{"op":"copy","from":"/a","path":"/b"}"#, &with)
        } else {
            (r#"{"op":"remove","path":"/b"}"#, &without)
        };
        format!(r#"{{"seq":{seq},"ops":[{op}],"sha256":"{digest}"}}"#)
    });
    let trace: Vec<_> = [header].into_iter().chain(steps).collect();
    let path = folder.join("large-inverse.ndjson");
    fs::write(&path, trace.join("\n")).unwrap();
    converged(&[path.to_str().unwrap()]);
}

#[test]
fn a_file_that_is_no_trace_is_not_understood() {
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("no-trace.json");
    for (text, reason) in [
        ("{}", "neither an rfc6902-trace/1 nor a text trace"),
        ("[1,", "unexpected end at byte 3"),
        (r#"{"format":"rfc6902-trace/1"}"#, "line 1: no \"base\""),
        ("\u{1f}\u{8b}", "byte 0"),
    ] {
        fs::write(&path, text).unwrap();
        let output = replay(&[path.to_str().unwrap()]);
        assert_eq!(output.status.code(), Some(2), "{text}");
        let message = stderr(&output);
        assert!(message.contains(reason), "{text}: {message}");
        assert!(message.contains("no-trace.json"), "{message}");
    }
    let output = replay(&["no/such/file"]);
    assert_eq!(output.status.code(), Some(2));
}

/// P10: some 90 bytes of a trace had the program ask for memory without end, and panic or abort, since an
/// operation was made of each character that was said to be taken, and positions were counted on past the last.
#[test]
fn a_recorded_text_whose_edits_lie_outside_of_it_is_not_understood() {
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("outside.json");
    let traced = |patches: &str, form: &str| {
        let text = format!(
            r#"{{"startContent":"aé","endContent":"","txns":[{{"patches":[{patches}]}}]}}"#
        );
        fs::write(&path, text).unwrap();
        replay(&[path.to_str().unwrap(), "--as", form])
    };
    for form in ["array", "splice"] {
        for patches in [
            r#"[0,18446744073709551615,""]"#,
            r#"[0,1000000000000,""]"#,
            r#"[18446744073709551615,0,"xy"]"#,
            r#"[18446744073709551615,1,"xy"]"#,
            // By one, the first edit of the transaction counted.
            r#"[0,1,"éé"],[1,3,""]"#,
            r#"[2,0,"x"],[4,0,"y"]"#,
        ] {
            let output = traced(patches, form);
            assert_eq!(output.status.code(), Some(2), "{patches}");
            let message = stderr(&output);
            assert!(message.contains("transaction 1 is not"), "{message}");
        }
        // The last that lie in it.
        let output = traced(r#"[0,1,"éé"],[1,2,""],[1,0,"x"]"#, form);
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    }
}

#[test]
fn a_recorded_game_and_a_recorded_text_converge() {
    let Some(data) = shared_data() else { return };
    let game = data.join("traces/patch/fumbbl-1559380.ndjson.gz");
    converged(&[game.to_str().unwrap()]);
    let text = data.join("traces/text/sequential/sveltecomponent.json.gz");
    for form in ["splice", "array"] {
        converged(&[text.to_str().unwrap(), "--as", form]);
    }
}
