//! What a token with a good signature must say to be accepted here and now.
//!
//! Dates must be JSON numbers: a library that skips a date it cannot read makes the token eternal.
//! Every claim is judged in a fixed order, and an expired token is called expired before anything
//! else is said about it.

mod set;

use std::{collections::HashSet, time::Duration};

use serde_json::Value;

pub(super) use self::set::{Claim, Claims};

use super::{
    config::{Audiences, Settings},
    error::Error,
};
use crate::clock::UnixSeconds;

/// When a token is valid, as it says itself.
#[derive(Clone, Copy, Debug)]
pub(super) struct Lifetime {
    expires: f64,
    /// The later of `nbf` and `iat`.
    starts: Option<f64>,
}

/// Checks lifetime, audience and subject; scopes are the route's, see [`check_scopes`].
pub(super) fn check(
    claims: &Claims,
    settings: &Settings,
    now: UnixSeconds,
) -> Result<Lifetime, Error> {
    let lifetime = Lifetime::read(claims)?;
    check_within(claims, lifetime, settings, now)
}

/// The same for what an issuer says of an active token (RFC 7662): it need not say until when, and
/// then its word counts for `keep` seconds.
pub(super) fn check_word(
    claims: &Claims,
    settings: &Settings,
    now: UnixSeconds,
    keep: UnixSeconds,
) -> Result<Lifetime, Error> {
    match claims.get("iss") {
        None => {}
        Some(Claim::Text(issuer)) if *issuer == *settings.issuer => {}
        Some(_) => return Err(Error::Issuer),
    }
    let mut lifetime = Lifetime::begin(claims)?;
    #[expect(clippy::cast_precision_loss, reason = "seconds are exact in f64")]
    let unsaid = now.saturating_add(keep) as f64;
    lifetime.expires = date(claims, "exp")?.unwrap_or(unsaid);
    check_within(claims, lifetime, settings, now)
}

fn check_within(
    claims: &Claims,
    lifetime: Lifetime,
    settings: &Settings,
    now: UnixSeconds,
) -> Result<Lifetime, Error> {
    lifetime.check(settings.leeway, now)?;
    // RFC 8417: what tells of an event, a logout for one, gives nobody access.
    if claims.contains_key("events") {
        return Err(Error::Malformed("the token is a security event"));
    }
    check_audience(claims, &settings.audiences)?;
    match claims.get("sub") {
        Some(Claim::Text(subject)) if !subject.is_empty() => {}
        _ => return Err(Error::Malformed("`sub` is not a non-empty string")),
    }
    Ok(lifetime)
}

impl Lifetime {
    fn read(claims: &Claims) -> Result<Self, Error> {
        let expires = date(claims, "exp")?.ok_or(Error::Malformed("`exp` is missing"))?;
        Ok(Self {
            expires,
            ..Self::begin(claims)?
        })
    }

    /// One that does not end.
    fn begin(claims: &Claims) -> Result<Self, Error> {
        let not_before = date(claims, "nbf")?;
        let issued = date(claims, "iat")?;
        let starts = [not_before, issued].into_iter().flatten();
        Ok(Self {
            expires: f64::INFINITY,
            starts: starts.reduce(f64::max),
        })
    }

    /// Whether `now` lies within, give or take `leeway`.
    #[expect(
        clippy::cast_precision_loss,
        reason = "seconds are exact in f64 for 285 million years"
    )]
    pub(super) fn check(&self, leeway: Duration, now: UnixSeconds) -> Result<(), Error> {
        let (now, leeway) = (now as f64, leeway.as_secs_f64());
        if now >= self.expires + leeway {
            return Err(Error::Expired);
        }
        if self.starts.is_some_and(|starts| starts > now + leeway) {
            return Err(Error::NotYetValid);
        }
        Ok(())
    }

    /// The whole second the token expires in.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "the cast saturates"
    )]
    pub(super) fn expires_at(&self) -> UnixSeconds {
        self.expires as UnixSeconds
    }
}

/// The date `name`, if it is there; anything but a number there is refused.
pub(super) fn date(claims: &Claims, name: &str) -> Result<Option<f64>, Error> {
    match claims.get(name) {
        None => Ok(None),
        Some(Claim::Value(Value::Number(number))) => match number.as_f64() {
            Some(date) if date.is_finite() => Ok(Some(date)),
            _ => Err(Error::Malformed("a date is not finite")),
        },
        Some(_) => Err(Error::Malformed("a date is not a number")),
    }
}

pub(super) fn check_audience(claims: &Claims, wanted: &Audiences) -> Result<(), Error> {
    let strings = || Error::Malformed("`aud` is neither a string nor a list of strings");
    let is_wanted = |name: &str| match wanted {
        Audiences::Any => true,
        Audiences::OneOf(wanted) => wanted.iter().any(|wanted| wanted == name),
    };
    let mut accepted = matches!(wanted, Audiences::Any);
    match claims.get("aud") {
        None => {}
        Some(Claim::Text(audience)) => accepted |= is_wanted(audience),
        Some(Claim::List(audiences)) => {
            for audience in audiences.iter() {
                accepted |= is_wanted(audience.ok_or_else(strings)?);
            }
        }
        Some(Claim::Value(_)) => return Err(strings()),
    }
    accepted.then_some(()).ok_or(Error::Audience)
}

/// A scope counts when `scope`, `scp` or `permissions` grants it. A claim of these names that
/// holds something else grants nothing.
pub(super) fn check_scopes(claims: &Claims, wanted: &[String]) -> Result<(), Error> {
    let all = if wanted.len() <= FEW {
        wanted
            .iter()
            .all(|wanted| scopes(claims).any(|scope| scope == wanted))
    } else {
        let granted: HashSet<&str> = scopes(claims).collect();
        wanted
            .iter()
            .all(|wanted| granted.contains(wanted.as_str()))
    };
    all.then_some(()).ok_or(Error::Scope)
}

/// Every scope that is granted.
pub(super) fn scopes(claims: &Claims) -> impl Iterator<Item = &str> {
    let grants = ["scope", "scp", "permissions"]
        .into_iter()
        .filter_map(|name| claims.get(name));
    grants.flat_map(|claim| {
        let (text, list) = match claim {
            Claim::Text(text) => (Some(text.split(' ')), None),
            Claim::List(list) => (None, Some(list.iter())),
            Claim::Value(_) => (None, None),
        };
        let words = text.into_iter().flatten();
        words.chain(list.into_iter().flatten().flatten())
    })
}

/// So many scopes are looked for one by one as quickly as in a set.
const FEW: usize = 4;

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn scopes_are_found_however_many_are_asked_for() {
        for count in [1, FEW, FEW + 1, 100] {
            let wanted: Vec<String> = (0..count).map(|number| format!("part:{number}")).collect();
            let Value::Object(claims) = json!({"scope": wanted.join(" "), "scp": ["extra"]}) else {
                unreachable!("an object")
            };
            let claims = Claims::from(claims);
            assert_eq!(check_scopes(&claims, &wanted), Ok(()), "{count}");
            let more = [&wanted[..], &["part".to_owned()]].concat();
            assert_eq!(check_scopes(&claims, &more), Err(Error::Scope), "{count}");
        }
    }
}
