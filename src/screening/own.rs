//! The operator's own patterns, and the texts that the operator says are no findings.
//!
//! Literals of all patterns are looked for in one pass, whatever their case, as whole words. Of the
//! regular expressions a set tells in one pass which match at all, and those are then tried one by
//! one, each for so many matches at most: linear in the text.
//!
//! What a reader would get wrong: what is allowed is a *place*. A finding is dropped when all of it
//! lies within an allowed text, so that one allowed word does not excuse what stands around it.

use std::ops::Range;

use aho_corasick::{AhoCorasick, AhoCorasickBuilder};
use regex::{Regex, RegexBuilder, RegexSet, RegexSetBuilder};
use serde::{Deserialize, Serialize};

use super::{
    finding::{Category, Findings, RuleName},
    injection::is_whole,
};
use crate::problem::Problem;

/// Something that the operator looks for.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct OwnPattern {
    /// Its findings' rule is `custom.NAME`: up to 64 letters, digits, `-`, `_` and `.`.
    pub name: String,
    /// Whose action a finding has: `injection`, `personal_data` or `secret`.
    pub category: Category,
    /// Words and phrases, found in any case.
    #[serde(default)]
    pub literals: Vec<String>,
    /// Regular expressions, without look-around and back-references.
    #[serde(default)]
    pub regexes: Vec<String>,
}

/// Texts in which nothing is found.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Allowed {
    /// Words and phrases, in any case.
    #[serde(default)]
    pub literals: Vec<String>,
    /// Regular expressions, without look-around and back-references.
    #[serde(default)]
    pub regexes: Vec<String>,
}

/// Both, compiled.
#[derive(Debug)]
pub(super) struct Own {
    allowed: Finder,
    patterns: Finder,
    rules: Vec<(RuleName, Category)>,
}

impl Own {
    /// Compiles them. Problems are relative to the section `screening`.
    pub(super) fn new(patterns: &[OwnPattern], allowed: &Allowed) -> Result<Self, Vec<Problem>> {
        let mut problems = Vec::new();
        let mut finder = Parts::default();
        if patterns.len() > MAX_PATTERNS {
            let message = format!(
                "names {} patterns, more than the {MAX_PATTERNS} that are allowed; put several regexes under one name",
                patterns.len()
            );
            problems.push(Problem::new("patterns", message));
        }
        for (index, pattern) in patterns.iter().enumerate() {
            let place = format!("patterns[{index}]");
            let mut wrong = pattern.mistakes();
            wrong.extend(finder.add(index, &pattern.literals, &pattern.regexes));
            problems.extend(wrong.into_iter().map(|problem| problem.within(&place)));
        }
        let mut passing = Parts::default();
        let wrong = passing.add(0, &allowed.literals, &allowed.regexes);
        problems.extend(wrong.into_iter().map(|problem| problem.within("allow")));
        if !problems.is_empty() {
            return Err(problems);
        }
        let whole = |place: &'static str| move |message: String| vec![Problem::new(place, message)];
        Ok(Self {
            patterns: finder.compile().map_err(whole("patterns"))?,
            allowed: passing.compile().map_err(whole("allow"))?,
            rules: (patterns.iter())
                .map(|pattern| (format!("custom.{}", pattern.name).into(), pattern.category))
                .collect(),
        })
    }

    /// Calls `found` with the rule, the category and the place of what the operator looks for in
    /// `text`, and `go_on` now and then.
    pub(super) fn find<E>(
        &self,
        text: &str,
        go_on: impl Fn() -> Result<(), E>,
        mut found: impl FnMut(&RuleName, Category, Range<usize>),
    ) -> Result<(), E> {
        self.patterns.each(text, go_on, |index, range| {
            let (rule, category) = &self.rules[index];
            found(rule, *category, range);
        })
    }

    /// Where nothing is a finding.
    pub(super) fn allowed<E>(
        &self,
        text: &str,
        go_on: impl Fn() -> Result<(), E>,
    ) -> Result<Vec<Range<usize>>, E> {
        let mut places = Vec::new();
        self.allowed
            .each(text, go_on, |_, range| places.push(range))?;
        Ok(places)
    }
}

