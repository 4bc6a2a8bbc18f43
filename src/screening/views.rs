//! Other readings of a text: what it says once decoded.
//!
//! A view is made only when a cheap trigger fires, so ordinary text pays for the triggers alone.
//! Views are scanned like any text, and may have views of their own (two levels). A view holds what
//! was decoded and its neighbourhood, not the whole text, and what was decoded in one way is one
//! view; the scan bounds the bytes of all views of a text, at all levels.
//!
//! The offsets of a decoded run are those of the whole run: a phrase inside base64 has no bytes of
//! its own in the body.

mod letters;

use std::ops::Range;

use base64_simd::forgiving_decode_to_vec;
use memchr::memchr3_iter;

use super::{blocks::digits, document::floor, offsets::OffsetMap};

pub(super) use self::letters::{Cipher, leet, spaced};

/// A decoded text and where it came from.
#[derive(Debug)]
pub(super) struct View {
    pub(super) text: String,
    pub(super) origin: Origin,
    /// Letters were guessed, so its numbers and keys mean nothing.
    pub(super) phrases_only: bool,
}

/// How a view's offsets lead back.
#[derive(Debug)]
pub(super) enum Origin {
    /// By a map; a decoded run leads back to the run as a whole.
    Mapped(OffsetMap),
    /// Back to front, of this part of the text.
    Reversed(Range<usize>),
}

impl Origin {
    /// Where `range` of the view stands in the text it was made from.
    pub(super) fn source(&self, range: &Range<usize>) -> Range<usize> {
        match self {
            Self::Mapped(map) => map.source(range),
            Self::Reversed(part) => part.end - range.end..part.end - range.start,
        }
    }
}

/// The views of `text`, which is clean (no invisible characters). Ciphers are asked for apart: what
/// triggers them are enciphered words, which the phrase rules look for.
pub(super) fn views(text: &str) -> Vec<View> {
    let mut views = Vec::new();
    views.extend(unescaped(text));
    views.extend(encoded_runs(text));
    views.extend(spaced(text));
    let digits = digits(text.as_bytes());
    if digits >= letters::FEWEST_DIGITS_OF_CODES {
        views.extend(letters::codes(text));
    }
    if digits >= letters::FEWEST_DIGITS_OF_LEET {
        views.extend(leet(text));
    }
    views
}

/// `%41`, `&#65;`, `\u0041` and `\x41` written out, when there are at least three.
fn unescaped(text: &str) -> Option<View> {
    let bytes = text.as_bytes();
    let mut rewriting = Rewriting::of(text);
    let mut count = 0;
    for at in memchr3_iter(b'%', b'&', b'\\', bytes) {
        if at >= rewriting.at
            && let Some((char, length)) = escape(&bytes[at..])
        {
            rewriting.replace(at..at + length, char);
            count += 1;
        }
    }
    (count >= 3).then(|| rewriting.finish(false))
}

/// A view in the making: characters put in the place of others, and what stands around them.
#[derive(Debug)]
struct Rewriting<'a> {
    text: &'a str,
    /// Up to where the text has been read.
    at: usize,
    out: String,
    map: OffsetMap,
}

impl<'a> Rewriting<'a> {
    fn of(text: &'a str) -> Self {
        Self {
            text,
            at: 0,
            out: String::new(),
            map: OffsetMap::default(),
        }
    }

    /// Puts `char` in the place of `source`, which comes after all that was replaced before.
    fn replace(&mut self, source: Range<usize>, char: char) {
        let near = floor(self.text, source.start.saturating_sub(AROUND));
        let end = if self.out.is_empty() {
            self.at
        } else {
            floor(self.text, self.at + AROUND)
        };
        if end < near {
            self.out.push_str(&self.text[self.at..end]);
            let start = self.out.len();
            self.out.push('\n');
            self.map.push(start..self.out.len(), end..near);
            self.at = near;
        }
        self.out.push_str(&self.text[self.at..source.start]);
        let start = self.out.len();
        self.out.push(char);
        self.map.push(start..self.out.len(), source.clone());
        self.at = source.end;
    }

