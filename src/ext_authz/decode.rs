//! Envoy's `CheckRequest` into a [`Check`].
//!
//! Everything here is about what a proxy may have changed, joined, cut or left out on the way. The
//! message is read where it lies (see `wire`): field numbers are those of
//! `envoy/service/auth/v3/attribute_context.proto`.

use std::{collections::HashMap, net::IpAddr, time::Instant};

use bytes::Bytes;
use prost::Message;
use serde_json::Value as Json;

use super::wire::{Fields, Malformed, Value};
use crate::{
    check::{Body, Check, Headers, HttpRequest, Removes, RequestPath, Source, normal_host},
    proto::{self, Kind},
};

/// Reads what a decision may use. `max_body_bytes` is the proxy's buffer limit.
pub(super) fn decode(
    message: &Bytes,
    deadline: Instant,
    max_body_bytes: usize,
) -> Result<Check, Malformed> {
    let mut check = Check {
        http: None,
        source: Source::default(),
        context: HashMap::new(),
        metadata: HashMap::new(),
        removes: Removes::ALL,
        shows_ours: false,
        deadline,
    };
    for field in Fields::of(message) {
        if let (1, attributes) = field? {
            read_attributes(attributes.bytes()?, message, max_body_bytes, &mut check)?;
        }
    }
    Ok(check)
}

fn read_attributes(
    attributes: &[u8],
    message: &Bytes,
    max_body_bytes: usize,
    check: &mut Check,
) -> Result<(), Malformed> {
    for field in Fields::of(attributes) {
        match field? {
            (1, peer) => read_peer(peer.bytes()?, &mut check.source)?,
            (4, request) => {
                for field in Fields::of(request.bytes()?) {
                    if let (2, http) = field? {
                        let http = read_http(http.bytes()?, message, max_body_bytes)?;
                        check.http = Some(http);
                    }
                }
            }
            (10, entry) => {
                let (name, value) = read_pair(entry.bytes()?)?;
                check
                    .context
                    .insert(name.to_owned(), text(value)?.to_owned());
            }
            (13, metadata) => {
                let metadata = proto::Metadata::decode(metadata.bytes()?);
                check
                    .metadata
                    .extend(read_metadata(metadata.map_err(|_| Malformed)?));
            }
            _ => {}
        }
    }
    Ok(())
}

fn read_http(
    http: &[u8],
    message: &Bytes,
    max_body_bytes: usize,
) -> Result<HttpRequest, Malformed> {
    let (mut method, mut path, mut host) = ("", "", "");
    let (mut body, mut raw_body, mut size) = (&[][..], &[][..], 0);
    let mut headers = Headers::with_room(http.len().min(USUAL_HEADERS));
    for field in Fields::of(http) {
        match field? {
            (2, value) => method = value.text()?,
            // One of the two is filled, depending on `encode_raw_headers`.
            (3, entry) => {
                let (name, value) = read_pair(entry.bytes()?)?;
                headers.push(name, value);
            }
            (13, map) => read_header_map(map.bytes()?, &mut headers)?,
            // `query` and `fragment` are always empty: everything is in `path`.
            (4, value) => path = value.text()?,
            (5, value) => host = value.text()?,
            (9, value) => size = value.number()?.cast_signed(),
            (11, value) => body = value.bytes()?,
            (12, value) => raw_body = value.bytes()?,
            _ => {}
        }
    }
    let body = if raw_body.is_empty() { body } else { raw_body };
    Ok(HttpRequest {
        method: method.to_owned(),
        host: normal_host(host),
        path: RequestPath::parse(path),
        body: body_state(message.slice_ref(body), &headers, size, max_body_bytes),
        headers,
    })
}

fn read_header_map(map: &[u8], headers: &mut Headers) -> Result<(), Malformed> {
    for field in Fields::of(map) {
        let (1, header) = field? else { continue };
        let (mut name, mut value, mut raw) = ("", &[][..], &[][..]);
        for field in Fields::of(header.bytes()?) {
            match field? {
                (1, key) => name = key.text()?,
                (2, text) => value = text.bytes()?,
                (3, bytes) => raw = bytes.bytes()?,
                _ => {}
            }
        }
        headers.push(name, if raw.is_empty() { value } else { raw });
    }
    Ok(())
}

/// An entry of a map: its key, and its value as bytes.
fn read_pair(entry: &[u8]) -> Result<(&str, &[u8]), Malformed> {
    let (mut name, mut value) = ("", &[][..]);
    for field in Fields::of(entry) {
        match field? {
            (1, key) => name = key.text()?,
            (2, bytes) => value = bytes.bytes()?,
            _ => {}
        }
    }
    Ok((name, value))
}

fn text(bytes: &[u8]) -> Result<&str, Malformed> {
    Value::Bytes(bytes).text()
}

/// Complete, partial or absent. Any sign of a cut body makes it partial, whatever the other signs
/// say: Envoy calls a chunked body complete when its first bytes fill the buffer exactly.
///
/// `size` is what the proxy says has come; 0 says nothing.
pub(crate) fn body_state(
    bytes: Bytes,
    headers: &Headers,
    size: i64,
    max_body_bytes: usize,
) -> Body {
    let marked = headers.joined(PARTIAL_BODY);
    if bytes.is_empty() {
        return match marked.as_deref() {
            None | Some(b"false") => Body::Absent,
            Some(_) => Body::Partial(Bytes::new()),
        };
    }
    let length = bytes.len();
    // A length that cannot be read (two of them, too large) is no sign that all has come.
    let promised = headers.joined("content-length").map(|text| {
        str::from_utf8(&text)
            .ok()
            .and_then(|text| text.parse::<usize>().ok())
    });
    let is_cut = marked.is_some_and(|mark| *mark != *b"false")
        || length >= max_body_bytes
        || size < 0
        || usize::try_from(size).is_ok_and(|size| size > length)
        || promised.is_some_and(|promised| promised.is_none_or(|promised| promised > length));
    if is_cut {
        Body::Partial(bytes)
    } else {
        Body::Complete(bytes)
    }
}

/// Set by Envoy when it buffers a body; a client's own is dropped from the check.
const PARTIAL_BODY: &str = "x-envoy-auth-partial-body";

fn read_peer(peer: &[u8], source: &mut Source) -> Result<(), Malformed> {
    let said = |text: &str| (!text.is_empty() && !text.contains('\0')).then(|| text.to_owned());
    for field in Fields::of(peer) {
        match field? {
            (1, address) => source.address = read_address(address.bytes()?)?,
            (4, principal) => source.principal = said(principal.text()?),
            (5, certificate) => source.certificate = said(certificate.text()?),
            _ => {}
        }
    }
    Ok(())
}

/// The IP address of a socket address; `None` for pipes and names.
fn read_address(address: &[u8]) -> Result<Option<IpAddr>, Malformed> {
    let mut ip = None;
    for field in Fields::of(address) {
        let (1, socket) = field? else { continue };
        for field in Fields::of(socket.bytes()?) {
            if let (2, text) = field? {
                ip = text.text()?.parse().ok();
            }
        }
    }
    Ok(ip)
}

fn read_metadata(metadata: proto::Metadata) -> impl Iterator<Item = (String, Json)> {
    let fields = |fields: proto::Struct| json(Kind::StructValue(fields), 0);
    let namespaces = metadata.filter_metadata.into_iter();
    namespaces.map(move |(name, value)| (name, fields(value)))
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

/// Room for the headers of most requests; a body in the message is no reason for more.
const USUAL_HEADERS: usize = 2_048;

#[cfg(test)]
mod tests;