impl OwnPattern {
    /// What is wrong with it, its expressions aside.
    fn mistakes(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        let name = &self.name;
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
        if name.is_empty() || name.len() > 64 || !name.bytes().all(fits) {
            let message =
                format!("`{name}` is not a name of up to 64 letters, digits, `-`, `_` and `.`");
            problems.push(Problem::new("name", message));
        }
        if self.category == Category::InvisibleText {
            let message = "`invisible_text` is found by what it is made of; write `injection`, `personal_data` or `secret`";
            problems.push(Problem::new("category", message));
        }
        if self.literals.is_empty() && self.regexes.is_empty() {
            let message = "looks for nothing; list `literals` or `regexes`";
            problems.push(Problem::new("", message));
        }
        problems
    }
}

/// What a [`Finder`] is made of.
#[derive(Default)]
struct Parts {
    literals: Vec<(String, usize)>,
    regexes: Vec<(Regex, usize)>,
}

impl Parts {
    /// Adds what `owner` looks for; what cannot be is told.
    fn add(&mut self, owner: usize, literals: &[String], regexes: &[String]) -> Vec<Problem> {
        let mut problems = Vec::new();
        for (at, literal) in literals.iter().enumerate() {
            if let Some(message) = out_of_bounds(literal) {
                problems.push(Problem::new(format!("literals[{at}]"), message));
            }
            self.literals.push((literal.clone(), owner));
        }
        for (at, text) in regexes.iter().enumerate() {
            let place = format!("regexes[{at}]");
            if let Some(message) = out_of_bounds(text) {
                problems.push(Problem::new(place, message));
                continue;
            }
            let built = RegexBuilder::new(text)
                .size_limit(MAX_REGEX_BYTES)
                .dfa_size_limit(MAX_REGEX_BYTES)
                .build();
            match built {
                Ok(regex) => self.regexes.push((regex, owner)),
                Err(error) => problems.push(Problem::new(place, what_is_wrong(&error))),
            }
        }
        for (name, count, most) in [
            ("literals", self.literals.len(), MAX_LITERALS),
            ("regexes", self.regexes.len(), MAX_REGEXES),
        ] {
            if count > most {
                let message =
                    format!("makes {count} in all, more than the {most} that are allowed");
                problems.push(Problem::new(name, message));
            }
        }
        problems
    }

    fn compile(self) -> Result<Finder, String> {
        let (literals, of_literals): (Vec<_>, Vec<_>) = self.literals.into_iter().unzip();
        let literals = AhoCorasickBuilder::new()
            .ascii_case_insensitive(true)
            .build(literals)
            .map_err(|error| format!("its literals do not compile together: {error}"))?;
        let texts = self.regexes.iter().map(|(regex, _)| regex.as_str());
        let set = RegexSetBuilder::new(texts)
            .size_limit(MAX_SET_BYTES)
            .dfa_size_limit(MAX_SET_BYTES)
            .build()
            .map_err(|error| format!("its regexes together: {}", what_is_wrong(&error)))?;
        Ok(Finder {
            literals,
            of_literals,
            regexes: self.regexes,
            set,
        })
    }
}

/// Looks for literals and regular expressions that belong to somebody.
#[derive(Debug)]
struct Finder {
    literals: AhoCorasick,
    of_literals: Vec<usize>,
    regexes: Vec<(Regex, usize)>,
    set: RegexSet,
}

impl Finder {
    /// Calls `found` with whose it is and where.
    fn each<E>(
        &self,
        text: &str,
        go_on: impl Fn() -> Result<(), E>,
        mut found: impl FnMut(usize, Range<usize>),
    ) -> Result<(), E> {
        if !self.of_literals.is_empty() {
            let mut counts = vec![0; self.of_literals.len()];
            for hit in self.literals.find_overlapping_iter(text) {
                let count = &mut counts[hit.pattern().as_usize()];
                if *count < MOST && is_whole(text, &hit.range()) {
                    *count += 1;
                    found(self.of_literals[hit.pattern().as_usize()], hit.range());
                }
            }
        }
        if self.regexes.is_empty() {
            return Ok(());
        }
        for index in &self.set.matches(text) {
            let (regex, owner) = &self.regexes[index];
            let hits = regex.find_iter(text).filter(|hit| !hit.is_empty());
            for hit in hits.take(MOST) {
                found(*owner, hit.range());
                // Each match may take a search through the whole text.
                go_on()?;
            }
        }
        Ok(())
    }
}

