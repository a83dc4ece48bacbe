//! Namespaces that gather, thin out or limit what they deliver.

use serde_json::json;

use crate::client::Client;
use crate::command::Format;
use crate::site::Site;

fn site(options: &serde_json::Value) -> Site {
    Site::with(|config| {
        let namespace = &mut config["channel"]["namespaces"][0];
        for (name, value) in options.as_object().unwrap() {
            namespace[name] = value.clone();
        }
    })
}

/// Publishes 1 to 50 at once, and gives what a subscriber gets of it, the last publication included.
async fn received(client: &mut Client, publisher: &mut Client) -> Vec<String> {
    client.subscribe("chat:a").await;
    for number in 1..=50 {
        publisher.publish("chat:a", number.to_string()).await;
    }
    let mut received = Vec::new();
    while received.last().is_none_or(|last| last != "50") {
        let data = client.publication("chat:a").await;
        received.push(String::from_utf8(data.to_vec()).unwrap());
    }
    received
}

#[tokio::test]
async fn a_rate_loses_nothing_where_every_publication_counts() {
    let site = site(&json!({ "max_rate": 5, "batch_max_size": 7 }));
    let (mut reader, mut publisher) = (site.client(Format::Json, "bob").await, site.alice().await);
    let received = received(&mut reader, &mut publisher).await;
    let all: Vec<String> = (1..=50).map(|number| number.to_string()).collect();
    assert_eq!(received, all);
    drop((reader, publisher));
    site.stop().await;
}

#[tokio::test]
async fn of_what_a_rate_holds_up_only_the_newest_is_sent_where_that_is_enough() {
    let site = site(&json!({ "write_delay": "1s", "delivery": "latest" }));
    let mut reader = site.client(Format::Protobuf, "bob").await;
    let mut publisher = site.alice().await;
    let received = received(&mut reader, &mut publisher).await;
    assert!(received.len() < 25, "{received:?}");
    assert!(received.is_sorted_by_key(|number| number.parse::<u32>().unwrap()));
    drop((reader, publisher));
    site.stop().await;
}
