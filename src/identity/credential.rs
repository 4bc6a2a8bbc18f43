//! The one bearer token of a request.
//!
//! A proxy may join repeated headers by `,`. A token has no comma and no blank in it, so the
//! joined form is refused like the repeated one: which of two tokens counts is not ours to guess.

use super::error::Error;
use crate::check::Headers;

/// The token in `Authorization: Bearer`.
pub(super) fn bearer(headers: &Headers) -> Result<&str, Error> {
    let mut values = headers.all("authorization");
    let value = values.next().ok_or(Error::Missing)?;
    if values.next().is_some() {
        return Err(Error::Malformed("several authorization headers"));
    }
    let scheme = value
        .iter()
        .take_while(|byte| !matches!(byte, b' ' | b'\t'))
        .count();
    let (scheme, rest) = value.split_at(scheme);
    if !scheme.eq_ignore_ascii_case(b"bearer") {
        return Err(Error::Missing);
    }
    let spaces = rest.iter().take_while(|byte| **byte == b' ').count();
    let token = &rest[spaces..];
    if token.len() > MAX_TOKEN {
        return Err(Error::Malformed("the token is longer than 16 KiB"));
    }
    if token.is_empty() || !token.iter().copied().all(is_token_byte) {
        return Err(Error::Malformed("not one token after `Bearer`"));
    }
    str::from_utf8(token).map_err(|_| Error::Malformed("the token is not text"))
}

fn is_token_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.')
}

/// The longest token that is looked at, in bytes. Envoy's own limit for all headers is 60 KiB.
pub(super) const MAX_TOKEN: usize = 16 << 10;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verdict::Reason;

    fn outcome(values: &[&[u8]]) -> Result<String, Reason> {
        let mut headers = Headers::default();
        for value in values {
            headers.push("Authorization", value.to_vec());
        }
        bearer(&headers)
            .map(str::to_owned)
            .map_err(|error| error.reason())
    }

    #[test]
    fn one_token_is_taken_whatever_the_case_of_its_scheme() {
        for value in ["Bearer a.b-_.c", "bearer a.b-_.c", "BEARER   a.b-_.c"] {
            assert_eq!(outcome(&[value.as_bytes()]), Ok("a.b-_.c".to_owned()));
        }
    }

    #[test]
    fn no_token_is_missing_and_a_strange_one_malformed() {
        let long = format!("Bearer {}", "a".repeat(MAX_TOKEN + 1));
        let full = format!("Bearer {}", "a".repeat(MAX_TOKEN));
        assert!(outcome(&[full.as_bytes()]).is_ok());
        let cases: [(&[&[u8]], Reason); 14] = [
            (&[], Reason::TokenMissing),
            (&[b""], Reason::TokenMissing),
            (&[b"Basic YTpi"], Reason::TokenMissing),
            (&[b"a.b.c"], Reason::TokenMissing),
            (&[b"Bearer"], Reason::TokenMalformed),
            (&[b"Bearer "], Reason::TokenMalformed),
            (&[b"Bearer a b"], Reason::TokenMalformed),
            (&[b"Bearer\ta"], Reason::TokenMalformed),
            (&[b"Bearer a,Bearer b"], Reason::TokenMalformed),
            (&[b"Bearer a,b"], Reason::TokenMalformed),
            (&[b"Bearer a", b"Bearer a"], Reason::TokenMalformed),
            (&[b"Basic YTpi", b"Bearer a"], Reason::TokenMalformed),
            (&[b"Bearer a\xff"], Reason::TokenMalformed),
            (&[long.as_bytes()], Reason::TokenMalformed),
        ];
        for (values, reason) in cases {
            assert_eq!(outcome(values), Err(reason), "{}", values.len());
        }
    }
}
