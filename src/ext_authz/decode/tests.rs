use super::*;
use crate::proto::{AttributeContext, HeaderMap, HeaderValue, Metadata, Struct, Value};

fn state(body: &str, headers: &[(&str, &str)], size: i64) -> &'static str {
    let mut own = Headers::default();
    for (name, value) in headers {
        own.push(name, value.as_bytes().to_vec());
    }
    body_state(body.as_bytes().to_vec(), &own, size, 16).state()
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
    decode(request, Instant::now(), 1_000).http.expect("http")
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
    let check = decode(CheckRequest::default(), Instant::now(), 16);
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
    let check = decode(
        CheckRequest {
            attributes: Some(attributes),
        },
        Instant::now(),
        16,
    );
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
