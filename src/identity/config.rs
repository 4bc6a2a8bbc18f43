//! Which issuers are trusted, and with which limits.
//!
//! An issuer says only what differs from `defaults`; [`Settings`] is the two put together, checked
//! and resolved, so that equal settings on a reload mean that the issuer's keys may be kept.

mod client;
mod introspection;
mod place;
mod settings;

use std::{collections::BTreeMap, fmt, path::PathBuf};

use jsonwebtoken::Algorithm;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::sender::Sender;
use crate::units::{Bytes, Span};

pub(super) use self::client::{Client, EndpointAddress};
pub(super) use self::introspection::Introspection;
pub(super) use self::settings::{KeySource, Settings, web_address};
pub use self::{
    client::{ClientConfig, SecretBy},
    introspection::IntrospectionConfig,
    place::{Place, Stripped},
};

/// The configuration's `identity` section.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// What an issuer gets when it says nothing else.
    pub defaults: IssuerDefaults,
    /// Proofs of possession.
    pub dpop: DpopConfig,
    /// The trusted issuers by a name of the operator's choice; routes and metrics use the name.
    pub issuers: BTreeMap<String, IssuerConfig>,
    /// Tokens taken back before their `exp`.
    pub revocation: RevocationConfig,
    /// Most memory for tokens proven before; 0 keeps none.
    pub token_cache: Bytes,
}

/// What is asked of proofs of possession (RFC 9449).
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct DpopConfig {
    /// How far a proof's `iat` may be from our clock, either way.
    pub max_age: Span,
    /// Most memory for proofs that have been shown, and logout tokens; when it is full, new ones
    /// are refused. Read at start.
    pub max_memory: Bytes,
    /// How long a nonce of ours is good, and up to as long again; `None` asks for none.
    pub nonce_life: Option<Span>,
}

/// How revocations are kept.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct RevocationConfig {
    /// Most memory for them; when it is full, new ones are refused.
    pub max_memory: Bytes,
    /// The longest life of any issuer's tokens. A revocation is kept as long.
    pub max_token_life: Span,
    /// How long a list that replicas share may go without word from Redis; `None` = for ever.
    pub max_stale: Option<Span>,
}

/// Every tunable of an issuer.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct IssuerDefaults {
    /// Signature algorithms that are accepted. HS* only together with a `secret_file`.
    pub algorithms: Vec<Algorithm>,
    /// Keys may come over plain http and from addresses that are not public.
    pub allow_private_addresses: bool,
    /// Longest wait for one document, dialling included.
    pub fetch_timeout: Span,
    /// Longest time for which the issuer's word that an opaque token is active is believed…
    pub introspection_keep: Span,
    /// …and its word that one is not.
    pub introspection_keep_inactive: Span,
    /// How many opaque tokens an issuer is asked about at one time.
    pub introspection_max_in_flight: u16,
    /// How far the issuer's clock and ours may be apart.
    pub leeway: Span,
    /// How long the last good key set is used while no new one can be had.
    pub max_stale: Span,
    /// How often the key set is fetched again.
    pub refresh: Span,
    /// How many fetches tokens with unknown key ids may cause at once…
    pub unknown_kid_burst: u32,
    /// …and how long it takes until one more is allowed.
    pub unknown_kid_interval: Span,
}

/// One trusted issuer. Keys come from one of `jwks_uri`, `jwks_file` and `secret_file`; without
/// any, from OIDC discovery.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct IssuerConfig {
    /// The exact `iss` of its tokens.
    pub issuer: String,
    /// Whom a token must be meant for.
    pub audiences: Audiences,
    /// Where the key set is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub jwks_uri: Option<String>,
    /// The key set as a file, relative to the configuration file; read again when it changes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub jwks_file: Option<PathBuf>,
    /// The secret shared with an issuer that signs with HS*; read at start and on reload.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secret_file: Option<PathBuf>,
    /// As whom its token endpoint is asked for another token, for those who sign in through us.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exchange: Option<ClientConfig>,
    /// How it is asked about tokens that are no JWTs; left out, such tokens are malformed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub introspection: Option<IntrospectionConfig>,
    /// For whom its logout tokens are (OIDC Back-Channel Logout): our client ids there. Left out,
    /// none is accepted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub logout_audiences: Vec<String>,
    /// See [`IssuerDefaults`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub algorithms: Option<Vec<Algorithm>>,
    /// See [`IssuerDefaults`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub allow_private_addresses: Option<bool>,
    /// See [`IssuerDefaults`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fetch_timeout: Option<Span>,
    /// See [`IssuerDefaults`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub leeway: Option<Span>,
    /// See [`IssuerDefaults`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_stale: Option<Span>,
    /// See [`IssuerDefaults`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refresh: Option<Span>,
    /// See [`IssuerDefaults`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unknown_kid_burst: Option<u32>,
    /// See [`IssuerDefaults`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unknown_kid_interval: Option<Span>,
}

/// What a route asks of a token: its `identity` section.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Requirement {
    /// Names of issuers of which one must have issued the token.
    pub issuers: Vec<String>,
    /// Scopes the token must carry, all of them.
    #[serde(default)]
    pub scopes: Vec<String>,
    /// How tokens must be bound to whoever shows them; left out, they need not be. A token that is
    /// bound is never taken without its proof.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sender: Option<Sender>,
    /// Keep the token from the upstream.
    #[serde(default)]
    pub strip: bool,
    /// Where the token is; left out, in `Authorization: Bearer`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<Place>,
}

/// Whom a token must be meant for: a list, or the word `any`.
///
/// There is no default: an issuer serves many applications, and a token for another of them is not
/// meant for us.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Audiences {
    /// Anyone. Has to be written out.
    Any,
    /// One of these.
    OneOf(Vec<String>),
}

impl<'de> Deserialize<'de> for Audiences {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Words;
        impl<'de> de::Visitor<'de> for Words {
            type Value = Audiences;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list of audiences or the word `any`")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Audiences, E> {
                match text {
                    "any" => Ok(Audiences::Any),
                    _ => Err(E::custom(format_args!(
                        "`{text}` is neither a list of audiences nor the word `any`; write `[{text}]`"
                    ))),
                }
            }

            fn visit_seq<A: de::SeqAccess<'de>>(self, mut seq: A) -> Result<Audiences, A::Error> {
                let mut names = Vec::new();
                while let Some(name) = seq.next_element::<String>()? {
                    names.push(name);
                }
                Ok(Audiences::OneOf(names))
            }
        }
        deserializer.deserialize_any(Words)
    }
}

impl Serialize for Audiences {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Any => serializer.serialize_str("any"),
            Self::OneOf(names) => names.serialize(serializer),
        }
    }
}
