//! What has been taken back is refused, known or not, and nothing else is.

mod property;

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Instant,
};

use serde_json::{Value, json};

use super::{
    super::{
        Config, Error as Refused, Verifier,
        credential::MAX_TOKEN,
        tests::{
            fetching::provider::Provider,
            mint::{EC, ISSUER, Mint, NOW, claims_with, key_set},
            *,
        },
    },
    *,
};
use crate::clock::Clock;

const LIFE: u64 = 3600;

/// A list that keeps entries for [`LIFE`] and a second.
fn list(bytes: usize) -> Revocations {
    let keep = Duration::from_secs(LIFE);
    let max_stale = None;
    Revocations::new(Limits {
        bytes,
        keep,
        max_stale,
    })
    .expect("random numbers")
}

fn jti(jti: &str) -> Revocation {
    Revocation {
        jti: Some(jti.to_owned()),
        ..Revocation::default()
    }
}

fn before(before: u64) -> Revocation {
    Revocation {
        before: Some(before),
        ..Revocation::default()
    }
}

fn token(claims: &Value) -> Claims {
    claims.as_object().expect("an object").clone().into()
}

#[test]
fn all_that_a_revocation_names_must_be_true_of_the_token() {
    let ann = json!({"sub": "ann", "sid": "s1", "jti": "1", "iat": NOW - 100});
    let by = |fields: [Option<&str>; 4], before| {
        let [issuer, jti, sub, sid] = fields.map(|field| field.map(str::to_owned));
        Revocation {
            jti,
            sub,
            sid,
            before,
            issuer,
        }
    };
    let (other, late, early) = (Some("other"), Some(NOW - 99), Some(NOW - 100));
    let (iss, one, sub, sid) = (Some(ISSUER), Some("1"), Some("ann"), Some("s1"));
    let cases = [
        (by([None, one, None, None], None), true),
        (by([None, other, None, None], None), false),
        (by([None, None, sub, None], None), true),
        (by([None, None, other, None], None), false),
        (by([None, None, None, sid], None), true),
        // Fields are not mixed up with each other.
        (by([None, None, None, sub], None), false),
        (by([None, one, other, None], None), false),
        (by([None, one, sub, sid], None), true),
        (by([None; 4], late), true),
        (by([None; 4], early), false),
        (by([None, None, sub, None], late), true),
        (by([None, None, sub, None], early), false),
        (by([iss, one, None, None], None), true),
        (by([other, one, None, None], None), false),
        (by([iss, None, None, None], late), true),
        (by([other, None, None, None], late), false),
    ];
    for (what, expected) in cases {
        let list = list(1 << 20);
        list.revoke(&what, NOW).expect("taken");
        let revoked = list.is_revoked(ISSUER, &token(&ann), NOW);
        assert_eq!(
            revoked, expected,
            "{:?} {:?} {:?}",
            what.sub, what.sid, what.before
        );
    }
}

#[test]
fn a_subject_that_signs_in_again_is_let_in_and_a_token_of_unknown_age_is_not() {
    let list = list(1 << 20);
    let ann = Revocation {
        sub: Some("ann".to_owned()),
        ..Revocation::default()
    };
    list.revoke(&ann, NOW).expect("taken");
    for (issued, revoked) in [
        (json!(NOW - 1), true),
        (json!(NOW), true),
        (json!(NOW + 1), false),
        (Value::Null, true),
    ] {
        let claims = token(&json!({"sub": "ann", "iat": issued}));
        assert_eq!(
            list.is_revoked(ISSUER, &claims, NOW + 2),
            revoked,
            "{issued}"
        );
    }
}

