//! Finds credentials.
//!
//! A rule is a row: keywords that one search looks for without regard to case, a pattern tried in
//! the keyword's neighbourhood, and the least entropy of what the pattern captures. Rows of vendors
//! whose keys have no shape of their own share one assignment pattern (`vendor_key = "…"`), and
//! those need digits and letters mixed, so that prose about keys is not one. One kind has neither
//! keyword nor name, and is looked for by its dots.
//!
//! Neighbourhoods of one rule are merged, so the time is linear in the text.

mod rules;

use std::ops::Range;

use memchr::memchr_iter;

use super::{
    Findings,
    blocks::digits,
    document::floor,
    literals::{CHECKED, Windows},
    pattern::Pattern,
};

/// One row of the table.
#[derive(Clone, Copy, Debug)]
struct Rule {
    /// The finding's stable name.
    id: &'static str,
    /// Any of these, in any case, starts the search.
    keywords: &'static [&'static str],
    /// The secret, or what it stands in; a group, if there is one, is the secret itself.
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

impl Rule {
    /// Whether the word that is assigned to says whose secret it is.
    fn is_of_a_vendor(&self) -> bool {
        self.id != rules::GENERIC && self.id != rules::PASSWORD
    }
}

/// The rules.
#[derive(Debug)]
pub(super) struct Secrets {
    rules: Vec<(Rule, Pattern)>,
}

/// What the keywords of one text lead to so far.
#[derive(Debug, Default)]
pub(super) struct Seen {
    windows: Windows,
    /// For names that anybody uses, and for those of vendors.
    ahead: [Ahead; 2],
}

impl Secrets {
    /// Takes the tables.
    pub(super) fn new() -> Self {
        let rules = rules::SHAPED.iter().chain(rules::ASSIGNED);
        // The last one, where `note_bare` finds it.
        let rules = rules.chain([&rules::BARE]);
        Self {
            rules: rules.map(|rule| (*rule, Pattern::default())).collect(),
        }
    }

    /// Every keyword and the rule it leads to.
    pub(super) fn literals(&self) -> impl Iterator<Item = (String, usize)> {
        let rules = self.rules.iter().enumerate();
        rules.flat_map(|(index, (rule, _))| {
            let keywords = rule.keywords.iter();
            keywords.map(move |keyword| (keyword.to_ascii_lowercase(), index))
        })
    }

    /// Notes a keyword of `text`. Keywords come in the order of their ends.
    pub(super) fn note(&self, text: &str, rule: usize, hit: &Range<usize>, seen: &mut Seen) {
        let row = &self.rules[rule].0;
        if row.is_assigned() {
            let ahead = &mut seen.ahead[usize::from(row.is_of_a_vendor())];
            if !ahead.is_assigned(text.as_bytes(), hit.end, row.is_of_a_vendor()) {
                return;
            }
        }
        let window = floor(text, hit.start.saturating_sub(BEFORE))..floor(text, hit.end + AFTER);
        seen.windows.add(self.rules.len(), rule, window);
    }

    /// Notes what may be a secret that no keyword leads to.
    pub(super) fn note_bare(&self, text: &str, seen: &mut Seen) {
        let bytes = text.as_bytes();
        let is_of_a_token = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
        for at in memchr_iter(b'.', bytes) {
            let (second, part) = (at + 7, at.saturating_sub(24)..at);
            if bytes.get(second) == Some(&b'.')
                && part.len() == 24
                && bytes[part].iter().all(is_of_a_token)
            {
                let window = floor(text, at.saturating_sub(BEFORE))..floor(text, second + BEFORE);
                seen.windows
                    .add(self.rules.len(), self.rules.len() - 1, window);
            }
        }
    }

    /// Tries the rules that were led to, calling `go_on` now and then; ranges are those of the
    /// secrets.
    pub(super) fn finish<E>(
        &self,
        text: &str,
        seen: &Seen,
        go_on: impl Fn() -> Result<(), E>,
    ) -> Result<Vec<(&'static str, Range<usize>)>, E> {
        let mut found = Vec::new();
        for (count, (rule, window)) in seen.windows.iter().enumerate() {
            if count % CHECKED == CHECKED - 1 {
                go_on()?;
            }
            self.verify(rule, text, window, &mut found);
        }
        Ok(found)
    }

