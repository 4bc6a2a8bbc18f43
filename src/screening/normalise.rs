//! Brings text to the one form that rules are written for.
//!
//! Two forms, as the detectors differ. [`clean`] strips what cannot be seen and writes fullwidth and
//! mathematical letters as ASCII, but keeps case and blanks: secrets and numbers are read from it.
//! [`fold`] goes on to lower case, single blanks, no accents, and Latin letters for the Cyrillic and
//! Greek ones that look the same: phrases are read from it. Phrases in other scripts go through the
//! same folding when rules are built, so they still match.
//!
//! Both keep an [`OffsetMap`] back to what they were given. Cost: ASCII text is not copied by
//! `clean` and takes one vectorised pass in `fold`. Folded text is never longer than twice the text,
//! since ligatures of whole phrases are left as they are.

mod confusables;

use std::{borrow::Cow, ops::Range};

use icu_normalizer::DecomposingNormalizerBorrowed;
use memchr::memmem;

use self::confusables::latin_look_alike;
use super::{
    blocks::{Block, is, is_within, position},
    offsets::OffsetMap,
};

/// Text without what cannot be seen.
#[derive(Debug)]
pub(super) struct Clean<'a> {
    pub(super) text: Cow<'a, str>,
    /// Back to the text as given.
    pub(super) map: OffsetMap,
    /// Invisible text that has no honest use, in the text as given.
    pub(super) invisible: Vec<Range<usize>>,
}

/// Strips invisible and control characters and writes compatibility forms of ASCII as ASCII. Invisible letters
/// (Unicode tags, variation selectors) are written out, since models read them.
pub(super) fn clean(text: &str) -> Clean<'_> {
    if text.is_ascii() && position(text.as_bytes(), controls).is_none() {
        return Clean {
            text: Cow::Borrowed(text),
            map: OffsetMap::default(),
            invisible: Vec::new(),
        };
    }
    let mut out = String::with_capacity(text.len());
    let mut map = OffsetMap::default();
    let mut hidden = Hidden::default();
    let mut decomposed = String::new();
    let mut at = 0;
    while let Some(char) = text[at..].chars().next() {
        let run = plain_len(&text.as_bytes()[at..]);
        if run > 0 {
            // Only the edges of a run say anything about what is hidden around it.
            hidden.seen(char);
            hidden.seen(char::from(text.as_bytes()[at + run - 1]));
            out.push_str(&text[at..at + run]);
            at += run;
            continue;
        }
        let src = at..at + char.len_utf8();
        at = src.end;
        let start = out.len();
        if let Some(kind) = Unseen::of(char) {
            if let Some(letter) = hidden.unseen(kind, &src) {
                out.push(letter);
            }
            map.push(start..out.len(), src);
            continue;
        }
        hidden.seen(char);
        if has_ascii_form(char) && decompose(char, &mut decomposed).is_ascii() {
            out.push_str(&decomposed);
            map.push(start..out.len(), src);
        } else {
            out.push(char);
        }
    }
    Clean {
        text: Cow::Owned(out),
        map,
        invisible: hidden.finish(),
    }
}

/// How many ASCII bytes that are kept `bytes` begins with.
fn plain_len(bytes: &[u8]) -> usize {
    let other = |bytes| is_within(bytes, 0x80, u8::MAX) | controls(bytes);
    position(bytes, other).unwrap_or(bytes.len())
}

/// ASCII controls that have no place in a text: all but tab and line breaks.
fn controls(bytes: Block) -> Block {
    let below = is_within(bytes, 0, b'\t' - 1) | is_within(bytes, b'\n' + 1, 0x1f);
    (below & !is(bytes, b'\r')) | is(bytes, 0x7f)
}

/// Text in lower case with single blanks, accents and look-alikes folded; and the map back.
pub(super) fn fold(text: &str) -> (String, OffsetMap) {
    if text.is_ascii() {
        return fold_ascii(text);
    }
    let mut out = String::with_capacity(text.len());
    let mut map = OffsetMap::default();
    let mut decomposed = String::new();
    let mut blank = false;
    for (at, char) in text.char_indices() {
        let src = at..at + char.len_utf8();
        let start = out.len();
        if char.is_whitespace() || char.is_ascii_control() {
            if blank {
                map.push(start..start, src);
            } else {
                out.push(' ');
                if src.len() > 1 {
                    map.push(start..out.len(), src);
                }
            }
            blank = true;
            continue;
        }
        blank = false;
        if char.is_ascii() {
            out.push(char.to_ascii_lowercase());
            continue;
        }
        fold_char(char, &mut decomposed, &mut out);
        if out.len() > MAX_GROWTH * src.end + MOST_EXPANDED {
            // More than any language needs: taken as it is.
            out.truncate(start);
            out.push(char);
        }
        // Several characters may be as long as the one they stand for (U+338D is `μg`), and each
        // of them leads back to all of it.
        let one = out[start..].chars().nth(1).is_none();
        if out.len() - start != src.len() || !one {
            map.push(start..out.len(), src);
        }
    }
    (out, map)
}

