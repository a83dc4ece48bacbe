//! Asks a service that runs whether it is well, by gRPC's standard health service: for images, which have nothing else to ask with.

mod tls;

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use clap::{Args, Subcommand};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tonic::transport::{Channel, Endpoint};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;
use tower::service_fn;

use crate::access::AccessArguments;
pub use tls::{ProbeTls, ProbeTlsError};

/// How long it may take.
const PATIENCE: Duration = Duration::from_secs(3);

/// What a service's program can do besides serving.
#[derive(Debug, Clone, Subcommand)]
pub enum Command {
    /// Asks a service that runs whether it is well; the exit status is 0 if it is
    Probe(ProbeArguments),
}

/// Who is asked.
#[derive(Debug, Clone, Args)]
pub struct ProbeArguments {
    /// Where its gRPC is; the port of this machine that --listen says if it is not given
    #[arg(long, value_name = "ADDRESS")]
    at: Option<SocketAddr>,
    /// How it is asked.
    #[command(flatten)]
    tls: ProbeTls,
}

/// Why a service is not well.
#[derive(Debug, thiserror::Error)]
pub enum ProbeError {
    /// It does not answer.
    #[error("cannot be reached")]
    Unreachable(#[source] tonic::transport::Error),
    /// It answers something else.
    #[error("it does not say how it is: {0}")]
    Refused(String),
    /// It says so.
    #[error("it says that it does not serve")]
    NotServing,
    /// It cannot be asked like this.
    #[error(transparent)]
    Tls(#[from] ProbeTlsError),
}

impl ProbeArguments {
    /// Asks the service that would listen here, with TLS or without.
    ///
    /// # Errors
    /// [`ProbeError`] unless it is well.
    pub async fn ask(
        &self,
        listen: SocketAddr,
        access: &AccessArguments,
    ) -> Result<(), ProbeError> {
        let address = self.at.unwrap_or_else(|| on_this_machine(listen));
        let is_secure = self.tls.is_asked_for() || (self.at.is_none() && access.has_tls());
        let endpoint = Endpoint::from_shared(format!("http://{address}"));
        let endpoint = endpoint.expect("an address makes a URL");
        let endpoint = endpoint.connect_timeout(PATIENCE).timeout(PATIENCE);
        let connected = match is_secure {
            true => self.connect_tls(&endpoint, address).await?,
            false => endpoint.connect().await,
        };
        let mut client = HealthClient::new(connected.map_err(ProbeError::Unreachable)?);
        let answer = client.check(HealthCheckRequest::default()).await;
        let answer = answer.map_err(|status| ProbeError::Refused(status.to_string()))?;
        match answer.into_inner().status() {
            ServingStatus::Serving => Ok(()),
            ServingStatus::Unknown | ServingStatus::NotServing | ServingStatus::ServiceUnknown => {
                Err(ProbeError::NotServing)
            }
        }
    }

    async fn connect_tls(
        &self,
        endpoint: &Endpoint,
        address: SocketAddr,
    ) -> Result<Result<Channel, tonic::transport::Error>, ProbeTlsError> {
        let connector = TlsConnector::from(self.tls.config(b"h2")?);
        let name = self.tls.name(address)?;
        // To tonic this is a plain connection: it would look at the certificate itself.
        let connect = service_fn(move |_| {
            let (connector, name) = (connector.clone(), name.clone());
            async move {
                let stream = TcpStream::connect(address).await?;
                Ok::<_, io::Error>(TokioIo::new(connector.connect(name, stream).await?))
            }
        });
        Ok(endpoint.connect_with_connector(connect).await)
    }
}

/// Who listens everywhere is asked here.
fn on_this_machine(listen: SocketAddr) -> SocketAddr {
    let ip = match listen.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
        ip => ip,
    };
    SocketAddr::new(ip, listen.port())
}

#[cfg(test)]
mod tests {
    use clap::Parser;
    use tokio::net::TcpListener;
    use tonic::transport::Server;
    use tonic::transport::server::TcpIncoming;
    use tonic_health::ServingStatus as Status;

    use super::*;

    #[test]
    fn who_listens_everywhere_is_asked_here() {
        for (listen, asked) in [
            ("0.0.0.0:1", "127.0.0.1:1"),
            ("[::]:1", "[::1]:1"),
            ("10.0.0.1:1", "10.0.0.1:1"),
        ] {
            assert_eq!(on_this_machine(listen.parse().unwrap()).to_string(), asked);
        }
    }

    #[derive(Debug, clap::Parser)]
    struct Line {
        #[command(flatten)]
        access: AccessArguments,
        #[command(subcommand)]
        command: Command,
    }

    fn arguments(words: &[&str]) -> (ProbeArguments, AccessArguments) {
        let words = ["a"].iter().chain(words).chain(&["probe"]);
        let Line { access, command } = Line::parse_from(words);
        let Command::Probe(probe) = command;
        (probe, access)
    }

    #[tokio::test]
    async fn only_who_says_that_it_serves_is_well() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (reporter, health) = tonic_health::server::health_reporter();
        let server = Server::builder().add_service(health);
        let server = tokio::spawn(server.serve_with_incoming(TcpIncoming::from(listener)));
        let (probe, access) = arguments(&[]);
        probe.ask(address, &access).await.unwrap();
        reporter.set_service_status("", Status::NotServing).await;
        let error = probe.ask(address, &access).await.unwrap_err();
        assert!(matches!(error, ProbeError::NotServing), "{error}");
        server.abort();
        let _aborted = server.await;
        let error = probe.ask(address, &access).await.unwrap_err();
        assert!(matches!(error, ProbeError::Unreachable(_)), "{error}");
    }
}
