//! Codes of letters and digits: IBANs, wallets, and what countries give out.
//!
//! Every run of letters and digits that has a digit is looked at once, by its length. Templates that
//! have several groups are tried where their first group with a digit stands.

use std::{ops::Range, sync::LazyLock};

use super::{
    Hit, SPOKEN, SURE,
    addresses::mac_at,
    checksums::{codice_fiscale, nif, nir, value},
    context::{Context, Topics},
    crypto, iban,
    regions::{Region, Regions},
};
use crate::screening::blocks::next_digit;

/// A kind of code.
struct Code {
    rule: &'static str,
    region: Region,
    /// `9` is a digit, `A` a letter, `#` either, a space a space or a dash; all else is itself.
    template: &'static str,
    /// Whether the form is enough when its letters are capitals.
    alone: bool,
    /// Of the code without separators, in capitals.
    valid: fn(&[u8]) -> bool,
    words: Topics,
}

const fn code(
    rule: &'static str,
    region: Region,
    template: &'static str,
    alone: bool,
    valid: fn(&[u8]) -> bool,
    words: Topics,
) -> Code {
    Code {
        rule,
        region,
        template,
        alone,
        valid,
        words,
    }
}

const NINO: &str = "personal_data.uk_nino";
const MBI: &str = "personal_data.us_mbi";
const NIF: &str = "personal_data.es_nif";
const NIE: &str = "personal_data.es_nie";

const PAN: &str = "personal_data.in_pan";

const CODES: &[Code] = &[
    code(NINO, Region::Uk, "AA 99 99 99 A", true, nino, Topics::NINO),
    code(NINO, Region::Uk, "AA999999A", false, nino, Topics::NINO),
    code(NINO, Region::Uk, "AA 999999A", false, nino, Topics::NINO),
    code(NINO, Region::Uk, "AA 999999 A", false, nino, Topics::NINO),
    code(
        "personal_data.uk_driving_licence",
        Region::Uk,
        "#####999999###AA",
        true,
        driving_licence,
        Topics::LICENCE,
    ),
    code(MBI, Region::Us, "9A#9A#9AA99", true, mbi, Topics::MBI),
    code(MBI, Region::Us, "9A#9 A#9 AA99", true, mbi, Topics::MBI),
    code(NIF, Region::Es, "99999999A", true, nif, Topics::DNI),
    code(NIF, Region::Es, "99999999 A", true, nif, Topics::DNI),
    code(NIF, Region::Es, "9999999A", false, nif, Topics::DNI),
    code(NIF, Region::Es, "9999999 A", false, nif, Topics::DNI),
    code(NIE, Region::Es, "A9999999A", true, nif, Topics::DNI),
    code(NIE, Region::Es, "A9999999 A", true, nif, Topics::DNI),
    code(NIE, Region::Es, "A 9999999 A", true, nif, Topics::DNI),
    code(
        "personal_data.it_codice_fiscale",
        Region::It,
        "AAAAAA##A##A###A",
        true,
        codice_fiscale,
        Topics::FISCAL,
    ),
    code(PAN, Region::In, "AAAAA9999A", true, pan, Topics::PAN),
    code(PAN, Region::In, "AAAAA9999A", false, |_| true, Topics::PAN),
    code(
        "personal_data.fr_nir",
        Region::Fr,
        "999999A99999999",
        true,
        corsican,
        Topics::NIR,
    ),
];

/// Adds the codes of `text`, in their order.
pub(super) fn codes(text: &str, regions: Regions, found: &mut Vec<Hit>) {
    let bytes = text.as_bytes();
    let mut at = 0;
    while let Some(digit) = next_digit(bytes, at) {
        let letters = bytes[at..digit].iter().rev();
        let start = digit
            - letters
                .take_while(|byte| byte.is_ascii_alphanumeric())
                .count();
        let rest = bytes[digit..].iter();
        let end = digit + rest.take_while(|byte| byte.is_ascii_alphanumeric()).count();
        let hit = one(text, start..end, regions);
        at = hit.as_ref().map_or(end, |hit| hit.range.end.max(end));
        found.extend(hit);
    }
}

/// The code at the run of letters and digits `run`.
fn one(text: &str, run: Range<usize>, regions: Regions) -> Option<Hit> {
    let bytes = text.as_bytes();
    let token = &bytes[run.clone()];
    let hit = |rule, range, certainty| Hit {
        rule,
        range,
        certainty,
    };
    if token.len() >= 4
        && token[..2].iter().all(u8::is_ascii_alphabetic)
        && let Some(length) = iban::length(&bytes[run.start..])
    {
        return Some(hit(
            "personal_data.iban",
            run.start..run.start + length,
            SURE,
        ));
    }
    let around = || Context::around(text, &run);
    if let Some(certainty) = crypto::is_address(token, around) {
        return Some(hit("personal_data.crypto_address", run, certainty));
    }
    if let Some(range) = mac_at(text, &run) {
        return Some(hit("personal_data.mac_address", range, SURE));
    }
    let templates = BY_LENGTH.get(token.len()).map_or(&[][..], |all| all);
    for (before, code) in templates {
        if let Some((range, certainty)) = code.at(text, run.start, *before, regions) {
            return Some(hit(code.rule, range, certainty));
        }
    }
    document(text, &run).map(|rule| hit(rule, run, SPOKEN))
}

