//! The one token of a request.
//!
//! A proxy may join repeated headers by `,`. A token (RFC 6750's `b64token`) has no comma and no
//! blank in it, so the joined form is refused like the repeated one: which of two tokens counts is
//! not ours to guess.
//! For the same reason a cookie or a query parameter may stand once only, whatever else is in its
//! header or query, and a parameter whose name is spelt with escapes is refused: the proxy, asked
//! to take it out, would not find it.

use super::{config::Place, error::Error};
use crate::check::{Headers, HttpRequest};

/// A token, and how it was shown.
#[derive(Clone, Copy, Debug)]
pub(super) struct Credential<'a> {
    pub(super) scheme: Scheme,
    pub(super) token: &'a str,
}

/// The scheme of `Authorization`, if the token was there.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Scheme {
    /// It was elsewhere.
    Bare,
    /// RFC 6750.
    Bearer,
    /// RFC 9449.
    Dpop,
}

/// The token in the route's `place`; without one, in `Authorization`, as `Bearer` or `DPoP`.
pub(super) fn find<'a>(
    request: &'a HttpRequest,
    place: Option<&'a Place>,
) -> Result<Credential<'a>, Error> {
    let token = match place {
        None => return authorization(&request.headers),
        Some(Place::Cookie(name)) => one(cookies(&request.headers, name)),
        Some(Place::Header(name)) => one(request.headers.all(name)),
        Some(Place::Query(name)) => query(request, name),
    };
    let scheme = Scheme::Bare;
    token.map(|token| Credential { scheme, token })
}

/// The token in `Authorization`.
fn authorization(headers: &Headers) -> Result<Credential<'_>, Error> {
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
    let known = [(&b"bearer"[..], Scheme::Bearer), (b"dpop", Scheme::Dpop)];
    let known = known
        .into_iter()
        .find(|(name, _)| scheme.eq_ignore_ascii_case(name));
    let (_, scheme) = known.ok_or(Error::Missing)?;
    let spaces = rest.iter().take_while(|byte| **byte == b' ').count();
    let token = text(&rest[spaces..])?;
    Ok(Credential { scheme, token })
}

/// The token among the cookies of this name.
///
/// A comma ends a cookie too: cookies have none, and it is what repeated headers are joined by.
fn cookies<'a>(headers: &'a Headers, name: &'a str) -> impl Iterator<Item = &'a [u8]> {
    let pairs = headers
        .all("cookie")
        .flat_map(|value| value.split(|byte| matches!(byte, b';' | b',')));
    pairs.filter_map(move |pair| {
        let equals = pair.iter().position(|byte| *byte == b'=')?;
        let (key, value) = (&pair[..equals], &pair[equals + 1..]);
        (key.trim_ascii() == name.as_bytes()).then(|| value.trim_ascii())
    })
}

/// The token in the query parameter of this name.
fn query<'a>(request: &'a HttpRequest, name: &'a str) -> Result<&'a str, Error> {
    let path = request.path.as_ref();
    let path = path.map_err(|_| Error::Malformed("the path cannot be read"))?;
    let mut spelling = Ok(());
    let values = path.spelt(name).map(|(key, value)| {
        if key != name {
            spelling = Err(Error::Malformed(
                "the parameter's name is spelt with escapes",
            ));
        }
        value.as_bytes()
    });
    let token = one(values);
    spelling.and(token)
}

/// The only one of `values`.
fn one<'a>(mut values: impl Iterator<Item = &'a [u8]>) -> Result<&'a str, Error> {
    let value = values.next().ok_or(Error::Missing)?;
    if values.next().is_some() {
        return Err(Error::Malformed("several credentials"));
    }
    text(value)
}

/// `token`, if it is made as tokens are.
fn text(token: &[u8]) -> Result<&str, Error> {
    if token.len() > MAX_TOKEN {
        return Err(Error::Malformed("the token is longer than 16 KiB"));
    }
    if !is_token(token) {
        return Err(Error::Malformed("not one token"));
    }
    str::from_utf8(token).map_err(|_| Error::Malformed("the token is not text"))
}

/// Whether `text` is made of what tokens are made of, padding at its end included.
pub(super) fn is_token(text: &[u8]) -> bool {
    let padding = text.iter().rev().take_while(|byte| **byte == b'=').count();
    let unpadded = &text[..text.len() - padding];
    // To the end whatever comes: without a way out of the loop, sixteen bytes are looked at at once.
    let good = unpadded
        .iter()
        .fold(true, |good, byte| good & is_token_byte(*byte));
    !unpadded.is_empty() && good
}

fn is_token_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'~' | b'+' | b'/')
}

/// The longest token that is looked at, in bytes. Envoy's own limit for all headers is 60 KiB.
pub(super) const MAX_TOKEN: usize = 16 << 10;

#[cfg(test)]
mod tests;
