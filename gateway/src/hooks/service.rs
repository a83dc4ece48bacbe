//! Asks a backend on the bus: request and reply over NATS, with the same JSON as over HTTP.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tidegate_backbone::{AskError, Backbone, Message, Topic};

use super::answer::{Answer, Unanswered};
use super::json;
use super::question::Event;
use super::store::Store;

/// The header that tells what is asked.
pub(super) const EVENT_HEADER: &str = "Tide-Event";

/// The header by which a stream stores what is sent again once.
pub(super) const ID_HEADER: &str = "Nats-Msg-Id";

/// The header of NATS services that refuse.
const REFUSAL_HEADER: &str = "Nats-Service-Error-Code";

/// Backends that hear about one topic.
pub(super) struct Service {
    bus: Arc<dyn Backbone>,
    topic: Topic,
    size_limit: usize,
    store: Store,
}

impl Service {
    pub(super) fn new(bus: Arc<dyn Backbone>, topic: Topic, size_limit: usize) -> Self {
        Self {
            bus,
            topic,
            size_limit,
            store: Store::new(),
        }
    }

    /// Stores a notice for whoever fetches it, or tells who hears.
    pub(super) async fn tell(
        &self,
        event: Event,
        id: &str,
        body: Bytes,
        headers: &[(&str, &str)],
    ) -> Result<(), Unanswered> {
        let mut message = message(event, body, headers);
        let id = (ID_HEADER.to_owned(), id.to_owned());
        message.headers.push(id);
        let topic = self.topic.of_event(event.name());
        self.store.put(&*self.bus, &topic, message).await
    }

    /// Makes the stream of notices, where there can be one.
    pub(super) async fn prepare(&self) -> Result<(), Unanswered> {
        self.store.is_kept(&*self.bus).await.map(drop)
    }

    /// Whether notices are stored.
    pub(super) fn stores(&self) -> bool {
        self.store.was_kept()
    }

    /// Asks whoever hears; the first answer counts.
    pub(super) async fn ask(
        &self,
        event: Event,
        body: Bytes,
        headers: &[(&str, &str)],
        within: Duration,
    ) -> Result<Answer, Unanswered> {
        let question = message(event, body, headers);
        let answer = self.bus.ask(&self.topic, question, within).await;
        let answer = answer.map_err(|error| match error {
            AskError::NobodyHears => Unanswered::Unreachable("nobody hears".to_owned()),
            AskError::Late(within) => Unanswered::Late(within),
            AskError::Unsent(error) => Unanswered::Unreachable(error.to_string()),
        })?;
        if answer.data.len() > self.size_limit {
            return Err(Unanswered::TooLarge(self.size_limit));
        }
        if let Some(code) = answer.header(REFUSAL_HEADER) {
            return Err(Unanswered::Status(code.parse().unwrap_or(500)));
        }
        json::decode(&answer.data)
    }
}

/// What is sent: the event and the client's headers beside the payload.
fn message(event: Event, body: Bytes, headers: &[(&str, &str)]) -> Message {
    let own = (EVENT_HEADER.to_owned(), event.name().to_owned());
    let passed = headers.iter();
    let passed = passed.map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    Message {
        headers: std::iter::once(own).chain(passed).collect(),
        data: body,
    }
}
