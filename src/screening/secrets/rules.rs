//! The table of secrets. A new kind is a new row.
//!
//! `SHAPED` kinds are known by their own prefix or form. `ASSIGNED` kinds are a vendor's word, an
//! assignment and a value: their pattern begins with `= ` and is the value's alone.

use super::Rule;

const fn rule(
    id: &'static str,
    keywords: &'static [&'static str],
    pattern: &'static str,
    entropy: f32,
) -> Rule {
    Rule {
        id,
        keywords,
        pattern,
        entropy,
    }
}

/// Kinds with a form of their own.
#[rustfmt::skip]
pub(super) const SHAPED: &[Rule] = &[
    rule("secret.age_key", &["age-secret-key-1"], r"AGE-SECRET-KEY-1[QPZRY9X8GF2TVDW0S3JN54KHCE6MUA7L]{58}", 0.0),
    rule("secret.airtable_token", &["airtable"], r"\bpat[[:alnum:]]{14}\.[a-f0-9]{64}\b", 3.0),
    rule("secret.alibaba_access_key", &["ltai"], r"\bLTAI[A-Za-z0-9]{20}\b", 2.0),
    rule("secret.anthropic_key", &["sk-ant-"], r"\b(sk-ant-(?:api03|admin01|oat01|sid01)-[\w-]{80,110}AA)(?:[^\w-]|$)", 3.0),
    rule("secret.atlassian_token", &["atatt3"], r"\b(ATATT3[A-Za-z0-9_=-]{100,250})", 3.5),
    rule("secret.artifactory_key", &["akcp"], r"\bAKCp[A-Za-z0-9]{60,75}\b", 3.5),
    rule("secret.artifactory_token", &["cmvmd"], r"\bcmVmd[A-Za-z0-9]{55,65}\b", 3.5),
    rule("secret.aws_access_key", &["akia", "asia", "abia", "acca", "a3t"], r"\b((?:A3T[A-Z0-9]|AKIA|ASIA|ABIA|ACCA)[A-Z2-7]{16})\b", 3.0),
    rule("secret.aws_bedrock_key", &["absk", "bedrock-api-key-"], r"\b(ABSK[A-Za-z0-9+/]{100,269}={0,2}|bedrock-api-key-YmVkcm9jay5hbWF6b25hd3MuY29t[A-Za-z0-9+/=]*)", 3.0),
    rule("secret.azure_client_secret", &["q~"], r"\b([A-Za-z0-9_~.]{3}\dQ~[A-Za-z0-9_~.-]{31,34})", 3.0),
    rule("secret.azure_storage_key", &["accountkey", "account_key", "account-key"], r#"(?i:account[_-]?key)["'\s:=]{1,5}([A-Za-z0-9+/]{86}==)"#, 3.5),
    rule("secret.azure_sas", &["sig="], r"[?&]sig=([A-Za-z0-9%+/]{40,70}(?:%3D|=))", 3.5),
    rule("secret.basic_auth_header", &["basic "], r#"(?i:authorization)["'\s:=]{1,5}(?i:basic)\s+([A-Za-z0-9+/]{12,}={0,2})"#, 3.0),
    rule("secret.bearer_header", &["bearer "], r#"(?i:authorization)["'\s:=]{1,5}(?i:bearer)\s+([A-Za-z0-9_\-.~+/]{20,}={0,2})"#, 3.5),
    rule("secret.clojars_token", &["clojars_"], r"CLOJARS_[a-z0-9]{60}", 2.0),
    rule("secret.clickhouse_key", &["4b1d"], r"\b(4b1d[A-Za-z0-9]{38})\b", 3.0),
    rule("secret.cloudflare_origin_key", &["v1.0-"], r"\bv1\.0-[a-f0-9]{24}-[a-f0-9]{146}\b", 2.0),
    rule("secret.curl_header", &["curl"], r#"\bcurl\s[^\n]{0,200}?(?:-H|--header)[ =]?["'](?i:authorization|x-[\w-]{0,20}(?:key|token)|api-?key|[\w-]{0,20}token):\s*(?:(?i:bearer|basic|token|apikey) )?([^\s"'$<{]{10,200})["']"#, 3.0),
    rule("secret.curl_user", &["curl"], r#"\bcurl\s[^\n]{0,200}?(?:-u|--user)[ =]?["']?([\w.@-]{1,40}:["']?[^\s"'$<{]{4,80})"#, 2.5),
    rule("secret.databricks_token", &["dapi"], r"\b(dapi[a-f0-9]{32}(?:-\d)?)\b", 3.0),
    rule("secret.defined_networking_token", &["dnkey"], r"\bdnkey-[a-z0-9=_-]{26}-[a-z0-9=_-]{52}", 3.0),
    rule("secret.digitalocean_token", &["dop_v1_", "doo_v1_", "dor_v1_"], r"\b(do[opr]_v1_[a-f0-9]{64})\b", 3.0),
    rule("secret.discord_bot_token", &["discord", "bot_token", "bottoken", "token"], r"\b([MNO][A-Za-z\d_-]{23,25}\.[\w-]{6}\.[\w-]{27,38})\b", 3.5),
    rule("secret.discord_webhook", &["discord"], r"https://(?:\w+\.)?discord(?:app)?\.com/api/webhooks/\d{17,20}/[\w-]{60,70}", 3.0),
    rule("secret.doppler_token", &["dp.pt.", "dp.st.", "dp.ct."], r"\bdp\.(?:pt|st|ct)\.[\w.]{40,60}", 2.0),
    rule("secret.duffel_token", &["duffel_"], r"duffel_(?:test|live)_[\w=-]{43}", 2.0),
    rule("secret.dynatrace_token", &["dt0c01."], r"\bdt0c01\.[A-Za-z0-9]{24}\.[A-Za-z0-9]{64}", 3.0),
    rule("secret.easypost_key", &["ezak", "eztk"], r"\bEZ[AT]K[A-Za-z0-9]{54}\b", 2.0),
    rule("secret.facebook_token", &["eaam", "eaac"], r"\b(EAA[MC][A-Za-z0-9]{100,})", 3.5),
    rule("secret.facebook_access_token", &["facebook", "authorization", "access_token", "fb_"], r"\b(\d{15,16}(?:\||%)[0-9A-Za-z_-]{27,40})", 3.0),
    rule("secret.flutterwave_key", &["flw"], r"FLW(?:PUB|SEC)K_TEST-[A-Ha-h0-9]{12,32}(?:-X)?", 2.0),
    rule("secret.flyio_token", &["fo1_", "fm1", "fm2_"], r"\b(fo1_[\w-]{43}|fm1[ar]_[A-Za-z0-9+/]{100,}={0,3}|fm2_[A-Za-z0-9+/]{100,}={0,3})", 3.5),
    rule("secret.frameio_token", &["fio-u-"], r"\bfio-u-[A-Za-z0-9_=-]{64}", 3.0),
    rule("secret.gcp_api_key", &["aiza"], r"\b(AIza[\w-]{35})(?:[^\w-]|$)", 3.0),
    rule("secret.gcp_service_account", &["service_account"], r#""type"\s*:\s*"service_account""#, 0.0),
    rule("secret.dropbox_token", &["dropbox"], r"\b(sl\.[A-Za-z0-9=_-]{130,160}|[a-z0-9]{11}A{10}[A-Za-z0-9=_-]{43})", 3.0),
    rule("secret.intra42_secret", &["s-s4t2"], r"\bs-s4t2(?:ud|af)-[a-f0-9]{64}", 3.0),
    rule("secret.gcp_oauth_secret", &["gocspx-"], r"\bGOCSPX-[\w-]{28}", 3.0),
    rule("secret.gcp_oauth_token", &["ya29."], r"\bya29\.[\w-]{40,}", 3.5),
    rule("secret.gitlab_runner_token", &["gr1348941"], r"\bGR1348941[\w-]{20}", 3.0),
    rule("secret.github_fine_grained_token", &["github_pat_"], r"\bgithub_pat_\w{82}", 3.0),
    rule("secret.github_token", &["ghp_", "gho_", "ghu_", "ghs_", "ghr_"], r"\b(gh[pousr]_[0-9a-zA-Z]{36})", 3.0),
    rule("secret.gitlab_token", &["glpat-", "glcbt-", "gldt-", "glffct-", "glft-", "glimt-", "glagent-", "gloas-", "glptt-", "glrt-", "glsoat-", "_gitlab_session="], r"(?:\b(?:glpat|gldt|glffct|glft|glimt|glptt|glrt|glsoat)-[\w.=-]{20,330}|\bglcbt-[A-Za-z0-9]{1,5}_[\w-]{20}|\bglagent-[\w-]{50}|\bgloas-\w{64}|_gitlab_session=[0-9a-z]{32})", 3.0),
    rule("secret.gocardless_token", &["live_"], r#"(?i:gocardless)[^\n]{0,60}?\b(live_[\w=-]{40})"#, 3.0),
    rule("secret.grafana_token", &["glc_", "glsa_", "eyjrijoi"], r"\b(glc_[A-Za-z0-9+/]{32,400}={0,3}|glsa_[A-Za-z0-9]{32}_[A-Fa-f0-9]{8}|eyJrIjoi[A-Za-z0-9]{70,400}={0,3})", 3.0),
    rule("secret.harness_token", &["pat.", "sat."], r"\b[ps]at\.[\w-]{22}\.[0-9a-f]{24}\.[A-Za-z0-9]{20}", 2.0),
    rule("secret.hashicorp_tf_token", &["atlasv1"], r"\b[A-Za-z0-9]{14}\.atlasv1\.[\w=-]{60,70}", 3.5),
    rule("secret.heroku_token", &["hrku-aa"], r"\bHRKU-AA[\w-]{58}", 3.5),
    rule("secret.huggingface_token", &["hf_", "api_org_"], r"\b((?:hf_|api_org_)[A-Za-z]{34})\b", 2.0),
    rule("secret.infracost_token", &["ico-"], r"\bico-[A-Za-z0-9]{32}\b", 3.0),
    rule("secret.jwt", &["eyj"], r"\b(ey[A-Za-z0-9]{17,}\.ey[A-Za-z0-9/\\_-]{17,}(?:\.[A-Za-z0-9/\\_-]{10,}={0,2})?)", 3.0),
    rule("secret.jwt_base64", &["zxlk"], r"\b(ZXlK(?:aGJHY2lPaU|MGVYQWlPaUp|lYTm1h|raWQ)[A-Za-z0-9/+]{40,}={0,2})", 3.5),
    rule("secret.linear_key", &["lin_api_"], r"\blin_api_[A-Za-z0-9]{40}", 2.0),
    rule("secret.lob_key", &["live_", "test_"], r"\b((?:live|test)_(?:pub_)?[a-f0-9]{31,35})\b", 3.0),
    rule("secret.mailchimp_key", &["-us"], r"\b([a-f0-9]{32}-us\d{1,2})\b", 3.0),
    rule("secret.mailgun_key", &["key-", "pubkey-"], r"\b((?:pub)?key-[a-f0-9]{32})\b", 3.0),
    rule("secret.mapbox_token", &["pk."], r"\b(pk\.[A-Za-z0-9]{60}\.[A-Za-z0-9]{22})\b", 3.0),
    rule("secret.maxmind_key", &["_mmk"], r"\b[A-Za-z0-9]{6}_[A-Za-z0-9]{29}_mmk\b", 3.5),
    rule("secret.netrc", &["machine "], r"\bmachine\s+\S{1,80}\s+login\s+\S{1,80}\s+password\s+(\S{6,100})", 2.0),
    rule("secret.new_relic_key", &["nrak-", "nrjs-", "nrii-"], r"\b(NRAK-[A-Za-z0-9]{27}|NRJS-[a-f0-9]{19}|NRII-[A-Za-z0-9-]{32})", 2.5),
    rule("secret.notion_token", &["ntn_"], r"\bntn_\d{11}[A-Za-z0-9]{32,37}", 3.5),
    rule("secret.npm_token", &["npm_", "_authtoken"], r#"\b(npm_[A-Za-z0-9]{36})\b|_authToken\s*=\s*([\w-]{36,})"#, 2.0),
    rule("secret.octopus_key", &["api-"], r"\b(API-[A-Z0-9]{26})\b", 3.0),
    rule("secret.onepassword_secret_key", &["a3-"], r"\bA3-[A-Z0-9]{6}-(?:[A-Z0-9]{11}|[A-Z0-9]{6}-[A-Z0-9]{5})-[A-Z0-9]{5}-[A-Z0-9]{5}-[A-Z0-9]{5}\b", 3.5),
    rule("secret.onepassword_token", &["ops_ey"], r"\bops_eyJ[A-Za-z0-9+/]{250,}={0,3}", 4.0),
    rule("secret.openai_key", &["t3blbkfj", "sk-proj-", "sk-svcacct-"], r"\b(sk-(?:(?:proj|svcacct|admin|service)-)?[\w-]{20,100}T3BlbkFJ[\w-]{20,100}|sk-(?:proj|svcacct)-[\w-]{40,200})", 3.0),
    rule("secret.openrouter_key", &["sk-or-"], r"\bsk-or-v1-[a-f0-9]{64}", 3.0),
    rule("secret.openshift_token", &["sha256~"], r"\bsha256~[\w-]{43}\b", 3.5),
    rule("secret.perplexity_key", &["pplx-"], r"\bpplx-[A-Za-z0-9]{48}\b", 3.5),
    rule("secret.plaid_token", &["access-"], r"\baccess-(?:sandbox|development|production)-[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}", 3.0),
    rule("secret.planetscale_token", &["pscale_"], r"\bpscale_(?:tkn|oauth|pw)_[\w=.-]{32,64}", 3.0),
    rule("secret.postman_key", &["pmak-"], r"\bPMAK-[a-fA-F0-9]{24}-[a-fA-F0-9]{34}", 3.0),
    rule("secret.prefect_key", &["pnu_"], r"\bpnu_[A-Za-z0-9]{36}\b", 2.0),
    rule("secret.private_key", &["private key"], r"-----BEGIN[ A-Z0-9_-]{0,100}PRIVATE KEY(?: BLOCK)?-----", 0.0),
    rule("secret.putty_key", &["putty-user-key-file"], r"PuTTY-User-Key-File-[23]", 0.0),
    rule("secret.pulumi_token", &["pul-"], r"\bpul-[a-f0-9]{40}\b", 2.0),
    rule("secret.pypi_token", &["pypi-age"], r"\bpypi-AgE[\w-]{50,}", 3.0),
    rule("secret.readme_key", &["rdme_"], r"\brdme_[a-z0-9]{70}\b", 2.0),
    rule("secret.rubygems_key", &["rubygems_"], r"\brubygems_[a-f0-9]{48}\b", 2.0),
    rule("secret.scalingo_token", &["tk-us-"], r"\btk-us-[\w-]{48}", 2.0),
    rule("secret.sendgrid_key", &["sg."], r"\b(SG\.[\w=.-]{66})", 2.0),
    rule("secret.sendinblue_key", &["xkeysib-"], r"\bxkeysib-[a-f0-9]{64}-[A-Za-z0-9]{16}", 2.0),
    rule("secret.sentry_token", &["sntrys_", "sntryu_"], r"\b(sntrys_eyJ[\w+/=]{40,400}|sntryu_[a-f0-9]{64})", 3.0),
    rule("secret.settlemint_token", &["sm_"], r"\bsm_(?:aat|pat|sat)_[A-Za-z0-9]{16}\b", 3.0),
    rule("secret.shippo_token", &["shippo_"], r"\bshippo_(?:live|test)_[a-fA-F0-9]{40}", 2.0),
    rule("secret.shopify_token", &["shpat_", "shpca_", "shppa_", "shpss_"], r"\bshp(?:at|ca|pa|ss)_[a-fA-F0-9]{32}", 2.0),
    rule("secret.sidekiq_url", &["gems.contribsys", "enterprise.contribsys"], r"https?://([a-f0-9]{8}:[a-f0-9]{8})@(?:gems|enterprise)\.contribsys\.com", 2.0),
    rule("secret.slack_token", &["xoxb", "xoxp", "xoxa", "xoxr", "xoxs", "xoxo", "xoxe", "xapp-"], r"\b((?:xox[bpaserov]|xoxe\.xox[bp])-[A-Za-z0-9-]{10,250}|xapp-\d-[A-Z0-9]{8,16}-\d{10,16}-[a-z0-9]{30,80})", 2.0),
    rule("secret.slack_webhook", &["hooks.slack.com"], r"hooks\.slack\.com/(?:services|workflows|triggers)/[A-Za-z0-9+/]{40,60}", 3.0),
    rule("secret.sonar_token", &["squ_", "sqp_", "sqa_"], r"\b(sq[upa]_[A-Za-z0-9=_-]{40})", 3.0),
    rule("secret.sourcegraph_token", &["sgp_"], r"\b(sgp_(?:(?:[a-fA-F0-9]{16}|local)_)?[a-fA-F0-9]{40})\b", 3.0),
    rule("secret.square_token", &["sq0", "eaaa"], r"\b(EAAA[\w-]{22,60}|sq0[a-z]{3}-[\w-]{22,43})", 2.0),
    rule("secret.stripe_key", &["sk_", "rk_", "whsec_"], r"\b((?:sk|rk)_(?:test|live|prod)_[A-Za-z0-9]{10,99}|whsec_[A-Za-z0-9+/]{32,64})", 2.0),
    rule("secret.tailscale_key", &["tskey-"], r"\btskey-[a-z]{3,10}-[A-Za-z0-9]{10,20}(?:CNTRL)?-[A-Za-z0-9]{20,40}", 2.5),
    rule("secret.teams_webhook", &["webhook.office.com"], r"https://[a-z0-9]+\.webhook\.office\.com/webhookb2/[a-z0-9-]{36}@[a-z0-9-]{36}/IncomingWebhook/[a-z0-9]{32}/[a-z0-9-]{36}", 3.0),
    rule("secret.telegram_bot_token", &[":aa", "telegr"], r"\b(\d{5,16}:A[\w-]{34})\b", 3.0),
    rule("secret.twilio_key", &["twilio", "_sid", "accountsid", "auth_token", "authtoken"], r"\b((?:SK|AC)[0-9a-f]{32})\b", 3.0),
    rule("secret.twitter_bearer", &["aaaaaaaaaaaaaaaaaaaaaa"], r"\b(A{22}[A-Za-z0-9%]{80,100})", 2.0),
    rule("secret.typeform_token", &["tfp_"], r"\btfp_[\w.=-]{59}", 2.5),
    rule("secret.url_credentials", &["://"], r#"\b[a-z][a-z0-9+.-]{1,20}://[^\s:/@"'<>]{0,60}:([^\s:/@"'<>${}\[\]*]{5,100})@[\w.-]+"#, 2.0),
    rule("secret.vault_token", &["hvs.", "hvb.", "vault"], r"\b(hvs\.[\w-]{90,120}|hvb\.[\w-]{138,300}|s\.[A-Za-z0-9]{24})\b", 3.5),
    rule("secret.yandex_key", &["aqvn", "ycaj", "t1."], r"\b(AQVN[\w-]{35,38}|YC[\w-]{38}|t1\.[A-Z0-9a-z_-]+={0,2}\.[A-Z0-9a-z_-]{86}={0,2})", 3.0),
];

/// Vendors whose keys are known by the name they are assigned to.
#[rustfmt::skip]
pub(super) const ASSIGNED: &[Rule] = &[
    rule("secret.aws_secret_key", &["secret", "aws"], r"= [A-Za-z0-9/+]{40}", 4.0),
    rule("secret.cisco_meraki_key", &["meraki"], r"= [0-9a-f]{40}", 3.0),
    rule("secret.hex_key", &["adafruit", "adobe", "asana", "bittrex", "cloudflare", "codecov", "coinbase", "confluent", "contentful", "datadog", "discord", "droneci", "dropbox", "etsy", "facebook", "fastly", "finicity", "finnhub", "flickr", "freshbooks", "gitter", "intercom", "kraken", "kucoin", "launchdarkly", "linear", "linkedin", "looker", "mailgun", "mattermost", "messagebird", "netlify", "newrelic", "new-relic", "nytimes", "okta", "plaid", "privateai", "rapidapi", "sendbird", "snyk", "squarespace", "sumo", "travis", "twitch", "twitter", "zendesk", "airtable", "algolia", "alibaba", "beamer", "bitbucket", "cohere", "jfrog", "artifactory", "heroku", "hubspot", "octopus", "intra42", "sentry", "sidekiq", "bundle_enterprise", "bundle_gems", "sourcegraph", "gocardless", "sendinblue", "mapbox", "maxmind", "yandex", "new_relic", "nr_insert", "newyorktimes", "new-york-times", "digitalocean", "postman", "codecov", "sonar", "stripe", "openweather", "mistral", "groq", "deepgram", "elevenlabs", "pinecone", "replicate"], r"= [A-Za-z0-9_=+/.-]{13,200}", 3.0),
    rule(GENERIC, &["access", "api_key", "apikey", "api-key", "auth", "credential", "creds", "key", "passwd", "password", "pwd", "secret", "token"], r"= [A-Za-z0-9_=+/.\-]{10,150}", 3.5),
    rule("secret.password", &["password", "passwd", "pwd", "passphrase"], r#"= [^\s"'`;,<>{}()\[\]$]{8,64}"#, 2.8),
];

/// The row for any assigned value that looks random, which asks the most of it.
pub(super) const GENERIC: &str = "secret.generic";

/// Names of values that are random and no secrets.
pub(super) const NOT_SECRET_NAMES: &[&str] = &[
    "public", "csrf", "keyword", "accessor", "accessib", "access_id", "credentialid", "credentialsid",
    "secretsid", "key_id", "keyid", "key_name", "keyname", "author", "vault_name", "vaulttostore", "keyframe",
    "keying", "monkey", "turkey", "hockey", "passive", "primarykey", "primary_key", "foreign", "tokenizer", "tokens",
];

/// Beginnings of keys that their owners published, in documentation and in every copy of a page.
pub(super) const PUBLIC_KEYS: &[&str] = &[
    "AIzaSyAnLA7N", "AIzaSyCkEhVj", "AIzaSyDMAScl", "AIzaSyD3asb-", "AIzayDNSXIbF", "AIzaSyAdOS2z", "AIzaSyASWm6H",
    "AIzaSyANUvH9", "AIzaSyA5_iVa", "AIzaSyA4UrcG", "AIzaSyDSb51J", "AIzaSyBF2RrA", "AIzaSyBcE-OO", "AIzaSyB8qGxt",
    "AIzaSyA8vmAp",
];

/// What examples and templates write where a secret goes.
pub(super) const STOP_WORDS: &[&str] = &[
    "example", "sample", "placeholder", "changeme", "change_me", "your", "xxxx", "****", "dummy", "insert",
    "redacted", "todo", "replace", "abcdefgh", "00000000", "foobar", "process.env", "os.environ", "getenv", "12345678901234567890",
    "secret_key", "secretkey", "api_key", "apikey", "access_token", "password", "localhost", "undefined", "...",
];
