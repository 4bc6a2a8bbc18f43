use super::*;

const LIMITS: Limits = Limits {
    depth: 64,
    text: 10_000,
};

fn headers(pairs: &[(&str, &str)]) -> Headers {
    let mut headers = Headers::default();
    for (name, value) in pairs {
        headers.push(name, (*value).into());
    }
    headers
}

fn read_as(body: &[u8], pairs: &[(&str, &str)]) -> Result<(String, bool), Error> {
    let body = Body::Complete(body.to_vec().into());
    let read = read(&body, &headers(pairs), LIMITS)?;
    Ok((read.document.text, read.json.is_some()))
}

#[test]
fn json_is_read_as_json_whatever_its_label() {
    let body = br#"{"prompt":"a\u0062c"}"#;
    for content_type in [
        "application/json",
        "application/json; charset=UTF-8",
        "application/vnd.api+json",
        "text/plain",
        "application/octet-stream",
    ] {
        let read = read_as(body, &[("content-type", content_type)]);
        assert_eq!(read, Ok(("abc".to_owned(), true)), "{content_type}");
    }
    assert_eq!(read_as(body, &[]), Ok(("abc".to_owned(), true)));
}

#[test]
fn what_claims_to_be_json_must_be() {
    for body in [&b"{"[..], b"{} {}", b"hello", b"{\"a\":\"\xff\"}", b"[NaN]"] {
        let read = read_as(body, &[("content-type", "application/json")]);
        assert!(matches!(read, Err(Error::Malformed { .. })), "{body:?}");
    }
    assert!(read_as(b"{", &[]).is_err(), "begins as JSON");
    assert_eq!(read_as(b"hello", &[]), Ok(("hello".to_owned(), false)));
    let text = read_as(b"{not json", &[("content-type", "text/plain")]);
    assert_eq!(text, Ok(("{not json".to_owned(), false)));
}

#[test]
fn what_cannot_be_read_is_refused() {
    for (name, value) in [
        ("content-encoding", "gzip"),
        ("content-encoding", "identity, br"),
        ("content-type", "application/json; charset=utf-16"),
    ] {
        assert_eq!(
            read_as(b"{}", &[(name, value)]),
            Err(Error::Encoded),
            "{value}"
        );
    }
    assert!(read_as(b"{}", &[("content-encoding", "identity")]).is_ok());
}

#[test]
fn bytes_that_are_no_text_are_passed_over_and_offsets_stay_right() {
    let body = Body::Complete(b"a\xff\xfeb".to_vec().into());
    let headers = headers(&[("content-type", "multipart/form-data; boundary=x")]);
    let read = read(&body, &headers, LIMITS).expect("read");
    let at = read.document.text.find('b').expect("b");
    assert_eq!(read.document.locate(0, at..at + 1).1, 3..4);
}
