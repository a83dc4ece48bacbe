//! Puts notices to backends that do not hear on the bus where nodes fetch them, so that they outlive the node.
//!
//! They wait in the stream of all notices. One consumer for each backend, shared by the nodes, has the server give each to one
//! of them, and to another when that one does not acknowledge it in time.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use tidegate_backbone::{Backbone, Ear, Message, Subscription, Topic};

use super::answer::Unanswered;
use super::envelope::seal;
use super::headers::Wanted;
use super::notices::Notice;
use super::service::ID_HEADER;
use super::store::{PATIENCE, Reply, Store, stream};

/// Of the nodes one gets each notice.
const GROUP: &str = "nodes";

/// Notices to one backend that nodes have at a time, those among them that are to be told again.
const UNDER_WAY: u32 = 256;

/// What waits for one backend.
pub(super) struct Relay {
    bus: Arc<dyn Backbone>,
    backend: String,
    store: Store,
}

impl Relay {
    pub(super) fn new(bus: Arc<dyn Backbone>, backend: String) -> Self {
        Self {
            bus,
            backend,
            store: Store::new(),
        }
    }

    /// Whether notices are stored; where there is no stream they are not.
    pub(super) async fn is_kept(&self) -> Result<bool, Unanswered> {
        self.store.is_kept(&*self.bus).await
    }

    pub(super) fn was_kept(&self) -> bool {
        self.store.was_kept()
    }

    /// Stores a notice.
    pub(super) async fn put(&self, notice: &Notice, wanted: &Wanted) -> Result<(), Unanswered> {
        let Some(data) = seal(notice, wanted) else {
            return Ok(());
        };
        let event = notice.question.subject.event().name();
        let topic = Topic::relayed(&self.backend).of_event(event);
        let message = Message {
            headers: vec![(ID_HEADER.to_owned(), notice.stamp.id.clone())],
            data,
        };
        self.store.keep(&*self.bus, &topic, message).await
    }

    /// Has one of the nodes get each notice, this one among them while the subscription lives. One that is not acknowledged
    /// for `patience` is given again.
    pub(super) async fn hear(
        &self,
        patience: Duration,
        ear: Arc<dyn Ear>,
    ) -> Result<Subscription, Unanswered> {
        let topic = Topic::relay(&self.backend);
        let heard = self.bus.hear(&topic, Some(GROUP), ear).await;
        let heard = heard.map_err(|error| Unanswered::Unreachable(error.to_string()))?;
        self.consume(patience).await?;
        Ok(heard)
    }

    /// Makes the consumer, or leaves it as it is.
    pub(super) async fn consume(&self, patience: Duration) -> Result<(), Unanswered> {
        let stream = stream(&*self.bus);
        let name = format!("nodes {}", self.backend);
        let notices = Topic::relayed(&self.backend).of_events();
        let settings = json!({
            "stream_name": stream,
            "config": {
                "durable_name": Topic::consumer_name(&name),
                "deliver_subject": self.bus.address(&Topic::relay(&self.backend)),
                "deliver_group": GROUP,
                "deliver_policy": "all",
                "filter_subject": self.bus.address(&notices),
                "ack_policy": "explicit",
                "ack_wait": u64::try_from(patience.as_nanos()).unwrap_or(u64::MAX),
                "max_ack_pending": UNDER_WAY,
                "max_deliver": -1,
                "replay_policy": "instant",
            },
        });
        let topic = Topic::consumer_creation(&stream, &name);
        let asked = Message::new(settings.to_string());
        let answer = self.bus.ask(&topic, asked, PATIENCE).await;
        let answer = answer.map_err(|error| Unanswered::Unreachable(error.to_string()))?;
        let reply: Reply = serde_json::from_slice(&answer.data)
            .map_err(|error| Unanswered::Malformed(error.to_string()))?;
        match reply.error {
            None => Ok(()),
            Some(error) => Err(Unanswered::Unreachable(error.description)),
        }
    }
}
