//! A stream's settings: made when it is not there, changed when they can be, and never by deleting anything.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;
use serde_json::{Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use tokio::time::Instant;

use super::partitions;
use super::{ApiError, Keeping, KeptStream, PATIENCE, Wants, ask, parse};
use crate::nats::monitoring::Monitoring;
use crate::nats::node::Node;
use crate::{Durability, Epoch, Error, RETENTION_SLACK, Storage};

/// JetStream's code for a stream that does not exist.
const NOT_FOUND: u64 = 10059;

/// What a server says of a stream.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Info {
    pub(super) created: String,
    pub(super) config: Value,
    pub(super) state: InfoState,
    /// Where the copies are.
    cluster: Option<Copies>,
}

#[derive(Debug, Clone, Deserialize)]
struct Copies {
    leader: Option<String>,
    #[serde(default)]
    replicas: Vec<Peer>,
}

#[derive(Debug, Clone, Deserialize)]
struct Peer {
    name: String,
    /// Entries of the log that it does not have yet.
    #[serde(default)]
    lag: u64,
    #[serde(default)]
    offline: bool,
}

#[derive(Debug, Clone, Deserialize)]
pub(super) struct InfoState {
    pub(super) messages: u64,
    pub(super) first_seq: u64,
    pub(super) last_seq: u64,
    last_ts: String,
    /// How many subjects there are.
    #[serde(default)]
    pub(super) num_subjects: usize,
    /// Messages by subject, where that was asked for.
    #[serde(default)]
    subjects: Option<HashMap<String, u64>>,
}

impl InfoState {
    /// How many messages a subject has that was asked for.
    pub(super) fn count(&self, subject: &str) -> u64 {
        let counts = self.subjects.as_ref();
        counts.and_then(|it| it.get(subject)).copied().unwrap_or(0)
    }

    /// How many subjects with messages are listed, of those that were asked for.
    pub(super) fn listed(&self) -> usize {
        self.subjects.as_ref().map_or(0, HashMap::len)
    }
}

/// The member of a stream's metadata that says whose it is.
const MADE_BY: &str = "tidegate";

/// The member that tells the smallest `history_size` that it ever had.
const LEAST_SIZE: &str = "tidegate-least-size";

/// The member that tells in which run of its server it was last found to be whole.
const RUN: &str = "tidegate-run";

/// The member that tells its incarnations apart of which the server says the same.
const INCARNATION: &str = "tidegate-incarnation";

fn least_size(metadata: &Value) -> u64 {
    let text = metadata[LEAST_SIZE].as_str();
    text.and_then(|text| text.parse().ok()).unwrap_or(0)
}

impl Info {
    /// A channel that has no more than so many was never made to let one go for room.
    pub(super) fn least_size(&self) -> u64 {
        least_size(&self.config["metadata"])
    }

    /// Whether a copy that is in touch with the leader lags behind it.
    pub(super) fn is_any_behind(&self) -> bool {
        let copies = self.cluster.iter().flat_map(|it| &it.replicas);
        copies.into_iter().any(|it| it.lag > 0 && !it.offline)
    }

