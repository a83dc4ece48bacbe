//! Puts notices where backends fetch them: a stream of NATS's that keeps each until some backend has acknowledged it, or,
//! where there is no JetStream, on the bus for whoever hears.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde::Deserialize;
use serde_json::json;
use tidegate_backbone::{AskError, Backbone, Message, Topic};

use super::answer::Unanswered;

/// Time for the server to answer.
pub(super) const PATIENCE: Duration = Duration::from_secs(2);

/// Time until a server without JetStream is asked again.
pub(super) const RECHECK: Duration = Duration::from_secs(30);

/// Notices that wait for backends, and the bytes and the age that they may have; further ones are refused.
const MAX_NOTICES: u64 = 1_000_000;
const MAX_BYTES: u64 = 256 * 1024 * 1024;
const MAX_AGE: Duration = Duration::from_secs(7 * 24 * 3_600);

/// The error of JetStream's for a stream that is there with other settings: an operator's, which stay.
const OTHER_SETTINGS: u32 = 10_058;

/// Whether there is a stream.
#[derive(Debug, Clone, Copy)]
enum Mode {
    Unknown,
    Kept,
    /// Not so when last looked at.
    Fleeting(Instant),
}

pub(super) struct Store {
    mode: Mutex<Mode>,
}

#[derive(Deserialize)]
pub(super) struct Reply {
    pub(super) error: Option<ReplyError>,
}

#[derive(Deserialize)]
pub(super) struct ReplyError {
    err_code: Option<u32>,
    #[serde(default)]
    pub(super) description: String,
}

impl Store {
    pub(super) const fn new() -> Self {
        Self {
            mode: Mutex::new(Mode::Unknown),
        }
    }

    /// Stores a notice, or tells whoever hears. A message that is given again with the same id is stored once.
    pub(super) async fn put(
        &self,
        bus: &dyn Backbone,
        topic: &Topic,
        message: Message,
    ) -> Result<(), Unanswered> {
        if self.is_kept(bus).await? {
            return self.keep(bus, topic, message).await;
        }
        let told = bus.tell(topic, message).await;
        told.map_err(|error| Unanswered::Unreachable(error.to_string()))
    }

    /// Stores a notice.
    pub(super) async fn keep(
        &self,
        bus: &dyn Backbone,
        topic: &Topic,
        message: Message,
    ) -> Result<(), Unanswered> {
        let answer = match bus.ask(topic, message, PATIENCE).await {
            Ok(answer) => answer,
            Err(error) => {
                if error == AskError::NobodyHears {
                    // Somebody deleted the stream.
                    self.set(Mode::Unknown);
                }
                return Err(Unanswered::Unreachable(error.to_string()));
            }
        };
        match serde_json::from_slice::<Reply>(&answer.data) {
            Ok(Reply { error: None }) => Ok(()),
            Ok(Reply { error: Some(error) }) => Err(Unanswered::Unreachable(error.description)),
            Err(error) => Err(Unanswered::Malformed(error.to_string())),
        }
    }

    /// Whether notices are kept; makes the stream where it can.
    pub(super) async fn is_kept(&self, bus: &dyn Backbone) -> Result<bool, Unanswered> {
        if !bus.reaches_others() {
            return Ok(false);
        }
        let before = self.mode();
        match before {
            Mode::Kept => return Ok(true),
            Mode::Fleeting(since) if since.elapsed() < RECHECK => return Ok(false),
            Mode::Fleeting(_) | Mode::Unknown => {}
        }
        let (topic, message) = creation(bus);
        match bus.ask(&topic, message, PATIENCE).await {
            Ok(answer) => {
                let is_kept = is_made(&answer.data);
                self.set(if is_kept {
                    Mode::Kept
                } else {
                    Mode::Fleeting(Instant::now())
                });
                Ok(is_kept)
            }
            Err(AskError::NobodyHears) => {
                if matches!(before, Mode::Unknown) {
                    tracing::info!("without JetStream notices to backends are not stored");
                }
                self.set(Mode::Fleeting(Instant::now()));
                Ok(false)
            }
            Err(error) => Err(Unanswered::Unreachable(error.to_string())),
        }
    }

    /// Whether notices were kept when that was looked at last.
    pub(super) fn was_kept(&self) -> bool {
        matches!(self.mode(), Mode::Kept)
    }

    fn mode(&self) -> Mode {
        *self.mode.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set(&self, mode: Mode) {
        *self.mode.lock().unwrap_or_else(PoisonError::into_inner) = mode;
    }
}

/// What asks JetStream for the stream.
fn creation(bus: &dyn Backbone) -> (Topic, Message) {
    let subjects = bus.address(&Topic::notices());
    let name = stream(bus);
    let settings = json!({
        "name": name,
        "subjects": [subjects],
        "retention": "workqueue",
        "discard": "new",
        "storage": "file",
        "max_msgs": MAX_NOTICES,
        "max_bytes": MAX_BYTES,
        "max_age": u64::try_from(MAX_AGE.as_nanos()).unwrap_or(u64::MAX),
        "max_consumers": -1,
        "num_replicas": 1,
    });
    let topic = Topic::stream_creation(&name);
    (topic, Message::new(settings.to_string()))
}

/// The stream's name.
pub(super) fn stream(bus: &dyn Backbone) -> String {
    // No namespace's stream has this name: those begin with the prefix and an underscore.
    let subjects = bus.address(&Topic::notices());
    let prefix = subjects.split(".hook.").next().unwrap_or_default();
    format!("{}-hooks", prefix.replace('.', "_"))
}

fn is_made(answer: &[u8]) -> bool {
    match serde_json::from_slice::<Reply>(answer) {
        Ok(Reply { error: None }) => true,
        Ok(Reply { error: Some(error) }) if error.err_code == Some(OTHER_SETTINGS) => true,
        Ok(Reply { error: Some(error) }) => {
            let reason = error.description;
            tracing::error!(
                reason,
                "notices to backends cannot be kept, they go to whoever hears"
            );
            false
        }
        Err(error) => {
            tracing::error!(%error, "notices to backends cannot be kept, they go to whoever hears");
            false
        }
    }
}
