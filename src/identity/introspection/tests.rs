//! What issuers are asked, what becomes of their answers, and how long those are kept.

use std::sync::LazyLock;

use futures_util::future::join_all;
use serde_json::json;

use super::{
    super::{
        Batch, Config, Identity, Verifier,
        tests::{
            defaults, directory, dpop, endpoint::Endpoint, metrics, mint, mint::NOW, revocation,
            soon, want,
        },
    },
    *,
};
use crate::{
    dispatch::{Dispatcher, Lane},
    identity::Revocation,
    problem::Problem,
    verdict::Reason,
};

const TOKEN: &str = "opaque~token+of/ann==";

/// A verifier whose issuer `asked` is introspected at `server`, and `file` is not.
fn made(server: &Endpoint, more: &Value, clock: &Clock) -> Result<Verifier, Vec<Problem>> {
    let folder = directory(&mint::key_set(&[&mint::EC]));
    std::fs::write(folder.path().join("client"), "hunter2").expect("written");
    let mut asking = json!({"client_id": "c", "client_secret_file": "client"});
    let members = asking.as_object_mut().expect("an object");
    members.extend(more.as_object().expect("an object").clone());
    let issuer = |name: &str| {
        json!({"issuer": name, "audiences": ["https://api.example"],
                                     "jwks_file": "keys.json", "allow_private_addresses": true})
    };
    let mut asked = issuer(&server.issuer);
    asked["introspection"] = asking;
    let issuers = json!({"asked": asked, "file": issuer(mint::ISSUER)});
    let config = json!({"defaults": defaults(), "issuers": issuers, "token_cache": "1MiB",
                        "revocation": revocation(), "dpop": dpop()});
    let config: Config = serde_json::from_value(config).expect("config");
    Verifier::new(&config, folder.path(), clock.clone(), metrics().1, None)
}

fn verifier(server: &Endpoint, more: &Value) -> Verifier {
    made(server, more, &Clock::fixed(NOW)).expect("a good configuration")
}

/// An active token of `ann` with one member changed, or with `null` left out.
fn active(name: &str, value: Value) -> String {
    let mut answer = json!({"active": true, "sub": "ann", "aud": "https://api.example",
        "scope": "chat", "exp": NOW + 600, "iat": NOW - 10, "client_id": "web", "jti": "7"});
    match value {
        Value::Null => drop(answer.as_object_mut().expect("an object").remove(name)),
        value => answer[name] = value,
    }
    answer.to_string()
}

async fn ask(verifier: &Verifier, token: &str) -> Result<Identity, Reason> {
    let want = want(&["file", "asked"], &["chat"]);
    let verdict = verifier.verify_token(token, &want, soon()).await;
    verdict.map_err(|error| error.reason())
}

#[tokio::test]
async fn an_active_token_is_asked_about_once_by_the_client_as_configured() {
    let server = Endpoint::start().await;
    server.answer(200, &active("", json!(null)));
    let verifier = verifier(&server, &json!({}));
    let all = join_all((0..20).map(|_| ask(&verifier, TOKEN))).await;
    for ann in all {
        let ann = ann.expect("active");
        assert_eq!((ann.subject(), ann.issuer()), ("ann", "asked"));
        assert_eq!(ann.expires_at(), Some(NOW + 600));
    }
    ask(&verifier, TOKEN).await.expect("known");
    let [asked] = &server.asked()[..] else {
        panic!("asked {} times", server.asked().len())
    };
    assert_eq!(asked.basic.as_deref(), Some("c:hunter2"));
    assert_eq!(asked.fields["token"], TOKEN);
    assert_eq!(asked.fields["token_type_hint"], "access_token");
    assert!(!format!("{verifier:?}").contains("hunter2"));
}