fn fold_ascii(text: &str) -> (String, OffsetMap) {
    let plain = |byte: &u8| {
        if *byte <= b' ' {
            b' '
        } else {
            byte.to_ascii_lowercase()
        }
    };
    let folded: Vec<u8> = text.as_bytes().iter().map(plain).collect();
    let mut map = OffsetMap::default();
    let folded = String::from_utf8(folded).expect("ASCII stays ASCII");
    let Some(first) = memmem::find(folded.as_bytes(), b"  ") else {
        return (folded, map);
    };
    let mut out = String::with_capacity(folded.len());
    let mut at = 0;
    let mut next = Some(first);
    while let Some(start) = next {
        out.push_str(&folded[at..=start]);
        let blanks = folded[start..].bytes().take_while(|b| *b == b' ').count();
        map.push(out.len() - 1..out.len(), start..start + blanks);
        at = start + blanks;
        next = memmem::find(&folded.as_bytes()[at..], b"  ").map(|found| at + found);
    }
    out.push_str(&folded[at..]);
    (out, map)
}

fn fold_char(char: char, decomposed: &mut String, out: &mut String) {
    if let Some(latin) = latin_look_alike(char) {
        out.push(latin);
    } else if is_settled(char) {
        out.push(char);
    } else {
        for part in decompose(char, decomposed).chars().filter(|c| !is_mark(*c)) {
            for lower in part.to_lowercase().filter(|c| !is_mark(*c)) {
                out.push(latin_look_alike(lower).unwrap_or(lower));
            }
        }
    }
}

fn decompose(char: char, into: &mut String) -> &str {
    const NFKD: DecomposingNormalizerBorrowed<'static> = DecomposingNormalizerBorrowed::new_nfkd();
    into.clear();
    let mut buffer = [0; 4];
    let written: &str = char.encode_utf8(&mut buffer);
    into.push_str(&NFKD.normalize(written));
    if into.chars().nth(MOST_EXPANDED).is_some() {
        // A whole phrase in one character (U+FDFA has 18) is no letter in disguise.
        into.clear();
        into.push_str(written);
    }
    into
}

/// Letters without case, accents and compatibility forms, which need no table.
fn is_settled(char: char) -> bool {
    matches!(
        char,
        'а'..='и' | 'к'..='я' | 'א'..='ת' | '\u{627}'..='\u{63a}' | '\u{641}'..='\u{64a}'
            | '\u{915}'..='\u{928}' | '\u{e01}'..='\u{e2e}' | '\u{3041}'..='\u{304a}'
            | '\u{4e00}'..='\u{9fff}' | '\u{ac00}'..='\u{d7a3}'
    )
}

/// Blocks whose characters are another way to write ASCII.
fn has_ascii_form(char: char) -> bool {
    matches!(
        char,
        '\u{a0}' | '\u{2000}'..='\u{200a}' | '\u{2024}'..='\u{2026}' | '\u{202f}' | '\u{205f}'
            | '\u{2070}'..='\u{209f}' | '\u{2100}'..='\u{214f}' | '\u{2460}'..='\u{24ff}'
            | '\u{3000}' | '\u{ff01}'..='\u{ffef}' | '\u{1d400}'..='\u{1d7ff}'
            | '\u{1f100}'..='\u{1f16f}'
    )
}

fn is_mark(char: char) -> bool {
    matches!(
        char,
        '\u{300}'..='\u{36f}' | '\u{483}'..='\u{487}' | '\u{591}'..='\u{5bd}'
            | '\u{64b}'..='\u{65f}' | '\u{670}' | '\u{1ab0}'..='\u{1aff}' | '\u{1dc0}'..='\u{1dff}'
            | '\u{20d0}'..='\u{20ff}' | '\u{3099}'..='\u{309a}' | '\u{fe20}'..='\u{fe2f}'
    )
}

/// Kinds of characters that leave no trace on the screen.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Unseen {
    /// Turns the reading direction round by force.
    Bidi,
    /// A control character other than tab and line breaks.
    Control,
    /// Only ever set by typesetting software: soft hyphen, word joiner marks.
    Format,
    /// A letter of the tag block, with the ASCII character it copies.
    Tag(char),
    /// A variation selector, with the byte it can smuggle.
    Variation(u8),
    /// No width at all.
    ZeroWidth,
}

