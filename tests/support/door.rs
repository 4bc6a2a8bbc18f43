//! Envoy's question put directly to Subzero's gRPC door: for tests of what Envoy is told, and of more
//! questions at once than a proxy would let through.

use std::{collections::HashMap, net::SocketAddr};

use envoy_types::pb::envoy::service::auth::v3::{
    AttributeContext, CheckRequest,
    attribute_context::{HttpRequest, Request},
    authorization_client::AuthorizationClient,
    check_response::HttpResponse,
};
use tonic::transport::Channel;

/// A connection to the door. Clones share it.
#[derive(Clone, Debug)]
pub(crate) struct Door {
    client: AuthorizationClient<Channel>,
}

/// What Envoy is told.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Answer {
    /// It may pass.
    Allowed,
    /// It may not: the status and `x-subzero-reason`.
    Denied(i32, String),
    /// Envoy's own failure mode decides: the status and `x-subzero-reason`.
    Error(i32, String),
}

impl Door {
    /// Connects.
    ///
    /// # Panics
    ///
    /// When nobody listens there.
    pub(crate) async fn dial(address: SocketAddr) -> Self {
        let channel = Channel::from_shared(format!("http://{address}")).expect("an address");
        let channel = channel.connect().await.expect("the door is open");
        Self {
            client: AuthorizationClient::new(channel),
        }
    }

    /// Asks whether `POST path` of `service.example` may pass.
    ///
    /// # Panics
    ///
    /// When there is no answer, or one without a status.
    pub(crate) async fn ask(&self, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
        let headers = headers
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let http = HttpRequest {
            method: "POST".into(),
            path: path.into(),
            host: "service.example".into(),
            headers: headers.collect::<HashMap<_, _>>(),
            size: i64::try_from(body.len()).expect("a short body"),
            raw_body: body.to_vec(),
            ..HttpRequest::default()
        };
        let attributes = AttributeContext {
            request: Some(Request {
                http: Some(http),
                ..Request::default()
            }),
            ..AttributeContext::default()
        };
        let request = CheckRequest {
            attributes: Some(attributes),
        };
        let answer = self.client.clone().check(request).await;
        let answer = answer.expect("an answer").into_inner();
        let code = answer.status.expect("a status").code;
        let told = |denied: envoy_types::pb::envoy::service::auth::v3::DeniedHttpResponse| {
            let reason = denied
                .headers
                .iter()
                .filter_map(|header| header.header.as_ref());
            let reason = reason
                .filter(|header| header.key == "x-subzero-reason")
                .map(|header| match header.raw_value.as_slice() {
                    [] => header.value.clone(),
                    raw => String::from_utf8_lossy(raw).into_owned(),
                })
                .next();
            let status = denied.status.map_or(0, |status| status.code);
            (status, reason.unwrap_or_default())
        };
        match answer.http_response.expect("a response") {
            HttpResponse::OkResponse(_) => {
                assert_eq!(code, 0, "passes");
                Answer::Allowed
            }
            HttpResponse::DeniedResponse(denied) => {
                assert_ne!(code, 0, "does not pass");
                let (status, reason) = told(denied);
                Answer::Denied(status, reason)
            }
            HttpResponse::ErrorResponse(denied) => {
                assert_ne!(code, 0, "does not pass");
                let (status, reason) = told(denied);
                Answer::Error(status, reason)
            }
        }
    }
}
