//! What a claim is called.

use std::cmp::Ordering;

/// A claim's name. A short one, as most are, is on no heap and compared like a number.
#[derive(Clone, Debug)]
pub(super) struct Name {
    /// The first bytes.
    start: [u8; SHORT],
    /// How many bytes those are; [`IS_LONG`] for a name that goes on.
    length: u8,
    /// The whole of a long name.
    long: Box<str>,
}

/// What names are ordered by.
pub(super) type Place<'a> = (u128, u8, &'a str);

impl Name {
    pub(super) fn of(text: &str) -> Self {
        let (start, length, long) = take_apart(text);
        Self {
            start,
            length,
            long: long.into(),
        }
    }

    #[cfg(test)]
    pub(super) fn as_str(&self) -> &str {
        match self.start.get(..usize::from(self.length)) {
            // It was made of a text.
            Some(short) => str::from_utf8(short).unwrap_or_default(),
            None => &self.long,
        }
    }

    /// Where it belongs.
    pub(super) fn place(&self) -> Place<'_> {
        (u128::from_ne_bytes(self.start), self.length, &self.long)
    }

    /// What it holds on the heap, in bytes.
    pub(super) fn allocated(&self) -> usize {
        self.long.len()
    }
}

/// Where the name `text` belongs.
pub(super) const fn place(text: &str) -> Place<'_> {
    let (start, length, long) = take_apart(text);
    (u128::from_ne_bytes(start), length, long)
}

/// The texts of two names need not be looked at unless both are long and begin alike. They must not
/// be, either: to compare what is empty costs a processor with masked loads more than all the rest,
/// since nothing is where it points.
#[inline]
pub(super) fn order(one: Place<'_>, other: Place<'_>) -> Ordering {
    let by_start = one.0.cmp(&other.0).then(one.1.cmp(&other.1));
    by_start.then_with(|| match one.1 {
        IS_LONG => one.2.cmp(other.2),
        _ => Ordering::Equal,
    })
}

/// The parts of a [`Name`].
const fn take_apart(text: &str) -> ([u8; SHORT], u8, &str) {
    let bytes = text.as_bytes();
    if let Some(start) = bytes.first_chunk()
        && bytes.len() > SHORT
    {
        return (*start, IS_LONG, text);
    }
    // Two words that overlap are quicker than one byte after the other.
    let start = if let (Some(first), Some(last)) =
        (bytes.first_chunk::<8>(), bytes.last_chunk::<8>())
    {
        let [first, last] = [u64::from_le_bytes(*first), u64::from_le_bytes(*last)];
        first as u128 | (last as u128) << (8 * (bytes.len() - 8))
    } else if let (Some(first), Some(last)) = (bytes.first_chunk::<4>(), bytes.last_chunk::<4>()) {
        let [first, last] = [u32::from_le_bytes(*first), u32::from_le_bytes(*last)];
        first as u128 | (last as u128) << (8 * (bytes.len() - 4))
    } else {
        let few = match bytes {
            [a, b, c] => [*a, *b, *c, 0],
            [a, b] => [*a, *b, 0, 0],
            [a] => [*a, 0, 0, 0],
            _ => [0; 4],
        };
        u32::from_le_bytes(few) as u128
    };
    #[expect(clippy::cast_possible_truncation, reason = "at most sixteen")]
    let length = bytes.len() as u8;
    (start.to_le_bytes(), length, "")
}

/// Longest name that is not on the heap, in bytes.
const SHORT: usize = size_of::<u128>();

/// More than any short name has.
const IS_LONG: u8 = 17;

#[cfg(test)]
mod tests {
    use super::*;

    const NAMES: [&str; 17] = [
        "",
        "\0",
        "a",
        "a\0",
        "ab",
        "abcde",
        "abcdefgh",
        "abcdefgh\0",
        "abcdefghi",
        "abcdefghijklmnop",
        "abcdefghijklmnop\0",
        "abcdefghijklmnopq",
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
            let on_heap = if text.len() > 16 { text.len() } else { 0 };
            assert_eq!(name.allocated(), on_heap, "{text:?}");
        }
    }

    #[test]
    fn only_equal_names_have_the_same_place() {
        for one in NAMES {
            for other in NAMES {
                let order = order(place(one), place(other));
                assert_eq!(order.is_eq(), one == other, "{one:?} {other:?}");
            }
        }
    }
}
