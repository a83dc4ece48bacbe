//! Keeps the records in a stream of NATS's, one message a channel, each written only over the one that was read.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tidegate_backbone::{AskError, Backbone, Ear, Heard, Message, Topic};
use tokio::sync::Notify;
use tokio::time::timeout;

use super::record::Record;

/// Time for the server to answer.
const PATIENCE: Duration = Duration::from_secs(2);

/// Channels that have records, and the bytes of them; those above are not told of.
const MAX_BYTES: u64 = 1024 * 1024 * 1024;

/// The same message is stored once within this time.
const DUPLICATES: Duration = Duration::from_secs(10);

/// How long the server keeps the place of who reads them all.
const READING: Duration = Duration::from_secs(30);

/// The header by which a message is stored only over a certain one.
const OVER: &str = "Nats-Expected-Last-Subject-Sequence";

/// Errors of JetStream's: a stream that is there with other settings, a message that is not there, and another one than
/// was expected.
const OTHER_SETTINGS: u32 = 10_058;
const NO_MESSAGE: u32 = 10_037;
const WRONG_SEQUENCE: u32 = 10_071;

/// Why a record was not read or written.
#[derive(Debug, thiserror::Error)]
pub(super) enum Fault {
    /// There is no JetStream, or no stream any more.
    #[error("there is no stream of records")]
    NoStream,
    /// It changed since it was read.
    #[error("the record was changed by another node")]
    Changed,
    #[error("{0}")]
    Unavailable(String),
}

/// The records of a deployment.
#[derive(Debug, Clone, Copy)]
pub(super) struct Records<'a>(pub(super) &'a dyn Backbone);

/// A record, and its place in the stream; without one there was none yet.
pub(super) type Placed = (u64, Option<Record>);

#[derive(Deserialize)]
struct Failed {
    error: Option<Failure>,
}

#[derive(Deserialize)]
struct Failure {
    err_code: Option<u32>,
    #[serde(default)]
    description: String,
}

#[derive(Deserialize)]
struct Got {
    message: Stored,
}

#[derive(Deserialize)]
struct Stored {
    seq: u64,
    #[serde(default)]
    data: String,
}

#[derive(Deserialize)]
struct Written {
    seq: u64,
}

#[derive(Deserialize)]
struct Consumer {
    num_pending: usize,
}

impl Records<'_> {
    /// Makes the stream where there is none.
    pub(super) async fn create(self) -> Result<(), Fault> {
        let settings = json!({
            "name": self.stream(),
            "subjects": [self.0.address(&Topic::occupancies())],
            "retention": "limits",
            "discard": "new",
            "storage": "file",
            "max_msgs_per_subject": 1,
            "max_bytes": MAX_BYTES,
            "duplicate_window": nanos(DUPLICATES),
            "num_replicas": 1,
        });
        let topic = Topic::stream_creation(&self.stream());
        match self.ask::<Value>(&topic, settings).await {
            Err(Refused::Code(OTHER_SETTINGS, _)) => Ok(()),
            other => other.map(drop).map_err(Refused::into),
        }
    }

    pub(super) async fn get(self, channel: &str) -> Result<Placed, Fault> {
        let subject = self.0.address(&subject(channel));
        let topic = Topic::stream_message(&self.stream());
        let asked = json!({ "last_by_subj": subject });
        let got: Got = match self.ask(&topic, asked).await {
            Err(Refused::Code(NO_MESSAGE, _)) => return Ok((0, None)),
            other => other?,
        };
        let data = STANDARD.decode(got.message.data).unwrap_or_default();
        let record = read(&data);
        // One that cannot be read is written over.
        Ok((got.message.seq, record))
    }

    /// Writes a record over the one at a place; gives the new place.
    pub(super) async fn put(self, over: u64, record: &Record) -> Result<u64, Fault> {
        let message = Message {
            headers: vec![(OVER.to_owned(), over.to_string())],
            data: serde_json::to_vec(record).expect("a record is JSON").into(),
        };
        let answer = self
            .0
            .ask(&subject(&record.channel), message, PATIENCE)
            .await;
        match answered::<Written>(answer) {
            Ok(written) => Ok(written.seq),
            Err(Refused::Code(WRONG_SEQUENCE, _)) => Err(Fault::Changed),
            Err(other) => Err(other.into()),
        }
    }

    /// Removes a channel's record up to a place.
    pub(super) async fn remove(self, channel: &str, place: u64) -> Result<(), Fault> {
        let subject = self.0.address(&subject(channel));
        let topic = Topic::stream_purge(&self.stream());
        let asked = json!({ "filter": subject, "seq": place + 1 });
        Ok(self.ask::<Value>(&topic, asked).await.map(drop)?)
    }

    /// Every record, and whether all came; the server has them sent to `node`.
    pub(super) async fn all(self, node: &str) -> Result<(Vec<Record>, bool), Fault> {
        let (topic, stream) = (Topic::node_records(node), self.stream());
        let reading = Arc::new(Reading::default());
        let heard = self.0.hear(&topic, None, Arc::clone(&reading) as _).await;
        let _hearing = heard.map_err(|error| Fault::Unavailable(error.to_string()))?;
        let settings = json!({
            "stream_name": stream,
            "config": {
                "deliver_subject": self.0.address(&topic),
                "deliver_policy": "all",
                "ack_policy": "none",
                "replay_policy": "instant",
                "mem_storage": true,
                "inactive_threshold": nanos(READING),
            },
        });
        let topic = Topic::consumer_for_a_while(&stream);
        let consumer: Consumer = self.ask(&topic, settings).await?;
        // Some may be removed meanwhile, and never come.
        while reading.count() < consumer.num_pending {
            let came = reading.came.notified();
            if reading.count() < consumer.num_pending && timeout(PATIENCE, came).await.is_err() {
                break;
            }
        }
        let is_whole = reading.count() >= consumer.num_pending;
        Ok((reading.take(), is_whole))
    }

    fn stream(self) -> String {
        let subjects = self.0.address(&Topic::occupancies());
        let prefix = subjects.split(".occupancy.").next().unwrap_or_default();
        format!("{}-occupancy", prefix.replace('.', "_"))
    }

    async fn ask<T: DeserializeOwned>(self, topic: &Topic, asked: Value) -> Result<T, Refused> {
        let message = Message::new(asked.to_string());
        answered(self.0.ask(topic, message, PATIENCE).await)
    }
}

