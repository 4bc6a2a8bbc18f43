//! The one normal form of a request path.
//!
//! Proxies and upstreams disagree about what a path means, and every disagreement has been a way
//! around somebody's policy. So a path is split at the first `?`, decoded exactly once, repeated
//! slashes merged and dot segments resolved; spellings whose meaning depends on the reader
//! (`%2f`, `\`, control bytes, `#`, a second layer of encoding, `..` above the root) are refused.
//! Policies match the raw and the normal spelling, and both must lead to the same route.

use std::{borrow::Cow, str};

/// A path in its raw and its normal spelling, and the query.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct RequestPath {
    raw: String,
    normal: Option<String>,
    query: Option<String>,
}

impl RequestPath {
    /// Splits and normalises what the proxy sent as the request target.
    ///
    /// # Errors
    ///
    /// When the spelling is ambiguous; see [`BadPath`].
    pub fn parse(target: &str) -> Result<Self, BadPath> {
        if target.len() > MAX_TARGET_BYTES {
            return Err(BadPath::TooLong);
        }
        // No URL parser here: `//admin` is a path, not an authority.
        let (path, query) = match target.split_once('?') {
            Some((path, query)) => (path, Some(query.to_owned())),
            None => (target, None),
        };
        // OPTIONS may ask about the server as a whole.
        if path == "*" {
            return Ok(Self {
                raw: path.to_owned(),
                normal: None,
                query,
            });
        }
        if target.contains('#') {
            return Err(BadPath::Fragment);
        }
        if target
            .bytes()
            .any(|byte| byte.is_ascii_control() || byte == b' ')
        {
            return Err(BadPath::Control);
        }
        let normal = if is_plain(path) {
            None
        } else {
            Some(normalise(path)?).filter(|normal| normal != path)
        };
        Ok(Self {
            raw: path.to_owned(),
            normal,
            query,
        })
    }

    /// As sent, without the query.
    #[must_use]
    pub fn raw(&self) -> &str {
        &self.raw
    }

    /// Decoded once, slashes merged, dots resolved.
    #[must_use]
    pub fn normal(&self) -> &str {
        self.normal.as_deref().unwrap_or(&self.raw)
    }

    /// Part of a raw path, decoded once; `None` when that part is ambiguous.
    #[must_use]
    pub fn decode(raw: &str) -> Option<String> {
        decode_path(raw).ok().map(Cow::into_owned)
    }

    /// Whether the raw spelling is the normal one already.
    #[must_use]
    pub fn is_normal(&self) -> bool {
        self.normal.is_none()
    }

    /// Every query parameter whose name, once decoded, is `name`: name and value as they are spelt.
    pub fn spelt<'a>(&'a self, name: &'a str) -> impl Iterator<Item = (&'a str, &'a str)> {
        let pairs = self.query.iter().flat_map(|query| query.split('&'));
        pairs
            .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
            .filter(move |(key, _)| decode_form(key).is_some_and(|key| key == name))
    }

    /// The decoded value of query parameter `name`: `None` when it is absent, repeated or not
    /// valid UTF-8 after decoding.
    #[must_use]
    pub fn query(&self, name: &str) -> Option<String> {
        let mut found = None;
        for pair in self.query.as_deref()?.split('&') {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            if decode_form(key)? == name {
                if found.is_some() {
                    return None;
                }
                found = Some(decode_form(value)?);
            }
        }
        found
    }
}

