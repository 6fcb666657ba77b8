/// How many bytes stand before the first that cannot stand in a JSON string as it is: a quote, a
/// backslash or a control character (RFC 8259 section 7).
#[inline]
pub(crate) fn plain_bytes(bytes: &[u8]) -> usize {
    bytes_before(bytes, special)
}

/// Whether a text is the same as a segment of a JSON Pointer (RFC 6901 section 3), also where that stands in a
/// JSON string.
#[inline]
pub(crate) fn is_plain_segment(bytes: &[u8]) -> bool {
    bytes_before(bytes, |word| special(word) | separator(word)) == bytes.len()
}

/// How many bytes stand before the first of which `mark` marks the place in a word: the lowest that is marked.
#[inline(always)]
fn bytes_before(bytes: &[u8], mark: impl Fn(u64) -> u64) -> usize {
    let (whole, rest) = bytes.as_chunks();
    for (at, word) in whole.iter().enumerate() {
        let marked = mark(u64::from_le_bytes(*word));
        if marked != 0 {
            return at * 8 + lowest(marked);
        }
    }
    if rest.is_empty() {
        return bytes.len();
    }
    // The last eight, of which the first are known not to be marked; or all there are, with zeros behind them.
    let (from, word) = match bytes.last_chunk() {
        Some(last) => (bytes.len() - 8, u64::from_le_bytes(*last)),
        None => (0, words(bytes).0),
    };
    bytes.len().min(from + lowest(mark(word)))
}

/// Whether a byte is among others. A call of the C library would take longer to find its way than most of
/// those that are looked through here.
#[inline]
pub(crate) fn contains(bytes: &[u8], byte: u8) -> bool {
    let is_in = |word: &[u8; 8]| equal(u64::from_le_bytes(*word), byte) != 0;
    match bytes.last_chunk() {
        // The last eight, of which the first may be looked at twice.
        Some(last) => bytes.as_chunks().0.iter().any(is_in) || is_in(last),
        None => bytes.contains(&byte),
    }
}

/// Up to 16 bytes as two words, the first byte lowest, without going through memory: what was just
/// written byte by byte cannot be read at once as words, and each lookup of a name would wait for it.
#[inline]
pub(crate) fn words(bytes: &[u8]) -> (u64, u64) {
    let word = |bytes: &[u8; 8]| u64::from_le_bytes(*bytes);
    let half = |bytes: &[u8; 4]| u64::from(u32::from_le_bytes(*bytes));
    // The last bytes overlap the first: shifting takes off what is there twice, or puts it where it is.
    let doubled = |least: usize| 8 * (2 * least - bytes.len());
    if let (Some(first), Some(last)) = (bytes.first_chunk(), bytes.last_chunk()) {
        let high = word(last).checked_shr(u32::try_from(doubled(8)).unwrap_or(u32::MAX));
        return (word(first), high.unwrap_or_default());
    }
    if let (Some(first), Some(last)) = (bytes.first_chunk(), bytes.last_chunk()) {
        return (half(first) | half(last) << (32 - doubled(4)), 0);
    }
    let low = bytes
        .iter()
        .rev()
        .fold(0, |word, &byte| word << 8 | u64::from(byte));
    (low, 0)
}

/// The bytes as two words, the first byte lowest.
#[inline]
pub(crate) fn halves(bytes: &[u8; 16]) -> (u64, u64) {
    let both = u128::from_le_bytes(*bytes);
    #[expect(
        clippy::cast_possible_truncation,
        reason = "one half of it, then the other"
    )]
    let halves = (both as u64, (both >> 64) as u64);
    halves
}

/// All bits of the bytes before the lowest marked one, which there must be.
#[inline]
pub(crate) const fn before(marked: u64) -> u64 {
    (marked ^ marked.wrapping_sub(1)) >> 8
}

/// Marks the bytes of a word that cannot stand in a JSON string as they are. A borrow can mark a byte above
/// a marked one wrongly, so only the lowest counts.
#[inline]
pub(crate) const fn special(word: u64) -> u64 {
    // With this bit turned, a quote is 0x20 and what is below 0x20 stays there; no other comes to 0x20.
    below(word ^ (ONES * 0x02), 0x21) | equal(word, b'\\')
}

/// Marks the bytes of a word that a pointer escapes, in the same way.
#[inline]
const fn separator(word: u64) -> u64 {
    equal(word, b'~') | equal(word, b'/')
}

/// The place of the lowest marked byte of a word; 8 if there is none.
#[inline]
pub(crate) const fn lowest(marked: u64) -> usize {
    marked.trailing_zeros() as usize / 8
}

/// Marks the bytes of a word that equal one, by their highest bit.
const fn equal(word: u64, byte: u8) -> u64 {
    below(word ^ (ONES * byte as u64), 1)
}

/// Marks the bytes of a word that are below a limit of at most 128 (Mycroft's test).
const fn below(word: u64, limit: u8) -> u64 {
    word.wrapping_sub(ONES * limit as u64) & !word & (ONES << 7)
}

const ONES: u64 = u64::MAX / 255;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_is_found_at_every_place() {
        for byte in 0..=u8::MAX {
            let special = byte < 0x20 || byte == b'"' || byte == b'\\';
            for place in 0..20 {
                for filler in [b' ', b'~', 0x7f, 0x80, 0xff, b'!', b'#', b']', b'['] {
                    for len in place + 1..=20 {
                        let mut text = [filler; 20];
                        text[place] = byte;
                        let expected = if special { place } else { len };
                        assert_eq!(
                            plain_bytes(&text[..len]),
                            expected,
                            "{byte} among {filler} at {place} of {len}"
                        );
                        let is_plain = |byte: &u8| {
                            plain_bytes(&[*byte]) == 1 && *byte != b'~' && *byte != b'/'
                        };
                        assert_eq!(
                            is_plain_segment(&text[..len]),
                            text[..len].iter().all(is_plain),
                            "{byte} among {filler} at {place} of {len}"
                        );
                    }
                }
            }
        }
    }

    #[test]
    fn words_hold_the_bytes_in_order() {
        let bytes: Vec<u8> = (1..=16).collect();
        for len in 0..=16 {
            let (low, high) = words(&bytes[..len]);
            let mut expected = [0; 16];
            expected[..len].copy_from_slice(&bytes[..len]);
            assert_eq!([low.to_le_bytes(), high.to_le_bytes()].concat(), expected);
        }
    }

    #[test]
    fn the_first_of_several_counts() {
        assert_eq!(plain_bytes(b"abc\"\\\n  \""), 3);
        assert_eq!(plain_bytes(b"\n!\"!\"!\"!"), 0);
        assert_eq!(plain_bytes(b""), 0);
    }

    #[test]
    fn a_byte_is_found_among_any_number_of_others() {
        for filler in [0, b'}', 0x7f, 0xfe, 0xff] {
            for len in 0..=26 {
                let mut text = vec![filler; len];
                assert!(!contains(&text, b'~'), "{filler} x {len}");
                for place in 0..len {
                    text[place] = b'~';
                    assert!(contains(&text, b'~'), "{place} of {len}");
                    text[place] = filler;
                }
            }
        }
    }
}
