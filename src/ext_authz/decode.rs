//! Envoy's `CheckRequest` into a [`Check`].
//!
//! Everything here is about what a proxy may have changed, joined, cut or left out on the way.

use std::{collections::HashMap, net::IpAddr, time::Instant};

use bytes::Bytes;
use serde_json::Value as Json;

use crate::{
    check::{Body, Check, Headers, HttpRequest, Removes, RequestPath, Source, normal_host},
    proto::{self, AddressKind, CheckRequest, Kind, Peer},
};

/// Reads what a decision may use. `max_body_bytes` is the proxy's buffer limit.
pub(super) fn decode(request: CheckRequest, deadline: Instant, max_body_bytes: usize) -> Check {
    let attributes = request.attributes.unwrap_or_default();
    let http = attributes.request.and_then(|request| request.http);
    Check {
        http: http.map(|http| decode_http(http, max_body_bytes)),
        source: attributes.source.map(decode_source).unwrap_or_default(),
        context: attributes.context_extensions,
        metadata: attributes
            .route_metadata_context
            .map(decode_metadata)
            .unwrap_or_default(),
        removes: Removes::ALL,
        deadline,
    }
}

fn decode_http(http: proto::HttpRequest, max_body_bytes: usize) -> HttpRequest {
    let mut headers = Headers::default();
    // One of the two is filled, depending on `encode_raw_headers`.
    for (name, value) in http.headers {
        headers.push(&name, value.into_bytes());
    }
    for header in http.header_map.into_iter().flat_map(|map| map.headers) {
        let value = if header.raw_value.is_empty() {
            header.value.into_bytes()
        } else {
            header.raw_value
        };
        headers.push(&header.key, value);
    }
    let body = if http.raw_body.is_empty() {
        http.body.into_bytes()
    } else {
        http.raw_body
    };
    HttpRequest {
        method: http.method,
        host: normal_host(&http.host),
        // `query` and `fragment` are always empty: everything is in `path`.
        path: RequestPath::parse(&http.path),
        body: body_state(body, &headers, http.size, max_body_bytes),
        headers,
    }
}

/// Complete, partial or absent. Any sign of a cut body makes it partial, whatever the other signs
/// say: Envoy calls a chunked body complete when its first bytes fill the buffer exactly.
///
/// `size` is what the proxy says has come; 0 says nothing.
pub(crate) fn body_state(
    body: Vec<u8>,
    headers: &Headers,
    size: i64,
    max_body_bytes: usize,
) -> Body {
    let marked = headers.joined(PARTIAL_BODY);
    if body.is_empty() {
        return match marked.as_deref() {
            None | Some(b"false") => Body::Absent,
            Some(_) => Body::Partial(Bytes::new()),
        };
    }
    let length = body.len();
    // A length that cannot be read (two of them, too large) is no sign that all has come.
    let promised = headers.joined("content-length").map(|text| {
        str::from_utf8(&text)
            .ok()
            .and_then(|text| text.parse::<usize>().ok())
    });
    let is_cut = marked.is_some_and(|mark| mark != b"false")
        || length >= max_body_bytes
        || size < 0
        || usize::try_from(size).is_ok_and(|size| size > length)
        || promised.is_some_and(|promised| promised.is_none_or(|promised| promised > length));
    let bytes = Bytes::from(body);
    if is_cut {
        Body::Partial(bytes)
    } else {
        Body::Complete(bytes)
    }
}

/// Set by Envoy when it buffers a body; a client's own is dropped from the check.
const PARTIAL_BODY: &str = "x-envoy-auth-partial-body";

fn decode_source(peer: Peer) -> Source {
    let address = peer.address.and_then(|address| address.address);
    let address = match address {
        Some(AddressKind::SocketAddress(socket)) => socket.address.parse::<IpAddr>().ok(),
        _ => None,
    };
    let text = |text: String| (!text.is_empty() && !text.contains('\0')).then_some(text);
    Source {
        address,
        principal: text(peer.principal),
        certificate: text(peer.certificate),
    }
}

fn decode_metadata(metadata: proto::Metadata) -> HashMap<String, Json> {
    let fields = |fields: proto::Struct| json(Kind::StructValue(fields), 0);
    metadata
        .filter_metadata
        .into_iter()
        .map(|(name, value)| (name, fields(value)))
        .collect()
}

/// Protobuf's JSON values into serde's, so that no later step depends on protobuf.
fn json(kind: Kind, depth: usize) -> Json {
    let inner = |value: proto::Value| match value.kind {
        Some(kind) if depth < MAX_METADATA_DEPTH => json(kind, depth + 1),
        _ => Json::Null,
    };
    match kind {
        Kind::NullValue(_) => Json::Null,
        Kind::BoolValue(truth) => Json::Bool(truth),
        Kind::StringValue(text) => Json::String(text),
        Kind::NumberValue(number) => whole(number).map_or(Json::Null, Json::from),
        Kind::StructValue(fields) => fields
            .fields
            .into_iter()
            .map(|(name, value)| (name, inner(value)))
            .collect(),
        Kind::ListValue(list) => list.values.into_iter().map(inner).collect(),
    }
}

/// Protobuf numbers are doubles. Only whole ones, small enough to be exact, can be part of an id.
fn whole(number: f64) -> Option<i64> {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    #[expect(clippy::cast_possible_truncation, reason = "whole and within 2^53")]
    (number.fract() == 0.0 && number.abs() <= EXACT).then_some(number as i64)
}

const MAX_METADATA_DEPTH: usize = 16;

#[cfg(test)]
mod tests;
