use std::{fs, io, path::PathBuf};

use headwater_benches::{PLAYER_HP, ROOM_PLAYERS_1MB, player, player_experience, room};
use headwater_doc::{Limits, Patch, Pointer, Value};

/// A document to work on.
#[derive(Debug)]
pub(crate) struct Document {
    pub(crate) name: &'static str,
    pub(crate) text: String,
    /// A number at depth 3.
    pub(crate) path: Pointer,
}

impl Document {
    pub(crate) fn of_1kb() -> Self {
        Self {
            name: "0.8 KB",
            text: player(7).to_string(),
            path: PLAYER_HP.parse().expect("a pointer"),
        }
    }

    pub(crate) fn of_100kb() -> Self {
        Self::room("100 KB", ROOM_PLAYERS_1MB / 10)
    }

    pub(crate) fn of_1mb() -> Self {
        Self::room("1 MB", ROOM_PLAYERS_1MB)
    }

    pub(crate) fn of_10mb() -> Self {
        Self::room("10 MB", ROOM_PLAYERS_1MB * 10)
    }

    pub(crate) fn room(name: &'static str, players: usize) -> Self {
        Self {
            name,
            text: room(players).to_string(),
            path: player_experience(players / 2),
        }
    }

    /// Read from its text, so that nothing in it is shared with another.
    pub(crate) fn ours(&self) -> Value {
        ours(self.text.as_bytes())
    }

    pub(crate) fn serde_json(&self) -> serde_json::Value {
        serde_json(self.text.as_bytes())
    }
}

pub(crate) fn ours(text: &[u8]) -> Value {
    Value::parse(text, &Limits::default()).expect("JSON within the limits")
}

pub(crate) fn serde_json(text: &[u8]) -> serde_json::Value {
    serde_json::from_slice(text).expect("JSON")
}

pub(crate) fn sonic_rs(text: &[u8]) -> sonic_rs::Value {
    sonic_rs::from_slice(text).expect("JSON")
}

/// The same patch, for json-patch.
pub(crate) fn json_patch(patch: &Patch) -> json_patch::Patch {
    serde_json::from_str(&patch.to_string()).expect("a patch of RFC 6902")
}

/// Indexes by chance, the same for all contestants.
#[derive(Debug)]
pub(crate) struct RandomOrder {
    rng: fastrand::Rng,
    len: usize,
    pub(crate) latest: usize,
}

impl RandomOrder {
    /// Of indexes below `len`.
    pub(crate) fn of(len: usize) -> Self {
        Self {
            rng: fastrand::Rng::with_seed(1),
            len,
            latest: 0,
        }
    }

    pub(crate) fn next(&mut self) -> usize {
        self.latest = self.rng.usize(0..self.len);
        self.latest
    }
}

/// The names and contents of all files in a folder and those below it, sorted.
///
/// # Errors
///
/// What the file system reports.
pub(crate) fn files(folder: PathBuf) -> io::Result<Vec<(String, Vec<u8>)>> {
    let mut folders = vec![folder];
    let mut files = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder)? {
            let path = entry?.path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let name = path.file_name().unwrap_or_default();
                files.push((name.to_string_lossy().into_owned(), fs::read(&path)?));
            }
        }
    }
    files.sort();
    Ok(files)
}
