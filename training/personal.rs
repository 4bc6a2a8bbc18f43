//! How much personal data is found, kind by kind, and what else is taken for it.
//!
//! Two tables have the places of their values: that of the tests of a well-known analyzer, whose
//! values mostly stand alone, and sentences that were made. A value that stands alone is put behind
//! its name as well (`IBAN: …`), as forms that ordinary numbers share need a word.

use std::{collections::BTreeMap, error::Error, fmt::Write as _, path::Path};

use subzero::screening::{Action, Prompt, Requirement, Screener, Trust, model::Model};

use crate::{
    data::{self, Row},
    evaluate::{self, ratio},
    is_everyday, report,
};

/// A kind of value: what the tables call it, our rule, and the word for it.
struct Kind {
    /// A table's `recognizer`, or the type of a value in a sentence.
    names: &'static [&'static str],
    rule: &'static str,
    word: &'static str,
}

const fn kind(rule: &'static str, word: &'static str, names: &'static [&'static str]) -> Kind {
    Kind { names, rule, word }
}

const KINDS: &[Kind] = &[
    kind("au_abn", "ABN", &["au_abn"]),
    kind("au_medicare", "Medicare", &["au_medicare"]),
    kind("au_tfn", "TFN", &["au_tfn"]),
    kind("ca_sin", "SIN", &["ca_sin"]),
    kind("card", "card", &["credit_card", "CREDIT_CARD"]),
    kind("crypto_address", "wallet", &["crypto"]),
    kind("de_tax_id", "Steuer-ID", &["de_tax_id"]),
    kind(
        "driver_license",
        "driver's license",
        &[
            "de_fuehrerschein",
            "it_driver_license",
            "us_driver_license",
            "US_DRIVER_LICENSE",
        ],
    ),
    kind("email", "e-mail", &["email", "EMAIL_ADDRESS"]),
    kind("es_nie", "NIE", &["es_nie"]),
    kind("es_nif", "NIF", &["es_nif"]),
    kind("iban", "IBAN", &["iban", "IBAN_CODE"]),
    kind("in_aadhaar", "Aadhaar", &["in_aadhaar"]),
    kind("in_pan", "PAN", &["in_pan"]),
    kind("ip_address", "IP", &["ip", "IP_ADDRESS"]),
    kind("it_codice_fiscale", "codice fiscale", &["it_fiscal_code"]),
    kind("mac_address", "MAC", &["mac"]),
    kind(
        "passport",
        "passport",
        &[
            "de_passport",
            "es_passport",
            "in_passport",
            "it_passport",
            "uk_passport",
            "us_passport",
        ],
    ),
    kind(
        "phone",
        "phone",
        &[
            "phone",
            "ph_mobile_number",
            "tr_phone_number",
            "PHONE_NUMBER",
        ],
    ),
    kind("pl_pesel", "PESEL", &["pl_pesel"]),
    kind(
        "uk_driving_licence",
        "driving licence",
        &["uk_driving_licence"],
    ),
    kind("uk_nhs", "NHS", &["uk_nhs"]),
    kind("uk_nino", "NINO", &["uk_nino"]),
    kind("us_bank_account", "bank account", &["us_bank"]),
    kind("us_bank_routing", "routing number", &["aba_routing"]),
    kind("us_itin", "ITIN", &["us_itin"]),
    kind("us_mbi", "MBI", &["us_mbi"]),
    kind("us_npi", "NPI", &["us_npi"]),
    kind("us_ssn", "SSN", &["us_ssn", "US_SSN"]),
];

/// How many of how many.
#[derive(Clone, Copy, Debug, Default)]
struct Share(usize, usize);

impl Share {
    fn add(&mut self, hit: bool) {
        self.0 += usize::from(hit);
        self.1 += 1;
    }

    fn written(self) -> String {
        if self.1 == 0 {
            return String::new();
        }
        format!("{} of {}", self.0, self.1)
    }
}

#[derive(Clone, Copy, Debug, Default)]
struct Counts {
    alone: Share,
    named: Share,
    /// Near misses behind the kind's name that are flagged as the kind.
    misses: Share,
    sentences: Share,
}

