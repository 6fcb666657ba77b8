use std::{
    fs::File,
    io::{self, Read},
    ops::Range,
    path::Path,
    sync::Arc,
};

use flate2::read::MultiGzDecoder;
use headwater::{Extensions, Limits, Operation, Patch, Pointer, Value};

use super::check::{Edit, Expected};
use crate::args::TextForm;

/// A recorded session, ready to be played: a document and the batches that were applied to it.
pub(crate) struct Trace {
    pub(crate) name: String,
    pub(crate) base: Value,
    pub(crate) steps: Vec<Step>,
    /// How many clients there are; each step names one of them by its number.
    pub(crate) clients: usize,
    /// What the document must be after each step.
    pub(crate) expected: Expected,
}

/// A batch of the recording.
pub(crate) struct Step {
    pub(crate) client: usize,
    pub(crate) patch: Arc<Patch>,
}

/// The session that the project recorded itself, so that the program has something to play.
const ARENA: &[u8] = include_bytes!("../../data/arena.ndjson.gz");

/// What is read of a trace: some twenty times the largest that there are, so that a file that is
/// something else, or inflates without end, is refused before it takes all memory.
const LIMITS: Limits = Limits {
    bytes: 256 << 20,
    nodes: 32 << 20,
    ..Limits::NONE
};

impl Trace {
    pub(crate) fn embedded() -> Result<Self, TraceError> {
        Self::read("arena (embedded)".to_owned(), ARENA, TextForm::Splice)
    }

    pub(crate) fn open(path: &Path, form: TextForm) -> Result<Self, TraceError> {
        let bytes = read_within_limit(File::open(path)?)?;
        let name = path.file_name().unwrap_or(path.as_os_str());
        Self::read(name.to_string_lossy().into_owned(), &bytes, form)
    }

    fn read(name: String, bytes: &[u8], form: TextForm) -> Result<Self, TraceError> {
        let text = inflate(bytes)?;
        let first = text.split(|&byte| byte == b'\n').next().unwrap_or_default();
        // A text trace is one JSON object; a patch trace has one in each line, the header first.
        match Value::parse(first, &LIMITS) {
            Ok(header) if header.at(&pointer("/txns")).is_some() => text_trace(name, &header, form),
            Ok(header) => patch_trace(name, &header, &text),
            Err(_) => text_trace(name, &Value::parse(&text, &LIMITS)?, form),
        }
    }

    /// The extensions that its batches use.
    pub(crate) fn extensions(&self) -> Extensions {
        let splice = self.steps.iter().any(|step| step.patch.extensions().splice);
        Extensions {
            splice,
            ..Extensions::NONE
        }
    }

    /// The runs of steps by one client: whose, and the range of step numbers.
    pub(crate) fn runs(&self) -> impl Iterator<Item = (usize, Range<usize>)> {
        let mut end = 0;
        let by_client = |left: &Step, right: &Step| left.client == right.client;
        self.steps.chunk_by(by_client).map(move |run| {
            let start = end;
            end += run.len();
            (run.first().map_or(0, |step| step.client), start..end)
        })
    }
}

fn inflate(bytes: &[u8]) -> io::Result<Vec<u8>> {
    if !bytes.starts_with(&[0x1f, 0x8b]) {
        return Ok(bytes.to_vec());
    }
    read_within_limit(MultiGzDecoder::new(bytes))
}

fn read_within_limit(source: impl Read) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    // One byte more than may be, so that what is cut off is told from what ends there.
    let limit = LIMITS.bytes + 1;
    source.take(limit).read_to_end(&mut bytes)?;
    if bytes.len() as u64 == limit {
        return Err(io::Error::other("more than 256 MiB"));
    }
    Ok(bytes)
}

/// Reads `rfc6902-trace/1`: JSON lines, a header and then a step each.
fn patch_trace(name: String, header: &Value, text: &[u8]) -> Result<Trace, TraceError> {
    let member = |value: &Value, path: &str| value.at(&pointer(path)).cloned();
    let format = member(header, "/format");
    if format.as_ref().and_then(Value::as_str).as_deref() != Some("rfc6902-trace/1") {
        return Err(TraceError::UnknownFormat);
    }
    let base = member(header, "/base").ok_or(TraceError::Missing {
        line: 1,
        member: "base",
    })?;
    let mut clients: Vec<String> = Vec::new();
    let mut steps = Vec::new();
    let mut digests = vec![digest(header, 1)?];
    let lines = text.split(|&byte| byte == b'\n').zip(1..).skip(1);
    for (text, line) in lines.filter(|(text, _)| !text.is_empty()) {
        let step = Value::parse(text, &LIMITS).map_err(|error| TraceError::Line {
            line,
            error: error.to_string(),
        })?;
        let client = member(&step, "/client");
        let client = client.as_ref().and_then(Value::as_str).unwrap_or_default();
        let client = clients
            .iter()
            .position(|known| *known == client)
            .unwrap_or_else(|| {
                clients.push(client.into_owned());
                clients.len() - 1
            });
        let ops = member(&step, "/ops").ok_or(TraceError::Missing {
            line,
            member: "ops",
        })?;
        let patch =
            Patch::from_value(&ops, Extensions::NONE).map_err(|error| TraceError::Line {
                line,
                error: error.to_string(),
            })?;
        digests.push(digest(&step, line)?);
        steps.push(Step {
            client,
            patch: Arc::new(patch),
        });
    }
    Ok(Trace {
        name,
        base,
        steps,
        clients: clients.len().max(1),
        expected: Expected::digests(digests),
    })
}

