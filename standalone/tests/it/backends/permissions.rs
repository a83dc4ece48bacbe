//! Programs and backends with the permissions that `docs/backends.md` gives them, and no others.

use std::process::Command;
use std::sync::{Arc, Mutex};

use async_nats::{Client, ConnectOptions, Event};
use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tempfile::TempDir;
use tidegate_testkit::binaries::binary;
use tidegate_testkit::deadline::until_some;
use tidegate_testkit::gateway::Gateway;
use tidegate_testkit::nats::NatsServer;
use tidegate_testkit::program::Program;
use tokio_tungstenite::connect_async;
use tokio_tungstenite::tungstenite::Message;

use super::{KEY, ask, free_port, hooks};
use crate::telemetry::backend::Backend as Web;

/// The example of the documentation, with passwords.
fn accounts() -> String {
    let page = include_str!("../../../../docs/backends.md");
    let (_, example) = page.split_once("```nats\n").unwrap();
    let (example, _) = example.split_once("```").unwrap();
    format!("jetstream: enabled\n{}", example.replace('…', KEY_WORD))
}

const KEY_WORD: &str = "password-of-everybody";

/// Those that are deployed on Kubernetes, on one server instead of three.
fn deployed() -> String {
    let file = include_str!("../../../../deploy/kubernetes/base/nats.conf");
    let (_, accounts) = file.split_once("\naccounts {").unwrap();
    let mut accounts = format!("accounts {{{accounts}");
    for user in ["GATEWAY", "HISTORY", "PRESENCE", "BACKEND", "SYS"] {
        accounts = accounts.replace(&format!("$NATS_{user}_PASSWORD"), KEY_WORD);
    }
    format!("jetstream: enabled\n{accounts}")
}

/// Everything that has a user of its own.
struct Deployment {
    server: NatsServer,
    gateway: Gateway,
    services: Vec<Program>,
    folder: TempDir,
    /// The backend that is told over HTTP.
    web: Web,
}

impl Deployment {
    async fn start(accounts: &str) -> Self {
        let server = NatsServer::start_with(accounts).await.unwrap();
        let web = Web::start().await;
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("password"), KEY_WORD).unwrap();
        let url = server.url();
        let config = config(&web.url);
        let gateway = Gateway::start(env!("CARGO_BIN_EXE_tidegate"), &config, Some(&url));
        let mut it = Self {
            gateway: gateway.await.unwrap(),
            server,
            services: Vec::new(),
            folder,
            web,
        };
        let archive = it.folder.path().join("archive").display().to_string();
        it.serve("presence", &[]);
        it.serve("history", &["--namespace", "chat", "--archive", &archive]);
        it
    }

    /// Starts a service as the user of its name.
    fn serve(&mut self, name: &str, more: &[&str]) {
        let mut command = Command::new(binary(&format!("tidegate-{name}")).unwrap());
        let listen = format!("127.0.0.1:{}", free_port());
        command.args(["--nats", &self.server.url(), "--nats-user", name]);
        command.arg("--nats-password-file");
        command.arg(self.folder.path().join("password"));
        command.args(["--listen", &listen]).args(more);
        self.services.push(Program::start(command).unwrap());
    }

    /// What anybody was refused by the server, as the programs tell.
    fn output(&self) -> String {
        let services = self.services.iter().map(Program::output);
        let outputs = services.chain([self.gateway.output()]);
        outputs.collect::<Vec<_>>().join("\n")
    }

    /// A connection as this user, and what it was refused.
    async fn user(&self, name: &str) -> (Client, Arc<Mutex<Vec<String>>>) {
        let refused = Arc::new(Mutex::new(Vec::new()));
        let heard = Arc::clone(&refused);
        let options = ConnectOptions::with_user_and_password(name.into(), KEY_WORD.into());
        let options = options.event_callback(move |event| {
            if let Event::ServerError(error) = event {
                heard.lock().unwrap().push(error.to_string().to_lowercase());
            }
            std::future::ready(())
        });
        (options.connect(self.server.url()).await.unwrap(), refused)
    }
}

