//! A port's end of TLS: its certificate and the authorities of its clients, renewed without a restart.
//!
//! In: paths of PEM files. Out: handshakes with the newest contents that fit together, and counts of what became of them.
//! One [`Tls`] for all threads that take clients in on a port. It knows nothing of what is spoken inside.

mod files;

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use tidegate_backbone::Count;
use tokio::task::spawn_blocking;
use tokio::time::sleep;
use tokio_rustls::rustls::crypto::{CryptoProvider, aws_lc_rs};
use tokio_rustls::rustls::server::{NoServerSessionStorage, ProducesTickets};
use tokio_rustls::rustls::sign::SingleCertAndKey;
use tokio_rustls::rustls::version::TLS13;
use tokio_rustls::rustls::{ALL_VERSIONS, ServerConfig, SupportedProtocolVersion};

use files::{Contents, Usable};
pub use files::{TlsFile, TlsFiles};

/// What a port is to speak.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsOptions {
    /// The files.
    pub files: TlsFiles,
    /// The oldest version.
    pub min_version: TlsVersion,
    /// How often the files are looked at; zero for never.
    pub reload_interval: Duration,
}

/// A version of TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TlsVersion {
    /// TLS 1.2.
    Tls12,
    /// TLS 1.3.
    Tls13,
}

/// Why there can be no TLS: one text a fault, each naming its option.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", .0.join("; "))]
pub struct TlsError(pub Vec<String>);

/// A port's end of TLS.
pub struct Tls {
    options: TlsOptions,
    /// What is spoken inside, in the order that the server prefers.
    protocols: Vec<Vec<u8>>,
    provider: Arc<CryptoProvider>,
    tickets: Arc<dyn ProducesTickets>,
    /// What new handshakes use. Locked for a copy of a pointer at a time.
    current: RwLock<Arc<ServerConfig>>,
    /// What the files held when they were last looked at, whether it was of use or not.
    seen: Mutex<Contents>,
    failed: AtomicU64,
    renewed: AtomicU64,
    renewal_failed: AtomicU64,
}

impl Tls {
    /// Loads the files of a port on which one of `protocols` (ALPN) is spoken.
    ///
    /// # Errors
    /// [`TlsError`].
    pub fn load(options: TlsOptions, protocols: &[&[u8]]) -> Result<Self, TlsError> {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let tickets = aws_lc_rs::Ticketer::new();
        let tickets = tickets.map_err(|error| TlsError(vec![format!("TLS: {error}")]))?;
        let seen = options.files.read().map_err(TlsError)?;
        let usable = options.files.usable(&seen, &provider).map_err(TlsError)?;
        let protocols: Vec<_> = protocols.iter().map(|it| it.to_vec()).collect();
        let config = config(&options, &protocols, &provider, &tickets, usable);
        Ok(Self {
            current: RwLock::new(Arc::new(config)),
            options,
            protocols,
            provider,
            tickets,
            seen: Mutex::new(seen),
            failed: AtomicU64::new(0),
            renewed: AtomicU64::new(0),
            renewal_failed: AtomicU64::new(0),
        })
    }

    /// What a handshake that begins now is done with.
    #[must_use]
    pub fn config(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.current.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Whether clients must show certificates.
    #[must_use]
    pub fn asks_clients(&self) -> bool {
        self.options.files.client_ca.is_some()
    }

    /// A handshake failed, or took too long.
    pub fn handshake_failed(&self, reason: &dyn fmt::Display) {
        self.failed.fetch_add(1, Ordering::Relaxed);
        tracing::debug!(%reason, "a TLS handshake failed");
    }

    /// Looks at the files again and again, until it is dropped.
    pub async fn watch(self: Arc<Self>) -> std::convert::Infallible {
        if self.options.reload_interval.is_zero() {
            return std::future::pending().await;
        }
        loop {
            sleep(self.options.reload_interval).await;
            let this = Arc::clone(&self);
            // The files may be on a network's disk.
            let _looked = spawn_blocking(move || this.look()).await;
        }
    }

    /// Takes over what the files hold, if it is new and can be used. The contents are compared, not their times:
    /// orchestrators swap links, and a time may go back.
    fn look(&self) {
        let renewed = self.options.files.read().and_then(|contents| {
            let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
            if *seen == contents {
                return Ok(None);
            }
            let usable = self.options.files.usable(&contents, &self.provider);
            *seen = contents;
            usable.map(Some)
        });
        match renewed {
            Ok(None) => {}
            Ok(Some(usable)) => self.renew(usable),
            Err(faults) => {
                self.renewal_failed.fetch_add(1, Ordering::Relaxed);
                let faults = faults.join("; ");
                tracing::error!(faults, "new certificate refused, the old one stays in use");
            }
        }
    }

    fn renew(&self, usable: Usable) {
        let (options, protocols) = (&self.options, &self.protocols);
        let config = config(options, protocols, &self.provider, &self.tickets, usable);
        let mut current = self.current.write().unwrap_or_else(PoisonError::into_inner);
        *current = Arc::new(config);
        self.renewed.fetch_add(1, Ordering::Relaxed);
        tracing::info!("new certificate in use");
    }

    /// What happened on all of these ports together.
    pub fn counts<'a>(ports: impl IntoIterator<Item = &'a Self>) -> [Count; 3] {
        let mut values = [0; 3];
        for port in ports {
            let counts = [&port.failed, &port.renewed, &port.renewal_failed];
            for (value, count) in values.iter_mut().zip(counts) {
                *value += count.load(Ordering::Relaxed);
            }
        }
        let [failed, renewed, renewal_failed] = values;
        let count = |name, help, value| Count { name, help, value };
        [
            count(
                "tls_failed",
                "TLS handshakes that clients did not finish well or in time.",
                failed,
            ),
            count(
                "tls_renewed",
                "Certificates taken over while the process runs.",
                renewed,
            ),
            count(
                "tls_renewal_failed",
                "Looks at a new certificate or key that cannot be used.",
                renewal_failed,
            ),
        ]
    }
}

fn config(
    options: &TlsOptions,
    protocols: &[Vec<u8>],
    provider: &Arc<CryptoProvider>,
    tickets: &Arc<dyn ProducesTickets>,
    usable: Usable,
) -> ServerConfig {
    let mut config = ServerConfig::builder_with_provider(Arc::clone(provider))
        .with_protocol_versions(options.min_version.and_newer())
        .expect("the provider has suites for every version")
        .with_client_cert_verifier(usable.clients)
        .with_cert_resolver(Arc::new(SingleCertAndKey::from(usable.certified)));
    config.alpn_protocols = protocols.to_vec();
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    // A session that is resumed would not be held against authorities that have changed.
    if options.files.client_ca.is_none() {
        // Sessions are kept by clients, encrypted, and cost the node nothing. One ticket is enough for a client that
        // opens one connection at a time.
        config.ticketer = Arc::clone(tickets);
        config.send_tls13_tickets = 1;
    }
    config
}

impl TlsVersion {
    /// As it is written in options.
    pub const NAMES: [&'static str; 2] = ["1.2", "1.3"];

    /// The version of this name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        match name {
            "1.2" => Some(Self::Tls12),
            "1.3" => Some(Self::Tls13),
            _ => None,
        }
    }

    fn and_newer(self) -> &'static [&'static SupportedProtocolVersion] {
        static ONLY_TLS13: &[&SupportedProtocolVersion] = &[&TLS13];
        match self {
            Self::Tls12 => ALL_VERSIONS,
            Self::Tls13 => ONLY_TLS13,
        }
    }
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls")
            .field("options", &self.options)
            .finish_non_exhaustive()
    }
}
