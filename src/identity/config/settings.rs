//! One issuer's configuration, merged with the defaults, checked and resolved.

use std::{fs, path::Path, path::PathBuf, time::Duration};

use jsonwebtoken::{Algorithm, AlgorithmFamily};
use reqwest::Url;

use super::{Audiences, Client, Introspection, IssuerConfig, IssuerDefaults};
use crate::{problem::Problem, units::Secret};

/// Everything about one issuer that is not its keys. Equal settings may share keys.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::identity) struct Settings {
    pub(in crate::identity) algorithms: Vec<Algorithm>,
    pub(in crate::identity) allow_private_addresses: bool,
    pub(in crate::identity) audiences: Audiences,
    pub(in crate::identity) exchange: Option<Client>,
    pub(in crate::identity) fetch_timeout: Duration,
    pub(in crate::identity) introspection: Option<Introspection>,
    pub(in crate::identity) issuer: String,
    pub(in crate::identity) leeway: Duration,
    pub(in crate::identity) logout_audiences: Vec<String>,
    pub(in crate::identity) max_stale: Duration,
    pub(in crate::identity) name: String,
    pub(in crate::identity) refresh: Duration,
    pub(in crate::identity) source: KeySource,
    pub(in crate::identity) unknown_kid_burst: u32,
    pub(in crate::identity) unknown_kid_interval: Duration,
}

/// Where an issuer's keys come from.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::identity) enum KeySource {
    /// The discovery document at this address names the key set.
    Discovery(Url),
    /// A file on this machine.
    File(PathBuf),
    /// A shared secret.
    Secret(Secret),
    /// The key set is at this address.
    Uri(Url),
}

impl Settings {
    /// Puts `config` and `defaults` together. Problems are relative to the issuer.
    pub(in crate::identity) fn resolve(
        name: &str,
        config: &IssuerConfig,
        defaults: &IssuerDefaults,
        base_dir: &Path,
    ) -> Result<Self, Vec<Problem>> {
        let mut problems = Vec::new();
        let allow_private_addresses = config
            .allow_private_addresses
            .unwrap_or(defaults.allow_private_addresses);
        let source = key_source(config, base_dir, allow_private_addresses)
            .map_err(|problem| problems.push(problem))
            .ok();
        let algorithms = config.algorithms.as_ref().unwrap_or(&defaults.algorithms);
        if let Some(source) = &source {
            problems.extend(check_algorithms(algorithms, source));
        }
        problems.extend(check_claims(config));
        let exchange = config.exchange.as_ref().and_then(|client| {
            let resolved = client.resolve(base_dir, allow_private_addresses, &config.issuer);
            let found = resolved.map_err(|found| {
                let found = found.into_iter();
                problems.extend(found.map(|problem| problem.within("exchange")));
            });
            found.ok()
        });
        let introspection = config.introspection.as_ref().and_then(|asking| {
            let resolved =
                asking.resolve(base_dir, allow_private_addresses, &config.issuer, defaults);
            let found = resolved.map_err(|found| {
                let found = found.into_iter();
                problems.extend(found.map(|problem| problem.within("introspection")));
            });
            found.ok()
        });
        let refresh = config.refresh.unwrap_or(defaults.refresh);
        let max_stale = config.max_stale.unwrap_or(defaults.max_stale);
        if max_stale < refresh {
            let text = format!(
                "`{max_stale}` is shorter than `refresh` (`{refresh}`); keys would lapse between fetches"
            );
            problems.push(Problem::new("max_stale", text));
        }
        let (Some(source), true) = (source, problems.is_empty()) else {
            return Err(problems);
        };
        Ok(Self {
            algorithms: algorithms.clone(),
            allow_private_addresses,
            audiences: config.audiences.clone(),
            exchange,
            fetch_timeout: config.fetch_timeout.unwrap_or(defaults.fetch_timeout).get(),
            introspection,
            issuer: config.issuer.clone(),
            leeway: config.leeway.unwrap_or(defaults.leeway).get(),
            logout_audiences: config.logout_audiences.clone(),
            max_stale: max_stale.get(),
            name: name.to_owned(),
            refresh: refresh.get(),
            source,
            unknown_kid_burst: config
                .unknown_kid_burst
                .unwrap_or(defaults.unknown_kid_burst),
            unknown_kid_interval: config
                .unknown_kid_interval
                .unwrap_or(defaults.unknown_kid_interval)
                .get(),
        })
    }
}

