//! The claims of a token by name, with none of them twice.
//!
//! A token has a dozen, most of them texts. Those stay where they came, in the payload, and are only
//! pointed at: a token costs a handful of allocations instead of one for each text.

mod claim;
mod name;
mod read;

use serde_json::{Map, Value};

pub(in crate::identity) use self::claim::Claim;
use self::{
    claim::{Held, List, Span},
    name::{Name, Place, order, place},
};

/// What a token says. Values in it have no member twice either.
#[derive(Clone, Debug, Default)]
pub(in crate::identity) struct Claims {
    /// In order if there are more than [`FEW`].
    members: Vec<(Name, Held)>,
    /// The texts of lists, one list after the other.
    listed: Vec<Span>,
    /// What texts are parts of: the payload, or nothing.
    payload: String,
}

impl Claims {
    /// Reads the `payload` of a token: `None` unless it is an object of JSON without a member twice at
    /// any depth.
    pub(in crate::identity) fn read(payload: Vec<u8>) -> Option<Self> {
        read::read(String::from_utf8(payload).ok()?)
    }

    #[inline]
    pub(in crate::identity) fn get(&self, name: &str) -> Option<Claim<'_>> {
        self.find(name).map(|held| self.seen(held))
    }

    /// The claim `name`, if it is a text.
    #[inline]
    pub(in crate::identity) fn text(&self, name: &str) -> Option<&str> {
        self.get(name)?.as_str()
    }

    #[inline]
    pub(in crate::identity) fn contains_key(&self, name: &str) -> bool {
        self.find(name).is_some()
    }

    /// Adds a text as a claim that is not among them.
    pub(in crate::identity) fn insert(&mut self, name: &str, text: String) {
        if !self.contains_key(name) {
            let added = (Name::of(name), Held::Value(Value::String(text)));
            self.members.push(added);
            let is_once = self.put_in_order();
            debug_assert!(is_once, "it was not among them");
        }
    }

    /// The allocations behind them apart from their values, in bytes each.
    pub(in crate::identity) fn allocations(&self) -> impl Iterator<Item = usize> {
        let names = self.members.iter().map(|(name, _)| name.allocated());
        names.chain([
            self.members.capacity() * size_of::<(Name, Held)>(),
            self.listed.capacity() * size_of::<Span>(),
            self.payload.capacity(),
        ])
    }

    /// The values that have allocations of their own.
    pub(in crate::identity) fn values(&self) -> impl Iterator<Item = &Value> {
        self.members.iter().filter_map(|(_, held)| match held {
            Held::Value(value) => Some(value),
            Held::Text(_) | Held::List(_) => None,
        })
    }

    /// To be called once all members are there; whether every one is there once.
    #[must_use]
    fn put_in_order(&mut self) -> bool {
        let members = &mut self.members;
        if members.len() <= FEW {
            let mut rest = &members[..];
            while let [(name, _), others @ ..] = rest {
                if others.iter().any(|(other, _)| is_same(other, name.place())) {
                    return false;
                }
                rest = others;
            }
            return true;
        }
        members.sort_unstable_by(|(one, _), (other, _)| order(one.place(), other.place()));
        !members
            .windows(2)
            .any(|pair| is_same(&pair[0].0, pair[1].0.place()))
    }

    #[inline]
    fn find(&self, name: &str) -> Option<&Held> {
        let wanted = place(name);
        let found = if self.members.len() <= FEW {
            let mut members = self.members.iter();
            members.find(|(own, _)| is_same(own, wanted))
        } else {
            let found = self
                .members
                .binary_search_by(|(own, _)| order(own.place(), wanted));
            found.ok().map(|at| &self.members[at])
        };
        found.map(|(_, held)| held)
    }

    #[inline]
    fn seen<'a>(&'a self, held: &'a Held) -> Claim<'a> {
        match held {
            Held::Text(span) => Claim::Text(span.of(&self.payload)),
            Held::List(range) => Claim::List(List::Parts {
                parts: self.listed.get(range.clone()).unwrap_or_default(),
                whole: &self.payload,
            }),
            Held::Value(Value::String(text)) => Claim::Text(text),
            Held::Value(Value::Array(values)) => Claim::List(List::Values(values)),
            Held::Value(value) => Claim::Value(value),
        }
    }
}

impl From<Map<String, Value>> for Claims {
    fn from(members: Map<String, Value>) -> Self {
        let held = |(name, value): (String, _)| (Name::of(&name), Held::Value(value));
        let mut claims = Self {
            members: members.into_iter().map(held).collect(),
            ..Self::default()
        };
        let is_once = claims.put_in_order();
        debug_assert!(is_once, "a map has no name twice");
        claims
    }
}

#[inline]
fn is_same(name: &Name, place: Place<'_>) -> bool {
    order(name.place(), place).is_eq()
}

/// So many are looked through one by one as quickly as they are found in order.
const FEW: usize = 16;

#[cfg(test)]
mod tests;
