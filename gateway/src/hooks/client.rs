//! The HTTP client of a backend: connections that are kept, over TCP or TLS, HTTP/1.1 or HTTP/2.

use std::time::Duration;

use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};

use super::answer::Unanswered;
use super::tls;
use crate::config::ProxyTlsConfig;

/// How long a connection is kept that nothing is asked on. Shorter than the 60 s or more of most servers and balancers, so
/// that they seldom close one while it is being used.
const IDLE: Duration = Duration::from_secs(30);

/// Connections that are kept.
const MAX_IDLE: usize = 256;

/// What is spoken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Protocol {
    Http1,
    Http2,
}

/// Makes the client of one backend, whose bodies are `B`.
///
/// # Errors
/// What is wrong with the file of authorities.
pub(crate) fn client<B>(
    protocol: Protocol,
    options: &ProxyTlsConfig,
    timeout: Duration,
) -> Result<Client<HttpsConnector<HttpConnector>, B>, String>
where
    B: http_body::Body + Send + 'static + Unpin,
    B::Data: Send,
{
    let mut tcp = HttpConnector::new();
    tcp.enforce_http(false);
    tcp.set_nodelay(true);
    tcp.set_connect_timeout(Some(timeout));
    let tls = tls::config(options.server_ca_pem_file.as_deref())?;
    let builder = HttpsConnectorBuilder::new()
        .with_tls_config(tls)
        .https_or_http();
    let connector = match protocol {
        Protocol::Http1 => builder.enable_http1().wrap_connector(tcp),
        Protocol::Http2 => builder.enable_http2().wrap_connector(tcp),
    };
    let client = Client::builder(TokioExecutor::new())
        .pool_timer(TokioTimer::new())
        .timer(TokioTimer::new())
        .pool_idle_timeout(IDLE)
        .pool_max_idle_per_host(MAX_IDLE)
        .http2_only(protocol == Protocol::Http2)
        .build(connector);
    Ok(client)
}

/// What an error of the client means. The address stands in the configuration and is not repeated: it may have secrets.
pub(crate) fn unanswered(error: &hyper_util::client::legacy::Error) -> Unanswered {
    let mut reason = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(inner) = cause {
        reason = inner.to_string();
        cause = inner.source();
    }
    match error.is_connect() {
        true => Unanswered::Unreachable(reason),
        false => Unanswered::Broken(reason),
    }
}
