//! TLS for the JSON door: its certificate, and the certificates that callers prove themselves with.
//!
//! A caller is known by the URI and DNS names (subject alternative names) in its certificate; the
//! common name is not read, since nothing says what kind of name it is. With `client_ca_file` a
//! connection without a certificate of that authority ends in the handshake.
//!
//! # What a reader would get wrong
//!
//! The files are read again while running, and what they say holds for new connections: those that
//! stand go on until they are closed. There is no resumption while certificates are asked for, so that
//! each connection shows its own.
//!
//! # Cost
//!
//! A handshake, about a millisecond of this thread, which serves no checks.

use std::{
    collections::HashMap,
    fmt, fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use arc_swap::ArcSwap;
use aws_lc_rs::digest::{SHA256, digest};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};
use serde::{Deserialize, Serialize};
use tokio_rustls::rustls::{
    self, RootCertStore, ServerConfig,
    crypto::aws_lc_rs::default_provider,
    server::{NoServerSessionStorage, WebPkiClientVerifier},
};

use super::access::Scope;
use crate::problem::Problem;

/// The `api.tls:` section: PEM files, relative to the configuration file.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// This listener's certificate and those between it and the authority; `None` = no TLS.
    pub certificate_file: Option<PathBuf>,
    /// Its private key.
    pub key_file: Option<PathBuf>,
    /// Who signs callers' certificates; `None` = none is asked for.
    pub client_ca_file: Option<PathBuf>,
    /// What callers may do.
    pub clients: Vec<Client>,
}

/// A caller known by its certificate.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Client {
    /// A URI or DNS name in its certificate, letter by letter.
    pub name: String,
    /// What it may ask.
    pub scopes: Vec<Scope>,
}

/// The names in a certificate that was shown and found good.
#[derive(Clone, Debug)]
pub(super) struct Names(Arc<[String]>);

/// TLS as configured, and the files being obeyed.
#[derive(Debug)]
pub(super) struct Tls {
    files: Files,
    clients: HashMap<String, Vec<Scope>>,
    /// Of what was last read, whether it was any good or not.
    seen: ArcSwap<Digests>,
    config: ArcSwap<ServerConfig>,
}

#[derive(Debug)]
struct Files {
    base_dir: PathBuf,
    certificate: PathBuf,
    key: PathBuf,
    client_ca: Option<PathBuf>,
}

/// What is in the files.
struct Contents {
    certificate: Vec<u8>,
    key: Vec<u8>,
    client_ca: Option<Vec<u8>>,
}

type Digests = [Option<Vec<u8>>; 3];

impl Config {
    /// Whether callers have to show a certificate.
    #[must_use]
    pub fn asks_for_certificates(&self) -> bool {
        self.certificate_file.is_some() && self.client_ca_file.is_some()
    }

    fn files(&self, base_dir: &Path) -> Result<Option<Files>, Vec<Problem>> {
        let mut problems = Vec::new();
        let mut without = |key: &str, other: &str| {
            let message = format!("means nothing without `api.tls.{other}`; set it too");
            problems.push(Problem::new(key, message));
        };
        match (&self.certificate_file, &self.key_file) {
            (None, Some(_)) => without("key_file", "certificate_file"),
            (Some(_), None) => without("certificate_file", "key_file"),
            _ => {}
        }
        if self.certificate_file.is_none() && self.client_ca_file.is_some() {
            without("client_ca_file", "certificate_file");
        }
        if self.client_ca_file.is_none() && !self.clients.is_empty() {
            without("clients", "client_ca_file");
        }
        if !problems.is_empty() {
            return Err(problems);
        }
        let files = self.certificate_file.clone().zip(self.key_file.clone());
        Ok(files.map(|(certificate, key)| Files {
            base_dir: base_dir.to_owned(),
            certificate,
            key,
            client_ca: self.client_ca_file.clone(),
        }))
    }

    fn clients(&self) -> Result<HashMap<String, Vec<Scope>>, Vec<Problem>> {
        let (mut clients, mut problems) = (HashMap::new(), Vec::new());
        for (index, client) in self.clients.iter().enumerate() {
            let mut wrong = |key: &str, message: String| {
                problems.push(Problem::new(format!("clients[{index}].{key}"), message));
            };
            if client.name.is_empty() {
                wrong(
                    "name",
                    "is empty; write a name of the certificate".to_owned(),
                );
            }
            if client.scopes.is_empty() {
                wrong(
                    "scopes",
                    "names none, so the caller may do nothing".to_owned(),
                );
            }
            let before = clients.insert(client.name.clone(), client.scopes.clone());
            if before.is_some() {
                wrong("name", format!("`{}` is there twice", client.name));
            }
        }
        if problems.is_empty() {
            Ok(clients)
        } else {
            Err(problems)
        }
    }
}

impl Tls {
    /// Checks `config` and reads its files; `None` without TLS.
    pub(super) fn load(config: &Config, base_dir: &Path) -> Result<Option<Self>, Vec<Problem>> {
        let (files, clients) = (config.files(base_dir), config.clients());
        let (files, clients) = match (files, clients) {
            (Ok(files), Ok(clients)) => (files, clients),
            (files, clients) => {
                let problems = files.err().into_iter().chain(clients.err());
                return Err(problems.flatten().collect());
            }
        };
        let Some(files) = files else {
            return Ok(None);
        };
        let one = |problem| vec![problem];
        let contents = files.read().map_err(one)?;
        let config = files.compile(&contents).map_err(one)?;
        Ok(Some(Self {
            seen: ArcSwap::from_pointee(contents.digests()),
            config: ArcSwap::from_pointee(config),
            files,
            clients,
        }))
    }

