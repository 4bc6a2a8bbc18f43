//! `POST /hash`: SHA-256 of many items.
//!
//! An item is a text and its UTF-8 is what is digested. Cost: about 0.3 µs for a short item, then a
//! few nanoseconds a byte.

use std::{ops::Range, sync::Arc};

use aws_lc_rs::digest::{SHA256, digest};
use axum::extract::State;
use serde::{Deserialize, Serialize};

use super::{
    Api,
    access::hex,
    json::Json,
    refusal::Refusal,
    request::{Sent, texts},
};
use crate::dispatch::{Lane, Operation, Report, Weight, Work};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Question {
    #[serde(deserialize_with = "texts")]
    pub(super) items: Vec<String>,
}

#[derive(Debug, Serialize)]
pub(super) struct Answer {
    pub(super) digests: Vec<String>,
    pub(super) dispatch: Report,
}

pub(super) async fn hash(
    State(api): State<Api>,
    Sent(question): Sent<Question>,
) -> Result<Json<Answer>, Refusal> {
    api.hash(question).await.map(Json)
}

impl Api {
    /// The digest of every item, in 64 lower-case hexadecimal digits.
    pub(super) async fn hash(&self, question: Question) -> Result<Answer, Refusal> {
        let deadline = {
            let settings = self.settings();
            settings.bound("items", question.items.len())?;
            settings.deadline()
        };
        let work = Arc::new(Digests(question.items));
        let done = self.run(work, Lane::Batch, deadline).await?;
        Ok(Answer {
            digests: done.outputs,
            dispatch: done.report,
        })
    }
}

/// Items to be digested.
#[derive(Debug)]
pub(crate) struct Digests(pub(crate) Vec<String>);

impl Work for Digests {
    const OPERATION: Operation = Operation::Hash;

    type Output = String;

    fn len(&self) -> usize {
        self.0.len()
    }

    fn weight(&self, item: usize) -> Weight {
        Weight {
            class: 0,
            bytes: self.0[item].len(),
        }
    }

    fn run(&self, items: Range<usize>) -> Vec<String> {
        let digits = |item: &String| hex(digest(&SHA256, item.as_bytes()).as_ref());
        self.0[items].iter().map(digits).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_are_those_of_the_standard() {
        let work = Digests(vec![String::new(), "abc".to_owned(), "é".to_owned()]);
        assert_eq!(
            work.run(0..3),
            [
                "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
                "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
                "4a99557e4033c3539de2eb65472017cad5f9557f7a0625a09f1c3f6e2ba69c4c",
            ]
        );
        assert_eq!(work.run(1..2).len(), 1);
    }
}
