//! Payment cards: a brand's prefix and length, Luhn, and groups as cards have them.

use std::ops::Range;

use super::{
    checksums::{all_same, luhn, value},
    context::{Context, Topics},
    numbers::Number,
};

/// How sure a brand's prefix makes a number.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Brand {
    /// Few prefixes, or the usual length.
    Sure,
    /// Prefixes or lengths that other numbers have too: wants groups or a word.
    Vague,
}

/// Whether `number` is a card's. `context` is asked only where the form is not enough.
pub(super) fn is_card(text: &str, number: &Number, context: impl Fn() -> Context) -> bool {
    let digits = number.digits();
    let Some(brand) = brand(digits) else {
        return false;
    };
    if number.plus || all_same(digits) || !luhn(digits) {
        return false;
    }
    let formed = match number.shape() {
        // As many digits as an article's number.
        [13] if context().last.any(Topics::OTHER) => false,
        [_] => brand == Brand::Sure,
        _ => has_groups(text, number),
    };
    formed || context().near(Topics::CARD)
}

/// The first card in a run of more groups, and which groups it is: `4111 1111 1111 1111 123`.
pub(super) fn inside(text: &str, number: &Number) -> Option<(Number, Range<usize>)> {
    let lengths = number.shape();
    // A card with a wrong digit has no card in it.
    let longer = lengths.len() > 4 || (lengths.len() == 4 && !has_shape(lengths));
    let starts = 0..if longer { lengths.len() - 2 } else { 0 };
    let parts = starts.flat_map(|first| (3..=5).rev().map(move |groups| first..first + groups));
    parts
        .filter(|groups| groups.end <= lengths.len())
        .filter(|groups| {
            let shape = &lengths[groups.clone()];
            matches!(shape, [4, 4, 4, 4] | [4, 6, 4 | 5] | [4, 4, 4, 4, 3])
        })
        .map(|groups| (number.slice(text, groups.start, groups.end), groups))
        .find(|(part, _)| {
            let digits = part.digits();
            brand(digits).is_some() && luhn(digits) && !all_same(digits) && has_groups(text, part)
        })
}

fn has_groups(text: &str, number: &Number) -> bool {
    matches!(number.separator(text), Some(b' ' | b'-' | b'.')) && has_shape(number.shape())
}

fn has_shape(groups: &[usize]) -> bool {
    matches!(
        groups,
        [4, 4, 4, 1..=4] | [4, 6, 4 | 5] | [4, 4, 4, 4, 1..=3] | [4, 4, 5] | [6, 13] | [8, 8]
    )
}

fn brand(digits: &[u8]) -> Option<Brand> {
    if !(12..=LONGEST).contains(&digits.len()) {
        return None;
    }
    let prefix = |length: usize| value(&digits[..length]);
    let (one, two, three, four) = (prefix(1), prefix(2), prefix(3), prefix(4));
    let known = match digits.len() {
        13 => one == 4,
        14 => matches!(three, 300..=305) || matches!(two, 36 | 38 | 39),
        15 => matches!(two, 34 | 37) || matches!(four, 1800 | 2131),
        // Visa, Mastercard, Discover, RuPay and UnionPay, JCB, Diners, Mir, Troy.
        16 => {
            one == 4
                || matches!(two, 51..=55 | 60 | 62 | 65 | 81 | 82)
                || matches!(two, 36 | 38 | 39)
                || matches!(three, 300..=305 | 644..=649)
                || matches!(four, 2200..=2204 | 2221..=2720 | 3528..=3589 | 9792)
        }
        17..=LONGEST => {
            two == 62
                || two == 65
                || matches!(two, 36 | 38 | 39)
                || matches!(three, 300..=305 | 644..=649)
                || matches!(four, 2200..=2204 | 3528..=3589 | 6011)
                || (one == 4 && digits.len() == LONGEST)
        }
        _ => false,
    };
    let maestro = matches!(two, 50 | 56..=69);
    let uatp = one == 1 && digits.len() == 15;
    let jcb = two == 35 && digits.len() == 16;
    if known || (maestro && digits.len() == 16) {
        Some(Brand::Sure)
    } else {
        (maestro || uatp || jcb).then_some(Brand::Vague)
    }
}

/// Digits of the longest card number.
const LONGEST: usize = 19;
