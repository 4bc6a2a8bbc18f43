//! Reads JSON text token by token, strictly and without a tree.
//!
//! What a strict parser refuses is refused here too (trailing text, bare control characters, lone
//! surrogates, `NaN`, leading zeros): a body that two parsers read differently is a way past a
//! screen. Strings are decoded into the caller's buffer, with a note for every escape.
//!
//! Cost: one pass, no allocation; strings without escapes are copied in runs.

use std::ops::Range;

use super::{
    blocks::{is, is_within, position},
    offsets::OffsetMap,
};

/// Where in the text it stops being JSON.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Malformed {
    /// Byte offset.
    pub(super) at: usize,
}

/// One token. A string is not read yet: [`Reader::string`] does.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Token {
    ArrayEnd,
    ArrayStart,
    Colon,
    Comma,
    End,
    ObjectEnd,
    ObjectStart,
    Quote,
    /// A number, `true`, `false` or `null`, already passed.
    Scalar,
}

/// A place in JSON text.
#[derive(Debug)]
pub(super) struct Reader<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Reader<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self { text, at: 0 }
    }

    /// Where the reader stands.
    pub(super) fn at(&self) -> usize {
        self.at
    }

    pub(super) fn malformed(&self) -> Malformed {
        Malformed { at: self.at }
    }

    /// The next token, blanks skipped.
    pub(super) fn token(&mut self) -> Result<Token, Malformed> {
        let bytes = self.text.as_bytes();
        while let Some(b' ' | b'\n' | b'\r' | b'\t') = bytes.get(self.at) {
            self.at += 1;
        }
        let token = match bytes.get(self.at) {
            None => return Ok(Token::End),
            Some(b'[') => Token::ArrayStart,
            Some(b']') => Token::ArrayEnd,
            Some(b'{') => Token::ObjectStart,
            Some(b'}') => Token::ObjectEnd,
            Some(b':') => Token::Colon,
            Some(b',') => Token::Comma,
            Some(b'"') => Token::Quote,
            Some(_) => return self.scalar(),
        };
        self.at += 1;
        Ok(token)
    }

    /// Decodes the string whose opening quote was just read, appending to `out`; offsets in `map`
    /// count from `out_base`. Returns where its characters stand in the text, quotes left out.
    pub(super) fn string(
        &mut self,
        out: &mut String,
        out_base: usize,
        map: &mut OffsetMap,
    ) -> Result<Range<usize>, Malformed> {
        let bytes = self.text.as_bytes();
        let start = self.at;
        loop {
            let run = self.at;
            self.at += plain_run(&bytes[run..]);
            // INVARIANT: the run ends before an ASCII byte or at the end, so on a boundary.
            out.push_str(&self.text[run..self.at]);
            match bytes.get(self.at) {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(start..self.at - 1);
                }
                Some(b'\\') => {
                    let (from, written) = (self.at, out.len());
                    out.push(self.escape()?);
                    map.push(written - out_base..out.len() - out_base, from..self.at);
                }
                _ => return Err(self.malformed()),
            }
        }
    }

    /// One escape, its backslash not passed yet.
    fn escape(&mut self) -> Result<char, Malformed> {
        let bytes = self.text.as_bytes();
        let letter = bytes.get(self.at + 1).copied();
        let plain = match letter {
            Some(b'"') => '"',
            Some(b'\\') => '\\',
            Some(b'/') => '/',
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(b'u') => return self.unicode_escape(),
            _ => return Err(self.malformed()),
        };
        self.at += 2;
        Ok(plain)
    }

    fn unicode_escape(&mut self) -> Result<char, Malformed> {
        let unit = self.hex4(self.at + 2)?;
        if let Some(plain) = char::from_u32(unit) {
            self.at += 6;
            return Ok(plain);
        }
        let low = match self.text.as_bytes().get(self.at + 6..self.at + 8) {
            Some(b"\\u") => self.hex4(self.at + 8)?,
            _ => return Err(self.malformed()),
        };
        let pair = (0xd800..0xdc00).contains(&unit) && (0xdc00..0xe000).contains(&low);
        let joined = 0x1_0000 + ((unit & 0x3ff) << 10) + (low & 0x3ff);
        match char::from_u32(joined) {
            Some(char) if pair => {
                self.at += 12;
                Ok(char)
            }
            _ => Err(self.malformed()),
        }
    }

    fn hex4(&self, at: usize) -> Result<u32, Malformed> {
        let digits = self.text.as_bytes().get(at..at + 4);
        let digits = digits.ok_or_else(|| self.malformed())?;
        digits.iter().try_fold(0, |value, &digit| {
            let digit = char::from(digit).to_digit(16);
            Ok(value * 16 + digit.ok_or_else(|| self.malformed())?)
        })
    }

    fn scalar(&mut self) -> Result<Token, Malformed> {
        let rest = &self.text.as_bytes()[self.at..];
        for word in [&b"true"[..], b"false", b"null"] {
            if rest.starts_with(word) {
                self.at += word.len();
                return Ok(Token::Scalar);
            }
        }
        self.at += number_len(rest).ok_or_else(|| self.malformed())?;
        Ok(Token::Scalar)
    }
}

