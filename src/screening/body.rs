//! From a request's body to its text, by what its headers say it is.
//!
//! What is not known to be JSON but reads as JSON is read as JSON: upstreams do not all look at the
//! content type, and a wrong one must not be a way past. What cannot be read (compressed, another
//! character set, UTF-16 whatever it is called) is refused, never skipped. Multipart bodies are one
//! text for now, so one with a binary file in it is refused for its NULs.

use std::{borrow::Cow, ops::Range, str};

use super::{
    document::{Document, Kind, Leaf},
    error::Error,
    finding::Trust,
    offsets::OffsetMap,
    walk::{Form, Limits, walk},
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
    let (media, form) = media(headers)?;
    if is_wide(bytes) || is_compressed(bytes) {
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
    // Some parsers skip a byte-order mark. As blanks it leaves every offset where it is.
    let text = match text.strip_prefix('\u{feff}') {
        Some(rest) => Cow::Owned(format!("   {rest}")),
        None => Cow::Borrowed(text),
    };
    Ok(Text {
        document: walk(&text, form, limits)?,
        json: Some(Json { text, form }),
    })
}

/// The body as one text, a blank for every run of bytes that are no text (a file in a form). What
/// an upstream that drops such bytes sees is read too, so that none hides a word or joins two.
fn plain<'a>(bytes: &[u8], form: bool, limits: Limits) -> Result<Text<'a>, Error> {
    let whole = Reading::of(bytes);
    let closed = whole.closed();
    let decoded = form.then(|| Reading::of_form(&whole.text));
    let mut document = Document::plain(whole.text, whole.map, Trust::User);
    if let Some(closed) = closed {
        closed.add_to(&mut document, 0);
    }
    if let Some(decoded) = decoded {
        let closed = decoded.closed();
        decoded.add_to(&mut document, 0);
        let outer = document.leaves.len() - 1;
        if let Some(closed) = closed {
            closed.add_to(&mut document, outer);
        }
    }
    if document.text.len() > limits.text {
        return Err(Error::TooLarge);
    }
    Ok(Text {
        document,
        json: None,
    })
}

/// Bytes read as text.
#[derive(Debug, Default)]
struct Reading {
    text: String,
    map: OffsetMap,
    /// Where in the text a blank stands for bytes that are no text.
    gaps: Vec<usize>,
}

impl Reading {
    fn of(bytes: &[u8]) -> Self {
        let mut reading = Self {
            text: String::with_capacity(bytes.len()),
            ..Self::default()
        };
        let mut at = 0;
        for chunk in bytes.utf8_chunks() {
            reading.text.push_str(chunk.valid());
            at += chunk.valid().len();
            if !chunk.invalid().is_empty() {
                let end = at + chunk.invalid().len();
                reading.gap(at..end);
                at = end;
            }
        }
        reading
    }

    /// A form's text with its `+` and `%41` decoded, mapped to the form's.
    fn of_form(form: &str) -> Self {
        let bytes = form.as_bytes();
        let mut reading = Self::default();
        let mut at = 0;
        while at < bytes.len() {
            let end = at + escapes(&bytes[at..]);
            if end > at {
                reading.unescape(&form[at..end], at);
                at = end;
                continue;
            }
            let rest = &bytes[at + 1..];
            let end = at + 1 + memchr::memchr2(b'%', b'+', rest).unwrap_or(rest.len());
            match bytes[at] {
                b'+' => {
                    reading.text.push(' ');
                    reading.text.push_str(&form[at + 1..end]);
                }
                _ => reading.text.push_str(&form[at..end]),
            }
            at = end;
        }
        reading
    }

    /// Adds the bytes of `escapes`, a run of `%41` at `source`.
    fn unescape(&mut self, escapes: &str, source: usize) {
        let byte = |at: usize| u8::from_str_radix(&escapes[at + 1..at + 3], 16).unwrap_or_default();
        let bytes: Vec<u8> = (0..escapes.len()).step_by(3).map(byte).collect();
        let mut at = source;
        for chunk in bytes.utf8_chunks() {
            for char in chunk.valid().chars() {
                let start = self.text.len();
                self.text.push(char);
                let end = at + 3 * char.len_utf8();
                self.map.push(start..self.text.len(), at..end);
                at = end;
            }
            if !chunk.invalid().is_empty() {
                let end = at + 3 * chunk.invalid().len();
                self.gap(at..end);
                at = end;
            }
        }
    }

    fn gap(&mut self, source: Range<usize>) {
        let start = self.text.len();
        self.gaps.push(start);
        self.text.push(' ');
        self.map.push(start..self.text.len(), source);
    }

    /// The text without its gaps, mapped to the text with them; `None` when there are none.
    fn closed(&self) -> Option<Self> {
        self.gaps.first()?;
        let mut closed = Self::default();
        let mut at = 0;
        for gap in &self.gaps {
            closed.text.push_str(&self.text[at..*gap]);
            let end = closed.text.len();
            closed.map.push(end..end, *gap..*gap + 1);
            at = gap + 1;
        }
        closed.text.push_str(&self.text[at..]);
        Some(closed)
    }

    /// Adds what was read of the text of `outer`.
    fn add_to(self, document: &mut Document, outer: usize) {
        let start = document.text.len();
        document.text.push_str(&self.text);
        document.leaves.push(Leaf {
            text: start..document.text.len(),
            map: self.map,
            kind: Kind::Text,
            trust: Trust::User,
            deferred: false,
            outer: Some(outer),
        });
    }
}

/// What the content type says.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Media {
    Json,
    /// JSON lines.
    Lines,
    Text,
    /// Absent, or of a kind that says nothing about text.
    Unknown,
}