/// Why JetStream did not do what was asked.
enum Refused {
    Code(u32, String),
    NobodyHears,
    Other(String),
}

impl From<Refused> for Fault {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::NobodyHears => Self::NoStream,
            Refused::Code(_, text) | Refused::Other(text) => Self::Unavailable(text),
        }
    }
}

fn answered<T: DeserializeOwned>(answer: Result<Message, AskError>) -> Result<T, Refused> {
    let answer = match answer {
        Ok(answer) => answer,
        Err(AskError::NobodyHears) => return Err(Refused::NobodyHears),
        Err(error) => return Err(Refused::Other(error.to_string())),
    };
    let malformed = |error: serde_json::Error| Refused::Other(error.to_string());
    let failed: Failed = serde_json::from_slice(&answer.data).map_err(malformed)?;
    if let Some(error) = failed.error {
        return Err(Refused::Code(
            error.err_code.unwrap_or_default(),
            error.description,
        ));
    }
    serde_json::from_slice(&answer.data).map_err(malformed)
}

/// Records as they come.
#[derive(Default)]
struct Reading {
    /// How many came, and those of them that can be read.
    records: Mutex<(usize, Vec<Record>)>,
    came: Notify,
}

impl Reading {
    fn count(&self) -> usize {
        self.lock().0
    }

    fn take(&self) -> Vec<Record> {
        std::mem::take(&mut self.lock().1)
    }

    fn lock(&self) -> MutexGuard<'_, (usize, Vec<Record>)> {
        self.records.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Ear for Reading {
    fn hear(&self, heard: Heard) {
        let mut records = self.lock();
        records.0 += 1;
        records.1.extend(read(&heard.message.data));
        self.came.notify_one();
    }
}

fn read(data: &[u8]) -> Option<Record> {
    let record = serde_json::from_slice(data);
    record
        .inspect_err(|error| tracing::error!(%error, "a record of a channel cannot be read"))
        .ok()
}

/// Where a channel's record is: its name may be any, and long.
fn subject(channel: &str) -> Topic {
    Topic::occupancy(&token(channel))
}

/// What stands for a channel where its name cannot.
pub(super) fn token(channel: &str) -> String {
    let digest = digest(&SHA256, channel.as_bytes());
    let half = digest.as_ref()[..16].iter();
    half.map(|byte| format!("{byte:02x}")).collect()
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}
