//! A node that speaks TLS, and clients that trust an authority.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use serde_json::{Value, json};
use tidegate_testkit::authority::{Authority, Certificate};
use tidegate_testkit::deadline::until_some;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::client::WantsClientCert;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio_rustls::rustls::{
    ALL_VERSIONS, ClientConfig, ConfigBuilder, RootCertStore, SupportedProtocolVersion,
};

use crate::client::Client;
use crate::command::Format;
use crate::http::{Answer, PATIENCE};
use crate::site::Site;

/// A running node with a certificate.
pub(crate) struct TlsSite {
    site: Site,
    authority: Authority,
}

impl TlsSite {
    pub(crate) fn start() -> Self {
        Self::with(|_| {})
    }

    /// With the usual configuration, changed by `change`.
    pub(crate) fn with(change: impl FnOnce(&mut Value)) -> Self {
        let authority = Authority::new().unwrap();
        let (certificate, key) = authority.certificate_files("127.0.0.1").unwrap();
        let site = Site::with(|config| {
            config["http_server"]["tls"] =
                json!({ "enabled": true, "cert_pem_file": certificate, "key_pem_file": key });
            change(config);
        });
        Self { site, authority }
    }

    /// The same node, to clients that trust this authority.
    pub(crate) fn trusting(mut self, authority: Authority) -> Self {
        self.authority = authority;
        self
    }

    /// The file that the authority's certificate is in.
    pub(crate) fn authority_file(&self) -> std::path::PathBuf {
        self.authority.file()
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.site.address()
    }

    pub(crate) fn trust(&self) -> Trust {
        Trust::in_authority(&self.authority)
    }

    /// A client that is connected as `user`.
    pub(crate) async fn client(&self, format: Format, user: &str) -> Client {
        let stream = self.trust().connect(self.address()).await.unwrap();
        let mut client = Client::open_on(stream, format).await;
        client.connect(user).await;
        client
    }

    /// The value of a metric now.
    pub(crate) async fn metric(&self, name: &str) -> u64 {
        let mut stream = self.trust().connect(self.address()).await.unwrap();
        let answer = get_on(&mut stream, "/metrics").await;
        answer.metric(name)
    }

    /// Waits until a metric has this value, or more.
    pub(crate) async fn until_metric(&self, name: &str, least: u64) {
        let mut last = 0;
        let reached = until_some(name, async || {
            last = self.metric(name).await;
            (last >= least).then_some(())
        });
        let outcome = reached.await;
        assert!(outcome.is_ok(), "{name} is {last}, not {least}");
    }

    /// Waits until nobody is connected, and stops the node.
    pub(crate) async fn stop(self) {
        let deserted = until_some("nobody is connected", async || {
            (self.metric("tidegate_connections").await == 0).then_some(())
        });
        deserted.await.unwrap();
        self.end().await;
    }

    /// Stops the node.
    pub(crate) async fn end(self) {
        self.site.end().await;
    }
}

/// Whom a client trusts, and what it offers.
#[derive(Clone)]
pub(crate) struct Trust(Arc<ClientConfig>, RootCertStore);

impl Trust {
    pub(crate) fn in_authority(authority: &Authority) -> Self {
        let mut roots = RootCertStore::empty();
        let certificate = CertificateDer::from_pem_slice(authority.pem().as_bytes());
        roots.add(certificate.unwrap()).unwrap();
        Self(Arc::new(config(&roots, ALL_VERSIONS)), roots)
    }

    pub(crate) fn versions(&self, versions: &[&'static SupportedProtocolVersion]) -> Self {
        Self(Arc::new(config(&self.1, versions)), self.1.clone())
    }

    pub(crate) fn protocols(mut self, protocols: &[&str]) -> Self {
        let protocols = protocols.iter().map(|name| name.as_bytes().to_vec());
        Arc::make_mut(&mut self.0).alpn_protocols = protocols.collect();
        self
    }

    /// The same client, with a certificate to show.
    pub(crate) fn showing(&self, own: &Certificate) -> Self {
        let chain = CertificateDer::from_pem_slice(own.certificate.as_bytes()).unwrap();
        let key = PrivateKeyDer::from_pem_slice(own.key.as_bytes()).unwrap();
        let config = builder(&self.1, ALL_VERSIONS).with_client_auth_cert(vec![chain], key);
        Self(Arc::new(config.unwrap()), self.1.clone())
    }

    pub(crate) fn config(&self) -> &Arc<ClientConfig> {
        &self.0
    }

    /// A socket on which the handshake is done.
    pub(crate) async fn connect(&self, address: SocketAddr) -> io::Result<TlsStream<TcpStream>> {
        self.secure(TcpStream::connect(address).await?).await
    }

    pub(crate) async fn secure(&self, socket: TcpStream) -> io::Result<TlsStream<TcpStream>> {
        let name = ServerName::try_from("127.0.0.1").unwrap();
        let connector = TlsConnector::from(Arc::clone(&self.0));
        timeout(PATIENCE, connector.connect(name, socket))
            .await
            .unwrap()
    }
}

fn config(roots: &RootCertStore, versions: &[&'static SupportedProtocolVersion]) -> ClientConfig {
    builder(roots, versions).with_no_client_auth()
}

fn builder(
    roots: &RootCertStore,
    versions: &[&'static SupportedProtocolVersion],
) -> ConfigBuilder<ClientConfig, WantsClientCert> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(versions)
        .unwrap()
        .with_root_certificates(roots.clone())
}

/// Fetches a resource, to the end of the connection.
pub(crate) async fn get_on(stream: &mut TlsStream<TcpStream>, path: &str) -> Answer {
    let request = format!("GET {path} HTTP/1.1\r\nHost: gateway.test\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    let end = timeout(PATIENCE, stream.read_to_end(&mut answer)).await;
    end.expect("the node keeps the connection").unwrap();
    Answer::parse(&String::from_utf8_lossy(&answer))
}
