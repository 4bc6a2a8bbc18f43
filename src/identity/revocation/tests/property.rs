//! Whatever happens in whatever order, exactly the revoked tokens are refused.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::{
    super::{super::Error as Refused, Revocation},
    with,
};
use crate::identity::tests::{
    mint::{EC, ISSUER, NOW, claims_with},
    want,
};

/// One thing that happens.
#[derive(Clone, Debug)]
enum Event {
    Ask(usize),
    Revoke(Revocation),
    Time(u64),
}

fn any_of(values: &'static [&'static str]) -> impl Strategy<Value = Option<String>> {
    prop_oneof![
        Just(None),
        proptest::sample::select(values).prop_map(|text| Some(text.to_owned())),
    ]
}

fn any_revocation() -> impl Strategy<Value = Revocation> {
    let times = prop_oneof![2 => Just(None), 1 => (NOW - 60..NOW + 60).prop_map(Some)];
    let issuers = any_of(&["file", ISSUER]);
    let fields = (
        any_of(&["1", "2"]),
        any_of(&["ann", "bob"]),
        any_of(&["s1", "s2"]),
    );
    (fields, times, issuers).prop_map(|((jti, sub, sid), before, issuer)| Revocation {
        jti,
        sub,
        sid,
        before,
        issuer,
    })
}

fn any_claims() -> impl Strategy<Value = Value> {
    let issued = prop_oneof![1 => Just(None), 4 => (NOW - 60..NOW + 20).prop_map(Some)];
    let fields = (
        any_of(&["1", "2"]),
        any_of(&["ann", "bob"]),
        any_of(&["s1", "s2"]),
    );
    (fields, issued).prop_map(|((jti, sub, sid), issued)| {
        let mut claims = claims_with("nbf", Value::Null);
        let iat = issued.map(|issued| json!(issued));
        for (name, value) in [("jti", jti), ("sid", sid)] {
            claims[name] = json!(value);
        }
        claims["sub"] = json!(sub.unwrap_or_else(|| "carol".to_owned()));
        match iat {
            Some(iat) => claims["iat"] = iat,
            None => drop(claims.as_object_mut().expect("an object").remove("iat")),
        }
        claims["exp"] = json!(NOW + 10_000);
        claims
    })
}

fn any_event() -> impl Strategy<Value = Event> {
    prop_oneof![
        6 => (0..8_usize).prop_map(Event::Ask),
        2 => any_revocation().prop_map(Event::Revoke),
        1 => (NOW..NOW + 90).prop_map(Event::Time),
    ]
}

/// The definition, without digests, shapes or versions.
fn matches(what: &Revocation, at: u64, claims: &Value) -> bool {
    let same = |wanted: &Option<String>, name: &str| {
        wanted.is_none() || claims.get(name).and_then(Value::as_str) == wanted.as_deref()
    };
    let named = what.jti.is_some() || what.sid.is_some();
    let limit = match what.before {
        None if named => u64::MAX,
        None => at + 1,
        Some(before) => before,
    };
    let issued = claims.get("iat").and_then(Value::as_u64);
    let young_enough = issued.is_none_or(|issued| issued < limit);
    same(&what.jti, "jti") && same(&what.sub, "sub") && same(&what.sid, "sid") && young_enough
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever happened before: a token is refused, known or not, if and only if a revocation says so.
    #[test]
    fn revoked_tokens_are_refused_and_no_others(
        claims in prop::collection::vec(any_claims(), 1..6),
        events in prop::collection::vec(any_event(), 1..60),
    ) {
        let both = [with("1MiB", None), with("0", None)];
        let tokens: Vec<String> = claims.iter().map(|claims| EC.token(claims)).collect();
        let want = want(&["file"], &[]);
        let mut now = NOW;
        let mut taken: Vec<(Revocation, u64)> = Vec::new();
        for event in events {
            match event {
                Event::Time(to) => {
                    // A clock that is turned back would make yesterday's `before` the future.
                    now = now.max(to);
                    for verifier in &both {
                        verifier.clock.set(now);
                    }
                }
                Event::Revoke(what) => {
                    let outcomes = [0, 1].map(|at| both[at].revoke(what.clone()));
                    prop_assert_eq!(&outcomes[0], &outcomes[1]);
                    if outcomes[0].is_ok() {
                        taken.push((what, now));
                    }
                }
                Event::Ask(at) => {
                    let at = at % tokens.len();
                    let revoked = taken.iter().any(|(what, when)| matches(what, *when, &claims[at]));
                    let expected = revoked.then_some(Refused::Revoked);
                    for verifier in &both {
                        let refused = verifier.verify_now(&tokens[at], &want).err();
                        prop_assert_eq!(&refused, &expected);
                    }
                }
            }
        }
    }
}
