use super::*;

const FORM: &str = "multipart/form-data; boundary=b";

fn form(parts: &[(&str, &str)]) -> Vec<u8> {
    let mut body = String::new();
    for (headers, content) in parts {
        body.push_str("--b\r\n");
        body.push_str(headers);
        body.push_str("\r\n\r\n");
        body.push_str(content);
        body.push_str("\r\n");
    }
    (body + "--b--\r\n").into_bytes()
}

/// The contents, or what is wrong.
fn contents(body: &[u8]) -> Result<Vec<String>, Error> {
    let pieces = take_apart(body, "b")?;
    let covered: usize = pieces.iter().map(|piece| range(piece).len()).sum();
    assert_eq!(covered, body.len(), "nothing is lost");
    let contents = pieces.iter().filter_map(|piece| match piece {
        Piece::Part(part) => Some(&body[part.content.clone()]),
        Piece::Between(_) => None,
    });
    Ok(contents
        .map(|content| String::from_utf8_lossy(content).into_owned())
        .collect())
}

fn range<'p>(piece: &'p Piece<'_>) -> &'p Range<usize> {
    match piece {
        Piece::Between(range) => range,
        Piece::Part(part) => &part.content,
    }
}

#[test]
fn contents_are_found() {
    let prompt = "Content-Disposition: form-data; name=\"prompt\"";
    let body = form(&[
        (prompt, "hello\r\nyou"),
        ("X-Any: 1", ""),
        (prompt, "x--bye --b"),
    ]);
    assert_eq!(
        contents(&body),
        Ok(vec![
            "hello\r\nyou".into(),
            String::new(),
            "x--bye --b".into()
        ])
    );
    let preamble = [b"before\r\n", &body[..], b"after"].concat();
    assert_eq!(contents(&preamble).map(|contents| contents.len()), Ok(3));
    assert_eq!(
        contents(b"--b\r\n\r\nno headers\r\n--b--"),
        Ok(vec!["no headers".into()])
    );
    assert_eq!(
        contents(b"--b \t\r\n\r\nblanks\r\n--b--\t"),
        Ok(vec!["blanks".into()])
    );
    assert_eq!(contents(b"--b--\r\n"), Ok(Vec::new()));
}

#[test]
fn what_parsers_read_in_several_ways_is_refused() {
    for body in [
        "",
        "hello",
        "--b\r\n\r\nnever closed",
        "--b\r\n\r\nclosed twice\r\n--b--\r\n--b--",
        "--b\r\n\r\nafter the end\r\n--b--\r\n\r\n--b\r\n\r\nx\r\n--b--",
        "--b\n\nbare line feeds\n--b--\n",
        "--b\r\n\r\nbare line feed\n--b\r\n\r\nx\r\n--b--",
        "--b\r\n\r\nlonger\r\n--bc\r\n\r\nx\r\n--b--",
        "--b\r\nno end of headers\r\n--b--",
        "--b\r\nContent-Type: a\n\nbare\r\n\r\nx\r\n--b--",
        "--b\r\nA: 1\r\nA: 2\r\n\r\ntwice\r\n--b--",
        "--b\r\nA: 1\r\n continued\r\n\r\nfolded\r\n--b--",
        "--b\r\nA : 1\r\n\r\nblank\r\n--b--",
        "--b\r\nno colon\r\n\r\nx\r\n--b--",
        "--b\r\n--b--\r\n",
        "--b\r\nContent-Disposition: form-data; name=a; name=b\r\n\r\nx\r\n--b--",
        "--b\r\nContent-Disposition: form-data; name=\"a\r\n\r\nx\r\n--b--",
    ] {
        let refused = contents(body.as_bytes());
        assert!(
            matches!(refused, Err(Error::Malformed { .. })),
            "{body:?} {refused:?}"
        );
    }
    let many = form(&[("A: 1", "x"); MOST_PARTS + 1]);
    assert_eq!(contents(&many), Err(Error::TooLarge));
    let encoded = form(&[("Content-Transfer-Encoding: uuencode", "x")]);
    assert_eq!(contents(&encoded), Err(Error::Encoded));
}

#[test]
fn the_boundary_is_beyond_doubt_or_refused() {
    for (content_type, expected) in [
        ("text/plain; boundary=b", None),
        (FORM, Some("b")),
        (
            "Multipart/Form-Data;BOUNDARY=\"a b\"; charset=utf-8",
            Some("a b"),
        ),
        ("multipart/mixed; boundary=\"x\\=y\"", Some("x=y")),
        (
            "multipart/form-data; boundary=----WebKitFormBoundary7MA",
            Some("----WebKitFormBoundary7MA"),
        ),
    ] {
        assert_eq!(
            boundary(content_type).expect(content_type).as_deref(),
            expected
        );
    }
    for content_type in [
        "multipart/form-data",
        "multipart/form-data; charset=utf-8",
        "multipart/form-data; boundary=",
        "multipart/form-data; boundary=b; boundary=c",
        "multipart/form-data; boundary=b; boundary*=utf-8''c",
        "multipart/form-data; boundary*0=b; boundary*1=c",
        "multipart/form-data; boundary=b, text/plain",
        "text/plain, multipart/form-data; boundary=b",
        "multipart/form-data; boundary=\"b",
        "multipart/form-data; boundary=\"b\"c",
        "multipart/form-data; boundary=b\u{e9}",
        "multipart/; boundary=b",
    ] {
        assert!(boundary(content_type).is_err(), "{content_type}");
    }
    let long = "x".repeat(LONGEST_BOUNDARY + 1);
    assert!(boundary(&format!("multipart/form-data; boundary={long}")).is_err());
}

#[test]
fn what_a_part_says_of_itself() {
    let body = form(&[
        (
            "content-disposition: form-data; name=f; filename=\"a;\\\"b\\\".txt\"\r\nCONTENT-TYPE: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: Base64",
            "aGk=",
        ),
        ("Content-Disposition: form-data; name=\"filename\"", "x"),
    ]);
    let pieces = take_apart(&body, "b").expect("good");
    let parts: Vec<&Part<'_>> = pieces
        .iter()
        .filter_map(|piece| match piece {
            Piece::Part(part) => Some(part),
            Piece::Between(_) => None,
        })
        .collect();
    assert!(parts[0].is_file && !parts[1].is_file);
    assert_eq!(parts[0].content_type, "text/plain; charset=utf-8");
    assert_eq!(parts[0].transfer, Transfer::Base64);
    assert_eq!(parts[1].transfer, Transfer::None);
}

#[test]
fn transfer_encodings_are_undone() {
    assert_eq!(base64(b"aWdu\r\nb3Jl"), b"ignore");
    assert_eq!(base64(b"aWdub3Jl!!"), b"ignore");
    assert_eq!(base64(b"aWdub3JlX"), b"ignore");
    assert_eq!(base64(b""), b"");
    assert_eq!(
        quoted_printable(b"ig=6Eore=\r\n al=\nl=3D=zz="),
        b"ignore all==zz="
    );
}
