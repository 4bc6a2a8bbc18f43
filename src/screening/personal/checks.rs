//! Checksums and forms of the numbers that have them.

use super::{Hit, near, numbers::Number};

/// A payment card: a brand's prefix and length, Luhn, and groups as cards have them.
pub(super) fn is_card(text: &str, number: &Number) -> bool {
    let digits = number.digits();
    let Some(maestro) = card_brand(digits) else {
        return false;
    };
    if !luhn(digits) {
        return false;
    }
    let grouped = match number.shape() {
        [_] => !maestro || digits.len() == 16,
        shape => {
            let separator = number.separator(text);
            matches!(separator, Some(b' ' | b'-'))
                && matches!(
                    shape,
                    [4, 4, 4, 1..=4] | [4, 6, 4 | 5] | [4, 4, 4, 4, 1..=3] | [4, 4, 5]
                )
        }
    };
    let all_same = digits.iter().all(|digit| *digit == digits[0]);
    (grouped || near(text, &number.range(), CARD_WORDS)) && !all_same
}

/// Whether these can be the digits of a card, however they are written.
pub(super) fn are_card_digits(digits: &[u8]) -> bool {
    card_brand(digits).is_some() && luhn(digits)
}

/// Whether a brand has such numbers; true inside when only Maestro, whose prefixes are many, does.
fn card_brand(digits: &[u8]) -> Option<bool> {
    if !(12..=LONGEST_CARD).contains(&digits.len()) {
        return None;
    }
    let prefix = |length: usize| value(&digits[..length]);
    let length = digits.len();
    let known = match (prefix(1), prefix(2), prefix(3), prefix(4), prefix(6)) {
        (4, ..) => matches!(length, 13 | 16 | 19),
        (_, 51..=55, ..) | (_, _, _, 2221..=2720, _) => length == 16,
        (_, 34 | 37, ..) => length == 15,
        (_, _, _, 6011, _) | (_, 65, ..) | (_, _, 644..=649, ..) | (.., 622_126..=622_925) => {
            matches!(length, 16..=19)
        }
        (_, _, _, 3528..=3589, _) => matches!(length, 16..=19),
        (_, _, 300..=305, ..) | (_, 36 | 38 | 39, ..) => matches!(length, 14 | 16..=19),
        (_, 62, ..) => matches!(length, 16..=19),
        _ => false,
    };
    let maestro = matches!(prefix(2), 50 | 56..=69);
    match (known, maestro) {
        (true, _) => Some(false),
        (false, true) => Some(true),
        (false, false) => None,
    }
}

/// A US social security number: never issued areas, groups and serials refused; nine bare digits
/// only where a word says so.
pub(super) fn is_ssn(text: &str, number: &Number) -> bool {
    let written = has_ssn_form(text, number);
    let bare = number.shape() == [9] && near(text, &number.range(), SSN_WORDS);
    if !(written || bare) {
        return false;
    }
    let (area, group, serial) = ssn_parts(number.digits());
    let famous = matches!(
        (area, group, serial),
        (78, 5, 1120) | (219, 9, 9999) | (123, 45, 6789)
    );
    !matches!(area, 0 | 666 | 900..) && group != 0 && serial != 0 && !famous
}

/// A US taxpayer number: like a social security number, in the ranges those leave out.
pub(super) fn is_itin(text: &str, number: &Number) -> bool {
    let bare =
        number.shape() == [9] && near(text, &number.range(), &["itin", "taxpayer", "tax id"]);
    if !(has_ssn_form(text, number) || bare) {
        return false;
    }
    let (area, group, _) = ssn_parts(number.digits());
    area >= 900 && matches!(group, 50..=65 | 70..=88 | 90..=92 | 94..=99)
}

fn has_ssn_form(text: &str, number: &Number) -> bool {
    number.shape() == [3, 2, 4] && matches!(number.separator(text), Some(b'-' | b' ' | b'.'))
}

fn ssn_parts(digits: &[u8]) -> (u32, u32, u32) {
    (
        value(&digits[..3]),
        value(&digits[3..5]),
        value(&digits[5..9]),
    )
}

/// A US provider number: ten digits, Luhn with the prefix 80840, and a word that says so, as one
/// in ten numbers passes the checksum.
pub(super) fn is_npi(text: &str, number: &Number) -> bool {
    let digits = number.digits();
    let written = matches!(number.shape(), [10] | [4, 3, 3]);
    if !written || !matches!(digits[0], b'1' | b'2') || digits.iter().all(|d| *d == digits[0]) {
        return false;
    }
    let prefixed: Vec<u8> = b"80840".iter().chain(digits).copied().collect();
    let grouped = number.shape().len() == 3 && number.separator(text).is_some();
    luhn(&prefixed) && (grouped || near(text, &number.range(), NPI_WORDS))
}

