use std::{
    env,
    fmt::{self, Write as _},
    fs::File,
    io::{self, Read as _},
    ops::Range,
    path::{Path, PathBuf},
    sync::Arc,
};

use flate2::read::MultiGzDecoder;
use headwater::{Engine, Key};
use headwater_doc::{Extensions, Limits, Operation, Patch, Pointer, Value};
use sha2::{Digest as _, Sha256};

/// A recorded session of typing: all edits, and the text that they lead to. All of it is ASCII, so that
/// a character is a byte.
#[derive(Clone, Debug)]
pub struct TextTrace {
    /// One after another, of an empty text.
    pub edits: Vec<Edit>,
    /// What they make of it.
    pub end: String,
}

impl TextTrace {
    /// Reads a sequential trace of the editing-traces collection from the test data; `None` where that
    /// is absent.
    ///
    /// # Errors
    ///
    /// What reading the file reports; `InvalidData` if it is no such trace.
    pub fn read(name: &str) -> io::Result<Option<Self>> {
        read(name, Self::parse)
    }

    /// Its first edits, and what they lead to.
    #[must_use]
    pub fn first(mut self, edits_max: usize) -> Self {
        self.edits.truncate(edits_max);
        self.end = replayed(&self.edits).unwrap_or_default();
        self
    }

    fn parse(text: &str) -> Option<Self> {
        let trace = Value::parse(text.as_bytes(), &Limits::NONE).ok()?;
        let mut edits = Vec::new();
        for transaction in member(&trace, "txns")?.as_array()? {
            for patch in member(transaction, "patches")?.as_array()? {
                edits.push(Edit::of(patch)?);
            }
        }
        let end = member(&trace, "endContent")?.as_str()?.into_owned();
        (replayed(&edits)? == end).then_some(Self { edits, end })
    }
}

/// What edits make of an empty text; `None` if one of them is not within it.
fn replayed(edits: &[Edit]) -> Option<String> {
    let mut text = String::new();
    for edit in edits {
        text.get(edit.range.clone())?;
        text.replace_range(edit.range.clone(), &edit.insert);
    }
    Some(text)
}

/// One keystroke, or one cut or paste.
#[derive(Clone, Debug)]
pub struct Edit {
    /// What is removed.
    pub range: Range<usize>,
    /// What comes to where it was.
    pub insert: String,
}

impl Edit {
    /// From `[index, how many are removed, what is inserted]`.
    fn of(patch: &Value) -> Option<Self> {
        let patch = patch.as_array()?;
        let number = |index| usize::try_from(patch.get(index)?.as_u64()?).ok();
        let (start, removed) = (number(0)?, number(1)?);
        Some(Self {
            range: start..start + removed,
            insert: patch.get(2)?.as_str()?.into_owned(),
        })
    }

    /// The same, to a document that is the text.
    #[must_use]
    pub fn to_patch(&self) -> Patch {
        Patch::from(vec![Operation::Splice {
            path: Pointer::root(),
            index: self.range.start,
            remove: self.range.len(),
            insert: Value::from(self.insert.as_str()),
        }])
    }
}

/// A recorded session of JSON patches: a document, the batches that were applied to it, and what they
/// lead to.
#[derive(Clone, Debug)]
pub struct PatchTrace {
    /// The document before the first batch.
    pub base: Value,
    /// One after another.
    pub batches: Vec<Arc<Patch>>,
    /// The document after the last batch, with the digest that was recorded of it.
    pub end: Value,
}

impl PatchTrace {
    /// Reads JSON lines of the format `rfc6902-trace/1` from the test data; `None` where that is absent.
    ///
    /// # Errors
    ///
    /// What reading the file reports; `InvalidData` if it is no such trace, or does not lead to where it
    /// says.
    pub fn read(name: &str) -> io::Result<Option<Self>> {
        read(name, Self::parse)
    }

