//! The JSON door's connections: accepted, bounded in number, and dropped when nothing comes.

use std::{net::TcpListener, sync::Arc, time::Duration};

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use tokio::{sync::Semaphore, time::sleep};

use super::{Api, Reach, router};

/// Serves the JSON door, with `forward_auth` beside it, until the process ends.
pub async fn serve(
    listener: TcpListener,
    api: Api,
    reach: Reach,
    forward_auth: Router,
) -> std::io::Result<()> {
    listener.set_nonblocking(true)?;
    let listener = tokio::net::TcpListener::from_std(listener)?;
    let service = TowerToHyperService::new(router(&api, reach).merge(forward_auth));
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new())
        .header_read_timeout(HEADER_PATIENCE);
    let places = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    loop {
        // The kernel holds further ones back until one of ours ends.
        let Ok(place) = Arc::clone(&places).acquire_owned().await else {
            return Ok(());
        };
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                // Out of file descriptors, most likely: trying again at once would only burn CPU.
                tracing::warn!(%error, "cannot accept a connection");
                sleep(Duration::from_millis(50)).await;
                continue;
            }
        };
        // Answers are small and awaited; without this they wait for the last one's acknowledgement.
        let _ = stream.set_nodelay(true);
        let connection = http.serve_connection(TokioIo::new(stream), service.clone());
        tokio::spawn(async move {
            // What goes wrong on a connection is its caller's doing, and the caller sees it.
            let _ = connection.await;
            drop(place);
        });
    }
}

/// Most connections at once; an idle one costs some kilobytes.
const MAX_CONNECTIONS: usize = 1_024;

/// Longest wait for a request's head, idle connections included.
const HEADER_PATIENCE: Duration = Duration::from_mins(1);
