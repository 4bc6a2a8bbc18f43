//! `subzero doctor`: does this Envoy really ask, about everything, and in a way that can be answered.
//!
//! Reads Envoy's own account of its configuration, from its admin address or from a file, so what is
//! judged is what runs and not what was meant. With `--config` it also compares it with Subzero's
//! configuration, and asks the issuers for their keys and for the time. Nothing is changed, and no
//! request is sent through Envoy.
//!
//! What a reader would get wrong: a finding is only `wrong` where requests pass unasked or are answered
//! wrongly; what may be meant is `look`. Only the first makes the exit code 1.

mod bodies;
mod cluster;
mod filters;
mod finding;
mod headers;
mod issuers;
mod proxy;
mod senders;

use std::{fs, path::Path, process::ExitCode, time::Duration};

use prometheus::Registry;
use serde_json::Value;

use self::{
    finding::{Finding, Severity},
    proxy::Proxy,
};
use crate::{
    config::Loaded,
    upstream::{self, Fetcher, Limits, Reach},
};

/// Examines the Envoy that `from` names: an admin address (`http://…`) or a file with a config dump
/// or a bootstrap configuration.
pub(super) fn run(from: &str, config: Option<&Path>, json: bool) -> ExitCode {
    let loaded = match config.map(|file| Loaded::read(Some(file))).transpose() {
        Ok(loaded) => loaded,
        Err(problems) => return super::tell(&problems),
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let found = runtime
        .map_err(|error| error.to_string())
        .and_then(|runtime| runtime.block_on(examine(from, config, loaded.as_ref())));
    match found {
        Ok(found) => {
            show(&found, json);
            let is_wrong = found.iter().any(|found| found.severity == Severity::Wrong);
            ExitCode::from(u8::from(is_wrong))
        }
        Err(why) => super::tell(&[format!("subzero: {why}")]),
    }
}

async fn examine(
    from: &str,
    file: Option<&Path>,
    loaded: Option<&Loaded>,
) -> Result<Vec<Finding>, String> {
    let proxy = Proxy::read(&dump(from).await?)?;
    let mut found = filters::examine(&proxy);
    found.extend(bodies::examine(&proxy, loaded));
    found.extend(cluster::examine(&proxy, loaded));
    found.extend(senders::examine(&proxy, loaded));
    if let (Some(file), Some(loaded)) = (file, loaded) {
        found.extend(issuers::examine(file, loaded).await?);
    }
    found.sort_by_key(|finding| finding.severity);
    Ok(found)
}

/// What Envoy says of itself.
async fn dump(from: &str) -> Result<Value, String> {
    if !from.starts_with("http://") {
        let text = fs::read_to_string(from).map_err(|error| {
            format!("`{from}` cannot be read: {error}; give Envoy's admin address (http://HOST:PORT) or a file with its config dump")
        })?;
        return parsed(from, &text);
    }
    let url = format!("{}/config_dump", from.trim_end_matches('/'));
    let url = reqwest::Url::parse(&url).map_err(|error| format!("`{from}`: {error}"))?;
    let limits = Limits {
        bytes: MAX_DUMP,
        time: PATIENCE,
    };
    let read = |bytes: &[u8]| serde_json::from_slice(bytes).map_err(|error| error.to_string());
    // Nobody scrapes a command; a fetch is counted all the same.
    let metrics = upstream::Metrics::register(&Registry::new());
    let series = metrics.map_err(|error| error.to_string())?.series("envoy");
    let fetcher = Fetcher::new(Reach::Anywhere);
    let answer = fetcher.get(&url, limits, &series, read).await;
    answer.map_err(|error| format!("{url}: {error}; is this Envoy's admin address?"))
}

/// A file may be JSON, as Envoy dumps it, or YAML, as people write it.
fn parsed(from: &str, text: &str) -> Result<Value, String> {
    serde_json::from_str(text).or_else(|_| {
        serde_saphyr::from_str(text)
            .map_err(|error| format!("`{from}` is neither JSON nor YAML: {error}"))
    })
}

fn show(found: &[Finding], json: bool) {
    if json {
        println!("{}", serde_json::json!({ "findings": found }));
        return;
    }
    for finding in found {
        println!("{finding}\n");
    }
    let count = |severity| {
        found
            .iter()
            .filter(|found| found.severity == severity)
            .count()
    };
    let (wrong, look) = (count(Severity::Wrong), count(Severity::Look));
    println!("{wrong} wrong, {look} to look at");
}

/// The dump of a large mesh has tens of megabytes.
const MAX_DUMP: usize = 256 << 20;

const PATIENCE: Duration = Duration::from_secs(20);
