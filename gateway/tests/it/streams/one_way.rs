//! Clients that only listen.

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::{Reading, post, site};
use crate::http::{PATIENCE, Upgrade};
use crate::raw::{self, End, Incoming, Raw};
use crate::token;

/// The connect of `alice`, who would like to hear one channel.
fn connect() -> String {
    json!({ "token": token::of("alice"), "subs": { "chat:a": {} } }).to_string()
}

#[tokio::test]
async fn pushes_come_bare_in_lines_and_in_events() {
    let site = site(|_| {});
    let mut writer = site.alice().await;
    for path in ["/connection/uni_http_stream", "/connection/uni_sse"] {
        let request = post(path, "application/json", &connect());
        let mut reading = Reading::open(site.address(), &request).await;
        let is_events = path.ends_with("sse");
        let next = async |reading: &mut Reading| match is_events {
            true => reading.event().await,
            false => reading.line().await,
        };
        let opened = next(&mut reading).await;
        let opened = &opened["connect"];
        assert_eq!(opened["subs"], json!({ "chat:a": {} }), "{opened}");
        assert_eq!(
            (&opened["ping"], &opened["pong"]),
            (&json!(25), &Value::Null)
        );
        writer.publish("chat:a", "[1]").await;
        let push = next(&mut reading).await;
        assert_eq!(
            (&push["channel"], &push["pub"]["data"]),
            (&json!("chat:a"), &json!([1]))
        );
    }
    writer.leave().await;
    site.stop().await;
}

#[tokio::test]
async fn a_response_that_goes_on_may_follow_others_on_its_socket() {
    let site = site(|_| {});
    let mut socket = TcpStream::connect(site.address()).await.unwrap();
    let before = "GET /health HTTP/1.1\r\nHost: gateway.test\r\n\r\n";
    let request = post("/connection/uni_sse", "application/json", &connect());
    let both = format!("{before}{request}");
    socket.write_all(both.as_bytes()).await.unwrap();
    let mut first = String::new();
    while !first.ends_with("\r\n\r\nok\n") {
        let byte = timeout(PATIENCE, socket.read_u8()).await.unwrap();
        first.push(byte.unwrap().into());
    }
    let mut reading = Reading::on(socket).await;
    let of = |name| reading.answer.header(name);
    assert_eq!(of("transfer-encoding"), Some("chunked"));
    assert_eq!(of("connection"), Some("close"));
    assert!(reading.event().await["connect"].is_object());
    drop(reading);
    site.stop().await;
}

#[tokio::test]
async fn a_body_over_http_1_0_ends_with_its_socket() {
    let site = site(|_| {});
    let request = post(
        "/connection/uni_http_stream",
        "application/json",
        &connect(),
    );
    let request = request.replacen("HTTP/1.1", "HTTP/1.0", 1);
    let mut socket = TcpStream::connect(site.address()).await.unwrap();
    socket.write_all(request.as_bytes()).await.unwrap();
    site.until_metric("tidegate_subscriptions", 1).await;
    let stop = tokio::spawn(site.end());
    let mut text = String::new();
    let read = timeout(PATIENCE, socket.read_to_string(&mut text)).await;
    read.expect("the node keeps the socket").unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    assert!(!head.to_lowercase().contains("transfer-encoding"), "{head}");
    let lines = body.lines().map(|line| serde_json::from_str(line).unwrap());
    let lines: Vec<Value> = lines.collect();
    assert!(lines[0]["connect"].is_object(), "{body}");
    assert_eq!(lines[1]["disconnect"]["code"], 3001, "{body}");
    stop.await.unwrap();
}

#[tokio::test]
async fn pings_need_no_answer() {
    let site = site(|config| {
        config["client"]["ping_interval"] = json!("2s");
        config["client"]["pong_timeout"] = json!("1800ms");
    });
    let request = post(
        "/connection/uni_http_stream",
        "application/json",
        &connect(),
    );
    let mut reading = Reading::open(site.address(), &request).await;
    reading.line().await;
    for _ in 0..3 {
        assert_eq!(reading.line().await, json!({}));
    }
    drop(reading);
    site.stop().await;
}

