//! What a content type says about a body.

use super::super::error::Error;

/// What the content type says.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Media {
    Json,
    /// JSON lines, or a JSON text sequence (RFC 7464).
    Lines,
    Text,
    /// Absent, or of a kind that says nothing about text.
    Unknown,
}

impl Media {
    /// What a content type says, and whether one of its types is a form's. Of several types, in one
    /// header or more, JSON counts: nobody knows which one the upstream takes. Parameters are looked
    /// for between commas as well.
    ///
    /// # Errors
    ///
    /// When it says that the text is not UTF-8.
    pub(super) fn of(content_type: &str) -> Result<(Self, bool), Error> {
        let (mut media, mut form) = (Self::Unknown, false);
        for part in content_type
            .to_ascii_lowercase()
            .split([',', ';'])
            .map(str::trim)
        {
            form |= part == "application/x-www-form-urlencoded";
            if let Some((name, charset)) = part.split_once('=') {
                if !is_readable(name.trim(), charset.trim()) {
                    return Err(Error::Encoded);
                }
            } else if part.ends_with("/json") || part.ends_with("+json") {
                media = Self::Json;
            } else if media != Self::Json && is_lines(part) {
                media = Self::Lines;
            } else if media == Self::Unknown && !matches!(part, "" | "application/octet-stream") {
                media = Self::Text;
            }
        }
        Ok((media, form))
    }
}

/// Whether a type is one of the names of JSON lines and sequences.
fn is_lines(media_type: &str) -> bool {
    let name = media_type.rsplit('/').next().unwrap_or_default();
    let name = name.strip_prefix("x-").unwrap_or(name);
    matches!(
        name,
        "json-lines" | "json-seq" | "jsonl" | "jsonlines" | "ndjson"
    )
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
