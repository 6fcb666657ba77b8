use std::{fs::File, io, ops::Range};

use flate2::read::MultiGzDecoder;
use headwater_doc::{Limits, Operation, Patch, Pointer, Value};
use serde_json::Value as Json;

use crate::{
    input::data,
    measure::{Contest, Effort, Row, repeat},
};

/// A paper written in an editor, with every keystroke recorded: 260,000 edits, all of them ASCII, so
/// that a character is a byte. No row where the data is absent.
///
/// # Errors
///
/// What reading the file reports.
pub(crate) fn edits(effort: Effort) -> io::Result<Vec<Row>> {
    let Some(Recording { edits, end }) = Recording::read()? else {
        return Ok(Vec::new());
    };
    let patches: Vec<Patch> = edits.iter().map(Edit::to_patch).collect();
    let limits = Limits::default();
    let row = Contest::new("recorded text, splices")
        .by("headwater", |count| {
            repeat(count, || {
                let mut document = Value::from("");
                for patch in &patches {
                    let applied = patch.apply(&mut document, &limits);
                    let applied = applied.expect("within the text");
                    assert!(!applied.touched(patch).is_empty());
                }
                assert_eq!(document.as_str().as_deref(), Some(end.as_str()));
                document
            });
        })
        .by("std String", |count| {
            repeat(count, || {
                let mut text = String::new();
                for edit in &edits {
                    text.replace_range(edit.range.clone(), &edit.insert);
                }
                assert_eq!(text, end);
                text
            });
        })
        .held(effort)
        .per_second(edits.len());
    Ok(vec![row])
}

/// All edits of a session, and the text that they lead to.
#[derive(Debug)]
pub(crate) struct Recording {
    pub(crate) edits: Vec<Edit>,
    pub(crate) end: String,
}

impl Recording {
    /// `None` where the data is absent.
    ///
    /// # Errors
    ///
    /// What reading the file reports.
    pub(crate) fn read() -> io::Result<Option<Self>> {
        let Some(path) = data("traces/text/sequential/automerge-paper.json.gz") else {
            return Ok(None);
        };
        let recording: Json = serde_json::from_reader(MultiGzDecoder::new(File::open(path)?))?;
        let end = recording.get("endContent").and_then(Json::as_str);
        Ok(Some(Self {
            edits: Edit::all_of(&recording).expect("a recording"),
            end: end.expect("a recording").to_owned(),
        }))
    }

    /// Its first edits, and what they lead to.
    #[cfg(feature = "crdts")]
    pub(crate) fn first(mut self, edits_max: usize) -> Self {
        self.edits.truncate(edits_max);
        self.end.clear();
        for edit in &self.edits {
            self.end.replace_range(edit.range.clone(), &edit.insert);
        }
        self
    }
}

#[derive(Debug)]
pub(crate) struct Edit {
    pub(crate) range: Range<usize>,
    pub(crate) insert: String,
}

impl Edit {
    fn all_of(recording: &Json) -> Option<Vec<Self>> {
        let mut edits = Vec::new();
        for transaction in recording.get("txns")?.as_array()? {
            for patch in transaction.get("patches")?.as_array()? {
                edits.push(Self::read(patch)?);
            }
        }
        Some(edits)
    }

    /// From `[index, how many are removed, what is inserted]`.
    fn read(patch: &Json) -> Option<Self> {
        let number = |index: usize| usize::try_from(patch.get(index)?.as_u64()?).ok();
        let (start, removed) = (number(0)?, number(1)?);
        Some(Self {
            range: start..start + removed,
            insert: patch.get(2)?.as_str()?.to_owned(),
        })
    }

    pub(crate) fn to_patch(&self) -> Patch {
        Patch::from(vec![Operation::Splice {
            path: Pointer::root(),
            index: self.range.start,
            remove: self.range.len(),
            insert: Value::from(self.insert.as_str()),
        }])
    }
}
