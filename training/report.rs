//! Tables for the documentation: what is flagged of which kind, by whom.

use std::{collections::BTreeMap, error::Error, fmt::Write as _, fs, path::Path};

use subzero::screening::model::{Model, VERSION};

use crate::{
    data::Row,
    evaluate::{Calibration, Verdict, ratio},
    is_everyday,
};

/// Ours, our rules without the model, and the predecessor's patterns.
const DETECTORS: usize = 3;

/// Counts by what is counted.
#[derive(Debug, Default)]
pub(crate) struct Table {
    sources: BTreeMap<(i32, String, String), Counts>,
    pooled: BTreeMap<&'static str, Counts>,
    overt: BTreeMap<String, Counts>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Counts {
    texts: usize,
    injections: [usize; DETECTORS],
    secrets: [usize; DETECTORS],
    phones: [usize; DETECTORS],
    micros: [f64; DETECTORS],
}

impl Counts {
    fn add(&mut self, verdicts: &[Verdict; DETECTORS]) {
        self.texts += 1;
        for (at, verdict) in verdicts.iter().enumerate() {
            self.injections[at] += usize::from(verdict.injection);
            self.secrets[at] += usize::from(verdict.secret);
            self.phones[at] += usize::from(verdict.phone);
            self.micros[at] += verdict.micros;
        }
    }

    fn shares(counts: [usize; DETECTORS], texts: usize) -> String {
        let shares = counts.map(|count| format!("{:.1} %", 100.0 * ratio(count, texts)));
        shares.join(" | ")
    }
}

impl Table {
    pub(crate) fn add(&mut self, row: &Row, verdicts: [Verdict; DETECTORS]) {
        let of_tables = row.source.starts_with("pii_") || row.source.starts_with("secrets_");
        let kind = if of_tables { "table" } else { &row.kind };
        let key = (-row.label, kind.to_owned(), row.source.clone());
        self.sources.entry(key).or_default().add(&verdicts);
        let overt = matches!(&*row.kind, "direct" | "extraction" | "jailbreak");
        if row.label == 1 && overt && !row.source.contains("smuggle") {
            self.overt
                .entry(row.source.clone())
                .or_default()
                .add(&verdicts);
            self.pooled
                .entry("attacks, overt")
                .or_default()
                .add(&verdicts);
        }
        let pooled = match &*row.kind {
            "benign_hardneg" => "honest, full of trigger words",
            "benign_about_attacks" => "honest, about attacks, which they quote",
            "benign_system" => "system prompts, in that role",
            "benign_encoded" => "honest, encoded",
            "encoded" if row.source.starts_with("obf_") => "attacks, encoded",
            "encoded" => "attacks, encoded (other encodings, other payloads)",
            "indirect_long" => "attacks in long documents",
            "benign_long" => "long documents",
            "indirect" => "attacks, indirect",
            "indirect_plain" => "attacks, indirect, without trigger words",
            "harmful_plain" => "harmful requests that attack nothing",
            _ if is_everyday(row) => "honest, everyday",
            _ => return,
        };
        self.pooled.entry(pooled).or_default().add(&verdicts);
    }

