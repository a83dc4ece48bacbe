//! A namespace that is spread over several streams.
//!
//! Publishers know nothing of it: a mapping in the servers' configuration takes what is published in the namespace to a subject
//! of its partition, whose stream stores it under the subject that it was published on. The mapping is tried with a message
//! that no stream takes, because without it publications would go nowhere.

use bytes::Bytes;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::settings::Fault;
use super::{Answer, ApiError, Keeping, KeptStream, PATIENCE, Request, Wants, ask, parse};
use crate::Error;
use crate::nats::node::Node;

/// The member of a stream's metadata that tells over how many its namespace is spread.
const PARTITIONS: &str = "tidegate-partitions";

/// JetStream's codes for a stream that does not exist, and for a message that is meant for another.
const NOT_FOUND: u64 = 10059;
const ANOTHER: u64 = 10060;

/// Makes a message one that no stream takes.
const NOBODY: &[u8] = b"NATS/1.0\r\nNats-Expected-Stream: -\r\n\r\n";

/// Adds to a stream's settings what makes it a partition.
pub(super) fn describe(stream: &KeptStream, config: &mut Value) {
    config["metadata"][PARTITIONS] = stream.options.partitions.to_string().into();
    config["subject_transform"] = json!({ "src": stream.subjects, "dest": stream.stored });
}

/// Refuses a stream that was made to be one of another number.
pub(super) fn check(stream: &KeptStream, metadata: &Value) -> Result<(), Fault> {
    let wanted = stream.options.partitions.max(1);
    let found = metadata[PARTITIONS].as_str().unwrap_or("1");
    match found == wanted.to_string() {
        true => Ok(()),
        false => Err(another_number(stream, found)),
    }
}

/// What is made of a namespace that has another number of streams. Who observes takes it as it is, but not a second time: all
/// that depends on the number has begun by then.
fn another_number(stream: &KeptStream, found: &str) -> Fault {
    let wanted = stream.options.partitions.max(1);
    if stream.keeping == Keeping::Keep {
        return Fault::Settings(format!(
            "the namespace was made with history_partitions {found}, and its channels cannot be spread over {wanted} afterwards: \
             set it back, or give the channels another namespace, or remove its streams yourself if what they hold is not needed"
        ));
    }
    match found.parse() {
        Ok(number) if wanted == 1 && number > 1 && !stream.was_used() => Fault::Spread(number),
        Ok(_) | Err(_) => Fault::Settings(format!(
            "the namespace has history_partitions {found} now, and had {wanted} before: start this program again"
        )),
    }
}

/// Refuses a namespace of which there is a stream that does not fit.
pub(super) async fn refuse_other(node: &Node, stream: &KeptStream) -> Result<(), Fault> {
    let namespace = stream.options.namespace.as_deref();
    let (other, found) = match stream.options.partitions {
        0 | 1 => (node.subjects.partition_stream(namespace, 0), "of several"),
        _ => (node.subjects.stream(namespace), "1"),
    };
    let api = format!("$JS.API.STREAM.INFO.{other}");
    let deadline = Instant::now() + PATIENCE;
    let answers = ask(node, &api, &Value::Null, Wants::One, deadline).await?;
    match parse::<Value>(&answers[0]) {
        Ok(info) => {
            let found = info["config"]["metadata"][PARTITIONS]
                .as_str()
                .unwrap_or(found);
            Err(another_number(stream, found))
        }
        Err(ApiError { code, .. }) if code == NOT_FOUND => Ok(()),
        Err(error) => Err(Error::from(error).into()),
    }
}

/// Tries whether the servers map what is published in a partition to its stream.
pub(super) async fn probe(node: &Node, stream: &KeptStream) -> Result<(), Fault> {
    let options = &stream.options;
    let (namespace, partitions) = (options.namespace.as_deref(), options.partitions);
    if partitions <= 1 {
        return Ok(());
    }
    let subject = node.subjects.probe(namespace, stream.partition, partitions);
    let deadline = Instant::now() + PATIENCE;
    let request = Request {
        subject: &subject,
        headers: NOBODY,
        payload: Bytes::new(),
    };
    let asked = request.ask(node, Wants::One, deadline).await;
    if asked.is_ok_and(|answers| is_by(&answers[0], &stream.name)) {
        return Ok(());
    }
    // Without a leader nobody answers either.
    let info = format!("$JS.API.STREAM.INFO.{}", stream.name);
    ask(
        node,
        &info,
        &Value::Null,
        Wants::One,
        Instant::now() + PATIENCE,
    )
    .await?;
    Err(Fault::Settings(format!(
        "history_partitions is {partitions}, and the nats servers do not map {subject} to the stream: add to their configuration, \
         or to the account's, mappings = {{ {} }}",
        node.subjects.mapping(namespace, partitions)
    )))
}

/// Whether a stream refuses a message because it is meant for another.
fn is_by(answer: &Answer, name: &str) -> bool {
    let said: Value = serde_json::from_slice(&answer.payload).unwrap_or_default();
    said["error"]["err_code"] == ANOTHER && said["stream"] == name
}
