//! Where a text has digits: most of it has none, and is passed over in blocks.

/// The first digit at or behind `at`.
pub(super) fn next_digit(bytes: &[u8], at: usize) -> Option<usize> {
    let mut from = at;
    while let Some(block) = bytes.get(from..)?.first_chunk::<BLOCK>() {
        // A plain loop without an early end, so that it is vectorised.
        let mut any = 0;
        for byte in block {
            any |= u8::from(byte.wrapping_sub(b'0') < 10);
        }
        if any != 0 {
            break;
        }
        from += BLOCK;
    }
    let rest = bytes[from..].iter();
    Some(from + rest.take(BLOCK).position(u8::is_ascii_digit)?)
}

const BLOCK: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_digit_is_found_wherever_it_stands() {
        let mut text = "x/:é".repeat(40).into_bytes();
        assert_eq!(next_digit(&text, 0), None);
        for at in 0..text.len() {
            let byte = std::mem::replace(&mut text[at], b'0' + u8::try_from(at % 10).unwrap_or(0));
            for from in [0, at / 2, at] {
                assert_eq!(next_digit(&text, from), Some(at));
            }
            assert_eq!(next_digit(&text, at + 1), None);
            text[at] = byte;
        }
        assert_eq!(next_digit(&text, text.len() + 1), None);
    }
}
