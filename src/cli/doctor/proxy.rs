//! An Envoy as its configuration tells it: who listens, through which filters requests pass, and who is
//! asked.
//!
//! Two shapes come in: a config dump, where everything stands under `configs` and may be static or
//! dynamic, and a bootstrap file with `static_resources`. In both, fields at their default are missing.

use std::collections::BTreeMap;

use serde_json::Value;

/// What is read of it.
#[derive(Debug)]
pub(super) struct Proxy {
    pub(super) chains: Vec<Chain>,
    /// Listeners that do not speak HTTP.
    pub(super) others: Vec<String>,
    pub(super) clusters: BTreeMap<String, Value>,
}

/// One way in for HTTP requests.
#[derive(Debug)]
pub(super) struct Chain {
    /// `listener NAME`, with the filter chain's name where it has one.
    pub(super) place: String,
    /// The connection manager's settings.
    pub(super) manager: Value,
    /// How TLS ends here: the settings of the listener's socket. `None` without TLS.
    pub(super) tls: Option<Value>,
    pub(super) filters: Vec<Filter>,
    /// Every route, with the settings it has for filters.
    pub(super) routes: Vec<Route>,
}

/// An HTTP filter.
#[derive(Clone, Debug)]
pub(super) struct Filter {
    /// The last part of its type: `ExtAuthz`, `Router`.
    pub(super) kind: String,
    pub(super) settings: Value,
}

/// A route of a chain.
#[derive(Clone, Debug)]
pub(super) struct Route {
    /// What it matches, as it is written.
    pub(super) matches: String,
    /// What it and its virtual host say to `ext_authz`.
    pub(super) ext_authz: Vec<Value>,
}

impl Proxy {
    /// Reads a dump or a bootstrap.
    pub(super) fn read(dump: &Value) -> Result<Self, String> {
        let (listeners, clusters, tables) = match dump.get("configs").and_then(Value::as_array) {
            Some(configs) => (
                within(
                    configs,
                    &["static_listeners", "dynamic_listeners"],
                    "listener",
                ),
                within(
                    configs,
                    &[
                        "static_clusters",
                        "dynamic_active_clusters",
                        "dynamic_warming_clusters",
                    ],
                    "cluster",
                ),
                within(
                    configs,
                    &["static_route_configs", "dynamic_route_configs"],
                    "route_config",
                ),
            ),
            None => (
                list(dump, "/static_resources/listeners"),
                list(dump, "/static_resources/clusters"),
                Vec::new(),
            ),
        };
        if listeners.is_empty() {
            return Err("no listener is in it: it is neither a config dump (`/config_dump`) nor a bootstrap file with `static_resources`".to_owned());
        }
        let tables = by_name(tables);
        let mut proxy = Self {
            chains: Vec::new(),
            others: Vec::new(),
            clusters: by_name(clusters),
        };
        for listener in &listeners {
            proxy.add(listener, &tables);
        }
        Ok(proxy)
    }

    fn add(&mut self, listener: &Value, tables: &BTreeMap<String, Value>) {
        let name = listener["name"].as_str().unwrap_or("without a name");
        let mut chains = list(listener, "/filter_chains");
        chains.extend(listener.get("default_filter_chain").cloned());
        let before = self.chains.len();
        for chain in &chains {
            let place = match chain["name"].as_str() {
                Some(chain) if chains.len() > 1 => format!("listener `{name}`, chain `{chain}`"),
                _ => format!("listener `{name}`"),
            };
            let filters = list(chain, "/filters");
            let managers = filters.into_iter().filter_map(|filter| {
                let settings = filter.get("typed_config")?.clone();
                (kind(&settings) == "HttpConnectionManager").then_some(settings)
            });
            for manager in managers {
                let tls = tls(chain);
                self.chains
                    .push(Chain::new(place.clone(), manager, tls, tables));
            }
        }
        if self.chains.len() == before {
            self.others.push(format!("listener `{name}`"));
        }
    }

