//! Finds credentials.
//!
//! A rule is a row: keywords that one automaton looks for without regard to case, a pattern tried in
//! the keyword's neighbourhood, and the least entropy of what the pattern captures. Rows of vendors
//! whose keys have no shape of their own share one assignment pattern (`vendor_key = "…"`), and
//! those need digits and letters mixed, so that prose about keys is not one.
//!
//! Neighbourhoods of one rule are merged, so the time is linear in the text.

mod rules;

use std::{collections::HashMap, ops::Range};

use aho_corasick::{AhoCorasick, AhoCorasickKind, MatchKind};
use regex::Regex;

use super::document::floor;

/// One row of the table.
#[derive(Clone, Copy, Debug)]
struct Rule {
    /// The finding's stable name.
    id: &'static str,
    /// Any of these, in any case, starts the search.
    keywords: &'static [&'static str],
    /// The secret, or what it stands in; a first group, if there is one, is the secret itself.
    pattern: &'static str,
    /// Least Shannon entropy of the secret, in bits a character; 0 asks for none.
    entropy: f32,
}

impl Rule {
    /// Whether the row is a vendor's word and the value it is assigned.
    const fn is_assigned(&self) -> bool {
        matches!(self.pattern.as_bytes(), [b'=', b' ', ..])
    }
}

/// The compiled rules.
#[derive(Debug)]
pub(super) struct Secrets {
    automaton: AhoCorasick,
    /// The rules of each keyword.
    leads: Vec<Vec<usize>>,
    rules: Vec<(Rule, Regex)>,
}

impl Secrets {
    /// Compiles the tables.
    pub(super) fn new() -> Result<Self, String> {
        let mut rules = Vec::new();
        let mut leads: Vec<Vec<usize>> = Vec::new();
        let mut keywords: Vec<&str> = Vec::new();
        let mut known: HashMap<&str, usize> = HashMap::new();
        for rule in rules::SHAPED.iter().chain(rules::ASSIGNED) {
            for keyword in rule.keywords {
                let lead = *known.entry(keyword).or_insert_with(|| {
                    keywords.push(keyword);
                    leads.push(Vec::new());
                    keywords.len() - 1
                });
                leads[lead].push(rules.len());
            }
            let pattern = spelled_out(rule);
            let pattern = Regex::new(&pattern).map_err(|error| format!("{}: {error}", rule.id))?;
            rules.push((*rule, pattern));
        }
        let automaton = AhoCorasick::builder()
            .ascii_case_insensitive(true)
            .match_kind(MatchKind::Standard)
            .kind(Some(AhoCorasickKind::DFA))
            .build(&keywords)
            .map_err(|error| error.to_string())?;
        Ok(Self {
            automaton,
            leads,
            rules,
        })
    }

    /// Searches `text`; ranges are those of the secrets.
    pub(super) fn scan(&self, text: &str) -> Vec<(&'static str, Range<usize>)> {
        let mut windows: Vec<(usize, Range<usize>)> = Vec::new();
        let mut last: Vec<usize> = Vec::new();
        for hit in self.automaton.find_overlapping_iter(text) {
            if last.is_empty() {
                last = vec![usize::MAX; self.rules.len()];
            }
            let window =
                floor(text, hit.start().saturating_sub(BEFORE))..floor(text, hit.end() + AFTER);
            let assigned = is_assigned(&text.as_bytes()[hit.end()..floor(text, hit.end() + REACH)]);
            for &rule in &self.leads[hit.pattern().as_usize()] {
                if !assigned && self.rules[rule].0.is_assigned() {
                    continue;
                }
                match windows.get_mut(last[rule]) {
                    Some((_, open)) if window.start <= open.end => open.end = window.end,
                    _ => {
                        last[rule] = windows.len();
                        windows.push((rule, window.clone()));
                    }
                }
            }
        }
        let mut found = Vec::new();
        for (rule, window) in windows {
            self.verify(rule, text, window, &mut found);
        }
        found
    }

