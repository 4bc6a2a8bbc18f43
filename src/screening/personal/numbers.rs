//! Reads numbers as people write them: groups of digits with one separator between each two.

use std::ops::Range;

/// Most groups of one number; more is a table, not a number.
const MAX_GROUPS: usize = 10;
/// Most digits of one number: the longest card has 19.
const MAX_DIGITS: usize = 24;

/// A number as it is written: `+49 (170) 123-4567`.
#[derive(Clone, Debug, Default)]
pub(super) struct Number {
    /// The digits alone.
    pub(super) digits: Vec<u8>,
    /// Where each group of digits stands in the text.
    groups: Vec<Range<usize>>,
    /// Begins with `+`.
    pub(super) plus: bool,
    /// Has a group in parentheses.
    pub(super) parentheses: bool,
}

impl Number {
    pub(super) fn groups(&self) -> &[Range<usize>] {
        &self.groups
    }

    /// The lengths of the groups, as in `[3, 2, 4]`.
    pub(super) fn shape(&self) -> Vec<usize> {
        self.groups.iter().map(ExactSizeIterator::len).collect()
    }

    /// From the first digit to the last.
    pub(super) fn range(&self) -> Range<usize> {
        let start = self.groups.first().map_or(0, |group| group.start);
        start..self.groups.last().map_or(start, |group| group.end)
    }

    /// The text between the groups, when it is the same everywhere: one space, dash or dot.
    pub(super) fn separator(&self, text: &str) -> Option<u8> {
        let mut gaps = self
            .groups
            .windows(2)
            .map(|pair| &text.as_bytes()[pair[0].end..pair[1].start]);
        let first = gaps.next()?;
        (first.len() == 1 && gaps.all(|gap| gap == first)).then(|| first[0])
    }

    /// The groups from `first` up to `last`, as a number.
    pub(super) fn slice(&self, first: usize, last: usize) -> Self {
        let skipped: usize = self.groups[..first]
            .iter()
            .map(ExactSizeIterator::len)
            .sum();
        let groups = self.groups[first..last].to_vec();
        let length: usize = groups.iter().map(ExactSizeIterator::len).sum();
        Self {
            digits: self.digits[skipped..skipped + length].to_vec(),
            groups,
            plus: self.plus && first == 0,
            parentheses: false,
        }
    }
}

/// The numbers of at least seven digits in `text` that are not part of a word.
pub(super) fn numbers(text: &str) -> impl Iterator<Item = Number> {
    let bytes = text.as_bytes();
    let mut at = 0;
    std::iter::from_fn(move || {
        loop {
            at += bytes.get(at..)?.iter().position(u8::is_ascii_digit)?;
            let starts_word = at == 0 || !is_word(bytes[at - 1]);
            let number = read(bytes, at);
            let end = number.range().end;
            let ends_word = bytes.get(end).is_none_or(|byte| !is_word(*byte));
            let long_enough = number.digits.len() >= 7 || number.groups.len() == 4;
            let start = std::mem::replace(&mut at, end);
            if starts_word && ends_word && long_enough {
                return Some(with_sign(bytes, number, start));
            }
            // A word that begins or ends with digits is passed whole.
            at += bytes[at..]
                .iter()
                .take_while(|byte| is_word(**byte))
                .count();
        }
    })
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

fn with_sign(bytes: &[u8], mut number: Number, start: usize) -> Number {
    let before = bytes[..start].iter().rev().take(2);
    number.parentheses |= before.clone().next() == Some(&b'(');
    number.plus = before
        .take_while(|b| matches!(b, b'+' | b'('))
        .any(|b| *b == b'+');
    number
}

fn read(bytes: &[u8], start: usize) -> Number {
    let mut number = Number::default();
    let mut at = start;
    loop {
        let rest = &bytes[at..];
        let length = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        number.digits.extend_from_slice(&rest[..length]);
        number.groups.push(at..at + length);
        at += length;
        let gap = separator_len(&bytes[at..], &mut number.parentheses);
        let next = bytes.get(at + gap).is_some_and(u8::is_ascii_digit);
        let full = number.groups.len() == MAX_GROUPS || number.digits.len() >= MAX_DIGITS;
        if gap == 0 || !next || full {
            return number;
        }
        at += gap;
    }
}

/// The length of what separates two groups: a space, a dash, a dot, or those around parentheses.
fn separator_len(bytes: &[u8], parentheses: &mut bool) -> usize {
    let length = bytes
        .iter()
        .take(3)
        .take_while(|byte| matches!(byte, b' ' | b'-' | b'.' | b'(' | b')'))
        .count();
    let gap = &bytes[..length];
    match gap {
        [b' ' | b'-' | b'.'] => 1,
        [b')' | b'(', ..] | [_, b'(' | b')'] | [_, b'-', _] => {
            *parentheses |= gap.contains(&b'(') || gap.contains(&b')');
            length
        }
        _ => 0,
    }
}
