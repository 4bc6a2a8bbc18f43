//! What the model sees of a text: its features, one number each.
//!
//! A text is cut into tokens: words, signs (a run of them is one token), single characters of
//! scripts that write no blanks. Features are runs of one to three tokens, pieces of five letters
//! inside words, and pairs of word classes ([`super::lexicon`]) near each other. Each is hashed to a
//! place in one of two tables; what shares a place shares a weight.
//!
//! The trainer calls this very function, so the two cannot differ. Whoever changes anything here
//! must raise [`super::weights::VERSION`] and train again: old weights mean nothing to new places.
//!
//! Cost: one pass over folded text, nothing allocated, one multiplication a feature.

use super::lexicon::Lexicon;

/// What is told of a text while it is read.
pub trait Sink {
    /// A feature ends in the present token. Below [`PLACES`]; may come again.
    fn feature(&mut self, place: usize);
    /// The token is over; it stood at `start..end`.
    fn token(&mut self, start: usize, end: usize);
}

/// How many features are told apart.
pub const PLACES: usize = 2 * TABLE;
/// Places of one table: the first is for tokens and classes, the second for pieces of words.
const TABLE: usize = 1 << TABLE_BITS;
const TABLE_BITS: u32 = 15;

/// Tells `sink` the features of `text`, which is folded (lower case, single blanks).
pub fn read(text: &str, sink: &mut impl Sink) {
    let bytes = text.as_bytes();
    let lexicon = Lexicon::get();
    // The two tokens before, and the three classified ones before with their numbers.
    let (mut last, mut second_last) = (0_u64, 0_u64);
    let mut classes = [(0_usize, 0_u64); 3];
    let mut count = 0_usize;
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        let kind = KINDS[usize::from(byte)];
        if kind == BLANK {
            at += 1;
            continue;
        }
        let start = at;
        at = token_end(bytes, start, kind);
        let hash = token_hash(bytes, start, at, kind);
        sink.feature(token_place(hash));
        if count > 0 {
            let pair = last.wrapping_mul(3) ^ hash.rotate_left(7);
            sink.feature(token_place(pair));
        }
        if count > 1 {
            let three = second_last.wrapping_mul(5) ^ last.wrapping_mul(3).rotate_left(3);
            sink.feature(token_place(three ^ hash.rotate_left(17)));
        }
        (second_last, last) = (last, hash);
        if kind == WORD {
            pieces(bytes, start, at, sink);
            if let Some(class) = lexicon.class(hash) {
                for (number, before) in classes.iter().rev() {
                    if *before != 0 && number + NEAR > count {
                        sink.feature(token_place(class_hash(*before * 64 + class)));
                    }
                }
                sink.feature(token_place(class_hash(class)));
                classes = [classes[1], classes[2], (count, class)];
            }
        }
        count += 1;
        sink.token(start, at);
    }
}

/// The hash of one word, for the lexicon.
pub(super) fn word_hash(word: &str) -> u64 {
    token_hash(word.as_bytes(), 0, word.len(), WORD)
}

fn token_end(bytes: &[u8], start: usize, kind: u8) -> usize {
    if kind == SYLLABLE {
        return (start + 3).min(bytes.len());
    }
    let rest = &bytes[start..];
    let length = rest
        .iter()
        .position(|byte| KINDS[usize::from(*byte)] != kind);
    start + length.unwrap_or(rest.len())
}

/// Figures count as one word, and long runs of signs by their first three.
fn token_hash(bytes: &[u8], start: usize, end: usize, kind: u8) -> u64 {
    let length = end - start;
    let first = eight(bytes, start);
    if kind == SIGN {
        return mix(keep(first, length.min(3)));
    }
    if bytes[start].is_ascii_digit() && is_figure(&bytes[start..end]) {
        return mix(u64::from(b'0'));
    }
    if length <= 8 {
        return mix(keep(first, length));
    }
    if is_code(bytes, start, end) {
        return mix(u64::from(b'#'));
    }
    let mut hash = mix(first);
    let mut at = start + 8;
    while at < end {
        hash = mix(hash ^ keep(eight(bytes, at), (end - at).min(8)));
        at += 8;
    }
    hash
}

fn is_figure(word: &[u8]) -> bool {
    word.iter().all(u8::is_ascii_digit)
}

/// Whether a word is no word but data: keys, hashes, base64. Its letters mean nothing.
fn is_code(bytes: &[u8], start: usize, end: usize) -> bool {
    end - start > LONGEST_WORD && bytes[start].is_ascii()
}

