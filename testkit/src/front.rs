//! TLS in front of a server that speaks plainly.

use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::Result;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

use crate::authority::Certificate;

/// Passes on what clients say over TLS, until it is dropped.
#[derive(Debug)]
pub struct Front {
    address: SocketAddr,
    task: JoinHandle<()>,
}

impl Front {
    /// Starts one before the server at this address, which shows a certificate and speaks a protocol (ALPN).
    ///
    /// # Errors
    /// When there is no port, or the certificate is none.
    pub async fn start(behind: SocketAddr, shown: &Certificate, protocol: &str) -> Result<Self> {
        let chain = vec![CertificateDer::from_pem_slice(
            shown.certificate.as_bytes(),
        )?];
        let key = PrivateKeyDer::from_pem_slice(shown.key.as_bytes())?;
        let provider = Arc::new(aws_lc_rs::default_provider());
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(chain, key)?;
        config.alpn_protocols = vec![protocol.as_bytes().to_vec()];
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let task = tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                tokio::spawn(pass_on(socket, acceptor.clone(), behind));
            }
        });
        Ok(Self { address, task })
    }

    /// Where it listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Front {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// A client that is refused or goes is no concern of others.
async fn pass_on(socket: TcpStream, acceptor: TlsAcceptor, behind: SocketAddr) -> Option<()> {
    let mut client = acceptor.accept(socket).await.ok()?;
    let mut server = TcpStream::connect(behind).await.ok()?;
    copy_bidirectional(&mut client, &mut server).await.ok()?;
    Some(())
}
