//! Makes NATS clients of options: checks what can be checked, reads the files, connects.
//!
//! In: [`NatsOptions`]. Out: a [`Link`], or a [`ConnectError`] that names what to mend. A server that cannot be reached
//! is no error: the client goes on trying for ever, with a bounded pause.

mod classify;
mod error;
mod files;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_nats::{ConnectOptions, Event, ServerAddr, ServerError};
use tokio::sync::watch;

use super::connection::Connection;
use super::counters::Counters;
use super::delivery::SUBSCRIPTION_QUEUE;
use super::link::Link;
use super::options::{NatsOptions, TlsMode, without_credentials};
pub use error::ConnectError;

use classify::Failure;
use files::Secret;

/// A connection that says nothing for this long is asked, and given up after the third question.
const PING_INTERVAL: Duration = Duration::from_secs(5);

/// The longest pause between two attempts to reconnect.
const MAX_PAUSE: Duration = Duration::from_secs(2);

/// A client that was shut down no longer tries.
const NEVER: Duration = Duration::from_secs(24 * 60 * 60);

/// Checked options, from which clients are made.
pub(super) struct Connector {
    options: NatsOptions,
    addresses: Vec<ServerAddr>,
    secret: Secret,
    counters: Arc<Counters>,
    is_closed: Arc<AtomicBool>,
}

impl Connector {
    /// Checks the options and reads their files.
    pub(super) fn prepare(
        options: NatsOptions,
        counters: Arc<Counters>,
        is_closed: Arc<AtomicBool>,
    ) -> Result<Self, ConnectError> {
        let addresses = options
            .urls
            .iter()
            .map(|url| parse_url(url))
            .collect::<Result<Vec<_>, _>>()?;
        if addresses.is_empty() {
            return Err(ConnectError::Url {
                url: String::new(),
                reason: "give at least one".to_owned(),
            });
        }
        let secret = Secret::read(&options.authentication)?;
        files::check_tls(&options.tls)?;
        Ok(Self {
            options,
            addresses,
            secret,
            counters,
            is_closed,
        })
    }

    pub(super) fn counters(&self) -> &Counters {
        &self.counters
    }

    /// Tries once, and goes on in the background if the servers cannot be reached.
    pub(super) async fn first(&self) -> Result<Link, ConnectError> {
        let urls = self.options.shown_urls();
        match self.link(|options| options).await {
            Ok(link) => return Ok(link),
            Err(error) => match Failure::of(&error) {
                Failure::Authentication => {
                    return Err(ConnectError::Refused {
                        urls,
                        reason: error.to_string(),
                    });
                }
                Failure::Tls => {
                    return Err(ConnectError::Tls {
                        urls,
                        reason: error.to_string(),
                    });
                }
                Failure::Unreachable => {
                    tracing::warn!(urls, %error, "nats cannot be reached yet, trying on")
                }
            },
        }
        self.in_background()
            .await
            .map_err(|error| ConnectError::Url {
                url: urls,
                reason: error.to_string(),
            })
    }

    /// Returns at once and connects in the background.
    pub(super) async fn in_background(&self) -> Result<Link, async_nats::ConnectError> {
        self.link(ConnectOptions::retry_on_initial_connect).await
    }

    async fn link(
        &self,
        adjust: impl FnOnce(ConnectOptions) -> ConnectOptions,
    ) -> Result<Link, async_nats::ConnectError> {
        let (news_sender, news) = watch::channel(());
        let options = adjust(self.client_options(news_sender));
        let client = options.connect(self.addresses.as_slice()).await?;
        let link = Link::over(Connection::new(client, news), self.options.timeout).await;
        link.map_err(|error| {
            async_nats::ConnectError::with_source(async_nats::ConnectErrorKind::Io, error)
        })
    }

    fn client_options(&self, news: watch::Sender<()>) -> ConnectOptions {
        let counters = Arc::clone(&self.counters);
        let is_closed = Arc::clone(&self.is_closed);
        let tls = &self.options.tls;
        let is_tls_url = self.addresses.iter().any(ServerAddr::tls_required);
        let mut options = self.secret.apply(ConnectOptions::new());
        if let Some(ca_file) = &tls.ca_file {
            options = options.add_root_certificates(ca_file.clone());
        }
        if let Some(client) = &tls.client {
            options = options
                .add_client_certificate(client.certificate_file.clone(), client.key_file.clone());
        }
        options
            // Servers learnt from other servers have no scheme of their own.
            .require_tls(tls.mode == TlsMode::Required || is_tls_url)
            .name(&self.options.name)
            .connection_timeout(self.options.timeout)
            .ping_interval(PING_INTERVAL)
            .subscription_capacity(SUBSCRIPTION_QUEUE)
            .reconnect_delay_callback(move |attempts| match is_closed.load(Ordering::Acquire) {
                true => NEVER,
                false => pause_before(attempts),
            })
            .event_callback(move |event| {
                observe(&event, &counters);
                news.send_replace(());
                std::future::ready(())
            })
    }
}

pub(super) fn parse_url(url: &str) -> Result<ServerAddr, ConnectError> {
    let error = |reason: &str| ConnectError::Url {
        url: without_credentials(url),
        reason: reason.to_owned(),
    };
    let address: ServerAddr = url
        .trim()
        .parse()
        .map_err(|_| error("it should be like nats://host:4222"))?;
    if address.has_user_pass() || address.password().is_some() {
        return Err(error(
            "it holds credentials, which belong in settings of their own",
        ));
    }
    if address.is_websocket() || address.host().is_empty() {
        return Err(error(
            "it should be like nats://host:4222 or tls://host:4222",
        ));
    }
    Ok(address)
}

fn pause_before(attempts: usize) -> Duration {
    let doublings = u32::try_from(attempts.saturating_sub(2))
        .unwrap_or(u32::MAX)
        .min(10);
    match attempts {
        0 | 1 => Duration::ZERO,
        _ => (Duration::from_millis(50) * 2_u32.pow(doublings)).min(MAX_PAUSE),
    }
}

fn observe(event: &Event, counters: &Counters) {
    match event {
        Event::SlowConsumer(_) => {
            if let Some(total) = counters.overflowed.add() {
                tracing::warn!(
                    total,
                    "queue of a subscription is full, publications dropped"
                );
            }
        }
        Event::ServerError(error) => {
            if let Some(total) = counters.refused.add() {
                let error = match error {
                    ServerError::Other(text) => text.as_str(),
                    ServerError::AuthorizationViolation => "authorization violation",
                    ServerError::SlowConsumer(_) => "slow consumer",
                };
                tracing::error!(total, error, "nats reports an error");
            }
        }
        Event::Connected => tracing::info!("connected to nats"),
        Event::Disconnected => tracing::warn!("connection to nats lost, trying to get it back"),
        Event::ClientError(error) => tracing::debug!(%error, "nats attempt failed"),
        Event::LameDuckMode | Event::Draining | Event::Closed => {
            tracing::debug!(%event, "nats connection")
        }
    }
}
