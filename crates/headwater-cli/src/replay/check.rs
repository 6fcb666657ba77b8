use std::{fmt, mem};

use headwater::{Array, Engine, Key, Pointer, Text, Value, Version};

use crate::{args::TextForm, canon::sha256};

/// Compares each version that the engine makes with what was recorded.
pub(crate) struct Checker {
    expected: Expected,
    /// The versions up to this one are right.
    checked: Version,
}

/// What a document must be, version by version.
pub(crate) struct Expected(Kind);

enum Kind {
    /// The SHA-256 of the canonical form of each version, in hexadecimal, from version 0 on.
    Digests(Vec<String>),
    Text(NaiveText),
}

/// A text edited in the plainest way, to compare with.
struct NaiveText {
    text: String,
    /// Whether each character is one byte, so that positions need not be counted out.
    ascii: bool,
    /// The edits of each version, from version 1 on.
    edits: Vec<Vec<Edit>>,
    path: Pointer,
    form: TextForm,
}

/// A range of a text, in Unicode scalar values, and what it is replaced by.
pub(crate) struct Edit {
    pub(crate) at: usize,
    pub(crate) deleted: usize,
    pub(crate) inserted: String,
}

/// Versions of a text held as an array that are compared around the edit only, for each that is
/// compared whole: to walk 100,000 elements at each of 260,000 versions would take a minute.
const ARRAY_PARTIAL_CHECKS: u64 = 256;

/// Elements compared on either side of an edit.
const AROUND: usize = 16;

/// The first version that is not what was recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Divergence {
    pub(crate) version: Version,
    pub(crate) expected: String,
    pub(crate) got: String,
}

/// Why the versions made since the last check are not right.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CheckError {
    #[error("{0}")]
    Diverged(#[from] Divergence),
    #[error("version {version} can no longer be checked: the history does not reach so far")]
    NotInHistory { version: Version },
}

impl std::error::Error for Divergence {}

impl fmt::Display for Divergence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            version,
            expected,
            got,
        } = self;
        write!(
            f,
            "version {version} diverged: expected {expected}, got {got}"
        )
    }
}

impl Expected {
    pub(crate) const fn digests(digests: Vec<String>) -> Self {
        Self(Kind::Digests(digests))
    }

    pub(crate) fn text(
        start: String,
        edits: Vec<Vec<Edit>>,
        path: Pointer,
        form: TextForm,
    ) -> Self {
        Self(Kind::Text(NaiveText {
            ascii: start.is_ascii(),
            text: start,
            edits,
            path,
            form,
        }))
    }
}

impl Checker {
    /// Starts at the document as it was created.
    pub(crate) fn new(expected: Expected, base: &Value) -> Result<Self, Divergence> {
        let mut checker = Self {
            expected,
            checked: Version::ZERO,
        };
        checker.check(Version::ZERO, base)?;
        Ok(checker)
    }

    pub(crate) const fn checked(&self) -> Version {
        self.checked
    }

    /// Checks every version that was made since the last call.
    pub(crate) fn advance(&mut self, engine: &Engine, key: &Key) -> Result<(), CheckError> {
        let head = engine.get(key);
        let newest = head
            .as_ref()
            .map_or(Version::ZERO, |head| head.position.version);
        while self.checked < newest {
            let version = self.checked.next();
            let snapshot = if version == newest {
                head.clone()
            } else {
                engine.at(key, version)
            };
            let Some(snapshot) = snapshot else {
                return Err(CheckError::NotInHistory { version });
            };
            self.check(version, &snapshot.root)?;
            self.checked = version;
        }
        Ok(())
    }

    fn check(&mut self, version: Version, root: &Value) -> Result<(), Divergence> {
        let (expected, got) = match &mut self.expected.0 {
            Kind::Digests(digests) => {
                let index = usize::try_from(version.0).unwrap_or(usize::MAX);
                let expected = digests.get(index).map_or("the end", String::as_str);
                let got = sha256(root);
                if got == expected {
                    return Ok(());
                }
                (expected.to_owned(), got)
            }
            Kind::Text(text) => match text.check(version, root) {
                Ok(()) => return Ok(()),
                Err(difference) => difference,
            },
        };
        Err(Divergence {
            version,
            expected,
            got,
        })
    }
}

