//! What a node was entrusted with stands in no line of its log, however much it tells.

use serde_json::json;
use tidegate_proto::gateway as proto;
use tidegate_testkit::gateway::Gateway;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;

use super::backend::Backend;
use super::client::Client;
use super::{asks, config, start};
use crate::backends::{KEY, connect, free_port, with_key};

const SIGNING_KEY: &str = "a key that signs tokens 5e1f";
const API_KEY: &str = "api-key-92c7d1";
const COOKIE: &str = "session-of-app-b40e";
const PAYLOAD: &str = "payload-of-room-7d33";

/// The token in the command, in a header and in a cookie.
async fn come_with_token(gateway: &Gateway, token: &str) {
    let mut client = Client::open(gateway.websocket().into_client_request().unwrap()).await;
    let reply = client.ask("connect", json!({ "token": token })).await;
    assert!(reply["connect"].is_object(), "{reply}");
    client.subscribe("kept:room").await;
    let publish = json!({ "channel": "kept:room", "data": PAYLOAD });
    client.ask("publish", publish).await;
    assert_eq!(client.publication().await, PAYLOAD);
    for (name, value) in [
        ("authorization", format!("Bearer {token}")),
        ("cookie", format!("app={COOKIE}; token={token}")),
    ] {
        let mut request = gateway.websocket().into_client_request().unwrap();
        request.headers_mut().insert(name, value.parse().unwrap());
        let mut client = Client::open(request).await;
        let reply = client.ask("connect", json!({})).await;
        assert!(reply["connect"].is_object(), "{name}: {reply}");
    }
    // One that is not accepted is a token all the same.
    let mut client = Client::open(gateway.websocket().into_client_request().unwrap()).await;
    client
        .tell("connect", json!({ "token": format!("{token}x") }))
        .await;
    client.ended().await;
}

/// A backend over HTTP and gRPC, whose keys are right and wrong.
async fn publish(gateway: &Gateway, port: u16) {
    let body = json!({ "channel": "chat:room", "data": PAYLOAD }).to_string();
    let length = body.len();
    for (key, status) in [(API_KEY, "200"), ("api-key-92c7d1-wrong", "401")] {
        let request = format!(
            "POST /api/publish HTTP/1.0\r\nx-api-key: {key}\r\ncontent-length: {length}\r\n\r\n{body}"
        );
        let mut socket = TcpStream::connect(gateway.address()).await.unwrap();
        socket.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        socket.read_to_string(&mut answer).await.unwrap();
        assert_eq!(answer.split(' ').nth(1), Some(status), "{answer}");
    }
    let request = proto::PublishRequest {
        channel: "chat:room".to_owned(),
        publication: Some(proto::Publishing {
            data: PAYLOAD.into(),
            ..proto::Publishing::default()
        }),
    };
    let mut backend = with_key(connect(port).await);
    backend.publish(request).await.unwrap();
}

#[tokio::test]
async fn are_in_no_log() {
    let (backend, port) = (Backend::start().await, free_port());
    let mut config = asks(config(), &backend);
    config["log"] = json!({ "level": "trace" });
    config["client"] = json!({
        "token": { "hmac_secret_key": SIGNING_KEY },
        "token_cookie": "token",
        "allowed_origins": ["https://app.test"],
    });
    for namespace in config["channel"]["namespaces"].as_array_mut().unwrap() {
        namespace["allow_subscribe_for_client"] = json!(true);
        namespace["allow_publish_for_client"] = json!(true);
    }
    config["channel"]["proxy"]["publish"]["http_headers"] = json!(["cookie"]);
    config["http_api"] = json!({ "key": API_KEY });
    config["grpc_api"] = json!({ "enabled": true, "port": port, "key": KEY });
    let gateway = start(None, &config, &[]).await;
    let token = gateway.token(&["--user", "ada"]).await.unwrap();
    come_with_token(&gateway, &token).await;
    publish(&gateway, port).await;
    let log = gateway.output();
    assert!(log.contains("TRACE"), "it tells everything");
    let signature = token.rsplit('.').next().unwrap();
    for secret in [SIGNING_KEY, API_KEY, KEY, COOKIE, PAYLOAD, signature] {
        let lines: Vec<_> = log.lines().filter(|it| it.contains(secret)).collect();
        assert!(lines.is_empty(), "{secret}: {lines:#?}");
    }
}
