//! How far it is, on a terminal, and what came of it.

use std::{
    fmt,
    io::{IsTerminal, stderr},
    time::Instant,
};

use indicatif::{ProgressBar, ProgressStyle};

use crate::screening::{Category, Findings};

/// What came of all lines so far.
#[derive(Debug)]
pub(super) struct Summary {
    started: Instant,
    clean: u64,
    found: u64,
    failed: u64,
    /// Findings, in the order of [`Category::ALL`].
    findings: [u64; Category::ALL.len()],
}

impl Summary {
    pub(super) fn start() -> Self {
        Self {
            started: Instant::now(),
            clean: 0,
            found: 0,
            failed: 0,
            findings: [0; Category::ALL.len()],
        }
    }

    /// Lines answered so far: the index of the next one.
    pub(super) fn lines(&self) -> u64 {
        self.clean + self.found + self.failed
    }

    /// Whether every line was screened and nothing was found.
    pub(super) fn is_clean(&self) -> bool {
        self.found + self.failed == 0
    }

    pub(super) fn screened(&mut self, findings: &Findings) {
        if findings.is_empty() {
            self.clean += 1;
        } else {
            self.found += 1;
        }
        for (total, category) in self.findings.iter_mut().zip(Category::ALL) {
            *total += findings.count(category) as u64;
        }
    }

    pub(super) fn failed(&mut self) {
        self.failed += 1;
    }
}

impl fmt::Display for Summary {
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a rate for people"
    )]
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.started.elapsed().as_secs_f64();
        let rate = (self.lines() as f64 / seconds.max(1e-6)) as u64;
        write!(
            f,
            "{} prompts in {seconds:.1} s ({rate}/s): {} clean, {} with findings",
            self.lines(),
            self.clean,
            self.found
        )?;
        let named = Category::ALL.into_iter().zip(self.findings);
        let counts: Vec<String> = named
            .map(|(category, count)| format!("{} {count}", category.as_str()))
            .collect();
        write!(f, " ({}), {} not screened", counts.join(", "), self.failed)
    }
}

/// A bar on standard error when that is a terminal, else nothing.
pub(super) struct Progress(ProgressBar);

impl Progress {
    /// `length` is the input's, in bytes, where it is known.
    pub(super) fn start(length: Option<u64>) -> Self {
        if !stderr().is_terminal() {
            return Self(ProgressBar::hidden());
        }
        let (bar, style) = match length {
            Some(length) => (
                ProgressBar::new(length),
                "{bar:30} {percent:>3} %  {eta} left  {msg}",
            ),
            None => (ProgressBar::new_spinner(), "{spinner} {bytes}  {msg}"),
        };
        // The templates are ours; a bar in the default style is no reason to end.
        if let Ok(style) = ProgressStyle::with_template(style) {
            bar.set_style(style);
        }
        Self(bar)
    }

    /// So many bytes more were read.
    pub(super) fn read(&self, bytes: usize) {
        self.0.inc(bytes as u64 + 1);
    }

    pub(super) fn tell(&self, summary: &Summary) {
        if !self.0.is_hidden() {
            let message = format!(
                "{} prompts, {} with findings",
                summary.lines(),
                summary.found
            );
            self.0.set_message(message);
        }
    }

    /// Leaves the terminal to the summary.
    pub(super) fn end(self) {
        self.0.finish_and_clear();
    }
}