fn out_of_bounds(text: &str) -> Option<String> {
    if text.trim().is_empty() {
        return Some("is empty, and would be found everywhere".to_owned());
    }
    (text.len() > MAX_PATTERN_BYTES).then(|| {
        let length = text.len();
        format!("is {length} bytes long, more than the {MAX_PATTERN_BYTES} that are allowed")
    })
}

fn what_is_wrong(error: &regex::Error) -> String {
    match error {
        regex::Error::CompiledTooBig(bytes) => {
            format!("takes more than {bytes} bytes compiled; use shorter repetitions")
        }
        // A syntax error draws the expression over several lines; its last one says what is wrong.
        error => {
            let told = error.to_string();
            let last = told.lines().last().unwrap_or_default();
            let wrong = last.strip_prefix("error: ").unwrap_or(last);
            format!("is no regular expression: {wrong}")
        }
    }
}

/// One more than are kept of a category, so that a full category tells that there were more.
const MOST: usize = Findings::MAX_PER_CATEGORY + 1;

const MAX_PATTERNS: usize = 100;
const MAX_LITERALS: usize = 10_000;
const MAX_REGEXES: usize = 100;
const MAX_PATTERN_BYTES: usize = 4 << 10;
/// A class of Unicode letters takes some forty kilobytes: `\w{50}` fits, `\w{100}` does not.
const MAX_REGEX_BYTES: usize = 2 << 20;
const MAX_SET_BYTES: usize = 8 << 20;

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use super::*;

    fn own(patterns: &str, allowed: &str) -> Result<Own, Vec<Problem>> {
        let patterns: Vec<OwnPattern> = serde_json::from_str(patterns).expect("patterns");
        Own::new(&patterns, &serde_json::from_str(allowed).expect("allowed"))
    }

    fn found<'a>(own: &Own, text: &'a str) -> Vec<(String, &'a str)> {
        let mut found = Vec::new();
        let go_on = || Ok::<_, Infallible>(());
        let Ok(()) = own.find(text, go_on, |rule, _, range| {
            found.push((rule.to_string(), &text[range]));
        });
        found
    }

    #[test]
    fn words_are_found_whole_in_any_case_and_expressions_as_they_are_written() {
        let own = own(
            r#"[{"name": "codename", "category": "secret", "literals": ["falcon", "blue heron"]},
                {"name": "ticket", "category": "personal_data", "regexes": ["TCK-[0-9]{4}", "x*"]}]"#,
            "{}",
        );
        let own = own.expect("compiles");
        let text = "Falcon, falconry and BLUE HERON: TCK-1234, tck-1234";
        let expected = [
            ("custom.codename", "Falcon"),
            ("custom.codename", "BLUE HERON"),
            ("custom.ticket", "TCK-1234"),
        ];
        assert_eq!(
            found(&own, text),
            expected.map(|(rule, text)| (rule.to_owned(), text))
        );
        let many = "falcon ".repeat(1_000);
        assert_eq!(found(&own, &many).len(), MOST);
    }

    #[test]
    fn mistakes_are_told_with_their_key() {
        let told = |patterns: &str, allowed: &str| -> Vec<String> {
            let problems = own(patterns, allowed).expect_err("refused");
            problems
                .iter()
                .map(|problem| format!("{}: {}", problem.key, problem.message))
                .collect()
        };
        let problems = told(
            r#"[{"name": "a b", "category": "invisible_text"},
                {"name": "c", "category": "secret", "literals": [""], "regexes": ["(a", "(?=a)", "\\w{1000}"]}]"#,
            r#"{"regexes": ["[z-a]"]}"#,
        );
        for (at, says) in [
            "patterns[0].name: `a b`",
            "patterns[0].category: `invisible_text`",
            "patterns[0]: looks for nothing",
            "patterns[1].literals[0]: is empty",
            "patterns[1].regexes[0]: is no regular expression: unclosed group",
            "patterns[1].regexes[1]: is no regular expression: look-around",
            "patterns[1].regexes[2]: takes more than",
            "allow.regexes[0]: is no regular expression",
        ]
        .into_iter()
        .enumerate()
        {
            assert!(problems[at].starts_with(says), "{problems:#?}");
        }
        let many = format!(
            r#"[{{"name": "m", "category": "secret", "regexes": [{}]}}]"#,
            vec![r#""a""#; MAX_REGEXES + 1].join(",")
        );
        assert!(told(&many, "{}")[0].starts_with("patterns[0].regexes: makes 101 in all"));
    }
}