    /// Commits one batch after another to a document that comes and goes.
    #[expect(
        clippy::expect_used,
        clippy::missing_panics_doc,
        reason = "a workload that does not work has nothing to measure"
    )]
    pub fn replay(&self, engine: &Engine, key: &Key) {
        let created = engine.create(key, self.base.clone());
        created.expect("a new key");
        for patch in &self.batches {
            let applied = engine.apply(key, Arc::clone(patch));
            applied.expect("it was applied when it was read");
        }
        let last = engine.remove(key).expect("it is there");
        assert_eq!(last.position.version.0, self.batches.len() as u64);
        assert!(last.root == self.end);
    }

    fn parse(text: &str) -> Option<Self> {
        let mut lines = text.lines();
        let line = |text: &str| Value::parse(text.as_bytes(), &Limits::NONE).ok();
        let header = line(lines.next()?)?;
        let base = member(&header, "base")?.clone();
        let (mut end, mut batches) = (base.clone(), Vec::new());
        let mut digest = member(&header, "sha256")?.clone();
        for text in lines {
            let step = line(text)?;
            let patch = Patch::from_value(member(&step, "ops")?, Extensions::NONE).ok()?;
            patch.apply(&mut end, &Limits::default()).ok()?;
            digest = member(&step, "sha256")?.clone();
            batches.push(Arc::new(patch));
        }
        (sha256(&end) == digest.as_str()?).then_some(Self { base, batches, end })
    }
}

/// Where a file or folder of the test data is, which is no part of the project; `None` where it is
/// absent.
#[must_use]
pub fn data(name: &str) -> Option<PathBuf> {
    let root = env::var_os("HEADWATER_TEST_DATA").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data"),
        PathBuf::from,
    );
    Some(root.join(name)).filter(|path| path.exists())
}

/// Reads a file of the test data that is compressed with gzip.
fn read<T>(name: &str, parse: fn(&str) -> Option<T>) -> io::Result<Option<T>> {
    let Some(path) = data(name) else {
        return Ok(None);
    };
    let mut text = String::new();
    MultiGzDecoder::new(File::open(path)?).read_to_string(&mut text)?;
    let trace = parse(&text).ok_or_else(|| {
        let no_trace = format!("{name} is no such trace");
        io::Error::new(io::ErrorKind::InvalidData, no_trace)
    })?;
    Ok(Some(trace))
}

fn member<'a>(value: &'a Value, name: &str) -> Option<&'a Value> {
    value.at(&Pointer::root().child(name))
}

/// The SHA-256 of a value's canonical form, in lowercase hexadecimal digits.
fn sha256(value: &Value) -> String {
    let digest = Sha256::digest(value.canonical());
    let mut digits = String::with_capacity(64);
    for byte in digest {
        // Writing to a string cannot fail.
        let _infallible: fmt::Result = write!(digits, "{byte:02x}");
    }
    digits
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::builder;

    #[test]
    fn a_text_trace_is_its_edits_and_ends_where_it_says() {
        let trace = |end: &str| {
            TextTrace::parse(&format!(
                r#"{{"startContent":"","endContent":"{end}","txns":[{{"patches":[[0,0,"abc"]]}},{{"patches":[[1,1,"x"],[3,0,"d"]]}}]}}"#,
            ))
        };
        let read = trace("axcd").unwrap();
        assert_eq!(read.edits.len(), 3);
        let mut document = Value::from("");
        for edit in &read.edits {
            let patch = edit.to_patch();
            patch.apply(&mut document, &Limits::default()).unwrap();
        }
        assert_eq!(document.as_str().as_deref(), Some("axcd"));
        assert_eq!(read.first(2).end, "axc");
        assert!(trace("abcd").is_none());
    }

    #[test]
    fn a_patch_trace_is_its_batches_and_ends_with_its_digest() {
        let trace = |end: Value| {
            PatchTrace::parse(&format!(
                "{{\"base\":{{}},\"sha256\":\"\"}}\n\
                 {{\"ops\":[{{\"op\":\"add\",\"path\":\"/a\",\"value\":1}}],\"sha256\":\"{}\"}}",
                sha256(&end)
            ))
        };
        let read = trace([("a", Value::from(1))].into_iter().collect()).unwrap();
        assert_eq!(read.batches.len(), 1);
        assert_eq!(read.end.to_string(), r#"{"a":1}"#);
        let engine = builder().build().unwrap();
        let key = Key::new("session").unwrap();
        read.replay(&engine, &key);
        assert!(!engine.contains(&key));
        assert!(trace(Value::NULL).is_none());
    }

    #[test]
    fn a_recorded_session_is_read() -> io::Result<()> {
        let name = "traces/patch/fumbbl-1559380.ndjson.gz";
        match PatchTrace::read(name)? {
            Some(trace) => assert_eq!(trace.batches.len(), 3_597),
            None => println!("skipped: no test data"),
        }
        Ok(())
    }
}
