//! A client of a port, by whom it trusts and what it shows.

use anyhow::Result;
use tonic::transport::{Certificate as Pem, Channel, ClientTlsConfig, Endpoint, Identity};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;

use super::HOST;
use crate::authority::{Authority, Certificate};
use crate::deadline::until_some;
use crate::tls;

/// Whether the server answers on this connection.
pub(super) async fn answer(connection: &Channel) -> Result<()> {
    let request = HealthCheckRequest::default();
    HealthClient::new(connection.clone()).check(request).await?;
    Ok(())
}

/// Whom a client trusts, and what it shows.
pub(super) struct Client {
    pub(super) trusted: String,
    pub(super) own: Option<Certificate>,
}

impl Client {
    pub(super) fn of(trusted: &Authority, own: Option<&Authority>) -> Result<Self> {
        let own = own.map(|authority| authority.certificate("a client"));
        Ok(Self {
            trusted: trusted.pem(),
            own: own.transpose()?,
        })
    }

    pub(super) async fn connect(&self, address: &str) -> Result<Channel> {
        let mut tls = ClientTlsConfig::new()
            .domain_name(HOST)
            .ca_certificate(Pem::from_pem(&self.trusted));
        if let Some(own) = &self.own {
            tls = tls.identity(Identity::from_pem(&own.certificate, &own.key));
        }
        let endpoint = Endpoint::from_shared(format!("https://{address}"))?;
        Ok(endpoint.tls_config(tls)?.connect().await?)
    }

    pub(super) async fn is_answered(&self, address: &str) -> bool {
        match self.connect(address).await {
            Ok(connection) => answer(&connection).await.is_ok(),
            Err(_) => false,
        }
    }

    /// The certificate that this client is shown now.
    pub(super) async fn shown(&self, address: &str) -> Result<Vec<u8>> {
        tls::shown(address, &self.trusted, self.own.as_ref(), "h2").await
    }

    pub(super) async fn until_shown(&self, address: &str, made: &Certificate) -> Result<()> {
        let expected = tls::der(made)?;
        until_some("the new certificate", async || {
            let shown = self.shown(address).await.ok()?;
            (shown == expected).then_some(())
        })
        .await
    }
}
