//! Whether checks are answered, and what stands in the way of some.

use std::sync::atomic::Ordering;

use serde_json::{Map, Value, json};

use super::Status;
use crate::{store::Store, upstream::Standing};

/// For people and for programs.
pub(super) struct Readiness {
    /// `ready`, `degraded` or `not ready`.
    pub(super) word: &'static str,
    /// What makes it degraded: one line each.
    pub(super) troubles: Vec<String>,
    /// What `/readyz` answers.
    pub(super) page: Value,
}

impl Status {
    /// An issuer without keys is told, not failed: its tokens are denied, and taking the whole process
    /// out of service would deny everybody else's too.
    pub(super) fn readiness(&self) -> Readiness {
        let serving = self.serving.load_full();
        let mut troubles = Vec::new();
        let issuers = serving.pipeline.verifier().readiness().into_iter();
        let issuers: Vec<Value> = issuers
            .map(|issuer| {
                let (name, ready, detail) = (issuer.name, issuer.ready, issuer.detail);
                if !ready {
                    troubles.push(format!("issuer {name}: {detail}"));
                }
                json!({ "issuer": name, "ready": ready, "detail": detail })
            })
            .collect();
        let mut breakers = Map::new();
        for (upstream, standing) in self.upstream.breakers() {
            if standing != Standing::Closed {
                troubles.push(format!("{upstream}: its breaker is {}", standing.as_str()));
            }
            breakers.insert(upstream, standing.as_str().into());
        }
        let permission = match serving.pipeline.authorizer().readiness() {
            None => json!("none or embedded"),
            Some(Ok(())) => json!("ready"),
            Some(Err(why)) => {
                troubles.push(format!("permission: {why}"));
                json!({ "failed": why })
            }
        };
        let reload = match &**self.last_reload.load() {
            None => json!("none"),
            Some(Ok(())) => json!("ok"),
            Some(Err(problems)) => {
                let told = problems.iter();
                troubles.extend(told.map(|problem| format!("last reload: {problem}")));
                json!({ "failed": problems })
            }
        };
        let redis = self.store.as_ref().and_then(Store::health);
        let redis = redis.map(|redis| {
            if !redis.connected {
                troubles.push(format!("Redis: {}", redis.detail));
            }
            json!({ "ready": redis.connected, "detail": redis.detail })
        });
        let word = match (self.ready.load(Ordering::Acquire), troubles.is_empty()) {
            (false, _) => "not ready",
            (true, false) => "degraded",
            (true, true) => "ready",
        };
        let mut page = json!({
            "status": word,
            "issuers": issuers,
            "breakers": breakers,
            "permission": permission,
            "last_reload": reload,
        });
        if let Some(redis) = redis {
            page["redis"] = redis;
        }
        Readiness {
            word,
            troubles,
            page,
        }
    }
}
