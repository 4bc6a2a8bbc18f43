//! The `api:` section, and what it compiles to.
//!
//! The keys file is looked at again while running, as the store file is: a bad one changes nothing.
//! A reload of the configuration replaces everything here at once, the bounds included.

use std::{
    fs,
    net::IpAddr,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use arc_swap::ArcSwap;
use serde::{Deserialize, Serialize};

use super::{
    access::Keys,
    refusal::Refusal,
    tls::{self, Tls},
};
use crate::{
    problem::Problem,
    units::{Bytes, Span},
};

/// What callers may ask for, and who may. Defaults and examples: `config/default.yaml`.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Largest request.
    pub max_body: Bytes,
    /// Most items in one batch.
    pub max_items: usize,
    /// Longest time for one call.
    pub deadline: Span,
    /// Who may call, relative to the configuration file. Without one: anybody on this machine.
    pub keys_file: Option<PathBuf>,
    /// Names under which this machine's own callers may reach a listener without keys, besides
    /// `localhost` and loopback addresses.
    pub hosts: Vec<String>,
    /// Certificates, of the listener and of callers.
    pub tls: tls::Config,
}

/// A compiled [`Config`].
#[derive(Debug)]
pub struct Settings {
    pub(super) max_body: usize,
    pub(super) max_items: usize,
    pub(super) deadline: Duration,
    hosts: Vec<String>,
    keys: Option<KeysFile>,
    tls: Option<Tls>,
}

/// The keys file being obeyed.
#[derive(Debug)]
struct KeysFile {
    path: PathBuf,
    /// As the configuration names it.
    shown: String,
    /// What was last read, whether it was any good or not.
    seen: ArcSwap<Vec<u8>>,
    keys: ArcSwap<Keys>,
}

impl Settings {
    /// Checks `config` and reads the keys; relative paths start at `base_dir`.
    pub fn load(config: &Config, base_dir: &Path) -> Result<Self, Vec<Problem>> {
        let mut problems = Vec::new();
        if config.max_body.get() > MAX_BODY_BYTES {
            let message = format!(
                "`{}` is more than is ever taken in; the most is 32MiB",
                config.max_body
            );
            problems.push(Problem::new("max_body", message));
        }
        if !(1..=MAX_ITEMS).contains(&config.max_items) {
            let message = format!("`{}` is not between 1 and {MAX_ITEMS}", config.max_items);
            problems.push(Problem::new("max_items", message));
        }
        let named = config.keys_file.as_deref();
        let keys = named.map(|named| KeysFile::load(named, base_dir));
        let keys = keys.transpose().map_err(|found| problems.extend(found));
        let tls = Tls::load(&config.tls, base_dir).map_err(|found| {
            problems.extend(found.into_iter().map(|problem| problem.within("tls")));
        });
        if config.tls.asks_for_certificates() && config.tls.clients.is_empty() && named.is_none() {
            let message = "names nobody, so nobody may ask; list callers, or set `api.keys_file`";
            problems.push(Problem::new("tls.clients", message));
        }
        match keys.and_then(|keys| Ok((keys, tls?))) {
            Ok((keys, tls)) if problems.is_empty() => Ok(Self {
                max_body: config.max_body.get(),
                max_items: config.max_items,
                deadline: config.deadline.get(),
                hosts: config
                    .hosts
                    .iter()
                    .map(|host| host.to_ascii_lowercase())
                    .collect(),
                keys,
                tls,
            }),
            _ => Err(problems),
        }
    }

    /// Reads the keys file again if it has changed since the last attempt; says whether it did. A
    /// bad file keeps the old keys and is told once, not each time.
    ///
    /// Reads a file: call it where waiting for a disk hurts nobody.
    pub fn reload_keys(&self) -> Result<bool, Vec<Problem>> {
        let Some(file) = &self.keys else {
            return Ok(false);
        };
        let Ok(now) = fs::read(&file.path) else {
            // Being replaced right now, or gone: what is in force stays in force.
            return Ok(false);
        };
        if **file.seen.load() == now {
            return Ok(false);
        }
        let keys = Keys::parse(&now, &file.shown);
        file.seen.store(now.into());
        file.keys.store(keys?.into());
        Ok(true)
    }

    /// Reads the files of `api.tls` again, as [`Settings::reload_keys`] does the keys file.
    pub fn reload_certificates(&self) -> Result<bool, Problem> {
        self.tls.as_ref().map_or(Ok(false), Tls::reload)
    }

    /// How connections are secured; `None` when they are not.
    pub(super) fn tls(&self) -> Option<&Tls> {
        self.tls.as_ref()
    }

    /// The keys in force; `None` when nobody needs one.
    pub(super) fn keys(&self) -> Option<arc_swap::Guard<std::sync::Arc<Keys>>> {
        self.keys.as_ref().map(|file| file.keys.load())
    }

    /// Whether a request that names `host` (without port) can be meant for this machine.
    pub(super) fn is_own_host(&self, host: &str) -> bool {
        let host = host.to_ascii_lowercase();
        let address = host.trim_start_matches('[').trim_end_matches(']');
        host == "localhost"
            || address.parse().is_ok_and(|ip: IpAddr| ip.is_loopback())
            || self.hosts.contains(&host)
    }

    /// When a call that arrives now has to be answered.
    pub(super) fn deadline(&self) -> Instant {
        Instant::now() + self.deadline
    }

    /// Refuses more than `max_items` items in `field`.
    pub(super) fn bound(&self, field: &str, count: usize) -> Result<(), Refusal> {
        if count <= self.max_items {
            return Ok(());
        }
        let wrong = format!(
            "{count} items are more than the {} that one call may have; send them in several (`api.max_items`)",
            self.max_items
        );
        Err(Refusal::too_many(field, &wrong))
    }
}

impl KeysFile {
    fn load(named: &Path, base_dir: &Path) -> Result<Self, Vec<Problem>> {
        let (path, shown) = (base_dir.join(named), named.display().to_string());
        let text = fs::read(&path).map_err(|error| {
            let message = format!("{shown}: cannot be read: {error}");
            vec![Problem::new("keys_file", message)]
        })?;
        let keys = Keys::parse(&text, &shown)?;
        Ok(Self {
            path,
            shown,
            seen: ArcSwap::from_pointee(text),
            keys: ArcSwap::from_pointee(keys),
        })
    }
}

/// Largest `max_body`: as much as the gRPC door takes in at all.
const MAX_BODY_BYTES: usize = 32 << 20;

/// Largest `max_items`: beyond, an answer alone is hundreds of megabytes.
const MAX_ITEMS: usize = 1_000_000;
