//! One automaton for every literal that starts a rule.
//!
//! Phrases and secrets are looked for in one pass over the folded text: it costs as much as the
//! pass for either. Text in ASCII takes a table with one look-up a byte, which holds the ASCII
//! literals alone and so stays small; other text takes a compact automaton that holds them all.

use std::{collections::BTreeMap, ops::Range};

use aho_corasick::{
    Anchored, MatchKind,
    automaton::Automaton,
    dfa::{self, DFA},
    nfa::{contiguous, noncontiguous},
};

/// The literals, and what each leads to.
#[derive(Debug)]
pub(super) struct Literals<Lead> {
    ascii: DFA,
    all: contiguous::NFA,
    leads: Vec<Vec<Lead>>,
}

impl<Lead> Literals<Lead> {
    /// Takes literals in folded form; one may come more than once.
    pub(super) fn new(rows: impl Iterator<Item = (String, Lead)>) -> Result<Self, String> {
        let mut known: BTreeMap<(bool, String), Vec<Lead>> = BTreeMap::new();
        for (literal, lead) in rows {
            let key = (!literal.is_ascii(), literal);
            known.entry(key).or_default().push(lead);
        }
        // The ASCII ones are first, so that they have the same numbers in both automata.
        let (keys, leads): (Vec<_>, Vec<_>) = known.into_iter().unzip();
        let ascii = keys.iter().filter(|(beyond, _)| !beyond);
        let ascii = compile(ascii.map(|(_, literal)| literal.as_str()))?;
        let all = compile(keys.iter().map(|(_, literal)| literal.as_str()))?;
        Ok(Self {
            ascii: dfa::Builder::new()
                .build_from_noncontiguous(&ascii)
                .map_err(|error| error.to_string())?,
            all: contiguous::Builder::new()
                .build_from_noncontiguous(&all)
                .map_err(|error| error.to_string())?,
            leads,
        })
    }

    /// Calls `found` with each literal of `text` and what it leads to, in the order of their ends.
    pub(super) fn each(&self, text: &str, found: impl FnMut(&[Lead], Range<usize>)) {
        if text.is_ascii() {
            self.run(&self.ascii, text, found);
        } else {
            self.run(&self.all, text, found);
        }
    }

    #[inline]
    fn run(
        &self,
        automaton: &impl Automaton,
        text: &str,
        mut found: impl FnMut(&[Lead], Range<usize>),
    ) {
        let mut state = automaton
            .start_state(Anchored::No)
            .expect("built for searches that are not anchored");
        for (at, byte) in text.bytes().enumerate() {
            state = automaton.next_state(Anchored::No, state, byte);
            if automaton.is_special(state) && automaton.is_match(state) {
                for index in 0..automaton.match_len(state) {
                    let literal = automaton.match_pattern(state, index);
                    let start = at + 1 - automaton.pattern_len(literal);
                    found(&self.leads[literal.as_usize()], start..at + 1);
                }
            }
        }
    }
}

/// How many neighbourhoods are tried between two looks at the clock.
pub(super) const CHECKED: usize = 16;

fn compile<'a>(literals: impl Iterator<Item = &'a str>) -> Result<noncontiguous::NFA, String> {
    noncontiguous::Builder::new()
        .match_kind(MatchKind::Standard)
        .prefilter(false)
        .build(literals)
        .map_err(|error| error.to_string())
}

/// The neighbourhoods that rules are tried in; those of one rule are merged, so that no rule
/// searches any text twice.
#[derive(Debug, Default)]
pub(super) struct Windows {
    windows: Vec<(usize, Range<usize>)>,
    /// Where in `windows` each rule's last one is; made when the first literal is seen.
    last: Vec<u32>,
}

impl Windows {
    /// Adds one of `rule`, of the `rules` there are. Windows come in the order of their ends.
    pub(super) fn add(&mut self, rules: usize, rule: usize, window: Range<usize>) {
        if self.last.is_empty() {
            self.last = vec![u32::MAX; rules];
        }
        match self.windows.get_mut(self.last[rule] as usize) {
            Some((_, open)) if window.start <= open.end => open.end = window.end.max(open.end),
            _ => {
                self.last[rule] = u32::try_from(self.windows.len()).unwrap_or(u32::MAX);
                self.windows.push((rule, window));
            }
        }
    }

    /// Whether there is nothing to try.
    pub(super) fn is_empty(&self) -> bool {
        self.windows.is_empty()
    }

    /// Each rule and a place to try it.
    pub(super) fn iter(&self) -> impl Iterator<Item = (usize, Range<usize>)> {
        self.windows.iter().cloned()
    }
}