/// Passports and driving licences, where a word says so.
fn document(text: &str, run: &Range<usize>) -> Option<&'static str> {
    let token = &text.as_bytes()[run.clone()];
    let digits = token.iter().filter(|byte| byte.is_ascii_digit()).count();
    if !(6..=18).contains(&token.len()) || digits < 4 || digits == token.len() {
        return None;
    }
    let context = Context::around(text, run);
    let of = |topics: Topics| match () {
        () if topics.any(Topics::PASSPORT) && token.len() <= 10 => Some("personal_data.passport"),
        () if topics.any(Topics::LICENCE) => Some("personal_data.driver_license"),
        () => None,
    };
    of(context.before).or_else(|| of(context.behind))
}

impl Code {
    /// The place of this code where its first group with a digit begins at `start`, `before` bytes
    /// into the template, and how sure that is.
    fn at(
        &self,
        text: &str,
        start: usize,
        before: usize,
        regions: Regions,
    ) -> Option<(Range<usize>, u8)> {
        let bytes = text.as_bytes();
        let from = start.checked_sub(before)?;
        let range = from..from + self.template.len();
        let written = bytes.get(range.clone())?;
        let fits = |(byte, of): (&u8, u8)| match of {
            b'9' => byte.is_ascii_digit(),
            b'A' => byte.is_ascii_alphabetic(),
            b'#' => byte.is_ascii_alphanumeric(),
            _ => matches!(byte, b' ' | b'-'),
        };
        let is_word = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_alphanumeric);
        let fits = written.iter().zip(self.template.bytes()).all(fits)
            && !is_word(from.checked_sub(1).and_then(|at| bytes.get(at)))
            && !is_word(bytes.get(range.end))
            && regions.has(self.region);
        if !fits {
            return None;
        }
        let solid = written.iter().filter(|byte| byte.is_ascii_alphanumeric());
        let solid: Vec<u8> = solid.map(u8::to_ascii_uppercase).collect();
        if !(self.valid)(&solid) {
            return None;
        }
        if self.alone && !written.iter().any(u8::is_ascii_lowercase) {
            return Some((range, SURE));
        }
        let near = Context::around(text, &range).near(self.words);
        near.then_some((range, SURE))
    }
}

/// Templates by the length of their first group with a digit, and where in them it begins.
static BY_LENGTH: LazyLock<[Vec<(usize, &Code)>; 17]> = LazyLock::new(|| {
    let mut index: [Vec<(usize, &Code)>; 17] = Default::default();
    for code in CODES {
        let mut before = 0;
        for group in code.template.split(' ') {
            if group.contains(['9', '#']) {
                index[group.len()].push((before, code));
                break;
            }
            before += group.len() + 1;
        }
    }
    index
});

/// National Insurance: two letters that are given out, six digits, A to D.
fn nino(code: &[u8]) -> bool {
    let never = |byte: u8| b"DFIQUV".contains(&byte);
    let kept = matches!(
        &code[..2],
        b"BG" | b"GB" | b"KN" | b"NK" | b"NT" | b"TN" | b"ZZ"
    );
    !never(code[0]) && !never(code[1]) && code[1] != b'O' && !kept && matches!(code[8], b'A'..=b'D')
}

/// A surname padded with nines, decade, month (women plus 50), day, year, initials padded.
fn driving_licence(code: &[u8]) -> bool {
    let padded = |part: &[u8]| {
        let letters = part
            .iter()
            .take_while(|byte| byte.is_ascii_uppercase())
            .count();
        part[letters..].iter().all(|byte| *byte == b'9')
    };
    let (month, day) = (value(&code[6..8]), value(&code[8..10]));
    code[0].is_ascii_uppercase()
        && padded(&code[..5])
        && matches!(month, 1..=12 | 51..=62)
        && matches!(day, 1..=31)
        && padded(&code[11..13])
}

/// US Medicare: letters that look like digits are never used.
fn mbi(code: &[u8]) -> bool {
    code[0] != b'0' && !code.iter().any(|byte| b"SLOIBZ".contains(byte))
}

/// Indian tax numbers: the fourth letter says whose it is.
fn pan(code: &[u8]) -> bool {
    b"ABCFGHJLPT".contains(&code[3])
}

/// People born on Corsica have a letter for the department: 2A counts as 19, 2B as 18.
fn corsican(code: &[u8]) -> bool {
    let department = match &code[5..7] {
        b"2A" => b"19",
        b"2B" => b"18",
        _ => return false,
    };
    let mut digits = code.to_vec();
    digits[5..7].copy_from_slice(department);
    nir(&digits)
}
