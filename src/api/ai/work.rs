//! Prompts as work: each is screened by itself.

use std::{ops::Range, sync::Arc};

use super::WANT;
use crate::{
    dispatch::{Operation, Weight, Work},
    screening::{Error, Findings, Screener},
};

/// Prompts, and who screens them.
#[derive(Debug)]
pub(super) struct Prompts {
    screener: Arc<Screener>,
    prompts: Vec<String>,
}

impl Prompts {
    pub(super) fn new(screener: &Arc<Screener>, prompts: Vec<String>) -> Self {
        Self {
            screener: Arc::clone(screener),
            prompts,
        }
    }

    pub(super) fn prompt(&self, item: usize) -> &str {
        &self.prompts[item]
    }

    fn screen(&self, prompt: &str) -> Result<Findings, Error> {
        // A body's text has this bound from the walk; a longer text would hold a thread too long.
        if prompt.len() > self.screener.max_text() {
            return Err(Error::TooLarge);
        }
        self.screener.screen_text(prompt, &WANT)
    }
}

impl Work for Prompts {
    const OPERATION: Operation = Operation::Prompt;

    type Output = Result<Findings, Error>;

    fn len(&self) -> usize {
        self.prompts.len()
    }

    fn weight(&self, item: usize) -> Weight {
        Weight {
            class: 0,
            bytes: self.prompts[item].len(),
        }
    }

    fn run(&self, items: Range<usize>) -> Vec<Self::Output> {
        let prompts = self.prompts[items].iter();
        prompts.map(|prompt| self.screen(prompt)).collect()
    }
}
