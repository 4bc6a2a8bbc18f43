//! From a request's body to its text, by what its headers say it is.
//!
//! What is not known to be JSON but reads as JSON is read as JSON: upstreams do not all look at the
//! content type, and a wrong one must not be a way past. What cannot be read (another character set,
//! UTF-16 whatever it is called, compressed without saying so or by what is not known here) is refused,
//! never skipped. Of the files in a form those of known kinds (pictures, sound, documents) are passed
//! over as they are in JSON; another binary one is refused.

mod inflate;
mod media;
mod multipart;
mod reading;

use std::{borrow::Cow, str};

use self::{
    inflate::inflate,
    media::Media,
    multipart::{Part, Piece, Transfer},
    reading::Reading,
};
use super::{
    document::{Document, Kind},
    error::Error,
    offsets::OffsetMap,
    walk::{self, Form, Limits, walk},
};
use crate::check::{Body, Headers};

/// A body's text, and the JSON it was walked as, which pointers are taken from.
#[derive(Debug)]
pub(super) struct Text<'a> {
    pub(super) document: Document,
    pub(super) json: Option<Json<'a>>,
}

/// JSON text.
#[derive(Debug)]
pub(super) struct Json<'a> {
    pub(super) text: Cow<'a, str>,
    pub(super) form: Form,
}

/// The bytes of `body` as they were before they were compressed.
pub(super) fn whole<'a>(
    body: &'a Body,
    headers: &Headers,
    limits: Limits,
) -> Result<Cow<'a, [u8]>, Error> {
    let bytes = match body {
        Body::Absent => return Err(Error::Missing),
        Body::Partial(_) => return Err(Error::Partial),
        Body::Complete(bytes) => bytes,
    };
    let codings = headers.joined("content-encoding").unwrap_or_default();
    let bytes = inflate(bytes, &codings, limits.text)?;
    if bytes.is_empty() {
        return Err(Error::Missing);
    }
    Ok(bytes)
}

/// Reads the bytes of a body.
pub(super) fn read<'a>(
    bytes: &'a [u8],
    headers: &Headers,
    limits: Limits,
) -> Result<Text<'a>, Error> {
    let content_type = headers.joined("content-type").unwrap_or_default();
    let content_type = String::from_utf8_lossy(&content_type);
    let (media, form) = Media::of(&content_type)?;
    if let Some(boundary) = multipart::boundary(&content_type)? {
        return parts(bytes, &boundary, limits);
    }
    if is_unreadable(bytes) {
        return Err(Error::Encoded);
    }
    let begins_as_json = bytes
        .strip_prefix(BYTE_ORDER_MARK)
        .unwrap_or(bytes)
        .iter()
        .find(|byte| !byte.is_ascii_whitespace())
        .is_some_and(|byte| matches!(byte, b'{' | b'[' | b'"'));
    match media {
        Media::Json => json(bytes, Form::One, limits),
        Media::Lines => json(bytes, Form::Lines, limits),
        Media::Unknown if begins_as_json => one_or_lines(bytes, limits),
        Media::Text if begins_as_json => match one_or_lines(bytes, limits) {
            Err(Error::Malformed { .. }) => plain(bytes, form, limits),
            read => read,
        },
        Media::Text | Media::Unknown => plain(bytes, form, limits),
    }
}

/// One value, or else lines of them; a fault is the one that one value has.
fn one_or_lines(bytes: &[u8], limits: Limits) -> Result<Text<'_>, Error> {
    match json(bytes, Form::One, limits) {
        Err(fault @ Error::Malformed { .. }) => match json(bytes, Form::Lines, limits) {
            Err(Error::Malformed { .. }) => Err(fault),
            read => read,
        },
        read => read,
    }
}

fn json(bytes: &[u8], form: Form, limits: Limits) -> Result<Text<'_>, Error> {
    let text = str::from_utf8(bytes).map_err(|error| Error::Malformed {
        what: "utf-8",
        at: error.valid_up_to(),
    })?;
    // Some parsers skip a byte-order mark. As blanks it leaves every offset where it is, as do the
    // marks between the texts of a sequence.
    let mut text = match text.strip_prefix('\u{feff}') {
        Some(rest) => Cow::Owned(format!("   {rest}")),
        None => Cow::Borrowed(text),
    };
    if form == Form::Lines && text.contains(RECORD_SEPARATOR) {
        text = Cow::Owned(text.replace(RECORD_SEPARATOR, " "));
    }
    Ok(Text {
        document: walk(&text, form, limits)?,
        json: Some(Json { text, form }),
    })
}

/// The body as one text, a blank for every run of bytes that are no text. What
/// an upstream that drops such bytes sees is read too, so that none hides a word or joins two.
fn plain<'a>(bytes: &[u8], form: bool, limits: Limits) -> Result<Text<'a>, Error> {
    let mut document = Document::default();
    text(&mut document, Reading::of(bytes, 0), form);
    events(&mut document, limits)?;
    finished(document, limits)
}

