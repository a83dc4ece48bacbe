//! One life of the NATS client: commands, each confirmed by the barrier within the time-out.

use std::future::ready;
use std::time::Duration;

use async_nats::{PublishErrorKind, SubscribeError, Subscriber};
use tokio::time::{Instant, timeout_at};

use super::barrier::{Barrier, no_answer};
use super::connection::Connection;
use super::metadata;
use crate::{Error, Publication};

/// A client with its barrier.
pub(super) struct Link {
    connection: Connection,
    barrier: Barrier,
    timeout: Duration,
}

/// A command on its way: in which generation it was sent, and until when its proof is waited for.
#[derive(Clone, Copy)]
pub(super) struct Sent {
    generation: u64,
    deadline: Instant,
}

impl Link {
    pub(super) async fn over(
        connection: Connection,
        timeout: Duration,
    ) -> Result<Self, SubscribeError> {
        let barrier = Barrier::start(connection.clone(), timeout).await?;
        Ok(Self {
            connection,
            barrier,
            timeout,
        })
    }

    pub(super) fn is_connected(&self) -> bool {
        self.connection.generation().is_some()
    }

    pub(super) async fn ended(&self) {
        self.connection.ended().await;
    }

    /// Sends a publication, for [`Link::confirm`] to wait until the server has it.
    pub(super) async fn publish(
        &self,
        subject: String,
        publication: Publication,
    ) -> Result<Sent, Error> {
        let sent = self.sent()?;
        self.in_time(sent, self.send(subject, publication)).await?;
        Ok(sent)
    }

    /// Waits for the proof that the server processed what was sent.
    pub(super) async fn confirm(&self, sent: Sent) -> Result<(), Error> {
        self.in_time(sent, self.barrier.pass(sent.generation)).await
    }

    /// Subscribes and waits until the server knows it.
    pub(super) async fn subscribe(&self, subject: &str) -> Result<Subscriber, Error> {
        self.confirmed(async { self.subscribe_later(subject).await.map_err(unavailable) })
            .await
    }

    /// Subscribes as soon as there is a connection.
    pub(super) async fn subscribe_later(
        &self,
        subject: &str,
    ) -> Result<Subscriber, SubscribeError> {
        self.connection.client.subscribe(subject.to_owned()).await
    }

    /// Sends what is left and ends the client. Without a connection there is nobody to send it to.
    pub(super) async fn close(&self) {
        if self.confirmed(ready(Ok(()))).await.is_ok()
            && self.connection.client.drain().await.is_ok()
        {
            self.ended().await;
        }
    }

    async fn send(&self, subject: String, publication: Publication) -> Result<(), Error> {
        let client = &self.connection.client;
        let headers = metadata::encode(&publication)?;
        let (size, limit) = (
            metadata::wire_size(headers.as_ref(), &publication.data),
            client.max_payload(),
        );
        let sent = match headers {
            _ if size > limit => return Err(Error::TooLarge { size, limit }),
            Some(headers) => {
                client
                    .publish_with_headers(subject, headers, publication.data)
                    .await
            }
            None => client.publish(subject, publication.data).await,
        };
        sent.map_err(|error| match error.kind() {
            // The server lowered its limit just now.
            PublishErrorKind::MaxPayloadExceeded => Error::TooLarge {
                size,
                limit: client.max_payload(),
            },
            PublishErrorKind::InvalidSubject | PublishErrorKind::Send => unavailable(error),
        })
    }

    /// Runs a command that sends, then waits for the proof that the server processed it.
    async fn confirmed<T>(
        &self,
        command: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, Error> {
        let sent = self.sent()?;
        let value = self.in_time(sent, command).await?;
        self.confirm(sent).await?;
        Ok(value)
    }

    /// A command that begins now.
    fn sent(&self) -> Result<Sent, Error> {
        let generation = self.connection.generation();
        let generation =
            generation.ok_or_else(|| Error::Unavailable("not connected to nats".to_owned()))?;
        let deadline = Instant::now() + self.timeout;
        Ok(Sent {
            generation,
            deadline,
        })
    }

    async fn in_time<T>(
        &self,
        sent: Sent,
        step: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, Error> {
        timeout_at(sent.deadline, step)
            .await
            .unwrap_or_else(|_| Err(no_answer(self.timeout)))
    }
}

fn unavailable(error: impl std::error::Error) -> Error {
    Error::Unavailable(error.to_string())
}