    fn finish(mut self, phrases_only: bool) -> View {
        let end = floor(self.text, self.at + AROUND);
        self.out.push_str(&self.text[self.at..end]);
        View {
            text: self.out,
            origin: Origin::Mapped(self.map),
            phrases_only,
        }
    }
}

/// A view in the making: decoded runs, each on a line.
#[derive(Debug, Default)]
struct Decoded {
    text: String,
    map: OffsetMap,
    /// Where the last run ends in the source.
    at: usize,
}

impl Decoded {
    fn push(&mut self, run: &str, source: Range<usize>) {
        if !self.text.is_empty() {
            let start = self.text.len();
            self.text.push('\n');
            self.map.push(start..self.text.len(), self.at..source.start);
        }
        let start = self.text.len();
        self.text.push_str(run);
        self.at = source.end;
        self.map.push(start..self.text.len(), source);
    }

    fn finish(self) -> Option<View> {
        (!self.text.is_empty()).then_some(View {
            text: self.text,
            origin: Origin::Mapped(self.map),
            phrases_only: false,
        })
    }
}

/// The character that an escape stands for, and the escape's length. Multi-byte sequences behind
/// `%` come out as Latin-1: wrong letters, but phrases in ASCII stay whole.
fn escape(bytes: &[u8]) -> Option<(char, usize)> {
    let hex = |from: usize, to: usize| {
        let digits = str::from_utf8(bytes.get(from..to)?).ok()?;
        let all_hex = digits.bytes().all(|byte| byte.is_ascii_hexdigit());
        all_hex.then(|| u32::from_str_radix(digits, 16).ok())?
    };
    match (bytes.first()?, bytes.get(1)?) {
        (b'%', _) => Some((char::from_u32(hex(1, 3)?)?, 3)),
        (b'\\', b'x') => Some((char::from_u32(hex(2, 4)?)?, 4)),
        (b'\\', b'u') => Some((char::from_u32(hex(2, 6)?)?, 6)),
        (b'&', b'#') => {
            let end = bytes.iter().take(10).position(|byte| *byte == b';')?;
            let code = match bytes[2] {
                b'x' | b'X' => hex(3, end)?,
                _ => str::from_utf8(&bytes[2..end]).ok()?.parse().ok()?,
            };
            Some((char::from_u32(code)?, end + 1))
        }
        (b'&', _) => NAMED
            .iter()
            .find(|(name, _)| bytes.starts_with(name.as_bytes()))
            .map(|(name, char)| (*char, name.len())),
        _ => None,
    }
}

/// The base64 and hex runs of `text`, decoded, where they hold text.
fn encoded_runs(text: &str) -> Option<View> {
    let bytes = text.as_bytes();
    let mut runs = Decoded::default();
    let mut at = MIN_RUN - 1;
    // A run of MIN_RUN characters covers one of these positions, wherever it begins.
    while at < bytes.len() {
        if !may_be_in_run(bytes, at) {
            at += MIN_RUN;
            continue;
        }
        let before = bytes[..at].iter().rev().take_while(|b| is_base64(**b));
        let start = at - before.count();
        let end = run_end(bytes, at);
        if end - start >= MIN_RUN
            && let Some(decoded) = decode_run(&bytes[start..end])
        {
            runs.push(&decoded, start..end);
        }
        at = end + MIN_RUN;
    }
    runs.finish()
}

/// Whether [`MIN_RUN`] characters around `at` may be of a run: then half of them are on one side.
/// No byte is asked for after the other: words end where no processor expects it.
fn may_be_in_run(bytes: &[u8], at: usize) -> bool {
    const HALF: usize = MIN_RUN / 2;
    let all = |half: &[u8; HALF]| {
        half.iter()
            .fold(true, |all, byte| all & BASE64[usize::from(*byte)])
    };
    let (before, behind) = (bytes[..=at].last_chunk(), bytes[at..].first_chunk());
    before.is_some_and(all) | behind.is_some_and(all)
}