#[tokio::test]
async fn the_issuer_s_word_is_judged_like_claims() {
    let server = Endpoint::start().await;
    let verifier = verifier(&server, &json!({}));
    let cases = [
        (
            active("aud", json!("elsewhere")),
            Some(Reason::TokenAudience),
        ),
        (active("aud", json!(null)), Some(Reason::TokenAudience)),
        (active("scope", json!("other")), Some(Reason::TokenScope)),
        (active("exp", json!(NOW - 60)), Some(Reason::TokenExpired)),
        (active("exp", json!("soon")), Some(Reason::TokenMalformed)),
        (
            active("nbf", json!(NOW + 60)),
            Some(Reason::TokenNotYetValid),
        ),
        (
            active("iss", json!(mint::ISSUER)),
            Some(Reason::TokenIssuer),
        ),
        (active("iss", json!(server.issuer)), None),
        (active("sub", json!(7)), Some(Reason::TokenMalformed)),
        (active("events", json!({})), Some(Reason::TokenMalformed)),
        (active("exp", json!(null)), None),
        (active("active", json!(false)), Some(Reason::TokenRevoked)),
        (
            active("active", json!("true")),
            Some(Reason::KeysUnavailable),
        ),
        (active("active", json!(null)), Some(Reason::KeysUnavailable)),
        (
            r#"{"active": true, "active": false}"#.to_owned(),
            Some(Reason::KeysUnavailable),
        ),
        ("<html>".to_owned(), Some(Reason::KeysUnavailable)),
        ("x".repeat(MAX_ANSWER + 1), Some(Reason::KeysUnavailable)),
    ];
    for (at, (answer, reason)) in cases.iter().enumerate() {
        server.answer(200, answer);
        let verdict = ask(&verifier, &format!("{TOKEN}{at}")).await;
        assert_eq!(verdict.err(), *reason, "{answer:.200}");
    }
    for status in [204, 401, 500] {
        server.answer(status, &active("", json!(null)));
        let verdict = ask(&verifier, &format!("{TOKEN}{status}")).await;
        assert_eq!(verdict.err(), Some(Reason::KeysUnavailable), "{status}");
    }
}

#[tokio::test]
async fn a_client_s_own_token_is_about_the_client() {
    let server = Endpoint::start().await;
    server.answer(200, &active("sub", json!(null)));
    let verifier = verifier(&server, &json!({}));
    let web = ask(&verifier, TOKEN).await.expect("active");
    assert_eq!(web.subject(), "web");
}

#[tokio::test]
async fn answers_are_kept_no_longer_than_they_are_good() {
    let server = Endpoint::start().await;
    let clock = Clock::fixed(NOW);
    let keep = json!({"keep": "300ms", "keep_inactive": "300ms"});
    let verifier = made(&server, &keep, &clock).expect("good");
    for (answer, reason) in [
        (active("", json!(null)), None),
        (active("active", json!(false)), Some(Reason::TokenRevoked)),
    ] {
        let token = format!("{TOKEN}{}", reason.is_some());
        let before = server.asked().len();
        server.answer(200, &answer);
        for _ in 0..5 {
            assert_eq!(ask(&verifier, &token).await.err(), reason);
        }
        assert_eq!(server.asked().len(), before + 1);
        tokio::time::sleep(Duration::from_millis(310)).await;
        assert_eq!(ask(&verifier, &token).await.err(), reason);
        assert_eq!(server.asked().len(), before + 2, "asked again");
    }
    server.answer(200, &active("exp", json!(NOW + 5)));
    ask(&verifier, "short-lived").await.expect("active");
    clock.set(NOW + 40);
    assert_eq!(
        ask(&verifier, "short-lived").await.err(),
        Some(Reason::TokenExpired)
    );
}

/// Between an answer and its place among the proven tokens lies the judging of its claims. An answer
/// that is refused never gets there, so that moment can be looked at.
#[tokio::test]
async fn nobody_asks_again_while_an_answer_is_judged() {
    let server = Endpoint::start().await;
    server.answer(200, &active("aud", json!("https://other.example")));
    let verifier = verifier(&server, &json!({}));
    for _ in 0..5 {
        let reason = ask(&verifier, TOKEN).await.err();
        assert_eq!(reason, Some(Reason::TokenAudience));
    }
    assert_eq!(server.asked().len(), 1);
    let _ = ask(&verifier, "another").await;
    assert_eq!(
        server.asked().len(),
        2,
        "one token's answer is not another's"
    );
}

