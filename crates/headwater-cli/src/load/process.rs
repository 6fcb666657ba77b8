//! What the program itself takes, from the files of Linux's `/proc`; `None` where there are none.

use std::fs;

/// Bytes that are resident now.
pub(crate) fn resident_bytes() -> Option<u64> {
    status("VmRSS:")
}

/// The most bytes that were resident since the program was started.
pub(crate) fn resident_bytes_peak() -> Option<u64> {
    status("VmHWM:")
}

/// The memory of the machine.
pub(crate) fn machine_bytes() -> Option<u64> {
    figure("/proc/meminfo", "MemTotal:")
}

fn status(name: &str) -> Option<u64> {
    figure("/proc/self/status", name)
}

/// A line of such a file (proc(5)), whose figures are in KiB.
fn figure(file: &str, name: &str) -> Option<u64> {
    let text = fs::read_to_string(file).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kibibytes * 1_024)
}
