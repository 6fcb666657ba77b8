use std::{fmt, str::FromStr, sync::Arc};

/// The name of a document: 1 to 512 bytes of UTF-8. Cloning it costs a reference count.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key(Arc<str>);

impl Key {
    /// Most bytes of a key.
    pub const BYTES_MAX: usize = 512;

    /// Makes a key of a name.
    ///
    /// # Errors
    ///
    /// [`InvalidKey`] if the name is empty or longer than [`BYTES_MAX`](Self::BYTES_MAX).
    pub fn new(name: &str) -> Result<Self, InvalidKey> {
        let bytes = name.len();
        if (1..=Self::BYTES_MAX).contains(&bytes) {
            Ok(Self(Arc::from(name)))
        } else {
            Err(InvalidKey { bytes })
        }
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Key {
    type Err = InvalidKey;

    fn from_str(name: &str) -> Result<Self, InvalidKey> {
        Self::new(name)
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&*self.0, f)
    }
}

/// A name is no key. The fault is the caller's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a key has 1 to {} bytes, not {bytes}", Key::BYTES_MAX)]
pub struct InvalidKey {
    /// Bytes of the name.
    pub bytes: usize,
}

/// One life of an engine: a random number that the host gives it at its start.
///
/// Session ids and epochs contain it, so that those of an earlier life never match.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Incarnation(pub u64);

/// One client's identity, issued by the engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionId {
    /// The life of the engine that issued it.
    pub incarnation: Incarnation,
    /// 1, 2, 3 … within it.
    pub number: u64,
}

impl FromStr for SessionId {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        let (incarnation, number) = incarnation_and_number(text)?;
        Ok(Self {
            incarnation,
            number,
        })
    }
}

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}-{}", self.incarnation.0, self.number)
    }
}

/// Which connection of a session is the present one: 1 when it is opened, one more each time it
/// attaches again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Attachment(pub u64);

/// A document's incarnation: a new one each time it is created, so that versions of a document that
/// was removed and made again are never taken for one another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Epoch {
    /// The life of the engine that made it.
    pub incarnation: Incarnation,
    /// Unique within it for each key.
    pub number: u64,
}

impl fmt::Display for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}-{}", self.incarnation.0, self.number)
    }
}

impl FromStr for Epoch {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        let (incarnation, number) = incarnation_and_number(text)?;
        Ok(Self {
            incarnation,
            number,
        })
    }
}

/// The text that [`SessionId`] and [`Epoch`] are shown as: 16 hexadecimal digits, `-`, a decimal number.
fn incarnation_and_number(text: &str) -> Result<(Incarnation, u64), InvalidId> {
    let (incarnation, number) = text.split_once('-').ok_or(InvalidId)?;
    let incarnation = u64::from_str_radix(incarnation, 16).map_err(|_| InvalidId)?;
    let number = number.parse().map_err(|_| InvalidId)?;
    Ok((Incarnation(incarnation), number))
}

/// A text is no id. The fault is whose text it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not an id: hexadecimal digits, `-` and a number are")]
pub struct InvalidId;

/// How often a document was changed: 0 when it is created, one more for each commit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Version(pub u64);

impl Version {
    /// The version of a document that was just created.
    pub const ZERO: Self = Self(0);

    /// The version after this one.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// What a subscriber holds and resumes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Position {
    /// The document's incarnation.
    pub epoch: Epoch,
    /// The version in it.
    pub version: Version,
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.epoch, self.version)
    }
}

impl FromStr for Position {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        let (epoch, version) = text.rsplit_once('-').ok_or(InvalidId)?;
        Ok(Self {
            epoch: epoch.parse()?,
            version: Version(version.parse().map_err(|_| InvalidId)?),
        })
    }
}

/// A batch's number in its lane: 1, 2, 3 … without gaps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Seq(pub u64);

impl Seq {
    /// No batch has this number: what a lane has decided before its first batch.
    pub const ZERO: Self = Self(0);

    /// The number after this one; the last number of all is its own successor.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

impl fmt::Display for Seq {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_read_as_they_are_shown() {
        let epoch = Epoch {
            incarnation: Incarnation(0xfedc_0000_0000_0001),
            number: 42,
        };
        let position = Position {
            epoch,
            version: Version(7),
        };
        assert_eq!(position.to_string(), "fedc000000000001-42-7");
        assert_eq!(position.to_string().parse(), Ok(position));
        assert_eq!(epoch.to_string().parse(), Ok(epoch));
        let session = SessionId {
            incarnation: Incarnation(1),
            number: u64::MAX,
        };
        assert_eq!(session.to_string().parse(), Ok(session));
        for text in ["", "-", "1", "x-1", "1-x", "1-2", "1-2-x", "-1-2"] {
            assert_eq!(text.parse::<Position>(), Err(InvalidId), "{text}");
        }
    }
}
