//! One publication to many connections on several workers: once each, in order, and to nobody who did not ask.

mod churn;

use futures_util::future::join_all;
use serde_json::json;

use crate::client::Client;
use crate::command::{Format, Request};
use crate::process::Process;
use crate::site::Site;

const CHANNEL: &str = "chat:all";

/// A node with four workers, which get new connections in turn.
fn site() -> Site {
    Site::with(|config| config["http_server"]["workers"] = json!(4))
}

/// Subscribers, half of them in each format.
async fn subscribers(site: &Site, count: usize) -> Vec<Client> {
    let subscribers = (0..count).map(async |number| {
        let mut client = site.client(Format::BOTH[number % 2], "reader").await;
        client.subscribe(CHANNEL).await;
        client
    });
    join_all(subscribers).await
}

#[tokio::test]
async fn every_subscriber_gets_every_publication_once_and_in_order() {
    const PUBLICATIONS: usize = 500;
    let site = site();
    let mut readers = subscribers(&site, 40).await;
    let mut publisher = site.alice().await;
    let payload = |number: usize| format!("{{\"number\":{number}}}").into_bytes();
    let requests: Vec<_> = (0..PUBLICATIONS)
        .map(|number| Request::Publish(CHANNEL.to_owned(), payload(number)))
        .collect();
    for batch in requests.chunks(50) {
        publisher.send(batch).await;
    }
    let reads = readers.iter_mut().map(async |reader| {
        for number in 0..PUBLICATIONS {
            assert_eq!(reader.publication(CHANNEL).await, payload(number));
        }
    });
    join_all(reads).await;
    // One more to each shows that nothing came twice.
    let mut last = site.client(Format::Protobuf, "bob").await;
    last.publish(CHANNEL, "\"last\"").await;
    for reader in &mut readers {
        assert_eq!(reader.publication(CHANNEL).await, b"\"last\"");
    }
    let delivered = 40 * (PUBLICATIONS as u64 + 1);
    assert_eq!(site.metric("tidegate_publications_out").await, delivered);
    assert_eq!(site.metric("tidegate_channels").await, 1);
    drop((readers, publisher, last));
    site.stop().await;
}

#[tokio::test]
async fn a_burst_larger_than_an_outbox_does_not_cut_off_a_client_that_reads() {
    const PUBLISHERS: usize = 40;
    let site = Site::with(|config| config["http_server"]["workers"] = json!(1));
    let mut reader = site.client(Format::Json, "reader").await;
    reader.subscribe(CHANNEL).await;
    let publishers = (0..PUBLISHERS).map(|_| site.client(Format::Json, "alice"));
    let mut publishers = join_all(publishers).await;
    let payload = format!("\"{}\"", "x".repeat(60_000)).into_bytes();
    let burst = publishers
        .iter_mut()
        .map(|publisher| publisher.publish(CHANNEL, payload.clone()));
    let read = async {
        for _ in 0..PUBLISHERS {
            assert_eq!(reader.publication(CHANNEL).await, payload);
        }
    };
    tokio::join!(join_all(burst), read);
    drop((reader, publishers));
    site.stop().await;
}

/// Over NATS, where a publication is not confirmed at once.
#[tokio::test]
async fn a_client_that_publishes_and_leaves_loses_nothing() {
    const PUBLICATIONS: usize = 200;
    let process = Process::start(|_| {}).await;
    let mut reader = Client::connected(process.address, Format::Json, "reader").await;
    reader.subscribe(CHANNEL).await;
    let mut publisher = Client::connected(process.address, Format::Json, "alice").await;
    let requests: Vec<_> = (0..PUBLICATIONS)
        .map(|number| Request::Publish(CHANNEL.to_owned(), number.to_string().into_bytes()))
        .collect();
    publisher.send(&requests).await;
    publisher.leave().await;
    for number in 0..PUBLICATIONS {
        let expected = number.to_string().into_bytes();
        assert_eq!(reader.publication(CHANNEL).await, expected);
    }
}

#[tokio::test]
async fn what_is_not_json_reaches_protobuf_clients_only_and_is_counted_once() {
    let site = site();
    let mut readers = subscribers(&site, 16).await;
    let mut publisher = site.client(Format::Protobuf, "alice").await;
    publisher.publish(CHANNEL, b"\xff\x00{").await;
    publisher.publish(CHANNEL, b"{ \"after\" :\n1 }").await;
    for (number, reader) in readers.iter_mut().enumerate() {
        if number % 2 == 1 {
            assert_eq!(reader.publication(CHANNEL).await, b"\xff\x00{");
            assert_eq!(reader.publication(CHANNEL).await, b"{ \"after\" :\n1 }");
        } else {
            // A line break would end the line that it stands in.
            let received = reader.publication(CHANNEL).await;
            assert!(!received.contains(&b'\n'));
            let value: serde_json::Value = serde_json::from_slice(&received).unwrap();
            assert_eq!(value, json!({ "after": 1 }));
        }
    }
    assert_eq!(site.metric("tidegate_not_json").await, 1);
    drop((readers, publisher));
    site.stop().await;
}
