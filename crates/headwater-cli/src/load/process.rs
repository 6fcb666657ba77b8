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

/// A line of `/proc/self/status` (proc(5)), whose figures are in KiB.
fn status(name: &str) -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix(name))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kibibytes * 1_024)
}
