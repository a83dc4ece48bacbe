//! The end of a connection: as soon as both sides have closed, and whatever a client does not read.

use std::time::{Duration, Instant};

use serde_json::json;
use tokio::net::TcpSocket;

use crate::http::Upgrade;
use crate::raw::{CLOSE, End, FINAL, Incoming, PING, Raw, frame, text};
use crate::site::Site;

const ROUNDS: u32 = 5;

/// That the quickest round takes less than a second says that none of them has to wait for a time to pass; others may be
/// held up by the machine.
const PROMPT: Duration = Duration::from_millis(700);

#[tokio::test]
async fn the_socket_is_closed_when_the_client_has_closed() {
    let site = Site::start();
    let mut quickest = Duration::MAX;
    for _ in 0..ROUNDS {
        let began = Instant::now();
        let mut raw = Raw::open(site.address(), "").await;
        raw.write(&frame(FINAL | CLOSE, &1000_u16.to_be_bytes()))
            .await;
        assert_eq!(raw.end().await, End::Close(1000));
        assert_eq!(raw.next().await, Incoming::End(End::Cut));
        quickest = quickest.min(began.elapsed());
    }
    assert!(quickest < PROMPT, "{quickest:?}");
    site.stop().await;
}

#[tokio::test]
async fn the_socket_is_closed_when_the_client_has_answered_the_servers_close() {
    let site = Site::start();
    let mut quickest = Duration::MAX;
    for _ in 0..ROUNDS {
        let began = Instant::now();
        let mut raw = Raw::open(site.address(), "").await;
        raw.write(&text("nonsense")).await;
        assert_eq!(raw.end().await, End::Close(3501));
        // What was under way when the node closed is thrown away.
        raw.write(&text("more nonsense")).await;
        raw.write(&frame(FINAL | CLOSE, &3501_u16.to_be_bytes()))
            .await;
        assert_eq!(raw.next().await, Incoming::End(End::Cut));
        quickest = quickest.min(began.elapsed());
    }
    assert!(quickest < PROMPT, "{quickest:?}");
    site.stop().await;
}

#[tokio::test]
async fn the_socket_is_closed_when_the_client_does_not_answer() {
    let site = Site::start();
    for nonsense in [text("nonsense"), frame(FINAL | 0x3, b"")] {
        let mut raw = Raw::open(site.address(), "").await;
        raw.write(&nonsense).await;
        assert!(matches!(raw.end().await, End::Close(3501 | 1002)));
        assert_eq!(raw.next().await, Incoming::End(End::Cut));
    }
    site.stop().await;
}

#[tokio::test]
async fn pongs_that_nobody_reads_hold_nothing_up() {
    let site = Site::with(|config| config["client"]["stale_close_delay"] = json!("500ms"));
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4_096).unwrap();
    let stream = socket.connect(site.address()).await.unwrap();
    let upgrade = Upgrade::new(site.address());
    let (mut raw, _) = Raw::upgrade_on(stream, &upgrade).await.unwrap();
    let pings = frame(FINAL | PING, &[b'x'; 125]).repeat(100);
    let flood = async {
        loop {
            raw.write(&pings).await;
        }
    };
    let gone = async {
        site.until_metric("tidegate_closed_by_server", 1).await;
        site.until_metric("tidegate_connections", 0).await;
    };
    tokio::select! {
        () = gone => {}
        () = flood => {}
    }
    drop(raw);
    site.stop().await;
}