/// Why a path is refused rather than guessed at.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum BadPath {
    /// `..` would leave the root.
    #[error("path climbs above its root")]
    AboveRoot,
    /// A backslash, which some servers read as a slash.
    #[error("path contains a backslash")]
    Backslash,
    /// A control byte or a blank, sent plain.
    #[error("path contains a control byte or a blank")]
    Control,
    /// `.` or `..` followed by `;`, which some servers resolve and others do not.
    #[error("path has a parameter on a dot segment")]
    DotParameter,
    /// An escape that is still there once decoded: decoded twice it would be another path.
    #[error("path is percent-encoded twice")]
    DoubleEncoding,
    /// `%2f`, `%5c`, `%00` and other bytes that mean different things to different servers.
    #[error("path contains an encoded slash, backslash or control byte")]
    EncodedSeparator,
    /// `#` never belongs in a request target.
    #[error("path contains a fragment")]
    Fragment,
    /// `%` without two hex digits after it.
    #[error("path contains a broken percent escape")]
    Escape,
    /// The decoded bytes are not UTF-8.
    #[error("path is not UTF-8 once decoded")]
    NotUtf8,
    /// Does not begin with `/`.
    #[error("path does not begin with a slash")]
    Relative,
    /// Over 8 KiB.
    #[error("path is over 8 KiB")]
    TooLong,
    /// The proxy should have told this part of the request in one way, once, and did not.
    #[error("the proxy did not tell the request's {0} exactly once")]
    Untold(&'static str),
}

/// Whether nothing in `path` needs a second look: what most of them are.
fn is_plain(path: &str) -> bool {
    // A segment that begins with a dot may be one that climbs, an empty one is merged, and every
    // other odd spelling has one of three bytes in it.
    let has_odd = path.bytes().any(|byte| matches!(byte, b'%' | b'\\' | b';'));
    let mut pairs = path.as_bytes().windows(2);
    let has_turn = pairs.any(|pair| matches!(pair, b"//" | b"/."));
    path.starts_with('/') && !has_odd && !has_turn
}

fn normalise(path: &str) -> Result<String, BadPath> {
    if !path.starts_with('/') {
        return Err(BadPath::Relative);
    }
    if path.contains('\\') {
        return Err(BadPath::Backslash);
    }
    let decoded = decode_path(path)?;
    let mut segments: Vec<&str> = Vec::new();
    for segment in decoded.split('/') {
        // To servlet containers `..;x` is `..` with a parameter.
        if let Some(("." | "..", _)) = segment.split_once(';') {
            return Err(BadPath::DotParameter);
        }
        match segment {
            "" | "." => {}
            ".." => {
                segments.pop().ok_or(BadPath::AboveRoot)?;
            }
            name => segments.push(name),
        }
    }
    let mut normal = String::with_capacity(decoded.len());
    for segment in &segments {
        normal.push('/');
        normal.push_str(segment);
    }
    let ends_in_folder = ["/", "/.", "/.."].iter().any(|end| decoded.ends_with(end));
    if normal.is_empty() || ends_in_folder {
        normal.push('/');
    }
    Ok(normal)
}

/// Decodes each percent escape once, refusing those whose meaning depends on the reader.
fn decode_path(path: &str) -> Result<Cow<'_, str>, BadPath> {
    if !path.contains('%') {
        return Ok(Cow::Borrowed(path));
    }
    let bytes = path.as_bytes();
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        if bytes[at] != b'%' {
            decoded.push(bytes[at]);
            at += 1;
            continue;
        }
        let byte = hex_pair(bytes, at + 1).ok_or(BadPath::Escape)?;
        if matches!(byte, b'/' | b'\\') || byte.is_ascii_control() {
            return Err(BadPath::EncodedSeparator);
        }
        decoded.push(byte);
        at += 3;
    }
    // `%2565` and `%25%36%35` alike: whoever decodes once more reads another path.
    let is_escape =
        |(at, byte): (usize, &u8)| *byte == b'%' && hex_pair(&decoded, at + 1).is_some();
    if decoded.iter().enumerate().any(is_escape) {
        return Err(BadPath::DoubleEncoding);
    }
    String::from_utf8(decoded)
        .map(Cow::Owned)
        .map_err(|_| BadPath::NotUtf8)
}

/// Decodes `+` and percent escapes of a query, as HTML forms encode it.
fn decode_form(text: &str) -> Option<String> {
    let bytes = text.as_bytes();
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        match bytes[at] {
            b'+' => decoded.push(b' '),
            b'%' => {
                decoded.push(hex_pair(bytes, at + 1)?);
                at += 2;
            }
            byte => decoded.push(byte),
        }
        at += 1;
    }
    String::from_utf8(decoded).ok()
}

