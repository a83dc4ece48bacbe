//! The backbone through NATS: a channel is a subject, a publication is a message on it.
//!
//! In: a publication, or a subscription to a channel. Out: raw payloads with their metadata in headers, which anyone
//! with permission on the subject may send and receive too. What comes from the bus is hostile until it is parsed:
//! malformed metadata is dropped and counted. Nothing here knows gateways; only `subject` spells subjects.
//!
//! # What it costs and where it is bounded
//! Each subscription is one NATS subscription, one task and one queue of [`SUBSCRIPTION_QUEUE`] messages, a few
//! hundred bytes while idle. Messages that find the queue full are dropped and counted ([`Counters::overflowed`]); a
//! message is never larger than the server's `max_payload`. Each publish and subscribe waits for a barrier, a message
//! to itself that proves that the server processed what came before; callers at the same time share one.
//!
//! # Limits
//! In a cluster a server learns of a subscription at another one a moment after `subscribe` has returned. What is
//! published through that other server in this moment is not heard. A server that forbids a subject says so after the
//! fact: such a publish is answered `Ok`, and the refusal is logged and counted ([`Counters::refused`]).

mod barrier;
mod connection;
mod connector;
mod counters;
mod delivery;
mod keeper;
mod link;
mod metadata;
mod options;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::task::AbortHandle;
use tokio::time::timeout;

pub use connector::ConnectError;
pub use counters::Counters;
pub use delivery::SUBSCRIPTION_QUEUE;
pub use metadata::{MAX_INFO_BYTES, MAX_TAGS_BYTES};
pub use options::{Authentication, ClientCertificate, NatsOptions, TlsMode, TlsOptions};

use crate::subject::Subjects;
use crate::{Backbone, Channel, Confirmation, Count, Error, Listener, Publication, Subscription};
use connector::Connector;
use delivery::Delivery;
use link::Link;

/// A connection to NATS that comes back by itself.
pub struct Nats {
    subjects: Subjects,
    timeout: Duration,
    counters: Arc<Counters>,
    /// The client in use; the keeper replaces one that has ended.
    links: watch::Receiver<Arc<Link>>,
    keeper: AbortHandle,
    is_closed: Arc<AtomicBool>,
    /// Where deliveries run: not on the caller's runtime, which may end before its subscriptions do.
    runtime: Handle,
}

impl Nats {
    /// Connects to NATS. When no server can be reached now, it goes on trying in the background, and
    /// [`Backbone::is_ready`] tells when it has succeeded.
    ///
    /// # Errors
    /// [`ConnectError`] for what trying again would not mend: the options, their files, a refused authentication, TLS.
    pub async fn connect(options: NatsOptions) -> Result<Self, ConnectError> {
        let subjects = Subjects::new(&options.prefix)?;
        let timeout = options.timeout;
        let counters = Arc::new(Counters::default());
        let is_closed = Arc::new(AtomicBool::new(false));
        let connector = Connector::prepare(options, Arc::clone(&counters), Arc::clone(&is_closed))?;
        let (sender, links) = watch::channel(Arc::new(connector.first().await?));
        let keeper = tokio::spawn(keeper::keep(connector, sender)).abort_handle();
        Ok(Self {
            subjects,
            timeout,
            counters,
            links,
            keeper,
            is_closed,
            runtime: Handle::current(),
        })
    }

    /// What went wrong so far.
    #[must_use]
    pub fn counters(&self) -> &Counters {
        &self.counters
    }

    fn link(&self) -> Result<Arc<Link>, Error> {
        if self.is_closed.load(Ordering::Acquire) {
            return Err(Error::Unavailable("it was shut down".to_owned()));
        }
        Ok(Arc::clone(&self.links.borrow()))
    }

    async fn subscribe_to(
        &self,
        channel: &Channel,
        listener: Arc<dyn Listener>,
    ) -> Result<Subscription, Error> {
        // Marked as seen before the link is used, so that the delivery notices its successor.
        let mut links = self.links.clone();
        links.mark_unchanged();
        let link = self.link()?;
        let subject = self.subjects.publication(channel);
        let subscriber = link.subscribe(&subject).await?;
        let delivery = Delivery::new(subject, listener, links, Arc::clone(&self.counters));
        Ok(delivery.start(subscriber, &self.runtime))
    }

    async fn say_goodbye(&self) {
        self.keeper.abort();
        let link = Arc::clone(&self.links.borrow());
        if timeout(self.timeout, link.close()).await.is_err() {
            tracing::warn!(timeout = ?self.timeout, "nats did not take what was left to send before the time-out");
        }
    }
}

impl Backbone for Nats {
    fn send<'a>(
        &'a self,
        channel: &'a Channel,
        publication: Publication,
    ) -> BoxFuture<'a, Result<Confirmation, Error>> {
        Box::pin(async move {
            let link = self.link()?;
            let subject = self.subjects.publication(channel);
            let sent = link.publish(subject, publication).await?;
            let confirmation: Confirmation = Box::pin(async move { link.confirm(sent).await });
            Ok(confirmation)
        })
    }

    fn subscribe<'a>(
        &'a self,
        channel: &'a Channel,
        listener: Arc<dyn Listener>,
    ) -> BoxFuture<'a, Result<Subscription, Error>> {
        Box::pin(self.subscribe_to(channel, listener))
    }

    fn is_ready(&self) -> bool {
        self.link().is_ok_and(|link| link.is_connected())
    }

    fn counts(&self) -> Vec<Count> {
        self.counters.counts()
    }

    fn shutdown(&self) -> BoxFuture<'_, ()> {
        Box::pin(async {
            if !self.is_closed.swap(true, Ordering::AcqRel) {
                self.say_goodbye().await;
            }
        })
    }
}

impl Drop for Nats {
    fn drop(&mut self) {
        self.is_closed.store(true, Ordering::Release);
        self.keeper.abort();
    }
}

impl fmt::Debug for Nats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Nats")
            .field("is_ready", &self.is_ready())
            .finish_non_exhaustive()
    }
}
