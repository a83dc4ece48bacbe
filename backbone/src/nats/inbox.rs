//! Answers to requests: one subscription for all of them, told apart by the last token of the subject.
//!
//! In: messages of the inbox's subscription. Out: each answer to who waits for it, one or a row of them. What nobody waits
//! for any more is dropped, and so is everything of a waiter that is dropped, so the inbox holds what is under way.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use tokio::sync::{Notify, oneshot};

use super::metadata;

/// Answers of one row that are kept until it is whole; the others are dropped, which its reader notices.
const ROW_LIMIT: usize = 4_096;

/// One answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Answer {
    pub(super) headers: Bytes,
    pub(super) payload: Bytes,
}

impl Answer {
    /// The status on the first line, if there is one: `NATS/1.0 503`.
    pub(super) fn status(&self) -> Option<&str> {
        let line = self.headers.split(|byte| *byte == b'\r').next()?;
        let (_, status) = std::str::from_utf8(line).ok()?.split_once(' ')?;
        status.trim().split(' ').next().filter(|it| !it.is_empty())
    }

    /// The value of a header.
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        metadata::header(&self.headers, name)
    }

    /// Where it stands in its stream.
    pub(super) fn sequence(&self) -> Option<u64> {
        self.header(metadata::SEQUENCE)?.parse().ok()
    }

    /// Whether it is a stored message. One that a publisher gave a status is, for its stream says where it stands.
    pub(super) fn is_stored(&self) -> bool {
        self.header(metadata::SEQUENCE).is_some()
    }
}

/// Where answers arrive.
#[derive(Debug)]
pub(super) struct Inbox {
    prefix: String,
    next: AtomicU64,
    /// Locked for a look-up or a change.
    waiting: Mutex<HashMap<u64, Waiter>>,
    /// Told whenever something is waited for no longer.
    settled: Notify,
}

#[derive(Debug)]
struct Waiter {
    row: Vec<Answer>,
    wants: Wants,
    done: oneshot::Sender<Vec<Answer>>,
}

/// How many answers there are to a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wants {
    One,
    /// Stored messages, and then one that is none.
    Row,
    /// As many as this, or what is there when no more are waited for.
    AtMost(usize),
}

/// An answer that is waited for; dropping it gives it up.
#[derive(Debug)]
pub(super) struct Pending {
    inbox: Arc<Inbox>,
    pub(super) number: u64,
    /// Where to answer.
    pub(super) subject: String,
    done: oneshot::Receiver<Vec<Answer>>,
}

impl Inbox {
    pub(super) fn new() -> Self {
        Self {
            prefix: format!(
                "_INBOX.{:016x}{:016x}",
                rand::random::<u64>(),
                rand::random::<u64>()
            ),
            next: AtomicU64::new(0),
            waiting: Mutex::default(),
            settled: Notify::new(),
        }
    }

    /// The subject of the subscription.
    pub(super) fn subject(&self) -> String {
        format!("{}.*", self.prefix)
    }

    /// Waits for what is answered on a new subject.
    pub(super) fn wait(self: &Arc<Self>, wants: Wants) -> Pending {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let (done, answered) = oneshot::channel();
        let waiter = Waiter {
            row: Vec::new(),
            wants,
            done,
        };
        self.waiting().insert(number, waiter);
        Pending {
            inbox: Arc::clone(self),
            number,
            subject: format!("{}.{number}", self.prefix),
            done: answered,
        }
    }

    /// Waits until an answer has come, or is waited for no longer.
    pub(super) async fn settled(&self, number: u64) {
        loop {
            let settled = self.settled.notified();
            if !self.waiting().contains_key(&number) {
                return;
            }
            settled.await;
        }
    }

    /// Takes a message of the subscription.
    pub(super) fn deliver(&self, subject: &[u8], headers: &[u8], payload: &[u8]) {
        let token = subject.rsplit(|byte| *byte == b'.').next();
        let number = token.and_then(|token| std::str::from_utf8(token).ok()?.parse().ok());
        let Some(number) = number else {
            return;
        };
        let answer = Answer {
            headers: Bytes::copy_from_slice(headers),
            payload: Bytes::copy_from_slice(payload),
        };
        let mut waiting = self.waiting();
        let Some(waiter) = waiting.get_mut(&number) else {
            return;
        };
        let is_last = match waiter.wants {
            Wants::One => true,
            Wants::Row => !answer.is_stored(),
            Wants::AtMost(enough) => waiter.row.len() + 1 >= enough || answer.status().is_some(),
        };
        if is_last || waiter.row.len() < ROW_LIMIT {
            waiter.row.push(answer);
        }
        if is_last && let Some(waiter) = waiting.remove(&number) {
            // One that no longer listens has given up.
            let _gone = waiter.done.send(waiter.row);
            self.settled.notify_waiters();
        }
    }

    fn waiting(&self) -> MutexGuard<'_, HashMap<u64, Waiter>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Pending {
    /// The answers; `None` if there will be none.
    pub(super) async fn answers(&mut self) -> Option<Vec<Answer>> {
        (&mut self.done).await.ok()
    }

    /// The answers that have come, when no more are waited for.
    pub(super) fn so_far(self) -> Vec<Answer> {
        let waiter = self.inbox.waiting().remove(&self.number);
        waiter.map(|it| it.row).unwrap_or_default()
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        self.inbox.waiting().remove(&self.number);
        self.inbox.settled.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    #[test]
    fn answers_go_to_who_asked() {
        // A publisher's own status and sequence stand before the stream's.
        const STORED: &[u8] = b"NATS/1.0 204 EOB\r\nNats-Sequence: 9\r\nNats-Sequence: 1\r\n\r\n";
        let inbox = Arc::new(Inbox::new());
        let (mut one, mut row) = (inbox.wait(Wants::One), inbox.wait(Wants::Row));
        let (one_subject, row_subject) = (one.subject.clone(), row.subject.clone());
        inbox.deliver(row_subject.as_bytes(), STORED, b"x");
        inbox.deliver(one_subject.as_bytes(), b"", b"y");
        inbox.deliver(one_subject.as_bytes(), b"", b"late");
        inbox.deliver(b"_INBOX.x.nonsense", b"", b"");
        assert!(row.answers().now_or_never().is_none());
        inbox.deliver(row_subject.as_bytes(), b"NATS/1.0 204 EOB\r\n\r\n", b"");
        let answers = row.answers().now_or_never().flatten().unwrap();
        assert_eq!(answers.len(), 2);
        assert_eq!(answers[0].header("Nats-Sequence"), Some("1"));
        assert_eq!(answers[1].status(), Some("204"));
        let answers = one.answers().now_or_never().flatten().unwrap();
        assert_eq!(answers[0].payload, "y");
        drop((one, row));
        drop(inbox.wait(Wants::One));
        assert!(inbox.waiting().is_empty());
    }
}
