//! Finds text that tries to take over the model.
//!
//! A rule is a few literals that one search looks for in folded text, and a pattern that is then
//! tried in the literal's neighbourhood only. Neighbourhoods of one rule are merged before they are
//! searched, so no text is searched twice by a rule: the time is linear in the text whatever it
//! says. Strong rules are findings by themselves; weak ones are phrases that honest people use too,
//! and count only when several different ones stand near each other.
//!
//! What rules cannot see: an instruction in plain words that says nothing suspicious. See the docs'
//! table for how much that is.

mod languages;
mod rules;
mod weak;

use std::ops::Range;

use super::{
    document::floor,
    literals::{CHECKED, Windows},
    normalise::fold,
    pattern::Pattern,
    views::Cipher,
};

/// One row of the tables.
#[derive(Clone, Copy, Debug)]
struct Rule {
    /// The finding's stable name.
    id: &'static str,
    /// Any of these starts the search. At least four bytes, or rare.
    literals: &'static [&'static str],
    /// What must match around it; empty when the literal says it all. Fragments in `<>` are
    /// spelled out in [`rules::FRAGMENTS`].
    pattern: &'static str,
    /// How much it counts: [`STRONG`] is a finding by itself.
    weight: u32,
}

/// What one literal leads to.
#[derive(Clone, Copy, Debug)]
pub(super) enum Lead {
    /// The text may be enciphered.
    Cipher(Cipher),
    /// A row of the table.
    Rule(usize),
}

/// The rules.
#[derive(Debug)]
pub(super) struct Injection {
    rules: Vec<(Rule, Pattern)>,
}

/// What the literals of one text lead to so far.
#[derive(Debug, Default)]
pub(super) struct Seen {
    ciphers: Vec<(Cipher, Range<usize>)>,
    windows: Windows,
}

/// What a scan brings home; ranges are in the folded text.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub(super) hits: Vec<(&'static str, Range<usize>)>,
    /// Ciphers whose words were seen, and where to decipher; the parts of one cipher are apart.
    pub(super) ciphers: Vec<(Cipher, Range<usize>)>,
}

impl Injection {
    /// Takes the tables.
    pub(super) fn new() -> Self {
        let rows = rules::RULES
            .iter()
            .chain(languages::RULES)
            .chain(weak::RULES);
        Self {
            rules: rows.map(|rule| (*rule, Pattern::default())).collect(),
        }
    }

    /// Every literal and what it leads to.
    pub(super) fn literals(&self) -> impl Iterator<Item = (String, Lead)> {
        let phrases = self
            .rules
            .iter()
            .enumerate()
            .flat_map(|(index, (rule, _))| {
                let literals = rule.literals.iter();
                literals.map(move |literal| (fold(literal).0, Lead::Rule(index)))
            });
        let ciphers = [Cipher::Atbash, Cipher::Reversed, Cipher::Rot13];
        let ciphered = ciphers.into_iter().flat_map(|cipher| {
            let words = rules::CIPHERED.iter();
            words.map(move |word| (cipher.apply(word, 0..word.len()).text, Lead::Cipher(cipher)))
        });
        phrases.chain(ciphered)
    }

    /// Notes a literal of `text`, which is folded.
    pub(super) fn note(&self, text: &str, lead: Lead, hit: &Range<usize>, seen: &mut Seen) {
        let rule = match lead {
            Lead::Rule(rule) => rule,
            Lead::Cipher(cipher) => {
                let part = floor(text, hit.start.saturating_sub(NEAR))..floor(text, hit.end + NEAR);
                let mut same = seen
                    .ciphers
                    .iter_mut()
                    .rev()
                    .filter(|(of, _)| *of == cipher);
                match same.next() {
                    Some((_, open)) if part.start <= open.end => open.end = part.end,
                    _ => seen.ciphers.push((cipher, part)),
                }
                return;
            }
        };
        let window = if self.rules[rule].0.pattern.is_empty() {
            hit.clone()
        } else {
            floor(text, hit.start.saturating_sub(BEFORE))..floor(text, hit.end + AFTER)
        };
        seen.windows.add(self.rules.len(), rule, window);
    }