/// The end of the run around `at`, line breaks between full lines passed.
fn run_end(bytes: &[u8], at: usize) -> usize {
    let mut end = at;
    loop {
        let line = bytes[end..].iter().take_while(|b| is_base64(**b)).count();
        end += line;
        let gap = bytes[end..]
            .iter()
            .take_while(|b| matches!(b, b'\r' | b'\n'));
        let next = end + gap.count();
        let wrapped = next > end
            && line >= MIN_RUN
            && bytes
                .get(next..next + 4)
                .is_some_and(|b| b.iter().all(|b| is_base64(*b)));
        if !wrapped {
            return end;
        }
        end = next;
    }
}

fn is_base64(byte: u8) -> bool {
    BASE64[usize::from(byte)]
}

fn decode_run(run: &[u8]) -> Option<String> {
    let run: Vec<u8> = run
        .iter()
        .copied()
        .filter(|b| !b.is_ascii_whitespace())
        .collect();
    let hex = run.len().is_multiple_of(2) && run.iter().all(u8::is_ascii_hexdigit);
    let decoded = if hex {
        let pair = |pair: &[u8]| u8::from_str_radix(str::from_utf8(pair).ok()?, 16).ok();
        run.chunks_exact(2).map(pair).collect::<Option<Vec<u8>>>()?
    } else {
        decode_base64(&run)?
    };
    text_of(decoded)
}

fn decode_base64(run: &[u8]) -> Option<Vec<u8>> {
    let standard = |byte: &u8| match byte {
        b'-' => b'+',
        b'_' => b'/',
        other => *other,
    };
    // A length of 4n + 1 is a run with something else glued to its end.
    let whole = run.len() - usize::from(run.len() % 4 == 1);
    let run: Vec<u8> = run[..whole].iter().map(standard).collect();
    // Most runs are paths or identifiers: look at the beginning before decoding all of it.
    let head = forgiving_decode_to_vec(&run[..run.len().min(32) & !3]).ok()?;
    (printable(&head) * 100 >= head.len() * 85).then(|| forgiving_decode_to_vec(&run).ok())?
}

/// The bytes as text, when at least 95 % of them are printable.
fn text_of(bytes: Vec<u8>) -> Option<String> {
    if bytes.len() < 8 || printable(&bytes) * 100 < bytes.len() * 95 {
        return None;
    }
    String::from_utf8(bytes)
        .or_else(|error| Ok::<_, ()>(String::from_utf8_lossy(error.as_bytes()).into_owned()))
        .ok()
}

fn printable(bytes: &[u8]) -> usize {
    let is_printable = |byte: &&u8| matches!(byte, b'\t' | b'\n' | b'\r' | b' '..=b'~' | 0x80..);
    let is_ascii = |byte: &&u8| byte.is_ascii();
    let count = bytes.iter().filter(is_printable).count();
    // Half of random bytes are not ASCII; half of most texts is.
    let valid = str::from_utf8(bytes).is_ok_and(|_| count > 0);
    if valid {
        count
    } else {
        bytes.iter().filter(is_ascii).filter(is_printable).count()
    }
}

/// Whether base64 data decodes to text, so that it is not a picture.
pub(super) fn is_text_in_base64(data: &str) -> bool {
    decode_base64(data.trim_end_matches('=').as_bytes())
        .and_then(text_of)
        .is_some()
}

/// The bytes of base64, in both its alphabets.
const BASE64: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0_u8;
    while byte < 128 {
        table[byte as usize] =
            byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'-' | b'_');
        byte += 1;
    }
    table
};

/// Shortest run that is tried, in characters: 15 bytes of base64.
const MIN_RUN: usize = 20;
/// Bytes on both sides of what was rewritten that are read with it. Longer than the longest phrase.
const AROUND: usize = 512;

const NAMED: [(&str, char); 6] = [
    ("&lt;", '<'),
    ("&gt;", '>'),
    ("&amp;", '&'),
    ("&quot;", '"'),
    ("&apos;", '\''),
    ("&nbsp;", ' '),
];

#[cfg(test)]
mod tests;
