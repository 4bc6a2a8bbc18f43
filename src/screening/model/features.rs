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
        let first = eight(bytes, start);
        at = token_end(bytes, start, first, kind);
        let hash = token_hash(bytes, start, at, first, kind);
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
            pieces(bytes, start, at, first, sink);
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
    let bytes = word.as_bytes();
    token_hash(bytes, 0, bytes.len(), eight(bytes, 0), WORD)
}

/// Where the token ends that begins at `start` with the bytes `first`.
fn token_end(bytes: &[u8], start: usize, first: u64, kind: u8) -> usize {
    let known = match kind {
        SYLLABLE => return (start + 3).min(bytes.len()),
        WORD => plain_len(first),
        _ => 1,
    };
    let mut end = start + known;
    while bytes
        .get(end)
        .is_some_and(|byte| KINDS[usize::from(*byte)] == kind)
    {
        end += 1;
    }
    end
}

/// How many of eight bytes, from the first on, are of a word and ASCII. All are looked at at once:
/// words end where no processor expects it, so a loop over them waits at each word's end.
fn plain_len(eight: u64) -> usize {
    const HIGH: u64 = every(0x80);
    let ascii = eight & !HIGH;
    // The high bit of each byte that is at least `low`, and of each that is `byte`.
    let from = |bytes: u64, low: u8| bytes + every(0x80 - low);
    let is = |byte: u8| !((ascii ^ every(byte)) + every(0x7f));
    let lower = ascii | every(0x20);
    let letters = from(lower, b'a') & !from(lower, b'z' + 1);
    let digits = from(ascii, b'0') & !from(ascii, b'9' + 1);
    let word = (letters | digits | is(b'_') | is(b'\'')) & !eight & HIGH;
    (word ^ HIGH).trailing_zeros() as usize / 8
}

/// Eight times the same byte.
const fn every(byte: u8) -> u64 {
    u64::from_le_bytes([byte; 8])
}

/// Figures count as one word, and long runs of signs by their first three.
#[inline]
fn token_hash(bytes: &[u8], start: usize, end: usize, first: u64, kind: u8) -> u64 {
    let length = end - start;
    let digit = first.to_le_bytes()[0].is_ascii_digit();
    if kind == SIGN {
        mix(keep(first, length.min(3)))
    } else if length <= 8 && !digit {
        mix(keep(first, length))
    } else {
        long_hash(bytes, start, end, first)
    }
}

/// The hash of a word that is long or begins with a digit.
#[inline(never)]
fn long_hash(bytes: &[u8], start: usize, end: usize, first: u64) -> u64 {
    let length = end - start;
    if is_figure(&bytes[start..end]) {
        return mix(u64::from(b'0'));
    }
    if length <= 8 {
        return mix(keep(first, length));
    }
    if is_code(first, length) {
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
fn is_code(first: u64, length: usize) -> bool {
    length > LONGEST_WORD && first.to_le_bytes()[0].is_ascii()
}

/// The pieces of five characters of a word between blanks.
#[inline]
fn pieces(bytes: &[u8], start: usize, end: usize, first: u64, sink: &mut impl Sink) {
    const FIVE: u64 = 0xff_ffff_ffff;
    let length = end - start;
    if length < 3 || is_code(first, length) {
        return;
    }
    let blank = u64::from(b' ');
    if length == 3 {
        sink.feature(piece_place(keep(first, 3) << 8 | blank | blank << 32));
        return;
    }
    sink.feature(piece_place(keep(first, 4) << 8 | blank));
    // Most words are no longer than what was read of them to find their end.
    let mut ahead = first;
    for at in 0..length - 4 {
        sink.feature(piece_place(ahead & FIVE));
        ahead = if at % 4 == 3 {
            eight(bytes, start + at + 1)
        } else {
            ahead >> 8
        };
    }
    sink.feature(piece_place(keep(ahead, 4) | blank << 32));
}

/// The eight bytes from `at` on, as if nulls followed the text.
#[inline]
fn eight(bytes: &[u8], at: usize) -> u64 {
    let rest = bytes.get(at..).unwrap_or_default();
    rest.first_chunk()
        .map_or_else(|| fewer(rest), |eight| u64::from_le_bytes(*eight))
}

/// The same of the last bytes of a text.
#[cold]
fn fewer(rest: &[u8]) -> u64 {
    let mut array = [0; 8];
    array[..rest.len()].copy_from_slice(rest);
    u64::from_le_bytes(array)
}

/// The first `count` bytes, one to eight.
fn keep(eight: u64, count: usize) -> u64 {
    eight & (u64::MAX >> (64 - 8 * count))
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
    fn words_end_at_the_same_byte_however_many_are_looked_at_at_once() {
        for byte in 0..=u8::MAX {
            for before in 0..8 {
                let mut bytes = [b'a'; 8];
                bytes[before] = byte;
                let plain = byte.is_ascii() && KINDS[usize::from(byte)] == WORD;
                let expected = if plain { 8 } else { before };
                let found = plain_len(u64::from_le_bytes(bytes));
                assert_eq!(found, expected, "{byte} behind {before}");
            }
        }
        // Every length, at the end of the text and before it.
        for length in 1..40 {
            for rest in ["", " ", "é", "é und so weiter", ", and so on"] {
                let text = format!("{}{rest}", "word_it's9".repeat(4).split_at(length).0);
                let end = text.find([' ', ',']).unwrap_or(text.len());
                assert_eq!(seen(&text).tokens[0], (0, end), "{text}");
            }
        }
    }

    #[test]
    fn pieces_are_the_five_letters_from_each_place_on() {
        let pieces = |text: &str| -> Vec<usize> {
            let places = seen(text).places.into_iter();
            places.filter(|place| *place >= TABLE).collect()
        };
        for word in [
            "cat",
            "cats",
            "kitten",
            "kittens",
            "elephant",
            "elephants",
            "characterisation",
        ] {
            let padded = format!(" {word} ");
            let expected: Vec<usize> = padded
                .as_bytes()
                .windows(5)
                .map(|five| piece_place(fewer(five)))
                .collect();
            assert_eq!(pieces(word), expected, "{word}");
            assert_eq!(pieces(&format!("{word} 1")), expected, "{word}");
        }
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