    fn verify(
        &self,
        rule: usize,
        text: &str,
        window: Range<usize>,
        found: &mut Vec<(&'static str, Range<usize>)>,
    ) {
        let (rule, pattern) = &self.rules[rule];
        for groups in pattern
            .captures_iter(&text[window.clone()])
            .take(MOST_A_WINDOW)
        {
            let Some(secret) = groups.get(1).or_else(|| groups.get(0)) else {
                continue;
            };
            let whole = groups.get(0).map_or("", |whole| whole.as_str());
            if is_likely(rule, whole, secret.as_str()) {
                let range = window.start + secret.start()..window.start + secret.end();
                found.push((rule.id, range));
            }
        }
    }
}

/// Whether what follows a name can be an assignment of something with a digit. Words like `key` and
/// `access` are everywhere; this keeps prose away from the patterns.
fn is_assigned(after: &[u8]) -> bool {
    after.iter().any(u8::is_ascii_digit)
        && after
            .iter()
            .take(OPERATOR)
            .enumerate()
            .any(|(at, byte)| match byte {
                b'=' | b':' | b'>' | b'|' => true,
                b',' => after[at..]
                    .iter()
                    .take(4)
                    .any(|b| matches!(b, b'"' | b'\'' | b'`')),
                _ => false,
            })
}

/// Whether the captured text can be a secret and not an example, a name or a word. `whole` is the
/// match around it.
fn is_likely(rule: &Rule, whole: &str, secret: &str) -> bool {
    let lower = secret.to_ascii_lowercase();
    let has = |words: &[&str], text: &str| words.iter().any(|word| text.contains(word));
    if has(rules::STOP_WORDS, &lower)
        || rules::PUBLIC_KEYS.iter().any(|key| secret.starts_with(key))
        || is_placeholder(secret)
        || entropy(secret.as_bytes()) < rule.entropy
    {
        return false;
    }
    if !rule.is_assigned() {
        return true;
    }
    // A value without digits is a word or a name in code.
    let digits = secret.bytes().filter(u8::is_ascii_digit).count();
    if rule.id != rules::GENERIC {
        return digits > 0;
    }
    let name = whole[..whole.len() - secret.len().min(whole.len())].to_ascii_lowercase();
    digits > 1 && !is_uuid(secret) && is_random(secret) && !has(rules::NOT_SECRET_NAMES, &name)
}

fn is_uuid(secret: &str) -> bool {
    let dashes: Vec<usize> = secret.match_indices('-').map(|(at, _)| at).collect();
    secret.len() == 36 && dashes == [8, 13, 18, 23]
}

/// Whether letters and digits take turns as they do in random text and not in names.
fn is_random(secret: &str) -> bool {
    let kind = |byte: u8| (byte.is_ascii_digit(), byte.is_ascii_uppercase());
    let segments = secret.split(['.', '/', '-', '_', '=']);
    let longest = segments
        .max_by_key(|segment| segment.len())
        .unwrap_or_default();
    let turns = longest
        .as_bytes()
        .windows(2)
        .filter(|pair| kind(pair[0]) != kind(pair[1]));
    longest.len() >= 8 && turns.count() * 4 >= longest.len()
}

/// `xxxxxxxx`, `12345678…` and the like: fewer than four different characters.
fn is_placeholder(secret: &str) -> bool {
    let mut seen = [false; 256];
    for byte in secret.bytes() {
        seen[usize::from(byte)] = true;
    }
    secret.len() > 8 && seen.iter().filter(|seen| **seen).count() < 4
}

/// Shannon entropy in bits a byte.
fn entropy(bytes: &[u8]) -> f32 {
    let mut counts = [0_u16; 256];
    for byte in bytes {
        counts[usize::from(*byte)] = counts[usize::from(*byte)].saturating_add(1);
    }
    let length = f32::from(u16::try_from(bytes.len()).unwrap_or(u16::MAX)).max(1.0);
    let bits = |count: u16| {
        let share = f32::from(count) / length;
        -share * share.log2()
    };
    counts
        .into_iter()
        .filter(|count| *count > 0)
        .map(bits)
        .sum()
}

/// A name as people write it: `okta`, `Okta` or `OKTA`, but not the one inside `rookTable`.
fn cased(name: &str) -> String {
    let (first, rest) = name.split_at(1);
    format!(
        "{name}|{}{rest}|{}",
        first.to_uppercase(),
        name.to_uppercase()
    )
}

/// The pattern, or for a vendor's row the shared assignment around the value's pattern.
fn spelled_out(rule: &Rule) -> String {
    let pattern = match rule.pattern.strip_prefix("= ") {
        Some(value) => {
            let names: Vec<String> = rule.keywords.iter().map(|name| cased(name)).collect();
            let names = names.join("|");
            format!(
                r#"[\w.-]{{0,20}}(?:{names})(?:[\w.\- \tª-ÿ]{{0,40}})["'`\s]{{0,3}}(?:=|>|:{{1,3}}=|\|\||:|=>|\?=|,)["'`\s=]{{0,5}}({value})(?:["'`\s;,)<]|\\[nr]|$)"#
            )
        }
        None => rule.pattern.to_owned(),
    };
    pattern
        .replace(r"[\w", "[A-Za-z0-9_ª-ÿ")
        .replace(r"\w", "[A-Za-z0-9_ª-ÿ]")
        .replace(r"\b", r"(?-u:\b)")
        .replace(r"\d", "[0-9]")
}

/// Bytes searched before a keyword and after it.
const BEFORE: usize = 60;
const AFTER: usize = 400;
/// Bytes after a name in which an operator, and in which a digit, makes an assignment of it.
const OPERATOR: usize = 96;
const REACH: usize = 256;
/// Most findings of one rule in one neighbourhood.
const MOST_A_WINDOW: usize = 16;

#[cfg(test)]
mod tests;
