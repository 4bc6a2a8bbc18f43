//! The kinds of secrets, one by one: each is found, its half is not, and the docs name it.

use std::{collections::BTreeSet, env, fmt::Write as _, fs, path::Path};

use super::*;

const DIGITS: &str = "0123456789";
const LOWER: &str = "abcdefghijklmnopqrstuvwxyz0123456789";
const CAPITALS: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";

/// A kind, what stands before its secret, what the secret begins with, and its rest.
type Made = (&'static str, &'static str, &'static str, String);

fn made() -> Vec<Made> {
    let twice = |first: usize, join: &str, second: usize| {
        format!("{}{join}{}", noise(WORD, first), noise(WORD, second))
    };
    vec![
        (
            "adyen_key",
            "",
            "AQEy",
            twice(100, "==-", 43) + "=-" + &noise(WORD, 16),
        ),
        ("anyscale_key", "", "esecret_", noise(LOWER, 26)),
        ("apify_token", "", "apify_api_", noise(WORD, 36)),
        ("appsync_key", "", "da2-", noise(LOWER, 26)),
        (
            "asana_token",
            "asana ",
            "1/",
            noise(DIGITS, 16) + ":" + &noise(HEX, 32),
        ),
        ("aws_mws_key", "", "amzn.mws.", uuid()),
        ("bitbucket_password", "", "ATBB", noise(WORD, 32)),
        ("bitbucket_password", "", "ATCTT3", noise(WORD, 180)),
        ("browserbase_key", "", "bb_live_", noise(WORD, 27)),
        (
            "clickup_token",
            "",
            "pk_",
            noise(DIGITS, 8) + "_" + &noise(CAPITALS, 32),
        ),
        (
            "cloudinary_url",
            "cloudinary://",
            "",
            noise(DIGITS, 15) + ":" + &noise(WORD, 27) + "@demo",
        ),
        ("cockroachdb_key", "", "CCDB1_", twice(22, "_", 40)),
        ("deepseek_key", "deepseek ", "sk-", noise(HEX, 32)),
        ("e2b_key", "", "e2b_", noise(HEX, 40)),
        ("elastic_key", "", "essu_", noise(WORD, 80) + "=="),
        ("elevenlabs_key", "", "sk_", noise(HEX, 48)),
        ("fcm_server_key", "", "AAAA", twice(7, ":APA91b", 134)),
        ("firecrawl_key", "", "fc-", noise(HEX, 32)),
        (
            "freemius_key",
            "'secret_key' => '",
            "sk_",
            noise(WORD, 29) + "'",
        ),
        ("helicone_key", "", "sk-helicone-", noise(LOWER, 32)),
        ("hubspot_token", "", "pat-na1-", uuid()),
        ("inngest_key", "", "signkey-prod-", noise(HEX, 64)),
        ("jina_key", "", "jina_", noise(WORD, 60)),
        ("lichess_token", "", "lip_", noise(WORD, 20)),
        ("mailersend_key", "", "mlsn.", noise(HEX, 64)),
        ("mandrill_key", "mandrill ", "md-", noise(WORD, 22)),
        ("ngrok_token", "ngrok ", "2", twice(26, "_", 21)),
        ("notion_secret", "", "secret_", noise(WORD, 43)),
        ("onfido_token", "", "api_live_us.", twice(11, ".", 32)),
        (
            "paddle_key",
            "",
            "pdl_live_apikey_",
            noise(LOWER, 26) + "_" + &twice(22, "_", 3),
        ),
        ("pangea_token", "", "pts_", noise(LOWER, 32)),
        ("paypal_secret", "paypal ", "EA", noise(WORD, 78)),
        ("persona_key", "", "persona_production_", noise(WORD, 36)),
        ("pinterest_token", "", "pina_", noise(CAPITALS, 80)),
        ("polar_token", "", "polar_oat_", noise(WORD, 43)),
        ("resend_key", "resend ", "re_", twice(8, "_", 24)),
        ("rootly_key", "", "rootly_", noise(HEX, 64)),
        ("samsara_token", "", "samsara_api_", noise(WORD, 30)),
        ("segment_token", "", "sgp_", noise(WORD, 64)),
        ("together_key", "", "tgp_v1_", noise(WORD, 43)),
        ("trello_token", "trello ", "ATTA", noise(HEX, 72)),
        ("trello_token", "", "ATTA4", noise(HEX, 71)),
        ("unkey_key", "", "unkey_", noise(WORD, 24)),
        (
            "upstash_token",
            "",
            "AX4",
            "AAInc".to_owned() + &noise(WORD, 44),
        ),
        ("valtown_token", "", "vtwn_", noise(WORD, 27)),
        ("volcengine_key", "", "AKLT", noise(WORD, 48)),
        ("voyage_key", "voyage ", "pa-", noise(WORD, 43)),
        ("wakatime_key", "", "waka_", uuid()),
        ("wandb_key", "", "wandb_v1_", twice(27, "_", 49)),
        ("zuplo_key", "", "zpka_", noise(LOWER, 40)),
        (
            "discord_bot_token",
            "",
            "M",
            noise(WORD, 24) + "." + &twice(6, ".", 38),
        ),
    ]
}

/// The same for values that are known by what they are assigned to.
fn assigned() -> Vec<Made> {
    vec![
        ("exchange_key", "BINANCE_SECRET=", "", noise(WORD, 64)),
        ("cloud_key", "hetzner_key: ", "", noise(WORD, 64)),
        ("cloud_key", "SCALEWAY_SECRET=", "", uuid()),
        ("service_key", "WANDB_API_KEY=", "", noise(HEX, 40)),
        ("service_key", "RAILWAY_TOKEN=", "", uuid()),
        ("service_key", "TURSO_AUTH_TOKEN=", "", noise(WORD, 60)),
        ("service_key", "trello_key = '", "", noise(HEX, 32) + "'"),
    ]
}

#[test]
fn each_kind_is_found_whole_and_not_by_half() {
    let mut missed = Vec::new();
    for (kind, before, start, rest) in [made(), assigned()].concat() {
        let rule = format!("secret.{kind}");
        let is_found = |text: &str| rules_of(text).contains(&&*rule);
        let text = format!("it is {before}{start}{rest} indeed");
        if !is_found(&text) {
            missed.push(text);
        }
        // Values of any length are assigned to names of services.
        let half = &rest[..rest.len() / 2];
        let half = format!("it is {before}{start}{half} indeed");
        if kind != "service_key" && is_found(&half) {
            missed.push(half);
        }
        let word = start.to_owned() + &"a".repeat(rest.len());
        let word = format!("it is {before}{word} indeed");
        if is_found(&word) {
            missed.push(word);
        }
    }
    assert!(missed.is_empty(), "{missed:#?}");
}

#[test]
fn what_only_looks_like_a_kind_is_not_one() {
    for text in [
        "MyVeryLongConfigurationClass.method.someOtherVeryLongIdentifierName",
        "re_export_of_the_module and pk_user_id, pts_total = 4",
        "We flew to Atlanta; the attach4 and attack0 modules. Resend the e-mail.",
        "trello: see the board, railway: the 9:15 to Bath, wandb: logs",
        "esecret_of_the_house, secret_santa_2024, api_live.status, polar_coordinates",
        "import upstash from '@upstash/redis'; firebase: ^10.12.2-canary.1",
        "paypal: EUR 12.50 on 2024-03-01, persona_production_manager",
    ] {
        assert_eq!(rules_of(text), Vec::<&str>::new(), "{text}");
    }
}

/// Every kind, as the docs list them.
fn kinds() -> String {
    let is_assigned = |rule: &&Rule| rule.is_assigned();
    let shaped = rules::SHAPED.iter().chain(rules::ASSIGNED);
    let shaped = shaped
        .filter(|rule| !is_assigned(rule))
        .chain([&rules::BARE]);
    let names: BTreeSet<&str> = shaped.map(name).collect();
    let mut text = format!("{} kinds are known by their own form:\n", names.len());
    let mut line = String::new();
    for name in &names {
        let word = format!("`{name}` ");
        if line.len() + word.len() > 100 {
            text.push('\n');
            text.push_str(line.trim_end());
            line.clear();
        }
        line.push_str(&word);
    }
    text.push('\n');
    text.push_str(line.trim_end());
    text.push_str("\n\nOthers are known by a name that they are assigned to:\n\n| rule | names |\n|---|---|\n");
    for rule in rules::ASSIGNED.iter().filter(is_assigned) {
        let names = rule.keywords.join(", ");
        let _ = writeln!(text, "| `{}` | {names} |", name(rule));
    }
    text
}

fn name(rule: &Rule) -> &'static str {
    rule.id.trim_start_matches("secret.")
}

#[test]
fn the_docs_name_every_kind() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/screening.md");
    let page = fs::read_to_string(&path).expect("the page");
    let [begin, end] = [
        "<!-- kinds of secrets: begin -->",
        "<!-- kinds of secrets: end -->",
    ];
    let (before, rest) = page.split_once(begin).expect("its mark");
    let (there, after) = rest.split_once(end).expect("its other mark");
    let wanted = format!("\n\n{}\n", kinds());
    if there != wanted && env::var_os("SUBZERO_WRITE_DOCS").is_some() {
        fs::write(&path, format!("{before}{begin}{wanted}{end}{after}")).expect("written");
        return;
    }
    assert_eq!(
        there, wanted,
        "write it anew: SUBZERO_WRITE_DOCS=1 cargo test --lib the_docs_name_every_kind"
    );
}
