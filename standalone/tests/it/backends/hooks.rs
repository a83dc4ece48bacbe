//! What `docs/hooks.md` shows backends is done as it stands there, by a gateway with the configuration that it shows.

use std::fs;
use std::process::Command;

use async_nats::Client;
use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tempfile::TempDir;
use tidegate_testkit::deadline::{PATIENCE, until_some};
use tidegate_testkit::nats::NatsServer;
use tidegate_testkit::program::Program;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::{Message, http::HeaderValue};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

use super::free_port;
use super::snippets::{blocks, script};

const PAGE: &str = include_str!("../../../../docs/hooks.md");

/// The backends of the page in Python, in its order.
const OVER_HTTP: usize = 0;
const OVER_NATS: usize = 1;
pub(super) const FETCHING: usize = 2;

/// A program of the page, which finds NATS at this URL.
pub(super) fn program(language: &str, number: usize, folder: &TempDir, nats: &str) -> Command {
    let text = &blocks(PAGE, language)[number];
    let mut command = script(language, text, folder);
    command.env("NATS_URL", nats);
    command
}

/// A gateway with the page's configuration, whose backend over HTTP is the page's.
struct Site {
    server: NatsServer,
    folder: TempDir,
    _web: Program,
    _gateway: Program,
    url: String,
}

impl Site {
    async fn start(server: NatsServer) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let port = free_port();
        let mut web = program("python", OVER_HTTP, &folder, "");
        web.env("PORT", port.to_string());
        let web = Program::start(web).unwrap();
        let config = blocks(PAGE, "yaml").remove(0);
        let here = config.replace(
            "https://app.internal/connect",
            &format!("http://127.0.0.1:{port}/connect"),
        );
        assert_ne!(here, config);
        let file = folder.path().join("tidegate.yaml");
        fs::write(&file, here).unwrap();
        let mut gateway = Command::new(env!("CARGO_BIN_EXE_tidegate"));
        gateway.env_clear().arg("--config").arg(&file);
        gateway.args(["--nats", &server.url()]);
        gateway.args(["--address", "127.0.0.1", "--port", "0"]);
        let mut gateway = Program::start(gateway).unwrap();
        let url = loop {
            let line = gateway.next_line().await.unwrap();
            let mut words = line.split_whitespace();
            if let Some(url) = words.find(|it| it.ends_with("/connection/websocket")) {
                break url.to_owned();
            }
        };
        Self {
            server,
            folder,
            _web: web,
            _gateway: gateway,
            url,
        }
    }

    /// A browser with this cookie, and how its connect was answered.
    async fn browser(&self, cookie: &str) -> (Browser, Value) {
        let connect = async || {
            let mut request = self.url.as_str().into_client_request().ok()?;
            let cookie = HeaderValue::from_str(cookie).ok()?;
            request.headers_mut().insert("Cookie", cookie);
            let (socket, _) = connect_async(request).await.ok()?;
            let mut browser = Browser { socket, id: 0 };
            let reply = browser.ask(json!({ "connect": {} })).await;
            // The backend may not listen yet.
            (reply["error"]["code"] != 100).then_some((browser, reply))
        };
        until_some("the backend answers", connect).await.unwrap()
    }
}

/// A client that shows its cookies.
struct Browser {
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
    id: u32,
}

impl Browser {
    /// The reply to a command, or the code with which the connection was closed.
    async fn ask(&mut self, mut command: Value) -> Value {
        self.id += 1;
        command["id"] = self.id.into();
        let text = Message::text(command.to_string());
        self.socket.send(text).await.unwrap();
        loop {
            let frame = timeout(PATIENCE, self.socket.next()).await.unwrap();
            match frame.unwrap().unwrap() {
                Message::Text(text) => {
                    let reply: Value = serde_json::from_str(&text).unwrap();
                    if reply["id"] == self.id {
                        return reply;
                    }
                }
                Message::Close(frame) => return u16::from(frame.unwrap().code).into(),
                _ => {}
            }
        }
    }
}

#[tokio::test]
async fn the_backends_of_the_page_decide_and_answer() {
    let server = NatsServer::start_with("jetstream: enabled").await.unwrap();
    let site = Site::start(server).await;
    let (_, refused) = site.browser("session=other").await;
    assert_eq!(refused, 4501);
    let (mut browser, reply) = site.browser("session=a1").await;
    let client = &reply["connect"]["client"];
    assert_eq!(reply["connect"]["data"], json!({ "hello": client }));

    let nats = async_nats::connect(site.server.url()).await.unwrap();
    for (language, number) in [("javascript", 0), ("python", OVER_NATS)] {
        let backend = program(language, number, &site.folder, &site.server.url());
        let mut backend = Program::start(backend).unwrap();
        let rpc = |method: &str| json!({ "rpc": { "method": method, "data": [40, 2] } });
        let mut last = Value::Null;
        let answered = until_some("the backend answers", async || {
            last = browser.ask(rpc("sum")).await;
            (last["error"]["code"] != 100).then_some(())
        });
        let answered = answered.await;
        answered.unwrap_or_else(|error| panic!("{error:#}: {}", backend.output()));
        assert_eq!(last["rpc"]["data"], json!({ "sum": 42 }), "{language}");
        let refused = browser.ask(rpc("other")).await;
        assert_eq!(refused["error"]["code"], 1000, "{language}");
        let published = published(&nats, &mut browser).await;
        assert_eq!(
            published,
            json!({ "by": "42", "text": "hello" }),
            "{language}"
        );
        backend.kill().unwrap();
    }
}

/// What is published when a client publishes.
async fn published(nats: &Client, browser: &mut Browser) -> Value {
    let mut heard = nats.subscribe("tide.pub.chat.room").await.unwrap();
    nats.flush().await.unwrap();
    let data = json!({ "text": "hello", "by": "somebody else" });
    let publish = json!({ "publish": { "channel": "chat:room", "data": data } });
    let reply = browser.ask(publish).await;
    assert_eq!(reply["publish"], json!({}), "{reply}");
    let message = timeout(PATIENCE, heard.next()).await.unwrap().unwrap();
    serde_json::from_slice(&message.payload).unwrap()
}

#[tokio::test]
async fn the_backend_of_the_page_that_fetches_notices_may_come_first() {
    let server = NatsServer::start_with("jetstream: enabled").await.unwrap();
    let site = Site::start(server).await;
    let nats = async_nats::connect(site.server.url()).await.unwrap();
    let is_made = async || {
        let asked = nats.request("$JS.API.STREAM.INFO.tide-hooks", "".into());
        let info: Value = serde_json::from_slice(&asked.await.ok()?.payload).ok()?;
        info["config"].is_object().then_some(())
    };
    until_some("the stream is there", is_made).await.unwrap();
    let backend = program("python", FETCHING, &site.folder, &site.server.url());
    let mut backend = Program::start(backend).unwrap();
    for _ in 0..2 {
        drop(site.browser("session=a1").await);
        let line = backend.next_line().await.unwrap();
        assert!(line.ends_with(": 42 has left, connection closed"), "{line}");
    }
    let is_empty = async || {
        let asked = nats.request("$JS.API.STREAM.INFO.tide-hooks", "".into());
        let info: Value = serde_json::from_slice(&asked.await.ok()?.payload).ok()?;
        (info["state"]["messages"] == 0).then_some(())
    };
    until_some("all are acknowledged", is_empty).await.unwrap();
    backend.kill().unwrap();
}
