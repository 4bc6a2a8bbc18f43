//! How the endpoint is asked, and what becomes of each answer.

use std::path::Path;

use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use serde_json::{Value, json};

use super::{
    super::{
        config::ClientConfig,
        tests::endpoint::{Endpoint, client, token, way},
    },
    *,
};

const NOW: u64 = 1_800_000_000;

fn endpoint(config: &ClientConfig, base: &Path, issuer: &str) -> TokenEndpoint {
    let client = config.resolve(base, true, issuer).expect("a good client");
    TokenEndpoint::new(client, Clock::fixed(NOW), way())
}

fn question() -> Form {
    Form::default().field("grant_type", "client_credentials")
}

#[tokio::test]
async fn a_secret_is_sent_in_the_header_or_in_the_form_as_configured() {
    let (server, folder) = (Endpoint::start().await, tempfile::tempdir().expect("one"));
    let more = json!({"client_id": "c:1 &", "audience": "https://api", "scopes": ["a", "b c+"]});
    let mut config = client(folder.path(), &more);
    config.scopes = vec!["a".to_owned(), "b&c".to_owned()];
    let given = endpoint(&config, folder.path(), &server.issuer)
        .ask(question())
        .await
        .expect("given");
    assert_eq!((given.token.expose(), given.expires_at), ("t", NOW + 600));
    config.secret_by = Some(crate::identity::SecretBy::Post);
    let by_form = endpoint(&config, folder.path(), &server.issuer);
    by_form.ask(question()).await.expect("given");
    let [basic, post] = &server.asked()[..] else {
        panic!("asked twice")
    };
    assert_eq!(basic.basic.as_deref(), Some("c%3A1%20%26:hunter2"));
    assert_eq!(basic.fields.get("client_secret"), None);
    assert_eq!(post.basic, None);
    assert_eq!(post.fields["client_id"], "c:1 &");
    assert_eq!(post.fields["client_secret"], "hunter2");
    for asked in [basic, post] {
        assert_eq!(asked.fields["grant_type"], "client_credentials");
        assert_eq!(asked.fields["audience"], "https://api");
        assert_eq!(asked.fields["scope"], "a b&c");
    }
    assert!(!format!("{by_form:?}").contains("hunter2"));
}

/// A P-256 key of the old and the new form, and its public half.
fn pems() -> ([String; 2], Vec<u8>) {
    use aws_lc_rs::{
        encoding::{AsDer, EcPrivateKeyRfc5915Der},
        signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair},
    };
    let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).expect("a key");
    let new = pair.to_pkcs8v1().expect("der");
    let old: EcPrivateKeyRfc5915Der<'_> = pair.private_key().as_der().expect("der");
    let pem = |label: &str, der: &[u8]| {
        use base64_simd::STANDARD;
        let text = STANDARD.encode_to_string(der);
        format!("-----BEGIN {label}-----\n{text}\n-----END {label}-----\n")
    };
    let pems = [
        pem("PRIVATE KEY", new.as_ref()),
        pem("EC PRIVATE KEY", old.as_ref()),
    ];
    (pems, pair.public_key().as_ref().to_vec())
}

#[tokio::test]
async fn a_key_signs_an_assertion_for_this_endpoint_once_and_shortly() {
    let (server, folder) = (Endpoint::start().await, tempfile::tempdir().expect("one"));
    let (pems, public) = pems();
    let mut ids = Vec::new();
    for pem in pems {
        std::fs::write(folder.path().join("key.pem"), pem).expect("written");
        let config = json!({"client_id": "robot", "private_key_file": "key.pem", "key_id": "k1"});
        let config: ClientConfig = serde_json::from_value(config).expect("a client");
        let robot = endpoint(&config, folder.path(), &server.issuer);
        robot.ask(question()).await.expect("given");
        let asked = server.asked().pop().expect("asked");
        assert_eq!(asked.basic, None);
        assert_eq!(
            asked.fields["client_assertion_type"],
            "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
        );
        let mut validation = Validation::new(Algorithm::ES256);
        validation.validate_exp = false;
        validation.set_audience(&[format!("{}/token", server.issuer)]);
        let key = DecodingKey::from_ec_der(&public);
        let assertion = &asked.fields["client_assertion"];
        let signed = jsonwebtoken::decode::<Value>(assertion, &key, &validation).expect("signed");
        assert_eq!(signed.header.kid.as_deref(), Some("k1"));
        let claims = signed.claims;
        assert_eq!(
            (&claims["iss"], &claims["sub"]),
            (&json!("robot"), &json!("robot"))
        );
        assert_eq!(
            (&claims["iat"], &claims["exp"]),
            (&json!(NOW), &json!(NOW + 60))
        );
        ids.push(claims["jti"].to_string());
    }
    assert_ne!(ids[0], ids[1], "each one is used once");
}

