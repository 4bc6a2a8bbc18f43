//! The API: questions of services that do not stand behind Envoy, in JSON and over gRPC.
//!
//! ```text
//! JSON  (this file) ─ guard (access) ─ read (request) ─┐
//!                                                      ├─ one function a question ─ Dispatcher
//! gRPC  (rpc)       ─ admit (access) ──────────────────┘   (hash, patterns, authz, ai)
//! ```
//!
//! Both doors ask the same functions, so they cannot differ in what they answer or refuse.
//!
//! # What a reader would get wrong
//!
//! The JSON door runs on a runtime and a thread of its own, the gRPC door shares the threads of checks. On both,
//! long calls go to other threads, which give way to checks (`aside`), and what is left goes through the
//! dispatcher in pieces. Nothing asked here is logged, since it may be a prompt.

mod access;
mod ai;
mod analytics;
mod aside;
mod auth;
mod authz;
mod description;
mod hash;
mod json;
mod listener;
mod logout;
mod patterns;
mod refusal;
mod request;
mod risk;
mod rpc;
mod settings;
mod tls;

use std::{sync::Arc, time::Instant};

use arc_swap::ArcSwap;
use axum::{
    Router,
    http::StatusCode,
    middleware::from_fn_with_state,
    routing::{get, post},
};
use tokio::{runtime::Handle, sync::Semaphore};

use self::{access::Guard, refusal::Refusal};
pub use self::{
    access::{Minted, Reach, Scope, mint},
    listener::serve,
    rpc::{SERVICES, routes as grpc_routes},
    settings::{Config, Settings},
    tls::{Client, Config as TlsConfig},
};
pub(crate) use self::{hash::Digests, patterns::Search};
use crate::{
    admission::{Admission, Arrival},
    decisions::Recorder,
    dispatch::{Dispatcher, Done, Lane, Work},
    ext_authz::Serving,
    permission::Authorizer,
};

/// What both doors ask. Clones share everything.
#[derive(Clone, Debug)]
pub struct Api {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    serving: Arc<ArcSwap<Serving>>,
    settings: Arc<ArcSwap<Settings>>,
    dispatcher: Dispatcher,
    recorder: Recorder,
    places: Arc<Semaphore>,
    admission: Admission,
    patient: Handle,
}

impl Api {
    /// An API onto whatever `serving` and `settings` hold at the time of each call. Long calls are answered on
    /// the runtime of `patient`.
    #[must_use]
    pub fn new(
        serving: Arc<ArcSwap<Serving>>,
        settings: Arc<ArcSwap<Settings>>,
        dispatcher: Dispatcher,
        recorder: Recorder,
        admission: Admission,
        patient: Handle,
    ) -> Self {
        Self {
            inner: Arc::new(Inner {
                serving,
                settings,
                dispatcher,
                recorder,
                places: Arc::new(Semaphore::new(MAX_CALLS)),
                admission,
                patient,
            }),
        }
    }

    fn serving(&self) -> Arc<Serving> {
        self.inner.serving.load_full()
    }

    fn settings(&self) -> Arc<Settings> {
        self.inner.settings.load_full()
    }

    fn authorizer(&self) -> Arc<Authorizer> {
        Arc::clone(self.serving().pipeline.authorizer())
    }

    fn recorder(&self) -> &Recorder {
        &self.inner.recorder
    }

    fn arrive(&self) -> Arrival {
        self.inner.admission.arrive()
    }

    fn patient(&self) -> &Handle {
        &self.inner.patient
    }

    fn places(&self) -> &Arc<Semaphore> {
        &self.inner.places
    }

    async fn run<W: Work>(
        &self,
        work: Arc<W>,
        lane: Lane,
        deadline: Instant,
    ) -> Result<Done<W::Output>, Refusal> {
        let done = self.inner.dispatcher.run(work, lane, Some(deadline)).await;
        done.map_err(Refusal::from)
    }
}

/// Every path of the JSON door.
fn router(api: &Api, reach: Reach) -> Router {
    let guard = |scope| {
        let api = api.clone();
        from_fn_with_state(Guard { api, reach, scope }, access::guard)
    };
    let aside = || from_fn_with_state(api.clone(), aside::json);
    let read = Router::new()
        .route("/auth/authenticate", post(auth::authenticate))
        .route("/authz/check", post(authz::check))
        .route("/ai/validate-prompt", post(ai::validate))
        .route("/analytics", get(analytics::decisions))
        .route_layer(aside())
        .route_layer(guard(Scope::Read));
    let batch = Router::new()
        .route("/analytics", post(analytics::sum_up))
        .route("/hash", post(hash::hash))
        .route("/risk/score", post(risk::score))
        .route("/patterns/match", post(patterns::find))
        .route("/auth/verify/batch", post(auth::verify_batch))
        .route("/authz/check/batch", post(authz::check_batch))
        .route("/ai/validate-prompt/batch", post(ai::validate_batch))
        .route_layer(aside())
        .route_layer(guard(Scope::Batch));
    let revoke = Router::new()
        .route("/auth/revoke", post(auth::revoke))
        .route_layer(aside())
        .route_layer(guard(Scope::Revoke));
    // A logout token proves itself, and no issuer has a key of ours.
    let told = Router::new().route("/auth/backchannel-logout", post(logout::logout));
    // Nothing is asked here, so anybody may read it: the description is in the repository too.
    let description = Router::new()
        .route("/openapi.json", get(description::openapi))
        .route("/docs", get(description::docs))
        .route("/docs/", get(description::docs_index))
        .route("/docs/{*file}", get(description::docs_file));
    Router::new()
        .merge(read)
        .merge(batch)
        .merge(revoke)
        .merge(told)
        .merge(description)
        .fallback(async || {
            let detail = "no such path; `/openapi.json` lists them all";
            Refusal::new(StatusCode::NOT_FOUND, detail)
        })
        .method_not_allowed_fallback(async || {
            let detail = "this path does not answer this method; `allow` names those it does";
            Refusal::new(StatusCode::METHOD_NOT_ALLOWED, detail)
        })
        .with_state(api.clone())
}

/// Calls answered at once, over both doors; with the largest bodies they take some gigabytes.
const MAX_CALLS: usize = 256;
