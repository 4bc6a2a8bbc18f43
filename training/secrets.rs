//! How many secrets of the tables are found, and which honest texts are taken for some.

use std::{collections::BTreeMap, error::Error, fmt::Write as _, path::Path};

use subzero::screening::{Action, Category, Prompt, Requirement, Trust, model::Model};

use crate::{
    data::{self, Row},
    evaluate::{self, ratio},
    report,
};

/// How many were flagged, of how many.
type Share = (usize, usize);

/// Measures, prints what is wrong, and writes the tables of the docs.
pub(crate) fn run(folder: &Path) -> Result<(), Box<dyn Error>> {
    let screener = evaluate::screener(Model::embedded())?;
    let mut tables: BTreeMap<(String, bool), Share> = BTreeMap::new();
    let mut honest: BTreeMap<String, Share> = BTreeMap::new();
    for row in data::all(folder)? {
        let is_of_a_table = row.source.starts_with("secrets_");
        if !is_of_a_table && row.label != 0 {
            continue;
        }
        let prompt = Prompt::Text {
            text: row.text.clone(),
            trust: Trust::User,
        };
        let found = screener.screen_prompt(&prompt, &WANT, None)?;
        let flagged = found.count(Category::Secret) > 0;
        let share = if is_of_a_table {
            tables
                .entry((row.source.clone(), row.label == 1))
                .or_default()
        } else {
            honest.entry(row.kind.clone()).or_default()
        };
        share.0 += usize::from(flagged);
        share.1 += 1;
        if flagged != (row.label == 1) {
            let rules: Vec<&str> = found.iter().map(|finding| &*finding.rule).collect();
            println!("{}", told(&row, &rules));
        }
    }
    let text = markdown(&tables, &honest)?;
    println!("{text}");
    report::into_docs(report::PAGE, "secrets found", &text)
}

/// One line about a text that was missed or flagged.
fn told(row: &Row, rules: &[&str]) -> String {
    let text: String = row.text.chars().take(300).collect();
    format!(
        "{} {} {rules:?} {}",
        row.source,
        row.recognizer,
        text.escape_debug()
    )
}

fn markdown(
    tables: &BTreeMap<(String, bool), Share>,
    honest: &BTreeMap<String, Share>,
) -> Result<String, std::fmt::Error> {
    let mut text =
        "| table | texts with a secret | found | near misses | flagged |\n|---|---|---|---|---|\n"
            .to_owned();
    for ((source, _), (found, secrets)) in tables.iter().filter(|((_, secret), _)| *secret) {
        let misses = (source.clone(), false);
        let (flagged, near) = tables.get(&misses).copied().unwrap_or_default();
        let share = 100.0 * ratio(*found, *secrets);
        writeln!(
            text,
            "| {source} | {secrets} | {share:.1} % | {near} | {flagged} |"
        )?;
    }
    text.push_str("\n| honest texts | texts | flagged | share |\n|---|---|---|---|\n");
    for (kind, (flagged, texts)) in honest {
        let share = 100.0 * ratio(*flagged, *texts);
        writeln!(text, "| `{kind}` | {texts} | {flagged} | {share:.2} % |")?;
    }
    Ok(text)
}

const WANT: Requirement = Requirement {
    injection: Action::Off,
    invisible_text: Action::Off,
    secrets: Action::Deny,
    personal_data: Action::Off,
    trust_system: false,
};
