//! Words that mean much the same to an attack, as classes.
//!
//! `ignore`, `disregard` and `forget` are one class, `instructions` and `rules` another. The model
//! has weights for pairs of classes, so it knows combinations of words that no training text had.
//! A class says nothing by itself: the weights are learnt, and may be negative.

use std::sync::OnceLock;

use super::features::word_hash;

/// Word hashes and their classes.
#[derive(Debug)]
pub(super) struct Lexicon {
    /// A bit for the low bits of each word's hash: most words are told apart here.
    bits: [u64; BITS / 64],
    /// Sorted by hash.
    words: Vec<(u64, u64)>,
}

impl Lexicon {
    pub(super) fn get() -> &'static Self {
        static LEXICON: OnceLock<Lexicon> = OnceLock::new();
        LEXICON.get_or_init(Self::new)
    }

    fn new() -> Self {
        let mut bits = [0; BITS / 64];
        let mut words = Vec::new();
        for (class, line) in (1_u64..).zip(CLASSES) {
            for word in line.split_whitespace() {
                let hash = word_hash(word);
                let (cell, bit) = place(hash);
                bits[cell] |= bit;
                words.push((hash, class));
            }
        }
        words.sort_unstable();
        Self { bits, words }
    }

    /// The class of the word with this hash: from 1 on.
    pub(super) fn class(&self, hash: u64) -> Option<u64> {
        let (cell, bit) = place(hash);
        if self.bits[cell] & bit == 0 {
            return None;
        }
        let found = self.words.binary_search_by_key(&hash, |(hash, _)| *hash);
        found.ok().map(|at| self.words[at].1)
    }
}

fn place(hash: u64) -> (usize, u64) {
    let low = usize::try_from(hash % BITS as u64).unwrap_or(0);
    (low / 64, 1 << (low % 64))
}

const BITS: usize = 1 << 13;

/// One class a line, fewer than 64 of them; a word has one class.
const CLASSES: &[&str] = &[
    "ignore ignoring ignored ignores disregard disregarding disregarded forget forgetting \
     overlook neglect bypass bypassing override overriding overrule discard dismiss omit \
     abandon nullify cancel erase delete unlearn disobey skip stop cease terminate \
     suspend drop",
    "previous prior above earlier before preceding foregoing former past initial original \
     preceeding previously following below existing current old first",
    "instructions instruction directions directives directive rules rule guidelines \
     guideline prompt prompts commands command orders order constraints constraint \
     restrictions restriction programming policy policies training protocols protocol \
     filters filter guardrails limitations limitation safeguards conditioning",
    "reveal show print output display repeat tell leak expose disclose share dump return \
     echo recite recall list provide give extract reproduce copy write say state describe",
    "system developer dev admin administrator root sudo debug maintenance god superuser \
     operator creator",
    "ai chatgpt gpt assistant chatbot bot model llm llama claude gemini bard openai \
     anthropic dan aim jailbreak jailbroken",
    "hidden secret confidential internal private password passwords key credentials code \
     passphrase token sensitive",
    "uncensored unfiltered unrestricted unlimited amoral immoral unethical evil illegal \
     harmful offensive explicit nsfw dangerous malicious forbidden prohibited taboo \
     inappropriate",
    "no without never not don't cannot can't won't doesn't nothing none neither free \
     regardless",
    "ethics ethical moral morals morality legality legal safety safe content warnings \
     warning disclaimer disclaimers censorship",
    "pretend act roleplay simulate imagine play persona character become behave role \
     impersonate mode",
    "now henceforth onwards onward going new instead actually important attention urgent",
    "you your you're yourself u ur",
    "i me my i'm mine we us our",
    "must always will shall should obey comply answer respond reply refuse refusing \
     decline reject deny fulfill follow",
    "user users human webpage website document email text message input conversation \
     context",
    "all any every everything anything whatever each",
    "only just simply exactly verbatim word",
    "http https www url link image src img markdown fetch send post exfiltrate curl",
    "begin start end beginning",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_word_has_one_class_and_other_words_have_none() {
        let lexicon = Lexicon::get();
        assert_eq!(
            lexicon.class(word_hash("ignore")),
            lexicon.class(word_hash("disregard"))
        );
        assert_ne!(
            lexicon.class(word_hash("ignore")),
            lexicon.class(word_hash("instructions"))
        );
        assert_eq!(lexicon.class(word_hash("lighthouse")), None);
        let twice = lexicon.words.windows(2).find(|two| two[0].0 == two[1].0);
        assert_eq!(twice, None, "a word stands in two classes");
        assert!(CLASSES.len() < 64);
    }
}
