//! Request headers: a list of values for each name, whichever way the proxy sent them.
//!
//! Envoy sends either a map, where repeated headers are already joined by `,`, or a raw list where
//! they are not. A reader must get the same answer from both, so the joined form is what
//! [`Headers::joined`] gives for a repeated header, and [`Headers::single`] refuses one.

use std::borrow::Cow;

/// Lower-case names with their values in the order they came, all in one buffer: headers are the
/// most of what is copied for a check.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Headers {
    text: Vec<u8>,
    entries: Vec<Entry>,
}

/// Where in the text one header is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct Entry {
    name: usize,
    value: usize,
    end: usize,
}

impl Headers {
    /// None yet, with room for so many bytes of names and values.
    #[must_use]
    pub fn with_room(bytes: usize) -> Self {
        Self {
            text: Vec::with_capacity(bytes),
            entries: Vec::with_capacity(USUAL),
        }
    }

    /// Adds one header; the name is lower-cased.
    pub fn push(&mut self, name: &str, value: impl AsRef<[u8]>) {
        let start = self.text.len();
        self.text.extend_from_slice(name.as_bytes());
        self.text[start..].make_ascii_lowercase();
        let colon = self.text.len();
        self.text.extend_from_slice(value.as_ref());
        self.entries.push(Entry {
            name: start,
            value: colon,
            end: self.text.len(),
        });
    }

    fn name(&self, entry: Entry) -> &[u8] {
        &self.text[entry.name..entry.value]
    }

    /// Every value sent under `name` (lower-case).
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a [u8]> {
        let named = self
            .entries
            .iter()
            .filter(move |entry| self.name(**entry) == name.as_bytes());
        named.map(|entry| &self.text[entry.value..entry.end])
    }

    /// The one value of `name` as text: `None` when it is absent, repeated or not UTF-8.
    #[must_use]
    pub fn single<'a>(&'a self, name: &'a str) -> Option<&'a str> {
        let mut values = self.all(name);
        let first = values.next()?;
        match values.next() {
            None => str::from_utf8(first).ok(),
            Some(_) => None,
        }
    }

    /// All values of `name` joined by `,`, as a map-sending proxy joins them; `None` when absent.
    #[must_use]
    pub fn joined<'a>(&'a self, name: &'a str) -> Option<Cow<'a, [u8]>> {
        let mut values = self.all(name);
        let mut joined = Cow::Borrowed(values.next()?);
        for value in values {
            let joined = joined.to_mut();
            joined.push(b',');
            joined.extend_from_slice(value);
        }
        Some(joined)
    }

    /// Whether `name` was sent at all.
    #[must_use]
    pub fn contains(&self, name: &str) -> bool {
        self.all(name).next().is_some()
    }

    /// The names sent, repeated ones repeatedly.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        let names = self.entries.iter().map(|entry| self.name(*entry));
        // Each was a text when it came, and lower-casing ASCII leaves it one.
        names.map(|name| str::from_utf8(name).unwrap_or_default())
    }
}

/// As many as a proxy sends of a browser's request, its own ones among them.
const USUAL: usize = 24;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_repeated_header_is_joined_but_never_single() {
        let mut headers = Headers::default();
        headers.push("X-A", b"1");
        headers.push("x-a", b"2");
        headers.push("x-b", [0xff]);
        assert_eq!(headers.joined("x-a").as_deref(), Some(&b"1,2"[..]));
        assert_eq!(headers.single("x-a"), None);
        assert_eq!(headers.single("x-b"), None, "not text");
        assert!(headers.contains("x-b"));
        assert_eq!(headers.joined("x-c"), None);
    }
}
