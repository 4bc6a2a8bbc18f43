//! `POST /patterns/match`: a caller's own literals or regular expressions against texts.
//!
//! Each pattern is looked for by itself: its matches in a text are the ones that do not overlap, from
//! left to right, and matches of different patterns may overlap. Places are bytes of the text's UTF-8.
//!
//! # What a reader would get wrong
//!
//! A part of the matches is never returned: a text with more matches than are allowed, or that takes
//! too long, refuses the whole call. The engines search in linear time, but *all* matches of a regular
//! expression can take a search each, so a text has a time limit too.

mod matcher;

use std::{
    ops::Range,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use axum::{extract::State, http::StatusCode};
use serde::{Deserialize, Serialize};

use self::matcher::{Matcher, TooMuch};
use super::{
    Api,
    json::Json,
    refusal::Refusal,
    request::{Sent, texts},
};
use crate::{
    dispatch::{Lane, Operation, Report, Weight, Work},
    verdict::Reason,
};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Question {
    pub(super) patterns: Vec<String>,
    #[serde(deserialize_with = "texts")]
    pub(super) texts: Vec<String>,
    #[serde(default)]
    pub(super) regex: bool,
    #[serde(default)]
    pub(super) ignore_case: bool,
}

/// One match: which pattern, and which bytes of the text.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
pub(crate) struct Match {
    pub(super) pattern: usize,
    pub(super) start: usize,
    pub(super) end: usize,
}

#[derive(Debug, Serialize)]
pub(super) struct Answer {
    pub(super) results: Vec<Vec<Match>>,
    pub(super) dispatch: Report,
}

pub(super) async fn find(
    State(api): State<Api>,
    Sent(question): Sent<Question>,
) -> Result<Json<Answer>, Refusal> {
    api.find_patterns(question).await.map(Json)
}

impl Api {
    /// Every match of every pattern in every text.
    pub(super) async fn find_patterns(&self, question: Question) -> Result<Answer, Refusal> {
        let (deadline, max_items) = {
            let settings = self.settings();
            settings.bound("texts", question.texts.len())?;
            (settings.deadline(), settings.max_items)
        };
        let Question {
            patterns,
            texts,
            regex,
            ignore_case,
        } = question;
        // Compiling takes up to a tenth of a second, so not on a thread that answers others.
        let matcher =
            tokio::task::spawn_blocking(move || Matcher::new(&patterns, regex, ignore_case)).await;
        let matcher = matcher
            .map_err(|_| Refusal::because(Reason::Internal, "the patterns cannot be compiled"))??;
        let work = Arc::new(Search::new(matcher, texts, max_items));
        let done = self.run(work, Lane::Batch, deadline).await?;
        let mut results = Vec::with_capacity(done.outputs.len());
        for (index, found) in done.outputs.into_iter().enumerate() {
            results.push(found.map_err(|why| too_much(index, why, max_items))?);
        }
        Ok(Answer {
            results,
            dispatch: done.report,
        })
    }
}

fn too_much(index: usize, why: TooMuch, max_items: usize) -> Refusal {
    let field = format!("texts[{index}]");
    match why {
        TooMuch::Matches => Refusal::too_many(
            &field,
            &format!(
                "with this text there are more than {max_items} matches; ask for fewer texts, or with narrower patterns (`api.max_items`)"
            ),
        ),
        TooMuch::Time => Refusal::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            format!("{field}: takes too long to match; use simpler patterns or a shorter text"),
        ),
    }
}

/// Texts that are searched for the same patterns.
#[derive(Debug)]
pub(crate) struct Search {
    matcher: Matcher,
    texts: Vec<String>,
    /// Of the whole answer, whichever texts they are in.
    matches_left: AtomicUsize,
}

impl Search {
    fn new(matcher: Matcher, texts: Vec<String>, most_matches: usize) -> Self {
        Self {
            matcher,
            texts,
            matches_left: AtomicUsize::new(most_matches),
        }
    }

    /// For measuring: `patterns` in `texts`, with room for every match.
    ///
    /// # Panics
    ///
    /// When a pattern is none.
    pub(crate) fn sample(patterns: &[String], regex: bool, texts: Vec<String>) -> Self {
        let matcher = Matcher::new(patterns, regex, true).expect("patterns of our own");
        Self::new(matcher, texts, usize::MAX)
    }
}

impl Work for Search {
    const OPERATION: Operation = Operation::Pattern;

    type Output = Result<Vec<Match>, TooMuch>;

    fn len(&self) -> usize {
        self.texts.len()
    }

    fn weight(&self, item: usize) -> Weight {
        Weight {
            // The engines differ by far more than lengths do.
            class: u8::from(self.matcher.is_regex()),
            bytes: self.texts[item].len(),
        }
    }

    fn run(&self, items: Range<usize>) -> Vec<Self::Output> {
        let find = |text: &String| {
            let found = self
                .matcher
                .find(text, self.matches_left.load(Ordering::Relaxed))?;
            let count = found.len();
            let take = |left: usize| left.checked_sub(count);
            let taken = self
                .matches_left
                .fetch_update(Ordering::Relaxed, Ordering::Relaxed, take);
            taken.map_or(Err(TooMuch::Matches), |_| Ok(found))
        };
        self.texts[items].iter().map(find).collect()
    }
}
