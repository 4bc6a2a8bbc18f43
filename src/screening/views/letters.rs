//! Views that undo tricks with single letters: spacing, digits for letters, codes, simple ciphers.

use std::ops::Range;

use super::{Decoded, Origin, Rewriting, View};
use crate::screening::{
    blocks::{self, Block, is, is_within, next_digit},
    document::floor,
    offsets::OffsetMap,
};

/// A cipher that swaps letters one for one, or turns the text round.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(in crate::screening) enum Cipher {
    /// a for z, b for y.
    Atbash,
    /// Back to front.
    Reversed,
    /// Thirteen letters on.
    Rot13,
}

impl Cipher {
    /// Deciphers `part` of `text`; enciphers too, as each is its own inverse.
    pub(in crate::screening) fn apply(self, text: &str, part: Range<usize>) -> View {
        let text = &text[part.clone()];
        let swap = |char: char| match (self, char) {
            (Self::Rot13, 'a'..='m' | 'A'..='M') => shift(char, 13),
            (Self::Rot13, 'n'..='z' | 'N'..='Z') => shift(char, -13),
            (Self::Atbash, 'a'..='z') => mirror(char, b'a', b'z'),
            (Self::Atbash, 'A'..='Z') => mirror(char, b'A', b'Z'),
            _ => char,
        };
        if self == Self::Reversed {
            return View {
                text: text.chars().rev().collect(),
                origin: Origin::Reversed(part),
                phrases_only: true,
            };
        }
        View {
            text: text.chars().map(swap).collect(),
            origin: Origin::Mapped(OffsetMap::from_base(part.start)),
            phrases_only: true,
        }
    }
}

/// `char` moved within the alphabet; the callers' ranges keep it a letter.
fn shift(char: char, by: i8) -> char {
    u8::try_from(char).map_or(char, |byte| char::from(byte.wrapping_add_signed(by)))
}

fn mirror(char: char, first: u8, last: u8) -> char {
    u8::try_from(char).map_or(char, |byte| char::from(first + (last - byte)))
}

/// `i g n o r e` and `i-g-n-o-r-e` written together, when at least eight characters stand alone. A
/// wider gap, or a blank between dashes, ends a word. Runs of figures are no words.
pub(in crate::screening) fn spaced(text: &str) -> Option<View> {
    let bytes = text.as_bytes();
    let mut rewriting = Rewriting::of(text);
    let (mut at, mut letters) = (0, 0);
    while let Some(next) = next_alone(bytes, at) {
        at = next;
        let run = alternating(&bytes[at..]);
        if run < 3 {
            at += 1;
            continue;
        }
        let end = at + run * 2 - 1;
        let run = at..end;
        at = end;
        let alone = || bytes[run.clone()].iter().step_by(2);
        let alphabetic = alone().filter(|byte| byte.is_ascii_alphabetic()).count();
        if alphabetic * 3 < alone().count() {
            continue;
        }
        letters += alone().count();
        for from in run.clone().step_by(2) {
            rewriting.replace(from..(from + 2).min(end), char::from(bytes[from]));
        }
    }
    (letters >= 8).then(|| rewriting.finish(true))
}

/// The first place at or behind `at` where three characters may stand alone: it begins a word, and
/// the two bytes between the three are the same separator.
pub(super) fn next_alone(bytes: &[u8], at: usize) -> Option<usize> {
    let begins = |five: &[u8]| {
        five[0].is_ascii_alphanumeric() && five[1] == five[3] && SEPARATORS.contains(&five[1])
    };
    if at == 0 && bytes.len() >= 5 && begins(bytes) {
        return Some(0);
    }
    let mut from = at.saturating_sub(1);
    let ahead = |from: usize| [0, 1, 2, 4, 5].map(|ahead| blocks::at(bytes, from + ahead));
    while let [
        Some(before),
        Some(first),
        Some(gap),
        Some(next_gap),
        Some(_),
    ] = ahead(from)
    {
        let alone = !alphanumeric(before) & alphanumeric(first) & gap.simd_eq(next_gap);
        if let Some(first) = blocks::first(alone & separates(gap)) {
            return Some(from + 1 + first);
        }
        from += blocks::SIZE;
    }
    let mut places = bytes.get(from..)?.windows(6);
    let place = places.position(|six| !six[0].is_ascii_alphanumeric() && begins(&six[1..]))?;
    Some(from + 1 + place)
}

