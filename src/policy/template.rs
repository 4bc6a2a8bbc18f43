//! `user:{token.sub}`: text with places for facts of the request.
//!
//! A fact that is missing denies, and so does one that would break out of its place: a subject of
//! `a#member` or `*` must never turn a check for one object into a check for another.

use std::{borrow::Cow, fmt};

use super::{body, route::Captures};
use crate::{
    check::{Body, Check},
    identity::Identity,
    problem::Problem,
    verdict::Reason,
};

/// A compiled `type:id` template.
#[derive(Clone, Debug)]
pub(super) struct Template {
    parts: Vec<Part>,
}

#[derive(Clone, Debug)]
enum Part {
    Fact(Fact),
    Text(String),
}

/// A placeholder: where its value comes from.
#[derive(Clone, Debug, Eq, PartialEq)]
enum Fact {
    Body(Vec<String>),
    Context(String),
    Header(String),
    Metadata(String),
    Path(String),
    Query(String),
    SourcePrincipal,
    Token(String),
}

/// Everything a placeholder may read.
#[derive(Clone, Copy, Debug)]
pub struct Facts<'a> {
    /// The request.
    pub check: &'a Check,
    /// Who asks.
    pub identity: &'a Identity,
    /// What the route's path captured.
    pub captures: &'a Captures,
}

/// Why a placeholder, named as it is written in the route, has no usable value.
#[derive(Debug, thiserror::Error)]
pub enum MissingInput {
    /// The body is not JSON, or a key on the way stands twice.
    #[error("the body cannot be read for `{0}`")]
    BodyMalformed(String),
    /// The body is needed and none arrived.
    #[error("no body for `{0}`")]
    BodyMissing(String),
    /// The body is needed and only its beginning arrived.
    #[error("only part of a body for `{0}`")]
    BodyPartial(String),
    /// Nothing there.
    #[error("`{0}` has no value")]
    NoValue(String),
    /// The value has characters with a meaning in a relationship, or is too long.
    #[error("the value of `{0}` would break out of its place")]
    Unfit(String),
}

impl MissingInput {
    /// What the caller is told.
    #[must_use]
    pub fn reason(&self) -> Reason {
        match self {
            Self::BodyMalformed(_) => Reason::BodyMalformed,
            Self::BodyMissing(_) => Reason::BodyMissing,
            Self::BodyPartial(_) => Reason::BodyPartial,
            Self::NoValue(_) | Self::Unfit(_) => Reason::MissingInput,
        }
    }
}

impl Template {
    /// Compiles `text`, which must have its type written out: `document:{path.id}`.
    pub(super) fn parse(text: &str, key: &str) -> Result<Self, Problem> {
        let refuse = |why: String| Err(Problem::new(key, format!("`{text}` {why}")));
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some(open) = rest.find('{') {
            let Some(length) = rest[open..].find('}') else {
                return refuse("has a `{` without its `}`".into());
            };
            if open > 0 {
                parts.push(Part::Text(rest[..open].to_owned()));
            }
            let name = &rest[open + 1..open + length];
            match Fact::parse(name) {
                Some(fact) => parts.push(Part::Fact(fact)),
                None => {
                    return refuse(format!(
                        "has an unknown placeholder `{{{name}}}`; {KNOWN_FACTS}"
                    ));
                }
            }
            rest = &rest[open + length + 1..];
        }
        if !rest.is_empty() {
            parts.push(Part::Text(rest.to_owned()));
        }
        let literal: String = parts
            .iter()
            .map(|part| {
                if let Part::Text(text) = part {
                    text
                } else {
                    ""
                }
            })
            .collect();
        let type_is_written = matches!(parts.first(), Some(Part::Text(first)) if first.find(':').is_some_and(|at| at > 0));
        if !type_is_written || literal.matches(':').count() != 1 || text.ends_with(':') {
            return refuse(
                "must be `type:id` with the type written out, such as `user:{token.sub}`".into(),
            );
        }
        if literal.contains(['#', '*']) || literal.contains(char::is_whitespace) {
            return refuse("may not contain `#`, `*` or blanks".into());
        }
        Ok(Self { parts })
    }

