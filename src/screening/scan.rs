//! Runs the detectors over one text and over its other readings.
//!
//! The one place where detectors meet: text in, hits out, all offsets in the text that came in.
//! Decoded readings are scanned the same way, one level down.

use std::{ops::Range, time::Instant};

use super::{
    error::Error,
    finding::{Action, Category, Findings, Requirement, RuleName, Trust},
    injection::{self, Injection},
    literals::Literals,
    model::Model,
    normalise::{clean, fold},
    own::Own,
    personal::{self, Regions},
    secrets::{self, Secrets},
    views::{Cipher, View, views},
};
use crate::check::Fields;

/// A finding before its place in the body is known.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Hit {
    pub(super) category: Category,
    pub(super) rule: RuleName,
    pub(super) certainty: Certainty,
    pub(super) range: Range<usize>,
}

/// How sure a hit is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Certainty {
    /// So far above the model's threshold for short texts: what that says depends on how much text
    /// the stretch was found in, which whoever scans one part of a text does not know.
    Above(f32),
    Percent(u8),
}

/// What is in one text.
#[derive(Debug, Default)]
pub(super) struct Scanned {
    pub(super) hits: Vec<Hit>,
    /// The text's, in bytes, as the model reads it.
    pub(super) length: usize,
}

impl Hit {
    /// The hit in the text that `source` leads back to.
    fn in_source(self, source: impl Fn(&Range<usize>) -> Range<usize>) -> Self {
        let range = source(&self.range);
        Self { range, ..self }
    }
}

/// Which detectors look at a text.
#[derive(Clone, Copy, Debug)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "four detectors, each on or off"
)]
pub(super) struct Wanted {
    invisible: bool,
    personal_data: bool,
    phrases: bool,
    secrets: bool,
    trust: Trust,
}

impl Wanted {
    /// What a route wants of a text of this trust. The operator's own instructions may say what
    /// they like, and who to write to; they may not hide anything or carry a secret.
    pub(super) fn of(want: Requirement, trust: Trust) -> Self {
        let on = |category| want.action(category) != Action::Off;
        let system = trust == Trust::System;
        Self {
            invisible: on(Category::InvisibleText),
            personal_data: on(Category::PersonalData) && !system,
            phrases: on(Category::Injection) && !system,
            secrets: on(Category::Secret),
            trust,
        }
    }

    /// All that it changes the findings by.
    pub(super) fn put(self, fields: &mut Fields) {
        let Self {
            invisible,
            personal_data,
            phrases,
            secrets,
            trust,
        } = self;
        for on in [invisible, personal_data, phrases, secrets] {
            fields.flag(on);
        }
        fields.number(trust as u64);
    }

    fn looks_for(self, category: Category) -> bool {
        match category {
            Category::Injection => self.phrases,
            Category::InvisibleText => self.invisible,
            Category::PersonalData => self.personal_data,
            Category::Secret => self.secrets,
        }
    }
}

/// What a literal leads to.
#[derive(Clone, Copy, Debug)]
enum Lead {
    Phrase(injection::Lead),
    /// A rule for secrets.
    Secret(usize),
}

