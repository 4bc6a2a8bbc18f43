//! Telephone numbers.
//!
//! Bare digits are identifiers far more often than telephone numbers, so a number needs more: a
//! country code after `+` or `00`, a national form with its separators, or a word that says so.

use super::{near, numbers::Number};

/// Whether `number` is written as a telephone number.
pub(super) fn is_phone(text: &str, number: &Number) -> bool {
    let digits = number.digits();
    if !(7..=15).contains(&digits.len())
        || is_date(number)
        || digits.iter().all(|d| *d == digits[0])
    {
        return false;
    }
    is_international(number)
        || is_north_american(text, number)
        || is_national(text, number)
        || (is_plausible(text, number) && near(text, &number.range(), PHONE_WORDS))
}

/// `+` or `00` and a country code, with a length that country has.
fn is_international(number: &Number) -> bool {
    let digits = match number.digits().strip_prefix(b"00") {
        Some(rest) if !number.plus && number.shape().len() > 1 => rest,
        _ if number.plus => number.digits(),
        _ => return false,
    };
    let text = str::from_utf8(digits).unwrap_or_default();
    let length = digits.len();
    if let Some((_, least, most)) = COUNTRIES.iter().find(|(code, ..)| text.starts_with(code)) {
        return (*least..=*most).contains(&length);
    }
    digits.first() != Some(&b'0') && (9..=15).contains(&length)
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

/// A trunk zero, an area code and the rest: `020 7946 0958`, `0170-1234567`.
fn is_national(text: &str, number: &Number) -> bool {
    let shape = number.shape();
    let separated = number.parentheses || matches!(number.separator(text), Some(b' ' | b'-'));
    number.digits()[0] == b'0'
        && number.digits()[1] != b'0'
        && separated
        && (2..=5).contains(&shape.len())
        && shape[0] >= 2
        && (10..=11).contains(&number.digits().len())
}

/// Not obviously something else, where a word calls it a telephone number.
fn is_plausible(text: &str, number: &Number) -> bool {
    let decimal = number.shape().len() == 2 && number.separator(text) == Some(b'.');
    number.shape().len() <= 5 && !decimal
}

/// `2024-01-31` and `31.01.2024`, with or without a time behind.
fn is_date(number: &Number) -> bool {
    let dated = matches!(number.shape(), [4, 2, 2, ..] | [2, 2, 4, ..]);
    !number.plus && dated
}

const PHONE_WORDS: &[&str] = &[
    "phone",
    "telephone",
    "tel",
    "call",
    "mobile",
    "cell",
    "fax",
    "whatsapp",
    "sms",
    "dial",
    "text",
    "reach",
    "contact",
    "hotline",
    "handy",
    "telefon",
    "telefono",
    "number is",
    "phones",
    "ph",
];

/// Country codes with the fewest and the most digits of a number, code included. Longer codes
/// stand before the shorter ones that they begin with.
const COUNTRIES: [(&str, usize, usize); 46] = [
    ("1", 11, 11),
    ("20", 11, 12),
    ("212", 12, 12),
    ("234", 12, 13),
    ("254", 12, 12),
    ("27", 11, 11),
    ("30", 12, 12),
    ("31", 11, 11),
    ("32", 10, 11),
    ("33", 11, 11),
    ("34", 11, 11),
    ("351", 12, 12),
    ("353", 10, 12),
    ("354", 10, 10),
    ("358", 9, 13),
    ("36", 10, 11),
    ("370", 11, 11),
    ("380", 12, 12),
    ("39", 9, 13),
    ("40", 11, 11),
    ("41", 11, 11),
    ("420", 12, 12),
    ("421", 12, 12),
    ("43", 9, 14),
    ("44", 11, 12),
    ("45", 10, 10),
    ("46", 9, 12),
    ("47", 10, 10),
    ("48", 11, 11),
    ("49", 9, 14),
    ("52", 12, 13),
    ("54", 11, 13),
    ("55", 12, 13),
    ("57", 12, 12),
    ("60", 10, 12),
    ("61", 11, 11),
    ("62", 10, 14),
    ("63", 11, 12),
    ("64", 10, 12),
    ("65", 10, 10),
    ("66", 10, 11),
    ("7", 11, 11),
    ("81", 11, 12),
    ("82", 10, 12),
    ("86", 12, 13),
    ("91", 12, 12),
];
