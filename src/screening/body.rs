//! From a request's body to its text, by what its headers say it is.
//!
//! What is not known to be JSON but reads as JSON is read as JSON: upstreams do not all look at the
//! content type, and a wrong one must not be a way past. What cannot be read (compressed, another
//! character set) is refused, never skipped. Multipart bodies are one text for now.

use std::str;

use super::{
    document::Document,
    error::Error,
    finding::Trust,
    offsets::OffsetMap,
    walk::{Limits, walk},
};
use crate::check::{Body, Headers};

/// A body's text, and the JSON it was walked as, which pointers are taken from.
#[derive(Debug)]
pub(super) struct Text<'a> {
    pub(super) document: Document,
    pub(super) json: Option<&'a str>,
}

/// Reads `body`.
pub(super) fn read<'a>(
    body: &'a Body,
    headers: &Headers,
    limits: Limits,
) -> Result<Text<'a>, Error> {
    let bytes = match body {
        Body::Absent => return Err(Error::Missing),
        Body::Partial(_) => return Err(Error::Partial),
        Body::Complete(bytes) if bytes.is_empty() => return Err(Error::Missing),
        Body::Complete(bytes) => bytes,
    };
    if headers
        .joined("content-encoding")
        .is_some_and(|names| !is_identity(&names))
    {
        return Err(Error::Encoded);
    }
    let media = Media::of(headers)?;
    let begins_as_json = bytes
        .iter()
        .find(|byte| !byte.is_ascii_whitespace())
        .is_some_and(|byte| matches!(byte, b'{' | b'[' | b'"'));
    match media {
        Media::Json => json(bytes, limits),
        Media::Unknown if begins_as_json => json(bytes, limits),
        Media::Text if begins_as_json => match json(bytes, limits) {
            Err(Error::Malformed { .. }) => plain(bytes, limits),
            read => read,
        },
        Media::Text | Media::Unknown => plain(bytes, limits),
    }
}

fn json(bytes: &[u8], limits: Limits) -> Result<Text<'_>, Error> {
    let text = str::from_utf8(bytes).map_err(|error| Error::Malformed {
        what: "utf-8",
        at: error.valid_up_to(),
    })?;
    Ok(Text {
        document: walk(text, limits)?,
        json: Some(text),
    })
}

/// The body as one text. Bytes that are not text (a file in a form) are passed over.
fn plain(bytes: &[u8], limits: Limits) -> Result<Text<'_>, Error> {
    if bytes.len() > limits.text {
        return Err(Error::TooLarge);
    }
    let mut text = String::with_capacity(bytes.len());
    let mut map = OffsetMap::default();
    let mut at = 0;
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        at += chunk.valid().len();
        if !chunk.invalid().is_empty() {
            let start = text.len();
            text.push(char::REPLACEMENT_CHARACTER);
            map.push(start..text.len(), at..at + chunk.invalid().len());
            at += chunk.invalid().len();
        }
    }
    Ok(Text {
        document: Document::plain(text, map, Trust::User),
        json: None,
    })
}

/// What the content type says.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Media {
    Json,
    Text,
    /// Absent, repeated or of a kind that says nothing about text.
    Unknown,
}

impl Media {
    fn of(headers: &Headers) -> Result<Self, Error> {
        let Some(value) = headers.single("content-type") else {
            return Ok(Self::Unknown);
        };
        let value = value.to_ascii_lowercase();
        let (essence, parameters) = value.split_once(';').unwrap_or((&value, ""));
        let charset = parameters
            .split(';')
            .filter_map(|parameter| parameter.trim().strip_prefix("charset="))
            .map(|charset| charset.trim_matches('"'));
        if charset
            .into_iter()
            .any(|charset| !matches!(charset, "utf-8" | "utf8" | "us-ascii"))
        {
            return Err(Error::Encoded);
        }
        let essence = essence.trim();
        Ok(match essence {
            "application/json" => Self::Json,
            _ if essence.ends_with("+json") => Self::Json,
            "" | "application/octet-stream" => Self::Unknown,
            _ => Self::Text,
        })
    }
}

fn is_identity(names: &[u8]) -> bool {
    names
        .split(|byte| *byte == b',')
        .map(<[u8]>::trim_ascii)
        .all(|name| name.is_empty() || name.eq_ignore_ascii_case(b"identity"))
}

#[cfg(test)]
mod tests;
