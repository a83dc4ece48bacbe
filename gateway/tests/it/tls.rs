//! TLS in the gateway: real sockets, and an authority of the test's own.

mod files;
mod hostile;
mod probe;
pub(crate) mod site;

use std::net::SocketAddr;

use serde_json::json;
use tidegate_testkit::authority::Authority;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::timeout;
use tokio_rustls::rustls::HandshakeKind;
use tokio_rustls::rustls::version::{TLS12, TLS13};

use crate::client::Client;
use crate::command::{Format, Request};
use crate::http::{self, PATIENCE, Upgrade};
use crate::raw::{CLOSE, FINAL, frame};
use site::{TlsSite, Trust};

#[tokio::test]
async fn clients_that_trust_the_authority_talk_in_both_formats() {
    let site = TlsSite::start();
    for format in Format::BOTH {
        let mut alice = site.client(format, "alice").await;
        let mut bob = site.client(Format::Json, "bob").await;
        bob.subscribe("chat:a").await;
        // More than a record holds, in both directions.
        let data = format!("\"{}\"", "x".repeat(60_000));
        alice.publish("chat:a", data.as_str()).await;
        assert_eq!(bob.publication("chat:a").await, data.as_bytes());
        alice.leave().await;
        bob.leave().await;
    }
    assert_eq!(site.metric("tidegate_tls_failed").await, 0);
    site.stop().await;
}

#[tokio::test]
async fn a_client_that_trusts_another_authority_does_not_come_in() {
    let site = TlsSite::start();
    let stranger = Trust::in_authority(&Authority::new().unwrap());
    let refused = stranger.connect(site.address()).await.err().unwrap();
    let reason = refused.to_string();
    assert!(reason.contains("invalid peer certificate"), "{reason}");
    site.until_metric("tidegate_tls_failed", 1).await;
    site.stop().await;
}

#[tokio::test]
async fn clients_show_a_certificate_where_they_are_asked_to() {
    let (clients, strange) = (Authority::new().unwrap(), Authority::new().unwrap());
    let site = TlsSite::with(|config| {
        config["http_server"]["tls"]["client_ca_pem_file"] = json!(clients.file());
    });
    let showing = |authority: &Authority| {
        let own = authority.certificate("a client").unwrap();
        site.trust().showing(&own)
    };
    for (trust, comes_in) in [
        (site.trust(), false),
        (showing(&strange), false),
        (showing(&clients), true),
    ] {
        // A client of TLS 1.3 has done its part before it is refused.
        let mut stream = trust.connect(site.address()).await.unwrap();
        let request = b"GET /health HTTP/1.1\r\nHost: gateway.test\r\n\r\n";
        let _sent = stream.write_all(request).await;
        let mut answer = [0; 12];
        let answered = timeout(PATIENCE, stream.read_exact(&mut answer)).await;
        assert_eq!(answered.unwrap().is_ok(), comes_in, "{answer:?}");
    }
    site.end().await;
}

#[tokio::test]
async fn clients_that_do_not_finish_a_handshake_are_cut_off_and_disturb_nobody() {
    let site = TlsSite::with(|config| {
        config["http_server"]["workers"] = json!(1);
        config["http_server"]["request_timeout"] = json!("3s");
    });
    let mut stuck = Vec::new();
    for number in 0..60 {
        let mut socket = TcpStream::connect(site.address()).await.unwrap();
        // Nothing; the head of a record; a record that says it has more than came.
        let begun: &[u8] = [&b""[..], b"\x16\x03", b"\x16\x03\x01\x01\x00\x01\x00"][number % 3];
        socket.write_all(begun).await.unwrap();
        stuck.push(socket);
    }
    let mut alice = site.client(Format::Json, "alice").await;
    alice.subscribe("chat:a").await;
    alice.publish("chat:a", "1").await;
    assert_eq!(alice.publication("chat:a").await, b"1");
    assert_eq!(site.metric("tidegate_tls_failed").await, 0, "too early");
    for mut socket in stuck {
        let end = timeout(PATIENCE, socket.read(&mut [0; 100])).await;
        assert_eq!(end.expect("the node waits forever").unwrap_or(0), 0);
    }
    assert_eq!(site.metric("tidegate_tls_failed").await, 60);
    alice.publish("chat:a", "2").await;
    assert_eq!(alice.publication("chat:a").await, b"2");
    alice.leave().await;
    site.stop().await;
}

