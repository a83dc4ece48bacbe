//! Namespaces that are kept, as JetStream streams: made and kept in step, published to, and read.
//!
//! A stream takes what is published in its namespace and republishes it once it is stored, with its sequence and the one
//! before it on the same subject, to the subjects that gateways listen to. A channel's offset is that sequence; the epoch is
//! the time at which the stream was made.

mod feed;
mod publishing;
mod reading;
mod removing;
mod settings;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::time::{Instant, sleep, timeout_at};

use super::inbox::{Answer, Wants};
use super::monitoring::Monitoring;
use super::node::Node;
use super::wire::encoder;
use crate::{Channel, Durability, DurabilityReport, Epoch, Error, StreamOptions};
pub(super) use feed::NatsFeed;
use publishing::Sent;
pub(super) use publishing::publish;
pub(super) use reading::{read, tops};
pub(super) use removing::remove;
use settings::Info;
pub(super) use settings::{keep, milliseconds};

/// Time in which a stream must answer, the election of a leader included.
pub(super) const PATIENCE: Duration = Duration::from_secs(4);

/// Time for one attempt.
const ATTEMPT: Duration = Duration::from_secs(1);

/// Pause between two attempts.
const PAUSE: Duration = Duration::from_millis(100);

/// The streams of a node, by namespace.
#[derive(Debug, Default)]
pub(super) struct Streams {
    /// Channels without a namespace are under the empty name.
    by_namespace: HashMap<String, KeptStream>,
}

/// Whether a node makes streams what they have to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Keeping {
    /// It makes them, and keeps their settings in step.
    Keep,
    /// It takes them as it finds them.
    Observe,
}

/// One stream.
#[derive(Debug)]
pub(super) struct KeptStream {
    pub(super) options: StreamOptions,
    keeping: Keeping,
    pub(super) name: String,
    /// The subjects that it takes.
    subjects: String,
    /// Those that it republishes to.
    delivery: String,
    state: Mutex<State>,
    /// Publications under way.
    sent: Mutex<Sent>,
}

/// What is known of a stream.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
enum State {
    /// Nothing yet.
    #[default]
    Unknown,
    /// It is there, and cannot be used as it is; why.
    Refused(String),
    InUse {
        epoch: Epoch,
        level: Durability,
        reason: String,
    },
}

impl Streams {
    pub(super) fn new(
        node: &crate::Subjects,
        options: Vec<StreamOptions>,
        keeping: Keeping,
    ) -> Self {
        let stream = |options: StreamOptions| {
            let namespace = options.namespace.as_deref();
            let stream = KeptStream {
                name: node.stream(namespace),
                subjects: node.publications_of(namespace),
                delivery: node.deliveries_of(namespace),
                state: Mutex::default(),
                sent: Mutex::default(),
                keeping,
                options,
            };
            let namespace = stream.options.namespace.clone();
            (namespace.unwrap_or_default(), stream)
        };
        Self {
            by_namespace: options.into_iter().map(stream).collect(),
        }
    }

    /// The stream of a channel, if it is kept.
    pub(super) fn of(&self, channel: &Channel) -> Option<&KeptStream> {
        if self.by_namespace.is_empty() {
            return None;
        }
        self.named(channel.namespace())
    }

    /// The stream of a namespace, if it is kept.
    pub(super) fn named(&self, namespace: Option<&str>) -> Option<&KeptStream> {
        self.by_namespace.get(namespace.unwrap_or_default())
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &KeptStream> {
        self.by_namespace.values()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.by_namespace.is_empty()
    }

    /// Whether all of them are as they should be.
    pub(super) fn are_ready(&self) -> bool {
        self.iter().all(|stream| match &*stream.state() {
            State::InUse { level, .. } => *level >= stream.options.required,
            State::Unknown | State::Refused(_) => false,
        })
    }

    pub(super) fn durability(&self) -> Vec<DurabilityReport> {
        self.iter().map(KeptStream::report).collect()
    }
}

impl KeptStream {
    /// The incarnation.
    pub(super) fn epoch(&self) -> Option<Epoch> {
        match &*self.state() {
            State::InUse { epoch, .. } => Some(Arc::clone(epoch)),
            State::Unknown | State::Refused(_) => None,
        }
    }

