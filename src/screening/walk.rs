//! Walks a JSON body and collects its strings, keys included, with the trust of their place.
//!
//! Every string is text; unknown fields are untrusted. Only few places are more than that: the
//! messages, system prompts and inputs of the chat APIs. A role counts where those APIs read it and
//! nowhere else, so a nested `"role": "system"` promotes nothing; it may follow the content it
//! speaks for, so trust is settled at the end of each message; and when it is repeated the least
//! trusted one counts, as nobody knows which one the upstream takes; one that is no string or spelt
//! `Role` counts as untrusted.
//!
//! Strings that are JSON themselves (tool arguments) are walked again, two levels deep.
//!
//! Cost: one pass, no tree; memory is the decoded text plus one frame a level of nesting.

mod media;

use std::ops::Range;

pub(super) use self::media::begins_as_file;
use self::media::is_encoded_media;
use super::{
    document::{Document, Kind, Leaf},
    error::Error,
    finding::Trust,
    json::{Malformed, Reader, Token},
    offsets::OffsetMap,
    place::{Place, is_known_key, is_label, is_media, is_plain_name, trust_of_role},
};

/// What a walk may use.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// Levels of arrays and objects.
    pub(super) depth: usize,
    /// Bytes of decoded text.
    pub(super) text: usize,
}

/// How many values a text is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Form {
    /// One.
    One,
    /// JSON lines: one after the other, walked as the batch that they would be in brackets. Bare
    /// numbers among them are refused, or a text that happens to read as lines would lose them.
    Lines,
}

/// Collects the strings of `body`.
pub(super) fn walk(body: &str, form: Form, limits: Limits) -> Result<Document, Error> {
    let mut document = Document::default();
    // Decoded text is hardly ever longer.
    document.text.reserve(body.len().min(limits.text));
    let mut walker = Walker::new(body, &mut document, limits, None);
    walker.root(form)?;
    nested(&mut document, limits)?;
    Ok(document)
}

/// The JSON pointers of `leaves` (indices in the order of the walk, sorted), by walking again:
/// pointers are wanted for findings only, and most bodies have none.
pub(super) fn pointers(body: &str, form: Form, limits: Limits, leaves: &[usize]) -> Vec<String> {
    let mut document = Document::default();
    let mut walker = Walker::new(body, &mut document, limits, None);
    walker.wanted = leaves;
    // The body was walked before, so this cannot fail; if it did, pointers would be missing.
    let _ = walker.root(form);
    let mut pointers = walker.pointers;
    pointers.resize(leaves.len(), String::new());
    pointers
}

/// Walks the strings that are JSON, and the strings in those.
pub(super) fn nested(document: &mut Document, limits: Limits) -> Result<(), Error> {
    let mut from = 0;
    for _ in 0..NESTED_LEVELS {
        let to = document.leaves.len();
        for outer in from..to {
            let leaf = &document.leaves[outer];
            let text = &document.text[leaf.text.clone()];
            if leaf.kind == Kind::Name || !looks_like_json(text) {
                continue;
            }
            let text = text.to_owned();
            let mark = (document.text.len(), document.leaves.len());
            let outcome = Walker::new(&text, document, limits, Some(outer))
                .run(Place::Fixed(Trust::Untrusted));
            match outcome {
                Ok(()) => {}
                Err(Error::TooLarge) => return Err(Error::TooLarge),
                // Not JSON after all: it has been taken as text already.
                Err(_) => {
                    document.text.truncate(mark.0);
                    document.leaves.truncate(mark.1);
                }
            }
        }
        from = to;
    }
    Ok(())
}

/// Whether a text may be a JSON object or array.
pub(super) fn looks_like_json(text: &str) -> bool {
    let text = text.trim();
    (text.starts_with('{') && text.ends_with('}')) || (text.starts_with('[') && text.ends_with(']'))
}

/// An open array or object.
#[derive(Debug)]
struct Frame {
    array: bool,
    place: Place,
    /// Values read so far.
    count: usize,
    /// Where its strings begin among the document's.
    first_leaf: usize,
    /// The least trusted of the roles it stated.
    role: Option<Trust>,
    /// Where the key of the value being read stands in the text, quotes left out.
    key: Range<usize>,
}

