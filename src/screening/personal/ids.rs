//! Numbers of digits alone that a country or a bank gives out.
//!
//! A row of the table is a length, a checksum, the groups in which that is enough, and the words
//! that must stand near otherwise: one in ten numbers of nine digits has any given check digit.

use super::{
    SPOKEN, SURE,
    checksums::{
        aadhaar, aba, abn, bsn, cpf, medicare, nhs, nir, npi, pesel, sin, steuer_id, tfn, value,
    },
    context::{Context, Topics},
    numbers::Number,
    regions::{Region, Regions},
};

/// A kind of number.
struct Id {
    rule: &'static str,
    region: Region,
    digits: usize,
    valid: fn(&[u8]) -> bool,
    /// Groups, one separator between them, that no other number of this checksum has.
    alone: &'static [&'static [usize]],
    words: Topics,
}

const fn id(
    rule: &'static str,
    region: Region,
    digits: usize,
    valid: fn(&[u8]) -> bool,
    alone: &'static [&'static [usize]],
    words: Topics,
) -> Id {
    Id {
        rule,
        region,
        digits,
        valid,
        alone,
        words,
    }
}

const IDS: &[Id] = &[
    id(
        "personal_data.us_ssn",
        Region::Us,
        9,
        ssn,
        &[&[3, 2, 4]],
        Topics::SSN,
    ),
    id(
        "personal_data.us_itin",
        Region::Us,
        9,
        itin,
        &[&[3, 2, 4]],
        Topics::TAX_US,
    ),
    id(
        "personal_data.us_bank_routing",
        Region::Us,
        9,
        aba,
        &[&[4, 4, 1]],
        Topics::ROUTING,
    ),
    id(
        "personal_data.us_npi",
        Region::Us,
        10,
        npi,
        &[&[4, 3, 3]],
        Topics::PROVIDER,
    ),
    id(
        "personal_data.uk_nhs",
        Region::Uk,
        10,
        nhs,
        &[],
        Topics::NHS,
    ),
    id("personal_data.ca_sin", Region::Ca, 9, sin, &[], Topics::SIN),
    id("personal_data.au_tfn", Region::Au, 9, tfn, &[], Topics::TFN),
    id(
        "personal_data.au_medicare",
        Region::Au,
        10,
        medicare,
        &[&[4, 5, 1]],
        Topics::MEDICARE,
    ),
    id(
        "personal_data.au_abn",
        Region::Au,
        11,
        abn,
        &[&[2, 3, 3, 3]],
        Topics::ABN,
    ),
    id(
        "personal_data.de_tax_id",
        Region::De,
        11,
        steuer_id,
        &[],
        Topics::TAX_DE,
    ),
    id(
        "personal_data.pl_pesel",
        Region::Pl,
        11,
        pesel,
        &[],
        Topics::PESEL,
    ),
    id(
        "personal_data.br_cpf",
        Region::Br,
        11,
        cpf,
        &[&[3, 3, 3, 2]],
        Topics::CPF,
    ),
    id("personal_data.nl_bsn", Region::Nl, 9, bsn, &[], Topics::BSN),
    id(
        "personal_data.in_aadhaar",
        Region::In,
        12,
        aadhaar,
        &[&[4, 4, 4]],
        Topics::AADHAAR,
    ),
    id(
        "personal_data.fr_nir",
        Region::Fr,
        15,
        nir,
        &[&[1, 2, 2, 2, 3, 3, 2], &[13, 2]],
        Topics::NIR,
    ),
];

/// The rule that finds `number`, by its form alone, and how sure it is.
pub(super) fn by_form(text: &str, number: &Number, regions: Regions) -> Option<(&'static str, u8)> {
    let shape = number.shape();
    // A CPF's last separator is a dash: `123.456.789-09`.
    let joined = !number.plus && (number.separator(text).is_some() || shape == [3, 3, 3, 2]);
    let found = IDS
        .iter()
        .find(|id| joined && id.alone.contains(&shape) && id.fits(number.digits(), regions));
    found.map(|id| (id.rule, SURE))
}

/// The rule that finds `number` where these words are near, and how sure it is.
pub(super) fn by_words(
    number: &Number,
    near: Topics,
    regions: Regions,
) -> Option<(&'static str, u8)> {
    let digits = number.digits();
    let found = IDS
        .iter()
        .find(|id| near.any(id.words) && id.fits(digits, regions));
    let unchecked = || {
        let (rule, _) = UNCHECKED
            .iter()
            .find(|(_, fits)| fits(number, near, regions))?;
        Some((*rule, SPOKEN))
    };
    found.map(|id| (id.rule, SURE)).or_else(unchecked)
}

/// The topics of all rows: without one of them near, `by_words` finds nothing.
pub(super) fn by_any_words(context: Context) -> bool {
    context.near(ALL)
}

impl Id {
    fn fits(&self, digits: &[u8], regions: Regions) -> bool {
        self.digits == digits.len() && regions.has(self.region) && (self.valid)(digits)
    }
}

type Fits = fn(&Number, Topics, Regions) -> bool;

/// Numbers without a checksum: only their length and the words speak for them.
const UNCHECKED: &[(&str, Fits)] = &[
    ("personal_data.us_bank_account", |number, near, regions| {
        regions.has(Region::Us)
            && near.any(Topics::BANK)
            && near.any(Topics::ACCOUNT)
            && matches!(number.shape(), [8..=17])
    }),
    ("personal_data.passport", |number, near, _| {
        near.any(Topics::PASSPORT) && matches!(number.shape(), [7..=10] | [2, 7] | [4, 6])
    }),
    ("personal_data.driver_license", |number, near, _| {
        let length = number.digits().len();
        near.any(Topics::LICENCE) && (7..=14).contains(&length) && number.shape().len() <= 4
    }),
];

const ALL: Topics = {
    let mut all = Topics::BANK.and(Topics::PASSPORT).and(Topics::LICENCE);
    let mut at = 0;
    while at < IDS.len() {
        all = all.and(IDS[at].words);
        at += 1;
    }
    all
};

/// US social security numbers: never issued areas, groups and serials refused, and the two numbers
/// that were printed on everything.
fn ssn(digits: &[u8]) -> bool {
    let (area, group, serial) = ssn_parts(digits);
    let famous = matches!((area, group, serial), (78, 5, 1120) | (219, 9, 9999));
    !matches!(area, 0 | 666 | 900..) && group != 0 && serial != 0 && !famous
}

/// US taxpayer numbers: like social security numbers, in the ranges those leave out.
fn itin(digits: &[u8]) -> bool {
    let (area, group, _) = ssn_parts(digits);
    area >= 900 && matches!(group, 50..=65 | 70..=88 | 90..=92 | 94..=99)
}

fn ssn_parts(digits: &[u8]) -> (u64, u64, u64) {
    (
        value(&digits[..3]),
        value(&digits[3..5]),
        value(&digits[5..]),
    )
}