    /// The type before the colon.
    pub(super) fn type_name(&self) -> &str {
        match self.parts.first() {
            Some(Part::Text(text)) => text.split(':').next().unwrap_or_default(),
            _ => "",
        }
    }

    /// The names of path captures it reads.
    pub(super) fn path_names(&self) -> impl Iterator<Item = &str> {
        self.facts().filter_map(|fact| {
            if let Fact::Path(name) = fact {
                Some(name.as_str())
            } else {
                None
            }
        })
    }

    /// Whether it reads the token.
    pub(super) fn reads_token(&self) -> bool {
        self.facts().any(|fact| matches!(fact, Fact::Token(_)))
    }

    /// The facts it reads that are merely what the client says.
    pub(super) fn claims(&self) -> impl Iterator<Item = String> {
        let claimed = self.facts().filter(|fact| !fact.is_proven());
        claimed.map(ToString::to_string)
    }

    /// Whether it reads anything that a client cannot choose.
    pub(super) fn reads_proven(&self) -> bool {
        self.facts().any(Fact::is_proven)
    }

    /// Whether it reads the peer certificate's principal.
    pub(super) fn reads_principal(&self) -> bool {
        self.facts().any(|fact| *fact == Fact::SourcePrincipal)
    }

    /// Whether it needs an HTTP request.
    pub(super) fn reads_http(&self) -> bool {
        let plain = |fact: &Fact| {
            matches!(
                fact,
                Fact::SourcePrincipal | Fact::Context(_) | Fact::Metadata(_)
            )
        };
        !self.facts().all(plain)
    }

    fn facts(&self) -> impl Iterator<Item = &Fact> {
        self.parts.iter().filter_map(|part| {
            if let Part::Fact(fact) = part {
                Some(fact)
            } else {
                None
            }
        })
    }

    /// Fills every place, or says which one cannot be filled.
    pub(super) fn fill(&self, facts: &Facts<'_>) -> Result<String, MissingInput> {
        let mut filled = String::with_capacity(64);
        for part in &self.parts {
            match part {
                Part::Text(text) => filled.push_str(text),
                Part::Fact(fact) => {
                    let value = fact
                        .value(facts)?
                        .ok_or_else(|| MissingInput::NoValue(fact.to_string()))?;
                    if value.is_empty() {
                        return Err(MissingInput::NoValue(fact.to_string()));
                    }
                    if !fits(&value) {
                        return Err(MissingInput::Unfit(fact.to_string()));
                    }
                    filled.push_str(&value);
                }
            }
        }
        if filled.len() > MAX_BYTES {
            let last = self
                .facts()
                .last()
                .map(ToString::to_string)
                .unwrap_or_default();
            return Err(MissingInput::Unfit(last));
        }
        Ok(filled)
    }
}

impl Fact {
    fn parse(name: &str) -> Option<Self> {
        let (root, rest) = name.split_once('.')?;
        if rest.is_empty() {
            return None;
        }
        Some(match root {
            "body" => Self::Body(rest.split('.').map(str::to_owned).collect()),
            "context" => Self::Context(rest.to_owned()),
            "header" => Self::Header(rest.to_ascii_lowercase()),
            "metadata" => Self::Metadata(rest.to_owned()),
            "path" => Self::Path(rest.to_owned()),
            "query" => Self::Query(rest.to_owned()),
            "source" if rest == "principal" => Self::SourcePrincipal,
            "token" => Self::Token(rest.to_owned()),
            _ => return None,
        })
    }

    /// Whether the issuer, the peer's certificate or the operator vouches for it.
    fn is_proven(&self) -> bool {
        match self {
            Self::Context(_) | Self::Metadata(_) | Self::SourcePrincipal | Self::Token(_) => true,
            Self::Body(_) | Self::Header(_) | Self::Path(_) | Self::Query(_) => false,
        }
    }