fn config(web: &str) -> Value {
    json!({
        "client": {
            "allow_anonymous_connect_without_token": true,
            "token": { "hmac_secret_key": KEY },
            "revocation": { "enabled": true },
            "proxy": { "disconnect": { "enabled": true, "endpoint": "nats:app" } },
        },
        "channel": {
            "namespaces": [{
                "name": "chat",
                "presence": true,
                "history_size": 10,
                "history_ttl": "10m",
                "archive": true,
                "state_proxy_enabled": true,
                "unsubscribe_proxy_enabled": true,
                "allow_subscribe_for_client": true,
                "allow_subscribe_for_anonymous": true,
            }],
            "proxy": { "state": { "endpoint": "nats:app" }, "unsubscribe": { "endpoint": web } },
        },
        "rpc": {
            "proxy": { "endpoint": "nats:app" },
            "without_namespace": { "proxy_enabled": true },
        },
        "nats": { "user": "gateway", "password": KEY_WORD },
        "nats_api": { "enabled": true },
    })
}

/// Asks until the answer has a result, for services begin after the gateway.
async fn result(nats: &Client, method: &str, body: Value) -> Value {
    let mut last = Value::Null;
    let done = until_some(method, async || {
        last = ask(nats, method, body.clone()).await;
        last["result"].is_object().then(|| last["result"].clone())
    });
    let done = done.await;
    done.unwrap_or_else(|error| panic!("{error:#}: {last}"))
}

#[tokio::test]
async fn everything_works_with_the_permissions_of_the_documentation() {
    everything_works(&accounts()).await;
}

#[tokio::test]
async fn everything_works_with_the_permissions_on_kubernetes() {
    everything_works(&deployed()).await;
}

async fn everything_works(accounts: &str) {
    let mut site = Deployment::start(accounts).await;
    let (backend, refused) = site.user("backend").await;
    let there = async || {
        let asked = backend.request("tide.req.tidegate.info", "{}".into());
        asked.await.ok().map(drop)
    };
    let there = until_some("the gateway answers", there).await;
    there.unwrap_or_else(|error| panic!("{error:#}\n{}", site.output()));
    let channel = json!({ "channel": "chat:room" });

    publications_work(&backend).await;
    for (method, body) in [
        ("presence", channel.clone()),
        ("presence_stats", channel.clone()),
        ("channels", json!({})),
        ("connections", json!({})),
        ("subscribe", json!({ "user": "u", "channel": "chat:room" })),
        (
            "unsubscribe",
            json!({ "user": "u", "channel": "chat:room" }),
        ),
        (
            "refresh",
            json!({ "user": "u", "expire_at": 4_000_000_000_u64 }),
        ),
        ("disconnect", json!({ "user": "u" })),
        ("block_user", json!({ "user": "mallory" })),
        ("revocations", json!({})),
        ("unblock_user", json!({ "user": "mallory" })),
        ("history_remove", channel.clone()),
    ] {
        result(&backend, method, body).await;
    }
    let service = backend.request("$SRV.INFO.tidegate", "".into()).await;
    assert!(service.is_ok(), "{service:?}");
    hooks_work(&site, &backend).await;
    assert_eq!(
        *refused.lock().unwrap(),
        [""; 0],
        "a backend was refused something"
    );
    let output = site.output().to_lowercase();
    assert!(!output.contains("permissions violation"), "{output}");
    site.gateway.stop().await.unwrap();
}

/// Whichever way they take.
async fn publications_work(backend: &Client) {
    let stored = async || {
        let stored = backend
            .request("tide.pub.chat.room", "1".into())
            .await
            .ok()?;
        let stored: Value = serde_json::from_slice(&stored.payload).ok()?;
        stored["seq"].as_u64()
    };
    until_some("a backend's publication is stored", stored)
        .await
        .unwrap();
    let published = json!({ "channel": "chat:room", "data": 2 });
    result(backend, "publish", published).await;
    let passing = json!({ "channel": "chat:room", "data": 3, "skip_history": true });
    assert_eq!(result(backend, "publish", passing).await, json!({}));
    let all = json!({ "channel": "chat:room", "limit": 10 });
    let history = result(backend, "history", all).await;
    assert!(history["publications"].as_array().unwrap().len() >= 2);
}