impl Unseen {
    fn of(char: char) -> Option<Self> {
        let low_byte = |base: u32| u8::try_from(u32::from(char) - base).unwrap_or(0);
        Some(match char {
            '\0'..='\u{8}' | '\u{b}' | '\u{c}' | '\u{e}'..='\u{1f}' | '\u{7f}'..='\u{9f}' => {
                Self::Control
            }
            '\u{202d}' | '\u{202e}' => Self::Bidi,
            '\u{e0020}'..='\u{e007e}' => Self::Tag(char::from(low_byte(0xe_0000))),
            '\u{fe00}'..='\u{fe0f}' => Self::Variation(low_byte(0xfe00)),
            '\u{e0100}'..='\u{e01ef}' => Self::Variation(low_byte(0xe_0100 - 16)),
            '\u{200b}'..='\u{200d}' | '\u{2060}'..='\u{2064}' | '\u{feff}' | '\u{180e}' => {
                Self::ZeroWidth
            }
            '\u{ad}'
            | '\u{34f}'
            | '\u{61c}'
            | '\u{115f}'
            | '\u{1160}'
            | '\u{17b4}'
            | '\u{17b5}'
            | '\u{180b}'..='\u{180d}'
            | '\u{200e}'
            | '\u{200f}'
            | '\u{202a}'..='\u{202c}'
            | '\u{2065}'..='\u{206f}'
            | '\u{3164}'
            | '\u{ffa0}'
            | '\u{fff9}'..='\u{fffb}'
            | '\u{e0000}'..='\u{e001f}'
            | '\u{e007f}' => Self::Format,
            _ => return None,
        })
    }
}

/// Tells smuggled text from the honest uses of invisible characters: flags, emoji, Persian joiners,
/// a byte-order mark, a pasted zero-width space.
#[derive(Debug, Default)]
struct Hidden {
    found: Vec<Range<usize>>,
    /// The run of unseen characters being read: its kind and place.
    run: Option<(Unseen, Range<usize>, usize)>,
    after_flag: bool,
    after_letter: bool,
    after_word: bool,
    /// Control characters after a letter or digit; hidden in a word if another follows.
    controls: Option<Range<usize>>,
    /// Zero-width characters inside words.
    in_words: Vec<Range<usize>>,
    /// One that stands after a letter; inside a word if a letter follows.
    pending: Option<Range<usize>>,
}

impl Hidden {
    fn seen(&mut self, char: char) {
        if let Some(range) = self.pending.take()
            && char.is_ascii_alphabetic()
        {
            self.in_words.push(range);
        }
        let in_word = char.is_alphanumeric() || char == '_';
        if let Some(range) = self.controls.take()
            && in_word
        {
            self.found.push(range);
        }
        self.close();
        self.after_word = in_word;
        self.after_flag = char == '\u{1f3f4}';
        self.after_letter = char.is_ascii_alphabetic();
    }

    /// Takes one unseen character; returns the letter that it smuggles, if it does.
    fn unseen(&mut self, kind: Unseen, at: &Range<usize>) -> Option<char> {
        if kind == Unseen::ZeroWidth && self.after_letter && self.pending.is_none() {
            self.pending = Some(at.clone());
        }
        if kind == Unseen::Control && self.after_word {
            let start = self.controls.as_ref().map_or(at.start, |range| range.start);
            self.controls = Some(start..at.end);
        }
        let same = |run: &Unseen| std::mem::discriminant(run) == std::mem::discriminant(&kind);
        let length = match &mut self.run {
            Some((run, range, length)) if same(run) && range.end == at.start => {
                range.end = at.end;
                *length += 1;
                *length
            }
            _ => {
                self.close();
                self.run = Some((kind, at.clone(), 1));
                1
            }
        };
        match kind {
            Unseen::Tag(letter) if !self.after_flag => Some(letter),
            Unseen::Variation(byte) if length > 1 => {
                let letter = char::from(byte);
                (letter.is_ascii_graphic() || letter == ' ').then_some(letter)
            }
            _ => None,
        }
    }

    fn close(&mut self) {
        let Some((kind, range, length)) = self.run.take() else {
            return;
        };
        let smuggled = match kind {
            Unseen::Bidi => true,
            // It depends on what stands around them.
            Unseen::Control => false,
            Unseen::Format => length >= 16,
            Unseen::Tag(_) => !self.after_flag || length > LONGEST_FLAG,
            Unseen::Variation(_) => length >= 3,
            Unseen::ZeroWidth => length >= 4,
        };
        if smuggled {
            self.found.push(range);
        }
    }

    fn finish(mut self) -> Vec<Range<usize>> {
        self.close();
        if self.in_words.len() >= 3 {
            self.found.append(&mut self.in_words);
        }
        self.found
    }
}

/// Most characters that one character is written out as.
const MOST_EXPANDED: usize = 4;
/// Folded text is at most so many times as long as what it was folded from.
const MAX_GROWTH: usize = 2;
/// Tag letters in the flag of a region: `gbeng`, `gbsct`, `gbwls`.
const LONGEST_FLAG: usize = 6;

#[cfg(test)]
mod tests;
