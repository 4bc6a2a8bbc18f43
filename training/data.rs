//! Reads the folder of data and adds what the grammars make.

use std::{error::Error, fs, path::Path};

use serde::Deserialize;
use subzero::screening::model;

use crate::grammar;

/// One text.
#[derive(Debug)]
pub(crate) struct Row {
    /// The file's name, without its ending.
    pub(crate) source: String,
    /// Sources of one origin: they are left out of training together.
    pub(crate) family: String,
    pub(crate) kind: String,
    /// 1 attack, 0 honest, -1 neither.
    pub(crate) label: i32,
    pub(crate) text: String,
    /// The text as the model reads it.
    pub(crate) folded: String,
    /// In tables of personal data and secrets, the kind of value that the row is about, or about which
    /// it is not.
    pub(crate) recognizer: String,
    /// The values that are to be found in the text.
    pub(crate) expect: Vec<Expected>,
}

/// A value in a text.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Expected {
    #[serde(rename = "type")]
    pub(crate) kind: String,
    pub(crate) value: String,
}

impl Row {
    fn new(source: &str, line: Line) -> Self {
        Self {
            source: source.to_owned(),
            family: family(source).to_owned(),
            kind: line.kind,
            label: line.label,
            folded: model::folded(&line.text),
            text: line.text,
            recognizer: line.recognizer,
            expect: line.expect,
        }
    }

    /// Whether the grammars made it: it is trained on always and measured never.
    pub(crate) fn is_made(&self) -> bool {
        self.source.starts_with(MADE)
    }
}

#[derive(Debug, Deserialize)]
struct Line {
    text: String,
    label: i32,
    #[serde(default)]
    kind: String,
    #[serde(default, alias = "rule")]
    recognizer: String,
    #[serde(default)]
    expect: Vec<Expected>,
}

/// Every row of `folder`, in the order of the files' names.
pub(crate) fn all(folder: &Path) -> Result<Vec<Row>, Box<dyn Error>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).map_err(|error| format!("{}: {error}", folder.display()))? {
        let path = entry?.path();
        if path.extension().is_some_and(|ending| ending == "jsonl") {
            files.push(path);
        }
    }
    files.sort();
    let mut rows = Vec::new();
    for file in files {
        let source = file.file_stem().unwrap_or_default().to_string_lossy();
        for (number, line) in fs::read_to_string(&file)?.lines().enumerate() {
            let mut line: Line = serde_json::from_str(line)
                .map_err(|error| format!("{}:{}: {error}", file.display(), number + 1))?;
            if line.kind.is_empty() {
                kind_of(&source).clone_into(&mut line.kind);
            }
            rows.push(Row::new(&source, line));
        }
    }
    if rows.is_empty() {
        return Err(format!("{}: no file ends in .jsonl", folder.display()).into());
    }
    Ok(rows)
}

/// The rows that the model is trained and calibrated on: those of `folder` that are plain text, and
/// the made ones.
pub(crate) fn training(folder: &Path) -> Result<Vec<Row>, Box<dyn Error>> {
    let mut rows = all(folder)?;
    rows.retain(|row| !is_left_out(&row.source));
    for (section, label, texts) in grammar::make() {
        let source = format!("{MADE}{section}");
        let kind = if label == 1 {
            "made_attack"
        } else {
            "made_benign"
        };
        rows.extend(texts.into_iter().map(|text| {
            let line = Line {
                text,
                label,
                kind: kind.to_owned(),
                recognizer: String::new(),
                expect: Vec::new(),
            };
            Row::new(&source, line)
        }));
    }
    Ok(rows)
}

/// Sources that are never trained on: encoded copies, texts made of other sources, and tables for
/// secrets and personal data.
pub(crate) fn is_left_out(source: &str) -> bool {
    [
        "obf_",
        "longctx_",
        "pii_",
        "secrets_",
        "garak_encoding",
        "garak_smuggle",
    ]
    .iter()
    .any(|beginning| source.starts_with(beginning))
}

/// Attacks that say nothing suspicious in themselves: counted, but the words that they have are
/// everybody's.
pub(crate) fn is_trained_on(row: &Row) -> bool {
    row.label >= 0 && row.kind != "indirect_plain"
}

fn kind_of(source: &str) -> &'static str {
    if source.contains("security_docs") {
        "benign_about_attacks"
    } else if source.contains("docs") {
        "benign_docs"
    } else if source.contains("fabric") {
        "benign_system"
    } else {
        "other"
    }
}

/// Sources that share an author or were copied from each other.
fn family(source: &str) -> &str {
    match source {
        "garak_dan" | "gptfuzzer" | "jailbreak_llms_2023_05" | "self_reminder" => "jailbreaks",
        "garak_latent" | "garak_promptinject" => "promptinject",
        _ if source.starts_with("cyberseceval") => "cyberseceval",
        _ if source.starts_with("gpteacher") => "gpteacher",
        _ => source,
    }
}

const MADE: &str = "made_";
