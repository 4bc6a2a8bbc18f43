//! Thresholds and figures from texts whose source was not trained on.

use std::{collections::BTreeMap, error::Error, path::Path, time::Instant};

use prometheus::Registry;
use subzero::screening::{
    Action, Allowed, Category, Config, Findings, Metrics, PersonalData, Prompt, Requirement,
    Screener, Trust, model::Model,
};

use crate::{
    data::{self, Row},
    is_everyday,
    learn::Learner,
    predecessor::Predecessor,
    report,
};

/// What the thresholds are, and what they come from.
#[derive(Debug)]
pub(crate) struct Calibration {
    pub(crate) user: f32,
    pub(crate) untrusted: f32,
    pub(crate) rise: f32,
    /// One model a group of sources, which was left out of its training.
    pub(crate) models: Vec<Model>,
    /// Share of everyday texts that the rules alone flag.
    pub(crate) by_rules: f64,
}

/// What one detector says of one row.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Verdict {
    pub(crate) injection: bool,
    pub(crate) secret: bool,
    /// What an everyday text should have none of.
    pub(crate) phone: bool,
    pub(crate) micros: f64,
}

/// Which group of sources a row is measured in.
fn group_of(rows: &[Row]) -> BTreeMap<&str, usize> {
    let mut families: Vec<&str> = rows.iter().map(|row| row.family.as_str()).collect();
    families.sort_unstable();
    families.dedup();
    families
        .into_iter()
        .enumerate()
        .map(|(at, family)| (family, at % GROUPS))
        .collect()
}

/// Trains a model without each group of sources and takes the thresholds from what those models say
/// of the texts that they do not know.
pub(crate) fn calibrate(rows: &[Row], learner: &Learner) -> Result<Calibration, Box<dyn Error>> {
    let groups = group_of(rows);
    let of = |row: &Row| (!row.is_made()).then(|| groups[row.family.as_str()]);
    let models: Vec<Model> = (0..GROUPS)
        .map(|group| learner.train(|row| of(row) != Some(group)))
        .collect();
    let rules = screener(silent(&models[0]))?;
    let mut scores = Vec::new();
    let mut by_rules = 0;
    for row in rows.iter().filter(|row| is_everyday(row)) {
        let model = of(row)
            .map(|group| &models[group])
            .expect("made rows are not everyday's");
        let score = model.score(&row.folded).unwrap_or(f32::NEG_INFINITY) - rise_of(model, row);
        let by_rule = flags(&rules, &row.text, Trust::User)?.count(Category::Injection) > 0;
        by_rules += usize::from(by_rule);
        scores.push(if by_rule { f32::INFINITY } else { score });
    }
    scores.sort_by(|one, other| other.total_cmp(one));
    let at = |share: f64| scores[share_of(scores.len(), share)].next_up();
    Ok(Calibration {
        user: at(EVERYDAY),
        untrusted: at(EVERYDAY),
        rise: RISE,
        models,
        by_rules: ratio(by_rules, scores.len()),
    })
}

fn rise_of(model: &Model, row: &Row) -> f32 {
    at(model, 0.0, RISE).threshold(Trust::User, row.folded.len())
}

/// The model with these thresholds.
fn at(model: &Model, threshold: f32, rise: f32) -> Model {
    let mut model = model.clone();
    (model.user, model.untrusted, model.rise) = (threshold, threshold, rise);
    model
}

/// A model that finds nothing.
fn silent(model: &Model) -> Model {
    at(model, f32::INFINITY, 0.0)
}

/// Measures everything on every source and writes the table.
pub(crate) fn run(folder: &Path) -> Result<(), Box<dyn Error>> {
    let trained = data::training(folder)?;
    let learner = Learner::new(&trained);
    let calibration = calibrate(&trained, &learner)?;
    let groups = group_of(&trained);
    let mut screeners = Vec::new();
    for model in &calibration.models {
        screeners.push(screener(at(model, calibration.user, calibration.rise))?);
    }
    let shipped = screener(Model::embedded())?;
    let rules = screener(silent(&calibration.models[0]))?;
    let predecessor = Predecessor::new();
    let mut table = report::Table::default();
    for row in data::all(folder)? {
        let left_out = groups
            .get(row.family.as_str())
            .filter(|_| !data::is_left_out(&row.source));
        let ours = left_out.map_or(&shipped, |group| &screeners[*group]);
        let trust = if row.kind == "benign_system" {
            Trust::System
        } else {
            Trust::User
        };
        let ours = verdict(ours, &row.text, trust)?;
        let rules_alone = verdict(&rules, &row.text, trust)?;
        table.add(&row, [ours, rules_alone, predecessor.verdict(&row.text)]);
    }
    let text = table.to_markdown(&calibration);
    println!("{text}");
    report::into_docs("README.md", "found", &report::headlines(&text))?;
    report::into_docs(report::PAGE, "measured", &text)
}

fn verdict(screener: &Screener, text: &str, trust: Trust) -> Result<Verdict, Box<dyn Error>> {
    let start = Instant::now();
    let found = flags(screener, text, trust)?;
    Ok(Verdict {
        micros: start.elapsed().as_secs_f64() * 1e6,
        injection: found.count(Category::Injection) > 0,
        secret: found.count(Category::Secret) > 0,
        phone: found
            .iter()
            .any(|finding| finding.rule == "personal_data.phone"),
    })
}

fn flags(screener: &Screener, text: &str, trust: Trust) -> Result<Findings, Box<dyn Error>> {
    let prompt = Prompt::Text {
        text: text.to_owned(),
        trust,
    };
    Ok(screener.screen_prompt(&prompt, &WANT, None)?)
}

pub(crate) fn screener(model: Model) -> Result<Screener, Box<dyn Error>> {
    let config = Config {
        max_body: "1MiB".parse()?,
        max_text: "1MiB".parse()?,
        max_depth: 64,
        personal_data: PersonalData::default(),
        patterns: Vec::new(),
        allow: Allowed::default(),
        cache: "0".parse()?,
    };
    let metrics = Metrics::register(&Registry::new())?;
    Screener::with_model(&config, metrics, model).map_err(|problems| format!("{problems:?}").into())
}

#[expect(clippy::cast_precision_loss, reason = "counts of texts are small")]
pub(crate) fn ratio(part: usize, whole: usize) -> f64 {
    part as f64 / whole.max(1) as f64
}

#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a share of a count of texts"
)]
fn share_of(count: usize, share: f64) -> usize {
    (count as f64 * share) as usize
}

const WANT: Requirement = Requirement {
    injection: Action::Deny,
    invisible_text: Action::Deny,
    secrets: Action::Deny,
    personal_data: Action::Deny,
    trust_system: true,
};
/// Groups of sources that are left out in turn.
const GROUPS: usize = 8;
/// Share of everyday texts that may be flagged, rules and model together.
const EVERYDAY: f64 = 0.009;
/// How much a threshold rises with each doubling of a long text.
const RISE: f32 = 0.08;
