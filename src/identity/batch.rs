//! Many tokens at once, each judged as it would be alone.
//!
//! Dispatch runs the judging, on as many threads as pay off, and cannot wait there; keys come from
//! elsewhere and have to be waited for. So [`Batch::prepare`] finds out first which keys the tokens
//! will need and has them fetched, out of the same budgets as for single tokens: one fetch an
//! issuer, however many unknown keys are named. What a reader would get wrong: preparing believes
//! nothing. It looks at headers, and opens a token only where its key may be missing.
//!
//! Opaque tokens are asked about while preparing. Batches use and feed the cache of proven tokens.
//!
//! # Cost
//!
//! Preparing: a look-up in a table (0.1 µs) a token; 2 µs where a token has to be opened, which is
//! when some issuer does not have its key. Judging: as for single tokens.

mod sample;

use std::{
    collections::{HashMap, HashSet},
    ops::Range,
    sync::Arc,
    time::Instant,
};

use futures_util::{StreamExt, future::join_all};
use jsonwebtoken::Algorithm;

pub use self::sample::{Length, Samples};
use super::{
    Error, Identity, Requirement, Verifier,
    issuer::{Issuer, Lack},
    token::{self, Headers, Token},
};
use crate::dispatch::{Operation, Weight, Work};

/// Tokens to be verified, with their keys at hand as far as they could be had.
#[derive(Debug)]
pub struct Batch {
    /// Of opaque tokens, which only their issuer can judge.
    answers: HashMap<usize, Result<Identity, Error>>,
    classes: Vec<u8>,
    tokens: Vec<String>,
    verifier: Arc<Verifier>,
    want: Requirement,
}

/// Why a batch was not taken.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Refused {
    /// More tokens than are looked at in one call.
    #[error("holds {0} tokens; the most is {max}, so send several batches", max = Batch::MAX_TOKENS)]
    TooMany(usize),
    /// Not in the configuration.
    #[error("`{0}` is no issuer of the configuration")]
    UnknownIssuer(String),
}

impl Batch {
    /// The most tokens in one batch.
    pub const MAX_TOKENS: usize = 100_000;

    /// Makes a batch of `tokens`, each of which may come from any of `issuers` (names in the
    /// configuration; `None` for all) with any scopes. Waits for keys that are not there yet, and
    /// not past `deadline`: what did not come by then is answered as for a single token.
    pub async fn prepare(
        verifier: Arc<Verifier>,
        tokens: Vec<String>,
        issuers: Option<&[String]>,
        deadline: Instant,
    ) -> Result<Self, Refused> {
        if tokens.len() > Self::MAX_TOKENS {
            return Err(Refused::TooMany(tokens.len()));
        }
        let want = verifier.any_of(issuers).map_err(Refused::UnknownIssuer)?;
        let mut batch = Self {
            answers: HashMap::new(),
            classes: Vec::new(),
            tokens,
            verifier,
            want,
        };
        let mut asked = HashSet::new();
        // An issuer without any keys gets them first; then it shows which ones are still missing.
        for _ in 0..2 {
            let (classes, mut lacking) = batch.look().await;
            batch.classes = classes;
            // What a fetch did not bring, another one will not bring either.
            lacking.retain(|name, (_, lack)| asked.insert((Arc::clone(name), *lack)));
            if lacking.is_empty() {
                break;
            }
            let fetches = lacking.values().map(async |(issuer, lack)| match lack {
                Lack::Keys => issuer.demand.first(deadline).await,
                Lack::ThisKey => drop(issuer.demand.refetch(deadline).await),
            });
            join_all(fetches).await;
        }
        batch.answers = batch.look_up(deadline).await;
        Ok(batch)
    }

    /// What issuers say of the opaque tokens, a few at a time.
    async fn look_up(&self, deadline: Instant) -> HashMap<usize, Result<Identity, Error>> {
        let Some(asked) = self.trusted().find_map(|issuer| {
            let settings = issuer.settings.introspection.as_ref()?;
            Some(usize::from(settings.max_in_flight))
        }) else {
            return HashMap::new();
        };
        let mut opaque = Vec::new();
        for (at, token) in self.tokens.iter().enumerate() {
            if at % HOLD == HOLD - 1 {
                tokio::task::yield_now().await;
            }
            if token::is_opaque(token) {
                opaque.push(at);
            }
        }
        let answers = opaque.into_iter().map(|at| self.answer(at, deadline));
        // Checks that come meanwhile find places too.
        let at_once = asked.div_ceil(2);
        futures_util::stream::iter(answers)
            .buffer_unordered(at_once)
            .collect()
            .await
    }

