//! Forms in parts (`multipart/form-data` and its relatives), taken apart.
//!
//! Parsers of forms differ: some take bare line feeds for ends of lines, some look for the boundary
//! without looking at what follows it, some take the first of two headers and some the last. So this one
//! is strict, and what another could take apart otherwise is [`Error::Malformed`], never half read.
//! Everything between the parts is read too, for an upstream that takes the body for one text.
//!
//! Cost: one search for the boundary; nothing is copied.

use std::{ops::Range, str};

use memchr::memmem;

use super::super::error::Error;

/// A body taken apart: everything in it is in exactly one of these, in order.
#[derive(Debug, Eq, PartialEq)]
pub(super) enum Piece<'a> {
    /// Boundaries, headers, and what stands before and after all parts.
    Between(Range<usize>),
    Part(Part<'a>),
}

#[derive(Debug, Eq, PartialEq)]
pub(super) struct Part<'a> {
    /// Where its content stands.
    pub(super) content: Range<usize>,
    /// Empty when it says none.
    pub(super) content_type: &'a str,
    pub(super) transfer: Transfer,
    /// Whether it has a file's name.
    pub(super) is_file: bool,
}

/// How its content was written to survive mail servers. Most parsers of forms ignore it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Transfer {
    Base64,
    None,
    QuotedPrintable,
}

/// The boundary that `content_type` tells; `None` when it is not one of a body in parts.
///
/// # Errors
///
/// When it is one, and which boundary it tells is not beyond doubt.
pub(super) fn boundary(content_type: &str) -> Result<Option<String>, Error> {
    if !content_type.to_ascii_lowercase().contains("multipart/") {
        return Ok(None);
    }
    let (media_type, parameters) = content_type.split_once(';').ok_or(FAULT)?;
    let media_type = media_type.trim().to_ascii_lowercase();
    if !media_type.strip_prefix("multipart/").is_some_and(is_token) {
        return Err(FAULT);
    }
    let mut found = None;
    for (name, value) in parameters_of(parameters)? {
        // Of two, or of pieces and encoded ones (RFC 2231), nobody knows which one counts.
        if name == "boundary" && found.is_none() {
            found = Some(value);
        } else if name.starts_with("boundary") {
            return Err(FAULT);
        }
    }
    let boundary = found.ok_or(FAULT)?;
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"'()+_,-./:=? ".contains(&byte);
    let is_sound = (1..=LONGEST_BOUNDARY).contains(&boundary.len())
        && boundary.bytes().all(fits)
        && !boundary.ends_with(' ');
    is_sound.then_some(Some(boundary)).ok_or(FAULT)
}

/// Takes `body` apart at `boundary`.
///
/// # Errors
///
/// `Malformed` for what parsers read in several ways, `TooLarge` for more than a hundred parts.
pub(super) fn take_apart<'a>(body: &'a [u8], boundary: &str) -> Result<Vec<Piece<'a>>, Error> {
    let delimiters = delimiters(body, boundary)?;
    let mut pieces = Vec::with_capacity(2 * delimiters.len());
    let mut at = 0;
    for pair in delimiters.windows(2) {
        let (head, content, part) = head(body, pair[0].end..pair[1].start)?;
        pieces.push(Piece::Between(at..head));
        at = content.end;
        pieces.push(Piece::Part(Part { content, ..part }));
    }
    pieces.push(Piece::Between(at..body.len()));
    Ok(pieces)
}

/// Where the delimiters stand, with the ends of the lines before and after them; the last one closes.
fn delimiters(body: &[u8], boundary: &str) -> Result<Vec<Range<usize>>, Error> {
    let delimiter = format!("--{boundary}");
    let mut found: Vec<Range<usize>> = Vec::new();
    let mut closed = false;
    for at in memmem::find_iter(body, &delimiter) {
        let (before, rest) = (&body[..at], &body[at + delimiter.len()..]);
        let start = match before {
            [] => 0,
            [.., b'\r', b'\n'] => at - 2,
            [.., b'\r' | b'\n'] => return Err(FAULT),
            _ => continue,
        };
        if closed {
            return Err(FAULT);
        }
        closed = rest.starts_with(b"--");
        let rest = if closed { &rest[2..] } else { rest };
        let blanks = rest
            .iter()
            .take_while(|byte| matches!(byte, b' ' | b'\t'))
            .count();
        let ends = rest[blanks..].starts_with(b"\r\n");
        let is_last_line = closed && blanks == rest.len();
        if !ends && !is_last_line {
            return Err(FAULT);
        }
        let end = body.len() - rest.len() + blanks + if ends { 2 } else { 0 };
        // Two delimiters may share the end of a line: a part without anything, headers included.
        if found.last().is_some_and(|last| last.end > start) {
            return Err(FAULT);
        }
        found.push(start..end);
        if found.len() > MOST_PARTS {
            return Err(Error::TooLarge);
        }
    }
    if closed { Ok(found) } else { Err(FAULT) }
}

