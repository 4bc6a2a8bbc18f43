//! A caller's patterns, compiled within bounds.

use std::time::{Duration, Instant};

use aho_corasick::{AhoCorasick, AhoCorasickBuilder};
use regex::{Regex, RegexBuilder, RegexSet, RegexSetBuilder};

use super::Match;
use crate::api::refusal::Refusal;

/// Compiled patterns.
#[derive(Debug)]
pub(super) struct Matcher(Engine);

#[derive(Debug)]
enum Engine {
    Literals(AhoCorasick),
    /// The set tells in one pass which of the expressions match at all.
    Regexes(RegexSet, Vec<Regex>),
}

/// Why a text's matches are not all known.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum TooMuch {
    Matches,
    Time,
}

impl Matcher {
    /// Compiles `patterns`, or names the first that is wrong.
    pub(super) fn new(
        patterns: &[String],
        regex: bool,
        ignore_case: bool,
    ) -> Result<Self, Refusal> {
        let most = if regex { MAX_REGEXES } else { MAX_LITERALS };
        if patterns.is_empty() {
            return Err(Refusal::field("patterns", "names no pattern; add one"));
        }
        if patterns.len() > most {
            let wrong = format!(
                "{} are more than the {most} that one call may have",
                patterns.len()
            );
            return Err(Refusal::too_many("patterns", &wrong));
        }
        for (index, pattern) in patterns.iter().enumerate() {
            let field = format!("patterns[{index}]");
            if pattern.is_empty() {
                return Err(Refusal::field(
                    field,
                    "is empty, so it would match everywhere",
                ));
            }
            if pattern.len() > MAX_PATTERN_BYTES {
                let wrong = format!("is longer than {MAX_PATTERN_BYTES} bytes");
                return Err(Refusal::too_many(&field, &wrong));
            }
        }
        if regex {
            Self::regexes(patterns, ignore_case)
        } else {
            Self::literals(patterns, ignore_case)
        }
    }

    fn literals(patterns: &[String], ignore_case: bool) -> Result<Self, Refusal> {
        let engine = AhoCorasickBuilder::new()
            .ascii_case_insensitive(ignore_case)
            .build(patterns);
        engine
            .map(|engine| Self(Engine::Literals(engine)))
            .map_err(|error| Refusal::too_many("patterns", &error.to_string()))
    }

    fn regexes(patterns: &[String], ignore_case: bool) -> Result<Self, Refusal> {
        let one = |(index, pattern): (usize, &String)| {
            let regex = RegexBuilder::new(pattern)
                .case_insensitive(ignore_case)
                .size_limit(MAX_REGEX_BYTES)
                .dfa_size_limit(MAX_REGEX_BYTES)
                .build();
            regex.map_err(|error| refuse(&format!("patterns[{index}]"), &error))
        };
        let set = RegexSetBuilder::new(patterns)
            .case_insensitive(ignore_case)
            .size_limit(MAX_SET_BYTES)
            .dfa_size_limit(MAX_SET_BYTES)
            .build();
        // All together first: that bounds what all of them one by one can take. Its error does not
        // name the culprit; the culprit's own does.
        let set = match set {
            Ok(set) => set,
            Err(error) => {
                let culprit = patterns.iter().enumerate().find_map(|each| one(each).err());
                return Err(culprit.unwrap_or_else(|| refuse("patterns", &error)));
            }
        };
        let regexes = patterns.iter().enumerate().map(one);
        Ok(Self(Engine::Regexes(
            set,
            regexes.collect::<Result<_, _>>()?,
        )))
    }

    pub(super) fn is_regex(&self) -> bool {
        matches!(self.0, Engine::Regexes(..))
    }

    /// Every match in `text`, at most `most`, by place.
    pub(super) fn find(&self, text: &str, most: usize) -> Result<Vec<Match>, TooMuch> {
        let started = Instant::now();
        let mut found = Vec::new();
        let mut keep = |pattern: usize, range: std::ops::Range<usize>| {
            if found.len() == most {
                return Err(TooMuch::Matches);
            }
            // A clock read takes as long as a short search; a time limit can wait for a few.
            if found.len() % 64 == 63 && started.elapsed() > MAX_TIME {
                return Err(TooMuch::Time);
            }
            found.push(Match {
                pattern,
                start: range.start,
                end: range.end,
            });
            Ok(())
        };
        match &self.0 {
            Engine::Literals(engine) => {
                let mut ends = vec![0; engine.patterns_len()];
                for hit in engine.find_overlapping_iter(text) {
                    let end = &mut ends[hit.pattern().as_usize()];
                    // The engine reports every match, those that overlap an earlier one too.
                    if hit.start() >= *end {
                        *end = hit.end();
                        keep(hit.pattern().as_usize(), hit.range())?;
                    }
                }
            }
            Engine::Regexes(set, regexes) => {
                for pattern in &set.matches(text) {
                    for hit in regexes[pattern].find_iter(text) {
                        keep(pattern, hit.range())?;
                    }
                }
            }
        }
        found.sort_unstable_by_key(|found: &Match| (found.start, found.pattern, found.end));
        Ok(found)
    }
}

