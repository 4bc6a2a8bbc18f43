//! Host and path patterns.
//!
//! A path pattern is a list of segments: literal, `{name}` for exactly one segment that is not
//! empty, and `{*name}` at the end for the rest, which may be empty. Matching is anchored at both
//! ends and costs one comparison a segment; there is no regular expression to get wrong.

use std::sync::Arc;

use smallvec::SmallVec;

use crate::check::RequestPath;

/// `api.example`, `*.example`, or every host.
#[derive(Clone, Debug)]
pub(super) enum HostPattern {
    Any,
    Exactly(String),
    /// With the leading dot.
    Below(String),
}

impl HostPattern {
    pub(super) fn parse(text: Option<&str>) -> Result<Self, String> {
        let Some(text) = text.filter(|text| *text != "*") else {
            return Ok(Self::Any);
        };
        let host = text.strip_prefix("*.").unwrap_or(text);
        let normal = crate::check::normal_host(host);
        if host.is_empty() || host.contains(['*', '/', ' ']) || host.contains("://") {
            return Err(format!(
                "`{text}` is not a host such as `api.example` or `*.example`"
            ));
        }
        if normal != host {
            return Err(format!(
                "write the host in lower case and without port: `{}`",
                text.replace(host, &normal)
            ));
        }
        Ok(if text.starts_with("*.") {
            Self::Below(format!(".{normal}"))
        } else {
            Self::Exactly(normal)
        })
    }

    pub(super) fn matches(&self, host: &str) -> bool {
        match self {
            Self::Any => true,
            Self::Exactly(name) => host == name,
            Self::Below(suffix) => host.len() > suffix.len() && host.ends_with(suffix.as_str()),
        }
    }
}

/// `/docs/{id}`.
#[derive(Clone, Debug)]
pub(super) struct PathPattern {
    segments: Vec<Segment>,
    tail: Option<Arc<str>>,
}

/// One segment of a path pattern.
#[derive(Clone, Debug)]
pub(super) enum Segment {
    Literal {
        text: String,
        encoded: Option<[String; 2]>,
    },
    Name(Arc<str>),
}

/// Names and what stands in their places. A path has few of them.
pub(super) type Captured = SmallVec<[(Arc<str>, String); 2]>;

impl PathPattern {
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let refuse = |why: &str| Err(format!("`{text}` {why}"));
        let Some(path) = text.strip_prefix('/') else {
            return refuse("must begin with `/`");
        };
        let mut pattern = Self {
            segments: Vec::new(),
            tail: None,
        };
        let mut names: Vec<&str> = Vec::new();
        for segment in path.split('/') {
            if pattern.tail.is_some() {
                return refuse("has something after `{*name}`, which must come last");
            }
            let name = segment
                .strip_prefix('{')
                .and_then(|rest| rest.strip_suffix('}'));
            match name {
                None if segment.contains(['{', '}', '*', '?', '#', '%', '\\']) => {
                    return refuse(
                        "may use `{name}` for one whole segment and `{*name}` for the rest; \
                         other text is literal and written decoded, without `* ? # % \\`",
                    );
                }
                None => pattern.segments.push(Segment::literal(segment)),
                Some(name) => pattern
                    .add_name(name, &mut names)
                    .map_err(|why| format!("`{text}` {why}"))?,
            }
        }
        let sample = text.replace(['{', '}', '*'], "");
        match RequestPath::parse(&sample.replace(' ', "%20")) {
            Ok(path) if path.normal() == sample => Ok(pattern),
            Ok(path) => Err(format!(
                "`{text}` can never match: its normal form is `{}`",
                path.normal()
            )),
            Err(error) => Err(format!("`{text}` can never match: {error}")),
        }
    }

    /// Adds `{name}` or `{*name}`, given without its braces.
    fn add_name<'n>(&mut self, name: &'n str, names: &mut Vec<&'n str>) -> Result<(), String> {
        let (name, is_tail) = name
            .strip_prefix('*')
            .map_or((name, false), |name| (name, true));
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
        if name.is_empty() || !name.bytes().all(fits) {
            return Err("has a placeholder that is not a name of letters, digits and `_`".into());
        }
        if names.contains(&name) {
            return Err(format!("uses `{{{name}}}` twice"));
        }
        names.push(name);
        if is_tail {
            self.tail = Some(name.into());
        } else {
            self.segments.push(Segment::Name(name.into()));
        }
        Ok(())
    }

    /// All but the tail.
    pub(super) fn segments(&self) -> &[Segment] {
        &self.segments
    }

    /// Whether it takes whatever follows its segments.
    pub(super) fn has_tail(&self) -> bool {
        self.tail.is_some()
    }

    /// Whether a placeholder of this name is captured.
    pub(super) fn captures(&self, name: &str) -> bool {
        let named = |segment: &Segment| matches!(segment, Segment::Name(own) if **own == *name);
        self.segments.iter().any(named) || self.tail.as_deref() == Some(name)
    }

    /// Matches a path in its normal form; the captured names and values, or `None`.
    pub(super) fn matches(&self, normal: &str) -> Option<Captured> {
        self.capture(normal, |literal, _, text| literal == text)
    }

    /// Matches a path as it was sent, where a literal may stand as it is or minimally encoded; what
    /// it captures is as it was sent too.
    pub(super) fn matches_raw(&self, raw: &str) -> Option<Captured> {
        self.capture(raw, |literal, encoded, text| {
            literal == text || encoded.is_some_and(|forms| forms.iter().any(|form| form == text))
        })
    }

    fn capture(
        &self,
        path: &str,
        agrees: impl Fn(&str, Option<&[String; 2]>, &str) -> bool,
    ) -> Option<Captured> {
        let mut captured = Captured::new();
        let rest = self.walk(path, |segment, text| match segment {
            Segment::Literal { text: own, encoded } => agrees(own, encoded.as_ref(), text),
            Segment::Name(name) => {
                captured.push((name.clone(), text.to_owned()));
                !text.is_empty()
            }
        })?;
        captured.extend(
            self.tail
                .as_ref()
                .map(|name| (name.clone(), rest.to_owned())),
        );
        Some(captured)
    }

    /// Compares segment by segment; what the tail covers (else the empty string) when all agree.
    fn walk<'p>(
        &self,
        path: &'p str,
        mut agrees: impl FnMut(&Segment, &str) -> bool,
    ) -> Option<&'p str> {
        let mut rest = Some(path.strip_prefix('/')?);
        for segment in &self.segments {
            let (text, after) = match rest?.split_once('/') {
                Some((text, after)) => (text, Some(after)),
                None => (rest?, None),
            };
            if !agrees(segment, text) {
                return None;
            }
            rest = after;
        }
        match (&self.tail, rest) {
            (None, None) => Some(""),
            (Some(_), rest) => rest,
            (None, Some(_)) => None,
        }
    }
}

