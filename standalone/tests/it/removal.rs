//! What backends remove through a gateway goes from the archive too, whatever they come by; where it cannot, they are told.

use serde_json::{Value, json};
use tidegate_proto::gateway as proto;
use tidegate_proto::history::history_client::HistoryClient;
use tidegate_proto::history::{ReadRequest, StatsRequest};
use tidegate_testkit::deadline::until_some;
use tidegate_testkit::gateway::Gateway;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tonic::transport::Channel;

use super::archive::{archive, free_address, serve_in};
use super::backends::{KEY, ask, connect, free_port, with_key};
use super::health::readiness;
use super::history::client;
use super::site::{Backbone, Site};

const ROOM: &str = "kept:removal";

/// Waits until so much is archived.
async fn archived(history: &HistoryClient<Channel>, count: u64) {
    let archived = async || {
        let stats = history.clone().stats(StatsRequest {}).await.ok()?;
        let streams = stats.into_inner().streams;
        let found: u64 = streams.iter().map(|it| it.publications).sum();
        (found == count).then_some(())
    };
    until_some("it is archived", archived).await.unwrap();
}

/// How much the history service finds.
async fn found(history: &HistoryClient<Channel>) -> usize {
    let request = ReadRequest {
        channel: ROOM.to_owned(),
        ..ReadRequest::default()
    };
    let read = async || history.clone().read(request.clone()).await.ok();
    let page = until_some("the service answers", read).await.unwrap();
    page.into_inner().publications.len()
}

/// Posts to the HTTP API; the body of the answer.
async fn post(gateway: &Gateway, method: &str, body: Value) -> Value {
    let address = gateway.http().replace("http://", "");
    let mut socket = TcpStream::connect(address.trim_end_matches('/'))
        .await
        .unwrap();
    let body = body.to_string();
    let request = format!(
        "POST /api/{method} HTTP/1.1\r\nHost: localhost\r\nX-API-Key: {KEY}\r\nConnection: close\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    socket.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    socket.read_to_string(&mut answer).await.unwrap();
    let (_, body) = answer.split_once("\r\n\r\n").unwrap();
    serde_json::from_str(body).unwrap_or_else(|_| panic!("{answer}"))
}

#[tokio::test]
async fn http_and_grpc_remove_from_the_archive() {
    let (address, port) = (free_address(), free_port());
    let site = Site::start(Backbone::Embedded, |config| {
        archive(config);
        config["history_service"]["address"] = json!(address);
        config["http_api"] = json!({ "key": KEY });
        config["grpc_api"] = json!({ "enabled": true, "port": port, "key": KEY });
    })
    .await;
    let history = client(&format!("http://{address}")).await;
    let mut backend = with_key(connect(port).await);
    for is_grpc in [false, true] {
        for number in 0..3 {
            let publish = json!({ "channel": ROOM, "data": number });
            let published = post(site.near(), "publish", publish).await;
            assert!(published["result"]["offset"].is_u64(), "{published}");
        }
        archived(&history, 3).await;
        if is_grpc {
            let request = proto::HistoryRemoveRequest {
                channel: ROOM.to_owned(),
            };
            backend.history_remove(request).await.unwrap();
        } else {
            let removed = post(site.near(), "history_remove", json!({ "channel": ROOM })).await;
            assert_eq!(removed, json!({ "result": {} }));
        }
        assert_eq!(found(&history).await, 0);
        archived(&history, 0).await;
    }
}

/// Without a service the stream is emptied, and the caller knows what is left to do; done again it is all done.
#[tokio::test]
async fn without_the_service_what_is_left_is_told() {
    let (address, folder) = (free_address(), tempfile::tempdir().unwrap());
    let site = Site::start(Backbone::Nats, |config| {
        archive(config);
        config["nats_api"] = json!({ "enabled": true });
    })
    .await;
    let url = site.nats.as_ref().unwrap().url();
    let nats = async_nats::connect(&url).await.unwrap();
    let mut service = serve_in(folder.path(), &url, &address).await;
    let url_of_service = format!("http://{address}");
    let history = client(&url_of_service).await;
    // Any of them answers, and one that starts does not know its streams yet.
    for gateway in &site.gateways {
        readiness(gateway, 200).await;
    }
    for number in 0..3 {
        let publish = json!({ "channel": ROOM, "data": number });
        let published = ask(&nats, "publish", publish).await;
        assert!(published["result"]["offset"].is_u64(), "{published}");
    }
    archived(&history, 3).await;
    service.abort();
    let _ended = service.await;
    drop(history);
    let remove = async || ask(&nats, "history_remove", json!({ "channel": ROOM })).await;
    let refused = remove().await;
    assert_eq!(refused["error"]["code"], 100, "{refused}");
    let told = refused["error"]["message"].as_str().unwrap();
    assert!(
        told.contains("removed from the stream and from gateways"),
        "{told}"
    );
    assert!(
        told.contains("not from the archive: there is no history service"),
        "{told}"
    );
    let left = ask(&nats, "history", json!({ "channel": ROOM, "limit": -1 })).await;
    assert_eq!(left["result"]["publications"], json!([]), "{left}");

    service = serve_in(folder.path(), &url, &address).await;
    let history = client(&url_of_service).await;
    assert_eq!(
        found(&history).await,
        3,
        "nobody removed it from the archive"
    );
    let done = async || (remove().await == json!({ "result": {} })).then_some(());
    until_some("the service is there", done).await.unwrap();
    assert_eq!(found(&history).await, 0);
    archived(&history, 0).await;
    assert_eq!(remove().await, json!({ "result": {} }));
    service.abort();
}
