//! The gRPC twin: `subzero.v1` on the listeners that Envoy asks on.
//!
//! It only translates; what is asked, bounded and refused is the JSON door's. What a reader would get
//! wrong: its access rule is not Envoy's. `ext_authz` answers whoever reaches a listener, and these
//! services want a key there unless the listener is this machine's own.

mod convert;

use std::{future::Future, pin::Pin};

use axum::middleware::from_fn_with_state;
use futures_util::{Stream, StreamExt, stream};
use prost::Message;
use tonic::{Request, Response, Status, metadata::MetadataValue, service::Routes};

use super::{
    Api,
    access::{Place, Reach, Scope, Shown},
    ai::{self, Event},
    aside,
    refusal::Refusal,
};
use crate::proto::v1::{
    AuthenticateRequest, AuthenticateResponse, CheckBatchRequest, CheckBatchResponse, HashRequest,
    HashResponse, MatchRequest, MatchResponse, PermissionAnswer, PermissionQuestion, PromptAnswer,
    PromptQuestion, ReportRequest, ReportResponse, RevokeRequest, RevokeResponse, ScoreRequest,
    ScoreResponse, SumUpRequest, SumUpResponse, ValidateBatchRequest, ValidateBatchResponse,
    ValidateStreamResponse, VerifyBatchRequest, VerifyBatchResponse,
    analytics_server::{Analytics, AnalyticsServer},
    hashing_server::{Hashing, HashingServer},
    patterns_server::{Patterns, PatternsServer},
    permissions_server::{Permissions, PermissionsServer},
    prompts_server::{Prompts, PromptsServer},
    risk_server::{Risk, RiskServer},
    tokens_server::{Tokens, TokensServer},
    validate_stream_response,
};

/// The services by name, for health.
pub const SERVICES: [&str; 7] = [
    "subzero.v1.Analytics",
    "subzero.v1.Hashing",
    "subzero.v1.Patterns",
    "subzero.v1.Permissions",
    "subzero.v1.Prompts",
    "subzero.v1.Risk",
    "subzero.v1.Tokens",
];

/// Every service of `subzero.v1` for a listener of this `reach`. Messages of up to `max_message_bytes`
/// are read; `api.max_body` is compared afterwards, so that a reload can raise it.
#[must_use]
pub fn routes(api: &Api, reach: Reach, max_message_bytes: usize) -> Routes {
    let twin = Twin {
        api: api.clone(),
        reach,
    };
    let most = max_message_bytes;
    let mut routes = Routes::builder();
    routes
        .add_service(AnalyticsServer::new(twin.clone()).max_decoding_message_size(most))
        .add_service(HashingServer::new(twin.clone()).max_decoding_message_size(most))
        .add_service(PatternsServer::new(twin.clone()).max_decoding_message_size(most))
        .add_service(PermissionsServer::new(twin.clone()).max_decoding_message_size(most))
        .add_service(PromptsServer::new(twin.clone()).max_decoding_message_size(most))
        .add_service(RiskServer::new(twin.clone()).max_decoding_message_size(most))
        .add_service(TokensServer::new(twin).max_decoding_message_size(most));
    let aside = from_fn_with_state(api.clone(), aside::grpc);
    let all = routes.routes().into_axum_router();
    all.route_layer(aside).into()
}

/// Every service, for one kind of listener.
#[derive(Clone, Debug)]
struct Twin {
    api: Api,
    reach: Reach,
}

impl Twin {
    /// What stands before every call: the key, the place, the size.
    fn admit<T: Message>(&self, request: &mut Request<T>, scope: Scope) -> Result<Place, Refusal> {
        let arrival = request.extensions_mut().remove();
        let arrival = arrival.unwrap_or_else(|| self.api.arrive());
        let authorization = request.metadata().get("authorization");
        let shown = Shown {
            reach: self.reach,
            authorization: authorization.map(MetadataValue::as_bytes),
            names: None,
        };
        let place = self.api.admit(shown, scope, arrival)?;
        let most = self.api.settings().max_body;
        if request.get_ref().encoded_len() > most {
            let wrong = format!(
                "is longer than the {most} bytes that one call may have; send it in several (`api.max_body`)"
            );
            return Err(Refusal::too_many("message", &wrong));
        }
        Ok(place)
    }

    async fn answer<T, Q, A, R, F>(
        &self,
        mut request: Request<T>,
        scope: Scope,
        ask: impl FnOnce(Q) -> F,
    ) -> Result<Response<R>, Status>
    where
        T: Message,
        Q: TryFrom<T, Error = Refusal>,
        F: Future<Output = Result<A, Refusal>>,
        R: From<A>,
    {
        let place = self.admit(&mut request, scope)?;
        let answer = ask(Q::try_from(request.into_inner())?).await?;
        drop(place);
        Ok(Response::new(answer.into()))
    }
}

