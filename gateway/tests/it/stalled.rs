//! A NATS server that has stopped to answer: clients wait for it, and for nothing else.

use serde_json::json;

use crate::client::Client;
use crate::command::{Format, Message, Request};
use crate::process::Process;

/// With one after the other, each would wait for its own time-out.
const SUBSCRIBES: usize = 60;

const TEMPORARY: u32 = 100;

#[tokio::test]
async fn commands_wait_together_and_pings_are_answered_meanwhile() {
    let process = Process::start(|config| {
        config["client"]["ping_interval"] = json!("2s");
        config["client"]["pong_timeout"] = json!("1800ms");
    })
    .await;
    for format in Format::BOTH {
        let mut client = Client::connected(process.address, format, "reader").await;
        process.nats.freeze().unwrap();
        let name = |number: usize| format!("chat:{number}");
        let requests: Vec<_> = (0..SUBSCRIBES)
            .map(|number| Request::Subscribe(name(number)))
            .collect();
        client.send(&requests).await;
        let mut refused = 0;
        while refused < SUBSCRIBES {
            match client.next().await {
                Ok(Message::Reply { error, .. }) => {
                    assert_eq!(error, Some(TEMPORARY));
                    refused += 1;
                }
                other => panic!("after {refused} replies: {other:?}"),
            }
        }
        process.nats.thaw().unwrap();
        // The node finds its way back; until then it answers as before.
        while client.call(Request::Subscribe(name(0))).await == Err(TEMPORARY) {}
        client.publish(&name(0), "1").await;
        assert_eq!(client.publication(&name(0)).await, b"1");
    }
}