fn alphanumeric(bytes: Block) -> Block {
    let lower = bytes | Block::splat(0x20);
    is_within(lower, b'a', b'z') | is_within(bytes, b'0', b'9')
}

fn separates(bytes: Block) -> Block {
    let separators = SEPARATORS.iter();
    separators.fold(Block::splat(0), |any, one| any | is(bytes, *one))
}

/// What may stand between characters that stand alone.
const SEPARATORS: &[u8] = b" -._*|/+";

/// How many characters, one separator apart, `bytes` begins with. Blanks count as characters, so
/// that `i-g-n-o-r-e- -i-t` keeps its words.
fn alternating(bytes: &[u8]) -> usize {
    let Some(&separator) = bytes.get(1) else {
        return 0;
    };
    if !SEPARATORS.contains(&separator) || !bytes[0].is_ascii_alphanumeric() {
        return 0;
    }
    let stands_alone = |byte: &u8| byte.is_ascii_graphic() || matches!(byte, b' ' | b'\n');
    let mut run = 0;
    while bytes.get(run * 2).is_some_and(stands_alone) {
        run += 1;
        if bytes.get(run * 2 - 1) != Some(&separator) {
            // A letter that goes on into a word is that word's.
            let inside = bytes
                .get(run * 2 - 1)
                .is_some_and(u8::is_ascii_alphanumeric);
            return run - usize::from(inside);
        }
    }
    run
}

/// Fewest digits in a text with codes in it, and in one with digits for letters.
pub(super) const FEWEST_DIGITS_OF_CODES: usize = 8;
pub(super) const FEWEST_DIGITS_OF_LEET: usize = 3;

/// Digits and signs read as the letters they are drawn like, where at least three short words mix
/// the two within a dozen; what stands around those words is read too.
pub(in crate::screening) fn leet(text: &str) -> Option<View> {
    let (mut dense, mut recent) = (None::<(usize, usize)>, [None::<(usize, usize)>; 3]);
    let bytes = text.as_bytes();
    let ends_word = |byte: &u8| matches!(byte, b' ' | b'\n');
    let ends_words = |bytes| is(bytes, b' ') | is(bytes, b'\n');
    // Where a word begins, and how many begin before it. Words without a digit are passed over.
    let (mut at, mut count) = (0, 0);
    while let Some(digit) = next_digit(bytes, at) {
        let before = &bytes[at..digit];
        count += blocks::count(before, ends_words);
        let start = at
            + before
                .iter()
                .rposition(ends_word)
                .map_or(0, |last| last + 1);
        let rest = blocks::position(&bytes[digit..], ends_words);
        let end = rest.map_or(bytes.len(), |rest| digit + rest);
        if is_mixed(&bytes[start..end]) {
            recent.rotate_left(1);
            recent[2] = Some((count, start));
            if let Some((first, start)) = recent[0]
                && count - first <= 12
            {
                dense = Some((dense.map_or(start, |(start, _)| start), end));
            }
        }
        (at, count) = (end + 1, count + 1);
    }
    let (start, end) = dense?;
    let start = floor(text, start.saturating_sub(AROUND));
    let end = floor(text, end + AROUND);
    let map = OffsetMap::from_base(start);
    Some(View {
        text: text[start..end]
            .chars()
            .map(|char| u8::try_from(char).ok().and_then(letter).unwrap_or(char))
            .collect(),
        origin: Origin::Mapped(map),
        phrases_only: true,
    })
}

/// Bytes on both sides of words with digits for letters that are read with them.
const AROUND: usize = 256;