fn refuse(field: &str, error: &regex::Error) -> Refusal {
    match error {
        regex::Error::CompiledTooBig(bytes) => {
            let wrong = format!("takes more than {bytes} bytes compiled; use shorter repetitions");
            Refusal::too_many(field, &wrong)
        }
        // A syntax error draws the expression over several lines; its last one says what is wrong.
        error => {
            let told = error.to_string();
            let last = told.lines().last().unwrap_or_default();
            let wrong = last.strip_prefix("error: ").unwrap_or(last);
            Refusal::field(field, &format!("is no regular expression: {wrong}"))
        }
    }
}

/// Expressions are searched one after the other where they match at all.
const MAX_REGEXES: usize = 100;

/// Literals are searched all at once.
const MAX_LITERALS: usize = 10_000;

const MAX_PATTERN_BYTES: usize = 4 << 10;

/// A class of Unicode letters takes some forty kilobytes: `\w{50}` fits, `\w{100}` does not.
const MAX_REGEX_BYTES: usize = 2 << 20;

/// All expressions of a call together.
const MAX_SET_BYTES: usize = 8 << 20;

/// Longest time for one text, so that no text holds a thread for longer.
const MAX_TIME: Duration = Duration::from_millis(100);

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn strings(texts: &[&str]) -> Vec<String> {
        texts.iter().map(|&text| text.to_owned()).collect()
    }

    fn found(patterns: &[&str], regex: bool, text: &str) -> Vec<(usize, usize, usize)> {
        let engine = Matcher::new(&strings(patterns), regex, false).expect("compiles");
        let matches = engine.find(text, 1_000).expect("few matches");
        let plain = |m: &Match| (m.pattern, m.start, m.end);
        matches.iter().map(plain).collect()
    }

    #[test]
    fn each_pattern_matches_by_itself_from_left_to_right() {
        assert_eq!(found(&["aa"], false, "aaaaa"), [(0, 0, 2), (0, 2, 4)]);
        assert_eq!(
            found(&["he", "she", "hers"], false, "ushers"),
            [(1, 1, 4), (0, 2, 4), (2, 2, 6)]
        );
        assert_eq!(
            found(&["a.c", "[0-9]+"], true, "abc12"),
            [(0, 0, 3), (1, 3, 5)]
        );
        assert_eq!(found(&["é"], false, "aé"), [(0, 1, 3)]);
        assert_eq!(
            found(&["x*"], true, "ab").len(),
            3,
            "empty matches are matches"
        );
    }

    #[test]
    fn case_is_ignored_when_asked() {
        for regex in [false, true] {
            let engine = Matcher::new(&strings(&["Ab"]), regex, true).expect("compiles");
            assert_eq!(engine.find("aB AB", 9).expect("few").len(), 2);
        }
    }

    #[test]
    fn bad_patterns_are_named_and_bounded() {
        let refused = |patterns: &[&str], regex| {
            let refusal = Matcher::new(&strings(patterns), regex, false).expect_err("refused");
            let told = serde_json::to_value(refusal.problem()).expect("JSON");
            (told["status"].as_u64(), told["detail"].to_string())
        };
        for (patterns, regex, status, says) in [
            (&[][..], false, 400, "names no pattern"),
            (&["a", ""], false, 400, "patterns[1]: is empty"),
            (
                &["a", "(b"],
                true,
                400,
                "patterns[1]: is no regular expression: unclosed group",
            ),
            (&["(?=a)"], true, 400, "look-around"),
            (&["\\w{1000}"], true, 413, "patterns[0]: takes more than"),
            (&["\\w{30}"; 60], true, 413, "patterns: takes more than"),
            (&["a"; 101], true, 413, "101 are more than the 100"),
        ] {
            let (told, detail) = refused(patterns, regex);
            assert!(
                told == Some(status) && detail.contains(says),
                "{told:?} {detail}"
            );
        }
        let long = "x".repeat(MAX_PATTERN_BYTES + 1);
        assert_eq!(refused(&[&long], false).0, Some(413));
    }

    #[test]
    fn more_matches_than_asked_for_are_none() {
        for regex in [false, true] {
            let engine = Matcher::new(&strings(&["a"]), regex, false).expect("compiles");
            assert_eq!(engine.find("aaa", 3).map(|found| found.len()), Ok(3));
            assert_eq!(engine.find("aaaa", 3), Err(TooMuch::Matches));
        }
    }

    #[test]
    fn matches_that_take_a_search_each_end_in_time() {
        // Every search runs to the end of the text and then matches one letter.
        let engine = Matcher::new(&strings(&[".*[^A-Z]|[A-Z]"]), true, false).expect("compiles");
        let started = Instant::now();
        let text = "A".repeat(400_000);
        assert_eq!(engine.find(&text, usize::MAX), Err(TooMuch::Time));
        assert!(
            started.elapsed() < Duration::from_secs(20),
            "{:?}",
            started.elapsed()
        );
    }

    proptest! {
        #[test]
        fn literals_match_as_the_same_expression_does(
            patterns in proptest::collection::vec("[ab]{1,3}", 1..4),
            text in "[abc]{0,20}",
        ) {
            let find = |regex| Matcher::new(&patterns, regex, false).expect("compiles").find(&text, 1_000);
            prop_assert_eq!(find(false), find(true));
        }
    }
}
