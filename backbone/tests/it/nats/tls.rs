//! TLS towards the server: a private authority is enough, anything less than proof is refused.

use std::fs;
use std::path::{Path, PathBuf};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use tempfile::TempDir;
use tidegate_backbone::Backbone;
use tidegate_backbone::nats::{
    ClientCertificate, ConnectError, Nats, NatsOptions, TlsMode, TlsOptions,
};
use tidegate_testkit::nats::NatsServer;

use super::node::{self, Ear, publication, room};

struct Authority {
    folder: TempDir,
    issuer: CertifiedIssuer<'static, KeyPair>,
}

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let authority = Self {
            folder: tempfile::tempdir().unwrap(),
            issuer,
        };
        fs::write(authority.ca_file(), authority.issuer.pem()).unwrap();
        authority
    }

    fn ca_file(&self) -> PathBuf {
        self.folder.path().join("ca.pem")
    }

    /// A certificate for one name and its key.
    fn certificate(&self, name: &str) -> ClientCertificate {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new([name.to_owned()]).unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        let path = |kind: &str| self.folder.path().join(format!("{name}.{kind}.pem"));
        fs::write(path("certificate"), certificate.pem()).unwrap();
        fs::write(path("key"), key.serialize_pem()).unwrap();
        ClientCertificate {
            certificate_file: path("certificate"),
            key_file: path("key"),
        }
    }

    async fn server(&self, name: &str, verify_clients: &str) -> NatsServer {
        let ClientCertificate {
            certificate_file,
            key_file,
        } = self.certificate(name);
        let (certificate, key, ca) = (
            shown(&certificate_file),
            shown(&key_file),
            shown(&self.ca_file()),
        );
        let tls = format!(
            "cert_file: {certificate}, key_file: {key}, ca_file: {ca}, verify: {verify_clients}"
        );
        NatsServer::start_with(&format!("tls {{ {tls} }}"))
            .await
            .unwrap()
    }
}

fn shown(path: &Path) -> String {
    format!("{:?}", path.to_str().unwrap())
}

fn trusting(server: &NatsServer, authority: &Authority) -> NatsOptions {
    let tls = TlsOptions {
        ca_file: Some(authority.ca_file()),
        ..TlsOptions::default()
    };
    NatsOptions {
        tls,
        ..node::options(server)
    }
}

async fn assert_no_tls(options: NatsOptions) {
    let error = Nats::connect(options).await.unwrap_err();
    assert!(matches!(error, ConnectError::Tls { .. }), "{error}");
}

async fn assert_works(options: NatsOptions) {
    let node = Nats::connect(options).await.unwrap();
    let mut ear = Ear::open(&node, &room()).await;
    assert_eq!(node.publish(&room(), publication("good")).await, Ok(None));
    assert_eq!(ear.next().await, publication("good"));
}

#[tokio::test]
async fn a_server_of_a_trusted_authority_is_accepted() {
    let authority = Authority::new();
    let server = authority.server("127.0.0.1", "false").await;
    assert_works(trusting(&server, &authority)).await;
    let mut options = trusting(&server, &authority);
    options.urls = vec![server.url().replace("nats://", "tls://")];
    assert_works(options).await;
}

#[tokio::test]
async fn a_server_of_another_authority_is_refused() {
    let server = Authority::new().server("127.0.0.1", "false").await;
    assert_no_tls(trusting(&server, &Authority::new())).await;
    assert_no_tls(node::options(&server)).await;
}

#[tokio::test]
async fn a_certificate_for_another_name_is_refused() {
    let authority = Authority::new();
    let server = authority.server("elsewhere.test", "false").await;
    assert_no_tls(trusting(&server, &authority)).await;
}

#[tokio::test]
async fn a_server_without_tls_is_refused_where_tls_is_required() {
    let (authority, server) = (Authority::new(), NatsServer::start().await.unwrap());
    let mut options = trusting(&server, &authority);
    options.tls.mode = TlsMode::Required;
    assert_no_tls(options).await;
}

#[tokio::test]
async fn a_client_certificate_is_shown_where_it_is_wanted() {
    let authority = Authority::new();
    let server = authority.server("127.0.0.1", "true").await;
    let mut options = trusting(&server, &authority);
    options.tls.client = Some(authority.certificate("gateway.test"));
    assert_works(options).await;
    assert_no_tls(trusting(&server, &authority)).await;
}
