//! Certificates for a listener that asks its callers for theirs, made anew for each test.

use std::sync::Arc;

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair, SanType,
};
use serde_json::json;
use tokio::net::TcpStream;
use tokio_rustls::{
    TlsConnector,
    client::TlsStream,
    rustls::{
        ClientConfig, RootCertStore,
        pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName},
    },
};

use super::envoy::Setup;

/// A certificate authority that Envoy and the callers trust.
pub(crate) struct Authority(CertifiedIssuer<'static, KeyPair>);

/// A certificate with its key.
#[derive(Debug)]
pub(crate) struct Identity {
    certificate: CertificateDer<'static>,
    key: PrivatePkcs8KeyDer<'static>,
    /// In PEM, as Envoy sends a caller's on to Subzero.
    pub(crate) pem: String,
}

impl Authority {
    /// A new one.
    pub(crate) fn new() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params
            .distinguished_name
            .push(DnType::CommonName, "test authority");
        Self(CertifiedIssuer::self_signed(params, new_key()).expect("make an authority"))
    }

    /// A caller's certificate: common name `name`, and these URI SANs (`spiffe://...`) if any.
    pub(crate) fn caller(&self, name: &str, uris: &[&str]) -> Identity {
        let mut params = CertificateParams::default();
        params.distinguished_name = rcgen::DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, name);
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        let uri = |uri: &&str| SanType::URI((*uri).try_into().expect("an ASCII URI"));
        params.subject_alt_names = uris.iter().map(uri).collect();
        let key = new_key();
        let certificate = params.signed_by(&key, &self.0).expect("sign a certificate");
        Identity {
            pem: certificate.pem(),
            certificate: certificate.der().clone(),
            key: key.serialize_der().into(),
        }
    }

    /// Its own certificate in PEM.
    pub(crate) fn pem(&self) -> String {
        self.0.pem()
    }

    /// A certificate for `localhost` and its key, both in PEM.
    pub(crate) fn server(&self) -> (String, String) {
        let key = new_key();
        let params = CertificateParams::new(vec!["localhost".to_owned()]).expect("a valid name");
        let certificate = params.signed_by(&key, &self.0).expect("sign a certificate");
        (certificate.pem(), key.serialize_pem())
    }

    /// Puts TLS in front of `setup`'s listener. Callers may show a certificate, and one that this
    /// authority did not sign is turned away.
    pub(crate) fn guard(&self, setup: Setup) -> Setup {
        let (certificate, key) = self.server();
        // JSON is YAML.
        let socket = json!({
            "name": "envoy.transport_sockets.tls",
            "typed_config": {
                "@type": "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext",
                "common_tls_context": {
                    "tls_certificates": [{
                        "certificate_chain": {"inline_string": certificate},
                        "private_key": {"inline_string": key},
                    }],
                    "validation_context": {"trusted_ca": {"inline_string": self.pem()}},
                },
            },
        });
        let guarded = format!("        - transport_socket: {socket}\n          filters:\n");
        setup.with("        - filters:\n", &guarded)
    }

    /// Shakes hands over `stream`, showing `identity` if there is one.
    pub(crate) async fn connect(
        &self,
        stream: TcpStream,
        identity: Option<&Identity>,
    ) -> std::io::Result<TlsStream<TcpStream>> {
        let mut roots = RootCertStore::empty();
        roots
            .add(self.0.der().clone())
            .expect("an authority of ours");
        let config = ClientConfig::builder().with_root_certificates(roots);
        let config = match identity {
            None => config.with_no_client_auth(),
            Some(identity) => {
                let key = PrivateKeyDer::Pkcs8(identity.key.clone_key());
                let chain = vec![identity.certificate.clone()];
                config
                    .with_client_auth_cert(chain, key)
                    .expect("a matching key")
            }
        };
        let name = ServerName::try_from("localhost").expect("a valid name");
        TlsConnector::from(Arc::new(config))
            .connect(name, stream)
            .await
    }
}

fn new_key() -> KeyPair {
    KeyPair::generate().expect("generate a key")
}
