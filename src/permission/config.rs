//! The `permission:` section, as written and as it is used.
//!
//! Relationships come from one place: a store file that is answered in this process, or a server.
//! What a server's section holds is checked here without asking it anything.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use reqwest::Url;
use serde::{Deserialize, Serialize};

use crate::{
    identity::ClientConfig,
    problem::Problem,
    units::{Bytes, Span},
};

/// Where permissions come from. Defaults: `config/default.yaml`.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// An `OpenFGA` store file (`store.fga.yaml`), relative to the configuration file. With neither
    /// this nor a server, every route that asks for a permission answers `permission_unavailable`.
    pub store_file: Option<PathBuf>,
    /// A server that answers instead.
    #[serde(default)]
    pub openfga: Option<ServerConfig>,
}

/// The `permission.openfga:` section: an `OpenFGA` or Auth0 FGA server.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct ServerConfig {
    /// Where its HTTP API is, such as `http://127.0.0.1:8080`; `None` = there is no server.
    pub url: Option<String>,
    /// The store's id there.
    pub store_id: Option<String>,
    /// The model that answers; `None` = the newest one, taken over when it changes.
    pub model_id: Option<String>,
    /// How we prove ourselves.
    pub credentials: Option<Credentials>,
    /// Longest wait for one answer.
    pub timeout: Span,
    /// After this long without an answer a question is put a second time; `None` = never.
    pub hedge_after: Option<Span>,
    /// How often the server is asked for its newest model.
    pub poll_models: Span,
    /// Longest that a check waits for others to be asked about with it; `None` = never.
    pub gather: Option<Span>,
    /// Answers that are kept.
    pub cache: CacheConfig,
}

/// The `permission.openfga.cache:` section.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct CacheConfig {
    /// Longest that an answer is used after it was asked for.
    pub ttl: Span,
    /// Most memory for answers; 0 = keep none.
    pub memory: Bytes,
}

/// How we prove ourselves to the server: one of the two.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Credentials {
    /// The file of a preshared key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key_file: Option<PathBuf>,
    /// An OAuth client whose tokens the server takes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client: Option<ClientConfig>,
    /// Where the client's token endpoint is discovered, unless `client.token_endpoint` says it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub issuer: Option<String>,
    /// Let tokens come over plain http, or from addresses that are not public.
    #[serde(default)]
    pub allow_private_addresses: bool,
}

/// A [`ServerConfig`] that names a server, checked.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Server {
    pub(super) base: Url,
    pub(super) store: String,
    pub(super) model: Option<String>,
    pub(super) timeout: Duration,
    pub(super) hedge_after: Option<Duration>,
    pub(super) poll: Duration,
    pub(super) gather: Option<Duration>,
    pub(super) ttl: Duration,
    pub(super) memory: usize,
    pub(super) credentials: Option<Credentials>,
    pub(super) base_dir: PathBuf,
}

impl ServerConfig {
    /// The server, if one is named. Problems are relative to this section.
    pub(super) fn resolve(&self, base_dir: &Path) -> Result<Option<Server>, Vec<Problem>> {
        let Some(url) = &self.url else {
            return Ok(None);
        };
        let mut problems = Vec::new();
        let mut keep = |key: &str, text: String| problems.push(Problem::new(key, text));
        let base = base(url).map_err(|text| keep("url", text)).ok();
        let store = match &self.store_id {
            None => {
                keep("store_id", "is missing; write the store's id".to_owned());
                None
            }
            Some(id) => Some(id).filter(|id| is_id(id, "store_id", &mut keep)),
        };
        if let Some(id) = &self.model_id {
            is_id(id, "model_id", &mut keep);
        }
        let gather = self.gather.map(Span::get);
        if gather.is_some_and(|gather| gather > LONGEST_GATHER) {
            let text = "checks wait for it; the most is `10ms`, or null for never".to_owned();
            keep("gather", text);
        }
        let hedge_after = self.hedge_after.map(Span::get);
        if hedge_after.is_some_and(|after| after >= self.timeout.get()) {
            let text = format!(
                "there is no second try after `timeout`; use less than `{}`, or null for never",
                self.timeout
            );
            keep("hedge_after", text);
        }
        if let Some(credentials) = &self.credentials
            && let Some(text) = credentials.fault()
        {
            keep("credentials", text.to_owned());
        }
        match (base, store) {
            (Some(base), Some(store)) if problems.is_empty() => Ok(Some(Server {
                base,
                store: store.clone(),
                model: self.model_id.clone(),
                timeout: self.timeout.get(),
                hedge_after,
                poll: self.poll_models.get(),
                gather,
                ttl: self.cache.ttl.get(),
                memory: self.cache.memory.get(),
                credentials: self.credentials.clone(),
                base_dir: base_dir.to_owned(),
            })),
            _ => Err(problems),
        }
    }
}