#[tokio::test]
async fn plain_http_is_told_what_the_port_speaks() {
    let site = TlsSite::start();
    let upgrade = Upgrade::new(site.address()).text();
    for request in ["GET / HTTP/1.1\r\n\r\n", &upgrade] {
        let answer = http::exchange(site.address(), request.as_bytes()).await;
        assert_eq!(answer.status, 400);
        assert_eq!(
            answer.body,
            "this port speaks TLS: use https:// or wss://\n"
        );
    }
    let answer = http::exchange(site.address(), &[0; 64]).await;
    assert_eq!(answer.status, 0);
    // A connection is closed a moment before it is counted.
    site.until_metric("tidegate_tls_failed", 3).await;
    site.stop().await;
}

#[tokio::test]
async fn an_older_version_than_the_least_does_not_come_in() {
    let site = TlsSite::start();
    let old = site.trust().versions(&[&TLS12]);
    let stream = old.connect(site.address()).await.unwrap();
    assert_eq!(stream.get_ref().1.protocol_version(), Some(TLS12.version));
    drop(stream);
    site.stop().await;

    let site = TlsSite::with(|config| config["http_server"]["tls"]["min_version"] = json!("1.3"));
    let refused = site
        .trust()
        .versions(&[&TLS12])
        .connect(site.address())
        .await;
    assert!(refused.is_err());
    let stream = site.trust().connect(site.address()).await.unwrap();
    assert_eq!(stream.get_ref().1.protocol_version(), Some(TLS13.version));
    drop(stream);
    assert_eq!(site.metric("tidegate_tls_failed").await, 1);
    site.stop().await;
}

#[tokio::test]
async fn http_1_1_is_agreed_on_and_nothing_else() {
    let site = TlsSite::start();
    let both = site.trust().protocols(&["h2", "http/1.1"]);
    let stream = both.connect(site.address()).await.unwrap();
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"http/1.1"[..]));
    drop(stream);
    let refused = site
        .trust()
        .protocols(&["h2"])
        .connect(site.address())
        .await;
    assert!(refused.is_err());
    site.stop().await;
}

#[tokio::test]
async fn a_client_that_comes_back_resumes_its_session() {
    let site = TlsSite::start();
    for version in [&TLS12, &TLS13] {
        let trust = site.trust().versions(&[version]);
        let kind = async || {
            let mut stream = trust.connect(site.address()).await.unwrap();
            let kind = stream.get_ref().1.handshake_kind();
            // The ticket comes with the answer.
            assert_eq!(site::get_on(&mut stream, "/health").await.status, 200);
            kind
        };
        assert_eq!(kind().await, Some(HandshakeKind::Full));
        assert_eq!(kind().await, Some(HandshakeKind::Resumed));
    }
    site.stop().await;
}

#[tokio::test]
async fn a_client_may_change_its_keys() {
    let site = TlsSite::start();
    let mut stream = site.trust().connect(site.address()).await.unwrap();
    stream
        .write_all(b"GET /health HTTP/1.1\r\nHost: gateway.test\r\n\r\n")
        .await
        .unwrap();
    let mut answer = [0; 12];
    stream.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"HTTP/1.1 200");
    stream.get_mut().1.refresh_traffic_keys().unwrap();
    let mut rest = Vec::new();
    while !rest.ends_with(b"ok\n") {
        rest.push(stream.read_u8().await.unwrap());
    }
    assert_eq!(site::get_on(&mut stream, "/health").await.status, 200);
    site.stop().await;
}

