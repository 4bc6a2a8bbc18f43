//! What a configuration may say, and what each mistake is answered with.

use std::path::Path;

use serde_json::{Value, json};

use super::{
    super::*,
    directory,
    mint::{EC, key_set},
    verifier,
};

/// The problems with one issuer, called `a`, that differs from a good one by `changes`.
fn problems(changes: &Value) -> Vec<String> {
    let directory = directory(&key_set(&[&EC]));
    std::fs::write(directory.path().join("short"), "0123456789").expect("write");
    let mut issuer = json!({"issuer": "https://a.example/", "audiences": ["x"]});
    let members = issuer.as_object_mut().expect("an object");
    members.extend(changes.as_object().expect("an object").clone());
    match verifier(&json!({"a": issuer}), directory.path()) {
        Ok(_) => Vec::new(),
        Err(problems) => problems.iter().map(ToString::to_string).collect(),
    }
}

#[test]
fn good_configurations_are_taken() {
    for changes in [
        json!({}),
        json!({"audiences": "any"}),
        json!({"jwks_uri": "https://a.example/keys?v=1"}),
        json!({"jwks_file": "keys.json", "issuer": "just a name"}),
        json!({"secret_file": "secret", "algorithms": ["HS512"]}),
        json!({"issuer": "http://localhost:9/x", "allow_private_addresses": true}),
        json!({"unknown_kid_burst": 0, "algorithms": ["PS256", "ES384"]}),
    ] {
        assert_eq!(problems(&changes), [""; 0], "{changes}");
    }
}

#[test]
fn each_mistake_is_named_with_its_key_and_cure() {
    let address = [
        (json!({"issuer": ""}), "issuers.a.issuer: "),
        (
            json!({"issuer": "nowhere"}),
            "issuers.a.issuer: `nowhere` is not an address",
        ),
        (
            json!({"issuer": "http://a.example"}),
            "set `allow_private_addresses: true`",
        ),
        (
            json!({"issuer": "file:///etc/passwd"}),
            "is not an https address",
        ),
        (
            json!({"issuer": "https://a.example/?x"}),
            "has a query or fragment",
        ),
        (
            json!({"jwks_uri": "https://me:pw@a.example/"}),
            "jwks_uri: holds a user name or password",
        ),
    ];
    assert_each(&address);
}

#[test]
fn each_mistake_in_keys_and_limits_is_named_too() {
    let rest = [
        (
            json!({"audiences": []}),
            "write `any` to accept every token",
        ),
        (json!({"audiences": [""]}), "issuers.a.audiences: "),
        (json!({"algorithms": []}), "issuers.a.algorithms: is empty"),
        (
            json!({"algorithms": ["HS256"]}),
            "`HS256` needs a `secret_file`",
        ),
        (
            json!({"secret_file": "secret"}),
            "`RS256` does not go with `secret_file`",
        ),
        (
            json!({"secret_file": "gone", "algorithms": ["HS256"]}),
            "secret_file: cannot read `",
        ),
        (
            json!({"secret_file": "short", "algorithms": ["HS256"]}),
            "holds 10 bytes; these algorithms need 32",
        ),
        (
            json!({"jwks_file": "gone.json"}),
            "issuers.a.jwks_file: cannot use `",
        ),
        (json!({"jwks_file": "secret"}), "not a JSON Web Key Set"),
        (
            json!({"jwks_file": "keys.json", "algorithms": ["RS256"]}),
            "none of its 1 keys",
        ),
        (
            json!({"jwks_file": "keys.json", "jwks_uri": "https://a.example"}),
            "keep one",
        ),
        (
            json!({"max_stale": "1m"}),
            "`1m` is shorter than `refresh` (`10m`)",
        ),
    ];
    assert_each(&rest);
}

fn assert_each(cases: &[(Value, &str)]) {
    for (changes, expected) in cases {
        let problems = problems(changes);
        assert!(
            problems.iter().any(|text| text.contains(*expected)),
            "{changes}: {problems:?}"
        );
        assert!(
            !problems.iter().any(|text| text.contains(":pw")),
            "{problems:?}"
        );
    }
}

#[test]
fn an_issuer_may_not_be_called_peer() {
    let issuer = json!({"peer": {"issuer": "https://a.example/", "audiences": "any"}});
    let problems = verifier(&issuer, Path::new("/")).expect_err("refused");
    assert!(
        problems[0].to_string().starts_with("issuers.peer: "),
        "{}",
        problems[0]
    );
}