impl Credentials {
    fn fault(&self) -> Option<&'static str> {
        match (&self.key_file, &self.client) {
            (None, None) | (Some(_), Some(_)) => Some("needs one of `key_file` and `client`"),
            (Some(_), None) if self.issuer.is_some() => {
                Some("`issuer` goes with `client`, which is not there; remove it")
            }
            (None, Some(client)) if client.token_endpoint.is_none() && self.issuer.is_none() => {
                Some("names no place for tokens; write `client.token_endpoint` or `issuer`")
            }
            _ => None,
        }
    }
}

fn base(text: &str) -> Result<Url, String> {
    let refuse = |why: &str| format!("`{text}` {why}; write it like `http://127.0.0.1:8080`");
    let url: Url = text.parse().map_err(|_| refuse("is not an address"))?;
    if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none_or(str::is_empty) {
        return Err(refuse("is not an http or https address"));
    }
    if !url.username().is_empty() || url.password().is_some() {
        // Not repeated: there is a secret in it.
        return Err("holds a name or a password; use `credentials`".to_owned());
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err(refuse("has a query or a fragment"));
    }
    Ok(url)
}

/// Whether `id` looks like `OpenFGA`'s ids: anything else could change the path that is asked.
fn is_id(id: &str, key: &str, keep: &mut impl FnMut(&str, String)) -> bool {
    let letter =
        |byte: u8| byte.is_ascii_digit() || (byte.is_ascii_uppercase() && !b"ILOU".contains(&byte));
    let is_id = id.len() == ID_LENGTH && id.bytes().all(letter);
    if !is_id {
        keep(
            key,
            format!("`{id}` is no id of OpenFGA's, which have 26 digits and capital letters"),
        );
    }
    is_id
}

const ID_LENGTH: usize = 26;

/// Longer waits are no gathering any more, they are a delay.
const LONGEST_GATHER: Duration = Duration::from_millis(10);

#[cfg(test)]
mod tests {
    use super::*;

    fn server(change: &str) -> Result<Option<Server>, Vec<String>> {
        let text = "timeout: 250ms
poll_models: 1m
gather: 500us
hedge_after: null
cache: { ttl: 10s, memory: 1MiB }
credentials: null
model_id: null
url: http://127.0.0.1:8080
store_id: 01ARZ3NDEKTSV4RRFFQ69G5FAV
";
        let key = change.split(':').next().unwrap_or_default();
        let kept = text
            .lines()
            .filter(|line| !line.starts_with(&format!("{key}:")));
        let text: Vec<&str> = kept.chain([change]).collect();
        let config: ServerConfig = serde_saphyr::from_str(&text.join("\n")).expect("reads");
        let found = config.resolve(Path::new(""));
        found.map_err(|found| found.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn a_server_is_one_that_has_a_url() {
        assert_eq!(server("url: null"), Ok(None));
        let server = server("url: https://api.example/fga/").unwrap().unwrap();
        assert_eq!(server.base.as_str(), "https://api.example/fga/");
        assert_eq!(server.gather, Some(Duration::from_micros(500)));
    }

    #[test]
    fn mistakes_are_named_with_their_cure() {
        for (change, expected) in [
            (
                "url: localhost",
                "url: `localhost` is not an address; write it like",
            ),
            (
                "url: ftp://a",
                "url: `ftp://a` is not an http or https address",
            ),
            (
                "url: http://u:p@a",
                "url: holds a name or a password; use `credentials`",
            ),
            ("url: http://a/?x", "url: `http://a/?x` has a query"),
            ("store_id: null", "store_id: is missing"),
            ("store_id: ../x", "store_id: `../x` is no id"),
            ("model_id: 1", "model_id: `1` is no id"),
            ("gather: 1s", "gather: checks wait for it"),
            (
                "hedge_after: 250ms",
                "hedge_after: there is no second try after `timeout`; use less than `250ms`",
            ),
            (
                "credentials: {}",
                "credentials: needs one of `key_file` and `client`",
            ),
            (
                "credentials: { key_file: k, issuer: https://a }",
                "credentials: `issuer` goes with `client`",
            ),
            (
                "credentials: { client: { client_id: a } }",
                "credentials: names no place for tokens",
            ),
        ] {
            let found = server(change).expect_err(change);
            assert!(found[0].starts_with(expected), "{found:?}: {expected}");
        }
    }
}