    /// The time at which the stream was made, and what was added when it lost something, as short text.
    pub(super) fn epoch(&self) -> Epoch {
        let mut hash: u64 = 0xcbf2_9ce4_8422_2325;
        let incarnation = self.incarnation().unwrap_or_default();
        for byte in self.created.bytes().chain(incarnation.bytes()) {
            hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
        Arc::from(format!("{hash:016x}"))
    }

    /// The newest sequence, and its time in milliseconds.
    pub(super) fn newest(&self) -> (u64, u64) {
        let time = milliseconds(&self.state.last_ts);
        (self.state.last_seq, time.unwrap_or(0))
    }

    pub(super) fn replicas(&self) -> u64 {
        self.config["num_replicas"].as_u64().unwrap_or(1)
    }

    /// The run of its server in which it was last found to be whole.
    pub(super) fn run(&self) -> Option<&str> {
        self.config["metadata"][RUN].as_str()
    }

    fn incarnation(&self) -> Option<&str> {
        self.config["metadata"][INCARNATION].as_str()
    }

    /// What a confirmation means, and why.
    pub(super) fn durability(&self, monitoring: &Monitoring) -> (Durability, String) {
        let replicas = self.replicas();
        let storage = self.config["storage"].as_str().unwrap_or("file");
        let (is_synced, sync) = self.sync(monitoring);
        let level = match (storage, is_synced, replicas) {
            ("file", true, _) => Durability::Synced,
            (_, _, 3..) => Durability::Replicated,
            _ => Durability::Accepted,
        };
        (
            level,
            format!("replicas {replicas}, storage {storage}, {sync}"),
        )
    }

    /// Whether every server that has a copy syncs before it confirms, and who says so: their monitoring, or else the tag of
    /// those that the stream is placed on.
    fn sync(&self, monitoring: &Monitoring) -> (bool, String) {
        let mut unknown = self.cluster.is_none();
        for server in self.servers() {
            match monitoring.is_synced(server) {
                Some(true) => {}
                Some(false) => {
                    let reason = format!("server {server} does not sync before it confirms");
                    return (false, reason);
                }
                None => unknown = true,
            }
        }
        if !unknown {
            return (true, "its servers sync before they confirm".to_owned());
        }
        let tags = self.config["placement"]["tags"].as_array();
        let is_tagged = tags.is_some_and(|tags| tags.iter().any(|tag| tag == "sync:always"));
        let reason = match is_tagged {
            true => "placed on servers with the tag sync:always",
            false => "servers are not known to sync before they confirm (see nats.monitoring_urls)",
        };
        (is_tagged, reason.to_owned())
    }

    fn servers(&self) -> impl Iterator<Item = &str> {
        let cluster = self.cluster.iter();
        cluster.flat_map(|it| {
            let others = it.replicas.iter().map(|peer| &*peer.name);
            it.leader.as_deref().into_iter().chain(others)
        })
    }
}

/// Why a stream is not as it should be.
pub(super) enum Fault {
    Unavailable(Error),
    Settings(String),
    /// For who observes: its namespace has so many in its place.
    Spread(u32),
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        Self::Unavailable(error)
    }
}

/// What the stream is, once it is as it should be.
pub(super) async fn ensure(node: &Node, stream: &KeptStream) -> Result<Info, Fault> {
    partitions::refuse_other(node, stream).await?;
    let found = request(node, stream, "INFO", &Value::Null).await?;
    if stream.keeping == Keeping::Observe {
        let info = found.map_err(Error::from)?;
        partitions::check(stream, &info.config["metadata"])?;
        return Ok(info);
    }
    let wanted = config(stream);
    let info = match found {
        Ok(info) => info,
        Err(error) if error.code == NOT_FOUND => {
            tracing::info!(stream = stream.name, "making the stream");
            let made = request(node, stream, "CREATE", &wanted).await?;
            let made = made.map_err(|error| Fault::Settings(error.text))?;
            partitions::probe(node, stream).await?;
            return Ok(made);
        }
        Err(error) => return Err(Error::from(error).into()),
    };
    partitions::check(stream, &info.config["metadata"])?;
    check(&info.config, &wanted)?;
    partitions::probe(node, stream).await?;
    let Some(changed) = changed(&info.config, &wanted) else {
        return Ok(info);
    };
    tracing::info!(stream = stream.name, "changing the stream's settings");
    let updated = request(node, stream, "UPDATE", &changed).await?;
    updated.map_err(|error| Fault::Settings(error.text))
}

/// Notes in which run the stream is whole; if it is not, gives it another epoch.
pub(super) async fn note(
    node: &Node,
    stream: &KeptStream,
    info: &Info,
    run: Option<&str>,
    is_lost: bool,
) -> Result<Info, Fault> {
    let mut config = info.config.clone();
    if let Some(run) = run {
        config["metadata"][RUN] = run.into();
    }
    if is_lost {
        // All who notice the same say the same, if they can.
        let own = run.filter(|run| info.incarnation() != Some(*run));
        let other = || format!("{:016x}", rand::random::<u64>());
        config["metadata"][INCARNATION] = own.map_or_else(other, str::to_owned).into();
    }
    let updated = request(node, stream, "UPDATE", &config).await?;
    updated.map_err(|error| Fault::Settings(error.text))
}

async fn request(
    node: &Node,
    stream: &KeptStream,
    verb: &str,
    body: &Value,
) -> Result<Result<Info, ApiError>, Error> {
    let subject = format!("$JS.API.STREAM.{verb}.{}", stream.name);
    let answers = ask(node, &subject, body, Wants::One, Instant::now() + PATIENCE).await?;
    Ok(parse(&answers[0]))
}

