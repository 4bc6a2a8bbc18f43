//! Finds personal data that has a form: numbers with a checksum, addresses of mail and machines,
//! telephone numbers, what countries give out.
//!
//! Names and street addresses have none and are not looked for. A number is a finding when its form
//! and its checksum agree; forms that ordinary numbers share (nine bare digits) need a word nearby
//! that says what they are ([`mod@context`]). Digits come from [`mod@numbers`], which reads groups
//! with single separators, runs of letters and digits from [`mod@codes`].
//!
//! Cost: two passes for digits, one look for `@`, one for `:` pairs; linear.

mod addresses;
mod cards;
mod checksums;
mod codes;
mod context;
mod crypto;
mod iban;
mod ids;
mod numbers;
mod phone;
mod regions;

use std::{cell::OnceCell, ops::Range};

pub(super) use self::regions::Regions;
pub use self::regions::{PersonalData, Region};
use self::{
    context::Context,
    numbers::{Number, numbers},
};

/// A finding's rule, place and certainty in percent.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Hit {
    pub(super) rule: &'static str,
    pub(super) range: Range<usize>,
    pub(super) certainty: u8,
}

/// Searches `text` for what has no country, and for the numbers of `regions`.
pub(super) fn scan(text: &str, regions: Regions) -> Vec<Hit> {
    let mut found = Vec::new();
    addresses::emails(text, &mut found);
    addresses::with_colons(text, &mut found);
    codes::codes(text, regions, &mut found);
    found.sort_by_key(|hit| (hit.range.start, usize::MAX - hit.range.end));
    let mut end = 0;
    found.retain(|hit| {
        let apart = hit.range.start >= end;
        end = end.max(hit.range.end);
        apart
    });
    let mut in_numbers = Vec::new();
    let mut taken = found.iter().map(|hit| hit.range.clone()).peekable();
    for number in numbers(text) {
        let range = number.range();
        while taken.next_if(|taken| taken.end <= range.start).is_some() {}
        if taken.peek().is_some_and(|taken| taken.start < range.end) {
            // What is left of it is looked at without what was taken.
            for piece in number.pieces(text) {
                let range = piece.range();
                while taken.next_if(|taken| taken.end <= range.start).is_some() {}
                if taken.peek().is_none_or(|taken| taken.start >= range.end) {
                    in_numbers.extend(classify(text, &piece, regions));
                }
            }
        } else if let Some(hit) = classify(text, &number, regions) {
            in_numbers.push(hit);
        } else if number.shape().len() > 1 {
            inside(text, &number, regions, &mut in_numbers);
        }
    }
    found.extend(in_numbers);
    found
}

/// What stands side by side in a run of groups that is nothing as a whole.
fn inside(text: &str, number: &Number, regions: Regions, found: &mut Vec<Hit>) {
    let Some((card, groups)) = cards::inside(text, number) else {
        for piece in number.pieces(text) {
            if piece.shape().len() < number.shape().len() {
                found.extend(classify(text, &piece, regions));
            }
        }
        return;
    };
    found.push(Hit {
        rule: CARD,
        range: card.range(),
        certainty: SURE,
    });
    for rest in [0..groups.start, groups.end..number.shape().len()] {
        if !rest.is_empty() {
            let rest = number.slice(text, rest.start, rest.end);
            match classify(text, &rest, regions) {
                Some(hit) => found.push(hit),
                None => inside(text, &rest, regions, found),
            }
        }
    }
}

fn classify(text: &str, number: &Number, regions: Regions) -> Option<Hit> {
    let context = OnceCell::new();
    let context = || *context.get_or_init(|| Context::around(text, &number.range()));
    let sure = |rule| Some((rule, SURE));
    let found = if addresses::is_ipv4(text, number, context) {
        sure("personal_data.ip_address")
    } else if cards::is_card(text, number, context) {
        sure(CARD)
    } else {
        ids::by_form(text, number, regions)
            .or_else(|| by_words(number, context, regions))
            .or_else(|| {
                let certainty = phone::certainty(text, number, context)?;
                Some(("personal_data.phone", certainty))
            })
    };
    found.map(|(rule, certainty)| Hit {
        rule,
        range: number.written(text),
        certainty,
    })
}

/// Words before a number speak for it before those behind it, which may speak for the next.
fn by_words(
    number: &Number,
    context: impl Fn() -> Context,
    regions: Regions,
) -> Option<(&'static str, u8)> {
    // Seven digits are the fewest that any of them has, a bank account's seventeen the most.
    if !(7..=17).contains(&number.digits().len()) || number.plus {
        return None;
    }
    let context = context();
    if !ids::by_any_words(context) || context.last.any(context::Topics::OTHER) {
        return None;
    }
    let by = |near| ids::by_words(number, near, regions);
    by(context.before).or_else(|| by(context.before.and(context.behind)))
}

const CARD: &str = "personal_data.card";

/// How sure a checksum or a form of its own makes, in percent.
const SURE: u8 = 95;
/// The same of a form that only words speak for.
const SPOKEN: u8 = 75;

#[cfg(test)]
mod tests;
