//! One connection's life, as those see it who send: commands go into its buffer, confirmations come out.
//!
//! In: commands, from any thread. Out: bytes for the connection's task to write, many commands together. A server
//! processes the commands of a connection in order, so the answer to a ping proves all that were sent before it; who
//! wants a proof while a ping is about to be sent shares it. When the connection ends everyone who waits is told.

use std::collections::{HashSet, VecDeque};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::BytesMut;
use tokio::sync::{Notify, oneshot};
use tokio::time::Instant;

use super::wire::encoder;
use crate::Error;

/// Publications wait while this many bytes have not been written.
const MAX_UNWRITTEN: usize = 4 * 1024 * 1024;

/// Confirmations that may be waited for. Those that were given up make room.
const MAX_WAITERS: usize = 65_536;

/// A buffer that had to hold more is not kept.
const MAX_KEPT: usize = 1024 * 1024;

/// Subjects that are remembered as forbidden; when there are more, all are forgotten.
const MAX_FORBIDDEN: usize = 65_536;

/// `outgoing` is locked to add bytes or to take them, `forbidden` for a look-up or a change.
pub(super) struct Link {
    outgoing: Mutex<Outgoing>,
    forbidden: Mutex<HashSet<String>>,
    /// There is something to write, or the link has ended.
    written: Notify,
    /// What was there to write was taken, or the link has ended.
    taken: Notify,
    max_payload: AtomicUsize,
}

#[derive(Default)]
struct Outgoing {
    buffer: BytesMut,
    /// Pings that were sent so far.
    pings: u64,
    /// Pings that were answered so far.
    pongs: u64,
    wants_ping: bool,
    /// When the server answered last, or was asked after it had answered everything.
    asked: Option<Instant>,
    /// In the order of the pings whose answers they wait for.
    waiters: VecDeque<Waiter>,
    has_ended: bool,
}

impl Outgoing {
    /// Whether there is no place for one who waits. Those who gave up, the oldest first, make room.
    fn is_crowded(&mut self) -> bool {
        while self.waiters.len() >= MAX_WAITERS {
            if self
                .waiters
                .pop_front_if(|waiter| waiter.answer.is_closed())
                .is_none()
            {
                return true;
            }
        }
        false
    }
}

struct Waiter {
    ping: u64,
    answer: oneshot::Sender<()>,
}

impl Link {
    pub(super) fn new(max_payload: usize) -> Self {
        Self {
            outgoing: Mutex::default(),
            forbidden: Mutex::default(),
            written: Notify::new(),
            taken: Notify::new(),
            max_payload: AtomicUsize::new(max_payload),
        }
    }

    pub(super) fn limit_payload(&self, max_payload: usize) {
        self.max_payload.store(max_payload, Ordering::Relaxed);
    }

    /// Adds a message of this size; waits while there is no room for it. Nothing else is added while `encode` runs, so what it
    /// decides holds for the order of what is sent.
    pub(super) async fn send<T>(
        &self,
        size: usize,
        encode: impl FnOnce(&mut BytesMut) -> T,
    ) -> Result<T, Error> {
        let limit = self.max_payload.load(Ordering::Relaxed);
        if size > limit {
            return Err(Error::TooLarge { size, limit });
        }
        let encoded = loop {
            let taken = self.taken.notified();
            {
                let mut outgoing = self.outgoing();
                if outgoing.has_ended {
                    return Err(lost());
                }
                if outgoing.buffer.len() < MAX_UNWRITTEN {
                    break encode(&mut outgoing.buffer);
                }
            }
            taken.await;
        };
        self.written.notify_one();
        Ok(encoded)
    }

    /// Adds a publication; waits while there is no room for it.
    pub(super) async fn publish(
        &self,
        subject: &str,
        headers: &[u8],
        payload: &[u8],
    ) -> Result<(), Error> {
        self.send(headers.len() + payload.len(), |buffer| {
            encoder::publish(buffer, subject, headers, payload);
        })
        .await
    }

