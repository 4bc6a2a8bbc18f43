//! A batch answered as it goes: slices of prompts in turn, each answer sent when its slice is done.
//!
//! What a reader would get wrong: a stream that just ends is not whole. A whole one ends with a line
//! that carries `dispatch`, a broken one with a line that carries `error`; one that ends otherwise was
//! cut on the way. A caller that goes away stops the work at the next slice.

use std::{sync::Arc, time::Instant};

use axum::body::Bytes;
use futures_util::{Stream, stream};
use serde::Serialize;

use super::{Answer, Questions, WANT};
use crate::{
    api::{Api, refusal::Refusal},
    dispatch::{Lane, Operation, Report, Strategy},
    screening::{Batch, Prompt, Screener},
};

/// What comes next in a stream.
#[derive(Debug)]
pub(in crate::api) enum Event {
    /// The answers of one slice.
    Slice(Vec<Answer>),
    /// All is answered; how it ran.
    End(Report),
}

/// Where a stream is.
struct Progress {
    api: Api,
    screener: Arc<Screener>,
    deadline: Instant,
    rest: std::vec::IntoIter<String>,
    report: Report,
    is_over: bool,
}

impl Api {
    /// Screens `questions` slice by slice. After an error nothing comes any more.
    pub(in crate::api) fn validate_stream(
        &self,
        questions: Questions,
    ) -> Result<impl Stream<Item = Result<Event, Refusal>> + Send + 'static + use<>, Refusal> {
        let deadline = {
            let settings = self.settings();
            settings.bound("prompts", questions.prompts.len())?;
            settings.deadline()
        };
        let progress = Progress {
            api: self.clone(),
            screener: self.screener(),
            deadline,
            rest: questions.prompts.into_iter(),
            report: nothing_yet(),
            is_over: false,
        };
        Ok(stream::unfold(progress, async |mut progress| {
            let event = progress.next().await?;
            Some((event, progress))
        }))
    }
}

impl Progress {
    async fn next(&mut self) -> Option<Result<Event, Refusal>> {
        if self.is_over {
            return None;
        }
        let slice = slice(&mut self.rest);
        if slice.is_empty() {
            self.is_over = true;
            return Some(Ok(Event::End(self.report)));
        }
        let prompts = slice.into_iter().map(Prompt::of_user).collect();
        let work = Arc::new(Batch::new(Arc::clone(&self.screener), prompts, WANT));
        let done = self.api.run(Arc::clone(&work), Lane::Batch, self.deadline);
        match done.await {
            Ok(done) => {
                add(&mut self.report, &done.report);
                let screened = work.prompts().iter().zip(&done.outputs);
                Some(Ok(Event::Slice(screened.map(Answer::in_batch).collect())))
            }
            Err(refusal) => {
                self.is_over = true;
                Some(Err(refusal))
            }
        }
    }
}

/// The next prompts: enough to be worth a decision where they run, few enough to show progress.
fn slice(rest: &mut std::vec::IntoIter<String>) -> Vec<String> {
    let (mut taken, mut bytes) = (Vec::new(), 0);
    while taken.len() < SLICE_ITEMS && bytes < SLICE_BYTES {
        let Some(prompt) = rest.next() else { break };
        bytes += prompt.len();
        taken.push(prompt);
    }
    taken
}

fn nothing_yet() -> Report {
    Report {
        operation: Operation::Prompt,
        strategy: Strategy::Inline,
        items: 0,
        bytes: 0,
        predicted_us: 0.0,
        actual_us: 0.0,
        break_even_items: None,
    }
}

/// Adds a slice: sums, and the strategy of the latest one.
fn add(report: &mut Report, slice: &Report) {
    *report = Report {
        items: report.items + slice.items,
        bytes: report.bytes + slice.bytes,
        predicted_us: report.predicted_us + slice.predicted_us,
        actual_us: report.actual_us + slice.actual_us,
        ..*slice
    };
}

/// Events as JSON lines.
#[derive(Debug, Default)]
pub(super) struct Lines {
    index: usize,
}

#[derive(Serialize)]
struct Numbered<'a> {
    index: usize,
    #[serde(flatten)]
    answer: &'a Answer,
}

impl Lines {
    pub(super) fn next(&mut self, event: Result<Event, Refusal>) -> Bytes {
        let mut text = Vec::new();
        match event {
            Ok(Event::Slice(answers)) => {
                for answer in &answers {
                    let index = self.index;
                    line(&mut text, &Numbered { index, answer });
                    self.index += 1;
                }
            }
            Ok(Event::End(report)) => line(&mut text, &serde_json::json!({ "dispatch": report })),
            Err(refusal) => {
                let problem = refusal.problem();
                line(&mut text, &serde_json::json!({ "error": problem }));
            }
        }
        text.into()
    }
}

fn line(text: &mut Vec<u8>, value: &impl Serialize) {
    // Plain data into memory: this cannot fail, and a line that is missing would be noticed.
    if serde_json::to_writer(&mut *text, value).is_ok() {
        text.push(b'\n');
    }
}

const SLICE_ITEMS: usize = 256;

const SLICE_BYTES: usize = 256 << 10;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slices_are_bounded_in_items_and_bytes_and_lose_nothing() {
        let short: Vec<String> = (0..600).map(|item| item.to_string()).collect();
        let mut rest = short.clone().into_iter();
        let mut slices = Vec::new();
        while let taken @ [_, ..] = &*slice(&mut rest) {
            slices.push(taken.to_vec());
        }
        let lengths: Vec<usize> = slices.iter().map(Vec::len).collect();
        assert_eq!(lengths, [256, 256, 88]);
        assert_eq!(slices.concat(), short);
        let mut rest = vec!["x".repeat(200 << 10); 3].into_iter();
        assert_eq!(slice(&mut rest).len(), 2);
        assert_eq!(slice(&mut rest).len(), 1);
    }

    #[test]
    fn an_error_is_a_line_of_its_own() {
        let mut lines = Lines::default();
        let refusal = Refusal::from(crate::dispatch::Refused::Deadline);
        let line = lines.next(Err(refusal));
        let told: serde_json::Value = serde_json::from_slice(&line).expect("JSON");
        assert_eq!(told["error"]["reason"], "deadline");
        assert!(line.ends_with(b"\n"));
    }
}