impl NaiveText {
    /// Makes the edits of a version and compares; the error is what was expected and what was got.
    fn check(&mut self, version: Version, root: &Value) -> Result<(), (String, String)> {
        let index = version.0.checked_sub(1).map(usize::try_from);
        let edits = match index {
            Some(Ok(index)) => self.edits.get_mut(index).map(mem::take),
            _ => None,
        };
        let edits = edits.unwrap_or_default();
        for edit in &edits {
            let range = self.byte_of(edit.at)..self.byte_of(edit.at + edit.deleted);
            self.text.replace_range(range, &edit.inserted);
            self.ascii &= edit.inserted.is_ascii();
        }
        let content = root.at(&self.path);
        match self.form {
            TextForm::Splice => self.compare_text(content.and_then(Value::as_text)),
            TextForm::Array => {
                let whole = version.0.is_multiple_of(ARRAY_PARTIAL_CHECKS)
                    || version.0 == self.edits.len() as u64;
                self.compare_array(content.and_then(Value::as_array), &edits, whole)
            }
        }
    }

    fn byte_of(&self, scalar: usize) -> usize {
        if self.ascii {
            return scalar.min(self.text.len());
        }
        let mut starts = self.text.char_indices().map(|(byte, _)| byte);
        starts.nth(scalar).unwrap_or(self.text.len())
    }

    fn compare_text(&self, got: Option<Text<'_>>) -> Result<(), (String, String)> {
        let got = got.ok_or_else(|| ("a string".to_owned(), "none".to_owned()))?;
        let mut rest = self.text.as_bytes();
        for run in got.runs() {
            match rest.strip_prefix(run.as_bytes()) {
                Some(behind) => rest = behind,
                None => return Err(self.difference(&got.to_cow())),
            }
        }
        if rest.is_empty() {
            Ok(())
        } else {
            Err(self.difference(&got.to_cow()))
        }
    }

    /// Where a text that is not the expected one first differs.
    fn difference(&self, got: &str) -> (String, String) {
        let pairs = self.text.chars().zip(got.chars());
        let at = pairs.take_while(|(left, right)| left == right).count();
        let shown = |text: &str| {
            let character = text.chars().nth(at);
            character.map_or_else(|| format!("the end at {at}"), |c| format!("{c:?} at {at}"))
        };
        (shown(&self.text), shown(got))
    }

    fn compare_array(
        &self,
        got: Option<Array<'_>>,
        edits: &[Edit],
        whole: bool,
    ) -> Result<(), (String, String)> {
        let got = got.ok_or_else(|| ("an array".to_owned(), "none".to_owned()))?;
        let len = if self.ascii {
            self.text.len()
        } else {
            self.text.chars().count()
        };
        if got.len() != len {
            return Err((format!("{len} elements"), format!("{}", got.len())));
        }
        let around = edits.iter().map(|edit| {
            let end = edit.at + edit.inserted.chars().count() + AROUND;
            edit.at.saturating_sub(AROUND).min(len)..end.min(len)
        });
        for range in around.chain(whole.then_some(0..len)) {
            let expected = self
                .text
                .get(self.byte_of(range.start)..)
                .unwrap_or_default();
            let pairs = expected.chars().zip(got.iter_from(range.start));
            for (at, (expected, got)) in range.zip(pairs) {
                if single_character(got) != Some(expected) {
                    return Err((format!("{expected:?} at {at}"), format!("{got} at {at}")));
                }
            }
        }
        Ok(())
    }
}

fn single_character(value: &Value) -> Option<char> {
    let text = value.as_str()?;
    let mut characters = text.chars();
    let first = characters.next();
    if characters.next().is_none() {
        first
    } else {
        None
    }
}