struct Walker<'a, 'd> {
    text: &'a str,
    reader: Reader<'a>,
    document: &'d mut Document,
    frames: Vec<Frame>,
    limits: Limits,
    outer: Option<usize>,
    wanted: &'d [usize],
    pointers: Vec<String>,
    /// How the value being read is labelled.
    label: bool,
    media: bool,
    model: bool,
}

impl<'a, 'd> Walker<'a, 'd> {
    fn new(
        text: &'a str,
        document: &'d mut Document,
        limits: Limits,
        outer: Option<usize>,
    ) -> Self {
        Self {
            text,
            reader: Reader::new(text),
            document,
            frames: Vec::new(),
            limits,
            outer,
            wanted: &[],
            pointers: Vec::new(),
            label: false,
            media: false,
            model: false,
        }
    }

    fn root(&mut self, form: Form) -> Result<(), Error> {
        if form == Form::One {
            return self.run(Place::Root);
        }
        self.open(true, Place::Root);
        loop {
            let token = self.reader.token()?;
            let lines = self.frames.first_mut().map_or(0, |frame| {
                frame.count += 1;
                frame.count - 1
            });
            match token {
                Token::End if lines > 0 => return Ok(()),
                Token::ArrayStart | Token::ObjectStart | Token::Quote => {
                    self.value(token, Place::Root)?;
                    self.members(1)?;
                }
                _ => return Err(self.reader.malformed().into()),
            }
        }
    }

    fn run(&mut self, root: Place) -> Result<(), Error> {
        let first = self.reader.token()?;
        self.value(first, root)?;
        self.members(0)?;
        match self.reader.token()? {
            Token::End => Ok(()),
            _ => Err(self.reader.malformed().into()),
        }
    }

    /// Reads until no more than `open` arrays and objects are open.
    fn members(&mut self, open: usize) -> Result<(), Error> {
        while self.frames.len() > open
            && let Some(frame) = self.frames.last_mut()
        {
            let mut token = self.reader.token()?;
            if frame.count > 0 && token == Token::Comma {
                token = self.reader.token()?;
            } else if matches!(token, Token::ArrayEnd | Token::ObjectEnd) {
                self.close(token)?;
                continue;
            } else if frame.count > 0 {
                return Err(self.reader.malformed().into());
            }
            frame.count += 1;
            let place = if frame.array {
                frame.place.element()
            } else {
                let place = self.key(token)?;
                token = self.reader.token()?;
                place
            };
            self.value(token, place)?;
        }
        Ok(())
    }

    fn value(&mut self, token: Token, place: Place) -> Result<(), Error> {
        let no_role = place == Place::Role && token != Token::Quote;
        if (no_role || place == Place::OddRole)
            && let Some(frame) = self.frames.last_mut()
        {
            frame.role = Some(Trust::Untrusted);
        }
        match token {
            Token::Scalar => Ok(()),
            Token::Quote => self.leaf(place),
            Token::ArrayStart | Token::ObjectStart => {
                if self.frames.len() >= self.limits.depth {
                    return Err(Error::TooDeep(self.limits.depth));
                }
                self.open(token == Token::ArrayStart, place);
                Ok(())
            }
            _ => Err(self.reader.malformed().into()),
        }
    }

    fn open(&mut self, array: bool, place: Place) {
        self.frames.push(Frame {
            array,
            place,
            count: 0,
            first_leaf: self.document.leaves.len(),
            role: None,
            key: 0..0,
        });
    }

    fn close(&mut self, token: Token) -> Result<(), Error> {
        let malformed = self.reader.malformed();
        match self.frames.pop() {
            Some(frame) if frame.array == (token == Token::ArrayEnd) => {
                if !frame.array && frame.place.is_message() {
                    self.settle(&frame);
                }
                Ok(())
            }
            _ => Err(malformed.into()),
        }
    }