/// Checks what tokens are compared with.
fn check_claims(config: &IssuerConfig) -> Vec<Problem> {
    let mut problems = Vec::new();
    if config.issuer.is_empty() {
        problems.push(Problem::new("issuer", "is empty; write the tokens' `iss`"));
    }
    if let Audiences::OneOf(names) = &config.audiences
        && (names.is_empty() || names.iter().any(String::is_empty))
    {
        let cure = "needs at least one audience and none empty; write `any` to accept every token of this issuer";
        problems.push(Problem::new("audiences", cure));
    }
    if config.logout_audiences.iter().any(String::is_empty) {
        let text = "has an empty one; write the client id that the issuer gave";
        problems.push(Problem::new("logout_audiences", text));
    }
    problems
}

fn key_source(
    config: &IssuerConfig,
    base_dir: &Path,
    allow_private: bool,
) -> Result<KeySource, Problem> {
    match (&config.jwks_uri, &config.jwks_file, &config.secret_file) {
        (None, None, None) => {
            let url = discovery(&config.issuer, allow_private)
                .map_err(|text| Problem::new("issuer", text))?;
            Ok(KeySource::Discovery(url))
        }
        (Some(uri), None, None) => {
            let url =
                web_address(uri, allow_private).map_err(|text| Problem::new("jwks_uri", text))?;
            Ok(KeySource::Uri(url))
        }
        (None, Some(file), None) => Ok(KeySource::File(base_dir.join(file))),
        (None, None, Some(file)) => {
            let path = base_dir.join(file);
            let secret = fs::read_to_string(&path).map_err(|error| {
                let text = format!("cannot read `{}`: {error}", path.display());
                Problem::new("secret_file", text)
            })?;
            Ok(KeySource::Secret(Secret::new(&secret)))
        }
        _ => Err(Problem::new(
            "",
            "has several of `jwks_uri`, `jwks_file` and `secret_file`; keep one",
        )),
    }
}

/// Where the discovery document of `issuer` is.
pub(super) fn discovery(issuer: &str, allow_private: bool) -> Result<Url, String> {
    web_address(issuer, allow_private)?;
    let base = issuer.strip_suffix('/').unwrap_or(issuer);
    let url = web_address(
        &format!("{base}/.well-known/openid-configuration"),
        allow_private,
    )?;
    if url.query().is_some() || url.fragment().is_some() {
        return Err(format!("`{issuer}` has a query or fragment"));
    }
    Ok(url)
}

/// An address that keys may be fetched from.
pub(in crate::identity) fn web_address(text: &str, allow_private: bool) -> Result<Url, String> {
    let url: Url = text
        .parse()
        .map_err(|_| format!("`{text}` is not an address such as `https://issuer.example/`"))?;
    match url.scheme() {
        "https" => {}
        "http" if allow_private => {}
        "http" => {
            return Err(format!(
                "`{text}` is not https; for a server inside your network set `allow_private_addresses: true`"
            ));
        }
        _ => return Err(format!("`{text}` is not an https address")),
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("holds a user name or password; remove it".to_owned());
    }
    Ok(url)
}

fn check_algorithms(algorithms: &[Algorithm], source: &KeySource) -> Option<Problem> {
    let problem = |text: String| Some(Problem::new("algorithms", text));
    if algorithms.is_empty() {
        return problem("is empty; write at least one, such as `RS256`".to_owned());
    }
    let is_hmac = |algorithm: &&Algorithm| algorithm.family() == AlgorithmFamily::Hmac;
    let KeySource::Secret(secret) = source else {
        let hmac = algorithms.iter().find(is_hmac)?;
        return problem(format!(
            "`{hmac:?}` needs a `secret_file`; keys of a key set are public"
        ));
    };
    if let Some(public) = algorithms.iter().find(|algorithm| !is_hmac(algorithm)) {
        return problem(format!(
            "`{public:?}` does not go with `secret_file`; write `algorithms: [HS256]`"
        ));
    }
    let needed = algorithms.iter().map(|algorithm| match algorithm {
        Algorithm::HS512 => 64,
        Algorithm::HS384 => 48,
        _ => 32,
    });
    let needed = needed.max().unwrap_or_default();
    let length = secret.expose().len();
    (length < needed).then(|| {
        let text = format!("holds {length} bytes; these algorithms need {needed} or more");
        Problem::new("secret_file", text)
    })
}
