//! Who is calling, proven.

use std::{borrow::Cow, fmt, sync::Arc};

use serde_json::{Number, Value};

use super::claims::{self, Claim, Claims};
use crate::{check::Source, clock::UnixSeconds};

/// A proven caller. Only this step can make one, so a step that asks for an `Identity` cannot be
/// reached without a good token or certificate.
#[derive(Clone)]
pub struct Identity(Arc<Facts>);

/// Shared by every check that the same token passes.
struct Facts {
    claims: Claims,
    expires_at: Option<UnixSeconds>,
    issuer: Arc<str>,
    subject: Arc<str>,
}

impl Identity {
    /// From claims whose signature, dates, audience and `sub` have been checked.
    pub(super) fn new(claims: Claims, issuer: Arc<str>, expires_at: UnixSeconds) -> Option<Self> {
        let subject = claims.text("sub")?.into();
        Some(Self(Arc::new(Facts {
            claims,
            expires_at: Some(expires_at),
            issuer,
            subject,
        })))
    }

    /// The caller that the proxy knows by its verified client certificate, if it showed one.
    #[must_use]
    pub fn from_peer(source: &Source) -> Option<Self> {
        let principal = source.principal.as_deref()?;
        // A certificate may carry a NUL, and what follows it is cut off by C programs.
        let named = !principal.is_empty() && !principal.contains('\0');
        named.then(|| {
            Self(Arc::new(Facts {
                claims: Claims::default(),
                expires_at: None,
                issuer: PEER.into(),
                subject: principal.into(),
            }))
        })
    }

    /// The allocations behind it apart from its claims' and the issuer's shared name, in bytes each.
    pub(super) fn allocations(&self) -> impl Iterator<Item = usize> {
        const COUNTS: usize = 2 * size_of::<usize>();
        [size_of::<Facts>(), self.subject().len()]
            .into_iter()
            .map(|size| COUNTS + size)
    }

    /// The token's `sub`, or the certificate's principal; never empty.
    #[must_use]
    pub fn subject(&self) -> &str {
        &self.0.subject
    }

    /// The same, to be kept.
    #[must_use]
    pub fn shared_subject(&self) -> Arc<str> {
        Arc::clone(&self.0.subject)
    }

    /// The claim at `dotted`, when it is a string, a number or a boolean.
    ///
    /// A name is taken as it stands before it is cut at its dots, because names such as
    /// `https://app.example/tenant` have dots in them. A number too large to be exact is no value:
    /// two different ones would read the same. An `email` that the issuer has not verified is no
    /// value either, nor one that does not have one `@`: whoever signs up chooses it.
    #[must_use]
    pub fn claim(&self, dotted: &str) -> Option<Cow<'_, str>> {
        if dotted == "email" && !self.has_verified_email() {
            return None;
        }
        let value = match find(&self.0.claims, dotted)? {
            Claim::Text(text) => return Some(Cow::Borrowed(text)),
            Claim::List(_) => return None,
            Claim::Value(value) => value,
        };
        match value {
            Value::Bool(value) => Some(Cow::Borrowed(if *value { "true" } else { "false" })),
            Value::Number(number) => exact(number).map(Cow::Owned),
            Value::String(text) => Some(Cow::Borrowed(text)),
            Value::Array(_) | Value::Null | Value::Object(_) => None,
        }
    }

    fn has_verified_email(&self) -> bool {
        let email = self.0.claims.text("email");
        let is_one = email.is_some_and(|email| email.matches('@').count() == 1);
        let verified = || self.0.claims.get("email_verified")?.as_value();
        is_one && verified() == Some(&Value::Bool(true))
    }

    /// The issuer's name in the configuration; `peer` for a client certificate.
    #[must_use]
    pub fn issuer(&self) -> &str {
        &self.0.issuer
    }

    /// The token's `exp`: nothing learnt from it may be kept longer.
    #[must_use]
    pub fn expires_at(&self) -> Option<UnixSeconds> {
        self.0.expires_at
    }

    /// How strongly the caller was authenticated: the token's `acr`.
    #[must_use]
    pub fn authentication_class(&self) -> Option<&str> {
        self.0.claims.text("acr")
    }

    /// When the caller was last authenticated: the token's `auth_time`, in whole seconds. Anything
    /// but a number from 0 on is no time.
    #[must_use]
    pub fn authenticated_at(&self) -> Option<UnixSeconds> {
        let since = self.0.claims.get("auth_time")?.as_f64()?;
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "not negative, and the cast saturates"
        )]
        (since >= 0.0).then_some(since as UnixSeconds)
    }

    /// The scopes that the token grants, by `scope`, `scp` or `permissions`, in that order; each
    /// once.
    #[must_use]
    pub fn scopes(&self) -> Vec<&str> {
        let mut scopes = Vec::new();
        for scope in claims::scopes(&self.0.claims) {
            if !scopes.contains(&scope) {
                scopes.push(scope);
            }
        }
        scopes
    }

    /// Every claim of the token.
    pub(super) fn claims(&self) -> &Claims {
        &self.0.claims
    }
}

