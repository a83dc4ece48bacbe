//! Makes connections of options: checks what can be checked, reads the files, connects to one of the servers.
//!
//! In: [`NatsOptions`]. Out: an [`Accepted`] connection, or a [`ConnectError`] that names what to mend. A server that
//! cannot be reached is no error: it is tried again for ever, with a bounded pause.

mod address;
mod error;
mod failure;
mod files;
mod handshake;
mod tls;

use std::time::Duration;

use rand::seq::SliceRandom;
use tokio::time::{sleep, timeout};

use super::options::{NatsOptions, without_credentials};
use address::Address;
pub use error::ConnectError;
use failure::Failure;
use files::Secret;
pub(super) use handshake::{Accepted, Socket};

/// The longest pause between two attempts.
const MAX_PAUSE: Duration = Duration::from_secs(2);

/// Servers that other servers may tell us of.
const MAX_LEARNT: usize = 64;

/// Checked options, from which connections are made.
pub(super) struct Connector {
    options: NatsOptions,
    given: Vec<Address>,
    /// As the server that accepted us last has told.
    learnt: Vec<Address>,
    secret: Secret,
}

impl Connector {
    /// Checks the options and reads their files.
    pub(super) fn prepare(options: NatsOptions) -> Result<Self, ConnectError> {
        let given = options
            .urls
            .iter()
            .map(|url| parse_url(url))
            .collect::<Result<Vec<_>, _>>()?;
        if given.is_empty() {
            return Err(ConnectError::Url {
                url: String::new(),
                reason: "give at least one".to_owned(),
            });
        }
        let secret = Secret::read(&options.authentication)?;
        files::check_tls(&options.tls)?;
        Ok(Self {
            options,
            given,
            learnt: Vec::new(),
            secret,
        })
    }

    /// Tries each server once; `None` when none can be reached now.
    pub(super) async fn first(&mut self) -> Result<Option<Accepted>, ConnectError> {
        let urls = self.options.shown_urls();
        match self.round(&mut 0).await {
            Ok(accepted) => Ok(Some(accepted)),
            Err(Failure::Authentication(reason)) => Err(ConnectError::Refused { urls, reason }),
            Err(Failure::Tls(reason)) => Err(ConnectError::Tls { urls, reason }),
            Err(Failure::Unreachable(error)) => {
                tracing::warn!(urls, error, "nats cannot be reached yet, trying on");
                Ok(None)
            }
        }
    }

    /// Tries until a server accepts us. A pause comes before each attempt but the first, and the longer the more have
    /// failed; `attempts` begins with those that did before.
    pub(super) async fn again(&mut self, mut attempts: u32) -> Accepted {
        loop {
            match self.round(&mut attempts).await {
                Ok(accepted) => return accepted,
                Err(error) => tracing::debug!(%error, "nats attempt failed"),
            }
        }
    }

    /// Learns of the servers that a server tells of.
    pub(super) fn learn(&mut self, urls: &[String]) {
        let learnt = urls.iter().filter_map(|url| Address::parse(url).ok());
        self.learnt = learnt
            .filter(|address| !self.given.contains(address))
            .take(MAX_LEARNT)
            .collect();
    }

    /// Tries each server once, in any order, so that nodes spread over the servers.
    async fn round(&mut self, attempts: &mut u32) -> Result<Accepted, Failure> {
        let mut addresses: Vec<_> = self.given.iter().chain(&self.learnt).cloned().collect();
        addresses.shuffle(&mut rand::rng());
        let mut failure = Failure::Unreachable("there is no server".to_owned());
        for address in addresses {
            sleep(pause_before(*attempts)).await;
            *attempts = attempts.saturating_add(1);
            match self.connect(&address).await {
                Ok(accepted) => {
                    self.learn(&accepted.info.connect_urls);
                    return Ok(accepted);
                }
                Err(error @ Failure::Authentication(_)) => return Err(error),
                Err(error) => failure = error,
            }
        }
        Err(failure)
    }

    async fn connect(&self, address: &Address) -> Result<Accepted, Failure> {
        let limit = self.options.timeout;
        let shaken = timeout(
            limit,
            handshake::shake_hands(address, &self.options, &self.secret),
        );
        shaken.await.unwrap_or_else(|_| {
            let reason = format!("no answer from {address} within {limit:?}");
            Err(Failure::Unreachable(reason))
        })
    }
}

pub(super) fn parse_url(url: &str) -> Result<Address, ConnectError> {
    Address::parse(url).map_err(|reason| ConnectError::Url {
        url: without_credentials(url),
        reason: reason.to_owned(),
    })
}

fn pause_before(attempts: u32) -> Duration {
    match attempts {
        0 | 1 => Duration::ZERO,
        _ => (Duration::from_millis(50) * 2_u32.pow((attempts - 2).min(10))).min(MAX_PAUSE),
    }
}
