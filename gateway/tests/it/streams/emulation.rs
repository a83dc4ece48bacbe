//! Bidirectional connections whose commands come as requests.

use std::net::SocketAddr;

use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use super::{Emulated, Reading, connect, post, site, status};
use crate::command::{Format, Message, Request};
use crate::http;
use crate::token;

/// An id that nobody has.
const NOBODY: &str = "00000000-0000-4000-8000-000000000000";

#[tokio::test]
async fn commands_by_request_are_answered_in_the_stream() {
    let site = site(|_| {});
    let mut client = Emulated::open(site.address()).await;
    let answer = &client.reading.answer;
    for (name, value) in [
        ("content-type", "application/x-ndjson"),
        ("x-accel-buffering", "no"),
        ("transfer-encoding", "chunked"),
    ] {
        assert_eq!(answer.header(name), Some(value));
    }
    assert!(
        answer
            .header("cache-control")
            .unwrap()
            .contains("no-transform")
    );
    assert_eq!(
        client
            .send(r#"{"id":2,"subscribe":{"channel":"chat:a"}}"#)
            .await,
        204
    );
    assert_eq!(
        client.reading.line().await,
        json!({ "id": 2, "subscribe": {} })
    );
    let both = "{\"id\":3,\"publish\":{\"channel\":\"chat:a\",\"data\":1}}\n{\"id\":4,\"publish\":{\"channel\":\"chat:a\",\"data\":2}}";
    assert_eq!(client.send(both).await, 204);
    let mut data = Vec::new();
    let mut replies = Vec::new();
    while data.len() + replies.len() < 4 {
        let line = client.reading.line().await;
        match line["push"]["pub"]["data"].as_u64() {
            Some(number) => data.push(number),
            None => replies.push(line["id"].as_u64().unwrap()),
        }
    }
    assert_eq!((data, replies), (vec![1, 2], vec![3, 4]));
    drop(client);
    // Nothing is left of who went away without a word.
    site.stop().await;
}

#[tokio::test]
async fn events_carry_the_same() {
    let site = site(|_| {});
    let query = connect()
        .bytes()
        .map(|byte| format!("%{byte:02x}"))
        .collect::<String>();
    let get =
        format!("GET /connection/sse?cf_connect={query} HTTP/1.1\r\nHost: gateway.test\r\n\r\n");
    for request in [get, post("/connection/sse", "application/json", &connect())] {
        let mut reading = Reading::open(site.address(), &request).await;
        let content = reading.answer.header("content-type").unwrap();
        assert!(content.starts_with("text/event-stream"));
        let reply = reading.event().await;
        assert!(reply["connect"]["session"].is_string(), "{reply}");
    }
    site.stop().await;
}

#[tokio::test]
async fn protobuf_goes_both_ways() {
    use prost::Message as _;
    use tidegate_proto as proto;

    let site = site(|_| {});
    let frame = Format::Protobuf.encode(1, &Request::Connect(token::of("alice")));
    let head = |path: &str, size: usize| {
        format!(
            "POST {path} HTTP/1.1\r\nHost: gateway.test\r\nContent-Type: application/octet-stream\r\n\
             Content-Length: {size}\r\n\r\n"
        )
    };
    let send = async |path: &str, body: &[u8]| {
        let mut socket = TcpStream::connect(site.address()).await.unwrap();
        let request = [head(path, body.len()).as_bytes(), body].concat();
        socket.write_all(&request).await.unwrap();
        Reading::on(socket).await
    };
    let mut reading = send("/connection/http_stream", &frame).await;
    let message = reading.message().await;
    let reply = proto::Reply::decode(&*message).unwrap().connect.unwrap();
    let frame = Format::Protobuf.encode(2, &Request::Subscribe("chat:a".to_owned()));
    let request = proto::EmulationRequest {
        node: reply.node,
        session: reply.session,
        data: frame.into(),
    };
    let answer = send("/emulation", &request.encode_to_vec()).await.answer;
    assert_eq!(answer.status, 204);
    let message = reading.message().await;
    assert!(proto::Reply::decode(&*message).unwrap().subscribe.is_some());
    drop(reading);
    site.stop().await;
}

#[tokio::test]
async fn what_is_no_such_request_is_refused() {
    let site = site(|config| config["emulation"] = json!({ "max_request_body_size": 1_000 }));
    let address = site.address();
    let client = Emulated::open(address).await;
    let body = |node: &Value, session: &Value, data: Value| {
        json!({ "node": node, "session": session, "data": data }).to_string()
    };
    let (node, session, nobody) = (&client.node, &client.session, &json!(NOBODY));
    let large = "x".repeat(1_001);
    for (body, expected) in [
        ("", 400),
        ("{", 400),
        (&body(node, session, json!({})), 400),
        (&body(nobody, session, json!("{}")), 404),
        (&body(&json!("elsewhere.*"), session, json!("{}")), 404),
        (&body(node, nobody, json!("{}")), 204),
        (&body(node, &json!(">"), json!("{}")), 204),
        (&large, 413),
    ] {
        let request = post("/emulation", "application/json", body);
        assert_eq!(status(address, &request).await, expected, "{body}");
    }
    let get = "GET /emulation HTTP/1.1\r\nHost: gateway.test\r\n\r\n";
    assert_eq!(status(address, get).await, 405);
    for (request, expected) in [
        (post("/connection/http_stream", "application/json", ""), 400),
        (
            "GET /connection/http_stream HTTP/1.1\r\nHost: gateway.test\r\n\r\n".to_owned(),
            405,
        ),
        (
            "GET /connection/sse HTTP/1.1\r\nHost: gateway.test\r\n\r\n".to_owned(),
            400,
        ),
    ] {
        assert_eq!(status(address, &request).await, expected, "{request}");
    }
    drop(client);
    site.stop().await;
}

#[tokio::test]
async fn a_body_may_come_in_single_bytes() {
    let site = site(|_| {});
    let slowly = async |request: &str| {
        let mut socket = TcpStream::connect(site.address()).await.unwrap();
        socket.set_nodelay(true).unwrap();
        for byte in request.as_bytes() {
            socket.write_all(&[*byte]).await.unwrap();
            tokio::task::yield_now().await;
        }
        Reading::on(socket).await
    };
    let request = post("/connection/http_stream", "application/json", &connect());
    let mut reading = slowly(&request).await;
    let reply = reading.line().await;
    let client = Emulated {
        address: site.address(),
        session: reply["connect"]["session"].clone(),
        node: reply["connect"]["node"].clone(),
        reading,
    };
    let request = client.request(r#"{"id":2,"subscribe":{"channel":"chat:a"}}"#);
    assert_eq!(slowly(&request).await.answer.status, 204);
    let mut reading = client.reading;
    assert_eq!(reading.line().await, json!({ "id": 2, "subscribe": {} }));
    drop(reading);
    site.stop().await;
}

#[tokio::test]
async fn a_disconnect_is_the_last_message() {
    let site = site(|_| {});
    let mut client = Emulated::open(site.address()).await;
    assert_eq!(client.send(r#"{"id":2,"connect":{}}"#).await, 204);
    let expected = json!({ "push": { "disconnect": { "code": 3501, "reason": "bad request" } } });
    assert_eq!(client.reading.line().await, expected);
    assert_eq!(client.reading.until("\n").await, None);
    site.stop().await;
}

#[tokio::test]
async fn what_was_published_by_request_reaches_others_although_the_client_goes() {
    let site = site(|_| {});
    let mut reader = site.alice().await;
    reader.subscribe("chat:a").await;
    let address: SocketAddr = site.address();
    let client = Emulated::open(address).await;
    let publish = r#"{"id":2,"publish":{"channel":"chat:a","data":7}}"#;
    assert_eq!(client.send(publish).await, 204);
    drop(client);
    match reader.next().await {
        Ok(Message::Publication { data, .. }) => assert_eq!(data, b"7"),
        other => panic!("{other:?}"),
    }
    reader.leave().await;
    site.stop().await;
}

#[tokio::test]
async fn a_backend_reaches_the_connection_of_a_session_alone() {
    let site = site(|config| config["http_api"] = json!({ "insecure": true }));
    let address = site.address();
    let mut meant = Emulated::open(address).await;
    let mut other = Emulated::open(address).await;
    for (session, expected) in [(&json!(NOBODY), 0), (&meant.session, 1)] {
        let order = json!({ "user": "alice", "session": session }).to_string();
        let answer = http::post(address, "/api/disconnect", &order).await;
        let answer: Value = serde_json::from_str(&answer.body).unwrap();
        assert_eq!(answer, json!({ "result": { "num_clients": expected } }));
    }
    let end = meant.reading.line().await;
    assert_eq!(end["push"]["disconnect"]["code"], 3_503);
    assert_eq!(
        other
            .send(r#"{"id":2,"subscribe":{"channel":"chat:a"}}"#)
            .await,
        204
    );
    assert_eq!(
        other.reading.line().await,
        json!({ "id": 2, "subscribe": {} })
    );
    drop((meant, other));
    site.stop().await;
}