    pub(crate) fn to_markdown(&self, calibration: &Calibration) -> String {
        let mut text = String::new();
        let mut line = |words: String| {
            // Writing to a String cannot fail.
            let _ = writeln!(text, "{words}");
        };
        line("| pooled | texts | ours | rules alone | predecessor |".into());
        line("|---|---|---|---|---|".into());
        for (name, counts) in &self.pooled {
            let shares = Counts::shares(counts.injections, counts.texts);
            line(format!("| {name} | {} | {shares} |", counts.texts));
        }
        let sources: Vec<&Counts> = self
            .overt
            .values()
            .filter(|counts| counts.texts >= 5)
            .collect();
        let mean = |at: usize| {
            let shares = sources
                .iter()
                .map(|counts| ratio(counts.injections[at], counts.texts));
            100.0 * shares.sum::<f64>()
                / f64::from(u32::try_from(sources.len().max(1)).unwrap_or(1))
        };
        let means: Vec<String> = (0..DETECTORS)
            .map(|at| format!("{:.1} %", mean(at)))
            .collect();
        line(format!(
            "| attacks, overt, mean of sources | {} | {} |",
            sources.len(),
            means.join(" | ")
        ));
        if let Some(counts) = self.pooled.get("honest, everyday") {
            line(format!(
                "| honest, everyday: secrets | {} | {} |",
                counts.texts,
                Counts::shares(counts.secrets, counts.texts)
            ));
            line(format!(
                "| honest, everyday: phones | {} | {} |",
                counts.texts,
                Counts::shares(counts.phones, counts.texts)
            ));
            let micros = counts.micros.map(|sum| {
                format!(
                    "{:.1}",
                    sum / f64::from(u32::try_from(counts.texts).unwrap_or(1))
                )
            });
            line(format!(
                "| honest, everyday: microseconds a text | {} | {} |",
                counts.texts,
                micros.join(" | ")
            ));
        }
        line(String::new());
        line(format!(
            "Thresholds {:.3}; the rules alone flag {:.2} % of the everyday texts that calibrate them.",
            calibration.user,
            100.0 * calibration.by_rules
        ));
        line(String::new());
        line("| source | kind | label | texts | ours | rules alone | predecessor |".into());
        line("|---|---|---|---|---|---|---|".into());
        for ((label, kind, source), counts) in &self.sources {
            let shares = Counts::shares(counts.injections, counts.texts);
            line(format!(
                "| {source} | {kind} | {} | {} | {shares} |",
                -label, counts.texts
            ));
        }
        text
    }
}

/// What the README shows of a table in the documentation: its head, and the rows that most ask for.
pub(crate) fn headlines(table: &str) -> String {
    let is_shown = |line: &&str| {
        line.starts_with("| pooled |")
            || line.starts_with("|---|---|---|---|---|")
            || HEADLINES
                .iter()
                .any(|name| line.starts_with(&format!("| {name} |")))
    };
    let pooled = table.lines().take_while(|line| !line.is_empty());
    let shown = pooled.filter(is_shown).map(|line| format!("{line}\n"));
    shown.collect()
}

const HEADLINES: [&str; 7] = [
    "attacks in long documents",
    "attacks, encoded",
    "attacks, indirect",
    "attacks, overt",
    "attacks, overt, mean of sources",
    "honest, everyday",
    "honest, full of trigger words",
];

/// Puts `table` between the marks of `name` on a page of the documentation.
pub(crate) fn into_docs(page: &str, name: &str, table: &str) -> Result<(), Box<dyn Error>> {
    let [begin, end] = ["begin", "end"].map(|mark| format!("<!-- {name}: {mark} -->"));
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(page);
    let text = fs::read_to_string(&path)?;
    let missing = |mark| format!("{page} has no {mark} mark of {name}");
    let (before, rest) = text.split_once(&begin).ok_or_else(|| missing("begin"))?;
    let (_, after) = rest.split_once(&end).ok_or_else(|| missing("end"))?;
    fs::write(path, format!("{before}{begin}\n\n{table}\n{end}{after}"))?;
    Ok(())
}

/// The page that every table of the screening is on.
pub(crate) const PAGE: &str = "docs/screening.md";

/// Writes the model's card.
pub(crate) fn card(
    path: &Path,
    rows: &[Row],
    model: &Model,
    calibration: &Calibration,
) -> Result<(), Box<dyn Error>> {
    let mut sources: BTreeMap<&str, [usize; 3]> = BTreeMap::new();
    for row in rows {
        let counts = sources.entry(&row.source).or_default();
        counts[match row.label {
            1 => 0,
            0 => 1,
            _ => 2,
        }] += 1;
    }
    let mut text = include_str!("card-head.md").to_owned();
    let numbers = format!(
        "version {VERSION}, scale {:.6}, bias {:.4}, thresholds {:.4} (user) and {:.4} (untrusted), rise {:.2}; the rules alone flag {:.2} % of the everyday texts",
        model.scale,
        model.bias,
        model.user,
        model.untrusted,
        model.rise,
        100.0 * calibration.by_rules
    );
    writeln!(text, "\n## Numbers of this training\n\n{numbers}.\n")?;
    writeln!(
        text,
        "| source | attacks | honest | counted only |\n|---|---|---|---|"
    )?;
    for (source, [attacks, honest, other]) in sources {
        writeln!(text, "| {source} | {attacks} | {honest} | {other} |")?;
    }
    fs::write(path, text)?;
    Ok(())
}