/// What the content type says, and whether one of its types is a form's. Of several types, in one
/// header or more, JSON counts: nobody knows which one the upstream takes. Parameters are looked for
/// between commas as well.
fn media(headers: &Headers) -> Result<(Media, bool), Error> {
    let value = headers.joined("content-type").unwrap_or_default();
    let value = String::from_utf8_lossy(&value).to_ascii_lowercase();
    let (mut media, mut form) = (Media::Unknown, false);
    for part in value.split([',', ';']).map(str::trim) {
        form |= part == "application/x-www-form-urlencoded";
        if let Some((name, charset)) = part.split_once('=') {
            if !is_readable(name.trim(), charset.trim()) {
                return Err(Error::Encoded);
            }
        } else if part.ends_with("/json") || part.ends_with("+json") {
            media = Media::Json;
        } else if media != Media::Json && is_lines(part) {
            media = Media::Lines;
        } else if media == Media::Unknown && !matches!(part, "" | "application/octet-stream") {
            media = Media::Text;
        }
    }
    Ok((media, form))
}

/// Whether a type is one of the names of JSON lines.
fn is_lines(media_type: &str) -> bool {
    let name = media_type.rsplit('/').next().unwrap_or_default();
    let name = name.strip_prefix("x-").unwrap_or(name);
    matches!(name, "json-lines" | "jsonl" | "jsonlines" | "ndjson")
}

/// How many bytes of escapes (`%41`) `bytes` begins with.
fn escapes(bytes: &[u8]) -> usize {
    let is_escape = |escape: &&[u8]| {
        escape[0] == b'%' && escape[1].is_ascii_hexdigit() && escape[2].is_ascii_hexdigit()
    };
    bytes.chunks_exact(3).take_while(is_escape).count() * 3
}

/// Whether a parameter of the content type leaves the body in UTF-8. `charset*` is another way to
/// write `charset`, with a language before the value; in pieces (`charset*0`) it is not read.
fn is_readable(name: &str, value: &str) -> bool {
    let charset = match name {
        "charset" => value.trim_matches('"').trim(),
        "charset*" => value.rsplit('\'').next().unwrap_or(value),
        _ => return !name.starts_with("charset*"),
    };
    matches!(charset, "utf-8" | "utf8" | "us-ascii")
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

fn is_identity(names: &[u8]) -> bool {
    names
        .split(|byte| *byte == b',')
        .map(<[u8]>::trim_ascii)
        .all(|name| name.is_empty() || name.eq_ignore_ascii_case(b"identity"))
}

/// U+FEFF in UTF-8.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

#[cfg(test)]
mod tests;