#[test]
fn entries_stay_as_long_as_a_token_can_live_and_then_make_room() {
    let list = list(ENTRY_SIZE * 2);
    list.revoke(&jti("1"), NOW).expect("taken");
    list.revoke(&jti("2"), NOW + 10).expect("taken");
    let first = token(&json!({"jti": "1"}));
    let full = |now| list.revoke(&jti("3"), now);
    assert_eq!(full(NOW + 20), Err(Error::Full));
    assert_eq!(
        full(NOW + LIFE),
        Err(Error::Full),
        "nothing is forgotten for it"
    );
    assert!(list.is_revoked(ISSUER, &first, NOW + LIFE));
    list.revoke(&jti("1"), NOW + 30)
        .expect("one that is there needs no room");
    assert_eq!(full(NOW + LIFE + 1), Err(Error::Full), "and lives longer");
    assert_eq!(full(NOW + LIFE + 11), Ok(()), "the second one has lapsed");
    assert_eq!(list.len(), 2);
    assert!(!list.is_revoked(ISSUER, &token(&json!({"jti": "2"})), NOW + LIFE + 11));
    assert!(list.is_revoked(ISSUER, &first, NOW + LIFE + 11));
}

#[test]
fn a_shorter_life_configured_meanwhile_ends_no_older_promise() {
    let list = list(1 << 20);
    list.revoke(&before(NOW), NOW).expect("taken");
    let shorter = list.with(Limits {
        bytes: 1 << 20,
        keep: Duration::from_secs(1),
        max_stale: None,
    });
    shorter.revoke(&before(NOW + 1), NOW + 1).expect("taken");
    let claims = token(&json!({"iat": NOW - 1}));
    assert!(list.is_revoked(ISSUER, &claims, NOW + LIFE));
}

#[test]
fn a_full_list_still_takes_a_time_for_everybody() {
    let list = list(0);
    assert_eq!(list.revoke(&jti("1"), NOW), Err(Error::Full));
    list.revoke(&before(NOW), NOW).expect("fits");
    let claims = token(&json!({"jti": "1", "iat": NOW - 1}));
    assert!(list.is_revoked(ISSUER, &claims, NOW));
}

#[test]
fn what_chooses_no_token_is_refused_with_the_cure() {
    let list = list(1 << 20);
    let issuer = Revocation {
        issuer: Some(ISSUER.to_owned()),
        ..Revocation::default()
    };
    let long = "x".repeat(MAX_TOKEN + 1);
    for (what, error) in [
        (Revocation::default(), Error::Empty),
        (issuer, Error::Empty),
        (jti(""), Error::Text("jti")),
        (jti(&long), Error::Text("jti")),
        (before(NOW + AHEAD + 1), Error::Future),
    ] {
        assert_eq!(list.revoke(&what, NOW), Err(error));
    }
    assert!(list.is_empty());
    list.revoke(&before(NOW + AHEAD), NOW)
        .expect("clocks differ");
    assert!(!format!("{list:?} {:?}", jti("1")).contains('"'));
}

fn with(cache: &str, previous: Option<&Verifier>) -> Verifier {
    let directory = directory(&key_set(&[&EC]));
    let issuer = json!({"issuer": ISSUER, "audiences": "any", "jwks_file": "keys.json"});
    let config = json!({"defaults": defaults(), "issuers": {"file": issuer},
                        "token_cache": cache, "revocation": revocation(), "dpop": dpop()});
    let config: Config = serde_json::from_value(config).expect("config");
    let clock = Clock::fixed(NOW);
    Verifier::new(&config, directory.path(), clock, metrics().1, previous)
        .expect("good configuration")
}

#[test]
fn revocations_outlive_reloads_and_changed_limits() {
    let (want, token) = (
        want(&["file"], &[]),
        EC.token(&claims_with("jti", json!("1"))),
    );
    let first = with("1MiB", None);
    first.verify_now(&token, &want).expect("good");
    first.revoke(jti("1")).expect("taken");
    let second = with("2MiB", Some(&first));
    assert_eq!(
        second.verify_now(&token, &want).err(),
        Some(Refused::Revoked)
    );
    // The old one may still finish checks, and both must know what is new.
    second.revoke(jti("2")).expect("taken");
    let other = EC.token(&claims_with("jti", json!("2")));
    assert_eq!(
        first.verify_now(&other, &want).err(),
        Some(Refused::Revoked)
    );
}

