/// How many bytes stand before the first that cannot stand in a JSON string as it is: a quote, a
/// backslash or a control character (RFC 8259 section 7).
pub(crate) fn plain_bytes(bytes: &[u8]) -> usize {
    // Eight at a time. A borrow can mark a byte above a marked one wrongly, so only the lowest counts.
    let (words, rest) = bytes.as_chunks::<8>();
    for (at, word) in words.iter().enumerate() {
        let word = u64::from_le_bytes(*word);
        let marked = below(word, 0x20) | equal(word, b'"') | equal(word, b'\\');
        if marked != 0 {
            return at * 8 + marked.trailing_zeros() as usize / 8;
        }
    }
    let special = |byte: &u8| matches!(byte, b'"' | b'\\' | 0x00..0x20);
    words.len() * 8 + rest.iter().position(special).unwrap_or(rest.len())
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
                    let mut text = [filler; 20];
                    text[place] = byte;
                    let expected = if special { place } else { 20 };
                    assert_eq!(
                        plain_bytes(&text),
                        expected,
                        "{byte} among {filler} at {place}"
                    );
                }
            }
        }
    }

    #[test]
    fn the_first_of_several_counts() {
        assert_eq!(plain_bytes(b"abc\"\\\n  \""), 3);
        assert_eq!(plain_bytes(b"\n!\"!\"!\"!"), 0);
        assert_eq!(plain_bytes(b""), 0);
    }
}
