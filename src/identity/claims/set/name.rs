//! What a claim is called.

use std::{cmp::Ordering, fmt};

use serde::{
    Deserialize, Deserializer,
    de::{Error, Visitor},
};

/// A claim's name. A short one, as most are, is on no heap and compared like a number.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Name {
    /// The first bytes.
    start: [u8; SHORT],
    /// How many bytes those are; [`IS_LONG`] for a name that goes on.
    length: u8,
    /// The whole of a long name.
    long: Box<str>,
}

/// What names are ordered by.
pub(super) type Place<'a> = (u64, u8, &'a str);

impl Name {
    pub(super) fn of(text: &str) -> Self {
        let (start, length, long) = take_apart(text);
        Self {
            start,
            length,
            long: long.into(),
        }
    }

    pub(super) fn as_str(&self) -> &str {
        match self.start.get(..usize::from(self.length)) {
            // It was made of a text.
            Some(short) => str::from_utf8(short).unwrap_or_default(),
            None => &self.long,
        }
    }

    /// Where it belongs.
    pub(super) fn place(&self) -> Place<'_> {
        (u64::from_be_bytes(self.start), self.length, &self.long)
    }

    /// What it holds on the heap, in bytes.
    pub(super) fn allocated(&self) -> usize {
        self.long.len()
    }
}

/// Where the name `text` belongs.
pub(super) const fn place(text: &str) -> Place<'_> {
    let (start, length, long) = take_apart(text);
    (u64::from_be_bytes(start), length, long)
}

/// The texts of two names need not be looked at unless both are long and begin alike.
pub(super) fn order(one: Place<'_>, other: Place<'_>) -> Ordering {
    let by_start = one.0.cmp(&other.0).then(one.1.cmp(&other.1));
    by_start.then_with(|| one.2.cmp(other.2))
}

/// The parts of a [`Name`].
const fn take_apart(text: &str) -> ([u8; SHORT], u8, &str) {
    let bytes = text.as_bytes();
    match (bytes, bytes.first_chunk()) {
        // What most claims are called: a loop takes longer.
        ([one, two, three], _) => ([*one, *two, *three, 0, 0, 0, 0, 0], 3, ""),
        (_, Some(start)) if bytes.len() == SHORT => (*start, IS_LONG - 1, ""),
        (_, Some(start)) => (*start, IS_LONG, text),
        _ => {
            let (mut start, mut length) = ([0; SHORT], 0_u8);
            while (length as usize) < bytes.len() {
                start[length as usize] = bytes[length as usize];
                length += 1;
            }
            (start, length, "")
        }
    }
}

impl<'de> Deserialize<'de> for Name {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;
        impl Visitor<'_> for Text {
            type Value = Name;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a name")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Name, E> {
                Ok(Name::of(text))
            }
        }
        deserializer.deserialize_str(Text)
    }
}

/// Longest name that is not on the heap, in bytes.
const SHORT: usize = size_of::<u64>();

/// More than any short name has.
const IS_LONG: u8 = 9;

#[cfg(test)]
mod tests {
    use super::*;

    const NAMES: [&str; 12] = [
        "",
        "\0",
        "a",
        "a\0",
        "abcdefgh",
        "abcdefgh\0",
        "abcdefghi",
        "sub",
        "sub\0",
        "subs",
        "https://app.example/tenant",
        "\u{e9}t\u{e9}",
    ];

    #[test]
    fn a_name_is_what_it_was_made_of() {
        for text in NAMES {
            let name = Name::of(text);
            assert_eq!(name.as_str(), text);
            assert_eq!(name.place(), place(text));
            let on_heap = if text.len() > 8 { text.len() } else { 0 };
            assert_eq!(name.allocated(), on_heap, "{text:?}");
        }
    }

    #[test]
    fn only_equal_names_have_the_same_place() {
        for one in NAMES {
            for other in NAMES {
                let order = order(place(one), place(other));
                assert_eq!(order.is_eq(), one == other, "{one:?} {other:?}");
                assert_eq!(Name::of(one) == Name::of(other), one == other);
            }
        }
    }
}
