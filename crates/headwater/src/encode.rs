use std::sync::Arc;

use flate2::{Compression, write::ZlibEncoder};
use headwater_core::{Body, Frame};

use crate::pool::BufferPool;

/// What a frame is sent as.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Encoding {
    /// One JSON object: `epoch` (text) and `to` (number) always; then `from` and `patch` (RFC 6902, or
    /// with the extensions that the subscriber reads), or `snapshot` and `reason`, or `"absent": true`.
    #[default]
    Json,
    /// The same as a zlib stream (RFC 1950), which a browser reads with its `DecompressionStream`.
    Deflate,
}

impl Encoding {
    pub(crate) const fn code(self) -> u8 {
        match self {
            Self::Json => 0,
            Self::Deflate => 1,
        }
    }

    /// Encodes a frame. O(its size).
    #[must_use]
    pub fn encode(self, frame: &Frame) -> Arc<[u8]> {
        let mut out = BufferPool::take();
        match self {
            Self::Json => {
                write(frame, &mut *out);
                Arc::from(&**out)
            }
            Self::Deflate => {
                let mut encoder = ZlibEncoder::new(&mut *out, Compression::fast());
                write(frame, &mut encoder);
                // The sink is a vector, which takes all that it is given.
                let _sink = encoder.finish();
                Arc::from(&**out)
            }
        }
    }
}

/// Streams a frame's JSON text, so that a large document is never there as a whole but in the result.
fn write(frame: &Frame, out: &mut impl std::io::Write) {
    let written = match &frame.body {
        Body::Patch { from, patch } => write!(
            out,
            r#"{{"epoch":"{}","from":{from},"to":{},"patch":{patch}}}"#,
            frame.epoch, frame.to
        ),
        Body::Snapshot { root, reason } => write!(
            out,
            r#"{{"epoch":"{}","to":{},"reason":"{}","snapshot":{root}}}"#,
            frame.epoch,
            frame.to,
            reason.code()
        ),
        Body::Absent => write!(
            out,
            r#"{{"epoch":"{}","to":{},"absent":true}}"#,
            frame.epoch, frame.to
        ),
    };
    debug_assert!(written.is_ok(), "a vector takes all that it is given");
}