#[tokio::test]
async fn a_no_to_the_question_is_told_from_a_question_that_could_not_be_asked() {
    let (server, folder) = (Endpoint::start().await, tempfile::tempdir().expect("one"));
    let config = client(folder.path(), &json!({}));
    let asked = endpoint(&config, folder.path(), &server.issuer);
    for (status, body, told) in [
        (
            400,
            r#"{"error":"invalid_grant"}"#,
            "the issuer refused with `invalid_grant`",
        ),
        (
            403,
            r#"{"error":"access_denied","error_description":"x"}"#,
            "the issuer refused with `access_denied`",
        ),
        (
            401,
            r#"{"error":"invalid_client"}"#,
            "ask the token endpoint: answered 401 (`invalid_client`)",
        ),
        (
            400,
            r#"{"error":"<script>"}"#,
            "ask the token endpoint: answered 400",
        ),
        (500, "", "ask the token endpoint: answered 500"),
        (307, "", "ask the token endpoint: answered 307"),
        (
            200,
            "{}",
            "ask the token endpoint: read document: not an answer with",
        ),
        (
            200,
            r#"{"access_token":"secret","token_type":"DPoP"}"#,
            "ask the token endpoint: read document: its token is no bearer",
        ),
        (
            200,
            r#"{"access_token":"","token_type":"Bearer"}"#,
            "ask the token endpoint: read document: its token is empty",
        ),
        (
            200,
            r#"{"access_token":"a\nb","token_type":"Bearer"}"#,
            "ask the token endpoint: read document: its token is empty",
        ),
        (
            200,
            r#"{"access_token":"secret","token_type":"Bearer","expires_in":"1"}"#,
            "ask the token endpoint: read document: not an answer with",
        ),
    ] {
        server.answer(status, body);
        let error = asked.ask(question()).await.expect_err(body).to_string();
        assert!(error.starts_with(told), "{error}");
        assert!(!error.contains("secret"), "{error}");
    }
    let long = token(&"x".repeat(MAX_ANSWER), 600);
    server.answer(200, &long);
    let error = asked.ask(question()).await.expect_err("too long");
    assert!(
        error.to_string().contains("longer than 65536 bytes"),
        "{error}"
    );
    server.answer(200, r#"{"access_token":"t","token_type":"Bearer"}"#);
    let given = asked.ask(question()).await.expect("given");
    assert_eq!(given.expires_at, NOW + UNKNOWN_LIFE);
}

#[tokio::test]
async fn a_document_about_another_issuer_names_no_endpoint() {
    let (server, folder) = (Endpoint::start().await, tempfile::tempdir().expect("one"));
    let config = client(folder.path(), &json!({}));
    let other = format!("{}/", server.issuer);
    let asked = endpoint(&config, folder.path(), &other);
    let error = asked
        .ask(question())
        .await
        .expect_err("refused")
        .to_string();
    assert!(
        error.contains("the document is not about issuer"),
        "{error}"
    );
    assert!(server.asked().is_empty());
}

#[test]
fn each_mistake_of_a_client_is_named_with_its_key_and_cure() {
    let folder = tempfile::tempdir().expect("one");
    let write = |name: &str, text: &str| {
        std::fs::write(folder.path().join(name), text).expect("written");
    };
    let ([pem, _], _) = pems();
    write("key.pem", &pem);
    write("empty", "\n");
    write("text", "no key");
    for (change, told) in [
        (json!({"client_id": ""}), "client_id: is empty"),
        (json!({"scopes": ["a b"]}), "scopes: `a b` is no scope"),
        (
            json!({"client_secret_file": null}),
            "needs one of `client_secret_file` and `private_key_file`",
        ),
        (json!({"private_key_file": "key.pem"}), "needs one of"),
        (
            json!({"client_secret_file": "missing"}),
            "client_secret_file: cannot read",
        ),
        (
            json!({"client_secret_file": "empty"}),
            "client_secret_file: is an empty file",
        ),
        (
            json!({"key_id": "k"}),
            "key_id: goes with `private_key_file`",
        ),
        (
            json!({"client_secret_file": null, "private_key_file": "key.pem", "secret_by": "post"}),
            "secret_by: goes with `client_secret_file`",
        ),
        (
            json!({"client_secret_file": null, "private_key_file": "text"}),
            "private_key_file: holds no private key in PEM",
        ),
        (
            json!({"token_endpoint": "http://10.0.0.1/"}),
            "token_endpoint: `http://10.0.0.1/` is not https",
        ),
    ] {
        let config = client(folder.path(), &change);
        let found = config.resolve(folder.path(), false, "https://a.example/");
        let found = found.expect_err("refused");
        assert!(
            found[0].to_string().contains(told),
            "{} for {change}",
            found[0]
        );
    }
    let plain = client(folder.path(), &json!({}));
    let found = plain
        .resolve(folder.path(), false, "just a name")
        .expect_err("refused");
    assert!(
        found[0]
            .to_string()
            .starts_with("token_endpoint: is needed"),
        "{}",
        found[0]
    );
    let unknown = json!({"client_id": "c", "client_secret": "hunter2"});
    assert!(
        serde_json::from_value::<ClientConfig>(unknown).is_err(),
        "secrets are in files"
    );
}
