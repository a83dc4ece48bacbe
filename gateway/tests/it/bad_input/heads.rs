//! Requests that are none, or that nobody needs.

use std::time::{Duration, Instant};

use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{interval, timeout};

use crate::bystander::Bystander;
use crate::http::{Answer, PATIENCE, Upgrade, exchange};
use crate::site::Site;

/// Asserts what the node answers to each request; status 0 is a connection that ends without an answer.
async fn check(cases: impl IntoIterator<Item = (&str, Vec<u8>, &[u16])>) {
    let site = Site::start();
    let mut bystander = Bystander::arrive(site.address()).await;
    for (what, request, allowed) in cases {
        let status = exchange(site.address(), &request).await.status;
        assert!(allowed.contains(&status), "{what}: {status}");
        bystander.check(what).await;
    }
    bystander.leave().await;
    site.stop().await;
}

#[tokio::test]
async fn what_is_not_http_is_refused() {
    let garbage: Vec<u8> = (0..=255).cycle().take(4_096).collect();
    let upgrade = "GET /connection/websocket HTTP/1.1\r\nHost: a\r\n";
    check([
        ("garbage", garbage, &[400][..]),
        ("a line", b"hello there\r\n\r\n".to_vec(), &[400]),
        (
            "TLS",
            b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03".to_vec(),
            &[400],
        ),
        (
            "another version",
            b"GET / HTTP/9.9\r\n\r\n".to_vec(),
            &[400],
        ),
        (
            "a header without colon",
            format!("{upgrade}Upgrade websocket\r\n\r\n").into(),
            &[400],
        ),
        (
            "two lengths",
            format!("{upgrade}Content-Length: 1\r\nContent-Length: 2\r\n\r\n").into(),
            &[400],
        ),
    ])
    .await;
}

#[tokio::test]
async fn heads_are_bounded() {
    let address = "127.0.0.1:8000".parse().unwrap();
    let mut crowded = Upgrade::new(address);
    for number in 0..2_000 {
        crowded = crowded.with(&format!("X-{number}"), "x");
    }
    let large = |size| Upgrade::new(address).with("X-Large", &"x".repeat(size));
    let long = Upgrade::new(address).query(&"x".repeat(70_000));
    check([
        ("2,000 headers", crowded.text().into(), &[400, 431][..]),
        (
            "a header of 64 KB",
            large(65_536).text().into(),
            &[400, 431],
        ),
        (
            "a header of 1 MB",
            large(1_000_000).text().into(),
            &[0, 400, 431],
        ),
        ("a target of 70 KB", long.text().into(), &[400, 414, 431]),
    ])
    .await;
}

#[tokio::test]
async fn a_head_that_drips_is_cut_off_at_its_deadline() {
    let site = Site::with(|config| config["http_server"]["request_timeout"] = json!("2s"));
    let mut bystander = Bystander::arrive(site.address()).await;
    let began = Instant::now();
    let mut stream = TcpStream::connect(site.address()).await.unwrap();
    let (mut reader, mut writer) = stream.split();
    let drip = async {
        writer
            .write_all(b"GET /health HTTP/1.1\r\nX: ")
            .await
            .unwrap();
        let mut pace = interval(Duration::from_millis(20));
        loop {
            pace.tick().await;
            if writer.write_all(b"x").await.is_err() {
                return std::future::pending().await;
            }
        }
    };
    let mut answer = Vec::new();
    let ended = async { timeout(PATIENCE, reader.read_to_end(&mut answer)).await };
    tokio::select! {
        ended = ended => assert!(ended.is_ok(), "the node waits for ever"),
        () = drip => {}
    }
    let answer = Answer::parse(&String::from_utf8_lossy(&answer));
    assert!([0, 408].contains(&answer.status), "{answer:?}");
    assert!(
        began.elapsed() >= Duration::from_millis(1_900),
        "it was cut off too early"
    );
    // With the default it would be ten seconds.
    assert!(
        began.elapsed() < Duration::from_secs(9),
        "{:?}",
        began.elapsed()
    );
    bystander.check("a head that drips").await;
    bystander.leave().await;
    site.stop().await;
}
