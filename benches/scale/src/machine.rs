use std::{fs, thread};

/// What the figures were measured on, as far as the system tells.
pub(crate) fn name() -> String {
    match field("/proc/cpuinfo", "model name") {
        Some(model) => format!("{model}, {}", cores()),
        None => cores(),
    }
}

/// How many threads it runs at once.
pub(crate) fn cores() -> String {
    match thread::available_parallelism().map_or(1, usize::from) {
        1 => "1 core".to_owned(),
        cores => format!("{cores} cores"),
    }
}

/// Bytes of memory that are free; `None` where the system does not tell.
pub(crate) fn memory_available() -> Option<u64> {
    let kib = field("/proc/meminfo", "MemAvailable")?;
    let kib: u64 = kib.trim_end_matches("kB").trim().parse().ok()?;
    Some(kib * 1_024)
}

fn field(file: &str, name: &str) -> Option<String> {
    let text = fs::read_to_string(file).ok()?;
    text.lines().find_map(|line| {
        let (field, value) = line.split_once(':')?;
        (field.trim() == name).then(|| value.trim().to_owned())
    })
}
