//! The store over TLS: a server whose certificate is trusted is asked, another one is not.

use std::{net::SocketAddr, sync::Arc};

use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{
        ServerConfig,
        pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    },
};

use super::{cache, changes_are_heard_of, open, open_without_waiting, until};
use crate::support::{redis::Redis, tls::Authority};

/// TLS in front of the server at `redis`, with a certificate for `localhost`.
async fn terminate(authority: &Authority, redis: SocketAddr) -> u16 {
    let (certificate, key) = authority.server();
    let certificate = CertificateDer::from_pem_slice(certificate.as_bytes()).expect("PEM");
    let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).expect("PEM");
    let config = ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .expect("a matching key");
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("listen");
    let port = listener.local_addr().expect("bound").port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                // Whoever does not trust us hangs up.
                let Ok(mut inside) = acceptor.accept(stream).await else {
                    return;
                };
                let mut outside = TcpStream::connect(redis).await.expect("redis is there");
                let _ = copy_bidirectional(&mut inside, &mut outside).await;
            });
        }
    });
    port
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_whose_certificate_is_trusted_is_asked_and_no_other() {
    let redis = Redis::start().await;
    let [ours, others] = [Authority::new(), Authority::new()];
    let port = terminate(&ours, redis.address).await;
    let folder = tempfile::tempdir().expect("a folder");
    let trusting = |authority: &Authority, name: &str| {
        let file = folder.path().join(name);
        std::fs::write(&file, authority.pem()).expect("a file");
        format!(
            "url: 'rediss://localhost:{port}', ca_file: '{}'",
            file.display()
        )
    };
    let at = trusting(&ours, "ours.pem");
    let (one, other) = (open(&at).await, open(&at).await);
    changes_are_heard_of(&cache(&one).await, &cache(&other).await).await;

    let mistaken = open_without_waiting(&trusting(&others, "others.pem"));
    until("complain", || {
        mistaken
            .health()
            .is_some_and(|redis| redis.detail.contains("certificate"))
    })
    .await;
    assert!(!mistaken.health().expect("there is a redis").connected);
}
