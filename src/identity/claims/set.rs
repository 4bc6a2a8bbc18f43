//! The claims of a token by name, with none of them twice.
//!
//! A token has a dozen: in order in one allocation they are found, and freed, in a fraction of what a tree
//! of strings takes.

mod name;

use std::fmt;

use serde::{
    Deserialize, Deserializer,
    de::{self, MapAccess, Visitor},
};
use serde_json::{Map, Value};

use self::name::{Name, order, place};
use super::super::token::json::Unique;

/// What a token says. Values in it have no member twice either.
#[derive(Clone, Debug, Default, PartialEq)]
pub(in crate::identity) struct Claims(Vec<(Name, Value)>);

impl Claims {
    #[inline]
    pub(in crate::identity) fn get(&self, name: &str) -> Option<&Value> {
        Some(&self.0[self.find(name).ok()?].1)
    }

    pub(in crate::identity) fn contains_key(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    /// All of them, in no order that means anything.
    pub(in crate::identity) fn iter(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value))
    }

    /// Adds a claim that is not among them.
    pub(in crate::identity) fn insert(&mut self, name: &str, value: Value) {
        if let Err(at) = self.find(name) {
            self.0.insert(at, (Name::of(name), value));
        }
    }

    /// The allocations behind names and places, in bytes each.
    pub(in crate::identity) fn allocations(&self) -> impl Iterator<Item = usize> {
        let names = self.0.iter().map(|(name, _)| name.allocated());
        names.chain([self.0.capacity() * size_of::<(Name, Value)>()])
    }

    /// `None` when a name stands twice.
    fn of(mut claims: Vec<(Name, Value)>) -> Option<Self> {
        claims.sort_unstable_by(|(one, _), (other, _)| order(one.place(), other.place()));
        let is_twice = claims.windows(2).any(|pair| pair[0].0 == pair[1].0);
        (!is_twice).then_some(Self(claims))
    }

    /// Where the claim `name` is, or else would belong.
    #[inline]
    fn find(&self, name: &str) -> Result<usize, usize> {
        let wanted = place(name);
        self.0
            .binary_search_by(|(own, _)| order(own.place(), wanted))
    }
}

impl From<Map<String, Value>> for Claims {
    fn from(members: Map<String, Value>) -> Self {
        let members = members
            .into_iter()
            .map(|(name, value)| (Name::of(&name), value));
        // A map has no name twice.
        Self::of(members.collect()).unwrap_or_default()
    }
}

impl<'de> Deserialize<'de> for Claims {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Object;
        impl<'de> Visitor<'de> for Object {
            type Value = Claims;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Claims, A::Error> {
                let mut claims = Vec::with_capacity(USUAL);
                while let Some((name, Unique(value))) = map.next_entry()? {
                    claims.push((name, value));
                }
                Claims::of(claims).ok_or_else(|| de::Error::custom("duplicate member"))
            }
        }
        deserializer.deserialize_map(Object)
    }
}

/// As many as most tokens have.
const USUAL: usize = 12;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_claim_is_found_and_no_other() {
        let text = r#"{"sub":"ann","iss":"i","aud":["a"],"permissions":[],"x":{"sub":1},"":0}"#;
        let claims: Claims = serde_json::from_str(text).expect("good");
        let map: Map<String, Value> = serde_json::from_str(text).expect("good");
        for (name, value) in &map {
            assert_eq!(claims.get(name), Some(value), "{name}");
        }
        for name in ["su", "suc", "subs", "SUB", "y"] {
            assert!(!claims.contains_key(name), "{name}");
        }
        assert_eq!(claims.iter().count(), map.len());
        assert_eq!(Claims::from(map), claims);
        assert!(!Claims::default().contains_key(""));
    }

    #[test]
    fn a_claim_twice_is_refused_however_it_is_spelt() {
        let read = |text: &str| serde_json::from_str::<Claims>(text).is_ok();
        assert!(read(r#"{"a":{"b":1},"b":1}"#));
        for text in [
            r#"{"a":1,"b":2,"a":1}"#,
            r#"{"a":1,"\u0061":1}"#,
            r#"{"x":{"a":1,"a":2}}"#,
            "[]",
            "null",
        ] {
            assert!(!read(text), "{text}");
        }
        let many: Vec<String> = (0..3_000).map(|number| format!("\"{number}\":0")).collect();
        assert!(read(&format!("{{{}}}", many.join(","))));
        assert!(!read(&format!("{{{},\"7\":1}}", many.join(","))));
    }
}
