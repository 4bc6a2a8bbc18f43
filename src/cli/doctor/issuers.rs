//! Do the issuers answer, with keys that can be used, and do they agree with us about the time.

use std::{
    path::Path,
    sync::Arc,
    time::{Duration, Instant, UNIX_EPOCH},
};

use reqwest::Url;

use super::finding::Finding;
use crate::{
    app,
    clock::Clock,
    config::Loaded,
    upstream::{Fetcher, Reach},
};

/// Asks every issuer that the configuration in `file` names.
pub(super) async fn examine(file: &Path, loaded: &Loaded) -> Result<Vec<Finding>, String> {
    let mut found = keys(file).await?;
    for (name, issuer) in &loaded.config.identity.issuers {
        let told = issuer.jwks_uri.as_deref().unwrap_or(&issuer.issuer);
        let is_file = issuer.jwks_file.is_some() || issuer.secret_file.is_some();
        let Some(url) = Url::parse(told).ok().filter(|_| !is_file) else {
            continue;
        };
        found.extend(clock(name, &url).await);
    }
    Ok(found)
}

async fn keys(file: &Path) -> Result<Vec<Finding>, String> {
    let verifier = Arc::new(app::verifier(file).map_err(|problems| problems.join("\n"))?);
    let keys = Arc::clone(&verifier);
    let fetching = tokio::spawn(async move { match keys.run().await {} });
    verifier.until_fetched(Instant::now() + PATIENCE).await;
    fetching.abort();
    let found = verifier.readiness().into_iter().map(|issuer| {
        let place = format!("issuer `{}`", issuer.name);
        if issuer.ready {
            Finding::good(&place, issuer.detail)
        } else {
            let what = format!("no keys, so its tokens are answered 503: {}", issuer.detail);
            Finding::wrong(
                &place,
                what,
                "# from where Subzero runs:\n# curl -v ISSUER/.well-known/openid-configuration",
            )
        }
    });
    Ok(found.collect())
}

/// Compares clocks, by the `Date` that the issuer answers with.
async fn clock(name: &str, url: &Url) -> Option<Finding> {
    let date = Fetcher::new(Reach::Anywhere)
        .date(url, PATIENCE)
        .await
        .ok()??;
    let date = date.duration_since(UNIX_EPOCH).ok()?.as_secs();
    let apart = date.abs_diff(Clock::System.now());
    let place = format!("issuer `{name}`");
    // A `Date` has whole seconds and was written before it came here.
    if apart <= TOLERABLE {
        return Some(Finding::good(&place, "its clock and this one agree"));
    }
    let what = format!(
        "its clock and this one are {apart} s apart: tokens look expired, or not valid yet"
    );
    Some(Finding::wrong(
        &place,
        what,
        "# set this machine's clock by NTP; `leeway` of the issuer is for seconds, not for minutes",
    ))
}

const PATIENCE: Duration = Duration::from_secs(10);

/// Seconds.
const TOLERABLE: u64 = 5;
