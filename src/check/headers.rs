//! Request headers: a list of values for each name, whichever way the proxy sent them.
//!
//! Envoy sends either a map, where repeated headers are already joined by `,`, or a raw list where
//! they are not. A reader must get the same answer from both, so the joined form is what
//! [`Headers::joined`] gives for a repeated header, and [`Headers::single`] refuses one.

/// Lower-case names with their values in the order they came.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Headers(Vec<(String, Vec<u8>)>);

impl Headers {
    /// Adds one header; the name is lower-cased.
    pub fn push(&mut self, name: &str, value: Vec<u8>) {
        self.0.push((name.to_ascii_lowercase(), value));
    }

    /// Every value sent under `name` (lower-case).
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a [u8]> {
        let of_name =
            move |(key, value): &'a (String, Vec<u8>)| (key == name).then_some(&value[..]);
        self.0.iter().filter_map(of_name)
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
    pub fn joined(&self, name: &str) -> Option<Vec<u8>> {
        let values: Vec<&[u8]> = self.all(name).collect();
        (!values.is_empty()).then(|| values.join(&b','))
    }

    /// Whether `name` was sent at all.
    #[must_use]
    pub fn contains(&self, name: &str) -> bool {
        self.all(name).next().is_some()
    }

    /// The names sent, repeated ones repeatedly.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|(name, _)| name.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_repeated_header_is_joined_but_never_single() {
        let mut headers = Headers::default();
        headers.push("X-A", b"1".to_vec());
        headers.push("x-a", b"2".to_vec());
        headers.push("x-b", vec![0xff]);
        assert_eq!(headers.joined("x-a").as_deref(), Some(&b"1,2"[..]));
        assert_eq!(headers.single("x-a"), None);
        assert_eq!(headers.single("x-b"), None, "not text");
        assert!(headers.contains("x-b"));
        assert_eq!(headers.joined("x-c"), None);
    }
}
