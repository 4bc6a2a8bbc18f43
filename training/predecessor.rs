//! What this system's predecessor looked for, written anew from a description of it: 17 patterns
//! for injections and 10 for secrets and personal data, without regard to case.
//!
//! Its engine went back and forth and took time with the square of the text; this one is linear, so
//! the time measured here flatters it.

use std::time::Instant;

use regex::RegexBuilder;

use crate::evaluate::Verdict;

/// The patterns, compiled one by one as it did.
#[derive(Debug)]
pub(crate) struct Predecessor {
    injection: Vec<regex::Regex>,
    secrets: Vec<regex::Regex>,
    personal: Vec<regex::Regex>,
}

impl Predecessor {
    pub(crate) fn new() -> Self {
        let compile = |patterns: &[&str]| {
            let patterns = patterns.iter().map(|pattern| {
                let built = RegexBuilder::new(pattern).case_insensitive(true).build();
                built.expect("a constant that compiles")
            });
            patterns.collect()
        };
        Self {
            injection: compile(INJECTION),
            secrets: compile(SECRETS),
            personal: compile(PERSONAL),
        }
    }

    pub(crate) fn verdict(&self, text: &str) -> Verdict {
        let start = Instant::now();
        let count = |patterns: &[regex::Regex]| -> usize {
            patterns
                .iter()
                .map(|pattern| pattern.find_iter(text).count())
                .sum()
        };
        let (injection, secrets, personal) = (
            count(&self.injection),
            count(&self.secrets),
            count(&self.personal),
        );
        Verdict {
            micros: start.elapsed().as_secs_f64() * 1e6,
            injection: injection > 0,
            secret: secrets > 0,
            phone: personal > 0 && self.personal[3].is_match(text),
        }
    }
}

const INJECTION: &[&str] = &[
    r"ignore\s+(?:previous|all|above)\s+(?:instructions?|prompts?|commands?)",
    r"forget\s+(?:everything|all|previous)",
    r"disregard\s+(?:previous|prior|above)",
    r"you\s+are\s+now\s+an?\s+\w+",
    r"act\s+as\s+an?\s+\w+",
    r"pretend\s+to\s+be",
    r"(?:show|display|reveal|print)\s+(?:your|the|me)\s+.{0,20}(?:prompt|instructions?)",
    r"what\s+(?:is|are)\s+your\s+(?:original|initial)\s+(?:prompt|instructions?)",
    r"(?:show|reveal).*(?:original|initial|system).*prompt",
    r"<\|endoftext\|>",
    r"<\|im_start\|>",
    r"<\|im_end\|>",
    r"```(?:python|javascript|bash|shell)",
    r"eval\s*\(",
    r"exec\s*\(",
    r"send\s+(?:this|that|data)\s+to\s+https?://",
    r"post\s+.*\s+to\s+https?://",
];

const SECRETS: &[&str] = &[
    r"sk_(?:live|test)_[0-9a-z]{24,}",
    r"api[_ ]?key\s*[:=]\s*\S{20,}",
    r"eyJ[\w-]+\.eyJ[\w-]+\.[\w-]+",
    r"AKIA[0-9A-Z]{16}",
    r"gh[ps]_[0-9a-z]{36}",
    r"-----BEGIN (?:RSA |EC )?PRIVATE KEY-----",
];

const PERSONAL: &[&str] = &[
    r"\b[\w.%+-]+@[\w.-]+\.[a-z]{2,}\b",
    r"\b\d{3}-\d{2}-\d{4}\b",
    r"\b(?:\d{4}[ -]?){3}\d{4}\b",
    r"\b\d{3}[-. ]?\d{3}[-. ]?\d{4}\b",
];