    fn known_epoch(&self) -> Result<Epoch, Error> {
        self.epoch()
            .ok_or_else(|| Error::Unavailable(format!("the stream {} is not there yet", self.name)))
    }

    fn report(&self) -> DurabilityReport {
        let (level, reason) = match self.state().clone() {
            State::Unknown => (Durability::Accepted, "it is not there yet".to_owned()),
            State::Refused(reason) => (Durability::Accepted, reason),
            State::InUse { level, reason, .. } => (level, reason),
        };
        DurabilityReport {
            namespace: self.options.namespace.clone(),
            level,
            required: self.options.required,
            reason,
        }
    }

    /// Takes what a server says of the stream.
    fn learn(&self, info: &Info, monitoring: &Monitoring) {
        let (level, reason) = info.durability(monitoring);
        let known = State::InUse {
            epoch: info.epoch(),
            level,
            reason,
        };
        if std::mem::replace(&mut *self.state(), known.clone()) == known {
            return;
        }
        self.report().log();
    }

    /// Does not use the stream as it is.
    fn refuse(&self, reason: String) {
        let refused = State::Refused(reason.clone());
        if std::mem::replace(&mut *self.state(), refused.clone()) != refused {
            let stream = &self.name;
            tracing::error!(
                stream,
                reason,
                "stream cannot be used as it is; nothing was changed"
            );
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Asks JetStream, again and again until the deadline while nobody answers.
async fn ask(
    node: &Node,
    subject: &str,
    request: &Value,
    wants: Wants,
    deadline: Instant,
) -> Result<Vec<Answer>, Error> {
    let payload = match request {
        Value::Null => Bytes::new(),
        request => Bytes::from(request.to_string()),
    };
    loop {
        let reason = match once(node, subject, &payload, wants, deadline).await {
            Ok(answers) if answers[0].status() == Some("503") => "nobody answers".to_owned(),
            Ok(answers) => return Ok(answers),
            Err(Error::Unavailable(reason)) => reason,
            Err(error) => return Err(error),
        };
        if Instant::now() + PAUSE > deadline {
            let reason = format!("jetstream does not answer on {subject}: {reason}");
            return Err(Error::Unavailable(reason));
        }
        sleep(PAUSE).await;
    }
}

async fn once(
    node: &Node,
    subject: &str,
    payload: &Bytes,
    wants: Wants,
    deadline: Instant,
) -> Result<Vec<Answer>, Error> {
    let no_answer = || Error::Unavailable("no answer in time".to_owned());
    let (link, mut pending) = node.wait(wants)?;
    let reply = pending.subject.clone();
    link.send(payload.len(), |buffer| {
        encoder::request(buffer, subject, &reply, b"", payload);
    })
    .await?;
    let end = deadline.min(Instant::now() + ATTEMPT);
    let answers = timeout_at(end, pending.answers()).await;
    answers
        .ok()
        .flatten()
        .filter(|it| !it.is_empty())
        .ok_or_else(no_answer)
}

/// An answer of JetStream's API, or the error that it holds.
fn parse<T: DeserializeOwned>(answer: &Answer) -> Result<T, ApiError> {
    let value: Value = serde_json::from_slice(&answer.payload).map_err(|_| ApiError {
        code: 0,
        text: "an answer that is no JSON".to_owned(),
    })?;
    if let Some(error) = value.get("error") {
        let text = error["description"]
            .as_str()
            .unwrap_or("an error without a text");
        return Err(ApiError {
            code: error["err_code"].as_u64().unwrap_or(0),
            text: text.to_owned(),
        });
    }
    serde_json::from_value(value).map_err(|error| ApiError {
        code: 0,
        text: error.to_string(),
    })
}

/// What JetStream says went wrong.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("jetstream: {text}")]
struct ApiError {
    /// `err_code`; zero for none.
    code: u64,
    text: String,
}

impl From<ApiError> for Error {
    fn from(error: ApiError) -> Self {
        Self::Unavailable(error.to_string())
    }
}