    /// Gives the strings of a message the trust of its role.
    fn settle(&mut self, frame: &Frame) {
        for leaf in &mut self.document.leaves[frame.first_leaf..] {
            if leaf.deferred {
                leaf.deferred = false;
                leaf.trust = frame.role.unwrap_or(Trust::Untrusted);
            }
        }
    }

    /// Reads a key and its colon; returns the place of its value.
    fn key(&mut self, token: Token) -> Result<Place, Error> {
        if token != Token::Quote {
            return Err(self.reader.malformed().into());
        }
        let (text, map, source) = self.string()?;
        let key = &self.document.text[text.clone()];
        self.label = is_label(key);
        self.media = is_media(key);
        self.model = key == "model";
        let known = is_known_key(key);
        let mut place = Place::Fixed(Trust::Untrusted);
        if let Some(frame) = self.frames.last_mut() {
            place = frame.place.member(key);
            frame.key = source;
        }
        if known {
            self.document.text.truncate(text.start);
        } else {
            self.add(text, map, Kind::Name, Trust::Untrusted, false);
        }
        match self.reader.token()? {
            Token::Colon => Ok(place),
            _ => Err(self.reader.malformed().into()),
        }
    }

    /// Reads a string value.
    fn leaf(&mut self, place: Place) -> Result<(), Error> {
        let (range, map, _) = self.string()?;
        let text = &self.document.text[range.clone()];
        let in_object = self.frames.last().is_some_and(|frame| !frame.array);
        if place == Place::Role
            && let Some(frame) = self.frames.last_mut()
        {
            frame.role = frame.role.max(Some(trust_of_role(text)));
        }
        let label = in_object && self.label;
        if (label && is_plain_name(text, self.model)) || (self.media && is_encoded_media(text)) {
            self.document.text.truncate(range.start);
            return Ok(());
        }
        let kind = if label { Kind::Name } else { Kind::Text };
        let (trust, deferred) = place.trust();
        self.add(range, map, kind, trust, deferred);
        Ok(())
    }

    fn string(&mut self) -> Result<(Range<usize>, OffsetMap, Range<usize>), Error> {
        let start = self.document.text.len();
        let mut map = OffsetMap::from_base(self.reader.at());
        let source = self
            .reader
            .string(&mut self.document.text, start, &mut map)?;
        let end = self.document.text.len();
        if end > self.limits.text {
            return Err(Error::TooLarge);
        }
        Ok((start..end, map, source))
    }

    fn add(
        &mut self,
        text: Range<usize>,
        map: OffsetMap,
        kind: Kind,
        trust: Trust,
        deferred: bool,
    ) {
        let index = self.document.leaves.len();
        if self.wanted.get(self.pointers.len()) == Some(&index) {
            let pointer = self.pointer();
            self.pointers.push(pointer);
        }
        self.document.leaves.push(Leaf {
            text,
            map,
            kind,
            trust,
            deferred,
            outer: self.outer,
        });
    }

    /// The JSON pointer of the value being read.
    fn pointer(&self) -> String {
        let mut pointer = String::new();
        for frame in &self.frames {
            pointer.push('/');
            if frame.array {
                pointer.push_str(&(frame.count - 1).to_string());
            } else {
                let mut key = String::new();
                let quoted = &self.text[frame.key.start..=frame.key.end];
                let mut map = OffsetMap::default();
                // It was read before, so it reads again.
                let _ = Reader::new(quoted).string(&mut key, 0, &mut map);
                pointer.push_str(&key.replace('~', "~0").replace('/', "~1"));
            }
            if pointer.len() > MAX_POINTER {
                pointer.truncate(super::document::floor(&pointer, MAX_POINTER));
                pointer.push('…');
                break;
            }
        }
        pointer
    }
}

impl From<Malformed> for Error {
    fn from(malformed: Malformed) -> Self {
        Self::Malformed {
            what: "json",
            at: malformed.at,
        }
    }
}

/// How deep JSON inside strings is followed.
const NESTED_LEVELS: usize = 2;
/// The longest pointer that is written out, in bytes.
const MAX_POINTER: usize = 512;

#[cfg(test)]
mod tests;
