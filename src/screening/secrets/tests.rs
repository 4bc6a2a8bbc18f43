mod kinds;

use std::convert::Infallible;

use super::*;
use crate::screening::literals::Literals;

/// A UUID that looks random and is the same each time.
fn uuid() -> String {
    let digits = noise(HEX, 32);
    let parts = [0..8, 8..12, 12..16, 16..20, 20..32];
    parts.map(|part| &digits[part]).join("-")
}

/// Characters that look random and are the same each time.
fn noise(alphabet: &str, length: usize) -> String {
    let alphabet: Vec<char> = alphabet.chars().collect();
    let mut state = 12_345_usize;
    let mut next = || {
        state = (state * 1_103_515_245 + 12_345) % (1 << 31);
        alphabet[(state >> 8) % alphabet.len()]
    };
    (0..length).map(|_| next()).collect()
}

const HEX: &str = "0123456789abcdef";
const UPPER: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
const WORD: &str = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";

fn search(text: &str) -> Vec<(&'static str, Range<usize>)> {
    let secrets = Secrets::new();
    let literals = Literals::new(secrets.literals());
    let mut seen = Seen::default();
    literals.each(&text.to_ascii_lowercase(), |rules, range| {
        for rule in rules {
            secrets.note(text, *rule, &range, &mut seen);
        }
    });
    secrets.note_bare(text, &mut seen);
    let Ok(found) = secrets.finish(text, &seen, || Ok::<_, Infallible>(()));
    found
}

#[test]
fn every_pattern_compiles() {
    for (rule, pattern) in &Secrets::new().rules {
        pattern.get(|| spelled_out(rule));
    }
}

fn rules_of(text: &str) -> Vec<&'static str> {
    search(text).into_iter().map(|(rule, _)| rule).collect()
}

#[test]
fn secrets_are_found_by_kind() {
    for (rule, text) in [
        (
            "secret.aws_access_key",
            format!("id AKIA{} end", noise(UPPER, 16)),
        ),
        ("secret.github_token", format!("ghp_{}", noise(WORD, 36))),
        ("secret.gitlab_token", format!("glpat-{}", noise(WORD, 20))),
        (
            "secret.slack_token",
            format!("xoxb-{}-{}", noise("0123456789", 12), noise(WORD, 24)),
        ),
        ("secret.stripe_key", format!("sk_live_{}", noise(WORD, 24))),
        ("secret.openai_key", format!("sk-proj-{}", noise(WORD, 60))),
        (
            "secret.anthropic_key",
            format!("sk-ant-api03-{}AA", noise(WORD, 93)),
        ),
        ("secret.gcp_api_key", format!("AIza{}", noise(WORD, 35))),
        ("secret.npm_token", format!("npm_{}", noise(WORD, 36))),
        (
            "secret.pypi_token",
            format!("pypi-AgEIcHlwaS5vcmc{}", noise(WORD, 60)),
        ),
        (
            "secret.sendgrid_key",
            format!("SG.{}.{}", noise(WORD, 22), noise(WORD, 43)),
        ),
        (
            "secret.private_key",
            ["-----BEGIN RSA ", "PRIVATE KEY-----\nMIIE"].concat(),
        ),
        (
            "secret.jwt",
            format!(
                "eyJhbGciOiJIUzI1NiJ9{}.eyJzdWIiOiIxMjM0{}.{}",
                noise(WORD, 9),
                noise(WORD, 9),
                noise(WORD, 43)
            ),
        ),
        (
            "secret.generic",
            format!("API_KEY = \"{}\"", noise(WORD, 32)),
        ),
        ("secret.hex_key", format!("datadog_app={}", noise(HEX, 40))),
        ("secret.password", "db password: 'tr0ub4dor&3'".to_owned()),
        (
            "secret.url_credentials",
            "postgres://app:s3cr3tP4ss@db.internal/x".to_owned(),
        ),
        (
            "secret.curl_user",
            "curl -u admin:hunter2hunter https://x".to_owned(),
        ),
    ] {
        let found = search(&text);
        assert!(
            found.iter().any(|(id, _)| *id == rule),
            "{rule}: {text}: {found:?}"
        );
        for (_, range) in found {
            assert!(text.get(range).is_some());
        }
    }
}

