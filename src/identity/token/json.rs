//! JSON in which no object has two members of the same name.
//!
//! Which of two members counts is up to each parser, so a token that has them may mean one thing
//! to its issuer and another to us. Depth is bounded by `serde_json` (128), size by the token's.

use std::fmt;

use serde::{
    Deserialize, Deserializer,
    de::{self, MapAccess, SeqAccess, Visitor},
};
use serde_json::{Map, Number, Value};

/// A value whose objects have no duplicate members, at any depth.
pub(in crate::identity) struct Unique(pub(in crate::identity) Value);

impl<'de> Deserialize<'de> for Unique {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Any;
        impl<'de> Visitor<'de> for Any {
            type Value = Unique;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("JSON")
            }

            fn visit_bool<E>(self, value: bool) -> Result<Unique, E> {
                Ok(Unique(Value::Bool(value)))
            }

            fn visit_i64<E>(self, value: i64) -> Result<Unique, E> {
                Ok(Unique(Value::from(value)))
            }

            fn visit_u64<E>(self, value: u64) -> Result<Unique, E> {
                Ok(Unique(Value::from(value)))
            }

            fn visit_f64<E: de::Error>(self, value: f64) -> Result<Unique, E> {
                let number = Number::from_f64(value);
                let number = number.ok_or_else(|| E::custom("number out of range"))?;
                Ok(Unique(Value::Number(number)))
            }

            fn visit_str<E>(self, value: &str) -> Result<Unique, E> {
                Ok(Unique(Value::String(value.to_owned())))
            }

            fn visit_string<E>(self, value: String) -> Result<Unique, E> {
                Ok(Unique(Value::String(value)))
            }

            fn visit_unit<E>(self) -> Result<Unique, E> {
                Ok(Unique(Value::Null))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Unique, A::Error> {
                let mut values = Vec::new();
                while let Some(Unique(value)) = seq.next_element()? {
                    values.push(value);
                }
                Ok(Unique(Value::Array(values)))
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Unique, A::Error> {
                let mut members = Map::new();
                while let Some((name, Unique(value))) = map.next_entry::<String, Unique>()? {
                    if members.insert(name, value).is_some() {
                        return Err(de::Error::custom("duplicate member"));
                    }
                }
                Ok(Unique(Value::Object(members)))
            }
        }
        deserializer.deserialize_any(Any)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn duplicate_members_are_refused_at_any_depth_and_by_any_spelling() {
        let accepted = |text: &str| serde_json::from_str::<Unique>(text).is_ok();
        assert!(accepted(r#"{"a":{"b":1},"b":[{"a":1},{"a":2}]}"#));
        assert!(!accepted(r#"{"a":1,"a":1}"#));
        assert!(!accepted(r#"{"a":1,"\u0061":2}"#));
        assert!(!accepted(r#"{"x":[{"a":1,"a":2}]}"#));
        assert!(!accepted(&format!(
            "{}{}",
            "[".repeat(200),
            "]".repeat(200)
        )));
        assert!(!accepted("1e400"));
    }
}