    fn verify(
        &self,
        rule: usize,
        text: &str,
        window: Range<usize>,
        found: &mut Vec<(&'static str, Range<usize>)>,
    ) {
        let (rule, pattern) = &self.rules[rule];
        // Only likely ones count against the cap, or look-alikes could use it up before the real one.
        let likely = pattern
            .get(|| spelled_out(rule))
            .captures_iter(&text[window.clone()])
            .filter_map(|groups| {
                let whole = groups.get(0)?;
                let secret = groups.get(1).or_else(|| groups.get(2)).unwrap_or(whole);
                is_likely(rule, whole.as_str(), secret.as_str()).then_some(secret.range())
            });
        for secret in likely.take(MOST_A_WINDOW) {
            found.push((
                rule.id,
                window.start + secret.start..window.start + secret.end,
            ));
        }
    }
}

/// Where the next digit and the next operator stand. Kept between keywords, so that a text of
/// keywords alone is looked through once.
#[derive(Debug, Default)]
struct Ahead {
    digit: usize,
    operator: usize,
}

impl Ahead {
    /// Whether what follows `end` can be an assignment of something with a digit. Words like `key`
    /// and `access` are everywhere; this keeps prose away from the patterns.
    /// A comma assigns to the word of a vendor, and to others only before a quotation mark.
    fn is_assigned(&mut self, text: &[u8], end: usize, comma: bool) -> bool {
        if self.operator < end || self.operator == 0 {
            let is = |rest: &[u8]| begins_with_operator(rest) || (comma && rest[0] == b',');
            self.operator = next(text, self.operator.max(end), is);
        }
        if self.operator >= text.len().min(end + OPERATOR) {
            return false;
        }
        if self.digit < end || self.digit == 0 {
            self.digit = next(text, self.digit.max(end), |rest| rest[0].is_ascii_digit());
        }
        self.digit < text.len().min(end + REACH)
    }
}

/// Where the next byte from `from` on stands that `is` likes, with what follows it.
fn next(text: &[u8], from: usize, is: impl Fn(&[u8]) -> bool) -> usize {
    let mut rest = from..text.len();
    rest.find(|at| is(&text[*at..])).unwrap_or(text.len())
}

fn begins_with_operator(text: &[u8]) -> bool {
    match text[0] {
        b'=' | b':' | b'>' | b'|' => true,
        b',' => text
            .iter()
            .take(4)
            .any(|byte| matches!(byte, b'"' | b'\'' | b'`')),
        _ => false,
    }
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
    if rule.id == rules::CURL_USER {
        let password = lower
            .rsplit_once(':')
            .map_or(&*lower, |(_, password)| password);
        return !password.contains("${") && !rules::PASSWORD_WORDS.contains(&password);
    }
    if !rule.is_assigned() {
        return true;
    }
    // A value without digits is a word or a name in code.
    let digits = digits(secret.as_bytes());
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
    longest.len() >= 10
        && longest.bytes().any(|byte| byte.is_ascii_digit())
        && turns.count() * 4 >= longest.len()
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
            let comma = if rule.is_of_a_vendor() {
                ","
            } else {
                r#",[\s=]{0,3}["'`]"#
            };
            format!(
                r#"[\w.-]{{0,20}}(?:{names})(?:[\w.\- \tª-ÿ]{{0,40}})["'`\s]{{0,3}}(?:=|>|:{{1,3}}=|\|\||:|=>|\?=|{comma})["'`\s=>]{{0,5}}({value})(?:["'`\s;,)<]|\\[nr]|$)"#
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
/// Most findings of one rule in one neighbourhood: one more than are kept of a category, so that a
/// full category tells that there were more.
const MOST_A_WINDOW: usize = Findings::MAX_PER_CATEGORY + 1;

#[cfg(test)]
mod tests;
