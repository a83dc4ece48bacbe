//! Proof that the server has processed what was sent before.
//!
//! In: callers, each after its own command. Out: an answer to each. A server processes the commands of a connection in
//! order, so a message to ourselves that comes back proves all that were sent before it. One barrier is under way at a
//! time; whoever comes meanwhile waits for the next one together, because only a barrier that starts later covers
//! their commands. Up to [`WAITERS`] callers wait here, more of them wait for a place within their own time-outs.

use std::time::Duration;

use async_nats::{SubscribeError, Subscriber};
use futures_util::StreamExt;
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

use super::connection::Connection;
use crate::Error;

const WAITERS: usize = 1024;

/// Where callers wait for their proof.
pub(super) struct Barrier {
    waiters: mpsc::Sender<Waiter>,
}

/// A caller that sent its command in `generation`.
struct Waiter {
    generation: u64,
    answer: oneshot::Sender<Result<(), Error>>,
}

impl Barrier {
    /// A barrier over this connection. Its task ends when it is dropped.
    pub(super) async fn start(
        connection: Connection,
        timeout: Duration,
    ) -> Result<Self, SubscribeError> {
        let inbox = connection.client.new_inbox();
        let echoes = connection.client.subscribe(inbox.clone()).await?;
        let (sender, waiters) = mpsc::channel(WAITERS);
        let runner = Runner {
            connection,
            inbox,
            echoes,
            passes: 0,
            timeout,
        };
        tokio::spawn(runner.run(waiters));
        Ok(Self { waiters: sender })
    }

    /// Waits for the proof that everything sent before this call, in `generation`, was processed.
    pub(super) async fn pass(&self, generation: u64) -> Result<(), Error> {
        let (answer, answered) = oneshot::channel();
        let ended = || Error::Unavailable("the connection to nats has ended".to_owned());
        self.waiters
            .send(Waiter { generation, answer })
            .await
            .map_err(|_| ended())?;
        answered.await.unwrap_or_else(|_| Err(ended()))
    }
}

struct Runner {
    connection: Connection,
    inbox: String,
    echoes: Subscriber,
    passes: u64,
    timeout: Duration,
}

impl Runner {
    async fn run(mut self, mut waiters: mpsc::Receiver<Waiter>) {
        let mut together = Vec::new();
        while waiters.recv_many(&mut together, WAITERS).await > 0 {
            let outcome = self.pass().await;
            let arrived_in = self.connection.generation();
            for Waiter { generation, answer } in together.drain(..) {
                let proof = match &outcome {
                    Ok(()) if arrived_in == Some(generation) => Ok(()),
                    Ok(()) => Err(lost()),
                    Err(error) => Err(error.clone()),
                };
                // A caller that no longer listens has answered its own time-out.
                let _gone = answer.send(proof);
            }
        }
    }

    /// One message to ourselves, there and back.
    async fn pass(&mut self) -> Result<(), Error> {
        let Some(generation) = self.connection.generation() else {
            return Err(lost());
        };
        let (connection, limit) = (self.connection.clone(), self.timeout);
        tokio::select! {
            echo = timeout(limit, self.echo()) => echo.unwrap_or_else(|_| Err(no_answer(limit))),
            () = connection.lost(generation) => Err(lost()),
        }
    }

    async fn echo(&mut self) -> Result<(), Error> {
        self.passes += 1;
        let mark = self.passes.to_string();
        let sent = self
            .connection
            .client
            .publish(self.inbox.clone(), mark.clone().into())
            .await;
        sent.map_err(|_| lost())?;
        // Echoes of passes that were given up come first.
        while let Some(echo) = self.echoes.next().await {
            if echo.payload == mark {
                return Ok(());
            }
        }
        Err(lost())
    }
}

fn lost() -> Error {
    Error::Unavailable("the connection to nats was lost".to_owned())
}

/// The error of a time-out.
pub(super) fn no_answer(limit: Duration) -> Error {
    Error::Unavailable(format!("no answer from nats within {limit:?}"))
}
