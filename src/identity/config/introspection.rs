//! How an issuer is asked about tokens that say nothing themselves (RFC 7662).

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use serde::{Deserialize, Serialize};

use super::{
    IssuerDefaults, SecretBy,
    client::{EndpointAddress, Proof},
};
use crate::{identity::endpoint::Credential, problem::Problem, units::Span};

/// As whom an issuer is asked about opaque tokens, and how long its word is kept.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct IntrospectionConfig {
    /// The client's id at the issuer.
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
    /// Where to ask; left out, where the issuer's discovery document says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub introspection_endpoint: Option<String>,
    /// Longest time for which an active token is not asked about again; see
    /// [`IssuerDefaults::introspection_keep`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub keep: Option<Span>,
    /// The same for one that is not active.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub keep_inactive: Option<Span>,
    /// Most questions at one time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_in_flight: Option<u16>,
}

/// An [`IntrospectionConfig`], checked and resolved.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::identity) struct Introspection {
    pub(in crate::identity) address: EndpointAddress,
    pub(in crate::identity) client_id: String,
    pub(in crate::identity) credential: Credential,
    pub(in crate::identity) keep: Duration,
    pub(in crate::identity) keep_inactive: Duration,
    pub(in crate::identity) max_in_flight: u16,
}

impl IntrospectionConfig {
    /// Reads the files and checks the rest. Problems are relative to this section.
    pub(super) fn resolve(
        &self,
        base_dir: &Path,
        allow_private: bool,
        issuer: &str,
        defaults: &IssuerDefaults,
    ) -> Result<Introspection, Vec<Problem>> {
        let mut problems = Vec::new();
        if self.client_id.is_empty() {
            let text = "is empty; write the id that the issuer gave";
            problems.push(Problem::new("client_id", text));
        }
        let max_in_flight = self
            .max_in_flight
            .unwrap_or(defaults.introspection_max_in_flight);
        if max_in_flight == 0 {
            let text = "is 0, so nothing could be asked; write 1 or more";
            problems.push(Problem::new("max_in_flight", text));
        }
        let proof = Proof {
            client_secret_file: self.client_secret_file.as_deref(),
            secret_by: self.secret_by,
            private_key_file: self.private_key_file.as_deref(),
            key_id: self.key_id.as_deref(),
        };
        let place = self.introspection_endpoint.as_deref();
        let address = EndpointAddress::find("introspection_endpoint", place, allow_private, issuer);
        match (proof.credential(base_dir), address) {
            (Ok(credential), Ok(address)) if problems.is_empty() => Ok(Introspection {
                address,
                client_id: self.client_id.clone(),
                credential,
                keep: self.keep.unwrap_or(defaults.introspection_keep).get(),
                keep_inactive: self
                    .keep_inactive
                    .unwrap_or(defaults.introspection_keep_inactive)
                    .get(),
                max_in_flight,
            }),
            (credential, address) => {
                problems.extend(credential.err());
                problems.extend(address.err());
                Err(problems)
            }
        }
    }
}
