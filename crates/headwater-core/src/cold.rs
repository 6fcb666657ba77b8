use std::{
    fmt::{self, Write as _},
    io::{self, Read as _, Write as _},
    sync::Arc,
    time::Duration,
};

use flate2::{Compression, read::ZlibDecoder, write::ZlibEncoder};
use headwater_doc::{Limits, Value};
use parking_lot::{Mutex, MutexGuard};

use crate::{
    document::Snapshot,
    id::{Key, Position},
};

/// A document that nobody uses, compressed in memory.
#[derive(Debug)]
pub(crate) struct Cold {
    /// Its JSON text as a zlib stream (RFC 1950).
    bytes: Box<[u8]>,
    /// Bytes of the text, so that it never inflates to more.
    text_bytes: usize,
    pub(crate) written_bytes: u64,
    /// Held by whoever inflates it.
    turn: Mutex<()>,
}

/// A large document that nobody has used for a while: the first half of compressing it, made under the
/// lock of its shard. [`run`](Self::run) is the second, off the lock.
#[derive(Debug)]
pub struct Freeze {
    pub(crate) key: Key,
    pub(crate) snapshot: Snapshot,
    pub(crate) idle: Duration,
}

/// A compressed version of a document, for [`Shard::freeze`](crate::Shard::freeze).
#[derive(Debug)]
pub struct Frozen {
    pub(crate) key: Key,
    pub(crate) position: Position,
    pub(crate) cold: Arc<Cold>,
    pub(crate) idle: Duration,
}

/// A compressed document that somebody wants to use. [`run`](Self::run) inflates it, off the lock.
#[derive(Debug)]
pub struct Thaw {
    pub(crate) key: Key,
    pub(crate) position: Position,
    pub(crate) cold: Arc<Cold>,
}

/// The right to inflate a document, which one has at a time.
#[derive(Debug)]
#[must_use]
pub struct Turn<'a> {
    _held: MutexGuard<'a, ()>,
}

/// An inflated document, for [`Shard::thaw`](crate::Shard::thaw).
#[derive(Debug)]
pub struct Thawed {
    pub(crate) key: Key,
    pub(crate) position: Position,
    pub(crate) root: Value,
}

/// zlib's fastest level: its higher ones take three times as long for a tenth less.
const LEVEL: Compression = Compression::fast();

impl Freeze {
    /// Compresses the document; O(its size).
    #[must_use]
    pub fn run(self) -> Frozen {
        Frozen {
            key: self.key,
            position: self.snapshot.position,
            cold: Arc::new(Cold::of(&self.snapshot.root)),
            idle: self.idle,
        }
    }
}

impl Thaw {
    /// Waits until nobody else inflates the document. Look whether it is still cold after this, and let go
    /// of it once the inflated form is in its place: all who want it then share the time and the memory
    /// that one takes.
    pub fn turn(&self) -> Turn<'_> {
        Turn {
            _held: self.cold.turn.lock(),
        }
    }

    /// Inflates the document; O(its size).
    #[must_use]
    pub fn run(self) -> Thawed {
        Thawed {
            root: self.cold.inflate(),
            key: self.key,
            position: self.position,
        }
    }
}

impl Cold {
    fn of(root: &Value) -> Self {
        let mut out = Counted {
            encoder: ZlibEncoder::new(Vec::new(), LEVEL),
            bytes: 0,
        };
        // Neither side fails: the sink is a vector.
        let written = write!(out, "{root}");
        debug_assert!(written.is_ok(), "a vector takes all that it is given");
        Self {
            bytes: out.encoder.finish().unwrap_or_default().into_boxed_slice(),
            text_bytes: out.bytes,
            written_bytes: root.written_bytes(),
            turn: Mutex::default(),
        }
    }

    /// The document again.
    #[expect(
        clippy::expect_used,
        reason = "what was written by us, and kept in our own memory, can be read again"
    )]
    pub(crate) fn inflate(&self) -> Value {
        let mut text = Vec::with_capacity(self.text_bytes);
        let bound = self.text_bytes as u64;
        ZlibDecoder::new(&*self.bytes)
            .take(bound)
            .read_to_end(&mut text)
            .expect("the stream is whole");
        Value::parse(&text, &Limits::NONE).expect("the text is a value")
    }

    /// Bytes that it takes.
    pub(crate) fn heap_bytes(&self) -> u64 {
        (self.bytes.len() + size_of::<Self>() + 2 * size_of::<usize>()) as u64
    }
}

/// Streams text into the encoder, so that the text is never there as a whole.
struct Counted {
    encoder: ZlibEncoder<Vec<u8>>,
    bytes: usize,
}

impl fmt::Write for Counted {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.bytes += text.len();
        let written: io::Result<()> = self.encoder.write_all(text.as_bytes());
        written.map_err(|_| fmt::Error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// P10: a stream can hold a thousand times its size.
    #[test]
    fn a_document_inflates_to_no_more_than_was_recorded() {
        let cold = Cold {
            text_bytes: 3,
            ..Cold::of(&Value::from(1_234_567))
        };
        assert_eq!(cold.inflate(), Value::from(123));
    }
}
