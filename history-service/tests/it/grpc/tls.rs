//! TLS on the port, and certificates of clients.

use std::sync::Arc;

use anyhow::Result;
use tempfile::TempDir;
use tidegate_backbone::Backbone;
use tidegate_history_service::grpc::{Access, Stopper, Tls, TlsError, TlsFiles, serve};
use tidegate_history_service::history::History;
use tidegate_history_service::lag::Lags;
use tidegate_history_service::store::Store;
use tidegate_history_service::store::embedded::Embedded;
use tidegate_proto::history::StatsRequest;
use tidegate_proto::history::history_client::HistoryClient;
use tidegate_testkit::authority::Authority;
use tokio::net::TcpListener;
use tonic::transport::{Certificate, ClientTlsConfig, Endpoint, Identity};

use crate::carrier::Carrier;

struct Secured {
    address: String,
    _stopper: Stopper,
    _folder: TempDir,
}

async fn start(files: &TlsFiles) -> Result<Secured> {
    let folder = tempfile::tempdir()?;
    let store: Arc<dyn Store> = Arc::new(Embedded::open(folder.path())?);
    let carrier: Arc<dyn Backbone> = Carrier::new(3);
    let history = History::new(store, carrier, Lags::default());
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?.to_string();
    let access = Access {
        key: None,
        tls: Some(Tls::read(files)?),
    };
    let (stopper, server) = serve(listener, history, access);
    tokio::spawn(server);
    Ok(Secured {
        address,
        _stopper: stopper,
        _folder: folder,
    })
}

async fn ask(endpoint: Endpoint) -> Result<()> {
    let connection = endpoint.connect().await?;
    HistoryClient::new(connection)
        .stats(StatsRequest {})
        .await?;
    Ok(())
}

/// A client that trusts an authority, and shows what another has signed.
async fn over_tls(server: &Secured, trusted: &Authority, shown: Option<&Authority>) -> Result<()> {
    let mut tls = ClientTlsConfig::new()
        .domain_name("localhost")
        .ca_certificate(Certificate::from_pem(trusted.pem()));
    if let Some(authority) = shown {
        let own = authority.certificate("a client")?;
        tls = tls.identity(Identity::from_pem(own.certificate, own.key));
    }
    let url = format!("https://{}", server.address);
    ask(Endpoint::from_shared(url)?.tls_config(tls)?).await
}

#[tokio::test]
async fn clients_come_over_tls_and_show_what_they_have_to() -> Result<()> {
    let (ours, strange) = (Authority::new()?, Authority::new()?);
    let (certificate, key) = ours.certificate_files("localhost")?;
    let mut files = TlsFiles {
        certificate,
        key,
        client_ca: None,
    };
    let open = start(&files).await?;
    assert!(over_tls(&open, &ours, None).await.is_ok());
    assert!(over_tls(&open, &strange, None).await.is_err());
    let plain = Endpoint::from_shared(format!("http://{}", open.address))?;
    assert!(ask(plain).await.is_err());
    files.client_ca = Some(ours.file());
    let closed = start(&files).await?;
    assert!(over_tls(&closed, &ours, Some(&ours)).await.is_ok());
    assert!(over_tls(&closed, &ours, Some(&strange)).await.is_err());
    assert!(over_tls(&closed, &ours, None).await.is_err());
    Ok(())
}

#[test]
fn files_that_do_not_fit_together_are_refused() -> Result<()> {
    let (ours, other) = (Authority::new()?, Authority::new()?);
    let (certificate, _) = ours.certificate_files("localhost")?;
    let (_, key) = other.certificate_files("localhost")?;
    let mixed = TlsFiles {
        certificate: certificate.clone(),
        key: key.clone(),
        client_ca: None,
    };
    assert!(matches!(Tls::read(&mixed), Err(TlsError::Unusable(_))));
    let missing = TlsFiles {
        key: "/nowhere/key.pem".into(),
        ..mixed
    };
    let error = Tls::read(&missing).expect_err("there is no such file");
    assert!(error.to_string().starts_with("/nowhere/key.pem"), "{error}");
    Ok(())
}
