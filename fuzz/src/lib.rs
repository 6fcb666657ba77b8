//! What the targets share: choices made from a fuzzer's bytes.

use headwater_doc::{Limits, Operation, Patch, Pointer, Value, View};

/// Takes choices from bytes. When they run out every choice is 0, which is why 0 always leads to
/// something small.
#[derive(Debug)]
pub struct Bytes<'a>(&'a [u8]);

/// Names that pointers must escape, that look like indices, and that sort by UTF-16 otherwise than by
/// UTF-8.
const NAMES: [&str; 12] = [
    "a",
    "b",
    "c",
    "hp",
    "",
    "0",
    "01",
    "-",
    "a/b",
    "m~n",
    "\u{ffff}",
    "\u{1f600}",
];

/// Literals of every kind that a number can be held as, and some that are equal but not identical.
const NUMBERS: [&str; 12] = [
    "0",
    "1",
    "1.0",
    "1e0",
    "-0",
    "-1",
    "0.1",
    "9007199254740993",
    "18446744073709551615",
    "123456789012345678901234567890",
    "1e400",
    "1e-400",
];

/// Containers inside one another that a made value has at most.
const DEPTH_MAX: u32 = 6;

impl<'a> Bytes<'a> {
    /// Starts with all of them.
    #[must_use]
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// Whether there is nothing left to choose by.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The next byte.
    pub fn byte(&mut self) -> u8 {
        let Some((&first, rest)) = self.0.split_first() else {
            return 0;
        };
        self.0 = rest;
        first
    }

    /// A number below `bound`, which is not 0; of a large range the lower part.
    pub fn below(&mut self, bound: usize) -> usize {
        usize::from(self.byte()) % bound
    }

    /// A value of any kind.
    pub fn value(&mut self) -> Value {
        self.value_within(DEPTH_MAX)
    }

    fn value_within(&mut self, depth: u32) -> Value {
        let kinds = if depth == 0 { 5 } else { 9 };
        match self.below(kinds) {
            0 => Value::NULL,
            1 => Value::from(self.byte().is_multiple_of(2)),
            2 => self.number(),
            3 => Value::from(self.text()),
            4 => Value::from(self.text().repeat(1 + self.below(4) * 250)),
            5 | 6 => {
                let len = self.below(6);
                (0..len).map(|_| self.value_within(depth - 1)).collect()
            }
            7 => {
                let len = self.below(5);
                (0..len)
                    .map(|_| (self.name(), self.value_within(depth - 1)))
                    .collect()
            }
            // Long enough to be a tree of several leaves.
            _ => {
                let (len, item) = (self.below(256), self.value_within(0));
                std::iter::repeat_n(item, len).collect()
            }
        }
    }

    fn number(&mut self) -> Value {
        match self.below(NUMBERS.len() + 1) {
            0 => Value::from(self.byte()),
            choice => NUMBERS[choice - 1].parse().expect("a number"),
        }
    }

    fn text(&mut self) -> String {
        let len = self.below(24);
        (0..len).map(|_| char::from(self.byte())).collect()
    }

    fn name(&mut self) -> &'static str {
        NAMES[self.below(NAMES.len())]
    }

    /// A pointer that leads to something in the value, or next to it.
    pub fn pointer(&mut self, root: &Value) -> Pointer {
        let mut pointer = Pointer::root();
        for _ in 0..self.below(5) {
            pointer = match pointer.resolve(root).map(Value::view) {
                Some(View::Array(array)) => match self.below(array.len() + 2) {
                    index if index <= array.len() => pointer.element(index),
                    _ => pointer.child("-"),
                },
                Some(View::Object(object)) if !object.is_empty() => {
                    let chosen = self.below(object.len() + 1);
                    match object.names().nth(chosen) {
                        Some(name) => pointer.child(name),
                        None => pointer.child(self.name()),
                    }
                }
                _ => pointer.child(self.name()),
            };
        }
        pointer
    }

    /// An operation that often applies to the value.
    pub fn operation(&mut self, root: &Value) -> Operation {
        let path = self.pointer(root);
        match self.below(8) {
            0 => Operation::Remove { path },
            1 => Operation::Add {
                path,
                value: self.value(),
            },
            2 => Operation::Replace {
                path,
                value: self.value(),
            },
            3 => Operation::Move {
                from: self.pointer(root),
                path,
            },
            4 => Operation::Copy {
                from: self.pointer(root),
                path,
            },
            5 => {
                let there = path.resolve(root).filter(|_| self.byte() < 192).cloned();
                Operation::Test {
                    value: there.unwrap_or_else(|| self.value()),
                    path,
                }
            }
            6 => Operation::Increment {
                by: self.number().as_number().cloned().unwrap_or(1_u8.into()),
                path,
            },
            _ => {
                let (len, insert) = match path.resolve(root).map(Value::view) {
                    Some(View::String(text)) => (text.scalars(), Value::from(self.text())),
                    Some(View::Array(array)) => (array.len(), self.array()),
                    _ => (0, self.value()),
                };
                let index = self.below(len + 2);
                Operation::Splice {
                    path,
                    index,
                    remove: self.below(len.saturating_sub(index) + 2),
                    insert,
                }
            }
        }
    }

    /// Up to `most` operations, each with paths of the document as the ones before leave it.
    pub fn patch(&mut self, root: &Value, most: usize) -> Patch {
        let mut document = root.clone();
        let mut operations = Vec::new();
        for _ in 0..self.below(most + 1) {
            let operation = self.operation(&document);
            // What does not apply leaves the document as it is.
            let _applied = Patch::from(vec![operation.clone()]).apply(&mut document, &SMALL);
            operations.push(operation);
        }
        Patch::from(operations)
    }

    fn array(&mut self) -> Value {
        let len = self.below(6);
        (0..len).map(|_| self.value_within(1)).collect()
    }
}

/// Limits that a few operations reach.
pub const SMALL: Limits = Limits {
    depth: 8,
    bytes: 16 << 10,
    nodes: 1_024,
};

/// Reads a text that must be readable.
///
/// # Panics
///
/// If it is not: what was accepted once must be accepted again.
#[must_use]
pub fn read(text: &str) -> Value {
    Value::parse(text.as_bytes(), &Limits::NONE).unwrap_or_else(|error| panic!("{error}: {text}"))
}

/// Checks what must hold of any value, whatever made it.
///
/// # Panics
///
/// If it does not hold.
pub fn check(value: &Value) {
    let text = value.to_string();
    let again = read(&text);
    assert!(again.identical(value), "{text}");
    assert_eq!(again.to_string(), text);
    assert!(text.len() as u64 <= value.written_bytes(), "{text}");
    assert_eq!(again.written_bytes(), value.written_bytes(), "{text}");
    assert_eq!(again.nodes(), value.nodes(), "{text}");
    assert!(again.height() <= value.height(), "{text}");
}
