//! `OpenFGA`'s own server for Envoy, which asks `OpenFGA` what Subzero's route of documents asks, and reads
//! no token: who is meant is written in its configuration.
//!
//! No registry of packages has it, so `SUBZERO_BENCH_OPENFGA_ENVOY` says where a binary of it is (how ours was
//! built is told in `docs/sizing.md`). Without it its rows are left out.

use std::{
    env, fs,
    net::{Ipv4Addr, SocketAddr},
    path::Path,
    process::Command,
    time::Duration,
};

use serde_json::json;

use crate::{remote::Remote, support::process::Process};

pub(crate) const NAME: &str = "openfga-envoy: permission, OpenFGA asked";

/// It listens there and nowhere else.
const PORT: u16 = 9002;

#[derive(Debug)]
pub(crate) struct OpenfgaEnvoy {
    pub(crate) process: Process,
    pub(crate) tcp: SocketAddr,
}

/// Starts it on core 1, when there is one.
pub(crate) async fn start(dir: &Path, remote: &Remote) -> Option<OpenfgaEnvoy> {
    let binary = env::var_os("SUBZERO_BENCH_OPENFGA_ENVOY");
    let Some(binary) = binary.filter(|path| !path.is_empty()) else {
        println!("SUBZERO_BENCH_OPENFGA_ENVOY names no openfga-envoy: without it");
        return None;
    };
    let said = |value: &str| json!({ "type": "mock", "config": { "value": value } });
    let (url, store, model) = remote.place();
    let config = json!({
        "server": { "api_url": url, "store_id": store, "authorization_model_id": model },
        "log": { "level": "error", "format": "json" },
        "mode": "ENFORCE",
        "extraction_sets": [{
            "name": "document",
            "user": said("user:alice"),
            "relation": said("viewer"),
            "object": said("document:roadmap"),
        }],
    });
    let path = dir.join("openfga-envoy.yaml");
    fs::write(&path, config.to_string()).expect("write a file");
    let mut command = Command::new("taskset");
    command
        .args(["-c", "1"])
        .arg(binary)
        .arg("--config")
        .arg(path);
    let mut process = Process::start("openfga-envoy", command, dir);
    let tcp = SocketAddr::from((Ipv4Addr::LOCALHOST, PORT));
    process.until_accepting(tcp, Duration::from_secs(10)).await;
    Some(OpenfgaEnvoy { process, tcp })
}