/// Without the last word of TLS a client cannot tell the end from an attack.
#[tokio::test]
async fn every_end_is_told_in_tls_too() {
    let site = TlsSite::with(|config| config["client"]["stale_close_delay"] = json!("100ms"));
    let close = frame(FINAL | CLOSE, &1000_u16.to_be_bytes());
    let violation = frame(FINAL | 0xb, b"");
    // The client closes; the node does, and the client answers; the client breaks the protocol.
    for (said, code) in [(Some(&close), 1000), (None, 3502), (Some(&violation), 1002)] {
        let mut stream = site.trust().connect(site.address()).await.unwrap();
        let upgrade = Upgrade::new(site.address()).text();
        stream.write_all(upgrade.as_bytes()).await.unwrap();
        let mut heard = Vec::new();
        match said {
            Some(said) => stream.write_all(said).await.unwrap(),
            None => {
                while !heard.ends_with(b"stale") {
                    heard.push(timeout(PATIENCE, stream.read_u8()).await.unwrap().unwrap());
                }
                stream.write_all(&close).await.unwrap();
            }
        }
        let end = timeout(PATIENCE, stream.read_to_end(&mut heard)).await;
        assert!(end.unwrap().is_ok(), "{code}: it ends without close_notify");
        let code = u16::to_be_bytes(code);
        assert!(heard.windows(2).any(|bytes| bytes == code), "{heard:?}");
    }
    site.stop().await;
}

/// A socket that takes as little as possible before its reader does.
async fn narrow(address: SocketAddr) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4_096).unwrap();
    socket.connect(address).await.unwrap()
}

#[tokio::test]
async fn what_a_slow_reader_gets_late_is_whole() {
    let site = TlsSite::with(|config| config["client"]["queue_max_size"] = json!(8 << 20));
    let socket = narrow(site.address()).await;
    let stream = site.trust().secure(socket).await.unwrap();
    let mut slow = Client::open_on(stream, Format::Json).await;
    slow.connect("slow").await;
    slow.subscribe("chat:a").await;
    slow.subscribe("chat:b").await;
    let mut publisher = site.client(Format::Json, "alice").await;
    let data = |number: usize| format!("\"{number} {}\"", "x".repeat(number * 13 % 20_000));
    for number in 0..300 {
        let channel = ["chat:a", "chat:b"][number % 2];
        publisher.publish(channel, data(number)).await;
    }
    let mut next = [0, 1];
    for _ in 0..300 {
        let message = slow.next().await.unwrap();
        let crate::command::Message::Publication {
            channel,
            data: found,
        } = message
        else {
            panic!("{message:?}");
        };
        let next = &mut next[usize::from(channel == "chat:b")];
        assert_eq!(found, data(*next).as_bytes());
        *next += 2;
    }
    publisher.leave().await;
    slow.leave().await;
    site.stop().await;
}

#[tokio::test]
async fn a_client_that_does_not_read_is_closed_with_3008() {
    let site = TlsSite::with(|config| config["client"]["queue_max_size"] = json!(65_536));
    let socket = narrow(site.address()).await;
    let stream = site.trust().secure(socket).await.unwrap();
    let mut slow = Client::open_on(stream, Format::Json).await;
    slow.connect("slow").await;
    slow.subscribe("chat:a").await;
    let mut publisher = site.client(Format::Json, "alice").await;
    let data = format!("\"{}\"", "x".repeat(20_000));
    let mut published = 0;
    while site.metric("tidegate_closed_slow").await == 0 {
        assert!(published < 2_000, "40 MB wait for it");
        publisher.publish("chat:a", data.as_str()).await;
        published += 1;
    }
    assert_eq!(slow.closed().await, (3008, "slow".to_owned()));
    let outcome = publisher.call(Request::Unsubscribe("chat:none".to_owned()));
    assert_eq!(outcome.await, Ok(()));
    publisher.leave().await;
    site.stop().await;
}
