//! Telephone numbers.
//!
//! Bare digits are identifiers far more often than telephone numbers, so a number needs more: a
//! country code after `+` or `00`, a national form with its separators, or a word that says so.

use super::{
    SPOKEN, SURE,
    checksums::all_same,
    context::{Context, Topics},
    numbers::Number,
};

/// How sure `number` is a telephone number, if it is one.
pub(super) fn certainty(text: &str, number: &Number, context: impl Fn() -> Context) -> Option<u8> {
    let digits = number.digits();
    if !(7..=17).contains(&digits.len()) || is_date(number) || all_same(digits) {
        return None;
    }
    if is_international(number) {
        return Some(SURE);
    }
    let formed =
        digits.len() <= 12 && (is_north_american(text, number) || is_national(text, number));
    if !formed && !is_plausible(text, number) {
        return None;
    }
    let context = context();
    let other = Topics::OTHER.and(Topics::ACCOUNT).and(Topics::ID);
    if context.last.any(other) && !context.last.any(Topics::PHONE) {
        return None;
    }
    if formed {
        return Some(SURE);
    }
    let callable = number.shape().len() > 1 || is_bare_phone(digits);
    let said = context.near(Topics::PHONE)
        || (callable && context.near(Topics::DIAL))
        || (callable && digits.len() >= 9 && context.near(Topics::CALL));
    said.then_some(SPOKEN)
}

/// `+` or `00` and a country code, with a length that country has.
fn is_international(number: &Number) -> bool {
    let digits = match number.digits().strip_prefix(b"00") {
        Some(rest) if !number.plus && number.shape().len() > 1 && rest.len() >= 9 => rest,
        _ if number.plus => number.digits(),
        _ => return false,
    };
    let text = str::from_utf8(digits).unwrap_or_default();
    // `+44 (0)20`: a zero that is dialled inside the country only.
    let trunk = number.parentheses;
    let known = COUNTRIES.iter().find(|(code, ..)| text.starts_with(code));
    if let Some((code, least, most)) = known {
        let zero = trunk && digits.get(code.len()) == Some(&b'0');
        return (*least..=*most).contains(&(digits.len() - usize::from(zero)));
    }
    digits.first() != Some(&b'0') && (8..=15).contains(&digits.len())
}

/// `(212) 555-0123`, `212-555-0123`, `1-212-555-0123`.
fn is_north_american(text: &str, number: &Number) -> bool {
    let (first, shape) = match number.shape() {
        [1, 3, 3, 4] if number.digits()[0] == b'1' => (1, true),
        [3, 3, 4] => (0, true),
        _ => (0, false),
    };
    let digits = &number.digits()[first..];
    let written = number.parentheses || matches!(number.separator(text), Some(b'-' | b'.' | b' '));
    shape && written && matches!(digits[0], b'2'..=b'9') && matches!(digits[3], b'2'..=b'9')
}

/// Forms that are used inside other countries and for nothing else.
fn is_national(text: &str, number: &Number) -> bool {
    let (digits, shape) = (number.digits(), number.shape());
    let separator = number.separator(text);
    let spaced = matches!(separator, Some(b' ' | b'-'));
    // A trunk zero, an area code and the rest: `020 7946 0958`, `0170/1234567`, `03.93.92.16.85`.
    let dotted = separator == Some(b'.') && shape.len() >= 3;
    let trunk = shape != [3, 2, 4]
        && digits[0] == b'0'
        && digits[1] != b'0'
        && shape[0] >= 2
        && (2..=5).contains(&shape.len())
        && (9..=12).contains(&digits.len())
        && (spaced || dotted || separator == Some(b'/') || separator.is_none());
    // `(11) 98456-5666`; four digits are a year: `(2019) 12-345`.
    let area = number.opens
        && (matches!(shape[0], 2 | 3)
            || shape == [1, 4, 4]
            || (digits[0] == b'0' && matches!(shape[0], 4 | 5)))
        && (2..=5).contains(&shape.len())
        && (8..=11).contains(&digits.len());
    let others = spaced || number.parentheses;
    let grouped = match shape {
        // China's mobiles, Russia, Spain, Poland, Brazil, Mexico and Greece.
        [3, 4, 4] => digits[0] == b'1' && digits[1] >= b'3',
        [1, 3, 3, 2, 2] => digits[0] == b'8' && digits[1] >= b'3',
        [3, 2, 2, 2] => matches!(digits[0], b'6'..=b'9'),
        [2, 3, 2, 2] | [2, 4, 4] => digits[0] != b'0',
        [2, 5, 4] => digits[2] == b'9' && digits[0] != b'0',
        _ => false,
    };
    trunk || area || (others && grouped)
}

