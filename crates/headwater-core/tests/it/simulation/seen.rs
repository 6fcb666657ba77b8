use std::{collections::BTreeMap, fmt};

/// How often what happened.
#[derive(Clone, Debug, Default)]
pub(crate) struct Seen(BTreeMap<&'static str, u64>);

/// Without each of these the simulation would prove less than it says.
const IMPORTANT: &[&str] = &[
    // What becomes of a batch that is handed in, and of one that is decided later.
    "applied",
    "duplicate",
    "held",
    "held again",
    "late applied",
    "late rejected",
    "skipped",
    // Why it was rejected.
    "base_ahead",
    "base_too_old",
    "conflict",
    "limit_bytes",
    "epoch_mismatch",
    "no_such_document",
    "not_at_base",
    "not_found",
    "out_of_range",
    "panicked",
    "predecessor",
    "test_failed",
    "touchy",
    "unlucky",
    // Why it was not taken.
    "already_decided",
    "extension_off",
    "fenced",
    "gap",
    "lanes",
    "memory",
    "seq_reused",
    "too_large",
    "too_many_lanes",
    "too_late",
    "unknown_session",
    // Why held ones were given up.
    "given up: deadline",
    "given up: evicted",
    "given up: session ended",
    // Which policies ruled.
    "policy: document says",
    "policy: evict farthest",
    "policy: memory budget",
    "policy: refuse new",
    "policy: report",
    "policy: several shards",
    "policy: skip",
    // What the host did.
    "host: applied",
    "host: created",
    "host: expired a session",
    "host: froze",
    "host: frozen in vain",
    "host: installed",
    "host: installed in vain",
    "host: out of memory",
    "host: relieved",
    "host: removed",
    "host: rewound",
    "host: rewound in vain",
    "host: staged in vain",
    "host: swept",
    "host: thawed",
    "host: too many documents",
    "host: turn",
    // What subscribers got.
    "absent",
    "ahead",
    "appeared",
    "cheaper_than_delta",
    "compacted",
    "current",
    "epoch_changed",
    "initial",
    "moved",
    "own patch",
    "squash",
    "frame: lost",
    "frame: made earlier",
    "frame: out of place",
    "frame: shared",
    "subscriber: own batches shown",
    "subscriber: resumed far back",
    "subscriber: slept",
    "subscriber: unchanged up to",
    "subscriber: woken",
    "snapshot: held while it changed",
    // What links and clients did.
    "client: forgot what it knew",
    "client: reopened",
    "network: down",
    "network: lost",
    "network: repeated",
];

impl Seen {
    pub(crate) fn note(&mut self, word: &'static str) {
        self.add(word, 1);
    }

    pub(crate) fn add(&mut self, word: &'static str, count: u64) {
        *self.0.entry(word).or_default() += count;
    }

    pub(crate) fn merge(&mut self, other: Self) {
        for (word, count) in other.0 {
            self.add(word, count);
        }
    }

    pub(crate) fn missing(&self) -> Vec<&'static str> {
        let never = |word: &&&str| !self.0.contains_key(**word);
        IMPORTANT.iter().filter(never).copied().collect()
    }
}

impl fmt::Display for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0
            .iter()
            .try_for_each(|(word, count)| writeln!(f, "{count:>12}  {word}"))
    }
}
