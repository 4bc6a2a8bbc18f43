//! Other readings of a text: what it says once decoded.
//!
//! A view is made only when a cheap trigger fires, so ordinary text pays for the triggers alone.
//! Views are scanned like any text, and may have views of their own (two levels). Together the
//! views of one text are never longer than twice the text, so a body cannot grow by decoding.
//!
//! The offsets of a decoded run are those of the whole run: a phrase inside base64 has no bytes of
//! its own in the body.

mod letters;

use std::ops::Range;

use base64::{
    Engine as _,
    alphabet::STANDARD,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use memchr::memchr3_iter;

use super::offsets::OffsetMap;

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
    /// Byte by byte.
    Mapped(OffsetMap),
    /// Back to front, of a text this long.
    Reversed(usize),
    /// Only as a whole.
    Whole(Range<usize>),
}

impl Origin {
    /// Where `range` of the view stands in the text it was made from.
    pub(super) fn source(&self, range: &Range<usize>) -> Range<usize> {
        match self {
            Self::Mapped(map) => map.source(range),
            Self::Reversed(length) => length - range.end..length - range.start,
            Self::Whole(whole) => whole.clone(),
        }
    }
}

/// The views of `text`, which is clean (no invisible characters). Ciphers are asked for apart: what
/// triggers them are enciphered words, which the phrase rules look for.
pub(super) fn views(text: &str) -> Vec<View> {
    let mut budget = text.len() * 2;
    let mut views = Vec::new();
    let mut keep = |view: View| {
        if let Some(left) = budget.checked_sub(view.text.len())
            && views.len() < MAX_VIEWS
        {
            budget = left;
            views.push(view);
        }
    };
    if let Some(view) = unescaped(text) {
        keep(view);
    }
    for view in encoded_runs(text) {
        keep(view);
    }
    if let Some(view) = spaced(text) {
        keep(view);
    }
    let digits = text.bytes().filter(u8::is_ascii_digit).count();
    if digits >= letters::FEWEST_DIGITS_OF_CODES {
        for view in letters::codes(text) {
            keep(view);
        }
    }
    if digits >= letters::FEWEST_DIGITS_OF_LEET
        && let Some(view) = leet(text)
    {
        keep(view);
    }
    views
}

/// `%41`, `&#65;`, `\u0041` and `\x41` written out, when there are at least three.
fn unescaped(text: &str) -> Option<View> {
    let bytes = text.as_bytes();
    let mut out = String::new();
    let mut map = OffsetMap::default();
    let (mut copied, mut count) = (0, 0);
    for at in memchr3_iter(b'%', b'&', b'\\', bytes) {
        if at < copied {
            continue;
        }
        if let Some((char, length)) = escape(&bytes[at..]) {
            out.push_str(&text[copied..at]);
            let start = out.len();
            out.push(char);
            map.push(start..out.len(), at..at + length);
            copied = at + length;
            count += 1;
        }
    }
    out.push_str(&text[copied..]);
    (count >= 3).then_some(View {
        text: out,
        origin: Origin::Mapped(map),
        phrases_only: false,
    })
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
fn encoded_runs(text: &str) -> Vec<View> {
    let bytes = text.as_bytes();
    let mut views = Vec::new();
    let mut at = MIN_RUN - 1;
    // A run of MIN_RUN characters covers one of these positions, wherever it begins.
    while at < bytes.len() {
        if !is_base64(bytes[at]) {
            at += MIN_RUN;
            continue;
        }
        let before = bytes[..at].iter().rev().take_while(|b| is_base64(**b));
        let start = at - before.count();
        let end = run_end(bytes, at);
        if end - start >= MIN_RUN
            && let Some(decoded) = decode_run(&bytes[start..end])
        {
            views.push(View {
                text: decoded,
                origin: Origin::Whole(start..end),
                phrases_only: false,
            });
        }
        at = end + MIN_RUN;
    }
    views
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
    byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'-' | b'_')
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
    let head = BASE64.decode(&run[..run.len().min(32) & !3]).ok()?;
    (printable(&head) * 100 >= head.len() * 85).then(|| BASE64.decode(&run).ok())?
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

const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

/// Shortest run that is tried, in characters: 15 bytes of base64.
const MIN_RUN: usize = 20;
/// Most views of one text.
const MAX_VIEWS: usize = 64;

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
