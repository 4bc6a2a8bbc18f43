//! Whole requests, with any number of credentials, before issuers whose keys are there, are not, or
//! could not be fetched again: no panic, and nobody passes but with the one good token.

use proptest::prelude::*;

use super::{
    super::source::Failure,
    mint::{EC, ISSUER, Mint, RSA, claims, key_set},
    *,
};

/// How the issuer is doing.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Keys {
    Fetched,
    Missing,
    Stale,
}

/// What one `Authorization` holds.
#[derive(Clone, Debug, Eq, PartialEq)]
enum Shown {
    Good(&'static str),
    Invented,
    Joined,
    Other(Vec<u8>),
    Unknown,
}

impl Shown {
    fn value(&self) -> Vec<u8> {
        static STRANGER: LazyLock<Mint> = LazyLock::new(|| Mint::new(Algorithm::ES256, "stranger"));
        let good = || RSA.token(&claims());
        match self {
            Self::Good(scheme) => format!("{scheme} {}", good()).into_bytes(),
            Self::Invented => {
                format!("Bearer {}", EC.with_header(&RSA.header(), &claims())).into_bytes()
            }
            Self::Joined => format!("Bearer {0},Bearer {0}", good()).into_bytes(),
            Self::Other(bytes) => bytes.clone(),
            Self::Unknown => format!("Bearer {}", STRANGER.token(&claims())).into_bytes(),
        }
    }
}

fn shown() -> impl Strategy<Value = Shown> {
    prop_oneof![
        4 => prop_oneof![Just("Bearer"), Just("bearer"), Just("BEARER")].prop_map(Shown::Good),
        1 => Just(Shown::Invented),
        1 => Just(Shown::Joined),
        1 => Just(Shown::Unknown),
        1 => prop::sample::select(vec!["Bearer", "", "Basic eDp5", "Bearer  ", "DPoP a.b.c"])
            .prop_map(|text| Shown::Other(text.as_bytes().to_vec())),
        1 => prop::collection::vec(any::<u8>(), 0..40).prop_map(Shown::Other),
    ]
}

fn verifier_with(keys: Keys) -> Verifier {
    let directory = directory(&key_set(&[&RSA]));
    let mut issuer = json!({
        "issuer": ISSUER, "audiences": ["https://api.example"], "algorithms": ["RS256", "ES256"],
    });
    if keys == Keys::Missing {
        issuer["jwks_uri"] = json!("https://issuer.example/keys");
    } else {
        issuer["jwks_file"] = json!("keys.json");
    }
    let verifier = verifier(&json!({ "file": issuer }), directory.path());
    let verifier = verifier.expect("good configuration");
    if keys == Keys::Stale {
        verifier.issuers["file"].fail(Failure {
            cause: "timeout",
            detail: "no answer".to_owned(),
        });
    }
    verifier
}

proptest! {
    #[test]
    fn nobody_passes_but_with_the_one_good_token(
        shown in prop::collection::vec(shown(), 0..4),
        proofs in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..20), 0..3),
        keys in prop_oneof![Just(Keys::Fetched), Just(Keys::Missing), Just(Keys::Stale)],
    ) {
        let verifier = verifier_with(keys);
        let mut headers = Headers::default();
        for one in &shown {
            headers.push("authorization", one.value());
        }
        for proof in proofs {
            headers.push("dpop", proof);
        }
        let request = HttpRequest {
            method: "GET".to_owned(),
            host: "api.example".to_owned(),
            path: RequestPath::parse("/orders"),
            headers,
            body: Body::Absent,
        };
        let (peer, want) = (Source::default(), want(&["file"], &[]));
        // Nobody fetches, so whoever waited would wait until then.
        let verdict = verifier.verify(&request, &peer, &want, Instant::now());
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
        let verdict = runtime.expect("a runtime").block_on(verdict);
        match &shown[..] {
            [] => prop_assert_eq!(verdict.err(), Some(Error::Missing)),
            [Shown::Good(_)] if keys == Keys::Missing => {
                prop_assert_eq!(verdict.err(), Some(Error::KeysUnavailable("file".to_owned())));
            }
            [Shown::Good(_)] => prop_assert!(verdict.is_ok(), "{verdict:?}"),
            [Shown::Unknown] if keys == Keys::Stale => {
                prop_assert_eq!(verdict.err(), Some(Error::UnseenKey("file".to_owned())));
            }
            [_] => prop_assert!(verdict.is_err()),
            _ => prop_assert!(matches!(verdict, Err(Error::Malformed(_))), "{verdict:?}"),
        }
    }
}