/// An IPv4 address, unless it is a version, a mask or nobody's.
pub(super) fn is_ipv4(text: &str, number: &Number) -> bool {
    let range = number.range();
    if number.shape().len() != 4 || number.separator(text) != Some(b'.') {
        return false;
    }
    let bytes = text.as_bytes();
    let dotted = bytes.get(range.end) == Some(&b'.')
        && bytes.get(range.end + 1).is_some_and(u8::is_ascii_digit);
    let Ok(address) = text[range.clone()].parse::<std::net::Ipv4Addr>() else {
        return false;
    };
    let nobodys = address.is_loopback() || address.octets()[0] == 0 || address.octets()[0] == 255;
    !dotted && !nobodys && !near(text, &range, &["version", "v"])
}

/// Adds the IBANs of `text`: a country's length and a remainder of 1 by 97.
pub(super) fn ibans(text: &str, found: &mut Vec<Hit>) {
    let bytes = text.as_bytes();
    let mut at = 0;
    while let Some(next) = bytes
        .get(at + 2..)
        .and_then(|rest| rest.iter().position(u8::is_ascii_digit))
    {
        let start = at + next;
        at = start + 1;
        let begins = bytes[start..start + 2].iter().all(u8::is_ascii_alphabetic)
            && (start == 0 || !bytes[start - 1].is_ascii_alphanumeric());
        if begins && let Some(length) = iban_len(&bytes[start..]) {
            found.push(("personal_data.iban", start..start + length));
            at = start + length;
        }
    }
}

/// How many bytes the IBAN at the start of `bytes` takes, if one stands there.
fn iban_len(bytes: &[u8]) -> Option<usize> {
    let country = [bytes[0].to_ascii_uppercase(), bytes[1].to_ascii_uppercase()];
    let country = str::from_utf8(&country).ok()?;
    let length = IBAN_LENGTHS
        .iter()
        .find(|(_, of)| of.split(' ').any(|c| c == country))?
        .0;
    let (mut at, mut taken) = (0, Vec::with_capacity(length));
    while taken.len() < length {
        match bytes.get(at)? {
            byte if byte.is_ascii_alphanumeric() => taken.push(byte.to_ascii_uppercase()),
            b' ' | b'-'
                if bytes
                    .get(at.wrapping_sub(1))
                    .is_some_and(u8::is_ascii_alphanumeric) => {}
            _ => return None,
        }
        at += 1;
    }
    let ends = bytes
        .get(at)
        .is_none_or(|byte| !byte.is_ascii_alphanumeric());
    let moved = taken[4..].iter().chain(&taken[..4]);
    let rest = moved.fold(0_u32, |rest, byte| match byte {
        b'0'..=b'9' => (rest * 10 + u32::from(byte - b'0')) % 97,
        letter => (rest * 100 + u32::from(letter - b'A') + 10) % 97,
    });
    (ends && rest == 1).then_some(at)
}

/// The Luhn checksum.
fn luhn(digits: &[u8]) -> bool {
    let sum: u32 = digits
        .iter()
        .rev()
        .zip([false, true].into_iter().cycle())
        .map(|(digit, double)| {
            let digit = u32::from(digit - b'0') * if double { 2 } else { 1 };
            if digit > 9 { digit - 9 } else { digit }
        })
        .sum();
    sum.is_multiple_of(10)
}

fn value(digits: &[u8]) -> u32 {
    digits
        .iter()
        .fold(0, |value, digit| value * 10 + u32::from(digit - b'0'))
}

/// Digits of the longest card number.
pub(super) const LONGEST_CARD: usize = 19;

const CARD_WORDS: &[&str] = &[
    "card",
    "visa",
    "mastercard",
    "amex",
    "maestro",
    "credit",
    "debit",
    "cc",
    "pan",
];
const SSN_WORDS: &[&str] = &["ssn", "social security", "ssns", "ssn#", "ssid"];
const NPI_WORDS: &[&str] = &[
    "npi",
    "provider",
    "physician",
    "doctor",
    "dr",
    "prescriber",
    "clinic",
    "clinician",
    "nurse",
    "medical",
    "medicare",
    "hospital",
];

/// Countries by the length of their IBANs.
const IBAN_LENGTHS: [(usize, &str); 19] = [
    (15, "NO"),
    (16, "BE"),
    (18, "DK FO FI GL NL SD FK"),
    (19, "MK SI"),
    (20, "AT BA EE KZ LT LU XK MN"),
    (21, "CH HR LI LV"),
    (22, "BG BH CR DE GB GE IE ME RS VA"),
    (23, "AE GI IL IQ TL OM SO"),
    (24, "AD CZ ES MD PK RO SA SE SK TN VG"),
    (25, "LY PT ST"),
    (26, "IS TR"),
    (27, "BI DJ FR GR IT MC MR SM"),
    (28, "AL AZ BY CY DO GT HU LB PL SV NI"),
    (29, "BR EG PS QA UA"),
    (30, "JO KW MU YE"),
    (31, "MT SC"),
    (32, "LC"),
    (33, "RU"),
    (34, "XX"),
];
