use super::*;
use crate::proto::{
    AddressKind, AttributeContext, CheckRequest, HeaderMap, HeaderValue, Metadata, Peer, Struct,
    Value,
};

fn state(body: &str, headers: &[(&str, &str)], size: i64) -> &'static str {
    let mut own = Headers::default();
    for (name, value) in headers {
        own.push(name, value);
    }
    let body = Bytes::copy_from_slice(body.as_bytes());
    body_state(body, &own, size, 16).state()
}

#[test]
fn any_sign_of_a_cut_body_makes_it_partial() {
    for (body, headers, size, expected) in [
        ("", &[][..], 0, "absent"),
        ("", &[("content-length", "0")], 0, "absent"),
        ("", &[(PARTIAL_BODY, "false")], 0, "absent"),
        ("", &[(PARTIAL_BODY, "true")], 0, "partial"),
        ("hello", &[(PARTIAL_BODY, "false")], 5, "complete"),
        ("hello", &[], 5, "complete"),
        ("hello", &[(PARTIAL_BODY, "true")], 5, "partial"),
        (
            "hello",
            &[(PARTIAL_BODY, "false"), (PARTIAL_BODY, "true")],
            5,
            "partial",
        ),
        ("hello", &[(PARTIAL_BODY, "yes")], 5, "partial"),
        ("hello", &[], -1, "partial"),
        ("hello", &[], 6, "partial"),
        ("hello", &[("content-length", "6")], 5, "partial"),
        ("hello", &[("content-length", "5")], 5, "complete"),
        (
            "hello",
            &[("content-length", "5"), ("content-length", "5")],
            5,
            "partial",
        ),
        (
            "hello",
            &[("content-length", "99999999999999999999")],
            5,
            "partial",
        ),
        (
            "sixteen bytes ok",
            &[(PARTIAL_BODY, "false")],
            16,
            "partial",
        ),
        (
            "fifteen byte ok",
            &[(PARTIAL_BODY, "false")],
            15,
            "complete",
        ),
    ] {
        assert_eq!(
            state(body, headers, size),
            expected,
            "{body} {headers:?} {size}"
        );
    }
}

fn decoded(http: proto::HttpRequest) -> HttpRequest {
    let attributes = AttributeContext {
        request: Some(proto::Request {
            time: None,
            http: Some(http),
        }),
        ..AttributeContext::default()
    };
    let request = CheckRequest {
        attributes: Some(attributes),
    };
    read(&request).http.expect("http")
}

/// What is read of a request as the generated types write it.
fn read(request: &CheckRequest) -> Check {
    decode(&request.encode_to_vec().into(), Instant::now(), 1_000).expect("a check request")
}

#[test]
fn headers_read_alike_from_the_map_and_from_the_raw_list() {
    let raw = |key: &str, value: &[u8]| HeaderValue {
        key: key.into(),
        raw_value: value.to_vec(),
        ..HeaderValue::default()
    };
    let list = decoded(proto::HttpRequest {
        header_map: Some(HeaderMap {
            headers: vec![raw("x-a", b"1"), raw("x-a", b"2"), raw("x-b", b"\xff")],
        }),
        ..proto::HttpRequest::default()
    });
    let map = decoded(proto::HttpRequest {
        headers: HashMap::from([("x-a".into(), "1,2".into()), ("x-b".into(), "!".into())]),
        ..proto::HttpRequest::default()
    });
    assert_eq!(list.headers.joined("x-a"), map.headers.joined("x-a"));
    assert_eq!(
        list.headers.single("x-b"),
        None,
        "bytes that are not text are no value"
    );
}

#[test]
fn raw_body_comes_before_body_and_host_is_normal() {
    let http = decoded(proto::HttpRequest {
        host: "API.Example:443".into(),
        path: "/a?b=c".into(),
        body: "lossy!".into(),
        raw_body: b"exact\xff".to_vec(),
        size: 6,
        ..proto::HttpRequest::default()
    });
    assert_eq!(http.host, "api.example");
    assert_eq!(http.path.expect("a path").query("b").as_deref(), Some("c"));
    assert_eq!(http.body, Body::Complete(Bytes::from_static(b"exact\xff")));
}