/// The pieces of five characters of a word between blanks.
fn pieces(bytes: &[u8], start: usize, end: usize, sink: &mut impl Sink) {
    const FIVE: u64 = 0xff_ffff_ffff;
    let length = end - start;
    if length < 3 || is_code(bytes, start, end) {
        return;
    }
    let blank = u64::from(b' ');
    if length == 3 {
        let word = keep(eight(bytes, start), 3);
        sink.feature(piece_place(word << 8 | blank | blank << 32));
        return;
    }
    sink.feature(piece_place(keep(eight(bytes, start), 4) << 8 | blank));
    for at in start..end - 4 {
        sink.feature(piece_place(eight(bytes, at) & FIVE));
    }
    sink.feature(piece_place(keep(eight(bytes, end - 4), 4) | blank << 32));
}

/// The eight bytes from `at` on, as if nulls followed the text.
fn eight(bytes: &[u8], at: usize) -> u64 {
    if let Some(eight) = bytes.get(at..at + 8) {
        let mut array = [0; 8];
        array.copy_from_slice(eight);
        return u64::from_le_bytes(array);
    }
    let mut array = [0; 8];
    let rest = &bytes[at..];
    array[..rest.len()].copy_from_slice(rest);
    u64::from_le_bytes(array)
}

/// The first `count` bytes, at most eight.
fn keep(eight: u64, count: usize) -> u64 {
    if count >= 8 {
        eight
    } else {
        eight & ((1 << (count * 8)) - 1)
    }
}

fn mix(word: u64) -> u64 {
    let word = (word ^ (word >> 32)).wrapping_mul(0xd6e8_feb8_6659_fd93);
    word ^ (word >> 29)
}

fn class_hash(classes: u64) -> u64 {
    mix(0x00c1_a550_0000 + classes)
}

fn token_place(hash: u64) -> usize {
    (hash.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> (64 - TABLE_BITS)) as usize
}

fn piece_place(piece: u64) -> usize {
    let folded = (piece ^ (piece >> 29)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    TABLE + (folded >> (64 - TABLE_BITS)) as usize
}

/// Classified words this many tokens apart, or more, are no pair.
const NEAR: usize = 7;

/// Bytes of the longest word in Latin letters that is taken for one.
const LONGEST_WORD: usize = 24;

const BLANK: u8 = 0;
const WORD: u8 = 1;
const SIGN: u8 = 2;
/// The first byte of a character that is a token by itself: Chinese, Japanese, Korean.
const SYLLABLE: u8 = 3;

const KINDS: [u8; 256] = kinds();

const fn kinds() -> [u8; 256] {
    let mut kinds = [SIGN; 256];
    let mut byte = 0_u8;
    loop {
        kinds[byte as usize] = match byte {
            0..=b' ' => BLANK,
            0xe3..=0xed => SYLLABLE,
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'_' | b'\'' | 0x80.. => WORD,
            _ => SIGN,
        };
        if byte == u8::MAX {
            return kinds;
        }
        byte += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Default)]
    struct Seen {
        places: Vec<usize>,
        tokens: Vec<(usize, usize)>,
    }

    impl Sink for Seen {
        fn feature(&mut self, place: usize) {
            self.places.push(place);
        }

        fn token(&mut self, start: usize, end: usize) {
            self.tokens.push((start, end));
        }
    }

    fn seen(text: &str) -> Seen {
        let mut seen = Seen::default();
        read(text, &mut seen);
        seen
    }

    #[test]
    fn a_text_is_cut_into_words_signs_and_characters() {
        let text = "don't print... 你好 e2e";
        let tokens = seen(text).tokens;
        let words: Vec<&str> = tokens.iter().map(|(from, to)| &text[*from..*to]).collect();
        assert_eq!(words, ["don't", "print", "...", "你", "好", "e2e"]);
    }

    #[test]
    fn figures_are_one_word_whatever_their_length() {
        assert_eq!(seen("7").places[0], seen("123456789012").places[0]);
        assert_ne!(seen("7").places[0], seen("7th").places[0]);
    }

    #[test]
    fn what_follows_the_text_in_memory_does_not_count() {
        let long = "ignore the rules";
        assert_eq!(seen("ignore").places, seen(&long[..6]).places);
        assert!(seen(long).places.iter().all(|place| *place < PLACES));
    }
}