    async fn answer(&self, at: usize, deadline: Instant) -> (usize, Result<Identity, Error>) {
        let token = &self.tokens[at];
        let answer = self.verifier.verify_token(token, &self.want, deadline);
        (at, answer.await)
    }

    /// Every token's class, and what is missing.
    async fn look(&self) -> (Vec<u8>, Lacking) {
        let headers = &self.verifier.headers;
        let trusted: Vec<&Arc<Issuer>> = self.trusted().collect();
        let mut seen: HashMap<&str, (u8, bool)> = HashMap::new();
        let mut lacking = Lacking::new();
        let mut classes = Vec::with_capacity(self.tokens.len());
        for (at, text) in self.tokens.iter().enumerate() {
            if at % HOLD == HOLD - 1 {
                tokio::task::yield_now().await;
            }
            let header = text.split('.').next().unwrap_or_default();
            let (class, at_hand) = *seen.entry(header).or_insert_with(|| {
                let told = token::peek(text, headers);
                let class = told.as_ref().map_or(UNREADABLE, |(of, _)| class(*of));
                let at_hand = told.is_none_or(|(_, kid)| {
                    trusted.iter().all(|issuer| issuer.knows(kid.as_deref()))
                });
                (class, at_hand)
            });
            classes.push(class);
            if !at_hand {
                miss(text, headers, &trusted, &mut lacking);
            }
        }
        (classes, lacking)
    }

    fn trusted(&self) -> impl Iterator<Item = &Arc<Issuer>> {
        let issuers = &self.verifier.issuers;
        self.want
            .issuers
            .iter()
            .filter_map(|name| issuers.get(name))
    }
}

/// Issuers of which keys are missing, by name.
type Lacking = HashMap<Arc<str>, (Arc<Issuer>, Lack)>;

/// Notes whose keys have to come before the token `text` can be proven.
fn miss(text: &str, headers: &Headers, trusted: &[&Arc<Issuer>], lacking: &mut Lacking) {
    let Ok(token) = Token::parse(text, headers) else {
        return;
    };
    let Ok(name) = token.issuer() else {
        return;
    };
    for issuer in trusted {
        let settings = &issuer.settings;
        let asked = settings.issuer == name && settings.algorithms.contains(&token.algorithm);
        if let Some(lack) = asked.then(|| issuer.lacks(&token)).flatten() {
            lacking.insert(Arc::clone(&issuer.name), (Arc::clone(issuer), lack));
        }
    }
}

impl Work for Batch {
    const OPERATION: Operation = Operation::Jwt;

    type Output = Result<Identity, Error>;

    fn len(&self) -> usize {
        self.tokens.len()
    }

    fn weight(&self, item: usize) -> Weight {
        Weight {
            class: self.classes[item],
            bytes: self.tokens[item].len(),
        }
    }

    fn run(&self, items: Range<usize>) -> Vec<Self::Output> {
        let judge = |at: usize| match self.answers.get(&at) {
            Some(answer) => answer.clone(),
            None => self.verifier.verify_now(&self.tokens[at], &self.want),
        };
        items.map(judge).collect()
    }
}

/// Algorithms that cost alike share a class.
fn class(algorithm: Algorithm) -> u8 {
    match algorithm {
        Algorithm::HS256 | Algorithm::HS384 | Algorithm::HS512 => 0,
        Algorithm::RS256 | Algorithm::RS384 | Algorithm::RS512 => 1,
        Algorithm::PS256 | Algorithm::PS384 | Algorithm::PS512 => 2,
        Algorithm::ES256 => 3,
        Algorithm::ES384 => 4,
        Algorithm::EdDSA => 5,
        _ => UNREADABLE,
    }
}

/// The class of tokens that are refused before their signature is looked at.
const UNREADABLE: u8 = 6;

/// How many tokens are looked at before others get their turn: 100 µs' worth.
const HOLD: usize = 50;

#[cfg(test)]
mod tests;
