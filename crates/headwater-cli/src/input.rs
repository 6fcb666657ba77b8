use std::{
    fs::File,
    io::{self, Read as _},
    path::Path,
};

use headwater::{
    Extensions, InvalidOperation, InvalidPatch, LimitExceeded, Limits, ParseError, Patch, Value,
};

use crate::failure::Failure;

/// A text that was read from a file or from standard input, and its name for messages.
pub(crate) struct Input {
    name: String,
    text: Vec<u8>,
}

impl Input {
    /// The limits of what is read, and of the documents that come of it.
    pub(crate) fn limits() -> Limits {
        Limits::default()
    }

    /// Reads a file, or standard input for `-`.
    pub(crate) fn read(path: &Path) -> Result<Self, Failure> {
        let name = if is_standard_input(path) {
            "standard input".to_owned()
        } else {
            path.display().to_string()
        };
        let bytes_max = Self::limits().bytes;
        let text = read_some(path, bytes_max.saturating_add(1)).map_err(|error| {
            Failure::not_understood(format_args!("{name}: cannot be read: {error}"))
        })?;
        if text.len() as u64 > bytes_max {
            let error = LimitExceeded::Bytes { limit: bytes_max };
            return Err(Failure::not_understood(format_args!("{name}: {error}")));
        }
        Ok(Self { name, text })
    }

    /// The file's name as it was given, or `standard input`.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// The text as a JSON value.
    pub(crate) fn value(&self) -> Result<Value, Failure> {
        Value::parse(&self.text, &Self::limits()).map_err(|error| self.no_json(&error))
    }

    /// The text as a JSON Patch.
    pub(crate) fn patch(&self, extensions: Extensions) -> Result<Patch, Failure> {
        Patch::parse(&self.text, &Self::limits(), extensions).map_err(|error| match error {
            InvalidPatch::Text(error) => self.no_json(&error),
            InvalidPatch::NotAnArray => self
                .not_understood(&error)
                .with_hint("the document comes first: headwater patch DOC PATCH"),
            InvalidPatch::Operation {
                reason: InvalidOperation::ExtensionOff { .. },
                ..
            } => self
                .not_understood(&error)
                .with_hint("--extensions allows splice and increment"),
            _ => self
                .not_understood(&error)
                .with_hint("operations count from 0"),
        })
    }

    fn no_json(&self, error: &ParseError) -> Failure {
        let (line, column) = place(&self.text, error.offset);
        let reason = &error.reason;
        self.not_understood(&format_args!("{reason} at line {line}, column {column}"))
    }

    fn not_understood(&self, message: &impl std::fmt::Display) -> Failure {
        Failure::not_understood(format_args!("{}: {message}", self.name))
    }
}

/// Whether a path stands for standard input.
pub(crate) fn is_standard_input(path: &Path) -> bool {
    path.as_os_str() == "-"
}

fn read_some(path: &Path, bytes_max: u64) -> io::Result<Vec<u8>> {
    let mut text = Vec::new();
    if is_standard_input(path) {
        io::stdin().lock().take(bytes_max).read_to_end(&mut text)?;
    } else {
        File::open(path)?.take(bytes_max).read_to_end(&mut text)?;
    }
    Ok(text)
}

/// The line and the column, in characters, of an offset in a text; both count from 1.
fn place(text: &[u8], offset: usize) -> (usize, usize) {
    let before = String::from_utf8_lossy(text.get(..offset).unwrap_or(text));
    let line = before.matches('\n').count() + 1;
    let column = before.chars().rev().take_while(|&c| c != '\n').count() + 1;
    (line, column)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_counts_lines_and_characters_from_one() {
        assert_eq!(place(b"", 0), (1, 1));
        assert_eq!(place(b"[1,\n 2,\n]", 8), (3, 1));
        assert_eq!(place("[\"é\" x".as_bytes(), 6), (1, 6));
        assert_eq!(place(b"ab", 9), (1, 3));
    }
}
