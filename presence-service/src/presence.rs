//! Answers to questions about everything: from the roster where the partition is here, else from a replica that has it.

use std::sync::Arc;
use std::time::Duration;

use prost::Message as _;
use tidegate_backbone::service::BUSY;
use tidegate_backbone::{AskError, Bus, Message, Topic};
use tidegate_proto::node as proto;
use tidegate_proto::node::answer::What;
use tidegate_proto::node::refused::Reason;

use crate::answer::Place;
use crate::desk::{Closed, Desk};
use crate::message::Kind;

/// How long another replica may take.
const PATIENCE: Duration = Duration::from_secs(2);

/// How often another replica is asked: one that dies takes the questions with it that it has heard.
const TRIES: usize = 3;

/// How long each may take, but for the last.
const SHORT: Duration = Duration::from_millis(500);

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PresenceError {
    /// The question cannot be what it is.
    #[error("{0}")]
    Invalid(String),
    /// Nobody answers who could.
    #[error("no replica answers for partition {partition}: {reason}")]
    Unavailable { partition: u32, reason: String },
    /// This replica ends.
    #[error(transparent)]
    Closed(#[from] Closed),
}

/// What a partition's holder says.
#[derive(Debug, Clone, PartialEq)]
pub struct Answered {
    pub what: What,
    pub is_incomplete: bool,
}

/// Asks whoever knows. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Presence {
    desk: Desk,
    bus: Arc<dyn Bus>,
    partitions: u32,
}

impl Presence {
    /// Answers from this desk, and from others over the bus.
    #[must_use]
    pub fn new(desk: Desk, bus: Arc<dyn Bus>, partitions: u32) -> Self {
        Self {
            desk,
            bus,
            partitions,
        }
    }

    /// The desk of this replica.
    #[must_use]
    pub fn desk(&self) -> &Desk {
        &self.desk
    }

    /// Whether everything that is this replica's is answered for.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.desk.progress().borrow().is_ready
    }

    /// How many partitions there are.
    #[must_use]
    pub fn partitions(&self) -> u32 {
        self.partitions
    }

    /// Asks about one partition.
    ///
    /// # Errors
    /// [`PresenceError`].
    pub async fn ask(
        &self,
        kind: Kind,
        partition: u32,
        what: proto::question::What,
    ) -> Result<Answered, PresenceError> {
        let question = proto::Question {
            version: proto::VERSION,
            partitions: self.partitions,
            what: Some(what),
        };
        let place = Place {
            kind,
            partition,
            partitions: self.partitions,
        };
        let asked = question.clone();
        // Not ready: another replica may have more than this one has yet.
        let is_ready = self.desk.progress().borrow().ready.contains(&partition);
        if is_ready {
            let own = self.desk.answer(place, asked).await?;
            if let Some(answered) = read(own, partition)? {
                return Ok(answered);
            }
        }
        self.ask_others(place, &question).await
    }

    async fn ask_others(
        &self,
        place: Place,
        question: &proto::Question,
    ) -> Result<Answered, PresenceError> {
        let topic = match place.kind {
            Kind::Channel => Topic::presence_ask_channel(place.partition),
            Kind::User => Topic::presence_ask_user(place.partition),
        };
        let mut reason = String::new();
        for attempt in 1..=TRIES {
            let within = if attempt == TRIES { PATIENCE } else { SHORT };
            let message = Message::new(question.encode_to_vec());
            match self.bus.ask(&topic, message, within).await {
                Ok(message) => match decode(&message, place.partition)? {
                    Some(answered) => return Ok(answered),
                    None => {
                        "the replica that held it has moved it, or is busy".clone_into(&mut reason)
                    }
                },
                Err(AskError::NobodyHears) => {
                    reason = AskError::NobodyHears.to_string();
                    break;
                }
                Err(error) => reason = error.to_string(),
            }
        }
        Err(PresenceError::Unavailable {
            partition: place.partition,
            reason,
        })
    }
}

/// Reads an answer; none when it should be asked elsewhere.
fn decode(message: &Message, partition: u32) -> Result<Option<Answered>, PresenceError> {
    let unavailable = |reason: String| PresenceError::Unavailable { partition, reason };
    match message.refusal() {
        // It has too much to do, or is about to end.
        Some(refusal) if refusal.code == BUSY => return Ok(None),
        Some(refusal) => return Err(unavailable(refusal.text)),
        None => {}
    }
    let answer = proto::Answer::decode(message.data.clone());
    let answer = answer.map_err(|_| unavailable("the answer is malformed".to_owned()))?;
    read(answer, partition)
}

fn read(answer: proto::Answer, partition: u32) -> Result<Option<Answered>, PresenceError> {
    let unavailable = |reason: &str| PresenceError::Unavailable {
        partition,
        reason: reason.to_owned(),
    };
    let what = match answer.what {
        Some(What::Refused(refused)) => {
            return match Reason::try_from(refused.reason) {
                Ok(Reason::NotHeld) => Ok(None),
                Ok(Reason::Invalid) => Err(PresenceError::Invalid(refused.text)),
                Ok(Reason::Mismatch | Reason::Unspecified) | Err(_) => {
                    Err(unavailable(&refused.text))
                }
            };
        }
        Some(what) => what,
        None => return Err(unavailable("the answer is empty")),
    };
    Ok(Some(Answered {
        what,
        is_incomplete: answer.is_incomplete,
    }))
}