fn digest(line_value: &Value, line: usize) -> Result<String, TraceError> {
    let digest = line_value.at(&pointer("/sha256")).and_then(Value::as_str);
    digest
        .map(std::borrow::Cow::into_owned)
        .ok_or(TraceError::Missing {
            line,
            member: "sha256",
        })
}

/// Reads a sequential trace of the editing-traces collection: a text and transactions of splices.
fn text_trace(name: String, trace: &Value, form: TextForm) -> Result<Trace, TraceError> {
    let kind = trace.at(&pointer("/kind")).and_then(Value::as_str);
    if kind.as_deref() == Some("concurrent") {
        return Err(TraceError::Concurrent);
    }
    let start = trace.at(&pointer("/startContent")).and_then(Value::as_str);
    let transactions = trace.at(&pointer("/txns")).and_then(Value::as_array);
    let (Some(start), Some(transactions)) = (start, transactions) else {
        return Err(TraceError::UnknownFormat);
    };
    let mut len = start.chars().count();
    let mut edits = Vec::with_capacity(transactions.len());
    for (transaction, number) in transactions.iter().zip(1..) {
        let read = read_edits(transaction, &mut len);
        edits.push(read.ok_or(TraceError::Transaction { number })?);
    }
    let text = pointer("/text");
    let steps = edits
        .iter()
        .map(|edits| Step {
            client: 0,
            patch: Arc::new(
                edits
                    .iter()
                    .flat_map(|edit| operations(&text, edit, form))
                    .collect(),
            ),
        })
        .collect();
    let content = match form {
        TextForm::Splice => Value::from(&*start),
        TextForm::Array => characters(&start),
    };
    Ok(Trace {
        name,
        base: [("text", content)].into_iter().collect(),
        steps,
        clients: 1,
        expected: Expected::text(start.into_owned(), edits, text, form),
    })
}

/// `{"patches": [[position, deleted, inserted], …]}`, positions in Unicode scalar values, of a text of length
/// `len`, which it makes that of the text after them. What an edit says lies in the text: an operation is made
/// of each character that it takes.
fn read_edits(transaction: &Value, len: &mut usize) -> Option<Vec<Edit>> {
    let patches = transaction.at(&pointer("/patches"))?.as_array()?;
    let count = |value: Option<&Value>| usize::try_from(value?.as_u64()?).ok();
    patches
        .iter()
        .map(|patch| {
            let patch = patch.as_array()?;
            let edit = Edit {
                at: count(patch.get(0))?,
                deleted: count(patch.get(1))?,
                inserted: patch.get(2)?.as_str()?.into_owned(),
            };
            let end = edit.at.checked_add(edit.deleted)?;
            if end > *len {
                return None;
            }
            *len = *len - edit.deleted + edit.inserted.chars().count();
            Some(edit)
        })
        .collect()
}

fn operations(text: &Pointer, edit: &Edit, form: TextForm) -> Vec<Operation> {
    match form {
        TextForm::Splice => vec![Operation::Splice {
            path: text.clone(),
            index: edit.at,
            remove: edit.deleted,
            insert: Value::from(edit.inserted.as_str()),
        }],
        TextForm::Array => {
            let removals = (0..edit.deleted).map(|_| Operation::Remove {
                path: text.element(edit.at),
            });
            let additions = edit.inserted.chars().zip(edit.at..);
            let additions = additions.map(|(character, at)| Operation::Add {
                path: text.element(at),
                value: Value::from(&*character.encode_utf8(&mut [0; 4])),
            });
            removals.chain(additions).collect()
        }
    }
}

fn characters(text: &str) -> Value {
    text.chars()
        .map(|character| Value::from(&*character.encode_utf8(&mut [0; 4])))
        .collect()
}

#[expect(
    clippy::expect_used,
    reason = "the pointers here are constants of this file"
)]
fn pointer(text: &str) -> Pointer {
    Pointer::parse(text).expect("a JSON Pointer")
}

/// Why a file is no trace that can be played.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TraceError {
    #[error("cannot be read: {0}")]
    Read(#[from] io::Error),
    #[error("{0}")]
    Text(#[from] headwater::ParseError),
    #[error("line {line}: {error}")]
    Line { line: usize, error: String },
    #[error("line {line}: no {member:?}")]
    Missing { line: usize, member: &'static str },
    #[error("transaction {number} is not a list of [position, deleted, inserted] in the text")]
    Transaction { number: usize },
    #[error("a concurrent text trace needs a CRDT to be played; only sequential ones can")]
    Concurrent,
    #[error("neither an rfc6902-trace/1 nor a text trace")]
    UnknownFormat,
}
