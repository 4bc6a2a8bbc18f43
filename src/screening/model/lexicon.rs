//! Words that mean much the same to an attack, as classes.
//!
//! `ignore`, `disregard` and `forget` are one class, `instructions` and `rules` another. The model
//! has weights for pairs of classes, so it knows combinations of words that no training text had.
//! A class says nothing by itself: the weights are learnt, and may be negative.

use std::sync::LazyLock;

use super::features::word_hash;

/// Word hashes and their classes.
#[derive(Debug)]
pub(super) struct Lexicon {
    /// A bit for the low bits of each word's hash: most words are told apart here.
    bits: [u64; BITS / 64],
    /// Each word's hash and class, at its hash's last bits or in the first free slot behind; a class
    /// of 0 is a free slot.
    slots: Box<[(u64, u64)]>,
}

impl Lexicon {
    pub(super) fn get() -> &'static Self {
        static LEXICON: LazyLock<Lexicon> = LazyLock::new(Lexicon::new);
        &LEXICON
    }

    fn new() -> Self {
        let mut bits = [0; BITS / 64];
        let mut slots = vec![(0, 0); SLOTS].into_boxed_slice();
        for (class, line) in (1_u64..).zip(CLASSES) {
            for word in line.split_whitespace() {
                let hash = word_hash(word);
                let (cell, bit) = place(hash);
                bits[cell] |= bit;
                let mut at = slot(hash);
                while slots[at].1 != 0 {
                    at = (at + 1) % SLOTS;
                }
                slots[at] = (hash, class);
            }
        }
        Self { bits, slots }
    }

    /// The class of the word with this hash: from 1 on.
    #[inline]
    pub(super) fn class(&self, hash: u64) -> Option<u64> {
        let (cell, bit) = place(hash);
        if self.bits[cell] & bit == 0 {
            return None;
        }
        let mut at = slot(hash);
        loop {
            match self.slots[at] {
                (_, 0) => return None,
                (known, class) if known == hash => return Some(class),
                _ => at = (at + 1) % SLOTS,
            }
        }
    }
}

fn place(hash: u64) -> (usize, u64) {
    let low = usize::try_from(hash % BITS as u64).unwrap_or(0);
    (low / 64, 1 << (low % 64))
}

fn slot(hash: u64) -> usize {
    usize::try_from(hash % SLOTS as u64).unwrap_or(0)
}

const BITS: usize = 1 << 13;
/// More than twice the words there are, so that a free slot is near.
const SLOTS: usize = 1 << 10;

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
        let mut words: Vec<&str> = CLASSES.iter().flat_map(|c| c.split_whitespace()).collect();
        assert!(words.len() * 2 < SLOTS, "{} words", words.len());
        words.sort_unstable();
        let twice = words.windows(2).find(|two| two[0] == two[1]);
        assert_eq!(twice, None, "a word stands in two classes");
        assert!(CLASSES.len() < 64);
    }
}