impl Segment {
    fn literal(text: &str) -> Self {
        let encode = |hex: fn(u8) -> String| -> String {
            text.bytes()
                .map(|byte| {
                    if is_path_char(byte) {
                        char::from(byte).to_string()
                    } else {
                        hex(byte)
                    }
                })
                .collect()
        };
        let upper = encode(|byte| format!("%{byte:02X}"));
        let lower = encode(|byte| format!("%{byte:02x}"));
        let encoded = (upper != text).then_some([upper, lower]);
        Self::Literal {
            text: text.to_owned(),
            encoded,
        }
    }
}

/// RFC 3986 `pchar` without `%`.
fn is_path_char(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:@".contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn captured(pattern: &str, path: &str) -> Option<String> {
        let pattern = PathPattern::parse(pattern).expect("a pattern");
        let captures = pattern.matches(path)?;
        let pairs: Vec<String> = captures
            .into_iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        Some(pairs.join("&"))
    }

    #[test]
    fn patterns_are_anchored_at_both_ends() {
        for (pattern, path, expected) in [
            ("/", "/", Some("")),
            ("/", "/a", None),
            ("/a", "/a", Some("")),
            ("/a", "/a/", None),
            ("/a", "/ab", None),
            ("/a", "/b/a", None),
            ("/a/", "/a/", Some("")),
            ("/docs/{id}", "/docs/7", Some("id=7")),
            ("/docs/{id}", "/docs/", None),
            ("/docs/{id}", "/docs/7/x", None),
            ("/docs/{id}/edit", "/docs/7/edit", Some("id=7")),
            ("/f/{*rest}", "/f/", Some("rest=")),
            ("/f/{*rest}", "/f", None),
            ("/f/{*rest}", "/f/a/b", Some("rest=a/b")),
            ("/{*rest}", "/", Some("rest=")),
            ("/{a}/{b}/{*c}", "/1/2/3", Some("a=1&b=2&c=3")),
        ] {
            assert_eq!(
                captured(pattern, path).as_deref(),
                expected,
                "{pattern} {path}"
            );
        }
    }

    #[test]
    fn patterns_that_cannot_match_are_refused() {
        for pattern in [
            "docs",
            "",
            "//a",
            "/a/../b",
            "/a/*",
            "/a?b",
            "/a%20b",
            "/{",
            "/{}",
            "/{a b}",
            "/x{id}",
            "/{*a}/b",
            "/{id}/{id}",
            "/a\\b",
            "/a#b",
            "/./a",
        ] {
            assert!(PathPattern::parse(pattern).is_err(), "{pattern}");
        }
    }

    #[test]
    fn a_raw_path_matches_a_literal_in_its_minimal_encoding_only() {
        let pattern = PathPattern::parse("/caf\u{e9}/{id}").expect("a pattern");
        assert!(pattern.matches_raw("/caf%C3%A9/1").is_some());
        assert!(pattern.matches_raw("/caf%c3%a9/1").is_some());
        assert!(
            pattern.matches_raw("/%63af%C3%A9/1").is_none(),
            "`c` needs no encoding"
        );
    }

    #[test]
    fn host_patterns() {
        let matches = |pattern: &str, host: &str| {
            HostPattern::parse(Some(pattern))
                .expect("a host")
                .matches(host)
        };
        assert!(matches("api.example", "api.example") && !matches("api.example", "x.api.example"));
        assert!(matches("*.example", "a.b.example") && !matches("*.example", "example"));
        assert!(!matches("*.example", ".example") && !matches("*.example", "badexample"));
        assert!(matches("*", "anything"));
        for bad in [
            "API.example",
            "api.example:80",
            "a/b",
            "*",
            "*.*.x",
            "http://x",
        ] {
            assert_eq!(HostPattern::parse(Some(bad)).is_ok(), bad == "*", "{bad}");
        }
    }
}