impl fmt::Debug for Identity {
    /// Without the claims: they are personal data.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identity")
            .field("issuer", &self.0.issuer)
            .field("subject", &self.0.subject)
            .field("expires_at", &self.0.expires_at)
            .finish_non_exhaustive()
    }
}

fn find<'a>(claims: &'a Claims, dotted: &str) -> Option<Claim<'a>> {
    claims.get(dotted).or_else(|| {
        let (first, rest) = dotted.split_once('.')?;
        find_within(claims.get(first)?.as_value()?, rest).map(Claim::Value)
    })
}

fn find_within<'a>(value: &'a Value, dotted: &str) -> Option<&'a Value> {
    let members = value.as_object()?;
    members.get(dotted).or_else(|| {
        let (first, rest) = dotted.split_once('.')?;
        find_within(members.get(first)?, rest)
    })
}

/// `number` in words if no other number has the same words.
fn exact(number: &Number) -> Option<String> {
    /// 2⁵³: beyond it neighbouring integers share an `f64`.
    const EXACT: f64 = 9_007_199_254_740_992.0;
    let whole = number.is_i64() || number.is_u64();
    let exact = whole || number.as_f64().is_some_and(|float| float.abs() < EXACT);
    exact.then(|| number.to_string())
}

/// The issuer of identities that come from client certificates. No configured issuer may be called so.
pub(super) const PEER: &str = "peer";

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn claims_are_found_by_name_and_by_path() {
        let claims = json!({
            "sub": "ann",
            "org": {"id": 7, "tags": ["a"], "on": true, "x.y": "deep"},
            "https://app.example/tenant": "t1",
            "big": 123_456_789_012_345_678_901_234_567_890_f64,
            "none": null,
        });
        let Value::Object(claims) = claims else {
            unreachable!("an object")
        };
        let ann = Identity::new(claims.into(), "auth0".into(), 9).expect("has a sub");
        for (path, value) in [
            ("sub", Some("ann")),
            ("org.id", Some("7")),
            ("org.on", Some("true")),
            ("org.x.y", Some("deep")),
            ("https://app.example/tenant", Some("t1")),
            ("org", None),
            ("org.tags", None),
            ("org.tags.0", None),
            ("sub.x", None),
            ("big", None),
            ("none", None),
            ("", None),
            ("org.", None),
        ] {
            assert_eq!(ann.claim(path).as_deref(), value, "{path}");
        }
        assert_eq!(
            (ann.subject(), ann.issuer(), ann.expires_at()),
            ("ann", "auth0", Some(9))
        );
        assert!(
            !format!("{ann:?}").contains("t1"),
            "claims stay out of logs"
        );
    }

    #[test]
    fn an_address_that_nobody_verified_is_no_value() {
        let email = |email: Value, verified: Value| {
            let claims = json!({"sub": "ann", "email": email, "email_verified": verified});
            let Value::Object(claims) = claims else {
                unreachable!("an object")
            };
            let ann = Identity::new(claims.into(), "auth0".into(), 9).expect("has a sub");
            ann.claim("email").map(Cow::into_owned)
        };
        let address = json!("ann@corp.example");
        assert_eq!(
            email(address.clone(), json!(true)).as_deref(),
            address.as_str()
        );
        for unproven in [json!(false), json!(null), json!("true"), json!(1)] {
            assert_eq!(email(address.clone(), unproven), None);
        }
        for strange in ["ann@corp.example@evil.example", "corp.example", ""] {
            assert_eq!(email(json!(strange), json!(true)), None, "{strange}");
        }
    }

    #[test]
    fn how_and_when_somebody_was_authenticated_is_read_from_words_and_numbers_alone() {
        let read = |acr: Value, since: Value| {
            let Value::Object(claims) = json!({"sub": "ann", "acr": acr, "auth_time": since})
            else {
                unreachable!("an object")
            };
            let ann = Identity::new(claims.into(), "auth0".into(), 9).expect("has a sub");
            let acr = ann.authentication_class().map(str::to_owned);
            (acr, ann.authenticated_at())
        };
        assert_eq!(read(json!("phr"), json!(5)), (Some("phr".into()), Some(5)));
        assert_eq!(read(json!(["phr"]), json!("5")), (None, None));
        assert_eq!(read(json!(null), json!(-5)), (None, None));
        assert_eq!(read(json!(1), json!(5.9)), (None, Some(5)));
    }

    #[test]
    fn a_peer_is_known_by_its_principal_alone() {
        let peer = |principal: Option<&str>| {
            Identity::from_peer(&Source {
                principal: principal.map(str::to_owned),
                ..Source::default()
            })
        };
        let service = peer(Some("spiffe://mesh/ns/a/sa/b")).expect("attested");
        assert_eq!(
            (service.subject(), service.issuer()),
            ("spiffe://mesh/ns/a/sa/b", "peer")
        );
        assert_eq!(service.claim("sub"), None);
        for absent in [None, Some(""), Some("spiffe://mesh\0.evil")] {
            assert!(peer(absent).is_none());
        }
    }
}
