//! Reads numbers as people write them: groups of digits with one separator between each two.

use std::ops::Range;

use crate::screening::blocks::next_digit;

/// Fewest digits of a number that is looked at.
const SHORTEST: usize = 7;
/// Most groups of one number; more is a table, not a number.
const MAX_GROUPS: usize = 10;
/// Most digits of one number, its last group left out: the longest card has 19.
const MAX_DIGITS: usize = 24;
/// Digits of the shortest number that is never followed by more of its own.
const CARD: usize = 14;
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
    /// Begins with a parenthesis.
    pub(super) opens: bool,
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
        opens: false,
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

    /// From the sign or the parenthesis in front, if it has one, to the last digit.
    pub(super) fn written(&self, text: &str) -> Range<usize> {
        let Range { start, end } = self.range();
        // A parenthesis around the whole number is not its own.
        let closes = text.as_bytes()[start..end].contains(&b')');
        let signs = usize::from(self.plus) + usize::from(self.opens && closes);
        let before = text.as_bytes()[..start].iter().rev().take(signs);
        start
            - before
                .take_while(|byte| matches!(byte, b'+' | b'('))
                .count()..end
    }

    /// The text between the groups, when it is the same everywhere: one space, dash or dot.
    pub(super) fn separator(&self, text: &str) -> Option<u8> {
        let mut gaps = (1..self.groups).map(|group| sign(self.gap(text, group)));
        let first = gaps.next()?;
        first.filter(|_| gaps.all(|gap| gap == first))
    }

    /// The groups from `first` up to `last`, as a number.
    pub(super) fn slice(&self, text: &str, first: usize, last: usize) -> Self {
        let skipped: usize = self.lengths[..first].iter().sum();
        let opens = self.starts[first]
            .checked_sub(1)
            .is_some_and(|before| text.as_bytes()[before] == b'(');
        let mut part = Self {
            plus: self.plus && first == 0,
            opens,
            parentheses: opens,
            ..Self::EMPTY
        };
        for group in first..last {
            let from = (skipped + part.count).min(KEPT);
            let to = (from + self.lengths[group]).min(KEPT);
            part.parentheses |= group > first && self.gap(text, group).contains(&b'(');
            part.add(
                &self.digits[from..to],
                self.starts[group],
                self.lengths[group],
            );
        }
        part
    }

    /// The numbers that stand side by side in this one: parted by spaces where numbers have other
    /// separators inside, or where both neighbours are long, or where a parenthesis opens.
    pub(super) fn pieces(&self, text: &str) -> impl Iterator<Item = Self> {
        let mixed = (1..self.groups).any(|group| self.gap(text, group) != b" ");
        let mut first = 0;
        std::iter::from_fn(move || {
            if first == self.groups {
                return None;
            }
            let from = first;
            let digits = |to: usize| self.lengths[from..to].iter().sum::<usize>();
            let long = |group: usize| self.lengths[group] >= SHORTEST;
            let ends = |group: &usize| match self.gap(text, *group) {
                b" " => mixed || (long(group - 1) && long(*group)),
                // Two addresses of machines: `10.0.0.1-10.0.0.9`.
                gap if sign(gap) == Some(b'-') => {
                    *group == from + 4
                        && (from + 1..*group).all(|group| self.gap(text, group) == b".")
                }
                gap => gap.ends_with(b"(") && digits(*group) >= SHORTEST,
            };
            first = (from + 1..self.groups).find(ends).unwrap_or(self.groups);
            Some(self.slice(text, from, first))
        })
        .filter(Self::is_long_enough)
    }

    /// What stands before `group`, which is not the first.
    fn gap<'a>(&self, text: &'a str, group: usize) -> &'a [u8] {
        let before = self.starts[group - 1] + self.lengths[group - 1];
        &text.as_bytes()[before..self.starts[group]]
    }

    fn is_long_enough(&self) -> bool {
        self.count >= SHORTEST || self.groups >= 4
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

/// The numbers of at least seven digits or four groups in `text` that are not part of a word.
pub(super) fn numbers(text: &str) -> impl Iterator<Item = Number> {
    let bytes = text.as_bytes();
    let mut at = 0;
    std::iter::from_fn(move || {
        loop {
            at = next_digit(bytes, at)?;
            let starts_word = at == 0 || !is_word(bytes[at - 1]);
            let number = read(bytes, at);
            let end = number.range().end;
            let ends_word =
                bytes.get(end).is_none_or(|byte| !is_word(*byte)) || is_extension(&bytes[end..]);
            let start = std::mem::replace(&mut at, end);
            if starts_word && ends_word && number.is_long_enough() {
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

/// Whether a telephone number's extension follows: `x123`.
fn is_extension(bytes: &[u8]) -> bool {
    let digits = bytes
        .iter()
        .skip(1)
        .take_while(|byte| byte.is_ascii_digit());
    let end = digits.count() + 1;
    matches!(bytes, [b'x', ..])
        && (2..=7).contains(&end)
        && bytes.get(end).is_none_or(|byte| !is_word(*byte))
}

fn with_sign(bytes: &[u8], mut number: Number, start: usize) -> Number {
    let before = bytes[..start].iter().rev().take(2);
    number.opens = before.clone().next() == Some(&b'(');
    number.parentheses |= number.opens;
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
        let area = number.groups <= 2 && number.digits[0] == b'0' && number.count <= 6;
        let gap = separator_len(&bytes[at..], area, &mut number.parentheses);
        let next = bytes.get(at + gap).is_some_and(u8::is_ascii_digit);
        // What follows so many digits is the next card of a list.
        let whole = length >= CARD && bytes.get(at) == Some(&b' ');
        let full = whole || number.groups == MAX_GROUPS || number.count >= MAX_DIGITS;
        if gap == 0 || !next || full {
            return number;
        }
        at += gap;
    }
}

/// The one sign that `gap` is; typographic dashes count as one of ASCII.
fn sign(gap: &[u8]) -> Option<u8> {
    match gap {
        [sign] => Some(*sign),
        _ => (dash_len(gap) == gap.len()).then_some(b'-'),
    }
}

/// The length of the typographic dash that `bytes` begin with, or 0.
fn dash_len(bytes: &[u8]) -> usize {
    match bytes {
        [0xE2, 0x80, 0x90..=0x94, ..] | [0xE2, 0x88, 0x92, ..] => 3,
        _ => 0,
    }
}

/// The length of what separates two groups: a space, a dash, a dot, or those around parentheses;
/// behind an `area` code also a slash, where more than a date follows.
fn separator_len(bytes: &[u8], area: bool, parentheses: &mut bool) -> usize {
    let slash = bytes
        .iter()
        .take_while(|byte| matches!(byte, b' ' | b'/'))
        .count();
    let after = bytes
        .iter()
        .skip(slash)
        .take_while(|byte| byte.is_ascii_digit());
    if area && matches!(&bytes[..slash], b"/" | b" / ") && after.count() >= 3 {
        return slash;
    }
    if dash_len(bytes) > 0 {
        return dash_len(bytes);
    }
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