#[test]
fn issuers_are_known_by_their_name_and_by_their_iss() {
    let want = want(&["file"], &[]);
    for (issuer, outcome) in [
        ("file", Ok(())),
        (ISSUER, Ok(())),
        ("nobody", Err(Error::Issuer)),
    ] {
        let verifier = with("1MiB", None);
        let token = EC.token(&claims_with("jti", json!("1")));
        let what = Revocation {
            issuer: Some(issuer.to_owned()),
            ..jti("1")
        };
        assert_eq!(verifier.revoke(what), outcome, "{issuer}");
        let refused = verifier.verify_now(&token, &want).err();
        assert_eq!(refused.is_some(), outcome.is_ok(), "{issuer}");
    }
}

#[tokio::test]
async fn a_token_that_waits_for_its_key_is_refused_when_it_is_revoked_meanwhile() {
    let provider = Provider::start(&key_set(&[&EC])).await;
    let issuer = json!({"issuer": provider.issuer(), "audiences": "any",
                        "allow_private_addresses": true});
    let config = json!({"defaults": defaults(), "issuers": {"file": issuer},
                        "token_cache": "1MiB", "revocation": revocation(), "dpop": dpop()});
    let config: Config = serde_json::from_value(config).expect("config");
    let verifier = Verifier::new(
        &config,
        Path::new("/"),
        Clock::fixed(NOW),
        metrics().1,
        None,
    );
    let verifier = Arc::new(verifier.expect("good configuration"));
    let mut claims = claims_with("iss", json!(provider.issuer()));
    claims["jti"] = json!("1");
    let (token, want) = (EC.token(&claims), want(&["file"], &[]));
    // Nobody fetches yet, so it waits.
    let verifying = verifier.verify_token(&token, &want, soon());
    let revoking = async {
        verifier.revoke(jti("1")).expect("taken");
        tokio::select! {
            never = verifier.run() => match never {},
            () = verifier.until_fetched(soon()) => {}
        }
    };
    let (verdict, ()) = tokio::join!(verifying, revoking);
    assert_eq!(verdict.err(), Some(Refused::Revoked));
}

#[test]
fn whoever_asks_after_a_revocation_is_refused_whatever_is_going_on() {
    for cache in ["1MiB", "0"] {
        for round in 0..20 {
            let verifier = with(cache, None);
            let token = EC.token(&claims_with("jti", json!("1")));
            let (want, revoked) = (want(&["file"], &[]), AtomicBool::new(false));
            thread::scope(|scope| {
                let ask = || {
                    let end = Instant::now() + Duration::from_secs(5);
                    loop {
                        let before = revoked.load(Ordering::SeqCst);
                        let verdict = verifier.verify_now(&token, &want);
                        assert!(!before || verdict.is_err(), "cache {cache}, round {round}");
                        if before || Instant::now() > end {
                            break verdict;
                        }
                    }
                };
                let asking = [scope.spawn(ask), scope.spawn(ask)];
                verifier.revoke(jti("1")).expect("taken");
                revoked.store(true, Ordering::SeqCst);
                for thread in asking {
                    let last = thread.join().expect("no token slips through");
                    assert_eq!(last.err(), Some(Refused::Revoked));
                }
            });
        }
    }
}

/// A second mint only makes sure that a good signature is needed at all.
#[test]
fn a_forged_token_is_called_forged_even_when_what_it_says_is_revoked() {
    let verifier = with("1MiB", None);
    verifier.revoke(jti("1")).expect("taken");
    let stranger = Mint::new(jsonwebtoken::Algorithm::ES256, "ec");
    let token = stranger.token(&claims_with("jti", json!("1")));
    let refused = verifier.verify_now(&token, &want(&["file"], &[])).err();
    assert_eq!(refused, Some(Refused::Forged));
}
