use std::{
    env, fs,
    io::{self, Write as _},
    path::PathBuf,
};

/// A folder or file of the test data, which is no part of the project; `None`, and a line that says
/// so, where the data is absent. On CI it must be there.
pub(crate) fn path(name: &str) -> Option<PathBuf> {
    let root = env::var_os("HEADWATER_TEST_DATA").map_or_else(
        || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/data")),
        PathBuf::from,
    );
    let path = root.join(name);
    if path.exists() {
        return Some(path);
    }
    let on_ci = env::var_os("CI").is_some_and(|ci| ci == "true");
    assert!(!on_ci, "no test data at {}", path.display());
    // Past what the test runner keeps back, which of a test that passes would never be seen.
    let _best_effort = writeln!(io::stderr(), "skipped: no test data");
    None
}

/// One file of the test data.
pub(crate) fn file(name: &str) -> Option<Vec<u8>> {
    path(name).map(|path| fs::read(&path).expect("a readable file"))
}

/// The `.json` files of a folder and those below it by name, sorted.
pub(crate) fn files(name: &str) -> Option<Vec<(String, Vec<u8>)>> {
    let mut folders = vec![path(name)?];
    let mut files = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).expect("a readable folder") {
            let path = entry.expect("a readable folder").path();
            let name = path
                .file_name()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned();
            if path.is_dir() {
                folders.push(path);
            } else if name.contains(".json") || name.contains(".excalidrawlib") {
                files.push((name, fs::read(&path).expect("a readable file")));
            }
        }
    }
    files.sort();
    Some(files)
}
