//! Frames as [`headwater::Encoding::Json`] writes them, read by the other side.

use headwater::{
    Body, Epoch, Extensions, Frame, InvalidPatch, Limits, ParseError, Patch, SnapshotReason, Value,
    Version,
};

/// Bytes that are no frame.
#[derive(Debug, thiserror::Error)]
pub(crate) enum WireError {
    #[error(transparent)]
    Text(#[from] ParseError),
    #[error(transparent)]
    Patch(#[from] InvalidPatch),
    #[error("no {0}")]
    Missing(&'static str),
}

/// Reads a frame.
pub(crate) fn decode(bytes: &[u8]) -> Result<Frame, WireError> {
    let value = Value::parse(bytes, &Limits::NONE)?;
    let object = value.as_object().ok_or(WireError::Missing("object"))?;
    let version = |name| object.get(name).and_then(Value::as_u64).map(Version);
    let epoch = object.get("epoch").and_then(Value::as_str);
    let epoch: Option<Epoch> = epoch.and_then(|epoch| epoch.parse().ok());
    let body = if let Some(patch) = object.get("patch") {
        Body::Patch {
            from: version("from").ok_or(WireError::Missing("from"))?,
            patch: Patch::from_value(patch, Extensions::ALL)?.into(),
        }
    } else if let Some(root) = object.get("snapshot") {
        let reason = object.get("reason").and_then(Value::as_str);
        let reason = REASONS
            .into_iter()
            .find(|known| reason.as_deref() == Some(known.code()));
        Body::Snapshot {
            root: root.clone(),
            reason: reason.ok_or(WireError::Missing("known reason"))?,
        }
    } else if object.get("absent").and_then(Value::as_bool) == Some(true) {
        Body::Absent
    } else {
        return Err(WireError::Missing("patch, snapshot or absence"));
    };
    Ok(Frame {
        epoch: epoch.ok_or(WireError::Missing("epoch"))?,
        to: version("to").ok_or(WireError::Missing("to"))?,
        body,
    })
}

const REASONS: [SnapshotReason; 6] = [
    SnapshotReason::Initial,
    SnapshotReason::EpochChanged,
    SnapshotReason::Compacted,
    SnapshotReason::CheaperThanDelta,
    SnapshotReason::Ahead,
    SnapshotReason::Appeared,
];

#[cfg(test)]
mod tests {
    use headwater::{Encoding, Engine, Key, Replica, SubscribeOptions};

    use super::*;

    #[test]
    fn frames_are_read_as_they_were_written() {
        let engine = Engine::builder().build().unwrap();
        let key = Key::new("d").unwrap();
        engine.create(&key, r#"{"a":1}"#.parse().unwrap()).unwrap();
        let mut subscription = engine.subscribe(&key, SubscribeOptions::default()).unwrap();
        let mut replica = Replica::new();
        for a in 2..4 {
            let patch = format!(r#"[{{"op":"replace","path":"/a","value":{a}}}]"#);
            let patch = Patch::parse(patch.as_bytes(), &Limits::NONE, Extensions::NONE).unwrap();
            while let Some(frame) = subscription.poll().unwrap() {
                replica
                    .apply(&decode(&Encoding::Json.encode(&frame)).unwrap())
                    .unwrap();
            }
            engine.apply(&key, patch).unwrap();
        }
        assert_eq!(replica.root().to_string(), r#"{"a":2}"#);
        let bytes = subscription.poll_bytes(Encoding::Json).unwrap().unwrap();
        replica.apply(&decode(&bytes).unwrap()).unwrap();
        assert_eq!(replica.root().to_string(), r#"{"a":3}"#);
    }

    #[test]
    fn what_is_no_frame_is_an_error() {
        for text in ["", "[]", "{}", r#"{"epoch":"x","to":1,"absent":true}"#] {
            assert!(decode(text.as_bytes()).is_err(), "{text}");
        }
    }
}