    /// Tries the rules that were led to, calling `go_on` now and then.
    pub(super) fn finish<E>(
        &self,
        text: &str,
        seen: Seen,
        go_on: impl Fn() -> Result<(), E>,
    ) -> Result<Found, E> {
        let mut found = Found {
            ciphers: seen.ciphers,
            ..Found::default()
        };
        if !seen.windows.is_empty() {
            self.verify(text, &seen.windows, &mut found, go_on)?;
        }
        Ok(found)
    }

    fn verify<E>(
        &self,
        text: &str,
        windows: &Windows,
        found: &mut Found,
        go_on: impl Fn() -> Result<(), E>,
    ) -> Result<(), E> {
        let mut weak: Vec<(usize, Range<usize>)> = Vec::new();
        for (count, (index, window)) in windows.iter().enumerate() {
            if count % CHECKED == CHECKED - 1 {
                go_on()?;
            }
            let (rule, pattern) = &self.rules[index];
            let mut take = |range: Range<usize>| {
                if rule.weight >= STRONG {
                    found.hits.push((rule.id, range));
                } else {
                    weak.push((index, range));
                }
            };
            if rule.pattern.is_empty() {
                if is_whole(text, &window) {
                    take(window);
                }
                continue;
            }
            let pattern = pattern.get(|| spelled_out(rule.pattern));
            // Weak phrases count by their neighbours, so none of them may be left out.
            let most = if rule.weight >= STRONG {
                MOST_A_WINDOW
            } else {
                usize::MAX
            };
            for found in pattern.find_iter(&text[window.clone()]).take(most) {
                take(window.start + found.start()..window.start + found.end());
            }
        }
        if weak.is_empty() {
            return Ok(());
        }
        weak.sort_by_key(|(_, range)| range.start);
        if let Some(range) = self.gathered(&weak) {
            found.hits.push((WEAK_RULE, range));
        }
        Ok(())
    }

    /// The first neighbourhood where different weak phrases add up to a strong one.
    fn gathered(&self, weak: &[(usize, Range<usize>)]) -> Option<Range<usize>> {
        let mut seen = vec![0_usize; self.rules.len()];
        let (mut first, mut sum) = (0, 0);
        for (rule, range) in weak {
            seen[*rule] += 1;
            if seen[*rule] == 1 {
                sum += self.rules[*rule].0.weight;
            }
            while weak[first].1.start + NEAR < range.start {
                let gone = weak[first].0;
                seen[gone] -= 1;
                if seen[gone] == 0 {
                    sum -= self.rules[gone].0.weight;
                }
                first += 1;
            }
            if sum >= ENOUGH {
                return Some(weak[first].1.start..range.end);
            }
        }
        None
    }
}

/// Whether `range` is not cut out of longer words.
pub(super) fn is_whole(text: &str, range: &Range<usize>) -> bool {
    let bytes = text.as_bytes();
    let goes_on = |left: Option<&u8>, right: Option<&u8>| {
        left.is_some_and(u8::is_ascii_alphanumeric) && right.is_some_and(u8::is_ascii_alphanumeric)
    };
    let before = range.start.checked_sub(1).and_then(|at| bytes.get(at));
    let last = range.end.checked_sub(1).and_then(|at| bytes.get(at));
    !goes_on(before, bytes.get(range.start)) && !goes_on(last, bytes.get(range.end))
}

/// The pattern with its fragments spelled out. Word borders and classes are ASCII: folded text is,
/// where it matters, and the Unicode ones would take the slow engine.
fn spelled_out(pattern: &str) -> String {
    // Folded like the texts it is tried on.
    let mut text = fold(pattern).0;
    for (name, fragment) in rules::FRAGMENTS {
        text = text.replace(name, fragment);
    }
    text.replace(r"\b", r"(?-u:\b)").replace(r"\w", "[a-z0-9_]")
}

/// The weight at which phrases are a finding.
const STRONG: u32 = 10;
/// The weights of weak phrases that make a finding: two or three of them.
const ENOUGH: u32 = 9;
/// The finding that weak phrases add up to.
const WEAK_RULE: &str = "injection.jailbreak";
/// Bytes searched before a literal and after it. Longer than the longest phrase of the tables.
const BEFORE: usize = 120;
const AFTER: usize = 200;
/// Weak phrases this close, in bytes, are added up.
const NEAR: usize = 2_000;
/// Most findings of one rule in one neighbourhood.
const MOST_A_WINDOW: usize = 16;

#[cfg(test)]
mod tests;
