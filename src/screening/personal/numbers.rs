//! Reads numbers as people write them: groups of digits with one separator between each two.

use std::ops::Range;

/// Most groups of one number; more is a table, not a number.
const MAX_GROUPS: usize = 10;
/// Most digits of one number, its last group left out: the longest card has 19.
const MAX_DIGITS: usize = 24;
/// Digits that are kept: more than any number has that means something.
const KEPT: usize = 48;

/// A number as it is written: `+49 (170) 123-4567`. No heap, as tables are full of them.
#[derive(Clone, Copy, Debug)]
pub(super) struct Number {
    digits: [u8; KEPT],
    /// How many digits there are, kept or not.
    count: usize,
    /// Where each group of digits begins in the text, and its length.
    starts: [usize; MAX_GROUPS],
    lengths: [usize; MAX_GROUPS],
    groups: usize,
    /// Begins with `+`.
    pub(super) plus: bool,
    /// Has a group in parentheses.
    pub(super) parentheses: bool,
}

impl Number {
    const EMPTY: Self = Self {
        digits: [0; KEPT],
        count: 0,
        starts: [0; MAX_GROUPS],
        lengths: [0; MAX_GROUPS],
        groups: 0,
        plus: false,
        parentheses: false,
    };

    /// The digits alone; of a very long number, its first ones.
    pub(super) fn digits(&self) -> &[u8] {
        &self.digits[..self.count.min(KEPT)]
    }

    /// The lengths of the groups, as in `[3, 2, 4]`.
    pub(super) fn shape(&self) -> &[usize] {
        &self.lengths[..self.groups]
    }

    /// From the first digit to the last.
    pub(super) fn range(&self) -> Range<usize> {
        let last = self.groups.saturating_sub(1);
        self.starts[0]..self.starts[last] + self.lengths[last]
    }

    /// The text between the groups, when it is the same everywhere: one space, dash or dot.
    pub(super) fn separator(&self, text: &str) -> Option<u8> {
        let mut gaps = (1..self.groups).map(|group| {
            let before = self.starts[group - 1] + self.lengths[group - 1];
            &text.as_bytes()[before..self.starts[group]]
        });
        let first = gaps.next()?;
        (first.len() == 1 && gaps.all(|gap| gap == first)).then(|| first[0])
    }

    /// The groups from `first` up to `last`, as a number.
    pub(super) fn slice(&self, first: usize, last: usize) -> Self {
        let skipped: usize = self.lengths[..first].iter().sum();
        let mut part = Self {
            plus: self.plus && first == 0,
            ..Self::EMPTY
        };
        for group in first..last {
            let from = (skipped + part.count).min(KEPT);
            let to = (from + self.lengths[group]).min(KEPT);
            part.add(
                &self.digits[from..to],
                self.starts[group],
                self.lengths[group],
            );
        }
        part
    }

    fn add(&mut self, digits: &[u8], start: usize, length: usize) {
        let from = self.count.min(KEPT);
        let kept = digits.len().min(KEPT - from);
        self.digits[from..from + kept].copy_from_slice(&digits[..kept]);
        self.count += length;
        self.starts[self.groups] = start;
        self.lengths[self.groups] = length;
        self.groups += 1;
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
            let long_enough = number.count >= 7 || number.groups == 4;
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
    let mut number = Number::EMPTY;
    let mut at = start;
    loop {
        let rest = &bytes[at..];
        let length = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        number.add(&rest[..length], at, length);
        at += length;
        let gap = separator_len(&bytes[at..], &mut number.parentheses);
        let next = bytes.get(at + gap).is_some_and(u8::is_ascii_digit);
        let full = number.groups == MAX_GROUPS || number.count >= MAX_DIGITS;
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