#[test]
fn a_tcp_check_has_no_request_and_an_empty_one_decodes() {
    let check = read(&CheckRequest::default());
    assert!(check.http.is_none() && check.source.address.is_none());
}

#[test]
fn route_metadata_is_read_with_dotted_namespaces() {
    let value = |kind| Value { kind: Some(kind) };
    let inner = Struct {
        fields: [("deep".into(), value(Kind::NumberValue(7.0)))].into(),
    };
    let fields = Struct {
        fields: [
            ("tenant".into(), value(Kind::StringValue("acme".into()))),
            ("nested".into(), value(Kind::StructValue(inner))),
        ]
        .into(),
    };
    let metadata = Metadata {
        filter_metadata: [("com.example.policy".into(), fields)].into(),
        ..Metadata::default()
    };
    let attributes = AttributeContext {
        route_metadata_context: Some(metadata),
        ..AttributeContext::default()
    };
    let check = read(&CheckRequest {
        attributes: Some(attributes),
    });
    assert_eq!(
        check.metadata("com.example.policy.tenant").as_deref(),
        Some("acme")
    );
    assert_eq!(
        check.metadata("com.example.policy.nested.deep").as_deref(),
        Some("7")
    );
    assert_eq!(check.metadata("com.example.policy.nested"), None);
    assert_eq!(check.metadata("com.example.tenant"), None);
}

#[test]
fn who_is_at_the_other_end_and_what_the_operator_says_is_read() {
    let peer = |address: &str, principal: &str| Peer {
        address: Some(proto::Address {
            address: Some(AddressKind::SocketAddress(proto::SocketAddress {
                address: address.into(),
                ..proto::SocketAddress::default()
            })),
        }),
        principal: principal.into(),
        certificate: "a%20certificate".into(),
        ..Peer::default()
    };
    let attributes = |source| AttributeContext {
        source: Some(source),
        context_extensions: [("tenant".into(), "acme".into())].into(),
        ..AttributeContext::default()
    };
    let check = read(&CheckRequest {
        attributes: Some(attributes(peer("2001:db8::7", "spiffe://a/b"))),
    });
    let source = check.source;
    assert_eq!(source.address, "2001:db8::7".parse().ok());
    assert_eq!(source.principal.as_deref(), Some("spiffe://a/b"));
    assert_eq!(source.certificate.as_deref(), Some("a%20certificate"));
    assert_eq!(check.context["tenant"], "acme");
    let check = read(&CheckRequest {
        attributes: Some(attributes(peer("pipe", "a\0b"))),
    });
    assert_eq!((check.source.address, check.source.principal), (None, None));
}

#[test]
fn what_is_no_check_request_is_malformed() {
    let request = CheckRequest {
        attributes: Some(AttributeContext {
            request: Some(proto::Request {
                time: None,
                http: Some(proto::HttpRequest {
                    path: "/a".into(),
                    ..proto::HttpRequest::default()
                }),
            }),
            ..AttributeContext::default()
        }),
    };
    let good = request.encode_to_vec();
    let read = |bytes: &[u8]| decode(&Bytes::copy_from_slice(bytes), Instant::now(), 16);
    assert!(read(&good).is_ok());
    for end in 1..good.len() {
        assert_eq!(read(&good[..end]).err(), Some(Malformed), "{end}");
    }
    let mut other = good.clone();
    let path = other.len() - 1;
    other[path] = 0xff;
    assert_eq!(
        read(&other).err(),
        Some(Malformed),
        "a path that is no text"
    );
    let number_for_a_message = [0x08, 0x01];
    assert_eq!(read(&number_for_a_message).err(), Some(Malformed));
}
