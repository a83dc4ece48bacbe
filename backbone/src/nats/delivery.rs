//! One subscription's way from NATS to its listener.
//!
//! In: messages of one subject. Out: `deliver` with each publication, in order. The task lives until its
//! `Subscription` is dropped; when the NATS client under it ends, it subscribes again at the client's successor.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_nats::{Message, Subscriber};
use futures_util::StreamExt;
use tokio::runtime::Handle;
use tokio::sync::watch;

use super::counters::Counters;
use super::link::Link;
use super::metadata;
use crate::{Listener, Subscription};

/// How many messages wait for one listener. A message that finds no room is dropped and counted.
pub const SUBSCRIPTION_QUEUE: usize = 4096;

pub(super) struct Delivery {
    subject: String,
    listener: Arc<dyn Listener>,
    links: watch::Receiver<Arc<Link>>,
    counters: Arc<Counters>,
    is_cancelled: Arc<AtomicBool>,
}

impl Delivery {
    /// A delivery that has seen the current link of `links`.
    pub(super) fn new(
        subject: String,
        listener: Arc<dyn Listener>,
        links: watch::Receiver<Arc<Link>>,
        counters: Arc<Counters>,
    ) -> Self {
        Self {
            subject,
            listener,
            links,
            counters,
            is_cancelled: Arc::default(),
        }
    }

    /// Runs until the subscription is dropped.
    pub(super) fn start(self, subscriber: Subscriber, runtime: &Handle) -> Subscription {
        let is_cancelled = Arc::clone(&self.is_cancelled);
        let task = runtime.spawn(self.run(subscriber)).abort_handle();
        Subscription::new(move || {
            // An aborted task may still find messages ready before it next yields.
            is_cancelled.store(true, Ordering::Release);
            task.abort();
        })
    }

    async fn run(mut self, mut subscriber: Subscriber) {
        loop {
            while let Some(message) = subscriber.next().await {
                self.deliver(message);
            }
            match self.subscribe_again().await {
                Some(next) => subscriber = next,
                None => return,
            }
        }
    }

    fn deliver(&self, message: Message) {
        match metadata::decode(message) {
            _ if self.is_cancelled.load(Ordering::Acquire) => {}
            Ok(publication) => self.listener.deliver(publication),
            Err(reason) => {
                if let Some(total) = self.counters.malformed.add() {
                    tracing::warn!(subject = %self.subject, %reason, total, "malformed publication dropped");
                }
            }
        }
    }

    /// Waits for the next link; `None` when there will be none.
    async fn subscribe_again(&mut self) -> Option<Subscriber> {
        loop {
            self.links.changed().await.ok()?;
            let link = Arc::clone(&self.links.borrow_and_update());
            if let Ok(subscriber) = link.subscribe_later(&self.subject).await {
                return Some(subscriber);
            }
        }
    }
}
