use std::{collections::BTreeMap, fs, io, path::Path};

use serde_json::Value;

/// The medians of another run, of which this one's table shows a second column.
#[derive(Debug)]
pub(crate) struct Beside {
    /// The allocator of that run.
    pub(crate) allocator: String,
    /// By work and contestant.
    medians: BTreeMap<(String, String), f64>,
}

impl Beside {
    /// Reads what `--json` has written.
    ///
    /// # Errors
    ///
    /// What reading the file reports; `InvalidData` if it is no such report.
    pub(crate) fn read(file: &Path) -> io::Result<Self> {
        let report: Value = serde_json::from_slice(&fs::read(file)?)?;
        Self::of(&report).ok_or_else(|| {
            let no_report = format!("{} is no report of this program", file.display());
            io::Error::new(io::ErrorKind::InvalidData, no_report)
        })
    }

    fn of(report: &Value) -> Option<Self> {
        let mut medians = BTreeMap::new();
        for row in report.get("rows")?.as_array()? {
            let work = row.get("work")?.as_str()?;
            for figure in row.get("figures")?.as_array()? {
                let by = figure.get("by")?.as_str()?;
                let median = figure.get("median")?.as_f64()?;
                medians.insert((work.to_owned(), by.to_owned()), median);
            }
        }
        let allocator = report.get("allocator")?.as_str()?.to_owned();
        Some(Self { allocator, medians })
    }

    /// What a contestant's work cost in that run; `None` if it was no part of it.
    pub(crate) fn median(&self, work: &str, by: &str) -> Option<f64> {
        let of = (work.to_owned(), by.to_owned());
        self.medians.get(&of).copied()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn medians_are_found_by_work_and_contestant() {
        let figures = json!([{"by": "ours", "median": 1.5}, {"by": "theirs", "median": 3.0}]);
        let report = json!({
            "allocator": "another",
            "rows": [{"work": "parse", "unit": "ns", "figures": figures}],
        });
        let beside = Beside::of(&report).unwrap();
        assert_eq!(beside.allocator, "another");
        assert_eq!(beside.median("parse", "theirs"), Some(3.0));
        assert_eq!(beside.median("write", "theirs"), None);
        assert!(Beside::of(&json!({"rows": []})).is_none());
    }
}
