//! A register as a key-value bucket of JetStream's (the layout of NATS ADR-8), so that `nats kv` reads and writes it, too.
//!
//! A key is a subject of a stream that keeps one message for each. A watch hears on those subjects that something is being
//! said, and then reads what the stream has behind the sequence that it knows: so nothing depends on hearing everything, and
//! what was missed is read like the rest.

mod watch;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::inbox::{Answer, Wants};
use super::jetstream::{ApiError, PATIENCE, Request, ask, parse};
use super::messages;
use super::node::Node;
use crate::register::is_key;
use crate::{Error, Register, RegisterOptions, Storage, Topic, Watch};
use watch::NatsWatch;

/// JetStream's codes for a stream that is not there, and one that is there with other settings.
const NOT_FOUND: u64 = 10_059;
const OTHER_SETTINGS: u64 = 10_058;

/// How long it is remembered that a key was deleted. A watch looks much more often.
const MARKER_AGE: Duration = Duration::from_hours(1);

/// A bucket.
#[derive(Debug)]
pub(super) struct NatsRegister {
    pub(super) node: NodeHandle,
    pub(super) options: RegisterOptions,
    pub(super) stream: String,
    /// Before each key.
    pub(super) subjects: String,
    /// Whether the bucket was there when last looked at.
    is_there: AtomicBool,
}

/// A node, which has nothing to show.
pub(super) struct NodeHandle(pub(super) Arc<Node>);

impl std::fmt::Debug for NodeHandle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Node")
    }
}

/// What a server says of the stream.
#[derive(Debug, Deserialize)]
pub(super) struct Info {
    pub(super) created: String,
    pub(super) config: Config,
    pub(super) state: State,
}

#[derive(Debug, Deserialize)]
pub(super) struct Config {
    #[serde(default)]
    pub(super) num_replicas: u64,
}

#[derive(Debug, Deserialize)]
pub(super) struct State {
    pub(super) last_seq: u64,
}

impl NatsRegister {
    pub(super) fn new(node: &Arc<Node>, options: RegisterOptions) -> Self {
        Self {
            stream: node.subjects.register_stream(options.name),
            subjects: node.subjects.register(options.name),
            node: NodeHandle(Arc::clone(node)),
            options,
            is_there: AtomicBool::new(false),
        }
    }

    /// Everything that is said in the bucket.
    pub(super) fn topic(&self) -> Topic {
        Topic::heard(&format!("{}>", self.subjects))
    }

    /// What the stream is; makes it if it is not there.
    pub(super) async fn look(&self, deadline: Instant) -> Result<Info, Error> {
        let api = format!("$JS.API.STREAM.INFO.{}", self.stream);
        let found = ask(&self.node.0, &api, &Value::Null, Wants::One, deadline).await?;
        match parse::<Info>(&found[0]) {
            Ok(info) => Ok(info),
            Err(ApiError {
                code: NOT_FOUND, ..
            }) => {
                self.make(deadline).await?;
                let found = ask(&self.node.0, &api, &Value::Null, Wants::One, deadline).await?;
                Ok(parse(&found[0])?)
            }
            Err(error) => Err(error.into()),
        }
    }

    /// One that somebody made with other settings stays as it is.
    async fn make(&self, deadline: Instant) -> Result<(), Error> {
        let api = format!("$JS.API.STREAM.CREATE.{}", self.stream);
        let made = ask(&self.node.0, &api, &self.settings(), Wants::One, deadline).await?;
        match parse::<Value>(&made[0]) {
            Ok(_) => tracing::info!(stream = self.stream, "made the bucket"),
            Err(error) if error.code == OTHER_SETTINGS => {}
            Err(error) => return Err(error.into()),
        }
        self.is_there.store(true, Ordering::Release);
        Ok(())
    }

    fn settings(&self) -> Value {
        json!({
            "name": self.stream,
            "description": self.options.description,
            "subjects": [format!("{}>", self.subjects)],
            "retention": "limits",
            "discard": "new",
            "max_msgs_per_subject": 1,
            "storage": match self.options.storage {
                Storage::File => "file",
                Storage::Memory => "memory",
            },
            "num_replicas": self.options.replicas,
            "allow_rollup_hdrs": true,
            "deny_delete": true,
            "allow_direct": true,
            "allow_msg_ttl": true,
        })
    }

    async fn write(
        &self,
        key: &str,
        headers: &[(String, String)],
        value: Bytes,
    ) -> Result<(), Error> {
        assert!(is_key(key), "{key:?} is no key");
        let deadline = Instant::now() + PATIENCE;
        if !self.is_there.load(Ordering::Acquire) {
            self.make(deadline).await?;
        }
        let headers = messages::encode(headers);
        let request = Request {
            subject: &format!("{}{key}", self.subjects),
            headers: &headers,
            payload: value,
        };
        let answered = request.ask(&self.node.0, Wants::One, deadline).await;
        // Somebody may have deleted it.
        let answers = answered.inspect_err(|_| self.is_there.store(false, Ordering::Release))?;
        let _stored: Value = parse(&answers[0])?;
        Ok(())
    }

    /// The key that a stored message is of.
    pub(super) fn key<'a>(&self, answer: &'a Answer) -> Option<&'a str> {
        answer.header("Nats-Subject")?.strip_prefix(&*self.subjects)
    }
}

fn header(name: &str, value: impl Into<String>) -> (String, String) {
    (name.to_owned(), value.into())
}

/// A time to live as NATS reads it.
fn seconds(time: Duration) -> String {
    format!("{}s", time.as_secs().max(1))
}

impl Register for NatsRegister {
    fn put<'a>(
        &'a self,
        key: &'a str,
        value: Bytes,
        time_to_live: Option<Duration>,
    ) -> BoxFuture<'a, Result<(), Error>> {
        Box::pin(async move {
            let headers = time_to_live.map(|time| header("Nats-TTL", seconds(time)));
            self.write(key, &Vec::from_iter(headers), value).await
        })
    }

    fn delete<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<(), Error>> {
        Box::pin(async move {
            let headers = [
                header("KV-Operation", "PURGE"),
                header("Nats-Rollup", "sub"),
                header("Nats-TTL", seconds(MARKER_AGE)),
            ];
            self.write(key, &headers, Bytes::new()).await
        })
    }

    fn watch(self: Arc<Self>) -> Box<dyn Watch> {
        Box::new(NatsWatch::new(self))
    }
}