/// How many of the first bytes stand for themselves in a string.
fn plain_run(bytes: &[u8]) -> usize {
    let special = |bytes| is_within(bytes, 0, 0x1f) | is(bytes, b'"') | is(bytes, b'\\');
    position(bytes, special).unwrap_or(bytes.len())
}

/// How long the number at the start of `bytes` is, if one stands there.
fn number_len(bytes: &[u8]) -> Option<usize> {
    let digits = |from: usize| {
        let rest = bytes.get(from..).unwrap_or_default();
        rest.iter().take_while(|byte| byte.is_ascii_digit()).count()
    };
    let mut at = usize::from(bytes.first() == Some(&b'-'));
    let whole = digits(at);
    if whole == 0 || (whole > 1 && bytes[at] == b'0') {
        return None;
    }
    at += whole;
    if bytes.get(at) == Some(&b'.') {
        let fraction = digits(at + 1);
        (fraction > 0).then_some(())?;
        at += 1 + fraction;
    }
    if let Some(b'e' | b'E') = bytes.get(at) {
        let sign = usize::from(matches!(bytes.get(at + 1), Some(b'+' | b'-')));
        let exponent = digits(at + 1 + sign);
        (exponent > 0).then_some(())?;
        at += 1 + sign + exponent;
    }
    Some(at)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decode(text: &str) -> Result<(String, OffsetMap, Range<usize>), Malformed> {
        let mut reader = Reader::new(text);
        assert_eq!(reader.token()?, Token::Quote);
        let (mut out, mut map) = (String::new(), OffsetMap::from_base(1));
        let range = reader.string(&mut out, 0, &mut map)?;
        Ok((out, map, range))
    }

    #[test]
    fn escapes_are_decoded_and_their_places_kept() {
        let (text, map, range) = decode(r#""\u0069gn\ud83d\ude00ore\n" "#).expect("a string");
        assert_eq!(text, "ign😀ore\n");
        assert_eq!(range, 1..26);
        assert_eq!(map.source(&(0..3)), 1..9);
        assert_eq!(map.source(&(3..7)), 9..21);
    }

    #[test]
    fn what_parsers_disagree_about_is_refused() {
        for text in [
            r#""\ud800""#,
            r#""\udc00\ud800""#,
            r#""\ud800\u0041""#,
            r#""\x41""#,
            r#""\u00g1""#,
            r#""\u12"#,
            "\"a\nb\"",
            "\"open",
            "\"\\",
        ] {
            assert!(decode(text).is_err(), "{text}");
        }
        for text in ["NaN", "01", "1.", ".5", "-", "1e", "+1", "Infinity", "'a'"] {
            let mut reader = Reader::new(text);
            let whole = reader.token().is_ok() && reader.token() == Ok(Token::End);
            assert!(!whole, "{text}");
        }
    }
}