#[tokio::test]
async fn a_refused_connect_ends_with_a_push_or_with_a_status() {
    let site = site(|config| {
        config["uni_http_stream"]["connect_code_to_http_status"] = json!(["3500=401", "3005=403"]);
    });
    let expired = token::signed(&json!({ "sub": "alice", "exp": 1 }));
    for (path, token, status, code) in [
        ("/connection/uni_sse", "x", 200, 3500),
        ("/connection/uni_sse", &*expired, 200, 3005),
        ("/connection/uni_http_stream", "x", 401, 0),
        ("/connection/uni_http_stream", &*expired, 403, 0),
        ("/connection/uni_http_stream", "", 200, 3501),
    ] {
        let body = json!({ "token": token }).to_string();
        let request = post(path, "application/json", &body);
        let mut reading = Reading::open(site.address(), &request).await;
        assert_eq!(reading.answer.status, status, "{path} {token}");
        if status == 200 {
            let push = match path.ends_with("sse") {
                true => reading.event().await,
                false => reading.line().await,
            };
            assert_eq!(push["disconnect"]["code"], code, "{path} {token}");
            assert_eq!(reading.until("\n").await, None);
        }
    }
    site.stop().await;
}

#[tokio::test]
async fn the_ends_of_refused_connects_can_be_chosen() {
    let site = site(|config| {
        config["client"]["connect_code_to_unidirectional_disconnect"] = json!({
            "enabled": true,
            "transforms": [{ "code": 109, "to": { "code": 4_001, "reason": "log in again" } }],
        });
        config["uni_http_stream"]["connect_code_to_http_status"] = json!(["4001=401"]);
    });
    let expired = token::signed(&json!({ "sub": "alice", "exp": 1 }));
    let body = json!({ "token": expired }).to_string();
    let request = post("/connection/uni_sse", "application/json", &body);
    let push = Reading::open(site.address(), &request).await.event().await;
    let end = json!({ "code": 4_001, "reason": "log in again", "reconnect": true });
    assert_eq!(push["disconnect"], end);
    let request = post("/connection/uni_http_stream", "application/json", &body);
    let reading = Reading::open(site.address(), &request).await;
    assert_eq!(reading.answer.status, 401);
    let mut upgrade = Upgrade::new(site.address());
    upgrade.target = "/connection/uni_websocket".to_owned();
    let mut raw = Raw::upgrade(site.address(), &upgrade).await.unwrap();
    raw.write(&raw::text(&body)).await;
    assert_eq!(raw.end().await, End::Close(4_001));
    // Who can be replied to is told the error.
    let request = post(
        "/connection/sse",
        "application/json",
        &format!(r#"{{"id":1,"connect":{body}}}"#),
    );
    let reply = Reading::open(site.address(), &request).await.event().await;
    assert_eq!(reply["error"]["code"], 109);
    site.stop().await;
}

/// Kept channels, in which a server-side subscription recovers. Nothing is left of them when everybody has gone.
fn kept(config: &mut Value) {
    config["channel"]["recovery_linger"] = json!("0s");
    let chat = &mut config["channel"]["namespaces"][0];
    for (option, value) in [
        ("history_size", json!(100)),
        ("history_ttl", json!("10m")),
        ("force_recovery", json!(true)),
    ] {
        chat[option] = value;
    }
}

/// The data of what was published to a channel, whether it came by itself or with the connect, and the last event id.
async fn gather(reading: &mut Reading, until: u64) -> (Vec<u64>, String) {
    let (mut numbers, mut id) = (Vec::new(), String::new());
    let mut is_current = false;
    while numbers.last() != Some(&until) || !is_current {
        let block = reading.until("\n\n").await.expect("the response has ended");
        if let Some(found) = block.strip_prefix("id: ") {
            id = found.to_owned();
            is_current = true;
        }
        let Some((_, data)) = block.split_once("data: ") else {
            continue;
        };
        let push: Value = serde_json::from_str(data).unwrap();
        let missed = push["connect"]["subs"]["chat:a"]["publications"].as_array();
        let publications = missed.cloned().unwrap_or_default();
        let all = publications.iter().chain([&push["pub"]]);
        let before = numbers.len();
        numbers.extend(all.filter_map(|it| it["data"].as_u64()));
        is_current &= numbers.len() == before;
    }
    (numbers, id)
}

#[tokio::test]
async fn an_event_id_brings_back_what_was_missed_once_and_in_order() {
    let site = site(kept);
    let mut writer = site.alice().await;
    let request = |id: &str| {
        let request = post("/connection/uni_sse", "application/json", &connect());
        request.replacen("Host:", &format!("Last-Event-ID: {id}\r\nHost:"), 1)
    };
    let mut reading = Reading::open(site.address(), &request("")).await;
    reading.event().await;
    for number in 1..=3 {
        writer.publish("chat:a", number.to_string()).await;
    }
    let (numbers, id) = gather(&mut reading, 3).await;
    assert_eq!(numbers, [1, 2, 3]);
    drop(reading);
    for number in 4..=6 {
        writer.publish("chat:a", number.to_string()).await;
    }
    // One that was tampered with is none: the client begins where the channel is.
    let mut forged = Reading::open(site.address(), &request(&format!("x{id}"))).await;
    let opened = forged.event().await;
    let sub = &opened["connect"]["subs"]["chat:a"];
    assert_eq!(sub["publications"], Value::Null, "{sub}");
    drop(forged);
    let mut reading = Reading::open(site.address(), &request(&id)).await;
    writer.publish("chat:a", "7").await;
    let (numbers, _) = gather(&mut reading, 7).await;
    assert_eq!(numbers, [4, 5, 6, 7]);
    drop(reading);
    writer.leave().await;
    site.stop().await;
}

#[tokio::test]
async fn a_websocket_may_only_listen() {
    for engine in ["lean", "actix"] {
        let site =
            site(|config| config["websocket"] = json!({ "engine": engine, "compression": true }));
        let mut writer = site.alice().await;
        let encoded: String = connect()
            .bytes()
            .map(|byte| format!("%{byte:02x}"))
            .collect();
        for is_in_target in [true, false] {
            let mut upgrade =
                Upgrade::new(site.address()).with("Sec-WebSocket-Extensions", "permessage-deflate");
            upgrade.target = match is_in_target {
                true => format!("/connection/uni_websocket?cf_connect={encoded}"),
                false => "/connection/uni_websocket".to_owned(),
            };
            let mut raw = Raw::upgrade(site.address(), &upgrade).await.unwrap();
            if !is_in_target {
                raw.write(&raw::text(connect())).await;
            }
            let mut next = async || match raw.next().await {
                Incoming::Frame(raw::TEXT, payload) => {
                    serde_json::from_slice::<Value>(&payload).unwrap()
                }
                other => panic!("{other:?}"),
            };
            let opened = next().await;
            assert_eq!(
                opened["connect"]["subs"],
                json!({ "chat:a": {} }),
                "{opened}"
            );
            for number in 0..3 {
                writer.publish("chat:a", number.to_string()).await;
            }
            for number in 0..3 {
                assert_eq!(next().await["pub"]["data"], number);
            }
            // What else it says does not count.
            raw.write(&raw::text("anything")).await;
            writer.publish("chat:a", "3").await;
            assert!(matches!(raw.next().await, Incoming::Frame(..)));
            raw.write(&raw::frame(raw::FINAL | raw::CLOSE, b"")).await;
            raw.end().await;
        }
        for first in ["", "{", "[]"] {
            let mut upgrade = Upgrade::new(site.address());
            upgrade.target = "/connection/uni_websocket".to_owned();
            let mut raw = Raw::upgrade(site.address(), &upgrade).await.unwrap();
            raw.write(&raw::text(first)).await;
            assert_eq!(raw.end().await, End::Close(3501), "{first}");
        }
        writer.leave().await;
        site.stop().await;
    }
}
