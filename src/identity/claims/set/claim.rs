//! What a claim says.

use std::ops::Range;

use serde_json::Value;

/// A claim's value, wherever it is kept.
#[derive(Clone, Copy, Debug)]
pub(in crate::identity) enum Claim<'a> {
    Text(&'a str),
    List(List<'a>),
    /// Neither a text nor a list.
    Value(&'a Value),
}

impl<'a> Claim<'a> {
    #[inline]
    pub(in crate::identity) fn as_str(self) -> Option<&'a str> {
        match self {
            Self::Text(text) => Some(text),
            Self::List(_) | Self::Value(_) => None,
        }
    }

    pub(in crate::identity) fn as_f64(self) -> Option<f64> {
        self.as_value()?.as_f64()
    }

    /// The member `name` of an object.
    pub(in crate::identity) fn member(self, name: &str) -> Option<&'a Value> {
        self.as_value()?.get(name)
    }

    pub(in crate::identity) fn as_value(self) -> Option<&'a Value> {
        match self {
            Self::Value(value) => Some(value),
            Self::Text(_) | Self::List(_) => None,
        }
    }
}

/// A list: texts alone, or values of any kind.
#[derive(Clone, Copy, Debug)]
pub(in crate::identity) enum List<'a> {
    Parts { parts: &'a [Span], whole: &'a str },
    Values(&'a [Value]),
}

impl<'a> List<'a> {
    /// Its elements: `None` for one that is no text.
    pub(in crate::identity) fn iter(self) -> impl Iterator<Item = Option<&'a str>> {
        let (parts, whole, values) = match self {
            Self::Parts { parts, whole } => (parts, whole, &[][..]),
            Self::Values(values) => (&[][..], "", values),
        };
        let parts = parts.iter().map(|span| Some(span.of(whole)));
        parts.chain(values.iter().map(Value::as_str))
    }
}

/// How a claim is kept.
#[derive(Clone, Debug)]
pub(super) enum Held {
    /// A part of the payload.
    Text(Span),
    /// Which of the texts of lists are its.
    List(Range<usize>),
    Value(Value),
}

/// Part of a payload: the bytes from the first to the second.
#[derive(Clone, Copy, Debug)]
pub(in crate::identity) struct Span(u32, u32);

impl Span {
    /// `None` for what is longer than any token.
    #[inline]
    pub(super) fn new(range: Range<usize>) -> Option<Self> {
        let [start, end] = [range.start, range.end].map(|at| u32::try_from(at).ok());
        Some(Self(start?, end?))
    }

    #[inline]
    pub(super) fn of(self, whole: &str) -> &str {
        let range = self.0 as usize..self.1 as usize;
        whole.get(range).unwrap_or_default()
    }
}
