//! Asks a backend on the bus: request and reply over NATS, with the same JSON as over HTTP.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tidegate_backbone::{AskError, Backbone, Message, Topic};

use super::answer::{Answer, Unanswered};
use super::json;
use super::question::Event;

/// The header that tells what is asked.
pub(super) const EVENT_HEADER: &str = "Tide-Event";

/// The header of NATS services that refuse.
const REFUSAL_HEADER: &str = "Nats-Service-Error-Code";

/// Backends that hear about one topic.
pub(super) struct Service {
    bus: Arc<dyn Backbone>,
    topic: Topic,
    size_limit: usize,
}

impl Service {
    pub(super) fn new(bus: Arc<dyn Backbone>, topic: Topic, size_limit: usize) -> Self {
        Self {
            bus,
            topic,
            size_limit,
        }
    }

    /// Asks whoever hears; the first answer counts.
    pub(super) async fn ask(
        &self,
        event: Event,
        body: Bytes,
        headers: &[(&str, &str)],
        within: Duration,
    ) -> Result<Answer, Unanswered> {
        let own = (EVENT_HEADER.to_owned(), event.name().to_owned());
        let passed = headers.iter();
        let passed = passed.map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let question = Message {
            headers: std::iter::once(own).chain(passed).collect(),
            data: body,
        };
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
