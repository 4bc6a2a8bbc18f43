//! Two replicas, the real servers that they need, and proxies between them.

use std::sync::Arc;

use serde_json::{Value, json};

use super::{
    questions::{DOCUMENTS, EMBEDDED, Pools, REMOTE},
    truth::{Settled, Thing},
};
use crate::{
    replicas::{replica, until_redis},
    support::{
        door::Door,
        faults::Proxy,
        keys::Algorithm,
        oidc::{self, Oidc},
        openfga::{self, OpenFga},
        redis::Redis,
        subzero::Subzero,
    },
    world::{self, AUDIENCE, Keys, data},
};

/// The real servers behind the proxies.
pub(super) struct Servers {
    pub(super) redis: Redis,
    pub(super) provider: Oidc,
    pub(super) openfga: OpenFga,
    /// Its store and model.
    pub(super) ids: [String; 2],
}

/// What callers see, and what stands between the replicas and their servers.
#[derive(Debug)]
pub(super) struct Site {
    pub(super) replicas: [Subzero; 2],
    /// To each replica, for whoever makes things happen.
    pub(super) doors: [Door; 2],
    proxies: Proxies,
    pub(super) pools: Arc<Pools>,
    pub(super) settled: Settled,
    issuer: String,
    pub(super) ids: [String; 2],
}

#[derive(Debug)]
struct Proxies {
    introspection: Proxy,
    keys: Proxy,
    openfga: Proxy,
    redis: Proxy,
}

impl Servers {
    pub(super) async fn start() -> Self {
        let (redis, provider, openfga) = tokio::join!(
            // What it confirmed survives that it is killed.
            Redis::with(&["--save", "", "--appendonly", "yes"]),
            oidc::Setup {
                // Making one of RSA's holds the provider up.
                algorithm: Algorithm::Es256,
                ttl: 7_200,
                ..oidc::Setup::default()
            }
            .start(),
            openfga::Setup::default().start()
        );
        let store = openfga.store().await;
        let model = openfga.model(&store, &openfga::viewers()).await;
        let tuples = (0..DOCUMENTS).step_by(2).map(|id| viewer(&id.to_string()));
        let tuples: Vec<_> = tuples.collect();
        openfga.write(&store, &model, &tuples).await;
        Self {
            redis,
            provider,
            openfga,
            ids: [store, model],
        }
    }
}

/// Alice may see this document.
pub(super) fn viewer(id: &str) -> Value {
    json!({ "user": "user:alice", "relation": "viewer", "object": format!("document:{id}") })
}

/// The store file, in which Alice may see the document that comes and goes, or not.
pub(super) fn store(may_flip: bool) -> String {
    let even = (0..DOCUMENTS).step_by(2).map(|id| id.to_string());
    let tuple = |id: String| {
        format!("  - {{ user: \"user:alice\", relation: viewer, object: \"document:{id}\" }}\n")
    };
    let tuples = even.chain(may_flip.then(|| "flip".to_owned())).map(tuple);
    data("store.fga.yaml") + &tuples.collect::<String>()
}

/// What the replica with this number runs with.
fn config(
    proxies: &Proxies,
    issuer: &str,
    [store, model]: &[String; 2],
    replica: usize,
    is_open: bool,
) -> String {
    let permission = match replica {
        EMBEDDED => "store_file: store.fga.yaml".to_owned(),
        _ => format!(
            "openfga: {{ url: 'http://{}', store_id: {store}, model_id: {model}, timeout: 2s, cache: {{ ttl: 2s }} }}",
            proxies.openfga.address
        ),
    };
    let (path, switch) = (
        ["/docs", "/remote"][replica],
        if is_open {
            "public: true"
        } else {
            "identity: { issuers: [main] }"
        },
    );
    format!(
        "log: {{ level: warn }}
limits: {{ deadline: 10s }}
admission: {{ min: 1024 }}
upstream: {{ breaker: {{ min_calls: 5, open_for: 500ms }} }}
# Full long before the last third, so that what grows then is a leak.
screening: {{ cache: 1MiB }}
risk: {{ memory: 1MiB }}
decisions: {{ memory: 1MiB }}
store: {{ redis: {{ key_file: store.key, url: 'redis://{}', deadline: 1s, reconnect_after: 500ms }} }}
identity:
  token_cache: 1MiB
  dpop: {{ max_age: 30s }}
  issuers:
    main: {{ issuer: '{}', jwks_file: keys.json, audiences: ['{AUDIENCE}'] }}
    provider:
      issuer: '{issuer}'
      jwks_uri: 'http://{}/jwks'
      allow_private_addresses: true
      refresh: 2s
      fetch_timeout: 2s
      unknown_kid_interval: 200ms
      audiences: ['{AUDIENCE}']
      introspection: {{ client_id: bob, client_secret_file: secret, secret_by: post, keep: 5s, keep_inactive: 2s, introspection_endpoint: 'http://{}/token/introspection' }}
permission: {{ {permission} }}
routes:
  - {{ name: open, match: {{ path: /open }}, public: true }}
  - {{ name: switch, match: {{ path: /switch }}, {switch} }}
  - {{ name: me, match: {{ path: /me }}, identity: {{ issuers: [main] }}, risk: {{ deny_above: 0.99 }} }}
  - {{ name: bound, match: {{ path: /bound }}, identity: {{ issuers: [main], sender: dpop }} }}
  - {{ name: provider, match: {{ path: /provider }}, identity: {{ issuers: [provider] }} }}
  - name: document
    match: {{ path: '{path}/{{id}}' }}
    identity: {{ issuers: [main] }}
    permission: {{ user: 'user:{{token.sub}}', relation: viewer, object: 'document:{{path.id}}' }}
  - name: chat
    match: {{ path: /v1/chat/completions }}
    screening: {{ injection: deny, secrets: deny }}
",
        proxies.redis.address,
        world::ISSUER,
        proxies.keys.address,
        proxies.introspection.address,
    )
}

impl Site {
    pub(super) async fn start(servers: &Servers) -> Self {
        let provider = &servers.provider;
        let proxies = Proxies {
            introspection: Proxy::start(provider.address).await,
            keys: Proxy::start(provider.address).await,
            openfga: Proxy::start(servers.openfga.http).await,
            redis: Proxy::start(servers.redis.address).await,
        };
        let keys = Keys::generate();
        let start = async |number| {
            let config = config(&proxies, &provider.issuer, &servers.ids, number, true);
            let setup = replica(&config, &keys).file("secret", "bob-secret");
            let subzero = setup.file("store.fga.yaml", store(false)).start().await;
            until_redis(&subzero, true).await;
            subzero
        };
        let replicas = [start(EMBEDDED).await, start(REMOTE).await];
        let dial = |at: usize| Door::dial(replicas[at].grpc);
        let doors = [dial(EMBEDDED).await, dial(REMOTE).await];
        Self {
            replicas,
            doors,
            proxies,
            pools: Arc::new(Pools::new(keys, provider).await),
            settled: Settled::default(),
            issuer: provider.issuer.clone(),
            ids: servers.ids.clone(),
        }
    }

    /// The configuration of a replica, with the route that comes and goes open or not.
    pub(super) fn config(&self, replica: usize, is_open: bool) -> String {
        config(&self.proxies, &self.issuer, &self.ids, replica, is_open)
    }

    /// What stands before `thing`.
    pub(super) fn proxy(&self, thing: Thing) -> &Proxy {
        match thing {
            Thing::Introspection => &self.proxies.introspection,
            Thing::Keys => &self.proxies.keys,
            Thing::OpenFga => &self.proxies.openfga,
            _ => &self.proxies.redis,
        }
    }
}
