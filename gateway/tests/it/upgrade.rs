//! What the HTTP side decides: who may upgrade, in which format, with which token; and the other endpoints.

mod endpoints;
mod tokens;

use serde_json::{Value, json};
use tokio::net::TcpStream;

use crate::command::{Format, Message, Request};
use crate::http::{Answer, Upgrade, exchange};
use crate::raw::{BINARY, FINAL, Incoming, Raw, TEXT, frame};
use crate::site::Site;
use crate::token;

/// Status of an upgrade.
async fn status(site: &Site, upgrade: &Upgrade) -> u16 {
    match Raw::upgrade(site.address(), upgrade).await {
        Ok(_) => 101,
        Err(answer) => answer.status,
    }
}

/// Asserts the status for each `Origin` header; `HOST` in it stands for the node's own address, an empty one for none.
async fn check_origins<const COUNT: usize>(allowed: Value, origins: [(&str, u16); COUNT]) {
    let site = Site::with(|config| config["client"]["allowed_origins"] = allowed);
    let host = site.address().to_string();
    let mut refused = 0;
    for (origin, expected) in origins {
        let mut upgrade = Upgrade::new(site.address());
        if !origin.is_empty() {
            upgrade = upgrade.with("Origin", &origin.replace("HOST", &host));
        }
        let found = status(&site, &upgrade).await;
        assert_eq!(found, expected, "{origin}");
        refused += u64::from(found == 403);
    }
    assert_eq!(site.metric("tidegate_origins_refused").await, refused);
    assert_eq!(
        site.metric("tidegate_connections_accepted").await,
        COUNT as u64 - refused
    );
    site.stop().await;
}

#[tokio::test]
async fn pages_of_the_same_host_alone_may_connect_where_nothing_is_configured() {
    let origins = [
        ("", 101),
        ("http://HOST", 101),
        ("https://app.example.com", 403),
        ("http://127.0.0.1:1", 403),
        ("http://HOST.example.com", 403),
        ("http://user@HOST", 403),
        ("null", 403),
        (" ", 403),
    ];
    check_origins(json!([]), origins).await;
}

#[tokio::test]
async fn pages_of_listed_origins_alone_may_connect() {
    let origins = [
        ("", 101),
        ("https://app.example.com", 101),
        ("https://a.b.example.org", 101),
        ("https://example.org", 403),
        ("https://evilexample.org", 403),
        ("http://app.example.com", 403),
        ("https://app.example.com.evil.com", 403),
        ("http://HOST", 403),
        ("null", 403),
    ];
    let allowed = json!(["https://app.example.com", "https://*.example.org"]);
    check_origins(allowed, origins).await;
}

#[tokio::test]
async fn pages_of_any_origin_may_connect_where_that_is_allowed() {
    let origins = [
        ("", 101),
        ("https://anything.example.com", 101),
        ("null", 101),
    ];
    check_origins(json!(["*"]), origins).await;
}

#[tokio::test]
async fn subprotocol_and_query_choose_the_format() {
    let (json, protobuf) = (Some("centrifuge-json"), Some("centrifuge-protobuf"));
    let cases = [
        ("", "", None, Format::Json),
        ("centrifuge-json", "", json, Format::Json),
        ("centrifuge-protobuf", "", protobuf, Format::Protobuf),
        ("chat, centrifuge-protobuf", "", protobuf, Format::Protobuf),
        ("chat", "", None, Format::Json),
        ("", "format=protobuf", None, Format::Protobuf),
        ("", "cf_protocol=protobuf", None, Format::Protobuf),
        ("", "a=b&format=protobuf&c", None, Format::Protobuf),
        ("", "format=json", None, Format::Json),
        ("", "format=protobufs&x=y&&=", None, Format::Json),
        ("chat", "format=protobuf", None, Format::Protobuf),
        ("centrifuge-json", "format=protobuf", json, Format::Json),
    ];
    let site = Site::start();
    for (offered, query, echoed, format) in cases {
        let mut upgrade = Upgrade::new(site.address()).query(query);
        if !offered.is_empty() {
            upgrade = upgrade.with("Sec-WebSocket-Protocol", offered);
        }
        let stream = TcpStream::connect(site.address()).await.unwrap();
        let (mut raw, answer) = Raw::upgrade_on(stream, &upgrade).await.unwrap();
        let found = answer.header("Sec-WebSocket-Protocol");
        assert_eq!(found, echoed, "{offered:?} {query:?}");
        let message = connect(&mut raw, format, &token::of("alice")).await;
        let connected = matches!(
            message,
            Some(Message::Reply {
                id: 1,
                error: None,
                ..
            })
        );
        assert!(connected, "{offered:?} {query:?}: {message:?}");
    }
    site.stop().await;
}

#[tokio::test]
async fn native_pings_are_not_announced_to_the_application() {
    let site = Site::start();
    let cases = [
        ("", json!(25), json!(true)),
        ("cf_ws_frame_ping_pong=true", Value::Null, Value::Null),
    ];
    for (query, ping, pong) in cases {
        let mut raw = Raw::open(site.address(), query).await;
        let message = connect(&mut raw, Format::Json, &token::of("alice")).await;
        let Some(Message::Reply { result, .. }) = message else {
            panic!("{message:?}");
        };
        assert_eq!(
            (&result["ping"], &result["pong"]),
            (&ping, &pong),
            "{query}"
        );
    }
    site.stop().await;
}

#[tokio::test]
async fn a_request_that_is_no_handshake_is_refused() {
    let site = Site::start();
    let address = site.address();
    let good = Upgrade::new(address).with("Connection", "Upgrade, close");
    let cases = [
        (
            "no upgrade",
            good.clone().without("Upgrade").with("Connection", "close"),
            &[400][..],
        ),
        (
            "another protocol",
            good.clone().with("Upgrade", "h2c"),
            &[400],
        ),
        (
            "no version",
            good.clone().without("Sec-WebSocket-Version"),
            &[400, 426],
        ),
        (
            "an old version",
            good.clone().with("Sec-WebSocket-Version", "8"),
            &[400, 426],
        ),
        ("no key", good.clone().without("Sec-WebSocket-Key"), &[400]),
    ];
    for (what, upgrade, allowed) in cases {
        let answer = Raw::upgrade(address, &upgrade).await.err();
        let status = answer.map_or(101, |answer| answer.status);
        assert!(allowed.contains(&status), "{what}: {status}");
    }
    let post = good.text().replacen("GET", "POST", 1);
    let post = post.replacen("\r\n", "\r\nContent-Length: 0\r\n", 1);
    let Answer { status, .. } = exchange(address, post.as_bytes()).await;
    assert!([404, 405].contains(&status), "POST: {status}");
    site.stop().await;
}

/// Connects with a token; gives the answer, or `None` when the node closed.
async fn connect(raw: &mut Raw, format: Format, token: &str) -> Option<Message> {
    let opcode = match format {
        Format::Json => TEXT,
        Format::Protobuf => BINARY,
    };
    let command = format.encode(1, &Request::Connect(token.to_owned()));
    raw.write(&frame(FINAL | opcode, &command)).await;
    match raw.next().await {
        Incoming::Frame(found, payload) if found == opcode => format.decode(&payload).pop(),
        _ => None,
    }
}