    /// Reads the files again if they have changed since the last attempt; says whether they did. Bad
    /// ones keep the old certificates and are told once, not each time: a certificate that was
    /// replaced before its key is bad for a moment.
    pub(super) fn reload(&self) -> Result<bool, Problem> {
        let Ok(now) = self.files.read() else {
            // Being replaced right now, or gone: what is in force stays in force.
            return Ok(false);
        };
        let digests = now.digests();
        if **self.seen.load() == digests {
            return Ok(false);
        }
        self.seen.store(digests.into());
        self.config.store(self.files.compile(&now)?.into());
        Ok(true)
    }

    /// What a connection that comes now is answered with.
    pub(super) fn config(&self) -> Arc<ServerConfig> {
        self.config.load_full()
    }

    /// Whether a caller with these names may; `None` when none of them is known.
    pub(super) fn may(&self, names: &Names, scope: Scope) -> Option<bool> {
        let known = names.0.iter().filter_map(|name| self.clients.get(name));
        known.fold(None, |may, scopes| {
            Some(may.unwrap_or(false) || scopes.contains(&scope))
        })
    }
}

impl Names {
    /// Those of the first certificate of `chain`, which is the caller's own.
    pub(super) fn of(chain: Option<&[CertificateDer<'_>]>) -> Option<Self> {
        let certificate = chain?.first()?;
        // It has been verified, so it can be read; else the caller has no name.
        let certificate = webpki::EndEntityCert::try_from(certificate);
        let names = certificate.map(|certificate| {
            let names = certificate.valid_uri_names();
            let names = names.chain(certificate.valid_dns_names());
            names.map(str::to_owned).collect()
        });
        Some(Self(names.unwrap_or_default()))
    }
}

impl fmt::Display for Names {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.first() {
            Some(first) => write!(f, "`{first}`"),
            None => f.write_str("without a URI or DNS name"),
        }
    }
}

impl Files {
    fn read(&self) -> Result<Contents, Problem> {
        let read = |key: &str, path: &Path| {
            fs::read(self.base_dir.join(path)).map_err(|error| {
                let message = format!("{}: cannot be read: {error}", path.display());
                Problem::new(key, message)
            })
        };
        let client_ca = self.client_ca.as_deref();
        let client_ca = client_ca.map(|path| read("client_ca_file", path));
        Ok(Contents {
            certificate: read("certificate_file", &self.certificate)?,
            key: read("key_file", &self.key)?,
            client_ca: client_ca.transpose()?,
        })
    }

    fn compile(&self, contents: &Contents) -> Result<ServerConfig, Problem> {
        let wrong = |key: &str, path: &Path, why: &str| {
            Problem::new(key, format!("{}: {why}", path.display()))
        };
        let chain = certificates(&contents.certificate)
            .map_err(|why| wrong("certificate_file", &self.certificate, why))?;
        // What is wrong with a key stays untold: it would be told of a key.
        let key = PrivateKeyDer::from_pem_slice(&contents.key).map_err(|_| {
            let why = "holds no private key in PEM: `BEGIN PRIVATE KEY` is looked for";
            wrong("key_file", &self.key, why)
        })?;
        let provider = Arc::new(default_provider());
        let config = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .map_err(|error| wrong("certificate_file", &self.certificate, &error.to_string()))?;
        let config = match (&self.client_ca, &contents.client_ca) {
            (Some(path), Some(text)) => {
                let wrong = |why: &str| wrong("client_ca_file", path, why);
                let mut roots = RootCertStore::empty();
                for authority in certificates(text).map_err(wrong)? {
                    let added = roots.add(authority);
                    added.map_err(|error| wrong(&error.to_string()))?;
                }
                let verifier =
                    WebPkiClientVerifier::builder_with_provider(roots.into(), provider).build();
                config
                    .with_client_cert_verifier(verifier.map_err(|error| wrong(&error.to_string()))?)
            }
            _ => config.with_no_client_auth(),
        };
        let mut config = config.with_single_cert(chain, key).map_err(|error| {
            let why = match error {
                rustls::Error::InconsistentKeys(_) => {
                    "is not the key of `api.tls.certificate_file`".to_owned()
                }
                error => error.to_string(),
            };
            wrong("key_file", &self.key, &why)
        })?;
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        if self.client_ca.is_some() {
            config.session_storage = Arc::new(NoServerSessionStorage {});
            config.send_tls13_tickets = 0;
        }
        Ok(config)
    }
}

fn certificates(text: &[u8]) -> Result<Vec<CertificateDer<'static>>, &'static str> {
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(text).collect();
    match found {
        Ok(found) if !found.is_empty() => Ok(found),
        _ => Err("holds no certificate in PEM: `BEGIN CERTIFICATE` is looked for"),
    }
}

impl Contents {
    /// To compare by, so that a key is not kept in a second place.
    fn digests(&self) -> Digests {
        let of = |content: &Vec<u8>| Some(digest(&SHA256, content).as_ref().to_vec());
        [
            of(&self.certificate),
            of(&self.key),
            self.client_ca.as_ref().and_then(of),
        ]
    }
}
