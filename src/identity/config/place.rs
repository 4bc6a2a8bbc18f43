//! Where a route's callers put their token, and how it is kept from the upstream.
//!
//! Names are bare words of the protocol: one that had to be decoded could be spelt in two ways,
//! and the proxy, which takes the token out again, might know only one of them.

use serde::{Deserialize, Deserializer, Serialize};

use super::Requirement;
use crate::problem::Problem;

/// Where the token is, when it is not in `Authorization: Bearer`.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Place {
    /// The cookie of this name.
    Cookie(String),
    /// The header of this name, in lower case: the bare token, without `Bearer`.
    Header(#[serde(deserialize_with = "lower_case")] String),
    /// The query parameter of this name.
    Query(String),
}

/// What the proxy takes out of a request before it goes on.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Stripped<'a> {
    /// The header of this name.
    Header(&'a str),
    /// The query parameter of this name.
    Query(&'a str),
}

impl Requirement {
    /// What is wrong with `token` and `strip`.
    #[must_use]
    pub fn problems(&self) -> Vec<Problem> {
        let problem = |key: &str, text: String| vec![Problem::new(key, text)];
        match &self.token {
            Some(Place::Cookie(_)) if self.strip => {
                let text = "cannot take one cookie out of a header; remove `strip`, \
                            or have the token sent in a header";
                problem("strip", text.to_owned())
            }
            Some(Place::Cookie(name)) if !is_word(name, HEADER_MARKS) => {
                problem("token.cookie", format!("`{name}` is not a cookie's name"))
            }
            Some(Place::Header(name)) => {
                let refusal = refuse_header(name);
                refusal.map_or_else(Vec::new, |text| problem("token.header", text))
            }
            Some(Place::Query(name)) if !is_word(name, "-._~") => {
                let text = format!("`{name}` is not a name of letters, digits, `-`, `.`, `_`, `~`");
                problem("token.query", text)
            }
            Some(Place::Cookie(_) | Place::Query(_)) | None => Vec::new(),
        }
    }

    /// What is to be taken out, when the route asks for that.
    #[must_use]
    pub fn stripped(&self) -> Option<Stripped<'_>> {
        let place = match &self.token {
            None => Some(Stripped::Header("authorization")),
            Some(Place::Header(name)) => Some(Stripped::Header(name)),
            Some(Place::Query(name)) => Some(Stripped::Query(name)),
            Some(Place::Cookie(_)) => None,
        };
        place.filter(|_| self.strip)
    }
}

fn refuse_header(name: &str) -> Option<String> {
    if name == "authorization" {
        let text = "`authorization` is looked at when `token` is left out, for `Bearer`";
        return Some(text.to_owned());
    }
    if name == "cookie" {
        return Some("`cookie` holds many; write `token: { cookie: NAME }`".to_owned());
    }
    if FRAMING.contains(&name) || name.replace('_', "-").starts_with("x-subzero-") {
        return Some(format!("`{name}` has another purpose; choose another name"));
    }
    (!is_word(name, HEADER_MARKS)).then(|| format!("`{name}` is not a header's name"))
}

fn is_word(name: &str, marks: &str) -> bool {
    let fits = |c: char| c.is_ascii_alphanumeric() || marks.contains(c);
    !name.is_empty() && name.len() <= 64 && name.chars().all(fits)
}

fn lower_case<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let name = String::deserialize(deserializer)?;
    Ok(name.to_ascii_lowercase())
}

/// What a token of RFC 9110 has besides letters and digits.
const HEADER_MARKS: &str = "!#$%&'*+-.^_`|~";

/// Headers that say how a message is to be read.
const FRAMING: [&str; 7] = [
    "connection",
    "content-length",
    "host",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];