/// Not obviously something else, where a word calls it a telephone number.
fn is_plausible(text: &str, number: &Number) -> bool {
    let decimal = number.shape().len() == 2 && number.separator(text) == Some(b'.');
    let start = number.range().start;
    let money = ["$", "€", "£"]
        .iter()
        .any(|sign| text[..start].trim_end().ends_with(sign));
    // `sonnet-4-5-20250929`: the end of a name.
    let mut before = text.as_bytes()[..start].iter().rev();
    let named = before.next() == Some(&b'-') && before.next().is_some_and(u8::is_ascii_alphabetic);
    number.shape().len() <= 6 && number.digits().len() <= 15 && !decimal && !money && !named
}

/// Whether bare digits have a country's form, and not that of identifiers and of seconds since 1970,
/// which people are asked to call, too.
fn is_bare_phone(digits: &[u8]) -> bool {
    let trunk = digits[0] == b'0' && digits[1] != b'0';
    match digits.len() {
        10 => trunk || digits[0] >= b'6' || (digits[0] >= b'2' && digits[3] >= b'2'),
        11 => trunk || (digits[0] == b'1' && digits[1] >= b'2'),
        12 | 13 => {
            let text = str::from_utf8(digits).unwrap_or_default();
            let country = COUNTRIES.iter().find(|(code, ..)| text.starts_with(code));
            country.is_some_and(|(_, least, most)| (*least..=*most).contains(&digits.len()))
        }
        _ => false,
    }
}

/// `2024-01-31` and `31.01.2024`, with or without a time behind.
fn is_date(number: &Number) -> bool {
    let year = matches!(number.digits()[0], b'1' | b'2');
    let dated = match number.shape() {
        [4, 2, 2, ..] => year,
        [2, 2, 4, ..] => true,
        _ => false,
    };
    !number.plus && dated
}

/// Country codes with the fewest and the most digits of a number, code included. Longer codes
/// stand before the shorter ones that they begin with.
pub(super) const COUNTRIES: [(&str, usize, usize); 62] = [
    ("1", 11, 11),
    ("20", 11, 12),
    ("212", 12, 12),
    ("234", 11, 13),
    ("254", 12, 12),
    ("27", 11, 11),
    ("30", 12, 12),
    ("31", 11, 11),
    ("32", 10, 11),
    ("33", 11, 11),
    ("34", 11, 11),
    ("351", 12, 12),
    ("352", 8, 12),
    ("353", 10, 12),
    ("354", 10, 10),
    ("358", 9, 13),
    ("359", 11, 12),
    ("36", 10, 11),
    ("370", 11, 11),
    ("371", 11, 11),
    ("372", 10, 11),
    ("380", 12, 12),
    ("385", 11, 12),
    ("386", 11, 11),
    ("39", 8, 14),
    ("40", 11, 11),
    ("41", 11, 11),
    ("420", 12, 12),
    ("421", 12, 12),
    ("43", 8, 15),
    ("44", 11, 12),
    ("45", 10, 10),
    ("46", 9, 12),
    ("47", 10, 10),
    ("48", 11, 11),
    ("49", 8, 15),
    ("51", 10, 11),
    ("52", 12, 13),
    ("54", 11, 13),
    ("55", 12, 13),
    ("56", 11, 11),
    ("57", 10, 12),
    ("60", 10, 12),
    ("61", 11, 11),
    ("62", 9, 14),
    ("63", 10, 12),
    ("64", 10, 13),
    ("65", 10, 10),
    ("66", 10, 11),
    ("7", 11, 11),
    ("81", 11, 12),
    ("82", 10, 13),
    ("84", 11, 12),
    ("852", 11, 11),
    ("86", 11, 13),
    ("886", 10, 12),
    ("90", 12, 12),
    ("91", 12, 12),
    ("92", 11, 12),
    ("966", 11, 12),
    ("971", 11, 12),
    ("972", 11, 12),
];