/// What a server says of a stream now; of one subject, if asked for, how many messages it has.
pub(super) async fn info(
    node: &Node,
    stream: &KeptStream,
    subject: Option<&str>,
    deadline: Instant,
) -> Result<Info, Error> {
    let body = match subject {
        Some(subject) => json!({ "subjects_filter": subject }),
        None => Value::Null,
    };
    let api = format!("$JS.API.STREAM.INFO.{}", stream.name);
    let answers = ask(node, &api, &body, Wants::One, deadline).await?;
    Ok(parse(&answers[0])?)
}

fn config(stream: &KeptStream) -> Value {
    let mut config = plain(stream);
    if stream.options.partitions > 1 {
        partitions::describe(stream, &mut config);
    }
    config
}

fn plain(stream: &KeptStream) -> Value {
    let options = &stream.options;
    let nanoseconds = |time: Duration| u64::try_from(time.as_nanos()).unwrap_or(u64::MAX / 2);
    json!({
        "name": stream.name,
        "description": "Channels of Tidegate",
        "subjects": [stream.subjects],
        "retention": "limits",
        "discard": "old",
        // One more than is promised shows that nothing behind it is missing.
        "max_msgs_per_subject": options.size + 1,
        "max_age": nanoseconds(options.ttl + RETENTION_SLACK),
        "storage": match options.storage {
            Storage::File => "file",
            Storage::Memory => "memory",
        },
        "compression": if options.compression { "s2" } else { "none" },
        "num_replicas": options.replicas,
        "duplicate_window": nanoseconds(options.duplicate_window),
        "allow_direct": true,
        "republish": { "src": stream.stored, "dest": stream.delivery },
        "metadata": { MADE_BY: "channels", LEAST_SIZE: options.size.to_string() },
    })
}

/// Settings of which a change would lose something, or that show that the stream is not ours.
fn check(found: &Value, wanted: &Value) -> Result<(), Fault> {
    if found["metadata"][MADE_BY] != wanted["metadata"][MADE_BY] {
        return Err(Fault::Settings(format!(
            "it was not made by Tidegate (its metadata has no {MADE_BY}): give Tidegate another nats.prefix, or remove the \
             stream yourself if what it holds is not needed"
        )));
    }
    for name in ["subjects", "subject_transform", "storage", "retention"] {
        if found[name] != wanted[name] {
            return Err(Fault::Settings(format!(
                "its {name} is {} and must be {}: remove the stream yourself if what it holds is not needed, or change the \
                 options of the namespace",
                found[name], wanted[name]
            )));
        }
    }
    Ok(())
}

/// The settings with those that differ changed, and all others as they are.
fn changed(found: &Value, wanted: &Value) -> Option<Value> {
    let mut config = found.clone();
    let mut differs = false;
    for (name, value) in wanted.as_object().into_iter().flatten() {
        let is_there = match (name.as_str(), &config[name]) {
            // Raised sizes change nothing of what was let go under smaller ones.
            ("metadata", metadata) => least_size(metadata) <= least_size(value),
            ("republish" | "subject_transform", republish) => {
                republish["src"] == value["src"] && republish["dest"] == value["dest"]
            }
            (_, found) => found == value,
        };
        if !is_there {
            differs = true;
            match name.as_str() {
                // Servers keep what they say of themselves there.
                "metadata" => config[name][LEAST_SIZE] = value[LEAST_SIZE].clone(),
                _ => config[name] = value.clone(),
            }
        }
    }
    differs.then_some(config)
}

/// Milliseconds since 1970 of a time such as `2026-11-25T06:00:00.123456789Z` (RFC 3339, as JetStream writes it).
pub(in crate::nats) fn milliseconds(text: &str) -> Option<u64> {
    let time = OffsetDateTime::parse(text, &Rfc3339).ok()?;
    u64::try_from(time.unix_timestamp_nanos() / 1_000_000).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_as_jetstream_writes_them() {
        for (text, expected) in [
            ("1970-01-01T00:00:00Z", Some(0)),
            ("2000-02-29T12:30:15.5Z", Some(951_827_415_500)),
            ("2026-11-25T06:00:00.123456789Z", Some(1_795_586_400_123)),
            ("2026-11-25T06:00:00+01:00", Some(1_795_582_800_000)),
            ("2026-13-25T06:00:00Z", None),
            ("", None),
            ("TZ", None),
        ] {
            assert_eq!(milliseconds(text), expected, "{text}");
        }
    }
}
