//! What libraries of other runtimes did, on a machine of the same kind: for orientation, since nothing
//! of it is measured in this run.

use crate::{measure::Unit, report::format_number};

/// Where the figures come from.
pub(crate) const SOURCE: &str = "recorded in another run on a machine of the same kind (2 virtual \
     cores, Xeon): Node 20.20, CPU time of the process, medians";

/// The library that tracks what a game changes, as a contestant.
pub(crate) const COLYSEUS: &str = "Colyseus schema";

/// Moving 1,000 entities, two floats each, and encoding that.
pub(crate) const TICK_NS: f64 = 167e3;

/// What that encodes to.
pub(crate) const TICK_BYTES: f64 = 13_967.0;

/// A figure of another run.
#[derive(Debug)]
pub(crate) struct Recorded {
    pub(crate) work: &'static str,
    pub(crate) by: &'static str,
    pub(crate) unit: Unit,
    pub(crate) median: f64,
}

impl Recorded {
    /// As cells of a table: the work, by what, and the median.
    pub(crate) fn cells(&self) -> [String; 3] {
        let median = format_number(self.unit, self.median);
        [self.work.to_owned(), self.by.to_owned(), median]
    }
}

pub(crate) const FIGURES: [Recorded; 24] = [
    nanoseconds("replace at depth 3, parsed, 0.8 KB", FAST_JSON_PATCH, 266.0),
    nanoseconds("replace at depth 3, parsed, 1 MB", FAST_JSON_PATCH, 271.0),
    nanoseconds(
        "deep clone and replace at depth 3, 0.8 KB",
        FAST_JSON_PATCH,
        7.9e3,
    ),
    nanoseconds("replace at depth 3, parsed, 0.8 KB", "rfc6902", 566.0),
    nanoseconds("replace at depth 3, parsed, 0.8 KB", "ot-json0", 900.0),
    nanoseconds("replace at depth 3, parsed, 0.8 KB", "ot-json1", 1.1e3),
    nanoseconds("replace at depth 3, parsed, 1 MB", "ot-json1", 596e3),
    nanoseconds("change with patches, 0.8 KB", "immer", 3.0e3),
    nanoseconds("change with patches, 1 MB", "immer", 421e3),
    nanoseconds("apply patches, 0.8 KB", "immer", 2.3e3),
    nanoseconds("diff after one change, 1 MB", FAST_JSON_PATCH, 3.5e6),
    nanoseconds("diff after one change, 1 MB", "jsondiffpatch", 15.6e6),
    nanoseconds("parse, 1 MB", "JSON.parse", 3.7e6),
    nanoseconds("write, 1 MB", "JSON.stringify", 3.9e6),
    nanoseconds("set one field and encode it", COLYSEUS_SCHEMA, 230.0),
    nanoseconds("move 1,000 entities and encode", COLYSEUS_SCHEMA, TICK_NS),
    bytes("bytes of 1,000 moves, encoded", COLYSEUS_SCHEMA, TICK_BYTES),
    per_second("submit and acknowledge, json0, 0.8 KB", SHAREDB, 25.3e3),
    per_second("submit and acknowledge, json1, 0.8 KB", SHAREDB, 34e3),
    per_second("submit, json0, 0.8 KB, 100 subscribers", SHAREDB, 2.69e3),
    nanoseconds("set one field and export it, 0.8 KB", YJS, 6.5e3),
    nanoseconds("apply such an update, 0.8 KB", YJS, 5.0e3),
    per_second("recorded text, each edit a transaction", YJS, 52e3),
    per_second("recorded text, one transaction", YJS, 17e3),
];

const COLYSEUS_SCHEMA: &str = "@colyseus/schema 5.0.34";
const FAST_JSON_PATCH: &str = "fast-json-patch";
const SHAREDB: &str = "ShareDB 7.0.0";
const YJS: &str = "yjs 13.6.33";

const fn nanoseconds(work: &'static str, by: &'static str, median: f64) -> Recorded {
    recorded(Unit::Nanoseconds, work, by, median)
}

const fn per_second(work: &'static str, by: &'static str, median: f64) -> Recorded {
    recorded(Unit::PerSecond, work, by, median)
}

const fn bytes(work: &'static str, by: &'static str, median: f64) -> Recorded {
    recorded(Unit::Bytes, work, by, median)
}

const fn recorded(unit: Unit, work: &'static str, by: &'static str, median: f64) -> Recorded {
    Recorded {
        work,
        by,
        unit,
        median,
    }
}
