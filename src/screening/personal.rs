//! Finds personal data that has a form: numbers with a checksum, addresses of mail and machines,
//! telephone numbers.
//!
//! Names and street addresses have none and are not looked for. A number is a finding when its form
//! and its checksum agree; forms that ordinary numbers share (nine bare digits) need a word nearby
//! that says what they are. Digits come from [`mod@numbers`], which reads groups with single separators.
//!
//! Cost: one pass for digits, one look for `@`, one for `:` pairs; linear.

mod addresses;
mod checks;
mod numbers;
mod phone;

use std::ops::Range;

use self::numbers::{Number, numbers};

/// A finding's rule and place.
pub(super) type Hit = (&'static str, Range<usize>);

/// Searches `text`.
pub(super) fn scan(text: &str) -> Vec<Hit> {
    let mut found = Vec::new();
    addresses::emails(text, &mut found);
    addresses::ipv6(text, &mut found);
    for number in numbers(text) {
        if let Some(rule) = classify(text, &number) {
            found.push((rule, number.range()));
        } else {
            part(text, &number, &mut found);
        }
    }
    checks::ibans(text, &mut found);
    found
}

/// A card inside a longer run of groups: `4111 1111 1111 1111 123`.
fn part(text: &str, number: &Number, found: &mut Vec<Hit>) {
    let lengths = number.shape();
    let mut skipped = 0;
    for first in 0..lengths.len() {
        let mut length = lengths[first];
        for (last, more) in lengths.iter().enumerate().skip(first + 1) {
            length += more;
            if length > checks::LONGEST_CARD {
                break;
            }
            let digits = number.digits().get(skipped..skipped + length);
            if !digits.is_some_and(checks::are_card_digits) {
                continue;
            }
            let part = number.slice(first, last + 1);
            if checks::is_card(text, &part) {
                found.push(("personal_data.card", part.range()));
                return;
            }
        }
        skipped += lengths[first];
    }
}

fn classify(text: &str, number: &Number) -> Option<&'static str> {
    if checks::is_ipv4(text, number) {
        Some("personal_data.ip_address")
    } else if checks::is_card(text, number) {
        Some("personal_data.card")
    } else if checks::is_ssn(text, number) {
        Some("personal_data.us_ssn")
    } else if checks::is_itin(text, number) {
        Some("personal_data.us_itin")
    } else if checks::is_npi(text, number) {
        Some("personal_data.us_npi")
    } else if phone::is_phone(text, number) {
        Some("personal_data.phone")
    } else {
        None
    }
}

/// Whether one of `words` (lower case, a letter first) stands within the few words before `range`,
/// or right after.
fn near(text: &str, range: &Range<usize>, words: &[&str]) -> bool {
    let from = super::document::floor(text, range.start.saturating_sub(BEFORE));
    let to = super::document::floor(text, range.end + AFTER);
    let around = &text.as_bytes()[from..to];
    let mut inside = false;
    (0..around.len()).any(|at| {
        let letter = around[at].is_ascii_alphabetic();
        let begins = letter && !inside;
        inside = letter;
        begins
            && words
                .iter()
                .any(|word| begins_with_word(&around[at..], word))
    })
}

fn begins_with_word(text: &[u8], word: &str) -> bool {
    let length = word.len();
    text[0].to_ascii_lowercase() == word.as_bytes()[0]
        && text.len() >= length
        && text[..length].eq_ignore_ascii_case(word.as_bytes())
        && !text.get(length).is_some_and(u8::is_ascii_alphabetic)
}

/// Bytes before and after a number in which a word speaks for it.
const BEFORE: usize = 48;
const AFTER: usize = 24;

#[cfg(test)]
mod tests;
