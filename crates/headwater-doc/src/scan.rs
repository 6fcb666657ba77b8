/// How many bytes stand before the first that cannot stand in a JSON string as it is: a quote, a
/// backslash or a control character (RFC 8259 section 7).
#[inline]
pub(crate) fn plain_bytes(bytes: &[u8]) -> usize {
    let (whole, rest) = bytes.as_chunks();
    for (at, word) in whole.iter().enumerate() {
        let marked = special(u64::from_le_bytes(*word));
        if marked != 0 {
            return at * 8 + lowest(marked);
        }
    }
    if rest.is_empty() {
        return bytes.len();
    }
    // The last eight, of which the first are known to be plain; or all there are, with zeros behind them.
    let (from, word) = match bytes.last_chunk() {
        Some(last) => (bytes.len() - 8, u64::from_le_bytes(*last)),
        None => (0, words(bytes).0),
    };
    bytes.len().min(from + lowest(special(word)))
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

/// Marks the bytes of a word that cannot stand in a JSON string as they are. A borrow can mark a byte above
/// a marked one wrongly, so only the lowest counts.
#[inline]
pub(crate) const fn special(word: u64) -> u64 {
    // With this bit turned, a quote is 0x20 and what is below 0x20 stays there; no other comes to 0x20.
    below(word ^ (ONES * 0x02), 0x21) | equal(word, b'\\')
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
}