/// Where the content of the part at `range` begins (its headers stand before), and what they say.
fn head(body: &[u8], range: Range<usize>) -> Result<(usize, Range<usize>, Part<'_>), Error> {
    let text = &body[range.clone()];
    let length = if text.starts_with(b"\r\n") {
        0
    } else {
        2 + memmem::find(text, b"\r\n\r\n").ok_or(FAULT)?
    };
    if length > LONGEST_HEAD {
        return Err(Error::TooLarge);
    }
    let headers = str::from_utf8(&text[..length]).map_err(|_| FAULT)?;
    let mut part = Part {
        content: 0..0,
        content_type: "",
        transfer: Transfer::None,
        is_file: false,
    };
    let mut seen = Vec::new();
    for line in headers.split_terminator("\r\n") {
        let (name, value) = line.split_once(':').ok_or(FAULT)?;
        // A blank before the name continues the line before, for some.
        if !is_token(name) || line.contains(['\r', '\n', '\0']) {
            return Err(FAULT);
        }
        let name = name.to_ascii_lowercase();
        if seen.contains(&name) {
            return Err(FAULT);
        }
        part.note(&name, value.trim())?;
        seen.push(name);
    }
    let content = range.start + length + 2;
    Ok((content, content..range.end, part))
}

impl<'a> Part<'a> {
    fn note(&mut self, name: &str, value: &'a str) -> Result<(), Error> {
        match name {
            "content-disposition" => {
                let (_, parameters) = value.split_once(';').unwrap_or((value, ""));
                let parameters = parameters_of(parameters)?;
                self.is_file = parameters
                    .iter()
                    .any(|(name, _)| name.starts_with("filename"));
                let mut names: Vec<&str> =
                    parameters.iter().map(|(name, _)| name.as_str()).collect();
                names.sort_unstable();
                if names.windows(2).any(|pair| pair[0] == pair[1]) {
                    return Err(FAULT);
                }
            }
            "content-type" => self.content_type = value,
            "content-transfer-encoding" => {
                self.transfer = match value.to_ascii_lowercase().as_str() {
                    "base64" => Transfer::Base64,
                    "quoted-printable" => Transfer::QuotedPrintable,
                    "7bit" | "8bit" | "binary" | "" => Transfer::None,
                    _ => return Err(Error::Encoded),
                }
            }
            _ => {}
        }
        Ok(())
    }
}

/// `; name=value; other="a \"quoted\" one"`, names in lower case.
fn parameters_of(text: &str) -> Result<Vec<(String, String)>, Error> {
    let mut parameters = Vec::new();
    let mut rest = text.trim();
    while !rest.is_empty() {
        let (name, after) = rest.split_once('=').ok_or(FAULT)?;
        let name = name.trim();
        if !is_token(name) {
            return Err(FAULT);
        }
        let (value, after) = if let Some(quoted) = after.trim_start().strip_prefix('"') {
            quoted_string(quoted)?
        } else {
            let (value, after) = after.split_once(';').unwrap_or((after, ""));
            if !is_token(value.trim()) {
                return Err(FAULT);
            }
            (value.trim().to_owned(), after)
        };
        parameters.push((name.to_ascii_lowercase(), value));
        rest = after.trim();
    }
    Ok(parameters)
}

/// The value of a quoted string whose opening quote was taken, and what follows its semicolon.
fn quoted_string(text: &str) -> Result<(String, &str), Error> {
    let mut value = String::new();
    let mut chars = text.char_indices();
    while let Some((at, char)) = chars.next() {
        match char {
            '"' => {
                let rest = text[at + 1..].trim_start();
                let rest = match rest.strip_prefix(';') {
                    Some(rest) => rest,
                    None if rest.is_empty() => rest,
                    None => return Err(FAULT),
                };
                return Ok((value, rest));
            }
            '\\' => value.push(chars.next().ok_or(FAULT)?.1),
            _ => value.push(char),
        }
    }
    Err(FAULT)
}

/// RFC 9110 `token`.
fn is_token(text: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    !text.is_empty() && text.bytes().all(fits)
}

const FAULT: Error = Error::Malformed {
    what: "multipart",
    at: 0,
};
const MOST_PARTS: usize = 100;
const LONGEST_HEAD: usize = 8 << 10;
/// RFC 2046.
const LONGEST_BOUNDARY: usize = 70;

/// What `content` is in base64, blanks and line ends left out; what is not base64 ends it.
pub(super) fn base64(content: &[u8]) -> Vec<u8> {
    let digits: Vec<u8> = content
        .iter()
        .copied()
        .filter(|byte| !byte.is_ascii_whitespace())
        .take_while(|byte| byte.is_ascii_alphanumeric() || b"+/".contains(byte))
        .collect();
    // A last digit alone says nothing.
    let whole = digits.len() - usize::from(digits.len() % 4 == 1);
    base64_simd::forgiving_decode_to_vec(&digits[..whole]).unwrap_or_default()
}

/// What `content` is in quoted-printable (RFC 2045); what is none of its escapes stays.
pub(super) fn quoted_printable(content: &[u8]) -> Vec<u8> {
    let mut decoded = Vec::with_capacity(content.len());
    let mut rest = content;
    while let Some(at) = memchr::memchr(b'=', rest) {
        decoded.extend_from_slice(&rest[..at]);
        let after = &rest[at + 1..];
        let digit = |at: usize| char::from(*after.get(at)?).to_digit(16);
        rest = match (digit(0), digit(1)) {
            (Some(high), Some(low)) => {
                decoded.extend(u8::try_from(16 * high + low));
                &after[2..]
            }
            _ if after.starts_with(b"\r\n") => &after[2..],
            _ if after.starts_with(b"\n") => &after[1..],
            _ => {
                decoded.push(b'=');
                after
            }
        };
    }
    decoded.extend_from_slice(rest);
    decoded
}

#[cfg(test)]
mod tests;
