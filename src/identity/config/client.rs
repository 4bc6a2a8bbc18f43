//! As whom a token endpoint is asked: an OAuth client, its proof, and what it asks for.
//!
//! What a reader would get wrong: the secret is never in the configuration itself, only in a file
//! that it names, so the running configuration can be shown.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use reqwest::Url;
use serde::{Deserialize, Serialize};

use super::web_address;
use crate::{
    identity::endpoint::{Credential, SigningKey},
    problem::Problem,
    units::Secret,
};

/// An OAuth client of ours at an issuer.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct ClientConfig {
    /// The client's id there.
    pub client_id: String,
    /// The secret it proves itself with; this or `private_key_file`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_secret_file: Option<PathBuf>,
    /// How the secret is sent; left out, `basic`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secret_by: Option<SecretBy>,
    /// The PEM file of the private key (RSA or P-256) that signs its assertions (RFC 7523).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub private_key_file: Option<PathBuf>,
    /// The `kid` by which the issuer knows that key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key_id: Option<String>,
    /// Whom the new token is for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub audience: Option<String>,
    /// What the new token should allow; left out, the issuer decides.
    #[serde(default)]
    pub scopes: Vec<String>,
    /// Where to ask; left out, where the issuer's discovery document says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token_endpoint: Option<String>,
}

/// How a client sends its secret.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum SecretBy {
    /// In the header `Authorization: Basic`.
    Basic,
    /// In the form, for issuers that know no other way.
    Post,
}

/// A [`ClientConfig`], checked and resolved.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::identity) struct Client {
    pub(in crate::identity) address: EndpointAddress,
    pub(in crate::identity) audience: Option<String>,
    pub(in crate::identity) credential: Credential,
    pub(in crate::identity) id: String,
    pub(in crate::identity) scopes: Vec<String>,
}

/// Where a token endpoint is.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::identity) enum EndpointAddress {
    /// The document at this address, if it is about this issuer, says where.
    Discovered {
        allow_private: bool,
        document: Url,
        issuer: String,
        /// What the address is called there.
        member: &'static str,
    },
    /// Here.
    Known(Url),
}

impl ClientConfig {
    /// Reads the files and checks the rest. `issuer` is where the endpoint can be discovered.
    /// Problems are relative to this section.
    pub(in crate::identity) fn resolve(
        &self,
        base_dir: &Path,
        allow_private: bool,
        issuer: &str,
    ) -> Result<Client, Vec<Problem>> {
        let mut problems = Vec::new();
        if self.client_id.is_empty() {
            problems.push(Problem::new(
                "client_id",
                "is empty; write the id that the issuer gave",
            ));
        }
        let bad_scope = |scope: &&String| scope.is_empty() || scope.contains(char::is_whitespace);
        if let Some(scope) = self.scopes.iter().find(bad_scope) {
            let text = format!("`{scope}` is no scope; write each as an item of its own");
            problems.push(Problem::new("scopes", text));
        }
        let credential = self.proof().credential(base_dir);
        let place = self.token_endpoint.as_deref();
        let address = EndpointAddress::find("token_endpoint", place, allow_private, issuer);
        match (credential, address) {
            (Ok(credential), Ok(address)) if problems.is_empty() => Ok(Client {
                address,
                audience: self.audience.clone(),
                credential,
                id: self.client_id.clone(),
                scopes: self.scopes.clone(),
            }),
            (credential, address) => {
                problems.extend(credential.err());
                problems.extend(address.err());
                Err(problems)
            }
        }
    }

    fn proof(&self) -> Proof<'_> {
        Proof {
            client_secret_file: self.client_secret_file.as_deref(),
            secret_by: self.secret_by,
            private_key_file: self.private_key_file.as_deref(),
            key_id: self.key_id.as_deref(),
        }
    }
}

/// What a client says of how it proves itself, wherever in the configuration.
pub(super) struct Proof<'a> {
    pub(super) client_secret_file: Option<&'a Path>,
    pub(super) secret_by: Option<SecretBy>,
    pub(super) private_key_file: Option<&'a Path>,
    pub(super) key_id: Option<&'a str>,
}

impl Proof<'_> {
    /// Reads the file that it names.
    pub(super) fn credential(&self, base_dir: &Path) -> Result<Credential, Problem> {
        let read = |key: &str, file: &Path| {
            let path = base_dir.join(file);
            let text = fs::read_to_string(&path).map_err(|error| {
                Problem::new(key, format!("cannot read `{}`: {error}", path.display()))
            })?;
            Ok(Secret::new(&text))
        };
        let needless = |key: &str, of: &str| {
            let text = format!("goes with `{of}`, which is not there; remove it");
            Err(Problem::new(key, text))
        };
        match (self.client_secret_file, self.private_key_file) {
            (Some(_), None) if self.key_id.is_some() => needless("key_id", "private_key_file"),
            (Some(file), None) => {
                let secret = read("client_secret_file", file)?;
                if secret.expose().is_empty() {
                    let text = "is an empty file; put the secret that the issuer gave there";
                    return Err(Problem::new("client_secret_file", text));
                }
                Ok(Credential::Secret(
                    secret,
                    self.secret_by.unwrap_or(SecretBy::Basic),
                ))
            }
            (None, Some(_)) if self.secret_by.is_some() => {
                needless("secret_by", "client_secret_file")
            }
            (None, Some(file)) => {
                let pem = read("private_key_file", file)?;
                let key = SigningKey::from_pem(pem, self.key_id.map(str::to_owned))
                    .map_err(|text| Problem::new("private_key_file", text))?;
                Ok(Credential::Key(Arc::new(key)))
            }
            _ => Err(Problem::new(
                "",
                "needs one of `client_secret_file` and `private_key_file`",
            )),
        }
    }
}

impl EndpointAddress {
    /// The address that `place` writes out under the key `member`, else where it is discovered.
    pub(super) fn find(
        member: &'static str,
        place: Option<&str>,
        allow_private: bool,
        issuer: &str,
    ) -> Result<Self, Problem> {
        if let Some(text) = place {
            let url = web_address(text, allow_private);
            let url = url.map_err(|text| Problem::new(member, text))?;
            return Ok(Self::Known(url));
        }
        let document = super::settings::discovery(issuer, allow_private).map_err(|text| {
            let text = format!("is needed, since it cannot be discovered: {text}");
            Problem::new(member, text)
        })?;
        Ok(Self::Discovered {
            allow_private,
            document,
            issuer: issuer.to_owned(),
            member,
        })
    }
}