#[tonic::async_trait]
impl Analytics for Twin {
    async fn report(
        &self,
        request: Request<ReportRequest>,
    ) -> Result<Response<ReportResponse>, Status> {
        self.answer(request, Scope::Read, |asked| async move {
            self.api.report(&asked)
        })
        .await
    }

    async fn sum_up(
        &self,
        request: Request<SumUpRequest>,
    ) -> Result<Response<SumUpResponse>, Status> {
        self.answer(request, Scope::Batch, |asked| self.api.sum_up(asked))
            .await
    }
}

#[tonic::async_trait]
impl Hashing for Twin {
    async fn hash(&self, request: Request<HashRequest>) -> Result<Response<HashResponse>, Status> {
        self.answer(request, Scope::Batch, |asked| self.api.hash(asked))
            .await
    }
}

#[tonic::async_trait]
impl Patterns for Twin {
    async fn r#match(
        &self,
        request: Request<MatchRequest>,
    ) -> Result<Response<MatchResponse>, Status> {
        self.answer(request, Scope::Batch, |asked| self.api.find_patterns(asked))
            .await
    }
}

#[tonic::async_trait]
impl Permissions for Twin {
    async fn check(
        &self,
        request: Request<PermissionQuestion>,
    ) -> Result<Response<PermissionAnswer>, Status> {
        self.answer(request, Scope::Read, |asked| {
            self.api.check_permission(asked)
        })
        .await
    }

    async fn check_batch(
        &self,
        request: Request<CheckBatchRequest>,
    ) -> Result<Response<CheckBatchResponse>, Status> {
        self.answer(request, Scope::Batch, |asked| {
            self.api.check_permissions(asked)
        })
        .await
    }
}

#[tonic::async_trait]
impl Prompts for Twin {
    type ValidateStreamStream =
        Pin<Box<dyn Stream<Item = Result<ValidateStreamResponse, Status>> + Send>>;

    async fn validate(
        &self,
        request: Request<PromptQuestion>,
    ) -> Result<Response<PromptAnswer>, Status> {
        self.answer(request, Scope::Read, |asked| self.api.validate(asked))
            .await
    }

    async fn validate_batch(
        &self,
        request: Request<ValidateBatchRequest>,
    ) -> Result<Response<ValidateBatchResponse>, Status> {
        self.answer(request, Scope::Batch, |asked| {
            self.api.validate_batch(asked)
        })
        .await
    }

    async fn validate_stream(
        &self,
        mut request: Request<ValidateBatchRequest>,
    ) -> Result<Response<Self::ValidateStreamStream>, Status> {
        let place = self.admit(&mut request, Scope::Batch)?;
        let asked = ai::Questions::try_from(request.into_inner())?;
        let events = self.api.validate_stream(asked)?.flat_map(move |event| {
            // The place among the calls in flight is free when the stream is dropped.
            let _ = &place;
            stream::iter(messages(event))
        });
        Ok(Response::new(Box::pin(events)))
    }
}

#[tonic::async_trait]
impl Risk for Twin {
    async fn score(
        &self,
        request: Request<ScoreRequest>,
    ) -> Result<Response<ScoreResponse>, Status> {
        self.answer(request, Scope::Batch, |asked| self.api.score(asked))
            .await
    }
}

#[tonic::async_trait]
impl Tokens for Twin {
    async fn authenticate(
        &self,
        request: Request<AuthenticateRequest>,
    ) -> Result<Response<AuthenticateResponse>, Status> {
        self.answer(request, Scope::Read, |asked| self.api.authenticate(asked))
            .await
    }

    async fn verify_batch(
        &self,
        request: Request<VerifyBatchRequest>,
    ) -> Result<Response<VerifyBatchResponse>, Status> {
        self.answer(request, Scope::Batch, |asked| self.api.verify_tokens(asked))
            .await
    }

    async fn revoke(
        &self,
        request: Request<RevokeRequest>,
    ) -> Result<Response<RevokeResponse>, Status> {
        self.answer(request, Scope::Revoke, |asked| self.api.revoke(asked))
            .await
    }
}

fn messages(event: Result<Event, Refusal>) -> Vec<Result<ValidateStreamResponse, Status>> {
    use validate_stream_response::Event as Told;
    let message = |told| Ok(ValidateStreamResponse { event: Some(told) });
    match event {
        Ok(Event::Slice(answers)) => {
            let results = answers.into_iter();
            let results = results.map(|answer| message(Told::Result(answer.into())));
            results.collect()
        }
        Ok(Event::End(report)) => vec![message(Told::Dispatch(report.into()))],
        Err(refusal) => vec![Err(refusal.into())],
    }
}