fn hex_pair(bytes: &[u8], at: usize) -> Option<u8> {
    let pair = bytes.get(at..at + 2)?;
    if !pair.iter().all(u8::is_ascii_hexdigit) {
        return None;
    }
    u8::from_str_radix(str::from_utf8(pair).ok()?, 16).ok()
}

/// Longest request target read. Envoy's own default for all headers together is 60 KiB.
const MAX_TARGET_BYTES: usize = 8 * 1024;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_needs_no_second_look_is_normal(path in "/?(a|\\.|/|%2e|;|\\\\|b){0,8}") {
            if is_plain(&path) {
                prop_assert_eq!(normalise(&path), Ok(path));
            }
        }
    }

    #[test]
    fn normal_forms() {
        for (sent, normal) in [
            ("/", "/"),
            ("/a/b", "/a/b"),
            ("/a/b/", "/a/b/"),
            ("//admin", "/admin"),
            ("/a//b", "/a/b"),
            ("/a/./b", "/a/b"),
            ("/a/../b", "/b"),
            ("/a/..", "/"),
            ("/a/b/..", "/a/"),
            ("/%61dmin", "/admin"),
            ("/%2e%2e/x/%2e", "refused"),
            ("/a/%2e%2e/b", "/b"),
            ("/caf%C3%A9", "/café"),
            ("/a%20b", "/a b"),
            ("/100%25", "/100%"),
            ("/a;v=1/b", "/a;v=1/b"),
            ("/x%3Fy", "/x?y"),
        ] {
            match RequestPath::parse(sent) {
                Ok(path) => assert_eq!(path.normal(), normal, "{sent}"),
                Err(_) => assert_eq!(normal, "refused", "{sent}"),
            }
        }
    }

    #[test]
    fn ambiguous_spellings_are_refused() {
        for (sent, why) in [
            ("", BadPath::Relative),
            ("admin", BadPath::Relative),
            ("http://a/b", BadPath::Relative),
            ("/..", BadPath::AboveRoot),
            ("/a/../../b", BadPath::AboveRoot),
            ("/a\\b", BadPath::Backslash),
            ("/a\tb", BadPath::Control),
            ("/a b", BadPath::Control),
            ("/a#b", BadPath::Fragment),
            ("/a?b#c", BadPath::Fragment),
            ("/a%2fb", BadPath::EncodedSeparator),
            ("/a%5Cb", BadPath::EncodedSeparator),
            ("/a%00", BadPath::EncodedSeparator),
            ("/a%0d%0a", BadPath::EncodedSeparator),
            ("/a%252fb", BadPath::DoubleEncoding),
            ("/a%25%32%66b", BadPath::DoubleEncoding),
            ("/a/..;/b", BadPath::DotParameter),
            ("/a/.;x=1", BadPath::DotParameter),
            ("/a/..%3b/b", BadPath::DotParameter),
            ("/a%", BadPath::Escape),
            ("/a%zz", BadPath::Escape),
            ("/a%+1", BadPath::Escape),
            ("/%ff", BadPath::NotUtf8),
        ] {
            assert_eq!(RequestPath::parse(sent), Err(why), "{sent}");
        }
        let long = format!("/{}", "a".repeat(9_000));
        assert_eq!(RequestPath::parse(&long), Err(BadPath::TooLong));
    }

    #[test]
    fn the_query_comes_from_the_path_and_repeats_are_no_value() {
        let path = RequestPath::parse("/a?x=1&y=a%20b+c&z=1&z=2&?=q").expect("a path");
        assert_eq!(path.raw(), "/a");
        assert_eq!(path.query("x").as_deref(), Some("1"));
        assert_eq!(path.query("y").as_deref(), Some("a b c"));
        assert_eq!(path.query("z"), None);
        assert_eq!(path.query("w"), None);
        assert_eq!(path.query("?").as_deref(), Some("q"));
    }
}