    fn value<'a>(&'a self, facts: &Facts<'a>) -> Result<Option<Cow<'a, str>>, MissingInput> {
        let request = facts.check.http.as_ref();
        Ok(match self {
            Self::Body(steps) => match request.map(|request| &request.body) {
                Some(Body::Complete(_))
                    if !request.is_some_and(|request| body::may_be_json(&request.headers)) =>
                {
                    return Err(MissingInput::BodyMalformed(self.to_string()));
                }
                Some(Body::Complete(bytes)) => body::scalar_at(bytes, steps)
                    .map_err(|_| MissingInput::BodyMalformed(self.to_string()))?
                    .map(Cow::Owned),
                Some(Body::Partial(_)) => return Err(MissingInput::BodyPartial(self.to_string())),
                Some(Body::Absent) | None => {
                    return Err(MissingInput::BodyMissing(self.to_string()));
                }
            },
            Self::Context(name) => facts
                .check
                .context
                .get(name)
                .map(|value| Cow::Borrowed(value.as_str())),
            Self::Header(name) => request
                .and_then(|request| request.headers.single(name))
                .map(Cow::Borrowed),
            Self::Metadata(name) => facts.check.metadata(name).map(Cow::Owned),
            Self::Path(name) => facts.captures.value(name).map(Cow::Borrowed),
            Self::Query(name) => request
                .and_then(|request| request.path.as_ref().ok())
                .and_then(|path| path.query(name))
                .map(Cow::Owned),
            Self::SourcePrincipal => facts.check.source.principal.as_deref().map(principal_id),
            Self::Token(claim) => facts.identity.claim(claim),
        })
    }
}

/// As it is written in a route: `{token.sub}`.
impl fmt::Display for Fact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Body(steps) => write!(f, "{{body.{}}}", steps.join(".")),
            Self::Context(name) => write!(f, "{{context.{name}}}"),
            Self::Header(name) => write!(f, "{{header.{name}}}"),
            Self::Metadata(name) => write!(f, "{{metadata.{name}}}"),
            Self::Path(name) => write!(f, "{{path.{name}}}"),
            Self::Query(name) => write!(f, "{{query.{name}}}"),
            Self::SourcePrincipal => f.write_str("{source.principal}"),
            Self::Token(claim) => write!(f, "{{token.{claim}}}"),
        }
    }
}

/// An id cannot hold a colon, so `spiffe://td/ns/a` stands as `spiffe/td/ns/a`. No other principal
/// can look like that: a DNS name has no slash, and a subject begins with an attribute (`CN=`).
fn principal_id(principal: &str) -> Cow<'_, str> {
    match principal.strip_prefix("spiffe://") {
        Some(rest) => Cow::Owned(format!("spiffe/{rest}")),
        None => Cow::Borrowed(principal),
    }
}

/// Whether `value` stays inside an id.
fn fits(value: &str) -> bool {
    value.len() <= MAX_BYTES
        && !value.contains([':', '#', '*'])
        && !value.contains(|c: char| c.is_whitespace() || c.is_control())
}

/// OpenFGA's own bound for an object, `type:id`.
const MAX_BYTES: usize = 256;

const KNOWN_FACTS: &str = "known are {token.CLAIM}, {path.NAME}, {query.NAME}, {header.NAME}, {body.POINTER}, \
                           {source.principal}, {context.NAME} and {metadata.NAMESPACE.KEY}";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_template_needs_its_type_written_out() {
        for bad in [
            "document",
            "{path.id}",
            "{path.type}:{path.id}",
            "a:b:{path.id}",
            ":{path.id}",
            "document:",
            "document:{path.id",
            "document:{nothing.id}",
            "document:{path.}",
            "document:{source.address}",
            "document:{path.id}#x",
            "document:*",
            "doc ument:{path.id}",
        ] {
            assert!(Template::parse(bad, "object").is_err(), "{bad}");
        }
        let template =
            Template::parse("document:{path.a}-{header.X-B}", "object").expect("a template");
        assert_eq!(template.type_name(), "document");
        assert_eq!(template.path_names().collect::<Vec<_>>(), ["a"]);
    }

    #[test]
    fn values_with_a_meaning_of_their_own_do_not_fit() {
        for bad in [
            "a:b",
            "a#b",
            "*",
            "a*",
            "a b",
            "a\tb",
            "a\u{a0}b",
            "a\0b",
            &"a".repeat(257),
        ] {
            assert!(!fits(bad), "{bad:?}");
        }
        for good in [
            "auth0|abc",
            "7f3c-11",
            "caf\u{e9}",
            "a/b.c",
            "anne@example.com",
        ] {
            assert!(fits(good), "{good}");
        }
    }
}