    /// The clusters that `ext_authz` filters ask, each once, with the settings of the filter.
    pub(super) fn asked(&self) -> BTreeMap<&str, &Value> {
        let filters = self.chains.iter().filter_map(Chain::ext_authz);
        let asked = filters.filter_map(|filter| {
            let grpc = filter
                .settings
                .pointer("/grpc_service/envoy_grpc/cluster_name");
            let http = filter.settings.pointer("/http_service/server_uri/cluster");
            Some((grpc.or(http)?.as_str()?, &filter.settings))
        });
        asked.collect()
    }
}

impl Chain {
    fn new(
        place: String,
        manager: Value,
        tls: Option<Value>,
        tables: &BTreeMap<String, Value>,
    ) -> Self {
        let filters = list(&manager, "/http_filters").into_iter().map(|filter| {
            let settings = filter.get("typed_config").cloned().unwrap_or_default();
            Filter {
                kind: kind(&settings),
                settings,
            }
        });
        let filters = filters.collect();
        let named = manager
            .pointer("/rds/route_config_name")
            .and_then(Value::as_str);
        let table = manager.get("route_config").or_else(|| tables.get(named?));
        let routes = table.map(routes).unwrap_or_default();
        Self {
            place,
            manager,
            tls,
            filters,
            routes,
        }
    }

    /// The filter that asks, if there is one.
    pub(super) fn ext_authz(&self) -> Option<&Filter> {
        self.filters.iter().find(|filter| filter.kind == "ExtAuthz")
    }
}

/// The TLS settings of a filter chain; QUIC keeps them one level deeper.
fn tls(chain: &Value) -> Option<Value> {
    let socket = chain.pointer("/transport_socket/typed_config")?;
    match kind(socket).as_str() {
        "DownstreamTlsContext" => Some(socket.clone()),
        _ => socket.get("downstream_tls_context").cloned(),
    }
}

fn routes(table: &Value) -> Vec<Route> {
    let mut routes = Vec::new();
    for host in list(table, "/virtual_hosts") {
        for route in list(&host, "/routes") {
            let levels = [&host, &route];
            let said = levels.into_iter().filter_map(|level| {
                let settings = level.get("typed_per_filter_config")?.as_object()?;
                settings
                    .values()
                    .find(|settings| kind(settings) == "ExtAuthzPerRoute")
            });
            routes.push(Route {
                matches: route["match"].to_string(),
                ext_authz: said.cloned().collect(),
            });
        }
    }
    routes
}

/// The last part of a typed setting's type. Istio wraps settings it does not know itself.
fn kind(settings: &Value) -> String {
    let full = match settings["type_url"].as_str() {
        Some(wrapped) => wrapped,
        None => settings["@type"].as_str().unwrap_or_default(),
    };
    full.rsplit(['.', '/'])
        .next()
        .unwrap_or_default()
        .to_owned()
}

fn list(value: &Value, pointer: &str) -> Vec<Value> {
    let found = value.pointer(pointer).and_then(Value::as_array);
    found.cloned().unwrap_or_default()
}

/// What stands under `key` in the entries of these sections; dynamic listeners have it in their
/// active state.
fn within(configs: &[Value], sections: &[&str], key: &str) -> Vec<Value> {
    let mut found = Vec::new();
    for section in configs
        .iter()
        .flat_map(|config| sections.iter().map(|name| &config[*name]))
    {
        for entry in section.as_array().into_iter().flatten() {
            let entry = entry
                .get(key)
                .or_else(|| entry.pointer("/active_state/listener"));
            found.extend(entry.cloned());
        }
    }
    found
}

fn by_name(values: Vec<Value>) -> BTreeMap<String, Value> {
    let named = values.into_iter().filter_map(|value| {
        let name = value["name"].as_str()?.to_owned();
        Some((name, value))
    });
    named.collect()
}
