//! Looks at several bytes of a text at once.
//!
//! Bytes of one kind are looked for sixteen at a time: most blocks of a text have none.
//!
//! Kinds are told by what makes a byte 255 where it is of the kind, and 0 elsewhere. Written as plain
//! loops over bytes, whether the compiler does the same depends on how a loop is spelled and on what
//! stands around it; the slow form takes ten times as long.

use wide::u8x16;

/// Sixteen bytes, or as many answers.
pub(super) type Block = u8x16;

/// Where `bytes` are `byte`.
#[inline]
pub(super) fn is(bytes: Block, byte: u8) -> Block {
    bytes.simd_eq(Block::splat(byte))
}

/// Where `bytes` are from `low` to `high`, both of them included.
#[inline]
pub(super) fn is_within(bytes: Block, low: u8, high: u8) -> Block {
    let above = bytes - Block::splat(low);
    above.min(Block::splat(high - low)).simd_eq(above)
}

/// The block of `bytes` at `at`, if there are as many.
#[inline]
pub(super) fn at(bytes: &[u8], at: usize) -> Option<Block> {
    Some(Block::new(*bytes.get(at..)?.first_chunk()?))
}

/// The first of a block that has the answer yes.
#[inline]
pub(super) fn first(answers: Block) -> Option<usize> {
    let marks = answers.to_bitmask();
    (marks != 0).then(|| marks.trailing_zeros() as usize)
}

/// The first of `bytes` of a kind.
#[inline]
pub(super) fn position(bytes: &[u8], kind: impl Fn(Block) -> Block) -> Option<usize> {
    let (blocks, rest) = bytes.as_chunks();
    for (number, block) in blocks.iter().enumerate() {
        if let Some(first) = first(kind(Block::new(*block))) {
            return Some(number * SIZE + first);
        }
    }
    let marks = of_rest(rest, kind);
    (marks != 0).then(|| blocks.len() * SIZE + marks.trailing_zeros() as usize)
}

/// How many of `bytes` are of a kind.
#[inline]
pub(super) fn count(bytes: &[u8], kind: impl Fn(Block) -> Block) -> usize {
    let (blocks, rest) = bytes.as_chunks();
    let marks = blocks
        .iter()
        .map(|block| kind(Block::new(*block)).to_bitmask().count_ones());
    (marks.sum::<u32>() + of_rest(rest, &kind).count_ones()) as usize
}

/// The first digit at or behind `at`.
#[inline]
pub(super) fn next_digit(bytes: &[u8], at: usize) -> Option<usize> {
    Some(at + position(bytes.get(at..)?, is_digit)?)
}

/// How many digits there are.
pub(super) fn digits(bytes: &[u8]) -> usize {
    count(bytes, is_digit)
}

fn is_digit(bytes: Block) -> Block {
    is_within(bytes, b'0', b'9')
}

/// The first eight of `bytes`, as if nulls followed.
#[inline]
pub(super) fn eight(bytes: &[u8]) -> u64 {
    let whole = bytes.first_chunk();
    whole.map_or_else(|| fewer(bytes), |eight| u64::from_le_bytes(*eight))
}

/// The same at the end of a text.
#[cold]
fn fewer(bytes: &[u8]) -> u64 {
    let mut eight = [0; 8];
    eight[..bytes.len()].copy_from_slice(bytes);
    u64::from_le_bytes(eight)
}

/// A mark for each of the last bytes, fewer than a block, that is of the kind.
#[inline]
fn of_rest(rest: &[u8], kind: impl Fn(Block) -> Block) -> u32 {
    let mut block = [0; SIZE];
    block[..rest.len()].copy_from_slice(rest);
    kind(Block::new(block)).to_bitmask() & !(u32::MAX << rest.len())
}

/// Bytes of a block.
pub(super) const SIZE: usize = 16;

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

    #[test]
    fn each_byte_is_of_the_kinds_that_hold_it() {
        for byte in 0..=u8::MAX {
            let here = |kind: fn(Block) -> Block| position(&[byte], kind).is_some();
            assert_eq!(here(is_digit), byte.is_ascii_digit(), "{byte}");
            assert_eq!(here(|bytes| is(bytes, b'\n')), byte == b'\n', "{byte}");
            let high = here(|bytes| is_within(bytes, 0x80, u8::MAX));
            assert_eq!(high, !byte.is_ascii(), "{byte}");
        }
        // Nulls that are not there fill the last block.
        assert_eq!(position(b"abc", |bytes| is(bytes, 0)), None);
        assert_eq!(count(b"abc", |bytes| is(bytes, 0)), 0);
    }

    #[test]
    fn the_first_of_several_is_found() {
        for length in 0..100 {
            for first in 0..length {
                let bytes: Vec<u8> = (0..length).map(|at| u8::from(at >= first)).collect();
                assert_eq!(position(&bytes, |bytes| is(bytes, 1)), Some(first));
            }
        }
    }
}