/// What the literals of a text led to.
#[derive(Debug, Default)]
struct Found {
    ciphers: Vec<(Cipher, Range<usize>)>,
    /// Where the model says so, and how far above its threshold.
    learnt: Vec<(Range<usize>, f32)>,
    /// Of the folded text.
    length: usize,
    phrases: Vec<(&'static str, Range<usize>)>,
    secrets: Vec<(&'static str, Range<usize>)>,
}

/// Every detector.
#[derive(Debug)]
pub(super) struct Detectors {
    injection: Injection,
    literals: Literals<Lead>,
    model: Model,
    own: Own,
    regions: Regions,
    secrets: Secrets,
}

impl Detectors {
    pub(super) fn new(model: Model, own: Own, regions: Regions) -> Self {
        let (injection, secrets) = (Injection::new(), Secrets::new());
        let phrases = injection.literals();
        let phrases = phrases.map(|(literal, lead)| (literal, Lead::Phrase(lead)));
        let keywords = secrets.literals();
        let keywords = keywords.map(|(keyword, rule)| (keyword, Lead::Secret(rule)));
        let literals = Literals::new(phrases.chain(keywords));
        Self {
            injection,
            literals,
            model,
            own,
            regions,
            secrets,
        }
    }

    /// How sure a hit is, in percent, in a text of so many bytes; `None` where it is no finding.
    pub(super) fn certainty(&self, hit: &Hit, length: usize) -> Option<u8> {
        match hit.certainty {
            Certainty::Above(above) => self.model.certainty(above, length),
            Certainty::Percent(percent) => Some(percent),
        }
    }

    /// Scans `text`, unless time runs out. What it finds depends on `text` and `wanted` alone.
    pub(super) fn scan(
        &self,
        text: &str,
        wanted: Wanted,
        deadline: Option<Instant>,
    ) -> Result<Scanned, Error> {
        let mut scanned = Scanned::default();
        if wanted.invisible || wanted.personal_data || wanted.phrases || wanted.secrets {
            let mut budget = Budget {
                bytes: text.len() * 4 + SMALL,
                deadline,
            };
            scanned.length = self.read(text, wanted, 0, &mut budget, &mut scanned.hits)?;
        }
        Ok(scanned)
    }

    /// Reads `text` and its views, which share the budget at all levels; returns the text's length as
    /// the model reads it.
    fn read(
        &self,
        text: &str,
        wanted: Wanted,
        depth: usize,
        budget: &mut Budget,
        hits: &mut Vec<Hit>,
    ) -> Result<usize, Error> {
        budget.check()?;
        let clean = clean(text);
        let mut here = Vec::new();
        let mut add = |category, rule: RuleName, certainty, range: Range<usize>| {
            here.push(Hit {
                category,
                rule,
                certainty,
                range,
            });
        };
        let found = self.phrases_and_secrets(&clean.text, wanted, budget)?;
        for (rule, range) in found.secrets {
            add(Category::Secret, rule.into(), BY_RULE, range);
        }
        for (rule, range) in found.phrases {
            add(Category::Injection, rule.into(), BY_RULE, range);
        }
        for (range, above) in found.learnt {
            let rule = Findings::MODEL_RULE.into();
            add(Category::Injection, rule, Certainty::Above(above), range);
        }
        if wanted.personal_data {
            for hit in personal::scan(&clean.text, self.regions) {
                let rule = hit.rule.into();
                let certainty = Certainty::Percent(hit.certainty);
                add(Category::PersonalData, rule, certainty, hit.range);
            }
        }
        self.own.find(
            &clean.text,
            || budget.check(),
            |rule, category, range| {
                if wanted.looks_for(category) {
                    add(category, rule.clone(), BY_RULE, range);
                }
            },
        )?;
        if !here.is_empty() {
            let allowed = self.own.allowed(&clean.text, || budget.check())?;
            here.retain(|hit| !allowed.iter().any(|place| is_within(&hit.range, place)));
        }
        let here = here.into_iter();
        hits.extend(here.map(|hit| hit.in_source(|range| clean.map.source(range))));
        let mut other = if depth < MAX_DEPTH {
            views(&clean.text)
        } else {
            Vec::new()
        };
        if depth < MAX_DEPTH {
            let ciphers = found.ciphers.into_iter();
            other.extend(ciphers.map(|(cipher, part)| cipher.apply(&clean.text, part)));
        }
        for view in other {
            // A reading that is left out is a text that was not read, and cannot be called clean.
            let left = budget.bytes.checked_sub(view.text.len());
            let left = left.ok_or(Error::TooLarge)?;
            budget.bytes = left;
            let found = self.read_view(&view, wanted, depth, budget)?;
            let back = |range: &Range<usize>| clean.map.source(&view.origin.source(range));
            hits.extend(found.into_iter().map(|hit| hit.in_source(back)));
        }
        // Nobody sees what a decoded run says anyway, and bytes that are no text are full of these.
        if wanted.invisible && depth == 0 {
            for range in clean.invisible {
                hits.push(Hit {
                    category: Category::InvisibleText,
                    rule: "invisible_text.hidden".into(),
                    certainty: BY_RULE,
                    range,
                });
            }
        }
        Ok(found.length)
    }

    /// What literals lead to; ranges are in `text`.
    fn phrases_and_secrets(
        &self,
        text: &str,
        wanted: Wanted,
        budget: &Budget,
    ) -> Result<Found, Error> {
        if !(wanted.phrases || wanted.secrets) {
            return Ok(Found::default());
        }
        let (folded, map) = fold(text);
        let mut phrases = injection::Seen::default();
        let mut secrets = secrets::Seen::default();
        self.literals.each(&folded, |leads, range| {
            for lead in leads {
                match *lead {
                    Lead::Phrase(lead) if wanted.phrases => {
                        self.injection.note(&folded, lead, &range, &mut phrases);
                    }
                    Lead::Secret(rule) if wanted.secrets => {
                        self.secrets
                            .note(text, rule, &map.source(&range), &mut secrets);
                    }
                    Lead::Phrase(_) | Lead::Secret(_) => {}
                }
            }
        });
        if wanted.secrets {
            self.secrets.note_bare(text, &mut secrets);
        }
        let found = self.injection.finish(&folded, phrases, || budget.check())?;
        let learnt = if wanted.phrases {
            self.model.find(&folded, wanted.trust)
        } else {
            Vec::new()
        };
        let learnt = learnt
            .into_iter()
            .map(|(range, above)| (map.source(&range), above));
        let learnt = learnt.collect();
        let phrases = found.hits.into_iter();
        Ok(Found {
            learnt,
            length: folded.len(),
            ciphers: (found.ciphers.into_iter())
                .map(|(cipher, part)| (cipher, map.source(&part)))
                .collect(),
            phrases: phrases
                .map(|(rule, range)| (rule, map.source(&range)))
                .collect(),
            secrets: self.secrets.finish(text, &secrets, || budget.check())?,
        })
    }

    fn read_view(
        &self,
        view: &View,
        wanted: Wanted,
        depth: usize,
        budget: &mut Budget,
    ) -> Result<Vec<Hit>, Error> {
        let mut hits = Vec::new();
        let wanted = if view.phrases_only {
            Wanted {
                personal_data: false,
                secrets: false,
                ..wanted
            }
        } else {
            wanted
        };
        // What was guessed at is not guessed at again.
        let depth = if view.phrases_only {
            MAX_DEPTH
        } else {
            depth + 1
        };
        let length = self.read(&view.text, wanted, depth, budget, &mut hits)?;
        // A view is a text of its own: how long the one is that it was found in says nothing about it.
        hits.retain_mut(|hit| {
            let certainty = self.certainty(hit, length);
            hit.certainty = Certainty::Percent(certainty.unwrap_or_default());
            certainty.is_some()
        });
        Ok(hits)
    }
}

fn is_within(range: &Range<usize>, place: &Range<usize>) -> bool {
    place.start <= range.start && range.end <= place.end
}

/// What one text may still cost.
#[derive(Clone, Copy, Debug)]
struct Budget {
    /// Of views.
    bytes: usize,
    deadline: Option<Instant>,
}

impl Budget {
    fn check(&self) -> Result<(), Error> {
        match self.deadline {
            Some(deadline) if Instant::now() >= deadline => Err(Error::Deadline),
            _ => Ok(()),
        }
    }
}

/// How sure a rule is, in percent.
const BY_RULE: Certainty = Certainty::Percent(95);
/// Bytes of views that any text may have, beyond twice its length.
const SMALL: usize = 4_096;
/// How often a reading is read again.
const MAX_DEPTH: usize = 2;
