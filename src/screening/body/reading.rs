//! Bytes as text, with what is no text left out and forms decoded.

use std::ops::Range;

use super::super::{
    document::{Document, Kind, Leaf},
    finding::Trust,
    offsets::OffsetMap,
};

/// Bytes read as text.
#[derive(Debug, Default)]
pub(super) struct Reading {
    pub(super) text: String,
    pub(super) map: OffsetMap,
    /// Where in the text a blank stands for bytes that are no text.
    gaps: Vec<usize>,
}

impl Reading {
    /// `bytes`, which begin at `at` of the body, a blank for every run of them that is no text.
    pub(super) fn of(bytes: &[u8], mut at: usize) -> Self {
        let mut reading = Self {
            text: String::with_capacity(bytes.len()),
            map: OffsetMap::from_base(at),
            ..Self::default()
        };
        for chunk in bytes.utf8_chunks() {
            reading.text.push_str(chunk.valid());
            at += chunk.valid().len();
            if !chunk.invalid().is_empty() {
                let end = at + chunk.invalid().len();
                reading.gap(at..end);
                at = end;
            }
        }
        reading
    }

    /// A form's text with its `+` and `%41` decoded, mapped to the form's.
    pub(super) fn of_form(form: &str) -> Self {
        let bytes = form.as_bytes();
        let mut reading = Self::default();
        let mut at = 0;
        while at < bytes.len() {
            let end = at + escapes(&bytes[at..]);
            if end > at {
                reading.unescape(&form[at..end], at);
                at = end;
                continue;
            }
            let rest = &bytes[at + 1..];
            let end = at + 1 + memchr::memchr2(b'%', b'+', rest).unwrap_or(rest.len());
            match bytes[at] {
                b'+' => {
                    reading.text.push(' ');
                    reading.text.push_str(&form[at + 1..end]);
                }
                _ => reading.text.push_str(&form[at..end]),
            }
            at = end;
        }
        reading
    }

    /// Adds the bytes of `escapes`, a run of `%41` at `source`.
    fn unescape(&mut self, escapes: &str, source: usize) {
        let byte = |at: usize| u8::from_str_radix(&escapes[at + 1..at + 3], 16).unwrap_or_default();
        let bytes: Vec<u8> = (0..escapes.len()).step_by(3).map(byte).collect();
        let mut at = source;
        for chunk in bytes.utf8_chunks() {
            for char in chunk.valid().chars() {
                let start = self.text.len();
                self.text.push(char);
                let end = at + 3 * char.len_utf8();
                self.map.push(start..self.text.len(), at..end);
                at = end;
            }
            if !chunk.invalid().is_empty() {
                let end = at + 3 * chunk.invalid().len();
                self.gap(at..end);
                at = end;
            }
        }
    }

    fn gap(&mut self, source: Range<usize>) {
        let start = self.text.len();
        self.gaps.push(start);
        self.text.push(' ');
        self.map.push(start..self.text.len(), source);
    }

    /// The text without its gaps, mapped to the text with them; `None` when there are none.
    pub(super) fn closed(&self) -> Option<Self> {
        self.gaps.first()?;
        let mut closed = Self::default();
        let mut at = 0;
        for gap in &self.gaps {
            closed.text.push_str(&self.text[at..*gap]);
            let end = closed.text.len();
            closed.map.push(end..end, *gap..*gap + 1);
            at = gap + 1;
        }
        closed.text.push_str(&self.text[at..]);
        Some(closed)
    }

    /// Adds it to `document` as one string, found inside the string `outer` or else in the body.
    pub(super) fn add_to(self, document: &mut Document, kind: Kind, outer: Option<usize>) {
        let start = document.text.len();
        document.text.push_str(&self.text);
        document.leaves.push(Leaf {
            text: start..document.text.len(),
            map: self.map,
            kind,
            trust: Trust::User,
            deferred: false,
            outer,
        });
    }
}

/// How many bytes of escapes (`%41`) `bytes` begins with.
fn escapes(bytes: &[u8]) -> usize {
    let is_escape = |escape: &&[u8]| {
        escape[0] == b'%' && escape[1].is_ascii_hexdigit() && escape[2].is_ascii_hexdigit()
    };
    bytes.chunks_exact(3).take_while(is_escape).count() * 3
}