#[test]
fn audiences_are_a_list_or_the_word_any_and_have_no_default() {
    let read =
        |text: &str| serde_json::from_str::<IssuerConfig>(text).map(|issuer| issuer.audiences);
    let refused = |text: &str| read(text).expect_err("refused").to_string();
    assert_eq!(
        read(r#"{"issuer":"a","audiences":"any"}"#).expect("any"),
        Audiences::Any
    );
    assert!(refused(r#"{"issuer":"a"}"#).contains("missing field `audiences`"));
    assert!(refused(r#"{"issuer":"a","audiences":"Any"}"#).contains("write `[Any]`"));
    assert!(refused(r#"{"issuer":"a","audiences":[1]}"#).contains("expected a string"));
    assert!(
        refused(r#"{"issuer":"a","audiences":"any","secret":"x"}"#)
            .contains("unknown field `secret`")
    );
    assert!(
        refused(r#"{"issuer":"a","audiences":"any","algorithms":["none"]}"#)
            .contains("unknown variant `none`")
    );
}

#[test]
fn a_configuration_reads_back_as_it_is_shown_and_shows_no_secret() {
    let directory = directory(&key_set(&[&EC]));
    let issuers = json!({"a": {
        "issuer": "a", "audiences": ["x"], "secret_file": "secret", "algorithms": ["HS256"],
    }});
    let config = json!({"defaults": super::defaults(), "issuers": issuers, "token_cache": "1MiB", "revocation": super::revocation(), "dpop": super::dpop()});
    let config: Config = serde_json::from_value(config).expect("config");
    let shown = serde_json::to_string(&config).expect("json");
    assert_eq!(
        serde_json::from_str::<Config>(&shown).expect("config"),
        config
    );
    let verifier = verifier(&issuers, directory.path()).expect("configuration");
    assert!(!format!("{verifier:?}").contains(super::SECRET));
    assert!(verifier.readiness()[0].ready);
}

#[test]
fn a_configuration_is_read_from_yaml_as_people_write_it() {
    let text = r"
defaults:
  algorithms: [RS256, ES256, EdDSA]
  allow_private_addresses: false
  fetch_timeout: 2s
  leeway: 30s
  max_stale: 24h
  refresh: 10m
  unknown_kid_burst: 5
  unknown_kid_interval: 5s
  introspection_keep: 1m
  introspection_keep_inactive: 5s
  introspection_max_in_flight: 4
issuers:
  auth0:
    issuer: https://tenant.eu.auth0.com/
    audiences: [https://api.example]
  inside:
    issuer: inside
    audiences: any
    jwks_file: keys.json
    leeway: 1m
token_cache: 16MiB
revocation: { max_memory: 1MiB, max_token_life: 1h }
dpop: { max_age: 1m, max_memory: 1MiB }
";
    let config: Config = serde_saphyr::from_str(text).expect("config");
    let defaults = serde_json::from_value(super::defaults()).expect("defaults");
    assert_eq!(config.defaults, defaults);
    assert_eq!(config.issuers["inside"].audiences, Audiences::Any);
    let want: Requirement = serde_saphyr::from_str("issuers: [auth0]").expect("requirement");
    assert_eq!(want, super::want(&["auth0"], &[]));
    let both = "{issuers: [auth0], scopes: [chat], audience: x}";
    assert!(serde_saphyr::from_str::<Requirement>(both).is_err());
}

#[test]
fn a_route_says_where_its_token_is_and_whether_it_stays_there() {
    let read = |text: &str| {
        let text = format!("{{issuers: [a], {text}}}");
        serde_saphyr::from_str::<Requirement>(&text)
    };
    for (text, stripped) in [
        ("strip: false", None),
        ("strip: true", Some(Stripped::Header("authorization"))),
        ("token: {header: X-Token}", None),
        (
            "token: {header: X-Token}, strip: true",
            Some(Stripped::Header("x-token")),
        ),
        (
            "token: {query: access_token}, strip: true",
            Some(Stripped::Query("access_token")),
        ),
        ("token: {cookie: __Host-session}", None),
    ] {
        let want = read(text).expect(text);
        assert_eq!(want.problems(), [], "{text}");
        assert_eq!(want.stripped(), stripped, "{text}");
        let shown = serde_json::to_string(&want).expect("json");
        assert_eq!(
            serde_json::from_str::<Requirement>(&shown).expect("json"),
            want
        );
    }
    for (text, problem) in [
        (
            "token: {cookie: s}, strip: true",
            "strip: cannot take one cookie",
        ),
        ("token: {cookie: ''}", "token.cookie: `` is not"),
        ("token: {cookie: a=b}", "token.cookie: `a=b` is not"),
        ("token: {header: Authorization}", "when `token` is left out"),
        ("token: {header: Cookie}", "write `token: { cookie: NAME }`"),
        ("token: {header: Host}", "`host` has another purpose"),
        ("token: {header: X_Subzero-Subject}", "has another purpose"),
        ("token: {header: 'a b'}", "token.header: `a b` is not"),
        ("token: {query: a%62}", "token.query: `a%62` is not"),
    ] {
        let problems = read(text).expect(text).problems();
        let found = problems.iter().map(ToString::to_string).collect::<String>();
        assert!(found.contains(problem), "{text}: {found}");
    }
    for text in [
        "token: {}",
        "token: header",
        "token: {header: a, cookie: b}",
        "token: {body: a}",
    ] {
        assert!(read(text).is_err(), "{text}");
    }
}
