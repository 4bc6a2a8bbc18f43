//! One value out of a JSON body, for `{body.model}`.
//!
//! Streams through the body without building a tree. A key on the way that stands twice is no
//! value at all: upstreams differ in which of the two they take.

use std::fmt;

use serde::{
    Deserializer,
    de::{self, DeserializeSeed, IgnoredAny, MapAccess, SeqAccess, Visitor},
};

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

#[cfg(test)]
mod tests {
    use super::*;

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
        assert!(at(r#"{"model":"a"} x"#, "model").is_err());
        assert!(at("nonsense", "model").is_err());
    }
}
