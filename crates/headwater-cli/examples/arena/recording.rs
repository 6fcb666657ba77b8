use std::fmt::Write as _;

use headwater::{Limits, Operation, Patch, PatchError, Pointer, Value};
use sha2::{Digest as _, Sha256};

/// A recording in the format `rfc6902-trace/1`, and the document as it is after the last step.
pub(crate) struct Recording {
    document: Value,
    seq: u32,
    /// Steps of each client so far, by its name.
    cseqs: Vec<(&'static str, u32)>,
    lines: String,
}

impl Recording {
    pub(crate) fn new(base: Value) -> Self {
        let sha256 = sha256(&base);
        let lines = format!(
            "{{\"kind\":\"header\",\"format\":\"rfc6902-trace/1\",\
             \"origin\":\"headwater arena example\",\"licence\":\"MIT OR Apache-2.0\",\
             \"sha256\":\"{sha256}\",\"base\":{base}}}\n"
        );
        Self {
            document: base,
            seq: 0,
            cseqs: Vec::new(),
            lines,
        }
    }

    /// Applies a batch to the document and records it as the client's next step.
    pub(crate) fn step(
        &mut self,
        client: &'static str,
        tick: i32,
        batch: Batch,
    ) -> Result<(), PatchError> {
        let patch = Patch::from(batch.0);
        patch.apply(&mut self.document, &Limits::default())?;
        self.seq += 1;
        let cseq = self.next_cseq(client);
        let (seq, sha256) = (self.seq, sha256(&self.document));
        let client = Value::from(client);
        // Writing to a string cannot fail.
        let _infallible = writeln!(
            self.lines,
            "{{\"seq\":{seq},\"client\":{client},\"cseq\":{cseq},\"tick\":{tick},\
             \"ops\":{patch},\"sha256\":\"{sha256}\"}}"
        );
        Ok(())
    }

    fn next_cseq(&mut self, client: &'static str) -> u32 {
        if let Some((_, cseq)) = self.cseqs.iter_mut().find(|(name, _)| *name == client) {
            *cseq += 1;
            return *cseq;
        }
        self.cseqs.push((client, 1));
        1
    }

    /// The recording so far, as JSON lines.
    pub(crate) fn into_lines(self) -> String {
        self.lines
    }
}

/// The operations of one step.
#[derive(Default)]
pub(crate) struct Batch(Vec<Operation>);

impl Batch {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    pub(crate) fn add(self, path: &str, value: impl Into<Value>) -> Self {
        self.with(Operation::Add {
            path: pointer(path),
            value: value.into(),
        })
    }

    pub(crate) fn remove(self, path: &str) -> Self {
        self.with(Operation::Remove {
            path: pointer(path),
        })
    }

    pub(crate) fn replace(self, path: &str, value: impl Into<Value>) -> Self {
        self.with(Operation::Replace {
            path: pointer(path),
            value: value.into(),
        })
    }

    pub(crate) fn relocate(self, from: &str, path: &str) -> Self {
        self.with(Operation::Move {
            from: pointer(from),
            path: pointer(path),
        })
    }

    pub(crate) fn copy(self, from: &str, path: &str) -> Self {
        self.with(Operation::Copy {
            from: pointer(from),
            path: pointer(path),
        })
    }

    pub(crate) fn test(self, path: &str, value: impl Into<Value>) -> Self {
        self.with(Operation::Test {
            path: pointer(path),
            value: value.into(),
        })
    }

    fn with(mut self, operation: Operation) -> Self {
        self.0.push(operation);
        self
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// The pointer of a path whose names need no escapes.
fn pointer(path: &str) -> Pointer {
    path.split('/')
        .skip(1)
        .fold(Pointer::root(), |pointer, name| pointer.child(name))
}

fn sha256(document: &Value) -> String {
    let mut digits = String::with_capacity(64);
    for byte in Sha256::digest(document.canonical()) {
        let _infallible = write!(digits, "{byte:02x}");
    }
    digits
}