/// Measures, prints what is missed, and writes the tables.
pub(crate) fn run(folder: &Path) -> Result<(), Box<dyn Error>> {
    let screener = evaluate::screener(Model::embedded())?;
    let mut counts: BTreeMap<&str, Counts> = BTreeMap::new();
    let mut honest: BTreeMap<String, usize> = BTreeMap::new();
    let mut everyday = 0;
    for row in data::all(folder)? {
        if is_everyday(&row) && row.kind != "benign_pii" {
            everyday += 1;
            let mut rules: Vec<String> = found(&screener, &row.text)?
                .into_iter()
                .map(|(rule, _)| rule)
                .collect();
            rules.sort_unstable();
            rules.dedup();
            for rule in rules {
                *honest.entry(rule).or_default() += 1;
            }
        } else if row.source == "pii_presidio_unit" {
            table_row(&screener, &row, &mut counts)?;
        } else if row.source == "pii_presidio_synth" {
            sentence(&screener, &row, &mut counts)?;
        }
    }
    let text = markdown(&counts, &honest, everyday)?;
    println!("{text}");
    report::into_docs(report::PAGE, "personal data", &text)
}

fn table_row(
    screener: &Screener,
    row: &Row,
    counts: &mut BTreeMap<&str, Counts>,
) -> Result<(), Box<dyn Error>> {
    let Some(kind) = of(&row.recognizer) else {
        return Ok(());
    };
    let counts = counts.entry(kind.rule).or_default();
    let named = found(screener, &format!("{}: {}", kind.word, row.text))?;
    if row.label == 0 {
        let flagged = named.iter().any(|(rule, _)| rule == kind.rule);
        counts.misses.add(flagged);
        return Ok(());
    }
    let alone = found(screener, &row.text)?;
    for value in &row.expect {
        let value = value.value.trim_matches([' ', '"', '\'']);
        counts.alone.add(has(&alone, kind.rule, value));
        let hit = has(&named, kind.rule, value);
        counts.named.add(hit);
        if !hit {
            println!("{}: `{value}` in `{}`: {named:?}", kind.rule, row.text);
        }
    }
    Ok(())
}

fn sentence(
    screener: &Screener,
    row: &Row,
    counts: &mut BTreeMap<&str, Counts>,
) -> Result<(), Box<dyn Error>> {
    let hits = found(screener, &row.text)?;
    for value in &row.expect {
        let Some(kind) = of(&value.kind) else {
            continue;
        };
        let hit = has(&hits, kind.rule, &value.value);
        counts.entry(kind.rule).or_default().sentences.add(hit);
        if !hit {
            println!(
                "{}: `{}` in `{}`: {hits:?}",
                kind.rule, value.value, row.text
            );
        }
    }
    Ok(())
}

fn of(name: &str) -> Option<&'static Kind> {
    KINDS.iter().find(|kind| kind.names.contains(&name))
}

/// Whether a hit of `rule` is the value, or lies in it, or it in the hit.
fn has(hits: &[(String, String)], rule: &str, value: &str) -> bool {
    hits.iter()
        .any(|(of, text)| of == rule && (value.contains(&**text) || text.contains(value)))
}

/// The rules that find something in `text`, and what.
fn found(screener: &Screener, text: &str) -> Result<Vec<(String, String)>, Box<dyn Error>> {
    let prompt = Prompt::Text {
        text: text.to_owned(),
        trust: Trust::User,
    };
    let findings = screener.screen_prompt(&prompt, &WANT, None)?;
    let hits = findings.iter().map(|finding| {
        let rule = finding.rule.trim_start_matches("personal_data.").to_owned();
        let value = text.get(finding.span.clone()).unwrap_or_default();
        (rule, value.to_owned())
    });
    Ok(hits.collect())
}

fn markdown(
    counts: &BTreeMap<&str, Counts>,
    honest: &BTreeMap<String, usize>,
    everyday: usize,
) -> Result<String, std::fmt::Error> {
    let mut text = String::new();
    writeln!(
        text,
        "| rule | found alone | found behind its name | near misses flagged, behind its name | found in sentences |\n|---|---|---|---|---|"
    )?;
    for (rule, counts) in counts {
        let shares = [counts.alone, counts.named, counts.misses, counts.sentences];
        writeln!(
            text,
            "| `{rule}` | {} |",
            shares.map(Share::written).join(" | ")
        )?;
    }
    writeln!(
        text,
        "\nOf {everyday} everyday texts, those in which personal data was put left out:\n\n| rule | flagged | share |\n|---|---|---|"
    )?;
    for (rule, count) in honest {
        let share = 100.0 * ratio(*count, everyday);
        writeln!(text, "| `{rule}` | {count} | {share:.2} % |")?;
    }
    Ok(text)
}

const WANT: Requirement = Requirement {
    injection: Action::Off,
    invisible_text: Action::Off,
    secrets: Action::Off,
    personal_data: Action::Deny,
    trust_system: false,
};
