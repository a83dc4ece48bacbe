//! Compression (RFC 7692) as clients meet it: agreed on where both want it, and shared by all who agreed on the same.

use serde_json::json;
use tidegate_websocket::{
    Decoder, DeflateOptions, Event, Inflater, Limits, Message, Role, WindowBits,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::command::Format;
use crate::http::Upgrade;
use crate::raw::{End, FINAL, Raw, TEXT, frame, text};
use crate::site::Site;
use crate::token;

const EXTENSIONS: &str = "Sec-WebSocket-Extensions";

/// RSV1.
const COMPRESSED: u8 = 0x40;

fn site(enabled: bool) -> Site {
    Site::with(|config| {
        config["websocket"] = json!({ "compression": enabled, "message_size_limit": 10_000 });
    })
}

/// What is agreed on when `offer` is offered.
async fn answer(site: &Site, offer: &str) -> Option<String> {
    let upgrade = Upgrade::new(site.address()).with(EXTENSIONS, offer);
    let stream = TcpStream::connect(site.address()).await.unwrap();
    let (_, answer) = Raw::upgrade_on(stream, &upgrade).await.ok().unwrap();
    answer.header(EXTENSIONS).map(str::to_owned)
}

#[tokio::test]
async fn it_is_agreed_on_where_both_sides_want_it() {
    let enabled = site(true);
    for (offer, expected) in [
        (
            "permessage-deflate",
            Some("permessage-deflate; server_no_context_takeover; client_no_context_takeover"),
        ),
        (
            "permessage-deflate; server_max_window_bits=10",
            Some(
                "permessage-deflate; server_no_context_takeover; client_no_context_takeover; \
                 server_max_window_bits=10",
            ),
        ),
        ("permessage-deflate; server_max_window_bits=7", None),
        ("x-webkit-deflate-frame", None),
    ] {
        assert_eq!(
            answer(&enabled, offer).await.as_deref(),
            expected,
            "{offer}"
        );
    }
    let disabled = site(false);
    assert_eq!(answer(&disabled, "permessage-deflate").await, None);
    enabled.stop().await;
    disabled.stop().await;
}

/// A subscriber that reads compressed frames.
struct Subscriber {
    socket: TcpStream,
    decoder: Decoder,
    /// First bytes of the frames so far.
    heads: Vec<u8>,
}

impl Subscriber {
    async fn start(site: &Site) -> Self {
        let mut socket = TcpStream::connect(site.address()).await.unwrap();
        let upgrade = Upgrade::new(site.address()).with(EXTENSIONS, "permessage-deflate");
        socket.write_all(upgrade.text().as_bytes()).await.unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(socket.read_u8().await.unwrap());
        }
        let options = DeflateOptions {
            server_context_takeover: false,
            client_context_takeover: false,
            ..DeflateOptions::FULL
        };
        let agreement = options.accept(["permessage-deflate"]).unwrap();
        assert_eq!(agreement.server_window, WindowBits::MAX);
        let decoder = Decoder::with_deflate(Role::Client, &agreement);
        let heads = Vec::new();
        let mut subscriber = Self {
            socket,
            decoder,
            heads,
        };
        let commands = json!({"id": 1, "connect": {"token": token::of("reader")}}).to_string()
            + "\n"
            + &json!({"id": 2, "subscribe": {"channel": "chat:a"}}).to_string();
        subscriber.socket.write_all(&text(commands)).await.unwrap();
        while !subscriber.message().await.contains("\"subscribe\"") {}
        subscriber
    }

    async fn message(&mut self) -> String {
        let mut inflater = Inflater::new();
        let limits = Limits {
            message: 1 << 20,
            fragments: 1,
        };
        loop {
            // A byte at a time, so that nothing of the next frame is taken along.
            let mut byte = [self.socket.read_u8().await.unwrap()];
            if self.decoder.is_idle() {
                self.heads.push(byte[0]);
            }
            let mut input = &mut byte[..];
            let event = self.decoder.next(&mut input, &limits, Some(&mut inflater));
            if let Some(Event::Message(Message::Text(text))) = event.unwrap() {
                return String::from_utf8(text.to_vec()).unwrap();
            }
        }
    }
}

#[tokio::test]
async fn large_publications_are_compressed_for_those_who_asked_and_for_no_others() {
    let site = site(true);
    let mut subscribers = [
        Subscriber::start(&site).await,
        Subscriber::start(&site).await,
    ];
    let mut plain = site.client(Format::Json, "plain").await;
    plain.subscribe("chat:a").await;
    let mut publisher = site.alice().await;
    let large = json!({ "text": "again and ".repeat(300) }).to_string();
    for data in ["{}", &large] {
        publisher.publish("chat:a", data.to_owned()).await;
        assert_eq!(plain.publication("chat:a").await, data.as_bytes());
        for subscriber in &mut subscribers {
            let message = subscriber.message().await;
            assert!(message.contains(&format!("\"data\":{data}")), "{message}");
            let is_compressed = subscriber.heads.last().unwrap() & COMPRESSED != 0;
            assert_eq!(is_compressed, data.len() > 1_000, "{message}");
        }
    }
    drop((subscribers, plain, publisher));
    site.stop().await;
}

#[tokio::test]
async fn a_bomb_is_refused_by_what_it_would_become() {
    let site = site(true);
    let upgrade = Upgrade::new(site.address()).with(EXTENSIONS, "permessage-deflate");
    let mut raw = Raw::upgrade(site.address(), &upgrade).await.ok().unwrap();
    let mut bomb = Vec::new();
    let spaces = vec![b' '; 5_000_000];
    tidegate_websocket::Deflater::new(9).deflate(&spaces, WindowBits::MAX, &mut bomb);
    assert!(bomb.len() < 10_000, "{}", bomb.len());
    raw.write(&frame(FINAL | COMPRESSED | TEXT, &bomb)).await;
    assert_eq!(raw.end().await, End::Close(1009));
    site.stop().await;
}

#[tokio::test]
async fn nobody_compresses_who_did_not_agree() {
    let site = site(true);
    let mut raw = Raw::open(site.address(), "").await;
    raw.write(&frame(FINAL | COMPRESSED | TEXT, b"\x02\0"))
        .await;
    assert_eq!(raw.end().await, End::Close(1002));
    site.stop().await;
}
