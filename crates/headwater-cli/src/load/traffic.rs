use std::fmt::Write as _;

use fastrand::Rng;
use headwater::{Limits, Number, Operation, ParseError, Patch, Pointer, Value};

/// What the documents are made of, and what is done to them: by seed, whatever the time.
#[derive(Clone, Debug)]
pub(crate) struct Traffic {
    seed: u64,
    document_bytes: u64,
    records: Pointer,
    counters: Pointer,
    items: Pointer,
}

/// The operations of one lane, one after the other.
#[derive(Debug)]
pub(crate) struct Operations {
    rng: Rng,
    records: u64,
}

/// Counters that a document has, and names that its items are chosen from: few, so that clients meet.
const COUNTERS: u64 = 8;
const ITEMS: u64 = 32;

impl Traffic {
    pub(crate) fn new(seed: u64, document_bytes: u64) -> Self {
        let root = Pointer::root();
        Self {
            seed,
            document_bytes,
            records: root.child("records"),
            counters: root.child("counters"),
            items: root.child("items"),
        }
    }

    /// The text of a document: records, as many as fit into its size but at least one, some counters,
    /// and no items yet. Also, how many records.
    fn text(&self, document: usize) -> (String, u64) {
        let mut rng = self.rng("document", document);
        let mut text = String::from("{\"counters\":{");
        for counter in 0..COUNTERS {
            let comma = if counter == 0 { "" } else { "," };
            let _infallible = write!(text, "{comma}\"c{counter}\":0");
        }
        text.push_str("},\"items\":{},\"records\":{");
        let mut records = 0;
        loop {
            let comma = if records == 0 { "" } else { "," };
            let _infallible = write!(
                text,
                "{comma}\"r{records}\":{{\"hp\":{},\"name\":\"{:08x}\",\"x\":{},\"y\":{}}}",
                rng.u32(0..100),
                rng.u32(..),
                rng.u32(0..1_000),
                rng.u32(0..1_000)
            );
            records += 1;
            if text.len() as u64 + RECORD_BYTES > self.document_bytes {
                text.push_str("}}");
                return (text, records);
            }
        }
    }

    /// A document. Also, how many records it has.
    ///
    /// # Errors
    ///
    /// [`ParseError`] where the size breaks the engine's limits.
    pub(crate) fn document(
        &self,
        document: usize,
        limits: &Limits,
    ) -> Result<(Value, u64), ParseError> {
        let (text, records) = self.text(document);
        Ok((Value::parse(text.as_bytes(), limits)?, records))
    }

    /// What a lane sends to a document of so many records.
    pub(crate) fn operations(&self, lane: usize, records: u64) -> Operations {
        Operations {
            rng: self.rng("operations", lane),
            records,
        }
    }

    /// Chance of its own for each thing that is decided by it, so that none depends on when another
    /// is.
    pub(crate) fn rng(&self, what: &str, number: usize) -> Rng {
        let seed = what.bytes().fold(self.seed, |seed, byte| {
            (seed ^ u64::from(byte)).wrapping_mul(FNV_PRIME)
        });
        Rng::with_seed((seed ^ number as u64).wrapping_mul(FNV_PRIME))
    }
}

impl Operations {
    /// The next batch: a scalar at depth 3 replaced, in three of four; else a counter incremented, an
    /// item added, or an item removed, which is rejected if another client was first.
    pub(crate) fn next(&mut self, traffic: &Traffic) -> Patch {
        let rng = &mut self.rng;
        let child = |parent: &Pointer, letter, number| parent.child(&format!("{letter}{number}"));
        let operation = match rng.u32(0..100) {
            0..75 => {
                let field = rng.choice(["hp", "x", "y"]).unwrap_or("hp");
                Operation::Replace {
                    path: child(&traffic.records, 'r', rng.u64(0..self.records)).child(field),
                    value: Value::from(rng.u32(0..1_000)),
                }
            }
            75..87 => Operation::Increment {
                path: child(&traffic.counters, 'c', rng.u64(0..COUNTERS)),
                by: Number::from(1_u32),
            },
            87..96 => Operation::Add {
                path: child(&traffic.items, 'i', rng.u64(0..ITEMS)),
                value: [("kind", rng.u32(0..16)), ("count", rng.u32(1..100))]
                    .into_iter()
                    .map(|(name, number)| (name, Value::from(number)))
                    .collect(),
            },
            _ => Operation::Remove {
                path: child(&traffic.items, 'i', rng.u64(0..ITEMS)),
            },
        };
        Patch::from_iter([operation])
    }
}

/// Bytes of a record with its name, about.
const RECORD_BYTES: u64 = 60;

/// FNV's 64-bit prime: spreads small differences between seeds over all bits.
const FNV_PRIME: u64 = 0x0100_0000_01b3;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_seed_decides_documents_and_operations() {
        let sent = |seed| {
            let traffic = Traffic::new(seed, 1_024);
            let (document, records) = traffic.document(3, &Limits::default()).unwrap();
            let mut operations = traffic.operations(5, records);
            let patches: Vec<_> = (0..100)
                .map(|_| operations.next(&traffic).to_string())
                .collect();
            (document.canonical(), patches)
        };
        assert_eq!(sent(7), sent(7));
        assert_ne!(sent(7).0, sent(8).0);
        assert_ne!(sent(7).1, sent(8).1);
    }

    #[test]
    fn documents_have_about_the_size_that_was_asked_for() {
        for bytes in [1_024, 65_536, 1_000_000] {
            let (text, _) = Traffic::new(1, bytes).text(0);
            let size = text.len() as u64;
            assert!(
                size <= bytes + 8 && size > bytes - 2 * RECORD_BYTES,
                "{size}"
            );
        }
        assert_eq!(Traffic::new(1, 0).text(0).1, 1);
    }
}
