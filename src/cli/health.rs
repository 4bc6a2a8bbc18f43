//! `subzero health`: the probe for images that have no shell and no `curl`.
//!
//! It asks the admin port over HTTP, or the gRPC door by the standard health service where the URL
//! begins with `grpc://`. A Subzero that drains is alive and not ready: `/healthz` and `/readyz` differ.

use std::{process::ExitCode, time::Duration};

use tonic::transport::Endpoint;
use tonic_health::pb::{
    HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient,
};

use super::ask::because;
use crate::admin;

/// Asks `url`, prints what it says, and exits with 0 when that is yes.
pub(super) fn run(url: &str) -> ExitCode {
    let probe = async {
        match url.strip_prefix("grpc://") {
            Some(address) => serving(address).await,
            None => admin::probe(url).await,
        }
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let answer = runtime
        .map_err(|error| error.to_string())
        .and_then(|runtime| runtime.block_on(probe));
    match answer {
        Ok(body) => {
            println!("{body}");
            ExitCode::SUCCESS
        }
        Err(why) => {
            eprintln!("subzero: {why}");
            ExitCode::FAILURE
        }
    }
}

/// What the health service at `address` says about the whole process.
async fn serving(address: &str) -> Result<String, String> {
    let endpoint = Endpoint::from_shared(format!("http://{address}"))
        .map_err(|_| {
            format!("`grpc://{address}` is not an address such as `grpc://127.0.0.1:9191`")
        })?
        .connect_timeout(PATIENCE)
        .timeout(PATIENCE);
    let channel = endpoint
        .connect()
        .await
        .map_err(|error| format!("grpc://{address}: {}", because(&error)))?;
    let answer = HealthClient::new(channel)
        .check(HealthCheckRequest::default())
        .await
        .map_err(|status| format!("grpc://{address}: {}", status.message()))?;
    match answer.into_inner().status() {
        ServingStatus::Serving => Ok("serving".to_owned()),
        other => Err(format!("grpc://{address}: {}", other.as_str_name())),
    }
}

/// Longest wait for an answer.
const PATIENCE: Duration = Duration::from_secs(2);