fn is_mixed(bytes: &[u8]) -> bool {
    (3..=16).contains(&bytes.len())
        && bytes.iter().any(u8::is_ascii_digit)
        && bytes.windows(2).any(|pair| {
            let letters = pair.iter().filter(|b| b.is_ascii_alphabetic()).count();
            letters == 1
                && pair
                    .iter()
                    .any(|byte| byte.is_ascii_digit() && letter(*byte).is_some())
        })
}

fn letter(byte: u8) -> Option<char> {
    Some(match byte {
        b'0' => 'o',
        b'1' | b'!' => 'i',
        b'3' => 'e',
        b'4' | b'@' => 'a',
        b'5' | b'$' => 's',
        b'7' => 't',
        b'8' => 'b',
        _ => return None,
    })
}

/// Runs of at least eight hex pairs, octets of bits or decimal codes with blanks between, decoded.
pub(in crate::screening) fn codes(text: &str) -> Option<View> {
    let bytes = text.as_bytes();
    let ends_word = |byte: &u8| matches!(byte, b' ' | b'\n' | b',');
    let mut runs = Decoded::default();
    let mut run = Run::default();
    let mut at = 0;
    // Codes of printable characters begin with a digit, whatever their base.
    while let Some(digit) = next_digit(bytes, at) {
        if run.base != 0 && !bytes[at..digit].iter().all(ends_word) {
            run.end_in(&mut runs);
        }
        at = digit;
        if at > 0 && !ends_word(&bytes[at - 1]) {
            if run.base != 0 {
                run.end_in(&mut runs);
            }
            at += 1;
            continue;
        }
        let length = bytes[at..].iter().take(LONGEST_CODE + 1);
        let length = length.take_while(|byte| !ends_word(byte)).count();
        let word = &text[at..floor(text, at + length)];
        if !run.take(word, at) {
            run.end_in(&mut runs);
            run.take(word, at);
        }
        at += word.len();
    }
    run.end_in(&mut runs);
    runs.finish()
}

/// Bytes of the longest code: an octet of bits.
const LONGEST_CODE: usize = 8;

/// A run of codes of one base.
#[derive(Debug, Default)]
struct Run {
    base: u32,
    start: usize,
    end: usize,
    text: String,
}

impl Run {
    /// Adds `word`; false when it does not go on the run.
    fn take(&mut self, word: &str, at: usize) -> bool {
        if !matches!(word.len(), 2..=4 | 8) || !word.as_bytes()[0].is_ascii_hexdigit() {
            return self.base == 0;
        }
        let bits = word.len() == 8 && word.bytes().all(|b| matches!(b, b'0' | b'1'));
        let digits = word.strip_prefix("0x").unwrap_or(word);
        let hex = digits.len() == 2 && digits.bytes().all(|b| b.is_ascii_hexdigit());
        let decimal = (2..=3).contains(&word.len()) && word.bytes().all(|b| b.is_ascii_digit());
        let fits = |base: u32| match base {
            2 => bits,
            10 => decimal,
            16 => hex,
            _ => false,
        };
        if self.base == 0 {
            self.base = match (bits, decimal, hex) {
                (true, ..) => 2,
                (_, _, true) => 16,
                (_, true, _) => 10,
                _ => return true,
            };
            self.start = at;
        } else if !fits(self.base) {
            return false;
        }
        let code = u8::from_str_radix(if self.base == 16 { digits } else { word }, self.base);
        match code {
            Ok(code @ (b'\t' | b'\n' | b' '..=b'~')) => self.text.push(char::from(code)),
            _ => return false,
        }
        self.end = at + word.len();
        true
    }

    /// Ends the run, which is kept if it is long enough, and begins another.
    fn end_in(&mut self, runs: &mut Decoded) {
        if self.text.len() >= 8 {
            runs.push(&self.text, self.start..self.end);
        }
        self.base = 0;
        self.text.clear();
    }
}
