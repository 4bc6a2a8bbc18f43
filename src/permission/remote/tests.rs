//! Against a real `OpenFGA` server: its own suites, random models, and what goes wrong.
//!
//! `python3 tools/install.py openfga` puts the server there.

mod agreement;
mod entries;
mod keeping;
mod models;
mod relay;
mod suite;
mod weather;

use std::time::{Duration, Instant};

use super::*;
use crate::{
    permission::{CacheConfig, Question, ServerConfig},
    support::{self, openfga::OpenFga},
};

/// A way to `server`'s store, without kept answers and with this much gathering.
fn remote(
    server: &OpenFga,
    store: &str,
    model: Option<&str>,
    change: impl FnOnce(&mut ServerConfig),
) -> Remote {
    let url = format!("http://{}", server.http);
    remote_at(&url, store, model, change)
}

fn remote_at(
    url: &str,
    store: &str,
    model: Option<&str>,
    change: impl FnOnce(&mut ServerConfig),
) -> Remote {
    let mut config = ServerConfig {
        url: Some(url.to_owned()),
        store_id: Some(store.to_owned()),
        model_id: model.map(str::to_owned),
        credentials: None,
        // A debug build and a busy machine: the suites are not about speed.
        timeout: "10s".parse().unwrap(),
        hedge_after: None,
        poll_models: "1h".parse().unwrap(),
        gather: Some("500us".parse().unwrap()),
        cache: CacheConfig {
            ttl: "10s".parse().unwrap(),
            memory: "0".parse().unwrap(),
        },
    };
    change(&mut config);
    let config = config.resolve(std::path::Path::new("")).unwrap().unwrap();
    let metrics = Metrics::unseen().unwrap();
    Remote::new(config, &metrics, &Dispatcher::in_place()).unwrap()
}

fn soon() -> Instant {
    Instant::now() + Duration::from_secs(20)
}
