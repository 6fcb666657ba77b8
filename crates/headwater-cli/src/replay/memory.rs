//! The program's peak of resident memory, from the files of Linux's `/proc`.

use std::fs;

/// Starts a new measurement, where the system can.
pub(crate) fn reset_peak() {
    // 5 resets the high-water mark (proc(5)); where that is not allowed the peak is of the whole run.
    let _not_everywhere = fs::write("/proc/self/clear_refs", "5");
}

/// The most bytes that were resident since then; `None` where the system does not tell.
pub(crate) fn peak_bytes() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kibibytes * 1_024)
}