/// Adds a text, and what it is to those who read it otherwise.
fn text(document: &mut Document, whole: Reading, form: bool) {
    let at = document.leaves.len();
    let closed = whole.closed();
    let decoded = form.then(|| Reading::of_form(&whole.text));
    whole.add_to(document, Kind::Text, None);
    if let Some(closed) = closed {
        closed.add_to(document, Kind::Text, Some(at));
    }
    if let Some(decoded) = decoded {
        let closed = decoded.closed();
        let outer = document.leaves.len();
        decoded.add_to(document, Kind::Text, Some(at));
        if let Some(closed) = closed {
            closed.add_to(document, Kind::Text, Some(outer));
        }
    }
}

/// The JSON in the lines of a stream of events (`data: {...}`), read as JSON.
fn events(document: &mut Document, limits: Limits) -> Result<(), Error> {
    let mut from = 0;
    let mut found = Vec::new();
    for line in document.text[document.leaves[0].text.clone()].split_inclusive(['\n', '\r']) {
        if let Some(data) = line
            .strip_prefix("data:")
            .filter(|data| walk::looks_like_json(data))
        {
            found.push((from + line.len() - data.len(), data.to_owned()));
        }
        from += line.len();
    }
    if found.is_empty() {
        return Ok(());
    }
    for (at, data) in found {
        Reading::of(data.as_bytes(), at).add_to(document, Kind::Text, Some(0));
        if document.text.len() > limits.text {
            return Err(Error::TooLarge);
        }
    }
    walk::nested(document, limits)
}

/// A form in parts: its contents stand together, as an upstream has them, and what stands between them
/// (names, for the most part) apart.
fn parts<'a>(bytes: &[u8], boundary: &str, limits: Limits) -> Result<Text<'a>, Error> {
    let mut document = Document::default();
    for piece in multipart::take_apart(bytes, boundary)? {
        match piece {
            Piece::Between(range) => {
                if is_unreadable(&bytes[range.clone()]) {
                    return Err(Error::Encoded);
                }
                let between = Reading::of(&bytes[range.clone()], range.start);
                between.add_to(&mut document, Kind::Name, None);
            }
            Piece::Part(part) => self::part(&mut document, &bytes[part.content.clone()], &part)?,
        }
        if document.text.len() > limits.text {
            return Err(Error::TooLarge);
        }
    }
    walk::nested(&mut document, limits)?;
    finished(document, limits)
}

/// Adds the content of a part, and what it is once its transfer encoding is undone: most parsers of forms
/// leave that as it is.
fn part(document: &mut Document, content: &[u8], part: &Part<'_>) -> Result<(), Error> {
    let (_, form) = Media::of(part.content_type)?;
    if part.is_file && is_file(content) {
        return Ok(());
    }
    if is_unreadable(content) {
        return Err(Error::Encoded);
    }
    let at = document.leaves.len();
    text(document, Reading::of(content, part.content.start), form);
    let decoded = match part.transfer {
        Transfer::None => return Ok(()),
        Transfer::Base64 => multipart::base64(content),
        Transfer::QuotedPrintable => multipart::quoted_printable(content),
    };
    if part.is_file && is_file(&decoded) {
        return Ok(());
    }
    if is_unreadable(&decoded) {
        return Err(Error::Encoded);
    }
    let mut decoded = Reading::of(&decoded, 0);
    // It is all of the content, wherever in it.
    let length = document.leaves[at].text.len();
    decoded.map = OffsetMap::default();
    decoded.map.push(0..decoded.text.len(), 0..length);
    decoded.add_to(document, Kind::Text, Some(at));
    Ok(())
}

fn finished<'a>(document: Document, limits: Limits) -> Result<Text<'a>, Error> {
    if document.text.len() > limits.text {
        return Err(Error::TooLarge);
    }
    Ok(Text {
        document,
        json: None,
    })
}

/// Whether bytes are a file of a known kind, and not a text that begins like one.
fn is_file(bytes: &[u8]) -> bool {
    walk::begins_as_file(bytes) && str::from_utf8(bytes).is_err()
}

/// Whether bytes are no text in UTF-8, whatever they are called.
fn is_unreadable(bytes: &[u8]) -> bool {
    is_wide(bytes) || is_compressed(bytes)
}

/// Whether `bytes` begin as compressed data does. The proxy may not have sent the header that says so,
/// and to a detector such bytes are blanks. Brotli has no such beginning.
fn is_compressed(bytes: &[u8]) -> bool {
    const BEGINNINGS: [&[u8]; 6] = [
        b"\x1f\x8b",
        b"\x28\xb5\x2f\xfd",
        b"\xfd7zXZ\0",
        b"x\x01",
        b"x\x9c",
        b"x\xda",
    ];
    BEGINNINGS
        .iter()
        .any(|beginning| bytes.starts_with(beginning))
}

/// Whether the bytes are UTF-16 or UTF-32, which some JSON parsers tell by their NULs, whatever the
/// content type says. UTF-8 has no use for a NUL.
fn is_wide(bytes: &[u8]) -> bool {
    bytes.starts_with(b"\xfe\xff")
        || bytes.starts_with(b"\xff\xfe")
        || memchr::memchr(0, bytes).is_some()
}

/// What each text of a sequence begins with (RFC 7464).
const RECORD_SEPARATOR: char = '\u{1e}';
/// U+FEFF in UTF-8.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

#[cfg(test)]
mod tests;
