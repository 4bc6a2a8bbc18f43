//! Payloads as issuers write them are read in one go; any other one by the library, which also says
//! what is none.
//!
//! In one go means: no backslash and no control character in it, so that a text ends at the next
//! quote. Values that are no text, no list of texts and no count are the library's there too. What the
//! quick reader takes, the library would take for the same claims (tested), but for one level of depth.

use serde_json::{Deserializer, Value};

use super::{
    super::super::token::{json::Unique, read as read_json},
    Claims,
    claim::{Held, Span},
    name::Name,
};

/// `None` unless `payload` is an object of JSON without a member twice at any depth.
pub(super) fn read(payload: String) -> Option<Claims> {
    match Reader::new(&payload).and_then(Reader::claims) {
        Some(mut claims) => {
            claims.payload = payload;
            claims.put_in_order().then_some(claims)
        }
        None => match read_json(payload.as_bytes())? {
            Unique(Value::Object(members)) => Some(members.into()),
            Unique(_) => None,
        },
    }
}

/// Where in a payload a reader is.
struct Reader<'a> {
    /// What is left of it.
    rest: &'a [u8],
    text: &'a str,
}

impl<'a> Reader<'a> {
    /// `None` for a payload that is not to be read in one go.
    fn new(text: &'a str) -> Option<Self> {
        let least = text.bytes().fold(u8::MAX, Ord::min);
        let is_plain = least >= b' ' && memchr::memchr(b'\\', text.as_bytes()).is_none();
        is_plain.then_some(Self {
            rest: text.as_bytes(),
            text,
        })
    }

    /// All members of the payload.
    fn claims(mut self) -> Option<Claims> {
        let mut claims = Claims {
            members: Vec::with_capacity(USUAL),
            listed: Vec::with_capacity(USUAL),
            payload: String::new(),
        };
        self.step_over(b'{')?;
        if self.step_over(b'}').is_none() {
            loop {
                let name = Name::of(self.part()?.of(self.text));
                self.step_over(b':')?;
                let value = self.value(&mut claims.listed)?;
                claims.members.push((name, value));
                if self.step_over(b',').is_none() {
                    break;
                }
            }
            self.step_over(b'}')?;
        }
        self.next().is_none().then_some(claims)
    }

    fn value(&mut self, listed: &mut Vec<Span>) -> Option<Held> {
        match self.next()? {
            b'"' => self.part().map(Held::Text),
            b'[' => self.list(listed),
            b'1'..=b'9' => self.count(),
            _ => self.library(),
        }
    }

    /// A text that begins here.
    #[inline]
    fn part(&mut self) -> Option<Span> {
        self.step_over(b'"')?;
        let length = quote(self.rest)?;
        let start = self.at();
        self.rest = &self.rest[length + 1..];
        Span::new(start..start + length)
    }

    fn list(&mut self, listed: &mut Vec<Span>) -> Option<Held> {
        let (start, first) = (self.rest, listed.len());
        if self.texts(listed).is_some() {
            return Some(Held::List(first..listed.len()));
        }
        self.rest = start;
        listed.truncate(first);
        self.library()
    }

    /// A list of texts.
    fn texts(&mut self, listed: &mut Vec<Span>) -> Option<()> {
        self.step_over(b'[')?;
        if self.step_over(b']').is_some() {
            return Some(());
        }
        loop {
            listed.push(self.part()?);
            if self.step_over(b',').is_none() {
                return self.step_over(b']');
            }
        }
    }

    /// A whole number without a sign.
    fn count(&mut self) -> Option<Held> {
        let (mut count, mut rest) = (0_u64, self.rest);
        // So many digits always fit.
        for _ in 0..19 {
            let [digit @ b'0'..=b'9', behind @ ..] = rest else {
                break;
            };
            count = count * 10 + u64::from(digit - b'0');
            rest = behind;
        }
        match rest.first()? {
            b',' | b'}' | b' ' => {
                self.rest = rest;
                Some(Held::Value(count.into()))
            }
            // A fraction, an exponent, more digits.
            _ => self.library(),
        }
    }

    /// A value of any kind.
    fn library(&mut self) -> Option<Held> {
        let text = self.text.get(self.at()..)?;
        let mut values = Deserializer::from_str(text).into_iter();
        let Unique(value) = values.next()?.ok()?;
        self.rest = self.rest.get(values.byte_offset()..)?;
        Some(Held::Value(value))
    }

    /// The next byte that is no space.
    #[inline]
    fn next(&mut self) -> Option<u8> {
        while let [b' ', rest @ ..] = self.rest {
            self.rest = rest;
        }
        self.rest.first().copied()
    }

    #[inline]
    fn step_over(&mut self, byte: u8) -> Option<()> {
        let is_it = self.next()? == byte;
        is_it.then(|| self.rest = &self.rest[1..])
    }

    fn at(&self) -> usize {
        self.text.len() - self.rest.len()
    }
}

/// Where the first quote is. Most texts are a few words of memory long: calling for a search takes
/// longer.
#[inline]
fn quote(bytes: &[u8]) -> Option<usize> {
    const ONES: u64 = u64::MAX / 0xff;
    let mut rest = bytes;
    while let Some((word, behind)) = rest.split_first_chunk::<8>() {
        let others = u64::from_le_bytes(*word) ^ (ONES * u64::from(b'"'));
        // The lowest byte that is 0 has the lowest bit that is set.
        let found = others.wrapping_sub(ONES) & !others & (ONES << 7);
        if found != 0 {
            return Some(bytes.len() - rest.len() + found.trailing_zeros() as usize / 8);
        }
        rest = behind;
    }
    let found = rest.iter().position(|byte| *byte == b'"')?;
    Some(bytes.len() - rest.len() + found)
}

/// As many as most tokens have, and as their lists have texts.
const USUAL: usize = 12;
