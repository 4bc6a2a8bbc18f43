//! Where tokens are found, and what is no single token.

use super::*;
use crate::{
    check::{Body, RequestPath},
    verdict::Reason,
};

fn outcome(values: &[&[u8]]) -> Result<String, Reason> {
    let mut headers = Headers::default();
    for value in values {
        headers.push("Authorization", value);
    }
    authorization(&headers)
        .map(|credential| credential.token.to_owned())
        .map_err(|error| error.reason())
}

#[test]
fn one_token_is_taken_whatever_the_case_of_its_scheme() {
    for value in ["Bearer a.b-_.c", "bearer a.b-_.c", "BEARER   a.b-_.c"] {
        assert_eq!(outcome(&[value.as_bytes()]), Ok("a.b-_.c".to_owned()));
    }
}

#[test]
fn opaque_tokens_and_the_scheme_of_proofs_are_taken_too() {
    for value in ["Bearer a~b+c/d==", "DPoP a.b.c", "dpop a"] {
        let (_, token) = value.split_once(' ').expect("two words");
        assert_eq!(outcome(&[value.as_bytes()]), Ok(token.to_owned()));
    }
    for value in ["Bearer =", "Bearer a=b", "Bearer a:b"] {
        assert_eq!(outcome(&[value.as_bytes()]), Err(Reason::TokenMalformed));
    }
}

#[test]
fn no_token_is_missing_and_a_strange_one_malformed() {
    let long = format!("Bearer {}", "a".repeat(MAX_TOKEN + 1));
    let full = format!("Bearer {}", "a".repeat(MAX_TOKEN));
    assert!(outcome(&[full.as_bytes()]).is_ok());
    let cases: [(&[&[u8]], Reason); 14] = [
        (&[], Reason::TokenMissing),
        (&[b""], Reason::TokenMissing),
        (&[b"Basic YTpi"], Reason::TokenMissing),
        (&[b"a.b.c"], Reason::TokenMissing),
        (&[b"Bearer"], Reason::TokenMalformed),
        (&[b"Bearer "], Reason::TokenMalformed),
        (&[b"Bearer a b"], Reason::TokenMalformed),
        (&[b"Bearer\ta"], Reason::TokenMalformed),
        (&[b"Bearer a,Bearer b"], Reason::TokenMalformed),
        (&[b"Bearer a,b"], Reason::TokenMalformed),
        (&[b"Bearer a", b"Bearer a"], Reason::TokenMalformed),
        (&[b"Basic YTpi", b"Bearer a"], Reason::TokenMalformed),
        (&[b"Bearer a\xff"], Reason::TokenMalformed),
        (&[long.as_bytes()], Reason::TokenMalformed),
    ];
    for (values, reason) in cases {
        assert_eq!(outcome(values), Err(reason), "{}", values.len());
    }
}

/// What is found in `place` of a request with these headers.
fn found(place: &Place, target: &str, headers: &[(&str, &str)]) -> Result<String, Reason> {
    let mut own = Headers::default();
    for (name, value) in headers {
        own.push(name, value.as_bytes());
    }
    let request = HttpRequest {
        method: "GET".to_owned(),
        host: "api.example".to_owned(),
        path: RequestPath::parse(target),
        headers: own,
        body: Body::Absent,
    };
    find(&request, Some(place))
        .map(|credential| credential.token.to_owned())
        .map_err(|error| error.reason())
}

const MISSING: Result<&str, Reason> = Err(Reason::TokenMissing);
const MALFORMED: Result<&str, Reason> = Err(Reason::TokenMalformed);

#[test]
fn a_named_header_holds_the_bare_token_once() {
    let place = Place::Header("x-token".to_owned());
    let cases: [(&[(&str, &str)], _); 7] = [
        (&[("X-Token", "a.b.c")], Ok("a.b.c")),
        (
            &[("x-token", "a.b.c"), ("authorization", "Bearer x")],
            Ok("a.b.c"),
        ),
        (&[("authorization", "Bearer a.b.c")], MISSING),
        (&[("x-token", "")], MALFORMED),
        (&[("x-token", "Bearer a.b.c")], MALFORMED),
        (&[("x-token", "a.b.c,a.b.c")], MALFORMED),
        (&[("x-token", "a.b.c"), ("x-token", "a.b.c")], MALFORMED),
    ];
    for (headers, expected) in cases {
        let expected = expected.map(str::to_owned);
        assert_eq!(found(&place, "/", headers), expected, "{headers:?}");
    }
}

#[test]
fn a_cookie_is_found_among_others_and_stands_once() {
    let place = Place::Cookie("session".to_owned());
    let cases: [(&[&str], _); 15] = [
        (&["session=a.b.c"], Ok("a.b.c")),
        (&["x=1; session=a.b.c; y=2"], Ok("a.b.c")),
        (&["x=1;session=a.b.c"], Ok("a.b.c")),
        (&["x=1", "session=a.b.c"], Ok("a.b.c")),
        (&["x=1,session=a.b.c"], Ok("a.b.c")),
        (&[], MISSING),
        (&["session"], MISSING),
        (&["Session=a.b.c; xsession=d"], MISSING),
        (&["session="], MALFORMED),
        (&["session=\"a.b.c\""], MALFORMED),
        (&["session=a.b.c; session=a.b.c"], MALFORMED),
        (&["session=a.b.c", "session=a.b.c"], MALFORMED),
        (&["session=a.b.c,session=a.b.c"], MALFORMED),
        (&["session=a.b.c; x=1,session=d"], MALFORMED),
        (&["session =d; session=a.b.c"], MALFORMED),
    ];
    for (values, expected) in cases {
        let headers: Vec<_> = values.iter().map(|value| ("cookie", *value)).collect();
        let expected = expected.map(str::to_owned);
        assert_eq!(found(&place, "/", &headers), expected, "{values:?}");
    }
}

#[test]
fn a_query_parameter_is_spelt_plainly_and_stands_once() {
    let place = Place::Query("token".to_owned());
    for (target, expected) in [
        ("/?token=a.b.c", Ok("a.b.c")),
        ("/x?a=1&token=a.b.c&b=%zz", Ok("a.b.c")),
        ("/", MISSING),
        ("/?", MISSING),
        ("/?Token=a.b.c&xtoken=d&a=token=e", MISSING),
        ("/?token", MALFORMED),
        ("/?token=", MALFORMED),
        ("/?token=a.b%2Ec", MALFORMED),
        ("/?token=a.b.c;d", MALFORMED),
        ("/?token=a.b.c&token=a.b.c", MALFORMED),
        ("/?token=a.b.c&%74oken=d", MALFORMED),
        ("/?%74oken=a.b.c", MALFORMED),
        ("/..?token=a.b.c", MALFORMED),
    ] {
        let expected = expected.map(str::to_owned);
        assert_eq!(found(&place, target, &[]), expected, "{target}");
    }
}
