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

/// How many digits there are.
pub(super) fn digits(bytes: &[u8]) -> usize {
    // Small sums of small blocks: sixteen at once fit where two large ones do.
    let count = |block: &[u8]| {
        let digits = block
            .iter()
            .map(|byte| u8::from(byte.wrapping_sub(b'0') < 10));
        digits.fold(0_u8, u8::wrapping_add)
    };
    bytes
        .chunks(4 * BLOCK)
        .map(|block| usize::from(count(block)))
        .sum()
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
            assert_eq!(digits(&text), 1);
            text[at] = byte;
        }
        assert_eq!(next_digit(&text, text.len() + 1), None);
        assert_eq!([digits(&text), digits(&[b'7'; 1_000])], [0, 1_000]);
    }
}
