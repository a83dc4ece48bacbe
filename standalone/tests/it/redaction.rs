//! What is removed through the history service is in no recovery, no history and no archive, and nobody misses it.

use tidegate_proto::history::history_client::HistoryClient;
use tidegate_proto::history::remove_request::What;
use tidegate_proto::history::{RemoveRequest, StreamPosition};
use tidegate_testkit::deadline::until_some;
use tonic::transport::Channel;

use super::archive::{free_address, start};
use super::history::{client, read};
use super::scenario::{self, Format, Sdk};
use super::site::Backbone;

async fn redact(format: Format, backbone: Backbone) {
    let address = free_address();
    let (site, beside) = start(backbone, &address).await;
    let mut script = scenario::start(
        "redaction",
        Sdk::JavaScript,
        format,
        site.near(),
        site.far(),
    );
    let mut history = client(&format!("http://{address}")).await;
    let offsets = script.next_line().await.unwrap();
    for offset in offsets.split(' ') {
        remove(&mut history, offset.parse().unwrap()).await;
    }
    script.tell("removed").unwrap();
    if let Err(error) = script.succeeded().await {
        panic!("{error:#}\n{}", site.output());
    }
    let archived = async || {
        let found = read(&mut history.clone(), "kept:redaction").await;
        (found.len() == 6).then_some(found)
    };
    let found = until_some("six are left", archived).await.unwrap();
    for (text, number) in found.iter().zip([1, 2, 4, 6, 7, 9]) {
        let data: serde_json::Value = serde_json::from_str(text).unwrap();
        assert_eq!(data["number"], number);
    }
    drop(beside);
}

async fn remove(history: &mut HistoryClient<Channel>, offset: u64) {
    let request = RemoveRequest {
        channel: "kept:redaction".to_owned(),
        what: Some(What::One(StreamPosition {
            epoch: String::new(),
            offset,
        })),
    };
    history.remove(request).await.unwrap();
}

#[tokio::test]
async fn embedded_json() {
    redact(Format::Json, Backbone::Embedded).await;
}

#[tokio::test]
async fn nats_json() {
    redact(Format::Json, Backbone::Nats).await;
}

#[tokio::test]
async fn nats_protobuf() {
    redact(Format::Protobuf, Backbone::Nats).await;
}