#[tokio::test]
async fn a_revocation_counts_for_a_token_that_is_still_said_to_be_active() {
    let server = Endpoint::start().await;
    server.answer(200, &active("", json!(null)));
    let verifier = verifier(&server, &json!({}));
    ask(&verifier, TOKEN).await.expect("active");
    let revocation = Revocation {
        jti: Some("7".to_owned()),
        ..Revocation::default()
    };
    verifier.revoke(revocation).expect("taken");
    assert_eq!(
        ask(&verifier, TOKEN).await.err(),
        Some(Reason::TokenRevoked)
    );
}

#[tokio::test]
async fn questions_are_bounded_and_jwts_cause_none() {
    let server = Endpoint::start().await;
    server.answer(200, &active("active", json!(false)));
    let verifier = verifier(&server, &json!({"max_in_flight": 3}));
    let tokens: Vec<String> = (0..40).map(|number| format!("invented{number}")).collect();
    let all = join_all(tokens.iter().map(|token| ask(&verifier, token))).await;
    let shed = all
        .iter()
        .filter(|verdict| matches!(verdict, Err(Reason::Overloaded)));
    assert_eq!(shed.count(), 37);
    assert_eq!(server.asked().len(), 3);
    let own = mint::EC.token(&mint::claims());
    ask(&verifier, &own).await.expect("a good JWT");
    let forged = mint::Mint::new(jsonwebtoken::Algorithm::ES256, "ec").token(&mint::claims());
    assert_eq!(
        ask(&verifier, &forged).await.err(),
        Some(Reason::TokenSignature)
    );
    assert_eq!(server.asked().len(), 3);
    let unasked = want(&["file"], &[]);
    let verdict = verifier.verify_token(TOKEN, &unasked, soon()).await;
    assert_eq!(
        verdict.map_err(|error| error.reason()).err(),
        Some(Reason::TokenMalformed)
    );
}

#[tokio::test]
async fn opaque_tokens_of_a_batch_are_asked_about_within_the_bound() {
    let server = Endpoint::start().await;
    server.answer(200, &active("", json!(null)));
    let verifier = Arc::new(verifier(&server, &json!({})));
    let mut tokens: Vec<String> = (0..12).map(|number| format!("opaque{number}")).collect();
    tokens.push(mint::EC.token(&mint::claims()));
    let batch = Batch::prepare(Arc::clone(&verifier), tokens, None, soon()).await;
    let batch = Arc::new(batch.expect("a batch"));
    let done = Dispatcher::in_place().run(batch, Lane::Batch, None).await;
    let outputs = done.expect("in time").outputs;
    assert_eq!(outputs.len(), 13);
    for verdict in outputs {
        assert_eq!(verdict.expect("good").subject(), "ann");
    }
    assert_eq!(server.asked().len(), 12);
}

#[tokio::test]
async fn an_issuer_that_is_away_leaves_its_opaque_tokens_undecided() {
    let verifier = {
        let server = Endpoint::start().await;
        verifier(&server, &json!({}))
    };
    assert_eq!(
        ask(&verifier, TOKEN).await.err(),
        Some(Reason::KeysUnavailable)
    );
}

static MISTAKES: LazyLock<[(Value, &str); 4]> = LazyLock::new(|| {
    [
        (
            json!({"client_id": ""}),
            "introspection.client_id: is empty",
        ),
        (
            json!({"max_in_flight": 0}),
            "introspection.max_in_flight: is 0",
        ),
        (
            json!({"introspection_endpoint": "ftp://x"}),
            "introspection.introspection_endpoint: `ftp://x`",
        ),
        (
            json!({"client_secret_file": null}),
            "introspection: needs one of `client_secret_file`",
        ),
    ]
});

#[tokio::test]
async fn each_mistake_is_named_with_its_key_and_cure() {
    let server = Endpoint::start().await;
    for (change, says) in &*MISTAKES {
        let problems = made(&server, change, &Clock::fixed(NOW)).expect_err("refused");
        let told: Vec<String> = problems.iter().map(ToString::to_string).collect();
        assert!(
            told.iter().any(|problem| problem.contains(says)),
            "{says}: {told:?}"
        );
    }
}
