//! OPA's own server for Envoy, with a policy that asks what Subzero's route of documents asks: a good
//! token, and a group that its subject is in and the document is shared with.
//!
//! No registry of packages has it, so `SUBZERO_BENCH_OPA` says where a binary of `opa-envoy-plugin` is
//! (how ours was built is told in `docs/sizing.md`). Without it its rows are left out.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use envoy_types::pb::envoy::service::auth::v3::CheckRequest;
use serde_json::json;

use crate::{scene::ISSUER, support::process::Process};

pub(crate) const NAME: &str = "OPA: token + permission";

/// OPA keeps what it verified (ten tokens by default), as we do: the token is a known one here too.
const POLICY: &str = "package bench

default allow := false

allow if {
	http := input.attributes.request.http
	token := substring(http.headers.authorization, count(\"Bearer \"), -1)
	[valid, _, claims] := io.jwt.decode_verify(token, {\"cert\": data.jwks, \"alg\": \"RS256\", \"iss\": data.issuer, \"aud\": \"api\"})
	valid
	parts := split(http.path, \"/\")
	parts[1] == \"docs\"
	some group in data.viewers[parts[2]]
	data.members[group][claims.sub]
}
";

#[derive(Debug)]
pub(crate) struct Opa {
    pub(crate) process: Process,
    pub(crate) socket: PathBuf,
}

/// Starts it on core 1, when there is one.
pub(crate) async fn start(dir: &Path, jwks: &str) -> Option<Opa> {
    let Some(binary) = env::var_os("SUBZERO_BENCH_OPA").filter(|path| !path.is_empty()) else {
        println!("SUBZERO_BENCH_OPA names no opa-envoy-plugin: without OPA");
        return None;
    };
    let data = json!({
        "jwks": jwks,
        "issuer": ISSUER,
        "viewers": { "roadmap": ["staff"] },
        "members": { "staff": { "alice": true } },
    });
    let socket = dir.join("opa.sock");
    let config = json!({ "plugins": { "envoy_ext_authz_grpc": {
        "addr": format!("unix://{}", socket.display()), "path": "bench/allow",
    } } });
    let files = [
        ("policy.rego", POLICY.to_owned()),
        ("data.json", data.to_string()),
        ("opa.yaml", config.to_string()),
    ];
    for (name, text) in &files {
        fs::write(dir.join(name), text).expect("write a file");
    }
    let mut command = Command::new("taskset");
    command
        .args(["-c", "1"])
        .arg(binary)
        .args(["run", "--server", "--skip-version-check"])
        .args(["--addr", "127.0.0.1:0", "--log-level", "error"])
        .args(["--config-file", "opa.yaml", "policy.rego", "data.json"])
        .current_dir(dir);
    let mut process = Process::start("opa", command, dir);
    let there = async || socket.exists();
    process
        .until("listen", Duration::from_secs(20), there)
        .await;
    Some(Opa { process, socket })
}

/// It reads the map of texts only.
pub(crate) fn with_text_headers(mut question: CheckRequest) -> CheckRequest {
    let attributes = question.attributes.as_mut();
    let request = attributes.and_then(|attributes| attributes.request.as_mut());
    let http = request.and_then(|request| request.http.as_mut());
    let http = http.expect("a question about HTTP");
    let raw = http.header_map.take().expect("its headers");
    http.headers = raw
        .headers
        .into_iter()
        .map(|header| {
            let value = String::from_utf8(header.raw_value).expect("text");
            (header.key, value)
        })
        .collect();
    question
}