/// A client calls a backend, and goes, of which the backend is told by the work queue.
async fn hooks_work(site: &Deployment, backend: &Client) {
    let asked = backend.queue_subscribe("tide.hook.app", "backends".into());
    let mut asked = asked.await.unwrap();
    backend.flush().await.unwrap();
    let socket = connect_async(site.gateway.websocket()).await;
    let (mut socket, _) = socket.unwrap();
    for command in [
        json!({ "id": 1, "connect": {} }),
        json!({ "id": 2, "rpc": { "method": "x", "data": {} } }),
    ] {
        socket
            .send(Message::text(command.to_string()))
            .await
            .unwrap();
    }
    let question = asked.next().await.unwrap();
    let answer = json!({ "result": { "data": "yes" } }).to_string();
    backend
        .publish(question.reply.unwrap(), answer.into())
        .await
        .unwrap();
    loop {
        let reply = socket.next().await.unwrap().unwrap().into_text().unwrap();
        if reply.contains("\"yes\"") {
            break;
        }
    }
    let subscribe = json!({ "id": 3, "subscribe": { "channel": "chat:room" } }).to_string();
    socket.send(Message::text(subscribe)).await.unwrap();
    loop {
        let reply = socket.next().await.unwrap().unwrap().into_text().unwrap();
        if reply.contains("\"id\":3") {
            assert!(reply.contains("\"subscribe\""), "{reply}");
            break;
        }
    }
    drop(socket);
    fetched(site).await;
    relayed(site).await;
}

/// A notice that the backend fetches itself, as the documentation shows it.
async fn fetched(site: &Deployment) {
    let url = site.server.url();
    let url = url.replace("nats://", &format!("nats://backend:{KEY_WORD}@"));
    let program = hooks::program("python", hooks::FETCHING, &site.folder, &url);
    let mut program = Program::start(program).unwrap();
    let line = program.next_line().await;
    let line = line.unwrap_or_else(|error| panic!("{error:#}\n{}", site.output()));
    assert!(line.ends_with("has left, connection closed"), "{line}");
    is_taken(site, "tide.hook.app.disconnect").await;
    program.kill().unwrap();
}

/// A notice that the gateway gives to a backend over HTTP.
async fn relayed(site: &Deployment) {
    let told = async || (!site.web.header("content-length").is_empty()).then_some(());
    until_some("the backend is told", told).await.unwrap();
    is_taken(site, "tide.hook.*.unsubscribe").await;
}

/// Waits until nothing is stored there.
async fn is_taken(site: &Deployment, subjects: &str) {
    let (gateway, _) = site.user("gateway").await;
    let wanted = json!({ "subjects_filter": subjects }).to_string();
    let is_taken = async || {
        let asked = gateway.request("$JS.API.STREAM.INFO.tide-hooks", wanted.clone().into());
        let info: Value = serde_json::from_slice(&asked.await.ok()?.payload).ok()?;
        let state = info["state"].as_object()?;
        state.get("subjects").is_none().then_some(())
    };
    let taken = until_some(subjects, is_taken).await;
    taken.unwrap_or_else(|error| panic!("{error:#}\n{}", site.output()));
}

#[tokio::test]
async fn what_is_not_permitted_is_refused() {
    let site = Deployment::start(&accounts()).await;
    for (user, subjects) in [
        (
            "publisher",
            &[
                "tide.out.chat.room",
                "tide.req.tidegate.disconnect",
                "tide.pub.news.a",
            ][..],
        ),
        (
            "backend",
            &[
                "tide.out.chat.room",
                "tide.node.beat",
                "tide.pub.news.a",
                "$KV.tide-revocations.blocked.a",
            ],
        ),
        (
            "presence",
            &[
                "tide.pub.chat.room",
                "tide.req.tidegate.disconnect",
                "tide.node.ask",
            ],
        ),
        (
            "history",
            &[
                "tide.pub.chat.room",
                "tide.out.chat.room",
                "$JS.API.STREAM.DELETE.tide_chat",
            ],
        ),
        (
            "gateway",
            &["$JS.API.STREAM.DELETE.tide_chat", "other.subject"],
        ),
    ] {
        let (client, refused) = site.user(user).await;
        for subject in subjects {
            client.publish(*subject, "{}".into()).await.unwrap();
            let named = format!("\"{}\"", subject.to_lowercase());
            let is_refused = async || {
                client.flush().await.ok()?;
                let refused = refused.lock().unwrap();
                refused.iter().any(|it| it.contains(&named)).then_some(())
            };
            let outcome = until_some("it is refused", is_refused).await;
            assert!(
                outcome.is_ok(),
                "{user} may publish on {subject}: {refused:?}"
            );
        }
    }
}