    /// Adds what is small and never waits.
    pub(super) fn add(&self, encode: impl FnOnce(&mut BytesMut)) {
        let mut outgoing = self.outgoing();
        if !outgoing.has_ended {
            encode(&mut outgoing.buffer);
            drop(outgoing);
            self.written.notify_one();
        }
    }

    /// Waits until the server has processed everything that was added before.
    pub(super) async fn confirm(&self) -> Result<(), Error> {
        let (answer, answered) = oneshot::channel();
        {
            let mut outgoing = self.outgoing();
            if outgoing.has_ended {
                return Err(lost());
            }
            if outgoing.is_crowded() {
                let reason = "too many wait for an answer from nats";
                return Err(Error::Unavailable(reason.to_owned()));
            }
            let ping = outgoing.pings + 1;
            outgoing.wants_ping = true;
            outgoing.waiters.push_back(Waiter { ping, answer });
        }
        self.written.notify_one();
        answered.await.map_err(|_| lost())
    }

    /// The server does not let us subscribe to this subject. It says so before it answers the ping behind.
    pub(super) fn forbid(&self, subject: &str) {
        let mut forbidden = self.forbidden();
        if forbidden.len() >= MAX_FORBIDDEN {
            forbidden.clear();
        }
        forbidden.insert(subject.to_owned());
    }

    pub(super) fn is_forbidden(&self, subject: &str) -> bool {
        self.forbidden().contains(subject)
    }

    /// Asks the server for a sign of life.
    pub(super) fn ping(&self) {
        self.outgoing().wants_ping = true;
        self.written.notify_one();
    }

    /// For how long the server has answered nothing that it was asked.
    pub(super) fn unanswered(&self) -> Duration {
        let outgoing = self.outgoing();
        match outgoing.asked {
            Some(asked) if outgoing.pings > outgoing.pongs => asked.elapsed(),
            _ => Duration::ZERO,
        }
    }

    /// The server answered a ping.
    pub(super) fn pong(&self) {
        let mut outgoing = self.outgoing();
        outgoing.pongs += 1;
        outgoing.asked = Some(Instant::now());
        let pongs = outgoing.pongs;
        while let Some(waiter) = outgoing.waiters.pop_front_if(|waiter| waiter.ping <= pongs) {
            // One that no longer listens has answered its own time-out.
            let _gone = waiter.answer.send(());
        }
    }

    /// Waits for bytes to write, and puts them into `buffer`. `None` when the link has ended.
    pub(super) async fn take(&self, buffer: &mut BytesMut) -> Option<()> {
        buffer.clear();
        if buffer.capacity() > MAX_KEPT {
            *buffer = BytesMut::new();
        }
        loop {
            {
                let mut outgoing = self.outgoing();
                if outgoing.has_ended {
                    return None;
                }
                if std::mem::take(&mut outgoing.wants_ping) {
                    if outgoing.pings == outgoing.pongs {
                        outgoing.asked = Some(Instant::now());
                    }
                    outgoing.pings += 1;
                    outgoing.buffer.extend_from_slice(encoder::PING);
                }
                if !outgoing.buffer.is_empty() {
                    std::mem::swap(&mut outgoing.buffer, buffer);
                    break;
                }
            }
            self.written.notified().await;
        }
        self.taken.notify_waiters();
        Some(())
    }

    /// Nothing is sent any more, and nothing will be confirmed.
    pub(super) fn end(&self) {
        let mut outgoing = self.outgoing();
        *outgoing = Outgoing {
            has_ended: true,
            ..Outgoing::default()
        };
        drop(outgoing);
        self.written.notify_one();
        self.taken.notify_waiters();
    }

    fn forbidden(&self) -> MutexGuard<'_, HashSet<String>> {
        self.forbidden
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn outgoing(&self) -> MutexGuard<'_, Outgoing> {
        // A panic while it was held leaves at worst half a command, which the server answers by ending the connection.
        self.outgoing.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

pub(super) fn lost() -> Error {
    Error::Unavailable("the connection to nats was lost".to_owned())
}

#[cfg(test)]
mod tests;
