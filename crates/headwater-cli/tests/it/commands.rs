use std::{
    fs,
    io::Write as _,
    path::PathBuf,
    process::{Command, Stdio},
};

use crate::arena;

/// What a run of the program came to.
#[derive(Debug, PartialEq, Eq)]
struct Run {
    status: i32,
    stdout: String,
    stderr: String,
}

impl Run {
    fn done(stdout: &str) -> Self {
        Self {
            status: 0,
            stdout: stdout.to_owned(),
            stderr: String::new(),
        }
    }

    fn failed(status: i32, stderr: &str) -> Self {
        Self {
            status,
            stdout: String::new(),
            stderr: stderr.to_owned(),
        }
    }
}

/// A folder in which a test runs the program.
struct Folder(PathBuf);

impl Folder {
    /// An empty folder; each test has one of its own name.
    fn new(test: &str) -> Self {
        let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(test);
        if path.exists() {
            fs::remove_dir_all(&path).unwrap();
        }
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn file(self, name: &str, text: impl AsRef<[u8]>) -> Self {
        fs::write(self.0.join(name), text).unwrap();
        self
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_headwater"));
        command
            .current_dir(&self.0)
            .args(args)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    fn run(&self, args: &[&str]) -> Run {
        self.run_with(args, "")
    }

    fn run_with(&self, args: &[&str], stdin: &str) -> Run {
        let mut child = self.command(args).spawn().unwrap();
        child
            .stdin
            .take()
            .unwrap()
            .write_all(stdin.as_bytes())
            .unwrap();
        let output = child.wait_with_output().unwrap();
        Run {
            status: output.status.code().unwrap(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

const DOC: &str = r#"{"b": [1, 2.50], "a": {"hp": 10}}"#;

#[test]
fn patch_prints_the_canonical_form_of_the_patched_document() {
    let folder = Folder::new("patch_prints").file("doc.json", DOC).file(
        "patch.json",
        r#"[{"op": "replace", "path": "/a/hp", "value": 7.0},
            {"op": "add", "path": "/b/-", "value": "é"}]"#,
    );
    assert_eq!(
        folder.run(&["patch", "doc.json", "patch.json"]),
        Run::done("{\"a\":{\"hp\":7},\"b\":[1,2.5,\"é\"]}\n")
    );
}

#[test]
fn pretty_output_is_indented_by_two_spaces() {
    let folder = Folder::new("pretty")
        .file("doc.json", DOC)
        .file("patch.json", "[]");
    assert_eq!(
        folder.run(&["patch", "doc.json", "patch.json", "--pretty"]),
        Run::done("{\n  \"a\": {\n    \"hp\": 10\n  },\n  \"b\": [\n    1,\n    2.5\n  ]\n}\n")
    );
}

#[test]
fn either_text_of_a_command_can_come_from_standard_input() {
    let patch = r#"[{"op":"remove","path":"/b"}]"#;
    let folder = Folder::new("either_text")
        .file("doc.json", DOC)
        .file("patch.json", patch);
    let patched = Run::done("{\"a\":{\"hp\":10}}\n");
    assert_eq!(folder.run_with(&["patch", "-", "patch.json"], DOC), patched);
    assert_eq!(folder.run_with(&["patch", "doc.json", "-"], patch), patched);
    assert_eq!(
        folder.run_with(&["diff", "doc.json", "-"], &patched.stdout),
        Run::done("[{\"op\":\"remove\",\"path\":\"/b\"}]\n")
    );
}

#[test]
fn standard_input_cannot_be_read_twice() {
    let folder = Folder::new("stdin_twice");
    for command in ["patch", "diff"] {
        let run = folder.run(&[command, "-", "-"]);
        assert_eq!((run.status, run.stdout.as_str()), (2, ""));
        let mut lines = run.stderr.lines();
        assert_eq!(
            lines.next(),
            Some("error: standard input (-) can be read only once")
        );
        let usage = format!("Usage: headwater {command} [OPTIONS] ");
        assert!(lines.any(|line| line.starts_with(&usage)), "{}", run.stderr);
    }
}

#[test]
fn a_patch_that_does_not_apply_is_status_1() {
    let folder = Folder::new("not_apply").file("doc.json", DOC).file(
        "patch.json",
        r#"[{"op": "add", "path": "/c", "value": 1},
            {"op": "test", "path": "/a/hp", "value": 11}]"#,
    );
    assert_eq!(
        folder.run(&["patch", "doc.json", "patch.json"]),
        Run::failed(
            1,
            "headwater: patch.json: operation 1 at \"/a/hp\": another value is there\n\
             hint: operations count from 0; none of them was applied\n"
        )
    );
}

#[test]
fn a_text_that_is_no_patch_is_status_2() {
    let folder = Folder::new("no_patch").file("doc.json", DOC);
    let cases = [
        (
            r#"[{"op":"remove","path":"/a"},{"op":"remove"}]"#,
            "headwater: standard input: operation 1: no member \"path\"\n\
             hint: operations count from 0\n",
        ),
        (
            r#"[{"op":"rename","path":"/a"}]"#,
            "headwater: standard input: operation 0: unknown operation \"rename\"\n\
             hint: operations count from 0\n",
        ),
        (
            "{}",
            "headwater: standard input: a patch is an array of operations\n\
             hint: the document comes first: headwater patch DOC PATCH\n",
        ),
        (
            r#"[{"op":"increment","path":"/a/hp","by":1}]"#,
            "headwater: standard input: operation 0: the extension \"increment\" is not allowed \
             here\nhint: --extensions allows splice and increment\n",
        ),
        (
            "[\n  {\"op\" \"add\"}\n]",
            "headwater: standard input: expected ':' at line 2, column 9\n",
        ),
    ];
    for (patch, stderr) in cases {
        let run = folder.run_with(&["patch", "doc.json", "-"], patch);
        assert_eq!(run, Run::failed(2, stderr), "{patch}");
    }
}

#[test]
fn extensions_are_read_where_they_are_allowed() {
    let folder = Folder::new("extensions").file("doc.json", r#"{"hp": 10, "text": "helo"}"#);
    let patch = r#"[{"op":"increment","path":"/hp","by":-3},
        {"op":"splice","path":"/text","index":3,"remove":0,"insert":"l"}]"#;
    assert_eq!(
        folder.run_with(&["patch", "doc.json", "-", "--extensions"], patch),
        Run::done("{\"hp\":7,\"text\":\"hello\"}\n")
    );
}

#[test]
fn a_text_that_is_no_json_is_status_2() {
    let folder = Folder::new("no_json")
        .file("cut.json", "{\"a\": [1,\n")
        .file("twice.json", "{\"a\": 1,\n \"a\": 2}")
        .file("latin1.json", b"\"caf\xe9\"")
        .file("deep.json", "[".repeat(129));
    let cases = [
        ("cut.json", "unexpected end at line 2, column 1"),
        (
            "twice.json",
            "name \"a\" repeated in an object that ends at line 2, column 8",
        ),
        ("latin1.json", "not UTF-8 at line 1, column 5"),
        (
            "deep.json",
            "deeper than 128 containers at line 1, column 129",
        ),
    ];
    for (name, message) in cases {
        let stderr = format!("headwater: {name}: {message}\n");
        assert_eq!(folder.run(&["canon", name]), Run::failed(2, &stderr));
    }
}

#[test]
fn a_file_that_cannot_be_read_is_status_2() {
    let folder = Folder::new("unreadable").file("doc.json", DOC);
    let run = folder.run(&["diff", "doc.json", "none.json"]);
    assert_eq!((run.status, run.stdout.as_str()), (2, ""));
    let message = "headwater: none.json: cannot be read: ";
    assert!(run.stderr.starts_with(message), "{}", run.stderr);
    assert_eq!(run.stderr.lines().count(), 1);
}

#[test]
fn arguments_that_are_not_understood_are_status_2() {
    let folder = Folder::new("bad_arguments");
    let cases: [&[&str]; 7] = [
        &[],
        &["merge"],
        &["patch", "doc.json"],
        &["canon", "doc.json", "--md5"],
        &["replay", "--loss", "1"],
        &["replay", "--slow", "101"],
        &["replay", "--as", "tree"],
    ];
    for args in cases {
        let run = folder.run(args);
        assert_eq!((run.status, run.stdout.as_str()), (2, ""), "{args:?}");
        assert!(run.stderr.contains("Usage: headwater") || run.stderr.contains("--help"));
    }
}

#[test]
fn help_and_version_are_status_0() {
    let folder = Folder::new("help");
    for command in ["patch", "diff", "canon", "replay"] {
        let run = folder.run(&[command, "--help"]);
        assert_eq!((run.status, run.stderr.as_str()), (0, ""));
        assert!(
            run.stdout
                .contains(&format!("Examples:\n  headwater {command}"))
        );
    }
    let version = format!("headwater {}\n", env!("CARGO_PKG_VERSION"));
    assert_eq!(folder.run(&["--version"]), Run::done(&version));
}

#[test]
fn merge_prints_the_merged_document() {
    let folder = Folder::new("merge")
        .file("doc.json", r#"{"a": {"b": 1, "c": 2}, "d": [1]}"#)
        .file(
            "patch.json",
            r#"{"a": {"b": null, "e": {"f": null, "g": 3}}, "d": {"h": 1}}"#,
        )
        .file("bad.json", "{");
    let merged = "{\"a\":{\"c\":2,\"e\":{\"g\":3}},\"d\":{\"h\":1}}\n";
    assert_eq!(
        folder.run(&["merge", "doc.json", "patch.json"]),
        Run::done(merged)
    );
    let from_stdin = folder.run_with(&["merge", "doc.json", "-"], "null");
    assert_eq!(from_stdin, Run::done("null\n"));
    assert_eq!(folder.run(&["merge", "doc.json", "bad.json"]).status, 2);
    assert_eq!(folder.run(&["merge", "-", "-"]).status, 2);
}

#[test]
fn diff_prints_a_patch_that_leads_to_the_new_document() {
    let old = r#"{"cards": ["one", "three"], "open": true, "title": "numbers"}"#;
    let new = r#"{"cards": ["one", "two", "three"], "title": "numbers"}"#;
    let folder = Folder::new("diff")
        .file("old.json", old)
        .file("new.json", new);
    let diff = folder.run(&["diff", "old.json", "new.json"]);
    assert_eq!(
        diff,
        Run::done(
            "[{\"op\":\"remove\",\"path\":\"/open\"},\
             {\"op\":\"add\",\"path\":\"/cards/1\",\"value\":\"two\"}]\n"
        )
    );
    assert_eq!(
        folder.run_with(&["patch", "old.json", "-"], &diff.stdout),
        Run::done("{\"cards\":[\"one\",\"two\",\"three\"],\"title\":\"numbers\"}\n")
    );
    assert_eq!(
        folder.run(&["diff", "new.json", "new.json"]),
        Run::done("[]\n")
    );
}

#[test]
fn diff_splices_only_where_it_may() {
    let text = |word: &str| format!("{:?}", format!("a {word} line{}", " and more".repeat(20)));
    let folder = Folder::new("diff_splice")
        .file("old.json", text("long"))
        .file("new.json", text("short"));
    assert_eq!(
        folder.run(&["diff", "old.json", "new.json"]),
        Run::done(&format!(
            "[{{\"op\":\"replace\",\"path\":\"\",\"value\":{}}}]\n",
            text("short")
        ))
    );
    assert_eq!(
        folder.run(&["diff", "old.json", "new.json", "--splice"]),
        Run::done(
            "[{\"index\":2,\"insert\":\"short\",\"op\":\"splice\",\"path\":\"\",\"remove\":4}]\n"
        )
    );
}

#[test]
fn canon_prints_the_canonical_bytes_and_no_more() {
    let folder = Folder::new("canon").file(
        "doc.json",
        "{ \"\u{fb33}\": 1E30, \"\u{1f600}\": [4.50, 2e-3, 1.0], \"\\u0061\": \"\\u20ac\\/\" }\n",
    );
    assert_eq!(
        folder.run(&["canon", "doc.json"]),
        Run::done("{\"a\":\"€/\",\"\u{1f600}\":[4.5,0.002,1],\"\u{fb33}\":1e+30}")
    );
}

#[test]
fn canon_prints_the_sha256_of_the_canonical_form() {
    let folder = Folder::new("canon_sha256");
    let empty = "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a\n";
    assert_eq!(
        folder.run_with(&["canon", "--sha256", "-"], " { } "),
        Run::done(empty)
    );

    let lines = arena::lines();
    let header: serde_json::Value = serde_json::from_str(lines.lines().next().unwrap()).unwrap();
    let digest = format!("{}\n", header["sha256"].as_str().unwrap());
    let base = header["base"].to_string();
    assert_eq!(
        folder.run_with(&["canon", "-", "--sha256"], &base),
        Run::done(&digest)
    );
}

#[test]
fn a_reader_that_has_seen_enough_is_no_failure() {
    let folder = Folder::new("broken_pipe");
    let mut child = folder.command(&["canon", "-"]).spawn().unwrap();
    // The program writes nothing before it has read all, so that the pipe is closed by then.
    drop(child.stdout.take());
    let text = format!("[{}0]", "0,".repeat(100_000));
    child
        .stdin
        .take()
        .unwrap()
        .write_all(text.as_bytes())
        .unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(
        (output.status.code(), output.stderr.as_slice()),
        (Some(0), &[][..])
    );
}