#[test]
fn tokens_of_services_are_found_bare_and_not_when_they_are_too_short() {
    let lower = "abcdefghijklmnopqrstuvwxyz0123456789";
    for (rule, start, rest) in [
        ("adobe_secret", "p8e-", noise(lower, 32)),
        (
            "braintree_token",
            "access_token$production$",
            format!("{}${}", noise(lower, 16), noise(HEX, 32)),
        ),
        ("buildkite_token", "bkua_", noise(HEX, 40)),
        ("cerebras_key", "csk-", noise(lower, 48)),
        (
            "circleci_token",
            "CCIPAT_",
            format!("{}_{}", noise(WORD, 22), noise(HEX, 40)),
        ),
        ("contentful_token", "CFPAT-", noise(WORD, 43)),
        ("docker_token", "dckr_pat_", noise(WORD, 27)),
        ("figma_token", "figd_", noise(WORD, 40)),
        ("gcp_refresh_token", "1//0", noise(WORD, 60)),
        ("groq_key", "gsk_", noise(WORD, 52)),
        ("langfuse_key", "sk-lf-", uuid()),
        (
            "langsmith_key",
            "lsv2_pt_",
            format!("{}_{}", noise(HEX, 32), noise(HEX, 10)),
        ),
        ("launchdarkly_key", "sdk-", uuid()),
        ("neon_key", "napi_", noise(lower, 60)),
        ("netlify_token", "nfp_", noise(WORD, 36)),
        ("nvidia_key", "nvapi-", noise(WORD, 64)),
        ("pinecone_key", "pcsk_", noise(WORD, 70)),
        ("posthog_key", "phx_", noise(WORD, 43)),
        ("razorpay_key", "rzp_live_", noise(WORD, 14)),
        ("render_key", "rnd_", noise(WORD, 32)),
        ("replicate_token", "r8_", noise(WORD, 37)),
        ("supabase_key", "sbp_", noise(HEX, 40)),
        ("tavily_key", "tvly-", noise(WORD, 32)),
        ("xai_key", "xai-", noise(WORD, 80)),
    ] {
        let rule = format!("secret.{rule}");
        let found = rules_of(&format!("it is {start}{rest} indeed"));
        assert!(found.contains(&&*rule), "{rule}: {start}{rest}: {found:?}");
        let cut = &rest[..rest.len() / 2];
        let found = rules_of(&format!("it is {start}{cut} indeed"));
        assert!(!found.contains(&&*rule), "{rule}: {start}{cut}");
    }
}

#[test]
fn values_are_found_whatever_assigns_them() {
    let (value, code) = (noise(WORD, 32), noise(HEX, 40));
    for text in [
        format!("coinbase,{value};"),
        format!("sumo ?= {value}\n"),
        format!("message-bird => '{value}'"),
        format!("<add key=\"Password\" value=\"{value}!\" />"),
        format!("client_secret: .{}8Q~{value}ab", &value[..2]),
        format!("PrivateKey = {value}{}=", &value[..11]),
        format!("curl https://a.example \\\n --user  'ann:{value}'"),
        format!("kind: Secret\ndata:\n  token: {code}"),
    ] {
        assert!(!rules_of(&text).is_empty(), "{text}");
    }
    for text in [
        "curl -u username:token https://a.example".to_owned(),
        "curl -u \"$USER:${APP_ID}\" https://a.example".to_owned(),
        "KeySize = PdfEncryptionKeySize.Key128Bit;".to_owned(),
        ["-----BEGIN PRIVATE ", "KEY----------END PRIVATE KEY-----"].concat(),
    ] {
        assert_eq!(rules_of(&text), Vec::<&str>::new(), "{text}");
    }
}

#[test]
fn examples_names_and_prose_are_not_secrets() {
    for text in [
        "Set API_KEY=your-api-key-here and run it.",
        "token = get_token_from_request(request)",
        "The key to success: determination and patience.",
        "aws_access_key_id = AKIAIOSFODNN7EXAMPLE",
        "password: ********",
        "export TOKEN=${GITHUB_TOKEN}",
        "credentialsId: '29f63271-dc2f-4734-8221-5b31b5169bac'",
        "key = xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
        "pub const X509_pubkey_st = struct_X509_pubkey_st;",
    ] {
        assert_eq!(rules_of(text), Vec::<&str>::new(), "{text}");
    }
}

#[test]
fn random_text_has_more_entropy_than_words() {
    assert!(entropy(noise(WORD, 32).as_bytes()) > 4.0);
    assert!(entropy(b"aaaaaaaa") < 0.1);
    assert!(entropy(b"") < 0.1);
}
