//! One value out of a JSON body, for `{body.model}`.
//!
//! Streams through the body without building a tree. A key on the way that stands twice is no
//! value at all: upstreams differ in which of the two they take.

use std::fmt;

use serde::{
    Deserializer,
    de::{self, DeserializeSeed, IgnoredAny, MapAccess, SeqAccess, Visitor},
};

use crate::check::Headers;

/// The scalar at `steps` (keys or list indexes) in `body`: `Ok(None)` when nothing is there.
///
/// # Errors
///
/// When the body is not JSON, or a key on the way is repeated.
pub(super) fn scalar_at(
    body: &[u8],
    steps: &[String],
) -> Result<Option<String>, serde_json::Error> {
    let mut deserializer = serde_json::Deserializer::from_slice(body);
    let found = Seek { steps }.deserialize(&mut deserializer)?;
    deserializer.end()?;
    Ok(found)
}

#[derive(Clone, Copy)]
struct Seek<'s> {
    steps: &'s [String],
}

impl<'de> DeserializeSeed<'de> for Seek<'_> {
    type Value = Option<String>;

    fn deserialize<D: Deserializer<'de>>(
        self,
        deserializer: D,
    ) -> Result<Option<String>, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl Seek<'_> {
    /// The value of a scalar: only wanted when no step is left.
    fn here(self, value: &(impl ToString + ?Sized)) -> Option<String> {
        self.steps.is_empty().then(|| value.to_string())
    }
}

impl<'de> Visitor<'de> for Seek<'_> {
    type Value = Option<String>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Option<String>, E> {
        Ok(self.here(&value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Option<String>, E> {
        Ok(self.here(&value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Option<String>, E> {
        Ok(self.here(&value))
    }

    fn visit_f64<E>(self, _: f64) -> Result<Option<String>, E> {
        // A float has many spellings; an object id made from one could not be trusted.
        Ok(None)
    }

    fn visit_str<E>(self, value: &str) -> Result<Option<String>, E> {
        Ok(self.here(value))
    }

    fn visit_unit<E>(self) -> Result<Option<String>, E> {
        Ok(None)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Option<String>, A::Error> {
        let mut found = None;
        let mut seen = false;
        while let Some(key) = map.next_key::<String>()? {
            match self.steps.split_first() {
                Some((step, steps)) if *step == key => {
                    if seen {
                        return Err(de::Error::custom(format!("key `{step}` stands twice")));
                    }
                    seen = true;
                    found = map.next_value_seed(Seek { steps })?;
                }
                // Some upstreams take keys without regard to case, and the last one wins.
                Some((step, _)) if folded(step) == folded(&key) => {
                    return Err(de::Error::custom(format!(
                        "key `{step}` stands in two cases"
                    )));
                }
                _ => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(found)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Option<String>, A::Error> {
        let mut found = None;
        let wanted = self
            .steps
            .split_first()
            .and_then(|(step, steps)| Some((step.parse::<usize>().ok()?, steps)));
        let mut at = 0;
        loop {
            let more = match wanted {
                Some((index, steps)) if index == at => {
                    match seq.next_element_seed(Seek { steps })? {
                        Some(value) => {
                            found = value;
                            true
                        }
                        None => false,
                    }
                }
                _ => seq.next_element::<IgnoredAny>()?.is_some(),
            };
            if !more {
                return Ok(found);
            }
            at += 1;
        }
    }
}

/// Upper case first, so that letters with several lower-case forms come out alike.
fn folded(key: &str) -> String {
    key.to_uppercase().to_lowercase()
}

/// Whether a body with these headers can be read as JSON by everybody alike: a form or a
/// compressed body means something else to the upstream than to us.
pub(super) fn may_be_json(headers: &Headers) -> bool {
    if headers
        .joined("content-encoding")
        .is_some_and(|coding| *coding != *b"identity")
    {
        return false;
    }
    let Some(kind) = headers.joined("content-type") else {
        return true;
    };
    let Ok(kind) = str::from_utf8(&kind) else {
        return false;
    };
    let kind = kind.to_ascii_lowercase();
    let (media, parameters) = kind.split_once(';').unwrap_or((&kind, ""));
    let is_other = media.contains(',')
        || media.trim() == "application/x-www-form-urlencoded"
        || media.trim_start().starts_with("multipart/");
    let charset = parameters
        .split_once("charset")
        .map(|(_, value)| value.trim_start_matches(['*', '=', ' ', '"']).to_owned());
    !is_other
        && charset
            .is_none_or(|charset| charset.starts_with("utf-8") || charset.starts_with("us-ascii"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_compressed_bodies_and_other_charsets_are_not_read_as_json() {
        let may = |sent: &[(&str, &str)]| {
            let mut headers = Headers::default();
            for (name, value) in sent {
                headers.push(name, value.as_bytes());
            }
            may_be_json(&headers)
        };
        for kind in [
            "application/json",
            "application/json; charset=utf-8",
            "Application/JSON;charset=\"UTF-8\"",
            "text/plain",
        ] {
            assert!(may(&[("content-type", kind)]), "{kind}");
        }
        for kind in [
            "application/x-www-form-urlencoded",
            "multipart/form-data; boundary=x",
            "application/json, application/x-www-form-urlencoded",
            "application/json; charset=utf-16",
            "application/json; charset = \"utf-7\"",
        ] {
            assert!(!may(&[("content-type", kind)]), "{kind}");
        }
        assert!(may(&[]) && may(&[("content-encoding", "identity")]));
        assert!(!may(&[("content-encoding", "gzip")]));
        assert!(!may(&[
            ("content-type", "application/json"),
            ("content-type", "text/plain")
        ]));
    }

    fn at(body: &str, pointer: &str) -> Result<Option<String>, serde_json::Error> {
        let steps: Vec<String> = pointer.split('.').map(str::to_owned).collect();
        scalar_at(body.as_bytes(), &steps)
    }

    #[test]
    fn values_are_found_and_ambiguity_is_an_error() {
        let body = r#"{"x":[1,{"y":"z"}],"model":"g\u0070t","n":7,"b":true,"f":1.5,"o":{}}"#;
        for (pointer, expected) in [
            ("model", Some("gpt")),
            ("x.1.y", Some("z")),
            ("x.0", Some("1")),
            ("n", Some("7")),
            ("b", Some("true")),
            ("f", None),
            ("o", None),
            ("x", None),
            ("x.9", None),
            ("model.x", None),
            ("none", None),
        ] {
            assert_eq!(
                at(body, pointer).expect("json").as_deref(),
                expected,
                "{pointer}"
            );
        }
        assert!(at(r#"{"model":"a","model":"b"}"#, "model").is_err());
        assert!(at(r#"{"model":"a","mo\u0064el":"b"}"#, "model").is_err());
        assert!(at(r#"{"model":"a","Model":"b"}"#, "model").is_err());
        assert!(
            at(r#"{"MODEL":"b"}"#, "model").is_err(),
            "the other case alone is no value either"
        );
        assert!(
            at(r#"{"x":{"Model":1},"model":"a"}"#, "model").is_ok(),
            "another level"
        );
        assert!(at(r#"{"model":"a"} x"#, "model").is_err());
        assert!(at("nonsense", "model").is_err());
    }
}
