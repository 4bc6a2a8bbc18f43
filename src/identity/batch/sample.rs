//! Good tokens of every algorithm, for finding out what judging one costs on this machine.
//!
//! `sample.json` holds two tokens an algorithm, a short and a long one, and the public keys to prove
//! them with. What a reader would get wrong: none of it is secret or worth anything. The private keys
//! were thrown away when the tokens had been signed; the shared one is public, and only the verifier
//! made here, which nobody else can reach, trusts any of them.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
    time::Duration,
};

use jsonwebtoken::Algorithm;
use prometheus::Registry;
use serde::Deserialize;
use serde_json::Value;

use super::{
    super::{
        Audiences, KeySource, Metrics, Requirement, Revocations, Settings, Verifier,
        issuer::Issuer, keys::Keys, once::Once, revocation, sender::Rules,
    },
    Batch, UNREADABLE, class,
};
use crate::{
    clock::Clock,
    coalesce,
    units::Secret,
    upstream::{self, Fetcher, Reach},
};

/// The tokens, and who can prove them.
#[derive(Debug)]
pub struct Samples {
    tokens: Vec<(u8, [String; 2])>,
    verifier: Arc<Verifier>,
    want: Requirement,
}

/// Which of an algorithm's two tokens.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Length {
    /// Some 600 bytes: a user and a few scopes.
    Usual,
    /// Some 4,500: a hundred permissions as well.
    Long,
}

impl Samples {
    /// Reads keys and tokens, which takes about a millisecond, and remembers no proofs: every token
    /// costs as much as the first time.
    ///
    /// # Panics
    ///
    /// Never: what is read is part of the program.
    #[must_use]
    pub fn new() -> Self {
        let file: File = serde_json::from_str(FILE).expect("is part of the program");
        let keys = serde_json::json!({ "keys": file.keys }).to_string();
        let public = settings("public", &PUBLIC, KeySource::File("unused".into()));
        let keys = Keys::from_jwks(keys.as_bytes(), &PUBLIC).expect("is part of the program");
        let public = Issuer::new(public);
        public.publish(keys);
        let shared = KeySource::Secret(Secret::new(SHARED));
        let shared = Issuer::new(settings("shared", &[Algorithm::HS256], shared));
        let registry = Registry::new();
        let metrics = upstream::Metrics::register(&registry)
            .and_then(|upstream| {
                let coalesced = coalesce::Metrics::register(&registry)?;
                Metrics::register(&registry, upstream, coalesced)
            })
            .expect("an empty registry takes every series");
        let limits = revocation::Limits {
            bytes: 1 << 16,
            keep: Duration::from_secs(u32::MAX.into()),
            max_stale: None,
        };
        let issuers = [public, shared].map(|issuer| (issuer.name.to_string(), Arc::new(issuer)));
        let verifier = Arc::new(Verifier {
            cache: None,
            clock: Clock::fixed(SIGNED_AT),
            headers: Arc::default(),
            issuers: BTreeMap::from(issuers),
            metrics,
            once: Once::new(1 << 16).expect("random numbers, as everywhere"),
            proofs: Rules::default(),
            revocations: Revocations::new(limits).expect("random numbers, as everywhere"),
            fetchers: [Reach::Anywhere, Reach::Public].map(Fetcher::new),
        });
        let want = verifier.any_of(None).expect("all there are");
        let nonsense = [64, 512].map(|length| "x".repeat(length));
        let tokens = file.tokens.into_iter();
        let tokens = tokens.map(|(algorithm, tokens)| (class(algorithm), tokens));
        Self {
            tokens: tokens.chain([(UNREADABLE, nonsense)]).collect(),
            verifier,
            want,
        }
    }

    /// The classes that tokens may have, that of the usual algorithm (RS256) first.
    pub fn classes(&self) -> impl Iterator<Item = u8> {
        let usual = class(Algorithm::RS256);
        let others = self.tokens.iter().map(|(class, _)| *class);
        [usual]
            .into_iter()
            .chain(others.filter(move |class| *class != usual))
    }

    /// `count` times the same token of `class`; nothing where there is no such class.
    #[must_use]
    pub fn batch(&self, class: u8, length: Length, count: usize) -> Batch {
        let found = self.tokens.iter().find(|(known, _)| *known == class);
        let token = found.map(|(_, tokens)| &tokens[length as usize]);
        let tokens: Vec<String> = token.into_iter().cycle().take(count).cloned().collect();
        Batch {
            answers: HashMap::new(),
            classes: vec![class; tokens.len()],
            tokens,
            verifier: Arc::clone(&self.verifier),
            want: self.want.clone(),
        }
    }
}

impl Default for Samples {
    fn default() -> Self {
        Self::new()
    }
}

#[derive(Deserialize)]
struct File {
    keys: Vec<Value>,
    tokens: HashMap<Algorithm, [String; 2]>,
}

fn settings(name: &str, algorithms: &[Algorithm], source: KeySource) -> Settings {
    Settings {
        algorithms: algorithms.to_vec(),
        allow_private_addresses: false,
        audiences: Audiences::OneOf(vec!["https://api.sample.invalid".to_owned()]),
        exchange: None,
        fetch_timeout: Duration::ZERO,
        introspection: None,
        issuer: match name {
            "shared" => "https://shared.invalid/".to_owned(),
            _ => "https://sample.invalid/".to_owned(),
        },
        leeway: Duration::ZERO,
        logout_audiences: Vec::new(),
        max_stale: Duration::MAX,
        name: name.to_owned(),
        refresh: Duration::MAX,
        source,
        unknown_kid_burst: 0,
        unknown_kid_interval: Duration::MAX,
    }
}

const FILE: &str = include_str!("sample.json");

/// No secret: it stands here.
const SHARED: &str = "public, since it signs nothing but two samples";

/// The second at which the samples' clock stands, shortly after they were signed.
const SIGNED_AT: u64 = 1_800_000_010;

const PUBLIC: [Algorithm; 5] = [
    Algorithm::RS256,
    Algorithm::PS256,
    Algorithm::ES256,
    Algorithm::ES384,
    Algorithm::EdDSA,
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{dispatch::Work, identity::Error};

    #[test]
    fn every_sample_but_the_nonsense_is_a_good_token() {
        let samples = Samples::new();
        let mut classes: Vec<u8> = samples.classes().collect();
        assert_eq!(classes[0], class(Algorithm::RS256), "the usual one first");
        for class in &classes {
            for length in [Length::Usual, Length::Long] {
                let batch = samples.batch(*class, length, 2);
                assert_eq!(batch.weight(0).class, *class);
                for verdict in batch.run(0..2) {
                    match verdict {
                        Ok(identity) => assert!(identity.subject().starts_with("auth0|")),
                        Err(error) => {
                            assert_eq!(*class, UNREADABLE, "{error}");
                            assert!(matches!(error, Error::Malformed(_)), "{error}");
                        }
                    }
                }
            }
        }
        classes.sort_unstable();
        assert_eq!(classes, [0, 1, 2, 3, 4, 5, 6]);
        assert!(samples.batch(7, Length::Usual, 3).is_empty());
    }
}
