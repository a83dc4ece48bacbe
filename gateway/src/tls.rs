//! TLS towards clients: the certificate of a port, renewed without a restart.
//!
//! In: paths of PEM files. Out: handshakes with the newest pair of certificate and key that fits together. One for all
//! workers of a node; a handshake runs on the worker that took the client in.

mod backlog;
mod files;
mod handshake;
mod stream;

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use tokio::time::sleep;
use tokio_rustls::rustls::crypto::{CryptoProvider, aws_lc_rs};
use tokio_rustls::rustls::server::{ClientHello, NoServerSessionStorage, ResolvesServerCert};
use tokio_rustls::rustls::sign::CertifiedKey;
use tokio_rustls::rustls::version::TLS13;
use tokio_rustls::rustls::{ALL_VERSIONS, ServerConfig, SupportedProtocolVersion};

use crate::config::ServerTlsConfig;
use crate::http2;
use files::{Files, Pair};
pub(crate) use stream::{Scratch, Stream};

/// What is spoken inside.
const HTTP1: &[u8] = b"http/1.1";

/// The node's end of TLS on one port.
pub(crate) struct Tls {
    files: Files,
    current: Arc<Current>,
    /// What the files held when they were last looked at, whether it was of use or not.
    seen: Mutex<Pair>,
    config: Arc<ServerConfig>,
    reload_interval: Duration,
    /// Time for a handshake.
    timeout: Duration,
}

/// The versions of HTTP that clients may choose from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Offer {
    Http1,
    Http2,
    Both,
}

/// A port on which clients may speak TLS.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Port<'a> {
    /// The section of its options.
    pub(crate) section: &'static str,
    pub(crate) options: &'a ServerTlsConfig,
    /// Time for a handshake.
    pub(crate) timeout: Duration,
}

/// What a look at the files came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Look {
    Unchanged,
    Renewed,
    /// The old pair stays; the reason is logged.
    Refused,
}

impl Tls {
    /// Loads certificate and key; `None` when TLS is off.
    ///
    /// # Errors
    /// One text a fault, each naming its option.
    pub(crate) fn load(port: Port<'_>, offer: Offer) -> Result<Option<Self>, Vec<String>> {
        let ServerTlsConfig {
            enabled: true,
            cert_pem_file: Some(certificate),
            key_pem_file: Some(key),
            ..
        } = port.options
        else {
            return Ok(None);
        };
        let provider = Arc::new(aws_lc_rs::default_provider());
        let files = Files {
            section: port.section,
            certificate: certificate.clone(),
            key: key.clone(),
        };
        let seen = files.read()?;
        let certified = files.certified(&seen, &provider)?;
        let current = Arc::new(Current(RwLock::new(Arc::new(certified))));
        let mut config = config(provider, port, Arc::clone(&current)).map_err(|it| vec![it])?;
        let protocols: &[&[u8]] = match offer {
            Offer::Http1 => &[HTTP1],
            Offer::Http2 => &[http2::PROTOCOL],
            Offer::Both => &[http2::PROTOCOL, HTTP1],
        };
        config.alpn_protocols = protocols.iter().map(|it| it.to_vec()).collect();
        Ok(Some(Self {
            files,
            current,
            seen: Mutex::new(seen),
            config: Arc::new(config),
            reload_interval: port.options.reload_interval,
            timeout: port.timeout,
        }))
    }

    /// Looks at the files again and again, for as long as the node runs. `told` hears of every change.
    pub(crate) async fn watch(self: Arc<Self>, told: impl Fn(Look)) {
        if self.reload_interval.is_zero() {
            return;
        }
        loop {
            sleep(self.reload_interval).await;
            let this = Arc::clone(&self);
            // The files may be on a network's disk.
            let look = tokio::task::spawn_blocking(move || this.look()).await;
            told(look.unwrap_or(Look::Refused));
        }
    }

    /// Takes a new pair from the files, if there is one that can be used. What the files hold is compared, not their
    /// times: orchestrators swap links, and a time may go back.
    fn look(&self) -> Look {
        let renewed = self.files.read().and_then(|pair| {
            let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
            if *seen == pair {
                return Ok(None);
            }
            let provider = self.config.crypto_provider();
            let certified = self.files.certified(&pair, provider);
            *seen = pair;
            certified.map(Some)
        });
        match renewed {
            Ok(None) => Look::Unchanged,
            Ok(Some(certified)) => {
                self.current.set(certified);
                tracing::info!("new certificate in use");
                Look::Renewed
            }
            Err(faults) => {
                let faults = faults.join("; ");
                tracing::error!(faults, "new certificate refused, the old one stays in use");
                Look::Refused
            }
        }
    }
}

fn config(
    provider: Arc<CryptoProvider>,
    port: Port<'_>,
    current: Arc<Current>,
) -> Result<ServerConfig, String> {
    let tickets = aws_lc_rs::Ticketer::new();
    let section = port.section;
    let tickets = tickets.map_err(|error| format!("{section}: {error}"))?;
    let builder = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(versions(&port.options.min_version))
        .map_err(|error| format!("{section}.min_version: {error}"))?;
    let mut config = builder.with_no_client_auth().with_cert_resolver(current);
    // Sessions are kept by clients, encrypted, and cost the node nothing. One ticket is enough for a client that opens one
    // connection at a time.
    config.ticketer = tickets;
    config.send_tls13_tickets = 1;
    config.session_storage = Arc::new(NoServerSessionStorage {});
    Ok(config)
}

fn versions(min_version: &str) -> &'static [&'static SupportedProtocolVersion] {
    static ONLY_TLS13: &[&SupportedProtocolVersion] = &[&TLS13];
    match min_version {
        "1.3" => ONLY_TLS13,
        _ => ALL_VERSIONS,
    }
}

/// The pair that new handshakes use. Locked for a copy of a pointer at a time.
#[derive(Debug)]
struct Current(RwLock<Arc<CertifiedKey>>);

impl Current {
    fn set(&self, certified: CertifiedKey) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(certified);
    }
}

impl ResolvesServerCert for Current {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let current = self.0.read().unwrap_or_else(PoisonError::into_inner);
        Some(Arc::clone(&current))
    }
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls")
            .field("files", &self.files)
            .finish_non_exhaustive()
    }
}
