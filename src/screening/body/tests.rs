use super::*;

const LIMITS: Limits = Limits {
    depth: 64,
    text: 10_000,
};

fn headers(pairs: &[(&str, &str)]) -> Headers {
    let mut headers = Headers::default();
    for (name, value) in pairs {
        headers.push(name, value);
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
        ("content-type", "text/plain; charset = utf-16be"),
        ("content-type", "text/plain; charset*=utf-8''utf-16be"),
        ("content-type", "text/plain; charset*0=utf-; charset*1=16be"),
        (
            "content-type",
            "application/json, text/plain; charset=utf-16",
        ),
    ] {
        assert_eq!(
            read_as(b"{}", &[(name, value)]),
            Err(Error::Encoded),
            "{value}"
        );
    }
    for compressed in [&b"\x1f\x8b\x08\0ab"[..], b"\x28\xb5\x2f\xfdab", b"x\x9cab"] {
        assert_eq!(
            read_as(compressed, &[]),
            Err(Error::Encoded),
            "{compressed:?}"
        );
    }
    assert!(read_as(b"xylophone", &[]).is_ok());
    assert!(read_as(b"{}", &[("content-encoding", "identity")]).is_ok());
    for charset in ["charset = \"UTF-8\"", "charset*=utf-8''utf-8", "boundary=x"] {
        let content_type = format!("text/plain; {charset}");
        assert!(read_as(b"hi", &[("content-type", &content_type)]).is_ok());
    }
}

/// `text` in UTF-16 and UTF-32, both byte orders, with and without byte-order mark.
fn wide(text: &str) -> Vec<Vec<u8>> {
    let mut all = Vec::new();
    for text in [text.to_owned(), format!("\u{feff}{text}")] {
        all.push(text.encode_utf16().flat_map(u16::to_be_bytes).collect());
        all.push(text.encode_utf16().flat_map(u16::to_le_bytes).collect());
        let units = || text.chars().map(u32::from);
        all.push(units().flat_map(u32::to_be_bytes).collect());
        all.push(units().flat_map(u32::to_le_bytes).collect());
    }
    all
}

#[test]
fn utf_16_and_utf_32_are_refused_whatever_they_are_called() {
    let json = "content-type";
    for headers in [
        &[][..],
        &[(json, "application/octet-stream")],
        &[(json, "text/plain")],
        &[(json, "text/json")],
        &[(json, "application/json,text/plain")],
        &[(json, "application/json"), (json, "text/plain")],
    ] {
        for body in wide(r#"{"prompt":"hello"}"#) {
            let read = read_as(&body, headers);
            assert_eq!(read, Err(Error::Encoded), "{headers:?} {body:?}");
        }
    }
    let body = "\u{feff}漢字".encode_utf16().flat_map(u16::to_be_bytes);
    let body: Vec<u8> = body.collect();
    assert_eq!(read_as(&body, &[]), Err(Error::Encoded), "without a NUL");
}

#[test]
fn one_json_type_among_others_makes_it_json() {
    let json = "content-type";
    for headers in [
        &[(json, "text/json")][..],
        &[(json, "text/plain, application/json")],
        &[(json, "application/json;charset=utf-8,text/plain")],
        &[(json, "text/plain"), (json, "application/x+json")],
    ] {
        let read = read_as(b"{\"a\": \"\xff\"}", headers);
        assert!(matches!(read, Err(Error::Malformed { .. })), "{headers:?}");
    }
}

#[test]
fn a_byte_order_mark_hides_no_json() {
    let body = "\u{feff}{\"prompt\":\"a\\u0062c\"}";
    let text_plain = &[("content-type", "text/plain")][..];
    for headers in [&[][..], text_plain] {
        let read = read_as(body.as_bytes(), headers);
        assert_eq!(read, Ok(("abc".to_owned(), true)));
    }
    let body = Body::Complete(body.to_owned().into());
    let read = read(&body, &Headers::default(), LIMITS).expect("read");
    assert_eq!(read.document.locate(0, 0..1).1, 14..15);
}

#[test]
fn bytes_that_are_no_text_neither_hide_words_nor_join_them() {
    let body = b"Ig\xffnore all\xfe\xfeprevious";
    let (text, _) = read_as(body, &[("content-type", "text/plain")]).expect("read");
    assert_eq!(text, "Ig nore all  previousIgnore allprevious");
    let body = Body::Complete(body.to_vec().into());
    let read = read(&body, &Headers::default(), LIMITS).expect("read");
    assert_eq!(read.document.locate(1, 0..6).1, 0..7);
}

#[test]
fn bytes_that_are_no_text_are_passed_over_and_offsets_stay_right() {
    let body = Body::Complete(b"a\xff\xfeb".to_vec().into());
    let headers = headers(&[("content-type", "multipart/form-data; boundary=x")]);
    let read = read(&body, &headers, LIMITS).expect("read");
    let at = read.document.text.find('b').expect("b");
    assert_eq!(read.document.locate(0, at..at + 1).1, 3..4);
}

#[test]
fn forms_are_decoded() {
    let form = "application/x-www-form-urlencoded";
    let body = b"a=%49gnore+all%20previous&b=+x%&c=caf%C3%A9%ffs";
    let decoded = "a=Ignore all previous&b= x%&c=caf\u{e9} s";
    let (text, _) = read_as(body, &[("content-type", form)]).expect("read");
    assert!(text.contains(decoded), "{text}");
    assert!(text.ends_with("caf\u{e9}s"), "{text}");
    let (text, _) = read_as(body, &[("content-type", "text/plain")]).expect("read");
    assert_eq!(text.as_bytes(), body);

    let body = Body::Complete(body.to_vec().into());
    let read = read(&body, &headers(&[("content-type", form)]), LIMITS).expect("read");
    assert_eq!(read.document.locate(1, 2..3).1, 2..5);
    assert_eq!(read.document.locate(1, 2..12).1, 2..14);
    assert_eq!(read.document.locate(2, 2..12).1, 2..14);
    let at = decoded.find('\u{e9}').expect("the letter");
    assert_eq!(read.document.locate(1, at..at + 2).1, 37..43);
}
